"""Katsu Pay's one documented invoice call: `PUT /api/v1/Invoice/Update`.

Source: https://sabi-docs.netlify.app/api/Katsu%20Pay/Invoice/update_invoice, read 2026-11.

- The id is in the body. The names are those of the schema sample: `counterPartyId` with a capital
  P, `recuringInvoice` with one r; currency, discount type and billing cycle are integers that
  no page explains.
- The response is `{succeeded, message, errors[], data: {invoiceId, amount}}` by the schema sample,
  or a bare invoice by the prose example; `katsu_response_shape` chooses.
- The body may be labelled text/plain, application/json or text/json. 400, 404 and 500 are the
  documented errors.
- The prose says no key is needed, a sibling page shows a Bearer box; `katsu_auth` chooses.

INFERRED, because undocumented: PUT replaces the whole invoice, so a field that is absent or null
is cleared; only `id` is required; an unknown id gives 404; nonsense in the business (a negative
quantity, a discount above the subtotal) is `succeeded: false` in a 200. The arithmetic, in exact
decimals and never rounded: the subtotal is the sum of quantity x unit price; the discount value
is an amount whatever its type; each tax is a percentage of what remains.
"""

from __future__ import annotations

from decimal import Context, Decimal, localcontext
from typing import Any, cast

from starlette.routing import Route

from billingual.sandbox.accounts import account_of_token
from billingual.sandbox.actions import Call, RefusalError, Reply, bearer_token, endpoint
from billingual.sandbox.fields import (
    Field,
    array_of,
    boolean,
    date_time,
    integer,
    number,
    object_of,
    read_object,
    text,
    uuid,
)
from billingual.sandbox.instants import millisecond_text
from billingual.sandbox.json_text import json_text
from billingual.sandbox.state import SandboxState

__all__ = ["amount_of", "refuse", "routes"]

Record = dict[str, Any]

_MEDIA_TYPES = ("application/json", "text/json", "text/plain")
_int32 = integer(-(2**31), 2**31 - 1)
_integers = array_of(_int32)

_PRODUCT = object_of(
    Field("productId", uuid, required=True),
    Field("quantity", _int32, required=True),
    Field("unitPrice", number(), required=True),
)
_TAX = object_of(
    Field("taxId", uuid, required=True), Field("taxPercentageValue", number(), required=True)
)
_DISCOUNT = object_of(
    Field("discountType", _int32, required=True), Field("discountValue", number(), required=True)
)
_UPDATE = (
    Field("id", uuid, required=True),
    Field("counterPartyId", uuid, nullable=True),
    Field("counterPartyName", text(), nullable=True),
    Field("receivingAccountId", uuid, nullable=True),
    Field("accountName", text(), nullable=True),
    Field("dueDate", date_time, nullable=True),
    Field("currency", _int32, nullable=True),
    Field("products", array_of(_PRODUCT), nullable=True),
    Field("taxes", array_of(_TAX), nullable=True),
    Field("discount", _DISCOUNT, nullable=True),
    Field("description", text(), nullable=True),
    Field("billingCycle", _int32, nullable=True),
    Field("recuringInvoice", boolean, nullable=True),
    Field("paymentMethods", _integers, nullable=True),
    Field("notification", _integers, nullable=True),
    Field("beforeDueDates", _integers, nullable=True),
    Field("afterDueDates", _integers, nullable=True),
    Field("onDueDate", boolean, nullable=True),
)

# Enough for the product of three bounded numbers, so that nothing is ever rounded.
_EXACT = Context(prec=4000)
_PERCENT = Decimal("0.01")
_PROSE_CURRENCY = "USD"
_PROSE_STATUS = "Pending"


def routes(state: SandboxState) -> list[Route]:
    """List the one endpoint."""
    return [
        Route("/katsu/api/v1/Invoice/Update", endpoint(state, _update, refuse), methods=["PUT"])
    ]


