"""P11: a million invoices are landed in the memory that a small machine has."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import duckdb
import pytest

from _support import landed_million
from billingual.landing import landed_files

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(1800),
    pytest.mark.skipif(os.name != "posix", reason="the peak of memory is asked of POSIX"),
]


@pytest.mark.parametrize("options", [{"since": "2024-01-01"}, {}])
def test_a_million_invoices_are_landed_below_300_mb(
    tmp_path: Path, proof: Any, options: dict[str, str]
) -> None:
    """By windows and as one whole list; a tenth of them unless all proofs are run."""
    count = proof.amount(100_000, 1_000_000)
    target = tmp_path / "landed"
    done = subprocess.run(
        [sys.executable, landed_million.__file__, str(count), target, json.dumps(options)],
        env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)},
        capture_output=True,
        text=True,
        check=True,
    )
    new, incomplete, peak = json.loads(done.stdout)

    assert (new, incomplete) == (count, 0)
    assert peak < 300
    query = "SELECT count(*), count(DISTINCT id) FROM read_parquet(?)"
    assert duckdb.connect().execute(query, [landed_files(target)]).fetchone() == (count, count)
