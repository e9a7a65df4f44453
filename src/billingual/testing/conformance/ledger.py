"""The conformance suite of ledgers: what every store of a job must keep, rule by rule.

In a program, or at a prompt::

    from billingual.testing import check_ledger

    report = check_ledger(lambda name: MyLedger(f"/tmp/ledgers/{name}"))
    print(report)
    report.raise_failures()

With pytest, which is not imported here, each rule is a test of its own::

    @pytest.mark.parametrize("check", LEDGER_CHECKS, ids=str)
    def test_my_ledger(check, tmp_path):
        check.run(lambda name: MyLedger(tmp_path / name))

The function that is given opens the ledger of a name. The same name opens the same ledger again:
after it was closed, and also before that, if the store lets several processes work together. A
store that does not raises :class:`~billingual.jobs.LedgerInUseError`, and the rules about leases
mean nothing for it.
"""

from __future__ import annotations

import secrets
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Final, TypeVar

import attrs

from billingual.errors import BillingualError, InvalidInputError, UsageError
from billingual.jobs.entry import Entry, State, body_hash
from billingual.jobs.ledger import (
    Claim,
    ClaimLostError,
    Ledger,
    LedgerError,
    LedgerInUseError,
    NewEntry,
    PlanConflictError,
    Seen,
    can_resolve,
)
from billingual.testing.conformance.report import (
    Check,
    NotApplicableError,
    Report,
    Result,
    checks_in,
    conclude,
    expect,
    fail,
    judge,
    named_check,
)

__all__ = ["LEDGER_CHECKS", "LedgerFactory", "check_ledger", "run_ledger_check"]

E = TypeVar("E", bound=BaseException)

LedgerFactory = Callable[[str], Ledger]
"""Opens the ledger of a name."""

# A time of no meaning, far enough from zero that an hour can be taken from it.
NOW: Final = 1_700_000_000.0
LEASE_S: Final = 90.0
LATE_ARRIVAL_S: Final = 120.0
HOUR_S: Final = 3600.0
DAY_S: Final = 24 * HOUR_S
NEVER: Final = 9e15
LIMITS: Final[Mapping[str, int]] = {"create": 1, "update": 3, "delete": 2}


def create(number: str, *, entry_id: str | None = None, body: str | None = None) -> NewEntry:
    """Make the entry of a draft."""
    text = f'{{"number":"{number}"}}' if body is None else body
    return NewEntry(
        id=entry_id or number,
        operation="create",
        target=None,
        number=number,
        body=text,
        body_hash=body_hash("create", None, text),
    )


def update(
    target: str, *, entry_id: str | None = None, before: str | None = "{}", body: str = '{"a":1}'
) -> NewEntry:
    """Make the entry of a change."""
    return NewEntry(
        id=entry_id or target,
        operation="update",
        target=target,
        number=None,
        body=body,
        body_hash=body_hash("update", target, body),
        before=before,
    )


def delete(target: str) -> NewEntry:
    """Make the entry of a deletion."""
    return NewEntry(
        id=target,
        operation="delete",
        target=target,
        number=None,
        body="{}",
        body_hash=body_hash("delete", target, "{}"),
    )


@attrs.define(eq=False)
class Bench:
    """One ledger, and the processes that have it open."""

    factory: LedgerFactory
    name: str = attrs.field(factory=lambda: secrets.token_hex(8))
    opened: list[Ledger] = attrs.field(factory=list)

    def open(self) -> Ledger:
        """Open the ledger."""
        ledger = self.factory(self.name)
        self.opened.append(ledger)
        ledger.bind("exante", ["org_1", None], now=NOW)
        return ledger

    def open_beside(self) -> Ledger:
        """Open the ledger as another process does, while it is open."""
        try:
            return self.open()
        except LedgerInUseError:
            raise NotApplicableError("one process works with it at a time") from None

    def open_again(self) -> Ledger:
        """Close the ledger, and open it as the next process does."""
        self.close()
        return self.open()

    def close(self) -> None:
        """Close all that was opened."""
        while self.opened:
            self.opened.pop().close()


def planned(bench: Bench, *entries: NewEntry) -> Ledger:
    """Open a ledger with entries."""
    ledger = bench.open()
    ledger.add(entries)
    return ledger


def claim(
    ledger: Ledger,
    *,
    owner: str = "one",
    now: float = NOW,
    limits: Mapping[str, int] = LIMITS,
    before: bool = False,
    full: bool = False,
) -> Claim | None:
    """Claim the next entries."""
    return ledger.claim(
        owner=owner, now=now, lease=now + LEASE_S, limits=limits, before=before, full=full
    )


def claimed(
    ledger: Ledger,
    *,
    now: float = NOW,
    owner: str = "one",
    limits: Mapping[str, int] = LIMITS,
) -> Claim:
    """Claim the next entries; there are some."""
    found = claim(ledger, now=now, owner=owner, limits=limits)
    if found is None:
        fail(expected="a claim", seen="None, though an entry is free")
    return found


def looked(ledger: Ledger, *, now: float, owner: str = "one") -> Claim:
    """Claim a look; there is one to make."""
    found = ledger.claim_look(owner=owner, now=now, lease=now + LEASE_S)
    if found is None:
        fail(expected="a claim to look", seen="None, though an entry is due")
    return found


def no_look(ledger: Ledger, *, now: float) -> None:
    """Check that there is no look to make."""
    found = ledger.claim_look(owner="one", now=now, lease=now + LEASE_S)
    expect(found is None, expected="nothing to look at", seen=found)


def commit(ledger: Ledger, made: Claim, *, now: float = NOW, late_check: float = 0.0) -> None:
    """End a claim with success."""
    ledger.commit(
        made,
        now=now,
        invoices={each.id: each.target or f"inv_{each.id}" for each in made.entries},
        notes={},
        late_check=late_check or now + LATE_ARRIVAL_S,
    )


def unclear(ledger: Ledger, made: Claim, *, now: float = NOW, refusal: str | None = None) -> None:
    """End a claim with a doubt."""
    ledger.unclear(
        made,
        now=now,
        not_before=now + LATE_ARRIVAL_S,
        status=503,
        why="no response",
        refusal=refusal,
    )


def reject(ledger: Ledger, made: Claim, *, now: float = NOW) -> None:
    """End a claim with a refusal."""
    ledger.reject(made, now=now, reasons={}, status=422, why="no such customer")


def found(
    ledger: Ledger,
    made: Claim,
    state: State,
    *,
    now: float,
    late_check: float | None = None,
    invoice_id: str | None = None,
) -> None:
    """End a look that showed the same of all entries."""
    ledger.found(
        made,
        now=now,
        seen={
            each.id: Seen(state=state, reason=f"seen {state}", invoice_id=invoice_id or each.target)
            for each in made.entries
        },
        late_check=late_check,
        not_before=now,
        why="read",
    )


def brought(ledger: Ledger, state: State) -> None:
    """Bring the next entry, a create, into a state."""
    if state is State.PLANNED:
        return
    made = claimed(ledger)
    if state is State.IN_FLIGHT:
        return
    if state is State.COMMITTED:
        commit(ledger, made)
    elif state is State.REJECTED:
        reject(ledger, made)
    else:
        unclear(ledger, made)
        if state in {State.CONFLICT, State.DOUBLED}:
            found(ledger, looked(ledger, now=NOW + LATE_ARRIVAL_S), state, now=NOW + LATE_ARRIVAL_S)
        elif state is State.ABANDONED:
            resolve(ledger, made.entries[0].id, state, now=NOW + LATE_ARRIVAL_S)


