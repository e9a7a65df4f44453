"""The manifest beside landed files: one line of JSON for each window, written when it is on disk.

Its first line says whose invoices these are. A line that a killed run wrote only in part is cut off
by the next run, and never counted.
"""

from __future__ import annotations

import json
import os
import re
import sys
from collections import Counter
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, Final

import attrs

from billingual._arguments import path_of
from billingual.errors import UsageError
from billingual.landing.target import (
    VERSION,
    Landed,
    LandingError,
    LandingInUseError,
    Source,
)
from billingual.pagination.dedupe import SeenIds

if TYPE_CHECKING:
    from arro3.core import RecordBatch

__all__ = [
    "LOCK",
    "MANIFEST",
    "Index",
    "Manifest",
    "counting_lines",
    "landed_files",
    "sync_folder",
]

MANIFEST: Final = "manifest.jsonl"
LOCK: Final = "lock"
_FILE: Final = re.compile(r"data/[\w.-]+\.parquet")
_END: Final = datetime.max.replace(tzinfo=UTC).timestamp()


class Manifest:
    """A manifest that one process at a time works with.

    Attributes:
        lines: its lines behind the first: windows, and ends of runs.
    """

    def __init__(self, folder: Path, place: Path) -> None:
        self._path = folder / MANIFEST
        self._place = place
        self._lock: IO[bytes] | None = None
        self.lines: list[dict[str, Any]] = []

    def open(self, source: Source, *, raw: bool, now: float) -> float:
        """Take the lock, read the lines, and return a time later than that of any of them.

        Raises:
            LandingInUseError: if another process has it.
            LandingError: if it cannot be read.
            UsageError: if it is of another source, or of other columns.
        """
        self._take_lock()
        lines = _lines_of(self._path)
        self._mend_end()
        head = {"landing": VERSION, "raw": raw, **attrs.asdict(source)}
        head["account"] = list(source.account)
        if not lines:
            self._write(head, is_first=True)
        elif lines[0] != head:
            raise UsageError(
                f"{self._place} holds other invoices, or the same with other columns: "
                f"{json.dumps(lines[0])}; land into another folder."
            )
        self.lines = lines[1:]
        # Where the clock was put back, later rows must still be the latest.
        return max([now, *(float(line["at"]) + 0.001 for line in self.lines)])

    def append(self, line: dict[str, Any]) -> None:
        """Add a line, which is on disk when this returns.

        Raises:
            LandingError: if it cannot be written.
        """
        try:
            self._write(line)
        except OSError as error:
            raise LandingError(f"{self._path} cannot be written: {error.strerror}.") from error
        self.lines.append(line)

    def landed(self) -> Mapping[str, Landed]:
        """Return what is known of each window, by its name."""
        return {
            line["window"]: Landed(kind=line["kind"], complete=line["complete"])
            for line in self.lines
            if "window" in line
        }

    def last_run(self) -> float | None:
        """Return when the last run that read every window began; None if there was none."""
        return max((line["finished"] for line in self.lines if "finished" in line), default=None)

    def close(self) -> None:
        """Let the lock go; closing twice is no error."""
        if self._lock is not None:
            self._lock.close()
            self._lock = None

    def _take_lock(self) -> None:
        file = self._path.with_name(LOCK).open("ab")
        try:
            _lock(file)
        except OSError:
            file.close()
            raise LandingInUseError(
                f"another process lands into {self._place}; wait until it has ended."
            ) from None
        self._lock = file

    def _mend_end(self) -> None:
        if not self._path.exists():
            return
        text = self._path.read_bytes()
        whole = text.rfind(b"\n") + 1
        if whole < len(text):
            with self._path.open("r+b") as file:
                file.truncate(whole)
                os.fsync(file.fileno())

    def _write(self, line: Mapping[str, Any], *, is_first: bool = False) -> None:
        # One that was removed meanwhile is not begun anew: its first line would be missing.
        with self._path.open("ab" if is_first else "r+b") as file:
            file.seek(0, os.SEEK_END)
            file.write(json.dumps(line, ensure_ascii=False).encode() + b"\n")
            file.flush()
            os.fsync(file.fileno())
        if is_first:
            sync_folder(self._path.parent)


