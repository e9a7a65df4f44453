"""Tokens that are asked for by requests: OAuth 2.0 client credentials, and any other flow."""

from __future__ import annotations

import base64
import itertools
import json
import pickle
import threading
import time
import traceback
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Final
from urllib.parse import parse_qsl, unquote_plus

import anyio
import pytest

from _support.small_provider import SMALL, client_of, say
from billingual import (
    AsyncClient,
    Client,
    ClientCredentials,
    ConfigurationError,
    Draft,
    Job,
    MemoryTransport,
    Secret,
    Token,
    TokenError,
    TokenUnavailableError,
    errors,
)  # fmt: skip
from billingual.jobs import State
from billingual.outcomes import Outcome, Safety
from billingual.retry.policy import Retry
from billingual.wire import Conversation, WireRequest, WireResponse

SECRET: Final = "s3cr3t/of+the client"
URL: Final = "https://auth.example/oauth/token"
DRAFT: Final = Draft(number="1")


def source(url: str = URL, **options: Any) -> ClientCredentials:
    """Make a source of tokens."""
    return ClientCredentials(url, "billing:1", SECRET, **options)


def grant(number: int, **fields: object) -> WireResponse:
    """Make the response of a server of tokens."""
    body = {"access_token": f"tok-{number}-tok", "token_type": "Bearer", "expires_in": 3600}
    return MemoryTransport.json(json.dumps({**body, **fields}))


def refusal(code: str, description: str = "", status: int = 401) -> WireResponse:
    """Make its refusal."""
    body = {"error": code, "error_description": description}
    return MemoryTransport.json(json.dumps(body), status=status)


class Auth:
    """A provider and a server of tokens, by what each is asked.

    Attributes:
        asked: the requests for tokens.
        sent: the tokens of the other requests.
        good: the tokens that the provider takes; None for all.
    """

    def __init__(self, *responses: WireResponse, good: set[str] | None = None) -> None:
        self.responses = iter(responses)
        self.numbers = itertools.count(1)
        self.asked: list[WireRequest] = []
        self.sent: list[str | None] = []
        self.good = good

    def __call__(self, request: WireRequest) -> WireResponse:
        if request.url.startswith(URL):
            self.asked.append(request)
            return next(self.responses, None) or grant(next(self.numbers))
        token = (request.headers.get("authorization") or "").removeprefix("Bearer ")
        self.sent.append(token)
        return say() if self.good is None or token in self.good else say(401)


def test_the_request_is_that_of_the_rfc(step: Any, backend: Any) -> None:
    """RFC 6749, sections 2.3.1 and 4.4.2: a form, and id and secret encoded like one."""
    auth = Auth()
    token = source(scope=["invoices:read", "invoices:write"], params={"audience": "https://a/b"})
    client, _ = client_of(
        backend, auth, token=token, headers={"X-Gateway-Key": "gate-12345", "X-Team": "a"}
    )
    step(client.get("i1"))
    (asked,) = auth.asked
    scheme, _, pair = (asked.headers.get("authorization") or "").partition(" ")
    names = [unquote_plus(each) for each in base64.b64decode(pair).decode().split(":")]

    assert (asked.method, asked.url, scheme) == ("POST", URL, "Basic")
    assert names == ["billing:1", SECRET]
    assert dict(parse_qsl((asked.body or b"").decode())) == {
        "grant_type": "client_credentials", "scope": "invoices:read invoices:write",
        "audience": "https://a/b",
    }  # fmt: skip
    assert asked.headers.get("content-type") == "application/x-www-form-urlencoded"
    assert (asked.headers.get("user-agent") or "").startswith("billingual/")
    # They are secrets of another server.
    assert (asked.headers.get("x-gateway-key"), asked.headers.get("x-team")) == (None, None)
    assert auth.sent == ["tok-1-tok"]


