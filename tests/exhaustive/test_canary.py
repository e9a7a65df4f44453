"""One random secret through every way to fail: it shows up nowhere.

``tests/architecture/test_secrets.py`` states the rule by example; this proves it: over a thousand
failing paths, searched for the secret, its pieces and its disguises in all that an exception, a
traceback with locals, a log at DEBUG, an event, a pickle, a copy or an object says.
"""

from __future__ import annotations

import asyncio
import copy
import logging
import pickle
import ssl
import warnings
from collections.abc import Awaitable, Callable, Iterator
from typing import Any, Final
from urllib.parse import quote

import anyio
import attrs
import pytest
import trustme

from _support.canary.paths import (
    ECHOES,
    FAILURES,
    FOREIGN,
    LOST,
    RESPONSES,
    WRONG_KINDS,
    Failure,
    token_of,
)
from _support.canary.search import Canary, Overheard, said_by, shown_by
from _support.canary.wires import WIRES
from _support.cancellation import CancelAt
from _support.hostile.calls import CALLS, CHANGES, INVOICE, TENANT, UUID, Call, client_for
from _support.hostile.server import Bytes, serving
from billingual import AsyncClient, Changes, Client, Filter, MemoryTransport, errors
from billingual.abc import Account, Provider, TransportOptions
from billingual.auth import Credentials, Secret
from billingual.dialects.exante.dialect import ExanteDialect
from billingual.wire import WireResponse

GETS: Final = {each.provider: each for each in CALLS if each.name in {"get", "replace"}}
BAD_TOKENS: Final = {
    "newline": "{}\n", "return and newline": "{}\r\nX-Evil: 1", "space before": " {}",
    "space after": "{} ", "tab": "{}\t", "beyond ASCII": "{}é", "beyond the plane": "{}😀",
    "NUL": "{}\0", "delete": "{}\x7f", "half a surrogate": "{}\ud800", "a bar of light": "{}\u2028",
}  # fmt: skip


@pytest.fixture(scope="module")
def canary(proof: Any) -> Canary:
    """Return the secret of this run, drawn from its seed."""
    return Canary(proof.seed)


@pytest.fixture(autouse=True)
def overheard(canary: Canary) -> Iterator[Overheard]:
    """Listen to every logger at DEBUG and to every warning, and search what was said."""
    heard, root = Overheard(), logging.getLogger()
    before = root.level
    root.addHandler(heard)
    root.setLevel(logging.DEBUG)
    try:
        with warnings.catch_warnings(record=True) as warned:
            warnings.simplefilter("always")
            yield heard
    finally:
        root.removeHandler(heard)
        root.setLevel(before)
    text = f"{heard.text()}\n{[str(each) for each in warned]}"

    assert not canary.is_in(text), canary.around(text)


def failure_of(call: Callable[[], Any]) -> BaseException | None:
    """Return what *call* raises; this frame is the outermost of its traceback and holds nothing."""
    try:
        call()
    except BaseException as error:  # noqa: BLE001 - interrupts and cancellations are searched too
        return error
    return None


async def afailure_of(call: Callable[[], Awaitable[Any]]) -> BaseException | None:
    """Return what awaiting *call* raises."""
    try:
        await call()
    except Exception as error:  # noqa: BLE001 - as above; cancellation has its own test
        return error
    return None


@pytest.fixture
def silent(canary: Canary, proof: Any) -> Callable[..., None]:
    """Return the search: it fails where the secret is in what an error says."""

    def search(error: BaseException | None, about: str, *, rich: bool = False) -> None:
        assert error is not None, f"{about} did not fail"
        said = said_by(error, rich=rich or proof.full)

        assert not canary.is_in(said), (
            f"seed {proof.seed}, {about}: {type(error).__name__} shows it: {canary.around(said)}"
        )

    return search


