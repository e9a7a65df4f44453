"""Tokens, and where they come from: a function that returns one, or a flow of requests."""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable, Generator, Hashable
from typing import Final, NoReturn, Protocol, TypeAlias, cast

import attrs

from billingual.auth.secret import Secret, secret_of
from billingual.auth.signature import Signature
from billingual.errors import (
    ConfigurationError,
    DeadlineExceededError,
    TokenError,
    TokenUnavailableError,
)
from billingual.wire import Conversation, WireRequest, WireResponse

__all__ = [
    "Asking",
    "Send",
    "Token",
    "TokenFlow",
    "TokenFunction",
    "TokenSource",
    "Tokens",
    "as_token",
    "refuse_empty",
]

# A token is renewed so long before its end: clocks differ, and a request takes time to arrive.
_EARLY_S: Final = 60.0


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

    text: Secret = attrs.field(converter=secret_of)
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
    return secret_of(token)


def _is_flow(source: object) -> bool:
    return callable(getattr(source, "request_token", None))


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
        refuse_empty(token.text)
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


def refuse_empty(token: Secret) -> None:
    """Refuse an empty token.

    Raises:
        ConfigurationError: if it is empty.
    """
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
