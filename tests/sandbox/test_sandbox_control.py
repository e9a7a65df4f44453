"""The control API: clock, seed, reset, settings, request log."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import MutableMapping
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from _support.sandbox_app import Caller, control, step
from billingual.sandbox import CREDENTIALS, LANDMARKS, Sandbox, create_app

LIST = "/api/invoices"
DEFAULT_NOW = "2026-11-21T09:00:00.000Z"


def everything(app: Sandbox) -> list[bytes]:
    """Give the bytes of many responses."""
    exante, kukkingu = Caller(app, "exante"), Caller(app, "kukkingu")
    return [
        exante("GET", LIST, per_page="100", include_inactive="true").body,
        kukkingu("GET", "/api/v1/invoices", expand="contract.client").body,
        *[
            step(
                app,
                "GET",
                "/_sandbox/invoices",
                headers={},
                query=f"provider={provider}".encode(),
            )
            .reply()
            .body
            for provider in ("exante", "kukkingu", "katsu")
        ],
    ]


def test_the_same_seed_gives_the_same_bytes() -> None:
    """Two sandboxes with one seed response alike, before and after the same writes."""
    first, second = create_app(invoices=50), create_app(invoices=50)
    for app in (first, second):
        Caller(app, "exante")(
            "POST",
            LIST,
            {
                "target_party_uid": LANDMARKS["exante_party"],
                "owner_uid": LANDMARKS["exante_owner"],
                "document_uid": LANDMARKS["exante_document"],
            },
        )

    assert everything(first) == everything(second)


def test_another_seed_gives_other_data_with_the_same_landmarks() -> None:
    """Only what is well known is the same."""
    one, two = create_app(seed=1, invoices=50), create_app(seed=2, invoices=50)

    assert everything(one) != everything(two)
    for app in (one, two):
        found = Caller(app, "exante")("GET", LIST, party_uids=LANDMARKS["exante_party"])
        assert found.json["data"]["items"]


def test_the_default_seed_is_large_and_has_every_status() -> None:
    """A thousand invoices in all ten statuses; three states; twenty for Katsu Pay."""
    app = create_app()
    stored = {
        provider: control(app, "GET", f"invoices?provider={provider}")["invoices"]
        for provider in ("exante", "kukkingu", "katsu")
    }
    organization = LANDMARKS["exante_organization"]
    own = [
        row
        for row in stored["exante"]
        if row["organization"] == organization and row["type"] == "ACCOUNTS_RECEIVABLE"
    ]

    assert (len(own), len({row["status"] for row in own})) == (1000, 10)
    assert {"DRAFT", "FINALIZED", "VOID"} == {row["status"] for row in stored["kukkingu"]}
    assert len(stored["katsu"]) == 20


def test_a_reset_goes_back_to_the_start(app: Sandbox, exante: Caller) -> None:
    """Data, clock, settings, faults and request log are those of a new sandbox."""
    start = everything(app)
    control(app, "POST", "clock", {"now": "2030-01-01T00:00:00Z", "frozen": False})
    control(app, "POST", "seed", {"seed": 7, "invoices": 3})
    control(app, "POST", "settings", {"exante_error_shape": "details"})
    control(app, "POST", "faults", {"kind": "status"})
    exante("DELETE", LIST, [])
    state = control(app, "POST", "reset")

    assert (
        state["clock"],
        state["faults"],
        state["requests"],
        state["seed"],
        state["settings"]["exante_error_shape"],
    ) == ({"now": DEFAULT_NOW, "frozen": True}, 0, 0, 42, "envelope")
    assert start == everything(app)


def test_a_seed_dates_its_data_around_the_clock(app: Sandbox, exante: Caller) -> None:
    """After seeding in 2030 the overdue invoices are overdue in 2030."""
    control(app, "POST", "clock", {"now": "2030-06-01T00:00:00Z"})
    control(app, "POST", "seed", {"seed": 9, "invoices": 40})
    rows = exante("GET", LIST, status="OVERDUE").json["data"]["items"]

    assert rows
    assert all("2029-12" < row["due_date"] < "2030-06-01" for row in rows)


def test_the_clock_is_stopped_until_started(app: Sandbox) -> None:
    """It is set, advanced by fractions, and keeps its place."""
    assert control(app, "GET", "clock") == {"now": DEFAULT_NOW, "frozen": True}
    control(app, "POST", "clock", {"now": "2027-01-01T00:00:00Z", "advance_s": 0.25})

    assert control(app, "GET", "clock")["now"] == "2027-01-01T00:00:00.250Z"


def test_a_running_clock_moves_on_and_can_be_frozen_again(app: Sandbox) -> None:
    """It never goes back, and stops once frozen."""
    control(app, "POST", "clock", {"frozen": False})
    times = [control(app, "GET", "clock")["now"] for _ in range(3)]
    frozen = control(app, "POST", "clock", {"frozen": True})

    assert sorted(times) == times
    assert frozen["now"] >= times[-1]
    assert frozen == control(app, "GET", "clock")


def test_the_clock_can_be_the_real_one(app: Sandbox) -> None:
    """`real` leaves the sandbox's own calendar and runs."""
    control(app, "POST", "clock", {"now": "1980-01-01T00:00:00Z"})
    clock = control(app, "POST", "clock", {"now": "real"})

    assert clock["now"] > "2020"
    assert clock["frozen"] is False


