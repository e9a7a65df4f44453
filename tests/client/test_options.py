"""The options of a client: providers, tokens, addresses, scopes, siblings, closing."""

from __future__ import annotations

import asyncio
import inspect
import json
import pickle
import subprocess
import sys
from typing import Any

import attrs
import numpy as np
import pytest

from _support.small_provider import CAPABILITIES, SMALL, SmallDialect, client_of, say
from billingual import (
    AsyncClient,
    Client,
    ClientOptions,
    ConfigurationError,
    Draft,
    Invoice,
    MemoryTransport,
    Provider,
    Timeouts,
    errors,
)
from billingual._config.build import provider_named
from billingual.auth import Credentials, Secret, checked_base_url
from billingual.capabilities import Feature
from billingual.plugins import DIALECTS, POLICIES, PROVIDERS, TRANSPORTS, Registry
from billingual.retry.policy import Retry
from billingual.wire import WireResponse

CANARY = "canary-ab12cd"


class Owned(MemoryTransport):
    """Remember whether it was closed."""

    closed = 0

    async def aclose(self) -> None:
        self.closed += 1


def test_a_token_function_is_called_for_each_attempt(step: Any, backend: Any) -> None:
    """A token that was refreshed between two attempts is the one that is sent."""
    tokens = iter(["t1", "t2"])
    client, transport = client_of(backend, [say(503), say()], token=lambda: next(tokens))

    step(client.get("i1"))

    sent = [request.headers.get("authorization") for request in transport.requests]
    assert sent == ["Bearer t1", "Bearer t2"]


def test_a_token_function_may_be_async(step: Any, backend: Any) -> None:
    """It may do I/O to fetch the token."""

    async def token() -> str:
        await backend.sleep(0.0)
        return "t1"

    client, transport = client_of(backend, [say()], token=token)

    step(client.get("i1"))

    assert transport.requests[0].headers.get("authorization") == "Bearer t1"


def test_without_a_token_nothing_is_signed(step: Any, backend: Any) -> None:
    """No empty header goes out."""
    client, transport = client_of(backend, [say()])

    step(client.get("i1"))

    assert "authorization" not in transport.requests[0].headers


BAD_TOKENS = [
    "", " ", f"{CANARY}\n", f"{CANARY}\r\nX-Evil: 1", f" {CANARY}", f"{CANARY} x", f"{CANARY}ü",
    f"{CANARY}\x00", f"{CANARY}\x7f", f"{CANARY}\u200b", CANARY.encode(), 5, ["x"],
]  # fmt: skip


@pytest.mark.parametrize("token", BAD_TOKENS, ids=ascii)
def test_a_bad_token_is_refused_at_once_and_not_shown(backend: Any, token: Any) -> None:
    """An HTTP library would print it whole in its exception."""
    with pytest.raises(errors.ConfigurationError, match="token") as caught:
        client_of(backend, token=token)

    assert CANARY not in f"{caught.value!r} {vars(caught.value)}"


@pytest.mark.parametrize("token", [*BAD_TOKENS, None], ids=ascii)
def test_a_bad_token_from_a_function_sends_nothing(step: Any, backend: Any, token: Any) -> None:
    """It is refused when it comes, and the call is not tried again."""
    client, transport = client_of(backend, [say()], token=lambda: token)

    with pytest.raises(errors.ConfigurationError, match="token") as caught:
        step(client.create(Draft(number="1")))

    assert CANARY not in f"{caught.value!r} {vars(caught.value)}"
    assert transport.requests == []


def test_credentials_are_never_shown_or_pickled() -> None:
    """No text, pickle or dump of the settings contains them."""
    for hidden in (Secret(CANARY), Credentials(CANARY)):
        assert CANARY not in f"{hidden} {hidden!r}"
        with pytest.raises(TypeError):
            pickle.dumps(hidden)
    client = AsyncClient(SMALL, token=CANARY, transport=MemoryTransport())
    settings = client._settings
    assert CANARY not in repr(attrs.asdict(settings))
    assert CANARY not in f"{client!r} {settings!r} {client._context!r} {client.preview!r}"
    with pytest.raises(TypeError):
        pickle.dumps(settings)
    with pytest.raises(errors.UsageError, match="are not copied") as refused:
        pickle.dumps(client)
    assert CANARY not in str(refused.value)


