"""A server that drips cannot hold a call past its deadline."""

from __future__ import annotations

import asyncio
from typing import Any

import anyio
import pytest

from _support.invoice_server import InvoiceServer, uid
from billingual import AsyncClient, Client, Timeouts, errors
from billingual.outcomes import Evidence

pytestmark = pytest.mark.slow  # processes, or waits that are the point


# A blocking client of httpx cannot end a head that drips: its transport declares that as a limit.
DRIPS = [
    (transport, backend, part)
    for transport in ("h11", "httpx")
    for backend in ("asyncio", "trio", "blocking", "portal")
    for part in ("head", "body")
    if (transport, backend, part) != ("httpx", "blocking", "head")
]


@pytest.mark.sampled(2)
@pytest.mark.parametrize(("transport", "backend", "part"), DRIPS)
def test_a_dripping_server_holds_no_call(
    server: InvoiceServer, transport: str, backend: str, part: str
) -> None:
    """The response never ends and each wait is short; TimedOutError still comes, with the truth."""
    server.drip(part)
    # httpx tells of a head that is whole, and of no byte before.
    begun = None if (transport, part) == ("httpx", "head") else True
    truth = Evidence(connected=True, request_complete=True, response_begun=begun)

    def failure(deadline_s: float) -> errors.TimedOutError:
        options: dict[str, Any] = {
            "base_url": server.url, "token": "t", "deadline": deadline_s, "timeout": 300.0,
            "retry": "none", "transport": transport,
        }  # fmt: skip

        async def awaited() -> None:
            async with AsyncClient("exante", **options) as client:
                await client.get(uid(1))

        def blocked() -> None:
            with Client("exante", backend=backend, **options) as client:
                client.get(uid(1))

        with pytest.raises(errors.TimedOutError) as caught:
            anyio.run(awaited, backend=backend) if backend in {"asyncio", "trio"} else blocked()
        return caught.value

    # On a busy machine the first byte may come after a short deadline, as the evidence then says.
    failures = (failure(deadline_s) for deadline_s in (0.6, 6.0, 60.0))
    error = next((each for each in failures if each.evidence == truth), None)
    assert error is not None
    assert [each.error for each in error.attempts] == ["TimedOutError"]
    server.wait_for_open(0)


HUGE = pytest.mark.parametrize(
    "seconds", [1e10, 10**12, 1e308, 10**5000], ids=["1e10", "10**12", "1e308", "10**5000"]
)


@HUGE
@pytest.mark.parametrize("transport", ["httpx", "httpx2", "urllib3", "h11"])
def test_a_wait_of_centuries_is_cut_to_what_sockets_can_wait(transport: str, seconds: Any) -> None:
    """Some programs give a very large number for no limit, which a socket refuses."""
    with InvoiceServer() as server:
        for timeout in (seconds, Timeouts(connect=seconds, read=seconds)):
            options: Any = {"timeout": timeout, "deadline": seconds, "transport": transport}
            with Client("exante", token="t", base_url=server.url, **options) as client:
                assert uid(1) == client.get(uid(1)).id


@HUGE
@pytest.mark.parametrize("transport", ["httpx", "httpx2", "aiohttp", "h11"])
def test_a_loop_waits_as_long(transport: str, seconds: Any) -> None:
    """The same holds where an event loop waits."""

    async def read(url: str) -> str:
        options: Any = {"timeout": seconds, "deadline": seconds, "transport": transport}
        async with AsyncClient("exante", token="t", base_url=url, **options) as client:
            return (await client.get(uid(1))).id

    with InvoiceServer() as server:
        assert uid(1) == asyncio.run(read(server.url))
