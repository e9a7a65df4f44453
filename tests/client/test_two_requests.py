"""Operations of more than one request: a part that was carried out is never called a failure."""

from __future__ import annotations

from typing import Any

import attrs
import pytest

from _support.pocket import CAPABILITIES, POCKET, PocketDialect, client_of, say
from billingual import Draft, Invoice, Outcome, errors
from billingual.events import CallEnded
from billingual.outcomes import Evidence, Safety
from billingual.wire import Conversation, WireRequest

DRAFT = Draft(number="1")
REFUSED = errors.NotConnectedError(
    "refused.", evidence=Evidence(connected=False, request_complete=False, response_begun=False)
)


class TwoStepDialect(PocketDialect):
    """A provider where an invoice and its line are made one after another, each with a key."""

    def __init__(self, _: Any = None, scope: Any = None) -> None:
        super().__init__(attrs.evolve(CAPABILITIES, idempotency_keys=True), scope)

    def create(self, draft: Draft) -> Conversation[Invoice]:
        for path in ("/invoices", "/lines"):
            request = WireRequest(
                method="POST", url=path, route=path, safety=Safety.KEYED,
                key_header="Idempotency-Key", body=b"{}",
            )  # fmt: skip
            yield self.reading(request)
        return Invoice(id="i1")


TWO = attrs.evolve(POCKET, dialects=(TwoStepDialect(),))


@pytest.mark.parametrize(
    "second", [say(422), say(401), REFUSED, say(503), say(200, "<html>")], ids=str
)
def test_a_failed_second_request_leaves_the_operation_unclear(
    step: Any, backend: Any, second: Any
) -> None:
    """The first was carried out, so there is something at the provider."""
    seen: list[Any] = []
    responses = iter([say()])
    client, transport = client_of(
        backend, lambda _: next(responses, second), provider=TWO, retry="none",
        observers=[seen.append],
    )  # fmt: skip

    with pytest.raises(errors.OutcomeUnknown) as caught:
        step(client.create(DRAFT))

    assert caught.value.maybe_applied
    assert "applied" == caught.value.likely
    assert Outcome.UNKNOWN is next(e.outcome for e in seen if isinstance(e, CallEnded))
    assert 2 == len(transport.requests)


def test_a_failed_first_request_is_a_failure(step: Any, backend: Any) -> None:
    """Nothing was carried out before it."""
    client, _ = client_of(backend, [say(422)], provider=TWO)

    with pytest.raises(errors.InvalidRequestError):
        step(client.create(DRAFT))


def test_a_repeated_key_repeats_the_keys_of_all_requests(step: Any, backend: Any) -> None:
    """They are made from the one that was given, and differ from any that could be given."""
    client, transport = client_of(backend, lambda _: say(), provider=TWO)

    for _ in range(2):
        step(client.create(DRAFT, key="order-7"))
    keys = [each.headers.get("idempotency-key") for each in transport.requests]

    assert keys[:2] == keys[2:]
    assert "order-7" == keys[0]
    assert 64 == len(keys[1] or "")
