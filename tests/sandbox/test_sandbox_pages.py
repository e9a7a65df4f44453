"""Web pages of others have no access to the control API of a sandbox on this machine."""

from __future__ import annotations

from collections.abc import Iterator

import httpx
import pytest

from billingual.sandbox import Running, create_app, running


@pytest.fixture(scope="module")
def served() -> Iterator[Running]:
    """Serve a small sandbox."""
    with running(invoices=5) as sandbox:
        yield sandbox


def ask(served: Running, method: str, path: str, **headers: str) -> httpx.Response:
    """Send a request to the control API, with these header fields and no others of ours."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    url = f"{served.url}/_sandbox/{path}"
    return httpx.request(method, url, headers=named, trust_env=False)


JSON = {"content_type": "application/json"}


@pytest.mark.parametrize("method", ["GET", "POST", "DELETE"])
@pytest.mark.parametrize(
    "host",
    ["evil.example", "evil.example:8321", "evillocalhost", "localhost.evil.example", "", "["],
)
def test_a_name_that_was_rebound_is_refused(served: Running, method: str, host: str) -> None:
    """A page of evil.example whose name now points here has the right port and the wrong host."""
    path = {"GET": "state", "POST": "reset", "DELETE": "requests"}[method]
    refused = ask(served, method, path, host=host, **JSON)

    assert (refused.status_code, refused.headers["sandbox-rule"]) == (403, "foreign-host")


@pytest.mark.parametrize(
    "host",
    ["127.0.0.1:8321", "localhost", "localhost:80", "sandbox.localhost", "[::1]:8321", "10.1.2.3"],
)
def test_this_machine_is_reached_by_its_names_and_by_numbers(served: Running, host: str) -> None:
    """A number cannot be rebound."""
    assert ask(served, "POST", "reset", host=host, **JSON).status_code == 200


@pytest.mark.parametrize(
    "kind",
    [None, "text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x"],
)
def test_a_form_of_a_page_changes_nothing(served: Running, kind: str | None) -> None:
    """These are what a page may post anywhere without asking; the error says what to send."""
    headers = {} if kind is None else {"content_type": kind}
    refused = ask(served, "POST", "reset", **headers)

    assert (refused.status_code, refused.headers["sandbox-rule"]) == (415, "content-type")
    assert "Content-Type: application/json" in refused.json()["error"]


@pytest.mark.parametrize(
    "origin", ["https://evil.example", "null", "http://localhost:3000", "http://127.0.0.1:1"]
)
def test_a_page_of_another_origin_is_refused(served: Running, origin: str) -> None:
    """Also one that another program of this machine serves."""
    refused = ask(served, "POST", "reset", origin=origin, **JSON)

    assert (refused.status_code, refused.headers["sandbox-rule"]) == (403, "foreign-origin")


@pytest.mark.parametrize("site", ["cross-site", "same-site"])
def test_what_a_browser_calls_foreign_is_refused(served: Running, site: str) -> None:
    """A link or an image of another page has no Origin, and browsers say where it is."""
    assert ask(served, "GET", "state", sec_fetch_site=site).status_code == 403


def test_the_sandboxs_own_page_has_access(served: Running) -> None:
    """Its links come with the words of a browser, and so do calls from its console."""
    own = served.url
    assert ask(served, "GET", "state", sec_fetch_site="same-origin").status_code == 200
    assert ask(served, "GET", "state", sec_fetch_site="none").status_code == 200
    assert ask(served, "POST", "reset", origin=own, **JSON).status_code == 200


def test_a_sandbox_that_others_may_reach_has_any_name() -> None:
    """In a network of containers it is called by a name that only that network knows."""
    transport = httpx.ASGITransport(app=create_app(invoices=0, any_host=True))

    async def state() -> int:
        async with httpx.AsyncClient(transport=transport, base_url="http://billing:8321") as client:
            return (await client.get("/_sandbox/state")).status_code

    import asyncio  # noqa: PLC0415 - of this test

    assert asyncio.run(state()) == 200


def test_providers_are_reached_under_any_name(served: Running) -> None:
    """They ask for a token, as the real ones do."""
    seen = httpx.get(
        f"{served.base_url('exante')}/api/invoices",
        headers={"host": "billing.internal"},
        trust_env=False,
    )

    assert seen.status_code == 401
