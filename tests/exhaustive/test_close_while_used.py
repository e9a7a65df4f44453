"""Every way to close a sandbox against every use of it by other threads: no process may crash."""

from __future__ import annotations

import os
import random
import subprocess
import sys
from typing import Any, Final

import pytest

pytestmark = pytest.mark.slow  # processes

PREAMBLE: Final = """
import asyncio, contextlib, sys, threading, time
from billingual import AsyncClient, Client
from billingual.sandbox import ACCOUNTS, create_app, running
def in_threads(work, count=6):
    def run():
        try:
            while True:
                work()
        except BaseException:
            pass
    threads = [threading.Thread(target=run, daemon=True) for _ in range(count)]
    for each in threads:
        each.start()
    time.sleep(0.15)
    return threads
"""

# What uses the sandbox when it ends, and leaves `client` and `close` behind.
USES: Final = {
    "threads": """
client = Client("exante", transport="sandbox")
in_threads(lambda: client.list().first())
close = client.close
""",
    "prefetch": """
client = Client("exante", transport="sandbox")
in_threads(lambda: client.list(prefetch=8).collect(limit=150), 3)
close = client.close
""",
    "siblings": """
client = Client("exante", transport="sandbox")
in_threads(lambda: client.with_options(deadline=5).list().first())
close = client.close
""",
    "portal": """
client = Client("exante", transport="sandbox", backend="portal")
in_threads(lambda: client.list().first())
close = client.close
""",
    "loops": """
def loop():
    async def main():
        async with AsyncClient("exante", transport="sandbox") as own:
            for _ in range(20):
                await own.list(prefetch=4).first()
    asyncio.run(main())
client = Client("exante", transport="sandbox")
in_threads(loop, 3)
close = client.close
""",
    "server": """
server = running(invoices=30)
served = server.__enter__()
client = Client("exante", base_url=served.base_url("exante"), token=ACCOUNTS["exante"].token)
in_threads(lambda: client.list().first())
def close():
    with contextlib.suppress(ValueError):  # one of two that close at once
        server.__exit__(None, None, None)
""",
}

ENDS: Final = {
    "closed": "close(); time.sleep(0.1)",
    "closed by two": "in_threads(close, 2); close(); time.sleep(0.1)",
    "dropped": "del client, close",
    "left open": "",
    "exit": "sys.exit(0)",
    "raised": "raise SystemExit(0)",
}


@pytest.mark.parametrize("use", USES)
def test_no_end_crashes_the_interpreter(use: str, proof: Any) -> None:
    """SQLite crashes the process if a connection is closed while a thread is inside it."""
    drawn = random.Random(f"{proof.seed} {use}").choice(sorted(ENDS))  # noqa: S311 - of a test
    for end in sorted(ENDS) * 20 if proof.full else [drawn]:
        done = subprocess.run(
            [sys.executable, "-c", f"{PREAMBLE}{USES[use]}\n{ENDS[end]}"],
            capture_output=True,
            text=True,
            check=False,
            timeout=120,
        )
        assert done.returncode == 0, (end, done.stderr[-2000:])


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@pytest.mark.parametrize("use", ["client.list().first()", "client.close()"])
def test_a_fork_in_the_middle_of_a_use_hangs_no_child(use: str) -> None:
    """The child inherits a lock as it is, and the thread that would release it is not there.

    The first call is over before: it imports modules, and a child that is forked off meanwhile
    waits for the lock of a module for ever, in any program of Python's.
    """
    script = f"""{PREAMBLE}
import os
client = Client("exante", transport="sandbox")
client.list().first()
in_threads(lambda: client.list().first())
children = []
for _ in range(5):
    child = os.fork()
    if child == 0:
        {use}
        os._exit(0)
    children.append(child)
for child in children:
    assert os.waitpid(child, 0)[1] == 0
"""
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", script],
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr[-2000:]
