"""What does the blocking face cost on top of the async core?

``python benchmarks/facade.py``: first over a transport that does nothing, where stepping can be
seen by itself; then over loopback beside raw httpx.Client, raw httpx.AsyncClient in one loop, and
the same client behind an event loop in another thread (``backend="portal"``). CPU time of this
process per call, the server in a process of its own, rounds interleaved.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import ExitStack

import httpx
from _answering import Answering
from _blocking_peers import RAW_BLOCKING, in_turn
from _measuring import Batch, Study, arguments, serving
from _payloads import single
from _peers import KEY, RAW, SIGNED, path_of

from billingual import Client
from billingual.backends.sync import SyncBackend

CORE = "the core, stepped by hand"


def no_op(study: Study, uid: str, body: bytes, *, rounds: int, calls: int) -> None:
    """Show what stepping costs where nothing else happens."""
    client = Client("exante", transport=Answering(body))
    core = client._core  # noqa: SLF001 - the core is what the face is compared with
    backend = SyncBackend()

    def bare() -> object:
        try:
            core.get(uid).send(None)
        except StopIteration as done:
            return done.value
        raise AssertionError

    async def nothing() -> None:
        pass

    empty = in_turn(lambda: backend.run(nothing()))
    sides: dict[str, Batch] = {
        CORE: in_turn(bare),
        "billingual.Client": in_turn(lambda: client.get(uid)),
        "an empty run": empty,
    }
    seen = study.take_turns(sides, rounds=rounds, calls=calls, warm=20, ours="")
    study.compare("a get over a transport that does nothing", seen, beside=CORE, gives={})


def loopback(study: Study, base: str, uid: str, *, rounds: int, calls: int) -> None:
    """Show what a whole call costs."""
    with ExitStack() as closing:
        runner = closing.enter_context(asyncio.Runner())
        raw = closing.enter_context(httpx.Client())
        awaited = httpx.AsyncClient()
        closing.callback(lambda: runner.run(awaited.aclose()))
        ours = closing.enter_context(Client("exante", token=KEY, base_url=base))
        portal = closing.enter_context(Client("exante", token=KEY, base_url=base, backend="portal"))
        url = base + path_of(uid)
        callers: dict[str, Callable[[], object]] = {
            RAW_BLOCKING: lambda: raw.get(url, headers=SIGNED).json(),
            "billingual.Client": lambda: ours.get(uid),
            RAW: lambda: runner.run(awaited.get(url, headers=SIGNED)).json(),
            "billingual.Client, backend=portal": lambda: portal.get(uid),
        }
        sides = {name: in_turn(call) for name, call in callers.items()}
        seen = study.take_turns(sides, rounds=rounds, calls=calls, warm=5, ours="billingual")
    study.compare("a get over loopback", seen, beside=RAW_BLOCKING, gives={})


def main() -> None:
    """Measure, show and keep."""
    options = arguments(__doc__, rounds=15)
    study = Study("facade", "What does the blocking face cost on top of the async core?")
    study.settings |= {"rounds": options.rounds}
    calls = 20 if options.quick else 200
    uid, body = single()
    no_op(study, uid, body, rounds=options.rounds, calls=5 * calls)
    with serving(body=body) as base:
        loopback(study, base, uid, rounds=options.rounds, calls=calls)
    study.close(quick=options.quick)


if __name__ == "__main__":
    main()
