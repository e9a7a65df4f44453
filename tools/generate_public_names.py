"""Write ``docs/public-names.txt``: every public name, so that no change of them goes unnoticed.

Run ``python tools/generate_public_names.py`` after a change that is meant. Its diff is what users
see, and belongs in ``CHANGELOG.md``; ``docs/compatibility.md`` says what a release may change.
``--check`` compares the whole file and exits 1 where it differs.
"""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterable
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Final

TARGET: Final = Path(__file__).parents[1] / "docs" / "public-names.txt"
MODULES: Final = (
    "billingual",
    "billingual.abc",
    "billingual.capabilities",
    "billingual.columns",
    "billingual.dialects",
    "billingual.errors",
    "billingual.events",
    "billingual.integrations.dlt",
    "billingual.integrations.opentelemetry",
    "billingual.integrations.spark",
    "billingual.jobs",
    "billingual.landing",
    "billingual.model",
    "billingual.outcomes",
    "billingual.preview",
    "billingual.providers",
    "billingual.retry",
    "billingual.sandbox",
    "billingual.testing",
    "billingual.testing.pytest_plugin",
    "billingual.testing.strategies",
    "billingual.transports",
    "billingual.wire",
)
LARGE: Final = {"billingual.integrations.dlt", "billingual.integrations.spark"}
"""Their libraries are too large to install for a list of names; the source is read instead."""


def render() -> str:
    """List the names that each public module exports."""
    names = [f"{each}.{name}" for each in MODULES for name in sorted(_exported(each))]
    return "\n".join([*names, ""])


def _exported(module: str) -> Iterable[str]:
    if module not in LARGE:
        return list(import_module(module).__all__)
    spec = find_spec(module)
    assert spec is not None and spec.origin is not None  # noqa: PT018, S101 - ours
    for each in ast.parse(Path(spec.origin).read_text(encoding="utf-8")).body:
        if isinstance(each, ast.Assign) and ast.unparse(each.targets[0]) == "__all__":
            return list(ast.literal_eval(each.value))
    raise ValueError(module)


def main() -> int:
    """Write the file, or compare it with ``--check``."""
    text = render()
    if TARGET.exists() and TARGET.read_text(encoding="utf-8") == text:
        return 0
    if "--check" in sys.argv[1:]:
        print(f"{TARGET.name} is stale: run python tools/generate_public_names.py")
        return 1
    TARGET.write_text(text, encoding="utf-8")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
