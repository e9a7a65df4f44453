"""Exante's part of the starting data: three organizations and what belongs to them."""

from __future__ import annotations

import random
from typing import Any

import attrs

from billingual.sandbox.accounts import LANDMARKS
from billingual.sandbox.instants import DAY, SECOND, day_of, second_text
from billingual.sandbox.json_text import json_text
from billingual.sandbox.providers.exante.records import amounts_of, fields_array
from billingual.sandbox.store import Store

__all__ = ["sow_exante"]

_FOREIGN_INVOICES = 12
_SECOND_INVOICES = 40
_PAYABLES = 10
_PARTIES = 24
_DOCUMENTS = 18
_BLUEPRINTS = 8
_MIX = (
    ("PAID", 34),
    ("SENT", 18),
    ("OVERDUE", 14),
    ("DRAFT", 10),
    ("PARTIALLY_PAID", 7),
    ("APPROVED", 5),
    ("SCHEDULED", 4),
    ("DISPUTED", 3),
    ("VOID", 3),
    ("CANCELLED", 2),
)
_SERIES = {"ACCOUNTS_RECEIVABLE": "INV", "ACCOUNTS_PAYABLE": "BILL"}
_CURRENCIES = ("USD",) * 12 + ("EUR",) * 4 + ("GBP",) * 2 + ("JPY", "KWD")
_NAMES = (
    *("Acme", "Globex", "Initech", "Umbra", "Northwind", "Contoso", "Vandelay", "Hooli"),
    *("Soylent", "Stark", "Wayne", "Wonka", "Tyrell", "Cyberdyne", "Aperture", "Massive"),
    *("Pied", "Duff", "Oscorp", "Gringotts"),
)
_TRADES = ("Logistics", "Foods", "Labs", "Design", "Energy", "Textiles", "Health", "Media")
_STREETS = ("Harbour Road", "Mill Lane", "Calle Mayor", "Rue des Arts", "Lindenweg")
_CITIES = ("Lisbon", "Leeds", "Lyon", "Lübeck", "Łódź", "Limerick", "Lima", "Lagos")
_PEOPLE = ("Ada Okoye", "Ben Suzuki", "Chloé Martin", "Dario Conti", "Edda Jónsdóttir")
_GOODS = (
    ("Onboarding", 150_000),
    ("Support hours", 9_500),
    ("Seat licence", 4_900),
    ("API calls, million", 2_250),
    ("Training day", 120_000),
    ("Storage, terabyte", 1_999),
    ("Audit", 480_000),
    ("Hardware kit", 27_350),
)


@attrs.frozen
class _Ground:
    """What the invoices of one organization may refer to, and the instant they are dated around."""

    now: int
    organization: str
    parties: list[str]
    documents: list[str]
    blueprints: list[str]


def sow_exante(store: Store, draw: random.Random, now: int, invoices: int) -> None:
    """Add three organizations; the default one has *invoices* receivables and some payables."""
    own = _ground(store, draw, now, "", "Robin Vega Consulting")
    second = _ground(store, draw, now, "second_", "Vega Workshop")
    other = _ground(store, draw, now, "foreign_", "Lindqvist & Co")
    for index in range(invoices):
        _invoice(store, draw, own, index)
    for index in range(_PAYABLES):
        _invoice(store, draw, own, invoices + index, type="ACCOUNTS_PAYABLE")
    for index in range(_SECOND_INVOICES):
        _invoice(store, draw, second, index)
    for index in range(_FOREIGN_INVOICES):
        _invoice(store, draw, other, index)


