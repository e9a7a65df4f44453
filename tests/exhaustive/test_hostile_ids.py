"""An id is refused before any I/O, or it is exactly one segment of the path: nothing in between."""

from __future__ import annotations

import json
from typing import Any, Final
from urllib.parse import unquote, urlsplit

import httpx
import pytest

from _support.hostile.calls import BASE_URLS, CALLS, CHANGES, REPLACEMENT, client_for
from _support.hostile.ids import ROUTES, SEEDS, hostile_ids
from billingual import MemoryTransport, errors
from billingual.wire import WireRequest, WireResponse

BASE: Final = "https://home.example"


def misfit(request: WireRequest, name: str, given: Any) -> str:
    """Say what is wrong with the request that an id led to; empty for nothing."""
    route = ROUTES[name]
    url = request.addressed(BASE, ()).url
    parts = urlsplit(url)
    segments = parts.path.split("/")[1:]
    sent = httpx.URL(url)
    told = _told(request) if route.at is None else [unquote(each) for each in segments[route.at :]]
    rules = {
        "stays at home": (parts.scheme, parts.netloc, parts.fragment)
        == ("https", "home.example", ""),
        "has no query": not parts.query or name == "exante.organization",
        "is as long as the route": len(segments) == route.segments,
        "has no dots": not {".", "..", ""} & set(map(unquote, segments)),
        "holds the id": given in (told if route.at is None else told[:1]),
        "is sent as it is": (sent.host, sent.raw_path.decode())
        == ("home.example", url.removeprefix(BASE)),
    }
    return ", ".join(f"not so: it {rule} ({url})" for rule, holds in rules.items() if not holds)


def _told(request: WireRequest) -> list[str]:
    """List the texts that say who is meant, outside the path."""
    body = json.loads(request.body or b"null")
    texts = [value for _, value in request.headers] + unquote(request.url).split("=")
    texts += [part.partition("&")[0] for part in texts]
    for each in body if isinstance(body, list) else [body]:
        texts += [each] if isinstance(each, str) else list(map(str, (each or {}).values()))
    return texts


@pytest.mark.parametrize("name", ROUTES)
def test_an_id_is_refused_or_one_segment(proof: Any, name: str) -> None:
    """InvalidInputError before anything is asked for, or a path as long as the route."""
    ask, taken, refused = ROUTES[name].ask, 0, 0
    for given in hostile_ids(f"{proof.seed} {name}", proof.amount(15_000, 1_000_000)):
        try:
            request = ask(given)
        except errors.InvalidInputError:
            refused += 1
            continue
        taken += 1
        wrong = misfit(request, name, given)

        assert wrong == "", f"seed {proof.seed}, {name}({given!r}): {wrong}"

    assert taken >= 1
    assert refused > taken


@pytest.mark.parametrize("call", CALLS, ids=str)
def test_a_client_sends_nothing_for_a_hostile_id(
    proof: Any, step: Any, make_backend: Any, call: Any
) -> None:
    """Through the whole client: refused with no request, or one request to where it belongs."""
    transport = MemoryTransport(lambda _: WireResponse(status=404))
    client = client_for(
        call.provider, token="a-token", transport=transport, backend=make_backend(), retry="none"
    )
    operations: dict[str, Any] = {
        "get": client.get,
        "update": lambda i: client.update(i, CHANGES),
        "replace": lambda i: client.update(i, REPLACEMENT),
        "finalize": client.finalize,
        "void": client.void,
        "update_many": lambda i: client.update_many([(i, CHANGES)]),
        "delete_many": lambda i: client.delete_many([i]),
    }
    operate = operations.get(call.name)
    if operate is None:  # create and list take no id; their scope is tried below
        operate = _scoping(client, call)
    for given in hostile_ids(f"{proof.seed} {call}", proof.amount(1_000, 50_000)):
        transport.requests.clear()
        try:
            step(operate(given))
        except errors.InvalidInputError:
            assert transport.requests == [], (proof.seed, given)
        except errors.BillingualError:
            urls = [each.url for each in transport.requests]

            assert urls, (proof.seed, given)
            assert all(each.startswith(BASE_URLS[call.provider] + "/api/") for each in urls)
            assert all(len(urlsplit(each).path.split("/")) <= 6 for each in urls), urls


def _scoping(client: Any, call: Any) -> Any:
    scope = "tenant" if call.provider == "kukkingu" else "organization"

    async def operate(given: Any) -> None:
        # None takes the scope away, which is no id at all.
        await call.make(client.with_options(**{scope: given or "none"}))

    return operate


def test_the_generated_ids_are_hostile(proof: Any) -> None:
    """The generator works: most ids are distinct, and some are good."""
    drawn = [each for each in hostile_ids(proof.seed, 20_000) if isinstance(each, str)]

    assert len(set(drawn)) > 12_000
    assert set(SEEDS) < set(drawn)
    assert sum("/" in each or "\\" in each or ".." in each for each in drawn) > 3_000
    assert sum(each != each.encode("utf-8", "replace").decode() for each in drawn) > 100
