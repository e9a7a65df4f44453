"""What the contestants share: the orders, the wire, and how they tell what they failed to do.

A contestant is run as ``python NAME.py FOLDER``. It finds ``race.json`` and ``orders.json`` there,
may keep what it likes there, and ends when it thinks that it is done. One that is killed is run
again with the same folder.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any, Final

import attrs
import httpx

TIMEOUT_S: Final = 10.0
TRIES: Final = 8


@attrs.frozen
class Race:
    """One run.

    Attributes:
        folder: where a contestant may keep things.
        url: the root of the provider's API.
        provider: ``sandbox`` or ``localstripe``.
        marked: whether a create carries what makes it known when it comes again: a number of its
            own at the sandbox, an Idempotency-Key at localstripe.
        at_once: requests under way.
        late_arrival_s: after which no request arrives any more.
        postgres: how to connect to a PostgreSQL.
        orders: what there is to invoice.
    """

    folder: Path
    url: str
    provider: str
    marked: bool
    at_once: int
    late_arrival_s: float
    postgres: str
    orders: list[dict[str, str]]

    def request(self, order: dict[str, str]) -> dict[str, Any]:
        """Return the create of an order as arguments of httpx's request."""
        headers = {"Authorization": f"Bearer {order['token']}"}
        if self.provider == "localstripe":
            form = {"customer": order["customer"], "metadata[order]": order["order"]}
            headers |= {"Idempotency-Key": order["order"]} if self.marked else {}
            return {"method": "POST", "url": f"{self.url}/v1/invoices", "data": form,
                    "headers": headers}  # fmt: skip
        body = {
            "target_party_uid": order["party"],
            "owner_uid": order["owner"],
            "document_uid": order["document"],
            "issue_date": order["issued"],
            "invoice_fields": {"order": {"type": "text", "value": order["order"]}},
        }
        body |= {"invoice_number": order["order"]} if self.marked else {}
        return {"method": "POST", "url": f"{self.url}/api/invoices", "json": body,
                "headers": headers}  # fmt: skip

    def end(self, failed: list[str], unclear: list[str] | None = None) -> None:
        """Tell which orders came to nothing, and of which it is not known; the rest is done."""
        told = {"failed": failed, "open": unclear or []}
        (self.folder / "told.json").write_text(json.dumps(told), encoding="utf-8")


def passes(error: BaseException) -> bool:
    """Tell what may go better another time: no response, or a 5xx."""
    refused = isinstance(error, httpx.HTTPStatusError) and error.response.status_code < 500
    return isinstance(error, httpx.HTTPError) and not refused


def race() -> Race:
    """Read what this process is told."""
    folder = Path(sys.argv[1])
    return Race(folder, **json.loads((folder / "race.json").read_text(encoding="utf-8")))
