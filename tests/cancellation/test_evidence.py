"""What a cancelled write leaves behind: the exception that passes on carries the evidence."""

from __future__ import annotations

import asyncio
import pickle
import traceback
from collections.abc import Awaitable, Callable, Iterator
from typing import Any, Final

import anyio
import pytest
import trio

import billingual
from _support.invoice_server import InvoiceServer, uid
from billingual import AsyncClient, Changes, Draft, Money, OutcomeUnknown
from billingual.events import AttemptEnded, CallEnded
from billingual.outcomes import Outcome

CANARY: Final = "canary-7c1f0a93"
DRAFT: Final = Draft(
    document="ctr_" + "c" * 24, number="N-1", total=Money.of("1.00", "EUR"), exchange_rate="1.0"
)
TRANSPORTS: Final = ("httpx", "httpx2", "aiohttp", "h11")


@pytest.fixture
def server() -> Iterator[InvoiceServer]:
    """Run a server for one test."""
    with InvoiceServer() as running:
        yield running


def client_of(server: InvoiceServer, transport: Any, **options: Any) -> AsyncClient:
    """Make a client with a token that must not be seen."""
    return AsyncClient(
        "kukkingu", base_url=server.url, token=CANARY, tenant="tnt_" + "a" * 24,
        transport=transport, retry="none", **options,
    )  # fmt: skip


async def held_by(server: InvoiceServer) -> None:
    """Wait until the server has the request: by then it was sent, however slow the machine is."""
    await asyncio.to_thread(server.wait_for_held)


async def by_timeout(write: Awaitable[Any], server: InvoiceServer) -> None:
    """End it by a timeout around it."""

    async def end() -> None:
        await held_by(server)
        limit.reschedule(0.0)

    async with asyncio.timeout(None) as limit:
        ending = asyncio.ensure_future(end())
        await write
    await ending


async def by_wait_for(write: Awaitable[Any], server: InvoiceServer) -> None:
    """End it by the older way."""
    task = asyncio.ensure_future(write)
    await held_by(server)
    await asyncio.wait_for(task, 0.01)


async def by_cancel(write: Awaitable[Any], server: InvoiceServer) -> None:
    """Cancel its task, and await that."""
    task = asyncio.ensure_future(write)
    await held_by(server)
    task.cancel()
    await task


async def by_sibling(write: Awaitable[Any], server: InvoiceServer) -> None:
    """Let another task of its group fail: the group reports that failure alone."""

    async def fail() -> None:
        await held_by(server)
        raise LookupError("the sibling failed")

    async def carry() -> None:
        try:
            await write
        except asyncio.CancelledError as stop:
            raise RuntimeError("cleaned up") from stop

    async with asyncio.TaskGroup() as group:
        group.create_task(carry())
        group.create_task(fail())


WAYS: Final = (by_timeout, by_wait_for, by_cancel, by_sibling)


@pytest.mark.parametrize("way", WAYS, ids=lambda way: way.__name__)
@pytest.mark.parametrize("transport", TRANSPORTS)
def test_what_stopped_a_write_carries_it(
    server: InvoiceServer,
    transport: str,
    way: Callable[[Awaitable[Any], InvoiceServer], Awaitable[None]],
) -> None:
    """The exception is the loop's own; the evidence is found in it, told once, and reconciled."""
    events: list[Any] = []
    told: list[OutcomeUnknown] = []

    async def main() -> BaseException:
        options = {"observers": [events.append], "on_unclear": told.append}
        async with client_of(server, transport, **options) as client:
            server.hold()
            try:
                await way(client.create(DRAFT), server)
            except BaseException as error:  # noqa: BLE001 - what it is, is the question
                server.release()
                unclear = billingual.unclear_from(error)
                assert unclear is not None
                finding = await unclear.reconcile()
                assert finding.why
                return error
        raise AssertionError("it was not stopped")

    error = asyncio.run(main())
    unclear = billingual.unclear_from(error)
    assert unclear is not None
    ends = [each for each in events if isinstance(each, (AttemptEnded, CallEnded))][:2]

    assert isinstance(error, (TimeoutError, asyncio.CancelledError, BaseExceptionGroup))
    assert [unclear] == told
    assert (unclear.operation, unclear.likely) == ("create", "unclear")
    assert unclear.intent is not None
    assert unclear.intent.draft == DRAFT
    assert [each.outcome for each in unclear.attempts] == [Outcome.UNKNOWN]
    assert [type(each) for each in ends] == [AttemptEnded, CallEnded]
    assert ends[0].attempt.outcome is ends[1].outcome is Outcome.UNKNOWN
    text = "".join(traceback.TracebackException.from_exception(error, capture_locals=True).format())
    assert CANARY not in text + repr(pickle.dumps(unclear))
    revived = pickle.loads(pickle.dumps(unclear))  # noqa: S301 - our own
    assert revived.intent == unclear.intent


