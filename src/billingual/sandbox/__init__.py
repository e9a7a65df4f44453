"""A stateful offline server of all the providers, with a clock and faults: the independent witness.

It shares nothing with the rest of billingual and is written from the providers' documentation
alone, so that a client and the sandbox can only agree by both being right. Importing it imports
no web framework and no server; what needs them says what to install.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from billingual.sandbox.accounts import ACCOUNTS, CREDENTIALS, LANDMARKS, Account
from billingual.sandbox.faults import DroppedConnection

if TYPE_CHECKING:
    from billingual.sandbox.app import Sandbox, create_app
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

_HOMES = {
    "Running": "server",
    "Sandbox": "app",
    "create_app": "app",
    "running": "server",
    "serve": "server",
}


def __getattr__(name: str) -> object:
    """Load what needs starlette or uvicorn on first use (PEP 562)."""
    home = _HOMES.get(name)
    if home is not None:
        from importlib import import_module  # noqa: PLC0415

        try:
            value: object = getattr(import_module(f"{__name__}.{home}"), name)
        except ModuleNotFoundError as missing:
            raise ModuleNotFoundError(
                f"billingual.sandbox.{name} needs {missing.name}, which is not installed; run: "
                'pip install "billingual[sandbox]"',
                name=missing.name,
            ) from missing
        return value
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
