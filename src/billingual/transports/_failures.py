"""Failures of the network as our errors, for every transport that uses one.

Evidence is named here once, so that the same failure counts the same in each library.
"""

from __future__ import annotations

from typing import Final

from billingual.errors import TimedOutError, TransportError
from billingual.outcomes import Evidence

__all__ = ["NOTHING", "PERHAPS_SENT", "SENT", "UNSENT", "reason", "too_late", "unwritable"]

NOTHING: Final = Evidence(connected=False, request_complete=False, response_begun=False)
UNSENT: Final = Evidence(connected=None, request_complete=False, response_begun=False)
SENT: Final = Evidence(connected=True, request_complete=True)
# The kernel may hold, and still deliver, what could not be written in time.
PERHAPS_SENT: Final = Evidence(connected=True)


def too_late() -> TimedOutError:
    """Return the error for a deadline that passed before anything was sent."""
    return TimedOutError(
        "the deadline passed before the request was sent, so nothing was; give the call more time "
        "with with_options(deadline=...).",
        evidence=UNSENT,
    )


def unwritable(what: str) -> TransportError:
    """Return the error for a request that cannot be written; nothing was sent."""
    return TransportError(f"the request cannot be written as HTTP ({what}).", evidence=UNSENT)


def reason(error: BaseException | None) -> str:
    """Say why no connection was made, and what to check; empty if the system does not tell."""
    import socket  # noqa: PLC0415 - of the first failure; a network has brought it anyway
    import ssl  # noqa: PLC0415 - as above

    while error is not None:
        if isinstance(error, BaseExceptionGroup):  # one error for each address of the host
            error = error.exceptions[0]
        # A library's own subclass may lack what Python's class always has.
        refused = getattr(error, "verify_message", "")
        if isinstance(error, ssl.SSLCertVerificationError) and refused:
            return (
                f"the server's certificate was refused: {refused.rstrip('.')}; if its "
                "authority is your own, give tls=ssl.create_default_context(cafile=...)"
            )
        if isinstance(error, ConnectionRefusedError):
            return (
                "nothing listens there; check the host and port of the base URL, and those of the "
                "proxy if there is one"
            )
        if isinstance(error, socket.gaierror):
            return (
                "there is no host of that name; check the base URL, the proxy if there is one, and "
                "your name server"
            )
        error = error.__cause__ or error.__context__
    return ""
