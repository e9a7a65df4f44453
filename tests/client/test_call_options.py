"""Headers, timeout, deadline and retry of one call alone."""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

import pytest

from billingual import (
    AsyncClient,
    Changes,
    Client,
    ConfigurationError,
    Draft,
    Job,
    MemoryTransport,
    Secret,
    errors,
)  # fmt: skip
from billingual.errors import NotConnectedError
from billingual.outcomes import Evidence
from billingual.wire import Bounds, WireRequest, WireResponse

UID: Final = "00000000-0000-4000-8000-000000000001"
INV: Final = "inv_" + "0" * 24
SECRET: Final = "canary-7f3a"
UNSENT: Final = Evidence(connected=False, request_complete=False, response_begun=False)


class Looking(MemoryTransport):
    """Keep the bounds of each request as well."""

    def __init__(self, responses: Any) -> None:
        super().__init__(responses)
        self.bounds: list[Bounds] = []

    async def send(self, request: WireRequest, bounds: Bounds) -> WireResponse:
        self.bounds.append(bounds)
        return await super().send(request, bounds)


def _respond(request: WireRequest) -> WireResponse:
    one = {"uid": UID, "id": INV, "status": "VOID", "total_items": 0, "total_pages": 0, "items": []}
    body: Any = [one] if "bulk" in request.route else one
    return MemoryTransport.json(json.dumps({"data": body}))


EXANTE: Final[dict[str, Callable[..., Any]]] = {
    "get": lambda client, **options: client.get(UID, **options),
    "list": lambda client, **options: client.list(**options).first(),
    "update": lambda client, **options: client.update(UID, Changes(status="SENT"), **options),
    "update_many": lambda client, **options: client.update_many(
        [(UID, Changes(status="SENT"))], **options
    ),
    "delete_many": lambda client, **options: client.delete_many([UID], **options),
    "create": lambda client, **options: client.create(
        Draft(counterparty=UID, owner=UID, document=UID), **options
    ),
}
KUKKINGU: Final[dict[str, Callable[..., Any]]] = {
    "finalize": lambda client, **options: client.finalize(INV, **options),
    "void": lambda client, **options: client.void(INV, **options),
}
CALLS: Final = [("exante", name) for name in EXANTE] + [("kukkingu", name) for name in KUKKINGU]
TENANT: Final = {"tenant": "tnt_" + "0" * 24}
ACCOUNTS: Final[dict[str, dict[str, str]]] = {"exante": {}, "kukkingu": TENANT}


@pytest.mark.parametrize(("provider", "name"), CALLS)
def test_every_operation_takes_options_of_its_own(provider: str, name: str) -> None:
    """They hold for this call and for no other, and add to the client's headers."""
    transport = Looking(_respond)
    call = {**EXANTE, **KUKKINGU}[name]
    client = Client(
        provider, transport=transport, headers={"X-Team": "a", "X-Key": "k"}, **ACCOUNTS[provider]
    )

    for options in ({"headers": {"x-team": "b", "X-One": "1"}, "timeout": 7.0}, {}):
        # Whether the response satisfies the call is of no matter here.
        with suppress(errors.BillingualError):
            call(client, **options)

    own, other = transport.requests[0].headers, transport.requests[-1].headers
    assert (own.get_all("X-Team"), own.get("X-One"), own.get("X-Key")) == (("b",), "1", "k")
    assert (other.get("X-Team"), other.get("X-One")) == ("a", None)
    assert transport.bounds[0].timeouts.read == 7.0
    assert transport.bounds[-1].timeouts.read != 7.0


def _land(client: Any, folder: Path, **options: Any) -> object:
    return client.land(folder / "all.duckdb", **options)


def _reconcile(client: Any, _: Path, **options: Any) -> object:
    failed = MemoryTransport([MemoryTransport.json("{}", status=500)])
    other = Client("exante", transport=failed, token="not-a-real-one")
    with pytest.raises(errors.OutcomeUnknown) as caught:
        other.update(UID, Changes(status="SENT"))
    return client.reconcile(caught.value, **options)


def _job(client: Any, folder: Path, **options: Any) -> object:
    with Job.open(folder / "job.db", client, policy="manual", sole_writer=True, **options) as job:
        job.plan([(UID, Changes(status="SENT"))])
        return job.run(concurrency=1)


