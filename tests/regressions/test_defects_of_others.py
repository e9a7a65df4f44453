"""Fifteen defects that other SDKs shipped, each turned into a test that we do not have it.

The numbers are those of the list of defects, which were found by running released packages:
apideck-unify 0.52.0, MergePythonClient 4.2.1, squareup 46.0.0, stripe 16.1.0, chargebee 3.29.0,
lago 1.55.0, azure-core 1.41.0, elastic-transport 9.4.2, openai 3.52.0 and anthropic 2.11.0.
"""

from __future__ import annotations

import json
import re
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from typing import Any

import anyio
import httpx  # noqa: F401 - imported before blocking is watched for
import pytest
import trustme

from billingual import AsyncClient, Client, Draft, MemoryTransport, Retry, Timeouts, errors
from billingual.outcomes import Evidence
from billingual.sandbox import LANDMARKS
from billingual.wire import Headers, WireRequest, WireResponse

UID = LANDMARKS["exante_party"]
EXANTE = Draft(number="D-1", counterparty=UID, owner=UID, document=UID)
TIMED_OUT = errors.TimedOutError(
    "no response came.",
    evidence=Evidence(connected=True, request_complete=True, response_begun=False),
)


def response(status: int, body: Any = None, **headers: str) -> WireResponse:
    """Make a response; a body that is no bytes is written as JSON."""
    raw = body if isinstance(body, bytes) else json.dumps(body or {}).encode()
    fields = [(name.replace("_", "-"), value) for name, value in headers.items()]
    return WireResponse(status=status, headers=Headers(fields), body=raw)


def invoice(number: str = "D-1") -> dict[str, Any]:
    """Make the payload of one invoice."""
    return {"uid": UID, "invoice_number": number}


def page(number: int, rows: list[dict[str, Any]], pages: int) -> WireResponse:
    """Make one page of a list."""
    meta = {"page": number, "total_pages": pages}
    return response(200, {"status": "success", "data": {"items": rows, "_meta": meta}})


def client_of(backend: Any, responses: Any, provider: str = "exante", **options: Any) -> Any:
    """Make a client over responses, with its transport."""
    transport = MemoryTransport(responses)
    return AsyncClient(provider, transport=transport, backend=backend, **options), transport


class NotAnswering:
    """Answer every request alike, for ever."""

    def __init__(self, say: WireResponse | errors.BillingualError) -> None:
        self.say = say

    def __call__(self, request: WireRequest) -> Any:
        return self.say


def test_01_a_create_answered_503_is_sent_once(step: Any, backend: Any) -> None:
    """Defect 1: 26 POSTs over a quarter of an hour."""
    client, transport = client_of(backend, NotAnswering(response(503)), retry="patient")

    with pytest.raises(errors.OutcomeUnknown):
        step(client.create(EXANTE))

    assert 1 == len(transport.requests)
    assert [] == backend.sleeps


def test_02_a_create_that_times_out_is_sent_once_and_timeouts_are_on(
    step: Any, backend: Any
) -> None:
    """Defect 2: 26 POSTs, with all timeouts off."""
    bounds: list[Any] = []

    class Silent(MemoryTransport):
        async def send(self, request: WireRequest, given: Any) -> WireResponse:
            bounds.append(given)
            return await super().send(request, given)

    transport = Silent(NotAnswering(TIMED_OUT))
    client = AsyncClient("exante", transport=transport, backend=backend)

    with pytest.raises(errors.OutcomeUnknown):
        step(client.create(EXANTE))

    assert 1 == len(transport.requests)
    assert [Timeouts(connect=5.0, write=10.0, read=30.0, pool=5.0)] == [
        each.timeouts for each in bounds
    ]
    assert 60.0 == bounds[0].deadline.left()


class Pages(threading.Thread):
    """Serve two pages of a list over a real socket, one connection, in a thread."""

    def __init__(self) -> None:
        super().__init__(daemon=True)
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self.listener.getsockname()[1]}"

    def run(self) -> None:
        connection, _ = self.listener.accept()
        with connection:
            for number in (1, 2):
                data = b""
                while b"\r\n\r\n" not in data:
                    data += connection.recv(65536)
                row = {"uid": UID[:-1] + str(number), "invoice_number": str(number)}
                body = page(number, [row], 2).body
                connection.sendall(
                    b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body)
                )


