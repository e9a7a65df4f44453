"""What an unclear write says, and the command that finds out what became of it."""

from __future__ import annotations

import json
import shlex

import pytest

from billingual import Changes, CustomField, Draft, OutcomeUnknown
from billingual.cli.app import run
from billingual.cli.connection import Connection
from billingual.cli.unclear_write import UnclearWriteError, reconcilable
from billingual.outcomes import Intent, Safety
from billingual.sandbox import ACCOUNTS, LANDMARKS, Running
from billingual.wire import WireRequest

CREATE = (
    *("create", "--counterparty", LANDMARKS["exante_party"]),
    *("--owner", LANDMARKS["exante_owner"], "--document", LANDMARKS["exante_document"]),
)
EXANTE = ("--organization", LANDMARKS["exante_organization"])
KUKKINGU = ("--provider", "kukkingu", "--tenant", LANDMARKS["kukkingu_tenant"])


class Prompt:
    """A prompt with an account: commands run in this process, and their output is kept."""

    def __init__(self, served: Running, capsys: pytest.CaptureFixture[str]) -> None:
        self.served = served
        self._capsys = capsys

    def __call__(self, *words: str) -> tuple[int, str, str]:
        code = run(words)
        seen = self._capsys.readouterr()
        return code, seen.out, seen.err

    def rows(self, *account: str) -> list[dict[str, str]]:
        code, out, _ = self("list", "--all", "-o", "json", *account)
        assert code == 0
        rows: list[dict[str, str]] = json.loads(out)
        return rows


def advised(said: str) -> tuple[str, ...]:
    """Take the command that an error gives to type."""
    (line,) = [each for each in said.splitlines() if each.startswith("  billingual reconcile")]
    program, *words = shlex.split(line)
    assert program == "billingual"
    return tuple(words)


