"""Credentials and secrets: what they are, where they may be sent, and how texts stay free of them.

A token is kept in a :class:`Secret`, which no text, pickle or copy shows. It is checked when it is
given: an HTTP library would otherwise print a bad one (with a trailing newline, say) whole in its
exception.
"""

from __future__ import annotations

import functools
import inspect
import re
from collections.abc import Awaitable, Callable, Generator, Hashable, Iterable, Sequence
from ipaddress import ip_address
from typing import ClassVar, Final, NoReturn, Protocol, TypeAlias, cast
from urllib.parse import unquote, urlsplit

import attrs

from billingual.errors import (
    ConfigurationError,
    DeadlineExceededError,
    TokenError,
    TokenUnavailableError,
)
from billingual.outcomes import Safety
from billingual.wire import Conversation, Headers, WireRequest, WireResponse, plain_text

__all__ = [
    "HEADER_NAME",
    "UNSIGNED",
    "AuthScheme",
    "Basic",
    "Bearer",
    "Credentials",
    "HeaderKey",
    "Secret",
    "Signature",
    "Token",
    "TokenFlow",
    "TokenSource",
    "Tokens",
    "as_secret",
    "as_token",
    "checked_base_url",
    "encodings_of",
    "is_loopback",
    "origin_of",
    "redact_secrets",
]

# Shorter tokens are those of tests and examples ("x", "test"); replacing them would ruin a body.
_SECRET_LENGTH: Final = 8
# A token is renewed so long before its end: clocks differ, and a request takes time to arrive.
_EARLY_S: Final = 60.0
# So many sets of fields are remembered by a signature: a client has a few.
_KNOWN: Final = 16
# Stricter than RFC 3986: URL parsers disagree about everything else, and the token must not go to
# a host that only one of them sees.
_HOST: Final = re.compile(r"[a-z0-9_-]+(?:\.[a-z0-9_-]+)*\.?")


HEADER_NAME: Final = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
"""The name of a header field. Source: https://www.rfc-editor.org/rfc/rfc9110#section-5.6.2"""


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
    """Wrap a text, or an empty one for what is none; return None or a secret unchanged."""
    return None if text is None else _hidden(text)


def _hidden(text: object) -> Secret:
    return text if isinstance(text, Secret) else Secret(_text(text))


def _lifetime(seconds: object) -> float | None:
    # A token server sent the value, and a traceback could show it: so nothing here may raise.
    try:
        lifetime = float(seconds) if isinstance(seconds, (str, int, float)) else 0.0
    except (ValueError, OverflowError):
        return None
    return lifetime if 0 < lifetime < float("inf") else None


@attrs.frozen
class Token:
    """A token and how long it holds, for a token function that knows.

    The function is not asked again until a minute before the end, or a tenth of the time before it
    where that is less, unless the provider refuses the token.

    Attributes:
        text: the token; hidden in every text.
        expires_in: seconds from the moment that it was asked for, as OAuth servers send them, in
            text too. Default None: it is not known, and the function is asked for each attempt.
    """

    text: Secret = attrs.field(converter=_hidden)
    expires_in: float | None = attrs.field(default=None, converter=_lifetime)


class TokenFlow(Protocol):
    """A source that gets its tokens by requests of its own, which the client sends for it.

    They go through the client's transport, so that its proxy, its TLS options and the mocks of its
    library hold for them, and they wait as the client does. A failed flow is asked again as the
    retry policy says, because nothing of the call was sent.
    """

    def request_token(self) -> Conversation[Token]:
        """Yield absolute requests, be sent each :class:`~billingual.wire.WireResponse`.

        Responses with status 429 or 5xx do not arrive here. A token without ``expires_in`` is kept
        until the provider refuses it.

        Returns:
            The token.

        Raises:
            TokenError: if there is none to be had.
        """
        ...


TokenFunction: TypeAlias = "Callable[[], str | Token | Awaitable[str | Token]]"
TokenSource: TypeAlias = "str | Secret | TokenFunction | TokenFlow"
"""A token, a function (plain or async) that returns the current one, or a flow of requests."""


def as_token(token: object) -> TokenSource | None:
    """Wrap a token without checking it; return None, a function or a flow unchanged.

    A constructor calls this first, so that a traceback which shows local variables does not show
    the token. :class:`Credentials` checks it later.
    """
    if token is None or callable(token) or isinstance(token, Secret) or _is_flow(token):
        return cast("TokenSource | None", token)
    return Secret(_text(token))


