"""A row that cannot be read costs a walk that row alone, and the walk tells."""

from __future__ import annotations

import json
from typing import Any

import pytest

from billingual import AsyncClient, Client, MemoryTransport, errors
from billingual.events import PageSkipped, ProblemsFound
from billingual.model import BadPage, BadRow

UIDS = [f"550e8400-e29b-41d4-a716-44665544{number:04}" for number in range(6)]
TENANT = "tnt_pfh0haxfpzowht3oi213cqos"


def pages(*rows: list[object], **meta: object) -> MemoryTransport:
    """Script a list of Exante, page by page."""
    return MemoryTransport(
        [
            MemoryTransport.json(
                json.dumps({"data": {"items": each, "_meta": {"page": number, **meta}}})
            )
            for number, each in enumerate(rows, 1)
        ]
    )


def walked(step: Any, backend: Any, transport: MemoryTransport, **options: Any) -> tuple[Any, Any]:
    """Walk a list; return its rows and the report."""
    client = AsyncClient(transport=transport, backend=backend, token="not-a-real-one", **options)
    pager = client.list()
    return step(pager.collect(limit=100)), pager.report


def test_a_walk_goes_on_behind_a_bad_row(step: Any, backend: Any) -> None:
    """All rows with an id are handed out, whatever else is wrong with them."""
    first: list[object] = [{"uid": UIDS[0]}, {"uid": UIDS[1], "overdue_days": "x"}]
    transport = pages(first, [{"uid": None}, {"uid": UIDS[2]}], [{"uid": UIDS[3]}], total_pages=3)
    rows, report = walked(step, backend, transport, provider="exante")

    assert UIDS[:4] == [row.id for row in rows]
    assert "could not be read" in report.why


@pytest.mark.parametrize("row", ["9" * 5000, "[" + "9" * 5000 + "]", '"x"', "1e999999999", "null"])
def test_a_row_that_is_no_object_is_left_out(step: Any, backend: Any, row: str) -> None:
    """It costs the walk nothing else, not even where Python makes no int of its digits."""
    body = f'{{"data": {{"items": [{{"uid": "{UIDS[0]}"}}, {row}], "_meta": {{"page": 1}}}}}}'
    end = json.dumps({"data": {"items": [], "_meta": {"page": 2}}})
    transport = MemoryTransport([MemoryTransport.json(each) for each in (body, end)])
    rows, report = walked(step, backend, transport, provider="exante")

    assert UIDS[:1] == [each.id for each in rows]
    assert "could not be read" in report.why


def test_a_page_of_bad_rows_is_not_the_end(step: Any, backend: Any) -> None:
    """Where the provider does not count its pages, only an empty page ends a list."""
    transport = pages([{"uid": UIDS[0]}], [{}, {}], [{"uid": UIDS[1]}], [])
    rows, _ = walked(step, backend, transport, provider="exante")

    assert UIDS[:2] == [row.id for row in rows]


def test_a_whole_list_with_a_row_left_out_is_not_complete(step: Any, backend: Any) -> None:
    """A search for an invoice must not take such a list for proof that there is none."""
    invoice = {"id": "inv_mqxd1kc6bgtcc676xoqzax47", "amountMinor": "x"}
    for row, complete in ((invoice, True), ({"id": 5}, False)):
        body = json.dumps({"data": [invoice, row] if row is not invoice else [row]})
        transport = MemoryTransport([MemoryTransport.json(body)])
        rows, report = walked(step, backend, transport, provider="kukkingu", tenant=TENANT)

        assert ["inv_mqxd1kc6bgtcc676xoqzax47"] == [each.id for each in rows]
        assert complete is report.complete


MIXED: list[list[object]] = [
    [{"uid": UIDS[0]}, {"uid": None, "invoice_number": "B"}],
    [{"uid": UIDS[1]}, "no object", {"uid": ""}],
    [{"uid": UIDS[2]}],
]


def list_of(backend: Any, transport: MemoryTransport, **options: Any) -> Any:
    """Make a client, and a pager of its list."""
    settings = {"retry": "none", "observers": options.pop("observers", ())}
    client = AsyncClient(
        "exante", transport=transport, backend=backend, token="not-a-real-one", **settings
    )
    return client.list(**options)


