"""One random token through many failing paths: it shows up nowhere."""

from __future__ import annotations

import logging
import pickle
import secrets
import socket
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import anyio
import pytest
from starlette.applications import Starlette
from starlette.routing import Route, Router

from billingual import AsyncClient, Changes, Draft, MemoryTransport, Money, errors
from billingual.outcomes import Evidence
from billingual.transports.asgi import AsgiTransport
from billingual.wire import Headers, WireResponse

TOKEN = f"canary{secrets.token_hex(12)}"
TESTS = str(Path(__file__).parents[1])
SENT = Evidence(connected=True, request_complete=True)


def chain_of(error: BaseException | None) -> Iterator[BaseException]:
    """List an error with all its causes and contexts, suppressed ones included."""
    seen: set[int] = set()
    waiting = [error]
    while waiting:
        each = waiting.pop()
        if each is None or id(each) in seen:
            continue
        seen.add(id(each))
        yield each
        waiting += [each.__cause__, each.__context__, *getattr(each, "exceptions", ())]


def everything_said_by(error: BaseException) -> str:
    """Write down all that a log, a tracker of errors or a queue could learn from *error*.

    Frames of the tests themselves are left out: they hold the token on purpose.
    """
    texts = []
    for each in chain_of(error):
        frames = [
            (frame, line)
            for frame, line in traceback.walk_tb(each.__traceback__)
            if not frame.f_code.co_filename.startswith(TESTS)
        ]
        stack = traceback.StackSummary.extract(iter(frames), capture_locals=True)
        texts += [str(each), repr(each), repr(vars(each)), *stack.format()]
        try:
            texts.append(repr(pickle.dumps(each)))
        except (TypeError, AttributeError, pickle.PicklingError):
            texts.append("not pickled")
    return "\n".join(texts)


def leaking(fault: Exception) -> Callable[[Any], Any]:
    """Make a transport's response that raises a foreign exception."""

    def response(request: Any) -> Any:
        raise fault

    return response


UUID = "3c90c3cc-0d44-4b50-8888-8dd25736052a"
LONG = "a" * 24
EXANTE = Draft(number="1", document=UUID, owner=UUID, counterparty=UUID)
KUKKINGU = Draft(number="1", document=f"ctr_{LONG}", total=Money.of("1", "EUR"), exchange_rate="1")
# For each provider: what it is opened with, and calls that pass the local checks.
Calls = dict[str, Callable[[AsyncClient], Any]]
PROVIDERS: dict[str, tuple[dict[str, Any], Calls]] = {
    "exante": (
        {},
        {
            "get": lambda c: c.get(UUID),
            "create": lambda c: c.create(EXANTE),
            "update": lambda c: c.update(UUID, Changes(number="2")),
            "update_many": lambda c: c.update_many({UUID: Changes(number="2")}),
            "delete_many": lambda c: c.delete_many([UUID]),
            "list": lambda c: c.list().first(),
        },
    ),
    "kukkingu": (
        {"tenant": f"tnt_{LONG}"},
        {
            "get": lambda c: c.get(f"inv_{LONG}"),
            "create": lambda c: c.create(KUKKINGU),
            "update": lambda c: c.update(f"inv_{LONG}", Changes(number="2")),
            "finalize": lambda c: c.finalize(f"inv_{LONG}"),
            "void": lambda c: c.void(f"inv_{LONG}"),
            "list": lambda c: c.list().first(),
        },
    ),
}
OPERATIONS = PROVIDERS["exante"][1]
SCRIPTS: dict[str, Any] = {
    **{
        str(status): lambda _, status=status: WireResponse(
            status=status, headers=Headers([("Location", "https://elsewhere.example")])
        )
        for status in (302, 400, 401, 403, 404, 409, 422, 429, 500, 503)
    },
    "garbage": lambda _: WireResponse(status=200, body=b"\xff<html>"),
    "timeout": lambda _: errors.TimedOutError("late", evidence=SENT),
    "lost": lambda _: errors.ConnectionLostError("lost", evidence=SENT),
    "refused": lambda _: errors.NotConnectedError("no"),
    "foreign": leaking(OSError(f"Illegal header value b'Bearer {TOKEN}'")),
    "foreign with a cause": leaking(RuntimeError(TOKEN)),
}  # fmt: skip


