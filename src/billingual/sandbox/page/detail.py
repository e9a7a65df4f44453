"""One exchange as the page shows it: a row of the list, and both sides of the wire."""

from __future__ import annotations

from http import HTTPStatus
from typing import Final

from billingual.sandbox.page.exchanges import Body, Exchange, Headers
from billingual.sandbox.page.operation import Sent
from billingual.sandbox.page.snippets import snippets_of
from billingual.sandbox.page.wire_text import (
    Secrets,
    body_text,
    masked_body,
    masked_pairs,
)

__all__ = ["detail", "row"]

_MAX_TARGET: Final = 500


def row(exchange: Exchange) -> dict[str, object]:
    """Give what the list shows of an exchange."""
    target = Secrets(exchange.request_headers).target(exchange.target)
    return {
        "number": exchange.number,
        "method": exchange.method,
        "target": target if len(target) <= _MAX_TARGET else f"{target[:_MAX_TARGET]}…",
        "status": exchange.status,
        "seconds": None if exchange.seconds is None else round(exchange.seconds, 4),
        "attempt": exchange.attempt,
        "fault": exchange.fault,
        "rule": exchange.rule,
        "cut": exchange.is_cut,
    }


def detail(exchange: Exchange, url: str) -> dict[str, object]:
    """Give both sides of an exchange, and the same request as commands to copy."""
    secrets = Secrets(exchange.request_headers)
    return {
        **row(exchange),
        "request": _side(
            f"{exchange.method} {secrets.target(exchange.target)}",
            exchange.request_headers,
            exchange.request_body,
            secrets,
        ),
        "response": _side(
            _status_line(exchange.status),
            exchange.response_headers,
            exchange.response_body,
            secrets,
        ),
        "snippets": snippets_of(_sent(exchange), url),
    }


def _sent(exchange: Exchange) -> Sent:
    body = exchange.request_body
    media_type = _media_type(exchange.request_headers)
    return Sent(
        provider=exchange.provider,
        method=exchange.method,
        path=exchange.path,
        query=masked_pairs(exchange.query),
        headers=exchange.request_headers,
        body=masked_body(body.kept, media_type) if body.is_whole else None,
    )


def _media_type(headers: Headers) -> str:
    return next((value for name, value in headers if name.lower() == "content-type"), "")


def _side(line: str, headers: Headers, body: Body, secrets: Secrets) -> dict[str, object]:
    return {
        "line": line,
        "headers": [
            [secrets.header("", name), secrets.header(name, value)] for name, value in headers
        ],
        "body": body_text(body, secrets, _media_type(headers)),
        "size": body.size,
    }


def _status_line(status: int | None) -> str:
    if status is None:
        return ""
    try:
        return f"{status} {HTTPStatus(status).phrase}"
    except ValueError:
        return str(status)
