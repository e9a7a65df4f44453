"""The catalogue of named faults: one for each way in which an exchange can fail."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

import attrs

from billingual.errors import (
    ConnectionLostError,
    NotConnectedError,
    PoolTimeoutError,
    ResponseTooLargeError,
    TimedOutError,
    TransportError,
)
from billingual.outcomes import Evidence

__all__ = ["CATALOGUE", "Fault"]


@attrs.frozen(kw_only=True)
class Fault:
    """One thing that goes wrong with one request.

    Attributes:
        name: what it is called in plans and reports.
        what: what happens, in one line.
        deliveries: how often the server gets the whole request: 0, 1 or 2.
        answered_by: the delivery whose response comes back, counted from 0.
        delay_s: seconds the response takes longer. Beyond the read timeout it does not come.
        error: the error that comes instead of a response.
        evidence: what that error saw. It never says more than a client could know.
        status: the status that comes instead of the server's.
        headers: the header fields that come instead of the server's.
        body: the body that comes instead of the server's.
        kept: the part of the body that comes, from 0 up to 1; at least one byte is cut off.
    """

    name: str
    what: str
    deliveries: int = attrs.field(default=1, validator=attrs.validators.in_((0, 1, 2)))
    answered_by: int = 0
    delay_s: float = attrs.field(default=0.0, validator=attrs.validators.ge(0))
    error: type[TransportError] | None = None
    evidence: Evidence = attrs.field(factory=Evidence)
    status: int | None = None
    headers: tuple[tuple[str, str], ...] | None = None
    body: bytes | None = None
    kept: float | None = None

    def __attrs_post_init__(self) -> None:
        if self.deliveries == 0 and self.error is None and self.status is None:
            raise ValueError(f"{self.name}: without a delivery it needs an error or a status")
        if self.answered_by and self.answered_by >= self.deliveries:
            raise ValueError(f"{self.name}: there is no such delivery to answer")
        if self.deliveries and self.evidence.request_complete is False:
            raise ValueError(f"{self.name}: its evidence denies what it delivers")


_JSON: Final = (("Content-Type", "application/json"),)
_HTML: Final = (("Content-Type", "text/html; charset=utf-8"),)
_PAGE: Final = b"<!doctype html><title>Sorry</title><p>Please come back later.</p>"


def _saw(*, sent: bool | None, begun: bool | None = False) -> Evidence:
    return Evidence(connected=True, request_complete=sent, response_begun=begun)


_NOTHING: Final = Evidence(connected=False, request_complete=False, response_begun=False)
_WHOLE: Final = _saw(sent=True)
_BEGUN: Final = _saw(sent=True, begun=True)
_PERHAPS: Final = _saw(sent=None)


def _broken(
    name: str, what: str, error: type[TransportError], evidence: Evidence, deliveries: int
) -> Fault:
    return Fault(name=name, what=what, error=error, evidence=evidence, deliveries=deliveries)


def _answered(
    name: str,
    status: int | None,
    what: str,
    *,
    deliveries: int = 0,
    body: bytes | None = b'{"message": "a planned fault"}',
    headers: tuple[tuple[str, str], ...] | None = _JSON,
) -> Fault:
    return Fault(
        name=name, what=what, status=status, deliveries=deliveries, body=body, headers=headers
    )


def _unreadable(name: str, what: str, body: bytes) -> Fault:
    headers = _HTML if body is _PAGE else _JSON
    return _answered(name, 200, what, deliveries=1, body=body, headers=headers)


_NOT_SENT: Final = (
    _broken("refused", "nothing listens at the address", NotConnectedError, _NOTHING, 0),
    _broken("no_host", "there is no host of that name", NotConnectedError, _NOTHING, 0),
    _broken("tls_refused", "the server's certificate is refused", NotConnectedError, _NOTHING, 0),
    _broken("connect_timeout", "no connection is made in time", NotConnectedError, _NOTHING, 0),
    _broken("pool_exhausted", "no connection becomes free", PoolTimeoutError, _NOTHING, 0),
    _broken("broken_before_send", "the connection breaks before the first byte",
            ConnectionLostError, _saw(sent=False), 0),
)  # fmt: skip
_UNCLEAR: Final = (
    _broken("broken_while_sending", "the connection breaks while the request is sent",
            ConnectionLostError, _PERHAPS, 0),
    _broken("broken_while_sending_but_delivered",
            "the connection breaks while the request is sent, and the kernel delivers it still",
            ConnectionLostError, _PERHAPS, 1),
    _broken("write_timeout", "the request is not taken in time", TimedOutError, _PERHAPS, 0),
    _broken("write_timeout_but_delivered", "the request is not taken in time, and arrives later",
            TimedOutError, _PERHAPS, 1),
    _broken("lost_before_acting", "the server takes the request and crashes before it acts",
            ConnectionLostError, _WHOLE, 0),
    _broken("response_lost", "the server acts, and the connection breaks before its response",
            ConnectionLostError, _WHOLE, 1),
    _broken("response_late", "the server acts, and its response does not come in time",
            TimedOutError, _WHOLE, 1),
    _broken("no_response", "the server takes the request and neither acts nor answers",
            TimedOutError, _WHOLE, 0),
    _broken("response_cut", "the server acts, and the connection breaks within its response",
            ConnectionLostError, _BEGUN, 1),
    _broken("response_stalled", "the server acts, and its response stops half-way",
            TimedOutError, _BEGUN, 1),
    _broken("response_too_large", "the server acts, and its response breaks a bound",
            ResponseTooLargeError, _BEGUN, 1),
    _broken("no_evidence", "the server acts, and the transport cannot tell how it ended",
            ConnectionLostError, Evidence(), 1),
)  # fmt: skip
_ANSWERED: Final = (
    _answered("rate_limited", 429, "too many requests; one second is asked for",
              headers=(*_JSON, ("Retry-After", "1"))),
    _answered("rate_limited_without_a_time", 429, "too many requests; no time is said"),
    _answered("unavailable", 503, "the server is down for a second, and does not act",
              headers=(*_JSON, ("Retry-After", "1"))),
    _answered("server_error", 500, "the server fails before it acts"),
    _answered("server_error_after_acting", 500, "the server acts and then fails", deliveries=1),
    _answered("bad_gateway", 502, "a proxy finds no server", body=_PAGE, headers=_HTML),
    _answered("bad_gateway_after_acting", 502, "the server acts, and a proxy loses its response",
              deliveries=1, body=_PAGE, headers=_HTML),
    _answered("gateway_timeout_after_acting", 504, "the server acts, and a proxy gives up waiting",
              deliveries=1, body=_PAGE, headers=_HTML),
    _answered("request_timeout", 408, "the server gives up waiting for the request"),
    _answered("too_early", 425, "the server does not want the request yet"),
    _answered("unauthorized", 401, "the token is refused"),
    _answered("forbidden", 403, "the token is not good for this"),
    _answered("conflict", 409, "the invoice's state forbids it"),
    _answered("redirected", 307, "the response points to another host", body=b"",
              headers=(("Location", "https://elsewhere.invalid/"),)),
    _answered("proxy_page", 200, "a proxy answers with a page of its own, and nothing is sent on",
              body=_PAGE, headers=_HTML),
)  # fmt: skip
_UNREADABLE: Final = (
    _unreadable("empty_yes", "the server acts, and its yes has no body", b""),
    _unreadable("page_yes", "the server acts, and its yes is a web page", _PAGE),
    _unreadable("garbled_yes", "the server acts, and its yes is no UTF-8", b'{"data": "\xff\xfe"}'),
    _unreadable("hollow_yes", "the server acts, and its yes is an empty object", b"{}"),
    _unreadable("null_yes", "the server acts, and its yes is null", b"null"),
    Fault(
        name="half_yes", what="the server acts, and half of its response passes for all", kept=0.5
    ),
)
_OFTEN: Final = (
    Fault(name="slow", what="the response takes two seconds longer", delay_s=2.0),
    Fault(name="endless", what="the server acts, and its response takes an hour", delay_s=3600.0),
    Fault(name="delivered_twice", what="a proxy delivers the request twice; the first answers",
          deliveries=2),
    Fault(name="delivered_twice_and_answered_last",
          what="a proxy delivers the request twice; the second answers",
          deliveries=2, answered_by=1),
    _broken("delivered_twice_and_lost", "a proxy delivers the request twice, and loses both times",
            ConnectionLostError, _WHOLE, 2),
)  # fmt: skip

CATALOGUE: Final[Mapping[str, Fault]] = MappingProxyType(
    {each.name: each for each in (*_NOT_SENT, *_UNCLEAR, *_ANSWERED, *_UNREADABLE, *_OFTEN)}
)
"""Every named fault, by its name: those that send nothing first, then the unclear ones."""
