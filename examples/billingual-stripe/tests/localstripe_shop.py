"""An account at localstripe, set up in plain HTTP where that is no operation of the protocol."""

from __future__ import annotations

import json
from http.client import HTTPConnection
from typing import Any, Final
from urllib.parse import urlencode

import attrs

TOKEN: Final = "sk_test_12345"
# localstripe takes the card and declines every payment, so that an invoice stays open.
DECLINED: Final = "4000000000000341"


@attrs.frozen
class Shop:
    """An account with a customer who can be invoiced.

    Attributes:
        port: where localstripe listens.
        customer: the customer's id.
    """

    port: int
    customer: str = ""

    def post(self, path: str, **fields: object) -> dict[str, Any]:
        """Do in plain HTTP what is no operation of the protocol."""
        connection = HTTPConnection("127.0.0.1", self.port, timeout=10)
        headers = {
            "Authorization": f"Bearer {TOKEN}",
            "Content-Type": "application/x-www-form-urlencoded",
        }
        connection.request("POST", f"/v1/{path}", urlencode(fields), headers)
        response = connection.getresponse()
        body: dict[str, Any] = json.loads(response.read())
        connection.close()
        assert response.status == 200, body
        return body

    def owe(self, amount: int = 1250) -> None:
        """Let something be due: localstripe makes no invoice over nothing."""
        self.post("invoiceitems", customer=self.customer, amount=amount, currency="eur")

    def with_a_customer(self) -> Shop:
        """Open an account for a new customer; localstripe wants a subscription for that."""
        customer = self.post("customers", email="jenny@example.com")["id"]
        card = self.post(
            "payment_methods",
            **{"type": "card", "card[number]": DECLINED, "card[exp_month]": 12,
               "card[exp_year]": 2030, "card[cvc]": 123},
        )["id"]  # fmt: skip
        self.post(f"payment_methods/{card}/attach", customer=customer)
        default = {"invoice_settings[default_payment_method]": card}
        self.post(f"customers/{customer}", **default)
        trial = {"items[0][plan]": "plan", "trial_period_days": 30}
        self.post("subscriptions", customer=customer, **trial)
        return Shop(self.port, customer)
