"""Ranges, sort keys, points in time, open words and the records that are read."""

from __future__ import annotations

import copy
import pickle
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from billingual import (
    InvalidInputError,
    Invoice,
    InvoiceSummary,
    Kind,
    LineItem,
    Money,
    Page,
    Party,
    Range,
    Receipt,
    Sort,
    Status,
)
from billingual.model import (
    BadRow,
    CollectionMethod,
    Contact,
    OpenWord,
    Problem,
    instant,
    instant_text,
    read_instant,
)

ends = st.integers(-(10**18) + 1, 10**18 - 1)


@pytest.mark.parametrize(
    ("text", "low", "high"),
    [
        ("15", 15, 15),
        ("-15", -15, -15),
        ("1-30", 1, 30),
        ("1 - 30", 1, 30),
        ("1..30", 1, 30),
        ("-5..3", -5, 3),
        ("-5--3", -5, -3),
        ("> 90", 91, None),
        (">90", 91, None),
        (">= 90", 90, None),
        ("< 0", None, -1),
        ("<0", None, -1),
        ("<= 0", None, 0),
        ("> -1", 0, None),
        ("  7  ", 7, 7),
        ("0-0", 0, 0),
    ],
)
def test_a_range_is_read_as_it_is_written(text: str, low: int | None, high: int | None) -> None:
    """Both ends are included, whatever sign was written."""
    assert Range.parse(text) == Range(low, high)


@pytest.mark.parametrize(
    "text",
    [
        "", " ", "x", "1-", "-", "> ", "=> 1", "= 1", "1.5", "1,000", "1-2-3", ">1<5", "30-1",
        "1e3", "٣", "1" * 19, "--5", "1 30", "+5",
    ],
)  # fmt: skip
def test_what_is_no_range_is_refused(text: str) -> None:
    """A misread range would list the wrong invoices."""
    with pytest.raises(InvalidInputError):
        Range.parse(text)


@given(low=st.none() | ends, high=st.none() | ends)
def test_a_range_survives_the_way_out_and_back(low: int | None, high: int | None) -> None:
    """What ``str`` writes, ``parse`` reads."""
    try:
        given = Range(low, high)
    except InvalidInputError:
        assert (low is None and high is None) or low > high  # type: ignore[operator]
        return

    assert Range.parse(str(given)) == given


@pytest.mark.parametrize(("low", "high"), [(None, None), (2, 1), (1.0, 2), ("1", None)])
def test_a_range_needs_whole_ends_in_order(low: object, high: object) -> None:
    """No end, a fraction or the wrong order is refused."""
    with pytest.raises(InvalidInputError):
        Range(low, high)  # type: ignore[arg-type]


def test_a_range_can_be_made_by_name() -> None:
    """The four makers say what they include."""
    made = [Range.exactly(5), Range.between(1, 3), Range.above(9), Range.below(0)]

    assert [str(each) for each in made] == ["5", "1-3", ">= 10", "<= -1"]


@pytest.mark.parametrize(
    ("text", "sort"),
    [
        ("due_at", Sort("due_at")),
        ("+due_at", Sort("due_at")),
        ("-due_at", Sort("due_at", descending=True)),
    ],
)
def test_a_sort_key_is_read(text: str, sort: Sort) -> None:
    """A minus sign turns the order round; no sign means ascending."""
    assert Sort.parse(text) == sort
    assert Sort.parse(str(sort)) == sort


@pytest.mark.parametrize("text", ["", "-", "+-due_at", "a,b", "due at", "due-at", "--a", "1"])
def test_a_sort_is_one_key(text: str) -> None:
    """Two keys or none are refused."""
    with pytest.raises(InvalidInputError, match="one key"):
        Sort.parse(text)


@pytest.mark.parametrize(
    ("moment", "short", "long"),
    [
        (datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC), "2026-01-02T03:04:05Z", ".000Z"),
        (datetime(2026, 1, 2, 3, 4, 5, 678_000, tzinfo=UTC), "2026-01-02T03:04:05.678Z", ".678Z"),
        (datetime(2026, 1, 2, 3, 4, 5, 678_901, tzinfo=UTC), "2026-01-02T03:04:05.678901Z", "1Z"),
        (
            datetime(2026, 1, 1, 0, 30, tzinfo=timezone(timedelta(hours=1))),
            "2025-12-31T23:30:00Z",
            ".000Z",
        ),
    ],
)
def test_a_moment_is_written_in_utc_with_a_literal_z(
    moment: datetime, short: str, long: str
) -> None:
    """Fractions are never cut off; milliseconds can be asked for."""
    assert instant_text(moment) == short
    assert instant_text(moment, milliseconds=True).endswith(long)


@given(st.datetimes(timezones=st.timezones() | st.just(UTC)))
def test_a_moment_survives_the_way_out_and_back(moment: datetime) -> None:
    """Reading what was written gives the same moment, to the microsecond."""
    try:
        kept = instant(moment, "due_at")
    except InvalidInputError:
        assert moment.year in {1, 9999}
        return

    # Compared in UTC: Python calls a time in the gap of a clock change unequal to every other.
    assert kept == moment.astimezone(UTC)
    assert read_instant(instant_text(kept)) == kept


