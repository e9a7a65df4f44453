"""A blocking client in a notebook's kernel, and inside other event loops."""

from __future__ import annotations

import asyncio
import shutil
import tempfile
import warnings
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import trio
from jupyter_client.manager import KernelManager

from _support.invoice_server import PATIENCE_S, InvoiceServer, uid
from billingual import Client

pytestmark = pytest.mark.slow  # processes, or waits that are the point


@pytest.fixture(scope="module")
def run_cell() -> Iterator[Callable[[str], str]]:
    """Return a function that executes a cell in a real kernel and returns all it shows."""
    # Not by TCP: ports are chosen before the kernel binds them, and another process may be first.
    # A socket's path may have 107 bytes, and that of a test's folder can be longer.
    place = tempfile.mkdtemp(prefix="kernel-")
    manager = KernelManager(
        kernel_name="python3",
        transport="ipc",
        ip=f"{place}/socket",
        connection_file=f"{place}/kernel.json",
    )
    manager.start_kernel()
    kernel = manager.client()
    kernel.start_channels()

    def run(code: str) -> str:
        shown: list[str] = []

        def note(message: dict[str, Any]) -> None:
            content = message["content"]
            if message["msg_type"] == "stream":
                shown.append(content["text"])
            elif message["msg_type"] == "execute_result":
                shown.append(content["data"].get("text/html", content["data"]["text/plain"]))
            elif message["msg_type"] == "error":
                shown.append("\n".join(content["traceback"]))

        reply = kernel.execute_interactive(code, output_hook=note, timeout=PATIENCE_S)
        assert reply["content"]["status"] == "ok", "".join(shown)
        return "".join(shown)

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)  # of the kernel's manager
        try:
            kernel.wait_for_ready(timeout=2 * PATIENCE_S)
            yield run
        finally:
            kernel.stop_channels()
            manager.shutdown_kernel(now=True)
            shutil.rmtree(place)


def test_a_cell_uses_a_client_over_the_sandbox(run_cell: Callable[[str], str]) -> None:
    """No await, no nested loop, no warning."""
    shown = run_cell("""
from billingual import Client
with Client("exante", transport="sandbox") as invoices:
    row = invoices.list().first()
    print(invoices.get(row.id).id == row.id)
""")

    assert shown == "True\n"


def test_the_last_value_of_a_cell_is_shown_as_a_table(run_cell: Callable[[str], str]) -> None:
    """Of a blocking client, and of one that is awaited at the top level."""
    blocking = run_cell("""
from billingual import AsyncClient, Client
with Client("exante", transport="sandbox") as invoices:
    rows = invoices.list().collect(limit=2)
rows
""")
    awaited = run_cell("""
async with AsyncClient("exante", transport="sandbox") as invoices:
    one = await invoices.get(rows[0].id)
one
""")

    assert blocking.count("<tr>") == 3
    assert awaited.startswith("<table")


def test_a_cell_uses_a_client_over_the_network(
    run_cell: Callable[[str], str], server: InvoiceServer
) -> None:
    """Likewise with the default transport, and by await with the async client."""
    shown = run_cell(f"""
from billingual import AsyncClient, Client
for backend in ("blocking", "portal"):
    with Client("exante", base_url={server.url!r}, token="t", backend=backend) as invoices:
        print(invoices.get({uid(7)!r}).number)
async with AsyncClient("exante", base_url={server.url!r}, token="t") as invoices:
    print((await invoices.get({uid(8)!r})).number)
""")

    assert shown.split() == [uid(7), uid(7), uid(8)]


def in_asyncio(work: Callable[[], None]) -> None:
    """Call *work* while asyncio runs."""

    async def main() -> None:
        work()

    asyncio.run(main())


def in_trio(work: Callable[[], None]) -> None:
    """Call *work* while trio runs."""

    async def main() -> None:
        work()

    trio.run(main)


@pytest.mark.parametrize("backend", ["blocking", "portal"])
@pytest.mark.parametrize("inside", [in_asyncio, in_trio], ids=["asyncio", "trio"])
def test_a_blocking_client_inside_a_loop_warns_once(
    server: InvoiceServer, inside: Callable[[Callable[[], None]], None], backend: str
) -> None:
    """The warning names AsyncClient and points at the caller's line; each client gives one."""
    numbers: list[str | None] = []

    def work() -> None:
        for _ in range(2):
            with Client("exante", base_url=server.url, token="t", backend=backend) as client:
                numbers.extend(client.get(uid(n)).number for n in (1, 2))

    with pytest.warns(RuntimeWarning, match="use AsyncClient") as seen:
        inside(work)

    assert [uid(1), uid(2)] * 2 == numbers
    assert [__file__] * 2 == [each.filename for each in seen]


@pytest.mark.parametrize("inside", [in_asyncio, in_trio], ids=["asyncio", "trio"])
def test_a_walk_that_ends_inside_a_loop_says_nothing(
    server: InvoiceServer, inside: Callable[[Callable[[], None]], None]
) -> None:
    """Python may drop a walk anywhere, and who runs a loop there has not made the call."""
    with Client("exante", base_url=server.url, token="t") as client:
        walk = client.list().pages()
        next(walk)
        inside(walk.close)

    server.wait_for_open(0)


def test_a_strict_program_is_refused_a_blocking_client_inside_a_loop(
    server: InvoiceServer,
) -> None:
    """Where warnings are errors nothing is sent, and no coroutine is left behind."""
    with Client("exante", base_url=server.url, token="t") as client:

        def work() -> None:
            client.get(uid(1))

        with pytest.raises(RuntimeWarning, match="use AsyncClient"):
            in_asyncio(work)

    assert server.requests == []


def test_a_blocking_client_outside_any_loop_says_nothing(server: InvoiceServer) -> None:
    """Warnings are errors here: one would fail this test."""
    with Client("exante", base_url=server.url, token="t") as client:
        number = client.get(uid(1)).number

    assert uid(1) == number
