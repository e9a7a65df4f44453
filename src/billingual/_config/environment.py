"""Options of a client from environment variables."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, cast

from billingual._config.url import (
    NUMBERS,
    ClientOptions,
    NamedOptions,
    from_address,
    limiter_from,
    mask_secrets,
    named,
    number_of,
    provider_of,
)
from billingual.auth import Secret
from billingual.errors import ConfigurationError

__all__ = ["from_environment"]

_VARIABLES: Final = (
    "BASE_URL", "DEADLINE", "LIMITER", "ORGANIZATION", "PROVIDER", "PROXY", "READING", "RETRY",
    "TENANT", "TIMEOUT", "TOKEN", "TRANSPORT",
)  # fmt: skip


def from_environment(getenv: Callable[[str], str | None], given: ClientOptions) -> NamedOptions:
    """Read ``BILLINGUAL_URL``, or ``BILLINGUAL_PROVIDER`` with the variables of its options.

    ``BILLINGUAL_TOKEN TENANT ORGANIZATION TRANSPORT BASE_URL RETRY TIMEOUT DEADLINE LIMITER PROXY
    READING`` add to either; a variable wins over the same option in the address.

    Raises:
        ConfigurationError: if no variable names a provider, or a value cannot be used.
        MissingExtraError: if the extra ``redis`` is needed and not installed.
    """
    found: dict[str, Any] = {
        name.lower(): value
        for name in _VARIABLES
        if (value := (getenv(f"BILLINGUAL_{name}") or "").strip())
    }
    found.update(mask_secrets(cast(ClientOptions, found)))
    if limiter := found.pop("limiter", None):
        limiter = Secret(limiter)
        found["limiter"] = limiter_from(limiter, "BILLINGUAL_LIMITER", may_hold_password=True)
    for name in NUMBERS & found.keys():
        found[name] = number_of(found[name], f"BILLINGUAL_{name.upper()}")
    name = found.pop("provider", None)
    options: dict[str, Any] = {**found, **given}
    if url := (getenv("BILLINGUAL_URL") or "").strip():
        addressed = from_address(url, cast(ClientOptions, options))
        if name is not None and provider_of(name) != addressed["provider"]:
            raise ConfigurationError(
                f"BILLINGUAL_URL names another provider than {name!r}, and the token may belong to "
                "either: unset one of them.",
                field="provider",
            )
        return addressed
    if name is None:
        raise ConfigurationError(
            "the environment names no provider; set BILLINGUAL_URL (like exante+httpx://host) or "
            "BILLINGUAL_PROVIDER. To try it without an account: BILLINGUAL_URL=exante+sandbox:"
        )
    return named(provider_of(name), options)
