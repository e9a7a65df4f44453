"""The transport httpx2: what differs from httpx. The conformance suite holds both to one rule."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import anyio
import pytest

from _support.wires.link import a_request, bounds, with_length
from billingual import errors
from billingual.abc import TransportOptions
from billingual.backends.anyio import AnyioBackend
from billingual.transports.httpx import Httpx2Transport
from billingual.wire import Timeouts


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


@pytest.mark.anyio
async def test_its_errors_name_httpx2(serve: Any, say: Any) -> None:
    """The class of the library in an error's text is that of httpx2."""
    server = serve(say(b"", then="hang"))
    transport = Httpx2Transport(TransportOptions(backend=AnyioBackend()))

    with pytest.raises(errors.TimedOutError) as caught:
        await transport.send(a_request(server.url), bounds(timeouts=Timeouts(read=0.05)))
    await transport.aclose()

    assert str(caught.value) == f"{server.url}: no response came in time (ReadTimeout of httpx2)."


def test_only_httpx2_is_imported_for_it(serve: Any, say: Any) -> None:
    """Each library is imported for its own transport alone, and with the first request."""
    server = serve(say(with_length(b"{}", status=b"404 Not Found")))
    program = f"""
import sys
from billingual import Client, NotFoundError
libraries = {{"aiohttp", "httpcore", "httpx", "urllib3"}}
with Client("exante", base_url={server.url!r}, token="t", transport="httpx2") as client:
    assert not (libraries | {{"httpx2"}}) & {{*sys.modules}}
    try:
        client.get("00000000-0000-4000-8000-000000000001")
    except NotFoundError:
        print(*libraries & {{*sys.modules}}, "httpx2" in sys.modules)
"""

    said = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )

    assert said.stdout.strip() == "True"
