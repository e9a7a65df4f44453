"""A day goes out and comes back as the same day, wherever the program runs."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime, timedelta, timezone
from zoneinfo import ZoneInfo

import pytest

from _support.equivalence.row import REPLACEMENT
from billingual import (
    Changes,
    Client,
    Draft,
    Filter,
    InvalidInputError,
    MemoryTransport,
    Replacement,
)
from billingual.model import differing_fields, instant, instant_text, read_instant
from billingual.providers import katsu

UID = "550e8400-e29b-41d4-a716-446655440000"
DAY = date(2026, 12, 31)
AUCKLAND = datetime(2026, 12, 31, tzinfo=ZoneInfo("Pacific/Auckland"))
NEW_YORK = datetime(2026, 12, 31, tzinfo=ZoneInfo("America/New_York"))
DAYS = [DAY, "2026-12-31", AUCKLAND, NEW_YORK, "2026-12-31T00:00:00+05:30"]


class OtherDate(date):
    """A date of some library."""


class OtherDatetime(datetime):
    """A datetime of some library."""


class Missing(datetime):
    """What pandas has in place of a date: a datetime that raises whatever is asked of it."""

    def isoformat(self, sep: str = "T", timespec: str = "auto") -> str:
        return "NaT"

    def utcoffset(self) -> timedelta | None:
        raise ValueError("NaTType does not support utcoffset")


@pytest.mark.parametrize("given", DAYS, ids=repr)
@pytest.mark.parametrize("field", ["issued_at", "due_at", "paid_at"])
def test_a_day_stays_the_day_that_was_given(given: date | str, field: str) -> None:
    """Midnight in a zone other than UTC is a day; in UTC it would be another one."""
    changes = Changes(**{field: given})  # type: ignore[arg-type]

    assert getattr(changes, field) == DAY
    assert changes.to_dict(json=True)[field] == "2026-12-31"
    assert Changes.from_dict(changes.to_dict(json=True)) == changes


@pytest.mark.parametrize("given", DAYS, ids=repr)
def test_every_dialect_sends_a_day_as_its_first_moment(given: date | str) -> None:
    """The providers document timestamps; read there or in UTC, it is the same day."""
    with Client("exante", transport="sandbox") as exante:
        request = exante.preview.update(UID, Changes(due_at=given))
        assert json.loads(request.body or b"")["due_date"] == "2026-12-31T00:00:00Z"
    with Client("kukkingu", transport="sandbox") as kukkingu:
        request = kukkingu.preview.update("inv_" + "a" * 24, Changes(due_at=given))
        assert json.loads(request.body or b"")["dueAt"] == "2026-12-31T00:00:00.000Z"
    with Client(katsu(currencies={"USD": 1}), transport="sandbox") as replaced:
        whole = Replacement.from_dict({**REPLACEMENT.to_dict(), "due_at": given})
        request = replaced.preview.update(UID, whole)
        assert json.loads(request.body or b"")["dueDate"] == "2026-12-31T00:00:00.000Z"


def test_an_instant_is_sent_exactly() -> None:
    """Nine in the morning in Auckland is no day, and midnight in UTC is the same either way."""
    morning = AUCKLAND.replace(hour=9)

    assert Changes(due_at=morning).due_at == datetime(2026, 12, 30, 20, tzinfo=UTC)
    assert Changes(due_at="2026-12-31T00:00:00Z").due_at == datetime(2026, 12, 31, tzinfo=UTC)


def test_a_filter_includes_the_whole_of_a_day() -> None:
    """An invoice that is due at noon of the last day is due within the range."""
    with Client("exante", transport="sandbox") as client:
        url = client.preview.list(Filter(due_from=DAY, due_to="2026-12-31")).url

    assert "due_date_from=2026-12-31T00%3A00%3A00Z" in url
    assert "due_date_to=2026-12-31T23%3A59%3A59.999Z" in url
    Filter(due_from="2026-12-31T15:00:00Z", due_to=DAY)
    with pytest.raises(InvalidInputError, match="is later than due_to") as caught:
        Filter(due_from=date(2027, 1, 1), due_to=DAY)
    assert caught.value.field == "due_from"


def test_a_day_in_a_response_is_read_as_a_day() -> None:
    """``2022-06-02`` is certain as a day, though not as an instant; other fields stay instants."""
    row = {
        "uid": UID, "due_date": "2022-06-02", "issue_date": "2022-05-02T00:00:00Z",
    }  # fmt: skip
    script = MemoryTransport([MemoryTransport.json(json.dumps({"data": row}))])
    with Client("exante", transport=script, token="t" * 12) as client:
        invoice = client.get(UID)

    assert invoice.due_at == date(2022, 6, 2)
    assert type(invoice.due_at) is date
    assert invoice.issued_at == datetime(2022, 5, 2, tzinfo=UTC)
    assert invoice.extra == {}
    assert invoice.problems == ()
    assert invoice.to_dict(json=True)["due_at"] == "2022-06-02"


def test_a_day_that_comes_back_in_either_form_is_what_was_asked_for() -> None:
    """The sandbox shows it as an instant, other providers as a day; neither is a problem."""
    shown = [
        MemoryTransport.json(json.dumps({"data": {"uid": UID, "due_date": text}}))
        for text in ("2026-12-31T00:00:00Z", "2026-12-31", "2026-12-30")
    ]
    with Client("exante", transport=MemoryTransport(shown), token="t" * 12) as client:
        asked = Changes(due_at=DAY)
        same = [client.update(UID, asked) for _ in range(2)]
        other = client.update(UID, asked)

    assert [each.problems for each in same] == [(), ()]
    assert [differing_fields(asked.given(), each) for each in same] == [(), ()]
    assert [each.path for each in other.problems] == ["due_at"]


def test_days_of_other_libraries_become_those_of_python() -> None:
    """A subclass would bring its own arithmetic, and its own exceptions, along."""
    for day in (OtherDate(2026, 12, 31), OtherDatetime.fromisoformat("2026-12-31T00:00:00+13:00")):
        assert type(instant(day, "x")) is date
    moment = instant(OtherDatetime(2026, 12, 31, 1, 2, 3, 4, tzinfo=UTC), "x")
    assert type(moment) is datetime
    assert moment == datetime(2026, 12, 31, 1, 2, 3, 4, tzinfo=UTC)


@pytest.mark.parametrize("field", ["issued_at", "due_at", "paid_at"])
def test_a_missing_date_is_refused_by_name(field: str) -> None:
    """It is a datetime to ``isinstance``, and raises at every turn."""
    missing = Missing(1, 1, 1)
    ends = (f"{field[:-3]}_from", f"{field[:-3]}_to")
    for make, name in ((Changes, field), (Draft, field), *((Filter, end) for end in ends)):
        with pytest.raises(InvalidInputError, match="Missing is not a point in time") as caught:
            make(**{name: missing})  # type: ignore[operator]
        assert caught.value.field == name


@pytest.mark.parametrize(
    ("text", "written"),
    [
        ("0001-01-01T00:30:00+05:00", "0001-01-01T00:30:00+05:00"),
        ("9999-12-31T23:59:59-12:00", "9999-12-31T23:59:59-12:00"),
        ("0001-01-01T00:00:00Z", "0001-01-01T00:00:00Z"),
        ("9999-12-31T23:59:59.999Z", "9999-12-31T23:59:59.999Z"),
    ],
)
def test_a_date_at_the_edge_of_the_calendar_prints_as_it_came(text: str, written: str) -> None:
    """Python cannot put every aware datetime into UTC; what a provider sent is shown anyway."""
    moment = read_instant(text)

    assert moment is not None
    assert instant_text(moment) == written
    row = json.dumps({"data": {"uid": UID, "due_date": text}})
    with Client(
        "exante", transport=MemoryTransport([MemoryTransport.json(row)] * 2), token="t" * 12
    ) as client:
        assert client.get(UID).to_dict(json=True)["due_at"] == written
        shown = client.update(UID, Changes(due_at="2026-12-31"))
    assert [each.path for each in shown.problems] == ["due_at"]


def test_an_edge_in_a_zone_is_a_day_or_is_refused() -> None:
    """A day needs no conversion; an instant that UTC has no year for cannot be sent."""
    east = timezone(timedelta(hours=5))

    assert instant(datetime(1, 1, 1, tzinfo=east), "x") == date(1, 1, 1)
    with pytest.raises(InvalidInputError, match="outside the years 1 to 9999"):
        instant(datetime(1, 1, 1, 1, tzinfo=east), "x")
