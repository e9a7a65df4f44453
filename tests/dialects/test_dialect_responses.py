"""How responses are read beyond the samples: what is missing, new, odd or in another order."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from _support.conversations import (
    CONTRACT,
    INVOICE,
    OTHER_UID,
    REPLACEMENT,
    UID,
    converse,
    enveloped,
    golden,
    ids,
    invoice_payload,
    response,
    tenant_payload,
)
from _support.readings import BULK, EXANTE, KATSU, KUKKINGU, SENT, exante, katsu, kukkingu, listed
from billingual.errors import ProtocolError
from billingual.model import (
    CustomField,
    Draft,
    Invoice,
    InvoiceSummary,
    Money,
    Party,
    Query,
)


@pytest.mark.parametrize("status", [200, 201, 202, 299])
def test_any_2xx_is_good(status: int) -> None:
    """Whether a create answers 200 or 201 is not documented, so any 2xx will do."""
    body = response(enveloped({"uid": UID}), status=status)

    assert Invoice(id=UID) == converse(EXANTE, EXANTE.get(UID), body)


ENVELOPES: list[tuple[dict[str, object], str]] = [
    ({"data": {"uid": UID}}, "bare"),
    ({"status": "success", "data": {"uid": UID}}, "no code"),
    ({"status": "Success", "data": {"uid": UID}, "extra": 1}, "other case"),
    ({"status": None, "status_code": None, "data": {"uid": UID}}, "nulls"),
    ({"success": True, "message": "", "data": {"uid": UID}}, "flag"),
    ({"status": "success", "status_code": 201, "data": {"uid": UID}}, "created"),
]


@pytest.mark.parametrize(("body", "name"), ENVELOPES, ids=ids(ENVELOPES))
def test_the_envelopes_of_sibling_pages_are_understood(body: dict[str, object], name: str) -> None:
    """What an envelope leaves out says nothing against the response."""
    assert UID == converse(EXANTE, EXANTE.get(UID), response(body)).id


@pytest.mark.parametrize("body", [b"{}", b'{"status":"success","data":null}'])
def test_a_deletion_needs_no_payload(body: bytes) -> None:
    """The response to a bulk delete may have null or nothing for its data."""
    assert converse(BULK, BULK.delete_many([UID]), response(body)) is None


def test_a_deletion_may_be_answered_by_no_content() -> None:
    """204 says that there is nothing to say."""
    assert converse(BULK, BULK.delete_many([UID]), response(b"", status=204)) is None


def test_an_empty_body_of_a_deletion_is_no_yes() -> None:
    """What is cut before its first byte looks like that; it may have been a no."""
    with pytest.raises(ProtocolError):
        converse(BULK, BULK.delete_many([UID]), response(b""))


def test_all_but_the_id_may_be_null_or_absent() -> None:
    """An invoice of nothing but its id is read, with None for all the rest."""
    nulls = dict.fromkeys(invoice_payload(), None)

    assert Invoice(id=UID) == exante({"uid": UID})
    assert Invoice(id=UID, extra=exante({**nulls, "uid": UID}).extra) == exante(
        {**nulls, "uid": UID}
    )


def test_new_fields_are_kept() -> None:
    """An undocumented field arrives in ``extra`` as it came."""
    assert {"new": {"deep": [1]}} == exante({"uid": UID, "new": {"deep": [1]}}).extra
    assert {"new": 1} == kukkingu(new=1).extra


def test_what_an_envelope_adds_is_kept() -> None:
    """``skipped``, its reason and whatever else is beside the payload are in ``extra``."""
    said = {"skipped": True, "reason": "up to date"}
    bare = exante({"uid": UID}, **said, success=True)
    body = response(enveloped([{"uid": UID}, {"uid": OTHER_UID}], **said))
    batch = converse(BULK, BULK.update_many([(UID, SENT), (OTHER_UID, SENT)]), body)
    bill = converse(KUKKINGU, KUKKINGU.get(INVOICE), response({"data": tenant_payload(), **said}))

    for invoice in (bare, *batch, bill):
        assert said == invoice.extra["envelope"]
    assert "envelope" not in exante({"uid": UID}).extra


def test_ids_are_the_same_in_any_case_of_letters() -> None:
    """A UUID in capital letters names the invoice that one in small letters was asked for."""
    assert UID.upper() == exante({"uid": UID.upper()}).id


def test_new_parts_of_known_fields_are_kept() -> None:
    """An unknown party, and a note that is no text, stay readable in ``extra``."""
    invoice = exante(
        {
            "uid": UID,
            "parties": {"client": {"name": "A"}, "guarantor": {"name": "B"}},
            "invoice_notes": {"invoice_memo": "hi", "stamp": {"a": 1}},
        }
    )

    assert Party(name="A") == invoice.counterparty
    assert {"invoice_memo": "hi"} == invoice.notes
    assert {
        "parties": {"guarantor": {"name": "B"}},
        "invoice_notes": {"stamp": {"a": 1}},
    } == invoice.extra


MOMENTS = ["2026-02-30", "2026-01-01T00:00:00", "yesterday", ""]


@pytest.mark.parametrize("text", MOMENTS)
def test_a_timestamp_that_names_no_point_in_time_is_kept_as_text(text: str) -> None:
    """Without an offset nothing is guessed: the attribute is None, the text is in ``extra``."""
    full = exante({"uid": UID, "issue_date": text, "due_date": text, "paid_date": text})
    row = listed({"items": [{"uid": UID, "due_date": text}]}).items[0]
    bill = kukkingu(dueAt=text, updatedAt=text)
    receipt = katsu({"invoiceId": "1", "createdDate": text, "dueDate": text})

    assert (None, None, None) == (full.issued_at, full.due_at, full.paid_at)
    assert {"issue_date": text, "due_date": text, "paid_date": text} == full.extra
    assert {"due_date": text} == row.extra
    assert (None, None) == (bill.due_at, bill.updated_at)
    assert {"dueAt": text, "updatedAt": text} == bill.extra
    assert (None, None) == (receipt.created_at, receipt.due_at)
    assert {"createdDate": text, "dueDate": text} == receipt.extra


def test_a_total_of_unknown_unit_is_not_taken_for_money() -> None:
    """``total`` without ``total_cents`` leaves the amount unset and stays in ``extra``."""
    invoice = exante({"uid": UID, "total": 123, "currency": "EUR"})

    assert invoice.total is None
    assert {"total": 123} == invoice.extra


def test_a_line_has_only_the_currency_it_states() -> None:
    """The invoice's currency is not lent to a line that states none."""
    (line,) = exante(
        {"uid": UID, "currency": "EUR", "line_items": [{"unit_price": 5, "quantity": 0}]}
    ).lines

    assert (Money(5, None), Decimal(0), None) == (line.unit_price, line.quantity, line.id)


