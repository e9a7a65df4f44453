"""Everything one sandbox consists of, in one object; two sandboxes share nothing."""

from __future__ import annotations

import os
import threading
import weakref
from collections.abc import Awaitable, Callable

import attrs

from billingual.sandbox.clock import Clock
from billingual.sandbox.faults import FaultQueue
from billingual.sandbox.request_log import RequestLog
from billingual.sandbox.settings import Settings
from billingual.sandbox.store import Store

__all__ = ["SandboxState", "Sleep"]

Sleep = Callable[[float], Awaitable[object]]
"""Waits a number of seconds."""


@attrs.define(eq=False, kw_only=True, weakref_slot=True)
class SandboxState:
    """One sandbox: its data, clock, switches, faults and memory.

    *lock* is held while a request is carried out, never while one waits. *seed* and *invoices*
    are those it began with. *any_host* lets the control API be reached under any name.
    """

    store: Store
    sleep: Sleep
    seed: int
    invoices: int
    any_host: bool = False
    clock: Clock = attrs.field(factory=Clock)
    settings: Settings = attrs.field(factory=Settings)
    faults: FaultQueue = attrs.field(factory=FaultQueue)
    request_log: RequestLog = attrs.field(factory=RequestLog)
    lock: threading.RLock = attrs.field(factory=threading.RLock, repr=False)

    def __attrs_post_init__(self) -> None:
        _ALL.add(self)


_ALL: weakref.WeakSet[SandboxState] = weakref.WeakSet()
_HELD: list[SandboxState] = []


def _hold() -> None:
    """Wait until no thread is inside a sandbox: a child would inherit its lock, held for ever."""
    for state in list(_ALL):
        state.lock.acquire()
        _HELD.append(state)


def _let_go() -> None:
    while _HELD:
        _HELD.pop().lock.release()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(before=_hold, after_in_parent=_let_go, after_in_child=_let_go)
