"""Which rows a walk misses, and which it hands out twice, while others write."""

from __future__ import annotations

from typing import Literal
from urllib.parse import parse_qs, urlsplit

import anyio
import pytest
from hypothesis import given
from hypothesis import strategies as st

from _support.served_list import ServedList
from billingual import AsyncClient, Client
from billingual.wire import WireRequest, WireResponse

SIZE = 3
FIRST, LAST = 1_000, 1_020
By = Literal["number", "cursor", "uncounted"]
BY = st.sampled_from(["number", "cursor", "uncounted"])
# Before a request some rows are inserted in front, behind, or in between, and some are deleted.
INSERTED = st.lists(
    st.tuples(st.integers(1, 9), st.one_of(st.integers(0, FIRST - 1), st.integers(LAST, 2_000))),
    max_size=12,
)
DELETED = st.lists(st.tuples(st.integers(1, 9), st.integers(FIRST, LAST - 1)), max_size=8)
LEFT = st.lists(st.integers(1, 9), max_size=4)


class Changing:
    """A list to which writes happen at given requests, and what became of each row.

    Attributes:
        served: the served.
        always: rows that were there all the time.
        deleted: rows that were deleted.
    """

    def __init__(
        self, by: By, inserted: list[tuple[int, int]], deleted: list[tuple[int, int]]
    ) -> None:
        self.served = ServedList(list(range(FIRST, LAST)), by, self._write)
        self.always = set(range(FIRST, LAST)) - {each for _, each in deleted}
        self.deleted = {each for _, each in deleted}
        self._inserted, self._deleted = inserted, deleted

    def _write(self, request: int) -> None:
        rows = set(self.served.rows) | {each for when, each in self._inserted if when == request}
        self.served.rows = sorted(rows - {each for when, each in self._deleted if when == request})

    def walk(self, *, left: list[int], prefetch: int = 1) -> list[int]:
        """Walk to the end; leave and resume after each number of rows in *left*."""
        rows: list[int] = []
        checkpoint: str | None = None
        with Client(**self.served.options()) as client:
            for count in left:
                pager = client.list(page_size=SIZE, resume=checkpoint)
                rows += [int(row.id) for row in pager.collect(limit=count)]
                checkpoint = pager.checkpoint
            last = client.list(page_size=SIZE, resume=checkpoint, prefetch=prefetch)
            return rows + [int(row.id) for row in last]


@given(by=BY, inserted=INSERTED, prefetch=st.sampled_from([1, 4]))
def test_rows_that_are_inserted_hide_and_repeat_none(
    by: By, inserted: list[tuple[int, int]], prefetch: int
) -> None:
    """Every row that was there all the time comes once, wherever others are inserted."""
    changing = Changing(by, inserted, [])
    rows = changing.walk(left=[], prefetch=prefetch)

    assert len(rows) == len(set(rows))
    assert changing.always <= set(rows)
    assert [row for row in rows if row in changing.always] == sorted(changing.always)


class OutOfOrder(ServedList):
    """A list that reads the pages behind the second one first, then gets a row in front."""

    def _page(self, request: WireRequest) -> WireResponse:
        page = int(parse_qs(urlsplit(request.url).query)["page"][0])
        early = page in {1, 3, 4, 5} and page not in self.asked
        self.rows = list(range(FIRST, LAST)) if early else [FIRST - 1, *range(FIRST, LAST)]
        return super()._page(request)


@pytest.mark.parametrize("waits", ["asyncio", "trio", "blocking"])
def test_pages_that_were_read_in_the_wrong_order_hide_no_row(waits: str) -> None:
    """The third page is asked for again: a row had moved to it from the second."""
    served = OutOfOrder([])

    async def walk() -> list[int]:
        async with AsyncClient(**served.options()) as client:
            return [int(row.id) async for row in client.list(page_size=SIZE, prefetch=4)]

    if waits == "blocking":
        with Client(**served.options()) as client:
            rows = [int(row.id) for row in client.list(page_size=SIZE, prefetch=4)]
    else:
        rows = anyio.run(walk, backend=waits)

    assert list(range(FIRST, LAST)) == rows
    assert [3, 4, 5] == sorted(each for each in set(served.asked) if served.asked.count(each) > 1)


@given(by=BY, inserted=INSERTED, deleted=DELETED)
def test_a_row_is_missed_only_if_rows_in_front_of_it_were_deleted(
    by: By, inserted: list[tuple[int, int]], deleted: list[tuple[int, int]]
) -> None:
    """As many as were deleted at most; by cursor none is missed, and no row comes twice."""
    changing = Changing(by, inserted, deleted)
    rows = changing.walk(left=[])
    missed = changing.always - set(rows)

    assert len(rows) == len(set(rows))
    if by == "cursor":
        assert missed == set()
    assert len(missed) <= len(changing.deleted)
    assert all(min(changing.deleted) < row for row in missed)


@given(by=BY, inserted=INSERTED, left=LEFT)
def test_a_walk_in_parts_hands_out_what_a_whole_one_does(
    by: By, inserted: list[tuple[int, int]], left: list[int]
) -> None:
    """Rows inserted while it is left, and between the requests, hide and repeat none."""
    changing = Changing(by, inserted, [])
    rows = [row for row in changing.walk(left=left) if row in changing.always]

    assert rows == sorted(changing.always)


@given(by=BY, deleted=st.sets(st.integers(FIRST, LAST - 1)), left=st.integers(1, 16))
def test_rows_deleted_while_a_walk_is_left_hide_and_repeat_none(
    by: By, deleted: set[int], left: int
) -> None:
    """Also if those that were handed out are deleted, up to the last sixteen."""
    served = ServedList(list(range(FIRST, LAST)), by)
    with Client(**served.options()) as client:
        pager = client.list(page_size=SIZE)
        before = [int(row.id) for row in pager.collect(limit=left)]
        served.rows = sorted(set(served.rows) - deleted)
        rest = [int(row.id) for row in client.list(resume=pager.checkpoint)]

    assert rest == [row for row in served.rows if row not in before]
