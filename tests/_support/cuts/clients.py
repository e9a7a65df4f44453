"""Both clients against a server that cuts: on asyncio, on trio, and blocking a thread."""

from __future__ import annotations

import random
import ssl
import threading
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final, Protocol, TypeVar

import anyio
import attrs
import trustme

from _support.cuts.calls import Call
from _support.cuts.server import Cut, CuttingServer, Seen, Stage
from billingual import AsyncClient, Client, errors
from billingual.abc import RetryPolicy
from billingual.retry.budget import RetryBudget
from billingual.retry.rate_limit import Limiter
from billingual.wire import Timeouts

__all__ = ["BACKENDS", "Case", "Ended", "Setting", "chance", "complaints", "tls_pair"]

BACKENDS: Final = ("asyncio", "blocking", "trio")
BRISK: Final = Timeouts(connect=20, write=20, read=0.03, pool=20)
PATIENT: Final = Timeouts(connect=20, write=2, read=2, pool=20)


class Case(Protocol):
    """A call and what cuts it."""

    @property
    def call(self) -> Call:
        """The call."""
        ...

    @property
    def then(self) -> str:
        """How the server ends it."""
        ...

    def cut(self) -> Cut:
        """Tell the server."""
        ...


C = TypeVar("C", bound=Case)


@attrs.frozen
class Ended:
    """How a call ended: its value or its error, and what the server saw of it."""

    value: Any
    seen: list[Seen]

    @property
    def is_ours(self) -> bool:
        """Tell whether it is a value, or an error of this package."""
        return not isinstance(self.value, BaseException) or isinstance(
            self.value, errors.BillingualError
        )


@attrs.frozen(kw_only=True)
class Setting:
    """How the clients of a run are made and met.

    Attributes:
        retry: the clients' policy.
        times: how often the server cuts a call in the same way.
        before: what the server does with an uncut call on the same connection first; None for a
            connection of its own.
        first: what meets the call's first request, where a later one is cut.
        tls: contexts of the server and of the clients, or None.
        small_buffers: whether the server's kernel takes as little as it can.
        brisk: timeouts against a server that stalls.
        patient: timeouts otherwise, and where haste may have been at fault.
        callers: callers at once.
    """

    retry: str | RetryPolicy = "none"
    times: int = 1
    before: Callable[[Any], Cut] | None = None
    first: Cut | None = None
    tls: tuple[ssl.SSLContext, ssl.SSLContext] | None = None
    small_buffers: bool = False
    brisk: Timeouts = BRISK
    patient: Timeouts = PATIENT
    callers: int = 12

    def patience(self, case: Case) -> tuple[Timeouts, ...]:
        """List with what timeouts a call is made, until there is nothing wrong with its end."""
        return (self.brisk, self.patient) if case.then == "stall" else (self.patient,)


def chance(seed: int) -> random.Random:
    """Return the chance that draws a sample."""
    return random.Random(seed)  # noqa: S311 - a sample is no secret


def tls_pair() -> tuple[ssl.SSLContext, ssl.SSLContext]:
    """Make contexts of a server and of clients that trust it."""
    authority = trustme.CA()
    theirs, ours = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER), ssl.create_default_context()
    authority.issue_cert("127.0.0.1").configure_cert(theirs)
    authority.configure_trust(ours)
    return theirs, ours


