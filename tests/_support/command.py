"""How tests run the command line: in this process, or as a process of its own."""

from __future__ import annotations

import io
import os
import subprocess
import sys
import traceback
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from unittest import mock

from billingual.cli import main

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


def run_here(
    *arguments: str, env: Mapping[str, str] | None = None, stdin: str = ""
) -> subprocess.CompletedProcess[str]:
    """Run the command line in this process, with streams and an environment of its own.

    It is the program itself, but for the second that a new process takes to start.
    """
    written = {"stdout": io.BytesIO(), "stderr": io.BytesIO()}
    streams = {name: io.TextIOWrapper(each, "utf-8") for name, each in written.items()}
    typed = io.TextIOWrapper(io.BytesIO(stdin.encode()), "utf-8")
    with (
        mock.patch.dict(os.environ, environment(env), clear=True),
        mock.patch.multiple(sys, stdin=typed, argv=["billingual", *arguments], **streams),
    ):
        try:
            main(arguments)
        except SystemExit as ended:
            code = ended.code
        except Exception:  # noqa: BLE001 - the interpreter shows any
            traceback.print_exc()
            code = 1
        for stream in streams.values():
            stream.flush()
    said = {name: each.getvalue().decode() for name, each in written.items()}
    assert isinstance(code, int)
    return subprocess.CompletedProcess(["billingual", *arguments], code, **said)


def check_runs(process: subprocess.Popen[str]) -> None:
    """Fail, with what the program has written to stderr, if it has ended."""
    assert process.poll() is None, process.communicate()[1]


def line_of(process: subprocess.Popen[str]) -> str:
    """Wait for the next line that a program prints; fail as `check_runs` if it ends before."""
    assert process.stdout is not None
    line = b""
    # Byte by byte: what a stream's buffer holds beyond the line, communicate() does not return.
    while not line.endswith(b"\n") and (byte := os.read(process.stdout.fileno(), 1)):
        line += byte
    assert line, process.communicate()[1]
    return line.decode().strip()


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
