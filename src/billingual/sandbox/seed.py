"""The data a sandbox starts with: dated around its clock, and the same for the same seed."""

from __future__ import annotations

import random
from decimal import Decimal
from functools import lru_cache

from billingual.sandbox.accounts import LANDMARKS
from billingual.sandbox.instants import DAY, millisecond_text
from billingual.sandbox.json_text import json_text
from billingual.sandbox.providers.exante.seed import sow_exante
from billingual.sandbox.providers.katsu.invoices import amount_of
from billingual.sandbox.state import SandboxState
from billingual.sandbox.store import IdGenerator, Store, Tables

__all__ = ["DEFAULT_INVOICES", "DEFAULT_SEED", "seed_store"]

DEFAULT_SEED = 42
"""The seed of a sandbox that got none."""

DEFAULT_INVOICES = 1000
"""How many invoices Exante's default organization starts with."""

_KUKKINGU_INVOICES = 60
_KATSU_INVOICES = 20
_CLIENTS = (
    ("Harbour Robotics GmbH", "EUR", "1"),
    ("Kanda Denki K.K.", "JPY", "163.4"),
    ("Al Noor Trading W.L.L.", "KWD", "0.33125"),
    ("Nordlys Analytics ApS", "DKK", "7.4604"),
    ("Casa Olmo S.r.l.", "EUR", "1"),
)
_SCOPES = ("Website relaunch", "Data platform", "Support retainer", "Field study", "Mobile app")


def seed_store(state: SandboxState, seed: int, invoices: int) -> None:
    """Replace all data by that of *seed*, with *invoices* in Exante's default organization.

    Call it inside a transaction of the store.
    """
    now = state.clock.now()
    state.store.clear()
    if invoices > DEFAULT_INVOICES:
        # Too large to be kept in memory for a second sandbox.
        _sow(state.store, seed, now, invoices)
    else:
        state.store.fill(_sown(seed, now, invoices))
        state.store.resume()


@lru_cache(maxsize=4)
def _sown(seed: int, now: int, invoices: int) -> Tables:
    """Sow once what a test suite starts, and resets, hundreds of sandboxes with."""
    store = Store()
    with store.transaction():
        _sow(store, seed, now, invoices)
    tables = store.tables()
    store.close()
    return tables


def _sow(store: Store, seed: int, now: int, invoices: int) -> None:
    store.ids = IdGenerator(seed)
    store.set_meta("seed", seed)
    store.set_meta("invoices", invoices)
    store.set_meta("clock", now)
    # The draws decide what plausible data looks like, nothing secret.
    sow_exante(store, random.Random(f"exante {seed}"), now, invoices)  # noqa: S311
    _sow_kukkingu(store, random.Random(f"kukkingu {seed}"), now)  # noqa: S311
    _sow_katsu(store, random.Random(f"katsu {seed}"), now)  # noqa: S311
    store.set_meta("counter", store.ids.counter)


def _sow_kukkingu(store: Store, draw: random.Random, now: int) -> None:
    tenants = (
        (
            LANDMARKS["kukkingu_tenant"],
            "Studio Kuk",
            LANDMARKS["kukkingu_contract"],
            _KUKKINGU_INVOICES,
        ),
        (
            LANDMARKS["kukkingu_foreign_tenant"],
            "Atelier Nord",
            LANDMARKS["kukkingu_foreign_contract"],
            5,
        ),
    )
    for tenant, name, first_contract, count in tenants:
        created = now - 500 * DAY
        store.insert("kukkingu_tenant", {"id": tenant, "name": name, "created": created})
        contracts = [
            _contract(
                store, draw, now, tenant, index=index, id=first_contract if index == 0 else None
            )
            for index in range(len(_CLIENTS))
        ]
        for index in range(count):
            _kukkingu_invoice(
                store, draw, now, tenant, contracts[index % len(contracts)], index=index
            )


