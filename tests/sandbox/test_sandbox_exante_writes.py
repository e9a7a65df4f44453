"""Exante's writes: create, update, the all-or-nothing batch, delete, and who may do so."""

from __future__ import annotations

import json
from typing import Any

import pytest

from _support.sandbox_app import Caller, control
from billingual.sandbox import CREDENTIALS, LANDMARKS, Sandbox

LIST = "/api/invoices"
MINIMAL = {
    "target_party_uid": LANDMARKS["exante_party"],
    "owner_uid": LANDMARKS["exante_owner"],
    "document_uid": LANDMARKS["exante_document"],
}
UNKNOWN = "00000000-0000-4000-8000-00000000dead"


def create(exante: Caller, **fields: object) -> dict[str, Any]:
    """Create an invoice and give it."""
    reply = exante("POST", LIST, {**MINIMAL, **fields})
    assert reply.status == 200, reply.body
    data: dict[str, Any] = reply.json["data"]
    return data


def stored(app: Sandbox) -> Any:
    """Give all rows as they are stored."""
    return control(app, "GET", "invoices?provider=exante")["invoices"]


def test_a_minimal_create_takes_the_documented_defaults(exante: Caller) -> None:
    """DRAFT, USD, receivable, a generated number, nothing owed; the owner is not shown."""
    reply = exante("POST", LIST, MINIMAL)
    data = reply.json["data"]

    assert (
        reply.json["status"],
        reply.json["status_code"],
        reply.json["message"],
    ) == ("success", 200, "Success")
    assert (
        data["status"],
        data["currency"],
        data["invoice_type"],
        data["total_cents"],
        data["due_date"],
    ) == ("DRAFT", "USD", "ACCOUNTS_RECEIVABLE", 0, None)
    assert data["invoice_number"].startswith("INV-2026-")
    assert "owner_uid" not in data


def test_a_full_create_comes_back(exante: Caller) -> None:
    """What was sent is what get returns; the field map comes out as an array."""
    sent = {
        "issue_date": "2026-03-30T02:00:00+02:00",
        "due_date": "2026-04-29T00:00:00.5Z",
        "invoice_number": "INV-2026-0042",
        "status": "SENT",
        "currency": "EUR",
        "invoice_blueprint_uid": LANDMARKS["exante_blueprint"],
        "invoice_fields": {"payment_terms": {"type": "string", "value": "NET_30"}},
    }
    made = create(exante, **sent)
    got = exante("GET", f"{LIST}/{made['uid']}").json["data"]

    assert made == got
    assert {
        **sent,
        "issue_date": "2026-03-30T00:00:00Z",
        "invoice_fields": [
            {
                "key": "payment_terms",
                "value": {"type": "string", "original_type": "string", "value": "NET_30"},
            }
        ],
    } == {name: got[name] for name in sent}


def test_a_uid_is_found_in_upper_case(exante: Caller) -> None:
    """UUIDs are compared without regard to case."""
    made = create(exante)

    assert made == exante("GET", f"{LIST}/{made['uid'].upper()}").json["data"]


@pytest.mark.parametrize("number", [None, "", "   "])
def test_an_omitted_or_blank_number_is_generated(exante: Caller, number: str | None) -> None:
    """Null, blank and absent all let the server choose, never twice the same."""
    first = create(exante, invoice_number=number)["invoice_number"]
    second = create(exante)["invoice_number"]

    assert first.strip()
    assert first != second


def test_a_generated_number_skips_one_that_is_taken(exante: Caller) -> None:
    """The server never generates a number a caller used before."""
    create(exante, invoice_number="INV-2026-00001")

    assert create(exante)["invoice_number"] == "INV-2026-00002"


def test_a_number_is_unique_in_its_organization(exante: Caller) -> None:
    """The second invoice with a number is refused, on create and on update."""
    create(exante, invoice_number="A-1")
    other = create(exante, invoice_number="A-2")

    again = exante("POST", LIST, {**MINIMAL, "invoice_number": "A-1"})
    update = exante("PUT", f"{LIST}/{other['uid']}", {"invoice_number": "A-1"})
    same = exante("PUT", f"{LIST}/{other['uid']}", {"invoice_number": "A-2"})

    assert (again.status, again.rule) == (409, "number-taken")
    assert (update.status, update.rule) == (409, "number-taken")
    assert same.status == 200


