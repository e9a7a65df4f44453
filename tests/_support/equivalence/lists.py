"""Rows of the table: lists, their pages and their ends."""

from __future__ import annotations

import json
from typing import Any, Final

from _support.equivalence.row import BRISK, Row, Scene
from _support.equivalence.servers import Reply
from billingual import Filter, errors

__all__ = ["ROWS"]


def page(number: int, *rows: str, **meta: Any) -> Reply:
    """Make a page of Exante's with invoices of these numbers."""
    items = [
        {"uid": row and f"{row * 8}-0000-4000-8000-000000000000", "number": row} for row in rows
    ]
    data = {"items": items, "_meta": {"page": number, **meta}}
    body = {"status": "success", "status_code": 200, "message": "", "data": data}
    return Reply(json.dumps(body).encode())


BROKEN: Final = Reply(b'{"status": "error", "status_code": 404, "message": "gone"}', 404)


def names(rows: Any) -> str:
    """Name rows by the first letter of their ids."""
    return "".join(row.id[0] for row in rows)


async def walk(scene: Scene) -> Any:
    """Walk all rows, and say what the scan says."""
    pager = scene.client.list()
    rows = [row async for row in pager]
    return [names(rows), pager.report]


async def walk_strictly(scene: Scene) -> Any:
    """Walk all rows, and stop at one that cannot be read."""
    return [row async for row in scene.client.list(on_bad_row="raise")]


async def go_on_later(scene: Scene) -> Any:
    """Read one row, and the others from there in another walk."""
    first = scene.client.list()
    row = await first.first()
    second = scene.client.list(resume=first.checkpoint)
    return [names([row]), names([row async for row in second]), second.report]


async def all_rows(scene: Scene) -> Any:
    """Walk a real list of several pages."""
    pager = scene.client.list(Filter(include_inactive=True), page_size=15)
    ids = [row.id async for row in pager]
    return [len(ids), len(set(ids)), pager.report]


async def only_page(scene: Scene) -> Any:
    """Walk a list that fits on a page."""
    pager = scene.client.list(Filter(status="PAID"), sort="-due_at")
    rows = [row async for row in pager]
    return [len(rows), sorted({str(row.status) for row in rows}), pager.report]


async def pages(scene: Scene) -> Any:
    """Walk responses."""
    return [each async for each in scene.client.list(page_size=15).pages()]


async def leave_rows(scene: Scene) -> Any:
    """Leave in the middle of the second page."""
    pager = scene.client.list()
    seen = []
    async for row in pager:
        seen.append(row)
        if len(seen) == 3:
            break
    return [names(seen), pager.report]


async def leave_pages(scene: Scene) -> Any:
    """Leave after the first page."""
    pager = scene.client.list()
    async for each in pager.pages():
        seen = each
        break
    return [seen, pager.report]


async def leave_by_error(scene: Scene) -> Any:
    """Let the caller's own error end a walk."""

    def stumble(row: object) -> None:
        raise LookupError("the caller's")

    try:
        async for row in scene.client.list():
            stumble(row)
    except LookupError as error:
        return str(error)


async def two_walks(scene: Scene) -> Any:
    """Walk one pager twice: each walk begins anew."""
    pager = scene.client.list()
    return [names([row async for row in pager]), names([row async for row in pager])]


async def side_by_side(scene: Scene) -> Any:
    """Walk two pagers in turn."""
    first, second = aiter(scene.client.list()), aiter(scene.client.list())
    return names([await anext(each) for each in (first, second, first, second)])


async def nothing_sent(scene: Scene) -> Any:
    """Make a pager and two walks, and ask for nothing."""
    pager = scene.client.list()
    aiter(pager)
    pager.pages()
    return pager.report


async def resume(scene: Scene) -> Any:
    """Ask again for a page that failed."""
    rows = aiter(scene.client.list())
    first = await anext(rows)
    try:
        await anext(rows)
    except errors.NotFoundError as error:
        return [names([first, await anext(rows)]), error, await anext(rows, "the end")]


