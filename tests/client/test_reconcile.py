"""What reading back proves about a write whose end was unclear, and what it cannot."""

from __future__ import annotations

import json
import pickle
import subprocess
import sys
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

import anyio
import attrs
import pytest

from _support.late_writes import (
    ORGANIZATION,
    SECOND_ORGANIZATION,
    SENT,
    LateSandbox,
    bill,
    client_on,
    draft,
)
from _support.small_provider import client_of, say
from billingual import (
    UNSET,
    AsyncClient,
    Changes,
    Client,
    Draft,
    Feature,
    Finding,
    Invoice,
    MemoryTransport,
    OutcomeUnknown,
    Party,
    Reconciliation,
    Replacement,
    errors,
    providers,
)
from billingual.abc import Sightings
from billingual.backends.anyio import AnyioBackend
from billingual.backends.portal import PortalBackend
from billingual.backends.sync import SyncBackend
from billingual.client import client_context
from billingual.outcomes import Intent
from billingual.reconcile.reconciler import Reconciler
from billingual.sandbox import ACCOUNTS, LANDMARKS

LIST, ONE = "GET /api/invoices", "GET /api/invoices/{invoice_uid}"
ID = "550e8400-e29b-41d4-a716-446655440000"
OTHER_ID = "550e8400-e29b-41d4-a716-446655440001"


@attrs.define
class Scene:
    """A client on a sandbox, on a virtual clock."""

    backend: Any
    run: Callable[[Any], Any]
    sandbox: LateSandbox
    client: AsyncClient

    def unclear(self, work: Awaitable[Any]) -> OutcomeUnknown:
        """Run a write that must end unclear, and forget what was sent and slept so far."""
        with pytest.raises(OutcomeUnknown) as caught:
            self.run(work)
        self.sandbox.requests.clear()
        self.backend.sleeps.clear()
        return caught.value

    def lost(self, given: Draft, *, committed: bool) -> OutcomeUnknown:
        """Create through a connection that breaks."""
        self.sandbox.lose(committed=committed)
        return self.unclear(self.client.create(given))

    def look(self, unclear: OutcomeUnknown, **options: Any) -> Reconciliation:
        """Reconcile."""
        found: Reconciliation = self.run(self.client.reconcile(unclear, **options))
        return found


@pytest.fixture
def opened(backend: Any, step: Any) -> Callable[..., Scene]:
    """Return a function that opens a scene."""

    def open_scene(provider: str = "exante", **options: Any) -> Scene:
        sandbox = LateSandbox(backend.now)
        return Scene(backend, step, sandbox, client_on(sandbox, backend, provider, **options))

    return open_scene


@pytest.fixture
def scene(opened: Callable[..., Scene]) -> Scene:
    """Return a scene at Exante in which one invoice was created already: the known invoice."""
    made = opened()
    made.run(made.client.create(draft("CONTROL")))
    return made


# --- creates ------------------------------------------------------------------------------------


@pytest.mark.parametrize("organization", [ORGANIZATION, None])
def test_a_created_invoice_is_adopted_at_once(
    opened: Callable[..., Scene], organization: str | None
) -> None:
    """A match needs neither known invoice nor time, and no organization either: it is there."""
    scene = opened(organization=organization)
    unclear = scene.lost(draft(), committed=True)

    found = scene.look(unclear)

    assert found.finding is Finding.ADOPTED
    assert (found.adopted, found.absent, found.ask_again_s) == (True, False, None)
    assert found.invoice is not None
    assert (found.invoice.number, found.invoice.currency) == ("N-1", "EUR")
    assert scene.sandbox.requests == [LIST, ONE]
    assert scene.backend.sleeps == []


def test_absence_needs_number_organization_known_invoice_time_and_two_searches(
    scene: Scene,
) -> None:
    """With all of them a create that never arrived is absent, and nothing was written to say so."""
    unclear = scene.lost(draft(), committed=False)
    scene.backend.clock += 120

    found = scene.look(unclear)

    assert found.finding is Finding.ABSENT
    assert (found.adopted, found.absent, found.invoice) == (False, True, None)
    assert "no invoice has the number 'N-1'" in found.why
    assert scene.sandbox.requests == [LIST] * 4
    assert scene.backend.sleeps == [1.0]


def test_inactive_invoices_are_searched_too(scene: Scene) -> None:
    """One that hangs on an archived document is hidden from plain lists, and is there."""
    archived = draft(document=LANDMARKS["exante_archived_document"])
    unclear = scene.lost(archived, committed=True)
    scene.backend.clock += 120

    assert scene.look(unclear).finding is Finding.ADOPTED


@pytest.mark.parametrize("number", [None, "", "  "], ids=["left out", "empty", "blank"])
@pytest.mark.parametrize("committed", [True, False])
def test_without_a_number_nothing_can_be_recognised(
    scene: Scene, number: str | None, *, committed: bool
) -> None:
    """The provider chose one that the client does not know: unknown for ever, without a request."""
    unclear = scene.lost(draft(number), committed=committed)
    scene.backend.clock += 1000

    found = scene.look(unclear, wait=True)

    assert (found.finding, found.ask_again_s) == (Finding.UNKNOWN, None)
    assert "has no number" in found.why
    assert scene.sandbox.requests == scene.backend.sleeps == []


def test_without_an_organization_absence_proves_nothing(opened: Callable[..., Scene]) -> None:
    """The list is then of the token's default organization, which may be another."""
    scene = opened(organization=None)
    scene.run(scene.client.create(draft("CONTROL")))
    unclear = scene.lost(draft(), committed=False)
    scene.backend.clock += 1000

    found = scene.look(unclear, wait=True)

    assert (found.finding, found.ask_again_s) == (Finding.UNKNOWN, None)
    assert "organization=..." in found.why


