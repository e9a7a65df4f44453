"""Log every call with the standard library: ``observers=["log"]``, or ``BILLINGUAL_LOG``."""

from __future__ import annotations

import logging
from typing import Final

import attrs

from billingual.events import (
    AttemptEnded,
    AttemptStarted,
    CallEnded,
    CallStarted,
    Event,
    PageSkipped,
    ProblemsFound,
    QuotaStoreFound,
    QuotaStoreLost,
    RetryPlanned,
)

__all__ = ["log"]

_LEVEL_OF: Final[dict[type[Event], int]] = {
    CallStarted: logging.DEBUG,
    AttemptStarted: logging.DEBUG,
    AttemptEnded: logging.DEBUG,
    RetryPlanned: logging.INFO,
    ProblemsFound: logging.INFO,
    PageSkipped: logging.WARNING,
    # The logger "billingual" warns of both, with or without this observer.
    QuotaStoreFound: logging.INFO,
    QuotaStoreLost: logging.INFO,
    CallEnded: logging.INFO,
}


def log(event: Event) -> None:
    """Log one event on the logger ``billingual.calls``.

    The text is ``event.explain()``: routes are templates, and no value of an invoice, no credential
    and no response header is in it. The event itself is the record's attribute ``billingual``.
    """
    level = _LEVEL_OF[type(event)]
    _LOGGER.log(level, "%s", _Told(event), extra={"billingual": event})


_LOGGER: Final = logging.getLogger("billingual.calls")


@attrs.frozen
class _Told:
    """Make the text only if a handler writes it."""

    event: Event

    def __str__(self) -> str:
        return self.event.explain()
