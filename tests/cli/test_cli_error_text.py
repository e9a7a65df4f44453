"""Errors on the screen speak of options and files, not of Python."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from billingual.cli.app import run
from billingual.cli.error_text import error_text
from billingual.errors import RejectedError
from billingual.sandbox import LANDMARKS

KATSU = ("--provider", "katsu")
KUKKINGU = ("--provider", "kukkingu")
ID = LANDMARKS["katsu_invoice"]
PYTHON = re.compile(r"\w=|\(\.\.\.|\b(None|True|False|int|str|bool|datetime|Changes|Replacement)\b")
DOCUMENT = {
    "counterparty": ID, "counterparty_name": "Acme", "receiving_account": ID,
    "account_name": "Main", "due_at": "2026-12-31T00:00:00Z", "currency": "USD",
    "lines": [], "taxes": [], "discount": None, "description": "x", "billing_cycle": 6,
    "recurring": False, "payment_methods": [1], "notifications": [], "remind_days_before": [],
    "remind_days_after": [], "remind_on_due_date": True,
}  # fmt: skip


@pytest.fixture(autouse=True)
def _bare(monkeypatch: pytest.MonkeyPatch) -> None:
    """Leave nothing of this machine's in the environment, but a token, which is not sent."""
    for name in ("PROVIDER", "TRANSPORT", "BASE_URL", "TENANT", "ORGANIZATION"):
        monkeypatch.delenv(f"BILLINGUAL_{name}", raising=False)
    monkeypatch.setenv("BILLINGUAL_TOKEN", "canary")
    monkeypatch.setenv("COLUMNS", "500")


def _said(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    assert run([*arguments, "--transport", "sandbox"] if _is_local(arguments) else arguments) == 2
    return capsys.readouterr().err.splitlines()[-1].removeprefix("error: ")


def _is_local(arguments: tuple[str, ...]) -> bool:
    return "--base-url" not in arguments


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (("update", ID), "changes: they hold no field; give at least one, such as --due-at."),
        (("update", ID, *KATSU, "--number", "4"), "give --replacement FILE."),
        (("list", *KUKKINGU, "--base-url", "https://x.example"), "give --tenant"),
        (("list", "--base-url", "http://x.example"), "unencrypted; use https://."),
        (("list", "--base-url", "https://u@x.example"), "environment variable BILLINGUAL_TOKEN."),
        (("list", "--tenant", "x"), "leave --tenant out"),
        (
            ("list", "--due-from", "2026-01-01T10:00:00"),
            "--due-from: 2026-01-01T10:00:00 has no time zone",
        ),
        (("list", "--page-size", "0"), "--page-size: 0 is no count"),
        (("list", "--counterparty", "a|b"), "use --counterparty-id instead."),
        (("list", *KUKKINGU, "--expand", "x"), "send it as it is with --param."),
        (("list", *KUKKINGU, "--collection-method", "x"), "not support --collection-method as"),
        (("list", *KUKKINGU, "--collection-method", "x"), "--document, --expand, --param"),
        (("list", "--document", "d"), "compare the document of each row."),
        (
            ("list", "--due-from", "2026-02-01T00:00:00Z", "--due-to", "2026-01-01T00:00:00Z"),
            "is later than --due-to,",
        ),
        (("create", "--number", "1"), "give --counterparty, --document, --owner."),
        (("create", "--paid-at", "2026-01-01T00:00:00Z"), "then set --paid-at by an update."),
        (("create", "--total", "1.234 EUR"), "--total: 1.234 has more decimal places"),
        (("create", "--total", "1 eur"), "--total: 'eur' is not in capital letters"),
        (("get", "42"), "INVOICE-ID: '42' is no UUID"),
        (("get", "INV-1"), "8dd25736052a', as 'billingual list' shows it."),
        (
            ("get", "INV-1", "--provider", "kukkingu"),
            "letters and digits, as 'billingual list' shows it.",
        ),
        (("list", "--token", "x"), "Put the token into the environment variable BILLINGUAL_TOKEN"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else None,
)
def test_an_error_names_options(
    capsys: pytest.CaptureFixture[str], arguments: tuple[str, ...], expected: str
) -> None:
    """What is wrong is called by the name it has on the command line, and so is the way out."""
    said = _said(capsys, *arguments)

    assert expected in said
    assert PYTHON.search(said) is None


@pytest.mark.parametrize(
    ("changed", "expected"),
    [
        (
            {"due_at": "2026-01-01T10:00:00"},
            "due_at in {path}: 2026-01-01T10:00:00 has no time zone",
        ),
        ({"counterparty": "x"}, "counterparty in {path}: 'x' is no UUID"),
        (
            {"recurring": 1},
            "recurring in {path}: a number is neither true nor false; give",
        ),
        ({"billing_cycle": "6"}, "text is not a whole number; give a whole number."),
        ({"lines": [{}]}, "lines[0].product_id in {path}: ReplacementLine needs it"),
        ({}, "--currency-code USD=1, with the number"),
    ],
)
def test_a_document_in_a_file_is_blamed_by_the_name_of_the_file(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, changed: dict[str, object], expected: str
) -> None:
    """A field of a file is no option, though one may have the same name."""
    path = tmp_path / "whole.json"
    path.write_text(json.dumps(DOCUMENT | changed))
    said = _said(capsys, "update", ID, *KATSU, "--replacement", str(path))

    assert expected.format(path=path) in said
    assert PYTHON.search(said.replace("USD=1", "")) is None


def test_a_draft_of_both_says_which_of_them_is_wrong(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """The option wins over the file, and so the blame is the option's."""
    path = tmp_path / "draft.json"
    path.write_text('{"number": 4, "due_at": "soon"}')
    of_file = _said(capsys, "create", "--from", str(path))
    of_option = _said(capsys, "create", "--from", str(path), "--number", "4", "--due-at", "then")

    assert f"number in {path}: a number is not text" in of_file
    assert PYTHON.search(of_file) is None
    assert of_option.startswith("--due-at: 'then' is not a date")


def test_an_option_for_single_fields_is_offered_where_nothing_is_replaced(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """Exante takes no whole document."""
    path = tmp_path / "whole.json"
    path.write_text(json.dumps(DOCUMENT))

    assert "give single options, like --due-at." in _said(
        capsys, "update", ID, "--replacement", str(path)
    )


def test_what_a_provider_said_stays_as_it_said_it() -> None:
    """A provider's own text is evidence, whatever words are in it."""
    error = RejectedError.__new__(RejectedError, "leave tenant= out, give an int")

    assert error_text(error) == "leave tenant= out, give an int"
