"""The credentials of one client: sign its requests with a token, as the provider's scheme says."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from typing import Final, NoReturn, cast

from billingual.auth.schemes import AuthScheme, Bearer, HeaderKey
from billingual.auth.secret import Secret
from billingual.auth.signature import UNSIGNED, Signature
from billingual.auth.tokens import (
    Asking,
    Send,
    TokenFlow,
    TokenFunction,
    Tokens,
    TokenSource,
    as_token,
    refuse_empty,
)
from billingual.errors import ConfigurationError
from billingual.outcomes import Safety
from billingual.wire import HEADER_NAME, Headers, WireRequest

__all__ = ["Credentials"]

_NO_REQUEST: Final = WireRequest(method="", url="", route="", safety=Safety.READ)


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
        scheme: AuthScheme = Bearer(),  # noqa: B008 - immutable
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
            refuse_empty(self._token)
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
