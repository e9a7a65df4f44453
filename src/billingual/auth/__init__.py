"""Credentials and secrets: what they are, where they may be sent, and how texts stay free of them.

A token is kept in a :class:`Secret`, which no text, pickle or copy shows. It is checked when it is
given: an HTTP library would otherwise print a bad one (with a trailing newline, say) whole in its
exception.
"""

from __future__ import annotations

from billingual.auth.base_url import checked_base_url, is_loopback, origin_of
from billingual.auth.credentials import Credentials
from billingual.auth.schemes import AuthScheme, Basic, Bearer, HeaderKey
from billingual.auth.secret import Secret, as_secret, encodings_of
from billingual.auth.signature import UNSIGNED, Signature, redact_secrets
from billingual.auth.tokens import Token, TokenFlow, Tokens, TokenSource, as_token

__all__ = [
    "UNSIGNED",
    "AuthScheme",
    "Basic",
    "Bearer",
    "Credentials",
    "HeaderKey",
    "Secret",
    "Signature",
    "Token",
    "TokenFlow",
    "TokenSource",
    "Tokens",
    "as_secret",
    "as_token",
    "checked_base_url",
    "encodings_of",
    "is_loopback",
    "origin_of",
    "redact_secrets",
]
