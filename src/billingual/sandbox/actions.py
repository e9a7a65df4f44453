"""One request and one response, free of ASGI: what a provider's action sees and gives.

An *action* takes the state and a `Call` and returns a `Reply` or raises a `RefusalError`. It
runs inside one transaction: a refusal undoes whatever the action had changed.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, Mapping

import attrs
from starlette.requests import Request
from starlette.responses import Response

from billingual.sandbox.fields import InvalidError
from billingual.sandbox.json_text import UnreadableJsonError, json_text, parse_json
from billingual.sandbox.state import SandboxState

__all__ = [
    "PREFIX",
    "RULE_HEADER",
    "Action",
    "Call",
    "RefusalError",
    "Refuse",
    "Reply",
    "address_of",
    "bearer_token",
    "endpoint",
    "response_of",
]

RULE_HEADER = "Sandbox-Rule"
"""Header that names the sandbox rule behind an error."""

PREFIX = "sandbox.prefix"
"""Member of a scope: the path of another app below which this one is mounted."""

_MAX_DETAILS = 20


class RefusalError(Exception):
    """The sandbox says no.

    Attributes:
        status: The HTTP status meant.
        rule: Short name of the rule that fired.
        message: What is wrong, for people.
        details: Pairs of a JSON path or parameter and a reason.
    """

    def __init__(
        self, status: int, rule: str, message: str, details: tuple[tuple[str, str], ...] = ()
    ) -> None:
        super().__init__(message)
        self.status = status
        self.rule = rule
        self.message = message
        self.details = details


@attrs.frozen(kw_only=True)
class Call:
    """One request; *headers* have lower-case names, *query* keeps order and repetition."""

    method: str
    path: str
    origin: str
    headers: Mapping[str, str] = attrs.field(repr=False)
    parameters: Mapping[str, str]
    query: tuple[tuple[str, str], ...]
    body: bytes = attrs.field(repr=False)

    def json(self, accepted: Collection[str] = ("application/json",)) -> object:
        """Read the body as JSON.

        Raises:
            RefusalError: 415 if the content type is none of *accepted*; 400 if the body is not
                readable JSON.
        """
        media_type = self.headers.get("content-type", "").partition(";")[0].strip().lower()
        if media_type not in accepted:
            sent = media_type or "none"
            raise RefusalError(
                415, "content-type", f"Content-Type must be application/json, not {sent[:80]}"
            )
        try:
            return parse_json(self.body)
        except UnreadableJsonError as error:
            raise RefusalError(400, "unreadable-json", f"Unreadable request: {error}") from None

    def only(self, *names: str) -> dict[str, str]:
        """Give the query parameters: each one of *names*, once, not blank.

        Raises:
            RefusalError: 400 if one is unknown, repeated or blank.
        """
        found: dict[str, str] = {}
        for name, value in self.query:
            if name not in names:
                known = ", ".join(names) or "none"
                raise RefusalError(
                    400,
                    "unknown-parameter",
                    f"Unknown query parameter {name[:80]!r}; known: {known}",
                    ((name[:80], "is not a known parameter"),),
                )
            if name in found:
                raise RefusalError(
                    400, "repeated-parameter", f"{name} appears twice", ((name, "appears twice"),)
                )
            if not value:
                raise RefusalError(
                    400, "blank-parameter", f"{name} is blank; leave it out", ((name, "is blank"),)
                )
            found[name] = value
        return found


@attrs.frozen(kw_only=True)
class Reply:
    """One response; *body* is a JSON value."""

    body: object
    status: int = 200
    rule: str | None = None
    media_type: str = "application/json"
    headers: tuple[tuple[str, str], ...] = ()


Action = Callable[[SandboxState, Call], Reply]
Refuse = Callable[[SandboxState, RefusalError], Reply]


def endpoint(
    state: SandboxState, action: Action, refuse: Refuse
) -> Callable[[Request], Awaitable[Response]]:
    """Make a Starlette endpoint of an action; it never suspends by itself."""

    async def run(request: Request) -> Response:
        body = await request.body()
        call = Call(
            method=request.method,
            path=request.url.path,
            origin=address_of(request),
            headers={name.lower(): value for name, value in request.headers.items()},
            parameters=request.path_params,
            query=tuple(request.query_params.multi_items()),
            body=body,
        )
        with state.lock:
            try:
                with state.store.transaction():
                    response = action(state, call)
            except RefusalError as refusal:
                response = refuse(state, refusal)
            except InvalidError as invalid:
                response = refuse(state, _refusal_of(invalid))
        return response_of(response)

    return run


def address_of(request: Request) -> str:
    """Give the URL of the sandbox as the client of a request knows it."""
    return f"{request.url.scheme}://{request.url.netloc}{request.scope.get(PREFIX, '')}"


def response_of(reply: Reply) -> Response:
    """Turn a response into a Starlette response."""
    headers = dict(reply.headers)
    if reply.rule is not None:
        headers[RULE_HEADER] = reply.rule
    return Response(
        json_text(reply.body), reply.status, headers=headers, media_type=reply.media_type
    )


def bearer_token(call: Call) -> str | None:
    """Give the bearer token of a call; None without an `Authorization` header.

    Raises:
        RefusalError: 401 if the header is not of the form `Bearer <token>`.
    """
    header = call.headers.get("authorization")
    if header is None:
        return None
    scheme, _, token = header.partition(" ")
    if scheme != "Bearer" or not token.strip():
        raise RefusalError(
            401, "authorization-format", "Authorization must have the form 'Bearer <token>'"
        )
    return token.strip()


def _refusal_of(invalid: InvalidError) -> RefusalError:
    path, reason = invalid.problems[0]
    more = len(invalid.problems) - 1
    also = f" (and {more} more)" if more else ""
    return RefusalError(
        400, "invalid-field", f"{path} {reason}{also}", invalid.problems[:_MAX_DETAILS]
    )
