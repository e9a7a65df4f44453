"""Bugs that lose or double a write, planted one at a time: the simulation has to find each."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import attrs
import pytest

from _support.simulation.world import Operation, Options
from billingual.abc import Sightings
from billingual.dialects.exante.dialect import ExanteDialect
from billingual.jobs import SqliteLedger, looker, runner
from billingual.jobs.looker import Searches
from billingual.jobs.schema import SQLITE
from billingual.jobs.verification import Verifier
from billingual.model import Draft
from billingual.reconcile import readback
from billingual.reconcile.reconciler import Reconciler

__all__ = ["BUGS", "Bug"]

Patch = Callable[[pytest.MonkeyPatch], None]


def _nothing(patch: pytest.MonkeyPatch) -> None:
    """Leave the code as it is: the bug is an option."""


@attrs.frozen(kw_only=True)
class Bug:
    """One planted bug.

    Attributes:
        finds: the kinds of violation that give it away.
        patch: plants it.
        options: how the job is run with it.
        operation: what has to be done for it to show; likewise *provider* and *amount*.
    """

    finds: frozenset[str]
    patch: Patch = _nothing
    options: Options = attrs.field(factory=Options)
    operation: Operation = "create"
    provider: str = "exante"
    amount: int = 150


class _ResumesToPlanned(SqliteLedger):
    """Takes what was in flight when the process died for not sent."""

    def recover(self, *, now: float, late_arrival_s: float) -> int:
        with self._step() as connection:
            connection.execute(
                "UPDATE entry SET state = 'planned', held = 0 WHERE state = 'in_flight'"
            )
        return super().recover(now=now, late_arrival_s=late_arrival_s)


class _WritesAfterSending(SqliteLedger):
    """Puts a request onto the disk only when it has ended: a kill takes back that it was sent."""

    def __init__(self, path: Path, *, shared: bool = False) -> None:
        super().__init__(path, shared=shared)
        self._unwritten: set[int] = set()

    def claim(self, **options: Any) -> Any:
        claim = super().claim(**options)
        if claim is not None:
            self._unwritten.add(claim.request)
        return claim

    @contextmanager
    def _ending(self, claim: Any, *rest: Any) -> Iterator[sqlite3.Connection]:
        with super()._ending(claim, *rest) as connection:
            yield connection
        self._unwritten.discard(claim.request)

    def close(self) -> None:
        with self._step() as connection:
            for request in self._unwritten:
                connection.execute(
                    "UPDATE entry SET state = 'planned', held = 0"
                    " WHERE state = 'in_flight' AND request = ?",
                    (request,),
                )
        super().close()


class _ShortLeases(SqliteLedger):
    """Keeps leases that end before the requests that they cover, which nothing checks."""

    def claim(self, *, lease: float, now: float, **options: Any) -> Any:
        claim = super().claim(lease=now + 1.0, now=now, **options)
        return None if claim is None else attrs.evolve(claim, lease=lease + 1e6)


class _WithoutFences(SqliteLedger):
    """Lets a second write of an invoice begin while the end of the first is unclear."""

    def __init__(self, path: Path, *, shared: bool = False) -> None:
        super().__init__(path, shared=shared)
        _drop(self._connection, "one_unsettled_write")


class _RejectsAfterDoubt(SqliteLedger):
    """Takes the refusal of a repeated request for the end of the write."""

    def __init__(self, path: Path, *, shared: bool = False) -> None:
        super().__init__(path, shared=shared)
        _drop(self._connection, "refused_is_not_carried_out")

    def unclear(self, claim: Any, *, refusal: str | None, **options: Any) -> None:
        if refusal is None:
            super().unclear(claim, refusal=None, **options)
            return
        reasons = {each.id: refusal for each in claim.entries}
        self.reject(
            claim, now=options["now"], reasons=reasons, status=options["status"], why=refusal
        )


def _drop(connection: sqlite3.Connection, trigger: str) -> None:
    # A ledger is opened anew after each crash, when it is gone; but it must have been there.
    assert f"CREATE TRIGGER {trigger} " in SQLITE
    connection.execute(f"DROP TRIGGER IF EXISTS {trigger}")


def _open_as(made: Callable[..., Any]) -> Callable[[Path, bool], Any]:
    return lambda path, shared: made(path, shared=shared)


def _without_control(patch: pytest.MonkeyPatch) -> None:
    async def believe(self: Reconciler) -> tuple[float, None]:
        return self.context.backend.now(), None

    patch.setattr(Reconciler, "_doubt_search", believe)


def _with_old_control(patch: pytest.MonkeyPatch) -> None:
    """Let a search from any earlier time vouch for a later one."""
    find = Searches.find

    async def any_time(self: Searches, draft: Draft, **asked: Any) -> tuple[float, Sightings]:
        return await find(self, draft, **asked | ({"since": -1.0} if asked["must"] else {}))

    patch.setattr(Searches, "find", any_time)


def _default_organization(patch: pytest.MonkeyPatch) -> None:
    """Believe a list of the organization that the provider chose."""
    patch.setattr(ExanteDialect, "_gap", lambda *_: "")
    _without_control(patch)


def _without_fences(patch: pytest.MonkeyPatch) -> None:
    """Wait for what is planned before, and not for what is on its way or unclear."""
    fences = "other.state IN ('planned', 'in_flight', 'unknown', 'conflict')"
    free = SqliteLedger._FREE
    assert fences in free
    patch.setattr(SqliteLedger, "_FREE", free.replace(fences, "other.state = 'planned'"))


def _without_comparison(patch: pytest.MonkeyPatch) -> None:
    """Take every invoice that has not the new values for one that is as it was before."""
    patch.setattr(looker, "_is_as_before", lambda *_: True)


def _believing_pages(patch: pytest.MonkeyPatch) -> None:
    """Take the page of a proxy for the provider's word."""
    patch.setattr(runner, "is_page", lambda _: False)
    patch.setattr(readback, "is_page", lambda _: False)