def test_without_a_known_invoice_absence_proves_nothing(opened: Callable[..., Scene]) -> None:
    """No invoice is known that the search must find; the reason says how to give one."""
    scene = opened()
    known = scene.run(scene.client.create(draft("CONTROL")))
    stranger = client_on(scene.sandbox, scene.backend)
    unclear = scene.lost(draft(), committed=False)
    scene.backend.clock += 120

    found = scene.run(stranger.reconcile(unclear))

    assert (found.finding, found.ask_again_s) == (Finding.UNKNOWN, None)
    assert "reconcile(known_invoice=...)" in found.why
    assert scene.run(stranger.reconcile(unclear, known_invoice=known)).finding is Finding.ABSENT


def test_a_known_invoice_that_is_not_found_breaks_the_proof(scene: Scene) -> None:
    """Where what must be there is not seen, what is not seen may be there."""
    gone = scene.run(scene.client.create(draft("GONE")))
    unclear = scene.lost(draft(), committed=False)
    scene.run(scene.client.delete_many([gone.id]))
    scene.backend.clock += 120

    found = scene.look(unclear)

    assert found.finding is Finding.UNKNOWN
    assert f"does not find invoice {gone.id} either" in found.why


def test_a_payable_does_not_serve_as_known_invoice(scene: Scene) -> None:
    """The lists do not show it, so it would never be found."""
    payable = scene.run(scene.client.create(draft("P-1", kind="payable")))
    unclear = scene.lost(draft(), committed=False)
    scene.backend.clock += 120

    assert scene.look(unclear, known_invoice=payable).finding is Finding.UNKNOWN


def test_a_created_payable_is_not_remembered_as_known_invoice(scene: Scene) -> None:
    """The receivable before it stays the one that the search must find."""
    scene.run(scene.client.create(draft("P-1", kind="payable")))
    unclear = scene.lost(draft(), committed=False)
    scene.backend.clock += 120

    assert scene.look(unclear).finding is Finding.ABSENT


def test_a_known_invoice_may_be_of_another_counterparty(scene: Scene) -> None:
    """It is looked for under its own; that the draft's has invoices here is seen besides."""
    row = scene.sandbox.app.sandbox_state.store.row(
        "SELECT p.uid AS party, d.uid AS document FROM exante_party p"
        " JOIN exante_document d ON d.organization = p.organization"
        " WHERE p.organization = ? AND p.uid <> ? AND d.archived = 0",
        (ORGANIZATION, LANDMARKS["exante_party"]),
    )
    assert row is not None
    other = draft("OTHER", counterparty=row["party"], document=row["document"])
    scene.run(scene.client.create(other))
    unclear = scene.lost(draft(), committed=False)
    scene.backend.clock += 120

    assert scene.look(unclear).finding is Finding.ABSENT


def test_an_organization_without_the_counterparty_proves_nothing(
    opened: Callable[..., Scene],
) -> None:
    """The counterparty decides in which list a new invoice is, so it may be in another one."""
    scene = opened(organization=SECOND_ORGANIZATION)
    control = scene.run(scene.client.list().first())
    assert control is not None
    unclear = scene.lost(draft(), committed=True)
    scene.backend.clock += 1000

    found = scene.look(unclear, known_invoice=control)

    assert scene.sandbox.stored("exante", "N-1") == 1
    assert (found.finding, found.ask_again_s) == (Finding.UNKNOWN, None)
    assert "that of another organization" in found.why


@pytest.mark.parametrize("issued_at", ["2026-11-20T12:00:00Z", "2026-01-01T00:00:00Z", None])
def test_the_day_of_issue_narrows_the_search_and_proves_the_same(
    scene: Scene, issued_at: str | None
) -> None:
    """Whether there are other invoices in those days or not."""
    days = {} if issued_at is None else {"issued_at": issued_at}
    given = Draft(**{**draft().given(), **days}) if days else _undated()
    unclear = scene.lost(given, committed=False)
    scene.backend.clock += 120
    absent = scene.look(unclear)
    adopted = scene.look(scene.lost(given, committed=True))

    assert absent.finding is Finding.ABSENT
    assert adopted.finding is Finding.ADOPTED


def _undated() -> Draft:
    return Draft(**{key: each for key, each in draft().given().items() if key != "issued_at"})


@pytest.mark.parametrize(("passed", "left"), [(0.0, 120.0), (50.5, 69.5), (119.9, 0.1)])
def test_while_a_late_request_may_arrive_the_finding_says_when_to_ask_again(
    scene: Scene, passed: float, left: float
) -> None:
    """A request given up so lately may still arrive; the wait is not done unasked."""
    unclear = scene.lost(draft(), committed=False)
    scene.backend.clock += passed

    found = scene.look(unclear)

    assert found.finding is Finding.UNKNOWN
    assert found.ask_again_s == pytest.approx(left, abs=1e-3)
    assert "may still arrive" in found.why
    assert scene.backend.sleeps == []


@pytest.mark.parametrize("passed", [0.0, 0.1, 1 / 3, 50.7, 119.999, 120.0, 500.0])
def test_waiting_takes_what_is_left_of_the_time_and_a_second(scene: Scene, passed: float) -> None:
    """Then the whole look is made anew, known invoice included, and again a second later."""
    unclear = scene.lost(draft(), committed=False)
    scene.backend.clock += passed

    found = scene.look(unclear, wait=True)

    left = [] if passed >= 120 else [pytest.approx(120 - passed, abs=1e-3)]
    assert found.finding is Finding.ABSENT
    assert scene.backend.sleeps == [*left, 1.0]
    assert scene.sandbox.requests == [LIST] * (6 if left else 4)


