"""A ledger does in any order of steps what a model of a few dictionaries does."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import attrs
import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    consumes,
    initialize,
    invariant,
    multiple,
    rule,
    run_state_machine_as_test,
)

from billingual.errors import InvalidInputError, UsageError
from billingual.jobs.entry import State, body_hash
from billingual.jobs.ledger import (
    Claim,
    ClaimLostError,
    LedgerError,
    NewEntry,
    PlanConflictError,
    Seen,
    can_resolve,
)
from billingual.jobs.sql import SqlLedger
from billingual.jobs.sqlite import SqliteLedger

LEASE_S = 90.0
LATE_ARRIVAL_S = 120.0
LONGEST_S = 500.0
LIMITS = {"create": 1, "update": 3, "delete": 2}
BLOCKING = (State.PLANNED, State.IN_FLIGHT, State.UNKNOWN, State.CONFLICT)
UNSETTLED = (State.IN_FLIGHT, State.UNKNOWN)
ENDS = (State.COMMITTED, State.REJECTED, State.ABANDONED)

seconds = st.sampled_from([0.0, 1.0, 60.0, 119.0, 121.0, 400.0])
claims = Bundle("claims")


@attrs.define
class Known:
    """What the model knows about one entry."""

    new: NewEntry
    state: State = State.PLANNED
    attempts: int = 0
    unclear: int = 0
    request: int | None = None
    last_at: float = 0.0
    owner: str | None = None
    lease: float = 0.0
    batch: object = None
    not_before: float = 0.0
    given_up_at: float = 0.0
    late_check: float | None = None
    invoice_id: str | None = None
    refusal: str | None = None
    requests: list[int] = attrs.field(factory=list)
    decisions: int = 0


def new_entry(operation: str, name: str, body: str) -> NewEntry:
    """Make an entry of few names, so that they meet."""
    target = None if operation == "create" else f"inv_{name[0]}"
    return NewEntry(
        id=f"{operation}-{name}",
        operation=operation,
        target=target,
        number=f"N-{name}" if operation == "create" else None,
        body=body,
        body_hash=body_hash(operation, target, body),
        before="{}" if operation == "update" else None,
    )


entries = st.builds(
    new_entry,
    st.sampled_from(["create", "update", "update", "delete"]),
    st.sampled_from(["a1", "a2", "a3", "b1", "b2", "c1", "d1", "e1"]),
    st.sampled_from(["{}", "{}", "{}", "[]"]),
)


class LedgerMachine(RuleBasedStateMachine):
    """Every step of the seam, beside a model."""

    shared = False

    def __init__(self) -> None:
        super().__init__()
        # In memory, where there is such a place: this is not about the disk.
        memory = Path("/dev/shm")  # noqa: S108 - a directory of its own is made there
        self.place = tempfile.TemporaryDirectory(dir=memory if memory.is_dir() else None)
        self.path = Path(self.place.name) / "job.db"
        self.ledgers: dict[str, SqlLedger] = {}
        self.known: dict[str, Known] = {}
        self.now = 1_700_000_000.0

    def teardown(self) -> None:
        for each in self.ledgers.values():
            each.close()
        self.place.cleanup()

    @initialize()
    def first_run(self) -> None:
        for name in ("one", "two") if self.shared else ("one",):
            self.begin(name)

    def open(self) -> SqlLedger:
        """Open the ledger as a new process does."""
        return SqliteLedger(self.path, shared=self.shared)

    def begin(self, name: str) -> None:
        """Begin a run of a process: open the ledger, and take up what is left."""
        if name in self.ledgers:
            self.ledgers[name].close()
        self.ledgers[name] = self.open()
        lost = self.ledgers[name].recover(now=self.now, late_arrival_s=LATE_ARRIVAL_S)
        in_flight = 0
        for each in self.known.values():
            over = each.owner is not None and (not self.shared or each.lease < self.now)
            if each.state is State.UNKNOWN and (each.owner is None or over):
                long_ago = self.now - each.given_up_at > LATE_ARRIVAL_S + 7200
                each.not_before = self.now if long_ago else self.now + LATE_ARRIVAL_S
            if each.last_at > self.now:
                self.put_back(each)
            in_flight += self.give_up(each) if over else 0

        assert in_flight == lost
        due = self.ledgers[name].next_due(now=self.now, sends=True, looks=True)

        assert self.shared or due is None or due <= self.now + LONGEST_S

    def put_back(self, each: Known) -> None:
        """Forget the times that were made of a clock that was put back since."""
        if each.state is State.PLANNED and each.not_before > self.now:
            each.not_before = 0.0
        if each.late_check is not None:
            each.late_check = min(each.late_check, self.now + LATE_ARRIVAL_S)

    def give_up(self, each: Known) -> int:
        """Take an entry from a process that ended."""
        each.owner, each.last_at = None, self.now
        if each.state is not State.IN_FLIGHT:
            return 0
        each.state, each.unclear, each.given_up_at = State.UNKNOWN, each.unclear + 1, self.now
        each.not_before = self.now + LATE_ARRIVAL_S + (LEASE_S if self.shared else 0.0)
        return 1

    def ledger(self, pick: int) -> tuple[str, SqlLedger]:
        """Choose one of the processes."""
        name = sorted(self.ledgers)[pick % len(self.ledgers)]
        return name, self.ledgers[name]

    # The plan

    @rule(given=st.lists(entries, max_size=4), pick=st.integers(0, 1))
    def add(self, given: list[NewEntry], pick: int) -> None:
        _, ledger = self.ledger(pick)
        numbers = {each.new.number: each.new.id for each in self.known.values()}
        hashes = {name: each.new.body_hash for name, each in self.known.items()}
        expected: type[Exception] | None = None
        added: list[NewEntry] = []
        for each in given:
            if each.id in hashes:
                if hashes[each.id] != each.body_hash:
                    expected = PlanConflictError
                    break
                continue
            if each.number is not None and each.number in numbers:
                expected = InvalidInputError
                break
            added.append(each)
            hashes[each.id], numbers[each.number] = each.body_hash, each.id
        if expected is not None:
            with pytest.raises(expected):
                ledger.add(given)
            return

        assert len(added) == ledger.add(given)
        self.known |= {each.id: Known(each) for each in added}

    # Claims

    def is_free(self, name: str) -> bool:
        """Whether the earlier writes of the same invoice are settled, and no later one is sent."""
        each, waits_for = self.known[name], BLOCKING
        for other in self.known.values():
            if other is each:
                waits_for = UNSETTLED
            elif (
                other.new.target is not None
                and other.new.target == each.new.target
                and other.state in waits_for
            ):
                return False
        return True

    def next_names(self, *, full: bool) -> list[list[str]]:
        """Return what may be claimed: one of these lists."""
        due = {
            name: each
            for name, each in self.known.items()
            if each.state is State.PLANNED and each.not_before <= self.now
        }
        batches: dict[object, list[str]] = {}
        for each in due.values():
            if each.batch is not None:
                batches[each.batch] = [
                    other
                    for other, kept in self.known.items()
                    if kept.batch == each.batch and kept.state is State.PLANNED
                ]
        if batches:
            return list(batches.values())
        free = [name for name, each in due.items() if each.batch is None and self.is_free(name)]
        taken: list[str] = []
        for name in free[: max(LIMITS.values())]:
            operation = self.known[free[0]].new.operation
            if self.known[name].new.operation != operation or len(taken) == LIMITS[operation]:
                break
            taken.append(name)
        if full and taken and len(taken) < LIMITS[self.known[taken[0]].new.operation]:
            return []
        return [taken] if taken else []

    def note(self, claim: Claim) -> None:
        """Keep in the model that entries are claimed."""
        for kept in claim.entries:
            each = self.known[kept.id]

            assert (each.state, each.attempts, each.unclear) == (
                kept.state, kept.attempts, kept.unclear,
            )  # fmt: skip
            if claim.kind == "send":
                each.state, each.attempts = State.IN_FLIGHT, each.attempts + 1
            each.batch = claim.request if each.batch is None else each.batch
            each.request, each.owner = claim.request, claim.owner
            each.lease = self.now + LEASE_S if self.shared else 0.0
            each.requests.append(claim.request)
            each.last_at = self.now

    @rule(target=claims, pick=st.integers(0, 1), full=st.sampled_from(["full", ""]))
    def claim(self, pick: int, full: str) -> Any:
        name, ledger = self.ledger(pick)
        expected = self.next_names(full=bool(full))
        claim = ledger.claim(
            owner=name,
            now=self.now,
            lease=self.now + LEASE_S,
            limits=LIMITS,
            before=True,
            full=full,
        )
        if claim is None:
            assert [] == expected
            return multiple()

        assert [each.id for each in claim.entries] in expected
        self.note(claim)
        return claim

    @rule(target=claims, pick=st.integers(0, 1))
    def claim_look(self, pick: int) -> Any:
        name, ledger = self.ledger(pick)
        claim = ledger.claim_look(owner=name, now=self.now, lease=self.now + LEASE_S)

        def held(each: Known) -> bool:
            return each.owner is not None and not (self.shared and each.lease < self.now)

        unknown = {
            name
            for name, each in self.known.items()
            if each.state is State.UNKNOWN and each.not_before <= self.now and not held(each)
        }
        late = {
            name
            for name, each in self.known.items()
            if each.late_check is not None
            and each.late_check <= self.now
            and each.state is State.COMMITTED
            and not held(each)
        }
        if claim is None:
            assert set() == unknown | late
            return multiple()
        names = {each.id for each in claim.entries}
        if not unknown:
            assert len(names) == 1
            assert names <= late
        else:
            (batch,) = {self.known[each].batch for each in names}

            assert {each for each in unknown if self.known[each].batch == batch} == names
            assert claim.given_up_at == max(self.known[each].given_up_at for each in names)
        self.note(claim)
        return claim

    # Ends

    def held(self, claim: Claim) -> bool:
        """Whether a claim is still its owner's."""
        each = [self.known[entry.id] for entry in claim.entries]
        return all((e.request, e.owner) == (claim.request, claim.owner) for e in each)

    def end(self, claim: Claim, step: Callable[[SqlLedger], None]) -> list[Known]:
        """End a claim; return its entries in the model, or none where it was lost."""
        ledger = self.ledgers[claim.owner]
        if not self.held(claim):
            with pytest.raises(ClaimLostError):
                step(ledger)
            return []
        step(ledger)
        entries = [self.known[each.id] for each in claim.entries]
        for each in entries:
            each.owner, each.last_at = None, self.now
        return entries

    def sent(self, claim: Claim) -> bool:
        return claim.kind == "send"

    @rule(claim=consumes(claims), late=st.sampled_from([10.0, 500.0]))
    def commit(self, claim: Claim, late: float) -> None:
        if not self.sent(claim):
            return
        invoices = {each.id: each.target or f"made-{each.id}" for each in claim.entries}
        for each in self.end(
            claim,
            lambda ledger: ledger.commit(
                claim, now=self.now, invoices=invoices, notes={}, late_check=self.now + late
            ),
        ):
            each.state, each.invoice_id, each.refusal = State.COMMITTED, invoices[each.new.id], None
            if each.unclear and each.new.operation == "create":
                each.late_check = self.now + late

    @rule(claim=consumes(claims))
    def reject(self, claim: Claim) -> None:
        if not self.sent(claim):
            return

        def step(ledger: SqlLedger) -> None:
            ledger.reject(claim, now=self.now, reasons={}, status=400, why="no")

        if self.held(claim) and any(each.unclear for each in claim.entries):
            with pytest.raises(LedgerError, match="may have been carried out"):
                step(self.ledgers[claim.owner])
            return
        for each in self.end(claim, step):
            each.state = State.REJECTED

    @rule(claim=consumes(claims), wait_s=seconds)
    def release(self, claim: Claim, wait_s: float) -> None:
        if not self.sent(claim):
            return
        for each in self.end(
            claim,
            lambda ledger: ledger.release(
                claim, now=self.now, not_before=self.now + wait_s, why="busy"
            ),
        ):
            each.state, each.not_before = State.PLANNED, self.now + wait_s

    @rule(claim=consumes(claims))
    def split(self, claim: Claim) -> None:
        if not self.sent(claim) or len(claim.entries) == 1:
            return
        half = (len(claim.entries) + 1) // 2
        for place, each in enumerate(
            self.end(
                claim,
                lambda ledger: ledger.split(claim, now=self.now, status=400, why="one is bad"),
            )
        ):
            each.state, each.not_before = State.PLANNED, 0.0
            each.batch = (claim.request, place < half)

    @rule(claim=consumes(claims), refusal=st.sampled_from([None, None, "the number is taken"]))
    def unclear(self, claim: Claim, refusal: str | None) -> None:
        if not self.sent(claim):
            return
        for each in self.end(
            claim,
            lambda ledger: ledger.unclear(
                claim,
                now=self.now,
                not_before=self.now + LATE_ARRIVAL_S,
                status=None,
                why="no response",
                refusal=refusal,
            ),
        ):
            each.state, each.not_before = State.UNKNOWN, self.now + LATE_ARRIVAL_S
            each.refusal = refusal
            if refusal is None:
                each.unclear, each.given_up_at = each.unclear + 1, self.now

    @rule(
        claim=consumes(claims),
        shown=st.lists(st.sampled_from([*State, None]), min_size=3, max_size=3),
        late=st.sampled_from([None, 100.0]),
    )
    def found(self, claim: Claim, shown: list[State | None], late: float | None) -> None:
        if self.sent(claim):
            return
        seen = {
            each.id: Seen(state=state, invoice_id=each.target or f"made-{each.id}")
            for each, state in zip(claim.entries, shown, strict=False)
            if state is not None
        }
        late_check = None if late is None else self.now + late

        def step(ledger: SqlLedger) -> None:
            ledger.found(
                claim,
                now=self.now,
                seen=seen,
                late_check=late_check,
                not_before=self.now + 5,
                why="read",
            )

        legal = {
            State.UNKNOWN: {
                State.UNKNOWN, State.COMMITTED, State.REJECTED, State.CONFLICT, State.DOUBLED,
                State.PLANNED, State.ABANDONED,
            },
            State.COMMITTED: {State.COMMITTED, State.DOUBLED},
        }  # fmt: skip
        if self.held(claim) and any(
            seen[each.id].state not in legal[each.state]
            for each in claim.entries
            if each.id in seen
        ):
            with pytest.raises(LedgerError, match="refuses the step"):
                step(self.ledgers[claim.owner])
            return
        for each in self.end(claim, step):
            each.not_before = self.now + 5
            if each.new.id in seen:
                each.state = seen[each.new.id].state
                each.invoice_id = seen[each.new.id].invoice_id
                each.late_check = late_check if each.state is State.COMMITTED else None
                each.not_before, each.refusal = 0.0, None

    @rule(claim=consumes(claims), wait_s=seconds)
    def postpone(self, claim: Claim, wait_s: float) -> None:
        if self.sent(claim):
            return
        for each in self.end(
            claim,
            lambda ledger: ledger.postpone(
                claim, now=self.now, not_before=self.now + wait_s, why="no response"
            ),
        ):
            each.not_before = self.now + wait_s
            if each.late_check is not None:
                each.late_check = self.now + wait_s

    # Time, deaths and people

    @rule(passed_s=seconds)
    def wait(self, passed_s: float) -> None:
        self.now += passed_s

    @rule(pick=st.integers(0, 1), jump_s=st.sampled_from([0.0, 0.0, 3600.0, -3600.0]))
    def die_and_begin_again(self, pick: int, jump_s: float) -> None:
        name, _ = self.ledger(pick)
        # Two processes that run at once have one clock, as long as the machine runs.
        self.now += 0.0 if self.shared else jump_s
        self.begin(name)

    @rule(pick=st.integers(0, 1))
    def end_leases(self, pick: int) -> None:
        _, ledger = self.ledger(pick)
        over = [
            each
            for each in self.known.values()
            if self.shared and each.owner is not None and each.lease < self.now
        ]

        assert sum(map(self.give_up, over)) == ledger.end_leases(
            now=self.now, late_arrival_s=LATE_ARRIVAL_S
        )

    @rule(data=st.data(), state=st.sampled_from(State), pick=st.integers(0, 1))
    def resolve(self, data: st.DataObject, state: State, pick: int) -> None:
        _, ledger = self.ledger(pick)
        if not self.known:
            return
        each = self.known[data.draw(st.sampled_from(sorted(self.known)))]
        invoice = each.new.target or "inv_seen"

        def step() -> None:
            ledger.resolve(each.new.id, state, now=self.now, by="anna", note="", invoice_id=invoice)

        purged = self.ledgers["one"].entry(each.new.id)
        gone = purged is not None and purged.body is None
        if not can_resolve(each.state, state) or (gone and state is State.PLANNED):
            with pytest.raises(UsageError):
                step()
            return
        step()
        each.state, each.owner, each.batch, each.late_check = state, None, None, None
        each.not_before, each.refusal, each.invoice_id = 0.0, None, invoice
        each.decisions += 1

    @rule(pick=st.integers(0, 1))
    def purge(self, pick: int) -> None:
        _, ledger = self.ledger(pick)
        ledger.purge(before=9e15)
        for kept in ledger.entries((), 0, 1000):
            each = self.known[kept.id]
            gone = each.state in ENDS and each.late_check is None and each.owner is None

            assert gone == (kept.body is None), kept

    # What always holds

    @invariant()
    def the_model_is_right(self) -> None:
        for ledger in self.ledgers.values():
            kept = ledger.entries((), 0, 1000)

            assert [
                (name, e.state, e.attempts, e.unclear, e.not_before, e.refusal, e.new.body_hash)
                for name, e in self.known.items()
            ] == [
                (e.id, e.state, e.attempts, e.unclear, e.not_before, e.refusal, e.body_hash)
                for e in kept
            ]
            assert {
                name: e.invoice_id for name, e in self.known.items() if e.state is State.COMMITTED
            } == {e.id: e.invoice_id for e in kept if e.state is State.COMMITTED}
            states = [each.state for each in self.known.values()]

            assert {each: states.count(each) for each in states} == ledger.counts()
            assert ledger.is_working() == any(e.owner for e in self.known.values())
            for name, each in self.known.items():
                assert each.requests == [request.id for request in ledger.requests(name)]
                assert each.decisions == len(ledger.decisions(name))

    @invariant()
    def one_invoice_has_one_unsettled_write(self) -> None:
        unsettled = [
            each.new.target
            for each in self.known.values()
            if each.new.target and each.state in {State.IN_FLIGHT, State.UNKNOWN}
        ]

        assert len(unsettled) == len(set(unsettled))


class SharedMachine(LedgerMachine):
    """Two processes on one file."""

    shared = True


@pytest.mark.slow
@pytest.mark.parametrize("machine", [LedgerMachine, SharedMachine])
def test_the_ledger_does_what_the_model_does(machine: Any, proof: Any) -> None:
    """Any steps in any order, alone and with a second process."""
    run_state_machine_as_test(  # type: ignore[no-untyped-call]
        machine,
        settings=settings(
            max_examples=proof.amount(30, 5_000),
            stateful_step_count=50,
            deadline=None,
            suppress_health_check=list(HealthCheck),
        ),
    )
