"""Rows of the table: the provider fails, turns away, or answers what cannot be read."""

from __future__ import annotations

import gzip
from typing import Any, Final

import attrs

from _support.equivalence.calls import KATSU
from _support.equivalence.faults import AGAIN, ONCE, create, fault, read
from _support.equivalence.row import EXANTE_DRAFT, KUKKINGU_DRAFT, LATER, REPLACEMENT, Row, Scene
from _support.equivalence.servers import Reply
from billingual import Draft, Invoice, Provider
from billingual.dialects.exante.dialect import ExanteDialect
from billingual.sandbox import LANDMARKS
from billingual.wire import Conversation, WireResponse

__all__ = ["ROWS"]

HTML: Final = Reply(b"<h1>hello</h1>", headers=(("Content-Type", "text/html"),))
BOMB: Final = Reply(gzip.compress(bytes(2_000_000)), headers=(("Content-Encoding", "gzip"),))


class FaultyDialect(ExanteDialect):
    """A dialect with a bug in it."""

    def get(self, invoice_id: str) -> Conversation[Invoice]:
        return _faulty(super().get(invoice_id))

    def create(self, draft: Draft) -> Conversation[Invoice]:
        return _faulty(super().create(draft))


def _faulty(conversation: Conversation[Invoice]) -> Conversation[Invoice]:
    invoice: Invoice = yield attrs.evolve(next(conversation), read=_with_a_bug)
    return invoice


def _with_a_bug(_: WireResponse) -> object:
    raise AttributeError("a bug")


FAULTY: Final = Provider(
    name="faulty",
    dialects=(FaultyDialect(provider="faulty"),),
    base_url="http://sandbox.localhost/exante",
)


async def explain_fails(scene: Scene) -> Any:
    """Refuse an update, and then the read that would explain it."""
    scene.control.fault("status", status=503, method="GET", times=9)
    return await scene.client.update(scene.kukkingu("VOID"), LATER)


