"""A list in a file: each form holds the same rows, and a file is whole or as it was."""

from __future__ import annotations

import asyncio
import csv
import io
import json
import os
import signal
import sys
import time
from pathlib import Path

import polars as pl
import pytest

from _support.command import Command, Start, check_runs
from billingual import AsyncClient, Client, InvoiceSummary, MemoryTransport, Money
from billingual.cli.csv_output import Sheet, _cells_of
from billingual.cli.export import _write_csv
from billingual.jobs.trail import harmless
from billingual.sandbox import ACCOUNTS, Running
from billingual.wire import WireResponse

TOKEN = {"BILLINGUAL_TOKEN": ACCOUNTS["exante"].token}
FORMS = ("csv", "jsonl", "parquet")


def _read(path: Path) -> dict[str, tuple[object, object]]:
    """Read number and total of each id."""
    if path.suffix == ".parquet":
        rows = pl.read_parquet(path).to_dicts()
        return {row["id"]: (row["number"], row["total_minor"]) for row in rows}
    if path.suffix == ".csv":
        with path.open(encoding="utf-8-sig", newline="") as file:
            return {
                row["id"]: (row["number"], int(row["total_minor"])) for row in csv.DictReader(file)
            }
    rows = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    return {row["id"]: (row["number"], row["total"]["minor"]) for row in rows}


@pytest.mark.parametrize("form", FORMS)
def test_a_file_holds_each_invoice_that_matches(
    billingual: Command, served: Running, tmp_path: Path, form: str
) -> None:
    """The ending says how it is written; only its owner may read it."""
    file = tmp_path / f"invoices.{form}"
    base = served.base_url("exante")
    done = billingual("export", str(file), "--base-url", base, "--total", "> 50000", env=TOKEN)
    with Client("exante", base_url=base, token=ACCOUNTS["exante"].token) as client:
        expected = {
            row.id: (row.number, row.total.minor)
            for row in client.list()
            if row.total is not None and row.total.minor > 50_000
        }

    assert done.returncode == 0, done.stderr
    assert expected == _read(file)
    assert done.stderr == f"{len(expected)} invoices were written to {file}.\n"
    assert file.stat().st_mode & 0o077 == 0
    assert [file] == list(tmp_path.iterdir())


@pytest.mark.parametrize("form", ["csv", "jsonl"])
def test_stdout_takes_a_list_too(billingual: Command, tmp_path: Path, form: str) -> None:
    """A dash is stdout, as JSON Lines unless another form is named; messages are beside it."""
    named = () if form == "jsonl" else ("--format", form)
    done = billingual("export", "-", *named, "--status", "OVERDUE", "--raw")
    file = tmp_path / f"stdout.{form}"
    file.write_text(done.stdout, encoding="utf-8", newline="")

    assert done.returncode == 0, done.stderr
    assert _read(file)
    assert "invoices were written." in done.stderr


def test_whole_invoices_have_more_columns(billingual: Command, tmp_path: Path) -> None:
    """Where a list shows invoices whole, so does the file, amounts in their currency."""
    file = tmp_path / "tenant.csv"
    done = billingual("export", str(file), "--provider", "kukkingu")
    with file.open(encoding="utf-8-sig", newline="") as text:
        rows = list(csv.DictReader(text))

    assert done.returncode == 0, done.stderr
    assert {"lines", "notes", "exchange_rate"} <= rows[0].keys()
    assert all(row["currency"] and row["total"] for row in rows)


def test_an_amount_in_another_currency_says_so() -> None:
    """Its digits alone would be read in the invoice's currency."""
    row = InvoiceSummary(id="1", currency="EUR", total=Money(1200, "EUR"), tax=Money(5, "USD"))
    cells = _cells_of(row, raw=False)

    assert ("12.00", 1200) == (cells["total"], cells["total_minor"])
    assert ("0.05 USD", 5) == (cells["tax"], cells["tax_minor"])


@pytest.mark.parametrize("form", FORMS)
def test_a_failing_export_leaves_the_file_as_it_was(
    billingual: Command, served: Running, tmp_path: Path, form: str
) -> None:
    """A part of a list is never taken for the list."""
    file = tmp_path / f"invoices.{form}"
    file.write_text("before", encoding="utf-8")
    served.app.add_fault("status", status=403)
    done = billingual("export", str(file), "--base-url", served.base_url("exante"), env=TOKEN)

    assert done.returncode == 3
    assert file.read_text(encoding="utf-8") == "before"
    assert [file] == list(tmp_path.iterdir())


@pytest.mark.sampled(2)
@pytest.mark.parametrize(
    ("form", "number"),
    [
        *((form, signal.SIGINT) for form in FORMS),
        ("parquet", signal.SIGTERM),
        ("csv", signal.SIGHUP),
    ],
)
def test_an_interrupted_export_leaves_no_file(
    start: Start, served: Running, tmp_path: Path, form: str, number: signal.Signals
) -> None:
    """Ctrl-C, a service manager and a closed terminal end it, and nothing stays behind."""
    served.app.add_fault("latency", seconds=30)
    base = served.base_url("exante")
    process = start("export", str(tmp_path / f"x.{form}"), "--base-url", base, **TOKEN)
    while served.app.faults:
        check_runs(process)
        time.sleep(0.02)
    process.send_signal(number)
    _, noise = process.communicate(timeout=120)

    assert process.returncode == 130, noise
    assert noise.splitlines()[-1] == "interrupted"
    assert [] == list(tmp_path.iterdir())


