"""How tests start the real command, or another program, as a process of its own."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager

Command = Callable[..., subprocess.CompletedProcess[str]]
Start = Callable[..., subprocess.Popen[str]]


def environment(extra: Mapping[str, str] | None = None) -> dict[str, str]:
    """Return the environment of a command: 80 columns, UTF-8, and nothing of ours but *extra*."""
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("BILLINGUAL_", "FORCE_COLOR", "NO_COLOR", "COLUMNS"))
    }
    return {**kept, "COLUMNS": "80", "PYTHONIOENCODING": "utf-8", **(extra or {})}


def check_runs(process: subprocess.Popen[str]) -> None:
    """Fail, with what the program has written to stderr, if it has ended."""
    assert process.poll() is None, process.communicate()[1]


def line_of(process: subprocess.Popen[str]) -> str:
    """Wait for the next line that a program prints; fail as `check_runs` if it ends before."""
    assert process.stdout is not None
    line = process.stdout.readline()
    assert line, process.communicate()[1]
    return line.strip()


@contextmanager
def starting() -> Iterator[Start]:
    """Give a function that starts the command; what still runs at the end is killed."""
    running: list[subprocess.Popen[str]] = []

    def start(*arguments: str, before: tuple[str, ...] = (), **env: str) -> subprocess.Popen[str]:
        process = subprocess.Popen(
            [*before, sys.executable, "-m", "billingual", *arguments],
            env=environment(env),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            encoding="utf-8",
        )
        running.append(process)
        return process

    try:
        yield start
    finally:
        for process in running:
            with process:
                process.kill()
