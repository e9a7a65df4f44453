"""Rows of the table: the wire fails, or takes too long."""

from __future__ import annotations

import time
from typing import Any, Final

from _support.equivalence.faults import AGAIN, ONCE, create, fault, read, update
from _support.equivalence.row import EXANTE_DRAFT, LATER, Row, Scene
from billingual import MemoryTransport, errors
from billingual.retry.breaker import CircuitBreaker
from billingual.retry.policy import NONE, Retry
from billingual.sandbox import LANDMARKS
from billingual.wire import Timeouts, WireRequest

__all__ = ["ROWS"]

# On a busy machine a server may need a while to see, and to carry out, what it is not waited for.
IMPATIENT: Final = {"timeout": Timeouts(read=0.15)}


async def deadline_first(scene: Scene) -> Any:
    """Spend all the time on the token, before anything is sent."""

    def slow() -> str:
        time.sleep(0.02)
        return "ex_live_sandbox_default_9AbC"

    hurried = scene.client.with_options(token=slow, deadline=0.01)
    return await hurried.create(EXANTE_DRAFT)


async def deadline_between(scene: Scene) -> Any:
    """Have an attempt fail, and no time left for the next."""
    asked: list[int] = []

    def slower() -> str:
        asked.append(1)
        time.sleep(1.02 if len(asked) == 2 else 0)
        return "ex_live_sandbox_default_9AbC"

    scene.control.fault("rate_limit", retry_after=None)
    return await scene.client.with_options(token=slower, deadline=1.0).create(EXANTE_DRAFT)


async def dropped_finalize(scene: Scene) -> Any:
    """Lose the response of a finalize that took effect: a read settles it."""
    invoice_id = scene.kukkingu("DRAFT")
    scene.control.fault("drop_after_commit")
    return await scene.client.finalize(invoice_id)


async def lost_finalize(scene: Scene) -> Any:
    """Lose a finalize before it takes effect: a read cannot settle that it will not."""
    invoice_id = scene.kukkingu("DRAFT")
    scene.control.fault("status", provider="kukkingu")
    return await scene.client.finalize(invoice_id)


async def open_circuit(scene: Scene) -> Any:
    """Have an attempt fail, and the next one refused by the circuit breaker."""
    client = scene.client.with_options(retry=CircuitBreaker(policy=NONE, failures=1))
    scene.control.fault("status", provider="exante")
    seen: list[Any] = []
    for _ in range(2):
        try:
            seen.append(await client.get(scene.exante("PAID")))
        except errors.BillingualError as error:
            seen.append(error)
    return seen[-1]


async def dropped_batch(scene: Scene) -> Any:
    """Lose the response of a batch."""
    scene.control.fault("drop_after_commit")
    return await scene.client.update_many({scene.exante("DRAFT"): LATER})


async def late_batch(scene: Scene) -> Any:
    """Get no response to a batch in time."""
    scene.control.fault("latency", seconds=0.3, after_commit=True)
    return await scene.client.update_many({scene.exante("DRAFT"): LATER})


async def truncated_delete(scene: Scene) -> Any:
    """Get half a response to a delete."""
    scene.control.fault("truncate")
    return await scene.client.delete_many([scene.exante("DRAFT")])


def raising(error: Exception) -> MemoryTransport:
    """Make a transport that always fails in the same way."""

    def fail(request: WireRequest) -> errors.BillingualError:
        if isinstance(error, errors.BillingualError):
            return error
        raise error

    return MemoryTransport(fail)


