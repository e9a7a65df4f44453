"""The gate draws some cases of a test that is marked ``sampled``; the session proofs runs all."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

CONFTEST = Path(__file__).parents[1] / "conftest.py"
PROGRAM = """
import pytest

@pytest.mark.sampled(3)
@pytest.mark.parametrize("case", range(9))
def test_sampled(case): ...

@pytest.mark.sampled(3)
def test_without_cases(): ...

def test_whole(): ...
"""


@pytest.mark.parametrize(
    ("words", "passed"),
    [
        (("test_program.py",), 5),
        (("test_program.py", "--proof-seed=2"), 5),
        (("test_program.py", "--full-proofs"), 11),
        (("test_program.py::test_sampled",), 9),
    ],
)
def test_one_in_so_many_cases_runs(tmp_path: Path, words: tuple[str, ...], passed: int) -> None:
    """At least one of each test; all of them on demand, or if a test is named."""
    (tmp_path / "test_program.py").write_text(PROGRAM, encoding="utf-8")
    done = subprocess.run(
        [
            sys.executable,
            "-m",
            "pytest",
            "-p",
            "conftest",
            "-p",
            "no:billingual.testing.pytest_plugin",
            *words,
        ],
        cwd=tmp_path,
        env={
            "PYTHONPATH": f"{CONFTEST.parent}:{CONFTEST.parents[1] / 'src'}",
            "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1",  # they take longer than the tests
        },
        capture_output=True,
        text=True,
        check=False,
    )

    assert f" {passed} passed" in done.stdout, done.stdout + done.stderr
