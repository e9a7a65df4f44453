"""What to list: filters with a typed range language, and the order of the rows."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from datetime import date, datetime
from typing import TYPE_CHECKING, Any, Final, cast

import attrs

from billingual.errors import InvalidInputError, shown
from billingual.model._mapping import FromDict
from billingual.model._types import (
    checked_text,
    first_moment,
    given_text,
    instant,
    instant_text,
    last_moment,
    listed,
    whole_number,
)
from billingual.model.enums import Status
from billingual.model.write import given_instant
from billingual.wire import plain_text

__all__ = ["Filter", "Query", "Range", "Sort"]

_RANGE = re.compile(
    r"""\s*(?:
        (?P<sign>>=|<=|>|<)\s*(?P<bound>-?\d{1,18})
      | (?P<low>-?\d{1,18})\s*(?:-|\.\.)\s*(?P<high>-?\d{1,18})
      | (?P<exact>-?\d{1,18})
    )\s*""",
    re.VERBOSE | re.ASCII,
)


# The ends that can be written, which have 18 digits, and those next to them.
_FURTHEST: Final = 10**18


def _end(value: int | None, step: int = 0) -> int | None:
    # Anything but a whole number is returned unchanged, so that the class refuses it.
    end = whole_number(value)
    return end + step if type(end) is int else cast(int, end)


@attrs.frozen
class Range:
    """A range of whole numbers, both ends included; None leaves an end open.

    Make one with :meth:`exactly`, :meth:`between`, :meth:`above` or :meth:`below`, or write it:
    ``"15"``, ``"1-30"``, ``"> 90"``, ``">= 90"``, ``"< 0"``, ``"<= 0"``.

    Raises:
        InvalidInputError: if an end is no int, both are None, or they are the wrong way round.
    """

    low: int | None = attrs.field(converter=_end)
    high: int | None = attrs.field(converter=_end)

    def __attrs_post_init__(self) -> None:
        ends = [end for end in (self.low, self.high) if end is not None]
        if not ends or any(type(end) is not int or abs(end) > _FURTHEST for end in ends):
            raise InvalidInputError(
                "range",
                f"{shown(self.low)} to {shown(self.high)} has no whole end",
                "give one or two ints",
            )
        if len(ends) == 2 and ends[0] > ends[1]:
            raise InvalidInputError(
                "range", f"{ends[0]} is above {ends[1]}", "give the smaller number first"
            )

    @classmethod
    def exactly(cls, value: int) -> Range:
        """Match one number."""
        return cls(value, value)

    @classmethod
    def between(cls, low: int, high: int) -> Range:
        """Match *low* to *high*, both included."""
        return cls(low, high)

    @classmethod
    def above(cls, value: int) -> Range:
        """Match all numbers greater than *value*."""
        return cls(_end(value, 1), None)

    @classmethod
    def below(cls, value: int) -> Range:
        """Match all numbers smaller than *value*."""
        return cls(None, _end(value, -1))

    @classmethod
    def parse(cls, text: str, field: str = "range") -> Range:
        """Read a range as it is written.

        Raises:
            InvalidInputError: if the text is none of the forms of the class.
        """
        match = _RANGE.fullmatch(checked_text(text, field))
        if match is None:
            raise InvalidInputError(
                field, f"{shown(text)} is not a range", "write '15', '1-30', '> 90' or '<= 0'"
            )
        if match["sign"] is not None:
            bound = int(match["bound"])
            ends = {
                ">": (bound + 1, None), ">=": (bound, None),
                "<": (None, bound - 1), "<=": (None, bound),
            }  # fmt: skip
            return cls(*ends[match["sign"]])
        if match["low"] is not None:
            low, high = int(match["low"]), int(match["high"])
            if low > high:
                raise InvalidInputError(
                    field, f"{low} is above {high}", "give the smaller number first"
                )
            return cls(low, high)
        return cls.exactly(int(match["exact"]))

    @classmethod
    def from_json(cls, value: object) -> object:
        """Hand on what a filter reads itself: text, an int, a Range or None."""
        return value

    def to_json(self) -> str:
        """Return the range as it is written."""
        return str(self)

    def __str__(self) -> str:
        if self.low is None:
            return f"<= {self.high}"
        if self.high is None:
            return f">= {self.low}"
        return str(self.low) if self.low == self.high else f"{self.low}-{self.high}"


def _key(_: object, __: attrs.Attribute[str], value: object) -> None:
    checked_text(value, "sort", "give a name, like 'due_at'")


def _yes_or_no(_: object, field: attrs.Attribute[bool], value: object) -> None:
    if type(value) is not bool:
        raise InvalidInputError(
            field.name, f"{type(value).__name__} is neither true nor false", "give true or false"
        )


@attrs.frozen
class Sort:
    """One key to sort by, in the protocol's own names; written ``"due_at"`` or ``"-due_at"``."""

    field: str = attrs.field(converter=given_text, validator=_key)
    descending: bool = attrs.field(default=False, validator=_yes_or_no)

    @classmethod
    def parse(cls, text: str) -> Sort:
        """Read a key with an optional ``+`` (ascending, the default) or ``-`` in front.

        Raises:
            InvalidInputError: if there is no name, or more than one key.
        """
        text = checked_text(text, "sort", "give a name, like 'due_at'")
        name = text[1:] if text[:1] in {"+", "-"} else text
        if not name.isidentifier():
            raise InvalidInputError(
                "sort",
                f"{shown(text)} is not one key",
                "write one name, like 'due_at' or '-due_at'",
            )
        return cls(name, descending=text.startswith("-"))

    def __str__(self) -> str:
        return f"{'-' if self.descending else '+'}{self.field}"


