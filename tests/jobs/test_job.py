"""Jobs through the blocking client: what is lost, refused, late or asked twice ends right once."""

from __future__ import annotations

import os
import signal
import threading
import tracemalloc
import uuid
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing, suppress
from pathlib import Path
from threading import Event, Thread, Timer
from typing import Any

import pytest

from billingual import (
    Changes,
    Client,
    Draft,
    InvalidInputError,
    Job,
    Money,
    NotFoundError,
    UsageError,
)
from billingual.events import AttemptStarted
from billingual.jobs import (
    Claim,
    ClaimLostError,
    Create,
    Delete,
    LedgerError,
    NewEntry,
    PlanConflictError,
    Progress,
    SqliteLedger,
    State,
    Update,
)
from billingual.jobs.trail import written_whole
from billingual.sandbox import LANDMARKS, Sandbox
from billingual.transports import sandboxed

Open = Callable[..., Job]
Make = Callable[..., Draft]
Sent = Callable[[str], int]

DUE = Changes(due_at="2027-03-01T00:00:00Z")
LATER = Changes(due_at="2028-01-01T00:00:00Z")
NOWHERE = "00000000-0000-4000-8000-000000000000"


class TimeLimitError(Exception):
    """What a job queue raises in a signal handler."""


def numbers(client: Client) -> list[str | None]:
    """List the numbers of all invoices."""
    return [row.number for row in client.list(page_size=100).collect(limit=1000)]


def ids(client: Client, count: int) -> list[str]:
    """List the ids of some invoices."""
    return [row.id for row in client.list(page_size=100).collect(limit=count)]


# A page of a proxy, while a service moves


@pytest.mark.parametrize("after_commit", [True, False])
def test_a_page_of_a_proxy_refuses_no_create(
    open_job: Open, draft: Make, sandbox: Sandbox, sent: Sent, *, after_commit: bool
) -> None:
    """The job looks what came of it."""
    with open_job() as job:
        job.plan([draft("J-1")])
        assert job.run().complete
        sandbox.add_fault(
            "status", method="POST", status=404, body_kind="html", after_commit=after_commit
        )
        job.plan([draft("J-2")])
        assert job.run().complete
        assert job.verify().ok

    assert sent("POST") == 2 + (not after_commit)


def test_pages_of_a_proxy_end_the_run(open_job: Open, draft: Make, sandbox: Sandbox) -> None:
    """Each other create would meet the same."""
    sandbox.add_fault("status", status=404, body_kind="html", times=1000)
    with open_job() as job:
        job.plan(draft(f"J-{number}") for number in range(40))
        with pytest.raises(NotFoundError):
            job.run(concurrency=1)
        report = job.report()

    assert not report.rejected
    assert len(report.planned) > 20


def test_a_page_of_a_proxy_is_no_state_before_an_update(
    open_job: Open, client: Client, sandbox: Sandbox
) -> None:
    """The update waits for a run that can read the invoice."""
    (one,) = ids(client, 1)
    sandbox.add_fault("status", method="GET", status=404, body_kind="html")
    with open_job() as job:
        job.plan([(one, DUE)])
        report = job.run()
        assert "a page in the place of JSON" in str(report)
        sandbox.add_fault("drop_before_commit", method="PUT")
        assert job.run().complete


# Creates


def test_each_draft_becomes_one_invoice(open_job: Open, draft: Make, client: Client) -> None:
    """The report counts them, and the provider has each of them once."""
    with open_job() as job:
        assert job.plan(draft(f"J-{n}") for n in range(20)) == 20
        report = job.run(concurrency=4)

    assert str(report) == "20 of 20 writes are committed."
    assert report.complete
    made = numbers(client)
    assert [made.count(f"J-{n}") for n in range(20)] == [1] * 20


def test_the_same_plan_again_sends_nothing(open_job: Open, draft: Make, sent: Sent) -> None:
    """A program that was killed plans and runs as if for the first time."""
    for expected in (3, 0):
        with open_job() as job:
            assert job.plan(draft(f"J-{n}") for n in range(3)) == expected
            assert job.run().committed == 3

    assert sent("POST") == 3


@pytest.mark.parametrize(("whole", "planned"), [(True, 0), (False, 1000)])
def test_a_whole_plan_with_one_bad_write_plans_nothing(
    open_job: Open, draft: Make, *, whole: bool, planned: int
) -> None:
    """By default a thousand writes are planned in a step; the bad one comes after the first."""
    plan = [draft(f"J-{n}") for n in range(1200)]

    with open_job() as job:
        with pytest.raises(PlanConflictError):
            job.plan([*plan, Create(draft=draft("J-other"), id="J-0")], whole=whole)
        assert planned == job.report().total
        assert 1200 - planned == job.plan(plan, whole=whole)


def test_a_number_is_chosen_once_for_a_draft_without(
    open_job: Open, draft: Make, client: Client
) -> None:
    """Two equal drafts are two invoices, also when they are planned again."""
    for _ in range(2):
        with open_job(number_prefix="AUTO-") as job:
            job.plan([draft(None), draft(None)])
            job.run()

    chosen = [each for each in numbers(client) if each is not None and each.startswith("AUTO-")]
    assert len(set(chosen)) == 2
    assert all(len(each) == len("AUTO-") + 16 for each in chosen)


