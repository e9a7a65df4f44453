"""Every error this package raises on purpose, and who has to act on it.

::

    BillingualError
    ├── UsageError                   your program: refused before anything was sent
    │   ├── InvalidInputError        a value cannot be right (also a ValueError)
    │   ├── UnsupportedError         this provider has no such feature or field
    │   ├── ConfigurationError       an option of the client is missing, wrong or too much
    │   │   ├── UnknownNameError     no transport, dialect, provider or policy of that name
    │   │   ├── MissingExtraError    a package is not installed
    │   │   └── TokenError           the server of tokens refuses this program
    │   └── ClosedError              the client was closed
    ├── LockedError                  your program: the invoice's status forbids the change
    ├── TransportError               the network
    │   ├── NotConnectedError        no connection was made: nothing was sent
    │   │   └── TokenUnavailableError  the server of tokens gave none now: nothing was sent
    │   ├── PoolTimeoutError         no connection became free: nothing was sent
    │   ├── TimedOutError            the response did not arrive in time
    │   ├── ConnectionLostError      the connection broke before the response was complete
    │   └── ResponseTooLargeError    the response exceeds a limit
    ├── DeadlineExceededError        the call's deadline passed before an attempt could start
    ├── CircuitOpenError             too many attempts failed in a row: sending is paused
    ├── ProviderError                the provider: it responded with a refusal or a failure
    │   ├── InvalidRequestError      400, 422 and other 4xx
    │   ├── AuthenticationError      401
    │   ├── PermissionDeniedError    403
    │   ├── NotFoundError            404, 410
    │   ├── ConflictError            409, 412
    │   ├── RateLimitedError         429
    │   ├── RejectedError            a 2xx whose body reports a failure
    │   ├── RedirectedError          3xx: never followed
    │   ├── ServerError              5xx
    │   └── ProtocolError            the response cannot be read
    ├── OutcomeUnknown               a write may or may not have happened: not a failure
    ├── PaginationError              the provider: the pages of a list contradict each other
    ├── BadRowError                  the provider: a row of a list cannot be read
    └── InternalError                billingual: please report it

Every error has ``maybe_applied``. Only :class:`OutcomeUnknown` says True: if a write ends
unclearly, the client raises that error *from* the one it saw, so ``except ProviderError`` does not
catch it by accident. Errors keep their data as attributes, can be pickled and hold no credentials.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, Final, NoReturn, Protocol

from billingual.outcomes import Attempt, Evidence, Found, FoundInvoice, Intent
from billingual.wire import Exchange, Headers, WireRequest, plain_text

__all__ = [
    "AuthenticationError",
    "BadRowError",
    "BillingualError",
    "CircuitOpenError",
    "ClosedError",
    "ConfigurationError",
    "ConflictError",
    "ConnectionLostError",
    "DeadlineExceededError",
    "InternalError",
    "InvalidInputError",
    "InvalidRequestError",
    "LockedError",
    "MissingExtraError",
    "NotConnectedError",
    "NotFoundError",
    "OutcomeUnknown",
    "PaginationError",
    "PermissionDeniedError",
    "PoolTimeoutError",
    "ProtocolError",
    "ProviderError",
    "RateLimitedError",
    "RedirectedError",
    "RejectedError",
    "ResponseTooLargeError",
    "ServerError",
    "TimedOutError",
    "TokenError",
    "TokenUnavailableError",
    "TransportError",
    "UnknownNameError",
    "UnsupportedError",
    "UsageError",
    "unclear_from",
]


def _unpickle(cls: type[BillingualError], text: str, state: dict[str, Any]) -> BillingualError:
    error = cls.__new__(cls, text)
    error.args = (text,)
    error.__dict__.update(state)
    return error


_MOST_SHOWN: Final = 40


def shown(value: object) -> str:
    """Return how an error shows a value: text and numbers cut at 40 characters, else the type.

    A model or a whole payload in an error would put its contents into logs.
    """
    value = plain_text(value)
    if isinstance(value, str):
        return repr(value if len(value) <= _MOST_SHOWN else f"{value[: _MOST_SHOWN - 1]}…")
    if isinstance(value, (bool, float, type(None))) or (
        isinstance(value, int) and value.bit_length() <= 3 * _MOST_SHOWN
    ):
        text = repr(value)
        return text if len(text) <= _MOST_SHOWN else f"{text[: _MOST_SHOWN - 1]}…"
    name = type(value).__name__
    return f"{'an' if name[:1] in 'AEIOUaeiou' else 'a'} {name}"


def refuse_copy(it: object) -> NoReturn:
    """Refuse to pickle or copy what holds connections and secrets.

    Raises:
        UsageError: always.
    """
    raise UsageError(
        f"{type(it).__name__} holds connections and secrets, which are not copied; "
        "make a client where it is used, or use with_options()."
    )


def refuse_name(it: object, name: str) -> NoReturn:
    """Be the ``__getattr__`` of a class: people from other SDKs look for ``client.invoices``.

    Raises:
        AttributeError: always; it lists the names that there are.
    """
    names = ", ".join(each for each in sorted({*dir(type(it)), *vars(it)}) if each[0] != "_")
    raise AttributeError(
        f"{type(it).__name__!r} object has no attribute {name!r}; it has {names}.",
        name=name,
        obj=it,
    )


class BillingualError(Exception):
    """The root: everything this package raises on purpose.

    Attributes:
        maybe_applied: whether the provider may have acted on the write that failed.
        attempts: the attempts of the call, in order; empty if nothing was sent.
        stopped: why the client made no further attempt; empty if the question did not arise.
    """

    if not TYPE_CHECKING:  # or type checkers would take any name
        # What handles errors is seldom tried: ``error.status_code`` would hide the error itself.
        __getattr__ = refuse_name

    maybe_applied: ClassVar[bool] = False
    attempts: tuple[Attempt, ...] = ()
    stopped: str = ""

    def explain(self) -> str:
        """Describe the attempts and the reason to stop, one line each, for people and logs.

        The text holds no payload and no credentials.
        """
        lines = [str(self), *(f"  {attempt.explain()}" for attempt in self.attempts)]
        if self.stopped:
            lines.append(f"  not tried again: {self.stopped}")
        elif not self.attempts:
            lines.append("  nothing was sent")
        return "\n".join(lines)

    def __reduce__(self) -> tuple[Any, ...]:
        # The default calls the class with `args`, which keyword-only arguments do not survive.
        return (_unpickle, (type(self), str(self), dict(self.__dict__)))


class UsageError(BillingualError):
    """The program asked for something impossible; nothing was sent.

    A program with words of its own, such as the command line, reads *field* and *hint* instead of
    the text, and tells its user what to do there.

    Attributes:
        field: the argument, option or field that is wrong; empty if none is to blame alone.
        hint: what to do, as a short fixed key such as ``"give_token"``; empty for most errors.
        known: the names of fields, transports ... that the text lists, if it lists any.
    """

    field: str = ""
    hint: str = ""
    known: tuple[str, ...] = ()


class InvalidInputError(UsageError, ValueError):
    """A value is certainly wrong; the client can tell without asking the provider.

    Attributes:
        field: the name of the field or argument.
        problem: what is wrong with it.
        fix: what to do.
    """

    def __init__(
        self, field: str, problem: str, fix: str, *, hint: str = "", known: Iterable[str] = ()
    ) -> None:
        super().__init__(f"{field}: {problem}; {fix}.")
        self.field = field
        self.problem = problem
        self.fix = fix
        self.hint = hint
        self.known: tuple[str, ...] = tuple(known)


class UnsupportedError(UsageError):
    """The provider has no such feature or field.

    Attributes:
        provider: the provider's name.
        feature: what was asked for: an operation, or a field of one.
        instead: what to use instead.
        field: the name of the field; empty if the operation itself is missing.
    """

    def __init__(
        self,
        provider: str,
        feature: str,
        instead: str,
        *,
        field: str = "",
        known: Iterable[str] = (),
    ) -> None:
        super().__init__(f"{provider} does not support {feature}; {instead}.")
        self.provider = provider
        self.feature = feature
        self.instead = instead
        self.field = field
        self.known: tuple[str, ...] = tuple(known)


class ConfigurationError(UsageError):
    """An option of the client is missing, wrong or does not fit the others.

    Attributes:
        problem: what is wrong.
        fix: what to do; empty if *problem* says it.
    """

    def __init__(
        self,
        problem: str,
        fix: str = "",
        *,
        field: str = "",
        hint: str = "",
        known: Iterable[str] = (),
    ) -> None:
        super().__init__(f"{problem}; {fix}." if fix else problem)
        self.problem = problem
        self.fix = fix
        self.field = field
        self.hint = hint
        self.known: tuple[str, ...] = tuple(known)


class UnknownNameError(ConfigurationError, LookupError):
    """Nothing is registered under the name.

    Attributes:
        kind: what was looked for: a transport, dialect, provider or policy.
        name: the name given.
    """

    def __init__(self, kind: str, name: str, known: Iterable[str]) -> None:
        known = tuple(known)
        from difflib import get_close_matches  # noqa: PLC0415 - only an error needs it

        listed = ", ".join(known) or "none installed"
        # A program may have given no text at all.
        given: object = name
        near = get_close_matches(name.casefold(), known, n=1) if isinstance(given, str) else []
        guess = f"perhaps you meant {near[0]}; " if near else ""
        # People hope for stripe, where any API can be written.
        other = (
            " Another API is a Provider with a dialect of your own." if "provider" in kind else ""
        )
        super().__init__(
            f"there is no {kind} named {shown(name)}; {guess}there are: {listed}.{other}",
            known=known,
        )
        self.kind = kind
        # Errors can be pickled, which not every object that was given for a name can.
        self.name: str = given if isinstance(given, str) else shown(given)


class MissingExtraError(ConfigurationError):
    """The name is known, but a package that it needs is not installed.

    Attributes:
        name: what was asked for.
        install: the command that installs it.
    """

    def __init__(self, name: str, extra: str | None, module: str) -> None:
        # Without an extra it is a dependency of billingual itself, which pip installs again.
        package = "billingual" if extra is None else f'"billingual[{extra}]"'
        self.install: str = f"pip install {package}"
        library = module.partition(".")[0]
        super().__init__(f"{name} needs {library}, which is not installed; run: {self.install}")
        self.name = name


class TokenError(ConfigurationError):
    """The server of tokens gives this program none, so the call's own request was not sent.

    Attributes:
        code: the server's word for it, such as ``"invalid_client"``; empty if it says none.
        description: what it says about it, without our secret; empty if nothing.
        status: the HTTP status; None if there is none to blame.
    """

    def __init__(
        self,
        problem: str,
        fix: str = "",
        *,
        code: str = "",
        description: str = "",
        status: int | None = None,
    ) -> None:
        super().__init__(problem, fix, field="token")
        self.code = code
        self.description = description
        self.status = status

    def again(self) -> TokenError:
        """Return it for another call, which has attempts of its own."""
        return TokenError(
            self.problem,
            self.fix,
            code=self.code,
            description=self.description,
            status=self.status,
        )


class ClosedError(UsageError):
    """The client was used after it was closed."""


class LockedError(BillingualError):
    """The invoice's status forbids the change; nothing was changed.

    Attributes:
        provider: the provider's name.
        invoice_id: the invoice.
        status: its status as last seen.
        locked: the fields of the change that the status locks.
        still_open: the fields that may still be changed; empty for none.
        exchange: the provider's refusal, or None if the client refused without asking.
        complaint: what the provider says is wrong, as text; empty if it says nothing.
    """

    def __init__(
        self,
        *,
        provider: str,
        invoice_id: str,
        status: str,
        locked: Iterable[str],
        still_open: Iterable[str],
        exchange: Exchange | None = None,
        complaint: str = "",
    ) -> None:
        self.locked: tuple[str, ...] = tuple(sorted(locked))
        self.still_open: tuple[str, ...] = tuple(sorted(still_open))
        rest = (
            f"only {', '.join(self.still_open)} may still be changed"
            if self.still_open
            else "nothing may be changed any more"
        )
        by = provider if exchange is not None else f"the rules of {provider}"
        told = f" It says: {complaint}." if complaint else ""
        super().__init__(
            f"invoice {invoice_id} is {status}: {by} locked {', '.join(self.locked)}; {rest}.{told}"
        )
        self.provider = provider
        self.invoice_id = invoice_id
        self.status = status
        self.exchange = exchange
        self.complaint = complaint


class TransportError(BillingualError):
    """The network or the connection failed.

    Attributes:
        evidence: what the transport saw: connected, request complete, response begun.
    """

    def __init__(self, message: str, *, evidence: Evidence | None = None) -> None:
        super().__init__(message)
        # Without evidence the client assumes the worst: the request may have arrived.
        self.evidence: Evidence = Evidence() if evidence is None else evidence


class NotConnectedError(TransportError):
    """No connection was made (name, address, TLS or proxy), so nothing was sent."""


class TokenUnavailableError(NotConnectedError):
    """The server of tokens gave none now, so the call's own request was not sent.

    It may pass: it could not be reached, or it responded with 429 or 5xx.

    Attributes:
        status: its HTTP status; None if no response came.
        retry_after: seconds that it asks to wait; None if it does not say.
    """

    def __init__(
        self, message: str, *, status: int | None = None, retry_after: float | None = None
    ) -> None:
        unsent = Evidence(connected=False, request_complete=False, response_begun=False)
        super().__init__(message, evidence=unsent)
        self.status = status
        self.retry_after = retry_after

    def again(self) -> TokenUnavailableError:
        """Return it for another call, which has attempts of its own."""
        return TokenUnavailableError(str(self), status=self.status, retry_after=self.retry_after)


class PoolTimeoutError(TransportError):
    """No connection of the pool became free in time, so nothing was sent."""


class TimedOutError(TransportError):
    """The provider did not accept the request, or did not respond, in time."""


class ConnectionLostError(TransportError):
    """The connection broke before the response was complete."""


class ResponseTooLargeError(TransportError):
    """The response is larger than its limits allow, so the client stopped reading it.

    Attributes:
        headers: those of a refusal, which counts as one without its body; None of a success.
    """

    def __init__(
        self, message: str, *, evidence: Evidence | None = None, headers: Headers | None = None
    ) -> None:
        super().__init__(message, evidence=evidence)
        self.headers = headers


class DeadlineExceededError(BillingualError):
    """The call's deadline passed before another attempt could start; nothing is unclear.

    Attributes:
        retry_after: seconds until the rate limit allows another attempt, if that is the reason.
    """

    def __init__(self, message: str, *, retry_after: float | None = None) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class CircuitOpenError(BillingualError):
    """Too many attempts failed in a row, so the circuit breaker pauses; nothing was sent.

    Attributes:
        retry_after: seconds until the breaker allows the next attempt.
    """

    def __init__(self, message: str, *, retry_after: float) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class ProviderError(BillingualError):
    """The provider responded with a refusal or a failure.

    Attributes:
        provider: the provider's name.
        exchange: method, route, names of the fields sent, status, headers and raw body.
        complaint: what the provider says is wrong, as text; empty if it says nothing.
        fields: what it says about single fields, at most 12: by our name for each that the request
            could carry, otherwise by the provider's. Empty if it names none.
        summary: the message without its advice, for callers that add advice of their own.
    """

    def __init__(
        self,
        message: str,
        *,
        provider: str,
        exchange: Exchange,
        complaint: str = "",
        summary: str = "",
    ) -> None:
        super().__init__(message)
        self.provider = provider
        self.exchange = exchange
        self.complaint = complaint
        self.fields: Mapping[str, str] = {}
        self.summary: str = summary or message

    @property
    def status(self) -> int:
        """The HTTP status of the response."""
        return self.exchange.status

    @property
    def request_id(self) -> str | None:
        """What the provider calls the request, for its support; None if it says nothing."""
        return self.exchange.headers.request_id

    @property
    def body(self) -> bytes:
        """The body of the response, unchanged."""
        return self.exchange.body

    def json(self) -> Any:
        """Read the body of the response as JSON, leniently; return None if it is not JSON."""
        import json  # noqa: PLC0415 - most programs never ask, and imports should stay cheap

        try:
            return json.loads(self.exchange.body)
        except (ValueError, RecursionError):
            return None


class InvalidRequestError(ProviderError):
    """The provider found the request wrong (400, 422 or another 4xx)."""


class AuthenticationError(ProviderError):
    """The token is missing, wrong, expired or revoked (401)."""


class PermissionDeniedError(ProviderError):
    """The token is valid but not allowed to do this (403)."""


class NotFoundError(ProviderError):
    """The invoice does not exist, or this token may not see it (404, 410)."""


class ConflictError(ProviderError):
    """The invoice's state or number conflicts with the request (409, 412)."""


