"""Lists that page by cursor: each response says where the next page starts."""

from __future__ import annotations

import itertools
import json
from typing import Any

import attrs
import pytest

from _support.small_provider import CAPABILITIES, SMALL, SmallDialect, client_of, say
from billingual import Client, InvoiceSummary, MemoryTransport, Page, errors
from billingual.model import Query
from billingual.outcomes import Safety
from billingual.wire import Conversation, WireRequest, encode_query


class CursorDialect(SmallDialect):
    """A dialect of a provider that pages by cursor and says whether there is more."""

    def __init__(self, _: Any = None, scope: Any = None) -> None:
        super().__init__(attrs.evolve(CAPABILITIES, page_limit=2), scope)

    def list_page(self, query: Query) -> Conversation[Page]:
        asked = [] if query.cursor is None else [("after", query.cursor)]
        url = f"/invoices{encode_query(asked)}"
        request = WireRequest(method="GET", url=url, route="/invoices", safety=Safety.READ)
        response = yield self.reading(request)
        payload = json.loads(response.body)
        rows = tuple(InvoiceSummary(id=each) for each in payload["rows"])
        after = payload.get("after")
        return Page(items=rows, number=query.page, has_next=payload["more"], next_cursor=after)


CURSORS = attrs.evolve(SMALL, dialects=(CursorDialect(),))


def page(ids: str, after: str | None = None, *, more: bool | None = None) -> Any:
    """Make a response with a row for each letter; *after* is the next cursor."""
    said = {"rows": list(ids), "after": after, "more": after is not None if more is None else more}
    return say(200, json.dumps(said))


def asked_for(transport: MemoryTransport) -> list[str]:
    """List what each request asked for."""
    return [each.url.partition("?")[2] for each in transport.requests]


async def ids_of(rows: Any) -> str:
    """Walk to the end."""
    return "".join([row.id async for row in rows])


@pytest.mark.parametrize(
    ("pages", "ids", "asked"),
    [
        ([page("ab", "b"), page("cd", "d"), page("e")], "abcde", ["", "after=b", "after=d"]),
        ([page("ab")], "ab", [""]),
        ([page("")], "", [""]),
        ([page("ab", "b"), page("")], "ab", ["", "after=b"]),
        ([page("ab", "b"), page("", "x"), page("c")], "abc", ["", "after=b", "after=x"]),
        ([page("", "x"), page("", "y"), page("a")], "a", ["", "after=x", "after=y"]),
        ([page("ab", "b"), page("bc", "c"), page("d")], "abcd", ["", "after=b", "after=c"]),
        ([page("ab", "b", more=False)], "ab", [""]),
        ([page("a", "?&=+ é"), page("b")], "ab", ["", "after=%3F%26%3D%2B%20%C3%A9"]),
        ([page("ab", "b"), page("ab", "c"), page("d")], "abd", ["", "after=b", "after=c"]),
        ([page("ab", "b"), page("cd", "")], "abcd", ["", "after=b"]),
        ([page("ab", "")], "ab", [""]),
        ([page("ab", " \t"), page("b")], "ab", [""]),
        ([page("ab", "", more=False)], "ab", [""]),
        ([page("a", "x"), page("b")], "ab", ["", "after=x"]),
    ],
    ids=[
        "three-pages", "one-page", "empty", "empty-at-the-end", "empty-in-the-middle",
        "empty-at-the-start", "row-repeated", "a-cursor-past-the-end", "an-odd-cursor",
        "rows-imported-in-front", "empty-cursor", "empty-cursor-at-once", "blank-cursor",
        "empty-cursor-at-the-end", "no-cursor",
    ],
)  # fmt: skip
def test_each_page_is_requested_with_the_cursor_of_the_one_before(
    step: Any, backend: Any, pages: list[Any], ids: str, asked: list[str]
) -> None:
    """Rows keep their order, an empty page is not the end, and ``has_next=False`` is."""
    client, transport = client_of(backend, pages, provider=CURSORS)

    assert ids == step(ids_of(client.list()))
    assert asked == asked_for(transport)


