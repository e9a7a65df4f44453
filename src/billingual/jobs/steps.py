"""Join the steps that several workers ask a ledger for at once into one transaction.

A transaction takes as long as the disk, whatever is in it. So a worker that finds another one's
transaction under way waits for its end, and then takes along what all others asked for meanwhile.
Each step is durable before its worker goes on, exactly as if it had been alone.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from typing import Any, Generic, TypeVar

import attrs

from billingual.jobs.ledger import Ledger

__all__ = ["Steps"]

T = TypeVar("T")


@attrs.define(eq=False)
class Steps:
    """The steps of the workers of one run, which ask for them from several threads.

    Attributes:
        ledger: takes them.
    """

    ledger: Ledger
    _asked: deque[_Step[Any]] = attrs.field(factory=deque, init=False)
    _turn: threading.Lock = attrs.field(factory=threading.Lock, init=False)

    def take(self, call: Callable[[], T], then: Callable[[T], object]) -> T:
        """Run *call*, whose steps are durable when this returns its value.

        Args:
            call: takes steps of the ledger. If it raises, those that it took before count.
            then: called with the value of *call* when all is durable, in the order of the calls.
        """
        step = _Step(call, then)
        self._asked.append(step)
        with self._turn:
            if not step.ended:
                self._take_all()
        return step.result()

    def _take_all(self) -> None:
        steps = [self._asked.popleft() for _ in range(len(self._asked))]

        def take() -> None:
            for each in steps:
                each.take()

        try:
            self.ledger.together(take)
        except BaseException as error:  # noqa: BLE001 - raised where each step is waited for
            for each in steps:
                each.fail(error)
        else:
            for each in steps:
                each.keep()


@attrs.define(eq=False)
class _Step(Generic[T]):
    """What one worker asked for."""

    call: Callable[[], T]
    then: Callable[[T], object]
    ended: bool = False
    value: list[T] = attrs.field(factory=list)
    error: BaseException | None = None

    def take(self) -> None:
        # The transaction may be the second one, after the first was lost.
        self.value, self.error = [], None
        # An interrupt is no failure of this step: it undoes the transaction.
        try:
            self.value.append(self.call())
        except Exception as error:  # noqa: BLE001 - raised where the step is waited for
            self.error = error

    def fail(self, error: BaseException) -> None:
        self.error = self.error or error
        self.ended = True

    def keep(self) -> None:
        self.ended = True
        if self.error is None:
            self.then(self.value[0])

    def result(self) -> T:
        if self.error is not None:
            raise self.error
        return self.value[0]
