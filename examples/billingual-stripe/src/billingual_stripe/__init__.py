"""Stripe invoices for billingual: ``AsyncClient("stripe", token="sk_...")``."""

from __future__ import annotations

from billingual import Provider

from billingual_stripe.dialect import VERSION, StripeDialect

__all__ = ["StripeDialect", "stripe"]


def stripe(*, version: str = VERSION) -> Provider:
    """Preset for Stripe, asked for *version* of its API. Source: https://docs.stripe.com/api."""
    url, options = "https://api.stripe.com", {"stripe": {"version": version}}
    return Provider(name="stripe", dialects=("stripe",), base_url=url, options=options)
