"""The writes of a job: what a caller plans, and what the ledger knows about each."""

from __future__ import annotations

import enum
import functools
import hashlib
import json
import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, ClassVar, Final, TypeAlias

import attrs

from billingual.errors import InvalidInputError
from billingual.wire import plain_text

if TYPE_CHECKING:
    from billingual.model import Changes, ChangesDict, Draft, DraftDict, InvoiceSummary

__all__ = [
    "Create",
    "Decision",
    "Delete",
    "Entry",
    "History",
    "Plannable",
    "PlannedWrite",
    "Request",
    "State",
    "Update",
    "changes_of",
    "draft_of",
]


class State(enum.StrEnum):
    """What is known about one write of a job."""

    PLANNED = "planned"
    """It is in the ledger; no request for it can have been carried out."""

    IN_FLIGHT = "in_flight"
    """A request for it is on its way, or was when the process ended."""

    UNKNOWN = "unknown"
    """A request for it may have been carried out; a look at the provider will tell."""

    COMMITTED = "committed"
    """The provider carried it out, once."""

    REJECTED = "rejected"
    """The provider refused it, and no request for it was carried out."""

    CONFLICT = "conflict"
    """The provider shows something that this write did not make: a person has to look."""

    DOUBLED = "doubled"
    """The provider shows it more than once: a person has to look."""

    ABANDONED = "abandoned"
    """A person decided that it is not to be carried out."""


_UUID: Final = re.compile("[0-9A-Fa-f]{8}(-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}")

UNSETTLED: Final = (State.PLANNED, State.IN_FLIGHT, State.UNKNOWN)
"""States that a job goes on working on."""


def _draft(given: Draft | DraftDict) -> Draft:
    from billingual.model import Draft  # noqa: PLC0415 - the ledger's commands need no models

    return Draft.from_dict(given) if isinstance(given, Mapping) else given


def _changes(given: Changes | ChangesDict) -> Changes:
    from billingual.model import Changes  # noqa: PLC0415 - as above

    return Changes.from_dict(given) if isinstance(given, Mapping) else given


def _invoice_id(value: str) -> str:
    """Write a UUID in lower case: the invoice is the same in any, and the ledger compares text."""
    text = plain_text(value)
    given: object = text  # It may be anything until it is looked at.
    return text.lower() if isinstance(given, str) and _UUID.fullmatch(given) else text


def _text_or_none(value: str | None) -> str | None:
    return plain_text(value)


@attrs.frozen(kw_only=True)
class Create:
    """Create an invoice.

    Attributes:
        draft: what to create, as a mapping too. Without a number, the job chooses one and keeps it.
        id: how the ledger calls this write; the same id is the same write, also in another run.
            Default: the draft's number; without one, made from the draft and its place among
            equal ones.
    """

    operation: ClassVar[str] = "create"

    draft: Draft = attrs.field(converter=_draft)
    id: str | None = attrs.field(default=None, converter=_text_or_none)

    @property
    def target(self) -> str | None:
        """No invoice yet."""
        return None

    def body(self) -> dict[str, object]:
        """Return the draft as JSON holds it."""
        return self.draft.to_dict(json=True)


@attrs.frozen(kw_only=True)
class Update:
    """Change some fields of an invoice.

    Attributes:
        invoice_id: the invoice.
        changes: the fields to set, as a mapping too.
        base: the invoice as you saw it. Where a request's end is unclear, it tells a request that
            was not carried out from one that another program's change came after.
        id: how the ledger calls this write. Default: the invoice's id, with ``#2``, ``#3`` for
            further updates of the same invoice.
    """

    operation: ClassVar[str] = "update"

    invoice_id: str = attrs.field(converter=_invoice_id)
    changes: Changes = attrs.field(converter=_changes)
    base: InvoiceSummary | None = None
    id: str | None = attrs.field(default=None, converter=_text_or_none)

    @property
    def target(self) -> str | None:
        """The invoice."""
        return self.invoice_id

    def body(self) -> dict[str, object]:
        """Return the changes as JSON holds them."""
        return self.changes.to_dict(json=True)


@attrs.frozen(kw_only=True)
class Delete:
    """Delete an invoice.

    Attributes:
        invoice_id: the invoice.
        id: how the ledger calls this write. Default: as for an :class:`Update`.
    """

    operation: ClassVar[str] = "delete"

    invoice_id: str = attrs.field(converter=_invoice_id)
    id: str | None = attrs.field(default=None, converter=_text_or_none)

    @property
    def target(self) -> str | None:
        """The invoice."""
        return self.invoice_id

    def body(self) -> dict[str, object]:
        """Return an empty object: the invoice is all there is to say."""
        return {}


