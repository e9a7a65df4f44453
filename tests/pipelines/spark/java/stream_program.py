"""A program that lands a stream of invoices, made to be killed at any instant and run again.

It is given the address of a provider and a folder. It says ``running`` when the query runs, and at
the end the ids that were landed.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

from pyspark.sql import SparkSession

from billingual.integrations.spark import InvoiceDataSource
from billingual.sandbox import LANDMARKS


def main(base_url: str, folder: str) -> None:
    """Land what is over, in many small batches."""
    spark = (
        SparkSession.builder.master("local[2]")
        .config("spark.ui.enabled", "false")
        .config("spark.sql.shuffle.partitions", "2")
        .getOrCreate()
    )
    spark.sparkContext.setLogLevel("OFF")
    spark.dataSource.register(InvoiceDataSource)
    stream = (
        spark.readStream.format("invoices")
        .option("provider", "exante")
        .option("credential", "env:EXANTE_TOKEN")
        .option("base_url", base_url)
        .option("organization", LANDMARKS["exante_organization"])
        .option("from", "2025-06-02")
        .option("days", "3")
        .option("lookback_days", "30")
        .option("windows_per_batch", "1")
        .load()
    )
    query = (
        stream.writeStream.format("parquet")
        .option("path", f"{folder}/landed")
        .option("checkpointLocation", f"{folder}/checkpoint")
        .trigger(availableNow=True)
        .start()
    )
    sys.stdout.write("running\n")
    sys.stdout.flush()
    query.awaitTermination()
    ids = [row.id for row in spark.read.parquet(f"{folder}/landed").select("id").collect()]
    Path(folder, "ids.json").write_text(json.dumps(ids), encoding="utf-8")


if __name__ == "__main__":
    main(*sys.argv[1:])
