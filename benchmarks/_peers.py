"""Clients that a user could take instead of ours, each as it comes, and the libraries used raw.

Each function opens one client on *base* and returns the call that reads one invoice; what it needs
is imported inside, because a peer may be missing. What a call gives differs: ``GIVES`` says it, and
all tables show it. Read them as what a user pays, not as equal work.
"""

# ruff: noqa: PLC0415 - a peer may be missing

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, Mapping
from contextlib import AsyncExitStack
from typing import Any, Final, TypeAlias

from _measuring import Batch, Study

from billingual import AsyncClient

AsyncCall: TypeAlias = Callable[[], Awaitable[object]]
AsyncOpener: TypeAlias = Callable[[str, str, AsyncExitStack], Awaitable[AsyncCall]]

KEY: Final = "ex_test"
SIGNED: Final = {"Authorization": f"Bearer {KEY}"}
RAW: Final = "raw httpx.AsyncClient + json"
RAW_AIOHTTP: Final = "raw aiohttp + json"
OURS: Final = "billingual (httpx)"
OURS_H11: Final = "billingual (h11)"
OURS_AIOHTTP: Final = "billingual (aiohttp)"


def path_of(uid: str) -> str:
    """Return the path that all but stripe ask for."""
    return f"/api/invoices/{uid}"


async def raw_httpx(base: str, uid: str, closing: AsyncExitStack) -> AsyncCall:
    """Open httpx as it comes."""
    import httpx

    client = await closing.enter_async_context(httpx.AsyncClient())
    url = base + path_of(uid)

    async def call() -> object:
        response = await client.get(url, headers=SIGNED)
        response.raise_for_status()
        return response.json()

    return call


async def raw_aiohttp(base: str, uid: str, closing: AsyncExitStack) -> AsyncCall:
    """Open aiohttp as it comes."""
    import aiohttp

    session = await closing.enter_async_context(aiohttp.ClientSession())
    url = base + path_of(uid)

    async def call() -> object:
        async with session.get(url, headers=SIGNED) as response:
            response.raise_for_status()
            return await response.json()

    return call


def ours(transport: str) -> AsyncOpener:
    """Return what opens our client over *transport*."""

    async def opened(base: str, uid: str, closing: AsyncExitStack) -> AsyncCall:
        client = AsyncClient("exante", token=KEY, base_url=base, transport=transport)
        await closing.enter_async_context(client)

        async def call() -> object:
            return await client.get(uid)

        return call

    return opened


def stripe(library: str) -> AsyncOpener:
    """Return what opens stripe over *library*: httpx is its default where it is installed."""

    async def opened(base: str, uid: str, closing: AsyncExitStack) -> AsyncCall:
        import stripe

        maker = stripe.HTTPXClient if library == "httpx" else stripe.AIOHTTPClient
        http = maker()
        closing.push_async_callback(http.close_async)
        client = stripe.StripeClient(KEY, base_addresses={"api": base}, http_client=http)

        async def call() -> object:
            return await client.v1.invoices.retrieve_async(uid)

        return call

    return opened


def openai(library: str) -> AsyncOpener:
    """Return what opens openai over *library*: httpx2 is its default."""

    async def opened(base: str, uid: str, closing: AsyncExitStack) -> AsyncCall:
        import openai

        http = openai.DefaultAioHttpClient() if library == "aiohttp" else None
        client = openai.AsyncOpenAI(api_key=KEY, base_url=base, http_client=http)
        await closing.enter_async_context(client)
        path = path_of(uid)

        async def call() -> object:
            return await client.get(path, cast_to=object)

        return call

    return opened


async def azure(base: str, uid: str, closing: AsyncExitStack) -> AsyncCall:
    """Open azure-core with the policies that its generated clients have; aiohttp moves it."""
    from azure.core import AsyncPipelineClient
    from azure.core.pipeline import policies
    from azure.core.rest import HttpRequest

    steps = azure_policies(policies, policies.AsyncRetryPolicy())
    client = AsyncPipelineClient(base, policies=steps)
    await closing.enter_async_context(client)
    url = base + path_of(uid)

    async def call() -> object:
        response = await client.send_request(HttpRequest("GET", url, headers=SIGNED))
        response.raise_for_status()
        return response.json()

    return call