@pytest.mark.asyncio
async def test_03_the_second_page_is_awaited_too(never_blocking: None) -> None:
    """Defect 3: the second page of an async list was fetched by the blocking client."""
    server = Pages()
    server.start()

    async with AsyncClient("exante", token="t", base_url=server.url) as client:
        numbers = [row.number async for row in client.list()]
    server.listener.close()

    assert ["1", "2"] == numbers


@pytest.mark.parametrize("most", [1, 2, 3, 4, 7])
def test_04_the_number_of_attempts_is_the_configured_one(
    step: Any, backend: Any, most: int
) -> None:
    """Defect 4: a counter that began at 2."""
    client, transport = client_of(backend, NotAnswering(response(503)), retry=Retry(attempts=most))

    with pytest.raises(errors.ServerError) as caught:
        step(client.get(UID))

    assert most == len(transport.requests) == len(caught.value.attempts)
    assert most - 1 == len(backend.sleeps)


@pytest.mark.parametrize(
    ("provider", "draft", "options"),
    [
        pytest.param("exante", EXANTE, {}, id="05 with a number"),
        pytest.param(
            "exante", Draft(counterparty=UID, owner=UID, document=UID), {}, id="08 without"
        ),
        pytest.param("exante", EXANTE, {"retry": "standard"}, id="15 by name"),
    ],
)
def test_05_08_15_a_create_answered_503_is_sent_once_by_default(
    step: Any, backend: Any, provider: str, draft: Draft, options: dict[str, Any]
) -> None:
    """Defects 5, 8 and 15: three POSTs without a key, by default."""
    client, transport = client_of(backend, NotAnswering(response(503)), provider, **options)

    with pytest.raises(errors.OutcomeUnknown) as caught:
        step(client.create(draft))

    assert 1 == len(transport.requests)
    assert caught.value.maybe_applied


def test_06_retry_after_in_milliseconds_is_obeyed(step: Any, backend: Any) -> None:
    """Defect 6: ``retry-after-ms`` was ignored, its type error swallowed."""
    late = response(429, retry_after_ms="50")
    client, _ = client_of(
        backend, [late, response(200, {"data": invoice()})], retry=Retry(throttled_s=0.0)
    )

    step(client.get(UID))

    assert [0.05] == pytest.approx(backend.sleeps)


def test_07_an_empty_page_is_not_the_end(step: Any, backend: Any) -> None:
    """Defect 7: what came after an empty page was never reached."""
    first, last = {"uid": UID[:-1] + "1"}, {"uid": UID[:-1] + "2"}
    client, _ = client_of(backend, [page(1, [first], 3), page(2, [], 3), page(3, [last], 3)])

    async def ids() -> list[str]:
        return [row.id async for row in client.list()]

    assert [first["uid"], last["uid"]] == step(ids())


@pytest.mark.asyncio
async def test_09_a_proxy_works_for_awaited_calls() -> None:
    """Defect 9: a proxy made every async call fail with a type error, which was retried."""
    with socket.create_server(("127.0.0.1", 0)) as proxy:
        seen: list[bytes] = []

        def serve() -> None:
            connection, _ = proxy.accept()
            with connection:
                seen.append(connection.recv(65536))
                body = json.dumps({"data": invoice()}).encode()
                connection.sendall(
                    b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body)
                )

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        url = f"http://127.0.0.1:{proxy.getsockname()[1]}"
        async with AsyncClient(
            "exante", token="t", base_url="http://localhost:9", proxy=url
        ) as client:
            got = await client.get(UID)
        await anyio.to_thread.run_sync(thread.join)

    assert UID == got.id
    assert seen[0].startswith(b"GET http://localhost:9/api/invoices/")


