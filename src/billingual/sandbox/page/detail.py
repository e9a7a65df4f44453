"""One exchange as the page shows it: a row, both sides of the wire, and commands to copy."""

from __future__ import annotations

from http import HTTPStatus
from typing import Final

from billingual.sandbox.page.exchanges import Body, Exchange, Headers
from billingual.sandbox.page.operation import NO_COMMAND, Sent
from billingual.sandbox.page.python_code import call_program, request_program
from billingual.sandbox.page.recognition import operation_of
from billingual.sandbox.page.shell_code import call_command, curl_command
from billingual.sandbox.page.wire_text import Secrets, body_text, masked_body, masked_pairs, visible

__all__ = ["detail", "row", "snippets_of"]

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


def snippets_of(sent: Sent, url: str) -> dict[str, str]:
    """Write a request for a sandbox at *url* as `python`, `curl` and `cli`."""
    operation = operation_of(sent)
    curl = curl_command(sent, url)
    command = None if operation is None else call_command(sent, operation, url)
    texts = {
        "python": (
            request_program(sent, url) if operation is None else call_program(sent, operation, url)
        ),
        "curl": curl,
        "cli": f"{NO_COMMAND}\n{curl}" if command is None else command,
    }
    secrets = Secrets(sent.headers)
    return {name: visible(secrets.masked(text)) for name, text in texts.items()}
