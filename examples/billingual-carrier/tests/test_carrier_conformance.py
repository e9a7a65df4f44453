"""The transport keeps every rule of the seam that billingual publishes, under every backend."""

from __future__ import annotations

from typing import Final

import pytest
from billingual.testing import TRANSPORT_CHECKS, Check, run_transport_check

from billingual_carrier import StdlibTransport

PROXIES: Final = frozenset(
    {
        "a-proxy-is-asked-for-a-tunnel",
        "a-proxy-passes-plain-requests-on",
        "a-proxy-that-refuses-means-nothing-was-sent",
    }
)
"""Rules about what it says it has not: a proxy is refused when the transport is made."""


@pytest.mark.parametrize("backend", ["asyncio", "trio", "blocking"])
@pytest.mark.parametrize(
    "check", [each for each in TRANSPORT_CHECKS if each.name not in PROXIES], ids=str
)
def test_the_transport_keeps_the_rule(check: Check, backend: str) -> None:
    """The rule is in the check."""
    result = run_transport_check(check, StdlibTransport, backend=backend)

    assert "failed" != result.outcome, f"{check.rule} {result.expected} / {result.seen}"


def test_only_rules_of_proxies_are_left_out() -> None:
    """A rule that is renamed must not be left out by mistake."""
    assert {each.name for each in TRANSPORT_CHECKS} >= PROXIES
