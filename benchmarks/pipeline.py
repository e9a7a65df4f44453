"""How long do 100,000 invoices take from a provider into a table, and who does it how quickly?

``python benchmarks/pipeline.py``: the same 100,000 invoices from the same server on loopback, 100
to the page, into Parquet, into DuckDB, and through dlt into DuckDB; every run in a process of its
own, imports and all, on Sail and on Spark the start of the engine too. A run counts only if what it
landed is the truth: the number of ids and the sum of the amounts are compared by DuckDB, outside of
the time.

The script is what one writes by hand: httpx.AsyncClient, orjson and pyarrow, with four requests
under way and the same columns, the payload among them. It takes the list as it comes; so does
``.arrow()``. ``land`` and the resource for dlt prove that they saw each window whole, which costs
them requests. dlt's ``rest_api`` requests one page after another, as it always does. The peak of
memory is that of the process, and of each that it started.
"""

# ruff: noqa: PLC0415 - what is imported counts, and a peer may be missing

from __future__ import annotations

import asyncio
import json
import os
import random
import resource
import statistics
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final, TypeAlias

from _measuring import HERE, Cell, Study, arguments, fresh, serving
from _payloads import ROWS, Days
from _process import descendants, peak

SELF: Final = str(HERE / "pipeline.py")
KEY: Final = "ex_test"
WIDTH: Final = 4
AT_ONCE: Final = 10_000
Run: TypeAlias = Callable[[str, Path], object]


def _client(base: str) -> Any:
    from billingual import Client

    return Client("exante", token=KEY, base_url=base)


def _first_day(rows: int) -> str:
    return str(Days(rows).first)


async def _by_hand(base: str, take: Callable[[Any], object]) -> None:
    """Request pages four at once, and hand on tables of ten thousand rows."""
    import datetime as dt

    import httpx
    import orjson
    import pyarrow as pa

    text, whole, moment = pa.string(), pa.int64(), pa.timestamp("us", tz="UTC")
    contact = pa.struct([(name, text) for name in ("uid", "name", "title", "email", "phone")])
    party = pa.struct(
        [*((name, text) for name in ("uid", "name", "address", "role")), ("contact", contact)]
    )
    texts = ("uid", "invoice_number", "status", "collection_method", "document_uid")
    moments = ("issue_date", "due_date", "paid_date")
    amounts = (
        "total_cents", "subtotal_cents", "discount_cents", "tax_cents", "amount_due_cents",
        "amount_paid_cents", "amount_remaining_cents", "overdue_days",
    )  # fmt: skip
    schema = pa.schema([
        *((name, text) for name in texts), *((name, moment) for name in moments),
        *((name, whole) for name in amounts), ("counterparty", party), ("raw", text),
    ])  # fmt: skip

    def parsed(value: str | None) -> dt.datetime | None:
        return None if value is None else dt.datetime.fromisoformat(value)

    def party_of(row: dict[str, Any]) -> dict[str, Any]:
        given = row["parties"]["client"]
        return {**given, "contact": given["billing_contact"]}

    def table(rows: list[dict[str, Any]]) -> Any:
        columns = [[row.get(name) for row in rows] for name in texts]
        columns += [[parsed(row.get(name)) for row in rows] for name in moments]
        columns += [[row.get(name) for row in rows] for name in amounts]
        columns.append([party_of(row) for row in rows])
        columns.append([orjson.dumps(row).decode() for row in rows])
        arrays = [pa.array(c, type=f.type) for c, f in zip(columns, schema, strict=True)]
        return pa.Table.from_arrays(arrays, schema=schema)

    async with httpx.AsyncClient(headers={"Authorization": f"Bearer {KEY}"}) as client:

        async def fetch(number: int) -> dict[str, Any]:
            response = await client.get(f"{base}/api/invoices?page={number}&per_page={ROWS}")
            response.raise_for_status()
            data: dict[str, Any] = orjson.loads(response.content)["data"]
            return data

        first = await fetch(1)
        waiting = iter(range(2, first["_meta"]["total_pages"] + 1))
        rows: list[dict[str, Any]] = first["items"]

        async def some() -> None:
            nonlocal rows
            for number in waiting:
                # In a line of its own: += would keep the list of before the wait, and lose rows.
                items = (await fetch(number))["items"]
                rows += items
                if len(rows) >= AT_ONCE:
                    taken, rows = rows, []
                    take(table(taken))

        await asyncio.gather(*(some() for _ in range(WIDTH)))
        if rows:
            take(table(rows))


