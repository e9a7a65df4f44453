"""Settings and parts that all tests share: no network, no chance, no waiting."""

from __future__ import annotations

import ipaddress
import signal
import socket
import subprocess
from collections.abc import Callable, Generator, Iterator
from random import Random
from typing import Any

import attrs
import pytest
from blockbuster import blockbuster_ctx
from hypothesis import HealthCheck, settings

from _support.backend import StepBackend, run_in_one_step

# The same examples on every run and machine: a gate that fails by chance is soon ignored.
settings.register_profile(
    "gate",
    derandomize=True,
    database=None,
    deadline=None,
    max_examples=60,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
settings.load_profile("gate")


def pytest_addoption(parser: pytest.Parser) -> None:
    """Let a run say how far the proofs go; the session ``proofs`` says all the way."""
    group = parser.getgroup("proofs")
    group.addoption("--full-proofs", action="store_true", help="run every case, not a sample")
    group.addoption("--proof-seed", type=int, default=20_261_121, help="what chance starts from")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Draw one in so many cases of each test that is marked ``sampled``.

    All run with ``--full-proofs``, and where the command names a test.
    """
    if config.getoption("--full-proofs") or any("::" in each for each in config.args):
        return
    cases: dict[tuple[str, int], list[pytest.Item]] = {}
    # Sorted, since another plugin may have shuffled them, and all processes must draw alike.
    for item in sorted(items, key=lambda each: each.nodeid):
        if marker := item.get_closest_marker("sampled"):
            test = item.nodeid.partition("[")[0]
            cases.setdefault((test, marker.args[0]), []).append(item)
    left_out: set[pytest.Item] = set()
    for (test, out_of), each in cases.items():
        Random(f"{config.getoption('--proof-seed')} {test}").shuffle(each)  # noqa: S311 - no secret
        left_out.update(each[max(1, len(each) // out_of) :])
    config.hook.pytest_deselected(items=list(left_out))
    items[:] = [item for item in items if item not in left_out]


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call() -> Generator[None]:
    """Show what a program wrote to stderr where a test fails because the program did."""
    try:
        yield
    except (subprocess.CalledProcessError, subprocess.TimeoutExpired) as error:
        if error.stderr:
            # After a timeout it is bytes, also where text was asked for.
            said = error.stderr.decode() if isinstance(error.stderr, bytes) else error.stderr
            error.add_note(said)
        raise


class NetworkError(AssertionError):
    """A test tried to leave this machine."""


def _stays_here(sock: socket.socket, address: Any) -> bool:
    if sock.family not in {socket.AF_INET, socket.AF_INET6}:
        return True
    host = str(address[0]).partition("%")[0]
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


@pytest.fixture(autouse=True, scope="session")
def _no_network() -> Iterator[None]:
    """Refuse every connection that does not stay on this machine, loudly."""
    connect, connect_ex = socket.socket.connect, socket.socket.connect_ex

    def guarded(real: Callable[..., Any]) -> Callable[..., Any]:
        def check_and_connect(self: socket.socket, address: Any) -> Any:
            if not _stays_here(self, address):
                raise NetworkError(f"a test tried to connect to {address!r}")
            return real(self, address)

        return check_and_connect

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(socket.socket, "connect", guarded(connect))
        patch.setattr(socket.socket, "connect_ex", guarded(connect_ex))
        yield


@pytest.fixture(autouse=True, scope="session")
def _ctrl_c() -> Iterator[None]:
    """Let programs that tests start take Ctrl-C: what a shell runs with ``&`` ignores it."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.fixture
def never_blocking() -> Iterator[None]:
    """Fail where code under test blocks an asyncio loop. Not for tests that run SQLite inside."""
    with blockbuster_ctx():
        yield


@pytest.fixture(params=["asyncio", "trio"])
def anyio_backend(request: pytest.FixtureRequest) -> str:
    """Run a test marked ``anyio`` on both event loops."""
    return str(request.param)


@pytest.fixture
def backend() -> StepBackend:
    """Return a backend with a clock of its own."""
    return StepBackend()


@pytest.fixture
def make_backend() -> type[StepBackend]:
    """Return the class, for tests that set its clock or its chance."""
    return StepBackend


@pytest.fixture
def step() -> Callable[[Any], Any]:
    """Return the function that runs a coroutine without an event loop."""
    return run_in_one_step


@pytest.fixture
def closed_port() -> Iterator[int]:
    """Return a port where no server listens, and that no other program can take meanwhile."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        yield taken.getsockname()[1]


@attrs.frozen
class Proof:
    """How far a proof goes: a sample in the gate, everything in the session ``proofs``.

    Attributes:
        full: whether to run everything.
        seed: what chance starts from; tests that draw print it.
    """

    full: bool
    seed: int

    def amount(self, sample: int, full: int) -> int:
        """Choose how many cases to run."""
        return full if self.full else sample


@pytest.fixture(scope="session")
def proof(request: pytest.FixtureRequest) -> Proof:
    """Return how far the proofs of this run go."""
    full = bool(request.config.getoption("--full-proofs"))
    return Proof(full=full, seed=int(request.config.getoption("--proof-seed")))