def test_a_function_is_told_of_each_bad_row(step: Any, backend: Any) -> None:
    """It is given the row as it came and the reason; all other rows are handed out."""
    told: list[BadRow] = []
    pager = list_of(backend, pages(*MIXED, total_pages=3), on_bad_row=told.append)

    assert [row.id for row in step(pager.collect(limit=9))] == UIDS[:3]
    assert [(each.path, each.value) for each in told] == [
        ("$.data.items[1].uid", {"uid": None, "invoice_number": "B"}),
        ("$.data.items[1]", "no object"),
        ("$.data.items[2].uid", {"uid": ""}),
    ]
    assert [each.reason for each in told] == [
        "null where text is documented", "text where an object is documented", "the id is empty",
    ]  # fmt: skip


def test_a_bad_row_that_comes_again_is_told_once(step: Any, backend: Any) -> None:
    """Rows that are imported in front push it to the next page."""
    bad: list[object] = [{"uid": None, "n": 1}]
    told: list[BadRow] = []
    transport = pages([{"uid": UIDS[0]}, *bad], [*bad, {"uid": UIDS[1]}], total_pages=2)
    rows = step(list_of(backend, transport, on_bad_row=told.append).collect(limit=9))

    assert ([row.id for row in rows], len(told)) == (UIDS[:2], 1)


def test_a_walk_can_raise_at_a_bad_row_and_go_on(step: Any, backend: Any) -> None:
    """The error comes before the rows of its page, once, and holds all bad rows of it."""
    walk = aiter(list_of(backend, pages(*MIXED, total_pages=3), on_bad_row="raise"))
    seen: list[object] = []
    while True:
        try:
            seen.append(step(anext(walk)).id)
        except errors.BadRowError as error:
            seen.append([row.path for row in error.rows])
        except StopAsyncIteration:
            break

    assert seen == [
        ["$.data.items[1].uid"], UIDS[0], ["$.data.items[1]", "$.data.items[2].uid"], *UIDS[1:3],
    ]  # fmt: skip


def test_what_the_function_raises_costs_no_row(step: Any, backend: Any) -> None:
    """The error reaches the reader, who may go on with the rows of the page."""

    def refuse(row: BadRow) -> None:
        raise ZeroDivisionError

    walk = aiter(list_of(backend, pages(*MIXED[:1], total_pages=1), on_bad_row=refuse))
    with pytest.raises(ZeroDivisionError):
        step(anext(walk))

    assert step(anext(walk)).id == UIDS[0]


def answer(number: int, bad: dict[int, Any], pages: int | None = 4) -> Any:
    """Make page *number* of two rows, or what *bad* has in its place."""
    rows = [{"uid": UIDS[0][:-4] + f"{number:03}{each}"} for each in range(2)]
    meta = {"page": number, "total_pages": pages}
    good = MemoryTransport.json(json.dumps({"data": {"items": rows, "_meta": meta}}))
    return bad.get(number, good)


BROKEN = {
    "cut": MemoryTransport.json('{"data": {"items": [{"uid"'),
    "no rows": MemoryTransport.json('{"data": {"rows": []}}'),
    "crash": MemoryTransport.json("{}", status=500),
}


def serve(bad: dict[int, Any], count: int | None = 4) -> MemoryTransport:
    """Serve a list some of whose pages cannot be read."""
    return MemoryTransport(
        lambda request: answer(int(request.url.split("page=")[1].split("&")[0]), bad, count)
    )


@pytest.mark.parametrize("broken", BROKEN)
@pytest.mark.parametrize("prefetch", [1, 3])
@pytest.mark.parametrize("where", [2, 4])
def test_a_walk_goes_on_behind_a_page_that_cannot_be_read(
    broken: str, prefetch: int, where: int
) -> None:
    """What is lost is told: to the function, to observers, and in the report."""
    told: list[BadPage] = []
    events: list[Any] = []
    transport = serve({where: BROKEN[broken]})
    options: Any = {"transport": transport, "token": "t", "retry": "none"}
    with Client("exante", observers=[events.append], **options) as client:
        pager = client.list(page_size=2, prefetch=prefetch, on_bad_page=told.append)
        rows = list(pager)

    assert [int(row.id[-4:-1]) for row in rows] == [
        number for number in range(1, 5) if number != where for _ in range(2)
    ]
    lost = (where, 2 * where - 1, 2 * where)
    assert [(each.number, each.first_row, each.last_row) for each in told] == [lost]
    assert isinstance(told[0].error, errors.ProviderError)
    skipped = [each for each in events if isinstance(each, PageSkipped)]
    assert [(each.number, each.first_row, each.last_row) for each in skipped] == [lost]
    assert f"page {where}, rows {lost[1]} to {lost[2]} is skipped" in skipped[0].explain()
    assert pager.report.complete is False
    assert "could not be read" in pager.report.why


