"""The bench of a transport's checks: servers, transports, and a way to run under a backend.

Each check has a bench of its own and runs in a thread. A check that does not return in time has
found a transport that hangs: it fails, and its thread is left behind.
"""

from __future__ import annotations

import contextlib
import functools
import inspect
import socket
import threading
from collections.abc import Callable, Coroutine, Iterable, Sequence
from typing import Any, Final, TypeAlias, TypeVar, cast
from urllib.parse import urlsplit

import anyio
import attrs

from billingual.abc import Backend, Transport, TransportFactory, TransportOptions, account_of
from billingual.backends.anyio import AnyioBackend
from billingual.backends.sync import SyncBackend
from billingual.backends.threads import ThreadedTransport
from billingual.errors import BillingualError, ConfigurationError, TransportError, shown
from billingual.outcomes import Safety
from billingual.plugins import TRANSPORTS
from billingual.testing.conformance.report import Check, NotApplicableError, fail, named_check
from billingual.testing.conformance.server import Heard, LoopbackServer, Say, Script, written
from billingual.transports.asgi import AsgiApp
from billingual.wire import Bounds, Deadline, Headers, Timeouts, WireRequest, WireResponse

__all__ = [
    "BACKENDS",
    "Bench",
    "ExecutionScope",
    "Handler",
    "InProcess",
    "Subject",
    "asgi_app",
    "watched",
]

T = TypeVar("T")
E = TypeVar("E", bound=BillingualError)
Handler: TypeAlias = Callable[[WireRequest], WireResponse]
"""What answers a request: it may be called from any thread."""


@attrs.frozen
class InProcess:
    """A transport that opens no connection, so that rules of the network mean nothing to it.

    Attributes:
        answering: takes a handler and returns a factory of transports that answer with it.
        scripted: False where the transport answers as it likes and never asks the handler.
        reason: why rules of the network do not apply, for the report.
    """

    answering: Callable[[Handler], TransportFactory]
    scripted: bool = True
    reason: str = "it opens no connection"


Subject = str | TransportFactory | InProcess
"""What can be checked: a registered name, a factory, or a transport without a network."""

BACKENDS: Final = ("asyncio", "uvloop", "trio", "blocking")
PATIENCE_S: Final = 20.0
CANARY: Final = "canary-4b1d"
ALWAYS: Final = WireResponse(status=200, body=b"ok")


@attrs.frozen
class ExecutionScope:
    """Where a check's responses come from.

    Attributes:
        url: the address below which requests go.
        transport: what sends there.
        heard: lists the paths that were asked for so far, in order.
    """

    url: str
    transport: Transport
    heard: Callable[[], list[str]]


@attrs.define(eq=False)
class Workshop:
    """What one check is made with: servers, transports, and a way to run and to wait.

    Attributes:
        subject: what is checked.
        backend_name: ``asyncio``, ``uvloop``, ``trio`` or ``blocking``.
        backend: that backend.
    """

    subject: Subject
    backend_name: str
    backend: Backend = attrs.field(init=False)
    _made: list[Transport] = attrs.field(factory=list)
    _cleanup: contextlib.ExitStack = attrs.field(factory=contextlib.ExitStack)

    def __attrs_post_init__(self) -> None:
        if self.backend_name not in BACKENDS:
            raise ConfigurationError(
                f"there is no backend {shown(self.backend_name)}; give one of "
                f"{', '.join(BACKENDS)}."
            )
        self.backend = SyncBackend() if self.backend_name == "blocking" else AnyioBackend()

    def run(self, work: Callable[[], Coroutine[Any, Any, T]], *, closing: bool = True) -> T:
        """Run *work* under the backend and, if *closing*, close the transports it made."""

        async def all_of_it() -> T:
            try:
                return await work()
            finally:
                while closing and self._made:
                    # What a check found counts, not how the broken part takes its end.
                    with contextlib.suppress(Exception):
                        await self._made.pop().aclose()

        if isinstance(self.backend, SyncBackend):
            return self.backend.run(all_of_it())
        if self.backend_name == "uvloop":
            return anyio.run(all_of_it, backend_options={"use_uvloop": True})
        return anyio.run(all_of_it, backend=self.backend_name)

    def close(self) -> None:
        """Close all servers."""
        self._cleanup.close()

    def server(self, *says: Say, script: Script | None = None, **options: Any) -> LoopbackServer:
        """Start a server that lives as long as the bench."""
        self.needs_network()
        server = LoopbackServer(script or says, **options)
        self._cleanup.callback(server.close)
        return server

    def keep(self, thing: Callable[[], object]) -> None:
        """Have *thing* called when the bench closes."""
        self._cleanup.callback(thing)

    def closed_port(self) -> int:
        """Return a port without a listener, which no other program can take meanwhile."""
        taken = socket.socket()
        self.keep(taken.close)
        taken.bind(("127.0.0.1", 0))
        return int(taken.getsockname()[1])

    def needs_network(self) -> None:
        """Pass over a rule of the network for a transport that has none.

        Raises:
            NotApplicableError: if it has none.
        """
        if isinstance(self.subject, InProcess):
            raise NotApplicableError(self.subject.reason)

    def transport(self, factory: TransportFactory | None = None, **options: Any) -> Transport:
        """Make a transport, closed at the end of the run, that waits as the backend does."""
        made = (factory or self._factory())(TransportOptions(backend=self.backend, **options))
        supports = getattr(made, "supports", frozenset({"async"}))
        if self.backend.blocks and "sync" not in supports:
            raise NotApplicableError("it only works on an event loop")
        if not self.backend.blocks and "async" not in supports:
            made = ThreadedTransport(made, self.backend)
        self._made.append(made)
        return made

    def bounds(self, *, deadline_s: float = 10.0, **changes: Any) -> Bounds:
        """Make bounds that matter only where *changes* say so."""
        timeouts = changes.pop("timeouts", None) or Timeouts.each(5.0)
        now = self.backend.now
        return Bounds(timeouts=timeouts, deadline=Deadline(now() + deadline_s, now), **changes)

    async def together(self, jobs: Sequence[Callable[[], Coroutine[Any, Any, T]]]) -> list[T]:
        """Run *jobs* at once: as tasks, or in threads."""
        pool = self.backend.task_pool(len(jobs))
        try:
            started = [pool.start(job, lambda: None) for job in jobs]
            return [await each.result() for each in started]
        finally:
            await pool.aclose()

    async def until(self, holds: Callable[[], object], *, what: str) -> None:
        """Wait until *holds*, which another thread brings about."""
        end = self.backend.now() + PATIENCE_S / 2
        while not holds():
            if self.backend.now() > end:
                fail(expected=what, seen="it did not happen")
            await self.backend.sleep(0.002)

    def _factory(self) -> TransportFactory:
        if isinstance(self.subject, InProcess):
            return self.subject.answering(lambda request: ALWAYS)  # noqa: ARG005 - a handler's
        if isinstance(self.subject, str):
            return cast(TransportFactory, TRANSPORTS.load(self.subject))
        return self.subject


