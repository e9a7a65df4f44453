"""Rows of the table: operations that succeed, and what a client tells about itself."""

from __future__ import annotations

from typing import Any, Final

import attrs

from _support.equivalence.row import (
    BRISK,
    EXANTE_DRAFT,
    KUKKINGU_DRAFT,
    LATER,
    REPLACEMENT,
    Row,
    Scene,
)
from billingual import Changes, Filter, providers
from billingual.retry.policy import Retry
from billingual.sandbox import LANDMARKS
from billingual.wire import WireRequest

__all__ = ["KATSU", "ROWS"]

KATSU: Final = providers.katsu(currencies={"USD": 1})


async def two_reads(scene: Scene) -> Any:
    """Make one client's call, then a sibling's."""
    invoice_id = scene.exante("PAID")
    sibling = scene.client.with_options(retry="none", deadline=5)
    first = await scene.client.get(invoice_id)
    await sibling.aclose()
    return [first, await scene.client.get(invoice_id), await sibling.get(invoice_id)]


async def told_apart(scene: Scene) -> Any:
    """Give a sibling an observer of its own."""
    heard: list[Any] = []
    sibling = scene.client.with_options(observers=[heard.append])
    await sibling.get(scene.exante("PAID"))
    return [len(heard), len(scene.events)]


async def observer_fails(scene: Scene) -> Any:
    """Let an observer raise at each event."""

    def fail(event: object) -> None:
        raise LookupError(event)

    return await scene.client.with_options(observers=[fail]).get(scene.exante("PAID"))


async def calls_are_numbered(scene: Scene) -> Any:
    """Number the calls of a client and its siblings in one row."""
    await scene.client.get(scene.exante("PAID"))
    await scene.client.with_options(deadline=9).get(scene.exante("PAID"))
    return sorted({each.call for each in scene.events})


async def token_function(scene: Scene) -> Any:
    """Ask for the token at each attempt."""
    asked: list[int] = []

    async def current() -> str:
        asked.append(len(asked))
        return "ex_live_sandbox_default_9AbC"

    scene.control.fault("status", status=503)
    await scene.client.with_options(token=current).get(scene.exante("PAID"))
    return asked


async def capabilities(scene: Scene) -> Any:
    """Read what the provider can do."""
    known = scene.client.capabilities
    return [known.provider, len(known.features), known.batch_limit, known.page_limit]


async def preview(scene: Scene) -> Any:
    """Look at requests; none is sent. They name the library that would carry them, so that goes."""
    look = scene.client.preview
    requests = [
        look.create(EXANTE_DRAFT), look.get(scene.exante("PAID")), look.list(Filter(status="PAID")),
        look.update(scene.exante("PAID"), LATER),
        look.update_many({scene.exante("PAID"): LATER}), look.delete_many([scene.exante("PAID")]),
    ]  # fmt: skip
    return [*map(_without_library, requests), len(scene.events)]


def _without_library(request: WireRequest) -> WireRequest:
    products = (request.headers.get("User-Agent") or "").split()
    headers = request.headers.merged([("User-Agent", " ".join(products[:2]))])
    return attrs.evolve(request, headers=headers)


async def update_many(scene: Scene) -> Any:
    """Change two invoices at once, in the caller's order."""
    pairs = {
        scene.exante("DRAFT"): Changes(number="P-2"), scene.exante("PAID"): Changes(number="P-3")
    }  # fmt: skip
    return await scene.client.update_many(pairs)


async def delete_many(scene: Scene) -> Any:
    """Delete two invoices at once."""
    before = len(scene.control.stored("exante"))
    result = await scene.client.delete_many([scene.exante("DRAFT"), scene.exante("VOID")])
    return [result, before - len(scene.control.stored("exante"))]


async def whole_life(scene: Scene) -> Any:
    """Create, change, finalize, pay, void."""
    made = await scene.client.create(KUKKINGU_DRAFT)
    changed = await scene.client.update(made.id, LATER, base=made)
    final = await scene.client.finalize(made.id)
    paid = await scene.client.update(made.id, Changes(paid_at="2026-11-21T00:00:00Z"), base=final)
    return [made, changed, final, paid, await scene.client.void(made.id)]


