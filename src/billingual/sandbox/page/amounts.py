"""Amounts of minor units as people write them."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Final

__all__ = ["amount_text"]

# Digits of the minor unit where they are not two. Source: ISO 4217, list one.
_DIGITS: Final[Mapping[str, int]] = {
    **dict.fromkeys(
        ("BIF", "CLP", "DJF", "GNF", "ISK", "JPY", "KMF", "KRW", "PYG", "RWF", "UGX", "UYI", "VND",
         "VUV", "XAF", "XOF", "XPF"), 0),
    **dict.fromkeys(("BHD", "IQD", "JOD", "KWD", "LYD", "OMR", "TND"), 3),
    **dict.fromkeys(("CLF", "UYW"), 4),
}  # fmt: skip


def amount_text(minor: int, currency: str) -> str:
    """Write an amount with its currency: `12.34 EUR`."""
    return f"{Decimal(minor).scaleb(-_DIGITS.get(currency, 2)):f} {currency}"
