"""Arguments that cannot be right end in an error that says what to give, before anything is sent.

Each kind was met by users of other SDKs: a wrong type that fails deep inside, an option that is
looked at by the first request only, and a slip that is taken for something else.
"""

from __future__ import annotations

import pickle
import socket
import traceback
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from unittest import mock

import anyio
import pytest

from billingual import (
    UNSET,
    AsyncClient,
    CircuitBreaker,
    Client,
    ClientCredentials,
    Filter,
    Job,
    Limiter,
    MemoryTransport,
    Retry,
    errors,
)
from billingual.abc import Provider
from billingual.sandbox import create_app
from billingual.wire import Headers, WireRequest

UID = "550e8400-e29b-41d4-a716-446655440000"
TOKEN = "ex_live_0123456789abcdef"
SOURCE = str(Path(errors.__file__).parent)
CLIENTS = [Client, AsyncClient]
SURROGATE = "\udc80"  # as os.environ has it for a byte that is no UTF-8


def get(kind: Any, **options: Any) -> Any:
    """Read an invoice over the memory transport with either client."""
    invoice = f'{{"status":"success","data":{{"uid":"{UID}"}}}}'
    transport = MemoryTransport(lambda _: MemoryTransport.json(invoice))
    client = kind("exante", **{"transport": transport, "token": TOKEN, "retry": "none", **options})
    if kind is Client:
        with client:
            return client.get(UID)

    async def main() -> Any:
        async with client:
            return await client.get(UID)

    return anyio.run(main)


@pytest.mark.parametrize("kind", CLIENTS)
@pytest.mark.parametrize(
    "proxy",
    [
        "", "localhost:3128", "//proxy:3128", "http://", "http://user:hunter2@", "http://h:99999",
        "http://h:0", "http://h\n", "http://h h", f"http://{SURROGATE}@h", 5, b"http://h",
        {"https": "http://h"},
    ],
)  # fmt: skip
@pytest.mark.parametrize("transport", ["httpx", "aiohttp", "urllib3", "h11", "memory"])
def test_a_proxy_that_is_no_url_is_refused_with_the_client(
    kind: Any, proxy: Any, transport: str
) -> None:
    """Not by the first request, and by no type of error that blames the transport."""
    with pytest.raises(errors.ConfigurationError, match="is no URL with a host") as caught:
        kind("exante", token=TOKEN, transport=transport, proxy=proxy)

    assert "proxy" == caught.value.field
    shown = traceback.TracebackException.from_exception(caught.value, capture_locals=True)
    ours = [each.locals for each in shown.stack if each.filename.startswith(SOURCE)]
    assert ours
    assert "hunter2" not in str(ours)


@pytest.mark.parametrize("kind", CLIENTS)
@pytest.mark.parametrize("proxy", ["http://h", "https://u:ü@h:1", "socks5h://[::1]:9", "HTTP://h/"])
def test_a_proxy_of_any_kind_is_taken(kind: Any, proxy: str) -> None:
    """Which kinds there are is for the transport."""
    client = kind("exante", token=TOKEN, transport="sandbox", proxy=proxy)

    assert "exante" in repr(client)


@pytest.mark.parametrize("kind", CLIENTS)
@pytest.mark.parametrize("made", [None, 5, "httpx"])
def test_a_function_that_makes_no_transport_is_named(kind: Any, made: Any) -> None:
    """It was told that it only works on an event loop, or failed with the first request."""
    with pytest.raises(errors.ConfigurationError, match="which is no transport") as caught:
        kind("exante", token=TOKEN, transport=lambda _: made)

    assert "transport" == caught.value.field


@pytest.mark.parametrize("kind", CLIENTS)
def test_a_web_application_is_no_transport(kind: Any) -> None:
    """It was called with one argument, and its TypeError told of three."""
    with pytest.raises(
        errors.ConfigurationError, match=r"give a name, or sandboxed\(app\)"
    ) as caught:
        kind("exante", token=TOKEN, transport=create_app(invoices=1))

    assert "transport" == caught.value.field


def test_the_fault_of_a_function_that_makes_a_transport_is_its_own() -> None:
    """A TypeError from inside it is no wrong call."""

    def fail(_: object) -> Any:
        raise TypeError("of its own")

    with pytest.raises(TypeError, match="of its own"):
        Client("exante", token=TOKEN, transport=fail)


@pytest.mark.parametrize("kind", CLIENTS)
def test_the_class_of_the_memory_transport_is_no_transport(kind: Any) -> None:
    """It is called with options, as a function that makes a transport is."""
    with pytest.raises(errors.ConfigurationError, match=r"give MemoryTransport\(\[...\]\)"):
        kind("exante", transport=MemoryTransport)


def test_a_single_response_is_no_list_of_them() -> None:
    """MemoryTransport(response) is an easy slip."""
    with pytest.raises(errors.ConfigurationError, match="is no list of responses"):
        MemoryTransport(MemoryTransport.json("{}"))  # type: ignore[arg-type]


