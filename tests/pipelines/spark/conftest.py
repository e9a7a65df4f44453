"""An engine that runs the source, a sandbox behind a socket, and the options that join them.

The engine is Sail where it is installed, else Spark itself, which takes twenty seconds to start.
"""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from billingual import Client
from billingual.sandbox import ACCOUNTS, LANDMARKS, Running, running

TOKEN = ACCOUNTS["exante"].token
"""It must be in no plan, pickle, message or log."""


@pytest.fixture(scope="session")
def events(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Name the folder of the event log, which Spark keeps and Sail does not."""
    return tmp_path_factory.mktemp("events")


@pytest.fixture(scope="session")
def spark(events: Path) -> Iterator[Any]:
    """Start an engine that knows the source."""
    from pyspark.sql import SparkSession

    from billingual.integrations.spark import InvoiceDataSource

    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("EXANTE_TOKEN", TOKEN)
        patch.setenv("ALSO_TOKEN", TOKEN)
        patch.setenv("PYSPARK_PYTHON", sys.executable)
        try:
            from pysail.spark import SparkConnectServer
        except ImportError:
            session = (
                SparkSession.builder.master("local[2,4]")
                .config("spark.ui.enabled", "false")
                .config("spark.eventLog.enabled", "true")
                .config("spark.eventLog.dir", events.as_uri())
                .config("spark.eventLog.compress", "false")
                # As on a cluster; Spark hides it in its log because of its name.
                .config("spark.executorEnv.EXANTE_TOKEN", TOKEN)
                .config("spark.sql.session.timeZone", "UTC")
                .config("spark.sql.shuffle.partitions", "2")
                .getOrCreate()
            )
            session.sparkContext.setLogLevel("OFF")
            session.dataSource.register(InvoiceDataSource)
            yield session
            session.stop()
        else:
            server = SparkConnectServer(port=0)
            server.start(background=True)
            _, port = server.listening_address
            session = SparkSession.builder.remote(f"sc://localhost:{port}").getOrCreate()
            session.dataSource.register(InvoiceDataSource)
            yield session
            session.stop()
            server.stop()


@pytest.fixture
def server() -> Iterator[Running]:
    """Serve 500 invoices."""
    with running(invoices=500) as server:
        yield server


@pytest.fixture
def options(server: Running) -> dict[str, str]:
    """Return the options that name the server and its account."""
    return {
        "provider": "exante",
        "credential": "env:EXANTE_TOKEN",
        "base_url": server.base_url("exante"),
        "organization": LANDMARKS["exante_organization"],
        "retry": "none",
    }


@pytest.fixture
def client(options: dict[str, str]) -> Iterator[Client]:
    """Make a client that tells what the provider has."""
    with Client(
        "exante",
        token=TOKEN,
        base_url=options["base_url"],
        organization=options["organization"],
    ) as client:
        yield client


@pytest.fixture
def walks(server: Running) -> Callable[[], Counter[str]]:
    """Return a function that counts the walks begun so far by the window that each is of."""

    def counted() -> Counter[str]:
        queries = [each["query"] for each in server.app.requests(limit=10_000)]
        first = [each for each in queries if "page=1&" in each]
        return Counter(each.partition("&page=")[0] for each in first)

    return counted


@pytest.fixture
def ledger(tmp_path: Path) -> Path:
    """Name a ledger."""
    return tmp_path / "job.db"
