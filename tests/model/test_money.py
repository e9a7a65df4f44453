"""Money is exact, and says no to whatever is not."""

from __future__ import annotations

import copy
import decimal
import pickle
from decimal import Decimal

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from billingual import InvalidInputError, Money
from billingual.model import checked_currency, minor_unit_exponent
from billingual.model._currencies import MINOR_UNITS, WITHDRAWN_MINOR_UNITS

CODES = sorted(code for code, exponent in MINOR_UNITS.items() if exponent is not None)
WITHOUT_MINOR_UNIT = sorted(code for code, exponent in MINOR_UNITS.items() if exponent is None)
minors = st.integers(-(10**24), 10**24)


@pytest.mark.parametrize(
    ("amount", "currency", "minor"),
    [
        ("12.34", "EUR", 1234),
        ("12.3", "EUR", 1230),
        ("12", "EUR", 1200),
        (12, "EUR", 1200),
        (Decimal("12.340"), "EUR", 1234),
        ("-0.01", "EUR", -1),
        ("-0", "EUR", 0),
        ("1234", "JPY", 1234),
        (Decimal("1E+3"), "JPY", 1000),
        ("1.234", "KWD", 1234),
        ("1.2345", "CLF", 12345),
        ("0.1", "IQD", 100),
    ],
    ids=repr,
)
def test_an_amount_in_major_units_becomes_minor_units(
    amount: str | int | Decimal, currency: str, minor: int
) -> None:
    """Each currency's own number of decimal places counts."""
    money = Money.of(amount, currency)

    assert Money(minor, currency) == money


@pytest.mark.parametrize(
    ("amount", "currency", "word"),
    [
        (12.34, "EUR", "float is not exact"),
        (True, "EUR", "bool is not exact"),
        (None, "EUR", "NoneType is not exact"),
        (b"12", "EUR", "bytes is not exact"),
        ("12.345", "EUR", "more decimal places"),
        ("12.5", "JPY", "more decimal places"),
        ("1E-3", "EUR", "more decimal places"),
        ("abc", "EUR", "is not a number"),
        ("", "EUR", "is not a number"),
        ("1_000", "EUR", "is not a number"),
        (" 1_0 ", "JPY", "is not a number"),
        ("\N{ARABIC-INDIC DIGIT ONE}\N{ARABIC-INDIC DIGIT TWO}", "EUR", "is not a number"),
        ("\N{FULLWIDTH DIGIT ONE}", "EUR", "is not a number"),
        ("x" * 1000, "EUR", f"{'x' * 39}…' is not a number"),
        ("12,34", "EUR", "is not a number"),
        ("NaN", "EUR", "not a finite number"),
        ("-Infinity", "EUR", "not a finite number"),
        ("sNaN", "EUR", "not a finite number"),
        ("1" * 31, "EUR", "more than 30 digits"),
        ("1E+999999", "EUR", "more than 30 digits"),
        ("1E-999999", "EUR", "more than 30 digits"),
        ("12", "XAU", "no minor unit"),
        ("12", "EURO", "not a currency code"),
        ("12", "eur", "'eur' is not in capital letters; give 'EUR'"),
        ("12", ["EUR"], "not a currency code"),
    ],
    ids=repr,
)
def test_what_is_not_exact_money_is_refused(amount: object, currency: object, word: str) -> None:
    """Floats, bools, bombs, unknown currencies and lost digits are all refused by name."""
    with pytest.raises(InvalidInputError) as caught:
        Money.of(amount, currency)  # type: ignore[arg-type]

    assert word in str(caught.value)


@pytest.mark.parametrize("minor", [1.0, True, "1", None, Decimal(1)])
def test_minor_units_are_an_int(minor: object) -> None:
    """A float or bool of minor units is refused, however round it is."""
    with pytest.raises(InvalidInputError, match="minor"):
        Money(minor, "EUR")  # type: ignore[arg-type]


def test_a_currency_is_text_or_none() -> None:
    """A number is no currency code."""
    with pytest.raises(InvalidInputError, match="currency"):
        Money(1, 978)  # type: ignore[arg-type]


