"""A text that no other text shows, and the ways in which one may be written."""

from __future__ import annotations

import functools
import re
from typing import NoReturn

from billingual.errors import ConfigurationError
from billingual.wire import plain_text

__all__ = ["Secret", "as_secret", "encodings_of", "secret_of"]


class Secret:
    """A text that only :meth:`reveal` shows.

    Raises:
        ConfigurationError: if it is no text.
    """

    __slots__ = ("_text",)

    def __init__(self, text: str) -> None:
        if not isinstance(text, str):
            raise ConfigurationError(f"{type(text).__name__} is no secret", "give it as text")
        self._text = plain_text(text)

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


def as_secret(text: str | Secret | None) -> Secret | None:
    """Wrap a text; return None unchanged."""
    return None if text is None else secret_of(text)


def secret_of(text: object) -> Secret:
    """Wrap what should be a text; what is none becomes an empty secret, for a check to refuse."""
    return text if isinstance(text, Secret) else Secret(text if isinstance(text, str) else "")


@functools.lru_cache(maxsize=16)  # A program has few secrets, and the pattern is slow to compile.
def encodings_of(token: str) -> re.Pattern[bytes]:
    """Return a pattern that finds *token* plain, or escaped for JSON, HTML or URLs.

    Between its characters there may be zero bytes, as in UTF-16. Each escape is of bounded length,
    so that the search takes a time that grows with the text and no faster: eight backslashes are
    JSON in JSON in JSON in JSON.
    """
    named = {"&": "|&amp;", "<": "|&lt;", ">": "|&gt;", '"': "|&quot;", "'": "|&apos;"}
    return re.compile(
        r"\0*".join(
            rf"(?:{re.escape(each)}|\\{re.escape(each)}|(?i:\\{{1,8}}u00{ord(each):02x}"
            rf"|%(?:25)*{ord(each):02x}|&\#0*{ord(each)};|&\#x0*{ord(each):x};"
            rf"{named.get(each, '')}))"
            for each in token
        ).encode()
    )