BAD = [
    ("clock", {"now": "yesterday"}),
    ("clock", {"now": 5}),
    ("clock", {"advance_s": "1"}),
    ("clock", {"advance_s": 1e30}),
    ("clock", {"speed": 2}),
    ("seed", {"seed": "x"}),
    ("seed", {"invoices": -1}),
    ("seed", {"invoices": 10**9}),
    ("settings", {"nothing": 1}),
    ("settings", {"katsu_auth": "never"}),
    ("settings", {"kukkingu_lock_status": 500}),
    ("settings", {"exante_search_parameter": "a b"}),
    ("settings", {"exante_error_shape": []}),
    ("settings", []),
    ("faults", {"kind": "earthquake"}),
    ("faults", {}),
    ("faults", {"kind": "status", "status": 99}),
    ("faults", {"kind": "status", "body_kind": "xml"}),
    ("faults", {"kind": "latency", "seconds": -1}),
    ("faults", {"kind": "latency", "seconds": 3601}),
    ("faults", {"kind": "rate_limit", "retry_after": "a\r\nb"}),
    ("faults", {"kind": "status", "times": 0}),
    ("faults", [{"kind": "status"}, {"kind": "x"}]),
]


@pytest.mark.parametrize(("name", "body"), BAD, ids=str)
def test_a_bad_control_request_changes_nothing(app: Sandbox, name: str, body: object) -> None:
    """It answers an error and leaves the sandbox as it was."""
    before = control(app, "GET", "state")
    response = control(app, "POST", name, body)

    assert {"error"} == set(response)
    assert before == control(app, "GET", "state")


def test_settings_list_their_choices(app: Sandbox) -> None:
    """Every default is among the choices shown."""
    response = control(app, "GET", "settings")

    assert all(
        response["settings"][name] in choices and len(choices) > 1
        for name, choices in response["choices"].items()
    )


def test_the_request_log_has_no_secret(app: Sandbox, exante: Caller) -> None:
    """Method, path, status, fault and rule are kept; the token appears nowhere."""
    control(app, "POST", "faults", [{"kind": "rate_limit"}])
    exante("GET", LIST)
    exante("GET", LIST, page="0")
    exante("GET", "/api/user")
    entries = control(app, "GET", "requests")["requests"]

    assert [
        tuple(entry[name] for name in ("number", "method", "path", "status", "fault", "rule"))
        for entry in entries
    ] == [
        (1, "GET", "/exante/api/invoices", 429, "rate_limit", "fault-rate-limit"),
        (2, "GET", "/exante/api/invoices", 400, None, "bad-parameter"),
        (3, "GET", "/exante/api/user", 200, None, None),
    ]
    assert CREDENTIALS["exante"].token not in str(entries)
    assert [entry["number"] for entry in control(app, "GET", "requests?limit=1")["requests"]] == [3]


def test_control_requests_are_neither_noted_nor_spoiled(app: Sandbox) -> None:
    """A fault for everything leaves the control API and the documents alone."""
    control(app, "POST", "faults", {"kind": "drop_before_commit", "times": 5})
    step(app, "GET", "/katsu/openapi.json", headers={})

    assert control(app, "GET", "clock")["now"] == DEFAULT_NOW
    assert control(app, "GET", "requests")["requests"] == []
    assert control(app, "GET", "faults")["faults"][0]["times"] == 5
    assert control(app, "DELETE", "faults")["faults"] == []


def test_the_index_has_a_command_for_each_provider(app: Sandbox) -> None:
    """It is JSON; the page for people comes with a server."""
    for accept in ("*/*", "text/html,*/*"):
        index = step(app, "GET", "/", headers={"host": "x", "accept": accept}).reply()

        assert {"exante", "katsu", "kukkingu"} == set(index.json["providers"])
        assert all(each["try"].startswith("curl ") for each in index.json["providers"].values())


def test_the_faults_of_one_kind_can_be_forgotten(app: Sandbox) -> None:
    """The others stay; a kind that there is not is refused and nothing is forgotten."""
    control(app, "POST", "faults", [{"kind": "latency"}, {"kind": "status"}, {"kind": "latency"}])
    refused = control(app, "DELETE", "faults?kind=earthquake")
    left = control(app, "DELETE", "faults?kind=latency")

    assert set(refused) == {"error"}
    assert ["status"] == [fault["kind"] for fault in left["faults"]]