@pytest.mark.parametrize(
    ("url", "base"),
    [
        ("https://host", "https://host"),
        ("https://host/", "https://host"),
        ("https://host/base/", "https://host/base"),
        ("https://host:8443/base", "https://host:8443/base"),
        ("https://[2001:db8::1]", "https://[2001:db8::1]"),
        ("HTTPS://Host", "HTTPS://Host"),
        ("http://localhost:8000", "http://localhost:8000"),
        ("http://exante.localhost", "http://exante.localhost"),
        ("http://127.0.0.1", "http://127.0.0.1"),
        ("http://127.9.9.9", "http://127.9.9.9"),
        ("http://[::1]:80", "http://[::1]:80"),
    ],
)
def test_a_safe_base_url_is_accepted(url: str, base: str) -> None:
    """Plain ``https``, or ``http`` that stays on this machine; the last slash goes."""
    assert checked_base_url(url) == base


@pytest.mark.parametrize(
    ("url", "word"),
    [
        ("", "https://"),
        ("host", "https://"),
        ("//host", "https://"),
        ("ftp://host", "https://"),
        ("file:///etc/passwd", "https://"),
        ("https://", "https://"),
        ("https:///path", "https://"),
        ("javascript:alert(1)", "https://"),
        (None, "is not text"),
        (b"https://host", "is not text"),
        (5, "is not text"),
        ("https://user:canary-ab12cd@host", "user name"),
        ("https://@host", "user name"),
        ("https://host?token=canary-ab12cd", "query"),
        ("https://host?", "query"),
        ("https://host#f", "fragment"),
        ("https://host#", "fragment"),
        ("https://good.example\\@evil.example", "user name"),
        ("https://host:99999", "cannot be read"),
        ("https://host:port", "cannot be read"),
        ("https://[::1", "cannot be read"),
        ("https://ho st", "space"),
        ("https://host/a\nb", "space"),
        ("https://höst", "ASCII"),
        ("http://host", "unencrypted"),
        ("http://127.0.0.1.evil.example", "unencrypted"),
        ("http://localhost.evil.example", "unencrypted"),
        ("http://evillocalhost", "unencrypted"),
        ("http://evil-localhost", "unencrypted"),
        ("http://localhost..", "read alike"),
        ("http://127.1", "unencrypted"),
        ("http://0x7f000001", "unencrypted"),
        ("http://2130706433", "unencrypted"),
        ("https://host/a/../b", "segment"),
        ("https://host/%2e%2e/b", "segment"),
        ("https://host/%2E./b", "segment"),
        ("https://host/a/..%2fb", "segment"),
        ("https://host/.", "segment"),
        ("https://host/a\\..\\b", "read alike"),
        ("http://10.0.0.1", "unencrypted"),
        ("http://0.0.0.0", "unencrypted"),
    ],
    ids=ascii,
)
def test_a_bad_base_url_is_refused(url: Any, word: str) -> None:
    """A token is not sent in the clear, nor to an address that can be read in two ways."""
    with pytest.raises(errors.ConfigurationError, match=word) as caught:
        checked_base_url(url)

    assert CANARY not in str(caught.value)


def test_plain_http_needs_allow_insecure(backend: Any) -> None:
    """With it, any host is allowed."""
    assert checked_base_url("http://host", allow_insecure=True) == "http://host"
    with pytest.raises(errors.ConfigurationError, match="unencrypted"):
        client_of(backend, base_url="http://host")
    client_of(backend, base_url="http://host", allow_insecure=True)


@pytest.mark.parametrize("base_url", ["", " "])
def test_an_empty_base_url_is_refused(backend: Any, base_url: str) -> None:
    """A variable that is set to nothing must not select the default address."""
    with pytest.raises(errors.ConfigurationError, match="base URL"):
        client_of(backend, base_url=base_url)


class Nowhere(MemoryTransport):
    """A transport that brings no account along, as one on a network does."""

    def account(self, provider: str) -> None:  # type: ignore[override]
        return None


