"""Count how often each name occurs in a plan of any length, on disk: memory could be too small."""

from __future__ import annotations

import hashlib
import sqlite3
from types import TracebackType
from typing import Self

from billingual.jobs.ledger import LedgerError

__all__ = ["Occurrences"]


class Occurrences:
    """The names of one plan, for one task or thread at a time.

    They are kept as hashes in a temporary file of SQLite, which takes about 2 MiB of memory and
    removes the file when it is closed, or when the process dies.
    """

    def __init__(self) -> None:
        # An empty name is that of a temporary file. Nothing of it outlives the process, so the
        # disk need not be waited for.
        self._connection = sqlite3.connect("", isolation_level=None, check_same_thread=False)
        run = self._connection.execute
        run("PRAGMA journal_mode = OFF")
        run("PRAGMA synchronous = OFF")
        run("CREATE TABLE seen (name BLOB PRIMARY KEY, times INTEGER NOT NULL) WITHOUT ROWID")

    def add(self, name: str) -> int:
        """Count a name once more; return how often it came, this time included.

        Raises:
            LedgerError: if the temporary file cannot be written.
        """
        key = hashlib.blake2b(name.encode("utf-8", "surrogatepass"), digest_size=16).digest()
        try:
            # To its end: a cursor that is left open would keep the statement busy.
            ((times,),) = self._connection.execute(
                "INSERT INTO seen VALUES (?, 1) ON CONFLICT (name) DO UPDATE SET times = times + 1"
                " RETURNING times",
                (key,),
            ).fetchall()
        except sqlite3.Error as error:
            raise LedgerError(
                f"what a plan has seen cannot be kept in a temporary file ({error}); make room for "
                "it, and plan the same again."
            ) from error
        return int(times)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._connection.close()
