"""Whatever a client sends, the sandbox answers a 4xx in the provider's shape, never a 5xx."""

from __future__ import annotations

import json
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from _support.sandbox_app import Caller, control
from billingual.sandbox import LANDMARKS, Sandbox, create_app

UUID = "00000000-0000-4000-8000-0000000000b1"
CREATE: dict[str, Any] = {
    "target_party_uid": LANDMARKS["exante_party"],
    "owner_uid": LANDMARKS["exante_owner"],
    "document_uid": LANDMARKS["exante_document"],
    "invoice_blueprint_uid": LANDMARKS["exante_blueprint"],
    "issue_date": "2026-03-30T00:00:00Z",
    "due_date": "2026-04-29T00:00:00Z",
    "status": "DRAFT",
    "currency": "USD",
    "invoice_fields": {"a": {"type": "string", "value": "b"}},
}
DRAFT: dict[str, Any] = {
    "contractId": LANDMARKS["kukkingu_contract"],
    "exchangeRate": 1.5,
    "currencyCode": "EUR",
    "amountMinor": 5000,
    "issuedAt": "2023-10-05T14:48:00.000Z",
}
FULL: dict[str, Any] = {
    "id": LANDMARKS["katsu_invoice"],
    "counterPartyId": UUID,
    "dueDate": "2024-03-20T00:00:00.000Z",
    "currency": 1,
    "products": [{"productId": UUID, "quantity": 1, "unitPrice": 9.99}],
    "taxes": [{"taxId": UUID, "taxPercentageValue": 7.5}],
    "discount": {"discountType": 2, "discountValue": 1},
    "paymentMethods": [1],
}
TARGETS: dict[str, tuple[str, str, str, object]] = {
    "exante create": ("exante", "POST", "/api/invoices", CREATE),
    "exante bulk": ("exante", "PUT", "/api/invoices", [{"uid": UUID, "status": "SENT"}]),
    "exante delete": ("exante", "DELETE", "/api/invoices", [UUID]),
    "exante update": ("exante", "PUT", f"/api/invoices/{UUID}", {"status": "SENT"}),
    "kukkingu create": ("kukkingu", "POST", "/api/v1/invoices", {**DRAFT, "invoiceNumber": "Z"}),
    "katsu update": ("katsu", "PUT", "/api/v1/Invoice/Update", FULL),
}
HOSTILE = {
    "nothing": b"",
    "not json": b"{",
    "trailing": b"{} {}",
    "nan": b"NaN",
    "nan inside": b'{"status": NaN, "exchangeRate": Infinity}',
    "not utf-8": b'{"status": "\xff\xfe"}',
    "utf-16": '{"status": "x"}'.encode("utf-16"),
    "byte order mark": b"\xef\xbb\xbf{}",
    "deep arrays": b"[" * 100_000,
    "deep and closed": b"[" * 5_000 + b"]" * 5_000,
    "a little too deep": b"[" * 66 + b"]" * 66,
    "a digit too many": b'{"exchangeRate": 1.' + b"1" * 41 + b"}",
    "deep objects": b'{"a":' * 5_000 + b"1" + b"}" * 5_000,
    "lone surrogate": b'{"status": "\\ud800", "invoiceNumber": "\\udfff"}',
    "surrogate name": b'{"\\ud800": 1}',
    "a longish int": b'{"amountMinor": ' + b"9" * 41 + b"}",
    "huge int": b'{"amountMinor": ' + b"9" * 10_000 + b"}",
    "huge exponent": b'{"exchangeRate": 1e999999999}',
    "tiny exponent": b'{"exchangeRate": 1e-999999999}',
    "many digits": b'{"exchangeRate": 0.' + b"1" * 5_000 + b"}",
    "null": b"null",
    "text": b'"x"',
    "many unknown": json.dumps({f"k{n}": n for n in range(5_000)}).encode(),
    "long name": json.dumps({"k" * 100_000: 1}).encode(),
}


@pytest.mark.parametrize("body", sorted(HOSTILE))
@pytest.mark.parametrize("target", sorted(TARGETS))
def test_a_hostile_body_is_refused(app: Sandbox, target: str, body: str) -> None:
    """Unreadable and unbounded JSON gives 400 with a short, well-formed response."""
    credential, method, path, _ = TARGETS[target]
    headers = {"content-type": "application/json"}
    reply = Caller(app, credential)(method, path, raw=HOSTILE[body], extra=headers)

    assert reply.status == 400
    assert isinstance(reply.json, dict)
    assert reply.rule
    assert len(reply.body) < 10_000


@pytest.mark.parametrize("label", ["", "text/html", "application/x-www-form-urlencoded", "json"])
@pytest.mark.parametrize("target", sorted(TARGETS))
def test_another_content_type_is_refused(app: Sandbox, target: str, label: str) -> None:
    """A body that is not announced as JSON gives 415."""
    credential, method, path, body = TARGETS[target]
    reply = Caller(app, credential)(method, path, body, extra={"content-type": label})

    assert (reply.status, reply.rule) == (415, "content-type")


TEXTS = {
    "nul": "a\x00b",
    "long": "x" * 10_000,
    "astral": "\U0001f9fe" * 10,
    "right to left": "\u202eabc",
    "quotes": "'; DROP TABLE exante_invoice; --\"",
    "wildcards": "%_*?[]",
}


