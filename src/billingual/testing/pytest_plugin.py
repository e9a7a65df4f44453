"""Fixtures of pytest for programs that use billingual; pytest loads them by itself.

A test that asks for one gets a sandbox of its own, in this process and without a network; a test
that asks for none pays nothing, because everything is imported where a fixture first needs it.
``pytest --fixtures`` shows them, and ``docs/testing.md`` shows a program that is tested with them.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from pathlib import Path
from types import NoneType
from typing import TYPE_CHECKING, Any, Final, cast

import pytest

if TYPE_CHECKING:
    from billingual import AsyncClient, Client
    from billingual.abc import Account as ClientAccount
    from billingual.sandbox import Running, Sandbox
    from billingual.testing import (
        DraftFactory,
        InvoiceFactory,
        PlannedFaults,
        RecordMode,
        SandboxClock,
        Tapes,
    )

__all__ = [
    "async_sandbox_client",
    "clock",
    "draft_factory",
    "faults",
    "invoice_factory",
    "recorded",
    "sandbox",
    "sandbox_client",
    "sandbox_server",
    "sandbox_transport",
]

_MARK: Final = "billingual"
_OPTIONS: Final = ("provider", "invoices", "seed", "retry")
# No test should wait for its sandbox: the 1000 invoices that are usual there take half a second.
_INVOICES: Final = 50
_LONGEST: Final = 100
_MODES: Final = ("none", "once", "new_episodes", "all")


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the option that says what to do with tapes."""
    parser.getgroup("billingual").addoption(
        "--billingual-record",
        choices=_MODES,
        default="none",
        help="what the fixture 'recorded' does: none plays tapes and sends nothing (default), once "
        "records tapes that are missing, new_episodes adds to tapes, all records all anew",
    )


def pytest_configure(config: pytest.Config) -> None:
    """Declare the marker, for programs that are strict about markers."""
    config.addinivalue_line(
        "markers",
        f"{_MARK}(provider='exante', invoices={_INVOICES}, seed=42, retry='standard'): "
        "the sandbox of a test and the clients to it",
    )


@pytest.fixture
def sandbox_server(request: pytest.FixtureRequest) -> Iterator[Running]:
    """The sandbox of this test on loopback, for programs that need a URL; all clients use it."""
    from billingual.sandbox import running  # noqa: PLC0415 - of the first use, as all below

    wanted = _options(request)
    with running(seed=wanted["seed"], invoices=wanted["invoices"]) as server:
        yield server


@pytest.fixture
def sandbox(request: pytest.FixtureRequest) -> Iterator[Sandbox]:
    """A sandbox of this test's own, in this process: the same invoices and time in each run."""
    if "sandbox_server" in request.fixturenames:
        yield cast("Running", request.getfixturevalue("sandbox_server")).app
        return
    from billingual.sandbox import create_app  # noqa: PLC0415 - as above

    wanted = _options(request)
    app = create_app(seed=wanted["seed"], invoices=wanted["invoices"])
    yield app
    app.close()


@pytest.fixture
def faults(request: pytest.FixtureRequest, sandbox: Sandbox) -> Iterator[PlannedFaults]:
    """What shall go wrong: faults.next("server_error_after_acting", of="update").

    A fault that no request met fails the test at its end, because the test did not show what it
    was written for; ``faults.clear()`` forgets those that are still to come.
    """
    from billingual.testing import PlannedFaults  # noqa: PLC0415 - as above

    if "sandbox_server" in request.fixturenames:
        server = cast("Running", request.getfixturevalue("sandbox_server"))

        def account(provider: str) -> ClientAccount | None:
            from billingual.abc import Account  # noqa: PLC0415 - as above
            from billingual.sandbox import ACCOUNTS  # noqa: PLC0415 - as above

            known = ACCOUNTS.get(provider)
            if known is None:
                return None
            url = server.base_url(provider)
            return Account(base_url=url, token=known.token, tenant=known.tenant)

        planned = PlannedFaults("httpx", account=account)
    else:
        from billingual.transports import sandboxed  # noqa: PLC0415 - as above

        planned = PlannedFaults(sandboxed(sandbox))
    yield planned
    planned.drop()
    if planned.pending:
        pytest.fail(
            f"no request met the planned fault {'; '.join(planned.pending)}. Let the program send "
            "it, or call faults.clear().",
            pytrace=False,
        )