def _texts(values: Iterable[str] | str | None) -> tuple[str, ...] | None:
    given = (values,) if isinstance(values, str) else listed(values)
    # Anything but a list is returned unchanged, so that the validator names the field.
    return cast(None, values) if given is None else tuple(map(_text, given))


def _text(value: str) -> str:
    # A word that is given as a Status is meant as it is: it may be of an invoice.
    return value if isinstance(value, Status) else plain_text(value)


def _texts_or_none(_: object, field: attrs.Attribute[Any], value: object) -> None:
    if value is None:
        return
    if isinstance(value, tuple) and not value:
        raise InvalidInputError(
            field.name,
            "an empty list would select nothing or everything",
            "leave it out for no filter",
        )
    if not isinstance(value, tuple) or not all(
        isinstance(each, str) and each.strip() for each in value
    ):
        raise InvalidInputError(
            field.name, "an entry is empty or not text", "give one text or a list of texts"
        )
    for each in value:
        checked_text(each, field.name)


def _params(values: Mapping[str, str]) -> Mapping[str, str]:
    given: object = values
    if not isinstance(given, Mapping):
        return values
    return {plain_text(name): plain_text(text) for name, text in given.items()}


def _pairs_of_texts(_: object, field: attrs.Attribute[Any], value: object) -> None:
    if not isinstance(value, Mapping):
        raise InvalidInputError(
            field.name, f"{type(value).__name__} is no mapping", "give {'name': 'text'}"
        )
    for name, text in value.items():
        if not (isinstance(name, str) and name and isinstance(text, str)):
            raise InvalidInputError(field.name, f"{shown(name)} is not a pair of texts", "use text")
        checked_text(name + text, field.name)


def _moment(value: datetime | date | str | None) -> datetime | date | None:
    return cast(datetime | date | None, given_instant(value))


def _moment_or_none(_: object, field: attrs.Attribute[Any], value: object) -> None:
    # UNSET is for what is written. A filter that is left out is None.
    if value is not None:
        instant(value, field.name)


def _range(value: Range | str | int | None) -> Range | None:
    whole = whole_number(value)
    if type(whole) is int and abs(whole) <= _FURTHEST:
        return Range.exactly(whole)
    try:
        return Range.parse(value) if isinstance(value, str) else cast(Range | None, value)
    except InvalidInputError:
        return cast(Range, value)


