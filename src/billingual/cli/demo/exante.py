"""The exante dialect: one invoice at a time, and lists in pages."""

from __future__ import annotations

from datetime import UTC, date, datetime
from itertools import pairwise
from time import perf_counter
from typing import Any, Final

from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from billingual.cli.demo.context import DemoContext
from billingual.cli.demo.steps import refused
from billingual.client import AsyncClient
from billingual.errors import OutcomeUnknown
from billingual.model import Changes, Draft, Filter, InvoiceSummary
from billingual.sandbox import LANDMARKS

__all__ = ["exante_chapter", "fault_chapter", "smallest_draft"]

_NUMBER: Final = "DEMO-LOST-RESPONSE"
_PAGE: Final = 25
_SHOWN: Final = 5
_DUE: Final = datetime(2026, 12, 31, tzinfo=UTC)


def smallest_draft(number: str | None = None) -> Draft:
    """Return a draft with only what Exante requires, and a number if one is given."""
    required = Draft(
        counterparty=LANDMARKS["exante_party"],
        owner=LANDMARKS["exante_owner"],
        document=LANDMARKS["exante_document"],
    )
    given: dict[str, Any] = required.given()
    return required if number is None else Draft(**given, number=number)


async def exante_chapter(context: DemoContext) -> None:
    """Create, get, update, list, and walk everything there is."""
    context.screen.chapter(
        "exante",
        "Dialect exante (provider exante)",
        "Every response comes in an envelope {status, status_code, message, data}. Here the client "
        "creates, reads, changes and lists invoices one by one.",
    )
    async with context.client("exante") as invoices:
        await _create_small(context, invoices)
        await _create_full(context, invoices)
        await _update(context, invoices)
        await _list_overdue(context, invoices)
        await _walk(context, invoices)


async def _create_small(context: DemoContext, invoices: AsyncClient) -> None:
    with context.screen.step(
        "create: three fields are enough, Exante numbers the invoice"
    ) as result:
        made = await invoices.create(smallest_draft())
        context.created.append(made.id)
        result.holds(
            bool(made.number) and made.status == "DRAFT",
            f"invoice {made.number}, {made.status}, id {made.id}",
        )


async def _create_full(context: DemoContext, invoices: AsyncClient) -> None:
    with context.screen.step("create: a full draft comes back as it was given") as result:
        draft = Draft(
            counterparty=LANDMARKS["exante_party"],
            owner=LANDMARKS["exante_owner"],
            document=LANDMARKS["exante_document"],
            blueprint=LANDMARKS["exante_blueprint"],
            number="DEMO-0001",
            status="DRAFT",
            currency="EUR",
            kind="receivable",
            issued_at="2026-11-21T00:00:00Z",
            due_at="2026-12-21T00:00:00Z",
            fields={"payment_terms": "NET_30", "project": "Lighthouse"},
        )
        made = await invoices.create(draft)
        context.created.append(made.id)
        fields = {each.key: each.value for each in made.fields}
        same = (made.number, made.currency, made.due_at) == (
            draft.number,
            draft.currency,
            draft.due_at,
        )
        result.holds(
            same and fields == {"payment_terms": "NET_30", "project": "Lighthouse"},
            f"invoice {made.number}, {made.currency}, due {_day(made.due_at)}, "
            f"custom fields {', '.join(f'{k}={v}' for k, v in fields.items())}",
        )


async def _update(context: DemoContext, invoices: AsyncClient) -> None:
    full = context.created[-1]
    with context.screen.step("update: only the fields you give are sent") as result:
        before = await invoices.get(full)
        changed = await invoices.update(full, Changes(due_at=_DUE, status="SENT"))
        result.holds(
            changed.due_at == _DUE and changed.number == before.number,
            f"due {_day(before.due_at)} -> {_day(changed.due_at)}, "
            f"{before.status} -> {changed.status}, number still {changed.number}",
        )
    with context.screen.step("get: the change is really there") as result:
        again = await invoices.get(full)
        result.holds(
            (again.due_at, again.status) == (_DUE, "SENT"),
            f"{again.number}: {again.status}, due {_day(again.due_at)}, total {again.total}",
        )


