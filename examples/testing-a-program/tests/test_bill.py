"""A customer is billed once, whatever the network does."""

from __future__ import annotations

import pytest
from billingual import Client, Filter, OutcomeUnknown
from billingual.sandbox import Sandbox
from billingual.testing import DraftFactory, PlannedFaults

from reminders import bill


def test_an_invoice_is_created(sandbox_client: Client, draft_factory: DraftFactory) -> None:
    """Nothing goes wrong: what comes back is what the provider has."""
    invoice = bill(sandbox_client, draft_factory(due_at="2026-12-31"))

    assert sandbox_client.get(invoice.id) == invoice


@pytest.mark.parametrize("fault", ["response_lost", "server_error_after_acting", "page_yes"])
def test_a_lost_response_makes_no_second_invoice(
    sandbox_client: Client, draft_factory: DraftFactory, faults: PlannedFaults, fault: str
) -> None:
    """The provider acted, and the program was not told: it finds the invoice."""
    draft = draft_factory()
    faults.next(fault, of="create")

    invoice = bill(sandbox_client, draft)

    found = sandbox_client.list(Filter(search=str(draft.number))).collect(limit=10)
    assert [invoice.id] == [each.id for each in found]


def test_what_cannot_be_told_is_not_guessed(
    sandbox_client: Client, draft_factory: DraftFactory, faults: PlannedFaults, sandbox: Sandbox
) -> None:
    """The request may still be under way, so the program neither says yes nor asks again."""
    faults.next("no_response", of="create")

    with pytest.raises(OutcomeUnknown):
        bill(sandbox_client, draft_factory())

    assert "POST" not in {each["method"] for each in sandbox.requests()}


@pytest.mark.billingual(provider="kukkingu")
def test_another_provider_does_as_well(sandbox_client: Client, draft_factory: DraftFactory) -> None:
    """The marker chooses the provider of all fixtures."""
    assert bill(sandbox_client, draft_factory()).status == "DRAFT"
