"""Models become columns and columns become models, and nothing is lost on the way."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any

import duckdb
import polars as pl
import pytest
from arro3.core import RecordBatchReader, Table

from _support.conversations import INVOICE, UID, converse, golden, invoice_payload, response
from _support.random_invoices import random_invoices
from _support.readings import EXANTE, KUKKINGU, exante, kukkingu
from billingual import Invoice, InvoiceSummary, LineItem, Money, errors
from billingual.columns import batch_of, rows_of, schema
from billingual.model import Query


def row(**values: Any) -> InvoiceSummary:
    """Make a row of a list."""
    return InvoiceSummary(id="one", **values)


def full(**values: Any) -> Invoice:
    """Make a full invoice."""
    return Invoice(id="one", **values)


def first(invoice: InvoiceSummary) -> dict[str, Any]:
    """Return the columns of one invoice, as Polars reads them."""
    frame = pl.DataFrame(batch_of([invoice]))
    return frame.row(0, named=True)


@pytest.mark.parametrize("seed", range(4))
def test_random_invoices_come_back_equal(seed: int) -> None:
    """Each invoice that becomes a row of a batch comes back equal, of the same class."""
    invoices = list(random_invoices(seed, 250))

    back = rows_of(batch_of(invoices))

    assert invoices == back
    assert list(map(type, invoices)) == list(map(type, back))


def test_polars_and_duckdb_read_the_same_totals() -> None:
    """Totals by currency are those that Python's own integers give."""
    invoices = list(random_invoices(99, 500))
    batch = batch_of(invoices)
    truth: dict[str | None, int] = {}
    for each in invoices:
        total = each.total
        if total is not None and total.currency == each.currency and abs(total.minor) < 10**10:
            truth[each.currency] = truth.get(each.currency, 0) + total.minor
    fits = "abs(total_minor::hugeint) < 10000000000"
    query = f"select currency, sum(total_minor)::bigint from batch where {fits} group by 1"  # noqa: S608

    frame = pl.DataFrame(batch).filter(pl.col("total_minor").is_between(-(10**10), 10**10))
    polars = frame.group_by("currency").agg(pl.col("total_minor").sum())

    assert truth == dict(duckdb.sql(query).fetchall())
    assert truth == dict(polars.iter_rows())


def test_an_amount_is_in_minor_units_of_the_currency() -> None:
    """An amount is the whole number that the provider states; the code is beside it."""
    found = first(row(currency="KWD", total=Money(12345, "KWD")))

    assert (12345, "KWD", None) == (found["total_minor"], found["currency"], found["misfits"])


def test_an_amount_without_a_currency_stays_exact() -> None:
    """No currency is null, and the amount is kept: no decimal point is guessed."""
    found = first(row(total=Money(12345)))

    assert (12345, None, None) == (found["total_minor"], found["currency"], found["misfits"])


@pytest.mark.parametrize(
    ("invoice", "column", "misfit"),
    [
        (row(total=Money(2**63)), "total_minor", {"total": {"minor": 2**63, "currency": None}}),
        (
            row(currency="EUR", tax=Money(5, "USD")),
            "tax_minor",
            {"tax": {"minor": 5, "currency": "USD"}},
        ),
        (row(overdue_days=10**29), "overdue_days", {"overdue_days": 10**29}),
        (full(exchange_rate=Decimal("1E-19")), "exchange_rate", {"exchange_rate": "1E-19"}),
        (full(exchange_rate=Decimal(10**20)), "exchange_rate", {"exchange_rate": str(10**20)}),
        (
            row(due_at=datetime(1, 1, 1, tzinfo=timezone(timedelta(hours=1)))),
            "due_at",
            {"due_at": "0001-01-01T00:00:00+01:00"},
        ),
    ],
)
def test_what_does_not_fit_is_kept_in_words(
    invoice: InvoiceSummary, column: str, misfit: dict[str, Any]
) -> None:
    """No value is rounded: its column is null, and the exact value is in ``misfits``."""
    found = first(invoice)

    assert found[column] is None
    assert misfit == json.loads(found["misfits"])
    assert [invoice] == rows_of(batch_of([invoice]))


