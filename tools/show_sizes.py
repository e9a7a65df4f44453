"""Print what has grown large in ``src/``: a hint to look, never a reason to split. Never fails.

A module of 700 lines about one noun is better than two of 350 that must be read together.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

SOURCE = Path(__file__).parents[1] / "src" / "billingual"
MODULE_LINES = 700
FUNCTION_LINES = 50  # without its docstring: what fits a screen
CLASS_METHODS = 15


def lines_of(function: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    """Count the lines of a function without its docstring."""
    body = function.body[1:] if ast.get_docstring(function) else function.body
    return (function.end_lineno or 0) - body[0].lineno + 1 if body else 0


def large_parts(tree: ast.Module) -> Iterator[str]:
    """Describe the large functions and classes of a module."""
    for node in ast.walk(tree):
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            if (count := lines_of(node)) > FUNCTION_LINES:
                yield f"{node.lineno}: {node.name} has {count} lines"
        elif isinstance(node, ast.ClassDef):
            methods = {
                each.name
                for each in node.body
                if isinstance(each, (ast.FunctionDef, ast.AsyncFunctionDef))
                and not each.name.startswith("_")
            }
            if len(methods) > CLASS_METHODS:
                yield f"{node.lineno}: {node.name} has {len(methods)} public methods"


def main() -> None:
    """Print one line for each."""
    for path in sorted(SOURCE.rglob("*.py")):
        text = path.read_text(encoding="utf-8")
        name = path.relative_to(SOURCE.parents[1])
        if (count := len(text.splitlines())) > MODULE_LINES:
            print(f"hint: {name}:1: {count} lines")
        for part in large_parts(ast.parse(text)):
            print(f"hint: {name}:{part}")


if __name__ == "__main__":
    main()
