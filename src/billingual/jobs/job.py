"""A job: many writes that survive the death of the process that makes them."""

from __future__ import annotations

import os
import platform
import secrets
import threading
from collections.abc import (
    AsyncGenerator,
    AsyncIterable,
    AsyncIterator,
    Callable,
    Iterable,
    Mapping,
)
from contextlib import aclosing
from os import PathLike
from types import TracebackType
from typing import TYPE_CHECKING, Any, Final, Literal, Self, TypeVar, Unpack, cast

import attrs

from billingual._arguments import check_count, check_progress, expected, seconds_of
from billingual.auth import Secret
from billingual.client import AsyncClient, client_context, client_for_jobs, client_with
from billingual.errors import ClosedError, InvalidInputError, UsageError, refuse_name, shown
from billingual.jobs.entry import Entry, History, Plannable, State
from billingual.jobs.place import as_place, database_ledger, open_file
from billingual.jobs.planning import Occurrences, Planner
from billingual.jobs.report import Progress, Report, report_of
from billingual.jobs.runner import Policy, Runner, Settings
from billingual.model import checked_text
from billingual.wire import plain_text

if TYPE_CHECKING:
    from billingual.abc import CallOptions
    from billingual.jobs.ledger import Ledger, NewEntry
    from billingual.jobs.verification import Verification

__all__ = ["AsyncJob"]

T = TypeVar("T")

_MOST: Final = 64
_PLANNED_AT_ONCE: Final = 1000
_CHARACTERS_AT_ONCE: Final = 2**24
_READ_AT_ONCE: Final = 1000
_POLICIES: Final = ("reconcile_then_resend", "reconcile", "manual")
_USUAL: Final[Mapping[str, object]] = {
    "policy": "reconcile_then_resend",
    "late_arrival_s": 120.0,
    "bisect": False,
    "sole_writer": False,
}
_DECISIONS: Final = {each.value: each for each in (State.COMMITTED, State.ABANDONED, State.PLANNED)}


