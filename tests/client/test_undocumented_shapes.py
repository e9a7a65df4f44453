"""Whatever the documentation leaves open, a program sees the same results and errors."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import attrs
import pytest

from _support.conversations import REPLACEMENT
from billingual import BillingualError, Client, Draft, Money, Provider, providers
from billingual.model import Discount
from billingual.sandbox import LANDMARKS, Sandbox, create_app
from billingual.transports import sandboxed

pytestmark = pytest.mark.slow

CHOICES: Mapping[str, list[Any]] = create_app(invoices=0).sandbox_state.settings.choices()
OTHER = [(name, value) for name, values in CHOICES.items() for value in values[1:]]

# What a provider decides is seen, and so is the status by which it refuses.
LOCKED = {"finalized twice": "InvalidRequestError", "voided twice": "InvalidRequestError"}
DIFFERS: Mapping[tuple[str, Any], Mapping[str, str]] = {
    ("exante_overdue_status", "computed"): {"created": "Invoice status"},
    ("exante_bulk_delete", "partial"): {"left": "NotFoundError"},
    ("exante_number_taken", "accepted"): {"created twice": "Invoice"},
    ("kukkingu_lock_status", 400): LOCKED,
    ("kukkingu_lock_status", 403): dict.fromkeys(LOCKED, "PermissionDeniedError"),
    ("kukkingu_lock_status", 422): LOCKED,
    ("katsu_error_shape", "problem"): {"no sense": "OutcomeUnknown"},
    ("katsu_logical_failure", "in_400"): {"no sense": "InvalidRequestError"},
}


def at_exante(client: Client) -> dict[str, Callable[[], Any]]:
    """List calls and what goes wrong with them."""
    places = {"counterparty": "party", "owner": "owner", "document": "document"}
    parties = {name: LANDMARKS[f"exante_{place}"] for name, place in places.items()}
    draft = Draft(number="A-1", status="SENT", due_at="2020-01-01", **parties)
    absent, one = parties["owner"], client.create(attrs.evolve(draft, number="A-0")).id
    return {
        "created": lambda: client.create(draft),
        "created twice": lambda: client.create(draft),
        "to an absent one": lambda: client.create(
            attrs.evolve(draft, number="A-2", counterparty=absent)
        ),
        "read": lambda: client.get(one),
        "not there": lambda: client.get(absent),
        "updated": lambda: client.update(one, {"due_at": "2021-01-01", "fields": {"a": "1"}}),
        "of no kind": lambda: client.update(one, {"due_at": None}),
        "listed": lambda: client.list({"search": "A-1"}, page_size=1).first(),
        "batch": lambda: client.update_many({one: {"number": "B"}}),
        "batch with none": lambda: client.update_many(
            {one: {"number": "C"}, absent: {"number": "D"}}
        ),
        "deleted with none": lambda: client.delete_many([one, absent]),
        "left": lambda: client.get(one),
    }


def at_kukkingu(client: Client) -> dict[str, Callable[[], Any]]:
    """List calls and what goes wrong with them."""
    contract = LANDMARKS["kukkingu_contract"]
    draft = Draft(number="A-1", document=contract, exchange_rate=1, total=Money(5, "EUR"))
    one = client.create(attrs.evolve(draft, number="A-0")).id
    return {
        "created": lambda: client.create(draft),
        "created twice": lambda: client.create(draft),
        "of no contract": lambda: client.create(
            attrs.evolve(draft, number="A-2", document=f"ctr_{'x' * 24}")
        ),
        "not there": lambda: client.get(f"inv_{'x' * 24}"),
        "of no kind": lambda: client.update(one, {"due_at": None}),
        "finalized": lambda: client.finalize(one),
        "finalized twice": lambda: client.finalize(one),
        "locked": lambda: client.update(one, {"number": "Z"}),
        "paid": lambda: client.update(one, {"paid_at": "2026-01-01"}),
        "voided": lambda: client.void(one),
        "voided twice": lambda: client.void(one),
        "locked for good": lambda: client.update(one, {"paid_at": "2026-01-01"}),
        "listed": lambda: client.list({"expand": "contract.client"}).first(),
    }


def at_katsu(client: Client) -> dict[str, Callable[[], Any]]:
    """List calls and what goes wrong with them."""
    one, much = LANDMARKS["katsu_invoice"], Discount(type=1, value=10**9)
    return {
        "replaced": lambda: client.update(one, REPLACEMENT),
        "not there": lambda: client.update(LANDMARKS["exante_owner"], REPLACEMENT),
        "no sense": lambda: client.update(one, attrs.evolve(REPLACEMENT, discount=much)),
        "of no kind": lambda: client.update(one, attrs.evolve(REPLACEMENT, billing_cycle=2**40)),
    }


KATSU = providers.katsu(currencies={"USD": 1})
TOURS: Mapping[str, tuple[str | Provider, Callable[[Client], dict[str, Callable[[], Any]]]]] = {
    "exante": ("exante", at_exante),
    "kukkingu": ("kukkingu", at_kukkingu),
    "katsu": (KATSU, at_katsu),
}


def toured(sandbox: Sandbox, name: str) -> dict[str, str]:
    """Make the calls to one provider, and tell what each ended in."""
    provider, calls = TOURS[name]
    scope: Any = {"organization": LANDMARKS["exante_organization"]} if name == "exante" else {}
    with Client(provider, transport=sandboxed(sandbox), retry="none", **scope) as client:
        return {each: ended(call) for each, call in calls(client).items()}


def ended(call: Callable[[], Any]) -> str:
    """Tell the class of a result with the fields that have problems, or that of an error."""
    try:
        result = call()
    except BillingualError as error:
        return type(error).__name__
    problems = getattr(result, "problems", ())
    return " ".join([type(result).__name__, *(each.path for each in problems)])


@pytest.mark.parametrize(("name", "value"), OTHER)
def test_each_choice_ends_as_the_first_one(name: str, value: Any) -> None:
    """Other shapes of bodies, statuses and labels change nothing but what is listed above."""
    sandbox, provider = create_app(invoices=3), name.partition("_")[0]
    expected = toured(sandbox, provider) | DIFFERS.get((name, value), {})
    sandbox.reset()
    sandbox.change_settings(**{name: value})

    assert expected == toured(sandbox, provider)
