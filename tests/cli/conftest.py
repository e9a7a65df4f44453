"""The real command, and a sandbox for it to call."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator, Mapping

import pytest

from _support.command import Command, Start, environment, starting
from billingual.sandbox import Running, running


@pytest.fixture
def billingual() -> Command:
    """Run ``python -m billingual`` with arguments, and wait for its end."""

    def run(
        *arguments: str, env: Mapping[str, str] | None = None, stdin: str = ""
    ) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "billingual", *arguments],
            env=environment(env),
            input=stdin,
            capture_output=True,
            text=True,
            encoding="utf-8",
            check=False,
            timeout=100,
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
