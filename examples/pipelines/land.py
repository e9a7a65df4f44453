"""Land invoices in one DuckDB file, twice: the second run reads only what can have changed.

    python examples/pipelines/land.py [FILE.duckdb | FOLDER]

A timer that starts this script is all that keeps the file up to date; killed at any moment, the
next run goes on. It needs the extra ``duckdb`` (``arrow`` for a folder of Parquet files).
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

import duckdb

from billingual import Client
from billingual.landing import landed_files

LATEST = """
FROM read_parquet(?) QUALIFY row_number() OVER (PARTITION BY id ORDER BY _seen_at DESC) = 1
"""
OWED = """
SELECT status, count(*) AS invoices, sum(amount_due_minor) AS owed_minor
FROM {rows} GROUP BY status ORDER BY owed_minor DESC
"""


def main(target: Path) -> None:
    """Land, land again, and ask who owes what."""
    with Client("exante", transport="sandbox") as invoices:
        for _ in range(2):
            report = invoices.land(target, since="2026-01-01")
            print(report)
    assert not report.incomplete  # else some windows are named, and read again by the next run

    if target.suffix == ".duckdb":
        print(duckdb.connect(str(target)).sql(OWED.format(rows="invoices")))
    else:
        rows = f"({LATEST}) WHERE _deleted_at IS NULL"
        print(duckdb.execute(OWED.format(rows=rows), [landed_files(target)]).fetchall())


if __name__ == "__main__":
    if len(sys.argv) > 1:
        main(Path(sys.argv[1]))
    else:
        with tempfile.TemporaryDirectory() as place:
            main(Path(place) / "invoices.duckdb")
