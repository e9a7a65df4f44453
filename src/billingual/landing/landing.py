"""Land invoices: read the windows of a plan, and let each count when it is whole on disk."""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, date, datetime, timedelta
from importlib.util import find_spec
from os import PathLike, fspath
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypeVar

import attrs

from billingual._arguments import check_progress
from billingual.capabilities import Feature
from billingual.errors import (
    InvalidInputError,
    InvalidRequestError,
    MissingExtraError,
    NotFoundError,
    PermissionDeniedError,
    ProtocolError,
    RejectedError,
    shown,
)
from billingual.landing.proof import Lists, Proof, WindowReader
from billingual.landing.report import LandProgress, LandReport, WindowReport
from billingual.landing.target import Counts, Landed, LandingError, Source, Target
from billingual.landing.windows import MOVED, Window, plan_windows, statuses_of
from billingual.model import Filter, InvoiceSummary, checked_text
from billingual.model.payload import payload_text
from billingual.pagination import MAX_PREFETCH
from billingual.reconcile.readback import is_page

if TYPE_CHECKING:
    from billingual.abc import Backend

__all__ = ["Landing", "land"]

T = TypeVar("T")

# Of two letters at least: one is a drive of Windows. A Path has lost a slash of it.
_URL: Final = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+:/")

_OF_ONE_INVOICE: Final = (
    InvalidRequestError,
    PermissionDeniedError,
    ProtocolError,
    RejectedError,
)
"""What a read of one invoice may meet, each time, without a fault of all others."""

_ROWS_AT_ONCE: Final = 2_000
_BYTES_AT_ONCE: Final = 8 * 2**20
"""Rows that become one batch, and bytes of their payloads: so much is held as models."""


