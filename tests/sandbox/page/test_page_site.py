"""What the page's server gives, to whom, and what it keeps."""

from __future__ import annotations

import asyncio
import json
import re
import threading
from contextlib import ExitStack, suppress

import httpx
import pytest

from billingual.sandbox import ACCOUNTS, CREDENTIALS, LANDMARKS, create_app, running
from billingual.sandbox.faults import KINDS, Fault
from billingual.sandbox.page.exchanges import MAX_BODY_KEPT, MAX_BYTES, MAX_EXCHANGES, Exchanges
from billingual.sandbox.page.markup import FAULTS, page_html
from billingual.sandbox.page.site import MAX_STREAMS, Site
from sandbox.page.conftest import PAGE, Visitor

HTML = {"accept": "text/html"}
FILES = ("/", f"{PAGE}page.css", f"{PAGE}page.js")
DATA = (f"{PAGE}events", f"{PAGE}invoices?provider=exante", f"{PAGE}exchanges/1")


@pytest.mark.parametrize("path", FILES)
def test_a_browser_is_told_to_load_nothing_from_elsewhere(visitor: Visitor, path: str) -> None:
    """Nor to run or style anything that is in the page itself."""
    found = visitor.ask(path, headers=HTML)
    policy = found.headers["content-security-policy"].split("; ")

    assert found.status_code == 200
    assert {
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "connect-src 'self'",
        "img-src 'self' data:",
        "frame-ancestors 'none'",
        "base-uri 'none'",
        "form-action 'none'",
    } == set(policy)
    assert found.headers["x-content-type-options"] == "nosniff"
    assert "access-control-allow-origin" not in found.headers


def test_the_page_has_no_script_or_style_of_its_own_and_no_foreign_address(
    visitor: Visitor,
) -> None:
    """The policy would stop them, and no test would show that they are missing."""
    text = "".join(visitor.ask(path, headers=HTML).text for path in FILES)
    page = visitor.ask("/", headers=HTML).text

    assert not re.search(r"<style|\sstyle=|\son\w+=|<script(?! src=)", page)
    assert {visitor.sandbox.url} == set(re.findall(r"https?://[\w.:]+", text))
    assert "innerHTML" not in text


def test_a_program_gets_json_at_the_root(visitor: Visitor) -> None:
    """Only a browser asks for HTML."""
    assert set(visitor.ask("/").json()["providers"]) == set(ACCOUNTS)


@pytest.mark.parametrize("path", [*FILES[:1], *DATA])
@pytest.mark.parametrize("host", ["evil.example", "evil.example:8321", "localhost.evil.example"])
def test_a_name_that_was_rebound_sees_nothing(visitor: Visitor, path: str, host: str) -> None:
    """Neither the page nor what it shows."""
    refused = visitor.ask(path, headers={**HTML, "host": host})

    assert (refused.status_code, refused.headers["sandbox-rule"]) == (403, "foreign-host")


@pytest.mark.parametrize("path", DATA)
@pytest.mark.parametrize(
    "headers",
    [
        {"origin": "https://evil.example"},
        {"origin": "null"},
        {"origin": "http://localhost:3000"},
        {"sec-fetch-site": "cross-site"},
        {"sec-fetch-site": "same-site"},
    ],
    ids=str,
)
def test_a_page_of_another_origin_sees_no_data(
    visitor: Visitor, path: str, headers: dict[str, str]
) -> None:
    """Also one that another program of this machine serves."""
    refused = visitor.ask(path, headers=headers)

    assert (refused.status_code, refused.headers["sandbox-rule"]) == (403, "foreign-origin")


def test_a_sandbox_that_others_may_reach_has_its_page_under_any_name() -> None:
    """In a network of containers it is called by a name that only that network knows."""
    app = create_app(invoices=0, any_host=True)
    transport = httpx.ASGITransport(app=Site(app))

    async def statuses() -> list[int]:
        async with httpx.AsyncClient(transport=transport, base_url="http://billing:8321") as client:
            paths = ("/", f"{PAGE}invoices?provider=katsu", f"{PAGE}page.js")
            return [(await client.get(path, headers=HTML)).status_code for path in paths]

    assert asyncio.run(statuses()) == [200, 200, 200]
    app.close()


