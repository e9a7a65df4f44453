"""The command that writes a list to a file: CSV, JSON Lines or Parquet."""

from __future__ import annotations

import asyncio
import contextlib
import csv
import json
import os
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Annotated, Any, Final, Literal, TypeAlias

from cyclopts import Parameter

from billingual.capabilities import Feature
from billingual.cli.connection import Connection, open_client
from billingual.cli.exit_codes import FAILURE, OK
from billingual.cli.inputs import FilterOptions, filter_from, refuse_misspelt_key
from billingual.cli.messages import fail, hint
from billingual.cli.output import record_of
from billingual.cli.visible_text import json_text
from billingual.errors import InvalidInputError, MissingExtraError
from billingual.jobs.trail import harmless
from billingual.model import BadRow, InvoiceSummary
from billingual.pagination import Pager

__all__ = ["export_invoices"]

_Form: TypeAlias = Literal["csv", "jsonl", "parquet"]
_FORMS: Final[dict[str, _Form]] = {".csv": "csv", ".jsonl": "jsonl", ".parquet": "parquet"}

_MONEY: Final = (
    "total", "subtotal", "discount", "tax", "amount_due", "amount_paid", "amount_remaining",
)  # fmt: skip
_OF_ROWS: Final = (
    "id", "number", "status", "issued_at", "due_at", "paid_at", "currency",
    *(column for name in _MONEY for column in (name, f"{name}_minor")),
    "overdue_days", "collection_method", "counterparty_id", "counterparty_name", "document",
)  # fmt: skip
_OF_WHOLE_INVOICES: Final = (
    "kind", "created_at", "updated_at", "link", "seller_id", "seller_name", "blueprint",
    "exchange_rate", "lines", "fields", "notes",
)  # fmt: skip
_PARTIES: Final = ("counterparty", "seller")


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
        file: The file to write: .csv, .jsonl, or .parquet, which needs the extra 'arrow'; - writes
            to stdout, as JSON Lines unless --format says otherwise.
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
            file, "its ending does not say how to write it", f"give one of {', '.join(_FORMS)}"
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


def _tell(pager: Pager, rows: int, bad: int, file: str) -> int:
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
    path = Path(file)
    # What invoices hold is its owner's alone. Beside the file, so that it can take its place.
    draft = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        handle = os.open(draft, os.O_CREAT | os.O_WRONLY | os.O_TRUNC, 0o600)
    except OSError as error:
        why = error.strerror or str(error)
        raise InvalidInputError(file, f"it cannot be written: {why}", "name another") from None
    try:
        with os.fdopen(handle, "wb") as target:
            yield target
            target.flush()
            os.fsync(target.fileno())
        draft.replace(path)
    finally:
        draft.unlink(missing_ok=True)


async def _pages(pager: Pager) -> AsyncIterator[tuple[InvoiceSummary, ...]]:
    async with contextlib.aclosing(pager.pages()) as pages:
        async for page in pages:
            yield page.items


async def _write_json_lines(pager: Pager, target: IO[bytes], *, raw: bool) -> int:
    count = 0
    async for rows in _pages(pager):
        target.write(b"".join(_line_of(row, raw=raw) for row in rows))
        count += len(rows)
    return count


def _line_of(row: InvoiceSummary, *, raw: bool) -> bytes:
    text = json.dumps(record_of(row, raw=raw), ensure_ascii=False)
    return f"{json_text(text)}\n".encode()


async def _write_csv(pager: Pager, target: IO[bytes], *, is_whole: bool, raw: bool, to: str) -> int:
    names = [*_OF_ROWS, *(_OF_WHOLE_INVOICES if is_whole else ()), *(("raw",) if raw else ())]
    count = 0
    sheet = _Sheet()
    # The byte order mark tells spreadsheets that the file is UTF-8; a pipe has no use for it.
    target.write(b"" if to == "-" else b"\xef\xbb\xbf")
    writer = csv.writer(sheet)
    writer.writerow(names)
    async for rows in _pages(pager):
        for row in rows:
            cells = _cells_of(row, raw=raw)
            writer.writerow([harmless(cells.get(name)) for name in names])
        target.write(sheet.taken())
        count += len(rows)
    target.write(sheet.taken())
    return count


class _Sheet:
    """What the csv module writes to."""

    def __init__(self) -> None:
        self._lines: list[str] = []

    def write(self, text: str) -> None:
        """Keep a line."""
        self._lines.append(text)

    def taken(self) -> bytes:
        """Return what was written since the last time."""
        lines, self._lines = self._lines, []
        # A half of a surrogate pair, which JSON can hold, is no UTF-8.
        return "".join(lines).encode(errors="backslashreplace")


def _cells_of(row: InvoiceSummary, *, raw: bool) -> dict[str, str | int | None]:
    record: Any = record_of(row, raw=raw)
    cells: dict[str, str | int | None] = {}
    for name, value in record.items():
        if name in _MONEY:
            cells |= _amount(name, value, record["currency"])
        elif name in _PARTIES:
            cells |= {f"{name}_{each}": (value or {}).get(each) for each in ("id", "name")}
        elif isinstance(value, (dict, list)):
            cells[name] = json.dumps(value, ensure_ascii=False)
        else:
            cells[name] = value
    return cells


def _amount(
    name: str, value: dict[str, Any] | None, currency: str | None
) -> dict[str, str | int | None]:
    """Write an amount; one in another currency than the invoice's says which."""
    if value is None:
        return {}
    text = value["amount"]
    if text is not None and value["currency"] != currency:
        text = f"{text} {value['currency']}"
    return {name: text, f"{name}_minor": value["minor"]}


async def _write_parquet(pager: Pager, target: IO[bytes], *, raw: bool) -> int:
    """Write batches in a thread as they come: the library pulls them, and waits for each."""
    from arro3.core import RecordBatch, RecordBatchReader  # noqa: PLC0415 - an extra
    from arro3.io import write_parquet  # noqa: PLC0415 - likewise

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

        reader = RecordBatchReader.from_batches(columns.schema, batches())
        try:
            await asyncio.to_thread(write_parquet, reader, target, compression="zstd(3)")
        except Exception:
            # The library raises an error of its own, with the text of ours.
            if columns.error is not None:
                raise columns.error from None
            raise
    return count
