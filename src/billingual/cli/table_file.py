"""Files with one write a row: CSV as people have it, and JSON Lines.

A file is read row by row and never as a whole, so that a million rows need no memory. What is wrong
with a row is kept with its line number, so that all of it can be told before anything is done.

Nothing is guessed: a comma is a decimal comma only where that was said, a date and time without a
zone is refused, and text stays text, so that the number ``0007`` keeps its zeros.
"""

from __future__ import annotations

import codecs
import csv
import io
import json
import re
import shutil
import sys
import tempfile
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from decimal import Decimal, InvalidOperation
from difflib import get_close_matches
from pathlib import Path
from typing import IO, Any, Final, Literal, TypeAlias

import attrs
from cyclopts import Group, Parameter

from billingual.errors import InvalidInputError, UsageError, shown
from billingual.jobs.entry import Create, Delete, PlannedWrite, Update
from billingual.model import Changes, Draft, checked_text

__all__ = [
    "Operation",
    "Row",
    "TableFile",
    "TableOptions",
    "opened_table",
    "read_json",
    "refuse_foreign",
]

Operation: TypeAlias = Literal["create", "update", "delete"]

_GROUP: Final = Group("File", sort_key=1)

_DELIMITERS: Final = ",;\t|"
_NAMES_OF_TAB: Final = ("\\t", "tab", "TAB")
# Excel writes such a line in front of the header, where it uses another delimiter than the comma.
_SEP_LINE: Final = re.compile(r"sep=(.)\r?\n?", re.IGNORECASE)

# As long as no row of a table is. The csv module has a limit for one cell, of 131,072 characters.
_LONGEST_LINE: Final = 1_000_000

# How a zip (.xlsx, .ods), an .xls, and what gzip, zstd, bzip2 and xz have written begin.
_PACKED: Final = (
    b"PK\x03\x04", b"\xd0\xcf\x11\xe0", b"\x1f\x8b", b"\x28\xb5\x2f\xfd", b"BZh", b"\xfd7zX",
)  # fmt: skip

_UNREADABLE: Final = re.compile("[\udc80-\udcff]")
"""What the decoder leaves of bytes that are not UTF-8."""

_AS_UTF8: Final = "save it as UTF-8 (Excel: CSV UTF-8)"

_SPREADSHEET: Final = re.compile(
    r"[0-9](?:[.,][0-9]+)?E[+-][0-9]{2,}|#(?:N/A|N/D|NV|[A-Z]+(?:/0)?[!?])|##+|Err:[0-9]{3}"
)
"""What spreadsheets save in the place of a value: a long number in short, an error, no room."""

_NUMBERS: Final = ("total", "exchange_rate")
_LISTED: Final = 20
"""Most names of columns in one error."""

_CUSTOM: Final = "fields."
_ENTRY_ID: Final = "entry_id"
_INVOICE_IDS: Final = ("invoice_id", "id")

_COMMA_NUMBER: Final = re.compile(
    r"""(?P<whole>[+-]?(?:[0-9]{1,3}(?P<group>[. \u00a0\u202f])[0-9]{3}(?:(?P=group)[0-9]{3})*
        |[0-9]+))
        (?:,(?P<part>[0-9]+))?
        (?P<rest>\s+\S.*)?""",
    re.VERBOSE,
)
"""A number with a decimal comma, perhaps with points or spaces between the thousands."""


@Parameter(name="*", group=_GROUP)
@attrs.frozen(kw_only=True)
class TableOptions:
    r"""How the file is written.

    Attributes:
        delimiter: The character between the cells of a CSV file, like ';' or '\t'; told from the
            header by default.
        decimal_comma: Numbers of a CSV file have a decimal comma: 1.234,50 is 1234.50.
    """

    delimiter: str | None = None
    decimal_comma: bool = False


@attrs.frozen
class Row:
    """One row of a file.

    Attributes:
        line: the line on which it begins, from 1.
        write: what it asks for; None if it is not clear.
        problems: what is wrong with it; empty if nothing is.
    """

    line: int
    write: PlannedWrite | None = None
    problems: tuple[UsageError, ...] = ()