class AsyncJob:
    """Many writes of one account, kept in a ledger: killed half-way, it is run again.

    Make one with :meth:`open`. Every write is in the ledger before its request is sent, and its end
    is in the ledger before it is reported. If an end is unclear, the job waits until no late
    request can arrive, looks at the provider, and sends again only what is not there.

    Safe to share between tasks, for one run at a time. A second process is refused, unless all
    open the ledger as shared. In a database a job is always shared.

    Example:
        ::

            async with AsyncClient("exante", transport="sandbox") as client:
                async with AsyncJob.open("november.db", client) as job:
                    await job.plan(Draft(number=f"N-{n}") for n in range(1000))
                    report = await job.run(concurrency=8)
                print(report)
    """

    if not TYPE_CHECKING:  # or type checkers would take any name
        __getattr__ = refuse_name

    def __init__(
        self,
        client: AsyncClient,
        ledger: str | PathLike[str] | Ledger,
        options: Mapping[str, object],
        *,
        number_prefix: str,
        shared: bool,
        owns: bool,
    ) -> None:
        self._client = client_for_jobs(client)
        self._context = client_context(self._client)
        self._place = ledger
        self._shared = shared
        self._owns = owns
        self._options = options
        self._changed: dict[str, str] = {}
        self._owner = f"{platform.node()}/{os.getpid()}/{secrets.token_hex(4)}"
        self._number_prefix = number_prefix
        self._ledger: Ledger | None = None
        self._opening = threading.Lock()
        self._nonce = ""
        self._closed = False
        self._runs = False
        self._stopping = False
        self._runner: Runner | None = None

    @classmethod
    def open(
        cls,
        ledger: str | PathLike[str] | Secret | Ledger,
        client: AsyncClient,
        *,
        job: str | None = None,
        policy: Policy | None = None,
        late_arrival_s: float | None = None,
        bisect: bool | None = None,
        sole_writer: bool | None = None,
        number_prefix: str = "INV-",
        shared: bool = False,
        **calls: Unpack[CallOptions],
    ) -> Self:
        """Name a job; its ledger is opened at ``async with``, or at the first use.

        The ledger keeps *policy*, *late_arrival_s*, *bisect* and *sole_writer* from the first plan
        or run on. Leave one out when you open the job again, and the kept value holds. Give
        another, and the job goes on with that one; the report's *note* says so.

        Args:
            ledger: the file that keeps the job, made if it is not there; the URL of a PostgreSQL
                database, ``postgresql://user@host/database``, which runs on many machines share
                (extra ``postgres``, see :class:`~billingual.jobs.PostgresLedger`); or a
                :class:`~billingual.jobs.Ledger`.
            client: sends the requests; it stays yours to close.
            job: the name of the job in a database, which keeps many. A file keeps one.
            policy: what to do about an unclear end. ``"reconcile_then_resend"``, the default of a
                new job, looks at the provider and sends again what provably is not there,
                ``"reconcile"`` only looks, ``"manual"`` leaves it to a person.
            late_arrival_s: seconds after which a request that was given up cannot arrive any more.
                A new job takes 120; no provider documents how long it may hold one. A smaller value
                risks that a late request doubles what was sent again.
            bisect: send the halves of a refused batch again, down to the writes that are at fault.
                This gives up that a batch is all or nothing. A new job does not.
            sole_writer: no other program changes these invoices meanwhile, so that an update may
                be sent again without knowing the invoice from before. Without it, as in a new job,
                the job reads each invoice before it updates it, unless the plan brings it along.
            number_prefix: what the number of a draft without one starts with.
            shared: let several processes of this machine work on the job at once.
            calls: ``headers``, ``timeout``, ``deadline`` and ``retry`` of all calls of the job, as
                each operation of the client takes them.

        Raises:
            InvalidInputError: if an argument is of the wrong kind.
            MissingExtraError: if it is a database, and psycopg is not installed.
        """
        # First of all, so that no traceback shows a password.
        ledger = as_place(ledger)
        owns = isinstance(ledger, (str, PathLike, Secret))
        if not owns and not hasattr(ledger, "bind"):
            raise InvalidInputError(
                "ledger",
                f"{type(ledger).__name__} is no place of a ledger",
                "give the path of a file, the URL of a PostgreSQL database, or a Ledger",
            )
        if isinstance(ledger, Secret):
            ledger = database_ledger(ledger, job)
        elif job is not None:
            raise InvalidInputError(
                "job",
                f"only a database has jobs by name, and {shown(ledger)} is none",
                "leave it out",
            )
        if not expected(number_prefix, str, "number_prefix").isprintable():
            raise InvalidInputError(
                "number_prefix",
                "it has a line break or another invisible character",
                "leave it out",
            )
        return cls(
            client_with(expected(client, AsyncClient, "client"), calls),
            ledger,
            options_of(policy, late_arrival_s, bisect=bisect, sole_writer=sole_writer),
            number_prefix=number_prefix,
            shared=expected(shared, bool, "shared"),
            owns=owns,
        )

    async def plan(
        self,
        writes: Iterable[Plannable] | AsyncIterable[Plannable],
        *,
        whole: bool = False,
    ) -> int:
        """Put writes into the ledger; nothing is sent.

        To plan the same again is no error, also after a crash: a write that the ledger has is
        passed over.

        Args:
            writes: drafts to create, and pairs of an invoice, or its id, and the changes to it, or
                mappings in the place of both; or
                :class:`~billingual.jobs.Create`, :class:`~billingual.jobs.Update` and
                :class:`~billingual.jobs.Delete`. They are taken one by one, so that they need not
                fit into memory.
            whole: plan all of them in one step, or none where one is refused or the process dies;
                they must fit into memory then. Default False: a thousand in a step, or fewer long
                ones.

        Returns:
            How many are new.

        Raises:
            UsageError: if a write could not be sent. Unless *whole*, some of those before it may be
                planned; nothing is sent.
            PlanConflictError: if the ledger has another write under the same id.
        """
        _check_many(writes)
        whole = expected(whole, bool, "whole")
        ledger = await self._opened()
        await self._in_thread(self._keep_options, ledger, self._options)
        new = 0
        batch: list[NewEntry] = []
        characters = 0
        with Occurrences() as seen:
            planner = Planner(self._client, ledger, self._number_prefix, self._nonce, seen)
            # Closed at once where a write is refused, also if it waits for something.
            async with aclosing(_iterated(writes)) as given:
                async for each in given:
                    batch.append(planner.entry(each))
                    characters += len(batch[-1].body)
                    is_full = len(batch) == _PLANNED_AT_ONCE or characters > _CHARACTERS_AT_ONCE
                    if is_full and not whole:
                        planner.check()
                        full, batch, characters = batch, [], 0
                        new += await self._in_thread(ledger.add, full)
            planner.check()
        return new + await self._in_thread(ledger.add, batch)

    async def run(
        self,
        *,
        concurrency: int = 8,
        on_progress: Callable[[Progress], object] | None = None,
    ) -> Report:
        """Carry out what is planned, and find out about what is unclear, until all is settled.

        It may be stopped at any time, by cancellation, Ctrl-C or a kill, and run again: it goes on
        where it stopped. What was on its way then is looked for before anything is sent again,
        which takes *late_arrival_s* at least.

        Args:
            concurrency: requests under way at once, 1 to 64.
            on_progress: called about ten times a second, and less often where the ledger is long,
                from any thread of the run; it must be quick.

        Returns:
            What became of every write.

        Raises:
            AuthenticationError: if the provider refuses the credential.
            PermissionDeniedError: if it says of many writes in a row that they are not allowed.
            BillingualError: if the provider cannot be reached, or the ledger cannot be written.
                Nothing is lost: run the job again.
        """
        return await self._carry_out(concurrency, on_progress, sends=True)

    async def reconcile(
        self,
        *,
        concurrency: int = 8,
        on_progress: Callable[[Progress], object] | None = None,
    ) -> Report:
        """Find out about what is unclear, as :meth:`run` does, and send nothing.

        What provably was not carried out is planned again, for the next run, unless the policy is
        ``"reconcile"``.
        """
        return await self._carry_out(concurrency, on_progress, sends=False)

    async def _carry_out(
        self, concurrency: int, on_progress: Callable[[Progress], object] | None, *, sends: bool
    ) -> Report:
        check_count(concurrency, "concurrency", "requests", _MOST)
        check_progress(on_progress)
        ledger = await self._opened()
        if self._runs:
            raise UsageError("this job is being run; wait for the end of that run.")
        self._runs = True
        try:
            settings = await self._in_thread(self._settings, ledger)
            self._runner = runner = Runner(
                client=self._client,
                context=self._context,
                ledger=ledger,
                nonce=self._nonce,
                settings=settings,
                sends=sends,
                on_progress=on_progress,
            )
            # In this order: another thread that stops the job meanwhile sees the runner.
            if self._stopping:
                runner.stopping = True
            await runner.run(concurrency)
        finally:
            self._runs, self._stopping, self._runner = False, False, None
        return await self.report()

    def stop(self) -> None:
        """Have the run end soon: requests under way end as usual, and nothing more is begun.

        Any thread may call this, and a signal handler. Without a run, the next one ends at once, so
        that no wish is lost which comes a moment before the run.
        """
        self._stopping = True
        runner = self._runner
        if runner is not None:
            runner.stopping = True

    async def report(self) -> Report:
        """Say what became of every write, without a request."""
        ledger = await self._opened()
        report = await self._in_thread(report_of, ledger)
        notes = [each for each in (report.note, *self._changed.values()) if each]
        return attrs.evolve(report, note=" ".join(notes) or None)

    async def entries(self, *, state: State | str | None = None) -> AsyncIterator[Entry]:
        """List the entries in the order of the plan, or those of one state.

        Raises:
            InvalidInputError: if there is no such state.
        """
        ledger = await self._opened()
        if state is not None and state not in list(State):
            names = ", ".join(State)
            raise InvalidInputError(
                "state", f"there is no state {shown(state)}", f"give one of {names}"
            )
        states = () if state is None else (State(state),)
        last = 0
        while found := await self._in_thread(ledger.entries, states, last, _READ_AT_ONCE):
            for entry in found:
                yield entry
            last = found[-1].seq

    async def history(self, entry_id: str) -> History:
        """Return all that the ledger knows about one entry.

        Raises:
            InvalidInputError: if there is no such entry.
        """
        ledger = await self._opened()
        return await self._in_thread(history_of, ledger, entry_id)

    async def resolve(
        self,
        entry_id: str,
        state: Literal["committed", "abandoned", "planned"],
        *,
        by: str,
        note: str,
        invoice_id: str | None = None,
    ) -> Entry:
        """Keep what a person decided about an entry that the job cannot settle.

        Args:
            entry_id: the entry.
            state: ``"committed"`` if it was carried out, ``"abandoned"`` if it is not to be,
                ``"planned"`` if it is to be sent again, whatever the provider shows.
            by: who decided.
            note: why; it is kept for good.
            invoice_id: of a create that was carried out, the invoice.

        Raises:
            InvalidInputError: if there is no such entry, or an argument does not fit.
            UsageError: if its state does not allow the decision.
        """
        ledger, wall = await self._opened(), self._context.backend.wall
        return await self._in_thread(
            lambda: decide(
                ledger,
                entry_id,
                state,
                now=ledger.clock(wall()),
                by=by,
                note=note,
                invoice_id=invoice_id,
            )
        )

    async def verify(
        self,
        *,
        concurrency: int = 8,
        on_progress: Callable[[int, int], object] | None = None,
    ) -> Verification:
        """Compare the ledger with the provider, entry by entry; nothing is written anywhere.

        Each invoice is read once, and where invoices were created, the whole list is read to see
        whether one is there twice.

        Args:
            concurrency: requests under way at once, 1 to 64.
            on_progress: called about ten times a second with the number of invoices that were read
                and of all that are to be read, from any thread; it must be quick.

        Raises:
            BillingualError: if a read fails for good.
        """
        from billingual.jobs.verification import verify  # noqa: PLC0415 - seldom needed

        ledger = await self._opened()
        check_count(concurrency, "concurrency", "requests", _MOST)
        check_progress(on_progress)
        return await verify(self._context, self._client, ledger, concurrency, on_progress)

    async def export(self, path: str | PathLike[str]) -> int:
        """Write the audit trail to a file: a row for each request, look and decision.

        The ending of the name says how: ``.csv``, ``.jsonl``, or ``.parquet`` with the extra
        ``arrow``. An entry without any has one row. An existing file is replaced when the new
        one is whole.

        Returns:
            How many rows were written.

        Raises:
            InvalidInputError: if the ending is another, or the file cannot be written.
            MissingExtraError: if the extra is not installed.
        """
        from billingual.jobs.trail import export  # noqa: PLC0415 - seldom needed

        ledger = await self._opened()
        return await self._in_thread(export, ledger, path)

    async def purge(self, *, older_than_s: float = 0.0) -> int:
        """Forget the bodies of entries that were settled that many seconds ago; hashes stay.

        Bodies hold personal data. What was purged cannot be verified any more.

        Returns:
            How many bodies were forgotten.
        """
        ledger = await self._opened()
        wall, age_s = self._context.backend.wall, seconds_of(older_than_s, "older_than_s")
        return await self._in_thread(lambda: ledger.purge(before=ledger.clock(wall()) - age_s))

    async def aclose(self) -> None:
        """Close the ledger, if the job opened it; closing twice is no error."""
        self._closed = True
        await self._in_thread(self._close)

    def _close(self) -> None:
        with self._opening:
            ledger, self._ledger = self._ledger, None
            if ledger is not None and self._owns:
                ledger.close()

    async def __aenter__(self) -> Self:
        await self._opened()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        with self._context.backend.shielded():
            await self.aclose()

    def __repr__(self) -> str:
        return f"AsyncJob({self._place!r}, {self._client!r})"

    async def _opened(self) -> Ledger:
        if self._closed:
            raise ClosedError("this job is closed; open it again.")
        if self._ledger is not None:
            return self._ledger
        return await self._in_thread(self._open)

    def _open(self) -> Ledger:
        # Two tasks may use the job for the first time at once. The ledger is kept here and not in
        # the task, which may be cancelled meanwhile.
        with self._opening:
            if self._ledger is not None:
                return self._ledger
            place, context = self._place, self._context
            ledger = (
                open_file(place, shared=self._shared)
                if isinstance(place, (str, PathLike))
                else place
            )
            try:
                self._nonce = ledger.bind(
                    context.provider, context.account, now=context.backend.wall()
                )
            except BaseException:
                if self._owns:
                    ledger.close()
                raise
            self._ledger = ledger
            return ledger

    def _settings(self, ledger: Ledger) -> Settings:
        """Return how the job is run, which the ledger keeps from now on."""
        before = self._keep_options(ledger, self._options)
        options = {**_USUAL, **before, **self._options}
        ledger.keep_options(options)
        return Settings(owner=self._owner, **cast("dict[str, Any]", options))

    def _keep_options(self, ledger: Ledger, options: Mapping[str, object]) -> dict[str, object]:
        """Keep options, and take note of those that had another value."""
        before = ledger.keep_options(options)
        for name in options.keys() & before.keys():
            if options[name] != before[name]:
                self._changed[name] = (
                    f"The job goes on with {name}={options[name]!r}; before, it had "
                    f"{name}={before[name]!r}."
                )
        return before

    async def _in_thread(self, call: Callable[..., T], *arguments: object) -> T:
        return await self._context.backend.in_thread(lambda: call(*arguments))


