"""Lists are read as Arrow columns, batch by batch, by both clients."""

from __future__ import annotations

import gc
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import anyio
import duckdb
import polars as pl
import pytest
from arro3.core import RecordBatch

from _support.served_list import ServedList
from billingual import AsyncClient, AsyncColumns, Client, Columns, MemoryTransport, errors
from billingual.columns import schema
from billingual.pagination import columns as walks
from billingual.wire import Bounds, WireRequest, WireResponse

SIZE = 5
KINDS = ["blocking", "asyncio", "trio"]


def ids(batches: list[RecordBatch]) -> list[list[int]]:
    """Return the ids in each batch."""
    return [[int(each) for each in batch.column("id").to_pylist()] for batch in batches]


def read(
    served: ServedList, kind: str, most: int = 10**6, resume: str | None = None, **options: Any
) -> tuple[list[RecordBatch], str, Exception | None]:
    """Read at most so many batches; return them, the pager's checkpoint, and an error."""
    listing = {name: options.pop(name) for name in ("prefetch",) if name in options}
    found: list[RecordBatch] = []
    raised: Exception | None = None
    if kind == "blocking":
        with Client(**served.options()) as client:
            pager = client.list(page_size=SIZE, resume=resume, **listing)
            walking = iter(pager.arrow(**options))
            try:
                found.extend(batch for _, batch in zip(range(most), walking, strict=False))
            except errors.BillingualError as error:
                raised = error
            return found, pager.checkpoint, raised

    async def walk() -> tuple[str, Exception | None]:
        async with AsyncClient(**served.options()) as client:
            pager = client.list(page_size=SIZE, resume=resume, **listing)
            walking = aiter(pager.arrow(**options))
            try:
                while len(found) < most:
                    found.append(await anext(walking))
            except StopAsyncIteration:
                pass
            except errors.BillingualError as error:
                return pager.checkpoint, error
            finally:
                await walking.aclose()
            return pager.checkpoint, None

    return found, *anyio.run(walk, backend=kind)


def failing(served: ServedList, page: int) -> ServedList:
    """Let one page of a list fail, each time that it is asked for."""

    def respond(request: WireRequest) -> WireResponse:
        if f"page={page}&" in f"{request.url}&":
            return MemoryTransport.json("{}", status=503)
        return served._respond(request)

    served.transport = MemoryTransport(respond)
    return served


@contextmanager
def columns_of(served: ServedList, **options: Any) -> Iterator[Columns]:
    """Open the columns of a blocking client."""
    with Client(**served.options()) as client:
        yield client.list(page_size=SIZE).arrow(**options)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("prefetch", [1, 3])
@pytest.mark.parametrize("max_rows", [1, 3, 5, 7, 10, 1000])
def test_batches_hold_all_rows_in_order(kind: str, prefetch: int, max_rows: int) -> None:
    """All batches but the last are full, whatever the size of a page."""
    rows = list(range(23))

    batches, _, raised = read(ServedList(rows), kind, prefetch=prefetch, max_rows=max_rows)

    assert [rows[at : at + max_rows] for at in range(0, 23, max_rows)] == ids(batches)
    assert raised is None


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("max_rows", [3, 5, 7])
def test_a_walk_goes_on_behind_the_last_batch(kind: str, max_rows: int) -> None:
    """The checkpoint is behind the rows that were handed out, not those that were fetched."""
    rows = list(range(23))
    for most in range(6):
        batches, checkpoint, _ = read(ServedList(rows), kind, most, max_rows=max_rows)
        rest, _, _ = read(ServedList(rows), kind, resume=checkpoint)

        assert rows == [each for batch in ids([*batches, *rest]) for each in batch]


@pytest.mark.parametrize("kind", KINDS)
def test_rows_before_an_error_come_first(kind: str) -> None:
    """Rows that were read are handed out before the error, and the checkpoint is there."""
    rows = list(range(23))

    batches, checkpoint, raised = read(failing(ServedList(rows), 3), kind)
    rest, _, _ = read(ServedList(rows), kind, resume=checkpoint)

    assert [rows[:10]] == ids(batches)
    assert isinstance(raised, errors.ServerError)
    assert [rows[10:]] == ids(rest)


def test_a_cancelled_walk_loses_no_row() -> None:
    """Rows that were gathered before a cancellation are in the next batch."""

    class Hanging(MemoryTransport):
        async def send(self, request: WireRequest, bounds: Bounds) -> WireResponse:
            response = await super().send(request, bounds)
            if len(self.requests) == 3:
                await anyio.sleep_forever()
            return response

    async def walk() -> list[RecordBatch]:
        served = ServedList(list(range(13)))
        served.transport = Hanging(served._respond)
        async with AsyncClient(**served.options()) as client:
            walking = aiter(client.list(page_size=SIZE).arrow())
            with anyio.move_on_after(0.05):
                await anext(walking)
            return [await anext(walking)]

    assert [list(range(13))] == ids(anyio.run(walk))


