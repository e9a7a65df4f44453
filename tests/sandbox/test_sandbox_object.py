"""A sandbox in this process: its clock, faults, data and request log as methods."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from starlette.applications import Starlette
from starlette.routing import Mount

from _support.sandbox_app import Caller
from billingual import AsyncClient, Client, Filter, RateLimitedError, TimedOutError
from billingual.sandbox import ACCOUNTS, Sandbox, create_app
from billingual.transports import sandboxed


@pytest.fixture
def sandbox() -> Iterator[Sandbox]:
    """Make a small sandbox."""
    app = create_app(invoices=40)
    yield app
    app.close()


def test_a_client_uses_the_sandbox_that_a_program_keeps(sandbox: Sandbox) -> None:
    """Its methods tell and change what the client meets; closing the client leaves it open."""
    with Client("exante", transport=sandboxed(sandbox), retry="none") as client:
        first = client.list().first()
        sandbox.add_fault("rate_limit", retry_after=7)
        assert [each["kind"] for each in sandbox.faults] == ["rate_limit"]
        with pytest.raises(RateLimitedError) as caught:
            client.list().first()
    with Client("exante", transport=sandboxed(sandbox)) as other:
        assert first == other.list().first()

    assert caught.value.retry_after == pytest.approx(7)
    assert [each["status"] for each in sandbox.requests()] == [200, 429, 200]
    assert len(sandbox.requests(limit=1)) == 1


def test_its_clock_makes_invoices_overdue(sandbox: Sandbox) -> None:
    """Time moves only when it is told to."""
    with Client("exante", transport=sandboxed(sandbox)) as client:
        before = len(client.list(Filter(overdue_days="> 300")).collect(limit=100))
        assert sandbox.now == "2026-11-21T09:00:00.000Z"
        assert sandbox.move_clock(advance_s=86400 * 400) == "2027-12-26T09:00:00.000Z"
        after = len(client.list(Filter(overdue_days="> 300")).collect(limit=100))
    sandbox.move_clock(now="2026-12-24T00:00:00Z", frozen=True)

    assert before < after
    assert sandbox.now == "2026-12-24T00:00:00.000Z"


def test_it_can_be_seeded_and_reset(sandbox: Sandbox) -> None:
    """The same seed gives the same data."""
    exante = Caller(sandbox, "exante")
    start = exante("GET", "/api/invoices").body
    sandbox.seed(7, invoices=5)
    other = exante("GET", "/api/invoices").json["data"]["_meta"]["total_items"]
    sandbox.add_fault("drop_after_commit")
    sandbox.clear_faults()
    sandbox.change_settings(exante_overdue_status="stored")
    sandbox.reset()

    assert other <= 5
    assert start == exante("GET", "/api/invoices").body
    assert (sandbox.faults, len(sandbox.requests())) == ([], 1)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda app: app.add_fault("nonsense"), "kind"),
        (lambda app: app.add_fault("rate_limit", seconds="soon"), "seconds"),
        (lambda app: app.move_clock(now="tomorrow"), "now"),
        (lambda app: app.seed(1, invoices=-1), "invoices"),
        (lambda app: app.change_settings(nonsense=1), "nonsense"),
    ],
)
def test_what_cannot_be_right_is_refused(sandbox: Sandbox, change: Any, said: str) -> None:
    """With the words of the control API."""
    with pytest.raises(ValueError, match=said):
        change(sandbox)


def test_a_latency_waits_as_each_client_waits(sandbox: Sandbox) -> None:
    """One sandbox may serve a blocking client and one on an event loop."""
    with Client("exante", transport=sandboxed(sandbox), timeout=0.05, retry="none") as blocking:
        sandbox.add_fault("latency", seconds=30)
        with pytest.raises(TimedOutError):
            blocking.list().first()

    async def main() -> None:
        transport = sandboxed(sandbox)
        async with AsyncClient("exante", transport=transport, timeout=0.05, retry="none") as client:
            sandbox.add_fault("latency", seconds=30)
            with pytest.raises(TimedOutError):
                await client.list().first()

    asyncio.run(main())


@pytest.mark.parametrize("sort", ["-issue_date", "+total", "-overdue_days", "+party_name"])
def test_a_page_costs_the_same_at_any_depth_of_any_list(sort: str) -> None:
    """Counted in steps of SQLite's machine, after the first page has asked the question."""
    steps: dict[int, list[int]] = {}
    for invoices in (300, 3000):
        app = create_app(invoices=invoices)
        exante = Caller(app, "exante")
        pages = exante("GET", "/api/invoices", sort=sort, per_page="50").json["data"]["_meta"]
        counted = 0

        def count() -> int:
            nonlocal counted
            counted += 1
            return 0

        app.sandbox_state.store._connection.set_progress_handler(count, 1)
        steps[invoices] = []
        for page in (2, pages["total_pages"] // 2, pages["total_pages"] - 1):
            counted = 0
            exante("GET", "/api/invoices", sort=sort, per_page="50", page=str(page))
            steps[invoices].append(counted)
        app.close()
    every = [each for counts in steps.values() for each in counts]

    assert min(every) > 50
    assert max(every) < 1.2 * min(every)


def test_a_write_is_seen_by_the_next_page(sandbox: Sandbox) -> None:
    """What a list kept of the order of its rows is asked anew."""
    exante = Caller(sandbox, "exante")
    first = exante("GET", "/api/invoices", sort="+invoice_number").json["data"]["items"][0]
    number = {"invoice_number": "ZZZ-LAST"}
    assert exante("PUT", f"/api/invoices/{first['uid']}", number).status == 200
    again = exante("GET", "/api/invoices", sort="+invoice_number").json["data"]["items"][0]
    last = exante("GET", "/api/invoices", sort="-invoice_number").json["data"]["items"][0]

    assert again["uid"] != first["uid"] == last["uid"]


def test_equal_sandboxes_share_nothing(sandbox: Sandbox) -> None:
    """What is written in one is neither in another of its seed nor in one that is made later."""
    exante = Caller(sandbox, "exante")
    (row,) = exante("GET", "/api/invoices", per_page="1").json["data"]["items"]
    path = f"/api/invoices/{row['uid']}"
    before = exante("GET", path).body
    assert exante("PUT", path, {"invoice_number": "MINE"}).status == 200
    later = create_app(invoices=40)

    assert before != exante("GET", path).body
    assert before == Caller(later, "exante")("GET", path).body
    later.close()


@pytest.mark.parametrize("links", ["relative", "absolute"])
def test_it_serves_below_a_prefix_of_another_app(sandbox: Sandbox, links: str) -> None:
    """Faults, the request log and addresses are those of a sandbox that is alone."""
    sandbox.change_settings(exante_links=links)
    outer = Starlette(routes=[Mount("/tools/sandbox", app=sandbox)])
    token = {"Authorization": f"Bearer {ACCOUNTS['exante'].token}"}

    async def asked() -> tuple[httpx.Response, ...]:
        async with httpx.AsyncClient(
            transport=httpx.ASGITransport(outer), base_url="http://localhost"
        ) as caller:
            path = "/tools/sandbox/exante/api/invoices?per_page=2"
            found = await caller.get(path, headers=token)
            sandbox.add_fault("rate_limit", retry_after=1)
            limited = await caller.get(path, headers=token)
            missing = await caller.get("/tools/sandbox/exante/api/nothing", headers=token)
            return found, limited, missing, await caller.get("/tools/sandbox/")

    found, limited, missing, index = asyncio.run(asked())
    after = found.json()["data"]["_links"]["next"]

    assert [each["path"] for each in sandbox.requests()] == [
        "/exante/api/invoices", "/exante/api/invoices", "/exante/api/nothing",
    ]  # fmt: skip
    assert (limited.status_code, missing.json()["status"]) == (429, "error")
    assert after.startswith(
        "/api/invoices?" if links == "relative"
        else "http://localhost/tools/sandbox/exante/api/invoices?"
    )  # fmt: skip
    base = index.json()["providers"]["exante"]["base_url"]
    assert base == "http://localhost/tools/sandbox/exante"


@pytest.mark.parametrize(
    ("name", "why"), [("", "a folder or a device"), ("none/x.db", "its folder is not there")]
)
def test_what_is_no_place_for_data_is_told(tmp_path: Path, name: str, why: str) -> None:
    """SQLite would only speak of a disk."""
    with pytest.raises(ValueError, match=why):
        create_app(db=str(tmp_path / name))


def test_a_file_is_that_of_one_sandbox(tmp_path: Path) -> None:
    """Two would give the same ids out, and each would hide what the other wrote."""
    path = str(tmp_path / "x.db")
    first = create_app(db=path, invoices=3)
    with pytest.raises(ValueError, match="open in another program, such as another sandbox"):
        create_app(db=path)
    first.close()

    create_app(db=path).close()


@pytest.mark.skipif(not Path("/dev/null").exists(), reason="needs a device")
def test_a_device_holds_no_data() -> None:
    """SQLite calls it an error of the disk."""
    with pytest.raises(ValueError, match="a folder or a device"):
        create_app(db="/dev/null")
