"""Faults as data: what shall go wrong, for which requests, how often.

A request meets at most one fault: the first in the queue that matches it, which then loses one of
its `times`. The control API is never subject to faults.

Some kinds break the wire. Others let the sandbox behave as providers elsewhere do: one stores
another number than it was sent, one answers an update with the values from before.
"""

from __future__ import annotations

from collections.abc import Sequence

import attrs

from billingual.sandbox.fields import (
    Check,
    Field,
    InvalidError,
    boolean,
    choice,
    integer,
    number,
    read_object,
    text,
)

__all__ = [
    "BODY_KINDS",
    "KINDS",
    "NUMBER_CHANGES",
    "DroppedConnection",
    "Fault",
    "FaultQueue",
    "fault_from",
    "fault_record",
]

KINDS = (
    "alter_number",
    "drop_after_commit",
    "drop_before_commit",
    "duplicate",
    "keep_alive",
    "latency",
    "old_values",
    "rate_limit",
    "status",
    "status_word",
    "truncate",
)
"""The kinds of fault."""

NUMBER_CHANGES = ("blank", "cut", "prefix", "renumber", "strip")
"""What an `alter_number` makes of the number that was sent."""

BODY_KINDS = ("json", "html", "empty", "text", "json_as_text", "text_as_json")
"""What a `status` fault sends as its body."""

_MAX_TIMES = 1_000_000
_MAX_SECONDS = 3600
_OF_WRITES = ("alter_number", "old_values")
_READS = ("GET", "HEAD")


class DroppedConnection(Exception):  # noqa: N818  an event of the wire, not an error of ours
    """The connection was cut on purpose, and the server offers no way to really cut it.

    Raised only if `scope["extensions"]["sandbox.drop"]` is absent.
    """


@attrs.frozen(kw_only=True)
class Fault:
    """One thing that shall go wrong.

    Attributes:
        kind: One of `KINDS`.
        provider: Only requests of this provider; None is any.
        method: Only this HTTP method; None is any.
        path_suffix: Only paths with this ending.
        times: How many requests it applies to.
        seconds: How long a `latency` lasts, or how long a `keep_alive` says and has the server
            keep the idle connection.
        after_commit: Whether a `latency` or `status` strikes after the request took effect
            instead of before; whether an update answered with `old_values` took effect.
        retry_after: The `Retry-After` of a `rate_limit`: seconds, or an HTTP date; None sends
            none.
        status: The HTTP status of a `status` fault.
        body_kind: What a `status` fault sends, one of `BODY_KINDS`.
        after_bytes: Where a `truncate` cuts the body; wins over *fraction*.
        fraction: Which part of the body a `truncate` lets through.
        change: What an `alter_number` makes of the number, one of `NUMBER_CHANGES`.
        word: The word that a `status_word` puts into the response's `status`.
    """

    kind: str
    provider: str | None = None
    method: str | None = None
    path_suffix: str = ""
    times: int = 1
    seconds: float = 1.0
    after_commit: bool = False
    retry_after: str | None = "1"
    status: int = 503
    body_kind: str = "json"
    after_bytes: int | None = None
    fraction: float = 0.5
    change: str = "cut"
    word: str = "ok"

    def matches(self, provider: str, method: str, path: str) -> bool:
        """Tell whether a request is one this fault is meant for."""
        return (
            (self.kind not in _OF_WRITES or method not in _READS)
            and self.provider in (None, provider)
            and self.method in (None, method)
            and path.endswith(self.path_suffix)
        )

    def cut(self, length: int) -> int:
        """Say how many of *length* body bytes a `truncate` lets through; always fewer than all."""
        wanted = int(length * self.fraction) if self.after_bytes is None else self.after_bytes
        return max(0, min(wanted, length - 1))

    def altered(self, number: str, serial: int) -> str:
        """Make another number of *number*; *serial* numbers the request."""
        if self.change == "cut":
            return number[: max(1, len(number) // 2)]
        if self.change == "prefix":
            return f"SBX-{number}"
        if self.change == "renumber":
            return f"R-{serial:06d}"
        if self.change == "strip":
            return "".join(filter(str.isalnum, number)).lstrip("0")
        # A blank, because Kukkingu takes no empty number; Exante makes a number of its own of it.
        return " "


def _retry_after(value: object, path: str) -> object:
    if value is None:
        return None
    if isinstance(value, int):
        return str(integer(0, 10**9)(value, path))
    if (
        not isinstance(value, str)
        or not value.isascii()
        or not value.isprintable()
        or len(value) > 80
    ):
        raise InvalidError((path, "must be seconds, an HTTP date or null"))
    return value


def _seconds(highest: int) -> Check:
    def check(value: object, path: str) -> object:
        amount = float(str(number(0)(value, path)))
        if amount > highest:
            raise InvalidError((path, f"must be {highest} or less"))
        return amount

    return check


_FIELDS = (
    Field("kind", choice(*KINDS), required=True),
    Field("provider", choice("exante", "katsu", "kukkingu"), nullable=True),
    Field("method", choice("DELETE", "GET", "HEAD", "PATCH", "POST", "PUT"), nullable=True),
    Field("path_suffix", text(longest=500)),
    Field("times", integer(1, _MAX_TIMES)),
    Field("seconds", _seconds(_MAX_SECONDS)),
    Field("after_commit", boolean),
    Field("retry_after", _retry_after),
    Field("status", integer(200, 599)),
    Field("body_kind", choice(*BODY_KINDS)),
    Field("after_bytes", integer(0, 10**9), nullable=True),
    Field("fraction", _seconds(1)),
    Field("change", choice(*NUMBER_CHANGES)),
    Field("word", text(longest=100)),
)


def fault_from(value: object) -> Fault:
    """Read a fault from JSON.

    Raises:
        InvalidError: If it is not a fault.
    """
    return Fault(**read_object(value, _FIELDS))  # type: ignore[arg-type]  # the fields checked them


def fault_record(fault: Fault) -> dict[str, object]:
    """Write a fault as JSON."""
    record: dict[str, object] = attrs.asdict(fault)
    return record


class FaultQueue:
    """The faults still to come, in order."""

    def __init__(self) -> None:
        self._faults: list[Fault] = []

    def add(self, faults: Sequence[Fault]) -> None:
        """Put faults at the end of the queue."""
        self._faults.extend(faults)

    def clear(self, kind: str | None = None) -> None:
        """Forget the faults of one kind; None is all of them."""
        self._faults = [fault for fault in self._faults if kind not in (None, fault.kind)]

    def pending(self) -> list[Fault]:
        """List the faults with the times they still have."""
        return list(self._faults)

    def take(self, provider: str, method: str, path: str) -> Fault | None:
        """Return the fault of a request, and use up one of its times."""
        for index, fault in enumerate(self._faults):
            if fault.matches(provider, method, path):
                if fault.times == 1:
                    del self._faults[index]
                else:
                    self._faults[index] = attrs.evolve(fault, times=fault.times - 1)
                return fault
        return None
