"""Strategies of Hypothesis: money, drafts, changes, filters and invoices.

Drafts, changes and filters are those that the sandbox of a provider accepts, with its well-known
parties and documents. A number may come twice: where a draft is created, make the sandbox inside
the test, or the first example's invoice is there when the second one's is to be created.
"""

from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any, Final

from billingual.errors import ConfigurationError, MissingExtraError, shown
from billingual.model import (
    Changes,
    CollectionMethod,
    CustomField,
    Draft,
    Filter,
    Invoice,
    Kind,
    LineItem,
    Money,
    Party,
    Range,
    Status,
)
from billingual.sandbox import LANDMARKS

try:
    from hypothesis import strategies as st
except ModuleNotFoundError as _missing:
    raise MissingExtraError(
        "billingual.testing.strategies", "testing", str(_missing.name)
    ) from _missing

__all__ = ["changes", "drafts", "filters", "invoices", "money"]

_CURRENCIES: Final = ("EUR", "USD", "JPY", "KWD")
_LARGEST: Final = 2**53 - 1  # Kukkingu's, and the most that JSON carries everywhere
_WORDS: Final = st.text(st.characters(exclude_categories=["C", "Z"]), min_size=1, max_size=40)
_TEXTS: Final = st.text(st.characters(exclude_categories=["C"]), max_size=60)
_DAYS: Final = st.dates(date(2000, 1, 1), date(2099, 12, 31))
_MOMENTS: Final = _DAYS | st.datetimes(
    datetime(2000, 1, 1),  # noqa: DTZ001 - Hypothesis takes naive bounds
    datetime(2099, 12, 31),  # noqa: DTZ001 - likewise
    timezones=st.just(UTC),
).map(lambda moment: moment.replace(microsecond=0))
_RATES: Final = st.decimals(0, 1000, allow_nan=False, allow_infinity=False, places=4)
_STATUSES: Final = st.sampled_from(
    [str(each) for each in Status.known() if each != Status.FINALIZED]
)
_METHODS: Final = st.sampled_from([str(each) for each in CollectionMethod.known()])
_CUSTOM: Final = st.dictionaries(_WORDS, _TEXTS, max_size=3)


def money(
    currencies: tuple[str, ...] = _CURRENCIES, *, smallest: int = 0, largest: int = _LARGEST
) -> st.SearchStrategy[Money]:
    """Draw amounts of *smallest* to *largest* minor units in one of *currencies*."""
    return st.builds(Money, st.integers(smallest, largest), st.sampled_from(currencies))


def drafts(provider: str = "exante") -> st.SearchStrategy[Draft]:
    """Draw drafts that the sandbox of *provider* accepts.

    Raises:
        ConfigurationError: if the provider is neither ``"exante"`` nor ``"kukkingu"``.
    """
    dates: dict[str, Any] = {"issued_at": _MOMENTS, "due_at": _MOMENTS}
    if _known(provider) == "exante":
        return _some(
            Draft,
            {each: st.just(LANDMARKS[f"exante_{place}"]) for each, place in _PLACES.items()},
            {
                "number": _WORDS, "status": _STATUSES, "currency": st.sampled_from(_CURRENCIES),
                "kind": st.sampled_from(["receivable", "payable"]), "fields": _CUSTOM,
                "blueprint": st.just(LANDMARKS["exante_blueprint"]), **dates,
            },
        )  # fmt: skip
    document = st.just(LANDMARKS["kukkingu_contract"])
    return _some(
        Draft,
        {"document": document, "number": _WORDS, "total": money(), "exchange_rate": _RATES},
        {"paid_at": _MOMENTS, **dates},
    )


def changes(provider: str = "exante") -> st.SearchStrategy[Changes]:
    """Draw changes of one field or more that the sandbox of *provider* accepts for a draft.

    Raises:
        ConfigurationError: if the provider is neither ``"exante"`` nor ``"kukkingu"``.
    """
    fields: dict[str, Any] = {
        "number": _WORDS, "issued_at": _MOMENTS, "due_at": _MOMENTS, "paid_at": _MOMENTS
    }  # fmt: skip
    if _known(provider) == "exante":
        fields |= {
            "status": _STATUSES, "collection_method": _METHODS, "fields": _CUSTOM,
            "currency": st.sampled_from(_CURRENCIES),
            "counterparty": st.just(LANDMARKS["exante_party"]),
            "document": st.just(LANDMARKS["exante_document"]),
            "blueprint": st.just(LANDMARKS["exante_blueprint"]),
        }  # fmt: skip
    else:
        fields |= {"total": money(), "exchange_rate": _RATES}
    return st.sampled_from(sorted(fields)).flatmap(
        lambda name: _some(Changes, {name: fields[name]}, fields)
    )


