r"""Text of providers for the screen: control characters are shown, and never reach the terminal.

An invoice's number or a party's name may hold a terminal's commands, such as one that clears the
screen or sets the window's title, or characters that turn the order of the others around. Shown as
``\x1b`` or ``\u202e`` they do nothing, and a reader sees that they are there.
"""

from __future__ import annotations

import unicodedata
from typing import Final

__all__ = ["json_text", "visible"]

# Control (C0, DEL, C1), format (bidi, zero width, tags), line and paragraph separators, and halves
# of surrogate pairs, which no terminal can be sent.
_HIDDEN: Final = frozenset({"Cc", "Cf", "Cs", "Zl", "Zp"})
# They join letters of Persian or Hindi words, and parts of emoji.
_JOINERS: Final = "\u200c\u200d"


def _is_hidden(char: str) -> bool:
    return unicodedata.category(char) in _HIDDEN and char not in _JOINERS


def visible(text: str, *, keep: str = "") -> str:
    """Write the characters of *text* that a terminal would obey as escapes.

    Args:
        text: what is to be shown.
        keep: hidden characters that may stay, such as line ends.
    """
    if text.isprintable():
        return text
    return "".join(char if char in keep or not _is_hidden(char) else _escape(char) for char in text)


def _escape(char: str) -> str:
    code = ord(char)
    if code < 0x100:
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


def json_text(text: str) -> str:
    """Write the same characters of a JSON document as JSON's own escapes; its values stay.

    Only strings of a document can hold them, so that no escape changes what it means.
    """
    if text.isascii() and "\x7f" not in text:
        return text
    return "".join(
        char if char == "\n" or not _is_hidden(char) else _json_escape(char) for char in text
    )


def _json_escape(char: str) -> str:
    units = char.encode("utf-16-be", "surrogatepass")
    return "".join(f"\\u{units[at]:02x}{units[at + 1]:02x}" for at in range(0, len(units), 2))
