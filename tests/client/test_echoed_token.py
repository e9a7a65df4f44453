"""A provider may quote the token it refuses; nothing that we hand out does."""

from __future__ import annotations

import html
import json
import pickle
from base64 import b64encode
from collections.abc import Callable
from typing import Any
from urllib.parse import quote

import attrs
import pytest

from billingual import AuthenticationError, Client, Draft, MemoryTransport, OutcomeUnknown
from billingual.auth import Basic
from billingual.providers import exante

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


def refusal(secret: str, write: Callable[[str], str], **options: Any) -> AuthenticationError:
    """Return the error of a read whose response quotes a secret."""
    page = MemoryTransport.json(f'{{"message": {write(secret)}}}', status=401)
    with (
        Client(**{"provider": "exante", "transport": MemoryTransport([page]), **options}) as client,
        pytest.raises(AuthenticationError) as caught,
    ):
        client.get("550e8400-e29b-41d4-a716-446655440000")
    return caught.value


WAYS: dict[str, Callable[[str], str]] = {
    "plainly": lambda secret: f'"saw {secret}"',
    "by PHP": lambda secret: '"saw {}"'.format(secret.replace("/", "\\/")),
    "in HTML": lambda secret: json.dumps(f"<b>{html.escape(secret)}</b>"),
    "in a URL": lambda secret: json.dumps(f"?key={quote(secret, safe='')}"),
    "in UTF-8 escapes": lambda secret: '"{}"'.format("".join(f"\\u{ord(c):04x}" for c in secret)),
}


@pytest.mark.parametrize("way", WAYS)
def test_a_secret_field_of_the_program_is_redacted_in_every_encoding(way: str) -> None:
    """As the token is: a gateway quotes its own key in its own way."""
    secret = "k&y/0123456789+<ab>="
    error = refusal(secret, WAYS[way], headers={"X-Api-Key": secret})

    assert b"0123456789" not in error.body
    assert "0123456789" not in str(error)


@pytest.mark.parametrize("way", WAYS)
def test_what_a_scheme_makes_of_the_token_is_redacted_without_its_name(way: str) -> None:
    """The base64 of a user and password alone is as good as both."""
    token = "hunter2>hunter2?hunter2~"
    made = b64encode(f"billing:{token}".encode()).decode()
    assert {"/", "="} <= set(made)
    provider = attrs.evolve(exante(), auth=Basic("billing"))
    error = refusal(made, WAYS[way], provider=provider, token=token)

    assert made[4:20].encode() not in error.body
    assert made[4:20] not in str(error)