class Bench(Workshop):
    """What one check works with: ways to send, each of which fails the check if it must."""

    def answering(self, handler: Handler, **options: Any) -> ExecutionScope:
        """Make a transport and something that answers it with *handler*."""
        if not isinstance(self.subject, InProcess):
            server = self.server(script=lambda heard: Say(written(handler(_request_of(heard)))))
            made = self.transport(**options)
            return ExecutionScope(
                server.url, made, lambda: [each.target for each in server.requests]
            )
        if not self.subject.scripted:
            raise NotApplicableError(f"{self.subject.reason}, and answers as it likes")
        paths: list[str] = []

        def noted(request: WireRequest) -> WireResponse:
            parts = urlsplit(request.url)
            paths.append(parts.path + (f"?{parts.query}" if parts.query else ""))
            return handler(request)

        made = self.transport(self.subject.answering(noted), **options)
        return ExecutionScope("http://127.0.0.1", made, lambda: list(paths))

    def anywhere(self, **options: Any) -> ExecutionScope:
        """Make a transport and something that answers it somehow."""
        if isinstance(self.subject, InProcess) and not self.subject.scripted:
            made = self.transport(**options)
            accounts = (account_of(made, each) for each in ("exante", "kukkingu", "katsu"))
            known = next(filter(None, accounts), None)
            return ExecutionScope(known.base_url if known else "http://127.0.0.1", made, list)
        return self.answering(lambda request: ALWAYS, **options)  # noqa: ARG005 - a handler's

    async def response(
        self, transport: Transport, request: WireRequest, bounds: Bounds | None = None
    ) -> WireResponse:
        """Send, and fail the check unless a response comes."""
        met = await self.either(transport, request, bounds)
        if isinstance(met, BillingualError):
            fail(expected="a response", seen=described(met))
        return met

    async def failure(
        self,
        transport: Transport,
        request: WireRequest,
        bounds: Bounds | None = None,
        *,
        kind: type[E],
    ) -> E:
        """Send, and fail the check unless an error of that kind comes."""
        met = await self.either(transport, request, bounds)
        if not isinstance(met, kind):
            fail(expected=f"a {kind.__name__}", seen=described(met))
        return met

    async def either(
        self, transport: Transport, request: WireRequest, bounds: Bounds | None = None
    ) -> WireResponse | BillingualError:
        """Send; return the response or our error, and fail the check at any other exception."""
        try:
            met = await transport.send(request, bounds or self.bounds())
        except BillingualError as error:
            if isinstance(error, TransportError):
                consistent(error)
            return error
        except Exception as foreign:  # noqa: BLE001 - it is what this is for
            fail(
                expected="no exception but ours leaves send",
                seen=f"{type(foreign).__module__}.{type(foreign).__qualname__}: {foreign}",
            )
        if type(met) is not WireResponse or type(met.body) is not bytes:
            fail(expected="a WireResponse with bytes", seen=met)
        return met

    async def probe(self) -> None:
        """Pass over a transport that refuses to work under the backend at all.

        Raises:
            NotApplicableError: if it does.
        """
        nowhere = request(f"http://127.0.0.1:{self.closed_port()}")
        met = await self.either(self.transport(), nowhere, self.bounds(deadline_s=1.0))
        if isinstance(met, ConfigurationError):
            raise NotApplicableError(str(met))