def test_a_link_of_another_page_leads_to_the_page(visitor: Visitor) -> None:
    """There is nothing in it but what is in every sandbox."""
    headers = {**HTML, "sec-fetch-site": "cross-site"}

    assert visitor.ask("/", headers=headers).status_code == 200


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE"])
@pytest.mark.parametrize("path", [*FILES, *DATA])
def test_nothing_of_the_page_changes_anything(visitor: Visitor, path: str, method: str) -> None:
    """Switches use the control API, which asks where a request comes from."""
    assert visitor.ask(path, method, headers=HTML).status_code == 405


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("exchanges/999999", 404),
        ("exchanges/x", 404),
        ("nothing", 404),
        ("page.html", 404),
        ("..%2fsite.py", 404),
        ("invoices", 400),
        ("invoices?provider=nobody", 400),
        ("invoices?provider=exante&search=%00%ff%27", 200),
    ],
)
def test_a_bad_address_is_an_error_that_says_so(visitor: Visitor, path: str, status: int) -> None:
    """It is JSON, as the page's script expects."""
    found = visitor.ask(PAGE + path)

    assert (status, status != 200) == (found.status_code, "error" in found.json())


def test_every_fault_has_a_switch_with_the_fields_that_it_takes(visitor: Visitor) -> None:
    """A kind that is added needs one."""
    page = visitor.ask("/", headers=HTML).text

    assert set(KINDS) == set(FAULTS) == set(re.findall(r'data-kind="(\w+)"', page))
    assert all(hasattr(Fault(kind=kind), name) for kind in KINDS for name in FAULTS[kind][1])


def test_the_address_that_a_visitor_used_is_shown_as_text() -> None:
    """It comes from a header, and goes into the calls to try."""
    page = page_html("http://127.0.0.1:8321<script>alert(1)</script>")

    assert "<script>alert" not in page
    assert "&lt;script&gt;alert" in page


def test_both_sides_of_an_exchange_are_kept(visitor: Visitor) -> None:
    """With status, time, fault and rule; JSON is laid out, and numbers are as they were sent."""
    visitor.sandbox.app.add_fault("rate_limit", retry_after=7)
    body = b'{"invoiceNumber":"A","exchangeRate":1.50,"amountMinor":1e2}'
    headers = {"content-type": "application/json", "x-trace": "abc"}
    visitor.call("kukkingu", "POST", "/api/v1/invoices?x=1", content=body, headers=headers)
    found = visitor.last()
    sent, got = dict(found["request"]["headers"]), dict(found["response"]["headers"])

    assert (found["method"], found["target"]) == ("POST", "/kukkingu/api/v1/invoices?x=1")
    assert (found["status"], found["fault"], found["rule"]) == (
        429,
        "rate_limit",
        "fault-rate-limit",
    )
    assert 0 < found["seconds"] < 60
    assert (sent["x-trace"], sent["authorization"]) == ("abc", "Bearer ***")
    assert got["retry-after"] == "7"
    assert found["request"]["body"] == (
        '{\n  "invoiceNumber": "A",\n  "exchangeRate": 1.50,\n  "amountMinor": 1e2\n}'
    )
    assert found["response"]["line"] == "429 Too Many Requests"
    assert '\n  "' in found["response"]["body"]


