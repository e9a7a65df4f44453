"""How a newcomer finds commands: help, completion, and which account is used."""

from __future__ import annotations

import functools
import json
import shutil
import subprocess
from pathlib import Path

import pytest

from _support.command import Command, run_here
from billingual.cli.app import app
from billingual.sandbox import ACCOUNTS, LANDMARKS

COMMANDS = [name for name in app if not name.startswith("-")]
BASH = shutil.which("bash") or ""
BELOW = [(name, below) for name in COMMANDS for below in app[name] if not below.startswith("-")]


def test_help_groups_commands_by_what_they_are_about(billingual: Command) -> None:
    """Invoices come first, and each command stands in one group."""
    lines = billingual("--help").stdout.splitlines()
    titles = [line.strip("╭─╮ ") for line in lines if line.startswith("╭")]
    words = [line.split()[1] for line in lines if line.startswith("│ ")]

    assert titles == ["Invoices", "Many invoices", "Your account", "Around", "Options"]
    assert [words.count(name) for name in COMMANDS] == [1] * len(COMMANDS)


@pytest.mark.parametrize("words", [(name,) for name in COMMANDS] + BELOW, ids=" ".join)
def test_every_command_tells_all_that_is_known_of_it(
    billingual: Command, words: tuple[str, ...]
) -> None:
    """Its docstring stands in the help whole; 'help COMMAND' shows the same."""
    done = billingual(*words, "--help", env={"COLUMNS": "200"})
    command = app
    for word in words:
        command = command[word]
    # A group of commands has no function of its own, and a text instead.
    told = command.default_command.__doc__ if command.default_command else command.help
    doc = " ".join((told or "").split("Args:")[0].split())

    assert doc

    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == billingual("help", *words, env={"COLUMNS": "200"}).stdout
    shown = " ".join(done.stdout.replace("•", " ").split())
    assert all(part in shown for part in doc.replace("`", "").split(" - ")[0].split(". "))


def test_whoami_tells_the_account_and_sends_nothing(billingual: Command, tmp_path: Path) -> None:
    """Of a profile, of options, of nothing; the token is never shown."""
    (tmp_path / "billingual.toml").write_text(
        '[profiles.prod]\nprovider = "kukkingu"\nbase_url = "https://k.example"\n'
        f'tenant = "{LANDMARKS["kukkingu_tenant"]}"\ntoken_env = "K"\n'
    )
    token = ACCOUNTS["exante"].token
    env = {"BILLINGUAL_CONFIG": str(tmp_path / "billingual.toml"), "K": token}
    of_profile = billingual("whoami", "--profile", "prod", "-o", "json", env=env)
    bare = billingual("whoami", "-o", "ndjson")
    table = billingual(
        "whoami", "--base-url", "http://127.0.0.1:9", env={"BILLINGUAL_TOKEN": token}
    )

    assert json.loads(of_profile.stdout) == {
        "provider": "kukkingu", "base_url": "https://k.example", "organization": None,
        "tenant": LANDMARKS["kukkingu_tenant"], "profile": "prod", "transport": "httpx",
        "has_token": True,
    }  # fmt: skip
    assert (json.loads(bare.stdout)["transport"], "sandbox" in bare.stderr) == ("sandbox", True)
    assert ["has", "token", "yes"] in [line.split() for line in table.stdout.splitlines()]
    assert token not in of_profile.stdout + table.stdout + table.stderr


@functools.cache
def bash_completion() -> str:
    """Return the script for bash; it takes most of a second."""
    return run_here("completion", "bash").stdout


@pytest.mark.parametrize(
    ("typed", "offered"),
    [("billingual rec", "reconcile"), ("billingual reconcile fin", "finalize"),
     ("billingual list --stat", "--status"), ("billingual list -o c", "csv")],
)  # fmt: skip
@pytest.mark.skipif(not BASH, reason="bash completes itself")
def test_bash_completes_what_was_begun(tmp_path: Path, typed: str, offered: str) -> None:
    """Commands, commands below commands, options, and their choices."""
    script = tmp_path / "billingual.bash"
    script.write_text(bash_completion())
    begun = f"source {script}; COMP_WORDS=({typed}); COMP_CWORD={typed.count(' ')}; _billingual; "
    done = subprocess.run(
        [BASH, "-c", begun + 'echo "${COMPREPLY[@]}"'],
        capture_output=True,
        text=True,
        check=True,
        timeout=30,
    )

    assert offered in done.stdout.split()


@pytest.mark.parametrize(
    ("shell", "mark"), [("zsh", "#compdef billingual"), ("fish", "complete -c")]
)
def test_other_shells_are_given_their_own_script(
    billingual: Command, shell: str, mark: str
) -> None:
    """Each names the commands."""
    done = billingual("completion", shell)

    assert (done.returncode, done.stderr) == (0, "")
    assert mark in done.stdout
    assert "reconcile" in done.stdout


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("lst",), "'lst' is no command; did you mean list?"),
        (("jobs", "shw"), "'shw' is no command; did you mean show?"),
    ],
)
def test_the_help_of_a_command_that_is_not_there_is_refused(
    billingual: Command, words: tuple[str, ...], said: str
) -> None:
    """The list of all commands would hide that the word is misspelt."""
    done = billingual("help", *words)

    assert (2, "") == (done.returncode, done.stdout)
    assert said in done.stderr