@pytest.mark.parametrize("name", sorted(TEXTS))
def test_odd_text_survives_exactly(app: Sandbox, name: str) -> None:
    """Text is data: it is stored, found and given back as it came."""
    text = TEXTS[name]
    exante = Caller(app, "exante")
    made = exante("POST", "/api/invoices", {**CREATE, "invoice_number": text, "status": text})
    found = exante("GET", "/api/invoices", search=text).json["data"]["items"]

    assert made.json["data"]["invoice_number"] == text
    assert [row["uid"] for row in found] == [made.json["data"]["uid"]]
    assert exante("GET", "/api/invoices", status=text).json["data"]["items"] == found


@pytest.mark.parametrize("date", ["0001-01-01T00:00:00Z", "9999-12-31T23:59:59.999999Z"])
def test_the_ends_of_the_calendar_are_fine(app: Sandbox, date: str) -> None:
    """The first and the last instant can be stored, filtered and sorted by."""
    exante = Caller(app, "exante")
    made = exante("POST", "/api/invoices", {**CREATE, "due_date": date}).json["data"]
    found = exante("GET", "/api/invoices", due_date_from=date, due_date_to=date).json["data"]

    assert made["due_date"] == date
    assert [row["uid"] for row in found["items"]] == [made["uid"]]


@pytest.mark.parametrize(
    "date",
    ["0000-01-01T00:00:00Z", "0001-01-01T00:00:00+23:59", "9999-12-31T23:59:59-23:59"],
)
def test_an_instant_outside_the_calendar_is_no_500(app: Sandbox, date: str) -> None:
    """An offset may push an instant over the edge; it is accepted or refused, never fatal."""
    exante = Caller(app, "exante")
    made = exante("POST", "/api/invoices", {**CREATE, "due_date": date})

    assert made.status in {200, 400}
    assert exante("GET", "/api/invoices", due_date_from=date).status in {200, 400}


def test_threads_may_share_a_sandbox() -> None:
    """Creates from eight threads at once are all kept, each with its own id and number."""
    app = create_app(invoices=3)

    def create(_: int) -> dict[str, Any]:
        data: dict[str, Any] = Caller(app, "exante")("POST", "/api/invoices", CREATE).json["data"]
        return data

    with ThreadPoolExecutor(8) as pool:
        made = list(pool.map(create, range(80)))

    assert len({invoice["uid"] for invoice in made}) == 80
    assert sorted(invoice["invoice_number"] for invoice in made) == [
        f"INV-2026-{serial:05d}" for serial in range(1, 81)
    ]


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.integers(min_value=2**60, max_value=2**80)
    | st.floats()
    | st.text()
    | st.sampled_from([UUID, "2026-02-29T00:00:00Z", "", "\x00", LANDMARKS["kukkingu_contract"]]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=6,
)


def spoiled(value: object) -> st.SearchStrategy[object]:
    """Give variations of a valid body: one part of it replaced, removed or joined by another."""
    choices: list[st.SearchStrategy[object]] = [JSON]
    if isinstance(value, dict):
        for name, item in value.items():
            rest = {key: other for key, other in value.items() if key != name}
            choices.append(st.just(rest))
            choices.append(spoiled(item).map(_with(rest, name)))
        choices.append(st.tuples(st.text(), JSON).map(lambda pair: {**value, pair[0]: pair[1]}))
    elif isinstance(value, list):
        choices += [spoiled(item).map(lambda each: [each]) for item in value]
        choices.append(JSON.map(lambda each: [*value, each]))
    return st.one_of(choices)


def _with(rest: dict[str, object], name: str) -> Callable[[object], object]:
    return lambda item: {**rest, name: item}


@pytest.mark.slow
@pytest.mark.parametrize("target", sorted(TARGETS))
def test_no_variation_of_a_valid_body_breaks_the_sandbox(target: str) -> None:
    """Around every valid body there is no crash, and each response is JSON with a rule or a 200."""
    credential, method, path, body = TARGETS[target]
    app = create_app(invoices=3)
    caller = Caller(app, credential)

    @settings(
        max_examples=150,
        derandomize=True,
        deadline=None,
        database=None,
        suppress_health_check=list(HealthCheck),
    )
    @given(spoiled(body))
    def check(value: object) -> None:
        raw = json.dumps(value).encode()
        reply = caller(method, path, raw=raw, extra={"content-type": "application/json"})

        assert reply.status in {200, 400, 404, 409}
        assert (reply.status == 200) or reply.rule
        assert isinstance(reply.json, dict)

    check()
    assert caller("GET", "/").status == 404
    for provider in ("exante", "kukkingu", "katsu"):
        assert control(app, "GET", f"invoices?provider={provider}")["invoices"]


@pytest.mark.slow
@settings(
    max_examples=300,
    derandomize=True,
    deadline=None,
    database=None,
    suppress_health_check=list(HealthCheck),
)
@given(
    query=st.dictionaries(
        st.sampled_from(
            [
                "organization_uid",
                "search",
                "party_name",
                "party_uids",
                "status",
                "collection_method",
                "issue_date_from",
                "due_date_to",
                "overdue_days",
                "total",
                "include_inactive",
                "sort",
                "page",
                "per_page",
                "other",
            ]
        ),
        st.text()
        | st.integers().map(str)
        | st.sampled_from(["+total", "-overdue_days", "1-5", ">9", "<0", "true", "a|b", "a,b"])
        | st.datetimes().map(lambda moment: f"{moment.isoformat()}Z"),
        max_size=5,
    )
)
def test_no_query_breaks_the_list(query: dict[str, str]) -> None:
    """Any parameters with any text give a page or a 4xx."""
    reply = SHARED("GET", "/api/invoices", **query)

    assert reply.status in {200, 400, 403}
    assert (reply.rule is None) == (reply.status == 200)


SHARED = Caller(create_app(invoices=20), "exante")