@pytest.mark.parametrize(
    ("kind", "status", "is_cut"),
    [
        ("drop_before_commit", None, True),
        ("drop_after_commit", None, True),
        ("truncate", 200, True),
        ("duplicate", 200, False),
    ],
)
def test_a_broken_wire_is_shown_as_it_broke(
    visitor: Visitor, kind: str, status: int | None, *, is_cut: bool
) -> None:
    """The part of a response that was sent is there, and that the rest was not."""
    visitor.sandbox.app.add_fault(kind)
    with suppress(httpx.TransportError):
        # On a connection that is kept, the second of two responses would be the next one's.
        visitor.call("exante", "GET", "/api/user", headers={"connection": "close"})
    found = visitor.last()

    assert (found["fault"], found["status"], found["cut"]) == (kind, status, is_cut)
    assert bool(found["response"]["body"]) is (status is not None)


def test_attempts_are_counted_until_one_succeeds(visitor: Visitor) -> None:
    """The same method, target and body as a request that failed; another body is another call."""
    visitor.sandbox.app.add_fault("status", status=503, times=2)
    for _ in range(4):
        visitor.call("exante", "GET", "/api/user")
    visitor.sandbox.app.add_fault("status", status=503, times=2)
    visitor.call("exante", "DELETE", "/api/invoices", content=b"[]")
    visitor.call("exante", "DELETE", "/api/invoices", content=b"[1]")

    attempts = [each["attempt"] for each in visitor.news()["exchanges"]]
    assert attempts == [1, 2, 3, 1, 1, 1]


def test_a_request_that_waits_is_shown_while_it_waits(visitor: Visitor) -> None:
    """Its status comes later."""
    released = threading.Event()

    async def sleep(seconds: float) -> None:
        from anyio import to_thread  # noqa: PLC0415 - of this test

        await to_thread.run_sync(released.wait, 30)

    state = visitor.sandbox.app.sandbox_state
    before, state.sleep = state.sleep, sleep
    visitor.sandbox.app.add_fault("latency")
    caller = threading.Thread(target=lambda: visitor.call("exante", "GET", "/api/user", timeout=60))
    caller.start()
    try:
        while not (rows := visitor.news()["exchanges"]):
            pass
    finally:
        released.set()
        caller.join()
        state.sleep = before

    assert (rows[0]["status"], rows[0]["seconds"]) == (None, None)
    assert visitor.news()["exchanges"][0]["status"] == 200


def test_no_token_is_shown_wherever_it_was_sent(visitor: Visitor) -> None:
    """In headers, query, path and bodies, the sandbox's own and one that came by mistake."""
    secret = "sk_live_of_someone"
    body = {"access_token": secret, "note": f"use {secret}", "nested": {"password": ["x1", 2]}}
    headers = {
        "authorization": f"Bearer {secret}",
        "cookie": "session=c00kie",
        "x-api-key": "k3y-of-mine",
        "referer": f"http://x/?t={secret}",
    }
    path = f"/api/invoices/{secret}?api_key=qu3ry&page=1&x={secret}"
    visitor.call("exante", "PUT", path, json=body, headers=headers)
    text = str(visitor.last())

    assert not [each for each in (secret, "c00kie", "k3y-of-mine", "qu3ry", "x1") if each in text]
    for account in CREDENTIALS.values():
        note = {"note": account.token}
        visitor.call("exante", "DELETE", "/api/invoices", json=note)
        assert account.token not in str(visitor.last())


def test_what_is_forgotten_by_the_log_is_forgotten_by_the_page(visitor: Visitor) -> None:
    """A reset and DELETE requests empty both; numbers go on, so that none is shown as another."""
    visitor.call("exante", "GET", "/api/user")
    number = visitor.news()["exchanges"][0]["number"]
    visitor.ask("/_sandbox/requests", "DELETE")

    assert visitor.news()["exchanges"] == []
    assert visitor.ask(f"{PAGE}exchanges/{number}").status_code == 404
    visitor.call("exante", "GET", "/api/user")
    assert [number + 1] == [each["number"] for each in visitor.news()["exchanges"]]


def test_pages_and_documents_are_no_requests_of_a_provider(visitor: Visitor) -> None:
    """They are in neither list."""
    for path in (*FILES, "/exante/openapi.json", "/_sandbox/state", "/nowhere"):
        visitor.ask(path, headers=HTML)

    assert visitor.news()["exchanges"] == []


