"""The DuckDB file of a landing: windows that are merged in slices, and what a program shares."""

from __future__ import annotations

from pathlib import Path
from random import Random

import duckdb
import pytest

from billingual.landing import Counts, Source, landed_files
from billingual.landing.duckdb import DuckDb
from billingual.landing.folder import Folder
from billingual.landing.table import landed_batch
from billingual.landing.windows import Window
from billingual.model import Filter, InvoiceSummary

SOURCE = Source(provider="exante", account=(None,), filter="{}")
FULL = Window(name="full", kind="full", filter=Filter())
LIMITS = "SELECT current_setting('memory_limit'), current_setting('threads')"


def _land(
    path: Path, rows: list[InvoiceSummary], *, sync_id: str, now: float, at_once: int = 2_000
) -> Counts:
    target = DuckDb(path, sync_id=sync_id, raw=True)
    seen = target.open(SOURCE, now=now)
    try:
        for first in range(0, len(rows), at_once):
            seen += 1
            part = rows[first : first + at_once]
            target.add(FULL, landed_batch(part, window="full", sync_id=sync_id, seen_at=seen))
        return target.commit(FULL, complete=True, how="test", at=seen)
    finally:
        target.close()


def _row(number: int, *, text: str = "") -> InvoiceSummary:
    return InvoiceSummary(
        id=f"i{number}", number=text or f"N-{number}", raw={"n": number, "t": text}
    )


def test_an_invoice_of_several_slices_is_there_once_as_read_last(tmp_path: Path) -> None:
    """A window has more rows than are merged at once, and counts each invoice once."""
    path = tmp_path / "rows.duckdb"
    first = [_row(number) for number in range(22_000)]
    again = [_row(number, text="late") for number in (*range(21_999, 11_999, -1), 3)]

    made = _land(path, [*first, *again], sync_id="a", now=1_000)
    then = _land(path, [*first[:-5], *again[-1:]], sync_id="b", now=2_000)

    assert made == Counts(new=22_000)
    # What was "late" is as it was at first again, but for the last, and five are gone.
    assert then == Counts(changed=9_996, unchanged=11_999, deleted=5)
    with duckdb.connect(str(path)) as file:
        found = file.execute("SELECT count(*), count(DISTINCT id) FROM invoices").fetchone()
        late = file.execute("SELECT id FROM invoices WHERE number = 'late'").fetchall()
    assert (found, late) == ((21_995, 21_995), [("i3",)])


def test_what_a_program_has_set_of_duckdb_is_as_before(tmp_path: Path) -> None:
    """It may have the file open, and shares its settings with a landing."""
    path = tmp_path / "rows.duckdb"
    with duckdb.connect(str(path)) as mine:
        mine.execute("SET memory_limit = '777MB'")
        mine.execute("SET threads = 3")
        before = mine.execute(LIMITS).fetchone()
        target = DuckDb(path, sync_id="a", raw=True)
        target.open(SOURCE, now=1_000)
        meanwhile = mine.execute(LIMITS).fetchone()
        target.close()

        assert mine.execute(LIMITS).fetchone() == before != meanwhile


def _wide(count: int) -> list[InvoiceSummary]:
    """Make rows of 40 kilobytes each, no two of them alike."""
    return [_row(number, text=f"{number:08x}" * 2_500) for number in range(count)]


@pytest.mark.slow
def test_wide_rows_are_merged_a_few_at_a_time(tmp_path: Path) -> None:
    """A join of all of them needs more memory than DuckDB is given while it lands."""
    path, rows = tmp_path / "wide.duckdb", _wide(2_000)
    with duckdb.connect(str(path)) as program:
        target = DuckDb(path, sync_id="a", raw=True)
        seen = target.open(SOURCE, now=1_000)
        for first in range(0, 2_000, 500):
            part = rows[first : first + 500]
            target.add(FULL, landed_batch(part, window="full", sync_id="a", seen_at=seen))
        counts = target.commit(FULL, complete=True, how="test", at=seen)
        (limit, _) = program.execute(LIMITS).fetchone() or ("", 0)
        target.close()

    assert counts == Counts(new=2_000)
    assert limit == "122.0 MiB"


@pytest.mark.slow
def test_very_wide_rows_get_more_memory_and_not_all(tmp_path: Path) -> None:
    """DuckDB would take four fifths of the machine, and 2 GB for 400 MB of rows."""
    path, filler = tmp_path / "wide.duckdb", Random(1)  # noqa: S311 - no secret
    with duckdb.connect(str(path)) as program:
        target = DuckDb(path, sync_id="a", raw=True)
        seen = target.open(SOURCE, now=1_000)
        for first in range(0, 1_000, 50):
            part = [
                _row(number, text=filler.randbytes(50_000).hex())
                for number in range(first, first + 50)
            ]
            target.add(FULL, landed_batch(part, window="full", sync_id="a", seen_at=seen))
        counts = target.commit(FULL, complete=True, how="test", at=seen)
        (limit, _) = program.execute(LIMITS).fetchone() or ("", 0)
        target.close()

    assert counts == Counts(new=1_000)
    assert limit == "488.2 MiB"


@pytest.mark.slow
def test_wide_rows_wait_in_files(tmp_path: Path) -> None:
    """A folder holds so many bytes of rows in memory, however many rows these are."""
    rows = _wide(2_000)
    target = Folder(tmp_path / "wide", sync_id="a", raw=True)
    seen = target.open(SOURCE, now=1_000)
    for first in range(0, 2_000, 250):
        part = rows[first : first + 250]
        target.add(FULL, landed_batch(part, window="full", sync_id="a", seen_at=seen))
    target.commit(FULL, complete=True, how="test", at=seen)
    target.close()

    assert len(landed_files(tmp_path / "wide")) > 1
