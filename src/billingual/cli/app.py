"""The commands, and the one place where an error becomes an exit code."""

from __future__ import annotations

import io
import os
import re
import signal
import sys
import threading
import traceback
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from difflib import get_close_matches
from typing import Annotated, Any, Final

from cyclopts import (
    App,
    CycloptsError,
    Group,
    Parameter,
    Token,
    UnknownCommandError,
    UnknownOptionError,
    UnusedCliTokensError,
    convert,
)

from billingual._version import __version__
from billingual.cli.exit_codes import FAILURE, INTERRUPTED, OK, UNCLEAR, USAGE, exit_code
from billingual.cli.messages import complain, fail, hint
from billingual.cli.output import Terminal, drop_output
from billingual.cli.unclear_write import UnclearWriteError
from billingual.errors import BillingualError, unclear_from

__all__ = ["app", "describe", "run", "show_help"]

_EPILOGUE: Final = """\
Data goes to stdout, everything else to stderr, both in UTF-8. The token is read from the \
environment variable BILLINGUAL_TOKEN, or the variable that a profile names, and never from an \
option.

Exit codes: 0 ok, 1 failure, 2 usage, 3 credentials or permission, 4 not found, 5 rate-limited, \
6 wire or provider trouble, 7 a write that may or may not have happened, or a job with such writes \
or writes that are left, 9 a write that provably did not happen (reconcile), 130 interrupted. What \
becomes of the output changes the exit code of no write.
"""

_OPTIONS: Final = Group("Options", sort_key=9)
_BELOW: Final = Group("Commands")
_OURS: Final = {
    "--amount": "--total",
    "--customer": "--counterparty",
    "--format": "-o",
    "--json": "-o json",
}
"""What other programs have, and what it is here."""

_WHOLE: Final = re.compile(r"[+-]?[0-9]{1,40}")
_DECIMAL: Final = re.compile(r"[+-]?(?:[0-9]{1,15}(?:\.[0-9]*)?|\.[0-9]+)")


def _converted(kind: Any, tokens: Sequence[Token]) -> Any:
    """Read an option, and numbers only as people write them: cyclopts takes 1.5 for the int 2.

    Raises:
        ValueError: if a number is written otherwise.
    """
    text = tokens[0].value if tokens else ""
    if tokens and tokens[0].source == "env" and not text.strip():
        # An empty variable is one that is not set, as for a program.
        return None
    if kind is int and not _WHOLE.fullmatch(text):
        raise ValueError(f"{text!r} is no whole number; write it like 20.")
    if kind is float and not _DECIMAL.fullmatch(text):
        raise ValueError(f"{text!r} is no number; write it like 2.5.")
    return convert(kind, tokens)


