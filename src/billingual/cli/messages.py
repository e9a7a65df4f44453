"""Messages for people: hints and complaints, on stderr, so that stdout has nothing but data."""

from __future__ import annotations

import os
import shlex
import sys
import textwrap
from collections.abc import Iterable
from contextlib import suppress
from typing import Final

from rich.console import Console
from rich.text import Text

from billingual.cli.error_text import error_text
from billingual.cli.visible_text import visible
from billingual.errors import (
    BillingualError,
    DeadlineExceededError,
    RateLimitedError,
    ServerError,
    TransportError,
)

__all__ = ["PASSING", "command_line", "complain", "fail", "hint"]

PASSING: Final = (TransportError, DeadlineExceededError, RateLimitedError, ServerError)
"""What may be better the next time; a refused token or filter will not be."""


def command_line(words: Iterable[str], system: str = os.name) -> str:
    """Join words so that they can be pasted into a shell of this system."""
    if system == "nt":  # cmd knows no single quotes, and a path there has backslashes
        from subprocess import list2cmdline  # noqa: PLC0415 - only there

        return list2cmdline(words)
    return shlex.join(words)


def hint(text: str) -> None:
    """Say something helpful that is not data."""
    _say(text, "dim")


def fail(text: str) -> None:
    """Say in one paragraph what went wrong."""
    _say(f"error: {text}", "red")


def complain(error: BillingualError) -> None:
    """Say in one paragraph what an error says, and why it was not tried again if it could be."""
    passing = isinstance(error, (TransportError, RateLimitedError, ServerError))
    notes = getattr(error, "__notes__", ()) if passing else ()
    fail(f"{error_text(error)}{''.join(f' ({note})' for note in notes)}")


def _say(text: str, style: str) -> None:
    # A provider's complaint may be in it.
    text = visible(text, keep="\n")
    # A message that cannot be written changes nothing about what a command does.
    with suppress(OSError, ValueError):
        # Flush stdout first: on a terminal, data and messages share one screen.
        sys.stdout.flush()
    with suppress(OSError, ValueError):
        sys.stderr.write(_styled(text, style))
        sys.stderr.flush()


def _styled(text: str, style: str) -> str:
    console = Console(stderr=True, highlight=False)
    if not console.is_terminal:
        return f"{text}\n"
    # COLUMNS=0 is a width to rich, in which it shows nothing.
    console.width = console.width or 80
    text = "\n".join(_filled(line, console.width) for line in text.splitlines())
    # Captured, because rich ends the program where it meets a closed pipe.
    with console.capture() as captured:
        console.print(Text(text, style=style), soft_wrap=True)
    return captured.get()


def _filled(line: str, width: int) -> str:
    # A command is left in one piece, so that it can be copied.
    if line.startswith("  "):
        return line
    return textwrap.fill(line, width, break_long_words=False, break_on_hyphens=False)
