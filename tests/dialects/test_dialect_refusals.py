"""What can be known to be wrong is refused before a request exists."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import attrs
import pytest

from _support.conversations import CONTRACT, INVOICE, OTHER_UID, REPLACEMENT, TENANT, UID, ids
from billingual.abc import Dialect, Scope
from billingual.capabilities import Feature
from billingual.dialects import DialectBase
from billingual.dialects.exante.bulk import BulkDialect
from billingual.dialects.exante.dialect import ExanteDialect
from billingual.dialects.tenant.dialect import LOCKS, TenantDialect
from billingual.dialects.v1.dialect import V1Dialect
from billingual.errors import (
    BillingualError,
    ConfigurationError,
    InvalidInputError,
    LockedError,
    UnsupportedError,
)
from billingual.model import (
    Changes,
    CustomField,
    Draft,
    Filter,
    Invoice,
    Money,
    Query,
    Range,
    ReplacementLine,
    Sort,
    Status,
    Tax,
)
from billingual.testing import InvoiceFactory
from billingual.wire import Conversation

EXANTE = ExanteDialect()
BULK = BulkDialect()
KUKKINGU = TenantDialect(tenant=TENANT)
KATSU = V1Dialect(currencies={"USD": 1})
Start = Callable[[], Conversation[Any]]


def assert_refused(start: Start, error: type[BillingualError], words: str) -> None:
    """Start an operation and see it refused before it yields a request."""
    with pytest.raises(error, match=words):
        next(start())


def draft(**fields: Any) -> Start:
    """Create at Exante with the documented minimum and *fields*."""
    return lambda: EXANTE.create(
        Draft(**{"counterparty": UID, "owner": UID, "document": UID, **fields})
    )


def change(**fields: Any) -> Start:
    """Update an invoice at Exante."""
    return lambda: EXANTE.update(UID, Changes(**fields), None)


def query(**fields: Any) -> Start:
    """List at Exante by a filter."""
    return lambda: EXANTE.list_page(Query(filter=Filter(**fields)))


EXANTE_REFUSALS: list[tuple[Start, type[BillingualError], str]] = [
    (lambda: EXANTE.create(Draft(owner=UID, document=UID)), InvalidInputError, "counterparty"),
    (lambda: EXANTE.create(Draft(counterparty=UID, document=UID)), InvalidInputError, "owner"),
    (lambda: EXANTE.create(Draft(counterparty=UID, owner=UID)), InvalidInputError, "document"),
    (draft(counterparty="acme"), InvalidInputError, "counterparty: 'acme' is no UUID"),
    (draft(owner=None), InvalidInputError, "owner: the provider takes no null"),
    (draft(status=None), InvalidInputError, "status"),
    (draft(currency=None), InvalidInputError, "currency"),
    (draft(kind=None), InvalidInputError, "kind"),
    (draft(currency="EURO"), InvalidInputError, "not a currency code of ISO 4217"),
    (draft(currency="ZZZ"), InvalidInputError, "not a currency code of ISO 4217"),
    (draft(currency="eur"), InvalidInputError, "currency: 'eur' is not in capital.*give 'EUR'"),
    (change(currency="usd"), InvalidInputError, "give 'USD'"),
    (change(collection_method="by_hand"), InvalidInputError, "charge_automatically or send_inv"),
    (change(collection_method=""), InvalidInputError, "collection_method: '' is none of those"),
    (draft(kind="both"), InvalidInputError, "receivable or payable"),
    (draft(total=Money(1, "EUR")), UnsupportedError, "computes it from the lines"),
    (draft(exchange_rate="1"), UnsupportedError, "no exchange rates"),
    (draft(paid_at="2026-01-01T00:00:00Z"), UnsupportedError, "create it first"),
    (draft(fields=[CustomField("rate", 1.5)]), InvalidInputError, r"^fields\.rate: float"),
    (draft(fields=[CustomField("a", {"b": 1.5})]), InvalidInputError, r"^fields\.a\.b: float"),
    (
        lambda: EXANTE.update(UID, SENT, Invoice(id=OTHER_UID)),
        InvalidInputError,
        f"base: it is invoice {OTHER_UID}",
    ),
    (lambda: EXANTE.get("../users"), InvalidInputError, "is no UUID"),
    (lambda: EXANTE.get(f"{UID}\n"), InvalidInputError, "is no UUID"),
    (lambda: EXANTE.get(InvoiceFactory()()), InvalidInputError, "is no UUID; give its .id"),
    (lambda: EXANTE.update("x", Changes(status="SENT"), None), InvalidInputError, "invoice_id: "),
    (change(), InvalidInputError, "they hold no field"),
    (change(total=Money(1, "EUR")), UnsupportedError, "'total' in an update"),
    (change(currency="E"), InvalidInputError, "currency"),
    (change(document="x"), InvalidInputError, "document"),
    (query(document=UID), UnsupportedError, "compare the document of each row"),
    (query(expand="contract"), UnsupportedError, "get each invoice"),
    (
        query(updated_from="2026-01-01T00:00:00Z"),
        UnsupportedError,
        "'updated_from' as a filter; list without it and compare the rows with your copies",
    ),
    (query(updated_to="2026-01-01T00:00:00Z"), UnsupportedError, "no row says when it changed"),
    (query(counterparty="A|B"), InvalidInputError, "use counterparty_ids instead"),
    (query(counterparty=["A", "B|C"]), InvalidInputError, "use counterparty_ids instead"),
    (query(status=["A", "B,C"]), InvalidInputError, "holds ','"),
    (
        query(status=["PAID", "overdu"]),
        InvalidInputError,
        "you meant OVERDUE; to send it all the same, give Status.'overdu'",
    ),
    (
        query(status="PAID", extra_params={"status": "overdu"}),
        InvalidInputError,
        "'status' has a place of its own",
    ),
    (query(counterparty_ids=[UID, f"{UID}\n"]), InvalidInputError, "is no UUID"),
    (query(counterparty="A", counterparty_ids=UID), InvalidInputError, "either names or ids"),
    (query(counterparty_ids="A"), InvalidInputError, "is no UUID"),
    (query(status="A,B"), InvalidInputError, "holds ','"),
    (query(collection_method="A,B"), InvalidInputError, "none of those documented"),
    (
        query(collection_method=["send_invoice", "by_hand"]),
        InvalidInputError,
        "collection_method: 'by_hand' is none of those documented",
    ),
    (query(overdue_days=-5), InvalidInputError, "dash of a range"),
    (query(total=Range(-5, 3)), InvalidInputError, "dash of a range"),
    (query(extra_params={"page": "2"}), InvalidInputError, "'page' has a place of its own"),
    (query(extra_params={"search": "2"}), InvalidInputError, "'search' has a place"),
    (query(extra_params={"organization_uid": UID}), InvalidInputError, "place of its own"),
    (query(extra_params={"x": 1}), InvalidInputError, "'x' is not a pair of texts"),
    (lambda: EXANTE.list_page(Query(sort=Sort("age"))), UnsupportedError, "sorted by 'age'"),
    (lambda: EXANTE.list_page(Query(page=0)), InvalidInputError, "page"),
    (lambda: EXANTE.list_page(Query(page_size=0)), InvalidInputError, "page_size"),
    (lambda: EXANTE.list_page(Query(page_size=101)), InvalidInputError, "give 1 to 100"),
    (lambda: EXANTE.list_page(Query(page_size=True)), InvalidInputError, "page_size"),
    (lambda: EXANTE.replace(UID, REPLACEMENT), UnsupportedError, "update single fields"),
    (lambda: EXANTE.finalize(UID), UnsupportedError, "APPROVED"),
    (lambda: EXANTE.void(UID), UnsupportedError, "VOID"),
]


@pytest.mark.parametrize(("start", "error", "words"), EXANTE_REFUSALS, ids=ids(EXANTE_REFUSALS))
def test_exante_refuses_before_it_asks(
    start: Start, error: type[BillingualError], words: str
) -> None:
    """The exante dialect yields no request for what cannot be right."""
    assert_refused(start, error, words)


SENT = Changes(status="SENT")
BULK_REFUSALS: list[tuple[Start, type[BillingualError], str]] = [
    (lambda: BULK.update_many([]), InvalidInputError, "these are 0; give at least one"),
    (
        lambda: BULK.update_many([(f"{UID[:-3]}{n:03}", SENT) for n in range(101)]),
        InvalidInputError,
        "these are 101; plan more as a Job",
    ),
    (
        lambda: BULK.update_many([(UID, SENT), (UID.upper(), SENT)]),
        InvalidInputError,
        r"pairs\[1\].*already at \[0\]",
    ),
    (lambda: BULK.update_many([("x", SENT)]), InvalidInputError, r"pairs\[0\]: 'x' is no UUID"),
    (
        lambda: BULK.update_many([(UID, SENT), (OTHER_UID, Changes())]),
        InvalidInputError,
        rf"pairs\[1\] \({OTHER_UID}\).changes: they hold no field",
    ),
    (
        lambda: BULK.update_many([(UID, Changes(document=UID))]),
        UnsupportedError,
        rf"'document' in a batch, pairs\[0\] \({UID}\); update that invoice by itself",
    ),
    (lambda: BULK.update_many([(UID, Changes(blueprint=UID))]), UnsupportedError, "by itself"),
    (lambda: BULK.update_many([(UID, Changes(fields={}))]), UnsupportedError, "by itself"),
    (
        lambda: BULK.update_many([(UID, Changes(collection_method="by_hand"))]),
        InvalidInputError,
        "none of those documented",
    ),
    (
        lambda: BULK.update_many([(UID, Changes(currency="EURO"))]),
        InvalidInputError,
        rf"pairs\[0\] \({UID}\).currency",
    ),
    (lambda: BULK.delete_many([f"{UID}\n"]), InvalidInputError, "is no UUID"),
    (lambda: BULK.delete_many([]), InvalidInputError, "these are 0"),
    (lambda: BULK.delete_many([UID, UID]), InvalidInputError, r"invoice_ids\[1\]"),
    (lambda: BULK.delete_many([UID, "x"]), InvalidInputError, r"invoice_ids\[1\]"),
    (lambda: BULK.get(UID), UnsupportedError, "exante dialect"),
    (lambda: BULK.update(UID, SENT, None), UnsupportedError, "exante dialect"),
]


@pytest.mark.parametrize(("start", "error", "words"), BULK_REFUSALS, ids=ids(BULK_REFUSALS))
def test_bulk_refuses_before_it_asks(
    start: Start, error: type[BillingualError], words: str
) -> None:
    """The bulk dialect yields no request for what cannot be right, and names index and id."""
    assert_refused(start, error, words)


def bill(**fields: Any) -> Start:
    """Create at Kukkingu with the documented minimum and *fields*."""
    least = {"document": CONTRACT, "number": "1", "exchange_rate": "1", "total": Money(1, "EUR")}
    return lambda: KUKKINGU.create(Draft(**{**least, **fields}))


def patch(**fields: Any) -> Start:
    """Update an invoice at Kukkingu."""
    return lambda: KUKKINGU.update(INVOICE, Changes(**fields), None)


def rows(**fields: Any) -> Start:
    """List at Kukkingu by a filter."""
    return lambda: KUKKINGU.list_page(Query(filter=Filter(**fields)))


TENANT_REFUSALS: list[tuple[Start, type[BillingualError], str]] = [
    (lambda: KUKKINGU.create(Draft()), InvalidInputError, "document, exchange_rate, number"),
    (bill(document="x"), InvalidInputError, "'ctr_' followed by"),
    (bill(document=None), InvalidInputError, "document: the provider takes no null"),
    (bill(issued_at=None), InvalidInputError, "issued_at: the provider takes no null"),
    (bill(total=Money(1)), InvalidInputError, "it has no currency"),
    (bill(currency="USD"), InvalidInputError, "it is 'USD', but the total is in 'EUR'"),
    (bill(total=Money(-1, "EUR")), InvalidInputError, "out of bounds"),
    (bill(total=Money(2**53, "EUR")), InvalidInputError, "give 0 to 9007199254740991"),
    (bill(total=Money(1, "EURO")), InvalidInputError, "currency: 'EURO' is not a currency"),
    (patch(currency="eur"), InvalidInputError, "give 'EUR'"),
    (rows(status="draft"), InvalidInputError, "give DRAFT or FINALIZED or VOID"),
    (rows(status="PAID"), InvalidInputError, "status: 'PAID' is none of those documented"),
    (bill(exchange_rate="-0.1"), InvalidInputError, "negative"),
    (bill(number=""), InvalidInputError, "1 to 255"),
    (bill(number="1" * 256), InvalidInputError, "1 to 255"),
    (bill(status="DRAFT"), UnsupportedError, "use finalize or void"),
    (bill(counterparty=UID), UnsupportedError, "the contract names the client"),
    (patch(), InvalidInputError, "they hold no field"),
    (patch(document=CONTRACT), UnsupportedError, "cannot move"),
    (patch(status="VOID"), UnsupportedError, "use finalize or void"),
    (patch(currency=None, total=Money(1, "EUR")), InvalidInputError, "but the total is in 'EUR'"),
    (patch(total=Money(1)), InvalidInputError, "it has no currency"),
    (lambda: KUKKINGU.get("inv_"), InvalidInputError, "'inv_' followed by letters and digits"),
    (lambda: KUKKINGU.get(InvoiceFactory()()), InvalidInputError, "documents; give its .id"),
    (lambda: KUKKINGU.void(UID), InvalidInputError, "'inv_' followed by"),
    (lambda: KUKKINGU.get(f"{INVOICE}\n"), InvalidInputError, "'inv_' followed by"),
    (lambda: KUKKINGU.finalize(f"{INVOICE}/void"), InvalidInputError, "'inv_' followed by"),
    (rows(status=["DRAFT", "VOID"]), InvalidInputError, "exactly one"),
    (rows(expand="client"), InvalidInputError, r"contract\.client, or send it .* extra_params"),
    (
        rows(expand="contract", extra_params={"expand": "x"}),
        InvalidInputError,
        "'expand' has a place of its own",
    ),
    (rows(document="x"), InvalidInputError, "document"),
    (rows(search="x"), UnsupportedError, "a list comes whole"),
    (rows(updated_from="2026-01-01T00:00:00Z"), UnsupportedError, "compare the updated_at of each"),
    (rows(updated_to="2026-01-01T00:00:00Z"), UnsupportedError, "compare the updated_at of each"),
    (rows(extra_params={"status": "x"}), InvalidInputError, "place of its own"),
    (lambda: KUKKINGU.list_page(Query(page=2)), InvalidInputError, "no page 2"),
    (lambda: KUKKINGU.list_page(Query(page_size=10)), UnsupportedError, "a page size"),
    (lambda: KUKKINGU.list_page(Query(sort=Sort("due_at"))), UnsupportedError, "sort the rows"),
    (lambda: KUKKINGU.update_many([]), UnsupportedError, "one by one"),
    (lambda: KUKKINGU.delete_many([]), UnsupportedError, "void them"),
]


@pytest.mark.parametrize(("start", "error", "words"), TENANT_REFUSALS, ids=ids(TENANT_REFUSALS))
def test_tenant_refuses_before_it_asks(
    start: Start, error: type[BillingualError], words: str
) -> None:
    """The tenant dialect yields no request for what cannot be right."""
    assert_refused(start, error, words)


UNBOUND = TenantDialect()


@pytest.mark.parametrize(
    "start",
    [
        lambda: UNBOUND.create(Draft()),
        lambda: UNBOUND.get(INVOICE),
        lambda: UNBOUND.list_page(Query()),
        lambda: UNBOUND.update(INVOICE, Changes(number="1"), None),
        lambda: UNBOUND.finalize(INVOICE),
        lambda: UNBOUND.void(INVOICE),
    ],
    ids=["create", "get", "list", "update", "finalize", "void"],
)
def test_no_tenant_operation_works_without_a_tenant(start: Start) -> None:
    """Each operation asks for a tenant before it asks the provider."""
    assert_refused(start, ConfigurationError, "needs a tenant for every operation")


@pytest.mark.parametrize(
    ("status", "fields", "locked"),
    [
        ("FINALIZED", {"number": "1", "paid_at": "2026-01-01T00:00:00Z"}, ("number",)),
        ("FINALIZED", {"total": Money(1, "EUR"), "due_at": None}, ("due_at", "total")),
        ("VOID", {"paid_at": "2026-01-01T00:00:00Z"}, ("paid_at",)),
    ],
)
def test_a_known_status_locks_its_fields(
    status: str, fields: dict[str, Any], locked: tuple[str, ...]
) -> None:
    """Against the caller's copy, a locked field is refused by name, with those still open."""
    base = Invoice(id=INVOICE, status=Status(status))
    with pytest.raises(LockedError) as caught:
        next(KUKKINGU.update(INVOICE, Changes(**fields), base))

    assert (status, locked) == (caught.value.status, caught.value.locked)
    assert tuple(LOCKS[status]) == caught.value.still_open
    assert caught.value.exchange is None