@pytest.mark.parametrize("kind", CLIENTS)
def test_a_header_field_is_not_given_twice(kind: Any) -> None:
    """Which of the two counts would be for the provider to guess."""
    with pytest.raises(errors.ConfigurationError, match="given twice"):
        kind("exante", token=TOKEN, headers={"X-Team": "a", "x-team": "b"})


@pytest.mark.parametrize(
    "options",
    [
        {"failures": "5"}, {"failures": 2.5}, {"failures": True}, {"failures": 0},
        {"failures": None}, {"rest_s": "30"}, {"rest_s": None}, {"rest_s": float("nan")},
        {"rest_s": float("inf")}, {"rest_s": True}, {"rest_s": 0}, {"policy": "patient"},
        {"policy": Retry}, {"policy": None},
    ],
)  # fmt: skip
def test_a_breaker_checks_what_it_is_made_of(options: dict[str, Any]) -> None:
    """A policy that is none would only be met when something fails."""
    with pytest.raises(errors.ConfigurationError, match="CircuitBreaker"):
        CircuitBreaker(**options)


@pytest.mark.parametrize("rate", ["10", b"1", [], (1,)])
def test_a_limiter_checks_its_rate(rate: Any) -> None:
    """A text from a variable is no number."""
    with pytest.raises(errors.ConfigurationError, match="attempts per second"):
        Limiter(rate)


@pytest.mark.parametrize("name", ["issued_from", "due_to", "paid_from", "updated_to"])
def test_unset_is_no_end_of_a_filter(name: str) -> None:
    """UNSET is for what is written; a filter with it failed in the middle of a list."""
    with pytest.raises(errors.InvalidInputError, match=f"{name}: Unset is not a point in time"):
        Filter(**{name: UNSET})  # type: ignore[arg-type]


@pytest.mark.parametrize("kind", CLIENTS)
def test_a_uuid_that_is_no_text_is_called_so(kind: Any) -> None:
    """'UUID is no UUID' helps no one."""
    client = kind("exante", transport=MemoryTransport())
    with pytest.raises(errors.InvalidInputError, match="UUID is not text; give str"):
        client.preview.get(uuid.UUID(UID))


async def nested() -> Any:
    """Return what is to be awaited once more."""

    async def token() -> str:
        return TOKEN

    return token()


@pytest.mark.parametrize("kind", CLIENTS)
def test_a_token_within_a_coroutine_within_one_is_refused(kind: Any) -> None:
    """It ended in an AttributeError about our own code, and a warning of Python's."""
    with pytest.raises(errors.ConfigurationError, match="empty or not text") as caught:
        get(kind, token=nested)

    assert "token" == caught.value.field


class Flow:
    """A source of tokens whose conversation is whatever *make* returns."""

    def __init__(self, make: Callable[[], Any]) -> None:
        self.request_token = make


def yields_text() -> Iterator[Any]:
    """Yield a text for a request."""
    yield "https://auth.example/token"


@pytest.mark.parametrize("kind", CLIENTS)
@pytest.mark.parametrize(
    "make",
    [lambda: iter([]), lambda: None, lambda: TOKEN, yields_text],
    ids=["iterator", "none", "text", "yields text"],
)
def test_a_flow_that_is_no_conversation_is_refused(kind: Any, make: Callable[[], Any]) -> None:
    """A flow is another's code, so its slips are named as such."""
    with pytest.raises(errors.ConfigurationError, match="no generator of requests") as caught:
        get(kind, token=Flow(make))

    assert "token" == caught.value.field


@pytest.mark.parametrize(
    ("name", "given"),
    [
        ("client_id", {"client_id": f"billing{SURROGATE}"}),
        ("client_secret", {"client_secret": f"hunter2{SURROGATE}"}),
        ("client_secret", {"client_secret": "hunter2\n"}),
        ("scope", {"scope": SURROGATE}),
        ("scope", {"scope": ["invoices", "a\nb"]}),
        ("params", {"params": {"audience": SURROGATE}}),
        ("params", {"params": {SURROGATE: "a"}}),
    ],
)
def test_credentials_that_no_form_can_hold_are_refused(name: str, given: dict[str, Any]) -> None:
    """They failed in a call, with the secret in the frames of the traceback."""
    whole = {"client_id": "billing", "client_secret": "hunter2hunter2", **given}
    with pytest.raises(errors.ConfigurationError) as caught:
        ClientCredentials("https://auth.example/token", **whole)

    assert name == caught.value.field
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize("kind", CLIENTS)
def test_a_token_type_of_null_is_none_at_all(kind: Any) -> None:
    """Servers that leave it out are believed, and null says no more."""

    def respond(request: WireRequest) -> Any:
        if "auth.example" in request.url:
            return MemoryTransport.json('{"access_token":"abcdefgh","token_type":null}')
        assert "Bearer abcdefgh" == request.headers.get("authorization")
        return MemoryTransport.json(f'{{"status":"success","data":{{"uid":"{UID}"}}}}')

    credentials = ClientCredentials("https://auth.example/token", "billing", "hunter2hunter2")

    assert UID == get(kind, token=credentials, transport=MemoryTransport(respond)).id


