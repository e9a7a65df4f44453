"""Transports that break one rule each, so that the suite can be seen to catch them."""

from __future__ import annotations

import asyncio
import logging
import os
import threading
from typing import Any, Final

import attrs
import httpx

from billingual.abc import Account, Transport, TransportOptions
from billingual.errors import (
    BillingualError,
    ConnectionLostError,
    NotConnectedError,
    PoolTimeoutError,
    ResponseTooLargeError,
    TimedOutError,
    TransportError,
)
from billingual.outcomes import Evidence
from billingual.transports._body import RESPONSE_BEGUN
from billingual.transports._pool import Pool
from billingual.transports.h11.transport import H11Transport
from billingual.wire import Bounds, WireRequest, WireResponse

__all__ = ["BROKEN"]

NOTHING: Final = Evidence(connected=False, request_complete=False, response_begun=False)


class Wrapped:
    """A transport around the good one; each heir spoils something."""

    def __init__(self, options: TransportOptions) -> None:
        self.options = options
        self.good: Transport = H11Transport(options)

    async def send(self, request: WireRequest, bounds: Bounds) -> WireResponse:
        return await self.good.send(request, bounds)

    async def aclose(self) -> None:
        await self.good.aclose()

    def account(self, provider: str) -> Account | None:
        return self.good.account(provider)


class FollowsRedirects(Wrapped):
    async def send(self, request: WireRequest, bounds: Bounds) -> WireResponse:
        response = await self.good.send(request, bounds)
        if response.status in {301, 302, 303, 307, 308}:
            to = response.headers.get("location") or request.url
            return await self.good.send(attrs.evolve(request, url=to), bounds)
        return response


class SwallowsTruncation(Wrapped):
    async def send(self, request: WireRequest, bounds: Bounds) -> WireResponse:
        try:
            return await self.good.send(request, bounds)
        except ConnectionLostError as error:
            if error.evidence.response_begun:
                return WireResponse(status=200, body=b"half")
            raise


class LiesInEvidence(Wrapped):
    async def send(self, request: WireRequest, bounds: Bounds) -> WireResponse:
        try:
            return await self.good.send(request, bounds)
        except ConnectionLostError as error:
            if error.evidence.response_begun:
                raise
            raise ConnectionLostError("lost", evidence=NOTHING) from None


class LeaksAnException(Wrapped):
    async def send(self, request: WireRequest, bounds: Bounds) -> WireResponse:
        try:
            return await self.good.send(request, bounds)
        except ResponseTooLargeError:
            raise httpx.DecodingError("too large") from None


class KeepsCookies(Wrapped):
    cookie: str | None = None

    async def send(self, request: WireRequest, bounds: Bounds) -> WireResponse:
        if self.cookie:
            headers = request.headers.merged([("Cookie", self.cookie)])
            request = attrs.evolve(request, headers=headers)
        response = await self.good.send(request, bounds)
        self.cookie = response.headers.get("set-cookie") or self.cookie
        return response


class CrossesAnswers(Wrapped):
    busy = 0
    last: WireResponse | None = None

    async def send(self, request: WireRequest, bounds: Bounds) -> WireResponse:
        self.busy += 1
        try:
            response = await self.good.send(request, bounds)
        finally:
            self.busy -= 1
        before, self.last = self.last, response
        return before if before is not None and self.busy > 2 else response


class TriesAgain(Wrapped):
    async def send(self, request: WireRequest, bounds: Bounds) -> WireResponse:
        try:
            return await self.good.send(request, bounds)
        except ConnectionLostError as error:
            if error.evidence.response_begun is not False or request.body:
                raise
            return await self.good.send(request, bounds)


class HasNoBounds(Wrapped):
    async def send(self, request: WireRequest, bounds: Bounds) -> WireResponse:
        endless = attrs.evolve(bounds, wire_bytes=2**40, body_bytes=2**40, ratio=2**40)
        return await self.good.send(request, endless)


