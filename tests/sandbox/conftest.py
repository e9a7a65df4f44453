"""One fresh sandbox per test, small enough to be made in a few milliseconds."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from _support.sandbox_app import Caller
from billingual.sandbox import Sandbox, create_app


@pytest.fixture
def app() -> Iterator[Sandbox]:
    """A sandbox with 12 Exante invoices, the ten statuses among them."""
    sandbox = create_app(invoices=12)
    yield sandbox
    sandbox.close()


@pytest.fixture
def exante(app: Sandbox) -> Caller:
    """Call Exante as its default user."""
    return Caller(app, "exante")


@pytest.fixture
def kukkingu(app: Sandbox) -> Caller:
    """Call Kukkingu in its default tenant."""
    return Caller(app, "kukkingu")


@pytest.fixture
def katsu(app: Sandbox) -> Caller:
    """Call Katsu Pay with its default token."""
    return Caller(app, "katsu")
