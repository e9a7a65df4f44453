"""How a newcomer finds commands: help, completion, and which account is used."""

from __future__ import annotations

import functools
import json
import os
import pty
import re
import select
import shutil
import subprocess
import time
from pathlib import Path
from typing import Self

import pytest

from _support.command import Command, run_here
from billingual.cli.app import app
from billingual.sandbox import ACCOUNTS, LANDMARKS

COMMANDS = [name for name in app if not name.startswith("-")]
BASH, ZSH, FISH = (shutil.which(shell) or "" for shell in ("bash", "zsh", "fish"))
BELOW = [(name, below) for name in COMMANDS for below in app[name] if not below.startswith("-")]


class ShellOnTerminal:
    """A shell on a terminal of its own, on which a person would press Tab."""

    def __init__(self, *command: str, home: Path) -> None:
        self._shown = b""
        self._terminal, end = pty.openpty()
        self._shell = subprocess.Popen(
            command,
            stdin=end,
            stdout=end,
            stderr=end,
            env={"HOME": str(home), "PATH": os.environ["PATH"], "TERM": "xterm"},
            start_new_session=True,
        )
        os.close(end)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._shell.kill()
        self._shell.wait()
        os.close(self._terminal)

    def type(self, text: str) -> None:
        """Press keys."""
        os.write(self._terminal, text.encode())

    def shown(self, wanted: str) -> str:
        """Return what is shown since the last time, once that holds *wanted* or 30 s are over."""
        until = time.monotonic() + 30
        while wanted.encode() not in self._shown and (left := until - time.monotonic()) > 0:
            if select.select([self._terminal], [], [], left)[0]:
                self._shown += os.read(self._terminal, 65_536)
        shown, self._shown = self._shown.decode(errors="replace"), b""
        return shown


def test_help_groups_commands_by_what_they_are_about(billingual: Command) -> None:
    """Invoices come first, and each command is in one group."""
    lines = billingual("--help").stdout.splitlines()
    titles = [line.strip("╭─╮ ") for line in lines if line.startswith("╭")]
    words = [line.split()[1] for line in lines if line.startswith("│ ")]

    assert titles == ["Invoices", "Many invoices", "Your account", "Around", "Options"]
    assert [words.count(name) for name in COMMANDS] == [1] * len(COMMANDS)


@pytest.mark.parametrize("words", [(name,) for name in COMMANDS] + BELOW, ids=" ".join)
def test_every_command_tells_all_that_is_known_of_it(
    billingual: Command, words: tuple[str, ...]
) -> None:
    """Its docstring is in the help whole; 'help COMMAND' shows the same."""
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


COMPLETED = [
    ("billingual rec", "reconcile"), ("billingual reconcile fin", "finalize"),
    ("billingual list --stat", "--status"), ("billingual list -o c", "csv"),
    ("billingual jobs resume --bisect --con", "--concurrency"),
]  # fmt: skip


@functools.cache
def completion_for(shell: str) -> str:
    """Return the script for *shell*; it takes most of a second."""
    return run_here("completion", shell).stdout


@pytest.mark.parametrize(("typed", "offered"), COMPLETED)
@pytest.mark.skipif(not BASH, reason="bash completes itself")
def test_bash_completes_what_was_begun(tmp_path: Path, typed: str, offered: str) -> None:
    """Commands, commands below commands, options, and their choices."""
    script = tmp_path / "billingual.bash"
    script.write_text(completion_for("bash"))
    begun = f"source {script}; COMP_WORDS=({typed}); COMP_CWORD={typed.count(' ')}; _billingual; "
    done = subprocess.run(
        [BASH, "-c", begun + 'echo "${COMPREPLY[@]}"'],
        capture_output=True,
        text=True,
        check=True,
        timeout=30,
    )

    assert offered in done.stdout.split()


@pytest.mark.parametrize(("typed", "offered"), COMPLETED)
@pytest.mark.skipif(not FISH, reason="fish completes itself")
def test_fish_completes_what_was_begun(tmp_path: Path, typed: str, offered: str) -> None:
    """It does so in fish too."""
    script = tmp_path / "billingual.fish"
    script.write_text(completion_for("fish"))
    done = subprocess.run(
        [FISH, "--no-config", "-c", f"source {script}; complete -C '{typed}'"],
        env={"HOME": str(tmp_path), "PATH": os.environ["PATH"]},
        capture_output=True,
        text=True,
        check=True,
        timeout=30,
    )

    assert offered in [line.partition("\t")[0] for line in done.stdout.splitlines()]


@pytest.mark.parametrize("way", ["in $fpath", "sourced"])
@pytest.mark.skipif(not ZSH, reason="zsh completes itself, on a terminal")
def test_zsh_completes_what_was_begun(tmp_path: Path, way: str) -> None:
    """It does so at the first Tab and at later ones, wherever the script is."""
    (tmp_path / "_billingual").write_text(completion_for("zsh"))
    with ShellOnTerminal(ZSH, "-f", "-i", home=tmp_path) as zsh:
        load = f"source {tmp_path}/_billingual" if way == "sourced" else "true"
        folder = tmp_path if way == "in $fpath" else ""
        zsh.type(f"fpath=({folder} $fpath); autoload -U compinit; compinit -u -D; {load}\n")
        for number, (typed, offered) in enumerate(COMPLETED):
            # What is typed before zsh shows a prompt can be lost, so each has its own text.
            zsh.type(f"\x15PROMPT=rea''dy{number}:\n")
            assert f"ready{number}:" in zsh.shown(f"ready{number}:")
            zsh.type(f"{typed}\t")
            assert offered in zsh.shown(offered)


@pytest.mark.parametrize(
    ("shell", "command"),
    [
        ("bash", (BASH, "--norc", "-i")),
        ("zsh", (ZSH, "-f", "-i")),
    ],
)
@pytest.mark.skipif(not (BASH and ZSH), reason="they complete themselves, on a terminal")
def test_names_of_files_are_completed_where_no_word_is_known(
    tmp_path: Path, shell: str, command: tuple[str, ...]
) -> None:
    """``bulk`` and ``jobs`` are given files of rows and of jobs; fish does it by itself."""
    (tmp_path / "script").write_text(completion_for(shell))
    (tmp_path / "november.csv").touch()
    with ShellOnTerminal(*command, home=tmp_path) as terminal:
        ready = "autoload -U compinit; compinit -u -D; " if shell == "zsh" else ""
        terminal.type(f"cd {tmp_path}; {ready}source ./script; echo rea''dy\n")
        assert "ready" in terminal.shown("ready")
        for typed in ("bulk create nov", "jobs show nov", "create --from nov"):
            terminal.type(f"\x15billingual {typed}\t")
            assert "november.csv" in terminal.shown("november.csv")


@pytest.mark.parametrize(
    ("shell", "mark"), [("zsh", "#compdef billingual"), ("fish", "complete -c")]
)
def test_other_shells_are_given_their_own_script(shell: str, mark: str) -> None:
    """Each names the commands."""
    assert mark in completion_for(shell)
    assert "reconcile" in completion_for(shell)


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


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_an_option_without_a_value_waits_for_none(shell: str) -> None:
    """``--bisect`` may be left out, given or denied: what follows it is no value of it."""
    waits = {"bash": r"--bisect\)", "zsh": r"--bisect\[[^\]]*\]:", "fish": "-l bisect -r"}

    assert not re.search(waits[shell], completion_for(shell))
    assert "bisect" in completion_for(shell)
