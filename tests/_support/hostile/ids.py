"""Ids that try to be more than one segment of a path, and the routes they are given to."""

from __future__ import annotations

import random
import string
from collections.abc import Callable, Iterator
from typing import Any, Final

import attrs

from _support.hostile.calls import CHANGES, REPLACEMENT, TENANT
from billingual.abc import Scope
from billingual.dialects.exante.bulk import BulkDialect
from billingual.dialects.exante.dialect import ExanteDialect
from billingual.dialects.tenant.dialect import TenantDialect
from billingual.dialects.v1.dialect import V1Dialect
from billingual.model import Filter, Query
from billingual.wire import WireRequest

__all__ = ["ROUTES", "SEEDS", "Route", "hostile_ids"]

SEEDS: Final = (
    "3c90c3cc-0d44-4b50-8888-8dd25736052a", f"inv_{'a' * 24}", TENANT, f"ctr_{'0' * 24}", "v1", ""
)  # fmt: skip
_ATOMS: Final = (
    "/", "\\", ".", "..", "../", "..\\", "/..", "%2e%2e", "%2e%2e/", "%2F", "%5c", "%252e", "..;/",
    ";", "?", "#", "&", "=", "%", "%00", "\0", "\r\n", "\n", "\r", "\t", " ", "+", ":", "@", "//",
    "://", "https://evil.example/", "\u2028", "\u202e",
    "\ufeff", "\u00ad", "\uff0e\uff0e", "\uff0f", "\uff3c",
    "\u2024", "\u2215",
    "\u0435", "ⅷ", "٣", "é", "e\u0301", "\ud800", "\udfff", "😀", "%c0%af", "%uff0e",
    "*", "~", "|", "<", ">", '"', "'", "`", "$(x)", "${x}", "{}", "{invoice_uid}", "[0]", ",",
    "\x1b[2J", "\x7f", "\x85", "\xa0", "a" * 200, "-" * 40, "NaN", "null", "admin", "_", "inv_",
)  # fmt: skip
_ALPHABET: Final = string.ascii_letters + string.digits + string.punctuation + " \t\r\n\0"


class _Odd(str):
    """A text that says something else when it is written."""

    __slots__ = ()

    def __str__(self) -> str:
        return "../../admin"

    def __format__(self, form: str) -> str:
        return "../../admin"


_NO_TEXTS: Final[tuple[Any, ...]] = (
    None, True, 0, 7, 1.5, b"inv", b"3c90c3cc-0d44-4b50-8888-8dd25736052a", (), [], {}, object,
    ["3c90c3cc-0d44-4b50-8888-8dd25736052a"], {"uid": "x"}, Ellipsis, _Odd("../x"),
)  # fmt: skip


def hostile_ids(seed: int | str, amount: int) -> Iterator[Any]:
    """Draw ids: good ones changed a little, atoms put together, noise, and what is no text."""
    chance = random.Random(seed)  # noqa: S311 - reproducible chance is the point
    choice, drawn, below = chance.choice, chance.random, chance.randrange
    yield from _NO_TEXTS
    yield from _ATOMS
    yield from SEEDS
    for _ in range(amount - len(_NO_TEXTS) - len(_ATOMS) - len(SEEDS)):
        kind = drawn()
        if kind < 0.6:
            good = choice(SEEDS)
            at = below(len(good) + 1)
            cut = at + (below(3) if kind < 0.3 else 0)
            yield f"{good[:at]}{choice(_ATOMS)}{good[cut:]}"
        elif kind < 0.7:
            good = choice(SEEDS)
            at = below(len(good) + 1)
            yield f"{good[:at]}{choice(_ALPHABET)}{good[at + 1 :]}"
        elif kind < 0.9:
            yield "".join(chance.choices(_ATOMS, k=1 + below(4)))
        elif kind < 0.95:
            yield "".join(chance.choices(_ALPHABET, k=below(40)))
        else:
            yield "".join(chr(below(0x3000)) for _ in range(1 + below(8)))


@attrs.frozen
class Route:
    """A place where an id goes in.

    Attributes:
        ask: makes the first request with an id, without any I/O.
        segments: how many the path has.
        at: which of them is the id, from the left; None where it goes elsewhere.
    """

    ask: Callable[[Any], WireRequest]
    segments: int
    at: int | None = None


_EXANTE: Final = ExanteDialect()
_BULK: Final = BulkDialect()
_TENANT: Final = TenantDialect(tenant=TENANT)
_V1: Final = V1Dialect(currencies={"EUR": 1})
_QUERY: Final = Query(filter=Filter())
ROUTES: Final[dict[str, Route]] = {
    "exante.get": Route(lambda i: next(_EXANTE.get(i)), 3, 2),
    "exante.update": Route(lambda i: next(_EXANTE.update(i, CHANGES, None)), 3, 2),
    "exante.organization": Route(
        # None means no organization, and for no tenant, so it is no id.
        lambda i: next(
            _EXANTE.scoped(Scope(organization="" if i is None else i)).list_page(_QUERY)
        ),
        2,
    ),
    "bulk.update_many": Route(lambda i: next(_BULK.update_many([(i, CHANGES)])), 2),
    "bulk.delete_many": Route(lambda i: next(_BULK.delete_many([i])), 2),
    "tenant.get": Route(lambda i: next(_TENANT.get(i)), 4, 3),
    "tenant.update": Route(lambda i: next(_TENANT.update(i, CHANGES, None)), 4, 3),
    "tenant.finalize": Route(lambda i: next(_TENANT.finalize(i)), 5, 3),
    "tenant.void": Route(lambda i: next(_TENANT.void(i)), 5, 3),
    "tenant.tenant": Route(
        lambda i: next(
            TenantDialect().scoped(Scope(tenant="" if i is None else i)).list_page(_QUERY)
        ),
        3,
    ),
    "v1.replace": Route(lambda i: next(_V1.replace(i, REPLACEMENT)), 4),
    "v1.api_version": Route(
        lambda i: next(
            V1Dialect(currencies={"EUR": 1}, api_version=i).replace(SEEDS[0], REPLACEMENT)
        ),
        4,
        1,
    ),
}
