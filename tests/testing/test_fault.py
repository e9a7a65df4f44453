"""Faults strike where the plan says, as often as it says, and their evidence is true."""

from __future__ import annotations

from typing import Any

import anyio
import pytest

from billingual import AsyncClient, Client, Draft, MemoryTransport, OutcomeUnknown, errors
from billingual.abc import TransportOptions
from billingual.backends.anyio import AnyioBackend
from billingual.outcomes import Evidence, Outcome, Safety
from billingual.retry.classify import classify
from billingual.sandbox import LANDMARKS
from billingual.testing.faults import CATALOGUE, Fault, FaultTransport, fault
from billingual.wire import Bounds, Deadline, Timeouts, WireRequest, WireResponse

BODY = b'{"data": {"id": "x"}}'
REQUEST = WireRequest(method="POST", url="http://h/x", route="/x", safety=Safety.CREATE, body=b"{}")


def bounds(backend: Any, read: float = 10.0) -> Bounds:
    """Make bounds on the clock of *backend*."""
    return Bounds(timeouts=Timeouts(read=read), deadline=Deadline(backend.now() + 1e6, backend.now))


def a_server() -> MemoryTransport:
    """Make a server that counts what it does."""
    made = MemoryTransport(lambda _: WireResponse(
        status=201, body=BODY.replace(b"x", b"%d" % len(made.requests))))  # fmt: skip
    return made


def test_the_catalogue_is_large_enough_for_a_matrix() -> None:
    """Each fault has a name, a line of its own, and its place in the mapping."""
    lines = [each.what for each in CATALOGUE.values()]

    assert len(CATALOGUE) >= 24
    assert [each.name for each in CATALOGUE.values()] == list(CATALOGUE)
    assert len(set(lines)) == len(lines)
    assert all(line and "\n" not in line and not line.endswith(".") for line in lines)


@pytest.mark.parametrize("name", list(CATALOGUE))
def test_a_fault_does_what_it_says_and_its_evidence_is_true(
    name: str, step: Any, backend: Any
) -> None:
    """No evidence denies what the server got, and none claims more than it can have seen."""
    server = a_server()
    transport = FaultTransport(server, [name], backend=backend)
    planned = CATALOGUE[name]

    try:
        response, failure = step(transport.send(REQUEST, bounds(backend))), None
    except errors.TransportError as error:
        response, failure = None, error

    assert len(server.requests) == planned.deliveries
    assert transport.injected == [(1, name)]
    if failure is not None:
        evidence = failure.evidence
        assert not (server.requests and evidence.request_complete is False)
        assert not (evidence.connected is False and evidence.request_complete is not False)
        assert not (evidence.response_begun and evidence.request_complete is False)
        assert (classify(failure) is Outcome.NOT_SENT) <= (not server.requests)
        assert str(failure).startswith("a planned fault: ")
    else:
        own = WireResponse(status=201, body=BODY.replace(b"x", b"1"))
        assert response != own or planned.delay_s or planned.deliveries == 2


def test_each_kind_of_end_is_in_the_catalogue(step: Any, backend: Any) -> None:
    """What a client may learn of a lost write is complete: every class and every evidence."""
    ends = {
        (each.error.__name__, classify(each.error("x", evidence=each.evidence)).value)
        for each in CATALOGUE.values()
        if each.error is not None
    }
    statuses = {each.status for each in CATALOGUE.values() if each.status is not None}

    assert ends == {
        ("NotConnectedError", "not_sent"), ("PoolTimeoutError", "not_sent"),
        ("ConnectionLostError", "not_sent"), ("ConnectionLostError", "unknown"),
        ("TimedOutError", "unknown"), ("ResponseTooLargeError", "unknown"),
    }  # fmt: skip
    assert {200, 307, 401, 403, 408, 409, 425, 429, 500, 502, 503, 504} <= statuses


def test_a_plan_in_order_strikes_in_order(step: Any, backend: Any) -> None:
    """None lets a request pass, and so does the end of the plan."""
    server = a_server()
    own = Fault(name="teapot", what="tea", deliveries=0, status=418)
    transport = FaultTransport(server, [None, own, "rate_limited"], backend=backend)

    statuses = [step(transport.send(REQUEST, bounds(backend))).status for _ in range(5)]

    assert statuses == [201, 418, 429, 201, 201]
    assert transport.injected == [(2, "teapot"), (3, "rate_limited")]
    assert len(server.requests) == 3


def test_a_plan_may_be_a_function(step: Any, backend: Any) -> None:
    """It sees the number of the request and the request."""
    asked = []

    def plan(number: int, request: WireRequest) -> str | None:
        asked.append((number, request.method))
        return "unavailable" if number % 2 else None

    transport = FaultTransport(a_server(), plan, backend=backend)

    statuses = [step(transport.send(REQUEST, bounds(backend))).status for _ in range(3)]

    assert statuses == [503, 201, 503]
    assert asked == [(1, "POST"), (2, "POST"), (3, "POST")]


def test_a_slow_response_comes_within_patience(step: Any, backend: Any) -> None:
    """Only the backend waits."""
    server = a_server()

    response = step(
        FaultTransport(server, ["slow"], backend=backend).send(REQUEST, bounds(backend))
    )

    assert (response.status, backend.sleeps) == (201, [2.0])


@pytest.mark.parametrize(("read", "left"), [(1.5, 1e6), (10.0, 1.5)])
def test_a_response_slower_than_patience_does_not_come(
    read: float, left: float, step: Any, backend: Any
) -> None:
    """The read timeout and the deadline end it, and the server has acted."""
    server = a_server()
    until = Deadline(backend.now() + left, backend.now)
    limits = Bounds(timeouts=Timeouts(read=read), deadline=until)

    with pytest.raises(errors.TimedOutError) as caught:
        step(FaultTransport(server, ["slow"], backend=backend).send(REQUEST, limits))

    assert caught.value.evidence == Evidence(
        connected=True, request_complete=True, response_begun=False
    )
    assert (backend.sleeps, len(server.requests)) == ([1.5], 1)


