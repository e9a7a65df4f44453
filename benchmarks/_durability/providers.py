"""The providers of the race: processes that can be killed, and go on where their store stood."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
import sys
import time
from abc import ABC, abstractmethod
from collections import Counter
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, ClassVar, Final
from urllib.parse import parse_qsl, urlencode

import attrs
from _durability.lossy_server import Request, exchange

from billingual.sandbox import CREDENTIALS, LANDMARKS

HERE: Final = Path(__file__).parent
_START_S: Final = 30.0
_FIRST_DAY: Final = datetime(2026, 1, 1, tzinfo=UTC)
_A_DAY: Final = 20
_CUSTOMERS: Final = 20
# localstripe takes the card and declines every payment, so that an invoice stays open.
_DECLINED: Final = "4000000000000341"
_PAGE: Final = 100


@attrs.define(eq=False)
class Provider(ABC):
    """A provider in a process of its own.

    Attributes:
        place: a folder for its store.
        port: where it listens.
        orders: what there is to invoice.
    """

    name: ClassVar[str]
    prefix: ClassVar[str] = ""

    place: Path
    port: int = 0
    orders: list[dict[str, str]] = attrs.field(factory=list)
    _process: asyncio.subprocess.Process | None = None

    @abstractmethod
    def command(self) -> list[str]:
        """Return what to run."""

    @abstractmethod
    async def prepare(self, count: int) -> None:
        """Make what *count* orders refer to."""

    @abstractmethod
    async def counts(self) -> Counter[str]:
        """Count the invoices of each order, in the provider's own store."""

    @abstractmethod
    def is_create(self, request: Request) -> bool:
        """Tell the creates among requests."""

    async def handle(self, request: Request) -> bytes:
        """Pass a request on; return the response."""
        return await exchange(self.port, request)

    async def start(self) -> None:
        """Start it, and return when it responds.

        Raises:
            RuntimeError: if it does not.
        """
        if not self.port:
            with socket.socket() as free:
                free.bind(("127.0.0.1", 0))
                self.port = free.getsockname()[1]
        self._process = await asyncio.create_subprocess_exec(
            sys.executable, *self.command(),
            stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.DEVNULL,
        )  # fmt: skip
        deadline = time.monotonic() + _START_S
        while time.monotonic() < deadline and self._process.returncode is None:
            try:
                await exchange(self.port, Request("GET", "/", {"host": "127.0.0.1"}, b""))
            except OSError:
                await asyncio.sleep(0.02)
            else:
                return
        raise RuntimeError(f"{self.name} does not start")

    async def kill(self) -> None:
        """Kill it at once."""
        if self._process is not None and self._process.returncode is None:
            with suppress(ProcessLookupError):
                os.kill(self._process.pid, signal.SIGKILL)
            await self._process.wait()

    async def json(self, method: str, path: str, headers: dict[str, str], body: bytes = b"") -> Any:
        """Ask it something, without the lossy server between."""
        response = await exchange(self.port, Request(method, path, headers, body))
        head, _, text = response.partition(b"\r\n\r\n")
        if b" 200 " not in head.split(b"\r\n", 1)[0]:
            raise RuntimeError(f"{method} {path}: {response[:500]!r}")
        return json.loads(text)


