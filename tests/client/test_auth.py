"""How a credential is sent: the provider's scheme, fields of one's own, and their secrecy."""

from __future__ import annotations

import hashlib
import hmac
import traceback
from collections.abc import Iterable
from typing import Any

import attrs
import pytest

from _support.small_provider import SMALL, client_of, say
from billingual import Client, Draft, Secret, errors
from billingual.auth import AuthScheme, Basic, Bearer, HeaderKey, Signature, redact_secrets
from billingual.events import AttemptEnded
from billingual.providers import kukkingu
from billingual.transports.memory import MemoryTransport
from billingual.wire import Headers, WireRequest, WireResponse

CANARY = "canary-ab12cd34"
DRAFT = Draft(number="1")


@attrs.frozen
class Signed:
    """A scheme that signs method, address and body with a secret of its own."""

    secret: str = attrs.field(default="s3cr3t-of-the-signer", repr=False)

    def sign(self, request: WireRequest, token: str) -> Iterable[tuple[str, str]]:
        """Return the key's name and the signature."""
        text = b"\n".join([request.method.encode(), request.url.encode(), request.body or b""])
        digest = hmac.new(self.secret.encode(), text, hashlib.sha256).hexdigest()
        return [("X-Key-Id", token), ("X-Signature", digest)]


def schemed(scheme: AuthScheme) -> Any:
    """Return the small provider with another scheme."""
    return attrs.evolve(SMALL, auth=scheme)


@pytest.mark.parametrize(
    ("scheme", "name", "value"),
    [
        (Bearer(), "authorization", "Bearer tok-1"),
        (HeaderKey("X-Api-Key"), "x-api-key", "tok-1"),
        (HeaderKey("Authorization", prefix="Token "), "authorization", "Token tok-1"),
        # Source: https://www.rfc-editor.org/rfc/rfc7617#section-2
        (Basic(), "authorization", "Basic OnRvay0x"),
        (Basic("anna"), "authorization", "Basic YW5uYTp0b2stMQ=="),
    ],
)
@pytest.mark.parametrize("by_function", [False, True])
def test_a_scheme_writes_the_token_where_the_provider_wants_it(
    step: Any, backend: Any, scheme: AuthScheme, name: str, value: str, *, by_function: bool
) -> None:
    """Also the token of a function."""
    token: Any = (lambda: "tok-1") if by_function else "tok-1"
    client, transport = client_of(backend, [say()], provider=schemed(scheme), token=token)

    step(client.get("i1"))

    assert transport.requests[0].headers.get_all(name) == (value,)


def test_a_scheme_of_ones_own_signs_what_is_sent(step: Any, backend: Any) -> None:
    """It sees the absolute address and the body, for each attempt, and no credential."""
    client, transport = client_of(
        backend, [say(429, retry_after="0"), say()], provider=schemed(Signed()), token="id-1"
    )

    step(client.create(DRAFT))

    for request in transport.requests:
        assert request.url.startswith("https://small.example/base/")
        bare = attrs.evolve(request, headers=Headers())
        expected = dict(Signed().sign(bare, "id-1"))
        assert request.headers.get("x-signature") == expected["X-Signature"]
        assert request.headers.get("x-key-id") == "id-1"
    assert len(transport.requests) == 2


def test_a_scheme_that_raises_sends_nothing_and_shows_no_token(step: Any, backend: Any) -> None:
    """Its error goes up as it is, without the frames that hold the token."""

    class Broken:
        def sign(self, request: WireRequest, token: str) -> Iterable[tuple[str, str]]:
            raise RuntimeError(f"no key for {len(token)} characters")

    client, transport = client_of(backend, [say()], provider=schemed(Broken()), token=CANARY)
    with pytest.raises(RuntimeError, match="no key for 15") as caught:
        step(client.create(DRAFT))

    frames = traceback.TracebackException.from_exception(caught.value, capture_locals=True)
    assert CANARY not in "".join(frames.format())
    assert transport.requests == []


@pytest.mark.parametrize("field", [("X Bad", "1"), ("X-Bad", "a\r\nb"), ("X-Bad", "é")])
def test_a_field_that_cannot_be_sent_is_refused(
    step: Any, backend: Any, field: tuple[str, str]
) -> None:
    """An HTTP library would print it, or send what no one wrote."""

    class Odd:
        def sign(self, request: WireRequest, token: str) -> Iterable[tuple[str, str]]:
            return [field]

    client, transport = client_of(backend, [say()], provider=schemed(Odd()), token=CANARY)
    with pytest.raises(errors.ConfigurationError, match="cannot be in a header"):
        step(client.create(DRAFT))

    assert transport.requests == []


def test_what_is_no_scheme_is_refused(backend: Any) -> None:
    """When the client is made, and by name."""
    scheme: Any = "bearer"
    with pytest.raises(errors.ConfigurationError, match="auth= of a provider takes Bearer") as no:
        client_of(backend, provider=schemed(scheme), token=CANARY)

    assert no.value.field == "auth"


