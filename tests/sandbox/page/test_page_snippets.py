"""What the page gives to copy sends the same request again, and holds no token."""

from __future__ import annotations

import io
import json
import subprocess
from collections.abc import Callable
from contextlib import suppress
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from billingual import (
    Changes,
    Client,
    CustomField,
    Draft,
    Filter,
    Money,
    OutcomeUnknown,
    ProviderError,
    Replacement,
    providers,
)
from billingual.cli import main
from billingual.sandbox import ACCOUNTS, CREDENTIALS, LANDMARKS
from sandbox.page.conftest import Visitor

UUID = "00000000-0000-4000-8000-0000000000b1"
OTHER = "00000000-0000-4000-8000-0000000000b2"
CONTRACT = LANDMARKS["kukkingu_contract"]
INVOICE = f"inv_{'a' * 24}"
HOSTILE = "it's \"x\" \\ $HOME `id` \x1b[2J \u202e 'é€"
DRAFT = Draft(
    counterparty=LANDMARKS["exante_party"],
    owner=LANDMARKS["exante_owner"],
    document=LANDMARKS["exante_document"],
    number=HOSTILE,
    kind="payable",
    issued_at="2026-01-02T03:04:05.6Z",
    due_at="2026-12-31",
    currency="EUR",
    fields={"po": HOSTILE, "a": "-1=b"},
)
TYPED = Changes(fields=[CustomField("n", 12, type="number"), CustomField("t", "\U000e0041\u202e")])
WITH_EQUALS = Changes(fields={"a=b": "c"})
FILTER = Filter(
    search=HOSTILE,
    counterparty=["A, B", "-C"],
    status=["SENT", "OVERDUE"],
    collection_method="send_invoice",
    issued_from="2026-01-01",
    due_to="2026-12-31",
    overdue_days="> 30",
    total="100-2000",
    include_inactive=True,
    extra_params={"x": "1"},
)
REPLACEMENT = Replacement.from_dict(
    {
        "counterparty": UUID,
        "counterparty_name": HOSTILE,
        "receiving_account": UUID,
        "account_name": "Main",
        "due_at": "2026-12-31T00:00:00Z",
        "currency": "USD",
        "lines": [{"product_id": UUID, "quantity": 2, "unit_price": "9.99"}],
        "taxes": [{"tax_id": UUID, "percentage": "7.5"}],
        "discount": {"type": 2, "value": "1.5"},
        "description": "",
        "billing_cycle": 6,
        "recurring": False,
        "payment_methods": [1],
        "notifications": [],
        "remind_days_before": [3, 1],
        "remind_days_after": [],
        "remind_on_due_date": True,
    }
)

Call = Callable[[Client], object]
CALLS: dict[str, tuple[str, Call]] = {
    "list": ("exante", lambda invoices: invoices.list().first()),
    "list with filters": (
        "exante",
        lambda invoices: invoices.list(FILTER, sort="-due_at", page_size=7).first(),
    ),
    "list of parties": (
        "exante",
        lambda invoices: invoices.list(
            Filter(counterparty_ids=[UUID, OTHER]), sort="total"
        ).first(),
    ),
    "get": ("exante", lambda invoices: invoices.get(UUID)),
    "create": ("exante", lambda invoices: invoices.create(DRAFT)),
    "update": ("exante", lambda invoices: invoices.update(UUID, Changes(status="SENT"))),
    "update with typed fields": ("exante", lambda invoices: invoices.update(UUID, TYPED)),
    "update with a field that has a sign in its name": (
        "exante",
        lambda invoices: invoices.update(UUID, WITH_EQUALS),
    ),
    "update with null": ("exante", lambda invoices: invoices.update(UUID, Changes(number=None))),
    "update_many": (
        "exante",
        lambda invoices: invoices.update_many(
            [(UUID, Changes(status="SENT")), (OTHER, Changes(number=HOSTILE, due_at="2026-12-31"))]
        ),
    ),
    "update_many with null": (
        "exante",
        lambda invoices: invoices.update_many([(UUID, Changes(number=None))]),
    ),
    "list with a sign in a name": (
        "exante",
        lambda invoices: invoices.list(Filter(extra_params={"a=b": "c"})).first(),
    ),
    "delete_many": ("exante", lambda invoices: invoices.delete_many([UUID, OTHER])),
    "tenant list": (
        "kukkingu",
        lambda invoices: invoices.list(
            Filter(document=CONTRACT, status="VOID", expand=["contract", "contract.client"])
        ).first(),
    ),
    "tenant get": ("kukkingu", lambda invoices: invoices.get(INVOICE)),
    "tenant create": (
        "kukkingu",
        lambda invoices: invoices.create(
            Draft(
                document=CONTRACT,
                number=HOSTILE,
                total=Money(1234, "KWD"),
                exchange_rate="1.50",
                issued_at="2026-01-01",
            )
        ),
    ),
    "tenant update": (
        "kukkingu",
        lambda invoices: invoices.update(INVOICE, Changes(total=Money(5, "JPY"), number="-x")),
    ),
    "tenant currency": (
        "kukkingu",
        lambda invoices: invoices.update(INVOICE, Changes(currency="EUR", exchange_rate=2)),
    ),
    "tenant finalize": ("kukkingu", lambda invoices: invoices.finalize(INVOICE)),
    "tenant void": ("kukkingu", lambda invoices: invoices.void(INVOICE)),
    "replace": ("katsu", lambda invoices: invoices.update(UUID, REPLACEMENT)),
}
OF_NO_COMMAND = {"update_many with null", "list with a sign in a name"}