@attrs.define(kw_only=True, eq=False)
class Landing:
    """One run.

    Attributes:
        lists: what is asked.
        backend: how it waits.
        target: where invoices go.
        name: the target in words.
        source: where they come from.
        sync_id: what rows of this run are marked with.
        statuses: those of the open window.
        concurrency: windows that are read at once.
        raw: whether payloads are kept.
        on_progress: called after each page and each window.
    """

    lists: Lists
    backend: Backend
    target: Target
    name: str
    source: Source
    sync_id: str
    statuses: tuple[str, ...]
    concurrency: int
    raw: bool
    on_progress: Callable[[LandProgress], object] | None = None
    _began: float = 0.0
    _began_wall: float = 0.0
    _reports: dict[str, WindowReport] = attrs.field(factory=dict)
    _counts: list[Counts] = attrs.field(factory=list)
    _opens: list[tuple[Window, Proof, int]] = attrs.field(factory=list)
    _was_open: set[str] = attrs.field(factory=set)
    _to_read: int = 0
    _rows: int = 0
    _requests: int = 0
    _stopping: bool = False
    _lock: threading.Lock = attrs.field(factory=threading.Lock)

    async def run(self, plan: Sequence[Window]) -> LandReport:
        """Land every window of *plan* that is not landed for good.

        Raises:
            LandingError: if the target cannot be read or written.
            BillingualError: if the provider cannot be read. What was committed stays; a run later
                goes on from there.
        """
        self._began = self.backend.now()
        wall = self.backend.wall()
        self._began_wall = await self._in_thread(lambda: self.target.open(self.source, now=wall))
        try:
            landed = await self._in_thread(self.target.landed)
            for each in plan:
                if _is_landed(each, landed.get(each.name)):
                    self._reports[each.name] = WindowReport(
                        name=each.name, kind=each.kind, rows=0, complete=True,
                        how="an earlier run landed it", skipped=True,
                    )  # fmt: skip
            windows = [*plan, *await self._paid_lately(plan)]
            await self._land_all([each for each in windows if each.name not in self._reports])
            for window, proof, rows in self._opens:
                unread = await self._read_moved() if proof.complete else None
                # Last: if this run is killed before, the next one still knows what was open.
                await self._commit(window, unread or proof, rows)
            at = self._began_wall
            await self._in_thread(lambda: self.target.finish(at=at))
        finally:
            with self.backend.shielded():
                await self._in_thread(self.target.close)
        planned = [each.name for each in windows]
        others = [name for name in self._reports if name not in planned]
        return LandReport(
            target=self.name,
            windows=tuple(self._reports[name] for name in (*planned, *others)),
            counts=self._counted(),
            requests=self._requests,
            seconds=self.backend.now() - self._began,
        )

    async def _paid_lately(self, plan: Sequence[Window]) -> list[Window]:
        """Plan a window of what was paid since the last run: most of what is not open any more."""
        opens = next((each for each in plan if each.kind == "open"), None)
        if opens is None:
            return []
        self._was_open = await self._in_thread(lambda: self.target.open_ids(self.statuses))
        last = await self._in_thread(self.target.last_run)
        if last is None or "paid_from" not in self.lists.capabilities.filters.accepts:
            return []
        # A day earlier, because clocks differ, and so do the dates of two time zones.
        since = (datetime.fromtimestamp(last, UTC) - timedelta(days=1)).date()
        given = attrs.evolve(opens.filter, status=None, paid_from=since)
        return [Window(name="paid", kind="recent", filter=given)]

    async def _land_all(self, windows: Sequence[Window]) -> None:
        # Threads share the iterator, which gives each window to one of them.
        left = iter(windows)
        self._to_read = len(windows)

        async def work() -> None:
            try:
                for window in left:
                    if self._stopping:
                        return
                    await self._land(window)
            except BaseException:
                self._stopping = True
                raise

        workers = max(1, min(self.concurrency, len(windows)))
        pool = self.backend.task_pool(workers)
        try:
            jobs = [pool.start(work, _nothing) for _ in range(workers)]
            failed: Exception | None = None
            for job in jobs:
                try:
                    await job.result()
                except Exception as error:
                    if not self._stopping:  # no worker failed: a time limit of the program passed
                        raise
                    failed = failed or error  # raised below, when all have stopped
            if failed is not None:
                raise failed
        finally:
            self._stopping = True
            await pool.aclose()

    async def _land(self, window: Window) -> None:
        reader = WindowReader(self.lists, prefetch=self.concurrency)
        waiting: list[InvoiceSummary] = []
        rows = weight = 0

        async def keep(page: Sequence[InvoiceSummary]) -> None:
            nonlocal rows, weight
            rows += len(page)
            weight += sum(len(payload_text(each) or b"") for each in page)
            self._rows += len(page)
            self._was_open.difference_update(each.id for each in page)
            waiting.extend(page)
            if len(waiting) >= _ROWS_AT_ONCE or weight >= _BYTES_AT_ONCE:
                weight = 0
                await self._add(window, waiting)
            self._tell(reader.requests)

        proof = await reader.read(window.filter, keep)
        await self._add(window, waiting)
        self._requests += reader.requests
        if window.kind == "open":
            self._opens.append((window, proof, rows))
        else:
            await self._commit(window, proof, rows)

    async def _read_moved(self) -> Proof | None:
        """Read each invoice that was open at the last run and was in no window of this one.

        It is open no more, or not in the list any more. Nothing but a read of it tells.

        Returns:
            Why the open invoices are not known whole: one of them cannot be read, and the next run
            must look for it again.
        """
        if not self._was_open:
            return None
        window = Window(name=MOVED, kind="recent", filter=Filter())
        moved: list[InvoiceSummary] = []
        gone: list[InvoiceSummary] = []
        unread: list[str] = []
        for invoice_id in sorted(self._was_open):
            try:
                moved.append(await self.lists.get(invoice_id))
            except (NotFoundError, *_OF_ONE_INVOICE) as error:
                if isinstance(error, NotFoundError) and not is_page(error):
                    gone.append(InvoiceSummary(id=invoice_id))
                else:
                    unread.append(f"{invoice_id}: {error}")
            self._requests += 1
            self._tell(0)
        self._rows += len(moved)
        await self._add(window, moved)
        await self._add(window, gone, deleted=True)
        proof = Proof(complete=True, how="each was read by its id")
        await self._commit(window, proof, len(moved) + len(gone))
        if not unread:
            return None
        why = f"{len(unread)} invoices that were open cannot be read, such as {unread[0]}"
        return Proof(complete=False, how=why)

    async def _add(
        self, window: Window, rows: list[InvoiceSummary], *, deleted: bool = False
    ) -> None:
        if not rows:
            return
        # An invoice that moved to a later page during the walk came twice. Rows of one batch have
        # the same time, so only the row that was read last goes on.
        taken, seen_at = tuple({each.id: each for each in rows}.values()), self._seen_at()
        rows.clear()

        def add() -> None:
            from billingual.landing.table import landed_batch  # noqa: PLC0415 - of an extra

            batch = landed_batch(
                taken, window=window.name, sync_id=self.sync_id, seen_at=seen_at, raw=self.raw,
                deleted=deleted,
            )  # fmt: skip
            self.target.add(window, batch)

        await self._in_thread(add)

    async def _commit(self, window: Window, proof: Proof, rows: int) -> None:
        at = self._seen_at()
        counts = await self._in_thread(
            lambda: self.target.commit(window, complete=proof.complete, how=proof.how, at=at)
        )
        if counts is not None:
            self._counts.append(counts)
        self._reports[window.name] = WindowReport(
            name=window.name, kind=window.kind, rows=rows, complete=proof.complete, how=proof.how
        )
        self._tell(0)

    def _seen_at(self) -> float:
        return self._began_wall + self.backend.now() - self._began

    def _tell(self, under_way: int) -> None:
        if self.on_progress is not None:
            done = sum(not each.skipped for each in self._reports.values())
            self.on_progress(
                LandProgress(
                    windows=self._to_read,
                    done=done,
                    rows=self._rows,
                    requests=self._requests + under_way,
                    elapsed_s=self.backend.now() - self._began,
                )
            )

    def _counted(self) -> Counts:
        every = (attrs.astuple(each) for each in self._counts)
        return Counts(*map(sum, zip(*every, strict=True)))

    async def _in_thread(self, step: Callable[[], T]) -> T:
        def alone() -> T:
            with self._lock:
                return step()

        return await self.backend.in_thread(alone)


