"""The money of Exante's invoices: what is taxed, and in which direction it is rounded."""

from __future__ import annotations

from typing import Any

import pytest

from _support.sandbox_app import Caller
from billingual.sandbox import create_app
from billingual.sandbox.providers.exante.records import amounts_of


def line(amount: int, kind: str = "PRODUCT") -> dict[str, Any]:
    """Make a line of a number of cents."""
    return {"context_type": kind, "line_total": amount}


@pytest.mark.parametrize(
    ("lines", "options", "expected"),
    [
        ([line(1000)], {"tax_percent": 10}, (1000, 0, 100, 1100, 1100)),
        (
            [line(1000), line(200, "DISCOUNT")],
            {"tax_percent": 10},
            (1000, 200, 80, 880, 880),
        ),
        (
            [line(1000), line(1000, "DISCOUNT")],
            {"tax_percent": 19},
            (1000, 1000, 0, 0, 0),
        ),
        ([line(99)], {"tax_percent": 19}, (99, 0, 18, 117, 117)),
        (
            [line(500), line(500), line(100, "DISCOUNT"), line(150, "DISCOUNT")],
            {"tax_percent": 20, "credit": 50, "paid": 300},
            (1000, 250, 150, 900, 850),
        ),
    ],
)
def test_the_discounted_amount_is_taxed(
    lines: list[dict[str, Any]], options: dict[str, int], expected: tuple[int, ...]
) -> None:
    """The tax is of what is left after every discount, rounded down; a credit lowers the due."""
    amounts = amounts_of(lines, **options)

    assert expected == tuple(
        amounts[name]
        for name in (
            "subtotal_cents",
            "discount_cents",
            "tax_cents",
            "total_cents",
            "amount_due_cents",
        )
    )
    paid = options.get("paid", 0)
    assert (paid, expected[-1] - paid) == (
        amounts["amount_paid_cents"],
        amounts["amount_remaining_cents"],
    )


def test_seeded_invoices_with_a_discount_tax_the_rest() -> None:
    """What a list shows keeps the same rule, with one of the four rates that the seed uses."""
    app = create_app(invoices=60)
    exante = Caller(app, "exante")
    rows = exante("GET", "/api/invoices", per_page="100").json["data"]["items"]
    invoices = [exante("GET", f"/api/invoices/{row['uid']}").json["data"] for row in rows]
    discounted = [one for one in invoices if one["discount_cents"] and one["tax_cents"]]
    app.close()

    assert discounted
    for one in discounted:
        rest = one["subtotal_cents"] - one["discount_cents"]
        assert one["tax_cents"] in {rest * percent // 100 for percent in (7, 19, 21)}
        assert one["total_cents"] == rest + one["tax_cents"]