@pytest.fixture
def fails(canary: Canary, proof: Any, step: Any, make_backend: Any, silent: Any) -> Any:
    """Return a function that runs a call against a failing transport, and searches."""

    def run(call: Call, failure: Failure, about: str, token: Any = None) -> BaseException | None:
        events: list[Any] = []
        made = client_for(
            call.provider,
            token=canary.reveal() if token is None else token,
            transport=MemoryTransport(failure),
            backend=make_backend(),
            observers=[events.append],
        )
        error = failure_of(lambda: step(call.make(made)))
        silent(error, f"{call} with {about}")
        said = f"{events!r}{made!r}{made._context!r}{made._settings!r}"

        assert not canary.is_in(said), (proof.seed, str(call), about)
        return error

    return run


def some_of(calls: tuple[Call, ...], amount: int, at: int) -> list[Call]:
    """Choose *amount* calls, others for each *at*, so that all take their turn."""
    return [calls[(at * amount + each) % len(calls)] for each in range(amount)]


def test_the_table_of_paths_is_long_enough() -> None:
    """At least 300 distinct failing paths are walked, even in the sample."""
    assert 300 <= 3 * len(FAILURES) + 2 * (len(ECHOES) + len(WRONG_KINDS)) + 2 * len(WIRES)


@pytest.mark.parametrize("name", FAILURES)
def test_no_failing_call_shows_the_token(canary: Canary, proof: Any, fails: Any, name: str) -> None:
    """Statuses, bodies, headers, lost wires and foreign exceptions, through every operation."""
    calls = some_of(CALLS, proof.amount(3, len(CALLS)), list(FAILURES).index(name))
    for at, call in enumerate(calls):
        if (name, str(call)) == ("status 204", "exante.delete_many"):
            continue  # that is how a deletion may be answered
        # The token comes by turns as a text, wrapped, and from functions.
        ways = [canary.reveal(), Secret(canary.reveal()), canary.reveal, _later(canary)]
        error = fails(call, FAILURES[name], name, ways[at % len(ways)])

        passes = name in {"foreign: a cancellation", "foreign: an interrupt"}
        assert isinstance(error, errors.BillingualError) is not passes


def _later(canary: Canary) -> Callable[[], Awaitable[str]]:
    async def fetch() -> str:
        return canary.reveal()

    return fetch


@pytest.mark.parametrize("name", ECHOES)
def test_no_quote_in_another_writing_shows_the_token(proof: Any, fails: Any, name: str) -> None:
    """Escaped as JSON, HTML or for a URL, in UTF-16, as a header's name: it is struck out."""
    for call in some_of(CALLS, proof.amount(2, len(CALLS)), list(ECHOES).index(name)):
        fails(call, ECHOES[name], name)


@pytest.mark.parametrize("name", WRONG_KINDS)
def test_no_response_of_a_wrong_kind_shows_the_token(proof: Any, fails: Any, name: str) -> None:
    """A transport that returns what it must not is named, and nothing is shown."""
    for call in some_of(CALLS, proof.amount(2, len(CALLS)), list(WRONG_KINDS).index(name)):
        error = fails(call, WRONG_KINDS[name], name)

        assert isinstance(error, errors.BillingualError), (name, str(call), repr(error))


@pytest.mark.parametrize("name", [*FOREIGN, *list(RESPONSES)[::9], *LOST])
def test_rich_tracebacks_show_no_token(
    canary: Canary, step: Any, backend: Any, silent: Any, name: str
) -> None:
    """A traceback that looks into attrs objects, as rich's does, finds nothing either."""
    failure = FAILURES.get(name) or FOREIGN[name]
    made = client_for(
        "exante", token=canary.reveal(), transport=MemoryTransport(failure), backend=backend
    )
    silent(failure_of(lambda: step(GETS["exante"].make(made))), name, rich=True)


class BrokenDialect(ExanteDialect):
    """A dialect of a third party, with a fault in each place."""

    name = "broken"
    place = ""

    def get(self, invoice_id: str) -> Any:
        if self.place == "before":
            raise ValueError("before the first request")
        request = next(super().get(invoice_id))
        if self.place == "read":
            request = attrs.evolve(request, read=lambda response: int(f"{request!r}{response!r}"))
        response = yield request
        if self.place == "after":
            raise KeyError(response)
        yield None  # type: ignore[misc]


