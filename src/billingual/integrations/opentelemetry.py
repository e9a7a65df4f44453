"""Spans and metrics of OpenTelemetry for every call: ``observers=["opentelemetry"]``.

A call gives one span, and each of its attempts a client span within it, named after method and
route. No span, and no metric, holds a value of an invoice: routes are templates, and of an error
only its class is told. Where an instrumentation of the HTTP library is active besides, its spans
are within ours. The trace goes out with each request, in the headers that the global propagator
writes.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextvars import ContextVar, Token
from typing import Final
from urllib.parse import urlsplit

import attrs
from opentelemetry import context, metrics, propagate, trace
from opentelemetry.trace import Span, SpanKind, Status, StatusCode

from billingual._version import __version__
from billingual.events import (
    AttemptEnded,
    AttemptStarted,
    CallEnded,
    CallStarted,
    Event,
    ProblemsFound,
    QuotaStoreFound,
    QuotaStoreLost,
    RetryPlanned,
)
from billingual.outcomes import Outcome

__all__ = ["OpenTelemetryObserver", "observe"]

_NAME: Final = "billingual"
_TOO_MANY_REQUESTS: Final = 429
_Attributes = dict[str, str | int | float | bool]


@attrs.define(eq=False)
class _Under:
    """A span that is the current one until it ends.

    Attributes:
        span: the span.
        token: what makes its parent the current one again.
        began_s: when it began.
        attributes: what the metrics tell of it.
    """

    span: Span
    token: Token[context.Context]
    began_s: float
    attributes: _Attributes

    def end(self, error: str | None, more: _Attributes) -> None:
        """End the span; a failure is told by the class of its error alone."""
        self.span.set_attributes(more)
        if error is not None:
            self.span.set_attribute("error.type", error)
            self.span.set_status(Status(StatusCode.ERROR))
        self.span.end()
        context.detach(self.token)


@attrs.define(eq=False)
class _Running:
    """A call under way.

    Attributes:
        call: its span.
        outer: the call that it is a part of, if any.
        attempt: the span of its attempt under way.
        last_status: the status of the last attempt.
    """

    call: _Under
    outer: _Running | None
    attempt: _Under | None = None
    last_status: int | None = None


class OpenTelemetryObserver:
    """Tell OpenTelemetry of each call and each attempt.

    Args:
        tracer_provider: where spans go. Default: the global one, also if it is set later.
        meter_provider: where metrics go: ``billingual.operation.duration`` and
            ``billingual.attempt.duration`` (s), ``billingual.retries``, ``billingual.retry.wait``
            (s) and ``billingual.unclear_writes``. Default: the global one.
    """

    def __init__(
        self,
        tracer_provider: trace.TracerProvider | None = None,
        meter_provider: metrics.MeterProvider | None = None,
    ) -> None:
        self._tracer = trace.get_tracer(_NAME, __version__, tracer_provider)
        meter = metrics.get_meter(_NAME, __version__, meter_provider)
        self._operations = meter.create_histogram(
            "billingual.operation.duration", "s", "Operations, all attempts and waits included."
        )
        self._attempts = meter.create_histogram(
            "billingual.attempt.duration", "s", "Single attempts, the wait for a turn included."
        )
        self._waits = meter.create_histogram(
            "billingual.retry.wait", "s", "Waits before another attempt."
        )
        self._retries = meter.create_counter(
            "billingual.retries", "{attempt}", "Attempts that follow a failed one."
        )
        self._unclear = meter.create_counter(
            "billingual.unclear_writes", "{write}", "Writes that may or may not have happened."
        )
        # The events of one call come from one task or thread, and calls can be within calls.
        self._running: ContextVar[_Running | None] = ContextVar("billingual_call", default=None)

    def __call__(self, event: Event) -> None:
        """Take one event."""
        if isinstance(event, CallStarted):
            self._start_call(event)
            return
        running = self._running.get()
        if running is None:
            # This observer was given to the client in the middle of a call.
            return
        if isinstance(event, AttemptStarted):
            self._start_attempt(running, event)
        elif isinstance(event, AttemptEnded):
            self._end_attempt(running, event)
        elif isinstance(event, RetryPlanned):
            self._note_retry(running, event)
        elif isinstance(event, ProblemsFound):
            running.call.span.add_event("billingual.problems", {"count": len(event.problems)})
        elif isinstance(event, QuotaStoreLost):
            running.call.span.add_event("billingual.quota_store_lost", {"error.type": event.error})
        elif isinstance(event, QuotaStoreFound):
            running.call.span.add_event("billingual.quota_store_found")
        elif isinstance(event, CallEnded):
            self._end_call(running, event)

    def headers(self) -> Mapping[str, str]:
        """Return the header fields that carry the trace on; the client sends them along."""
        carrier: dict[str, str] = {}
        propagate.inject(carrier)
        return carrier

    def _start_call(self, event: CallStarted) -> None:
        place = urlsplit(event.base_url)
        attributes: _Attributes = {
            "billingual.provider": event.provider,
            "billingual.operation": event.operation,
            "server.address": place.hostname or "",
        }
        if place.port is not None:
            attributes["server.port"] = place.port
        name = f"billingual {event.operation}"
        span = self._tracer.start_span(name, attributes=attributes)
        outer = self._running.get()
        self._running.set(_Running(_entered(span, event.at_s, attributes), outer))

    def _start_attempt(self, running: _Running, event: AttemptStarted) -> None:
        attributes: _Attributes = {
            "http.request.method": event.method,
            "url.template": event.route,
            **{name: running.call.attributes[name] for name in ("server.address", "server.port")
               if name in running.call.attributes},
        }  # fmt: skip
        span = self._tracer.start_span(
            f"{event.method} {event.route}", kind=SpanKind.CLIENT, attributes=attributes
        )
        if event.number > 1:
            span.set_attribute("http.request.resend_count", event.number - 1)
        running.attempt = _entered(span, event.at_s, attributes)

    def _end_attempt(self, running: _Running, event: AttemptEnded) -> None:
        under, running.attempt = running.attempt, None
        running.last_status = status = event.attempt.status
        if under is None:
            return
        if status is not None:
            under.attributes["http.response.status_code"] = status
        if event.attempt.error is not None:
            under.attributes["error.type"] = event.attempt.error
        self._attempts.record(event.at_s - under.began_s, under.attributes)
        # For the span alone: a metric with an id has a series for each call.
        own: _Attributes = {"billingual.outcome": event.attempt.outcome.value}
        if event.request_id is not None:
            own["billingual.request_id"] = event.request_id
        under.end(event.attempt.error, {**under.attributes, **own})

    def _note_retry(self, running: _Running, event: RetryPlanned) -> None:
        is_limit = running.last_status == _TOO_MANY_REQUESTS
        attributes = {**running.call.attributes, "billingual.rate_limited": is_limit}
        self._retries.add(1, attributes)
        self._waits.record(event.wait_s, attributes)

    def _end_call(self, running: _Running, event: CallEnded) -> None:
        self._running.set(running.outer)
        attributes = running.call.attributes
        attributes["billingual.outcome"] = event.outcome.value
        if event.outcome is Outcome.UNKNOWN:
            self._unclear.add(1, attributes)
        if event.error is not None:
            attributes["error.type"] = event.error
        self._operations.record(event.at_s - running.call.began_s, attributes)
        running.call.end(event.error, attributes)


def _entered(span: Span, began_s: float, attributes: _Attributes) -> _Under:
    return _Under(span, context.attach(trace.set_span_in_context(span)), began_s, dict(attributes))


observe: Final = OpenTelemetryObserver()
"""The observer of ``observers=["opentelemetry"]``, which uses the global providers."""
