"""Requests and responses hide what must not be seen and encode what must arrive."""

from __future__ import annotations

import copy
import pickle
from typing import Any
from urllib.parse import parse_qsl, unquote

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from billingual import Timeouts
from billingual.outcomes import Safety
from billingual.wire import (
    Bounds,
    Deadline,
    Exchange,
    Headers,
    WireRequest,
    WireResponse,
    encode_query,
    path_segment,
)

CANARY = "canary-7f3a91"


def a_request(**changes: object) -> WireRequest:
    """Make a request whose every hidden part holds the canary."""
    request = WireRequest(
        method="POST",
        url=f"/api/invoices?q={CANARY}",
        route="/api/invoices",
        safety=Safety.CREATE,
        headers=Headers([("Authorization", f"Bearer {CANARY}"), ("tenant-id", CANARY)]),
        body=CANARY.encode(),
        keys=("number",),
    )
    return attrs.evolve(request, **changes)


def test_a_header_is_found_by_name_in_any_case() -> None:
    """Names do not mind their case; values keep theirs."""
    headers = Headers([("Content-Type", "text/Plain"), ("X-A", "1"), ("x-a", "2")])

    assert headers.get("content-TYPE") == "text/Plain"
    assert headers.get("x-a") == "1"
    assert headers.get_all("X-a") == ("1", "2")
    assert headers.get("x-b") is None
    assert "CONTENT-type" in headers
    assert "x-b" not in headers
    assert 5 not in headers
    assert len(headers) == 3
    assert next(iter(headers)) == ("Content-Type", "text/Plain")


def test_headers_compare_by_folded_names() -> None:
    """The case of a name makes no difference, the case of a value does."""
    headers = Headers([("Accept", "a")])

    assert headers == Headers([("ACCEPT", "a")])
    assert hash(headers) == hash(Headers([("ACCEPT", "a")]))
    assert headers != Headers([("Accept", "A")])
    assert headers != [("Accept", "a")]


def test_merged_headers_replace_fields_of_their_name() -> None:
    """The old object stays as it was."""
    old = Headers([("A", "1"), ("b", "2"), ("a", "3")])

    new = old.merged([("a", "9"), ("C", "4")])

    assert list(new) == [("b", "2"), ("a", "9"), ("C", "4")]
    assert len(old) == 3


def test_headers_show_harmless_values_only() -> None:
    """An unknown header's value is as hidden as the token's."""
    shown = repr(
        Headers([("Content-Type", "text/plain"), ("X-Api-Key", CANARY), ("tenant-id", CANARY)])
    )

    assert shown == "Headers(Content-Type: text/plain, X-Api-Key: ***, tenant-id: ***)"


@pytest.mark.parametrize(
    "name", ["Authorization", "authorization", "Cookie", "Set-Cookie", "Proxy-Authorization"]
)
def test_credentials_are_not_pickled_or_copied(name: str) -> None:
    """A token does not reach a queue or a cache by accident."""
    headers = Headers([(name, CANARY)])

    with pytest.raises(TypeError, match="not pickled") as caught:
        pickle.dumps(headers)
    with pytest.raises(TypeError):
        copy.deepcopy(headers)
    with pytest.raises(TypeError):
        pickle.dumps(a_request(headers=headers))
    assert CANARY not in str(caught.value)
    assert list(headers.without_credentials()) == []


def test_other_headers_are_pickled() -> None:
    """What carries no credentials travels."""
    headers = Headers([("Accept", "a"), ("X", "y")])

    assert pickle.loads(pickle.dumps(headers)) == headers  # noqa: S301


def test_the_text_of_a_request_shows_no_url_value_or_body() -> None:
    """Method, route and names of fields are enough to understand it."""
    shown = repr(a_request())

    assert CANARY not in shown
    assert "/api/invoices" in shown
    assert "number" in shown
    assert f"{len(CANARY)} B" in shown
    assert "body=-" in repr(a_request(body=None))


def test_an_addressed_request_is_absolute_and_signed() -> None:
    """The request itself stays unsigned."""
    request = a_request(headers=Headers([("Accept", "a")]))

    sent = request.addressed("https://host/base", [("Authorization", "Bearer x")])

    assert sent.url == f"https://host/base/api/invoices?q={CANARY}"
    assert sent.headers.get("authorization") == "Bearer x"
    assert "authorization" not in request.headers
    assert sent.body == request.body


def test_an_exchange_keeps_no_credentials() -> None:
    """Cookies that a response sets are dropped; its body is kept and not shown."""
    response = WireResponse(
        status=400,
        headers=Headers([("Set-Cookie", CANARY), ("Retry-After", "1")]),
        body=CANARY.encode(),
    )

    exchange = Exchange.of(a_request(), response)

    assert list(exchange.headers) == [("Retry-After", "1")]
    assert exchange.body == CANARY.encode()
    assert CANARY not in repr(exchange)
    assert CANARY not in repr(response)
    assert pickle.loads(pickle.dumps(exchange)) == exchange  # noqa: S301


