"""What is recorded: every exchange as it was, and no credential."""

from __future__ import annotations

import base64
import json
import stat
import warnings
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import anyio
import pytest

from billingual import AsyncClient, Client, Filter, MemoryTransport, errors
from billingual.abc import TransportOptions
from billingual.backends.anyio import AnyioBackend
from billingual.outcomes import Evidence, Safety
from billingual.testing.recording.cassette import Cassette
from billingual.testing.recording.record import RecordTransport, record
from billingual.testing.recording.replay import ReplayTransport, replay
from billingual.wire import Bounds, Deadline, Headers, Timeouts, WireRequest, WireResponse

BOUNDS = Bounds(timeouts=Timeouts.each(10), deadline=Deadline(100.0, lambda: 0.0))
CANARY = 'canary/0dd5"ee+7'
TENANT = "tnt_0123456789abcdefghijklmn"


def asking(
    url: str = "http://h.invalid/base/api/x", *, method: str = "GET", **changes: Any
) -> WireRequest:
    """Make a request to the route ``/api/x``."""
    options: dict[str, Any] = {"method": method, "url": url, "route": "/api/x"}
    return WireRequest(**{**options, "safety": Safety.READ, **changes})


def answering(body: bytes, *headers: tuple[str, str]) -> MemoryTransport:
    """Make a transport that always answers the same."""
    return MemoryTransport(lambda _: WireResponse(status=200, headers=Headers(headers), body=body))


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
def test_what_was_recorded_plays_back_alike(backend: str, tmp_path: Path) -> None:
    """A program that ran against the sandbox runs from the tape, and gets the same."""
    tape = tmp_path / "tape.json"

    async def run(transport: Any, token: str | None = None) -> list[Any]:
        async with AsyncClient("exante", transport=transport, token=token) as client:
            rows = [each async for each in client.list(Filter(status=["OVERDUE"]), page_size=5)]
            return [rows, await client.get(rows[0].id)]

    recorded = anyio.run(run, record(tape, "sandbox"), backend=backend)
    played = anyio.run(run, replay(tape), "any-token-will-do", backend=backend)

    assert recorded == played
    assert len(recorded[0]) > 5


def test_a_program_that_blocks_is_recorded_and_played_too(tmp_path: Path) -> None:
    """The composing transports wait as what is inside them does."""
    tape = tmp_path / "tape.json"
    seen = []

    for transport in (record(tape, "sandbox"), replay(tape)):
        with Client("exante", transport=transport) as client:
            seen.append(client.list(page_size=3).first())

    assert seen[0] == seen[1]
    assert seen[0] is not None


def test_a_tape_plays_for_any_tenant(tmp_path: Path) -> None:
    """A tenant's id is not on the tape; each replay sees its own id."""
    tape = tmp_path / "tape.json"
    with Client("kukkingu", transport=record(tape, "sandbox")) as client:
        recorded = [each.id for each in client.list()]

    with Client("kukkingu", transport=replay(tape), tenant=TENANT, token="any") as client:
        played = [each.id for each in client.list()]
    with Client("kukkingu", transport=replay(tape)) as client:
        unnamed = [each.id for each in client.list()]

    assert recorded == played == unnamed
    assert recorded
    assert "tnt_000000000000000000000001" in tape.read_text(encoding="utf-8")


