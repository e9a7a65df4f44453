"""The start page of a sandbox as JSON: its addresses, and one command to try each provider."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Final

from billingual.sandbox.accounts import ACCOUNTS, LANDMARKS

__all__ = ["KATSU_DOCUMENT", "curl_commands", "index_record"]

# Complete, because the provider clears what a document leaves out. The invoice is in every seed;
# of the ids that belong to it the provider documents only that they are UUIDs.
KATSU_DOCUMENT: Final[dict[str, object]] = {
    "id": LANDMARKS["katsu_invoice"],
    "counterPartyId": "00000000-0000-4000-8000-0000000000f2",
    "counterPartyName": "Hollis Timber GmbH",
    "receivingAccountId": "00000000-0000-4000-8000-0000000000f3",
    "accountName": "Operating account",
    "dueDate": "2026-12-31T00:00:00Z",
    "currency": 1,
    "products": [
        {
            "productId": "00000000-0000-4000-8000-0000000000f4",
            "quantity": 3,
            "unitPrice": 40,
        }
    ],
    "taxes": [{"taxId": "00000000-0000-4000-8000-0000000000f5", "taxPercentageValue": 7.5}],
    "discount": {"discountType": 2, "discountValue": 20},
    "description": "Paid by card",
    "billingCycle": 6,
    "recuringInvoice": False,
    "paymentMethods": [1],
    "notification": [1],
    "beforeDueDates": [3],
    "afterDueDates": [1, 7],
    "onDueDate": True,
}


def curl_commands(url: str) -> dict[str, str]:
    """Give one curl command per provider for a server at *url*, ready to be pasted into a shell.

    A long one goes over several lines.
    """
    bearer = {
        name: f"-H 'Authorization: Bearer {account.token}'" for name, account in ACCOUNTS.items()
    }
    return {
        "exante": f"curl {bearer['exante']} '{url}/exante/api/invoices?status=OVERDUE&per_page=2'",
        "katsu": f"curl -X PUT '{url}/katsu/api/v1/Invoice/Update' \\\n"
        f"  {bearer['katsu']} \\\n"
        "  -H 'Content-Type: application/json' \\\n"
        f"  -d '{_member_by_member(KATSU_DOCUMENT)}'",
        "kukkingu": f"curl {bearer['kukkingu']} -H 'tenant-id: {ACCOUNTS['kukkingu'].tenant}'"
        f" '{url}/kukkingu/api/v1/invoices?status=DRAFT'",
    }


def _member_by_member(document: Mapping[str, object]) -> str:
    """Write JSON with one member a line; the members hold no quote that would end a shell's."""
    members = (f'"{name}": {json.dumps(value)}' for name, value in document.items())
    return "{\n    " + ",\n    ".join(members) + "\n  }"


def index_record(url: str) -> dict[str, object]:
    """Describe the sandbox as JSON."""
    commands = curl_commands(url)
    return {
        "name": "billingual sandbox",
        "providers": {
            name: {
                "prefix": account.prefix,
                "base_url": f"{url}{account.prefix}",
                "openapi": f"{url}{account.prefix}/openapi.json",
                "try": commands[name],
            }
            for name, account in ACCOUNTS.items()
        },
        "control": f"{url}/_sandbox/state",
    }