@attrs.define(eq=False)
class TableFile:
    """A file that can be read several times, row by row.

    Attributes:
        place: how it is called in errors.
        operation: what its rows ask for.
        options: how it is written.
        target: the invoice that its rows are about, where the command names it.
    """

    place: str
    operation: Operation
    options: TableOptions
    _text: IO[str]
    target: str | None = None

    def rows(self) -> Iterator[Row]:
        """Read the rows from the start.

        Raises:
            InvalidInputError: if the file is no table at all, so that no row can be read.
        """
        lines = _Lines(self._text, self.place)
        while lines.peek().isspace():
            next(lines)
        first = lines.peek().lstrip()
        if not first:
            raise InvalidInputError(
                self.place, "it is empty", "write a header, and a row for each write"
            )
        if first.startswith("["):
            raise InvalidInputError(
                self.place, "it is a JSON array", "write JSON Lines: one object on each line"
            )
        if not first.startswith("{"):
            yield from self._csv_rows(lines)
            return
        if self.options.decimal_comma or self.options.delimiter:
            raise InvalidInputError(
                self.place,
                "it is JSON Lines, which has neither delimiters nor decimal commas",
                "leave --delimiter and --decimal-comma out",
            )
        for line, text in lines:
            if text.strip():
                yield self._json_row(line, text)

    def writes(self) -> Iterator[PlannedWrite]:
        """Read the writes from the start.

        Raises:
            UsageError: if a row is wrong.
        """
        for row in self.rows():
            if row.write is None:
                raise row.problems[0]
            yield row.write

    # JSON Lines

    def _json_row(self, line: int, text: str) -> Row:
        try:
            record = read_json(text)
        except ValueError as error:
            problem = InvalidInputError(
                "row", f"it is no JSON ({error})", "write one object on each line"
            )
            return Row(line, problems=(problem,))
        if not isinstance(record, dict):
            problem = InvalidInputError("row", "it is no JSON object", "write {...}")
            return Row(line, problems=(problem,))
        return _row(line, self.operation, record, self.target)

    # CSV

    def _csv_rows(self, lines: _Lines) -> Iterator[Row]:
        delimiter = self._delimiter(lines)
        reader = csv.reader((text for _, text in lines), delimiter=delimiter, strict=True)
        header: list[str] | None = None
        while True:
            line = lines.number + 1
            try:
                cells = next(reader, None)
            except csv.Error as error:
                yield Row(line, problems=(_misquoted(error),))
                return
            if cells is None:
                return
            if header is None:
                header = [each.strip() for each in cells]
                problems = tuple(_header_problems(header, self.operation, self.target))
                if problems:
                    yield Row(line, problems=problems)
                    return
            elif any(each.strip() for each in cells):
                yield self._csv_row(line, header, cells)

    def _delimiter(self, lines: _Lines) -> str:
        given = self.options.delimiter
        marked = _SEP_LINE.fullmatch(lines.peek())
        if marked:
            next(lines)
        if given is not None:
            given = "\t" if given in _NAMES_OF_TAB else given
            if len(given) != 1 or given in '"\r\n':
                raise InvalidInputError(
                    "delimiter", f"{shown(given)} is no delimiter", "give one character, like ';'"
                )
            return given
        if marked:
            return marked[1]
        known = {*_known(self.operation), *_INVOICE_IDS}

        def names(delimiter: str) -> tuple[int, int]:
            try:
                found = next(csv.reader([lines.peek()], delimiter=delimiter), [])
            except csv.Error:  # a line that is too long for one cell, or has a quote too many
                return 0, 0
            found = [each.strip() for each in found]
            return sum(each in known or each.startswith(_CUSTOM) for each in found), len(found)

        return max(_DELIMITERS, key=names)

    def _csv_row(self, line: int, header: Sequence[str], cells: Sequence[str]) -> Row:
        wanted, found = len(header), len(cells)
        if found < wanted or any(each.strip() for each in cells[wanted:]):
            problem = InvalidInputError(
                "row",
                f"it has {found} cells, and the header has {wanted}",
                "write a cell for each column, and quotes around a cell with the delimiter in it",
            )
            return Row(line, problems=(problem,))
        record: dict[str, object] = {}
        fields: dict[str, str] = {}
        problems: list[UsageError] = []
        texts = (cell.strip() for cell in cells)
        for name, text in ((name, text) for name, text in zip(header, texts, strict=False) if text):
            try:
                value = self._value(name, text)
            except InvalidInputError as error:
                problems.append(error)
                continue
            if name.startswith(_CUSTOM):
                fields[name.removeprefix(_CUSTOM)] = value
            else:
                record[name] = value
        if problems:
            return Row(line, problems=tuple(problems))
        if fields:
            record["fields"] = fields
        total, currency = record.get("total"), record.get("currency")
        if isinstance(total, str):
            # A space that does not break a line is a space too.
            words = total.split()
            record["total"] = " ".join(
                [*words, str(currency)] if len(words) == 1 and currency else words
            )
        return _row(line, self.operation, record, self.target)

    def _value(self, name: str, text: str) -> str:
        if not name:
            raise InvalidInputError(shown(text), "its column has no name", "name the column")
        if _SPREADSHEET.fullmatch(text):
            raise InvalidInputError(
                name,
                f"{shown(text)} is what a spreadsheet saves in the place of a value",
                "format the column as text there, and save it again",
            )
        is_number = name in _NUMBERS
        return _with_point(name, text) if is_number and self.options.decimal_comma else text


