"""No order of the pages, and no invoice that comes, changes or goes between them, loses a row."""

from __future__ import annotations

import random
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from dlt.common.configuration.container import Container
from dlt.common.pipeline import StateInjectableContext
from dlt.extract.exceptions import ResourceExtractionError

from _support.moving_list import MovingList, Row
from billingual import Client, PaginationError
from billingual.integrations.dlt import invoices_resource

TODAY = datetime.now(UTC).date()
AGE = 200
OPEN = ("DRAFT", "SENT", "OVERDUE", "PARTIALLY_PAID")
CASES = 1_000
PARTS = 20


class Case:
    """A list that moves by chance, and the table that dlt would merge into."""

    def __init__(self, seed: int) -> None:
        self.chance = random.Random(seed)  # noqa: S311 - the same again
        self.next = 0
        self.moving = MovingList([], page_size=self.chance.randint(1, 5))
        for _ in range(self.chance.randint(0, 25)):
            self.put_in()
        self.moving.order = self.some_order()
        self.state: dict[str, Any] = {}
        self.table: dict[str, str] = {}

    def some_order(self) -> Callable[[Row], Any]:
        """Draw what the provider sorts by."""
        salt = self.chance.random()
        return self.chance.choice([
            lambda row: row.number,
            lambda row: -row.number,
            lambda row: str(row.issued),
            lambda row: hash((salt, row.number)),
        ])  # fmt: skip

    def put_in(self) -> None:
        """Put an invoice in: a new one, or an old one that is open or was paid just now."""
        day = TODAY - timedelta(days=self.chance.randint(0, AGE - 1))
        is_recent = day >= TODAY - timedelta(days=60)
        # Beyond all numbers, below them, or in between: it moves those behind it to other pages.
        number = self.next + self.chance.choice([0, 10_000, 500_000 - 2 * self.next])
        self.next += 1
        row = self.chance.choice([
            Row(number, self.chance.choice(OPEN), issued=day),
            Row(number, "PAID", issued=day, paid=TODAY),
            Row(number, "DRAFT"),
            Row(number, "VOID" if is_recent else "SENT", issued=day),
        ])  # fmt: skip
        self.moving.rows[number] = row

    def change(self) -> None:
        """Settle an open invoice, or delete it.

        One that was voided, or settled without a date of issue, before any run saw it is in no
        window that is read: only a full read finds it, and this does not try that.
        """
        still = [row for row in self.moving.rows.values() if row.status in OPEN]
        if not still:
            return
        row = self.chance.choice(still)
        known = ["PAID", "VOID", "gone"] if row.uid in self.table else []
        what = self.chance.choice(["SENT", *known, *(["PAID"] if row.issued else [])])
        if what == "gone":
            del self.moving.rows[row.number]
        else:
            row.status, row.paid = what, TODAY if what == "PAID" else None

    def move(self, _: int) -> None:
        """Let something happen before a request, now and then."""
        if self.chance.random() < 0.08:
            self.put_in()
        if self.chance.random() < 0.08:
            self.change()
        if self.chance.random() < 0.02:
            self.moving.order = self.some_order()

    def run(self) -> bool:
        """Run once, and merge as dlt does; tell whether the list held still enough."""
        made = invoices_resource(
            lambda: Client(**self.moving.options()),
            since=TODAY - timedelta(days=AGE), days=20, lookback_days=60, concurrency=1,
        )  # fmt: skip
        # dlt makes an empty place for what the resource keeps when it asks.
        self.state.setdefault("sources", {"dlt": {"resources": {"invoices": {}}}})
        before = str(self.state)
        try:
            with Container().injectable_context(StateInjectableContext(state=self.state)):
                tables = list(made)
        except ResourceExtractionError as error:
            assert isinstance(error.__cause__, PaginationError)  # noqa: PT017 - both ends are good
            assert before == str(self.state)
            return False
        rows = [row for table in tables for row in table.to_pylist()]
        assert len(rows) == len({row["id"] for row in rows})
        for row in rows:
            if row["_deleted_at"] is not None:
                self.table.pop(row["id"], None)
            else:
                self.table[row["id"]] = row["status"]
        return True


@pytest.mark.parametrize("part", range(PARTS))
def test_no_order_and_no_change_loses_a_row(part: int, proof: Any) -> None:
    """What a run did not change is in the table after it; a quiet run shows the truth."""
    whole = 0
    for number in range(proof.amount(CASES // 10, CASES) // PARTS):
        seed = proof.seed + part * CASES + number
        case = Case(seed)
        for _ in range(3):
            there = set(case.moving.truth().items())
            case.moving.before = case.move
            if case.run():
                whole += 1
                still = dict(there & case.moving.truth().items())
                assert set(still) <= set(case.table), f"seed {seed}"
        case.moving.before = lambda _: None
        assert case.run()

        assert case.moving.truth() == case.table, f"seed {seed}"
    assert whole
