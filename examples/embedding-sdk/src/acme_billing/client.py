"""The two clients. Each method is one call of billingual, in Acme's words and with its errors."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from decimal import Decimal
from typing import Final, Self

from billingual import (
    AsyncClient,
    Client,
    ClientOptions,
    Finding,
    Invoice,
    OutcomeUnknown,
    Reconciliation,
)

from acme_billing.bills import Bill, bill_of, draft_of
from acme_billing.errors import AcmeError, BillUncertainError, acme_errors
from acme_billing.regions import ACME, REGIONS, through

__all__ = ["AcmeBilling", "AsyncAcmeBilling"]

_APP: Final = ("acme-billing", "1.0.0", "https://acme.example")


def _options(key: str, account: str, timeout_s: float, regions: tuple[str, ...]) -> ClientOptions:
    return {
        "token": key,
        "tenant": account,
        "deadline": timeout_s,
        "base_url": regions[0],
        "transport": through(regions),
        "app": _APP,
    }


class AcmeBilling:
    """Bills of one account of Acme, in a program that blocks.

    Args:
        key: the secret key.
        account: the account, ``tnt_...``.
        timeout_s: seconds for one method, attempts and waits included.
        regions: addresses of Acme, the nearest first.
    """

    def __init__(
        self,
        key: str,
        account: str,
        *,
        timeout_s: float = 30.0,
        regions: tuple[str, ...] = REGIONS,
    ) -> None:
        with acme_errors():
            self._invoices = Client(ACME, **_options(key, account, timeout_s, regions))

    def create(self, contract: str, number: str, amount: Decimal | str, currency: str) -> Bill:
        """Create an open bill.

        Raises:
            BillUncertainError: if it may or may not exist; see :meth:`settle`.
        """
        with acme_errors():
            draft = draft_of(contract, number, amount, currency)
            return bill_of(self._invoices.create(draft))

    def get(self, bill_id: str) -> Bill:
        """Read a bill."""
        with acme_errors():
            return bill_of(self._invoices.get(bill_id))

    def bills(self) -> Iterator[Bill]:
        """Go through all bills."""
        with acme_errors():
            yield from map(bill_of, self._invoices.list())

    def send(self, bill_id: str) -> Bill:
        """Send a bill to its customer; it cannot be changed afterwards."""
        with acme_errors():
            return bill_of(self._invoices.finalize(bill_id))

    def settle(self, uncertain: BillUncertainError) -> Bill | None:
        """Return what became of an uncertain bill: the bill, or None if it was not created.

        Raises:
            BillUncertainError: if that is not known yet.
        """
        with acme_errors():
            return _settled(self._invoices.reconcile(_cause(uncertain)), uncertain)

    def close(self) -> None:
        """Close the connections."""
        self._invoices.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class AsyncAcmeBilling:
    """The same in a program with an event loop; see :class:`AcmeBilling`."""

    def __init__(
        self,
        key: str,
        account: str,
        *,
        timeout_s: float = 30.0,
        regions: tuple[str, ...] = REGIONS,
    ) -> None:
        with acme_errors():
            self._invoices = AsyncClient(ACME, **_options(key, account, timeout_s, regions))

    async def create(
        self, contract: str, number: str, amount: Decimal | str, currency: str
    ) -> Bill:
        """Create an open bill."""
        with acme_errors():
            draft = draft_of(contract, number, amount, currency)
            return bill_of(await self._invoices.create(draft))

    async def get(self, bill_id: str) -> Bill:
        """Read a bill."""
        with acme_errors():
            return bill_of(await self._invoices.get(bill_id))

    async def bills(self) -> AsyncIterator[Bill]:
        """Go through all bills."""
        with acme_errors():
            async for row in self._invoices.list():
                yield bill_of(row)

    async def send(self, bill_id: str) -> Bill:
        """Send a bill to its customer; it cannot be changed afterwards."""
        with acme_errors():
            return bill_of(await self._invoices.finalize(bill_id))

    async def settle(self, uncertain: BillUncertainError) -> Bill | None:
        """Return what became of an uncertain bill: the bill, or None if it was not created."""
        with acme_errors():
            return _settled(await self._invoices.reconcile(_cause(uncertain)), uncertain)

    async def aclose(self) -> None:
        """Close the connections."""
        await self._invoices.aclose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.aclose()


def _cause(uncertain: BillUncertainError) -> OutcomeUnknown:
    if not isinstance(uncertain.__cause__, OutcomeUnknown):
        raise AcmeError("settle() takes the error as it was raised; this one lost its cause.")
    return uncertain.__cause__


def _settled(found: Reconciliation, uncertain: BillUncertainError) -> Bill | None:
    if found.finding is Finding.UNKNOWN:
        raise BillUncertainError(found.why) from uncertain.__cause__
    return bill_of(found.invoice) if isinstance(found.invoice, Invoice) else None
