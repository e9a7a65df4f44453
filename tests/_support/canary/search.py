"""A random secret, and a search for it in all that an error, a log or an object says.

The secret is looked for whole and in pieces of twelve characters, plain and in the writings that
programs give to text: percent-encoded, escaped as JSON or HTML, in UTF-16, hex and base64.
"""

from __future__ import annotations

import base64
import copy
import html
import logging
import pickle
import random
import re
import string
import traceback
from collections.abc import Callable, Iterator
from types import CodeType, FrameType, FunctionType, ModuleType, TracebackType
from typing import Any, Final
from urllib.parse import quote, unquote

from rich.pretty import traverse
from rich.traceback import Traceback

from billingual.auth import Secret

__all__ = ["Canary", "Overheard", "chain_of", "said_by", "shown_by"]

PIECE: Final = 12
_JSON_ESCAPE: Final = re.compile(r"\\+u([0-9a-f]{4})")
_NULS: Final = re.compile(r"\x00|\\+x00|\\+u0000")


class Canary:
    """A secret of 48 characters, drawn from *chance*, that never shows itself.

    Every piece of twelve holds characters that JSON, HTML and URLs write otherwise.
    """

    def __init__(self, seed: int | str) -> None:
        chance = random.Random(seed)  # noqa: S311 - a reproducible secret is the point
        letters = string.ascii_letters + string.digits
        pieces = ["".join(chance.choices(letters, k=PIECE - 2)) + "/+" for _ in range(4)]
        self._text = "".join(pieces)
        # Some programs fold case; half of a secret told is a secret told.
        self._needles = tuple(each.lower() for each in (*pieces, *_disguised(self._text)))

    def reveal(self) -> str:
        """Return the secret."""
        return self._text

    def is_in(self, text: str) -> bool:
        """Tell whether *text* holds the secret, or a piece of it, in any writing."""
        return any(self._found(each) for each in _readings(text.lower()))

    def around(self, text: str) -> str:
        """Show where in *text* the secret is, itself struck out."""
        for reading in _readings(text.lower()):
            for needle in self._needles:
                at = reading.find(needle)
                if at >= 0:
                    near = reading[max(0, at - 200) : at + 60]
                    for each in self._needles:
                        near = near.replace(each, "<CANARY>")
                    return near
        return ""

    def _found(self, text: str) -> bool:
        return any(needle in text for needle in self._needles)

    def __repr__(self) -> str:
        return "<canary>"


def _disguised(text: str) -> Iterator[str]:
    raw = text.encode()
    yield raw.hex()[:40]
    for shift in range(3):
        # Whatever is before it moves the bits; the ends mix with what is around.
        for encode in (base64.b64encode, base64.urlsafe_b64encode):
            yield encode(b"\0" * shift + raw).decode()[4 : 4 + 20]
    yield quote(text, safe="")[:30]


def _readings(text: str) -> Iterator[str]:
    yield text
    if "\\" in text:
        plain = _JSON_ESCAPE.sub(lambda found: chr(int(found[1], 16)).lower(), text)
        yield re.sub(r"\\+/", "/", plain)
    if "\x00" in text or "x00" in text or "u0000" in text:
        yield _NULS.sub("", text)
    if "%" in text:
        yield unquote(text).lower()
    if "&" in text:
        yield html.unescape(text).lower()


def chain_of(error: BaseException) -> Iterator[BaseException]:
    """List an error with its causes, contexts and members, suppressed ones included."""
    seen: set[int] = set()
    waiting: list[BaseException | None] = [error]
    while waiting:
        each = waiting.pop()
        if each is None or id(each) in seen:
            continue
        seen.add(id(each))
        yield each
        waiting += [each.__cause__, each.__context__, *getattr(each, "exceptions", ())]


def said_by(error: BaseException, *, rich: bool = False) -> str:
    """Write down all that a log, a tracker of errors or a queue could learn from *error*.

    Args:
        error: what was raised.
        rich: also what rich would show of the frames, which looks into attrs objects (slow).
    """
    texts = ["".join(traceback.format_exception(error))]
    whole = traceback.TracebackException.from_exception(error, capture_locals=True)
    texts += whole.format()
    if rich:
        texts += _rich_texts(error)
    for each in chain_of(error):
        # Both causes and contexts, also those that the formatters above leave out.
        alone = traceback.StackSummary.extract(
            traceback.walk_tb(each.__traceback__), capture_locals=True
        )
        texts += [str(each), repr(each), repr(each.args), *alone.format(), *_texts_in(each)]
        texts.append(_attempted(lambda each=each: pickle.dumps(each).decode("latin-1")))
    return "\n".join(texts)


