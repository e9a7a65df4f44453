"""A refusal whose body is too large is still the refusal that its head says, with its fields."""

from __future__ import annotations

import asyncio
import contextlib
from typing import Any, Final

import pytest

from _support.wires.rough_server import RoughServer
from billingual import AsyncClient, Client, Draft, errors

UID: Final = "550e8400-e29b-41d4-a716-446655440000"
DRAFT: Final = Draft(number="N-1", counterparty=UID, owner=UID, document=UID)
TOKEN: Final = "ex_live_0123"
TOO_LARGE: Final = (
    b"Retry-After: 7\r\nX-Request-Id: req-ex_live_0123-1\r\nContent-Length: 17000000\r\n\r\n"
    + b"x" * 17_000_000
)
EVERY_REFUSAL: Final = pytest.mark.parametrize(
    ("status", "kind"),
    [
        (401, errors.AuthenticationError),
        (422, errors.InvalidRequestError),
        (429, errors.RateLimitedError),
    ],
    ids=["401", "422", "429"],
)


def refusing(status: int) -> RoughServer:
    """Answer each request with a refusal whose page is longer than any response may be."""

    def talk(server: RoughServer, connection: Any) -> None:
        server.request(connection)
        with contextlib.suppress(OSError):  # The client does not wait for the end.
            connection.sendall(b"HTTP/1.1 %d Refused\r\n" % status + TOO_LARGE)

    return RoughServer(talk)


@EVERY_REFUSAL
@pytest.mark.parametrize("transport", ["httpx", "httpx2", "urllib3", "h11"])
def test_a_client_that_blocks_keeps_the_refusal(
    transport: str, status: int, kind: type[errors.ProviderError]
) -> None:
    """A create that was refused did nothing, so nothing about it is unclear."""
    with (
        refusing(status) as server,
        Client(
            "exante", token=TOKEN, base_url=server.url, transport=transport, retry="none"
        ) as client,
    ):
        for call in (lambda: client.get(UID), lambda: client.create(DRAFT)):
            with pytest.raises(kind) as caught:
                call()

            assert (status, False) == (caught.value.status, caught.value.maybe_applied)
            assert "req-***-1" == caught.value.request_id
            assert "7" == caught.value.exchange.headers.get("retry-after")


@EVERY_REFUSAL
@pytest.mark.parametrize("transport", ["httpx", "httpx2", "aiohttp", "h11"])
def test_a_client_that_is_awaited_keeps_the_refusal(
    transport: str, status: int, kind: type[errors.ProviderError]
) -> None:
    """The same holds on an event loop."""

    async def create(url: str) -> None:
        async with AsyncClient(
            "exante", token=TOKEN, base_url=url, transport=transport, retry="none"
        ) as client:
            await client.create(DRAFT)

    with refusing(status) as server, pytest.raises(kind) as caught:
        asyncio.run(create(server.url))
    assert (status, False) == (caught.value.status, caught.value.maybe_applied)
    assert "req-***-1" == caught.value.request_id
    assert "7" == caught.value.exchange.headers.get("retry-after")


@pytest.mark.parametrize("status", [201, 307, 500])
def test_what_is_no_refusal_stays_unclear(status: int) -> None:
    """A success, a redirect and a failure of the server leave open what became of a create."""
    with (
        refusing(status) as server,
        Client("exante", token=TOKEN, base_url=server.url, retry="none") as client,
        pytest.raises(errors.OutcomeUnknown) as caught,
    ):
        client.create(DRAFT)
    assert ("applied" if status == 201 else "unclear") == caught.value.likely
