"""The command line; nothing of it is imported before it is used."""

from __future__ import annotations

import sys
from collections.abc import Sequence

__all__ = ["main"]

_OF_THE_EXTRA = frozenset({"cyclopts", "rich", "starlette", "uvicorn"})


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line and exit with its code.

    Args:
        arguments: what follows the program's name; default: those of this process.

    Raises:
        SystemExit: always; the codes are in :mod:`billingual.cli.exits`.
    """
    try:
        from billingual.cli.app import run  # noqa: PLC0415 - the library is used without it

        code = run(sys.argv[1:] if arguments is None else arguments)
    except ModuleNotFoundError as missing:
        name = (missing.name or "").partition(".")[0]
        if name not in _OF_THE_EXTRA:
            raise
        sys.stderr.write(
            f"billingual: the command line needs {name}, which is not installed; "
            'run: pip install "billingual[cli]"\n'
        )
        code = 2
    raise SystemExit(code)
