"""P5: a stream whose driver is killed again and again loses nothing and doubles nothing."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from random import Random
from typing import Any

import pytest

from billingual import Client, Filter
from billingual.sandbox import ACCOUNTS, Running

PROGRAM = Path(__file__).with_name("stream_program.py")
TOKEN = ACCOUNTS["exante"].token
DAYS = timedelta(days=3)
LOOKBACK = timedelta(days=30)
FIRST = date(2025, 6, 2)


def wait(process: subprocess.Popen[str], server: Running, requests: int) -> None:
    """Wait until the program has made so many requests, or is at its end."""
    last = count(server) + requests
    while count(server) < last and process.poll() is None:
        time.sleep(0.02)


def count(server: Running) -> int:
    """Count the requests so far."""
    return max((each["number"] for each in server.app.requests(limit=1)), default=0)


def start(server: Running, folder: Path) -> subprocess.Popen[str]:
    """Start the program in a group of its own: a driver, its Java and their workers."""
    return subprocess.Popen(
        [sys.executable, PROGRAM, server.base_url("exante"), folder],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        env=os.environ | {"EXANTE_TOKEN": TOKEN, "PYSPARK_PYTHON": sys.executable},
    )


@pytest.mark.timeout(1800)
def test_a_stream_that_is_killed_lands_each_row_once(
    server: Running, client: Client, tmp_path: Path, proof: Any
) -> None:
    """Every run goes on from the checkpoint; a batch that was half done is done again."""
    chance = Random(proof.seed)  # noqa: S311 - which kill comes when is no secret
    batches: set[int] = set()
    for _ in range(proof.amount(3, 20)):
        with start(server, tmp_path) as process:
            assert process.stdout is not None
            assert process.stdout.readline() == "running\n", process.communicate()[1]
            wait(process, server, chance.randrange(6))
            time.sleep(chance.random())
            assert process.poll() is None, process.communicate()[1]
            os.killpg(process.pid, signal.SIGKILL)
        batches.add(len(list((tmp_path / "checkpoint").glob("commits/[0-9]*"))))

    with start(server, tmp_path) as process:
        _, noise = process.communicate()
    assert 0 == process.returncode, noise
    # The kills came in different batches.
    assert len(batches) > 1

    over = datetime.now(UTC).date() - LOOKBACK
    last = FIRST + (over - FIRST) // DAYS * DAYS - timedelta(days=1)
    truth = sorted(
        each.id
        for each in client.list(Filter(issued_from=FIRST, issued_to=last, include_inactive=True))
    )
    assert truth == sorted(json.loads((tmp_path / "ids.json").read_text(encoding="utf-8")))
    kept = [each.read_bytes() for each in (tmp_path / "checkpoint").rglob("*") if each.is_file()]
    assert all(TOKEN.encode() not in each for each in kept)
