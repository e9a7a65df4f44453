"""What became of a job, for people: the first of many by name, and the rest counted."""

from __future__ import annotations

import pytest

from billingual.cli.exit_codes import FAILURE, OK, UNCLEAR
from billingual.cli.job_report import exit_code_of, show_report, show_verification
from billingual.jobs import Entry, Report, State, Verification


def _entry(number: int, state: State, reason: str | None = "refused") -> Entry:
    return Entry(
        id=f"E-{number}",
        operation="create",
        target=None,
        number=None,
        body=None,
        body_hash="",
        state=state,
        reason=reason,
    )


def _report(adopted: int = 0, note: str | None = None, **counts: int) -> Report:
    states = {State(name): count for name, count in counts.items()}
    unfinished = [
        _entry(number, state)
        for state, count in states.items()
        for number in range(count)
        if state is not State.COMMITTED
    ]
    return Report(
        total=sum(states.values()),
        counts=states,
        adopted=adopted,
        unfinished=tuple(unfinished),
        note=note,
    )


@pytest.mark.parametrize(
    ("counts", "code"),
    [
        ({}, OK),
        ({"committed": 2}, OK),
        ({"committed": 2, "abandoned": 1}, OK),
        ({"committed": 2, "rejected": 1}, FAILURE),
        ({"rejected": 1, "planned": 1}, UNCLEAR),
        ({"unknown": 1}, UNCLEAR),
        ({"in_flight": 1}, UNCLEAR),
        ({"conflict": 1}, UNCLEAR),
        ({"doubled": 1, "rejected": 1}, UNCLEAR),
    ],
)
def test_the_exit_code_says_the_worst(counts: dict[str, int], code: int) -> None:
    """What is unclear or left goes before what was refused."""
    assert code == exit_code_of(_report(**counts))


def test_a_table_lists_a_hundred_of_each_state(capsys: pytest.CaptureFixture[str]) -> None:
    """The others are counted, and the way to them is told."""
    show_report(_report(committed=3, adopted=2, rejected=150, conflict=1, note="Slow."), "table")

    out, err = capsys.readouterr()
    assert "committed       3  carried out, each once; 2 were unclear first" in out
    assert (2, 99) == (out.count("  refused\n"), out.count("  the same\n"))
    assert ["50 more are rejected", "Slow."] == [
        line.partition(";")[0] for line in err.splitlines()
    ]


def test_what_waits_for_its_turn_is_only_counted(capsys: pytest.CaptureFixture[str]) -> None:
    """A write that waits for something else is named, with the reason."""
    waiting = (_entry(1, State.PLANNED, None), _entry(2, State.PLANNED, "waits for E-0"))
    report = Report(total=2, counts={State.PLANNED: 2}, adopted=0, unfinished=waiting)
    show_report(report, "table")

    out, _ = capsys.readouterr()
    assert "planned       2  not carried out yet" in out
    assert out.endswith("\nplanned:\n  E-2  waits for E-0\n")


def test_a_job_without_writes_says_so(capsys: pytest.CaptureFixture[str]) -> None:
    """An empty table would look like a fault."""
    show_report(_report(), "table")

    assert ("", "The job has no writes.\n") == capsys.readouterr()


def test_a_verification_lists_a_hundred(capsys: pytest.CaptureFixture[str]) -> None:
    """As a report does."""
    wrong = {f"E-{n}": "not there" for n in range(101)}
    show_verification(Verification(checked=101, wrong=wrong, unchecked={"U-1": "why"}), "table")

    out, err = capsys.readouterr()
    assert 100 == out.count("  not there\n")
    assert "\nnot compared:\n  U-1  why\n" in out
    assert "1 more are wrong; see all with -o json.\n" == err
