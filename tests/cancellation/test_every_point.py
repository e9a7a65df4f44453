"""A call cancelled wherever it suspends leaves no slot, socket or task; the next one works."""

from __future__ import annotations

import random
import ssl
from collections.abc import Callable, Coroutine, Iterator
from typing import Any, Final

import anyio
import anyio.to_thread
import attrs
import pytest
import trustme

from _support.cancellation import WAYS, cancelled_at, run_on
from _support.invoice_server import InvoiceServer, uid
from billingual import AsyncClient, Changes, Draft, Money
from billingual.abc import TransportOptions
from billingual.transports.h11.transport import H11Transport

TENANT: Final = "tnt_" + "a" * 24
CONTRACT: Final = "ctr_" + "c" * 24
INVOICE: Final = "inv_" + "b" * 24
CHANGES: Final = Changes(number="N-1")
DRAFT: Final = Draft(
    document=CONTRACT, number="N-1", total=Money.of("1.00", "EUR"), exchange_rate="1.0"
)


async def walked(client: AsyncClient) -> list[str]:
    """Walk a list."""
    return [row.id async for row in client.list()]


async def closed(client: AsyncClient) -> None:
    """Close the transport alone: with the client closed no call could follow."""
    await client._context.wire.transport.aclose()


OPERATIONS: Final[dict[str, tuple[str, Callable[[AsyncClient], Coroutine[Any, Any, Any]]]]] = {
    "get": ("exante", lambda client: client.get(uid(1))),
    "list.first": ("exante", lambda client: client.list().first()),
    "list.collect": ("exante", lambda client: client.list().collect(limit=5)),
    "list": ("exante", walked),
    "update": ("exante", lambda client: client.update(uid(1), CHANGES)),
    "update_many": ("exante", lambda client: client.update_many({uid(1): CHANGES})),
    "delete_many": ("exante", lambda client: client.delete_many([uid(1), uid(2)])),
    "create": ("kukkingu", lambda client: client.create(DRAFT)),
    "finalize": ("kukkingu", lambda client: client.finalize(INVOICE)),
    "void": ("kukkingu", lambda client: client.void(INVOICE)),
    "aclose": ("exante", closed),
}


@pytest.fixture
def server() -> Iterator[InvoiceServer]:
    """Run a server for one test."""
    with InvoiceServer() as running:
        yield running


def client_of(
    server: InvoiceServer, provider: str, connections: int, tls: ssl.SSLContext | None = None
) -> AsyncClient:
    """Make a client of few connections."""

    def few(options: TransportOptions) -> H11Transport:
        return H11Transport(attrs.evolve(options, connections=connections))

    tenant = TENANT if provider == "kukkingu" else None
    return AsyncClient(
        provider, base_url=server.url, token="t", tenant=tenant, transport=few, retry="none",
        timeout=20.0, tls=tls,
    )  # fmt: skip


async def touch(client: AsyncClient, provider: str) -> None:
    """Make a call that is not cancelled."""
    invoice = uid(9) if provider == "exante" else INVOICE
    assert (await client.get(invoice)).number == invoice


async def assert_nothing_is_left(client: AsyncClient, server: InvoiceServer, count: int) -> None:
    """All slots of the pool are free, and every open connection is idle in the pool."""
    idle = 0
    for pool in client._context.wire.transport._pools.values():  # type: ignore[attr-defined]
        for local in pool._locals.values():
            free = [await local.slots.acquire(0) for _ in range(count)]
            assert [True] * count == free
            for _ in free:
                local.slots.release()
            idle += sum(connection.is_open for connection, _ in local.idle)
    await anyio.to_thread.run_sync(server.wait_for_open, idle)


