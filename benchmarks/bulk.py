"""What does the ledger cost: updates as a job, beside a raw loop that loses its place?

``python benchmarks/bulk.py``: invoices are set to SENT in batches of 100, 20,000 of them one batch
after another and 50,000 with 4 and with 16 requests under way, at a server that responds after 20
ms; every run in a process of its own. The raw loop sends the same bodies over the same transport
and reads each response with json; it keeps nothing, so that a kill would leave it with no idea of
what is done. Beside it is the least that would know: the same loop with a table of its own in
SQLite, where each write is in flight on the disk before its request, and done after it. A job keeps
as much and more in its ledger, and compares each invoice with what was asked for. A job that takes
its steps in memory shows what SQLite costs of that. To plan the writes takes time of its own,
before the first request; a column shows it. A job knows what an invoice was like before an update
in three ways: it need not (*sole writer*), the plan brings it along, or the job reads each invoice
first, which is a request an invoice.

The peer is elasticsearch-py, whose ``async_streaming_bulk`` sends the same updates to the same
server in its own form, in as many streams as requests are under way; its responses are a tenth as
long, and it keeps nothing either.
"""

from __future__ import annotations

import asyncio
import json
import random
import sqlite3
import statistics
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final, TypeAlias, TypeVar

import httpx
from _measuring import HERE, Cell, Study, arguments, fresh, serving
from _payloads import ROWS, Batches
from _peers import KEY, SIGNED
from _process import peak

from billingual import AsyncClient, AsyncJob, Changes
from billingual.jobs import Claim, SqliteLedger, State
from billingual.model import Invoice

SELF: Final = str(HERE / "bulk.py")
DELAY_S: Final = 0.02
COUNTS: Final = {1: 200, 4: 500, 16: 500}
"""Batches by how many are under way at once: enough for a second at least."""
CHANGE: Final = {"status": "SENT"}
RAW: Final = "raw loop, same transport + json"
DURABLE: Final = "raw loop + a table of SQLite"
LOOP: Final = "billingual, loop of update_many without a ledger"
SOLE: Final = "billingual job, sole writer"
KNOWN: Final = "billingual job, invoices given with the plan"
READ: Final = "billingual job, reads each invoice before"
FORGETFUL: Final = "billingual job, sole writer, its steps in memory"
Run: TypeAlias = Callable[[str, int, int], Awaitable[dict[str, float]]]
Batch: TypeAlias = tuple[str, ...]
T = TypeVar("T")


def batches(count: int) -> Iterator[Batch]:
    """Return the ids of *count* batches."""
    made = Batches()
    return (made.ids(number) for number in range(count))


async def drained(work: Callable[[Batch], Awaitable[object]], count: int, width: int) -> None:
    """Give each batch to *work*, *width* at once."""
    waiting = batches(count)

    async def some() -> None:
        for batch in waiting:
            await work(batch)

    await asyncio.gather(*(some() for _ in range(width)))


async def timed(
    work: Callable[[Batch], Awaitable[object]], count: int, width: int
) -> dict[str, float]:
    """Warm up, then measure."""
    await drained(work, 2 * width, width)
    cpu, start = time.process_time(), time.perf_counter()
    await drained(work, count, width)
    return {"wall": time.perf_counter() - start, "cpu": time.process_time() - cpu}


def body_of(batch: Batch) -> bytes:
    """Write a batch by hand."""
    return json.dumps([{"uid": uid, **CHANGE} for uid in batch]).encode()


def checked(status: int, body: bytes) -> None:
    """Read a response by hand."""
    if status != 200 or len(json.loads(body)["data"]) != ROWS:
        raise ValueError(status)


async def raw(base: str, count: int, width: int) -> dict[str, float]:
    """Send bodies over the transport that the client has."""
    async with _sending(base) as send:
        return await timed(lambda batch: send(body_of(batch)), count, width)


async def durable(base: str, count: int, width: int) -> dict[str, float]:
    """Likewise, and keep on the disk what is in flight and what is done."""
    with tempfile.TemporaryDirectory() as folder, ThreadPoolExecutor(1) as thread:
        table = Table(Path(folder) / "table.db")

        async def run(number: int) -> dict[str, float]:
            table.plan(batches(number))

            async def some() -> None:
                loop = asyncio.get_running_loop()
                done: int | None = None
                while claimed := await loop.run_in_executor(thread, table.step, done):
                    done, body = claimed
                    await send(body)

            cpu, start = time.process_time(), time.perf_counter()
            await asyncio.gather(*(some() for _ in range(width)))
            return {"wall": time.perf_counter() - start, "cpu": time.process_time() - cpu}

        async with _sending(base) as send:
            await run(2 * width)
            return await run(count)


