"""A tape is strict: what is not on it is an error that helps, and what has changed is reported."""

from __future__ import annotations

import json
import re
import warnings
from pathlib import Path
from typing import Any

import pytest

from billingual import AsyncClient, Client, MemoryTransport, errors
from billingual.abc import TransportOptions
from billingual.backends.anyio import AnyioBackend
from billingual.outcomes import Safety
from billingual.retry.classify import classify
from billingual.testing.recording.drift import drift
from billingual.testing.recording.record import RecordTransport, record
from billingual.testing.recording.replay import ReplayTransport, replay
from billingual.transports.sandbox import SandboxTransport
from billingual.wire import Bounds, Deadline, Headers, Timeouts, WireRequest, WireResponse

BOUNDS = Bounds(timeouts=Timeouts.each(10), deadline=Deadline(100.0, lambda: 0.0))


def ask(
    method: str = "GET", url: str = "/api/x", body: bytes | None = None, **changes: Any
) -> WireRequest:
    """Make a request."""
    options: dict[str, Any] = {
        "method": method, "url": f"http://h{url}", "route": "/api/{id}", "body": body,
        "safety": Safety.READ if method == "GET" else Safety.CREATE,
    }  # fmt: skip
    return WireRequest(**{**options, **changes})


def tape_of(path: Path, step: Any, *requests: WireRequest, responses: Any = None) -> Path:
    """Record *requests*; each is answered by its number, or from *responses*."""
    numbered = [MemoryTransport.json(f'{{"n":{place}}}') for place in range(len(requests))]
    transport = RecordTransport(MemoryTransport(responses or numbered), path / "tape.json")
    for request in requests:
        step(transport.send(request, BOUNDS))
    return path / "tape.json"


def test_the_same_request_is_answered_in_the_order_of_the_tape(tmp_path: Path, step: Any) -> None:
    """Requests of one kind keep their order, whatever others come between."""
    tape = tape_of(tmp_path, step, ask(), ask(url="/api/y"), ask())
    player = ReplayTransport(tape)

    urls = ("/api/x", "/api/x", "/api/y")
    bodies = [step(player.send(ask(url=url), BOUNDS)).body for url in urls]

    assert bodies == [b'{"n":0}', b'{"n":2}', b'{"n":1}']
    with pytest.raises(errors.ConfigurationError, match=r"2 times, and was asked once more"):
        step(player.send(ask(), BOUNDS))


@pytest.mark.parametrize(
    ("taped", "asked", "fits"),
    [
        (ask(url="/api/x?a=1&b=2"), ask(url="/api/x?b=2&a=1"), True),
        (ask(url="/api/x?a=%2B1"), ask(url="/api/x?a=%2b1"), True),
        (ask(url="/api/x?a=1"), ask(url="/api/x?a=1&a=1"), False),
        (ask(url="/api/x?a=1"), ask(url="/api/x?a="), False),
        (ask("POST", body=b'{"a":1,"b":[2]}'), ask("POST", body=b'{ "b": [2], "a": 1 }'), True),
        (ask("POST", body=b'{"a":1.0}'), ask("POST", body=b'{"a":1.00}'), False),
        (ask("POST", body=b'{"a":1}'), ask("POST", body=b'{"a":"1"}'), False),
        (ask("POST", body=b'{"a":"#1"}'), ask("POST", body=b'{"a":1}'), False),
        (ask("POST", body=b'{"a":[]}'), ask("POST", body=b'{"a":{}}'), False),
        (ask("POST", body=b"[1,2]"), ask("POST", body=b"[2,1]"), False),
        (ask("POST", body=b"plain"), ask("POST", body=b"plain"), True),
        (ask("POST", body=b"plain"), ask("POST", body=b"other"), False),
        (ask("POST", body=b""), ask("POST"), False),
        (ask("PUT"), ask("PATCH"), False),
        (ask(headers=Headers([("accept", "a")])), ask(headers=Headers([("accept", "b")])), True),
        (ask(headers=Headers([("Authorization", "Bearer one-token")])),
         ask(headers=Headers([("Authorization", "Bearer another")])), True),
        (ask(url="/api/x?token=one-token"), ask(url="/api/x?token=another-token"), True),
    ],
)  # fmt: skip
def test_what_counts_as_the_same_request(
    taped: WireRequest, asked: WireRequest, fits: bool, tmp_path: Path, step: Any  # noqa: FBT001
) -> None:  # fmt: skip
    """Method, path, parameters, tenant and body count; order, spacing and headers do not."""
    player = ReplayTransport(tape_of(tmp_path, step, taped))

    try:
        found = step(player.send(asked, BOUNDS)).status == 200
    except errors.ConfigurationError:
        found = False

    assert fits is found