@pytest.mark.timeout(120)
def test_a_bomb_costs_no_time() -> None:
    """Twelve characters must not buy half a minute of arithmetic each."""
    for bomb in ("1E+999999", "9E+1000000000000000000", "-1E999999") * 50:
        with pytest.raises(InvalidInputError, match=r"digits|not a number"):
            Money.of(bomb, "EUR")


@pytest.mark.parametrize("precision", [1, 6, 28])
def test_the_context_of_the_thread_does_not_round_money(precision: int) -> None:
    """Thirty digits stay thirty digits, whatever the program's decimal context is."""
    with decimal.localcontext(prec=precision):
        money = Money.of("1234567890123456789012345678.99", "EUR")
        back = str(money.amount)

    assert money.minor == 123456789012345678901234567899
    assert back == "1234567890123456789012345678.99"


@given(minor=minors, code=st.sampled_from(CODES))
def test_an_amount_survives_the_way_out_and_back(minor: int, code: str) -> None:
    """``Money.of(str(money.amount))`` is the same money in every currency of the table."""
    money = Money(minor, code)

    assert Money.of(str(money.amount), code) == money
    assert Money.of(money.amount, code) == money


@pytest.mark.parametrize("code", CODES)
def test_every_currency_writes_its_own_decimal_places(code: str) -> None:
    """One minor unit shows exactly as many decimal places as the currency has."""
    shown = str(Money(1, code))

    places = len(shown.removesuffix(f" {code}").partition(".")[2])
    assert places == minor_unit_exponent(code)
    assert Money.of(Money(1, code).amount, code) == Money(1, code)


@given(a=minors, b=minors, c=minors, factor=st.integers(-1000, 1000))
def test_money_adds_up_as_whole_numbers_do(a: int, b: int, c: int, factor: int) -> None:
    """Addition is associative and commutative, has an inverse, and distributes."""
    x, y, z = Money(a, "EUR"), Money(b, "EUR"), Money(c, "EUR")

    assert x + y == y + x
    assert (x + y) + z == x + (y + z)
    assert x + y - y == x
    assert x + -x == Money(0, "EUR")
    assert (x + y) * factor == factor * x + factor * y
    assert (x < y) == (a < b)
    assert (x >= y) == (a >= b)


@pytest.mark.parametrize(("one", "other"), [("EUR", "USD"), ("EUR", None), (None, "EUR")])
def test_currencies_do_not_mix(one: str | None, other: str | None) -> None:
    """Adding, subtracting or ordering two currencies is refused; they are merely not equal."""
    with pytest.raises(InvalidInputError, match="do not add up"):
        Money(1, one) + Money(1, other)
    with pytest.raises(InvalidInputError, match="do not add up"):
        Money(1, one) - Money(1, other)
    with pytest.raises(InvalidInputError, match="do not add up"):
        sorted([Money(1, one), Money(1, other)])

    assert Money(1, one) != Money(1, other)


def test_money_does_not_mix_with_numbers() -> None:
    """A bare number is no money, and a price is not multiplied by a fraction."""
    money = Money(100, "EUR")

    for wrong in (
        lambda: money + 1,
        lambda: money - 1,
        lambda: money < 1,
        lambda: money * 1.5,
        lambda: money * True,
        lambda: money * money,
        lambda: 1 + money,
        lambda: False + money,
    ):
        with pytest.raises(TypeError):
            wrong()
    assert money != 100


def test_money_without_a_currency_counts_but_has_no_amount() -> None:
    """Where the provider states no currency none is assumed; minor units still add up."""
    money = Money(5) + Money(7)

    assert money == Money(12, None)
    assert str(money) == "12 minor units"
    with pytest.raises(InvalidInputError, match="without a currency"):
        _ = money.amount


def test_a_code_that_iso_does_not_know_survives_reading() -> None:
    """A provider's invented code is kept; only what needs its decimal places refuses."""
    money = Money(5, "ZZZ")

    assert str(money) == "5 minor units of ZZZ"
    assert str(Money(5, "XAU")) == "5 minor units of XAU"
    with pytest.raises(InvalidInputError, match="ZZZ"):
        _ = money.amount


