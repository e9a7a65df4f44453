"""What goes out to Stripe: a form for each write, a query for each page.

- A form is nested by brackets: ``metadata[order]=7``. https://docs.stripe.com/api, read 2026-11
- Times are whole seconds since 1970, currencies small letters.
  https://docs.stripe.com/api/invoices/create, read 2026-11
- Metadata is up to 50 pairs of text, names up to 40 characters, values up to 500; an empty value
  takes its name away. https://docs.stripe.com/api/metadata, read 2026-11
"""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import Final, cast

from billingual import CustomField
from billingual.dialects import Field, extra_pairs, single, text_of, write_fields
from billingual.errors import InvalidInputError
from billingual.model import Query, checked_currency, first_moment, last_moment

__all__ = ["CHANGES", "DRAFT", "EPOCH", "FILTERS", "LARGEST_PAGE", "query_pairs"]

EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
LARGEST_PAGE, _MOST, _LONGEST_NAME, _LONGEST_VALUE = 100, 50, 40, 500
_TEXT: Final = text_of(1, 5000)  # as long as the documentation of "customer" says
_ONE: Final = single(_TEXT)


def _code(value: object, name: str) -> str:
    return checked_currency(value, name).lower()


def _seconds(value: object, name: str) -> str:
    moment = first_moment(cast("datetime | date", value))
    seconds, fraction = divmod(moment - EPOCH, timedelta(seconds=1))
    if fraction:
        raise InvalidInputError(name, "Stripe counts whole seconds", "leave the fraction out")
    return str(seconds)


def _until(value: object, name: str) -> str:
    # A day that ends a range is meant whole. Stripe counts no fraction of its last second.
    is_day = not isinstance(value, datetime)
    moment = last_moment(cast("datetime | date", value))
    return _seconds(moment.replace(microsecond=0) if is_day else moment, name)


def _metadata(value: object, name: str) -> dict[str, str]:
    fields = cast(tuple[CustomField, ...], value)
    if len(fields) > _MOST:
        raise InvalidInputError(name, f"there are {len(fields)}", f"give at most {_MOST}")
    for each in fields:
        if not 0 < len(each.key) <= _LONGEST_NAME or set("[]") & set(each.key):
            fix = f"give 1 to {_LONGEST_NAME} characters, no square brackets"
            raise InvalidInputError(name, f"the name {each.key!r} is not one of Stripe's", fix)
        is_text = isinstance(each.value, str) and each.type == "string"
        if not is_text or len(str(each.value)) > _LONGEST_VALUE:
            fix = f"give text of up to {_LONGEST_VALUE} characters"
            raise InvalidInputError(f"{name}.{each.key}", "Stripe keeps short text only", fix)
    return {each.key: str(each.value) for each in fields}


CHANGES: Final = {
    "number": Field("number", _TEXT, nullable=False),
    "issued_at": Field("effective_at", _seconds, nullable=False),
    "due_at": Field("due_date", _seconds, nullable=False),
    "collection_method": Field("collection_method", _TEXT, nullable=False),
    "fields": Field("metadata", _metadata),
}
"""What an update takes: the protocol's name for each field, Stripe's, and how it is written."""

DRAFT: Final = {
    "counterparty": Field("customer", _TEXT, nullable=False),
    "currency": Field("currency", _code, nullable=False),
    **{name: CHANGES[name] for name in ("number", "issued_at", "due_at", "fields")},
}
FILTERS: Final = {
    "counterparty_ids": Field("customer", _ONE),
    "status": Field("status", _ONE),
    "collection_method": Field("collection_method", _ONE),
    "due_from": Field("due_date[gte]", _seconds),
    "due_to": Field("due_date[lte]", _until),
}


def query_pairs(query: Query) -> list[tuple[str, str]]:
    """Write the parameters of one page.

    Raises:
        InvalidInputError: if a value cannot be asked for.
    """
    if query.page > 1 and query.cursor is None:
        raise InvalidInputError("cursor", "a later page needs one", "walk the list in order")
    pairs = {name: str(text) for name, text in write_fields(FILTERS, query.filter.given()).items()}
    pairs["limit"] = str(query.page_size or LARGEST_PAGE)
    pairs |= {} if query.cursor is None else {"starting_after": query.cursor}
    return [*pairs.items(), *extra_pairs(query.filter, pairs)]