def filters(provider: str = "exante") -> st.SearchStrategy[Filter]:
    """Draw filters that the sandbox of *provider* accepts, the empty one among them.

    Raises:
        ConfigurationError: if the provider is neither ``"exante"`` nor ``"kukkingu"``.
    """
    if _known(provider) == "kukkingu":
        states = st.sampled_from(["DRAFT", "FINALIZED", "VOID"])
        document = st.just(LANDMARKS["kukkingu_contract"])
        return _some(Filter, {}, {"status": states, "document": document})
    whole = st.integers(0, 10**6)
    ranges = st.one_of(
        whole.map(Range.exactly),
        whole.map(Range.above),
        whole.map(Range.below),
        st.tuples(whole, whole).map(lambda ends: Range.between(min(ends), max(ends))),
    )
    names = _some(Filter, {}, {"counterparty": st.lists(_WORDS, min_size=1, max_size=2)})
    ids = st.just(Filter(counterparty_ids=[LANDMARKS["exante_party"]]))
    dates = {f"{each}_{end}": _DAYS for each in ("issued", "due", "paid") for end in ("from", "to")}
    return st.builds(
        lambda party, given: Filter(**party.given(), **_in_order(given)),
        names | ids,
        st.fixed_dictionaries(
            {},
            optional={
                "search": _WORDS, "status": st.lists(_STATUSES, min_size=1, max_size=3),
                "collection_method": st.lists(_METHODS, min_size=1, max_size=2),
                "overdue_days": ranges, "total": ranges, "include_inactive": st.booleans(), **dates,
            },
        ),
    )  # fmt: skip


def invoices() -> st.SearchStrategy[Invoice]:
    """Draw invoices as a client returns them: amounts that fit each other, and fields left out."""
    return st.sampled_from(_CURRENCIES).flatmap(_invoices_in)


_PLACES: Final = {"counterparty": "party", "owner": "owner", "document": "document"}


def _invoices_in(currency: str) -> st.SearchStrategy[Invoice]:
    amounts = money((currency,))
    parties = st.builds(Party, id=st.uuids().map(str), name=_WORDS)
    lines = st.builds(LineItem, name=_WORDS, quantity=st.just(Decimal(1)), total=amounts)
    some = _some_dict(
        {
            "id": st.uuids().map(str), "currency": st.just(currency),
            "kind": st.sampled_from([Kind(Kind.RECEIVABLE), Kind(Kind.PAYABLE)]),
        },
        {
            "number": _WORDS, "status": _STATUSES.map(Status), "issued_at": _MOMENTS,
            "due_at": _MOMENTS, "counterparty": parties, "seller": parties,
            "lines": st.lists(lines, max_size=3).map(tuple),
            "fields": st.lists(st.builds(CustomField, _WORDS, _TEXTS), max_size=2).map(tuple),
        },
    )  # fmt: skip
    return st.builds(_invoice, amounts, st.fractions(0, 1), some)


def _invoice(total: Money, share: Any, fields: dict[str, Any]) -> Invoice:
    paid = Money(int(total.minor * share), total.currency)
    return Invoice(
        total=total, amount_due=total, amount_paid=paid, amount_remaining=total - paid, **fields
    )


def _some(kind: Any, needed: dict[str, Any], more: dict[str, Any]) -> st.SearchStrategy[Any]:
    """Draw *kind* with all of the fields that it needs and some of the others."""
    return _some_dict(needed, more).map(lambda fields: kind(**fields))


def _some_dict(needed: dict[str, Any], more: dict[str, Any]) -> st.SearchStrategy[dict[str, Any]]:
    others = {name: each for name, each in more.items() if name not in needed}
    return st.fixed_dictionaries(needed, optional=others)


def _in_order(given: dict[str, Any]) -> dict[str, Any]:
    """Put the earlier day first where both ends of a range of days were drawn."""
    for each in ("issued", "due", "paid"):
        names = [name for end in ("from", "to") if (name := f"{each}_{end}") in given]
        days = sorted(given[name] for name in names)
        given |= dict(zip(names, days, strict=True))
    return given


def _known(provider: str) -> str:
    if provider not in {"exante", "kukkingu"}:
        raise ConfigurationError(
            f"no strategies are known for {shown(provider)}; there are some for exante and "
            "kukkingu."
        )
    return provider
