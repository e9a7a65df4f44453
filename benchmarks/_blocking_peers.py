"""Clients that block, each as it comes: the other half of ``_peers``, made in the same way."""

# ruff: noqa: PLC0415 - a peer may be missing

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import ExitStack
from typing import Any, Final, TypeAlias

from _measuring import Batch, Study
from _peers import KEY, OURS, OURS_H11, SIGNED, azure_policies, gives, node_of, path_of

from billingual import Client

BlockingCall: TypeAlias = Callable[[], object]
BlockingOpener: TypeAlias = Callable[[str, str, ExitStack], BlockingCall]

RAW_BLOCKING: Final = "raw httpx.Client + json"


def raw_httpx_blocking(base: str, uid: str, closing: ExitStack) -> BlockingCall:
    """Open httpx as it comes."""
    import httpx

    client = closing.enter_context(httpx.Client())
    url = base + path_of(uid)

    def call() -> object:
        response = client.get(url, headers=SIGNED)
        response.raise_for_status()
        return response.json()

    return call


def requests_blocking(base: str, uid: str, closing: ExitStack) -> BlockingCall:
    """Open a session of requests."""
    import requests

    session = closing.enter_context(requests.Session())
    url = base + path_of(uid)

    def call() -> object:
        response = session.get(url, headers=SIGNED)
        response.raise_for_status()
        return response.json()

    return call


def ours_blocking(transport: str) -> BlockingOpener:
    """Return what opens our client over *transport*."""

    def opened(base: str, uid: str, closing: ExitStack) -> BlockingCall:
        client = Client("exante", token=KEY, base_url=base, transport=transport)
        closing.enter_context(client)
        return lambda: client.get(uid)

    return opened


def stripe_blocking(library: str) -> BlockingOpener:
    """Return what opens stripe over *library*: requests is its default where it is installed."""

    def opened(base: str, uid: str, closing: ExitStack) -> BlockingCall:
        import stripe

        if library == "httpx":
            http: Any = stripe.HTTPXClient(allow_sync_methods=True)
        else:
            http = stripe.RequestsClient()
        closing.callback(http.close)
        client = stripe.StripeClient(KEY, base_addresses={"api": base}, http_client=http)
        return lambda: client.v1.invoices.retrieve(uid)

    return opened


def openai_blocking(base: str, uid: str, closing: ExitStack) -> BlockingCall:
    """Open openai as it comes: over httpx2."""
    import openai

    client = closing.enter_context(openai.OpenAI(api_key=KEY, base_url=base))
    path = path_of(uid)
    return lambda: client.get(path, cast_to=object)


def azure_blocking(base: str, uid: str, closing: ExitStack) -> BlockingCall:
    """Open azure-core with the policies that its generated clients have; requests moves it."""
    from azure.core import PipelineClient
    from azure.core.pipeline import policies
    from azure.core.rest import HttpRequest

    steps = azure_policies(policies, policies.RetryPolicy())
    client = closing.enter_context(PipelineClient(base, policies=steps))
    url = base + path_of(uid)

    def call() -> object:
        response = client.send_request(HttpRequest("GET", url, headers=SIGNED))
        response.raise_for_status()
        return response.json()

    return call


def elastic_blocking(base: str, uid: str, closing: ExitStack) -> BlockingCall:
    """Open elastic-transport as it comes: over urllib3."""
    import elastic_transport as elastic

    client = elastic.Transport([elastic.NodeConfig(**node_of(base))])
    closing.callback(client.close)
    path = path_of(uid)
    return lambda: client.perform_request("GET", path, headers=SIGNED).body


def google_blocking(base: str, uid: str, closing: ExitStack) -> BlockingCall:
    """Open google-auth's session under google-api-core's retry; requests moves it."""
    from google.api_core.retry import Retry
    from google.auth.transport.requests import AuthorizedSession
    from google.oauth2.credentials import Credentials

    session = closing.enter_context(AuthorizedSession(Credentials(token=KEY)))
    url = base + path_of(uid)

    def bare() -> object:
        response = session.get(url)
        response.raise_for_status()
        return response.json()

    call: BlockingCall = Retry()(bare)
    return call


def botocore_blocking(base: str, uid: str, closing: ExitStack) -> BlockingCall:
    """Open botocore's client of a key-value store; it signs each request."""
    import botocore.session

    client = botocore.session.Session().create_client(
        "dynamodb",
        region_name="eu-central-1",
        endpoint_url=base,
        aws_access_key_id="key",
        aws_secret_access_key="benchmark",  # noqa: S106 - a canned server
    )
    closing.callback(client.close)
    return lambda: client.get_item(TableName="invoices", Key={"uid": {"S": uid}})


BLOCKING: Final[Mapping[str, BlockingOpener]] = {
    RAW_BLOCKING: raw_httpx_blocking,
    OURS: ours_blocking("httpx"),
    OURS_H11: ours_blocking("h11"),
    "billingual (urllib3)": ours_blocking("urllib3"),
    "requests + json": requests_blocking,
    "stripe (requests)": stripe_blocking("requests"),
    "stripe (httpx)": stripe_blocking("httpx"),
    "openai (httpx2)": openai_blocking,
    "azure-core (requests)": azure_blocking,
    "elastic-transport (urllib3)": elastic_blocking,
    "google-api-core (requests)": google_blocking,
    "botocore (urllib3)": botocore_blocking,
}

GIVES: Final = {name: gives(name) for name in BLOCKING}


def opened_blocking(
    names: Mapping[str, BlockingOpener], base: str, uid: str, closing: ExitStack, study: Study
) -> dict[str, BlockingCall]:
    """Open all clients that are installed; tell *study* of the others."""
    calls = {}
    for name, opener in names.items():
        try:
            calls[name] = opener(base, uid, closing)
            calls[name]()
        except Exception as problem:  # a peer must not end the run
            if name.startswith("billingual"):
                raise
            calls.pop(name, None)
            study.leave_out(name, problem)
    return calls


def in_turn(call: BlockingCall) -> Batch:
    """Return a batch that blocks on *call*."""

    def batch(count: int) -> None:
        for _ in range(count):
            call()

    return batch