def test_two_processes_choose_one_number_for_a_draft(
    client: Client, path: Path, draft: Make
) -> None:
    """Both plan it before the ledger of either has it: it is one entry, with one number."""
    with Job.open(path, client, shared=True) as one, Job.open(path, client, shared=True) as two:

        def drafts() -> Iterator[Draft]:
            yield draft(None)
            assert two.plan([draft(None)]) == 1

        assert one.plan(drafts()) == 0
        assert len(list(one.entries())) == 1


def test_two_jobs_choose_two_numbers_for_equal_drafts(
    client: Client, path: Path, draft: Make
) -> None:
    """Each ledger makes its numbers of a random text of its own."""
    found: list[str | None] = []
    for place in (path, path.with_name("other.db")):
        with Job.open(place, client) as job:
            job.plan([draft(None), draft(None)])
            found += [each.number for each in job.entries()]

    assert len(set(found)) == 4


def test_a_plan_is_not_kept_in_memory(client: Client, path: Path) -> None:
    """What it remembers of its writes, to name those that come again, does not grow with them."""

    def writes() -> Iterator[tuple[str, Changes]]:
        for place in range(5001):
            if place % 1000 == 0:
                kept.append(tracemalloc.get_traced_memory()[0])
            yield str(uuid.UUID(int=place, version=4)), changes

    kept: list[int] = []
    changes = Changes(status="SENT")
    tracemalloc.start()
    try:
        with Job.open(path, client, sole_writer=True) as job:
            assert job.plan(writes()) == 5001
    finally:
        tracemalloc.stop()

    # A thousand writes are put into the ledger at once; those before them are not kept.
    assert kept[5] - kept[2] < 50_000


def test_long_writes_are_planned_a_few_at_a_time(client: Client, path: Path, draft: Make) -> None:
    """A thousand of a megabyte each would not fit into memory."""
    steps: list[int] = []

    class Counting(SqliteLedger):
        def add(self, entries: Iterable[NewEntry]) -> int:
            given = list(entries)
            steps.append(len(given))
            return super().add(given)

    with closing(Counting(path)) as ledger, Job.open(ledger, client) as job:
        job.plan(draft(f"J-{each}", fields={"note": "x" * 1_000_000}) for each in range(40))

    assert [17, 17, 6] == steps


def test_a_report_names_all_and_holds_no_bodies(open_job: Open, draft: Make) -> None:
    """A stopped job may have a million entries to name; entries() has their bodies."""
    with open_job() as job:
        job.plan(draft(f"J-{each}") for each in range(1500))
        report = job.report()
        whole = list(job.entries())

    assert [each.id for each in whole] == [each.id for each in report.planned]
    assert {None} == {each.body for each in report.unfinished}
    assert None not in {each.body for each in whole}


def test_a_number_is_chosen_where_the_provider_needs_one(sandbox: Sandbox, path: Path) -> None:
    """The draft is checked as it is going to be sent; what else it lacks is still refused."""
    draft = Draft(
        document=LANDMARKS["kukkingu_contract"], exchange_rate="1.25", total=Money.of("9.50", "EUR")
    )
    with (
        Client("kukkingu", transport=sandboxed(sandbox)) as client,
        Job.open(path, client, number_prefix="AUTO-") as job,
    ):
        assert job.plan([draft]) == 1
        assert job.run().complete
        with pytest.raises(InvalidInputError, match="exchange_rate"):
            job.plan([Draft(document=LANDMARKS["kukkingu_contract"], total=draft.total)])
        (made,) = [each for each in client.list() if str(each.number).startswith("AUTO-")]

    assert made.total == draft.total


def test_a_create_whose_response_was_lost_is_found(
    open_job: Open, draft: Make, client: Client, sandbox: Sandbox, sent: Sent
) -> None:
    """It is adopted, and nothing is sent again."""
    sandbox.add_fault("drop_after_commit", method="POST")
    with open_job() as job:
        job.plan([draft("J-1"), draft("J-2")])
        report = job.run(concurrency=1)
        history = job.history("J-1")

    assert (report.committed, report.adopted) == (2, 1)
    assert sent("POST") == 2
    assert numbers(client).count("J-1") == 1
    assert [each.kind for each in history.requests] == ["send", "look", "look"]
    assert history.entry.unclear == 1


def test_a_create_that_never_arrived_is_sent_again(
    open_job: Open, draft: Make, client: Client, sandbox: Sandbox, sent: Sent
) -> None:
    """Only after the time for late requests, and after a search that finds its neighbour."""
    sandbox.add_fault("drop_before_commit", method="POST")
    with open_job() as job:
        job.plan([draft("J-1"), draft("J-2")])
        report = job.run(concurrency=1)

    assert report.complete
    assert sent("POST") == 3
    assert numbers(client).count("J-1") == 1


def test_looks_for_many_creates_share_their_searches(
    open_job: Open, draft: Make, sandbox: Sandbox
) -> None:
    """One list shows what became of all of them; each that is there is read once."""
    sandbox.add_fault("drop_after_commit", method="POST", times=20)
    with open_job(late_arrival_s=0.5) as job:
        job.plan(draft(f"J-{n}") for n in range(40))
        report = job.run(concurrency=1)

    assert (report.committed, report.adopted) == (40, 20)
    reads = [each["path"] for each in sandbox.requests(limit=1000) if each["method"] == "GET"]
    lists = [path for path in reads if path.endswith("/api/invoices")]
    # Each is looked for twice: once to be found, and once more for a late double.
    assert len(lists) < 20
    # And one is read that vouches for the searches, or two if another was the last by then.
    assert 20 < len(reads) - len(lists) < 25