def test_late_arrival_s_is_taken_from_the_caller(scene: Scene) -> None:
    """Zero is allowed for who knows better; the second search stays."""
    unclear = scene.lost(draft(), committed=False)

    assert scene.look(unclear, late_arrival_s=300).ask_again_s == pytest.approx(300)
    assert scene.look(unclear, late_arrival_s=0).finding is Finding.ABSENT
    assert scene.backend.sleeps == [1.0]


def test_a_wall_clock_that_lags_behind_the_wait_does_not_undo_it(
    make_backend: Any, step: Any
) -> None:
    """What was waited for is over, whatever is left of it by another clock."""

    class Lagging(make_backend):  # type: ignore[misc]  # a fixture's class
        async def sleep(self, seconds: float) -> None:
            await super().sleep(seconds)
            self.epoch -= 0.01

    backend = Lagging()
    sandbox = LateSandbox(backend.now)
    scene = Scene(backend, step, sandbox, client_on(sandbox, backend))
    scene.run(scene.client.create(draft("CONTROL")))
    unclear = scene.lost(draft(), committed=False)

    assert scene.look(unclear, wait=True).finding is Finding.ABSENT
    assert scene.backend.sleeps == [pytest.approx(120), 1.0]


def test_an_error_from_a_clock_ahead_is_waited_for_longer(scene: Scene) -> None:
    """Another machine's clock said when it was given up; the wait is for what is left by ours."""
    unclear = scene.lost(draft(), committed=False)
    unclear.given_up_at += 5

    assert scene.look(unclear, late_arrival_s=10).ask_again_s == pytest.approx(15)


@pytest.mark.parametrize("arrives", [0.5, 60.0, 119.5, 120.5])
def test_an_invoice_that_arrives_during_the_search_is_adopted(scene: Scene, arrives: float) -> None:
    """Between the first search and the wait's end, or between the last two searches."""
    scene.sandbox.delays.append(arrives)
    unclear = scene.unclear(scene.client.create(draft()))

    found = scene.look(unclear, wait=True)

    assert found.finding is Finding.ADOPTED
    assert scene.sandbox.stored("exante", "N-1") == 1


def test_the_second_search_finds_what_the_first_missed(scene: Scene) -> None:
    """Without waiting, too: the time is over, it is not there, and it is there a second later."""
    scene.sandbox.delays.append(120.5)
    unclear = scene.unclear(scene.client.create(draft()))
    scene.backend.clock += 120

    assert scene.look(unclear).finding is Finding.ADOPTED


@attrs.define
class Shown:
    """Searches of lists that show what is new at some times only.

    Attributes:
        takes_s: seconds for each search.
        hidden: from when until when each list shows nothing new.
    """

    scene: Scene
    known: Invoice
    takes_s: float = 0.1
    hidden: Sequence[tuple[float, float]] = ()
    asked: list[str] = attrs.field(factory=list)

    async def find(self, wanted: Draft) -> tuple[float, Sightings]:
        """Search in the middle of that time."""
        began = self.scene.backend.clock
        when = began + self.takes_s / 2
        self.scene.backend.clock += self.takes_s
        self.asked.append("known" if wanted.number is UNSET else "draft")
        blind = any(first <= when - self.start < last for first, last in self.hidden)
        return began, Sightings(rows=() if blind else (self.known,))

    start: float = attrs.field(init=False)

    @start.default
    def _now(self) -> float:
        return float(self.scene.backend.clock)

    def look(self) -> Reconciliation:
        """Look for a draft."""
        reconciler = Reconciler(
            context=client_context(self.scene.client),
            intent=Intent(operation="create", draft=draft()),
            given_up_at=0.0,
            known_invoice=self.known,
            late_arrival_s=0.0,
            wait=False,
            find=self.find,
        )
        return self.scene.run(reconciler.find_out())  # type: ignore[no-any-return]


def test_a_known_invoice_vouches_before_and_after_a_search(scene: Scene) -> None:
    """A list may hide what is new at both searches, and show it only in between."""
    shown = Shown(scene, scene.run(scene.client.create(draft("KNOWN"))))
    shown.hidden = [(0.0, 0.1), (1.2, 60.0)]

    found = shown.look()

    assert found.finding is Finding.UNKNOWN
    assert "does not find invoice" in found.why
    assert shown.asked == ["draft", "known", "draft", "known"]


@pytest.mark.parametrize(("takes_s", "searches"), [(0.1, 2), (1.3, 2), (1.4, 4), (30.0, 4)])
def test_far_apart_from_what_vouches_more_searches_are_made(
    scene: Scene, takes_s: float, searches: int
) -> None:
    """A list may have been hidden and shown again meanwhile; but a slow one has to do."""
    shown = Shown(scene, scene.run(scene.client.create(draft("KNOWN"))), takes_s)

    assert shown.look().finding is Finding.ABSENT
    assert shown.asked == ["draft", "known"] * searches


def test_a_number_of_another_invoice_names_the_fields_that_differ(scene: Scene) -> None:
    """It is shown as a candidate and never adopted."""
    taken = scene.run(scene.client.create(draft(due_at="2027-01-31T00:00:00Z", currency="USD")))
    unclear = scene.lost(draft(), committed=False)
    scene.backend.clock += 1000

    found = scene.look(unclear)

    assert (found.finding, found.ask_again_s) == (Finding.UNKNOWN, None)
    assert "differs in due_at, currency" in found.why
    assert [each.id for each in found.candidates] == [taken.id]


