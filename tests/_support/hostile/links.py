"""Links that a hostile provider could put into a response, and where it could put them."""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Iterator
from typing import Any, Final

import attrs

from billingual.wire import Headers, WireResponse

__all__ = ["EVIL", "PLACES", "Link", "answered", "links"]

EVIL: Final = "evil.example"
_SCHEMES: Final = (
    "https:", "http:", "HTTPS:", "hTTps:", "", "ftp:", "file:", "javascript:", "data:", "ws:",
    "unix:", "https+unix:", "http\t:", "\nhttps:", " https:", "//https:", "view-source:https:",
)  # fmt: skip
_SLASHES: Final = ("//", "/", "", "\\\\", "/\\", "\\/", "///", "////", "/%2F", "//\t", "/\n/")
_HOSTS: Final = (
    EVIL, f"{EVIL}.", f"sub.{EVIL}", f"exante.example.{EVIL}", "127.0.0.1", "127.1", "0x7f.0.0.1",
    "2130706433", "0", "[::1]", "[::ffff:127.0.0.1]", "[fe80::1%25lo]", "[::]", "169.254.169.254",
    "metadata.google.internal", "localhost", "localhost.", "\u0435xante.example", "exante。example",
    "xn--xante-f2e.example", "ⓔxante.example", "exante.example%00.evil.example",
    "exante.example%2eevil.example", "exante.example\\.evil.example", "[v1.evil]", "[", "..", "",
    "a" * 300, "exante.example;evil.example", "exante.example,evil.example", "ev\u202eil.example",
    "faß.example", "evil。example", "\uff11\uff12\uff17.0.0.1",
)  # fmt: skip
_USERS: Final = (
    "", "", "", "exante.example@", "exante.example:443@", "user:pass@", "@", "a@b@",
    "exante.example%40", "exante.example\\@", "exante.example#@", "exante.example?@",
    "exante.example/@", ":@", "%00@",
)  # fmt: skip
_PORTS: Final = (
    "",
    "",
    "",
    ":80",
    ":443",
    ":0",
    ":65536",
    ":-1",
    "::80",
    ":",
    ":22",
    ":x",
    ":8 0",
)
_PATHS: Final = (
    "", "/", "/api/invoices?page=2", "/../../admin", "/%2e%2e/%2e%2e/admin", "/..;/admin", "/.",
    "/api/invoices?page=2&per_page=100", "?page=2", "#@exante.example", "/\r\nX-Evil: 1",
    "/\0", "/api/invoices?page=../2", "/api/invoices?page=99999999999", "/\ud83d\ude00", "//evil",
)  # fmt: skip


@attrs.frozen
class Link:
    """A hostile link and where it is.

    Attributes:
        url: the link.
        place: a name in ``PLACES``.
    """

    url: str
    place: str


def links(seed: int, amount: int) -> Iterator[Link]:
    """Draw links: schemes, slashes, users, hosts, ports and paths, and their places."""
    chance = random.Random(seed)  # noqa: S311 - reproducible chance is the point
    places = sorted(PLACES)
    for _ in range(amount):
        parts = (_SCHEMES, _SLASHES, _USERS, _HOSTS, _PORTS, _PATHS)
        url = "".join(chance.choice(each) for each in parts)
        if chance.random() < 0.05:
            at = chance.randrange(len(url) + 1)
            url = f"{url[:at]}{chr(chance.randrange(0x20, 0x2100))}{url[at:]}"
        yield Link(url, chance.choice(places))


def _in_data(make: Callable[[str], dict[str, Any]]) -> Callable[[dict[str, Any], str], None]:
    def put(response: dict[str, Any], url: str) -> None:
        if isinstance(response.get("data"), dict):
            response["data"].update(make(url))
        else:
            response.update(make(url))

    return put


def _in_meta(make: Callable[[str], dict[str, Any]]) -> Callable[[dict[str, Any], str], None]:
    def put(response: dict[str, Any], url: str) -> None:
        meta = response["data"].get("_meta") if isinstance(response.get("data"), dict) else response
        (response if meta is None else meta).update(make(url))

    return put


def _beside(make: Callable[[str], dict[str, Any]]) -> Callable[[dict[str, Any], str], None]:
    return lambda response, url: response.update(make(url))


_BODIES: Final[dict[str, Callable[[dict[str, Any], str], None]]] = {
    "data._links.next.href": _in_data(lambda u: {"_links": {"next": {"href": u}}}),
    "data._links.next": _in_data(lambda u: {"_links": {"next": u, "self": u, "last": u}}),
    "data._meta._links": _in_meta(lambda u: {"_links": {"next": u}, "next": u, "next_url": u}),
    "data.next": _in_data(lambda u: {"next": u, "next_page_url": u, "links": {"next": u}}),
    "_links": _beside(lambda u: {"_links": {"next": {"href": u, "method": "GET"}}}),
    "next": _beside(lambda u: {"next": u, "nextPage": u, "@odata.nextLink": u, "redirect": u}),
}
_HEADERS: Final = {
    "Link": lambda u: f'<{u}>; rel="next"',
    "Location": lambda u: u,
    "Content-Location": lambda u: u,
    "Refresh": lambda u: f"0; url={u}",
    "Alt-Svc": lambda u: f'h2="{u}"',
}
PLACES: Final = (*_BODIES, *_HEADERS)
"""Where a link can be: in the body, or in a header of the response."""


def answered(body: dict[str, Any], link: Link) -> WireResponse:
    """Make a response of *body* with the link in its place."""
    headers: list[tuple[str, str]] = [("Content-Type", "application/json")]
    if link.place in _BODIES:
        _BODIES[link.place](body, link.url)
    else:
        headers.append((link.place, _HEADERS[link.place](link.url)))
    return WireResponse(status=200, headers=Headers(headers), body=json.dumps(body).encode())
