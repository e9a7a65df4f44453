"""Clients made from an address, the environment or a profile: the same client in other words."""

from __future__ import annotations

from pathlib import Path
from typing import Any, cast

import pytest

from billingual import AsyncClient, Client, MemoryTransport, errors
from billingual._config.environment import from_environment
from billingual._config.profile import from_file
from billingual._config.url import from_address
from billingual.auth import Secret
from billingual.retry import RedisQuota

TENANT = "tnt_" + "a" * 24
CANARY = "canary-51c0de-51c0de"

OPTIONS = "retry=patient&timeout=5&deadline=2.5&limiter=10&reading=strict"
ADDRESSES: dict[str, tuple[str, dict[str, Any]]] = {
    "provider and host": ("exante://dev.exante.app", {"base_url": "https://dev.exante.app"}),
    "transport": (
        "exante+aiohttp://dev.exante.app",
        {"base_url": "https://dev.exante.app", "transport": "aiohttp"},
    ),
    "port and path": (
        "katsu+urllib3://h.example:8443/base",
        {"base_url": "https://h.example:8443/base", "transport": "urllib3"},
    ),
    "loopback": ("exante://127.0.0.1:8000", {"base_url": "http://127.0.0.1:8000"}),
    "loopback by name": ("exante://localhost:8000/x", {"base_url": "http://localhost:8000/x"}),
    "loopback of version 6": ("exante://[::1]:8000", {"base_url": "http://[::1]:8000"}),
    "loopback with TLS": ("exante://localhost?secure=true", {"base_url": "https://localhost"}),
    "without TLS": ("exante://h.example?secure=false", {"base_url": "http://h.example"}),
    "no host": ("exante+sandbox:", {"transport": "sandbox"}),
    "no host, with slashes": ("exante+sandbox://", {"transport": "sandbox"}),
    "options": (
        f"kukkingu://h.example?tenant={TENANT}&{OPTIONS}",
        {
            "base_url": "https://h.example", "tenant": TENANT, "retry": "patient",
            "timeout": 5.0, "deadline": 2.5, "limiter": 10.0, "reading": "strict",
        },
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", ADDRESSES)
def test_from_url_reads_provider_transport_and_options(name: str) -> None:
    """The scheme is provider and transport, the rest is what it is in any URL."""
    url, expected = ADDRESSES[name]
    provider = url.partition(":")[0].partition("+")[0]

    assert {"provider": provider, **expected} == from_address(url, {})


def test_arguments_win_over_the_address() -> None:
    """The caller knows better than a stored address."""
    found = from_address("exante+aiohttp://a.example?retry=none", {"retry": "patient"})

    assert "patient" == found["retry"]


def test_an_address_may_name_a_dialect() -> None:
    """Another service of a known family needs no preset."""
    client = AsyncClient.from_url("tenant+memory://billing.acme.example", token="t", tenant=TENANT)

    assert "AsyncClient('tenant', base_url='https://billing.acme.example')" == repr(client)


WRONG = {
    "no provider": ("https://dev.exante.app", "names no provider"),
    "no scheme": ("dev.exante.app", "names no provider"),
    "an unknown provider": ("stripe://h.example", "there is no provider or dialect"),
    "a password": (f"exante://user:{CANARY}@h.example", "user name or a password"),
    "a user": (f"exante://{CANARY}@h.example", "user name or a password"),
    "a token": (f"exante://h.example?token={CANARY}", "no option 'token'"),
    "an unknown option": ("exante://h.example?colour=red", "no option 'colour'"),
    "an empty option": ("exante://h.example?retry=", "no option 'retry'"),
    "an option twice": ("exante://h.example?retry=none&retry=none", "twice"),
    "no number": ("exante://h.example?timeout=soon", "is not a number"),
    "a fragment": ("exante://h.example#x", "fragment"),
    "a path alone": ("exante:/path", "no host"),
    "a port that is none": ("exante://h.example:many", "cannot be read"),
    "no text": (7, "cannot be read"),
}


@pytest.mark.parametrize("name", WRONG)
def test_a_wrong_address_is_refused(name: str) -> None:
    """The error says what is wrong and shows no secret."""
    url, told = WRONG[name]

    with pytest.raises(errors.ConfigurationError, match=told) as caught:
        AsyncClient.from_url(url)  # type: ignore[arg-type]
    assert CANARY not in str(caught.value)


def test_an_address_alone_never_allows_plain_http() -> None:
    """An address in a file must not be enough to send a token unencrypted."""
    with pytest.raises(errors.ConfigurationError, match="allow_insecure"):
        AsyncClient.from_url("exante://h.example?secure=false", token="t")


@pytest.mark.parametrize("kind", [AsyncClient, Client])
def test_both_clients_have_from_url_and_from_env(
    kind: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A subclass makes an object of its own class."""

    class Ours(kind):  # type: ignore[misc]
        pass

    monkeypatch.setenv("BILLINGUAL_URL", "exante+memory://h.example")
    monkeypatch.setenv("BILLINGUAL_TOKEN", "t")

    for client in (Ours.from_env(), Ours.from_url("exante+memory://h.example", token="t")):
        assert isinstance(client, Ours)
        assert "https://h.example" in repr(client)


def test_each_variable_sets_one_option() -> None:
    """Each variable is one option; numbers are numbers."""
    found = from_environment(
        {
            "BILLINGUAL_PROVIDER": "kukkingu", "BILLINGUAL_TOKEN": "t",
            "BILLINGUAL_TENANT": TENANT, "BILLINGUAL_BASE_URL": "https://h.example",
            "BILLINGUAL_TIMEOUT": "2", "BILLINGUAL_RETRY": "none", "BILLINGUAL_READING": "strict",
            "OTHER": "x",
        }.get,
        {},
    )  # fmt: skip

    assert {
        "provider": "kukkingu", "token": Secret("t"), "tenant": TENANT, "timeout": 2.0,
        "retry": "none", "reading": "strict",
        "base_url": "https://h.example",
    } == found  # fmt: skip


@pytest.mark.parametrize("blank", ["", " ", "\t\n"])
def test_a_blank_variable_counts_as_unset(blank: str) -> None:
    """Shells and container files set variables that they have no value for."""
    names = ("BASE_URL", "DEADLINE", "LIMITER", "ORGANIZATION", "PROXY", "READING", "RETRY",
             "TENANT", "TIMEOUT", "TOKEN", "TRANSPORT")  # fmt: skip
    blanks = {f"BILLINGUAL_{name}": blank for name in names}
    by_url = {**blanks, "BILLINGUAL_PROVIDER": blank, "BILLINGUAL_URL": " exante://h.example\n"}
    by_name = {**blanks, "BILLINGUAL_URL": blank, "BILLINGUAL_PROVIDER": " exante "}

    assert from_environment(by_url.get, {}) == {
        "provider": "exante", "base_url": "https://h.example",
    }  # fmt: skip
    assert from_environment(by_name.get, {}) == {"provider": "exante"}
    with pytest.raises(errors.ConfigurationError, match="names no provider"):
        from_environment({**blanks, "BILLINGUAL_PROVIDER": blank}.get, {})


def test_a_variable_wins_over_the_url_and_an_argument_over_both() -> None:
    """The more specific source wins."""
    found = from_environment(
        {
            "BILLINGUAL_URL": "exante+httpx://a.example?retry=none",
            "BILLINGUAL_RETRY": "patient", "BILLINGUAL_TRANSPORT": "aiohttp",
        }.get,
        {"transport": "memory"},
    )  # fmt: skip

    assert {
        "provider": "exante", "base_url": "https://a.example", "retry": "patient",
        "transport": "memory",
    } == found  # fmt: skip


def test_an_environment_of_two_providers_is_refused() -> None:
    """One provider's token must not reach the other."""
    two = {"BILLINGUAL_URL": "exante://h.example", "BILLINGUAL_PROVIDER": "kukkingu"}

    with pytest.raises(errors.ConfigurationError, match="names another provider"):
        from_environment(two.get, {})


def test_an_environment_without_a_provider_is_refused() -> None:
    """A forgotten variable must not send invoices to a sandbox."""
    with pytest.raises(errors.ConfigurationError, match="names no provider"):
        from_environment({"BILLINGUAL_TOKEN": "t"}.get, {})


def written(folder: Path, text: str, mode: int = 0o600) -> Path:
    """Write a file with profiles."""
    file = folder / "billingual.toml"
    file.write_text(text, encoding="utf-8")
    file.chmod(mode)
    return file


PROD = f"""
[profiles.prod]
url = "kukkingu+memory://h.example"
tenant = "{TENANT}"
token_env = "THE_TOKEN"
retry = "patient"
timeout = 5
[profiles.test]
provider = "exante"
transport = "sandbox"
[profiles.open]
provider = "exante"
token = "{CANARY}"
"""


def test_a_profile_holds_options_and_names_the_tokens_variable(tmp_path: Path) -> None:
    """Arguments win over the file."""
    file = written(tmp_path, PROD, 0o644)

    found = from_file("prod", {"retry": "none"}, path=file, getenv={"THE_TOKEN": "t"}.get)

    assert {
        "provider": "kukkingu", "base_url": "https://h.example", "transport": "memory",
        "tenant": TENANT, "token": Secret("t"), "retry": "none", "timeout": 5,
    } == found  # fmt: skip


@pytest.mark.parametrize("place", ["BILLINGUAL_CONFIG", "here", "settings"])
def test_the_profile_file_is_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, place: str
) -> None:
    """By variable, in the current folder, or in the user's folder for settings."""
    monkeypatch.chdir(tmp_path)
    environment = {}
    if place == "settings":
        monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
        folder = tmp_path / "config" / "billingual"
        folder.mkdir(parents=True)
        written(folder, PROD).rename(folder / "profiles.toml")
    elif place == "here":
        written(tmp_path, PROD)
    else:
        (tmp_path / "elsewhere").mkdir()
        environment["BILLINGUAL_CONFIG"] = str(written(tmp_path / "elsewhere", PROD))

    found = from_file("test", {}, getenv=environment.get)

    assert {"provider": "exante", "transport": "sandbox"} == found


def test_a_token_in_a_file_that_others_can_read_is_refused(tmp_path: Path) -> None:
    """The error says what to run, and does not show the token."""
    assert (
        Secret(CANARY)
        == from_file("open", {}, path=written(tmp_path, PROD), getenv={}.get)["token"]
    )

    with pytest.raises(errors.ConfigurationError, match="chmod 600") as caught:
        from_file("open", {}, path=written(tmp_path, PROD, 0o640), getenv={}.get)
    assert CANARY not in str(caught.value)


def _limiter_by(source: str, text: str, folder: Path) -> Any:
    if source == "address":
        return from_address(f"exante://h.example?limiter={text}", {})["limiter"]
    if source == "environment":
        variables = {"BILLINGUAL_PROVIDER": "exante", "BILLINGUAL_LIMITER": text}
        return from_environment(variables.get, {})["limiter"]
    profile = f"[profiles.a]\nprovider='exante'\nlimiter={text if text == '10' else repr(text)}"
    return from_file("a", {}, path=written(folder, profile), getenv={}.get)["limiter"]


SOURCES = ("address", "environment", "profile")


@pytest.mark.parametrize("source", SOURCES)
def test_a_limiter_may_say_what_workers_share(tmp_path: Path, source: str) -> None:
    """The same text in each source; a number alone is a rate."""
    parts = _limiter_by(source, "10,workers=8", tmp_path)
    together = _limiter_by(source, "10, workers=8,store=redis://h.example:6379/0,name=a", tmp_path)

    assert 10.0 == _limiter_by(source, "10", tmp_path)
    assert (parts._rate, parts._workers, parts._store) == (10.0, 8, None)
    assert isinstance(together._store, RedisQuota)
    assert (together._rate, together._workers, together._name) == (10.0, 8, "a")


@pytest.mark.parametrize("source", SOURCES)
@pytest.mark.parametrize(
    "text",
    ["x", "10,workers", "10,workers=", "10,workers=x", "10,workers=2,workers=2", "10,learns=no",
     "10,", f"x,store=redis://:{CANARY}@h.example"],
)  # fmt: skip
def test_a_limiter_that_cannot_be_read_is_refused(tmp_path: Path, source: str, text: str) -> None:
    """The error says how to write it and shows no password, nor does its traceback.

    An address is in the caller's frames anyway.
    """
    with pytest.raises(errors.ConfigurationError, match="like 10,workers=8,store=") as caught:
        _limiter_by(source, text, tmp_path)

    assert CANARY not in str(caught.value)
    walked = caught.value.__traceback__
    while walked is not None:
        if source != "address" and "billingual" in walked.tb_frame.f_globals["__name__"]:
            assert CANARY not in repr({**walked.tb_frame.f_locals, "getenv": ""})
        walked = walked.tb_next


@pytest.mark.parametrize("source", ["address", "profile"])
def test_a_password_of_a_store_is_refused_where_others_read(tmp_path: Path, source: str) -> None:
    """It may be in the environment, as a token may."""
    text = f"10,store=redis://:{CANARY}@h.example"

    with pytest.raises(errors.ConfigurationError, match="BILLINGUAL_LIMITER") as caught:
        _limiter_by(source, text, tmp_path)
    assert CANARY not in str(caught.value)
    assert isinstance(_limiter_by("environment", text, tmp_path)._store, RedisQuota)


@pytest.mark.parametrize("kind", [AsyncClient, Client])
def test_a_file_may_begin_with_a_byte_order_mark(
    tmp_path: Path, kind: type[AsyncClient | Client]
) -> None:
    """Editors of Windows write one, and line ends of two characters."""
    file = tmp_path / "billingual.toml"
    file.write_bytes(b"\xef\xbb\xbf[profiles.a]\r\nurl = 'exante+sandbox:'\r\n")

    assert "exante" in repr(kind.from_profile("a", path=file))


UNUSABLE = {
    "no such profile": (PROD, "stage", "there are: open, prod, test"),
    "a variable that is not set": (PROD, "prod", "THE_TOKEN, which is not set"),
    "an unknown option": ("[profiles.a]\nprovider='exante'\ncolour='red'", "a", "'colour'"),
    "a token that is no text": ("[profiles.a]\nprovider='exante'\ntoken=12345678", "a", "token"),
    "a number in quotes": (
        "[profiles.a]\nprovider='exante'\ntimeout='5'",
        "a",
        "wrong timeout: .*number",
    ),
    "a yes for a number": (
        "[profiles.a]\nprovider='exante'\nlimiter=true",
        "a",
        "wrong limiter: .*number",
    ),
    "a number for text": ("[profiles.a]\nprovider='exante'\ntenant=5", "a", "wrong tenant: .*text"),
    "a secret that is no text": (
        f"[profiles.a]\nprovider='exante'\nproxy=['{CANARY}']",
        "a",
        "wrong proxy: .*text",
    ),
    "no provider": ("[profiles.a]\nretry='none'", "a", "must name a provider"),
    "two providers": ("[profiles.a]\nprovider='exante'\nurl='exante:'", "a", "either url or"),
    "a token twice": (
        "[profiles.a]\nprovider='exante'\ntoken='x'\ntoken_env='PATH'", "a", "keep one",
    ),
    "no tables": ("profiles = 3", "a", "no tables like"),
    "a profile that is none": ("[profiles]\na = 3", "a", "no tables like"),
    "no TOML": (f"token = {CANARY}", "a", "is not TOML"),
}  # fmt: skip


@pytest.mark.parametrize("name", UNUSABLE)
def test_a_wrong_profile_file_is_refused(tmp_path: Path, name: str) -> None:
    """The error names the file, what is wrong and what is allowed."""
    text, profile, told = UNUSABLE[name]

    with pytest.raises(errors.ConfigurationError, match=told) as caught:
        from_file(profile, {}, path=written(tmp_path, text), getenv={}.get)
    assert CANARY not in str(caught.value)


def test_allow_insecure_must_be_a_bool(tmp_path: Path) -> None:
    """The text 'false' is true to Python, so text is refused."""
    file = written(
        tmp_path,
        "[profiles.a]\nprovider='exante'\nbase_url='http://h.example'\nallow_insecure='false'",
    )

    with pytest.raises(errors.ConfigurationError, match=r"allow_insecure: write true or false"):
        Client.from_profile("a", path=file, token="t")
    with pytest.raises(errors.ConfigurationError, match="unencrypted"):
        Client("exante", base_url="http://h.example", token="t", allow_insecure=cast(Any, "false"))


def test_a_missing_file_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The error names the given file, or the places that were searched."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))

    with pytest.raises(errors.ConfigurationError, match="cannot be read"):
        from_file("prod", {}, path=tmp_path / "none.toml", getenv={}.get)
    with pytest.raises(errors.ConfigurationError, match=r"billingual\.toml or .*profiles\.toml"):
        from_file("prod", {}, getenv={}.get)


def test_a_profile_makes_a_client(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The options in the file reach the request."""
    monkeypatch.setenv("THE_TOKEN", "t")
    script = MemoryTransport([MemoryTransport.json('{"data": []}')])

    with Client.from_profile("prod", path=written(tmp_path, PROD), transport=script) as client:
        assert [] == client.list().collect(limit=1)
    assert "https://h.example/api/v1/invoices" == script.requests[0].url
