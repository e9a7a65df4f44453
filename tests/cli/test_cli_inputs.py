"""From options and JSON to models, without a guess."""

from __future__ import annotations

import codecs
import gzip
import json
import re
import subprocess
import sys
from decimal import Decimal
from pathlib import Path

import pytest

from _support.command import environment
from billingual.cli.error_text import error_text
from billingual.cli.inputs import (
    ChangeOptions,
    DraftOptions,
    FilterOptions,
    changes_from,
    draft_from,
    filter_from,
    named_numbers,
    replacement_from,
)
from billingual.errors import InvalidInputError
from billingual.model import Changes, CustomField, Draft, Filter, Money, Range


def test_options_that_are_left_out_stay_unset() -> None:
    """An option that was not given is not sent as a null."""
    assert draft_from(DraftOptions(), None).given() == {}
    assert changes_from(ChangeOptions(), None).given() == {}
    assert filter_from(FilterOptions()).given() == {}


def test_options_become_the_fields_of_their_names() -> None:
    """Amounts, dates and custom fields arrive as the model's own types."""
    actual = draft_from(
        DraftOptions(number="1", total="120.10 EUR", field=("a=b", "c=d=e"), kind="payable"), None
    )

    expected = Draft(
        number="1", total=Money(12010, "EUR"), fields={"a": "b", "c": "d=e"}, kind="payable"
    )
    assert expected == actual


def test_filters_become_the_filter_of_their_names() -> None:
    """Ranges, repeated options and extra parameters are all there."""
    actual = filter_from(
        FilterOptions(status=("SENT", "PAID"), overdue_days="> 30", extra_params=("x=1",))
    )

    expected = Filter(
        status=("SENT", "PAID"), overdue_days=Range.above(30), extra_params={"x": "1"}
    )
    assert expected == actual


def test_a_null_in_a_file_is_an_explicit_null(tmp_path: Path) -> None:
    """Null, a value and nothing are three things in a file too."""
    path = tmp_path / "changes.json"
    path.write_text('{"paid_at": null, "exchange_rate": 0.1}')

    assert Changes(paid_at=None, exchange_rate=Decimal("0.1")) == changes_from(
        ChangeOptions(), str(path)
    )


def test_custom_fields_of_a_file_may_be_objects_and_money_too(tmp_path: Path) -> None:
    """What ``-o json`` writes for money and custom fields can be given back."""
    path = tmp_path / "draft.json"
    path.write_text(
        json.dumps(
            {
                "total": {"minor": 5, "currency": "JPY", "amount": "5"},
                "fields": [{"key": "a", "value": 1, "type": "number"}],
            }
        )
    )

    expected = Draft(total=Money(5, "JPY"), fields=(CustomField("a", 1, "number"),))
    assert expected == draft_from(DraftOptions(), str(path))


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('{"totl": "1 EUR"}', "perhaps you meant total"),
        ('{"total": 12.5}', "12.34 EUR"),
        ('{"total": {"minor": 1.5, "currency": "EUR"}}', "whole number"),
        ('{"exchange_rate": NaN}', "NaN is no number"),
        ('{"fields": [1]}', "is no object"),
        ("[]", "no JSON object"),
        ("{", "no JSON"),
    ],
)
def test_a_file_that_cannot_be_right_is_refused(tmp_path: Path, text: str, said: str) -> None:
    """The complaint names the field and the way out."""
    path = tmp_path / "draft.json"
    path.write_text(text)

    with pytest.raises(InvalidInputError, match=said):
        draft_from(DraftOptions(), str(path))


def test_a_file_that_is_not_there_is_refused(tmp_path: Path) -> None:
    """The complaint names the file."""
    with pytest.raises(InvalidInputError, match=r"nowhere\.json"):
        draft_from(DraftOptions(), str(tmp_path / "nowhere.json"))


def test_a_replacement_lacks_nothing(tmp_path: Path) -> None:
    """A whole document names what is missing, because what is left out may be cleared."""
    path = tmp_path / "whole.json"
    path.write_text('{"counterparty": "x", "lines": [{"product_id": "p", "quantity": 1}]}')

    with pytest.raises(InvalidInputError, match=r"lines\[0\]\.unit_price"):
        replacement_from(str(path))


