"""Faults in process: what each kind does to the response and to the data."""

from __future__ import annotations

from typing import Any

import anyio
import httpx
import pytest

from _support.sandbox_app import Caller, SuspendedError, control, step
from billingual.sandbox import LANDMARKS, DroppedConnection, Sandbox, create_app

LIST = "/kukkingu/api/v1/invoices"
NEW = (
    b'{"contractId": "%s", "invoiceNumber": "F-1", "exchangeRate": 1, "currencyCode": "EUR",'
    b' "amountMinor": 1}' % LANDMARKS["kukkingu_contract"].encode()
)


def create(app: Sandbox, **options: Any) -> Any:
    """Send a create and give the server's side of it."""
    headers = {**Caller(app, "kukkingu").headers, "content-type": "application/json"}
    return step(app, "POST", LIST, headers=headers, body=NEW, **options)


def committed(app: Sandbox) -> bool:
    """Tell whether the create took effect."""
    rows = control(app, "GET", "invoices?provider=kukkingu")["invoices"]
    return any(row["number"] == "F-1" for row in rows)


@pytest.mark.parametrize(
    ("kind", "effect"), [("drop_before_commit", False), ("drop_after_commit", True)]
)
def test_a_drop_sends_nothing(app: Sandbox, kind: str, effect: bool) -> None:  # noqa: FBT001
    """The connection is cut once, without a message; the effect depends on the kind."""
    control(app, "POST", "faults", {"kind": kind})
    exchange = create(app)

    assert (exchange.messages, exchange.dropped) == ([], 1)
    assert effect == committed(app)


@pytest.mark.parametrize("kind", ["drop_before_commit", "drop_after_commit", "truncate"])
def test_without_the_extension_a_drop_raises(app: Sandbox, kind: str) -> None:
    """A server that cannot cut the connection gets an exception instead."""
    control(app, "POST", "faults", {"kind": kind})

    with pytest.raises(DroppedConnection):
        create(app, extensions={})


@pytest.mark.parametrize(
    ("how", "part"),
    [
        ({"after_bytes": 10}, 10),
        ({"after_bytes": 0}, 0),
        ({"after_bytes": 10**6}, -1),
        ({"fraction": 0}, 0),
        ({"fraction": 1}, -1),
    ],
    ids=str,
)
def test_a_truncation_promises_more_than_it_sends(
    app: Sandbox, how: dict[str, float], part: int
) -> None:
    """The length header tells the whole, the body is always shorter, and the effect is there."""
    control(app, "POST", "faults", {"kind": "truncate", **how})
    exchange = create(app)
    reply = exchange.reply()
    length = int(reply.headers["content-length"])

    assert (part if part >= 0 else length - 1) == len(reply.body)
    assert (reply.status, exchange.dropped, exchange.messages[-1]["more_body"]) == (200, 1, True)
    assert committed(app)


@pytest.mark.parametrize(
    ("retry_after", "header"),
    [(7, "7"), ("Sat, 21 Nov 2026 09:01:00 GMT", "Sat, 21 Nov 2026 09:01:00 GMT"), (None, None)],
)
def test_a_rate_limit_says_when_to_come_back(
    app: Sandbox, retry_after: object, header: str | None
) -> None:
    """429 in the provider's shape, `Retry-After` as asked for, and no effect."""
    control(app, "POST", "faults", {"kind": "rate_limit", "retry_after": retry_after})
    reply = create(app).reply()

    assert (429, header, 429) == (
        reply.status,
        reply.headers.get("retry-after"),
        reply.json["statusCode"],
    )
    assert not committed(app)


BODIES = {
    "json": ("application/json", b'{"statusCode":502'),
    "html": ("text/html; charset=utf-8", b"<!doctype html>"),
    "empty": (None, b""),
    "text": ("text/plain; charset=utf-8", b"Injected status 502"),
    "json_as_text": ("text/plain; charset=utf-8", b'{"statusCode":502'),
    "text_as_json": ("application/json", b"Injected status 502"),
}


@pytest.mark.parametrize("kind", sorted(BODIES))
def test_a_status_can_come_with_any_body(app: Sandbox, kind: str) -> None:
    """The label and the content may contradict one another, as they do in the field."""
    control(app, "POST", "faults", {"kind": "status", "status": 502, "body_kind": kind})
    reply = create(app).reply()
    label, beginning = BODIES[kind]

    assert (502, label) == (reply.status, reply.headers.get("content-type"))
    assert beginning == reply.body[: len(beginning)]
    assert bool(beginning) == bool(reply.body)
    assert not committed(app)


def test_a_status_can_strike_after_the_effect(app: Sandbox) -> None:
    """A 500 may hide a success."""
    control(app, "POST", "faults", {"kind": "status", "status": 500, "after_commit": True})

    assert create(app).reply().status == 500
    assert committed(app)


def test_a_204_has_no_body(app: Sandbox) -> None:
    """Whatever body is asked for, a status that may carry none carries none."""
    control(app, "POST", "faults", {"kind": "status", "status": 204, "body_kind": "html"})

    assert create(app).reply().body == b""


