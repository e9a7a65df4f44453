"""Invoices as a data source of Apache Spark, also where Sail runs in its place.

::

    from billingual.integrations.spark import InvoiceDataSource

    spark.dataSource.register(InvoiceDataSource)
    (spark.read.format("invoices").option("provider", "exante").option("credential", "env:TOKEN")
        .option("from", "2026-01-01").load().write.parquet("invoices"))

**Reading.** One partition is one window of days of one account. A task holds its window until it is
proven to be whole, as a landing reads it; where that cannot be shown, the task fails, and Spark
begins it anew. Spark keeps nothing: each action on the frame reads the provider again. So land
first, with one ``write``, and compute on what was landed.

**Streaming.** An offset says for each account up to which day it was read. It follows from the
offset before it and the clock alone, never goes back, and two offsets always give the same
partitions. So a batch that is repeated after a crash is the same batch.

**Writing.** Spark starts a task again, also while the first one still runs, and a task that called
the provider would send its invoices twice. So tasks only turn rows into writes and hand them to
the driver, where Spark takes one result for each partition. Then the driver plans all of them in
the ledger of a job in one step, or none. They are sent by one :meth:`billingual.AsyncJob.run`. The
id of a write comes from its row, so that a frame that is written again plans nothing new.

**Secrets.** Plans, tasks and logs of Spark show the options of a source. So an option holds the
*name* of a secret, such as ``env:TOKEN``, and each worker looks it up for itself.

This module travels to the workers by value. A worker whose Python lacks billingual can thus say
what is wrong, where Spark would only show that a module is missing. Therefore nothing but the
standard library and pyspark is imported here before it is used.

Source: https://spark.apache.org/docs/4.2.0/api/python/tutorial/sql/python_data_source.html
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import os
import re
import sys
import zlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, cast

try:
    from pyspark import cloudpickle
    from pyspark.sql.datasource import (
        DataSource,
        DataSourceArrowWriter,
        DataSourceReader,
        DataSourceStreamReader,
        InputPartition,
        WriterCommitMessage,
    )
    from pyspark.sql.streaming.datasource import (
        ReadAllAvailable,
        ReadLimit,
        ReadMaxFiles,
        SupportsTriggerAvailableNow,
    )
except ImportError as _missing:
    raise ImportError(
        "billingual.integrations.spark needs pyspark 4.2 or newer, which comes with your cluster; "
        'on one machine run: pip install "pyspark[sql]>=4.2", or, without Java, '
        "pip install pysail pyspark-client."
    ) from _missing

if TYPE_CHECKING:
    import pyarrow as pa
    from pyspark.sql.types import DataType, StructType

    from billingual import AsyncClient, Limiter, Secret
    from billingual.jobs import PlannedWrite
    from billingual.model import InvoiceSummary

__all__ = ["InvoiceDataSource"]

cloudpickle.register_pickle_by_value(sys.modules[__name__])

_DRIVER: Final = sys.executable

_LISTS: Final = ("credential", "organization", "tenant")
_OF_CLIENT: Final = ("base_url", "transport", "retry", "reading")
_SECONDS: Final = ("timeout", "deadline")
_COMMON: Final = (
    "provider", *_LISTS, *_OF_CLIENT, *_SECONDS, "allow_insecure", "calls_per_second",
    "max_workers", "rate_store",
)  # fmt: skip
_OF_READ: Final = ("from", "to", "days", "raw", "prefetch")
_OF_STREAM: Final = ("from", "days", "lookback_days", "windows_per_batch", "raw", "prefetch")
_OF_WRITE: Final = ("job", "ledger", "operation", "id", "key")

# If an option holds a secret instead of the name of one, it is refused, and not shown.
_SECRET: Final = re.compile(r"env:[A-Za-z_][A-Za-z0-9_]*|file:.+")
# Of an address with a password in it.
_PASSWORD: Final = re.compile(r"://[^/@]*:[^/@]*@|password\s*=", re.IGNORECASE)
_OPERATIONS: Final = ("create", "update", "delete")
_INVOICE_ID: Final = "invoice_id"
_ROWS_OF_A_BATCH: Final = 10_000


class InvoiceDataSource(DataSource):
    """Read and write invoices: ``spark.read.format("invoices")``.

    Options of all:
        provider: ``exante``, or another registered name. Needed.
        credential: ``env:NAME``, the environment variable of the workers that holds the token, or
            ``file:PATH``, the file that does. Several, with commas between them, for several
            accounts; then there is one more column, ``account``, which names them.
        organization, tenant: as of an :class:`~billingual.AsyncClient`; one for all credentials, or
            one for each, in their order, with commas between them.
        base_url, transport, timeout, deadline, reading, allow_insecure: as of a client.
        retry: as of a client. Default: ``patient``.
        calls_per_second, max_workers: the rate that the provider grants a credential, and how many
            tasks may run at once: each of them takes its share of the rate. Give both or neither.
        rate_store: a Redis by which tasks share the rate instead, like ``redis://host/0`` without a
            password; or ``env:NAME`` or ``file:PATH``, where its address is found.

    Options of a batch read:
        from, to: the first and the last date of issue, both included, like ``2026-01-31``. Without
            *from*, all that the provider lists is one window. An invoice without a date of issue is
            in no other. Invoices of archived documents and inactive blueprints are read too.
        days: of one window, which a task holds in memory. Default 30.
        raw: whether the payloads as they came are in the column ``raw``. Default ``true``.
        prefetch: pages fetched at once in each task, 1 to 64. Default 1.

    Options of a stream:
        from: the first date of issue. Needed.
        days: as above.
        lookback_days: how many days after its end a window is read, once. What is issued into it,
            or changes, later than that is not in the stream. Default 90.
        windows_per_batch: how many windows of each account a batch has. Default: all.
        raw, prefetch: as above.

    Options of a write, of which the mode is ``append``:
        ledger: the SQLite file of the job, on the driver's machine; the URL of a PostgreSQL
            database, ``postgresql://user@host/database``, without a password; or ``env:NAME`` or
            ``file:PATH``, where either of them is found. Needed.
        job: its name, which is part of each id. Needed.
        operation: ``create`` (the default), ``update`` or ``delete``. The columns are named as the
            fields of :class:`~billingual.Draft` or :class:`~billingual.Changes`; a null is a field
            that is not given. The invoice to update or delete is in ``invoice_id``. A ``total``
            that is a decimal takes its currency from ``currency``.
        id: the column with the id of each write.
        key: instead of *id*, the columns that tell one write of this job from all others, with
            commas between them; the id is a hash of the job and their values.

    Raises:
        InvalidInputError: if an option is unknown, missing or not usable, or holds a secret instead
            of its name, or if a frame has a column that no invoice has.
        ConfigurationError: if a secret is not where its name says.
        ImportError: if the Python of the workers lacks billingual or what it needs.
    """

    @classmethod
    def name(cls) -> str:
        """Return the name of the format."""
        return "invoices"

    def schema(self) -> Any:
        """Return the schema of ``billingual.columns``, as Spark writes it."""
        options = _Options(self.options, (*_COMMON, *_OF_READ, *_OF_STREAM))
        columns = _arrow_schema(options)
        # Sail takes nested types as Arrow has them, and Spark as Spark has them.
        # https://docs.lakesail.com/sail/latest/guide/sources/python
        return columns if "pysail" in sys.modules else _struct_of(columns)

    def reader(self, schema: StructType) -> DataSourceReader:
        """Return the reader of a batch."""
        return InvoiceReader(_Options(self.options, (*_COMMON, *_OF_READ)))

    def streamReader(self, schema: StructType) -> DataSourceStreamReader:  # noqa: N802 - Spark's name
        """Return the reader of a stream."""
        return InvoiceStreamReader(_Options(self.options, (*_COMMON, *_OF_STREAM)))

    def writer(self, schema: StructType, overwrite: bool) -> DataSourceArrowWriter:  # noqa: FBT001
        """Return the writer of a frame."""
        options = _Options(self.options, (*_COMMON, *_OF_WRITE))
        if overwrite:
            raise options.invalid("mode", "invoices are not overwritten", 'write mode("append")')
        return InvoiceWriter(options, schema.names)


# Options


class _Options:
    """The options of a source, checked; they hold names of secrets and no secret."""

    def __init__(self, given: Mapping[str, str], known: Sequence[str]) -> None:
        self.given: dict[str, str] = {name.lower(): value for name, value in given.items()}
        _check_worker()
        for name in self.given:
            if name not in known:
                raise self.invalid(
                    name, "there is no such option", f"give some of {', '.join(sorted({*known}))}"
                )
            if _PASSWORD.search(self.given[name]):
                raise self.invalid(
                    name,
                    "it holds a password, which each plan of Spark would show",
                    "leave it out, or write env:NAME or file:PATH, where the whole is found",
                )
        self.text("provider")
        for each in self._list("credential"):
            if not _SECRET.fullmatch(each):
                raise self.invalid(
                    "credential",
                    "it names no secret, and what it is, is not shown",
                    "write env:NAME or file:PATH, with commas between several",
                )
        together = {"calls_per_second", "max_workers"} & self.given.keys()
        if len(together) == 1 or (not together and "rate_store" in self.given):
            raise self.invalid(
                "calls_per_second", "it goes with max_workers", "give both, or neither"
            )

    def invalid(self, field: str, what: str, fix: str) -> Exception:
        """Make the error of an option."""
        from billingual.errors import InvalidInputError

        return InvalidInputError(field, what, fix)

    def text(self, name: str, otherwise: str | None = None) -> str:
        """Return an option; one without a default is needed."""
        value = self.given.get(name, otherwise)
        if value is None or not value.strip():
            raise self.invalid(name, "it is missing", f'write .option("{name}", ...)')
        return value

    def number(self, name: str, otherwise: int, *, least: int = 1) -> int:
        """Return an option that is a whole number."""
        if name not in self.given:
            return otherwise
        text = self.given[name].strip()
        if not re.fullmatch(r"[0-9]{1,6}", text, re.ASCII) or int(text) < least:
            raise self.invalid(
                name, f"{text!r} is no whole number from {least} to 999999", "give one"
            )
        return int(text)

    def truth(self, name: str, *, otherwise: bool) -> bool:
        """Return an option that is true or false."""
        text = self.text(name, str(otherwise)).lower()
        if text not in {"true", "false"}:
            raise self.invalid(name, f"{text!r} is neither true nor false", "give one of them")
        return text == "true"

    def day(self, name: str) -> date | None:
        """Return an option that is a day."""
        if name not in self.given:
            return None
        try:
            return date.fromisoformat(self.given[name])
        except ValueError:
            raise self.invalid(
                name, f"{self.given[name]!r} is no day", "write it like 2026-01-31"
            ) from None

    def _list(self, name: str) -> list[str]:
        return [each.strip() for each in self.given.get(name, "").split(",") if each.strip()]

    def accounts(self) -> list[_Account]:
        """List the accounts."""
        lists = {name: self._list(name) for name in _LISTS}
        most = max(1, *map(len, lists.values()))
        for name, values in lists.items():
            if len(values) not in {0, 1, most}:
                raise self.invalid(
                    name,
                    f"there are {len(values)} for {most} accounts",
                    "give one, or one for each",
                )
        found = [
            _Account(**{
                name: values[place % len(values)] if values else None
                for name, values in lists.items()
            })
            for place in range(most)
        ]  # fmt: skip
        if len(set(found)) < most:
            raise self.invalid("credential", "an account is named twice", "name it once")
        return found

    def client(self, account: _Account) -> AsyncClient:
        """Make the client of an account."""
        from billingual import AsyncClient

        given: dict[str, Any] = {"retry": "patient"}
        given |= {name: self.given[name] for name in _OF_CLIENT if name in self.given}
        for name in _SECONDS:
            if name in self.given:
                given[name] = self._fraction(name)
        if "calls_per_second" in self.given:
            given["limiter"] = self._limiter()
        return AsyncClient(
            self.text("provider"),
            token=_secret(account.credential, "credential") if account.credential else None,
            organization=account.organization,
            tenant=account.tenant,
            allow_insecure=self.truth("allow_insecure", otherwise=False),
            **given,
        )

    def _limiter(self) -> Limiter:
        from billingual import Limiter

        store = self.given.get("rate_store")
        return Limiter(
            self._fraction("calls_per_second"),
            workers=self.number("max_workers", 1),
            store=_secret(store, "rate_store") if store and _SECRET.fullmatch(store) else store,
        )

    def _fraction(self, name: str) -> float:
        text = self.text(name)
        try:
            return float(text)
        except ValueError:
            raise self.invalid(name, f"{text!r} is no number", "give one") from None


@dataclass(frozen=True)
class _Account:
    """Whose invoices.

    Attributes:
        credential: the name of its secret.
        organization: as of a client.
        tenant: as of a client.
    """

    credential: str | None
    organization: str | None
    tenant: str | None

    def __str__(self) -> str:
        return " ".join(filter(None, (self.credential, self.organization, self.tenant)))


def _secret(name: str, option: str) -> Secret:
    """Look up the secret that an option names; no traceback that shows variables shows it."""
    from billingual import Secret
    from billingual.errors import ConfigurationError

    kind, _, place = name.partition(":")
    where = "on the machine of this worker of Spark"
    if kind == "file":
        try:
            found = Secret(Path(place).read_text(encoding="utf-8").strip())
        except (OSError, ValueError) as error:
            why = getattr(error, "strerror", None) or "it is no text"
            raise ConfigurationError(
                f"{place} cannot be read {where}: {why}.", field=option
            ) from None
    else:
        found = Secret(os.environ.get(place, "").strip())
    if not found.reveal():
        raise ConfigurationError(
            f"there is no secret in {name} {where}; set the variable for drivers and executors, or "
            "name a file that all of them have.",
            field=option,
        )
    return found


def _check_worker() -> None:
    """Check that this Python can do the work, or say how to give Spark one that can."""
    try:
        import arro3.core  # noqa: F401 - columns are made by it
        import pyarrow as pa  # noqa: F401 - Spark takes them by it

        import billingual  # noqa: F401 - does all else
    except ImportError as error:
        raise ImportError(
            f"Spark runs its Python workers with {sys.executable}, which has no "
            f"{error.name or 'billingual'}. Set PYSPARK_PYTHON to a Python that has "
            "billingual[spark] and pyarrow, on each machine of the cluster, before Spark starts; "
            f"the driver's is {_DRIVER}."
        ) from error


# Columns


def _arrow_schema(options: _Options) -> pa.Schema:
    """Return the one schema of invoices, with a column for the account where there are several."""
    import pyarrow as pa

    from billingual import columns

    schema = pa.schema(columns.schema(raw=options.truth("raw", otherwise=True)))
    if len(options.accounts()) > 1:
        schema = schema.append(pa.field("account", pa.string(), nullable=False))
    return schema


def _struct_of(schema: Any) -> StructType:
    """Write an Arrow schema, or the fields of a nested type, as Spark writes it."""
    from pyspark.sql.types import StructField, StructType

    return StructType(
        [StructField(each.name, _type_of(each.type), each.nullable) for each in schema]
    )


def _type_of(kind: Any) -> DataType:
    from pyarrow.types import is_date, is_decimal, is_int64, is_list, is_struct, is_timestamp
    from pyspark.sql import types

    if is_struct(kind):
        return _struct_of(kind)
    if is_list(kind):
        return types.ArrayType(_type_of(kind.value_type), kind.value_field.nullable)
    if is_decimal(kind):
        return types.DecimalType(kind.precision, kind.scale)
    simple = {is_timestamp: types.TimestampType, is_date: types.DateType, is_int64: types.LongType}
    for is_kind, made in simple.items():
        if is_kind(kind):
            return made()
    return types.StringType()


# Reading


class InvoiceWindow(InputPartition):
    """The invoices of one account that were issued from one day to another, both included.

    Attributes:
        account: whose.
        first: the first day; None for any.
        last: the last day; None for any.
    """

    def __init__(self, account: _Account, first: date | None, last: date | None) -> None:
        self.account = account
        self.first = first
        self.last = last

    def __str__(self) -> str:
        return f"{self.first or 'the first'} to {self.last or 'the last'} of {self.account}"


def _windows(
    account: _Account, first: date | None, last: date | None, days: int
) -> list[InvoiceWindow]:
    """Cut days into windows; without a last day the last window has none either."""
    from billingual.landing import plan_windows

    # What is closed does not matter here: these are read once in any case.
    now = datetime.now(UTC)
    return [
        InvoiceWindow(account, each.filter.issued_from, each.filter.issued_to)
        for each in plan_windows(first, last, now=now, days=days, open_statuses=())
    ]


class InvoiceReader(DataSourceReader):
    """Read a batch of invoices."""

    def __init__(self, options: _Options) -> None:
        self._options = options

    def partitions(self) -> list[InputPartition]:
        """Return the windows of each account."""
        options = self._options
        first, last = options.day("from"), options.day("to")
        if last is not None and (first is None or last < first):
            raise options.invalid("to", f"no from is before {last}", "give an earlier from")
        days = options.number("days", 30)
        return [
            window
            for account in options.accounts()
            for window in _windows(account, first, last, days)
        ]

    def read(self, partition: InputPartition) -> Iterator[pa.RecordBatch]:
        """Read one window."""
        return _read(self._options, cast(InvoiceWindow, partition))


class InvoiceStreamReader(DataSourceStreamReader, SupportsTriggerAvailableNow):
    """Read windows that are over, each once, in the order of their days.

    An offset is a mapping from each account to the first day that was not read yet.
    """

    def __init__(self, options: _Options) -> None:
        self._options = options
        first = options.day("from")
        if first is None:
            raise options.invalid("from", "a stream needs it", "give the first date of issue")
        self._first = first
        self._days = options.number("days", 30)
        self._lookback_days = options.number("lookback_days", 90, least=0)
        self._most = options.number("windows_per_batch", sys.maxsize)
        self._accounts = {str(each): each for each in options.accounts()}
        self._now: datetime | None = None

    def initialOffset(self) -> dict[str, str]:  # noqa: N802 - Spark's name
        """Return where a new query begins."""
        return dict.fromkeys(self._accounts, self._first.isoformat())

    def getDefaultReadLimit(self) -> ReadLimit:  # noqa: N802 - Spark's name
        """Return how much a batch has; of Spark's limits, that of files is nearest to windows."""
        return (
            ReadMaxFiles(self._most)
            if "windows_per_batch" in self._options.given
            else ReadAllAvailable()
        )

    def latestOffset(self, start: dict[str, str], limit: ReadLimit) -> dict[str, str]:  # noqa: N802
        """Return up to where a batch that begins at *start* goes."""
        most = limit.max_files if isinstance(limit, ReadMaxFiles) else sys.maxsize
        # An account that is left out now goes on from there when it is back.
        return start | {name: self._after(start.get(name), most) for name in self._accounts}

    def _after(self, start: str | None, most: int) -> str:
        from billingual.landing import plan_windows

        first = self._first if start is None else date.fromisoformat(start)
        windows = plan_windows(
            first,
            now=self._now or datetime.now(UTC),
            days=self._days,
            lookback_days=self._lookback_days,
            open_statuses=(),
        )
        for window in [each for each in windows if each.closed][:most]:
            last = window.filter.issued_to
            assert last is not None  # noqa: S101 - what is closed has an end
            first = last + timedelta(days=1)
        return first.isoformat()

    def reportLatestOffset(self) -> dict[str, str]:  # noqa: N802 - Spark's name
        """Return up to where all that is over goes, for the state of the query."""
        return self.latestOffset(self.initialOffset(), ReadAllAvailable())

    def prepareForTriggerAvailableNow(self) -> None:  # noqa: N802 - Spark's name
        """Have what is over by now be all that this run reads."""
        self._now = datetime.now(UTC)

    def partitions(self, start: dict[str, str], end: dict[str, str]) -> list[InputPartition]:
        """Return the windows between two offsets; the clock has no part in it."""
        found: list[InputPartition] = []
        for name, until in end.items():
            since = start.get(name, self._first.isoformat())
            if since >= until:
                continue
            if name not in self._accounts:
                raise self._options.invalid(
                    "credential",
                    f"the batch that was not finished has windows of {name}",
                    "name that account until the batch is done",
                )
            first, last = date.fromisoformat(since), date.fromisoformat(until) - timedelta(days=1)
            found += _windows(self._accounts[name], first, last, self._days)
        return found

    def read(self, partition: InputPartition) -> Iterator[pa.RecordBatch]:
        """Read one window."""
        return _read(self._options, cast(InvoiceWindow, partition))


