"""The command line, in this process or in one of its own, and a sandbox for it to call."""

from __future__ import annotations

import io
import os
import subprocess
import sys
import traceback
from collections.abc import Iterator, Mapping
from unittest import mock

import pytest

from _support.command import Command, Start, environment, starting
from billingual.cli import main
from billingual.sandbox import Running, running


@pytest.fixture
def billingual() -> Command:
    """Run the command line in this process, with streams and an environment of its own.

    It is the program itself, but for the second that a new process takes to start. Where other
    packages are to be found, it is started anew.
    """

    def run(
        *arguments: str, env: Mapping[str, str] | None = None, stdin: str = ""
    ) -> subprocess.CompletedProcess[str]:
        if env is not None and "PYTHONPATH" in env:
            return subprocess.run(
                [sys.executable, "-m", "billingual", *arguments],
                env=environment(env),
                capture_output=True,
                encoding="utf-8",
                check=False,
                timeout=120,
            )
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

    return run


@pytest.fixture
def start() -> Iterator[Start]:
    """Start ``python -m billingual`` with arguments, and go on while it runs."""
    with starting() as start_command:
        yield start_command


@pytest.fixture
def served() -> Iterator[Running]:
    """Serve a small sandbox on a loopback port."""
    with running(invoices=30) as sandbox:
        yield sandbox
