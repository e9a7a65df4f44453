"""The SDK against a sandbox on loopback, as its users would meet Acme."""

from __future__ import annotations

import inspect
import pickle
import re
import socket
import threading
from collections.abc import Callable, Iterator
from decimal import Decimal
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any, get_type_hints

import pytest
from billingual import OutcomeUnknown
from billingual.sandbox import ACCOUNTS, LANDMARKS, Running

import acme_billing
from acme_billing import (
    AcmeBilling,
    AcmeError,
    AcmeUnavailableError,
    AsyncAcmeBilling,
    BillInvalidError,
    BillLockedError,
    BillNotFoundError,
    BillRefusedError,
    BillUncertainError,
)

pytestmark = pytest.mark.billingual(provider="kukkingu", invoices=20)

CONTRACT = LANDMARKS["kukkingu_contract"]
UNKNOWN = "inv_000000000000000000000000"
Run = Callable[..., Any]


@pytest.fixture
def region(sandbox_server: Running) -> str:
    """The address of the sandbox, which speaks as Acme does."""
    return sandbox_server.base_url("kukkingu")


@pytest.fixture
def acme(region: str) -> Iterator[AcmeBilling]:
    """A client of the sandbox."""
    account = ACCOUNTS["kukkingu"]
    with AcmeBilling(account.token, str(account.tenant), regions=(region,)) as client:
        yield client


@pytest.fixture
def dead_region() -> Iterator[str]:
    """An address that lets no one in: its port is taken, and no one listens."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        yield f"http://127.0.0.1:{taken.getsockname()[1]}"


@pytest.fixture(params=["asyncio", "trio"])
def anyio_backend(request: pytest.FixtureRequest) -> str:
    """Run async tests on both event loops."""
    return str(request.param)


def test_a_bill_is_created_read_and_sent(acme: AcmeBilling) -> None:
    """In Acme's words, and exact."""
    bill = acme.create(CONTRACT, "A-1", "120.50", "EUR")

    assert ("A-1", "open", Decimal("120.50"), "EUR") == (
        bill.number, bill.state, bill.amount, bill.currency
    )  # fmt: skip
    assert acme.get(bill.id) == bill
    assert acme.send(bill.id).state == "sent"
    assert bill.id in {each.id for each in acme.bills()}


@pytest.mark.anyio
async def test_it_does_the_same_with_await(region: str) -> None:
    """On asyncio and on trio."""
    account = ACCOUNTS["kukkingu"]
    async with AsyncAcmeBilling(account.token, str(account.tenant), regions=(region,)) as acme:
        bill = await acme.create(CONTRACT, "A-1", "120.50", "EUR")
        assert await acme.get(bill.id) == bill
        assert (await acme.send(bill.id)).state == "sent"
        assert bill.id in {each.id async for each in acme.bills()}
        with pytest.raises(BillNotFoundError):
            await acme.get(UNKNOWN)