@pytest.mark.parametrize("place", ["read", "before", "after", "garbage"])
@pytest.mark.parametrize("name", ["echo in a list", "echo in headers"])
def test_no_broken_dialect_shows_the_token(
    canary: Canary, step: Any, backend: Any, silent: Any, place: str, name: str
) -> None:
    """It never sees the signature, so what it raises cannot hold it."""
    dialect = type("Broken", (BrokenDialect,), {"place": place})()
    provider = Provider(name="broken", dialects=(dialect,), base_url="https://b.example")

    def response(request: Any) -> WireResponse:
        said = RESPONSES[name](request)
        return WireResponse(
            status=200, headers=said.headers, body=b'{"status": "success", "data": {}}'
        )

    made = AsyncClient(
        provider, token=canary.reveal(), transport=MemoryTransport(response), backend=backend
    )
    silent(failure_of(lambda: step(made.get(UUID))), place, rich=True)


class BrokenPolicy:
    """A policy of a third party that raises."""

    def decide(self, *given: Any, **options: Any) -> Any:
        raise LookupError(repr(given), repr(options))


class BrokenBackend:
    """A backend whose clock stops."""

    def __init__(self, backend: Any) -> None:
        self._backend = backend
        self._left = 4

    def __getattr__(self, name: str) -> Any:
        return getattr(self._backend, name)

    def now(self) -> float:
        self._left -= 1
        if self._left < 0:
            raise OSError("no clock")
        return float(self._backend.now())


def _vault() -> str:
    raise ConnectionError("the vault does not answer")


async def _cancelled_vault() -> str:
    raise asyncio.CancelledError


@pytest.mark.parametrize(
    ("options", "foreign"),
    [
        ({"retry": BrokenPolicy()}, None),
        ({"token": _vault}, True),
        ({"token": _cancelled_vault}, True),
        ({"token": lambda: None}, False),
        ({"token": lambda: 7}, False),
        ({"token": lambda: b"bytes"}, False),
        ({"deadline": 1e-9}, False),
        ({"observers": [BrokenPolicy().decide]}, False),
    ],
    ids=["policy", "vault", "cancelled vault", "None", "number", "bytes", "deadline", "observer"],
)
def test_no_broken_part_shows_the_token(
    canary: Canary, step: Any, backend: Any, silent: Any, options: Any, foreign: Any
) -> None:
    """Policies, token functions, deadlines and observers that fail, after a signed attempt."""
    made = client_for(
        "exante",
        transport=MemoryTransport(RESPONSES["status 503"]),
        backend=backend,
        **{"token": canary.reveal(), **options},
    )
    error = failure_of(lambda: step(GETS["exante"].make(made)))
    silent(error, str(options), rich=True)

    assert foreign in {None, not isinstance(error, errors.BillingualError)}


def test_no_broken_clock_shows_the_token(
    canary: Canary, step: Any, backend: Any, silent: Any
) -> None:
    """A backend that raises in the middle of a call finds nothing to show."""
    for _ in range(3):
        made = client_for(
            "exante", token=canary.reveal(), transport=MemoryTransport(RESPONSES["status 503"]),
            backend=BrokenBackend(backend),
        )  # fmt: skip
        silent(failure_of(lambda made=made: step(GETS["exante"].make(made))), "clock", rich=True)


WRONG: Final[dict[str, Callable[[Any], Any]]] = {
    "get(None)": lambda c: c.get(None),
    "get of a path": lambda c: c.get("../x"),
    "create of a text": lambda c: c.create("x"),
    "update with nothing": lambda c: c.update(UUID, Changes()),
    "update with a dict": lambda c: c.update(UUID, {}),
    "update_many of a text": lambda c: c.update_many("x"),
    "update_many twice": lambda c: c.update_many([(UUID, CHANGES), (UUID, CHANGES)]),
    "delete_many of none": lambda c: c.delete_many([]),
    "delete_many of many": lambda c: c.delete_many([UUID] * 101),
    "finalize": lambda c: c.finalize(UUID),
    "void": lambda c: c.void(UUID),
    "list by a number": lambda c: c.list(7).first(),
    "list of a size": lambda c: c.list(page_size=1000).first(),
    "list with a taken name": lambda c: c.list(Filter(extra_params={"page": "2"})).first(),
}


