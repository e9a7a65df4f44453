"""``billingual bulk``: a file of rows is checked whole, planned whole, and carried out once."""

from __future__ import annotations

import csv
import io
import json
import subprocess
import sys
from collections import Counter
from collections.abc import Iterable
from pathlib import Path

import pytest

from _support.command import Command, environment
from billingual import Client, Draft, Filter
from billingual.sandbox import ACCOUNTS, LANDMARKS, Running

TOKEN = {"BILLINGUAL_TOKEN": ACCOUNTS["exante"].token}
CANARY = "canary-token-7f3a"
INSTANT = "write it like '2026-12-31T00:00:00Z'"
NO_POINT = "so it names no point in time"
COLUMNS = ("number", "counterparty", "owner", "document", "due_at")
IDS = (
    LANDMARKS["exante_party"],
    LANDMARKS["exante_owner"],
    LANDMARKS["exante_document"],
)


def _drafts(numbers: Iterable[str], delimiter: str = ",") -> str:
    file = io.StringIO()
    writer = csv.writer(file, delimiter=delimiter)
    writer.writerows([COLUMNS, *((number, *IDS, "2027-01-31") for number in numbers)])
    return file.getvalue()


def _numbers(served: Running) -> Counter[str | None]:
    with Client(
        "exante", base_url=served.base_url("exante"), token=ACCOUNTS["exante"].token
    ) as client:
        return Counter(row.number for row in client.list(Filter(include_inactive=True)))


def _created(served: Running, number: str) -> str:
    party, owner, document = IDS
    with Client(
        "exante", base_url=served.base_url("exante"), token=ACCOUNTS["exante"].token
    ) as client:
        draft = Draft(number=number, counterparty=party, owner=owner, document=document)
        return client.create(draft).id


@pytest.fixture
def connected(served: Running, billingual: Command) -> Command:
    """Run a command with the served sandbox as the provider."""

    def run(*arguments: str, stdin: str = "") -> subprocess.CompletedProcess[str]:
        url = served.base_url("exante")
        return billingual(*arguments, "--base-url", url, env=TOKEN, stdin=stdin)

    return run


def test_each_row_becomes_one_invoice(connected: Command, served: Running, tmp_path: Path) -> None:
    """Text stays text, the counts are on stdout, and to run it again changes nothing."""
    rows, ledger = tmp_path / "rows.csv", tmp_path / "job.db"
    rows.write_text(_drafts(["0007", "A-1"], delimiter=";"), encoding="utf-8-sig")
    first = connected("bulk", "create", str(rows), "--job", str(ledger), "-o", "json")
    again = connected("bulk", "create", str(rows), "--job", str(ledger))

    assert (0, 0) == (first.returncode, again.returncode), first.stderr + again.stderr
    report = json.loads(first.stdout)
    assert ({"committed": 2}, True, []) == (
        report["counts"],
        report["complete"],
        report["unfinished"],
    )
    assert "2 of 2 rows are in" in again.stderr
    assert (1, 1) == (_numbers(served)["0007"], _numbers(served)["A-1"])
    assert 0o600 == ledger.stat().st_mode & 0o777


def test_rows_without_a_number_get_one(connected: Command, served: Running, tmp_path: Path) -> None:
    """The job chooses it, so that it can look for the invoice; equal rows are two invoices."""
    done = connected(
        "bulk", "create", "-", "--job", str(tmp_path / "job.db"), "--number-prefix", "X-",
        stdin=_drafts(["", ""]),
    )  # fmt: skip

    assert 0 == done.returncode, done.stderr
    assert 2 == sum(number is not None and number.startswith("X-") for number in _numbers(served))


def test_rows_change_their_invoices_and_delete_them(
    connected: Command, served: Running, tmp_path: Path
) -> None:
    """JSON Lines or CSV, as batches where the provider has them."""
    one, two = _created(served, "W-1"), _created(served, "W-2")
    changes = "".join(
        json.dumps({"id": each, "due_at": "2027-03-01"}) + "\n" for each in (one, two)
    )
    update = connected("bulk", "update", "-", "--job", str(tmp_path / "update.db"), stdin=changes)
    with Client(
        "exante", base_url=served.base_url("exante"), token=ACCOUNTS["exante"].token
    ) as client:
        due = {str(client.get(each).due_at)[:10] for each in (one, two)}
    delete = connected(
        "bulk", "delete", "-", "--job", str(tmp_path / "delete.db"),
        stdin=f"invoice_id\n{one}\n{two}\n",
    )  # fmt: skip
    missing = connected("get", one)

    assert (0, 0, 4) == (update.returncode, delete.returncode, missing.returncode), update.stderr
    assert {"2027-03-01"} == due


