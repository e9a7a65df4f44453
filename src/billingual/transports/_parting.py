"""Close a connection of an event loop from outside: nobody is there to await it.

The connection is idle. Its loop may run, in this thread or another, or may have ended; httpcore,
anyio and aiohttp can close only from inside, so what they wrap is taken hold of here, and where it
is not found nothing is done: Python then closes the socket, and says so.
"""

from __future__ import annotations

import os
from contextlib import suppress
from typing import Any

from billingual.abc import ExecutionScope

__all__ = ["end_transport", "part_with"]


def part_with(stream: Any, place: ExecutionScope) -> None:
    """Close *stream*, of httpcore's shape and connected in *place*, without waiting."""
    transport = getattr(getattr(stream, "_stream", None), "_transport", None)
    if transport is not None:
        end_transport(transport, place)
        return
    # trio: the loop looks at a socket only while somebody waits for it.
    detach = getattr(stream.get_extra_info("socket"), "detach", None)
    if detach is not None and (number := detach()) >= 0:
        os.close(number)


def end_transport(transport: Any, place: ExecutionScope) -> None:
    """Close a transport of asyncio's, connected in *place*, without waiting."""
    if place.call_soon(transport.close):
        return
    # What a closed loop would do, had it not forgotten.
    end = getattr(transport, "_call_connection_lost", None)
    if end is not None:
        with suppress(RuntimeError):  # TLS above it tells its reader through the loop
            end(None)
