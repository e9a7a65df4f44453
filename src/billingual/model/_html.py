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

__all__ = ["facts_table", "model_table", "rows_table"]

MAX_ROWS: Final = 100
"""Rows that are shown of a table; the others are counted."""

_CELL: Final = "padding:2px 12px 2px 0;text-align:{};vertical-align:top;white-space:pre-wrap"
_HEAD: Final = f"{_CELL};border-bottom:1px solid currentColor;font-weight:600"
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
        table += _table(_LINE, [[getattr(each, name) for name in _LINE] for each in lines])
    if problems:
        table += _table(("could not be read", "because"), problems)
    return table


def rows_table(rows: Sequence[Any], caption: str = "") -> str:
    """Show invoices as rows, without the columns that are empty."""
    shown = rows[:MAX_ROWS]
    names = [name for name in _ROW if any(getattr(row, name) is not None for row in shown)]
    more = len(rows) - len(shown)
    if more:
        caption = " ".join(filter(None, (caption, f"{more:,} more are not shown.")))
    return _table(names, [[getattr(row, name) for name in names] for row in shown], caption)


def facts_table(title: str, facts: Iterable[tuple[str, object]]) -> str:
    """Show names and values, without those that are empty."""
    rows = "".join(
        f'<tr><th style="{_CELL.format("left")}">{escape(name)}</th>'
        f'<td style="{_CELL.format("left")}">{escape(text)}</td></tr>'
        for name, value in facts
        if (text := _text(value))
    )
    caption = f'<caption style="text-align:left">{escape(title)}</caption>'
    return f'<table style="border:0">{caption}{rows}</table>'


def _table(names: Sequence[str], rows: Sequence[Sequence[object]], caption: str = "") -> str:
    is_right = [
        any(isinstance(row[at], int) or _is_money(row[at]) for row in rows)
        for at in range(len(names))
    ]
    sides = ["right" if each else "left" for each in is_right]
    head = "".join(
        f'<th style="{_HEAD.format(side)}">{escape(name)}</th>'
        for name, side in zip(names, sides, strict=True)
    )
    body = "".join(
        "<tr>"
        + "".join(
            f'<td style="{_CELL.format(side)}">{escape(_text(value))}</td>'
            for value, side in zip(row, sides, strict=True)
        )
        + "</tr>"
        for row in rows
    )
    told = f'<caption style="text-align:left">{escape(caption)}</caption>' if caption else ""
    return f'<table style="border:0">{told}<tr>{head}</tr>{body}</table>'


def _text(value: object) -> str:
    """Write a value for people; empty for none."""
    if value is None or value == ():
        return ""
    if isinstance(value, datetime):
        return instant_text(value).removesuffix("T00:00:00Z")
    if isinstance(value, Mapping):
        return ", ".join(f"{key}: {_text(each)}" for key, each in value.items())
    if isinstance(value, (tuple, frozenset)):
        each_text = map(_text, cast("Iterable[object]", value))
        return ", ".join(sorted(each_text) if isinstance(value, frozenset) else each_text)
    if attrs.has(type(value)) and not _is_money(value):
        return _words(value)
    return str(value)


def _is_money(value: object) -> bool:
    # By what it has: the class imports, through its base, this module.
    return hasattr(value, "minor")


def _words(model: Any) -> str:
    """Write a model within a model: a party by its name, others by what they hold."""
    name, identity = getattr(model, "name", None), getattr(model, "id", None)
    if name is not None:
        return f"{name} ({identity})" if identity else str(name)
    given = attrs.asdict(model, recurse=False)
    return ", ".join(f"{key}={each}" for key, each in given.items() if each is not None)
