"""Play a tape back: every response comes from it, and nothing is sent anywhere.

A request is matched by method, path, parameters, tenant and body, whatever their order. One that
was asked several times is answered in the order of the tape, failures included, so that a retry
meets what it met. Nothing is made up: a request that is not on the tape is an error that names
the nearest that is.
"""

from __future__ import annotations

import os
import warnings
from collections import deque
from typing import Final

from billingual.abc import Account, TransportFactory, TransportOptions
from billingual.errors import ConfigurationError
from billingual.testing.recording.cassette import Cassette, TapedExchange, TapedRequest
from billingual.testing.recording.matching import Likeness, differences, likeness, nearest
from billingual.testing.recording.redaction import Redactor, is_tenant
from billingual.transports._body import BodyReader
from billingual.wire import Bounds, WireRequest, WireResponse

__all__ = ["ReplayTransport", "replay"]


class ReplayTransport:
    """Answer each request from the tape at *path*; safe for tasks and threads.

    Any token and any tenant will do: the tape knows none.

    Args:
        path: a tape that :class:`~billingual.testing.recording.record.RecordTransport` wrote.
        partly: whether a program may leave a part of the tape unplayed. By default it is warned
            of that when the transport is closed.

    Raises:
        ConfigurationError: if there is no such tape, or it cannot be read.
    """

    supports: Final = frozenset({"async", "sync"})

    def __init__(self, path: str | os.PathLike[str], *, partly: bool = False) -> None:
        self._cassette = Cassette.load(path)
        self._partly = partly
        self.redactor: Redactor = Redactor()
        self._left: dict[Likeness, deque[int]] = {}
        for place, exchange in enumerate(self._cassette.exchanges):
            self._left.setdefault(likeness(exchange.request), deque()).append(place)

    @property
    def exchanges(self) -> list[TapedExchange]:
        """What is on the tape, played or not."""
        return self._cassette.exchanges

    @property
    def unused(self) -> tuple[str, ...]:
        """The exchanges that were not asked for yet, in the order of the tape."""
        places = sorted(place for left in self._left.values() for place in left)
        return tuple(self._named(place) for place in places)

    async def send(self, request: WireRequest, bounds: Bounds) -> WireResponse:
        """Give the next response of the tape to *request*, or raise the failure.

        Raises:
            ConfigurationError: if the tape has none; nothing was sent.
        """
        response = self.play(request, bounds)
        if response is None:
            raise self._unmatched(TapedRequest.of(request, self.redactor))
        return response

    def play(self, request: WireRequest, bounds: Bounds) -> WireResponse | None:
        """Give the next response of the tape to *request*, raise the failure, or return None."""
        asked = TapedRequest.of(request, self.redactor)
        try:
            place = self._left[likeness(asked)].popleft()
        except (KeyError, IndexError):
            return None
        return self._revived(self.exchanges[place], bounds)

    async def aclose(self) -> None:
        """Warn of what was not played, once; there is nothing else to give up."""
        unused = self.unused
        if unused and not self._partly:
            self._partly = True
            warnings.warn(
                f"{len(unused)} of {len(self._cassette.exchanges)} exchanges of the tape "
                f"{str(self._cassette.path)!r} were not played: {', '.join(unused[:5])}"
                f"{' ...' if len(unused) > 5 else ''}; record it again, or say partly=True.",
                UserWarning,
                stacklevel=2,
            )

    def account(self, provider: str) -> Account | None:
        """Return an address that leads nowhere, so that neither token nor tenant is needed."""
        tenants = (
            value
            for exchange in self._cassette.exchanges
            for name, value in exchange.request.headers
            if is_tenant(name)
        )
        return Account(base_url=f"http://{provider}.replay.localhost", tenant=next(tenants, None))

    def _revived(self, exchange: TapedExchange, bounds: Bounds) -> WireResponse:
        if exchange.response is None:
            assert exchange.failure is not None  # noqa: S101 - an exchange has one of the two
            raise exchange.failure.revived()
        taped = exchange.response
        wire = WireResponse(status=taped.status, headers=taped.headers, body=taped.body)
        reader = BodyReader(None, bounds)
        reader.feed(self.redactor.revived(wire))
        return WireResponse(status=taped.status, headers=taped.headers, body=reader.finish())

    def _unmatched(self, asked: TapedRequest) -> ConfigurationError:
        taped = [each.request for each in self._cassette.exchanges]
        same = [each for each in taped if likeness(each) == likeness(asked)]
        what = f"{asked.method} {asked.url}"
        tape = f"the tape {str(self._cassette.path)!r}"
        if same:
            return ConfigurationError(
                f"{what} is on {tape} {_times(len(same))}, and was asked once more; record the "
                "tape again. Nothing was sent."
            )
        place = nearest(asked, taped)
        if place is None:
            return ConfigurationError(
                f"{tape} is empty, so {what} has no response; record it again."
            )
        return ConfigurationError(
            f"{tape} has no response to {what}. The nearest is its exchange "
            f"{self._named(place)}; the differences: {differences(asked, taped[place])}. "
            "Ask as it was recorded, or record the tape again. Nothing was sent."
        )

    def _named(self, place: int) -> str:
        request = self._cassette.exchanges[place].request
        return f"{place + 1} ({request.method} {request.url})"


def _times(count: int) -> str:
    return "once" if count == 1 else f"{count} times"


def replay(path: str | os.PathLike[str], *, partly: bool = False) -> TransportFactory:
    """Return a factory of a transport that plays a tape; a client made with it closes it.

    Args:
        path: a tape that was recorded before.
        partly: see :class:`ReplayTransport`.
    """

    def make(options: TransportOptions) -> ReplayTransport:  # noqa: ARG001 - a factory's signature
        return ReplayTransport(path, partly=partly)

    return make
