"""How providers want a token: the header fields that are made of it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import ClassVar, Protocol

import attrs

from billingual.wire import WireRequest, plain_text

__all__ = ["AuthScheme", "Basic", "Bearer", "HeaderKey"]


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