@pytest.mark.parametrize(
    ("status", "fields"),
    [
        ("DRAFT", {"number": "1", "paid_at": "2026-01-01T00:00:00Z"}),
        ("FINALIZED", {"paid_at": "2026-01-01T00:00:00Z"}),
        ("SOMETHING_NEW", {"number": "1"}),
        (None, {"number": "1"}),
    ],
)
def test_an_open_field_is_asked_for(status: str | None, fields: dict[str, Any]) -> None:
    """What the status leaves open goes out, and so does everything of an unknown status."""
    base = Invoice(id=INVOICE, status=None if status is None else Status(status))

    assert "PATCH" == next(KUKKINGU.update(INVOICE, Changes(**fields), base)).method


def test_the_copy_of_another_invoice_is_refused() -> None:
    """A lock is not judged by an invoice that is not the one to be changed."""
    base = Invoice(id="inv_other")
    assert_refused(
        lambda: KUKKINGU.update(INVOICE, Changes(number="1"), base),
        InvalidInputError,
        "base: it is invoice inv_other,",
    )


def test_the_copy_of_the_same_invoice_is_taken() -> None:
    """Exante's ids are the same in any case of letters."""
    assert "PUT" == next(EXANTE.update(UID, SENT, Invoice(id=UID.upper()))).method