@contextmanager
def opened_table(source: str, operation: Operation, options: TableOptions) -> Iterator[TableFile]:
    """Open a file of rows; ``-`` is stdin.

    What can be read only once, such as stdin and a pipe, is copied into a temporary file first.

    Raises:
        InvalidInputError: if it cannot be read.
    """
    place = "the input" if source == "-" else source
    with ExitStack() as stack:
        file: IO[bytes] = sys.stdin.buffer
        try:
            if source != "-":
                file = stack.enter_context(Path(source).open("rb"))
        except (OSError, ValueError) as error:
            why = getattr(error, "strerror", None) or str(error)
            raise InvalidInputError(
                place, f"it cannot be read: {why}", "name a CSV or JSON Lines file"
            ) from None
        if source == "-" or not file.seekable():
            copy = stack.enter_context(tempfile.TemporaryFile())
            shutil.copyfileobj(file, copy)
            file = copy
        file.seek(0)
        refuse_foreign(file.read(4), place)
        file.seek(0)
        # Bytes that are not UTF-8 stay as they are, so that their line can be told.
        text = io.TextIOWrapper(file, encoding="utf-8-sig", errors="surrogateescape", newline="")
        yield TableFile(place, operation, options, stack.enter_context(text))


def refuse_foreign(start: bytes, place: str) -> None:
    """Refuse a file that is of another kind by its first bytes.

    Raises:
        InvalidInputError: if it is.
    """
    if start.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE, codecs.BOM_UTF32_BE)):
        raise InvalidInputError(place, "it is UTF-16 or UTF-32 text", _AS_UTF8)
    if start.startswith(_PACKED):
        raise InvalidInputError(
            place,
            "it is a workbook or another packed file",
            "unpack it, or save it as CSV in UTF-8",
        )


class _Lines:
    """The lines of a text file with their ends, whatever these are; the first can be peeked at.

    Attributes:
        number: of the line that was given last, from 1; 0 before the first.
    """

    def __init__(self, text: IO[str], place: str) -> None:
        self.number = 0
        self._text = text
        self._place = place
        self._peeked: str | None = None
        text.seek(0)

    def peek(self) -> str:
        if self._peeked is None:
            self._peeked = self._read()
        return self._peeked

    def __iter__(self) -> Iterator[tuple[int, str]]:
        return self

    def __next__(self) -> tuple[int, str]:
        text, self._peeked = self.peek(), None
        if not text:
            raise StopIteration
        self.number += 1
        return self.number, text

    def _read(self) -> str:
        text = self._text.readline(_LONGEST_LINE)
        line = self.number + 1
        if len(text) == _LONGEST_LINE:
            raise InvalidInputError(
                self._place,
                f"line {line} has more than {_LONGEST_LINE:,} characters",
                "write a row on each line",
            )
        if not text.isascii() and _UNREADABLE.search(text):
            raise InvalidInputError(self._place, f"it is not UTF-8 text (line {line})", _AS_UTF8)
        if "\0" in text:
            raise InvalidInputError(
                self._place, f"it is no text (line {line})", "name a CSV or JSON Lines file"
            )
        return text


