"""Whom to trust: one TLS context for all clients of the process, made when first needed.

Making one reads every root certificate, which costs as much as a hundred calls. Every transport
uses the same one, so that changing the transport never changes whom a program trusts: the roots
of certifi, as httpx has it, or the file or directory that ``SSL_CERT_FILE`` or ``SSL_CERT_DIR``
name, as OpenSSL itself would. No HTTP library is imported for it.
"""

from __future__ import annotations

import functools
import os
import ssl

__all__ = ["default_context", "no_trust"]


@functools.cache
def default_context() -> ssl.SSLContext:
    """Return the shared context: hosts and certificates checked."""
    import certifi  # noqa: PLC0415 - plain http never needs it

    file, directory = os.environ.get("SSL_CERT_FILE"), os.environ.get("SSL_CERT_DIR")
    if not file and directory:
        return ssl.create_default_context(capath=directory)
    return ssl.create_default_context(cafile=file or certifi.where())


@functools.cache
def no_trust() -> ssl.SSLContext:
    """Return a context that trusts nobody, for connections that use no TLS: cheap and safe."""
    return ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
