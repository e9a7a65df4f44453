"""What a user's type checker sees; checked by mypy, never run."""

from __future__ import annotations

from datetime import date, datetime
from typing import assert_type

from arro3.core import RecordBatch, Table

from billingual import (
    AsyncClient,
    AsyncColumns,
    AsyncJob,
    AsyncPager,
    Capabilities,
    Changes,
    Client,
    ClientCredentials,
    Columns,
    Draft,
    Filter,
    Finding,
    Invoice,
    InvoiceProtocol,
    InvoiceSummary,
    Money,
    OutcomeUnknown,
    Pager,
    Receipt,
    Reconciliation,
    Replacement,
    Token,
)
from billingual.model import BadRow, DraftDict
from billingual.preview import PreviewedRequest


async def operations(client: AsyncClient, whole: Replacement, row: InvoiceSummary) -> None:
    """Every operation has the type its documentation says."""
    assert_type(await client.create(Draft(number="1", due_at="2026-12-31T00:00:00Z")), Invoice)
    assert_type(await client.get("1"), Invoice)
    assert_type(await client.update("1", Changes(status="SENT"), base=row), Invoice)
    assert_type(await client.update("1", whole), Receipt)
    assert_type(await client.update_many({"1": Changes(number="2")}), tuple[Invoice, ...])
    assert_type(await client.finalize("1"), Invoice)
    assert_type(await client.void("1"), Invoice)
    assert_type(client.preview.get("1"), PreviewedRequest)
    assert_type(client.capabilities, Capabilities)
    assert_type(client.with_options(deadline=5), AsyncClient)


async def mappings(client: AsyncClient, sync: Client, job: AsyncJob, read: DraftDict) -> None:
    """A mapping is taken wherever a draft, changes or a filter is."""
    assert_type(await client.create({"number": "1", "due_at": date(2026, 12, 31)}), Invoice)
    assert_type(await client.create(read), Invoice)
    assert_type(sync.update("1", {"due_at": None, "exchange_rate": "1.5"}), Invoice)
    assert_type(sync.update_many({"1": {"number": "2"}}), tuple[Invoice, ...])
    assert_type(sync.update_many([("1", {"number": "2"}), ("2", Changes())]), tuple[Invoice, ...])
    assert_type(client.list({"status": ["OVERDUE"], "overdue_days": "> 30"}), AsyncPager)
    assert_type(client.preview.create({"total": {"amount": "1", "currency": "EUR"}}).curl(), str)
    await job.plan([{"number": "1", "fields": {"a": "b"}}, ("1", {"number": "2"})])


def tokens(source: ClientCredentials) -> None:
    """A token is a text, what makes one, or a server of them."""
    Client("exante", token=source)
    Client("exante", token=lambda: Token("a", expires_in=60))
    AsyncClient("exante", token=later)


async def later() -> str:
    """Return a token."""
    return "a"


async def lists(client: AsyncClient) -> None:
    """A pager is walked, or asked for a part."""
    pager = client.list(Filter(status="OVERDUE", overdue_days="> 30"), sort="-due_at")
    assert_type(pager, AsyncPager)
    assert_type(await pager.first(), InvoiceSummary | None)
    assert_type(await pager.collect(limit=3), list[InvoiceSummary])
    assert_type(pager.checkpoint, str)
    assert_type(pager.arrow(), AsyncColumns)
    assert_type(await pager.arrow().read_all(), Table)
    async for batch in pager.arrow():
        assert_type(batch, RecordBatch)
    bad: list[BadRow] = []
    client.list(resume=pager.checkpoint, on_bad_row=bad.append, on_bad_page="skip")
    client.list(on_bad_row="raise", on_bad_page=lambda page: (page.number, page.error))
    async for row in pager:
        assert_type(row, InvoiceSummary)
        assert_type(row.total, Money | None)
        assert_type(row.due_at, datetime | date | None)


def blocking(client: Client, whole: Replacement) -> None:
    """The blocking client gives the same types without awaiting."""
    assert_type(client.get("1"), Invoice)
    assert_type(client.update("1", Changes(status="SENT")), Invoice)
    assert_type(client.update("1", whole), Receipt)
    assert_type(client.list(), Pager)
    assert_type(client.list().arrow(), Columns)
    assert_type(client.list().arrow().read_all(), Table)
    for batch in client.list().arrow(raw=False, max_rows=1_000):
        assert_type(batch, RecordBatch)
    assert_type(client.list().first(), InvoiceSummary | None)
    for row in client.list():
        assert_type(row, InvoiceSummary)
    assert_type(client.with_options(deadline=5), Client)


def replaceable(client: AsyncClient) -> InvoiceProtocol:
    """A client is what the protocol says a client is."""
    return client


async def unknown(client: AsyncClient, blocking: Client, error: OutcomeUnknown) -> bool:
    """An unclear end says so, and what is found out has a type; with the client, the full one."""
    found = await error.reconcile(late_arrival_s=60, wait=True)
    if found.adopted and found.invoice is not None:
        assert_type(found.invoice.number, str | None)
    assert_type(found.finding, Finding)
    assert_type(await client.reconcile(error), Reconciliation)
    assert_type(blocking.reconcile(error).invoice, Invoice | None)
    return error.maybe_applied