def _read(options: _Options, window: InvoiceWindow) -> Iterator[pa.RecordBatch]:
    """Read one window; nothing of it is handed out before all of it was seen."""
    import pyarrow as pa

    from billingual.columns import batch_of

    target = _arrow_schema(options)
    raw = options.truth("raw", otherwise=True)
    rows = asyncio.run(_rows_of(options, window))
    for start in range(0, len(rows), _ROWS_OF_A_BATCH):
        batch = pa.record_batch(batch_of(rows[start : start + _ROWS_OF_A_BATCH], raw=raw))
        columns = batch.columns
        if "account" in target.names:
            columns.append(pa.array([str(window.account)] * batch.num_rows, pa.string()))
        yield pa.record_batch(columns, schema=target)


async def _rows_of(options: _Options, window: InvoiceWindow) -> list[InvoiceSummary]:
    """Read a window to the proof that it was seen whole."""
    from billingual import Filter
    from billingual.errors import PaginationError
    from billingual.landing.proof import WindowReader

    # A part that is read again brings its rows again; the last one is the newest.
    rows: dict[str, InvoiceSummary] = {}

    async def keep(read: Sequence[InvoiceSummary]) -> None:
        rows.update((each.id, each) for each in read)

    async with options.client(window.account) as client:
        # A filter that the provider lacks would be refused.
        hidden = "include_inactive" in client.capabilities.filters.accepts
        wanted = Filter(issued_from=window.first, issued_to=window.last, include_inactive=hidden)
        reader = WindowReader(client, prefetch=options.number("prefetch", 1))
        proof = await reader.read(wanted, keep)
    if not proof.complete:
        raise PaginationError(
            f"the window {window} was not seen whole: {proof.how}. Read it again."
        )
    return list(rows.values())


