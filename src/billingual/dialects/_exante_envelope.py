"""Exante's envelope ``{status, status_code, message, data}``, in all the forms it was seen in.

Source: https://docs.exante.app/api-reference/invoices/bulk-delete calls ``data`` optional; sibling
pages leave out ``status_code``, or say ``success: true`` instead of a status, and one says
``skipped: true`` with a ``reason`` where it did nothing; read 2026-11.
"""

from __future__ import annotations

from typing import Final

from billingual.dialects._http import Answer, error_class
from billingual.dialects._records import unknown
from billingual.errors import RejectedError

_OWN: Final = frozenset({"status", "status_code", "success", "message", "data"})


def open_envelope(answer: Answer, *, needs_data: bool) -> dict[str, object]:
    """Judge an answer in three layers and return its body.

    Raises:
        ProviderError: if the status, the envelope or the lack of a payload says no.
    """
    answer.refuse_status()
    if not needs_data and answer.response.status == 204:
        return {}
    body = answer.read()
    _judge(answer, body)
    if not needs_data and body.get("skipped") is True:
        # Where a payload comes too, the caller learns it from that; here nothing else would tell.
        raise answer.refusal(RejectedError)
    if needs_data and not isinstance(body.get("data"), (dict, list)):
        raise answer.unreadable("$.data", "there is no payload")
    return body


def beside_data(body: dict[str, object]) -> dict[str, object]:
    """Return what the envelope says beyond its documented fields, such as ``skipped``."""
    return unknown(body, _OWN)


def _judge(answer: Answer, body: dict[str, object]) -> None:
    code = body.get("status_code")
    if code is not None and type(code) is not int:
        raise answer.unreadable("$.status_code", "it is no whole number")
    if isinstance(code, int) and code >= 400:
        kind = error_class(code) if code <= 599 else None
        raise answer.refusal(kind or RejectedError, code)
    status = body.get("status")
    if status is not None and not isinstance(status, str):
        raise answer.unreadable("$.status", "it is no text")
    # Some sibling pages leave the status out; what is not there says nothing.
    if (status is not None and status.lower() != "success") or body.get("success") is False:
        raise answer.refusal(RejectedError)
