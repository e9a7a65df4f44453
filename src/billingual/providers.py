"""Presets of the providers we know, and what says in a preset of your own how a token is sent."""

from __future__ import annotations

from collections.abc import Mapping

from billingual.abc import Provider
from billingual.auth import Basic, Bearer, HeaderKey
from billingual.errors import InvalidInputError

__all__ = ["Basic", "Bearer", "HeaderKey", "exante", "katsu", "kukkingu"]


def exante(*, search_param: str = "search") -> Provider:
    """Preset for Exante: single invoices and all-or-nothing batches.

    Args:
        search_param: the query parameter of ``Filter.search``. The documentation describes it
            without its name; ``search`` is a guess that we could not check.

    The base URL is the only one that the documentation shows, and it names no production host. If
    you know another, give ``base_url=``.

    Source: https://docs.exante.app/api-reference/invoices/list, read 2026-11.
    """
    return Provider(
        name="exante",
        dialects=("exante", "bulk"),
        base_url="https://dev.exante.app",
        options={"exante": {"search_param": search_param}},
    )


def kukkingu() -> Provider:
    """Preset for Kukkingu: invoices of a tenant, with status locks.

    Source: https://docs.kukkingu.software/api-reference/invoices/create-invoice, read 2026-11.
    """
    return Provider(
        name="kukkingu",
        dialects=("tenant",),
        base_url="https://api.contracting.kukkingu.software",
    )


def katsu(
    *,
    currencies: Mapping[str, int] | None = None,
    api_version: str = "v1",
    version_param: bool = False,
) -> Provider:
    """Preset for Katsu Pay: whole invoices replaced at once.

    Args:
        currencies: the provider's number for each ISO 4217 code you use. The numbers are not
            documented; look them up in your account or ask the provider's support.
        api_version: the path segment. Default ``"v1"``.
        version_param: also send it as the query parameter ``version``. Default False.

    No base URL is documented, so ``base_url=`` must be given. A token is sent if you give one; the
    documentation says both that none is needed and that one is.

    Source: https://sabi-docs.netlify.app/api/Katsu%20Pay/Invoice/update_invoice, read 2026-11.
    """
    if not (currencies is None or isinstance(currencies, Mapping)):
        raise InvalidInputError(
            "currencies",
            f"{type(currencies).__name__} is no mapping",
            "give numbers by code, like {'EUR': 1}",
        )
    return Provider(
        name="katsu",
        dialects=("v1",),
        needs_token=False,
        options={
            "v1": {
                "currencies": dict(currencies or {}),
                "api_version": api_version,
                "version_param": version_param,
            }
        },
    )