class RateLimitedError(ProviderError):
    """Too many requests (429).

    Attributes:
        retry_after: seconds the provider asks to wait, or None if it does not say.
    """

    retry_after: float | None = None


class RejectedError(ProviderError):
    """The HTTP status reports success, but the body reports a failure."""


class RedirectedError(ProviderError):
    """The provider redirected the request; the client never follows, to protect the token."""


class ServerError(ProviderError):
    """The provider failed (5xx).

    Attributes:
        retry_after: seconds the provider asks to wait, or None if it does not say.
    """

    retry_after: float | None = None


class ProtocolError(ProviderError):
    """The response is not what the provider documents; ``body`` keeps it unchanged.

    Attributes:
        path: where in the response, like ``$.data.items[3].uid``.
        shown: the invoices that could be read from the response to a write. They may be others than
            those asked for: they are evidence, not a result.
        is_doubtful: whether the response can be read but does not confirm the whole write: it is
            about something else, or says that a part was not done.
    """

    path: str = "$"
    is_doubtful: bool = False
    shown: tuple[FoundInvoice, ...] = ()


class PaginationError(BillingualError):
    """The pages of a list contradict each other (a page came twice, or there is no end)."""


class _BadRow(Protocol):
    """A row that cannot be read, as :class:`billingual.model.BadRow` holds it."""

    @property
    def path(self) -> str:
        """The place of the row in the response."""
        ...

    @property
    def reason(self) -> str:
        """What is wrong with it."""
        ...

    @property
    def value(self) -> object:
        """The row as it came."""
        ...


