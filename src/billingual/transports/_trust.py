"""One default TLS context for all clients of the process, made when first needed.

Making one reads every root certificate, which costs as much as a hundred calls. Every transport
uses the same one, so changing the transport never changes whom a program trusts.
"""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import ssl

__all__ = ["default_context", "no_trust"]


@functools.cache
def default_context() -> ssl.SSLContext:
    """Return the shared context: hosts and certificates checked."""
    from billingual.tls import Tls  # noqa: PLC0415 - plain http never needs it

    return Tls().context()


@functools.cache
def no_trust() -> ssl.SSLContext:
    """Return a context without authorities, for connections without TLS: cheap and safe."""
    import ssl  # noqa: PLC0415 - plain http of h11 never needs it

    return ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
