"""``billingual jobs``: what was stopped or killed goes on, and what is known can be seen."""

from __future__ import annotations

import csv
import json
import os
import signal
import subprocess
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from _support.command import Command, Start, check_runs
from billingual import Client, Draft, Filter, Job
from billingual.jobs import LedgerInUseError, Seen, SqliteLedger, State
from billingual.sandbox import ACCOUNTS, LANDMARKS, Running

TOKEN = {"BILLINGUAL_TOKEN": ACCOUNTS["exante"].token}
ORGANIZATION = LANDMARKS["exante_organization"]
"""Without it a list of Exante's proves no absence."""

IDS = {
    "counterparty": LANDMARKS["exante_party"],
    "owner": LANDMARKS["exante_owner"],
    "document": LANDMARKS["exante_document"],
}


def _rows(prefix: str, count: int) -> str:
    names = ("number", *IDS)
    lines = [names, *((f"{prefix}-{n}", *IDS.values()) for n in range(count))]
    return "".join(",".join(line) + "\n" for line in lines)


@pytest.fixture
def client(served: Running) -> Iterator[Client]:
    """Speak to the served sandbox, past the command line."""
    with Client(
        "exante",
        base_url=served.base_url("exante"),
        token=ACCOUNTS["exante"].token,
        organization=ORGANIZATION,
    ) as client:
        yield client


@pytest.fixture
def connected(served: Running, billingual: Command) -> Command:
    """Run a command with the served sandbox as the provider."""

    def run(*arguments: str, stdin: str = "") -> subprocess.CompletedProcess[str]:
        url = served.base_url("exante")
        where = ("--base-url", url, "--organization", ORGANIZATION)
        return billingual(*arguments, *where, env=TOKEN, stdin=stdin)

    return run


@pytest.fixture
def ledger(client: Client, tmp_path: Path) -> Path:
    """Make a ledger with one committed write, one refused, one in doubt and one planned."""
    path = tmp_path / "job.db"
    foreign = IDS | {"document": LANDMARKS["exante_foreign_document"]}
    with Job.open(path, client, policy="manual") as job:
        job.plan([Draft(number="S-1", **IDS), Draft(number="S-2", **foreign)])
        job.run(concurrency=1)
        job.plan([Draft(number=f"S-{n}", **IDS) for n in (3, 4)])
    store = SqliteLedger(path)
    limits = {"create": 1, "update": 100, "delete": 100}
    claim = store.claim(owner="a", now=1.0, lease=2.0, limits=limits, before=False, full=False)
    assert claim is not None
    store.unclear(
        claim, now=1.0, not_before=1.0, status=None, why="no\x1b[2J response", refusal=None
    )
    store.close()
    return path


def _numbers(client: Client) -> Counter[str | None]:
    return Counter(row.number for row in client.list(Filter(include_inactive=True)))


@pytest.fixture
def bulk(start: Start, served: Running) -> Start:
    """Start a job of creates in a ledger, with more options."""

    def run(
        ledger: Path, *options: str, before: tuple[str, ...] = (), count: int = 60
    ) -> subprocess.Popen[str]:
        rows = ledger.with_suffix(".csv")
        rows.write_text(_rows("R", count))
        return start(
            "bulk", "create", str(rows), "--job", str(ledger),
            "--base-url", served.base_url("exante"), "--organization", ORGANIZATION,
            "--concurrency", "4", *options, before=before, **TOKEN,
        )  # fmt: skip

    return run


def _slow_after(served: Running, quick: int, **fault: object) -> None:
    """Let creates take a second each, but for the first: a test that is late is in time still."""
    served.app.add_fault("latency", seconds=0.05, method="POST", times=quick, **fault)
    served.app.add_fault("latency", seconds=1, method="POST", times=1000, **fault)


