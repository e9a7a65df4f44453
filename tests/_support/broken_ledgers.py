"""Ledgers that break one rule each: what a suite or a proof must catch."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import attrs

from billingual.jobs.entry import State
from billingual.jobs.ledger import Claim
from billingual.jobs.sqlite import SqliteLedger

__all__ = ["BROKEN", "BROKEN_BY_NAME", "LooksAtOnce", "PlansAgain"]


class PlansAgain(SqliteLedger):
    """What was in flight is planned again: the mistake that doubles invoices."""

    def _end_claims(self, connection: Any, over: str, now: float, late_arrival_s: float) -> int:
        ended: int = super()._end_claims(connection, over, now, late_arrival_s)
        connection.execute("UPDATE entry SET state = 'planned' WHERE state = 'unknown'")
        return ended


class LooksAtOnce(SqliteLedger):
    """A look does not wait for late requests."""

    def unclear(self, claim: Claim, **how: Any) -> None:
        super().unclear(claim, **{**how, "not_before": how["now"]})

    def recover(self, *, now: float, late_arrival_s: float) -> int:
        return super().recover(now=now, late_arrival_s=0.0)


class SendsAlone(SqliteLedger):
    """Each claim takes one entry, so that halves do not stay together."""

    def claim(self, **how: Any) -> Claim | None:
        return super().claim(**{**how, "limits": dict.fromkeys(how["limits"], 1)})


class TrustsTheClock(SqliteLedger):
    """What is left from an earlier run is looked at when the clock says so."""

    def recover(self, *, now: float, late_arrival_s: float) -> int:
        with self._step() as connection:
            return self._end_claims(connection, "held = 1", now, late_arrival_s)


class ForgetsLateOnes(SqliteLedger):
    """A create that had a doubt is not looked at later."""

    def commit(self, claim: Claim, **how: Any) -> None:
        super().commit(claim, **how)
        with self._step() as connection:
            connection.execute("UPDATE entry SET late_check = NULL")


class DecidesAnything(SqliteLedger):
    """A person may undo what was carried out."""

    def resolve(self, entry_id: str, state: State, **how: Any) -> Any:
        kept = self.entry(entry_id)
        assert kept is not None
        return attrs.evolve(kept, state=state)


class KeepsHalves(SqliteLedger):
    """Steps that are taken together are kept one by one."""

    def together(self, call: Callable[[], Any]) -> Any:
        return call()


class TidiesBodies(SqliteLedger):
    """What is sent is not what was planned."""

    def claim(self, **how: Any) -> Claim | None:
        made = super().claim(**how)
        if made is None:
            return None
        tidy = [
            attrs.evolve(each, body=(each.body or "").replace(" ", "")) for each in made.entries
        ]
        return attrs.evolve(made, entries=tuple(tidy))


class SwapsInvoices(SqliteLedger):
    """The creates of a batch get one another's invoices."""

    def commit(self, claim: Claim, **how: Any) -> None:
        invoices = how["invoices"]
        swapped = dict(zip(invoices, reversed(invoices.values()), strict=True))
        super().commit(claim, **{**how, "invoices": swapped})


class LooksForCreates(SqliteLedger):
    """A run that may look for no create is given one."""

    def claim_look(self, **how: Any) -> Claim | None:
        return super().claim_look(**{**how, "creates": True})


class LosesTheStatus(SqliteLedger):
    """Nothing is kept of how an unclear request ended."""

    def unclear(self, claim: Claim, **how: Any) -> None:
        super().unclear(claim, **{**how, "status": None})


BROKEN: Final[list[type[SqliteLedger]]] = [
    PlansAgain, LooksAtOnce, SendsAlone, TrustsTheClock, ForgetsLateOnes, DecidesAnything,
    KeepsHalves, TidiesBodies, SwapsInvoices, LooksForCreates, LosesTheStatus,
]  # fmt: skip
BROKEN_BY_NAME: Final = {each.__name__: each for each in BROKEN}