def test_an_invoice_that_was_changed_since_is_not_adopted(scene: Scene) -> None:
    """The same fields tell: ours or another's, a person must look."""
    unclear = scene.lost(draft(status="DRAFT"), committed=True)
    adopted = scene.look(unclear).invoice
    assert adopted is not None
    scene.run(scene.client.update(adopted.id, Changes(status="SENT")))

    found = scene.look(unclear)

    assert found.finding is Finding.UNKNOWN
    assert "differs in status: another one, or changed since" in found.why


@pytest.mark.parametrize("committed", [True, False])
def test_a_payable_stays_unknown(scene: Scene, *, committed: bool) -> None:
    """No list shows one, so nothing is read and no time helps."""
    unclear = scene.lost(draft(kind="payable"), committed=committed)
    scene.backend.clock += 10_000

    found = scene.look(unclear, wait=True)

    assert (found.finding, found.ask_again_s) == (Finding.UNKNOWN, None)
    assert "receivables only" in found.why
    assert scene.sandbox.requests == scene.backend.sleeps == []


@pytest.mark.parametrize("at", [1, 2, 3], ids=["look", "control", "second search"])
def test_a_search_that_fails_is_unknown_and_can_be_repeated(
    opened: Callable[..., Scene], at: int
) -> None:
    """A failing read tells nothing about the write; the next one does."""
    scene = opened(retry="none")
    scene.run(scene.client.create(draft("CONTROL")))
    unclear = scene.lost(draft(), committed=False)
    scene.backend.clock += 120
    if at > 1:
        scene.sandbox.fault("latency", method="GET", seconds=0, times=at - 1)
    scene.sandbox.fault("status", method="GET", status=503)

    failed, healed = scene.look(unclear), scene.look(unclear)

    assert (failed.finding, failed.ask_again_s) == (Finding.UNKNOWN, 1.0)
    assert "the search failed (ServerError)" in failed.why
    assert healed.finding is Finding.ABSENT


# --- lists that do not add up -------------------------------------------------------------------


def row(number: str | None, uid: str = ID) -> dict[str, object]:
    """Make a row of a list."""
    return {"uid": uid, "invoice_number": number}


def whole(number: str, uid: str = ID) -> dict[str, object]:
    """Make the invoice that ``Draft(number=..., counterparty=ID)`` asks for."""
    return {
        **row(number, uid),
        "parties": {"client": {"uid": ID}},
        "target_party_uid": ID,
        "document_uid": ID,
    }


def listed(*pages: list[dict[str, object]], **meta: object) -> Callable[[Any], Any]:
    """Answer the POST with silence, lists with *pages*, and each invoice as it was asked for."""

    def response(request: Any) -> Any:
        if request.method == "POST":
            return errors.TimedOutError("no response came in time.", evidence=SENT)
        path, _, query = request.url.partition("?")
        asked = dict(each.split("=") for each in query.split("&") if query)
        if not asked:
            uid = path.rpartition("/")[2]
            numbers = {each["uid"]: each["invoice_number"] for page in pages for each in page}
            return _enveloped(whole(str(numbers[uid]), uid))
        page = int(asked["page"])
        about = {"page": page, "total_pages": len(pages), **meta}
        return _enveloped({"items": pages[page - 1] if page <= len(pages) else [], "_meta": about})

    return response


def _enveloped(data: object) -> Any:
    body = {"status": "success", "status_code": 200, "message": "", "data": data}
    return MemoryTransport.json(json.dumps(body))


@pytest.fixture
def looked(backend: Any, step: Any) -> Callable[..., Reconciliation]:
    """Return a function that creates ``A`` in vain and looks for it in given pages."""

    def look(*pages: list[dict[str, object]], number: str = "A", **meta: object) -> Reconciliation:
        transport = MemoryTransport(listed(*pages, **meta))
        client = AsyncClient("exante", transport=transport, backend=backend, organization=ID)
        with pytest.raises(OutcomeUnknown) as caught:
            step(client.create(Draft(number=number, counterparty=ID, owner=ID, document=ID)))
        control = Invoice(id=OTHER_ID, counterparty=Party(id=ID))
        found: Reconciliation = step(
            client.reconcile(caught.value, late_arrival_s=0, wait=True, known_invoice=control)
        )
        assert [each.method for each in transport.requests[1:]] == ["GET"] * (
            len(transport.requests) - 1
        )
        return found

    return look


def test_one_whole_page_with_the_known_invoice_proves_absence(looked: Any) -> None:
    """So the lists below fail for their own reason and for no other."""
    found = looked([row("CONTROL", OTHER_ID)], total_items=1)

    assert found.finding is Finding.ABSENT


@pytest.mark.parametrize(
    ("pages", "meta", "why"),
    [
        ([[row("CONTROL", OTHER_ID)], [row("B")]], {}, "more than one page"),
        ([[], [row("CONTROL", OTHER_ID)]], {}, "more than one page"),
        ([[row("CONTROL", OTHER_ID)]], {"total_pages": None}, "how many pages"),
        ([[row("CONTROL", OTHER_ID)]], {"total_items": 2}, "counts 2 rows and showed 1"),
        ([[]], {}, "none of the counterparty's invoices"),
        ([[row(None, OTHER_ID)]], {"total_items": 7}, "counts 7 rows"),
        ([[row("CONTROL", OTHER_ID), row(" a ")]], {}, "letter for letter"),
    ],
    ids=["two pages", "first empty", "no count", "rows missing", "stranger", "nameless", "alike"],
)
def test_a_list_that_may_hide_a_row_proves_nothing(
    looked: Any, pages: Any, meta: Any, why: str
) -> None:
    """Rows slip between pages, and a provider that trims a number hides it from us."""
    found = looked(*pages, **meta)

    assert (found.finding, found.ask_again_s) == (Finding.UNKNOWN, None)
    assert why in found.why


