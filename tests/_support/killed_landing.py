"""A program that lands a server's invoices, made to be killed at any instant and run again.

It is given the URL, the target, options of ``land`` in JSON, the client's backend (``blocking``,
``asyncio`` or ``trio``) and at which of its steps on files it kills itself (0 for at none). It says
on a line of its own when it begins, and at the end how many steps there were.
"""

from __future__ import annotations

import json
import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import anyio

from billingual import AsyncClient, Client
from billingual.sandbox import ACCOUNTS

_STEPS: Final = frozenset({"open", "os.rename", "os.remove", "os.mkdir", "os.truncate"})
"""Audit events of what changes files; ``os.fsync`` has none and is wrapped."""


class Steps:
    """The steps on files below a folder, and at which the process dies.

    Attributes:
        count: steps that were begun.
    """

    def __init__(self, below: Path, last: int) -> None:
        self._below = str(below)
        self._last = last
        self.count = 0

    def watch(self) -> None:
        """Count from now on."""
        sys.addaudithook(self._on_event)
        os.fsync = self._before(os.fsync)

    def _on_event(self, event: str, arguments: tuple[Any, ...]) -> None:
        # A file that is opened to be read changes nothing.
        if event in _STEPS and self._below in str(arguments[0]) and arguments[1:2] != ("rb",):
            self._step()

    def _before(self, call: Callable[[int], None]) -> Callable[[int], None]:
        def counted(handle: int) -> None:
            self._step()
            call(handle)

        return counted

    def _step(self) -> None:
        self.count += 1
        if self.count == self._last:
            os.kill(os.getpid(), signal.SIGKILL)


def say(what: object) -> None:
    """Say something at once: the program may be killed before it would say it."""
    sys.stdout.write(f"{what}\n")
    sys.stdout.flush()


def client_options(url: str) -> dict[str, Any]:
    """Return the options of the client."""
    return {"base_url": url, "token": ACCOUNTS["exante"].token, "transport": "h11"}


def main(url: str, target: str, options: str, backend: str, last: str) -> None:
    """Land once."""
    steps = Steps(Path(target), int(last))
    steps.watch()
    if backend == "blocking":
        with Client("exante", **client_options(url)) as client:
            say("landing")
            report = client.land(target, **json.loads(options))
    else:
        report = anyio.run(amain, url, target, json.loads(options), backend=backend)
    assert not report.incomplete, report
    say(steps.count)


async def amain(url: str, target: str, options: dict[str, Any]) -> Any:
    """Do the same on an event loop."""
    async with AsyncClient("exante", **client_options(url)) as client:
        say("landing")
        return await client.land(target, **options)


if __name__ == "__main__":
    main(*sys.argv[1:])
