"""The DuckDB file of a landing: windows that are merged in slices, and what a program shares."""

from __future__ import annotations

from pathlib import Path

import duckdb

from billingual.landing import Counts, Source
from billingual.landing.duckdb import DuckDb
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
