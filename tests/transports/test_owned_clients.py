"""A client that the user has already is used as it is, never closed, and never trusted too far."""

from __future__ import annotations

import gzip
import itertools
import socket
import ssl
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from typing import Any

import aiohttp
import anyio
import httpx
import httpx2
import pytest

from _support.wires.link import with_length
from billingual import Client, errors
from billingual.outcomes import Evidence, Outcome, Safety
from billingual.retry.classify import classify
from billingual.testing.recording.record import record
from billingual.transports._inner import InnerTransport
from billingual.transports.client import is_http_client, owned
from billingual.transports.memory import MemoryTransport
from billingual.wire import Bounds, Deadline, Headers, Timeouts, WireRequest, WireResponse

BODY = b'{"status": "success", "data": "' + b"ab" * 700 + b'"}'
GZIPPED = gzip.compress(BODY, mtime=0)
NOTHING = Evidence(connected=False, request_complete=False, response_begun=False)
AWAITED = [
    ("httpx", "asyncio"), ("httpx", "trio"), ("httpx2", "asyncio"), ("httpx2", "trio"),
    ("aiohttp", "asyncio"),
]  # fmt: skip
BLOCKING = [("httpx", "blocking"), ("httpx2", "blocking")]
MODULES = {"httpx": httpx, "httpx2": httpx2}


def bounds(**changes: Any) -> Bounds:
    """Make bounds that do not matter, but for *changes*."""
    usual: dict[str, Any] = {"timeouts": Timeouts.each(10), "deadline": Deadline(50, lambda: 0)}
    return Bounds(**{**usual, **changes})


def ask(url: str, method: str = "GET", **changes: Any) -> WireRequest:
    """Make a request."""
    usual: dict[str, Any] = {"method": method, "url": url, "route": "/x", "safety": Safety.READ}
    return WireRequest(**{**usual, **changes})


class User:
    """A program that has an HTTP client of its own, and sends through it as we do.

    Attributes:
        library: what the client is of.
        options: what the client is made with.
    """

    def __init__(self, library: str, waits: str) -> None:
        self.library = library
        self.waits = waits

    def send(
        self, *requests: WireRequest, limits: Bounds | None = None, **options: Any
    ) -> list[WireResponse | errors.BillingualError]:
        """Send *requests* through one client; errors are results."""
        if self.waits == "blocking":
            with MODULES[self.library].Client(trust_env=False, **options) as client:
                return self._step(self._through(client, requests, limits or bounds()))
        return anyio.run(self._awaited, requests, limits or bounds(), options, backend=self.waits)

    async def _awaited(self, requests: Any, limits: Bounds, options: dict[str, Any]) -> Any:
        if self.library == "aiohttp":
            async with aiohttp.ClientSession(**options) as session:
                ends = await self._through(session, requests, limits)
                assert not session.closed
                return ends
        async with MODULES[self.library].AsyncClient(trust_env=False, **options) as client:
            ends = await self._through(client, requests, limits)
            assert not client.is_closed
            return ends

    @staticmethod
    async def _through(client: Any, requests: Any, limits: Bounds) -> Any:
        transport = owned(client)
        ends: list[Any] = []
        for request in requests:
            try:
                ends.append(await transport.send(request, limits))
            except errors.BillingualError as error:
                ends.append(error)
        await transport.aclose()
        return ends

    @staticmethod
    def _step(work: Any) -> Any:
        try:
            work.send(None)
        except StopIteration as done:
            return done.value
        raise AssertionError("a client that blocks suspended")


@pytest.fixture(params=[*AWAITED, *BLOCKING], ids="-".join)
def user(request: pytest.FixtureRequest) -> User:
    """Return a program with each client, under each way to wait."""
    return User(*request.param)