def test_headers_that_are_not_made_yet_have_a_repr() -> None:
    """Tools show the frames of a constructor that fails, which would hide why it did."""

    def pairs() -> Iterator[tuple[str, str]]:
        yield ("a", "b")
        raise ValueError("the reason")

    with pytest.raises(ValueError, match="the reason") as caught:
        Headers(pairs())
    shown = traceback.TracebackException.from_exception(caught.value, capture_locals=True)

    assert "Headers()" in "".join(shown.format())


def test_what_a_provider_can_do_can_be_hashed() -> None:
    """Frozen values go into sets and keys of caches."""
    client = Client("exante", transport=MemoryTransport())
    same = Client("exante", transport="sandbox")

    assert 1 == len({client.capabilities, same.capabilities})
    assert 1 == len({client.capabilities.draft, same.capabilities.draft})
    assert 1 == len({Provider(name="a", dialects=("exante",)) for _ in range(2)})


@pytest.mark.parametrize("transport", ["httpx", "urllib3", "h11"])
def test_a_proxy_that_cannot_be_reached_is_among_what_to_check(transport: str) -> None:
    """The base URL is right, and its host and port are not those where nothing listens."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    client = Client(
        "exante", token=TOKEN, base_url="https://exante.example", transport=transport,
        proxy=f"http://127.0.0.1:{port}", retry="none",
    )  # fmt: skip
    with client, pytest.raises(errors.NotConnectedError, match="the proxy if there is one"):
        client.get(UID)


class Unlike:
    """A value such as an array or a table: to compare it with a text is an error."""

    def __eq__(self, other: object) -> bool:
        raise ValueError("the truth value of an array is ambiguous")

    __hash__ = object.__hash__


@pytest.mark.parametrize("kind", CLIENTS)
def test_what_cannot_be_compared_with_a_word_is_refused_by_its_name(kind: Any) -> None:
    """A column of a table in the place of a word, say."""
    client = kind("exante", transport=MemoryTransport())
    for name in ("on_bad_row", "on_bad_page"):
        with pytest.raises(errors.InvalidInputError, match=f"{name}: an Unlike says nothing"):
            client.list(**{name: Unlike()})


def test_a_backend_that_is_none_is_refused() -> None:
    """It was compared with the names of those that there are."""
    with pytest.raises(errors.ConfigurationError, match="no backend an Unlike"):
        Client("exante", transport=MemoryTransport(), backend=Unlike())  # type: ignore[arg-type]


@pytest.mark.parametrize("kind", CLIENTS)
def test_a_mock_in_the_place_of_a_transport_is_refused(kind: Any) -> None:
    """It has every attribute, and none that says how it waits."""
    with pytest.raises(errors.ConfigurationError, match='a set of "async" and "sync"'):
        kind("exante", token=TOKEN, transport=mock.Mock())


@pytest.mark.parametrize(
    "given",
    [mock.Mock(), memoryview(b"exante"), iter("exante"), 5],
    ids=["mock", "memoryview", "iterator", "int"],
)
def test_an_error_about_no_name_at_all_can_be_pickled(given: Any) -> None:
    """Queues of workers pickle errors; an object that was given by mistake would prevent it."""
    with pytest.raises(errors.UnknownNameError) as caught:
        Client(given)

    assert caught.value.name == pickle.loads(pickle.dumps(caught.value)).name  # noqa: S301 - ours


def test_a_limit_of_more_digits_than_python_prints_is_refused() -> None:
    """Its error could not be written."""
    pager = Client("exante", transport=MemoryTransport()).list()
    with pytest.raises(errors.InvalidInputError, match="limit: an int asks for no rows"):
        pager.collect(limit=-(10**5000))


@pytest.mark.parametrize("raw", [[], "no", 1, None])
def test_columns_are_with_or_without_the_payload(raw: Any) -> None:
    """Anything else would be taken for one of them."""
    with (
        Client("exante", transport="sandbox") as client,
        pytest.raises(errors.InvalidInputError, match=r"raw: .* is neither true nor false"),
    ):
        client.list().arrow(raw=raw)


@pytest.mark.parametrize("prefix", ["INV\n", "INV\0", f"INV{SURROGATE}"])
def test_numbers_have_no_line_break(prefix: str, tmp_path: Path) -> None:
    """No ledger is made for a job whose numbers could not be read."""
    with (
        Client("exante", transport="sandbox") as client,
        pytest.raises(errors.InvalidInputError, match="number_prefix: it has a line break"),
    ):
        Job.open(tmp_path / "job.db", client, number_prefix=prefix)

    assert not list(tmp_path.iterdir())


def test_what_a_write_left_unclear_is_asked_of_an_exception() -> None:
    """Another value has no causes."""
    with pytest.raises(errors.InvalidInputError, match="error: 5 is no exception"):
        errors.unclear_from(5)  # type: ignore[arg-type]
