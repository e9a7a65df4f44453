"""Creates of a provider with idempotency keys: the ledger keeps the key, and makes no number."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import attrs
import pytest

from _support.small_provider import CAPABILITIES, SMALL, SmallDialect, say
from billingual import AsyncClient, AsyncJob, Draft, MemoryTransport, errors
from billingual.capabilities import FieldRules
from billingual.jobs import SqliteLedger
from billingual.jobs.runner import Runner
from billingual.outcomes import Evidence, Safety
from billingual.wire import Conversation

LOST = errors.TimedOutError("late.", evidence=Evidence(connected=True, request_complete=True))


class KeyedDialect(SmallDialect):
    """A dialect of a provider that takes keys, and numbers invoices itself."""

    def __init__(self, _: Any = None, scope: Any = None) -> None:
        rules = FieldRules(accepts=frozenset({"number", "status"}))
        super().__init__(attrs.evolve(CAPABILITIES, idempotency_keys=True, draft=rules), scope)

    def create(self, draft: Draft) -> Conversation[Any]:
        plain = super().create(draft)
        request = attrs.evolve(next(plain), safety=Safety.KEYED, key_header="Idempotency-Key")
        try:
            plain.send((yield request))
        except StopIteration as done:
            return done.value


@pytest.mark.anyio
async def test_an_unclear_create_is_sent_again_with_its_key(tmp_path: Path) -> None:
    """By another run as well; the provider may number the invoice as it likes."""
    transport = MemoryTransport([LOST, say()])
    async with AsyncClient(
        attrs.evolve(SMALL, dialects=(KeyedDialect(),)),
        base_url="https://small.example/base",
        transport=transport,
        retry="none",
    ) as client:
        for policy in ("manual", "reconcile_then_resend"):
            async with AsyncJob.open(
                tmp_path / "j.db", client, late_arrival_s=0, policy=policy
            ) as job:
                await job.plan([Draft(status="DRAFT")])
                report = await job.run()

    assert report.complete
    first, second = transport.requests
    assert first.headers.get("idempotency-key") == second.headers.get("idempotency-key")
    assert first.body == second.body
    assert b"number" not in (first.body or b"")


REFUSED = errors.NotConnectedError("no route.", evidence=Evidence(connected=False))


@pytest.mark.anyio
@pytest.mark.parametrize(("hours", "requests", "left"), [(1, 1, "committed"), (48, 0, "unknown")])
async def test_a_key_that_the_provider_may_have_forgotten_sends_nothing_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, hours: int, requests: int, left: str
) -> None:
    """A resend was planned while the key was fresh, and the run ended before it was sent."""
    script = [LOST, *[REFUSED] * 11, say()]
    transport = MemoryTransport(script)
    monkeypatch.setattr(Runner, "_pause_s", lambda *_: 0.0)
    async with AsyncClient(
        attrs.evolve(SMALL, dialects=(KeyedDialect(),)),
        base_url="https://small.example/base",
        transport=transport,
        retry="none",
    ) as client:
        job = AsyncJob.open(tmp_path / "j.db", client, late_arrival_s=0)
        await job.plan([Draft(status="DRAFT")])
        with pytest.raises(errors.NotConnectedError):
            await job.run(concurrency=1)
        (entry,) = [each async for each in job.entries()]

        assert entry.state == "planned"

        before = len(transport.requests)
        monkeypatch.setattr(SqliteLedger, "clock", lambda _, now: now + hours * 3600)
        await job.run(concurrency=1)
        (entry,) = [each async for each in job.entries()]
        await job.aclose()

    assert entry.state == left
    assert len(transport.requests) - before == requests


@pytest.mark.anyio
async def test_a_look_that_outlasts_the_claim_is_followed_by_no_request(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another process may have taken the create over, and sent it."""
    late = 0.0
    now = Runner._now

    async def slow(*_: object) -> bool:
        nonlocal late
        late += 9999.0
        return True

    monkeypatch.setattr(Runner, "_now", lambda run: now(run) + late)
    monkeypatch.setattr(Runner, "_may_send", slow)
    transport = MemoryTransport([say()])
    async with (
        AsyncClient(
            attrs.evolve(SMALL, dialects=(KeyedDialect(),)),
            base_url="https://small.example/base",
            transport=transport,
        ) as client,
        AsyncJob.open(tmp_path / "j.db", client, policy="manual") as job,
    ):
        await job.plan([Draft(status="DRAFT")])
        report = await job.run(concurrency=1)

    assert [1, 0] == [len(report.unknown), len(transport.requests)]
