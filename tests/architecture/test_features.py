"""The table of features says of this package only what a test of it shows."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

DOCS = Path(__file__).parents[2] / "docs"
PAGE = (DOCS / "features.md").read_text(encoding="utf-8")
ROWS = [line for line in PAGE.splitlines() if re.match(r"\| (\[\d|\d+ [A-Z.])", line)]
SHOWN = re.findall(r'\[yes\]\((\S+) "(\w+)"\)', PAGE)


@pytest.mark.parametrize(("path", "name"), SHOWN, ids=[name for _, name in SHOWN])
def test_the_test_that_a_row_links_is_there(path: str, name: str) -> None:
    """A test that is renamed or removed takes its row along."""
    tree = ast.parse((DOCS / path).read_text(encoding="utf-8"))

    assert name in {
        each.name for each in tree.body if isinstance(each, (ast.FunctionDef, ast.AsyncFunctionDef))
    }


def test_every_row_links_a_test() -> None:
    """And has a word for each of the six peers."""
    words = [line.strip("|").split("|")[2:] for line in ROWS]

    assert len(ROWS) == len(SHOWN) > 20
    assert {6} == {len(each) for each in words}
    assert {"yes", "no", "part", "-"} == {word.strip() for each in words for word in each}


def test_every_row_says_where_it_was_looked_for() -> None:
    """The second table has a line for each number of the first."""
    second = PAGE.split("## What was read", 1)[1]
    told = re.findall(r"^\| ([\d, ]+) \|", second, re.MULTILINE)

    assert list(range(1, len(ROWS) + 1)) == sorted(
        int(number) for each in told for number in each.split(", ")
    )
