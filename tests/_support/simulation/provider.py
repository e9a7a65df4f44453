"""Two providers behind a bad network, written from their documentation alone.

Exante documents no unique numbers, Kukkingu does. A request that was given up may arrive up to a
minute later, or never. What reads show is up to three seconds old, and for some time a list may
show nothing that is new, without a word about it.
"""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from bisect import bisect_right
from collections import Counter
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any, ClassVar, Final
from urllib.parse import parse_qs, urlsplit

import attrs

from _support.simulation.history import CREATED, Event
from _support.simulation.kernel import EPOCH, Kernel, suspend
from billingual import errors
from billingual.abc import Account
from billingual.outcomes import Evidence
from billingual.wire import Bounds, Headers, WireRequest, WireResponse

__all__ = [
    "LAG_S",
    "LATEST_S",
    "ORGANIZATION",
    "OTHER_ORGANIZATION",
    "TENANT",
    "WRITE_FAULTS",
    "Exante",
    "Kukkingu",
    "Provider",
]

LATEST_S: Final = 60.0
"""A request that was given up arrives within so many seconds, or never."""

LAG_S: Final = 3.0
"""What a read shows is at most so old."""

ORGANIZATION: Final = "00000000-0000-4000-8000-00000000000a"
OTHER_ORGANIZATION: Final = "00000000-0000-4000-8000-00000000000d"
TENANT: Final = "tnt_" + "t" * 24
REFUSED_YEAR: Final = "2099"
"""The provider refuses due dates in this year."""

WRITE_FAULTS: Final = (
    "refused", "lost", "lost response", "late", "late", "503 before", "500 after", "truncated",
    "slow", "429",
)  # fmt: skip
_ROW: Final = ("uid", "invoice_number", "issue_date", "due_date", "parties")
READ_FAULTS: Final = ("lost", "refused", "503 before", "truncated")
_SENT: Final = Evidence(connected=True, request_complete=True, response_begun=False)
_UNSENT: Final = Evidence(connected=False, request_complete=False, response_begun=False)


@attrs.define
class Stored:
    """An invoice, and all that it ever was.

    Attributes:
        group: the counterparty or contract under which lists show it.
        organization: in whose lists it is.
        payable: whether lists leave it out.
        times: when it changed.
        records: what it was from then on.
    """

    group: str
    organization: str
    payable: bool
    times: list[float]
    records: list[dict[str, Any]]

    def at(self, when: float) -> dict[str, Any] | None:
        """Return what it was at a time; None if it was not there."""
        place = bisect_right(self.times, when)
        return self.records[place - 1] if place else None


