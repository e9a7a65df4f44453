"""Requests and responses: dialects write and read them, transports send and receive them.

No type of an HTTP library appears here. No text made from these types shows a credential: header
values are hidden unless their name is on a short list of harmless ones.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Generator, Iterable, Iterator
from typing import Any, Final, TypeAlias, TypeVar, cast
from urllib.parse import quote, urlencode

import attrs

from billingual.outcomes import Safety

__all__ = [
    "Bounds",
    "Conversation",
    "Deadline",
    "Exchange",
    "Headers",
    "ResponseInfo",
    "Timeouts",
    "WireRequest",
    "WireResponse",
    "encode_query",
    "path_segment",
]

T = TypeVar("T")

LONGEST_WAIT_S: Final = 9e9
"""Sockets and locks count nanoseconds in 64 bits, which hold 292 years; a longer wait is cut."""

HEADER_NAME: Final = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
"""The name of a header field. Source: https://www.rfc-editor.org/rfc/rfc9110#section-5.6.2"""

_SHOWN = frozenset(
    {
        "accept", "accept-encoding", "allow", "content-encoding", "content-length",
        "content-type", "date", "ratelimit", "ratelimit-limit", "ratelimit-policy",
        "ratelimit-remaining", "ratelimit-reset", "request-id", "retry-after", "sandbox-rule",
        "server", "transfer-encoding", "user-agent", "x-correlation-id", "x-ratelimit-limit",
        "x-ratelimit-remaining", "x-ratelimit-reset", "x-request-id",
    }
)  # fmt: skip
_REQUEST_IDS = ("x-request-id", "request-id", "x-correlation-id")
_LONG = 20
_SHORT = 100
_REMAINING = ("x-ratelimit-remaining", "ratelimit-remaining")
_CREDENTIALS = frozenset({"authorization", "cookie", "proxy-authorization", "set-cookie"})


class Headers:
    """Header fields in order, found by name in any case; immutable.

    ``repr`` shows the values of harmless names only. Headers with credentials cannot be pickled, so
    that no token reaches a queue or a cache by accident.
    """

    __slots__ = ("_names", "_pairs", "checked")

    def __init__(self, pairs: Iterable[tuple[str, str]] = ()) -> None:
        self._pairs = tuple(pairs)
        self._names: frozenset[str] | None = None
        self.checked: bool = False
        """Whether a transport found that all of it can be written; that is found out once."""

    @property
    def names(self) -> frozenset[str]:
        """The names of the fields, in lower case."""
        if self._names is None:
            self._names = frozenset([key.lower() for key, _ in self._pairs])
        return self._names

    def get(self, name: str) -> str | None:
        """Return the first value of *name*, or None."""
        wanted = name.lower()
        for key, value in self._pairs:
            if key.lower() == wanted:
                return value
        return None

    def get_all(self, name: str) -> tuple[str, ...]:
        """Return every value of *name* in order."""
        wanted = name.lower()
        return tuple(value for key, value in self._pairs if key.lower() == wanted)

    def merged(self, pairs: Iterable[tuple[str, str]]) -> Headers:
        """Return headers with *pairs* added; each replaces the fields of its name."""
        added = tuple(pairs)
        names = {key.lower() for key, _ in added}
        return Headers([*[p for p in self._pairs if p[0].lower() not in names], *added])

    def without_credentials(self) -> Headers:
        """Return headers without cookies and authorization."""
        return Headers(p for p in self._pairs if p[0].lower() not in _CREDENTIALS)

    @property
    def request_id(self) -> str | None:
        """The value of the first of the usual fields for it, as it came; None if there is none."""
        return next((value for name in _REQUEST_IDS if (value := self.get(name))), None)

    @property
    def request_id_text(self) -> str:
        """The request id for the text of an error; empty if there is none that can be shown."""
        found = self.request_id or ""
        is_plain = found.isascii() and found.isprintable() and 0 < len(found) <= _SHORT
        return f" (request id {found})" if is_plain else ""

    def __iter__(self) -> Iterator[tuple[str, str]]:
        return iter(self._pairs)

    def __len__(self) -> int:
        return len(self._pairs)

    def __contains__(self, name: object) -> bool:
        return isinstance(name, str) and name.lower() in self.names

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Headers):
            return NotImplemented
        return self._folded() == other._folded()

    def __hash__(self) -> int:
        return hash(self._folded())

    def __repr__(self) -> str:
        # Tools that show the frames of a failing constructor ask one that is not made yet.
        shown = ", ".join(
            f"{key}: {value if key.lower() in _SHOWN else '***'}"
            for key, value in getattr(self, "_pairs", ())
        )
        return f"Headers({shown})"

    def __reduce__(self) -> tuple[type[Headers], tuple[tuple[tuple[str, str], ...]]]:
        if any(key.lower() in _CREDENTIALS for key, _ in self._pairs):
            raise TypeError("these headers carry credentials and are not pickled")
        return (Headers, (self._pairs,))

    def _folded(self) -> tuple[tuple[str, str], ...]:
        return tuple((key.lower(), value) for key, value in self._pairs)


