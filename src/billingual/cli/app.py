"""The commands, and the one place where an error becomes an exit code."""

from __future__ import annotations

import io
import os
import sys
from collections.abc import Sequence
from typing import Annotated, Final

from cyclopts import App, CycloptsError, Parameter

from billingual._version import __version__
from billingual.cli.exit_codes import (
    FAILURE,
    INTERRUPTED,
    OK,
    OUTPUT_LOST,
    UNCLEAR,
    USAGE,
    exit_code,
)
from billingual.cli.invoice_view import OutputLostError
from billingual.cli.messages import complain, fail
from billingual.errors import BillingualError, unclear_from

__all__ = ["app", "run"]

_EPILOGUE: Final = """\
Data goes to stdout, everything else to stderr. The token is read from the environment variable \
BILLINGUAL_TOKEN and from nowhere else.

Exit codes: 0 ok, 1 failure, 2 usage, 3 credentials or permission, 4 not found, 5 rate-limited, \
6 wire or provider trouble, 7 a write that may or may not have happened, 8 a write that was done \
and whose output was lost, 130 interrupted.
"""


app: App = App(
    name="billingual",
    help=(
        "Speak to any invoicing API through one invoice protocol. Start with 'billingual demo': "
        "it needs no account and no network."
    ),
    help_epilogue=_EPILOGUE,
    help_format="plaintext",
    version=__version__,
    default_parameter=Parameter(negative=(), show_default=False),
    result_action="return_value",
    suppress_keyboard_interrupt=False,
)
# Named by their addresses, so that a command imports only what it needs.
_COMMANDS: Final = (
    ("demo", "demo.run:demo", "Show everything working: no account, no network."),
    ("list", "invoices:list_invoices", "List invoices."),
    ("get", "invoices:get_invoice", "Show one invoice in full."),
    ("create", "invoices:create_invoice", "Create an invoice."),
    ("update", "invoices:update_invoice", "Change an invoice, or replace it whole."),
    ("providers", "providers:providers", "Show what each provider can do."),
    ("transports", "transports:transports", "Show what can carry requests, and what to install."),
    ("sandbox", "sandbox:sandbox", "Serve the offline stand-in for all providers."),
)
for _order, (_name, _target, _help) in enumerate(_COMMANDS):
    app.command(f"billingual.cli.{_target}", name=_name, help=_help, sort_key=_order)
app.register_install_completion_command(
    help="Teach your shell (bash, zsh or fish) to complete these commands."
)
app.meta.suppress_keyboard_interrupt = False


@app.meta.default
def _launch(  # noqa: D417 - the tokens are the command
    *tokens: Annotated[str, Parameter(show=False, allow_leading_hyphen=True)],
    debug: bool = False,
) -> int:
    """Run one command.

    Args:
        debug: Show the traceback of an error.
    """
    try:
        return app(tokens, exit_on_error=False) or OK
    except BillingualError as error:
        if debug:
            raise
        complain(error)
        return exit_code(error)
    except (CycloptsError, ImportError, OSError, OutputLostError):
        raise
    except Exception as error:
        if debug:
            raise
        fail(
            f"unexpected {type(error).__name__}: {error}. This is a fault of billingual; please "
            "report it with the output of the same command and --debug."
        )
        return FAILURE


def run(arguments: Sequence[str]) -> int:
    """Run the command line and return its exit code; say what went wrong on stderr."""
    for stream in (sys.stdout, sys.stderr):
        # A terminal that cannot show a letter shows its escape: output is no reason to fail.
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    try:
        code: int = app.meta(arguments, exit_on_error=False) or OK
        sys.stdout.flush()
    except CycloptsError:
        return USAGE
    except KeyboardInterrupt as stop:
        return _interrupted(stop)
    except BrokenPipeError:
        # The reader has seen enough.
        _drop_output()
        return OK
    except OutputLostError as error:
        _drop_output()
        fail(str(error))
        return OUTPUT_LOST
    except OSError as error:
        _drop_output()
        fail(f"the output cannot be written: {error.strerror or error}.")
        return FAILURE
    return code


def _interrupted(stop: KeyboardInterrupt) -> int:
    unclear = unclear_from(stop)
    if unclear is None:
        sys.stderr.write("interrupted\n")
        return INTERRUPTED
    fail(
        f"interrupted: {unclear.provider} may or may not have carried out {unclear.operation}. "
        "Look before you run this again."
    )
    return UNCLEAR


def _drop_output() -> None:
    """Send what is left in stdout's buffer nowhere: Python would complain again at its exit."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
