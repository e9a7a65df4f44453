"""Models in programs of pydantic, and so of FastAPI."""

from __future__ import annotations

import json
from typing import Any

import pytest
from pydantic import BaseModel, TypeAdapter, ValidationError

from billingual import Changes, Client, Draft, Filter, Invoice, InvoiceSummary, Money, Status
from billingual.model import Receipt


class _Order(BaseModel):
    draft: Draft
    made: Invoice | None = None


def _invoice() -> Invoice:
    with Client("exante", transport="sandbox") as client:
        row = client.list().first()
        assert row is not None
        return client.get(row.id)


def test_a_result_is_written_as_json_writes_it() -> None:
    """Exact: no float, no object of ours; in a list as well."""
    invoice = _invoice()

    assert json.loads(TypeAdapter(Invoice).dump_json(invoice)) == invoice.to_dict(json=True)
    rows: list[InvoiceSummary] = [invoice]
    assert TypeAdapter(list[InvoiceSummary]).dump_python(rows) == [invoice.to_dict(json=True)]


@pytest.mark.parametrize(
    ("kind", "given"),
    [
        (Draft, {"number": "N-1", "total": "12.50 EUR"}),
        (Changes, {"due_at": "2026-12-31"}),
        (Filter, {"status": ["OVERDUE"]}),
    ],
)
def test_what_a_program_writes_is_read_from_a_mapping(kind: Any, given: Any) -> None:
    """As ``from_dict`` reads it; a model that is there already is taken."""
    adapter = TypeAdapter(kind)

    assert adapter.validate_python(given) == kind.from_dict(given)
    assert adapter.validate_json(json.dumps(given)) == kind.from_dict(given)
    there = kind.from_dict(given)
    assert adapter.validate_python(there) is there


@pytest.mark.parametrize(
    ("given", "text"),
    [
        ({"due_date": "x"}, "due_date: Draft has no such field; perhaps you meant due_at"),
        ({"total": 12.5}, "total"),
        (["N-1"], "Draft"),
        ("N-1", "Draft"),
        (None, "Draft"),
    ],
)
def test_what_does_not_fit_is_pydantics_error_with_our_text(given: Any, text: str) -> None:
    """FastAPI makes a response 422 of it."""
    with pytest.raises(ValidationError, match=text):
        _Order(draft=given)


@pytest.mark.parametrize("given", ["12.50 EUR", {"amount": "12.50", "currency": "EUR"}])
def test_money_is_read_as_people_and_we_write_it(given: Any) -> None:
    """And never from a float, which would not be exact."""
    adapter = TypeAdapter(Money)

    assert adapter.validate_json(json.dumps(given)) == Money.of("12.50", "EUR")
    assert adapter.validate_json(adapter.dump_json(Money.of("12.50", "EUR"))) == Money(1250, "EUR")
    with pytest.raises(ValidationError, match="float is no amount"):
        adapter.validate_python(12.5)


def test_a_word_of_the_provider_is_any_text() -> None:
    """Also one that it invents tomorrow."""
    adapter = TypeAdapter(Status)

    assert adapter.validate_json('"OVERDUE"').is_known
    assert not adapter.validate_json('"FROZEN"').is_known
    assert adapter.dump_json(Status("FROZEN")) == b'"FROZEN"'
    assert adapter.json_schema() == {"type": "string"}
    with pytest.raises(ValidationError):
        adapter.validate_python(7)


@pytest.mark.parametrize("kind", [Invoice, InvoiceSummary, Receipt])
def test_what_only_a_provider_makes_is_not_read(kind: type) -> None:
    """An invoice that a request brings along would be no invoice."""
    with pytest.raises(ValidationError, match="only a client makes one"):
        TypeAdapter(kind).validate_python({"id": "1"})


def test_a_model_within_a_model_goes_out_and_in() -> None:
    """With a schema for OpenAPI in both directions."""
    order = _Order(draft=Draft(number="N-1", total=Money.of("12.50", "EUR")), made=_invoice())
    told = order.model_dump_json()

    assert json.loads(told)["draft"]["total"]["amount"] == "12.50"
    assert _Order.model_validate({"draft": json.loads(told)["draft"]}).draft == order.draft
    for mode in ("validation", "serialization"):
        assert _Order.model_json_schema(mode=mode)["properties"]["draft"]["type"] == "object"
