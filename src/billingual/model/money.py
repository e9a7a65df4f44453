"""Exact money: an integer of minor units and the currency it is counted in."""

from __future__ import annotations

import functools
import re
from collections.abc import Mapping
from decimal import MAX_PREC, Context, Decimal, InvalidOperation
from typing import Final, cast

import attrs

from billingual.errors import InvalidInputError, shown
from billingual.model._currencies import MINOR_UNITS, WITHDRAWN_MINOR_UNITS
from billingual.model._mapping import ToDict
from billingual.model._types import given_text, whole_number
from billingual.wire import plain_text

__all__ = ["Money", "minor_unit_exponent"]

_MAX_DIGITS: Final = 30
# What can be printed: Python makes no text of an int of more than 4300 digits.
_MOST_MINOR: Final = 10**1000
# The context of the calling thread rounds to 28 digits, or to what the program has set.
_EXACT: Final = Context(prec=MAX_PREC)
_ROUNDINGS: Final = tuple(
    f"ROUND_{way}"
    for way in ("UP", "DOWN", "CEILING", "FLOOR", "HALF_UP", "HALF_DOWN", "HALF_EVEN", "05UP")
)
# As Python's own for numbers, without other types than "f": the amount is written exactly. Spaces
# are filled up as in text, because the currency follows the amount.
_SPEC: Final = (
    r"(?as)(?P<around>(?:.?[<>^])?)(?P<sign>[+ ]?)(?P<width>(?:[1-9]\d*)?)(?P<comma>,?)"
    r"(?:\.(?P<places>\d{1,2}))?f?"
)


def minor_unit_exponent(currency: str) -> int:
    """Tell how many decimal places *currency* has: 2 for EUR, 0 for JPY, 3 for KWD.

    Withdrawn codes keep theirs (2 for HRK), because old invoices are in them.

    Raises:
        InvalidInputError: if ISO 4217 has no such code, or gives it no minor unit (gold, say).
    """
    exponent = _exponent_of(currency)
    if exponent is None:
        exponent = MINOR_UNITS[checked_currency(currency)]
    if exponent is None:
        raise InvalidInputError(
            "currency",
            f"{currency} has no minor unit in ISO 4217",
            "invoice in a currency that has one",
        )
    return exponent


def _exponent_of(currency: object) -> int | None:
    """Return the decimal places of a code in use or withdrawn; None where they are not known."""
    if not isinstance(currency, str):
        return None
    exponent = MINOR_UNITS.get(currency)
    return WITHDRAWN_MINOR_UNITS.get(currency) if exponent is None else exponent


def checked_currency(code: object, field: str = "currency") -> str:
    """Return *code* if it is one that ISO 4217 has in use, in capital letters as there.

    Raises:
        InvalidInputError: if ISO 4217 has no such code or has withdrawn it; one in lower case is
            not corrected.
    """
    if isinstance(code, str):
        if code in MINOR_UNITS:
            return code
        if code in WITHDRAWN_MINOR_UNITS:
            raise InvalidInputError(
                field,
                f"ISO 4217 has withdrawn {code}; it can be read, not written",
                "give the currency that took its place",
            )
        if code.upper() in MINOR_UNITS:
            raise InvalidInputError(
                field, f"{shown(code)} is not in capital letters", f"give {shown(code.upper())}"
            )
    raise InvalidInputError(
        field,
        f"{shown(code)} is not a currency code of ISO 4217",
        "use three capital letters, like 'EUR'",
    )


def _whole_minor(_: object, attribute: attrs.Attribute[int], value: object) -> None:
    if type(value) is not int:
        raise InvalidInputError(
            attribute.name,
            f"{type(value).__name__} is not a whole number of minor units",
            "give a whole number, or an amount in major units as Money.of('12.34', 'EUR')",
        )
    if not -_MOST_MINOR < value < _MOST_MINOR:
        raise InvalidInputError(attribute.name, "the number is out of all range", "check its unit")


def _minor(value: int) -> int:
    return cast(int, whole_number(value))


def _code_or_none(_: object, attribute: attrs.Attribute[str | None], value: object) -> None:
    if value is not None and not isinstance(value, str):
        raise InvalidInputError(
            attribute.name, f"{shown(value)} is not a currency code", "use text like 'EUR', or None"
        )