ROWS: Final = (
    Row(
        "a read after a dropped request",
        read(fault("drop_before_commit")),
        "INV-2026-S00001 PAID 37219.95 GBP",
        "get: unknown ConnectionLostError > committed 200 = committed",
        options=AGAIN,
        portal=True,
        taped=True,
        drops_a_read=True,
    ),
    Row(
        "a read after a dropped response",
        read(fault("drop_after_commit")),
        "INV-2026-S00001 PAID 37219.95 GBP",
        "get: unknown ConnectionLostError > committed 200 = committed",
        options=AGAIN,
        drops_a_read=True,
    ),
    Row(
        "a read after a cut response",
        read(fault("truncate")),
        "INV-2026-S00001 PAID 37219.95 GBP",
        "get: unknown ConnectionLostError > committed 200 = committed",
        options=AGAIN,
    ),
    Row(
        "a read after a cut in the first byte",
        read(fault("truncate", after_bytes=0)),
        "INV-2026-S00001 PAID 37219.95 GBP",
        "get: unknown ConnectionLostError > committed 200 = committed",
        options=AGAIN,
    ),
    Row(
        "a read that is never answered whole",
        read(fault("truncate", times=9)),
        "ConnectionLostError",
        "get: unknown ConnectionLostError x4 = unknown ConnectionLostError",
        options=AGAIN,
        taped=True,
    ),
    Row(
        "a read that is dropped, once",
        read(fault("drop_before_commit")),
        "ConnectionLostError",
        "get: unknown ConnectionLostError = unknown ConnectionLostError",
        options=ONCE,
        drops_a_read=True,
    ),
    Row(
        "a create dropped before it took effect",
        create(fault("drop_before_commit")),
        "OutcomeUnknown unclear (ConnectionLostError), 0 stored",
        "create: unknown ConnectionLostError = unknown OutcomeUnknown",
        options=AGAIN,
        portal=True,
    ),
    Row(
        "a create dropped after it took effect",
        create(fault("drop_after_commit")),
        "OutcomeUnknown unclear (ConnectionLostError), 1 stored",
        "create: unknown ConnectionLostError = unknown OutcomeUnknown",
        options=AGAIN,
    ),
    Row(
        "a create with a cut response",
        create(fault("truncate")),
        "OutcomeUnknown applied (ConnectionLostError), 1 stored",
        "create: unknown ConnectionLostError = unknown OutcomeUnknown",
        options=AGAIN,
    ),
    Row(
        "an update dropped",
        update(fault("drop_after_commit")),
        "OutcomeUnknown unclear (ConnectionLostError)",
        "update: unknown ConnectionLostError = unknown OutcomeUnknown",
        options=AGAIN,
        taped=True,
    ),
    Row(
        "a finalize dropped",
        dropped_finalize,
        "INV-2026-0001 FINALIZED 20177.29 EUR",
        (
            "finalize: unknown ConnectionLostError = unknown OutcomeUnknown; get: "
            "committed 200 = committed"
        ),
        options=AGAIN,
        provider="kukkingu",
        taped=True,
    ),
    Row(
        "a finalize that failed unclearly",
        lost_finalize,
        (
            "OutcomeUnknown unclear (ServerError 503 "
            "'Injected status 503: Service Unavailable: FAULT_STATUS')"
        ),
        (
            "finalize: unknown 503 ServerError = unknown OutcomeUnknown; get: "
            "committed 200 = committed"
        ),
        options=AGAIN,
        provider="kukkingu",
    ),
    Row(
        "an open circuit",
        open_circuit,
        "CircuitOpenError",
        (
            "get: unknown 503 ServerError = unknown ServerError; "
            "get: not_sent CircuitOpenError = not_sent CircuitOpenError"
        ),
        options=ONCE,
    ),
    Row(
        "a batch dropped",
        dropped_batch,
        "OutcomeUnknown unclear (ConnectionLostError)",
        "update_many: unknown ConnectionLostError = unknown OutcomeUnknown",
        options=AGAIN,
    ),
    Row(
        "a delete with a cut response",
        truncated_delete,
        "OutcomeUnknown applied (ConnectionLostError)",
        "delete_many: unknown ConnectionLostError = unknown OutcomeUnknown",
        options=AGAIN,
    ),
    Row(
        "a read that is never answered in time",
        read(fault("latency", seconds=0.3, times=9)),
        "TimedOutError",
        "get: unknown TimedOutError x2 = unknown TimedOutError",
        options={**IMPATIENT, "retry": Retry(attempts=2, base_s=0.001)},
        portal=True,
    ),
    Row(
        "a read that is answered in time at last",
        read(fault("latency", seconds=1.5)),
        "INV-2026-S00001 PAID 37219.95 GBP",
        "get: unknown TimedOutError > committed 200 = committed",
        options={**AGAIN, "timeout": Timeouts(read=0.75)},
    ),
    Row(
        "a create that is not answered in time",
        create(fault("latency", seconds=0.3, after_commit=True)),
        "OutcomeUnknown unclear (TimedOutError), 1 stored",
        "create: unknown TimedOutError = unknown OutcomeUnknown",
        options={**AGAIN, **IMPATIENT},
    ),
    Row(
        "a batch that is not answered in time",
        late_batch,
        "OutcomeUnknown unclear (TimedOutError)",
        "update_many: unknown TimedOutError = unknown OutcomeUnknown",
        options={**AGAIN, **IMPATIENT},
        taped=True,
    ),
    Row(
        "a deadline that ends a read",
        read(fault("latency", seconds=1.5)),
        "TimedOutError",
        "get: unknown TimedOutError = unknown TimedOutError",
        options={"deadline": 0.75},
    ),
    Row(
        "a deadline that ends a create",
        create(fault("latency", seconds=1.5, after_commit=True)),
        "OutcomeUnknown unclear (TimedOutError), 1 stored",
        "create: unknown TimedOutError = unknown OutcomeUnknown",
        options={"deadline": 0.75},
    ),
    Row(
        "a deadline that passes before anything is sent",
        deadline_first,
        "DeadlineExceededError",
        "create: not_sent DeadlineExceededError = not_sent DeadlineExceededError",
    ),
    Row(
        "a deadline that passes between attempts",
        deadline_between,
        "DeadlineExceededError",
        (
            "create: not_applied 429 RateLimitedError > not_sent "
            "DeadlineExceededError = not_sent DeadlineExceededError"
        ),
        options=AGAIN,
    ),
    # An application in this process has no connection that could be refused.
    Row(
        "a read of a server that is not there",
        lambda s: s.client.get(LANDMARKS["exante_party"]),
        "NotConnectedError",
        "get: not_sent NotConnectedError x4 = not_sent NotConnectedError",
        unreachable=True,
        transports=("h11", "memory"),
        options=AGAIN,
        taped=True,
    ),
    Row(
        "a create at a server that is not there",
        lambda s: s.client.create(EXANTE_DRAFT),
        "NotConnectedError",
        "create: not_sent NotConnectedError x4 = not_sent NotConnectedError",
        unreachable=True,
        transports=("h11", "memory"),
        options=AGAIN,
        portal=True,
    ),
    # One caller alone never waits for a connection, so the transport says that it did.
    Row(
        "a create without a free connection",
        lambda s: s.client.create(EXANTE_DRAFT),
        "PoolTimeoutError",
        "create: not_sent PoolTimeoutError x4 = not_sent PoolTimeoutError",
        transports=("memory",),
        options={**AGAIN, "transport": raising(errors.PoolTimeoutError("all busy"))},
    ),
    # Only a foreign transport raises what it must not.
    Row(
        "a read by a transport with a bug",
        lambda s: s.client.get(LANDMARKS["exante_party"]),
        "InternalError",
        "get: unknown InternalError = unknown InternalError",
        transports=("memory",),
        options={**AGAIN, "transport": raising(OSError(5, "x"))},
    ),
    Row(
        "a create by a transport with a bug",
        lambda s: s.client.create(EXANTE_DRAFT),
        "OutcomeUnknown unclear (InternalError)",
        "create: unknown InternalError = unknown OutcomeUnknown",
        transports=("memory",),
        options={**AGAIN, "transport": raising(OSError(5, "x"))},
    ),
)
