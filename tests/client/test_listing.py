"""Lists of more than one page."""

from __future__ import annotations

import json
import re
import weakref
from collections.abc import Callable
from typing import Any

import pytest

from _support.served_list import ServedList
from _support.small_provider import client_of, say
from billingual import AsyncClient, Client, Filter, Sort, errors
from billingual.events import CallStarted


def page(*ids: str, **about: Any) -> Any:
    """Make a response with rows."""
    return say(200, json.dumps({"rows": list(ids), **about}))


def listing(backend: Any, *pages: Any, **options: Any) -> tuple[AsyncClient, Any]:
    """Make a client whose list has *pages*."""
    return client_of(backend, list(pages), **options)


async def ids_of(rows: Any) -> list[str]:
    """Walk to the end."""
    return [row.id async for row in rows]


def test_nothing_is_requested_before_the_first_row(step: Any, backend: Any) -> None:
    """Making a pager sends no request."""
    client, transport = listing(backend, page("a"))

    pager = client.list(Filter(status="PAID"), sort="-due_at", page_size=2)
    iterator = aiter(pager)
    pager.pages()

    assert transport.requests == []
    assert step(anext(iterator)).id == "a"
    assert len(transport.requests) == 1


def test_a_page_that_was_read_is_let_go_before_the_next_one_is_asked_for(
    step: Any, backend: Any
) -> None:
    """A walk holds the rows of one page, never of two."""
    first: list[Any] = []
    alive: list[bool] = []

    def respond(_: Any) -> Any:
        if not first:
            return page("a", "b", total_pages=2)
        alive.append(first[0]() is not None)
        return page("c", total_pages=2)

    client, _ = client_of(backend, respond)
    rows = aiter(client.list(page_size=2))
    first.append(weakref.ref(step(anext(rows))))
    others = [step(anext(rows)).id, step(anext(rows)).id]

    assert others == ["b", "c"]
    assert alive == [False]


@pytest.mark.parametrize(
    ("pages", "ids", "requests"),
    [
        ([page("a", "b", total_pages=2), page("c", total_pages=2)], "abc", 2),
        ([page("a", "b"), page("c"), page()], "abc", 3),
        ([page()], "", 1),
        ([page(is_whole=True)], "", 1),
        ([page("a", is_whole=True)], "a", 1),
        ([page("a", total_items=1)], "a", 1),
        ([page("a", total_pages=3), page(total_pages=3), page("b", total_pages=3)], "ab", 3),
        ([page("a", "b", total_pages=2), page("b", "c", total_pages=2)], "abc", 2),
        ([page("a", "a", total_pages=1)], "a", 1),
        ([page(total_pages=0)], "", 1),
        ([page("a", total_pages=3), page("b", total_pages=2)], "ab", 2),
    ],
    ids=[
        "counted", "uncounted", "empty", "whole-and-empty", "whole", "counted-rows",
        "empty-page-between", "row-repeated", "row-twice", "no-pages", "shrinking",
    ],
)  # fmt: skip
def test_a_list_is_walked_to_its_end(
    step: Any, backend: Any, pages: list[Any], ids: str, requests: int
) -> None:
    """An empty page is not the end while there are more; a row is returned once."""
    client, transport = listing(backend, *pages)

    assert step(ids_of(client.list())) == list(ids)
    assert len(transport.requests) == requests
    assert [request.url[-1] for request in transport.requests] == [
        str(n + 1) for n in range(requests)
    ]


def numbered(request: Any) -> int:
    """Return the number of the page that a request asks for."""
    return int(request.url.rpartition("=")[2])


def test_a_list_without_progress_is_an_error(step: Any, backend: Any) -> None:
    """Otherwise a provider that passes over the number would be followed for ever."""
    client, transport = client_of(backend, lambda _: page("a", "b", total_pages=10**6))
    rows = aiter(client.list())

    assert [step(anext(rows)).id for _ in "ab"] == ["a", "b"]
    with pytest.raises(errors.PaginationError, match="the last 5 pages, up to page 6"):
        step(anext(rows))
    with pytest.raises(errors.PaginationError, match="the last 5 pages"):
        step(anext(rows))

    assert len(transport.requests) == 6


def test_pages_that_go_round_are_an_error(step: Any, backend: Any) -> None:
    """A list that starts again at its end is walked twice at most."""
    client, transport = client_of(
        backend, lambda request: page(f"r{numbered(request) % 9}", total_pages=10**6)
    )

    with pytest.raises(errors.PaginationError, match="the last 10 pages, up to page 19"):
        step(ids_of(client.list()))

    assert len(transport.requests) == 19


