"""A walk goes on where an earlier one stopped."""

from __future__ import annotations

import json
from typing import Any, Literal

import anyio
import pytest

from _support.served_list import ServedList
from billingual import AsyncClient, Client, Filter, MemoryTransport, errors

By = Literal["number", "cursor", "uncounted"]
WAYS: list[By] = ["number", "cursor", "uncounted"]
SIZE = 5


def walk_some(
    served: ServedList, count: int, kind: str = "blocking", **options: Any
) -> tuple[Any, str]:
    """Walk at most *count* rows; return them and the checkpoint."""
    options = {"page_size": SIZE, **options}
    if kind == "blocking":
        with Client(**served.options()) as client:
            pager = client.list(**options)
            rows = [int(row.id) for _, row in zip(range(count), pager, strict=False)]
            return rows, pager.checkpoint

    async def walk() -> tuple[Any, str]:
        rows: list[int] = []
        async with AsyncClient(**served.options()) as client:
            pager = client.list(**options)
            walking = aiter(pager)
            while len(rows) < count:
                try:
                    rows.append(int((await anext(walking)).id))
                except StopAsyncIteration:
                    break
            return rows, pager.checkpoint

    return anyio.run(walk, backend=kind)


def rest(served: ServedList, checkpoint: str, kind: str = "blocking", **options: Any) -> list[int]:
    """Walk from a checkpoint to the end."""
    rows: list[int] = walk_some(served, 10**6, kind, resume=checkpoint, **options)[0]
    return rows


@pytest.mark.parametrize("by", WAYS)
@pytest.mark.parametrize("kind", ["blocking", "asyncio", "trio"])
@pytest.mark.parametrize("prefetch", [1, 3])
def test_no_row_is_lost_and_none_comes_twice(by: By, kind: str, prefetch: int) -> None:
    """Wherever a walk is left, another one goes on behind the last row that was handed out."""
    for count in (0, 1, 4, 5, 6, 9, 10, 22, 23):
        served = ServedList(list(range(23)), by)
        rows, checkpoint = walk_some(served, count, kind, prefetch=prefetch)

        assert rows == list(range(count))
        assert rest(served, checkpoint, kind, prefetch=prefetch) == list(range(count, 23))


@pytest.mark.parametrize("by", WAYS)
@pytest.mark.parametrize("count", [3, 5, 30, 43])
@pytest.mark.parametrize(
    "change",
    [
        "insert 1", "insert 5", "insert 12", "insert 45", "delete 1", "delete 5", "delete 12",
        "delete last", "delete last 15", "insert between", "append",
    ],
)  # fmt: skip
def test_rows_may_move_between_two_walks(by: By, count: int, change: str) -> None:
    """Rows that are inserted in front, and those that are deleted, neither hide nor repeat any."""
    served = ServedList(list(range(0, 200, 2)), by)
    with Client(**served.options()) as client:
        pager = client.list(page_size=SIZE)
        before = [int(row.id) for row in pager.collect(limit=count)]
        what, how_many = change.split(maxsplit=1) if " " in change else (change, "1")
        if what == "insert" and how_many != "between":
            served.rows[:0] = range(-int(how_many), 0)
        elif change == "insert between":
            served.rows = sorted([*served.rows, *range(2 * count - 3, 2 * count + 5, 2)])
        elif how_many.startswith("last"):
            number = int(how_many.partition(" ")[2] or 1)
            served.rows = [each for each in served.rows if each not in before[-number:]]
        elif what == "delete":
            del served.rows[: min(int(how_many), count - 1)]
        else:
            served.rows.append(998)
        after = rest(served, pager.checkpoint)

    first = before[-1] + 1
    if change == "insert between" and (by != "cursor" or count % SIZE):
        # Between the last rows that were handed out is a new one.
        first = 2 * count - 3
    assert after == [each for each in served.rows if each >= first and each not in before]


def test_rows_that_left_the_list_when_they_were_handled_are_known() -> None:
    """Up to 16 rows are remembered, so a walk over a list that empties goes on at its start."""
    served = ServedList(list(range(40)))
    before, checkpoint = walk_some(served, 16)
    served.rows = [each for each in served.rows if each not in before]

    assert rest(served, checkpoint) == served.rows


def test_a_walk_whose_last_rows_are_gone_is_refused() -> None:
    """Where it would go on cannot be told, and a guess would lose rows or hand them out again."""
    served = ServedList(list(range(200)))
    _, checkpoint = walk_some(served, 100)
    del served.rows[:100]

    with pytest.raises(errors.PaginationError, match=r"near page 20 any more.*without resume="):
        rest(served, checkpoint)