@pytest.mark.parametrize(
    ("name", "body"),
    [
        ("delivered_twice", BODY.replace(b"x", b"1")),
        ("delivered_twice_and_answered_last", BODY.replace(b"x", b"2")),
        ("half_yes", BODY[: len(BODY) // 2]),
        ("empty_yes", b""),
    ],
)
def test_a_response_may_be_another_ones_or_a_part(
    name: str, body: bytes, step: Any, backend: Any
) -> None:
    """Which delivery answers, and how much of it comes, is the fault's to say."""
    transport = FaultTransport(a_server(), [name], backend=backend)

    assert body == step(transport.send(REQUEST, bounds(backend))).body


@pytest.mark.parametrize("length", [1, 2, 3])
def test_a_cut_takes_at_least_a_byte(length: int, step: Any, backend: Any) -> None:
    """A cut that cuts nothing is no fault."""
    most = Fault(name="most", what="most of it", kept=0.999999)
    server = MemoryTransport([WireResponse(status=200, body=b"x" * length)])

    response = step(FaultTransport(server, [most]).send(REQUEST, bounds(backend)))

    assert len(response.body) == length - 1


def test_a_real_failure_takes_the_place_of_a_planned_one(step: Any, backend: Any) -> None:
    """A response cannot be lost where none could come: that evidence would be a lie."""
    real = errors.NotConnectedError("really")
    transport = FaultTransport(MemoryTransport([real]), ["response_lost"], backend=backend)

    with pytest.raises(errors.NotConnectedError) as caught:
        step(transport.send(REQUEST, bounds(backend)))

    assert caught.value is real
    assert transport.injected == []


def test_a_failed_second_delivery_is_not_reported(step: Any, backend: Any) -> None:
    """The client sent once, and was answered."""
    server = MemoryTransport([WireResponse(status=201), errors.NotConnectedError("gone")])
    transport = FaultTransport(server, ["delivered_twice_and_answered_last"], backend=backend)

    assert step(transport.send(REQUEST, bounds(backend))).status == 201


@pytest.mark.parametrize(
    ("plan", "text"),
    [
        (["nope"], "no fault named 'nope'; there are: refused, "),
        (["respones_lost"], "perhaps you meant response_lost; there are: refused, "),
        ("response_lost", r"a plan lists the fault of each request; give \['response_lost'\]"),
        (["slow"], "takes time"),
    ],
)
def test_a_plan_that_cannot_be_is_refused_at_once(plan: list[str] | str, text: str) -> None:
    """Before anything is sent."""
    with pytest.raises(errors.ConfigurationError, match=text):
        FaultTransport(a_server(), plan)


@pytest.mark.parametrize(
    "fields",
    [
        {"deliveries": 3},
        {"delay_s": -1.0},
        {"deliveries": 0},
        {"answered_by": 1},
        {"error": errors.TransportError, "evidence": Evidence(request_complete=False)},
    ],
)
def test_a_fault_that_contradicts_itself_cannot_be_made(fields: dict[str, Any]) -> None:
    """Its evidence would be a lie, or its response would belong to no delivery."""
    with pytest.raises(ValueError, match=r"\w"):
        Fault(name="odd", what="odd", **fields)


def test_a_lost_response_of_a_create_is_an_unknown_outcome() -> None:
    """Through a whole client: the sandbox has acted, and the client says that it cannot tell."""
    draft = Draft(
        counterparty=LANDMARKS["exante_party"], owner=LANDMARKS["exante_owner"],
        document=LANDMARKS["exante_document"],
    )  # fmt: skip

    def last(client: Client) -> int:
        return len(client.list(page_size=100).collect(limit=1000))

    with Client("exante", transport=fault(_second_write, "sandbox")) as client:
        client.create(draft)
        before = last(client)
        with pytest.raises(OutcomeUnknown) as caught:
            client.create(draft)
        after = last(client)

    assert [each.outcome for each in caught.value.attempts] == [Outcome.UNKNOWN]
    assert after == before + 1


def _second_write(number: int, request: WireRequest) -> str | None:
    """Lose the responses to all creates but the first."""
    return "response_lost" if request.safety is Safety.CREATE and number > 1 else None


def test_a_refused_connection_is_tried_again() -> None:
    """Nothing was sent, so the policy may: with asyncio, and with trio."""

    async def run() -> object:
        async with AsyncClient("exante", transport=fault(["refused"], "sandbox")) as client:
            return await client.list(page_size=3).first()

    first, second = (anyio.run(run, backend=each) for each in ("asyncio", "trio"))

    assert first == second
    assert first is not None


class Closing(MemoryTransport):
    """A transport that counts how often it is closed."""

    closed = 0

    async def aclose(self) -> None:
        self.closed += 1

    def drop(self) -> int:
        return 3


@pytest.mark.parametrize("lent", [True, False])
def test_what_was_made_is_closed_and_what_was_lent_is_not(lent: bool, step: Any) -> None:  # noqa: FBT001
    """A transport given as an object stays its owner's."""
    inner = Closing()
    options = TransportOptions(backend=AnyioBackend())
    transport: Any = fault([], inner if lent else lambda _: inner)(options)

    dropped = transport.drop()
    step(transport.aclose())

    assert (dropped, inner.closed) == ((0, 0) if lent else (3, 1))
    assert transport.account("exante") == inner.account("exante")
    assert transport.supports == inner.supports