class Forgetful(SqliteLedger):
    """A ledger that plans on the disk, and takes the steps of a run in memory alone."""

    def remember(self, count: int) -> None:
        """Read all that is planned."""
        planned = self.entries((), 0, count)
        self._left = [planned[at : at + ROWS] for at in range(0, count, ROWS)]
        self._settled = 0

    def together(self, call: Callable[[], T]) -> T:
        """Take steps one by one."""
        return call()

    def claim(self, *, owner: str, lease: float, **_: object) -> Claim | None:
        """Take the next batch."""
        if not self._left:
            return None
        entries = tuple(self._left.pop(0))
        return Claim(kind="send", request=entries[0].seq, owner=owner, lease=lease, entries=entries)

    def claim_look(self, **_: object) -> None:
        """Find nothing to look at."""

    def next_due(self, **_: object) -> None:
        """Say that there is nothing to wait for."""

    def commit(self, claim: Claim, **_: object) -> None:
        """Count."""
        self._settled += len(claim.entries)

    def counts(self) -> dict[State, int]:
        """Return what was counted."""
        return {State.COMMITTED: self._settled}


class Table:
    """The least that knows after a kill what was sent: a row for each write, and for each batch."""

    def __init__(self, path: Path) -> None:
        self._connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
        self._connection.executescript(
            "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL;"
            "CREATE TABLE batch (id INTEGER PRIMARY KEY, body BLOB, started REAL, ended REAL);"
            "CREATE TABLE write (id INTEGER PRIMARY KEY, uid TEXT, state TEXT, batch INTEGER);"
            "CREATE INDEX of_batch ON write (batch)"
        )
        self._next = 1

    def plan(self, planned: Iterator[Batch]) -> None:
        """Keep batches; each is sent as it is kept."""
        run = self._connection
        run.execute("BEGIN")
        for batch in planned:
            made = run.execute("INSERT INTO batch (body) VALUES (?)", (body_of(batch),)).lastrowid
            rows = [(uid, "planned", made) for uid in batch]
            run.executemany("INSERT INTO write (uid, state, batch) VALUES (?, ?, ?)", rows)
        run.execute("COMMIT")

    def step(self, done: int | None) -> tuple[int, bytes] | None:
        """Keep that a batch is done, and that the next one is in flight; return that one."""
        run = self._connection.execute
        run("BEGIN IMMEDIATE")
        if done is not None:
            run("UPDATE write SET state = 'done' WHERE batch = ?", (done,))
            run("UPDATE batch SET ended = ? WHERE id = ?", (time.time(), done))
        found = run("SELECT body FROM batch WHERE id = ?", (self._next,)).fetchone()
        if found is not None:
            run("UPDATE write SET state = 'in flight' WHERE batch = ?", (self._next,))
            run("UPDATE batch SET started = ? WHERE id = ?", (time.time(), self._next))
        run("COMMIT")
        if found is None:
            return None
        self._next += 1
        return self._next - 1, found[0]


@asynccontextmanager
async def _sending(base: str) -> AsyncIterator[Callable[[bytes], Awaitable[None]]]:
    from billingual.backends.anyio import AnyioBackend  # noqa: PLC0415 - likewise
    from billingual.outcomes import Safety  # noqa: PLC0415 - likewise
    from billingual.wire import Headers, WireRequest  # noqa: PLC0415 - likewise
    from transports import bounds, made  # noqa: PLC0415 - another benchmark's; seldom wanted

    backend = AnyioBackend()
    transport = made("httpx", backend)
    headers = Headers([*SIGNED.items(), ("Content-Type", "application/json")])

    async def send(body: bytes) -> None:
        request = WireRequest(
            method="PUT", url=f"{base}/api/invoices", route="/api/invoices",
            safety=Safety.IDEMPOTENT, headers=headers, body=body,
        )  # fmt: skip
        response = await transport.send(request, bounds(backend))
        checked(response.status, response.body)

    try:
        yield send
    finally:
        await transport.aclose()


