"""What became of the writes of a job, on the screen or as JSON."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

import attrs

from billingual.cli.exit_codes import FAILURE, OK, UNCLEAR
from billingual.cli.messages import hint
from billingual.cli.output import (
    Column,
    Format,
    show_facts,
    show_rows,
    text_of,
    write_json,
)
from billingual.jobs.entry import Entry, State
from billingual.jobs.report import named_with_reasons

if TYPE_CHECKING:
    from billingual.jobs.entry import History
    from billingual.jobs.report import Report
    from billingual.jobs.verification import Verification

__all__ = [
    "exit_code_of",
    "show_entry",
    "show_history",
    "show_report",
    "show_verification",
]

_SHOWN: Final = 100
"""Entries of one state that a table lists; a million lines would hide the others."""

_MEANING: Final[Mapping[State, str]] = {
    State.COMMITTED: "carried out, each once",
    State.REJECTED: "refused by the provider; nothing was done",
    State.UNKNOWN: "may have been carried out; 'jobs resume' or 'jobs reconcile' looks again",
    State.IN_FLIGHT: "on its way; 'jobs resume' finds out",
    State.CONFLICT: "the provider shows something else; look at it, then 'jobs resolve'",
    State.DOUBLED: "there more than once; look at it, then 'jobs resolve'",
    State.PLANNED: "not carried out yet; 'jobs resume' goes on",
    State.ABANDONED: "given up by a person",
}


def exit_code_of(report: Report) -> int:
    """Return the exit code of a job: what a script has to know first.

    7 if a write is unclear or left, else 1 if the provider refused one, else 0.
    """
    if not report.settled:
        return UNCLEAR
    return FAILURE if report.counts.get(State.REJECTED) else OK


def show_report(report: Report, output: Format) -> None:
    """Write the counts, and each entry that is not committed."""
    if output != "table":
        record = {
            "total": report.total,
            "counts": {state.value: count for state, count in report.counts.items()},
            "adopted": report.adopted,
            "complete": report.complete,
            "settled": report.settled,
            "unfinished": [_record(each) for each in report.unfinished],
            "note": report.note,
        }
        write_json(record, indent=2 if output == "json" else None)
        return
    counts = [(each, report.counts[each]) for each in _MEANING if report.counts.get(each)]
    if not counts:
        hint("The job has no writes.")
        return
    show_rows(
        (
            Column("state", tuple(state.value for state, _ in counts)),
            Column("writes", tuple(f"{count:,}" for _, count in counts), is_number=True),
            Column("meaning", tuple(_meaning(state, report) for state, _ in counts), rank=1),
        )
    )
    for state, _ in counts:
        entries = [each for each in report.unfinished if each.state is state]
        # Those that only wait for their turn are as the count says.
        _show_entries(state, [each for each in entries if each.reason or state != State.PLANNED])
    if report.note:
        hint(report.note)


def _meaning(state: State, report: Report) -> str:
    if state is State.COMMITTED and report.adopted:
        return f"{_MEANING[state]}; {report.adopted:,} were unclear first"
    return _MEANING[state]


def _show_entries(state: State, entries: Sequence[Entry]) -> None:
    if not entries:
        return
    sys.stdout.write(f"\n{state.value}:\n")
    shown = named_with_reasons(entries[:_SHOWN])
    show_facts((f"  {entry}", text_of(why) or "-") for entry, why in shown)
    if len(entries) > _SHOWN:
        hint(
            f"{len(entries) - _SHOWN:,} more are {state.value}; see all with -o json, or write "
            "them to a file with 'billingual jobs export'."
        )


def show_entry(entry: Entry, output: Format) -> None:
    """Write what the ledger knows about one write."""
    if output != "table":
        write_json(_record(entry), indent=2 if output == "json" else None)
        return
    show_facts((name, text_of(value)) for name, value in _record(entry).items())


def show_history(history: History, output: Format) -> None:
    """Write all that the ledger knows about one write: requests, looks and decisions too."""
    requests = [_dated(each, ("started", "ended")) for each in history.requests]
    decisions = [_dated(each, ("at",)) for each in history.decisions]
    if output != "table":
        record = _record(history.entry) | {"requests": requests, "decisions": decisions}
        write_json(record, indent=2 if output == "json" else None)
        return
    show_entry(history.entry, output)
    for title, rows in (("requests", requests), ("decisions", decisions)):
        for number, row in enumerate(rows, 1):
            sys.stdout.write(f"\n{title} {number} of {len(rows)}:\n")
            show_facts((f"  {name}", text_of(value)) for name, value in row.items())


def show_verification(seen: Verification, output: Format) -> None:
    """Write how many entries were compared, and each that is not as the ledger says."""
    if output != "table":
        record = {
            "ok": seen.ok,
            "checked": seen.checked,
            "wrong": dict(seen.wrong),
            "unchecked": dict(seen.unchecked),
        }
        write_json(record, indent=2 if output == "json" else None)
        return
    show_facts(
        (
            ("compared", f"{seen.checked:,}"),
            ("wrong", f"{len(seen.wrong):,}"),
            ("not compared", f"{len(seen.unchecked):,}"),
        )
    )
    for title, those in (("wrong", seen.wrong), ("not compared", seen.unchecked)):
        if those:
            sys.stdout.write(f"\n{title}:\n")
            shown = list(those.items())[:_SHOWN]
            show_facts((f"  {entry}", text_of(why)) for entry, why in shown)
        if len(those) > _SHOWN:
            hint(f"{len(those) - _SHOWN:,} more are {title}; see all with -o json.")


def _record(entry: Entry) -> dict[str, object]:
    """Leave out the body, which is personal data, and what only the job needs."""
    names = (
        "id", "operation", "target", "number", "state", "reason", "invoice_id", "attempts",
        "unclear",
    )  # fmt: skip
    return {name: getattr(entry, name) for name in names}


def _dated(step: attrs.AttrsInstance, times: Iterable[str]) -> dict[str, object]:
    record: dict[str, object] = attrs.asdict(step, recurse=False)
    for name in times:
        seconds = record[name]
        if isinstance(seconds, float):
            text = datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds")
            record[name] = text.replace("+00:00", "Z")
    return record