def _is_flow(source: object) -> bool:
    return callable(getattr(source, "request_token", None))


class AuthScheme(Protocol):
    """How a provider wants a credential: which header fields it makes of a token.

    One optional attribute, ``reads_request``: False says that :meth:`sign` does not look at the
    request, so that a fixed token is written once and not for each attempt. True without it.
    """

    def sign(self, request: WireRequest, token: str) -> Iterable[tuple[str, str]]:
        """Return header fields for one attempt.

        Args:
            request: what is sent: method, absolute URL, headers and body, without credentials.
            token: the client's token; empty if it has none.
        """
        ...


def _plain(text: str) -> str:
    return plain_text(text)


@attrs.frozen
class Bearer:
    """``Authorization: Bearer`` and the token."""

    reads_request: ClassVar[bool] = False

    def sign(self, request: WireRequest, token: str) -> Iterable[tuple[str, str]]:  # noqa: ARG002 - of the protocol
        """Return the field, or none without a token."""
        return [("Authorization", f"Bearer {token}")] if token else []


@attrs.frozen
class HeaderKey:
    """A header field of the provider's own and the token, such as ``X-Api-Key: ...``.

    Attributes:
        name: the field.
        prefix: what comes before the token, such as ``"Token "``.
    """

    reads_request: ClassVar[bool] = False

    name: str = attrs.field(converter=_plain)
    prefix: str = attrs.field(default="", converter=_plain)

    def sign(self, request: WireRequest, token: str) -> Iterable[tuple[str, str]]:  # noqa: ARG002 - of the protocol
        """Return the field, or none without a token."""
        return [(self.name, f"{self.prefix}{token}")] if token else []


@attrs.frozen
class Basic:
    """``Authorization: Basic`` with the token as the password.

    Attributes:
        username: the user's name; empty where the provider takes the token alone.
    """

    reads_request: ClassVar[bool] = False

    username: str = attrs.field(default="", converter=_plain)

    def sign(self, request: WireRequest, token: str) -> Iterable[tuple[str, str]]:  # noqa: ARG002 - of the protocol
        """Return the field, or none without a token."""
        if not token:
            return []
        from base64 import b64encode  # noqa: PLC0415 - few providers want this scheme

        pair = f"{self.username}:{token}".encode()
        return [("Authorization", f"Basic {b64encode(pair).decode()}")]


class Signature:
    """The header fields of one attempt that carry credentials, and the texts to keep secret.

    Attributes:
        headers: what the provider's scheme makes of the token.
        token: the token.
        own: the program's own fields that are secret.
        secrets: the texts of all these, without those that are too short to be looked for.
    """

    __slots__ = ("_signed", "headers", "own", "secrets", "token")

    def __init__(
        self,
        headers: Headers = Headers(),  # noqa: B008 - immutable
        token: str = "",
        own: Headers = Headers(),  # noqa: B008 - immutable
    ) -> None:
        self._signed: dict[tuple[int, int], tuple[Headers, Headers, object]] = {}
        self.headers: Headers = headers
        self.token: str = token
        self.own: Headers = own
        # Without the name of the scheme, which an error page may leave out where it quotes one.
        made = [value.partition(" ")[2] or value for _, value in headers]
        texts = dict.fromkeys([*made, *(value for _, value in own), token])
        self.secrets: tuple[str, ...] = tuple(text for text in texts if len(text) >= _SECRET_LENGTH)

    def sign(self, headers: Headers, fields: Sequence[tuple[str, str]]) -> Headers:
        """Return *headers* with the credentials, and with a client's *fields* and its secret ones.

        Where names clash, what the dialect and the scheme wrote stays: it is what the provider
        documents.

        The same object is returned for the same ones: most requests of a client have the same
        fields, and to merge them and to look at each again takes a tenth of a call.
        """
        key = (id(headers), id(fields))
        known = self._signed.get(key)
        if known is None:
            if len(self._signed) >= _KNOWN:
                self._signed.clear()
            ours = headers.merged(self.headers)
            added = [each for each in (*fields, *self.own) if each[0] not in ours]
            # It holds both, so that no others can get their ids.
            known = (headers.merged([*added, *self.headers]), headers, fields)
            self._signed[key] = known
        return known[0]

    def __repr__(self) -> str:
        return "Signature(***)"

    def __reduce__(self) -> NoReturn:
        raise TypeError("credentials are not pickled or copied")


UNSIGNED: Final = Signature()
"""That of a request without credentials."""


