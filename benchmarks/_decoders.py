"""Ways from the bytes of a response to objects: ours, and those of other libraries and SDKs.

Each decoder is made by a function that returns what prepares the decoding of some bytes; the time
of preparing (for ours: asking) is not counted. ``PAGE`` is a list page of 100 rows, ``BULK`` the
response of a bulk update of 100 full invoices.
"""

# ruff: noqa: PLC0415 - a peer may be missing

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any, Final, TypeAlias

from _payloads import bulk, page
from _records import attrs_classes, pydantic_classes
from _touching import touch

from billingual import Changes
from billingual.dialects.exante.bulk import BulkDialect
from billingual.dialects.exante.dialect import ExanteDialect
from billingual.model import Query
from billingual.wire import Headers, WireResponse

PAGE: Final = "list page"
BULK: Final = "bulk response"
BODIES: Final = {PAGE: page(), BULK: bulk()[1]}
OURS: Final = "billingual, as decoded"
TOUCHED: Final = "billingual, and every attribute read"
FLOOR: Final = "orjson.loads"

Decoding: TypeAlias = Callable[[], object]
Preparing: TypeAlias = Callable[[bytes], Decoding]
_HEADERS: Final = Headers([("Content-Type", "application/json")])
_IDS: Final = bulk()[0]
_CHANGES: Final = Changes(status="SENT")


def ours(which: str) -> Preparing:
    """Read a response as a client does: judged by the dialect, then resumed with it."""
    dialect: Any = ExanteDialect() if which == PAGE else BulkDialect()
    query, pairs = Query(page_size=100), [(uid, _CHANGES) for uid in _IDS]

    def prepare(body: bytes) -> Decoding:
        talk = dialect.list_page(query) if which == PAGE else dialect.update_many(pairs)
        request = next(talk)
        # A response of its own each time: one is read once only.
        response = WireResponse(status=200, headers=_HEADERS, body=body)

        def decode() -> object:
            try:
                talk.send(request.read(response))
            except StopIteration as done:
                return done.value.items if which == PAGE else done.value
            raise AssertionError

        return decode

    return prepare


def ours_touched(which: str) -> Preparing:
    """Read a response, then every attribute of the model."""
    prepare = ours(which)

    def prepared(body: bytes) -> Decoding:
        decode = prepare(body)
        return lambda: touch(decode(), full=which == BULK)

    return prepared


def ours_raw(which: str) -> Preparing:
    """Read a response, then the raw payload of each invoice, down to a leaf."""
    prepare = ours(which)

    def prepared(body: bytes) -> Decoding:
        decode = prepare(body)

        def decoded() -> object:
            invoices: Any = decode()
            return [invoice.raw["parties"]["client"]["uid"] for invoice in invoices]

        return decoded

    return prepared


def _plain(decode: Callable[[bytes], object]) -> Preparing:
    return lambda body: lambda: decode(body)


def _orjson(_: str) -> Preparing:
    import orjson

    return _plain(orjson.loads)


def _json(_: str) -> Preparing:
    return _plain(json.loads)


def _response(classes: Mapping[str, Any], which: str) -> Any:
    return classes["PageAnswer" if which == PAGE else "BulkAnswer"]


def _msgspec(which: str) -> Preparing:
    import msgspec

    return _plain(msgspec.json.Decoder(_response(attrs_classes(), which)).decode)


def _cattrs(which: str) -> Preparing:
    from cattrs.preconf.orjson import make_converter

    converter, kind = make_converter(), _response(attrs_classes(), which)
    return _plain(lambda body: converter.loads(body, kind))


def _pydantic(which: str) -> Preparing:
    return _plain(_response(pydantic_classes(), which).model_validate_json)


def _openai(*, plain: bool) -> Callable[[str], Preparing]:
    def made(which: str) -> Preparing:
        import openai

        kind = _response(pydantic_classes(openai.BaseModel, plain=plain), which)
        return _plain(lambda body: kind.construct(**json.loads(body)))

    return made


def _stripe(_: str) -> Preparing:
    import stripe

    made = stripe.StripeObject.construct_from
    return _plain(lambda body: made(json.loads(body), "ex_test"))


DECODERS: Final[Mapping[str, Callable[[str], Preparing]]] = {
    OURS: ours,
    TOUCHED: ours_touched,
    "billingual, and raw read": ours_raw,
    FLOOR: _orjson,
    "json.loads": _json,
    "msgspec to plain attrs": _msgspec,
    "cattrs as it comes (orjson)": _cattrs,
    "pydantic model_validate_json": _pydantic,
    "openai models, optional parts": _openai(plain=False),
    "openai models, plain lists": _openai(plain=True),
    "stripe StripeObjects": _stripe,
}
GIVES: Final = {
    OURS: "typed, Money, raw kept",
    TOUCHED: "typed, Money, raw kept",
    "billingual, and raw read": "typed, Money, raw kept",
    FLOOR: "dicts",
    "json.loads": "dicts",
    "msgspec to plain attrs": "typed, ints, no raw",
    "cattrs as it comes (orjson)": "typed, ints, no raw",
    "pydantic model_validate_json": "typed, ints, no raw",
    "openai models, optional parts": "typed, ints, no raw",
    "openai models, plain lists": "typed, ints, no raw",
    "stripe StripeObjects": "untyped objects",
}