def test_a_misfit_of_a_line_names_the_line() -> None:
    """The path leads to the line of the invoice, not of the batch."""
    odd = LineItem(quantity=Decimal("1E+30"), total=Money(1, "EUR"), unit_price=Money(1, "USD"))
    invoices = [full(lines=[LineItem()]), full(lines=(LineItem(name="first"), odd))]

    found = pl.DataFrame(batch_of(invoices))["misfits"]

    told = {
        "lines[1].quantity": "1E+30",
        "lines[1].unit_price": {"minor": 1, "currency": "USD"},
    }
    assert [None, told] == [None if each is None else json.loads(each) for each in found]


def test_an_instant_is_in_utc_and_a_day_stays_a_day() -> None:
    """A day has a column of its own: it begins at another instant in each time zone."""
    here = datetime(2026, 3, 1, 1, tzinfo=timezone(timedelta(hours=2)))

    found = first(row(issued_at=here, due_at=date(2026, 3, 31)))

    assert datetime(2026, 2, 28, 23, tzinfo=UTC) == found["issued_at"]
    assert [None, date(2026, 3, 31)] == [found["due_at"], found["due_on"]]
    assert found["issued_on"] is None


def test_numbers_with_a_fraction_are_decimals() -> None:
    """Quantities and rates are exact decimals, with which SQL can calculate."""
    line = LineItem(quantity=Decimal("0.333333333333333333"))
    batch = batch_of([full(lines=(line, line), exchange_rate=Decimal("1.5"))])  # noqa: F841

    rate, quantity = duckdb.sql(
        "select exchange_rate, lines[1].quantity + lines[2].quantity from batch"
    ).fetchall()[0]

    assert [Decimal("1.5"), Decimal("0.666666666666666666")] == [rate, quantity]


@pytest.mark.parametrize(
    "item",
    [
        b'{"uid": "u1",  "total_cents": 150, "parent_contract": 7}',
        b'{ "uid":"u1", "of_its_own" : [0.10, "\xc3\xa9", 12345678901234567890123] }',
        b'{"uid":"u1","total_cents":1.50e2,"status":{"odd": 0.10}}',
    ],
    ids=["documented", "with more", "with a misfit"],
)
def test_raw_is_the_text_that_came(item: bytes) -> None:
    """Each digit and space of a payload is kept, however well it could be read."""
    body = b'{"status":"success","data":{"items":[%s],"_meta":{"page":1}}}' % item
    page = converse(EXANTE, EXANTE.list_page(Query()), response(body))

    assert item.decode() == first(page.items[0])["raw"]


@pytest.mark.parametrize("space", [b"", b" "])
def test_raw_of_one_invoice_is_the_text_that_came(space: bytes) -> None:
    """A full invoice has its own text, without the envelope."""
    item = b'{"uid":%s"%s","total_cents":5}' % (space, UID.encode())
    body = b'{"status":"success","data":%s}' % item
    at_tenant = b'{"id":%s"%s","total":null}' % (space, INVOICE.encode())

    invoice = converse(EXANTE, EXANTE.get(UID), response(body))
    other = converse(KUKKINGU, KUKKINGU.get(INVOICE), response(b'{"data":%s}' % at_tenant))

    assert item.decode() == first(invoice)["raw"]
    assert at_tenant.decode() == first(other)["raw"]


def test_raw_of_an_odd_envelope_keeps_all_digits() -> None:
    """Where only values are left, they are written with the digits that they came with."""
    body = b'{"status":"success","data":{"items":{"0":{"uid":"u1","x":1.500,"y":1e2}}}}'
    page = converse(EXANTE, EXANTE.list_page(Query()), response(body))

    assert '{"uid":"u1","x":1.500,"y":1E+2}' == first(page.items[0])["raw"]


