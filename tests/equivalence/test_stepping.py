"""What a blocking client does with parts that do not block, and with callers in odd places."""

from __future__ import annotations

import asyncio
import gc
import json
import threading
import warnings
from collections.abc import AsyncIterator, Awaitable, Callable, Generator
from contextvars import ContextVar
from typing import Any, Final

import anyio
import pytest
import trio

from billingual import AsyncClient, Client, Draft, MemoryTransport, errors
from billingual.abc import Account
from billingual.backends.portal import PortalBackend
from billingual.backends.stepping import step
from billingual.backends.sync import SyncBackend
from billingual.events import AttemptEnded, CallEnded, CallStarted
from billingual.outcomes import Outcome
from billingual.sandbox import LANDMARKS
from billingual.wire import Bounds, WireRequest, WireResponse

MARK: Final[ContextVar[str]] = ContextVar("mark", default="untouched")
INVOICE: Final = "aaaaaaaa-0000-4000-8000-000000000000"
DRAFT: Final = Draft(
    counterparty=LANDMARKS["exante_party"], owner=LANDMARKS["exante_owner"],
    document=LANDMARKS["exante_document"],
)  # fmt: skip


def response(request: WireRequest) -> WireResponse:
    """Answer a read or a create with an invoice, a list with a page of two of three."""
    data: Any = {"uid": INVOICE, "currency": "EUR"}
    if "?" in request.url:
        number = int(request.url.partition("?page=")[2].partition("&")[0])
        items = [{"uid": f"{number}{n}aaaaaa-0000-4000-8000-000000000000"} for n in range(2)]
        data = {"items": items, "_meta": {"page": number, "total_pages": 3}}
    body = {"status": "success", "status_code": 200, "message": "", "data": data}
    return MemoryTransport.json(json.dumps(body))


def client_with(**options: Any) -> tuple[Client, MemoryTransport]:
    """Make a blocking client over memory."""
    transport = MemoryTransport(response)
    return Client("exante", **{"transport": transport, "token": "t", **options}), transport


class Forever:
    """Something that is awaited and never comes."""

    def __await__(self) -> Generator[Any, Any, Any]:
        yield self


async def by_asyncio() -> str:
    """Wait for asyncio's clock."""
    await asyncio.sleep(0.01)
    return "t"


async def by_asyncio_at_once() -> str:
    """Let asyncio's other tasks run."""
    await asyncio.sleep(0)
    return "t"


async def by_anyio() -> str:
    """Wait for anyio's clock."""
    await anyio.sleep(0.01)
    return "t"


async def by_trio() -> str:
    """Wait for trio's clock."""
    await trio.sleep(0.01)
    return "t"


async def by_a_task() -> str:
    """Wait for another task."""
    return await asyncio.create_task(by_asyncio())


async def by_hand() -> str:
    """Wait for what never comes."""
    await Forever()
    return "t"


WAITING: Final = [by_asyncio, by_asyncio_at_once, by_anyio, by_trio, by_hand]


@pytest.mark.parametrize("token", WAITING)
def test_a_token_function_that_waits_is_refused_with_what_to_do(
    token: Callable[[], Awaitable[str]],
) -> None:
    """Nothing is sent, nothing is unclear, and no coroutine is left behind."""
    seen: list[Any] = []
    client, transport = client_with(token=token, observers=[seen.append])

    with warnings.catch_warnings(record=True) as warned:
        warnings.simplefilter("always")
        with pytest.raises(errors.ConfigurationError) as caught:
            client.create(DRAFT)
        gc.collect()

    assert [] == [str(each.message) for each in warned]
    assert transport.requests == []
    assert "plain function" in str(caught.value)
    assert 'backend="portal"' in str(caught.value)
    assert caught.value.maybe_applied is False
    assert [Outcome.NOT_SENT] == [each.outcome for each in caught.value.attempts]
    assert [Outcome.NOT_SENT] == [each.outcome for each in seen if isinstance(each, CallEnded)]


@pytest.mark.parametrize("token", [by_asyncio, by_asyncio_at_once, by_anyio, by_a_task])
def test_a_token_function_that_waits_works_through_the_portal(
    token: Callable[[], Awaitable[str]],
) -> None:
    """There a loop runs."""
    client, transport = client_with(token=token, backend="portal")

    assert INVOICE == client.get(INVOICE).id
    assert transport.requests[0].headers.get("authorization") == "Bearer t"


def test_an_async_token_function_that_never_waits_is_fine() -> None:
    """An async function that never suspends needs no event loop."""

    async def current() -> str:
        return "t2"

    client, transport = client_with(token=current)

    client.get(INVOICE)

    assert transport.requests[0].headers.get("authorization") == "Bearer t2"


