"""Whole calls by the transport's registered name, against the sandbox over real sockets."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import pytest
from billingual import AsyncClient, Client, ConfigurationError, NotFoundError
from billingual.sandbox import ACCOUNTS, Running, running

ABSENT = "00000000-0000-4000-8000-000000000000"
TOKEN = ACCOUNTS["exante"].token


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Running]:
    """Serve all providers on loopback."""
    with running() as server:
        yield server


def test_a_blocking_client_calls_through_it(sandbox: Running) -> None:
    """A list over several pages, one of its invoices in full, and a refusal."""
    address = sandbox.base_url("exante")
    with Client("exante", token=TOKEN, base_url=address, transport="stdlib") as client:
        rows = client.list(page_size=7).collect(limit=20)
        invoice = client.get(rows[0].id)

        assert 20 == len({row.id for row in rows})
        assert (rows[0].id, rows[0].number) == (invoice.id, invoice.number)
        with pytest.raises(NotFoundError):
            client.get(ABSENT)


def test_an_async_client_calls_through_it(sandbox: Running) -> None:
    """Each exchange runs in a worker thread; eight at once get their own responses."""

    async def work() -> None:
        address = sandbox.base_url("exante")
        client = AsyncClient("exante", token=TOKEN, base_url=address, transport="stdlib")
        async with client:
            rows = await client.list().collect(limit=8)
            read = await asyncio.gather(*(client.get(row.id) for row in rows))

            assert [row.id for row in rows] == [invoice.id for invoice in read]

    asyncio.run(work())


def test_a_proxy_is_refused_at_once() -> None:
    """What a transport cannot do it says before anything is sent."""
    with pytest.raises(ConfigurationError, match="knows no proxy"):
        Client("exante", token=TOKEN, transport="stdlib", proxy="http://127.0.0.1:1")
