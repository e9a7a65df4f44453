"""The audit trail of a job as a file: who did what, when, and how it ended.

One row for each request, look and decision, in the order of the plan; an entry without any has one
row. Times are UTC in ISO 8601.
"""

from __future__ import annotations

import csv
import json
import os
import re
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Final, TypeAlias

from billingual._arguments import path_of
from billingual.errors import InvalidInputError, MissingExtraError, shown
from billingual.jobs.entry import Entry

if TYPE_CHECKING:
    from billingual.jobs.ledger import Ledger

__all__ = ["COLUMNS", "export", "harmless", "rows_of", "written_whole"]

Row: TypeAlias = dict[str, str | int | None]

COLUMNS: Final = (
    "entry", "operation", "invoice", "number", "state", "reason", "body_sha256", "what", "who",
    "started", "ended", "outcome", "status", "why",
)  # fmt: skip
_READ_AT_ONCE: Final = 1000
# Providers' words are in the cells, and a spreadsheet takes a cell that begins so for a formula.
# Some also take full-width signs. A minus before a plain number begins no formula.
_FORMULA: Final = re.compile(r"[=+@\t\r\n\uff1d\uff0b\uff0d\uff20]|-(?![0-9]+(?:\.[0-9]+)?\Z)")


def export(ledger: Ledger, path: str | os.PathLike[str]) -> int:
    """Write the trail to *path*; see :meth:`billingual.AsyncJob.export`."""
    place = path_of(path, "path")
    writers: dict[str, Callable[[Path, Iterator[Row]], int]] = {
        ".csv": _write_csv,
        ".jsonl": _write_json_lines,
        ".parquet": _write_parquet,
    }
    write = writers.get(place.suffix.lower())
    if write is None:
        raise InvalidInputError(
            "path", f"{shown(place.name)} has no known ending", f"give one of {', '.join(writers)}"
        )
    try:
        with written_whole(place) as draft:
            return write(draft, rows_of(ledger))
    except OSError as error:
        why = error.strerror or str(error)
        problem = f"{place} cannot be written ({why})"
        raise InvalidInputError("path", problem, "name another file") from error


@contextmanager
def written_whole(path: Path) -> Iterator[Path]:
    """Give a new file to write, which replaces *path* when it is whole and on the disk.

    Only its owner can read the file, because invoices are personal data. If *path* is a link, what
    it leads to is replaced. If it is a pipe or a device, it is written to directly.
    """
    if path.exists() and not path.is_file():
        yield path
        return
    path = Path(os.path.realpath(path))
    # In the same folder, because a rename works within one file system only. The name is random, so
    # that it is neither a link that was put there nor the file of another export.
    handle, name = tempfile.mkstemp(".part", f".{path.name}.", path.parent)
    os.close(handle)
    draft = Path(name)
    try:
        yield draft
        with draft.open("ab") as file:
            os.fsync(file.fileno())
        draft.replace(path)
    finally:
        draft.unlink(missing_ok=True)


def rows_of(ledger: Ledger) -> Iterator[Row]:
    """Make the rows of a ledger's trail."""
    last = 0
    while entries := ledger.entries((), last, _READ_AT_ONCE, bodies=False):
        for entry in entries:
            yield from _rows_of(ledger, entry)
        last = entries[-1].seq


def _rows_of(ledger: Ledger, entry: Entry) -> Iterator[Row]:
    about: Row = {
        "entry": entry.id,
        "operation": entry.operation,
        "invoice": entry.invoice_id or entry.target,
        "number": entry.number,
        "state": entry.state.value,
        "reason": entry.reason,
        "body_sha256": entry.body_hash,
    }
    steps: list[tuple[float, Row]] = [
        (
            each.started,
            {
                "what": each.kind,
                "who": each.owner,
                "started": _iso(each.started),
                "ended": None if each.ended is None else _iso(each.ended),
                "outcome": each.outcome,
                "status": each.status,
                "why": each.why,
            },
        )
        for each in ledger.requests(entry.id)
    ]
    steps += [
        (
            each.at,
            {
                "what": "decision",
                "who": each.by,
                "started": _iso(each.at),
                "ended": _iso(each.at),
                "outcome": each.after.value,
                "why": each.note,
            },
        )
        for each in ledger.decisions(entry.id)
    ]
    steps.sort(key=lambda each: each[0])
    for _, step in steps or [(0.0, {})]:
        yield dict.fromkeys(COLUMNS) | about | step


def _iso(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds")


def _write_csv(path: Path, rows: Iterator[Row]) -> int:
    count = 0
    # The byte order mark tells spreadsheets that the file is UTF-8.
    with path.open("w", encoding="utf-8-sig", newline="") as file:
        writer = csv.DictWriter(file, COLUMNS)
        writer.writeheader()
        for row in rows:
            writer.writerow({name: harmless(value) for name, value in row.items()})
            count += 1
    return count


def harmless(value: str | int | None) -> str | int | None:
    """Write a cell so that no spreadsheet takes it for a formula."""
    return f"'{value}" if isinstance(value, str) and _FORMULA.match(value) else value


def _write_json_lines(path: Path, rows: Iterator[Row]) -> int:
    count = 0
    with path.open("w", encoding="utf-8", newline="\n") as file:
        for row in rows:
            file.write(json.dumps(row, ensure_ascii=False) + "\n")
            count += 1
    return count


def _write_parquet(path: Path, rows: Iterator[Row]) -> int:
    try:
        from arro3 import core  # noqa: PLC0415 - an extra

        from billingual.columns.parquet import write_batches  # noqa: PLC0415 - likewise
    except ImportError:
        raise MissingExtraError("a Parquet file", "arrow", "arro3") from None
    text, whole = core.DataType.string(), core.DataType.int64()
    kinds = {name: whole if name == "status" else text for name in COLUMNS}
    schema = core.Schema([core.Field(name, kind) for name, kind in kinds.items()])
    count = 0

    def batches() -> Iterator[core.RecordBatch]:
        batch: list[Row] = []
        for row in rows:
            batch.append(row)
            if len(batch) == _READ_AT_ONCE:
                yield made(batch)
                batch = []
        if batch:
            yield made(batch)

    def made(batch: list[Row]) -> core.RecordBatch:
        nonlocal count
        count += len(batch)
        arrays = [core.Array([row[name] for row in batch], type=kinds[name]) for name in COLUMNS]
        return core.RecordBatch.from_arrays(arrays, schema=schema)

    with path.open("wb") as file:
        write_batches(schema, batches(), file)
    return count
