"""A text that shows itself in no text, pickle or copy."""

from __future__ import annotations

from typing import NoReturn

__all__ = ["Secret", "secret_or_none"]


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
