"""localstripe in a process of its own, and a customer in it."""

from __future__ import annotations

import socket
import subprocess
import sys
from collections.abc import Iterator

import pytest

from client_faces import Face
from key_keeper import Keeper, keeping_keys
from localstripe_shop import Shop


@pytest.fixture(scope="session")
def localstripe() -> Iterator[Shop]:
    """Run localstripe; it says when it is up."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-u", "-m", "localstripe", "--port", str(port), "--from-scratch"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    try:
        assert process.stdout is not None
        assert any(b"Running on" in line for line in process.stdout), "localstripe did not start"
        shop = Shop(port)
        product = {"product[name]": "a plan"}
        shop.post("plans", id="plan", currency="eur", interval="month", amount=1000, **product)
        yield shop
    finally:
        process.terminate()
        process.wait()
        if process.stdout is not None:
            process.stdout.close()


@pytest.fixture
def shop(localstripe: Shop) -> Shop:
    """Have an account with a customer of this test's own."""
    return localstripe.with_a_customer()


@pytest.fixture
def keeper(shop: Shop) -> Iterator[Keeper]:
    """Put a proxy that keeps keys in front of the server."""
    with keeping_keys(shop.port) as keeper:
        yield keeper


@pytest.fixture(params=["async", "blocking"])
def face(request: pytest.FixtureRequest) -> Face:
    """Run a test over both faces."""
    return Face(request.param)