def test_two_tenants_are_two(tmp_path: Path, step: Any) -> None:
    """Each gets the responses of the tenant in its place, in the order of first mention."""
    first, second = (Headers([("tenant-id", f"tnt_{name * 24}")]) for name in "ab")
    tape = tape_of(tmp_path, step, ask(headers=first), ask(headers=second))
    player = ReplayTransport(tape)

    bodies = [step(player.send(ask(headers=each), BOUNDS)).body for each in (second, first)]

    assert bodies == [b'{"n":0}', b'{"n":1}']


@pytest.mark.parametrize(
    ("asked", "texts"),
    [
        (ask(url="/api/x?page=2"), ["1 (GET /api/x?page=1)", "parameter page: '2' instead of '1'"]),
        (ask(url="/api/z?page=1"), ["path: /api/z instead of /api/x"]),
        (ask("PUT", "/api/y", b'{"a":1,"note":"secret words"}'),
         ["2 (POST /api/y)", "method: PUT instead of POST", "body field $.due: only on the tape",
          "body field $.note: another value"]),
        (ask("POST", "/api/y", b'{"a":1,"note":"n","due":3,"more":{"deep":[true]}}'),
         ["body field $.more.deep[0]: not on the tape"]),
        (ask(url="/api/x?page=1&token=a-fresh-secret"), ["parameter token: not on the tape"]),
        (ask(url="/api/x?page=1", headers=Headers([("tenant-id", "tnt_1234")])),
         ["tenant: another one"]),
    ],
)  # fmt: skip
def test_an_unmatched_request_is_compared_with_the_nearest(
    asked: WireRequest, texts: list[str], tmp_path: Path, step: Any
) -> None:
    """The error shows names and places, and no value of a body or of a secret."""
    body = b'{"a":1,"note":"n","due":3}'
    tape = tape_of(tmp_path, step, ask(url="/api/x?page=1"), ask("POST", "/api/y", body))

    with pytest.raises(errors.ConfigurationError) as caught:
        step(ReplayTransport(tape).send(asked, BOUNDS))

    text = str(caught.value)
    assert [each for each in texts if each not in text] == []
    assert not re.search("secret|tnt_1234", text)
    assert classify(caught.value).value == "not_sent"


def test_an_empty_tape_says_so(tmp_path: Path, step: Any) -> None:
    """There is no nearest request on an empty tape."""
    step(RecordTransport(MemoryTransport(), tmp_path / "tape.json").aclose())

    with pytest.raises(errors.ConfigurationError, match="is empty"):
        step(ReplayTransport(tmp_path / "tape.json").send(ask(), BOUNDS))


def test_unplayed_exchanges_are_reported_once(tmp_path: Path, step: Any) -> None:
    """A tape that holds more than a program asks for is out of date."""
    tape = tape_of(tmp_path, step, ask(), ask(url="/api/y"))
    player = ReplayTransport(tape)
    step(player.send(ask(), BOUNDS))

    with pytest.warns(UserWarning, match=r"1 of 2 exchanges .* not played: 2 \(GET /api/y\)"):
        step(player.aclose())
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        step(player.aclose())
        step(ReplayTransport(tape, partly=True).aclose())

    assert player.unused == ("2 (GET /api/y)",)


def test_a_client_closes_the_player_it_made(tmp_path: Path) -> None:
    """So a test that leaves a part of its tape unplayed gets a warning."""
    with Client("exante", transport=record(tmp_path / "t.json", "sandbox")) as client:
        client.list(page_size=3).first()

    with pytest.warns(UserWarning, match="1 of 1 exchanges"), Client(
        "exante", transport=replay(tmp_path / "t.json")
    ):  # fmt: skip
        pass


def test_a_response_of_a_tape_is_bounded_too(tmp_path: Path, step: Any) -> None:
    """A tape is a file that a stranger may have written."""
    tape = tape_of(tmp_path, step, ask())

    with pytest.raises(errors.ResponseTooLargeError):
        step(ReplayTransport(tape).send(ask(), Bounds(
            timeouts=BOUNDS.timeouts, deadline=BOUNDS.deadline, wire_bytes=3)))  # fmt: skip
    with pytest.raises(errors.TimedOutError):
        step(ReplayTransport(tape).send(ask(), Bounds(
            timeouts=BOUNDS.timeouts, deadline=Deadline(0.0, lambda: 1.0))))  # fmt: skip