def test_a_provider_without_an_address_needs_base_url() -> None:
    """The error names no sandbox, which does not serve it."""
    provider = Provider(name="small", dialects=(SmallDialect(),), needs_token=False)

    with pytest.raises(errors.ConfigurationError, match=r"give base_url='https://\.\.\.'\.$"):
        AsyncClient(provider, transport=Nowhere())
    AsyncClient(provider, transport=Nowhere(), base_url="https://here.example")


def test_a_missing_token_is_refused_at_construction() -> None:
    """The first 401 would come too late."""
    provider = attrs.evolve(SMALL, needs_token=True)

    with pytest.raises(errors.ConfigurationError, match="token="):
        AsyncClient(provider, transport=Nowhere())
    AsyncClient(provider, transport=Nowhere(), token="t")


@pytest.mark.parametrize("scope", ["tenant", "organization"])
def test_a_scope_that_the_provider_lacks_is_refused(backend: Any, scope: str) -> None:
    """The client would ignore it and list the invoices of all tenants."""
    other = attrs.evolve(CAPABILITIES, scope=frozenset({scope}))
    provider = attrs.evolve(SMALL, dialects=(SmallDialect(other),))

    with pytest.raises(errors.ConfigurationError, match=f"no {scope}s"):
        client_of(backend, **{scope: "x"})
    client, _ = client_of(backend, provider=provider, **{scope: "x"})
    assert getattr(client._context.dialects[Feature.GET].scope, scope) == "x"


@pytest.mark.parametrize(
    ("options", "kind", "word"),
    [
        ({"provider": "exnate"}, errors.UnknownNameError, "exante, katsu, kukkingu"),
        ({"provider": 5}, errors.UnknownNameError, "provider"),
        ({"provider": []}, errors.UnknownNameError, "provider named a list"),
        ({"reading": []}, errors.ConfigurationError, "reading=a list"),
        ({"observers": np.array(5)}, errors.ConfigurationError, "a list of plain functions"),
        ({"retry": "standrad"}, errors.UnknownNameError, "breaker, none, patient, standard"),
        ({"retry": 3}, errors.ConfigurationError, "not a policy"),
        ({"retry": None}, errors.ConfigurationError, "not a policy"),
        ({"timeout": 0}, errors.ConfigurationError, "timeout=0"),
        ({"timeout": -1}, errors.ConfigurationError, "timeout=-1"),
        ({"timeout": None}, errors.ConfigurationError, "no wait is endless"),
        ({"timeout": float("inf")}, errors.ConfigurationError, "no wait is endless"),
        ({"timeout": float("nan")}, errors.ConfigurationError, "timeout"),
        ({"timeout": "5"}, errors.ConfigurationError, "timeout"),
        ({"timeout": True}, errors.ConfigurationError, "timeout"),
        ({"timeout": Timeouts(read=0)}, errors.ConfigurationError, "timeout.read"),
        ({"deadline": 0}, errors.ConfigurationError, "deadline"),
        ({"deadline": "5"}, errors.ConfigurationError, "deadline"),
        ({"limiter": 0}, errors.ConfigurationError, "Limiter"),
        ({"limiter": "slow"}, errors.ConfigurationError, "limiter"),
        ({"limiter": float("nan")}, errors.ConfigurationError, "Limiter"),
        ({"limiter": True}, errors.ConfigurationError, "Limiter"),
        ({"budget": 500}, errors.ConfigurationError, "RetryBudget"),
        ({"deadline": float("inf")}, errors.ConfigurationError, "deadline"),
        ({"provider": Provider(name="p", dialects=())}, errors.ConfigurationError, "one dialect"),
        ({"provider": Provider(name="p", dialects=("x",))}, errors.UnknownNameError, "dialect"),
    ],
    ids=str,
)
def test_a_wrong_option_is_refused(
    backend: Any, options: dict[str, Any], kind: type[Exception], word: str
) -> None:
    """At construction, by name, with what there is instead."""
    with pytest.raises(kind, match=word):
        client_of(backend, **options)