def test_money_is_true_unless_zero() -> None:
    """Zero is false, as with numbers."""
    assert bool(Money(0, "EUR")) is False
    assert bool(Money(-1, "EUR")) is True


def test_money_is_a_value() -> None:
    """It hashes, copies and pickles, and its fields do not change."""
    money = Money(1234, "EUR")

    assert pickle.loads(pickle.dumps(money)) == money  # noqa: S301
    assert copy.deepcopy(money) == money
    assert {money: 1}[Money(1234, "EUR")] == 1
    assert repr(money) == "Money(minor=1234, currency='EUR')"
    with pytest.raises(AttributeError):
        money.minor = 1  # type: ignore[misc]


@given(st.text(max_size=40) | st.decimals() | st.integers() | st.floats() | st.none())
def test_any_amount_is_taken_exactly_or_refused(amount: object) -> None:
    """Whatever is given, the response is exact money or InvalidInputError."""
    try:
        money = Money.of(amount, "EUR")  # type: ignore[arg-type]
    except InvalidInputError:
        return

    assert money.amount == Decimal(amount)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("code", "exponent"),
    [
        ("EUR", 2), ("USD", 2), ("JPY", 0), ("KRW", 0), ("ISK", 0), ("KWD", 3), ("BHD", 3),
        ("IQD", 3), ("TND", 3), ("MGA", 2), ("MRU", 2), ("CLP", 0), ("CLF", 4), ("UYW", 4),
        ("XAU", None), ("XDR", None),
    ],
)  # fmt: skip
def test_the_table_of_currencies_states_known_facts(code: str, exponent: int | None) -> None:
    """Facts of ISO 4217 list one that other tables get wrong (a fifth of a unit is no exponent)."""
    assert MINOR_UNITS[code] == exponent


def test_the_table_of_currencies_is_whole() -> None:
    """All codes are three capital letters, and there are as many as list one has."""
    assert all(len(code) == 3 and code.isalpha() and code.isupper() for code in MINOR_UNITS)
    assert 170 <= len(MINOR_UNITS) <= 190
    assert {"XAU", "XXX", "XTS"} <= set(WITHOUT_MINOR_UNIT)


@pytest.mark.parametrize(
    ("code", "amount"),
    [
        ("HRK", "12.34"), ("BGN", "12.34"), ("LTL", "12.34"), ("EEK", "12.34"), ("SLL", "12.34"),
        ("ZWL", "12.34"), ("VEF", "12.34"), ("DEM", "12.34"), ("ITL", "1234"), ("BYR", "1234"),
        ("ADP", "1234"), ("MRO", "12.34"), ("CUC", "12.34"), ("ANG", "12.34"),
    ],
)  # fmt: skip
def test_a_withdrawn_currency_keeps_its_decimal_places(code: str, amount: str) -> None:
    """An old invoice is in a currency that ISO 4217 has moved to its list three."""
    money = Money(1234, code)

    assert money.amount == Decimal(amount)
    assert str(money) == f"{amount} {code}"
    assert money.to_json()["amount"] == amount
    assert Money.of(amount, code) == money


def test_no_withdrawn_currency_is_written() -> None:
    """A new invoice in kuna is a mistake; ISO 4217 has no code in both of its lists."""
    assert not WITHDRAWN_MINOR_UNITS.keys() & MINOR_UNITS.keys()
    with pytest.raises(InvalidInputError, match="ISO 4217 has withdrawn HRK") as caught:
        checked_currency("HRK", "currency")

    assert caught.value.field == "currency"


def test_sum_adds_money_up() -> None:
    """``sum`` begins with 0, which is the one number that may be added to money."""
    assert sum([Money(1, "EUR"), Money(2, "EUR"), Money(3, "EUR")]) == Money(6, "EUR")
    assert sum([Money(1), Money(2)], Money(0)) == Money(3)
    with pytest.raises(InvalidInputError, match=r"0\.01 EUR and 0\.02 USD do not add up"):
        sum([Money(1, "EUR"), Money(2, "USD")])


