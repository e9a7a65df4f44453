"""An Exante whose list moves while it is read: rows come, change and go between pages.

It filters by status and by the days of issue and payment, and orders rows as it is told, which may
be another order for each request.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import date
from typing import Any
from urllib.parse import parse_qs, urlsplit

import attrs

from billingual import MemoryTransport
from billingual.wire import WireRequest, WireResponse

__all__ = ["MovingList", "Row"]


@attrs.define
class Row:
    """One invoice."""

    number: int
    status: str
    issued: date | None = None
    paid: date | None = None

    @property
    def uid(self) -> str:
        """Its id."""
        return f"00000000-0000-4000-8000-{self.number:012x}"

    def to_wire(self) -> dict[str, Any]:
        """Write it as Exante does."""
        return {
            "uid": self.uid,
            "invoice_number": f"N-{self.number}",
            "status": self.status,
            "issue_date": self.issued and f"{self.issued}T12:00:00Z",
            "paid_date": self.paid and f"{self.paid}T12:00:00Z",
            "total_cents": 100 * self.number,
        }


class MovingList:
    """The rows, and a transport that serves them.

    Attributes:
        rows: by number.
        order: what rows are sorted by for a request.
        before: called with the number of each request before it is answered.
        requests: how many there were.
    """

    def __init__(self, rows: list[Row], *, page_size: int = 100) -> None:
        self.rows = {each.number: each for each in rows}
        self.order: Callable[[Row], Any] = lambda row: row.number
        self.before: Callable[[int], object] = lambda _: None
        self.requests = 0
        self._page_size = page_size
        self.transport = MemoryTransport(self._respond)

    def options(self) -> dict[str, Any]:
        """Return what a client of this list is made with."""
        return {"provider": "exante", "token": "t", "transport": self.transport, "retry": "none"}

    def truth(self) -> dict[str, str]:
        """Return the status of each invoice by its id."""
        return {row.uid: row.status for row in self.rows.values()}

    def _respond(self, request: WireRequest) -> WireResponse:
        self.requests += 1
        self.before(self.requests)
        url = urlsplit(request.url)
        last = url.path.rsplit("/", 1)[-1]
        if last != "invoices":
            found = next((row for row in self.rows.values() if row.uid == last), None)
            if found is None:
                text = '{"status": "error", "status_code": 404, "message": "not found"}'
                return MemoryTransport.json(text, status=404)
            return _success(found.to_wire())
        asked = {name: each[0] for name, each in parse_qs(url.query).items()}
        rows = sorted((row for row in self.rows.values() if _matches(row, asked)), key=self.order)
        size, page = min(self._page_size, int(asked["per_page"])), int(asked["page"])
        items = [row.to_wire() for row in rows[(page - 1) * size : page * size]]
        pages = -(-len(rows) // size)
        meta = {"page": page, "per_page": size, "total_pages": pages, "total_items": len(rows)}
        return _success({"items": items, "_meta": meta})


def _matches(row: Row, asked: dict[str, str]) -> bool:
    if "status" in asked and row.status not in asked["status"].split(","):
        return False
    for name, day in (("issue", row.issued), ("paid", row.paid)):
        first, last = (asked.get(f"{name}_date_{end}") for end in ("from", "to"))
        if (first or last) and day is None:
            return False
        if first and str(day) < first[:10]:
            return False
        if last and str(day) > last[:10]:
            return False
    return True


def _success(data: object) -> WireResponse:
    return MemoryTransport.json(
        json.dumps({"status": "success", "status_code": 200, "message": "ok", "data": data})
    )
