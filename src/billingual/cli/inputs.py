"""From options and files to drafts, changes, filters and replacements."""

from __future__ import annotations

import io
import sys
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from difflib import get_close_matches
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Annotated, Any, Final, TypeAlias, TypeVar

import attrs
from cyclopts import Group, Parameter

from billingual.cli.table_file import TableFile, TableOptions, read_json, refuse_foreign
from billingual.errors import InvalidInputError, shown
from billingual.jobs.entry import Create, PlannedWrite, Update
from billingual.model import Changes, Draft, Filter, Replacement, Status
from billingual.model.enums import refuse_misspelt

__all__ = [
    "ChangeOptions",
    "DraftOptions",
    "FilterOptions",
    "InFileError",
    "LandingFilterOptions",
    "Source",
    "changes_from",
    "draft_from",
    "filter_from",
    "found_in",
    "named_numbers",
    "refuse_misspelt_key",
    "replacement_from",
]

Source: TypeAlias = Annotated[str | None, Parameter(name="--from", allow_leading_hyphen=True)]

T = TypeVar("T", Draft, Changes)

_AS_USUAL: Final = TableOptions()
_FIELDS: Final = Group("Fields", sort_key=1)
_FILTERS: Final = Group("Filters", sort_key=1)


class InFileError(InvalidInputError):
    """A field of a file is wrong; fields have their own names there, and are no options."""

    @classmethod
    def of(cls, error: InvalidInputError, place: str) -> InFileError:
        """Name the file in an error about a field."""
        field = f"{error.field} in {place}"
        return cls(field, error.problem, error.fix, hint=error.hint, known=error.known)


@Parameter(name="*", group=_FILTERS)
@attrs.frozen(kw_only=True)
class FilterOptions:
    """Which invoices; repeat an option to allow any of several values.

    Attributes:
        search: Text in invoice numbers and party names.
        counterparty: Name of who is to pay.
        counterparty_ids: Id of who is to pay.
        status: A status, such as OVERDUE.
        collection_method: How the money is collected.
        document: Id of the contract or document behind the invoice.
        issued_from: Earliest date of issue, like 2026-11-01.
        issued_to: Latest date of issue.
        due_from: Earliest due date.
        due_to: Latest due date.
        paid_from: Earliest date of payment.
        paid_to: Latest date of payment.
        updated_from: Earliest date of the last change, where the provider has it.
        updated_to: Latest date of the last change.
        overdue_days: A range of days: "15", "1-30", "> 90".
        total: A range of minor units: "10000-20000".
        include_inactive: Also invoices of archived documents and inactive blueprints.
        expand: A related record to include.
        extra_params: A query parameter to send as it is: name=value.
    """

    search: str | None = None
    counterparty: tuple[str, ...] = ()
    counterparty_ids: Annotated[tuple[str, ...], Parameter(name="--counterparty-id")] = ()
    status: tuple[str, ...] = ()
    collection_method: tuple[str, ...] = ()
    document: str | None = None
    issued_from: str | None = None
    issued_to: str | None = None
    due_from: str | None = None
    due_to: str | None = None
    paid_from: str | None = None
    paid_to: str | None = None
    updated_from: str | None = None
    updated_to: str | None = None
    overdue_days: str | None = None
    total: str | None = None
    include_inactive: bool = False
    expand: tuple[str, ...] = ()
    extra_params: Annotated[tuple[str, ...], Parameter(name="--param")] = ()


@Parameter(name="*", group=_FILTERS)
@attrs.frozen(kw_only=True)
class LandingFilterOptions(FilterOptions):
    """Those of a landing, which chooses dates of issue and statuses itself and says so."""

    status: Annotated[tuple[str, ...], Parameter(show=False)] = ()
    issued_from: Annotated[str | None, Parameter(show=False)] = None
    issued_to: Annotated[str | None, Parameter(show=False)] = None


@Parameter(name="*", group=_FIELDS)
@attrs.frozen(kw_only=True)
class _FieldOptions:
    """Fields of an invoice.

    Attributes:
        number: The number printed on the invoice.
        status: The provider's word.
        issued_at: Date of issue, like 2026-11-21.
        due_at: When it is to be paid.
        paid_at: When it was paid.
        currency: ISO 4217 code.
        counterparty: Id of who is to pay.
        document: Id of the contract or document behind the invoice.
        blueprint: Id of what recurring invoices are made from.
        total: The whole amount with its currency: "120.00 EUR".
        exchange_rate: An exact number.
        field: A custom field: name=text. Repeat it for more.
    """

    number: str | None = None
    status: str | None = None
    issued_at: str | None = None
    due_at: str | None = None
    paid_at: str | None = None
    currency: str | None = None
    counterparty: str | None = None
    document: str | None = None
    blueprint: str | None = None
    total: str | None = None
    exchange_rate: str | None = None
    field: tuple[str, ...] = ()