def reads_of(sandbox: Sandbox) -> tuple[int, int]:
    """Count the lists that were read, and the invoices."""
    reads = [each["path"] for each in sandbox.requests(limit=1000) if each["method"] == "GET"]
    lists = sum(path.endswith("/api/invoices") for path in reads)
    return lists, len(reads) - lists


def test_a_create_is_known_by_a_number_that_the_job_chose(
    open_job: Open, draft: Make, sandbox: Sandbox
) -> None:
    """No other program comes upon such a number, so that a row of the list is enough."""
    sandbox.add_fault("drop_after_commit", method="POST", times=20)
    with open_job(late_arrival_s=0.5) as job:
        job.plan(draft(None) for _ in range(40))
        report = job.run(concurrency=1)
        late = [[each.kind for each in job.history(e.id).requests] for e in job.entries()]

    assert (report.committed, report.adopted) == (40, 20)
    lists, invoices = reads_of(sandbox)
    assert invoices == 0
    assert lists < 20
    assert late.count(["send", "look", "look"]) == 20


def test_a_create_with_a_number_of_the_job_is_a_conflict_where_its_row_shows_another_value(
    open_job: Open, draft: Make, client: Client, sandbox: Sandbox
) -> None:
    """Another program changed it before the look."""
    before = {row.id for row in client.list(page_size=100).collect(limit=1000)}
    sandbox.add_fault("drop_after_commit", method="POST")
    with open_job(policy="manual") as job:
        job.plan([draft(None, due_at="2027-03-01T00:00:00Z")])
        assert len(job.run().unknown) == 1
        (made,) = {row.id for row in client.list(page_size=100).collect(limit=1000)} - before
        client.update_many({made: LATER})
        (entry,) = job.reconcile().conflict

    assert "differs in due_at" in str(entry.reason)


class TakesTwice(SqliteLedger):
    """As a database does that loses a transaction: it is taken anew."""

    def together(self, call: Callable[[], Any]) -> Any:
        def lost() -> None:
            call()
            raise ConnectionError

        with suppress(ConnectionError):
            super().together(lost)
        return super().together(call)


def test_a_step_that_is_taken_twice_counts_once(
    client: Client, sandbox: Sandbox, path: Path, draft: Make
) -> None:
    """Whether a request settled the entries, a look or a refusal."""
    sandbox.add_fault("drop_after_commit", method="POST")
    told: list[Progress] = []
    with closing(TakesTwice(path)) as ledger, Job.open(ledger, client, late_arrival_s=0.05) as job:
        job.plan([*map(draft, ("J-1", "J-2")), draft("J-3", counterparty=NOWHERE)])
        job.run(concurrency=1, on_progress=told.append)

    assert 3 == told[-1].settled


def test_without_an_invoice_that_vouches_for_the_search_absence_proves_nothing(
    open_job: Open, draft: Make, sandbox: Sandbox, sent: Sent
) -> None:
    """The entry stays unknown and says why; a person may decide."""
    sandbox.add_fault("drop_before_commit", method="POST")
    with open_job() as job:
        job.plan([draft("J-1")])
        report = job.run()
        (entry,) = report.unknown
        assert "no invoice is known that the same search must find" in (entry.reason or "")
        assert "J-1" in str(report)
        assert not report.settled

        job.resolve("J-1", "planned", by="anna", note="asked the provider: it is not there")
        assert job.run().complete
        (decision,) = job.history("J-1").decisions

    assert (decision.by, decision.before, decision.after) == (
        "anna",
        State.UNKNOWN,
        State.PLANNED,
    )
    assert sent("POST") == 2


def test_a_payable_stays_unknown(open_job: Open, draft: Make, sandbox: Sandbox, sent: Sent) -> None:
    """No list shows payables, so their absence cannot be seen."""
    sandbox.add_fault("drop_after_commit", method="POST")
    with open_job() as job:
        job.plan([draft("J-1", kind="payable"), draft("J-2")])
        report = job.run(concurrency=1)

    assert [each.id for each in report.unknown] == ["J-1"]
    assert sent("POST") == 2


def test_a_create_is_found_absent_though_the_last_one_was_a_payable(
    open_job: Open, draft: Make, sandbox: Sandbox, sent: Sent
) -> None:
    """Only an invoice that a list shows can vouch for a search."""
    with open_job() as job:
        job.plan([draft("J-1"), draft("J-2", kind="payable")])
        assert job.run(concurrency=1).complete
        sandbox.add_fault("drop_before_commit", method="POST")
        job.plan([draft("J-3")])
        assert job.run().complete

    assert sent("POST") == 4


def test_a_create_is_found_absent_though_the_last_one_was_deleted(
    open_job: Open, draft: Make, client: Client, sandbox: Sandbox, sent: Sent
) -> None:
    """An older one vouches for the search then."""
    with open_job() as job:
        job.plan([draft("J-1"), draft("J-2")])
        assert job.run(concurrency=1).complete
        (last,) = [row.id for row in client.list().collect(limit=1000) if row.number == "J-2"]
        client.delete_many([last])
        sandbox.add_fault("drop_before_commit", method="POST")
        job.plan([draft("J-3")])
        assert job.run().complete

    assert sent("POST") == 4