@pytest.mark.parametrize("after", [False, True])
def test_a_latency_sleeps_before_or_after_the_effect(after: bool) -> None:  # noqa: FBT001
    """The injected sleep gets the seconds, and the request is carried out all the same."""
    seen: list[tuple[float, bool]] = []

    async def sleep(seconds: float) -> None:
        seen.append((seconds, committed(app)))

    app = create_app(invoices=5, sleep=sleep)
    control(app, "POST", "faults", {"kind": "latency", "seconds": 2.5, "after_commit": after})

    assert create(app).reply().status == 200
    assert [(2.5, after)] == seen


def test_a_request_that_took_effect_is_logged_while_its_response_waits() -> None:
    """A test that looks at the log meanwhile must not take the sandbox for untouched."""
    logged: list[list[int]] = []

    async def sleep(_: float) -> None:
        entries = control(app, "GET", "requests")["requests"]
        logged.append([entry["status"] for entry in entries])

    app = create_app(invoices=5, sleep=sleep)
    control(app, "POST", "faults", {"kind": "latency", "after_commit": True})

    create(app)
    assert logged == [[200]]
    assert len(control(app, "GET", "requests")["requests"]) == 1


def test_a_sleep_that_fails_is_logged_and_has_no_effect() -> None:
    """An exception from the injected sleep passes through; the request log has the request."""

    async def sleep(seconds: float) -> None:
        raise TimeoutError(seconds)

    app = create_app(invoices=5, sleep=sleep)
    control(app, "POST", "faults", {"kind": "latency"})

    with pytest.raises(TimeoutError):
        create(app)
    assert [entry["status"] for entry in control(app, "GET", "requests")["requests"]] == [None]
    assert not committed(app)


def test_only_a_latency_may_suspend(app: Sandbox) -> None:
    """The default sleep needs an event loop, and is the only thing that does."""
    control(app, "POST", "faults", {"kind": "latency", "seconds": 1})

    with pytest.raises((SuspendedError, RuntimeError, LookupError)):
        create(app)
    assert create(app).reply().status == 200


def test_faults_apply_in_order_and_as_often_as_set(app: Sandbox) -> None:
    """The first match wins and is used up before the next."""
    faults = [{"kind": "status", "status": 500, "times": 2}, {"kind": "rate_limit"}]
    control(app, "POST", "faults", faults)

    assert [create(app).reply().status for _ in range(4)] == [500, 500, 429, 200]


@pytest.mark.parametrize(
    "match",
    [
        {"provider": "exante"},
        {"method": "GET"},
        {"path_suffix": "/void"},
        {"provider": "kukkingu", "method": "POST", "path_suffix": "/Invoices"},
    ],
    ids=str,
)
def test_a_fault_waits_for_the_request_it_is_meant_for(app: Sandbox, match: dict[str, str]) -> None:
    """Provider, method and path ending must all agree."""
    control(app, "POST", "faults", {"kind": "status", **match})

    assert create(app).reply().status == 200
    assert len(control(app, "GET", "faults")["faults"]) == 1


def test_a_fault_that_matches_in_everything_strikes(app: Sandbox) -> None:
    """All three conditions together."""
    match = {"provider": "kukkingu", "method": "POST", "path_suffix": "/invoices"}
    control(app, "POST", "faults", {"kind": "status", **match})

    assert create(app).reply().status == 503


@pytest.mark.parametrize("status", [299, 418, 499, 599])
def test_a_status_without_a_name_has_a_body_too(app: Sandbox, status: int) -> None:
    """Unassigned statuses are answered like any other."""
    control(app, "POST", "faults", {"kind": "status", "status": status})
    reply = create(app).reply()

    assert (reply.status, reply.json["statusCode"]) == (status, status)


def test_a_client_that_leaves_while_sending_has_no_effect(app: Sandbox) -> None:
    """A body that never ends is not carried out, and nothing is answered."""
    incoming = iter(
        [
            {"type": "http.request", "body": NEW, "more_body": True},
            {"type": "http.disconnect"},
        ]
    )
    sent: list[object] = []

    async def receive() -> dict[str, object]:
        return next(incoming)

    async def send(message: object) -> None:
        sent.append(message)

    scope = {"type": "http", "method": "POST", "path": LIST, "headers": []}
    with pytest.raises(StopIteration):
        app(scope, receive, send).send(None)

    assert sent == []
    assert not committed(app)


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
def test_the_default_sleep_works_on_both_event_loops(app: Sandbox, backend: str) -> None:
    """A latency without an injected sleep waits on whichever loop runs."""
    control(app, "POST", "faults", {"kind": "latency", "seconds": 0.001})

    async def call() -> int:
        transport = httpx.ASGITransport(app)
        async with httpx.AsyncClient(transport=transport, base_url="http://sandbox") as client:
            headers = Caller(app, "kukkingu").headers
            return (await client.get(LIST, headers=headers)).status_code

    assert anyio.run(call, backend=backend) == 200
    assert [] == control(app, "GET", "faults")["faults"]