@pytest.mark.parametrize("option", ["provider", "retry", "reading", "transport"])
def test_a_number_that_is_too_long_to_show_is_refused(option: str) -> None:
    """Python makes no text of an int of 5000 digits."""
    options: dict[str, Any] = {"provider": SMALL, option: 10**5000}
    with pytest.raises(errors.ConfigurationError, match="an int"):
        AsyncClient(**options)
    with pytest.raises(errors.ConfigurationError, match="an int is no name"):
        AsyncClient(SMALL, headers={10**5000: "a"})  # type: ignore[dict-item]


@pytest.mark.parametrize("transport", ["htpx", None, 5])
def test_an_object_that_is_not_a_transport_is_refused(transport: Any) -> None:
    """A misspelt name lists the registered names."""
    with pytest.raises(
        errors.ConfigurationError, match=r"aiohttp, .*httpx, .*sandbox, urllib3|neither"
    ):
        AsyncClient(SMALL, transport=transport)


def test_a_transport_is_a_name_an_object_or_a_factory(backend: Any) -> None:
    """A class counts as a function that makes one."""

    class Made(Owned):
        def __init__(self, options: Any) -> None:
            super().__init__()
            self.options = options

    by_class = AsyncClient(SMALL, transport=Made, backend=backend)
    by_function = AsyncClient(SMALL, transport=lambda o: Made(o), backend=backend)  # noqa: PLW0108
    by_name = AsyncClient(SMALL, transport="memory", backend=backend)
    by_object = AsyncClient(SMALL, transport=Owned(), backend=backend)

    owned = [each._context.wire.owned for each in (by_class, by_function, by_name, by_object)]
    assert owned == [True, True, True, False]
    assert by_class._context.wire.transport.options.backend is backend


def test_a_client_closes_only_the_transport_it_made(step: Any, backend: Any) -> None:
    """A transport that the caller gave stays the caller's to close."""
    made, given = Owned(), Owned()
    owner = AsyncClient(SMALL, transport=lambda _: made, backend=backend)
    borrower = AsyncClient(SMALL, transport=given, backend=backend)

    async def use() -> None:
        async with owner, borrower:
            pass
        await owner.aclose()

    step(use())

    assert (made.closed, given.closed) == (2, 0)


@pytest.mark.parametrize("name", ["get", "create"])
def test_a_closed_client_sends_nothing(step: Any, backend: Any, name: str) -> None:
    """A write on it is refused, not unclear."""
    client, transport = client_of(backend, [say()])
    step(client.aclose())

    with pytest.raises(errors.ClosedError):
        step(client.get("i") if name == "get" else client.create(Draft(number="1")))

    assert transport.requests == []


def test_siblings_share_the_transport(step: Any, backend: Any) -> None:
    """Closing a sibling closes nothing; closing the first client closes all."""
    made = Owned(lambda _: say())
    first = AsyncClient(SMALL, transport=lambda _: made, backend=backend, token="t1")
    sibling = first.with_options(token="t2", deadline=5.0, retry="none")
    cousin = sibling.with_options(token=None)

    async def use() -> None:
        for client in (first, sibling, cousin):
            assert await client.get("i1") == Invoice(id="i1")
        async with sibling:
            pass
        await first.get("i1")
        await first.aclose()

    step(use())

    signed = [request.headers.get("authorization") for request in made.requests]
    assert signed == ["Bearer t1", "Bearer t2", None, "Bearer t1"]
    assert made.closed == 1
    with pytest.raises(errors.ClosedError):
        step(cousin.get("i1"))


def test_with_options_changes_only_the_given_options(backend: Any) -> None:
    """Everything else stays as it was, also through several generations."""
    observer = print
    client, _ = client_of(backend, token="t", observers=[observer], deadline=9.0, timeout=3.0)

    sibling = client.with_options(retry=Retry(attempts=2)).with_options(deadline=1.0)

    same = {"provider", "base_url", "wire", "backend", "timeouts", "observers", "calls"}
    for name in same:
        assert getattr(sibling._context, name) == getattr(client._context, name)
    assert (sibling._context.deadline_s, client._context.deadline_s) == (1.0, 9.0)
    assert sibling._context.policy == Retry(attempts=2)
    assert sibling._context.auth is not client._context.auth


