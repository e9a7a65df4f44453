"""What does one awaited call cost beside raw httpx doing the same exchange?

``python benchmarks/calls.py``: reads one full invoice over loopback, keep-alive, one call after
another; CPU time of this process per call, server in a process of its own; rounds interleaved,
median of the ratios within rounds. Ours hands out a typed invoice, raw httpx a dict.
"""

from __future__ import annotations

import asyncio
import json
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

import httpx

from billingual import AsyncClient
from billingual.sandbox import ACCOUNTS, running

CALLS = 400
ROUNDS = 9
HERE = Path(__file__).parent


def sample() -> tuple[str, bytes]:
    """Take one full invoice from the sandbox, as bytes and with its id."""
    with running() as server, httpx.Client() as http:
        headers = {"Authorization": f"Bearer {ACCOUNTS['exante'].token}"}
        base = server.base_url("exante")
        row = http.get(f"{base}/api/invoices", headers=headers).json()["data"]["items"][0]
        return row["uid"], http.get(f"{base}/api/invoices/{row['uid']}", headers=headers).content


async def cpu_us(call: Callable[[], Awaitable[object]]) -> float:
    """Return CPU microseconds of this process per call."""
    for _ in range(20):
        await call()
    start = time.process_time()
    for _ in range(CALLS):
        await call()
    return (time.process_time() - start) / CALLS * 1e6


async def measure(port: int, uid: str) -> dict[str, list[float]]:
    """Run both in turn."""
    seen: dict[str, list[float]] = {"raw httpx.AsyncClient + json": [], "billingual": []}
    base = f"http://127.0.0.1:{port}"
    async with (
        httpx.AsyncClient() as raw,
        AsyncClient("exante", token="t", base_url=base) as ours,  # noqa: S106 - a canned server
    ):

        async def raw_call() -> object:
            answer = await raw.get(
                f"{base}/api/invoices/{uid}", headers={"Authorization": "Bearer t"}
            )
            answer.raise_for_status()
            return answer.json()

        async def our_call() -> object:
            return await ours.get(uid)

        for _ in range(ROUNDS):
            seen["raw httpx.AsyncClient + json"].append(await cpu_us(raw_call))
            seen["billingual"].append(await cpu_us(our_call))
    return seen


def main() -> None:
    """Measure, print a table and save the figures."""
    uid, body = sample()
    with tempfile.NamedTemporaryFile() as file:
        file.write(body)
        file.flush()
        with subprocess.Popen(
            [sys.executable, str(HERE / "_server.py"), file.name],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        ) as server:
            assert server.stdout is not None
            assert server.stdin is not None
            seen = asyncio.run(measure(int(server.stdout.readline()), uid))
            server.stdin.close()
    raw = seen["raw httpx.AsyncClient + json"]
    rows = {
        name: {
            "cpu_us": statistics.median(values),
            "ratio": statistics.median(a / b for a, b in zip(values, raw, strict=True)),
        }
        for name, values in seen.items()
    }
    print(f"{'async get, sequential':32}{'CPU us/call':>14}{'ratio':>8}")
    for name, row in rows.items():
        print(f"{name:32}{row['cpu_us']:14.0f}{row['ratio']:8.2f}")
    facts = {"python": platform.python_version(), "httpx": httpx.__version__, "rows": rows}
    (HERE / "results").mkdir(exist_ok=True)
    (HERE / "results" / "calls.json").write_text(json.dumps(facts, indent=2) + "\n")


if __name__ == "__main__":
    main()
