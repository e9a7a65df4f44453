"""What a real process of uvicorn does when it is told to end."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest
from billingual.sandbox import ACCOUNTS, LANDMARKS, Running

from test_service import DRAFT

Start = Callable[..., tuple[subprocess.Popen[str], str]]


@pytest.fixture
def start(sandbox_server: Running, tmp_path: Path) -> Iterator[Start]:
    """Start the service as a process, and return it with its address once it is up."""
    running: list[subprocess.Popen[str]] = []
    env = {
        **os.environ,
        "BILLINGUAL_PROVIDER": "exante",
        "BILLINGUAL_BASE_URL": sandbox_server.base_url("exante"),
        "BILLINGUAL_TOKEN": ACCOUNTS["exante"].token,
        "BILLINGUAL_ORGANIZATION": LANDMARKS["exante_organization"],
        "PYTHONPATH": os.pathsep.join(sys.path),
        "UNCLEAR_WRITES": str(tmp_path / "unclear.db"),
    }

    def run(*, patience_s: int) -> tuple[subprocess.Popen[str], str]:
        command = [
            sys.executable, "-m", "uvicorn", "--factory", "invoice_service:from_environment",
            "--port", "0", "--timeout-graceful-shutdown", str(patience_s),
        ]  # fmt: skip
        process = subprocess.Popen(command, env=env, stderr=subprocess.PIPE, text=True)
        running.append(process)
        assert process.stderr is not None
        for line in process.stderr:
            if found := re.search(r"running on (http://\S+)", line):
                return process, found[1]
        raise AssertionError("the service did not start")

    yield run
    for process in running:
        process.kill()
        process.communicate()


@pytest.fixture
def threads() -> Iterator[ThreadPoolExecutor]:
    """What sends while the test does something else."""
    with ThreadPoolExecutor(1) as pool:
        yield pool


def _send_a_slow_create(
    threads: ThreadPoolExecutor, server: Running, url: str, *, seconds: float
) -> Future[httpx.Response]:
    """Send a create that the provider carries out and answers late; return once it has acted."""
    server.app.add_fault("latency", method="POST", seconds=seconds, after_commit=True)
    response = threads.submit(httpx.put, f"{url}/invoices/INV-1", json=DRAFT, timeout=30)
    ends_at = time.monotonic() + 20
    while "POST" not in {each["method"] for each in server.app.requests()}:
        assert time.monotonic() < ends_at
        assert not response.done(), response.result().text
        time.sleep(0.01)
    return response


def test_a_write_under_way_comes_to_its_end(
    start: Start, sandbox_server: Running, threads: ThreadPoolExecutor
) -> None:
    """The process ends only when the response is there, and its sender gets it."""
    process, url = start(patience_s=20)
    response = _send_a_slow_create(threads, sandbox_server, url, seconds=0.5)

    process.send_signal(signal.SIGTERM)

    assert 201 == response.result().status_code
    assert process.wait(20) in {0, -signal.SIGTERM}


def test_a_write_that_takes_too_long_is_named_unclear(
    start: Start, sandbox_server: Running, threads: ThreadPoolExecutor
) -> None:
    """It is cut off, and the next process knows of it and finds the invoice."""
    process, url = start(patience_s=1)
    response = _send_a_slow_create(threads, sandbox_server, url, seconds=60)

    process.send_signal(signal.SIGTERM)
    process.wait(20)
    assert response.exception() is not None or response.result().status_code >= 500

    _, url = start(patience_s=1)
    told = httpx.get(f"{url}/invoices/INV-1/outcome", timeout=30)
    again = httpx.put(f"{url}/invoices/INV-1", json=DRAFT, timeout=30)
    assert (200, 200) == (told.status_code, again.status_code)
    assert "INV-1" == told.json()["number"] == again.json()["number"]
    assert 1 == [each["method"] for each in sandbox_server.app.requests()].count("POST")
