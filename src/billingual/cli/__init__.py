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
        SystemExit: always; the codes are in :mod:`billingual.cli.exit_codes`.
    """
    try:
        from billingual.cli.app import run  # noqa: PLC0415 - the library is used without it

        code = run(sys.argv[1:] if arguments is None else arguments)
    except ImportError as error:
        name = _missing_package(error)
        if name not in _OF_THE_EXTRA:
            raise
        sys.stderr.write(
            f"billingual: the command line needs {name}, which is not installed; "
            'run: pip install "billingual[cli]" (in a checkout: pip install ".[cli]")\n'
        )
        code = 2
    except KeyboardInterrupt:
        # While the commands are imported; afterwards they say what Ctrl-C has ended.
        sys.stderr.write("interrupted\n")
        code = 130
    raise SystemExit(code)


def _missing_package(error: BaseException | None) -> str:
    """Name what is not installed; cyclopts wraps the word of it when it imports a command."""
    while error is not None and not isinstance(error, ModuleNotFoundError):
        error = error.__cause__
    return "" if error is None else (error.name or "").partition(".")[0]