class BadRowError(BillingualError):
    """A row of a list cannot be read, and ``on_bad_row="raise"`` asks for an error.

    The other rows of the page come if you go on.

    Attributes:
        rows: those of one page, each with its path, the reason and the row as it came.
    """

    def __init__(self, rows: Sequence[_BadRow]) -> None:
        more = f", and {len(rows) - 1} more" if len(rows) > 1 else ""
        super().__init__(
            f"a row of the list cannot be read: at {rows[0].path}, {rows[0].reason}{more}; "
            'on_bad_row="skip" leaves such rows out.'
        )
        self.rows: tuple[_BadRow, ...] = tuple(rows)


class _Reconcile(Protocol):
    """Find out whether the write of *unclear* happened.

    The client that raises the error provides this function, so that this module need not know
    how to read back.
    """

    def __call__(
        self,
        unclear: OutcomeUnknown,
        *,
        known_invoice: object,
        late_arrival_s: float,
        wait: bool,
    ) -> Found:
        """Find out; a blocking client knows when this returns."""
        ...


class OutcomeUnknown(BillingualError):  # noqa: N818 - it does not say that something failed
    """A write may or may not have happened. Do not simply send it again: look first.

    :meth:`reconcile` looks for you. The error can be pickled and reconciled in another process:
    ``await client.reconcile(error)``.

    Attributes:
        provider: the provider's name.
        operation: the operation's name: ``create``, ``update`` ...
        request: the request without credentials, with the exact body that was sent.
        likely: ``"applied"`` if the provider reported success unreadably, else ``"unclear"``.
        exchange: the response with its raw body, or None if none arrived.
        shown: the invoices that the response showed. They may be others than those asked for, or
            only some of them: compare them before you take them for the result.
        intent: what the write was meant to do; None for an operation the client does not know.
        given_up_at: when the client gave up the last attempt, in seconds since 1970-01-01 UTC.
        account: base URL, tenant and organization of the write; only there can it be found.
    """

    maybe_applied: ClassVar[bool] = True

    _reconcile: _Reconcile | None = None

    def __init__(
        self,
        message: str,
        *,
        provider: str,
        operation: str,
        request: WireRequest,
        likely: str,
        exchange: Exchange | None = None,
        intent: Intent | None = None,
        given_up_at: float = 0.0,
        account: tuple[str | None, ...] = (),
    ) -> None:
        super().__init__(message)
        self.provider = provider
        self.operation = operation
        self.request = request
        self.likely = likely
        self.exchange = exchange
        self.shown: tuple[FoundInvoice, ...] = ()
        self.intent = intent
        self.given_up_at = given_up_at
        self.account = account

    def bind(self, reconcile: _Reconcile) -> None:
        """Let :meth:`reconcile` use this function; the client does so before it raises."""
        self._reconcile = reconcile

    def reconcile(
        self,
        *,
        known_invoice: object = None,
        late_arrival_s: float = 120.0,
        wait: bool = False,
    ) -> Found:
        """Read back whether it happened, with the client that raised this error.

        With an ``AsyncClient``, await it; a blocking ``Client`` returns the result itself.
        ``client.reconcile(error)`` returns the same result under its full type; see that method
        for the arguments.

        Raises:
            ConfigurationError: if the error was pickled, so that it does not know its client.
        """
        if self._reconcile is None:
            raise ConfigurationError(
                "this error does not know its client any more (it was pickled); call "
                "client.reconcile(error) with a client of the same provider and account."
            )
        return self._reconcile(
            self, known_invoice=known_invoice, late_arrival_s=late_arrival_s, wait=wait
        )

    def __reduce__(self) -> tuple[Any, ...]:
        # A client holds connections, which no other process can use.
        revive, (kind, text, state) = super().__reduce__()
        return (
            revive,
            (kind, text, {key: each for key, each in state.items() if key != "_reconcile"}),
        )


