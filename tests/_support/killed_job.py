"""A program that runs a job against a server, made to be killed at any instant and run again.

It is given the URL, the ledger, a plan in JSON, the client's backend (``blocking``, ``asyncio`` or
``trio``), how far the clock is off in seconds, and how many bytes a file may have (0 for any
number). It says on a line of its own what it begins.
"""

from __future__ import annotations

import json
import resource
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

if __name__ == "__main__":
    # The system as the run finds it; set before anything is imported that keeps the clock.
    *_, _JUMP_S, _MOST_BYTES = sys.argv
    _time = time.time
    time.time = lambda: _time() + float(_JUMP_S)
    if int(_MOST_BYTES):
        sys.dont_write_bytecode = True  # its files would be cut short, and break later programs
        resource.setrlimit(resource.RLIMIT_FSIZE, (int(_MOST_BYTES), int(_MOST_BYTES)))

import anyio
import attrs

from _support.broken_ledgers import BROKEN_BY_NAME
from billingual import AsyncClient, AsyncJob, Changes, Client, Draft, Job
from billingual.jobs import Create, Delete, PlannedWrite, SqliteLedger, Update
from billingual.sandbox import ACCOUNTS, LANDMARKS

LATE_ARRIVAL_S: Final = 0.3
"""Longer than the server holds any request."""


def client_options(url: str) -> dict[str, Any]:
    """Return the options of a client that leaves every doubt to the job."""
    return {
        "base_url": url,
        "token": ACCOUNTS["exante"].token,
        "organization": LANDMARKS["exante_organization"],
        "transport": "h11",
        "retry": "none",
    }


def ledger_of(path: str, plan: dict[str, Any]) -> str | SqliteLedger:
    """Return the ledger of a plan, a broken one if the plan says so."""
    broken = plan.get("broken")
    return BROKEN_BY_NAME[broken](path) if broken else path


def shorten_leases(job: AsyncJob, plan: dict[str, Any]) -> None:
    """Let a lease be hardly longer than a request, if the plan says so.

    What a killed process has claimed waits for its end.
    """
    if "lease_margin_s" in plan:
        usual = job._settings
        job._settings = lambda ledger: attrs.evolve(
            usual(ledger), lease_margin_s=plan["lease_margin_s"]
        )


def job_options(plan: dict[str, Any]) -> dict[str, Any]:
    """Return the options of the job of a plan."""
    return {"late_arrival_s": LATE_ARRIVAL_S, "number_prefix": "CHOSEN-", **plan.get("options", {})}


def writes_of(plan: dict[str, Any]) -> Iterator[PlannedWrite]:
    """Read the plan; a create's number is null where the job chooses it."""
    for operation, name, value in plan["writes"]:
        if operation == "create":
            draft = Draft(
                counterparty=LANDMARKS["exante_party"],
                owner=LANDMARKS["exante_owner"],
                document=LANDMARKS["exante_document"],
                **({} if value is None else {"number": value}),
            )
            yield Create(draft=draft, id=name)
        elif operation == "update":
            yield Update(invoice_id=name, changes=Changes(due_at=value))
        else:
            yield Delete(invoice_id=name)


def say(what: object) -> None:
    """Say something at once: the program may be killed before it would say it."""
    sys.stdout.write(f"{what}\n")
    sys.stdout.flush()


def main(url: str, path: str, plan_path: str, backend: str, *_system: str) -> None:
    """Plan, run and report."""
    plan = json.loads(Path(plan_path).read_text(encoding="utf-8"))
    if backend != "blocking":
        anyio.run(amain, url, path, plan, backend=backend)
        return
    with (
        Client("exante", **client_options(url), **plan.get("client", {})) as client,
        Job.open(ledger_of(path, plan), client, **job_options(plan)) as job,
    ):
        shorten_leases(job._core, plan)
        say("planning")
        job.plan(writes_of(plan))
        say("running")
        say(job.run(concurrency=8))


async def amain(url: str, path: str, plan: dict[str, Any]) -> None:
    """Do the same on an event loop."""
    async with (
        AsyncClient("exante", **client_options(url), **plan.get("client", {})) as client,
        AsyncJob.open(ledger_of(path, plan), client, **job_options(plan)) as job,
    ):
        shorten_leases(job, plan)
        say("planning")
        await job.plan(writes_of(plan))
        say("running")
        say(await job.run(concurrency=8))


if __name__ == "__main__":
    main(*sys.argv[1:])
