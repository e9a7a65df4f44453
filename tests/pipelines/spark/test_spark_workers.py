"""A worker that lacks what the source needs: Spark starts Pythons of its own choice."""

from __future__ import annotations

import subprocess
import sys

import pytest
from pyspark import cloudpickle

from billingual.integrations.spark import InvoiceDataSource

PROGRAM = """
import pickle, sys
sys.modules[sys.argv[1]] = None
source = pickle.load(sys.stdin.buffer)
assert "billingual" not in sys.modules or sys.modules["billingual"] is None
source.schema()
"""


@pytest.mark.parametrize("library", ["billingual", "arro3.core", "pyarrow"])
def test_a_worker_says_what_it_lacks_and_what_to_set(library: str) -> None:
    """The class comes by value, so that it can say so where billingual itself is missing."""
    source = cloudpickle.dumps(InvoiceDataSource({"provider": "exante"}))

    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, library], input=source, capture_output=True, check=False
    )

    last = done.stderr.decode().splitlines()[-1]
    assert last.startswith(f"ImportError: Spark runs its Python workers with {sys.executable}")
    assert f"which has no {library}. Set PYSPARK_PYTHON" in last
