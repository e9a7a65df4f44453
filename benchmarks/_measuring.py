"""What the benchmarks share: a canned server, a sample, interleaved rounds and a table."""

from __future__ import annotations

import json
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path

import httpx

from billingual.sandbox import ACCOUNTS, running

HERE = Path(__file__).parent


def sample_invoice() -> tuple[str, bytes]:
    """Take one full invoice from the sandbox: its id, and the answer's bytes."""
    with running() as server, httpx.Client() as http:
        headers = {"Authorization": f"Bearer {ACCOUNTS['exante'].token}"}
        base = server.base_url("exante")
        row = http.get(f"{base}/api/invoices", headers=headers).json()["data"]["items"][0]
        return row["uid"], http.get(f"{base}/api/invoices/{row['uid']}", headers=headers).content


@contextmanager
def canned_server(body: bytes) -> Iterator[str]:
    """Serve *body* to every request from a process of its own; yield its URL."""
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
            try:
                yield f"http://127.0.0.1:{int(server.stdout.readline())}"
            finally:
                server.stdin.close()


def cpu_us(call: Callable[[], object], calls: int) -> float:
    """Return CPU microseconds of this process per call."""
    for _ in range(max(1, calls // 20)):
        call()
    start = time.process_time()
    for _ in range(calls):
        call()
    return (time.process_time() - start) / calls * 1e6


def show(
    question: str, name: str, seen: Mapping[str, list[float]], *, beside: str
) -> dict[str, dict[str, float]]:
    """Print medians and the median of in-round ratios; save them as JSON with the versions."""
    base = seen[beside]
    rows = {
        row: {
            "cpu_us": statistics.median(values),
            "ratio": statistics.median(a / b for a, b in zip(values, base, strict=True)),
        }
        for row, values in seen.items()
    }
    print(f"{question:44}{'CPU us/call':>12}{'ratio':>8}")
    for row, figures in rows.items():
        print(f"{row:44}{figures['cpu_us']:12.1f}{figures['ratio']:8.2f}")
    facts = {
        "python": platform.python_version(),
        "machine": platform.machine(),
        "versions": {each: version(each) for each in ("anyio", "attrs", "cattrs", "httpx")},
        "rows": rows,
    }
    (HERE / "results").mkdir(exist_ok=True)
    (HERE / "results" / f"{name}.json").write_text(json.dumps(facts, indent=2) + "\n")
    return rows
