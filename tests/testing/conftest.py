"""A real server on loopback that says, byte for byte, what a test tells it to."""

from __future__ import annotations

from _support.wires.scripted_server import say, serve

__all__ = ["say", "serve"]