@pytest.mark.parametrize("text", ["USD", "=1", "USD=one", "USD=1.5"])
def test_a_currency_code_is_a_name_and_a_number(text: str) -> None:
    """Anything else is refused."""
    with pytest.raises(InvalidInputError):
        named_numbers("currency-code", [text])


def test_currency_codes_are_read() -> None:
    """Several make one table."""
    assert named_numbers("currency-code", ["USD=1", "EUR=2"]) == {"USD": 1, "EUR": 2}


@pytest.mark.sampled(2)
@pytest.mark.parametrize("mark", [b"", codecs.BOM_UTF8], ids=["plain", "marked"])
@pytest.mark.parametrize("source", ["file", "stdin"])
def test_json_is_utf8_whatever_the_code_page(tmp_path: Path, source: str, mark: bytes) -> None:
    """Notepad, Excel and PowerShell put a byte order mark before it."""
    data = mark + json.dumps(
        {"number": "\u0141-1", "document": "ctr_sandbox00000000000000000", "total": "1 EUR",
         "exchange_rate": "1"}, ensure_ascii=False,
    ).encode()  # fmt: skip
    file = tmp_path / "draft.json"
    file.write_bytes(data)
    done = subprocess.run(
        [
            sys.executable, "-m", "billingual", "create", "--provider", "kukkingu", "--dry-run",
            "--tenant", "tnt_" + "a" * 24, "--from", str(file) if source == "file" else "-",
        ],
        env=environment({"PYTHONIOENCODING": "cp1252", "PYTHONUTF8": "0"}),
        input=data,
        capture_output=True,
        check=False,
        timeout=120,
    )  # fmt: skip

    assert done.returncode == 0, done.stderr
    assert "\u0141-1" in done.stdout.decode("utf-8")


@pytest.mark.parametrize(
    ("data", "said"),
    [
        ("{}".encode("utf-16"), "it is UTF-16 or UTF-32 text; save it as UTF-8"),
        ("{}".encode("utf-32-be"), "it is no text; name a JSON or CSV file in UTF-8"),
        ("{}".encode("utf-16-le"), "it is no text; name a JSON or CSV file in UTF-8"),
        (gzip.compress(b"{}", mtime=0), "it is a workbook or another packed file; unpack it"),
        (b'{\n"number": "\xff"}', "it is not UTF-8 text (line 2); save it as UTF-8"),
    ],
)
def test_text_of_another_encoding_is_refused(tmp_path: Path, data: bytes, said: str) -> None:
    """The error says what to do, and where the first wrong byte is."""
    file = tmp_path / "draft.json"
    file.write_bytes(data)

    with pytest.raises(InvalidInputError, match=re.escape(said)):
        draft_from(DraftOptions(), str(file))


@pytest.mark.parametrize(
    "text",
    [
        "number,total,due_at,fields.order\nINV-9,12.50 EUR,2026-12-31,7\n",
        "\ufeffnumber;currency;total;due_at;fields.order\r\nINV-9;EUR;12.50;2026-12-31;7\r\n\r\n",
        "sep=\t\nnumber\ttotal\tdue_at\tfields.order\nINV-9\t12.50 EUR\t2026-12-31\t7",
    ],
    ids=["commas", "Excel", "tabs"],
)
@pytest.mark.parametrize("name", ["draft.csv", "draft"])
def test_one_row_of_csv_is_a_draft(tmp_path: Path, text: str, name: str) -> None:
    """The same columns as in 'bulk create'; options win over cells."""
    file = tmp_path / name
    file.write_text(text, encoding="utf-8", newline="")
    given = {"total": Money(1250, "EUR"), "due_at": "2026-12-31", "fields": {"order": "7"}}
    if "currency" in text:
        given["currency"] = "EUR"

    assert draft_from(DraftOptions(), str(file)) == Draft(number="INV-9", **given)  # type: ignore[arg-type] # as above
    assert draft_from(DraftOptions(number="WINS"), str(file)).number == "WINS"


