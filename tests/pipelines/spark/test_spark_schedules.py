"""P6: whatever an engine does with its tasks, the ledger has one entry for each row."""

from __future__ import annotations

from pathlib import Path
from random import Random
from typing import Any

import pyarrow as pa
import pytest
from pyspark import cloudpickle

from billingual import Client, Job
from billingual.integrations.spark import InvoiceDataSource
from billingual.sandbox import ACCOUNTS, LANDMARKS

TOKEN = ACCOUNTS["exante"].token

SCHEMA = pa.schema(
    [(name, pa.string()) for name in ("customer", "period", "counterparty", "owner", "document")]
)
KNOWN = (LANDMARKS["exante_party"], LANDMARKS["exante_owner"], LANDMARKS["exante_document"])


class DriverDiedError(Exception):
    """The driver was killed."""


def carry_out(writer: Any, rows: list[dict[str, str]], chance: Random) -> None:
    """Write a frame as an engine may: in any parts, in any order, some tasks several times."""
    count = chance.randrange(1, 6)
    parts = [rows[each::count] for each in range(count)]
    attempts = [part for part in parts for _ in range(chance.randrange(1, 4))]
    chance.shuffle(attempts)
    won: dict[int, Any] = {}
    for part in attempts:
        # Each task has its own copy of the writer, and the driver takes any attempt's result.
        task = cloudpickle.loads(cloudpickle.dumps(writer))
        message = task.write(iter(pa.table(pa.Table.from_pylist(part, SCHEMA)).to_batches()))
        if chance.random() < 0.1:
            writer.abort([None, *won.values()])
            raise DriverDiedError
        won[parts.index(part)] = cloudpickle.loads(cloudpickle.dumps(message))
    if chance.random() < 0.2:
        raise DriverDiedError
    writer.commit(list(won.values()))
    if chance.random() < 0.2:
        raise DriverDiedError


def test_entries_are_rows_and_creates_are_entries(
    options: dict[str, str],
    client: Client,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    proof: Any,
) -> None:
    """Tasks fail and run twice, drivers die, frames are written again in other parts."""
    monkeypatch.setenv("EXANTE_TOKEN", TOKEN)
    chance = Random(proof.seed)  # noqa: S311 - no secret
    for number in range(proof.amount(10, 100)):
        ledger = tmp_path / f"{number}.db"
        given = options | {"job": f"{number}", "ledger": str(ledger), "key": "customer,period"}
        rows = [
            dict(zip(SCHEMA.names, (f"C-{each}", "2026-11", *KNOWN), strict=True))
            for each in range(chance.randrange(1, 12))
        ]
        before = len(list(client.list()))
        done = False
        while not done:
            chance.shuffle(rows)
            writer = InvoiceDataSource(given).writer(SCHEMA, overwrite=False)
            try:
                carry_out(writer, rows, chance)
                done = True
            except DriverDiedError:
                pass
            with Job.open(ledger, client, late_arrival_s=0.1) as job:
                assert job.report().total in {0, len(rows)}
                job.run()

        with Job.open(ledger, client, late_arrival_s=0.1) as job:
            assert len(rows) == job.report().committed
        assert before + len(rows) == len(list(client.list()))
