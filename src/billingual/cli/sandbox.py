"""``billingual sandbox``: the three providers on a port of this machine."""

from __future__ import annotations

import errno
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, TypeAlias

from cyclopts import Parameter
from cyclopts.validators import Number

from billingual.cli.connection import TOKEN_VARIABLE
from billingual.cli.exit_codes import FAILURE, OK
from billingual.cli.messages import fail, hint
from billingual.cli.output import output_kept
from billingual.errors import ConfigurationError
from billingual.sandbox import ACCOUNTS, serve
from billingual.sandbox.app import MAX_INVOICES, MAX_SEED
from billingual.sandbox.server import MAX_PORT

__all__ = ["CountOption", "SeedOption", "sandbox"]

CountOption: TypeAlias = Annotated[int, Parameter(validator=Number(gte=0, lte=MAX_INVOICES))]
SeedOption: TypeAlias = Annotated[int, Parameter(validator=Number(gte=-MAX_SEED, lte=MAX_SEED))]


def sandbox(
    *,
    host: str = "127.0.0.1",
    port: Annotated[int, Parameter(validator=Number(gte=0, lte=MAX_PORT))] = 8321,
    db: Path | None = None,
    seed: SeedOption | None = None,
    invoices: CountOption | None = None,
    allow_remote: bool = False,
) -> int:
    """Serve all providers on this machine until Ctrl-C: stateful, seeded, no account.

    Args:
        host: Address to listen on; 127.0.0.1 unless you say otherwise.
        port: Port to listen on, to 65535; 8321 unless you say otherwise, 0 picks a free one.
        db: SQLite file that keeps the data; in memory otherwise.
        seed: Seed of new data, 42 by default; it decides all of it.
        invoices: How many invoices Exante's organization starts with, to 100000; 1000 by default.
        allow_remote: Let other machines in; the sandbox's tokens are public.
    """
    try:
        serve(
            host,
            port,
            db=None if db is None else str(db),
            seed=seed,
            invoices=invoices,
            announce=_announcer(),
            allow_remote=allow_remote,
        )
    except ValueError as error:
        hint_of = " (--allow-remote)" if "remote" in str(error) else ""
        raise ConfigurationError(f"{error}{hint_of}.") from None
    except sqlite3.Error as error:
        fail(f"{db} cannot be used as the sandbox's database: {error}.")
        return FAILURE
    except OSError as error:
        is_taken = error.errno in {errno.EADDRINUSE, errno.EACCES}
        way = "--port, or --port 0 for a free one" if is_taken else "--host, such as 127.0.0.1"
        fail(f"cannot listen on {host}:{port}: {error.strerror or error}. Choose another {way}.")
        return FAILURE
    hint("The sandbox has stopped.")
    return OK


def _announcer() -> Callable[[str], None]:
    said: list[str] = []

    def announce(text: str) -> None:
        said.append(text)
        # A server is of use to others than the reader of its output.
        output_kept(lambda: print(text), OK, f"The sandbox serves {said[0]}")  # noqa: T201 - data
        if len(said) == 1 + len(ACCOUNTS):
            _say_commands(said[0])

    return announce


def _say_commands(url: str) -> None:
    exante = ACCOUNTS["exante"]
    hint(
        f"The sandbox is up; Ctrl-C stops it. Its page in a browser: {url}/\n"
        "Try a curl command in another terminal, or:\n"
        f"  export {TOKEN_VARIABLE}={exante.token}\n"
        f"  billingual list --base-url {url}{exante.prefix}"
    )