# Writing


@dataclass
class Planned(WriterCommitMessage):
    """What one task hands to the driver.

    Attributes:
        rows: how many writes.
        packed: they, as compressed JSON: id, invoice and body of each.
    """

    rows: int
    packed: bytes

    def __repr__(self) -> str:
        # Bodies hold personal data, and Spark logs its messages.
        return f"Planned(rows={self.rows})"


class InvoiceWriter(DataSourceArrowWriter):
    """Plan a write for each row of a frame."""

    def __init__(self, options: _Options, columns: Sequence[str]) -> None:
        self._options = options
        self._job = options.text("job")
        self._ledger = options.text("ledger")
        self._operation = options.text("operation", "create")
        self._id = options.given.get("id")
        self._key = [
            each.strip() for each in options.given.get("key", "").split(",") if each.strip()
        ]
        if len(options.accounts()) > 1:
            raise options.invalid("credential", "a job is of one account", "write one at a time")
        # The commit makes it again; what is wrong with it shows before the frame is computed.
        options.client(*options.accounts())
        if self._operation not in _OPERATIONS:
            raise options.invalid(
                "operation", f"{self._operation!r} is none", f"give one of {', '.join(_OPERATIONS)}"
            )
        if bool(self._id) == bool(self._key):
            raise options.invalid(
                "key",
                "a frame without a key would be sent twice when it is written twice",
                "name the column of the id of each write as id, or else the columns that tell one "
                "write from all others as key",
            )
        self._check(columns)

    def _check(self, columns: Sequence[str]) -> None:
        options = self._options
        known = self._known()
        for name in (*self._key, *([self._id] if self._id else ())):
            if name not in columns:
                raise options.invalid(name, "the frame has no such column", "name one it has")
        if self._operation != "create" and _INVOICE_ID not in columns:
            raise options.invalid(
                _INVOICE_ID, "the frame has no such column", "give the provider's id in it"
            )
        for name in columns:
            if name not in known and name != self._id and name not in self._key:
                raise options.invalid(
                    name,
                    f"there is no such field in an invoice to {self._operation}",
                    f"drop the column; there are {', '.join(sorted(known))}",
                )

    def _known(self) -> set[str]:
        import attrs

        from billingual import Changes, Draft

        if self._operation == "create":
            return {each.name for each in attrs.fields(Draft)}
        fields = attrs.fields(Changes) if self._operation == "update" else ()
        return {_INVOICE_ID, *(each.name for each in fields)}

    def write(self, iterator: Iterator[pa.RecordBatch]) -> Planned:
        """Turn the rows of one partition into writes; nothing is planned or sent yet."""
        from billingual.jobs.entry import body_text

        known = self._known()
        writes = []
        for batch in iterator:
            for row in batch.to_pylist(maps_as_pydicts="strict"):
                write = self._write_of(row, known)
                writes.append((write.id, write.target, body_text(write)))
        text = json.dumps(writes, ensure_ascii=False)
        return Planned(len(writes), zlib.compress(text.encode("utf-8", "surrogatepass"), 1))

    def commit(self, messages: list[WriterCommitMessage | None]) -> None:
        """Plan the writes of all partitions in one step, on the driver's machine."""
        asyncio.run(self._plan(cast("list[Planned]", messages)))

    async def _plan(self, messages: Sequence[Planned]) -> None:
        from billingual import AsyncJob, Secret
        from billingual.jobs.place import as_place

        named = _SECRET.fullmatch(self._ledger)
        ledger = as_place(_secret(self._ledger, "ledger").reveal() if named else self._ledger)
        # A database keeps many jobs, and a file one.
        name = self._job if isinstance(ledger, Secret) else None
        async with (
            self._options.client(*self._options.accounts()) as client,
            AsyncJob.open(ledger, client, job=name) as job,
        ):
            await job.plan(self._planned(messages), whole=True)

    def abort(self, messages: list[WriterCommitMessage | None]) -> None:
        """Do nothing: nothing was planned."""

    def _planned(self, messages: Sequence[Planned]) -> Iterator[PlannedWrite]:
        """Unpack the writes; a key that two rows have is none."""
        from billingual import Changes, Draft
        from billingual.jobs import Create, Delete, Update

        seen = set()
        for each in messages:
            for entry_id, target, body in json.loads(zlib.decompress(each.packed)):
                if entry_id in seen:
                    raise self._options.invalid(
                        self._id or "key",
                        f"two rows of the frame have the id {entry_id!r}",
                        "name columns that tell each row from all others",
                    )
                seen.add(entry_id)
                given = json.loads(body)
                if self._operation == "create":
                    yield Create(draft=Draft.from_dict(given), id=entry_id)
                elif self._operation == "update":
                    yield Update(invoice_id=target, changes=Changes.from_dict(given), id=entry_id)
                else:
                    yield Delete(invoice_id=target, id=entry_id)

    def _write_of(self, row: Mapping[str, Any], known: set[str]) -> PlannedWrite:
        """Turn a row into a write."""
        from billingual import Changes, Draft
        from billingual.errors import UsageError
        from billingual.jobs import Create, Delete, Update

        entry_id = self._entry_id(row)
        given = {name: row[name] for name in row if name in known and row[name] is not None}
        try:
            target = given.pop(_INVOICE_ID, None)
            if self._operation != "create" and not (isinstance(target, str) and target.strip()):
                raise self._options.invalid(_INVOICE_ID, "it is no id", "give the provider's id")
            total = given.get("total")
            if isinstance(total, Decimal) and isinstance(given.get("currency"), str):
                given["total"] = f"{total:f} {given['currency']}"
            if self._operation == "create":
                return Create(draft=Draft.from_dict(given), id=entry_id)
            if self._operation == "update":
                return Update(invoice_id=target, changes=Changes.from_dict(given), id=entry_id)
            return Delete(invoice_id=target, id=entry_id)
        except UsageError as error:
            error.add_note(f"this is the row with the id {entry_id!r}")
            raise

    def _entry_id(self, row: Mapping[str, Any]) -> str:
        if self._id:
            value = row[self._id]
            if isinstance(value, str) and value.strip():
                return value
            if type(value) is int:
                return str(value)
            raise self._options.invalid(
                self._id, f"{type(value).__name__} is no id", "give text or a whole number"
            )
        texts = [_key_text(self._options, name, row[name]) for name in self._key]
        return hashlib.sha256(json.dumps([self._job, *texts]).encode()).hexdigest()


def _key_text(options: _Options, name: str, value: object) -> str:
    """Write a value of a key, always the same for the same value."""
    if isinstance(value, Decimal):
        text = f"{value:f}"
        return text.rstrip("0").rstrip(".") if "." in text else text
    if isinstance(value, datetime) and value.tzinfo is not None:
        return value.astimezone(UTC).isoformat()
    if isinstance(value, (str, int, date)):
        return str(value)
    raise options.invalid(
        name,
        f"{type(value).__name__} is no part of a key",
        "give text, whole numbers, decimals, days or instants, and no null",
    )