def _wait_until_left(process: subprocess.Popen[str], served: Running, times: int) -> None:
    """Wait until so many requests have come that faults for *times* more are left."""
    while sum(each["times"] for each in served.app.faults) > times:
        check_runs(process)
        time.sleep(0.01)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_ctrl_c_lets_requests_end_and_says_how_to_go_on(
    number: signal.Signals,
    billingual: Command,
    connected: Command,
    bulk: Start,
    served: Running,
    client: Client,
    tmp_path: Path,
) -> None:
    """Nothing is in doubt afterwards, and the job that goes on makes each invoice once.

    A service manager and a closed terminal end it as Ctrl-C does.
    """
    ledger = tmp_path / "job.db"
    _slow_after(served, 8)
    # A program that was started by nohup, say, ignores SIGHUP, and so do those that it starts.
    kept = signal.signal(number, signal.SIG_DFL)
    try:
        process = bulk(ledger)
    finally:
        signal.signal(number, kept)
    _wait_until_left(process, served, 1000)
    process.send_signal(number)
    out, err = process.communicate(timeout=120)
    served.app.clear_faults()
    shown = json.loads(billingual("jobs", "show", str(ledger), "-o", "json").stdout)
    resumed = connected("jobs", "resume", str(ledger))
    verified = connected("jobs", "verify", str(ledger))

    assert 130 == process.returncode, err
    assert "Ctrl-C again ends at once" in err
    assert f"  billingual jobs resume {ledger} --concurrency 4 --base-url" in err
    assert {"committed", "planned"} == shown["counts"].keys()
    assert ["committed", "planned"] == [line.split()[0] for line in out.splitlines()[1:3]]
    assert (0, 0) == (resumed.returncode, verified.returncode), resumed.stderr + verified.stdout
    assert {1} == {_numbers(client)[f"R-{n}"] for n in range(60)}


def test_a_second_ctrl_c_ends_at_once(
    billingual: Command,
    connected: Command,
    bulk: Start,
    served: Running,
    client: Client,
    tmp_path: Path,
) -> None:
    """What was under way is in doubt, and found when the job goes on; it is not sent again."""
    ledger = tmp_path / "job.db"
    served.app.add_fault("latency", seconds=50, after_commit=True, method="POST", times=4)
    process = bulk(ledger, "--late-arrival", "0.1")
    _wait_until_left(process, served, 0)
    process.send_signal(signal.SIGINT)
    assert process.stderr is not None
    first = process.stderr.readline()
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=120)
    shown = json.loads(billingual("jobs", "show", str(ledger), "-o", "json").stdout)
    resumed = connected("jobs", "resume", str(ledger), "--late-arrival", "0.1")

    assert 130 == process.returncode, first + err
    assert "Stopping" in first
    assert ("", "Stopped at once. Go on with:") == (out, err.splitlines()[0])
    assert {"unknown": 4, "planned": 56} == shown["counts"]
    assert 0 == resumed.returncode, resumed.stderr
    assert "4 were unclear first" in resumed.stdout
    assert {1} == {_numbers(client)[f"R-{n}"] for n in range(60)}


def test_a_killed_job_goes_on(
    connected: Command, bulk: Start, served: Running, client: Client, tmp_path: Path
) -> None:
    """The same command, or resume: each invoice is there once."""
    ledger = tmp_path / "job.db"
    _slow_after(served, 8, after_commit=True)
    process = bulk(ledger, "--late-arrival", "0.1")
    _wait_until_left(process, served, 1000)
    process.kill()
    process.communicate(timeout=120)
    served.app.clear_faults()
    again = connected(
        "bulk", "create", "-", "--job", str(ledger), "--late-arrival", "0.1", stdin=_rows("R", 60)
    )

    assert 0 == again.returncode, again.stderr
    assert "60 of 60 rows are in" in again.stderr
    assert {1} == {_numbers(client)[f"R-{n}"] for n in range(60)}


def test_a_job_is_shown_without_a_connection(billingual: Command, ledger: Path) -> None:
    """Counts, and each write that needs a person; a provider's words are shown as they are safe."""
    done = billingual("jobs", "show", str(ledger))

    assert 0 == done.returncode, done.stderr
    assert "" == done.stderr
    assert ["state", "committed", "rejected", "unknown", "planned"] == [
        line.split()[0] for line in done.stdout.splitlines()[:5]
    ]
    assert "\nrejected:\n  S-2  InvalidRequestError: " in done.stdout
    assert "\nunknown:\n  S-3  no\\x1b[2J response\n" in done.stdout


