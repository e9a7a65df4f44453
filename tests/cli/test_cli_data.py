"""What goes to stdout, in which form, and what goes to stderr."""

from __future__ import annotations

import json
import re
from decimal import Decimal
from pathlib import Path

import httpx
import pytest

from _support.command import Command
from billingual.cli.invoice_list import _columns
from billingual.cli.output import Column, _fitting
from billingual.model import InvoiceSummary
from billingual.sandbox import ACCOUNTS, LANDMARKS, Running

TOKEN = {"BILLINGUAL_TOKEN": ACCOUNTS["exante"].token}
CREATE = (
    *("create", "--counterparty", LANDMARKS["exante_party"]),
    *("--owner", LANDMARKS["exante_owner"], "--document", LANDMARKS["exante_document"]),
)


def test_a_list_works_without_an_account_and_says_so_beside_the_data(billingual: Command) -> None:
    """The sandbox is named on stderr; stdout holds the table alone, whole and without codes."""
    done = billingual("list", "--status", "OVERDUE", "--limit", "3")

    assert done.returncode == 0, done.stderr
    assert len(done.stdout.splitlines()) == 4
    assert done.stdout.splitlines()[0].split()[:3] == ["number", "status", "minor"]
    assert "\x1b" not in done.stdout + done.stderr
    assert "In-process sandbox" in done.stderr
    assert "In-process sandbox" not in done.stdout


def test_json_is_one_array_with_exact_money_and_utc(billingual: Command) -> None:
    """A program reads the whole of stdout as JSON, and no number in it is a float."""
    done = billingual("list", "--limit", "2", "-o", "json", "--sort", "-due_at")
    rows = json.loads(done.stdout, parse_float=lambda text: pytest.fail(f"a float: {text}"))

    assert len(rows) == 2
    assert {"minor", "currency", "amount"} == set(rows[0]["total"])
    assert type(rows[0]["total"]["minor"]) is int
    assert rows[0]["due_at"].endswith("Z")
    assert "raw" not in rows[0]


def test_ndjson_is_one_object_a_line(billingual: Command) -> None:
    """Each line can be read alone; ``--raw`` adds the provider's own payload."""
    done = billingual("list", "--limit", "3", "-o", "ndjson", "--raw")
    rows = [json.loads(line) for line in done.stdout.splitlines()]

    assert len(rows) == 3
    assert all(row["raw"]["uid"] == row["id"] for row in rows)


def test_all_rows_are_listed_on_demand(billingual: Command, served: Running) -> None:
    """``--all`` walks every page; a small page changes how, not what."""
    base = served.base_url("exante")
    done = billingual(
        *("list", "--all", "--page-size", "7", "--include-inactive", "-o", "ndjson"),
        *("--base-url", base),
        env=TOKEN,
    )

    assert len(done.stdout.splitlines()) == 30
    assert done.stderr == ""


def test_a_list_goes_on_where_the_one_before_stopped(
    billingual: Command, served: Running, tmp_path: Path
) -> None:
    """A file keeps the place, also in the middle of a page, and of one list only."""
    place = str(tmp_path / "place.json")
    to_server = (
        "list",
        "--base-url",
        served.base_url("exante"),
        "-o",
        "ndjson",
        "--page-size",
        "4",
    )

    def listed(*options: str) -> list[str]:
        done = billingual(*to_server, *options, env=TOKEN)
        assert done.returncode == 0, done.stderr
        return [json.loads(line)["id"] for line in done.stdout.splitlines()]

    parts = [listed("--resume", place, "--limit", "6") for _ in range(2)]
    parts += [listed("--resume", place, "--all"), listed("--resume", place, "--all")]
    refused = billingual(*to_server, "--resume", place, "--sort", "due_at", env=TOKEN)

    assert [each for part in parts for each in part] == listed("--all")
    assert [len(part) for part in parts[:2]] == [6, 6]
    assert parts[-1] == []
    assert refused.returncode == 2
    assert "another filter or sort" in refused.stderr
    assert [each.name for each in tmp_path.iterdir()] == ["place.json"]


def test_an_empty_list_is_an_empty_array(billingual: Command) -> None:
    """Nothing found is a response, and no error."""
    as_json = billingual("list", "--search", "no such thing", "-o", "json")
    as_table = billingual("list", "--search", "no such thing")

    assert (as_json.returncode, json.loads(as_json.stdout)) == (0, [])
    assert (as_table.returncode, as_table.stdout) == (0, "")
    assert "No invoice matches." in as_table.stderr


