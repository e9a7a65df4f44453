"""Ways to move one request and bring one answer; chosen by name at run time.

For transports of your own: :class:`BodyReader` reads an answer's body under all bounds,
:class:`Lanes` hands out connections that survive forks and second loops, :func:`checked` refuses
what cannot be written as HTTP, and :func:`default_context` is whom all transports trust.
"""

from __future__ import annotations

from billingual._lazy import attach

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

__getattr__, __dir__ = attach(
    __name__,
    {
        "_address": "Address checked",
        "_body": "BodyReader",
        "_failures": "NOTHING SENT UNSENT",
        "_lanes": "Lane Lanes",
        "_trust": "default_context",
    },
)