@pytest.mark.parametrize("left", [30, 47, 12])
def test_a_list_that_shrank_is_searched_from_its_end(left: int) -> None:
    """The page of the checkpoint is behind the end, and nothing near it is requested."""
    served = ServedList(list(range(200)))
    _, checkpoint = walk_some(served, 180)
    del served.rows[: 200 - left - 10]
    served.asked.clear()

    assert rest(served, checkpoint) == list(range(180, 200))
    assert len(served.asked) <= 2 + 20 // SIZE + 20 // SIZE


def test_what_was_added_behind_the_end_comes() -> None:
    """A checkpoint of a walk that ended is one too: only what is new is handed out."""
    served = ServedList(list(range(23)))
    _, checkpoint = walk_some(served, 99)

    assert rest(served, checkpoint) == []
    served.rows += [100, 101]
    assert rest(served, checkpoint) == [100, 101]


def test_a_checkpoint_of_an_empty_list_starts_at_its_beginning() -> None:
    """Nothing was handed out, so everything comes."""
    served = ServedList([])
    _, checkpoint = walk_some(served, 1)
    served.rows = [1, 2]

    assert rest(served, checkpoint) == [1, 2]


def test_empty_pages_do_not_move_a_checkpoint_away_from_its_rows() -> None:
    """Where pages have numbers, the last row is looked for on its own page."""
    pages = [["0"], [], [], ["1"]]
    script = [json.dumps({"rows": each, "total_pages": 4}) for each in pages]
    served = ServedList([])
    served.transport = MemoryTransport([MemoryTransport.json(each) for each in script])
    with Client(**served.options()) as client:
        pager = client.list(page_size=1)
        walk = pager.pages()
        for _ in range(3):
            next(walk)

        assert json.loads(pager.checkpoint)["page"] == 1


def test_pages_first_and_collect_move_the_checkpoint() -> None:
    """A page that was handed out counts whole, and collect() and first() count by rows."""
    served = ServedList(list(range(23)))
    with Client(**served.options()) as client:
        pager = client.list(page_size=SIZE)
        assert rest(served, pager.checkpoint) == list(range(23))
        pager.first()
        assert rest(served, pager.checkpoint) == list(range(1, 23))
        pager.collect(limit=7)
        assert rest(served, pager.checkpoint) == list(range(7, 23))
        walk = pager.pages()
        next(walk), next(walk)
        assert rest(served, pager.checkpoint) == list(range(10, 23))
        assert [int(row.id) for row in pager.collect(limit=3)] == [0, 1, 2]


def test_a_walk_of_many_checkpoints_is_one_walk() -> None:
    """Also in steps of one row, and with a page size that the checkpoint keeps."""
    served, seen, checkpoint = ServedList(list(range(33))), [], None
    with Client(**served.options()) as client:
        while True:
            size = 4 if checkpoint is None else None
            pager = client.list(page_size=size, resume=checkpoint)
            row = pager.first()
            if row is None:
                break
            seen.append(int(row.id))
            checkpoint = pager.checkpoint

    assert seen == list(range(33))


def resumed(*pages: dict[str, object]) -> tuple[Client, Any]:
    """Leave a list by cursor at the end of its first page; return the pager that goes on."""
    first = {"rows": ["1", "2"], "has_next": True, "next_cursor": "k"}
    served = ServedList([])
    served.transport = MemoryTransport(
        [MemoryTransport.json(json.dumps(each)) for each in (first, *pages)]
    )
    client = Client(**served.options())
    pager = client.list()
    assert len(pager.collect(limit=2)) == 2
    return client, client.list(resume=pager.checkpoint)


def test_a_row_that_moved_behind_a_cursor_does_not_hide_those_before_it() -> None:
    """A cursor says where the page begins; the row itself came before."""
    client, pager = resumed({"rows": ["3", "1", "4"], "has_next": False})
    with client:
        assert [row.id for row in pager] == ["3", "4"]


@pytest.mark.parametrize(
    ("said", "match"),
    [({}, "no cursor that leads there"), ({"next_cursor": "k"}, "back to a page")],
)
def test_a_resumed_walk_sees_a_cursor_that_is_missing_or_comes_again(
    said: dict[str, object], match: str
) -> None:
    """The page that it starts with was asked for by a cursor."""
    client, pager = resumed({"rows": ["3"], "has_next": True, **said})
    with client:
        walk = iter(pager)
        assert next(walk).id == "3"
        with pytest.raises(errors.PaginationError, match=match):
            next(walk)