@pytest.mark.parametrize("name", WRONG)
def test_no_wrong_argument_shows_the_token(
    canary: Canary, step: Any, backend: Any, silent: Any, name: str
) -> None:
    """What is refused before anything is sent is refused without showing the client's secrets."""
    made = client_for("exante", token=canary.reveal(), transport=MemoryTransport(), backend=backend)
    error = failure_of(lambda: step(WRONG[name](made)))
    silent(error, name, rich=True)

    assert isinstance(error, errors.BillingualError)


@pytest.mark.parametrize("call", CALLS, ids=str)
def test_no_closed_client_shows_the_token(
    canary: Canary, step: Any, backend: Any, silent: Any, call: Call
) -> None:
    """Every operation after the end of a client."""
    made = client_for(
        call.provider, token=canary.reveal(), transport=lambda _: MemoryTransport(), backend=backend
    )
    step(made.aclose())
    error = failure_of(lambda: step(call.make(made)))
    silent(error, str(call), rich=True)

    assert isinstance(error, errors.ClosedError)


ASK: Final = {"transport": MemoryTransport(), "retry": "none"}


@pytest.mark.parametrize("form", BAD_TOKENS)
@pytest.mark.parametrize("kind", [AsyncClient, Client], ids=lambda kind: kind.__name__)
def test_no_bad_token_is_shown(canary: Canary, silent: Any, kind: Any, form: str) -> None:
    """As a text, wrapped, in a sibling or from a function: refused, and not quoted."""

    def bad() -> str:
        return BAD_TOKENS[form].format(canary.reveal())

    async def later() -> str:
        return bad()

    def asks(give: Callable[[], Any]) -> Any:
        # Given as a caller would who takes care: no frame of this test holds it.
        made = client_for("exante", kind, **{**ASK, "token": give()})
        return anyio.run(made.get, UUID) if kind is AsyncClient else made.get(UUID)

    good = client_for("exante", kind, token="fine-and-dandy", transport=MemoryTransport())
    found = {
        "text": failure_of(lambda: kind("exante", token=bad(), transport="memory")),
        "wrapped": failure_of(lambda: asks(lambda: Secret(bad()))),
        "sibling": failure_of(lambda: good.with_options(token=bad())),
        "function": failure_of(lambda: asks(lambda: bad)),
        "async function": failure_of(lambda: asks(lambda: later)),
    }
    for way, error in found.items():
        silent(error, f"{form} as a {way}")
        assert isinstance(error, errors.ConfigurationError), (way, repr(error))


def _makes_nothing(options: TransportOptions) -> Any:
    raise RuntimeError(f"no transport with {options}")


UNMADE: Final[dict[str, dict[str, Any]]] = {
    "provider": {"provider": "nobody"}, "transport": {"transport": "nothing"},
    "factory": {"transport": _makes_nothing}, "number": {"transport": 7},
    "retry": {"retry": "never"}, "timeout": {"timeout": -1}, "deadline": {"deadline": 0},
    "tenant": {"tenant": TENANT}, "organization": {"organization": "x"},
    "address": {"base_url": "http://far.example"}, "tls": {"tls": False},
    "observers": {"observers": [7]}, "backend": {"backend": "x"}, "policy": {"retry": 7},
    "token": {"token": ""}, "userinfo": {"base_url": "https://a:b@c.example"},
}  # fmt: skip