def other(**fields: Any) -> Start:
    """Replace an invoice at Katsu Pay by the documented one with other values."""
    return lambda: KATSU.replace(UID, attrs.evolve(REPLACEMENT, **fields))


V1_REFUSALS: list[tuple[Start, type[BillingualError], str]] = [
    (lambda: KATSU.replace("1234567890", REPLACEMENT), InvalidInputError, "invoice_id"),
    (lambda: KATSU.replace(f"{UID}\n", REPLACEMENT), InvalidInputError, "invoice_id"),
    (other(counterparty="x"), InvalidInputError, "counterparty"),
    (other(receiving_account="x"), InvalidInputError, "receiving_account"),
    (
        other(lines=[ReplacementLine(product_id="x", quantity=1, unit_price=1)]),
        InvalidInputError,
        r"lines\[0\].product_id",
    ),
    (other(taxes=[Tax(tax_id="x", percentage=1)]), InvalidInputError, r"taxes\[0\].tax_id"),
    (
        other(currency="EUR"),
        ConfigurationError,
        r"providers\.katsu\(currencies=\{\"EUR\": 1\}\)",
    ),
    (lambda: KATSU.update(UID, SENT, None), UnsupportedError, "update it with a Replacement"),
    (lambda: KATSU.update_many([(UID, SENT)]), UnsupportedError, "one by one"),
    (lambda: KATSU.create(Draft()), UnsupportedError, "no such operation is documented"),
    (lambda: KATSU.get(UID), UnsupportedError, "no such operation is documented"),
    (lambda: KATSU.list_page(Query()), UnsupportedError, "no such operation is documented"),
    (lambda: KATSU.delete_many([UID]), UnsupportedError, "no such operation is documented"),
    (lambda: KATSU.finalize(UID), UnsupportedError, "no such operation is documented"),
    (lambda: KATSU.void(UID), UnsupportedError, "no such operation is documented"),
]