@pytest.mark.parametrize("output", ["json", "ndjson"])
def test_a_job_is_shown_to_programs(billingual: Command, ledger: Path, output: str) -> None:
    """Every write that is not committed is there, and none of their contents."""
    done = billingual("jobs", "show", str(ledger), "-o", output)

    report = json.loads(done.stdout)
    assert {"committed": 1, "rejected": 1, "unknown": 1, "planned": 1} == report["counts"]
    assert (False, False) == (report["complete"], report["settled"])
    assert ["S-2", "S-3", "S-4"] == sorted(each["id"] for each in report["unfinished"])
    assert IDS["counterparty"] not in done.stdout


def test_all_about_one_write_is_shown(billingual: Command, ledger: Path) -> None:
    """Its requests and decisions, with their times."""
    table = billingual("jobs", "show", str(ledger), "S-3")
    done = billingual("jobs", "show", str(ledger), "S-3", "-o", "json")
    missing = billingual("jobs", "show", str(ledger), "S-9")

    shown = json.loads(done.stdout)
    assert ("S-3", "unknown", 1) == (shown["id"], shown["state"], shown["attempts"])
    assert ["1970-01-01T00:00:01.000Z"] == [each["started"] for each in shown["requests"]]
    assert [] == shown["decisions"]
    assert "requests 1 of 1:" in table.stdout
    assert 2 == missing.returncode
    assert "ENTRY: the ledger has no entry 'S-9'; 'billingual jobs export' lists" in missing.stderr


@pytest.mark.parametrize(
    "arguments",
    [
        ("show",),
        ("resume",),
        ("reconcile",),
        ("resolve", "S-3", "planned", "--by", "a", "--note", "b"),
        ("export", "trail.csv"),
        ("verify",),
        ("purge", "--older-than-days", "0"),
    ],
    ids=lambda arguments: arguments[0],
)
def test_a_ledger_that_is_not_there_is_not_made(
    billingual: Command, tmp_path: Path, arguments: tuple[str, ...]
) -> None:
    """A misspelt name is a mistake, and no new job."""
    path = tmp_path / "jbo.db"
    name, *rest = arguments
    done = billingual("jobs", name, str(path), *rest)

    assert (2, "") == (done.returncode, done.stdout)
    assert f"{path}: there is no such ledger" in done.stderr
    assert not path.exists()


def test_what_is_no_ledger_is_refused(billingual: Command, tmp_path: Path) -> None:
    """It stays as it is."""
    path = tmp_path / "rows.csv"
    path.write_bytes(b"number\n1\n" * 1000)
    done = billingual("jobs", "show", str(path))

    assert 2 == done.returncode
    assert "is no SQLite file" in done.stderr
    assert b"number\n1\n" * 1000 == path.read_bytes()


def test_a_ledger_in_use_is_refused(
    billingual: Command, connected: Command, ledger: Path, tmp_path: Path
) -> None:
    """Two processes must not carry out one job; the words are those of the command line."""
    store = SqliteLedger(ledger)
    try:
        exported, resumed = (
            billingual("jobs", "export", str(ledger), str(tmp_path / "trail.csv")),
            connected("jobs", "resume", str(ledger)),
        )
    finally:
        store.close()

    assert (2, 2) == (exported.returncode, resumed.returncode)
    for each in (exported, resumed):
        assert f"another process works with {ledger}; wait for its end." in each.stderr


def test_a_job_is_shown_while_it_runs(billingual: Command, ledger: Path) -> None:
    """What another process keeps at this moment is read, and its lock stays."""
    store = SqliteLedger(ledger)
    try:
        before = store.counts()
        shown = billingual("jobs", "show", str(ledger), "-o", "json")
        with pytest.raises(LedgerInUseError):
            SqliteLedger(ledger)
    finally:
        store.close()

    assert 0 == shown.returncode, shown.stderr
    assert {state.value: count for state, count in before.items()} == json.loads(shown.stdout)[
        "counts"
    ]
    assert "Another process works with this job" in shown.stderr


def test_another_account_is_refused(billingual: Command, ledger: Path) -> None:
    """A job must not be carried out twice, once in each of two accounts."""
    done = billingual("jobs", "resume", str(ledger), "--transport", "sandbox")

    assert 2 == done.returncode
    assert "name the account of the job by --profile, or by --provider," in done.stderr


