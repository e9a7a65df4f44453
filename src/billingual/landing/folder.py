"""A folder of Parquet files, and a manifest that says which of them count.

A window's rows are written to files of their own, flushed to disk, renamed, and only then named by
one line of the manifest. So a killed run leaves files that nothing names, and the next run removes
them. Readers take :func:`landed_files` and, of each id, the row with the latest ``_seen_at``.
"""

from __future__ import annotations

import json
import os
import re
import sys
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, Final

import attrs
from arro3.core import Array, DataType, Table
from arro3.io import read_parquet, write_parquet

from billingual.errors import UsageError
from billingual.landing.table import VERSION, with_deletion
from billingual.landing.target import Counts, Landed, LandingError, LandingInUseError, Source
from billingual.landing.windows import Window
from billingual.pagination.dedupe import SeenIds

if TYPE_CHECKING:
    from arro3.core import RecordBatch

__all__ = ["Folder", "landed_files"]

MANIFEST: Final = "manifest.jsonl"
_LOCK: Final = "lock"
_DATA: Final = "data"
_ROWS_WAITING: Final = 20_000
"""Rows of all windows together that wait to be written: about 30 MB of columns in memory."""

_OURS: Final = frozenset({MANIFEST, _LOCK, _DATA})


def landed_files(folder: str | os.PathLike[str]) -> list[str]:
    """Return the paths of the Parquet files that count, oldest first.

    An invoice can be in several of them: of each id the row with the latest ``_seen_at`` counts,
    and it is gone at the provider where that row has a ``_deleted_at``.

    Raises:
        LandingError: if there is no manifest, or it cannot be read.
    """
    root = Path(folder)
    lines = _lines_of(root / MANIFEST)
    if not lines:
        raise LandingError(f"{root} has no {MANIFEST}: nothing was landed there.")
    return [str(root / name) for line in _counting(lines[1:]) for name in line["files"]]


