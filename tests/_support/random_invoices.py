"""Invoices drawn at random from a seed, with every optional field there and not there."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any, TypeVar

from billingual import CustomField, Invoice, InvoiceSummary, LineItem, Money, Party
from billingual.model import CollectionMethod, Contact, Kind, Problem, Status

T = TypeVar("T")

CURRENCIES = ("EUR", "JPY", "KWD", "HRK", "XXX", "Q!")
TEXTS = ("", "INV-1", "Ünïcödé", "東京", "🧾", 'a "quoted"\nline\\', "\x00\x7f", "x" * 300)
INSTANTS = (
    datetime(1, 1, 1, tzinfo=UTC),
    datetime(9999, 12, 31, 23, 59, 59, 999_999, tzinfo=UTC),
    datetime(1970, 1, 1, tzinfo=UTC),
    datetime(1969, 12, 31, 23, 59, 59, 999_999, tzinfo=UTC),
    # Before and after the years that there are in UTC.
    datetime(1, 1, 1, tzinfo=timezone(timedelta(hours=1))),
    datetime(9999, 12, 31, 23, tzinfo=timezone(timedelta(hours=-2))),
)
NUMBERS = (
    "0", "-0", "1", "1.50", "0.333333333333333333", "-99999999999999999999.999999999999999999",
    "100000000000000000000", "0.0000000000000000001", "1E+19", "1E+20", "1E+30", "0E+40", "0E-40",
    "12345678901234567890123456789.5", "1E-18", "1E-400",
)  # fmt: skip
WHOLE = (0, 1, -1, 2**63 - 1, -(2**63), 2**63, -(2**63) - 1, 10**29)


def random_invoices(seed: int, count: int) -> Iterator[InvoiceSummary]:
    """Draw *count* rows of lists and full invoices."""
    draw = _Draw(random.Random(seed))  # noqa: S311 - to be the same each time
    return (draw.invoice() for _ in range(count))


class _Draw:
    def __init__(self, chance: random.Random) -> None:
        self._random = chance.random
        self._choice = chance.choice
        self._int = chance.randrange

    def maybe(self, make: Callable[[], T]) -> T | None:
        return make() if self._random() < 0.7 else None

    def text(self) -> str:
        return self._choice(TEXTS) if self._random() < 0.3 else f"text-{self._int(10**6)}"

    def whole(self) -> int:
        return self._choice(WHOLE) if self._random() < 0.02 else self._int(-(10**9), 10**9)

    def number(self) -> Decimal:
        if self._random() < 0.1:
            return Decimal(self._choice(NUMBERS))
        return Decimal(self._int(-(10**12), 10**12)).scaleb(-self._int(13))

    def day(self) -> date:
        return date.fromordinal(self._int(1, date.max.toordinal() + 1))

    def moment(self) -> datetime | date:
        kind = self._random()
        if kind < 0.02:
            return self._choice(INSTANTS)
        if kind < 0.2:
            return self.day()
        zone = timezone(timedelta(minutes=self._int(-840, 841)))
        micros = self._int(-(10**15), 10**16)
        return (datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=micros)).astimezone(zone)

    def money(self, currency: str | None) -> Money:
        if self._random() < 0.02:
            currency = self._choice((*CURRENCIES, None))
        return Money(self.whole(), currency)

    def json(self, depth: int = 2) -> Any:
        kinds = [
            None, True, False, self.text(), self.whole(), Decimal("1.50"), Decimal("1E+30"), 2**70,
        ]  # fmt: skip
        if depth:
            kinds.append([self.json(depth - 1) for _ in range(self._int(3))])
            kinds.append({self.text(): self.json(depth - 1) for _ in range(self._int(3))})
        return self._choice(kinds)

    def party(self) -> Party:
        maybe, text = self.maybe, self.text
        contact = maybe(
            lambda: Contact(
                id=maybe(text), name=maybe(text), title=maybe(text), email=maybe(text),
                phone=maybe(text),
            )
        )  # fmt: skip
        return Party(
            id=maybe(text), name=maybe(text), address=maybe(text), role=maybe(text), contact=contact
        )

    def line(self, currency: str | None) -> LineItem:
        maybe, text = self.maybe, self.text
        return LineItem(
            id=maybe(text),
            kind=maybe(text),
            name=maybe(text),
            quantity=maybe(self.number),
            unit_price=maybe(lambda: self.money(currency)),
            total=maybe(lambda: self.money(currency)),
            product_id=maybe(text),
        )

    def field(self) -> CustomField:
        return CustomField(self.text(), self.json(), self.text(), self.maybe(self.text))

    def several(self, make: Callable[[], T]) -> tuple[T, ...]:
        return tuple(make() for _ in range(self._int(4)))

    def invoice(self) -> InvoiceSummary:
        maybe, text, moment = self.maybe, self.text, self.moment
        currency = maybe(lambda: self._choice(CURRENCIES))
        names = (
            "total", "subtotal", "discount", "tax", "amount_due", "amount_paid", "amount_remaining",
        )  # fmt: skip
        values: dict[str, Any] = {name: maybe(lambda: self.money(currency)) for name in names}
        values |= {
            "id": text(),
            "number": maybe(text),
            "status": maybe(lambda: Status(self._choice(("PAID", "NEW WORD")))),
            "issued_at": maybe(moment),
            "due_at": maybe(moment),
            "paid_at": maybe(moment),
            "currency": currency,
            "overdue_days": maybe(self.whole),
            "collection_method": maybe(lambda: CollectionMethod("send_invoice")),
            "counterparty": maybe(self.party),
            "document": maybe(text),
            "extra": {self.text(): self.json() for _ in range(self._int(3))},
            "problems": self.several(lambda: Problem(self.text(), self.text(), self.json())),
        }
        if self._random() < 0.5:
            return InvoiceSummary(**values)
        return Invoice(
            **values,
            kind=maybe(lambda: Kind(self._choice(("receivable", "barter")))),
            created_at=maybe(moment),
            updated_at=maybe(moment),
            link=maybe(text),
            seller=maybe(self.party),
            blueprint=maybe(text),
            lines=self.several(lambda: self.line(currency)),
            fields=self.several(self.field),
            notes={self.text(): self.text() for _ in range(self._int(3))},
            exchange_rate=maybe(self.number),
        )