@functools.total_ordering
@attrs.frozen(order=False, repr=False)
class Money(ToDict):
    """An exact amount: *minor* units (cents, say) of a *currency*.

    ``Money(1234, "EUR")`` is 12.34 EUR; ``Money.of("12.34", "EUR")`` is the same. The currency is
    None where the provider states none (rows of an Exante list): it is never assumed. No number
    passes through a binary float, and a float is refused.

    A code that ISO 4217 does not know is kept, so that a provider's word survives reading; only
    what needs its decimal places (``amount``, ``of``) refuses it.

    Money of one currency adds up, ``sum()`` included, and multiplies by an int, or by a Decimal
    where no fraction of a minor unit comes out; :meth:`times` rounds. ``format`` takes
    ``f"{money:>12}"``, ``f"{money:,}"`` and ``f"{money:>12,.2f}"``.

    Source: ISO 4217 list one, through the ``iso4217`` package; Java's table for withdrawn codes.

    Raises:
        InvalidInputError: if *minor* is not an int (a bool and a float are not).
    """

    minor: int = attrs.field(converter=_minor, validator=_whole_minor)
    currency: str | None = attrs.field(
        default=None, converter=attrs.converters.optional(given_text), validator=_code_or_none
    )

    @classmethod
    def of(cls, amount: str | int | Decimal, currency: str) -> Money:
        """Make money from an amount in *major* units.

        Args:
            amount: ``"12.34"``, ``Decimal("12.34")`` or ``12``; at most 30 digits; never a float.
            currency: an ISO 4217 code.

        Raises:
            InvalidInputError: if the amount is a float or no number, has more decimal places than
                the currency, or the currency is unknown.
        """
        exponent = minor_unit_exponent(currency)
        number = exact_decimal(amount, "amount")
        minor = number.scaleb(exponent, _EXACT)
        if minor != minor.to_integral_value(context=_EXACT):
            raise InvalidInputError(
                "amount",
                f"{amount} has more decimal places than {currency} has ({exponent})",
                "round it by your own rule first; we do not round money",
            )
        return cls(int(minor), currency)

    @classmethod
    def from_json(cls, value: object) -> Money:
        """Read money as a person or :meth:`to_json` writes it.

        Args:
            value: ``"12.34 EUR"``, ``{"amount": "12.34", "currency": "EUR"}``,
                ``{"minor": 1234, "currency": "EUR"}``, or money itself.

        Raises:
            InvalidInputError: if it is none of these, or gives two amounts that differ.
        """
        if isinstance(value, Money):
            return value
        if isinstance(value, str):
            amount, _, currency = plain_text(value).strip().partition(" ")
            if currency:
                return _from_text(amount, currency.strip())
        elif isinstance(value, Mapping) and value.keys() <= {"amount", "minor", "currency"}:
            if "minor" in value:
                return _agreeing(cls(value["minor"], value.get("currency")), value.get("amount"))
            if {"amount", "currency"} <= value.keys():
                return cls.of(value["amount"], value["currency"])
        if isinstance(value, str):
            problem, other = shown(value), ""
        else:
            problem, other = type(value).__name__, " or {'amount': '12.34', 'currency': 'EUR'}"
        raise InvalidInputError(
            "money", f"{problem} is no amount with a currency", f"write '12.34 EUR'{other}"
        )

    def to_json(self) -> dict[str, object]:
        """Return the amount in both units, without a float.

        ``amount`` is None where the currency is None or unknown, and with it its decimal places.
        """
        known = _exponent_of(self.currency) is not None
        amount = format(self.amount, "f") if known else None
        return {"amount": amount, "minor": self.minor, "currency": self.currency}

    @property
    def amount(self) -> Decimal:
        """The amount in major units, exactly.

        Raises:
            InvalidInputError: if the currency is None or unknown, so that its decimal places are.
        """
        if self.currency is None:
            raise InvalidInputError(
                "currency",
                f"{self.minor} minor units without a currency have no major amount",
                "read the full invoice, which states its currency, or use .minor",
            )
        return Decimal(self.minor).scaleb(-minor_unit_exponent(self.currency), _EXACT)

    def __str__(self) -> str:
        if self.currency is None:
            return f"{self.minor} minor units"
        if _exponent_of(self.currency) is None:
            return f"{self.minor} minor units of {self.currency}"
        return f"{self.amount:f} {self.currency}"

    def __add__(self, other: Money) -> Money:
        if not isinstance(other, Money):
            return NotImplemented
        return Money(self.minor + self._same(other), self.currency)

    def __sub__(self, other: Money) -> Money:
        if not isinstance(other, Money):
            return NotImplemented
        return Money(self.minor - self._same(other), self.currency)

    def __radd__(self, start: int) -> Money:
        # What sum() begins with. No other number is money.
        return self if type(start) is int and start == 0 else NotImplemented

    def __mul__(self, factor: int | Decimal) -> Money:
        if type(factor) is not int and not isinstance(factor, Decimal):
            return NotImplemented
        return self.times(factor)

    __rmul__ = __mul__

    def times(self, factor: int | Decimal | str, *, rounding: str | None = None) -> Money:
        """Return *factor* times this money, in whole minor units.

        Args:
            factor: an exact number, such as ``Decimal("0.19")``; never a float.
            rounding: what to do with a fraction of a minor unit: a rounding mode of the module
                :mod:`decimal`, such as ``decimal.ROUND_HALF_UP``. Default None: refuse it.

        Raises:
            InvalidInputError: if the factor is no exact number, a fraction comes out and no
                rounding is named, or there is no such rounding.
        """
        given: object = rounding
        if given is not None and not (isinstance(given, str) and given in _ROUNDINGS):
            raise InvalidInputError(
                "rounding",
                f"{shown(rounding)} is no rounding mode",
                "give decimal.ROUND_HALF_UP, say",
            )
        product = _EXACT.multiply(Decimal(self.minor), exact_decimal(factor, "factor"))
        minor = product.to_integral_value(rounding=rounding, context=_EXACT)
        if rounding is None and minor != product:
            raise InvalidInputError(
                "factor",
                f"{factor} times {self} is no whole number of minor units",
                "say how to round: money.times(factor, rounding=decimal.ROUND_HALF_UP)",
            )
        return Money(int(minor), self.currency)

    def __format__(self, spec: str) -> str:
        asked = re.fullmatch(_SPEC, spec)
        if asked is None:
            return format(str(self), spec)
        whole, decimals = asked["sign"] + asked["comma"], asked["places"]
        places = _exponent_of(self.currency)
        if places is None:
            # Minor units are all that is known: no decimal place is left out, and none is made up.
            text = str(self).replace(str(self.minor), format(self.minor, whole), 1)
        elif decimals is not None and int(decimals) < places:
            raise InvalidInputError(
                "format", f"{shown(spec)} would leave out decimal places", "round the money first"
            )
        else:
            number = f"{whole}f" if decimals is None else f"{whole}.{decimals}f"
            text = f"{format(self.amount, number)} {self.currency}"
        return format(text, asked["around"] + asked["width"])

    def __neg__(self) -> Money:
        return Money(-self.minor, self.currency)

    def __bool__(self) -> bool:
        return self.minor != 0

    def __lt__(self, other: Money) -> bool:
        if not isinstance(other, Money):
            return NotImplemented
        return self.minor < self._same(other)

    def _same(self, other: Money) -> int:
        if self.currency != other.currency:
            raise InvalidInputError(
                "currency",
                f"{self} and {other} do not add up or compare",
                "convert one of them first",
            )
        return other.minor