_EVIDENCE: Final = "billingual_unclear"
"""Where a cancellation or an interrupt carries the write that it stopped."""


def unclear_from(error: BaseException) -> OutcomeUnknown | None:
    """Return the write that an exception left unclear, or None if it left none.

    A write that is cancelled or interrupted ends with the exception of what stopped it, such as
    ``asyncio.CancelledError``, ``TimeoutError`` or ``KeyboardInterrupt``. That exception carries
    the :class:`OutcomeUnknown`, found here through causes, contexts and exception groups::

        try:
            async with asyncio.timeout(5):
                await client.create(draft)
        except TimeoutError as error:
            unclear = billingual.unclear_from(error)
            if unclear is not None:
                print(await unclear.reconcile())

    A cancel scope of anyio or trio swallows the exception; there, and where several writes stop at
    once, use the client's option ``on_unclear``.

    Raises:
        InvalidInputError: if *error* is no exception.
    """
    if not isinstance(error, BaseException):
        raise InvalidInputError("error", f"{shown(error)} is no exception", "give the one raised")
    waiting, seen = [error], set[int]()
    while waiting:
        each = waiting.pop(0)
        if id(each) in seen:
            continue
        seen.add(id(each))
        if isinstance(each, OutcomeUnknown):
            return each
        carried = getattr(each, _EVIDENCE, None)
        if isinstance(carried, OutcomeUnknown):
            return carried
        if isinstance(each, BaseExceptionGroup):
            waiting.extend(each.exceptions)
        waiting.extend(one for one in (each.__cause__, each.__context__) if one is not None)
    return None


def carried_by(error: BaseException) -> OutcomeUnknown | None:
    """Return the unclear write that this very exception is or carries."""
    if isinstance(error, OutcomeUnknown):
        return error
    carried = getattr(error, _EVIDENCE, None)
    return carried if isinstance(carried, OutcomeUnknown) else None


def carry(stop: BaseException, unclear: OutcomeUnknown) -> None:
    """Attach the unclear write to the cancellation or interrupt that stopped it, with a note."""
    setattr(stop, _EVIDENCE, unclear)
    stop.add_note(
        f"{unclear.provider} may or may not have carried out {unclear.operation}, which this "
        "stopped. Do not simply send it again: billingual.unclear_from(error) returns the "
        "OutcomeUnknown, and its reconcile() looks at the provider."
    )


class InternalError(BillingualError):
    """A rule of billingual itself was broken; please report it with its text."""
