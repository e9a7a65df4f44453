"""What a program plugs in may be wrong too: the call it was for does not pay for that."""

from __future__ import annotations

import functools
from typing import Any

import anyio
import pytest

from billingual import AsyncClient, Changes, Client, Job, MemoryTransport, errors
from billingual.abc import RetryDecision
from billingual.transports._request import check_headers
from billingual.wire import WireRequest, WireResponse

UID = "550e8400-e29b-41d4-a716-446655440000"
CLIENTS = [Client, AsyncClient]


def invoice(request: WireRequest) -> WireResponse:
    """Respond to a request that can be written, as every transport of a network checks it."""
    check_headers(request)
    body = f'{{"status":"success","data":{{"uid":"{UID}","invoice_number":"N-1"}}}}'
    return MemoryTransport.json(body)


def update(kind: Any, transport: MemoryTransport, **options: Any) -> Any:
    """Change an invoice with either client."""
    client = kind("exante", transport=transport, retry="none", **options)
    changes = Changes(number="N-1")
    if kind is Client:
        with client:
            return client.update(UID, changes)

    async def main() -> Any:
        async with client:
            return await client.update(UID, changes)

    return anyio.run(main)


class Carrier:
    """An observer that sends fields along."""

    def __init__(self, given: Any) -> None:
        self.given = given

    def __call__(self, event: object) -> None:
        """Pass an event over."""

    def headers(self) -> Any:
        """Return what it was made with."""
        return self.given


@pytest.mark.parametrize("kind", CLIENTS)
@pytest.mark.parametrize(
    "field",
    [
        ("X-Request-Id", None), ("X-Request-Id", 5), ("X-Request-Id", "a\n"), ("X-User", "Zoë"),
        (5, "a"), ("", "a"), ("X A", "a"), ("X-Blank", ""), ("Host", "elsewhere.example"),
        ("Content-Length", "3"), ("Authorization", "Bearer other"), ("Transfer-Encoding", "x"),
    ],
    ids=str,
)  # fmt: skip
def test_a_field_of_an_observer_that_cannot_be_sent_is_left_out(
    kind: Any, field: tuple[Any, Any]
) -> None:
    """A correlation id that is not set yet is None: the write was never sent, and ended unclear."""
    transport = MemoryTransport(invoice)
    carrier = Carrier({field[0]: field[1], "traceparent": "00-1-2-01"})

    assert "N-1" == update(kind, transport, observers=[carrier]).number
    (request,) = transport.requests
    assert "00-1-2-01" == request.headers.get("traceparent")
    assert field not in list(request.headers)


@pytest.mark.parametrize("kind", CLIENTS)
@pytest.mark.parametrize("given", [None, 5, "X-A", [("X-A", "b")]], ids=str)
def test_an_observer_whose_fields_are_no_mapping_sends_none(kind: Any, given: Any) -> None:
    """Nor does it fail the call."""
    transport = MemoryTransport(invoice)

    assert "N-1" == update(kind, transport, observers=[Carrier(given)]).number


class Awaited:
    """An object whose call makes a coroutine."""

    async def __call__(self, *_: object) -> None:
        """Do nothing, later."""


async def wait(*_: object) -> None:
    """Do nothing, later."""


@pytest.mark.parametrize("kind", CLIENTS)
@pytest.mark.parametrize(
    "function", [Awaited(), functools.partial(Awaited(), 1), functools.partial(wait, 1)],
    ids=["object", "part of an object", "part of a function"],
)  # fmt: skip
def test_what_would_never_be_awaited_is_refused(kind: Any, function: Any) -> None:
    """An audit that is written by a coroutine would stay empty without a word."""
    with pytest.raises(errors.ConfigurationError, match="never be awaited"):
        kind("exante", transport=MemoryTransport(), observers=[function])
    with pytest.raises(errors.ConfigurationError, match="never be awaited"):
        kind("exante", transport=MemoryTransport(), on_unclear=function)
    client = kind("exante", transport=MemoryTransport())
    with pytest.raises(errors.InvalidInputError, match="on_bad_row: it is an async function"):
        client.list(on_bad_row=function)
    with pytest.raises(errors.InvalidInputError, match="on_bad_page: it is an async function"):
        client.list(on_bad_page=function)


@pytest.mark.parametrize("function", [Awaited(), wait], ids=["object", "function"])
def test_progress_that_would_never_be_awaited_is_refused(function: Any, tmp_path: Any) -> None:
    """In landings and in jobs."""
    client = Client("exante", transport=MemoryTransport())
    with pytest.raises(errors.InvalidInputError, match=r"on_progress: .* is no plain function"):
        client.land(tmp_path / "landed", on_progress=function)
    with (
        Job.open(tmp_path / "job.db", client) as job,
        pytest.raises(errors.InvalidInputError, match=r"on_progress: .* is no plain function"),
    ):
        job.run(on_progress=function)


class Gate:
    """A policy whose gate is broken."""

    def decide(self, *_: object, **__: object) -> RetryDecision:
        """Stop."""
        return RetryDecision(wait_s=None, why="enough")

    def admit(self, now: float) -> None:
        """Raise what it must not."""
        raise ZeroDivisionError(now)


@pytest.mark.parametrize("kind", CLIENTS)
def test_a_policy_that_raises_at_its_gate_is_named(kind: Any) -> None:
    """As one that raises where it decides; nothing was sent."""
    transport = MemoryTransport(invoice)
    client = kind("exante", transport=transport, retry=Gate())

    async def awaited() -> Any:
        return await client.update(UID, Changes(number="N-1"))

    call = client.update if kind is Client else lambda *_: anyio.run(awaited)
    with pytest.raises(errors.InternalError, match=r"a retry policy's admit\(\) raised ZeroDiv"):
        call(UID, Changes(number="N-1"))

    assert [] == transport.requests
