"""What was landed, and what the provider really has: read without any code of the client."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final

import duckdb
import httpx

from billingual.landing import landed_files
from billingual.sandbox import ACCOUNTS
from billingual.sandbox.server import Running

__all__ = ["TARGETS", "landed", "noted_as_gone", "truth"]

TARGETS: Final = (
    "folder", "invoices.duckdb",
    # Its library, of 40 MB, is installed by the session pipelines, which runs these tests again.
    *(["invoices.delta"] if find_spec("deltalake") else []),
)  # fmt: skip

# Files of before and after a column was empty may be read together.
_LATEST: Final = """
SELECT id, status, number, raw FROM read_parquet(?, union_by_name = true)
QUALIFY row_number() OVER (PARTITION BY id ORDER BY _seen_at DESC) = 1 AND _deleted_at IS NULL
"""


def landed(target: Path) -> dict[str, tuple[Any, ...]]:
    """Return status and number of each landed invoice, by its id; each id is there once."""
    if target.suffix == ".delta":
        rows = _of_delta(target, "IS NULL")
    elif target.is_dir():
        files = landed_files(target)
        rows = duckdb.connect().execute(_LATEST, [files]).fetchall() if files else []
    else:
        with duckdb.connect(str(target), read_only=True) as connection:
            rows = connection.execute("SELECT id, status, number, raw FROM invoices").fetchall()
    found = {invoice_id: (status, number) for invoice_id, status, number, _ in rows}
    assert len(found) == len(rows)
    return found


def noted_as_gone(target: Path) -> dict[str, str]:
    """Return the number of each invoice that was landed and is gone, by its id."""
    if target.suffix == ".delta":
        rows = _of_delta(target, "IS NOT NULL")
    elif target.is_dir():
        latest = _LATEST.replace("IS NULL", "IS NOT NULL")
        rows = duckdb.connect().execute(latest, [landed_files(target)]).fetchall()
    else:
        with duckdb.connect(str(target), read_only=True) as connection:
            query = "SELECT id, status, number FROM landed_invoices WHERE _deleted_at IS NOT NULL"
            rows = connection.execute(query).fetchall()
    return {row[0]: row[2] for row in rows}


def _of_delta(target: Path, deleted: str) -> list[tuple[Any, ...]]:
    from deltalake import DeltaTable, QueryBuilder  # noqa: PLC0415 - see above

    query = QueryBuilder().register("t", DeltaTable(str(target)))
    names = ("id", "status", "number", "raw")
    found = query.execute(f"SELECT {', '.join(names)} FROM t WHERE _deleted_at {deleted}")  # noqa: S608 - our own words
    batches = list(found)
    return [
        row
        for batch in batches
        for row in zip(*(batch.column(name).to_pylist() for name in names), strict=True)
    ]


def truth(server: Running) -> dict[str, tuple[Any, ...]]:
    """Return the same of what the server has, asked page by page while nothing is written."""
    headers = {"Authorization": f"Bearer {ACCOUNTS['exante'].token}"}
    found: dict[str, tuple[Any, ...]] = {}
    number, is_last = 0, False
    with httpx.Client(base_url=server.base_url("exante"), headers=headers) as client:
        while not is_last:
            number += 1
            params: dict[str, Any] = {"page": number, "per_page": 100, "include_inactive": "true"}
            data = client.get("/api/invoices", params=params).json()["data"]
            is_last = len(data["items"]) < params["per_page"]
            for item in data["items"]:
                found[item["uid"]] = (item["status"], item["invoice_number"])
    return found
