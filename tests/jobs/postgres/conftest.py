"""A PostgreSQL server, which comes as a wheel, for the tests of this folder."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from _support.postgres_server import PostgresServer, new_job, postgres_server
from billingual.jobs.postgres import PostgresLedger


@pytest.fixture(scope="session")
def server() -> Iterator[PostgresServer]:
    """Run a server for all tests."""
    with postgres_server() as running:
        yield running


@pytest.fixture
def job() -> str:
    """Name a job."""
    return new_job()


@pytest.fixture
def open_ledger(server: PostgresServer, job: str) -> Iterator[Callable[..., PostgresLedger]]:
    """Return a function that opens the job's ledger, as another process does."""
    opened: list[PostgresLedger] = []

    def made(url: str | None = None) -> PostgresLedger:
        ledger = PostgresLedger(url or server.url(), job=job)
        opened.append(ledger)
        ledger.bind("exante", ["org_1", None], now=1_700_000_000.0)
        return ledger

    yield made
    for each in opened:
        each.close()
