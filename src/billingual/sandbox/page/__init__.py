"""The web page of a sandbox that is served: live requests, invoices, switches, calls to copy.

A sandbox in a program's own process has no page, and pays nothing for it.
"""

from __future__ import annotations

__all__: list[str] = []