def test_a_number_may_be_taken_twice_by_setting(app: Sandbox, exante: Caller) -> None:
    """That numbers are unique is undocumented, so a client must cope with two invoices of one."""
    control(app, "POST", "settings", {"exante_number_taken": "accepted"})
    first = create(exante, invoice_number="A-1")
    second = create(exante, invoice_number="A-1")

    assert first["uid"] != second["uid"]
    assert second["invoice_number"] == "A-1"
    assert exante("PUT", f"{LIST}/{create(exante)['uid']}", {"invoice_number": "A-1"}).status == 200


def test_two_organizations_may_use_one_number(app: Sandbox, exante: Caller) -> None:
    """Uniqueness ends at the organization."""
    create(exante, invoice_number="A-1")
    foreign = {
        **MINIMAL,
        "target_party_uid": LANDMARKS["exante_foreign_party"],
        "document_uid": LANDMARKS["exante_foreign_document"],
        "invoice_number": "A-1",
    }

    assert Caller(app, "exante_other")("POST", LIST, foreign).status == 200


INVALID_CREATES: list[tuple[dict[str, object], str]] = [
    ({"target_party_uid": None}, "invalid-field"),
    ({"document_uid": "x"}, "invalid-field"),
    ({"owner_uid": 7}, "invalid-field"),
    ({"currency": "EURO"}, "invalid-field"),
    ({"currency": None}, "invalid-field"),
    ({"status": None}, "invalid-field"),
    ({"invoice_type": "ACCOUNTS"}, "invalid-field"),
    ({"issue_date": "2026-03-30"}, "invalid-field"),
    ({"due_date": "2026-02-29T00:00:00Z"}, "invalid-field"),
    ({"invoice_number": 7}, "invalid-field"),
    ({"invoice_fields": [{"key": "a"}]}, "invalid-field"),
    ({"invoice_fields": {"a": "b"}}, "invalid-field"),
    ({"invoice_fields": {"a": {"value": 1}}}, "invalid-field"),
    ({"collection_method": "send_invoice"}, "invalid-field"),
    ({"paid_date": "2026-03-30T00:00:00Z"}, "invalid-field"),
    ({"line_items": []}, "invalid-field"),
    ({"total_cents": 1}, "invalid-field"),
    ({"target_party_uid": UNKNOWN}, "bad-reference"),
    ({"target_party_uid": LANDMARKS["exante_foreign_party"]}, "bad-reference"),
    ({"document_uid": UNKNOWN}, "bad-reference"),
    ({"document_uid": LANDMARKS["exante_foreign_document"]}, "bad-reference"),
    ({"invoice_blueprint_uid": UNKNOWN}, "bad-reference"),
]


@pytest.mark.parametrize(("fields", "rule"), INVALID_CREATES, ids=str)
def test_an_invalid_create_is_refused_and_leaves_nothing(
    app: Sandbox, exante: Caller, fields: dict[str, object], rule: str
) -> None:
    """Wrong types, unknown fields and references that do not exist give 400."""
    before = stored(app)
    reply = exante("POST", LIST, {**MINIMAL, **fields})

    assert (400, rule) == (reply.status, reply.rule)
    assert before == stored(app)


@pytest.mark.parametrize("name", sorted(MINIMAL))
def test_the_three_references_are_required(exante: Caller, name: str) -> None:
    """Each of them missing is an error that names it."""
    reply = exante("POST", LIST, {key: uid for key, uid in MINIMAL.items() if key != name})

    assert (400, [f"$.{name} is required"]) == (reply.status, reply.json["data"]["errors"])


CHANGES: list[tuple[str, object, object]] = [
    ("status", "My Own Status", "My Own Status"),
    ("issue_date", "2026-01-01T00:00:00Z", "2026-01-01T00:00:00Z"),
    ("due_date", "2026-02-01T00:00:00Z", "2026-02-01T00:00:00Z"),
    ("paid_date", "2026-02-02T12:30:00Z", "2026-02-02T12:30:00Z"),
    ("invoice_number", "N-9", "N-9"),
    ("collection_method", "charge_automatically", "charge_automatically"),
    ("currency", "JPY", "JPY"),
    ("target_party_uid", LANDMARKS["exante_party"], LANDMARKS["exante_party"]),
]
SINGLE_ONLY: list[tuple[str, object, object]] = [
    (
        "document_uid",
        LANDMARKS["exante_archived_document"],
        LANDMARKS["exante_archived_document"],
    ),
    ("invoice_blueprint_uid", LANDMARKS["exante_blueprint"], LANDMARKS["exante_blueprint"]),
    (
        "invoice_fields",
        {"a": {"type": "number", "value": 1}},
        [{"key": "a", "value": {"type": "number", "original_type": "number", "value": 1}}],
    ),
]