def test_no_credential_is_ever_on_a_tape(tmp_path: Path, step: Any) -> None:
    """Not in a header, an address or a body, and not where a response quotes it in another form."""
    tape = tmp_path / "tape.json"
    packed = base64.b64encode(f"user:{CANARY}".encode()).decode()
    quoted = json.dumps(CANARY)[1:-1]
    alone = base64.b64encode(CANARY.encode()).decode()
    body = (
        f'{{"echo": "Bearer {quoted}", "{quoted}": 1, "url": "https://x/?t=canary%2F0dd5%22ee%2B7",'
        f'"slashed": "{quoted.replace("/", chr(92) + "/")}", "access_token": "canary-unseen-1",'
        f'"apiKey": "canary-unseen-2", "client_secret" : 12345678, "tenant": "{TENANT}",'
        f'"basic": "{packed}", "cookie": "canary-cookie", "set": "canary-set", "p": "canary-pass",'
        f'"b64": "{alone}"}}'
    ).encode()
    inner = answering(
        body, ("Set-Cookie", "sid=canary-set; Path=/"), ("X-Auth-Token", "canary-given"),
        ("X-Other", "canary-other"), ("Content-Type", f"text/{CANARY}"),
    )  # fmt: skip
    transport = RecordTransport(inner, tape)
    headers = [
        ("Authorization", f"Bearer {CANARY}"), ("Cookie", "a=canary-cookie"),
        ("X-Api-Key", "canary-key-1"), ("tenant-id", TENANT), ("Accept", f"x/{CANARY}"),
        ("Proxy-Authorization", f"Basic {packed}"),
    ]  # fmt: skip
    url = (
        "http://u:canary-pass@h.invalid/base/api/x?api_key=canary-query&keyword=kept"
        "&token=canary-token&key=canary-bare&again=canary-query"
    )

    step(transport.send(asking(url, headers=Headers(headers)), BOUNDS))
    form = b"user=u&password=canary-form&echo=canary-key-1"
    step(transport.send(asking(method="POST", body=form, headers=Headers(headers)), BOUNDS))
    step(transport.send(asking(body=b"\xff" + CANARY.encode(), headers=Headers(headers)), BOUNDS))
    step(transport.aclose())

    text = tape.read_text(encoding="utf-8")
    unpacked = b"".join(
        part or b"" for each in Cassette.load(tape).exchanges for part in (each.request.body,)
    )
    for leak in ("canary", TENANT, "h.invalid", packed, alone, "12345678", "Bearer"):
        assert leak not in text
        assert leak.encode() not in unpacked
    assert "keyword=kept" in text


def test_a_failure_is_kept_with_its_evidence(tmp_path: Path, step: Any) -> None:
    """A tape holds what happened, not only what went well."""
    evidence = Evidence(connected=True, request_complete=True, response_begun=False)
    lost = errors.ConnectionLostError("http://127.0.0.1:9/x broke", evidence=evidence)
    inner = MemoryTransport([lost, MemoryTransport.json("{}")])
    transport = RecordTransport(inner, tmp_path / "tape.json")
    with pytest.raises(errors.ConnectionLostError) as caught:
        step(transport.send(asking(), BOUNDS))
    step(transport.send(asking(), BOUNDS))

    player = ReplayTransport(tmp_path / "tape.json")
    with pytest.raises(errors.ConnectionLostError) as played:
        step(player.send(asking(), BOUNDS))
    response = step(player.send(asking(), BOUNDS))

    assert caught.value is lost
    assert played.value.evidence == evidence
    assert str(played.value) == "the provider/x broke"
    assert response.body == b"{}"


def test_a_failure_of_a_foreign_class_is_kept_as_the_nearest_of_ours(
    tmp_path: Path, step: Any
) -> None:
    """A transport may raise a class made from ours; a tape knows ours."""

    class TunnelError(errors.NotConnectedError):
        """A tunnel broke."""

    transport = RecordTransport(MemoryTransport([TunnelError("no")]), tmp_path / "tape.json")
    with pytest.raises(TunnelError):
        step(transport.send(asking(), BOUNDS))

    with pytest.raises(errors.NotConnectedError) as played:
        step(ReplayTransport(tmp_path / "tape.json").send(asking(), BOUNDS))

    assert type(played.value) is errors.NotConnectedError


BODIES = [
    b'{"a":[1,2.5,"\xc3\xa4"]}', b'{"total": 12.70}', b'{"total":12.70}', b'{"n":1e2}',
    b'{"a":1,"a":2}', b"[NaN]", b'"text"', b"", b"plain \xe2\x82\xac", b"\xff\x00\xfe", b"12",
    b'{"half":"\\ud800"}', b"[" * 90 + b"]" * 90, b"[" * 3000 + b"]" * 3000,
    b'{"big":' + b"9" * 5000 + b"}", b'{"int":12345678901234567890}', b"{",
]  # fmt: skip


