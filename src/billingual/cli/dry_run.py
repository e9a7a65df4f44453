"""The exact request that a command would send."""

from __future__ import annotations

import sys

from billingual.cli.output import SheetFormat, write_json
from billingual.wire import WireRequest

__all__ = ["show_request"]


def show_request(request: WireRequest, output: SheetFormat, *, end: str = "\n") -> None:
    """Write a request as HTTP would, or as JSON; it is unsigned, so no token is in it.

    A request is no row, so that CSV shows it as the table does.
    """
    body = (request.body or b"").decode("utf-8")
    if output in {"table", "csv"}:
        lines = [f"{request.method} {request.url}"]
        lines += [f"{name}: {value}" for name, value in request.headers]
        sys.stdout.write("\n".join(lines) + "\n" + (f"\n{body}\n" if body else ""))
        return
    # The body stays the text it is: parsed and written again, it would not be what is sent.
    record = {
        "method": request.method,
        "url": request.url,
        "headers": dict(request.headers),
        "body": body or None,
    }
    write_json(record, indent=2 if output == "json" else None, end=end)
