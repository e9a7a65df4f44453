"""Walks by chance: a list that moves, and landings that are stopped, set back and asked otherwise.

What a landing promises is judged after each run by what the list itself showed meanwhile. Processes
share one thread and a clock that never waits, so that a seed replays each step.
"""

from __future__ import annotations

import shutil
from collections import defaultdict
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from random import Random
from typing import Any, Final

import pytest

from _support.landed import TARGETS, landed
from _support.moving_list import MovingList, Row
from _support.simulation.kernel import EPOCH, Kernel, Process, SimulatedBackend, suspend
from billingual import AsyncClient
from billingual.landing import OPEN_STATUSES, LandReport
from billingual.wire import Bounds, WireRequest, WireResponse

FINAL: Final = ("PAID", "VOID", "CANCELLED")
STATUSES: Final = (*map(str, OPEN_STATUSES), *FINAL)
RUNS: Final = 8


class Walk:
    """A list, a target, and what befalls both."""

    supports: Final = frozenset({"async"})

    def __init__(self, target: Path, seed: int) -> None:
        self.chance = Random(seed)  # noqa: S311 - the same again
        self.kernel = Kernel(str(seed))
        self.moving = MovingList([], page_size=self.chance.choice([2, 4, 100]))
        self.moving.before = lambda _: self.move()
        self.target, self.backup = target, target.with_name(f"backup-{target.name}")
        self.unrest, self.lands = 1.0, 0
        self.shown: defaultdict[str, list[str | None]] = defaultdict(lambda: [None])
        self.statuses: tuple[str, ...] = OPEN_STATUSES
        self.since = self.today - timedelta(days=self.chance.choice([30, 200, 400]))

    @property
    def today(self) -> date:
        return datetime.fromtimestamp(EPOCH + self.kernel.now, UTC).date()

    async def send(self, request: WireRequest, bounds: Bounds) -> WireResponse:
        """Respond after a while, in the order that is asked for."""
        await suspend(self.kernel.now + self.kernel.chance.expovariate(10))
        sign = -1 if "sort=-" in request.url else 1
        self.moving.order = lambda row: sign * row.number
        return await self.moving.transport.send(request, bounds)

    async def aclose(self) -> None:
        """Do nothing."""

    def move(self) -> None:
        """Make, change and delete invoices."""
        chance, rows = self.chance, self.moving.rows
        while chance.random() < self.unrest:
            row = chance.choice([*rows.values(), Row(len(self.shown), "")])
            if row.status and chance.random() < 0.1:
                del rows[row.number]
            else:
                rows[row.number] = row
                row.status = chance.choice(STATUSES)
                row.paid = self.today if row.status == "PAID" else None
                days = timedelta(days=chance.randint(-30, 400))
                row.issued = chance.choice([row.issued, None, self.today - days])
            self.shown[row.uid].append(self.moving.truth().get(row.uid))
            if self.unrest == 1.0:
                return

    def copy(self, source: Path, to: Path) -> None:
        """Put *source* in the place of *to*, as a backup is made and restored."""
        if source.is_dir():
            shutil.rmtree(to, ignore_errors=True)
            shutil.copytree(source, to)
        elif source.exists():
            shutil.copy2(source, to)

    def land(self) -> LandReport | None:
        """Land once; None if it was stopped."""
        chance = self.chance
        self.statuses = chance.choice([OPEN_STATUSES, OPEN_STATUSES, OPEN_STATUSES[:1], ()])
        self.lands += 1
        process = Process(f"run-{self.lands}", self.kernel, lambda _: None)
        client = AsyncClient(
            "exante", token="t", transport=self, retry="none", backend=SimulatedBackend(process)
        )
        landing = client.land(
            self.target,
            since=self.since - timedelta(days=chance.choice([0, 0, 0, 40, -13])),
            full=chance.random() < 0.2,
            days=chance.choice([30, 30, 90]),
            lookback_days=chance.choice([30, 90]),
            open_statuses=self.statuses,
            concurrency=chance.choice([1, 4]),
        )
        task = process.start(landing)
        if chance.random() < 0.3:
            self.kernel.at(self.kernel.now + chance.expovariate(1), process.interrupt)
        self.kernel.run(lambda: task.done)
        assert task.error is None or process.alive is False
        return task.value if task.error is None else None

    def run(self) -> None:
        """Let time pass, land once, and judge what is landed."""
        chance = self.chance
        for _ in range(chance.choice([0, 1, 5])):
            self.unrest = 1.0
            self.move()
        self.unrest = chance.choice([0.0, 0.0, 0.3])
        self.kernel.now += 86_400 * chance.choice([0, 0.5, 3, 40])
        if chance.random() < 0.2:
            self.copy(self.target, self.backup)
        elif chance.random() < 0.2:
            self.copy(self.backup, self.target)
        before = self.there()
        for statuses in self.shown.values():
            del statuses[:-1]
        report = self.land()
        after = self.there()
        for uid, statuses in self.shown.items():
            found, was = after.get(uid), before.get(uid)
            assert found in {*statuses, None, was}
            if report is None:
                continue
            whole = [each for each in report.windows if each.complete and not each.skipped]
            is_read = any(self.is_in(uid, each.name) for each in whole) and len(statuses) == 1
            was_open = was in self.statuses and any(each.kind == "open" for each in whole)
            if is_read or was_open:
                assert found in statuses, (uid, found, statuses, report)

    def there(self) -> dict[str, str]:
        """Return the status of each invoice that is landed."""
        if not self.target.exists() or not any([self.target.is_file(), *self.target.glob("*/*")]):
            return {}
        return {uid: status for uid, (status, _) in landed(self.target).items()}

    def is_in(self, uid: str, window: str) -> bool:
        """Tell whether a window holds an invoice, or would say that it is gone."""
        row = next((each for each in self.moving.rows.values() if each.uid == uid), None)
        if window == "all" or row is None:
            return window == "all"
        first, _, last = window.removeprefix("issued-").partition("-to-")
        dated = bool(last) and row.issued is not None and first <= str(row.issued) <= last
        return dated or (window == "open" and row.status in self.statuses)


@pytest.mark.slow
@pytest.mark.parametrize("name", TARGETS)
def test_each_run_shows_what_it_read(tmp_path: Path, name: str, proof: Any) -> None:
    """What a window held during all of a run is there after it, and what was open is as it is."""
    for number in range(proof.amount(2, 200)):
        place = tmp_path / str(number)
        place.mkdir()
        walk = Walk(place / name, proof.seed + number)
        for _ in range(RUNS):
            walk.run()
        shutil.rmtree(place)
