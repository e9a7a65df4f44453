"""Files of rows as people have them: what is read, and what is refused with its line."""

from __future__ import annotations

import bz2
import codecs
import gzip
import lzma
import tracemalloc
from collections.abc import Callable
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from billingual.cli.table_file import Operation, Row, TableOptions, opened_table
from billingual.errors import InvalidInputError
from billingual.jobs import Create, Delete, Update
from billingual.model import Changes, CustomField, Draft, Money

Read = Callable[..., list[Row]]


@pytest.fixture
def read(tmp_path: Path) -> Read:
    """Return a function that writes a file and reads its rows."""

    def rows(content: str | bytes, operation: Operation = "create", **options: Any) -> list[Row]:
        path = tmp_path / "rows"
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        with opened_table(str(path), operation, TableOptions(**options)) as table:
            return list(table.rows())

    return rows


def _drafts(rows: list[Row]) -> list[Draft]:
    assert [row.problems for row in rows] == [()] * len(rows)
    return [row.write.draft for row in rows if isinstance(row.write, Create)]


def _said(rows: list[Row]) -> list[tuple[int, str]]:
    return [(row.line, str(problem)) for row in rows for problem in row.problems]


@pytest.mark.parametrize("mark", [b"", codecs.BOM_UTF8], ids=["plain", "marked"])
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"], ids=["LF", "CRLF", "CR"])
@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
def test_a_csv_file_is_read_as_it_comes(read: Read, delimiter: str, end: str, mark: bytes) -> None:
    """The delimiter is told from the header; marks and line ends are no data."""
    lines = ["number,owner,due_at", "0007,o-1,2026-12-31", "Ä8,o-2,", ""]
    text = end.join(lines).replace(",", delimiter)

    rows = read(mark + text.encode())

    expected = [
        Draft(number="0007", owner="o-1", due_at=date(2026, 12, 31)),
        Draft(number="Ä8", owner="o-2"),
    ]
    assert expected == _drafts(rows)
    assert [2, 3] == [row.line for row in rows]


def test_a_delimiter_in_other_cells_does_not_mislead(read: Read) -> None:
    """What counts is which delimiter gives columns that there are."""
    rows = read("number;fields.a,b,c;owner\n1;x;o\n")

    assert [Draft(number="1", owner="o", fields={"a,b,c": "x"})] == _drafts(rows)


@pytest.mark.parametrize("given", [":", "\t", "\\t", "tab"])
def test_a_delimiter_can_be_named(read: Read, given: str) -> None:
    """A tab is hard to type, so its name is taken too."""
    written = ":" if given == ":" else "\t"

    rows = read(f"number{written}owner\n1,5{written}o\n", delimiter=given)

    assert [Draft(number="1,5", owner="o")] == _drafts(rows)


@pytest.mark.parametrize("given", ["", ";;", '"', "\n"])
def test_what_is_no_delimiter_is_refused(read: Read, given: str) -> None:
    """One character is between cells."""
    with pytest.raises(InvalidInputError, match="is no delimiter"):
        read("number\n1\n", delimiter=given)


def test_the_line_of_excel_about_the_delimiter_is_obeyed(read: Read) -> None:
    """It is no header, and lines are counted with it."""
    rows = read("sep=;\r\nnumber;owner\r\n1;o\r\n")

    assert [Draft(number="1", owner="o")] == _drafts(rows)
    assert [3] == [row.line for row in rows]


def test_quoted_cells_keep_what_is_in_them(read: Read) -> None:
    """Delimiters, quotes and line ends too; the line of a row is that of its start."""
    rows = read('number,fields.note\n1,"a, ""b""\nc"\n2,d\n')

    expected = [
        Draft(number="1", fields={"note": 'a, "b"\nc'}),
        Draft(number="2", fields={"note": "d"}),
    ]
    assert expected == _drafts(rows)
    assert [2, 4] == [row.line for row in rows]


def test_an_empty_cell_is_not_given(read: Read) -> None:
    """It is neither an empty text nor a null; spaces around a value are not part of it."""
    rows = read("number,status,due_at,fields.a\n 1 ,, ,\n")

    assert [{"number": "1"}] == [draft.given() for draft in _drafts(rows)]


