"""A stateful offline server of all the providers, with a clock and faults: the independent witness.

It shares nothing with the rest of billingual and is written from the providers' documentation
alone, so that a client and the sandbox can only agree by both being right. Importing it imports
no server; `serve` and `running` do.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from billingual.sandbox.accounts import ACCOUNTS, CREDENTIALS, LANDMARKS, Account
from billingual.sandbox.app import Sandbox, create_app
from billingual.sandbox.faults import DroppedConnection

if TYPE_CHECKING:
    from billingual.sandbox.server import Running, running, serve

__all__ = [
    "ACCOUNTS",
    "CREDENTIALS",
    "LANDMARKS",
    "Account",
    "DroppedConnection",
    "Running",
    "Sandbox",
    "create_app",
    "running",
    "serve",
]


def __getattr__(name: str) -> object:
    """Load what needs uvicorn on first use (PEP 562)."""
    if name in ("Running", "running", "serve"):
        from billingual.sandbox import server  # noqa: PLC0415  imports uvicorn

        value: object = getattr(server, name)
        return value
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
