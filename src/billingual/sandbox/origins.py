"""Who may use the control API and the page: this machine, and no web page but the sandbox's own.

A web page that is opened in a browser on this machine must not reach it. So a request must
name this machine as its host, which a page that had its name rebound to 127.0.0.1 does not; it must
not come from another origin; and a POST must be labelled as JSON, which no page can do to another
origin without asking first.
"""

from __future__ import annotations

from collections.abc import Mapping
from ipaddress import ip_address
from urllib.parse import urlsplit

from billingual.sandbox.actions import RefusalError
from billingual.sandbox.state import SandboxState

__all__ = ["refuse_foreign_host", "refuse_foreign_pages"]


def refuse_foreign_pages(state: SandboxState, headers: Mapping[str, str], method: str) -> None:
    """Refuse what a page of another origin may have sent.

    Raises:
        RefusalError: 403 if the host or the origin is another's; 415 if a POST is not JSON.
    """
    refuse_foreign_host(state, headers)
    origin = headers.get("origin")
    if origin is not None and urlsplit(origin).netloc != headers.get("host"):
        raise RefusalError(403, "foreign-origin", "A page of another origin has no access")
    if headers.get("sec-fetch-site", "none") not in {"none", "same-origin"}:
        raise RefusalError(403, "foreign-origin", "A page of another origin has no access")
    label = headers.get("content-type", "").partition(";")[0].strip().lower()
    if method == "POST" and label != "application/json":
        raise RefusalError(
            415, "content-type", "Send the header 'Content-Type: application/json', body or not"
        )


def refuse_foreign_host(state: SandboxState, headers: Mapping[str, str]) -> None:
    """Refuse a host that is not this machine, unless the sandbox takes any.

    Raises:
        RefusalError: 403 if it is another's.
    """
    host = headers.get("host")
    if host is not None and not state.any_host and not _is_here(host):
        raise RefusalError(
            403, "foreign-host", f"The host {host[:60]!r} is not this machine; use 127.0.0.1"
        )


def _is_here(host: str) -> bool:
    """Tell whether a Host header names this machine; a number cannot have been rebound."""
    try:
        name = urlsplit(f"//{host}").hostname or ""
    except ValueError:
        return False
    if name == "localhost" or name.endswith(".localhost"):
        return True
    try:
        ip_address(name)
    except ValueError:
        return False
    return True