app: App = App(
    name="billingual",
    help=(
        "Speak to any invoicing API through one invoice protocol. Start with 'billingual demo': "
        "it needs no account and no network."
    ),
    help_epilogue=_EPILOGUE,
    help_format="markdown",
    version=__version__,
    default_parameter=Parameter(negative=(), show_default=False, converter=_converted),
    group_commands=_OPTIONS,
    result_action="return_value",
    suppress_keyboard_interrupt=False,
)
# Named by their addresses, so that a command imports only what it needs.
_COMMANDS: Final = {
    "Invoices": (
        ("list", "invoice_list:list_invoices", "List invoices."),
        ("get", "invoices:get_invoice", "Show one invoice in full."),
        ("create", "invoices:create_invoice", "Create an invoice."),
        ("update", "invoices:update_invoice", "Change an invoice, or replace it whole."),
        ("finalize", "invoices:finalize_invoice", "Make a draft final."),
        ("void", "invoices:void_invoice", "Make an invoice void."),
        ("delete", "invoices:delete_invoices", "Delete invoices."),
        ("reconcile", None, "Find out by reading whether an unclear write happened."),
    ),
    "Many invoices": (
        ("bulk", None, "Create, change or delete the invoices of a file; none lost, none twice."),
        ("jobs", None, "See, go on with, check and export what 'bulk' began."),
        ("export", "export:export_invoices", "Write a list to a file: CSV, JSON Lines or Parquet."),
        ("sync", "sync:sync_invoices", "Land invoices in DuckDB, Parquet or Delta."),
    ),
    "Your account": (
        ("whoami", "account:whoami", "Show which account commands use; nothing is sent."),
        ("doctor", "account:doctor", "Check installation, configuration, connection and token."),
        ("profiles", "account:profiles", "Show the profiles of your configuration file."),
    ),
    "Around": (
        ("demo", "demo.run:demo", "Show everything working: no account, no network."),
        ("sandbox", "sandbox:sandbox", "Serve the offline stand-in for all providers."),
        ("providers", "providers:providers", "Show what each provider can do."),
        ("transports", "transports:transports", "Show what can carry requests."),
        ("completion", "completion:completion", "Print what completes commands in your shell."),
        ("help", "app:show_help", "Show the help of a command."),
    ),
}
_SUBCOMMANDS: Final = {
    "reconcile": (
        ("create", "reconcile:reconcile_create", "Find out whether an invoice was created."),
        ("update", "reconcile:reconcile_update", "Find out whether an invoice was changed."),
        ("finalize", "reconcile:reconcile_finalize", "Find out whether a draft was made final."),
        ("void", "reconcile:reconcile_void", "Find out whether an invoice was made void."),
        ("delete", "reconcile:reconcile_delete", "Find out whether invoices were deleted."),
    ),
    "bulk": (
        ("create", "bulk:bulk_create", "Create an invoice for each row of a file."),
        ("update", "bulk:bulk_update", "Change the invoice of each row of a file."),
        ("delete", "bulk:bulk_delete", "Delete the invoice of each row of a file."),
    ),
    "jobs": (
        ("show", "jobs:show_job", "Show what became of every write, or all about one."),
        ("resume", "jobs:resume_job", "Go on where a job was stopped or killed."),
        ("reconcile", "jobs:reconcile_job", "Find out about unclear writes; nothing is sent."),
        ("resolve", "jobs:resolve_entry", "Keep your decision about a write."),
        ("export", "jobs:export_job", "Write the audit trail to a file."),
        ("verify", "jobs:verify_job", "Compare the job with what the provider shows."),
        ("purge", "jobs:purge_job", "Forget the contents of writes that are settled."),
    ),
}


def _add(parent: App, commands: Iterable[tuple[str, str | None, str]], group: Group) -> None:
    for order, (name, target, text) in enumerate(commands):
        if target is None:
            below = App(
                name=name, help=text, help_format="markdown", sort_key=order, group=group,
                group_commands=_BELOW,
            )  # fmt: skip
            _add(below, _SUBCOMMANDS[name], _BELOW)
            parent.command(below)
        else:
            parent.command(
                f"billingual.cli.{target}", name=name, help=text, sort_key=order, group=group
            )


for _order, (_name, _commands) in enumerate(_COMMANDS.items()):
    _add(app, _commands, Group(_name, sort_key=_order))
app.meta.suppress_keyboard_interrupt = False


def describe(words: Iterable[str]) -> None:
    """Let the help of one command be its whole docstring; lists of commands have a line for each.

    Args:
        words: the command; what follows it does no harm.
    """
    here = app
    for word in (each for each in words if not each.startswith("-")):
        if word not in here:
            break
        here = here[word]
    if here.default_command is not None:
        here.help = None


@app.meta.default
def _launch(  # noqa: D417 - the tokens are the command
    *tokens: Annotated[str, Parameter(show=False, allow_leading_hyphen=True)],
    debug: Annotated[bool, Parameter(group=_OPTIONS)] = False,
) -> int:
    """Run one command.

    Args:
        debug: Show the traceback of an error.
    """
    try:
        return app(tokens, exit_on_error=False, print_error=False) or OK
    except BillingualError as error:
        if debug:
            traceback.print_exc()
        complain(error)
        return exit_code(error)
    except UnclearWriteError as unclear:
        if debug:
            traceback.print_exc()
        fail(str(unclear))
        if unclear.command:
            hint(f"Find out with:\n  {unclear.command}")
        return UNCLEAR
    except (CycloptsError, ImportError, OSError):
        raise
    except Exception as error:  # noqa: BLE001 - the last place that can say it in words
        if debug:
            traceback.print_exc()
        fail(
            f"unexpected {type(error).__name__}: {error}. This is a fault of billingual; please "
            "report it with the output of the same command and --debug."
        )
        return FAILURE


