"""The Exante list: scope, filters, sorts, paging."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from _support.sandbox_app import Caller, control, step
from billingual.sandbox import CREDENTIALS, LANDMARKS, Sandbox, create_app

Row = dict[str, Any]
LIST = "/api/invoices"


@pytest.fixture
def app() -> Iterator[Sandbox]:
    """A sandbox with enough invoices for every filter to find some and leave some."""
    sandbox = create_app(invoices=80)
    yield sandbox
    sandbox.close()


def rows(exante: Caller, **query: str) -> list[Row]:
    """Walk every page of a list."""
    found: list[Row] = []
    page = 1
    while True:
        data = exante("GET", LIST, page=str(page), per_page="100", **query).json["data"]
        found += data["items"]
        if page >= data["_meta"]["total_pages"]:
            return found
        page += 1


FILTERS: list[tuple[dict[str, str], Callable[[Row], bool]]] = [
    ({"search": "inv-2026"}, lambda row: "INV-2026" in row["invoice_number"]),
    ({"search": "ACME"}, lambda row: "Acme" in row["parties"]["client"]["name"]),
    ({"party_name": "Acme"}, lambda row: row["parties"]["client"]["name"].startswith("Acme")),
    (
        {"party_name": "acme|Globex"},
        lambda row: row["parties"]["client"]["name"].startswith(("Acme", "Globex")),
    ),
    (
        {"party_uids": LANDMARKS["exante_party"]},
        lambda row: row["parties"]["client"]["uid"] == LANDMARKS["exante_party"],
    ),
    ({"status": "OVERDUE"}, lambda row: row["status"] == "OVERDUE"),
    ({"status": "PAID,SENT"}, lambda row: row["status"] in {"PAID", "SENT"}),
    (
        {"collection_method": "send_invoice"},
        lambda row: row["collection_method"] == "send_invoice",
    ),
    (
        {"collection_method": "send_invoice,charge_automatically"},
        lambda row: row["collection_method"] is not None,
    ),
    ({"issue_date_from": "2026-06-01T00:00:00Z"}, lambda row: row["issue_date"] >= "2026-06"),
    ({"issue_date_to": "2026-06-01T00:00:00Z"}, lambda row: row["issue_date"][:10] <= "2026-06-01"),
    ({"due_date_from": "2026-11-01T00:00:00Z"}, lambda row: row["due_date"] >= "2026-11"),
    ({"due_date_to": "2026-11-01T00:00:00Z"}, lambda row: row["due_date"][:10] <= "2026-11-01"),
    (
        {"paid_date_from": "2026-05-01T02:00:00+02:00"},
        lambda row: row["paid_date"] is not None and row["paid_date"] >= "2026-05",
    ),
    (
        {"paid_date_to": "2026-05-01T00:00:00Z"},
        lambda row: row["paid_date"] is not None and row["paid_date"] < "2026-05-01T00:00:01",
    ),
    ({"overdue_days": "0"}, lambda row: row["overdue_days"] == 0),
    ({"overdue_days": "1-30"}, lambda row: 1 <= row["overdue_days"] <= 30),
    ({"overdue_days": ">90"}, lambda row: row["overdue_days"] > 90),
    ({"overdue_days": "<0"}, lambda row: row["overdue_days"] < 0),
    ({"overdue_days": ">-1"}, lambda row: row["overdue_days"] >= 0),
    ({"total": "0-500000"}, lambda row: row["total_cents"] <= 500_000),
    ({"total": ">500000"}, lambda row: row["total_cents"] > 500_000),
    ({"status": "OVERDUE", "overdue_days": ">30"}, lambda row: row["overdue_days"] > 30),
]


@pytest.mark.parametrize(("query", "holds"), FILTERS, ids=[str(query) for query, _ in FILTERS])
def test_a_filter_keeps_exactly_the_rows_it_names(
    exante: Caller, query: dict[str, str], holds: Callable[[Row], bool]
) -> None:
    """A filter's rows are those of the whole list for which its meaning holds."""
    everything = rows(exante)
    wanted = {row["uid"] for row in everything if holds(row)}
    if "status" in query:
        wanted &= {row["uid"] for row in everything if row["status"] in query["status"]}

    found = {row["uid"] for row in rows(exante, **query)}

    assert wanted == found
    assert wanted


@pytest.mark.parametrize("end", ["from", "to"])
@pytest.mark.parametrize("date", ["issue_date", "due_date", "paid_date"])
def test_date_bounds_are_inclusive(exante: Caller, date: str, end: str) -> None:
    """An invoice dated exactly at a bound is inside."""
    row = next(row for row in rows(exante) if row[date] is not None)

    found = {other["uid"] for other in rows(exante, **{f"{date}_{end}": row[date]})}

    assert row["uid"] in found


