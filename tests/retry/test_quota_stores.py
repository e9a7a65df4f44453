"""Every quota store keeps every rule of the seam; one that breaks a rule is caught."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import fakeredis
import pytest

from billingual.abc import Lease, QuotaStore
from billingual.errors import ConfigurationError
from billingual.retry import Limiter, RedisQuota
from billingual.testing import (
    QUOTA_STORE_CHECKS,
    Check,
    MemoryQuotaStore,
    check_quota_store,
)

STORES: dict[str, Callable[[], QuotaStore]] = {
    "memory": MemoryQuotaStore,
    "redis": lambda: RedisQuota(fakeredis.FakeRedis()),
}


@pytest.mark.parametrize("store", STORES)
@pytest.mark.parametrize("check", QUOTA_STORE_CHECKS, ids=str)
def test_the_store_keeps_the_rule(check: Check, store: str) -> None:
    """The rule is in the check."""
    check.run(STORES[store]())


class GivesEachItsOwn(MemoryQuotaStore):
    """Each caller gets the whole rate."""

    def acquire(self, key: str, **how: Any) -> Lease:
        return super().acquire(f"{key}{self.calls}", **how)


class ForgetsFreezes(MemoryQuotaStore):
    """A 429 freezes nothing."""

    def observe(self, key: str, *, sent_ago_s: float, retry_after_s: float | None) -> None:
        super().observe(
            key, sent_ago_s=sent_ago_s, retry_after_s=None if retry_after_s is None else 0.0
        )


class LowersAlways(MemoryQuotaStore):
    """Each 429 lowers the rate."""

    def observe(self, key: str, *, sent_ago_s: float, retry_after_s: float | None) -> None:
        super().observe(key, sent_ago_s=0.0, retry_after_s=retry_after_s)
        super().observe(key, sent_ago_s=0.0, retry_after_s=None)


class KnowsNoJobs(MemoryQuotaStore):
    """Jobs are served as all others are."""

    def acquire(self, key: str, *, rate: float, count: int, is_job: bool) -> Lease:
        return super().acquire(key, rate=rate, count=count, is_job=False)


class ReservesForNone(MemoryQuotaStore):
    """Asking costs a call."""

    def acquire(self, key: str, *, rate: float, count: int, is_job: bool) -> Lease:
        return super().acquire(key, rate=rate, count=max(1, count), is_job=is_job)


@pytest.mark.parametrize(
    "broken", [GivesEachItsOwn, ForgetsFreezes, LowersAlways, KnowsNoJobs, ReservesForNone]
)
def test_a_broken_store_is_caught(broken: type[MemoryQuotaStore]) -> None:
    """The report names the rules that it breaks, and those that it keeps."""
    report = check_quota_store(broken())

    assert report.failed, str(report)
    assert report.passed, str(report)


def test_the_whole_rate_comes_back_by_the_minute() -> None:
    """After a 429, five per cent of the rate come back with each minute without another one."""
    clock = [1000.0]
    store = MemoryQuotaStore(lambda: clock[0])
    store.observe("key", sent_ago_s=0.0, retry_after_s=None)
    seen = []
    for _ in range(8):
        seen.append(round(1 / store.acquire("key", rate=1, count=0, is_job=False).spacing_s, 2))
        clock[0] += 60

    assert [0.7, 0.75, 0.8, 0.85, 0.9, 0.95, 1.0, 1.0] == seen


def test_the_whole_rate_comes_back_in_redis_too(monkeypatch: pytest.MonkeyPatch) -> None:
    """The script reads the time of the store, which is put on here."""
    clock = [1_800_000_000.0]
    monkeypatch.setattr("fakeredis.commands_mixins.server_mixin.time.time", lambda: clock[0])
    store = RedisQuota(fakeredis.FakeRedis())
    store.observe("key", sent_ago_s=0.0, retry_after_s=None)
    seen = []
    for _ in range(8):
        seen.append(round(1 / store.acquire("key", rate=1, count=0, is_job=False).spacing_s, 2))
        clock[0] += 60

    assert [0.7, 0.75, 0.8, 0.85, 0.9, 0.95, 1.0, 1.0] == seen


def test_a_quota_that_is_not_used_is_forgotten() -> None:
    """Redis drops it after an hour, and after its freeze if that is longer."""
    client = fakeredis.FakeRedis()
    store = RedisQuota(client)
    store.acquire("key", rate=1, count=1, is_job=False)
    store.observe("frozen", sent_ago_s=0.0, retry_after_s=3600.0)

    assert 3600 <= client.ttl("billingual:quota:key") <= 3602
    assert 7199 <= client.ttl("billingual:quota:frozen") <= 7201


@pytest.mark.parametrize(
    "address",
    ["cache.example", "http://:canary-password@cache.example", "redis://:canary-password@h:x", ""],
)
def test_an_address_that_is_none_is_refused_without_a_word_of_it(address: str) -> None:
    """It may hold a password."""
    with pytest.raises(ConfigurationError, match="no address of a Redis") as caught:
        Limiter(10, workers=2, store=address)

    assert "canary" not in f"{caught.value!r} {caught.value.__context__!r}"


@pytest.mark.parametrize("option", ["sockettimeout=1", "foo=1", "db=x", "encoding=utf-99"])
def test_an_option_that_the_library_does_not_know_is_refused(option: str) -> None:
    """At once, and not as a store that never responds."""
    with pytest.raises(ConfigurationError, match="an option that redis-py does not know") as caught:
        Limiter(10, workers=2, store=f"redis://:canary-password@cache.example/0?{option}")

    assert "canary" not in f"{caught.value!r} {caught.value.__context__!r}"


@pytest.mark.parametrize("option", ["socket_timeout=60", "socket_connect_timeout=2"])
def test_calls_wait_no_longer_for_a_store_than_is_said(option: str) -> None:
    """The time of an address would win over ours."""
    with pytest.raises(ConfigurationError, match=r"calls wait for a store for 0\.25 s at most"):
        Limiter(10, workers=2, store=f"redis://cache.example/0?{option}")


@pytest.mark.parametrize(
    "address",
    ["redis://cache.example?protocol=3", "rediss://u:p@cache.example:1/3", "unix:///run/redis"],
)
def test_addresses_of_each_kind_are_taken(address: str) -> None:
    """Nothing connects yet."""
    assert "store=..." in repr(Limiter(10, workers=2, store=address))