@pytest.mark.parametrize(("policy", "looks"), [("reconcile", True), ("manual", False)])
def test_other_policies_send_nothing_again(
    open_job: Open, draft: Make, sandbox: Sandbox, sent: Sent, policy: str, *, looks: bool
) -> None:
    """They leave what is unclear to a person; ``manual`` does not even look."""
    sandbox.add_fault("drop_before_commit", method="POST")
    with open_job(policy=policy) as job:
        job.plan([draft("J-1"), draft("J-2")])
        report = job.run(concurrency=1)
        kinds = [each.kind for each in job.history("J-1").requests]

    assert [each.id for each in report.unknown] == ["J-1"]
    assert ("look" in kinds) is looks
    assert sent("POST") == 2


def test_a_refused_create_is_rejected_with_the_reason(
    open_job: Open, draft: Make, sent: Sent
) -> None:
    """It is not sent again; the others are carried out."""
    with open_job() as job:
        job.plan([draft("J-1", document=NOWHERE), draft("J-2")])
        report = job.run()

    (entry,) = report.rejected
    assert entry.id == "J-1"
    assert entry.reason
    assert report.committed == 1
    assert sent("POST") == 2


def test_a_refusal_after_a_lost_request_is_a_refusal_only_if_nothing_is_there(
    open_job: Open, draft: Make, sandbox: Sandbox, sent: Sent
) -> None:
    """The first request may have been carried out, and the refusal its echo: a look tells."""
    sandbox.add_fault("drop_before_commit", method="POST")
    with open_job() as job:
        job.plan([draft("J-1", document=NOWHERE), draft("J-2")])
        report = job.run(concurrency=1)

    assert [each.id for each in report.rejected] == ["J-1"]
    assert sent("POST") == 3


# Updates


def test_updates_go_out_a_hundred_at_a_time(open_job: Open, client: Client, sent: Sent) -> None:
    """Rows of a list bring along what was there before, so nothing is read."""
    rows = client.list(page_size=100).collect(limit=130)
    reads = sent("GET")
    with open_job() as job:
        job.plan((row, DUE) for row in rows)
        assert job.run(concurrency=4).complete
        assert job.verify().ok

    assert sent("PUT") == 2
    assert reads == 2


def test_an_id_alone_is_read_before_it_is_changed(
    open_job: Open, client: Client, sent: Sent
) -> None:
    """Not so if no other program changes the invoices."""
    some = ids(client, 3)
    before = sent("GET")
    with open_job() as job:
        job.plan((each, DUE) for each in some)
        assert job.run().complete
    assert sent("GET") == before + 3

    with open_job(sole_writer=True) as job:
        job.plan(
            Update(id=f"{each} again", invoice_id=each, changes=Changes(due_at=None))
            for each in some
        )
        job.run()
    assert sent("GET") == before + 3


@pytest.mark.parametrize("kind", ["drop_after_commit", "drop_before_commit"])
@pytest.mark.parametrize("sole_writer", [True, False])
def test_a_batch_whose_response_was_lost_ends_right(
    open_job: Open, client: Client, sandbox: Sandbox, sent: Sent, kind: str, *, sole_writer: bool
) -> None:
    """It is found as it was sent, or sent again as it was before."""
    some = ids(client, 5)
    sandbox.add_fault(kind, method="PUT")
    with open_job(sole_writer=sole_writer) as job:
        job.plan((each, DUE) for each in some)
        report = job.run()
        assert job.verify().ok

    assert (report.committed, report.adopted) == (5, 5)
    assert sent("PUT") == (1 if kind == "drop_after_commit" else 2)


def test_a_field_that_had_its_new_value_already_proves_nothing(
    open_job: Open, client: Client, sandbox: Sandbox, sent: Sent
) -> None:
    """Its batch was not carried out, though this invoice looks as if."""
    some = ids(client, 3)
    client.update_many({some[0]: DUE})
    puts = sent("PUT")
    sandbox.add_fault("drop_before_commit", method="PUT")
    with open_job() as job:
        job.plan((each, DUE) for each in some)
        report = job.run()

    assert report.complete
    assert sent("PUT") == puts + 2


def test_what_another_program_changed_meanwhile_is_left_to_a_person(
    open_job: Open, client: Client, sandbox: Sandbox, sent: Sent
) -> None:
    """A resend would bring an old value back."""
    some = ids(client, 3)
    sandbox.add_fault("drop_before_commit", method="PUT")

    def change_meanwhile() -> None:
        while not sent("PUT"):
            Event().wait(0.01)
        client.update_many({some[1]: LATER})

    with open_job(late_arrival_s=1.0) as job:
        job.plan((each, DUE) for each in some)

        other = Thread(target=change_meanwhile)
        other.start()
        report = job.run()
        other.join()

    assert {each.id for each in report.conflict} == set(some)
    assert "due_at" in (report.conflict[1].reason or "")
    assert client.get(some[1]).due_at == LATER.due_at
    assert sent("PUT") == 2


def test_a_refused_batch_is_refused_whole(open_job: Open, client: Client, sent: Sent) -> None:
    """One chunk, one fate, unless the caller gives that up."""
    with open_job() as job:
        job.plan((each, DUE) for each in [*ids(client, 9), NOWHERE])
        report = job.run()

    assert len(report.rejected) == 10
    assert "its batch was refused as a whole" in (report.rejected[0].reason or "")
    assert sent("PUT") == 1


