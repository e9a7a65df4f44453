"""Check the types of the code in README.md and docs/, as readers' type checkers would.

``python tools/check_documented_code.py`` writes the blocks of each page into modules and runs mypy,
pyright, pyrefly and ty over them, side by side; with the names of some, only those.
"""

from __future__ import annotations

import ast
import builtins
import re
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).parents[1]

COMMANDS: Final[dict[str, tuple[str, ...]]] = {
    "mypy": (
        "mypy", "--strict", "--config-file=", "--allow-redefinition", "--no-error-summary",
        "--cache-dir=.mypy_cache/pages",
    ),
    "pyright": ("pyright",),
    "pyrefly": ("pyrefly", "check"),
    "ty": ("ty", "check"),
}  # fmt: skip


def pages() -> list[Path]:
    """List the pages with code."""
    return [ROOT / "README.md", *sorted((ROOT / "docs").glob("**/*.md"))]


def blocks(text: str) -> list[tuple[int, str]]:
    """List the Python blocks of a page, each with the number of its first line."""
    found: list[tuple[int, str]] = []
    lines = text.splitlines()
    starts = [at for at, line in enumerate(lines) if re.fullmatch(r"```python\s*", line)]
    for start in starts:
        end = next(at for at in range(start + 1, len(lines)) if lines[at].startswith("```"))
        found.append((start + 1, "\n".join(lines[start + 1 : end])))
    return found


def _names(code: str) -> tuple[set[str], set[str]]:
    """Return the names that a block defines, and those that it uses."""
    defined: set[str] = set()
    used: set[str] = set()
    for node in ast.walk(ast.parse(code)):
        if isinstance(node, ast.Name):
            (used if isinstance(node.ctx, ast.Load) else defined).add(node.id)
        elif isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
            defined.add(node.name)
        elif isinstance(node, ast.arg):
            defined.add(node.arg)
        elif isinstance(node, ast.alias):
            defined.add((node.asname or node.name).partition(".")[0])
    return defined, used


def modules_of(text: str) -> list[str]:
    """Return a module for each block of a page, with the earlier blocks that it builds on.

    Each line stands where it stands in the page, so that a checker names the page's lines.
    """
    found = blocks(text)
    modules = []
    for index, (_, code) in enumerate(found):
        parts, missing = [index], _names(code)[1] - _names(code)[0] - set(dir(builtins))
        for earlier in range(index - 1, -1, -1):
            defined, used = _names(found[earlier][1])
            if defined & missing:
                parts.append(earlier)
                missing = (missing - defined) | (used - defined - set(dir(builtins)))
        module = ""
        for start, block in sorted(found[part] for part in parts):
            module += "\n" * (start - module.count("\n")) + block + "\n"
        modules.append(module)
    return modules


def main(arguments: Sequence[str]) -> int:
    """Write the modules, and run the checkers that are named, or all."""
    with tempfile.TemporaryDirectory() as folder:
        paths = []
        for page in pages():
            name = "_".join(page.relative_to(ROOT).with_suffix("").parts).replace("-", "_")
            for number, module in enumerate(modules_of(page.read_text(encoding="utf-8")), 1):
                path = Path(folder, f"{name}_block{number}.py")
                path.write_text(module, encoding="utf-8")
                paths.append(str(path))

        def run(checker: str) -> subprocess.CompletedProcess[str]:
            command = [*COMMANDS[checker], *paths]
            return subprocess.run(command, cwd=ROOT, capture_output=True, check=False, text=True)  # noqa: S603 - the checkers above

        with ThreadPoolExecutor() as threads:
            runs = list(threads.map(run, arguments or COMMANDS))
        for each in runs:
            print(each.stdout + each.stderr, end="")
        return int(any(each.returncode for each in runs))


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
