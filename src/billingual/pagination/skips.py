"""Rows and pages that cannot be read: a walk leaves them out, and reports each."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, Literal, TypeAlias

import attrs

from billingual.abc import is_plain_function
from billingual.errors import BadRowError, InvalidInputError, shown
from billingual.model import BadPage, BadRow

__all__ = ["MAX_BAD_PAGES", "OnBadPage", "OnBadRow", "Skips"]

MAX_BAD_PAGES: Final = 5
"""Pages in a row that a walk skips: if more cannot be read, the fault is not that of a page."""


OnBadRow: TypeAlias = Literal["skip", "raise"] | Callable[[BadRow], object]
OnBadPage: TypeAlias = Literal["skip", "raise"] | Callable[[BadPage], object]


@attrs.frozen
class Skips:
    """What a walk does with rows and pages that cannot be read.

    Attributes:
        on_bad_row: leave the row out; raise an error before the rows of its page; or leave it out
            and call this.
        on_bad_page: the same for a page.
        tell: tells the observers about a page that is skipped.
    """

    on_bad_row: OnBadRow = "skip"
    on_bad_page: OnBadPage = "raise"
    tell: Callable[[BadPage], object] | None = None

    def __attrs_post_init__(self) -> None:
        for field in ("on_bad_row", "on_bad_page"):
            given: Any = getattr(self, field)
            if callable(given) and not is_plain_function(given):
                raise InvalidInputError(field, "it is an async function", "give a plain one")
            word = given if isinstance(given, str) else ""
            if not (callable(given) or word in ("skip", "raise")):
                problem = f"{shown(given)} says nothing about it"
                raise InvalidInputError(field, problem, "give 'skip', 'raise' or a function")

    def report_rows(self, rows: tuple[BadRow, ...]) -> None:
        """Tell about rows that are left out.

        Raises:
            BadRowError: if the caller wants an error.
        """
        if self.on_bad_row == "raise":
            raise BadRowError(rows)
        if callable(self.on_bad_row):
            for row in rows:
                self.on_bad_row(row)

    def report_page(self, page: BadPage) -> None:
        """Tell about a page that is skipped."""
        if callable(self.on_bad_page):
            self.on_bad_page(page)
        if self.tell is not None:
            self.tell(page)