def run(arguments: Sequence[str]) -> int:
    """Run the command line and return its exit code; say what went wrong on stderr."""
    _open_missing_streams()
    if {"--help", "-h"} & set(arguments):
        describe(arguments)
    for stream in (sys.stdout, sys.stderr):
        # JSON and CSV are UTF-8 whatever the code page is. Half a surrogate pair is no character,
        # and shows as its escape.
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(encoding="utf-8", errors="backslashreplace")
    try:
        with _ended_as_by_ctrl_c():
            # Made anew each time: a console keeps the width that it found first.
            console = Terminal()
            code: int = (
                app.meta(arguments, console=console, exit_on_error=False, print_error=False) or OK
            )
            sys.stdout.flush()
    except CycloptsError as error:
        fail(_usage_text(error, app))
        return USAGE
    except KeyboardInterrupt as stop:
        return _interrupted(stop)
    except BrokenPipeError:
        # The reader has seen enough.
        drop_output()
        return OK
    except OSError as error:
        drop_output()
        # What is written to stdout has no name.
        named = error.filename is not None
        what = f"{error.filename} cannot be used" if named else "the output cannot be written"
        fail(f"{what}: {error.strerror or error}.")
        return FAILURE
    return code


def _open_missing_streams() -> None:
    """Put the null device where a stream was closed, so that no file takes its number."""
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, mode, encoding="utf-8"))  # noqa: PTH123, SIM115 - for good


@contextmanager
def _ended_as_by_ctrl_c() -> Iterator[None]:
    """Take what else ends a program, such as a service manager or a closed terminal, as Ctrl-C.

    So requests under way end, what is unclear is said, and no half of a file is left.
    """
    before: dict[int, Any] = {}
    in_main = threading.current_thread() is threading.main_thread()
    # A shell lets what runs in the background ignore Ctrl-C.
    if in_main and signal.getsignal(signal.SIGINT) is not signal.SIG_IGN:
        for each in (getattr(signal, name, None) for name in ("SIGTERM", "SIGHUP")):
            # A program that calls the command, or nohup, may have decided otherwise.
            if each is not None and signal.getsignal(each) is signal.SIG_DFL:
                before[each] = signal.signal(each, lambda *_: signal.raise_signal(signal.SIGINT))
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


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


def show_help(*command: str) -> None:
    """Show the help of a command.

    Args:
        command: The words of the command, such as jobs show; nothing shows all commands.
    """
    here = app
    for count, word in enumerate(command, 1):
        if here.default_command is not None:
            break
        if word not in here:
            # It is not run: that raises the error, which names those that there are.
            app.meta(command[:count], exit_on_error=False, print_error=False)
            return
        here = here[word]
    describe(command)
    app.meta([*command, "--help"], exit_on_error=False, print_error=False, console=Terminal())


def _usage_text(error: CycloptsError, app: App) -> str:
    """Say what is wrong with the words of a command, and where to look."""
    chain = " ".join(("billingual", *(error.command_chain or ())))
    text = str(error).strip()
    if isinstance(error, UnknownCommandError):
        text = _unknown_command(error, app)
    elif isinstance(error, UnknownOptionError):
        text = _unknown_option(error, text)
    elif isinstance(error, UnusedCliTokensError):
        words = " ".join(map(repr, error.unused_tokens or ()))
        text = f"{words}: {chain} takes no more words than that."
    return f"{text} See '{chain} --help'."


def _unknown_option(error: UnknownOptionError, text: str) -> str:
    given = (error.token.keyword or error.token.value).partition("=")[0]
    if given == "--token":
        return (
            "Unknown option: --token. Put the token into the environment variable "
            "BILLINGUAL_TOKEN: options end in shell histories."
        )
    said, _, near = text.partition(" Did you mean ")
    ours = _OURS.get(given, "")
    if any(ours.split(" ")[0] in each.names for each in error.argument_collection):
        return f"{said} Did you mean {ours}?"
    # The nearest of few is far: --sort for --format.
    is_near = not near.startswith("--") or get_close_matches(given, [near.rstrip("?")], cutoff=0.74)
    return text if is_near else said


def _unknown_command(error: UnknownCommandError, app: App) -> str:
    (word, *_) = error.unused_tokens or [""]
    here = app
    for name in error.command_chain or ():
        here = here[name]
    known = [name for name in here if not name.startswith("-")]
    if word.startswith("-"):
        names = ["--help", "--version", "--debug"] if here is app else ["--help"]
        near = get_close_matches(word, names, n=1)
        way = f"did you mean {near[0]}?" if near else "options come after the command."
        return f"{word!r} is no command; {way}"
    near = get_close_matches(word.casefold(), known, n=1, cutoff=0.6)
    guess = f"did you mean {near[0]}? There are" if near else "there are"
    return f"{word!r} is no command; {guess}: {', '.join(known)}."