def test_id_and_secret_may_go_in_the_body(step: Any, backend: Any) -> None:
    """For servers that do not take the header field, though each must."""
    auth = Auth()
    client, _ = client_of(backend, auth, token=source(auth="body"))
    step(client.get("i1"))
    (asked,) = auth.asked

    assert "authorization" not in asked.headers
    assert dict(parse_qsl((asked.body or b"").decode())) == {
        "grant_type": "client_credentials", "client_id": "billing:1", "client_secret": SECRET,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("lifetime", "lasts"),
    [(3600, 3540.0), ("3600", 3540.0), (60, 54.0), (None, None), (0, None), (-5, None),
     ("soon", None), (True, 0.9), ([], None), (1e400, None)],
    ids=repr,
)  # fmt: skip
def test_a_token_is_used_until_shortly_before_its_end(
    step: Any, backend: Any, lifetime: object, lasts: float | None
) -> None:
    """A minute before it, or a tenth of its time; without a known end until it is refused."""
    auth = Auth(*(grant(number, expires_in=lifetime) for number in (1, 2)))
    client, _ = client_of(backend, auth, token=source())
    step(client.get("i1"))
    backend.clock += 1e9 if lasts is None else lasts - 0.5
    step(client.get("i1"))
    assert len(auth.asked) == 1

    backend.clock += 1.0
    step(client.get("i1"))
    assert len(auth.asked) == (1 if lasts is None else 2)


def test_a_token_that_is_refused_is_renewed_once(step: Any, backend: Any) -> None:
    """A 401 proves that nothing was done, so that a create is sent again."""
    auth = Auth(good={"tok-2-tok"})
    client, _ = client_of(backend, auth, token=source())
    assert step(client.create(DRAFT)).id == "i1"
    step(client.get("i1"))

    assert auth.sent == ["tok-1-tok", "tok-2-tok", "tok-2-tok"]
    assert len(auth.asked) == 2


def test_a_program_that_retries_itself_gets_another_token_with_its_next_call(
    step: Any, backend: Any
) -> None:
    """``retry="none"`` sends one request for each call, but does not keep what was refused."""
    auth = Auth(good={"tok-2-tok"})
    client, _ = client_of(backend, auth, token=source(), retry="none")
    with pytest.raises(errors.AuthenticationError):
        step(client.get("i1"))
    step(client.get("i1"))

    assert auth.sent == ["tok-1-tok", "tok-2-tok"]


@pytest.mark.parametrize("loop", ["asyncio", "trio"])
@pytest.mark.parametrize("good", [None, {"tok-2-tok"}], ids=["at first", "after a refusal"])
def test_calls_at_once_ask_once(loop: str, good: set[str] | None) -> None:
    """However many wait, with options of their own or not, and over two clients."""
    auth = Auth(good=good)

    async def main() -> None:
        async def respond(request: WireRequest) -> WireResponse:
            await anyio.sleep(0.01)
            return auth(request)

        token = source()
        made = [AsyncClient(SMALL, token=token, transport=Slow(respond)) for _ in range(2)]
        async with anyio.create_task_group() as group:
            for number in range(10):
                client = made[number % 2]
                group.start_soon(client.get, "i1")
                group.start_soon(lambda each=client: each.get("i1", timeout=5, headers={"X": "1"}))

    anyio.run(main, backend=loop)
    assert len(auth.asked) == (1 if good is None else 2)
    assert auth.sent.count("tok-2-tok" if good else "tok-1-tok") == 20


class Slow(MemoryTransport):
    """Respond by an async function."""

    def __init__(self, respond: Callable[[WireRequest], Any]) -> None:
        super().__init__()
        self._respond_slowly = respond

    async def send(self, request: WireRequest, bounds: Any) -> WireResponse:
        response: WireResponse = await self._respond_slowly(request)
        return response


