"""The sandbox's page in a real browser, of a sandbox in a process of its own."""

from __future__ import annotations

import os
import re
import subprocess
import sys

import pytest
from playwright.sync_api import Browser, BrowserContext, expect

from billingual.sandbox import ACCOUNTS, LANDMARKS
from browser.conftest import Visit, served

ROWS = "#request-rows tr"
SCRIPT = "<script>document.title='gone'</script>"
HOSTILE = f"{SCRIPT}<img src=x onerror=document.title='gone'>\u202e\x1b[2J"
CREATE = {
    "target_party_uid": LANDMARKS["exante_party"],
    "owner_uid": LANDMARKS["exante_owner"],
    "document_uid": LANDMARKS["exante_document"],
}


def test_a_request_is_seen_as_it_comes_and_both_its_sides_when_it_is_opened(visit: Visit) -> None:
    """Of a program that uses billingual, with its token masked."""
    account = ACCOUNTS["exante"]
    # In a process of its own, because this one runs the browser's event loop.
    subprocess.run(
        [sys.executable, "-m", "billingual", "list", "--status", "OVERDUE"],
        env={
            **os.environ,
            "BILLINGUAL_TOKEN": account.token,
            "BILLINGUAL_BASE_URL": f"{visit.url}/exante",
        },
        check=True,
    )
    row = visit.page.locator(ROWS, has_text="/exante/api/invoices?status=OVERDUE")
    expect(row).to_contain_text("200")
    row.get_by_role("button").click()
    detail = visit.page.locator("#detail")

    expect(detail.get_by_role("heading", level=2)).to_be_focused()
    expect(detail.locator("#request-side")).to_contain_text("Bearer ***")
    expect(detail.locator("#response-side")).to_contain_text('"status": "success"')
    expect(row).to_have_attribute("aria-current", "true")
    assert account.token not in detail.inner_text()


def test_a_request_is_opened_by_a_click_anywhere_in_its_row(visit: Visit) -> None:
    """On its status, too, which is what one asks about."""
    visit.call("exante", "GET", "/api/nowhere")
    visit.page.locator(ROWS).first.get_by_text("404", exact=True).click()

    expect(visit.page.locator("#request-side")).to_contain_text("/api/nowhere")


def test_a_fault_that_is_switched_on_meets_the_next_request(visit: Visit) -> None:
    """Then its switch is off again, and the attempt that follows succeeds."""
    switch = visit.page.get_by_role("switch", name="Answer with a status of your choice")
    visit.page.locator('[data-kind="status"] [data-field="status"]').fill("502")
    switch.click()
    expect(switch).to_have_attribute("aria-checked", "true")
    visit.see('[data-kind="status"] .left', "the next request")

    assert visit.call("exante", "GET", "/api/user").status_code == 502
    expect(switch).to_have_attribute("aria-checked", "false")
    assert visit.call("exante", "GET", "/api/user").status_code == 200
    expect(visit.page.locator(ROWS).first).to_contain_text("attempt 2")
    expect(visit.page.locator(ROWS).nth(1)).to_contain_text("fault status")


def test_a_fault_for_all_requests_of_one_provider_stays_until_it_is_switched_off(
    visit: Visit,
) -> None:
    """The others are left alone, and so are other faults."""
    visit.control("POST", "faults", {"kind": "latency", "method": "DELETE"})
    visit.page.locator("#fault-provider").select_option("katsu")
    visit.page.locator("#fault-times").select_option("all")
    switch = visit.page.get_by_role("switch", name="Answer 429")
    switch.click()
    visit.see('[data-kind="rate_limit"] .left', "all requests, katsu")

    statuses = [visit.call("katsu", "PUT", "/api/v1/Invoice/Update").status_code for _ in range(3)]
    assert statuses == [429, 429, 429]
    assert visit.call("exante", "GET", "/api/user").status_code == 200
    switch.click()
    expect(switch).to_have_attribute("aria-checked", "false")
    assert visit.call("katsu", "PUT", "/api/v1/Invoice/Update").status_code != 429
    expect(visit.page.get_by_role("switch", name="Answer late")).to_be_checked()


def test_every_switch_orders_its_fault(visit: Visit) -> None:
    """With the fields as the page first shows them."""
    switches = visit.page.locator(".fault [role=switch]")
    for index in range(switches.count()):
        switches.nth(index).click()
        expect(switches.nth(index)).to_be_checked()
    faults = visit.control("GET", "faults")["faults"]

    assert isinstance(faults, list)
    assert len(faults) == switches.count()
    visit.page.get_by_role("button", name="Switch all off").click()
    expect(visit.page.locator(".fault [aria-checked=true]")).to_have_count(0)


