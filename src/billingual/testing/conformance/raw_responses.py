"""Responses as bytes: in every framing HTTP has."""

from __future__ import annotations

from billingual.wire import WireResponse

__all__ = ["chunked", "to_the_end", "with_length", "written"]


def with_length(body: bytes, *headers: bytes, status: bytes = b"200 OK") -> bytes:
    """Write a response whose length is announced."""
    lines = [b"HTTP/1.1 " + status, b"Content-Length: %d" % len(body), *headers, b"", body]
    return b"\r\n".join(lines)


def chunked(*pieces: bytes, end: bytes = b"0\r\n\r\n", headers: tuple[bytes, ...] = ()) -> bytes:
    """Write a response in chunks."""
    head = b"\r\n".join([b"HTTP/1.1 200 OK", b"Transfer-Encoding: chunked", *headers, b"", b""])
    return head + b"".join(b"%x\r\n%b\r\n" % (len(each), each) for each in pieces) + end


def to_the_end(body: bytes, *headers: bytes, version: bytes = b"1.1") -> bytes:
    """Write a response that ends where the connection does."""
    return b"\r\n".join([b"HTTP/" + version + b" 200 OK", *headers, b"", body])


def written(response: WireResponse) -> bytes:
    """Write a response given as a value, its length announced where it may be."""
    bodiless = response.status in {204, 304}
    fields = [f"{key}: {value}".encode("latin-1") for key, value in response.headers]
    if not bodiless:
        fields.append(b"Content-Length: %d" % len(response.body))
    head = [b"HTTP/1.1 %d Status" % response.status, *fields, b"", b""]
    return b"\r\n".join(head) + (b"" if bodiless else response.body)