def resolve(
    ledger: Ledger,
    entry_id: str,
    state: State,
    *,
    now: float = NOW,
    by: str = "anna",
    invoice_id: str | None = "inv_1",
) -> Entry:
    """Decide about an entry."""
    return ledger.resolve(
        entry_id, state, now=now, by=by, note="seen in the UI", invoice_id=invoice_id
    )


def entry(ledger: Ledger, entry_id: str) -> Entry:
    """Return an entry that is there."""
    kept = ledger.entry(entry_id)
    if kept is None:
        fail(expected=f"an entry {entry_id}", seen="None")
    return kept


def listed(ledger: Ledger) -> list[Entry]:
    """Return all entries."""
    return ledger.entries((), 0, 10_000)


def states(ledger: Ledger) -> dict[str, State]:
    """Return the state of each entry."""
    return {each.id: each.state for each in listed(ledger)}


def ids(made: Claim | None) -> list[str]:
    """Return the ids of a claim's entries."""
    return [] if made is None else [each.id for each in made.entries]


def same(expected: object, seen: object) -> None:
    """Check that two are equal."""
    expect(expected == seen, expected=repr(expected), seen=seen)


@contextmanager
def refused(kind: type[E], what: str) -> Iterator[list[E]]:
    """Check that the block raises such an error; the list holds it afterwards."""
    caught: list[E] = []
    try:
        yield caught
    except kind as error:
        caught.append(error)
    except BillingualError as error:
        fail(expected=f"{kind.__name__} for {what}", seen=error)
    else:
        fail(expected=f"{kind.__name__} for {what}", seen="no error")


def ledger_check(function: Callable[[Bench], None]) -> Check:
    """Make a check of a function that takes a bench."""

    def run(factory: LedgerFactory) -> None:
        bench = Bench(factory)
        try:
            function(bench)
        finally:
            bench.close()

    run.__name__ = function.__name__
    return named_check(run, function.__doc__)


# The plan


@ledger_check
def what_is_added_is_planned(bench: Bench) -> None:
    """Entries are kept as they were given, in their order, and none was sent."""
    given = [create("A-1"), update("inv_7", before='{"a":0}'), delete("inv_8")]
    ledger = bench.open()
    same(3, ledger.add(given))
    kept = listed(ledger)
    same([each.id for each in given], [each.id for each in kept])
    for one, two in zip(given, kept, strict=True):
        same(
            (one.operation, one.target, one.number, one.body, one.body_hash, one.before),
            (two.operation, two.target, two.number, two.body, two.body_hash, two.before),
        )
        same((State.PLANNED, 0, 0, None), (two.state, two.attempts, two.unclear, two.invoice_id))
    same([1, 2, 3], [each.seq for each in kept])
    same(kept[1], ledger.entry("inv_7"))
    same(None, ledger.entry("inv_9"))


@ledger_check
def adding_again_adds_nothing(bench: Bench) -> None:
    """To plan the same again, also after the process ended, adds nothing and changes nothing."""
    given = [create("A-1"), update("inv_7"), update("inv_7", entry_id="inv_7#2")]
    ledger = planned(bench, *given)
    commit(ledger, claimed(ledger))
    ledger = bench.open_again()
    before = listed(ledger)
    same(1, ledger.add([*given, create("A-2")]))
    same(before, listed(ledger)[:3])


@ledger_check
def another_body_under_an_id_is_refused(bench: Bench) -> None:
    """Another write under a known id is an error that shows both; nothing of the list is added."""
    ledger = planned(bench, update("inv_7", body='{"a":1}'))
    with refused(PlanConflictError, "another body") as caught:
        ledger.add([create("A-1"), update("inv_7", body='{"a":2}')])
    same(
        ("inv_7", '{"a":1}', '{"a":2}'),
        (caught[0].entry_id, caught[0].in_ledger, caught[0].planned_now),
    )
    expect(
        '{"a":1}' in str(caught[0]) and '{"a":2}' in str(caught[0]),
        expected="a text with both bodies",
        seen=caught[0],
    )
    same(["inv_7"], list(states(ledger)))
    with refused(PlanConflictError, "another invoice with an equal body"):
        ledger.add([update("inv_8", entry_id="inv_7", body='{"a":1}')])


@ledger_check
def a_number_belongs_to_one_entry(bench: Bench) -> None:
    """Two entries with one number would be one invoice twice: nothing of the list is added."""
    ledger = planned(bench, create("A-1"))
    with refused(InvalidInputError, "a number that is taken") as caught:
        ledger.add([create("A-2"), create("A-1", entry_id="another")])
    same("number", caught[0].field)
    same(["A-1"], list(states(ledger)))


@ledger_check
def many_entries_are_added(bench: Bench) -> None:
    """Thousands of entries are added from an iterator, all or none, and listed in their order."""
    ledger = bench.open()
    with refused(InvalidInputError, "a number that is taken, after thousands of entries"):
        ledger.add(create(f"A-{each % 2_499}", entry_id=f"{each}") for each in range(2_500))
    same({}, {state: count for state, count in ledger.counts().items() if count})
    same(2_500, ledger.add(create(f"A-{each}") for each in range(2_500)))
    same([f"A-{each}" for each in range(2_500)], [each.id for each in listed(ledger)])
    same({State.PLANNED: 2_500}, ledger.counts())


@ledger_check
def a_number_is_found_by_its_entry(bench: Bench) -> None:
    """The number of an entry is kept, so that a number chosen in an earlier run is used again."""
    ledger = planned(bench, create("A-1", entry_id="first"), update("inv_7"))
    same("A-1", ledger.number_of("first"))
    same(None, ledger.number_of("inv_7"))
    same(None, ledger.number_of("A-1"))


@ledger_check
def a_ledger_belongs_to_one_account(bench: Bench) -> None:
    """Another account or provider is refused; the text for idempotency keys stays the same."""
    ledger = bench.open()
    nonce = ledger.bind("exante", ["org_1", None], now=NOW)
    expect(len(nonce) >= 8, expected="a random text", seen=nonce)
    ledger = bench.open_again()
    same(nonce, ledger.bind("exante", ("org_1", None), now=NOW + DAY_S))
    for provider, account in (
        ("exante", ["org_2", None]),
        ("exante", ["org_1", "x"]),
        ("katsu", ["org_1", None]),
    ):
        with refused(UsageError, f"{provider} {account}"):
            ledger.bind(provider, account, now=NOW)
    other = Bench(bench.factory)
    try:
        another = other.open().bind("exante", ["org_1", None], now=NOW)
    finally:
        other.close()
    expect(another != nonce, expected="a text of its own for each ledger", seen=another)


@ledger_check
def options_are_kept_by_name(bench: Bench) -> None:
    """Those that are given take the place of those of the same names, and the others stay."""
    ledger = bench.open()
    same({}, ledger.keep_options({"policy": "manual", "late_arrival_s": 0.1}))
    ledger = bench.open_again()
    same(
        {"policy": "manual", "late_arrival_s": 0.1}, ledger.keep_options({"late_arrival_s": 120.0})
    )
    same({"policy": "manual", "late_arrival_s": 120.0}, ledger.keep_options({}))


# Claims


