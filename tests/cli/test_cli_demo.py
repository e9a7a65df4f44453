"""The demo: it works, it checks, and it says so when something does not hold."""

from __future__ import annotations

import io
from collections.abc import Awaitable, Callable

import anyio
import httpx
import pytest
from rich.console import Console

from _support.command import Command
from billingual.cli.demo.context import Scene
from billingual.cli.demo.control_api import Witness
from billingual.cli.demo.exante import exante_chapter
from billingual.cli.demo.katsu import katsu_chapter
from billingual.cli.demo.steps import ChapterStoppedError, Report, Stage, Step, refused
from billingual.sandbox import Running

HELD = Step(dialect="exante", claim="create", seen="INV-1", ok=True)
LOST = Step(dialect="bulk", claim="all or nothing", seen="half of it", ok=False)


def _stage() -> tuple[Stage, io.StringIO]:
    screen = io.StringIO()
    return Stage(Console(file=screen, width=80), Report()), screen


async def _play(chapter: Callable[[Scene], Awaitable[None]], stage: Stage, url: str) -> None:
    witness = Witness(url)
    try:
        await chapter(Scene(stage=stage, url=url, witness=witness))
    finally:
        await witness.aclose()


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


def test_the_demo_writes_ascii_where_the_terminal_knows_no_more(billingual: Command) -> None:
    """Marks and lines have ASCII forms."""
    done = billingual(
        "demo", "--provider", "kukkingu", "--invoices", "0", env={"PYTHONIOENCODING": "ascii"}
    )

    assert done.returncode == 0
    assert done.stdout.isascii()


@pytest.mark.parametrize(
    ("steps", "expected"), [([HELD], 0), ([HELD, LOST], 1), ([], 1)], ids=["held", "lost", "none"]
)
def test_the_exit_code_is_0_only_if_every_step_held(steps: list[Step], expected: int) -> None:
    """One step that did not hold, or no step at all, is a failure."""
    actual = Report(steps).exit_code

    assert expected == actual


def test_the_summary_counts_by_dialect_and_names_what_failed() -> None:
    """A reader of the last screen alone learns which claim did not hold, and what was seen."""
    stage, screen = _stage()
    stage.report.steps.extend([HELD, LOST])

    stage.summary()

    assert stage.report.counts() == {"exante": (1, 1), "bulk": (0, 1)}
    assert "bulk: all or nothing" in screen.getvalue()
    assert "half of it" in screen.getvalue()
    assert "2 steps, 1 NOT as expected." in screen.getvalue()


def test_a_step_that_checks_nothing_does_not_hold() -> None:
    """That nothing was raised proves nothing."""
    stage, _ = _stage()

    with stage.step("create"):
        pass

    assert [step.ok for step in stage.report.steps] == [False]


def _raise_in_a_step(stage: Stage) -> None:
    with stage.step("create") as sight:
        sight.holds(ok=True, seen="too early")
        raise KeyError("number")


def test_a_step_that_raises_fails_and_stops_its_chapter() -> None:
    """The steps after it build on what is not there."""
    stage, _ = _stage()

    with pytest.raises(ChapterStoppedError):
        _raise_in_a_step(stage)

    assert stage.report.steps[0].seen == "unexpected KeyError: 'number'"
    assert not stage.report.steps[0].ok


@pytest.mark.asyncio
async def test_a_call_that_should_be_refused_and_is_not_fails_its_step() -> None:
    """The demo would rather fail than show a refusal that did not happen."""
    stage, _ = _stage()

    async def create() -> str:
        return "INV-1"

    with pytest.raises(ChapterStoppedError), stage.step("create: refused"):
        await refused(ValueError, create())

    assert "it should have ended in ValueError" in stage.report.steps[0].seen


def test_a_chapter_fails_where_the_provider_behaves_otherwise(served: Running) -> None:
    """A sandbox told to reject with 400 breaks the claim about ``succeeded: false`` in a 200."""
    stage, _ = _stage()
    httpx.post(
        f"{served.url}/_sandbox/settings", json={"katsu_logical_failure": "in_400"}, trust_env=False
    ).raise_for_status()

    with pytest.raises(ChapterStoppedError):
        anyio.run(_play, katsu_chapter, stage, served.url)

    assert [step.ok for step in stage.report.steps] == [True, False]
    assert stage.report.exit_code == 1


def test_a_terminal_sees_the_walk_progress(served: Running) -> None:
    """On a terminal a bar moves while all invoices are walked, and the steps hold as well."""
    screen = io.StringIO()
    console = Console(file=screen, width=80, force_terminal=True, color_system="standard")
    stage = Stage(console, Report())

    anyio.run(_play, exante_chapter, stage, served.url)

    assert "walking" in screen.getvalue()
    assert "\x1b[" in screen.getvalue()
    assert stage.report.exit_code == 0