def test_the_clock_is_moved_and_set_running(visit: Visit) -> None:
    """The page shows the sandbox's own time."""
    visit.page.get_by_role("button", name="Advance the clock by 30 days").click()
    visit.see("#now", "2026-12-21 09:00:00 UTC")
    visit.page.get_by_role("switch", name="Let the clock run").click()
    visit.see("#now", "2026-12-21 09:00:01 UTC")
    visit.page.get_by_role("switch", name="Let the clock run").click()
    expect(visit.page.get_by_role("switch", name="Let the clock run")).not_to_be_checked()

    assert visit.control("GET", "clock")["frozen"] is True


def test_an_invoice_that_changes_comes_to_the_top(visit: Visit) -> None:
    """At once, in its provider's table; search finds others."""
    created = visit.call(
        "exante", "POST", "/api/invoices", json={**CREATE, "invoice_number": "N-1"}
    )
    assert created.status_code == 200
    expect(visit.page.locator("#invoice-rows tr").first).to_contain_text("N-1")
    visit.page.get_by_role("radio", name="katsu").check(force=True)
    expect(visit.page.locator("#invoice-rows")).to_contain_text(LANDMARKS["katsu_invoice"])
    visit.page.get_by_role("radio", name="kukkingu").check(force=True)
    visit.page.get_by_role("searchbox").fill("void")
    expect(visit.page.locator("#invoice-rows tr").first).to_contain_text("VOID")
    expect(visit.page.locator("#invoice-rows .tag", has_text="DRAFT")).to_have_count(0)
    visit.page.get_by_role("searchbox").fill("no such invoice")
    expect(visit.page.locator("#no-invoices")).to_be_visible()


@pytest.mark.parametrize(
    ("button", "expected"),
    [("Python", "from billingual import"), ("curl", "curl "), ("CLI", "billingual ")],
)
def test_a_request_and_a_call_to_try_are_copied(visit: Visit, button: str, expected: str) -> None:
    """To the clipboard, and shown."""
    visit.call("exante", "GET", "/api/invoices?status=PAID")
    visit.page.locator(ROWS).first.get_by_role("button").click()
    for place, part in (("#detail", "PAID"), ("#examples", "OVERDUE")):
        visit.page.locator(place).get_by_text(button, exact=True).first.click()
        visit.see("#said", f"Copied as {button}")
        copied = visit.page.evaluate("navigator.clipboard.readText()")

        assert copied.startswith(expected) or expected in copied
        assert part in copied
        assert ACCOUNTS["exante"].token not in copied
        shown = visit.page.locator(f"{place} pre:visible", has_text=expected).first
        assert copied == shown.inner_text() + "\n" or copied.strip() == shown.inner_text().strip()


def test_nothing_that_was_sent_is_run_or_turned_around(visit: Visit) -> None:
    """In numbers, ids, paths, queries, names and values of headers, and bodies of both sides."""
    fields = {HOSTILE: {"type": "string", "value": HOSTILE}}
    record = {**CREATE, "invoice_number": HOSTILE, "invoice_fields": fields}
    assert visit.call("exante", "POST", "/api/invoices", json=record).status_code == 200
    visit.control("POST", "faults", {"kind": "status", "status": 500, "body_kind": "html"})
    headers = {"x-script": SCRIPT, "x-wide": b"\xe2\x80\xae\x9b"}
    path = f"/api/invoices/{SCRIPT}?x=<img src=x onerror=alert(1)>"
    visit.call("exante", "GET", path, headers=headers)
    tenant = {"tenant-id": "<svg onload=alert(1)>"}
    visit.call("kukkingu", "GET", "/api/v1/invoices", headers=tenant)
    visit.page.on("dialog", lambda dialog: visit.complaints.append(dialog.message))
    expect(visit.page.locator(ROWS)).to_have_count(3)
    visit.see("#invoice-rows", "<script>document.title")
    for index in range(3):
        visit.page.locator(ROWS).nth(index).get_by_role("button").click()
        expect(visit.page.locator("#request-side dt").first).to_be_visible()
        for button in ("Python", "curl", "CLI"):
            visit.page.locator("#detail").get_by_text(button, exact=True).first.click()
    text = visit.page.content()

    assert visit.page.title() == "billingual sandbox"
    assert visit.page.locator("main script, main img, main svg, main b:not(button b)").count() == 0
    assert not set(text) & {"\u202e", "\x1b", "\x9b"}
    assert "\\u202e" in text