@attrs.frozen(kw_only=True)
class WireRequest:
    """One request, as a dialect writes it and a transport sends it.

    Attributes:
        method: the HTTP method.
        url: relative to the base URL as a dialect yields it (``/api/invoices?page=1``); absolute
            as a transport receives it. Percent-encoded in both.
        route: the path with placeholders, safe for logs: ``/api/invoices/{uid}``.
        safety: what a second delivery would do.
        headers: fields in order; only the copy that a transport receives has credentials.
        body: the bytes to send; every attempt sends the same ones.
        keys: the names of the body's fields, for errors; never their values.
        key_header: the header of the provider's idempotency key; None if it takes none. The
            client sets it once for each operation, so that all attempts carry the same key.
        read: how the response is read: it returns the value that the conversation is sent, or
            raises the one error that fits a bad response. Called inside the attempt, so that the
            retry policy decides about its errors. Neither transports nor errors get to see it.
    """

    method: str
    url: str = attrs.field(repr=False)
    route: str
    safety: Safety
    headers: Headers = attrs.field(factory=Headers)
    body: bytes | None = attrs.field(
        default=None, repr=lambda b: "-" if b is None else f"{len(b)} B"
    )
    keys: tuple[str, ...] = ()
    key_header: str | None = None
    read: Callable[[WireResponse], object] | None = attrs.field(default=None, eq=False, repr=False)

    def keyed(self, key: str) -> WireRequest:
        """Return the request with an idempotency key, if the provider takes one."""
        if self.key_header is None:
            return self
        return attrs.evolve(self, headers=self.headers.merged([(self.key_header, key)]))

    def without_read(self) -> WireRequest:
        """Return the request as errors keep it: a function cannot be pickled."""
        return self if self.read is None else attrs.evolve(self, read=None)

    def addressed(self, base_url: str, headers: Iterable[tuple[str, str]]) -> WireRequest:
        """Return the copy to send: an absolute URL, and *headers* (the credentials) added."""
        return self.with_headers(base_url, self.headers.merged(headers))

    def with_headers(self, base_url: str, headers: Headers) -> WireRequest:
        """Return the copy to send: an absolute URL, and *headers* in the place of its own."""
        sent = _Request()
        sent.method, sent.url, sent.route = self.method, f"{base_url}{self.url}", self.route
        sent.safety, sent.headers, sent.body = self.safety, headers, self.body
        sent.keys, sent.key_header, sent.read = self.keys, self.key_header, None
        sent.__class__ = WireRequest
        made: WireRequest = sent
        return made


def unfrozen(kind: type) -> Any:
    """Return a subclass of a frozen class whose new instances are empty, and not frozen yet.

    Assign every field, from parts that were checked before, and then the frozen class::

        money = _Money()
        money.minor, money.currency = 1234, "EUR"
        money.__class__ = Money

    The constructor that attrs makes for a frozen class sets each field through a function call:
    for an invoice or a request, five times the cost of plain assignment.
    Python lets an object change between classes of the same layout, and a subclass that adds no
    slots has the layout of its base:
    https://docs.python.org/3/reference/datamodel.html#object.__class__
    """
    # With the plain __init__, a call of the class is half as long as one of object.__new__.
    names = ["__init__", "__setattr__", "__delattr__"]
    if "__new__" in {name for each in kind.__mro__[:-1] for name in vars(each)}:
        names.append("__new__")  # It looks at arguments, of which there are none here.
    plain = {name: getattr(object, name) for name in names}
    return type(f"Unfrozen{kind.__name__}", (kind,), {"__slots__": (), **plain})


# Each call makes a copy to send, and the constructor would take a hundredth of it.
_Request: Final = unfrozen(WireRequest)


@attrs.frozen(kw_only=True)
class WireResponse:
    """One complete response within bounds, its body decompressed.

    Attributes:
        status: the HTTP status.
        headers: fields in order.
        body: the bytes.
        request_complete: whether the whole request was sent before the response came; None if
            that cannot be known, for example if the response came while we were writing.
    """

    status: int
    headers: Headers = attrs.field(factory=Headers)
    body: bytes = attrs.field(default=b"", repr=lambda b: f"{len(b)} B")
    request_complete: bool | None = attrs.field(default=True, repr=False, eq=False)


@attrs.frozen(kw_only=True)
class ResponseInfo:
    """The raw response that a result was read from, and what is known about it.

    Attributes:
        status: the HTTP status.
        headers: its header fields without cookies; ``repr`` shows harmless ones only.
        content: its body, decompressed, as it came, but with ``***`` in the place of any credential
            of the client. ``repr`` shows its size only.
        seconds: from the start of sending to the whole response, of the attempt that brought it.
        attempts: how many attempts that request took, the one that succeeded included.
    """

    status: int
    headers: Headers
    seconds: float
    attempts: int
    content: bytes = attrs.field(default=b"", repr=lambda b: f"{len(b)} B")

    @property
    def request_id(self) -> str | None:
        """What the provider, or a gateway before it, calls the request; None if it says nothing.

        No provider here documents such a field. The usual names are looked for: ``X-Request-Id``,
        ``Request-Id`` and ``X-Correlation-Id``.
        """
        return self.headers.request_id

    @property
    def rate_limit_left(self) -> int | None:
        """How many requests are left of a rate limit, where the response says it in the usual way.

        That is a whole number in ``X-RateLimit-Remaining`` or ``RateLimit-Remaining``.
        """
        for name in _REMAINING:
            left = (self.headers.get(name) or "").strip()
            if left.isascii() and left.isdigit() and len(left) < _LONG:
                return int(left)
        return None