@pytest.mark.parametrize(("name", "value", "shown"), CHANGES + SINGLE_ONLY)
def test_an_update_changes_what_it_names_and_nothing_else(
    exante: Caller, name: str, value: object, shown: object
) -> None:
    """PUT on one invoice is partial."""
    made = create(exante, due_date="2026-12-31T00:00:00Z", issue_date="2026-11-01T00:00:00Z")
    changed = exante("PUT", f"{LIST}/{made['uid']}", {name: value}).json["data"]
    derived = {"overdue_days", "age"}

    assert shown == changed[name]
    assert {key for key in made if made[key] != changed[key]} <= {name} | derived


@pytest.mark.parametrize(("name", "value", "shown"), CHANGES)
def test_a_batch_changes_what_it_names(
    exante: Caller, name: str, value: object, shown: object
) -> None:
    """Every documented field of the batch is applied, partially."""
    made = create(exante, due_date="2026-12-31T00:00:00Z")
    reply = exante("PUT", LIST, [{"uid": made["uid"], name: value}])

    assert reply.json["message"] == "Successfully updated 1 invoice(s)"
    assert shown == reply.json["data"][0][name]


@pytest.mark.parametrize("name", [name for name, _, _ in SINGLE_ONLY])
def test_a_batch_does_not_know_what_only_the_single_update_knows(exante: Caller, name: str) -> None:
    """`document_uid`, `invoice_blueprint_uid` and `invoice_fields` are unknown there."""
    made = create(exante)
    reply = exante("PUT", LIST, [{"uid": made["uid"], name: made[name]}])

    assert (reply.status, reply.rule) == (400, "invalid-field")


@pytest.mark.parametrize("name", [name for name, _, _ in CHANGES + SINGLE_ONLY])
def test_null_is_refused_in_updates(exante: Caller, name: str) -> None:
    """No field of an update is declared nullable."""
    made = create(exante)

    assert exante("PUT", f"{LIST}/{made['uid']}", {name: None}).status == 400
    assert exante("PUT", LIST, [{"uid": made["uid"], name: None}]).status == 400


@pytest.mark.parametrize("name", ["owner_uid", "invoice_type", "uid", "total_cents"])
def test_immutable_fields_are_unknown_in_updates(exante: Caller, name: str) -> None:
    """An update that names a field the page does not list is refused."""
    made = create(exante)
    reply = exante("PUT", f"{LIST}/{made['uid']}", {name: UNKNOWN})

    assert (reply.status, reply.rule) == (400, "invalid-field")


@pytest.mark.parametrize(
    ("setting", "left"), [("replaced", [("b", 3)]), ("merged", [("a", 1), ("b", 3)])]
)
def test_invoice_fields_of_an_update_replace_all_or_their_own_names(
    app: Sandbox, exante: Caller, setting: str, left: list[tuple[str, int]]
) -> None:
    """What becomes of those that are left out is undocumented; the worse case is the default."""
    if setting != "replaced":
        control(app, "POST", "settings", {"exante_fields_update": setting})
    made = create(
        exante, invoice_fields={name: {"type": "t", "value": n} for n, name in enumerate("ab", 1)}
    )
    fields = {"b": {"type": "t", "value": 3}}
    changed = exante("PUT", f"{LIST}/{made['uid']}", {"invoice_fields": fields}).json["data"]

    assert left == [(field["key"], field["value"]["value"]) for field in changed["invoice_fields"]]


BAD_ELEMENTS: list[tuple[dict[str, object], int]] = [
    ({"uid": UNKNOWN, "status": "SENT"}, 404),
    ({"uid": "no-uuid", "status": "SENT"}, 400),
    ({"status": "SENT"}, 400),
    ({"uid": UNKNOWN, "colour": "red"}, 400),
]