@pytest.mark.parametrize("bad", [0, 37, 99])
def test_one_bad_write_in_a_hundred_costs_at_most_fifteen_requests(
    open_job: Open, client: Client, sent: Sent, bad: int
) -> None:
    """The halves of a refused batch are sent again, and no half that was accepted."""
    some = ids(client, 99)
    some.insert(bad, NOWHERE)
    with open_job(bisect=True, sole_writer=True) as job:
        job.plan((each, DUE) for each in some)
        report = job.run(concurrency=2)

    assert [each.id for each in report.rejected] == [NOWHERE]
    assert report.committed == 99
    assert sent("PUT") <= 15


def test_two_updates_of_one_invoice_keep_their_order(
    open_job: Open, client: Client, sent: Sent
) -> None:
    """The second waits for the first, whatever else is under way."""
    (one,) = ids(client, 1)
    with open_job() as job:
        job.plan((one, Changes(due_at=f"2027-01-{day:02}T00:00:00Z")) for day in range(1, 9))
        report = job.run(concurrency=8)
        assert job.verify().ok
        names = [each.id for each in job.entries()]

    assert report.complete
    assert names[:3] == [one, f"{one}#2", f"{one}#3"]
    assert sent("PUT") == 8
    assert client.get(one).due_at == Changes(due_at="2027-01-08T00:00:00Z").due_at


def test_one_invoice_in_two_spellings_is_one(open_job: Open, client: Client) -> None:
    """A UUID is the same in any case of letters: its updates wait for one another too."""
    (one,) = ids(client, 1)
    with open_job(sole_writer=True) as job:
        job.plan([(one.upper(), DUE)])
        job.plan([(one, DUE), Update(invoice_id=one, changes=LATER, id="later")])
        report = job.run()

    assert (report.total, report.committed) == (2, 2)
    assert client.get(one).due_at == LATER.due_at


def test_a_provider_without_batches_is_sent_one_by_one(sandbox: Sandbox, path: Path) -> None:
    """The report reads the same."""
    with Client("kukkingu", transport=sandboxed(sandbox), retry="none") as client:
        drafts = [each.id for each in client.list().collect(limit=100) if each.status == "DRAFT"]
        sandbox.add_fault("drop_after_commit", method="PATCH")
        with Job.open(path, client, late_arrival_s=0.05) as job:
            job.plan((each, DUE) for each in drafts[:4])
            report = job.run(concurrency=2)

        assert (report.committed, report.adopted) == (4, 1)


def test_a_locked_invoice_is_rejected_and_the_others_are_updated(
    sandbox: Sandbox, path: Path
) -> None:
    """The status of the invoice is not taken for that of the response."""
    with Client("kukkingu", transport=sandboxed(sandbox)) as client:
        rows = client.list().collect(limit=100)
        some = {each.status: each.id for each in rows if each.status in {"DRAFT", "FINALIZED"}}
        with Job.open(path, client) as job:
            job.plan((each, DUE) for each in some.values())
            report = job.run()
            (kept,) = job.history(some["FINALIZED"]).requests

    assert report.committed == 1
    assert [each.target for each in report.rejected] == [some["FINALIZED"]]
    assert kept.status == 409


# Deletes


@pytest.mark.parametrize("kind", ["drop_after_commit", "drop_before_commit"])
def test_deletes_are_read_again_after_an_error(
    open_job: Open, client: Client, sandbox: Sandbox, kind: str
) -> None:
    """No provider promises that a batch of deletes is all or nothing."""
    some = ids(client, 4)
    sandbox.add_fault(kind, method="DELETE")
    with open_job() as job:
        job.plan(Delete(invoice_id=each) for each in some)
        report = job.run()
        assert job.verify().ok

    assert report.complete
    for each in some:
        with pytest.raises(NotFoundError):
            client.get(each)


@pytest.mark.parametrize("body_kind", ["html", "text"])
def test_a_page_of_a_proxy_is_no_deletion(
    open_job: Open, client: Client, sandbox: Sandbox, body_kind: str
) -> None:
    """While a service moves, the proxy before it responds to all requests with a 404."""
    some = ids(client, 2)
    sandbox.add_fault("drop_before_commit", method="DELETE")
    sandbox.add_fault("status", method="GET", status=404, body_kind=body_kind)
    with open_job() as job:
        job.plan(Delete(invoice_id=each) for each in some)
        report = job.run()

    assert report.complete
    for each in some:
        with pytest.raises(NotFoundError):
            client.get(each)


def test_a_refused_deletion_is_looked_at_when_reads_show_it(
    open_job: Open, client: Client, sandbox: Sandbox
) -> None:
    """It may have been carried out in part, and a read right after it may be older than that."""
    (one,) = ids(client, 1)
    sandbox.add_fault("status", method="DELETE", status=409, after_commit=True)
    late_s = 0.05
    with open_job(late_arrival_s=late_s) as job:
        job.plan([Delete(invoice_id=one)])
        report = job.run()
        send, look = job.history(one).requests

    assert report.complete
    assert send.ended is not None
    assert look.started >= send.ended + late_s