def _row(line: int, operation: Operation, record: Mapping[str, object], named: str | None) -> Row:
    """Make the write that a record asks for, or list all that is wrong with it."""
    given = dict(record)
    problems: list[UsageError] = []
    name = _entry_id(given, problems)
    target = "" if operation == "create" else _target(given, problems, named)
    model = _model(operation, given, problems)
    if problems:
        return Row(line, problems=tuple(problems))
    if isinstance(model, Draft):
        return Row(line, Create(draft=model, id=name))
    if isinstance(model, Changes):
        return Row(line, Update(invoice_id=target, changes=model, id=name))
    return Row(line, Delete(invoice_id=target, id=name))


def _entry_id(given: dict[str, object], problems: list[UsageError]) -> str | None:
    if _ENTRY_ID not in given:
        return None
    try:
        return checked_text(given.pop(_ENTRY_ID), _ENTRY_ID, "give text or leave it out")
    except InvalidInputError as error:
        problems.append(error)
        return None


def _target(given: dict[str, object], problems: list[UsageError], named: str | None) -> str:
    """Take the invoice that a row is about."""
    ids = [given.pop(each) for each in _INVOICE_IDS if each in given]
    if named is not None:
        if ids not in ([], [named]):
            problems.append(
                InvalidInputError(
                    _INVOICE_IDS[0], "the row is about another invoice", "give its id"
                )
            )
        return named
    if len(ids) > 1:
        problems.append(_two_ids())
    elif ids and isinstance(ids[0], str) and ids[0].strip():
        return ids[0]
    else:
        what = "it is no id" if ids else "the row does not name its invoice"
        problems.append(InvalidInputError(_INVOICE_IDS[0], what, "give the provider's id"))
    return ""


def _model(
    operation: Operation, given: Mapping[str, object], problems: list[UsageError]
) -> Draft | Changes | None:
    if operation == "delete":
        problems += _unknown(given, operation)
        return None
    try:
        return (Draft if operation == "create" else Changes).from_dict(given)
    except InvalidInputError as error:
        problems += _all_problems(operation, given) or [error]
        return None


def _all_problems(operation: Operation, given: Mapping[str, object]) -> list[UsageError]:
    """Try each field by itself: the class stops at the first that is wrong."""
    kind = Draft if operation == "create" else Changes
    known = {"fields", *_known(operation)}
    problems: list[UsageError] = [
        *_unknown([each for each in given if each not in known], operation)
    ]
    for name, value in given.items():
        if name not in known:
            continue
        try:
            kind.from_dict({name: value})
        except InvalidInputError as error:
            problems.append(_with_comma_hint(error, value))
    return problems


def _with_comma_hint(error: InvalidInputError, value: object) -> InvalidInputError:
    found = _COMMA_NUMBER.fullmatch(value) if isinstance(value, str) else None
    if error.field not in _NUMBERS or found is None or found["part"] is None:
        return error
    return InvalidInputError(
        error.field,
        error.problem,
        f"{error.fix}, or give --decimal-comma if the numbers of the file have decimal commas",
    )


def _with_point(name: str, text: str) -> str:
    """Write a number with a decimal comma as one with a point.

    Raises:
        InvalidInputError: if it is none, or could be read in two ways.
    """
    found = _COMMA_NUMBER.fullmatch(text)
    if found is None:
        raise InvalidInputError(
            name, f"{shown(text)} is no number with a decimal comma", "write it like '1234,50'"
        )
    whole, group, part = found["whole"], found["group"], found["part"]
    if group == "." and part is None and whole.count(".") == 1:
        plain = whole.replace(".", "")
        raise InvalidInputError(
            name,
            f"{shown(text)} has one point and no decimal comma, so it can be read in two ways",
            f"write '{plain}' or '{whole.replace('.', ',')}'",
        )
    plain = whole.replace(group, "") if group else whole
    return f"{plain}.{part}{found['rest'] or ''}" if part else f"{plain}{found['rest'] or ''}"


def _known(operation: Operation) -> list[str]:
    kinds: dict[Operation, type | None] = {"create": Draft, "update": Changes, "delete": None}
    kind = kinds[operation]
    names = [] if kind is None else [each.name for each in attrs.fields(kind)]
    ids = [] if operation == "create" else [_INVOICE_IDS[0]]
    return [*ids, *(each for each in names if each != "fields"), _ENTRY_ID]


