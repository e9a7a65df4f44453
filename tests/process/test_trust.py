"""TLS: one context for all clients, made when it is needed; certificates are checked."""

from __future__ import annotations

import re
import ssl
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

import anyio
import pytest
import trustme

from _support.invoice_server import InvoiceServer, uid
from billingual import AsyncClient, Client, errors

BACKENDS = ["asyncio", "trio", "blocking", "portal"]


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    """Return an authority that is in no trust store."""
    return trustme.CA()


@contextmanager
def serving(authority: trustme.CA, *names: str, **options: Any) -> Iterator[InvoiceServer]:
    """Serve TLS with a certificate for *names*."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert(*names, **options).configure_cert(context)
    with InvoiceServer(context) as server:
        yield server


def trusting(authority: trustme.CA) -> ssl.SSLContext:
    """Make a context that trusts *authority* alone."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    authority.configure_trust(context)
    return context


def ask(backend: str, server: InvoiceServer, tls: ssl.SSLContext | None) -> str | None:
    """Ask twice, once cold and once warm."""
    options: dict[str, Any] = {
        "base_url": server.url, "token": "t", "tls": tls, "retry": "none",
    }  # fmt: skip

    async def awaited() -> str | None:
        async with AsyncClient("exante", **options) as client:
            await client.get(uid(1))
            return (await client.get(uid(2))).number

    if backend in {"asyncio", "trio"}:
        return anyio.run(awaited, backend=backend)
    with Client("exante", backend=backend, **options) as client:
        client.get(uid(1))
        return client.get(uid(2)).number


@pytest.mark.parametrize("backend", BACKENDS)
def test_a_context_of_the_callers_is_used(authority: trustme.CA, backend: str) -> None:
    """A private authority is trusted where the caller says so, over one connection."""
    with serving(authority, "127.0.0.1") as server:
        number = ask(backend, server, trusting(authority))

        assert uid(2) == number
        assert server.connections == 1
        server.wait_for_open(0)


LONG_AGO = datetime(2020, 1, 1, tzinfo=UTC)


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize(
    ("names", "options", "trusts", "why"),
    [
        (["127.0.0.1"], {}, None, "unable to get local issuer certificate"),
        (["127.0.0.1"], {}, trustme.CA, "unable to get local issuer|self.signed"),
        (["127.0.0.1"], {"not_after": LONG_AGO}, "same", "certificate has expired"),
        (["elsewhere.example"], {}, "same", "not valid for '127.0.0.1'"),
    ],
    ids=["unknown", "another authority", "expired", "wrong host"],
)
def test_a_certificate_that_cannot_be_trusted_is_refused(
    authority: trustme.CA,
    backend: str,
    names: list[str],
    options: dict[str, Any],
    trusts: str | Callable[[], trustme.CA] | None,
    why: str,
) -> None:
    """NotConnectedError names the address and why; nothing was sent, and the token is not shown."""
    tls = None
    if trusts is not None:
        tls = trusting(authority if isinstance(trusts, str) else trusts())
    with serving(authority, *names, **options) as server:
        with pytest.raises(errors.NotConnectedError, match="certificate was refused") as caught:
            ask(backend, server, tls)

        assert server.url in str(caught.value)
        assert "tls=" in str(caught.value)
        assert re.search(why, str(caught.value))
        assert server.requests == []
        server.wait_for_open(0)


def test_tls_is_set_up_once_for_all_clients_and_only_when_needed(run: Callable[..., Any]) -> None:
    """Clients cost no TLS set-up; plain http never loads the roots; https ones share a context."""
    ended = run("""
from billingual import errors
from billingual.transports import tls
def made():
    return tls.default_context.cache_info().currsize
several = [client() for each in range(50)]
print(made(), crossed(several[0], [1]), made())
secure = [Client("exante", base_url="https://127.0.0.1:9", token="t", retry="none")
          for each in range(3)]
for each in secure:
    try:
        each.get(uid(1))
    except errors.NotConnectedError:
        pass
async def main():
    async with AsyncClient("exante", base_url="https://127.0.0.1:9", token="t",
                           retry="none") as each:
        try:
            await each.get(uid(1))
        except errors.NotConnectedError:
            pass
asyncio.run(main())
print(tls.default_context.cache_info().misses, made())
for each in (*several, *secure):
    each.close()
""")

    assert (ended.code, ended.out.split("\n"), ended.noise) == (0, ["0 0 0", "1 1"], "")
