"""Ways to move one request and bring one answer; chosen by name at run time.

For transports of your own: :class:`BodyReader` reads an answer's body under all bounds,
:class:`Lanes` hands out connections that survive forks and second loops, :func:`checked` refuses
what cannot be written as HTTP, and :func:`default_context` is whom all transports trust.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from billingual.transports._address import Address, checked
    from billingual.transports._body import BodyReader
    from billingual.transports._failures import NOTHING, SENT, UNSENT
    from billingual.transports._lanes import Lane, Lanes
    from billingual.transports._trust import default_context

__all__ = [
    "NOTHING",
    "SENT",
    "UNSENT",
    "Address",
    "BodyReader",
    "Lane",
    "Lanes",
    "checked",
    "default_context",
]

_HOMES = {
    "UNSENT": "_failures",
    "SENT": "_failures",
    "NOTHING": "_failures",
    "Address": "_address",
    "BodyReader": "_body",
    "Lane": "_lanes",
    "Lanes": "_lanes",
    "checked": "_address",
    "default_context": "_trust",
}


def __getattr__(name: str) -> object:
    """Import a tool on first use: who names a transport needs none of them."""
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module  # noqa: PLC0415 - only a first use pays for it

    return getattr(import_module(f"{__name__}.{home}"), name)
