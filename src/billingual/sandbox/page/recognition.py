"""Which call of billingual sends a request, told from the providers' documentation alone.

The names are written here as text and nothing of billingual is imported: a test calls what comes of
them, and compares the request that goes out.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any, Final, cast
from urllib.parse import parse_qsl, unquote

from billingual.sandbox.json_text import UnreadableJsonError, parse_json
from billingual.sandbox.page.operation import (
    Amount,
    CustomField,
    Fields,
    Operation,
    Record,
    Sent,
)

__all__ = ["operation_of"]


class _UnknownError(Exception):
    """There is something in the request that no call of billingual would send."""


_EXANTE_BATCH: Final = {
    "status": "status",
    "issue_date": "issued_at",
    "due_date": "due_at",
    "paid_date": "paid_at",
    "invoice_number": "number",
    "collection_method": "collection_method",
    "currency": "currency",
    "target_party_uid": "counterparty",
}
_EXANTE: Final = {
    **_EXANTE_BATCH,
    "document_uid": "document",
    "invoice_blueprint_uid": "blueprint",
    "owner_uid": "owner",
    "invoice_type": "kind",
    "invoice_fields": "fields",
}
_EXANTE_FILTER: Final = {
    "search": "search",
    "party_name": "counterparty",
    "party_uids": "counterparty_ids",
    "status": "status",
    "collection_method": "collection_method",
    **{
        f"{theirs}_date_{end}": f"{ours}_{end}"
        for theirs, ours in (("issue", "issued"), ("due", "due"), ("paid", "paid"))
        for end in ("from", "to")
    },
    "overdue_days": "overdue_days",
    "total": "total",
}
_SEPARATORS: Final = {
    "party_name": "|",
    "party_uids": ",",
    "status": ",",
    "collection_method": ",",
}
_EXANTE_SORTS: Final = {
    "due_date": "due_at",
    "issue_date": "issued_at",
    "paid_date": "paid_at",
    "total": "total",
    "status": "status",
    "collection_method": "collection_method",
    "invoice_number": "number",
    "party_name": "counterparty",
    "overdue_days": "overdue_days",
}
_EXANTE_KINDS: Final = {"ACCOUNTS_RECEIVABLE": "receivable", "ACCOUNTS_PAYABLE": "payable"}
_KUKKINGU: Final = {
    "contractId": "document",
    "invoiceNumber": "number",
    "exchangeRate": "exchange_rate",
    "currencyCode": "currency",
    "issuedAt": "issued_at",
    "dueAt": "due_at",
    "paidAt": "paid_at",
}
_KATSU: Final = {
    "counterPartyId": "counterparty",
    "counterPartyName": "counterparty_name",
    "receivingAccountId": "receiving_account",
    "accountName": "account_name",
    "dueDate": "due_at",
    "description": "description",
    "billingCycle": "billing_cycle",
    "recuringInvoice": "recurring",
    "paymentMethods": "payment_methods",
    "notification": "notifications",
    "beforeDueDates": "remind_days_before",
    "afterDueDates": "remind_days_after",
    "onDueDate": "remind_on_due_date",
}
_KATSU_LINE: Final = {"productId": "product_id", "quantity": "quantity", "unitPrice": "unit_price"}
_KATSU_TAX: Final = {"taxId": "tax_id", "taxPercentageValue": "percentage"}
_KATSU_DISCOUNT: Final = {"discountType": "type", "discountValue": "value"}

_UUID: Final = "[0-9a-fA-F]{8}-(?:[0-9a-fA-F]{4}-){3}[0-9a-fA-F]{12}"
_WHOLE: Final = re.compile(r"\d{1,6}", re.ASCII)


def operation_of(sent: Sent) -> Operation | None:
    """Tell which call sends a request; None if there is none that would send all of it."""
    for provider, method, pattern, read in _ROUTES:
        match = pattern.fullmatch(sent.path.removeprefix(f"/{provider}"))
        if provider == sent.provider and method == sent.method and match is not None:
            try:
                return read(sent, *(unquote(each) for each in match.groups()))
            except (_UnknownError, UnreadableJsonError):
                return None
    return None


def _object(value: object) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise _UnknownError
    return cast("dict[str, Any]", value)


def _body(sent: Sent) -> object:
    if sent.body is None or sent.query:
        raise _UnknownError
    return parse_json(sent.body)


def _renamed(record: Mapping[str, Any], names: Mapping[str, str]) -> Fields:
    if not set(record) <= set(names):
        raise _UnknownError
    return {names[name]: value for name, value in record.items()}


def _having(fields: Fields, *names: str) -> Fields:
    """Return *fields*, which must not be empty: billingual sends no change of nothing."""
    if not fields or not set(names) <= set(fields):
        raise _UnknownError
    return fields


def _listed(value: object) -> list[Any]:
    if not isinstance(value, list):
        raise _UnknownError
    return value


def _parameters(sent: Sent) -> dict[str, str]:
    pairs = parse_qsl(sent.query, keep_blank_values=True)
    if sent.body or len({name for name, _ in pairs}) != len(pairs):
        raise _UnknownError
    return dict(pairs)


def _exante_list(sent: Sent) -> Operation:
    given = _parameters(sent)
    organization, sort = given.pop("organization_uid", None), given.pop("sort", None)
    page, size = given.pop("page", "1"), given.pop("per_page", None)
    if not all(_WHOLE.fullmatch(each) for each in (page, size or "1")):
        raise _UnknownError
    fields: Fields = {}
    # False is what is sent if nothing is.
    inactive = given.pop("include_inactive", "false")
    if inactive not in ("true", "false"):
        raise _UnknownError
    if inactive == "true":
        fields["include_inactive"] = True
    extra: dict[str, str] = {}
    for name, value in given.items():
        if name in _EXANTE_FILTER:
            separator = _SEPARATORS.get(name)
            several = separator is not None and separator in value
            fields[_EXANTE_FILTER[name]] = value.split(separator) if several else value
        else:
            extra[name] = value
    if extra:
        fields["extra_params"] = extra
    return Operation(
        name="list",
        fields=fields,
        sort=None if sort is None else _exante_sort(sort),
        page=int(page),
        page_size=None if size is None else int(size),
        organization=organization,
    )


def _exante_sort(text: str) -> str:
    name = _EXANTE_SORTS.get(text[1:])
    if text[:1] not in ("+", "-") or name is None:
        raise _UnknownError
    return f"-{name}" if text[0] == "-" else name


def _exante_fields(record: object, names: Mapping[str, str]) -> Fields:
    fields = _renamed(_object(record), names)
    if "kind" in fields:
        if fields["kind"] not in _EXANTE_KINDS:
            raise _UnknownError
        fields["kind"] = _EXANTE_KINDS[fields["kind"]]
    if "fields" in fields:
        fields["fields"] = [
            _custom_field(key, _object(value)) for key, value in _object(fields["fields"]).items()
        ]
    return fields


def _custom_field(key: str, value: Mapping[str, Any]) -> CustomField:
    if set(value) != {"type", "value"} or not isinstance(value["type"], str):
        raise _UnknownError
    return CustomField(key, value["value"], value["type"])


def _exante_create(sent: Sent) -> Operation:
    names = {
        name: ours
        for name, ours in _EXANTE.items()
        if name not in ("paid_date", "collection_method")
    }
    fields = _exante_fields(_body(sent), names)
    return Operation(name="create", fields=_having(fields, "counterparty", "owner", "document"))


def _exante_update(sent: Sent, uid: str) -> Operation:
    names = {
        name: ours for name, ours in _EXANTE.items() if name not in ("owner_uid", "invoice_type")
    }
    fields = _having(_exante_fields(_body(sent), names))
    return Operation(name="update", ids=(uid,), fields=fields)


def _exante_update_many(sent: Sent) -> Operation:
    rows = [dict(_object(each)) for each in _listed(_body(sent))]
    ids = tuple(row.pop("uid", None) for row in rows)
    if not ids or not all(isinstance(each, str) for each in ids):
        raise _UnknownError
    batch = tuple(_having(_exante_fields(row, _EXANTE_BATCH)) for row in rows)
    return Operation(name="update_many", ids=cast("tuple[str, ...]", ids), batch=batch)


def _exante_delete_many(sent: Sent) -> Operation:
    ids = tuple(_listed(_body(sent)))
    if not ids or not all(isinstance(each, str) for each in ids):
        raise _UnknownError
    return Operation(name="delete_many", ids=ids)


def _get(sent: Sent, invoice_id: str) -> Operation:
    if sent.query or sent.body:
        raise _UnknownError
    return Operation(name="get", ids=(invoice_id,))


def _kukkingu_list(sent: Sent) -> Operation:
    given = _parameters(sent)
    fields: Fields = {}
    if "contractId" in given:
        fields["document"] = given.pop("contractId")
    if "status" in given:
        fields["status"] = given.pop("status")
    if "expand" in given:
        names = given.pop("expand").split(",")
        fields["expand"] = names if len(names) > 1 else names[0]
    if given:
        fields["extra_params"] = given
    return Operation(name="list", fields=fields)


def _kukkingu_fields(sent: Sent, names: Mapping[str, str]) -> Fields:
    record = dict(_object(_body(sent)))
    fields: Fields = {}
    if "amountMinor" in record:
        # An amount goes out together with its currency.
        minor, code = record.pop("amountMinor"), record.pop("currencyCode", None)
        if type(minor) is not int or not isinstance(code, str):
            raise _UnknownError
        fields["total"] = Amount(minor, code)
    return {**_renamed(record, names), **fields}


def _kukkingu_create(sent: Sent) -> Operation:
    fields = _kukkingu_fields(sent, _KUKKINGU)
    needed = ("document", "number", "exchange_rate", "total")
    return Operation(name="create", fields=_having(fields, *needed))


def _kukkingu_update(sent: Sent, invoice_id: str) -> Operation:
    names = {name: ours for name, ours in _KUKKINGU.items() if name != "contractId"}
    fields = _having(_kukkingu_fields(sent, names))
    return Operation(name="update", ids=(invoice_id,), fields=fields)


def _kukkingu_move(sent: Sent, invoice_id: str, name: str) -> Operation:
    if sent.query or sent.body:
        raise _UnknownError
    return Operation(name=name, ids=(invoice_id,))


def _katsu_replace(sent: Sent) -> Operation:
    record = dict(_object(_body(sent)))
    invoice_id, currency = record.pop("id", None), record.pop("currency", None)
    if not isinstance(invoice_id, str) or type(currency) is not int:
        raise _UnknownError
    lines, taxes = _listed(record.pop("products", None)), _listed(record.pop("taxes", None))
    discount = record.pop("discount", None)
    if set(record) != set(_KATSU) or None in record.values():
        # A replacement has no defaults: the provider clears what is left out.
        raise _UnknownError
    fields = _renamed(record, _KATSU)
    # The provider documents no table of its numbers: the code is the reader's to put right.
    fields["currency"] = "USD"
    fields["lines"] = [_record("ReplacementLine", each, _KATSU_LINE) for each in lines]
    fields["taxes"] = [_record("Tax", each, _KATSU_TAX) for each in taxes]
    fields["discount"] = (
        None if discount is None else _record("Discount", discount, _KATSU_DISCOUNT)
    )
    return Operation(
        name="update",
        ids=(invoice_id,),
        fields=fields,
        is_replacement=True,
        currency_number=currency,
    )


def _record(name: str, value: object, names: Mapping[str, str]) -> Record:
    record = _object(value)
    fields = _renamed(record, names)
    if len(fields) != len(names) or not all(
        isinstance(each, (str, int, Decimal)) for each in fields.values()
    ):
        raise _UnknownError
    return Record(name, fields)


_ROUTES: Final[tuple[tuple[str, str, re.Pattern[str], Callable[..., Operation]], ...]] = (
    ("exante", "GET", re.compile("/api/invoices"), _exante_list),
    ("exante", "POST", re.compile("/api/invoices"), _exante_create),
    ("exante", "PUT", re.compile("/api/invoices"), _exante_update_many),
    ("exante", "DELETE", re.compile("/api/invoices"), _exante_delete_many),
    ("exante", "GET", re.compile(f"/api/invoices/({_UUID})"), _get),
    ("exante", "PUT", re.compile(f"/api/invoices/({_UUID})"), _exante_update),
    ("kukkingu", "GET", re.compile("/api/v1/invoices"), _kukkingu_list),
    ("kukkingu", "POST", re.compile("/api/v1/invoices"), _kukkingu_create),
    ("kukkingu", "GET", re.compile("/api/v1/invoices/(inv_[a-z0-9]{24})"), _get),
    ("kukkingu", "PATCH", re.compile("/api/v1/invoices/(inv_[a-z0-9]{24})"), _kukkingu_update),
    (
        "kukkingu",
        "POST",
        re.compile("/api/v1/invoices/(inv_[a-z0-9]{24})/(finalize|void)"),
        _kukkingu_move,
    ),
    ("katsu", "PUT", re.compile("/api/v1/Invoice/Update"), _katsu_replace),
)
