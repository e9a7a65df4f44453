"""What each operation asks: method, address, safety, headers and body."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime
from typing import Any

import attrs
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from _support.conversations import (
    CONTRACT,
    INVOICE,
    OTHER_UID,
    REPLACEMENT,
    TENANT,
    UID,
    asked,
    body_of,
    ids,
    query_of,
)
from billingual.abc import Scope
from billingual.dialects.exante.bulk import BulkDialect
from billingual.dialects.exante.dialect import ExanteDialect
from billingual.dialects.tenant.dialect import TenantDialect
from billingual.dialects.v1.dialect import V1Dialect
from billingual.errors import InvalidInputError
from billingual.landing import plan_windows
from billingual.model import (
    Changes,
    CustomField,
    Draft,
    Filter,
    Money,
    Query,
    Range,
    Replacement,
    Status,
)
from billingual.outcomes import Safety
from billingual.wire import Conversation, WireRequest

EXANTE = ExanteDialect()
BULK = BulkDialect()
KUKKINGU = TenantDialect(tenant=TENANT)
KATSU = V1Dialect(currencies={"USD": 1})
DRAFT = Draft(counterparty=UID, owner=UID, document=UID)
BILL = Draft(document=CONTRACT, number="1", exchange_rate="1.0", total=Money(0, "JPY"))
QUIET: Replacement = attrs.evolve(
    REPLACEMENT,
    notifications=(),
    remind_days_before=(),
    remind_days_after=(),
    remind_on_due_date=False,
)
Start = Callable[[], Conversation[Any]]

OPERATIONS: list[tuple[Start, str, str, str, Safety]] = [
    (lambda: EXANTE.create(DRAFT), "POST", "/api/invoices", "/api/invoices", Safety.CREATE),
    (
        lambda: EXANTE.get(UID),
        "GET",
        f"/api/invoices/{UID}",
        "/api/invoices/{invoice_uid}",
        Safety.READ,
    ),
    (
        lambda: EXANTE.list_page(Query()),
        "GET",
        "/api/invoices?page=1&per_page=100",
        "/api/invoices",
        Safety.READ,
    ),
    (
        lambda: EXANTE.update(UID, Changes(status="SENT"), None),
        "PUT",
        f"/api/invoices/{UID}",
        "/api/invoices/{invoice_uid}",
        Safety.IDEMPOTENT,
    ),
    (
        lambda: BULK.update_many([(UID, Changes(status="SENT"))]),
        "PUT",
        "/api/invoices",
        "/api/invoices",
        Safety.IDEMPOTENT,
    ),
    (
        lambda: BULK.delete_many([UID]),
        "DELETE",
        "/api/invoices",
        "/api/invoices",
        Safety.IDEMPOTENT,
    ),
    (
        lambda: KUKKINGU.create(BILL),
        "POST",
        "/api/v1/invoices",
        "/api/v1/invoices",
        Safety.CREATE,
    ),
    (
        lambda: KUKKINGU.get(INVOICE),
        "GET",
        f"/api/v1/invoices/{INVOICE}",
        "/api/v1/invoices/{invoiceId}",
        Safety.READ,
    ),
    (
        lambda: KUKKINGU.list_page(Query()),
        "GET",
        "/api/v1/invoices",
        "/api/v1/invoices",
        Safety.READ,
    ),
    (
        lambda: KUKKINGU.update(INVOICE, Changes(number="1"), None),
        "PATCH",
        f"/api/v1/invoices/{INVOICE}",
        "/api/v1/invoices/{invoiceId}",
        Safety.IDEMPOTENT,
    ),
    (
        lambda: KUKKINGU.finalize(INVOICE),
        "POST",
        f"/api/v1/invoices/{INVOICE}/finalize",
        "/api/v1/invoices/{invoiceId}/finalize",
        Safety.SIDE_EFFECTS,
    ),
    (
        lambda: KUKKINGU.void(INVOICE),
        "POST",
        f"/api/v1/invoices/{INVOICE}/void",
        "/api/v1/invoices/{invoiceId}/void",
        Safety.SIDE_EFFECTS,
    ),
    (
        lambda: KATSU.replace(UID, REPLACEMENT),
        "PUT",
        "/api/v1/Invoice/Update",
        "/api/{version}/Invoice/Update",
        Safety.SIDE_EFFECTS,
    ),
    (
        lambda: KATSU.replace(UID, QUIET),
        "PUT",
        "/api/v1/Invoice/Update",
        "/api/{version}/Invoice/Update",
        Safety.IDEMPOTENT,
    ),
]


@pytest.mark.parametrize(
    ("start", "method", "url", "route", "safety"), OPERATIONS, ids=ids(OPERATIONS)
)
def test_each_operation_asks_for_one_thing(
    start: Start, method: str, url: str, route: str, safety: Safety
) -> None:
    """Method, address, route and safety are those of the table."""
    request = asked(start())

    assert (method, url, route, safety) == (
        request.method,
        request.url,
        request.route,
        request.safety,
    )


@pytest.mark.parametrize("start", [row[0] for row in OPERATIONS], ids=ids(OPERATIONS))
def test_a_body_and_only_a_body_has_a_type(start: Start) -> None:
    """Every request accepts JSON; the content type is sent exactly where there is a body."""
    request = asked(start())
    typed = None if request.body is None else "application/json"

    assert "application/json" == request.headers.get("Accept")
    assert typed == request.headers.get("Content-Type")
    assert "Authorization" not in request.headers


@pytest.mark.parametrize("start", [row[0] for row in OPERATIONS[6:12]], ids=ids(OPERATIONS[6:12]))
def test_every_tenant_request_names_its_tenant(start: Start) -> None:
    """No request of the tenant dialect goes out without its header."""
    assert TENANT == asked(start()).headers.get("tenant-id")


@pytest.mark.parametrize("safety", [Safety.SIDE_EFFECTS])
@pytest.mark.parametrize(
    "field",
    [
        {"notifications": (1,)},
        {"remind_days_before": (1,)},
        {"remind_days_after": (1,)},
        {"remind_on_due_date": True},
    ],
    ids=["notifications", "before", "after", "on"],
)
def test_whatever_may_send_mail_is_not_safe_to_send_twice(
    field: dict[str, Any], safety: Safety
) -> None:
    """One notification or reminder is enough to make a replacement have side effects."""
    assert safety is asked(KATSU.replace(UID, attrs.evolve(QUIET, **field))).safety


def test_a_discount_of_nothing_is_not_sent() -> None:
    """None for the discount leaves the field out; empty lists are sent as they are."""
    sent = body_of(asked(KATSU.replace(UID, attrs.evolve(QUIET, discount=None, taxes=()))))

    assert "discount" not in sent
    assert ([], []) == (sent["taxes"], sent["notification"])


def test_the_version_can_be_moved_and_repeated() -> None:
    """The path's version is an option, and so is the query parameter of that name."""
    dialect = V1Dialect(currencies={"USD": 1}, api_version="v2", version_param=True)
    request = asked(dialect.replace(UID, QUIET))

    assert "/api/v2/Invoice/Update?version=v2" == request.url
    assert "/api/{version}/Invoice/Update" == request.route


