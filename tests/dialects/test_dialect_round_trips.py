"""What is written is stored as it was given, and read back so: a model through both witnesses."""

from __future__ import annotations

import itertools
from datetime import UTC, date, datetime, time, timedelta, timezone
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from _support.sandbox_app import control
from billingual import Client, Invoice, providers
from billingual.model import (
    Changes,
    CustomField,
    Discount,
    Draft,
    Money,
    Replacement,
    ReplacementLine,
    Tax,
)
from billingual.sandbox import LANDMARKS, create_app
from billingual.transports import sandboxed

pytestmark = pytest.mark.slow

TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=20) | st.sampled_from(
    ["\x00", "\u2028", "a\tb\n", "'\"\\", "\ufeff", "e\u0301", "null", "1e5", " x ", "</script>"]
)
WORDS = TEXTS.filter(str.strip)
ZONES = st.integers(-1439, 1439).map(lambda minutes: timezone(timedelta(minutes=minutes)))
MOMENTS = st.one_of(
    st.dates(),
    st.datetimes(datetime(2, 1, 1), datetime(9998, 12, 31), timezones=ZONES),  # noqa: DTZ001
    st.sampled_from(
        [
            date(2024, 2, 29), date(2000, 2, 29), date(1600, 2, 29), date(4, 2, 29),
            datetime(1, 1, 1, tzinfo=UTC), datetime(9999, 12, 31, 23, 59, 59, 999_999, tzinfo=UTC),
            datetime(1969, 12, 31, 23, 59, 59, 999_999, tzinfo=UTC),
        ]
    ),
)  # fmt: skip
CURRENCIES = st.sampled_from(["EUR", "JPY", "KWD", "CLF"])
MONEY = st.builds(Money, st.integers(0, 2**53 - 1), CURRENCIES)
EXACT = st.sampled_from(
    [
        "0",
        "1E+28",
        "1E-27",
        "1.50",
        "3.703703703703703703703703704E-5",
        "12345678901234567890.123456789",
    ]
)
PRICES = st.decimals(0, 10**6, places=6)
RATES = PRICES | EXACT.map(Decimal)
VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(10**29), 10**29)
    | st.decimals(-9, 9, places=3)
    | TEXTS,
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(TEXTS, inner, max_size=2),
    max_leaves=4,
)
FIELDS = st.lists(
    st.builds(CustomField, TEXTS, VALUES, WORDS), max_size=3, unique_by=lambda field: field.key
)
CODES = st.lists(st.integers(-(2**31), 2**31 - 1), max_size=2)
UUIDS = st.uuids().map(str)
# A column of a database keeps a whole quantity as 2.00.
QUANTITIES = st.integers(0, 999) | st.sampled_from(["2.00", "1E+2", "0.0"]).map(Decimal)
DATES: dict[str, Any] = dict.fromkeys(("issued_at", "due_at", "paid_at"), MOMENTS)
SERIAL = itertools.count()

WRITTEN: dict[str, tuple[dict[str, Any], dict[str, Any], dict[str, Any]]] = {
    "exante": (
        {
            "counterparty": st.just(LANDMARKS["exante_party"]),
            "owner": st.just(LANDMARKS["exante_owner"]),
            "document": st.just(LANDMARKS["exante_document"]),
        },
        {
            "status": WORDS, "currency": CURRENCIES, "fields": FIELDS, "issued_at": MOMENTS,
            "due_at": MOMENTS, "kind": st.sampled_from(["receivable", "payable"]),
            "blueprint": st.just(LANDMARKS["exante_blueprint"]),
        },
        {"status": WORDS, "currency": CURRENCIES, "fields": FIELDS, **DATES},
    ),
    "kukkingu": (
        {
            "document": st.just(LANDMARKS["kukkingu_contract"]), "total": MONEY,
            "exchange_rate": RATES,
        },
        DATES,
        {"total": MONEY, "exchange_rate": RATES, **DATES},
    ),
}  # fmt: skip
"""What a draft must have and may have, and what changes may have."""


