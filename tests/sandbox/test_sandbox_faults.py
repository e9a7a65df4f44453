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


PARTY = LANDMARKS["exante_party"]
CREATE = {
    "target_party_uid": PARTY,
    "owner_uid": LANDMARKS["exante_owner"],
    "document_uid": LANDMARKS["exante_document"],
    "invoice_number": "007-A/1",
}


@pytest.mark.parametrize(
    ("change", "number"),
    [
        ("cut", "007"),
        ("strip", "7A1"),
        ("prefix", "SBX-007-A/1"),
        ("renumber", "R-000002"),
        ("blank", "INV-2026-00001"),
    ],
)
def test_a_provider_may_store_another_number(
    app: Sandbox, exante: Caller, change: str, number: str
) -> None:
    """The create is a success, and response and storage agree on a number that was not sent."""
    control(app, "POST", "faults", {"kind": "alter_number", "change": change})
    exante("GET", "/api/invoices")
    reply = exante("POST", "/api/invoices", CREATE)
    uid = reply.json["data"]["uid"]
    stored = exante("GET", f"/api/invoices/{uid}").json["data"]

    assert (200, number) == (reply.status, reply.json["data"]["invoice_number"])
    assert number == stored["invoice_number"]


@pytest.mark.parametrize("change", ["cut", "strip", "prefix", "renumber", "blank"])
def test_a_changed_number_has_another_dialect_too(app: Sandbox, change: str) -> None:
    """Kukkingu stores no number as it was sent either."""
    control(app, "POST", "faults", {"kind": "alter_number", "change": change})
    reply = create(app).reply()

    assert reply.status == 200
    assert reply.json["data"]["invoiceNumber"] != "F-1"


def test_an_unreadable_body_has_no_number_to_change(app: Sandbox, exante: Caller) -> None:
    """What is no JSON object is refused as without the fault."""
    control(app, "POST", "faults", {"kind": "alter_number", "times": 2})
    bodies = (b"{", b"[1]")

    assert [400, 400] == [exante("POST", "/api/invoices", raw=body).status for body in bodies]


@pytest.mark.parametrize("done", [False, True])
def test_an_update_may_be_answered_with_the_old_values(
    app: Sandbox,
    exante: Caller,
    done: bool,  # noqa: FBT001
) -> None:
    """One invoice or an array: a success shows what was there before, carried out or not."""
    fault = {"kind": "old_values", "after_commit": done, "times": 2}
    uid = exante("POST", "/api/invoices", CREATE).json["data"]["uid"]
    control(app, "POST", "faults", fault)
    one = exante("PUT", f"/api/invoices/{uid}", {"invoice_number": "NEW"})
    stored = exante("GET", f"/api/invoices/{uid}").json["data"]["invoice_number"]
    many = exante("PUT", "/api/invoices", [{"uid": uid, "invoice_number": "NEWER"}])

    assert (200, "007-A/1") == (one.status, one.json["data"]["invoice_number"])
    assert ("NEW" if done else "007-A/1") == stored
    assert (200, [stored]) == (many.status, [row["invoice_number"] for row in many.json["data"]])
    assert control(app, "GET", "faults")["faults"] == []


@pytest.mark.parametrize("done", [False, True])
def test_a_finalize_may_be_answered_with_the_old_status(
    app: Sandbox,
    kukkingu: Caller,
    done: bool,  # noqa: FBT001
) -> None:
    """The response to a move shows the status from before."""
    invoice_id = create(app).reply().json["data"]["id"]
    control(app, "POST", "faults", {"kind": "old_values", "after_commit": done})
    reply = kukkingu("POST", f"/api/v1/invoices/{invoice_id}/finalize")
    stored = kukkingu("GET", f"/api/v1/invoices/{invoice_id}").json["data"]["status"]

    assert (200, "DRAFT") == (reply.status, reply.json["data"]["status"])
    assert ("FINALIZED" if done else "DRAFT") == stored


def test_what_cannot_be_read_before_is_answered_as_ever(
    app: Sandbox, exante: Caller, katsu: Caller
) -> None:
    """A create, an unknown invoice, a refused update and Katsu Pay, which documents no read."""
    uid = exante("POST", "/api/invoices", CREATE).json["data"]["uid"]
    control(app, "POST", "faults", {"kind": "old_values", "after_commit": True, "times": 6})
    unknown = "00000000-0000-0000-0000-000000000000"

    assert [404, 404, 400, 400, 200, 200] == [
        exante("PUT", f"/api/invoices/{unknown}", {"invoice_number": "X"}).status,
        exante("PUT", "/api/invoices", [{"uid": unknown, "invoice_number": "X"}]).status,
        exante("PUT", f"/api/invoices/{uid}", {"invoice_number": 1}).status,
        exante("PUT", f"/api/invoices/{uid}", raw=b"{").status,
        exante("POST", "/api/invoices", {**CREATE, "invoice_number": "B"}).status,
        katsu("PUT", "/api/v1/Invoice/Update", {"id": LANDMARKS["katsu_invoice"]}).status,
    ]


@pytest.mark.parametrize("word", ["ok", "pending", ""])
def test_a_success_may_say_another_status_word(app: Sandbox, exante: Caller, word: str) -> None:
    """The word is the only thing that changes; a refusal keeps its own."""
    control(app, "POST", "faults", {"kind": "status_word", "word": word, "times": 2})
    reply = exante("POST", "/api/invoices", CREATE)
    refusal = exante("POST", "/api/invoices", {})

    assert (200, word, "007-A/1") == (
        reply.status,
        reply.json["status"],
        reply.json["data"]["invoice_number"],
    )
    assert int(reply.headers["content-length"]) == len(reply.body)
    assert (400, "error") == (refusal.status, refusal.json["status"])


@pytest.mark.parametrize(("seconds", "announced"), [(1, "timeout=1"), (0.25, "timeout=1")])
def test_a_response_announces_how_long_its_connection_is_kept(
    app: Sandbox, seconds: float, announced: str
) -> None:
    """In whole seconds, as the header field has it, and at least one."""
    control(app, "POST", "faults", {"kind": "keep_alive", "seconds": seconds})

    assert create(app).reply().headers["keep-alive"] == announced


def test_a_duplicate_needs_a_connection(app: Sandbox) -> None:
    """In one process there are no bytes to write twice, and the response is the usual one."""
    control(app, "POST", "faults", {"kind": "duplicate"})

    assert create(app).reply().status == 200