def test_a_bad_row_keeps_all_rows_from_being_planned(
    connected: Command, served: Running, tmp_path: Path
) -> None:
    """Every complaint has its line, and there is no ledger: nothing waits to be sent later."""
    ledger = tmp_path / "job.db"
    rows = (
        _drafts(["B-1", "B-2", "B-1"])
        + f"B-4,{IDS[0]},{IDS[1]},{IDS[2]},soon\n"
        + f"B-5,{IDS[0]},,{IDS[2]},2027-01-31T10:00:00\n"
        + f"B-6,{IDS[0]},,{IDS[2]},\n"
    )
    done = connected("bulk", "create", "-", "--job", str(ledger), stdin=rows)

    assert (2, "") == (done.returncode, done.stdout)
    assert [
        "error: 4 rows of the input cannot be used. Nothing was planned and nothing was sent.",
        "line 4: number: line 2 has the same; give each row one of its own.",
        f"line 5: due_at: 'soon' is not a date and time; {INSTANT}, or '2026-12-31' for a day.",
        f"line 6: due_at: 2027-01-31T10:00:00 has no time zone, {NO_POINT}; {INSTANT}.",
        "line 7: owner: exante needs it in a draft; give owner.",
    ] == done.stderr.splitlines()
    assert not ledger.exists()
    assert 0 == _numbers(served)["B-1"]


@pytest.mark.parametrize(
    ("operation", "rows", "said"),
    [
        ("update", "id,due_at\n7,2027-01-31\n", "line 2: invoice_id: '7' is no UUID; "),
        ("delete", "id\n7\n", "line 2: invoice_id: '7' is no UUID; "),
        ("delete", f"id\n{IDS[0]}\n{IDS[0]}\n", "line 3: invoice_id: line 2 has the same; "),
        ("update", f"id,currency\n{IDS[0]},eur\n", "line 2: currency: 'eur' is not in capital"),
        (
            "update",
            f"id,total\n{IDS[0]},1 EUR\n",
            "line 2: exante does not support 'total' in a batch; leave it out",
        ),
        ("update", f"id,due_at\n{IDS[0]},\n", "line 2: changes: they hold no field; "),
        ("create", "entry_id,number\ne,\ne,1\n", "line 3: entry_id: line 2 has the same; "),
    ],
)
def test_complaints_of_a_provider_name_the_column(
    billingual: Command, operation: str, rows: str, said: str
) -> None:
    """A row is what a person sees, and not the batch that it would travel in."""
    done = billingual("bulk", operation, "-", "--dry-run", stdin=rows)

    assert 2 == done.returncode
    assert said in done.stderr
    assert "[0]" not in done.stderr


def test_twenty_bad_rows_are_listed_and_the_rest_is_counted(billingual: Command) -> None:
    """A million complaints would hide the first."""
    rows = "id\n" + "".join(f"x{n}\n" for n in range(1050))
    done = billingual("bulk", "delete", "-", "--dry-run", stdin=rows)

    assert 2 == done.returncode
    assert 20 == sum(line.startswith("line ") for line in done.stderr.splitlines())
    assert "error: 1,050 rows of the input cannot be used." in done.stderr
    assert "and 1,030 more rows." in done.stderr


def test_a_dry_run_shows_the_requests_and_makes_nothing(
    billingual: Command, tmp_path: Path
) -> None:
    """Batches as they would be sent; without an account, a token or a ledger."""
    ids = [f"00000000-0000-4000-8000-{n:012x}" for n in range(150)]
    rows = "id,status\n" + "".join(f"{each},SENT\n" for each in [*ids, ids[-1]])
    arguments = ("bulk", "update", "-", "--dry-run", "--job", str(tmp_path / "job.db"))
    lines = billingual(*arguments, "-o", "ndjson", stdin=rows)
    array = billingual(*arguments, "-o", "json", stdin=rows)
    nothing = billingual(*arguments, "-o", "json", stdin="id,status\n")

    requests = [json.loads(line) for line in lines.stdout.splitlines()]
    assert (0, 0, 0) == (lines.returncode, array.returncode, nothing.returncode)
    assert [100, 50, 1] == [len(json.loads(each["body"])) for each in requests]
    assert {"uid": ids[0], "status": "SENT"} == json.loads(requests[0]["body"])[0]
    assert requests == json.loads(array.stdout)
    assert [] == json.loads(nothing.stdout)
    assert "151 rows, 3 requests. Nothing was sent, and no ledger was made." in lines.stderr
    assert [] == list(tmp_path.iterdir())


