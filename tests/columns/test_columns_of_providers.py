"""What each provider lists becomes columns, over each transport and with both clients."""

from __future__ import annotations

from typing import Any

import anyio
import duckdb
import polars as pl
import pytest

from _support.invoice_server import InvoiceServer, uid
from billingual import AsyncClient, Client
from billingual.columns import rows_of

BLOCKING = ["httpx", "httpx2", "urllib3", "h11"]
ASYNC = ["httpx", "httpx2", "aiohttp", "h11"]
IDS = [uid(10 * page + each) for page in (1, 2, 3) for each in range(2)]


@pytest.mark.parametrize("prefetch", [1, 4])
@pytest.mark.parametrize("transport", BLOCKING)
def test_a_blocking_client_reads_columns_over_each_transport(transport: str, prefetch: int) -> None:
    """DuckDB pulls the pages, from whichever of its threads."""
    with (
        InvoiceServer() as server,
        Client("exante", token="t", base_url=server.url, transport=transport) as client,
    ):
        rows = client.list(prefetch=prefetch).arrow(max_rows=2)

        assert [(each,) for each in IDS] == duckdb.sql("select id from rows").fetchall()
        assert 3 == rows.report.pages == len(server.requests)


@pytest.mark.parametrize("prefetch", [1, 4])
@pytest.mark.parametrize("transport", ASYNC)
def test_an_async_client_reads_columns_over_each_transport(transport: str, prefetch: int) -> None:
    """The batches come as the pages do."""

    async def read(url: str) -> Any:
        async with AsyncClient("exante", token="t", base_url=url, transport=transport) as client:
            rows = client.list(prefetch=prefetch).arrow(max_rows=4)
            return [batch.column("id").to_pylist() async for batch in rows]

    with InvoiceServer() as server:
        assert [IDS[:4], IDS[4:]] == anyio.run(read, server.url)


@pytest.mark.parametrize("provider", ["exante", "kukkingu"])
def test_columns_hold_what_the_rows_hold(provider: str) -> None:
    """The rows made of the columns of a list are the rows of the list."""
    with Client(provider, transport="sandbox") as client:
        rows = list(client.list())
        batches = list(client.list().arrow(max_rows=200))

    assert rows
    assert rows == [each for batch in batches for each in rows_of(batch)]
    amounts = [each.total.minor for each in rows if each.total is not None]
    assert sum(amounts) == sum(pl.DataFrame(each)["total_minor"].sum() for each in batches)