def _nothing() -> None:
    """Do nothing when a worker ends."""


def _is_landed(window: Window, known: Landed | None) -> bool:
    return window.closed and known is not None and known.complete and known.kind == "closed"


async def land(
    lists: Lists,
    given: str | PathLike[str] | Target,
    *,
    backend: Backend,
    source: tuple[str, tuple[str | None, ...]],
    since: date | str | None,
    until: date | str | None,
    filter: Filter | None,
    full: bool,
    days: int,
    lookback_days: int,
    open_statuses: Iterable[str],
    concurrency: int,
    raw: bool,
    on_progress: Callable[[LandProgress], object] | None,
) -> LandReport:
    """Check the arguments and land; see :meth:`billingual.AsyncClient.land`."""
    can = lists.capabilities
    can.require(Feature.LIST)
    accepts = can.filters.accepts
    start, end = _day(since, "since"), _day(until, "until")
    if start is not None and not {"issued_from", "issued_to"} <= accepts:
        raise InvalidInputError(
            "since",
            f"{can.provider} cannot list by date of issue",
            "leave it out: the whole list is read each time",
        )
    if type(concurrency) is not int or not 1 <= concurrency <= MAX_PREFETCH:
        raise InvalidInputError(
            "concurrency", f"{shown(concurrency)} is out of bounds", f"give 1 to {MAX_PREFETCH}"
        )
    for name, value in (("full", full), ("raw", raw)):
        if type(value) is not bool:
            raise InvalidInputError(
                name, f"{type(value).__name__} is neither true nor false", "give true or false"
            )
    check_progress(on_progress)
    statuses = statuses_of(open_statuses)
    # A list hides inactive invoices by default; they would look as if they were gone.
    base = filter or Filter(include_inactive="include_inactive" in accepts)
    statuses = statuses if "status" in accepts else ()
    now = datetime.fromtimestamp(backend.wall(), UTC)
    plan = plan_windows(
        start, end, now=now, days=days,
        lookback_days=lookback_days, open_statuses=statuses, base=base, full=full,
    )  # fmt: skip
    # Before the target is made: it keeps its filter, so one that the provider refuses would stay.
    for each in {each.kind: each for each in plan}.values():
        lists.preview.list(each.filter)
    sync_id = f"{now:%Y%m%dT%H%M%S}-{backend.fresh_key()[:8]}"
    landing = Landing(
        lists=lists,
        backend=backend,
        target=_target(given, sync_id=sync_id, raw=raw),
        name=str(given),
        source=Source(
            provider=source[0],
            account=source[1],
            filter=json.dumps(
                {name: each for name, each in base.to_dict(json=True).items() if each}
            ),
        ),
        sync_id=sync_id,
        statuses=statuses,
        concurrency=concurrency,
        raw=raw,
        on_progress=on_progress,
    )
    return await landing.run(plan)