@pytest.mark.parametrize("name", UNMADE)
@pytest.mark.parametrize("kind", [AsyncClient, Client], ids=lambda kind: kind.__name__)
def test_no_client_that_cannot_be_made_shows_a_secret(
    canary: Canary, silent: Any, kind: Any, name: str
) -> None:
    """Neither a good token nor the password of a proxy, in the frames of its constructor."""
    error = failure_of(
        lambda: kind(
            **{
                "provider": "exante",
                "transport": "httpx",
                "token": canary.reveal(),
                "proxy": f"http://user:{canary.reveal()}@127.0.0.1:9",
                **UNMADE[name],
            }
        )
    )
    silent(error, name, rich=True)


@pytest.mark.parametrize("scheme", ["gopher", "socks5", "", "http"])
@pytest.mark.parametrize("kind", [AsyncClient, Client], ids=lambda kind: kind.__name__)
def test_no_proxy_shows_its_password(canary: Canary, silent: Any, kind: Any, scheme: str) -> None:
    """One that cannot be used, or that refuses and quotes, is reported without its URL."""

    def refuse(request: bytes) -> Bytes:
        return Bytes((b"HTTP/1.1 407 No\r\nContent-Length: 2\r\n\r\n{}",))

    with serving(refuse) as server:

        def ask(base_url: str) -> Any:
            made = kind(
                "exante", token=canary.reveal(), base_url=base_url, retry="none",
                proxy=f"{scheme}://user:{quote(canary.reveal(), safe='')}@127.0.0.1:{server.port}",
            )  # fmt: skip
            return anyio.run(made.get, UUID) if kind is AsyncClient else made.get(UUID)

        for base_url in ("http://127.0.0.1:9", "https://127.0.0.1:9"):
            error = failure_of(lambda base_url=base_url: ask(base_url))
            silent(error, f"{scheme} to {base_url}", rich=True)

            assert isinstance(error, errors.BillingualError)


def test_no_object_shows_a_secret(canary: Canary, backend: Any) -> None:
    """Clients, contexts, settings, siblings, auth, options and accounts: texts, pickles, copies."""
    made = client_for("exante", token=canary.reveal(), transport=MemoryTransport(), backend=backend)
    blocking = client_for("exante", Client, token=canary.reveal(), transport=MemoryTransport())
    by_function = client_for("exante", token=canary.reveal, transport=MemoryTransport())
    password = quote(canary.reveal(), safe="")
    proxied = client_for("exante", token=canary.reveal(), proxy=f"http://u:{password}@127.0.0.1:9")
    values = {
        "client": made, "context": made._context, "settings": made._settings,
        "auth": made._context.auth,
        "blocking": blocking, "by function": by_function, "proxied": proxied,
        "its context": proxied._context, "sibling": made.with_options(deadline=3),
        "sibling's settings": made.with_options(token=canary.reveal())._settings,
        "secret": Secret(canary.reveal()), "bearer": Credentials(canary.reveal()),
        "preview": made.preview, "pager": made.list(), "wire": proxied._context.wire,
        "options": proxied._context.wire.transport._options,
        "account": Account(base_url="https://x.example", token=canary.reveal()),
        "evolved": attrs.evolve(made._settings, token=canary.reveal()),
    }  # fmt: skip
    found = [name for name, each in values.items() if canary.is_in(shown_by(each))]

    assert found == []


def test_no_signed_request_shows_the_token(canary: Canary, step: Any, backend: Any) -> None:
    """What a transport receives hides the signature from texts, and is not pickled or copied."""
    transport = MemoryTransport(lambda _: WireResponse(status=500))
    made = client_for("exante", token=canary.reveal(), transport=transport, backend=backend)
    failure_of(lambda: step(GETS["exante"].make(made)))
    request = transport.requests[0]

    assert canary.reveal() == token_of(request)
    assert not canary.is_in(f"{request!r}{request.headers!r}{request.headers}")
    with pytest.raises(TypeError, match="credentials"):
        pickle.dumps(request)
    with pytest.raises(TypeError, match="credentials"):
        copy.deepcopy(request)