def test_a_match_on_a_later_page_is_adopted(looked: Any) -> None:
    """Presence needs no whole list."""
    assert looked([row("B", OTHER_ID)], [row("A")]).finding is Finding.ADOPTED


def test_a_row_that_is_met_on_two_pages_is_one_invoice(looked: Any) -> None:
    """It slipped to the next page while the pages were read."""
    assert looked([row("A")], [row("A")]).finding is Finding.ADOPTED


def test_two_invoices_of_the_number_are_candidates(looked: Any) -> None:
    """Which of them is ours, nothing tells."""
    found = looked([row("A"), row("A", OTHER_ID)])

    assert (found.finding, found.ask_again_s) == (Finding.UNKNOWN, None)
    assert "2 invoices have the number 'A'" in found.why
    assert [each.id for each in found.candidates] == [ID, OTHER_ID]


# --- Kukkingu -----------------------------------------------------------------------------------


def test_a_list_without_pages_proves_as_much(opened: Callable[..., Scene]) -> None:
    """Its rows are invoices, so one request finds and compares."""
    scene = opened("kukkingu")
    control = scene.run(scene.client.create(bill("CONTROL")))
    lost = scene.lost(bill("N-2"), committed=False)
    early = scene.look(lost)
    scene.backend.clock += 120
    absent = scene.look(lost, known_invoice=control)
    unclear = scene.lost(bill(), committed=True)
    adopted = scene.look(unclear)

    assert (early.finding, absent.finding) == (Finding.UNKNOWN, Finding.ABSENT)
    assert adopted.finding is Finding.ADOPTED
    assert scene.sandbox.requests == ["GET /api/v1/invoices"]


def test_a_tenants_list_names_the_fields_that_differ(opened: Callable[..., Scene]) -> None:
    """Amounts and rates are compared exactly."""
    scene = opened("kukkingu")
    scene.run(scene.client.create(bill(exchange_rate="1.250000001")))
    unclear = scene.lost(bill(), committed=False)

    assert "differs in exchange_rate" in scene.look(unclear).why


# --- changes, deletions, acts -------------------------------------------------------------------


@pytest.fixture
def three(scene: Scene) -> tuple[Scene, list[str]]:
    """Return a scene with three more invoices."""
    return scene, [scene.run(scene.client.create(draft(f"T-{each}"))).id for each in range(3)]


def test_an_update_is_adopted_where_every_field_fits(three: tuple[Scene, list[str]]) -> None:
    """At once, with the invoice as it is now."""
    scene, (first, *_) = three
    scene.sandbox.lose("PUT", committed=True)
    changes = Changes(due_at="2027-02-28T00:00:00Z", collection_method="charge_automatically")
    unclear = scene.unclear(scene.client.update(first, changes))

    found = scene.look(unclear)

    assert found.finding is Finding.ADOPTED
    assert found.invoice is not None
    assert (found.invoice.id, str(found.invoice.due_at)) == (first, "2027-02-28 00:00:00+00:00")
    assert scene.sandbox.requests == [ONE]


def test_an_update_that_did_not_arrive_is_absent_after_the_time_for_late_requests(
    three: tuple[Scene, list[str]],
) -> None:
    """Before that it is unknown, with the invoice as a candidate; waiting looks again."""
    scene, (first, *_) = three
    scene.sandbox.lose("PUT", committed=False)
    unclear = scene.unclear(scene.client.update(first, Changes(status="SENT")))

    early, late = scene.look(unclear), scene.look(unclear, wait=True)

    assert (early.finding, early.ask_again_s) == (Finding.UNKNOWN, pytest.approx(120))
    assert f"{first}: status" in early.why
    assert [each.id for each in early.candidates] == [first]
    assert late.finding is Finding.ABSENT
    assert scene.backend.sleeps == [pytest.approx(120)]
    assert scene.sandbox.requests == [ONE] * 3


def test_an_update_that_arrives_late_is_adopted(three: tuple[Scene, list[str]]) -> None:
    """The wait is for it."""
    scene, (first, *_) = three
    scene.sandbox.delays.append(60)
    unclear = scene.unclear(scene.client.update(first, Changes(status="SENT")))

    assert scene.look(unclear, wait=True).finding is Finding.ADOPTED


def test_a_batch_is_adopted_absent_or_neither(three: tuple[Scene, list[str]]) -> None:
    """All have the values, none has, or some: then no read can say who wrote them."""
    scene, ids = three
    scene.sandbox.lose("PUT", committed=False)
    batch = {each: Changes(status="SENT") for each in ids}
    unclear = scene.unclear(scene.client.update_many(batch))
    scene.backend.clock += 120
    none = scene.look(unclear)
    scene.run(scene.client.update(ids[1], Changes(status="SENT")))
    some = scene.look(unclear)
    scene.run(scene.client.update_many(batch))
    every = scene.look(unclear)

    assert [each.finding for each in (none, some, every)] == [
        Finding.ABSENT, Finding.UNKNOWN, Finding.ADOPTED,
    ]  # fmt: skip
    assert "only some invoices" in some.why
    assert [each.id for each in some.candidates] == ids
    assert [each.id for each in every.invoices] == ids
    assert every.invoice is None


