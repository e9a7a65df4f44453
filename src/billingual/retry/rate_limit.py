"""How fast a credential may call: the numbers that a caller gives, and a pace for each credential.

Where several processes share a credential, each keeps to its part of the rate (``workers=``), or
all of them take turns by a store (``store=``).
"""

from __future__ import annotations

from collections.abc import Callable, Hashable
from typing import Final

from billingual.abc import QuotaStore
from billingual.auth import Secret, as_secret
from billingual.errors import ConfigurationError, shown
from billingual.retry.by_credential import ByCredential
from billingual.retry.pace import Pace, Rules
from billingual.wire import plain_text

__all__ = ["Limiter"]

_MOST_WORKERS: Final = 1_000_000
"""More processes than share a credential; the gap of more could be no number of seconds."""


class Limiter:
    """Slow calls down, for each credential and tenant separately.

    Every client has a limiter that only learns: it costs nothing until a 429 comes. Pass one with
    a *rate* to never go faster, and pass the same one to several clients to make them share it.
    Fair between tasks and between threads; safe to share between both.

    Processes on any number of machines share a rate by *workers*, each its own part of it, or by a
    *store*, which gives what one worker does not need to the others::

        Limiter(10, workers=8)
        Limiter(10, workers=8, store="redis://cache.example/0")

    With a store, a 429 makes all workers wait as long as the provider asks. If it names no time, or
    comes again within a minute, all of them go on at 70 % of the rate, and 5 % of it come back with
    each quiet minute. Calls of jobs leave a fifth of the rate to other calls, where there are some.
    While the store fails, each worker keeps to its own part: there is always a limit. One log
    record and one event for observers tell of that, and again when the store is back.

    Args:
        rate: most attempts a second, evenly spaced; None for no fixed rate.
        learns: whether a 429 pauses all calls of its credential for the time that the provider
            asks for, an hour at most, and then sends them one by one with narrowing gaps.
            Default True.
        workers: how many processes share the rate, at most: 1 to 1,000,000. Default 1.
        store: what they share it by: the address of a Redis or Valkey (``redis://``,
            ``rediss://``, ``unix://``; extra ``redis``), or a
            :class:`~billingual.abc.QuotaStore`. It holds no token: the key is a keyed hash of base
            URL, credential and tenant. Default None, for none.
        name: is in that key instead of the credential. Needed with a store where the
            token comes from a function, and equal in all workers.

    Raises:
        ConfigurationError: if *rate* is not above zero, *workers* is out of bounds, or
            *store* or *workers* comes without a rate.
        MissingExtraError: if the extra ``redis`` is needed and not installed.
    """

    def __init__(
        self,
        rate: float | None = None,
        *,
        learns: bool = True,
        workers: int = 1,
        store: str | Secret | QuotaStore | None = None,
        name: str | None = None,
    ) -> None:
        # Wrapped first: a traceback that shows local variables must not show a password.
        store = as_secret(store) if isinstance(store, str) else store
        is_number = isinstance(rate, (int, float)) and not isinstance(rate, bool)
        if rate is not None and not (is_number and 0 < rate < float("inf")):
            raise ConfigurationError(
                f"Limiter(rate={shown(rate)}) lets nothing through or everything; give attempts "
                "per second, a number above zero."
            )
        if type(workers) is not int or not 1 <= workers <= _MOST_WORKERS:
            raise ConfigurationError(
                f"Limiter(workers={shown(workers)}) counts the processes that share the rate; give "
                f"a whole number from 1 to {_MOST_WORKERS:,}."
            )
        if rate is None and (workers > 1 or store is not None):
            raise ConfigurationError(
                "workers= and store= share a rate, and none is given; write "
                "Limiter(10, workers=8) for ten attempts a second of all workers together."
            )
        self._rate, self._workers, self._name = rate, workers, plain_text(name)
        self._rules = Rules(spacing_s=workers / rate if rate else 0.0, learns=learns)
        self._store = _opened(store) if isinstance(store, Secret) else store
        self._paces: ByCredential[Pace] = ByCredential()

    def pace(
        self, key: Hashable, fingerprint: Callable[[str | None], str | None] = lambda _: None
    ) -> Pace:
        """Return the pace of *key*: a host, a credential and a tenant.

        Args:
            key: means something in this process only.
            fingerprint: turns the limiter's name, or None, into a key that is equal in all
                processes; None if the credential needs a name.

        Raises:
            ConfigurationError: if there is a store, and the credential needs a name.
        """
        return self._paces.of(key, lambda: self._made(fingerprint))

    def _made(self, fingerprint: Callable[[str | None], str | None]) -> Pace:
        if self._store is None or self._rate is None:
            return Pace(self._rules)
        key = fingerprint(self._name)
        if key is None:
            raise ConfigurationError(
                "workers recognise a quota by its token, and a function returns another token from "
                "time to time; give all of them the same Limiter(..., name=...).",
                field="limiter",
            )
        # Few programs share a quota, and this class takes a millisecond to make.
        from billingual.retry.shared_pace import Quota, SharedPace  # noqa: PLC0415

        quota = Quota(rate=self._rate, workers=self._workers)
        return SharedPace(self._rules, self._store, key, quota)

    def __repr__(self) -> str:
        shared = f", workers={self._workers}" if self._workers > 1 else ""
        shared += ", store=..." if self._store is not None else ""
        return f"Limiter(rate={self._rate!r}, learns={self._rules.learns!r}{shared})"


def _opened(address: Secret) -> QuotaStore:
    from billingual.retry.redis import RedisQuota  # noqa: PLC0415 - an extra

    return RedisQuota.at(address)
