"""Programs that run in a process of their own, and a server for them."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator

import attrs
import pytest

from _support.command import line_of
from _support.invoice_server import PATIENCE_S, InvoiceServer

PREAMBLE = """
import asyncio, gc, json, os, signal, sys, threading
from billingual import AsyncClient, Client
URL, TRANSPORT = sys.argv[1:]
def uid(number):
    return f"00000000-0000-4000-8000-{number:012x}"
def wait():
    sys.stdin.readline()
def client(transport=TRANSPORT, **options):
    return Client("exante", base_url=URL, token="t", retry="none", transport=transport, **options)
def async_client(transport=TRANSPORT, **options):
    options = {"token": "t", "retry": "none", "transport": transport, **options}
    return AsyncClient("exante", base_url=URL, **options)
def crossed(client, numbers):
    return sum(client.get(uid(n)).number != uid(n) for n in numbers)
async def async_crossed(client, numbers):
    return sum([(await client.get(uid(n))).number != uid(n) for n in numbers])
"""


@attrs.frozen
class Ended:
    """How a program ended."""

    code: int
    out: str
    noise: str


@attrs.define
class Program:
    """A program that runs."""

    process: subprocess.Popen[str]

    def line(self) -> str:
        """Wait for a line that it prints."""
        return line_of(self.process)

    def go_on(self) -> None:
        """End its ``wait()``."""
        assert self.process.stdin is not None
        self.process.stdin.write("\n")
        self.process.stdin.flush()

    def interrupt(self) -> None:
        """Press Ctrl-C."""
        self.process.send_signal(signal.SIGINT)

    def terminate(self) -> None:
        """Ask it to end."""
        self.process.terminate()

    def end(self) -> Ended:
        """Wait for its end."""
        out, noise = self.process.communicate(timeout=PATIENCE_S)
        return Ended(self.process.returncode, out.strip(), noise.strip())


@pytest.fixture
def server() -> Iterator[InvoiceServer]:
    """Run a server for one test."""
    with InvoiceServer() as running:
        yield running


@pytest.fixture
def transport() -> str:
    """Return the transport of the programs' clients; a module may name others."""
    return "httpx"


@pytest.fixture
def start(server: InvoiceServer, transport: str) -> Iterator[Callable[..., Program]]:
    """Return a function that starts a program, every warning of Python's shown."""
    running: list[Program] = []

    def begin(text: str, *flags: str, before: str = "") -> Program:
        flags = flags or ("-W", "default")
        whole = f"{before}\n{PREAMBLE}\n{text}"
        process = subprocess.Popen(
            [sys.executable, *flags, "-c", whole, server.url, transport],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env={**os.environ, "PYTHONUNBUFFERED": "1"},
        )
        running.append(Program(process))
        return running[-1]

    yield begin
    for each in running:
        each.process.kill()
        each.process.communicate()


@pytest.fixture
def run(start: Callable[..., Program]) -> Callable[..., Ended]:
    """Return a function that runs a program to its end."""
    return lambda text, *flags: start(text, *flags).end()