def azure_policies(policies: Any, retry: object) -> list[object]:
    """Return the steps that clients generated for azure-core have."""
    return [
        policies.RequestIdPolicy(),
        policies.HeadersPolicy(),
        policies.UserAgentPolicy("benchmark"),
        policies.ProxyPolicy(),
        retry,
        policies.CustomHookPolicy(),
        policies.NetworkTraceLoggingPolicy(),
        policies.DistributedTracingPolicy(),
        policies.HttpLoggingPolicy(),
    ]


def elastic(node: str) -> AsyncOpener:
    """Return what opens elastic-transport over *node*: aiohttp is its default."""

    async def opened(base: str, uid: str, closing: AsyncExitStack) -> AsyncCall:
        import elastic_transport as elastic

        config = elastic.NodeConfig(**node_of(base))
        client = elastic.AsyncTransport([config], node_class=node)
        closing.push_async_callback(client.close)
        path = path_of(uid)

        async def call() -> object:
            return (await client.perform_request("GET", path, headers=SIGNED)).body

        return call

    return opened


def node_of(base: str) -> dict[str, Any]:
    """Return where elastic-transport finds the server, with as many connections as asked for."""
    host, _, port = base.removeprefix("http://").partition(":")
    return {"scheme": "http", "host": host, "port": int(port), "connections_per_node": 100}


async def google(base: str, uid: str, closing: AsyncExitStack) -> AsyncCall:
    """Open google-auth's session under google-api-core's retry, as its REST clients do."""
    from google.api_core.retry import AsyncRetry
    from google.auth.aio.credentials import StaticCredentials
    from google.auth.aio.transport.sessions import AsyncAuthorizedSession

    session = AsyncAuthorizedSession(StaticCredentials(token=KEY))
    closing.push_async_callback(session.close)
    url = base + path_of(uid)

    async def bare() -> object:
        response = await session.request("GET", url)
        if response.status_code != 200:
            raise ValueError(response.status_code)
        return json.loads(await response.read())

    call: AsyncCall = AsyncRetry()(bare)
    return call


AWAITED: Final[Mapping[str, AsyncOpener]] = {
    RAW: raw_httpx,
    OURS: ours("httpx"),
    OURS_H11: ours("h11"),
    OURS_AIOHTTP: ours("aiohttp"),
    RAW_AIOHTTP: raw_aiohttp,
    "stripe (httpx)": stripe("httpx"),
    "stripe (aiohttp)": stripe("aiohttp"),
    "openai (httpx2)": openai("httpx2"),
    "openai (aiohttp)": openai("aiohttp"),
    "azure-core (aiohttp)": azure,
    "elastic-transport (aiohttp)": elastic("aiohttp"),
    "elastic-transport (httpx)": elastic("httpxasync"),
    "google-api-core (aiohttp)": google,
}


def gives(name: str) -> str:
    """Return what a call of this client hands out."""
    kinds = {
        "billingual": "typed invoice",
        "stripe": "StripeObjects",
        "botocore": "response unread",
    }
    return kinds.get(name.split(" ", 1)[0], "dicts")


GIVES: Final = {name: gives(name) for name in AWAITED}


async def opened(
    names: Mapping[str, AsyncOpener], base: str, uid: str, closing: AsyncExitStack, study: Study
) -> dict[str, AsyncCall]:
    """Open all clients that are installed; tell *study* of the others."""
    calls = {}
    for name, opener in names.items():
        try:
            calls[name] = await opener(base, uid, closing)
            await calls[name]()
        except Exception as problem:  # a peer must not end the run
            if name.startswith("billingual"):
                raise
            calls.pop(name, None)
            study.leave_out(name, problem)
    return calls


def in_tasks(runner: asyncio.Runner, call: AsyncCall, width: int) -> Batch:
    """Return a batch that awaits *call*, *width* at once."""

    async def some(count: int) -> None:
        for _ in range(count):
            await call()

    async def all_of_them(count: int) -> None:
        await asyncio.gather(*(some(count // width) for _ in range(width)))

    if width == 1:
        return lambda count: runner.run(some(count))
    return lambda count: runner.run(all_of_them(count))