@pytest.fixture
def sandbox_transport(faults: PlannedFaults) -> PlannedFaults:
    """What a client of your program takes as transport=, to reach this test's sandbox."""
    return faults


@pytest.fixture
def sandbox_client(
    request: pytest.FixtureRequest, sandbox_transport: PlannedFaults
) -> Iterator[Client]:
    """A blocking client to the sandbox of this test."""
    from billingual import Client  # noqa: PLC0415 - as above

    wanted = _options(request)
    client = Client(wanted["provider"], transport=sandbox_transport, retry=wanted["retry"])
    with client:
        yield client


@pytest.fixture
def async_sandbox_client(
    request: pytest.FixtureRequest, sandbox_transport: PlannedFaults
) -> AsyncClient:
    """An async client to the sandbox of this test, on whatever event loop the test runs."""
    from billingual import AsyncClient  # noqa: PLC0415 - as above

    # No async fixture: those belong to one plugin or the other. What it opens, `faults` drops.
    wanted = _options(request)
    return AsyncClient(wanted["provider"], transport=sandbox_transport, retry=wanted["retry"])


@pytest.fixture
def clock(sandbox: Sandbox) -> SandboxClock:
    """The sandbox's clock, which stands still: clock.advance(days=40), clock.set("2027-01-01")."""
    from billingual.testing import SandboxClock  # noqa: PLC0415 - as above

    return SandboxClock(sandbox)


@pytest.fixture
def draft_factory(request: pytest.FixtureRequest) -> DraftFactory:
    """Drafts that the sandbox accepts; call it with the fields that matter to the test."""
    from billingual.testing import DraftFactory  # noqa: PLC0415 - as above

    return DraftFactory(_options(request)["provider"])


@pytest.fixture
def invoice_factory() -> InvoiceFactory:
    """Invoices as a client returns them; call it with the fields that matter to the test."""
    from billingual.testing import InvoiceFactory  # noqa: PLC0415 - as above

    return InvoiceFactory()


@pytest.fixture
def recorded(request: pytest.FixtureRequest) -> Tapes:
    """What a client takes as transport=, to play the tape of this test.

    The tape is ``tapes/<test file>/<test>.json`` beside the test file. ``pytest
    --billingual-record=once`` sends to the provider and records tapes that are missing.
    """
    from billingual.testing import Tapes  # noqa: PLC0415 - as above

    mode = cast("RecordMode", request.config.getoption("--billingual-record"))
    return Tapes(_tape_path(request.node), mode)


def _options(request: pytest.FixtureRequest) -> dict[str, Any]:
    """Read the nearest marker of a test."""
    options: dict[str, Any] = {
        "provider": "exante", "invoices": _INVOICES, "seed": None, "retry": "standard"
    }  # fmt: skip
    marks = list(request.node.iter_markers(_MARK))
    for mark in reversed(marks):
        unknown = [*map(repr, mark.args), *(set(mark.kwargs) - set(_OPTIONS))]
        if unknown:
            raise pytest.UsageError(
                f"@pytest.mark.{_MARK} takes {', '.join(f'{each}=' for each in _OPTIONS)}, and "
                f"not {', '.join(unknown)} ({request.node.nodeid})"
            )
        options |= mark.kwargs
    for name in ("invoices", "seed"):
        if type(options[name]) not in {int, NoneType}:
            raise pytest.UsageError(
                f"@pytest.mark.{_MARK}({name}={options[name]!r}) is no whole number; give one like "
                f"{name}=5 ({request.node.nodeid})"
            )
    return options


def _tape_path(test: pytest.Item) -> Path:
    """Name the tape of a test; parameters may hold what no file name can."""
    name = test.nodeid.partition("::")[2].replace("::", ".")
    plain = re.sub(r"[^A-Za-z0-9_.\-\[\]]", "_", name)[:_LONGEST]
    if plain != name:
        plain += f"-{hashlib.sha256(name.encode()).hexdigest()[:8]}"
    return test.path.parent / "tapes" / test.path.stem / f"{plain}.json"