class Credentials:
    """Sign requests with a token, as the provider's scheme says; without a token, do not.

    Safe to share between tasks and threads.

    Args:
        token: the token, or what returns the current one.
        scheme: how the provider wants it.
        secrets: the program's own header fields that are secret.
        siblings: the credentials of a client that this one shares connections with; with the same
            function or flow they share its tokens too.

    Attributes:
        fixed: what every request is signed with; None where that depends on the request, or on
            what a function returns.
        renews: whether another token may come later: from a function, or from a flow.

    Raises:
        ConfigurationError: if the token is empty, or does not fit where the scheme puts it.
    """

    __slots__ = ("_scheme", "_secrets", "_token", "_tokens", "fixed", "renews")

    def __init__(
        self,
        token: TokenSource | None,
        scheme: AuthScheme = Bearer(),
        secrets: Sequence[tuple[str, Secret]] = (),
        siblings: Credentials | None = None,
    ) -> None:
        token = as_token(token)
        if not callable(getattr(scheme, "sign", None)):
            raise ConfigurationError(
                "auth= of a provider takes Bearer(), HeaderKey(...), Basic(...) or an object with "
                "a method sign(request, token).",
                field="auth",
            )
        self._scheme = scheme
        self._secrets = tuple(secrets)
        self._token = token if isinstance(token, Secret) else None
        self._tokens: Tokens | None = None
        self.fixed: Signature | None = None
        if self._token is not None:
            _refuse_empty(self._token)
        elif token is not None:
            # A flow may bring its own along, so that all clients that it is given to share it.
            shared = getattr(token, "tokens", None)
            if siblings is not None and siblings.tokens_are_of(token):
                shared = siblings._tokens  # noqa: SLF001 - of this class
            source = cast("TokenFunction | TokenFlow", token)
            self._tokens = shared if isinstance(shared, Tokens) else Tokens(source)
        self.renews: bool = self._tokens is not None
        if not self.renews and not getattr(scheme, "reads_request", True):
            self.fixed = self._signature(_NO_REQUEST, self._token)

    @property
    def identity(self) -> Hashable:
        """A key that is equal for equal credentials; it does not reveal the token.

        The key of a function is the function: its tokens follow one another, but belong to one
        credential.
        """
        if self._tokens is not None:
            return _Same(self._tokens.source)
        return None if self._token is None else hash(self._token)

    def fingerprint(self, account: str, name: str | None = None) -> str | None:
        """Return a text that is equal in all processes for equal credentials of an account.

        It is a keyed hash, and its key is the token, so that it reveals neither.

        Args:
            account: where the credential is used.
            name: is used instead of the credential.

        Returns:
            None if the token comes from a function and there is no name.
        """
        import hashlib  # noqa: PLC0415 - few programs share a quota
        import hmac  # noqa: PLC0415 - as above

        if name is None and self._tokens is not None:
            return None
        secret = Secret("") if self._token is None else self._token
        key = secret.reveal() if name is None else f"name {name}"
        return hmac.new(key.encode(), account.encode(), hashlib.sha256).hexdigest()[:32]

    @property
    def scheme(self) -> AuthScheme | None:
        """How the provider wants the token; None if there is none to send."""
        return None if self._tokens is None and self._token is None else self._scheme

    @property
    def secret_names(self) -> tuple[str, ...]:
        """The names of the program's own header fields that are secret."""
        return tuple(name for name, _ in self._secrets)

    def tokens_are_of(self, source: object) -> bool:
        """Tell whether the tokens come from that very function or flow."""
        return self._tokens is not None and self._tokens.source is source

    async def sign(
        self,
        request: WireRequest,
        asking: Asking,
        within_s: float,
        send: Send,
        refused: Signature = UNSIGNED,
    ) -> Signature:
        """Return what one attempt is signed with.

        Args:
            request: what is going to be sent.
            asking: the backend, which knows how to wait for a token that another call asks for.
            within_s: seconds to wait for that.
            send: sends a request for a token.
            refused: what the provider refused, so that another token is needed.

        Raises:
            DeadlineExceededError: if another call's token does not come in time.
            TokenError: if a server of tokens refuses one.
            TokenUnavailableError: if it gives none now.
        """
        if self.fixed is not None:
            return self.fixed
        if self._tokens is None:
            return self._signature(request, self._token)
        token = await self._tokens.current(asking, within_s, send, refused)
        return self._signature(request, token)

    def forget(self, refused: Signature) -> None:
        """Do not use a token again that the provider refused."""
        if self._tokens is not None:
            self._tokens.forget(refused)

    def _signature(self, request: WireRequest, token: Secret | None) -> Signature:
        scheme = self._scheme
        fits = token is None or not isinstance(scheme, (Bearer, HeaderKey)) or _is_plain(token)
        headers, failure = Headers(), None
        try:
            if fits:
                headers = Headers(scheme.sign(request, "" if token is None else token.reveal()))
        except Exception as error:  # noqa: BLE001 - a scheme of the user's may raise anything
            # Raised without its traceback, whose frames hold the token.
            failure = error.with_traceback(None)
        if failure is not None:
            raise failure
        if not (fits and _fit(headers)):
            # As above: the fields themselves are in no frame that the error keeps.
            del headers
            raise ConfigurationError(
                "the token holds a space, a line break or another character that cannot be in "
                "a header; strip what was read from a file or variable. It is not shown here.",
                field="token",
            )
        if not len(headers) and not self._secrets:
            return UNSIGNED
        own = Headers((name, each.reveal()) for name, each in self._secrets)
        return Signature(headers, "" if token is None else token.reveal(), own)

    @property
    def reads_request(self) -> bool:
        """Whether signing needs the request that is sent."""
        return self.fixed is None and bool(getattr(self._scheme, "reads_request", True))

    def __repr__(self) -> str:
        return "Credentials(***)"

    def __reduce__(self) -> NoReturn:
        raise TypeError("credentials are not pickled or copied")


