"""The documented records as classes of other libraries: every field, all but the id optional.

One table of shapes, from which the classes are made, so that all decode the same fields.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final

_AMOUNTS: Final = dict.fromkeys(
    (
        "subtotal_cents", "discount_cents", "tax_cents", "total", "total_cents",
        "pre_payment_credit_notes_cents", "amount_due_cents", "amount_paid_cents",
        "amount_remaining_cents", "overdue_days",
    ),
    int,
)  # fmt: skip
_DATES: Final = dict.fromkeys(("issue_date", "due_date", "paid_date"), datetime)


def _texts(*names: str) -> dict[str, Any]:
    return dict.fromkeys(names, str)


# A text is the name of a shape above; in a list, many of it.
SHAPES: Final[Mapping[str, Mapping[str, Any]]] = {
    "Contact": _texts("uid", "party_uid", "name", "title", "email", "phone"),
    "Party": {**_texts("uid", "name", "address", "role"), "billing_contact": "Contact"},
    "Parties": {"client": "Party", "service_provider": "Party"},
    "Contract": {**_texts("filename", "uid"), "is_archived": bool},
    "Blueprint": {"is_active": bool},
    "Row": {
        **_texts("uid", "invoice_number", "document_uid", "status", "collection_method"),
        **_AMOUNTS,
        **_DATES,
        "parent_contract": "Contract",
        "blueprint": "Blueprint",
        "parties": "Parties",
    },
    "Line": {
        **_texts(
            "uid", "invoice_uid", "context_type_uid", "context_type", "context_name", "currency"
        ),
        "quantity": int,
        "unit_price": int,
        "line_total": int,
    },
    "FieldValue": {**_texts("type", "original_type"), "value": Any},
    "Field": {"key": str, "value": "FieldValue"},
    "Integration": {
        **_texts("uid", "entity_uid", "integration_name", "integration_uid"),
        "created_at": datetime,
        "updated_at": datetime,
        "integration_metadata": dict,
    },
    "Notes": _texts("invoice_memo", "invoice_footer"),
    "Comment": {
        **_texts("uid", "text"), "created_at": datetime, "last_modified_at": datetime,
        "resolved_by": int, "resolved_at": datetime, "actor": dict,
    },
    "Full": {
        **_texts(
            "uid", "invoice_number", "invoice_type", "status", "collection_method", "currency",
            "invoice_link", "document_uid", "invoice_blueprint_uid", "target_party_uid",
        ),
        **_AMOUNTS,
        **_DATES,
        "age": int,
        "has_comments": bool,
        "line_items": ["Line"],
        "invoice_fields": ["Field"],
        "parties": "Parties",
        "integrations": ["Integration"],
        "invoice_notes": "Notes",
        "comments": ["Comment"],
    },
    "PageData": {"items": ["Row"]},
    "PageAnswer": {"status": str, "status_code": int, "message": str, "data": "PageData"},
    "BulkAnswer": {"status": str, "status_code": int, "message": str, "data": ["Full"]},
}  # fmt: skip


def _resolved(kind: Any, made: Mapping[str, Any]) -> Any:
    if isinstance(kind, list):
        return list[made[kind[0]]]
    return made[kind] if isinstance(kind, str) else kind


def attrs_classes() -> dict[str, Any]:
    """Return frozen classes with slots."""
    import attrs  # noqa: PLC0415 - other clients are measured without it

    made: dict[str, Any] = {}
    for name, shape in SHAPES.items():
        fields = {}
        for key, kind in shape.items():
            found = _resolved(kind, made)
            fields[key] = (
                attrs.field(type=str)
                if key == "uid"
                else attrs.field(type=found | None, default=None)
            )
        made[name] = attrs.make_class(name, fields, frozen=True, slots=True, kw_only=True)
        made[name].__module__ = __name__
    return made


def pydantic_classes(base: type | None = None, *, plain: bool = False) -> dict[str, Any]:
    """Return models of pydantic.

    Args:
        base: openai's own, for its way of making them.
        plain: whether parts and lists are there for sure, as in openai's own pages; it then goes
            through them itself, and otherwise leaves that to pydantic's core.
    """
    import pydantic  # noqa: PLC0415 - a peer may be missing

    made: dict[str, Any] = {}
    for name, shape in SHAPES.items():
        fields = {
            key: (str, ...) if key == "uid" else (_resolved(kind, made) | None, None)
            for key, kind in shape.items()
        }
        if plain:
            fields |= {
                key: (_resolved(kind, made), ...)
                for key, kind in shape.items()
                if isinstance(kind, (list, str))
                and name in {"PageData", "PageAnswer", "BulkAnswer"}
            }
        made[name] = pydantic.create_model(name, __base__=base or pydantic.BaseModel, **fields)
    return made