@pytest.mark.parametrize(
    "text",
    [
        None,
        "",
        "soon",
        "2026-02-30",
        "20261231",
        "2026-12-31T00:00:00",
        "2026-13-01T00:00:00Z",
        "24:00",
    ],
)
def test_a_timestamp_that_names_no_moment_is_not_guessed(text: str | None) -> None:
    """A provider's timestamp without an offset is None, not UTC."""
    assert read_instant(text) is None


@pytest.mark.parametrize("kind", [Status, Kind, CollectionMethod])
def test_an_unknown_word_stays_readable(kind: type[OpenWord]) -> None:
    """A value that a provider invents tomorrow arrives unchanged."""
    word = kind("WRITTEN_OFF")

    assert word == "WRITTEN_OFF"
    assert word.is_known is False
    assert hash(word) == hash("WRITTEN_OFF")
    assert {"WRITTEN_OFF": 1}[word] == 1
    assert repr(word) == f"{kind.__name__}('WRITTEN_OFF')"
    assert f"{word}" == "WRITTEN_OFF"


@pytest.mark.parametrize("kind", [Status, Kind, CollectionMethod])
def test_known_words_are_listed_and_named(kind: type[OpenWord]) -> None:
    """Each documented value is known, sorted, and an attribute of its class."""
    words = kind.known()

    assert list(words) == sorted(words)
    assert all(word.is_known and type(word) is kind for word in words)
    assert all(getattr(kind, str(word).upper()) == word for word in words)


def test_a_word_survives_a_pickle_and_a_copy() -> None:
    """It comes back as the same class."""
    word = Status("PAID")

    for back in (pickle.loads(pickle.dumps(word)), copy.deepcopy(word)):  # noqa: S301
        assert (back, type(back)) == (word, Status)


def an_invoice(raw: str = "as it came") -> Invoice:
    """Make an invoice in full."""
    return Invoice(
        id="inv_1",
        number="R-1",
        status=Status("PAID"),
        total=Money(100, "EUR"),
        counterparty=Party(id="p", address="1 Secret Street", contact=Contact(email="a@b.c")),
        lines=(LineItem(id="l", quantity=Decimal("1.5"), unit_price=Money(1, "EUR")),),
        notes={"footer": "confidential footer"},
        link="https://example.com/private",
        extra={"odd": "confidential extra"},
        raw={"payload": raw},
    )


def test_an_invoice_is_a_value() -> None:
    """It is frozen, equal by content, and survives pickle and copy; ``raw`` does not count."""
    invoice = an_invoice()

    assert invoice == an_invoice("read at another time")
    assert pickle.loads(pickle.dumps(invoice)) == invoice  # noqa: S301
    assert pickle.loads(pickle.dumps(invoice)).raw == invoice.raw  # noqa: S301
    assert copy.deepcopy(invoice) == invoice
    assert invoice != attrs.evolve(invoice, total=Money(100, "USD"))
    with pytest.raises(attrs.exceptions.FrozenInstanceError):
        invoice.total = Money(0, "EUR")  # type: ignore[misc]


def test_the_text_of_an_invoice_shows_no_personal_data() -> None:
    """Addresses, mail, links, notes and payloads are not in ``repr``."""
    shown = repr(an_invoice())

    for hidden in ("as it came", "Secret Street", "a@b.c", "private", "confidential"):
        assert hidden not in shown
    assert "R-1" in shown


@pytest.mark.parametrize(
    ("value", "text"),
    [
        pytest.param(Money(1250, "EUR"), "Money(minor=1250, currency='EUR')", id="plain"),
        pytest.param(
            Party(id="p", contact=Contact(id="c", email="a@b.c")),
            "Party(id='p', name=None, role=None, contact=Contact(id='c', name=None, title=None))",
            id="nested",
        ),
        pytest.param(
            object.__new__(Money), "Money(minor=NOTHING, currency=NOTHING)", id="half made"
        ),
        pytest.param(
            BadRow("$.rows[0]", "it has no id", "private"),
            "BadRow(path='$.rows[0]', reason='it has no id')",
            id="inherited",
        ),
    ],
)
def test_a_model_is_shown_by_its_fields(value: object, text: str) -> None:
    """The text of a model names its fields, even while a debugger looks at a half-made one."""
    assert repr(value) == text


def test_a_row_that_was_left_out_is_a_problem_of_its_own_kind() -> None:
    """It is not equal to another problem, takes no attributes, and survives a pickle."""
    row = BadRow("$.rows[0]", "it has no id", {"uid": None})

    assert row != Problem("$.rows[0]", "it has no id", {"uid": None})
    assert row == pickle.loads(pickle.dumps(row))  # noqa: S301
    assert not hasattr(row, "__dict__")


def test_a_row_is_not_an_invoice_and_a_receipt_is_neither() -> None:
    """An invoice can be given where a row is wanted; not the other way round."""
    assert isinstance(an_invoice(), InvoiceSummary)
    assert not isinstance(InvoiceSummary(id="i"), Invoice)
    assert not isinstance(Receipt(id="i"), InvoiceSummary)


def test_nothing_is_filled_in() -> None:
    """What a provider does not state is None or empty, never a guess."""
    row = InvoiceSummary(id="i")

    stated = attrs.asdict(row, filter=lambda _, value: value is not None and value != {})
    assert stated == {"id": "i", "problems": ()}
    assert Page(items=(row,)).total_items is None