class _Turn(Protocol):
    async def acquire(self, seconds: float) -> bool: ...

    def release(self) -> None: ...


class _Scope(Hashable, Protocol):
    def is_alive(self) -> bool: ...


class Asking(Protocol):
    """What signing needs of a backend; see :class:`billingual.abc.Backend`."""

    @property
    def blocks(self) -> bool:
        """Whether waiting blocks the thread."""
        ...

    def now(self) -> float:
        """Return seconds on a clock that never goes back."""
        ...

    def execution_scope(self) -> _Scope:
        """Return the process, and the event loop if one runs."""
        ...

    def slots(self, count: int) -> _Turn:
        """Make *count* slots to wait for."""
        ...


Send: TypeAlias = Callable[[WireRequest], Awaitable[WireResponse]]
"""Sends one request for a token."""


class _Ask:
    """The state of a token source, shared by the calls of one event loop or of one process.

    Attributes:
        turn: taken by the one call that asks; the others wait for it.
        count: how many times it was asked with a result that all waiting calls share.
        token: what it returned last.
        failure: why it returned none.
    """

    __slots__ = ("count", "failure", "token", "turn")

    def __init__(self, turn: _Turn) -> None:
        self.turn = turn
        self.count = 0
        self.token: Secret | None = None
        self.failure: TokenError | TokenUnavailableError | None = None


