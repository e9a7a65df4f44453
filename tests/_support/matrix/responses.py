"""A provider of each dialect, as small as the matrix needs it, written from the API pages.

It answers well, or as badly as an attempt of the matrix says. It never looks at what the client's
own dialects do.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import parse_qs, urlsplit

import attrs

__all__ = ["CONTRACT", "INVOICE", "ONE", "OTHER", "TENANT", "TWO", "Reply", "Responses", "uid"]

ONE: Final = "3c90c3cc-0d44-4b50-8888-8dd25736052a"
TWO: Final = "550e8400-e29b-41d4-a716-446655440001"
OTHER: Final = "99999999-0d44-4b50-8888-8dd25736052a"
INVOICE: Final = "inv_mqxd1kc6bgtcc676xoqzax47"
OTHER_INVOICE: Final = "inv_000000000000000000000000"
CONTRACT: Final = "ctr_mqxd1kc6bgtcc676xoqzax47"
TENANT: Final = "tnt_pfh0haxfpzowht3oi213cqos"
DUE: Final = "2027-01-31T00:00:00.000Z"
_PAGE: Final = b"<!doctype html><title>Sorry</title><p>Please come back later.</p>"


def uid(index: int) -> str:
    """Return the id of the invoice at *index* of a batch."""
    return f"3c90c3cc-0d44-4b50-8888-{index:012d}"


@attrs.frozen
class Reply:
    """A status and a body."""

    status: int
    body: bytes


@attrs.define
class Responses:
    """What one provider answers.

    Attributes:
        dialect: how it speaks.
        status: of its invoice, where it is read.
        pages: how many pages its lists have.
    """

    dialect: str
    status: str = "DRAFT"
    pages: int = 1

    def good(self, method: str, url: str, body: bytes | None) -> Reply:
        """Answer as documented."""
        return Reply(200, _json(self._payload(method, url, body, says="")))

    def unwell(self, method: str, url: str, body: bytes | None, says: str) -> bytes:
        """Make the body of a yes that is none, or of a no behind one."""
        if says in {"nothing", "null", "html"}:
            return {"nothing": b"", "null": b"null", "html": _PAGE}[says]
        if says == "half":
            whole = _json(self._payload(method, url, body, says=""))
            return whole[: len(whole) // 2]
        if says in {"no", "failed"}:
            return _json(self._refusal(500 if says == "failed" else None))
        assert says in {"no id", "another"}, says
        return _json(self._payload(method, url, body, says=says))

    def complaint(self, status: int) -> bytes:
        """Make the body of a response whose status says no."""
        return _json({"message": "no", "statusCode": status})

    def _refusal(self, code: int | None) -> object:
        if self.dialect == "v1":
            return {"succeeded": False, "message": "no", "errors": ["no"], "data": None}
        if self.dialect == "tenant":
            return {"message": "no", "statusCode": code or 409}
        inside = {} if code is None else {"status_code": code}
        return {"status": "error", "message": "no", **inside}

    def _payload(self, method: str, url: str, body: bytes | None, says: str) -> object:
        path, query = urlsplit(url).path, parse_qs(urlsplit(url).query)
        if self.dialect == "v1":
            receipt = {"invoiceId": OTHER if says == "another" else ONE, "amount": 64.47}
            return {"succeeded": True, "message": "", "errors": [], "data": _less(receipt, says)}
        if self.dialect == "tenant":
            is_list = method == "GET" and path.endswith("/invoices")
            status = {"finalize": "FINALIZED", "void": "VOID"}.get(path.rsplit("/", 1)[1])
            record = self._record(status or self.status, says)
            return {"data": [record] if is_list else record}
        envelope = {"status": "success", "status_code": 200, "message": "Success"}
        return {**envelope, "data": self._data(method, path, query, body, says)}

    def _data(
        self, method: str, path: str, query: Mapping[str, list[str]], body: bytes | None, says: str
    ) -> object:
        if method == "DELETE":
            return {}
        if method == "PUT" and self.dialect == "bulk":
            ids = [each["uid"] for each in json.loads(body or b"[]")]
            ids[-1:] = [OTHER] if says == "another" else ids[-1:]
            return [self._invoice(each, says) for each in ids]
        if method == "GET" and path.endswith("/invoices"):
            page = int(query["page"][0]) if "page" in query else 1
            meta = {
                "page": 7 if says == "another" else page,
                "per_page": 1,
                "total_pages": self.pages,
                "total_items": self.pages,
            }
            row = self._invoice(ONE if page == 1 else TWO, says)
            return {"items": [_without(row, "currency")], "_meta": meta}
        return self._invoice(OTHER if says == "another" else ONE, says)

    def _invoice(self, invoice_id: str, says: str) -> dict[str, Any]:
        invoice = {
            "uid": invoice_id, "invoice_number": "P-1", "status": self.status, "currency": "EUR",
            "invoice_type": "ACCOUNTS_RECEIVABLE", "total_cents": 1234, "document_uid": ONE,
            "due_date": DUE, "parties": {"client": {"uid": ONE, "name": "Kanda Denki K.K."}},
        }  # fmt: skip
        return _less(invoice, says)

    def _record(self, status: str, says: str) -> dict[str, Any]:
        record = {
            "id": OTHER_INVOICE if says == "another" else INVOICE, "contract": CONTRACT,
            "status": status, "invoiceNumber": "K-1", "exchangeRate": 1, "currencyCode": "EUR",
            "amountMinor": 1234, "issuedAt": None, "dueAt": DUE, "paidAt": None,
        }  # fmt: skip
        return _less(record, says)


def _less(record: dict[str, Any], says: str) -> dict[str, Any]:
    return _without(record, "uid", "id", "invoiceId") if says == "no id" else record


def _without(record: dict[str, Any], *names: str) -> dict[str, Any]:
    return {name: value for name, value in record.items() if name not in names}


def _json(value: object) -> bytes:
    return json.dumps(value, separators=(",", ":")).encode()
