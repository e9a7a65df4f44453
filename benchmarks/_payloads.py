"""Payloads with the documented fields and values as a company would see them; always the same ones.

A row of a list is about 1,050 bytes, a full invoice (1 to 4 lines, 2 parties, 2 custom fields)
about 2,870. The first block of a row's uid stands for its page, so that a server can make any
page of a long list by one replacement.

Source: https://docs.exante.app/api-reference/invoices/list and ``/bulk-update``, read 2026-11.
"""

from __future__ import annotations

import json
import random
from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Final

ROWS: Final = 100
PAGE: Final = "@@@@@@@@"
"""Where the page stands in the uid of a row, eight digits wide."""

_SPREAD: Final = 2_654_435_761  # odd, so no two pages share a block; their uids look random
_NAMES: Final = (
    "Northwind Components GmbH", "Blue Harbour Logistics B.V.", "Société Générale du Béton",
    "Acme Analytics Inc.", "Kōbe Precision Works K.K.", "Lighthouse Dental Partners LLP",
    "Granite & Sons Construction Ltd", "Verdant Foods Cooperative",
)  # fmt: skip
_STREETS: Final = ("Hafenstrasse", "Prinsengracht", "Rue de la Paix", "Market Street")
_CITIES: Final = ("20457 Hamburg, Germany", "1016 GZ Amsterdam, Netherlands", "75002 Paris, France")
_PEOPLE: Final = ("Ada Lindqvist", "Jonas Berger", "Mireille Fontaine", "Priya Raghavan")
_TITLES: Final = ("Accounts Payable Lead", "Finance Manager", "Head of Procurement")
_GOODS: Final = ("Annual platform licence", "Onboarding workshop", "Support hours, tier two")
_STATUSES: Final = ("SENT", "OVERDUE", "PARTIALLY_PAID", "PAID", "DRAFT")
_NOW: Final = datetime(2026, 11, 1, tzinfo=UTC)