def _target(given: object, *, sync_id: str, raw: bool) -> Target:
    """Return what lands there: by its ending, or by what it is; else a folder of Parquet files."""
    if not isinstance(given, (str, PathLike)):
        if isinstance(given, Target):
            _need("landing", "arrow", "arro3")
            return given
        raise InvalidInputError(
            "target", f"{type(given).__name__} is neither a path nor a Target", "give a path"
        )
    path = _local_path(given)
    try:
        is_other = path.exists() and not path.is_dir()
        is_delta = path.suffix.lower() == ".delta" or (path / "_delta_log").is_dir()
    except OSError as error:
        raise LandingError(f"{path} cannot be used: {error.strerror}.") from error
    if path.suffix.lower() in {".duckdb", ".db"}:
        _need("landing into a .duckdb file", "duckdb", "arro3", "duckdb")
        from billingual.landing.duckdb import DuckDb  # noqa: PLC0415 - of an extra

        return DuckDb(path, sync_id=sync_id, raw=raw)
    if is_delta:
        _need("landing into a Delta table", "delta", "arro3", "deltalake")
        from billingual.landing.delta import Delta  # noqa: PLC0415 - of an extra

        return Delta(path, sync_id=sync_id, raw=raw)
    if path.suffix or is_other:
        raise InvalidInputError(
            "target",
            f"{shown(path.name)} is neither a folder nor a .duckdb file",
            "give a folder for Parquet files, or a name that ends in .duckdb or .delta",
        )
    _need("landing into Parquet files", "arrow", "arro3")
    from billingual.landing.folder import Folder  # noqa: PLC0415 - of an extra

    return Folder(path, sync_id=sync_id, raw=raw)


def _need(what: str, extra: str, *modules: str) -> None:
    """Refuse what lacks a library before anything is requested; say which extra has it."""
    for each in modules:
        if find_spec(each) is None:
            raise MissingExtraError(what, extra, each)


def _local_path(given: str | PathLike[Any]) -> Path:
    """Refuse what would become a folder of an odd name on this machine."""
    text = fspath(given)
    problem = None
    if not isinstance(text, str):
        problem = "it is no text"
    elif not text.strip():
        problem = "it is empty"
    elif _URL.match(text) or text == ":memory:":
        problem = f"{shown(text)} is no place on a disk of this machine"
    elif "\0" in text:
        problem = f"{shown(text)} holds a null character"
    elif text.startswith("~"):
        # A shell has put the folder in its place, but not in --to=~/invoices.
        problem = f"{shown(text)} would be a folder named '~', and not yours"
    if problem is not None:
        raise InvalidInputError("target", problem, "give the path of a file or a folder")
    # The libraries take names as UTF-8.
    return Path(checked_text(text, "target"))


def _day(given: object, name: str) -> date | None:
    if isinstance(given, str):
        try:
            return date.fromisoformat(given.strip())
        except ValueError:
            raise InvalidInputError(
                name, f"{shown(given)} is no day", "write it like '2026-01-01'"
            ) from None
    if given is None or (isinstance(given, date) and not isinstance(given, datetime)):
        return given
    raise InvalidInputError(
        name, f"{type(given).__name__} is no day", "give a date, or text like '2026-01-01'"
    )