def request(
    base: str,
    path: str = "/x",
    *,
    method: str = "GET",
    body: bytes | None = None,
    headers: Iterable[tuple[str, str]] = (),
) -> WireRequest:
    """Make a request; one that is no GET is the kind that must not be delivered twice."""
    return WireRequest(
        method=method,
        url=f"{base}{path}",
        route="/x",
        safety=Safety.READ if method == "GET" else Safety.CREATE,
        headers=Headers(headers),
        body=body,
    )


def echo(request: WireRequest) -> WireResponse:
    """Answer with the path that was asked for."""
    return WireResponse(status=200, body=urlsplit(request.url).path.encode())


def echoed(heard: Heard) -> Say:
    """Answer with the path that was asked for, as a script."""
    return Say(written(WireResponse(status=200, body=heard.target.encode())))


def described(met: WireResponse | BillingualError) -> str:
    """Say in words what came of a send."""
    if isinstance(met, WireResponse):
        return f"a response {met.status} with {len(met.body)} bytes: {met.body[:60]!r}"
    evidence = f" with {met.evidence}" if isinstance(met, TransportError) else ""
    return f"{type(met).__name__}: {met}{evidence}"


def consistent(error: TransportError) -> None:
    """Fail the check where evidence contradicts itself."""
    seen = error.evidence
    if seen.connected is False and (seen.request_complete or seen.response_begun):
        fail(expected="evidence that does not contradict itself", seen=described(error))


def watched(bench: Bench, work: Callable[[], object], seconds: float = PATIENCE_S) -> None:
    """Run *work* in a thread; what it raises goes up.

    Raises:
        CheckFailedError: if it does not end in time.
    """
    raised: list[BaseException] = []

    def run() -> None:
        try:
            work()
        except BaseException as error:  # noqa: BLE001 - it goes up in the other thread
            raised.append(error)

    thread = threading.Thread(target=run, daemon=True, name="billingual-check")
    thread.start()
    thread.join(seconds)
    late = thread.is_alive()
    bench.close()
    if late:
        thread.join(2)
        fail(expected="an end", seen=f"it still hung after {seconds:g} s")
    if raised:
        raise raised[0]


def _request_of(heard: Heard) -> WireRequest:
    return WireRequest(
        method=heard.method,
        url=f"http://127.0.0.1{heard.target}",
        route=heard.target,
        safety=Safety.READ,
        headers=Headers(heard.headers),
        body=heard.body or None,
    )


def transport_check(work: Callable[[Bench], Coroutine[Any, Any, None] | None]) -> Check:
    """Make a check of *work*, which is given a bench: its name and docstring are the check's."""

    @functools.wraps(work)
    def run(subject: Subject, *, backend: str = "asyncio") -> None:
        bench = Bench(subject, backend)
        if not isinstance(subject, InProcess):
            watched(bench, lambda: bench.run(bench.probe))
        if inspect.iscoroutinefunction(work):
            watched(bench, lambda: bench.run(lambda: work(bench)))
        else:
            watched(bench, lambda: work(bench))

    return named_check(run, work.__doc__)


def asgi_app(handler: Handler) -> AsgiApp:
    """Make an ASGI application that answers with *handler*."""

    async def app(scope: object, receive: object, send: object) -> None:
        details, hear, say = scope, receive, send
        body = b""
        more = True
        while more:
            message = await hear()  # type: ignore[operator]  # the protocol of ASGI
            body += message.get("body", b"")
            more = message.get("more_body", False)
        response = handler(_request_in(details, body))  # type: ignore[arg-type]  # likewise
        pairs = [(key.lower().encode(), value.encode("latin-1")) for key, value in response.headers]
        await say(  # type: ignore[operator]  # likewise
            {"type": "http.response.start", "status": response.status, "headers": pairs}
        )
        await say({"type": "http.response.body", "body": response.body})  # type: ignore[operator]

    return app


def _request_in(scope: dict[str, object], body: bytes) -> WireRequest:
    path, query = cast(bytes, scope["raw_path"]), cast(bytes, scope["query_string"])
    pairs = cast(list[tuple[bytes, bytes]], scope["headers"])
    target = (path + (b"?" + query if query else b"")).decode("ascii")
    host = dict(pairs).get(b"host", b"127.0.0.1").decode("latin-1")
    return WireRequest(
        method=str(scope["method"]),
        url=f"http://{host}{target}",
        route=target,
        safety=Safety.READ,
        headers=Headers((key.decode("latin-1"), value.decode("latin-1")) for key, value in pairs),
        body=body or None,
    )
