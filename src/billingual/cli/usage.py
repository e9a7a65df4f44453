"""Wrong options and arguments of a command, and the nearest ones that exist."""

from __future__ import annotations

import re
from collections.abc import Sequence
from difflib import get_close_matches
from typing import Any, Final

from cyclopts import App, CycloptsError, Token, UnknownCommandError, UnusedCliTokensError, convert

__all__ = ["converted", "usage_text"]

_WHOLE: Final = re.compile(r"[+-]?[0-9]{1,40}")
_DECIMAL: Final = re.compile(r"[+-]?(?:[0-9]{1,15}(?:\.[0-9]*)?|\.[0-9]+)")


def converted(kind: Any, tokens: Sequence[Token]) -> Any:
    """Read an option, and numbers only as people write them: cyclopts takes 1.5 for the int 2.

    Raises:
        ValueError: if a number is written otherwise.
    """
    text = tokens[0].value if tokens else ""
    if kind is int and not _WHOLE.fullmatch(text):
        raise ValueError(f"{text!r} is no whole number; write it like 20.")
    if kind is float and not _DECIMAL.fullmatch(text):
        raise ValueError(f"{text!r} is no number; write it like 2.5.")
    return convert(kind, tokens)


def usage_text(error: CycloptsError, app: App) -> str:
    """Say what is wrong with the words of a command, and where to look."""
    chain = " ".join(("billingual", *(error.command_chain or ())))
    text = str(error).strip()
    if isinstance(error, UnknownCommandError):
        text = _unknown_command(error, app)
    elif isinstance(error, UnusedCliTokensError):
        words = " ".join(map(repr, error.unused_tokens or ()))
        text = f"{words}: {chain} takes no more words than that."
    return f"{text} See '{chain} --help'."


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
