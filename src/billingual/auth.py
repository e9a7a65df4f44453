"""Credentials and secrets: what they are, where they may be sent, and how texts stay free of them.

A token is kept in a :class:`Secret`, which no text, pickle or copy shows. It is checked when it is
given: an HTTP library would otherwise print a bad one (with a trailing newline, say) whole in its
exception.
"""

from __future__ import annotations

import functools
import inspect
import re
from collections.abc import Awaitable, Callable, Hashable
from ipaddress import ip_address
from typing import Final, NoReturn, TypeAlias
from urllib.parse import unquote, urlsplit

from billingual.errors import ConfigurationError
from billingual.wire import Headers, WireResponse

__all__ = [
    "BearerAuth",
    "Secret",
    "TokenSource",
    "as_secret",
    "as_token",
    "checked_base_url",
    "encodings_of",
    "is_loopback",
    "origin_of",
    "redact_token",
]

# Shorter tokens are those of tests and examples ("x", "test"); replacing them would ruin a body.
_SECRET_LENGTH: Final = 8
# Stricter than RFC 3986: URL parsers disagree about everything else, and the token must not go to
# a host that only one of them sees.
_HOST: Final = re.compile(r"[a-z0-9_-]+(?:\.[a-z0-9_-]+)*\.?")


class Secret:
    """A text that only :meth:`reveal` shows."""

    __slots__ = ("_text",)

    def __init__(self, text: str) -> None:
        self._text = text

    def reveal(self) -> str:
        """Return the text itself."""
        return self._text

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and self._text == other._text

    def __hash__(self) -> int:
        return hash(self._text)

    def __repr__(self) -> str:
        return "Secret('***')"

    __str__ = __repr__

    def __reduce__(self) -> NoReturn:
        raise TypeError("a secret is not pickled or copied")


TokenSource: TypeAlias = "str | Secret | Callable[[], str | Awaitable[str]]"
"""A token, or a function (plain or async) that returns the current one for each attempt."""


def as_secret(text: str | Secret | None) -> Secret | None:
    """Wrap a text; return None or a secret unchanged."""
    return text if text is None or isinstance(text, Secret) else Secret(text)


def as_token(token: object) -> TokenSource | None:
    """Wrap a token without checking it; return None or a function unchanged.

    A constructor calls this first, so that a traceback which shows local variables does not show
    the token. :class:`BearerAuth` checks it later.
    """
    if token is None or callable(token) or isinstance(token, Secret):
        return token
    return Secret(_text(token))


def _check(token: Secret) -> None:
    # Tracebacks may show this frame with its local variables, so it never holds the text.
    if not token.reveal():
        raise ConfigurationError(
            "the token is empty or not text", "give the key you were issued", field="token"
        )
    if not _fits_in_a_header(token):
        raise ConfigurationError(
            "the token holds a space, a line break or another character that cannot stand in a "
            "header; strip what was read from a file or variable. It is not shown here.",
            field="token",
        )


def _fits_in_a_header(token: Secret) -> bool:
    return all("!" <= character <= "~" for character in token.reveal())


class BearerAuth:
    """Sign requests with ``Authorization: Bearer``; without a token, do not sign.

    Safe to share between tasks and threads.

    Raises:
        ConfigurationError: if the token is empty or cannot stand in a header.
    """

    __slots__ = ("_call", "_fixed")

    def __init__(self, token: TokenSource | None) -> None:
        token = as_token(token)
        self._call = token if callable(token) else None
        self._fixed = None
        if isinstance(token, Secret):
            _check(token)
            self._fixed = _header(token)

    @property
    def identity(self) -> Hashable:
        """A key that is equal for equal credentials; it does not reveal the token.

        The key of a function is the function: its tokens follow one another, but belong to one
        credential.
        """
        if self._call is not None:
            return _Same(self._call)
        return None if self._fixed is None else hash(self._fixed)

    async def sign(self) -> Headers:
        """Return the header fields for one attempt."""
        if self._call is None:
            return Headers() if self._fixed is None else self._fixed
        returned = self._call()
        token = Secret(_text(await returned if inspect.isawaitable(returned) else returned))
        # The check below may raise, and a traceback would show the text in this frame.
        del returned
        _check(token)
        return _header(token)

    def __repr__(self) -> str:
        return "BearerAuth(***)"

    def __reduce__(self) -> NoReturn:
        raise TypeError("credentials are not pickled or copied")