GOOD: dict[str, Any] = {
    "request": {"method": "GET", "url": "/", "route": "/", "safety": "read"},
    "response": {"status": 200, "body": {"text": "x"}},
}


@pytest.mark.parametrize(
    ("exchange", "text"),
    [
        ({**GOOD, "response": {"status": "200"}}, r"response\.status|status"),
        ({**GOOD, "response": {"status": 12.7}}, "status"),
        ({**GOOD, "response": {"status": 20}}, r"exchanges\[0\]\.response"),
        ({**GOOD, "response": {"status": 200, "body": {"text": 1}}}, "body"),
        ({**GOOD, "response": {"status": 200, "body": {"base64": "?"}}}, "body"),
        ({**GOOD, "response": {"status": 200, "body": {"text": "a", "json": 1}}}, "body"),
        ({**GOOD, "response": {"status": 200, "headers": {"a": 1}}}, "headers"),
        ({**GOOD, "more": 1}, "more"),
        ({"request": GOOD["request"]}, r"exchanges\[0\]"),
        ({**GOOD, "failure": {"error": "TimedOutError", "message": "m"}}, r"exchanges\[0\]"),
        ({"request": GOOD["request"], "failure": {"error": "OSError", "message": "m"}}, "failure"),
        ({**GOOD, "request": {**GOOD["request"], "safety": "sure"}}, "safety"),
        (7, r"exchanges\[0\]"),
    ],
)  # fmt: skip
def test_a_broken_tape_says_where(exchange: object, text: str, tmp_path: Path) -> None:
    """A tape edited by hand and wrongly is refused when it is loaded, with the place."""
    tape = tmp_path / "tape.json"
    tape.write_text(json.dumps({"billingual-cassette": 1, "exchanges": [exchange]}))

    with pytest.raises(errors.ConfigurationError, match=text) as caught:
        ReplayTransport(tape)

    assert "is broken" in str(caught.value)


@pytest.mark.parametrize(
    ("content", "text"),
    [
        (None, "cannot be read .* record it first"),
        (b"{", "is no JSON"),
        (b"\xff", "is no JSON"),
        (b"[]", "no tape of format 1"),
        (b'{"billingual-cassette": 2, "exchanges": []}', "it says 2"),
        (b'{"billingual-cassette": 1}', "no list of exchanges"),
    ],
)
def test_what_is_no_tape_is_refused(content: bytes | None, text: str, tmp_path: Path) -> None:
    """Each with what is wrong, and what to do."""
    tape = tmp_path / "tape.json"
    if content is not None:
        tape.write_bytes(content)

    with pytest.raises(errors.ConfigurationError, match=text):
        ReplayTransport(tape)


async def drifted(tape: Path, response: bytes | WireResponse | errors.BillingualError) -> list[str]:
    """Ask again where everything is answered alike, and list the differences."""
    if isinstance(response, bytes):
        response = WireResponse(status=200, body=response)
    given = response
    report = await drift(tape, MemoryTransport(lambda _: given), base_url="http://h", bounds=BOUNDS)
    lines = [str(each) for each in report.differences]
    assert [f"  {each}" for each in lines] == str(report).splitlines()[1:]
    return [each.removeprefix("GET /api/{id}: ") for each in lines]


OLD = b'{"id": "a", "n": 1, "maybe": null, "rows": [{"a": 1}, {"b": "x"}], "none": []}'


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("now", "changes"),
    [
        (OLD, []),
        (OLD.replace(b"1", b"2.50"), []),
        (OLD.replace(b"null", b'"now known"'), []),
        (OLD.replace(b'"n": 1', b'"n": null'), []),
        (OLD.replace(b"[]", b'[{"new": 1}]'), []),
        (OLD.replace(b'[{"a": 1}, {"b": "x"}]', b"[]"), []),
        (OLD.replace(b'"n": 1', b'"n": "1"'), ["$.n: was number, now text"]),
        (OLD.replace(b'"n": 1', b'"n": true'), ["$.n: was number, now true or false"]),
        (OLD.replace(b'"n": 1, ', b""), ["$.n: missing, was number"]),
        (OLD.replace(b'"n": 1', b'"n": 1, "m": {"deep": 1}'), ["$.m: new, object"]),
        (OLD.replace(b'"a": 1', b'"a": "one"'), ["$.rows[].a: was number, now text"]),
        (OLD.replace(b'"a": 1', b'"c": 1'),
         ["$.rows[].a: missing, was number", "$.rows[].c: new, number"]),
        (b"[]", ["$: was object, now list"]),
        (b"<html>", ["$: was object, now no JSON"]),
        (b"", ["$: was object, now nothing"]),
        (WireResponse(status=404, body=b"{}"), ["status: was 200, now 404"]),
        (errors.NotConnectedError("no"), ["status: was 200, now NotConnectedError"]),
    ],
)  # fmt: skip
async def test_drift_compares_shapes_and_not_values(
    now: Any, changes: list[str], tmp_path: Path, step: Any
) -> None:
    """Values come and go; what breaks programs is reported, and only that."""
    old = WireResponse(status=200, body=OLD)
    tape = tape_of(tmp_path, step, ask(), responses=[old])

    assert changes == await drifted(tape, now)


