"""The front page: what is here, and one line per provider to try it with."""

from __future__ import annotations

from html import escape

from billingual.sandbox.accounts import ACCOUNTS, LANDMARKS

__all__ = ["curl_lines", "index_page", "index_record"]


def curl_lines(url: str) -> dict[str, str]:
    """Give one ready curl line per provider for a server at *url*."""
    bearer = {
        name: f"-H 'Authorization: Bearer {account.token}'" for name, account in ACCOUNTS.items()
    }
    body = f'{{"id": "{LANDMARKS["katsu_invoice"]}", "description": "Paid by card"}}'
    return {
        "exante": f"curl {bearer['exante']} '{url}/exante/api/invoices?status=OVERDUE&per_page=2'",
        "katsu": f"curl -X PUT {bearer['katsu']} -H 'Content-Type: application/json'"
        f" -d '{body}' '{url}/katsu/api/v1/Invoice/Update'",
        "kukkingu": f"curl {bearer['kukkingu']} -H 'tenant-id: {ACCOUNTS['kukkingu'].tenant}'"
        f" '{url}/kukkingu/api/v1/invoices?status=DRAFT'",
    }


def index_record(url: str) -> dict[str, object]:
    """Describe the sandbox as JSON."""
    lines = curl_lines(url)
    return {
        "name": "billingual sandbox",
        "providers": {
            name: {
                "prefix": account.prefix,
                "base_url": f"{url}{account.prefix}",
                "openapi": f"{url}{account.prefix}/openapi.json",
                "try": lines[name],
            }
            for name, account in ACCOUNTS.items()
        },
        "control": f"{url}/_sandbox/state",
    }


def index_page(url: str) -> str:
    """Describe the sandbox as a small HTML page."""
    sections = "".join(
        f"<h2>{escape(name)}</h2><p>Base URL <code>{escape(url + account.prefix)}</code>,"
        f" <a href='{account.prefix}/openapi.json'>OpenAPI</a></p>"
        f"<pre>{escape(curl_lines(url)[name])}</pre>"
        for name, account in ACCOUNTS.items()
    )
    controls = ", ".join(
        f"<a href='/_sandbox/{name}'>{name}</a>"
        for name in ("state", "requests", "faults", "settings")
    )
    return (
        "<!doctype html><html lang=en><meta charset=utf-8>"
        "<meta name=viewport content='width=device-width'><title>billingual sandbox</title>"
        "<style>:root{color-scheme:light dark}body{font:1rem/1.5 system-ui;"
        "max-width:60rem;margin:2rem auto;padding:0 1rem}"
        "pre{overflow:auto;padding:.5rem;border:1px solid}</style>"
        f"<h1>billingual sandbox</h1>{sections}"
        f"<h2>Control</h2><p>{controls}</p></html>"
    )