def test_a_deletion_is_adopted_absent_or_neither(three: tuple[Scene, list[str]]) -> None:
    """None is left, all are, or some."""
    scene, ids = three
    scene.sandbox.lose("DELETE", committed=False)
    unclear = scene.unclear(scene.client.delete_many(ids))
    early = scene.look(unclear)
    scene.backend.clock += 120
    every = scene.look(unclear)
    scene.run(scene.client.delete_many(ids[:1]))
    some = scene.look(unclear)
    scene.run(scene.client.delete_many(ids[1:]))
    none = scene.look(unclear)

    assert [each.finding for each in (early, every, some, none)] == [
        Finding.UNKNOWN, Finding.ABSENT, Finding.UNKNOWN, Finding.ADOPTED,
    ]  # fmt: skip
    assert "2 of 3 are still there" in some.why
    assert [each.id for each in some.candidates] == ids[1:]


def test_a_page_of_a_proxy_is_no_deletion(three: tuple[Scene, list[str]]) -> None:
    """It says nothing of an invoice."""
    scene, ids = three
    scene.sandbox.lose("DELETE", committed=False)
    unclear = scene.unclear(scene.client.delete_many(ids))
    scene.backend.clock += 120
    scene.sandbox.fault("status", method="GET", status=404, body_kind="html", times=3)
    found = scene.look(unclear)

    assert found.finding is Finding.UNKNOWN
    assert "a page in the place of JSON" in found.why


@pytest.mark.parametrize(("act", "status"), [("finalize", "FINALIZED"), ("void", "VOID")])
def test_an_act_is_adopted_or_absent_by_the_status(
    opened: Callable[..., Scene], act: str, status: str
) -> None:
    """Unknown while a late request may arrive; then the status decides."""
    scene = opened("kukkingu")
    invoice = scene.run(scene.client.create(bill()))
    scene.sandbox.lose(committed=False)
    unclear = scene.unclear(getattr(scene.client, act)(invoice.id))

    early, absent = scene.look(unclear), scene.look(unclear, wait=True)
    scene.run(getattr(scene.client, act)(invoice.id))
    adopted = scene.look(unclear)

    assert (early.finding, absent.finding) == (Finding.UNKNOWN, Finding.ABSENT)
    assert "the invoice is DRAFT, but" in early.why
    assert adopted.finding is Finding.ADOPTED
    assert adopted.invoice is not None
    assert adopted.invoice.status == status


KATSU = Replacement(
    counterparty=ID, counterparty_name="n", receiving_account=ID, account_name="a",
    due_at="2026-12-31T00:00:00Z", currency="EUR", lines=[], taxes=[], discount=None,
    description="whole", billing_cycle=1, recurring=False, payment_methods=[], notifications=[],
    remind_days_before=[], remind_days_after=[], remind_on_due_date=False,
)  # fmt: skip


def test_a_replacement_cannot_be_read_back(backend: Any, step: Any) -> None:
    """Katsu documents no read: unknown for ever, without a request."""
    transport = MemoryTransport([errors.TimedOutError("x", evidence=SENT)])
    client = AsyncClient(
        providers.katsu(currencies={"EUR": 1}), transport=transport, backend=backend
    )
    with pytest.raises(OutcomeUnknown) as caught:
        step(client.update(ID, KATSU))

    found = step(client.reconcile(caught.value, wait=True, late_arrival_s=0))

    assert (found.finding, found.ask_again_s) == (Finding.UNKNOWN, None)
    assert "katsu documents no way to read it back" in found.why
    assert len(transport.requests) == 1


@pytest.mark.parametrize(
    "call",
    [lambda c: c.create(Draft(number="1")), lambda c: c.finalize("i1")],
    ids=["create", "finalize"],
)
def test_a_dialect_without_find_stays_unknown(backend: Any, step: Any, call: Any) -> None:
    """It neither finds drafts nor says which status an act ends in; nothing is adopted for it."""
    client, _ = client_of(backend, [errors.TimedOutError("x", evidence=SENT), say(), say()])
    with pytest.raises(OutcomeUnknown) as caught:
        step(call(client))

    assert step(client.reconcile(caught.value)).finding is Finding.UNKNOWN


# --- who may ask, and how -----------------------------------------------------------------------


class _Hasty:
    """A wall clock that runs on with every wait, which takes no time."""

    epoch = 1_800_000_000.0
    slept = 0.0

    def wall(self) -> float:
        return self.epoch + self.slept

    async def sleep(self, seconds: float) -> None:
        self.slept += seconds


class HastyStepping(_Hasty, SyncBackend):
    """A blocking backend that never waits."""


class HastyAnyio(_Hasty, AnyioBackend):
    """A backend on an event loop that never waits, and lets other tasks run."""

    async def sleep(self, seconds: float) -> None:
        await anyio.lowlevel.checkpoint()
        self.slept += seconds


class HastyPortal(HastyAnyio, PortalBackend):
    """A portal that never waits."""


@pytest.mark.anyio
async def test_on_an_event_loop_error_and_client_find_out_the_same() -> None:
    """Both are awaited, on asyncio and on trio."""
    sandbox = LateSandbox()
    async with client_on(sandbox, HastyAnyio()) as client:
        await client.create(draft("CONTROL"))
        sandbox.lose(committed=False)
        with pytest.raises(OutcomeUnknown) as caught:
            await client.create(draft())
        early = await caught.value.reconcile()
        absent = await caught.value.reconcile(wait=True)
        sandbox.lose(committed=True)
        with pytest.raises(OutcomeUnknown) as caught:
            await client.create(draft())

        assert (early.finding, absent.finding) == (Finding.UNKNOWN, Finding.ABSENT)
        assert await caught.value.reconcile() == await client.reconcile(caught.value)
        assert (await caught.value.reconcile()).finding is Finding.ADOPTED