# Each makes another way of reading take the record: exactly, with more, leniently.
WAYS: list[dict[str, object]] = [{}, {"undocumented": 1}, {"tax_cents": "7"}]


@pytest.mark.parametrize("more", WAYS)
@pytest.mark.parametrize("currency", [{}, {"currency": None}])
def test_no_amount_of_a_line_borrows_a_currency(
    more: dict[str, object], currency: dict[str, object]
) -> None:
    """In each way of reading, equal amounts or not, and whatever the invoice and its lines say."""
    amounts = [(5, 5), (5, 10), (0, 0), (1250, 1250)]
    lines = [
        {"unit_price": price, "line_total": total, "quantity": 1, **currency}
        for price, total in amounts
    ]
    lines.append({"unit_price": 5, "line_total": 5, "currency": "USD"})
    invoice = exante(
        {"uid": UID, "currency": "EUR", "total_cents": 1250, "line_items": lines, **more}
    )

    assert Money(1250, "EUR") == invoice.total
    assert [(Money(price), Money(total)) for price, total in amounts] == [
        (each.unit_price, each.total) for each in invoice.lines[:-1]
    ]
    assert Money(5, "USD") == invoice.lines[-1].unit_price == invoice.lines[-1].total


@pytest.mark.parametrize("more", WAYS)
def test_no_amount_of_a_row_borrows_a_currency(more: dict[str, object]) -> None:
    """A currency that a row states all the same is documented nowhere, and stays in ``extra``."""
    amounts = {
        f"{name}_cents": 1250
        for name in (
            "total", "subtotal", "discount", "tax", "amount_due", "amount_paid", "amount_remaining"
        )
    }  # fmt: skip
    first, second = listed(
        {"items": [{"uid": UID, **amounts, "currency": "EUR", **more},
                   {"uid": OTHER_UID, "total_cents": 1250, **more}]}
    ).items  # fmt: skip

    assert first.currency is None
    assert "EUR" == first.extra["currency"]
    assert {Money(1250)} == {
        first.total, first.subtotal, first.discount, first.amount_due, first.amount_paid,
        first.amount_remaining, second.total,
    }  # fmt: skip
    assert second.currency is None


