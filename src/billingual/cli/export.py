"""The command that writes a list to a file: CSV, JSON Lines or Parquet."""

from __future__ import annotations

import asyncio
import contextlib
import json
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Annotated, Final, Literal, TypeAlias

from cyclopts import Parameter

from billingual.capabilities import Feature
from billingual.cli.connection import Connection, open_client
from billingual.cli.csv_output import Sheet
from billingual.cli.exit_codes import FAILURE, OK
from billingual.cli.inputs import FilterOptions, filter_from, refuse_misspelt_key
from billingual.cli.messages import fail, hint
from billingual.cli.output import record_of
from billingual.cli.visible_text import json_text
from billingual.errors import InvalidInputError, MissingExtraError
from billingual.jobs.trail import written_whole
from billingual.model import BadRow, InvoiceSummary
from billingual.pagination import AsyncPager

__all__ = ["export_invoices"]

_Form: TypeAlias = Literal["csv", "jsonl", "parquet"]
_FORMS: Final[dict[str, _Form]] = {
    ".csv": "csv", ".jsonl": "jsonl", ".ndjson": "jsonl", ".parquet": "parquet",
}  # fmt: skip


async def export_invoices(  # noqa: D417 - groups of options say themselves what they hold
    file: Annotated[str, Parameter(allow_leading_hyphen=True)],
    /,
    *,
    filters: FilterOptions = FilterOptions(),  # noqa: B008 - frozen
    sort: Annotated[str | None, Parameter(allow_leading_hyphen=True)] = None,
    form: Annotated[_Form | None, Parameter(name="--format")] = None,
    raw: bool = False,
    prefetch: int = 4,
    connection: Connection = Connection(),  # noqa: B008 - frozen
) -> int:
    """Write a list of invoices to a file.

    An existing file is replaced when the new one is whole. Exit code 1 means that rows were left
    out, because they cannot be read or the list changed meanwhile.

    Args:
        file: The file to write: .csv, .jsonl (or .ndjson), or .parquet, which needs the extra
            'arrow'; - writes to stdout, as JSON Lines unless --format says otherwise.
        sort: One key: due_at, or -due_at for the latest first.
        form: csv, jsonl or parquet, whatever the file is called.
        raw: Include each row as the provider sent it.
        prefetch: Pages that are requested at once, 1 to 64; 4 by default.
    """
    chosen, form = filter_from(filters), form or _form_of(file)
    if form == "parquet":
        _refuse_without_arrow()
        _refuse_screen(file)
    bad: list[BadRow] = []
    async with open_client(connection) as invoices:
        refuse_misspelt_key(sort, invoices.capabilities.sorts)
        pager = invoices.list(chosen, sort=sort, prefetch=prefetch, on_bad_row=bad.append)
        invoices.capabilities.require(Feature.LIST)
        with _opened(file) as target:
            if form == "parquet":
                rows = await _write_parquet(pager, target, raw=raw)
            elif form == "csv":
                is_whole = invoices.capabilities.list_rows_complete
                rows = await _write_csv(pager, target, is_whole=is_whole, raw=raw, to=file)
            else:
                rows = await _write_json_lines(pager, target, raw=raw)
    return _tell(pager, rows, len(bad), file)


def _form_of(file: str) -> _Form:
    if file == "-":
        return "jsonl"
    form = _FORMS.get(Path(file).suffix.lower())
    if form is None:
        raise InvalidInputError(
            file or "''",
            "its ending does not say how to write it",
            f"give one of {', '.join(_FORMS)}",
        )
    return form


def _refuse_without_arrow() -> None:
    try:
        import arro3.io as _  # noqa: F401, PLC0415 - an extra
    except ImportError:
        raise MissingExtraError("a Parquet file", "arrow", "arro3") from None


def _refuse_screen(file: str) -> None:
    if file == "-" and sys.stdout.isatty():
        raise InvalidInputError(
            "format", "a terminal shows no Parquet", "name a file, or write > FILE"
        )


def _tell(pager: AsyncPager, rows: int, bad: int, file: str) -> int:
    """Say how many rows there are, and what is missing."""
    place = "" if file == "-" else f" to {file}"
    hint(f"{rows:,} invoices were written{place}.")
    total = pager.report.total_items
    if bad:
        fail(f"{bad:,} rows were left out, because their ids cannot be read.")
    elif total is not None and total != rows:
        fail(
            f"the provider counts {total:,} invoices and showed {rows:,}; the list changed "
            "meanwhile. Export it again."
        )
    else:
        return OK
    return FAILURE


@contextmanager
def _opened(file: str) -> Iterator[IO[bytes]]:
    """Open stdout, or a draft of the file that takes its place when it is whole."""
    if file == "-":
        yield sys.stdout.buffer
        sys.stdout.buffer.flush()
        return
    with contextlib.ExitStack() as stack:
        try:
            draft = stack.enter_context(written_whole(Path(file)))
            target = stack.enter_context(draft.open("wb"))
        except OSError as error:
            why = error.strerror or str(error)
            raise InvalidInputError(file, f"it cannot be written: {why}", "name another") from None
        yield target


async def _pages(pager: AsyncPager) -> AsyncIterator[tuple[InvoiceSummary, ...]]:
    async with contextlib.aclosing(pager.pages()) as pages:
        async for page in pages:
            yield page.items


async def _write_json_lines(pager: AsyncPager, target: IO[bytes], *, raw: bool) -> int:
    count = 0
    async for rows in _pages(pager):
        target.write(b"".join(_line_of(row, raw=raw) for row in rows))
        count += len(rows)
    return count


def _line_of(row: InvoiceSummary, *, raw: bool) -> bytes:
    text = json.dumps(record_of(row, raw=raw), ensure_ascii=False)
    return f"{json_text(text)}\n".encode()


async def _write_csv(
    pager: AsyncPager, target: IO[bytes], *, is_whole: bool, raw: bool, to: str
) -> int:
    sheet = Sheet(is_whole=is_whole, raw=raw, on_screen=to == "-", line_end="\r\n")
    count = 0
    # The byte order mark tells spreadsheets that the file is UTF-8; a pipe has no use for it.
    target.write((b"" if to == "-" else b"\xef\xbb\xbf") + sheet.header().encode())
    async for rows in _pages(pager):
        # A half of a surrogate pair, which JSON can hold, is no UTF-8.
        target.write(sheet.lines(rows).encode(errors="backslashreplace"))
        count += len(rows)
    return count


async def _write_parquet(pager: AsyncPager, target: IO[bytes], *, raw: bool) -> int:
    """Write batches in a thread, because the library pulls each one and blocks while it waits."""
    from arro3.core import RecordBatch  # noqa: PLC0415 - an extra

    from billingual.columns.parquet import write_batches  # noqa: PLC0415 - likewise

    columns = pager.arrow(raw=raw)
    loop, count = asyncio.get_running_loop(), 0

    async with contextlib.aclosing(aiter(columns)) as walk:

        async def following() -> RecordBatch | None:
            return await anext(walk, None)

        def batches() -> Iterator[RecordBatch]:
            nonlocal count
            while True:
                batch = asyncio.run_coroutine_threadsafe(following(), loop).result()
                if batch is None:
                    return
                count += batch.num_rows
                yield batch

        try:
            await asyncio.to_thread(write_batches, columns.schema, batches(), target)
        except Exception:
            # The library raises an error of its own, with the text of ours.
            if columns.error is not None:
                raise columns.error from None
            raise
    return count