def _from_text(amount: str, currency: str) -> Money:
    if amount in MINOR_UNITS:
        raise InvalidInputError(
            "money", f"{amount} is before the amount", f"write {shown(f'{currency} {amount}')}"
        )
    try:
        return Money.of(amount, currency)
    except InvalidInputError as error:
        # The text is one value: an error about a part of it is an error about the whole.
        raise InvalidInputError("money", error.problem, error.fix) from None


def _agreeing(money: Money, amount: str | int | Decimal | None) -> Money:
    # to_json writes both. Where a person changed one of them, neither can be trusted.
    if amount is None or (money.currency is not None and Money.of(amount, money.currency) == money):
        return money
    raise InvalidInputError(
        "money", f"amount {amount} and {money.minor} minor units differ", "give one of the two"
    )


def exact_decimal(value: object, field: str) -> Decimal:
    """Read a number from text, an int or a Decimal without passing through a binary float.

    Raises:
        InvalidInputError: if it is a float, a bool, no finite number, or longer than 30 digits.
    """
    value = whole_number(value)
    if isinstance(value, (bool, float)) or not isinstance(value, (str, int, Decimal)):
        raise InvalidInputError(
            field,
            f"{type(value).__name__} is not exact",
            "give text like '12.34', an int or a Decimal",
        )
    try:
        # Decimal takes "1_000" and the digits of every script, in which no amount is written.
        if isinstance(value, str) and ("_" in value or not value.isascii()):
            raise InvalidOperation  # noqa: TRY301 - as Decimal would
        number = Decimal(value)
    except (InvalidOperation, ValueError):
        raise InvalidInputError(
            field, f"{shown(value)} is not a number", "write it like '12.34'"
        ) from None
    if not number.is_finite():
        raise InvalidInputError(
            field, f"{shown(str(number))} is not a finite number", "write it like '12.34'"
        )
    _, digits, exponent = number.as_tuple()
    # An exponent such as 1E+999999 is a few characters and minutes of arithmetic. A small rate has
    # zeros before its digits: Decimal(1) / 27_000.
    if len(digits) > _MAX_DIGITS or not -2 * _MAX_DIGITS <= int(exponent) <= _MAX_DIGITS:
        raise InvalidInputError(
            field, f"the number has more than {_MAX_DIGITS} digits", "check where it comes from"
        )
    return number
