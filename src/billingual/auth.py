"""Credentials: who we are, and where that may be told.

A token lives in a :class:`Secret`, which shows itself in no text, pickle or copy. It is checked
when it is given, because a bad one (a trailing newline, say) would otherwise be printed whole by
the exception of an HTTP library.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Awaitable, Callable, Hashable
from ipaddress import ip_address
from typing import Final, NoReturn, TypeAlias
from urllib.parse import unquote, urlsplit

from billingual.errors import ConfigurationError
from billingual.secret import Secret, writings
from billingual.wire import Headers, WireResponse

__all__ = [
    "BearerAuth",
    "Secret",
    "TokenSource",
    "checked_base_url",
    "is_loopback",
    "origin_of",
    "sealed",
    "struck_out",
]

_SECRET_LENGTH: Final = 8
_HOST: Final = re.compile(r"[a-z0-9_-]+(?:\.[a-z0-9_-]+)*\.?")

TokenSource: TypeAlias = "str | Secret | Callable[[], str | Awaitable[str]]"
"""A token, or a function (plain or async) that returns the current one for each attempt."""


def sealed(token: object) -> TokenSource | None:
    """Wrap a token as it arrives, unchecked: no traceback with locals shows what is wrapped."""
    if token is None or callable(token) or isinstance(token, Secret):
        return token
    return Secret(_text(token))


def _check(token: Secret) -> None:
    # This frame ends up in tracebacks with their locals, so it never holds the text.
    if not token.reveal():
        raise ConfigurationError("the token is empty or no text; give the key you were issued.")
    if not _stands_in_a_header(token):
        raise ConfigurationError(
            "the token holds a space, a line break or another character that cannot stand in a "
            "header; strip what was read from a file or variable. It is not shown here."
        )


def _stands_in_a_header(token: Secret) -> bool:
    return all("!" <= character <= "~" for character in token.reveal())


class BearerAuth:
    """Sign requests with ``Authorization: Bearer``; without a token, do not sign.

    Safe to share between tasks and threads.

    Raises:
        ConfigurationError: if the token is empty or cannot stand in a header.
    """

    __slots__ = ("_call", "_fixed")

    def __init__(self, token: TokenSource | None) -> None:
        token = sealed(token)
        self._call = token if callable(token) else None
        self._fixed = None
        if isinstance(token, Secret):
            _check(token)
            self._fixed = _header(token)

    @property
    def identity(self) -> Hashable:
        """A key that is equal for equal credentials; the token cannot be had from it.

        Of a function it is the function: the tokens it gives are one credential's, one after
        another.
        """
        if self._call is not None:
            return _Same(self._call)
        return None if self._fixed is None else hash(self._fixed)

    async def sign(self) -> Headers:
        """Return the header fields for one attempt."""
        if self._call is None:
            return Headers() if self._fixed is None else self._fixed
        answer = self._call()
        token = Secret(_text(await answer if inspect.isawaitable(answer) else answer))
        del answer
        _check(token)
        return _header(token)

    def __repr__(self) -> str:
        return "BearerAuth(***)"

    def __reduce__(self) -> NoReturn:
        raise TypeError("credentials are not pickled or copied")


class _Same:
    """One object, equal to itself alone, whatever it says about equality and hashes."""

    __slots__ = ("_it",)

    def __init__(self, it: object) -> None:
        self._it = it

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Same) and self._it is other._it

    def __hash__(self) -> int:
        return id(self._it)


def _text(token: object) -> str:
    return token if isinstance(token, str) else ""


def _header(token: Secret) -> Headers:
    return Headers([("Authorization", f"Bearer {token.reveal()}")])


def struck_out(response: WireResponse, signature: Headers) -> WireResponse:
    """Return an answer without our own token, should the provider quote it.

    An answer ends up in errors, logs and ledgers; a token in it would too. Tokens of fewer than
    eight characters are no secrets and would strike out half of a body.
    """
    token = (signature.get("authorization") or "").removeprefix("Bearer ")
    if len(token) < _SECRET_LENGTH:
        return response
    quoted = token.encode() in response.body or _is_quoted(token, response.headers)
    if not quoted and 200 <= response.status <= 299:
        # Whoever quotes a token in a success writes it plainly; a search for all other ways
        # would cost as much as reading the answer.
        return response
    written = writings(token)
    return WireResponse(
        status=response.status,
        headers=Headers(
            (_struck(name, written), _struck(value, written)) for name, value in response.headers
        ),
        body=written.sub(b"***", response.body),
        request_complete=response.request_complete,
    )


def _is_quoted(token: str, headers: Headers) -> bool:
    for name, value in headers:  # noqa: SIM110 - a generator would cost as much again
        if token in value or token in name:
            return True
    return False


def _struck(text: str, written: re.Pattern[bytes]) -> str:
    return written.sub(b"***", text.encode("utf-8", "replace")).decode("utf-8", "replace")


def checked_base_url(url: str, *, allow_insecure: bool = False) -> str:
    """Return *url* without a trailing slash, if a token may be sent there.

    Raises:
        ConfigurationError: if it is no plain ``https`` URL. ``http`` is taken for loopback
            addresses, or where *allow_insecure* says so. User names, queries and fragments are
            refused, because they would end in logs or change every request.
    """
    if not isinstance(url, str):
        raise ConfigurationError("the base URL is no text.")
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname, parts.port
    except (ValueError, AttributeError):
        raise ConfigurationError("the base URL cannot be read as a URL.") from None
    if parts.scheme not in {"http", "https"} or not host:
        raise ConfigurationError("the base URL must start with https:// and name a host.")
    if parts.username is not None or not {"?", "#"}.isdisjoint(url):
        raise ConfigurationError(
            "the base URL holds a user name, a query or a fragment; give scheme, host, port and "
            "path only, and the token as token=.",
            field="base_url",
            hint="give_token_apart",
        )
    if any(character <= " " or character > "~" for character in url):
        raise ConfigurationError("the base URL holds a space or a character outside ASCII.")
    if "\\" in url or not (_HOST.fullmatch(host) or parts.netloc.startswith("[")):
        raise ConfigurationError("the base URL names no host that all programs read alike.")
    if not {".", ".."}.isdisjoint(unquote(parts.path).split("/")):
        raise ConfigurationError("the base URL's path holds . or .. as a segment.")
    if parts.scheme == "http" and allow_insecure is not True and not is_loopback(host):
        raise ConfigurationError(
            f"http://{host} would carry the token unencrypted; use https://, or say "
            "allow_insecure=True if you know the network.",
            field="base_url",
            hint="use_https",
        )
    return url.rstrip("/")


def origin_of(url: str) -> str:
    """Return scheme, host and port of a checked base URL."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}".lower()


def is_loopback(host: str) -> bool:
    """Tell whether a host is this machine, by its name or number."""
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False
