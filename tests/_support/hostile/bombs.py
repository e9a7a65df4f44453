"""Twenty small responses that want to be large, and the program that eats them.

Run as a program, ``python bombs.py URL BACKEND``, it asks for each of them once and prints
one JSON object: how each call ended, and by how many bytes the memory peaked over the first calls.
"""

from __future__ import annotations

import gzip
import json
import sys
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

import anyio

from _support.memory import peak
from billingual import AsyncClient, Client

__all__ = ["BOMBS", "MIB", "response_to", "run"]

MIB: Final = 1024 * 1024
BOMBS: Final = (
    "zeros, 1 GiB by gzip", "zeros, 1 GiB by deflate", "zeros, 1 GiB in one chunk of a byte each",
    "zeros after 4 MiB of noise", "a bomb in a bomb", "two codings", "members without end",
    "empty members", "a long name in the head of a gzip", "garbage after a gzip",
    "JSON of brackets, packed", "JSON of spaces, packed", "17 MiB as they are",
    "17 MiB in chunks", "a length of an exabyte", "brotli", "no end of headers",
    "just below the ratio", "raw deflate", "a stored block of 17 MiB",
)  # fmt: skip


def _packed(amount: int, wbits: int, filler: bytes = b"\0") -> bytes:
    """Pack *amount* MiB of *filler*; the check sum is wrong, and no client gets that far."""
    packer = zlib.compressobj(9, zlib.DEFLATED, wbits)
    head, block = (
        packer.compress(filler * MIB) + packer.flush(zlib.Z_FULL_FLUSH) for _ in range(2)
    )
    return head + block * (amount - 1) + packer.flush()


def _noise(amount: int) -> bytes:
    import random  # noqa: PLC0415 - the program does without

    return random.Random(7).randbytes(amount)  # noqa: S311 - only incompressible


def _uneven(good: int, bad: int) -> bytes:
    """Pack noise, then zeros: the ratio of all of it stays low for long."""
    packer = zlib.compressobj(9, zlib.DEFLATED, 31)
    noise = packer.compress(_noise(good)) + packer.flush(zlib.Z_FULL_FLUSH)
    block = packer.compress(b"\0" * MIB) + packer.flush(zlib.Z_FULL_FLUSH)
    return noise + block * bad + packer.flush()


def _body(name: str) -> tuple[bytes, bytes]:
    """Make a bomb: the coding it claims, and its bytes."""
    gzipped = 31
    made: dict[str, Any] = {
        "zeros, 1 GiB by gzip": lambda: (b"gzip", _packed(1024, gzipped)),
        "zeros, 1 GiB by deflate": lambda: (b"deflate", _packed(1024, 15)),
        "zeros, 1 GiB in one chunk of a byte each": lambda: (b"gzip", _packed(1024, gzipped)),
        "zeros after 4 MiB of noise": lambda: (b"gzip", _uneven(4 * MIB, 512)),
        "a bomb in a bomb": lambda: (b"gzip", gzip.compress(_packed(1024, gzipped))),
        "two codings": lambda: (b"gzip, gzip", gzip.compress(_packed(64, gzipped))),
        "members without end": lambda: (b"gzip", gzip.compress(b"[" * MIB) * 1000),
        "empty members": lambda: (b"gzip", gzip.compress(b"") * 100_000),
        "a long name in the head of a gzip": lambda: (
            b"gzip",
            b"\x1f\x8b\x08\x08" + b"\0" * 6 + b"n" * (15 * MIB),
        ),
        "garbage after a gzip": lambda: (b"gzip", gzip.compress(b"{}") + b"x" * (15 * MIB)),
        "JSON of brackets, packed": lambda: (b"gzip", _packed(200, gzipped, b"[")),
        "JSON of spaces, packed": lambda: (b"gzip", _packed(200, gzipped, b" ")),
        "17 MiB as they are": lambda: (b"identity", b"x" * (17 * MIB)),
        "17 MiB in chunks": lambda: (b"identity", b"x" * (17 * MIB)),
        "a length of an exabyte": lambda: (b"identity", b"x" * 1000),
        "brotli": lambda: (b"br", _noise(MIB)),
        "no end of headers": lambda: (b"identity", b""),
        "just below the ratio": lambda: (b"gzip", _uneven(400_000, 70)),
        "raw deflate": lambda: (b"deflate", _packed(1024, -15)),
        "a stored block of 17 MiB": lambda: (b"gzip", gzip.compress(_noise(17 * MIB), 0)),
    }
    coding, body = made[name]()
    return coding, body


def _chunks(body: bytes, size: int) -> bytes:
    pieces = (body[at : at + size] for at in range(0, len(body), size))
    return b"".join(b"%x\r\n%s\r\n" % (len(each), each) for each in pieces) + b"0\r\n\r\n"


def response_to(number: int) -> Iterator[bytes]:
    """Make the bytes of the response with the *number*-th bomb; others are small and good."""
    if not 0 <= number < len(BOMBS):
        yield b"HTTP/1.1 404 No\r\nContent-Length: 2\r\n\r\n{}"
        return
    name = BOMBS[number]
    if name == "no end of headers":
        yield b"HTTP/1.1 200 OK\r\n"
        yield from (b"X-%d: %s\r\n" % (each, b"y" * 1000) for each in range(20_000))
        return
    coding, body = _body(name)
    head = b"HTTP/1.1 200 OK\r\nContent-Encoding: " + coding + b"\r\n"
    if "chunk" in name:
        size = 1 if "byte" in name else 4096
        yield (
            head
            + b"Transfer-Encoding: chunked\r\n\r\n"
            + _chunks(body[: 20 * MIB if size > 1 else 65_536], size)
        )
        return
    length = 10**18 if "exabyte" in name else len(body)
    yield head + b"Content-Length: %d\r\n\r\n" % length
    yield from (body[at : at + MIB] for at in range(0, len(body), MIB))


def _uid(number: int) -> str:
    return f"00000000-0000-4000-8000-{number:012x}"


def run(url: str, backend: str) -> dict[str, Any]:
    """Ask for every bomb; say how each call ended, and how far the memory peaked above the start.

    The first call of all is a small one, so that imports and pools are not counted.
    """
    options: dict[str, Any] = {"base_url": url, "token": "t", "retry": "none", "timeout": 20}
    ended: dict[str, str] = {}
    peaks: dict[str, int] = {}
    numbers = [999, *range(len(BOMBS))]

    @contextmanager
    def noting(number: int) -> Iterator[None]:
        name, kinds = "first" if number == 999 else BOMBS[number], ""
        try:
            yield
        except Exception as error:  # noqa: BLE001 - it is reported, whatever it is
            kinds = ",".join(each.__name__ for each in type(error).__mro__)
        ended[name] = kinds
        peaks[name] = peak()

    async def wait() -> None:
        async with AsyncClient("exante", **options) as client:
            for each in numbers:
                with noting(each):
                    await client.get(_uid(each))

    if backend == "blocking":
        with Client("exante", **options) as client:
            for each in numbers:
                with noting(each):
                    client.get(_uid(each))
    else:
        anyio.run(wait, backend=backend)
    first = peaks.pop("first")
    ended.pop("first")
    return {"ended": ended, "grown": {name: each - first for name, each in peaks.items()}}


if __name__ == "__main__":
    sys.stdout.write(json.dumps(run(*sys.argv[1:3])))