def call(visitor: Visitor, name: str) -> dict[str, Any]:
    """Make a call with billingual, and give the first exchange that came of it."""
    provider, act = CALLS[name]
    account = ACCOUNTS[provider]
    number = visitor.news()["first"]
    client = Client(
        providers.katsu(currencies={"USD": 1}) if provider == "katsu" else provider,
        base_url=visitor.sandbox.base_url(provider),
        token=account.token,
        tenant=account.tenant,
        retry="none",
    )
    with client as invoices, suppress(ProviderError, OutcomeUnknown):
        act(invoices)
    found: dict[str, Any] = visitor.ask(f"/_sandbox/page/exchanges/{number}").json()
    visitor.ask("/_sandbox/requests", "DELETE")
    return found


def first(visitor: Visitor) -> dict[str, Any]:
    """Give the first exchange that is kept."""
    found: dict[str, Any] = visitor.ask(
        f"/_sandbox/page/exchanges/{visitor.news()['first']}"
    ).json()
    return found


def same(before: dict[str, Any], after: dict[str, Any]) -> None:
    """Require two exchanges to be of the same request."""
    assert before["request"]["line"] == after["request"]["line"]
    assert before["request"]["body"] == after["request"]["body"]
    named = ("tenant-id", "content-type")
    for name in named:
        headers = (dict(each["request"]["headers"]) for each in (before, after))
        one, other = (each.get(name) for each in headers)
        assert one == other