@pytest.mark.anyio
async def test_drift_never_sends_a_write_again(tmp_path: Path, step: Any) -> None:
    """Not even one that a tape calls a read."""
    yes = MemoryTransport.json("{}")
    lost = errors.TimedOutError("no")
    responses = [yes, yes, yes, yes, yes, lost]
    recorder = RecordTransport(MemoryTransport(responses), tmp_path / "tape.json")
    for request in (
        ask("POST", body=b"{}"), ask("PUT", safety=Safety.READ), ask(url="/api/x?token=12345678"),
        ask(url="/api/fine"), ask(url="/api/send-it", safety=Safety.SIDE_EFFECTS),
    ):  # fmt: skip
        step(recorder.send(request, BOUNDS))
    with pytest.raises(errors.TimedOutError):
        step(recorder.send(ask(url="/api/lost"), BOUNDS))
    transport = MemoryTransport(lambda _: yes)

    report = await drift(tmp_path / "tape.json", transport, base_url="http://h/b/")

    assert [each.url for each in transport.requests] == ["http://h/b/api/fine"]
    assert (report.asked, bool(report)) == (1, False)
    assert str(report).splitlines() == [
        "1 read(s) asked again: no difference",
        "  not asked: POST /api/{id} (a write is never sent again)",
        "  not asked: PUT /api/{id} (a write is never sent again)",
        "  not asked: GET /api/{id} (a secret was struck out of it)",
        "  not asked: GET /api/{id} (a write is never sent again)",
        "  not asked: GET /api/{id} (it had no response)",
    ]


@pytest.mark.anyio
async def test_drift_compares_with_the_last_response_and_signs_with_its_token(
    tmp_path: Path, step: Any
) -> None:
    """Each read is asked once; the tenant takes the place of its stand-in."""
    tenant = ("tenant-id", "tnt_abcdefgh")
    request = ask(url="/api/x?t=tnt_abcdefgh", headers=Headers([tenant, ("Accept", "a/b")]))
    responses = [WireResponse(status=500), MemoryTransport.json('{"a":1}')]
    tape = tape_of(tmp_path, step, request, request, responses=responses)
    transport = MemoryTransport(lambda _: MemoryTransport.json('{"a":2}'))

    report = await drift(
        tape, transport, base_url="http://h", headers=[("tenant-id", "tnt_zyxwvuts"), ("A", "b")]
    )

    assert not report
    assert [each.url for each in transport.requests] == ["http://h/api/x?t=tnt_zyxwvuts"]
    assert list(transport.requests[0].headers) == [
        ("accept", "a/b"), ("tenant-id", "tnt_zyxwvuts"), ("A", "b"),
    ]  # fmt: skip


@pytest.mark.anyio
@pytest.mark.parametrize("provider", ["exante", "kukkingu"])
async def test_drift_against_a_sandbox_finds_none(provider: str, tmp_path: Path) -> None:
    """A transport that brings its own server knows address, token and tenant."""
    async with AsyncClient(provider, transport=record(tmp_path / "t.json", "sandbox")) as client:
        first = await client.list().first()
        assert first is not None
        await client.get(first.id)
    sandbox = SandboxTransport(TransportOptions(backend=AnyioBackend()))

    report = await drift(tmp_path / "t.json", sandbox, provider=provider)
    await sandbox.aclose()

    assert str(report) == "2 read(s) asked again: no difference"


@pytest.mark.anyio
async def test_drift_needs_an_address(tmp_path: Path, step: Any) -> None:
    """A tape has none."""
    with pytest.raises(errors.ConfigurationError, match="knows no address"):
        await drift(tape_of(tmp_path, step, ask()), MemoryTransport())