@pytest.mark.parametrize("body", BODIES, ids=lambda body: f"{len(body)}-{body[:9].hex()}")
def test_a_body_comes_back_byte_for_byte(body: bytes, tmp_path: Path, step: Any) -> None:
    """No number passes through another form, whatever the tape shows it as."""
    step(RecordTransport(answering(body), tmp_path / "tape.json").send(asking(), BOUNDS))

    response = step(ReplayTransport(tmp_path / "tape.json").send(asking(), BOUNDS))

    assert body == response.body


def test_json_is_shown_as_json(tmp_path: Path, step: Any) -> None:
    """A person can read a tape and review its changes."""
    step(RecordTransport(answering(b'{"a":1}'), tmp_path / "tape.json").send(asking(), BOUNDS))

    tape = json.loads((tmp_path / "tape.json").read_text(encoding="utf-8"))

    assert tape == {
        "billingual-cassette": 1,
        "exchanges": [
            {
                "request": {"method": "GET", "url": "/api/x", "route": "/api/x", "safety": "read"},
                "response": {"status": 200, "body": {"json": {"a": 1}}},
            }
        ],
    }


def test_a_tape_is_whole_after_each_exchange(tmp_path: Path, step: Any) -> None:
    """A program that dies leaves all that was answered, readable by its user alone."""
    tape = tmp_path / "tape.json"
    transport = RecordTransport(answering(b"{}"), tape)

    counts = []
    for _ in range(3):
        step(transport.send(asking(), BOUNDS))
        counts.append(len(Cassette.load(tape).exchanges))

    assert counts == [1, 2, 3]
    assert [each.name for each in tmp_path.iterdir()] == ["tape.json"]
    assert stat.S_IMODE(tape.stat().st_mode) == 0o600


def test_many_threads_record_on_one_tape(tmp_path: Path, step: Any) -> None:
    """Nothing is lost between those who write."""
    transport = RecordTransport(answering(b"{}"), tmp_path / "tape.json")
    urls = [f"http://h/api/x?n={number}" for number in range(60)]

    with ThreadPoolExecutor(8) as threads:
        list(threads.map(lambda url: step(transport.send(asking(url), BOUNDS)), urls))

    taped = {each.request.url for each in Cassette.load(tmp_path / "tape.json").exchanges}
    assert taped == {f"/api/x?n={number}" for number in range(60)}


def test_a_tape_that_cannot_be_written_fails_no_call(tmp_path: Path, step: Any) -> None:
    """A write that succeeded must not look like an error; the trouble is reported at the end."""
    folder = tmp_path / "folder"
    folder.mkdir()
    transport = RecordTransport(answering(b"{}"), folder / "tape.json")
    folder.rmdir()

    response = step(transport.send(asking(), BOUNDS))
    with pytest.raises(errors.ConfigurationError, match="is not whole"):
        step(transport.aclose())
    folder.mkdir()
    step(transport.aclose())

    assert response.body == b"{}"
    assert len(Cassette.load(folder / "tape.json").exchanges) == 1


def test_a_failure_that_passes_is_not_reported(tmp_path: Path, step: Any) -> None:
    """The next exchange writes what the one before could not."""
    folder = tmp_path / "folder"
    folder.mkdir()
    transport = RecordTransport(answering(b"{}"), folder / "tape.json")
    folder.rmdir()
    step(transport.send(asking(), BOUNDS))
    folder.mkdir()

    step(transport.send(asking(), BOUNDS))
    step(transport.aclose())

    assert len(Cassette.load(folder / "tape.json").exchanges) == 2


def test_a_write_that_fails_leaves_nothing_behind(tmp_path: Path, step: Any) -> None:
    """The tape that was there stays as it was."""
    (tmp_path / "tape.json").mkdir()
    transport = RecordTransport(answering(b"{}"), tmp_path / "tape.json")

    step(transport.send(asking(), BOUNDS))
    with pytest.raises(errors.ConfigurationError, match="is not whole"):
        step(transport.aclose())

    assert [each.name for each in tmp_path.iterdir()] == ["tape.json"]


