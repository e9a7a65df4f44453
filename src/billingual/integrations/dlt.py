"""Invoices as a resource of dlt, for every destination that dlt can merge into.

::

    import dlt
    from billingual import Client
    from billingual.integrations.dlt import invoices_resource

    pipeline = dlt.pipeline("billing", destination="duckdb", dataset_name="provider")
    pipeline.run(invoices_resource(lambda: Client("exante"), since="2026-01-01"))

**Windows instead of a cursor.** No provider lists what changed since a moment. A cursor of dlt on a
date would miss each change of status, and one that moves on while pages are read loses rows: in a
trial, 18,100 of 20,000. So the resource reads as :meth:`billingual.Client.land` does: by windows of
days of issue, those that are closed once, and what was open by its status. What is done is in dlt's
state, beside the data.

**Merged, or not at all.** Open and recent invoices are read by each run, and a run that was killed
is repeated. With ``append`` they would be doubled, so the resource refuses all but ``merge``, and a
destination that cannot merge. Within a run it gives each invoice once, as it was seen last.

**Whole, or not at all.** What a run reads waits in a temporary file, which only its user can read,
until each window is provably whole. If one is not, the run fails, dlt gets no row, and its state
stays as it was.

**Secrets.** dlt keeps state, schemas and traces, also at the destination. They get nothing of the
client: only names of windows, ids of open invoices, times, and a fingerprint of the account.

Source: https://dlthub.com/docs/general-usage/resource, https://dlthub.com/docs/general-usage/state
and https://dlthub.com/docs/general-usage/merge-loading, read 2026-11.
"""

from __future__ import annotations

import hashlib
import json
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import attrs

from billingual.errors import InvalidInputError, PaginationError, UsageError
from billingual.landing.table import landed_batch, landed_schema
from billingual.landing.target import Landed, Source
from billingual.landing.windows import OPEN_STATUSES, Window, statuses_of
from billingual.model import Filter, InvoiceSummary
from billingual.pagination.dedupe import SeenIds

try:
    import dlt
    import pyarrow as pa
    from dlt.common.configuration.container import Container
    from dlt.common.destination import DestinationCapabilitiesContext
    from dlt.common.destination.exceptions import DestinationCapabilitiesException
    from dlt.common.destination.utils import resolve_merge_strategy
    from dlt.extract import DltResource
except ImportError as _missing:
    raise ImportError(
        "billingual.integrations.dlt needs dlt 1.31 or newer with pyarrow; "
        'run: pip install "billingual[dlt]".'
    ) from _missing

if TYPE_CHECKING:
    from arro3.core import RecordBatch

    from billingual import Client

__all__ = ["invoices_resource"]

_ROWS_OF_A_TABLE: Final = 10_000
"""Rows that dlt gets at once. It writes each table as a row group of Parquet."""

_MERGES: Final = (None, "delete-insert", "upsert")
"""Ways to merge that leave one row for each id. ``scd2`` takes an invoice that is in no window of
this run for deleted, and ``insert-only`` keeps the first version of each."""


