"""Mappings in the place of drafts, changes and filters: every operation, both clients, jobs."""

from __future__ import annotations

import inspect
import warnings
from collections.abc import Callable, Iterator, Mapping
from datetime import date
from pathlib import Path
from typing import Any, Final

import pytest

from _support.equivalence.row import REPLACEMENT
from billingual import (
    AsyncClient,
    AsyncJob,
    Changes,
    Client,
    Draft,
    Filter,
    InvalidInputError,
    Job,
    MemoryTransport,
    NotFoundError,
    UnsupportedError,
    providers,
)
from billingual.jobs import Create, Update
from billingual.sandbox import LANDMARKS

UID: Final = "550e8400-e29b-41d4-a716-446655440000"
INV: Final = "inv_" + "a" * 24
DRAFT: Final[dict[str, Any]] = {
    "number": "N-1", "document": UID, "owner": UID, "counterparty": UID, "due_at": "2026-12-31",
}  # fmt: skip
FILTER: Final[dict[str, Any]] = {
    "status": ["OVERDUE"], "overdue_days": "> 30", "due_to": date(2026, 12, 31),
}  # fmt: skip
CHANGES: Final[dict[str, Any]] = {"number": "N-2", "due_at": date(2026, 12, 31)}
TENANT: Final[dict[str, Any]] = {
    "number": "N-1", "document": "ctr_" + "a" * 24, "exchange_rate": "1.5",
    "total": {"amount": "12.50", "currency": "EUR"},
}  # fmt: skip


class Frozen(Mapping[str, Any]):
    """A mapping that is no dict, such as a row of a database."""

    def __init__(self, fields: Mapping[str, Any]) -> None:
        self._fields = fields

    def __getitem__(self, key: str) -> Any:
        return self._fields[key]

    def __iter__(self) -> Iterator[str]:
        return iter(self._fields)

    def __len__(self) -> int:
        return len(self._fields)


KATSU: Final = {"provider": providers.katsu(currencies={"USD": 1})}
WHOLE: Final = REPLACEMENT.to_dict(json=True)
# For each operation: the client, a call, and what the mapping describes.
CALLS: Final[dict[str, tuple[dict[str, Any], Callable[[Any, Any], Any], Any, Any]]] = {
    "create": ({}, lambda c, it: c.create(it), DRAFT, Draft(**DRAFT)),
    "create of tenant": (
        {"provider": "kukkingu", "tenant": LANDMARKS["kukkingu_tenant"]},
        lambda c, it: c.create(it), TENANT, Draft.from_dict(TENANT),
    ),
    "list": ({}, lambda c, it: c.list(it), FILTER, Filter(**FILTER)),
    "update": ({}, lambda c, it: c.update(UID, it), CHANGES, Changes(**CHANGES)),
    "update of tenant": (
        {"provider": "kukkingu", "tenant": LANDMARKS["kukkingu_tenant"]},
        lambda c, it: c.update(INV, it), CHANGES, Changes(**CHANGES),
    ),
    "update of katsu": (KATSU, lambda c, it: c.update(UID, it), WHOLE, REPLACEMENT),
    "update_many, by id": ({}, lambda c, it: c.update_many({UID: it}), CHANGES, Changes(**CHANGES)),
    "update_many, pairs": (
        {}, lambda c, it: c.update_many([(UID, it)]), CHANGES, Changes(**CHANGES),
    ),
}  # fmt: skip


def client_of(options: dict[str, Any], kind: Any = Client, **more: Any) -> Any:
    """Make a client over the sandbox."""
    return kind(**{"provider": "exante", "transport": "sandbox", **options, **more})


@pytest.mark.parametrize("name", CALLS)
@pytest.mark.parametrize("wrap", [dict, Frozen])
def test_a_mapping_makes_the_request_of_the_model(name: str, wrap: Any) -> None:
    """Byte for byte, whatever kind of mapping it is."""
    options, call, fields, model = CALLS[name]
    with client_of(options) as client:
        by_mapping, by_model = call(client.preview, wrap(fields)), call(client.preview, model)

    assert (by_mapping.method, by_mapping.url) == (by_model.method, by_model.url)
    assert by_mapping.body == by_model.body


async def carried_out(made: Any) -> Any:
    """Wait for a call of either client; of a list, ask for its first row."""
    made = made.first() if hasattr(made, "first") else made
    return await made if inspect.isawaitable(made) else made


