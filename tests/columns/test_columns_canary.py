"""No column, and no error of a library that reads them, shows the token."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from typing import Any

import duckdb
import polars as pl
import pytest

from _support.canary.paths import ECHOES, FAILURES
from _support.canary.search import Canary, said_by, shown_by
from billingual import Client, MemoryTransport, errors
from billingual.wire import WireRequest

UID = "550e8400-e29b-41d4-a716-44665544{:04}"
RAISED = (errors.BillingualError, asyncio.CancelledError, KeyboardInterrupt)
READERS: dict[str, Callable[[Any], object]] = {
    "polars": pl.DataFrame,
    "duckdb": lambda rows: duckdb.from_arrow(rows).fetchall(),
    "a table": lambda rows: rows.read_all(),
    "batches": list,
}


@pytest.mark.parametrize("name", [*FAILURES, *ECHOES])
def test_no_failing_list_shows_the_token(name: str, proof: Any) -> None:
    """The second page fails, and the response quotes the token if it can."""
    canary, failure = Canary(proof.seed), (FAILURES | ECHOES)[name]

    def respond(request: WireRequest) -> Any:
        if "page=2" in request.url:
            return failure(request)
        data = {"items": [{"uid": UID.format(1)}], "_meta": {"page": 1, "total_pages": 2}}
        return MemoryTransport.json(json.dumps({"status": "success", "data": data}))

    with Client(
        "exante", token=canary.reveal(), transport=MemoryTransport(respond), retry="none"
    ) as client:
        for by, read in READERS.items():
            rows = client.list(page_size=1).arrow()
            try:
                read(rows)
            except (*RAISED, pl.exceptions.ComputeError, duckdb.Error) as error:
                assert rows.error is not None
                # Polars cannot show the frames of its own that it left half-made.
                said = f"{error}{error!r}{said_by(rows.error)}"
            else:
                said = ""  # The other page was read, as one without rows.
            assert not canary.is_in(said), f"{by}: {canary.around(said)}"
            assert not canary.is_in(shown_by(rows)), by
            assert not canary.is_in(shown_by(rows.schema)), by