def test_rows_without_a_value_are_no_rows(read: Read) -> None:
    """Spreadsheets leave such lines, and delimiters at the end of others."""
    rows = read("\nnumber;owner;;\n1;o;;\n;;;\n\n2;o\t;;;;\n")

    assert [Draft(number="1", owner="o"), Draft(number="2", owner="o")] == _drafts(rows)
    assert [3, 6] == [row.line for row in rows]


@pytest.mark.parametrize(
    ("text", "minor"),
    [
        ("12,50 EUR", 1250),
        ("12 EUR", 1200),
        ("1234,5 EUR", 123450),
        ("1.234,50 EUR", 123450),
        ("1.234.567 EUR", 123456700),
        ("1 234,50 EUR", 123450),
        ("1\u00a0234,50\u00a0EUR", 123450),
        ("1\u202f234\u202f567 EUR", 123456700),
        ("-0,05 EUR", -5),
    ],
)
def test_a_decimal_comma_is_read_where_it_is_declared(read: Read, text: str, minor: int) -> None:
    """Points and spaces between the thousands come with it."""
    (draft,) = _drafts(read(f'total\n"{text}"\n', decimal_comma=True))

    assert Money(minor, "EUR") == draft.total


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("1.234 EUR", "can be read in two ways; write '1234' or '1,234'"),
        ("12.50 EUR", "is no number with a decimal comma"),
        ("1,234.50 EUR", "is no number with a decimal comma"),
        ("1.23.456 EUR", "is no number with a decimal comma"),
        ("1,2,3 EUR", "is no number with a decimal comma"),
        (",5 EUR", "is no number with a decimal comma"),
        ("abc", "is no number with a decimal comma"),
        ("\u0661,\u0665 EUR", "is no number with a decimal comma"),
    ],
)
def test_what_a_decimal_comma_leaves_open_is_refused(read: Read, text: str, said: str) -> None:
    """An amount is not guessed."""
    ((line, problem),) = _said(read(f'total\n"{text}"\n', decimal_comma=True))

    assert 2 == line
    assert problem.startswith("total: ")
    assert said in problem


@pytest.mark.parametrize("text", ["12,50 EUR", "1.234,50 EUR", "12,5"])
def test_a_decimal_comma_that_was_not_declared_is_refused(read: Read, text: str) -> None:
    """The complaint names the option."""
    ((_, problem),) = _said(read(f'total\n"{text}"\n'))

    assert "--decimal-comma" in problem


def test_other_numbers_than_amounts_have_decimal_commas_too(read: Read) -> None:
    """A rate is a number, and a number of an invoice is text."""
    (draft,) = _drafts(read("number;exchange_rate\n1,5;1,25\n", decimal_comma=True))

    assert Draft(number="1,5", exchange_rate=Decimal("1.25")) == draft


def test_an_amount_takes_the_currency_of_its_row(read: Read) -> None:
    """Tables have amounts and currencies in columns of their own; each row may have another."""
    rows = read("total,currency\n12.50,EUR\n1250,JPY\n3 USD,USD\n4\u00a0USD,\n")

    expected = [Money(1250, "EUR"), Money(1250, "JPY"), Money(300, "USD"), Money(400, "USD")]
    assert expected == [draft.total for draft in _drafts(rows)]


@pytest.mark.parametrize(
    "text",
    ["1.23457E+11", "1,2E+10", "5E-05", "#N/A", "#NV", "#REF!", "#NAME?", "#DIV/0!", "####",
     "Err:502"],
)  # fmt: skip
@pytest.mark.parametrize("name", ["number", "document", "fields.po", "entry_id"])
def test_what_a_spreadsheet_saves_in_the_place_of_a_value_is_refused(
    read: Read, name: str, text: str
) -> None:
    """The digits of a long number are lost there, and an error is no number of an invoice."""
    ((line, problem),) = _said(read(f'owner,{name}\n1,"{text}"\n'))

    assert line == 2
    assert f"{name}: '{text}' is what a spreadsheet saves in the place of a value" in problem