def begin(exchanges: Exchanges, body: bytes = b"") -> None:
    """Keep one more exchange with such a request."""
    exchange = exchanges.begin(
        provider="exante", method="GET", path="/exante/x", query="", started=0.0
    )
    exchange.request_body.add(body)
    exchanges.end(exchange, 0.0)


def test_the_last_exchanges_alone_are_kept() -> None:
    """However many there were."""
    exchanges = Exchanges()
    for _ in range(MAX_EXCHANGES + 7):
        begin(exchanges)
    numbers = [each.number for each in exchanges.since(0)]

    assert numbers == list(range(8, MAX_EXCHANGES + 8))
    assert exchanges.first() == 8


def test_bodies_are_kept_up_to_a_limit_each_and_together() -> None:
    """Large ones displace old exchanges."""
    exchanges = Exchanges()
    for _ in range(MAX_EXCHANGES):
        begin(exchanges, b"x" * (MAX_BODY_KEPT + 1))
    bodies = [each.request_body for each in exchanges.since(0)]

    assert {MAX_BODY_KEPT} == {len(body.kept) for body in bodies}
    assert {MAX_BODY_KEPT + 1} == {body.size for body in bodies}
    assert sum(len(body.kept) for body in bodies) <= MAX_BYTES + 2 * MAX_BODY_KEPT
    assert len(bodies) > 100


def test_the_page_shows_the_clock_and_the_faults_to_come(visitor: Visitor) -> None:
    """As a program left them."""
    visitor.sandbox.app.move_clock(now="2027-01-01T00:00:00.5Z")
    visitor.sandbox.app.add_fault("latency", times=3, provider="katsu")
    news = visitor.news()

    assert (news["now"], news["frozen"]) == ("2027-01-01T00:00:00Z", True)
    assert news["faults"] == [{"kind": "latency", "provider": "katsu", "method": None, "times": 3}]


def test_the_stream_says_what_is_new(visitor: Visitor) -> None:
    """Each message has only what changed since the one before."""
    with visitor.client.stream("GET", f"{visitor.sandbox.url}{PAGE}events") as response:
        lines = (line for line in response.iter_lines() if line.startswith("data: "))
        run, first = next(lines), next(lines)
        visitor.sandbox.app.move_clock(advance_s=86400)
        clock = next(lines)
        visitor.call("exante", "GET", "/api/user")
        request = next(lines)

    assert '"run":' in run
    assert '"exchanges":[]' in first
    assert '"now":"2026-11-22T09:00:00Z"' in clock
    assert "exchanges" not in clock
    assert "/exante/api/user" in request
    assert "now" not in request


def test_a_fault_that_is_met_at_once_is_said_to_be_over(visitor: Visitor) -> None:
    """The page has switched it on, and the stream did not see it between two messages."""
    visitor.sandbox.app.move_clock(now="2027-01-01T00:00:00Z")  # It would make a message itself.
    with visitor.client.stream("GET", f"{visitor.sandbox.url}{PAGE}events") as response:
        lines = (line for line in response.iter_lines() if line.startswith("data: "))
        messages = (json.loads(line.removeprefix("data: ")) for line in lines)
        next(messages), next(messages)
        visitor.sandbox.app.add_fault("status", status=502)
        visitor.call("exante", "GET", "/api/user")
        # The message about a request that is under way may come before the one about its end.
        over = next(each for each in messages if each.get("faults") == [])

    assert over["exchanges"][0]["status"] == 502


