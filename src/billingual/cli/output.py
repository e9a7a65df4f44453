"""Data on stdout, for people and for programs: tables, JSON, and JSON line by line."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from datetime import datetime
from typing import Annotated, Literal, TypeAlias

import attrs
from cyclopts import Parameter
from rich.cells import cell_len
from rich.console import Console
from rich.table import Table
from rich.text import Text

from billingual.cli.messages import fail, hint
from billingual.cli.visible_text import json_text, visible
from billingual.model import Party, as_json, instant_text
from billingual.wire import WireRequest

__all__ = [
    "Column",
    "Format",
    "FormatOption",
    "SheetFormat",
    "SheetFormatOption",
    "Terminal",
    "drop_output",
    "output_kept",
    "record_of",
    "show_facts",
    "show_request",
    "show_rows",
    "text_of",
    "write_json",
]

Format: TypeAlias = Literal["table", "json", "ndjson"]
FormatOption: TypeAlias = Annotated[Format, Parameter(name=["--output", "-o"])]
SheetFormat: TypeAlias = Literal["table", "json", "ndjson", "csv"]
SheetFormatOption: TypeAlias = Annotated[SheetFormat, Parameter(name=["--output", "-o"])]

_GAP = 2


def record_of(value: object, *, raw: bool = False) -> object:
    """Turn a model, or anything that a model holds, into what JSON can hold, without a float.

    Args:
        value: a model, or anything a model holds.
        raw: include the payload as the provider sent it.
    """
    record = as_json(value)
    if raw and isinstance(record, dict):
        record["raw"] = as_json(getattr(value, "raw", {}))
    return record


def write_json(value: object, *, indent: int | None = 2, end: str = "\n") -> None:
    """Write JSON to stdout."""
    sys.stdout.write(json_text(json.dumps(value, indent=indent, ensure_ascii=False)) + end)


def text_of(value: object) -> str:
    """Write one value for people, so that a terminal obeys nothing in it; empty for none."""
    return visible(_text_of(value))


def _text_of(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, datetime):
        return instant_text(value).removesuffix("T00:00:00Z")
    if isinstance(value, Party):
        return " ".join(filter(None, (value.name, f"({value.id})" if value.id else None)))
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, Mapping):
        return ", ".join(f"{key}={_text_of(each)}" for key, each in value.items())
    return str(value)


@attrs.frozen
class Column:
    """A column of a table.

    Attributes:
        name: its heading.
        cells: its texts, one for each row.
        rank: columns of a higher rank are left out first where not all fit; 0 is always kept.
        is_number: whether it is aligned to the right.
    """

    name: str
    cells: tuple[str, ...]
    rank: int = 0
    is_number: bool = False

    @property
    def width(self) -> int:
        """Columns of the terminal that its widest text takes; a Chinese character takes two."""
        return max(cell_len(text) for text in (self.name, *self.cells))


def show_rows(columns: Sequence[Column]) -> None:
    """Print a table to stdout, without the columns that are empty.

    On a terminal, columns that do not fit are left out too, and that is said. Nothing is shortened:
    half an id or half an amount is worse than none.
    """
    console = Console(highlight=False)
    filled = [column for column in columns if any(column.cells)]
    kept = _fitting(filled, console.width) if _is_screen(console) else filled
    table = Table(box=None, pad_edge=False, padding=(0, _GAP, 0, 0), header_style="bold")
    for column in kept:
        table.add_column(column.name, justify="right" if column.is_number else "left", no_wrap=True)
    for cells in zip(*(column.cells for column in kept), strict=True):
        table.add_row(*(Text(cell) for cell in cells))
    if _is_screen(console) and _width(kept) > console.width:
        # The terminal breaks the lines; rich would cut the texts.
        console = Console(highlight=False, width=_width(kept))
    _print(table, console)
    left_out = [column.name for column in filled if column not in kept]
    if left_out:
        hint(
            f"No room for: {', '.join(left_out)}. See all with -o json, or on a terminal of "
            f"{_width(filled)} columns."
        )


def show_facts(facts: Iterable[tuple[str, str]]) -> None:
    """Print names and values to stdout, one pair a line; empty values are left out."""
    console = Console(highlight=False)
    table = Table.grid(padding=(0, _GAP, 0, 0))
    table.add_column(style="bold", no_wrap=True)
    table.add_column(overflow="fold")
    for name, text in facts:
        if text:
            table.add_row(visible(name), Text(text))
    _print(table, console)


def _fitting(columns: Sequence[Column], width: int) -> list[Column]:
    kept = list(columns)
    while kept and _width(kept) > width:
        worst = max(kept, key=lambda column: column.rank)
        if worst.rank == 0:
            break
        kept.remove(worst)
    return kept


def _width(columns: Sequence[Column]) -> int:
    return sum(column.width + _GAP for column in columns) - _GAP


def _is_screen(console: Console) -> bool:
    """Tell whether there is a width to keep to: FORCE_COLOR makes a terminal of a pipe for rich."""
    is_forced = "FORCE_COLOR" in os.environ and not sys.stdout.isatty()
    return console.is_terminal and not is_forced


def _print(table: Table, console: Console) -> None:
    if _is_screen(console):
        # Captured, because rich ends the program where it meets a closed pipe.
        with console.capture() as captured:
            console.print(table)
        sys.stdout.write(captured.get())
        return
    # A pipe has no width, and a line's end needs no spaces.
    wide = Console(highlight=False, width=2**31)
    with wide.capture() as captured:
        wide.print(table)
    sys.stdout.write("".join(f"{line.rstrip()}\n" for line in captured.get().splitlines()))


class Terminal(Console):
    """A console for which a closed pipe is an error as any other; rich's own ends the program."""

    def on_broken_pipe(self) -> None:
        """Raise the error that is being handled."""
        raise  # noqa: PLE0704 - rich calls this where it caught one


def drop_output() -> None:
    """Send what is left in stdout's buffer nowhere: Python would complain again at its exit."""
    with suppress(OSError, ValueError):  # a program that calls the command may have replaced it
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def output_kept(show: Callable[[], object], code: int, lost: str) -> int:
    """Show what a command did; the exit code tells what it did, whatever becomes of the output.

    Args:
        show: writes to stdout.
        code: the exit code.
        lost: what is said besides if the output is lost: what was done, or how to see it again.
    """
    try:
        show()
        sys.stdout.flush()
    except BrokenPipeError:
        # The reader has seen enough.
        drop_output()
    except Exception as error:  # noqa: BLE001 - a fault in showing must not deny what was done
        drop_output()
        why = getattr(error, "strerror", None) or f"{error}"
        fail(f"only the output was lost: {why}. {lost}")
    return code


def show_request(request: WireRequest, output: SheetFormat, *, end: str = "\n") -> None:
    """Write a request as HTTP would, or as JSON; it is unsigned, so no token is in it.

    A request is no row, so that CSV shows it as the table does.
    """
    body = (request.body or b"").decode("utf-8")
    if output in {"table", "csv"}:
        lines = [f"{request.method} {request.url}"]
        lines += [f"{name}: {value}" for name, value in request.headers]
        sys.stdout.write("\n".join(lines) + "\n" + (f"\n{body}\n" if body else ""))
        return
    # The body stays the text it is: parsed and written again, it would not be what is sent.
    record = {
        "method": request.method,
        "url": request.url,
        "headers": dict(request.headers),
        "body": body or None,
    }
    write_json(record, indent=2 if output == "json" else None, end=end)
