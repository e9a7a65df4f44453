"""The command line, in this process or in one of its own, and a sandbox for it to call."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator, Mapping

import pytest

from _support.command import Command, Start, environment, run_here, starting
from billingual.sandbox import Running, running


@pytest.fixture
def billingual() -> Command:
    """Run the command line in this process; start it anew where other packages are to be found."""

    def run(
        *arguments: str, env: Mapping[str, str] | None = None, stdin: str = ""
    ) -> subprocess.CompletedProcess[str]:
        if env is None or "PYTHONPATH" not in env:
            return run_here(*arguments, env=env, stdin=stdin)
        return subprocess.run(
            [sys.executable, "-m", "billingual", *arguments],
            env=environment(env),
            capture_output=True,
            encoding="utf-8",
            check=False,
            timeout=120,
        )

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