@pytest.mark.parametrize(
    ("pages", "match"),
    [
        ([page("ab", "b"), page("cd", "b")], "back to a page that came before"),
        ([page("a", "x"), page("b", "y"), page("c", "x")], "back to a page that came before"),
        ([page("", "x"), page("", "x")], "back to a page that came before"),
        ([page("ab", str(n)) for n in range(6)], "the last 5 pages, up to page 6"),
        ([page("a", "x"), page("b", more=True)], "page 2 promises more and has no cursor"),
    ],
    ids=["at-once", "later", "without-rows", "the-same-rows", "a-cursor-forgotten"],
)
def test_a_cycle_of_cursors_is_an_error(
    step: Any, backend: Any, pages: list[Any], match: str
) -> None:
    """All rows that came are handed out; then the list is stopped, and no request is sent."""
    client, transport = client_of(backend, pages, provider=CURSORS)
    rows, walk = [], aiter(client.list())

    async def read() -> None:
        async for row in walk:
            rows.append(row.id)  # noqa: PERF401 - those before the error are wanted

    with pytest.raises(errors.PaginationError, match=match):
        step(read())
    assert len(pages) == len(transport.requests)
    assert {row for each in pages for row in json.loads(each.body)["rows"]} == set(rows)


def test_empty_pages_with_fresh_cursors_are_progress(
    step: Any, backend: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A provider that filters while it scans sends many of them; an endless row of them ends."""
    monkeypatch.setattr("billingual.pagination.scan.MAX_PAGES_WITHOUT_NEW_ROWS", 500)
    some = [page("", f"c{n}") for n in range(300)]
    client, _ = client_of(backend, [page("a", "x"), *some, page("b")], provider=CURSORS)
    numbers = itertools.count()
    endless, transport = client_of(
        backend, lambda _: page("", f"e{next(numbers)}"), provider=CURSORS
    )

    assert step(ids_of(client.list())) == "ab"
    with pytest.raises(errors.PaginationError, match="the last 500 pages, up to page 500"):
        step(endless.list().first())
    assert len(transport.requests) == 500


def test_each_walk_starts_without_a_cursor(step: Any, backend: Any) -> None:
    """The cursor belongs to the walk, not to the pager."""
    pages = [page("ab", "b"), page("c")]
    client, transport = client_of(backend, [*pages, *pages], provider=CURSORS)
    pager = client.list()

    assert ("abc", "abc") == (step(ids_of(pager)), step(ids_of(pager)))
    assert ["", "after=b", "", "after=b"] == asked_for(transport)


def test_collect_requests_no_page_beyond_its_limit(step: Any, backend: Any) -> None:
    """And the report says that the walk did not reach the end."""
    client, transport = client_of(backend, [page("ab", "b"), page("cd", "d")], provider=CURSORS)
    pager = client.list()
    rows = step(pager.collect(limit=3))

    assert ["a", "b", "c"] == [row.id for row in rows]
    assert (2, False) == (len(transport.requests), pager.report.complete)
    assert "left before its end" in pager.report.why


def test_a_repeated_row_is_counted(step: Any, backend: Any) -> None:
    """A row that came before is left out and counted, so the scan is not complete."""
    client, _ = client_of(backend, [page("ab", "b"), page("bc")], provider=CURSORS)
    pager = client.list()
    step(ids_of(pager))

    report = pager.report
    assert (2, 3, 1, False) == (report.pages, report.rows, report.repeated, report.complete)


def test_client_walks_the_same_way() -> None:
    """``Client`` requests the same pages in the same order, and stops at the same cycle."""
    responses = [page("ab", "b"), page("", "x"), page("c"), page("a", "x"), page("b", "x")]
    transport = MemoryTransport(responses)
    with Client(CURSORS, transport=transport, base_url="https://small.example/base") as client:
        pager = client.list()

        assert ["a", "b", "c"] == [row.id for row in pager]
        assert ["", "after=b", "after=x"] == asked_for(transport)
        with pytest.raises(errors.PaginationError, match="back to a page"):
            list(pager)
        assert ["", "after=x"] == asked_for(transport)[3:]