def test_no_more_pages_are_kept_up_to_date_than_there_is_room_for(visitor: Visitor) -> None:
    """One more is refused, and says so; when one is closed there is room again."""
    url = f"{visitor.sandbox.url}{PAGE}events"
    with ExitStack() as pages, httpx.Client(trust_env=False, timeout=30) as client:
        streams = [
            pages.enter_context(client.stream("GET", url)).iter_lines() for _ in range(MAX_STREAMS)
        ]
        for lines in streams:
            next(lines)
        refused = client.get(url)

        assert (refused.status_code, refused.headers["sandbox-rule"]) == (503, "too-many-pages")
        assert client.head(url).status_code == 503
    while visitor.client.head(url).status_code == 503:
        pass
    assert visitor.news()["exchanges"] == []


def test_a_server_with_an_open_page_stops_at_once() -> None:
    """Its stream ends; else the server would wait for it and then cut it off."""
    with running(invoices=0) as sandbox:
        response = httpx.Client(trust_env=False, timeout=30)
        stream = response.stream("GET", f"{sandbox.url}{PAGE}events")
        lines = stream.__enter__().iter_lines()
        next(lines)
        rest: list[str] = []
        reader = threading.Thread(target=lambda: rest.extend(lines))
        reader.start()
    reader.join(30)
    response.close()

    # A stream that is cut off raises in the thread, which pytest makes an error.
    assert not reader.is_alive()


def test_a_sandbox_in_this_process_keeps_no_exchange_and_no_order_of_changes() -> None:
    """It has no page, and pays nothing for one."""
    app = create_app(invoices=0)
    found = app.sandbox_state.store.rows("SELECT name FROM sqlite_temp_schema")
    app.close()

    assert found == []


def test_the_last_changed_invoice_is_first(visitor: Visitor) -> None:
    """Also one that was made long ago; new ones come first too, and a reset forgets."""
    oldest = visitor.call("exante", "GET", "/api/invoices?sort=%2Binvoice_number&per_page=1")
    uid = oldest.json()["data"]["items"][0]["uid"]
    before = visitor.invoices("exante")["rows"]
    visitor.call("exante", "PUT", f"/api/invoices/{uid}", json={"status": "DISPUTED"})
    after = visitor.invoices("exante")["rows"]

    assert before[0]["id"] != uid
    assert (after[0]["id"], after[0]["status"]) == (uid, "DISPUTED")
    assert len({row["id"] for row in after}) == len(after) == 50


@pytest.mark.parametrize("provider", ["exante", "kukkingu", "katsu"])
def test_invoices_have_the_text_of_their_total(visitor: Visitor, provider: str) -> None:
    """In the currency's own digits; Katsu Pay has neither numbers nor statuses."""
    found = visitor.invoices(provider)

    assert found["count"] >= len(found["rows"]) > 0
    for row in found["rows"]:
        amount, _, currency = row["total"].partition(" ")
        digits = {"JPY": 0, "KRW": 0, "KWD": 3, "BHD": 3}.get(currency, 2)
        assert provider == "katsu" or len(amount.partition(".")[2]) == digits
        assert (row["number"] == "") is (provider == "katsu")


def test_invoices_are_found_by_a_part_of_number_id_or_status(visitor: Visitor) -> None:
    """In any case of letters, and a percent sign is one."""
    row = visitor.invoices("exante")["rows"][7]

    assert row in visitor.invoices("exante", row["number"].lower())["rows"]
    assert [row] == visitor.invoices("exante", row["id"])["rows"]
    assert {"PAID"} == {each["status"] for each in visitor.invoices("exante", "paid")["rows"]} - {
        "PARTIALLY_PAID"
    }
    assert visitor.invoices("exante", "%") == {"rows": [], "count": 0}
    assert visitor.invoices("katsu", LANDMARKS["katsu_invoice"])["count"] == 1


def test_a_status_that_follows_from_the_clock_is_shown_so(visitor: Visitor) -> None:
    """The table agrees with what the provider answers."""
    visitor.sandbox.app.change_settings(exante_overdue_status="computed")
    visitor.sandbox.app.move_clock(advance_s=86400 * 3650)

    assert visitor.invoices("exante", "SENT")["rows"] == []
