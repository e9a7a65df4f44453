"""Speak to another API of a known family: same dialect, other address and name."""

from __future__ import annotations

from billingual import AsyncClient, Changes, Provider

ACME = Provider(name="acme", dialects=("tenant",), base_url="https://billing.acme.example")


def main() -> None:
    """Show the exact request without sending it."""
    client = AsyncClient(
        ACME,
        token="your-token",  # noqa: S106 - an example
        tenant="tnt_pfh0haxfpzowht3oi213cqos",
    )
    request = client.preview.update(
        "inv_mqxd1kc6bgtcc676xoqzax47", Changes(paid_at="2026-11-21T09:00:00Z")
    )
    print(request.method, request.url)
    print((request.body or b"").decode())


main()