@ledger_check
def a_claim_marks_entries_in_flight(bench: Bench) -> None:
    """A claim shows entries as they were, and they are durably in flight before it is returned."""
    body = '{ "number": "A-1" }'
    ledger = planned(bench, create("A-1", body=body), create("A-2"))
    made = claimed(ledger, owner="me")
    same(("send", "me", NOW + LEASE_S), (made.kind, made.owner, made.lease))
    same(
        [("A-1", State.PLANNED, 0, body)],
        [(e.id, e.state, e.attempts, e.body) for e in made.entries],
    )
    expect(ledger.is_working(), expected="a run at work", seen=ledger.is_working())
    ledger = bench.open_again()
    kept = entry(ledger, "A-1")
    same((State.IN_FLIGHT, 1, 0, body), (kept.state, kept.attempts, kept.unclear, kept.body))
    same({State.IN_FLIGHT: 1, State.PLANNED: 1}, ledger.counts())
    (request,) = ledger.requests("A-1")
    same(
        (made.request, "send", "me", NOW, None, None),
        (request.id, request.kind, request.owner, request.started, request.ended, request.outcome),
    )
    same([], ledger.requests("A-2"))


@ledger_check
def a_claim_takes_one_operation(bench: Bench) -> None:
    """Entries of one request are of one operation, in the order of the plan, up to its limit."""
    ledger = planned(
        bench,
        update("inv_1"),
        update("inv_2"),
        create("A-1"),
        create("A-2"),
        *(delete(f"inv_{each}") for each in range(3, 6)),
        *(update(f"inv_{each}") for each in range(6, 10)),
    )
    seen = [ids(claim(ledger)) for _ in range(8)]
    same(
        [
            ["inv_1", "inv_2"],
            ["A-1"],
            ["A-2"],
            ["inv_3", "inv_4"],
            ["inv_5"],
            ["inv_6", "inv_7", "inv_8"],
            ["inv_9"],
            [],
        ],
        seen,
    )


@ledger_check
def a_full_claim_takes_all_or_nothing(bench: Bench) -> None:
    """Who asks for a full claim gets as many entries as the limit allows, or none."""
    ledger = planned(bench, *(update(f"inv_{each}") for each in range(5)))
    same(["inv_0", "inv_1", "inv_2"], ids(claim(ledger, full=True)))
    same([], ids(claim(ledger, full=True)))
    same(["inv_3", "inv_4"], ids(claim(ledger)))


@ledger_check
def an_update_waits_for_what_was_before(bench: Bench) -> None:
    """Where it is asked for, an update is claimed only when the state from before it is kept."""
    ledger = planned(
        bench,
        update("inv_1", before=None),
        update("inv_2", before=None),
        update("inv_1", entry_id="again", before=None),
        delete("inv_3"),
    )
    first = ledger.without_before(passing_over=(), most=1)
    same(["inv_1"], [each.id for each in first])
    second = ledger.without_before(passing_over={each.seq for each in first}, most=9)
    same(["inv_2"], [each.id for each in second])
    rest = ledger.without_before(passing_over={1, 2}, most=9)
    expect(not rest, expected="the second write of one invoice waits", seen=rest)
    same(["inv_3"], ids(claim(ledger, before=True)))
    ledger.keep_before({"inv_2": '{"a":0}'})
    ledger.keep_before({"inv_2": '{"a":9}'})
    same('{"a":0}', entry(ledger, "inv_2").before)
    same(["inv_2"], ids(claim(ledger, before=True)))
    same(["inv_1"], ids(claim(ledger)))


@ledger_check
def what_is_put_off_waits_for_the_next_run(bench: Bench) -> None:
    """Entries that are put off are neither claimed nor read before the next run begins."""
    ledger = planned(bench, update("inv_1"))
    made = claimed(ledger)
    ledger.add([update("inv_2", before=None)])
    ledger.put_off({"inv_1": "it was under way", "inv_2": "it could not be read"})
    same("it could not be read", entry(ledger, "inv_2").reason)
    commit(ledger, made)
    same([], ids(claim(ledger, now=NOW + 9999 * DAY_S)))
    rest = ledger.without_before(passing_over=(), most=9)
    expect(not rest, expected="it is not read", seen=rest)
    due = ledger.next_due(now=NOW, sends=True, looks=True)
    expect(due is None or due >= NEVER, expected="nothing is due", seen=due)
    ledger.recover(now=NOW, late_arrival_s=LATE_ARRIVAL_S)
    same(["inv_2"], [each.id for each in ledger.without_before(passing_over=(), most=9)])
    same(["inv_2"], ids(claim(ledger)))


@ledger_check
def writes_of_one_invoice_keep_their_order(bench: Bench) -> None:
    """A later write of an invoice waits while an earlier one is not settled."""
    writes = (update("inv_1"), update("inv_1", entry_id="later"), update("inv_2"))
    ledger = planned(bench, *writes)
    made = claimed(ledger)
    same(["inv_1", "inv_2"], ids(made))
    same([], ids(claim(ledger)))
    unclear(ledger, made)
    same([], ids(claim(ledger, now=NOW + DAY_S)))
    look = looked(ledger, now=NOW + LATE_ARRIVAL_S)
    same([], ids(claim(ledger, now=NOW + DAY_S)))
    found(ledger, look, State.CONFLICT, now=NOW + LATE_ARRIVAL_S)
    same([], ids(claim(ledger, now=NOW + DAY_S)))
    resolve(ledger, "inv_1", State.PLANNED, invoice_id=None)
    made = claimed(ledger)
    same(["inv_1"], ids(made))
    ledger.release(made, now=NOW, not_before=NOW + 5, why="busy")
    expect(claim(ledger) is None, expected="the later one waits", seen="a claim")
    commit(ledger, claimed(ledger, now=NOW + 5), now=NOW + 5)
    same(["later"], ids(claimed(ledger, now=NOW + 5)))


@ledger_check
def a_settled_write_lets_the_next_pass(bench: Bench) -> None:
    """A refused or abandoned write holds nothing up; planned anew, it waits for what is sent."""
    ledger = planned(bench, *(update("inv_1", entry_id=name) for name in ("one", "two", "three")))
    reject(ledger, claimed(ledger))
    resolve(ledger, "two", State.ABANDONED)
    made = claimed(ledger)
    same(["three"], ids(made))
    resolve(ledger, "one", State.PLANNED, invoice_id=None)
    expect(claim(ledger) is None, expected="the refused one waits", seen="a claim")
    commit(ledger, made)
    same(["one"], ids(claimed(ledger)))