def test_an_explicit_null_is_sent_and_an_unset_field_is_not() -> None:
    """None goes out as null where the caller insists on it; what is left out stays out."""
    single = asked(EXANTE.update(UID, Changes(due_at=None), None))
    many = asked(BULK.update_many([(UID, Changes(number=None))]))
    patch = asked(KUKKINGU.update(INVOICE, Changes(paid_at=None), None))
    created = asked(EXANTE.create(attrs.evolve(DRAFT, blueprint=None, number=None)))

    assert {"due_date": None} == body_of(single)
    assert [{"uid": UID, "invoice_number": None}] == body_of(many)
    assert {"paidAt": None} == body_of(patch)
    assert {"invoice_blueprint_uid": None, "invoice_number": None}.items() <= body_of(
        created
    ).items()


def test_custom_fields_go_out_as_an_object() -> None:
    """A list of custom fields becomes an object keyed by name, with type and value."""
    fields = (CustomField("rate", 3, "number"), CustomField("note", None))
    sent = body_of(asked(EXANTE.update(UID, Changes(fields=fields), None)))

    assert {
        "invoice_fields": {
            "rate": {"type": "number", "value": 3},
            "note": {"type": "string", "value": None},
        }
    } == sent


def test_a_total_carries_its_currency() -> None:
    """An amount never goes out alone: minor units mean nothing without their currency."""
    alone = asked(KUKKINGU.update(INVOICE, Changes(total=Money(5, "KWD")), None))
    beside = asked(KUKKINGU.update(INVOICE, Changes(total=Money(5), currency="KWD"), None))

    assert {"amountMinor": 5, "currencyCode": "KWD"} == body_of(alone) == body_of(beside)


def test_a_tenant_create_names_the_contract_first() -> None:
    """The documented minimum goes out in the documented order, the rate exactly."""
    request = asked(KUKKINGU.create(BILL))

    assert ("contractId", "invoiceNumber", "exchangeRate", "currencyCode", "amountMinor") == (
        request.keys
    )
    assert b'"exchangeRate":1.0,' in (request.body or b"")


def test_an_expansion_documented_nowhere_can_be_asked_for() -> None:
    """Where no documented one is given, ``expand`` is free for the caller's own."""
    wanted = Filter(extra_params={"expand": "contract.owner"})
    request = asked(KUKKINGU.list_page(Query(filter=wanted)))

    assert {"expand": "contract.owner"} == query_of(request)