@pytest.mark.parametrize("provider", WRITTEN)
@given(data=st.data())
@settings(max_examples=15)
def test_what_is_written_is_read_as_it_was_given(provider: str, data: st.DataObject) -> None:
    """Each field of a draft and of changes, exactly, at once and when it is read again."""
    needed, more, changed = WRITTEN[provider]
    draft = Draft(number=numbered(data), **data.draw(st.fixed_dictionaries(needed, optional=more)))
    changes = Changes(
        number=numbered(data), **data.draw(st.fixed_dictionaries({}, optional=changed))
    )
    with Client(provider, transport=sandboxed(create_app(invoices=0))) as client:
        made = client.create(draft)
        read = client.get(made.id)
        updated = client.update(made.id, changes)
        read_again = client.get(made.id)

    assert_shows(made, draft.given())
    assert made == read
    assert_shows(updated, {**draft.given(), **changes.given(), "fields": changes.fields or ()})
    assert updated == read_again


def numbered(data: st.DataObject) -> str:
    """Draw a number that no invoice has yet."""
    return f"{next(SERIAL)}{data.draw(TEXTS)}"


def assert_shows(invoice: Invoice, given: dict[str, Any]) -> None:
    """Check that an invoice has what was given, and nothing that could not be read."""
    fields = {each.key: (each.type, each.value) for each in invoice.fields}
    for name, value in given.items():
        if name in DATES:
            assert first_moment(value) == first_moment(getattr(invoice, name))
        elif name == "fields":
            assert {each.key: (each.type, each.value) for each in value}.items() <= fields.items()
        elif name == "counterparty":
            assert invoice.counterparty is not None
            assert value == invoice.counterparty.id
        elif name != "owner":
            assert value == getattr(invoice, name)
    assert () == invoice.problems


def first_moment(value: Any) -> datetime:
    """Return an instant as it is, and of a day the first one in UTC."""
    return value if isinstance(value, datetime) else datetime.combine(value, time(), UTC)


REPLACEMENTS = st.builds(
    Replacement,
    **dict.fromkeys(("counterparty", "receiving_account"), UUIDS),
    **dict.fromkeys(("counterparty_name", "account_name", "description"), TEXTS),
    **dict.fromkeys(("payment_methods", "notifications"), CODES),
    **dict.fromkeys(("remind_days_before", "remind_days_after"), CODES),
    **dict.fromkeys(("recurring", "remind_on_due_date"), st.booleans()),
    due_at=MOMENTS,
    currency=st.sampled_from(["EUR", "KWD"]),
    lines=st.lists(
        st.builds(ReplacementLine, product_id=UUIDS, quantity=QUANTITIES, unit_price=PRICES),
        max_size=3,
    ),
    taxes=st.lists(st.builds(Tax, tax_id=UUIDS, percentage=PRICES), max_size=2),
    discount=st.none() | st.builds(Discount, type=st.integers(0, 9), value=st.just("0.00")),
    billing_cycle=st.integers(-(2**31), 2**31 - 1),
)


@given(given=REPLACEMENTS)
@settings(max_examples=15)
def test_a_replacement_is_stored_as_it_was_given(given: Replacement) -> None:
    """Each field of a whole document, and the exact amount that follows from its numbers."""
    sandbox = create_app(invoices=0)
    invoice_id, numbers = LANDMARKS["katsu_invoice"], {"EUR": 1, "KWD": 7}
    with Client(providers.katsu(currencies=numbers), transport=sandboxed(sandbox)) as client:
        receipt = client.update(invoice_id, given)
    rows = control(sandbox, "GET", "invoices?provider=katsu")["invoices"]
    (row,) = [each for each in rows if each["id"] == invoice_id]
    stored = row["doc"]

    assert () == receipt.problems
    assert Decimal(row["amount"]) == receipt.amount
    assert [(each.product_id, each.quantity, each.unit_price) for each in given.lines] == [
        (each["productId"], each["quantity"], each["unitPrice"]) for each in stored["products"]
    ]
    assert [(each.tax_id, each.percentage) for each in given.taxes] == [
        (each["taxId"], each["taxPercentageValue"]) for each in stored["taxes"]
    ]
    assert {
        "counterPartyId": given.counterparty,
        "counterPartyName": given.counterparty_name,
        "receivingAccountId": given.receiving_account,
        "accountName": given.account_name,
        "description": given.description,
        "currency": numbers[given.currency],
        "billingCycle": given.billing_cycle,
        "recuringInvoice": given.recurring,
        "paymentMethods": [*given.payment_methods],
        "notification": [*given.notifications],
        "beforeDueDates": [*given.remind_days_before],
        "afterDueDates": [*given.remind_days_after],
        "onDueDate": given.remind_on_due_date,
    }.items() <= stored.items()
