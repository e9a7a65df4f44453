"""Fingerprints of a target's invoices, to count which landed rows are new, changed or unchanged."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from billingual.pagination.dedupe import SeenIds

if TYPE_CHECKING:
    from arro3.core import RecordBatch

__all__ = ["Index"]


class Index:
    """Fingerprints of the invoices that are there, 20 bytes each."""

    def __init__(self) -> None:
        self._ids = SeenIds()
        self._states = SeenIds()
        self._compared = SeenIds()

    def know(self, batch: RecordBatch) -> None:
        """Note rows that are there; of an invoice with several rows, give the latest one first."""
        rows = _ids_and_states(batch)
        known = {*self._ids.add([each for each, _ in rows])}
        self._states.add([state for at, (_, state) in enumerate(rows) if at not in known])

    def compare(self, batch: RecordBatch, found: Counter[str]) -> None:
        """Count in *found* which rows are new, changed or unchanged, once for each invoice."""
        rows = _ids_and_states(batch)
        before = {*self._compared.add([each for each, _ in rows])}
        rows = [each for at, each in enumerate(rows) if at not in before]
        known = self._ids.add([each for each, _ in rows])
        same = self._states.add([state for _, state in rows])
        found["new"] += len(rows) - len(known)
        found["unchanged"] += len(same)
        found["changed"] += len(known) - len(same)


def _ids_and_states(batch: RecordBatch) -> list[tuple[str, str]]:
    ids = batch.column("id").to_pylist()
    hashes = batch.column("_row_hash").to_pylist()
    return [(each, f"{each} {state}") for each, state in zip(ids, hashes, strict=True)]