def _without_lists(patch: pytest.MonkeyPatch) -> None:
    """Compare with the provider what the ledger knows, and not what is there beside."""

    async def nothing(self: Verifier) -> None:
        del self

    patch.setattr(Verifier, "read_list", nothing)


_LATE: Final = ("late", "lost response")
_DOUBLED: Final = frozenset({"doubled"})
_STALE: Final = frozenset({"stale"})

BUGS: Final[dict[str, Bug]] = {
    "no late arrival": Bug(finds=_DOUBLED, options=Options(late_arrival_s=0.0, faults=_LATE)),
    "late arrival within 20 s": Bug(
        finds=_DOUBLED, options=Options(late_arrival_s=20.0, faults=_LATE)
    ),
    "no control": Bug(
        finds=_DOUBLED, patch=_without_control, options=Options(faults=_LATE)
    ),
    "control older than the search": Bug(
        finds=_DOUBLED, patch=_with_old_control, amount=300,
        options=Options(faults=_LATE),
    ),
    "default organization": Bug(
        finds=_DOUBLED, patch=_default_organization,
        options=Options(organization=None, faults=_LATE),
    ),
    "state written after the send": Bug(
        finds=_DOUBLED, options=Options(open_ledger=_open_as(_WritesAfterSending), crashes=30)
    ),
    "resume to planned": Bug(
        finds=_DOUBLED, options=Options(open_ledger=_open_as(_ResumesToPlanned), crashes=30)
    ),
    "no fence": Bug(
        finds=frozenset({"reordered", "stale"}),
        patch=_without_fences,
        operation="update",
        options=Options(open_ledger=_open_as(_WithoutFences), faults=_LATE),
    ),
    "lease shorter than the deadline": Bug(
        finds=_DOUBLED,
        amount=20,
        options=Options(
            open_ledger=_open_as(_ShortLeases), shared=True, crashes=0, bad=0.1, stalls=0.1
        ),
    ),
    "no comparison before a resend": Bug(
        finds=_STALE, patch=_without_comparison, operation="update", provider="kukkingu",
        options=Options(faults=_LATE),
    ),
    "no late arrival for updates": Bug(
        finds=_STALE, operation="update", provider="kukkingu",
        options=Options(late_arrival_s=0.0, strangers=5.0, faults=_LATE),
    ),
    "a page taken for a word": Bug(
        finds=frozenset({"lost", "wrongly rejected"}),
        patch=_believing_pages,
        operation="delete",
        options=Options(faults=("404 page", "lost")),
    ),
    "no comparison with the list": Bug(
        finds=frozenset({"untold"}), patch=_without_lists, operation="beyond"
    ),
    "rejected after a doubt": Bug(
        finds=frozenset({"wrongly rejected"}),
        provider="kukkingu",
        options=Options(
            open_ledger=_open_as(_RejectsAfterDoubt), late_arrival_s=0.0, faults=_LATE
        ),
    ),
}  # fmt: skip