def test_what_cannot_be_deleted_is_rejected(open_job: Open, client: Client, sent: Sent) -> None:
    """An invoice that is not there any more counts as deleted; the others go again."""
    some = ids(client, 3)
    with open_job() as job:
        job.plan(Delete(invoice_id=each) for each in [*some, NOWHERE])
        report = job.run()

    assert report.complete
    assert sent("DELETE") <= 2


# The plan


def test_another_body_under_the_same_id_shows_both(open_job: Open, draft: Make) -> None:
    """Neither is chosen silently."""
    with open_job() as job:
        job.plan([draft("J-1")])
        with pytest.raises(PlanConflictError, match="another write under the id 'J-1'") as caught:
            job.plan([draft("J-1", due_at="2027-01-01T00:00:00Z")])

    assert "due_at" in caught.value.planned_now
    assert '"due_at":"2027' not in (caught.value.in_ledger or "")


def test_two_drafts_with_one_number_are_refused(open_job: Open, draft: Make) -> None:
    """Under different ids as well."""
    with open_job() as job, pytest.raises(InvalidInputError, match="J-1"):
        job.plan([Create(draft=draft("J-1"), id="a"), Create(draft=draft("J-1"), id="b")])


def test_a_write_that_could_not_be_sent_is_refused_by_its_place(
    open_job: Open, draft: Make, sent: Sent
) -> None:
    """Nothing is sent."""
    with open_job() as job:
        with pytest.raises(InvalidInputError) as caught:
            job.plan([draft("J-1"), draft("J-2", counterparty=None)])
        assert "this is write 2 of the plan" in caught.value.__notes__
        with pytest.raises(InvalidInputError, match="int is no write"):
            job.plan([7])  # type: ignore[list-item]

    assert sent("POST") == 0


def test_a_ledger_belongs_to_one_account(open_job: Open, sandbox: Sandbox, path: Path) -> None:
    """Another provider's client cannot run it."""
    with open_job():
        pass
    with (
        Client("kukkingu", transport=sandboxed(sandbox)) as other,
        pytest.raises(UsageError, match="is a job for exante"),
        Job.open(path, other),
    ):
        pass


# Stopping, and what a person does


def test_a_run_goes_on_where_another_process_took_a_claim_over(
    client: Client, path: Path, draft: Make, sent: Sent
) -> None:
    """That one looks before it sends; this one has the rest to do."""

    class TakenOver(SqliteLedger):
        taken = False

        def commit(self, claim: Claim, *, now: float, **end: Any) -> None:
            if self.taken:
                super().commit(claim, now=now, **end)
                return
            self.taken = True
            self.unclear(claim, now=now, not_before=now, status=None, why="", refusal=None)
            raise ClaimLostError("another process took it over.")

    ledger = TakenOver(path)
    with Job.open(ledger, client, late_arrival_s=0.05) as job:
        job.plan(draft(f"J-{n}") for n in range(3))
        report = job.run(concurrency=1)
    ledger.close()

    assert (report.committed, report.adopted) == (3, 1)
    assert sent("POST") == 3


def test_a_run_that_is_stopped_goes_on_later(
    open_job: Open, draft: Make, sandbox: Sandbox, sent: Sent
) -> None:
    """Requests under way end, and nothing more is begun."""
    sandbox.add_fault("latency", seconds=0.3, times=2)
    with open_job() as job:
        job.plan(draft(f"J-{n}") for n in range(30))
        timer = Timer(0.1, job.stop)
        timer.start()
        first = job.run(concurrency=2)
        assert first.committed == 2
        assert not first.complete
        assert not first.unknown
        assert job.run().complete

    assert sent("POST") == 30


def test_a_time_limit_of_the_program_stops_a_run(
    draft: Make, client: Client, sent: Sent, tmp_path: Path
) -> None:
    """It comes while the run waits for its workers, and is not kept until all is sent."""
    begun: list[object] = []
    raised = Event()

    def limit(*_: object) -> None:
        raise TimeLimitError

    def observe(event: object) -> None:
        if isinstance(event, AttemptStarted):
            begun.append(event)
            if len(begun) == 2:
                signal.pthread_kill(main, signal.SIGUSR1)
            if len(begun) <= 2:
                raised.wait(10)

    before = signal.signal(signal.SIGUSR1, limit)
    main = threading.main_thread().ident or 0
    observed = client.with_options(observers=[observe])
    with Job.open(tmp_path / "limited.db", observed, late_arrival_s=0.05) as job:
        job.plan(draft(f"J-{n}") for n in range(30))
        with pytest.raises(TimeLimitError):
            job.run(concurrency=2)
        sent_by_then = sent("POST")
    raised.set()
    signal.signal(signal.SIGUSR1, before)

    assert sent_by_then == 0
    with Job.open(tmp_path / "limited.db", client, late_arrival_s=0.05) as job:
        assert job.run().complete
    assert {f"J-{n}" for n in range(30)} < set(numbers(client))


def test_a_job_can_be_looked_after_without_sending(
    open_job: Open, draft: Make, sandbox: Sandbox, sent: Sent
) -> None:
    """``reconcile`` finds out, and the next run sends."""
    sandbox.add_fault("drop_before_commit", method="POST")
    with open_job(policy="manual") as job:
        job.plan([draft("J-1"), draft("J-2")])
        job.run(concurrency=1)
    posts = sent("POST")
    with open_job() as job:
        assert [each.id for each in job.reconcile().planned] == ["J-1"]
        assert sent("POST") == posts
        assert job.run().complete


