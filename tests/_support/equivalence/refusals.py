"""Rows of the table: what the provider refuses, and what never leaves the program."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from decimal import Decimal
from typing import Any, Final

import attrs

from _support.equivalence.calls import KATSU
from _support.equivalence.row import (
    EXANTE_DRAFT,
    KUKKINGU_DRAFT,
    LATER,
    NOWHERE,
    REPLACEMENT,
    Row,
    Scene,
)
from billingual import Changes, Filter, errors
from billingual.model import Discount
from billingual.sandbox import CREDENTIALS, LANDMARKS

__all__ = ["ROWS"]

LOCKS: Final = (
    (409, "ConflictError"),
    (400, "InvalidRequestError"),
    (403, "PermissionDeniedError"),
    (422, "InvalidRequestError"),
)
ABSURD: Final = attrs.evolve(REPLACEMENT, discount=Discount(type=2, value=Decimal(1000)))


def setting(run: Callable[[Scene], Any], **settings: Any) -> Callable[[Scene], Any]:
    """Make a row's work under other settings of the sandbox."""

    async def run_set(scene: Scene) -> Any:
        scene.control.ask("POST", "settings", settings)
        return await run(scene)

    return run_set


async def all_or_nothing(scene: Scene) -> Any:
    """Have one of three changes refused."""
    first, last = scene.exante("DRAFT"), scene.exante("PAID")
    before = [await scene.client.get(each) for each in (first, last)]
    try:
        return await scene.client.update_many({first: LATER, NOWHERE: LATER, last: LATER})
    except errors.ProviderError as error:
        return [error, before == [await scene.client.get(each) for each in (first, last)]]


async def number_twice(scene: Scene) -> Any:
    """Use a number twice."""
    await scene.client.create(KUKKINGU_DRAFT)
    return await scene.client.create(KUKKINGU_DRAFT)


async def lock_here(scene: Scene) -> Any:
    """Give the copy whose status locks the change."""
    final = await scene.client.get(scene.kukkingu("FINALIZED"))
    return await scene.client.update(final.id, LATER, base=final)


async def lock_there(scene: Scene) -> Any:
    """Leave the lock to the provider."""
    return await scene.client.update(scene.kukkingu("FINALIZED"), LATER)


async def lock_stale(scene: Scene) -> Any:
    """Give a copy from before the invoice became final."""
    draft = await scene.client.create(KUKKINGU_DRAFT)
    await scene.client.finalize(draft.id)
    return await scene.client.update(draft.id, LATER, base=draft)


async def lock_other(scene: Scene) -> Any:
    """Give the copy of another invoice."""
    final = await scene.client.get(scene.kukkingu("FINALIZED"))
    return await scene.client.update(scene.kukkingu("DRAFT"), LATER, base=final)


async def closed(scene: Scene) -> Any:
    """Use a client after its end, and a sibling too."""
    sibling = scene.client.with_options(deadline=5)
    await scene.client.aclose()
    await scene.client.aclose()
    ends: list[Any] = []
    for each in (scene.client, sibling):
        try:
            await each.create(EXANTE_DRAFT)
        except errors.ClosedError as error:
            ends.append(error)
    return ends


async def survives(scene: Scene) -> Any:
    """Send an error to another process and back."""
    try:
        return await scene.client.get(NOWHERE)
    except errors.NotFoundError as error:
        return pickle.loads(pickle.dumps(error))  # noqa: S301 - our own


async def tokens(scene: Scene) -> Any:
    """Try the awkward accounts."""
    ends: list[Any] = []
    for name in ("exante_expired", "exante_revoked", "exante_other"):
        sibling = scene.client.with_options(token=CREDENTIALS[name].token)
        try:
            ends.append(await sibling.get(scene.exante("PAID")))
        except errors.ProviderError as error:
            ends.append(error)
    return ends


async def read_only(scene: Scene) -> Any:
    """Write with a key that may only read."""
    sibling = scene.client.with_options(token=CREDENTIALS["exante_read_only"].token)
    return await sibling.create(EXANTE_DRAFT)


async def lacking(scene: Scene) -> Any:
    """Ask for each operation the provider lacks, and send nothing."""
    client = scene.client
    asked: dict[str, Callable[[], Any]] = {
        "create": lambda: client.create(EXANTE_DRAFT),
        "get": lambda: client.get(NOWHERE),
        "list": lambda: client.list().first(),
        "update": lambda: client.update(NOWHERE, LATER),
        "replace": lambda: client.update(NOWHERE, REPLACEMENT),
        "update_many": lambda: client.update_many({NOWHERE: LATER}),
        "delete_many": lambda: client.delete_many([NOWHERE]),
        "finalize": lambda: client.finalize(NOWHERE),
        "void": lambda: client.void(NOWHERE),
    }
    there = {feature.value for feature in client.capabilities.features}
    ends: list[Any] = []
    for name, ask in asked.items():
        try:
            if name not in there:
                await ask()
        except errors.UnsupportedError as error:
            ends.append(error)
    return ends


