"""A provider may quote the token it refuses; nothing that we hand out does."""

from __future__ import annotations

import pickle

import pytest

from billingual import AuthenticationError, Client, Draft, MemoryTransport, OutcomeUnknown

TOKEN = "kuk-canary-0dd5ee"
TENANT = "tnt_pfh0haxfpzowht3oi213cqos"


def test_a_quoted_token_is_redacted_in_errors() -> None:
    """Text, complaint, raw body and pickle show stars where the token was."""
    response = MemoryTransport.json(
        f'{{"message": "invalid token {TOKEN}"}}',
        status=401,
        headers={"WWW-Authenticate": f'Bearer error="{TOKEN}"'},
    )
    with (
        Client(
            "kukkingu", transport=MemoryTransport([response]), token=TOKEN, tenant=TENANT
        ) as client,
        pytest.raises(AuthenticationError) as caught,
    ):
        client.list().first()
    error = caught.value

    assert "invalid token ***" == error.complaint
    for shown in (str(error), repr(error.body), str(pickle.dumps(error)), str(error.exchange)):
        assert TOKEN not in shown


def test_a_very_short_token_is_not_redacted() -> None:
    """Redacting a token of one letter would destroy every body."""
    response = MemoryTransport.json('{"message": "no"}', status=401)
    with (
        Client(
            "kukkingu", transport=MemoryTransport([response]), token="n", tenant=TENANT
        ) as client,
        pytest.raises(AuthenticationError) as caught,
    ):
        client.list().first()

    assert "no" == caught.value.complaint


def test_an_unknown_outcome_keeps_the_response_and_gives_one_advice() -> None:
    """The text does not advise both to try again and not to."""
    response = MemoryTransport.json('{"message": "boom"}', status=500)
    draft = Draft(
        counterparty="550e8400-e29b-41d4-a716-446655440000",
        owner="550e8400-e29b-41d4-a716-446655440001",
        document="550e8400-e29b-41d4-a716-446655440002",
    )
    with (
        Client("exante", transport=MemoryTransport([response])) as client,
        pytest.raises(OutcomeUnknown) as caught,
    ):
        client.create(draft)
    exchange = caught.value.exchange
    assert exchange is not None

    assert (500, b'{"message": "boom"}') == (exchange.status, exchange.body)
    assert "try again" not in str(caught.value)