def test_10_a_rate_limit_ends_after_the_configured_attempts(step: Any, backend: Any) -> None:
    """Defect 10: 13 sends 5 ms apart instead of 3, with ``Retry-After: 7``."""
    client, transport = client_of(
        backend, NotAnswering(response(429, retry_after="7")), retry=Retry(attempts=3)
    )

    with pytest.raises(errors.RateLimitedError) as caught:
        step(client.get(UID))

    assert 3 == len(transport.requests)
    assert all(slept >= 7 for slept in backend.sleeps)
    assert 7.0 == caught.value.retry_after


@pytest.fixture
def authority() -> trustme.CA:
    """Return an authority that is in no trust store."""
    return trustme.CA()


@pytest.fixture
def flaky_tls_server(authority: trustme.CA) -> Iterator[str]:
    """Serve TLS: the first connection is answered by a 503, the second by an invoice."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("localhost").configure_cert(context)
    listener = socket.create_server(("127.0.0.1", 0))
    good = json.dumps({"data": invoice()}).encode()

    def serve() -> None:
        for status, body in ((b"503 No", b""), (b"200 OK", good)):
            plain, _ = listener.accept()
            with context.wrap_socket(plain, server_side=True) as connection:
                connection.recv(65536)
                head = b"HTTP/1.1 %s\r\nConnection: close\r\nContent-Length: %d\r\n\r\n"
                connection.sendall(head % (status, len(body)) + body)

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    yield f"https://localhost:{listener.getsockname()[1]}"
    listener.close()
    thread.join(120)


def test_10_trust_is_the_same_for_each_attempt(
    authority: trustme.CA, flaky_tls_server: str
) -> None:
    """Defect 10: a caller's own TLS context was lost from the second attempt on."""
    tls = ssl.create_default_context()
    authority.configure_trust(tls)

    with Client(
        "exante", token="t", base_url=flaky_tls_server, tls=tls, retry=Retry(base_s=0.0)
    ) as client:
        assert UID == client.get(UID).id


def test_11_a_503_in_html_is_a_503(step: Any, backend: Any) -> None:
    """Defect 11: the error said 500."""
    html = response(503, b"<html>busy</html>", content_type="text/html")
    client, _ = client_of(backend, [html], retry="none")

    with pytest.raises(errors.ServerError) as caught:
        step(client.get(UID))

    assert (503, b"<html>busy</html>") == (caught.value.status, caught.value.body)


@pytest.mark.parametrize("status", [409, 429, 503])
def test_12_no_call_waits_for_a_day(step: Any, backend: Any, status: int) -> None:
    """Defect 12: three sleeps of 86,400 s after a 409."""
    client, transport = client_of(
        backend, NotAnswering(response(status, retry_after="86400")), retry="patient"
    )

    with pytest.raises(errors.BillingualError):
        step(client.get(UID))

    assert 1 == len(transport.requests)
    assert [] == backend.sleeps


def test_13_listing_is_iterative(step: Any, backend: Any) -> None:
    """Defect 13: a RecursionError after some hundred pages, empty ones above all."""
    pages = 3000

    def responses(request: WireRequest) -> WireResponse:
        number = int(re.search(r"[?&]page=(\d+)", request.url)[1])
        row = {"uid": f"{number:08d}-0000-4000-8000-000000000000"}
        return page(number, [row] if number % 4 == 0 else [], pages)

    client, transport = client_of(backend, responses)

    async def count() -> int:
        return sum([1 async for _ in client.list(page_size=1)])

    assert pages // 4 == step(count())
    assert pages == len(transport.requests)


@pytest.mark.parametrize(
    ("status", "operation", "sends"),
    [
        pytest.param(429, lambda client: client.create(EXANTE), 2, id="a create"),
        pytest.param(429, lambda client: client.get(UID), 2, id="a read"),
        pytest.param(503, lambda client: client.get(UID), 2, id="a read of an ailing server"),
    ],
)
def test_14_retry_after_is_waited_for(
    step: Any, backend: Any, status: int, operation: Callable[[Any], Any], sends: int
) -> None:
    """Defect 14: four sends and no wait at all with ``Retry-After: 9``."""
    client, transport = client_of(
        backend, [response(status, retry_after="9"), response(200, {"data": invoice()})]
    )

    step(operation(client))

    assert sends == len(transport.requests)
    assert 1 == len(backend.sleeps)
    assert backend.sleeps[0] >= 9