class ReadsTheEnvironment(Wrapped):
    def __init__(self, options: TransportOptions) -> None:
        proxy = options.proxy or os.environ.get("HTTP_PROXY")
        super().__init__(attrs.evolve(options, proxy=proxy))


class QuotesCredentials(Wrapped):
    async def send(self, request: WireRequest, bounds: Bounds) -> WireResponse:
        try:
            return await self.good.send(request, bounds)
        except NotConnectedError as error:
            text = f"{error} ({request.headers.get('authorization')})"
            raise NotConnectedError(text, evidence=error.evidence) from None


class LogsCredentials(Wrapped):
    async def send(self, request: WireRequest, bounds: Bounds) -> WireResponse:
        logging.getLogger(__name__).debug("sending %s", list(request.headers))
        return await self.good.send(request, bounds)


class NeverCloses(Wrapped):
    async def aclose(self) -> None:
        """Do nothing."""


class LeavesTasks(Wrapped):
    async def send(self, request: WireRequest, bounds: Bounds) -> WireResponse:
        # Cancelled, it goes on alone.
        return await asyncio.shield(asyncio.ensure_future(self.good.send(request, bounds)))


class LeavesThreads(Wrapped):
    async def send(self, request: WireRequest, bounds: Bounds) -> WireResponse:
        threading.Thread(target=threading.Event().wait, args=[30], daemon=True).start()
        return await self.good.send(request, bounds)


class SaysItWasCut(Wrapped):
    async def send(self, request: WireRequest, bounds: Bounds) -> WireResponse:
        return attrs.evolve(await self.good.send(request, bounds), request_complete=False)


class ChecksNoHost(Wrapped):
    def __init__(self, options: TransportOptions) -> None:
        if options.tls is not None:
            options.tls.check_hostname = False
        super().__init__(options)


class TidiesTargets(Wrapped):
    async def send(self, request: WireRequest, bounds: Bounds) -> WireResponse:
        tidy = request.url.replace("%2F", "/").replace("%41", "A")
        return await self.good.send(attrs.evolve(request, url=tidy), bounds)


class ForgetsTheCancelled(Wrapped):
    lost = 0

    async def send(self, request: WireRequest, bounds: Bounds) -> WireResponse:
        if self.lost >= self.options.connections:
            raise PoolTimeoutError("no place is left", evidence=NOTHING)
        try:
            return await self.good.send(request, bounds)
        except BillingualError:
            raise
        except BaseException:
            self.lost += 1
            raise


class RefusesLargeHeads(Wrapped):
    async def send(self, request: WireRequest, bounds: Bounds) -> WireResponse:
        response = await self.good.send(request, bounds)
        if len(response.headers) > 100:
            raise ConnectionLostError("too many fields", evidence=RESPONSE_BEGUN)
        return response


class WaitsAfterMalformedHeads(Wrapped):
    async def send(self, request: WireRequest, bounds: Bounds) -> WireResponse:
        try:
            return await self.good.send(request, bounds)
        except ConnectionLostError as error:
            if "not HTTP" in str(error):
                raise TimedOutError("no body came", evidence=error.evidence) from None
            raise


class JudgesStatuses(Wrapped):
    async def send(self, request: WireRequest, bounds: Bounds) -> WireResponse:
        response = await self.good.send(request, bounds)
        if response.status == 429:
            raise TransportError("too many requests")
        return response


class RefusesOddCodings(Wrapped):
    async def send(self, request: WireRequest, bounds: Bounds) -> WireResponse:
        response = await self.good.send(request, bounds)
        if response.headers.get("content-encoding") == "UTF-8":
            raise ConnectionLostError("odd", evidence=RESPONSE_BEGUN)
        return response


class JudgesCodingsFirst(Wrapped):
    async def send(self, request: WireRequest, bounds: Bounds) -> WireResponse:
        response = await self.good.send(request, bounds)
        if response.headers.get("content-encoding") == "br" and response.status != 200:
            raise ConnectionLostError("not unpacked", evidence=RESPONSE_BEGUN)
        return response