@pytest.mark.parametrize("text", ["0007", "1E5", "#7", "#", "2026E+1", "E+10", "RE-1.5E+11"])
def test_numbers_of_invoices_are_texts(read: Read, text: str) -> None:
    """Nothing is taken from them, and none that a person may have given is refused."""
    assert [Draft(number=text)] == _drafts(read(f"number\n{text}\n"))


def test_a_time_needs_a_zone_and_a_day_does_not(read: Read) -> None:
    """A time without one names no point in time; its line is told."""
    rows = read(
        "due_at\n2026-12-31\n2026-12-31T10:00:00+01:00\n2026-12-31T10:00:00Z\n"
        "2026-12-31T10:00:00\n2026-12-31 10:00\n31.12.2026\n"
    )

    moments = [row.write.draft.due_at for row in rows if isinstance(row.write, Create)]
    assert [
        date(2026, 12, 31),
        datetime(2026, 12, 31, 9, tzinfo=UTC),
        datetime(2026, 12, 31, 10, tzinfo=UTC),
    ] == moments
    said = _said(rows)
    assert [5, 6, 7] == [line for line, _ in said]
    assert ["has no time zone", "has no time zone", "is not a date and time"] == [
        next(part for part in ("has no time zone", "is not a date and time") if part in problem)
        for _, problem in said
    ]


@pytest.mark.parametrize(
    ("header", "said"),
    [
        ("numbr", "numbr: create has no such field; perhaps you meant number."),
        ("Due Date", "perhaps you meant due_at"),
        ("DUE_AT", "perhaps you meant due_at"),
        ("zzz", "there are number, "),
        ("fields", "write a column fields.NAME for each custom field"),
        ("fields.", "write a column fields.NAME for each custom field"),
        ("number,number", "number: 2 columns have this name; keep one of them."),
        ("fields.a,fields.a", "fields.a: 2 columns have this name"),
    ],
)
def test_a_header_that_is_not_understood_is_refused(read: Read, header: str, said: str) -> None:
    """A column that is passed over would be a field that is silently not sent."""
    ((line, problem),) = _said(read(f"{header}\n1,2\n"))

    assert 1 == line
    assert said in problem


def test_all_that_is_wrong_with_a_header_is_told(read: Read) -> None:
    """One attempt is enough to learn of it."""
    header = "net,numbr,due,owner,gross,owner\n"

    assert ["owner", "numbr", "due", "net, gross"] == [
        problem.partition(":")[0] for _, problem in _said(read(header))
    ]


@pytest.mark.parametrize(
    ("row", "said"),
    [
        ("1", "it has 1 cells, and the header has 2"),
        ("1,2,3", "it has 3 cells, and the header has 2"),
    ],
)
def test_a_row_of_another_length_is_refused(read: Read, row: str, said: str) -> None:
    """Its values may be under the wrong names."""
    ((line, problem),) = _said(read(f"number,owner\n{row}\n"))

    assert (2, True) == (line, said in problem)


def test_a_value_under_no_name_is_refused(read: Read) -> None:
    """Nothing says what it is."""
    ((line, problem),) = _said(read("number,,owner\n1,x,o\n"))

    assert 2 == line
    assert "its column has no name" in problem


@pytest.mark.parametrize(
    ("text", "line", "said"),
    [
        ('number\n1\n"2\n3\n', 3, "a quote opens in this row and does not close"),
        ('number\n1\n"2" x\n', 3, "something follows a closing quote"),
        (f"number\n1\n{'x' * 200_000}\n", 3, "a cell has more than 131,072 characters"),
    ],
)
def test_quotes_that_do_not_close_are_told(read: Read, text: str, line: int, said: str) -> None:
    """Else the rest of the file would be one cell."""
    rows = read(text)

    assert [()] == [row.problems for row in rows if row.write is not None]
    ((told, problem),) = _said(rows)
    assert (line, True) == (told, said in problem)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "it is empty"),
        (b"\n \r\n", "it is empty"),
        ("number\n1\n".encode("utf-16"), "it is UTF-16 or UTF-32 text; save it as UTF-8"),
        (
            "number\n1\nMüller\n".encode("cp1252"),
            r"\(line 3\); save it as UTF-8 \(Excel: CSV UTF-8\)",
        ),
        (b"number\n1\n\xed\xa0\x80\n", r"it is not UTF-8 text \(line 3\)"),
        (b"number\n1\0\n", r"it is no text \(line 2\)"),
        (b"PK\x03\x04 and so on", "it is a workbook"),
        (b"number\n" + b"x" * 1_000_001, "line 2 has more than 1,000,000 characters"),
        (b'[{"number": "1"}]', "it is a JSON array; write JSON Lines"),
    ],
    ids=[
        "nothing",
        "blanks",
        "UTF-16",
        "cp1252",
        "surrogates",
        "NUL",
        "workbook",
        "long line",
        "array",
    ],
)
def test_what_is_no_table_is_refused(read: Read, content: bytes, said: str) -> None:
    """The complaint says what it is, and what to save it as."""
    with pytest.raises(InvalidInputError, match=said):
        read(content)