def test_create_get_and_update_against_a_server(billingual: Command, served: Running) -> None:
    """What one command writes the next one reads, over sockets, with the token of the variable."""
    base = ("--base-url", served.base_url("exante"))
    made = json.loads(
        billingual(
            *CREATE, "--number", "CLI-1", "--field", "a=b", "-o", "json", *base, env=TOKEN
        ).stdout
    )
    billingual("update", made["id"], "--due-at", "2027-01-01T00:00:00Z", *base, env=TOKEN)
    read = billingual("get", made["id"], *base, env=TOKEN)

    assert made["number"] == "CLI-1"
    assert [(each["key"], each["value"]) for each in made["fields"]] == [("a", "b")]
    assert "due_at" in read.stdout
    assert "2027-01-01" in read.stdout


def test_create_takes_a_file_on_stdin_and_options_win(billingual: Command) -> None:
    """``--from -`` reads JSON with the names of the model; amounts stay exact."""
    draft = {
        "number": "FILE-1",
        "document": LANDMARKS["kukkingu_contract"],
        "total": "120.10 EUR",
        "exchange_rate": 1.0731,
    }
    done = billingual(
        *("create", "--provider", "kukkingu", "--from", "-", "--number", "WINS", "-o", "json"),
        stdin=json.dumps(draft),
    )
    made = json.loads(done.stdout)

    assert made["number"] == "WINS"
    assert made["total"] == {"minor": 12010, "currency": "EUR", "amount": "120.10"}
    assert made["exchange_rate"] == "1.0731"


def test_a_replacement_is_read_from_a_file(billingual: Command) -> None:
    """A whole document and a table of currency codes give katsu's receipt."""
    document = {
        "counterparty": LANDMARKS["exante_party"],
        "counterparty_name": "Acme",
        "receiving_account": LANDMARKS["exante_party"],
        "account_name": "Main",
        "due_at": "2026-12-31T00:00:00Z",
        "currency": "USD",
        "taxes": [],
        "discount": None,
        "lines": [{"product_id": LANDMARKS["exante_party"], "quantity": 3, "unit_price": 19.99}],
        "description": "x",
        "billing_cycle": 6,
        "recurring": False,
        "payment_methods": [1],
        "notifications": [],
        "remind_days_before": [],
        "remind_days_after": [],
        "remind_on_due_date": True,
    }
    done = billingual(
        *("update", LANDMARKS["katsu_invoice"], "--provider", "katsu"),
        *("--replacement", "-", "--currency-code", "USD=1", "-o", "json"),
        stdin=json.dumps(document),
    )

    assert Decimal("59.97") == Decimal(json.loads(done.stdout)["amount"])


def test_a_dry_run_shows_the_request_and_sends_nothing(
    billingual: Command, served: Running
) -> None:
    """Method, address, headers and body are shown; the server hears nothing; no token shows."""
    arguments = (*CREATE, "--base-url", served.base_url("exante"), "--dry-run")
    as_text = billingual(*arguments, env=TOKEN)
    as_json = billingual(*arguments, "-o", "json", env=TOKEN)
    heard = httpx.get(f"{served.url}/_sandbox/state", trust_env=False).json()["requests"]
    record = json.loads(as_json.stdout)

    assert heard == 0
    assert f"POST {served.base_url('exante')}/api/invoices" == as_text.stdout.splitlines()[0]
    assert ("POST", LANDMARKS["exante_party"]) == (
        record["method"],
        json.loads(record["body"])["target_party_uid"],
    )
    assert TOKEN["BILLINGUAL_TOKEN"] not in as_text.stdout + as_json.stdout
    assert "Authorization" not in as_text.stdout + as_json.stdout


def test_a_dry_run_needs_no_token(billingual: Command) -> None:
    """The documented address of a provider can be seen without an account."""
    done = billingual("get", LANDMARKS["exante_party"], "--transport", "httpx", "--dry-run")

    assert done.returncode == 0
    assert done.stdout.startswith("GET https://dev.exante.app/api/invoices/")


@pytest.mark.parametrize("output", ["json", "ndjson"])
def test_providers_are_printed_as_data(billingual: Command, output: str) -> None:
    """The capabilities of all providers are JSON, by the names of the code."""
    done = billingual("providers", "-o", output)
    text = done.stdout if output == "json" else f"[{','.join(done.stdout.splitlines())}]"
    records = {record["name"]: record for record in json.loads(text)}

    assert {"exante", "katsu", "kukkingu"} <= set(records)
    assert records["exante"]["batch_limit"] == 100
    assert {"DRAFT", "FINALIZED", "VOID"} == set(records["kukkingu"]["locks"])
    assert "create" in records["katsu"]["instead"]