class _Deaf(H11Transport):
    def _pool(self, *, secure: bool) -> Any:
        pool: Any = super()._pool(secure=secure)
        pool.give_back = lambda local, connection, _: Pool.give_back(pool, local, connection)
        return pool


class IgnoresKeepAlive(Wrapped):
    def __init__(self, options: TransportOptions) -> None:
        super().__init__(options)
        self.good = _Deaf(options)


class KeepsConnectionsForEver(Wrapped):
    def __init__(self, options: TransportOptions) -> None:
        super().__init__(attrs.evolve(options, keepalive_s=60.0))


class HasNoLimit(Wrapped):
    def __init__(self, options: TransportOptions) -> None:
        super().__init__(attrs.evolve(options, connections=max(options.connections, 50)))


class IgnoresTheDeadline(Wrapped):
    async def send(self, request: WireRequest, bounds: Bounds) -> WireResponse:
        late = attrs.evolve(bounds.deadline, at=bounds.deadline.at + 30.0)
        return await self.good.send(request, attrs.evolve(bounds, deadline=late))


BROKEN: Final[dict[type[Wrapped], set[str]]] = {
    FollowsRedirects: {"redirects-are-not-followed"},
    SwallowsTruncation: {
        "a-response-cut-short-is-an-error", "chunks-cut-short-are-an-error",
        "a-packed-body-that-is-broken-is-an-error", "what-is-no-http-is-an-error",
        "errors-show-no-credential",
    },
    LiesInEvidence: {
        "a-connection-lost-before-the-response-is-reported-truly",
        "a-connection-lost-while-sending-is-reported-truly", "a-request-is-sent-once",
    },
    LeaksAnException: {
        "responses-are-bounded", "bombs-are-not-unpacked", "errors-show-no-credential",
        "failures-give-their-place-back",
    },
    KeepsCookies: {"cookies-are-not-kept"},
    CrossesAnswers: {
        "a-hundred-at-once-get-their-own-responses", "no-more-connections-than-allowed",
    },
    TriesAgain: {"a-request-is-sent-once", "failures-give-their-place-back"},
    HasNoBounds: {
        "responses-are-bounded", "bombs-are-not-unpacked", "errors-show-no-credential",
    },
    ReadsTheEnvironment: {"the-environment-is-not-read"},
    QuotesCredentials: {"errors-show-no-credential"},
    LogsCredentials: {"logs-show-no-credential"},
    NeverCloses: {"closing-leaves-nothing-behind"},
    LeavesTasks: {"closing-leaves-nothing-behind"},
    LeavesThreads: {"closing-leaves-nothing-behind"},
    SaysItWasCut: {"methods-and-bodies-go-out-as-they-are"},
    ChecksNoHost: {"a-certificate-of-another-host-is-refused"},
    TidiesTargets: {"targets-go-out-as-they-are"},
    ForgetsTheCancelled: {"a-cancelled-request-leaves-nothing-behind"},
    RefusesOddCodings: {"odd-words-for-a-coding-are-passed-over"},
    JudgesCodingsFirst: {"the-status-decides-before-the-coding"},
    RefusesLargeHeads: {"a-large-head-is-read"},
    WaitsAfterMalformedHeads: {
        "a-malformed-head-ends-at-once", "chunks-cut-short-are-an-error",
    },
    JudgesStatuses: {"any-status-is-a-response"},
    IgnoresKeepAlive: {"an-announced-keep-alive-is-obeyed"},
    KeepsConnectionsForEver: {"an-idle-connection-is-not-kept-for-long"},
    HasNoLimit: {"no-more-connections-than-allowed", "waiting-for-a-connection-ends"},
    IgnoresTheDeadline: {
        "silence-ends-with-the-deadline", "a-dripping-body-ends-with-the-deadline",
        "a-dripping-head-ends-with-the-deadline",
    },
}  # fmt: skip
