"""Invoices as rows of CSV: exact amounts, and a column of its own for each part of a party."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable
from typing import Any, Final

from billingual.cli.output import record_of
from billingual.cli.visible_text import visible
from billingual.jobs.trail import harmless
from billingual.model import InvoiceSummary

__all__ = ["Sheet"]

_MONEY: Final = (
    "total", "subtotal", "discount", "tax", "amount_due", "amount_paid", "amount_remaining",
)  # fmt: skip
_OF_ROWS: Final = (
    "id", "number", "status", "issued_at", "due_at", "paid_at", "currency",
    *(column for name in _MONEY for column in (name, f"{name}_minor")),
    "overdue_days", "collection_method", "counterparty_id", "counterparty_name", "document",
)  # fmt: skip
_OF_WHOLE_INVOICES: Final = (
    "kind", "created_at", "updated_at", "link", "seller_id", "seller_name", "blueprint",
    "exchange_rate", "lines", "fields", "notes",
)  # fmt: skip
_PARTIES: Final = ("counterparty", "seller")


class Sheet:
    """Rows of CSV under one header; a cell that begins like a formula begins with a quote."""

    def __init__(self, *, is_whole: bool, raw: bool, on_screen: bool, line_end: str = "\n") -> None:
        """Choose the columns.

        Args:
            is_whole: the rows are invoices in full, with lines and custom fields, as JSON.
            raw: add the row as the provider sent it.
            on_screen: write as escapes what a terminal would obey; a line's end may stay.
            line_end: what ends a row.
        """
        self._names = [*_OF_ROWS, *(_OF_WHOLE_INVOICES if is_whole else ())]
        self._names += ["raw"] if raw else []
        self._raw = raw
        self._on_screen = on_screen
        self._line_end = line_end

    def header(self) -> str:
        """Write the names of the columns."""
        return self._csv([self._names])

    def lines(self, rows: Iterable[InvoiceSummary]) -> str:
        """Write a line for each row."""
        records = (_cells_of(row, raw=self._raw) for row in rows)
        return self._csv([[self._cell(each.get(name)) for name in self._names] for each in records])

    def _cell(self, value: str | int | None) -> str | int | None:
        value = harmless(value)
        return visible(value, keep="\n\t") if self._on_screen and isinstance(value, str) else value

    def _csv(self, rows: Iterable[Iterable[object]]) -> str:
        text = io.StringIO(newline="")
        csv.writer(text, lineterminator=self._line_end).writerows(rows)
        return text.getvalue()


def _cells_of(row: InvoiceSummary, *, raw: bool) -> dict[str, str | int | None]:
    record: Any = record_of(row, raw=raw)
    cells: dict[str, str | int | None] = {}
    for name, value in record.items():
        if name in _MONEY:
            cells |= _amount(name, value, record["currency"])
        elif name in _PARTIES:
            cells |= {f"{name}_{each}": (value or {}).get(each) for each in ("id", "name")}
        elif isinstance(value, (dict, list)):
            cells[name] = json.dumps(value, ensure_ascii=False)
        else:
            cells[name] = value
    return cells


def _amount(
    name: str, value: dict[str, Any] | None, currency: str | None
) -> dict[str, str | int | None]:
    """Write an amount; one in another currency than the invoice's says which."""
    if value is None:
        return {}
    text = value["amount"]
    if text is not None and value["currency"] != currency:
        text = f"{text} {value['currency']}"
    return {name: text, f"{name}_minor": value["minor"]}