@pytest.mark.parametrize(
    ("rounding", "minor"),
    [
        (decimal.ROUND_HALF_UP, 3), (decimal.ROUND_HALF_EVEN, 2), (decimal.ROUND_HALF_DOWN, 2),
        (decimal.ROUND_DOWN, 2), (decimal.ROUND_UP, 3), (decimal.ROUND_CEILING, 3),
        (decimal.ROUND_FLOOR, 2), (decimal.ROUND_05UP, 2),
    ],
)  # fmt: skip
def test_a_product_is_rounded_as_the_caller_says(rounding: str, minor: int) -> None:
    """Half of five cents is two or three of them, and the caller says which."""
    assert Money(5, "EUR").times(Decimal("0.5"), rounding=rounding) == Money(minor, "EUR")
    assert Money(5, "EUR").times("0.5", rounding=rounding) == Money(minor, "EUR")
    assert Money(7, "EUR").times(2, rounding=rounding) == Money(14, "EUR")


def test_a_product_with_a_fraction_is_refused_without_a_rounding() -> None:
    """What is whole needs no rounding; nothing is rounded unasked, nor by the thread's context."""
    assert Money(100, "EUR") * Decimal("0.19") == Decimal("0.19") * Money(100, "EUR")
    assert Money(100, "EUR") * Decimal("0.19") == Money(19, "EUR")
    for wrong in (
        lambda: Money(5, "EUR") * Decimal("0.5"),
        lambda: Money(5, "EUR").times("0.5"),
        lambda: Money(5, "EUR").times(0.5),  # type: ignore[arg-type]
        lambda: Money(5, "EUR") * Decimal("NaN"),
        lambda: Money(5, "EUR") * Decimal("Infinity"),
        lambda: Money(5, "EUR").times(2, rounding="HALF"),
        lambda: Money(5, "EUR").times(2, rounding=np.array(["a", "b"])),  # type: ignore[arg-type]
        lambda: Money(5, "EUR").times(2, rounding=[]),  # type: ignore[arg-type]
    ):
        with pytest.raises(InvalidInputError):
            wrong()
    with decimal.localcontext(prec=3):
        assert Money(123456789, "EUR") * Decimal("10.0") == Money(1234567890, "EUR")


@pytest.mark.parametrize(
    ("spec", "text"),
    [
        ("", "1234.50 EUR"), (">13", "  1234.50 EUR"), ("*<12", "1234.50 EUR*"),
        (",", "1,234.50 EUR"), ("f", "1234.50 EUR"), (".2f", "1234.50 EUR"),
        ("+,.3f", "+1,234.500 EUR"), (">14,", "  1,234.50 EUR"), ("*^16,.2f", "**1,234.50 EUR**"),
        (" 15f", " 1234.50 EUR   "), ("<+14", "+1234.50 EUR  "),
    ],
)  # fmt: skip
def test_money_is_formatted_as_text_or_as_a_number(spec: str, text: str) -> None:
    """A width pads the whole text; a separator or places are for the amount."""
    assert format(Money(123450, "EUR"), spec) == text


@pytest.mark.parametrize(
    ("currency", "spec", "text"),
    [
        (None, ",", "-1,234,567 minor units"), (None, "+,.2f", "-1,234,567 minor units"),
        (None, "f", "-1234567 minor units"), ("XAU", ",", "-1,234,567 minor units of XAU"),
        ("QQQ", ".0f", "-1234567 minor units of QQQ"), (None, ">24", "    -1234567 minor units"),
        (None, ">26,", "    -1,234,567 minor units"),
    ],
)  # fmt: skip
def test_money_of_unknown_places_is_formatted_in_minor_units(
    currency: str | None, spec: str, text: str
) -> None:
    """A report over rows that state no currency prints them; no decimal place is made up."""
    assert format(Money(-1234567, currency), spec) == text


@pytest.mark.parametrize("spec", [".1f", ".0f", ".1", ",.0f", ">20.1f", "*^20,.0f"])
def test_no_format_hides_a_part_of_an_amount(spec: str) -> None:
    """``f"{money:.0f}"`` would round without saying how."""
    with pytest.raises(InvalidInputError, match="would leave out decimal places"):
        format(Money(123450, "EUR"), spec)