@attrs.define(eq=False)
class Provider(ABC):
    """What both providers share: the network, the store, the record of what happened.

    Attributes:
        bad: the share of writes that meet a fault.
        bad_reads: the share of reads that do.
        faults: those of writes.
        blind_until: until when lists show nothing new.
    """

    kernel: Kernel
    record: Callable[[Event], None]
    bad: float = 0.4
    bad_reads: float = 0.1
    faults: tuple[str, ...] = WRITE_FAULTS
    unique: bool = False
    blind_until: float = -1.0
    invoices: dict[str, Stored] = attrs.field(factory=dict)
    groups: dict[str, list[str]] = attrs.field(factory=dict)
    numbers: Counter[str] = attrs.field(factory=Counter)
    met: Counter[str] = attrs.field(factory=Counter)

    supports = frozenset({"async", "sync"})
    fields: ClassVar[Mapping[str, str]] = {}

    # The network

    async def send(self, request: WireRequest, bounds: Bounds) -> WireResponse:
        """Deliver a request, or fail as a network does."""
        chance = self.kernel.chance
        if not request.safety.writes:
            fault = chance.choice(READ_FAULTS) if chance.random() < self.bad_reads else "none"
            return await self._deliver(request, bounds, fault, lambda: self._read(request))
        fault = chance.choice(self.faults) if chance.random() < self.bad else "none"
        self.met[fault] += 1
        task = self.kernel.current
        assert task is not None
        number = task.request
        arrived: list[WireResponse] = []

        def arrive() -> WireResponse:
            arrived.append(self._write(request, number))
            return arrived[0]

        try:
            return await self._deliver(request, bounds, fault, arrive)
        except BaseException as end:
            stopped = not isinstance(end, errors.BillingualError)
            if not arrived and (fault == "late" or (stopped and chance.random() < 0.5)):
                self.kernel.at(self.kernel.now + chance.uniform(0.0, LATEST_S), arrive)
            raise

    async def _deliver(
        self, request: WireRequest, bounds: Bounds, fault: str, arrive: Callable[[], WireResponse]
    ) -> WireResponse:
        chance = self.kernel.chance
        await self._wait(chance.uniform(0.01, 0.3), bounds)
        if fault == "refused":
            raise errors.NotConnectedError("refused.", evidence=_UNSENT)
        if fault in {"lost", "late"}:
            if chance.random() < 0.5:
                raise errors.ConnectionLostError("lost.", evidence=_SENT)
            await self._wait(1e9, bounds)
        if fault == "503 before":
            return _json('{"message": "try later"}', 503)
        if fault == "429":
            return _json(
                '{"message": "slow down"}', 429, ("Retry-After", str(chance.randint(1, 5)))
            )
        if fault == "slow":
            await self._wait(chance.uniform(0.0, 25.0), bounds)
        response = arrive()
        await self._wait(chance.uniform(0.01, 0.3), bounds)
        if fault == "lost response":
            raise errors.ConnectionLostError("lost.", evidence=_SENT)
        if fault == "500 after":
            return _json('{"message": "something broke"}', 500)
        if fault == "truncated":
            return attrs.evolve(response, body=response.body[: len(response.body) // 2])
        return response

    async def _wait(self, seconds: float, bounds: Bounds) -> None:
        """Wait, at most as long as the client does."""
        most = bounds.phase(bounds.timeouts.read)
        await suspend(self.kernel.now + min(seconds, most))
        if seconds > most:
            raise errors.TimedOutError("no response came in time.", evidence=_SENT)

    async def aclose(self) -> None:  # noqa: B027 - a transport may have nothing to close
        """Do nothing."""

    def account(self, provider: str) -> Account | None:
        """Return an address that leads nowhere."""
        return Account(base_url=f"http://{provider}.memory.localhost")

    # The store

    @abstractmethod
    def _read(self, request: WireRequest) -> WireResponse:
        """Answer a read."""

    @abstractmethod
    def _write(self, request: WireRequest, number: int) -> WireResponse:
        """Carry out a write, and answer it."""

    @abstractmethod
    def _refusal(self, status: int, why: str) -> WireResponse:
        """Refuse a request as this provider does."""

    def add(
        self,
        key: str,
        record: dict[str, Any],
        group: str,
        *,
        number: str,
        organization: str = ORGANIZATION,
        payable: bool = False,
        at: float | None = None,
    ) -> None:
        """Keep an invoice."""
        when = self.kernel.now if at is None else at
        self.invoices[key] = Stored(group, organization, payable, [when], [record])
        self.groups.setdefault(group, []).append(key)
        self.numbers[number] += 1

    @abstractmethod
    def stored(
        self,
        given: dict[str, Any],
        number: str,
        organization: str = ORGANIZATION,
        at: float | None = None,
    ) -> str:
        """Keep a new invoice; return its id."""

    def created(self, given: dict[str, Any], number: str, request: int) -> dict[str, Any]:
        """Keep a new invoice, and note it as the effect of one request."""
        key = self.stored(given, number)
        self.record(Event(self.kernel.now, "effect", request, (number,), ((CREATED, key),)))
        return self.invoices[key].records[-1]

    def change(self, key: str, fields: Mapping[str, Any]) -> None:
        """Change fields of an invoice."""
        stored = self.invoices[key]
        stored.times.append(self.kernel.now)
        stored.records.append({**stored.records[-1], **fields})

    def changed(self, number: int, changes: list[tuple[str, dict[str, Any]]]) -> None:
        """Change invoices, and note it as the effect of one request."""
        for key, fields in changes:
            self.change(key, fields)
        values = tuple(
            (f"{key}.{field}", str(fields[wire]))
            for key, fields in changes
            for field, wire in self.fields.items()
            if wire in fields
        )
        self.record(Event(self.kernel.now, "effect", number, (), values))

    def _show(self, key: str) -> dict[str, Any] | None:
        """Return one invoice as a read shows it, and note what was shown."""
        stored = self.invoices.get(key)
        seen = self._seen(stored) if stored is not None else None
        if seen is not None:
            values = tuple(
                (f"{key}.{field}", str(seen.get(wire))) for field, wire in self.fields.items()
            )
            self.record(Event(self.kernel.now, "shown", 0, (), values))
        return seen

    def _seen(self, stored: Stored) -> dict[str, Any] | None:
        return stored.at(self.kernel.now - self.kernel.chance.uniform(0.0, LAG_S))

    def _listed(self, group: str, organization: str) -> list[dict[str, Any]]:
        """Return what a list shows of one counterparty or contract."""
        when = self.kernel.now - self.kernel.chance.uniform(0.0, LAG_S)
        if self.kernel.now < self.blind_until:
            when = -1.0
        return [
            seen
            for key in self.groups.get(group, ())
            if not (stored := self.invoices[key]).payable
            and stored.organization == organization
            and (seen := stored.at(when)) is not None
        ]

    def _is_taken(self, number: str) -> bool:
        return self.unique and self.numbers[number] > 0


class Exante(Provider):
    """Exante: one invoice at a time to create, batches to update, lists of receivables."""

    fields: ClassVar[Mapping[str, str]] = {"due_at": "due_date", "paid_at": "paid_date"}

    def _read(self, request: WireRequest) -> WireResponse:
        parts = urlsplit(request.url)
        if not parts.query:
            seen = self._show(parts.path.rpartition("/")[2])
            return self._refusal(404, "no such invoice") if seen is None else _enveloped(seen)
        query = {key: each[0] for key, each in parse_qs(parts.query).items()}
        organization = query.get("organization_uid", OTHER_ORGANIZATION)
        parties = query.get("party_uids", "")
        groups = parties.split(",") if parties else list(self.groups)
        rows = [
            {key: each.get(key) for key in _ROW}
            for group in groups
            for each in self._listed(group, organization)
            if _within(each.get("issue_date"), query)
        ]
        rows.sort(key=lambda each: str(each["invoice_number"]))
        size, page = int(query.get("per_page", 10)), int(query.get("page", 1))
        pages = -(-len(rows) // size)
        meta = {"page": page, "per_page": size, "total_pages": pages, "total_items": len(rows)}
        return _enveloped({"items": rows[(page - 1) * size : page * size], "_meta": meta})

    def _write(self, request: WireRequest, number: int) -> WireResponse:
        body = json.loads(request.body or b"")
        return (
            self._create(body, number) if request.method == "POST" else self._update(body, number)
        )

    def _create(self, given: dict[str, Any], request: int) -> WireResponse:
        if str(given.get("due_date")).startswith(REFUSED_YEAR):
            return self._refusal(422, "due_date is out of range")
        name = given["invoice_number"]
        if self._is_taken(name):
            return self._refusal(422, "invoice_number exists")
        return _enveloped(self.created(given, name, request))

    def stored(
        self,
        given: dict[str, Any],
        number: str,
        organization: str = ORGANIZATION,
        at: float | None = None,
    ) -> str:
        """Keep a new invoice; return its id."""
        uid, party = _uuid(1, len(self.invoices)), given["target_party_uid"]
        record = {
            **{key: each for key, each in given.items() if key != "owner_uid"},
            "uid": uid,
            "invoice_number": number,
            "status": given.get("status", "DRAFT"),
            "currency": given.get("currency", "USD"),
            "invoice_type": given.get("invoice_type", "ACCOUNTS_RECEIVABLE"),
            "parties": {"client": {"uid": party}},
        }
        payable = record["invoice_type"] == "ACCOUNTS_PAYABLE"
        self.add(
            uid, record, party, number=number, organization=organization, payable=payable, at=at
        )
        return uid

    def _update(self, elements: list[dict[str, Any]], request: int) -> WireResponse:
        changes = []
        for each in elements:
            if each["uid"] not in self.invoices:
                return self._refusal(404, "no such invoice")
            if str(each.get("due_date")).startswith(REFUSED_YEAR):
                return self._refusal(422, "due_date is out of range")
            changes.append((each["uid"], {key: v for key, v in each.items() if key != "uid"}))
        self.changed(request, changes)
        return _enveloped([self.invoices[key].records[-1] for key, _ in changes])

    def _refusal(self, status: int, why: str) -> WireResponse:
        return _json(json.dumps({"status": "error", "status_code": status, "message": why}), status)


class Kukkingu(Provider):
    """Kukkingu: invoices of contracts, one at a time, whose numbers are unique."""

    fields: ClassVar[Mapping[str, str]] = {"due_at": "dueAt", "paid_at": "paidAt"}

    def _read(self, request: WireRequest) -> WireResponse:
        assert request.headers.get("tenant-id") == TENANT
        parts = urlsplit(request.url)
        if not parts.path.endswith("/invoices"):
            seen = self._show(parts.path.rpartition("/")[2])
            return self._refusal(404, "no such invoice") if seen is None else _data(seen)
        contract = parse_qs(parts.query).get("contractId")
        groups = contract or list(self.groups)
        return _data([row for group in groups for row in self._listed(group, ORGANIZATION)])

    def _write(self, request: WireRequest, number: int) -> WireResponse:
        given = json.loads(request.body or b"")
        if str(given.get("dueAt")).startswith(REFUSED_YEAR):
            return self._refusal(400, "dueAt is out of range")
        if request.method == "POST":
            return self._create(given, number)
        key = urlsplit(request.url).path.rpartition("/")[2]
        if key not in self.invoices:
            return self._refusal(404, "no such invoice")
        self.changed(number, [(key, {**given, "updatedAt": self._stamp()})])
        return _data(self.invoices[key].records[-1])

    def _create(self, given: dict[str, Any], request: int) -> WireResponse:
        name = given["invoiceNumber"]
        if self._is_taken(name):
            return self._refusal(409, "invoiceNumber must be unique")
        return _data(self.created(given, name, request))

    def stored(
        self,
        given: dict[str, Any],
        number: str,
        organization: str = ORGANIZATION,
        at: float | None = None,
    ) -> str:
        """Keep a new invoice; return its id."""
        key = f"inv_{len(self.invoices):024d}"
        record = {
            **{name: each for name, each in given.items() if name != "contractId"},
            "id": key,
            "contract": given["contractId"],
            "status": "DRAFT",
            "invoiceNumber": number,
            "createdAt": self._stamp(),
            "updatedAt": self._stamp(),
        }
        self.add(key, record, given["contractId"], number=number, at=at)
        return key

    def _stamp(self) -> str:
        return stamp(self.kernel.now)

    def _refusal(self, status: int, why: str) -> WireResponse:
        return _json(
            json.dumps({"statusCode": status, "error": "Bad Request", "message": why}), status
        )


def stamp(seconds: float) -> str:
    """Write a moment of the simulation as the providers do."""
    return datetime.fromtimestamp(EPOCH + seconds, UTC).strftime("%Y-%m-%dT%H:%M:%S.000Z")


def _within(issued: str | None, query: Mapping[str, str]) -> bool:
    first, last = query.get("issue_date_from"), query.get("issue_date_to")
    if first is None and last is None:
        return True
    return issued is not None and (first or "") <= issued <= (last or "~")


def _uuid(kind: int, number: int) -> str:
    return f"{kind}0000000-0000-4000-8000-{number:012d}"


def _json(text: str, status: int = 200, *headers: tuple[str, str]) -> WireResponse:
    return WireResponse(
        status=status,
        headers=Headers([("Content-Type", "application/json"), *headers]),
        body=text.encode(),
    )


def _enveloped(data: object) -> WireResponse:
    return _json(json.dumps({"status": "success", "status_code": 200, "message": "", "data": data}))


def _data(data: object) -> WireResponse:
    return _json(json.dumps({"data": data}))