async def cancel_everywhere(
    server: InvoiceServer,
    operation: str,
    how: str,
    *,
    warm: bool,
    tls: ssl.SSLContext | None = None,
) -> int:
    """Cancel at the first, second ... suspension until there is none; return how many there are."""
    provider, start = OPERATIONS[operation]
    before = len(anyio.get_running_tasks())
    point = 0
    met = True
    while met:
        point += 1
        client = client_of(server, provider, 2, tls)
        if warm:
            await touch(client, provider)
        met = await cancelled_at(start(client), point, how)
        await assert_nothing_is_left(client, server, 2)
        await touch(client, provider)
        await client.aclose()
        await anyio.to_thread.run_sync(server.wait_for_open, 0)
        assert before == len(anyio.get_running_tasks())
    return point - 1


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("warm", [False, True], ids=["cold", "warm"])
@pytest.mark.parametrize("operation", OPERATIONS)
def test_a_cancelled_call_leaves_nothing_behind(
    server: InvoiceServer, operation: str, way: str, *, warm: bool
) -> None:
    """At every suspension point, by every way to cancel, on every event loop."""
    loop, how = WAYS[way]

    points = run_on(loop, lambda: cancel_everywhere(server, operation, how, warm=warm))

    if operation != "aclose":
        # To connect, and to receive; uvloop connects with one suspension.
        assert points >= (1 if warm else 2)
    elif warm:
        assert points >= 1


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("warm", [False, True], ids=["cold", "warm"])
def test_a_cancelled_call_over_tls_leaves_nothing_behind(way: str, *, warm: bool) -> None:
    """Likewise in the middle of a handshake."""
    authority = trustme.CA()
    theirs = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(theirs)
    ours = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    authority.configure_trust(ours)
    loop, how = WAYS[way]
    with InvoiceServer(theirs) as server:
        points = run_on(loop, lambda: cancel_everywhere(server, "get", how, warm=warm, tls=ours))

    assert points >= (1 if warm else 3)


@pytest.mark.parametrize("way", ["asyncio, cancel", "uvloop, cancel", "trio, scope"])
def test_twenty_workers_cancelled_at_random_cost_no_connection(
    server: InvoiceServer, way: str
) -> None:
    """After hundreds of cancellations among 20 workers on 10 connections, 20 probes succeed."""
    loop, how = WAYS[way]
    chance = random.Random(20261121)  # noqa: S311 - a seed, so that each run is the same

    async def main() -> tuple[int, int]:
        client = client_of(server, "exante", 10)
        cancelled = probed = 0

        async def worker() -> None:
            nonlocal cancelled
            for _ in range(15):
                call = client.get(uid(chance.randrange(1000)))
                ended = await cancelled_at(call, chance.randint(1, 4), how)
                cancelled += ended

        async def probe(number: int) -> None:
            nonlocal probed
            invoice = await client.get(uid(number))
            probed += invoice.number == uid(number)

        async with anyio.create_task_group() as tasks:
            for _ in range(20):
                tasks.start_soon(worker)
        await assert_nothing_is_left(client, server, 10)
        async with anyio.create_task_group() as tasks:
            for number in range(20):
                tasks.start_soon(probe, number)
        await client.aclose()
        return cancelled, probed

    cancelled, probed = run_on(loop, main)

    assert cancelled >= 100
    assert probed == 20
    server.wait_for_open(0)


@pytest.mark.parametrize("loop", ["asyncio", "uvloop", "trio"])
def test_a_timeout_around_a_held_call_leaves_nothing_behind(
    server: InvoiceServer, loop: str
) -> None:
    """``anyio.move_on_after`` ends all 4 calls of a client of 2 connections, waiting ones too."""

    async def main() -> int:
        client = client_of(server, "exante", 2)
        server.hold(4)  # also calls that begin after others have ended
        ended = 0

        async def hung() -> None:
            nonlocal ended
            with anyio.move_on_after(0.1) as scope:
                await client.get(uid(1))
            ended += scope.cancelled_caught

        async with anyio.create_task_group() as tasks:
            for _ in range(4):
                tasks.start_soon(hung)
        server.release()
        await assert_nothing_is_left(client, server, 2)
        await touch(client, "exante")
        await client.aclose()
        return ended

    assert run_on(loop, main) == 4
    server.wait_for_open(0)
