"""Tokens by OAuth 2.0: the grant for programs that act in their own name.

Only requests are written and responses read here: the client sends them through its own transport
(see :class:`~billingual.auth.TokenFlow`). So proxies, authorities, mocks, threads and trio work
alike. The clients of authlib bring an HTTP library of their own choice along, on the event loop or
beside it, and what is left without them is one form and one JSON object.

Source: https://www.rfc-editor.org/rfc/rfc6749#section-4.4
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Final, Literal, NoReturn
from urllib.parse import quote_plus, urlencode, urlsplit

from billingual.auth.base_url import checked_base_url
from billingual.auth.secret import Secret, encodings_of, secret_of
from billingual.auth.tokens import Token, Tokens
from billingual.errors import ConfigurationError, TokenError
from billingual.outcomes import Safety
from billingual.wire import Conversation, Headers, WireRequest, WireResponse, plain_text

__all__ = ["ClientCredentials"]

_OURS: Final = frozenset({"client_id", "client_secret", "grant_type", "scope"})
_LONGEST: Final = 200
_ADVICE: Final = {
    "invalid_client": (
        "check client_id and client_secret, and whether the server wants them in the body: "
        "auth='body'"
    ),
    "invalid_scope": "check scope",
    "unauthorized_client": "have the client allowed to use the grant client_credentials",
}


class ClientCredentials:
    """A source of tokens by the client credentials grant of OAuth 2.0: ``token=`` of a client.

    A token is asked for when the first call needs one, by one call at a time however many wait,
    and again a minute before it expires (a tenth of its time, where that is less) or when the
    provider refuses it. The request goes through the transport of the client that needs it. Give
    the same object to several clients, and they share its tokens.

    Safe to share between tasks, threads and clients. The secret is in no text and no pickle.

    Example:
        ::

            token = ClientCredentials(
                "https://auth.acme.example/oauth/token", "billing", os.environ["CLIENT_SECRET"]
            )
            client = Client("exante", token=token)

    Args:
        token_url: where tokens are to be had; ``https``, or ``http`` on this machine.
        client_id: the program's name there.
        client_secret: its secret.
        scope: what the token is for: texts, or one text with spaces. Default: the server's default.
        params: other parameters of the request, such as ``{"audience": "..."}``.
        auth: how the server takes id and secret: ``"basic"`` as the header field ``Authorization``,
            which every server must support, or ``"body"`` among the parameters. Default
            ``"basic"``.

    Raises:
        ConfigurationError: if an argument cannot be right. A call raises
            :class:`~billingual.TokenError` if the server refuses a token, and
            :class:`~billingual.TokenUnavailableError`, after retries, if it gives none now.
    """

    def __init__(
        self,
        token_url: str,
        client_id: str,
        client_secret: str | Secret,
        *,
        scope: str | Iterable[str] | None = None,
        params: Mapping[str, str] | None = None,
        auth: Literal["basic", "body"] = "basic",
    ) -> None:
        # First of all, so that no traceback shows it.
        secret = client_secret = secret_of(client_secret)
        if not _is_text(secret.reveal()):
            raise _unusable("client_secret", *_NO_TEXT)
        if not _is_text(client_id):
            raise _unusable("client_id", *_NO_TEXT)
        if auth not in ("basic", "body"):
            raise _unusable("auth", "is neither 'basic' nor 'body'", "leave it out for 'basic'")
        self.token_url: Final = _checked_url(token_url)
        self.client_id: Final = plain_text(client_id)
        self.scope: Final = _scope_of(scope)
        self.tokens: Final = Tokens(self)
        self._secret = secret
        self._params = _params_of(params)
        self._auth = auth

    def request_token(self) -> Conversation[Token]:
        """Ask for a token; see :class:`~billingual.auth.TokenFlow`."""
        response = yield self._request()
        token = _token_in(response) if 200 <= response.status <= 299 else None
        if isinstance(token, Token):
            return token
        raise self._refusal(response, token or "")

    def _request(self) -> WireRequest:
        return WireRequest(
            method="POST",
            url=self.token_url,
            route=urlsplit(self.token_url).path or "/",
            safety=Safety.READ,
            headers=Headers(self._headers()),
            body=urlencode(list(self._form())).encode(),
        )

    def _headers(self) -> Iterator[tuple[str, str]]:
        yield ("Accept", "application/json")
        yield ("Content-Type", "application/x-www-form-urlencoded")
        if self._auth == "basic":
            from base64 import b64encode  # noqa: PLC0415 - of the first use

            # Both are encoded as in a form first: https://www.rfc-editor.org/rfc/rfc6749#section-2.3.1
            pair = ":".join(map(quote_plus, (self.client_id, self._secret.reveal())))
            yield ("Authorization", f"Basic {b64encode(pair.encode()).decode()}")

    def _form(self) -> Iterator[tuple[str, str]]:
        yield ("grant_type", "client_credentials")
        if self.scope:
            yield ("scope", self.scope)
        if self._auth == "body":
            yield ("client_id", self.client_id)
            yield ("client_secret", self._secret.reveal())
        yield from self._params

    def _refusal(self, response: WireResponse, problem: str) -> TokenError:
        body = _object_in(response)
        code, description = (self._shown(body.get(each)) for each in _WORDS)
        if problem:
            said = problem
        elif code:
            said = f"it says {code}{f': {description}' if description else ''}"
        else:
            said = f"it responded with {response.status}"
        advice = _ADVICE.get(code, "check the token URL and what it takes")
        host = urlsplit(self.token_url).netloc
        return TokenError(
            f"no token came from {host}: {said.rstrip('.')}",
            advice,
            code=code,
            description=description,
            status=response.status,
        )

    def _shown(self, said: object) -> str:
        """Return the server's words as a log may hold them: in one line, and without the secret."""
        if not isinstance(said, str):
            return ""
        hidden = encodings_of(self._secret.reveal()).sub(b"***", said.encode("utf-8", "replace"))
        text = hidden.decode()[:_LONGEST]
        return "".join(each if each.isprintable() else " " for each in text).strip()

    def __repr__(self) -> str:
        # Tools that show the frames of a failing constructor ask one that is not made yet.
        address = getattr(self, "token_url", "").partition("?")[0]
        return f"ClientCredentials({address!r}, {getattr(self, 'client_id', '')!r}, '***')"

    def __reduce__(self) -> NoReturn:
        raise TypeError("credentials are not pickled or copied")


