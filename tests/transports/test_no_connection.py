"""Where no connection can be made, the error says why and what to look at."""

from __future__ import annotations

import socket

import httpx
import pytest

from _support.wires.rough_server import RoughServer
from billingual import Client, NotConnectedError
from billingual.outcomes import Safety
from billingual.transports.httpx import Exchange
from billingual.wire import Bounds, Deadline, Timeouts, WireRequest

ID = "550e8400-e29b-41d4-a716-446655440000"


def test_a_port_without_a_server_is_named() -> None:
    """The text names the address and says what to check; nothing was sent."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{taken.getsockname()[1]}"
        client = Client("exante", token="canary-0dd5ee", base_url=url, retry="none")
        with client, pytest.raises(NotConnectedError) as caught:
            client.get(ID)

    assert f"{url}: nothing listens there; check the host and port" in str(caught.value)
    assert caught.value.evidence.request_complete is False


@pytest.mark.parametrize("transport", ["h11", "httpx", "httpx2", "urllib3"])
def test_https_where_only_http_is_spoken_is_named(transport: str) -> None:
    """It said no more than that no connection could be made."""
    with RoughServer(
        lambda _, connection: connection.sendall(b"HTTP/1.1 400 No\r\n\r\n")
    ) as server:
        url = server.url.replace("http:", "https:")
        client = Client("exante", token="t", base_url=url, transport=transport, retry="none")
        with client, pytest.raises(NotConnectedError, match="does not speak TLS; check the port"):
            client.get(ID)


def test_a_name_of_no_host_is_named() -> None:
    """A wrong name reads otherwise than a closed port."""
    error = httpx.ConnectError("x")
    error.__cause__ = socket.gaierror(-2, "Name or service not known")

    request = WireRequest(
        method="GET", url="https://no-such.example/x", route="/x", safety=Safety.READ
    )
    limits = Bounds(timeouts=Timeouts(), deadline=Deadline(60, lambda: 0))

    failure = Exchange(httpx, request, limits).translated(error)

    assert isinstance(failure, NotConnectedError)
    assert "https://no-such.example: there is no host of that name" in str(failure)
