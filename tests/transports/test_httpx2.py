"""The httpx2 transport: the adapter of httpx over another library, held to the same rules."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import anyio
import httpx2
import pytest

from _support.wires.all_rules import OnAWire
from _support.wires.link import Link, a_request, bounds, with_length
from billingual import AsyncClient, Client, errors
from billingual.abc import TransportOptions
from billingual.backends.anyio import AnyioBackend
from billingual.backends.sync import SyncBackend, step
from billingual.outcomes import Evidence
from billingual.sandbox import ACCOUNTS, running
from billingual.transports.httpx import Httpx2Transport


class TestHttpx2OnAWire(OnAWire):
    """Each rule, awaited and blocking."""

    @pytest.fixture(params=["asyncio", "blocking"])
    def link(self, request: pytest.FixtureRequest) -> Iterator[Link]:
        """Return a link over the backend."""
        if request.param == "blocking":
            link = Link(Httpx2Transport, SyncBackend(), step)
            yield link
            link.close()
            return
        with asyncio.Runner() as runner:
            link = Link(Httpx2Transport, AnyioBackend(), runner.run)
            yield link
            link.close()


@pytest.mark.anyio
async def test_it_works_on_every_event_loop(serve: Any, say: Any) -> None:
    """On trio as on asyncio, a hundred calls at once included."""
    server = serve(*[say(with_length(b"ok"))] * 100)
    transport = Httpx2Transport(TransportOptions(backend=AnyioBackend(), connections=5))
    bodies: list[bytes] = []

    async def ask() -> None:
        bodies.append((await transport.send(a_request(server.url), bounds())).body)

    async with anyio.create_task_group() as tasks:
        for _ in range(100):
            tasks.start_soon(ask)
    await transport.aclose()

    assert [b"ok"] * 100 == bodies
    assert server.connections <= 5


def test_clients_speak_to_a_server_through_it() -> None:
    """Awaited and blocking, a list and an invoice of it."""
    account = ACCOUNTS["exante"]

    async def awaited(url: str) -> str | None:
        async with AsyncClient(
            "exante", base_url=url, token=account.token, transport=Httpx2Transport
        ) as client:
            row = await client.list().first()
            assert row is not None
            return (await client.get(row.id)).number

    with running() as server:
        url = f"{server.url}{account.prefix}"
        numbers = [asyncio.run(awaited(url))]
        with Client(
            "exante", base_url=url, token=account.token, transport=Httpx2Transport
        ) as client:
            row = client.list().first()
            assert row is not None
            numbers.append(client.get(row.id).number)

    assert numbers[0] == numbers[1] is not None


def test_it_says_what_it_is() -> None:
    """Its errors and its attributes name httpx2."""
    seen = Evidence(connected=False)
    error = Httpx2Transport.family.translated(
        httpx2.ReadTimeout("x"), httpx2.URL("http://h/x"), seen
    )

    assert type(error) is errors.TimedOutError
    assert str(error) == "http://h: no answer came in time (ReadTimeout of httpx2)."
    assert (Httpx2Transport.library, Httpx2Transport.http2) == ("httpx2", False)


def test_only_httpx2_is_imported_for_it() -> None:
    """Each library is imported for its own transport alone."""
    program = (
        "import sys, billingual.transports.httpx2\n"
        "print(*({'aiohttp', 'httpcore', 'httpx', 'urllib3'} & {*sys.modules}))"
    )

    said = subprocess.run([sys.executable, "-c", program], capture_output=True, check=True)

    assert said.stdout.strip() == b""