def test_a_number_that_a_provider_needs_is_chosen_too(billingual: Command, tmp_path: Path) -> None:
    """Kukkingu takes no draft without one, and the job gives it one."""
    rows = f"document;total;exchange_rate\n{LANDMARKS['kukkingu_contract']};120.00 EUR;1\n"
    done = billingual(
        "bulk", "create", "-", "--job", str(tmp_path / "job.db"), "--provider", "kukkingu",
        stdin=rows,
    )  # fmt: skip

    assert 0 == done.returncode, done.stderr
    assert "committed       1  carried out, each once" in done.stdout


def test_a_dry_run_shows_what_is_right_and_complains_of_the_rest(billingual: Command) -> None:
    """A number that the job is going to choose is shown as question marks."""
    done = billingual(
        "bulk", "create", "-", "--dry-run", "-o", "ndjson",
        stdin=_drafts([""]) + f"2,{IDS[0]},{IDS[1]},{IDS[2]},soon\n",
    )  # fmt: skip

    (request,) = (json.loads(line) for line in done.stdout.splitlines())
    assert 2 == done.returncode
    assert "INV-????????????????" == json.loads(request["body"])["invoice_number"]
    assert "line 3: due_at: " in done.stderr


def test_without_batches_each_row_is_a_request(billingual: Command) -> None:
    """Kukkingu documents none; amounts have their column of currencies."""
    one, two = (f"inv_{n:024d}" for n in (1, 2))
    rows = f"id;total;currency\n{one};1.234,50;EUR\n{two};2,00;EUR\n"
    done = billingual(
        "bulk", "update", "-", "--dry-run", "--decimal-comma", "--provider", "kukkingu",
        "-o", "ndjson", stdin=rows,
    )  # fmt: skip

    assert 0 == done.returncode, done.stderr
    assert [123450, 200] == [
        json.loads(json.loads(line)["body"])["amountMinor"] for line in done.stdout.splitlines()
    ]


def test_what_a_provider_cannot_do_is_told_once(billingual: Command) -> None:
    """It is not the rows' fault."""
    done = billingual(
        "bulk", "create", "-", "--dry-run", "--provider", "katsu", stdin="number\n1\n2\n"
    )

    assert 2 == done.returncode
    assert 1 == done.stderr.count("katsu does not support create")
    assert "line" not in done.stderr


def test_a_job_needs_a_file(billingual: Command) -> None:
    """Without a ledger a kill would lose what is known."""
    done = billingual("bulk", "create", "-", stdin="number\n1\n")

    assert 2 == done.returncode
    assert "give --job november.db, say, or --dry-run" in done.stderr


@pytest.mark.parametrize("name", ["rows.csv", "other.db", "nowhere/job.db"])
def test_a_ledger_that_cannot_be_one_is_refused(
    connected: Command, tmp_path: Path, name: str
) -> None:
    """Not the file of rows itself, not another program's, not in a directory that is not there."""
    rows = tmp_path / "rows.csv"
    content = _drafts(["C-1"]).encode()
    rows.write_bytes(content)
    (tmp_path / "other.db").write_bytes(b"SQLite format 3\0 but no database" * 100)
    done = connected("bulk", "create", str(rows), "--job", str(tmp_path / name))

    assert done.returncode in {1, 2}
    assert name in done.stderr
    assert "Traceback" not in done.stderr
    assert content == rows.read_bytes()


def test_another_row_under_the_same_name_is_refused(
    connected: Command, served: Running, tmp_path: Path
) -> None:
    """The ledger shows what it has, and nothing is sent."""
    arguments = ("bulk", "create", "-", "--job", str(tmp_path / "job.db"))
    connected(*arguments, stdin=_drafts(["D-1"]))
    done = connected(*arguments, stdin=_drafts(["D-1"]).replace("2027-01-31", "2027-02-28"))

    assert 2 == done.returncode
    assert '"due_at":"2027-01-31"' in done.stderr
    assert '"due_at":"2027-02-28"' in done.stderr
    assert 1 == _numbers(served)["D-1"]


def test_a_refused_row_exits_1_and_says_why(
    connected: Command, served: Running, tmp_path: Path
) -> None:
    """The others are carried out."""
    arguments = ("bulk", "create", "-", "--job", str(tmp_path / "one.db"))
    connected(*arguments, stdin=_drafts(["E-1"]))
    done = connected(
        "bulk", "create", "-", "--job", str(tmp_path / "two.db"), stdin=_drafts(["E-1", "E-2"])
    )

    assert 1 == done.returncode
    assert [
        "committed       1  carried out, each once",
        "rejected        1  refused by the provider; nothing was done",
    ] == done.stdout.splitlines()[1:3]
    assert "E-1  ConflictError" in done.stdout
    assert (1, 1) == (_numbers(served)["E-1"], _numbers(served)["E-2"])