async def resume_pages(scene: Scene) -> Any:
    """Ask again for a response that failed."""
    walked = scene.client.list().pages()
    first = await anext(walked)
    try:
        await anext(walked)
    except errors.NotFoundError:
        return [first, await anext(walked), await anext(walked, "the end")]


async def after_the_end(scene: Scene) -> Any:
    """Ask on after the end."""
    rows = aiter(scene.client.list())
    return [(await anext(rows)).id[0], await anext(rows, "end"), await anext(rows, "still")]


async def page_fails(scene: Scene) -> Any:
    """Let the second page of a walk fail for good."""
    seen: list[Any] = []
    try:
        async for row in scene.client.list():
            seen.append(row)  # noqa: PERF401 - what came before the error counts
    except errors.BillingualError as error:
        return [names(seen), error]


ROWS: Final = (
    Row(
        "one page",
        only_page,
        "10, PAID, 10 rows of 10, 1 pages, 0 repeated, complete",
        "list: committed 200 = committed",
    ),
    Row(
        "many pages",
        all_rows,
        "40, 40, 40 rows of 40, 3 pages, 0 repeated, incomplete",
        (
            "list: committed 200 = committed; list: committed 200 = committed; list: "
            "committed 200 = committed"
        ),
        portal=True,
        taped=True,
    ),
    Row(
        "pages can be walked",
        pages,
        "page 1 of 15, page 2 of 15, page 3 of 2",
        (
            "list: committed 200 = committed; list: committed 200 = committed; list: "
            "committed 200 = committed"
        ),
    ),
    Row(
        "an empty page is not the end",
        walk,
        "abc, 3 rows of None, 3 pages, 0 repeated, incomplete",
        (
            "list: committed 200 = committed; list: committed 200 = committed; list: "
            "committed 200 = committed"
        ),
        portal=True,
        script=(
            page(1, "a", "b", total_pages=3),
            page(2, total_pages=3),
            page(3, "c", total_pages=3),
        ),
        taped=True,
    ),
    Row(
        "a page that comes again and again is an error",
        walk,
        "PaginationError",
        "; ".join(["list: committed 200 = committed"] * 6),
        script=tuple(page(number, "a", "b", total_pages=9) for number in range(1, 7)),
    ),
    Row(
        "a row that cannot be read is an error if that is asked for",
        walk_strictly,
        "BadRowError",
        "list: committed 200 = committed",
        script=(page(1, "a", "", total_pages=1),),
    ),
    Row(
        "a walk goes on where another one stopped",
        go_on_later,
        "a, bc, 2 rows of None, 2 pages, 0 repeated, incomplete",
        "; ".join(["list: committed 200 = committed"] * 3),
        script=(
            page(1, "a", "b", total_pages=2),
            page(1, "a", "b", total_pages=2),
            page(2, "c", total_pages=2),
        ),
    ),
    Row(
        "a row that comes twice is handed out once",
        walk,
        "abc, 3 rows of None, 2 pages, 1 repeated, incomplete",
        "list: committed 200 = committed; list: committed 200 = committed",
        script=(page(1, "a", "b", total_pages=2), page(2, "b", "c", total_pages=2)),
    ),
    Row(
        "one whole response is provably complete",
        walk,
        "ab, 2 rows of 2, 1 pages, 0 repeated, complete",
        "list: committed 200 = committed",
        script=(page(1, "a", "b", total_pages=1, total_items=2),),
    ),
    Row(
        "an empty list",
        walk,
        ", 0 rows of 0, 1 pages, 0 repeated, complete",
        "list: committed 200 = committed",
        script=(page(1, total_pages=0, total_items=0),),
    ),
    Row(
        "a page of another number is an error",
        walk,
        "ProtocolError 200 ''",
        "list: unknown 200 ProtocolError = unknown ProtocolError",
        script=(page(7, "a"),),
    ),
    Row(
        "rows can be left early",
        leave_rows,
        "abc, 4 rows of None, 2 pages, 0 repeated, incomplete",
        "list: committed 200 = committed; list: committed 200 = committed",
        portal=True,
        script=(page(1, "a", "b", total_pages=9), page(2, "c", "d", total_pages=9)),
    ),
    Row(
        "pages can be left early",
        leave_pages,
        "page 1 of 1, 1 rows of None, 1 pages, 0 repeated, incomplete",
        "list: committed 200 = committed",
        script=(page(1, "a", total_pages=9),),
    ),
    Row(
        "a caller's error may end a walk",
        leave_by_error,
        "the caller's",
        "list: committed 200 = committed",
        script=(page(1, "a", "b", total_pages=9),),
    ),
    Row(
        "each walk begins anew",
        two_walks,
        "a, b",
        "list: committed 200 = committed; list: committed 200 = committed",
        script=(page(1, "a", total_pages=1), page(1, "b", total_pages=1)),
    ),
    Row(
        "walks do not meet",
        side_by_side,
        "acbd",
        "list: committed 200 = committed; list: committed 200 = committed",
        script=(page(1, "a", "b", total_pages=1), page(1, "c", "d", total_pages=1)),
    ),
    Row(
        "a pager asks for nothing by itself",
        nothing_sent,
        "0 rows of None, 0 pages, 0 repeated, incomplete",
        "",
    ),
    Row(
        "a page that failed can be asked for again",
        resume,
        "ab, NotFoundError 404 'gone', the end",
        (
            "list: committed 200 = committed; list: rejected 404 NotFoundError = "
            "rejected NotFoundError; list: committed 200 = committed"
        ),
        script=(page(1, "a", total_pages=2), BROKEN, page(2, "b", total_pages=2)),
        portal=True,
        taped=True,
    ),
    Row(
        "a response that failed can be asked for again",
        resume_pages,
        "page 1 of 1, page 2 of 1, the end",
        (
            "list: committed 200 = committed; list: rejected 404 NotFoundError = "
            "rejected NotFoundError; list: committed 200 = committed"
        ),
        script=(page(1, "a", total_pages=2), BROKEN, page(2, "b", total_pages=2)),
    ),
    Row(
        "the end stays the end",
        after_the_end,
        "a, end, still",
        "list: committed 200 = committed",
        script=(page(1, "a", total_pages=1),),
    ),
    Row(
        "a page that fails goes up",
        page_fails,
        "a, NotFoundError 404 'gone'",
        (
            "list: committed 200 = committed; list: rejected 404 NotFoundError = "
            "rejected NotFoundError"
        ),
        script=(page(1, "a", total_pages=2), BROKEN),
    ),
    Row(
        "first passes over empty pages",
        lambda s: s.client.list().first(),
        "cccccccc-0000-4000-8000-000000000000",
        "list: committed 200 = committed; list: committed 200 = committed",
        script=(page(1, total_pages=2), page(2, "c", total_pages=2)),
    ),
    Row(
        "first of nothing is nothing",
        lambda s: s.client.list().first(),
        "None",
        "list: committed 200 = committed",
        script=(page(1, total_pages=1),),
    ),
    Row(
        "collect reads no page too many",
        lambda s: s.client.list().collect(limit=2),
        "aaaaaaaa-0000-4000-8000-000000000000, bbbbbbbb-0000-4000-8000-000000000000",
        "list: committed 200 = committed",
        script=(page(1, "a", "b", total_pages=2),),
    ),
    Row(
        "collect refuses no rows",
        lambda s: s.client.list().collect(limit=0),
        "InvalidInputError limit",
        "",
    ),
    Row(
        "each page has attempts of its own",
        walk,
        "ab, 2 rows of None, 2 pages, 0 repeated, incomplete",
        (
            "list: committed 200 = committed; list: unknown 503 ServerError > "
            "committed 200 = committed"
        ),
        options={"retry": BRISK},
        script=(page(1, "a", total_pages=2), Reply(b"", 503), page(2, "b", total_pages=2)),
    ),
)
