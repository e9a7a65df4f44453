"""Make the pictures of the sandbox's page, from a sandbox that is really called.

``python tools/picture_sandbox_page.py`` writes ``docs/sandbox-page.png`` and its dark twin;
``--also FOLDER`` writes a tall and a narrow one too, to be looked at. It needs the group
``browser`` and a Chromium, as the nox session ``browser`` has them.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Final, Literal

from playwright.sync_api import Browser, Page, sync_playwright

from billingual import BillingualError, Changes, Client, Filter
from billingual.sandbox import ACCOUNTS, Running, running

DOCS: Final = Path(__file__).parent.parent / "docs"
CHROMIUM: Final = "/usr/bin/chromium"
PORT: Final = 8321
WIDE: Final = (1240, 740)
NARROW: Final = (390, 844)


def main() -> None:
    """Make the pictures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--also", type=Path, metavar="FOLDER")
    also: Path | None = parser.parse_args().also
    with running(port=PORT) as sandbox:
        call_providers(sandbox)
        take_pictures(sandbox, also)


def take_pictures(sandbox: Running, also: Path | None) -> None:
    """Take all of them."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        picture(browser, sandbox, DOCS / "sandbox-page.png", "light", WIDE)
        picture(browser, sandbox, DOCS / "sandbox-page-dark.png", "dark", WIDE)
        if also is not None:
            for colours in ("light", "dark"):
                picture(browser, sandbox, also / f"tall-{colours}.png", colours, (1280, 2000))
                narrow = also / f"narrow-{colours}.png"
                picture(browser, sandbox, narrow, colours, NARROW, is_open=False)
                picture(browser, sandbox, also / f"narrow-open-{colours}.png", colours, NARROW)
        browser.close()


def call_providers(sandbox: Running) -> None:
    """Let a program meet a few faults."""

    def client(provider: str) -> Client:
        account = ACCOUNTS[provider]
        return Client(
            provider,
            base_url=sandbox.base_url(provider),
            token=account.token,
            tenant=account.tenant,
        )

    with client("exante") as invoices:
        late = invoices.list(Filter(status="OVERDUE", overdue_days="> 30"), sort="-total")
        rows = late.collect(limit=3)
        sandbox.app.add_fault("rate_limit", retry_after=0)
        invoices.get(rows[0].id)
        sandbox.app.add_fault("status", status=503, body_kind="html")
        invoices.get(rows[1].id)
        invoices.update(rows[0].id, Changes(due_at="2026-12-31"))
        invoices.update_many([(row.id, Changes(status="SENT")) for row in rows[1:]])
    with client("kukkingu") as invoices:
        (final,) = invoices.list(Filter(status="FINALIZED")).collect(limit=1)
        try:
            invoices.update(final.id, Changes(number="INV-2"))
        except BillingualError as error:
            print(type(error).__name__)
    with client("exante") as invoices:
        sandbox.app.add_fault("drop_after_commit", method="PUT")
        try:
            invoices.update(rows[0].id, Changes(number="INV-2026-S00901"))
        except BillingualError as error:
            print(type(error).__name__)
    sandbox.app.add_fault("latency", seconds=2, provider="katsu", times=2)


def picture(
    browser: Browser,
    sandbox: Running,
    path: Path,
    colours: Literal["light", "dark"],
    size: tuple[int, int],
    *,
    is_open: bool = True,
) -> None:
    """Write one picture of the page."""
    width, height = size
    context = browser.new_context(
        viewport={"width": width, "height": height},
        color_scheme=colours,
        reduced_motion="reduce",
    )
    page = context.new_page()
    page.goto(sandbox.url)
    page.locator("#request-rows tr").first.wait_for()
    page.locator("#invoice-rows tr").first.wait_for()
    if is_open:
        open_refusal(page)
    page.screenshot(path=str(path))
    context.close()
    print(path, path.stat().st_size // 1000, "kB")


def open_refusal(page: Page) -> None:
    """Open the request that was refused, without the frame around what has the focus."""
    page.locator("#request-rows tr", has_text="409").locator("button").click()
    page.locator("#response-side pre").wait_for()
    page.evaluate("document.activeElement.blur(); scrollTo(0, 0)")


if __name__ == "__main__":
    main()