def test_nothing_is_requested_before_the_first_batch() -> None:
    """Neither the columns, nor their schema, nor a stream that nothing reads sends a request."""
    served = ServedList(list(range(23)))
    with columns_of(served, raw=False) as rows:
        assert schema(raw=False) == rows.schema
        assert rows.__arrow_c_schema__()
        assert rows.__arrow_c_stream__()
    assert served.asked == []


def test_a_stream_requests_pages_as_they_are_read() -> None:
    """DuckDB stops after the rows that it needs, and no more pages are requested."""
    served = ServedList(list(range(10_000)))
    with columns_of(served, max_rows=SIZE) as rows:
        assert duckdb.sql("select id from rows limit 3").fetchall() == [("0",), ("1",), ("2",)]
        del rows
        gc.collect()
    assert len(served.asked) < 100


def test_polars_and_duckdb_read_the_stream() -> None:
    """Each reads all rows, with one request for each page; the report is there afterwards."""
    for read_ids in (
        lambda rows: pl.DataFrame(rows)["id"].to_list(),
        lambda rows: [each for (each,) in duckdb.sql("select id from rows").fetchall()],
        lambda rows: rows.read_all().column("id").to_pylist(),
    ):
        served = ServedList(list(range(23)))
        with columns_of(served, max_rows=7) as rows:
            assert [str(each) for each in range(23)] == read_ids(rows)
            assert (5, 23) == (rows.report.pages, rows.report.rows)
        assert [1, 2, 3, 4, 5] == served.asked


def test_a_reader_of_a_stream_learns_of_an_error() -> None:
    """The library raises, with the text of our error; the error itself is kept."""
    with columns_of(failing(ServedList(list(range(23))), 3)) as rows:
        with pytest.raises(pl.exceptions.ComputeError, match="ServerError"):
            pl.DataFrame(rows)
        assert isinstance(rows.error, errors.ServerError)
        with pytest.raises(duckdb.Error, match="ServerError"):
            duckdb.sql("select count(*) from rows").fetchall()
        with pytest.raises(errors.ServerError):
            rows.read_all()
        assert 10 == rows.report.rows

    with columns_of(ServedList([1])) as rows:
        rows.read_all()
        assert rows.error is None


def test_a_list_without_rows_has_columns() -> None:
    """Nothing is in no batch, and the schema is known."""
    with columns_of(ServedList([])) as rows:
        assert [] == list(rows)
        assert (0, schema()) == (rows.read_all().num_rows, rows.read_all().schema)
        assert (0, len(schema().names)) == pl.DataFrame(rows).shape


def test_a_batch_ends_where_it_is_large(monkeypatch: pytest.MonkeyPatch) -> None:
    """Large rows make small batches, so that memory is bounded."""
    monkeypatch.setattr(walks, "MAX_BYTES", 1)

    batches, _, _ = read(ServedList(list(range(12))), "blocking")

    assert [5, 5, 2] == [each.num_rows for each in batches]


def test_an_async_list_is_no_stream() -> None:
    """A library that blocks is told what to do instead."""
    client = AsyncClient(**ServedList([1]).options())

    with pytest.raises(errors.UsageError, match=r"await columns\.read_all"):
        pl.DataFrame(client.list().arrow())


def test_an_async_list_is_read_whole() -> None:
    """The table holds all rows."""

    async def walk() -> Any:
        async with AsyncClient(**ServedList(list(range(12))).options()) as client:
            columns = client.list(page_size=SIZE).arrow(max_rows=4)
            assert isinstance(columns, AsyncColumns)
            return await columns.read_all()

    assert [str(each) for each in range(12)] == pl.DataFrame(anyio.run(walk))["id"].to_list()


@pytest.mark.parametrize("max_rows", [0, -1, 1_000_001, 2.0, True, "5", None])
def test_an_impossible_size_is_refused(max_rows: Any) -> None:
    """It is refused before anything is requested, and the error names the argument."""
    with columns_of(ServedList([])) as _, Client(**ServedList([]).options()) as client:
        with pytest.raises(errors.InvalidInputError) as caught:
            client.list().arrow(max_rows=max_rows)
        assert caught.value.field == "max_rows"


def test_a_missing_library_is_named() -> None:
    """Without arro3 the error says what to install, and all else works."""
    program = """
import sys
sys.modules["arro3"] = sys.modules["arro3.core"] = None
from billingual import Client, MissingExtraError
client = Client("exante", transport="sandbox")
assert client.list().first()
try:
    client.list().arrow()
except MissingExtraError as error:
    assert error.install == 'pip install "billingual[arrow]"', error.install
else:
    raise AssertionError
"""
    subprocess.run([sys.executable, "-c", program], check=True)