@pytest.mark.parametrize("name", CALLS)
@pytest.mark.anyio
async def test_both_clients_send_what_they_preview(name: str) -> None:
    """The same mapping in the call itself; the provider finds nothing."""
    options, call, fields, _ = CALLS[name]
    for kind in (Client, AsyncClient):
        transport = MemoryTransport([MemoryTransport.json("{}", status=404)])
        client = client_of(options, kind, transport=transport, base_url="https://p.example")
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # Client is used inside a loop here
            with pytest.raises(NotFoundError):
                await carried_out(call(client, fields))
        (sent,) = transport.requests
        preview = call(client.preview, fields)

        assert (sent.method, sent.url, sent.body) == (preview.method, preview.url, preview.body)


WRONG: Final[list[tuple[Callable[[Any], Any], str, str]]] = [
    (lambda c: c.create({"due_date": "2026-12-31"}), "due_date", "perhaps you meant due_at"),
    (lambda c: c.create({"total": 12.5}), "total", "float is no amount"),
    (lambda c: c.list({"statuses": "PAID"}), "statuses", "perhaps you meant status"),
    (lambda c: c.update(UID, {"due_at": "soon"}), "due_at", "is not a date"),
    (lambda c: c.update_many({UID: {"numbr": "1"}}), f"pairs['{UID}'].numbr", "meant number"),
    (lambda c: c.update_many([(UID, {"due_at": 1.5})]), "pairs[0].due_at", "float is not"),
    (lambda c: c.update_many([(UID, 5)]), "pairs[0]", "int is no Changes"),
    (lambda c: c.create([("number", "1")]), "draft", "list is no Draft"),
    (lambda c: c.list("PAID"), "filter", "str is no Filter"),
]


@pytest.mark.parametrize(("call", "field", "problem"), WRONG)
def test_what_is_wrong_in_a_mapping_is_named_before_anything_is_sent(
    call: Any, field: str, problem: str
) -> None:
    """With the place in a batch; previews refuse alike."""
    transport = MemoryTransport()
    client = Client("exante", token="not-a-real-one", transport=transport)
    for face in (client, client.preview):
        with pytest.raises(InvalidInputError, match=problem) as caught:
            call(face)
        assert caught.value.field == field
    assert transport.requests == []


def test_a_mapping_is_for_what_the_provider_can_do() -> None:
    """Katsu replaces documents, so there a mapping is a whole one; elsewhere it is changes."""
    with client_of(KATSU) as katsu, pytest.raises(InvalidInputError, match="Replacement needs it"):
        katsu.update(UID, {"counterparty": UID})
    with client_of({}) as exante:
        with pytest.raises(InvalidInputError, match="Changes has no such field"):
            exante.update(UID, WHOLE)
        with pytest.raises(UnsupportedError):
            exante.update(UID, REPLACEMENT)


def test_a_job_plans_mappings(tmp_path: Path) -> None:
    """The same entries as of models, in all the ways to write them."""
    other = {**DRAFT, "number": "N-9"}
    with client_of({}) as client:
        plans: list[list[Any]] = [
            [DRAFT, (UID, CHANGES), Create(draft=other, id="a"),
             Update(invoice_id=UID, changes=CHANGES, id="b")],
            [Draft(**DRAFT), (UID, Changes(**CHANGES)), Create(draft=Draft(**other), id="a"),
             Update(invoice_id=UID, changes=Changes(**CHANGES), id="b")],
        ]  # fmt: skip
        with Job.open(tmp_path / "job.db", client) as job:
            assert job.plan(plans[0]) == 4
            assert job.plan(plans[1]) == 0  # it has them all
            with pytest.raises(InvalidInputError, match="perhaps you meant number"):
                job.plan([{"numbr": "1"}])


@pytest.mark.anyio
async def test_an_awaited_job_plans_mappings(tmp_path: Path) -> None:
    """And a run of it creates the invoice."""
    draft = {
        "number": "N-77", "document": LANDMARKS["exante_document"],
        "owner": LANDMARKS["exante_owner"], "counterparty": LANDMARKS["exante_party"],
    }  # fmt: skip
    async with client_of({}, AsyncClient) as client:
        async with AsyncJob.open(tmp_path / "job.db", client) as job:
            await job.plan([draft])
            report = await job.run()
        found = await client.list({"search": "N-77"}).collect(limit=5)

    assert report.committed == 1
    assert [each.number for each in found] == ["N-77"]
