"""What Stripe's documentation prints is what is sent and what can be read."""

from __future__ import annotations

from collections.abc import Generator
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
from billingual import (
    Changes,
    Client,
    CustomField,
    Draft,
    Filter,
    LineItem,
    MemoryTransport,
    Money,
    Retry,
    errors,
)
from billingual.model import Query
from billingual.outcomes import Safety
from billingual.wire import WireRequest, WireResponse

from stripe_samples import CUSTOMER, DIALECT, DRAFT, FINAL, asked, form_of, golden, told, written

WRITES = {
    "create": lambda: DIALECT.create(Draft(counterparty=CUSTOMER)),
    "update": lambda: DIALECT.update(DRAFT, Changes(fields={"order_id": "6735"}), None),
    "finalize": lambda: DIALECT.finalize(FINAL),
    "void": lambda: DIALECT.void(FINAL),
}


@pytest.mark.parametrize("name", WRITES)
def test_a_write_is_sent_as_documented(name: str) -> None:
    """The same method, path and form; and a place for a key, so that it may be repeated."""
    page = golden(name)
    request = asked(WRITES[name]())

    assert (page["method"], page["url"], page["form"]) == (
        request.method, request.url, form_of(request),
    )  # fmt: skip
    assert (Safety.KEYED, "Idempotency-Key") == (request.safety, request.key_header)
    assert "2025-11-17.clover" == request.headers.get("Stripe-Version")


def test_reads_carry_no_key() -> None:
    """They are safe to repeat as they are."""
    page = golden("list")
    request = asked(DIALECT.list_page(Query(page_size=3)))

    assert (page["method"], page["url"]) == (request.method, request.url)
    assert (Safety.READ, None) == (request.safety, request.key_header)


def test_every_field_of_a_draft_has_its_place() -> None:
    """Times go out in seconds, currencies in small letters, custom fields as metadata."""
    draft = Draft(
        counterparty=CUSTOMER,
        number="N-7",
        currency="EUR",
        issued_at="2026-11-21T01:00:00+01:00",
        due_at="2026-12-31T00:00:00Z",
        fields={"order id": "7 & 8", "é": "+"},
    )
    expected = {
        "customer": CUSTOMER,
        "number": "N-7",
        "currency": "eur",
        "effective_at": "1795219200",
        "due_date": "1798675200",
        "metadata[order id]": "7 & 8",
        "metadata[é]": "+",
        "collection_method": "send_invoice",
    }

    assert expected == form_of(asked(DIALECT.create(draft)))


def test_a_list_is_asked_for_by_stripes_names() -> None:
    """Each filter has its place, the cursor too; the largest page is asked for."""
    query = Query(
        filter=Filter(
            status="open",
            counterparty_ids=CUSTOMER,
            collection_method="send_invoice",
            due_from="2026-01-01T00:00:00Z",
            due_to="2026-12-31T00:00:00Z",
            extra_params={"expand[]": "data.customer"},
        ),
        page=2,
        cursor=DRAFT,
    )

    assert (
        f"/v1/invoices?customer={CUSTOMER}&status=open&collection_method=send_invoice"
        "&due_date%5Bgte%5D=1767225600&due_date%5Blte%5D=1798675200&limit=100"
        f"&starting_after={DRAFT}&expand%5B%5D=data.customer"
    ) == asked(DIALECT.list_page(query)).url


def test_a_day_goes_out_in_seconds() -> None:
    """A day is its first moment; where a range ends with it, the range includes it whole."""
    draft = Draft(counterparty=CUSTOMER, due_at="2026-12-31")
    days = Query(filter=Filter(due_from="2026-01-01", due_to="2026-12-31"))

    assert "1798675200" == form_of(asked(DIALECT.create(draft)))["due_date"]
    assert "due_date%5Bgte%5D=1767225600&due_date%5Blte%5D=1798761599&" in (
        asked(DIALECT.list_page(days)).url
    )


