"""Whether an invoice is what a caller asked for, field by field and exactly."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import Final

from billingual.model.invoice import InvoiceSummary
from billingual.model.lines import CustomField
from billingual.model.money import Money
from billingual.model.party import Party

__all__ = ["differing_fields"]

# Providers keep milliseconds at best; none writes a second apart.
_SAME_MOMENT: Final = timedelta(milliseconds=1)
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


def _equal_words(wanted: object, seen: object) -> bool:
    return str(wanted) == str(seen)


def _equal_ids(wanted: object, seen: object) -> bool:
    # A UUID is the same in either case; ids of other forms hold no capital letters.
    return str(wanted).lower() == str(seen).lower()


def _same_party(wanted: object, seen: object) -> bool:
    return isinstance(seen, Party) and seen.id is not None and _equal_ids(wanted, seen.id)


def _same_moment(wanted: object, seen: object) -> bool:
    both = isinstance(wanted, datetime) and isinstance(seen, datetime)
    return both and abs(wanted - seen) < _SAME_MOMENT  # type: ignore[operator]  # both, just above


def _same_amount(wanted: object, seen: object) -> bool:
    if not isinstance(wanted, Money) or not isinstance(seen, Money):
        return False
    return wanted.minor == seen.minor and seen.currency in {None, wanted.currency}


def _equal_numbers(wanted: object, seen: object) -> bool:
    return wanted == seen


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