@pytest.mark.parametrize(("bad", "status"), BAD_ELEMENTS, ids=str)
def test_one_bad_element_fails_the_whole_batch(
    app: Sandbox, exante: Caller, bad: dict[str, object], status: int
) -> None:
    """No invoice is changed unless all are, wherever in the batch the bad one is."""
    uids = [create(exante)["uid"] for _ in range(3)]
    good = [{"uid": uid, "status": "SENT"} for uid in uids]
    before = stored(app)

    for position in range(len(good) + 1):
        reply = exante("PUT", LIST, [*good[:position], bad, *good[position:]])

        assert status == reply.status
        assert before == stored(app)


def test_a_number_conflict_in_a_batch_rolls_back_what_came_before(
    app: Sandbox, exante: Caller
) -> None:
    """A rule that only fires while applying undoes the elements already applied."""
    uids = [create(exante)["uid"] for _ in range(2)]
    before = stored(app)
    reply = exante("PUT", LIST, [{"uid": uid, "invoice_number": "TWIN"} for uid in uids])

    assert (reply.status, reply.rule) == (409, "number-taken")
    assert before == stored(app)


@pytest.mark.parametrize("count", [0, 101])
@pytest.mark.parametrize("method", ["PUT", "DELETE"])
def test_batches_have_1_to_100_elements(exante: Caller, method: str, count: int) -> None:
    """None and 101 are refused."""
    body: list[object] = [UNKNOWN] * count
    if method == "PUT":
        body = [{"uid": UNKNOWN}] * count
    reply = exante(method, LIST, raw=json.dumps(body).encode())

    assert (reply.status, reply.rule) == (400, "invalid-field")


def test_a_batch_of_100_is_accepted(exante: Caller) -> None:
    """The upper bound is inside."""
    uids = [create(exante)["uid"] for _ in range(100)]
    updated = exante("PUT", LIST, [{"uid": uid, "status": "SENT"} for uid in uids])
    deleted = exante("DELETE", LIST, uids)

    assert uids == [record["uid"] for record in updated.json["data"]]
    assert {"SENT"} == {record["status"] for record in updated.json["data"]}
    assert (deleted.status, deleted.json["data"]) == (200, {})


@pytest.mark.parametrize("method", ["PUT", "DELETE"])
def test_a_uid_twice_in_a_batch_is_refused(exante: Caller, method: str) -> None:
    """Also when the two differ in case."""
    uid = create(exante)["uid"]
    body: list[object] = [uid, uid.upper()]
    if method == "PUT":
        body = [{"uid": each} for each in body]

    assert exante(method, LIST, body).rule == "duplicate-uid"


def test_the_batch_may_answer_in_another_order(app: Sandbox, exante: Caller) -> None:
    """A setting reverses the response, because no order is documented."""
    control(app, "POST", "settings", {"exante_bulk_order": "reversed"})
    uids = [create(exante)["uid"] for _ in range(3)]
    reply = exante("PUT", LIST, [{"uid": uid} for uid in uids])

    assert uids[::-1] == [record["uid"] for record in reply.json["data"]]


def test_a_delete_with_a_missing_invoice_deletes_nothing(exante: Caller) -> None:
    """The default is all or nothing."""
    uid = create(exante)["uid"]

    assert exante("DELETE", LIST, [uid, UNKNOWN]).status == 404
    assert exante("GET", f"{LIST}/{uid}").status == 200


def test_a_delete_can_be_partial_by_setting(app: Sandbox, exante: Caller) -> None:
    """That deletes are atomic is undocumented, so the sandbox can do without."""
    control(app, "POST", "settings", {"exante_bulk_delete": "partial"})
    uid = create(exante)["uid"]

    assert exante("DELETE", LIST, [uid, UNKNOWN]).status == 404
    assert exante("GET", f"{LIST}/{uid}").status == 404


def test_another_organizations_invoice_does_not_exist(app: Sandbox, exante: Caller) -> None:
    """Reading, changing and deleting it give 404."""
    uid = create(exante)["uid"]
    other = Caller(app, "exante_other")
    statuses = [
        other("GET", f"{LIST}/{uid}").status,
        other("PUT", f"{LIST}/{uid}", {"status": "PAID"}).status,
        other("PUT", LIST, [{"uid": uid, "status": "PAID"}]).status,
        other("DELETE", LIST, [uid]).status,
    ]

    assert statuses == [404] * 4


