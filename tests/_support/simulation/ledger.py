"""A ledger that is watched: what it is told becomes history, and a process may die at any step."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from typing import Any, Final, TypeVar

import attrs

from _support.simulation.history import Event
from _support.simulation.kernel import Kernel, Killed, Process
from billingual.jobs import Claim

__all__ = ["WatchedLedger"]

T = TypeVar("T")

_ENDS: Final = {"commit": "ok", "reject": "fail", "release": "fail", "split": "fail"}
_STEPS: Final = frozenset(
    {*_ENDS, "claim", "unclear", "claim_look", "found", "postpone", "recover", "keep_before",
     "put_off", "add"}
)  # fmt: skip


@attrs.frozen(kw_only=True)
class _WatchedClaim(Claim):
    """A claim that tells whose request comes next: its lease is looked at just before the send."""

    kernel: Kernel

    def __getattribute__(self, name: str) -> Any:
        value = super().__getattribute__(name)
        if name == "lease":
            task = super().__getattribute__("kernel").current
            if task is not None:
                task.request = self.request
        return value


@attrs.define(eq=False)
class WatchedLedger:
    """The ledger of one process.

    Attributes:
        inner: the ledger that is watched.
        process: whose it is.
        record: takes events.
        deadly: the probability that the process dies at a step, before it or after.
        failing: the probability that a transaction cannot be kept, as when the disk is full.
    """

    inner: Any
    process: Process
    record: Callable[[Event], None]
    deadly: float = 0.0
    failing: float = 0.0
    held: list[Event] | None = None

    def together(self, call: Callable[[], T]) -> T:
        """Take steps in one transaction, which the process may die after; if undone, forget it."""
        self.held = []
        try:
            value: T = self.inner.together(lambda: self._kept(call))
            kept = self.held
        finally:
            self.held = None
        for each in kept:
            self.record(each)
        if kept and self.process.kernel.chance.random() < self.deadly:
            raise Killed
        return value

    def _kept(self, call: Callable[[], T]) -> T:
        value = call()
        if self.process.kernel.chance.random() < self.failing:
            raise sqlite3.OperationalError("database or disk is full")
        return value

    def __getattr__(self, name: str) -> Any:
        method = getattr(self.inner, name)
        if not callable(method):
            return method
        steps = name in _STEPS

        def step(*arguments: Any, **options: Any) -> Any:
            if not self.process.alive:
                raise Killed
            kernel = self.process.kernel
            dies = steps and kernel.chance.random() < self.deadly
            if dies and kernel.chance.random() < 0.5:
                raise Killed
            result = method(*arguments, **options)
            if steps:
                result = self._noted(name, arguments, options, result)
            if dies:
                raise Killed
            return result

        return step

    def _noted(
        self, name: str, arguments: tuple[Any, ...], options: dict[str, Any], result: Any
    ) -> Any:
        if name == "claim" and result is not None:
            self._tell("invoke", result)
            fields = {each.name: getattr(result, each.name) for each in attrs.fields(Claim)}
            return _WatchedClaim(**fields, kernel=self.process.kernel)
        if name in _ENDS:
            self._tell(_ENDS[name], arguments[0])
        elif name == "unclear":
            # No provider promises that a refused batch of deletions did nothing.
            open_ = options["refusal"] is None or arguments[0].entries[0].operation == "delete"
            self._tell("info" if open_ else "fail", arguments[0])
        return result

    def _tell(self, kind: Any, claim: Claim) -> None:
        # A look ends as a request does, and is none.
        if claim.kind != "send":
            return
        names = tuple(each.id for each in claim.entries)
        event = Event(self.process.kernel.now, kind, claim.request, names)
        if self.held is None:
            self.record(event)
        else:
            self.held.append(event)
