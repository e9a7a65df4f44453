"""Jobs and commands take the URL of a database where they take a file, and keep its password."""

from __future__ import annotations

import csv
import os
import subprocess
import sys
import time
import traceback
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import anyio
import pytest

from _support.command import run_here
from _support.postgres_server import PASSWORD, PostgresServer, new_job
from billingual import AsyncClient, AsyncJob, Client, Draft, InvalidInputError, Job, UsageError
from billingual.errors import MissingExtraError
from billingual.jobs import LedgerError, PlanConflictError, State
from billingual.jobs import postgres as module
from billingual.jobs.postgres import PostgresLedger
from billingual.jobs.schema import VERSION
from billingual.sandbox import ACCOUNTS, LANDMARKS, running
from billingual.testing.conformance import ledger as steps

IDS = {
    "counterparty": LANDMARKS["exante_party"],
    "owner": LANDMARKS["exante_owner"],
    "document": LANDMARKS["exante_document"],
}


def test_a_job_is_kept_in_a_database(server: PostgresServer, client: Client, job: str) -> None:
    """Runs of several jobs are side by side, and another body under an id shows both."""
    drafts = [Draft(number=f"P-{each}", **IDS) for each in range(3)]
    with Job.open(server.url(), client, job=job, late_arrival_s=0.05) as one:
        assert 3 == one.plan(drafts)
        assert 0 == one.plan(drafts)
        assert one.run().complete
        with pytest.raises(PlanConflictError, match="planned now"):
            one.plan([Draft(number="P-1", due_at="2027-01-01", **IDS)])
        assert PASSWORD not in repr(one)
    with Job.open(server.url(new_job()), client) as two:
        assert {} == {state: count for state, count in two.report().counts.items() if count}
    with Job.open(server.url(job), client) as one:
        assert one.verify().ok
        assert 3 == one.purge()


def test_a_job_on_an_event_loop_is_kept_too(server: PostgresServer, sandbox: Any, job: str) -> None:
    """The ledger waits in a thread, whichever loop there is."""

    async def main() -> int:
        async with (
            AsyncClient(
                "exante",
                transport="sandbox",
                retry="none",
                organization=LANDMARKS["exante_organization"],
            ) as client,
            AsyncJob.open(server.url(), client, job=job) as one,
        ):
            await one.plan([Draft(number=f"L-{each}", **IDS) for each in range(3)])
            return (await one.run()).counts[State.COMMITTED]

    assert 3 == anyio.run(main)
    assert 3 == anyio.run(main, backend="trio")


def test_the_account_is_that_of_the_job(
    open_ledger: Callable[[], PostgresLedger],
) -> None:
    """A client of another account is refused."""
    with pytest.raises(UsageError, match="use a client of the same account"):
        open_ledger().bind("exante", ["org_2", None], now=0.0)


def run_command(*arguments: str, **more: str) -> subprocess.CompletedProcess[str]:
    """Run the command; no output of it has the password."""
    done = run_here(*arguments, env={"BILLINGUAL_TOKEN": ACCOUNTS["exante"].token, **more})

    assert PASSWORD not in done.stdout + done.stderr
    return done