ROWS: Final = (
    Row(
        "a read after a 503 in JSON",
        read(fault("status", status=503)),
        "INV-2026-S00001 PAID 37219.95 GBP",
        "get: unknown 503 ServerError > committed 200 = committed",
        options=AGAIN,
        taped=True,
    ),
    Row(
        "a read after a 500 in HTML",
        read(fault("status", status=500, body_kind="html")),
        "INV-2026-S00001 PAID 37219.95 GBP",
        "get: unknown 500 ServerError > committed 200 = committed",
        options=AGAIN,
    ),
    Row(
        "a read after a 502 without a body",
        read(fault("status", status=502, body_kind="empty")),
        "INV-2026-S00001 PAID 37219.95 GBP",
        "get: unknown 502 ServerError > committed 200 = committed",
        options=AGAIN,
    ),
    Row(
        "a read after a 504 in text",
        read(fault("status", status=504, body_kind="text_as_json")),
        "INV-2026-S00001 PAID 37219.95 GBP",
        "get: unknown 504 ServerError > committed 200 = committed",
        options=AGAIN,
    ),
    Row(
        "a read that always fails",
        read(fault("status", status=503, times=9)),
        "ServerError 503 'Injected status 503'",
        "get: unknown 503 ServerError x4 = unknown ServerError",
        options=AGAIN,
        portal=True,
    ),
    Row(
        "a read that fails, once",
        read(fault("status", status=503)),
        "ServerError 503 'Injected status 503'",
        "get: unknown 503 ServerError = unknown ServerError",
        options=ONCE,
        taped=True,
    ),
    Row(
        "a create that meets a 503",
        create(fault("status", status=503)),
        "OutcomeUnknown unclear (ServerError 503 'Injected status 503'), 0 stored",
        "create: unknown 503 ServerError = unknown OutcomeUnknown",
        options=AGAIN,
    ),
    Row(
        "a create that took effect and meets a 500",
        create(fault("status", status=500, body_kind="html", after_commit=True)),
        "OutcomeUnknown unclear (ServerError 500 '500'), 1 stored",
        "create: unknown 500 ServerError = unknown OutcomeUnknown",
        options=AGAIN,
    ),
    Row(
        "a create that meets a 408",
        create(fault("status", status=408)),
        "OutcomeUnknown unclear (InvalidRequestError 408 'Injected status 408'), 0 stored",
        "create: unknown 408 InvalidRequestError = unknown OutcomeUnknown",
        options=AGAIN,
    ),
    Row(
        "a read that meets a 408",
        read(fault("status", status=408)),
        "INV-2026-S00001 PAID 37219.95 GBP",
        "get: unknown 408 InvalidRequestError > committed 200 = committed",
        options=AGAIN,
    ),
    Row(
        "a read after a rate limit",
        read(fault("rate_limit", retry_after=0)),
        "INV-2026-S00001 PAID 37219.95 GBP",
        "get: not_applied 429 RateLimitedError > committed 200 = committed",
        options=AGAIN,
    ),
    Row(
        "a create after a rate limit",
        create(fault("rate_limit", retry_after=0)),
        "P-1 DRAFT 0.00 EUR, 1 stored",
        "create: not_applied 429 RateLimitedError > committed 200 = committed",
        options=AGAIN,
        portal=True,
    ),
    Row(
        "a rate limit that names no time",
        read(fault("rate_limit", retry_after=None)),
        "INV-2026-S00001 PAID 37219.95 GBP",
        "get: not_applied 429 RateLimitedError > committed 200 = committed",
        options=AGAIN,
    ),
    Row(
        "a rate limit that names a date long ago",
        read(fault("rate_limit", retry_after="Wed, 21 Oct 2015 07:28:00 GMT")),
        "INV-2026-S00001 PAID 37219.95 GBP",
        "get: not_applied 429 RateLimitedError > committed 200 = committed",
        options=AGAIN,
    ),
    Row(
        "a rate limit that asks for too much",
        create(fault("rate_limit", retry_after=3600)),
        "RateLimitedError 429 'Rate limit exceeded', 0 stored",
        "create: not_applied 429 RateLimitedError = not_applied RateLimitedError",
        options=AGAIN,
    ),
    Row(
        "a rate limit that stays",
        create(fault("rate_limit", retry_after=0, times=9)),
        "RateLimitedError 429 'Rate limit exceeded', 0 stored",
        "create: not_applied 429 RateLimitedError x4 = not_applied RateLimitedError",
        options=AGAIN,
    ),
    Row(
        "a rate limit, then a 503",
        create(fault("rate_limit", retry_after=0), fault("status", status=503)),
        "OutcomeUnknown unclear (ServerError 503 'Injected status 503'), 0 stored",
        (
            "create: not_applied 429 RateLimitedError > unknown 503 ServerError = "
            "unknown OutcomeUnknown"
        ),
        options=AGAIN,
    ),
    Row(
        "a rate limit, then a refusal",
        create(fault("rate_limit", retry_after=0), fault("status", status=409)),
        "ConflictError 409 'Injected status 409', 0 stored",
        (
            "create: not_applied 429 RateLimitedError > rejected 409 ConflictError = "
            "rejected ConflictError"
        ),
        options=AGAIN,
    ),
    Row(
        "a redirect on a read",
        read(fault("status", status=302)),
        "RedirectedError 302 'Injected status 302'",
        "get: unknown 302 RedirectedError = unknown RedirectedError",
        options=AGAIN,
    ),
    Row(
        "a redirect on a create",
        create(fault("status", status=307)),
        "OutcomeUnknown unclear (RedirectedError 307 'Injected status 307'), 0 stored",
        "create: unknown 307 RedirectedError = unknown OutcomeUnknown",
        options=AGAIN,
    ),
    Row(
        "a 200 that cannot be read",
        read(fault("status", status=200, body_kind="html")),
        "ProtocolError 200 ''",
        "get: unknown 200 ProtocolError = unknown ProtocolError",
        options=AGAIN,
    ),
    Row(
        "a 201 that cannot be read, on a create",
        create(fault("status", status=201, body_kind="text_as_json", after_commit=True)),
        "OutcomeUnknown applied (ProtocolError 201 ''), 1 stored",
        "create: unknown 201 ProtocolError = unknown OutcomeUnknown",
        options=AGAIN,
    ),
    Row(
        "a 204 on a create",
        create(fault("status", status=204, after_commit=True)),
        "OutcomeUnknown applied (ProtocolError 204 ''), 1 stored",
        "create: unknown 204 ProtocolError = unknown OutcomeUnknown",
        options=AGAIN,
    ),
    Row(
        "a 200 without an id, on an update",
        lambda s: s.client.update(LANDMARKS["katsu_invoice"], REPLACEMENT),
        "OutcomeUnknown applied (ProtocolError 200 '')",
        "replace: unknown 200 ProtocolError = unknown OutcomeUnknown",
        provider=KATSU,
        script=(Reply(b'{"succeeded": true, "data": {}}'),),
    ),
    Row(
        "a 200 in HTML, on a create",
        lambda s: s.client.create(KUKKINGU_DRAFT),
        "OutcomeUnknown applied (ProtocolError 200 '')",
        "create: unknown 200 ProtocolError = unknown OutcomeUnknown",
        provider="kukkingu",
        script=(HTML,),
        taped=True,
    ),
    Row(
        "a response that unpacks to a bomb, on a read",
        lambda s: s.client.get(LANDMARKS["exante_party"]),
        "ResponseTooLargeError",
        "get: unknown ResponseTooLargeError = unknown ResponseTooLargeError",
        script=(BOMB,),
        options=AGAIN,
    ),
    Row(
        "a response that unpacks to a bomb, on a create",
        lambda s: s.client.create(EXANTE_DRAFT),
        "OutcomeUnknown applied (ResponseTooLargeError)",
        "create: unknown ResponseTooLargeError = unknown OutcomeUnknown",
        script=(BOMB,),
        options=AGAIN,
        taped=True,
    ),
    Row(
        "a packed response that is none",
        lambda s: s.client.get(LANDMARKS["exante_party"]),
        "ConnectionLostError",
        "get: unknown ConnectionLostError = unknown ConnectionLostError",
        script=(Reply(b"xxxx", headers=(("Content-Encoding", "gzip"),)),),
        options=ONCE,
    ),
    Row(
        "a content encoding that was not asked for",
        lambda s: s.client.create(EXANTE_DRAFT),
        "OutcomeUnknown applied (ConnectionLostError)",
        "create: unknown ConnectionLostError = unknown OutcomeUnknown",
        script=(Reply(b"xxxx", headers=(("Content-Encoding", "br"),)),),
        options=ONCE,
    ),
    Row(
        "a refusal that cannot be unpacked, on a create",
        lambda s: s.client.create(EXANTE_DRAFT),
        "InvalidRequestError 422 'xxxx'",
        "create: rejected 422 InvalidRequestError = rejected InvalidRequestError",
        script=(Reply(b"xxxx", 422, headers=(("Content-Encoding", "br"),)),),
        options=AGAIN,
    ),
    Row(
        "a status of no class",
        lambda s: s.client.get(LANDMARKS["exante_party"]),
        "ProtocolError 699 ''",
        "get: unknown 699 ProtocolError = unknown ProtocolError",
        script=(Reply(b"{}", 699),),
        options=AGAIN,
    ),
    Row(
        "a read that trips the dialect",
        read(),
        "InternalError",
        "get: unknown InternalError = unknown InternalError",
        provider=FAULTY,
        options=AGAIN,
    ),
    Row(
        "a create that trips the dialect",
        create(),
        "OutcomeUnknown applied (InternalError), 1 stored",
        "create: unknown InternalError = unknown OutcomeUnknown",
        provider=FAULTY,
        options=AGAIN,
    ),
    Row(
        "a refusal that cannot be explained",
        explain_fails,
        (
            "ConflictError 409 'Invoice in VOID status: dueAt cannot be updated: "
            "Conflict: STATUS_LOCK'"
        ),
        (
            "update: rejected 409 ConflictError = rejected ConflictError; get: unknown "
            "503 ServerError x4 = unknown ServerError"
        ),
        options=AGAIN,
        provider="kukkingu",
        taped=True,
    ),
)
