"""Policies chosen by name, object and entry point: patient, none, and those of other packages."""

from __future__ import annotations

import importlib
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from billingual import (
    AsyncClient,
    Draft,
    MemoryTransport,
    Money,
    errors,
)
from billingual.retry.budget import RetryBudget
from billingual.retry.policy import NONE, PATIENT, STANDARD, Retry

INVOICE = "inv_mqxd1kc6bgtcc676xoqzax47"
GOOD = MemoryTransport.json(f'{{"data": {{"id": "{INVOICE}", "status": "DRAFT"}}}}')
DOWN = MemoryTransport.json("{}", status=503)
BOTTOMLESS = 10**9
DRAFT = Draft(number="1", document="ctr_" + "1" * 24, total=Money.of("1", "EUR"), exchange_rate="1")


def client_of(backend: Any, transport: Any, **options: Any) -> AsyncClient:
    """Make a client of kukkingu."""
    return AsyncClient(
        "kukkingu", token="t" * 20, tenant="tnt_" + "1" * 24, backend=backend, transport=transport,
        base_url="https://one.example", **options,
    )  # fmt: skip


@pytest.mark.parametrize("chance", [0.0, 0.5, 0.999])
def test_patient_is_bound_by_time_alone(step: Any, make_backend: Any, chance: float) -> None:
    """It tries for a quarter of an hour, and no wait goes beyond it."""
    backend = make_backend(chance=max(chance, 0.05))
    begin = backend.now()
    client = client_of(
        backend, MemoryTransport(lambda _: DOWN), retry="patient",
        budget=RetryBudget(capacity=BOTTOMLESS),
    )  # fmt: skip

    with pytest.raises(errors.ServerError) as caught:
        step(client.get(INVOICE))

    took_s = backend.now() - begin
    assert 900 - 60 <= took_s < 900
    assert len(caught.value.attempts) > 20
    assert "deadline" in caught.value.stopped


def test_patient_outlasts_an_outage(step: Any, backend: Any) -> None:
    """It succeeds within a minute of the recovery, after ten minutes of failures."""
    recovers_at = backend.now() + 600
    transport = MemoryTransport(lambda _: GOOD if backend.now() >= recovers_at else DOWN)
    client = client_of(backend, transport, retry="patient")

    assert INVOICE == step(client.get(INVOICE)).id
    assert recovers_at <= backend.now() <= recovers_at + 60


def test_the_clients_deadline_bounds_patient(step: Any, backend: Any) -> None:
    """It counts before the policy's."""
    begin = backend.now()
    client = client_of(backend, MemoryTransport(lambda _: DOWN), retry="patient", deadline=100)

    with pytest.raises(errors.ServerError):
        step(client.get(INVOICE))

    assert backend.now() - begin < 100


def test_patient_never_sends_an_unclear_create_again(step: Any, backend: Any) -> None:
    """Time does not make a second invoice right."""
    transport = MemoryTransport(lambda _: DOWN)
    client = client_of(backend, transport, retry="patient")

    with pytest.raises(errors.OutcomeUnknown):
        step(client.create(DRAFT))

    assert 1 == len(transport.requests)


@pytest.mark.parametrize(
    ("name", "policy"), [("none", NONE), ("standard", STANDARD), ("patient", PATIENT)]
)
def test_a_name_chooses_its_policy(backend: Any, name: str, policy: Retry) -> None:
    """The policy's deadline is the client's default."""
    for chosen in (name, policy):
        client = client_of(backend, MemoryTransport(), retry=chosen)

        assert client._context.policy is policy
        assert policy.deadline_s == client._context.deadline_s


def test_an_unknown_name_is_refused(backend: Any) -> None:
    """The error lists the names there are."""
    with pytest.raises(errors.UnknownNameError, match="breaker, none, patient, standard"):
        client_of(backend, MemoryTransport(), retry="standrad")


@pytest.mark.parametrize("wrong", [None, 3, object()], ids=["None", "number", "object"])
def test_retry_must_be_a_policy(backend: Any, wrong: Any) -> None:
    """Anything else is refused when the client is made."""
    with pytest.raises(errors.ConfigurationError, match="is not a policy"):
        client_of(backend, MemoryTransport(), retry=wrong)


METADATA = "Metadata-Version: 2.1\nName: a-policy-of-others\nVersion: 1.0\n"
MODULE = """
from billingual.retry.policy import Retry
from billingual.retry.breaker import CircuitBreaker

TWICE = Retry(attempts=2, base_s=0.0, deadline_s=7.0)

def guarded():
    return CircuitBreaker(failures=1)
"""
ENTRY_POINTS = """[billingual.policies]
twice = a_policy_of_others:TWICE
guarded = a_policy_of_others:guarded
broken = a_policy_of_others:missing
none = a_policy_of_others:TWICE
"""


@pytest.fixture
def installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Install a tiny package with policies, and take it away again."""
    (tmp_path / "a_policy_of_others.py").write_text(MODULE)
    info = tmp_path / "a_policy_of_others-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(
        "Metadata-Version: 2.1\nName: a-policy-of-others\nVersion: 1.0\n"
    )
    (info / "entry_points.txt").write_text(ENTRY_POINTS)
    monkeypatch.syspath_prepend(tmp_path)
    importlib.invalidate_caches()
    yield tmp_path
    sys.modules.pop("a_policy_of_others", None)


def test_a_policy_of_another_package_is_chosen_by_name(
    step: Any, backend: Any, installed: Path
) -> None:
    """Its entry point names the policy itself."""
    transport = MemoryTransport(lambda _: DOWN)
    client = client_of(backend, transport, retry="twice")
    with pytest.raises(errors.ServerError):
        step(client.get(INVOICE))

    assert (2, 7.0) == (len(transport.requests), client._context.deadline_s)


def test_an_entry_point_may_name_a_function_that_makes_one(backend: Any, installed: Path) -> None:
    """Called for each client, so that policies with state are not shared by accident."""
    one, other = (client_of(backend, MemoryTransport(), retry="guarded") for _ in range(2))

    assert one._context.policy is not other._context.policy
    assert one._context.admit is not None


def test_a_broken_entry_point_names_its_package(backend: Any, installed: Path) -> None:
    """The error says what could not be loaded."""
    with pytest.raises(errors.ConfigurationError, match="a_policy_of_others:missing"):
        client_of(backend, MemoryTransport(), retry="broken")


def test_no_package_replaces_one_of_our_names(backend: Any, installed: Path) -> None:
    """Otherwise a package could switch retries on for a program that chose ``none``."""
    assert NONE is client_of(backend, MemoryTransport(), retry="none")._context.policy


def test_a_fresh_process_finds_the_entry_point(installed: Path) -> None:
    """As after installing the package."""
    program = (
        "from billingual.plugins import POLICIES\n"
        "assert {'twice', 'guarded', 'standard'} <= set(POLICIES.names())\n"
        "assert POLICIES.load('twice').attempts == 2\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", f"import sys; sys.path.insert(0, {str(installed)!r})\n{program}"],
        check=False, capture_output=True,
    )  # fmt: skip

    assert (0, b"") == (done.returncode, done.stderr)