async def bad_options(scene: Scene) -> Any:
    """Ask for siblings that cannot be."""
    ends: list[Any] = []
    for options in (
        {"retry": "nosuch"}, {"timeout": 0}, {"deadline": -1}, {"token": "a b"}, {"tenant": "t"},
        {"organization": "o"}, {"retry": 3},
    ):  # fmt: skip
        try:
            ends.append(scene.client.with_options(**options))
        except errors.UsageError as error:
            ends.append(error)
    return ends


async def bad_clients(scene: Scene) -> Any:
    """Ask for clients that cannot be."""
    ends: list[Any] = []
    for provider, options in (
        ("nosuch", {}), ("exante", {}), ("katsu", {}), ("exante", {"transport": "nosuch"}),
        ("exante", {"base_url": "http://far.example", "token": "t"}),
        ("exante", {"backend": "nosuch", "token": "t"}),
    ):  # fmt: skip
        try:
            ends.append(scene.make(provider, **options))
        except errors.UsageError as error:
            ends.append(error)
    return [type(each).__name__ for each in ends]


ROWS: Final = (
    Row(
        "there is no such invoice",
        lambda s: s.client.get(NOWHERE),
        "NotFoundError 404 'Invoice ffffffff-ffff-4fff-8fff-ffffffffffff not found'",
        "get: rejected 404 NotFoundError = rejected NotFoundError",
        portal=True,
    ),
    Row(
        "an update of no invoice",
        lambda s: s.client.update(NOWHERE, LATER),
        "NotFoundError 404 'Invoice ffffffff-ffff-4fff-8fff-ffffffffffff not found'",
        "update: rejected 404 NotFoundError = rejected NotFoundError",
    ),
    Row(
        "an error survives pickling",
        survives,
        "NotFoundError 404 'Invoice ffffffff-ffff-4fff-8fff-ffffffffffff not found'",
        "get: rejected 404 NotFoundError = rejected NotFoundError",
    ),
    Row(
        "awkward tokens",
        tokens,
        (
            "AuthenticationError 401 'API key is expired', AuthenticationError 401 "
            "'API key is revoked', NotFoundError 404 'Invoice "
            "d49280a5-051e-445a-8920-09f1ae1db5e7 not found'"
        ),
        (
            "get: rejected 401 AuthenticationError = rejected AuthenticationError; "
            "get: rejected 401 AuthenticationError = rejected AuthenticationError; "
            "get: rejected 404 NotFoundError = rejected NotFoundError"
        ),
        taped=True,
    ),
    Row(
        "a key that only reads",
        read_only,
        "PermissionDeniedError 403 'API key lacks the permission to change invoices'",
        "create: rejected 403 PermissionDeniedError = rejected PermissionDeniedError",
    ),
    Row(
        "a refused draft",
        lambda s: s.client.create(
            attrs.evolve(EXANTE_DRAFT, document=LANDMARKS["exante_foreign_document"])
        ),
        "InvalidRequestError 400 '$.document_uid does not exist in this organization'",
        "create: rejected 400 InvalidRequestError = rejected InvalidRequestError",
    ),
    Row(
        "a refused change, by 422",
        setting(
            lambda s: s.client.update(s.exante("PAID"), Changes(number=None)),
            exante_validation_status=422,
        ),
        "InvalidRequestError 422 '$.invoice_number must be a string'",
        "update: rejected 422 InvalidRequestError = rejected InvalidRequestError",
    ),
    Row(
        "a refusal in other words",
        setting(lambda s: s.client.get(NOWHERE), exante_error_shape="details"),
        "NotFoundError 404 'Invoice ffffffff-ffff-4fff-8fff-ffffffffffff not found'",
        "get: rejected 404 NotFoundError = rejected NotFoundError",
    ),
    Row(
        "a no inside a 200",
        setting(lambda s: s.client.get(NOWHERE), exante_error_shape="envelope_in_200"),
        "NotFoundError 200 'Invoice ffffffff-ffff-4fff-8fff-ffffffffffff not found'",
        "get: rejected 200 NotFoundError = rejected NotFoundError",
        taped=True,
    ),
    Row(
        "a no inside a 200, on a write",
        setting(lambda s: s.client.update(NOWHERE, LATER), exante_error_shape="envelope_in_200"),
        "NotFoundError 200 'Invoice ffffffff-ffff-4fff-8fff-ffffffffffff not found'",
        "update: rejected 200 NotFoundError = rejected NotFoundError",
    ),
    Row(
        "katsu: no such invoice",
        lambda s: s.client.update(NOWHERE, REPLACEMENT),
        "NotFoundError 404 'Invoice not found'",
        "replace: rejected 404 NotFoundError = rejected NotFoundError",
        provider=KATSU,
    ),
    Row(
        "katsu: a no inside a 200",
        lambda s: s.client.update(LANDMARKS["katsu_invoice"], ABSURD),
        "RejectedError 200 'Discount must be from zero to the subtotal'",
        "replace: rejected 200 RejectedError = rejected RejectedError",
        provider=KATSU,
        portal=True,
    ),
    Row(
        "katsu: a no as problem+json",
        setting(
            lambda s: s.client.update(LANDMARKS["katsu_invoice"], ABSURD),
            katsu_error_shape="problem",
            katsu_logical_failure="in_400",
        ),
        "InvalidRequestError 400 'Discount must be from zero to the subtotal'",
        "replace: rejected 400 InvalidRequestError = rejected InvalidRequestError",
        provider=KATSU,
    ),
    Row(
        "katsu: a bare receipt",
        setting(
            lambda s: s.client.update(LANDMARKS["katsu_invoice"], REPLACEMENT),
            katsu_response_shape="prose",
            katsu_content_type="text/plain",
        ),
        "receipt 59.09275",
        "replace: committed 200 = committed",
        provider=KATSU,
    ),
    Row(
        "a number that is taken",
        number_twice,
        ("ConflictError 409 \"Invoice number 'K-1' is already taken: Conflict: NUMBER_TAKEN\""),
        (
            "create: committed 200 = committed; create: rejected 409 ConflictError = "
            "rejected ConflictError"
        ),
        provider="kukkingu",
        taped=True,
    ),
    Row(
        "a batch is all or nothing",
        all_or_nothing,
        "NotFoundError 404 'Invoice ffffffff-ffff-4fff-8fff-ffffffffffff not found', True",
        (
            "get: committed 200 = committed; get: committed 200 = committed; "
            "update_many: rejected 404 NotFoundError = rejected NotFoundError; get: "
            "committed 200 = committed; get: committed 200 = committed"
        ),
        portal=True,
        taped=True,
    ),
    Row(
        "a lock seen in the caller's copy",
        lock_here,
        "LockedError FINALIZED here locked ('due_at',) open ('paid_at',)",
        "get: committed 200 = committed",
        provider="kukkingu",
    ),
    *(
        Row(
            f"a lock that the provider sees, by {status}",
            setting(lock_there, kukkingu_lock_status=status),
            f"LockedError FINALIZED {status} locked ('due_at',) open ('paid_at',)",
            f"update: rejected {status} {kind} = rejected {kind}; get: committed 200 = committed",
            provider="kukkingu",
        )
        for status, kind in LOCKS
    ),
    Row(
        "a lock that the caller's copy did not show",
        lock_stale,
        "LockedError FINALIZED 409 locked ('due_at',) open ('paid_at',)",
        (
            "create: committed 200 = committed; finalize: committed 200 = committed; "
            "update: rejected 409 ConflictError = rejected ConflictError; get: "
            "committed 200 = committed"
        ),
        provider="kukkingu",
        taped=True,
    ),
    Row(
        "the copy of another invoice",
        lock_other,
        "InvalidInputError base",
        "get: committed 200 = committed",
        provider="kukkingu",
    ),
    Row(
        "void twice",
        lambda s: s.client.void(s.kukkingu("VOID")),
        "ConflictError 409 'Cannot void an invoice in VOID status: Conflict: TRANSITION'",
        "void: rejected 409 ConflictError = rejected ConflictError",
        provider="kukkingu",
    ),
    Row(
        "finalize twice",
        lambda s: s.client.finalize(s.kukkingu("FINALIZED")),
        (
            "ConflictError 409 'Cannot finalize an invoice in FINALIZED status: "
            "Conflict: TRANSITION'"
        ),
        "finalize: rejected 409 ConflictError = rejected ConflictError",
        provider="kukkingu",
    ),
    Row(
        "exante lacks",
        lacking,
        "UnsupportedError replace, UnsupportedError finalize, UnsupportedError void",
        "",
    ),
    Row(
        "kukkingu lacks",
        lacking,
        "UnsupportedError replace, UnsupportedError update_many, UnsupportedError delete_many",
        "",
        provider="kukkingu",
    ),
    Row(
        "katsu lacks",
        lacking,
        (
            "UnsupportedError create, UnsupportedError get, UnsupportedError list, "
            "UnsupportedError update, UnsupportedError update_many, UnsupportedError "
            "delete_many, UnsupportedError finalize, UnsupportedError void"
        ),
        "",
        provider=KATSU,
    ),
    Row(
        "a filter the provider lacks",
        lambda s: s.client.list(Filter(search="x")).first(),
        "UnsupportedError 'search' as a filter",
        "",
        provider="kukkingu",
    ),
    Row("an empty batch", lambda s: s.client.update_many({}), "InvalidInputError pairs", ""),
    Row(
        "a closed client sends nothing",
        closed,
        "ClosedError, ClosedError",
        (
            "create: not_sent ClosedError = not_sent ClosedError; create: not_sent "
            "ClosedError = not_sent ClosedError"
        ),
        portal=True,
    ),
    Row(
        "options that cannot be",
        bad_options,
        (
            "UnknownNameError, ConfigurationError, ConfigurationError, "
            "ConfigurationError, ConfigurationError, InvalidInputError organization, "
            "ConfigurationError"
        ),
        "",
    ),
    Row(
        "clients that cannot be",
        bad_clients,
        (
            "UnknownNameError, ConfigurationError, ConfigurationError, "
            "UnknownNameError, ConfigurationError, ConfigurationError"
        ),
        "",
    ),
)
