"""Whether an invoice may be what a write made, though the provider altered what was sent.

Providers cut numbers, strip them, prefix them, choose others, or keep none; some keep days where
times were sent. Such an invoice is no proof, so the write is not adopted. But while there is one,
the write cannot be called absent either.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import date, timedelta
from typing import Final
from unicodedata import normalize

from billingual.model import (
    CustomField,
    Invoice,
    InvoiceSummary,
    Money,
    Party,
    differing_fields,
    first_moment,
)

__all__ = ["alike_numbers", "may_show", "may_show_all", "same_value"]

# A provider that keeps days, or takes a time for one of its own zone, is at most this far off.
_SAME_DAY: Final = timedelta(days=1)
# Time alone changes these: an invoice is sent, falls overdue and is paid. The number is what a
# provider alters.
_NO_SIGN: Final = frozenset({"number", "status", "paid_at"})
_WORDS_AND_DIGITS: Final = re.compile(r"\d+|[^\W\d_]+")


def alike_numbers(kept: object, given: object) -> bool:
    """Tell whether two numbers differ in case, separators, leading zeros or a prefix at most."""
    mine, yours = _parts(given), _parts(kept)
    short = min(len(mine), len(yours))
    return short > 0 and mine[-short:] == yours[-short:]


def _parts(number: object) -> list[str]:
    if not isinstance(number, str):
        return []
    text = normalize("NFKC", number).casefold()
    parts = [each.lstrip("0") or "0" for each in _WORDS_AND_DIGITS.findall(text)]
    return parts or text.split()


def may_show_all(given: Mapping[str, object], invoice: InvoiceSummary) -> bool:
    """Tell whether an invoice contradicts none of the fields that a draft gives.

    What the invoice does not state contradicts nothing. Nor do its number, which the provider may
    have altered, and its status and day of payment, which change by themselves.
    """
    return all(
        name in _NO_SIGN or value is None or _agree(name, value, invoice)
        for name, value in given.items()
    )


def _agree(name: str, wanted: object, invoice: InvoiceSummary) -> bool:
    seen = getattr(invoice, name, None)
    if seen is None or (isinstance(seen, Party) and seen.id is None):
        return True
    if isinstance(wanted, tuple) and isinstance(seen, tuple):
        there = {each.key: each.value for each in seen if isinstance(each, CustomField)}
        return all(
            there.get(each.key, each.value) == each.value
            for each in wanted
            if isinstance(each, CustomField)
        )
    return may_show(name, wanted, invoice) or not differing_fields({name: wanted}, invoice)


def may_show(name: str, wanted: object, invoice: InvoiceSummary) -> bool:
    """Tell whether the value of a field may be *wanted*, altered by the provider."""
    seen = getattr(invoice, name, None)
    if isinstance(wanted, date) and isinstance(seen, date):  # as datetimes are, too
        return abs(first_moment(wanted) - first_moment(seen)) <= _SAME_DAY
    if isinstance(wanted, str) and isinstance(seen, str):
        cut = seen.strip() and wanted.startswith(seen)
        return bool(cut) or alike_numbers(seen, wanted)
    return False


def same_value(name: str, base: InvoiceSummary, invoice: InvoiceSummary) -> bool | None:
    """Tell whether a field has the value that it had in an older copy, *base*.

    Returns:
        None if the copy is a row of a list, which states less than the whole, and not this field.
    """
    old, seen = getattr(base, name, None), getattr(invoice, name, None)
    if old is None and not isinstance(base, Invoice):
        return None
    if isinstance(old, Party) and isinstance(seen, Party):
        return old.id == seen.id
    if isinstance(old, Money) and isinstance(seen, Money):
        return old.minor == seen.minor and (None in {old.currency, seen.currency} or old == seen)
    return bool(old == seen)
