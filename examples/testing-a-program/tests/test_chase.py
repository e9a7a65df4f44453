"""Who is late is reminded, and no one else."""

from __future__ import annotations

import pytest
from billingual import AsyncClient, Client
from billingual.sandbox import ACCOUNTS, Running
from billingual.testing import DraftFactory, PlannedFaults, SandboxClock

from reminders import chase, chase_async, main


def test_a_reminder_is_written_when_it_is_time(
    sandbox_client: Client, draft_factory: DraftFactory, clock: SandboxClock
) -> None:
    """On the thirtieth day no one is reminded, on the next one the customer is."""
    invoice = sandbox_client.create(draft_factory(status="SENT", due_at="2026-12-31"))

    clock.set("2027-01-30")
    assert invoice.id not in {each.invoice_id for each in chase(sandbox_client)}

    clock.advance(days=1)
    assert invoice.id in {each.invoice_id for each in chase(sandbox_client)}


@pytest.mark.anyio
async def test_the_async_one_finds_the_same(
    async_sandbox_client: AsyncClient, draft_factory: DraftFactory, clock: SandboxClock
) -> None:
    """It runs on whatever event loop the test runs on."""
    draft = draft_factory(status="SENT", due_at="2026-12-31")
    invoice = await async_sandbox_client.create(draft)

    clock.set("2027-01-31")
    assert invoice.id in {each.invoice_id for each in await chase_async(async_sandbox_client)}


@pytest.mark.billingual(retry="none")
def test_a_failure_is_not_taken_for_an_end(sandbox_client: Client, faults: PlannedFaults) -> None:
    """Half of the reminders would look like all of them."""
    faults.next("bad_gateway", of="get")

    with pytest.raises(Exception, match="502"):
        chase(sandbox_client, late_days=1)


def test_the_command_prints_the_reminders(
    sandbox_server: Running, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The whole program, over a socket, with nothing of it replaced."""
    monkeypatch.setenv("BILLINGUAL_PROVIDER", "exante")
    monkeypatch.setenv("BILLINGUAL_BASE_URL", sandbox_server.base_url("exante"))
    monkeypatch.setenv("BILLINGUAL_TOKEN", ACCOUNTS["exante"].token)

    main()

    assert "are due since" in capsys.readouterr().out


@pytest.fixture(params=["asyncio", "trio"])
def anyio_backend(request: pytest.FixtureRequest) -> str:
    """Run async tests on both event loops."""
    return str(request.param)
