"""What all dialects share about HTTP: making requests, judging statuses, telling what went wrong.

A response is judged in three layers. The status decides the class of the error before any body is
read, so that a broken body never hides it; then comes the envelope; then the payload. The last
two belong to each dialect.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from typing import TYPE_CHECKING, Final
from urllib.parse import urlencode

import attrs

from billingual import dialects
from billingual.dialects._kit.unreadable import UnreadableError
from billingual.errors import (
    AuthenticationError,
    ConflictError,
    InvalidInputError,
    InvalidRequestError,
    NotFoundError,
    PermissionDeniedError,
    ProtocolError,
    ProviderError,
    RateLimitedError,
    RedirectedError,
    RejectedError,
    ServerError,
)
from billingual.outcomes import Safety
from billingual.wire import Exchange, Headers, WireRequest, WireResponse

if TYPE_CHECKING:
    from billingual.model import Filter, Problem

_BY_STATUS: Final[Mapping[int, type[ProviderError]]] = {
    401: AuthenticationError,
    403: PermissionDeniedError,
    404: NotFoundError,
    409: ConflictError,
    410: NotFoundError,
    412: ConflictError,
    429: RateLimitedError,
}
_BY_HUNDRED: Final[Mapping[int, type[ProviderError]]] = {
    3: RedirectedError,
    4: InvalidRequestError,
    5: ServerError,
}
_ADVICE: Final[Mapping[type[ProviderError], str]] = {
    AuthenticationError: "check the token: it may be missing, wrong, expired or revoked",
    ConflictError: "read the invoice again and decide by its present state",
    InvalidRequestError: "correct the request before sending it again",
    NotFoundError: "check the id, and that this token may see the invoice",
    PermissionDeniedError: "use a token that may do this, or ask for the permission",
    ProtocolError: "the error's .body keeps the answer as it came",
    RateLimitedError: "slow down and try again later",
    RedirectedError: "redirects are never followed; correct the base URL",
    RejectedError: "correct what it complains about before sending it again",
    ServerError: "try again later; after a write, look first whether it happened",
}
# Statuses for which the advice of their class would be wrong.
_ADVICE_ON: Final[Mapping[int, str]] = {
    304: "no request of ours asks for that, so look what stands between you and the provider",
    408: "try again later; after a write, look first whether it happened",
    425: "try again later",
}
# The client reads the header, because a date takes a clock; here it is only shown.
_SHOWABLE: Final = re.compile(r"[ -~]{1,40}", re.ASCII)


def read_request(
    provider: str,
    path: str,
    route: str,
    query: str = "",
    *,
    read: Callable[[ResponseReader], object],
    headers: Iterable[tuple[str, str]] = (),
) -> WireRequest:
    """Make a GET.

    Args:
        provider: the name used in errors.
        path: percent-encoded.
        route: the path with placeholders.
        query: with its question mark.
        read: how the response is read, once its status is known to be a success.
        headers: beside ``Accept``.
    """
    return WireRequest(
        method="GET",
        url=path + query,
        route=route,
        safety=Safety.READ,
        headers=Headers([("Accept", "application/json"), *headers]),
        read=partial(_judged, provider, "GET", route, (), read),
    )


def write_request(
    provider: str,
    method: str,
    path: str,
    route: str,
    safety: Safety,
    *,
    read: Callable[[ResponseReader], object],
    body: object = None,
    form: Iterable[tuple[str, str]] | None = None,
    headers: Iterable[tuple[str, str]] = (),
    key_header: str | None = None,
) -> WireRequest:
    """Make a request that changes something.

    Args:
        provider: the name used in errors.
        method: the HTTP method.
        path: percent-encoded.
        route: the path with placeholders.
        safety: what a second delivery would do.
        read: how the response is read, once its status is known to be a success.
        body: what is sent as JSON; None sends nothing.
        form: pairs that are sent as a form instead.
        headers: beside ``Accept`` and ``Content-Type``.
        key_header: the header for an idempotency key, which the client fills.

    Raises:
        InvalidInputError: if the body holds what JSON cannot carry exactly.
    """
    written, kind = None, "application/json"
    if form is not None:
        pairs = list(form)
        written, kind = urlencode(pairs).encode("ascii"), "application/x-www-form-urlencoded"
        body = dict(pairs)
    elif body is not None:
        written = dialects.encode_json(body)
    typed = [] if written is None else [("Content-Type", kind)]
    keys = _keys(body)
    return WireRequest(
        method=method,
        url=path,
        route=route,
        safety=safety,
        headers=Headers([("Accept", "application/json"), *typed, *headers]),
        body=written,
        keys=keys,
        key_header=key_header,
        read=partial(_judged, provider, method, route, keys, read),
    )


def _judged(  # noqa: PLR0917 - all but the last are bound when the request is made
    provider: str,
    method: str,
    route: str,
    keys: tuple[str, ...],
    read: Callable[[ResponseReader], object],
    response: WireResponse,
) -> object:
    """Judge the status, then read the body; what it cannot read becomes a ProtocolError."""
    reader = ResponseReader(provider, method, route, keys, response)
    reader.refuse_status()
    try:
        return read(reader)
    except UnreadableError as problem:
        raise reader.unreadable(problem.path, problem.problem) from problem


def extra_pairs(filter: Filter, taken: Iterable[str]) -> list[tuple[str, str]]:
    """Pass on the caller's own parameters, unless they have a place of their own.

    Raises:
        InvalidInputError: if one of them does.
    """
    names = frozenset(taken)
    for name in filter.extra_params:
        if name in names:
            raise InvalidInputError(
                "extra_params", f"{name!r} has a place of its own", "use the filter or option"
            )
    return list(filter.extra_params.items())


def error_class(status: int) -> type[ProviderError] | None:
    """Tell which error an HTTP status means; None for success."""
    if 200 <= status <= 299:
        return None
    return _BY_STATUS.get(status) or _BY_HUNDRED.get(status // 100, ProtocolError)


@attrs.frozen
class ResponseReader:
    """One response to one request: reads it, and makes the errors it can turn out to be.

    Attributes:
        provider: the name used in errors.
        method: of the request.
        route: of the request.
        keys: the names of the fields of the request's body.
        response: the response.
        problems: what was found around the records, such as in the envelope.
    """

    provider: str
    method: str
    route: str
    keys: tuple[str, ...]
    response: WireResponse
    problems: list[Problem] = attrs.field(factory=list, init=False)

    def refuse_status(self) -> None:
        """Pass a 2xx.

        Raises:
            ProviderError: if the status is another; its class fits the status.
        """
        kind = error_class(self.response.status)
        if kind is not None:
            raise self.refusal(kind)

    def decode(self) -> dict[str, object]:
        """Read the body, which must be a JSON object.

        Raises:
            UnreadableError: if it is none; the client makes a ProtocolError of it.
        """
        value = dialects.decode_json(self.response.body, half_surrogates=True)
        if not isinstance(value, dict):
            raise UnreadableError("$", "there is no JSON object")
        return value

    def refuse_other(self, found: str, asked: str | None, path: str) -> None:
        """Refuse a response about another invoice than the one asked for, or about none.

        Args:
            found: the id in the response.
            asked: the id that was asked for; None where any will do.
            path: where *found* stands.

        Raises:
            ProtocolError: if the two differ, or *found* is empty.
        """
        if not found:
            raise self.unreadable(path, "the id is empty")
        if asked is not None and found != asked:
            raise self.unreadable(path, "it is another invoice than the one asked for")

    def refusal(self, kind: type[ProviderError], code: int | None = None) -> ProviderError:
        """Make the error for a response that says no.

        Args:
            kind: the class of the error.
            code: the status inside the envelope, where that is what says no.
        """
        from billingual.dialects._kit.complaint import complaint_of  # noqa: PLC0415 - of a refusal

        complaint = complaint_of(self.response)
        inside = "" if code is None else f" (and {code} inside)"
        said = f": {complaint}" if complaint else " and did not say why"
        late = _wait_asked(self.response.headers)
        summary = f"{self._told()}{inside}{said}{late}"
        status = self.response.status if code is None else code
        return kind(
            f"{summary}; {_ADVICE_ON.get(status, _ADVICE[kind])}.",
            provider=self.provider,
            exchange=self._exchange(),
            complaint=complaint,
            summary=summary,
        )

    def unreadable(self, path: str, problem: str) -> ProtocolError:
        """Make the error for a response that is not what the provider documents."""
        summary = f"{self._told()}, but not as it documents: at {path}, {problem}"
        error = ProtocolError(
            f"{summary}; {_ADVICE[ProtocolError]}.",
            provider=self.provider,
            exchange=self._exchange(),
            summary=summary,
        )
        error.path = path
        return error

    def _exchange(self) -> Exchange:
        return Exchange(
            method=self.method,
            route=self.route,
            keys=self.keys,
            status=self.response.status,
            headers=self.response.headers.without_credentials(),
            body=self.response.body,
            request_complete=self.response.request_complete,
        )

    def _told(self) -> str:
        asked = f"{self.method} {self.route}"
        return f"{self.provider} answered {asked} with {self.response.status}"


def _keys(body: object) -> tuple[str, ...]:
    if isinstance(body, Mapping):
        return tuple(body)
    if isinstance(body, list):
        return tuple(sorted({key for each in body if isinstance(each, Mapping) for key in each}))
    return ()


def _wait_asked(headers: Headers) -> str:
    asked = headers.get("retry-after") or ""
    return f" (Retry-After: {asked})" if _SHOWABLE.fullmatch(asked) else ""
