"""The plan of a landing: pure, the same each time, without gaps."""

from __future__ import annotations

import pickle
from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from billingual import Filter, InvalidInputError
from billingual.landing import OPEN_STATUSES, plan_windows

NOW = datetime(2026, 11, 29, 12, tzinfo=UTC)
DAYS = st.dates(date(2020, 1, 1), date(2026, 11, 29))


def test_a_year_is_closed_recent_and_open_windows() -> None:
    """What is older than the look-back is closed; the last window has no end."""
    windows = plan_windows(date(2026, 1, 1), now=NOW)

    assert windows[0].name == "open"
    assert windows[0].filter.status == OPEN_STATUSES
    dated = windows[1:-1]
    assert [each.kind for each in dated] == ["closed"] * 8 + ["recent"] * 4
    assert (windows[-1].filter.issued_to, windows[-1].kind) == (None, "recent")
    assert windows[-1].filter.issued_from == dated[-1].filter.issued_to + timedelta(days=1)  # type: ignore[operator]


@given(start=DAYS, length=st.integers(0, 120), days=st.integers(1, 366))
def test_each_day_is_in_one_window(start: date, length: int, days: int) -> None:
    """No gap and no overlap, whatever the days."""
    end = start + timedelta(days=length)
    windows = plan_windows(start, end, now=NOW, days=days, open_statuses=())

    covered = [
        each.filter.issued_from + timedelta(days=n)  # type: ignore[operator]
        for each in windows
        for n in range((each.filter.issued_to - each.filter.issued_from).days + 1)  # type: ignore[operator]
    ]
    assert covered == [start + timedelta(days=n) for n in range(length + 1)]


@given(start=DAYS, later=st.integers(0, 400), days=st.integers(20, 60))
def test_a_closed_window_keeps_its_name_and_days(start: date, later: int, days: int) -> None:
    """Planned again on another day it is found under its name, so it is not read again."""
    first = plan_windows(start, now=NOW, days=days)
    before = {each.name: each.filter for each in first}
    again = plan_windows(start, now=NOW + timedelta(days=later), days=days)

    names = {each.name for each in again}
    closed = {each.name for each in first if each.closed}
    assert closed <= {each.name for each in again if each.closed}
    assert all(each.filter == before[each.name] for each in again if each.name in before)
    assert len(names) == len(again)


def test_without_a_beginning_everything_is_one_window() -> None:
    """The same where it is asked for."""
    assert [each.kind for each in plan_windows(None, now=NOW)] == ["full"]
    assert [each.name for each in plan_windows(date(2026, 1, 1), now=NOW, full=True)] == ["all"]


def test_what_else_must_hold_is_in_every_window() -> None:
    """A window is plain data, which a worker elsewhere can be given."""
    base = Filter(counterparty=["Acme"], include_inactive=True)
    windows = plan_windows(date(2026, 9, 1), now=NOW, base=base)

    assert {each.filter.counterparty for each in windows} == {("Acme",)}
    assert pickle.loads(pickle.dumps(windows)) == windows  # noqa: S301 - our own bytes


def test_one_status_is_not_its_letters() -> None:
    """A text alone is one status, as in a filter."""
    (window,) = (
        each
        for each in plan_windows(date(2026, 9, 1), now=NOW, open_statuses="SENT")
        if each.kind == "open"
    )

    assert ("SENT",) == window.filter.status


@pytest.mark.parametrize(
    ("arguments", "field"),
    [
        ({"start": date(2026, 2, 1), "end": date(2026, 1, 1)}, "until"),
        ({"start": None, "end": date(2026, 1, 1)}, "until"),
        ({"start": datetime(2026, 1, 1, tzinfo=UTC)}, "since"),
        ({"start": "2026-01-01"}, "since"),
        ({"start": date(2026, 1, 1), "days": 0}, "days"),
        ({"start": date(2026, 1, 1), "days": True}, "days"),
        ({"start": date(2026, 1, 1), "lookback_days": -1}, "lookback_days"),
        ({"start": date(2026, 1, 1), "now": datetime(2026, 1, 1)}, "now"),  # noqa: DTZ001 - as said
        ({"start": date(1900, 1, 1), "days": 1}, "since"),
        ({"start": date(2026, 1, 1), "open_statuses": 5}, "open_statuses"),
        ({"start": date(2026, 1, 1), "open_statuses": [5]}, "open_statuses"),
        ({"start": date(2026, 1, 1), "base": Filter(status=["PAID"])}, "status"),
        ({"start": date(2026, 1, 1), "base": Filter(issued_to=date(2026, 1, 1))}, "issued_to"),
    ],
)
def test_what_cannot_be_right_is_refused_by_name(arguments: dict[str, object], field: str) -> None:
    """Nothing is planned, and nothing is asked for."""
    with pytest.raises(InvalidInputError) as refused:
        plan_windows(**{"now": NOW, **arguments})  # type: ignore[arg-type]

    assert refused.value.field == field