def test_verify_names_what_is_not_as_the_ledger_says(
    open_job: Open, draft: Make, client: Client, sandbox: Sandbox
) -> None:
    """A changed, a deleted and a doubled invoice, and one that was never sent but is there."""
    some = ids(client, 2)
    sandbox.add_fault("drop_before_commit", method="POST")
    with open_job(policy="manual") as job:
        job.plan([draft("J-1"), draft("J-2"), *((each, DUE) for each in some)])
        job.run(concurrency=1)
        job.resolve("J-1", "committed", by="ana", note="taken for another", invoice_id=some[1])
        job.plan([draft("J-3")])
        client.create(draft("J-1"))
        client.create(draft("J-3"))
        client.delete_many([some[0]])
        client.update_many({some[1]: Changes(due_at="2029-01-01T00:00:00Z")})
        found = job.verify()

    assert found.wrong.keys() == {"J-1", "J-3", *some}
    assert "the list shows its number at" in found.wrong["J-1"]
    assert "due_at" in found.wrong[some[1]]
    assert not found.ok
    assert "4 wrong" in str(found)


def test_what_a_job_tells_can_be_kept_in_a_set(open_job: Open, draft: Make) -> None:
    """Like all values of the package: its report, its progress, and how it was verified."""
    told: list[Progress] = []
    with open_job() as job:
        job.plan([draft()])
        report = job.run(on_progress=told.append)
        found = job.verify()

        assert {report, found, told[-1]} == {job.report(), job.verify(), told[-1]}


def test_verify_tells_how_far_it_is(open_job: Open, client: Client) -> None:
    """A long job takes minutes: each invoice is read."""
    told: list[tuple[int, int]] = []
    with open_job(sole_writer=True) as job:
        job.plan((each, DUE) for each in ids(client, 9))
        job.run()
        job.verify(concurrency=3, on_progress=lambda *read: told.append(read))

        assert (9, 9) == told[-1]
        with pytest.raises(InvalidInputError, match="on_progress"):
            job.verify(on_progress="yes")  # type: ignore[arg-type]


def test_verify_leaves_the_invoice_alone_that_had_the_number_first(
    open_job: Open, draft: Make, client: Client
) -> None:
    """The create was refused for it, and is nowhere."""
    client.create(draft("J-1", due_at="2029-01-01T00:00:00Z"))
    with open_job() as job:
        job.plan([draft("J-1", due_at="2027-01-01T00:00:00Z")])
        assert len(job.run().rejected) == 1
        assert job.verify().ok


def test_bodies_can_be_purged(open_job: Open, draft: Make, path: Path) -> None:
    """Their hashes stay, and so does the refusal of another body."""
    with open_job() as job:
        job.plan([draft("J-1", due_at="2027-01-01")])
        job.run()
        assert job.purge() == 1
        entry = job.history("J-1").entry
        assert entry.body is None
        assert len(entry.body_hash) == 64
        assert job.plan([draft("J-1", due_at="2027-01-01")]) == 0
        with pytest.raises(PlanConflictError, match="purged"):
            job.plan([draft("J-1")])
        assert job.verify().unchecked == {"J-1": "its body was purged"}


@pytest.mark.parametrize("started", ["planned", "run"])
def test_a_job_goes_on_with_its_options(
    client: Client, path: Path, sent: Sent, started: str
) -> None:
    """They are kept from the first plan or run on; what is left out later is as it was."""
    good = ids(client, 7)
    with Job.open(path, client, policy="manual", bisect=True, sole_writer=True) as job:
        if started == "run":
            job.run()
        else:
            job.plan([(good[0], DUE)])
    with Job.open(path, client) as job:
        job.plan((each, LATER) for each in [*good[1:], NOWHERE])
        report = job.run(concurrency=1)

    assert [NOWHERE] == [each.id for each in report.rejected]
    assert report.note is None
    assert 1 < sent("PUT")


def test_another_option_is_told(client: Client, path: Path) -> None:
    """The job goes on with what is given, and says so; the next one takes it for its own."""
    with Job.open(path, client, policy="manual", late_arrival_s=0.5) as job:
        job.run()
    with Job.open(path, client, policy="reconcile", late_arrival_s=0.5) as job:
        report = job.run()

        assert "policy='reconcile'; before, it had policy='manual'" in str(report)
        assert "late_arrival_s" not in str(report.note)
    with Job.open(path, client, policy="reconcile") as job:
        assert job.run().note is None


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"policy": "hope"}, "there is no policy 'hope'"),
        ({"late_arrival_s": -1}, "late_arrival_s"),
    ],
)
def test_options_that_make_no_sense_are_refused(
    open_job: Open, options: dict[str, object], says: str
) -> None:
    """Before a file is made."""
    with pytest.raises(InvalidInputError, match=says):
        open_job(**options)


def test_arguments_that_make_no_sense_are_refused(open_job: Open) -> None:
    """With what would make sense."""
    with open_job() as job:
        with pytest.raises(InvalidInputError, match="give 1 to 64"):
            job.run(concurrency=0)
        with pytest.raises(InvalidInputError, match="no entry 'X'"):
            job.history("X")
        with pytest.raises(InvalidInputError, match="there is no state 'lost'"):
            list(job.entries(state="lost"))


# What cannot be right


