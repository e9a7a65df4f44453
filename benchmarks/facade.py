"""What does the blocking face cost on top of the async core?

``python benchmarks/facade.py``: first over a transport that does nothing, where stepping can be
seen by itself; then over loopback beside raw httpx.Client, raw httpx.AsyncClient in one loop, and
the same client behind an event loop in another thread (``driver="portal"``). CPU time of this
process per call, the server in a process of its own, rounds interleaved.
"""

from __future__ import annotations

import asyncio

import httpx
from _measuring import canned_server, cpu_us, sample_invoice, show

from billingual import Client, MemoryTransport, WireResponse
from billingual.drivers.blocking import SteppingDriver

ROUNDS = 7


def no_op(uid: str, body: bytes) -> None:
    """Show what stepping costs where nothing else happens."""
    # An answer of its own for each call: one that is shared would be parsed only once.
    transport = MemoryTransport(lambda _: WireResponse(status=200, body=body))
    client = Client("exante", transport=transport)
    core = client._core  # noqa: SLF001 - the core is what the face is compared with
    driver = SteppingDriver()

    def bare() -> object:
        try:
            core.get(uid).send(None)
        except StopIteration as done:
            return done.value
        raise AssertionError

    async def nothing() -> None:
        pass

    seen: dict[str, list[float]] = {
        "the core, stepped by hand": [],
        "Client": [],
        "an empty run": [],
    }
    for _ in range(ROUNDS):
        seen["the core, stepped by hand"].append(cpu_us(bare, 2000))
        seen["Client"].append(cpu_us(lambda: client.get(uid), 2000))
        seen["an empty run"].append(cpu_us(lambda: driver.run(nothing()), 20000))
    rows = show(
        "a get over a transport that does nothing",
        "facade_no_op",
        seen,
        beside="the core, stepped by hand",
    )
    print(f"driver overhead: {rows['an empty run']['cpu_us']:.2f} us a call\n")


def loopback(uid: str, body: bytes) -> None:
    """Show what a whole call costs."""
    headers = {"Authorization": "Bearer t"}
    names = ("raw httpx.Client + json", "billingual.Client", "raw httpx.AsyncClient", "portal")
    seen: dict[str, list[float]] = {name: [] for name in names}
    with (
        canned_server(body) as base,
        httpx.Client() as raw,
        Client("exante", token="t", base_url=base) as ours,  # noqa: S106 - a canned server
        Client("exante", token="t", base_url=base, driver="portal") as portal,  # noqa: S106
        asyncio.Runner() as runner,
    ):
        awaited = httpx.AsyncClient()
        url = f"{base}/api/invoices/{uid}"
        for _ in range(ROUNDS):
            seen[names[0]].append(cpu_us(lambda: raw.get(url, headers=headers).json(), 400))
            seen[names[1]].append(cpu_us(lambda: ours.get(uid), 400))
            seen[names[2]].append(
                cpu_us(lambda: runner.run(awaited.get(url, headers=headers)).json(), 400)
            )
            seen[names[3]].append(cpu_us(lambda: portal.get(uid), 400))
        runner.run(awaited.aclose())
    show("a get over loopback", "facade_loopback", seen, beside=names[0])


def main() -> None:
    """Measure and show."""
    uid, body = sample_invoice()
    no_op(uid, body)
    loopback(uid, body)


if __name__ == "__main__":
    main()
