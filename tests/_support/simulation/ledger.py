"""A ledger that is watched: what it is told becomes history, and a process may die at any step."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import attrs

from _support.simulation.history import Event
from _support.simulation.kernel import Killed, Process
from billingual.jobs import Claim

__all__ = ["WatchedLedger"]

_ENDS: Final = {"commit": "ok", "reject": "fail", "release": "fail", "split": "fail"}
_STEPS: Final = frozenset(
    {*_ENDS, "claim", "unclear", "claim_look", "found", "postpone", "recover", "keep_before", "add"}
)


@attrs.define(eq=False)
class WatchedLedger:
    """The ledger of one process.

    Attributes:
        inner: the ledger that is watched.
        process: whose it is.
        record: takes events.
        deadly: the probability that the process dies at a step, before it or after.
    """

    inner: Any
    process: Process
    record: Callable[[Event], None]
    deadly: float = 0.0

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
                self._note(name, arguments, options, result)
            if dies:
                raise Killed
            return result

        return step

    def _note(
        self, name: str, arguments: tuple[Any, ...], options: dict[str, Any], result: Any
    ) -> None:
        kernel = self.process.kernel
        if name == "claim" and result is not None:
            self._tell("invoke", result)
            if kernel.current is not None:
                kernel.current.request = result.request
        elif name == "claim_look" and result is not None and kernel.current is not None:
            kernel.current.request = 0
        elif name in _ENDS:
            self._tell(_ENDS[name], arguments[0])
        elif name == "unclear":
            self._tell("info" if options["refusal"] is None else "fail", arguments[0])

    def _tell(self, kind: Any, claim: Claim) -> None:
        # A look ends as a request does, and is none.
        if claim.kind == "send":
            names = tuple(each.id for each in claim.entries)
            self.record(Event(self.process.kernel.now, kind, claim.request, names))