def _contract(
    store: Store, draw: random.Random, now: int, tenant: str, *, index: int, id: str | None
) -> tuple[str, str, str]:
    """Add a client with one contract; give the contract's id, currency and rate."""
    ids, created = store.ids, millisecond_text(now - 400 * DAY)
    name, currency, rate = _CLIENTS[index]
    client, contract = ids.prefixed("clnt_"), id or ids.prefixed("ctr_")
    stamps = {"createdAt": created, "updatedAt": created}
    doc = json_text({"id": client, "name": name, **stamps})
    store.insert("kukkingu_client", {"id": client, "tenant": tenant, "doc": doc})
    record = {
        "name": f"{_SCOPES[index]} {name.split()[0]}",
        "description": None,
        "amountMinor": draw.randrange(100_000, 5_000_000),
        "currencyCode": currency,
        "order": index,
        "validFrom": created,
        "validTo": None,
        **stamps,
    }
    store.insert(
        "kukkingu_contract",
        {"id": contract, "tenant": tenant, "client": client, "doc": json_text(record)},
    )
    return contract, currency, rate


def _kukkingu_invoice(
    store: Store,
    draw: random.Random,
    now: int,
    tenant: str,
    contract: tuple[str, str, str],
    *,
    index: int,
) -> None:
    status = ("DRAFT", "FINALIZED", "FINALIZED", "FINALIZED", "VOID")[draw.randrange(5)]
    status = ("DRAFT", "FINALIZED", "VOID")[index] if index < 3 else status
    issued = now // DAY * DAY - draw.randrange(1, 300) * DAY
    due = issued + 30 * DAY
    paid = issued + draw.randrange(1, 45) * DAY
    is_paid = status == "FINALIZED" and paid < now and draw.random() < 0.7
    number = f"INV-{millisecond_text(issued)[:4]}-{index + 1:04d}"
    record = {
        "invoiceNumber": number,
        "exchangeRate": Decimal(contract[2]),
        "currencyCode": contract[1],
        "amountMinor": draw.randrange(10_000, 4_000_000),
        "issuedAt": millisecond_text(issued),
        "dueAt": millisecond_text(due),
        "paidAt": millisecond_text(paid) if is_paid else None,
    }
    store.insert(
        "kukkingu_invoice",
        {
            "id": store.ids.prefixed("inv_"),
            "tenant": tenant,
            "contract": contract[0],
            "status": status,
            "number": number,
            "created": issued,
            "updated": issued,
            "doc": json_text(record),
        },
    )


def _sow_katsu(store: Store, draw: random.Random, now: int) -> None:
    ids = store.ids
    for index in range(_KATSU_INVOICES):
        created = now // DAY * DAY - draw.randrange(1, 90) * DAY
        products = [
            {
                "productId": ids.uuid(),
                "quantity": draw.randrange(1, 20),
                "unitPrice": Decimal(draw.randrange(500, 90_000)) / 100,
            }
            for _ in range(draw.randrange(1, 5))
        ]
        record: dict[str, object] = {
            "id": LANDMARKS["katsu_invoice"] if index == 0 else ids.uuid(),
            "counterPartyId": ids.uuid(),
            "counterPartyName": draw.choice(_CLIENTS)[0],
            "receivingAccountId": ids.uuid(),
            "accountName": "Operating account",
            "dueDate": millisecond_text(created + 30 * DAY),
            "currency": 1,
            "products": products,
            "taxes": [{"taxId": ids.uuid(), "taxPercentageValue": Decimal("7.5")}],
            "discount": {"discountType": 2, "discountValue": Decimal("1.25")},
            "description": draw.choice(_SCOPES),
            "billingCycle": 6,
            "recuringInvoice": False,
            "paymentMethods": [1],
            "notification": [1],
            "beforeDueDates": [3],
            "afterDueDates": [1, 7],
            "onDueDate": True,
        }
        row = {"id": record["id"], "created": created, "doc": json_text(record)}
        store.insert("katsu_invoice", {**row, "amount": json_text(amount_of(record))})