async def _list_overdue(context: DemoContext, invoices: AsyncClient) -> None:
    claim = "list: overdue by more than 30 days, latest due date first, page by page"
    rows: list[InvoiceSummary] = []
    with context.screen.step(claim) as result:
        pager = invoices.list(
            Filter(status="OVERDUE", overdue_days="> 30"), sort="-due_at", page_size=_PAGE
        )
        rows = [row async for row in pager]
        report = pager.report
        late = all(row.status == "OVERDUE" and (row.overdue_days or 0) > 30 for row in rows)
        dates = [row.due_at for row in rows if row.due_at is not None]
        sorted_ = len(dates) == len(rows) and all(a >= b for a, b in pairwise(dates))
        result.holds(
            late and sorted_ and report.rows == report.total_items,
            f"{report.rows} of {report.total_items} rows in {report.pages} "
            f"page{'s' if report.pages != 1 else ''} of up to {_PAGE}",
        )
    context.screen.table(
        ("number", "due", "days late", "minor units", "to be paid by"),
        [_cells(row) for row in rows[:_SHOWN]],
        numeric=("days late", "minor units"),
    )
    if len(rows) > _SHOWN:
        context.screen.say(
            f"... and {len(rows) - _SHOWN} more. Rows of an Exante list state no currency, so "
            "billingual shows minor units and assumes none.",
            indent=4,
        )


async def _walk(context: DemoContext, invoices: AsyncClient) -> None:
    """Walk the whole list and compare it with what the sandbox says it holds."""
    with context.screen.step("list: walk every receivable invoice there is") as result:
        stored = {
            row["uid"]
            for row in await context.control.invoices("exante")
            if row["organization"] == LANDMARKS["exante_organization"]
            and row["type"] == "ACCOUNTS_RECEIVABLE"
        }
        pager = invoices.list(Filter(include_inactive=True))
        walked: list[str] = []
        began = perf_counter()
        with _progress(context) as progress:
            task = progress.add_task("walking", total=len(stored), rate="")
            async for page in pager.pages():
                walked.extend(row.id for row in page.items)
                rate = len(walked) / max(perf_counter() - began, 1e-9)
                progress.update(task, completed=len(walked), rate=f"{rate:,.0f} rows/s")
        took = max(perf_counter() - began, 1e-9)
        result.holds(
            len(walked) == len(stored) and set(walked) == stored,
            f"{len(walked):,} invoices (the {len(context.created)} just created among them) in "
            f"{pager.report.pages} pages, {took:.2f} s, {len(walked) / took:,.0f} rows/s; exactly "
            f"the {len(stored):,} that the sandbox's own store holds",
        )


def _progress(context: DemoContext) -> Progress:
    console = context.screen.console
    return Progress(
        TextColumn("    {task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[rate]}"),
        TimeRemainingColumn(),
        console=console,
        transient=True,
        disable=not console.is_terminal,
    )


def _cells(row: InvoiceSummary) -> tuple[str, ...]:
    party = row.counterparty.name if row.counterparty else None
    minor = "" if row.total is None else f"{row.total.minor:,}"
    return (row.number or "", _day(row.due_at), str(row.overdue_days), minor, party or "")


def _day(moment: datetime | date | None) -> str:
    return "none" if moment is None else f"{moment:%Y-%m-%d}"


async def fault_chapter(context: DemoContext) -> None:
    """Wait out a rate limit; lose the response of a create, and find out what became of it."""
    context.screen.chapter(
        "exante",
        "When things go wrong (provider exante)",
        "The sandbox now fails on purpose: first it refuses a request with 429, then it must "
        "carry a create out and cut the connection before it responds.",
    )
    async with context.client("exante") as invoices:
        await _rate_limit(context, invoices)
        await _lost_response(context, invoices)


async def _rate_limit(context: DemoContext, invoices: AsyncClient) -> None:
    with context.screen.step(
        "429 with Retry-After: the client waits as asked and goes on"
    ) as result:
        await context.control.order(
            {"kind": "rate_limit", "provider": "exante", "retry_after": "1"}
        )
        first = await invoices.list(page_size=1).first()
        result.holds(
            context.screen.sent == 2,
            f"2 requests, then the row: {first.number if first else 'an empty list'}",
        )


async def _lost_response(context: DemoContext, invoices: AsyncClient) -> None:
    with context.screen.step("create, response lost: OutcomeUnknown, and no second try") as result:
        await context.control.order(
            {"kind": "drop_after_commit", "provider": "exante", "method": "POST"}
        )
        unknown = await refused(OutcomeUnknown, invoices.create(smallest_draft(_NUMBER)))
        result.holds(
            unknown.maybe_applied and len(unknown.attempts) == 1,
            f"OutcomeUnknown: {unknown}",
        )
    with context.screen.step("list by its number: so it was applied, once") as result:
        found = [
            row async for row in invoices.list(Filter(search=_NUMBER)) if row.number == _NUMBER
        ]
        result.holds(
            len(found) == 1,
            f"{len(found)} invoice {_NUMBER} at the provider. Nothing was guessed: sending the "
            "create again would have been the mistake. Then the demo deletes it.",
        )
        await invoices.delete_many([row.id for row in found])