def _rich_texts(error: BaseException) -> Iterator[str]:
    for each in chain_of(error):
        trace = Traceback.extract(
            type(each), each, each.__traceback__, show_locals=True,
            locals_max_length=None, locals_max_string=None,
        )  # fmt: skip
        for stack in trace.stacks:
            for frame in stack.frames:
                yield from (str(node) for node in (frame.locals or {}).values())


_OPAQUE: Final = (
    type, ModuleType, FunctionType, CodeType, FrameType, TracebackType, Secret, logging.Logger
)  # fmt: skip


def _texts_in(value: object) -> Iterator[str]:
    """Find every text that hangs on *value*: attributes, slots, members, at any depth."""
    seen: set[int] = set()
    waiting: list[object] = [value]
    while waiting:
        each = waiting.pop()
        if isinstance(each, str):
            yield each
        elif isinstance(each, (bytes, bytearray)):
            yield each.decode("latin-1")
        elif each is None or isinstance(each, (*_OPAQUE, int, float)) or id(each) in seen:
            continue
        else:
            seen.add(id(each))
            waiting += _parts_of(each)


def _parts_of(value: object) -> list[object]:
    if isinstance(value, dict):
        return [*value.keys(), *value.values()]
    if isinstance(value, (list, tuple, set, frozenset)):
        return list(value)
    parts: list[object] = []
    if isinstance(value, BaseException):
        parts += [value.args, getattr(value, "__notes__", ()), getattr(value, "object", None)]
    for kind in type(value).__mro__:
        slots = vars(kind).get("__slots__", ())
        for name in (slots,) if isinstance(slots, str) else slots:
            mangled = f"_{kind.__name__.lstrip('_')}{name}" if name.startswith("__") else name
            parts.append(getattr(value, mangled, None))
    parts += list(getattr(value, "__dict__", {}).values())
    return parts


def _attempted(make: Callable[[], Any]) -> str:
    try:
        return str(make())
    except Exception as refusal:  # noqa: BLE001 - a refusal is a good response; it is searched too
        return f"{type(refusal).__name__}: {refusal}"


def shown_by(value: object) -> str:
    """Write down all that *value* says of itself: texts, pickles, copies and dictionaries."""
    import attrs  # noqa: PLC0415 - beside cattrs, used here alone
    import cattrs  # noqa: PLC0415

    made: list[Callable[[], Any]] = [
        lambda: str(value),
        lambda: repr(value),
        lambda: f"{value}{value!r}{value!s}{value!a}",
        lambda: traverse(value, max_length=None, max_string=None),
        lambda: repr(vars(value)),
        lambda: repr(copy.copy(value)),
        lambda: repr(copy.deepcopy(value)),
        lambda: repr(attrs.asdict(value)),  # type: ignore[call-overload]
        lambda: repr(attrs.astuple(value)),  # type: ignore[call-overload]
        lambda: repr(cattrs.unstructure(value)),
        *(
            lambda protocol=protocol: pickle.dumps(value, protocol).decode("latin-1")
            for protocol in range(pickle.HIGHEST_PROTOCOL + 1)
        ),
    ]
    return "\n".join(_attempted(each) for each in made)


class Overheard(logging.Handler):
    """A handler of the root logger that keeps all that any logger says, tracebacks with locals."""

    def __init__(self) -> None:
        super().__init__(logging.NOTSET)
        self.lines: list[str] = []
        self.names: set[str] = set()

    def emit(self, record: logging.LogRecord) -> None:
        """Keep a record, its arguments and its traceback."""
        self.names.add(record.name)
        self.lines.append(f"{record.name} {record.getMessage()} {record.args!r}")
        if record.exc_info and record.exc_info[1] is not None:
            self.lines.append(said_by(record.exc_info[1]))

    def text(self) -> str:
        """Return all of it, and forget it."""
        text = "\n".join(self.lines)
        self.lines.clear()
        return text
