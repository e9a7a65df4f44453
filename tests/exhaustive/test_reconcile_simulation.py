"""Creates through a bad network, reconciled and sent again where absent: none doubled, none lost.

In virtual time, through the whole client. Each attempt of a create may be refused, lost, carried
out without a response, carried out a minute late, answered by a 5xx before or after the write,
or cut short; one read in ten fails, and lists lag three seconds. The caller reconciles at random
moments, waiting or not, and sends again only what is absent. The same caller with less patience
than the network takes shows that the simulation can tell.
"""

from __future__ import annotations

import itertools
import json
import random
from collections import Counter
from collections.abc import Iterator
from typing import Any, Final
from urllib.parse import parse_qs, urlsplit

import attrs
import pytest

from billingual import (
    AsyncClient,
    Draft,
    Finding,
    InvoiceSummary,
    MemoryTransport,
    OutcomeUnknown,
    Party,
    errors,
)
from billingual.abc import Account
from billingual.outcomes import Evidence
from billingual.wire import Bounds, WireRequest, WireResponse

ORGANIZATION: Final = "00000000-0000-4000-8000-00000000000a"
OWNER: Final = "00000000-0000-4000-8000-00000000000b"
LATEST_S: Final = 60.0
LAG_S: Final = 3.0
SENT: Final = Evidence(connected=True, request_complete=True, response_begun=False)
UNSENT: Final = Evidence(connected=False, request_complete=False, response_begun=False)
FAULTS: Final = (
    "refused", "lost", "lost response", "late", "503 before", "500 after", "truncated",
)  # fmt: skip
ROUNDS: Final = 40


@attrs.frozen
class Stored:
    """An invoice of the provider."""

    record: dict[str, Any]
    party: str
    payable: bool
    since: float