def script_to_parquet(base: str, place: Path) -> None:
    """Write one file by hand."""
    import pyarrow.parquet as pq

    writers: list[Any] = []

    def take(table: Any) -> None:
        if not writers:
            writers.append(pq.ParquetWriter(place / "rows.parquet", table.schema))
        writers[0].write_table(table)

    asyncio.run(_by_hand(base, take))
    writers[0].close()


def script_to_duckdb(base: str, place: Path) -> None:
    """Fill one table by hand."""
    import duckdb

    with duckdb.connect(str(place / "rows.duckdb")) as connection:

        def take(batch: Any) -> None:
            connection.register("batch", batch)
            connection.execute("CREATE TABLE IF NOT EXISTS invoices AS FROM batch LIMIT 0")
            connection.execute("INSERT INTO invoices FROM batch")

        asyncio.run(_by_hand(base, take))


def arrow_to_parquet(base: str, place: Path) -> None:
    """Write the columns of a list."""
    from arro3.io import write_parquet

    with _client(base) as client:
        write_parquet(client.list(prefetch=WIDTH).arrow(), str(place / "rows.parquet"))


def arrow_to_duckdb(base: str, place: Path) -> None:
    """Fill one table with the columns of a list."""
    import duckdb

    with _client(base) as client, duckdb.connect(str(place / "rows.duckdb")) as connection:
        connection.register("rows", client.list(prefetch=WIDTH).arrow())
        connection.execute("CREATE TABLE invoices AS FROM rows")


def land_in(name: str) -> Run:
    """Return the landing in a folder or a file."""

    def land(base: str, place: Path) -> None:
        with _client(base) as client:
            report = client.land(place / name, since=SINCE, concurrency=WIDTH)
        assert not report.incomplete

    return land


def _pipeline(place: Path) -> Any:
    import dlt

    return dlt.pipeline(
        "billing",
        destination=dlt.destinations.duckdb(str(place / "rows.duckdb")),
        dataset_name="main",
        pipelines_dir=str(place / "pipelines"),
    )


def dlt_rest_api(base: str, place: Path) -> None:
    """Run dlt with its own source for REST."""
    from dlt.sources.rest_api import rest_api_source

    source = rest_api_source({
        "client": {
            "base_url": base,
            "auth": {"type": "bearer", "token": KEY},
            "paginator": {
                "type": "page_number", "base_page": 1, "page_param": "page",
                "total_path": "data._meta.total_pages",
            },
        },
        "resource_defaults": {"primary_key": "uid", "write_disposition": "merge"},
        "resources": [{
            "name": "invoices",
            "endpoint": {
                "path": "/api/invoices",
                "params": {"per_page": ROWS},
                "data_selector": "data.items",
            },
        }],
    })  # fmt: skip
    _pipeline(place).run(source)


def dlt_resource(base: str, place: Path) -> None:
    """Run dlt with our resource."""
    from billingual.integrations.dlt import invoices_resource

    made = invoices_resource(lambda: _client(base), since=SINCE, concurrency=WIDTH)
    _pipeline(place).run(made)


def on_sail(base: str, place: Path) -> None:
    """Read our source of Spark's interface on Sail, which needs no Java."""
    from pysail.spark import SparkConnectServer
    from pyspark.sql import SparkSession

    _know_spark()
    server = SparkConnectServer(port=0)
    server.start(background=True)
    _, port = server.listening_address
    spark = SparkSession.builder.remote(f"sc://localhost:{port}").getOrCreate()
    _with_engine(spark, base, place)
    # It is of this process, whose end it would hold up for minutes.
    spark.stop()
    server.stop()


