"""What a row saw, in two sizes: brief, for the table, and whole, to be compared.

Times, call numbers and addresses are left out: they differ between runs, and nothing depends on
them. The text of a ``TransportError`` is too: each transport tells in its own words.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from itertools import groupby
from typing import Any, Final

import attrs

from billingual import errors
from billingual.events import (
    AttemptEnded,
    AttemptStarted,
    CallEnded,
    CallStarted,
    Event,
    PageSkipped,
    ProblemsFound,
    RetryPlanned,
)
from billingual.model import InvoiceSummary, Page, Receipt
from billingual.outcomes import Attempt
from billingual.pagination import ScanReport
from billingual.reconcile.result import Reconciliation
from billingual.wire import WireRequest

__all__ = ["Seen", "brief", "seen_of", "told", "whole_error"]


@attrs.frozen
class Seen:
    """What one run saw.

    Attributes:
        gives: the result or the error, briefly.
        trace: the calls, their attempts and their ends, briefly.
        whole: the result or the error with all that is the same everywhere.
        events: likewise the events.
    """

    gives: str
    trace: str
    whole: Any = attrs.field(repr=False)
    events: tuple[Any, ...] = attrs.field(repr=False)


def seen_of(result: Any, error: errors.BillingualError | None, events: Sequence[Event]) -> Seen:
    """Normalise a run."""
    return Seen(
        gives=brief(result) if error is None else brief_error(error),
        trace=told(events),
        whole=whole(result) if error is None else whole_error(error),
        events=tuple(_event(each) for each in events),
    )


def brief(value: Any) -> str:
    """Say what a result is."""
    if isinstance(value, (tuple, list)):
        return ", ".join(brief(each) for each in value)
    say = next((say for kind, say in WORDS.items() if isinstance(value, kind)), str)
    return say(value)


def _invoice(row: InvoiceSummary) -> str:
    words = (row.number, row.status, row.total)
    return " ".join(str(each) for each in words if each is not None) or row.id


def _report(report: ScanReport) -> str:
    counts = f"{report.rows} rows of {report.total_items}, {report.pages} pages"
    return f"{counts}, {report.repeated} repeated, {'' if report.complete else 'in'}complete"


def brief_error(error: errors.BillingualError) -> str:
    """Say what an error is: its class, then what a caller would act on."""
    said = [type(error).__name__]
    if isinstance(error, errors.OutcomeUnknown):
        said += [error.likely, f"({brief_error(error.__cause__)})"]  # type: ignore[arg-type]  # ours
    elif isinstance(error, errors.ProviderError):
        said += [str(error.status), repr(error.complaint)]
    elif isinstance(error, errors.LockedError):
        by = "here" if error.exchange is None else str(error.exchange.status)
        said += [error.status, by, f"locked {error.locked}", f"open {error.still_open}"]
    elif isinstance(error, errors.InvalidInputError):
        said += [error.field]
    elif isinstance(error, errors.UnsupportedError):
        said += [error.feature]
    return " ".join(said)


WORDS: Final[dict[type, Callable[[Any], str]]] = {
    errors.BillingualError: brief_error,
    InvoiceSummary: _invoice,
    Receipt: lambda receipt: f"receipt {receipt.amount}",
    Page: lambda page: f"page {page.number} of {len(page.items)}",
    ScanReport: _report,
    Reconciliation: lambda told: brief([told.finding.value, *told.invoices, *told.candidates]),
    WireRequest: lambda request: f"{request.method} {request.route}",
}


def told(events: Sequence[Event]) -> str:
    """Say what happened: ``get: unknown 503 ServerError x2 > committed 200 = committed``."""
    calls: list[str] = []
    attempts: list[str] = []
    operation = ""
    for event in events:
        if isinstance(event, CallStarted):
            operation, attempts = event.operation, []
        elif isinstance(event, AttemptEnded):
            attempts.append(_attempt_in_words(event.attempt))
        elif isinstance(event, CallEnded):
            end = f"{event.outcome.value} {event.error or ''}".strip()
            counted = [(words, len(list(same))) for words, same in groupby(attempts)]
            tries = [words if count == 1 else f"{words} x{count}" for words, count in counted]
            calls.append(f"{operation}: {' > '.join(tries)} = {end}")
    return "; ".join(calls)


def _attempt_in_words(attempt: Attempt) -> str:
    words = (attempt.outcome.value, attempt.status, attempt.error)
    return " ".join(str(each) for each in words if each is not None)


def whole(value: Any) -> Any:
    """Leave out of a result what depends on the run's address."""
    if isinstance(value, errors.BillingualError):
        return whole_error(value)
    if isinstance(value, Reconciliation):
        again = value.ask_again_s is not None
        return attrs.evolve(value, why=_timeless(value.why), ask_again_s=1.0 if again else None)
    if isinstance(value, WireRequest):
        path = "/" + value.url.split("/", 3)[3]
        for prefix in ("/exante", "/kukkingu", "/katsu"):
            path = path.removeprefix(prefix)
        return attrs.evolve(value, url=path)
    if isinstance(value, (tuple, list)):
        return [whole(each) for each in value]
    return value


def whole_error(error: BaseException | None) -> Any:
    """Take an error apart, cause included."""
    if not isinstance(error, errors.BillingualError):
        return type(error).__name__
    told_alike = not isinstance(
        error, (errors.CircuitOpenError, errors.OutcomeUnknown, errors.TransportError)
    )
    asked_s = getattr(error, "retry_after", None)
    exchange = getattr(error, "exchange", None)
    return {
        "class": type(error),
        "text": _timeless(str(error)) if told_alike else None,
        "stopped": _timeless(error.stopped),
        "maybe_applied": error.maybe_applied,
        "attempts": tuple(_attempt(each) for each in error.attempts),
        "evidence": getattr(error, "evidence", None),
        "complaint": getattr(error, "complaint", None),
        "retry_after": None if asked_s is None else round(asked_s),
        "likely": getattr(error, "likely", None),
        "path": getattr(error, "path", None),
        "asked": None if exchange is None else (exchange.method, exchange.route, exchange.keys),
        "answered": None if exchange is None else (exchange.status, exchange.body),
        "cause": whole_error(error.__cause__),
    }


def _timeless(text: str) -> str:
    """Leave out of a text the seconds that are left; those that the caller gave are kept."""
    return re.sub(r"\b(in|for) -?[0-9.]+ s\b", r"\1 some s", text)


def _attempt(attempt: Attempt) -> Attempt:
    return attrs.evolve(attempt, waited_s=0.0)


def _event(event: Event) -> Any:
    if isinstance(event, CallStarted):
        return ("call", event.provider, event.operation)
    if isinstance(event, AttemptStarted):
        return ("attempt", event.number, event.method, event.route)
    if isinstance(event, AttemptEnded):
        return ("attempted", _attempt(event.attempt))
    if isinstance(event, RetryPlanned):
        return ("again", event.why)
    if isinstance(event, ProblemsFound):
        return ("problems", event.problems)
    if isinstance(event, PageSkipped):
        ended: Any = ("skipped", event.number, event.first_row, event.last_row, event.error)
    else:
        ended = ("ended", event.outcome, event.error)
    return ended
