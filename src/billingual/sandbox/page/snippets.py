"""A request as Python, curl and a command of billingual, ready to paste, and without a token."""

from __future__ import annotations

from billingual.sandbox.page.operation import Sent
from billingual.sandbox.page.placeholders import NO_COMMAND
from billingual.sandbox.page.python_code import call_program, request_program
from billingual.sandbox.page.recognition import operation_of
from billingual.sandbox.page.shell_code import call_command, curl_command
from billingual.sandbox.page.wire_text import Secrets, visible

__all__ = ["snippets_of"]


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