def test_raw_can_be_left_out() -> None:
    """Without raw the schema is the same but for its last column."""
    invoices = list(random_invoices(5, 50))

    batch = batch_of(invoices, raw=False)

    assert schema(raw=False) == batch.schema
    assert [*schema(raw=False).names, "raw"] == schema().names
    assert invoices == rows_of(batch)


def test_rows_of_lists_have_no_lines_and_full_invoices_may_have_none() -> None:
    """Null lines say that the row is of a list; an empty list says that there are no lines."""
    found = pl.DataFrame(batch_of([row(), full()]))

    assert [None, []] == found["lines"].to_list()


def test_documented_responses_come_back_equal() -> None:
    """What the providers' documentation shows survives the way to columns and back."""
    documented = response(golden("exante_list")["response"])
    page = converse(EXANTE, EXANTE.list_page(Query(page=123)), documented)
    invoices = [*page.items, exante(invoice_payload()), kukkingu()]

    assert page.items
    assert invoices == rows_of(batch_of(invoices))


def test_a_text_that_is_no_utf8_is_refused() -> None:
    """Only a program can make one, and it is told so."""
    with pytest.raises(errors.InvalidInputError, match="half of a surrogate pair"):
        batch_of([row(number="\ud800")])


def test_a_value_that_json_has_not_is_refused() -> None:
    """What cannot be written as JSON is refused, not turned into its name."""
    with pytest.raises(errors.InvalidInputError, match="cannot be written"):
        batch_of([row(extra={"odd": object()})])


def test_an_empty_batch_has_the_schema() -> None:
    """No rows are a batch of no rows."""
    batch = batch_of([])

    assert (0, schema()) == (batch.num_rows, batch.schema)


@pytest.mark.parametrize(
    "through",
    [
        lambda batch: batch,
        pl.DataFrame,
        lambda batch: pl.DataFrame(batch).cast({pl.Datetime: pl.Datetime("ns", "UTC")}),
        duckdb.from_arrow,
        lambda batch: pl.DataFrame(batch).rechunk().select(pl.all().reverse().reverse()),
        lambda batch: Table.from_batches([batch.slice(0, 7), batch.slice(7)]),
        lambda batch: RecordBatchReader.from_batches(batch.schema, [batch]),
    ],
    ids=["batch", "polars", "nanoseconds", "duckdb", "selected", "table", "stream"],
)
def test_a_table_of_each_library_becomes_invoices(through: Any) -> None:
    """Other libraries write texts, lists and instants otherwise; the values are the same."""
    invoices = [each for each in random_invoices(11, 100) if of_this_age(each)]

    assert invoices
    assert invoices == rows_of(through(batch_of(invoices)))


def of_this_age(invoice: InvoiceSummary) -> bool:
    """Tell whether nanoseconds in 64 bits reach each date."""
    names = ("issued_at", "due_at", "paid_at", "created_at", "updated_at")
    dates = [getattr(invoice, name, None) for name in names]
    return all(1700 < each.year < 2200 for each in dates if isinstance(each, datetime))


def test_what_has_no_columns_is_refused() -> None:
    """The error says what is missing."""
    with pytest.raises(errors.InvalidInputError, match="list has no Arrow columns"):
        rows_of([])  # type: ignore[arg-type]
    with pytest.raises(errors.InvalidInputError, match="it has no column number"):
        rows_of(pl.DataFrame(batch_of([row()])).drop("number"))


def test_raw_survives_two_ways() -> None:
    """The text of raw is kept on the way back, and numbers that Python lacks stay text."""
    huge = "9" * 5_000
    text = f'{{"uid":"u1", "x":1e99999999999999999999, "y": {huge}, "z": 0.10}}'
    page = converse(
        EXANTE,
        EXANTE.list_page(Query()),
        response(b'{"status":"success","data":{"items":[%s]}}' % text.encode()),
    )

    (back,) = rows_of(batch_of(page.items))

    assert text == first(back)["raw"]
    told = {"uid": "u1", "x": "1e99999999999999999999", "y": huge, "z": Decimal("0.10")}
    assert told == back.raw == page.items[0].raw
    assert page.items[0].extra == back.extra
