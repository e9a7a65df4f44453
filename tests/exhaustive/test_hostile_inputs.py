"""What comes from outside is refused, encoded or bounded: headers, addresses, JSON and bombs."""

from __future__ import annotations

import json
import os
import pickle
import subprocess
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any, Final
from urllib.parse import parse_qsl, urlsplit

import httpx
import pytest

from _support.hostile.bombs import BOMBS, MIB, response_to
from _support.hostile.calls import BASE_URLS, CALLS, TENANT, Call, client_for
from _support.hostile.json_values import BODIES, VALUES
from _support.hostile.server import Bytes, header_of, serving
from billingual import AsyncClient, Client, Filter, MemoryTransport, errors
from billingual.auth import checked_base_url
from billingual.wire import WireResponse

VALUES_OF_HEADERS: Final = (
    "x\r\nX-Evil: 1", "x\nX-Evil: 1", "x\rX-Evil: 1", "\r\n\r\nGET /evil HTTP/1.1", "x\0", "\0",
    "x\x0bX-Evil: 1", "x\x0cy", "x\x1by", "x\x7f", "x\x85X-Evil: 1", "x\u2028X-Evil: 1", "é", "ł",
    "😀", "\ud800", " x", "x ", "\t", "", "x" * 100_000, "%0d%0aX-Evil: 1", "嘊嘍X-Evil: 1",
)  # fmt: skip


@pytest.mark.parametrize("scope", ["tenant", "organization"])
def test_no_hostile_scope_is_taken(scope: str) -> None:
    """A tenant or organization that could end a header line is refused as the client is made."""
    provider = {"tenant": "kukkingu", "organization": "exante"}[scope]
    good = {"tenant": TENANT, "organization": "3c90c3cc-0d44-4b50-8888-8dd25736052a"}[scope]
    for value in VALUES_OF_HEADERS:
        for hostile in (value, good + value, value + good, good[:-1] + value):
            if hostile == good:
                continue
            with pytest.raises(errors.InvalidInputError, match=scope):
                AsyncClient(provider, token="t", transport=MemoryTransport(), **{scope: hostile})


@pytest.mark.parametrize("provider", ["exante", "kukkingu"])
def test_hostile_parameters_are_encoded(step: Any, make_backend: Any, provider: str) -> None:
    """Names and values of extra parameters come out as they went in, and nowhere else."""
    transport = MemoryTransport(lambda _: WireResponse(status=404))
    client = client_for(provider, token="t", transport=transport, backend=make_backend())
    taken = 0
    for value in VALUES_OF_HEADERS:
        for pair in (("name", value), (value, "value"), (value, value)):
            transport.requests.clear()
            try:
                step(client.list(Filter(extra_params=dict([pair]))).first())
            except errors.InvalidInputError:
                assert transport.requests == []
            except errors.NotFoundError:
                taken += 1
                parts = urlsplit(transport.requests[0].url)
                said = parse_qsl(parts.query, keep_blank_values=True)

                assert transport.requests[0].url.isascii()
                assert transport.requests[0].url.isprintable()
                assert parts.fragment == ""
                assert f"{parts.scheme}://{parts.netloc}" == BASE_URLS[provider]
                assert pair in said
    assert taken > 30


def test_no_parameter_injects_a_header_on_a_wire() -> None:
    """A real server sees one request line and our own headers, whatever the parameters are."""
    ours = {
        b"host", b"accept", b"user-agent", b"accept-encoding", b"authorization", b"tenant-id",
        b"connection",
    }  # fmt: skip
    with (
        serving(
            lambda _: Bytes((b"HTTP/1.1 404 No\r\nContent-Length: 0\r\n\r\n",), "keep")
        ) as here,
        client_for("kukkingu", Client, base_url=here.url, token="t") as client,
    ):
        for value in VALUES_OF_HEADERS[:-3]:
            with suppress(errors.InvalidInputError, errors.NotFoundError):
                client.list(Filter(extra_params={"name": value, f"n{value}": "x"})).first()

        assert len(here.requests) > 10
        for request in here.requests:
            head, _, rest = request.partition(b"\r\n\r\n")
            names = {line.partition(b":")[0].lower() for line in head.split(b"\r\n")[1:]}

            assert names <= ours
            assert b"" == rest
            assert "" == header_of(head, "x-evil")


