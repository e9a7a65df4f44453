"""The default transport: httpx.

It uses what httpx is built on, httpcore's network layer and h11, and for proxies its transport; its
client never: no redirects, no cookies, no environment, no retries, and no log lines with full URLs.
Nothing of httpx leaves this package, its exceptions included; what is not needed is not imported.

Whoever puts something in the place of httpx's own sending, a mock in a test or an instrumentation,
is asked all the same. What waits for the import of httpx, to do so then, waits in vain in a program
that does not import it: nothing here needs it.
"""

from __future__ import annotations

from typing import Final

from billingual.transports._httpx_adapter import FamilyTransport
from billingual.transports._httpx_family import Family

__all__ = ["HttpxTransport"]


class HttpxTransport(FamilyTransport):
    """Send through lanes of one connection each; safe to share between tasks and threads.

    Under a backend that blocks, blocking sockets are used behind the same seam. Nothing
    is connected, and no TLS is set up, before the first request.
    """

    library: Final = "httpx"
    family = Family("httpx", "httpcore", "httpx[socks]")


_translated = HttpxTransport.family.translated
