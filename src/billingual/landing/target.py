"""The seam to the place where invoices are landed: Parquet files, a DuckDB file, a Delta table."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Final, Protocol, runtime_checkable

import attrs

from billingual.errors import BillingualError, UsageError
from billingual.landing.windows import Window, WindowKind

if TYPE_CHECKING:
    from arro3.core import RecordBatch

__all__ = ["VERSION", "Counts", "Landed", "LandingError", "LandingInUseError", "Source", "Target"]

VERSION: Final = 1
"""The version of the columns of landed rows. A target of another version is refused."""


class LandingError(BillingualError):
    """The target cannot be read or written; what was landed before is as it was."""


class LandingInUseError(UsageError):
    """Another landing works with this target."""


@attrs.frozen(kw_only=True)
class Source:
    """Where a target's invoices come from; a target holds those of one source.

    Attributes:
        provider: the provider.
        account: its address, tenant and organization.
        filter: what else holds for each invoice, as JSON text.
    """

    provider: str
    account: tuple[str | None, ...]
    filter: str


@attrs.frozen(kw_only=True)
class Landed:
    """What a target knows of a window.

    Attributes:
        kind: what it was when it was read.
        complete: whether it was provably whole.
    """

    kind: WindowKind
    complete: bool


@attrs.frozen
class Counts:
    """What landed rows were to what was there.

    Attributes:
        new: invoices that were not there before.
        changed: those whose payload is another now.
        unchanged: those that were read and are as before.
        deleted: those that are gone at the provider.
    """

    new: int = 0
    changed: int = 0
    unchanged: int = 0
    deleted: int = 0


@runtime_checkable
class Target(Protocol):
    """A place for invoices; methods block, and are called from one thread at a time.

    A window's rows count only from its :meth:`commit`, which is one durable step. Whatever was
    added before and not committed is dropped by the next :meth:`open`, also after a kill.
    """

    def open(self, source: Source, *, now: float) -> float:
        """Open or make the target, alone, and return a time for this run, later than any before.

        Raises:
            LandingInUseError: if another process works with it.
            LandingError: if it cannot be opened, or is something else.
            UsageError: if it holds the invoices of another source.
        """
        ...

    def landed(self) -> Mapping[str, Landed]:
        """Return what is known of each window, by its name."""
        ...

    def last_run(self) -> float | None:
        """Return when the last run that read every window began; None if there was none."""
        ...

    def open_ids(self, statuses: tuple[str, ...]) -> set[str]:
        """Return the ids of invoices with one of these statuses."""
        ...

    def add(self, window: Window, batch: RecordBatch) -> None:
        """Take rows of a window, with the columns of :func:`~billingual.landing.table.landed`."""
        ...

    def commit(self, window: Window, *, complete: bool, how: str, at: float) -> Counts | None:
        """Let the rows of a window count, all of them, from now on.

        An invoice that an earlier read of this window brought, and this one did not, stays as it
        was last seen: it may be dated otherwise now. Only a complete full read tells that it is
        gone.

        Returns:
            What was new; None where the target does not compare. An invoice that several windows
            of a run bring counts once.
        """
        ...

    def finish(self, *, at: float) -> None:
        """Note that a run that began at *at* has read every window of its plan."""
        ...

    def close(self) -> None:
        """Give the target up."""
        ...