def test_one_row_of_csv_changes_the_invoice_of_the_command(tmp_path: Path) -> None:
    """A column with the id may be there, and then it has to be the same."""
    file = tmp_path / "changes.csv"
    file.write_text("id,number\ni-1,N-2\n")
    found = changes_from(ChangeOptions(), str(file), invoice_id="i-1")

    assert found == Changes(number="N-2")
    with pytest.raises(InvalidInputError, match="the row is about another invoice"):
        changes_from(ChangeOptions(), str(file), invoice_id="i-2")
    file.write_text("number\nN-2\n")
    assert changes_from(ChangeOptions(), str(file), invoice_id="i-2") == Changes(number="N-2")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "it is empty"),
        (" \r\n", "it is empty"),
        ("\0", "it is no text"),
        ("number,total\n", "it has a header and no row"),
        ("number\n1\n2\n", "it has more than one row; give it to 'billingual bulk create'"),
        ("nmber\n1\n", "nmber in {}: create has no such field; perhaps you meant number"),
        ('number,total\n1,"1,50 EUR"\n', "total in {}: '1,50' is not a number"),
        ('number\n"1\n', "a quote opens in this row"),
        ('{"number": "1"}\n{}', "it is no JSON (Extra data"),
        ("[{}]", "no JSON object but a list"),
        ('{"number": "1", "number": "2"}', "the name 'number' comes twice"),
        ('{"number": ' + "9" * 5000 + "}", "a number has too many digits"),
        ('{"a":' * 100_000, "it is nested too deeply"),
        ('{"exchange_rate":\n1e9999999999999999999}', "is too large a number"),
        ('{"number":\nx}', "at line 2, character 1"),
    ],
    ids=lambda text: text[:30],
)
def test_a_file_that_is_no_draft_says_why(tmp_path: Path, text: str, said: str) -> None:
    """Before anything is sent, and without a word of Python."""
    file = tmp_path / "draft"
    file.write_bytes(text.encode())

    with pytest.raises(InvalidInputError) as raised:
        draft_from(DraftOptions(), str(file))
    assert said.format(file) in str(raised.value)


@pytest.mark.parametrize("name", ["", ".", "nowhere/draft.csv", "a\0b", "x" * 300])
def test_a_name_that_is_no_file_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    """A folder, an empty name, one with a null, one that is too long."""
    monkeypatch.chdir(tmp_path)

    with pytest.raises(InvalidInputError, match="it cannot be read"):
        draft_from(DraftOptions(), name)


@pytest.mark.parametrize("end", ["\r", "\n", "\r\n"])
@pytest.mark.parametrize("mark", ["", "\ufeff"])
def test_each_end_of_a_line_ends_a_row(tmp_path: Path, end: str, mark: str) -> None:
    """Old spreadsheets write a carriage return alone."""
    file = tmp_path / "row.csv"
    file.write_bytes(f"{mark}number,fields.note{end}1,b{end}".encode())

    assert draft_from(DraftOptions(), str(file)) == Draft(number="1", fields={"note": "b"})


def test_a_file_of_very_many_columns_is_refused_in_words(tmp_path: Path) -> None:
    """The csv module has a limit for one cell, and the header is one where nothing divides it."""
    file = tmp_path / "wide.csv"
    names = ",".join(f"column{number}" for number in range(50_000))
    file.write_text(f"{names}\n1\n", encoding="utf-8")

    with pytest.raises(InvalidInputError, match=r"column19 and 49,980 more in .*: create has no"):
        draft_from(DraftOptions(), str(file))


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("due_at\n2026-12-31T00:00\n", "point in time; write it like '2026-12-31T00:00:00Z'."),
        ('{"due_at": "2026-12-31T00:00"}', "write it like '2026-12-31T00:00:00Z'."),
        ("due\n2026-12-31\n", "perhaps you meant due_at."),
        ('{"due": 1}', "perhaps you meant due_at."),
    ],
)
def test_fields_of_a_file_have_their_own_names(tmp_path: Path, text: str, said: str) -> None:
    """They are no options, and a file has no Python."""
    file = tmp_path / "input"
    file.write_text(text, encoding="utf-8")
    with pytest.raises(InvalidInputError) as caught:
        draft_from(DraftOptions(), str(file))

    assert said in error_text(caught.value)