@pytest.fixture
def prompt(
    served: Running, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> Prompt:
    """Give a prompt whose commands speak to a server of the sandbox."""
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setenv("BILLINGUAL_TOKEN", ACCOUNTS["exante"].token)
    monkeypatch.setenv("BILLINGUAL_BASE_URL", served.base_url("exante"))
    return Prompt(served, capsys)


@pytest.fixture
def kukkingu(prompt: Prompt, monkeypatch: pytest.MonkeyPatch) -> Prompt:
    """Give the same prompt with the account of another provider."""
    monkeypatch.setenv("BILLINGUAL_TOKEN", ACCOUNTS["kukkingu"].token)
    monkeypatch.setenv("BILLINGUAL_BASE_URL", prompt.served.base_url("kukkingu"))
    return prompt


def test_an_unclear_create_is_found_by_the_command_that_its_error_gives(prompt: Prompt) -> None:
    """It was carried out and the response was lost: the command shows the invoice."""
    prompt.served.app.add_fault("drop_after_commit", method="POST")

    code, out, said = prompt(*CREATE, "--number=-LOST 1", "--field", "a=b c", *EXANTE)
    words = advised(said)
    found = prompt(*words, "-o", "json")

    assert (code, out) == (7, "")
    assert "--number=-LOST 1" in words
    record = json.loads(found[1])
    assert (found[0], record["finding"]) == (0, "adopted")
    assert record["invoices"][0]["number"] == "-LOST 1"


def test_an_unclear_create_that_did_not_happen_can_be_sent_again(prompt: Prompt) -> None:
    """Nothing says so before the time for late requests is over and the search is believed."""
    known = json.loads(prompt(*CREATE, "--number", "K-1", "-o", "json", *EXANTE)[1])["id"]
    prompt.served.app.add_fault("drop_before_commit", method="POST")

    words = advised(prompt(*CREATE, "--number", "LOST-2", *EXANTE)[2])
    bare = prompt(*words)
    early = prompt(*words, "--known-invoice", known)
    late = prompt(*words, "--known-invoice", known, "--late-arrival", "0")

    assert bare[0] == 7
    assert "can be given as --known-invoice" in " ".join(bare[1].split())
    assert (early[0], "Look again in" in early[2]) == (7, True)
    assert (late[0], late[1].split()[:2]) == (9, ["finding", "absent"])
    assert "late requests (--late-arrival) is over" in " ".join(late[1].split())
    assert "can be sent again" in late[2]


@pytest.mark.parametrize(("fault", "code"), [("drop_after_commit", 0), ("drop_before_commit", 9)])
def test_an_unclear_update_is_told_by_its_values(prompt: Prompt, fault: str, code: int) -> None:
    """The command repeats the id and the fields, and the moment from which time counts."""
    row = prompt.rows(*EXANTE)[0]
    prompt.served.app.add_fault(fault, method="PUT")

    ended, _, said = prompt("update", row["id"], "--number", "CHANGED-1", *EXANTE)
    words = advised(said)

    assert (ended, words[:3]) == (7, ("reconcile", "update", row["id"]))
    assert prompt(*words, "--late-arrival", "0")[0] == code


@pytest.mark.parametrize(("fault", "code"), [("drop_after_commit", 0), ("drop_before_commit", 9)])
def test_an_unclear_delete_is_told_by_what_is_left(prompt: Prompt, fault: str, code: int) -> None:
    """The command repeats all ids."""
    ids = [row["id"] for row in prompt.rows(*EXANTE)[:2]]
    prompt.served.app.add_fault(fault, method="DELETE")

    ended, _, said = prompt("delete", *ids, "--yes", *EXANTE)
    words = advised(said)

    assert (ended, list(words[2:4])) == (7, ids)
    assert prompt(*words, "--late-arrival", "0")[0] == code


@pytest.mark.parametrize("act", ["finalize", "void"])
def test_an_unclear_act_is_told_by_the_status(kukkingu: Prompt, act: str) -> None:
    """The library looks once by itself, and here that look fails too."""
    row = next(each for each in kukkingu.rows(*KUKKINGU) if each["status"] == "DRAFT")
    kukkingu.served.app.add_fault("drop_before_commit", times=20)

    ended, _, said = kukkingu(act, row["id"], "--yes", *KUKKINGU)
    words = advised(said)
    kukkingu.served.app.clear_faults()

    assert (ended, words[:3]) == (7, ("reconcile", act, row["id"]))
    assert kukkingu(*words, "--late-arrival", "0")[0] == 9
    assert kukkingu(act, row["id"], "--yes", *KUKKINGU)[0] == 0
    assert kukkingu(*words, "--late-arrival", "0")[0] == 0


def unclear(intent: Intent) -> OutcomeUnknown:
    """Make the error of a write whose response was lost."""
    return OutcomeUnknown(
        "exante may or may not have carried it out.",
        provider="exante", operation=intent.operation, likely="unclear", intent=intent,
        request=WireRequest(method="PUT", url="/x", route="/x", safety=Safety.IDEMPOTENT),
        given_up_at=1_700_000_000.5,
    )  # fmt: skip


@pytest.mark.parametrize(
    "fields",
    [
        Changes(paid_at=None, number="x"),
        Changes(fields=(CustomField("a", 1, "number"),)),
        Draft(number="it's", fields=(CustomField("a=b", "c"),)),
    ],
    ids=["null", "number", "equals sign"],
)
def test_what_no_option_can_say_is_given_as_json(fields: Changes | Draft) -> None:
    """A null or a number is no text, so the command reads JSON from a pipe."""
    intent = (
        Intent(operation="create", draft=fields)
        if isinstance(fields, Draft)
        else Intent(operation="update", pairs=(("i", fields),))
    )
    with pytest.raises(UnclearWriteError) as raised, reconcilable(Connection(tenant="t")):
        raise unclear(intent)
    echo, _, command = raised.value.command.partition(" | ")

    assert fields == type(fields).from_dict(json.loads(shlex.split(echo)[1]))
    assert shlex.split(command)[-6:] == [
        "--from", "-", "--given-up-at", "2023-11-14T22:13:20.500000Z", "--tenant", "t",
    ]  # fmt: skip


def test_a_create_whose_invoice_has_an_id_is_read_by_it() -> None:
    """Nothing is searched for: what failed is a read after the write."""
    intent = Intent(operation="create", draft=Draft(number="R-17"), invoice_ids=("17",))
    with pytest.raises(UnclearWriteError) as raised, reconcilable(Connection(tenant="t")):
        raise unclear(intent)

    assert raised.value.command == "billingual get 17 --tenant t"


def test_where_nothing_can_be_read_no_command_is_given() -> None:
    """A replaced document at Katsu cannot be read back."""
    with pytest.raises(UnclearWriteError) as raised, reconcilable(Connection()):
        raise unclear(Intent(operation="update", replacement=object()))

    assert raised.value.command == ""


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("reconcile", "create"), "--number: an invoice is recognised by it"),
        (("reconcile", "update", "x"), "give those of the update"),
        (("reconcile", "void", "x", "--given-up-at", "soon", *KUKKINGU), "--given-up-at: 'soon'"),
        (
            ("reconcile", "void", "x", "--late-arrival", "nan"),
            "'nan' is no number; write it like 2.5.",
        ),
        (("reconcile", "viod", "x"), "did you mean void?"),
    ],
)
def test_wrong_questions_are_refused(
    capsys: pytest.CaptureFixture[str], words: tuple[str, ...], said: str
) -> None:
    """The complaint names the option."""
    assert run(words) == 2
    assert said in capsys.readouterr().err