class Folder:
    """Land into a folder; a :class:`~billingual.landing.target.Target`."""

    def __init__(self, path: Path, *, sync_id: str, raw: bool) -> None:
        self._root = path
        self._raw = raw
        self._sync_id = sync_id
        self._lines: list[dict[str, Any]] = []
        self._lock: IO[bytes] | None = None
        self._parts: dict[str, _Parts] = {}
        self._index: _Index | None = None

    def open(self, source: Source, *, now: float) -> float:
        """See the protocol."""
        try:
            self._root.mkdir(parents=True, exist_ok=True)
            self._refuse_others()
            self._take_lock()
            self._lines = _lines_of(self._root / MANIFEST)
            self._mend_end()
            head = {"landing": VERSION, "raw": self._raw, **attrs.asdict(source)}
            head["account"] = list(source.account)
            if not self._lines:
                self._append(head)
            self._refuse_another(head)
            self._remove_strays()
        except OSError as error:
            self.close()
            raise LandingError(f"{self._root} cannot be used: {error.strerror}.") from error
        except BaseException:
            self.close()
            raise
        # Where the clock was put back, later rows must still be the latest.
        return max([now, *(float(line["at"]) + 0.001 for line in self._lines[1:])])

    def landed(self) -> Mapping[str, Landed]:
        """See the protocol."""
        return {
            line["window"]: Landed(kind=line["kind"], complete=line["complete"])
            for line in self._lines
            if "window" in line
        }

    def last_run(self) -> float | None:
        """See the protocol."""
        runs = [line["finished"] for line in self._lines[1:] if "finished" in line]
        return max(runs, default=None)

    def open_ids(self, statuses: tuple[str, ...]) -> set[str]:
        """See the protocol."""
        windows = [line for line in self._lines[1:] if "window" in line]
        reads = [line for line in windows if line["kind"] == "open" and line["complete"]]
        # What a run knew to be open it has looked for. It may have read more meanwhile, and so may
        # runs since then that were killed.
        since = 0
        if reads:
            since = next(at for at, line in enumerate(windows) if line["sync"] == reads[-1]["sync"])
        counting = {name for line in _counting(self._lines[1:]) for name in line["files"]}
        files = [name for line in windows[since:] for name in line["files"] if name in counting]
        found: set[str] = set()
        for name in files:
            for batch in read_parquet(self._root / name):
                ids, states = (batch.column(each).to_pylist() for each in ("id", "status"))
                pairs = zip(ids, states, strict=True)
                found.update(each for each, status in pairs if status in statuses)
        return found

    def add(self, window: Window, batch: RecordBatch) -> None:
        """See the protocol."""
        if self._index is None:
            self._index = _Index()
            for old in self._rows_of([*_counting(self._lines[1:])]):
                self._index.know(old)
        parts = self._parts.setdefault(window.name, _Parts())
        ids = list(batch.column("id").to_pylist())
        parts.ids.add(ids)
        if batch.num_rows and batch.column("_deleted_at")[0].as_py() is not None:
            parts.gone.update(ids)
            return
        self._index.compare(batch, parts.found)
        parts.batches.append(batch)
        parts.waiting += batch.num_rows
        if sum(each.waiting for each in self._parts.values()) >= _ROWS_WAITING:
            fullest = max(self._parts, key=lambda name: self._parts[name].waiting)
            self._write(fullest, self._parts[fullest])

    def commit(self, window: Window, *, complete: bool, how: str, at: float) -> Counts:
        """See the protocol."""
        parts = self._parts.pop(window.name, _Parts())
        self._write(window.name, parts)
        rows = parts.rows
        self._mark_gone(window, parts, at)
        if complete:
            self._carry_over(window, parts, at)
        self._append(
            {
                "window": window.name, "kind": window.kind, "sync": self._sync_id, "at": at,
                "files": parts.files, "rows": rows, "complete": complete, "how": how,
            }
        )  # fmt: skip
        return Counts(**parts.found)

    def finish(self, *, at: float) -> None:
        """See the protocol."""
        self._append({"finished": at, "sync": self._sync_id, "at": at})

    def close(self) -> None:
        """See the protocol."""
        if self._lock is not None:
            self._lock.close()
            self._lock = None

    def _refuse_others(self) -> None:
        """Refuse a folder of other things: their files would be taken for rows."""
        there = {each.name for each in self._root.iterdir()}
        if there and MANIFEST not in there and there - _OURS:
            raise UsageError(
                f"{self._root} has other files in it, such as {min(there - _OURS)!r}; land into a "
                "folder of its own."
            )

    def _refuse_another(self, head: Mapping[str, Any]) -> None:
        if self._lines[0] != head:
            raise UsageError(
                f"{self._root} holds other invoices, or the same with other columns: "
                f"{json.dumps(self._lines[0])}; land into another folder."
            )

    def _take_lock(self) -> None:
        file = (self._root / _LOCK).open("ab")
        try:
            _lock(file)
        except OSError:
            file.close()
            raise LandingInUseError(
                f"another process lands into {self._root}; wait until it has ended."
            ) from None
        self._lock = file

    def _mend_end(self) -> None:
        """Cut off a last line that a killed run wrote only in part."""
        path = self._root / MANIFEST
        if not path.exists():
            return
        text = path.read_bytes()
        whole = text.rfind(b"\n") + 1
        if whole < len(text):
            with path.open("r+b") as file:
                file.truncate(whole)
                os.fsync(file.fileno())

    def _remove_strays(self) -> None:
        """Remove files that no line counts: of killed runs, and those that were read again since.

        They are kept until the next run begins, so that a reader has the time in between.
        """
        counting = {name for line in _counting(self._lines[1:]) for name in line["files"]}
        for path in (self._root / _DATA).glob("*"):
            if f"{_DATA}/{path.name}" not in counting and _NAME.fullmatch(path.name):
                path.unlink()

    def _write(self, window: str, parts: _Parts) -> None:
        """Write the rows that wait to a file, which is on disk when this returns."""
        if not parts.batches:
            return
        folder = self._root / _DATA
        name = f"{window}.{self._sync_id}.{len(parts.files)}.parquet"
        try:
            folder.mkdir(exist_ok=True)
            fresh = folder / f"{name}.new"
            with fresh.open("wb") as file:
                write_parquet(Table.from_batches(parts.batches), file, compression="zstd(3)")
                file.flush()
                os.fsync(file.fileno())
            fresh.rename(folder / name)
            _sync_folder(folder)
        except OSError as error:
            raise LandingError(f"{folder} cannot be written: {error.strerror}.") from error
        parts.files.append(f"{_DATA}/{name}")
        parts.rows += parts.waiting
        parts.batches, parts.waiting = [], 0

    def _carry_over(self, window: Window, parts: _Parts, at: float) -> None:
        """Keep the rows that what counted so far has, and this complete read has not.

        Of a window of days, they are as they were: such an invoice may be dated otherwise now. Of
        a full read, they are gone.
        """
        if window.kind not in {"closed", "recent", "full"}:
            return
        full = window.kind == "full"
        lines = [
            line for line in _counting(self._lines[1:]) if full or line["window"] == window.name
        ]
        for batch in self._rows_of(lines):
            known = {*parts.ids.add(list(batch.column("id").to_pylist()))}
            missing = [place for place in range(batch.num_rows) if place not in known]
            if missing:
                self._keep(window, parts, batch, missing, at if full else None)
        self._write(window.name, parts)

    def _mark_gone(self, window: Window, parts: _Parts, at: float) -> None:
        """Keep the last state of invoices that are gone, and that they are."""
        if not parts.gone:
            return
        for batch in self._rows_of([*_counting(self._lines[1:])]):
            ids = batch.column("id").to_pylist()
            places = [place for place, each in enumerate(ids) if each in parts.gone]
            if places:
                parts.gone.difference_update(ids)
                self._keep(window, parts, batch, places, at)
        self._write(window.name, parts)

    def _keep(
        self,
        window: Window,
        parts: _Parts,
        batch: RecordBatch,
        places: list[int],
        gone_at: float | None,
    ) -> None:
        kept = batch.take(Array(places, type=DataType.uint64()))
        if gone_at is not None:
            kept, gone = with_deletion(kept, gone_at)
            parts.found["deleted"] += gone
        parts.batches.append(kept)
        parts.waiting += len(places)
        if parts.waiting >= _ROWS_WAITING:
            self._write(window.name, parts)

    def _rows_of(self, lines: list[dict[str, Any]]) -> Iterator[RecordBatch]:
        """Read the rows of windows, the latest first; in a file they are in any order."""
        for line in reversed(lines):
            for name in reversed(line["files"]):
                yield from read_parquet(self._root / name)

    def _append(self, line: dict[str, Any]) -> None:
        path = self._root / MANIFEST
        is_new = not path.exists()
        try:
            with path.open("ab") as file:
                file.write(json.dumps(line, ensure_ascii=False).encode() + b"\n")
                file.flush()
                os.fsync(file.fileno())
            if is_new:
                _sync_folder(self._root)
        except OSError as error:
            raise LandingError(f"{path} cannot be written: {error.strerror}.") from error
        self._lines.append(line)