def _lines_of(path: Path) -> list[dict[str, Any]]:
    """Read the whole lines of a manifest, the first included; none if there is no file.

    Raises:
        LandingError: if it cannot be read, or is of another version.
    """
    try:
        text = path.read_bytes()
    except FileNotFoundError:
        return []
    except OSError as error:
        raise LandingError(f"{path} cannot be read: {error.strerror}.") from error
    whole = text[: text.rfind(b"\n") + 1].splitlines()
    try:
        lines = [json.loads(line) for line in whole]
        if lines and lines[0]["landing"] != VERSION:
            raise LandingError(
                f"{path} is of version {lines[0]['landing']}, and this billingual writes version "
                f"{VERSION}; land into another folder."
            )
    except (ValueError, KeyError, TypeError) as error:
        raise LandingError(
            f"{path} is no manifest of landed invoices; land into another folder."
        ) from error
    for number, line in enumerate(lines[1:], 2):
        if not _is_line(line):
            raise LandingError(f"{path} is damaged in line {number}; land into another folder.")
    return lines


def landed_files(folder: str | os.PathLike[str]) -> list[str]:
    """Return the paths of the Parquet files that count, oldest first.

    An invoice can be in several of them: of each id the row with the latest ``_seen_at`` counts,
    and it is gone at the provider where that row has a ``_deleted_at``.

    Raises:
        InvalidInputError: if *folder* is no path.
        LandingError: if there is no manifest, or it cannot be read.
    """
    root = path_of(folder, "folder")
    lines = _lines_of(root / MANIFEST)
    if not lines:
        raise LandingError(f"{root} has no {MANIFEST}: nothing was landed there.")
    return [str(root / name) for line in counting_lines(lines[1:]) for name in line["files"]]


def counting_lines(lines: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    """Yield the lines of windows that count, oldest first.

    The last complete line of each window counts, and the last one after it. A complete full read
    replaces everything before it. Open invoices of other statuses are another window.

    Raises:
        LandingError: if they are those of a Delta table.
    """
    windows = [line for line in lines if "window" in line]
    if any("files" not in line for line in windows):
        raise LandingError(
            "these are the notes of a Delta table, which name no files; read the table."
        )
    whole = [at for at, line in enumerate(windows) if line["complete"] and line["kind"] == "full"]
    windows = windows[whole[-1] :] if whole else windows
    names = [(line["window"], *line.get("statuses", ())) for line in windows]
    last = {name: at for at, name in enumerate(names)}
    complete = {name: at for at, name in enumerate(names) if windows[at]["complete"]}
    for at, (name, line) in enumerate(zip(names, windows, strict=True)):
        if at in {last[name], complete.get(name)}:
            yield line


def _is_line(line: Any) -> bool:
    """Tell a line that this module wrote from any other JSON: files are named by its word."""
    match line:
        case {"finished": float() | int(), "at": float(at) | int(at), "sync": str()}:
            return 0 <= at < _END
        case {
            "window": str(),
            "kind": "closed" | "recent" | "open" | "full",
            "sync": str(),
            "at": float(at) | int(at),
            "complete": bool(),
        }:
            files = line.get("files", [])
            named = isinstance(files, list) and all(
                isinstance(each, str) and _FILE.fullmatch(each) for each in files
            )
            statuses = line.get("statuses", [])
            words = isinstance(statuses, list) and all(isinstance(each, str) for each in statuses)
            return named and words and 0 <= at < _END
    return False


def sync_folder(folder: Path) -> None:
    """Make new names in a folder last; Windows does that by itself."""
    if os.name != "posix":
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


if sys.platform == "win32":
    import msvcrt

    def _lock(file: IO[bytes]) -> None:
        msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)

else:
    import fcntl

    def _lock(file: IO[bytes]) -> None:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)


class Index:
    """Fingerprints of the invoices that are there, 20 bytes each.

    They tell which rows of a window are new, changed or unchanged.
    """

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
