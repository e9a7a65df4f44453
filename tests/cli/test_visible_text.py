"""Text of providers on the screen: shown, never obeyed."""

from __future__ import annotations

import io
import json
import sys
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from billingual.cli.app import run
from billingual.cli.invoice_view import show_invoice
from billingual.cli.messages import fail
from billingual.cli.output import Column, show_facts, show_rows, write_json
from billingual.cli.visible_text import json_text, visible
from billingual.model import Invoice, Party, Problem
from billingual.sandbox import LANDMARKS

# Set the title; clear the screen; one control character that begins a command; up a line; turn the
# order of characters; nothing to see; a tag; a line end; back to the start of the line.
ATTACKS = (
    "\x1b]0;owned\x07", "\x1b[2J", "\x9b31m", "\x1b[1A", "\u202e", "\u200b", "\U000e0041",
    "\u2028", "\r", "\x08", "\x7f", "\ufeff", "\u2066",
)  # fmt: skip


def obeyed(text: str) -> set[str]:
    """List the characters that a terminal would obey or hide."""
    hidden = {"Cc", "Cf", "Cs", "Zl", "Zp"}
    return {c for c in text if unicodedata.category(c) in hidden} - {"\n", "\u200c", "\u200d"}


@given(st.text())
def test_nothing_that_is_shown_is_obeyed(text: str) -> None:
    """Whatever the text is; what can be seen stays as it is."""
    shown = visible(text)

    assert not obeyed(shown)
    assert text != shown or not obeyed(text)


@given(st.recursive(st.text(), lambda each: st.dictionaries(st.text(), each)))
def test_json_keeps_its_values(value: object) -> None:
    """A program that reads the output gets the provider's own characters."""
    for ascii_only in (True, False):
        text = json_text(json.dumps(value, ensure_ascii=ascii_only, indent=2))
        assert not obeyed(text)
        assert json.loads(text) == value


def test_words_of_all_scripts_stay_as_they_are() -> None:
    """Joiners are parts of words and of emoji."""
    text = "\u0645\u06cc\u200c\u062e\u0648\u0627\u0647\u0645 \u65e5\u672c \u0141\u00f3d\u017a "
    text += "\U0001f468\u200d\U0001f469"

    assert visible(text) == text


@pytest.mark.parametrize("attack", ATTACKS, ids=ascii)
def test_no_command_of_a_provider_reaches_the_terminal(
    attack: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """In tables, facts, JSON and messages, with and without a terminal."""
    for compatible in ("0", "1"):
        monkeypatch.setenv("TTY_COMPATIBLE", compatible)
        invoice = Invoice(
            id=f"i{attack}",
            number=f"N{attack}",
            counterparty=Party(id=f"p{attack}", name=f"x{attack}"),
        )
        show_invoice(invoice, "table", raw=True)
        show_invoice(invoice, "json", raw=True)
        show_rows([Column("number", (visible(f"N{attack}"),))])
        show_facts([(f"fields.{attack}", visible(attack))])
        write_json({attack: attack})
        fail(f"the provider said {attack}")
        sys.stdout.flush()
        seen = capsys.readouterr()
        ours = {"\x1b"} if compatible == "1" else set()  # the colours of rich
        assert obeyed(seen.out + seen.err) <= ours
        assert attack not in seen.out + seen.err


@pytest.mark.parametrize("encoding", ["cp1252", "ascii", "utf-16"])
@pytest.mark.parametrize("output", ["table", "json", "ndjson"])
def test_output_is_utf8_on_every_code_page(
    encoding: str, output: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What reads JSON or CSV expects UTF-8, and no letter can make a write fail."""
    streams = [io.TextIOWrapper(io.BytesIO(), encoding=encoding) for _ in range(2)]
    monkeypatch.setattr("sys.stdout", streams[0])
    monkeypatch.setattr("sys.stderr", streams[1])
    code = run(
        [
            *("create", "--provider", "kukkingu", "--number", "\u0141\u00f3d\u017a-1"),
            *("--document", LANDMARKS["kukkingu_contract"], "--total", "120.00 EUR"),
            *("--exchange-rate", "1", "-o", output),
        ]
    )
    out, err = (stream.buffer for stream in streams)
    assert isinstance(out, io.BytesIO)
    assert isinstance(err, io.BytesIO)

    assert code == 0, err.getvalue()
    assert "\u0141\u00f3d\u017a-1" in out.getvalue().decode("utf-8")


def test_values_that_cannot_be_read_are_told_beside_the_data(
    capsys: pytest.CaptureFixture[str],
) -> None:
    """The table shows what could be read; stderr names the rest."""
    problem = Problem(path="due_date", reason="it is no date", value="soon")
    show_invoice(Invoice(id="i", problems=(problem,)), "table")
    seen = capsys.readouterr()

    assert "problems" not in seen.out
    assert seen.err == "due_date: it is no date.\n"


def test_a_narrow_terminal_cuts_no_id(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Half an id is worse than a line that is broken."""
    monkeypatch.setenv("TTY_COMPATIBLE", "1")
    monkeypatch.setenv("COLUMNS", "20")
    whole = "3c90c3cc-0d44-4b50-8888-8dd25736052a"
    show_rows(
        [Column("number", ("INV-2026-1",)), Column("x", ("y",), rank=1), Column("id", (whole,))]
    )

    assert whole in capsys.readouterr().out