@pytest.mark.parametrize("scheme", [Bearer(), HeaderKey("X-Api-Key"), Basic("anna"), Signed()])
def test_a_credential_that_the_provider_quotes_is_struck_out(
    step: Any, backend: Any, scheme: AuthScheme
) -> None:
    """The token, and the form that was sent; in header names and values, and in bodies."""

    def reply(request: WireRequest) -> WireResponse:
        sent = [value.removeprefix("Bearer ") for _, value in request.headers]
        quoted = [each for each in (*sent, CANARY) if len(each) >= 8]
        return WireResponse(
            status=400,
            headers=Headers([(f"X-{quoted[-1]}", "1"), *(("X-Echo", each) for each in quoted)]),
            body=" ".join(quoted).encode(),
        )

    client, transport = client_of(backend, reply, provider=schemed(scheme), token=CANARY)
    with pytest.raises(errors.InvalidRequestError) as caught:
        step(client.create(DRAFT))

    exchange = caught.value.exchange
    kept = f"{list(exchange.headers)}{exchange.body!r}{caught.value}{caught.value.__dict__}"
    for name, value in transport.requests[0].headers:
        if name.lower() in {"authorization", "x-api-key", "x-key-id", "x-signature"}:
            assert value not in kept
    assert CANARY not in kept


def test_a_long_body_is_searched_once() -> None:
    """A page of backslashes is the start of many escapes, and the search takes no longer for it.

    A search that looks at each of them anew would take hours, and the test would be stopped.
    """
    token = "a" * 40
    body = b"\\" * 2_000_000 + token.encode()
    signature = Signature(Headers([("Authorization", f"Bearer {token}")]), token)
    seen = redact_secrets(WireResponse(status=400, body=body), signature)

    assert seen.body == b"\\" * 1_999_999 + b"***" or seen.body == b"\\" * 2_000_000 + b"***"


def test_fields_of_ones_own_go_with_every_request(step: Any, backend: Any) -> None:
    """A sibling may have others; what the dialect writes stays as it is."""
    client, transport = client_of(
        backend, [say(), say(), say()], headers={"X-Team": "billing", "User-Agent": "mine/1"}
    )
    step(client.get("i1"))
    step(client.with_options(headers={"X-Trace": "t-1"}).get("i1"))
    step(client.with_options(deadline=5).get("i1"))
    shown = [dict(each.headers) for each in transport.requests]

    assert [each.get("X-Team") for each in shown] == ["billing", None, "billing"]
    assert [each.get("X-Trace") for each in shown] == [None, "t-1", None]
    assert shown[0]["User-Agent"] == "mine/1"
    assert client.preview.get("i1").headers.get("x-team") == "billing"


def test_a_secret_field_is_hidden_like_the_token(step: Any, backend: Any) -> None:
    """It is sent; no preview, text or error shows it."""

    def reply(request: WireRequest) -> WireResponse:
        return say(400, f"your key {request.headers.get('x-subscription')} is wrong")

    client, transport = client_of(backend, reply, headers={"X-Subscription": Secret(CANARY)})
    with pytest.raises(errors.InvalidRequestError) as caught:
        step(client.get("i1"))

    assert transport.requests[0].headers.get("x-subscription") == CANARY
    assert "x-subscription" not in client.preview.get("i1").headers
    settings = f"{client!r}{client._settings!r}{client._context!r}"
    assert CANARY not in f"{settings}{caught.value}{caught.value.__dict__}{caught.value.body!r}"


@pytest.mark.parametrize(
    "name",
    ["X-Api-Key", "Ocp-Apim-Subscription-Key", "x_gateway_token", "X-Amz-Security-Token",
     "Password", "X-Hub-Signature-256", "ApiKey"],
)  # fmt: skip
def test_a_field_that_looks_secret_is_hidden_like_one(step: Any, backend: Any, name: str) -> None:
    """A program may not know of ``Secret``, for the client or for one call."""

    def reply(request: WireRequest) -> WireResponse:
        return say(400, f"{request.headers.get(name)} is wrong")

    client, transport = client_of(backend, reply, headers={name: CANARY, "X-Monkey": "plain"})
    for call in (client.get("i1"), client.get("i1", headers={name: f"{CANARY}-2"})):
        with pytest.raises(errors.InvalidRequestError) as caught:
            step(call)
        assert CANARY not in f"{caught.value}{caught.value.body!r}"

    sent = [each.headers.get_all(name) for each in transport.requests]
    assert sent == [(CANARY,), (f"{CANARY}-2",)]
    preview = client.preview.get("i1")
    assert (preview.headers.get(name), preview.headers.get("X-Monkey")) == (None, "plain")
    assert CANARY not in f"{client._settings.headers!r}{preview.curl()}"