@pytest.mark.slow
def test_commands_take_a_url(server: PostgresServer, job: str, tmp_path: Path) -> None:
    """As they take a file; what they advise to copy has no password."""
    url, rows, trail = server.url(job), tmp_path / "rows.csv", tmp_path / "trail.csv"
    foreign = LANDMARKS["exante_foreign_document"]
    rows.write_text(
        "number,counterparty,owner,document\n"
        f"C-1,{','.join(IDS.values())}\n"
        f"C-2,{IDS['counterparty']},{IDS['owner']},{foreign}\n"
    )
    missing = run_command("jobs", "show", url)
    unnamed = run_command("jobs", "show", server.url())
    with running(invoices=30) as invoices:
        where = ("--base-url", invoices.base_url("exante"))
        nothing = run_command("jobs", "resume", url, *where)
        created = run_command("bulk", "create", str(rows), "--job", url, *where, "--quiet")
        verified = run_command("jobs", "verify", url, *where)
    decided = run_command("jobs", "resolve", url, "C-2", "abandoned", "--by", "me", "--note", "no")
    shown = run_command(
        "jobs", "show", server.url(job, password=False), "-o", "json", PGPASSWORD=PASSWORD
    )
    exported = run_command("jobs", "export", url, str(trail))
    purged = run_command("jobs", "purge", url, "--older-than-days", "0")

    assert [2, 2, 2] == [each.returncode for each in (missing, unnamed, nothing)]
    assert f"there is no job '{job}'" in missing.stderr
    assert f"there is no job '{job}'" in nothing.stderr
    assert "put #2026-11, say, at the end of the URL" in " ".join(unnamed.stderr.split())
    assert 1 == created.returncode, created.stderr
    assert 0 == verified.returncode, verified.stderr
    assert 0 == decided.returncode, decided.stderr
    assert '"abandoned": 1' in shown.stdout, shown.stderr
    assert 0 == exported.returncode, exported.stderr
    with trail.open(encoding="utf-8-sig") as file:
        assert {"C-1", "C-2"} == {each["entry"] for each in csv.DictReader(file)}
    assert 0 == purged.returncode, purged.stderr


BAD_URLS = {
    "a password that is not encoded": f"postgresql://me:{PASSWORD}%zz@host/db#job",
    "an unknown parameter": f"postgresql://me:{PASSWORD}@host/db?sslmod=1#job",
    "a URL of another library": f"postgresql+psycopg://me:{PASSWORD}@host/db#job",
    "another database": f"mysql://me:{PASSWORD}@host/db#job",
    "a path": Path(f"postgresql://me:{PASSWORD}@host/db#job"),
    "no job": f"postgresql://me:{PASSWORD}@host/db",
    "a job of odd letters": f"postgresql://me:{PASSWORD}@host/db",
}


@pytest.mark.parametrize("what", BAD_URLS)
def test_a_bad_url_is_refused_without_its_password(what: str, client: Client) -> None:
    """Before anything is connected to, and in no frame of the error."""
    url, job = BAD_URLS[what], "a job" if "odd" in what else None
    with pytest.raises(InvalidInputError) as caught:
        Job.open(url, client, job=job)
    check_hidden(caught.value)


def check_hidden(error: BaseException) -> None:
    """Check that neither an error nor a frame of ours has the password."""
    whole = traceback.TracebackException.from_exception(error, capture_locals=True)
    frames = [each for each in whole.stack if "/billingual/" in each.filename]

    assert frames
    assert PASSWORD not in str([each.locals for each in frames])
    assert PASSWORD not in str(error)
    assert error.__cause__ is None
    assert error.__context__ is None


def test_a_job_is_named_once(server: PostgresServer, client: Client, tmp_path: Path) -> None:
    """Neither by two names, nor in a file."""
    with pytest.raises(InvalidInputError, match="names 'one'"):
        Job.open(server.url("one"), client, job="two")
    with pytest.raises(InvalidInputError, match="only a database"):
        Job.open(tmp_path / "job.db", client, job="two")


def test_no_error_of_a_connection_shows_the_password(server: PostgresServer) -> None:
    """Neither one that fails, nor one that is lost; the ledger itself has none either."""
    wrong = PostgresLedger(server.url().replace("/postgres", "/nowhere"), job="job")
    with pytest.raises(LedgerError, match="does not exist") as caught:
        wrong.counts()
    whole = traceback.TracebackException.from_exception(caught.value, capture_locals=True)

    assert PASSWORD not in "".join(whole.format())
    name = new_job()
    with closing(PostgresLedger(server.url(name))) as ledger:
        ledger.bind("exante", ["org_1"], now=0.0)
        ledger.add([steps.create("A-1")])

        assert PASSWORD not in repr(ledger) + ledger.place + repr(ledger.__dict__)
    for table in ("job", "entry", "request", "connection"):
        kept = server.ask(f'SELECT * FROM "billingual_{name}".{table}')  # noqa: S608 - ours

        assert PASSWORD not in repr(kept)


