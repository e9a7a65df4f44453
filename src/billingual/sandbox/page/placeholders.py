"""Placeholders in commands to copy: for the token, and for a body that was not kept whole."""

from __future__ import annotations

from typing import Final

from billingual.sandbox.page.operation import Sent
from billingual.sandbox.page.wire_text import MASK, is_secret_name

__all__ = ["LOST_BODY", "NO_CALL", "NO_COMMAND", "TOKEN_VARIABLE", "own_headers"]

TOKEN_VARIABLE: Final = "BILLINGUAL_TOKEN"  # noqa: S105  the name of a variable
"""The environment variable that holds the token."""

LOST_BODY: Final = "request-body"
"""A file for a body that was not kept whole, or is no text."""

NO_CALL: Final = "# No call of billingual sends this request."
"""Stands before what is sent without billingual."""

NO_COMMAND: Final = "# No command of billingual sends this request."
"""Stands before curl in the place of a command."""

# What curl and httpx write by themselves, or what belongs to a connection.
_LEFT_OUT: Final = frozenset(
    {"accept-encoding", "connection", "content-length", "host", "transfer-encoding", "user-agent"}
)


def own_headers(sent: Sent) -> list[tuple[str, str]]:
    """List the headers that a copy of a request needs, with masks for secrets."""
    return [
        (name, MASK if is_secret_name(name) else value)
        for name, value in sent.headers
        if name.lower() not in _LEFT_OUT and (name.lower(), value) != ("accept", "*/*")
    ]