CALLS: list[tuple[str, str, object]] = [
    ("GET", LIST, None),
    ("POST", LIST, MINIMAL),
    ("PUT", LIST, [{"uid": UNKNOWN}]),
    ("DELETE", LIST, [UNKNOWN]),
    ("GET", f"{LIST}/{UNKNOWN}", None),
    ("PUT", f"{LIST}/{UNKNOWN}", {}),
    ("GET", f"/api/organization/{UNKNOWN}/invoices/stats", None),
    ("GET", f"/api/organization/{UNKNOWN}/invoices/filter-options", None),
    ("GET", "/api/user", None),
]


@pytest.mark.parametrize(("method", "path", "body"), CALLS)
def test_every_call_needs_a_live_key(app: Sandbox, method: str, path: str, body: object) -> None:
    """Missing, malformed, unknown, expired and revoked keys give 401, before anything else."""
    exante = Caller(app, "exante")
    token = CREDENTIALS["exante"].token
    headers = (token, f"bearer {token}", "Bearer ", f"Basic {token}", "Bearer nobody")
    rules = [
        exante(method, path, body, without="authorization").rule,
        *[exante(method, path, body, extra={"authorization": text}).rule for text in headers],
    ]
    for credential in ("exante_expired", "exante_revoked"):
        reply = Caller(app, credential)(method, path, body)
        rules.append(f"{reply.status} {reply.rule}")

    assert [
        "authorization-missing",
        *["authorization-format"] * 4,
        "key-unknown",
        "401 key-expired",
        "401 key-revoked",
    ] == rules


@pytest.mark.parametrize(("method", "path", "body"), CALLS[1:4] + CALLS[5:6])
def test_a_read_only_key_may_not_write(app: Sandbox, method: str, path: str, body: object) -> None:
    """A key with `invoices:read` gets 403 on every write."""
    reply = Caller(app, "exante_read_only")(method, path, body)

    assert (reply.status, reply.rule) == (403, "key-scope")


def test_a_read_only_key_may_read(app: Sandbox) -> None:
    """It may list and get."""
    reader = Caller(app, "exante_read_only")
    uid = reader("GET", LIST).json["data"]["items"][0]["uid"]

    assert reader("GET", f"{LIST}/{uid}").status == 200


ERROR_SHAPES = {
    "envelope": (404, {"status": "error", "status_code": 404}),
    "details": (404, {"details": []}),
    "envelope_in_200": (200, {"status": "error", "status_code": 404}),
}


@pytest.mark.parametrize("shape", sorted(ERROR_SHAPES))
def test_the_error_shape_can_be_switched(app: Sandbox, exante: Caller, shape: str) -> None:
    """Each plausible shape is available; the rule header is always there."""
    control(app, "POST", "settings", {"exante_error_shape": shape})
    reply = exante("GET", f"{LIST}/{UNKNOWN}")
    status, fixed = ERROR_SHAPES[shape]

    assert (status, "invoice-not-found") == (reply.status, reply.rule)
    assert fixed.items() <= reply.json.items()
    assert UNKNOWN in str(reply.json.get("message") or reply.json.get("error"))


def test_validation_can_answer_422_and_create_201(app: Sandbox, exante: Caller) -> None:
    """Both undocumented statuses are switches; the body agrees with HTTP."""
    control(app, "POST", "settings", {"exante_validation_status": 422, "exante_create_status": 201})
    invalid, made = exante("POST", LIST, {}), exante("POST", LIST, MINIMAL)

    assert (invalid.status, invalid.json["status_code"]) == (422, 422)
    assert (made.status, made.json["status_code"]) == (201, 201)


UPDATES_REFUSED = [
    ({"invoice_number": "   "}, "blank-number"),
    ({"target_party_uid": UNKNOWN}, "bad-reference"),
    ({"target_party_uid": LANDMARKS["exante_foreign_party"]}, "bad-reference"),
    ({"document_uid": LANDMARKS["exante_foreign_document"]}, "bad-reference"),
    ({"invoice_blueprint_uid": UNKNOWN}, "bad-reference"),
]


@pytest.mark.parametrize(("change", "rule"), UPDATES_REFUSED, ids=str)
def test_an_update_may_not_lead_nowhere(
    app: Sandbox, exante: Caller, change: dict[str, object], rule: str
) -> None:
    """A blank number and references outside the organization are refused."""
    made = create(exante)
    before = stored(app)
    reply = exante("PUT", f"{LIST}/{made['uid']}", change)

    assert (reply.status, reply.rule) == (400, rule)
    assert before == stored(app)