@pytest.mark.parametrize("make", [HastyStepping, HastyPortal], ids=["stepping", "portal"])
def test_an_error_of_a_blocking_client_finds_out_before_it_returns(make: Any) -> None:
    """What it returns is the reconciliation itself, and can be awaited too."""
    sandbox = LateSandbox()
    with Client("exante", transport=sandbox, backend=make(), organization=ORGANIZATION) as client:
        client.create(draft("CONTROL"))
        sandbox.lose(committed=False)
        with pytest.raises(OutcomeUnknown) as caught:
            client.create(draft())
        early = caught.value.reconcile()
        absent = caught.value.reconcile(wait=True)
        sandbox.lose(committed=True)
        with pytest.raises(OutcomeUnknown) as caught:
            client.create(draft())
        adopted = caught.value.reconcile()

    async def awaited() -> Reconciliation:
        return await adopted

    assert isinstance(early, Reconciliation)
    assert isinstance(absent, Reconciliation)
    assert isinstance(adopted, Reconciliation)
    assert (early.finding, absent.finding) == (Finding.UNKNOWN, Finding.ABSENT)
    assert adopted.finding is Finding.ADOPTED
    assert anyio.run(awaited) is adopted


def test_a_blocking_client_and_its_errors_find_out_the_same() -> None:
    """``client.reconcile(error)`` has the plain type."""
    sandbox = LateSandbox()
    with Client("exante", transport=sandbox, backend=HastyStepping()) as client:
        sandbox.lose(committed=True)
        with pytest.raises(OutcomeUnknown) as caught:
            client.create(draft())

        assert client.reconcile(caught.value) == caught.value.reconcile()


@pytest.mark.parametrize("make", [HastyStepping, HastyPortal], ids=["stepping", "portal"])
def test_a_blocking_client_finds_out_with_each_backend(make: Any) -> None:
    """The search runs where the client's core runs, once."""
    sandbox = LateSandbox()
    with Client("exante", transport=sandbox, backend=make(), organization=ORGANIZATION) as client:
        sandbox.lose(committed=True)
        with pytest.raises(OutcomeUnknown) as caught:
            client.create(draft())

        assert client.reconcile(caught.value).finding is Finding.ADOPTED


def test_a_sibling_finds_out_as_its_client_does(scene: Scene) -> None:
    """Its errors too."""
    sibling = scene.client.with_options(deadline=5)
    scene.sandbox.lose(committed=True)
    unclear = scene.unclear(sibling.create(draft()))

    assert scene.run(unclear.reconcile()).finding is Finding.ADOPTED
    assert scene.look(unclear).finding is Finding.ADOPTED


def test_a_sibling_of_the_same_account_remembers_the_known_invoice(scene: Scene) -> None:
    """What the first client created, the search of a client for one call must find too."""
    sibling = scene.client.with_options(deadline=5)
    scene.sandbox.lose(committed=False)
    unclear = scene.unclear(sibling.create(draft()))
    scene.backend.clock += 120

    assert scene.run(sibling.reconcile(unclear)).finding is Finding.ABSENT


@pytest.mark.parametrize("created_by", ["client", "sibling"])
def test_a_sibling_with_another_token_does_not_inherit_the_known_invoice(
    opened: Callable[..., Scene], created_by: str
) -> None:
    """Its credential may see other invoices, so what one of them created proves nothing there."""
    scene = opened(token=ACCOUNTS["exante"].token)
    same = scene.client.with_options(deadline=5)
    other = scene.client.with_options(token=lambda: ACCOUNTS["exante"].token)
    creator = scene.client if created_by == "client" else same
    scene.run(creator.create(draft("CONTROL")))
    scene.sandbox.lose(committed=False)
    unclear = scene.unclear(scene.client.create(draft(due_at="2027-06-30T00:00:00Z")))
    scene.backend.clock += 120

    absent = scene.run(same.reconcile(unclear))
    unknown = scene.run(other.reconcile(unclear))

    assert absent.finding is Finding.ABSENT
    assert unknown.finding is Finding.UNKNOWN
    assert "no invoice is known that the same search must find" in unknown.why


def test_a_sibling_of_another_organization_does_not_inherit_the_known_invoice(
    scene: Scene,
) -> None:
    """The search there cannot find it."""
    sibling = scene.client.with_options(organization=SECOND_ORGANIZATION)
    scene.sandbox.lose(committed=False)
    unclear = scene.unclear(sibling.create(draft()))
    scene.backend.clock += 120

    assert sibling._context.recent.created is None
    assert scene.run(sibling.reconcile(unclear)).finding is Finding.UNKNOWN


@pytest.mark.parametrize("part", ["tenant", "base_url", "organization"])
def test_each_part_of_an_account_tells_it_apart(backend: Any, step: Any, part: str) -> None:
    """An error of one tenant, organization or address is refused by a client of another."""
    given: dict[str, Any] = {"base_url": "https://one.example"}
    other: dict[str, Any] = {"base_url": "https://two.example"}
    if part == "organization":
        given, other = {"organization": ID}, {"organization": OTHER_ID}
    provider = "exante" if part == "organization" else "kukkingu"
    if part == "tenant":
        given, other = {"tenant": "tnt_" + "1" * 24}, {"tenant": "tnt_" + "2" * 24}
    elif part == "base_url":
        given["tenant"] = other["tenant"] = "tnt_" + "1" * 24
    transport = MemoryTransport([errors.TimedOutError("x", evidence=SENT)])
    client = AsyncClient(provider, transport=transport, backend=backend, token="t", **given)
    changes = {ID: Changes(number="2")} if provider == "exante" else None
    with pytest.raises(OutcomeUnknown) as caught:
        step(client.update_many(changes) if changes else client.void("inv_" + "a" * 24))
    stranger = AsyncClient(provider, transport=transport, backend=backend, token="t", **other)
    transport.requests.clear()

    with pytest.raises(
        errors.InvalidInputError, match=f"with {part.replace('base_url', 'base URL')}"
    ):
        step(stranger.reconcile(caught.value))
    assert transport.requests == []
    assert client._context.account != stranger._context.account
    assert given[part] in client._context.account