@pytest.fixture(autouse=True)
def all_logs(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    """Listen to every logger at DEBUG, and look through what was said at the end."""
    with caplog.at_level(logging.DEBUG):
        yield
    said = "\n".join(f"{record.getMessage()} {record.__dict__}" for record in caplog.records)

    assert TOKEN not in said


def failure_of(call: Callable[[], Any]) -> BaseException:
    """Run a call that must fail and return its error."""
    with pytest.raises(Exception) as caught:
        call()
    return caught.value


@pytest.mark.parametrize("seen", SCRIPTS)
@pytest.mark.parametrize("provider", PROVIDERS)
def test_no_failure_of_a_call_shows_the_token(
    step: Any, backend: Any, seen: str, provider: str
) -> None:
    """Statuses, lost wires and foreign exceptions, through every operation of a provider."""
    options, calls = PROVIDERS[provider]
    transport = MemoryTransport(SCRIPTS[seen])
    made = AsyncClient(provider, token=TOKEN, transport=transport, backend=backend, **options)

    for call in calls.values():
        transport.requests.clear()
        error = failure_of(lambda call=call: step(call(made)))
        assert TOKEN not in everything_said_by(error)
        sent = [request.headers.get("authorization") for request in transport.requests]
        assert set(sent) == {f"Bearer {TOKEN}"}

    assert TOKEN not in f"{made!r}{made._context!r}{made._settings!r}{made.capabilities!r}"


@pytest.mark.parametrize("bad", ["{}\n", " {}", "{}\r\nX: 1", "{}é", "{}\x00", "{} "])
def test_no_bad_token_is_shown(step: Any, backend: Any, bad: str) -> None:
    """Neither where it is given, nor in a sibling, nor from a function."""
    token = bad.format(TOKEN)
    good = AsyncClient("exante", token="fine", transport=MemoryTransport(), backend=backend)

    async def fetch() -> str:
        return token

    found = [
        failure_of(lambda: AsyncClient("exante", token=token, transport="memory")),
        failure_of(lambda: good.with_options(token=token)),
        failure_of(lambda: step(OPERATIONS["create"](good.with_options(token=lambda: token)))),
        failure_of(lambda: step(OPERATIONS["get"](good.with_options(token=fetch)))),
    ]

    assert [type(each) for each in found[:2]] == [errors.ConfigurationError] * 2
    for each in found:
        assert TOKEN not in everything_said_by(each)


@pytest.mark.parametrize(
    "options",
    [
        {"base_url": ""}, {"base_url": "http://far.example"}, {"retry": "x"}, {"deadline": 0},
        {"tenant": "t"}, {"transport": "x"}, {"timeout": None}, {"provider": "x"},
        {"base_url": f"https://user:{TOKEN}@host"}, {"base_url": f"https://h/?t={TOKEN}"},
    ],
    ids=lambda value: "-".join(value) + str(len(str(value))),
)  # fmt: skip
def test_no_client_that_cannot_be_made_shows_the_token(options: dict[str, Any]) -> None:
    """A good token is in the frames of a constructor that fails for another reason."""
    settings = {"provider": "exante", "transport": MemoryTransport(), "token": TOKEN, **options}
    error = failure_of(lambda: AsyncClient(**settings))

    # The frame of the constructor holds the caller's base URL; its text must not be in ours.
    said = str(error) if TOKEN in str(options) else everything_said_by(error)
    assert isinstance(error, errors.BillingualError)
    assert TOKEN not in said


@pytest.mark.anyio
@pytest.mark.parametrize("operation", ["get", "create"])
async def test_no_failure_of_httpx_shows_the_token(operation: str, closed_port: int) -> None:
    """A refused connection, a broken response and a silent server, over real sockets."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        async with AsyncClient(
            "exante", token=TOKEN, base_url=url, timeout=0.05, retry="none"
        ) as made:
            with pytest.raises(errors.BillingualError) as silent:
                await OPERATIONS[operation](made)
    url = f"http://127.0.0.1:{closed_port}"
    async with AsyncClient("exante", token=TOKEN, base_url=url, retry="none") as made:
        with pytest.raises(errors.BillingualError) as refused:
            await OPERATIONS[operation](made)

    for caught in (silent, refused):
        assert TOKEN not in everything_said_by(caught.value)


@pytest.mark.anyio
@pytest.mark.parametrize("framework", [Starlette, Router])
async def test_no_failure_of_an_application_shows_the_token(framework: Any) -> None:
    """The frames of a framework are full of headers; they show none."""

    async def broken(request: Any) -> Any:
        raise RuntimeError("the app broke")

    app = framework(routes=[Route("/{rest:path}", broken, methods=["GET", "POST"])])
    made = AsyncClient("exante", token=TOKEN, transport=AsgiTransport(app), retry="none")

    for operation in ("get", "create"):
        # The one answers 500 before it raises, the other only raises.
        with pytest.raises(errors.BillingualError) as caught:
            await OPERATIONS[operation](made)
        assert TOKEN not in everything_said_by(caught.value)


def test_a_refusal_by_the_sandbox_does_not_show_the_token() -> None:
    """A token it does not know is refused without being quoted."""

    async def use() -> errors.BillingualError:
        made = AsyncClient("exante", token=TOKEN, transport="sandbox", retry="none")
        with pytest.raises(errors.AuthenticationError) as caught:
            await made.list().first()
        return caught.value

    assert TOKEN not in everything_said_by(anyio.run(use))


def test_this_search_finds_what_leaks() -> None:
    """A check that cannot fail checks nothing: a leak in a frame outside the tests is found."""
    namespace: dict[str, Any] = {}
    code = compile("def leak(secret):\n    raise ValueError('x')", "/elsewhere.py", "exec")
    exec(code, namespace)  # noqa: S102 - a frame that is not of a test file
    by_frame = failure_of(lambda: namespace["leak"](TOKEN))
    by_text = failure_of(lambda: (_ for _ in ()).throw(KeyError(TOKEN)))

    assert TOKEN in everything_said_by(by_frame)
    assert TOKEN in everything_said_by(by_text)
