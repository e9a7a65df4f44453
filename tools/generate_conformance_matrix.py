"""Write out the cells of the conformance matrix from the rules at its head.

The rules are written by hand; what follows from them is arithmetic, and it is done here without
the client, so that the matrix can prove the client wrong.

Usage: ``python tools/generate_conformance_matrix.py [--check]``
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator, Mapping
from itertools import groupby
from pathlib import Path
from typing import Any, Final, NamedTuple

ROOT: Final = Path(__file__).parents[1]
MATRIX: Final = ROOT / "tests" / "_support" / "matrix" / "matrix.json"
DIALECTS: Final = ("bulk", "exante", "tenant", "v1")
EXPLAINED: Final = ("ConflictError", "InvalidRequestError", "PermissionDeniedError")
AGAIN_AFTER: Final = ("not_sent", "not_applied")


class Made(NamedTuple):
    """The attempts of one operation: their classes, the last one, and how long they took."""

    classes: list[str]
    last: Mapping[str, Any]
    seconds: float

    @property
    def verdict(self) -> str:
        """Name what they mean together."""
        if self.classes[-1] == "committed":
            return "committed"
        return "unknown" if "unknown" in self.classes else self.classes[-1]


class Rules:
    """The hand-written parts of the file."""

    def __init__(self, data: Mapping[str, Any]) -> None:
        self.numbers = data["numbers"]
        self.attempts = data["attempts"]
        self.faults = data["faults"]
        self.operations = data["operations"]

    def cell(self, operation: str, dialect: str, fault: str) -> str:
        """Say what must happen, with the standard policy and without one."""
        standard = self._told(operation, dialect, fault, self.numbers["attempts"])
        none = self._told(operation, dialect, fault, 1)
        return f"{standard} | none: {'same' if none == standard else none}"

    def _told(self, operation: str, dialect: str, fault: str, most: int) -> str:
        of = self.operations[operation]
        if dialect in of.get("refused here", {}):
            return f"0 {of['refused here'][dialect]}"
        made = self._make(operation, dialect, fault, most)
        reads, end = self._ended(of, dialect, made, most)
        requests = f"{len(made.classes)}+{reads}" if reads else f"{len(made.classes)}"
        runs = [(name, len(list(run))) for name, run in groupby(made.classes)]
        listed = ", ".join(name if count == 1 else f"{name} x{count}" for name, count in runs)
        return f"{requests} {end} {made.seconds:.2f}s: {listed} = {made.verdict}"

    def _make(self, operation: str, dialect: str, fault: str, most: int) -> Made:
        """Make attempt after attempt, as rules 1, 3 and 4 say."""
        writes = self.operations[operation]["kind"] == "write"
        deadline = self.numbers["deadline_s"]
        now, classes = 0.0, list[str]()
        for step in self._steps(operation, dialect, fault):
            now = min(now + step.get("takes", 0), deadline)
            classes.append(step["ends"])
            again = step["ends"] in AGAIN_AFTER if writes else step.get("passes", False)
            wait = self._wait(step, len(classes), now)
            if not again or len(classes) == most or wait is None or now + wait >= deadline:
                return Made(classes, step, now)
            now += wait
        raise AssertionError("a fault never runs out")

    def _steps(self, operation: str, dialect: str, fault: str) -> Iterator[Mapping[str, Any]]:
        names = self.faults[fault].split()
        while True:
            step = self.attempts[names[0]]
            good = step.get("good for", ())
            if operation in good or f"{operation} {dialect}" in good:
                # A row without an id is left out, so that its list cannot show what is looked for.
                step = {**self.attempts["ok"], "hides": step.get("hides", False)}
            yield {**step, **step.get("but", {}).get(dialect, {})}
            names = names[1:] or names

    def _wait(self, step: Mapping[str, Any], number: int, now: float) -> float | None:
        numbers = self.numbers
        base = numbers["throttled_s" if step.get("status") == 429 else "base_s"]
        jitter: float = min(numbers["cap_s"], base * 2 ** (number - 1)) * numbers["jitter"]
        asked: float = step.get("asks", max(0.0, step.get("asks until", 0) - now))
        return None if asked > numbers["longest_retry_after_s"] else asked + jitter

    def _ended(self, of: Mapping[str, Any], dialect: str, made: Made, most: int) -> tuple[int, str]:
        """Say how many reads follow, and how the operation ends, as rules 5 and 6 say."""
        committed = made.classes[-1] == "committed"
        if "finds" in of:
            shown = committed and not made.last.get("hides", False)
            found = "finding adopted" if shown else "finding unknown"
            return (of["finds"][dialect] if shown else 0), found
        error = made.last.get("raises", "ok")
        if committed or of["kind"] == "read":
            return 0, error
        if made.verdict == "unknown":
            head: int = made.last.get("head", made.last.get("status", 0))
            is_yes = 200 <= head <= 299 and ("head" in made.last or error == "ProtocolError")
            # A yes about another invoice may belong to another call.
            is_yes = is_yes and made.last.get("says") != "another"
            end = f"OutcomeUnknown({error}) {'likely' if is_yes else 'maybe'}"
            settled = of.get("settles", {}).get(dialect)
            if settled is None:
                return 0, end
            return (most if settled == "unreadable" else 1), ("ok" if settled == "done" else end)
        explained = of.get("explains", {}).get(dialect)
        if explained is None or error not in EXPLAINED:
            return 0, error
        locked = explained == "locked"
        return (most if explained == "unreadable" else 1), ("LockedError" if locked else error)


def cells_of(data: Mapping[str, Any]) -> dict[str, Any]:
    """Work out every cell: by operation, by dialect, by fault."""
    rules = Rules(data)
    return {
        operation: {
            dialect: "unsupported"
            if dialect in of["lacking"]
            else {fault: rules.cell(operation, dialect, fault) for fault in rules.faults}
            for dialect in DIALECTS
        }
        for operation, of in rules.operations.items()
    }


def laid_out(data: Mapping[str, Any]) -> str:
    """Lay the file out with one attempt, fault, operation or cell to a line."""
    rules = ("numbers", "attempts", "faults", "operations")
    about = json.dumps(data["about"], indent=2).replace("\n", "\n  ")
    parts = [f'"about": {about}', *(f'"{part}": {_lines(data[part], 4)}' for part in rules)]
    cells = [
        f'    "{operation}": {{\n'
        + ",\n".join(
            f'      "{dialect}": ' + (json.dumps(row) if isinstance(row, str) else _lines(row, 8))
            for dialect, row in by_dialect.items()
        )
        + "\n    }"
        for operation, by_dialect in data["cells"].items()
    ]
    parts.append('"cells": {\n' + ",\n".join(cells) + "\n  }")
    return "{\n" + ",\n".join(f"  {part}" for part in parts) + "\n}\n"


def _lines(entries: Mapping[str, Any], indent: int) -> str:
    space = " " * indent
    rows = ",\n".join(f'{space}"{key}": {json.dumps(value)}' for key, value in entries.items())
    return f"{{\n{rows}\n{space[:-2]}}}"


def main() -> int:
    """Write the file, or only tell whether it is fresh."""
    parser = argparse.ArgumentParser(description="Write out the cells of the conformance matrix.")
    parser.add_argument("--check", action="store_true", help="write nothing; fail if it differs")
    parser.add_argument("--matrix", type=Path, default=MATRIX, help="the file")
    options = parser.parse_args()
    before = options.matrix.read_text(encoding="utf-8")
    data = json.loads(before)
    after = laid_out({**data, "cells": cells_of(data)})
    if after == before:
        return 0
    if options.check:
        print(f"{options.matrix} does not follow from its rules: run {Path(__file__).name}")
        return 1
    options.matrix.write_text(after, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