class Tokens:
    """The tokens of a function or a flow: one call at a time asks, and they are kept for a time.

    Safe to share between tasks, threads, event loops and clients.
    """

    __slots__ = ("_asks", "_kept", "source")

    def __init__(self, source: TokenFunction | TokenFlow) -> None:
        self.source: TokenFunction | TokenFlow = source
        self._asks: dict[tuple[_Scope, bool], _Ask] = {}
        self._kept: tuple[Secret, float] | None = None

    async def current(
        self, asking: Asking, within_s: float, send: Send, refused: Signature
    ) -> Secret:
        """Return the token to use now; see :meth:`Credentials.sign`."""
        kept = self._held(asking, refused)
        if kept is not None:
            return kept
        # Tracebacks may show this frame, so what the function returned is wrapped at once.
        returned: object = None
        if not asking.blocks and callable(self.source):
            # On an event loop only what is awaited takes time, in which others could ask too.
            began, returned = asking.now(), _asked(self.source)
            if isinstance(returned, Token):
                return self._keep(returned, began)
        ask = self._ask_of(asking)
        before = ask.count
        try:
            in_time = await ask.turn.acquire(within_s)
        except BaseException:
            _discard(returned)
            raise
        if not in_time:
            _discard(returned)
            raise DeadlineExceededError(
                "the token, which another call waits for too, did not come in time."
            )
        try:
            shared = self._shared(ask, before, refused) or self._held(asking, refused)
            if shared is not None:
                _discard(returned)
                return shared
            # A function that raises leaves nothing behind: the next call asks for itself.
            began = asking.now()
            if returned is None:
                source = self.source
                returned = _asked(source) if callable(source) else _run(source, send)
            made = returned if isinstance(returned, Token) else _token(await returned)  # type: ignore[misc]  # awaitable
            token = self._keep(made, began)
        except (TokenError, TokenUnavailableError) as failure:
            # The calls that wait would only be told the same, one after another.
            ask.token, ask.failure, ask.count = None, failure, ask.count + 1
            raise
        else:
            ask.token, ask.failure, ask.count = token, None, ask.count + 1
            return token
        finally:
            _discard(returned)
            ask.turn.release()

    def forget(self, refused: Signature) -> None:
        """Do not keep a token that was refused."""
        kept = self._kept
        if kept is not None and kept[0].reveal() == refused.token:
            self._kept = None

    def _held(self, asking: Asking, refused: Signature) -> Secret | None:
        kept = self._kept
        if kept is None or asking.now() >= kept[1] or kept[0].reveal() == refused.token:
            return None
        return kept[0]

    def _keep(self, token: Token, began: float) -> Secret:
        _refuse_empty(token.text)
        seconds = token.expires_in
        if seconds is not None:
            self._kept = (token.text, began + seconds - min(_EARLY_S, seconds / 10))
        elif not callable(self.source):
            self._kept = (token.text, float("inf"))
        return token.text

    @staticmethod
    def _shared(ask: _Ask, before: int, refused: Signature) -> Secret | None:
        """Return what another call was told while this one waited, or raise it."""
        if ask.count == before:
            return None
        if ask.failure is not None:
            raise ask.failure.again()
        return None if ask.token is None or ask.token.reveal() == refused.token else ask.token

    def _ask_of(self, asking: Asking) -> _Ask:
        # A client that blocks and one that is awaited may be in one scope, and wait differently.
        key = asking.execution_scope(), asking.blocks
        ask = self._asks.get(key)
        if ask is None:
            # Copied first, because another thread may add its own scope meanwhile.
            for dead in [each for each in list(self._asks) if not each[0].is_alive()]:
                self._asks.pop(dead, None)
            ask = self._asks.setdefault(key, _Ask(asking.slots(1)))
        return ask

    def __repr__(self) -> str:
        return "Tokens(***)"

    def __reduce__(self) -> NoReturn:
        raise TypeError("credentials are not pickled or copied")


async def _run(flow: TokenFlow, send: Send) -> Token:
    """Send what a flow asks for, and return its token."""
    conversation: object = flow.request_token()
    if not isinstance(conversation, Generator):
        raise _no_flow()
    try:
        request = next(conversation)
        while True:
            if not isinstance(request, WireRequest):
                raise _no_flow()
            request = conversation.send(await send(request))
    except StopIteration as done:
        token: Token = done.value
    finally:
        conversation.close()
    return token


def _no_flow() -> ConfigurationError:
    return ConfigurationError(
        "the token's request_token() is no generator of requests",
        "let it yield each WireRequest, and return the Token",
        field="token",
    )


_NO_REQUEST: Final = WireRequest(method="", url="", route="", safety=Safety.READ)


def _refuse_empty(token: Secret) -> None:
    # Tracebacks may show this frame with its local variables, so it never holds the text.
    if not token.reveal():
        raise ConfigurationError(
            "the token is empty or not text", "give the key you were issued", field="token"
        )


def _asked(function: TokenFunction) -> object:
    """Ask a token function once; return its token hidden, or what is to be awaited.

    Raises:
        ConfigurationError: if it raises StopIteration, as ``next()`` does at the end of an
            iterator. Out of a coroutine that would come as a RuntimeError.
    """
    try:
        return _wrapped(function())
    except StopIteration:
        raise ConfigurationError(
            "the token function raised StopIteration: what it takes tokens from has no more",
            "let it make or fetch one each time it is called",
            field="token",
        ) from None


def _wrapped(returned: object) -> object:
    """Hide a token; leave what is to be awaited as it is."""
    if inspect.isawaitable(returned) or isinstance(returned, Token):
        return returned
    return Token(returned)  # what is no text is refused as empty


def _token(awaited: object) -> Token:
    """Hide what an async function returned; what is no text is refused as empty."""
    if isinstance(awaited, Token):
        return awaited
    if inspect.iscoroutine(awaited):
        awaited.close()  # Python warns of one that was never awaited.
    return Token(awaited)


def _discard(returned: object) -> None:
    """Drop a coroutine that is not needed: Python warns of one that was never awaited."""
    close = getattr(returned, "close", None)
    if callable(close):
        close()


def _is_plain(token: Secret) -> bool:
    return all("!" <= character <= "~" for character in token.reveal())