@pytest.mark.parametrize("more", [{}, {"undocumented": 1}, {"dueAt": "?"}])
def test_an_amount_without_a_code_has_no_currency(more: dict[str, object]) -> None:
    """Neither an earlier invoice of the list nor the tenant lends one."""
    page = {"data": [
        {"id": INVOICE, "amountMinor": 5, "currencyCode": "EUR"},
        {"id": INVOICE, "amountMinor": 5, **more},
    ]}  # fmt: skip
    rows = converse(KUKKINGU, KUKKINGU.list_page(Query()), response(page)).items

    assert [Money(5, "EUR"), Money(5)] == [each.total for each in rows]
    assert ["EUR", None] == [each.currency for each in rows]


def test_the_target_party_is_the_counterparty() -> None:
    """Its id is taken for the client where the client is missing, and is kept where they differ."""
    alone = exante({"uid": UID, "target_party_uid": OTHER_UID})
    other = exante({"uid": UID, "target_party_uid": OTHER_UID, "parties": {"client": {"uid": UID}}})

    assert (Party(id=OTHER_UID), {}) == (alone.counterparty, alone.extra)
    assert (Party(id=UID), {"target_party_uid": OTHER_UID}) == (other.counterparty, other.extra)


def test_unknown_words_stay_readable() -> None:
    """A status, kind or way to collect that is new arrives unchanged and says so."""
    invoice = exante(
        {
            "uid": UID,
            "status": "FROZEN",
            "invoice_type": "ACCOUNTS_SIDEWAYS",
            "collection_method": "by_hand",
        }
    )
    words = (invoice.status, invoice.kind, invoice.collection_method)

    assert ("FROZEN", "ACCOUNTS_SIDEWAYS", "by_hand") == words
    assert not any(word is None or word.is_known for word in words)
    assert "receivable" == exante({"uid": UID, "invoice_type": "ACCOUNTS_RECEIVABLE"}).kind


def test_a_custom_field_without_details_is_read() -> None:
    """A field may lack its value or the value's type."""
    fields = [{"key": "a"}, {"key": "b", "value": {"value": Decimal("1.5")}}]

    assert (CustomField("a", None), CustomField("b", Decimal("1.5"))) == (
        exante({"uid": UID, "invoice_fields": fields}).fields
    )


def test_batch_results_come_in_the_order_asked() -> None:
    """Records are matched by uid in any case of letters, whatever order they come in."""
    first, second = UID.upper(), OTHER_UID
    listed = [{"uid": second}, {"uid": first.lower()}]
    # PHP writes an array with gaps as an object.
    for data in (listed, {"0": listed[0], "7": listed[1]}):
        body = response(enveloped(data))
        results = converse(BULK, BULK.update_many([(first, SENT), (second, SENT)]), body)

        assert (first.lower(), second) == tuple(each.id for each in results)


def test_a_page_without_its_place_is_read() -> None:
    """Where the provider does not say how many pages there are, we do not either."""
    page = listed({"items": [{"uid": UID}], "_meta": None}, page=2)

    assert (InvoiceSummary(id=UID),) == page.items
    assert (2, None, None) == (page.number, page.total_pages, page.total_items)


def test_a_tenant_list_is_whole_invoices() -> None:
    """One response is the entire list, and its rows are invoices in full."""
    body = {"data": [tenant_payload(), tenant_payload(status="VOID")], "more": 1}
    page = converse(KUKKINGU, KUKKINGU.list_page(Query()), response(body))

    assert ["DRAFT", "VOID"] == [each.status for each in page.items]
    assert all(isinstance(each, Invoice) for each in page.items)
    assert (1, True, None) == (page.number, page.is_whole, page.total_items)
    assert 1 == page.raw["more"]