@pytest.mark.parametrize("given", ["raise", None])
def test_a_page_that_cannot_be_read_is_an_error_unless_you_say_otherwise(given: Any) -> None:
    """A list that lacks a page without a word would be worse."""
    options = {} if given is None else {"on_bad_page": given}
    transport = serve({2: BROKEN["cut"]})
    with Client("exante", transport=transport, token="t", retry="none") as client:
        walk = iter(client.list(page_size=2, **options))
        assert [next(walk).id[-1] for _ in range(2)] == ["0", "1"]
        with pytest.raises(errors.ProtocolError):
            next(walk)


def test_the_first_page_and_six_in_a_row_are_errors(step: Any, backend: Any) -> None:
    """Then it is not a page that is at fault."""
    first = list_of(backend, serve({1: BROKEN["cut"]}), on_bad_page="skip", page_size=2)
    with pytest.raises(errors.ProtocolError):
        step(first.collect(limit=9))

    told: list[BadPage] = []
    bad = dict.fromkeys(range(2, 30), BROKEN["crash"])
    pager = list_of(backend, serve(bad, 40), on_bad_page=told.append, page_size=2)
    with pytest.raises(errors.ServerError):
        step(pager.collect(limit=99))
    assert [each.number for each in told] == [2, 3, 4, 5, 6]


def test_bad_pages_are_counted_in_a_row(step: Any, backend: Any) -> None:
    """A page that can be read in between shows that the provider still works."""
    bad = dict.fromkeys([*range(2, 6), *range(7, 11)], BROKEN["crash"])
    pager = list_of(backend, serve(bad, 11), on_bad_page="skip", page_size=2)

    assert len(step(pager.collect(limit=99))) == 6


def test_a_refusal_is_no_bad_page(step: Any, backend: Any) -> None:
    """Another page would be refused as well."""
    refused = MemoryTransport.json("{}", status=403)
    pager = list_of(backend, serve({2: refused}), on_bad_page="skip", page_size=2)

    with pytest.raises(errors.PermissionDeniedError):
        step(pager.collect(limit=9))


def test_a_function_may_stop_at_a_bad_page(step: Any, backend: Any) -> None:
    """What it raises reaches the reader."""

    def refuse(page: BadPage) -> None:
        raise page.error

    pager = list_of(backend, serve({2: BROKEN["crash"]}), on_bad_page=refuse, page_size=2)
    with pytest.raises(errors.ServerError):
        step(pager.collect(limit=9))


async def _later(_: object) -> None: ...


@pytest.mark.parametrize("field", ["on_bad_row", "on_bad_page"])
@pytest.mark.parametrize("given", ["ignore", None, 5, True, _later])
def test_an_unusable_choice_is_refused(backend: Any, field: str, given: Any) -> None:
    """Before anything is sent."""
    with pytest.raises(errors.InvalidInputError, match=field):
        list_of(backend, MemoryTransport([]), **{field: given})


def test_client_leaves_out_the_same_rows_and_pages() -> None:
    """``Client`` tells of them too, and observers learn of bad rows by ProblemsFound."""
    rows, lost, events = [], [], []
    transport = pages(*MIXED, total_pages=3)
    with Client(
        "exante", transport=transport, token="t", retry="none", observers=[events.append]
    ) as client:
        walk = client.list(on_bad_row=rows.append)
        assert [row.id for row in walk] == UIDS[:3]
    with Client("exante", transport=serve({3: BROKEN["cut"]}), token="t", retry="none") as client:
        assert len(list(client.list(on_bad_page=lost.append, page_size=2, prefetch=2))) == 6

    assert (len(rows), [page.number for page in lost]) == (3, [3])
    found = [each.problems for each in events if isinstance(each, ProblemsFound)]
    assert [path for problems in found for path, _ in problems] == [row.path for row in rows]