def test_its_name_comes_first_in_the_user_agent() -> None:
    """Acme sees which of its SDKs calls, and in which version."""
    seen: list[str] = []

    class Acme(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            seen.append(self.headers["User-Agent"])
            self.send_error(404)

        def log_message(self, *_: object) -> None: ...

    with HTTPServer(("127.0.0.1", 0), Acme) as server:
        threading.Thread(target=server.handle_request).start()
        region = f"http://127.0.0.1:{server.server_port}"
        client = AcmeBilling("key", LANDMARKS["kukkingu_tenant"], regions=(region,))
        with client as acme, pytest.raises(BillNotFoundError):
            acme.get(UNKNOWN)

    assert ["acme-billing/1.0.0"] == [each.split()[0] for each in seen]


@pytest.mark.parametrize(
    ("act", "kind"),
    [
        (lambda acme: acme.get(UNKNOWN), BillNotFoundError),
        (lambda acme: acme.get("no id"), BillInvalidError),
        (lambda acme: acme.create(CONTRACT, "A-1", "1.234", "EUR"), BillInvalidError),
        (
            lambda acme: acme.create(LANDMARKS["kukkingu_foreign_contract"], "A-1", "1", "EUR"),
            AcmeError,
        ),
    ],
    ids=["unknown", "no-id", "fraction-of-a-cent", "foreign-contract"],
)
def test_errors_are_acmes_and_keep_their_cause(acme: AcmeBilling, act: Run, kind: type) -> None:
    """A program that catches AcmeError catches all of them."""
    with pytest.raises(kind) as told:
        act(acme)

    assert isinstance(told.value, AcmeError)
    assert "billingual" in type(told.value.__cause__).__module__


def test_a_sent_bill_is_locked_or_refused(acme: AcmeBilling) -> None:
    """It cannot be sent twice."""
    bill = acme.create(CONTRACT, "A-1", "1", "EUR")
    acme.send(bill.id)

    with pytest.raises((BillLockedError, BillRefusedError)):
        acme.send(bill.id)


def test_a_failure_names_the_time_to_wait(acme: AcmeBilling, sandbox_server: Running) -> None:
    """An hour is more than the client waits, so the program is told."""
    sandbox_server.app.add_fault("rate_limit", retry_after="3600")

    with pytest.raises(AcmeUnavailableError) as told:
        acme.get(UNKNOWN)
    assert told.value.retry_after_s == pytest.approx(3600, abs=60)


def test_an_uncertain_bill_is_settled(acme: AcmeBilling, sandbox_server: Running) -> None:
    """The response is lost after Acme acted: the bill is found, and there is one."""
    acme.create(CONTRACT, "A-0", "1", "EUR")
    sandbox_server.app.add_fault("drop_after_commit", method="POST")

    with pytest.raises(BillUncertainError) as uncertain:
        acme.create(CONTRACT, "A-1", "120.50", "EUR")

    assert isinstance(uncertain.value.__cause__, OutcomeUnknown)
    bill = acme.settle(uncertain.value)
    assert bill is not None
    assert ["A-1"] == [each.number for each in acme.bills() if each.number == bill.number]


def test_an_uncertain_bill_that_lost_its_cause_cannot_be_settled(acme: AcmeBilling) -> None:
    """Python pickles no cause."""
    lost = pickle.loads(pickle.dumps(BillUncertainError("gone")))

    with pytest.raises(AcmeError, match="lost its cause"):
        acme.settle(lost)


def test_the_second_region_is_used_where_the_first_is_down(region: str, dead_region: str) -> None:
    """Nothing was sent to the first, so a write goes on to the second."""
    account = ACCOUNTS["kukkingu"]
    regions = (dead_region, region)
    with AcmeBilling(account.token, str(account.tenant), regions=regions) as acme:
        assert acme.create(CONTRACT, "A-1", "1", "EUR").state == "open"


def test_without_a_region_nothing_was_done(dead_region: str) -> None:
    """The error says so by its class."""
    account = ACCOUNTS["kukkingu"]
    regions = (dead_region, dead_region)
    with (
        AcmeBilling(account.token, str(account.tenant), timeout_s=0.5, regions=regions) as acme,
        pytest.raises(AcmeUnavailableError),
    ):
        acme.create(CONTRACT, "A-1", "1", "EUR")


@pytest.mark.parametrize("name", acme_billing.__all__)
def test_no_type_of_billingual_is_in_the_api(name: str) -> None:
    """A user of the SDK need not know what is inside, and Acme may replace it."""
    each = getattr(acme_billing, name)
    public = [each, each.__init__, *(
        member for key, member in vars(each).items()
        if inspect.isfunction(member) and not key.startswith("_")
    )]  # fmt: skip
    named = [str(kind) for one in public for kind in get_type_hints(one).values()]

    assert [] == [kind for kind in named if re.search(r"\bbillingual\b", kind)]
    assert {"acme_billing", "builtins"} >= {kind.__module__.split(".")[0] for kind in each.__mro__}