@pytest.mark.parametrize("kind", [AsyncClient, Client])
def test_a_subclass_is_kept_by_its_siblings_and_asked_once(kind: Any, step: Any) -> None:
    """Siblings have its attributes, and options of a call do not call its method again."""

    class Numbered(kind):  # type: ignore[misc]
        def __init__(self, **options: Any) -> None:
            super().__init__(SMALL, base_url="https://small.example", **options)
            self.seen: list[str] = []

        def get(self, invoice_id: str, **options: Any) -> Any:
            self.seen.append(invoice_id)
            return super().get(f"{invoice_id}-{len(self.seen)}", **options)

    def got(made: Any) -> Any:
        return step(made) if inspect.isawaitable(made) else made

    def answer(request: Any) -> WireResponse:
        return say(text=json.dumps({"id": request.url.rpartition("/")[2]}))

    client = Numbered(transport=MemoryTransport(answer))
    sibling = client.with_options(deadline=5)

    assert [got(each.get("i", timeout=2)).id for each in (client, sibling)] == ["i-1", "i-2"]
    assert type(sibling) is Numbered
    assert client.seen == ["i", "i"]


@pytest.mark.parametrize(
    "options",
    [{"token": f"{CANARY}\n"}, {"deadline": 0}, {"retry": "x"}, {"timeout": 0}, {"tenant": "t"}],
    ids=str,
)
def test_a_sibling_is_checked_like_a_client(backend: Any, options: dict[str, Any]) -> None:
    """``with_options`` refuses what the constructor refuses."""
    client, _ = client_of(backend)

    with pytest.raises(errors.ConfigurationError) as caught:
        client.with_options(**options)

    assert CANARY not in str(caught.value)


def test_a_provider_may_be_an_object_with_dialect_objects(step: Any, backend: Any) -> None:
    """Users can describe another API without registering anything."""
    client, transport = client_of(backend, [say()], provider=SMALL)

    assert step(client.get("i1")).id == "i1"
    assert provider_named(SMALL) is SMALL
    assert tuple(SMALL.named()) == ("small",)
    assert repr(client) == "AsyncClient('small', base_url='https://small.example/base')"
    assert transport.requests[0].url.startswith("https://small.example/base/")


def test_the_first_dialect_with_an_operation_runs_it(step: Any, backend: Any) -> None:
    """A provider may combine dialects."""
    from billingual import Feature  # noqa: PLC0415

    class Half(SmallDialect):
        def get(self, invoice_id: str) -> Any:
            invoice = yield from super().get(invoice_id)
            return attrs.evolve(invoice, number="by the half")

    reader = attrs.evolve(CAPABILITIES, features=frozenset({Feature.GET}), draft=attrs.NOTHING)
    reader = attrs.evolve(reader, draft=type(CAPABILITIES.draft)())
    provider = attrs.evolve(SMALL, dialects=(Half(reader), SmallDialect()))
    client, _ = client_of(backend, lambda _: say(), provider=provider)

    assert step(client.get("i1")).number == "by the half"
    assert step(client.create(Draft(number="1"))).number is None
    assert client.capabilities.draft == CAPABILITIES.draft
    assert client.capabilities.features == CAPABILITIES.features


@pytest.mark.parametrize("registry", [DIALECTS, POLICIES, PROVIDERS, TRANSPORTS])
def test_every_registered_name_loads(registry: Registry) -> None:
    """An unknown name lists the registered ones."""
    names = registry.names()

    assert set(registry.builtin) <= set(names)
    assert all(registry.load(name) is not None for name in registry.builtin)
    with pytest.raises(errors.UnknownNameError) as caught:
        registry.load("no such name")
    assert caught.value.known == names


