"""Whether a request can be written as HTTP: checked here, before a library sees it.

Libraries differ: one refuses a line break in a header after it has connected, another writes what
is not ASCII in an encoding of its choice, and their errors quote what they refuse.
"""

from __future__ import annotations

import re
from typing import Final
from urllib.parse import urlsplit

from billingual.errors import TransportError
from billingual.outcome import Evidence
from billingual.wire import WireRequest

__all__ = ["UNSENT", "unwritable"]

UNSENT: Final = Evidence(connected=None, request_complete=False, answer_begun=False)
"""The evidence of a request that was not tried."""

_TOKEN: Final = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")
_VALUE: Final = re.compile(r"(?:[!-~](?:[\t -~]*[!-~])?)?")
_URL: Final = re.compile(r"[!-~]+")


def unwritable(request: WireRequest) -> TransportError | None:
    """Return the error that says what cannot be written, or None where all can."""
    if not _TOKEN.fullmatch(request.method):
        return _refused("the method is no word")
    if not _URL.fullmatch(request.url):
        return _refused("the URL holds a space, a line break or what is not ASCII")
    if not _has_origin(request.url):
        return _refused("the URL does not begin with http:// or https://, a host and a port")
    for name, value in request.headers:
        if not _TOKEN.fullmatch(name) or not _VALUE.fullmatch(value):
            return _refused("a header field holds a line break or what is not ASCII")
    return None


def _has_origin(url: str) -> bool:
    try:
        parts = urlsplit(url)
        return parts.scheme in {"http", "https"} and bool(parts.hostname) and parts.port != 0
    except ValueError:
        return False


def _refused(problem: str) -> TransportError:
    return TransportError(
        f"the request cannot be written as HTTP: {problem}. It was not sent, and is not shown.",
        evidence=UNSENT,
    )
