"""A sandbox, a client of it and a ledger for each test."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from billingual import Client, Draft, Job
from billingual.sandbox import LANDMARKS, Sandbox, create_app
from billingual.transports import sandboxed

LATE_ARRIVAL_S = 0.05
"""Long enough for a sandbox that answers at once."""


@pytest.fixture
def sandbox() -> Iterator[Sandbox]:
    """Make a sandbox with a few invoices."""
    app = create_app(invoices=130)
    yield app
    app.close()


@pytest.fixture
def client(sandbox: Sandbox) -> Iterator[Client]:
    """Make a client that gives up at once, so that the job has to find out."""
    with Client(
        "exante",
        transport=sandboxed(sandbox),
        retry="none",
        organization=LANDMARKS["exante_organization"],
    ) as client:
        yield client


@pytest.fixture
def in_memory() -> Iterator[Path]:
    """Make a directory where a write is quick: for what is not about the disk."""
    memory = Path("/dev/shm")  # noqa: S108 - a directory of its own is made there
    with tempfile.TemporaryDirectory(dir=memory if memory.is_dir() else None) as place:
        yield Path(place)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Name a ledger."""
    return tmp_path / "job.db"


@pytest.fixture
def open_job(client: Client, path: Path) -> Callable[..., Job]:
    """Return a function that opens the job."""

    def opened(**options: Any) -> Job:
        return Job.open(path, client, **{"late_arrival_s": LATE_ARRIVAL_S} | options)

    return opened


@pytest.fixture
def draft() -> Callable[..., Draft]:
    """Return a function that makes a draft which the sandbox takes."""

    def made(number: str | None = "J-1", **fields: Any) -> Draft:
        known = {
            "counterparty": LANDMARKS["exante_party"],
            "owner": LANDMARKS["exante_owner"],
            "document": LANDMARKS["exante_document"],
        }
        if number is not None:
            known["number"] = number
        return Draft(**known | fields)

    return made


@pytest.fixture
def sent(sandbox: Sandbox) -> Callable[[str], int]:
    """Return a function that counts the requests of a method."""

    def count(method: str) -> int:
        return sum(each["method"] == method for each in sandbox.requests(limit=1000))

    return count