@pytest.mark.parametrize("good", [None, {"tok-2-tok"}], ids=["at first", "after a refusal"])
def test_threads_at_once_ask_once(good: set[str] | None) -> None:
    """Over two clients that block, each in many threads."""
    auth, lock = Auth(good=good), threading.Lock()

    def respond(request: WireRequest) -> WireResponse:
        time.sleep(0.05)
        with lock:
            return auth(request)

    token = source()
    made = [Client(SMALL, token=token, transport=MemoryTransport(respond)) for _ in range(2)]
    threads = [threading.Thread(target=made[each % 2].get, args=("i1",)) for each in range(10)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()

    assert len(auth.asked) == (1 if good is None else 2)
    assert auth.sent.count("tok-2-tok" if good else "tok-1-tok") == 10


def test_a_function_is_asked_once_for_calls_with_options_of_their_own() -> None:
    """Each such call is made by a sibling, and siblings share what they wait for."""
    asked = itertools.count(1)

    async def main() -> None:
        async def token() -> str:
            await anyio.sleep(0.01)
            return f"tok-{next(asked)}"

        client = AsyncClient(SMALL, token=token, transport=MemoryTransport(lambda _: say()))
        async with anyio.create_task_group() as group:
            for _ in range(10):
                group.start_soon(lambda: client.get("i1", timeout=5))
                group.start_soon(client.with_options(tenant=None).get, "i1")

    anyio.run(main)
    assert next(asked) == 2


REFUSALS: Final = {
    "invalid_client": (refusal("invalid_client", "Bad\x1b[31m client"), "auth='body'"),
    "invalid_scope": (refusal("invalid_scope", status=400), "check scope"),
    "quoted": (refusal("denied", f"{SECRET} is wrong", 400), "denied: \\*\\*\\* is wrong"),
    "a page": (say(404, "<html>no</html>"), "it responded with 404"),
    "elsewhere": (say(302, location="https://evil.example"), "it responded with 302"),
    "no token": (say(200, "{}"), "holds no access_token"),
    "no text": (grant(1, access_token=5), "holds no access_token"),
    "an error": (say(200, '{"error": "slow_down"}'), "slow_down"),
    "no object": (say(200, "[1]"), "holds no access_token"),
    "deep": (say(200, "[" * 100_000), "holds no access_token"),
    "another type": (grant(1, token_type="mac"), "not bearer"),
}


@pytest.mark.parametrize("name", REFUSALS)
def test_a_refusal_says_what_the_server_says_and_is_not_repeated(
    step: Any, backend: Any, name: str
) -> None:
    """Nothing was sent, so that no write is unclear; an account must not be locked by retries."""
    response, match = REFUSALS[name]
    auth = Auth(response, response)
    client, _ = client_of(backend, auth, token=source())
    with pytest.raises(TokenError, match=match) as caught:
        step(client.create(DRAFT))
    error = caught.value

    assert len(auth.asked) == 1
    assert auth.sent == []
    assert error.status == response.status
    assert "auth.example" in str(error)
    assert [each.outcome for each in error.attempts] == [Outcome.NOT_SENT]
    assert not error.maybe_applied
    assert str(error).isprintable()
    if name == "invalid_client":
        assert (error.code, error.description) == ("invalid_client", "Bad [31m client")
    assert pickle.loads(pickle.dumps(error)).code == error.code  # noqa: S301 - our own bytes


FAILURES: Final[dict[str, Any]] = {
    "503": say(503), "429": say(429, retry_after="7"),
    "no connection": errors.NotConnectedError("no"), "late": errors.TimedOutError("late"),
}  # fmt: skip


@pytest.mark.parametrize("name", FAILURES)
def test_what_may_pass_is_tried_again(step: Any, backend: Any, name: str) -> None:
    """By the retry policy of the call, also for a create: its request was not sent."""
    failures = iter([FAILURES[name]])
    auth = Auth()

    def respond(request: WireRequest) -> WireResponse:
        failure = next(failures, None) if request.url == URL else None
        if isinstance(failure, Exception):
            raise failure
        return failure or auth(request)

    client, _ = client_of(backend, respond, token=source())
    assert step(client.create(DRAFT)).id == "i1"

    assert auth.sent == ["tok-1-tok"]
    assert (backend.sleeps[0] >= 7.0) is (name == "429")


def test_a_server_that_stays_away_ends_the_call_unsent(step: Any, backend: Any) -> None:
    """The error is that of the last attempt, and no evidence about the create."""
    client, transport = client_of(
        backend, lambda _: errors.TimedOutError("late"), token=source(), retry=Retry(attempts=3)
    )
    with pytest.raises(TokenUnavailableError, match=r"https://auth\.example: late") as caught:
        step(client.create(DRAFT))

    assert [each.outcome for each in caught.value.attempts] == [Outcome.NOT_SENT] * 3
    assert {each.url for each in transport.requests} == {URL}


def test_a_refusal_is_told_to_all_calls_that_wait() -> None:
    """One request, however many calls; each has an error of its own."""
    auth = Auth(*[refusal("invalid_client")] * 10)
    caught: list[TokenError] = []

    async def main() -> None:
        async def respond(request: WireRequest) -> WireResponse:
            await anyio.sleep(0.01)
            return auth(request)

        client = AsyncClient(SMALL, token=source(), transport=Slow(respond))

        async def call() -> None:
            try:
                await client.get("i1")
            except TokenError as error:
                caught.append(error)

        async with anyio.create_task_group() as group:
            for _ in range(10):
                group.start_soon(call)

    anyio.run(main)
    assert len(auth.asked) == 1
    assert len({id(each) for each in caught}) == 10
    assert {each.code for each in caught} == {"invalid_client"}


@pytest.mark.parametrize(
    "response",
    [refusal("invalid_client"), say(503, retry_after_ms="1")],
    ids=["refused", "not available"],
)
def test_a_job_stops_where_no_token_is_to_be_had(tmp_path: Path, response: WireResponse) -> None:
    """No write is rejected for it: all of them are still planned, and sent by the next run."""
    uid = "550e8400-e29b-41d4-a716-446655440000"
    auth = Auth(*[response] * 100)
    client = Client("exante", token=source(), transport=MemoryTransport(auth), retry="none")
    draft = Draft(number="1", document=uid, owner=uid, counterparty=uid)
    with Job.open(tmp_path / "job.db", client) as job:
        job.plan([draft])
        with pytest.raises((TokenError, TokenUnavailableError)):
            job.run(concurrency=1)
        assert {each.state for each in job.entries()} == {State.PLANNED}
    assert auth.sent == []


@pytest.mark.parametrize("loop", ["asyncio", "trio"])
def test_a_call_that_is_cancelled_while_it_asks_cancels_no_other(loop: str) -> None:
    """The next in line asks."""
    auth = Auth()

    async def main() -> None:
        waits = iter([60.0])

        async def respond(request: WireRequest) -> WireResponse:
            await anyio.sleep(next(waits, 0.0))
            return auth(request)

        client = AsyncClient(SMALL, token=source(), transport=Slow(respond))
        scope = anyio.CancelScope()

        async def first() -> None:
            with scope:
                await client.get("i1")

        async with anyio.create_task_group() as group:
            group.start_soon(first)
            await anyio.wait_all_tasks_blocked()
            group.start_soon(client.get, "i1")
            await anyio.wait_all_tasks_blocked()
            scope.cancel()

    anyio.run(main, backend=loop)
    assert len(auth.asked) == 1
    assert auth.sent == ["tok-1-tok"]


def test_a_function_may_say_how_long_its_token_holds(step: Any, backend: Any) -> None:
    """Then it is asked again when that is over, or when the provider refuses the token."""
    asked = itertools.count(1)
    auth = Auth(good={"tok-1", "tok-3", "tok-4", "tok-6"})

    async def later() -> Token:
        return Token(f"tok-{next(asked)}", expires_in=300)

    for token in (lambda: Token(Secret(f"tok-{next(asked)}"), 300), later):
        client, _ = client_of(backend, auth, token=token)
        step(client.get("i1"))
        step(client.get("i1", timeout=3))
        backend.clock += 271
        step(client.get("i1"))  # the second token is refused, and the third one is taken

    assert auth.sent == ["tok-1", "tok-1", "tok-2", "tok-3", "tok-4", "tok-4", "tok-5", "tok-6"]
    assert "tok-1" not in repr(Token("tok-1", 300))


@pytest.mark.parametrize(
    ("options", "field"),
    [
        ({"token_url": "http://auth.example/token"}, "token_url"),
        ({"token_url": "https://u:p@auth.example/token"}, "token_url"),
        ({"token_url": "https://auth.example/token#a"}, "token_url"),
        ({"token_url": "https://auth.example/token?a#b"}, "token_url"),
        ({"token_url": "https://auth.example/to ken"}, "token_url"),
        ({"token_url": 5}, "token_url"),
        ({"client_id": ""}, "client_id"), ({"client_id": None}, "client_id"),
        ({"client_secret": ""}, "client_secret"), ({"client_secret": 5}, "client_secret"),
        ({"client_secret": Secret("")}, "client_secret"),
        ({"scope": ""}, "scope"), ({"scope": []}, "scope"), ({"scope": [1]}, "scope"),
        ({"scope": 5}, "scope"), ({"params": {"scope": "a"}}, "params"),
        ({"params": {"audience": 1}}, "params"), ({"params": "a=b"}, "params"),
        ({"auth": "digest"}, "auth"),
    ],
    ids=repr,
)  # fmt: skip
def test_what_cannot_be_right_is_refused_at_once(options: dict[str, Any], field: str) -> None:
    """No traceback shows the secret, with the variables of our frames."""
    given = {"token_url": URL, "client_id": "c", "client_secret": SECRET, **options}
    with pytest.raises(ConfigurationError) as caught:
        ClientCredentials(**given)

    assert caught.value.field == field
    frames = list(traceback.walk_tb(caught.value.__traceback__))[1:]
    shown = traceback.StackSummary.extract(iter(frames), capture_locals=True).format()
    assert SECRET not in "".join(shown)


def test_the_secret_is_in_no_text_and_no_pickle() -> None:
    """Nor is the query of the address, where some servers want a key."""
    made = source("https://auth.example/token?key=hidden", params={"audience": "a"})

    assert repr(made) == "ClientCredentials('https://auth.example/token', 'billing:1', '***')"
    with pytest.raises(TypeError):
        pickle.dumps(made)
    client = Client(SMALL, token=made, transport=MemoryTransport())
    texts = f"{client!r}{client._core._settings!r}{client._core._context!r}{made.tokens!r}"
    assert SECRET not in texts


def test_no_traceback_of_a_failed_call_shows_secret_or_token(step: Any, backend: Any) -> None:
    """Whatever fails: the server of tokens, the connection to it, or the call itself."""

    def leaking(_: WireRequest) -> WireResponse:
        raise RuntimeError(SECRET)

    for response in (
        *(each for each, _ in REFUSALS.values()), leaking, lambda _: errors.TimedOutError("late"),
        grant(1),
    ):  # fmt: skip

        def respond(request: WireRequest, response: Any = response) -> Any:
            if request.url == URL:
                return response(request) if callable(response) else response
            return say(401)

        for auth in ("basic", "body"):
            client, _ = client_of(backend, respond, token=source(auth=auth))
            with pytest.raises(errors.BillingualError) as caught:
                step(client.get("i1"))
            each: BaseException | None = caught.value
            while each is not None:
                frames = [
                    frame for frame in traceback.walk_tb(each.__traceback__)
                    if "/tests/" not in frame[0].f_code.co_filename
                ]  # fmt: skip
                stack = traceback.StackSummary.extract(iter(frames), capture_locals=True)
                text = "".join([*stack.format(), str(each), repr(vars(each))])
                encoded = base64.b64encode(SECRET.encode()).decode().rstrip("=")[4:-4]
                for secret in (SECRET, "s3cr3t", encoded, "-tok"):
                    assert secret not in text
                each = each.__cause__ or each.__context__


class Server(ThreadingHTTPServer):
    """A server of tokens and a provider on loopback."""

    daemon_threads = True

    def __init__(self) -> None:
        self.tokens = itertools.count(1)
        self.asked: list[tuple[str, str]] = []
        self.refused = 0
        super().__init__(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server_port}"
        threading.Thread(target=self.serve_forever, args=(0.01,), daemon=True).start()


class Handler(BaseHTTPRequestHandler):
    """Give tokens, of which the first is taken by no call."""

    protocol_version = "HTTP/1.1"
    server: Server

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["content-length"])).decode()
        self.server.asked.append((self.headers["authorization"], body))
        token = {"access_token": f"tok-{next(self.server.tokens)}", "token_type": "bearer"}
        self.respond(200, {**token, "expires_in": 3600})

    def do_GET(self) -> None:
        good = self.headers["authorization"] == "Bearer tok-2"
        self.server.refused += not good
        self.respond(200 if good else 401, {"id": "i1"})

    def respond(self, status: int, body: object) -> None:
        data = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture
