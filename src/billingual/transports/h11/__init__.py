"""The transport ``h11``: HTTP/1.1 over plain sockets, with a parser and nothing else between.

It costs the least CPU of all transports, because no client library is between a call and its
socket; httptools parses. It works with asyncio, uvloop, trio and blocking threads. Tools that mock
or instrument an HTTP client library cannot see it; use the transport of that library for them.

How it is built, from the top down; a module knows only those after it:

- ``transport``: takes a connection from the pool, uses it for one request, and puts it back.
- ``connection``: one connection. It connects, sends, receives, and knows how far a request got.
- ``http1``: HTTP/1.1 without I/O: requests become bytes, received bytes become a response.
- ``proxy``, ``tunnel``: where a proxy is, and the way through it, also without I/O.
- ``tls``: TLS over any stream, with the standard library's in-memory TLS.
- ``asyncio``, ``trio``, ``sockets``: the three kinds of byte streams, as ``stream`` describes them.
"""

from __future__ import annotations