def test_an_end_that_moves_away_is_an_error(step: Any, backend: Any) -> None:
    """Empty pages whose last number grows with each of them never end."""
    client, transport = client_of(backend, lambda request: page(total_pages=numbered(request) + 1))

    with pytest.raises(errors.PaginationError, match="brought no new row"):
        step(client.list().first())

    assert len(transport.requests) == 6


@pytest.mark.parametrize(
    ("pages", "ids"),
    [
        (["ab", "ab", "cd"], "abcd"),
        (["ab", "xa", "bc", "d"], "abxcd"),
        (["ab", "cd", "xy", "zw", "ab", "cd", "ef"], "abcdxyzwef"),
        (["abc", "def", "ghi", "jkl", "mno", "pqr", "abc", "def", "ghi", "jkl", "mno", "pqr", "s"],
         "abcdefghijklmnopqrs"),
    ],
    ids=["a-page", "a-row", "two-pages", "six-pages"],
)  # fmt: skip
@pytest.mark.parametrize("counted", [True, False])
def test_rows_imported_in_front_do_not_end_a_walk(
    step: Any,
    backend: Any,
    pages: list[str],
    ids: str,
    counted: bool,  # noqa: FBT001
) -> None:
    """They repeat pages that were read; the rows behind those still come, whatever is counted."""
    about = {"total_pages": len(pages)} if counted else {}
    client, _ = listing(backend, *[page(*each, **about) for each in pages], page())

    assert step(ids_of(client.list())) == list(ids)


def test_an_import_that_goes_on_is_followed_while_the_count_grows(step: Any, backend: Any) -> None:
    """Each page repeats the one before, and the count says why."""
    grown = [page("a", "b", total_items=2 * n, total_pages=n) for n in range(2, 12)]
    client, _ = listing(backend, *grown, page("c", total_items=21, total_pages=11))

    assert step(ids_of(client.list())) == ["a", "b", "c"]


def test_a_few_empty_pages_are_skipped(step: Any, backend: Any) -> None:
    """They may lie between rows or at the end of the list."""
    gap = [page(total_pages=203)] * 100
    client, _ = listing(
        backend,
        page("a", total_pages=203),
        *gap,
        page("b", total_pages=203),
        *gap,
        page(total_pages=203),
    )

    assert step(ids_of(client.list())) == ["a", "b"]


@pytest.mark.parametrize(
    ("pages", "ids"),
    [
        (
            [page(*"ab", total_pages=1, total_items=3), page("c", total_pages=1, total_items=3)],
            "abc",
        ),
        ([page(*"ab", total_pages=0, total_items=2)], "ab"),
        ([page(*"ab", total_pages=0), page("c", total_pages=0), page(total_pages=0)], "abc"),
        (
            [
                page(*"ab", total_pages=-1, total_items=-1),
                page("c", total_pages=-1, total_items=-1),
                page(total_pages=-1, total_items=-1),
            ],
            "abc",
        ),
        (
            [
                page(*"ab", total_pages=0, total_items=0),
                page("c", total_pages=0, total_items=0),
                page(total_pages=0, total_items=0),
            ],
            "abc",
        ),
        (
            [
                page(*"ab", total_pages=2, total_items=5),
                page(*"cd", total_pages=2, total_items=5),
                page("e", total_pages=2, total_items=5),
            ],
            "abcde",
        ),
        ([page(*"ab", total_pages=1, total_items=9), page(total_pages=1, total_items=9)], "ab"),
        ([page("a", total_pages=1, total_items=9)], "a"),
        ([page("a", total_pages=9, total_items=1), page(total_pages=9, total_items=1)], "a"),
        ([page(*"ab", total_items=2, has_next=True), page("c", has_next=False)], "abc"),
        (
            [page(*"ab", total_pages=2, total_items=2), page("c", total_pages=2, total_items=1)],
            "abc",
        ),
        ([page(*"ab", total_pages=2, total_items=2, has_next=False)], "ab"),
        (
            [
                page(*"ab", total_pages=9, total_items=3),
                page("c", total_pages=9, total_items=3),
                page(total_pages=9, total_items=3),
            ],
            "abc",
        ),
        (
            [
                page(*"ab", total_pages=3, total_items=6),
                page(total_pages=1, total_items=2),
            ],
            "ab",
        ),
        (
            [
                page(*"ab", total_pages=3, total_items=5),
                page(total_pages=3, total_items=2),
                page("e", total_pages=3, total_items=2),
            ],
            "abe",
        ),
        (
            [
                page(*"ab", total_pages=1, total_items=2),
            ],
            "ab",
        ),
        (
            [
                page(*"ab", total_pages=2, total_items=4),
                page(*"cd", total_pages=3, total_items=6),
                page(*"ef", total_pages=3, total_items=6),
            ],
            "abcdef",
        ),
    ],
    ids=[
        "one-page-too-few", "no-pages-counted", "nothing-counted", "minus-one", "zeros",
        "one-page-too-few-of-two", "rows-that-are-hidden",
        "a-short-page", "too-many-pages-but-whole", "rows-of-the-page-counted",
        "rows-of-each-page-counted", "no-more-in-spite-of-counts", "too-many-pages", "shrinking",
        "shrinking-around-an-empty-page", "a-last-page-that-is-full", "growing",
    ],
)  # fmt: skip
def test_a_wrong_count_of_pages_loses_no_row(
    step: Any, backend: Any, pages: list[Any], ids: str
) -> None:
    """A full page is not the last one while rows are missing; pages of two rows are full here."""
    client, transport = listing(backend, *pages)

    assert step(ids_of(client.list())) == list(ids)
    assert len(transport.requests) == len(pages)


