"""Models of batches: the way back from columns."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any, Final

import msgspec
from arro3.core import RecordBatch

from billingual.columns.batch import EPOCH
from billingual.columns.schema import MONEY, WHOLE
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

__all__ = ["rows_of"]

_from_json: Final = msgspec.json.Decoder(object, float_hook=Decimal).decode


def rows_of(batch: RecordBatch) -> list[InvoiceSummary]:
    """Make the invoices of a batch, each equal to the one that it was made of.

    A row whose ``lines`` are null is an :class:`~billingual.InvoiceSummary`, another an
    :class:`~billingual.Invoice`.

    Args:
        batch: one in :func:`schema`, such as :func:`batch_of` makes.
    """
    # As whole numbers: Python's datetimes would need a table of time zones for their UTC.
    for name in batch.column_names:
        if name.endswith("_at"):
            index = batch.column_names.index(name)
            batch = batch.set_column(index, name, batch.column(name).cast(WHOLE))
    columns: dict[str, Any] = {name: batch.column(name).to_pylist() for name in batch.column_names}
    return [
        _row({name: values[index] for name, values in columns.items()})
        for index in range(batch.num_rows)
    ]


def _row(given: dict[str, Any]) -> InvoiceSummary:
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
        "raw": _read(given.get("raw"), {}),
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
    return otherwise if text is None else _from_json(text)