def test_a_tenant_list_can_be_narrowed_and_expanded() -> None:
    """The three documented parameters, and the caller's own, reach the query."""
    wanted = Filter(
        document=CONTRACT,
        status="DRAFT",
        expand=["contract", "contract.client"],
        extra_params={"new": "a b"},
    )
    request = asked(KUKKINGU.list_page(Query(filter=wanted)))

    assert {
        "expand": "contract,contract.client",
        "contractId": CONTRACT,
        "status": "DRAFT",
        "new": "a b",
    } == query_of(request)


@pytest.mark.parametrize("status", [Status("UNPAID"), [Status.PAID, Status("unpaid")]])
def test_a_status_that_an_invoice_has_can_be_asked_for(status: Any) -> None:
    """It is nearly ``PAID``, but it was not misspelt."""
    windows = plan_windows(
        date(2026, 1, 1), now=datetime(2026, 2, 1, tzinfo=UTC), open_statuses=status
    )
    for wanted in (Filter(status=status), windows[0].filter):
        request = asked(EXANTE.list_page(Query(filter=wanted)))
        words = [status] if isinstance(status, str) else status
        assert query_of(request)["status"] == ",".join(words)


def test_the_callers_own_parameters_come_last_as_they_are() -> None:
    """Undocumented parameters pass through, percent-encoded and otherwise untouched."""
    dialect = ExanteDialect(search_param="q")
    wanted = Filter(search="a+b & c", extra_params={"search": "x|y", "Ä": ""})
    request = asked(dialect.list_page(Query(filter=wanted, page=3, page_size=7)))

    assert [("q", "a+b & c"), ("page", "3"), ("per_page", "7"), ("search", "x|y"), ("Ä", "")] == (
        list(query_of(request).items())
    )
    assert request.url.isascii()


def test_a_search_by_the_name_of_another_filter_loses_neither() -> None:
    """What the provider makes of both is its own business."""
    dialect = ExanteDialect(search_param="party_name")
    request = asked(dialect.list_page(Query(filter=Filter(search="x", counterparty=["y"]))))

    assert "?party_name=x&party_name=y&" in request.url


def test_a_scope_binds_what_the_dialect_knows() -> None:
    """An organization binds exante, a tenant binds tenant, and neither touches the others."""
    scope = Scope(tenant=TENANT, organization=OTHER_UID)
    request = asked(EXANTE.scoped(scope).list_page(Query()))

    assert OTHER_UID == query_of(request)["organization_uid"]
    assert TENANT == TenantDialect().scoped(scope).tenant
    assert BULK is BULK.scoped(scope)
    assert KATSU is KATSU.scoped(scope)
    assert EXANTE == EXANTE.scoped(Scope())
    assert KUKKINGU == KUKKINGU.scoped(Scope())


def test_an_id_of_a_tenant_is_as_long_as_the_provider_makes_it() -> None:
    """Its documentation shows ids of invoices and contracts, and says how long tenants' are."""
    request = asked(KUKKINGU.get("inv_1A"))
    listed = asked(KUKKINGU.list_page(Query(filter=Filter(document="ctr_2"))))

    assert request.url.endswith("/inv_1A")
    assert listed.url.endswith("?contractId=ctr_2")
    with pytest.raises(InvalidInputError, match="24 small letters and digits"):
        TenantDialect(tenant="tnt_1")


@given(st.text(max_size=60))
def test_no_text_becomes_more_than_one_segment(text: str) -> None:
    """Whatever is in an id, it is refused or stays one segment of the path."""
    for start, depth in ((EXANTE.get, 3), (KUKKINGU.get, 4), (KUKKINGU.void, 5)):
        try:
            request: WireRequest = next(start(text))
        except InvalidInputError:
            continue

        assert depth == request.url.count("/")


def matches(text: str, number: int) -> bool:
    """Judge a number by the provider's range language, written from its page alone."""
    if text[0] == ">":
        return number > int(text[1:])
    if text[0] == "<":
        return number < int(text[1:])
    low, _, high = text.partition("-")
    return int(low) <= number <= int(high or low)


WHOLE = st.integers(-200, 200)


@given(low=st.none() | WHOLE, high=st.none() | WHOLE, number=WHOLE)
def test_a_range_means_on_the_wire_what_it_means_here(
    low: int | None, high: int | None, number: int
) -> None:
    """For every number, the written range matches exactly when the number lies within."""
    assume((low, high) != (None, None))
    assume(low is None or high is None or low <= high)
    wanted = Filter(total=Range(low, high))
    try:
        text = query_of(asked(EXANTE.list_page(Query(filter=wanted))))["total"]
    except InvalidInputError:
        assert low is not None
        assert high is not None
        assert low < 0
    else:
        within = (low is None or low <= number) and (high is None or number <= high)

        assert within == matches(text, number)