REFUSED_URLS: Final = (
    "", " ", "/", "x", "home.example", "//home.example", "https:", "https:/", "https://",
    "https:///",
    "https:home.example", "https:/home.example", "https:///home.example", "https://:443",
    "ftp://home.example", "file:///etc/passwd", "javascript:alert(1)", "data:,x",
    "ws://home.example",
    "https+unix://x", "http://home.example", "HTTP://home.example", "http://127.0.0.1.evil.example",
    "http://localhost.evil.example", "http://evil.example#localhost",
    "http://localhost@evil.example",
    "http://127.0.0.1@evil.example", "http://0.0.0.0", "http://10.0.0.1", "http://169.254.169.254",
    "http://[fe80::1]", "http://[::2]", "http://0", "http://2130706433x", "http://xlocalhost",
    "https://user@home.example", "https://user:pass@home.example", "https://@home.example",
    "https://:@home.example", "https://home.example?x", "https://home.example/?",
    "https://h.example#",
    "https://home.example/#x", "https://home.example/?x=1", "https://home.example:x",
    "https://home.example:99999", "https://home.example:-1", "https://home.example: 443",
    "https://home example", " https://home.example", "https://home.example ",
    "https://home.example\n",
    "https://home.example\r\nX-Evil: 1", "https://ho\tme.example", "https://home.example/\0",
    "https://hömé.example", "https://home.example/é", "https://home。example", "https://[::1",
    "https://[x]", "https://home.example\u2028", "\u200bhttps://home.example",
    "https://home.example\\@evil.example", "https://evil.example\\.home.example",
    "https://home.example\\evil", "https:\\\\home.example", "https://home.example%00.evil.example",
    "https://home.example%2f@evil.example", "https://exa%6dple.example", "https://a|b.example",
    "https://a<b>.example", "https://home.example/a b", "https://..", "https://.home.example",
    "https://home..example", "https://home.example/../x",
    "https://home.example/./x", "https://home.example/%2e%2e/x", "https://home.example/x/..",
)  # fmt: skip
TAKEN_URLS: Final = {
    "https://home.example": "https://home.example",
    "https://home.example/": "https://home.example",
    "https://home.example:8443/pay/": "https://home.example:8443/pay",
    "http://localhost:8080": "http://localhost:8080",
    "http://127.0.0.1": "http://127.0.0.1",
    "http://127.9.9.9:1": "http://127.9.9.9:1",
    "http://[::1]:80": "http://[::1]:80",
    "https://xn--bcher-kva.example": "https://xn--bcher-kva.example",
    "https://10.0.0.1/x": "https://10.0.0.1/x",
}
NO_TEXTS: Final = (b"https://home.example", 7, 1.5, ["https://home.example"], object())


@pytest.mark.parametrize("url", REFUSED_URLS, ids=ascii)
def test_no_hostile_address_is_taken(url: str) -> None:
    """A base URL is https, or loopback; it has no user, query, fragment or doubtful host."""
    with pytest.raises(errors.ConfigurationError):
        AsyncClient("exante", token="t", base_url=url)


@pytest.mark.parametrize("url", NO_TEXTS, ids=lambda value: type(value).__name__)
def test_no_address_that_is_no_text_is_taken(url: Any) -> None:
    """A base URL of another kind is refused as one of ours."""
    with pytest.raises(errors.ConfigurationError):
        AsyncClient("exante", token="t", base_url=url)


@pytest.mark.parametrize("url", TAKEN_URLS)
def test_good_addresses_are_accepted(url: str) -> None:
    """And mean to httpx what they mean to us."""
    taken = checked_base_url(url)
    seen = httpx.URL(taken)

    assert TAKEN_URLS[url] == taken
    assert urlsplit(taken).hostname == seen.raw_host.decode().strip("[]")
    assert "http://home.example" == checked_base_url("http://home.example", allow_insecure=True)


