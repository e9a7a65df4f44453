"""Certificates for checks, of an unknown authority; made once for the process."""

from __future__ import annotations

import functools
import ssl
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from billingual.testing.conformance.report import NotApplicableError

if TYPE_CHECKING:
    import trustme

__all__ = ["serving", "trusting"]


@functools.cache
def authority(number: int) -> trustme.CA:  # noqa: ARG001 - each number is another one
    """Return an authority.

    Raises:
        NotApplicableError: if the package that makes certificates is not installed.
    """
    try:
        import trustme  # noqa: PLC0415 - an extra
    except ModuleNotFoundError:
        raise NotApplicableError('install "billingual[testing]", which brings trustme') from None
    return trustme.CA()


def serving(
    name: str = "127.0.0.1", *, expired: bool = False, demands: bool = False
) -> ssl.SSLContext:
    """Make a server's context, with a certificate for *name*.

    Args:
        name: whom the certificate is for.
        expired: whether it has been out of date for years.
        demands: whether clients must show a certificate too.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    until = datetime(2020, 1, 1, tzinfo=UTC) if expired else None
    authority(0).issue_cert(name, not_after=until).configure_cert(context)
    if demands:
        authority(0).configure_trust(context)
        context.verify_mode = ssl.CERT_REQUIRED
    return context


def trusting(number: int = 0, *, shows: bool = False) -> ssl.SSLContext:
    """Make a client's context that trusts one authority alone.

    Args:
        number: which authority; only 0 has signed the servers' certificates.
        shows: whether it has a certificate to show.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    authority(number).configure_trust(context)
    if shows:
        authority(0).issue_cert("client.example").configure_cert(context)
    return context