def refuse(state: SandboxState, refusal: RefusalError) -> Reply:
    """Answer an error; the shape is INFERRED and the `katsu_error_shape` setting chooses it."""
    settings = state.settings
    if settings.katsu_error_shape == "problem":
        errors: dict[str, list[str]] = {}
        for path, reason in refusal.details:
            errors.setdefault(path, []).append(reason)
        return Reply(
            body={
                "type": "https://tools.ietf.org/html/rfc9110#section-15.5",
                "title": refusal.message,
                "status": refusal.status,
                "traceId": "00-00000000000000000000000000000000-0000000000000000-00",
                "errors": errors,
            },
            status=refusal.status,
            rule=refusal.rule,
            media_type="application/problem+json",
        )
    errors_list = [f"{path} {reason}" for path, reason in refusal.details] or [refusal.message]
    return Reply(
        body={
            "succeeded": False,
            "message": refusal.message,
            "errors": errors_list,
            "data": None,
        },
        status=refusal.status,
        rule=refusal.rule,
        media_type=settings.katsu_content_type,
    )


def amount_of(record: Record) -> Decimal:
    """Compute the amount of an invoice in major units, exactly.

    Raises:
        RefusalError: With the rule `logical-failure` if a number makes no business sense.
    """
    products, taxes = record.get("products") or [], record.get("taxes") or []
    discount = record.get("discount") or {"discountValue": 0}
    if any(product["quantity"] < 0 for product in products):
        raise _nonsense("Quantity must not be negative")
    if any(product["unitPrice"] < 0 for product in products):
        raise _nonsense("Unit price must not be negative")
    if any(tax["taxPercentageValue"] < 0 for tax in taxes):
        raise _nonsense("Tax must not be negative")
    with localcontext(_EXACT):
        subtotal = sum(
            (Decimal(product["quantity"]) * product["unitPrice"] for product in products),
            Decimal(0),
        )
        if not 0 <= discount["discountValue"] <= subtotal:
            raise _nonsense("Discount must be from zero to the subtotal")
        net = subtotal - discount["discountValue"]
        rate = sum((tax["taxPercentageValue"] * _PERCENT for tax in taxes), Decimal(0))
        return _plain(net + net * rate)


def _update(state: SandboxState, call: Call) -> Reply:
    _authorize(state, call)
    call.only("version")
    record = cast("Record", read_object(call.json(_MEDIA_TYPES), _UPDATE))
    row = state.store.row("SELECT created FROM katsu_invoice WHERE id = ?", (record["id"],))
    if row is None:
        raise RefusalError(404, "invoice-not-found", "Invoice not found")
    try:
        amount = amount_of(record)
    except RefusalError as refusal:
        if state.settings.katsu_logical_failure == "in_200":
            refusal.status = 200
        raise
    # Full replacement: what the request leaves out is gone.
    full = {field.name: record.get(field.name) for field in _UPDATE}
    if full["dueDate"] is not None:
        full["dueDate"] = millisecond_text(full["dueDate"])
    columns = {"amount": json_text(amount), "doc": json_text(full)}
    state.store.update("katsu_invoice", ("id", record["id"]), columns)
    return _updated(state, full, amount, row["created"])


def _updated(state: SandboxState, record: Record, amount: Decimal, created: int) -> Reply:
    body: Record = {
        "succeeded": True,
        "message": "Invoice updated successfully",
        "errors": [],
        "data": {"invoiceId": record["id"], "amount": amount},
    }
    if state.settings.katsu_response_shape == "prose":
        body = {
            "invoiceId": record["id"],
            "counterpartyId": record["counterPartyId"],
            "amount": amount,
            "currency": _PROSE_CURRENCY,
            "status": _PROSE_STATUS,
            "createdDate": millisecond_text(created),
            "dueDate": record["dueDate"],
        }
    return Reply(body=body, media_type=state.settings.katsu_content_type)


def _authorize(state: SandboxState, call: Call) -> None:
    """Check the token as the `katsu_auth` setting wants it.

    Raises:
        RefusalError: 401 if a token is required and missing, or is sent and wrong (the status is
            INFERRED).
    """
    if state.settings.katsu_auth == "ignored":
        return
    token = bearer_token(call)
    if token is None:
        if state.settings.katsu_auth == "required":
            raise RefusalError(401, "authorization-missing", "Authorization header is missing")
    elif account_of_token("katsu", token) is None:
        raise RefusalError(401, "token-unknown", "Invalid token")


def _plain(amount: Decimal) -> Decimal:
    """Write an amount without an exponent and without trailing zeros."""
    text = format(amount, "f")
    return Decimal(text.rstrip("0").rstrip(".") if "." in text else text)


def _nonsense(message: str) -> RefusalError:
    return RefusalError(400, "logical-failure", message)