@pytest.mark.parametrize(("start", "error", "words"), V1_REFUSALS, ids=ids(V1_REFUSALS))
def test_v1_refuses_before_it_asks(start: Start, error: type[BillingualError], words: str) -> None:
    """The v1 dialect yields no request for what cannot be right."""
    assert_refused(start, error, words)


@pytest.mark.parametrize("rate", ["0.0", "0.00", 0])
def test_a_rate_of_exactly_0_is_allowed(rate: Any) -> None:
    """The provider documents a minimum of 0, and 0 reaches it."""
    assert b'"exchangeRate":0' in (next(bill(exchange_rate=rate)()).body or b"")
    assert b'"exchangeRate":0' in (next(patch(exchange_rate=rate)()).body or b"")


@pytest.mark.parametrize(
    "odd", ["", " ", "a b", "a\n", "\na", "a\0", "a\u202e", ".", "..", "x" * 256, 7, None, b"a"]
)
def test_a_dialect_without_a_form_of_ids_refuses_what_cannot_be_one(odd: object) -> None:
    """Any printable text without spaces may be an id where no form is documented."""
    with pytest.raises(InvalidInputError, match=r"^invoice_id: .* cannot be an id"):
        DialectBase.check_id(odd, "invoice_id")

    assert "in_1/../é?#" == DialectBase.check_id("in_1/../é?#", "invoice_id")
    assert "..." == DialectBase.check_id("...", "invoice_id")


