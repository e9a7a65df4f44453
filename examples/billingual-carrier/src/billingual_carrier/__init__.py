"""A transport over the standard library alone: ``Client("exante", transport="stdlib")``."""

from __future__ import annotations

from billingual_carrier.transport import StdlibTransport

__all__ = ["StdlibTransport"]
