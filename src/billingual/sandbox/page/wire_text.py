"""What was on the wire as text: JSON on lines of its own, secrets masked, nothing hidden.

JSON is laid out token by token and never decoded, so that numbers, escapes, repeated names and a
body that breaks off are seen as they were sent.
"""

from __future__ import annotations

import json
import re
from typing import Final
from urllib.parse import unquote

from billingual.sandbox.accounts import CREDENTIALS
from billingual.sandbox.page.exchanges import Body, Headers

__all__ = [
    "MASK",
    "Secrets",
    "body_text",
    "is_secret_name",
    "masked_body",
    "masked_pairs",
    "visible",
]

MASK: Final = "***"
"""The text in the place of a secret."""

_SECRET_NAME: Final = re.compile(
    r"authorization|cookie|token|secret|passw|credential|signature|(api|access|private|subscription)"
    r"[-_]?key",
    re.IGNORECASE,
)
_PIECE: Final = re.compile(r'"(?:[^"\\]|\\.)*+"?|[{}\[\],:]|[^\s{}\[\],:"]+', re.DOTALL)
_INDENT: Final = "  "
_MAX_DEPTH: Final = 20
_SHORTEST_SECRET: Final = 4


def is_secret_name(name: str) -> bool:
    """Tell whether a header, a parameter or a member of that name holds a secret."""
    return _SECRET_NAME.search(name) is not None


def visible(text: str) -> str:
    """Show what has no shape of its own, or would turn the text around, as an escape."""
    if text.isprintable():
        return text
    return "".join(
        each if each.isprintable() or each == "\n" else _escaped(ord(each)) for each in text
    )


def _escaped(code: int) -> str:
    return f"\\u{code:04x}" if code <= 0xFFFF else f"\\U{code:08x}"


class Secrets:
    """The secrets of one request, and those that the sandbox knows."""

    def __init__(self, headers: Headers) -> None:
        known = {account.token for account in CREDENTIALS.values()}
        for name, value in headers:
            if is_secret_name(name):
                # `Bearer abc`: the scheme is no secret, and other text may hold it.
                known.update(value.split(" ")[-1:])
        # The longest first: one may be a part of another. A short one would strike out words.
        self._known = sorted(
            (each for each in known if len(each) >= _SHORTEST_SECRET), key=len, reverse=True
        )

    def masked(self, text: str) -> str:
        """Strike the secrets out of a text."""
        for each in self._known:
            text = text.replace(each, MASK)
        return text

    def header(self, name: str, value: str) -> str:
        """Write the value of a header; of a secret one, no more than the scheme."""
        if is_secret_name(name):
            scheme, space, _ = value.partition(" ")
            return f"{scheme} {MASK}" if space and scheme.isalnum() else MASK
        return visible(self.masked(value))

    def target(self, target: str) -> str:
        """Write a path with its query."""
        path, mark, query = target.partition("?")
        return visible(self.masked(f"{path}{mark}{masked_pairs(query)}"))


def masked_pairs(text: str) -> str:
    """Strike secrets out of a query string or a form, by their names."""
    return "&".join(map(_pair, text.split("&")))


def _pair(text: str) -> str:
    name, equals, value = text.partition("=")
    return f"{name}={MASK}" if equals and value and is_secret_name(unquote(name)) else text


def masked_body(body: bytes, media_type: str) -> bytes:
    """Strike secrets out of a body, by their names; one that has none stays as it is."""
    try:
        text = body.decode("utf-8")
    except UnicodeDecodeError:
        return body
    if "form" in media_type:
        return masked_pairs(text).encode()
    if not _is_json(text, media_type):
        return body
    pieces = _PIECE.findall(text)
    masked = _masked_pieces(pieces)
    return body if masked == pieces else "".join(masked).encode()


def body_text(body: Body, secrets: Secrets, media_type: str) -> str:
    """Write a body: JSON on lines of its own, other text as it is; a note where it is no text."""
    if not body.size:
        return ""
    try:
        text = body.kept.decode("utf-8")
    except UnicodeDecodeError as error:
        if body.is_whole or error.start < len(body.kept) - 3:
            return f"({body.size} bytes that are not UTF-8)"
        text = body.kept[: error.start].decode("utf-8")
    if _is_json(text, media_type):
        text = _laid_out(_masked_pieces(_PIECE.findall(text)))
    elif "form" in media_type:
        text = masked_pairs(text)
    text = visible(secrets.masked(text))
    return text if body.is_whole else f"{text}\n(the first {len(body.kept)} bytes of {body.size})"


def _is_json(text: str, media_type: str) -> bool:
    return "json" in media_type or text.lstrip()[:1] in ("{", "[")


def _masked_pieces(pieces: list[str]) -> list[str]:
    """Put a mask in the place of each text and number below a name of a secret."""
    masked = []
    depth, secret_depth = 0, 0
    name = ""
    for piece in pieces:
        if piece in ("{", "["):
            depth += 1
        elif piece in ("}", "]"):
            depth -= 1
            secret_depth = 0 if depth < secret_depth else secret_depth
        elif piece == ",":
            secret_depth = 0 if depth == secret_depth else secret_depth
        elif piece == ":":
            secret_depth = secret_depth or (depth if is_secret_name(_read(name)) else 0)
        else:
            name = piece
            piece = f'"{MASK}"' if secret_depth else piece  # noqa: PLW2901  what goes out of it
        masked.append(piece)
    return masked


def _read(name: str) -> str:
    r"""Read a name as a program will: ``"to\u006ben"`` is a token."""
    try:
        return str(json.loads(name))
    except ValueError:
        return name


def _laid_out(pieces: list[str]) -> str:
    laid_out = []
    depth = 0
    for index, piece in enumerate(pieces):
        if piece in ("{", "["):
            depth += 1
            is_empty = pieces[index + 1 : index + 2] in (["}"], ["]"])
            laid_out.append(piece if is_empty else piece + _line(depth))
        elif piece in ("}", "]"):
            is_empty = index > 0 and pieces[index - 1] in ("{", "[")
            depth = max(0, depth - 1)
            laid_out.append(piece if is_empty else _line(depth) + piece)
        elif piece == ",":
            laid_out.append(piece + _line(depth))
        else:
            laid_out.append(": " if piece == ":" else piece)
    return "".join(laid_out)


def _line(depth: int) -> str:
    # Indenting more would only make the text large.
    return "\n" + _INDENT * min(depth, _MAX_DEPTH)
