"""The transport httpx2: the adapter of httpx over the library that continues it.

It is chosen by name and never taken silently in the place of httpx. Whom it trusts is the same:
the library's own choice, the operating system's roots, is not used.
"""

from __future__ import annotations

from importlib.util import find_spec
from typing import Final

from billingual.transports._httpx_adapter import FamilyTransport
from billingual.transports._httpx_family import Family

__all__ = ["Httpx2Transport"]

# It is imported with the first request; that it is missing is said when a client is made.
for _name in ("httpx2", "httpcore2"):
    if find_spec(_name) is None:
        raise ModuleNotFoundError(f"No module named {_name!r}", name=_name)


class Httpx2Transport(FamilyTransport):
    """Send through lanes of one connection each; safe to share between tasks and threads.

    Under a backend that blocks, blocking sockets are used behind the same seam. Nothing
    is connected, and no TLS is set up, before the first request.
    """

    library: Final = "httpx2"
    family = Family("httpx2", "httpcore2", "httpx2[socks]")