@pytest.mark.parametrize(
    ("data", "then", "status", "body"),
    [
        (with_length(BODY), "keep", 200, BODY),
        (b"HTTP/1.1 200 OK\r\n\r\n" + BODY, "close", 200, BODY),
        (with_length(GZIPPED, b"Content-Encoding: gzip"), "keep", 200, BODY),
        (with_length(b"no", status=b"404 Not Found"), "keep", 404, b"no"),
        (with_length(b"no", status=b"500 Broken"), "keep", 500, b"no"),
        (b"HTTP/1.1 204 No Content\r\n\r\n", "keep", 204, b""),
        (with_length(b"", b"Location: /elsewhere", status=b"307 T"), "keep", 307, b""),
        (with_length(b"", b"Location: http://h.invalid/", status=b"302 F"), "keep", 302, b""),
    ],
    ids=["length", "close-delimited", "gzip", "404", "500", "204", "307", "302"],
)
def test_any_response_is_a_response_and_no_redirect_is_followed(
    user: User, serve: Any, say: Any, data: bytes, then: str, status: int, body: bytes
) -> None:
    """Whatever the client is set to do about statuses and redirects."""
    server = serve(say(data, then=then), say(with_length(b"followed")))
    options = {"raise_for_status" if user.library == "aiohttp" else "follow_redirects": True}

    (response,) = user.send(ask(f"{server.url}/x"), **options)

    assert isinstance(response, WireResponse), response
    assert (response.status, response.body) == (status, body)
    assert len(server.requests) == 1


def test_a_request_goes_out_as_it_is_and_the_clients_own_comes_with_it(
    user: User, serve: Any, say: Any
) -> None:
    """Path and body are not touched; headers and cookies of the client are the user's."""
    server = serve(say(with_length(b"a")), say(with_length(b"b")))
    headers = Headers([("Authorization", "Bearer t"), ("X-B", "1"), ("Content-Type", "a/b")])
    url = f"{server.url}/in%2Fvoices?sort=%2Bdue_at&q=a%20b"
    request = ask(url, "POST", headers=headers, body=b'{"a": 1}', safety=Safety.CREATE)

    ends = user.send(request, request, headers={"X-Own": "mine"}, cookies={"c": "own"})

    seen = server.requests[0]
    assert [end.body for end in ends] == [b"a", b"b"]
    assert server.connections == 1
    assert seen.startswith(b"POST /in%2Fvoices?sort=%2Bdue_at&q=a%20b HTTP/1.1\r\n")
    assert seen.endswith(b'\r\n\r\n{"a": 1}')
    lines = {line.lower() for line in seen.split(b"\r\n")}
    assert {
        b"authorization: bearer t", b"x-b: 1", b"x-own: mine", b"cookie: c=own",
        b"content-type: a/b", b"content-length: 8", b"accept-encoding: gzip, deflate",
    } <= lines  # fmt: skip


@pytest.mark.parametrize("before", [0, 1])
def test_a_response_that_came_too_early_is_refused(
    user: User, serve: Any, say: Any, before: int
) -> None:
    """What came together with the response before is no response, on a new connection or not."""
    surplus = with_length(b"ok") + with_length(b"surplus")
    replies = [say(with_length(b"ok"))] * before
    server = serve(*replies, say(surplus), say(with_length(b"own")), say(with_length(b"own")))

    *_, met, after = user.send(*[ask(f"{server.url}/x", "POST", body=b"{}")] * (before + 3))

    # Some libraries close the connection in time.
    assert not isinstance(met, WireResponse) or met.body == b"own"
    assert isinstance(met, WireResponse) or classify(met) is Outcome.UNKNOWN
    assert after.body == b"own"


@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "PATCH", "DELETE"])
@pytest.mark.parametrize("then", ["close", "reset"])
def test_a_lost_response_is_never_asked_for_again(
    user: User, serve: Any, say: Any, method: str, then: str
) -> None:
    """Not on a warm connection, and not for a PUT, which aiohttp alone would send again."""
    server = serve(say(with_length(b"warm")), say(b"", then=then), say(with_length(b"again")))
    write = ask(f"{server.url}/x", method, body=b"{}", safety=Safety.SIDE_EFFECTS)

    warm, lost = user.send(ask(f"{server.url}/x"), write)

    assert isinstance(warm, WireResponse)
    assert isinstance(lost, errors.ConnectionLostError)
    assert lost.evidence.connected is True
    assert lost.evidence.request_complete is not False
    assert lost.evidence.response_begun is not True
    assert classify(lost) is Outcome.UNKNOWN
    assert len(server.requests) == 2


