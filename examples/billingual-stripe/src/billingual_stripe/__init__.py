"""Stripe invoices for billingual: ``AsyncClient("stripe", token="sk_...")``."""

from __future__ import annotations

from billingual import Provider

from billingual_stripe.dialect import VERSION, StripeDialect

__all__ = ["StripeDialect", "stripe"]


def stripe(*, version: str = VERSION) -> Provider:
    """Preset for Stripe.

    Args:
        version: the version of the API to ask for; it decides which fields an invoice has.

    Source: https://docs.stripe.com/api, read 2026-11.
    """
    return Provider(
        name="stripe",
        dialects=("stripe",),
        base_url="https://api.stripe.com",
        options={"stripe": {"version": version}},
    )
