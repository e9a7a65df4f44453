"""Operations of the four dialects, each with a response such as its provider documents."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any, Final

import attrs

from billingual import Changes, Draft, Money, Provider, providers
from billingual.model import Discount, Replacement, ReplacementLine, Tax

__all__ = ["CALLS", "GOLDEN", "Call", "Golden"]

ONE: Final = "3c90c3cc-0d44-4b50-8888-8dd25736052a"
TWO: Final = "550e8400-e29b-41d4-a716-446655440001"
INVOICE: Final = "inv_mqxd1kc6bgtcc676xoqzax47"
CONTRACT: Final = "ctr_mqxd1kc6bgtcc676xoqzax47"
TENANT: Final = "tnt_pfh0haxfpzowht3oi213cqos"
KATSU: Final = providers.katsu(currencies={"USD": 1})
LATER: Final = Changes(due_at="2027-01-31T00:00:00Z")
WHOLE: Final = Replacement(
    counterparty=TWO, counterparty_name="Kanda Denki K.K.", receiving_account=ONE,
    account_name="Operating account", due_at="2026-12-31T00:00:00Z", currency="USD",
    lines=[ReplacementLine(product_id=TWO, quantity=3, unit_price="19.99")],
    taxes=[Tax(tax_id=ONE, percentage="7.5")], discount=Discount(type=2, value=5),
    description="whole", billing_cycle=6, recurring=False, payment_methods=[1], notifications=[],
    remind_days_before=[], remind_days_after=[], remind_on_due_date=False,
)  # fmt: skip


@attrs.frozen(kw_only=True)
class Call:
    """An operation, for either client.

    Attributes:
        provider: who is asked.
        make: makes the call.
        writes: whether it can change anything there.
    """

    provider: str | Provider
    make: Callable[[Any], Any]
    writes: bool = True

    @property
    def options(self) -> dict[str, Any]:
        """List what a client of that provider is made with."""
        tenant = TENANT if self.provider == "kukkingu" else None
        return {"provider": self.provider, "token": "tok_" + "t" * 20, "tenant": tenant}


CALLS: Final = {
    "exante create": Call(
        provider="exante",
        make=lambda c: c.create(
            Draft(
                counterparty=TWO, owner=TWO, document=ONE, number="INV-2026-0042", currency="EUR"
            )
        ),
    ),
    "exante get": Call(provider="exante", make=lambda c: c.get(ONE), writes=False),
    "exante list": Call(
        provider="exante", make=lambda c: c.list().collect(limit=9), writes=False
    ),
    "exante update": Call(provider="exante", make=lambda c: c.update(ONE, LATER)),
    "bulk update_many": Call(
        provider="exante", make=lambda c: c.update_many({ONE: LATER, TWO: LATER})
    ),
    "bulk delete_many": Call(provider="exante", make=lambda c: c.delete_many([ONE, TWO])),
    "v1 replace": Call(provider=KATSU, make=lambda c: c.update(ONE, WHOLE)),
    "tenant create": Call(
        provider="kukkingu",
        make=lambda c: c.create(
            Draft(
                number="K-1", document=CONTRACT, total=Money.of("12.34", "EUR"), exchange_rate="1"
            )
        ),
    ),
    "tenant get": Call(provider="kukkingu", make=lambda c: c.get(INVOICE), writes=False),
    "tenant list": Call(
        provider="kukkingu", make=lambda c: c.list().collect(limit=9), writes=False
    ),
    "tenant update": Call(provider="kukkingu", make=lambda c: c.update(INVOICE, LATER)),
    "tenant finalize": Call(provider="kukkingu", make=lambda c: c.finalize(INVOICE)),
    "tenant void": Call(provider="kukkingu", make=lambda c: c.void(INVOICE)),
}  # fmt: skip


@attrs.frozen(kw_only=True)
class Golden:
    """A call and one response to it.

    Attributes:
        call: name of the call.
        status: of the response.
        body: of the response.
    """

    call: str
    status: int
    body: bytes


def _body(value: object) -> bytes:
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False).encode()


def _exante(data: object) -> bytes:
    envelope = {"status": "success", "status_code": 200, "message": "Success"}
    return _body({**envelope, "data": data})


def _refusal(code: int, message: str) -> bytes:
    return _body({"status": "error", "status_code": code, "message": message})


def _row(uid: str) -> dict[str, object]:
    return {
        "uid": uid, "invoice_number": "INV-2026-0042", "status": "SENT", "total_cents": 123_450,
        "due_date": "2027-01-31T00:00:00Z", "parties": {"client": {"uid": TWO, "name": "Café 你"}},
    }  # fmt: skip


def _invoice(uid: str) -> dict[str, object]:
    line = {"uid": TWO, "quantity": 2, "unit_price": 61_725, "line_total": 123_450}
    return {
        **_row(uid), "invoice_type": "ACCOUNTS_RECEIVABLE", "currency": "EUR",
        "line_items": [line], "invoice_fields": [{"key": "k", "value": {"value": 12.5}}],
    }  # fmt: skip


def _page(*uids: str) -> bytes:
    meta = {"page": 1, "per_page": 100, "total_pages": 1, "total_items": len(uids)}
    return _exante({"items": [_row(uid) for uid in uids], "_meta": meta})


def _record(status: str) -> dict[str, object]:
    return {
        "id": INVOICE, "contract": CONTRACT, "status": status, "invoiceNumber": "K-1",
        "exchangeRate": 1, "currencyCode": "EUR", "amountMinor": 1234,
        "dueAt": "2027-01-31T00:00:00.000Z", "paidAt": None,
    }  # fmt: skip


_RECEIPT: Final = {"invoiceId": ONE, "amount": 55.37}
_STRIPPED: Final = {"statusCode": 409, "message": "Invoice in VOID status", "error": "Conflict"}

GOLDEN: Final = {
    "create": Golden(call="exante create", status=200, body=_exante(_invoice(ONE))),
    "create 201": Golden(call="exante create", status=201, body=_exante({"uid": ONE})),
    "create 422": Golden(
        call="exante create", status=422, body=_refusal(422, "currency: not a code")
    ),
    "create 502": Golden(call="exante create", status=502, body=b"<h1>Bad Gateway</h1>"),
    "create no": Golden(call="exante create", status=200, body=_refusal(409, "number taken")),
    "get": Golden(call="exante get", status=200, body=_exante(_invoice(ONE))),
    "get 404": Golden(call="exante get", status=404, body=_refusal(404, "no such invoice")),
    "get 503": Golden(call="exante get", status=503, body=b""),
    "list": Golden(call="exante list", status=200, body=_page(ONE, TWO)),
    "list none": Golden(call="exante list", status=200, body=_page()),
    "update": Golden(call="exante update", status=200, body=_exante({"uid": ONE})),
    "update 409": Golden(call="exante update", status=409, body=_refusal(409, "it is VOID")),
    "bulk": Golden(
        call="bulk update_many", status=200, body=_exante([{"uid": ONE}, {"uid": TWO}])
    ),
    "bulk 400": Golden(call="bulk update_many", status=400, body=_refusal(400, "row 1: no date")),
    "delete": Golden(
        call="bulk delete_many", status=200, body=_exante(None)
    ),
    "delete no": Golden(
        call="bulk delete_many", status=200, body=_refusal(409, "one is paid"),
    ),
    "delete 500": Golden(call="bulk delete_many", status=500, body=b'{"message":"oops"}'),
    "replace": Golden(
        call="v1 replace", status=200, body=_body({"succeeded": True, "data": _RECEIPT})
    ),
    "replace bare": Golden(
        call="v1 replace", status=200, body=_body({**_RECEIPT, "currency": "USD"})
    ),
    "replace no": Golden(
        call="v1 replace", status=200, body=_body({"succeeded": False, "errors": ["no account"]})
    ),
    "tenant create": Golden(
        call="tenant create", status=201, body=_body({"data": _record("DRAFT")})
    ),
    "tenant create 401": Golden(call="tenant create", status=401, body=_body(_STRIPPED)),
    "tenant get": Golden(call="tenant get", status=200, body=_body({"data": _record("DRAFT")})),
    "tenant list": Golden(
        call="tenant list", status=200, body=_body({"data": [_record("VOID"), _record("DRAFT")]})
    ),
    "tenant list 429": Golden(call="tenant list", status=429, body=b'{"message":"slow down"}'),
    "tenant update": Golden(
        call="tenant update", status=200, body=_body({"data": _record("DRAFT")})
    ),
    "finalize": Golden(
        call="tenant finalize", status=200, body=_body({"data": _record("FINALIZED")})
    ),
    "void": Golden(call="tenant void", status=200, body=_body({"data": _record("VOID")})),
    "void 409": Golden(call="tenant void", status=409, body=_body(_STRIPPED)),
}  # fmt: skip
