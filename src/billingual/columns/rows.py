"""A batch of columns becomes models again."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import date, datetime, timedelta
from decimal import Decimal, InvalidOperation
from typing import TYPE_CHECKING, Any, Final

import msgspec
from arro3.core import Table

from billingual.columns.batch import EPOCH
from billingual.columns.schema import MOMENT, MONEY, WHOLE, schema
from billingual.errors import InvalidInputError
from billingual.model import (
    CollectionMethod,
    Contact,
    CustomField,
    Invoice,
    InvoiceSummary,
    Kind,
    LineItem,
    Money,
    Party,
    Problem,
    Status,
)
from billingual.model.payload import Unread, payload_of, set_payload, set_unread

if TYPE_CHECKING:
    from arro3.core.types import ArrowArrayExportable, ArrowStreamExportable

__all__ = ["rows_of"]


def rows_of(data: ArrowArrayExportable | ArrowStreamExportable) -> list[InvoiceSummary]:
    """Make the invoices of a batch, each equal to the one that it was made of.

    A row whose ``lines`` are null is an :class:`~billingual.InvoiceSummary`, another an
    :class:`~billingual.Invoice`.

    Args:
        data: a batch, a table or a stream of any library, with the columns of :func:`schema`;
            ``raw`` may be missing.

    Raises:
        InvalidInputError: if *data* is none of these, or lacks a column.
    """
    if not (hasattr(data, "__arrow_c_stream__") or hasattr(data, "__arrow_c_array__")):
        raise InvalidInputError(
            "data", f"{type(data).__name__} has no Arrow columns", "give a batch or a table"
        )
    table = Table.from_arrow(data)
    columns: dict[str, Any] = {}
    for name, kind in zip(schema().names, schema().types, strict=True):
        if name in table.column_names:
            column = table.column(name)
            if kind == MOMENT:
                # As numbers: a datetime of arro3 would need a table of time zones for its UTC.
                column = column.cast(MOMENT).cast(WHOLE)
            columns[name] = column.to_pylist()
        elif name != "raw":
            raise InvalidInputError("data", f"it has no column {name}", "keep all columns but raw")
    return [
        _row({name: values[index] for name, values in columns.items()})
        for index in range(table.num_rows)
    ]


def _row(given: dict[str, Any]) -> InvoiceSummary:
    row = _model(given)
    raw: str | None = given.get("raw")
    if raw is not None:
        object.__delattr__(row, "raw")
        set_payload(row, raw.encode())
        set_unread(row, _KEPT)
    return row


def _raw_of(row: InvoiceSummary) -> object:
    return _read(payload_of(row).decode(), {})


_KEPT: Final[Unread] = {"raw": _raw_of, "text": payload_of}
"""A row keeps the text of ``raw``, so that it is the same text in columns made of the row."""


def _model(given: dict[str, Any]) -> InvoiceSummary:
    misfits: Mapping[str, Any] = _read(given["misfits"], {})
    currency = given["currency"]
    values: dict[str, Any] = {
        "id": given["id"],
        "number": given["number"],
        "status": _word(Status, given["status"]),
        "currency": currency,
        "overdue_days": misfits.get("overdue_days", given["overdue_days"]),
        "collection_method": _word(CollectionMethod, given["collection_method"]),
        "counterparty": _party(given["counterparty"]),
        "document": given["document"],
        "extra": _read(given["extra"], {}),
        "problems": tuple(Problem(**each) for each in _read(given["problems"], ())),
    }
    for name in ("issued", "due", "paid"):
        values[f"{name}_at"] = _instant(given, name, misfits)
    for name in MONEY:
        values[name] = _money(given[f"{name}_minor"], currency, misfits.get(name))
    if given["lines"] is None:
        return InvoiceSummary(**values)
    rate = misfits.get("exchange_rate", given["exchange_rate"])
    lines = enumerate(given["lines"])
    return Invoice(
        **values,
        kind=_word(Kind, given["kind"]),
        created_at=_instant(given, "created", misfits),
        updated_at=_instant(given, "updated", misfits),
        link=given["link"],
        seller=_party(given["seller"]),
        blueprint=given["blueprint"],
        lines=tuple(_line(each, f"lines[{index}]", misfits) for index, each in lines),
        fields=tuple(
            CustomField(**each | {"value": _read(each["value"], None)}) for each in given["fields"]
        ),
        notes={each["name"]: each["text"] for each in given["notes"]},
        exchange_rate=None if rate is None else Decimal(rate),
    )


def _line(given: Mapping[str, Any], path: str, misfits: Mapping[str, Any]) -> LineItem:
    quantity = misfits.get(f"{path}.quantity", given["quantity"])
    values: dict[str, Any] = {name: given[name] for name in ("id", "kind", "name", "product_id")}
    for name in ("unit_price", "total"):
        misfit = misfits.get(f"{path}.{name}")
        values[name] = _money(given[f"{name}_minor"], given["currency"], misfit)
    return LineItem(
        **values,
        quantity=None if quantity is None else Decimal(quantity),
    )


def _money(minor: int | None, currency: str | None, misfit: Any) -> Money | None:
    if misfit is not None:
        return Money(misfit["minor"], misfit["currency"])
    return None if minor is None else Money(minor, currency)


def _instant(
    given: Mapping[str, Any], name: str, misfits: Mapping[str, Any]
) -> datetime | date | None:
    if (misfit := misfits.get(f"{name}_at")) is not None:
        return datetime.fromisoformat(misfit)
    instant: int | None = given[f"{name}_at"]
    day: date | None = given[f"{name}_on"]
    return day if instant is None else EPOCH + timedelta(microseconds=instant)


def _party(given: Mapping[str, Any] | None) -> Party | None:
    if given is None:
        return None
    contact = given["contact"]
    return Party(**{**given, "contact": None if contact is None else Contact(**contact)})


def _word(kind: Any, word: str | None) -> Any:
    return None if word is None else kind(word)


def _read(text: str | None, otherwise: object) -> Any:
    if text is None:
        return otherwise
    try:
        return _from_json(text)
    except msgspec.DecodeError:  # It holds a number of more than 4,300 digits.
        return json.loads(text, parse_int=_whole, parse_float=_fraction)


# What no number of Python's can hold stays text, as where a response is read.
def _whole(text: str) -> int | str:
    try:
        return int(text)
    except ValueError:
        return text


def _fraction(text: str) -> Decimal | str:
    try:
        return Decimal(text)
    except InvalidOperation:
        return text


_from_json: Final = msgspec.json.Decoder(object, float_hook=_fraction).decode
