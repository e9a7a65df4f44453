"""A member of ``class Currency(str, Enum)`` is sent as its text, as any text of a derived class is.

Formatting such a member writes its name: ``Currency.EUR``.
"""

from __future__ import annotations

import enum
import json
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from billingual import (
    Changes,
    Client,
    ClientCredentials,
    CustomField,
    Draft,
    Filter,
    Job,
    Limiter,
    MemoryTransport,
    Money,
    Secret,
    Sort,
    providers,
)
from billingual.auth import Basic, HeaderKey
from billingual.jobs import Delete
from billingual.model import Discount, Replacement, ReplacementLine, Tax
from billingual.outcomes import Safety
from billingual.preview import PreviewedRequest
from billingual.testing import MemoryQuotaStore, record
from billingual.wire import WireRequest

UID = "550e8400-e29b-41d4-a716-446655440000"
PARTY = "3c90c3cc-0d44-4b50-8888-8dd25736052a"
CONTRACT = "ctr_" + "c" * 24
INVOICE = "inv_" + "d" * 24
TENANT = "tnt_" + "a" * 24
SHOWN = "NOT THE TEXT"


class Loud(str):
    """A text that shows another text wherever it is formatted."""

    __slots__ = ()

    def __str__(self) -> str:
        return SHOWN

    __repr__ = __str__

    def __format__(self, spec: str) -> str:
        return SHOWN


def member(text: str) -> Any:
    """Make a member of an enumeration of texts."""
    return enum.Enum(SHOWN, {"MEMBER": text}, type=str)["MEMBER"]


DERIVED = pytest.mark.parametrize("of", [Loud, member])


def exante(**options: Any) -> Client:
    """Make a client of Exante."""
    return Client("exante", token="t", base_url="https://x.example", **options)


def kukkingu(**options: Any) -> Client:
    """Make a client of Kukkingu."""
    return Client("kukkingu", token="t", tenant=TENANT, **options)


def replacement(of: Callable[[str], Any]) -> Replacement:
    """Make a document, each text of which is made by *of*."""
    return Replacement(
        counterparty=of(PARTY), counterparty_name=of("Acme"), receiving_account=of(PARTY),
        account_name=of("Account"), due_at=of("2026-12-31"), currency=of("EUR"),
        lines=[ReplacementLine(product_id=of(PARTY), quantity=of("1"), unit_price=of("2.5"))],
        taxes=[Tax(tax_id=of(PARTY), percentage=of("19"))],
        discount=Discount(type=1, value=of("1")), description=of("text"), billing_cycle=1,
        recurring=False, payment_methods=[1], notifications=[], remind_days_before=[],
        remind_days_after=[], remind_on_due_date=False,
    )  # fmt: skip


def draft(of: Callable[[str], Any]) -> Draft:
    """Make a draft of Exante."""
    return Draft(
        number=of("N-1"), counterparty=of(PARTY), owner=of(PARTY), document=of(PARTY),
        blueprint=of(PARTY), status=of("SENT"), currency=of("EUR"), issued_at=of("2026-12-31"),
        kind=of("receivable"), fields=[CustomField(of("a"), {of("b"): [of("c")]}, of("map"))],
    )  # fmt: skip


def filter_of(of: Callable[[str], Any]) -> Filter:
    """Make a filter of Exante."""
    return Filter(
        search=of("a b"), counterparty=of("Acme"), status=[of("SENT")], total=of("> 5"),
        collection_method=of("send_invoice"), due_from=of("2026-12-31"),
        extra_params={of("x"): of("y z")},
    )  # fmt: skip


PREVIEWS: dict[str, Callable[[Callable[[str], Any]], PreviewedRequest]] = {
    "create": lambda of: exante().preview.create(draft(of)),
    "create from a mapping": lambda of: exante().preview.create(
        {"number": of("N"), "counterparty": of(PARTY), "owner": of(PARTY), "document": of(PARTY)}
    ),
    "update": lambda of: exante().preview.update(
        of(UID), Changes(number=of("N"), collection_method=of("send_invoice"))
    ),
    "update_many": lambda of: exante().preview.update_many({of(UID): Changes(number=of("N"))}),
    "update_many of pairs": lambda of: exante().preview.update_many(
        [(of(UID), {"number": of("N")})]
    ),
    "delete_many": lambda of: exante().preview.delete_many([of(UID)]),
    "get": lambda of: exante().preview.get(of(UID)),
    "list": lambda of: exante(organization=of(PARTY)).preview.list(
        filter_of(of), sort=of("-due_at"), page_size=5
    ),
    "list by a key": lambda of: exante().preview.list(sort=Sort(of("due_at"))),
    "create of a tenant": lambda of: kukkingu().preview.create(
        Draft(
            number=of("N"), document=of(CONTRACT), exchange_rate=of("1.5"),
            total=Money.of(of("12.34"), of("EUR")),
        )
    ),
    "list of a tenant": lambda of: kukkingu().preview.list(Filter(document=of(CONTRACT))),
    "finalize": lambda of: kukkingu().preview.finalize(of(INVOICE)),
    "get of a tenant": lambda of: Client("kukkingu", token="t", tenant=of(TENANT)).preview.get(
        of(INVOICE)
    ),
    "replace": lambda of: Client(
        providers.katsu(currencies={"EUR": 1}), token="t", base_url="https://x.example"
    ).preview.update(of(UID), replacement(of)),
    "options": lambda of: Client(
        of("exante"), token="t", base_url=of("https://x.example"), transport=of("httpx"),
        headers={of("X-Team"): of("billing")}, app=(of("acme"), of("1")), reading=of("strict"),
    ).preview.get(UID),
}  # fmt: skip


