"""Write columns as Parquet.

Where a write fails (a full disk, a closed pipe), the library panics: its error is no ``Exception``,
and a trace of Rust goes to stderr. So it never learns of one here.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import IO, TYPE_CHECKING, Any, cast

from arro3.core import RecordBatchReader
from arro3.io import write_parquet

if TYPE_CHECKING:
    from collections.abc import Iterable

    from arro3.core import RecordBatch, Schema

__all__ = ["write_batches"]


def write_batches(schema: Schema, batches: Iterable[RecordBatch], file: IO[bytes]) -> None:
    """Write *batches* to *file* as Parquet, and flush it.

    Raises:
        OSError: if the file cannot be written; no further batch is asked for then.
    """
    target = _Target(file)

    def wanted() -> Iterator[RecordBatch]:
        for batch in batches:
            yield batch
            if target.error is not None:
                return

    reader = RecordBatchReader.from_batches(schema, wanted())
    write_parquet(reader, cast("IO[bytes]", target), compression="zstd(3)")
    target.flush()
    if target.error is not None:
        raise target.error


class _Target:
    """A file that keeps its first error, and takes all further bytes as if they were written."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self.error: Exception | None = None

    def write(self, data: Any) -> int:
        """Write bytes."""
        if self.error is None:
            try:
                self._file.write(data)
            except Exception as error:  # noqa: BLE001 - raised when the library has ended
                self.error = error
        return len(data)

    def flush(self) -> None:
        """Write what waits in a buffer."""
        if self.error is None:
            try:
                self._file.flush()
            except OSError as error:
                self.error = error

    def seek(self, *_: int) -> int:
        """Be taken for a file; a writer of Parquet never goes back."""
        raise OSError
