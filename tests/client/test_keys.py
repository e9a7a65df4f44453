"""Idempotency keys: one for an operation, the same on each attempt, only where they are taken."""

from __future__ import annotations

from typing import Any

import attrs
import pytest

from _support.small_provider import CAPABILITIES, SMALL, SmallDialect, client_of, say
from billingual import Draft, Outcome, errors
from billingual.outcomes import Evidence, Safety
from billingual.retry.policy import Retry
from billingual.wire import Conversation

DRAFT = Draft(number="1")
TIMED_OUT = errors.TimedOutError("late.", evidence=Evidence(connected=True, request_complete=True))


class KeyedDialect(SmallDialect):
    """A dialect of a provider that takes keys."""

    def __init__(self, _: Any = None, scope: Any = None) -> None:
        super().__init__(attrs.evolve(CAPABILITIES, idempotency_keys=True), scope)

    def create(self, draft: Draft) -> Conversation[Any]:
        plain = super().create(draft)
        request = attrs.evolve(next(plain), safety=Safety.KEYED, key_header="Idempotency-Key")
        response = yield request
        try:
            plain.send(response)
        except StopIteration as done:
            return done.value


KEYED = attrs.evolve(SMALL, dialects=(KeyedDialect(),))


def keys_of(transport: Any) -> list[str | None]:
    """List the keys that were sent."""
    return [each.headers.get("idempotency-key") for each in transport.requests]


def test_every_attempt_of_a_create_carries_one_key(step: Any, backend: Any) -> None:
    """With a key an unclear create is sent again, and its response is definite."""
    client, transport = client_of(backend, [TIMED_OUT, say(503), say()], provider=KEYED)

    step(client.create(DRAFT))

    assert ["key-1"] * 3 == keys_of(transport)


def test_the_next_create_has_another_key(step: Any, backend: Any) -> None:
    """A key belongs to an operation."""
    client, transport = client_of(backend, lambda _: say(), provider=KEYED)

    step(client.create(DRAFT))
    step(client.create(DRAFT))

    assert ["key-1", "key-2"] == keys_of(transport)


def test_the_callers_own_key_is_sent(step: Any, backend: Any) -> None:
    """Who keeps a key can repeat a create later, and nothing is doubled."""
    client, transport = client_of(backend, [TIMED_OUT, say()], provider=KEYED)

    step(client.create(DRAFT, key="order-7"))

    assert ["order-7", "order-7"] == keys_of(transport)


def test_a_preview_shows_the_callers_own_key_alone(backend: Any) -> None:
    """A fresh key is made with each call, so none can be shown."""
    client, transport = client_of(backend, [], provider=KEYED)

    shown = client.preview.create(DRAFT, key="order-7")
    fresh = client.preview.create(DRAFT)

    assert shown.headers.get("idempotency-key") == "order-7"
    assert fresh.headers.get("idempotency-key") is None
    assert transport.requests == []
    with pytest.raises(errors.InvalidInputError, match="key"):
        client.preview.create(DRAFT, key="a b")
    with pytest.raises(errors.InvalidInputError, match="prefetch"):
        client.preview.list(prefetch=0)


def test_a_refusal_after_an_unclear_attempt_is_a_refusal(step: Any, backend: Any) -> None:
    """Had the first attempt succeeded, its response would have been repeated."""
    client, _ = client_of(backend, [TIMED_OUT, say(422)], provider=KEYED)

    with pytest.raises(errors.InvalidRequestError) as caught:
        step(client.create(DRAFT))

    ends = [each.outcome for each in caught.value.attempts]
    assert [Outcome.UNKNOWN, Outcome.REJECTED] == ends


def test_an_unclear_error_keeps_its_key(step: Any, backend: Any) -> None:
    """The frozen request carries the key, so that it can be repeated later."""
    client, _ = client_of(backend, lambda _: TIMED_OUT, provider=KEYED, retry=Retry(attempts=2))

    with pytest.raises(errors.OutcomeUnknown) as caught:
        step(client.create(DRAFT, key="order-7"))

    assert "order-7" == caught.value.request.headers.get("idempotency-key")


def test_a_key_is_refused_if_the_provider_takes_none(step: Any, backend: Any) -> None:
    """It would be passed over, and a caller that relied on it would double invoices."""
    client, transport = client_of(backend, [])

    with pytest.raises(errors.UnsupportedError, match="a number of your own"):
        step(client.create(DRAFT, key="order-7"))
    assert [] == transport.requests


@pytest.mark.parametrize("key", ["", "a b", "a\r\nX: y", "é", "k" * 256, 7])
def test_a_key_that_fits_in_no_header_is_refused(step: Any, backend: Any, key: Any) -> None:
    """Before anything is sent."""
    client, transport = client_of(backend, [], provider=KEYED)

    with pytest.raises(errors.InvalidInputError, match="key"):
        step(client.create(DRAFT, key=key))
    assert [] == transport.requests