class Sandbox(Provider):
    """billingual's sandbox, as Exante."""

    name = "sandbox"
    prefix = "/exante"

    def command(self) -> list[str]:
        """Return what to run."""
        store = str(self.place / "sandbox.db")
        options = ["--port", str(self.port), "--invoices", "10", "--seed", "1"]
        return ["-m", "billingual", "sandbox", "--db", store, *options]

    async def prepare(self, count: int) -> None:
        """Make what *count* orders refer to."""
        # So many a day that what stands around one order, doubles too, fits a page of the list.
        self.orders = [
            {
                "order": f"A-{number:04}",
                "party": LANDMARKS["exante_party"],
                "owner": LANDMARKS["exante_owner"],
                "document": LANDMARKS["exante_document"],
                "organization": LANDMARKS["exante_organization"],
                "issued": (_FIRST_DAY + timedelta(days=number // _A_DAY)).isoformat(),
                "token": CREDENTIALS["exante"].token,
            }
            for number in range(count)
        ]

    async def counts(self) -> Counter[str]:
        """Count the invoices of each order."""
        path = "/_sandbox/invoices?provider=exante&limit=100000"
        rows = (await self.json("GET", path, {"host": "127.0.0.1"}))["invoices"]
        fields = [each for row in rows for each in row["doc"].get("invoice_fields", ())]
        return Counter(each["value"]["value"] for each in fields if each["key"] == "order")

    def is_create(self, request: Request) -> bool:
        """Tell the creates among requests."""
        return request.method == "POST" and request.path == "/exante/api/invoices"


@attrs.define(eq=False)
class Localstripe(Provider):
    """localstripe, and in front of it what Stripe documents and localstripe does not have.

    - Stripe keeps the response to an Idempotency-Key and repeats it.
      https://docs.stripe.com/api/idempotent_requests
    - Stripe makes a draft of no items, and keeps its metadata; localstripe wants an item that is
      due, so one is made before, and takes metadata with an update only, so one is made after.
      https://docs.stripe.com/api/invoices/create
    - Stripe takes the number of a draft; localstripe fails at one. Same page.
    """

    name = "localstripe"

    _kept: dict[str, bytes] = attrs.field(factory=dict)
    _turn: asyncio.Lock = attrs.field(factory=asyncio.Lock)

    def command(self) -> list[str]:
        """Return what to run."""
        server = str(HERE / "localstripe_server.py")
        return [server, "--port", str(self.port), str(self.place / "localstripe.pickle")]

    async def prepare(self, count: int) -> None:
        """Make what *count* orders refer to."""
        await self._post("plans", id="plan", currency="eur", interval="month", amount=1000,
                         **{"product[name]": "a plan"})  # fmt: skip
        customers = [await self._customer() for _ in range(min(_CUSTOMERS, count))]
        self.orders = [
            {
                "order": f"A-{number:04}",
                "customer": customers[number % len(customers)],
                "token": "sk_test_12345",
            }
            for number in range(count)
        ]

    async def _customer(self) -> str:
        """Open an account; localstripe invoices a customer who has a subscription."""
        customer: str = (await self._post("customers", email="jenny@example.com"))["id"]
        card = {"type": "card", "card[number]": _DECLINED, "card[exp_month]": 12,
                "card[exp_year]": 2030, "card[cvc]": 123}  # fmt: skip
        method = (await self._post("payment_methods", **card))["id"]
        await self._post(f"payment_methods/{method}/attach", customer=customer)
        default = {"invoice_settings[default_payment_method]": method}
        await self._post(f"customers/{customer}", **default)
        trial = {"items[0][plan]": "plan", "trial_period_days": 30}
        await self._post("subscriptions", customer=customer, **trial)
        return customer

    async def counts(self) -> Counter[str]:
        """Count the invoices of each order."""
        return Counter(each["description"].split()[0] for each in await self._invoices())

    async def _invoices(self) -> list[dict[str, Any]]:
        rows: list[dict[str, Any]] = []
        while True:
            after = f"&starting_after={rows[-1]['id']}" if rows else ""
            path = f"/v1/invoices?limit={_PAGE}{after}"
            page = (await self.json("GET", path, self._signed()))["data"]
            rows += page
            if len(page) < _PAGE:
                return rows

    def is_create(self, request: Request) -> bool:
        """Tell the creates among requests."""
        return request.method == "POST" and request.path == "/v1/invoices"

    async def handle(self, request: Request) -> bytes:
        """Pass a request on, and make up for what localstripe lacks."""
        if not self.is_create(request):
            return await super().handle(request)
        key = request.headers.get("idempotency-key", "")
        form = dict(parse_qsl(request.body.decode()))
        metadata = {name: form.pop(name) for name in list(form) if name.startswith("metadata[")}
        async with self._turn:
            if key and key not in self._kept:
                await self._recover(key)
            if key in self._kept:
                return self._kept[key]
            await self._post("invoiceitems", customer=form["customer"], amount=100, currency="eur")
            number = form.pop("number", "")
            # So an invoice is known whose response died with the server.
            form["description"] = " ".join([metadata["metadata[order]"], key, number])
            body = urlencode(form).encode()
            invoice = await self.json("POST", request.path, request.headers, body)
            path, body = f"/v1/invoices/{invoice['id']}", urlencode(metadata).encode()
            response = _created(await self.json("POST", path, request.headers, body))
            if key:
                self._kept[key] = response
            return response

    async def _recover(self, key: str) -> None:
        for each in await self._invoices():
            if each["description"].split(" ")[1] == key:
                self._kept[key] = _created(each)

    def _signed(self) -> dict[str, str]:
        return {"host": "127.0.0.1", "authorization": "Bearer sk_test_12345"}

    async def _post(self, path: str, **fields: object) -> Any:
        headers = self._signed() | {"content-type": "application/x-www-form-urlencoded"}
        return await self.json("POST", f"/v1/{path}", headers, urlencode(fields).encode())


def _created(invoice: dict[str, Any]) -> bytes:
    """Return the response to a create, with the number that localstripe does not keep."""
    number = invoice["description"].split(" ")[2]
    body = json.dumps(invoice | ({"number": number} if number else {})).encode()
    head = f"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {len(body)}"
    return head.encode() + b"\r\nConnection: close\r\n\r\n" + body


PROVIDERS: Final[dict[str, type[Provider]]] = {each.name: each for each in (Sandbox, Localstripe)}
