"""The environment names the same for the command line as for a program, and mixes nothing up."""

from __future__ import annotations

import os
import pty
import subprocess
import sys
from pathlib import Path

import pytest

from _support.command import Command, environment
from billingual.cli.messages import command_line

TENANT = "tnt_pfh0haxfpzowht3oi213cqos"


def test_an_address_in_the_environment_is_used(billingual: Command) -> None:
    """Provider, host and options; the token goes there and nowhere else."""
    environment = {
        "BILLINGUAL_URL": f"kukkingu+httpx://h.example?tenant={TENANT}",
        "BILLINGUAL_TOKEN": "t",
    }
    done = billingual("list", "--dry-run", env=environment)

    assert done.stdout.startswith("GET https://h.example/api/v1/invoices\n")
    assert f"tenant-id: {TENANT}" in done.stdout


def test_two_providers_are_not_mixed(billingual: Command) -> None:
    """The token of one must not reach the other."""
    environment = {"BILLINGUAL_URL": "kukkingu://h.example", "BILLINGUAL_TOKEN": "t"}
    done = billingual("list", "--provider", "exante", "--dry-run", env=environment)

    assert 2 == done.returncode
    assert "names another provider than 'exante'" in done.stderr


def test_an_address_without_a_token_is_not_the_sandbox(billingual: Command) -> None:
    """Who named an address meant that one."""
    done = billingual("list", env={"BILLINGUAL_URL": "exante://h.example"})

    assert done.returncode != 0
    assert "needs a token" in done.stderr
    assert "" == done.stdout


def test_a_misspelt_transport_is_named_before_a_token_is_asked_for(billingual: Command) -> None:
    """The nearer mistake first."""
    done = billingual("list", "--transport", "htpx")

    assert 2 == done.returncode
    assert "there is no transport named 'htpx'" in done.stderr


def test_profiles_that_are_nowhere_are_asked_for_without_a_word_of_python(
    billingual: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The way out is a file or a variable."""
    monkeypatch.chdir(tmp_path)
    done = billingual("list", "--profile", "prod", env={"XDG_CONFIG_HOME": str(tmp_path)})

    assert done.returncode == 2
    assert (
        "write billingual.toml in this folder, or name a file with BILLINGUAL_CONFIG" in done.stderr
    )
    assert "path=" not in done.stderr


@pytest.mark.parametrize(
    "name", ["PROFILE", "PROVIDER", "TRANSPORT", "BASE_URL", "TENANT", "ORGANIZATION"]
)
def test_an_empty_variable_is_not_set(billingual: Command, name: str) -> None:
    """As for a program, and as files of settings for containers have it."""
    done = billingual("list", "--limit", "1", "-o", "json", env={f"BILLINGUAL_{name}": " "})

    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("[\n{")


def test_a_pipe_with_colours_loses_no_column(billingual: Command) -> None:
    """What runs checks for people sets FORCE_COLOR, and has no width."""
    done = billingual("list", "--limit", "1", env={"FORCE_COLOR": "1", "COLUMNS": "40"})

    assert "counterparty" in done.stdout
    assert "No room" not in done.stderr


def test_a_terminal_of_no_width_shows_messages(tmp_path: Path) -> None:
    """Some programs start others with COLUMNS=0."""
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-m", "billingual", "list", "--limit", "0"],
        env=environment({"COLUMNS": "0"}), stdout=theirs, stderr=theirs, cwd=tmp_path,
    )  # fmt: skip
    os.close(theirs)
    said = b""
    while chunk := _read(ours):
        said += chunk
    os.close(ours)

    assert process.wait(timeout=60) == 2
    assert b"--limit: 0 asks for no rows" in said


def _read(terminal: int) -> bytes:
    try:
        return os.read(terminal, 65_536)
    except OSError:  # the other end is closed
        return b""


@pytest.mark.parametrize(
    ("system", "joined"),
    [
        ("posix", r"billingual jobs resume 'C:\my jobs\may.db'"),
        ("nt", r'billingual jobs resume "C:\my jobs\may.db"'),
    ],
)
def test_a_command_to_go_on_with_is_written_for_the_shell(system: str, joined: str) -> None:
    """The shell of Windows would take single quotes for a part of the name."""
    words = ["billingual", "jobs", "resume", r"C:\my jobs\may.db"]

    assert command_line(words, system) == joined
