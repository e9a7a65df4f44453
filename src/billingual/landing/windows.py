"""Which parts of a list a landing reads: pure planning, from dates and from what is known.

No provider here can list what changed since a moment, so a landing is a bet that late changes are
found another way. It makes four kinds of windows:

- ``closed``: invoices by date of issue, older than the look-back. Read once.
- ``recent``: invoices by date of issue, within the look-back or in the future. Read each time.
- ``open``: every invoice with a status that is not final, whatever its date. Read each time.
- ``full``: everything, where that is asked for. Only a full read tells what is gone.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, date, datetime, timedelta
from typing import Final, Literal, TypeAlias

import attrs

from billingual.errors import InvalidInputError, shown
from billingual.model import Filter, Status, checked_text
from billingual.model._types import listed
from billingual.wire import plain_text

__all__ = ["OPEN_STATUSES", "Window", "WindowKind", "plan_windows", "statuses_of"]

WindowKind: TypeAlias = Literal["closed", "recent", "open", "full"]

OPEN_STATUSES: Final[tuple[str, ...]] = (
    Status.DRAFT, Status.APPROVED, Status.SCHEDULED, Status.SENT, Status.OVERDUE,
    Status.PARTIALLY_PAID, Status.DISPUTED,
)  # fmt: skip
"""The documented statuses of receivables from which an invoice still moves on.

Source: https://docs.exante.app/api-reference/invoices/stats, read 2026-11, has ten; the other three
are PAID, CANCELLED and VOID. Which transitions there are is not documented.
"""

MOVED: Final = "moved"
"""The window of what was open and is in no other one: each is read by its id."""

MAX_WINDOWS: Final = 10_000

_OWN: Final = ("issued_from", "issued_to", "status")


@attrs.frozen(kw_only=True)
class Window:
    """A part of a list; plain data without credentials, which can be pickled.

    Attributes:
        name: what it is called in a landing's state, in reports and file names.
        kind: closed, recent, open or full.
        filter: which invoices.
    """

    name: str
    kind: WindowKind
    filter: Filter

    @property
    def closed(self) -> bool:
        """Whether it is read only once."""
        return self.kind == "closed"


def plan_windows(
    start: date | None,
    end: date | None = None,
    *,
    now: datetime,
    days: int = 30,
    lookback_days: int = 90,
    open_statuses: Iterable[str] = OPEN_STATUSES,
    base: Filter | None = None,
    full: bool = False,
) -> tuple[Window, ...]:
    """Plan the windows of a landing; the same days give the same windows, whenever it is asked.

    Windows begin at fixed days, counted from a fixed date. So a landing that is planned again a
    week later finds its closed windows under the names that they had.

    Args:
        start: first day of issue; None for everything, which is one ``full`` window.
        end: last day of issue, included. None for no end: then the last window has none, and holds
            what is dated in the future.
        now: the time of the landing, aware.
        days: days of a window, 1 to 366. Default 30.
        lookback_days: windows that end within so many days before *now* are recent. Default 90.
        open_statuses: the statuses that are not final; none for no ``open`` window.
        base: what else must hold for each invoice. It gives neither dates of issue nor statuses.
        full: read everything, instead of windows.

    Raises:
        InvalidInputError: if an argument cannot be right, or there would be more than 10,000
            windows.
    """
    base = base or Filter()
    taken = [name for name in _OWN if getattr(base, name) is not None]
    if taken:
        fix = "leave it out" if taken == ["status"] else "give since and until instead"
        raise InvalidInputError(taken[0], "the windows of a landing set it themselves", fix)
    first, last, today = _day(start, "since"), _day(end, "until"), _today(now)
    _check_days(days, lookback_days)
    if first is None and last is not None:
        raise InvalidInputError("until", "it has no beginning", "give since as well")
    if first is not None and last is not None and last < first:
        raise InvalidInputError("until", f"{last} is before {first}", "give a later day")
    if full or first is None:
        return (Window(name="all", kind="full", filter=base),)
    windows = []
    statuses = statuses_of(open_statuses)
    if statuses:
        windows.append(Window(name="open", kind="open", filter=attrs.evolve(base, status=statuses)))
    border = today - timedelta(days=lookback_days)
    reached = today if last is None else last
    begin = first
    while begin <= reached:
        stop = _end_of_window(begin, days)
        stop = stop if last is None else min(stop, last)
        windows.append(_of_days(begin, stop, base, is_closed=stop < border))
        if len(windows) > MAX_WINDOWS:
            raise InvalidInputError(
                "since", f"{first} makes more than {MAX_WINDOWS} windows", "give more days each"
            )
        if stop == date.max:
            break
        begin = stop + timedelta(days=1)
    if last is None:
        later = attrs.evolve(base, issued_from=max(begin, first))
        windows.append(Window(name=f"issued-{begin}-on", kind="recent", filter=later))
    return tuple(windows)


def statuses_of(given: object) -> tuple[str, ...]:
    """Read statuses; a single text is one of them, and not its letters.

    Raises:
        InvalidInputError: if they are no texts.
    """
    statuses = (given,) if isinstance(given, str) else listed(given)
    field, fix = "open_statuses", "give texts, like ['SENT']"
    if statuses is None:
        raise InvalidInputError(field, f"{type(given).__name__} is no list of statuses", fix)
    for each in statuses:
        checked_text(each, field, fix)
    # A Status stays one, as in a filter.
    return tuple(each if isinstance(each, Status) else plain_text(each) for each in statuses)


def _of_days(first: date, last: date, base: Filter, *, is_closed: bool) -> Window:
    return Window(
        name=f"issued-{first}-to-{last}",
        kind="closed" if is_closed else "recent",
        filter=attrs.evolve(base, issued_from=first, issued_to=last),
    )


def _end_of_window(day: date, days: int) -> date:
    """Return the last day of the window that a day is in."""
    behind = days - 1 - day.toordinal() % days
    return day + min(timedelta(days=behind), date.max - day)


def _day(given: object, name: str) -> date | None:
    if given is None or (isinstance(given, date) and not isinstance(given, datetime)):
        return given
    raise InvalidInputError(name, f"{type(given).__name__} is no day", "give a datetime.date")


def _today(now: datetime) -> date:
    if now.tzinfo is None:
        raise InvalidInputError("now", "it has no time zone", "give an aware datetime")
    return now.astimezone(UTC).date()


def _check_days(days: int, lookback_days: int) -> None:
    for name, value, least, most in (
        ("days", days, 1, 366),
        ("lookback_days", lookback_days, 0, 36_600),
    ):
        if type(value) is not int or not least <= value <= most:
            raise InvalidInputError(
                name,
                f"{shown(value)} is out of bounds",
                f"give a whole number from {least} to {most}",
            )
