"""A link: one kind of transport, a way to wait for it, and what tests of it are made from."""

from __future__ import annotations

import gzip
import itertools
import ssl
import traceback
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import attrs
import trustme

from billingual.abc import Transport, TransportOptions
from billingual.outcomes import Evidence, Safety
from billingual.testing.conformance.server import chunked, with_length
from billingual.wire import Bounds, Deadline, Headers, Timeouts, WireRequest, WireResponse

__all__ = [
    "BODY",
    "CANARY",
    "GZIP",
    "GZIPPED",
    "NOTHING",
    "SENT",
    "Link",
    "a_request",
    "bounds",
    "chunked",
    "contexts",
    "everything_held_by",
    "ticking",
    "turn",
    "with_length",
]

SENT = Evidence(connected=True, request_complete=True, response_begun=False)
NOTHING = Evidence(connected=False, request_complete=False, response_begun=False)
CANARY = "canary-0dd5ee"
BODY = b'{"status": "success", "data": "' + b"ab" * 700 + b'"}'
GZIPPED = gzip.compress(BODY, mtime=0)
GZIP = b"Content-Encoding: gzip"


@attrs.define
class Link:
    """A way to make one kind of transport and to wait for it.

    Attributes:
        make: makes a transport.
        backend: what its options name.
        run: waits for a coroutine; always on the same event loop, if there is one.
    """

    make: Callable[[TransportOptions], Transport]
    backend: Any
    run: Callable[[Coroutine[Any, Any, Any]], Any]
    _made: list[Transport] = attrs.field(factory=list)

    def transport(self, **options: Any) -> Transport:
        """Make a transport, which is closed at the end of the test."""
        self._made.append(self.make(TransportOptions(backend=self.backend, **options)))
        return self._made[-1]

    def send(self, request: WireRequest, within: Bounds, **options: Any) -> WireResponse:
        """Send through the one transport of the test, or the first of these options."""
        transport = self._made[0] if self._made else self.transport(**options)
        response: WireResponse = self.run(transport.send(request, within))
        return response

    def close(self) -> None:
        """Close all that were made, twice."""
        for each in [*self._made, *self._made]:
            self.run(each.aclose())


def bounds(**changes: Any) -> Bounds:
    """Make bounds that do not matter, but for *changes*."""
    settings: dict[str, Any] = {
        "timeouts": Timeouts.each(10),
        "deadline": Deadline(100.0, lambda: 0.0),
    }
    return Bounds(**{**settings, **changes})


def a_request(
    base: str,
    path: str = "/x",
    *,
    method: str = "GET",
    body: bytes | None = None,
    headers: tuple[tuple[str, str], ...] = (),
) -> WireRequest:
    """Make a request."""
    return WireRequest(
        method=method, url=f"{base}{path}", route="/x", safety=Safety.IDEMPOTENT,
        headers=Headers(headers), body=body,
    )  # fmt: skip


def ticking() -> Callable[[], float]:
    """Make a clock that goes on by a second at each look."""
    return itertools.count().__next__


def contexts(
    authority: trustme.CA, *names: str, **options: Any
) -> tuple[ssl.SSLContext, ssl.SSLContext]:
    """Make a server's context, and one that trusts its authority alone."""
    theirs = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert(*names, **options).configure_cert(theirs)
    ours = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    authority.configure_trust(ours)
    return theirs, ours


def everything_held_by(error: BaseException | None) -> str:
    """Write down an error, all behind it, and the variables of all frames but the tests' own."""
    texts = []
    while error is not None:
        frames = [
            (frame, line)
            for frame, line in traceback.walk_tb(error.__traceback__)
            if not frame.f_code.co_filename.startswith(str(Path(__file__).parents[2]))
        ]
        stack = traceback.StackSummary.extract(iter(frames), capture_locals=True)
        texts += [str(error), repr(error), repr(vars(error)), *stack.format()]
        error = error.__cause__ or error.__context__
    return "\n".join(texts)


async def turn() -> None:
    """Let an event loop turn."""
