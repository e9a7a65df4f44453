"""A tape of exchanges: what was asked and what was answered, for any transport to play or record.

A tape is one JSON document, made to be read, reviewed and kept beside tests. It holds no
credentials, no addresses and no tenants (``record.py`` lists what is left out); the invoices on it
are as they came. Bodies are kept byte for byte: as JSON where writing that JSON gives the same
bytes again, else as text, else as base64.
"""

from __future__ import annotations

import base64
import json
import os
import tempfile
from pathlib import Path
from typing import Any, Final

import attrs
from cattrs import Converter, transform_error
from cattrs.errors import BaseValidationError

from billingual._arguments import path_of
from billingual.errors import (
    ConfigurationError,
    ConnectionLostError,
    NotConnectedError,
    PoolTimeoutError,
    ResponseTooLargeError,
    TimedOutError,
    TransportError,
)
from billingual.outcomes import Evidence, Safety
from billingual.testing.recording.redaction import Redactor
from billingual.wire import Headers, WireRequest, WireResponse

__all__ = ["FORMAT", "Cassette", "TapedExchange", "TapedFailure", "TapedRequest", "TapedResponse"]

FORMAT: Final = 1
"""The version of the format; a tape of another one is refused."""

_MARK: Final = "billingual-cassette"
_HEAD: Final = f'{{"{_MARK}": {FORMAT}, "exchanges": [\n'
_DEPTH: Final = 100
_FAILURES: Final[dict[str, type[TransportError]]] = {
    kind.__name__: kind
    for kind in (
        ResponseTooLargeError, ConnectionLostError, NotConnectedError, PoolTimeoutError,
        TimedOutError, TransportError,
    )
}  # fmt: skip


@attrs.frozen(kw_only=True)
class TapedRequest:
    """What may be kept of a request.

    Attributes:
        method: the HTTP method.
        url: path and query, below the base URL.
        route: the path with placeholders.
        safety: what a second delivery would do.
        headers: the fields that may be kept; tenants are replaced by stand-ins.
        body: the bytes that were sent, without secrets.
    """

    method: str
    url: str
    route: str
    safety: Safety
    headers: Headers = attrs.field(factory=Headers)
    body: bytes | None = attrs.field(default=None, repr=False)

    @classmethod
    def of(cls, request: WireRequest, redactor: Redactor) -> TapedRequest:
        """Keep what may be kept; *redactor* learns the secrets of the request first."""
        redactor.learn(request.headers, request.url)
        return cls(
            method=request.method,
            url=redactor.url(request),
            route=redactor.text(request.route),
            safety=request.safety,
            headers=redactor.headers(request.headers),
            body=None if request.body is None else redactor.body(request.body),
        )


@attrs.frozen(kw_only=True)
class TapedResponse:
    """What may be kept of a response; its body is unpacked."""

    status: int = attrs.field(validator=[attrs.validators.ge(100), attrs.validators.le(999)])
    headers: Headers = attrs.field(factory=Headers)
    body: bytes = attrs.field(default=b"", repr=False)

    @classmethod
    def of(cls, response: WireResponse, redactor: Redactor) -> TapedResponse:
        """Keep what may be kept."""
        redactor.learn(response.headers)
        return cls(
            status=response.status,
            headers=redactor.headers(response.headers),
            body=redactor.body(response.body),
        )


@attrs.frozen(kw_only=True)
class TapedFailure:
    """A failure of the wire: the class of the error, its text and its evidence."""

    error: str = attrs.field(validator=attrs.validators.in_(_FAILURES))
    message: str
    evidence: Evidence = attrs.field(factory=Evidence)

    @classmethod
    def of(cls, failure: TransportError, redactor: Redactor) -> TapedFailure:
        """Keep a failure; of a class that is not ours, the nearest that is."""
        return cls(
            error=next(
                each for each in type(failure).__mro__ if each in _FAILURES.values()
            ).__name__,
            message=redactor.message(str(failure)),
            evidence=failure.evidence,
        )

    def revived(self) -> TransportError:
        """Make the error again."""
        return _FAILURES[self.error](self.message, evidence=self.evidence)


@attrs.frozen(kw_only=True)
class TapedExchange:
    """A request with its response, or with the failure that came instead."""

    request: TapedRequest
    response: TapedResponse | None = None
    failure: TapedFailure | None = None

    def __attrs_post_init__(self) -> None:
        if (self.response is None) == (self.failure is None):
            raise ValueError("an exchange ends in a response or in a failure")


