"""Run the Python blocks of the README and of the docs, as pasted.

A block marked ``text`` right behind one of them is what it prints, and is compared.
"""

from __future__ import annotations

import io
import os
import tempfile
from contextlib import redirect_stdout
from typing import Any

from sybil import Example, Sybil
from sybil.evaluators.python import PythonEvaluator
from sybil.parsers.markdown import CodeBlockParser

_RUN = PythonEvaluator()


def _enter_an_empty_folder(namespace: dict[str, Any]) -> None:
    """Let the blocks of a page write files where no one misses them."""
    namespace["_came_from"] = os.getcwd()  # noqa: PTH109 - a page may itself use the name Path
    namespace["_folder"] = tempfile.TemporaryDirectory()
    os.chdir(namespace["_folder"].name)


def _leave_it(namespace: dict[str, Any]) -> None:
    os.chdir(namespace["_came_from"])
    namespace["_folder"].cleanup()


def _run(example: Example) -> None:
    printed = io.StringIO()
    with redirect_stdout(printed):
        _RUN(example)
    print(printed.getvalue())  # noqa: T201 - pytest shows it where the block fails
    example.namespace["_printed"] = (example.region.end, printed.getvalue())


def _compare(example: Example) -> str | None:
    """Say so if the block before, with nothing in between, printed something else."""
    end, printed = example.namespace.get("_printed", (0, ""))
    if example.document.text[end : example.region.start].strip() or printed == example.parsed:
        return None
    return f"the block above prints:\n{printed}"


pytest_collect_file = Sybil(
    parsers=[CodeBlockParser("python", _run), CodeBlockParser("text", _compare)],
    patterns=["*.md"],
    setup=_enter_an_empty_folder,
    teardown=_leave_it,
).pytest()
