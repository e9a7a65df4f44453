"""A program that writes a frame, of which one task is so slow that Spark begins it a second time.

It is given the addresses of a cluster and of a provider, a ledger, and a folder in which each
attempt leaves a mark when it has written.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
from pyspark import TaskContext
from pyspark.sql import SparkSession

from billingual.integrations.spark import InvoiceDataSource, InvoiceWriter
from billingual.sandbox import LANDMARKS

MARKS = sys.argv[4]
KNOWN = (LANDMARKS["exante_party"], LANDMARKS["exante_owner"], LANDMARKS["exante_document"])


class SlowWriter(InvoiceWriter):
    """Write, leave a mark, and take long in the first attempt of the first task."""

    def write(self, iterator: Iterator[pa.RecordBatch]) -> Any:
        """Write slowly."""
        message = super().write(iterator)
        context = TaskContext.get()
        assert context is not None
        attempt = context.partitionId(), context.attemptNumber()
        Path(MARKS, "{}-{}".format(*attempt)).touch()
        if attempt == (0, 0):
            time.sleep(600)
        return message


class SlowSource(InvoiceDataSource):
    """A source with a slow writer."""

    def writer(self, schema: Any, overwrite: bool) -> Any:  # noqa: FBT001 - Spark's
        """Return the slow writer."""
        return SlowWriter(super().writer(schema, overwrite)._options, schema.names)


def main(cluster: str, base_url: str, ledger: str, _: str) -> None:
    """Write a frame of 40 drafts."""
    spark = (
        SparkSession.builder.master(cluster)
        .config("spark.ui.enabled", "false")
        .config("spark.driver.host", "127.0.0.1")
        .config("spark.executor.memory", "512m")
        .config("spark.speculation", "true")
        .config("spark.speculation.interval", "100ms")
        .config("spark.speculation.quantile", "0.5")
        .config("spark.speculation.multiplier", "1.5")
        .getOrCreate()
    )
    spark.dataSource.register(SlowSource)
    frame = spark.createDataFrame(
        [(f"S-{each}", *KNOWN) for each in range(40)],
        "number string, counterparty string, owner string, document string",
    )
    (
        frame.repartition(4)
        .write.format("invoices")
        .option("provider", "exante")
        .option("credential", "env:EXANTE_TOKEN")
        .option("base_url", base_url)
        .option("organization", LANDMARKS["exante_organization"])
        .option("job", "november")
        .option("ledger", ledger)
        .option("key", "number")
        .mode("append")
        .save()
    )


if __name__ == "__main__":
    main(*sys.argv[1:])
