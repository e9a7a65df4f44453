"""Whom to trust: one TLS context for all clients of the process, made when first needed.

Making one reads every root certificate, which costs as much as a hundred calls.
"""

from __future__ import annotations

import functools
import ssl

import httpx

__all__ = ["default_context", "no_trust"]


@functools.cache
def default_context() -> ssl.SSLContext:
    """Return the shared context: the roots that httpx uses, hosts and certificates checked."""
    return httpx.create_ssl_context()


@functools.cache
def no_trust() -> ssl.SSLContext:
    """Return a context that trusts nobody, for connections that use no TLS: cheap and safe."""
    return ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
