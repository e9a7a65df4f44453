"""Where a job is kept: a file, or a database."""

from __future__ import annotations

from os import PathLike
from typing import TYPE_CHECKING, Final, TypeVar

from billingual.auth import Secret
from billingual.errors import InvalidInputError, MissingExtraError

if TYPE_CHECKING:
    from billingual.jobs.ledger import Ledger
    from billingual.jobs.postgres import PostgresLedger

__all__ = ["as_place", "database_ledger", "open_file"]

P = TypeVar("P")

_SCHEMES: Final = ("postgresql://", "postgres://")


def as_place(place: P) -> P | Secret:
    """Wrap a URL, which may have a password; return any other place unchanged."""
    if isinstance(place, str) and "://" in place:
        return Secret(place)
    # A path of a URL has lost a slash; as the name of a file it would be in an error.
    if isinstance(place, PathLike) and str(place).startswith(("postgres:", "postgresql:")):
        return Secret(str(place))
    return place


def database_ledger(url: Secret, job: str | None) -> PostgresLedger:
    """Make the ledger of a job in a database; it connects at the first use.

    Raises:
        InvalidInputError: if the URL cannot be read, or no job is named.
        MissingExtraError: if psycopg is not installed.
    """
    if not url.reveal().startswith(_SCHEMES):
        raise InvalidInputError(
            "ledger",
            "it is neither a file nor the URL of a PostgreSQL database",
            "name a file, or write postgresql://user@host/database, as a text",
        )
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
