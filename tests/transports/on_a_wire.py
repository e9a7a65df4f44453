"""All the rules that every transport over a socket is held to in turn.

A test file makes a subclass of :class:`OnAWire` with a ``link`` fixture; the server is the
scripted one of the conftest.
"""

from __future__ import annotations

from answer_rules import AnswerRules
from connection_rules import ConnectionRules
from proxy_rules import ProxyRules
from request_rules import RequestRules

__all__ = ["OnAWire"]


class OnAWire(AnswerRules, RequestRules, ConnectionRules, ProxyRules):
    """All the rules."""
