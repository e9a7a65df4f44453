"""What benchmarks keep is written into the page, and dearer hot paths are noticed."""

from __future__ import annotations

import json
import runpy
import subprocess
import sys
from pathlib import Path
from typing import Any, Final

import pytest

BENCHMARKS: Final = Path(__file__).parents[2] / "benchmarks"
PAGE: Final = "Before.\n<!-- results: calls -->\nold\n<!-- end -->\nAfter.\n"
STUDY: Final[dict[str, Any]] = {
    "command": "python benchmarks/calls.py",
    "settings": {"rounds": 3},
    "tables": [
        {
            "title": "one after another",
            "heads": ["client", "us", "ratio"],
            "rows": [["billingual (httpx)", 123.4, 0.5], ["raw", 246.8, 1.0]],
        }
    ],
    "goals": [{"what": "ours", "seen": 0.5, "limit": 0.8, "unit": "x", "reached": True}],
    "left_out": {"stripe": "stripe is not installed"},
    "machine": {"cpu": "one", "cores": 2, "system": "Linux", "python": "CPython 3.11.7"},
    "versions": {"httpx": "0.28.1"},
}


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """Keep the figures of one benchmark, and the counts of instructions beside them."""
    (tmp_path / "results").mkdir()
    (tmp_path / "results" / "calls.json").write_text(json.dumps(STUDY), encoding="utf-8")
    (tmp_path / "results" / "instructions.json").write_text('{"3.11": {}}', encoding="utf-8")
    (tmp_path / "page.md").write_text(PAGE, encoding="utf-8")
    return tmp_path


def report(place: Path, *options: str) -> subprocess.CompletedProcess[str]:
    """Run the tool."""
    where = ["--page", str(place / "page.md"), "--results", str(place / "results")]
    command = [sys.executable, str(BENCHMARKS / "_report.py"), *where, *options]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_kept_figures_are_between_their_markers(place: Path) -> None:
    """Command, table, goal and who was left out are written; text outside is left alone."""
    done = report(place)
    text = (place / "page.md").read_text(encoding="utf-8")

    assert done.returncode == 0, done.stderr
    assert text.startswith("Before.\n<!-- results: calls -->\n")
    assert text.endswith("<!-- end -->\nAfter.\n")
    assert "`python benchmarks/calls.py` (rounds 3)" in text
    assert "| client | us | ratio |\n| --- | ---: | ---: |\n" in text
    assert "| **billingual (httpx)** | 123 | 0.5 |" in text
    assert "| ours | <= 0.8 x | 0.5 x | yes |" in text
    assert "Left out: stripe (stripe is not installed)." in text
    assert "old" not in text


def test_a_page_that_shows_other_figures_is_noticed(place: Path) -> None:
    """``--check`` writes nothing and fails until the page shows what was kept."""
    before = report(place, "--check")
    unchanged = (place / "page.md").read_text(encoding="utf-8")
    report(place)
    after = report(place, "--check")

    assert (1, PAGE, 0) == (before.returncode, unchanged, after.returncode)


@pytest.mark.parametrize(("load", "said"), [(1.9, False), (16.6, True)])
def test_a_busy_machine_is_told(place: Path, load: float, *, said: bool) -> None:
    """Other work makes every clock say less."""
    study = {**STUDY, "machine": {**STUDY["machine"], "load_before": load}}
    (place / "results" / "calls.json").write_text(json.dumps(study), encoding="utf-8")
    done = report(place)

    assert done.returncode == 0, done.stderr
    text = (place / "page.md").read_text(encoding="utf-8")
    assert said == ("other work (a load of 17 on 2 cores" in text)


def test_a_page_may_show_a_table_by_itself(place: Path) -> None:
    """Without the command and the goals around it."""
    page = place / "page.md"
    page.write_text(f"{PAGE}<!-- table: calls 1 -->\nold\n<!-- end -->\nLast.\n", encoding="utf-8")
    done = report(place)
    alone = page.read_text(encoding="utf-8").partition("After.\n")[2]

    assert done.returncode == 0, done.stderr
    assert alone.startswith(
        "<!-- table: calls 1 -->\n\none after another:\n\n| client | us | ratio"
    )
    assert alone.endswith("| raw | 247 | 1 |\n\n<!-- end -->\nLast.\n")


def test_figures_without_a_place_are_an_error(place: Path) -> None:
    """Figures that the page has no markers for do not disappear silently."""
    (place / "page.md").write_text("Nothing here.\n", encoding="utf-8")
    done = report(place)

    assert done.returncode == 1
    assert "the page has no place for calls" in done.stderr


@pytest.mark.parametrize(("now", "dearer"), [(104, []), (106, ["a call"]), (90, [])])
def test_more_than_a_twentieth_is_dearer(now: int, dearer: list[str]) -> None:
    """A hot path may take 5 % more instructions than kept, and not more."""
    compared = runpy.run_path(str(BENCHMARKS / "_instructions.py"))["compared"]
    table, found = compared({"a call": now, "a new one": 7}, {"a call": 100})

    assert dearer == found
    assert "a new one" in table
