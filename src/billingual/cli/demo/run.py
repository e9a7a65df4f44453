"""``billingual demo``: all four dialects, driven over real sockets, every step checked."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Final, Literal, TypeAlias

import anyio

from billingual.cli.demo.bulk import bulk_chapter
from billingual.cli.demo.context import ControlApi, DemoContext
from billingual.cli.demo.exante import exante_chapter, fault_chapter
from billingual.cli.demo.katsu import katsu_chapter
from billingual.cli.demo.kukkingu import kukkingu_chapter
from billingual.cli.demo.steps import ChapterStoppedError, Report, Screen, Step
from billingual.cli.output import Terminal
from billingual.cli.sandbox import CountOption, SeedOption
from billingual.sandbox import running

__all__ = ["demo"]

ProviderName: TypeAlias = Literal["exante", "kukkingu", "katsu"]

_CHAPTERS: Final[dict[str, tuple[Callable[[DemoContext], Awaitable[None]], ...]]] = {
    "exante": (exante_chapter, bulk_chapter, fault_chapter),
    "kukkingu": (kukkingu_chapter,),
    "katsu": (katsu_chapter,),
}
_LIMIT_S: Final = 120.0


def demo(
    *,
    provider: ProviderName | None = None,
    invoices: CountOption = 1000,
    seed: SeedOption = 42,
) -> int:
    """Show everything working in a minute: no account, no network.

    Starts the sandbox (a stateful stand-in for the three APIs) on a loopback port and drives it
    with AsyncClient over real sockets. Each step says what it expects and then looks; the exit
    code is 0 only if every step did what it says.

    Args:
        provider: Show only the dialects of this provider; all by default.
        invoices: How many invoices Exante's organization starts with, to 100000; 1000 by default.
        seed: Seed of the sandbox's data, 42 by default; it decides all of it.
    """
    console = Terminal(highlight=False)
    screen = Screen(console, Report())
    names = tuple(_CHAPTERS) if provider is None else (provider,)
    with running(seed=seed, invoices=invoices) as sandbox:
        _open(screen, sandbox.url, invoices, seed)
        anyio.run(_play, screen, sandbox.url, names)
    screen.summary()
    return screen.report.exit_code


async def _play(screen: Screen, url: str, names: tuple[str, ...]) -> None:
    control = ControlApi(url)
    context = DemoContext(screen=screen, url=url, control=control)
    try:
        with anyio.move_on_after(_LIMIT_S) as limit:
            for chapter in (chapter for name in names for chapter in _CHAPTERS[name]):
                try:
                    await chapter(context)
                except ChapterStoppedError:
                    screen.say("The steps that build on this one were left out.", indent=4)
    finally:
        await control.aclose()
    if limit.cancelled_caught:
        screen.report.steps.append(
            Step(
                dialect="demo",
                claim=f"the demo ends within {_LIMIT_S:g} seconds",
                seen="it was stopped before its end",
                ok=False,
            )
        )


def _open(screen: Screen, url: str, invoices: int, seed: int) -> None:
    screen.chapter(
        "",
        "billingual demo",
        "One set of calls (create, get, list, update ...) speaks to three invoicing APIs in four "
        "dialects. The APIs are played by a sandbox that runs in this process, on "
        f"{url}, with {invoices:,} invoices made from seed {seed}. The client connects to it over "
        "real sockets. No account is needed and nothing leaves this machine. A line that starts "
        "with 'wire' names the HTTP requests behind a step and what came back.",
    )
