"""P11: a million invoices are landed in the memory that a small machine has."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from random import Random
from typing import Any

import duckdb
import pytest
from deltalake import DeltaTable

from _support import landed_million
from _support.landed import TARGETS
from billingual.landing import Counts, Source, landed_files
from billingual.landing.duckdb import DuckDb
from billingual.landing.table import landed_batch
from billingual.landing.windows import Window
from billingual.model import Filter, InvoiceSummary

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(1800),
    pytest.mark.skipif(os.name != "posix", reason="the peak of memory is asked of POSIX"),
]


@pytest.mark.parametrize("name", TARGETS)
@pytest.mark.parametrize("options", [{"since": "2024-01-01"}, {}])
def test_a_million_invoices_are_landed_in_little_memory(
    tmp_path: Path, proof: Any, options: dict[str, str], name: str
) -> None:
    """By windows and as one whole list; a tenth of them unless all proofs are run."""
    count = proof.amount(100_000, 1_000_000)
    target = tmp_path / name
    done = subprocess.run(
        [sys.executable, landed_million.__file__, str(count), target, json.dumps(options)],
        env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)},
        capture_output=True,
        text=True,
        check=True,
    )
    new, incomplete, peak = json.loads(done.stdout)

    assert (new, incomplete) == (count, 0)
    # The library of Delta tables takes more with each table that it appends.
    assert peak < (500 if target.suffix == ".delta" else 300)
    query = "SELECT count(*), count(DISTINCT id) FROM "
    if target.suffix == ".delta":
        ids = DeltaTable(target).to_pyarrow_table(columns=["id"])  # noqa: F841 - DuckDB finds it
        rows = duckdb.connect().execute(f"{query} ids")
    elif target.is_dir():
        rows = duckdb.connect().execute(f"{query} read_parquet(?)", [landed_files(target)])
    else:
        rows = duckdb.connect(str(target), read_only=True).execute(f"{query} invoices")
    assert rows.fetchone() == (count, count)


def test_rows_that_are_too_wide_for_the_limit_are_landed(tmp_path: Path) -> None:
    """Then DuckDB takes what it takes otherwise."""
    target = DuckDb(tmp_path / "wide.duckdb", sync_id="a", raw=True)
    target.open(Source(provider="exante", account=(None,), filter="{}"), now=1_000)
    window, chance = Window(name="full", kind="full", filter=Filter()), Random(0)  # noqa: S311 - drawn, not secret
    for first in range(0, 6_000, 500):
        rows = [
            InvoiceSummary(id=str(number), raw={"memo": chance.randbytes(12_000).hex()})
            for number in range(first, first + 500)
        ]
        target.add(window, landed_batch(rows, window="full", sync_id="a", seen_at=1_000))

    assert target.commit(window, complete=True, how="test", at=1_001) == Counts(new=6_000)
    target.close()