@pytest.mark.parametrize(
    "call",
    [
        lambda **options: Client("exante", **options).get(INVOICE),
        lambda **options: step(AsyncClient("exante", **options).get(INVOICE)),
    ],
    ids=["blocking", "awaited"],
)
def test_a_token_functions_own_error_is_its_callers(call: Callable[..., object]) -> None:
    """Whatever it raises for reasons of its own goes up as it is."""

    def sealed() -> str:
        raise RuntimeError("the vault is sealed")

    transport = MemoryTransport(response)

    with pytest.raises(RuntimeError, match="the vault is sealed"):
        call(token=sealed, transport=transport)

    assert transport.requests == []


class Suspending:
    """A transport that says it blocks, and waits on a loop."""

    supports: Final = frozenset({"sync"})

    def __init__(self, *, cleans_up: bool = False, stubborn: bool = False) -> None:
        self.cleans_up = cleans_up
        self.stubborn = stubborn
        self.closed = 0

    async def send(self, request: WireRequest, bounds: Bounds) -> WireResponse:
        try:
            await Forever()
        finally:
            if self.cleans_up:
                self.closed += 1
                await Forever()
            while self.stubborn:
                try:
                    await Forever()
                except errors.InternalError:
                    self.closed += 1
        raise AssertionError

    async def aclose(self) -> None:
        """Nothing is open."""

    def account(self, provider: str) -> Account | None:
        return None


@pytest.mark.parametrize("cleans_up", [False, True])
def test_a_write_whose_transport_waits_ends_as_unclear(cleans_up: bool) -> None:  # noqa: FBT001
    """It may have sent the request before it waited, so the call does not report a failure."""
    seen: list[Any] = []
    transport = Suspending(cleans_up=cleans_up)
    client, _ = client_with(transport=transport, observers=[seen.append])

    with pytest.raises(errors.OutcomeUnknown) as caught:
        client.create(DRAFT)

    assert isinstance(caught.value.__cause__, errors.InternalError)
    assert "Forever object" in str(caught.value.__cause__)
    assert 'backend="portal"' in str(caught.value.__cause__)
    assert transport.closed == cleans_up
    assert [CallStarted, AttemptEnded, CallEnded] == [
        type(each) for each in seen if not hasattr(each, "method")
    ]


def test_a_read_whose_transport_waits_is_our_bug() -> None:
    """The error names what it waited for, and what to use instead."""
    client, _ = client_with(transport=Suspending())

    with pytest.raises(errors.InternalError, match="Forever object") as caught:
        client.get(INVOICE)

    assert [Outcome.UNKNOWN] == [each.outcome for each in caught.value.attempts]


def test_a_part_that_never_stops_waiting_is_given_up() -> None:
    """Not even one that swallows the error each time holds the caller."""
    transport = Suspending(stubborn=True)
    client, _ = client_with(transport=transport)

    with pytest.raises(errors.InternalError, match="Forever object"):
        client.get(INVOICE)

    assert transport.closed > 1


def test_an_observer_may_call_back_into_the_client() -> None:
    """A step inside a step is a call inside a call."""
    got: list[str] = []

    def curious(event: object) -> None:
        if isinstance(event, CallStarted) and event.operation == "create":
            got.append(client.get(INVOICE).id)
            got.extend(row.id[:2] for row in client.list().collect(limit=3))

    client, transport = client_with(observers=[curious])

    assert INVOICE == client.create(DRAFT).id
    assert [INVOICE, "10", "11", "20"] == got
    assert len(transport.requests) == 4


