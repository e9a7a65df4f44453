"""The well-known credentials of the sandbox: public on purpose, worth nothing elsewhere.

`ACCOUNTS` holds one default account per provider. `CREDENTIALS` holds these and the awkward ones
a client must cope with: a read-only key, an expired and a revoked key, another organization,
another tenant. `LANDMARKS` are ids that exist in the data of every seed, so that an example can
name them.
"""

from __future__ import annotations

from typing import Any

import attrs

__all__ = ["ACCOUNTS", "CREDENTIALS", "LANDMARKS", "Account", "account_of_token"]


@attrs.frozen(kw_only=True)
class Account:
    """Say who a token speaks for.

    Attributes:
        provider: `exante`, `kukkingu` or `katsu`.
        prefix: Path prefix of the provider in the sandbox; append it to the server's URL.
        token: The bearer token; hidden in the repr.
        tenant: Tenant id for the `tenant-id` header (kukkingu only).
        organization: Default organization (exante only).
        organizations: Every organization the user is a member of (exante only).
        user: Name shown by `GET /api/user` (exante only).
        scopes: Granted scopes; none means full access (exante only).
        state: `active`, `expired` or `revoked`.
    """

    provider: str
    prefix: str
    token: str = attrs.field(repr=False)
    tenant: str | None = None
    organization: str | None = None
    organizations: tuple[str, ...] = ()
    user: str = "Robin Vega"
    scopes: tuple[str, ...] = ()
    state: str = "active"

    def may_write(self) -> bool:
        """Tell whether the scopes allow more than reading invoices."""
        return not self.scopes or "invoices:write" in self.scopes


_ORGANIZATION = "00000000-0000-4000-8000-0000000000a1"
_SECOND_ORGANIZATION = "00000000-0000-4000-8000-0000000000a2"
_FOREIGN_ORGANIZATION = "00000000-0000-4000-8000-0000000000a3"
_TENANT = "tnt_sandbox00000000000000000"
_FOREIGN_TENANT = "tnt_sandbox00000000000000001"
_KUKKINGU_TOKEN = "kukkingu-sandbox-token"  # noqa: S105  public on purpose
_KUKKINGU_OTHER_TOKEN = "kukkingu-sandbox-other"  # noqa: S105  public on purpose
_KATSU_TOKEN = "katsu-sandbox-token"  # noqa: S105  public on purpose

LANDMARKS: dict[str, str] = {
    "exante_organization": _ORGANIZATION,
    "exante_second_organization": _SECOND_ORGANIZATION,
    "exante_foreign_organization": _FOREIGN_ORGANIZATION,
    "exante_party": "00000000-0000-4000-8000-0000000000b1",
    "exante_foreign_party": "00000000-0000-4000-8000-0000000000b3",
    "exante_document": "00000000-0000-4000-8000-0000000000d1",
    "exante_foreign_document": "00000000-0000-4000-8000-0000000000d3",
    "exante_archived_document": "00000000-0000-4000-8000-0000000000d4",
    "exante_blueprint": "00000000-0000-4000-8000-0000000000e1",
    "exante_inactive_blueprint": "00000000-0000-4000-8000-0000000000e4",
    "exante_owner": "00000000-0000-4000-8000-0000000000c1",
    "kukkingu_tenant": _TENANT,
    "kukkingu_foreign_tenant": _FOREIGN_TENANT,
    "kukkingu_contract": "ctr_sandbox00000000000000000",
    "kukkingu_foreign_contract": "ctr_sandbox00000000000000001",
    "katsu_invoice": "00000000-0000-4000-8000-0000000000f1",
}
"""Ids that every seed contains, by what they are."""


def _exante(token: str, **changes: Any) -> Account:
    account = Account(
        provider="exante",
        prefix="/exante",
        token=token,
        organization=_ORGANIZATION,
        organizations=(_ORGANIZATION, _SECOND_ORGANIZATION),
    )
    return attrs.evolve(account, **changes)


CREDENTIALS: dict[str, Account] = {
    "exante": _exante("ex_live_sandbox_default_9AbC"),
    "exante_read_only": _exante("ex_live_sandbox_readonly_1RdO", scopes=("invoices:read",)),
    "exante_expired": _exante("ex_live_sandbox_expired_2ExP", state="expired"),
    "exante_revoked": _exante("ex_live_sandbox_revoked_3ReV", state="revoked"),
    "exante_other": _exante(
        "ex_live_sandbox_other_4OtH",
        organization=_FOREIGN_ORGANIZATION,
        organizations=(_FOREIGN_ORGANIZATION,),
        user="Sascha Lindqvist",
    ),
    "kukkingu": Account(
        provider="kukkingu", prefix="/kukkingu", token=_KUKKINGU_TOKEN, tenant=_TENANT
    ),
    "kukkingu_other": Account(
        provider="kukkingu",
        prefix="/kukkingu",
        token=_KUKKINGU_OTHER_TOKEN,
        tenant=_FOREIGN_TENANT,
    ),
    "katsu": Account(provider="katsu", prefix="/katsu", token=_KATSU_TOKEN),
}
"""Every credential the sandbox knows, by name."""

ACCOUNTS: dict[str, Account] = {name: CREDENTIALS[name] for name in ("exante", "katsu", "kukkingu")}
"""The default account of each provider."""


def account_of_token(provider: str, token: str) -> Account | None:
    """Find the account a bearer token belongs to, in whatever state it is."""
    for account in CREDENTIALS.values():
        if account.provider == provider and account.token == token:
            return account
    return None
