"""Where a job is kept: a file, or a database."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, TypeVar

from billingual.auth import Secret
from billingual.errors import MissingExtraError

if TYPE_CHECKING:
    from os import PathLike

    from billingual.jobs.ledger import Ledger
    from billingual.jobs.postgres import PostgresLedger

__all__ = ["as_place", "database_ledger", "open_file"]

P = TypeVar("P")

_SCHEMES: Final = ("postgresql://", "postgres://")


def as_place(place: P) -> P | Secret:
    """Wrap the URL of a database, which may have a password; return any other place unchanged."""
    if isinstance(place, str) and place.startswith(_SCHEMES):
        return Secret(place)
    return place


def database_ledger(url: Secret, job: str | None) -> PostgresLedger:
    """Make the ledger of a job in a database; it connects at the first use.

    Raises:
        InvalidInputError: if the URL cannot be read, or no job is named.
        MissingExtraError: if psycopg is not installed.
    """
    try:
        from billingual.jobs.postgres import PostgresLedger  # noqa: PLC0415 - an extra
    except ImportError as error:
        if error.name is None or error.name.partition(".")[0] != "psycopg":
            raise
        raise MissingExtraError("a ledger in PostgreSQL", "postgres", "psycopg") from None
    return PostgresLedger(url, job=job)


def open_file(path: str | PathLike[str], *, shared: bool) -> Ledger:
    """Open the ledger in a file, which is made if it is not there."""
    from billingual.jobs.sqlite import SqliteLedger  # noqa: PLC0415 - a database needs none

    return SqliteLedger(path, shared=shared)
