"""The public API is what docs/compatibility.md says, and changes only on purpose."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import billingual

ROOT: Final = Path(__file__).parents[2]
NAMES: Final = ROOT / "docs" / "public-names.txt"
TOOL: Final = ROOT / "tools" / "generate_public_names.py"


def _names() -> list[str]:
    return NAMES.read_text(encoding="utf-8").split()


def test_the_listed_names_are_those_of_the_code() -> None:
    """A name that is added, removed or renamed shows in the diff of the list."""
    command = [sys.executable, str(TOOL), "--check"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)

    assert (0, "", "") == (done.returncode, done.stdout, done.stderr)


def test_the_check_sees_a_name_that_is_missing(tmp_path: Path) -> None:
    """The check is able to fail."""
    tool, listed = tmp_path / "tools" / TOOL.name, tmp_path / "docs" / NAMES.name
    for path, text in ((tool, TOOL.read_text()), (listed, "\n".join(_names()[1:]))):
        path.parent.mkdir()
        path.write_text(text, encoding="utf-8")
    command = [sys.executable, str(tool), "--check"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)

    assert (1, "public-names.txt is stale") == (done.returncode, done.stdout.partition(":")[0])


def test_the_documentation_names_the_public_modules() -> None:
    """The table of modules and the list of names agree."""
    text = (ROOT / "docs" / "compatibility.md").read_text(encoding="utf-8")
    documented = re.findall(r"^\| `(billingual[a-z_.]*)` \|", text, re.MULTILINE)

    assert {name.rpartition(".")[0] for name in _names()} == set(documented)


def _imported(path: Path) -> Iterator[str]:
    """List what a module, or the blocks of Python in a page, import from billingual."""
    text = path.read_text(encoding="utf-8")
    blocks = re.findall(r"^```python\n(.*?)^```", text, re.DOTALL | re.MULTILINE)
    for block in [text] if path.suffix == ".py" else blocks:
        for node in ast.walk(ast.parse(block)):
            module = getattr(node, "module", None) or ""
            if isinstance(node, ast.ImportFrom) and module.split(".")[0] == "billingual":
                yield from (f"{module}.{each.name}" for each in node.names)


def test_documentation_and_examples_import_public_names_only() -> None:
    """What they show may be relied upon."""
    public = {*_names(), *(name.rpartition(".")[0] for name in _names())}
    examples = (ROOT / "examples").rglob("*.py")
    shown = [ROOT / "README.md", *(ROOT / "docs").rglob("*.md"), *examples]
    imported = {name for path in shown for name in _imported(path)}

    assert len(imported) > 100
    assert set() == imported - public


def test_the_root_holds_what_users_need_and_not_more() -> None:
    """Few enough to read: tools for tests and for authors of plugins have modules of their own."""
    elsewhere = {"record", "replay", "fault", "Dialect", "Transport", "WireRequest"}

    assert len(billingual.__all__) <= 86
    assert set() == elsewhere & set(billingual.__all__)
