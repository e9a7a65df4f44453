"""Kukkingu: the state machine, the locks, tenants, and the list without pages."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from _support.sandbox_app import Caller, Reply, control
from billingual.sandbox import CREDENTIALS, LANDMARKS, Sandbox

LIST = "/api/v1/invoices"
NEW: dict[str, object] = {
    "contractId": LANDMARKS["kukkingu_contract"],
    "invoiceNumber": "INV-2025-0001",
    "exchangeRate": 1.12,
    "currencyCode": "EUR",
    "amountMinor": 5000,
}
NOWHERE = "inv_" + "0" * 24
CHANGES: dict[str, object] = {
    "invoiceNumber": "INV-2025-0002",
    "exchangeRate": 2,
    "currencyCode": "JPY",
    "amountMinor": 1,
    "issuedAt": "2023-10-05T14:48:00.000Z",
    "dueAt": "2023-11-05T14:48Z",
    "paidAt": "2024-02-29T23:59:59Z",
}


def create(kukkingu: Caller, **fields: object) -> dict[str, Any]:
    """Create a draft and give it."""
    reply = kukkingu("POST", LIST, {**NEW, **fields})
    assert reply.status == 200, reply.body
    data: dict[str, Any] = reply.json["data"]
    return data


def in_state(kukkingu: Caller, state: str) -> str:
    """Create an invoice, bring it into a state, and give its id."""
    invoice: str = create(kukkingu)["id"]
    moves = {"DRAFT": (), "FINALIZED": ("finalize",), "VOID": ("void",)}
    for move in moves[state]:
        assert kukkingu("POST", f"{LIST}/{invoice}/{move}").status == 200
    return invoice


def test_a_create_makes_a_draft(kukkingu: Caller) -> None:
    """All fields come back, the contract as an id, unset instants as null."""
    made = create(kukkingu)

    assert {
        **{name: value for name, value in NEW.items() if name != "contractId"},
        "exchangeRate": Decimal("1.12"),
        "contract": NEW["contractId"],
        "status": "DRAFT",
        "issuedAt": None,
        "dueAt": None,
        "paidAt": None,
        "createdAt": "2026-11-21T09:00:00.000Z",
        "updatedAt": "2026-11-21T09:00:00.000Z",
    } == {name: value for name, value in made.items() if name != "id"}
    assert made == kukkingu("GET", f"{LIST}/{made['id']}").json["data"]


def test_an_exchange_rate_survives_digit_for_digit(kukkingu: Caller) -> None:
    """A number no binary float can hold comes back as it was sent."""
    rate = "0.12345678901234567890123456789"
    body = (
        f'{{"contractId": "{NEW["contractId"]}", "invoiceNumber": "R", "exchangeRate": {rate},'
        ' "currencyCode": "EUR", "amountMinor": 9007199254740991}'
    )
    reply = kukkingu("POST", LIST, raw=body.encode())

    assert f'"exchangeRate":{rate},' in reply.body.decode()
    assert reply.json["data"]["amountMinor"] == 2**53 - 1


INVALID: list[dict[str, object]] = [
    {"contractId": "ctr_SHOUT"},
    {"contractId": None},
    {"invoiceNumber": ""},
    {"invoiceNumber": "x" * 256},
    {"exchangeRate": -0.01},
    {"exchangeRate": "1.12"},
    {"exchangeRate": True},
    {"currencyCode": "EURO"},
    {"currencyCode": "eur"},
    {"amountMinor": -1},
    {"amountMinor": 2**53},
    {"amountMinor": 10**30},
    {"amountMinor": 5.5},
    {"amountMinor": True},
    {"amountMinor": "5000"},
    {"status": "FINALIZED"},
    {"paidAt": None},
    {"colour": "red"},
    *[
        {"issuedAt": text}
        for text in (
            "2023-10-05T14:48:00+00:00",
            "2023-10-05T14:48:00",
            "2023-10-05",
            "2023-02-29T00:00:00Z",
            "1900-02-29T00:00:00Z",
            "2023-10-05T24:00:00Z",
            "2023-10-05T14:48:60Z",
            "2023-10-05T14:48:00z",
            "2023-10-05 14:48:00Z",
            "2023-10-05T14:48:00Z\n",
            "٢٠٢٣-10-05T14:48:00Z",
        )
    ],
]


@pytest.mark.parametrize("fields", INVALID, ids=str)
def test_an_invalid_create_is_refused(kukkingu: Caller, fields: dict[str, object]) -> None:
    """Bounds, types, the timestamp pattern and unknown fields are checked."""
    reply = kukkingu("POST", LIST, {**NEW, **fields})

    assert (reply.status, reply.rule) == (400, "invalid-field")


@pytest.mark.parametrize("fields", [fields for fields in INVALID if "contractId" not in fields])
def test_an_invalid_patch_is_refused(kukkingu: Caller, fields: dict[str, object]) -> None:
    """A PATCH obeys the same rules."""
    invoice = create(kukkingu)["id"]

    assert (
        (reply := kukkingu("PATCH", f"{LIST}/{invoice}", fields)).status,
        reply.rule,
    ) == (400, "invalid-field")


@pytest.mark.parametrize("name", sorted(NEW))
def test_the_five_fields_of_a_create_are_required(kukkingu: Caller, name: str) -> None:
    """Each of them missing is refused."""
    body = {key: value for key, value in NEW.items() if key != name}

    assert ((reply := kukkingu("POST", LIST, body)).status, reply.rule) == (400, "invalid-field")


@pytest.mark.parametrize("text", ["2023-10-05T14:48Z", "2024-02-29T00:00:00.123456789Z"])
def test_every_timestamp_of_the_pattern_is_accepted(kukkingu: Caller, text: str) -> None:
    """Seconds and fraction are optional, and the text comes back as it was sent."""
    assert text == create(kukkingu, issuedAt=text)["issuedAt"]


def test_a_number_is_unique_in_its_tenant(app: Sandbox, kukkingu: Caller) -> None:
    """Create and PATCH refuse a number that is taken; another tenant may use it."""
    create(kukkingu)
    other = create(kukkingu, invoiceNumber="B")
    foreign = {**NEW, "contractId": LANDMARKS["kukkingu_foreign_contract"]}

    assert kukkingu("POST", LIST, NEW).rule == "number-taken"
    patch = {"invoiceNumber": NEW["invoiceNumber"]}
    assert kukkingu("PATCH", f"{LIST}/{other['id']}", patch).rule == "number-taken"
    assert Caller(app, "kukkingu_other")("POST", LIST, foreign).status == 200


LOCKS = [
    (state, name, state == "DRAFT" or (state == "FINALIZED" and name == "paidAt"))
    for state in ("DRAFT", "FINALIZED", "VOID")
    for name in CHANGES
]


@pytest.mark.parametrize(("state", "name", "allowed"), LOCKS)
def test_the_lock_table(kukkingu: Caller, state: str, name: str, allowed: bool) -> None:  # noqa: FBT001
    """DRAFT: every field; FINALIZED: only `paidAt`; VOID: none; a refusal changes nothing."""
    invoice = in_state(kukkingu, state)
    before = kukkingu("GET", f"{LIST}/{invoice}").json["data"]
    reply = kukkingu("PATCH", f"{LIST}/{invoice}", {name: CHANGES[name]})
    after = kukkingu("GET", f"{LIST}/{invoice}").json["data"]

    assert (200 if allowed else 409) == reply.status
    assert {**before, **({name: CHANGES[name]} if allowed else {})} == after


def test_one_locked_field_refuses_the_whole_patch(kukkingu: Caller) -> None:
    """A PATCH with `paidAt` and a locked field applies neither, even if the value is the same."""
    invoice = in_state(kukkingu, "FINALIZED")
    body = {"paidAt": CHANGES["paidAt"], "amountMinor": NEW["amountMinor"]}
    reply = kukkingu("PATCH", f"{LIST}/{invoice}", body)

    assert (reply.status, reply.rule) == (409, "status-lock")
    assert "amountMinor" in reply.json["message"]
    assert kukkingu("GET", f"{LIST}/{invoice}").json["data"]["paidAt"] is None


@pytest.mark.parametrize(("state", "status"), [("DRAFT", 200), ("FINALIZED", 200), ("VOID", 409)])
def test_an_empty_patch_changes_nothing(
    app: Sandbox, kukkingu: Caller, state: str, status: int
) -> None:
    """It is a no-op that leaves `updatedAt` alone; VOID refuses even that."""
    invoice = in_state(kukkingu, state)
    before = kukkingu("GET", f"{LIST}/{invoice}").json
    control(app, "POST", "clock", {"advance_s": 60})
    reply = kukkingu("PATCH", f"{LIST}/{invoice}", {})

    assert status == reply.status
    assert before == kukkingu("GET", f"{LIST}/{invoice}").json


def test_the_contract_cannot_be_moved(kukkingu: Caller) -> None:
    """`contractId` is unknown in a PATCH."""
    invoice = create(kukkingu)["id"]
    reply = kukkingu("PATCH", f"{LIST}/{invoice}", {"contractId": NEW["contractId"]})

    assert (reply.status, reply.rule) == (400, "invalid-field")


MOVES = [
    ("DRAFT", "finalize", "FINALIZED"),
    ("DRAFT", "void", "VOID"),
    ("FINALIZED", "finalize", None),
    ("FINALIZED", "void", "VOID"),
    ("VOID", "finalize", None),
    ("VOID", "void", None),
]


@pytest.mark.parametrize(("state", "move", "target"), MOVES)
def test_the_state_machine(kukkingu: Caller, state: str, move: str, target: str | None) -> None:
    """Drafts are finalized or voided, finalized invoices voided; all else is refused."""
    invoice = in_state(kukkingu, state)
    reply = kukkingu("POST", f"{LIST}/{invoice}/{move}")
    now = kukkingu("GET", f"{LIST}/{invoice}").json["data"]["status"]

    assert (200 if target else 409, target or state) == (reply.status, now)


@pytest.mark.parametrize("status", [400, 403, 409, 422])
def test_the_status_of_a_lock_violation_is_a_setting(
    app: Sandbox, kukkingu: Caller, status: int
) -> None:
    """It is undocumented, so a setting offers all four plausible ones."""
    control(app, "POST", "settings", {"kukkingu_lock_status": status})
    invoice = in_state(kukkingu, "VOID")

    assert status == kukkingu("PATCH", f"{LIST}/{invoice}", {"amountMinor": 1}).status
    assert status == kukkingu("POST", f"{LIST}/{invoice}/finalize").status


def test_a_move_takes_no_body(kukkingu: Caller) -> None:
    """Finalize and void with a body are refused."""
    invoice = create(kukkingu)["id"]

    assert kukkingu("POST", f"{LIST}/{invoice}/void", {"a": 1}).rule == "body-not-allowed"


def test_a_write_moves_updated_at(app: Sandbox, kukkingu: Caller) -> None:
    """`updatedAt` follows the clock, `createdAt` stays."""
    invoice = create(kukkingu)["id"]
    control(app, "POST", "clock", {"advance_s": 1.5})
    patched = kukkingu("PATCH", f"{LIST}/{invoice}", {"amountMinor": 1}).json["data"]

    assert (
        patched["createdAt"],
        patched["updatedAt"],
    ) == ("2026-11-21T09:00:00.000Z", "2026-11-21T09:00:01.500Z")


@pytest.mark.parametrize("status", ["DRAFT", "FINALIZED", "VOID"])
def test_the_list_filters_by_status(kukkingu: Caller, status: str) -> None:
    """The seed has every state, and the filter keeps exactly the one asked for."""
    everything = kukkingu("GET", LIST).json["data"]
    found = kukkingu("GET", LIST, status=status).json["data"]

    assert [row for row in everything if row["status"] == status] == found
    assert found


def test_the_list_has_no_pages_and_filters_by_contract(kukkingu: Caller) -> None:
    """All 60 come at once; a contract filter keeps its own, an unknown contract has none."""
    everything = kukkingu("GET", LIST).json
    contract = LANDMARKS["kukkingu_contract"]
    found = kukkingu("GET", LIST, contractId=contract).json["data"]

    assert {"data"} == set(everything)
    assert len(everything["data"]) == 60
    assert [row for row in everything["data"] if row["contract"] == contract] == found
    assert kukkingu("GET", LIST, contractId="ctr_" + "z" * 24).json["data"] == []


@pytest.mark.parametrize(
    ("query", "rule"),
    [
        ({"page": "1"}, "unknown-parameter"),
        ({"status": "PAID"}, "bad-parameter"),
        ({"status": "DRAFT,VOID"}, "bad-parameter"),
        ({"contractId": "x"}, "invalid-field"),
        ({"expand": "client"}, "bad-parameter"),
        ({"expand": "contract,"}, "bad-parameter"),
    ],
    ids=str,
)
def test_a_bad_parameter_is_refused(kukkingu: Caller, query: dict[str, str], rule: str) -> None:
    """Paging does not exist, status takes one value, expand two."""
    reply = kukkingu("GET", LIST, **query)

    assert (400, rule) == (reply.status, reply.rule)


def test_expand_turns_ids_into_objects(kukkingu: Caller) -> None:
    """`contract` expands the contract, `contract.client` its client too."""
    path = f"{LIST}/{create(kukkingu)['id']}"
    plain = kukkingu("GET", path).json["data"]["contract"]
    contract = kukkingu("GET", path, expand="contract").json["data"]["contract"]
    both = kukkingu("GET", path, expand="contract,contract.client").json["data"]["contract"]

    assert NEW["contractId"] == plain == contract["id"] == both["id"]
    assert contract["client"] == both["client"]["id"]


def test_contracts_can_be_found(kukkingu: Caller) -> None:
    """The list has the landmark, filters by client, and agrees with the single read."""
    contracts = kukkingu("GET", "/api/v1/contracts").json["data"]
    first = contracts[0]
    one = kukkingu("GET", f"/api/v1/contracts/{first['id']}", without="tenant-id").json["data"]
    by_client = kukkingu("GET", "/api/v1/contracts", clientId=first["client"], expand="client")

    assert LANDMARKS["kukkingu_contract"] == first["id"]
    assert first == one
    assert [first["id"]] == [row["id"] for row in by_client.json["data"]]
    assert first["client"] == by_client.json["data"][0]["client"]["id"]


def test_tenants_can_be_found_without_the_header(kukkingu: Caller) -> None:
    """A caller sees the own tenant; a search that misses finds none."""
    found = kukkingu("GET", "/api/v1/tenants", without="tenant-id").json["data"]

    assert [CREDENTIALS["kukkingu"].tenant] == [tenant["id"] for tenant in found]
    assert kukkingu("GET", "/api/v1/tenants", search="nobody").json["data"] == []


def test_the_pdf_is_a_link_that_expires(kukkingu: Caller) -> None:
    """It needs no tenant header and says until when it is good."""
    invoice = create(kukkingu)["id"]
    data = kukkingu("GET", f"{LIST}/{invoice}/pdf", without="tenant-id").json["data"]

    assert {"id", "url", "fileName", "expiresIn", "expiresAt", "createdAt"} == set(data)
    assert (data["expiresIn"], data["expiresAt"]) == (900, "2026-11-21T09:15:00.000Z")


INVOICE_CALLS: list[tuple[str, str, object]] = [
    ("GET", LIST, None),
    ("POST", LIST, NEW),
    ("GET", f"{LIST}/{NOWHERE}", None),
    ("PATCH", f"{LIST}/{NOWHERE}", {}),
    ("POST", f"{LIST}/{NOWHERE}/finalize", None),
    ("POST", f"{LIST}/{NOWHERE}/void", None),
    ("GET", "/api/v1/contracts", None),
]


@pytest.mark.parametrize(("method", "path", "body"), INVOICE_CALLS)
def test_the_token_and_the_tenant_header_are_checked(
    app: Sandbox, method: str, path: str, body: object
) -> None:
    """First the token (401), then the header: missing and malformed 400, foreign 403."""
    kukkingu = Caller(app, "kukkingu")

    def result(reply: Reply) -> tuple[int, str | None]:
        return reply.status, reply.rule

    foreign = CREDENTIALS["kukkingu_other"].tenant or ""

    assert [
        result(kukkingu(method, path, body, without="authorization")),
        result(kukkingu(method, path, body, extra={"authorization": "Bearer x"})),
        result(kukkingu(method, path, body, without="tenant-id")),
        result(kukkingu(method, path, body, extra={"tenant-id": "tnt_short"})),
        result(kukkingu(method, path, body, extra={"tenant-id": "tnt_" + "A" * 24})),
        result(kukkingu(method, path, body, extra={"tenant-id": foreign})),
    ] == [
        (401, "authorization-missing"),
        (401, "token-unknown"),
        (400, "tenant-missing"),
        (400, "tenant-malformed"),
        (400, "tenant-malformed"),
        (403, "tenant-foreign"),
    ]


def test_another_tenants_invoice_does_not_exist(app: Sandbox, kukkingu: Caller) -> None:
    """Every call on it gives 404, the list does not show it, and it stays as it was."""
    invoice = create(kukkingu)["id"]
    other = Caller(app, "kukkingu_other")
    statuses = [
        other("GET", f"{LIST}/{invoice}").status,
        other("PATCH", f"{LIST}/{invoice}", {"amountMinor": 1}).status,
        other("POST", f"{LIST}/{invoice}/finalize").status,
        other("POST", f"{LIST}/{invoice}/void").status,
        other("GET", f"{LIST}/{invoice}/pdf").status,
        other("GET", f"/api/v1/contracts/{NEW['contractId']}").status,
        other("POST", LIST, NEW).status,
    ]

    assert statuses == [404] * 7
    assert invoice not in {row["id"] for row in other("GET", LIST).json["data"]}
    assert kukkingu("GET", f"{LIST}/{invoice}").json["data"]["status"] == "DRAFT"


@pytest.mark.parametrize(("method", "path"), [("DELETE", ""), ("PUT", "")])
def test_undocumented_methods_do_not_exist(kukkingu: Caller, method: str, path: str) -> None:
    """There is no delete, and the replacing PUT is left out."""
    reply = kukkingu(method, f"{LIST}/{create(kukkingu)['id']}{path}")

    assert (reply.status, reply.rule) == (405, "method-not-allowed")


SHAPES = {
    "fastify": {"statusCode", "code", "error", "message"},
    "nested": {"error"},
    "issues": {"message", "issues"},
}


@pytest.mark.parametrize("shape", sorted(SHAPES))
def test_the_error_shape_can_be_switched(app: Sandbox, kukkingu: Caller, shape: str) -> None:
    """Each plausible shape is available."""
    control(app, "POST", "settings", {"kukkingu_error_shape": shape})
    reply = kukkingu("POST", LIST, {})

    assert SHAPES[shape] == set(reply.json)


def test_create_can_answer_201(app: Sandbox, kukkingu: Caller) -> None:
    """The status of a create is a setting; 200 is documented."""
    control(app, "POST", "settings", {"kukkingu_create_status": 201})

    assert kukkingu("POST", LIST, NEW).status == 201