def _ground(store: Store, draw: random.Random, now: int, whose: str, name: str) -> _Ground:
    """Add an organization and what its invoices refer to; landmarks take the first places."""
    ids = store.ids
    organization = LANDMARKS[f"exante_{whose}organization"]
    provider = _party(draw, ids.uuid(), ids.uuid(), name, role="SERVICE_PROVIDER")
    doc = json_text({"name": name, "party": provider})
    store.insert("exante_organization", {"uid": organization, "doc": doc})
    ground = _Ground(
        now,
        organization,
        parties=[ids.uuid() for _ in range(_PARTIES)],
        documents=[ids.uuid() for _ in range(_DOCUMENTS)],
        blueprints=[ids.uuid() for _ in range(_BLUEPRINTS)],
    )
    ground.parties[0] = LANDMARKS.get(f"exante_{whose}party", ground.parties[0])
    ground.documents[0] = LANDMARKS.get(f"exante_{whose}document", ground.documents[0])
    if not whose:
        ground.documents[-1] = LANDMARKS["exante_archived_document"]
        ground.blueprints[0] = LANDMARKS["exante_blueprint"]
        ground.blueprints[-1] = LANDMARKS["exante_inactive_blueprint"]
    _sow_ground(store, draw, ground)
    return ground


def _sow_ground(store: Store, draw: random.Random, ground: _Ground) -> None:
    """Add the rows; the last two documents are archived, the last blueprint is inactive."""
    organization = ground.organization
    for index, uid in enumerate(ground.parties):
        name = f"{_NAMES[index % len(_NAMES)]} {draw.choice(_TRADES)}"
        doc = json_text(_party(draw, uid, store.ids.uuid(), name, role="CLIENT"))
        party = {"uid": uid, "organization": organization, "name": name, "doc": doc}
        store.insert("exante_party", party)
    for index, uid in enumerate(ground.documents):
        document = {
            "uid": uid,
            "organization": organization,
            "filename": f"contract-{index + 1:03d}.pdf",
            "archived": index >= _DOCUMENTS - 2,
        }
        store.insert("exante_document", document)
    for index, uid in enumerate(ground.blueprints):
        blueprint = {
            "uid": uid,
            "organization": organization,
            "active": index < _BLUEPRINTS - 1,
        }
        store.insert("exante_blueprint", blueprint)


def _party(draw: random.Random, uid: str, contact: str, name: str, *, role: str) -> dict[str, Any]:
    person = draw.choice(_PEOPLE)
    return {
        "uid": uid,
        "name": name,
        "address": f"{draw.randrange(1, 200)} {draw.choice(_STREETS)}, {draw.choice(_CITIES)}",
        "billing_contact": {
            "uid": contact,
            "party_uid": uid,
            "name": person,
            "title": "Accounts payable",
            "email": f"billing@{name.split(maxsplit=1)[0].lower()}.example",
            "phone": f"+1 555 01{draw.randrange(100):02d}",
        },
        "role": role,
    }


def _invoice(
    store: Store,
    draw: random.Random,
    ground: _Ground,
    index: int,
    type: str = "ACCOUNTS_RECEIVABLE",
) -> None:
    # The first ten show the ten statuses, so that even a small seed has them all.
    status = _MIX[index][0] if index < len(_MIX) else _status(draw)
    issue, due, paid = _dates(draw, ground.now, status)
    uid = store.ids.uuid()
    doc = _doc(store, draw, uid, status, issue)
    blueprint = draw.choice(ground.blueprints) if draw.random() < 0.4 else None
    store.insert(
        "exante_invoice",
        {
            "uid": uid,
            "organization": ground.organization,
            "number": f"{_SERIES[type]}-{second_text(issue)[:4]}-S{index + 1:05d}",
            "type": type,
            "status": status,
            "collection_method": draw.choice(
                ("charge_automatically", "send_invoice", "send_invoice")
            ),
            "issue_date": issue,
            "due_date": due,
            "paid_date": paid,
            "due_day": day_of(due),
            "total": doc["total_cents"],
            "party": draw.choice(ground.parties),
            "document": draw.choice(ground.documents),
            "blueprint": blueprint,
            "doc": json_text(doc),
        },
    )


def _status(draw: random.Random) -> str:
    return draw.choices([name for name, _ in _MIX], [weight for _, weight in _MIX])[0]


