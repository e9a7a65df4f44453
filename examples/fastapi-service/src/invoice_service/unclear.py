"""The writes that may or may not have happened, kept where a restart does not lose them."""

from __future__ import annotations

import pickle
import sqlite3
from pathlib import Path

from billingual import OutcomeUnknown

__all__ = ["UnclearWrites"]


class UnclearWrites:
    """A table of them, by the number of the invoice.

    The errors are pickled, and unpickling runs code: keep the file where only the service writes.
    """

    def __init__(self, path: Path) -> None:
        self._table = sqlite3.connect(path, isolation_level=None)
        self._table.execute("PRAGMA journal_mode = WAL")
        self._table.execute(
            "CREATE TABLE IF NOT EXISTS unclear (number TEXT PRIMARY KEY, error BLOB NOT NULL)"
        )

    def keep(self, error: OutcomeUnknown) -> None:
        """Keep a write; the client calls this before anyone learns of it."""
        assert error.intent is not None  # of an operation that the client knows
        assert error.intent.draft is not None  # this service only creates
        number = error.intent.draft.given()["number"]
        self._table.execute(
            "INSERT OR REPLACE INTO unclear VALUES (?, ?)", (number, pickle.dumps(error))
        )

    def find(self, number: str) -> OutcomeUnknown | None:
        """Return the unclear write of an invoice, if there is one."""
        row = self._table.execute("SELECT error FROM unclear WHERE number = ?", (number,))
        kept = row.fetchone()
        if kept is None:
            return None
        error: OutcomeUnknown = pickle.loads(kept[0])
        return error

    def forget(self, number: str) -> None:
        """Drop a write whose end is known now."""
        self._table.execute("DELETE FROM unclear WHERE number = ?", (number,))

    def close(self) -> None:
        """Close the file."""
        self._table.close()