def test_a_missing_extra_says_what_to_install() -> None:
    """A known name that is not installed differs from an unknown name."""
    registry = Registry("gadget", "billingual.gadgets", {"x": "nowhere_at_all:X"}, {"x": "gadgets"})
    broken = Registry("gadget", "billingual.gadgets", {"x": "billingual.nowhere:X"}, {"x": "g"})

    with pytest.raises(errors.MissingExtraError) as caught:
        registry.load("x")
    with pytest.raises(ModuleNotFoundError):
        broken.load("x")

    assert caught.value.install == 'pip install "billingual[gadgets]"'
    assert "gadget 'x' needs nowhere_at_all" in str(caught.value)


NEEDED = {
    "aiohttp": ("aiohttp", '"billingual[aiohttp]"'),
    "h11": ("httptools", "billingual"),
    "httpx": ("httpx", "billingual"),
    "httpx2": ("httpx2", '"billingual[httpx2]"'),
    "sandbox": ("starlette", '"billingual[sandbox]"'),
    "urllib3": ("urllib3", '"billingual[urllib3]"'),
}
WITHOUT = """
import sys
from billingual import AsyncClient, Client, MissingExtraError
for module in {modules!r}:
    sys.modules[module] = None  # as if it were not installed
for name in {names!r}:
    for kind in (Client, AsyncClient):
        try:
            kind("exante", transport=name, token="t", base_url="http://localhost")
        except MissingExtraError as error:
            print(name, error)
"""


def test_every_transport_says_which_library_to_install() -> None:
    """Making either client with a transport whose library is missing names the command."""
    modules = [module for module, _ in NEEDED.values()]
    code = WITHOUT.format(modules=modules, names=list(NEEDED))
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert ended.stdout.splitlines() == [
        f"{name} the transport {name!r} needs {module}, which is not installed; "
        f"run: pip install {package}"
        for name, (module, package) in NEEDED.items()
        for _ in range(2)
    ]


def test_a_client_works_on_one_loop_after_another() -> None:
    """A client without a connection works on any loop."""
    client, _ = client_of(None, lambda _: say())

    got = [asyncio.run(client.get("i1")) for _ in range(2)]

    assert got == [Invoice(id="i1")] * 2


def _agent(**options: Any) -> str:
    client = Client("exante", **{"transport": "memory", **options})
    shown = client.preview.get("00000000-0000-4000-8000-000000000001").headers.get("User-Agent")
    assert shown is not None
    return shown


def test_the_user_agent_names_the_program_the_package_python_and_the_library() -> None:
    """The program comes first: it is what a provider looks for."""
    python = ".".join(map(str, sys.version_info[:3]))
    app = ("acme-billing", "1.2", "https://acme.example")

    assert _agent().startswith("billingual/")
    assert _agent().endswith(f" Python/{python}")
    assert _agent(app=app).startswith("acme-billing/1.2 (https://acme.example) billingual/")
    assert _agent(app=["a", "1"]).startswith("a/1 billingual/")
    known = {"token": "t", "base_url": "http://127.0.0.1:9", "transport": "httpx"}
    assert _agent(**known).endswith(f"Python/{python} httpx")
    assert _agent(app=app, headers={"User-Agent": "mine/1"}) == "mine/1"


@pytest.mark.parametrize(
    "app",
    [
        "acme/1.2", ("acme",), ("acme billing", "1"), ("acme", ""), ("acme", 1.2), ("a\r\nX", "1"),
        ("acme", "1", "https://x (y)"), ("acme", "1", ""), ("acme", "1", "a\nb"), ("ä", "1"),
        ("a", "1", "u", "more"),
    ],
)  # fmt: skip
def test_a_program_name_that_cannot_be_sent_is_refused(app: Any) -> None:
    """It is refused when the client is made."""
    with pytest.raises(ConfigurationError, match="app="):
        Client("exante", transport="memory", app=app)


@pytest.mark.parametrize("kind", [AsyncClient, Client])
def test_the_dictionary_of_options_has_those_of_a_client(kind: type) -> None:
    """A wrapper types its ``**options`` with it, and misses none."""
    named = {
        name: each.annotation
        for name, each in inspect.signature(kind).parameters.items()
        if name != "provider"
    }
    typed = {name: each.__forward_arg__ for name, each in ClientOptions.__annotations__.items()}
    assert typed == named
    assert ClientOptions.__optional_keys__ == named.keys()
