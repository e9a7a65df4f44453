"""An answer that is not as documented is refused with a path to the first misfit."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest

from _support.conversations import (
    CONTRACT,
    INVOICE,
    OTHER_UID,
    REPLACEMENT,
    UID,
    answer,
    converse,
    enveloped,
    ids,
    tenant_payload,
)
from _support.readings import BULK, EXANTE, KATSU, KUKKINGU, SENT, exante, katsu, kukkingu, listed
from billingual.abc import Dialect
from billingual.errors import ProtocolError
from billingual.model import (
    Changes,
    Draft,
    Money,
    Query,
)
from billingual.wire import Conversation

BATCHES: list[tuple[object, str, str]] = [
    ([], "$.data", f"invoice {UID} is missing"),
    ([{"uid": OTHER_UID}], "$.data[0].uid", "was not asked for"),
    ([{"uid": UID}, {"uid": UID}], "$.data[1].uid", "it comes twice"),
    ([{"uid": UID}, {"uid": OTHER_UID}], "$.data[1].uid", "was not asked for"),
    ([{"uid": UID, "total_cents": "1"}], "$.data[0].total_cents", "text where a whole number"),
    ({"uid": UID}, "$.data", "no array of invoices"),
]


@pytest.mark.parametrize(("data", "path", "problem"), BATCHES, ids=ids(BATCHES))
def test_a_batch_answers_for_exactly_what_was_asked(data: object, path: str, problem: str) -> None:
    """A record too few, too many or double makes the answer unreadable, and says which."""
    with pytest.raises(ProtocolError, match=problem) as caught:
        converse(BULK, BULK.update_many([(UID, SENT)]), answer(enveloped(data)))

    assert path == caught.value.path


def about(uid: str, **fields: object) -> dict[str, object]:
    """Answer as Exante does, about an invoice."""
    return enveloped({"uid": uid, **fields})


def bill(**fields: object) -> dict[str, object]:
    """Answer as Kukkingu does, about its documented invoice with other values."""
    return {"data": tenant_payload(**fields)}


DRAFT = Draft(counterparty=UID, owner=UID, document=UID)
BILL = Draft(document=CONTRACT, number="1", exchange_rate=1, total=Money(1, "EUR"))
NUMBER = Changes(number="1")
OTHER_INVOICE = f"{INVOICE[:-1]}x"
MIXED_UP: list[tuple[Dialect, Callable[[], Conversation[Any]], object, str, str]] = [
    (EXANTE, lambda: EXANTE.get(UID), about(OTHER_UID), "$.data.uid", "another invoice"),
    (EXANTE, lambda: EXANTE.get(UID), about(""), "$.data.uid", "is empty"),
    (EXANTE, lambda: EXANTE.update(UID, SENT, None), about(OTHER_UID), "$.data.uid", "another"),
    (EXANTE, lambda: EXANTE.update(UID, SENT, None), about(""), "$.data.uid", "is empty"),
    (EXANTE, lambda: EXANTE.create(DRAFT), about(""), "$.data.uid", "is empty"),
    (
        EXANTE,
        lambda: EXANTE.list_page(Query()),
        enveloped({"items": [{"uid": UID}, {"uid": ""}]}),
        "$.data.items[1].uid",
        "is empty",
    ),
    (KUKKINGU, lambda: KUKKINGU.get(INVOICE), bill(id=OTHER_INVOICE), "$.data.id", "another"),
    (KUKKINGU, lambda: KUKKINGU.get(INVOICE), bill(id=INVOICE.upper()), "$.data.id", "another"),
    (KUKKINGU, lambda: KUKKINGU.get(INVOICE), bill(id=""), "$.data.id", "is empty"),
    (
        KUKKINGU,
        lambda: KUKKINGU.update(INVOICE, NUMBER, None),
        bill(id=OTHER_INVOICE),
        "$.data.id",
        "another",
    ),
    (KUKKINGU, lambda: KUKKINGU.create(BILL), bill(id=""), "$.data.id", "is empty"),
    (
        KUKKINGU,
        lambda: KUKKINGU.finalize(INVOICE),
        bill(id=OTHER_INVOICE, status="FINALIZED"),
        "$.data.id",
        "another",
    ),
    (
        KUKKINGU,
        lambda: KUKKINGU.void(INVOICE),
        bill(id=OTHER_INVOICE, status="VOID"),
        "$.data.id",
        "another",
    ),
    (KUKKINGU, lambda: KUKKINGU.finalize(INVOICE), bill(), "$.data.status", "must be FINALIZED"),
    (
        KUKKINGU,
        lambda: KUKKINGU.void(INVOICE),
        bill(status="FINALIZED"),
        "$.data.status",
        "must be VOID",
    ),
    (KUKKINGU, lambda: KUKKINGU.void(INVOICE), bill(status=None), "$.data.status", "must be VOID"),
    (
        KATSU,
        lambda: KATSU.replace(UID, REPLACEMENT),
        {"succeeded": True, "data": {"invoiceId": OTHER_UID}},
        "$.data.invoiceId",
        "another",
    ),
    (
        KATSU,
        lambda: KATSU.replace(UID, REPLACEMENT),
        {"succeeded": True, "data": {"invoiceId": ""}},
        "$.data.invoiceId",
        "is empty",
    ),
    (
        KATSU,
        lambda: KATSU.replace(UID, REPLACEMENT),
        {"invoiceId": "", "amount": 5},
        "$.invoiceId",
        "is empty",
    ),
]


@pytest.mark.parametrize(
    ("dialect", "start", "body", "path", "problem"), MIXED_UP, ids=ids(MIXED_UP)
)
def test_an_answer_about_another_invoice_is_refused(
    dialect: Dialect, start: Callable[[], Conversation[Any]], body: object, path: str, problem: str
) -> None:
    """What was asked about one invoice is not answered by another, by none, or in another state."""
    with pytest.raises(ProtocolError, match=problem) as caught:
        converse(dialect, start(), answer(body))

    assert path == caught.value.path


def test_a_page_other_than_the_one_asked_for_is_refused() -> None:
    """A server that answers page 1 for ever would list the same rows for ever."""
    with pytest.raises(ProtocolError, match="page 1, but page 2 was asked for") as caught:
        listed({"items": [], "_meta": {"page": 1}}, page=2)

    assert "$.data._meta.page" == caught.value.path


MISFITS: list[tuple[dict[str, object], str]] = [
    ({"uid": None}, "$.data.uid"),
    ({"uid": 5}, "$.data.uid"),
    ({"total_cents": Decimal("12.7")}, "$.data.total_cents"),
    ({"total_cents": True}, "$.data.total_cents"),
    ({"tax_cents": "5"}, "$.data.tax_cents"),
    ({"overdue_days": "5"}, "$.data.overdue_days"),
    ({"issue_date": 1700000000}, "$.data.issue_date"),
    ({"currency": 1}, "$.data.currency"),
    ({"invoice_fields": {}}, "$.data.invoice_fields"),
    ({"invoice_notes": "hi"}, "$.data.invoice_notes"),
    ({"line_items": [{"quantity": Decimal("1.5")}]}, "$.data.line_items[0].quantity"),
    ({"parties": {"client": {"name": 5}}}, "$.data.parties.client.name"),
    (
        {"parties": {"client": {"billing_contact": []}}},
        "$.data.parties.client.billing_contact",
    ),
]


@pytest.mark.parametrize(("fields", "path"), MISFITS, ids=ids(MISFITS))
def test_nothing_is_coerced(fields: dict[str, object], path: str) -> None:
    """A value of another type than documented is a protocol error that says where."""
    with pytest.raises(ProtocolError) as caught:
        exante({"uid": UID, **fields})

    assert path == caught.value.path
    assert f"at {path}," in str(caught.value)


def test_paths_lead_into_pages_in_the_names_of_the_wire() -> None:
    """The path of a misfit counts rows and uses the provider's names."""
    with pytest.raises(ProtocolError) as row:
        listed({"items": [{"uid": UID}, {}]})
    with pytest.raises(ProtocolError) as meta:
        listed({"items": [], "_meta": {"total_pages": "1"}})
    with pytest.raises(ProtocolError) as amount:
        kukkingu(amountMinor=Decimal("1.5"))
    with pytest.raises(ProtocolError) as contract:
        kukkingu(contract=5)
    with pytest.raises(ProtocolError) as receipt:
        katsu({"succeeded": True, "data": {"invoiceId": UID, "amount": "5"}})

    assert "$.data.items[1].uid" == row.value.path
    assert "$.data._meta.total_pages" == meta.value.path
    assert "$.data.amountMinor" == amount.value.path
    assert "$.data.contract" == contract.value.path
    assert "$.data.amount" == receipt.value.path