def test_a_resumed_walk_is_never_provably_complete() -> None:
    """Its report says so."""
    served = ServedList([1, 2, 3])
    _, checkpoint = walk_some(served, 1)
    with Client(**served.options()) as client:
        pager = client.list(page_size=SIZE, resume=checkpoint)
        list(pager)

    assert (pager.report.complete, pager.report.rows) == (False, 2)
    assert "from a checkpoint" in pager.report.why


def test_a_page_that_is_gone_is_not_an_error() -> None:
    """Some providers answer 404 behind the end of a list."""
    served = ServedList(list(range(60)))
    _, checkpoint = walk_some(served, 41)
    del served.rows[:30]
    respond = served._respond

    def strict(request: Any) -> Any:
        response = respond(request)
        return (
            MemoryTransport.json("{}", status=404) if b'"rows": []' in response.body else response
        )

    served.transport = MemoryTransport(strict)

    assert rest(served, checkpoint) == list(range(41, 60))


def test_a_checkpoint_holds_no_id_and_no_name() -> None:
    """It is a short JSON text."""
    served = ServedList([1234567, 7654321])
    with Client(**served.options(token="a-token-of-mine", tenant="t-77")) as client:
        pager = client.list(Filter(counterparty="Ada Lovelace"))
        pager.first()
        text = pager.checkpoint

    assert len(text) < 400
    assert isinstance(json.loads(text), dict)
    for word in ("1234567", "Ada", "Lovelace", "a-token-of-mine", "t-77"):
        assert word not in text


OTHERS: dict[str, dict[str, Any]] = {
    "filter": {"filter": Filter(status="PAID")},
    "sort": {"sort": "-due_at"},
    "page_size": {"page_size": 7},
}


@pytest.mark.parametrize("other", OTHERS)
def test_a_checkpoint_of_another_list_is_refused(other: str) -> None:
    """Its place would be nowhere; nothing is requested."""
    served = ServedList(list(range(23)))
    _, checkpoint = walk_some(served, 3)
    served.asked.clear()

    with pytest.raises(errors.InvalidInputError, match=rf"(resume|page_size): .*{other[:5]}|by 5"):
        walk_some(served, 1, resume=checkpoint, **OTHERS[other])
    with Client(**served.options()) as client, pytest.raises(errors.InvalidInputError):
        client.preview.list(resume=checkpoint, **{"page_size": 5, **OTHERS[other]})
    assert served.asked == []


def test_a_checkpoint_of_another_provider_or_tenant_is_refused() -> None:
    """The error says of which."""
    served = ServedList(list(range(23)))
    _, checkpoint = walk_some(served, 3)
    other = Client("exante", transport="memory", token="t", base_url="https://h.example")
    with other, pytest.raises(errors.InvalidInputError, match="the provider 'served'"):
        other.list(resume=checkpoint)
    for tenant in ("a", "b"):
        with (
            Client(**served.options(tenant=tenant)) as client,
            pytest.raises(errors.InvalidInputError, match="another tenant"),
        ):
            client.list(resume=checkpoint, page_size=SIZE)


WRONG: list[dict[str, object]] = [
    {"page": 0}, {"page": "1"}, {"page": True}, {"size": 0}, {"cursor": 5}, {"taken": -1},
    {"rows": None}, {"last": "AAAA!"}, {"last": "A" * 4}, {"last": "A" * 400}, {"last": None},
    {"of": []}, {"of": {"provider": "served"}}, {"of": None}, {"v": 2},
]  # fmt: skip


def test_what_is_no_checkpoint_is_refused() -> None:
    """The error is ours, and nothing is requested."""
    good = json.loads(walk_some(ServedList(list(range(23))), 3)[1])
    served = ServedList([1])
    given: list[Any] = ["", "{}", "[]", "null", "1", "{", "[" * 100_000, "\ud800", 5, b"{}", {}]
    given += [good, *(json.dumps({**good, **each}) for each in WRONG)]
    given += [json.dumps({name: good[name] for name in good if name != left}) for left in good]

    for each in given:
        with pytest.raises(errors.InvalidInputError, match="resume"):
            walk_some(served, 1, resume=each)
    assert served.asked == []


def test_preview_shows_the_request_of_a_resumed_list() -> None:
    """It asks for the page of the last row."""
    served = ServedList(list(range(23)))
    _, checkpoint = walk_some(served, 12)
    with Client(**served.options()) as client:
        url = client.preview.list(resume=checkpoint).url

    assert url.endswith("/?size=5&page=3")
