"""Whether a request can be written as HTTP, and where it goes, in the parts that libraries ask for.

Libraries differ in what they refuse, correct or let through. So everything is checked here, before
anything is sent.
"""

from __future__ import annotations

import functools
import re
from typing import Final
from urllib.parse import urlsplit

import attrs

from billingual.transports._failures import unwritable
from billingual.wire import HEADER_NAME, WireRequest

__all__ = ["Address", "Origin", "check_headers", "checked", "parted"]

# Source: RFC 9110, section 5.5, read 2026-11; bytes beyond ASCII are opaque there.
_VALUE: Final = re.compile(r"(?:[!-~](?:[ \t!-~]*[!-~])?)?")


@attrs.frozen
class Origin:
    """Where a connection leads.

    Attributes:
        scheme: ``http`` or ``https``.
        host: the host, without brackets.
        port: the port, or None for the scheme's own.
        text: all of it, as errors name it.
    """

    scheme: str
    host: str
    port: int | None
    text: str


@attrs.frozen
class Address:
    """The parts of a request's URL.

    Attributes:
        scheme: ``http`` or ``https``.
        host: the host, without brackets.
        port: the port, or None for the scheme's own.
        origin: scheme, host and port, as errors name them.
        target: path and query, as they go on the wire.
    """

    scheme: str
    host: str
    port: int | None
    origin: str
    target: str = attrs.field(repr=False)


def checked(request: WireRequest) -> Address:
    """Check a request, and take its address apart.

    Raises:
        TransportError: if the address is malformed, or a header would end its line or is not
            ASCII; the error quotes neither.
    """
    check_headers(request)
    origin, target = parted(request.url)
    return Address(origin.scheme, origin.host, origin.port, origin.text, target)


def check_headers(request: WireRequest) -> None:
    """Check that method and headers can be written as HTTP.

    Raises:
        TransportError: if a header would end its line or is not ASCII, or if there are two hosts,
            which servers read in different ways; the error quotes neither.
    """
    headers = request.headers
    if not headers.checked:
        # In a generator, which ends first: so no frame of the error holds a value.
        if not all(_is_name(name) and _is_value(value) for name, value in headers):
            raise unwritable("a header's name or value")
        if len(headers.get_all("host")) > 1:
            raise unwritable("its headers contradict each other")
        headers.checked = True
    if not _is_name(request.method):
        raise unwritable("its method")


def parted(url: str) -> tuple[Origin, str]:
    """Take an absolute URL apart: where it leads, and path and query as they go on the wire.

    Raises:
        TransportError: if it is malformed.
    """
    if "#" in url:
        url = url.partition("#")[0]
    # Behind the slashes of the shortest scheme, the host has at least one letter.
    ends = url.find("/", len("http://x"))
    head = (url if ends < 0 else url[:ends]).partition("?")[0]
    is_plain = url.isascii() and url.isprintable() and " " not in url
    origin = _origin(head) if is_plain else None
    if origin is None:
        raise unwritable("its address")
    target = url[len(origin.text) :]
    return origin, target if target.startswith("/") else f"/{target}"


@functools.lru_cache(maxsize=256)
def _is_name(text: str) -> bool:
    return HEADER_NAME.fullmatch(text) is not None


def _is_value(text: str) -> bool:
    # Nearly every value is plain, and this is quicker than a pattern.
    plain = text.isascii() and text.isprintable() and text == text.strip()
    return plain or _VALUE.fullmatch(text) is not None


@functools.lru_cache(maxsize=64)
def _origin(text: str) -> Origin | None:
    try:
        parts = urlsplit(text)
        host, port = parts.hostname, parts.port
    except ValueError:
        return None
    if not host or port == 0 or parts.scheme not in {"http", "https"} or "@" in parts.netloc:
        return None
    return Origin(parts.scheme, host, port, text)