@Parameter(name="*", group=_FIELDS)
@attrs.frozen(kw_only=True)
class DraftOptions(_FieldOptions):
    """Fields of a draft.

    Attributes:
        owner: Id of the invoice's owner.
        kind: receivable or payable.
    """

    owner: str | None = None
    kind: str | None = None


@Parameter(name="*", group=_FIELDS)
@attrs.frozen(kw_only=True)
class ChangeOptions(_FieldOptions):
    """Fields to change.

    Attributes:
        collection_method: How the money is collected.
    """

    collection_method: str | None = None


def filter_from(options: FilterOptions) -> Filter:
    """Make a filter of the options."""
    given = {
        name: value
        for name, value in attrs.asdict(options, recurse=False).items()
        if value is not None and value != ()
    }
    for word in options.status:
        refuse_misspelt(Status, word, "status", f"--param status={word}")
    given["extra_params"] = _pairs("param", options.extra_params)
    return Filter(**given)


def refuse_misspelt_key(sort: str | None, known: Collection[str]) -> None:
    """Refuse a key to sort by that the list does not have, with the nearest one that it has."""
    key = "" if sort is None else sort.removeprefix("-")
    if not key or key in known or not known:
        return
    near = get_close_matches(key.casefold().replace("-", "_"), known, n=1, cutoff=0.5)
    raise InvalidInputError(
        "sort",
        f"the list is not sorted by {shown(key)}",
        f"{f'perhaps you meant {near[0]}; ' if near else ''}it sorts by {', '.join(sorted(known))}",
    )


def draft_from(options: DraftOptions, source: str | None, table: TableOptions = _AS_USUAL) -> Draft:
    """Make a draft of a file, if there is one, and the options, which win.

    Args:
        options: fields.
        source: a JSON file with one object, or a CSV file with one row; ``-`` is stdin.
        table: how a CSV file is written.

    Raises:
        InvalidInputError: if a field is unknown or wrong, or the file is.
    """
    return _given_from(Draft, options, source, partial(_draft_of_row, table=table))


def changes_from(
    options: ChangeOptions,
    source: str | None,
    table: TableOptions = _AS_USUAL,
    *,
    invoice_id: str = "",
) -> Changes:
    """Make changes of a file, if there is one, and the options, which win.

    Args:
        options: fields.
        source: a JSON file with one object, or a CSV file with one row; ``-`` is stdin.
        table: how a CSV file is written.
        invoice_id: the invoice that a column of the CSV file may name too.

    Raises:
        InvalidInputError: if a field is unknown or wrong, or the file is.
    """
    read = partial(_changes_of_row, table=table, invoice_id=invoice_id)
    return _given_from(Changes, options, source, read)


def replacement_from(source: str) -> Replacement:
    """Make a whole document of a JSON file; every field must be in it.

    Raises:
        InvalidInputError: if a field is missing, unknown or wrong.
    """
    record = _object(*_read(source))
    with found_in(source):
        return Replacement.from_dict(record)


@contextmanager
def found_in(source: str | None, besides: Collection[str] = ()) -> Iterator[None]:
    """Name the file in an error about its contents.

    Args:
        source: the file, or None where there is none.
        besides: names of what came from elsewhere.
    """
    try:
        yield
    except InvalidInputError as error:
        if source is None or error.field in besides:
            raise
        raise InFileError.of(error, "the input" if source == "-" else source) from None


def named_numbers(option: str, texts: Sequence[str]) -> dict[str, int]:
    """Read ``NAME=NUMBER`` texts.

    Raises:
        InvalidInputError: if one is of another form.
    """
    pairs = _pairs(option, texts)
    wrong = next(
        (name for name, text in pairs.items() if not text.isascii() or not text.isdigit()), None
    )
    if wrong is not None:
        raise InvalidInputError(
            option, f"{pairs[wrong]!r} is no whole number", f"write it like {wrong}=1"
        )
    return {name: int(text) for name, text in pairs.items()}


