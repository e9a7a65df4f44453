"""``client.preview...curl()``: run by curl itself, against the sandbox and against a raw server."""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import threading
from collections.abc import Iterable, Iterator
from typing import Any, Final

import attrs
import pytest

from _support.equivalence.row import REPLACEMENT
from _support.small_provider import SMALL
from billingual import (
    AsyncClient,
    Changes,
    Client,
    Draft,
    Filter,
    MemoryTransport,
    Money,
    Secret,
    providers,
)  # fmt: skip
from billingual._pipeline import start_deadline
from billingual.abc import AuthScheme
from billingual.auth import Basic, Bearer, HeaderKey
from billingual.outcomes import Safety
from billingual.preview import PreviewedRequest
from billingual.sandbox import ACCOUNTS, LANDMARKS, Running, running
from billingual.wire import Bounds, Headers, WireRequest

pytestmark = pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not installed")

TOKEN: Final = "canary-7f3a-token"
NASTY: Final = 'it\'s "$HOME" `id` $(id) \\ !x\n\t@ä😀%s'
UID: Final = "550e8400-e29b-41d4-a716-446655440000"


def run(command: str, token: str = TOKEN, **variables: str) -> str:
    """Paste a command into a shell; nothing but the token is known there."""
    environment = {"PATH": os.environ["PATH"], "BILLINGUAL_TOKEN": token, **variables}
    done = subprocess.run(
        ["/bin/sh", "-c", f"{command} --fail --silent --show-error"],
        env=environment, capture_output=True, check=True, timeout=60,
    )  # fmt: skip
    return done.stdout.decode()


@pytest.fixture(scope="module")
def server() -> Iterator[Running]:
    """A sandbox on loopback."""
    with running(seed=7, invoices=12) as made:
        yield made


def client_of(server: Running, provider: str) -> tuple[Client, str]:
    """Make a client of one of the sandbox's accounts, and return its token."""
    account = ACCOUNTS[provider]
    options: dict[str, Any] = {"tenant": account.tenant} if account.tenant else {}
    preset: Any = providers.katsu(currencies={"USD": 1}) if provider == "katsu" else provider
    url = f"{server.url}{account.prefix}"
    return Client(preset, token=account.token, base_url=url, **options), account.token


def _exante(client: Client) -> dict[str, PreviewedRequest]:
    row = client.list(Filter(status="DRAFT")).first()
    assert row is not None
    draft = Draft(
        number="N-1", document=LANDMARKS["exante_document"], due_at="2026-12-31",
        owner=LANDMARKS["exante_owner"], counterparty=LANDMARKS["exante_party"],
    )  # fmt: skip
    preview = client.preview
    return {
        "get": preview.get(row.id),
        "list": preview.list(Filter(search=NASTY[:20], status=["DRAFT", "PAID"]), sort="-due_at"),
        "update": preview.update(row.id, Changes(number=NASTY)),
        "update_many": preview.update_many({row.id: Changes(number="N-2")}),
        "create": preview.create(draft),
        "delete_many": preview.delete_many([row.id]),
    }


def _kukkingu(client: Client) -> dict[str, PreviewedRequest]:
    row = client.list(Filter(status="DRAFT")).first()
    assert row is not None
    draft = Draft(number="N-1", document=LANDMARKS["kukkingu_contract"], total=Money(5, "EUR"),
                  exchange_rate="1")  # fmt: skip
    preview = client.preview
    return {
        "get": preview.get(row.id), "list": preview.list(), "create": preview.create(draft),
        "update": preview.update(row.id, Changes(number=NASTY)),
        "finalize": preview.finalize(row.id), "void": preview.void(row.id),
    }  # fmt: skip


def _katsu(client: Client) -> dict[str, PreviewedRequest]:
    whole = attrs.evolve(REPLACEMENT, description=NASTY)
    return {"update": client.preview.update(LANDMARKS["katsu_invoice"], whole)}


REQUESTS: Final = {"exante": _exante, "kukkingu": _kukkingu, "katsu": _katsu}
SHOWN: Final = {"exante": "invoice_number", "kukkingu": "invoiceNumber"}


@pytest.mark.parametrize("provider", REQUESTS)
def test_curl_does_what_the_client_would(server: Running, provider: str) -> None:
    """Each operation of each dialect is understood, and a value comes through letter for letter."""
    client, token = client_of(server, provider)
    seen = {}
    with client:
        for name, request in REQUESTS[provider](client).items():
            command = request.curl()
            assert token not in command
            seen[name] = json.loads(run(command, token))

    # curl fails on a status that refuses; these say no inside a 200.
    flags = {"status": "success", "succeeded": True}
    for name, body in seen.items():
        assert {key: body[key] for key in flags.keys() & body.keys()}.items() <= flags.items(), name
    if provider != "katsu":
        assert seen["update"]["data"][SHOWN[provider]] == NASTY


class Listener:
    """Keep the bytes of each request, and respond with nothing."""

    def __init__(self, host: str = "127.0.0.1") -> None:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        self._socket = socket.create_server((host, 0), family=family)
        name = f"[{host}]" if ":" in host else host
        self.url = f"http://{name}:{self._socket.getsockname()[1]}"
        self.seen: list[tuple[str, dict[str, str], bytes]] = []
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        while True:
            try:
                connection, _ = self._socket.accept()
            except OSError:
                return
            with connection, connection.makefile("rb") as stream:
                line = stream.readline().decode().strip()
                headers = {}
                while field := stream.readline().decode().strip():
                    name, _, value = field.partition(":")
                    headers[name.lower()] = value.strip()
                body = stream.read(int(headers.get("content-length", "0")))
                self.seen.append((line, headers, body))
                connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}")

    def close(self) -> None:
        self._socket.close()