def test_no_tenant_is_in_a_log_an_event_or_an_error(overheard: Overheard) -> None:
    """A tenant's id goes out in a header; what is said about the call does not repeat it."""
    events: list[Any] = []
    transport = MemoryTransport(RESPONSES["status 404"])
    made = client_for(
        "kukkingu", Client, token="fine-and-dandy", transport=transport, observers=[events.append]
    )
    error = failure_of(lambda: made.get(INVOICE))
    said = f"{error}{error!r}{events}{overheard.text()}{transport.requests}"

    assert transport.requests[0].headers.get("tenant-id") == TENANT
    assert TENANT not in said


BACKENDS: Final = ["asyncio", "trio", "blocking", "portal"]


def failures_by(backend: str, calls: list[Call], **options: Any) -> list[BaseException | None]:
    """Make the calls with clients that wait as *backend* does."""
    if backend in {"blocking", "portal"}:
        found = []
        for call in calls:
            with client_for(call.provider, Client, backend=backend, **options) as made:
                found.append(failure_of(lambda call=call, made=made: call.make(made)))
        return found

    async def use() -> list[BaseException | None]:
        found = []
        for call in calls:
            async with client_for(call.provider, **options) as made:
                found.append(await afailure_of(lambda call=call, made=made: call.make(made)))
        return found

    return anyio.run(use, backend=backend)


@pytest.mark.parametrize("name", WIRES)
def test_no_broken_wire_shows_the_token(
    canary: Canary, proof: Any, overheard: Overheard, silent: Any, name: str
) -> None:
    """Silence, resets, cuts, garbage and quotes from a real server, by every way to wait."""
    at = list(WIRES).index(name)
    backends = BACKENDS if proof.full else [BACKENDS[at % 4]]
    with serving(WIRES[name]) as server:
        for backend in backends:
            calls = list(CALLS) if proof.full else some_of(CALLS, 2, at)
            found = failures_by(
                backend,
                calls,
                base_url=server.url,
                token=canary.reveal(),
                retry="none",
                timeout=0.1,
            )
            for call, error in zip(calls, found, strict=True):
                silent(error, f"{call} by {backend} with {name}")
                assert isinstance(error, errors.BillingualError), (backend, name, repr(error))
    # At DEBUG httpcore and httpx log the head of a response, quotes included, before we see it.
    # What we say to the server must not be there, and in no other logger either.
    heads = ("httpcore.http11 receive_response", "httpx HTTP Request")
    overheard.lines = [each for each in overheard.lines if not each.startswith(heads)]


@pytest.mark.parametrize("backend", BACKENDS)
def test_no_address_that_does_not_answer_shows_the_token(
    canary: Canary, proof: Any, silent: Any, backend: str, closed_port: int
) -> None:
    """A refused connection, a name that is none, and TLS that cannot be trusted or is not there."""
    authority = trustme.CA()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    with serving(WIRES["no HTTP"], context) as secure, serving(WIRES["no HTTP"]) as plain:
        addresses = [
            f"http://127.0.0.1:{closed_port}",
            f"https://127.0.0.1:{closed_port}",
            secure.url,
            plain.url.replace("http:", "https:"),
        ]
        for address in addresses:
            calls = list(CALLS[: 13 if proof.full else 1])
            options = {"base_url": address, "token": canary.reveal(), "retry": "none"}
            for error in failures_by(backend, calls, timeout=0.2, **options):
                silent(error, address)

                assert isinstance(error, errors.BillingualError)
        assert secure.requests == []


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
@pytest.mark.parametrize("name", ["create", "get"])
def test_no_cancelled_call_shows_the_token(
    canary: Canary, silent: Any, backend: str, name: str
) -> None:
    """Cancelled wherever it waits, a call shows no frame that holds the signed request."""
    call = next(each for each in CALLS if each.name == name)

    async def at(point: int, url: str) -> tuple[BaseException | None, bool]:
        caught: list[BaseException] = []
        made = client_for("exante", base_url=url, token=canary.reveal(), retry="none")
        with anyio.CancelScope() as scope:
            driven = CancelAt(_kept(call, made, caught), {point}, scope.cancel)
            await driven
        await made.aclose()
        return (caught or [None])[0], driven.suspended >= point

    with serving(WIRES["cut in the body"]) as server:
        points, alive = 0, True
        while alive:
            points += 1
            error, alive = anyio.run(at, points, server.url, backend=backend)
            silent(error, f"{name} cancelled at point {points} on {backend}", rich=True)

    assert points >= 3