def test_all_of_it_works_by_keyboard_alone(visit: Visit) -> None:
    """Every control is reached by Tab, shows that it has the focus, and acts on Enter or Space."""
    visit.call("exante", "GET", "/api/user")
    visit.page.locator(ROWS).first.wait_for()
    keyboard = visit.page.keyboard
    reached: list[str] = []
    for _ in range(120):
        keyboard.press("Tab")
        found = visit.page.evaluate(
            """() => {
              const element = document.activeElement;
              if (element === document.body) return null;
              const label = element.closest("label");
              const shown = element.type === "radio" ? element.nextElementSibling : element;
              const style = getComputedStyle(shown);
              return [
                element.getAttribute("aria-label") || element.textContent.trim().slice(0, 40)
                  || (label ? label.textContent.trim().slice(0, 40) : "") || element.id,
                style.outlineStyle !== "none" && parseFloat(style.outlineWidth) > 0,
              ];
            }"""
        )
        if found is None:
            break
        name, has_outline = found
        assert has_outline, name
        reached.append(name)
    controls = visit.page.locator("main :is(button, select, input, a):visible").count()

    assert reached[0] == "Skip to the requests"
    assert {"Clear", "Switch all off", "Let the clock run", "GET/exante/api/user"} <= set(reached)
    # Of three radio buttons Tab reaches the one that is chosen.
    assert len(reached) >= controls - 2

    visit.page.locator(ROWS).first.get_by_role("button").focus()
    keyboard.press("Enter")
    expect(visit.page.locator("#detail-title")).to_be_focused()
    keyboard.press("Tab")
    expect(visit.page.locator("#close")).to_be_focused()
    keyboard.press("Tab")
    keyboard.press("Space")
    visit.see("#said", "Copied as Python")
    keyboard.press("Escape")
    expect(visit.page.locator("#detail")).to_be_hidden()
    expect(visit.page.locator(ROWS).first.get_by_role("button")).to_be_focused()
    switch = visit.page.get_by_role("switch", name="Answer 429")
    switch.focus()
    keyboard.press("Space")
    expect(switch).to_be_checked()
    keyboard.press("Enter")
    expect(switch).not_to_be_checked()
    visit.page.get_by_role("radio", name="exante").focus()
    keyboard.press("ArrowRight")
    expect(visit.page.locator("#invoice-rows")).to_contain_text("(currency")


def test_a_request_that_is_opened_keeps_the_focus_while_others_come(visit: Visit) -> None:
    """Rows are added above it; new ones are told to a reader of the screen."""
    visit.call("exante", "GET", "/api/user")
    button = visit.page.locator(ROWS, has_text="/exante/api/user").get_by_role("button")
    button.focus()
    expect(visit.page.locator("#news")).to_have_text("GET /exante/api/user: 200")
    visit.call("exante", "GET", "/api/invoices")
    expect(visit.page.locator(ROWS)).to_have_count(2)

    expect(button).to_be_focused()
    expect(visit.page.locator("#news")).to_have_text("GET /exante/api/invoices: 200")
    assert visit.page.locator("#news").get_attribute("aria-live") == "polite"


def test_requests_are_cleared_and_the_sandbox_is_reset(visit: Visit) -> None:
    """A reset is asked about first."""
    visit.call("exante", "GET", "/api/user")
    visit.page.locator(ROWS).first.wait_for()
    visit.page.get_by_role("button", name="Clear").click()
    expect(visit.page.locator(ROWS)).to_have_count(0)
    expect(visit.page.locator("#no-requests")).to_be_visible()
    visit.control("POST", "clock", {"advance_s": 86400})
    visit.see("#now", "2026-11-22")
    visit.page.once("dialog", lambda dialog: dialog.accept())
    visit.page.get_by_role("button", name="Reset sandbox").click()
    visit.see("#now", "2026-11-21 09:00:00 UTC")


CONTRAST = """() => {
  const channel = (value) => {
    const part = value / 255;
    return part <= 0.03928 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4;
  };
  const light = ([r, g, b]) => 0.2126 * channel(r) + 0.7152 * channel(g) + 0.0722 * channel(b);
  const numbers = (colour) => colour.match(/[\\d.]+/g).map(Number);
  const behind = (element) => {
    for (let each = element; each; each = each.parentElement) {
      const colour = numbers(getComputedStyle(each).backgroundColor);
      if (colour.length === 3 || colour[3] === 1) return colour;
    }
    return [255, 255, 255];
  };
  const weak = [];
  for (const element of document.querySelectorAll("body *")) {
    const own = [...element.childNodes].some((node) => node.nodeType === 3 && node.data.trim());
    if (!own || !element.checkVisibility()) continue;
    const [one, other] = [numbers(getComputedStyle(element).color), behind(element)]
      .map(light).sort((a, b) => b - a);
    const ratio = (one + 0.05) / (other + 0.05);
    const text = element.textContent.slice(0, 30);
    if (ratio < 4.5) weak.push(`${element.tagName} ${element.className} ${ratio} ${text}`);
  }
  return weak;
}"""


