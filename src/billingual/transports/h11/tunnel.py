"""A tunnel through a proxy, without I/O.

A plain request goes to the proxy as it is, with the whole address in its first line. For a secure
one the proxy is asked for a tunnel to the server (``CONNECT``), and TLS runs inside, so that the
proxy sees neither token nor body.
"""

from __future__ import annotations

from typing import Final

from billingual.transports.h11.http1 import BadResponseError, ProxyRefusedError, ResponseParser
from billingual.transports.h11.proxy import Proxy

__all__ = ["Tunnel"]

_LARGEST_HEAD: Final = 16 * 1024


class Tunnel:
    """One request for a tunnel, and the proxy's response.

    Args:
        proxy: who is asked.
        host: where the tunnel leads.
        port: likewise.
    """

    def __init__(self, proxy: Proxy, host: str, port: int) -> None:
        to = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
        pairs = [("Host", to), *proxy.headers()]
        lines = "".join(f"{name}: {value}\r\n" for name, value in pairs)
        self._request = f"CONNECT {to} HTTP/1.1\r\n{lines}\r\n".encode("ascii")
        self._response = ResponseParser()
        self._received = 0

    def request(self) -> bytes:
        """Return the bytes that ask for it."""
        return self._request

    def feed(self, data: bytes) -> bool:
        """Take received bytes; True once the tunnel is open.

        Raises:
            ProxyRefusedError: if the proxy says no, or does not speak HTTP.
        """
        response = self._response
        self._received += len(data)
        try:
            response.feed(data)
        except BadResponseError:
            raise ProxyRefusedError("the proxy does not speak HTTP") from None
        if response.status is None:
            if not data or self._received > _LARGEST_HEAD:
                raise ProxyRefusedError("the proxy does not speak HTTP")
            return False
        response.close()
        if not 200 <= response.status < 300:
            raise ProxyRefusedError(f"the proxy refused the tunnel with status {response.status}")
        if response.body or response.surplus:
            # Unasked bytes: a server with TLS speaks only after our first message.
            raise ProxyRefusedError("the proxy sent data before the tunnel was used")
        return True
