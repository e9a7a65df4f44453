"""All the rules that every transport over a socket is held to in turn.

A test file makes a subclass of :class:`OnAWire` with a ``link`` fixture; the server is the
scripted one of the conftest.
"""

from __future__ import annotations

from _support.wires.connection_rules import ConnectionRules
from _support.wires.proxy_rules import ProxyRules
from _support.wires.request_rules import RequestRules
from _support.wires.response_rules import ResponseRules

__all__ = ["OnAWire"]


class OnAWire(ResponseRules, RequestRules, ConnectionRules, ProxyRules):
    """All the rules."""