@DERIVED
@pytest.mark.parametrize("preview", PREVIEWS.values(), ids=PREVIEWS)
def test_a_request_has_the_text(
    of: Callable[[str], Any], preview: Callable[[Callable[[str], Any]], PreviewedRequest]
) -> None:
    """A request is the same as with texts of Python's own."""
    found, expected = preview(of), preview(str)

    assert (expected.method, expected.url, expected.body) == (found.method, found.url, found.body)
    assert list(expected.headers) == [(f"{name}", f"{value}") for name, value in found.headers]
    assert SHOWN not in repr(found)


@DERIVED
@pytest.mark.parametrize("token", ["token-0123456", "t"])
def test_a_token_is_sent_as_its_text(of: Callable[[str], Any], token: str) -> None:
    """The token of a client, a secret or a function is signed as the text that it is."""
    body = json.dumps({"status": "success", "data": {"uid": UID}})
    for given in (of(token), Secret(of(token)), lambda: of(token)):
        transport = MemoryTransport([MemoryTransport.json(body)])
        with Client("exante", transport=transport, base_url="https://x.example", token=given) as c:
            c.get(UID)

        assert f"Bearer {token}" == transport.requests[0].headers.get("authorization")


@DERIVED
def test_money_shows_the_code(of: Callable[[str], Any]) -> None:
    """Money shows its currency's code, however that was given."""
    money = Money(1234, of("EUR"))

    assert ["12.34 EUR", "12.34 EUR", "1,234.00 EUR"] == [
        str(money), f"{money:.2f}", f"{Money.of(1234, of('EUR')):,}",
    ]  # fmt: skip
    assert "Money(minor=1234, currency='EUR')" == repr(money)
    assert Money(1234, "EUR") == money == Money.from_json(of("12.34 EUR"))


@DERIVED
def test_models_keep_texts_of_pythons_own(of: Callable[[str], Any]) -> None:
    """A draft can be pickled where the class of its texts cannot, and its JSON holds the texts."""
    made = Draft(number=of("N"), currency=of("EUR"), fields={of("a"): of("b")})
    copied = pickle.loads(pickle.dumps(made))  # noqa: S301 - of our own

    assert Draft(number="N", currency="EUR", fields={"a": "b"}) == copied
    assert SHOWN not in repr(made) + json.dumps(made.to_dict(json=True))


@DERIVED
@pytest.mark.parametrize(
    "scheme",
    [lambda of: Basic(of("me")), lambda of: HeaderKey(of("X-Key"), of("Token "))],
    ids=["basic", "key"],
)
def test_a_scheme_writes_its_texts(of: Callable[[str], Any], scheme: Callable[[Any], Any]) -> None:
    """The name of a user, the name of a field and what comes before the token."""
    request = WireRequest(method="GET", url="/", route="/", safety=Safety.READ)
    found = [(f"{name}", f"{value}") for name, value in scheme(of).sign(request, "t")]

    assert list(scheme(str).sign(request, "t")) == found


@DERIVED
@pytest.mark.parametrize("auth", ["basic", "body"])
def test_a_grant_is_asked_for_by_its_texts(of: Callable[[str], Any], auth: Any) -> None:
    """The token server gets the id, the scope and the parameters that were given."""

    def asked(of: Callable[[str], Any]) -> tuple[Any, ...]:
        grant = ClientCredentials(
            of("https://auth.example/token"), of("billing"), of("secret"),
            scope=[of("read"), of("write")], params={of("audience"): of("invoices")}, auth=auth,
        )  # fmt: skip
        request = next(grant.request_token())
        return request.url, request.body, [*request.headers], repr(grant)

    assert asked(str) == asked(of)


@DERIVED
def test_a_quota_is_known_by_its_name(of: Callable[[str], Any]) -> None:
    """A worker that names it by a member of an enumeration shares it with the others."""
    store = MemoryQuotaStore()
    body = json.dumps({"status": "success", "data": {"uid": UID}})
    transport = MemoryTransport([MemoryTransport.json(body)] * 2)
    for name in ("billing", of("billing")):
        limiter = Limiter(10, workers=2, store=store, name=name)
        with exante(transport=transport, limiter=limiter) as client:
            client.get(UID)

    assert 1 == len(store._quotas)


@DERIVED
def test_the_files_are_those_of_the_texts(of: Callable[[str], Any], tmp_path: Path) -> None:
    """Profiles, ledgers, trails and tapes are where the text says."""
    profiles, ledger, trail, tape = (
        str(tmp_path / name) for name in ("b.toml", "job.db", "trail.csv", "tape.json")
    )
    Path(profiles).write_text("[profiles.a]\nurl = 'exante+sandbox:'\n", encoding="utf-8")
    with (
        Client.from_profile(of("a"), path=of(profiles)) as client,
        Job.open(of(ledger), client) as job,
    ):
        job.export(of(trail))
    with Client("exante", transport=record(of(tape), "sandbox")) as client:
        client.list().first()

    names = {each.name for each in tmp_path.iterdir()}
    assert {"b.toml", "job.db", "trail.csv", "tape.json"} <= names


@DERIVED
def test_an_entry_of_a_job_has_the_texts(of: Callable[[str], Any], tmp_path: Path) -> None:
    """Its id and its invoice, and who decided what about it."""
    with exante(transport="memory") as client, Job.open(tmp_path / "job.db", client) as job:
        pair = of(UID), {"number": "N"}
        job.plan([pair, Delete(invoice_id=of(UID)), Delete(invoice_id=UID, id=of("x"))])
        job.resolve(UID, "abandoned", by=of("anna"), note=of("not needed"))
        entries = [(each.id, each.target, each.reason) for each in job.entries()]

    assert [(UID, UID, "anna: not needed"), (f"{UID}#2", UID, None), ("x", UID, None)] == entries
