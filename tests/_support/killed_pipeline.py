"""A program that runs a pipeline of dlt once, made to be killed at any instant and run again.

It is given the URL of the provider and a folder, and says ``running`` before it begins.
"""

from __future__ import annotations

import sys
from pathlib import Path

import dlt

from billingual import Client
from billingual.integrations.dlt import invoices_resource
from billingual.sandbox import ACCOUNTS


def make_pipeline(place: Path) -> dlt.Pipeline:
    """Make the pipeline that works in a folder, or find it again."""
    return dlt.pipeline(
        "billing",
        destination=dlt.destinations.duckdb(str(place / "billing.duckdb")),
        dataset_name="provider",
        pipelines_dir=str(place / "pipelines"),
    )


def main(url: str, place: Path, since: str) -> None:
    """Load what an earlier run left behind, and run."""
    pipeline = make_pipeline(place)
    sys.stdout.write("running\n")
    sys.stdout.flush()
    if pipeline.has_pending_data:
        pipeline.run()

    def client() -> Client:
        return Client("exante", token=ACCOUNTS["exante"].token, base_url=url)

    pipeline.run(invoices_resource(client, since=since))


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]), sys.argv[3])
