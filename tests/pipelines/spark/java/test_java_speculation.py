"""P6: Spark runs a task a second time while the first one still runs, and takes the quicker one.

That needs two machines, so two workers have an address each.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pyspark
import pytest

from billingual import Client, Job
from billingual.sandbox import ACCOUNTS, Running

SPARK_CLASS = Path(pyspark.__file__).parent / "bin" / "spark-class"
PROGRAM = Path(__file__).with_name("speculation_program.py")


@contextmanager
def started(kind: str, *arguments: str) -> Iterator[str]:
    """Start a part of a cluster, and return the address that it says it has."""
    command = [SPARK_CLASS, f"org.apache.spark.deploy.{kind}", "--webui-port", "0", *arguments]
    process = subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env=os.environ | {"PYSPARK_PYTHON": sys.executable, "SPARK_NO_DAEMONIZE": "1"},
    )
    try:
        assert process.stdout is not None
        lines = iter(process.stdout.readline, "")
        found = (re.search(r"(spark://[0-9.:]+)", line) for line in lines)
        yield next(each[1] for each in found if each)
    finally:
        process.kill()
        process.communicate()


@pytest.mark.timeout(600)
def test_a_task_that_runs_twice_at_once_is_planned_once(
    server: Running, options: dict[str, str], client: Client, ledger: Path
) -> None:
    """Entries are rows, and creates are entries."""
    before = len(list(client.list()))
    marks = ledger.parent / "marks"
    marks.mkdir()
    with (
        started("master.Master", "--host", "127.0.0.1", "--port", "0") as address,
        started("worker.Worker", "--host", "127.0.0.2", "--cores", "2", address),
        started("worker.Worker", "--host", "127.0.0.3", "--cores", "2", address),
    ):
        subprocess.run(
            [sys.executable, PROGRAM, address, options["base_url"], ledger, marks],
            check=True,
            env=os.environ | {
                "EXANTE_TOKEN": ACCOUNTS["exante"].token, "PYSPARK_PYTHON": sys.executable,
            },
        )  # fmt: skip

    # Each attempt wrote; the first one of the slow task was not waited for.
    assert {"0-0", "0-1"} < {each.name for each in marks.iterdir()}
    with Job.open(ledger, client, late_arrival_s=0.1) as job:
        assert 40 == job.report().total
        assert 40 == job.run().committed
    assert before + 40 == len(list(client.list()))