def test_two_sandboxes_share_nothing(app: Sandbox) -> None:
    """Settings, faults and data of one do not reach the other."""
    other = create_app(invoices=80)
    control(app, "POST", "settings", {"katsu_auth": "required"})
    control(app, "POST", "faults", {"kind": "status"})
    control(app, "POST", "seed", {"seed": 3})

    assert (
        (state := control(other, "GET", "state"))["settings"]["katsu_auth"],
        state["faults"],
        state["seed"],
    ) == ("optional", 0, 42)


def test_a_file_keeps_data_clock_and_ids(tmp_path: Path) -> None:
    """A second app on the file goes on where the first stopped and is not seeded again."""
    path = str(tmp_path / "sandbox.db")
    first = create_app(db=path, seed=5, invoices=20)
    new = {
        "contractId": LANDMARKS["kukkingu_contract"],
        "invoiceNumber": "KEPT",
        "exchangeRate": 1,
        "currencyCode": "EUR",
        "amountMinor": 1,
    }
    kept = Caller(first, "kukkingu")("POST", "/api/v1/invoices", new).json["data"]
    control(first, "POST", "clock", {"advance_s": 3600})
    before = everything(first)
    first.close()
    second = create_app(db=path)
    after = everything(second)
    fresh = Caller(second, "kukkingu")("POST", "/api/v1/invoices", {**new, "invoiceNumber": "N"})
    clock = control(second, "GET", "clock")["now"]
    second.close()

    assert before == after
    assert kept["id"] != fresh.json["data"]["id"]
    assert "2026-11-21T10:00:00.000Z" == clock == fresh.json["data"]["createdAt"]


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"seed": 99}, "holds data of seed=5, and seed=99 would change nothing"),
        ({"invoices": 1}, "holds data of invoices=20, and invoices=1 would change nothing"),
        ({"seed": 5, "invoices": 21}, "holds data of invoices=20, and invoices=21 would change"),
    ],
)
def test_another_seed_for_a_file_with_data_is_refused(
    tmp_path: Path, options: dict[str, int], said: str
) -> None:
    """It would be ignored, and the caller would test against other data than expected."""
    path = str(tmp_path / "sandbox.db")
    create_app(db=path, seed=5, invoices=20).close()
    with pytest.raises(ValueError, match=re.escape(said)):
        create_app(db=path, **options)
    create_app(db=path, seed=5, invoices=20).close()


@pytest.mark.parametrize(
    "script",
    [
        "CREATE TABLE invoices (id INTEGER)",
        "PRAGMA application_id = 7",
        "CREATE VIEW v AS SELECT 1",
    ],
)
def test_another_programs_database_is_refused_and_left_as_it_is(
    tmp_path: Path, script: str
) -> None:
    """Nothing is written into it."""
    path = tmp_path / "books.db"
    with closing(sqlite3.connect(path)) as books:
        books.executescript(script)
    before = path.read_bytes()

    with pytest.raises(ValueError, match="another program's database"):
        create_app(db=str(path))
    assert before == path.read_bytes()


def test_an_empty_file_becomes_the_sandboxs_own(tmp_path: Path) -> None:
    """A program that makes its temporary files first names one of them."""
    path = tmp_path / "new.db"
    path.touch()
    create_app(db=str(path), invoices=1).close()
    create_app(db=str(path)).close()


def test_the_journal_can_be_cleared(app: Sandbox, exante: Caller) -> None:
    """Counting begins at 1 again."""
    exante("GET", "/api/user")
    control(app, "DELETE", "requests")
    exante("GET", "/api/user")

    assert [entry["number"] for entry in control(app, "GET", "requests")["requests"]] == [1]


@pytest.mark.parametrize(
    "name",
    ["requests?limit=0", "requests?limit=x", "requests?limit=9999999", "invoices?provider=x"],
)
def test_a_bad_control_parameter_is_refused(app: Sandbox, name: str) -> None:
    """Limits are whole numbers from 1; providers are the known three."""
    assert set(control(app, "GET", name)) == {"error"}


def test_a_lifespan_is_answered(app: Sandbox) -> None:
    """A server that announces start and stop gets both confirmed."""
    incoming = iter([{"type": "lifespan.startup"}, {"type": "lifespan.shutdown"}])
    sent: list[str] = []

    async def receive() -> dict[str, str]:
        return next(incoming)

    async def send(message: MutableMapping[str, Any]) -> None:
        sent.append(message["type"])

    with pytest.raises(StopIteration):
        app({"type": "lifespan", "asgi": {"version": "3.0"}}, receive, send).send(None)

    assert sent == ["lifespan.startup.complete", "lifespan.shutdown.complete"]