_WORDS: Final = ("error", "error_description")


def _object_in(response: WireResponse) -> Mapping[str, object]:
    import json  # noqa: PLC0415 - of the first use

    try:
        body = json.loads(response.body)
    except (ValueError, RecursionError):
        return {}
    return body if isinstance(body, dict) else {}


def _token_in(response: WireResponse) -> Token | str:
    """Return the token of a response, or what is wrong with it.

    Nothing is raised here, because a traceback could show the token.
    """
    body = _object_in(response)
    text, kind = body.get("access_token"), body.get("token_type") or "bearer"
    if not isinstance(text, str) or not text:
        return "" if "error" in body else "its response holds no access_token"
    if not isinstance(kind, str) or kind.lower() != "bearer":
        return "its tokens are of a type that is not bearer"
    return Token(text, body.get("expires_in"))


def _checked_url(url: object) -> str:
    text = plain_text(url) if isinstance(url, str) else ""
    address, mark, query = text.partition("?")
    checked_base_url(address, name="token URL", field="token_url")
    if any(character <= " " or character > "~" or character == "#" for character in query):
        raise _unusable("token_url", "has a query that cannot be sent", "percent-encode it")
    return f"{address}{mark}{query}"


def _scope_of(scope: object) -> str:
    if scope is None:
        return ""
    given: object = [scope] if isinstance(scope, str) else scope
    texts = list(given) if isinstance(given, Iterable) else []
    if not texts or not all(_is_text(each) and each.strip() for each in texts):
        raise _unusable("scope", "is empty or not plain text", "give texts, or one with spaces")
    return " ".join(texts)


def _params_of(params: object) -> tuple[tuple[str, str], ...]:
    given = {} if params is None else params
    if not isinstance(given, Mapping) or not all(
        each == "" or _is_text(each) for pair in given.items() for each in pair
    ):
        raise _unusable("params", "is no mapping of plain texts", "give {'audience': '...'}, say")
    clash = sorted(_OURS & given.keys())
    if clash:
        raise _unusable("params", f"holds {clash[0]}", f"give it as {clash[0]}=")
    return tuple((plain_text(name), plain_text(text)) for name, text in given.items())


_NO_TEXT: Final = (
    "is empty, or holds a line break or something else that is no plain text",
    "give the one you were issued, stripped of what a file adds",
)


def _is_text(value: object) -> bool:
    # What os.environ makes of bytes that are no UTF-8 cannot be sent, and a file ends in a line
    # break that no server would take for a part of a secret.
    return isinstance(value, str) and bool(value) and value.isprintable()


def _unusable(field: str, problem: str, fix: str) -> ConfigurationError:
    return ConfigurationError(f"{field} {problem}", fix, field=field)
