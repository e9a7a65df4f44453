"""Fail on import cycles in ``src/``, on ignored imports, and on imports by string.

``lint-imports`` holds the layers. It cannot see three ways around them, and this check can:

- a cycle inside one package, or between a package and its own modules;
- an import that a contract is told to ignore;
- an import by string: ``import_module("billingual.x")``. Only `BY_STRING` may do that.

Imports inside functions and below ``if TYPE_CHECKING`` count as well: a reader follows those too.
"""

from __future__ import annotations

import argparse
import ast
import sys
import tomllib
from collections.abc import Iterator, Mapping
from collections.abc import Set as AbstractSet
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import grimp

ROOT = Path(__file__).parents[1]

BY_STRING: Mapping[str, str] = {
    "plugins.py": "names of dialects, transports and providers, as entry points name them",
    "_lazy.py": "public names of a package, loaded on first use",
    "__init__.py": "the same, where the package shares no code: the sandbox",
    "transports/client.py": "the adapter of the library that a client of the user is from",
    "transports/httpx.py": "httpx or httpx2, whichever the transport is named after",
    "transports/_inner.py": "the table of transports, for those made of others by name",
    "transports/sandbox.py": "the sandbox, a program above all layers that this transport starts",
}
"""Files that may import by string: a path below ``src/billingual``, or a file name; and why."""


def cycle_of(graph: Mapping[str, AbstractSet[str]]) -> list[str]:
    """Return the modules of one import cycle, in order; an empty list if there is none."""
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        cycle: list[str] = error.args[1]
        return cycle[::-1]
    return []


def imports_of(package: str) -> dict[str, set[str]]:
    """Map each module of *package* to the modules of *package* that it imports."""
    graph = grimp.build_graph(package, cache_dir=None)
    return {
        module: set(graph.find_modules_directly_imported_by(module)) for module in graph.modules
    }


def is_foreign(call: ast.Call) -> bool:
    """Tell whether an import by string spells out the name of a third party's module."""
    name = call.args[0] if call.args else None
    return (
        isinstance(name, ast.Constant)
        and isinstance(name.value, str)
        and name.value.partition(".")[0] != "billingual"
    )


def by_string(folder: Path) -> Iterator[str]:
    """Yield where a module is imported by string and must not be."""
    for path in sorted(folder.rglob("*.py")):
        if {path.name, str(path.relative_to(folder))} & BY_STRING.keys():
            continue
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call):
                called = ast.unparse(node.func).rpartition(".")[2]
                if called in {"import_module", "__import__"} and not is_foreign(node):
                    yield f"{path}:{node.lineno}: import by string: {ast.unparse(node)}"


def ignored_imports() -> Iterator[str]:
    """Yield the imports that the contracts ignore."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    for contract in project["tool"]["importlinter"]["contracts"]:
        for each in contract.get("ignore_imports", ()):
            yield f"pyproject.toml: contract {contract['name']!r} ignores {each}"


def main() -> int:
    """Print what was found; return 1 if there is anything."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--folder", type=Path, default=ROOT / "src" / "billingual")
    folder = parser.parse_args().folder.resolve()
    sys.path.insert(0, str(folder.parent))
    failures = [*by_string(folder), *ignored_imports()]
    if cycle := cycle_of(imports_of(folder.name)):
        failures.append("import cycle: " + " -> ".join(cycle))
    print(*failures, sep="\n", end="\n" if failures else "")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