def test_an_observer_on_the_portal_may_not_wait_for_the_portal(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """It would wait for itself; it is told so, and the call it listens to goes on."""

    def curious(event: object) -> None:
        if isinstance(event, CallStarted):
            client.get(INVOICE)

    client, transport = client_with(observers=[curious], backend="portal")

    assert INVOICE == client.create(DRAFT).id
    assert "wait for itself" in caplog.text.replace("\n", " ")
    assert len(transport.requests) == 1


@pytest.mark.anyio
async def test_inside_a_running_loop_a_call_works_and_is_warned_about_once() -> None:
    """It blocks the loop's other tasks, which its author may not know."""
    client, _ = client_with()

    with pytest.warns(RuntimeWarning, match="use AsyncClient") as warned:
        first = client.get(INVOICE)

    assert INVOICE == first.id == client.get(INVOICE).id
    assert ["10", "11", "20"] == [row.id[:2] for row in client.list().collect(limit=3)]
    assert len(warned) == 1
    assert __file__ == warned[0].filename


def test_inside_a_running_loop_a_token_function_that_waits_is_refused_too() -> None:
    """There it could wait, but not while its own loop is blocked."""
    client, transport = client_with(token=by_asyncio)

    async def nested() -> None:
        client.get(INVOICE)

    with (
        pytest.warns(RuntimeWarning, match="use AsyncClient"),
        pytest.raises(errors.ConfigurationError, match="plain function"),
    ):
        asyncio.run(nested())

    assert transport.requests == []


def test_a_broken_token_function_leaves_a_running_loop_sound() -> None:
    """What it was waiting for does not come back later."""
    client, _ = client_with(token=by_asyncio)

    async def nested() -> list[str]:
        with pytest.raises(errors.ConfigurationError):
            client.get(INVOICE)
        return list(await asyncio.gather(by_asyncio(), by_asyncio_at_once()))

    with pytest.warns(RuntimeWarning, match="use AsyncClient"):
        assert ["t", "t"] == asyncio.run(nested())


def test_what_the_core_sets_in_context_variables_stays_inside() -> None:
    """Each call runs in a copy of the caller's context, however it ends."""
    seen: list[str] = []

    def token() -> str:
        seen.append(MARK.get())
        MARK.set("by the token function")
        return "t"

    def observer(event: object) -> None:
        MARK.set("by the observer")

    client, _ = client_with(token=token, observers=[observer])
    MARK.set("by the caller")

    client.get(INVOICE)
    after_a_call = MARK.get()
    for _ in client.list():
        break
    rows = iter(client.list())
    next(rows)
    after_a_row = MARK.get()
    with pytest.raises(errors.InvalidInputError):
        client.get("nonsense")

    assert {"by the caller", "by the observer"} >= set(seen)
    assert ["by the caller"] * 3 == [after_a_call, after_a_row, MARK.get()]


@pytest.mark.parametrize("failure", [KeyError("a bug"), KeyboardInterrupt(), SystemExit(3)])
def test_what_goes_up_takes_no_context_with_it(failure: BaseException) -> None:
    """An interrupted call leaves the caller's context and the client as they were."""
    fail = [True]

    def token() -> str:
        MARK.set("by the token function")
        if fail:
            raise failure
        return "t"

    client, _ = client_with(token=token)
    MARK.set("by the caller")

    with pytest.raises(type(failure)):
        client.create(DRAFT)
    fail.clear()

    assert INVOICE == client.create(DRAFT).id
    assert MARK.get() == "by the caller"


def test_a_list_left_in_the_middle_leaves_nothing_behind() -> None:
    """No page is read behind the caller's back, and nothing complains when it is collected."""
    client, transport = client_with()

    for row in client.list():
        if row.id.startswith("20"):
            break
    walked = client.list().pages()
    next(walked)
    del walked
    gc.collect()

    assert len(transport.requests) == 3


def test_a_walk_goes_on_after_an_error() -> None:
    """A caller who asks again gets the page that failed, never a list that seems to have ended."""
    replies: list[Any] = [errors.ConnectionLostError("lost")]

    def flaky(request: WireRequest) -> Any:
        return replies.pop() if replies and "?page=2" in request.url else response(request)

    client, _ = client_with(transport=MemoryTransport(flaky), retry="none")
    rows = iter(client.list())
    first = [next(rows).id[:2], next(rows).id[:2]]

    with pytest.raises(errors.ConnectionLostError):
        next(rows)

    assert ["10", "11", "20", "21", "30", "31"] == [*first, *(row.id[:2] for row in rows)]
    assert [] == list(rows)


@pytest.mark.parametrize("make", [SyncBackend, PortalBackend])
@pytest.mark.parametrize("end", ["early", "late", "by error"])
def test_async_generators_are_always_closed(make: Any, end: str) -> None:
    """Also where a walk is left, or fails, in the middle."""
    told: list[str] = []

    async def count() -> AsyncIterator[int]:
        try:
            yield 1
            yield 2
            if end == "by error":
                raise LookupError
        finally:
            told.append("closed")

    seen: list[int] = []
    walk = make().iterate(count())
    try:
        for each in walk:
            seen.append(each)
            if end == "early":
                break
    except LookupError:
        seen.append(0)
    walk.close()

    assert {"early": [1], "late": [1, 2], "by error": [1, 2, 0]}[end] == seen
    assert told == ["closed"]


def test_one_client_walks_many_lists_in_many_threads() -> None:
    """Each thread steps its own calls; nothing is shared but the wire."""
    client, transport = client_with()
    results: list[list[str]] = []

    def work() -> None:
        results.append([row.id[:2] for row in client.list()])

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert [["10", "11", "20", "21", "30", "31"]] * 8 == results
    assert len(transport.requests) == 24