@pytest.mark.parametrize("colours", ["light", "dark"])
@pytest.mark.parametrize("width", [1280, 390])
def test_text_has_contrast_and_nothing_is_wider_than_the_screen(
    visit: Visit, colours: str, width: int
) -> None:
    """At least 4.5 to 1 in both colours, on a telephone too."""
    visit.page.emulate_media(color_scheme=colours, reduced_motion="reduce")  # type: ignore[arg-type]  # one of two
    visit.page.set_viewport_size({"width": width, "height": 844})
    visit.control(
        "POST", "faults", [{"kind": "rate_limit"}, {"kind": "status"}, {"kind": "latency"}]
    )
    for path in ("/api/user", "/api/user", "/api/invoices?page=0", f"/api/{'x' * 300}"):
        visit.call("exante", "GET", path)
    expect(visit.page.locator(ROWS)).to_have_count(4)
    visit.page.locator(ROWS).first.get_by_role("button").click()
    visit.page.locator("#detail").get_by_text("curl", exact=True).first.click()
    visit.see("#said", "Copied")

    assert visit.page.evaluate(CONTRAST) == []
    assert visit.page.evaluate("document.documentElement.scrollWidth") <= width
    box = visit.page.locator("#close").bounding_box()
    assert box is not None
    assert box["x"] + box["width"] <= width


def test_nothing_moves_where_reduced_motion_is_asked_for(visit: Visit) -> None:
    """A new row flashes otherwise."""
    moving = "getComputedStyle(document.querySelector('tr.new td')).animationName"
    visit.call("exante", "GET", "/api/user")
    visit.page.locator(ROWS).first.wait_for()
    assert visit.page.evaluate(moving) == "flash"
    visit.page.emulate_media(reduced_motion="reduce")
    assert visit.page.evaluate(moving) == "none"


def test_a_page_of_another_origin_can_neither_see_nor_switch(
    browser: Browser, visit: Visit
) -> None:
    """Nor put the sandbox's page into a frame; a browser asks and is refused."""
    other = browser.new_page()
    port = re.search(r":(\d+)$", visit.url)
    assert port is not None
    # Another name for this machine is another origin.
    other.goto(f"http://localhost:{port[1]}/katsu/openapi.json")
    answers = other.evaluate(
        """async (url) => {
          const tried = [];
          const ask = async (path, options) => {
            try {
              const response = await fetch(url + path, options);
              tried.push(`${path} ${response.type} ${response.status}`);
            } catch (error) {
              tried.push("failed");
            }
          };
          await ask("/_sandbox/page/exchanges/1");
          await ask("/_sandbox/page/invoices?provider=exante");
          const body = '{"kind":"latency"}';
          const headers = { "Content-Type": "application/json" };
          await ask("/_sandbox/faults", { method: "POST", body, headers });
          await ask("/_sandbox/faults", { method: "POST", body, mode: "no-cors" });
          await ask("/_sandbox/faults", { method: "DELETE" });
          return tried;
        }""",
        visit.url,
    )
    other.close()

    # What is sent without asking comes back unreadable, and was refused.
    assert set(answers) == {"failed", "/_sandbox/faults opaque 0"}
    assert visit.control("GET", "faults")["faults"] == []


def test_a_hidden_page_listens_to_nothing(visit: Visit) -> None:
    """A browser has few connections to a server; what happened meanwhile is there afterwards."""
    hide = """(hidden) => {
      Object.defineProperty(document, "hidden", { value: hidden, configurable: true });
      document.dispatchEvent(new Event("visibilitychange"));
    }"""
    visit.page.evaluate(hide, True)
    visit.call("exante", "GET", "/api/user")
    visit.page.wait_for_timeout(500)
    assert visit.page.locator(ROWS).count() == 0
    visit.page.evaluate(hide, False)
    expect(visit.page.locator(ROWS)).to_have_count(1)


def test_a_page_goes_on_with_the_next_sandbox_on_its_port(context: BrowserContext) -> None:
    """It shows that one's requests and invoices, and nothing of the one before."""
    page = context.new_page()
    with served() as url:
        visit = Visit(url, page)
        page.goto(url)
        for path in ("/api/user", "/api/invoices"):
            visit.call("exante", "GET", path)
        visit.call("exante", "POST", "/api/invoices", json={**CREATE, "invoice_number": "OLD-1"})
        page.locator(ROWS, has_text="/api/user").get_by_role("button").click()
        expect(page.locator("#detail")).to_be_visible()
        visit.see("#invoice-rows", "OLD-1")
        port = int(url.rpartition(":")[2])
    visit.see("#connection", "Connection lost")
    with served(port):
        visit.see("#connection", "Live")
        expect(page.locator(ROWS)).to_have_count(0)
        expect(page.locator("#detail")).to_be_hidden()
        expect(page.locator("#invoice-rows", has_text="OLD-1")).to_have_count(0)
        visit.call("katsu", "PUT", "/api/v1/Invoice/Update")
        expect(page.locator(ROWS)).to_have_count(1)
    page.close()
