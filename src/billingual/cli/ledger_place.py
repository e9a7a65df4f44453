"""Where the job of a command is kept: a file, or the URL of a database."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Self

import attrs

from billingual.auth import Secret
from billingual.cli.messages import hint
from billingual.errors import InvalidInputError
from billingual.jobs.ledger import Ledger, LedgerInUseError
from billingual.jobs.place import as_place, database_ledger, open_file
from billingual.jobs.sqlite import snapshot

__all__ = ["LedgerPlace", "in_use"]


@attrs.frozen
class LedgerPlace:
    """The place of a ledger; as a text it has no password.

    Attributes:
        place: a file, or the URL of a database with the name of the job.
        shown: how messages call it, and how a command that they advise does.
    """

    place: Path | Secret
    shown: str

    @classmethod
    def of(cls, text: str) -> Self:
        """Read what an option or an argument names.

        Raises:
            InvalidInputError: if it is a URL that cannot be read, or names no job.
            MissingExtraError: if it is a URL, and psycopg is not installed.
        """
        place = as_place(text)
        if isinstance(place, Secret):
            return cls(place, database_ledger(place, None).place)
        return cls(Path(place), text)

    def __str__(self) -> str:
        return self.shown

    def refuse_missing(self) -> None:
        """Refuse a ledger that is not there, and that opening would make.

        Raises:
            UsageError: if it is not there.
        """
        if isinstance(self.place, Path):
            # An empty file would become a ledger when it is opened.
            if not self.place.is_file() or not self.place.stat().st_size:
                raise InvalidInputError(
                    self.shown, "there is no such ledger", "name the one that --job named"
                )
            return
        ledger = database_ledger(self.place, None)
        try:
            ledger.is_working()
        finally:
            ledger.close()

    @contextmanager
    def looked_into(self) -> Iterator[Ledger]:
        """Open it to look into it, also while a process runs its job."""
        with ExitStack() as stack:
            try:
                ledger = stack.enter_context(self.opened())
            except LedgerInUseError:
                assert isinstance(self.place, Path)  # noqa: S101 - a database is never in use
                ledger = stack.enter_context(snapshot(self.place))
                hint("Another process works with this job; this is what it showed just now.")
            yield ledger

    @contextmanager
    def opened(self) -> Iterator[Ledger]:
        """Open a ledger that is there, without a client: most of what it knows needs none."""
        self.refuse_missing()
        try:
            ledger = (
                open_file(self.place, shared=False)
                if isinstance(self.place, Path)
                else database_ledger(self.place, None)
            )
        except LedgerInUseError:
            raise in_use(self) from None
        try:
            yield ledger
        finally:
            ledger.close()


def in_use(ledger: LedgerPlace) -> LedgerInUseError:
    """Make the error for a ledger that another process works with."""
    return LedgerInUseError(f"another process works with {ledger}; wait for its end.")