def options_of(
    policy: str | None, late_arrival_s: object, *, bisect: bool | None, sole_writer: bool | None
) -> dict[str, object]:
    """Return those options of a job that were given.

    Raises:
        InvalidInputError: if one is of the wrong kind.
    """
    if policy is not None and policy not in _POLICIES:
        names = ", ".join(_POLICIES)
        raise InvalidInputError(
            "policy", f"there is no policy {shown(policy)}", f"give one of {names}"
        )
    options = {
        "policy": policy,
        "late_arrival_s": (
            None if late_arrival_s is None else seconds_of(late_arrival_s, "late_arrival_s")
        ),
        "bisect": None if bisect is None else expected(bisect, bool, "bisect"),
        "sole_writer": None if sole_writer is None else expected(sole_writer, bool, "sole_writer"),
    }
    return {name: each for name, each in options.items() if each is not None}


def decide(
    ledger: Ledger,
    entry_id: str,
    state: str,
    *,
    now: float,
    by: str,
    note: str,
    invoice_id: str | None,
) -> Entry:
    """Keep what a person decided about an entry of a ledger; see :meth:`AsyncJob.resolve`."""
    given: object = state
    if not isinstance(given, str) or given not in _DECISIONS:
        names = ", ".join(_DECISIONS)
        raise InvalidInputError("state", f"{shown(state)} is no decision", f"give one of {names}")
    by, note = plain_text(expected(by, str, "by")), plain_text(expected(note, str, "note"))
    if not by.strip() or not note.strip():
        raise InvalidInputError("by", "a decision needs a name and a note", "give both")
    entry = _entry_of(ledger, entry_id)
    if state == State.COMMITTED and entry.operation == "create" and not invoice_id:
        raise InvalidInputError(
            "invoice_id",
            "a create that was carried out made an invoice",
            "give its id",
            hint="give_invoice_id",
        )
    return ledger.resolve(
        entry_id, _DECISIONS[state], now=now, by=by, note=note, invoice_id=invoice_id
    )


