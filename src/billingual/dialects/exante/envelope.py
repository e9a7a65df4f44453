"""Exante's envelope ``{status, status_code, message, data}``, in all the forms it was seen in.

Source: https://docs.exante.app/api-reference/invoices/bulk-delete calls ``data`` optional; sibling
pages leave out ``status_code``, or say ``success: true`` instead of a status, and one says
``skipped: true`` with a ``reason`` where it did nothing; read 2026-11.
"""

from __future__ import annotations

from typing import Final

import attrs
import msgspec

from billingual.dialects._kit.codec import is_plain
from billingual.dialects._kit.http import Answer, error_class
from billingual.dialects._kit.records import unknown
from billingual.errors import RejectedError

_OWN: Final = frozenset({"status", "status_code", "success", "message", "data"})


class Meta(msgspec.Struct, gc=False):
    """Where a page stands in its list."""

    page: int | None = None
    total_pages: int | None = None
    total_items: int | None = None


class PlainPage(msgspec.Struct, gc=False, rename={"meta": "_meta"}):
    """The data of a page; its links are never followed, so they are not read."""

    items: list[msgspec.Raw] | msgspec.UnsetType = msgspec.UNSET
    meta: Meta | None = None


class _Plain(msgspec.Struct, gc=False, forbid_unknown_fields=True):
    """An envelope as it is nearly always: with nothing in it that is not documented."""

    data: PlainPage | list[msgspec.Raw] | None = None
    status: str | None = None
    status_code: int | None = None
    success: bool | None = None
    message: object = None


class _One(msgspec.Struct, gc=False):
    data: msgspec.Raw


_read_plain: Final = msgspec.json.Decoder(_Plain).decode
_read_one: Final = msgspec.json.Decoder(_One).decode


@attrs.define
class Envelope:
    """An envelope that was opened, and says yes.

    Attributes:
        answer: the answer that it came in.
        plain: its data in parts that nobody has read yet; None where only :attr:`body` tells.
    """

    answer: Answer
    plain: PlainPage | list[msgspec.Raw] | None

    @property
    def body(self) -> dict[str, object]:
        """The whole body, read."""
        return self.answer.read()

    @property
    def plain_data(self) -> msgspec.Raw:
        """The data as it came."""
        return _read_one(self.answer.response.body).data


def open_envelope(answer: Answer, *, needs_data: bool) -> Envelope:
    """Judge an answer in three layers and open its envelope.

    Raises:
        ProviderError: if the status, the envelope or the lack of a payload says no.
    """
    answer.refuse_status()
    if not needs_data and answer.response.status == 204:
        return Envelope(answer, None)
    plain = answer.response.read(_plainly)
    if plain is not None and plain.data is not None:
        _judge(answer, plain.status_code, plain.status, plain.success)
        return Envelope(answer, plain.data)
    body = answer.read()
    _judge(answer, body.get("status_code"), body.get("status"), body.get("success"))
    if not needs_data and body.get("skipped") is True:
        # Where a payload comes too, the caller learns it from that; here nothing else would tell.
        raise answer.refusal(RejectedError)
    if needs_data and not isinstance(body.get("data"), (dict, list)):
        raise answer.unreadable("$.data", "there is no payload")
    return Envelope(answer, None)


def beside_data(body: dict[str, object]) -> dict[str, object]:
    """Return what the envelope says beyond its documented fields, such as ``skipped``."""
    return unknown(body, _OWN)


def _plainly(body: bytes) -> _Plain | None:
    if not is_plain(body):
        return None
    try:
        return _read_plain(body)
    except (msgspec.DecodeError, RecursionError):
        return None


def _judge(answer: Answer, code: object, status: object, success: object) -> None:
    if code is not None and type(code) is not int:
        raise answer.unreadable("$.status_code", "it is no whole number")
    if isinstance(code, int) and code >= 400:
        kind = error_class(code) if code <= 599 else None
        raise answer.refusal(kind or RejectedError, code)
    if status is not None and not isinstance(status, str):
        raise answer.unreadable("$.status", "it is no text")
    # Some sibling pages leave the status out; what is not there says nothing.
    if (status is not None and status.lower() != "success") or success is False:
        raise answer.refusal(RejectedError)
