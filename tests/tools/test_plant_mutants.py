"""The planted faults fit the source; otherwise only a run that plants them would tell."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

import pytest

from _support.tools import load

ROOT: Final = Path(__file__).parents[2]


@pytest.mark.parametrize("mutant", load("plant_mutants").MUTANTS, ids=lambda each: each.promise)
def test_a_mutant_fits_one_place_of_the_source(mutant: Any) -> None:
    """What it replaces is there once, and so are the tests that must notice."""
    source = (ROOT / "src" / "billingual" / mutant.module).read_text(encoding="utf-8")

    assert 1 == source.count(mutant.old)
    assert mutant.old != mutant.new
    assert all((ROOT / each).exists() for each in mutant.tests)