OPTIONS: list[tuple[Callable[[], object], str]] = [
    (lambda: ExanteDialect(organization="acme"), "organization: 'acme' is no UUID"),
    (lambda: ExanteDialect(search_param=""), "search_param"),
    (lambda: ExanteDialect(search_param="\ud800"), "search_param: it holds half"),
    (lambda: V1Dialect(api_version="\ud800"), "api_version: it holds half"),
    (lambda: EXANTE.scoped(Scope(organization="acme")), "organization"),
    (lambda: TenantDialect(tenant="tnt_SHOUTED"), "'tnt_' followed by"),
    (lambda: TenantDialect(tenant=f"{TENANT}\r\nx: y"), "'tnt_' followed by"),
    (lambda: KUKKINGU.scoped(Scope(tenant="x")), "'tnt_' followed by"),
    (lambda: V1Dialect(currencies={"USD": True}), "the number for USD is no int"),
    (lambda: V1Dialect(api_version=""), "api_version"),
    (lambda: V1Dialect(api_version="../v2"), "api_version"),
]


@pytest.mark.parametrize(("make", "words"), OPTIONS, ids=ids(OPTIONS))
def test_a_dialect_is_not_made_with_what_cannot_be_right(
    make: Callable[[], object], words: str
) -> None:
    """Options are checked where they are given."""
    with pytest.raises(InvalidInputError, match=words):
        make()