def test_exact_total_finds_the_invoice(exante: Caller) -> None:
    """The mini-language's plain number means equality."""
    total = rows(exante)[0]["total_cents"]

    assert {total} == {row["total_cents"] for row in rows(exante, total=str(total))}


def test_party_uids_win_over_party_name(exante: Caller) -> None:
    """With both given, the name is not looked at."""
    party = rows(exante)[0]["parties"]["client"]

    found = rows(exante, party_uids=party["uid"], party_name="Nobody at all")

    assert {party["uid"]} == {row["parties"]["client"]["uid"] for row in found}


def key_of(field: str, row: Row) -> Any:
    """Give what a sort field sorts by."""
    if field == "party_name":
        return row["parties"]["client"]["name"]
    return row["total_cents" if field == "total" else field]


SORTS = [
    "due_date",
    "issue_date",
    "paid_date",
    "total",
    "status",
    "collection_method",
    "invoice_number",
    "party_name",
    "overdue_days",
]


@pytest.mark.parametrize("sign", ["+", "-"])
@pytest.mark.parametrize("field", SORTS)
def test_every_sort_field_sorts_both_ways_with_missing_values_last(
    exante: Caller, field: str, sign: str
) -> None:
    """`+` ascends, `-` descends; rows without the value come last."""
    found = rows(exante, sort=sign + field)
    keys = [key_of(field, row) for row in found]
    present = [key for key in keys if key is not None]

    assert sorted(present, reverse=sign == "-") == present
    assert [None] * (len(keys) - len(present)) == keys[len(present) :]
    assert {row["uid"] for row in rows(exante)} == {row["uid"] for row in found}


def test_newest_issue_date_comes_first_without_a_sort(exante: Caller) -> None:
    """The default order is that of `-issue_date`."""
    assert rows(exante, sort="-issue_date") == rows(exante)


def test_a_raw_plus_in_sort_is_refused_with_the_reason(exante: Caller) -> None:
    """A plus sign that was not percent-encoded arrives as a space, and the error says so."""
    reply = exante("GET", LIST, sort=" due_date")

    assert (reply.status, reply.rule) == (400, "bad-parameter")
    assert "%2B" in reply.json["message"]


BAD: list[tuple[dict[str, str], str]] = [
    ({"pageSize": "10"}, "unknown-parameter"),
    ({"keyword": "x"}, "unknown-parameter"),
    ({"status": ""}, "blank-parameter"),
    ({"status": "PAID,,SENT"}, "bad-parameter"),
    ({"party_name": "Acme|"}, "bad-parameter"),
    ({"party_uids": "no-uuid"}, "bad-parameter"),
    ({"organization_uid": "no-uuid"}, "bad-parameter"),
    ({"collection_method": "carrier_pigeon"}, "bad-parameter"),
    ({"include_inactive": "yes"}, "bad-parameter"),
    ({"sort": "due_date"}, "bad-parameter"),
    ({"sort": "+due_date,-total"}, "bad-parameter"),
    ({"sort": "+currency"}, "bad-parameter"),
    *[
        ({name: text}, "bad-parameter")
        for name in ("overdue_days", "total")
        for text in ("-5", "30-1", ">=9", "1-", "x", "1 - 3", "1.5", "<>3", "9" * 16, "٣")
    ],
    *[
        ({name: text}, "bad-parameter")
        for name in ("page", "per_page")
        for text in ("0", "-1", "1.0", "x", "9" * 40)
    ],
    ({"per_page": "101"}, "bad-parameter"),
    *[
        ({"issue_date_from": text}, "bad-parameter")
        for text in (
            "2026-03-30",
            "2026-03-30T00:00:00",
            "2026-02-30T00:00:00Z",
            "2026-03-30T24:00:00Z",
            "0001-01-01T00:00:00+01:00x",
            "2026-03-30T00:00:00 02:00",
        )
    ],
]


@pytest.mark.parametrize(("query", "rule"), BAD, ids=[str(query) for query, _ in BAD])
def test_a_bad_parameter_is_refused(exante: Caller, query: dict[str, str], rule: str) -> None:
    """Unknown, blank and ill-formed parameters give 400 and name the rule."""
    reply = exante("GET", LIST, **query)

    assert (400, rule) == (reply.status, reply.rule)


def test_a_repeated_parameter_is_refused(app: Sandbox, exante: Caller) -> None:
    """A parameter may appear once."""
    query = b"status=PAID&status=SENT"
    reply = step(app, "GET", "/exante" + LIST, headers=exante.headers, query=query).reply()

    assert (reply.status, reply.rule) == (400, "repeated-parameter")