@pytest.mark.parametrize("transport", ["httpx", "h11"])
@pytest.mark.parametrize("run", [anyio.run, trio.run], ids=["anyio", "trio"])
def test_a_scope_that_swallows_its_exception_leaves_it_to_the_hook(
    server: InvoiceServer, transport: str, run: Any
) -> None:
    """``move_on_after`` shows no exception at all."""
    told: list[OutcomeUnknown] = []

    async def end(scope: anyio.CancelScope) -> None:
        await anyio.to_thread.run_sync(server.wait_for_held)
        scope.deadline = anyio.current_time()

    async def main() -> None:
        async with client_of(server, transport, on_unclear=told.append) as client:
            server.hold()
            async with anyio.create_task_group() as group:
                with anyio.move_on_after(60) as scope:
                    group.start_soon(end, scope)
                    await client.create(DRAFT)
            server.release()

    run(main)
    assert [each.operation for each in told] == ["create"]


@pytest.mark.parametrize("transport", TRANSPORTS)
def test_a_read_that_is_cancelled_carries_nothing(server: InvoiceServer, transport: str) -> None:
    """Nothing can have happened."""
    told: list[OutcomeUnknown] = []

    async def main() -> BaseException | None:
        async with client_of(server, transport, on_unclear=told.append) as client:
            server.hold()
            try:
                await by_timeout(client.get("inv_" + "b" * 24), server)
            except TimeoutError as error:
                server.release()
                return error
        return None

    error = asyncio.run(main())
    assert error is not None
    assert billingual.unclear_from(error) is None
    assert getattr(error.__cause__, "__notes__", []) == told == []


def test_a_write_that_was_not_sent_carries_nothing(server: InvoiceServer) -> None:
    """Its token had not come, so no byte of it was sent."""
    told: list[OutcomeUnknown] = []
    events: list[Any] = []

    async def token() -> str:
        await asyncio.sleep(60)
        return CANARY

    async def main() -> BaseException | None:
        options = {"on_unclear": told.append, "observers": [events.append]}
        async with client_of(server, "h11", **options) as client:
            waiting = client.with_options(token=token)
            try:
                async with asyncio.timeout(0.15):
                    await waiting.create(DRAFT)
            except TimeoutError as error:
                return error
        return None

    error = asyncio.run(main())
    assert error is not None
    assert billingual.unclear_from(error) is None
    assert told == []
    assert [each.attempt.outcome for each in events if isinstance(each, AttemptEnded)] == [
        Outcome.NOT_SENT
    ]
    assert server.requests == []


def test_a_batch_and_an_act_are_carried_too(server: InvoiceServer) -> None:
    """Whatever the operation is; an act is cancelled in the read that was to settle it."""
    told: list[OutcomeUnknown] = []

    async def main() -> None:
        async with client_of(server, "h11", on_unclear=told.append) as client:
            server.hold()
            with pytest.raises(TimeoutError):
                await by_timeout(client.finalize("inv_" + "b" * 24), server)
            server.release()
        async with AsyncClient(
            "exante", base_url=server.url, token=CANARY, transport="h11", on_unclear=told.append
        ) as client:
            server.hold()
            with pytest.raises(TimeoutError):
                await by_timeout(client.update_many({uid(1): Changes(number="N-2")}), server)
            server.release()

    asyncio.run(main())
    assert [each.operation for each in told] == ["finalize", "update_many"]


def test_the_hook_is_told_of_unclear_writes_that_raise(server: InvoiceServer) -> None:
    """Once for each, and an exception of its own changes nothing."""
    told: list[OutcomeUnknown] = []

    def hook(unclear: OutcomeUnknown) -> None:
        told.append(unclear)
        raise ZeroDivisionError

    async def main() -> None:
        async with client_of(server, "h11", on_unclear=hook, deadline=2.0) as client:
            server.hold()
            with pytest.raises(OutcomeUnknown) as caught:
                await client.create(DRAFT)
            server.release()
            assert told == [caught.value]
            assert (await caught.value.reconcile()).why

    asyncio.run(main())


def test_other_exceptions_carry_nothing() -> None:
    """Also if they refer to each other in a circle."""
    one, two = ValueError("one"), KeyError("two")
    one.__context__, two.__context__ = two, one
    group = ExceptionGroup("both", [one, two])

    assert billingual.unclear_from(group) is None
    assert billingual.unclear_from(KeyboardInterrupt()) is None


@pytest.mark.parametrize("hook", ["print", 5])
def test_a_hook_that_cannot_be_called_is_refused(hook: Any) -> None:
    """Also one that would never be awaited."""

    async def never(unclear: OutcomeUnknown) -> None:
        """Be async."""

    for each in (hook, never):
        with pytest.raises(billingual.ConfigurationError, match="on_unclear= takes a plain") as no:
            AsyncClient("exante", token="t", on_unclear=each)
        assert no.value.field == "on_unclear"
