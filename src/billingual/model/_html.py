"""Models as small HTML tables, as notebooks show them: every text escaped, no script, no colours.

Text and lines take the colours of the notebook, so that they can be read on light and on dark.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from html import escape
from typing import Any, Final, cast

import attrs

from billingual.model._types import instant_text

__all__ = ["facts_table", "model_table", "plain_table", "rows_table"]

MAX_ROWS: Final = 100
"""Rows that are shown of a table; the others are counted."""

_WHOLE_UP_TO: Final = 40
"""Texts up to this length stay on one line: a broken number, day or id is hard to read."""

_CELL: Final = "padding:2px 12px 2px 0;text-align:{};vertical-align:top;white-space:pre-wrap"
_WHOLE: Final = _CELL.replace("pre-wrap", "pre")
_HEAD: Final = f"{_WHOLE};border-bottom:1px solid currentColor;font-weight:600"
_TABLE: Final = '<table style="border:0">{}{}</table>'
_ROW: Final = ("number", "status", "total", "issued_at", "due_at", "counterparty", "id")
_APART: Final = frozenset({"extra", "lines", "problems", "raw"})
_LINE: Final = ("name", "kind", "quantity", "unit_price", "total")


def model_table(model: Any) -> str:
    """Show a model by its fields, an invoice's lines below."""
    fields = [each for each in attrs.fields(type(model)) if each.name not in _APART]
    table = facts_table(
        type(model).__name__, [(each.name, getattr(model, each.name)) for each in fields]
    )
    lines = getattr(model, "lines", ())
    problems = [(each.path, each.reason) for each in getattr(model, "problems", ())]
    if lines:
        table += plain_table(_LINE, [[getattr(each, name) for name in _LINE] for each in lines])
    if problems:
        table += plain_table(("could not be read", "because"), problems)
    return table


def rows_table(rows: Sequence[Any], caption: str = "") -> str:
    """Show invoices as rows, without the columns that are empty."""
    shown = rows[:MAX_ROWS]
    names = [name for name in _ROW if any(getattr(row, name) is not None for row in shown)]
    more = len(rows) - len(shown)
    if more:
        caption = " ".join(filter(None, (caption, f"{more:,} more are not shown.")))
    cells = [[_in_brief(getattr(row, name)) for name in names] for row in shown]
    return plain_table(names, cells, caption)


def facts_table(title: str, facts: Iterable[tuple[str, object]]) -> str:
    """Show names and values, without those that are empty."""
    rows = "".join(
        f'<tr><th style="{_CELL.format("left")}">{escape(name)}</th>{_cell(text, "left")}</tr>'
        for name, value in facts
        if (text := _text(value))
    )
    return _TABLE.format(_caption(title), rows)


def plain_table(names: Sequence[str], rows: Sequence[Sequence[object]], caption: str = "") -> str:
    """Show rows below the names of their columns, numbers and money to the right."""
    columns = [[row[at] for row in rows] for at in range(len(names))]
    sides = [
        "right" if any(isinstance(each, int) or _is_money(each) for each in column) else "left"
        for column in columns
    ]
    # A list that states no currency says so once, above the amounts.
    units = [
        " minor units" if all(map(_is_bare, column)) and column.count(None) < len(column) else ""
        for column in columns
    ]
    titles = [name + unit.replace(" ", "\n", 1) for name, unit in zip(names, units, strict=True)]
    head = "".join(
        f'<th style="{_HEAD.format(side)}">{escape(title)}</th>'
        for title, side in zip(titles, sides, strict=True)
    )
    body = "".join(
        "<tr>"
        + "".join(
            _cell(_text(value).removesuffix(unit), side)
            for value, side, unit in zip(row, sides, units, strict=True)
        )
        + "</tr>"
        for row in rows
    )
    return _TABLE.format(_caption(caption), f"<tr>{head}</tr>{body}")


def _caption(text: str) -> str:
    style = "text-align:left;white-space:nowrap"
    return f'<caption style="{style}">{escape(text)}</caption>' if text else ""


def _cell(text: str, side: str) -> str:
    style = _WHOLE if len(text) <= _WHOLE_UP_TO else _CELL
    return f'<td style="{style.format(side)}">{escape(text)}</td>'


def _in_brief(value: object) -> object:
    """Return what a row shows of a party: its name, or else its id."""
    return getattr(value, "name", None) or getattr(value, "id", None) or value


def _text(value: object) -> str:
    """Write a value for people; empty for none."""
    if value is None or value == ():
        return ""
    if isinstance(value, Mapping):
        return ", ".join(f"{key}: {_text(each)}" for key, each in value.items())
    if isinstance(value, (tuple, frozenset)):
        each_text = map(_text, cast("Iterable[object]", value))
        return ", ".join(sorted(each_text) if isinstance(value, frozenset) else each_text)
    if attrs.has(type(value)) and not _is_money(value):
        return _words(value)
    return _word(value)


def _word(value: object) -> str:
    """Write one instant, amount or number."""
    if isinstance(value, datetime):
        return instant_text(value).removesuffix("T00:00:00Z")
    if isinstance(value, bool):
        return "yes" if value else "no"
    if _is_bare(value):
        return f"{cast('Any', value).minor:,} minor units"
    # Without decimal places, as those of an unknown currency are, there is no amount to group.
    grouped = isinstance(value, int) or (
        _is_money(value) and cast("Any", value).to_json()["amount"] is not None
    )
    return f"{value:,}" if grouped else str(value)


def _is_money(value: object) -> bool:
    # By what it has: the class imports, through its base, this module.
    return hasattr(value, "minor")


def _is_bare(value: object) -> bool:
    """Tell whether it is money without a currency; no value is as bare."""
    return value is None or (_is_money(value) and cast("Any", value).currency is None)


def _words(model: Any) -> str:
    """Write a model within a model: a party by its name, a field by its key, others whole."""
    name, identity = getattr(model, "name", None), getattr(model, "id", None)
    if name is not None:
        return f"{name} ({identity})" if identity else str(name)
    given = attrs.asdict(model, recurse=False)
    if "key" in given and "value" in given:
        return f"{given['key']}: {_text(given['value'])}"
    return ", ".join(f"{key}={each}" for key, each in given.items() if each is not None)