@pytest.mark.parametrize("call", [_land, _reconcile, _job])
def test_what_makes_many_requests_takes_them_for_all_of_those(call: Any, tmp_path: Path) -> None:
    """A landing, a look at an unclear write, a job; what the responses lead to is of no matter."""
    transport = Looking(_respond)
    client = Client("exante", transport=transport, token="not-a-real-one", headers={"X-Team": "a"})
    with suppress(errors.BillingualError):
        call(client, tmp_path, headers={"X-One": "1"}, timeout=7.0, retry="none", deadline=20)
    with pytest.raises(TypeError, match="no option 'dedline'"):
        call(client, tmp_path / "other", dedline=5)

    assert len(transport.requests) >= 1
    sent = {(each.headers.get("X-One"), each.headers.get("X-Team")) for each in transport.requests}
    assert sent == {("1", "a")}
    assert {each.timeouts.read for each in transport.bounds} == {7.0}


def test_a_call_can_have_its_own_retries_and_deadline() -> None:
    """``retry="none"`` of one call does not change the next."""
    transport = Looking([NotConnectedError("no", evidence=UNSENT), _respond(_request()),
                         NotConnectedError("no", evidence=UNSENT)])  # fmt: skip
    client = Client("exante", transport=transport)

    client.get(UID)
    with pytest.raises(NotConnectedError):
        client.get(UID, retry="none", deadline=3.0)

    assert len(transport.requests) == 3
    assert transport.bounds[2].deadline.left() < 3.0 < transport.bounds[0].deadline.left()


def _request() -> WireRequest:
    transport = MemoryTransport()
    return Client("exante", transport=transport).preview.get(UID)


@pytest.mark.anyio
async def test_an_awaited_call_takes_them_too() -> None:
    """The blocking client's methods are made of these."""
    transport = Looking(_respond)
    async with AsyncClient("exante", transport=transport) as client:
        await client.get(UID, headers={"X-One": "1"})
        await client.list(headers={"X-Two": "2"}).first()

    assert transport.requests[0].headers.get("X-One") == "1"
    assert transport.requests[1].headers.get("X-Two") == "2"


@pytest.mark.parametrize(
    ("options", "error", "match"),
    [
        ({"dedline": 5}, TypeError, "takes no option 'dedline'; there are deadline, headers"),
        ({"token": "t"}, TypeError, "takes no option 'token'"),
        ({"status": "PAID"}, TypeError, r"as in list\({'status': 'PAID'}\)"),
        ({"headers": {"Authorization": "x"}}, ConfigurationError, "Authorization"),
        ({"retry": "forever"}, errors.UnknownNameError, "forever"),
    ],
)
def test_an_option_that_cannot_be_used_is_refused_before_anything_is_sent(
    options: dict[str, Any], error: type[Exception], match: str
) -> None:
    """A misspelt option would be taken for one that holds."""
    transport = MemoryTransport(_respond)
    client = Client("exante", transport=transport)

    with pytest.raises(error, match=match):
        client.get(UID, **options)

    assert transport.requests == []


def test_a_secret_header_of_one_call_is_shown_nowhere() -> None:
    """Neither in the request's repr nor in an error."""
    missing = MemoryTransport.json("{}", status=404)
    transport = MemoryTransport([missing])
    client = Client("exante", transport=transport)

    with pytest.raises(errors.NotFoundError) as caught:
        client.get(UID, headers={"X-Key": Secret(SECRET)})

    assert transport.requests[0].headers.get("X-Key") == SECRET
    assert SECRET not in repr(transport.requests) + str(caught.value) + repr(caught.value.exchange)


def test_a_write_that_ends_unclear_can_be_reconciled_as_usual() -> None:
    """What the client is told of it, it is told of a call with options as well."""
    told: list[Any] = []
    transport = MemoryTransport(lambda _: MemoryTransport.json("{}", status=500))
    client = Client("exante", transport=transport, on_unclear=told.append)

    with pytest.raises(errors.OutcomeUnknown) as caught:
        client.update(UID, Changes(status="SENT"), deadline=5)

    assert told == [caught.value]
    assert caught.value.reconcile().finding.value == "unknown"
