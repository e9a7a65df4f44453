"""A proxy: its address and credentials, and the request for a tunnel through it; no I/O.

A plain request goes to the proxy as it is, with the whole address in its first line. For a secure
one the proxy is asked for a tunnel to the server (``CONNECT``), and TLS runs inside, so that the
proxy sees neither token nor body.
"""

from __future__ import annotations

import base64
from urllib.parse import unquote, urlsplit

import attrs
import h11

from billingual.errors import ConfigurationError
from billingual.transports._address import Origin

__all__ = ["Proxy", "ProxyRefusedError", "Tunnel"]


class ProxyRefusedError(ConnectionError):
    """The proxy did not open a tunnel."""


@attrs.frozen
class Proxy:
    """Where the proxy is, and who we are there.

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
    # UTF-8, as RFC 7617 advises; a URL carries what is not ASCII percent-encoded.
    text = f"{unquote(user or '')}:{unquote(password or '')}".encode()
    return f"Basic {base64.b64encode(text).decode('ascii')}"


class Tunnel:
    """One request for a tunnel to a server, and the proxy's response.

    Args:
        proxy: who is asked.
        host: where the tunnel leads.
        port: likewise.
    """

    def __init__(self, proxy: Proxy, host: str, port: int) -> None:
        self._http = h11.Connection(h11.CLIENT)
        name = f"[{host}]" if ":" in host else host
        self._target = f"{name}:{port}"
        self._headers = [("Host", self._target), *proxy.headers()]

    def request(self) -> bytes:
        """Return the bytes that ask for it."""
        request = h11.Request(method="CONNECT", target=self._target, headers=self._headers)
        asked = self._http.send(request)
        assert asked is not None  # noqa: S101 - only a closed connection has nothing to send
        self._http.send(h11.EndOfMessage())
        return asked

    def feed(self, data: bytes) -> bool:
        """Take received bytes; True once the tunnel is open.

        Raises:
            ProxyRefusedError: if the proxy says no, or does not speak HTTP.
        """
        try:
            self._http.receive_data(data)
            event = self._http.next_event()
            while isinstance(event, h11.InformationalResponse):
                event = self._http.next_event()
        except h11.RemoteProtocolError:
            event = h11.ConnectionClosed()
        if event is h11.NEED_DATA:
            return False
        if not isinstance(event, h11.Response):
            raise ProxyRefusedError("the proxy does not speak HTTP")
        if not 200 <= event.status_code < 300:
            raise ProxyRefusedError(f"the proxy refused the tunnel with status {event.status_code}")
        if any(self._http.trailing_data):
            # Bytes from nobody: the server speaks only after our first TLS message.
            raise ProxyRefusedError("the proxy sent data before the tunnel was used")
        return True
