"""Walk a list as Arrow record batches.

A few pages at a time become columns, so that few models are held, and these are joined to a batch.
A reader of the blocking kind (Polars, DuckDB, Delta) pulls the batches through Arrow's C interface,
and each pull requests the pages that it needs.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import islice
from typing import TYPE_CHECKING, Final, Self, TypeAlias

from billingual.abc import AsyncWalk
from billingual.errors import InvalidInputError, UsageError, refuse_name, shown
from billingual.model import InvoiceSummary, Page
from billingual.model.payload import payload_text
from billingual.pagination.checkpoint import Place
from billingual.pagination.scan import ScanReport

# arro3 is an extra, and the names here are there without it.
if TYPE_CHECKING:
    from arro3.core import RecordBatch, Schema, Table

__all__ = ["AsyncColumns", "stream"]

MAX_ROWS: Final = 1_000_000
MAX_BYTES: Final = 64 * 2**20
"""A batch that has grown to so many bytes is handed out: as large as one response can be."""

AT_ONCE: Final = 1_000
"""Rows that become columns at once. A hundred cost twice as much for each; ten thousand would keep
an event loop waiting for a tenth of a second."""

BYTES_AT_ONCE: Final = 8 * 2**20
"""Bytes of pages that become columns at once, however few rows they hold."""

_Pages: TypeAlias = Callable[[], tuple[AsyncWalk[Page], Place, Callable[[], None]]]


class AsyncColumns:
    """The rows of a list in columns; nothing is requested before you ask for the first batch.

    ``async for batch in columns`` walks record batches of arro3, which every Arrow library takes
    without a copy. Each walk starts anew, as those of the pager do.

    The schema is :func:`billingual.columns.schema`; its module says how values become columns.

    Not safe to share between tasks during a walk.
    """

    if not TYPE_CHECKING:  # or type checkers would take any name
        __getattr__ = refuse_name

    def __init__(
        self, pages: _Pages, report: Callable[[], ScanReport], *, raw: bool, max_rows: int
    ) -> None:
        from billingual.columns import schema  # noqa: PLC0415 - says what to install

        if type(raw) is not bool:
            raise InvalidInputError(
                "raw", f"{type(raw).__name__} is neither true nor false", "give true or false"
            )
        if type(max_rows) is not int:
            raise InvalidInputError(
                "max_rows", f"{type(max_rows).__name__} is no number of rows", "give a whole number"
            )
        if not 1 <= max_rows <= MAX_ROWS:
            raise InvalidInputError(
                "max_rows", f"{shown(max_rows)} is out of bounds", f"give 1 to {MAX_ROWS}"
            )
        self._pages = pages
        self._report = report
        self._raw = raw
        self._max_rows = max_rows
        self._schema = schema(raw=raw)
        self._end = _End()

    def __repr__(self) -> str:
        return f"<{type(self).__name__}: columns for Arrow libraries; iterate, or take read_all()>"

    @property
    def schema(self) -> Schema:
        """The schema of each batch."""
        return self._schema

    @property
    def report(self) -> ScanReport:
        """What the latest walk saw so far, and whether that is provably the whole list."""
        return self._report()

    @property
    def error(self) -> BaseException | None:
        """The error that ended the latest walk, or None.

        A library that reads the stream raises an error of its own, with the text of ours, even
        where the program was interrupted (``KeyboardInterrupt``).
        """
        return self._end.error

    def __aiter__(self) -> AsyncWalk[RecordBatch]:
        self._end = _End()
        return _Batches(*self._pages(), self._end, raw=self._raw, max_rows=self._max_rows)

    async def read_all(self) -> Table:
        """Return all rows as one table; if that is too much for memory, walk instead."""
        from arro3.core import Table  # noqa: PLC0415 - of an extra

        return Table.from_batches([each async for each in self], schema=self.schema)

    def __arrow_c_schema__(self) -> object:
        return self.schema.__arrow_c_schema__()

    def __arrow_c_stream__(self, requested_schema: object = None) -> object:
        raise UsageError(
            "a library that reads Arrow columns blocks, so it cannot read those of an async "
            "client; give it `await columns.read_all()`, or list with a Client."
        )


def stream(schema: Schema, batches: Iterator[RecordBatch], requested: object) -> object:
    """Make Arrow's C stream of *batches*; each is asked for when the reader wants it."""
    from arro3.core import RecordBatchReader  # noqa: PLC0415 - of an extra

    return RecordBatchReader.from_batches(schema, batches).__arrow_c_stream__(requested)


class _End:
    """How a walk ended; not a part of the walk, which would be kept with it."""

    error: BaseException | None = None


class _Batches:
    """Join pages to batches."""

    def __init__(
        self,
        pages: AsyncWalk[Page],
        place: Place,
        hand_out: Callable[[], None],
        end: _End,
        *,
        raw: bool,
        max_rows: int,
    ) -> None:
        self._pages = pages
        self._place = place
        self._hand_out = hand_out
        self._end = end
        self._raw = raw
        self._max_rows = max_rows
        self._models: list[InvoiceSummary] = []
        self._weight = 0
        self._parts: list[RecordBatch] = []
        self._rows = 0
        self._bytes = 0
        self._unread: Iterator[InvoiceSummary] = iter(())
        self._late: Exception | None = None

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> RecordBatch:
        self._end.error = None
        try:
            await self._fill()
        except BaseException as error:
            self._end.error = error
            raise
        if not self._rows:
            raise StopAsyncIteration
        self._make_part()
        parts, self._parts = self._parts, []
        self._rows = self._bytes = 0
        self._hand_out()
        if len(parts) == 1:
            return parts[0]
        from arro3.core import Table  # noqa: PLC0415 - of an extra

        return Table.from_batches(parts).combine_chunks().to_batches()[0]

    async def _fill(self) -> None:
        """Gather the rows of a batch.

        What is gathered stays if this is cancelled, and comes before an error, which is raised in
        the place of the next batch.
        """
        if self._late is not None:
            late, self._late = self._late, None
            raise late
        while self._rows < self._max_rows and self._bytes < MAX_BYTES:
            rows = list(islice(self._unread, self._max_rows - self._rows))
            if rows:
                self._models += rows
                self._rows += len(rows)
                if len(self._models) >= AT_ONCE or self._weight >= BYTES_AT_ONCE:
                    self._make_part()
                continue
            try:
                page = await self._pages.__anext__()
            except StopAsyncIteration:
                return
            except Exception as error:
                if not self._rows:
                    raise
                self._late = error
                return
            self._unread = self._place.rows_of(page)
            kept = payload_text(page)
            # Of a page whose size is not known, nothing is held for the next one.
            self._weight += BYTES_AT_ONCE if kept is None else len(kept)

    def _make_part(self) -> None:
        """Make columns of the rows that were gathered."""
        from billingual.columns import batch_of  # noqa: PLC0415 - of an extra

        if not self._models:
            return
        part = batch_of(self._models, raw=self._raw)
        self._models, self._weight = [], 0
        self._parts.append(part)
        self._bytes += part.nbytes

    async def aclose(self) -> None:
        """End the walk, and stop its requests."""
        self._models, self._parts, self._rows, self._unread = [], [], 0, iter(())
        self._late = None
        await self._pages.aclose()