@pytest.mark.parametrize(
    "pack", [gzip.compress, bz2.compress, lzma.compress], ids=["gzip", "bzip2", "xz"]
)
def test_a_packed_file_is_refused_as_one(read: Read, pack: Callable[[bytes], bytes]) -> None:
    """To save it as UTF-8 would be no help."""
    with pytest.raises(InvalidInputError, match="another packed file; unpack it"):
        read(pack(b"number\n1\n"))


def test_a_file_that_cannot_be_opened_is_refused(tmp_path: Path) -> None:
    """The complaint names the file."""
    with (
        pytest.raises(InvalidInputError, match="nowhere: it cannot be read"),
        opened_table(str(tmp_path / "nowhere"), "create", TableOptions()),
    ):
        pass


@pytest.mark.parametrize("name", ["id", "invoice_id"])
def test_an_update_names_its_invoice(read: Read, name: str) -> None:
    """As a list shows it, or as we call it."""
    (row,) = read(f"{name},status\n0-1,SENT\n", "update")

    assert Update(invoice_id="0-1", changes=Changes(status="SENT")) == row.write


@pytest.mark.parametrize("operation", ["update", "delete"])
@pytest.mark.parametrize(
    ("text", "line", "said"),
    [
        ("entry_id\n1\n", 1, "invoice_id: no column has this name"),
        ("id,invoice_id\n1,2\n", 1, "both name the invoice"),
        ("id,entry_id\n,2\n", 2, "the row does not name its invoice"),
        ('{"entry_id": "2"}', 1, "the row does not name its invoice"),
        ('{"id": 7}', 1, "it is no id"),
        ('{"id": "7", "invoice_id": "7"}', 1, "both name the invoice"),
    ],
)
def test_a_row_names_one_invoice(
    read: Read, operation: Operation, text: str, line: int, said: str
) -> None:
    """Nothing is written to an invoice that is guessed."""
    ((told, problem),) = _said(read(text, operation))

    assert (line, True) == (told, said in problem)


@pytest.mark.parametrize(
    ("text", "line"), [("id,status\n1,SENT\n", 1), ('{"id": "1", "status": "SENT"}', 1)]
)
def test_a_delete_takes_ids_and_nothing_else(read: Read, text: str, line: int) -> None:
    """A file that was made for an update does not delete."""
    assert [Delete(invoice_id="1")] == [row.write for row in read("id\n1\n", "delete")]
    ((told, problem),) = _said(read(text, "delete"))
    assert (line, "status: delete has no such field") == (told, problem.partition(";")[0])


def test_a_row_may_have_a_name_of_its_own(read: Read) -> None:
    """The ledger knows it by that name, also in another file."""
    (row,) = read("entry_id,number\ne-1,7\n")

    assert Create(draft=Draft(number="7"), id="e-1") == row.write