def history_of(ledger: Ledger, entry_id: str) -> History:
    """Read all that a ledger knows about one entry."""
    return History(
        entry=_entry_of(ledger, entry_id),
        requests=tuple(ledger.requests(entry_id)),
        decisions=tuple(ledger.decisions(entry_id)),
    )


def _entry_of(ledger: Ledger, entry_id: str) -> Entry:
    entry = ledger.entry(checked_text(entry_id, "entry_id"))
    if entry is None:
        raise InvalidInputError(
            "entry_id",
            f"the ledger has no entry {shown(entry_id)}",
            "see entries() for their names",
            hint="name_entry",
        )
    return entry


def _check_many(writes: object) -> None:
    # A draft alone is what people try first.
    if not isinstance(writes, (Iterable, AsyncIterable)) or isinstance(writes, (str, Mapping)):
        raise InvalidInputError(
            "writes", f"{type(writes).__name__} is not several writes", "give a list of them"
        )


async def _iterated(items: Iterable[T] | AsyncIterable[T]) -> AsyncGenerator[T]:
    if isinstance(items, AsyncGenerator):
        async with aclosing(items):
            async for each in items:
                yield each
    elif isinstance(items, AsyncIterable):
        async for each in items:
            yield each
    else:
        for each in items:
            yield each