def test_a_link_stays_and_its_file_is_replaced(
    billingual: Command, served: Running, tmp_path: Path
) -> None:
    """The place that a link names is where the rows are wanted."""
    real, link = tmp_path / "real.csv", tmp_path / "link.csv"
    real.write_text("before", encoding="utf-8")
    link.symlink_to(real)
    done = billingual("export", str(link), "--base-url", served.base_url("exante"), env=TOKEN)

    assert done.returncode == 0, done.stderr
    assert link.is_symlink()
    assert real.read_text(encoding="utf-8-sig").startswith("id,number,")


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs a pipe with a name")
@pytest.mark.parametrize("form", FORMS)
def test_a_pipe_with_a_name_is_written_to(
    start: Start, served: Running, tmp_path: Path, form: str
) -> None:
    """It is not replaced by a file: a reader would wait for ever, and a device would be lost."""
    pipe, plain = tmp_path / "pipe", tmp_path / f"plain.{form}"
    os.mkfifo(pipe)
    options = ("--format", form, "--base-url", served.base_url("exante"))
    process = start("export", str(pipe), *options, **TOKEN)
    read = pipe.read_bytes()
    _, noise = process.communicate(timeout=120)
    again = start("export", str(plain), *options, **TOKEN)
    again.communicate(timeout=120)

    assert (process.returncode, again.returncode) == (0, 0), noise
    assert pipe.is_fifo()
    assert read == plain.read_bytes()
    assert {pipe, plain} == set(tmp_path.iterdir())


def test_a_folder_is_refused_before_any_request(
    billingual: Command, served: Running, tmp_path: Path
) -> None:
    """And not when all rows have been read."""
    folder = tmp_path / "x.csv"
    folder.mkdir()
    served.app.add_fault("status", status=403)
    done = billingual("export", str(folder), "--base-url", served.base_url("exante"), env=TOKEN)

    assert done.returncode == 2, done.stderr
    assert "Is a directory" in done.stderr
    assert 1 == len(served.app.faults)


def test_what_cannot_be_written_is_refused_before_any_request(
    billingual: Command, served: Running, tmp_path: Path
) -> None:
    """An unknown ending, a folder that is not there, a provider without lists."""
    to_server = ("--base-url", served.base_url("exante"))
    ending = billingual("export", str(tmp_path / "x.xlsx"), *to_server, env=TOKEN)
    folder = billingual("export", str(tmp_path / "no" / "x.csv"), *to_server, env=TOKEN)
    katsu = billingual("export", str(tmp_path / "x.csv"), "--provider", "katsu")

    assert (ending.returncode, folder.returncode, katsu.returncode) == (2, 2, 2)
    assert "give one of .csv, .jsonl, .ndjson, .parquet" in ending.stderr
    assert "No such file or directory" in folder.stderr
    assert "katsu" in katsu.stderr
    assert [] == served.app.requests()
    assert [] == list(tmp_path.iterdir())


def test_a_formula_stays_text() -> None:
    """A spreadsheet would carry out what a counterparty is called."""
    row = {"uid": "00000000-0000-4000-8000-000000000001", "invoice_number": "=1+1"}
    page = {"items": [row], "_meta": {"page": 1, "total_pages": 1, "total_items": 1}}
    body = {"status": "success", "status_code": 200, "message": "", "data": page}
    transport = MemoryTransport([WireResponse(status=200, body=json.dumps(body).encode())])
    sheet = io.BytesIO()

    async def write() -> int:
        async with AsyncClient("exante", token="t", transport=transport) as client:
            return await _write_csv(client.list(), sheet, is_whole=False, raw=False, to="-")

    assert asyncio.run(write()) == 1
    assert b",'=1+1," in sheet.getvalue()


def test_an_amount_below_zero_is_a_number() -> None:
    """A credit is no formula; a word that begins with a minus may be one."""
    row = InvoiceSummary(
        id="1", number="-1+1", currency="EUR", total=Money(-1200, "EUR"), tax=Money(-5, "USD")
    )
    sheet = Sheet(is_whole=False, raw=False, on_screen=False)
    (cells,) = csv.DictReader(io.StringIO(sheet.header() + sheet.lines([row])))

    assert (cells["total"], cells["total_minor"]) == ("-12.00", "-1200")
    assert (cells["number"], cells["tax"]) == ("'-1+1", "'-0.05 USD")


@pytest.mark.parametrize("start", ["=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠"])  # noqa: RUF001 - signs
def test_what_may_begin_a_formula_begins_with_a_quote(start: str) -> None:
    """Some take full-width signs for the others."""
    assert harmless(f"{start}cmd|' /C calc'!A0") == f"'{start}cmd|' /C calc'!A0"


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs a device that is always full")
@pytest.mark.parametrize("form", ["csv", "jsonl", "parquet"])
def test_a_full_disk_is_told_in_each_form(billingual: Command, form: str) -> None:
    """The library of Parquet would panic."""
    process = {"PYTHONPATH": os.pathsep.join(sys.path)}
    done = billingual("export", "/dev/full", "--format", form, env=process)

    assert done.returncode == 1
    assert done.stderr.endswith("error: the output cannot be written: No space left on device.\n")
    assert len(done.stderr.splitlines()) == 2


def test_lines_of_json_have_two_endings(billingual: Command, tmp_path: Path) -> None:
    """The format is called ndjson by --output, too."""
    done = billingual("export", str(tmp_path / "x.ndjson"))

    assert done.returncode == 0, done.stderr
    assert _read(tmp_path / "x.ndjson")
