"""Frames of invoices, on Sail and on Spark alike."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import attrs
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pyspark.sql.types import StructType

from billingual import Client, Filter, columns
from billingual.integrations.spark import InvoiceDataSource
from billingual.sandbox import Running

EVERYTHING = Filter(include_inactive=True)
Options = dict[str, str]
Walks = Callable[[], Counter[str]]


def read(spark: Any, **options: str) -> Any:
    """Read a batch."""
    return spark.read.format("invoices").options(**options).load()


def frame_windows(options: Options) -> int:
    """Count the windows that a frame has."""
    source = InvoiceDataSource(options | {"from": "2025-06-02", "days": "7"})
    return len(source.reader(StructType()).partitions())


def landed(frame: Any, place: Path) -> pa.Table:
    """Land a frame, and read what was landed."""
    frame.write.parquet(str(place))
    return pq.read_table(place)


def test_all_windows_together_have_every_row_once(
    spark: Any, options: Options, client: Client, walks: Walks, tmp_path: Path
) -> None:
    """P4: what is landed is what the provider has, and each window is read once."""
    truth = sorted(each.id for each in client.list(EVERYTHING))
    before = walks()

    frame = read(spark, **options, **{"from": "2025-06-02", "days": "7"})
    rows = landed(frame, tmp_path / "landed")

    assert truth == sorted(rows["id"].to_pylist())
    assert {1} == set((walks() - before).values())
    assert frame_windows(options) == len(walks() - before)


def test_days_outside_are_not_read(
    spark: Any, options: Options, client: Client, walks: Walks, tmp_path: Path
) -> None:
    """Both days are included; another number of days makes other windows of the same rows."""
    truth = sorted(
        each.id
        for each in client.list(
            attrs.evolve(EVERYTHING, issued_from="2026-03-01", issued_to="2026-05-31")
        )
    )
    before = walks()

    frame = read(spark, **options, **{"from": "2026-03-01", "to": "2026-05-31", "days": "13"})
    rows = landed(frame, tmp_path / "landed")

    assert truth == sorted(rows["id"].to_pylist())
    assert 8 == len(walks() - before)


def test_values_are_those_of_the_one_schema(spark: Any, options: Options, client: Client) -> None:
    """Names and values are those of ``billingual.columns``, the payloads included."""
    expected = pa.table(client.list(EVERYTHING).arrow())

    rows = read(spark, **options).toArrow()

    assert columns.schema().names == rows.schema.names
    for name in rows.schema.names:
        wanted = dict(zip(expected["id"].to_pylist(), expected[name].to_pylist(), strict=True))
        assert wanted == dict(zip(rows["id"].to_pylist(), rows[name].to_pylist(), strict=True)), (
            name
        )


def test_payloads_can_be_left_out(spark: Any, options: Options) -> None:
    """Then there is no column for them."""
    assert columns.schema(raw=False).names == read(spark, **options, raw="false").columns


def test_several_accounts_are_told_apart(
    spark: Any, options: Options, client: Client, tmp_path: Path
) -> None:
    """Each credential has windows of its own, and a column names whose row it is."""
    truth = sorted(each.id for each in client.list(EVERYTHING))
    named = options | {"credential": "env:EXANTE_TOKEN, env:ALSO_TOKEN"}

    rows = landed(read(spark, **named), tmp_path / "landed").to_pylist()

    for name in ("env:EXANTE_TOKEN", "env:ALSO_TOKEN"):
        account = f"{name} {options['organization']}"
        assert truth == sorted(each["id"] for each in rows if each["account"] == account)


def test_an_empty_window_is_no_error(spark: Any, options: Options) -> None:
    """Nothing was issued then."""
    frame = read(spark, **options, **{"from": "1999-01-01", "to": "1999-03-01"})

    assert [] == frame.collect()


def test_a_window_that_fails_fails_the_frame(spark: Any, options: Options, server: Running) -> None:
    """An error of the provider is shown with its name, and nothing is landed in silence."""
    server.app.add_fault("status", status=403, times=100)

    with pytest.raises(Exception, match="PermissionDeniedError"):
        read(spark, **options, **{"from": "2026-03-01"}).collect()


def test_a_missing_secret_is_named(spark: Any, options: Options) -> None:
    """The worker says which variable it lacks."""
    with pytest.raises(Exception, match=r"no secret in env:NO_SUCH_TOKEN"):
        read(spark, **options | {"credential": "env:NO_SUCH_TOKEN"}).collect()