def _given_from(
    kind: type[T],
    options: _FieldOptions,
    source: str | None,
    of_row: Callable[[str, str], T],
) -> T:
    chosen = {
        name: value
        for name, value in attrs.asdict(options, recurse=False).items()
        if value is not None and name != "field"
    }
    if options.status is not None:
        refuse_misspelt(Status, options.status, "status", "it in a file, with --from")
    if options.field:
        chosen["fields"] = _pairs("field", options.field)
    if source is None:
        return kind.from_dict(chosen)
    place, text = _read(source)
    if _is_table(place, text):
        row = of_row(place, text)
        winning: Any = kind.from_dict(chosen).given()
        return attrs.evolve(row, **winning)
    record = _object(place, text)
    with found_in(source, besides=chosen):
        return kind.from_dict({**record, **chosen})


def _is_table(place: str, text: str) -> bool:
    """Tell CSV from JSON by the ending of the name, and without one by how it begins."""
    ending = Path(place).suffix.lower()
    if ending in {".csv", ".tsv"}:
        return True
    return ending != ".json" and bool(text.strip()) and text.lstrip()[0] not in "{["


def _draft_of_row(place: str, text: str, *, table: TableOptions) -> Draft:
    write = _only_row(TableFile(place, "create", table, _lines_of(text)))
    assert isinstance(write, Create)  # noqa: S101 - it was asked for
    return write.draft


def _changes_of_row(place: str, text: str, *, table: TableOptions, invoice_id: str) -> Changes:
    write = _only_row(TableFile(place, "update", table, _lines_of(text), invoice_id))
    assert isinstance(write, Update)  # noqa: S101 - it was asked for
    return write.changes


def _lines_of(text: str) -> io.StringIO:
    # As of a file: each of the three ends of a line is one, and stays as it is.
    return io.StringIO(text, newline="")


def _only_row(file: TableFile) -> PlannedWrite:
    rows = list(islice(file.rows(), 2))
    if not rows:
        raise InvalidInputError(file.place, "it has a header and no row", "write one row")
    if rows[0].write is None:
        problem = rows[0].problems[0]
        if not isinstance(problem, InvalidInputError):
            raise problem
        raise InFileError.of(problem, file.place)
    if len(rows) > 1:
        raise InvalidInputError(
            file.place,
            "it has more than one row",
            f"give it to 'billingual bulk {file.operation}', which takes many",
        )
    return rows[0].write


def _pairs(option: str, texts: Sequence[str]) -> dict[str, str]:
    pairs = {}
    for text in texts:
        name, found, value = text.partition("=")
        if not found or not name:
            raise InvalidInputError(option, f"{text!r} is no pair", "write it like name=value")
        pairs[name] = value
    return pairs


def _read(source: str) -> tuple[str, str]:
    """Return how errors call a file, and its text."""
    place = "the input" if source == "-" else source or "''"
    try:
        data = sys.stdin.buffer.read() if source == "-" else Path(source).read_bytes()
    except (OSError, ValueError) as error:
        why = getattr(error, "strerror", None) or str(error)
        raise InvalidInputError(
            place, f"it cannot be read: {why}", "name a JSON or CSV file"
        ) from None
    text = _text(data, place)
    if not text.strip():
        raise InvalidInputError(place, "it is empty", 'write the fields, like {"number": "1"}')
    return place, text


def _object(place: str, text: str) -> Mapping[str, Any]:
    try:
        value = read_json(text)
    except ValueError as error:
        raise InvalidInputError(place, f"it is no JSON ({error})", "correct it") from None
    if isinstance(value, list):
        raise InvalidInputError(
            place, "it holds no JSON object but a list", "write {...}; for many invoices give JSON "
            "Lines, one object on each line, to 'billingual bulk'",
        )  # fmt: skip
    if not isinstance(value, dict):
        raise InvalidInputError(place, "it holds no JSON object", "write {...}")
    return value


def _text(data: bytes, place: str) -> str:
    """Read UTF-8, whatever the code page is; Windows programs put a byte order mark before it."""
    refuse_foreign(data[:4], place)
    if b"\0" in data:
        raise InvalidInputError(place, "it is no text", "name a JSON or CSV file in UTF-8")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise InvalidInputError(
            place, f"it is not UTF-8 text (line {line})", "save it as UTF-8"
        ) from None