ROWS: Final = (
    Row(
        "exante: create",
        lambda s: s.client.create(EXANTE_DRAFT),
        "P-1 DRAFT 0.00 EUR",
        "create: committed 200 = committed",
        portal=True,
        taped=True,
    ),
    Row(
        "exante: get",
        lambda s: s.client.get(s.exante("PAID")),
        "INV-2026-S00001 PAID 37219.95 GBP",
        "get: committed 200 = committed",
    ),
    Row(
        "exante: list",
        lambda s: s.client.list().collect(limit=3),
        (
            "INV-2026-S00007 SCHEDULED 2856000 minor units, INV-2026-S00011 SENT "
            "758912 minor units, INV-2026-S00016 SENT 1610665 minor units"
        ),
        "list: committed 200 = committed",
        portal=True,
        taped=True,
    ),
    Row(
        "exante: update",
        lambda s: s.client.update(s.exante("DRAFT"), LATER),
        "INV-2026-S00004 DRAFT 2256.98 USD",
        "update: committed 200 = committed",
    ),
    Row(
        "exante: update_many",
        update_many,
        "P-2 DRAFT 2256.98 USD, P-3 PAID 37219.95 GBP",
        "update_many: committed 200 = committed",
        taped=True,
    ),
    Row("exante: delete_many", delete_many, "None, 2", "delete_many: committed 200 = committed"),
    Row(
        "kukkingu: create",
        lambda s: s.client.create(KUKKINGU_DRAFT),
        "K-1 DRAFT 12.34 EUR",
        "create: committed 200 = committed",
        provider="kukkingu",
    ),
    Row(
        "kukkingu: get",
        lambda s: s.client.get(s.kukkingu("VOID")),
        "INV-2026-0003 VOID 3291.060 KWD",
        "get: committed 200 = committed",
        provider="kukkingu",
    ),
    Row(
        "kukkingu: list",
        lambda s: s.client.list(Filter(document=LANDMARKS["kukkingu_contract"])).collect(limit=3),
        (
            "INV-2026-0001 DRAFT 20177.29 EUR, INV-2026-0006 DRAFT 37087.38 EUR, "
            "INV-2026-0011 FINALIZED 28331.58 EUR"
        ),
        "list: committed 200 = committed",
        provider="kukkingu",
    ),
    Row(
        "kukkingu: update",
        lambda s: s.client.update(s.kukkingu("DRAFT"), LATER),
        "INV-2026-0001 DRAFT 20177.29 EUR",
        "update: committed 200 = committed",
        provider="kukkingu",
    ),
    Row(
        "kukkingu: finalize",
        lambda s: s.client.finalize(s.kukkingu("DRAFT")),
        "INV-2026-0001 FINALIZED 20177.29 EUR",
        "finalize: committed 200 = committed",
        provider="kukkingu",
    ),
    Row(
        "kukkingu: void",
        lambda s: s.client.void(s.kukkingu("FINALIZED")),
        "INV-2026-0002 VOID 2643360 JPY",
        "void: committed 200 = committed",
        provider="kukkingu",
    ),
    Row(
        "kukkingu: a whole life",
        whole_life,
        (
            "K-1 DRAFT 12.34 EUR, K-1 DRAFT 12.34 EUR, K-1 FINALIZED 12.34 EUR, K-1 "
            "FINALIZED 12.34 EUR, K-1 VOID 12.34 EUR"
        ),
        (
            "create: committed 200 = committed; update: committed 200 = committed; "
            "finalize: committed 200 = committed; update: committed 200 = committed; "
            "void: committed 200 = committed"
        ),
        provider="kukkingu",
        portal=True,
        taped=True,
    ),
    Row(
        "katsu: replace",
        lambda s: s.client.update(LANDMARKS["katsu_invoice"], REPLACEMENT),
        "receipt 59.09275",
        "replace: committed 200 = committed",
        provider=KATSU,
        taped=True,
    ),
    Row(
        "a sibling shares the wire and closes nothing",
        two_reads,
        (
            "INV-2026-S00001 PAID 37219.95 GBP, INV-2026-S00001 PAID 37219.95 GBP, "
            "INV-2026-S00001 PAID 37219.95 GBP"
        ),
        (
            "get: committed 200 = committed; get: committed 200 = committed; get: "
            "committed 200 = committed"
        ),
    ),
    Row("a sibling may have observers of its own", told_apart, "4, 0", ""),
    Row(
        "an observer's fault changes nothing",
        observer_fails,
        "INV-2026-S00001 PAID 37219.95 GBP",
        "",
    ),
    Row(
        "calls of siblings are numbered together",
        calls_are_numbered,
        "1, 2",
        "get: committed 200 = committed; get: committed 200 = committed",
    ),
    Row(
        "a token function is asked at each attempt",
        token_function,
        "0, 1",
        "get: unknown 503 ServerError > committed 200 = committed",
        options={"retry": BRISK},
    ),
    Row("capabilities are data", capabilities, "exante, 6, 100, 100", ""),
    Row(
        "a preview sends nothing",
        preview,
        (
            "POST /api/invoices, GET /api/invoices/{invoice_uid}, GET /api/invoices, "
            "PUT /api/invoices/{invoice_uid}, PUT /api/invoices, DELETE "
            "/api/invoices, 0"
        ),
        "",
    ),
    Row(
        "a policy may be an object",
        lambda s: s.client.get(s.exante("PAID")),
        "INV-2026-S00001 PAID 37219.95 GBP",
        "get: committed 200 = committed",
        options={"retry": Retry(attempts=2)},
    ),
)
