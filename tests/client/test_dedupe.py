"""Seen ids: the same results as a set, in a small part of its memory."""

from __future__ import annotations

import random
import tracemalloc
from collections.abc import Iterator
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from billingual.pagination.dedupe import MAX_EXACT, SeenIds


def repeats(known: set[str], texts: list[str]) -> list[int]:
    """Do with a set what ``SeenIds.add`` does."""
    found = []
    for index, text in enumerate(texts):
        if text in known:
            found.append(index)
        known.add(text)
    return found


@given(st.lists(st.lists(st.text(max_size=2), max_size=6), max_size=12))
def test_few_ids_give_the_same_results_as_a_set(pages: list[list[str]]) -> None:
    """For any text, half a surrogate pair included."""
    seen, known = SeenIds(), set[str]()

    for page in pages:
        assert repeats(known, page) == seen.add(page)


def test_many_ids_give_the_same_results_as_a_set() -> None:
    """Repeats near and far, within a page and across, before and after fingerprints are used."""
    chance = random.Random(20261121)  # noqa: S311 - a seed, so that each run is the same
    seen, known = SeenIds(), set[str]()
    for number in range(1500):
        spread = 60_000 + 60 * number
        page = [f"{chance.randrange(spread)}-\ud800" for _ in range(100)]

        assert repeats(known, page) == seen.add(page)

    assert len(known) > 2 * MAX_EXACT
    assert not seen._texts


def pages(count: int) -> Iterator[tuple[str, ...]]:
    """Make pages of a hundred ids that count up, as a provider may number them."""
    for number in range(count):
        yield tuple(f"{each:08d}-0000-4000-8000-000000000000" for each in
                    range(100 * number, 100 * number + 100))  # fmt: skip


def test_a_long_walk_takes_a_tenth_of_a_sets_memory(proof: Any) -> None:
    """A million ids take 11 MB, and a set 120; the peak on the way is not much higher."""
    count, each_takes = proof.amount(200_000, 1_000_000), proof.amount(17, 11)
    seen = SeenIds()
    tracemalloc.start()
    try:
        repeated = sum(len(seen.add(page)) for page in pages(count // 100))
        size, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    assert 0 == repeated
    assert size < count * each_takes
    assert peak < max(count * each_takes, 4_000_000) * 1.25


def test_every_id_of_a_long_walk_is_found_again() -> None:
    """A repeat is never missed."""
    seen = SeenIds()
    for page in pages(500):
        seen.add(page)

    assert [list(range(100))] * 500 == [seen.add(page) for page in pages(500)]
