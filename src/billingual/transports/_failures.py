"""Failures of the network as our errors, for every transport that uses one.

Evidence is named here once, so that the same failure counts the same in each library.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final
from urllib.parse import unquote_plus

from billingual.errors import TimedOutError, TransportError
from billingual.outcomes import Evidence

if TYPE_CHECKING:
    from billingual.wire import WireRequest

__all__ = ["NOTHING", "PERHAPS_SENT", "SENT", "UNSENT", "reason", "told", "too_late", "unwritable"]

NOTHING: Final = Evidence(connected=False, request_complete=False, response_begun=False)
UNSENT: Final = Evidence(connected=None, request_complete=False, response_begun=False)
SENT: Final = Evidence(connected=True, request_complete=True)
# The kernel may hold, and still deliver, what could not be written in time.
PERHAPS_SENT: Final = Evidence(connected=True)


_LONGEST: Final = 300
_SECRET_LENGTH: Final = 4  # What is shorter is in many a word.
_PLAIN: Final = frozenset(
    {
        "accept",
        "accept-encoding",
        "connection",
        "content-length",
        "content-type",
        "host",
        "user-agent",
    }
)


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
    """Say why a connection failed, and what to check; empty if the system does not tell."""
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
        if (
            isinstance(error, ssl.SSLError)
            and getattr(error, "reason", "") == "WRONG_VERSION_NUMBER"
        ):
            return "what listens there does not speak TLS; check the port and the scheme of the URL"
        # Under TLS 1.3 that is said when the request may be out already.
        if isinstance(error, OSError) and "CERTIFICATE_REQUIRED" in str(error.strerror):
            return "the server asks for a certificate of your own; give tls=Tls(cert_file=...)"
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


def told(error: BaseException, request: WireRequest) -> str:
    """Return what code of the program, such as a mock, says of *request*; empty if nothing.

    It is one line of at most 300 characters, without the request's credentials, its query and its
    body.
    """
    try:
        text = " ".join(str(error).split())
    except Exception:  # noqa: BLE001 - a foreign class may raise anything
        return ""
    body = (request.body or b"").decode("utf-8", "replace")
    values = [value for name, value in request.headers if name.lower() not in _PLAIN]
    values += [each.rpartition(" ")[2] for each in values]
    values += [request.url.partition("?")[2], body, *body.replace("=", "&").split("&")]
    values += [unquote_plus(each) for each in values]
    values += [repr(each)[1:-1] for each in values]  # A mock shows them as Python writes them.
    for value in sorted({" ".join(each.split()) for each in values}, key=len, reverse=True):
        if len(value) >= _SECRET_LENGTH:
            text = text.replace(value, "***")
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 1]}…"
