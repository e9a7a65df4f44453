"""What one attempt is signed with, and how its response stays free of that."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final, NoReturn

from billingual.auth.secret import encodings_of
from billingual.wire import Headers, WireResponse

__all__ = ["UNSIGNED", "Signature", "redact_secrets"]

# Shorter tokens are those of tests and examples ("x", "test"); replacing them would ruin a body.
_SECRET_LENGTH: Final = 8
# So many sets of fields are remembered by a signature: a client has a few.
_KNOWN: Final = 16


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