def _header_problems(
    header: Sequence[str], operation: Operation, named: str | None
) -> Iterator[UsageError]:
    known = {"", *_known(operation), *(_INVOICE_IDS if operation != "create" else ())}
    columns = Counter(header)
    for name, count in columns.items():
        if name and count > 1:
            yield InvalidInputError(name, f"{count} columns have this name", "keep one of them")
    yield from _unknown(
        [
            name
            for name in columns
            if name not in known
            and not (operation != "delete" and name.startswith(_CUSTOM) and name != _CUSTOM)
        ],
        operation,
    )
    if operation != "create":
        ids = [each for each in _INVOICE_IDS if each in header]
        if len(ids) > 1:
            yield _two_ids()
        elif not ids and named is None:
            yield InvalidInputError(
                _INVOICE_IDS[0],
                "no column has this name",
                "give the provider's ids of the invoices in it",
            )


def _two_ids() -> InvalidInputError:
    return InvalidInputError(
        " and ".join(reversed(_INVOICE_IDS)), "both name the invoice", "keep one of them"
    )


def _unknown(names: Iterable[str], operation: Operation) -> Iterator[InvalidInputError]:
    """Say for each name what it may be meant for, and for all others once what there is."""
    known, strange = _known(operation), []
    for name in names:
        near = get_close_matches(re.sub(r"[\s-]+", "_", name.strip().lower()), known, n=1)
        if name == "fields" or (name.startswith(_CUSTOM) and operation != "delete"):
            fix = f"write a column {_CUSTOM}NAME for each custom field"
        elif near:
            fix = f"perhaps you meant {near[0]}"
        else:
            strange.append(name)
            continue
        yield InvalidInputError(name, f"{operation} has no such field", fix, known=known)
    if strange:
        more = f" and {len(strange) - _LISTED:,} more" if len(strange) > _LISTED else ""
        custom = "" if operation == "delete" else f" and {_CUSTOM}NAME"
        yield InvalidInputError(
            ", ".join(strange[:_LISTED]) + more,
            f"{operation} has no such field{'' if len(strange) == 1 else 's'}",
            f"there are {', '.join(known)}{custom}",
            known=known,
        )


def _misquoted(error: csv.Error) -> InvalidInputError:
    text = str(error)
    if "unexpected end of data" in text:
        problem = "a quote opens in this row and does not close before the end of the file"
    elif "field larger" in text:
        problem = "a cell has more than 131,072 characters; perhaps a quote opens and never closes"
    elif "expected after" in text:
        problem = "something follows a closing quote that is no delimiter"
    else:
        problem = f"it cannot be read ({text})"
    return InvalidInputError("row", problem, 'write a quote inside a quoted cell twice: ""')


def read_json(text: str) -> object:
    """Read JSON in which no name comes twice; numbers with a fraction stay exact.

    Raises:
        ValueError: if it is none, with a text for people.
    """
    try:
        return json.loads(
            text.rstrip(),
            parse_int=_whole,
            parse_float=_fraction,
            parse_constant=_refuse_constant,
            object_pairs_hook=_distinct,
        )
    except json.JSONDecodeError as error:
        line = f"line {error.lineno}, " if error.lineno > 1 else ""
        raise ValueError(f"{error.msg}, at {line}character {error.colno}") from None
    except RecursionError:
        raise ValueError("it is nested too deeply") from None


def _distinct(pairs: Iterable[tuple[str, Any]]) -> dict[str, Any]:
    listed = list(pairs)
    record = dict(listed)
    if len(record) != len(listed):
        name = next(each for each, count in Counter(key for key, _ in listed).items() if count > 1)
        raise ValueError(f"the name {shown(name)} comes twice")
    return record


def _whole(text: str) -> int:
    try:
        return int(text)
    except ValueError:
        # Python's own text names a setting of Python.
        raise ValueError("a number has too many digits") from None


def _fraction(text: str) -> Decimal:
    try:
        return Decimal(text)
    except InvalidOperation:
        raise ValueError(f"{shown(text)} is too large a number") from None


def _refuse_constant(text: str) -> object:
    raise ValueError(f"{text} is no number")