@pytest.mark.parametrize("value", [CANARY, Secret(CANARY)], ids=["plain", "secret"])
def test_what_the_dialect_and_the_scheme_write_stays(value: str | Secret) -> None:
    """Each field goes out once: a provider would take either of two."""
    tenant = f"tnt_{'a' * 24}"
    transport = MemoryTransport(lambda _: say(404))
    provider = attrs.evolve(kukkingu(), auth=HeaderKey("X-Gate"))
    client = Client(
        provider, token="ours-12345", tenant=tenant, transport=transport,
        headers={"x-gate": value, "Tenant-Id": value},
    )  # fmt: skip
    with pytest.raises(errors.NotFoundError):
        client.get(f"inv_{'a' * 24}")
    (headers,) = [each.headers for each in transport.requests]

    assert headers.get_all("x-gate") == ("ours-12345",)
    assert headers.get_all("tenant-id") == (tenant,)


@pytest.mark.parametrize(
    ("headers", "said"),
    [
        ({"Authorization": "Bearer x"}, "the client writes the header field Authorization itself"),
        ({"host": "evil.example"}, "the client writes the header field host itself"),
        ({"Content-Length": "0"}, "the client writes the header field Content-Length itself"),
        ({"X Team": "a"}, "'X Team' is no name of a header field"),
        ({"X-Team\r\nX-Evil": "a"}, "is no name of a header field"),
        ({"": "a"}, "is no name of a header field"),
        ({"X-Team": f"a\r\nX-Evil: {CANARY}"}, "the value of the header field X-Team is not"),
        ({"X-Team": f" {CANARY}"}, "the value of the header field X-Team is not"),
        ({"X-Team": "é"}, "the value of the header field X-Team is not"),
        ({"X-Team": 5}, "the value of the header field X-Team is not"),
        ({"X-Team": Secret(f"{CANARY}\n")}, "the value of the header field X-Team is not"),
        ("X-Team: a", "headers= takes names with their values, not str"),
        ([("X-Team", "a")], "headers= takes names with their values, not list"),
    ],
)
def test_fields_that_cannot_be_right_are_refused(backend: Any, headers: Any, said: str) -> None:
    """When the client is made; values are not shown."""
    with pytest.raises(errors.ConfigurationError) as caught:
        client_of(backend, headers=headers)
    with pytest.raises(errors.ConfigurationError):
        Client(SMALL, transport=MemoryTransport(), headers=headers)

    assert said in str(caught.value)
    assert CANARY not in str(caught.value)
    assert caught.value.field == "headers"


def test_events_have_the_fields_of_each_response(step: Any, backend: Any) -> None:
    """A request's id and what is left of a rate limit are known after a success, too."""
    seen: list[Any] = []
    client, _ = client_of(
        backend,
        [
            say(503, x_request_id="req-1", set_cookie=f"session={CANARY}"),
            say(x_request_id="req-2", x_ratelimit_remaining="58"),
        ],
        observers=[seen.append],
    )
    step(client.get("i1"))
    ends = [each for each in seen if isinstance(each, AttemptEnded)]

    assert [each.headers.get("x-request-id") for each in ends if each.headers] == ["req-1", "req-2"]
    assert "x-ratelimit-remaining: 58" in repr(ends[1])
    assert CANARY not in f"{seen!r}{list(ends[0].headers or ())}"


def test_an_attempt_without_a_response_has_no_fields(step: Any, backend: Any) -> None:
    """Nor those of the attempt before it."""
    seen: list[Any] = []
    lost = errors.NotConnectedError("no connection")
    client, _ = client_of(
        backend, [say(503, x_request_id="req-1"), lost, say()], observers=[seen.append]
    )
    step(client.get("i1"))
    ends = [each.headers for each in seen if isinstance(each, AttemptEnded)]

    assert [None if each is None else len(each) for each in ends] == [1, None, 0]


def test_a_signature_joins_the_same_fields_once() -> None:
    """The same object for the same ones, and fields that a dialect wrote stay as they are."""
    signature = Signature(Headers([("Authorization", "Bearer t")]), "t")
    ours = (("User-Agent", "billingual"), ("Accept-Encoding", "gzip"))
    written = Headers([("Accept", "application/json"), ("user-agent", "theirs")])

    joined = signature.sign(written, ours)

    assert joined == written.merged([ours[1], ("Authorization", "Bearer t")])
    assert signature.sign(written, ours) is joined
    assert signature.sign(Headers(written), ours) is not joined
    assert signature.sign(written, ours[:1]) == written.merged([("Authorization", "Bearer t")])


def test_a_signature_mixes_up_no_fields_that_come_and_go() -> None:
    """Python gives the place of an object that has gone to the next one."""
    signature = Signature(Headers([("Authorization", "Bearer t")]), "t")
    for number in range(1000):
        joined = signature.sign(Headers([("X-Number", str(number))]), ())

        assert joined.get("x-number") == str(number)