def test_an_unclear_row_exits_7_and_says_how_to_go_on(
    connected: Command, served: Running, tmp_path: Path
) -> None:
    """With the policy manual nothing is looked at; resume with another finds out."""
    ledger = tmp_path / "a job.db"
    served.app.add_fault("drop_after_commit", method="POST")
    done = connected(
        "bulk", "create", "-", "--job", str(ledger), "--policy", "manual", "--late-arrival", "0.1",
        stdin=_drafts(["F-1"]),
    )  # fmt: skip
    other = ("--policy", "reconcile_then_resend")
    resumed = connected("jobs", "resume", str(ledger), "--late-arrival", "0.1", *other)

    command = (
        f"  billingual jobs resume '{ledger}' --policy manual --late-arrival 0.1 "
        f"--base-url {served.base_url('exante')}"
    )
    assert 7 == done.returncode, done.stderr
    assert command in done.stderr.splitlines()
    assert "\nunknown:\n  F-1  " in done.stdout
    assert 0 == resumed.returncode, resumed.stderr
    assert "carried out, each once; 1 were unclear first" in resumed.stdout
    assert 1 == _numbers(served)["F-1"]


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs a device that is always full")
@pytest.mark.parametrize(("numbers", "code"), [(["G-1"], 0), (["G-1", "{taken}"], 1)])
def test_lost_output_does_not_hide_what_a_job_did(
    served: Running, tmp_path: Path, numbers: list[str], code: int
) -> None:
    """The exit code tells what the job ended with, so that no script runs it anew."""
    taken = next(number for number in _numbers(served) if number)
    rows, ledger = tmp_path / "rows.csv", tmp_path / "job.db"
    rows.write_text(_drafts(each.format(taken=taken) for each in numbers))
    with Path("/dev/full").open("wb") as full:
        done = subprocess.run(
            [
                sys.executable, "-m", "billingual", "bulk", "create", str(rows),
                "--job", str(ledger), "--base-url", served.base_url("exante"),
            ],
            env=environment(TOKEN),
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
            timeout=120,
        )  # fmt: skip

    assert code == done.returncode, done.stderr
    assert f"billingual jobs show {ledger}" in done.stderr
    assert 1 == _numbers(served)["G-1"]


@pytest.mark.sampled(2)
@pytest.mark.parametrize("closed", ["stdout", "stderr", "pipe"])
def test_a_reader_that_is_gone_changes_nothing(
    served: Running, tmp_path: Path, closed: str
) -> None:
    """A closed stream, or a pipe that nothing reads, is no reason to fail, nor to succeed."""
    rows, ledger = tmp_path / "rows.csv", tmp_path / "job.db"
    taken = next(number for number in _numbers(served) if number)
    rows.write_text(_drafts(["H-1", taken]))
    ending = {"stdout": ">&-", "stderr": "2>&-", "pipe": "| true; exit ${PIPESTATUS[0]}"}[closed]
    done = subprocess.run(
        [
            "/bin/bash", "-c", f'"$@" {ending}', "-", sys.executable, "-m", "billingual", "bulk",
            "create", str(rows), "--job", str(ledger), "--base-url", served.base_url("exante"),
        ],
        env=environment(TOKEN),
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )  # fmt: skip

    assert 1 == done.returncode, done.stderr
    assert "Traceback" not in done.stderr
    assert 1 == _numbers(served)["H-1"]


def test_a_refused_token_exits_3_and_is_never_shown(
    billingual: Command, served: Running, tmp_path: Path
) -> None:
    """The rows are in the ledger, and the command to go on with is told."""
    ledger = tmp_path / "job.db"
    arguments = ("bulk", "create", "-", "--job", str(ledger))
    done = billingual(
        *arguments, "--base-url", served.base_url("exante"),
        env={"BILLINGUAL_TOKEN": CANARY}, stdin=_drafts(["I-1"]),
    )  # fmt: skip

    assert 3 == done.returncode
    assert f"Nothing is lost: {ledger} has it all." in done.stderr
    assert CANARY not in done.stdout + done.stderr
    assert CANARY.encode() not in b"".join(each.read_bytes() for each in tmp_path.iterdir())


def test_progress_is_told_unless_quiet(connected: Command, tmp_path: Path) -> None:
    """A wait is told at once; --quiet leaves only what has to be done."""
    rows = _drafts(["K-1"])
    loud = connected("bulk", "create", "-", "--job", str(tmp_path / "loud.db"), stdin=rows)
    quiet = connected(
        "bulk", "create", "-", "--job", str(tmp_path / "loud.db"), "--quiet", stdin=rows
    )

    assert "" == loud.stderr
    assert ("", loud.stdout) == (quiet.stderr, quiet.stdout)