PlannedWrite: TypeAlias = Create | Update | Delete
Plannable: TypeAlias = (
    "PlannedWrite | Draft | DraftDict | tuple[str | InvoiceSummary, Changes | ChangesDict]"
)
"""What :meth:`AsyncJob.plan` takes."""


@attrs.frozen(kw_only=True)
class Entry:
    """One write of a job, as the ledger has it.

    Attributes:
        id: the write's name in the ledger.
        operation: ``create``, ``update`` or ``delete``.
        target: the invoice that is changed or deleted; None for a create.
        number: the number of the invoice to create; None otherwise.
        body: the draft or the changes as JSON text; None after a purge, and in a report.
        body_hash: SHA-256 of operation, target and body, in hex; it outlives a purge.
        state: what is known about it.
        reason: why it is in that state, in words.
        invoice_id: the invoice that it made or changed, once that is known.
        attempts: requests that were sent for it.
        unclear: how many of them had an unclear end.
        seq: its place in the plan, from 1.
        before: the fields to be changed as they were before, as JSON text; None where not known,
            and in a report.
        not_before: seconds since 1970-01-01 UTC before which the job does nothing about it.
        refusal: why the provider refused the last request, where an earlier one may have been
            carried out, so that the refusal alone settles nothing.
    """

    id: str
    operation: str
    target: str | None
    number: str | None
    body: str | None = attrs.field(repr=False)
    body_hash: str = attrs.field(repr=False)
    state: State
    reason: str | None = None
    invoice_id: str | None = None
    attempts: int = 0
    unclear: int = 0
    seq: int = 0
    before: str | None = attrs.field(default=None, repr=False)
    not_before: float = 0.0
    refusal: str | None = None


@attrs.frozen(kw_only=True)
class Request:
    """One request that a job sent, or one look at the provider, for one entry or a batch of them.

    Attributes:
        id: counted up in the ledger.
        kind: ``send``, or ``look`` for a read that finds out about an unclear end.
        started: seconds since 1970-01-01 UTC; likewise *ended*.
        ended: None while it is on its way, or if the process ended meanwhile.
        outcome: how it ended, in one word.
        status: the HTTP status, if a response arrived.
        why: what was seen, in words.
        owner: the run that sent it: machine, process and a random text.
    """

    id: int
    kind: str
    owner: str
    started: float
    ended: float | None
    outcome: str | None
    status: int | None
    why: str | None


@attrs.frozen(kw_only=True)
class Decision:
    """What a person decided about an entry.

    Attributes:
        at: seconds since 1970-01-01 UTC.
        by: who decided.
        note: why, in that person's words.
        before: the state it had.
        after: the state it was given.
    """

    at: float
    by: str
    note: str
    before: State
    after: State


@attrs.frozen(kw_only=True)
class History:
    """All that a ledger knows about one entry.

    Attributes:
        entry: the entry as it is now.
        requests: the requests and looks for it, in their order.
        decisions: what people decided about it, in their order.
    """

    entry: Entry
    requests: tuple[Request, ...]
    decisions: tuple[Decision, ...]


# Made once: with options, json.dumps makes one for each call, which takes longer than to write.
_BODY: Final = json.JSONEncoder(ensure_ascii=False, sort_keys=True, separators=(",", ":"))
_HASHED: Final = json.JSONEncoder(ensure_ascii=False)


def body_text(write: PlannedWrite) -> str:
    """Write the body of a planned write as JSON text, always the same for the same write."""
    return _BODY.encode(write.body())


def body_hash(operation: str, target: str | None, body: str) -> str:
    """Return the SHA-256 of a write, in hex."""
    text = _HASHED.encode([operation, target, body])
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def draft_of(entry: Entry) -> Draft:
    """Return the draft that a create's entry holds.

    Raises:
        InvalidInputError: if its body was purged.
    """
    from billingual.model import Draft  # noqa: PLC0415 - models are imported with the first use

    return Draft.from_dict(json.loads(_body_of(entry)))


def changes_of(entry: Entry) -> Changes:
    """Return the changes that an update's entry holds.

    Raises:
        InvalidInputError: if its body was purged.
    """
    return _changes_in(_body_of(entry))


# The invoices of a batch often get the same changes, and to read them takes as long as to send
# them. Changes never change, so that entries may share them.
@functools.lru_cache(maxsize=256)
def _changes_in(body: str) -> Changes:
    from billingual.model import Changes  # noqa: PLC0415 - as above

    return Changes.from_dict(json.loads(body))


def _body_of(entry: Entry) -> str:
    if entry.body is None:
        raise InvalidInputError(
            "entry", f"the body of {entry.id!r} was purged", "plan it again under another id"
        )
    return entry.body