class _Maker:
    """Make records from one seed."""

    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed)  # noqa: S311 - not for secrets

    def uid(self) -> str:
        digits = f"{self._random.getrandbits(128):032x}"
        return f"{digits[:8]}-{digits[8:12]}-4{digits[13:16]}-8{digits[17:20]}-{digits[20:]}"

    def row(self, uid: str) -> dict[str, object]:
        """Make a row of a list."""
        return {
            "uid": uid,
            "parent_contract": {
                "filename": f"master-services-agreement-{self._random.randrange(10**4):04}.pdf",
                "uid": self.uid(),
                "is_archived": False,
            },
            **self._amounts(self._random.randrange(10_000, 5_000_000)),
            **self._dates(),
            "invoice_number": f"INV-2026-{self._random.randrange(10**6):06}",
            "document_uid": self.uid(),
            "status": self._random.choice(_STATUSES),
            "collection_method": "send_invoice",
            "blueprint": {"is_active": True},
            "parties": {"client": self._party("client")},
        }

    def invoice(self, uid: str, count: int) -> dict[str, object]:
        """Make an invoice in full, with *count* lines."""
        lines = [self._line(uid) for _ in range(count)]
        return {
            "uid": uid,
            "invoice_number": f"INV-2026-{self._random.randrange(10**6):06}",
            "invoice_type": "ACCOUNTS_RECEIVABLE",
            "status": self._random.choice(_STATUSES),
            "collection_method": "send_invoice",
            **self._dates(),
            **self._amounts(sum(int(str(line["line_total"])) for line in lines)),
            "currency": "EUR",
            "invoice_link": f"https://pay.example/invoices/{uid}",
            "document_uid": self.uid(),
            "invoice_blueprint_uid": self.uid(),
            "target_party_uid": self.uid(),
            "age": self._random.randrange(90),
            "has_comments": False,
            "line_items": lines,
            "invoice_fields": [
                self._field("payment_terms", "NET_30"),
                self._field("cost_center", f"CC-{self._random.randrange(1000):03}"),
            ],
            "parties": {
                "client": self._party("client"),
                "service_provider": self._party("service_provider"),
            },
            "integrations": [],
            "invoice_notes": {
                "invoice_memo": (
                    "Thank you for your business. Please state the invoice number in your "
                    "transfer, so that it can be matched without asking back."
                ),
                "invoice_footer": "Registered in Hamburg, HRB 12345",
            },
            "comments": [],
        }

    def _amounts(self, subtotal: int) -> dict[str, object]:
        discount = subtotal * self._random.randrange(10) // 100
        tax = (subtotal - discount) * 19 // 100
        total = subtotal - discount + tax
        paid = self._random.choice((0, 0, total // 2, total))
        return {
            "subtotal_cents": subtotal, "discount_cents": discount, "tax_cents": tax,
            "total": total, "total_cents": total, "pre_payment_credit_notes_cents": 0,
            "amount_due_cents": total, "amount_paid_cents": paid,
            "amount_remaining_cents": total - paid, "overdue_days": self._random.randrange(60),
        }  # fmt: skip

    def _dates(self) -> dict[str, object]:
        issued = _NOW - timedelta(minutes=self._random.randrange(500_000))
        due = issued + timedelta(days=30)
        paid = issued + timedelta(days=self._random.randrange(60), hours=3)
        return {
            "issue_date": f"{issued:%Y-%m-%dT%H:%M:%SZ}",
            "due_date": f"{due:%Y-%m-%dT%H:%M:%SZ}",
            "paid_date": f"{paid:%Y-%m-%dT%H:%M:%SZ}" if self._random.random() < 0.5 else None,
        }

    def _party(self, role: str) -> dict[str, object]:
        uid, person = self.uid(), self._random.choice(_PEOPLE)
        street, city = self._random.choice(_STREETS), self._random.choice(_CITIES)
        return {
            "uid": uid,
            "name": self._random.choice(_NAMES),
            "address": f"{street} {self._random.randrange(1, 200)}, {city}",
            "billing_contact": {
                "uid": self.uid(),
                "party_uid": uid,
                "name": person,
                "title": self._random.choice(_TITLES),
                "email": f"{person.lower().replace(' ', '.')}@example.com",
                "phone": f"+49 40 {self._random.randrange(10**6, 10**7)}",
            },
            "role": role,
        }

    def _line(self, invoice: str) -> dict[str, object]:
        quantity, price = self._random.randrange(1, 20), self._random.randrange(100, 200_000)
        return {
            "uid": self.uid(),
            "invoice_uid": invoice,
            "context_type_uid": self.uid(),
            "context_type": "PRODUCT",
            "context_name": self._random.choice(_GOODS),
            "currency": "EUR",
            "quantity": quantity,
            "unit_price": price,
            "line_total": quantity * price,
        }

    @staticmethod
    def _field(key: str, value: str) -> dict[str, object]:
        return {"key": key, "value": {"type": "string", "original_type": "string", "value": value}}


def _compact(value: object) -> bytes:
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False).encode()


def _enveloped(data: object, message: str = "Success") -> bytes:
    envelope = {"status": "success", "status_code": 200, "message": message, "data": data}
    return _compact(envelope)


def single() -> tuple[str, bytes]:
    """Return the id of a full invoice, and the response that holds it."""
    made = _Maker(1)
    uid = made.uid()
    return uid, _enveloped(made.invoice(uid, 4))


def bulk() -> tuple[tuple[str, ...], bytes]:
    """Return the ids of 100 full invoices, and the response of a bulk update to SENT of them."""
    made = _Maker(2)
    ids = tuple(made.uid() for _ in range(ROWS))
    invoices = [
        made.invoice(uid, 1 + index % 4) | {"status": "SENT"} for index, uid in enumerate(ids)
    ]
    return ids, _enveloped(invoices, f"Successfully updated {ROWS} invoice(s)")


class Pages:
    """A list of *total* invoices, 100 to the page; any page is made by a replacement."""

    def __init__(self, total: int) -> None:
        if total <= 0 or total % ROWS:
            raise ValueError(total)
        self.total = total
        self.last = total // ROWS
        made = _Maker(3)
        uids = [PAGE + made.uid()[len(PAGE) :] for _ in range(ROWS)]
        rows = [made.row(uid) for uid in uids]
        self._rows = _compact(rows)
        self._objects = _compact([{"id": row["uid"], "object": "invoice", **row} for row in rows])

    def exante(self, number: int) -> bytes:
        """Return page *number* as documented."""
        meta = {
            "page": number, "per_page": ROWS, "total_pages": self.last, "total_items": self.total
        }  # fmt: skip
        links = {"self": f"/api/invoices?page={number}&per_page={ROWS}"}
        for name, other in (("next", number + 1), ("prev", number - 1)):
            if 1 <= other <= self.last:
                links[name] = f"/api/invoices?page={other}&per_page={ROWS}"
        head = b'{"status":"success","status_code":200,"message":"Success","data":{"items":'
        rows = self._numbered(self._rows, number)
        return b"%s%s,%s}}" % (head, rows, _members({"_meta": meta, "_links": links}))

    def stripe(self, number: int) -> bytes:
        """Return the same rows in the envelope that stripe's own paging walks."""
        more = b"true" if number < self.last else b"false"
        head = b'{"object":"list","url":"/v1/invoices","has_more":%s,"data":' % more
        return b"%s%s}" % (head, self._numbered(self._objects, number))

    @staticmethod
    def _numbered(rows: bytes, number: int) -> bytes:
        return rows.replace(PAGE.encode(), b"%08x" % (number * _SPREAD % 2**32))

    @staticmethod
    def number_of(uid: str) -> int:
        """Return the page that a row stands on."""
        return int(uid[: len(PAGE)], 16) * pow(_SPREAD, -1, 2**32) % 2**32


class Days:
    """A list of *total* invoices, 100 for each day of issue; one day in twenty they are open.

    Attributes:
        first: the day of the first ones.
    """

    _DAY: Final = "####-##-##"
    _STATUS: Final = "????"
    _EVERY: Final = 20

    def __init__(self, total: int) -> None:
        if total <= 0 or total % ROWS:
            raise ValueError(total)
        self._count = total // ROWS
        self.first = _NOW.date() - timedelta(days=self._count)
        made = _Maker(3)
        told = {"issue_date": f"{self._DAY}T10:00:00Z", "status": self._STATUS}
        uids = [PAGE + made.uid()[len(PAGE) :] for _ in range(ROWS)]
        self._rows = _compact([made.row(uid) | told for uid in uids])

    def page(
        self, number: int, *, since: str = "", until: str = "9999", is_open: bool = False
    ) -> bytes:
        """Return page *number* of the days from *since* to *until*, or of those that are open."""
        first = max(0, (date.fromisoformat(since) - self.first).days) if since else 0
        last = self._count - 1
        if until != "9999":
            last = min(last, (date.fromisoformat(until) - self.first).days)
        days = [each for each in range(first, last + 1) if not is_open or each % self._EVERY == 0]
        meta = {
            "page": number, "per_page": ROWS, "total_pages": len(days),
            "total_items": ROWS * len(days),
        }  # fmt: skip
        items = self._of(days[number - 1]) if number <= len(days) else b"[]"
        head = b'{"status":"success","status_code":200,"message":"Success","data":{"items":'
        return b"%s%s,%s}}" % (head, items, _members({"_meta": meta}))

    def _of(self, day: int) -> bytes:
        status = b"PAID" if day % self._EVERY else b"SENT"
        return (
            self._rows.replace(PAGE.encode(), b"%08x" % (day * _SPREAD % 2**32))
            .replace(self._DAY.encode(), str(self.first + timedelta(days=day)).encode())
            .replace(self._STATUS.encode(), status)
        )


class Batches:
    """Batches of 100 invoices, and the responses to updates of any that are asked for."""

    def __init__(self) -> None:
        made = _Maker(4)
        self._ids = tuple(PAGE + made.uid()[len(PAGE) :] for _ in range(ROWS))
        self._invoices = [
            _compact(made.invoice(PAGE, 1 + index % 4) | {"status": "SENT"})
            for index in range(ROWS)
        ]
        self._item = _compact(
            {"update": {"_index": "invoices", "_id": PAGE, "_version": 2, "result": "updated",
                        "_shards": {"total": 2, "successful": 1, "failed": 0}, "_seq_no": 1,
                        "_primary_term": 1, "status": 200}}
        )  # fmt: skip
        self._before = _enveloped(made.invoice(PAGE, 4) | {"status": "DRAFT"})

    def ids(self, number: int) -> tuple[str, ...]:
        """Return the ids of a batch."""
        block = f"{number * _SPREAD % 2**32:08x}"
        return tuple(block + uid[len(PAGE) :] for uid in self._ids)

    def updated(self, uids: Sequence[bytes]) -> bytes:
        """Return the response to a bulk update to SENT."""
        return (
            b'{"status":"success","status_code":200,"message":"Success","data":[%s]}'
            % b",".join(
                invoice.replace(PAGE.encode(), uid)
                for invoice, uid in zip(self._invoices, uids, strict=False)
            )
        )

    def indexed(self, uids: Sequence[bytes]) -> bytes:
        """Return the response of Elasticsearch to a bulk request.

        Source: https://www.elastic.co/docs/api/doc/elasticsearch/operation/operation-bulk
        """
        items = b",".join(self._item.replace(PAGE.encode(), uid) for uid in uids)
        return b'{"took":1,"errors":false,"items":[%s]}' % items

    def invoice(self, uid: bytes) -> bytes:
        """Return the response that holds one invoice, as it was before."""
        return self._before.replace(PAGE.encode(), uid)


def _members(record: Mapping[str, object]) -> bytes:
    return _compact(record)[1:-1]


def page() -> bytes:
    """Return the response that holds 100 rows of a list of as many."""
    return Pages(ROWS).exante(1)