def _dates(draw: random.Random, now: int, status: str) -> tuple[int, int, int | None]:
    """Draw issue, due and paid dates that fit the status today."""
    today, terms = now // DAY, draw.choice((14, 30, 30, 45, 60))
    if status in ("DRAFT", "APPROVED", "SENT"):
        issued = today - draw.randrange(terms)
    elif status == "SCHEDULED":
        issued = today + draw.randrange(1, 30)
    elif status in ("OVERDUE", "DISPUTED", "PARTIALLY_PAID"):
        issued = today - terms - draw.randrange(1, 150)
    else:
        issued = today - draw.randrange(20, 540)
    paid = None
    if status == "PAID":
        paid = min(issued + draw.randrange(1, terms + 20), today - 1) * DAY + draw.randrange(DAY)
        paid -= paid % SECOND
    return issued * DAY, (issued + terms) * DAY, paid


def _doc(store: Store, draw: random.Random, uid: str, status: str, issue: int) -> dict[str, Any]:
    currency = draw.choice(_CURRENCIES)
    items = [_line_item(store, draw, uid, currency) for _ in range(draw.randrange(1, 5))]
    if draw.random() < 0.2:
        items.append(_discount(store, uid, currency, draw.randrange(1, 4) * 500))
    tax, credit = draw.choice((0, 7, 19, 21)), 250 if draw.random() < 0.05 else 0
    amounts = amounts_of(items, tax_percent=tax, credit=credit)
    share = {"PAID": 1.0, "PARTIALLY_PAID": 0.25}.get(status, 0.0)
    paid = int(amounts["amount_due_cents"] * share)
    fields = {"payment_terms": {"type": "string", "value": "NET_30"}}
    if draw.random() < 0.3:
        fields["project_name"] = {"type": "string", "value": draw.choice(_GOODS)[0]}
    return {
        **amounts_of(items, tax_percent=tax, credit=credit, paid=paid),
        "currency": currency,
        "owner_uid": LANDMARKS["exante_owner"],
        "line_items": items,
        "invoice_fields": fields_array(fields),
        "integrations": _integrations(store, uid, issue) if draw.random() < 0.1 else [],
        "invoice_notes": {"invoice_memo": "Thank you for your business.", "invoice_footer": None},
        "comments": _comments(store, draw, issue) if draw.random() < 0.1 else [],
    }


def _line_item(store: Store, draw: random.Random, uid: str, currency: str) -> dict[str, Any]:
    name, price = draw.choice(_GOODS)
    quantity = draw.randrange(1, 12)
    return {
        "uid": store.ids.uuid(),
        "invoice_uid": uid,
        "context_type_uid": store.ids.uuid(),
        "context_type": "PRODUCT",
        "context_name": name,
        "currency": currency,
        "quantity": quantity,
        "unit_price": price,
        "line_total": quantity * price,
    }


def _discount(store: Store, uid: str, currency: str, amount: int) -> dict[str, Any]:
    """Make a discount line, which the documentation's example writes as a positive number."""
    return {
        "uid": store.ids.uuid(),
        "invoice_uid": uid,
        "context_type_uid": store.ids.uuid(),
        "context_type": "DISCOUNT",
        "context_name": "Loyalty discount",
        "currency": currency,
        "quantity": 1,
        "unit_price": amount,
        "line_total": amount,
    }


def _integrations(store: Store, uid: str, issue: int) -> list[dict[str, Any]]:
    stamp = second_text(issue)
    return [
        {
            "uid": store.ids.uuid(),
            "entity_uid": uid,
            "integration_name": "stripe",
            "integration_uid": f"in_{uid[:8]}",
            "created_at": stamp,
            "updated_at": stamp,
            "integration_metadata": {},
        }
    ]


def _comments(store: Store, draw: random.Random, issue: int) -> list[dict[str, Any]]:
    stamp = second_text(issue + DAY)
    actor = {"id": 7, "fullname": draw.choice(_PEOPLE), "avatar": "", "email": "ap@acme.example"}
    return [
        {
            "uid": store.ids.uuid(),
            "text": "Please add our order number.",
            "created_at": stamp,
            "last_modified_at": stamp,
            "resolved_by": None,
            "resolved_at": None,
            "actor": actor,
        }
    ]