@attrs.define
class Provider:
    """Exante as its pages describe it, behind a bad network."""

    backend: Any
    chance: random.Random
    bad: float = 0.4
    invoices: dict[str, Stored] = attrs.field(factory=dict)
    by_party: dict[str, list[str]] = attrs.field(factory=dict)
    late: list[tuple[float, bytes]] = attrs.field(factory=list)
    met: Counter[str] = attrs.field(factory=Counter)
    serial: Iterator[int] = attrs.field(factory=lambda: itertools.count(1))

    supports = frozenset({"async", "sync"})

    async def send(self, request: WireRequest, bounds: Bounds) -> WireResponse:
        """Response, or fail as the network does."""
        self.backend.clock += self.chance.uniform(0.02, 0.5)
        self._arrive()
        if request.method == "POST":
            return self._create(request.body or b"")
        if self.chance.random() < 0.1 * (self.bad > 0):
            raise errors.ConnectionLostError("lost.", evidence=SENT)
        path, query = urlsplit(request.url).path, parse_qs(urlsplit(request.url).query)
        return self._list(query) if query else self._one(path.rpartition("/")[2])

    async def aclose(self) -> None:
        """Do nothing."""

    def account(self, provider: str) -> Account | None:
        """Return an address that leads nowhere."""
        return Account(base_url=f"http://{provider}.memory.localhost")

    def _arrive(self) -> None:
        due = [each for each in self.late if each[0] <= self.backend.clock]
        self.late = [each for each in self.late if each[0] > self.backend.clock]
        for at, body in due:
            self.store(body, at)

    def settle(self) -> None:
        """Let everything arrive."""
        self.backend.clock += 10 * LATEST_S
        self._arrive()

    def _create(self, body: bytes) -> WireResponse:
        fault = self.chance.choice(FAULTS) if self.chance.random() < self.bad else "none"
        self.met[fault] += 1
        if fault == "refused":
            raise errors.NotConnectedError("refused.", evidence=UNSENT)
        if fault == "lost":
            raise errors.TimedOutError("no response.", evidence=SENT)
        if fault == "late":
            wait = self.chance.uniform(0, LATEST_S)
            self.late.append((self.backend.clock + wait, body))
            raise errors.TimedOutError("no response.", evidence=SENT)
        if fault == "503 before":
            return MemoryTransport.json('{"message": "no"}', status=503)
        record = self.store(body, self.backend.clock)
        if fault == "lost response":
            raise errors.ConnectionLostError("lost.", evidence=SENT)
        if fault == "500 after":
            return MemoryTransport.json('{"message": "no"}', status=500)
        text = _enveloped(record)
        return MemoryTransport.json(text[: len(text) // 2] if fault == "truncated" else text)

    def store(self, body: bytes, since: float) -> dict[str, Any]:
        """Write an invoice; numbers may come twice, as nothing documents that they must not."""
        given = json.loads(body)
        serial = next(self.serial)
        uid, party = f"10000000-0000-4000-8000-{serial:012d}", given["target_party_uid"]
        record = {
            **{key: each for key, each in given.items() if key != "owner_uid"},
            "uid": uid,
            "invoice_number": given.get("invoice_number") or f"AUTO-{serial}",
            "parties": {"client": {"uid": party}},
        }
        payable = given.get("invoice_type") == "ACCOUNTS_PAYABLE"
        self.invoices[uid] = Stored(record, party, payable, since)
        self.by_party.setdefault(party, []).append(uid)
        return record

    def _list(self, query: dict[str, list[str]]) -> WireResponse:
        assert query["organization_uid"] == [ORGANIZATION]
        seen = [
            {key: stored.record[key] for key in ("uid", "invoice_number", "parties")}
            for uid in self.by_party.get(query["party_uids"][0], [])
            if not (stored := self.invoices[uid]).payable
            and stored.since <= self.backend.clock - LAG_S
        ]
        size, page = int(query["per_page"][0]), int(query["page"][0])
        meta = {
            "page": page, "total_pages": -(-len(seen) // size), "total_items": len(seen),
        }  # fmt: skip
        items = seen[(page - 1) * size : page * size]
        return MemoryTransport.json(_enveloped({"items": items, "_meta": meta}))

    def _one(self, uid: str) -> WireResponse:
        return MemoryTransport.json(_enveloped(self.invoices[uid].record))


def _enveloped(data: object) -> str:
    return json.dumps({"status": "success", "status_code": 200, "message": "", "data": data})


@attrs.define
class Run:
    """One caller and what became of his intents."""

    backend: Any
    step: Any
    chance: random.Random
    settle: float
    provider: Provider = attrs.field(init=False)
    client: AsyncClient = attrs.field(init=False)
    ends: dict[str, str] = attrs.field(factory=dict)

    def __attrs_post_init__(self) -> None:
        self.provider = Provider(self.backend, self.chance)
        self.client = AsyncClient(
            "exante", transport=self.provider, backend=self.backend, organization=ORGANIZATION
        )

    def carry_out(self, amount: int) -> None:
        """Bring each intent to an end, one after another."""
        for index in range(amount):
            number, kind = f"N-{index}", self.chance.random()
            if kind < 0.04:
                self._drive(number, _draft(number, index, kind="payable"))
            elif kind < 0.08:
                # Its counterparty was never seen in the organization.
                self._drive(number, _draft(number, index))
            else:
                self._first_of(index)
                self._drive(number, _draft(number, index))
        self.provider.settle()

    def _first_of(self, index: int) -> None:
        earlier = _draft(f"EARLIER-{index}", index)
        uid = self.provider.store(
            self.client.preview.create(earlier).body or b"", self.backend.clock - 1000
        )["uid"]
        control = InvoiceSummary(id=uid, counterparty=Party(id=_party(index)))
        self.control = control

    control: InvoiceSummary | None = None

    def _drive(self, number: str, draft: Draft) -> None:
        for _ in range(ROUNDS):
            try:
                self.step(self.client.create(draft))
            except OutcomeUnknown as unclear:
                finding = self._found_out(unclear)
            except errors.BillingualError:
                finding = Finding.ABSENT
            else:
                finding = Finding.ADOPTED
            if finding is not Finding.ABSENT:
                self.ends[number] = finding.value
                return
        self.ends[number] = "given up"

    def _found_out(self, unclear: OutcomeUnknown) -> Finding:
        for _ in range(ROUNDS):
            self.backend.clock += self.chance.choice((0.0, self.chance.uniform(0, 200)))
            found = self.step(
                self.client.reconcile(
                    unclear,
                    late_arrival_s=self.settle,
                    wait=self.chance.random() < 0.5,
                    known_invoice=self.control,
                )
            )
            if found.finding is not Finding.UNKNOWN or found.ask_again_s is None:
                finding: Finding = found.finding
                return finding
        return Finding.UNKNOWN

    def copies(self) -> Counter[str]:
        """Count the provider's invoices by number."""
        return Counter(each.record["invoice_number"] for each in self.provider.invoices.values())

    def doubled(self) -> list[str]:
        """List the numbers that are there more than once."""
        return [number for number, count in self.copies().items() if count > 1]

    def lost(self) -> list[str]:
        """List what was said to be done and is not there."""
        copies = self.copies()
        return [each for each, end in self.ends.items() if end == "adopted" and not copies[each]]

    def unknown(self) -> list[str]:
        """List what stayed unknown."""
        return [number for number, end in self.ends.items() if end == "unknown"]


def _party(index: int) -> str:
    return f"20000000-0000-4000-8000-{index:012d}"


def _draft(number: str, index: int, **changes: Any) -> Draft:
    party = _party(index)
    given = {"counterparty": party, "owner": OWNER, "document": party, **changes}
    return Draft(number=number, due_at="2026-12-31T00:00:00Z", **given)


@pytest.fixture
def carried_out(make_backend: Any, step: Any, proof: Any) -> Any:
    """Return a function that lets a caller with some patience carry out many intents."""

    def carry_out(settle: float, amount: int) -> Run:
        run = Run(make_backend(), step, random.Random(proof.seed), settle)  # noqa: S311 - seeded
        run.carry_out(amount)
        return run

    return carry_out


def test_nothing_is_doubled_and_nothing_is_lost(carried_out: Any, proof: Any) -> None:
    """With a time to settle that is longer than the network's longest."""
    amount = proof.amount(300, 20_000)
    run = carried_out(120.0, amount)
    seed = f"seed {proof.seed}"

    assert run.doubled() == [], seed
    assert run.lost() == [], seed
    assert set(run.ends.values()) <= {"adopted", "unknown"}, seed
    assert len(run.ends) == amount
    assert set(run.provider.met) == {*FAULTS, "none"}, seed


def test_unknown_is_only_what_cannot_be_seen(carried_out: Any, proof: Any) -> None:
    """Payables, and invoices of a counterparty that the organization has no invoice of."""
    run = carried_out(120.0, proof.amount(300, 20_000))
    seen = {
        stored.party
        for stored in run.provider.invoices.values()
        if stored.record["invoice_number"].startswith("EARLIER")
    }
    unknown = run.unknown()
    blind = [number for number in unknown if _party(int(number.removeprefix("N-"))) not in seen]

    assert unknown == blind, f"seed {proof.seed}"
    assert 0 < len(unknown) < len(run.ends) // 20, f"seed {proof.seed}"


@pytest.mark.parametrize("settle", [0.0, 20.0])
def test_less_patience_than_the_network_takes_doubles(
    carried_out: Any, proof: Any, settle: float
) -> None:
    """So the simulation would show it: late requests arrive after the invoice was sent again."""
    run = carried_out(settle, proof.amount(300, 5_000))

    assert run.doubled() != [], f"seed {proof.seed}"
    assert run.lost() == [], f"seed {proof.seed}"
