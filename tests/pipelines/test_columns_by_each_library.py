"""A million random invoices come back from columns, and each library reads the same totals."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import duckdb
import nanoarrow
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from arro3.core import RecordBatch, Table
from deltalake import DeltaTable, write_deltalake

from _support.random_invoices import random_invoices
from _support.served_list import ServedList
from billingual import Client, InvoiceSummary
from billingual.columns import batch_of, rows_of

COUNT = 10_000
Totals = dict[str | None, int]
# Sums of any 64-bit numbers have more bits than each library's sums have.
MOST = 10**12


@pytest.mark.parametrize("seed", range(100))
def test_a_million_random_invoices_come_back_equal(seed: int) -> None:
    """Each invoice comes back equal, and of the same class."""
    invoices = list(random_invoices(1_000 + seed, COUNT))

    back = rows_of(batch_of(invoices))

    assert invoices == back
    assert list(map(type, invoices)) == list(map(type, back))


@pytest.fixture(scope="module")
def invoices() -> list[InvoiceSummary]:
    """Draw invoices whose amounts can be added up by each library."""

    def fits(invoice: InvoiceSummary) -> bool:
        return invoice.total is None or abs(invoice.total.minor) < MOST

    return list(filter(fits, random_invoices(7, 20_000)))


@pytest.fixture(scope="module")
def table(invoices: list[InvoiceSummary]) -> Table:
    """Make a table of several batches."""
    starts = range(0, len(invoices), 3_000)
    return Table.from_batches([batch_of(invoices[at : at + 3_000]) for at in starts])


def by_polars(table: Table, _: Path) -> Totals:
    """Add the amounts up."""
    frame = pl.DataFrame(table).group_by("currency").agg(pl.col("total_minor").sum())
    return dict(frame.iter_rows())


def by_duckdb(table: Table, _: Path) -> Totals:
    """Add the amounts up."""
    query = "currency, coalesce(sum(total_minor), 0)"
    found = duckdb.from_arrow(table).aggregate(query).fetchall()
    return {code: int(total) for code, total in found}


def by_pyarrow(table: Table, _: Path) -> Totals:
    """Add the amounts up."""
    grouped = pa.table(table).group_by("currency").aggregate([("total_minor", "sum")])
    return {each["currency"]: each["total_minor_sum"] or 0 for each in grouped.to_pylist()}


def by_pandas(table: Table, _: Path) -> Totals:
    """Add the amounts up."""
    frame = pa.table(table).to_pandas(types_mapper=pd.ArrowDtype)
    totals = frame.groupby("currency", dropna=False)["total_minor"].sum()
    return {None if pd.isna(code) else code: int(total) for code, total in totals.items()}


def by_nanoarrow(table: Table, _: Path) -> Totals:
    """Add the amounts up."""
    array = nanoarrow.Array(table)
    names = [each.name for each in array.schema.fields]
    totals: Totals = {}
    children = [array.child(names.index(name)) for name in ("currency", "total_minor")]
    for code, total in zip(*[each.iter_py() for each in children], strict=True):
        totals[code] = totals.get(code, 0) + (total or 0)
    return totals


def by_parquet(table: Table, folder: Path) -> Totals:
    """Add the amounts up."""
    pq.write_table(pa.table(table), folder / "rows.parquet")
    return by_polars(Table.from_arrow(pq.read_table(folder / "rows.parquet")), folder)


def by_delta(table: Table, folder: Path) -> Totals:
    """Add the amounts up."""
    write_deltalake(folder / "rows", table)
    return by_polars(Table.from_arrow(DeltaTable(folder / "rows").to_pyarrow_table()), folder)


READERS = [by_polars, by_duckdb, by_pyarrow, by_pandas, by_nanoarrow, by_parquet, by_delta]


@pytest.mark.parametrize("by", READERS)
def test_each_library_reads_the_same_totals(
    by: Callable[[Table, Path], Totals],
    invoices: list[InvoiceSummary],
    table: Table,
    tmp_path: Path,
) -> None:
    """Totals by currency are those that Python's own integers give."""
    truth: Totals = {}
    for each in invoices:
        total = each.total
        fits = total is not None and total.currency == each.currency
        truth[each.currency] = truth.get(each.currency, 0) + (total.minor if total and fits else 0)

    assert truth == by(table, tmp_path)


def from_arrow(table: pa.Table) -> list[InvoiceSummary]:
    """Make invoices of what a library handed back."""
    return [each for batch in table.to_batches() for each in rows_of(RecordBatch.from_arrow(batch))]


def test_files_give_back_equal_invoices(
    invoices: list[InvoiceSummary], table: Table, tmp_path: Path
) -> None:
    """Parquet and Delta keep every value of every column."""
    pq.write_table(pa.table(table), tmp_path / "rows.parquet")
    write_deltalake(tmp_path / "delta", table)

    assert invoices == from_arrow(pq.read_table(tmp_path / "rows.parquet"))
    back = from_arrow(DeltaTable(tmp_path / "delta").to_pyarrow_table())
    assert sorted(invoices, key=repr) == sorted(back, key=repr)


def test_pyarrow_finds_each_batch_sound(table: Table) -> None:
    """The lengths, offsets and texts of all columns are as the format asks."""
    pa.table(table).validate(full=True)


@pytest.mark.parametrize(
    "read",
    [
        lambda rows, _: pa.table(rows).num_rows,
        lambda rows, _: pa.RecordBatchReader.from_stream(rows).read_all().num_rows,
        lambda rows, _: len(pd.DataFrame.from_arrow(rows)),
        lambda rows, _: len(nanoarrow.Array(rows)),
        lambda rows, _: len(pl.DataFrame(rows)),
        lambda rows, _: duckdb.from_arrow(rows).count("*").fetchall()[0][0],
        lambda rows, folder: [write_deltalake(folder, rows), DeltaTable(folder).count()][1],
    ],
    ids=["pyarrow", "pyarrow reader", "pandas", "nanoarrow", "polars", "duckdb", "delta"],
)
def test_each_library_reads_a_list_with_one_request_for_each_page(
    read: Callable[[Any, Path], int], tmp_path: Path
) -> None:
    """The stream is read once, and lazily."""
    served = ServedList(list(range(23)))
    with Client(**served.options()) as client:
        assert 23 == read(client.list(page_size=5).arrow(max_rows=7), tmp_path / "rows")
    assert [1, 2, 3, 4, 5] == served.asked