def test_a_pickled_error_needs_a_client(scene: Scene) -> None:
    """It keeps what was meant and when, not the client; the refusal says what to call."""
    unclear = scene.lost(draft(), committed=True)
    thawed = pickle.loads(pickle.dumps(unclear))  # noqa: S301 - our own
    with pytest.raises(errors.ConfigurationError, match=r"client\.reconcile\(error\)"):
        thawed.reconcile()

    assert (thawed.intent, thawed.given_up_at) == (unclear.intent, unclear.given_up_at)
    assert (thawed.attempts, thawed.request) == (unclear.attempts, unclear.request)
    assert thawed.explain() == unclear.explain()
    assert scene.look(thawed).finding is Finding.ADOPTED


IN_ANOTHER_PROCESS = """
import pickle, sys
from billingual import Client
unclear = pickle.load(sys.stdin.buffer)
base_url, _, organization = unclear.account
with Client(
    "exante", transport="sandbox", base_url=base_url, organization=organization
) as client:
    client.create(unclear.intent.draft)
    print(client.reconcile(unclear).finding.value)
"""


def test_a_pickled_error_is_reconciled_in_another_process(scene: Scene) -> None:
    """With a client of its own there, which here finds its own twin of the invoice."""
    unclear = scene.lost(draft(), committed=True)
    run = subprocess.run(
        [sys.executable, "-W", "error", "-c", IN_ANOTHER_PROCESS],
        input=pickle.dumps(unclear), capture_output=True, check=False, timeout=120,
    )  # fmt: skip

    assert (run.stderr, run.stdout.split()) == (b"", [b"adopted"])


def test_a_write_of_another_account_is_refused(scene: Scene) -> None:
    """There it is absent in any case, which proves nothing."""
    unclear = scene.lost(draft(), committed=True)
    elsewhere = scene.client.with_options(organization="550e8400-e29b-41d4-a716-446655440099")

    with pytest.raises(errors.InvalidInputError, match="it was sent with organization"):
        scene.run(elsewhere.reconcile(unclear))
    assert scene.sandbox.requests == []


def test_a_closed_client_refuses_to_reconcile(scene: Scene) -> None:
    """That is the program's fault and no finding."""
    unclear = scene.lost(draft(), committed=True)
    scene.run(scene.client.aclose())

    with pytest.raises(errors.ClosedError):
        scene.look(unclear)
    with pytest.raises(errors.ClosedError):
        scene.run(unclear.reconcile())
    assert scene.sandbox.requests == []


WRONG = {
    "another error": lambda c, u: c.reconcile(errors.TimedOutError("x")),
    "no error": lambda c, u: c.reconcile("x"),
    "late arrival text": lambda c, u: c.reconcile(u, late_arrival_s="1"),
    "late arrival bool": lambda c, u: c.reconcile(u, late_arrival_s=True),
    "late arrival negative": lambda c, u: c.reconcile(u, late_arrival_s=-1),
    "late arrival endless": lambda c, u: c.reconcile(u, late_arrival_s=float("inf")),
    "late arrival nan": lambda c, u: c.reconcile(u, late_arrival_s=float("nan")),
    "known invoice by id": lambda c, u: c.reconcile(u, known_invoice=ID),
    "known invoice by draft": lambda c, u: c.reconcile(u, known_invoice=draft()),
}


@pytest.mark.parametrize("wrong", WRONG)
def test_wrong_arguments_are_refused_before_any_request(scene: Scene, wrong: str) -> None:
    """Wrong kinds and times that are none, by their argument's name."""
    unclear = scene.lost(draft(), committed=True)
    with pytest.raises(errors.InvalidInputError) as caught:
        scene.run(WRONG[wrong](scene.client, unclear))

    assert caught.value.field in {"unclear", "late_arrival_s", "known_invoice"}
    assert scene.sandbox.requests == []


def test_the_error_refuses_wrong_arguments_as_the_client_does(scene: Scene) -> None:
    """Before any request."""
    unclear = scene.lost(draft(), committed=True)
    with pytest.raises(errors.InvalidInputError, match="late_arrival_s"):
        scene.run(unclear.reconcile(late_arrival_s=-1))

    assert scene.sandbox.requests == []


def test_a_write_of_another_provider_is_refused(scene: Scene, opened: Callable[..., Scene]) -> None:
    """Its absence here would be no news."""
    unclear = opened("kukkingu").lost(bill(), committed=True)
    scene.sandbox.requests.clear()
    with pytest.raises(errors.InvalidInputError, match="a write to kukkingu"):
        scene.look(unclear)

    assert scene.sandbox.requests == []


def test_an_error_without_its_intent_stays_unknown(scene: Scene) -> None:
    """A foreign operation told nothing of what it meant."""
    unclear = scene.lost(draft(), committed=True)
    unclear.intent = None

    assert scene.look(unclear).finding is Finding.UNKNOWN
    assert scene.sandbox.requests == []


def test_an_intent_holds_operation_and_draft(scene: Scene) -> None:
    """It is what a ledger would keep."""
    unclear = scene.lost(draft(), committed=True)

    assert unclear.intent is not None
    assert (unclear.intent.operation, unclear.intent.draft) == (Feature.CREATE, draft())
    assert unclear.given_up_at == scene.backend.wall()