def _range_or_none(_: object, field: attrs.Attribute[Any], value: object) -> None:
    if isinstance(value, str):
        Range.parse(value, field.name)
    if value is not None and not isinstance(value, Range):
        raise InvalidInputError(
            field.name,
            f"{type(value).__name__} is not a range",
            "give '1-30', '> 90', an int or a Range",
        )


def _text_or_none(_: object, field: attrs.Attribute[str | None], value: object) -> None:
    if value is not None and not (isinstance(value, str) and value.strip()):
        raise InvalidInputError(
            field.name, f"{shown(value)} is not text", "give a text or leave it out"
        )
    if value is not None:
        checked_text(value, field.name)


@attrs.frozen(kw_only=True, repr=False)
class Filter(FromDict):
    """Say which invoices to list: those for which all that is given holds.

    A filter that is None, as all are unless given, holds for every invoice. The filters a provider
    has are in its capabilities; one it lacks is refused before anything is sent.

    Attributes:
        search: text looked for in invoice numbers and party names.
        counterparty: names of who is to pay; any of them.
        counterparty_ids: their ids; any of them. Give names or ids, not both.
        status: any of these statuses. A text that is nearly one of those that Exante documents is
            refused there; give ``Status("UNPAID")``, or the status of an invoice, for one that it
            does not document.
        collection_method: any of these ways to collect.
        document: the id of the contract or document behind the invoice.
        issued_from: earliest date of issue, included: a day, an aware datetime or ISO text, as in
            :class:`Draft`. ``issued_to``, ``due_from``, ``due_to``, ``paid_from`` and ``paid_to``
            likewise. A day is included whole, in UTC, at either end.
        updated_from: earliest last change, and ``updated_to`` the latest, likewise. No provider
            that comes with this package filters by it; dialects of others may.
        overdue_days: a range of days: ``"> 30"``.
        total: a range of *minor units*: ``"10000-20000"``.
        include_inactive: also those of archived documents and inactive blueprints. Default False.
        expand: related records to include, where the provider can.
        extra_params: query parameters sent as they are, for what is documented nowhere yet.

    Raises:
        InvalidInputError: if a value is of the wrong type or cannot be read, a list is empty, or
            an earliest date is later than its latest.
    """

    search: str | None = attrs.field(
        default=None, converter=attrs.converters.optional(given_text), validator=_text_or_none
    )
    counterparty: tuple[str, ...] | None = attrs.field(
        default=None, converter=_texts, validator=_texts_or_none
    )
    counterparty_ids: tuple[str, ...] | None = attrs.field(
        default=None, converter=_texts, validator=_texts_or_none
    )
    status: tuple[str, ...] | None = attrs.field(
        default=None, converter=_texts, validator=_texts_or_none
    )
    collection_method: tuple[str, ...] | None = attrs.field(
        default=None, converter=_texts, validator=_texts_or_none
    )
    document: str | None = attrs.field(
        default=None, converter=attrs.converters.optional(given_text), validator=_text_or_none
    )
    issued_from: datetime | date | None = attrs.field(
        default=None, converter=_moment, validator=_moment_or_none
    )
    issued_to: datetime | date | None = attrs.field(
        default=None, converter=_moment, validator=_moment_or_none
    )
    due_from: datetime | date | None = attrs.field(
        default=None, converter=_moment, validator=_moment_or_none
    )
    due_to: datetime | date | None = attrs.field(
        default=None, converter=_moment, validator=_moment_or_none
    )
    paid_from: datetime | date | None = attrs.field(
        default=None, converter=_moment, validator=_moment_or_none
    )
    paid_to: datetime | date | None = attrs.field(
        default=None, converter=_moment, validator=_moment_or_none
    )
    updated_from: datetime | date | None = attrs.field(
        default=None, converter=_moment, validator=_moment_or_none
    )
    updated_to: datetime | date | None = attrs.field(
        default=None, converter=_moment, validator=_moment_or_none
    )
    overdue_days: Range | None = attrs.field(
        default=None, converter=_range, validator=_range_or_none
    )
    total: Range | None = attrs.field(default=None, converter=_range, validator=_range_or_none)
    include_inactive: bool = attrs.field(default=False, validator=_yes_or_no)
    expand: tuple[str, ...] | None = attrs.field(
        default=None, converter=_texts, validator=_texts_or_none
    )
    extra_params: Mapping[str, str] = attrs.field(
        factory=dict, converter=_params, validator=_pairs_of_texts, hash=False
    )

    if TYPE_CHECKING:
        # What attrs makes of the fields above. Some type checkers do not follow converters.
        def __init__(
            self,
            *,
            search: str | None = None,
            counterparty: str | Iterable[str] | None = None,
            counterparty_ids: str | Iterable[str] | None = None,
            status: str | Iterable[str] | None = None,
            collection_method: str | Iterable[str] | None = None,
            document: str | None = None,
            issued_from: datetime | date | str | None = None,
            issued_to: datetime | date | str | None = None,
            due_from: datetime | date | str | None = None,
            due_to: datetime | date | str | None = None,
            paid_from: datetime | date | str | None = None,
            paid_to: datetime | date | str | None = None,
            updated_from: datetime | date | str | None = None,
            updated_to: datetime | date | str | None = None,
            overdue_days: Range | str | int | None = None,
            total: Range | str | int | None = None,
            include_inactive: bool = False,
            expand: str | Iterable[str] | None = None,
            extra_params: Mapping[str, str] = ...,
        ) -> None: ...

    def __attrs_post_init__(self) -> None:
        for name in ("issued", "due", "paid", "updated"):
            start, end = getattr(self, f"{name}_from"), getattr(self, f"{name}_to")
            if start and end and first_moment(start) > last_moment(end):
                raise InvalidInputError(
                    f"{name}_from",
                    f"{instant_text(start)} is later than {name}_to, {instant_text(end)}",
                    "give the earlier one first",
                )

    def given(self) -> dict[str, object]:
        """List the filters that were set, by their names."""
        names = (field.name for field in attrs.fields(Filter))
        return {
            name: getattr(self, name)
            for name in names
            if getattr(self, name) != getattr(_EVERYTHING, name)
        }


