"""How the unclear end of an operation is put into words, with all that is known of it."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING

from billingual._context import ClientContext
from billingual.capabilities import Feature
from billingual.errors import (
    BillingualError,
    InternalError,
    OutcomeUnknown,
    ProtocolError,
    ProviderError,
    TransportError,
)
from billingual.outcomes import Attempt
from billingual.wire import WireRequest

if TYPE_CHECKING:
    from billingual.intent import Intent

__all__ = ["fault_of", "ignored", "said_yes", "unclear_end"]


def unclear_end(
    context: ClientContext,
    feature: Feature,
    request: WireRequest,
    error: BillingualError,
    *,
    likely: str,
    intent: Intent | None,
    attempts: Sequence[Attempt],
) -> OutcomeUnknown:
    """Make the error for a write that may or may not have happened."""
    # The advice of the error beneath is for failures; here there is only one.
    told = error.told if isinstance(error, ProviderError) else str(error)
    unknown = OutcomeUnknown(
        f"{context.provider} may or may not have carried out {feature.value} "
        f"({request.method} {request.route}): {told.rstrip('.')}. Do not simply send it "
        "again: look at the provider first, as reconcile() does.",
        provider=context.provider,
        operation=feature.value,
        request=request.without_read(),
        likely=likely,
        exchange=error.exchange if isinstance(error, ProviderError) else None,
        intent=intent,
        given_up_at=context.backend.wall(),
        account=context.account,
    )
    unknown.attempts = tuple(attempts)
    unknown.stopped = error.stopped
    if context.look is not None:
        unknown.bind(partial(context.look, context))
    return unknown


def said_yes(error: BillingualError) -> bool:
    """Tell whether the head of the answer was a success that could not be read."""
    if isinstance(error, TransportError):
        status = error.evidence.status
    else:
        status = error.status if isinstance(error, ProtocolError) else None
    return status is not None and 200 <= status <= 299


def fault_of(whose: str, fault: Exception) -> InternalError:
    """Make the error for an exception that a foreign part must not raise."""
    return InternalError(
        f"{whose} raised {type(fault).__name__}, which it must not; please report it to its author."
    )


def ignored(whose: str, fault: Exception) -> None:
    """Log *fault*, which goes no further."""
    import logging  # noqa: PLC0415 - nothing else here logs

    logging.getLogger("billingual").error("%s raised; it was ignored", whose, exc_info=fault)
