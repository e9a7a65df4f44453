"""Ways to send one request and receive its response; chosen by name at run time.

For transports of your own: :class:`BodyReader` reads a response's body within all bounds,
:class:`Pool` hands out connections, also after a fork and on a second event loop, :func:`checked`
refuses what cannot be written as HTTP, and :func:`default_context` is the TLS context that all
transports share. :func:`make_inner` makes the one inside yours. :func:`sandboxed` is the transport
to a sandbox that a program keeps.
"""

from __future__ import annotations

from billingual._lazy import attach

TYPE_CHECKING = False
if TYPE_CHECKING:
    from billingual.transports._body import BodyReader
    from billingual.transports._failures import NOTHING, SENT, UNSENT
    from billingual.transports._inner import InnerTransport, TransportLike, make_inner
    from billingual.transports._pool import Connection, Pool
    from billingual.transports._request import Address, checked
    from billingual.transports.sandbox import sandboxed
    from billingual.transports.tls import default_context

__all__ = [
    "NOTHING",
    "SENT",
    "UNSENT",
    "Address",
    "BodyReader",
    "Connection",
    "InnerTransport",
    "Pool",
    "TransportLike",
    "checked",
    "default_context",
    "make_inner",
    "sandboxed",
]

if not TYPE_CHECKING:  # To a type checker, __getattr__ would mean that every name exists.
    __getattr__, __dir__ = attach(
        __name__,
        {
            "_request": "Address checked",
            "_body": "BodyReader",
            "_failures": "NOTHING SENT UNSENT",
            "_inner": "InnerTransport TransportLike make_inner",
            "_pool": "Connection Pool",
            "sandbox": "sandboxed",
            "tls": "default_context",
        },
    )
