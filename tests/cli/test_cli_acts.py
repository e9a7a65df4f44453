"""Commands that cannot be undone: finalize, void and delete."""

from __future__ import annotations

import json
import os
import pty
import subprocess
import sys
from contextlib import suppress

import pytest

from _support.command import Command, environment
from billingual.sandbox import ACCOUNTS, LANDMARKS, Running

ACTS = [("finalize", "FINALIZED"), ("void", "VOID")]
SECRETS = {name: {"BILLINGUAL_TOKEN": account.token} for name, account in ACCOUNTS.items()}


def _account(served: Running, provider: str) -> tuple[str, ...]:
    given = ("--provider", provider, "--base-url", served.base_url(provider))
    tenant = ("--tenant", LANDMARKS["kukkingu_tenant"])
    return given + (tenant if provider == "kukkingu" else ())


def _rows(billingual: Command, served: Running, provider: str) -> dict[str, str]:
    """List the ids and the status of each."""
    account = _account(served, provider)
    listed = billingual("list", "--all", "-o", "json", *account, env=SECRETS[provider])
    return {each["id"]: each["status"] for each in json.loads(listed.stdout)}


def _draft(billingual: Command, served: Running) -> str:
    rows = _rows(billingual, served, "kukkingu")
    return next(each for each, status in rows.items() if status == "DRAFT")


@pytest.mark.parametrize(("act", "status"), ACTS)
def test_an_act_that_was_agreed_to_shows_the_invoice(
    billingual: Command, served: Running, act: str, status: str
) -> None:
    """The command prints what the provider has now."""
    invoice_id = _draft(billingual, served)

    done = billingual(
        act, invoice_id, "--yes", "-o", "json",
        *_account(served, "kukkingu"), env=SECRETS["kukkingu"],
    )  # fmt: skip

    assert (done.returncode, json.loads(done.stdout)["status"]) == (0, status)
    assert _rows(billingual, served, "kukkingu")[invoice_id] == status


@pytest.mark.parametrize(("act", "provider"), [("finalize", "kukkingu"), ("void", "kukkingu"),
                                               ("delete", "exante")])  # fmt: skip
def test_without_a_terminal_an_act_needs_yes(
    billingual: Command, served: Running, act: str, provider: str
) -> None:
    """A script that was not written for it changes nothing."""
    before = _rows(billingual, served, provider)
    invoice_id = next(iter(before))

    refused = billingual(act, invoice_id, *_account(served, provider), env=SECRETS[provider])

    assert (refused.returncode, refused.stdout) == (2, "")
    assert "--yes: this cannot be undone" in refused.stderr
    assert _rows(billingual, served, provider) == before


@pytest.mark.parametrize(("answer", "is_done"), [("y", True), ("", False), ("n", False)])
def test_at_a_terminal_an_act_asks_first(
    billingual: Command, served: Running, answer: str, *, is_done: bool
) -> None:
    """Only a plain yes goes on; Enter alone is no."""
    invoice_id = _draft(billingual, served)
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-m", "billingual", "void", invoice_id, *_account(served, "kukkingu")],
        env=environment(SECRETS["kukkingu"]),
        stdin=theirs,
        stdout=subprocess.PIPE,
        stderr=theirs,
    )
    os.close(theirs)
    shown = b""
    while b"[y/N]" not in shown:
        # An error of the terminal is the end of the program; what it said is shown below.
        with suppress(OSError):
            shown += os.read(ours, 1000)
        assert process.poll() is None, (shown, process.communicate())
    os.write(ours, f"{answer}\n".encode())
    output, _ = process.communicate(timeout=100)
    os.close(ours)

    assert f"Make {invoice_id} void?".encode() in shown
    assert (process.returncode, b"VOID" in output) == (0, is_done)
    assert (_rows(billingual, served, "kukkingu")[invoice_id] == "VOID") is is_done


def test_invoices_are_deleted_in_one_request(billingual: Command, served: Running) -> None:
    """Both are gone, and the output names them."""
    account, before = _account(served, "exante"), _rows(billingual, served, "exante")
    two = list(before)[:2]

    shown = billingual("delete", *two, "--dry-run", *account, env=SECRETS["exante"])
    done = billingual("delete", *two, "-y", "-o", "ndjson", *account, env=SECRETS["exante"])

    assert shown.stdout.startswith("DELETE ")
    assert json.loads(done.stdout) == {"deleted": two}
    assert set(_rows(billingual, served, "exante")) == set(before) - set(two)


def test_what_the_provider_lacks_is_refused_in_the_words_of_the_command_line(
    billingual: Command,
) -> None:
    """The way out is an option, and nothing of Python."""
    refused = billingual("finalize", "3c90c3cc-0d44-4b50-8888-8dd25736052a", "--yes")

    assert refused.returncode == 2
    assert "exante does not support finalize" in refused.stderr
    assert "--status APPROVED" in refused.stderr
    assert "Changes(" not in refused.stderr
