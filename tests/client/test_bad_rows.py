"""A row that cannot be read costs a walk that row alone, and the walk tells."""

from __future__ import annotations

import json
from typing import Any

from billingual import AsyncClient, MemoryTransport

UIDS = [f"550e8400-e29b-41d4-a716-44665544{number:04}" for number in range(6)]
TENANT = "tnt_pfh0haxfpzowht3oi213cqos"


def pages(*rows: list[object], **meta: object) -> MemoryTransport:
    """Script a list of Exante, page by page."""
    return MemoryTransport(
        [
            MemoryTransport.json(
                json.dumps({"data": {"items": each, "_meta": {"page": number, **meta}}})
            )
            for number, each in enumerate(rows, 1)
        ]
    )


def walked(step: Any, backend: Any, transport: MemoryTransport, **options: Any) -> tuple[Any, Any]:
    """Walk a list; return its rows and the report."""
    client = AsyncClient(transport=transport, backend=backend, token="not-a-real-one", **options)
    pager = client.list()
    return step(pager.collect(limit=100)), pager.report


def test_a_walk_goes_on_behind_a_bad_row(step: Any, backend: Any) -> None:
    """All rows with an id are handed out, whatever else is wrong with them."""
    first: list[object] = [{"uid": UIDS[0]}, {"uid": UIDS[1], "overdue_days": "x"}]
    transport = pages(first, [{"uid": None}, {"uid": UIDS[2]}], [{"uid": UIDS[3]}], total_pages=3)
    rows, report = walked(step, backend, transport, provider="exante")

    assert UIDS[:4] == [row.id for row in rows]
    assert "could not be read" in report.why


def test_a_page_of_bad_rows_is_not_the_end(step: Any, backend: Any) -> None:
    """Where the provider does not count its pages, only an empty page ends a list."""
    transport = pages([{"uid": UIDS[0]}], [{}, {}], [{"uid": UIDS[1]}], [])
    rows, _ = walked(step, backend, transport, provider="exante")

    assert UIDS[:2] == [row.id for row in rows]


def test_a_whole_list_with_a_row_left_out_is_not_complete(step: Any, backend: Any) -> None:
    """A search for an invoice must not take such a list for proof that there is none."""
    invoice = {"id": "inv_mqxd1kc6bgtcc676xoqzax47", "amountMinor": "x"}
    for row, complete in ((invoice, True), ({"id": 5}, False)):
        body = json.dumps({"data": [invoice, row] if row is not invoice else [row]})
        transport = MemoryTransport([MemoryTransport.json(body)])
        rows, report = walked(step, backend, transport, provider="kukkingu", tenant=TENANT)

        assert ["inv_mqxd1kc6bgtcc676xoqzax47"] == [each.id for each in rows]
        assert complete is report.complete
