"""The circuit breaker: when it opens, what it allows, and what closes it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import attrs
import pytest

from billingual import AsyncClient, Client, MemoryTransport, errors
from billingual.abc import RetryDecision
from billingual.outcomes import Attempt, Evidence, Outcome, Safety
from billingual.retry.breaker import CircuitBreaker
from billingual.retry.policy import NONE, STANDARD, Retry

INVOICE = "inv_mqxd1kc6bgtcc676xoqzax47"
GOOD = MemoryTransport.json(f'{{"data": {{"id": "{INVOICE}", "status": "DRAFT"}}}}')
DOWN = MemoryTransport.json("{}", status=503)
UNSENT = Evidence(connected=False, request_complete=False, response_begun=False)
SENT = Evidence(connected=True, request_complete=True, response_begun=False)


def answered(status: int) -> Any:
    """Make a response without a body."""
    return MemoryTransport.json("{}", status=status)


ILL = {
    "500": answered(500),
    "503": answered(503),
    "refused": errors.NotConnectedError("x", evidence=UNSENT),
    "lost": errors.ConnectionLostError("x", evidence=SENT),
    "timeout": errors.TimedOutError("x", evidence=SENT),
}
WELL = {
    "200": GOOD, "400": answered(400), "401": answered(401), "404": answered(404),
    "409": answered(409), "429": answered(429), "302": answered(302),
}  # fmt: skip
SILENT = {
    "full pool": errors.PoolTimeoutError("x", evidence=UNSENT),
    "too large": errors.ResponseTooLargeError("x", evidence=SENT),
}


class Scene:
    """A client behind a breaker, and a transport that answers what it is told."""

    def __init__(self, step: Any, backend: Any, breaker: Any, **options: Any) -> None:
        self.step, self.backend, self.response = step, backend, DOWN
        self.transport = MemoryTransport(lambda _: self.response)
        self.client = AsyncClient(
            "kukkingu", token="t" * 20, tenant="tnt_" + "1" * 24, backend=backend,
            transport=self.transport, base_url="https://one.example", retry=breaker, **options,
        )  # fmt: skip

    def get(self, response: Any, client: Any = None) -> str:
        """Make a call that meets *response*, and name its end."""
        self.response = response
        try:
            self.step((client or self.client).get(INVOICE))
        except errors.BillingualError as error:
            return type(error).__name__
        return "good"

    @property
    def sent(self) -> int:
        return len(self.transport.requests)


@pytest.fixture
def scene(step: Any, backend: Any) -> Callable[..., Scene]:
    """Return a function that sets a scene; its breaker opens after three, for 30 s."""

    def made(**options: Any) -> Scene:
        options.setdefault("breaker", CircuitBreaker(policy=NONE, failures=3))
        return Scene(step, backend, **options)

    return made


@pytest.mark.parametrize("ill", ILL)
def test_it_opens_after_three_failures_in_a_row(scene: Any, ill: str) -> None:
    """The next call fails at once, says for how long, and nothing is sent."""
    stage = scene()
    ends = [stage.get(ILL[ill]) for _ in range(3)]
    assert "CircuitOpenError" not in ends

    with pytest.raises(errors.CircuitOpenError, match="Nothing was sent") as caught:
        stage.step(stage.client.get(INVOICE))

    assert (3, 30.0) == (stage.sent, caught.value.retry_after)
    assert [Outcome.NOT_SENT] == [each.outcome for each in caught.value.attempts]
    assert not caught.value.maybe_applied


@pytest.mark.parametrize("well", WELL)
def test_any_response_but_5xx_resets_the_count(scene: Any, well: str) -> None:
    """Whatever it says, it shows that the provider works."""
    stage = scene()
    for response in (DOWN, DOWN, WELL[well], DOWN, DOWN):
        stage.get(response)

    assert "good" == stage.get(GOOD)
    assert 6 == stage.sent


@pytest.mark.parametrize("silent", SILENT)
def test_errors_that_say_nothing_about_the_provider_do_not_count(scene: Any, silent: str) -> None:
    """A full pool and a response beyond its bounds neither raise the count nor reset it."""
    stage = scene()
    for response in (DOWN, DOWN, *[SILENT[silent]] * 5):
        assert "CircuitOpenError" != stage.get(response)
    stage.get(DOWN)

    assert "CircuitOpenError" == stage.get(GOOD)


def test_after_its_rest_a_successful_attempt_closes_it(scene: Any) -> None:
    """One attempt is allowed; after its success all are."""
    stage = scene()
    for _ in range(3):
        stage.get(DOWN)
    stage.backend.clock += 29.9
    assert "CircuitOpenError" == stage.get(GOOD)
    stage.backend.clock += 0.1

    assert ["good"] * 3 == [stage.get(GOOD) for _ in range(3)]


def test_after_its_rest_a_failed_attempt_opens_it_again(scene: Any) -> None:
    """One failure is enough, because the count was not reset."""
    stage = scene()
    for _ in range(3):
        stage.get(DOWN)
    stage.backend.clock += 30

    assert ["ServerError", "CircuitOpenError"] == [stage.get(DOWN), stage.get(GOOD)]
    stage.backend.clock += 29.9
    assert "CircuitOpenError" == stage.get(GOOD)
    assert 4 == stage.sent


def test_after_its_rest_only_one_attempt_is_allowed() -> None:
    """Of twenty that ask exactly one is allowed; its result decides for the others."""
    breaker = CircuitBreaker(failures=1, rest_s=30)
    breaker.note(ILL["timeout"], 0.0)
    passed = 0
    for _ in range(20):
        try:
            breaker.admit(30.0)
        except errors.CircuitOpenError:
            continue
        passed += 1

    assert 1 == passed
    breaker.note(None, 31.0)
    for _ in range(20):
        breaker.admit(31.0)


@pytest.mark.parametrize(
    "end", [errors.PoolTimeoutError("x"), errors.DeadlineExceededError("x"), None],
    ids=["full pool", "deadline", "cancelled"],
)  # fmt: skip
def test_a_test_attempt_without_a_result_does_not_lock_it(end: Any) -> None:
    """After another rest the next attempt is allowed."""
    breaker = CircuitBreaker(failures=1, rest_s=30)
    breaker.note(ILL["refused"], 0.0)
    breaker.admit(30.0)
    if end is not None:
        breaker.note(end, 31.0)
    with pytest.raises(errors.CircuitOpenError):
        breaker.admit(32.0)

    breaker.admit(61.0)


def test_the_policy_inside_still_retries(scene: Any) -> None:
    """Retries count as attempts, and an open circuit ends them."""
    stage = scene(breaker=CircuitBreaker(failures=3, policy=Retry(attempts=4)))
    with pytest.raises(errors.CircuitOpenError) as caught:
        stage.step(stage.client.get(INVOICE))

    ends = [each.error for each in caught.value.attempts]
    assert ["ServerError"] * 3 + ["CircuitOpenError"] == ends
    assert 3 == stage.sent


def test_fewer_failures_are_retried_to_success(scene: Any) -> None:
    """Below its threshold it does what the policy inside does."""
    stage = scene(breaker=CircuitBreaker())
    stage.transport._response = lambda _: GOOD if stage.sent == 3 else DOWN

    stage.step(stage.client.get(INVOICE))

    assert 3 == stage.sent


def test_it_has_the_deadline_of_the_policy_inside(scene: Any) -> None:
    """So ``retry=CircuitBreaker(policy=PATIENT)`` is as patient; a policy without one has 60 s."""
    from billingual.retry.policy import PATIENT  # noqa: PLC0415 - named beside its use

    assert 900.0 == CircuitBreaker(policy=PATIENT).deadline_s
    assert 60.0 == CircuitBreaker(policy=ThirdParty()).deadline_s
    assert 900.0 == scene(breaker=CircuitBreaker(policy=PATIENT)).client._context.deadline_s


def test_each_client_of_the_name_breaker_has_its_own(scene: Any) -> None:
    """Ten failures of one client do not stop another."""
    one, other = scene(breaker="breaker"), scene(breaker="breaker")
    one.client._context.budget.tokens = 0
    for _ in range(10):
        one.get(DOWN)

    assert ["CircuitOpenError", "good"] == [one.get(GOOD), other.get(GOOD)]


def test_clients_can_share_one_breaker(scene: Any) -> None:
    """``Client`` and ``AsyncClient``: failures of one stop the other."""
    shared = CircuitBreaker(policy=NONE, failures=2)
    stage = scene(breaker=shared)
    transport = MemoryTransport(lambda _: DOWN)
    with Client(
        "kukkingu", token="t" * 20, tenant="tnt_" + "1" * 24, transport=transport,
        base_url="https://one.example", retry=shared,
    ) as blocking:  # fmt: skip
        for _ in range(2):
            with pytest.raises(errors.ServerError):
                blocking.get(INVOICE)

    assert shared.failures == shared._failed_in_a_row
    stage.backend.clock = shared._open_until - 1
    assert "CircuitOpenError" == stage.get(GOOD)


@pytest.mark.parametrize(
    "numbers", [{"failures": 0}, {"failures": -1}, {"rest_s": 0.0}, {"rest_s": -1.0}], ids=str
)
def test_numbers_must_be_above_zero(numbers: dict[str, Any]) -> None:
    """With others it could never open or close."""
    with pytest.raises(errors.ConfigurationError, match="above zero"):
        CircuitBreaker(**numbers)


@attrs.define
class ThirdParty:
    """A foreign policy that looks at every attempt and refuses those it is told to."""

    refuse: bool = False
    seen: list[tuple[str, str | None]] = attrs.field(factory=list)

    def admit(self, now: float) -> None:
        self.seen.append(("admit", None))
        if self.refuse:
            raise errors.CircuitOpenError("not now", retry_after=1.0)

    def note(self, error: errors.BillingualError | None, now: float) -> None:
        self.seen.append(("note", None if error is None else type(error).__name__))

    def decide(
        self, attempts: Sequence[Attempt], *, error: errors.BillingualError, safety: Safety,
        left_s: float, random: Callable[[], float],
    ) -> RetryDecision:  # fmt: skip
        return STANDARD.decide(attempts, error=error, safety=safety, left_s=left_s, random=random)


def test_any_policy_may_have_admit_and_note(scene: Any) -> None:
    """It is asked before each attempt, and told how it ended."""
    policy = ThirdParty()
    stage = scene(breaker=policy)
    stage.transport._response = lambda _: GOOD if stage.sent == 2 else DOWN

    stage.step(stage.client.get(INVOICE))

    told = [("admit", None), ("note", "ServerError"), ("admit", None), ("note", None)]
    assert told == policy.seen


def test_an_attempt_that_admit_refuses_is_not_sent(scene: Any) -> None:
    """Its error is raised unchanged."""
    stage = scene(breaker=ThirdParty(refuse=True))

    assert "CircuitOpenError" == stage.get(GOOD)
    assert 0 == stage.sent