async def raw_httpx(base: str, count: int, width: int) -> dict[str, float]:
    """Send bodies with httpx itself."""
    headers = {**SIGNED, "Content-Type": "application/json"}
    async with httpx.AsyncClient(headers=headers) as client:

        async def work(batch: Batch) -> None:
            response = await client.put(f"{base}/api/invoices", content=body_of(batch))
            checked(response.status_code, response.content)

        return await timed(work, count, width)


async def loop(base: str, count: int, width: int) -> dict[str, float]:
    """Update without a ledger."""
    changes = Changes(**CHANGE)
    async with AsyncClient("exante", token=KEY, base_url=base) as client:

        async def work(batch: Batch) -> None:
            await client.update_many([(uid, changes) for uid in batch])

        return await timed(work, count, width)


def job(how: str) -> Run:
    """Return a run of a job that knows the state before in that way."""

    async def run(base: str, count: int, width: int) -> dict[str, float]:
        async with AsyncClient("exante", token=KEY, base_url=base) as client:
            with tempfile.TemporaryDirectory() as folder:
                await _job(client, Path(folder) / "warm.db", 2 * width, width, how)
                return await _job(client, Path(folder) / "job.db", count, width, how)

    return run


async def _job(
    client: AsyncClient, ledger: Path, count: int, width: int, how: str
) -> dict[str, float]:
    changes = Changes(**CHANGE)

    def writes() -> Iterator[tuple[str | Invoice, Changes]]:
        for batch in batches(count):
            for uid in batch:
                yield (Invoice(id=uid, status="DRAFT") if how == KNOWN else uid), changes

    place = Forgetful(ledger) if how == FORGETFUL else ledger
    async with AsyncJob.open(place, client, sole_writer=how in {SOLE, FORGETFUL}) as job:
        start = time.perf_counter()
        await job.plan(writes())
        if isinstance(place, Forgetful):
            place.remember(count * ROWS)
        cpu, planned = time.process_time(), time.perf_counter()
        report = await job.run(concurrency=width)
        ended = time.perf_counter()
        if report.committed != count * ROWS:
            raise ValueError(str(report)[:500])
        return {
            "wall": ended - planned,
            "plan": planned - start,
            "cpu": time.process_time() - cpu,
            "ledger": float(ledger.stat().st_size),
        }


async def elastic(base: str, count: int, width: int) -> dict[str, float]:
    """Update with elasticsearch-py's helper, a stream for each request under way."""
    from elasticsearch import AsyncElasticsearch  # noqa: PLC0415 - a peer may be missing
    from elasticsearch.helpers import async_streaming_bulk  # noqa: PLC0415 - likewise

    client = AsyncElasticsearch(base, connections_per_node=width)

    async def actions(waiting: Iterator[Batch]) -> AsyncIterator[dict[str, object]]:
        for batch in waiting:
            for uid in batch:
                yield {"_op_type": "update", "_index": "invoices", "_id": uid, "doc": CHANGE}

    async def drain(number: int) -> None:
        waiting = batches(number)

        async def stream() -> None:
            async for ok, _ in async_streaming_bulk(client, actions(waiting), chunk_size=ROWS):
                if not ok:
                    raise ValueError(ok)

        await asyncio.gather(*(stream() for _ in range(width)))

    try:
        await drain(2 * width)
        cpu, start = time.process_time(), time.perf_counter()
        await drain(count)
        return {"wall": time.perf_counter() - start, "cpu": time.process_time() - cpu}
    finally:
        await client.close()


SIDES: Final[dict[str, Run]] = {
    RAW: raw,
    DURABLE: durable,
    "raw httpx.AsyncClient + json": raw_httpx,
    LOOP: loop,
    SOLE: job(SOLE),
    FORGETFUL: job(FORGETFUL),
    KNOWN: job(KNOWN),
    "elasticsearch-py async_streaming_bulk": elastic,
}
SLOW: Final[dict[str, Run]] = {READ: job(READ)}


def one(side: str, base: str, count: str, width: str) -> None:
    """Run one side, then print what it took; in a process of its own.

    It is not kept on one core: while a thread of the ledger waits for the disk, others go on.
    """
    taken = asyncio.run({**SIDES, **SLOW}[side](base, int(count), int(width)))
    print(json.dumps({**taken, "peak": peak()}))


Taken: TypeAlias = dict[tuple[str, int], list[dict[str, float]]]


