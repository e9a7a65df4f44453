"""Offsets of a stream: what Spark may ask for in any order, after any crash."""

from __future__ import annotations

from datetime import date, timedelta
from random import Random
from typing import Any

import pytest
from pyspark.sql.streaming.datasource import ReadAllAvailable, ReadMaxFiles
from pyspark.sql.types import StructType

from billingual import UsageError
from billingual.integrations.spark import InvoiceDataSource

OPTIONS = {"provider": "exante", "credential": "env:A,env:B", "from": "2020-01-01"}
ALL = ReadAllAvailable()


def stream(**more: str) -> Any:
    """Make the reader of a stream, as each start of a query makes a new one."""
    return InvoiceDataSource(OPTIONS | more).streamReader(StructType())


def days_of(windows: list[Any]) -> list[tuple[str, date]]:
    """List each account and day of some windows."""
    return [
        (str(each.account), each.first + timedelta(days=day))
        for each in windows
        for day in range((each.last - each.first).days + 1)
    ]


def test_batches_join_without_a_gap_whatever_crashes() -> None:
    """P5: each day of each account is in one batch, also where every batch has a new reader."""
    chance = Random(20_261_129)  # noqa: S311 - no secret
    for _ in range(30):
        days = str(chance.randrange(3, 60))
        options = {"days": days, "lookback_days": str(chance.randrange(100))}
        offset = stream(**options).initialOffset()
        seen: list[tuple[str, date]] = []
        for _ in range(4):
            limit = chance.choice([ALL, ReadMaxFiles(chance.randrange(1, 20))])
            end = stream(**options).latestOffset(offset, limit)
            windows = stream(**options).partitions(offset, end)
            again = stream(**options).partitions(offset, end)
            assert list(map(str, windows)) == list(map(str, again))
            assert all(end[name] >= offset[name] for name in offset)
            seen += days_of(windows)
            offset = end

        expected = [
            (name, date(2020, 1, 1) + timedelta(days=day))
            for name, until in offset.items()
            for day in range((date.fromisoformat(until) - date(2020, 1, 1)).days)
        ]
        assert expected == sorted(seen)


def test_an_offset_never_goes_back() -> None:
    """A clock that was put back, or a longer look-back, reads nothing again."""
    start = {"env:A": "2999-01-01", "env:B": "2020-01-01"}

    end = stream().latestOffset(start, ALL)

    assert "2999-01-01" == end["env:A"]
    assert "2020-01-01" < end["env:B"]


def test_a_window_that_is_not_over_is_not_read() -> None:
    """Not before its last day lies further back than the look-back."""
    reader = stream(days="1", lookback_days="90")
    today = date.today()  # noqa: DTZ011 - the day before or after is as good

    end = date.fromisoformat(reader.latestOffset(reader.initialOffset(), ALL)["env:A"])

    assert timedelta(days=89) <= today - end <= timedelta(days=91)


def test_a_limit_holds_unless_all_is_asked_for() -> None:
    """Spark asks for all where the trigger says so."""
    reader = stream(days="10", windows_per_batch="3")
    start = reader.initialOffset()

    assert ReadMaxFiles(3) == reader.getDefaultReadLimit()
    assert 6 == len(reader.partitions(start, reader.latestOffset(start, ReadMaxFiles(3))))
    assert "2025-01-01" < reader.latestOffset(start, ALL)["env:A"]
    assert ALL == stream().getDefaultReadLimit()


def test_an_account_that_is_new_begins_at_the_first_day() -> None:
    """And one that is left out goes on where it was when it is back."""
    start = {"env:A": "2021-01-01", "env:OLD": "2020-06-01"}

    end = stream().latestOffset(start, ALL)

    assert "2020-06-01" == end["env:OLD"]
    windows = stream().partitions(start, end)
    assert date(2020, 1, 1) == min(each.first for each in windows if str(each.account) == "env:B")


def test_an_unfinished_batch_of_an_account_that_is_left_out_is_refused() -> None:
    """Its windows would never be read."""
    with pytest.raises(UsageError, match="env:OLD"):
        stream().partitions({"env:OLD": "2020-01-01"}, {"env:OLD": "2020-06-01"})


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"from": ""}, "from"),
        ({"from": "01.02.2026"}, "2026-01-31"),
        ({"days": "0"}, "days"),
        ({"days": "1e3"}, "days"),
        ({"lookback_days": "-1"}, "lookback_days"),
        ({"windows_per_batch": "0"}, "windows_per_batch"),
        ({"to": "2026-01-01"}, "to: there is no such option"),
        ({"organization": "a,b,c"}, "2 for 3 accounts"),
        ({"credential": "env:A,env:A"}, "twice"),
        ({"calls_per_second": "5"}, "max_workers"),
        ({"max_workers": "5"}, "max_workers"),
        ({"rate_store": "redis://host"}, "max_workers"),
        ({"provider": ""}, "provider"),
    ],
)
def test_a_wrong_option_is_refused(options: dict[str, str], message: str) -> None:
    """Before anything is read."""
    with pytest.raises(UsageError, match=message):
        stream(**options)
