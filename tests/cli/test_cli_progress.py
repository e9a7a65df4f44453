"""How far a job is: by its own clock, in one line, and never a reason to fail."""

from __future__ import annotations

import io
import time

import pytest
from rich.console import Console

from billingual.cli.progress import shown_progress
from billingual.jobs import Progress, State


def _progress(elapsed_s: float = 0.0, resent: int = 0, settled: int = 0, **counts: int) -> Progress:
    return Progress(
        total=sum(counts.values()),
        counts={State(name): count for name, count in counts.items()},
        requests=0,
        resent=resent,
        elapsed_s=elapsed_s,
        settled=settled,
    )


class _Broken(io.StringIO):
    def write(self, _: str) -> int:
        raise OSError(28, "No space left on device")

    def flush(self) -> None:
        raise OSError(28, "No space left on device")


def test_a_line_is_written_every_few_seconds(capsys: pytest.CaptureFixture[str]) -> None:
    """A short job writes none; pace, time left, resent and unclear ones are told."""
    with shown_progress(quiet=False) as view:
        for second in range(12):
            done = second * 1000
            view.show(
                _progress(second, settled=done, resent=3, committed=done, planned=11_000 - done)
            )
        view.show(_progress(4000, settled=1000, committed=1000, unknown=9000, planned=9000))

    assert [
        "5,000 of 11,000, 1,000 rows/s, 0:06 left, 3 sent again",
        "10,000 of 11,000, 1,000 rows/s, 0:01 left, 3 sent again",
        "1,000 of 19,000, 0 rows/s, 20:00:00 left, 9,000 unclear",
    ] == capsys.readouterr().err.splitlines()


def test_the_begin_of_a_wait_is_told_at_once(capsys: pytest.CaptureFixture[str]) -> None:
    """Nothing happens for minutes then, and it is not told each time."""
    with shown_progress(quiet=False) as view:
        for second in (0.1, 0.2, 0.3):
            view.show(_progress(second, settled=1, committed=1, unknown=1))

    (line,) = capsys.readouterr().err.splitlines()
    assert "1 unclear, waiting for late requests" in line


def test_quiet_is_quiet(capsys: pytest.CaptureFixture[str]) -> None:
    """Not even a wait is told."""
    with shown_progress(quiet=True) as view:
        view.checked(1000)
        view.show(_progress(100, unknown=1))

    assert ("", "") == capsys.readouterr()


def test_nothing_is_shown_after_the_end(capsys: pytest.CaptureFixture[str]) -> None:
    """A request that ends late must not write into the report."""
    with shown_progress(quiet=False) as view:
        view.close()
        view.show(_progress(100, planned=1))

    assert "" == capsys.readouterr().err


def test_how_far_a_comparison_is(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A line every few seconds, or a bar."""
    times = iter([0.0, 4.9, 5.1, 5.2])
    monkeypatch.setattr(time, "monotonic", lambda: next(times))
    with shown_progress(quiet=False) as view:
        for invoices in (1000, 2000, 3000):
            view.compared(invoices, 84_626)
    assert ["2,000 of 84,626 invoices compared"] == capsys.readouterr().err.splitlines()

    monkeypatch.undo()
    stream = io.StringIO()
    with shown_progress(quiet=False, console=_terminal(stream)) as view:
        view.compared(7, 9)
    assert "7 of 9 invoices compared" in stream.getvalue()


def _terminal(stream: io.StringIO) -> Console:
    return Console(file=stream, force_terminal=True, width=100)


def test_a_terminal_has_a_bar() -> None:
    """Rows that are checked, and then how far the job is; it is gone afterwards."""
    stream = io.StringIO()
    with shown_progress(quiet=False, console=_terminal(stream)) as view:
        view.checked(5000)
        view.show(_progress(1, settled=10, committed=10, planned=20))
        view.close()
        view.show(_progress(2, settled=30, committed=30))

    shown = stream.getvalue()
    assert "10 of 30, 10 rows/s, 0:02 left" in shown
    assert "30 of 30" not in shown
    assert shown.rstrip().endswith("\x1b[2K")


def test_a_screen_that_fails_does_not_end_a_job(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a job does is in its ledger, whether it can be shown or not."""
    monkeypatch.setattr("sys.stderr", _Broken())
    with shown_progress(quiet=False) as view:
        view.show(_progress(100, planned=1))
    with shown_progress(quiet=False, console=_terminal(_Broken())) as view:
        view.checked(1)
        view.show(_progress(100, planned=1))