def on_spark(base: str, place: Path) -> None:
    """Read it on Spark itself, whose start is most of the time; wants Java 17.

    It ends with this process, which is asked before what its workers took.
    """
    from pyspark.sql import SparkSession

    _know_spark()
    _with_engine(SparkSession.builder.master(f"local[{WIDTH}]").getOrCreate(), base, place)


def _know_spark() -> None:
    """Say what workers need before they start: they have the environment of their parent."""
    os.environ |= {"EXANTE_TOKEN": KEY, "PYSPARK_PYTHON": sys.executable}


def _with_engine(spark: Any, base: str, place: Path) -> None:
    from billingual.integrations.spark import InvoiceDataSource

    spark.dataSource.register(InvoiceDataSource)
    rows = (
        spark.read.format("invoices")
        .option("provider", "exante")
        .option("credential", "env:EXANTE_TOKEN")
        .option("base_url", base)
        .option("from", SINCE)
        .load()
    )
    rows.write.parquet(str(place / "rows"))


SCRIPT_PARQUET: Final = "script: httpx + orjson + pyarrow"
SCRIPT_DUCKDB: Final = "script: httpx + orjson + pyarrow + duckdb"
ARROW_PARQUET: Final = "billingual .arrow(), arro3"
ARROW_DUCKDB: Final = "billingual .arrow(), duckdb"
LAND_PARQUET: Final = "billingual land, proven windows"
LAND_DUCKDB: Final = "billingual land, proven windows, upsert"
SAIL: Final = "billingual source for Spark, on Sail"
SPARK: Final = "billingual source for Spark, on Spark"
REST_API: Final = "dlt rest_api, merge"
RESOURCE: Final = "billingual resource for dlt, proven windows, merge"
RUNS: Final[dict[str, tuple[str, Run]]] = {
    SCRIPT_PARQUET: ("Parquet", script_to_parquet),
    ARROW_PARQUET: ("Parquet", arrow_to_parquet),
    LAND_PARQUET: ("Parquet", land_in("rows")),
    SAIL: ("Parquet", on_sail),
    SPARK: ("Parquet", on_spark),
    SCRIPT_DUCKDB: ("DuckDB", script_to_duckdb),
    ARROW_DUCKDB: ("DuckDB", arrow_to_duckdb),
    LAND_DUCKDB: ("DuckDB", land_in("rows.duckdb")),
    REST_API: ("DuckDB", dlt_rest_api),
    RESOURCE: ("DuckDB", dlt_resource),
}
SINCE = ""


def one(name: str, base: str, place: str, rows: str) -> None:
    """Run one of them, then print what it took; in a process of its own."""
    global SINCE  # noqa: PLW0603 - a process has one
    SINCE = _first_day(int(rows))
    started = time.perf_counter() - time.process_time()  # as long as the imports above took
    RUNS[name][1](base, Path(place))
    wall = time.perf_counter() - started
    used = resource.getrusage(resource.RUSAGE_SELF), resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = sum(each.ru_utime + each.ru_stime for each in used)
    cpu_below, peak_below = descendants()
    print(json.dumps({"wall": wall, "cpu": cpu + cpu_below, "peak": peak() + peak_below}))


def check(place: Path, rows: int) -> None:
    """Compare what was landed with the truth."""
    import duckdb

    if (place / "rows.duckdb").exists():
        connection = duckdb.connect(str(place / "rows.duckdb"), read_only=True)
        table = "main.invoices"
    else:
        connection = duckdb.connect()
        table = f"read_parquet('{place}/**/*.parquet', union_by_name = true)"
    with connection:
        names = [each[0] for each in connection.execute(f"DESCRIBE FROM {table}").fetchall()]
        key = "uid" if "uid" in names else "id"
        amount = "total_cents" if "total_cents" in names else "total_minor"
        counts = f"count(DISTINCT {key}), sum({amount})::BIGINT"
        latest = f"(SELECT {key}, any_value({amount}) AS {amount} FROM {table} GROUP BY {key})"  # noqa: S608
        found = connection.execute(f"SELECT {counts} FROM {latest}").fetchone()  # noqa: S608
    items = json.loads(Days(rows).page(1))["data"]["items"]
    expected = rows, rows // ROWS * sum(row["total_cents"] for row in items)
    if found != expected:
        raise ValueError(table, found, expected)


