"""What a provider says went wrong, read from a body of any shape.

None of the providers documents its error bodies, so everything plausible is understood and
nothing is required. The text is for people; it never decides anything.
"""

from __future__ import annotations

import html
import json
import re
import unicodedata
from collections.abc import Iterator, Mapping
from typing import Final

from billingual.wire import WireResponse

_LONGEST: Final = 500
# A larger body is no message to a person; its beginning is.
_READ: Final = 65_536
_DEEPEST: Final = 6
_MOST: Final = 12
# In this order: what says it best comes first. The words are those of the shapes seen at the
# providers, of problem details (RFC 9457) and of common frameworks.
_WORDS: Final = ("message", "error", "detail", "title", "reason", "description", "code")
_LISTS: Final = ("details", "errors", "issues", "validation")
_MARKUP: Final = re.compile(r"\s*<(?:!doctype|html|head|body|\?xml|!--)", re.IGNORECASE)
_TITLE: Final = re.compile(r"<title[^>]{0,200}>([^<]{1,500})", re.IGNORECASE)
_UNSHOWN: Final = re.compile(r"<(script|style)\b.*?(?:</\1\s*>|\Z)", re.IGNORECASE | re.DOTALL)
_TAG: Final = re.compile(r"<[^<>]*>")
# Only charsets that are cheap to read: Python's names hold codecs that are not (punycode).
_CHARSET: Final = re.compile(
    r"charset\s*=\s*\"?(utf-?(?:8|16|32)(?:[bl]e)?|us-ascii|iso-8859-\d{1,2}|windows-125\d)\b",
    re.IGNORECASE,
)
# A provider may quote the credential it refuses.
_CREDENTIAL: Final = re.compile(r"(?i)\bbearer\s+[^\s\"',;]+|\bex_live_[^\s\"',;]+")


def complaint_of(response: WireResponse) -> str:
    """Return what the provider said, in one line of at most 500 characters; empty for nothing."""
    text = _text(response)
    value = _json(text) if len(response.body) <= _READ else None
    if value is not None:
        return _tidy(": ".join(_unique(_gather(value, 0))))
    if _MARKUP.match(text):
        title = _TITLE.search(text)
        return _tidy(html.unescape(title[1] if title else _TAG.sub(" ", _UNSHOWN.sub(" ", text))))
    return "" if _is_binary(text) else _tidy(text)


def _text(response: WireResponse) -> str:
    found = _CHARSET.search(response.headers.get("content-type") or "")
    beginning = response.body[:_READ]
    try:
        # Most bodies are UTF-8 whatever their label says.
        return beginning.decode("utf-8-sig")
    except UnicodeDecodeError:
        pass
    try:
        return beginning.decode(found[1] if found else "utf-8", errors="replace")
    except LookupError:
        return beginning.decode("utf-8", errors="replace")


def _json(text: str) -> object:
    try:
        value: object = json.loads(text)
    except ValueError:
        return None
    except RecursionError:
        # How deep the parser goes differs between Pythons; nothing that deep is a complaint.
        return {}
    return value if isinstance(value, (dict, list, str)) else None


def _gather(value: object, depth: int) -> Iterator[str]:
    if depth > _DEEPEST:
        return
    if isinstance(value, str):
        yield value
    elif isinstance(value, list):
        for each in value[:_MOST]:
            yield from _gather(each, depth + 1)
    elif isinstance(value, dict):
        known = [key for key in (*_WORDS, *_LISTS) if value.get(key)]
        for key in known:
            if key in _LISTS and isinstance(value[key], Mapping):
                yield from _gather_fields(value[key], depth)
            else:
                yield from _gather(value[key], depth + 1)


def _gather_fields(fields: Mapping[str, object], depth: int) -> Iterator[str]:
    for name, problems in list(fields.items())[:_MOST]:
        said = ", ".join(_gather(problems, depth + 1))
        yield f"{name}: {said}" if said else name


def _unique(texts: Iterator[str]) -> Iterator[str]:
    seen: set[str] = set()
    for text in texts:
        if text.strip() and text not in seen:
            seen.add(text)
            yield text


def _is_binary(text: str) -> bool:
    sample = text[:1000]
    odd = sum(each == "\ufffd" or (each < " " and each not in "\t\r\n") for each in sample)
    return odd * 10 > len(sample)


def _tidy(text: str) -> str:
    text = text[: 8 * _LONGEST]
    shown = "".join(" " if unicodedata.category(each)[0] in "CZ" else each for each in text)
    line = _CREDENTIAL.sub("***", " ".join(shown.split())).rstrip(".")
    return line if len(line) <= _LONGEST else f"{line[: _LONGEST - 1]}…"
