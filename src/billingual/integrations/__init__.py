"""Bridges to other tools, one module each; none is imported before its name is used."""

from __future__ import annotations