@pytest.fixture
def listener() -> Iterator[Listener]:
    """A server that keeps what it is sent."""
    made = Listener()
    yield made
    made.close()


class Hmac:
    """A scheme that computes something of the token and of the request."""

    def sign(self, request: WireRequest, token: str) -> Iterable[tuple[str, str]]:
        assert request.url.startswith("http")
        return [("X-Client", "c-1"), ("X-Signature", str(hash(token)))]


SCHEMES: Final[dict[str, tuple[AuthScheme, dict[str, str]]]] = {
    "bearer": (Bearer(), {"authorization": f"Bearer {TOKEN}"}),
    "key": (HeaderKey("X-Api-Key"), {"x-api-key": TOKEN}),
    "prefixed": (HeaderKey("X-Api-Key", "It's `id`: "), {"x-api-key": f"It's `id`: {TOKEN}"}),
    "basic": (Basic("it's"), dict(Basic("it's").sign(WireRequest(
        method="", url="", route="", safety=Safety.READ), TOKEN))),
    "computed": (Hmac(), {"x-signature": "computed by hand"}),
}  # fmt: skip


@pytest.mark.parametrize("name", SCHEMES)
def test_each_scheme_gets_its_token_from_the_variable(listener: Listener, name: str) -> None:
    """What a scheme computes of it has a variable of its own; so has a secret header field."""
    scheme, sent = SCHEMES[name]
    client = Client(
        attrs.evolve(SMALL, auth=scheme), token=TOKEN, base_url=listener.url,
        transport=MemoryTransport(), headers={"X-Gateway": Secret("s3cret-s3cret"), "X-Team": "a"},
    )  # fmt: skip
    command = client.preview.get("i1").curl()
    run(command, BILLINGUAL_X_GATEWAY="from a vault", BILLINGUAL_X_SIGNATURE="computed by hand")
    (_, headers, _) = listener.seen[0]

    assert TOKEN not in command
    assert "s3cret" not in command
    assert {key.lower(): headers.get(key.lower()) for key in sent} == {
        key.lower(): value for key, value in sent.items()
    }
    assert (headers["x-gateway"], headers["x-team"]) == ("from a vault", "a")


BODIES: Final = {
    "text": NASTY.encode(), "nothing": None, "empty": b"", "a file's name": b"@/etc/hostname",
    "no text": bytes(range(256)) + b"'%s\n\n", "lines": b"a\r\nb\n\n",
}  # fmt: skip


@pytest.mark.parametrize("name", BODIES)
@pytest.mark.parametrize("method", ["POST", "DELETE"])
def test_every_body_comes_through_byte_for_byte(listener: Listener, name: str, method: str) -> None:
    """Whatever a shell or curl would make of it; a body is never taken for the name of a file."""
    request = PreviewedRequest(
        method=method, url=f"{listener.url}/a/../{{b,c}}/[1-3]", route="/", body=BODIES[name],
        safety=Safety.READ, headers=Headers([("X-Empty-Type", "1")]),
    )  # fmt: skip
    run(request.curl())
    ((line, headers, body),) = listener.seen

    assert line == f"{method} /a/../{{b,c}}/[1-3] HTTP/1.1"
    assert body == (BODIES[name] or b"")
    assert "content-type" not in headers
    if method == "POST":
        assert headers["content-length"] == str(len(body))


def send(client: Client, request: WireRequest) -> None:
    """Send a request over the transport of a client."""
    context = client._core._context
    bounds = Bounds(timeouts=context.timeouts, deadline=start_deadline(context))
    client._backend.run(context.wire.transport.send(request, bounds))


@pytest.mark.parametrize("provider", REQUESTS)
def test_curl_and_the_client_send_the_same_bytes(
    listener: Listener, server: Running, provider: str
) -> None:
    """One is compared with the other, over a transport."""
    client, token = client_of(server, provider)
    with client:
        requests = REQUESTS[provider](client)
    for request in requests.values():
        moved = attrs.evolve(request, url=request.url.replace(server.url, listener.url))
        run(moved.curl(), token)
        with Client(SMALL, base_url=listener.url) as sender:
            send(sender, moved)
        curl, ours = listener.seen[-2:]

        assert curl[::2] == ours[::2]
        same = ours[1].keys() - {"connection", "accept-encoding"}
        assert {key: curl[1].get(key) for key in same} == {key: ours[1][key] for key in same}
        assert curl[1]["authorization"] == f"Bearer {token}"


def test_an_ipv6_address_is_no_list_of_addresses() -> None:
    """Its brackets are those of curl's patterns."""
    try:
        listener = Listener("::1")
    except OSError:
        pytest.skip("this machine has no IPv6")
    with Client("exante", token=TOKEN, base_url=listener.url, transport="h11") as client:
        run(client.preview.get(UID).curl())
    listener.close()

    assert len(listener.seen) == 1


@pytest.mark.anyio
async def test_an_awaited_client_previews_alike() -> None:
    """A preview is not awaited; a client without a token writes none."""
    async with AsyncClient("exante", transport="sandbox") as client:
        command = client.preview.get(UID).curl()
    async with AsyncClient(SMALL, transport=MemoryTransport()) as client:
        bare = client.preview.get("i1").curl()

    assert '--header "Authorization: Bearer $BILLINGUAL_TOKEN"' in command
    assert "BILLINGUAL" not in bare.replace("billingual", "")