def test_a_draft_is_read() -> None:
    """What is null stays unknown; amounts are exact and carry the currency."""
    page = golden("create")
    invoice = told(WRITES["create"](), page["response"])

    assert (DRAFT, "draft", "receivable") == (invoice.id, invoice.status, invoice.kind)
    assert Money(0, "USD") == invoice.total == invoice.tax == invoice.discount
    assert (None, None, None) == (invoice.number, invoice.due_at, invoice.paid_at)
    assert datetime(2023, 4, 4, 21, 41, 7, tzinfo=UTC) == invoice.created_at
    assert (CUSTOMER, "Jenny Rosen") == (invoice.counterparty.id, invoice.counterparty.name)
    assert "manual" == invoice.extra["billing_reason"]
    assert page["response"] == invoice.raw


def test_a_finalized_invoice_is_read() -> None:
    """Its times, number and link; over nothing it is paid at once, which is a good end."""
    invoice = told(WRITES["finalize"](), golden("finalize")["response"])

    assert ("paid", "9545A614-0001") == (invoice.status, invoice.number)
    assert datetime(2023, 4, 11, 20, 48, 24, tzinfo=UTC) == invoice.due_at
    assert datetime(2023, 4, 4, 20, 48, 24, tzinfo=UTC) == invoice.paid_at
    assert "send_invoice" == invoice.collection_method
    assert "https://invoice.stripe.com/i/example" == invoice.link


def test_lines_and_amounts_are_read() -> None:
    """A balance in favour of the customer lowers what is due, not the total."""
    page = golden("uncollectible")["response"]
    invoice = told(DIALECT.get(page["id"]), page)

    line = LineItem(
        id="il_1MtG0nLkdIwHu7ix3eCoIIw7",
        kind="invoiceitem",
        name="My First Invoice Item (created for API docs)",
        quantity=Decimal(1),
        total=Money(1099, "USD"),
    )
    assert (line,) == invoice.lines
    assert (Money(1099, "USD"), Money(599, "USD")) == (invoice.total, invoice.amount_due)
    assert "uncollectible" == invoice.status


def test_lines_that_are_not_all_there_are_not_shown() -> None:
    """Some lines would be taken for all of them; they are in extra as they came."""
    page = golden("uncollectible")["response"]
    page["lines"]["has_more"] = True
    invoice = told(DIALECT.get(page["id"]), page)

    assert ((), page["lines"]) == (invoice.lines, invoice.extra["lines"])


def test_metadata_is_read_as_custom_fields() -> None:
    """An update shows the metadata as it is now."""
    invoice = told(WRITES["update"](), golden("update")["response"])

    assert (CustomField("order_id", "6735"),) == invoice.fields


def test_taxes_and_discounts_are_added_up() -> None:
    """Each is a list of amounts; where there is no list nothing is known."""
    page = golden("create")["response"]
    page["total_taxes"] = [{"amount": 19}, {"amount": 7}]
    del page["total_discount_amounts"]
    invoice = told(DIALECT.get(DRAFT), page)

    assert (Money(26, "USD"), None) == (invoice.tax, invoice.discount)


@pytest.mark.parametrize(
    ("currency", "amount", "money"),
    [
        ("jpy", 500, Money(500, "JPY")),
        ("kwd", 5120, Money(5120, "KWD")),
        ("isk", 500, Money(5, "ISK")),
        ("ugx", 500, Money(5, "UGX")),
        ("mga", 500, Money(50_000, "MGA")),
    ],
)
def test_amounts_are_counted_as_iso_4217_counts(currency: str, amount: int, money: Money) -> None:
    """Three currencies have other minor units at Stripe; the amounts are the same money."""
    page = {**golden("create")["response"], "currency": currency, "total": amount}

    assert money == told(DIALECT.get(DRAFT), page).total


def test_a_fraction_that_a_currency_lacks_is_no_amount() -> None:
    """It is left out and told, not rounded."""
    page = {**golden("create")["response"], "currency": "isk", "total": 550}
    invoice = told(DIALECT.get(DRAFT), page)

    assert (None, 550) == (invoice.total, invoice.extra["total"])
    assert [("$.total", "ISK has no such fraction")] == [
        (each.path, each.reason) for each in invoice.problems
    ]