@pytest.mark.parametrize("wrong", ["", 5, b"x"])
def test_an_id_that_is_no_name_is_refused(open_job: Open, draft: Make, wrong: Any) -> None:
    """It is not replaced by another name, nor read as a text."""
    with open_job() as job, pytest.raises(InvalidInputError, match="names no write"):
        job.plan([Create(draft=draft("J-1"), id=wrong)])


@pytest.mark.parametrize("wrong", [None, 5, "J-1", {"number": "J-1"}, Draft(number="J-1")])
def test_what_is_not_several_writes_is_refused(open_job: Open, wrong: Any) -> None:
    """A single draft, say, whose fields are not writes."""
    with open_job() as job, pytest.raises(InvalidInputError, match="is not several writes"):
        job.plan(wrong)


@pytest.mark.parametrize(
    "option", [{"bisect": "no"}, {"sole_writer": 1}, {"shared": "no"}, {"number_prefix": 5}]
)
def test_an_option_of_the_wrong_kind_is_refused(open_job: Open, option: Any) -> None:
    """The text 'no' is not taken for true."""
    with pytest.raises(InvalidInputError, match=next(iter(option))):
        open_job(**option)


def test_other_arguments_of_the_wrong_kind_are_refused(client: Client, open_job: Open) -> None:
    """Before anything is read or sent."""
    wrong: Any = 5
    with pytest.raises(InvalidInputError, match="ledger"):
        Job.open(wrong, client)
    with open_job() as job:
        with pytest.raises(InvalidInputError, match="on_progress"):
            job.run(on_progress=wrong)
        with pytest.raises(InvalidInputError, match="by"):
            job.resolve("J-1", "committed", by=wrong, note="seen")


@pytest.mark.parametrize("becomes", ["moved", "removed", "another"])
@pytest.mark.skipif(os.name != "posix", reason="an open file has no other name there")
def test_a_ledger_that_is_not_in_its_place_any_more_stops_the_job(
    open_job: Open, draft: Make, path: Path, sent: Sent, becomes: str
) -> None:
    """What is kept in a file without a name is lost with the process, so nothing is sent."""
    with open_job() as job:
        job.plan([draft("J-1")])
        kept = path.rename(path.with_name("kept.db"))
        if becomes == "removed":
            kept.unlink()
        if becomes == "another":
            path.write_bytes(kept.read_bytes())
        with pytest.raises(LedgerError, match="moved, removed or replaced"):
            job.run()

        assert 0 == sent("POST")
        if becomes == "moved":
            kept.rename(path)
            assert job.run().complete


SENT = Changes(status="SENT")
IDS = [f"{n:08x}-0000-4000-8000-000000000000" for n in range(250)]
WRONG: list[tuple[str, Any]] = [
    ("no UUID", ("inv_1", SENT)),
    ("is no UUID", Update(invoice_id=["a"], changes=SENT)),  # type: ignore[arg-type]
    ("hold no field", (IDS[0], Changes())),
    ("'fields' in a batch", (IDS[0], Changes(fields={"a": "b"}))),
    ("int is no write", 17),
]


@pytest.mark.parametrize("place", [0, 99, 100, 149])
@pytest.mark.parametrize(("problem", "wrong"), WRONG)
def test_the_first_wrong_update_is_named_by_its_place(
    open_job: Open, problem: str, wrong: Any, place: int
) -> None:
    """Also among others that are looked at with it, and before another one that is wrong."""
    writes: list[Any] = [(each, SENT) for each in IDS[:150]]
    # The same invoice twice, in small and in capital letters, is two writes in their order.
    writes += [(IDS[0], SENT), (IDS[10].upper(), SENT)]
    writes[place] = wrong
    with open_job() as job:
        with pytest.raises(UsageError, match=problem) as caught:
            job.plan([*writes, 18])

        assert caught.value.__notes__ == [f"this is write {place + 1} of the plan"]
        assert 0 == job.report().total
        del writes[place]
        assert len(writes) == job.plan(writes)


def test_a_trail_that_cannot_be_written_is_refused_by_its_path(
    open_job: Open, tmp_path: Path
) -> None:
    """The error names the file of the caller, and none of ours."""
    target = tmp_path / "there is none" / "trail.csv"
    with open_job() as job, pytest.raises(InvalidInputError, match="No such file") as caught:
        job.export(target)
    with open_job() as job, pytest.raises(InvalidInputError, match="is no path"):
        job.export("a\0.csv")

    assert "trail.csv cannot be written" in str(caught.value)
    assert ".part" not in str(caught.value)


def test_two_exports_of_one_file_at_once_do_not_mix(tmp_path: Path) -> None:
    """Each has a draft of its own, whose name is not known beforehand; the last one whole stays."""
    target = tmp_path / "trail.csv"
    with written_whole(target) as late:
        with written_whole(target) as early:
            late.write_text("the later one", encoding="utf-8")
            early.write_text("early", encoding="utf-8")
        assert "early" == target.read_text(encoding="utf-8")

    assert "the later one" == target.read_text(encoding="utf-8")
    assert [target] == list(tmp_path.iterdir())


def test_a_plan_that_may_not_be_whole_is_refused(open_job: Open) -> None:
    """A text is true, whatever it says."""
    with open_job() as job, pytest.raises(InvalidInputError, match="whole: str is no bool"):
        job.plan([], whole="no")  # type: ignore[arg-type]