def test_a_response_that_no_tape_can_hold_is_reported_at_the_end(tmp_path: Path, step: Any) -> None:
    """It reaches the caller all the same."""
    odd = WireResponse(status=7)
    transport = RecordTransport(MemoryTransport([odd]), tmp_path / "tape.json")

    response = step(transport.send(asking(), BOUNDS))

    assert response is odd
    with pytest.raises(errors.ConfigurationError, match=r"is not whole \(ValueError\)"):
        step(transport.aclose())


def test_a_basic_credential_that_is_none_is_struck_out_too(tmp_path: Path, step: Any) -> None:
    """Whatever follows the scheme is a secret."""
    headers = Headers([("Authorization", "Basic not-base64-canary")])
    transport = RecordTransport(answering(b"not-base64-canary"), tmp_path / "tape.json")

    step(transport.send(asking(headers=headers), BOUNDS))

    assert "canary" not in (tmp_path / "tape.json").read_text(encoding="utf-8")


def test_a_folder_that_is_not_there_is_named(tmp_path: Path) -> None:
    """What can be known to be wrong is refused before anything is sent."""
    with pytest.raises(errors.ConfigurationError, match="no folder"):
        RecordTransport(MemoryTransport(), tmp_path / "nowhere" / "tape.json")


class Closing(MemoryTransport):
    """A transport that counts how often it was closed and dropped."""

    closed = dropped = 0

    async def aclose(self) -> None:
        self.closed += 1

    def drop(self) -> int:
        self.dropped += 1
        return 1


@pytest.mark.parametrize("lent", [True, False])
def test_only_what_was_made_is_closed(lent: bool, tmp_path: Path) -> None:  # noqa: FBT001
    """A transport given as an object stays its owner's."""
    inner = Closing([MemoryTransport.json('{"data": []}')] * 2)
    factory = record(tmp_path / "tape.json", inner if lent else lambda _: inner)

    transport: Any = factory(TransportOptions(backend=AnyioBackend()))
    dropped = transport.drop()
    anyio.run(transport.aclose)

    assert (dropped, inner.closed) == ((0, 0) if lent else (1, 1))
    assert inner.account("exante") == transport.account("exante")


def test_an_unknown_inner_transport_is_named(tmp_path: Path) -> None:
    """The names of the registry work inside as well, and so do its errors."""
    options = TransportOptions(backend=AnyioBackend())

    with pytest.raises(errors.UnknownNameError, match="no transport named 'nope'"):
        record(tmp_path / "t.json", "nope")(options)
    with pytest.raises(errors.ConfigurationError, match="neither a transport's name"):
        record(tmp_path / "t.json", 7)(options)  # type: ignore[arg-type]


@pytest.mark.anyio
async def test_a_recording_over_a_socket_keeps_the_unpacked_response(
    serve: Any, say: Any, tmp_path: Path
) -> None:
    """What is on the tape is what the program got, not what was packed for the wire."""
    server = serve(
        say(b"HTTP/1.1 200 OK\r\nContent-Length: 8\r\nX-Request-Id: r1\r\nDate: now\r\n\r\n"
            b'{"a": 1}')
    )  # fmt: skip
    options = TransportOptions(backend=AnyioBackend())
    transport = record(tmp_path / "tape.json")(options)

    await transport.send(asking(f"{server.url}/api/x?a=1"), BOUNDS)
    await transport.aclose()

    with warnings.catch_warnings():
        warnings.simplefilter("error")
        player = ReplayTransport(tmp_path / "tape.json")
        response = await player.send(asking("https://elsewhere/v/api/x?a=1"), BOUNDS)
        await player.aclose()
    assert (response.status, response.body) == (200, b'{"a": 1}')
    assert dict(response.headers) == {"x-request-id": "r1", "date": "now"}