def measured(study: Study, base: str, rows: int, rounds: int) -> dict[str, list[dict[str, float]]]:
    """Run all of them in an order drawn anew in each round; a peer that fails is left out."""
    taken: dict[str, list[dict[str, float]]] = {}
    for _ in range(rounds):
        for name in random.sample(list(RUNS), len(RUNS)):
            if name in study.left_out:
                continue
            with tempfile.TemporaryDirectory() as folder:
                try:
                    found = fresh(SELF, "--one", name, base, folder, str(rows))
                    check(Path(folder), rows)
                except (RuntimeError, ValueError) as problem:
                    if name not in {SAIL, SPARK} and name.startswith(("billingual", "script")):
                        raise
                    study.leave_out(name, problem)
                    continue
            with urllib.request.urlopen(f"{base}/calls") as response:  # noqa: S310 - our server
                found["calls"] = int(response.read())
            print(f"{name}: {found['wall']:.1f} s, CPU {found['cpu']:.1f} s", flush=True)
            taken.setdefault(name, []).append(found)
    return taken


def tell(study: Study, taken: dict[str, list[dict[str, float]]], rows: int) -> None:
    """Tell *study* the medians, and the ratios within rounds."""
    beside = {"Parquet": SCRIPT_PARQUET, "DuckDB": SCRIPT_DUCKDB}
    for target, script in beside.items():
        table: list[list[Cell]] = []
        for name, (to, _) in RUNS.items():
            if to == target and name in taken:
                runs = taken[name]
                table.append([
                    name,
                    round(rows / _median(runs, "wall")),
                    _median(runs, "wall"),
                    ratio(taken, name, script),
                    _median(runs, "cpu"),
                    _median(runs, "peak") / 2**20,
                    int(_median(runs, "calls")),
                ])  # fmt: skip
        heads = ["side", "rows/s", "seconds", "beside the script", "CPU s", "peak MiB", "calls"]
        study.table(f"{rows:,} invoices into {target}", heads, table)
    for ours, other, limit in (
        (ARROW_PARQUET, SCRIPT_PARQUET, 1.0),
        (ARROW_DUCKDB, SCRIPT_DUCKDB, 1.0),
        (RESOURCE, REST_API, 0.5),
    ):
        if ours in taken and other in taken:
            study.goal(f"time of {ours}, beside {other}", ratio(taken, ours, other), limit)


def ratio(taken: dict[str, list[dict[str, float]]], name: str, beside: str) -> float:
    """Return the median of the ratios of times within rounds."""
    pairs = zip(taken[name], taken[beside], strict=True)
    return statistics.median(one["wall"] / other["wall"] for one, other in pairs)


def _median(runs: list[dict[str, float]], name: str) -> float:
    return statistics.median(run[name] for run in runs)


def main() -> None:
    """Measure, show and keep."""
    options = arguments(__doc__, rounds=2, rows=(0, "invoices; 100,000, quick 5,000"))
    rows = options.rows or (5_000 if options.quick else 100_000)
    study = Study("pipeline", "How long do 100,000 invoices take into a table?")
    study.settings |= {"rounds": options.rounds, "rows": rows, "requests at once": WIDTH}
    with serving(days=rows) as base:
        tell(study, measured(study, base, rows, options.rounds), rows)
    study.close(quick=options.quick)


if __name__ == "__main__":
    if sys.argv[1:2] == ["--one"]:
        one(*sys.argv[2:])
    else:
        main()
