"""Run the Python blocks of the README and of the docs, as pasted."""

from __future__ import annotations

import os
import tempfile
from typing import Any

from sybil import Sybil
from sybil.parsers.markdown import PythonCodeBlockParser


def _enter_an_empty_folder(namespace: dict[str, Any]) -> None:
    """Let the blocks of a page write files where no one misses them."""
    namespace["_came_from"] = os.getcwd()  # noqa: PTH109 - a page may itself use the name Path
    namespace["_folder"] = tempfile.TemporaryDirectory()
    os.chdir(namespace["_folder"].name)


def _leave_it(namespace: dict[str, Any]) -> None:
    os.chdir(namespace["_came_from"])
    namespace["_folder"].cleanup()


pytest_collect_file = Sybil(
    parsers=[PythonCodeBlockParser()],
    patterns=["*.md"],
    setup=_enter_an_empty_folder,
    teardown=_leave_it,
).pytest()