def test_json_lines_are_read_exactly(read: Read) -> None:
    """A null is a null, numbers are not rounded, and blank lines are no rows."""
    rows = read(
        '\ufeff{"number": "007", "total": {"minor": 5, "currency": "JPY"}}\r\n\r\n'
        '{"paid_at": null, "exchange_rate": 1.10000000000000000001}\n'
        '{"fields": [{"key": "a", "value": 1, "type": "number"}]}'
    )

    expected = [
        Draft(number="007", total=Money(5, "JPY")),
        Draft(paid_at=None, exchange_rate=Decimal("1.10000000000000000001")),
        Draft(fields=(CustomField("a", 1, "number"),)),
    ]
    assert expected == _drafts(rows)
    assert [1, 3, 4] == [row.line for row in rows]


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("nonsense", "it is no JSON"),
        ("[1]", "it is no JSON object"),
        ('{"number": "1", "number": "2"}', "the name 'number' comes twice"),
        ('{"exchange_rate": NaN}', "NaN is no number"),
        ('{"totl": "1 EUR"}', "totl: create has no such field; perhaps you meant total."),
        ('{"total": 12.5}', "total: "),
        ('{"number": 7}', "number: int is not text"),
        ('{"entry_id": 7}', "entry_id: int is not text"),
        ('{"entry_id": "\\ud800"}', "entry_id: it holds half of a surrogate pair"),
        ('{"number": "\\ud800"}', "number: it holds half of a surrogate pair"),
        ("{", "write one object on each line"),
        ('{"number": "1"},', "Extra data, at character 16)"),
        (f"{'[' * 10_000}", "it is nested too deeply"),
        (f'{{"exchange_rate": {"9" * 5000}}}', "(a number has too many digits)"),
        (f'{{"exchange_rate": 1e{"9" * 19}}}', "'1e9999999999999999999' is too large a number"),
        (f'{{"fields": [{{"key": "a", "value": -1.5E-{"9" * 20}}}]}}', "is too large a number"),
    ],
)
def test_a_line_of_json_that_cannot_be_right_is_refused(read: Read, line: str, said: str) -> None:
    """The other lines are looked at all the same."""
    ((told, problem),) = _said(read(f'{{"number": "1"}}\n{line}\n{{"number": "2"}}\n'))

    assert (2, True) == (told, said in problem)


@pytest.mark.parametrize("option", [{"decimal_comma": True}, {"delimiter": ";"}])
def test_options_of_csv_do_not_go_with_json(read: Read, option: dict[str, Any]) -> None:
    """JSON has its own rules for both."""
    with pytest.raises(InvalidInputError, match="neither delimiters nor decimal commas"):
        read('{"number": "1"}\n', **option)


def test_all_that_is_wrong_with_a_row_is_told(read: Read) -> None:
    """Each value is looked at by itself."""
    said = _said(read("due_at,total,exchange_rate,number\nsoon,much,x,1\n"))

    assert [(2, "due_at"), (2, "total"), (2, "exchange_rate")] == [
        (line, problem.partition(":")[0]) for line, problem in said
    ]


def test_a_file_can_be_read_again(tmp_path: Path) -> None:
    """It is checked first and planned afterwards."""
    path = tmp_path / "rows"
    path.write_bytes(codecs.BOM_UTF8 + b"number\n1\n2\n")
    with opened_table(str(path), "create", TableOptions()) as table:
        once, again = list(table.rows()), list(table.rows())
        writes = list(table.writes())

    assert once == again
    assert [row.write for row in once] == writes


def test_writes_are_not_given_past_a_wrong_row(tmp_path: Path) -> None:
    """A file that changed after it was checked is not planned with a gap."""
    path = tmp_path / "rows"
    path.write_bytes(b"due_at\n2026-12-31\nsoon\n")
    with opened_table(str(path), "create", TableOptions()) as table:
        writes = table.writes()
        next(writes)
        with pytest.raises(InvalidInputError, match="due_at"):
            next(writes)


def test_many_rows_need_little_memory(tmp_path: Path) -> None:
    """A file is never in memory as a whole."""
    path = tmp_path / "rows"
    path.write_bytes(b"number\n" + b"".join(b"%0500d\n" % n for n in range(10_000)))
    with opened_table(str(path), "create", TableOptions()) as table:
        rows = table.rows()
        next(rows)
        tracemalloc.start()
        count = sum(1 for _ in rows)
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()

    assert 9_999 == count
    assert peak < 500_000, "the file has 5 MB"