def test_numbers_are_exact_and_no_amount_is_guessed() -> None:
    """A fraction passes through no binary float, and what is no amount is not made one."""
    request = asked(DIALECT.get(DRAFT))
    body = b'{"id": "%s", "ratio": 0.1000000000000000055}' % DRAFT.encode()
    invoice: Any = request.read and request.read(WireResponse(status=200, body=body))

    assert Decimal("0.1000000000000000055") == invoice.raw["ratio"] == invoice.extra["ratio"]
    for wrong in (True, "7,00", 1.5):
        invoice = told(DIALECT.get(DRAFT), {**golden("create")["response"], "total": wrong})

        assert invoice.total is None
        assert ["$.total"] == [each.path for each in invoice.problems]
    assert "GET" == request.method


def test_an_expanded_customer_is_read() -> None:
    """The id is the same; the rest of the object is in extra."""
    page = golden("create")["response"]
    page["customer"] = {"id": CUSTOMER, "object": "customer", "phone": "+1"}
    invoice = told(DIALECT.get(DRAFT), page)

    assert CUSTOMER == invoice.counterparty.id
    assert "+1" == invoice.extra["customer"]["phone"]


@pytest.mark.parametrize("more", [True, False])
def test_a_page_leads_to_the_next(more: bool) -> None:  # noqa: FBT001 - a table of two rows
    """The last row is the cursor; a first page with nothing behind it is the whole list."""
    page = told(DIALECT.list_page(Query()), {**golden("list")["response"], "has_more": more})

    assert (more, DRAFT if more else None, not more) == (
        page.has_next, page.next_cursor, page.is_whole,
    )  # fmt: skip
    assert [DRAFT] == [row.id for row in page.items]


def test_a_bad_last_row_does_not_cost_its_page() -> None:
    """The walk goes on behind the last row that can be read."""
    listed = golden("list")["response"]
    body = {**listed, "data": [*listed["data"], {"id": 5}], "has_more": True}
    page = told(DIALECT.list_page(Query()), body)

    assert ([DRAFT], DRAFT) == ([row.id for row in page.items], page.next_cursor)
    assert ["$.data[1].id"] == [problem.path for problem in page.problems]


def test_a_promise_of_more_without_a_row_is_refused() -> None:
    """There would be no cursor, and the list would begin again."""
    with pytest.raises(errors.ProtocolError, match="none to go on from"):
        told(DIALECT.list_page(Query()), {"object": "list", "data": [], "has_more": True})


@pytest.mark.parametrize(
    ("conversation", "status"),
    [(DIALECT.finalize(FINAL), "draft"), (DIALECT.void(FINAL), "open")],
    ids=["finalize", "void"],
)
def test_an_act_without_its_effect_has_a_problem(
    conversation: Generator[WireRequest, Any, Any], status: str
) -> None:
    """A yes that shows another status than the act leads to is no plain yes."""
    invoice = told(conversation, {**golden("finalize")["response"], "status": status})

    assert [("status", status)] == [(each.path, each.value) for each in invoice.problems]


def test_a_create_that_shows_another_number_is_refused() -> None:
    """It may be the response to another request."""
    with pytest.raises(errors.ProtocolError, match=r"\$\.number"):
        told(
            DIALECT.create(Draft(counterparty="cus_1", number="A-1")),
            {**golden("finalize")["response"], "number": "B-2"},
        )


@pytest.mark.parametrize("status", ["open", "paid"])
def test_an_unclear_finalize_is_settled_by_either_end(status: str) -> None:
    """The invoice is read, and open and paid are both what finalizing leads to."""
    page = {**golden("finalize")["response"], "status": status}
    lost, read = WireResponse(status=502), WireResponse(status=200, body=written(page))
    script = MemoryTransport([lost, read])
    with Client("stripe", transport=script, retry=Retry(attempts=1)) as client:
        invoice = client.finalize(FINAL)

    assert (FINAL, status) == (invoice.id, invoice.status)
    assert ["POST", "GET"] == [request.method for request in script.requests]