def test_the_report_says_what_was_seen(step: Any, backend: Any) -> None:
    """Rows that moved show up as repeated, and several pages never prove completeness."""
    client, _ = listing(
        backend, page("a", "b", total_pages=2, total_items=3), page("b", "c", total_pages=2)
    )
    pager = client.list()
    before = pager.report

    step(ids_of(pager))

    report = pager.report
    assert (before.pages, before.complete, before.why) == (
        0, False, "nothing was read yet",
    )  # fmt: skip
    assert (report.pages, report.rows, report.repeated, report.total_items, report.complete) == (
        2, 3, 1, None, False,
    )  # fmt: skip
    assert "several pages" in report.why


@pytest.mark.parametrize(
    ("response", "complete"),
    [
        (page("a", "b", is_whole=True), True),
        (page("a", "b", total_items=2, total_pages=1), True),
        (page("a", total_items=3, total_pages=1), False),
        (page("a", "b", total_pages=1), False),
        (page("a", "a", is_whole=True), False),
        (page(total_items=0), True),
    ],
    ids=["whole", "all-items", "one-missing", "no-count", "row-twice", "none-of-none"],
)
def test_only_one_whole_response_is_provably_complete(
    step: Any,
    backend: Any,
    response: Any,
    complete: bool,  # noqa: FBT001
) -> None:
    """The provider's own count must agree."""
    client, _ = listing(backend, response)
    pager = client.list()

    step(ids_of(pager))

    assert pager.report.complete is complete
    assert pager.report.why


def test_first_requests_pages_up_to_the_first_row(step: Any, backend: Any) -> None:
    """It skips empty pages; an empty list has no first row."""
    client, transport = listing(
        backend, page(total_pages=3), page("a", total_pages=3), page(total_pages=1)
    )

    assert step(client.list().first()).id == "a"
    assert len(transport.requests) == 2
    assert step(client.list().first()) is None


@pytest.mark.parametrize(
    ("limit", "ids", "requests"),
    [(1, "a", 1), (2, "ab", 1), (3, "abc", 2), (99, "abcd", 2), (10**20, "abcd", 2)],
)
def test_collect_stops_at_its_limit(
    step: Any, backend: Any, limit: int, ids: str, requests: int
) -> None:
    """It requests no page that it does not need."""
    client, transport = listing(
        backend, page("a", "b", total_pages=2), page("c", "d", total_pages=2)
    )

    rows = step(client.list().collect(limit=limit))

    assert [row.id for row in rows] == list(ids)
    assert len(transport.requests) == requests


@pytest.mark.parametrize("limit", [0, -1, "5", True, 2.0, None])
def test_an_unusable_limit_is_refused(step: Any, backend: Any, limit: Any) -> None:
    """The call fails before anything is sent."""
    client, transport = listing(backend)

    with pytest.raises(errors.InvalidInputError, match="limit"):
        step(client.list().collect(limit=limit))

    assert transport.requests == []


