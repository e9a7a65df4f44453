"""A value of the wrong kind ends in an error of ours, also one that Python makes no text of.

An int of more than 4,300 digits has none, and neither has an object whose ``repr`` raises.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import pytest

from billingual import (
    AsyncClient,
    AsyncJob,
    CircuitBreaker,
    Client,
    Draft,
    Filter,
    Invoice,
    Job,
    Limiter,
    Provider,
    Retry,
    RetryBudget,
    fallback,
    providers,
)
from billingual.auth import Secret
from billingual.errors import UsageError
from billingual.jobs import Create, Delete
from billingual.testing import DraftFactory, fault, record, replay

UID: Final = "550e8400-e29b-41d4-a716-446655440000"


class Rude:
    """An object that nothing can be said about."""

    def __repr__(self) -> str:
        raise RuntimeError

    __str__ = __repr__


VALUES: Final[dict[str, Any]] = {
    "int": 10**5000,
    "object": Rude(),
    "list": [10**5000],
    "name": {10**5000: 1},
    "long": "x" * 100_000,
    "bytes": b"x",
}
OPTIONS: Final = ("transport", "retry", "organization", "reading")
OF_CLIENTS: Final[dict[str, Callable[[Client, Any], object]]] = {
    "get": lambda client, value: client.get(value),
    "create": lambda client, value: client.create(value),
    "update": lambda client, value: client.update(UID, value),
    "update id": lambda client, value: client.update(value, {"number": "N"}),
    "update_many": lambda client, value: client.update_many([(value, {"number": "N"})]),
    "delete_many": lambda client, value: client.delete_many([value]),
    "list": lambda client, value: client.list(value),
    "on_bad_row": lambda client, value: client.list(on_bad_row=value),
    "on_bad_page": lambda client, value: client.list(on_bad_page=value),
    "max_rows": lambda client, value: client.list().arrow(max_rows=value),
    "days": lambda client, value: client.land("x", since="2026-01-01", days=value),
    "lookback": lambda client, value: client.land("x", since="2026-01-01", lookback_days=value),
    "concurrency": lambda client, value: client.land("x", concurrency=value),
    **{
        name: lambda client, value, name=name: Client("exante", token="t", **{name: value})
        for name in OPTIONS
    },
    "backend": lambda client, value: AsyncClient("exante", token="t", backend=value),
    "profile": lambda client, value: Client.from_profile("a", path=value),
    "dialect": lambda client, value: Client(Provider(name="p", dialects=(value,)), token="t"),
    "dialects": lambda client, value: Client(
        Provider(name="p", dialects=None if isinstance(value, str) else value), token="t"
    ),
    "currencies": lambda client, value: Client(
        providers.katsu(currencies=value), token="t", base_url="https://x.example"
    ).preview.get(UID),
    "attempts": lambda client, value: Retry(attempts=value if value != 10**5000 else [value]),
    "base_s": lambda client, value: Retry(base_s=value if value != 10**5000 else -value),
    "budget": lambda client, value: RetryBudget(capacity=value if value != 10**5000 else -value),
    "failures": lambda client, value: CircuitBreaker(
        failures=value if value != 10**5000 else -value
    ),
    "workers": lambda client, value: Limiter(1, workers=value),
    "fallback": lambda client, value: Client("exante", transport=fallback("httpx", value)),
    "filter": lambda client, value: Filter.from_dict(value),
    "draft": lambda client, value: Draft.from_dict(value),
    "invoice": lambda client, value: Invoice.from_dict(value),
    "secret": lambda client, value: Secret([value] if isinstance(value, str) else value),
    "options": lambda client, value: Client(
        Provider(name="p", dialects=("exante",), options=[value]), token="t", base_url="https://a.b"
    ),
    "options of one": lambda client, value: Client(
        Provider(name="p", dialects=("exante",), options={"exante": [value]}),
        token="t",
        base_url="https://a.b",
    ),
    "plan": lambda client, value: Client("exante", transport=fault(value, "sandbox")),
    "factory": lambda client, value: DraftFactory([value]),
    "fault": lambda client, value: Client("exante", transport=fault([value], "sandbox")),
    "record": lambda client, value: Client(
        "exante", transport=record([value] if isinstance(value, str) else value, "sandbox")
    ),
    "replay": lambda client, value: Client("exante", transport=replay(value)),
    "job place": lambda client, value: Job.open(value, AsyncClient("exante", token="t")),
    "job client": lambda client, value: Job.open("x.db", value),
    "async job client": lambda client, value: AsyncJob.open("x.db", value),
    "policy": lambda client, value: Job.open("x.db", client, policy=value),
}
OF_JOBS: Final[dict[str, Callable[[Job, Any], object]]] = {
    "plan": lambda job, value: job.plan([value]),
    "id": lambda job, value: job.plan([Create(draft=Draft(number="N"), id=[value])]),
    "invoice_id": lambda job, value: job.plan([Delete(invoice_id=value)]),
    "concurrency": lambda job, value: job.run(concurrency=value),
    "on_progress": lambda job, value: job.run(on_progress=value),
    "entry": lambda job, value: job.history(value),
    "state": lambda job, value: list(job.entries(state=value)),
    "resolve": lambda job, value: job.resolve(value, "committed", by="a", note="b"),
    "decision": lambda job, value: job.resolve("N", value, by="a", note="b"),
    "by": lambda job, value: job.resolve("N", "committed", by=[value], note="b"),
    "export": lambda job, value: job.export(value),
}


@pytest.fixture
def client(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Client:
    """Make a client that sends nothing, in a folder of its own."""
    monkeypatch.chdir(tmp_path)
    return Client("exante", transport="memory", token="t")


@pytest.mark.parametrize("value", VALUES.values(), ids=VALUES)
@pytest.mark.parametrize("call", OF_CLIENTS.values(), ids=OF_CLIENTS)
def test_a_client_refuses_it(client: Client, call: Any, value: Any) -> None:
    """In a few words, before anything is sent."""
    with pytest.raises(UsageError):
        call(client, value)


@pytest.mark.parametrize("value", VALUES.values(), ids=VALUES)
@pytest.mark.parametrize("call", OF_JOBS.values(), ids=OF_JOBS)
def test_a_job_refuses_it(client: Client, call: Any, value: Any) -> None:
    """So does everything that a job takes."""
    with Job.open("job.db", client) as job, pytest.raises(UsageError):
        call(job, value)