class _Same:
    """A key for one object, by identity: the object's own ``==`` and hash play no part."""

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


def redact_token(response: WireResponse, signature: Headers) -> WireResponse:
    """Return the response with ``***`` in place of our own token, if the provider quotes it.

    Errors, logs and ledgers keep responses, and would keep the token with them.

    Args:
        response: the response as it came.
        signature: the header fields that :meth:`BearerAuth.sign` returned for the request.
    """
    token = (signature.get("authorization") or "").removeprefix("Bearer ")
    if len(token) < _SECRET_LENGTH:
        return response
    quoted = token.encode() in response.body or _is_quoted(token, response.headers)
    if not quoted and 200 <= response.status <= 299:
        # Error pages escape what they quote; a success that quotes a token does it plainly. The
        # search for every encoding would cost as much as reading the response.
        return response
    encodings = encodings_of(token)
    return WireResponse(
        status=response.status,
        headers=Headers(
            (_redacted(name, encodings), _redacted(value, encodings))
            for name, value in response.headers
        ),
        body=encodings.sub(b"***", response.body),
        request_complete=response.request_complete,
    )


def _is_quoted(token: str, headers: Headers) -> bool:
    for name, value in headers:  # noqa: SIM110 - this is on every call's way; any() costs twice
        if token in value or token in name:
            return True
    return False


def _redacted(text: str, encodings: re.Pattern[bytes]) -> str:
    return encodings.sub(b"***", text.encode("utf-8", "replace")).decode("utf-8", "replace")


@functools.lru_cache(maxsize=8)  # A program has few tokens, and the pattern is slow to compile.
def encodings_of(token: str) -> re.Pattern[bytes]:
    """Return a pattern that finds *token* plain, or escaped for JSON, HTML or URLs.

    Between its characters there may be zero bytes, as in UTF-16.
    """
    named = {"&": "|&amp;", "<": "|&lt;", ">": "|&gt;", '"': "|&quot;", "'": "|&apos;"}
    return re.compile(
        r"\0*".join(
            rf"(?:{re.escape(each)}|\\{re.escape(each)}|(?i:\\+u00{ord(each):02x}"
            rf"|%(?:25)*{ord(each):02x}|&\#0*{ord(each)};|&\#x0*{ord(each):x};"
            rf"{named.get(each, '')}))"
            for each in token
        ).encode()
    )


def checked_base_url(url: str, *, allow_insecure: bool = False) -> str:
    """Return *url* without a trailing slash, if a token may be sent there.

    Raises:
        ConfigurationError: if it is not a plain ``https`` URL. ``http`` is allowed for loopback
            addresses, or with *allow_insecure*. User names, queries and fragments are refused,
            because they would end in logs or change every request.
    """
    if not isinstance(url, str):
        raise ConfigurationError("the base URL is not text.", field="base_url")
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname, parts.port
    except (ValueError, AttributeError):
        raise ConfigurationError(
            "the base URL cannot be read as a URL.", field="base_url"
        ) from None
    if parts.scheme not in {"http", "https"} or not host:
        raise ConfigurationError(
            "the base URL must start with https:// and name a host.", field="base_url"
        )
    if parts.username is not None or not {"?", "#"}.isdisjoint(url):
        raise ConfigurationError(
            "the base URL holds a user name, a query or a fragment",
            "give scheme, host, port and path only, and the token as token=",
            field="base_url",
            hint="give_token_apart",
        )
    if any(character <= " " or character > "~" for character in url):
        raise ConfigurationError(
            "the base URL holds a space or a character outside ASCII.", field="base_url"
        )
    if "\\" in url or not (_HOST.fullmatch(host) or parts.netloc.startswith("[")):
        raise ConfigurationError(
            "the base URL names no host that all programs read alike.", field="base_url"
        )
    if not {".", ".."}.isdisjoint(unquote(parts.path).split("/")):
        raise ConfigurationError(
            "the base URL's path holds . or .. as a segment.", field="base_url"
        )
    if parts.scheme == "http" and allow_insecure is not True and not is_loopback(host):
        raise ConfigurationError(
            f"http://{host} would carry the token unencrypted",
            "use https://, or say allow_insecure=True if you know the network",
            field="base_url",
            hint="use_https",
        )
    return url.rstrip("/")


def origin_of(url: str) -> str:
    """Return scheme, host and port of a checked base URL."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}".lower()


def is_loopback(host: str) -> bool:
    """Return True if the host is this machine, by its name or number."""
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False
