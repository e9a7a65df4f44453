"""P12: no plan, pickle or message holds a secret."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from pyspark import cloudpickle
from pyspark.sql.types import StringType, StructField, StructType

from billingual import UsageError
from billingual.integrations.spark import InvoiceDataSource
from billingual.sandbox import ACCOUNTS

TOKEN = ACCOUNTS["exante"].token

Options = dict[str, str]

COLUMNS = StructType([StructField("invoice_id", StringType())])
WRITE = {"job": "november", "ledger": "job.db", "key": "invoice_id", "operation": "delete"}
STREAM = {"from": "2026-01-01", "lookback_days": "0"}


@pytest.fixture(autouse=True)
def _token(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EXANTE_TOKEN", TOKEN)


def test_what_travels_holds_no_secret(options: Options) -> None:
    """All of it is pickled by value, with what it refers to."""
    reader = InvoiceDataSource(options).reader(COLUMNS)
    stream = InvoiceDataSource(options | STREAM).streamReader(COLUMNS)
    writer = InvoiceDataSource(options | WRITE).writer(COLUMNS, overwrite=False)
    travelling: list[Any] = [InvoiceDataSource(options), reader, stream, writer]

    for each in [*travelling, *reader.partitions()]:
        pickled = cloudpickle.dumps(each)
        assert b"env:EXANTE_TOKEN" in pickled
        assert TOKEN.encode() not in pickled
        assert TOKEN not in repr(vars(each))


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("credential", TOKEN),
        ("credential", f"env:EXANTE_TOKEN,{TOKEN}"),
        ("token", TOKEN),
        ("ledger", f"postgresql://anna:{TOKEN}@host/db"),
        ("ledger", f"postgresql://anna@host/db?password={TOKEN}"),
        ("ledger", f"host=db user=anna password={TOKEN}"),
        ("base_url", f"https://anna:{TOKEN}@host"),
    ],
)
def test_a_secret_in_an_option_is_refused_and_not_shown(
    options: Options, name: str, value: str
) -> None:
    """Each plan would show it."""
    source = InvoiceDataSource(options | WRITE | {name: value})

    with pytest.raises(UsageError, match=name) as caught:
        source.writer(COLUMNS, overwrite=False)

    assert TOKEN not in repr(caught.value) + str(caught.value)


def test_the_address_of_a_store_is_found_where_its_option_says(
    options: Options, tmp_path: Path
) -> None:
    """The limiter reads the address, which may have a password, and does not show it."""
    place = tmp_path / "store"
    place.write_text(f"ftp://:{TOKEN}@host\n", encoding="utf-8")
    shared = {"calls_per_second": "5", "max_workers": "2", "rate_store": f"file:{place}"}
    source = InvoiceDataSource(options | WRITE | shared)

    with pytest.raises(UsageError, match="redis://") as caught:
        source.writer(COLUMNS, overwrite=False)

    assert TOKEN not in repr(caught.value) + str(caught.value)


def test_what_an_engine_shows_holds_no_secret(
    spark: Any, options: Options, capfd: pytest.CaptureFixture[str]
) -> None:
    """Its plans say where the secret is."""
    spark.read.format("invoices").options(**options).load().explain(True)

    assert TOKEN not in "".join(capfd.readouterr())
