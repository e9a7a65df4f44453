"""A pipeline of dlt that is killed at any instant and run again holds what the provider has, once.

Between the kills others make and pay invoices at the provider. At the end each invoice must be in
the table once, as the server itself has stored it.
"""

from __future__ import annotations

import os
import random
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any, Final

import duckdb
import pytest

from _support import killed_pipeline
from _support.command import check_runs
from _support.landed import truth
from billingual import Changes, Client, Draft
from billingual.sandbox import ACCOUNTS, LANDMARKS
from billingual.sandbox.server import Running, running

PROGRAM: Final = Path(killed_pipeline.__file__)
SINCE: Final = "2024-01-01"
PATIENCE_S: Final = 100.0
OPEN: Final = ("DRAFT", "SENT", "OVERDUE", "PARTIALLY_PAID", "APPROVED", "SCHEDULED", "DISPUTED")


def start(server: Running, place: Path) -> subprocess.Popen[str]:
    """Start a run, and wait until dlt is imported."""
    # What a killed one leaves in a temporary folder is gone with the test's.
    temporary = place / "temporary"
    temporary.mkdir(parents=True, exist_ok=True)
    process = subprocess.Popen(
        [sys.executable, PROGRAM, server.base_url("exante"), place, SINCE],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=os.environ
        | {
            "PYTHONPATH": os.pathsep.join(sys.path),
            "RUNTIME__LOG_LEVEL": "ERROR",
            "TMPDIR": str(temporary),
        },
    )
    assert process.stdout is not None
    while process.stdout.readline().strip() != "running":
        check_runs(process)
    return process


def run_and_kill(server: Running, place: Path, after_s: float) -> bool:
    """Kill a run at an instant; False if it ended before that."""
    with start(server, place) as process:
        time.sleep(after_s)
        process.send_signal(signal.SIGKILL)
        _, noise = process.communicate()

    assert process.returncode in {0, -signal.SIGKILL} or has_mended(place, noise), noise
    return process.returncode == -signal.SIGKILL


def finish(server: Running, place: Path) -> float:
    """Let a run end, and return how many seconds it took."""
    began = time.monotonic()
    with start(server, place) as process:
        _, noise = process.communicate(timeout=PATIENCE_S)

    if process.returncode != 0 and has_mended(place, noise):
        return finish(server, place)
    assert process.returncode == 0, noise
    return time.monotonic() - began


def has_mended(place: Path, noise: str) -> bool:
    """Delete what dlt itself cannot read after a kill, as ``docs/dlt.md`` says; False if nothing.

    A kill in the instant in which dlt makes or deletes the folder of a package leaves a part of it.
    """
    packages = place / "pipelines" / "billing" / "normalize" / "extracted"
    parts = [each for each in packages.iterdir() if not (each / "new_jobs").is_dir()]
    for each in parts:
        shutil.rmtree(each)
    return bool(parts) and "FileNotFoundError" in noise


def write(server: Running, chance: random.Random, number: int) -> None:
    """Make an invoice, and pay one that is open.

    An invoice that was made and paid between two reads, and dated long ago, is only seen by a full
    read: so those that are dated back stay open here.
    """
    year = chance.choice((2025, 2026))
    account = ACCOUNTS["exante"]
    with Client(
        "exante", token=account.token, base_url=server.base_url("exante"), transport="h11"
    ) as client:
        client.create(
            Draft(
                number=f"{'OLD' if year == 2025 else 'NEW'}-{number}",
                counterparty=LANDMARKS["exante_party"],
                owner=LANDMARKS["exante_owner"],
                document=LANDMARKS["exante_document"],
                issued_at=f"{year}-11-{chance.randint(1, 28):02}T00:00:00Z",
            )
        )
        still_open = [
            uid
            for uid, (status, name) in truth(server).items()
            if status in OPEN and not name.startswith("OLD")
        ]
        client.update(chance.choice(sorted(still_open)), Changes(status="PAID"))


@pytest.mark.timeout(7200)  # 100 kills of a program that imports dlt
@pytest.mark.parametrize("begins", ["anew", "after a run"])
def test_a_killed_pipeline_is_run_again_until_all_is_there(
    tmp_path: Path, begins: str, proof: Any
) -> None:
    """No invoice is lost and none is doubled."""
    for story in range(proof.amount(1, 10)):
        tell(tmp_path / str(story), begins, proof.seed + story, proof.amount(3, 10))


def tell(place: Path, begins: str, seed: int, most: int) -> None:
    """Kill a pipeline so many times, let it end, and compare."""
    chance = random.Random(seed)  # noqa: S311 - the same again
    kills, number = 0, 0
    with running(invoices=300) as server:
        took_s = finish(server, place) if begins == "after a run" else 6.0
        while kills < most and number < 100:
            number += 1
            kills += run_and_kill(server, place, chance.random() * took_s)
            write(server, chance, number)
        # The first run may only load what a killed one left behind.
        finish(server, place)
        finish(server, place)

        with duckdb.connect(str(place / "billing.duckdb"), read_only=True) as connection:
            rows = connection.execute("SELECT id, status, number FROM provider.invoices").fetchall()
        found = {uid: (status, number) for uid, status, number in rows}
        assert len(rows) == len(found)
        assert truth(server) == found
    assert kills == most
