"""The version, readable without asking the package metadata (which costs an import)."""

from __future__ import annotations

__all__ = ["__version__"]

__version__ = "0.1.0.dev0"