def invoices_resource(
    client_factory: Callable[[], Client],
    *,
    name: str = "invoices",
    since: date | str | None = None,
    until: date | str | None = None,
    filter: Filter | None = None,
    full: bool = False,
    days: int = 30,
    lookback_days: int = 90,
    open_statuses: Iterable[str] = OPEN_STATUSES,
    concurrency: int = 4,
    raw: bool = True,
) -> DltResource:
    """Make a resource of dlt that brings a table of invoices up to date with each run.

    The table has the columns of :func:`billingual.columns.schema`, and ``_row_hash``, ``_seen_at``,
    ``_window`` and ``_sync_id`` of a landing. Its key is ``id``.

    Args:
        client_factory: makes the client; called once a run, which closes it.
        name: of the resource, and of its table. A pipeline with several accounts needs a name for
            each.
        since: first day of issue, like ``"2026-01-01"``. Invoices are read in windows of days;
            those older than *lookback_days* are read once. Default: the whole list, in each run.
        until: last day of issue. Default: no end.
        filter: what else must hold for each invoice. Default: nothing, inactive ones included.
        full: read the whole list in this run.
        days: days of a window, 1 to 366. Default 30.
        lookback_days: windows that ended within so many days are read each time. Default 90.
        open_statuses: statuses that are read each time, whatever the date. Default: those of
            Exante that are not final.
        concurrency: windows that are read at once, 1 to 64. Default 4.
        raw: keep each payload as it came, as JSON text. Default True.

    A run raises dlt's ``PipelineStepFailed``, whose cause is in its ``exception``:

    * InvalidInputError: if an argument cannot be right, or dlt is told to do anything but merge
      on the id. Nothing was sent.
    * UsageError: if the table holds the invoices of another account or filter. Nothing was sent.
    * PaginationError: if a window could not be read whole. It names the window.

    Raises:
        InvalidInputError: if *client_factory* cannot be called, or *open_statuses* are no texts.
    """
    if not callable(client_factory):
        raise InvalidInputError(
            "client_factory",
            f"{type(client_factory).__name__} cannot be called",
            'give a function, such as lambda: Client("exante")',
        )
    statuses = statuses_of(open_statuses)

    def invoices() -> Iterator[pa.Table]:
        _require_merge(dlt.current.resource())
        state = dlt.current.resource_state()
        with tempfile.TemporaryDirectory(prefix="billingual-") as folder:
            spool = _Spool(Path(folder) / "rows.arrow", state, {*statuses}, raw=raw)
            with _made(client_factory) as client:
                report = client.land(
                    spool, since=since, until=until, filter=filter, full=full, days=days,
                    lookback_days=lookback_days, open_statuses=statuses, concurrency=concurrency,
                    raw=raw,
                )  # fmt: skip
            for each in report.incomplete:
                raise PaginationError(
                    f"the window {each.name} could not be read whole, because {each.how}; dlt got "
                    "no row and its state is as it was, so run the pipeline again."
                )
            yield from spool.tables()
            # Only now: a run that is left early, as with add_limit(), reads its windows again.
            state.update(spool.state)

    made: DltResource = dlt.resource(
        invoices,
        name=name,
        write_disposition="merge",
        primary_key="id",
        columns={"_deleted_at": {"hard_delete": True}},
    )
    return made


def _made(client_factory: Callable[[], Client]) -> Client:
    from billingual import Client  # noqa: PLC0415 - made when a run begins

    client = client_factory()
    if not isinstance(client, Client):
        raise InvalidInputError(
            "client_factory",
            f"it made a {type(client).__name__}",
            "let it make a Client, which blocks as dlt does",
        )
    return client


def _require_merge(resource: DltResource) -> None:
    """Pass if dlt merges on the id, and takes all rows.

    Raises:
        InvalidInputError: if it does not.
    """
    table = resource.compute_table_schema()
    told = table.get("write_disposition")
    strategy = table.get("x-merge-strategy")
    if told != "merge" or strategy not in _MERGES:
        raise InvalidInputError(
            "write_disposition",
            f"{told!r} {f'with {strategy!r} ' if strategy else ''}would double or lose invoices, "
            "because each run reads some of them again",
            "leave it out: the resource merges on the id",
        )
    keys = [each for each, column in table["columns"].items() if column.get("primary_key")]
    if keys != ["id"] or any(column.get("merge_key") for column in table["columns"].values()):
        raise InvalidInputError(
            "primary_key", f"an invoice is not known by {', '.join(keys)}", "leave it out: it is id"
        )
    if resource.incremental is not None:
        raise InvalidInputError(
            "incremental",
            "no date of an invoice tells that it changed, so a cursor loses rows",
            "leave it out: the resource keeps its place by windows",
        )
    if DestinationCapabilitiesContext not in Container():
        return  # The rows are only looked at, or a destination is chosen later.
    try:
        merges = resolve_merge_strategy({table["name"]: table}, table)
    except DestinationCapabilitiesException as error:
        raise InvalidInputError("write_disposition", str(error), "leave the strategy out") from None
    if merges is None:
        raise InvalidInputError(
            "destination",
            "it cannot merge, and dlt would append",
            'choose one that can, or for files table_format="delta" or "iceberg"; '
            "for a folder of Parquet use Client.land",
        )


