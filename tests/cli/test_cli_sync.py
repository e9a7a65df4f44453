"""``billingual sync``: land, go on, stop."""

from __future__ import annotations

import contextlib
import json
import os
import pty
import signal
import subprocess
import sys
import time
from pathlib import Path

import duckdb
import pytest

from _support.command import Command, Start, environment, line_of
from _support.landed import landed, truth
from billingual.sandbox import ACCOUNTS, Running

TOKEN = {"BILLINGUAL_TOKEN": ACCOUNTS["exante"].token}


@pytest.mark.parametrize("name", ["folder", "invoices.duckdb"])
def test_a_sync_lands_all_and_the_next_one_goes_on(
    billingual: Command, served: Running, tmp_path: Path, name: str
) -> None:
    """The report is data on stdout; what is closed is not read again."""
    command = ("sync", "--to", str(tmp_path / name), "--since", "2024-01-01", "-o", "json",
               "--base-url", served.base_url("exante"))  # fmt: skip

    first = json.loads(billingual(*command, env=TOKEN).stdout)
    second = billingual(*command, env=TOKEN)

    assert landed(tmp_path / name) == truth(served)
    assert second.returncode == 0
    assert json.loads(second.stdout)["requests"] < first["requests"]


def test_a_sync_without_an_account_shows_a_line_of_text(
    billingual: Command, tmp_path: Path
) -> None:
    """It needs no network either."""
    done = billingual("sync", "--to", str(tmp_path / "x.duckdb"), "--since", "2026-10-01")

    assert done.returncode == 0
    assert " new, 0 changed, " in done.stdout


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--since", "soon"), "error: --since: 'soon' is no day"),
        (("--lookback-days", "-1", "--since", "2026-01-01"), "error: --lookback-days: -1 is"),
        (("--watch", "0"), "--watch"),
        (("--status", "PAID"), "the windows of a landing set it themselves"),
        (("--provider", "kukkingu", "--since", "2026-01-01"), "cannot list by date of issue"),
    ],
)
def test_what_cannot_be_right_makes_nothing(
    billingual: Command, tmp_path: Path, arguments: tuple[str, ...], words: str
) -> None:
    """Exit code 2, and no folder."""
    refused = billingual("sync", "--to", str(tmp_path / "x"), *arguments)

    assert refused.returncode == 2
    assert words in " ".join((refused.stdout + refused.stderr).split())
    assert list(tmp_path.iterdir()) == []


def test_a_target_of_another_kind_is_refused_by_the_option(
    billingual: Command, tmp_path: Path
) -> None:
    """The option is called --to."""
    refused = billingual("sync", "--to", str(tmp_path / "x.parquet"))

    assert refused.returncode == 2
    assert "error: --to: 'x.parquet' is neither a folder" in " ".join(refused.stderr.split())


def watch(start: Start, served: Running, target: Path) -> subprocess.Popen[str]:
    """Start a sync that goes on until it is stopped."""
    return start(
        "sync", "--to", str(target), "--since", "2026-10-01", "--watch", "0.1", "-o", "ndjson",
        "--base-url", served.base_url("exante"), **TOKEN,
    )  # fmt: skip


def test_a_watch_syncs_again_until_it_is_stopped(
    start: Start, served: Running, tmp_path: Path
) -> None:
    """Ctrl-C ends it with 130, and says how to go on."""
    target = tmp_path / "x.duckdb"
    process = watch(start, served, target)
    reports = [json.loads(line_of(process)) for _ in range(3)]
    process.send_signal(signal.SIGINT)
    _, noise = process.communicate(timeout=100)

    assert process.returncode == 130
    assert "Traceback" not in noise
    assert [each["counts"]["new"] > 0 for each in reports] == [True, False, False]


def test_a_watch_goes_on_where_the_provider_fails_for_a_while(
    start: Start, served: Running, tmp_path: Path
) -> None:
    """As a watched list does; the failure is told, and the next run reads all again."""
    process = start(
        "sync", "--to", str(tmp_path / "x"), "--since", "2026-10-01", "--watch", "0.1", "-o",
        "ndjson", "--base-url", served.base_url("exante"), BILLINGUAL_RETRY="none", **TOKEN,
    )  # fmt: skip
    first = json.loads(line_of(process))
    served.app.add_fault("status", status=503, times=1)
    while served.app.faults:
        time.sleep(0.01)
    second = json.loads(line_of(process))
    third = json.loads(line_of(process))
    process.send_signal(signal.SIGINT)
    _, noise = process.communicate(timeout=100)

    assert first["windows"]
    assert second["windows"]
    assert third["windows"]
    assert "Injected status 503" in noise
    assert process.returncode == 130


def test_a_watch_goes_on_where_another_process_has_the_target_for_a_while(
    start: Start, served: Running, tmp_path: Path
) -> None:
    """A person may look into a DuckDB file, or a second sync may run; that passes."""
    target = tmp_path / "x.duckdb"
    process = watch(start, served, target)
    first = json.loads(line_of(process))
    connection = None
    while connection is None:
        with contextlib.suppress(duckdb.IOException):  # the next run has begun
            connection = duckdb.connect(str(target))
    assert process.stderr is not None
    with connection:
        told = next(line for line in process.stderr if "another process" in line)
    # One may have ended before the file was taken.
    later = [json.loads(line_of(process)) for _ in range(2)]
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=100)

    assert all(each["windows"] for each in (first, *later))
    assert told.startswith("error:")
    assert process.returncode == 130


def test_a_terminal_shows_how_far_it_is(served: Running, tmp_path: Path) -> None:
    """The bar is on stderr, so that stdout is data alone."""
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-m", "billingual", "sync", "--to", str(tmp_path / "x"),
         "--since", "2024-01-01", "--base-url", served.base_url("exante")],
        env=environment({**TOKEN, "TERM": "xterm"}), stdout=subprocess.PIPE, stderr=theirs,
    )  # fmt: skip
    os.close(theirs)
    shown = b""
    while True:
        try:
            more = os.read(ours, 65_536)
        except OSError:  # the other end is closed
            break
        if not more:
            break
        shown += more
    output, _ = process.communicate(timeout=100)
    os.close(ours)

    assert process.returncode == 0
    assert b" windows, " in shown
    assert b"requests in" in output
    assert b"\x1b" not in output