class _Index:
    """What is there, to tell what is new: fingerprints, 20 bytes for each invoice."""

    def __init__(self) -> None:
        self._ids = SeenIds()
        self._states = SeenIds()
        self._compared = SeenIds()

    def know(self, batch: RecordBatch) -> None:
        """Take rows that are there, unless later ones of the same invoices came before."""
        rows = _ids_and_states(batch)
        known = {*self._ids.add([each for each, _ in rows])}
        self._states.add([state for at, (_, state) in enumerate(rows) if at not in known])

    def compare(self, batch: RecordBatch, found: Counter[str]) -> None:
        """Count what rows are to what is there, once for each invoice."""
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


@attrs.define
class _Parts:
    """The rows of a window that are not committed yet."""

    batches: list[RecordBatch] = attrs.field(factory=list)
    waiting: int = 0
    files: list[str] = attrs.field(factory=list)
    rows: int = 0
    ids: SeenIds = attrs.field(factory=SeenIds)
    gone: set[str] = attrs.field(factory=set)
    found: Counter[str] = attrs.field(factory=Counter)


_NAME: Final = re.compile(r"[\w.-]+\.parquet(\.new)?")


def _lines_of(path: Path) -> list[dict[str, Any]]:
    try:
        text = path.read_bytes()
    except FileNotFoundError:
        return []
    except OSError as error:
        raise LandingError(f"{path} cannot be read: {error.strerror}.") from error
    # What follows the last newline was cut off by a kill, and never counted.
    whole = text[: text.rfind(b"\n") + 1].splitlines()
    try:
        lines = [json.loads(line) for line in whole]
        if lines and lines[0]["landing"] != VERSION:
            raise LandingError(
                f"{path} is of version {lines[0]['landing']}, and this billingual writes version "
                f"{VERSION}; land into another folder."
            )
    except (ValueError, KeyError, TypeError) as error:
        raise LandingError(f"{path} is no manifest of landed invoices.") from error
    return lines


def _counting(lines: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    """Yield the lines of windows that count, oldest first.

    The last complete line of each window counts, and what came after it. A complete full read
    stands for everything before it.
    """
    windows = [line for line in lines if "window" in line]
    whole = [at for at, line in enumerate(windows) if line["complete"] and line["kind"] == "full"]
    windows = windows[whole[-1] :] if whole else windows
    complete = {line["window"]: at for at, line in enumerate(windows) if line["complete"]}
    for at, line in enumerate(windows):
        if at >= complete.get(line["window"], 0):
            yield line


def _sync_folder(folder: Path) -> None:
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
