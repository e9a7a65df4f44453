"""Bring a table in DuckDB up to date with dlt, run by run.

The provider is a sandbox behind a socket; your own is one option away.
"""

from __future__ import annotations

import tempfile
from pathlib import Path

import dlt
import duckdb

from billingual import Changes, Client, Filter
from billingual.integrations.dlt import invoices_resource
from billingual.sandbox import ACCOUNTS, running


def main(folder: Path) -> None:
    """Load, let an invoice be paid, and load again."""
    with running(invoices=300) as server:

        def client() -> Client:
            # Made anew in each run, so that no token gets into dlt's state or traces.
            return Client(
                "exante", token=ACCOUNTS["exante"].token, base_url=server.base_url("exante")
            )

        # A name of its own for the dataset: DuckDB takes the file's name for a catalog.
        pipeline = dlt.pipeline(
            "billing",
            destination=dlt.destinations.duckdb(str(folder / "billing.duckdb")),
            dataset_name="provider",
            pipelines_dir=str(folder / "pipelines"),
        )
        pipeline.run(invoices_resource(client, since="2025-01-01"))

        with client() as invoices:
            sent = invoices.list(Filter(status=["SENT"])).first()
            assert sent is not None
            invoices.update(sent.id, Changes(status="PAID"))

        # The second run reads what is open or recent, and what was open and is not any more.
        pipeline.run(invoices_resource(client, since="2025-01-01"))

    with duckdb.connect(str(folder / "billing.duckdb"), read_only=True) as connection:
        statuses = connection.execute(
            "SELECT status, count(*), sum(total_minor) FROM provider.invoices GROUP BY 1 ORDER BY 1"
        ).fetchall()
        status = connection.execute(
            "SELECT status FROM provider.invoices WHERE id = ?", [sent.id]
        ).fetchall()
    assert status == [("PAID",)]
    for name, count, total in statuses:
        print(f"{name:15} {count:5} {total:15,}")


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as place:
        main(Path(place))
