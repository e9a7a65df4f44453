"""The README keeps its promises: short, pasted and true."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

README = (Path(__file__).parents[2] / "README.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"```python\n(.*?)```", README, re.DOTALL)


def test_a_reader_meets_code_within_eighty_words() -> None:
    """At most 80 words come before the first block of code."""
    words = README.split("```", 1)[0].split()

    assert len(words) <= 80


def test_the_first_block_has_at_most_twelve_lines() -> None:
    """What a newcomer pastes is at most 12 lines long."""
    assert len(BLOCKS[0].splitlines()) <= 12


def test_the_first_block_prints_what_the_readme_says() -> None:
    """The first block, pasted into a new process, prints the output shown under it."""
    shown = re.search(r"```text\n(.*?)```", README, re.DOTALL)
    assert shown is not None
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", BLOCKS[0]],
        capture_output=True,
        text=True,
        check=False,
    )

    assert (0, shown[1], "") == (done.returncode, done.stdout, done.stderr)


def test_the_gate_runs_the_line_of_the_readme() -> None:
    """``.ci/run`` runs exactly the command that the README gives for the tests."""
    line = "python -m pip install nox && python -m nox"
    script = (Path(__file__).parents[2] / ".ci" / "run").read_text(encoding="utf-8")

    assert f"`{line}`" in README
    assert line in script.splitlines()