@attrs.frozen(kw_only=True)
class Exchange:
    """A request and its response as errors keep them, without credentials.

    ``body`` is the response's, decompressed. It may contain personal data, so neither ``repr`` nor
    an error's text shows it.
    """

    method: str
    route: str
    keys: tuple[str, ...]
    status: int
    headers: Headers
    body: bytes = attrs.field(repr=lambda b: f"{len(b)} B")
    request_complete: bool | None = attrs.field(default=True, repr=False, eq=False)

    @classmethod
    def of(cls, request: WireRequest, response: WireResponse) -> Exchange:
        """Keep the parts of a request and its response that hold no credentials."""
        return cls(
            method=request.method,
            route=request.route,
            keys=request.keys,
            status=response.status,
            headers=response.headers.without_credentials(),
            body=response.body,
            request_complete=response.request_complete,
        )


@attrs.frozen(kw_only=True)
class Timeouts:
    """Longest waits of one attempt, in seconds; none is longer than the deadline allows.

    Attributes:
        connect: for a connection, TLS included. Default 5.
        write: for each piece of the request. Default 10.
        read: for each piece of the response. Default 30.
        pool: for a free connection of the pool. Default 5.
    """

    connect: float = 5.0
    write: float = 10.0
    read: float = 30.0
    pool: float = 5.0

    @classmethod
    def each(cls, seconds: float) -> Timeouts:
        """Return timeouts with every phase limited to *seconds*."""
        return cls(connect=seconds, write=seconds, read=seconds, pool=seconds)


# Each call makes one. Frozen, it would take twice as long, and so would the bounds.
@attrs.define(eq=False)
class Deadline:
    """One end for all attempts of a call, on the clock of the backend that made it."""

    at: float
    now: Callable[[], float] = attrs.field(repr=False)

    def left(self) -> float:
        """Return the seconds that are left; never below zero."""
        left = self.at - self.now()
        return left if left > 0.0 else 0.0  # noqa: FURB136 - max() takes twice as long


@attrs.define(kw_only=True, eq=False)
class Bounds:
    """How long and how large one attempt may be. No bound is infinite.

    Attributes:
        timeouts: per phase.
        deadline: of the whole call; a transport checks it at each piece of a response.
        wire_bytes: largest response as it is received. Default 16 MiB.
        body_bytes: largest response once decompressed. Default 64 MiB.
        ratio: largest growth in decompression. Default 200: a page of invoices grows about 5
            times, one of almost equal rows 43 times, and a gzip bomb 1,000 times.
    """

    timeouts: Timeouts
    deadline: Deadline
    wire_bytes: int = 16 * 1024 * 1024
    body_bytes: int = 64 * 1024 * 1024
    ratio: int = 200

    def phase(self, seconds: float) -> float:
        """Return *seconds*, or the seconds until the deadline if those are fewer."""
        return min(seconds, self.deadline.left())

    def allow(self, size: int) -> bool:
        """Tell whether a whole body of *size* bytes, not compressed, may be returned now."""
        return size <= self.wire_bytes and size <= self.body_bytes and self.deadline.left() > 0


Conversation: TypeAlias = Generator[WireRequest, Any, T]
"""One operation of a dialect: it yields requests, is sent what was read, and returns a model."""


def encode_query(pairs: Iterable[tuple[str, str]]) -> str:
    """Write a query string, ``?`` included; empty for no pairs.

    Everything but letters, digits and ``-._~`` is percent-encoded: servers read a raw ``+`` as a
    space, and the ``>`` and ``|`` of the providers' own samples are not allowed in a URL.
    """
    text = urlencode(list(pairs), quote_via=quote, safe="")
    return f"?{text}" if text else ""


def plain_text(value: T) -> T:
    """Return a text of Python's own, such as ``"EUR"`` for ``Currency.EUR``; all else unchanged.

    A member of ``class Currency(str, Enum)`` is text too, but formatting it writes its name.
    """
    if type(value) is str or not isinstance(value, str):
        return value
    return cast(T, str.__str__(value))


def with_whole_texts(value: Any) -> Any:
    """Return *value* with U+FFFD in the place of each half of a surrogate pair."""
    if isinstance(value, str):
        if value.isascii():
            return value
        return value.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    if isinstance(value, dict):
        return {with_whole_texts(name): with_whole_texts(each) for name, each in value.items()}
    return [with_whole_texts(each) for each in value] if isinstance(value, list) else value


def path_segment(text: str) -> str:
    """Percent-encode *text* as exactly one segment of a path."""
    # Nearly all are UUIDs, and to find nothing to encode takes quote() ten times as long.
    if text.isascii() and text.replace("-", "").isalnum():
        return text
    return quote(text, safe="")