@pytest.mark.parametrize(
    ("width", "expected"),
    [(15, ["id", "status", "due"]), (14, ["id", "status"]), (9, ["id"]), (1, ["id"])],
)
def test_columns_that_do_not_fit_go_by_rank(width: int, expected: list[str]) -> None:
    """The id stays whatever happens; of the others the least dear goes first."""
    columns = [
        Column("id", ("1",)),
        Column("status", ("A",), rank=1),
        Column("due", ("",), rank=2),
    ]

    assert [column.name for column in _fitting(columns, width)] == expected


@pytest.mark.parametrize(
    ("width", "headings", "left_out"),
    [
        ("80", "number status minor units id", "due, counterparty"),
        ("60", "number id", "status, minor units, due, counterparty"),
        ("120", "number status minor units due counterparty id", None),
    ],
)
def test_a_narrow_terminal_keeps_number_and_id(
    billingual: Command, width: str, headings: str, left_out: str | None
) -> None:
    """Nothing is shortened; stderr says what is missing and how to see it."""
    terminal = {"COLUMNS": width, "TTY_COMPATIBLE": "1"}
    done = billingual("list", "--limit", "3", env=terminal)

    assert headings == " ".join(re.sub(r"\x1b\[\d*m", "", done.stdout).splitlines()[0].split())
    assert "…" not in done.stdout
    said = " ".join(re.sub(r"\x1b\[\d*m", "", done.stderr).split())
    assert (left_out is None) == ("No room for" not in said)
    assert left_out is None or f"No room for: {left_out}. See all with -o json, or on" in said


def test_the_width_a_hint_asks_for_is_enough(billingual: Command) -> None:
    """A terminal as wide as the hint says shows every column, and one narrower does not."""
    terminal = {"TTY_COMPATIBLE": "1"}
    narrow = billingual("list", "--limit", "3", env={**terminal, "COLUMNS": "60"})
    found = re.search(r"(\d+)\s+columns", narrow.stderr)
    assert found is not None
    enough = billingual("list", "--limit", "3", env={**terminal, "COLUMNS": found[1]})
    less = billingual("list", "--limit", "3", env={**terminal, "COLUMNS": str(int(found[1]) - 1)})

    assert (False, True) == ("No room" in enough.stderr, "No room" in less.stderr)


def test_rows_keep_their_ids() -> None:
    """Every other command takes the id, so it stays however narrow the terminal is."""
    row = InvoiceSummary(id="inv-1", number="N-1", status="DRAFT")

    kept = [column.name for column in _fitting(_columns([row]), 1) if any(column.cells)]
    assert kept == ["number", "id"]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--provider", "kukkingu", "--limit", "3"), "There are more than these 3 invoices"),
        (("--limit", "3"), "3 of 851 invoices"),
        (("--limit", "3", "-o", "ndjson"), "3 of 851 invoices"),
        (("--limit", "2", "-o", "json"), "2 of 851 invoices"),
    ],
)
def test_a_list_that_is_cut_says_so(
    billingual: Command, arguments: tuple[str, ...], said: str
) -> None:
    """Also where the provider does not count its invoices."""
    done = billingual("list", *arguments)

    assert done.returncode == 0
    assert f"{said}; see more with --limit or --all." in " ".join(done.stderr.split())


def test_a_whole_list_says_nothing_of_more(billingual: Command) -> None:
    """The hint would send a reader to look for rows that are not there."""
    done = billingual("list", "--provider", "kukkingu", "--all")

    assert "more" not in done.stderr


@pytest.mark.parametrize(
    ("option", "word", "near"),
    [
        ("--status", "OVRDUE", "OVERDUE"),
        ("--status", "paid", "PAID"),
    ],
)
def test_a_misspelt_word_is_answered_with_the_nearest(
    billingual: Command, option: str, word: str, near: str
) -> None:
    """An empty list would be taken for the truth."""
    done = billingual("list", option, word)

    assert done.returncode == 2
    assert f"perhaps you meant {near}" in " ".join(done.stderr.split())
    assert billingual("list", "--param", f"status={word}").returncode == 0  # as the error advises


def test_a_way_to_collect_that_is_not_documented_is_refused_by_its_option(
    billingual: Command,
) -> None:
    """There is no way to send it all the same, so none is advised."""
    done = billingual("list", "--collection-method", "send-invoice")

    assert done.returncode == 2
    assert "--collection-method: 'send-invoice' is none of those documented" in done.stderr
    assert "--param" not in done.stderr


def test_a_word_that_is_like_none_goes_to_the_provider(billingual: Command) -> None:
    """A provider may have words of its own."""
    done = billingual("list", "--status", "ZURUECKGESTELLT")

    assert done.returncode != 2


def test_a_page_size_where_there_are_no_pages_is_refused(billingual: Command) -> None:
    """What a caller asks for is not dropped in silence."""
    done = billingual("list", "--provider", "kukkingu", "--page-size", "5")

    assert done.returncode == 2
    assert "page size" in done.stderr