@pytest.mark.parametrize("dialect", [EXANTE, BULK, KUKKINGU, KATSU])
def test_each_missing_operation_says_what_to_use_instead(dialect: Dialect) -> None:
    """For every operation a dialect lacks, its capabilities hold advice."""
    lacking = set(Feature) - dialect.capabilities.features

    assert lacking <= set(dialect.capabilities.instead)


def test_exante_and_bulk_together_offer_no_advice_against_what_they_can() -> None:
    """United, the two halves keep advice only for what neither has."""
    united = EXANTE.capabilities.united(BULK.capabilities)

    assert {Feature.REPLACE, Feature.FINALIZE, Feature.VOID} == set(united.instead)
    assert (100, 100, True) == (united.batch_limit, united.page_limit, united.atomic_updates)


@pytest.mark.parametrize("make", [ExanteDialect, BulkDialect, TenantDialect, V1Dialect])
def test_errors_name_the_provider_that_was_given(make: Callable[..., Dialect]) -> None:
    """A dialect used for another provider of its family speaks in that one's name."""
    dialect = make(provider="acme")

    assert "acme" == dialect.capabilities.provider
    with pytest.raises(UnsupportedError, match=r"^acme does not support"):
        dialect.replace(UID, REPLACEMENT) if make is not V1Dialect else dialect.get(UID)
