"""Whether an invoice is what a caller asked for, field by field.

There are two questions. A search asks for a proof (:func:`differing_fields`): only what is seen
and exactly equal counts. The response to a write is asked whether it contradicts
(:func:`contradicted_fields`): what it does not show, or writes in another form, does not.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal, InvalidOperation
from typing import Final, cast
from unicodedata import normalize

from billingual.model._types import first_moment
from billingual.model.invoice import CustomField, InvoiceSummary, Party
from billingual.model.money import Money

__all__ = ["contradicted_fields", "differing_fields", "is_same_number"]

# Providers keep milliseconds at best; none writes a second apart.
_SAME_MOMENT: Final = timedelta(milliseconds=1)
_SAME_SECOND: Final = timedelta(seconds=1)
# A day begins 14 hours before UTC's at the earliest (Kiribati).
_EARLIEST: Final = timedelta(hours=-14)
_DAY: Final = timedelta(days=1)
# Where a number is cut within its digits, at least so many characters are left. Shorter limits are
# unheard of, and a cut N-12 would look like N-1, which is another invoice.
_SHORTEST_CUT: Final = 8
# No provider takes longer ones; it bounds the work that a hostile number can cause.
_LONGEST_NUMBER: Final = 1_000
# A response may show one party under two names: the model has one of them, the payload both.
_IDS: Final = frozenset({"blueprint", "counterparty", "document"})
_LEADING_ZEROS: Final = re.compile(r"(?<!\d)0+(?=\d)")
# No invoice shows it again.
_NOT_SHOWN: Final = frozenset({"owner"})


def differing_fields(given: Mapping[str, object], invoice: InvoiceSummary) -> tuple[str, ...]:
    """List the fields of a draft or of changes that *invoice* does not have as they were given.

    Args:
        given: what ``Draft.given()`` or ``Changes.given()`` returns.
        invoice: an invoice in full. A field that it does not state counts as a misfit: what
            cannot be seen proves nothing.

    Returns:
        Names in the order they were given; empty where all fit. The owner of a draft is passed
        over, because no invoice shows it.
    """
    return tuple(
        name
        for name, value in given.items()
        if name not in _NOT_SHOWN and not _fits(name, value, invoice)
    )


def _fits(name: str, wanted: object, invoice: InvoiceSummary) -> bool:
    seen = getattr(invoice, name, None)
    if wanted is None or seen is None:
        return wanted is seen
    return _RULES.get(name, _equal_words)(wanted, seen)


def contradicted_fields(
    given: Mapping[str, object],
    shown: object,
    raw: Mapping[str, object],
    wire_names: Mapping[str, str],
) -> dict[str, object]:
    """Return the fields that a response shows with another value than was given.

    Values that mean the same are equal: an instant in another zone or cut to the second, a day and
    an instant of that day, numbers with other zeros, words and codes in another case of letters.

    Args:
        given: what was asked for, by our names.
        shown: the model of the response.
        raw: its payload.
        wire_names: the provider's names of our fields. A field of which the model has nothing may
            still be in *raw*, as null for instance.

    Returns:
        Our names, each with the value that is shown, as it came where that is known.
    """
    found: dict[str, object] = {}
    for name, wanted in given.items():
        wire = wire_names.get(name)
        as_it_came = raw.get(wire) if wire is not None else None
        seen = getattr(shown, name, None)
        if seen is None or seen == ():
            there = wire is not None and wire in raw
            is_null = there and as_it_came is None and wanted is not None and wanted != ()
            is_other = not hasattr(shown, name) and _is_other_id(wanted, as_it_came)
            lacks = seen == () and there and as_it_came in ([], {}) and bool(wanted)
            if is_null or is_other or lacks:
                found[name] = as_it_came
        elif not _means(name, wanted, seen) and not (
            name in _IDS and isinstance(as_it_came, str) and _equal_ids(wanted, as_it_came)
        ):
            shown_id = seen.id if isinstance(seen, Party) else seen
            found[name] = shown_id if as_it_came is None else as_it_came
    return found


def _means(name: str, wanted: object, seen: object) -> bool:
    """Tell whether *seen* means what was wanted, in whatever form."""
    if wanted is None:
        return False
    if _RULES.get(name, _equal_words)(wanted, seen):
        return True
    return name in _LENIENT_RULES and _LENIENT_RULES[name](wanted, seen)


def _is_other_id(wanted: object, seen: object) -> bool:
    return isinstance(wanted, str) and isinstance(seen, str) and not _equal_ids(wanted, seen)


def is_same_number(wanted: str, seen: str) -> bool:
    """Tell whether *seen* can be the number *wanted* after a provider cut, trimmed or extended it.

    One must contain the other; spaces, case and leading zeros do not count. Where the contained one
    ends, no run of digits may be divided, because N-1 is no form of N-12. Only a cut at the
    provider's longest number may divide one.
    """
    if max(len(wanted), len(seen)) > _LONGEST_NUMBER:
        return False
    one, other = _folded(wanted), _folded(seen)
    if not one or not other:
        return False
    short, long = sorted((one, other), key=len)
    start = long.find(short)
    while start >= 0:
        end = start + len(short)
        whole_start = start == 0 or not (short[0].isdigit() and long[start - 1].isdigit())
        whole_end = end == len(long) or not (short[-1].isdigit() and long[end].isdigit())
        if whole_start and whole_end:
            return True
        start = long.find(short, start + 1)
    cut = " ".join(wanted.split()).startswith(" ".join(seen.split()))
    return cut and len(seen.strip()) >= _SHORTEST_CUT


def _folded(number: str) -> str:
    """Return a number without spaces, case and the leading zeros of each run of digits."""
    return _LEADING_ZEROS.sub("", "".join(normalize("NFKC", number).split()).casefold())


def _equal_words(wanted: object, seen: object) -> bool:
    return str(wanted) == str(seen)


def _equal_ids(wanted: object, seen: object) -> bool:
    # A UUID is the same in either case; ids of other forms hold no capital letters.
    return str(wanted).lower() == str(seen).lower()


def _same_party(wanted: object, seen: object) -> bool:
    if isinstance(seen, str):  # a receipt
        return _equal_ids(wanted, seen)
    return isinstance(seen, Party) and seen.id is not None and _equal_ids(wanted, seen.id)


def _same_moment(wanted: object, seen: object) -> bool:
    apart = _apart(wanted, seen)
    return apart is not None and apart < _SAME_MOMENT


def _apart(wanted: object, seen: object) -> timedelta | None:
    """Return how far apart two instants or days are; None where one is neither."""
    if not isinstance(wanted, date) or not isinstance(seen, date):
        return None
    # A day is sent as its first moment in UTC, so a provider may show the one for the other.
    wanted, seen = first_moment(wanted), first_moment(seen)
    # A foreign dialect may make datetimes without an offset, which name no instant.
    if wanted.utcoffset() is None or seen.utcoffset() is None:
        return None
    return abs(wanted - seen)


def _same_words(wanted: object, seen: object) -> bool:
    return str(wanted).strip().casefold() == str(seen).strip().casefold()


def _same_instant(wanted: object, seen: object) -> bool:
    """Compare instants to the second where one has no finer part, and a day with an instant."""
    if isinstance(wanted, datetime) and isinstance(seen, datetime):
        apart, fine = _apart(wanted, seen), wanted.microsecond and seen.microsecond
        return apart is not None and apart < _SAME_SECOND and not fine
    if isinstance(seen, datetime):
        wanted, seen = seen, wanted
    if not isinstance(wanted, datetime) or not isinstance(seen, date):
        return wanted == seen
    if wanted.date() == seen or wanted.utcoffset() is None:
        return wanted.date() == seen
    # From the first moment of the day anywhere on earth to the last one of the day in UTC.
    return _EARLIEST <= wanted - datetime.combine(seen, time(), UTC) < _DAY


def _same_money(wanted: object, seen: object) -> bool:
    if not isinstance(wanted, Money) or not isinstance(seen, Money):
        return False
    return wanted.minor == seen.minor and _same_words(wanted.currency, seen.currency)


def _alike_fields(wanted: object, seen: object) -> bool:
    there = {each.key: each.value for each in cast("tuple[CustomField, ...]", seen)}
    return all(
        each.key in there and _alike_values(each.value, there[each.key])
        for each in cast("tuple[CustomField, ...]", wanted)
    )


def _alike_values(wanted: object, seen: object) -> bool:
    """Compare values of custom fields, which some providers keep as text."""
    if wanted == seen or str(wanted) == str(seen):
        return True
    try:
        return Decimal(str(wanted)) == Decimal(str(seen))
    except InvalidOperation:
        return str(wanted).casefold() == str(seen).casefold()  # True is kept as "true".


def _same_amount(wanted: object, seen: object) -> bool:
    if not isinstance(wanted, Money) or not isinstance(seen, Money):
        return False
    return wanted.minor == seen.minor and seen.currency in {None, wanted.currency}


def _equal_numbers(wanted: object, seen: object) -> bool:
    if not isinstance(wanted, Decimal) or not isinstance(seen, Decimal):
        return False
    # A provider may keep JSON's numbers as binary floats (RFC 8259, 6): 17 digits of a rate.
    return wanted == seen or float(wanted) == float(seen)


def _same_fields(wanted: object, seen: object) -> bool:
    if not isinstance(wanted, tuple) or not isinstance(seen, tuple):
        return False
    there = {each.key: each.value for each in seen if isinstance(each, CustomField)}
    return all(
        isinstance(each, CustomField) and each.key in there and there[each.key] == each.value
        for each in wanted
    )


_RULES: Final[Mapping[str, Callable[[object, object], bool]]] = {
    "blueprint": _equal_ids,
    "counterparty": _same_party,
    "document": _equal_ids,
    "due_at": _same_moment,
    "exchange_rate": _equal_numbers,
    "fields": _same_fields,
    "issued_at": _same_moment,
    "paid_at": _same_moment,
    "total": _same_amount,
}

_LENIENT_RULES: Final[Mapping[str, Callable[[object, object], bool]]] = {
    "collection_method": _same_words,
    "currency": _same_words,
    "due_at": _same_instant,
    "fields": _alike_fields,
    "issued_at": _same_instant,
    "kind": _same_words,
    "paid_at": _same_instant,
    "status": _same_words,
    "total": _same_money,
}