_EVERYTHING: Final = Filter()


def _is_a(kind: type) -> Callable[[object, attrs.Attribute[Any], object], None]:
    def validator(_: object, field: attrs.Attribute[Any], value: object) -> None:
        if not isinstance(value, kind):
            raise InvalidInputError(
                field.name,
                f"{type(value).__name__} is no {kind.__name__}",
                f"give a {kind.__name__}",
            )

    return validator


def _counted(_: object, field: attrs.Attribute[Any], value: object) -> None:
    if type(value) is not int or value < 1:
        raise InvalidInputError(
            field.name, f"{shown(value)} is no count from 1 on", "give a whole number, 1 or more"
        )


@attrs.frozen(kw_only=True)
class Query:
    """One page to ask for.

    Attributes:
        filter: which invoices.
        sort: in which order; None leaves it to the provider.
        page: counted from 1.
        page_size: rows on a page; None leaves it to the dialect, which takes the largest.
        cursor: where the provider pages by cursor, the ``next_cursor`` of the page before; None
            for the first page.

    Raises:
        InvalidInputError: if a value is of the wrong type, or below 1.
    """

    filter: Filter = attrs.field(factory=Filter, validator=_is_a(Filter))
    sort: Sort | None = attrs.field(default=None, validator=attrs.validators.optional(_is_a(Sort)))
    page: int = attrs.field(default=1, validator=_counted)
    page_size: int | None = attrs.field(default=None, validator=attrs.validators.optional(_counted))
    cursor: str | None = attrs.field(
        default=None, converter=attrs.converters.optional(given_text), validator=_text_or_none
    )
