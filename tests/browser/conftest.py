"""A sandbox as its own process, and a real browser that may reach nothing else."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import attrs
import httpx
import pytest
from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Page, sync_playwright

from billingual.sandbox import ACCOUNTS

CHROMIUM = os.environ.get("CHROMIUM", "/usr/bin/chromium")


@attrs.define
class Visit:
    """A page of the sandbox in a browser.

    Attributes:
        url: of the sandbox.
        page: the page.
        complaints: what the browser said on its console, and errors of scripts.
        addresses: what the browser asked for.
    """

    url: str
    page: Page
    complaints: list[str] = attrs.field(factory=list)
    addresses: list[str] = attrs.field(factory=list)

    def call(self, provider: str, method: str, path: str, **options: object) -> httpx.Response:
        """Send one request to a provider, as a program does."""
        account = ACCOUNTS[provider]
        headers = {"authorization": f"Bearer {account.token}"}
        if account.tenant is not None:
            headers["tenant-id"] = account.tenant
        headers |= options.pop("headers", {})  # type: ignore[arg-type]  # of these tests
        url = f"{self.url}{account.prefix}{path}"
        return httpx.request(method, url, headers=headers, trust_env=False, **options)  # type: ignore[arg-type]  # handed on

    def control(self, method: str, path: str, body: object = None) -> dict[str, object]:
        """Use the sandbox's control API."""
        response = httpx.request(
            method, f"{self.url}/_sandbox/{path}", json=body or {}, trust_env=False
        )
        found: dict[str, object] = response.raise_for_status().json()
        return found

    def see(self, selector: str, text: str) -> None:
        """Wait until some of these has a text."""
        self.page.locator(selector, has_text=text).first.wait_for()


@contextmanager
def served(port: int = 0) -> Iterator[str]:
    """Start ``python -m billingual sandbox``, and stop it as Ctrl-C does."""
    process = subprocess.Popen(
        [sys.executable, "-m", "billingual", "sandbox", "--port", str(port), "--invoices", "60"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    yield process.stdout.readline().strip()
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=30)

    assert process.returncode == 0
    assert "Traceback" not in said


@pytest.fixture(scope="session")
def sandbox_url() -> Iterator[str]:
    """Serve one sandbox for all tests."""
    with served() as url:
        yield url


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """Start Chromium without a screen."""
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield chromium
        chromium.close()


@pytest.fixture
def context(browser: Browser) -> Iterator[BrowserContext]:
    """Make a visitor's own window; it may use the clipboard, as a person's may."""
    context = browser.new_context(
        viewport={"width": 1280, "height": 900}, permissions=["clipboard-read", "clipboard-write"]
    )
    context.set_default_timeout(15_000)
    yield context
    context.close()


@pytest.fixture
def visit(context: BrowserContext, sandbox_url: str) -> Iterator[Visit]:
    """Open the page of a sandbox that is as at the start; it must complain of nothing."""
    visit = Visit(sandbox_url, context.new_page())
    visit.control("POST", "reset")

    def complain(message: ConsoleMessage) -> None:
        if message.type in ("error", "warning"):
            visit.complaints.append(f"{message.text} {message.location}")

    visit.page.on("console", complain)
    visit.page.on("pageerror", lambda error: visit.complaints.append(str(error)))
    visit.page.on("request", lambda request: visit.addresses.append(request.url))
    visit.page.goto(sandbox_url)
    visit.see("#connection", "Live")
    visit.page.locator("#invoice-rows tr").first.wait_for()
    yield visit

    assert visit.complaints == []
    assert [each for each in visit.addresses if not each.startswith((sandbox_url, "data:"))] == []
