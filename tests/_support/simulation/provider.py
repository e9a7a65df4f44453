"""Two providers behind a bad network, written from their documentation alone.

Exante documents no unique numbers, Kukkingu does; Exante does not say that a batch of deletions is
all or nothing. A request that was given up may arrive up to a minute later, or never. What reads
show is up to three seconds old, in a list each row on its own, and for some time a list may show
nothing that is new, without a word about it. A proxy answers with pages of its own, and mixes
responses up. For some time all requests are refused, as a token was exchanged.

:attr:`Provider.breaches` are what breaks a condition that the promise of a job is bound to.
"""

from __future__ import annotations

import json
import random
from abc import ABC, abstractmethod
from bisect import bisect_right
from collections import Counter
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any, ClassVar, Final
from urllib.parse import parse_qs, urlsplit

import attrs

from _support.simulation.history import CREATED, DELETED, Event
from _support.simulation.kernel import EPOCH, Kernel, suspend
from billingual import errors
from billingual.abc import Account
from billingual.outcomes import Evidence
from billingual.wire import Bounds, Headers, WireRequest, WireResponse

__all__ = [
    "ALTERATIONS",
    "BREACHES",
    "KEPT",
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

_LONGEST_STALL_S: Final = 200.0
"""So long a process is stopped before a send: less than a lease and two deadlines."""

LAG_S: Final = 3.0
"""What a read shows is at most so old."""

ORGANIZATION: Final = "00000000-0000-4000-8000-00000000000a"
OTHER_ORGANIZATION: Final = "00000000-0000-4000-8000-00000000000d"
TENANT: Final = "tnt_" + "t" * 24
REFUSED_YEAR: Final = "2099"
"""The provider refuses due dates in this year."""
KEPT: Final = "APPROVED"
"""Exante deletes no invoice that is so."""

WRITE_FAULTS: Final = (
    "refused", "lost", "lost response", "late", "late", "503 before", "500 after", "truncated",
    "slow", "429", "page before", "page after", "404 page", "mixed up", "half done",
)  # fmt: skip
ALTERATIONS: Final = ("cut", "prefix", "strip", "renumber")
BREACHES: Final = ("too late", "delivered twice", "some lists lag", "deleted", "restored")
"""What a job does not promise anything under, but to tell what came of it when it is asked."""
_ROW: Final = ("uid", "invoice_number", "issue_date", "due_date", "parties")
READ_FAULTS: Final = (
    "lost", "refused", "503 before", "truncated", "429", "page before", "404 page",
)  # fmt: skip
_AFTER: Final = (408, 500, 502, 503, 504)
_PAGE: Final = "<!doctype html><title>Not here</title><h1>The service moves.</h1>"
_GONE: Final[dict[str, Any]] = {}
"""The record of an invoice that was deleted."""
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
        return (self.records[place - 1] or None) if place else None

    @property
    def is_gone(self) -> bool:
        """Whether it was deleted."""
        return not self.records[-1]


@attrs.define(eq=False)
class Provider(ABC):
    """What both providers share: the network, the store, the record of what happened.

    Attributes:
        bad: the share of writes that meet a fault.
        bad_reads: the share of reads that do.
        faults: those of writes.
        blind_until: until when lists show nothing new.
        closed_until: until when each request is refused for its token.
        breaches: those of :data:`BREACHES` that happen.
        lenient: whether a batch of deletions passes over what is not there.
        alters: what it makes of numbers, one of :data:`ALTERATIONS`.
    """

    kernel: Kernel
    record: Callable[[Event], None]
    bad: float = 0.4
    bad_reads: float = 0.1
    faults: tuple[str, ...] = WRITE_FAULTS
    unique: bool = False
    blind_until: float = -1.0
    closed_until: float = -1.0
    breaches: frozenset[str] = frozenset()
    lenient: bool = False
    alters: str = ""
    earlier: WireResponse | None = None
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
        if self.kernel.now < self.closed_until:
            await self._wait(chance.uniform(0.01, 0.3), bounds)
            return self._refusal(401, "the token has expired")
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
            arrived.append(self._write(request, number, fault))
            if "delivered twice" in self.breaches and chance.random() < 0.02:
                again = self.kernel.now + chance.uniform(0.0, LATEST_S)
                self.kernel.at(again, lambda: self._write(request, number, "none"))
            return arrived[0]

        try:
            return await self._deliver(request, bounds, fault, arrive)
        except BaseException as end:
            stopped = not isinstance(end, errors.BillingualError)
            if not arrived and (fault == "late" or (stopped and chance.random() < 0.5)):
                latest = 5 * LATEST_S if "too late" in self.breaches else LATEST_S
                self.kernel.at(self.kernel.now + chance.uniform(0.0, latest), arrive)
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
        if fault in _INSTEAD:
            return _INSTEAD[fault](chance)
        if fault == "slow":
            await self._wait(chance.uniform(0.0, 25.0), bounds)
        await self._stall()
        response = arrive()
        await self._wait(chance.uniform(0.01, 0.3), bounds)
        if fault == "lost response":
            raise errors.ConnectionLostError("lost.", evidence=_SENT)
        return self._answered(response, fault)

    def _answered(self, response: WireResponse, fault: str) -> WireResponse:
        """Return what comes of a response on its way back."""
        earlier = self.earlier
        if response.status == 200:
            self.earlier = response
        if fault == "500 after":
            return _json('{"message": "something broke"}', self.kernel.chance.choice(_AFTER))
        if fault == "page after":
            return _page(200)
        if fault == "mixed up":
            return self._mixed_up(response, earlier)
        if fault == "truncated":
            return attrs.evolve(response, body=response.body[: len(response.body) // 2])
        return response

    async def _stall(self) -> None:
        """Now and then, stop the process after its last look at the lease, and before the send.

        Its request leaves when it goes on, whatever its time limits say.
        """
        chance, task = self.kernel.chance, self.kernel.current
        assert task is not None
        if chance.random() < task.process.stalls:
            await suspend(self.kernel.now + chance.uniform(0.0, _LONGEST_STALL_S))

    def _mixed_up(self, response: WireResponse, earlier: WireResponse | None) -> WireResponse:
        """Return what another request was answered, or some of the rows, or others with them."""
        chance = self.kernel.chance
        told = json.loads(response.body)
        rows = told.get("data")
        if not rows or earlier is None:
            return response
        if not isinstance(rows, list) or chance.random() < 0.3:
            return earlier
        chance.shuffle(rows)
        how = chance.choice(("another order", "some", "twice", "foreign"))
        if how == "some":
            del rows[chance.randrange(len(rows)) :]
        elif how == "twice":
            rows.append(rows[0])
        elif how == "foreign":
            strange = [each.records[-1] for each in self.invoices.values() if not each.is_gone]
            rows[0] = chance.choice(strange)
        return attrs.evolve(response, body=json.dumps(told).encode())

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
    def _write(self, request: WireRequest, number: int, fault: str) -> WireResponse:
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
        key = self.stored(given, self._altered(number))
        self.record(Event(self.kernel.now, "effect", request, (number,), ((CREATED, key),)))
        return self.invoices[key].records[-1]

    def _altered(self, number: str) -> str:
        if self.alters == "cut":
            return number[: len(number) // 2]
        if self.alters == "prefix":
            return f"PRE/{number}"
        if self.alters == "strip":
            return "".join(filter(str.isalnum, number)).lstrip("0")
        return f"R-{len(self.invoices):06d}" if self.alters == "renumber" else number

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

    def delete(self, key: str, number: int) -> None:
        """Delete an invoice, and note it as the effect of one request."""
        stored = self.invoices[key]
        if not stored.is_gone:
            stored.times.append(self.kernel.now)
            stored.records.append(_GONE)
        self.record(Event(self.kernel.now, "effect", number, (), ((f"{key}.{DELETED}", "yes"),)))

    def restore(self, seconds: float) -> None:
        """Start again from a backup that is so old."""
        when = self.kernel.now - seconds
        for stored in self.invoices.values():
            seen = stored.at(when) or _GONE
            if seen is not stored.records[-1]:
                stored.times.append(self.kernel.now)
                stored.records.append(seen)

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
        chance, now = self.kernel.chance, self.kernel.now
        blind = now < self.blind_until
        if blind and "some lists lag" in self.breaches:
            blind = chance.random() < 0.5
        return [
            seen
            for key in self.groups.get(group, ())
            if not (stored := self.invoices[key]).payable
            and stored.organization == organization
            and (seen := stored.at(-1.0 if blind else now - chance.uniform(0.0, LAG_S))) is not None
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

    def _write(self, request: WireRequest, number: int, fault: str) -> WireResponse:
        body = json.loads(request.body or b"")
        if request.method == "POST":
            return self._create(body, number)
        if request.method == "DELETE":
            return self._delete(body, number, half=fault == "half done")
        return self._update(body, number)

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
            if self.invoices[each["uid"]].is_gone:
                return self._refusal(404, "no such invoice")
            if str(each.get("due_date")).startswith(REFUSED_YEAR):
                return self._refusal(422, "due_date is out of range")
            changes.append((each["uid"], {key: v for key, v in each.items() if key != "uid"}))
        self.changed(request, changes)
        return _enveloped([self.invoices[key].records[-1] for key, _ in changes])

    def _delete(self, uids: list[str], request: int, *, half: bool) -> WireResponse:
        chance = self.kernel.chance
        there = [each for each in uids if not self.invoices[each].is_gone]
        gone = [each for each in uids if each not in there] if self.lenient else []
        kept = [each for each in there if self.invoices[each].records[-1].get("status") == KEPT]
        refused = bool(kept) or (len(there) < len(uids) and not self.lenient)
        if refused and chance.random() < 0.5:
            there = []
        elif refused or half:
            there = [each for each in there if each not in kept and chance.random() < 0.5]
        for each in (*there, *gone):
            self.delete(each, request)
        if refused:
            return self._refusal(422 if kept else 404, "not all of them can be deleted")
        return _json("{}", 500) if half else _enveloped({})

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

    def _write(self, request: WireRequest, number: int, fault: str) -> WireResponse:
        given = json.loads(request.body or b"")
        if str(given.get("dueAt")).startswith(REFUSED_YEAR):
            return self._refusal(400, "dueAt is out of range")
        if request.method == "POST":
            return self._create(given, number)
        key = urlsplit(request.url).path.rpartition("/")[2]
        status = self.invoices[key].records[-1]["status"]
        if status == "VOID" or (status == "FINALIZED" and given.keys() != {"paidAt"}):
            return self._refusal(self.kernel.chance.choice((400, 403, 409, 422)), "it is locked")
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


def _page(status: int) -> WireResponse:
    return WireResponse(
        status=status, headers=Headers([("Content-Type", "text/html")]), body=_PAGE.encode()
    )


def _enveloped(data: object) -> WireResponse:
    return _json(json.dumps({"status": "success", "status_code": 200, "message": "", "data": data}))


def _data(data: object) -> WireResponse:
    return _json(json.dumps({"data": data}))


_INSTEAD: Final[Mapping[str, Callable[[random.Random], WireResponse]]] = {
    "503 before": lambda _: _json('{"message": "try later"}', 503),
    "429": lambda chance: _json(
        '{"message": "slow down"}', 429, ("Retry-After", str(chance.randint(1, 5)))
    ),
    "page before": lambda _: _page(200),
    "404 page": lambda _: _page(404),
}
"""What a request is answered that does not reach the provider's handler."""
