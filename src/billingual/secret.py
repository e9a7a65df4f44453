"""A text that shows itself in no text, pickle or copy."""

from __future__ import annotations

import functools
import re
from typing import NoReturn

__all__ = ["Secret", "secret_or_none", "writings"]


class Secret:
    """A text that is only ever shown on purpose, by :meth:`reveal`."""

    __slots__ = ("_text",)

    def __init__(self, text: str) -> None:
        self._text = text

    def reveal(self) -> str:
        """Return the text itself."""
        return self._text

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and self._text == other._text

    def __hash__(self) -> int:
        return hash(self._text)

    def __repr__(self) -> str:
        return "Secret('***')"

    __str__ = __repr__

    def __reduce__(self) -> NoReturn:
        raise TypeError("a secret is not pickled or copied")


def secret_or_none(text: str | Secret | None) -> Secret | None:
    """Wrap a text, unless it is wrapped already or is none."""
    return text if text is None or isinstance(text, Secret) else Secret(text)


@functools.lru_cache(maxsize=8)
def writings(token: str) -> re.Pattern[bytes]:
    """Make a pattern of the ways to write *token*: plain, and escaped for JSON, HTML or URLs.

    Between characters there may be zeros, as in UTF-16.
    """
    named = {"&": "|&amp;", "<": "|&lt;", ">": "|&gt;", '"': "|&quot;", "'": "|&apos;"}
    return re.compile(
        r"\0*".join(
            rf"(?:{re.escape(each)}|\\{re.escape(each)}|(?i:\\+u00{ord(each):02x}"
            rf"|%(?:25)*{ord(each):02x}|&\#0*{ord(each)};|&\#x0*{ord(each):x};"
            rf"{named.get(each, '')}))"
            for each in token
        ).encode()
    )
