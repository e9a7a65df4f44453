"""What only Spark itself does with a task: it begins one that failed anew."""

from __future__ import annotations

import itertools
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pyspark import TaskContext, cloudpickle
from pyspark.sql.types import StructType

from billingual import Client, Filter, Job
from billingual.integrations.spark import InvoiceDataSource, InvoiceReader, InvoiceWriter
from billingual.sandbox import ACCOUNTS, LANDMARKS

Options = dict[str, str]
Walks = Callable[[], Counter[str]]

cloudpickle.register_pickle_by_value(sys.modules[__name__])

MOST = 4
"""How often Spark begins a task, in this session."""

KNOWN = (LANDMARKS["exante_party"], LANDMARKS["exante_owner"], LANDMARKS["exante_document"])


class BrokenError(Exception):
    """A task failed."""


def failures(shift: int) -> int:
    """Say how often the task that asks is to fail: each number comes to each partition."""
    context = TaskContext.get()
    assert context is not None
    return (context.partitionId() + shift) % MOST


def is_to_fail(shift: int) -> bool:
    """Tell the task that asks whether this attempt is to fail."""
    context = TaskContext.get()
    assert context is not None
    return bool(context.attemptNumber() < failures(shift))


class FailingReader(InvoiceReader):
    """Fail at an instant."""

    def __init__(self, options: Any, shift: int, instant: str) -> None:
        super().__init__(options)
        self._shift, self._instant = shift, instant

    def read(self, partition: Any) -> Iterator[pa.RecordBatch]:
        """Read, and fail."""
        fails = is_to_fail(self._shift)
        if fails and self._instant == "start":
            raise BrokenError
        for batch in super().read(partition):
            yield batch
            if fails and self._instant == "middle":
                raise BrokenError
        if fails:
            raise BrokenError


class FailingWriter(InvoiceWriter):
    """Fail at an instant."""

    def __init__(self, options: Any, columns: Any, shift: int, instant: str) -> None:
        super().__init__(options, columns)
        self._shift, self._instant = shift, instant

    def write(self, iterator: Iterator[pa.RecordBatch]) -> Any:
        """Write, and fail."""
        fails = is_to_fail(self._shift)
        if fails and self._instant == "start":
            raise BrokenError
        message = super().write(iterator)
        if fails:
            raise BrokenError
        return message


def failing_source(shift: int, instant: str) -> type[InvoiceDataSource]:
    """Make a source whose tasks fail at an instant, each as often as *shift* says."""

    class Source(InvoiceDataSource):
        @classmethod
        def name(cls) -> str:
            return "failing"

        def reader(self, schema: Any) -> Any:
            return FailingReader(super().reader(schema)._options, shift, instant)

        def writer(self, schema: Any, overwrite: bool) -> Any:  # noqa: FBT001 - Spark's
            made = super().writer(schema, overwrite)
            return FailingWriter(made._options, schema.names, shift, instant)

    return Source


CASES = list(itertools.product(range(MOST), ("start", "middle", "end")))


def test_each_task_may_fail_at_each_attempt(
    spark: Any, options: Options, client: Client, walks: Walks, tmp_path: Path, proof: Any
) -> None:
    """P4: rows are the truth, and a window is read once by each attempt that reads."""
    # So few days that each window is one page, and none has to be divided.
    windows = {"from": "2026-08-01", "days": "14"}
    count = len(InvoiceDataSource(options | windows).reader(StructType()).partitions())
    wanted = Filter(issued_from=windows["from"], include_inactive=True)
    truth = sorted(each.id for each in client.list(wanted))
    for shift, instant in CASES[:: proof.amount(5, 1)]:
        before = walks()
        spark.dataSource.register(failing_source(shift, instant))
        place = tmp_path / f"{shift}-{instant}"

        spark.read.format("failing").options(**options, **windows).load().write.parquet(str(place))

        assert truth == sorted(pq.read_table(place)["id"].to_pylist()), (shift, instant)
        begun = walks() - before
        assert count == len(begun)
        fewest = 0 if instant == "start" else sum((each + shift) % MOST for each in range(count))
        # A window without rows has no middle.
        assert count + fewest * (instant == "end") <= begun.total() <= count + fewest


def test_each_task_may_fail_after_it_wrote(
    spark: Any, options: Options, client: Client, tmp_path: Path, proof: Any
) -> None:
    """P6: entries are rows, and creates are entries."""
    for shift, instant in CASES[:: proof.amount(5, 1)]:
        name = f"{shift}-{instant}"
        before = len(list(client.list()))
        frame = spark.createDataFrame(
            [(f"{name}-{each}", *KNOWN) for each in range(20)],
            "number string, counterparty string, owner string, document string",
        ).repartition(MOST)
        spark.dataSource.register(failing_source(shift, instant))
        ledger = tmp_path / f"{name}.db"
        written = {"job": name, "ledger": str(ledger), "key": "number"}

        frame.write.format("failing").options(**options, **written).mode("append").save()

        with Job.open(ledger, client, late_arrival_s=0.1) as job:
            assert 20 == job.report().total
            assert 20 == job.run().committed
        assert before + 20 == len(list(client.list()))


def test_a_task_that_always_fails_plans_nothing(
    spark: Any, options: Options, client: Client, tmp_path: Path
) -> None:
    """Spark gives the frame up; what other tasks did is withdrawn with it."""
    frame = spark.createDataFrame(
        [("A", *KNOWN), (None, *KNOWN)],
        "number string, counterparty string, owner string, document string",
    )
    ledger = tmp_path / "job.db"
    written = {"job": "november", "ledger": str(ledger), "key": "number"}

    with pytest.raises(Exception, match="no part of a key"):
        frame.write.format("invoices").options(**options, **written).mode("append").save()

    with Job.open(ledger, client) as job:
        assert 0 == job.report().total


def test_the_event_log_holds_no_secret(
    spark: Any, options: Options, events: Path, tmp_path: Path
) -> None:
    """P12: it has each plan with its options, and the system's variables."""
    spark.read.format("invoices").options(**options).load().write.parquet(str(tmp_path / "landed"))

    logs = [each.read_bytes() for each in events.rglob("*") if each.is_file()]

    assert any(b"invoices" in each for each in logs)
    assert all(ACCOUNTS["exante"].token.encode() not in each for each in logs)