def _fit(headers: Headers) -> bool:
    """Tell whether header fields can be sent as they are.

    A value may hold single spaces inside, as after ``Bearer``, and no token begins with one.
    """
    return all(
        HEADER_NAME.fullmatch(name)
        and all(" " <= character <= "~" for character in value)
        and value == value.strip(" ")
        and "  " not in value
        for name, value in headers
    )


class _Same:
    """A key for one object, by identity: the object's own ``==`` and hash play no part."""

    __slots__ = ("_it",)

    def __init__(self, it: object) -> None:
        self._it = it

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Same) and self._it is other._it

    def __hash__(self) -> int:
        return id(self._it)


def _text(token: object) -> str:
    return token if isinstance(token, str) else ""


def redact_secrets(response: WireResponse, signature: Signature) -> WireResponse:
    """Return the response with ``***`` in place of our own credentials, where it quotes them.

    Errors, logs and ledgers keep responses, and would keep the credentials with them.

    Args:
        response: the response as it came.
        signature: what :meth:`Credentials.sign` returned for the request.
    """
    # Error pages escape what they quote; a success that quotes a secret does it plainly. The search
    # for every encoding would cost as much as reading the response.
    thoroughly = not 200 <= response.status <= 299
    for secret in signature.secrets:
        quoted = secret.encode() in response.body or _is_quoted(secret, response.headers)
        if quoted or thoroughly:
            response = _struck(response, encodings_of(secret))
    return response


def _struck(response: WireResponse, pattern: re.Pattern[bytes]) -> WireResponse:
    return WireResponse(
        status=response.status,
        headers=Headers(
            (_redacted(name, pattern), _redacted(value, pattern))
            for name, value in response.headers
        ),
        body=pattern.sub(b"***", response.body),
        request_complete=response.request_complete,
    )


def _is_quoted(token: str, headers: Headers) -> bool:
    for name, value in headers:  # noqa: SIM110 - every call runs this; any() costs twice
        if token in value or token in name:
            return True
    return False


def _redacted(text: str, encodings: re.Pattern[bytes]) -> str:
    return encodings.sub(b"***", text.encode("utf-8", "replace")).decode("utf-8", "replace")


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


def checked_base_url(
    url: str, *, allow_insecure: bool = False, name: str = "base URL", field: str = "base_url"
) -> str:
    """Return *url* without a trailing slash, if a token may be sent there.

    Args:
        url: the address.
        allow_insecure: take ``http`` beyond loopback.
        name: what an error calls it.
        field: the option that it was given as.

    Raises:
        ConfigurationError: if it is not a plain ``https`` URL. ``http`` is allowed for loopback
            addresses, or with *allow_insecure*. User names, queries and fragments are refused,
            because they would end in logs or change every request.
    """
    if not isinstance(url, str):
        raise ConfigurationError(f"the {name} is not text.", field=field)
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname, parts.port
    except (ValueError, AttributeError):
        raise ConfigurationError(f"the {name} cannot be read as a URL.", field=field) from None
    if parts.scheme not in {"http", "https"} or not host:
        raise ConfigurationError(
            f"the {name} must start with https:// and name a host.", field=field
        )
    if parts.username is not None or not {"?", "#"}.isdisjoint(url):
        raise ConfigurationError(
            f"the {name} holds a user name, a query or a fragment",
            "give scheme, host, port and path only, and the token as token=",
            field=field,
            hint="give_token_apart",
        )
    if any(character <= " " or character > "~" for character in url):
        raise ConfigurationError(
            f"the {name} holds a space or a character outside ASCII.", field=field
        )
    if "\\" in url or not (_HOST.fullmatch(host) or parts.netloc.startswith("[")):
        raise ConfigurationError(
            f"the {name} names no host that all programs read alike.", field=field
        )
    if not {".", ".."}.isdisjoint(unquote(parts.path).split("/")):
        raise ConfigurationError(f"the path of the {name} holds . or .. as a segment.", field=field)
    if parts.scheme == "http" and allow_insecure is not True and not is_loopback(host):
        raise ConfigurationError(
            f"http://{host} would carry the token unencrypted",
            "use https://, or say allow_insecure=True if you know the network",
            field=field,
            hint="use_https",
        )
    return url.rstrip("/")


def origin_of(url: str) -> str:
    """Return scheme, host and port of a checked base URL."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}".lower()


def is_loopback(host: str) -> bool:
    """Return True if the host is this machine, by its name or number."""
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False
