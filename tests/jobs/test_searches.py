"""A search for a create is vouched for by another one that is neither too old nor too new."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import anyio
import attrs

from billingual import AsyncClient, Draft
from billingual.abc import Sightings
from billingual.client import client_context
from billingual.jobs.looker import Looker


@attrs.define
class Searched:
    """Searches that take notice of how old they may be, and are made an hour later each."""

    asked: list[tuple[bool, float]] = attrs.field(factory=list)
    began: float = 1e6

    async def find(
        self, draft: Draft, *, since: float, shows: Callable[..., bool], must: bool
    ) -> tuple[float, Sightings]:
        self.asked.append((must, since))
        self.began += 3600
        return self.began, Sightings()


def test_a_second_search_is_not_older_than_what_vouches_for_it() -> None:
    """A list may show nothing new for both searches, and again when the known one is looked for."""
    searches, draft, known = Searched(), Draft(number="A-1"), Draft(number="K-1")

    async def look() -> None:
        async with AsyncClient("exante", transport="sandbox") as client:
            looker: Any = Looker(
                context=client_context(client),
                ledger=None,  # type: ignore[arg-type] - it is not asked
                nonce="",
                resends=True,
                sole_writer=False,
                gathering_s=0.0,
            )
            object.__setattr__(looker, "searches", searches)
            find = looker._finder(draft, "inv_1", 5.0)
            for wanted in (draft, known, draft):
                await find(wanted)

    anyio.run(look)
    first, control = 1e6 + 3600, 1e6 + 7200

    assert [(False, 5.0), (True, first), (False, control)] == searches.asked
