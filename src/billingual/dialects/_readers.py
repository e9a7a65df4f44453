"""What reads answers, loaded when a dialect first names it.

It is heavy, and a client that is made needs nothing of it. A dialect names it before it sends a
request: should it fail to load, nothing has happened. A statement to import it there would cost as
much with each call as making the request does.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from billingual.dialects import _exante_answers as exante_answers
    from billingual.dialects import _exante_envelope as exante_envelope
    from billingual.dialects import _tenant_records as tenant_records
    from billingual.dialects import _v1_answers as v1_answers

__all__ = ["exante_answers", "exante_envelope", "tenant_records", "v1_answers"]


def __getattr__(name: str) -> object:
    """Import a module on first use."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module  # noqa: PLC0415 - only a first use pays for it

    module = globals()[name] = import_module(f"billingual.dialects._{name}")
    return module