def server() -> Iterator[Server]:
    """A real one."""
    with Server() as made:
        yield made
        made.shutdown()


def credentials_of(server: Server) -> ClientCredentials:
    """Make a source over plain http, which this machine may be spoken to with."""
    return source(f"{server.url}/token")


LOOPS: Final = [
    (transport, loop)
    for transport in ("httpx", "httpx2", "aiohttp", "urllib3", "h11")
    for loop in ("asyncio", "trio")
    if (transport, loop) != ("aiohttp", "trio")
]


@pytest.mark.parametrize(("transport", "loop"), LOOPS)
def test_awaited_calls_over_each_transport(server: Server, transport: str, loop: str) -> None:
    """The token comes over the transport that the calls use."""

    async def main() -> None:
        async with (
            AsyncClient(
                SMALL, token=credentials_of(server), base_url=server.url, transport=transport
            ) as client,
            anyio.create_task_group() as group,
        ):
            for _ in range(6):
                group.start_soon(client.get, "i1")

    anyio.run(main, backend=loop)
    assert len(server.asked) == 2
    assert 1 <= server.refused <= 6
    assert {form for _, form in server.asked} == {"grant_type=client_credentials"}


@pytest.mark.parametrize(
    ("transport", "backend_name"),
    [("httpx", None), ("httpx2", None), ("urllib3", None), ("h11", None), ("aiohttp", "portal")],
)
def test_blocking_calls_over_each_transport(
    server: Server, transport: str, backend_name: str | None
) -> None:
    """From six threads."""
    with Client(
        SMALL, token=credentials_of(server), base_url=server.url, transport=transport,
        backend=backend_name,
    ) as client:  # fmt: skip
        threads = [threading.Thread(target=client.get, args=("i1",)) for _ in range(6)]
        for each in threads:
            each.start()
        for each in threads:
            each.join()

    assert len(server.asked) == 2


class TwoSteps:
    """A flow of a program's own, with two requests."""

    def request_token(self) -> Conversation[Token]:
        ticket = yield post("https://one.example/ticket")
        token = yield post("https://two.example/token", ticket.body)
        return Token(token.body.decode())


def post(url: str, body: bytes | None = None) -> WireRequest:
    """Write a request of the flow."""
    return WireRequest(method="POST", url=url, route="/", safety=Safety.READ, body=body)


def test_a_flow_of_ones_own_has_as_many_requests_as_it_likes(step: Any, backend: Any) -> None:
    """A certificate for a ticket, and a ticket for a token, say."""

    def respond(request: WireRequest) -> WireResponse:
        if "one.example" in request.url:
            return say(200, "ticket-1")
        if "two.example" in request.url:
            return say(200, f"{(request.body or b'').decode()}-token")
        return say()

    client, transport = client_of(backend, respond, token=TwoSteps())
    step(client.get("i1"))
    step(client.get("i1"))

    assert [each.url.split("/")[2] for each in transport.requests] == [
        "one.example", "two.example", "small.example", "small.example",
    ]  # fmt: skip
    assert transport.requests[-1].headers.get("authorization") == "Bearer ticket-1-token"
