"""Models become a batch of columns: one column at a time, and no object for each row."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, date, datetime
from decimal import Decimal
from operator import attrgetter
from typing import Any, Final

import msgspec
from arro3.core import Array, DataType, RecordBatch, list_array, struct_array

from billingual.columns.schema import (
    CONTACT,
    CUSTOM_FIELD,
    DAY,
    LINE,
    MAX_WHOLE_DIGITS,
    MOMENT,
    MONEY,
    NOTE,
    NUMBER,
    PARTY,
    PLACES,
    TEXT,
    WHOLE,
    schema,
)
from billingual.errors import InvalidInputError
from billingual.model import Contact, Invoice, InvoiceSummary, LineItem, Money, Party
from billingual.model.payload import payload_text

__all__ = ["batch_of"]

MAX_TEXT: Final = 2**31 - 1
"""Bytes of text that a column of a batch can hold: Arrow counts them in 32 bits."""

_FEW: Final = 1_024
"""Batches of up to so many rows of a list share their columns of nulls: they cost half of one."""

LARGEST: Final = 2**63
EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_FIRST: Final = datetime.min.replace(tzinfo=UTC) - EPOCH
_LAST: Final = datetime.max.replace(tzinfo=UTC) - EPOCH
_DAYS_TO_EPOCH: Final = date(1970, 1, 1).toordinal()

_INSTANTS: Final = ("issued", "due", "paid")
_INSTANTS_IN_FULL: Final = ("created", "updated")
_TEXTS: Final = ("id", "number", "status", "currency", "collection_method", "document")
_TEXTS_IN_FULL: Final = ("kind", "link", "blueprint")
_CURRENCY: Final = attrgetter("currency")
_MINOR: Final = attrgetter("minor")

# Numbers keep their digits: a Decimal is written as the number it is.
_json: Final = msgspec.json.Encoder(decimal_format="number").encode


def batch_of(rows: Sequence[InvoiceSummary], *, raw: bool = True) -> RecordBatch:
    """Make a batch of invoices, full ones and rows of lists in any mixture.

    Args:
        rows: the invoices, in the order of the batch.
        raw: whether the payloads as they came are in it.

    Raises:
        InvalidInputError: if a text cannot be written as UTF-8, a value of ``extra``, ``raw`` or a
            custom field is not one that JSON has, or a column would hold 2 GiB of text. None of
            that comes from a provider.
    """
    try:
        return _Batch(rows, raw=raw).made()
    except UnicodeEncodeError:
        problem = "a text holds half of a surrogate pair"
        raise InvalidInputError("rows", problem, "give text that UTF-8 can hold") from None
    except TypeError as error:
        raise InvalidInputError(
            "rows", f"a value cannot be written: {error}", "give invoices as they were read"
        ) from error


class _Batch:
    """The columns of one batch, while they are made."""

    def __init__(self, rows: Sequence[InvoiceSummary], *, raw: bool) -> None:
        self._rows = rows
        self._raw = raw
        # A row of a list has none of the attributes of a full invoice: it is None here.
        full: list[Any] = [each if isinstance(each, Invoice) else None for each in rows]
        self._full = full
        self._some_full = any(each is not None for each in full)
        self._misfits: dict[int, dict[str, object]] = {}

    def made(self) -> RecordBatch:
        """Make the batch."""
        count = len(self._rows)
        columns = self._columns()
        if self._some_full or count > _FEW:
            columns |= self.columns_in_full()
        else:
            columns |= {name: each.slice(0, count) for name, each in _nothing_in_full().items()}
        misfits = self._misfits
        found = [_json(misfits[at]) if at in misfits else None for at in range(count)]
        columns["misfits"] = _json_array(found)
        wanted = schema(raw=self._raw)
        return RecordBatch.from_arrays([columns[name] for name in wanted.names], schema=wanted)

    def _columns(self) -> dict[str, Array]:
        """Make the columns that rows of lists have too."""
        rows = self._rows
        made = {name: _texts(rows, name) for name in _TEXTS}
        for name in _INSTANTS:
            self._put_instants(made, name, [*map(attrgetter(f"{name}_at"), rows)])
        currencies = [each.currency for each in rows]
        for name in MONEY:
            amounts = [*map(attrgetter(name), rows)]
            made[f"{name}_minor"] = self._amounts(amounts, currencies, _named(name))
        made["overdue_days"] = self._whole([each.overdue_days for each in rows])
        made["counterparty"] = _parties([each.counterparty for each in rows])
        extras = [each.extra for each in rows]
        made["extra"] = _json_array([_json(each) if each else None for each in extras])
        problems = [each.problems for each in rows]
        made["problems"] = _json_array([_problems(each) if each else None for each in problems])
        if self._raw:
            made["raw"] = _json_array([_raw_of(each) for each in rows])
        return made

    def columns_in_full(self) -> dict[str, Array]:
        """Make the columns that only full invoices have."""
        made = {name: Array(self._of_full(name), type=TEXT) for name in _TEXTS_IN_FULL}
        for name in _INSTANTS_IN_FULL:
            self._put_instants(made, name, self._of_full(f"{name}_at"))
        made["seller"] = _parties(self._of_full("seller"))
        made["lines"] = self._lines()
        made["fields"] = self._nested("fields", CUSTOM_FIELD, _custom_fields)
        made["notes"] = self._nested("notes", NOTE, _notes)
        rates = self._of_full("exchange_rate")
        made["exchange_rate"] = self._numbers(rates, _named("exchange_rate"))
        return made

    def _of_full(self, name: str) -> list[Any]:
        return [None if each is None else getattr(each, name) for each in self._full]

    def _put_instants(
        self, made: dict[str, Array], name: str, given: Sequence[datetime | date | None]
    ) -> None:
        """Make the columns of points in time and of days."""
        instants: list[int | None] = [None] * len(given)
        days: list[int | None] = [None] * len(given)
        some_days = False
        for index, each in enumerate(given):
            if each is None:
                continue
            if not isinstance(each, datetime):
                days[index] = each.toordinal() - _DAYS_TO_EPOCH
                some_days = True
            elif each.utcoffset() is not None and _FIRST <= (since := each - EPOCH) <= _LAST:
                instants[index] = (since.days * 86_400 + since.seconds) * 10**6 + since.microseconds
            else:
                self._keep(index, f"{name}_at", each.isoformat())
        made[f"{name}_at"] = Array(instants, type=WHOLE).cast(MOMENT)
        made[f"{name}_on"] = (
            Array(days, type=DataType.int32()).cast(DAY) if some_days else _nulls(DAY, len(given))
        )

    def _amounts(
        self,
        given: Sequence[Money | None],
        currencies: Sequence[str | None],
        place: Callable[[int], tuple[int, str]],
    ) -> Array:
        """Make a column of amounts, which are in the currency beside them."""
        try:
            # Nearly always all are there and fit, which is seen in a third of the time.
            if [*map(_CURRENCY, given)] == currencies:
                return Array([*map(_MINOR, given)], type=WHOLE)
        except (AttributeError, OverflowError):
            pass
        minor: list[int | None] = []
        for index, (each, currency) in enumerate(zip(given, currencies, strict=True)):
            if each is None:
                minor.append(None)
            elif each.currency == currency and -LARGEST <= each.minor < LARGEST:
                minor.append(each.minor)
            else:
                minor.append(None)
                self._keep(*place(index), {"minor": each.minor, "currency": each.currency})
        return Array(minor, type=WHOLE)

    def _whole(self, given: list[int | None]) -> Array:
        try:
            return Array(given, type=WHOLE)
        except OverflowError:
            fitting: list[int | None] = []
            for index, each in enumerate(given):
                fits = each is None or -LARGEST <= each < LARGEST
                fitting.append(each if fits else None)
                if not fits:
                    self._keep(index, "overdue_days", each)
            return Array(fitting, type=WHOLE)

    def _numbers(
        self, given: Sequence[Decimal | None], place: Callable[[int], tuple[int, str]]
    ) -> Array:
        """Make a column of numbers with a fraction."""
        texts: list[str | None] = []
        for index, each in enumerate(given):
            if each is None:
                texts.append(None)
            elif _fits(each):
                texts.append(format(each, "f"))
            else:
                texts.append(None)
                self._keep(*place(index), str(each))
        return Array(texts, type=TEXT).cast(NUMBER)

    def _lines(self) -> Array:
        lines: list[LineItem] = []
        places: list[tuple[int, str]] = []
        for row, invoice in enumerate(self._full):
            if invoice is not None:
                lines.extend(invoice.lines)
                places += [(row, f"lines[{index}]") for index in range(len(invoice.lines))]
        currencies = [_currency_of(each) for each in lines]

        def place_of(name: str) -> Callable[[int], tuple[int, str]]:
            def place(index: int) -> tuple[int, str]:
                row, path = places[index]
                return row, f"{path}.{name}"

            return place

        made = {name: _texts(lines, name) for name in ("id", "kind", "name", "product_id")}
        made["currency"] = Array(currencies, type=TEXT)
        made["quantity"] = self._numbers([each.quantity for each in lines], place_of("quantity"))
        for name in ("unit_price", "total"):
            amounts = [getattr(each, name) for each in lines]
            made[f"{name}_minor"] = self._amounts(amounts, currencies, place_of(name))
        return self._nested("lines", LINE, lambda _: made)

    def _nested(
        self, name: str, kind: DataType, columns: Callable[[list[Any]], Mapping[str, Array]]
    ) -> Array:
        """Make a column of lists, which is null for rows of lists."""
        offsets = [0]
        entries: list[Any] = []
        for each in self._full:
            if each is not None:
                found = getattr(each, name)
                entries.extend(found.items() if isinstance(found, Mapping) else found)
            offsets.append(len(entries))
        return list_array(
            Array(offsets, type=DataType.int32()),
            _struct(kind, columns(entries)),
            type=schema().field(name).type,
            mask=_is_null(self._full),
        )

    def _keep(self, row: int, path: str, value: object) -> None:
        self._misfits.setdefault(row, {})[path] = value


@functools.cache
def _nothing_in_full() -> dict[str, Array]:
    """Make the columns that only full invoices fill, as nulls, for a batch of rows of lists."""
    rows = [InvoiceSummary(id="")] * _FEW
    return _Batch(rows, raw=False).columns_in_full()


def _named(name: str) -> Callable[[int], tuple[int, str]]:
    return lambda row: (row, name)


def _fits(number: Decimal) -> bool:
    """Tell whether a column of numbers holds *number* exactly."""
    _, digits, exponent = number.as_tuple()
    # A NaN has a letter for its exponent.
    return (
        isinstance(exponent, int)
        and exponent >= -PLACES
        and (number.adjusted() < MAX_WHOLE_DIGITS or not any(digits))
        and exponent < MAX_WHOLE_DIGITS
    )


def _currency_of(line: LineItem) -> str | None:
    for amount in (line.total, line.unit_price):
        if amount is not None:
            return amount.currency
    return None


def _parties(parties: Sequence[Party | None]) -> Array:
    given = [each or _NO_PARTY for each in parties]
    contacts = [each.contact for each in given]
    people = [each or _NO_CONTACT for each in contacts]
    contact = {name: _texts(people, name) for name in ("id", "name", "title", "email", "phone")}
    made = {name: _texts(given, name) for name in ("id", "name", "address", "role")}
    made["contact"] = _struct(CONTACT, contact, contacts)
    return _struct(PARTY, made, parties)


# The values of a party that is not there; the null above them hides them.
_NO_PARTY: Final = Party()
_NO_CONTACT: Final = Contact()


def _custom_fields(fields: Iterable[Any]) -> Mapping[str, Array]:
    made = {name: _texts(fields, name) for name in ("key", "type", "original_type")}
    return made | {"value": _json_array([_json(each.value) for each in fields])}


def _notes(notes: Iterable[tuple[str, str]]) -> Mapping[str, Array]:
    return {
        "name": Array([name for name, _ in notes], type=TEXT),
        "text": Array([text for _, text in notes], type=TEXT),
    }


def _texts(owners: Iterable[object], name: str) -> Array:
    return Array([*map(attrgetter(name), owners)], type=TEXT)


def _struct(
    kind: DataType, columns: Mapping[str, Array], owners: Sequence[object] | None = None
) -> Array:
    fields = kind.fields
    mask = None if owners is None else _is_null(owners)
    return struct_array([columns[each.name] for each in fields], fields=fields, mask=mask)


def _is_null(values: Iterable[object]) -> Array:
    return Array([each is None for each in values], type=DataType.bool())


def _nulls(kind: DataType, count: int) -> Array:
    return Array([None] * count, type=DataType.int32()).cast(kind)


def _problems(problems: Iterable[Any]) -> bytes:
    return _json(
        [{"path": each.path, "reason": each.reason, "value": each.value} for each in problems]
    )


def _raw_of(row: InvoiceSummary) -> bytes | None:
    kept = payload_text(row)
    if kept is not None:
        return kept
    return _json(row.raw) if row.raw else None


def _json_array(texts: list[bytes | None]) -> Array:
    if sum(map(len, filter(None, texts))) > MAX_TEXT:
        raise InvalidInputError("rows", "a column would hold more than 2 GiB", "give fewer rows")
    return Array([each and each.decode() for each in texts], type=TEXT)