@pytest.mark.parametrize(
    ("data", "then"),
    [
        (with_length(BODY)[:-1], "close"),
        (with_length(BODY)[:-1], "reset"),
        (with_length(GZIPPED[:-9], b"Content-Encoding: gzip"), "keep"),
        (with_length(b"<html>", b"Content-Encoding: gzip"), "keep"),
        (with_length(b"\x1b\x00\x00", b"Content-Encoding: br"), "keep"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nab", "close"),
        (b"HTTP/1.1 20", "close"),
        (b"SSH-2.0-OpenSSH\r\n", "close"),
    ],
    ids=["cut", "cut-reset", "gzip-cut", "no-gzip", "brotli", "chunk-cut", "half-a-status", "ssh"],
)
def test_a_broken_response_is_a_lost_connection(
    user: User, serve: Any, say: Any, data: bytes, then: str
) -> None:
    """Nothing short or garbled passes for a response."""
    server = serve(say(data, then=then), say(with_length(b"again")))

    # aiohttp sends a GET again by itself where a connection breaks.
    (lost,) = user.send(ask(f"{server.url}/x", "POST"))

    assert isinstance(lost, errors.ConnectionLostError)
    assert lost.evidence.connected is True
    assert lost.evidence.request_complete is not False
    assert len(server.requests) == 1


@pytest.mark.parametrize(
    ("changes", "data"),
    [
        ({"wire_bytes": 1000}, with_length(BODY)),
        ({"body_bytes": 1000}, with_length(GZIPPED, b"Content-Encoding: gzip")),
        ({}, with_length(gzip.compress(bytes(8 * 2**20)), b"Content-Encoding: gzip")),
    ],
    ids=["wire", "unpacked", "bomb"],
)
def test_a_response_is_read_under_our_bounds(
    user: User, serve: Any, say: Any, changes: dict[str, int], data: bytes
) -> None:
    """The client's connection is closed then, and the client goes on."""
    server = serve(say(data), say(with_length(b"fine")))

    refused, fine = user.send(ask(server.url), ask(server.url), limits=bounds(**changes))

    assert isinstance(refused, errors.ResponseTooLargeError)
    assert isinstance(fine, WireResponse)
    assert fine.body == b"fine"


def test_a_deadline_ends_a_response_that_drips(user: User, serve: Any, say: Any) -> None:
    """A byte now and then holds no call beyond its deadline."""
    server = serve(say(b"HTTP/1.1 200 OK\r\nContent-Length: 99999\r\n\r\n", then="drip"))
    clock = itertools.count()
    limits = bounds(deadline=Deadline(12, lambda: float(next(clock))))

    (late,) = user.send(ask(server.url), limits=limits)

    assert isinstance(late, errors.TimedOutError)


def test_a_response_that_does_not_come_times_out(user: User, serve: Any, say: Any) -> None:
    """The request is out, so it may have been acted on."""
    server = serve(say(b"", then="hang"))
    limits = bounds(timeouts=Timeouts(read=0.4))

    (late,) = user.send(ask(f"{server.url}/x", "POST", body=b"{}"), limits=limits)

    assert isinstance(late, errors.TimedOutError)
    assert late.evidence.connected is True
    assert late.evidence.request_complete is not False
    assert len(server.requests) == 1


def test_a_closed_port_is_proof_that_nothing_was_sent(user: User) -> None:
    """The one failure after which a write may go another way."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{taken.getsockname()[1]}"
        (refused,) = user.send(ask(f"{url}/x?secret=canary", "POST", body=b"{}"))

    assert type(refused) is errors.NotConnectedError
    assert refused.evidence == NOTHING
    assert str(refused).startswith(f"{url}: ")
    assert "canary" not in str(refused)


@pytest.mark.parametrize(("library", "waits"), [each for each in AWAITED if "aiohttp" not in each])
def test_a_busy_pool_is_proof_that_nothing_was_sent(
    library: str, waits: str, serve: Any, say: Any
) -> None:
    """A client that allows no connection more sends nothing."""
    server = serve(say(b"", then="hang"))
    limits = bounds(timeouts=Timeouts(read=0.8, pool=0.05))

    async def both() -> list[Any]:
        module = MODULES[library]
        ends: list[Any] = []

        async def one(transport: Any) -> None:
            try:
                await transport.send(ask(server.url), limits)
            except errors.TransportError as error:
                ends.append(error)

        allowed = module.Limits(max_connections=1)
        async with (
            module.AsyncClient(limits=allowed, trust_env=False) as client,
            anyio.create_task_group() as tasks,
        ):
            tasks.start_soon(one, owned(client))
            tasks.start_soon(one, owned(client))
        return ends

    first, second = anyio.run(both, backend=waits)

    assert (type(first), first.evidence) == (errors.PoolTimeoutError, NOTHING)
    assert type(second) is errors.TimedOutError


@pytest.mark.parametrize(
    "changes",
    [
        {"headers": Headers([("A", "canary"), ("X\n", "1")])},
        {"headers": Headers([("A", "canary"), ("X", "a\r\nB: c")])},
        {"headers": Headers([("A", "canary\n")])},
        {"headers": Headers([("A", "canary ä")])},
        {"headers": Headers([("A", "canary \ud800")])},
        {"method": "GET /canary HTTP/1.1\r\nX: y"},
        {"url": "http://127.0.0.1/canary y"},
        {"url": "http://127.0.0.1:canary/"},
        {"url": "http:///canary"},
    ],
    ids=["name", "value", "end", "umlaut", "surrogate", "method", "url", "port", "no-host"],
)
def test_what_cannot_be_written_as_http_is_not_sent(
    user: User, serve: Any, say: Any, changes: dict[str, Any]
) -> None:
    """And its text, which may hold a token, is not shown."""
    server = serve(say(with_length(b"x")))

    (failure,) = user.send(ask(**{"url": server.url, **changes}))

    assert type(failure) is errors.TransportError
    assert failure.evidence.request_complete is False
    assert classify(failure) is Outcome.NOT_SENT
    assert server.requests == []
    assert "canary" not in f"{failure!r}{failure.__cause__!r}{failure.__context__!r}"


def test_a_closed_client_is_named(user: User) -> None:
    """It is the user's to open again."""
    if user.waits == "blocking":
        client = MODULES[user.library].Client()
        client.close()
        send = lambda: user._step(owned(client).send(ask("http://h"), bounds()))  # noqa: E731
    else:

        async def closed() -> None:
            made: Any = (
                aiohttp.ClientSession() if user.library == "aiohttp"
                else MODULES[user.library].AsyncClient()
            )  # fmt: skip
            async with made:
                pass
            await owned(made).send(ask("http://h"), bounds())

        send = lambda: anyio.run(closed, backend=user.waits)  # noqa: E731

    with pytest.raises(errors.ClosedError, match=f"of {user.library}\\) is closed") as caught:
        send()

    assert classify(caught.value) is Outcome.NOT_SENT


class Stubborn(httpx.AsyncBaseTransport):
    """A transport of the user's that sends again: what it says of the last try proves nothing."""

    def __init__(self, *, traced: bool) -> None:
        self._inner = httpx.AsyncHTTPTransport()
        self._traced = traced

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        if not self._traced:
            request.extensions = {}
        try:
            return await self._inner.handle_async_request(request)
        except httpx.ReadError:
            pass
        except httpx.RemoteProtocolError:
            pass
        raise httpx.ConnectError("the second try")

    async def aclose(self) -> None:
        await self._inner.aclose()


@pytest.mark.parametrize("traced", [True, False])
@pytest.mark.parametrize("waits", ["asyncio", "trio"])
def test_a_client_that_sends_again_by_itself_proves_nothing(
    traced: bool, waits: str, serve: Any, say: Any  # noqa: FBT001
) -> None:  # fmt: skip
    """There was no connection in the end, but the server had the write before."""
    server = serve(say(b"", then="close"))
    user = User("httpx", waits)

    (lost,) = user.send(
        ask(server.url, "POST", body=b"{}"), transport=Stubborn(traced=traced)
    )  # fmt: skip

    assert type(lost) is errors.ConnectionLostError
    assert lost.evidence.request_complete is True
    assert classify(lost) is Outcome.UNKNOWN
    assert len(server.requests) == 1


def test_a_middleware_of_aiohttp_that_sends_again_proves_nothing(serve: Any, say: Any) -> None:
    """It met a lost response first, and a refused connection then."""
    server = serve(say(b"", then="close"))

    async def again(request: Any, handler: Any) -> Any:
        try:
            return await handler(request)
        except Exception:  # noqa: BLE001 - as careless programs do
            server.close()
            return await handler(request)

    (lost,) = User("aiohttp", "asyncio").send(
        ask(f"{server.url}/x", "PUT", body=b"{}"), middlewares=[again]
    )

    assert type(lost) is errors.ConnectionLostError
    assert lost.evidence.connected is True
    assert lost.evidence.request_complete is None
    assert len(server.requests) == 1


@pytest.mark.parametrize("library", ["httpx", "httpx2"])
@pytest.mark.parametrize("waits", ["asyncio", "blocking"])
def test_a_hook_that_raises_for_a_status_hides_it_not(
    library: str, waits: str, serve: Any, say: Any
) -> None:
    """Httpx documents such a hook. The status and the headers are in its exception."""
    response = with_length(b"no", b"Retry-After: 7", status=b"429 Too Many Requests")
    server = serve(say(response), say(response))

    def refuse(response: Any) -> None:
        response.raise_for_status()

    async def refuse_async(response: Any) -> None:
        refuse(response)

    async def read_and_refuse(response: Any) -> None:
        await response.aread()
        refuse(response)

    def read_and_refuse_blocking(response: Any) -> None:
        response.read()
        refuse(response)

    hooks: tuple[Any, Any] = (refuse_async, read_and_refuse)
    if waits == "blocking":
        hooks = (refuse, read_and_refuse_blocking)
    seen: list[Any] = []
    for hook in hooks:
        seen += User(library, waits).send(ask(server.url, "POST"), event_hooks={"response": [hook]})

    assert [each.status for each in seen] == [429, 429]
    assert [each.headers.get("retry-after") for each in seen] == ["7", "7"]
    assert [each.body for each in seen] == [b"", b"no"]
    assert [each.request_complete for each in seen] == [True, True]


@pytest.mark.parametrize(
    ("library", "waits"), [each for each in [*AWAITED, *BLOCKING] if each[0] != "aiohttp"]
)
@pytest.mark.parametrize("status", [200, 302, 401, 422, 429, 503])
def test_a_hooks_own_error_hides_no_refusal(
    library: str, waits: str, status: int, serve: Any, say: Any
) -> None:
    """Nor does a body that a hook cannot unpack. Behind a success anything may have happened."""
    retry_after = b"Retry-After: 7"
    line = b"%d Said" % status
    server = serve(
        say(with_length(b"{}", retry_after, status=line)),
        say(with_length(b"no gzip", retry_after, b"Content-Encoding: gzip", status=line)),
    )

    def fail(response: Any) -> None:
        raise LookupError("a hook's own")

    def read(response: Any) -> None:
        response.read()

    async def fail_async(response: Any) -> None:
        raise LookupError("a hook's own")

    async def read_async(response: Any) -> None:
        await response.aread()

    hooks: Any = [fail, read] if waits == "blocking" else [fail_async, read_async]
    if waits == "trio":
        hooks.pop()  # trio warns of the generator that httpx leaves half-way in such a hook
    seen: list[Any] = []
    for hook in hooks:
        seen += User(library, waits).send(ask(server.url, "POST"), event_hooks={"response": [hook]})

    if status < 400:
        assert [classify(each) for each in seen] == [Outcome.UNKNOWN for _ in hooks]
    else:
        found = [(each.status, each.headers.get("retry-after")) for each in seen]
        assert found == [(status, "7") for _ in hooks]


def test_a_hook_that_fails_is_told_as_ours_and_proves_nothing(serve: Any) -> None:
    """Nothing public tells whether the client had sent the request, so the worst is assumed."""

    def fail(request: Any) -> None:
        raise KeyError("canary")

    (failed,) = User("httpx", "blocking").send(
        ask(serve().url, "POST"), event_hooks={"request": [fail]}
    )

    assert isinstance(failed, errors.ConnectionLostError)
    assert failed.evidence == Evidence()
    assert classify(failed) is Outcome.UNKNOWN
    assert "canary" not in f"{failed!r}{failed.__context__!r}"


@pytest.mark.parametrize("library", ["httpx", "httpx2"])
@pytest.mark.parametrize("waits", ["asyncio", "blocking"])
def test_the_clients_own_authentication_does_not_replace_our_token(
    library: str, waits: str, serve: Any, say: Any
) -> None:
    """The provider's token goes out. A request that carries none gets the client's."""
    server = serve(say(with_length(b"x")), say(with_length(b"x")))
    signed = ask(server.url, headers=Headers([("Authorization", "Bearer ours")]))

    User(library, waits).send(signed, ask(server.url), auth=("user", "theirs"))

    assert b"authorization: bearer ours" in server.requests[0].lower()
    assert b"authorization: basic" in server.requests[1].lower()


@pytest.mark.parametrize("library", ["httpx", "httpx2"])
def test_a_tunnel_through_a_proxy_is_not_our_request(library: str, serve: Any, say: Any) -> None:
    """The proxy was asked to connect; of our request it has nothing."""
    proxy = serve(say(with_length(b"", status=b"502 Bad Gateway")))

    (failed,) = User(library, "blocking").send(
        ask("https://h.invalid/x", "POST"), proxy=proxy.url
    )  # fmt: skip

    assert type(failed) is errors.NotConnectedError
    assert failed.evidence == NOTHING
    assert proxy.requests[0].startswith(b"CONNECT h.invalid:443")


def test_a_call_whose_time_is_over_is_not_sent(serve: Any, say: Any) -> None:
    """To aiohttp, no time at all would be all the time there is."""
    server = serve(say(with_length(b"x")))

    (late,) = User("aiohttp", "asyncio").send(
        ask(server.url, "POST"), limits=bounds(deadline=Deadline(1, lambda: 2))
    )

    assert isinstance(late, errors.TimedOutError)
    assert late.evidence.request_complete is False
    assert server.requests == []


def test_a_session_of_aiohttp_says_that_trio_is_not_its_loop() -> None:
    """And names what works there."""
    sessions: list[Any] = []

    async def make() -> None:
        sessions.append(aiohttp.ClientSession())

    async def use() -> None:
        await owned(sessions[0]).send(ask("http://h"), bounds())

    async def close() -> None:
        await sessions[0].close()

    anyio.run(make)
    with pytest.raises(errors.ConfigurationError, match="give an AsyncClient of httpx instead"):
        anyio.run(use, backend="trio")
    anyio.run(close)


@pytest.fixture
async def client() -> AsyncIterator[httpx.AsyncClient]:
    """Make a client."""
    async with httpx.AsyncClient(trust_env=False) as made:
        yield made


class Special(httpx.Client):
    """A class that a program made from a client's."""


@pytest.mark.parametrize(
    ("make", "known"),
    [
        (httpx.Client, True), (httpx2.Client, True), (httpx.AsyncClient, True),
        (httpx2.AsyncClient, True), (Special, True), (lambda: httpx.Client, False),
        (MemoryTransport, False), (lambda: "httpx", False), (lambda: None, False),
    ],
    ids=["httpx", "httpx2", "async-httpx", "async-httpx2", "subclass", "class", "transport",
         "name", "none"],
)  # fmt: skip
def test_clients_are_recognised(make: Callable[[], Any], known: bool) -> None:  # noqa: FBT001
    """By the classes they are made from."""
    value = make()

    assert known is is_http_client(value)
    if not known:
        with pytest.raises(errors.ConfigurationError, match="no client that can be used"):
            owned(value)


def test_no_library_is_imported_to_recognise_a_client() -> None:
    """Most programs have none of them."""
    program = (
        "import sys\nfrom billingual.transports.client import is_http_client\n"
        "assert not is_http_client(object())\n"
        "assert not {'httpx', 'httpx2', 'aiohttp'} & set(sys.modules)\n"
    )

    done = subprocess.run(
        [sys.executable, "-c", program], check=False, capture_output=True, text=True
    )

    assert (0, "") == (done.returncode, done.stderr)


@pytest.mark.anyio
async def test_a_client_may_be_inside_another_transport(client: httpx.AsyncClient) -> None:
    """Recording what a user's own client sends needs no adapter in the user's program."""
    inner = InnerTransport.of(client)  # type: ignore[arg-type]
    await inner.aclose()

    assert set(inner.supports) == {"async"}
    assert inner.drop() == 0
    assert inner.account("exante") is None
    assert not client.is_closed
    assert repr(owned(client)) == "owned(AsyncClient of httpx)"


def test_a_clients_own_pool_serves_a_blocking_program(tmp_path: Any) -> None:
    """Through the whole client, recorded on the way, and the user's client stays open."""
    from billingual.sandbox import ACCOUNTS, running  # noqa: PLC0415 - starts a server

    account = ACCOUNTS["exante"]
    with running() as server, httpx.Client(trust_env=False) as mine:
        options: dict[str, Any] = {
            "token": account.token, "base_url": server.base_url("exante"),
        }  # fmt: skip
        with Client("exante", transport=record(tmp_path / "t.json", mine), **options) as ours:
            first = ours.list(page_size=2).first()

        assert first is not None
        assert not mine.is_closed


@pytest.mark.parametrize(
    "option",
    [{"tls": ssl.create_default_context()}, {"proxy": "http://127.0.0.1:9"}],
    ids=["tls", "proxy"],
)
def test_trust_and_proxies_are_the_owned_clients_own(option: dict[str, Any]) -> None:
    """An option that would be passed over is refused."""
    with httpx.Client() as client, pytest.raises(errors.ConfigurationError, match="set them there"):
        Client("exante", token="t", transport=client, **option)
