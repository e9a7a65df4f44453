"""What cannot be is refused before anything is sent, and Stripe's own no is told in its words."""

from __future__ import annotations

from typing import Any

import pytest
from billingual import Changes, CustomField, Draft, Filter, Invoice, Money, Sort, Status, errors
from billingual.model import Query

from stripe_samples import CUSTOMER, DIALECT, DRAFT, asked, told


@pytest.mark.parametrize(
    ("given", "instead"),
    [
        ({"total": Money(1, "EUR")}, "/v1/invoiceitems"),
        ({"status": "open"}, "finalize or void"),
        ({"paid_at": "2026-01-01T00:00:00Z"}, "Stripe's own"),
        ({"document": "x"}, "in fields"),
        ({"exchange_rate": "1.1"}, "leave it out"),
    ],
    ids=["total", "status", "paid_at", "document", "exchange_rate"],
)
def test_what_an_invoice_does_not_take_is_refused(given: dict[str, Any], instead: str) -> None:
    """The error says what to do instead."""
    with pytest.raises(errors.UnsupportedError, match=instead):
        asked(DIALECT.create(Draft(counterparty=CUSTOMER, **given)))


@pytest.mark.parametrize(
    "given",
    [
        {"counterparty": ""},
        {"number": None},
        {"currency": "eur"},
        {"due_at": "2026-01-01T00:00:00.5Z"},
        {"fields": {"": "x"}},
        {"fields": {"a[b]": "x"}},
        {"fields": {"k" * 41: "x"}},
        {"fields": {"k": "x" * 501}},
        {"fields": {f"k{n}": "x" for n in range(51)}},
        {"fields": [CustomField("k", 7)]},
        {"fields": [CustomField("k", "7", "number")]},
    ],
    ids=[
        "no-customer", "null", "small-letters", "fraction-of-a-second", "no-name", "brackets",
        "long-name", "long-value", "too-many", "no-text",
        "a-type",
    ],
)  # fmt: skip
def test_what_cannot_be_right_is_refused(given: dict[str, Any]) -> None:
    """Before anything is sent; the error names the field."""
    with pytest.raises(errors.InvalidInputError, match=next(iter(given))):
        asked(DIALECT.create(Draft(**{"counterparty": CUSTOMER, **given})))


@pytest.mark.parametrize(
    "query",
    [
        Query(page=2),
        Query(page_size=101),
        Query(filter=Filter(status=["open", "paid"])),
        Query(filter=Filter(extra_params={"limit": "7"})),
    ],
    ids=["no-cursor", "large-page", "two-statuses", "a-place-of-its-own"],
)
def test_a_page_that_cannot_be_asked_for_is_refused(query: Query) -> None:
    """Stripe looks for one status, and every page but the first follows another."""
    with pytest.raises(errors.InvalidInputError):
        asked(DIALECT.list_page(query))


def test_rows_cannot_be_sorted() -> None:
    """They come newest first, and the caller may sort them."""
    with pytest.raises(errors.UnsupportedError, match="sort the rows"):
        asked(DIALECT.list_page(Query(sort=Sort("due_at"))))


@pytest.mark.parametrize("changes", [Changes(), Changes(fields={})], ids=["none", "no-fields"])
def test_a_change_of_nothing_is_refused(changes: Changes) -> None:
    """An empty form would be a request about nothing."""
    with pytest.raises(errors.InvalidInputError, match=r"change nothing|hold no field"):
        asked(DIALECT.update(DRAFT, changes, None))


def test_a_finalized_invoice_keeps_its_due_date() -> None:
    """The caller's copy tells; the error names what may still be changed."""
    base = Invoice(id=DRAFT, status=Status("open"))
    with pytest.raises(errors.LockedError) as caught:
        asked(DIALECT.update(DRAFT, Changes(due_at="2026-12-31T00:00:00Z"), base))

    assert ("due_at",) == caught.value.locked
    assert ("fields", "issued_at", "number") == caught.value.still_open


@pytest.mark.parametrize(
    ("status", "error", "kind", "words"),
    [
        (400, {"message": "No such customer: 'cus_x'", "code": "resource_missing",
               "param": "customer", "type": "invalid_request_error"},
         errors.InvalidRequestError, "customer: No such customer: 'cus_x': resource_missing; cor"),
        (400, {"message": "Keys can only be used with the same parameters.",
               "type": "idempotency_error"}, errors.InvalidRequestError, "the same parameters"),
        (401, {"message": "Invalid API Key"}, errors.AuthenticationError, "Key; check the token"),
        (402, {"message": "Declined", "type": "card_error"}, errors.InvalidRequestError, "Decl"),
        (404, {"message": "No such invoice"}, errors.NotFoundError, "invoice; check the id"),
        (409, {"code": "idempotency_key_in_use"}, errors.ConflictError, "key_in_use"),
        (424, {}, errors.InvalidRequestError, "did not say why"),
        (429, {"code": "lock_timeout"}, errors.RateLimitedError, "lock_timeout; slow down"),
        (500, {"type": "api_error"}, errors.ServerError, "did not say why; try again later"),
    ],
)  # fmt: skip
def test_a_no_is_told_in_stripes_words(
    status: int, error: dict[str, str], kind: type[Exception], words: str
) -> None:
    """The status decides the class; message and code are told, with advice.

    Source: https://docs.stripe.com/api/errors, read 2026-11.
    """
    with pytest.raises(errors.ProviderError, match=words) as caught:
        told(DIALECT.get(DRAFT), {"error": error}, status)

    assert kind is type(caught.value)