@pytest.mark.parametrize(
    ("pairs", "text"),
    [
        ([], ""),
        ([("sort", "+due_at")], "?sort=%2Bdue_at"),
        ([("days", ">30")], "?days=%3E30"),
        ([("status", "PAID|SENT")], "?status=PAID%7CSENT"),
        ([("a", "x y"), ("a", "z")], "?a=x%20y&a=z"),
        ([("q", "ü&=#?/")], "?q=%C3%BC%26%3D%23%3F%2F"),
        ([("safe", "A-z0.9_~")], "?safe=A-z0.9_~"),
    ],
    ids=repr,
)
def test_a_query_is_percent_encoded(pairs: list[tuple[str, str]], text: str) -> None:
    """A raw plus sign would arrive as a space."""
    assert encode_query(pairs) == text


texts = st.text(st.characters(exclude_categories=["Cs"]))


@given(st.lists(st.tuples(texts.filter(bool), texts.filter(bool)), max_size=5))
def test_a_query_arrives_as_it_was_given(pairs: list[tuple[str, str]]) -> None:
    """A server that decodes the query finds the same pairs, and nothing but safe characters."""
    text = encode_query(pairs)

    assert parse_qsl(text[1:], strict_parsing=bool(pairs)) == pairs
    assert set(text) <= set("?&=%-._~") | set(map(chr, range(48, 58))) | {
        *map(chr, range(65, 91)), *map(chr, range(97, 123)),
    }  # fmt: skip


@given(texts)
def test_a_path_segment_is_one_segment(text: str) -> None:
    """No id can climb out of its place in the path."""
    segment = path_segment(text)

    assert unquote(segment) == text
    assert not {"/", "?", "#", "\\"} & set(segment)


def test_a_deadline_counts_down_and_stops_at_zero() -> None:
    """What is left is never negative."""
    clock = [10.0]
    deadline = Deadline(12.5, lambda: clock[0])

    assert deadline.left() == 2.5
    clock[0] = 99.0
    assert deadline.left() == 0.0


@pytest.mark.parametrize(("now", "expected"), [(0.0, 5.0), (7.0, 3.0), (11.0, 0.0)])
def test_no_phase_outlives_the_deadline(now: float, expected: float) -> None:
    """Each phase gets its own time or what the deadline leaves, whichever is less."""
    bounds = Bounds(timeouts=Timeouts(), deadline=Deadline(10.0, lambda: now))

    assert bounds.phase(5.0) == expected


def test_no_default_is_infinite() -> None:
    """Every bound has a number."""
    bounds = Bounds(timeouts=Timeouts(), deadline=Deadline(10.0, lambda: 0.0))

    assert (bounds.wire_bytes, bounds.body_bytes, bounds.ratio) == (2**24, 2**26, 200)
    assert attrs.astuple(Timeouts()) == (5.0, 10.0, 30.0, 5.0)
    assert attrs.astuple(Timeouts.each(3)) == (3, 3, 3, 3)


@pytest.mark.parametrize(
    ("safety", "writes"),
    [
        (Safety.READ, False),
        (Safety.IDEMPOTENT, True),
        (Safety.SIDE_EFFECTS, True),
        (Safety.CREATE, True),
    ],
)
def test_only_a_read_does_not_write(safety: Safety, writes: bool) -> None:  # noqa: FBT001
    """Everything else may change something."""
    assert safety.writes is writes


@pytest.mark.parametrize(
    ("size", "now", "allowed"),
    [(0, 0.0, True), (5, 0.0, True), (6, 0.0, False), (5, 9.9, True), (5, 10.0, False)],
)
@pytest.mark.parametrize(("wire_bytes", "body_bytes"), [(5, 9), (9, 5)])
def test_a_whole_body_is_allowed_within_both_sizes_and_in_time(
    size: int, now: float, wire_bytes: int, body_bytes: int, *, allowed: bool
) -> None:
    """A body of exactly the bound is allowed, and none once the deadline has come."""
    bounds = Bounds(
        timeouts=Timeouts(),
        deadline=Deadline(10.0, lambda: now),
        wire_bytes=wire_bytes,
        body_bytes=body_bytes,
    )

    assert allowed == bounds.allow(size)


def test_the_copy_to_send_is_a_request_like_any_other() -> None:
    """It is made without the constructor, and is equal, frozen and hashable all the same."""
    fields: dict[str, Any] = {
        "method": "PUT", "route": "/a/{id}", "safety": Safety.IDEMPOTENT, "body": b"{}",
        "keys": ("a",), "key_header": "Key",
    }  # fmt: skip
    signed = Headers([("Authorization", "Bearer t")])
    request = WireRequest(url="/a/1", headers=Headers(), read=len, **fields)

    sent = request.with_headers("https://a.test", signed)

    expected = WireRequest(url="https://a.test/a/1", headers=signed, **fields)
    assert (expected, type(expected), None) == (sent, type(sent), sent.read)
    assert hash(expected) == hash(sent)
    with pytest.raises(attrs.exceptions.FrozenInstanceError):
        sent.url = "https://b.test"  # type: ignore[misc]


def test_headers_know_the_names_of_their_fields() -> None:
    """In lower case, each once; a name is looked for in any case."""
    headers = Headers([("Via", "a"), ("VIA", "b"), ("Keep-Alive", "max=2")])

    assert headers.names == {"via", "keep-alive"}
    assert ("keep-alive" in headers, "KEEP-ALIVE" in headers, "age" in headers, 1 in headers) == (
        True, True, False, False,
    )  # fmt: skip