@pytest.mark.parametrize("name", CALLS)
def test_the_python_makes_the_same_call(
    visitor: Visitor, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A program that is pasted sends what was sent before, whatever is in it."""
    before = call(visitor, name)
    program = before["snippets"]["python"]
    monkeypatch.setenv("BILLINGUAL_TOKEN", ACCOUNTS[CALLS[name][0]].token)
    with suppress(ProviderError, OutcomeUnknown):
        exec(compile(program, "copied", "exec"), {})  # noqa: S102 - what the page gives to paste

    same(before, first(visitor))
    assert "from billingual import" in program
    assert all(line.isprintable() for line in program.splitlines())
    assert max(map(len, program.splitlines())) <= 140


def words(command: str, name: str) -> tuple[list[str], bytes]:
    """Give the words of a command, and its input, as bash reads them."""
    script = f"{name}() {{ printf '%s\\0' \"$@\"; printf '\\0'; [ -t 0 ] || cat; }}\n{command}"
    done = subprocess.run(
        ["bash", "-c", script],  # noqa: S607 - whichever bash there is
        input=b"",
        capture_output=True,
        check=True,
        env={"BILLINGUAL_TOKEN": "the-token", "LC_ALL": "C.UTF-8", "PATH": "/usr/bin:/bin"},
    )
    given, _, fed = done.stdout.partition(b"\0\0")
    return given.decode().split("\0"), fed


@pytest.mark.parametrize("name", sorted(set(CALLS) - OF_NO_COMMAND))
def test_the_command_makes_the_same_call(
    visitor: Visitor, name: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """In a shell, whatever is in it; a change of many invoices becomes a job."""
    before = call(visitor, name)
    command = before["snippets"]["cli"]
    given, fed = words(command, "billingual")
    monkeypatch.setenv("BILLINGUAL_TOKEN", ACCOUNTS[CALLS[name][0]].token)
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(fed), encoding="utf-8"))
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit):
        main(given)

    assert all(line.isprintable() for line in command.splitlines())
    if name == "update_many":
        assert {"PUT"} <= {each["method"] for each in visitor.news()["exchanges"]}
    else:
        same(before, first(visitor))


@pytest.mark.parametrize("name", sorted(OF_NO_COMMAND))
def test_what_no_command_sends_is_said_to_be_so(visitor: Visitor, name: str) -> None:
    """And given as curl."""
    snippets = call(visitor, name)["snippets"]

    assert snippets["cli"] == f"# No command of billingual sends this request.\n{snippets['curl']}"


def send_as_curl(visitor: Visitor, command: str, token: str) -> None:
    """Send what curl would, without curl."""
    given, _ = words(command, "curl")
    method = given[given.index("-X") + 1] if "-X" in given else "GET"
    headers = dict(value.split(": ", 1) for option, value in pairwise(given) if option == "-H")
    headers = {name: value.replace("the-token", token) for name, value in headers.items()}
    url = next(each for each in given if each.startswith("http://"))
    body = given[given.index("--data-raw") + 1].encode() if "--data-raw" in given else b""
    visitor.client.request(method, url, headers=headers, content=body)


@pytest.mark.parametrize("name", CALLS)
def test_curl_sends_the_same_request(visitor: Visitor, name: str) -> None:
    """With the variable in the place of the token."""
    before = call(visitor, name)
    command = before["snippets"]["curl"]
    send_as_curl(visitor, command, ACCOUNTS[CALLS[name][0]].token)

    same(before, first(visitor))
    assert all(line.isprintable() for line in command.splitlines())
    assert '"Authorization: Bearer $BILLINGUAL_TOKEN"' in command


UNKNOWN = [
    ("exante", "GET", "/api/user", b""),
    ("exante", "PUT", f"/api/invoices/{UUID}", b'{"nothing": 1.50}'),
    ("exante", "PUT", f"/api/invoices/{UUID}", b"{"),
    ("exante", "PUT", f"/api/invoices/{UUID}?x=1", b"{}"),
    ("exante", "GET", "/api/invoices?sort=nothing", b""),
    ("exante", "GET", "/api/invoices?page=1&page=2", b""),
    ("exante", "GET", "/api/invoices/abc", b""),
    ("exante", "PUT", f"/api/invoices/{UUID}", b"{}"),
    ("exante", "DELETE", "/api/invoices", b"[1]"),
    ("kukkingu", "POST", "/api/v1/invoices", b'{"currencyCode": "EUR"}'),
    ("exante", "POST", "/api/invoices", '{"status": "é\u202e\\"\'"}'.encode() + b"\n"),
    ("kukkingu", "PATCH", f"/api/v1/invoices/{INVOICE}", b'{"amountMinor": 5}'),
    ("kukkingu", "GET", f"/api/v1/invoices/{INVOICE}/pdf", b""),
    ("katsu", "PUT", "/api/v1/Invoice/Update", b'{"id": "x"}'),
    ("katsu", "PUT", "/api/v1/Invoice/Update", b"\xff\xfe"),
    ("exante", "GET", "/api/%3Cscript%3E/[x]{y}", b""),
]


@pytest.mark.parametrize(("provider", "method", "path", "body"), UNKNOWN, ids=str)
def test_what_billingual_would_not_send_is_copied_as_it_is(
    visitor: Visitor,
    monkeypatch: pytest.MonkeyPatch,
    provider: str,
    method: str,
    path: str,
    body: bytes,
) -> None:
    """By httpx; nothing is left out or made to fit a call."""
    headers = {"content-type": "application/json", "x-odd": "a\"b'c\\d"} if body else {}
    visitor.call(provider, method, path, content=body, headers=headers)
    before = first(visitor)
    program = before["snippets"]["python"]
    visitor.ask("/_sandbox/requests", "DELETE")
    monkeypatch.setenv("BILLINGUAL_TOKEN", ACCOUNTS[provider].token)
    exec(compile(program, "copied", "exec"), {})  # noqa: S102 - what the page gives to paste

    same(before, first(visitor))
    assert program.isascii() or all(line.isprintable() for line in program.splitlines())


def test_a_body_that_was_not_kept_whole_is_asked_for(visitor: Visitor) -> None:
    """A part of one would be another request."""
    body = json.dumps([UUID] * 5000)
    headers = {"content-type": "application/json"}
    visitor.call("exante", "DELETE", "/api/invoices", content=body, headers=headers)
    snippets = first(visitor)["snippets"]

    assert "--data-binary @request-body" in snippets["curl"]
    assert 'open("request-body", "rb")' in snippets["python"]
    assert all("put it into the file request-body" in text for text in snippets.values())


def test_no_copy_holds_a_token(visitor: Visitor) -> None:
    """Nor another secret that was sent along."""
    headers = {"cookie": "c00kie=1", "content-type": "application/json"}
    body = {"status": "SENT", "api_secret": "s3cret", "invoice_number": ACCOUNTS["exante"].token}
    visitor.call("exante", "PUT", f"/api/invoices/{UUID}?api_key=k3y", json=body, headers=headers)
    text = str(first(visitor)["snippets"])

    assert not [each for each in ("c00kie", "s3cret", "k3y") if each in text]
    assert not [each.token for each in CREDENTIALS.values() if each.token in text]


def test_the_calls_to_try_work(visitor: Visitor, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each is pasted as Python, and succeeds with the token that is beside it."""
    from html import unescape  # noqa: PLC0415 - of this test
    from re import findall  # noqa: PLC0415 - of this test

    page = visitor.ask("/", headers={"accept": "text/html"}).text
    tokens = findall(r"export BILLINGUAL_TOKEN=(\S+)", page)
    programs = findall(r'data-snippet="python" aria-label[^>]*>([^<]+)</pre>', page)
    for token, program in zip(tokens, programs, strict=True):
        monkeypatch.setenv("BILLINGUAL_TOKEN", token)
        exec(compile(unescape(program), "copied", "exec"), {})  # noqa: S102 - as above

    called = [(each["method"], each["status"]) for each in visitor.news()["exchanges"]]
    assert {("GET", 200), ("POST", 200), ("PUT", 200)} == set(called)