class Cassette:
    """The exchanges of one tape, in the order in which they ended.

    Safe to add to from tasks and threads.

    Args:
        path: the file; its folder must be there.

    Attributes:
        path: the file.
        exchanges: what is on the tape.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path: Path = path_of(path, "path")
        self.exchanges: list[TapedExchange] = []
        self._texts: list[str] = []
        self._saved = -1
        # One task or thread writes for all: to pop the one turn off a list is atomic.
        self._turn = [None]

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> Cassette:
        """Read a tape.

        Raises:
            ConfigurationError: if there is none, or it is none of this format; the error says
                where it went wrong.
        """
        cassette = cls(path)
        tape = cassette._document()
        try:
            cassette.exchanges = _CONVERTER.structure(tape["exchanges"], list[TapedExchange])
        except BaseValidationError as error:
            first = transform_error(error, path="$.exchanges")[0]
            raise cassette._unreadable(f"is broken: {first}") from None
        return cassette

    def add(self, exchange: TapedExchange) -> None:
        """Put one exchange at the end; :meth:`save` writes it."""
        text = json.dumps(_CONVERTER.unstructure(exchange), ensure_ascii=False, indent=1)
        self.exchanges.append(exchange)
        self._texts.append(text)

    def save(self) -> None:
        """Write the tape: the whole of it or, if that fails, nothing.

        Raises:
            OSError: if it cannot be written.
        """
        while self._saved < len(self._texts):
            try:
                self._turn.pop()
            except IndexError:
                return
            try:
                texts = list(self._texts)
                self._write(_HEAD + ",\n".join(texts) + "\n]}\n")
                self._saved = len(texts)
            finally:
                self._turn.append(None)

    def _write(self, text: str) -> None:
        number, name = tempfile.mkstemp(prefix=f".{self.path.name}-", dir=self.path.parent)
        try:
            with os.fdopen(number, "w", encoding="utf-8", newline="\n") as file:
                file.write(text)
            Path(name).replace(self.path)
        except BaseException:
            Path(name).unlink(missing_ok=True)
            raise

    def _document(self) -> dict[str, Any]:
        try:
            tape = json.loads(self.path.read_text(encoding="utf-8"))
        except OSError as error:
            raise self._unreadable(
                f"cannot be read ({error.strerror}); record it first, with "
                f"transport=record({str(self.path)!r})"
            ) from None
        except (ValueError, RecursionError):
            raise self._unreadable("is no JSON") from None
        version = tape.get(_MARK) if isinstance(tape, dict) else None
        if version != FORMAT:
            raise self._unreadable(
                f"is no tape of format {FORMAT} (it says {version!r}); record it again"
            )
        if not isinstance(tape.get("exchanges"), list):
            raise self._unreadable("is broken: it has no list of exchanges")
        return dict(tape)

    def _unreadable(self, problem: str) -> ConfigurationError:
        return ConfigurationError(f"the tape {str(self.path)!r} {problem}.")


def _body_form(body: bytes) -> dict[str, object]:
    try:
        text = body.decode()
    except UnicodeDecodeError:
        return {"base64": base64.b64encode(body).decode()}
    try:
        value = json.loads(text)
        plain = isinstance(value, (dict, list)) and not _is_deep(value) and _compact(value) == text
    except (ValueError, RecursionError):
        plain = False
    return {"json": value} if plain else {"text": text}


def _compact(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"), allow_nan=False)


def _is_deep(value: object) -> bool:
    level: list[Any] = [value]
    for _ in range(_DEPTH):
        level = [
            each
            for outer in level
            for each in (outer.values() if isinstance(outer, dict) else outer)
            if isinstance(each, (dict, list))
        ]
    return bool(level)


def _body_from(form: object, _: object) -> bytes:
    match form:
        case {"json": value, **rest} if not rest:
            return _compact(value).encode()
        case {"text": str(text), **rest} if not rest:
            return text.encode()
        case {"base64": str(packed), **rest} if not rest:
            return base64.b64decode(packed, validate=True)
    raise ValueError("a body is {json: ...}, {text: ...} or {base64: ...}")


def _headers_from(pairs: object, _: object) -> Headers:
    if not isinstance(pairs, list):
        raise TypeError("headers are a list of pairs")
    return Headers((str(name), str(value)) for name, value in pairs)


def _exactly(value: Any, kind: Any) -> Any:
    if type(value) is not kind:
        raise TypeError(f"expected {kind.__name__}, got {type(value).__name__}")
    return value


def _make_converter() -> Converter:
    converter = Converter(forbid_extra_keys=True, omit_if_default=True)
    for kind in (bool, int, str):
        converter.register_structure_hook(kind, _exactly)
    converter.register_structure_hook(bytes, _body_from)
    converter.register_unstructure_hook(bytes, _body_form)
    converter.register_structure_hook(Headers, _headers_from)
    converter.register_unstructure_hook(Headers, lambda headers: [list(each) for each in headers])
    return converter


_CONVERTER: Final = _make_converter()
