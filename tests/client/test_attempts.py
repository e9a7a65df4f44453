"""The loop of attempts: what is waited for, what is raised, and what ends it."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator, Sequence
from typing import Any

import anyio
import pytest

from _support.small_provider import client_of, say
from billingual import Retry, RetryBudget, errors
from billingual.abc import RetryDecision
from billingual.outcomes import Evidence

UNSENT = Evidence(connected=False, request_complete=False, response_begun=False)


def failures(count: int) -> list[errors.BillingualError]:
    """Make errors of attempts that never left."""
    return [errors.NotConnectedError(f"failure {n + 1}", evidence=UNSENT) for n in range(count)]


class Waits:
    """A policy with fixed waits; it stops when there is none left.

    Attributes:
        errors: what it was asked about.
    """

    deadline_s = 900.0

    def __init__(self, *waits: float) -> None:
        self._waits: Iterator[float] = iter(waits)
        self.errors: list[errors.BillingualError] = []

    def decide(
        self, _: Sequence[Any], *, error: errors.BillingualError, **__: Any
    ) -> RetryDecision:
        self.errors.append(error)
        return RetryDecision(wait_s=next(self._waits, None), why="it is a test")


@pytest.mark.parametrize("count", [0, 1, 2, 3])
def test_a_request_is_sent_until_it_succeeds(step: Any, backend: Any, count: int) -> None:
    """Each wait goes to the backend's sleep, in order, before the next attempt."""
    client, transport = client_of(backend, [*failures(count), say()], retry=Waits(1.0, 2.0, 4.0))

    assert step(client.get("i1")).id == "i1"
    assert len(transport.requests) == count + 1
    assert backend.sleeps == [1.0, 2.0, 4.0][:count]


def test_the_last_error_is_raised_unchanged(step: Any, backend: Any) -> None:
    """No wrapper of a retry library is between the caller and what happened."""
    failed, policy = failures(9), Waits(0.0, 0.0)
    client, transport = client_of(backend, failed, retry=policy)

    with pytest.raises(errors.NotConnectedError) as caught:
        step(client.get("i1"))

    assert caught.value is failed[2]
    assert caught.value.__cause__ is None
    assert policy.errors == failed[:3]
    assert len(caught.value.attempts) == len(transport.requests) == 3


@pytest.mark.parametrize("after", [0, 1])
def test_an_exception_that_is_no_error_of_ours_is_never_tried_again(
    step: Any, backend: Any, after: int
) -> None:
    """A token function's error passes straight through, on the first attempt or a later one."""
    calls = 0

    def token() -> str:
        nonlocal calls
        calls += 1
        if calls > after:
            raise KeyError("a bug")
        return "not-a-real-one"

    client, transport = client_of(backend, failures(9), token=token, retry=Waits(0.0, 0.0, 0.0))

    with pytest.raises(KeyError, match="a bug"):
        step(client.get("i1"))

    assert (calls, len(transport.requests)) == (after + 1, after)


@pytest.mark.anyio
async def test_calls_that_share_a_client_do_not_share_the_state_of_their_attempts() -> None:
    """Twenty calls at once, each failing three times, all succeed on their fourth attempt."""
    left = {f"/base/invoices/{number}": failures(3) for number in range(20)}

    def respond(request: Any) -> Any:
        failed = left[request.url.removeprefix("https://small.example")]
        return failed.pop() if failed else say()

    client, transport = client_of(None, respond, budget=RetryBudget(capacity=5_000))
    async with anyio.create_task_group() as group:
        for number in range(20):
            group.start_soon(client.get, str(number))

    assert len(transport.requests) == 80
    assert not any(left.values())


@pytest.mark.parametrize(
    ("wait_s", "slept"), [(10.0, []), (10.5, []), (9.75, [9.75])], ids=["as long", "longer", "less"]
)
def test_a_retry_that_would_wait_as_long_as_the_deadline_leaves_is_not_begun(
    step: Any, backend: Any, wait_s: float, slept: list[float]
) -> None:
    """There would be no time for the attempt; the error says so at once."""
    client, transport = client_of(
        backend, [*failures(1), say()], retry=Waits(wait_s), deadline=10.0
    )

    if slept:
        assert step(client.get("i1")).id == "i1"
    else:
        with pytest.raises(errors.NotConnectedError, match="failure 1") as caught:
            step(client.get("i1"))
        assert "the deadline is in 10.0 s" in (caught.value.stopped or "")

    assert backend.sleeps == slept
    assert len(transport.requests) == 1 + len(slept)


@pytest.mark.parametrize("deadline", [5.0, 5.5], ids=["as long", "shorter"])
def test_a_built_in_policy_does_not_begin_such_a_retry_either(
    step: Any, backend: Any, deadline: float
) -> None:
    """Its own wait, or the one that the provider asks for; jitter is half of its cap here."""
    policy = Retry(attempts=2, base_s=10.0, cap_s=10.0)
    client, transport = client_of(backend, [*failures(1), say()], retry=policy, deadline=deadline)

    if deadline == 5.0:
        with pytest.raises(errors.NotConnectedError) as caught:
            step(client.get("i1"))
        assert "in 5.0 s, the deadline in 5.0 s" in (caught.value.stopped or "")
    else:
        step(client.get("i1"))

    assert backend.sleeps == ([] if deadline == 5.0 else [5.0])
    assert len(transport.requests) == (1 if deadline == 5.0 else 2)


@pytest.mark.anyio
async def test_a_cancelled_wait_ends_the_call() -> None:
    """Cancellation passes through a wait between two attempts."""
    client, transport = client_of(None, failures(9), retry=Waits(600.0))
    with anyio.CancelScope() as scope:

        def cancel_and_wait(*_: Any, **__: Any) -> RetryDecision:
            scope.cancel()
            return RetryDecision(wait_s=600.0, why="it is a test")

        client._context.policy.decide = cancel_and_wait  # type: ignore[method-assign]
        client = client.with_options(deadline=900)
        await client.get("i1")

    assert scope.cancelled_caught
    assert len(transport.requests) == 1


def test_a_call_that_succeeds_at_once_does_not_import_tenacity() -> None:
    """Only a failure pays for the retry library."""
    program = (
        "import sys\n"
        "from _support.backend import StepBackend, run_in_one_step\n"
        "from _support.small_provider import client_of, say\n"
        "client, _ = client_of(StepBackend(), [say()])\n"
        "assert run_in_one_step(client.get('i1')).id == 'i1'\n"
        "assert 'tenacity' not in sys.modules and 'asyncio' not in sys.modules\n"
    )

    done = subprocess.run(
        [sys.executable, "-c", program], check=False, capture_output=True,
        env={"PYTHONPATH": ":".join(sys.path)},
    )  # fmt: skip

    assert (done.returncode, done.stderr) == (0, b"")
