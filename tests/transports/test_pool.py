"""The pool: which connection is used again, how long, and that no place in it is ever lost."""

from __future__ import annotations

import os
from collections.abc import Awaitable
from typing import Any, TypeVar

import attrs
import pytest

from billingual.abc import ExecutionScope, TransportOptions
from billingual.backends.scope import RunScope
from billingual.backends.sync import SyncBackend
from billingual.transports._pool import Pool
from billingual.wire import Headers

T = TypeVar("T")


class SetClock(SyncBackend):
    """A backend whose clock a test moves."""

    time = 0.0

    def now(self) -> float:
        return self.time

    def do(self, work: Awaitable[T]) -> T:
        async def whole() -> T:
            return await work

        return self.run(whole())


@attrs.define(eq=False)
class Counted:
    """A connection that counts how often it was closed."""

    closed: int = 0
    trouble: Exception | None = None

    async def aclose(self) -> None:
        self.closed += 1
        if self.trouble is not None:
            raise self.trouble

    def drop(self, scope: ExecutionScope) -> bool:
        return True


def a_pool(clock: SetClock, make: Any = Counted, **options: Any) -> Pool[Counted]:
    """Make a pool of one connection that keeps it for a minute."""
    known = {"connections": 1, "keepalive_s": 60.0, **options}
    return Pool(make, TransportOptions(backend=clock, **known))


@pytest.mark.parametrize(
    ("announced", "kept_s"),
    [
        ((), 60.0),
        (("timeout=5",), 4.0),
        (("timeout=5, max=97",), 4.0),
        (("max=97, Timeout = 5",), 4.0),
        (('timeout="5"',), 4.0),
        (("timeout=2",), 1.0),
        (("timeout=1",), 0.5),
        (("timeout=61",), 60.0),
        (("timeout=3600",), 60.0),
        (("timeout=99999999999999999999",), 60.0),
        (("max=2",), 60.0),
        (("timeout=9", "max=5"), 8.0),
        (("timeout=-1",), 60.0),
        (("soon",), 60.0),
        (("",), 60.0),
        (("xtimeout=1",), 60.0),
    ],
)
def test_a_connection_is_kept_for_as_long_as_its_server_says(
    announced: tuple[str, ...], kept_s: float
) -> None:
    """The announced time less a margin, and never longer than the client's own."""
    for late_s in (-0.01, 0.01):
        clock = SetClock()
        pool = a_pool(clock)
        taken = clock.do(pool.take(1))
        assert taken is not None
        headers = Headers([("Keep-Alive", each) for each in announced])
        clock.do(pool.give_back(*taken, headers))
        clock.time = kept_s + late_s

        again = clock.do(pool.take(1))

        assert again is not None
        assert (again[1] is taken[1], taken[1].closed) == ((True, 0) if late_s < 0 else (False, 1))


@pytest.mark.parametrize("announced", ["timeout=0", "max=0", "max=1", "timeout=60, max=1"])
def test_a_connection_with_nothing_left_is_closed_at_once(announced: str) -> None:
    """It is not kept until another request finds it closed."""
    clock = SetClock()
    pool = a_pool(clock)
    taken = clock.do(pool.take(1))
    assert taken is not None

    clock.do(pool.give_back(*taken, Headers([("Keep-Alive", announced)])))

    assert taken[1].closed == 1
    assert pool.drop() == 0


def test_a_pool_that_cannot_make_a_connection_gives_its_place_back() -> None:
    """A file of authorities that was missing for a while costs no place."""
    clock, made = SetClock(), Counted()
    makes: list[Any] = [OSError("no such file"), KeyboardInterrupt(), made]

    def make() -> Counted:
        each = makes.pop(0)
        if isinstance(each, BaseException):
            raise each
        return made

    pool = a_pool(clock, make)
    with pytest.raises(OSError, match="no such file"):
        clock.do(pool.take(0.01))
    with pytest.raises(KeyboardInterrupt):
        clock.do(pool.take(0.01))

    taken = clock.do(pool.take(0.01))

    assert taken is not None
    assert taken[1] is made


def test_an_old_connection_that_fails_to_close_costs_no_place() -> None:
    """A new one takes its place all the same."""
    clock = SetClock()
    old = Counted(trouble=OSError("reset"))
    makes = [Counted(), old]
    pool = a_pool(clock, makes.pop)
    taken = clock.do(pool.take(1))
    assert taken is not None
    clock.do(pool.give_back(*taken))
    clock.time = 61.0

    again = clock.do(pool.take(0.01))

    assert again is not None
    assert (again[1].closed, old.closed) == (0, 1)
    clock.do(pool.give_back(*again))
    assert clock.do(pool.take(0.01)) is not None


def test_a_closed_pool_starts_afresh_in_the_same_place() -> None:
    """The place it remembers was closed, so its slots and connections are not used again."""
    clock = SetClock()
    pool = a_pool(clock)
    before = clock.do(pool.take(1))
    assert before is not None
    clock.do(pool.aclose())

    after = clock.do(pool.take(0.01))

    assert after is not None
    assert after[0] is not before[0]
    clock.do(pool.give_back(*before))
    clock.do(pool.give_back(*after))
    assert (before[1].closed, after[1].closed) == (1, 0)


def test_each_scope_has_connections_of_its_own_however_often_they_change() -> None:
    """A pool remembers the last scope only as a shortcut."""
    clock = SetClock()
    scopes = [RunScope(os.getpid(), object()), RunScope(os.getpid(), object())]
    pool = a_pool(clock)
    used: list[list[Counted]] = [[], []]
    for turn in range(6):
        clock.execution_scope = lambda turn=turn: scopes[turn % 2]  # type: ignore[method-assign]
        taken = clock.do(pool.take(1))
        assert taken is not None
        used[turn % 2].append(taken[1])
        clock.do(pool.give_back(*taken))

    assert [len(set(map(id, each))) for each in used] == [1, 1]
    assert used[0][0] is not used[1][0]
