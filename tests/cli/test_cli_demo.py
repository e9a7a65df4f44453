"""The demo: it works, it checks, and it says so when something does not hold."""

from __future__ import annotations

import io
from collections.abc import Awaitable, Callable

import anyio
import httpx
import pytest
from rich.console import Console

from _support.command import Command
from billingual.cli.demo.context import ControlApi, DemoContext
from billingual.cli.demo.exante import exante_chapter
from billingual.cli.demo.katsu import katsu_chapter
from billingual.cli.demo.steps import ChapterStoppedError, Report, Screen, Step, refused
from billingual.sandbox import Running

HELD = Step(dialect="exante", claim="create", seen="INV-1", ok=True)
LOST = Step(dialect="bulk", claim="all or nothing", seen="half of it", ok=False)


def _screen() -> tuple[Screen, io.StringIO]:
    output = io.StringIO()
    return Screen(Console(file=output, width=80), Report()), output


async def _play(
    chapter: Callable[[DemoContext], Awaitable[None]], screen: Screen, url: str
) -> None:
    control = ControlApi(url)
    try:
        await chapter(DemoContext(screen=screen, url=url, control=control))
    finally:
        await control.aclose()


def test_the_whole_demo_holds_in_plain_text_of_80_columns(billingual: Command) -> None:
    """All four dialects pass; without a terminal there are no control codes and no long lines."""
    done = billingual("demo", "--invoices", "250")

    assert done.returncode == 0, done.stdout + done.stderr
    assert "\x1b" not in done.stdout
    assert [line for line in done.stdout.splitlines() if len(line.rstrip()) > 80] == []
    assert "✗" not in done.stdout
    assert done.stdout.splitlines()[-1].endswith("steps, all as expected.")
    for dialect in ("exante", "bulk", "tenant", "v1"):
        assert f"Dialect {dialect} " in done.stdout
    assert done.stderr == ""


def test_a_narrowed_demo_shows_one_provider(billingual: Command) -> None:
    """``--provider`` leaves the chapters of the other providers out."""
    done = billingual("demo", "--provider", "katsu", "--invoices", "0")

    assert done.returncode == 0
    assert "Dialect v1 " in done.stdout
    assert "Dialect tenant " not in done.stdout


@pytest.mark.parametrize(
    ("steps", "expected"), [([HELD], 0), ([HELD, LOST], 1), ([], 1)], ids=["held", "lost", "none"]
)
def test_the_exit_code_is_0_only_if_every_step_held(steps: list[Step], expected: int) -> None:
    """One step that did not hold, or no step at all, is a failure."""
    actual = Report(steps).exit_code

    assert expected == actual


def test_the_summary_counts_by_dialect_and_names_what_failed() -> None:
    """A reader of the last output alone learns which claim did not hold, and what was seen."""
    screen, output = _screen()
    screen.report.steps.extend([HELD, LOST])

    screen.summary()

    assert screen.report.counts() == {"exante": (1, 1), "bulk": (0, 1)}
    assert "bulk: all or nothing" in output.getvalue()
    assert "half of it" in output.getvalue()
    assert "2 steps, 1 NOT as expected." in output.getvalue()


def test_a_step_that_checks_nothing_does_not_hold() -> None:
    """That nothing was raised proves nothing."""
    screen, _ = _screen()

    with screen.step("create"):
        pass

    assert [step.ok for step in screen.report.steps] == [False]


def _raise_in_a_step(screen: Screen) -> None:
    with screen.step("create") as result:
        result.holds(ok=True, seen="too early")
        raise KeyError("number")


def test_a_step_that_raises_fails_and_stops_its_chapter() -> None:
    """The steps after it build on what is not there."""
    screen, _ = _screen()

    with pytest.raises(ChapterStoppedError):
        _raise_in_a_step(screen)

    assert screen.report.steps[0].seen == "unexpected KeyError: 'number'"
    assert not screen.report.steps[0].ok


@pytest.mark.asyncio
async def test_a_call_that_should_be_refused_and_is_not_fails_its_step() -> None:
    """The demo would rather fail than show a refusal that did not happen."""
    screen, _ = _screen()

    async def create() -> str:
        return "INV-1"

    with pytest.raises(ChapterStoppedError), screen.step("create: refused"):
        await refused(ValueError, create())

    assert "it should have ended in ValueError" in screen.report.steps[0].seen


def test_a_chapter_fails_where_the_provider_behaves_otherwise(served: Running) -> None:
    """A sandbox set to reject with 400 breaks the claim about ``succeeded: false`` in a 200."""
    screen, _ = _screen()
    httpx.post(
        f"{served.url}/_sandbox/settings", json={"katsu_logical_failure": "in_400"}, trust_env=False
    ).raise_for_status()

    with pytest.raises(ChapterStoppedError):
        anyio.run(_play, katsu_chapter, screen, served.url)

    assert [step.ok for step in screen.report.steps] == [True, False]
    assert screen.report.exit_code == 1


def test_a_terminal_sees_the_walk_progress(served: Running) -> None:
    """On a terminal a bar moves while all invoices are walked, and the steps hold as well."""
    output = io.StringIO()
    console = Console(file=output, width=80, force_terminal=True, color_system="standard")
    screen = Screen(console, Report())

    anyio.run(_play, exante_chapter, screen, served.url)

    assert "walking" in output.getvalue()
    assert "\x1b[" in output.getvalue()
    assert screen.report.exit_code == 0
