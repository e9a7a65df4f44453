"""A program that lands many invoices of a provider in this process, and says what memory it took.

It is given how many, the target and options of ``land`` in JSON. The provider is a transport that
makes each page when it is asked for, so that the memory is that of the client alone.
"""

from __future__ import annotations

import json
import sys
from datetime import date, timedelta
from typing import Final
from urllib.parse import parse_qs, urlsplit

from _support.memory import peak
from billingual import Client
from billingual.wire import Bounds, WireRequest, WireResponse

FIRST: Final = date(2024, 1, 1)
DAYS: Final = 1000
_PARTY: Final = {
    "uid": "86928a8b-3963-4031-9555-940d315d623a",
    "name": "Initech Labs",
    "address": "52 Mill Lane",
    "role": "CLIENT",
}
_AMOUNTS: Final = {"total": 673_294, "subtotal": 566_794, "tax": 107_500, "amount_due": 673_294}


class Provider:
    """As many invoices as are wanted, evenly over the days of issue."""

    supports = frozenset({"sync"})

    def __init__(self, count: int) -> None:
        self._count = count
        self._each_day = -(-count // DAYS)

    async def send(self, request: WireRequest, bounds: Bounds) -> WireResponse:
        """Make a page."""
        query = {name: values[0] for name, values in parse_qs(urlsplit(request.url).query).items()}
        low = self._place(query.get("issue_date_from"), 0, otherwise=0)
        high = self._place(query.get("issue_date_to"), 1, otherwise=self._count)
        if "status" in query or "paid_date_from" in query:
            high = low  # all of them are final
        page, size = int(query.get("page", "1")), int(query.get("per_page", "10"))
        places = range(low, high)
        if query.get("sort", "").startswith("-"):
            places = places[::-1]
        data = {
            "items": [self._row(each) for each in places[(page - 1) * size : page * size]],
            "_meta": {
                "page": page,
                "per_page": size,
                "total_pages": -(-len(places) // size),
                "total_items": len(places),
            },
        }
        body = {"status": "success", "status_code": 200, "message": "", "data": data}
        return WireResponse(status=200, body=json.dumps(body).encode())

    async def aclose(self) -> None:
        """Do nothing."""

    def _place(self, day: str | None, later: int, *, otherwise: int) -> int:
        if day is None:
            return otherwise
        days = (date.fromisoformat(day[:10]) - FIRST).days + later
        return max(0, min(self._count, days * self._each_day))

    def _row(self, place: int) -> dict[str, object]:
        issued = FIRST + timedelta(days=place // self._each_day)
        return {
            "uid": f"{place * 2_654_435_761 % 2**32:08x}-0000-4000-8000-{place:012x}",
            "invoice_number": f"INV-{place:09}",
            "status": "PAID",
            "issue_date": f"{issued}T00:00:00Z",
            "due_date": f"{issued + timedelta(days=30)}T00:00:00Z",
            "collection_method": "send_invoice",
            "party": _PARTY,
            **_AMOUNTS,
        }


def main(count: str, target: str, options: str) -> None:
    """Land, and print rows, windows that are not whole, and MiB at the peak."""
    with Client("exante", token="t" * 12, transport=Provider(int(count))) as client:
        report = client.land(target, **json.loads(options))
    sys.stdout.write(json.dumps([report.counts.new, len(report.incomplete), peak() // 2**20]))


if __name__ == "__main__":
    main(*sys.argv[1:])
