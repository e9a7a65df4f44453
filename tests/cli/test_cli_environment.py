"""The environment names the same for the command line as for a program, and mixes nothing up."""

from __future__ import annotations

from pathlib import Path

import pytest

from _support.command import Command

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
