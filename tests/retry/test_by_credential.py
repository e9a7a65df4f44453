"""What the clients of one credential share, in a service that sees ever new credentials."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from weakref import ref

import attrs
import pytest

from _support.small_provider import SMALL, say
from billingual import Client, Limiter, MemoryTransport
from billingual.retry.by_credential import LATEST, ByCredential


@attrs.define(eq=False)
class Value:
    """Something that can be referred to weakly."""


def test_a_key_has_one_value_while_it_is_used_or_among_the_latest() -> None:
    """What many others came after is dropped, unless something uses it still."""
    table = ByCredential[Value]()
    used, left = table.of("used", Value), ref(table.of("left", Value))

    for number in range(LATEST - 1):
        table.of(number, Value)

    assert table.of("left", Value) is left()

    table.of("one more", Value)

    assert left() is None
    assert table.of("used", Value) is used
    assert len(table) == LATEST + 1


def test_threads_that_ask_at_once_are_given_the_same_value() -> None:
    """Two clients of one credential must not have a rate each."""
    table, gate = ByCredential[Value](), threading.Barrier(8)

    def ask(_: int) -> list[Value]:
        gate.wait()
        return [table.of(number, Value) for number in range(LATEST)]

    with ThreadPoolExecutor(8) as pool:
        first, *others = pool.map(ask, range(8))

    assert all(other == first for other in others)


@pytest.mark.parametrize("kind", ["token", "function"])
def test_a_client_forgets_users_that_it_no_longer_serves(kind: str) -> None:
    """Each call of a service is made by a sibling with the token of its user."""
    limiter = Limiter(1e6)
    client = Client(
        SMALL, base_url="https://small.example", limiter=limiter,
        transport=MemoryTransport(lambda _: say()),
    )  # fmt: skip
    for number in range(LATEST + 100):
        client.with_options(token=f"t{number}" if kind == "token" else lambda: "t").get("i1")

    context = client._core._context

    assert len(context.wire.budgets) == len(limiter._paces) == LATEST + 1
    assert client.with_options(token="t1")._core._context.pace is not context.pace
    assert client.with_options(deadline=5)._core._context.pace is context.pace
