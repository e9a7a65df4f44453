"""Land invoices with Spark, compute, and write back: on Sail where it is installed, else on Spark.

The provider is a sandbox behind a socket; your own is one option away.
"""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from billingual import Client, Job
from billingual.integrations.spark import InvoiceDataSource
from billingual.sandbox import ACCOUNTS, LANDMARKS, running


@contextmanager
def engine() -> Iterator[Any]:
    """Start Sail, or Spark on this machine."""
    from pyspark.sql import SparkSession  # noqa: PLC0415 - after the variables are set

    try:
        from pysail.spark import SparkConnectServer  # noqa: PLC0415
    except ImportError:
        spark = SparkSession.builder.master("local[2]").getOrCreate()
        yield spark
        spark.stop()
    else:
        server = SparkConnectServer(port=0)
        server.start(background=True)
        _, port = server.listening_address
        spark = SparkSession.builder.remote(f"sc://localhost:{port}").getOrCreate()
        yield spark
        spark.stop()
        server.stop()


def main(folder: Path) -> None:
    """Plan a later due date for what is overdue longest."""
    # Both before the engine starts: its workers have the environment of their parent.
    os.environ["EXANTE_TOKEN"] = ACCOUNTS["exante"].token
    os.environ["PYSPARK_PYTHON"] = sys.executable
    with running(invoices=300) as server, engine() as spark:
        account = {
            "provider": "exante",
            "credential": "env:EXANTE_TOKEN",
            "base_url": server.base_url("exante"),
            "organization": LANDMARKS["exante_organization"],
        }
        spark.dataSource.register(InvoiceDataSource)

        # Land first: each action on this frame would read the provider again.
        frame = spark.read.format("invoices").options(**account).option("from", "2025-06-01").load()
        frame.write.parquet(str(folder / "landed"))

        # Compute on what was landed.
        landed = spark.read.parquet(str(folder / "landed"))
        landed.groupBy("status").count().orderBy("status").show()
        late = landed.filter("overdue_days > 60").selectExpr(
            "id as invoice_id", "'2027-01-31' as due_at"
        )

        # Write: this plans, and sends nothing. To do it again plans nothing new.
        (
            # Sail 0.7 writes only one of the partitions that a scan of files has, and then refuses.
            late.coalesce(1)
            .write.format("invoices")
            .options(**account)
            .option("operation", "update")
            .option("job", "more-time-2026-11")
            .option("ledger", str(folder / "job.db"))
            .option("key", "invoice_id")
            .mode("append")
            .save()
        )

        # One program sends.
        options = {name: account[name] for name in ("base_url", "organization")}
        with (
            Client("exante", token=os.environ["EXANTE_TOKEN"], **options) as client,
            Job.open(folder / "job.db", client) as job,
        ):
            print(job.run())


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as place:
        main(Path(place))