def test_reconcile_looks_and_sends_nothing(
    connected: Command, client: Client, ledger: Path
) -> None:
    """What is not there is planned again; 7 says that the job is not at its end."""
    done = connected("jobs", "reconcile", str(ledger), "--late-arrival", "0.1", "-o", "json")

    assert 7 == done.returncode, done.stderr
    assert {"committed": 1, "rejected": 1, "planned": 2} == json.loads(done.stdout)["counts"]
    assert f"  billingual jobs resume {ledger} --late-arrival 0.1" in done.stderr
    assert 0 == _numbers(client)["S-3"]


def test_a_conflict_asks_for_a_decision(connected: Command, ledger: Path) -> None:
    """The commands to see what is known, and to decide, can be copied."""
    store = SqliteLedger(ledger)
    claim = store.claim_look(owner="a", now=2.0, lease=3.0)
    assert claim is not None
    seen = {claim.entries[0].id: Seen(state=State.CONFLICT, reason="another total")}
    store.found(claim, now=2.0, seen=seen, late_check=None, not_before=0.0, why="read")
    store.close()
    done = connected("jobs", "reconcile", str(ledger))

    assert 7 == done.returncode, done.stderr
    assert "\nconflict:\n  S-3  another total\n" in done.stdout
    said = done.stderr.splitlines()
    assert f"  billingual jobs show {ledger} S-3" in said
    assert f"  billingual jobs resolve {ledger} S-3 committed --by NAME --note WHY" in said


def test_what_ignores_ctrl_c_goes_on(bulk: Start, served: Running, tmp_path: Path) -> None:
    """So a shell starts what runs in the background, and Ctrl-C is meant for another program."""
    ledger = tmp_path / "job.db"
    served.app.add_fault("latency", seconds=0.05, method="POST", times=1000)
    process = bulk(ledger, "--quiet", before=("/bin/sh", "-c", "trap '' INT; exec \"$@\"", "-"))
    _wait_until_left(process, served, 992)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=120)

    assert (0, "") == (process.returncode, err)
    assert "committed      60  carried out, each once" in out


def test_what_is_to_ignore_ctrl_c_can_be_ended(
    bulk: Start, served: Running, tmp_path: Path
) -> None:
    """So a shell starts what runs in the background; SIGTERM must not be ignored with it."""
    served.app.add_fault("latency", seconds=50, method="POST", times=4)
    process = bulk(tmp_path / "job.db", before=("/bin/sh", "-c", "trap '' INT; exec \"$@\"", "-"))
    _wait_until_left(process, served, 0)
    process.send_signal(signal.SIGTERM)
    process.communicate(timeout=120)

    assert -signal.SIGTERM == process.returncode


def test_a_ledger_that_cannot_be_opened_is_code_2(connected: Command, tmp_path: Path) -> None:
    """Nothing was sent: a folder, a folder that is not there, a device, a damaged file."""
    damaged = tmp_path / "damaged.db"
    SqliteLedger(damaged).close()
    damaged.write_bytes(damaged.read_bytes()[:5000])
    places = [tmp_path, tmp_path / "nowhere" / "job.db", Path(os.devnull), damaged]
    mode = Path(os.devnull).stat().st_mode
    done = [
        connected("bulk", "create", "-", "--job", str(place), stdin=_rows("R", 2))
        for place in places
    ]
    damaged_codes = [
        connected("jobs", name, str(damaged)).returncode
        for name in ("resume", "reconcile", "verify")
    ]

    assert [2, 2, 2, 2] == [each.returncode for each in done]
    assert [2, 2, 2] == damaged_codes
    assert "it is a directory" in done[0].stderr
    assert "it is a device or a pipe" in done[2].stderr
    assert mode == Path(os.devnull).stat().st_mode


