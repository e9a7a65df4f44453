"""Text that can be sent: a Python string can hold half of a surrogate pair, UTF-8 cannot."""

from __future__ import annotations

from billingual.errors import InvalidInputError

__all__ = ["checked_text"]


def checked_text(value: object, field: str, fix: str = "give a str") -> str:
    """Return *value* if it is text that can be sent.

    Raises:
        InvalidInputError: if it is no text, or holds half of a surrogate pair.
    """
    if not isinstance(value, str):
        raise InvalidInputError(field, f"{type(value).__name__} is not text", fix)
    try:
        value.encode()
    except UnicodeEncodeError:
        raise InvalidInputError(
            field, "it holds half of a surrogate pair", "give text that UTF-8 can hold"
        ) from None
    return value