def test_pages_can_be_walked(step: Any, backend: Any) -> None:
    """Their items leave out rows that came before."""
    client, _ = listing(backend, page("a", "b", total_pages=2), page("b", "c", total_pages=2))

    async def walk() -> list[tuple[int, list[str]]]:
        return [(each.number, [r.id for r in each.items]) async for each in client.list().pages()]

    assert step(walk()) == [(1, ["a", "b"]), (2, ["c"])]


def test_each_walk_starts_at_the_first_page(step: Any, backend: Any) -> None:
    """A pager has no position; its walks do."""
    client, transport = client_of(backend, lambda _: page("a", is_whole=True))
    pager = client.list()

    assert step(ids_of(pager)) == step(ids_of(pager)) == ["a"]
    assert len(transport.requests) == 2


def test_a_walk_can_go_on_after_a_failed_page(step: Any, backend: Any) -> None:
    """It requests that page again."""
    client, _ = listing(
        backend, page("a", total_pages=2), say(404), page("b", total_pages=2), retry="none"
    )
    rows = aiter(client.list())

    assert step(anext(rows)).id == "a"
    with pytest.raises(errors.NotFoundError, match="the list may be shorter now; walk it anew"):
        step(anext(rows))
    assert step(anext(rows)).id == "b"
    with pytest.raises(StopAsyncIteration):
        step(anext(rows))


def test_a_list_that_is_not_there_is_not_said_to_be_shorter(step: Any, backend: Any) -> None:
    """Without a page before it, the address may be wrong."""
    client, _ = listing(backend, say(404), retry="none")

    with pytest.raises(errors.NotFoundError) as caught:
        step(client.list().first())

    assert "shorter" not in str(caught.value)


@pytest.mark.parametrize("kind", [AsyncClient, Client])
def test_a_list_that_is_printed_says_how_to_read_it(kind: Any) -> None:
    """Who prints it wants its rows."""
    pager = kind("exante", transport="sandbox").list()
    shown = repr(pager)

    assert re.fullmatch(r"<(Async)?Pager: iterate, or take first\(\), .*>", shown)
    assert re.fullmatch(r"<(Async)?Columns: .*iterate, or take read_all\(\)>", repr(pager.arrow()))
    assert ("Async" in shown) is (kind is AsyncClient)


def test_each_page_is_a_call_with_its_own_deadline(step: Any, backend: Any) -> None:
    """A long list may take longer than one operation."""
    seen: list[Any] = []

    def response(request: Any) -> Any:
        backend.clock += 40.0
        number = int(request.url.rpartition("=")[2])
        return page(f"r{number}", total_pages=5)

    client, _ = client_of(backend, response, observers=[seen.append], deadline=60.0)

    assert len(step(ids_of(client.list()))) == 5
    calls = [event for event in seen if isinstance(event, CallStarted)]
    assert [(event.call, event.operation) for event in calls] == [(n, "list") for n in range(1, 6)]


@pytest.mark.parametrize("sort", ["due_at", Sort("due_at"), None])
def test_sort_takes_a_name_or_a_sort(step: Any, backend: Any, sort: Any) -> None:
    """Both send the same request."""
    client, transport = listing(backend, page())

    step(ids_of(client.list(sort=sort)))

    assert len(transport.requests) == 1


def test_a_dialect_may_filter_by_the_last_change() -> None:
    """Ours know no provider that does; others do."""
    since = Filter(updated_from="2026-01-01T01:00:00+01:00")
    with Client(**ServedList([]).options()) as client:
        assert client.preview.list(since).url.endswith("since=2026-01-01T00%3A00%3A00Z")
    with (
        Client("exante", transport="memory", token="t", base_url="https://h.example") as client,
        pytest.raises(errors.UnsupportedError, match="compare the rows with your copies"),
    ):
        client.list(since).first()


LEAVING: dict[str, Callable[[Any], Any]] = {
    "rows": aiter,
    "pages": lambda pager: pager.pages(),
}


@pytest.mark.anyio
@pytest.mark.parametrize("how", LEAVING)
async def test_leaving_a_list_early_leaves_nothing_open(how: str) -> None:
    """No half-run generator is left for the event loop to warn about (warnings are errors)."""
    client, transport = client_of(None, lambda _: page("a", "b", total_pages=9))

    async for _ in LEAVING[how](client.list()):
        break
    async for _ in client.list():
        break

    assert len(transport.requests) == 2
