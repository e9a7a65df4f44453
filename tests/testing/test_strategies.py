"""What the strategies draw is what the sandbox accepts."""

from __future__ import annotations

import pytest
from hypothesis import given, settings

from billingual import UNSET, Client, Filter, Invoice, InvoiceSummary, Money
from billingual.errors import ConfigurationError
from billingual.model import Changes, Draft
from billingual.sandbox import Sandbox, create_app
from billingual.testing import DraftFactory, strategies
from billingual.transports import sandboxed

SANDBOX = create_app(invoices=5)


def client(provider: str, sandbox: Sandbox = SANDBOX) -> Client:
    """Make a client to a sandbox."""
    return Client(provider, transport=sandboxed(sandbox))


@pytest.mark.parametrize("provider", ["exante", "kukkingu"])
def test_a_draft_is_accepted(provider: str) -> None:
    """Each draft becomes an invoice that has what the draft says."""

    @settings(max_examples=20)
    @given(strategies.drafts(provider))
    def create(draft: Draft) -> None:
        SANDBOX.reset()
        with client(provider) as invoices:
            made = invoices.create(draft)

        assert draft.number in {UNSET, made.number}
        assert made.number
        assert draft.document == made.document

    create()


@pytest.mark.parametrize("provider", ["exante", "kukkingu"])
def test_changes_are_accepted(provider: str) -> None:
    """Each of the changes says something, and a draft takes it."""

    @settings(max_examples=20)
    @given(strategies.changes(provider))
    def change(changes: Changes) -> None:
        assert changes.given()

        SANDBOX.reset()
        with client(provider) as invoices:
            made = invoices.create(DraftFactory(provider)())
            changed = invoices.update(made.id, changes)

        assert made.id == changed.id

    change()


@pytest.mark.parametrize("provider", ["exante", "kukkingu"])
def test_a_filter_is_accepted(provider: str) -> None:
    """A list can be asked for with each filter."""

    @given(strategies.filters(provider))
    def ask(wanted: Filter) -> None:
        with client(provider) as invoices:
            found = invoices.list(wanted).collect(limit=100)

        assert all(isinstance(each, InvoiceSummary) for each in found)

    ask()


@given(strategies.invoices())
def test_amounts_of_an_invoice_fit(invoice: Invoice) -> None:
    """What was paid and what remains make up the total, in one currency."""
    assert invoice.total is not None
    assert invoice.amount_paid is not None
    assert invoice.amount_remaining is not None
    assert invoice.total == invoice.amount_paid + invoice.amount_remaining
    assert {invoice.currency} == {
        each.total.currency for each in (invoice, *invoice.lines) if each.total is not None
    }


@given(strategies.money(("JPY",), smallest=-5, largest=5))
def test_money_keeps_to_what_is_asked_for(money: Money) -> None:
    """Bounds are in minor units, and both count in."""
    assert -5 <= money.minor <= 5
    assert money.currency == "JPY"


def test_an_unknown_provider_is_refused() -> None:
    """It is refused where the strategy is made, and the error lists the known ones."""
    with pytest.raises(ConfigurationError, match="exante and kukkingu"):
        strategies.drafts("katsu")