class _Caller:
    """One caller: a stage, and a client for each provider that is asked there."""

    def __init__(self, backend: str, server: CuttingServer, setting: Setting) -> None:
        self.stage: Stage = server.stage(small_buffers=setting.small_buffers)
        self.setting = setting
        self._make = Client if backend == "blocking" else AsyncClient
        self._clients: dict[tuple[str, Timeouts], Any] = {}

    def prepare(self, case: Case, timeouts: Timeouts) -> Any:
        """Lay out what a call meets, and return its client."""
        cuts = [case.cut()] * self.setting.times
        if self.setting.before is not None:
            cuts.insert(0, self.setting.before(case))
        if self.setting.first is not None:
            cuts.insert(0, self.setting.first)
        self.stage.expect(*cuts)
        provider = case.call.provider
        key = str(getattr(provider, "name", provider)), timeouts
        if key not in self._clients:
            self._clients[key] = self._make(
                **case.call.options,
                base_url=self.stage.url,
                transport="h11",
                retry=self.setting.retry,
                timeout=timeouts,
                # Most calls fail here, which must neither slow the others down nor forbid retries.
                limiter=Limiter(learns=False),
                budget=RetryBudget(capacity=1_000_000),
                tls=None if self.setting.tls is None else self.setting.tls[1],
            )
        return self._clients[key]

    def ended(self, case: Case, value: Any) -> Ended:
        """Add what the server saw of the call itself: neither the one before nor a look after."""
        seen = self.stage.settled()[1 if self.setting.before is not None else 0 :]
        if case.call.writes:
            seen = [each for each in seen if not each.data.startswith(b"GET ")]
        return Ended(value, seen)

    @property
    def clients(self) -> Iterable[Any]:
        """All clients that were made."""
        return self._clients.values()


def complaints(
    backend: str,
    cases: Iterable[C],
    judge: Callable[[C, Ended], str | None],
    setting: Setting = Setting(),
) -> list[str]:
    """Make every call, and list what was wrong with how it ended; ten are enough.

    A server that stalls is met with little patience, so on a busy machine its bytes may come too
    late to be seen. An error that looks wrong counts only if it does with patience too; a value
    that looks wrong counts at once.
    """
    found: list[str] = []
    left = iter(cases)
    lock = threading.Lock()

    def following() -> Iterator[C]:
        while len(found) < 10:
            with lock:
                case = next(left, None)
            if case is None:
                return
            yield case

    def is_settled(case: C, ended: Ended, *, last: bool) -> bool:
        problem = judge(case, ended)
        hasty = case.then == "stall" and isinstance(ended.value, errors.BillingualError)
        if problem is not None and hasty and not last:
            return False
        if problem is not None:
            found.append(f"{case}: {problem}")
        return True

    with CuttingServer(None if setting.tls is None else setting.tls[0]) as server:
        callers = [_Caller(backend, server, setting) for _ in range(setting.callers)]
        if backend == "blocking":
            _run_threads(callers, following, is_settled)
        else:
            anyio.run(_run_tasks, callers, following, is_settled, backend=backend)
    return found


def _run_threads(
    callers: list[_Caller], following: Callable[[], Iterator[C]], is_settled: Callable[..., bool]
) -> None:
    def work(caller: _Caller) -> None:
        for case in following():
            for timeouts in caller.setting.patience(case):
                client = caller.prepare(case, timeouts)
                value = _blocking_value(client, case, caller.setting)
                if is_settled(
                    case, caller.ended(case, value), last=timeouts is caller.setting.patient
                ):
                    break
        for client in caller.clients:
            client.close()

    with ThreadPoolExecutor(len(callers)) as threads:
        list(threads.map(work, callers))


def _blocking_value(client: Any, case: Case, setting: Setting) -> Any:
    try:
        if setting.before is not None:
            case.call.make(client)
        return case.call.make(client)
    except Exception as error:  # noqa: BLE001 - a foreign one is what is looked for
        return error


async def _run_tasks(
    callers: list[_Caller], following: Callable[[], Iterator[C]], is_settled: Callable[..., bool]
) -> None:
    async def work(caller: _Caller) -> None:
        for case in following():
            for timeouts in caller.setting.patience(case):
                client = caller.prepare(case, timeouts)
                value = await _async_value(client, case, caller.setting)
                if is_settled(
                    case, caller.ended(case, value), last=timeouts is caller.setting.patient
                ):
                    break
        for client in caller.clients:
            await client.aclose()

    async with anyio.create_task_group() as tasks:
        for caller in callers:
            tasks.start_soon(work, caller)


async def _async_value(client: Any, case: Case, setting: Setting) -> Any:
    try:
        if setting.before is not None:
            await case.call.make(client)
        return await case.call.make(client)
    except Exception as error:  # noqa: BLE001 - a foreign one is what is looked for
        return error
