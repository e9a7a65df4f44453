"""What reads answers, loaded when a dialect first names it.

It is heavy, and a client that is made needs nothing of it. A dialect names it before it sends a
request: should it fail to load, nothing has happened. A statement to import it there would cost as
much with each call as making the request does.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from billingual.dialects.exante import answers as exante_answers
    from billingual.dialects.exante import envelope as exante_envelope
    from billingual.dialects.tenant import records as tenant_records
    from billingual.dialects.v1 import records as v1_records

__all__ = ["exante_answers", "exante_envelope", "tenant_records", "v1_records"]


def __getattr__(name: str) -> object:
    """Import a module on first use."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module  # noqa: PLC0415 - only a first use pays for it

    module = globals()[name] = import_module(f"billingual.dialects.{name.replace('_', '.')}")
    return module