@pytest.mark.skipif(os.name != "posix", reason="needs a limit on the length of files")
@pytest.mark.parametrize(
    ("kilobytes", "code", "said"),
    [
        (100, 2, "Run the same command again to go on"),
        (250, 7, "Go on with:\n  billingual jobs resume "),
    ],
)
def test_a_full_disk_is_told_with_the_way_on(
    connected: Command,
    bulk: Start,
    client: Client,
    tmp_path: Path,
    kilobytes: int,
    code: int,
    said: str,
) -> None:
    """Before anything is sent it is code 2; afterwards rows are left, which is no refusal."""
    ledger = tmp_path / "job.db"
    # A shell counts blocks of 512 bytes.
    limit = ("/bin/sh", "-c", f'ulimit -f {2 * kilobytes}; exec "$@"', "-")
    count = 600 if code == 2 else 60
    process = bulk(ledger, "--late-arrival", "0.1", before=limit, count=count)
    _, noise = process.communicate(timeout=120)
    sent = sum(_numbers(client)[f"R-{n}"] for n in range(60))
    options = ("--job", str(ledger), "--late-arrival", "0.1")
    again = connected("bulk", "create", "-", *options, stdin=_rows("R", 60))

    assert code == process.returncode, noise
    assert said in noise
    assert (code == 7) == (sent > 0)
    assert 0 == again.returncode, again.stderr
    assert {1} == {_numbers(client)[f"R-{n}"] for n in range(60)}


def test_a_decision_is_kept_with_its_author(billingual: Command, ledger: Path) -> None:
    """An invoice is named where one was made, and what needs no decision gets none."""
    start = ("jobs", "resolve", str(ledger))
    by = ("--by", "anna", "--note", "seen in the UI")
    without = billingual(*start, "S-3", "committed", *by)
    done = billingual(*start, "S-3", "committed", *by, "--invoice-id", "i-3", "-o", "json")
    again = billingual(*start, "S-3", "planned", *by)
    nameless = billingual(*start, "S-4", "abandoned", "--by", " ", "--note", "x")
    shown = json.loads(billingual("jobs", "show", str(ledger), "S-3", "-o", "json").stdout)

    assert (2, 0, 2, 2) == (
        without.returncode, done.returncode, again.returncode, nameless.returncode,
    )  # fmt: skip
    assert "give --invoice-id" in without.stderr
    assert "committed" == json.loads(done.stdout)["state"]
    assert "entry 'S-3' is committed, and cannot be made planned" in again.stderr
    (decision,) = shown["decisions"]
    assert ("anna", "seen in the UI", "unknown", "committed", "i-3") == (
        decision["by"], decision["note"], decision["before"], decision["after"],
        shown["invoice_id"],
    )  # fmt: skip


def test_the_trail_is_exported(billingual: Command, ledger: Path, tmp_path: Path) -> None:
    """As CSV and as JSON Lines; another ending is refused."""
    table, lines = tmp_path / "trail.csv", tmp_path / "trail.jsonl"
    done = [billingual("jobs", "export", str(ledger), str(each)) for each in (table, lines)]
    other = billingual("jobs", "export", str(ledger), str(tmp_path / "trail.xlsx"))

    assert [0, 0, 2] == [each.returncode for each in (*done, other)]
    with table.open(encoding="utf-8-sig", newline="") as file:
        rows = list(csv.DictReader(file))
    assert ["S-1", "S-2", "S-3", "S-4"] == [row["entry"] for row in rows]
    assert 4 == len(lines.read_text().splitlines())
    assert f"4 rows were written to {table}." in done[0].stderr
    assert "give one of .csv, .jsonl, .parquet" in other.stderr


def test_verify_tells_what_is_wrong_and_what_is_open(
    connected: Command, client: Client, ledger: Path
) -> None:
    """7 while something cannot be compared; 1 if the provider shows something else."""
    open_ = connected("jobs", "verify", str(ledger), "-o", "json")
    client.create(Draft(number="S-4", **IDS))
    wrong = connected("jobs", "verify", str(ledger))

    seen = json.loads(open_.stdout)
    assert (7, 1) == (open_.returncode, wrong.returncode), open_.stderr + wrong.stderr
    assert (False, {}, ["S-3"]) == (seen["ok"], seen["wrong"], list(seen["unchecked"]))
    assert "\nwrong:\n  S-4  it is planned, and is there" in wrong.stdout


def test_contents_are_forgotten(billingual: Command, ledger: Path) -> None:
    """Only of writes that are settled, and only if the caller says how old they have to be."""
    silent = billingual("jobs", "purge", str(ledger))
    young = billingual("jobs", "purge", str(ledger), "--older-than-days", "1")
    done = billingual("jobs", "purge", str(ledger), "--older-than-days", "0")

    assert (2, 0, 0) == (silent.returncode, young.returncode, done.returncode)
    assert "The contents of 0 writes were forgotten." in young.stderr
    assert "The contents of 2 writes were forgotten." in done.stderr
