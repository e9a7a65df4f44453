"""Whether an invoice is what was asked for: exactly, and only as far as can be seen."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import attrs
import pytest

from billingual import Changes, CustomField, Draft, Invoice, InvoiceSummary, Money, Party
from billingual.model import differing_fields
from billingual.model._types import instant
from billingual.model.enums import CollectionMethod, Kind, Status

UID = "550e8400-e29b-41d4-a716-446655440000"
OTHER = "550e8400-e29b-41d4-a716-446655440001"
NOON = "2026-11-21T12:00:00Z"

SEEN = Invoice(
    id="i1",
    number="N-1",
    status=Status("DRAFT"),
    kind=Kind("receivable"),
    issued_at=instant(NOON, "x"),
    due_at=instant("2026-12-31T00:00:00Z", "x"),
    currency="EUR",
    total=Money.of("12.34", "EUR"),
    counterparty=Party(id=UID),
    document=UID,
    blueprint=UID,
    collection_method=CollectionMethod("send_invoice"),
    fields=(CustomField("terms", "NET_30"), CustomField("extra", 1)),
)
WANTED: dict[str, Any] = {
    "number": "N-1", "status": "DRAFT", "kind": "receivable", "issued_at": NOON,
    "due_at": "2026-12-31T01:00:00+01:00", "currency": "EUR",
    "total": Money.of("12.34", "EUR"), "counterparty": UID.upper(), "document": UID,
    "blueprint": UID, "fields": {"terms": "NET_30"}, "owner": OTHER, "paid_at": None,
}  # fmt: skip


def test_what_was_asked_for_fits() -> None:
    """Ids in either case, moments in any zone, custom fields among others; owners are not shown."""
    assert differing_fields(Draft(**WANTED).given(), SEEN) == ()


@pytest.mark.parametrize("name", sorted(set(WANTED) - {"owner"}))
def test_each_field_that_differs_is_named(name: str) -> None:
    """And no other."""
    others: dict[str, Any] = {
        "number": "n-1", "status": "SENT", "kind": "payable",
        "issued_at": "2026-11-21T12:00:00.001Z", "due_at": "2026-12-31T01:00:00Z",
        "currency": "USD", "total": Money.of("12.35", "EUR"), "counterparty": OTHER,
        "document": OTHER, "blueprint": OTHER, "fields": {"terms": "NET_60"}, "paid_at": NOON,
    }  # fmt: skip

    assert differing_fields(Draft(**{**WANTED, name: others[name]}).given(), SEEN) == (name,)


@pytest.mark.parametrize("name", sorted(set(WANTED) - {"owner", "paid_at"}))
def test_what_cannot_be_seen_does_not_fit(name: str) -> None:
    """A field that the invoice does not state proves nothing."""
    unseen = attrs.evolve(SEEN, **{name: () if name == "fields" else None})

    assert differing_fields(Draft(**WANTED).given(), unseen) == (name,)


@pytest.mark.parametrize("name", ["number", "due_at", "paid_at", "currency", "total", "blueprint"])
def test_an_explicit_null_fits_nothing_else(name: str) -> None:
    """None asked for is None seen."""
    assert differing_fields({name: None}, attrs.evolve(SEEN, **{name: None})) == ()
    full = attrs.evolve(SEEN, paid_at=SEEN.issued_at)

    assert differing_fields({name: None}, full) == (name,)


def test_what_was_left_out_may_be_anything() -> None:
    """Only what was given is compared."""
    assert differing_fields(Changes(number="N-1").given(), SEEN) == ()
    assert differing_fields({}, SEEN) == ()


@pytest.mark.parametrize(
    ("wanted", "seen", "fits"),
    [
        (Money.of("12.34", "EUR"), Money(1234, "EUR"), True),
        (Money.of("12.34", "EUR"), Money(1234, None), True),
        (Money.of("12.34", "EUR"), Money(1234, "USD"), False),
        (Money(1234, None), Money(1234, "EUR"), False),
        (Money.of("12.34", "EUR"), Money(1235, None), False),
        (Money.of("0", "EUR"), Money(0, "EUR"), True),
    ],
)
def test_amounts_fit_by_minor_units_and_by_a_currency_that_is_stated(
    wanted: Money, seen: Money, *, fits: bool
) -> None:
    """A provider that states no currency does not contradict; another one does."""
    invoice = attrs.evolve(SEEN, total=seen)

    assert (differing_fields({"total": wanted}, invoice) == ()) is fits


@pytest.mark.parametrize(
    ("apart", "fits"), [("12:00:00.000999", True), ("12:00:00.001", False), ("11:59:59.9991", True)]
)
def test_moments_fit_to_the_millisecond(apart: str, *, fits: bool) -> None:
    """What is finer a provider may cut off."""
    given = Changes(issued_at=f"2026-11-21T{apart}Z").given()

    assert (differing_fields(given, SEEN) == ()) is fits


TERMS, EXTRA = CustomField("terms", "NET_30"), CustomField("extra", 1)


@pytest.mark.parametrize(
    ("fields", "fits"),
    [
        ([], True), ([EXTRA], True), ([CustomField("extra", "1")], False),
        ([CustomField("absent", None)], False), ([EXTRA, TERMS], True),
        ([TERMS, CustomField("extra", 2)], False),
    ],
    ids=["none", "one", "text", "absent", "both", "another value"],
)  # fmt: skip
def test_custom_fields_fit_by_key_and_value(fields: Any, *, fits: bool) -> None:
    """Others beside them do not matter; the order neither."""
    assert (differing_fields(Draft(fields=fields).given(), SEEN) == ()) is fits


def test_exact_rates_fit_by_value() -> None:
    """1.250 is 1.25; a digit more is another rate."""
    invoice = attrs.evolve(SEEN, exchange_rate=Changes(exchange_rate="1.25").exchange_rate)

    assert differing_fields(Changes(exchange_rate="1.250").given(), invoice) == ()
    assert differing_fields(Changes(exchange_rate="1.2500001").given(), invoice) == (
        "exchange_rate",
    )


def test_a_rate_that_a_provider_keeps_as_a_binary_float_fits() -> None:
    """JSON promises no more digits; another float is another rate."""
    given = Changes(exchange_rate=Decimal(1) / 162).given()
    kept, other = (
        attrs.evolve(SEEN, exchange_rate=Decimal(digits))
        for digits in ("0.006172839506172839", "0.00617283950617284")
    )

    assert differing_fields(given, kept) == ()
    assert differing_fields(given, other) == ("exchange_rate",)


def test_a_row_of_a_list_does_not_pass_for_an_invoice() -> None:
    """It has no custom fields and no kind, so these never fit."""
    summary = InvoiceSummary(id="i1", number="N-1")

    assert differing_fields({"number": "N-1"}, summary) == ()
    assert differing_fields({"number": "N-1", "kind": "receivable", "fields": ()}, summary) == (
        "kind",
        "fields",
    )


def test_a_party_without_an_id_is_no_party() -> None:
    """Names are not compared."""
    assert differing_fields(
        {"counterparty": UID}, attrs.evolve(SEEN, counterparty=Party(name=UID))
    ) == ("counterparty",)
