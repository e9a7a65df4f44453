"""Read an invoice back after a response that does not speak for itself.

A refusal may be the status lock: the invoice is read, and the error says which fields are open. An
unclear finalize or void is settled by a read: the status decides, and nothing is guessed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from billingual._context import ClientContext
from billingual._pipeline import Operation, dialect_for, execute
from billingual.capabilities import Feature
from billingual.errors import (
    LockedError,
    NotFoundError,
    OutcomeUnknown,
    ProtocolError,
    ProviderError,
    carry,
)
from billingual.wire import Deadline

if TYPE_CHECKING:
    from billingual.model import Invoice

__all__ = ["explain_lock", "is_page", "read", "settle_act"]

_JSON_BEGINS: Final = (b"{", b"[", b'"')


def is_page(error: Exception) -> bool:
    """Tell whether a 404 has a page of a proxy for its body, which says nothing about an invoice.

    While a service is moved or restarted, the proxy before it responds so to all requests.
    """
    body = error.body.lstrip() if isinstance(error, NotFoundError) else b""
    return bool(body) and not body.startswith(_JSON_BEGINS)


async def read(
    context: ClientContext, invoice_id: str, deadline: Deadline | None = None
) -> Invoice:
    """Read one invoice, within a larger operation's *deadline* or one of its own.

    Raises:
        NotFoundError: if the provider says that it is not there.
        BillingualError: if it cannot be read.
    """
    dialect = dialect_for(context, Feature.GET)
    operation = Operation(
        feature=Feature.GET, dialect=dialect, conversation=dialect.get(invoice_id)
    )
    try:
        return await execute(context, operation, deadline=deadline)
    except NotFoundError as missing:
        if not is_page(missing):
            raise
        raise ProtocolError(
            f"{missing.summary}, with a page in the place of JSON; a proxy may have sent that, so "
            "it does not prove that the invoice is gone.",
            provider=missing.provider,
            exchange=missing.exchange,
        ) from missing


async def explain_lock(
    context: ClientContext, operation: Operation[object], refusal: ProviderError, deadline: Deadline
) -> None:
    """After a refused update, read the invoice: if its status locks the change, say so.

    Raises:
        LockedError: if it does; if the read shows no lock, nothing is raised.
    """
    capabilities = context.capabilities
    pairs = operation.intent.pairs if operation.intent is not None else ()
    if not pairs or not capabilities.locks or not capabilities.supports(Feature.GET):
        return
    ((invoice_id, changes),) = pairs
    try:
        invoice = await read(context, invoice_id, deadline)
    except Exception:  # noqa: BLE001 - whatever the read met, the refusal counts
        return
    locked = capabilities.locked(invoice.status, changes.given())
    if locked and invoice.status is not None:
        locked_error = LockedError(
            provider=capabilities.provider,
            invoice_id=invoice_id,
            status=invoice.status,
            locked=locked,
            still_open=capabilities.locks[invoice.status],
            exchange=refusal.exchange,
            complaint=refusal.complaint,
        )
        locked_error.attempts, locked_error.stopped = refusal.attempts, refusal.stopped
        raise locked_error from refusal


async def settle_act(
    context: ClientContext,
    operation: Operation[Invoice],
    unclear: OutcomeUnknown,
    deadline: Deadline,
) -> Invoice:
    """After an unclear finalize or void, read the invoice and return it if it was carried out.

    Raises:
        OutcomeUnknown: the one given, if no time is left for the read, or it fails or shows another
            status: the request may still arrive.
    """
    wanted = context.capabilities.final_statuses.get(operation.feature)
    ids = operation.intent.invoice_ids if operation.intent is not None else ()
    if wanted is None or not ids or not context.capabilities.supports(Feature.GET):
        raise unclear
    if deadline.left() <= 0:
        unclear.add_note("no time was left to read the invoice")
        raise unclear from unclear.__cause__
    try:
        invoice = await read(context, ids[0], deadline)
    except Exception as error:  # noqa: BLE001 - whatever the read met, the end stays unclear
        unclear.add_note(f"a read right after it failed too ({type(error).__name__})")
        raise unclear from unclear.__cause__
    except BaseException as stop:
        # Cancelled while it was read: what the act left unclear goes along.
        carry(stop, unclear)
        raise
    if invoice.status not in wanted:
        unclear.add_note(f"a read right after it shows the invoice as {invoice.status}")
        raise unclear from unclear.__cause__
    return invoice
