"""The conformance suite of transports: what every one of them must do, rule by rule.

In a program, or at a prompt::

    from billingual.testing import check_transport

    report = check_transport(MyTransport, backend="asyncio")
    print(report)
    report.raise_failures()

With pytest, which is not imported here, each rule is a test of its own::

    @pytest.mark.parametrize("backend", ["asyncio", "trio", "blocking"])
    @pytest.mark.parametrize("check", TRANSPORT_CHECKS, ids=str)
    def test_my_transport(check, backend):
        check.run(MyTransport, backend=backend)

A transport whose library cannot keep a rule says so in an attribute ``limits`` of its class:
names of checks, each with the reason. Such a rule is tried all the same, and the report shows a
broken one as a limit.

All servers are on loopback. A check that hangs is given up after 20 seconds. The rules of TLS
need ``pip install "billingual[testing]"``.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from importlib.util import find_spec
from typing import Final, cast

from billingual.errors import ConfigurationError, MissingExtraError
from billingual.plugins import TRANSPORTS
from billingual.testing.conformance.evidence import EVIDENCE_CHECKS
from billingual.testing.conformance.harness import Subject, Workshop
from billingual.testing.conformance.lifetime import LIFE_CHECKS
from billingual.testing.conformance.pooling import POOL_CHECKS
from billingual.testing.conformance.report import Check, Report, Result, conclude, judge
from billingual.testing.conformance.requests import REQUEST_CHECKS
from billingual.testing.conformance.responses import RESPONSE_CHECKS
from billingual.testing.conformance.trust import TRUST_CHECKS

__all__ = ["TRANSPORT_CHECKS", "check_transport", "run_transport_check"]

TRANSPORT_CHECKS: Final[tuple[Check, ...]] = (
    *REQUEST_CHECKS,
    *RESPONSE_CHECKS,
    *EVIDENCE_CHECKS,
    *POOL_CHECKS,
    *TRUST_CHECKS,
    *LIFE_CHECKS,
)
"""Every rule of the seam, in the order of the report."""


def check_transport(
    factory: Subject,
    *,
    backend: str = "asyncio",
    only: Iterable[str] | None = None,
    skip: Mapping[str, str] | None = None,
) -> Report:
    """Try every rule of the seam on transports that *factory* makes.

    Args:
        factory: a class or function that takes ``TransportOptions``, a registered name, or an
            :class:`InProcess` for a transport that opens no connection.
        backend: ``"asyncio"``, ``"uvloop"``, ``"trio"`` or ``"blocking"``.
        only: names of the checks to run; None for all.
        skip: names of checks not to run, each with the reason why, which the report tells.

    Raises:
        ConfigurationError: if there is no such backend, check or transport, or uvloop is not
            installed.
        MissingExtraError: if a named transport, or trio, is not installed.
    """
    if backend == "trio" and find_spec("trio") is None:
        raise MissingExtraError("the backend 'trio'", "testing", "trio")
    if backend == "uvloop" and find_spec("uvloop") is None:
        raise ConfigurationError("the backend 'uvloop' is not installed: pip install uvloop.")
    Workshop(factory, backend)  # A backend that does not exist is refused here, not rule by rule.
    name = factory if isinstance(factory, str) else getattr(factory, "__name__", repr(factory))
    return conclude(
        f"{name} on {backend}",
        TRANSPORT_CHECKS,
        lambda check: check.run(factory, backend=backend),
        only=only,
        skip=skip,
        limits=_limits(factory),
    )


def run_transport_check(check: Check, factory: Subject, *, backend: str = "asyncio") -> Result:
    """Run one check and say what came of it, without raising for a rule that is broken."""
    return judge(
        check,
        lambda: check.run(factory, backend=backend),
        limit=_limits(factory).get(check.name),
    )


def _limits(factory: Subject) -> Mapping[str, str]:
    """Return what the transport declares that it cannot keep: names of checks, and why."""
    made = TRANSPORTS.load(factory) if isinstance(factory, str) else factory
    return cast(Mapping[str, str], getattr(made, "limits", {}))
