"""The loop of attempts: the first one bare, tenacity from the first failure on."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, TypeVar

from billingual.abc import Decision
from billingual.errors import BillingualError

if TYPE_CHECKING:
    from tenacity import RetryCallState

__all__ = ["attempt_until", "held_to"]

T = TypeVar("T")


async def attempt_until(
    attempt: Callable[[], Awaitable[T]],
    *,
    decide: Callable[[BillingualError], Decision],
    sleep: Callable[[float], Awaitable[None]],
) -> T:
    """Call *attempt* until it succeeds or *decide* says stop; then its last error goes up.

    A call that succeeds at once costs nothing but the call. All state is made here, per call:
    a tenacity object that is shared mixes up its callers.

    Raises:
        BillingualError: what the last attempt raised.
    """
    try:
        return await attempt()
    except BillingualError as error:
        first: BillingualError | None = error
    from tenacity import AsyncRetrying  # noqa: PLC0415 - only a failure pays for the import

    async def resumed() -> T:
        nonlocal first
        if first is None:
            return await attempt()
        error, first = first, None
        raise error

    waits: list[float] = []

    def again(state: RetryCallState) -> bool:
        error = None if state.outcome is None else state.outcome.exception()
        if not isinstance(error, BillingualError):
            return False
        wait_s = decide(error).wait_s
        if wait_s is not None:
            waits.append(wait_s)
        return wait_s is not None

    retrying = AsyncRetrying(
        sleep=sleep, retry=again, wait=lambda _: waits[-1], reraise=True, before_sleep=None
    )
    return await retrying(resumed)


def held_to(decision: object, left_s: float) -> Decision:
    """Return what a policy decided, if it can be done; whoever wrote it, no wait outlasts a call.

    Args:
        decision: what the policy returned.
        left_s: seconds that the deadline leaves.
    """
    if not isinstance(decision, Decision):
        return Decision(wait_s=None, why=f"the retry policy returned {type(decision).__name__}")
    if decision.wait_s is None or 0 <= decision.wait_s < left_s:
        return decision
    return Decision(
        wait_s=None,
        why=f"the retry policy asks to wait {decision.wait_s} s, the deadline is in {left_s:.1f} s",
    )