async def _kept(call: Call, made: Any, caught: list[BaseException]) -> None:
    try:
        await call.make(made)
    except BaseException as error:
        caught.append(error)
        if not isinstance(error, Exception):
            raise


CLI: Final = (
    ("list",), ("get", UUID), ("get", "../x"), ("update", UUID, "--number", "2"),
    ("update", UUID), ("list", "--sort", "x"), ("list", "--provider", "nobody"),
    ("list", "--transport", "nothing"), ("list", "--tenant", "x"), ("get", UUID, "--dry-run"),
    ("list", "--dry-run"), ("nonsense",), ("get",), ("list", "--organization", "x"),
)  # fmt: skip


@pytest.mark.parametrize("debug", ["plain", "debug"])
@pytest.mark.parametrize("given", ["good", "newline", "beyond ASCII"])
def test_no_command_shows_the_token(
    canary: Canary,
    proof: Any,
    silent: Any,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    given: str,
    debug: str,
) -> None:
    """A command that fails, or shows what it would send, prints no token of its environment."""
    from billingual.cli.app import run  # noqa: PLC0415 - of an extra

    form = BAD_TOKENS.get(given, "{}")
    monkeypatch.setenv("BILLINGUAL_TOKEN", form.format(canary.reveal()))
    with serving(WIRES["a quote"]) as server:
        for words in CLI if proof.full else CLI[::3]:
            base = ["--base-url", server.url, *(["--debug"] if debug == "debug" else [])]
            error = failure_of(lambda words=words, base=base: run([*words, *base]))
            if error is not None:
                silent(error, f"{words} {given}", rich=True)
            said = "".join(capsys.readouterr())

            assert not canary.is_in(said), (words, canary.around(said))


PLANTED: Final[dict[str, Callable[[str], BaseException]]] = {
    "text": lambda secret: ValueError(f"no {secret}"),
    "a piece": lambda secret: ValueError(secret[10:36]),
    "argument": lambda secret: ValueError({"headers": [("Authorization", secret)]}),
    "base64": lambda secret: ValueError(__import__("base64").b64encode(b"u:" + secret.encode())),
    "hex": lambda secret: ValueError(secret.encode().hex()),
    "UTF-16": lambda secret: ValueError(secret.encode("utf-16")),
    "percent": lambda secret: ValueError(secret.replace("/", "%2F").replace("+", "%2B")),
    "JSON": lambda secret: ValueError(secret.replace("/", r"\/")),
    "HTML": lambda secret: ValueError(secret.replace("/", "&#x2F;").replace("+", "&#43;")),
}


@pytest.mark.parametrize("name", PLANTED)
def test_this_search_finds_what_leaks(canary: Canary, name: str) -> None:
    """A search that cannot fail proves nothing: each writing is found where it is planted."""
    error = PLANTED[name](canary.reveal())
    noted, hidden, attribute = OSError(), OSError(), OSError()
    noted.add_note(str(error))
    hidden.__context__ = error
    hidden.__suppress_context__ = True
    attribute.request = [{"deep": (error.args,)}]  # type: ignore[attr-defined]

    for each in (error, noted, hidden, attribute):
        assert canary.is_in(said_by(each))


@attrs.frozen
class Leaky:
    """A value that hides a field from its text alone."""

    token: str = attrs.field(repr=False)


def test_this_search_finds_a_leak_in_a_frame_or_an_object(canary: Canary) -> None:
    """A local variable is found by its repr; so is an attribute that a pickle or asdict shows."""

    def leak(secret: str) -> None:
        raise ValueError(len(secret))

    error = failure_of(lambda: leak(canary.reveal()))
    assert error is not None

    assert canary.is_in(said_by(error))
    assert canary.is_in(shown_by(Leaky(canary.reveal())))
    assert not canary.is_in(said_by(ValueError("nothing")))