@attrs.define(eq=False)
class _Spool:
    """Where a landing puts the rows of a run until dlt takes them; see ``landing.target``.

    Attributes:
        state: what dlt is to keep when it took them.
    """

    _path: Path
    _old: Mapping[str, Any]
    _statuses: set[str]
    _raw: bool = attrs.field(kw_only=True)
    state: dict[str, Any] = attrs.field(factory=dict, init=False)
    _writer: Any = attrs.field(default=None, init=False)
    _open: dict[str, str] = attrs.field(factory=dict, init=False)
    _unseen: set[str] = attrs.field(factory=set, init=False)

    @property
    def schema(self) -> pa.Schema:
        """The schema of each table."""
        return pa.schema(landed_schema(raw=self._raw))

    def __str__(self) -> str:
        return "dlt"

    def open(self, source: Source, *, now: float) -> float:
        """Begin a run.

        Raises:
            UsageError: if the state is that of another source.
        """
        # A hash: a filter may hold the name of a customer.
        told = json.dumps(attrs.asdict(source), sort_keys=True)
        mark = hashlib.blake2b(told.encode(), digest_size=12).hexdigest()
        if self._old.get("source", mark) != mark:
            raise UsageError(
                "this table holds the invoices of another account or another filter; give the "
                "resource another name=, or the pipeline another dataset."
            )
        self.state = {"source": mark, "windows": dict(self._old.get("windows", {}))}
        self._open = dict(self._old.get("open", {}))
        self._unseen = set(self._open)
        # What this run does not ask for, another one does.
        self._statuses.update(self._open.values())
        self._writer = pa.ipc.new_file(str(self._path), self.schema)
        last: float = self._old.get("last_run", 0.0)
        return max(now, last + 1e-6)

    def landed(self) -> Mapping[str, Landed]:
        """Return the closed windows that were read."""
        windows = self.state["windows"]
        return {each: Landed(kind="closed", complete=True) for each in windows}

    def last_run(self) -> float | None:
        """Return when the last run began."""
        return self._old.get("last_run")

    def open_ids(self, statuses: tuple[str, ...]) -> set[str]:
        """Return the ids of invoices that were open."""
        was_open: Mapping[str, str] = self._old.get("open", {})
        return {each for each, status in was_open.items() if status in statuses}

    def add(self, window: Window, batch: RecordBatch) -> None:  # noqa: ARG002 - the seam's
        """Take rows."""
        rows = pa.record_batch(batch)
        self._writer.write_batch(rows)
        self._unseen.difference_update(rows["id"].to_pylist())
        for invoice, status in zip(rows["id"].to_pylist(), rows["status"].to_pylist(), strict=True):
            if status in self._statuses:
                self._open[invoice] = status
            else:
                self._open.pop(invoice, None)

    def commit(
        self,
        window: Window,
        *,
        complete: bool,
        how: str,  # noqa: ARG002 - the seam's
        at: float,
    ) -> None:
        """Note that a closed window needs no other read, and of any other that it does.

        A window is closed before its time where a clock was ahead. What was open and is not in a
        full read is gone.
        """
        if complete and window.kind == "full" and self._unseen:
            gone = [InvoiceSummary(id=each) for each in self._unseen]
            self.add(
                window,
                landed_batch(
                    gone, window=window.name, sync_id="", seen_at=at, raw=self._raw, deleted=True
                ),
            )
        self.state["windows"].pop(window.name, None)
        if complete and window.closed:
            self.state["windows"][window.name] = at

    def finish(self, *, at: float) -> None:
        """Note what the next run needs to know."""
        self.state |= {"last_run": at, "open": self._open}

    def close(self) -> None:
        """End the file."""
        if self._writer is not None:
            self._writer.close()

    def tables(self) -> Iterator[pa.Table]:
        """Return all rows, each invoice once: as it was seen last."""
        seen = SeenIds()
        with pa.memory_map(str(self._path)) as source:
            file = pa.ipc.open_file(source)
            waiting: list[pa.RecordBatch] = []
            # Without a row dlt would make no table.
            empty = True
            for number in reversed(range(file.num_record_batches)):
                batch = file.get_batch(number)
                ids = batch["id"].to_pylist()[::-1]
                repeated = set(seen.add(ids))
                if repeated:
                    kept = [index not in repeated for index in range(len(ids))]
                    batch = batch.filter(pa.array(kept[::-1]))
                waiting.append(batch)
                if sum(each.num_rows for each in waiting) >= _ROWS_OF_A_TABLE:
                    yield pa.Table.from_batches(waiting)
                    waiting, empty = [], False
            if waiting or empty:
                yield pa.Table.from_batches(waiting, self.schema)
