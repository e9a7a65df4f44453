"""Report what is owed and since when, in buckets of days, and draw it: Polars and Altair.

``python examples/pipelines/polars_ageing.py [PICTURE]``; the provider is the sandbox.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

import altair as alt
import polars as pl

from billingual import Client
from billingual.landing import OPEN_STATUSES
from billingual.model import Filter

BUCKETS = ["not due", "1-30", "31-60", "61-90", "over 90"]


def ageing(invoices: pl.DataFrame) -> pl.DataFrame:
    """Add up what remains to be paid, by how many days it is overdue.

    A list states no currency: all amounts must be in one, and here it is one with cents.
    """
    days = pl.col("overdue_days").fill_null(0)
    bucket = (
        pl.when(days <= 0).then(pl.lit("not due"))
        .when(days <= 30).then(pl.lit("1-30"))
        .when(days <= 60).then(pl.lit("31-60"))
        .when(days <= 90).then(pl.lit("61-90"))
        .otherwise(pl.lit("over 90"))
    )  # fmt: skip
    order = pl.Enum(BUCKETS)
    return (
        invoices.filter(pl.col("amount_remaining_minor") > 0)
        .group_by(bucket.cast(order).alias("bucket"))
        .agg(invoices=pl.len(), minor=pl.col("amount_remaining_minor").sum())
        .join(pl.DataFrame({"bucket": pl.Series(BUCKETS, dtype=order)}), on="bucket", how="right")
        .with_columns(pl.col("invoices", "minor").fill_null(0))
        .sort("bucket")
    )


def chart(report: pl.DataFrame) -> alt.LayerChart:
    """Draw a bar for each bucket, with its amount above."""
    shown = report.with_columns(
        thousands=pl.col("minor") / 100_000, bucket=pl.col("bucket").cast(pl.String)
    )
    bars = alt.Chart(shown, title="Receivables by days overdue").encode(
        x=alt.X("bucket:N", sort=BUCKETS, title="days overdue", axis=alt.Axis(labelAngle=0)),
        y=alt.Y("thousands:Q", title="remaining, thousands"),
    )
    texts = bars.mark_text(dy=-8).encode(text=alt.Text("thousands:Q", format=",.0f"))
    layers: alt.LayerChart = (bars.mark_bar() + texts).properties(width=420, height=260)
    return layers


def main(picture: Path) -> None:
    """Read the columns that are needed, report, and draw."""
    with Client("exante", transport="sandbox") as client:
        open_ones = client.list(Filter(status=OPEN_STATUSES), prefetch=4)
        report = ageing(pl.DataFrame(open_ones.arrow(raw=False)))

    print(report)
    chart(report).save(picture, scale_factor=2)
    assert picture.stat().st_size > 0


if __name__ == "__main__":
    if len(sys.argv) > 1:
        main(Path(sys.argv[1]))
    else:
        with tempfile.TemporaryDirectory() as folder:
            main(Path(folder) / "ageing.png")