@ledger_check
def threads_claim_nothing_twice(bench: Bench) -> None:
    """Many threads share one ledger, and each entry is claimed once."""
    ledger = planned(bench, *(create(f"A-{each}") for each in range(120)))
    taken: list[str] = []

    def work(owner: str) -> None:
        while (made := claim(ledger, owner=owner)) is not None:
            commit(ledger, made)
            taken.extend(ids(made))

    threads = [threading.Thread(target=work, args=(f"thread {each}",)) for each in range(6)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    same(120, len(taken))
    same({f"A-{each}" for each in range(120)}, set(taken))
    same({State.COMMITTED: 120}, ledger.counts())


# How a request ends


@ledger_check
def a_success_is_kept(bench: Bench) -> None:
    """The whole batch is committed with its invoices, durably, and nothing is left to do."""
    ledger = planned(bench, create("A-1"), update("inv_1"), update("inv_2"))
    made = claimed(ledger)
    ledger.commit(
        made, now=NOW + 1, invoices={"A-1": "inv_9"}, notes={"A-1": "odd: a date"}, late_check=0
    )
    commit(ledger, claimed(ledger))
    ledger = bench.open_again()
    same({State.COMMITTED: 3}, ledger.counts())
    same(["inv_9", "inv_1", "inv_2"], [each.invoice_id for each in listed(ledger)])
    same(["odd: a date", None, None], [each.reason for each in listed(ledger)])
    same(0, ledger.adopted())
    same(None, ledger.next_due(now=NOW, sends=True, looks=True))
    expect(not ledger.is_working(), expected="no run at work", seen=True)
    (request,) = ledger.requests("A-1")
    same((NOW + 1, "committed"), (request.ended, request.outcome))
    ledger.add([create("B-1"), create("B-2")])
    made = claimed(ledger, limits={"create": 2})
    same(["B-1", "B-2"], ids(made))
    commit(ledger, made)
    same("inv_B-2", entry(ledger, "B-2").invoice_id)


@ledger_check
def a_refusal_is_kept(bench: Bench) -> None:
    """The whole batch is rejected, each entry with its reason, and it is not sent again."""
    ledger = planned(bench, update("inv_1"), update("inv_2"))
    ledger.reject(
        claimed(ledger), now=NOW, reasons={"inv_2": "it is paid"}, status=422, why="refused"
    )
    same({State.REJECTED: 2}, ledger.counts())
    same(["refused", "it is paid"], [each.reason for each in listed(ledger)])
    same([], ids(claim(ledger, now=NOW + DAY_S)))
    no_look(ledger, now=NOW + DAY_S)
    same([422], [each.status for each in ledger.requests("inv_1")])


@ledger_check
def what_did_nothing_is_planned_again(bench: Bench) -> None:
    """A request that provably did nothing puts its whole batch back, to be sent at its time."""
    ledger = planned(bench, update("inv_1"), update("inv_2"), update("inv_3"), update("inv_4"))
    ledger.release(claimed(ledger), now=NOW, not_before=NOW + 30, why="busy")
    same(["inv_4"], ids(claimed(ledger)))
    same([], ids(claim(ledger, now=NOW + 29)))
    same(NOW + 30, ledger.next_due(now=NOW, sends=True, looks=True))
    ledger = bench.open_again()
    made = claimed(ledger, now=NOW + 30)
    same(["inv_1", "inv_2", "inv_3"], ids(made))
    same([(1, 0)] * 3, [(each.attempts, each.unclear) for each in made.entries])
    same(["not_applied", None], [each.outcome for each in ledger.requests("inv_1")])


@ledger_check
def a_refused_batch_is_halved_for_good(bench: Bench) -> None:
    """The halves of a refused batch are batches of their own, also in the next process."""
    ledger = planned(bench, *(update(f"inv_{each}") for each in range(5)))
    limits = dict(LIMITS, update=5)
    made = claim(ledger, limits=limits)
    same(5, len(ids(made)))
    assert made is not None  # noqa: S101 - it has five entries
    ledger.split(made, now=NOW, status=422, why="one is bad")
    ledger = bench.open_again()
    one, two = claim(ledger, limits=limits), claim(ledger, limits=limits)
    assert one is not None and two is not None  # noqa: S101, PT018 - there are two halves
    same(
        [["inv_0", "inv_1", "inv_2"], ["inv_3", "inv_4"]],
        sorted((ids(one), ids(two)), key=len, reverse=True),
    )
    bigger, smaller = (one, two) if len(one.entries) == 3 else (two, one)
    commit(ledger, smaller)
    ledger.split(bigger, now=NOW, status=422, why="one is bad")
    ledger.add([update("inv_9")])
    again = sorted((ids(claim(ledger, limits=limits)) for _ in range(3)), key=str)
    same([["inv_0", "inv_1"], ["inv_2"], ["inv_9"]], again)
    same([], ids(claim(ledger, limits=limits)))


@ledger_check
def a_refusal_after_a_doubt_is_no_refusal(bench: Bench) -> None:
    """An entry that an earlier request may have carried out cannot be rejected by a later one."""
    ledger = planned(bench, create("A-1"))
    unclear(ledger, claimed(ledger))
    found(ledger, looked(ledger, now=NOW + LATE_ARRIVAL_S), State.PLANNED, now=NOW + LATE_ARRIVAL_S)
    made = claimed(ledger, now=NOW + LATE_ARRIVAL_S)
    with refused(LedgerError, "a rejection after a doubt"):
        reject(ledger, made, now=NOW + LATE_ARRIVAL_S)
    same({"A-1": State.IN_FLIGHT}, states(ledger))
    given_up_at = NOW + 500
    unclear(ledger, made, now=given_up_at, refusal="the number is taken")
    kept = entry(ledger, "A-1")
    same((State.UNKNOWN, 1, "the number is taken"), (kept.state, kept.unclear, kept.refusal))
    look = looked(ledger, now=given_up_at + LATE_ARRIVAL_S)
    same(NOW, look.given_up_at)
    same("the number is taken", look.entries[0].refusal)
    found(ledger, look, State.REJECTED, now=given_up_at + LATE_ARRIVAL_S)
    kept = entry(ledger, "A-1")
    same((State.REJECTED, None), (kept.state, kept.refusal))
    same(
        ["unknown", "planned", "refused", "rejected"],
        [each.outcome for each in ledger.requests("A-1")],
    )


@ledger_check
def an_ended_claim_ends_once(bench: Bench) -> None:
    """The end of a claim that ended already is refused, and changes nothing."""
    ledger = planned(bench, update("inv_1"), update("inv_2"))
    made = claimed(ledger)
    unclear(ledger, made)
    look = looked(ledger, now=NOW + LATE_ARRIVAL_S)
    found(ledger, look, State.COMMITTED, now=NOW + LATE_ARRIVAL_S)
    before = listed(ledger)
    requests = ledger.requests("inv_1")
    for each in _endings(ledger, made) + _endings(ledger, look):
        with refused(ClaimLostError, "the second end of a claim"):
            each()
    same(before, listed(ledger))
    same(requests, ledger.requests("inv_1"))


def _endings(ledger: Ledger, made: Claim) -> list[Callable[[], None]]:
    """Return every step that ends a claim."""
    return [
        lambda: commit(ledger, made),
        lambda: reject(ledger, made),
        lambda: ledger.release(made, now=NOW, not_before=0, why=""),
        lambda: ledger.split(made, now=NOW, status=None, why=""),
        lambda: unclear(ledger, made),
        lambda: found(ledger, made, State.COMMITTED, now=NOW),
        lambda: ledger.postpone(made, now=NOW, not_before=NOW, why=""),
    ]


# Looks


@ledger_check
def a_doubt_is_looked_into_in_time(bench: Bench) -> None:
    """The batch of an unclear request is looked at together, once, and not before its time."""
    ledger = planned(bench, update("inv_1"), update("inv_2"))
    unclear(ledger, claimed(ledger), now=NOW + 1)
    same({State.UNKNOWN: 2}, ledger.counts())
    no_look(ledger, now=NOW + LATE_ARRIVAL_S)
    same(NOW + 1 + LATE_ARRIVAL_S, ledger.next_due(now=NOW, sends=False, looks=True))
    ledger = bench.open_again()
    look = looked(ledger, now=NOW + 1 + LATE_ARRIVAL_S)
    same(("look", ["inv_1", "inv_2"], NOW + 1), (look.kind, ids(look), look.given_up_at))
    same([(State.UNKNOWN, 1, 1)] * 2, [(e.state, e.attempts, e.unclear) for e in look.entries])
    no_look(ledger, now=NOW + 1 + LATE_ARRIVAL_S)
    same([], ids(claim(ledger, now=NOW + DAY_S)))
    sent, _ = ledger.requests("inv_2")
    same(("send", 503, "no response"), (sent.kind, sent.status, sent.why))


@ledger_check
def a_look_may_leave_creates_out(bench: Bench) -> None:
    """A run that may look for no create takes what else is to be looked at, and only that."""
    ledger = planned(bench, create("A-1"), update("inv_1"))
    unclear(ledger, claimed(ledger))
    unclear(ledger, claimed(ledger))
    at = NOW + LATE_ARRIVAL_S
    for expected in (["inv_1"], []):
        look = ledger.claim_look(owner="one", now=at, lease=at + LEASE_S, creates=False)
        same(expected, ids(look))
    same(["A-1"], ids(looked(ledger, now=at)))


@ledger_check
def a_look_tells_of_each_entry(bench: Bench) -> None:
    """A look settles the entries that it shows, and the others are looked at once more."""
    ledger = planned(bench, *(update(f"inv_{each}") for each in range(3)))
    unclear(ledger, claimed(ledger))
    at = NOW + LATE_ARRIVAL_S
    look = looked(ledger, now=at)
    ledger.found(
        look,
        now=at,
        seen={
            "inv_0": Seen(state=State.COMMITTED, invoice_id="inv_0"),
            "inv_1": Seen(state=State.CONFLICT, reason="a third value"),
        },
        late_check=None,
        not_before=at + 7,
        why="read",
    )
    same([State.COMMITTED, State.CONFLICT, State.UNKNOWN], list(states(ledger).values()))
    same("a third value", entry(ledger, "inv_1").reason)
    same(1, ledger.adopted())
    no_look(ledger, now=at + 6)
    look = looked(ledger, now=at + 7)
    same(["inv_2"], ids(look))
    found(ledger, look, State.PLANNED, now=at + 7)
    same(["inv_2"], ids(claimed(ledger, now=at + 7)))


@ledger_check
def a_look_that_tells_nothing_is_repeated(bench: Bench) -> None:
    """An entry whose look told nothing stays unclear, and is looked at again at its time."""
    ledger = planned(bench, create("A-1"))
    unclear(ledger, claimed(ledger))
    at = NOW + LATE_ARRIVAL_S
    ledger.postpone(looked(ledger, now=at), now=at, not_before=at + 3, why="no response")
    kept = entry(ledger, "A-1")
    same((State.UNKNOWN, 1, "no response"), (kept.state, kept.unclear, kept.reason))
    no_look(ledger, now=at + 2)
    look = looked(ledger, now=at + 3)
    ledger.postpone(look, now=at, not_before=NEVER, why="nothing can be told")
    no_look(ledger, now=at + 365 * DAY_S)
    same(NEVER, ledger.next_due(now=at, sends=True, looks=True))


@ledger_check
def a_create_in_doubt_is_looked_at_later_too(bench: Bench) -> None:
    """A create that had a doubt is looked for once more, whether a request or a look settled it."""
    ledger = planned(bench, create("A-1"), create("A-2"), update("inv_1"))
    for _ in range(3):
        unclear(ledger, claimed(ledger))
    at = NOW + LATE_ARRIVAL_S
    by_look, resent, changed = (looked(ledger, now=at) for _ in range(3))
    found(ledger, by_look, State.COMMITTED, now=at, late_check=at + 60, invoice_id="inv_8")
    found(ledger, resent, State.PLANNED, now=at, late_check=at)
    no_look(ledger, now=at + 59)
    found(ledger, changed, State.PLANNED, now=at)
    commit(ledger, claimed(ledger, now=at), now=at, late_check=at + 50)
    commit(ledger, claimed(ledger, now=at), now=at, late_check=at + 50)
    same({State.COMMITTED: 3}, ledger.counts())
    no_look(ledger, now=at + 49)
    same(at + 50, ledger.next_due(now=at, sends=False, looks=True))
    second = looked(ledger, now=at + 50)
    same((["A-2"], State.COMMITTED), (ids(second), second.entries[0].state))
    no_look(ledger, now=at + 50)
    ledger.postpone(second, now=at + 50, not_before=at + 70, why="no response")
    first = looked(ledger, now=at + 60)
    same(["A-1"], ids(first))
    found(ledger, first, State.COMMITTED, now=at + 60)
    second = looked(ledger, now=at + 70)
    found(ledger, second, State.DOUBLED, now=at + 70)
    no_look(ledger, now=at + DAY_S)
    same({"A-1": State.COMMITTED, "A-2": State.DOUBLED, "inv_1": State.COMMITTED}, states(ledger))
    same("inv_8", entry(ledger, "A-1").invoice_id)


@ledger_check
def what_is_settled_takes_no_other_state(bench: Bench) -> None:
    """A look cannot take a committed create back; only find that it is there twice."""
    ledger = planned(bench, create("A-1"))
    unclear(ledger, claimed(ledger))
    at = NOW + LATE_ARRIVAL_S
    found(ledger, looked(ledger, now=at), State.COMMITTED, now=at, late_check=at, invoice_id="inv")
    look = looked(ledger, now=at)
    for state in (State.PLANNED, State.REJECTED, State.UNKNOWN, State.CONFLICT, State.ABANDONED):
        with refused(LedgerError, f"a step from committed to {state}"):
            found(ledger, look, state, now=at)
        same({"A-1": State.COMMITTED}, states(ledger))
    found(ledger, look, State.DOUBLED, now=at)


@ledger_check
def a_look_names_only_the_entrys_own_invoice(bench: Bench) -> None:
    """Invoices that other entries made, or that bear their numbers, are told apart."""
    ledger = planned(bench, create("A-1"), create("A-2"), create("A-3"))
    ledger.commit(claimed(ledger), now=NOW, invoices={"A-1": "inv_1"}, notes={}, late_check=0)
    shown = [
        ("inv_1", "A-1"),
        ("inv_2", "A-2"),
        ("inv_3", "A-3"),
        ("inv_4", "A-1"),
        ("inv_5", None),
    ]
    same({"inv_1", "inv_2"}, ledger.of_others("A-3", shown))
    same({"inv_2", "inv_3"}, ledger.of_others("A-1", shown))
    same(set(), ledger.of_others("A-1", []))


# After the end of a process


@ledger_check
def what_was_in_flight_is_unclear(bench: Bench) -> None:
    """What a process left in flight may have been carried out: it is unclear, never planned."""
    ledger = planned(bench, create("A-1"), update("inv_1"), update("inv_2"), create("A-2"))
    lost = claimed(ledger)
    batch = claimed(ledger)
    ledger = bench.open_again()
    at = NOW + LEASE_S + 1
    same(3, ledger.recover(now=at, late_arrival_s=LATE_ARRIVAL_S))
    same({State.UNKNOWN: 3, State.PLANNED: 1}, ledger.counts())
    expect(not ledger.is_working(), expected="no run at work", seen=True)
    same([(1, 1)] * 3, [(each.attempts, each.unclear) for each in listed(ledger)][:3])
    same(["unknown"], [each.outcome for each in ledger.requests("inv_2")])
    for each in _endings(ledger, lost) + _endings(ledger, batch):
        with refused(ClaimLostError, "the end of a claim that was given up"):
            each()
    no_look(ledger, now=at + LATE_ARRIVAL_S - 1)
    later = at + LATE_ARRIVAL_S + LEASE_S
    looks = [looked(ledger, now=later), looked(ledger, now=later)]
    same([["A-1"], ["inv_1", "inv_2"]], sorted(map(ids, looks), key=len))
    same([at, at], [each.given_up_at for each in looks])
    same(0, ledger.recover(now=NOW, late_arrival_s=LATE_ARRIVAL_S))


@ledger_check
def a_look_that_was_cut_short_is_repeated(bench: Bench) -> None:
    """An entry that a process was looking at when it ended is looked at again."""
    ledger = planned(bench, create("A-1"))
    unclear(ledger, claimed(ledger))
    looked(ledger, now=NOW + LATE_ARRIVAL_S)
    ledger = bench.open_again()
    at = NOW + LATE_ARRIVAL_S + LEASE_S + 1
    same(0, ledger.recover(now=at, late_arrival_s=LATE_ARRIVAL_S))
    same((State.UNKNOWN, 1), (entry(ledger, "A-1").state, entry(ledger, "A-1").unclear))
    no_look(ledger, now=at + LATE_ARRIVAL_S - 1)
    same(["A-1"], ids(looked(ledger, now=at + LATE_ARRIVAL_S)))


@ledger_check
def a_run_takes_up_what_an_earlier_one_gave_up(bench: Bench) -> None:
    """What an earlier run left to a person is looked at again, when no late request can arrive."""
    ledger = planned(bench, create("A-1"))
    unclear(ledger, claimed(ledger))
    at = NOW + LATE_ARRIVAL_S
    ledger.postpone(looked(ledger, now=at), now=at, not_before=NEVER, why="nothing can be told")
    ledger.recover(now=at + 1, late_arrival_s=LATE_ARRIVAL_S)
    no_look(ledger, now=at + LATE_ARRIVAL_S)
    ledger.postpone(
        looked(ledger, now=at + 1 + LATE_ARRIVAL_S),
        now=at,
        not_before=NEVER,
        why="nothing can be told",
    )
    ledger.recover(now=NOW + DAY_S, late_arrival_s=LATE_ARRIVAL_S)
    same(["A-1"], ids(looked(ledger, now=NOW + DAY_S)))


@ledger_check
def a_clock_put_forward_ends_no_wait(bench: Bench) -> None:
    """A clock that was put forward between two runs does not shorten a wait."""
    ledger = planned(bench, create("A-1"), create("A-2"))
    unclear(ledger, claimed(ledger))
    claimed(ledger)
    ledger = bench.open_again()
    at = NOW + HOUR_S
    same(1, ledger.recover(now=at, late_arrival_s=LATE_ARRIVAL_S))
    no_look(ledger, now=at + LATE_ARRIVAL_S - 1)
    later = at + LATE_ARRIVAL_S + LEASE_S
    same(["A-1", "A-2"], sorted(ids(looked(ledger, now=later)) + ids(looked(ledger, now=later))))


@ledger_check
def a_clock_put_back_holds_nothing_up(bench: Bench) -> None:
    """After a clock was put back an hour, nothing waits an hour longer."""
    ledger = planned(bench, create("A-1"), create("A-2"), create("A-3"))
    ledger.release(claimed(ledger), now=NOW, not_before=NOW + 60, why="busy")
    unclear(ledger, claimed(ledger), now=NOW - LATE_ARRIVAL_S)
    found(
        ledger,
        looked(ledger, now=NOW),
        State.COMMITTED,
        now=NOW,
        late_check=NOW + LATE_ARRIVAL_S,
        invoice_id="inv_2",
    )
    unclear(ledger, claimed(ledger))
    ledger = bench.open_again()
    at = NOW - HOUR_S
    ledger.recover(now=at, late_arrival_s=LATE_ARRIVAL_S)
    no_look(ledger, now=at + LATE_ARRIVAL_S - 1)
    looks = [looked(ledger, now=at + LATE_ARRIVAL_S), looked(ledger, now=at + LATE_ARRIVAL_S)]
    same(["A-2", "A-3"], sorted(ids(looks[0]) + ids(looks[1])))
    same(["A-1"], ids(claimed(ledger, now=at)))


@ledger_check
def a_run_keeps_its_own_claims(bench: Bench) -> None:
    """What a run has in flight is not taken from it before its lease ends."""
    ledger = planned(bench, create("A-1"), create("A-2"))
    made = claimed(ledger)
    unclear(ledger, claimed(ledger), now=NOW - LATE_ARRIVAL_S)
    look = looked(ledger, now=NOW)
    same(0, ledger.end_leases(now=NOW + LEASE_S - 1, late_arrival_s=LATE_ARRIVAL_S))
    no_look(ledger, now=NOW + LEASE_S - 1)
    same({"A-1": State.IN_FLIGHT, "A-2": State.UNKNOWN}, states(ledger))
    commit(ledger, made)
    found(ledger, look, State.COMMITTED, now=NOW, invoice_id="inv_2")
    same({State.COMMITTED: 2}, ledger.counts())


# Several processes at once


@ledger_check
def steps_taken_together_are_kept(bench: Bench) -> None:
    """Steps of one transaction see one another, and are kept; one that raises takes nothing."""
    ledger = planned(bench, update("inv_1"), update("inv_1", entry_id="next"), create("A-1"))
    first = claimed(ledger)

    def several() -> Claim:
        commit(ledger, first)
        with refused(ClaimLostError, "a claim that has ended"):
            commit(ledger, first)
        second = claimed(ledger)
        same(["next"], ids(second))
        with refused(InvalidInputError, "a number that is taken"):
            ledger.add([create("A-2"), create("A-1", entry_id="another")])
        ledger.add([create("A-3")])
        return second

    commit(ledger, ledger.together(several))
    ledger = bench.open_again()
    same(
        {
            "inv_1": State.COMMITTED,
            "next": State.COMMITTED,
            "A-1": State.PLANNED,
            "A-3": State.PLANNED,
        },
        states(ledger),
    )


@ledger_check
def a_call_that_raises_takes_no_step(bench: Bench) -> None:
    """Where the call of a transaction raises, none of its steps is taken; later ones are."""
    ledger = planned(bench, create("A-1"), create("A-2"))
    first = claimed(ledger)
    before = listed(ledger)

    def several() -> None:
        commit(ledger, first)
        claimed(ledger)
        resolve(ledger, "A-9", State.ABANDONED)

    with refused(UsageError, "a call that raises it"):
        ledger.together(several)
    same(before, listed(ledger))
    commit(ledger, first)
    same(["A-2"], ids(claimed(ledger)))


@ledger_check
def processes_claim_nothing_twice(bench: Bench) -> None:
    """Entries and looks that one process has claimed are not claimed by another."""
    one = planned(bench, create("A-1"), create("A-2"))
    two = bench.open_beside()
    first, second = claimed(one, owner="one"), claimed(two, owner="two")
    same((["A-1"], ["A-2"]), (ids(first), ids(second)))
    same(([], []), (ids(claim(one, owner="one")), ids(claim(two, owner="two"))))
    unclear(one, first)
    commit(two, second)
    at = NOW + LATE_ARRIVAL_S
    same(["A-1"], ids(looked(two, now=at, owner="two")))
    no_look(one, now=at)


@ledger_check
def a_lease_protects_what_is_in_flight(bench: Bench) -> None:
    """While its lease lasts, no other process touches a claim, also one that begins a run."""
    one = planned(bench, create("A-1"))
    made = claimed(one)
    two = bench.open_beside()
    same(0, two.recover(now=NOW + LEASE_S - 1, late_arrival_s=LATE_ARRIVAL_S))
    same(0, two.end_leases(now=NOW + LEASE_S - 1, late_arrival_s=LATE_ARRIVAL_S))
    same({State.IN_FLIGHT: 1}, two.counts())
    expect(two.is_working(), expected="a run at work", seen=False)
    commit(one, made, now=NOW + LEASE_S - 1)
    same({State.COMMITTED: 1}, two.counts())


@ledger_check
def a_claim_ends_with_its_lease(bench: Bench) -> None:
    """What a stalled process holds is unclear when its lease ends; its late report is refused."""
    one = planned(bench, create("A-1"), create("A-2"))
    stalled = claimed(one)
    unclear(one, claimed(one), now=NOW - LATE_ARRIVAL_S)
    look = looked(one, now=NOW)
    two = bench.open_beside()
    at = NOW + LEASE_S + 1
    same(1, two.end_leases(now=at, late_arrival_s=LATE_ARRIVAL_S))
    same(0, two.end_leases(now=at, late_arrival_s=LATE_ARRIVAL_S))
    same({State.UNKNOWN: 2}, two.counts())
    taken = looked(two, now=at, owner="two")
    same(["A-2"], ids(taken))
    for each in _endings(one, stalled) + _endings(one, look):
        with refused(ClaimLostError, "a report after the lease"):
            each()
    same((1, 1), (entry(two, "A-1").attempts, entry(two, "A-1").unclear))
    found(two, taken, State.PLANNED, now=at)
    same(["A-2"], ids(claimed(one, now=at)))


@ledger_check
def a_lease_that_seems_over_is_waited_for_once_more(bench: Bench) -> None:
    """Where a clock was put forward, the request of a lease that ended may still be on its way."""
    one = planned(bench, create("A-1"))
    claimed(one)
    two = bench.open_beside()
    at = NOW + HOUR_S
    same(1, two.end_leases(now=at, late_arrival_s=LATE_ARRIVAL_S))
    no_look(two, now=at + LATE_ARRIVAL_S + LEASE_S - 1)
    same(["A-1"], ids(looked(two, now=at + LATE_ARRIVAL_S + LEASE_S)))


@ledger_check
def a_look_that_is_taken_over_is_over(bench: Bench) -> None:
    """A process may look anew as soon as another one's lease is over, and that look has an end."""
    one = planned(bench, create("A-1"))
    unclear(one, claimed(one), now=NOW - LATE_ARRIVAL_S)
    stalled = looked(one, now=NOW)
    two, at = bench.open_beside(), NOW + LEASE_S + 1
    taken = looked(two, now=at, owner="two")
    kept = {each.id: (each.ended, each.outcome) for each in two.requests("A-1")}
    same((at, "unknown"), kept[stalled.request])
    same((None, None), kept[taken.request])
    for each in _endings(one, stalled):
        with refused(ClaimLostError, "a report after the lease"):
            each()


# People, and what is told to them


@ledger_check
def a_person_decides_what_is_undecided(bench: Bench) -> None:
    """Each decision that a person may take is taken, and every other one is refused."""
    for before in State:
        for after in State:
            each = Bench(bench.factory)
            try:
                _decide(each, before, after)
            finally:
                each.close()


def _decide(bench: Bench, before: State, after: State) -> None:
    ledger = planned(bench, create("A-1"))
    brought(ledger, before)
    if not can_resolve(before, after):
        with refused(UsageError, f"a decision from {before} to {after}"):
            resolve(ledger, "A-1", after)
        same(({"A-1": before}, []), (states(ledger), ledger.decisions("A-1")[1:]))
        return
    decided = resolve(ledger, "A-1", after, now=NOW + 5, invoice_id="inv_5")
    same((after, "A-1"), (decided.state, decided.id))
    same(decided, ledger.entry("A-1"))
    if after is State.COMMITTED:
        same("inv_5", decided.invoice_id)
    (kept,) = ledger.decisions("A-1")
    same(
        (NOW + 5, "anna", "seen in the UI", before, after),
        (kept.at, kept.by, kept.note, kept.before, kept.after),
    )
    expect(
        decided.reason is not None and "anna" in decided.reason,
        expected="who decided",
        seen=decided.reason,
    )
    same(["A-1"] if after is State.PLANNED else [], ids(claim(ledger, now=NOW + DAY_S)))


@ledger_check
def a_decision_names_who_and_what(bench: Bench) -> None:
    """A decision without a name, about no entry, or for a create without its invoice is refused."""
    ledger = planned(bench, create("A-1"), update("inv_1"))
    unclear(ledger, claimed(ledger))
    unclear(ledger, claimed(ledger))
    with refused(UsageError, "no such entry"):
        resolve(ledger, "A-9", State.ABANDONED)
    with refused(UsageError, "no name"):
        resolve(ledger, "A-1", State.ABANDONED, by=" ")
    with refused(InvalidInputError, "a create without its invoice") as caught:
        resolve(ledger, "A-1", State.COMMITTED, invoice_id=None)
    same("invoice_id", caught[0].field)
    same({"A-1": State.UNKNOWN, "inv_1": State.UNKNOWN}, states(ledger))
    same([], ledger.decisions("A-1"))
    with refused(InvalidInputError, "another invoice than that of the update") as caught:
        resolve(ledger, "inv_1", State.COMMITTED, invoice_id="inv_2")
    same("invoice_id", caught[0].field)
    same("inv_1", resolve(ledger, "inv_1", State.COMMITTED, invoice_id=None).invoice_id)


@ledger_check
def a_decision_ends_the_look_that_is_under_way(bench: Bench) -> None:
    """The look has lost its claim, and the body of the decided entry can be purged."""
    ledger = planned(bench, create("A-1"))
    unclear(ledger, claimed(ledger))
    look = looked(ledger, now=NOW + LATE_ARRIVAL_S)
    resolve(ledger, "A-1", State.ABANDONED, now=NOW + LATE_ARRIVAL_S)
    with refused(ClaimLostError, "what a look found about a decided entry"):
        found(ledger, look, State.COMMITTED, now=NOW + LATE_ARRIVAL_S, invoice_id="inv_1")
    same(1, ledger.purge(before=NOW + DAY_S))


@ledger_check
def what_is_next_is_told(bench: Bench) -> None:
    """What is next is told by its time, for a run that sends, that looks, or that does both."""
    ledger = bench.open()
    same(None, ledger.next_due(now=NOW, sends=True, looks=True))
    ledger.add([update("inv_1"), update("inv_1", entry_id="later")])
    same(NOW, ledger.next_due(now=NOW, sends=True, looks=True))
    same(None, ledger.next_due(now=NOW, sends=False, looks=True))
    made = claimed(ledger)
    same(None, ledger.next_due(now=NOW, sends=True, looks=True))
    unclear(ledger, made)
    same(NOW + LATE_ARRIVAL_S, ledger.next_due(now=NOW, sends=True, looks=True))
    same(None, ledger.next_due(now=NOW, sends=True, looks=False))
    same(NOW + HOUR_S, ledger.next_due(now=NOW + HOUR_S, sends=False, looks=True))


@ledger_check
def entries_are_listed_by_state(bench: Bench) -> None:
    """Entries are listed in the order of the plan, those of the states that are asked for."""
    ledger = planned(bench, *(create(f"A-{each}") for each in range(4)))
    commit(ledger, claimed(ledger))
    reject(ledger, claimed(ledger))
    claimed(ledger)

    def ids_of(*wanted: State, after: int = 0, most: int = 9) -> list[str]:
        return [each.id for each in ledger.entries(wanted, after, most)]

    same(["A-0"], ids_of(State.COMMITTED))
    same(["A-1", "A-2"], ids_of(State.IN_FLIGHT, State.REJECTED))
    same(["A-0", "A-1", "A-2", "A-3"], ids_of())
    same([], ids_of(State.DOUBLED))
    same(["A-1", "A-2"], ids_of(after=1, most=2))
    same(["A-2"], ids_of(State.IN_FLIGHT, State.REJECTED, after=2))
    same([], ids_of(after=4))
    ledger.keep_before({entry.id: "{}" for entry in ledger.entries((), 3, 9)})
    (whole,), (bare,) = (ledger.entries((), 3, 9, bodies=each) for each in (True, False))
    expect(whole.body is not None, expected="the body of an entry", seen=whole.body)
    same("{}", whole.before)
    same(attrs.evolve(whole, body=None, before=None), bare)


@ledger_check
def a_known_invoice_is_one_without_a_doubt(bench: Bench) -> None:
    """What vouches for a search are the last receivables that never had an unclear request."""
    payable = create("A-4", body='{"kind":"payable","number":"A-4"}')
    ledger = planned(bench, create("A-1"), update("inv_1"), create("A-2"), create("A-3"), payable)
    same([], ledger.last_created(2))
    commit(ledger, claimed(ledger))
    commit(ledger, claimed(ledger))
    same(["inv_A-1"], ledger.last_created(2))
    unclear(ledger, claimed(ledger))
    at = NOW + LATE_ARRIVAL_S
    found(ledger, looked(ledger, now=at), State.COMMITTED, now=at, invoice_id="inv_2")
    same(["inv_A-1"], ledger.last_created(2))
    commit(ledger, claimed(ledger))
    commit(ledger, claimed(ledger))
    same(["inv_A-3", "inv_A-1"], ledger.last_created(2))
    same(["inv_A-3"], ledger.last_created(1))


@ledger_check
def a_purge_forgets_settled_bodies(bench: Bench) -> None:
    """Bodies of what was settled before a time are gone for good; their hashes stay."""
    ledger = planned(
        bench,
        *(create(f"A-{each}") for each in range(6)),
        update("inv_1", before='{"a":"personal"}', body='{"a":"secret"}'),
    )
    commit(ledger, claimed(ledger), now=NOW + 1)
    reject(ledger, claimed(ledger), now=NOW + 2)
    unclear(ledger, claimed(ledger), now=NOW + 3)
    commit(ledger, claimed(ledger), now=NOW + 50)
    resolve(ledger, "A-4", State.ABANDONED, now=NOW + 50)
    unclear(ledger, claimed(ledger), now=NOW - DAY_S)
    commit(ledger, claimed(ledger), now=NOW + 4)
    found(
        ledger,
        looked(ledger, now=NOW),
        State.COMMITTED,
        now=NOW,
        late_check=NOW + DAY_S,
        invoice_id="inv_5",
    )
    before = {each.id: each.body_hash for each in listed(ledger)}
    same(3, ledger.purge(before=NOW + 10))
    same(0, ledger.purge(before=NOW + 10))
    kept = {each.id for each in listed(ledger) if each.body is not None}
    same({"A-2", "A-3", "A-4", "A-5"}, kept)
    same(None, entry(ledger, "inv_1").before)
    same(before, {each.id: each.body_hash for each in listed(ledger)})
    same(0, ledger.add([create("A-0")]))
    with refused(PlanConflictError, "another body after a purge") as caught:
        ledger.add([create("A-0", body='{"another":1}')])
    same(None, caught[0].in_ledger)
    with refused(UsageError, "to plan again what was purged"):
        resolve(ledger, "A-1", State.PLANNED)


@ledger_check
def odd_texts_are_kept(bench: Bench) -> None:
    """Names and reasons of any script are kept; half a surrogate pair does not stop a report."""
    odd = "Ä 漢 😀 \x00 ' \" %s ?"
    ledger = planned(bench, create(odd), create("A-2"))
    made = claimed(ledger)
    ledger.release(made, now=NOW, not_before=NOW, why=odd)
    kept = entry(ledger, odd)
    same((odd, odd, odd), (kept.id, kept.number, kept.reason))
    made = claimed(ledger)
    ledger.unclear(
        made, now=NOW, not_before=NOW, status=None, why="half \ud800 of it", refusal="\udfff"
    )
    look = looked(ledger, now=NOW)
    ledger.found(
        look,
        now=NOW,
        seen={odd: Seen(state=State.CONFLICT, reason="\ud83d")},
        late_check=None,
        not_before=NOW,
        why="\ud83d",
    )
    ledger.resolve(odd, State.ABANDONED, now=NOW, by="\ud83d", note="\ud83d", invoice_id=None)
    ledger.reject(claimed(ledger), now=NOW, reasons={"A-2": "\ud83d"}, status=1, why="\ud83d")
    same({odd: State.ABANDONED, "A-2": State.REJECTED}, states(ledger))
    with refused(InvalidInputError, "half a surrogate pair in a name"):
        ledger.add([create("A-3"), create("\ud800")])
    same(2, len(states(ledger)))


@ledger_check
def a_closed_ledger_says_so(bench: Bench) -> None:
    """A ledger that is closed raises its error for each step; closing it twice is no error."""
    ledger = planned(bench, create("A-1"), update("inv_1", before=None))
    made = claimed(ledger)
    ledger.close()
    ledger.close()
    steps: Iterable[Callable[[], object]] = [
        *_endings(ledger, made),
        lambda: ledger.bind("exante", ["org_1", None], now=NOW),
        lambda: ledger.keep_options({"bisect": True}),
        lambda: ledger.add([create("A-2")]),
        lambda: ledger.number_of("A-1"),
        lambda: ledger.entry("A-1"),
        lambda: claim(ledger),
        lambda: ledger.without_before(passing_over=(), most=1),
        lambda: ledger.keep_before({"inv_1": "{}"}),
        lambda: ledger.put_off({"inv_1": "it could not be read"}),
        lambda: ledger.claim_look(owner="one", now=NOW, lease=NOW),
        lambda: ledger.recover(now=NOW, late_arrival_s=LATE_ARRIVAL_S),
        lambda: ledger.end_leases(now=NOW, late_arrival_s=LATE_ARRIVAL_S),
        lambda: resolve(ledger, "A-1", State.ABANDONED),
        ledger.counts,
        ledger.adopted,
        lambda: ledger.next_due(now=NOW, sends=True, looks=True),
        ledger.is_working,
        lambda: ledger.of_others("A-1", [("inv_1", "A-1")]),
        lambda: listed(ledger),
        lambda: ledger.requests("A-1"),
        lambda: ledger.decisions("A-1"),
        lambda: ledger.last_created(1),
        lambda: ledger.purge(before=NOW),
    ]
    for step in steps:
        with refused(LedgerError, "a step of a closed ledger"):
            step()


LEDGER_CHECKS: Final = checks_in(globals())
"""Every rule of the seam, in the order of the report."""


def check_ledger(
    factory: LedgerFactory,
    *,
    only: Iterable[str] | None = None,
    skip: Mapping[str, str] | None = None,
) -> Report:
    """Try every rule of the seam on ledgers that *factory* opens.

    Args:
        factory: opens the ledger of a name; the same name opens the same ledger again.
        only: names of the checks to run; None for all.
        skip: names of checks not to run, each with the reason why, which the report tells.

    Raises:
        ConfigurationError: if there is no check of a name that is given.
    """
    return conclude(
        f"the ledger {getattr(factory, '__name__', repr(factory))}",
        LEDGER_CHECKS,
        lambda check: check.run(factory),
        only=only,
        skip=skip,
    )


def run_ledger_check(check: Check, factory: LedgerFactory) -> Result:
    """Run one check and say what came of it, without raising for a rule that is broken."""
    return judge(check, lambda: check.run(factory))
