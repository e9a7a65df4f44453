"""Look into a ledger's file that another process has for itself, without its locks.

That process keeps the file in WAL mode: what it writes goes to the end of the log, and later from
the log to the file. So a copy of the file and then of the log is whole, whatever was written
meanwhile: a page that was only half in the file is in the log as well. The log begins anew only
with another random number in its header, which tells that the copies do not belong together.
https://sqlite.org/fileformat2.html#the_write_ahead_log
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from billingual.jobs.ledger import LedgerError, LedgerInUseError
from billingual.jobs.sqlite import SqliteLedger

__all__ = ["snapshot"]

_HEADER: Final = 32
"""Bytes of the log's header; two random numbers are among them."""

# Where the file's own header says how it is kept, and that it is with a log.
_WRITE_VERSION: Final = 18
_WAL: Final = 2

_TRIES: Final = 20
"""A log begins anew about every thousand pages, so that more than two tries are hardly needed."""


@contextmanager
def snapshot(path: Path) -> Iterator[SqliteLedger]:
    """Open a copy of a ledger as it is at this moment; it is removed when the block ends.

    Not for a process that has the ledger open itself: to close the file takes its locks away.

    Raises:
        LedgerInUseError: if the log begins anew too often to be copied, or if the file has none
            because several processes share it.
        LedgerError: if the file cannot be read, or the copy cannot be written.
    """
    # Only its owner may look into the directory: drafts hold personal data.
    with tempfile.TemporaryDirectory(prefix="billingual-") as place:
        copy = Path(place) / "copy.db"
        try:
            for _ in range(_TRIES):
                if _copied(path, copy):
                    break
            else:
                raise LedgerInUseError(f"{path} is written to all the time; try it again later.")
        except OSError as error:
            raise LedgerError(f"the ledger {path} cannot be copied: {error}.") from error
        ledger = SqliteLedger(copy)
        try:
            yield ledger
        finally:
            ledger.close()


def _copied(path: Path, copy: Path) -> bool:
    """Copy a file and its log; False if the log began anew meanwhile."""
    log = path.with_name(f"{path.name}-wal")
    header = _header(log)
    with path.open("rb") as file:
        if file.read(_HEADER)[_WRITE_VERSION] != _WAL:
            raise LedgerInUseError(f"several processes work with {path}; try it again later.")
    shutil.copyfile(path, copy)
    copied = copy.with_name(f"{copy.name}-wal")
    copied.unlink(missing_ok=True)
    if header:
        shutil.copyfile(log, copied)
    return header == _header(log)


def _header(log: Path) -> bytes:
    try:
        with log.open("rb") as file:
            return file.read(_HEADER)
    except FileNotFoundError:
        return b""
