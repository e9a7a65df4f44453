"""Searches for drafts at the provider, shared by the looks that may share them.

One search shows all invoices of the list that would show a draft, and the drafts of a job often
belong to one list. A look may use a search that another one made, if that began when the look was
due: no late request could arrive any more.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import attrs

from billingual._context import ClientContext
from billingual._pipeline import Operation, dialect_for, execute
from billingual.abc import FindsDrafts, Sightings, Slots
from billingual.capabilities import Feature

if TYPE_CHECKING:
    from billingual.model import Draft, InvoiceSummary

__all__ = ["Searches"]

_PATIENCE_S = 3600.0


@attrs.define(eq=False)
class Searches:
    """The searches of one run.

    Attributes:
        context: the client's.
    """

    context: ClientContext
    _turn: Slots = attrs.field(init=False)
    _made: dict[str, tuple[float, Sightings]] = attrs.field(factory=dict, init=False)

    @_turn.default
    def _one(self) -> Slots:
        # Looks that come at once would otherwise all make the same search.
        return self.context.backend.slots(1)

    async def find(
        self, draft: Draft, *, since: float, shows: Callable[[InvoiceSummary], bool], must: bool
    ) -> tuple[float, Sightings]:
        """Return what a search for *draft* shows that began at *since* or later, and when it began.

        Args:
            draft: what to look for.
            since: by the backend's monotonic clock.
            shows: whether a row is the one that is looked for.
            must: whether a search without that row says nothing, so that a new one is made.

        Raises:
            BillingualError: if the search fails.
        """
        dialect = dialect_for(self.context, Feature.CREATE)
        if not isinstance(dialect, FindsDrafts):
            gap = f"{self.context.provider} documents no way to read it back"
            return since, Sightings(gap=gap)
        try:
            place = next(dialect.find(draft)).url
        except StopIteration as known:
            return since, known.value
        while not await self._turn.acquire(_PATIENCE_S):
            pass
        try:
            made = self._made.get(place)
            if made is not None and made[0] >= since:
                seen = made[1]
                if any(shows(row) for row in seen.rows) or not (must or seen.gap):
                    return made
            began = self.context.backend.now()
            operation = Operation(
                feature=Feature.LIST, dialect=dialect, conversation=dialect.find(draft)
            )
            seen = await execute(self.context, operation)
            self._made[place] = began, seen
            return began, seen
        finally:
            self._turn.release()
