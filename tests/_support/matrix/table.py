"""The matrix, read from its file."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import attrs

__all__ = ["CELLS", "MATRIX", "POLICIES", "STEPS", "Cell", "Step"]

MATRIX: Final = json.loads(Path(__file__).with_name("matrix.json").read_text(encoding="utf-8"))
POLICIES: Final = ("standard", "none")


@attrs.frozen(kw_only=True)
class Step:
    """How one delivery ends; see the head of the file."""

    name: str
    ends: str
    raises: str = ""
    status: int | None = None
    says: str = ""
    seen: tuple[bool | None, bool | None, bool | None] | None = None
    head: int | None = None
    takes: float = 0.0
    asks: int | None = None
    asks_until: int | None = None
    passes: bool = False

    @property
    def is_plain(self) -> bool:
        """Tell whether it means the same to every dialect: no body of it needs to be understood."""
        return self.says in {"", "html"} and self.asks is None and self.asks_until is None

    @property
    def success_is_unread(self) -> bool:
        """Tell whether a 2xx arrived, or its head, and could not be read."""
        return 200 <= (self.head or self.status or 0) <= 299 and self.ends != "committed"

    @classmethod
    def named(cls, name: str) -> Step:
        """Read it from the file."""
        entry = {key.replace(" ", "_"): value for key, value in MATRIX["attempts"][name].items()}
        known = {field.name for field in attrs.fields(cls)}
        return cls(name=name, **{key: value for key, value in entry.items() if key in known})


STEPS: Final[dict[str, Step]] = {name: Step.named(name) for name in MATRIX["attempts"]}


@attrs.frozen
class Cell:
    """One operation under one fault in one dialect.

    Attributes:
        text: what must happen, as the file says it.
    """

    operation: str
    dialect: str
    fault: str
    text: str

    @property
    def safety(self) -> str:
        """What a second delivery of the operation would do."""
        return str(MATRIX["operations"][self.operation]["safety"])

    def expected(self, policy: str) -> str:
        """Return what must happen under a policy."""
        if self.text == "unsupported":
            return "0 UnsupportedError"
        standard, none = self.text.split(" | none: ")
        return standard if policy == "standard" or none == "same" else none

    def steps(self) -> Iterator[Step]:
        """Give one end after another; the last one goes on for ever."""
        names = MATRIX["faults"][self.fault].split()
        while True:
            yield STEPS[names[0]]
            names = names[1:] or names


def _cells(cells: dict[str, Any]) -> Iterator[Cell]:
    for operation, by_dialect in cells.items():
        for dialect, row in by_dialect.items():
            for fault in MATRIX["faults"]:
                text = row if isinstance(row, str) else row[fault]
                yield Cell(operation, dialect, fault, text)


CELLS: Final = tuple(_cells(MATRIX["cells"]))