def test_what_could_lose_a_step_is_refused(server: PostgresServer, job: str) -> None:
    """A server that does not write to its disk, and a schema of another program."""
    server.ask("ALTER SYSTEM SET fsync = off")
    try:
        server.ask("SELECT pg_reload_conf()")
        while server.ask("SHOW fsync") == [("on",)]:
            time.sleep(0.01)
        with pytest.raises(UsageError, match="fsync=off"):
            PostgresLedger(server.url(job)).counts()
    finally:
        server.ask("ALTER SYSTEM RESET fsync")
        server.ask("SELECT pg_reload_conf()")
    server.ask("ALTER ROLE jobs SET synchronous_commit = off")
    with closing(PostgresLedger(server.url(job))) as ledger:
        ledger.bind("exante", [], now=0.0)

        assert [("on",)] == ledger._read("SHOW synchronous_commit")
    server.ask("ALTER ROLE jobs RESET synchronous_commit")
    server.ask(f'CREATE SCHEMA "billingual_{job}-2"; CREATE TABLE "billingual_{job}-2".entry ()')
    with (
        closing(PostgresLedger(server.url(f"{job}-2"))) as ledger,
        pytest.raises(UsageError, match="another program's"),
    ):
        ledger.bind("exante", [], now=0.0)


@pytest.mark.parametrize(("age", "step"), [("a newer", 1), ("an older", -1)])
def test_another_format_is_refused(
    open_ledger: Callable[[], PostgresLedger],
    server: PostgresServer,
    job: str,
    age: str,
    step: int,
) -> None:
    """By a read as well."""
    open_ledger()
    mark = f"billingual ledger {VERSION + step}"
    server.ask(f"COMMENT ON SCHEMA \"billingual_{job}\" IS '{mark}'")
    with pytest.raises(UsageError, match=f"by {age} billingual"):
        PostgresLedger(server.url(job)).counts()


def test_a_schema_that_an_administrator_made_is_used(server: PostgresServer, job: str) -> None:
    """If it is empty: the role needs no right to make one."""
    server.ask(f'CREATE SCHEMA "billingual_{job}"')
    with closing(PostgresLedger(server.url(job))) as ledger:
        ledger.bind("exante", [], now=0.0)

        assert 1 == ledger.add([steps.create("A-1")])


def test_a_fork_has_a_connection_of_its_own(open_ledger: Callable[[], PostgresLedger]) -> None:
    """The parent goes on after the child's end."""
    ledger = open_ledger()
    ledger.add([steps.create("A-1"), steps.create("A-2")])
    child = os.fork()
    if not child:
        code = 1
        try:
            code = 0 if steps.claimed(ledger).entries[0].id == "A-1" else 2
        finally:
            os._exit(code)
    _, status = os.waitpid(child, 0)

    assert 0 == status
    assert ["A-2"] == steps.ids(steps.claimed(ledger))


def test_leases_are_by_the_clock_of_the_server(
    open_ledger: Callable[[], PostgresLedger],
) -> None:
    """Whatever this machine's clock says."""
    one, two = open_ledger().clock(0.0), open_ledger().clock(9e9)

    assert 0 <= two - one < 3600


@pytest.mark.parametrize("backend", ["Client", "AsyncClient"])
def test_without_the_extra_it_is_named(backend: str) -> None:
    """Before anything is connected to; and nothing else needs it."""
    program = f"""
import sys
sys.modules["psycopg"] = None
import billingual
from billingual.errors import MissingExtraError
client = billingual.{backend}("exante", transport="sandbox")
job = billingual.Job if "{backend}" == "Client" else billingual.AsyncJob
try:
    job.open("postgresql://host/db", client, job="one")
except MissingExtraError as error:
    print(error.install)
job.open("job.db", client)
"""
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=False
    )

    assert 'pip install "billingual[postgres]"\n' == done.stdout, done.stderr
    assert MissingExtraError.__name__ not in done.stderr
    assert module.__name__ == "billingual.jobs.postgres"
