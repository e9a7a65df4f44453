"""A proxy: its address, and our credentials for it."""

from __future__ import annotations

from urllib.parse import unquote, urlsplit

import attrs

from billingual.errors import ConfigurationError
from billingual.transports._request import Origin

__all__ = ["Proxy"]


@attrs.frozen
class Proxy:
    """The address of a proxy, and our credentials for it.

    Attributes:
        origin: its address.
        authorization: the value of ``Proxy-Authorization``, or None; hidden in ``repr``.
    """

    origin: Origin
    authorization: str | None = attrs.field(repr=False)

    @classmethod
    def from_url(cls, url: str) -> Proxy:
        """Read a proxy's URL.

        Raises:
            ConfigurationError: if it is none, or of a kind that is not known here. The error does
                not show it, because it may hold a password.
        """
        try:
            parts = urlsplit(url)
            host, port = parts.hostname, parts.port
        except ValueError:
            host = port = None
        if host and parts.scheme in {"http", "https"} and port != 0:
            name = f"[{host}]" if ":" in host else host
            text = f"{parts.scheme}://{name}" + ("" if port is None else f":{port}")
            return cls(
                Origin(parts.scheme, host, port, text), _basic(parts.username, parts.password)
            )
        raise ConfigurationError(
            "the proxy's URL cannot be used; give an http:// or https:// URL, or use the transport "
            "'httpx' for socks5://. The URL is not shown here, it may hold a password."
        )

    def headers(self) -> list[tuple[str, str]]:
        """List what a request to the proxy carries for it alone."""
        value = self.authorization
        return [] if value is None else [("Proxy-Authorization", value)]


def _basic(user: str | None, password: str | None) -> str | None:
    if user is None and password is None:
        return None
    from base64 import b64encode  # noqa: PLC0415 - few clients have a proxy

    # UTF-8, as RFC 7617 advises; a URL carries what is not ASCII percent-encoded.
    text = f"{unquote(user or '')}:{unquote(password or '')}".encode()
    return f"Basic {b64encode(text).decode('ascii')}"