def test_pages_partition_the_list(exante: Caller) -> None:
    """Pages neither overlap nor leave a gap, and `_meta` counts them."""
    pages = [
        exante("GET", LIST, page=str(page), per_page="7").json["data"] for page in range(1, 13)
    ]
    total = pages[0]["_meta"]["total_items"]
    uids = [row["uid"] for page in pages for row in page["items"]]

    assert total == len(set(uids))
    assert {"page": 1, "per_page": 7, "total_pages": -(-total // 7), "total_items": total} == pages[
        0
    ]["_meta"]


@pytest.mark.parametrize("spare", [-1, 0, 1])
def test_the_last_page_may_be_full(exante: Caller, spare: int) -> None:
    """A page as large as the list is the only one; one row more makes a second page."""
    total = exante("GET", LIST, include_inactive="true").json["data"]["_meta"]["total_items"]
    size = str(total + spare)
    first = exante("GET", LIST, include_inactive="true", per_page=size).json["data"]
    second = exante("GET", LIST, include_inactive="true", per_page=size, page="2").json["data"]
    pages = 2 if spare < 0 else 1

    assert (pages, pages > 1) == (
        first["_meta"]["total_pages"],
        first["_links"]["next"] is not None,
    )
    assert total == len(first["items"]) + len(second["items"])
    assert second["_links"]["next"] is None


@pytest.mark.parametrize("parts", [1, 2, 3])
def test_full_pages_are_counted_without_an_empty_one(exante: Caller, parts: int) -> None:
    """A list of two or three full pages has as many, and the last has no next."""
    status = "PAID,SENT,DRAFT,VOID,DISPUTED,APPROVED"
    page = exante("GET", LIST, status=status).json["data"]
    total = page["_meta"]["total_items"] // parts * parts
    uids = [
        row["uid"]
        for row in exante("GET", LIST, status=status, per_page="100").json["data"]["items"]
    ]
    surplus = uids[total:]
    if surplus:
        exante("DELETE", LIST, surplus)
    last = exante("GET", LIST, status=status, per_page=str(total // parts), page=str(parts)).json[
        "data"
    ]

    assert (parts, total) == (last["_meta"]["total_pages"], last["_meta"]["total_items"])
    assert (total // parts, None) == (len(last["items"]), last["_links"]["next"])


def test_paging_defaults_to_ten_rows_of_page_one(exante: Caller) -> None:
    """Without parameters a page has ten rows."""
    data = exante("GET", LIST).json["data"]

    assert (
        data["_meta"]["page"],
        data["_meta"]["per_page"],
        len(data["items"]),
    ) == (1, 10, 10)


def test_a_page_beyond_the_end_is_empty(exante: Caller) -> None:
    """The largest page number that can be asked for is an empty page, not an error."""
    reply = exante("GET", LIST, page=str(2**53 - 1), per_page="100")

    assert (reply.status, reply.json["data"]["items"]) == (200, [])


def test_links_lead_to_neighbours_and_keep_the_filters(exante: Caller) -> None:
    """`_links` carry the query on and are null where there is no page."""
    links = exante("GET", LIST, page="1", per_page="5", status="PAID").json["data"]["_links"]

    assert links == {
        "self": "/api/invoices?status=PAID&page=1&per_page=5",
        "next": "/api/invoices?status=PAID&page=2&per_page=5",
        "prev": None,
    }


def test_links_can_be_whole_urls(app: Sandbox, exante: Caller) -> None:
    """A setting turns the links into absolute ones."""
    control(app, "POST", "settings", {"exante_links": "absolute"})

    links = exante("GET", LIST).json["data"]["_links"]

    assert links["self"].startswith("http://sandbox/exante/api/invoices?")


def test_payables_never_appear(app: Sandbox, exante: Caller) -> None:
    """The list knows receivables only."""
    stored = control(app, "GET", "invoices?provider=exante")["invoices"]
    payables = {row["uid"] for row in stored if row["type"] == "ACCOUNTS_PAYABLE"}

    found = {row["uid"] for row in rows(exante, include_inactive="true")}

    assert payables
    assert set() == payables & found


def test_inactive_invoices_appear_on_request_only(exante: Caller) -> None:
    """Archived documents and inactive blueprints hide an invoice unless asked for."""
    plain = {row["uid"] for row in rows(exante)}
    everything = rows(exante, include_inactive="true")
    added = [row for row in everything if row["uid"] not in plain]

    assert added
    assert all(
        row["parent_contract"]["is_archived"] or not row["blueprint"]["is_active"] for row in added
    )
    assert len(everything) == 80


def test_the_search_parameter_can_be_renamed(app: Sandbox, exante: Caller) -> None:
    """The undocumented name is a setting; the old name is unknown then."""
    control(app, "POST", "settings", {"exante_search_parameter": "keyword"})

    assert exante("GET", LIST, keyword="Acme").status == 200
    assert exante("GET", LIST, search="Acme").rule == "unknown-parameter"


def test_the_list_is_scoped_to_one_organization(exante: Caller) -> None:
    """Another organization of the user has other invoices; the default one is the user's."""
    second = rows(exante, organization_uid=LANDMARKS["exante_second_organization"])
    default = rows(exante, organization_uid=LANDMARKS["exante_organization"])

    assert rows(exante) == default
    assert second
    assert not {row["uid"] for row in second} & {row["uid"] for row in default}


def test_a_foreign_organization_is_refused(app: Sandbox, exante: Caller) -> None:
    """A non-member gets 403, a member of that organization gets the list."""
    foreign = LANDMARKS["exante_foreign_organization"]
    reply = exante("GET", LIST, organization_uid=foreign)

    assert (reply.status, reply.rule) == (403, "organization-membership")
    assert Caller(app, "exante_other")("GET", LIST, organization_uid=foreign).status == 200


def test_a_list_row_is_not_an_invoice(exante: Caller) -> None:
    """The row adds two objects and lacks twelve fields, the currency among them."""
    row = rows(exante)[0]
    invoice = exante("GET", f"{LIST}/{row['uid']}").json["data"]

    assert {"parent_contract", "blueprint"} == set(row) - set(invoice)
    assert {
        "age",
        "comments",
        "currency",
        "has_comments",
        "integrations",
        "invoice_blueprint_uid",
        "invoice_fields",
        "invoice_link",
        "invoice_notes",
        "invoice_type",
        "line_items",
        "target_party_uid",
    } == set(invoice) - set(row)
    assert {"client"} == set(row["parties"])


def test_overdue_days_follow_the_clock(app: Sandbox, exante: Caller) -> None:
    """A day later every open invoice is one day further on, and the filter agrees."""
    before = {row["uid"]: row["overdue_days"] for row in rows(exante, status="OVERDUE")}
    control(app, "POST", "clock", {"advance_s": 86_400})

    after = {row["uid"]: row["overdue_days"] for row in rows(exante, status="OVERDUE")}

    assert {uid: days + 1 for uid, days in before.items()} == after


def test_a_sent_invoice_can_be_shown_as_overdue(app: Sandbox, exante: Caller) -> None:
    """With the setting, SENT past due reads and filters as OVERDUE."""
    sent = {row["uid"] for row in rows(exante, status="SENT")}
    control(app, "POST", "settings", {"exante_overdue_status": "computed"})
    control(app, "POST", "clock", {"advance_s": 100 * 86_400})

    found = {row["uid"] for row in rows(exante, status="OVERDUE")}

    assert sent
    assert sent <= found
    assert rows(exante, status="SENT") == []


def test_statistics_agree_with_the_list(exante: Caller) -> None:
    """Counts and amounts per status are those of the listed rows, under lower-case names."""
    organization = LANDMARKS["exante_organization"]
    data = exante("GET", f"/api/organization/{organization}/invoices/stats").json["data"]
    listed = rows(exante)

    assert {"amountTotals", "countTotals"} == set(data)
    assert len(listed) == sum(data["countTotals"].values())
    assert data["amountTotals"]["overdue"] == sum(
        row["total_cents"] for row in listed if row["status"] == "OVERDUE"
    )
    assert {
        "draft",
        "approved",
        "scheduled",
        "sent",
        "overdue",
        "paid",
        "disputed",
        "partially_paid",
        "void",
        "cancelled",
    } == set(data["countTotals"])


def test_filter_options_span_the_list(exante: Caller) -> None:
    """The options' bounds are the extremes of the listed rows."""
    organization = LANDMARKS["exante_organization"]
    data = exante("GET", f"/api/organization/{organization}/invoices/filter-options").json["data"]
    listed = rows(exante)
    totals = [row["total_cents"] for row in listed]
    days = [row["overdue_days"] for row in listed]

    assert {"min": min(totals), "max": max(totals)} == data["total"]
    assert {"min": min(days), "max": max(days)} == data["overdue_days"]
    assert min(row["due_date"] for row in listed) == data["date_range"]["due_date"]["min"]
    assert data["collection_methods"] == ["charge_automatically", "send_invoice"]
    assert {row["status"] for row in listed} <= set(data["statuses"])


@pytest.mark.parametrize("name", ["stats", "filter-options"])
def test_statistics_of_a_foreign_organization_are_refused(exante: Caller, name: str) -> None:
    """The organization in the path needs membership as well."""
    foreign = LANDMARKS["exante_foreign_organization"]

    assert exante("GET", f"/api/organization/{foreign}/invoices/{name}").status == 403


def test_the_profile_names_the_organizations(exante: Caller) -> None:
    """`GET /api/user` tells the default organization and all others."""
    user = exante("GET", "/api/user").json["data"]["user"]

    assert CREDENTIALS["exante"].organization == user["default_organization"]
    assert list(CREDENTIALS["exante"].organizations) == [
        organization["uid"] for organization in user["organizations"]
    ]