def test_every_address_that_is_taken_means_one_thing(proof: Any) -> None:
    """Whatever address passes, httpx and the standard library see the same host, port and path."""
    import random  # noqa: PLC0415 - drawn here alone

    chance = random.Random(proof.seed)  # noqa: S311 - reproducible chance is the point
    atoms = [
        "https://", "http://", "home.example", "127.0.0.1", "localhost", "[::1]", "/", "\\",
        "@", ":",
        "443", "%2f", "%00", "..", ".", ";", "|", "^", "evil.example", "[", "]", "a", "-", "_", "*",
        "//", "%", "~", "xn--", "=", "&", "!", "$", "'", "(", "+", ",", "<", '"', "`", "{",
    ]  # fmt: skip
    taken = 0
    for _ in range(proof.amount(10_000, 1_000_000)):
        url = chance.choice(["https://", "https://", "http://"]) + "".join(
            chance.choices(atoms, k=chance.randrange(1, 6))
        )
        try:
            base = checked_base_url(url)
        except errors.ConfigurationError:
            continue
        taken += 1
        ours = urlsplit(base)
        try:
            sent = httpx.URL(f"{base}/api/invoices")
        except httpx.InvalidURL:
            continue  # it is refused before anything is sent, by the transport

        assert ((ours.hostname or "").strip("[]"), ours.scheme) == (
            sent.raw_host.decode(),
            sent.scheme,
        ), (proof.seed, url)
        assert "@" not in sent.netloc.decode(), (proof.seed, url)
        assert sent.path.endswith("/api/invoices"), (proof.seed, url)
    assert taken > 1_000


@pytest.mark.sampled(2)
@pytest.mark.parametrize("call", CALLS, ids=str)
@pytest.mark.parametrize("status", [200, 422])
def test_hostile_json_ends_in_our_own_words(
    proof: Any, step: Any, make_backend: Any, call: Call, status: int
) -> None:
    """Every value in every place of a response: a model, or an error of ours that can be told."""
    bodies: dict[str, bytes] = {}
    client = client_for(
        call.provider,
        token="a-token",
        transport=MemoryTransport(lambda _: WireResponse(status=status, body=bodies["now"])),
        backend=make_backend(),
        retry="none",
    )
    templates = BODIES[call.provider]
    chosen = templates if proof.full else templates[CALLS.index(call) % 3 :: 3]
    for template in chosen:
        for name, value in VALUES.items():
            bodies["now"] = template.replace(b"@", value)
            end = _end_of(lambda: step(call.make(client)))
            said = f"{end}{end!r}"

            assert said.encode(), (name, template)
            if isinstance(end, errors.BillingualError):
                again = pickle.loads(pickle.dumps(end))  # noqa: S301 - our own

                assert len(said) < 3_000, (name, template)
                assert (type(end), str(end)) == (type(again), str(again)), (name, template)
            else:
                assert status == 200, (name, template)


def _end_of(call: Callable[[], Any]) -> Any:
    """Return what *call* returns, or the error of ours that it raises; others go up."""
    try:
        return call()
    except errors.BillingualError as error:
        return error


def test_numbers_stay_what_they_are(step: Any, make_backend: Any) -> None:
    """A number beyond all use is no attribute; no arithmetic is tried with it, and it is told."""
    body = b'{"data": {"id": "inv_%s", "exchangeRate": 1e999999}}' % (b"a" * 24)
    client = client_for(
        "kukkingu",
        token="a-token",
        transport=MemoryTransport([WireResponse(status=200, body=body)]),
        backend=make_backend(),
    )
    invoice = step(client.get(f"inv_{'a' * 24}"))

    assert invoice.exchange_rate is None
    assert ["$.data.exchangeRate"] == [each.path for each in invoice.problems]


def _number_in(request: bytes) -> int:
    uid = request.split(b" ", 2)[1].rpartition(b"/")[2]
    return int(uid[-12:], 16)


def test_no_bomb_fills_the_memory(proof: Any) -> None:
    """Twenty bombs: each ends in an error of ours; the peak stays below the bound and 48 MiB."""
    program = str(Path(__file__).parents[1] / "_support" / "hostile" / "bombs.py")
    for backend in ("asyncio", "blocking", "trio") if proof.full else ("asyncio",):
        with serving(lambda request: Bytes(response_to(_number_in(request)))) as server:
            done = subprocess.run(
                [sys.executable, program, server.url, backend],
                env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)},
                capture_output=True, text=True, timeout=100, check=False,
            )  # fmt: skip

        assert (0, "") == (done.returncode, done.stderr)
        report = json.loads(done.stdout)
        ended, grown = report["ended"], report["grown"]

        assert set(BOMBS) == set(ended)
        assert {} == {name: kind for name, kind in ended.items() if "Billingual" not in kind}
        assert {} == {name: size for name, size in grown.items() if size >= (64 + 48) * MIB}