def measured(study: Study, base: str, counts: Mapping[int, int], rounds: int) -> Taken:
    """Run all sides in an order drawn anew; a peer that fails is left out."""
    taken: Taken = {}
    sides = [(side, width) for width in counts for side in SIDES]
    for _ in range(rounds):
        for side, width in random.sample(sides, len(sides)):
            if side in study.left_out:
                continue
            try:
                found = fresh(SELF, "--one", side, base, str(counts[width]), str(width))
            except RuntimeError as problem:
                if side.startswith(("billingual", "raw")):
                    raise
                study.leave_out(side, problem)
                continue
            taken.setdefault((side, width), []).append(found)
    return taken


def tell(study: Study, taken: Taken, counts: Mapping[int, int]) -> None:
    """Tell *study* the medians, and the ratios within rounds."""
    rows: list[list[Cell]] = []
    for width, count in counts.items():
        ideal = -(-count // width) * DELAY_S
        for side in SIDES:
            runs = taken.get((side, width))
            if not runs:
                continue
            pace, beside_durable = (
                statistics.median(
                    one["wall"] / ours["wall"]
                    for ours, one in zip(runs, taken[other, width], strict=True)
                )
                for other in (RAW, DURABLE)
            )
            rows.append([
                side,
                width,
                count,
                _median(runs, "wall"),
                ideal,
                100 * pace,
                100 * beside_durable,
                _median(runs, "cpu"),
                _median(runs, "plan") if "plan" in runs[0] else None,
            ])  # fmt: skip
            if side == SOLE:
                # A goal is at most its limit: the time of the raw loop may be passed by so much.
                study.goal(f"{side}, {width} at once, of the raw loop's time", 1 / pace, 1 / 0.95)
    heads = [
        "side", "at once", "requests", "seconds", "ideal s", "pace, % of raw", "% of + SQLite",
        "CPU s", "plan s",
    ]  # fmt: skip
    title = f"updates, {ROWS} in each request, {DELAY_S * 1e3:.0f} ms away"
    study.table(title, heads, rows)


def _median(runs: list[dict[str, float]], name: str) -> float:
    return statistics.median(run[name] for run in runs)


def reading(study: Study, base: str, count: int) -> None:
    """Tell *study* what it costs where the job has to read each invoice first."""
    rows: list[list[Cell]] = []
    width = max(COUNTS)
    for side in (SOLE, READ):
        found = fresh(SELF, "--one", side, base, str(count), str(width))
        per_item = found["wall"] / count / ROWS * 1e6
        requests = count * (1 + ROWS if side == READ else 1)
        ideal = -(-requests // width) * DELAY_S
        rows.append([side, width, requests, found["wall"], ideal, per_item, found["cpu"]])
    heads = ["side", "at once", "requests", "seconds", "ideal s", "us/update", "CPU s"]
    study.table(f"{count * ROWS:,} updates, with and without reading before", heads, rows)


def memory(study: Study, base: str, counts: tuple[int, int]) -> None:
    """Tell *study* how much memory a job takes, ten times as long or not."""
    peaks: dict[int, float] = {}
    rows: list[list[Cell]] = []
    for count in counts:
        found = fresh(SELF, "--one", SOLE, base, str(count), "4")
        peaks[count] = found["peak"] / 2**20
        rows.append([count * ROWS, peaks[count], found["ledger"] / 2**20])
    few, many = counts
    study.table("memory of a job, 4 at once", ["updates", "peak MiB", "ledger MiB"], rows)
    what = f"peak memory of {many * ROWS:,} updates, beside {few * ROWS:,}"
    study.goal(what, peaks[many] / peaks[few], 1.05)


def main() -> None:
    """Measure, show and keep."""
    options = arguments(__doc__, rounds=3)
    counts = dict.fromkeys(COUNTS, 32) if options.quick else COUNTS
    study = Study("bulk", "What does the ledger of a job cost beside a raw loop?")
    study.settings |= {"rounds": options.rounds, "responses after": f"{DELAY_S} s"}
    with serving(batches=True, delay_s=DELAY_S) as base:
        tell(study, measured(study, base, counts, options.rounds), counts)
        reading(study, base, 4 if options.quick else 50)
        memory(study, base, (3, 32) if options.quick else (100, 1000))
    study.close(quick=options.quick)


if __name__ == "__main__":
    if sys.argv[1:2] == ["--one"]:
        one(*sys.argv[2:])
    else:
        main()
