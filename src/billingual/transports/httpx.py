"""The default transport: httpx.

It uses the transport layer of httpx, not its client: no redirects, no cookies, no environment, no
retries, and no log lines with full URLs. Nothing of httpx leaves this package, its exceptions
included.
"""

from __future__ import annotations

from typing import Final

import httpcore
import httpx

from billingual.transports._httpx_adapter import FamilyTransport
from billingual.transports._httpx_family import Family

__all__ = ["HttpxTransport"]


class HttpxTransport(FamilyTransport):
    """Send through lanes of httpx's transport layer; safe to share between tasks and threads.

    Under a driver that blocks, the blocking half of httpx is used behind the same seam. Nothing
    is connected, and no TLS is set up, before the first request.
    """

    library: Final = "httpx"
    family = Family("httpx", httpx, httpcore, "httpx[socks]")


_translated = HttpxTransport.family.translated
