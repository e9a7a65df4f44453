"""Where a token may be sent."""

from __future__ import annotations

import re
from ipaddress import ip_address
from typing import Final
from urllib.parse import unquote, urlsplit

from billingual.errors import ConfigurationError

__all__ = ["checked_base_url", "is_loopback", "origin_of"]

# Stricter than RFC 3986: URL parsers disagree about everything else, and the token must not go to
# a host that only one of them sees.
_HOST: Final = re.compile(r"[a-z0-9_-]+(?:\.[a-z0-9_-]+)*\.?")


def checked_base_url(
    url: str, *, allow_insecure: bool = False, name: str = "base URL", field: str = "base_url"
) -> str:
    """Return *url* without a trailing slash, if a token may be sent there.

    Args:
        url: the address.
        allow_insecure: take ``http`` beyond loopback.
        name: what an error calls it.
        field: the option that it was given as.

    Raises:
        ConfigurationError: if it is not a plain ``https`` URL. ``http`` is allowed for loopback
            addresses, or with *allow_insecure*. User names, queries and fragments are refused,
            because they would end in logs or change every request.
    """
    if not isinstance(url, str):
        raise ConfigurationError(f"the {name} is not text.", field=field)
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname, parts.port
    except (ValueError, AttributeError):
        raise ConfigurationError(f"the {name} cannot be read as a URL.", field=field) from None
    if parts.scheme not in {"http", "https"} or not host:
        raise ConfigurationError(
            f"the {name} must start with https:// and name a host.", field=field
        )
    if parts.username is not None or not {"?", "#"}.isdisjoint(url):
        raise ConfigurationError(
            f"the {name} holds a user name, a query or a fragment",
            "give scheme, host, port and path only, and the token as token=",
            field=field,
            hint="give_token_apart",
        )
    if any(character <= " " or character > "~" for character in url):
        raise ConfigurationError(
            f"the {name} holds a space or a character outside ASCII.", field=field
        )
    if "\\" in url or not (_HOST.fullmatch(host) or parts.netloc.startswith("[")):
        raise ConfigurationError(
            f"the {name} names no host that all programs read alike.", field=field
        )
    if not {".", ".."}.isdisjoint(unquote(parts.path).split("/")):
        raise ConfigurationError(f"the path of the {name} holds . or .. as a segment.", field=field)
    if parts.scheme == "http" and allow_insecure is not True and not is_loopback(host):
        raise ConfigurationError(
            f"http://{host} would carry the token unencrypted",
            "use https://, or say allow_insecure=True if you know the network",
            field=field,
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