CONTRACTS: list[tuple[object, str | None, Party | None, dict[str, Any]]] = [
    (CONTRACT, CONTRACT, None, {}),
    (None, None, None, {}),
    ({"id": CONTRACT}, CONTRACT, None, {}),
    (
        {"id": CONTRACT, "name": "A", "client": "clnt_1"},
        CONTRACT,
        Party(id="clnt_1"),
        {"name": "A"},
    ),
    ({"id": CONTRACT, "client": {"id": "c", "name": "A"}}, CONTRACT, Party(id="c", name="A"), {}),
    (
        {"id": CONTRACT, "client": {"id": "c", "name": 5, "vat": "X"}},
        CONTRACT,
        Party(id="c"),
        {"client": {"name": 5, "vat": "X"}},
    ),
    ({"id": 5, "client": {"name": "A"}}, None, None, {"id": 5, "client": {"name": "A"}}),
]


@pytest.mark.parametrize(
    ("contract", "document", "party", "rest"), CONTRACTS, ids=[str(n) for n in range(7)]
)
def test_a_contract_is_an_id_or_an_object(
    contract: object, document: str | None, party: Party | None, rest: dict[str, Any]
) -> None:
    """Its id becomes the document, its client the counterparty, and the rest is kept."""
    invoice = kukkingu(contract=contract)

    assert (document, party) == (invoice.document, invoice.counterparty)
    assert rest == invoice.extra.get("contract", {})


def test_every_tenant_write_answers_with_the_invoice() -> None:
    """Creating, finalizing and voiding bring the invoice as it then is."""
    bill = Draft(document=CONTRACT, number="1", exchange_rate=1, total=Money(1, "EUR"))
    for conversation, status in (
        (KUKKINGU.create(bill), "DRAFT"),
        (KUKKINGU.finalize(INVOICE), "FINALIZED"),
        (KUKKINGU.void(INVOICE), "VOID"),
    ):
        body = response({"data": tenant_payload(status=status)})

        assert status == converse(KUKKINGU, conversation, body).status


def test_minor_units_without_a_currency_are_money_without_one() -> None:
    """An amount is never lost for want of a currency, and none is assumed."""
    assert Money(5000, None) == kukkingu(currencyCode=None).total
    assert kukkingu(amountMinor=None).total is None


def test_a_receipt_keeps_what_the_envelope_says() -> None:
    """A message, and errors beside success, are not lost; empty ones are nothing to keep."""
    said = katsu(
        {
            "succeeded": True,
            "message": "ok",
            "errors": {"tax": ["odd"]},
            "data": {"invoiceId": UID.upper(), "x": 2},
        }
    )
    silent = katsu({"succeeded": True, "message": None, "errors": [], "data": {"invoiceId": UID}})

    assert {"message": "ok", "errors": {"tax": ["odd"]}, "x": 2} == said.extra
    assert [("$.errors", {"tax": ["odd"]})] == [(each.path, each.value) for each in said.problems]
    assert ({}, ()) == (silent.extra, silent.problems)
    assert (None, None) == (silent.amount, silent.currency)


def test_both_spellings_of_the_counterparty_are_read() -> None:
    """The schema's capital P and the example's small one mean the same; two values are kept."""
    capital = katsu({"invoiceId": "1", "counterPartyId": "a"})
    small = katsu({"invoiceId": "1", "counterpartyId": "b", "recurringInvoice": True})
    both = katsu({"invoiceId": "1", "counterPartyId": "a", "counterpartyId": "b"})

    assert ("a", "b", "b") == (capital.counterparty, small.counterparty, both.counterparty)
    assert {"recurringInvoice": True} == small.extra
    assert {"counterPartyId": "a"} == both.extra


def test_a_currency_by_number_is_kept_but_not_named() -> None:
    """The provider's number for a currency is no word for it, so it stays in ``extra``."""
    receipt = katsu({"invoiceId": "1", "currency": 1})

    assert (None, {"currency": 1}) == (receipt.currency, receipt.extra)


def test_a_response_labelled_as_text_is_read() -> None:
    """The label of a body does not matter, only whether it is JSON."""
    body = response(
        golden("v1_update")["example"]["response"], headers=(("Content-Type", "text/plain"),)
    )

    assert "1234567890" == converse(KATSU, KATSU.replace(UID, REPLACEMENT), body).id
