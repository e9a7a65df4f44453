"""What is of the wrong kind is refused by name, before anything is sent."""

from __future__ import annotations

import ssl
from collections.abc import Callable
from typing import Any

import pytest

from billingual import AsyncClient, Changes, Client, ConfigurationError, InvalidInputError

ID = "550e8400-e29b-41d4-a716-446655440000"

WRONG: list[tuple[Callable[[Any], object], str]] = [
    (lambda client: client.create([("number", "1")]), "draft"),
    (lambda client: client.list("OVERDUE"), "filter"),
    (lambda client: client.list(sort=["due_at"]), "sort"),
    (lambda client: client.update(ID, "SENT"), "changes"),
    (lambda client: client.update(ID, Changes(status="SENT"), base={}), "base"),
    (lambda client: client.update_many(ID), "pairs"),
    (lambda client: client.update_many([ID]), "pairs"),
    (lambda client: client.update_many(5), "pairs"),
    (lambda client: client.update_many({ID: "SENT"}), f"pairs['{ID}']"),
    (lambda client: client.update_many([(ID, "SENT")]), "pairs[0]"),
    (lambda client: client.delete_many(ID), "invoice_ids"),
    (lambda client: client.delete_many(7), "invoice_ids"),
]


@pytest.mark.parametrize(("call", "field"), WRONG, ids=range(len(WRONG)))
def test_a_wrong_kind_is_refused_by_name(call: Callable[[Any], object], field: str) -> None:
    """The error names the argument in the caller's words; previews refuse alike."""
    with Client("exante", transport="memory") as client:
        for face in (client, client.preview):
            with pytest.raises(InvalidInputError) as caught:
                call(face)

            assert field == caught.value.field


def test_iterables_are_consumed_once() -> None:
    """A generator of pairs or ids is as good as a list."""
    with Client("exante", transport="memory") as client:
        pairs = client.preview.update_many((each, Changes(status="SENT")) for each in [ID])
        ids = client.preview.delete_many(each for each in [ID])

    assert ("PUT", "DELETE") == (pairs.method, ids.method)


async def waits(event: object) -> None:
    """Be an observer that would not be awaited."""


@pytest.mark.parametrize("observers", [5, [5], [print, None], [waits]], ids=range(4))
def test_observers_must_be_plain_functions(observers: Any) -> None:
    """What cannot be called, or awaits, is refused when the client is made, not at each event."""
    with pytest.raises(ConfigurationError, match="observers="):
        AsyncClient("exante", transport="memory", observers=observers)


@pytest.mark.parametrize("tls", [False, True, 5])
def test_certificate_checks_cannot_be_switched_off_by_a_keyword(tls: Any) -> None:
    """Only an explicit context, or files to make one from, is taken."""
    with pytest.raises(ConfigurationError, match="SSLContext"):
        AsyncClient("exante", transport="memory", tls=tls)

    AsyncClient("exante", transport="memory", tls=ssl.create_default_context())
