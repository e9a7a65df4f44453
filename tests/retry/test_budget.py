"""The retry budget: what a retry costs, what a success earns, and which calls share a bucket."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from billingual import AsyncClient, Client, MemoryTransport, errors
from billingual.events import RetryPlanned
from billingual.retry.budget import RetryBudget
from billingual.retry.policy import Retry

INVOICE = "inv_mqxd1kc6bgtcc676xoqzax47"
GOOD = MemoryTransport.json(f'{{"data": {{"id": "{INVOICE}", "status": "DRAFT"}}}}')
DOWN = MemoryTransport.json("{}", status=503)
BUSY = MemoryTransport.json("{}", status=429)
TOKENS = ("token_" + "a" * 16, "token_" + "b" * 16)
TENANTS = ("tnt_" + "1" * 24, "tnt_" + "2" * 24)
AT_ONCE = Retry(attempts=99, base_s=0.0, throttled_s=0.0)


def client_of(backend: Any, response: Any = DOWN, **options: Any) -> AsyncClient:
    """Make a client whose every request is met with *response*."""
    options.setdefault("token", TOKENS[0])
    options.setdefault("transport", MemoryTransport(lambda _: response))
    options.setdefault("base_url", "https://one.example")
    options.setdefault("retry", AT_ONCE)
    return AsyncClient("kukkingu", tenant=TENANTS[0], backend=backend, **options)


def sent(step: Any, client: AsyncClient) -> int:
    """Fail one call and count what was sent for it."""
    with pytest.raises(errors.ProviderError) as caught:
        step(client.get(INVOICE))
    return len(caught.value.attempts)


@pytest.mark.parametrize(("response", "retries"), [(DOWN, 35), (BUSY, 100)], ids=["503", "429"])
def test_a_full_bucket_pays_for_so_many_retries(
    step: Any, backend: Any, response: Any, retries: int
) -> None:
    """500 tokens are 35 retries at 14 after a failure, and 100 at 5 after a rate limit."""
    policy = Retry(attempts=None, base_s=0.0, throttled_s=0.0)
    limiter_gaps_s = 5.0 * retries
    client = client_of(backend, response, retry=policy, deadline=limiter_gaps_s)

    assert 1 + retries == sent(step, client)
    assert 1 == sent(step, client)


@pytest.mark.parametrize("name", ["capacity", "cost", "throttled_cost", "earning"])
@pytest.mark.parametrize("wrong", [-1, 1.0, True, "1", None], ids=repr)
def test_token_counts_must_be_whole_numbers(name: str, wrong: Any) -> None:
    """Others are refused by name when the bucket is made."""
    with pytest.raises(errors.ConfigurationError, match=f"{name}="):
        RetryBudget(**{name: wrong})


@given(st.lists(st.sampled_from(["failed", "throttled", "success"]), max_size=300))
def test_the_level_stays_between_zero_and_the_capacity(events: list[str]) -> None:
    """After any sequence of events."""
    budget, level = RetryBudget(capacity=60), 60
    for event in events:
        if event == "success":
            budget.earn()
            level = min(60, level + 1)
        else:
            cost = 5 if event == "throttled" else 14

            assert (level >= cost) is budget.spend(throttled=event == "throttled")
            level -= cost if level >= cost else 0

        assert level == budget.tokens


def test_each_success_puts_a_token_back(step: Any, backend: Any) -> None:
    """After a first attempt or a retry; a failure puts none back."""
    budget = RetryBudget(capacity=100)
    responses = MemoryTransport([DOWN, GOOD, GOOD, GOOD, DOWN, DOWN, GOOD])
    client = client_of(backend, transport=responses, budget=budget)

    for level in (100 - 14 + 1, 88, 89, 89 - 28 + 1):
        step(client.get(INVOICE))

        assert level == budget.tokens


def test_a_full_bucket_earns_nothing(step: Any, backend: Any) -> None:
    """A long time without failures does not pay for a long outage."""
    budget = RetryBudget(capacity=20)
    client = client_of(backend, GOOD, budget=budget)

    for _ in range(9):
        step(client.get(INVOICE))

    assert 20 == budget.tokens


def test_an_error_says_that_the_budget_is_spent(step: Any, backend: Any) -> None:
    """As a field, in words, and in its traceback."""
    events: list[Any] = []
    client = client_of(backend, budget=RetryBudget(capacity=14), observers=[events.append])

    with pytest.raises(errors.ServerError) as caught:
        step(client.get(INVOICE))

    stopped = "the retry budget of this host and credential is used up: too many calls fail"
    assert stopped == caught.value.stopped
    assert f"not tried again: {stopped}" == caught.value.explain().splitlines()[-1].strip()
    assert [f"not tried again: {stopped}"] == caught.value.__notes__
    assert 2 == len(caught.value.attempts)
    assert 1 == sum(isinstance(each, RetryPlanned) for each in events)


def test_an_error_that_is_not_retried_costs_nothing(step: Any, backend: Any) -> None:
    """A refusal, a policy that stops and a near deadline take no tokens."""
    for response, options in [
        (MemoryTransport.json("{}", status=404), {}),
        (DOWN, {"retry": "none"}),
        (DOWN, {"retry": Retry(base_s=9.0), "deadline": 1.0}),
    ]:
        budget = RetryBudget()
        sent(step, client_of(backend, response, budget=budget, **options))

        assert 500 == budget.tokens


def test_siblings_of_one_credential_share_a_bucket(step: Any, backend: Any) -> None:
    """With another tenant, policy or deadline it is the same credential at the same host."""
    client = client_of(backend)
    siblings = [
        client.with_options(tenant=TENANTS[1]),
        client.with_options(deadline=5),
        client.with_options(token=TOKENS[0]),
    ]

    assert 36 == sent(step, client)
    assert [1, 1, 1] == [sent(step, each) for each in siblings]


def test_a_sibling_with_another_token_has_its_own_bucket(step: Any, backend: Any) -> None:
    """One with the first token again has the first bucket again."""
    client = client_of(backend)
    other = client.with_options(token=TOKENS[1])

    assert 36 == sent(step, client)
    assert 36 == sent(step, other)
    assert 1 == sent(step, other.with_options(token=TOKENS[0]))


def test_clients_share_a_bucket_only_if_both_are_given_it(step: Any, backend: Any) -> None:
    """Two clients of one credential know nothing of each other otherwise."""
    assert [36, 36] == [sent(step, client_of(backend)) for _ in range(2)]

    shared = RetryBudget()

    assert [36, 1] == [sent(step, client_of(backend, budget=shared)) for _ in range(2)]


def test_a_given_bucket_is_shared_by_all_credentials(step: Any, backend: Any) -> None:
    """Hosts and tokens do not matter then."""
    shared = RetryBudget()
    first = client_of(backend, budget=shared)
    elsewhere = client_of(backend, budget=shared, base_url="https://two.example")

    assert 36 == sent(step, first)
    assert [1, 1] == [sent(step, each) for each in (first.with_options(token="x" * 20), elsewhere)]


def test_client_and_async_client_can_share_a_bucket(step: Any, backend: Any) -> None:
    """Both draw from it."""
    shared = RetryBudget()
    blocking = Client(
        "kukkingu", token=TOKENS[0], tenant=TENANTS[0], retry=AT_ONCE, budget=shared,
        transport=MemoryTransport(lambda _: DOWN), base_url="https://one.example",
    )  # fmt: skip

    with blocking, pytest.raises(errors.ServerError) as caught:
        blocking.get(INVOICE)

    assert 36 == len(caught.value.attempts)
    assert 1 == sent(step, client_of(backend, budget=shared))


@pytest.mark.parametrize("wrong", [500, "500", RetryBudget], ids=repr)
def test_budget_must_be_a_retry_budget(backend: Any, wrong: Any) -> None:
    """A number or a class is refused when the client is made."""
    with pytest.raises(errors.ConfigurationError, match="is not a budget"):
        client_of(backend, budget=wrong)


def test_a_success_never_fills_the_budget_above_its_capacity() -> None:
    """Otherwise a long quiet time would pay for a storm of retries."""
    budget = RetryBudget(capacity=10, cost=2, earning=5)
    budget.spend(throttled=False)
    budget.earn()

    assert budget.tokens == 10
