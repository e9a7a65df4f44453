"""A job: many writes that survive the death of the process that makes them."""

from __future__ import annotations

import os
import secrets
from collections.abc import AsyncIterable, Callable, Iterable
from os import PathLike
from types import TracebackType
from typing import TYPE_CHECKING, Final, Self

from billingual.errors import InvalidInputError
from billingual.jobs.entry import Entry, PlannedWrite, State
from billingual.jobs.planning import Planner
from billingual.jobs.report import Progress, Report, Verification, report_of
from billingual.jobs.runner import Policy, Runner, Settings
from billingual.jobs.sqlite import SqliteLedger

if TYPE_CHECKING:
    from billingual._context import ClientContext
    from billingual.client import AsyncClient
    from billingual.jobs.ledger import Ledger, NewEntry
    from billingual.model import Changes, Draft, InvoiceSummary

__all__ = ["AsyncJob"]

_MOST: Final = 64
_LEASE_MARGIN_S: Final = 30.0


class AsyncJob:
    """Many writes of one account, kept in a ledger: killed half-way, it is run again.

    Make one with ``client.job("november.db")``. Every write is in the ledger before its request is
    sent, and its end before anything else is told of it. Where an end is unclear, the job waits
    until no late request can arrive, looks at the provider, and sends again only what provably is
    not there.

    Example:
        ::

            async with AsyncClient("exante", transport="sandbox") as client:
                async with client.job("november.db") as job:
                    await job.plan(changes)
                    report = await job.run(concurrency=8)
                print(report)

    Safe for one run at a time; a second process is refused, unless both open it as shared.
    """

    def __init__(
        self,
        client: AsyncClient,
        context: ClientContext,
        ledger: str | PathLike[str] | Ledger,
        *,
        policy: Policy = "reconcile_then_resend",
        settle_s: float = 120.0,
        bisect: bool = False,
        sole_writer: bool = False,
        number_prefix: str = "INV-",
        shared: bool = False,
    ) -> None:
        self._client = client
        self._context = context
        self._ledger: Ledger = (
            SqliteLedger(ledger, shared=shared) if isinstance(ledger, (str, PathLike)) else ledger
        )
        nonce = self._ledger.bind(
            context.provider, context.account, now=context.backend.wall()
        )
        self._number_prefix = number_prefix
        self._settings = Settings(
            policy=policy,
            settle_s=settle_s,
            bisect=bisect,
            sole_writer=sole_writer,
            # It has to outlive every request that it covers.
            lease_s=context.deadline_s + _LEASE_MARGIN_S,
            owner=f"{os.getpid()}-{secrets.token_hex(4)}",
            nonce=nonce,
        )

    async def plan(
        self,
        writes: Iterable[PlannedWrite | Draft | tuple[str | InvoiceSummary, Changes]]
        | AsyncIterable[PlannedWrite | Draft | tuple[str | InvoiceSummary, Changes]],
    ) -> int:
        """Put writes into the ledger; nothing is sent.

        To plan the same again is no error, also after a crash: a write that the ledger has is
        passed over.

        Args:
            writes: drafts to create; pairs of an invoice, or its id, and the changes to it; or
                :class:`Create`, :class:`Update` and :class:`Delete`. They are taken one by one, so
                that a million of them need no memory.

        Returns:
            How many are new.

        Raises:
            UsageError: if a write could not be sent. Those before it are planned; nothing is sent.
            PlanConflictError: if the ledger has another write under the same id.
        """
        ledger, backend = self._ledger, self._context.backend
        planner = Planner(self._client, ledger, self._number_prefix)
        new = 0
        batch: list[NewEntry] = []
        if isinstance(writes, AsyncIterable):
            async for each in writes:
                batch.append(planner.entry(each))
                if len(batch) == _BATCH:
                    full, batch = batch, []
                    new += await backend.in_thread(lambda: ledger.add(full))  # noqa: B023 - awaited
        else:
            for each in writes:
                batch.append(planner.entry(each))
                if len(batch) == _BATCH:
                    full, batch = batch, []
                    new += await backend.in_thread(lambda: ledger.add(full))  # noqa: B023 - awaited
        return new + await backend.in_thread(lambda: ledger.add(batch))

    async def run(
        self,
        *,
        concurrency: int = 8,
        on_progress: Callable[[Progress], object] | None = None,
    ) -> Report:
        """Carry out what is planned, and find out about what is unclear, until all is settled.

        It may be stopped at any time, by cancellation, Ctrl-C or a kill, and run again: it goes on
        where it stopped. What was on its way then is looked for before anything is sent again.

        Args:
            concurrency: requests under way at once, 1 to 64.
            on_progress: called after each request, from any thread of the run; it must be quick.

        Returns:
            What became of every write.

        Raises:
            AuthenticationError: if the provider refuses the credential.
            BillingualError: if the provider cannot be reached, or the ledger cannot be written.
                Nothing is lost: run the job again.
        """
        if not isinstance(concurrency, int) or not 1 <= concurrency <= _MOST:
            raise InvalidInputError("concurrency", f"{concurrency!r}", f"give 1 to {_MOST}")
        context, ledger = self._context, self._ledger
        backend = context.backend
        settle_s = self._settings.settle_s
        await backend.in_thread(lambda: ledger.recover(now=backend.wall(), settle_s=settle_s))
        await Runner(self._client, backend, ledger, self._settings, on_progress).run(concurrency)
        return await self.report()

    async def report(self) -> Report:
        """Say what became of every write, without a request."""
        ledger = self._ledger
        note: str | None = getattr(ledger, "note", None)
        return await self._context.backend.in_thread(lambda: report_of(ledger, note))

    async def aclose(self) -> None:
        """Close the ledger; closing twice is no error."""
        self._ledger.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.aclose()


_BATCH: Final = 1000
