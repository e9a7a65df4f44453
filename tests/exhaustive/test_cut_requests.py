"""G6: a request cut at any byte is called unsent only if no server can have it whole.

Every case goes over a real socket to a server that takes so many bytes and then ends the
connection, resets it, or falls silent. What it has is compared with what the client says. That
the client says ``unknown`` of a request that came only in part is no fault: its kernel had taken
all of it. How often it does is printed (``-rP``) and kept as a property of the test.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import attrs
import pytest

from _support.cuts.calls import CALLS
from _support.cuts.clients import BACKENDS, Ended, Setting, chance, complaints, tls_pair
from _support.cuts.requests import (
    LARGE,
    Early,
    RequestCase,
    RequestJudge,
    cases_of,
    edges_of,
    first_good,
    lengths,
)
from billingual.retry.policy import Retry
from billingual.wire import Timeouts

pytestmark = pytest.mark.timeout(1200)

AT_ONCE = Retry(attempts=3, base_s=0.0, throttled_s=0.0)
CROWDED = Setting(
    small_buffers=True,
    callers=4,
    brisk=Timeouts(connect=20, write=0.2, read=0.2, pool=20),
    patient=Timeouts(connect=20, write=1, read=2, pool=20),
)
# Where the server takes all of it, only haste could keep it from having it whole.
UNHURRIED = attrs.evolve(
    CROWDED,
    brisk=Timeouts(connect=20, write=20, read=0.2, pool=20),
    patient=Timeouts(connect=20, write=20, read=2, pool=20),
)
# A finalize or void that ends unclearly is looked for at once, which is no attempt of it.
LOOKED_FOR = {"tenant finalize", "tenant void"}
WRITES = sorted(name for name, call in CALLS.items() if call.writes and name not in LOOKED_FOR)


def drawn(backend: str, setting: Setting, seed: int, count: int | None, *names: str) -> list[Any]:
    """Draw cases, every edge among them; all there are where *count* is None."""
    found = lengths(backend, setting, *(names or sorted(CALLS)))
    everything = list(cases_of(found))
    if count is None or count >= len(everything):
        return everything
    some = chance(seed).sample(everything, count)
    return sorted({*some, *edges_of(found)}, key=lambda case: (case.name, case.take, case.then))


@pytest.fixture
def judge(record_property: Callable[[str, object], None]) -> Any:
    """Return a judge; what it counted is told at the end."""
    made = RequestJudge()
    yield made
    for (outcome, whole), count in sorted(made.counted.items()):
        name = f"{outcome}, of which the server had {'all' if whole else 'a part'}"
        record_property(name, count)
        print(f"{count:6} attempts ended {name}")  # noqa: T201 - for -rP


@pytest.mark.parametrize("backend", BACKENDS)
def test_what_a_server_has_whole_is_never_called_unsent(
    backend: str, proof: Any, judge: Any
) -> None:
    """Whatever the cut, a write whose request is whole ends as unknown."""
    full = 1_500 if backend == "trio" else None
    cases = drawn(backend, Setting(), proof.seed, full if proof.full else 150)

    assert [] == complaints(backend, cases, judge), f"seed {proof.seed}"
    assert judge.counted["unknown", True] >= len(CALLS)


@pytest.mark.parametrize("backend", BACKENDS)
def test_a_connection_that_served_before_changes_nothing(
    backend: str, proof: Any, judge: Any
) -> None:
    """The same holds for the second request of a connection."""
    cases = drawn(backend, Setting(), proof.seed + 1, proof.amount(20, 1_500))

    found = complaints(backend, cases, judge, Setting(before=first_good))

    assert [] == found, f"seed {proof.seed}"
    # How many a busy machine gets through to the end is chance; that there are some is the proof.
    assert judge.counted["unknown", True] >= len(CALLS)


@pytest.mark.parametrize("backend", BACKENDS)
def test_a_policy_that_retries_delivers_no_write_twice(
    backend: str, proof: Any, judge: Any
) -> None:
    """At most one of three attempts of a write reaches the server whole."""
    cases = drawn(backend, Setting(), proof.seed + 2, proof.amount(20, 1_500), *WRITES)

    found = complaints(backend, cases, judge, Setting(retry=AT_ONCE, times=3))

    assert [] == found, f"seed {proof.seed}"
    assert judge.counted["unknown", True] >= len(WRITES)


@pytest.mark.parametrize("backend", BACKENDS)
def test_tls_cut_at_every_byte_of_the_wire_changes_nothing(
    backend: str, proof: Any, judge: Any
) -> None:
    """The same holds under TLS, where a cut in the handshake leaves the request unsent."""
    setting = Setting(tls=tls_pair(), brisk=Timeouts(connect=0.1, write=20, read=0.05, pool=20))
    full = 1_500 if backend == "trio" else None
    cases = drawn(backend, setting, proof.seed + 3, full if proof.full else 60, "exante create")

    assert [] == complaints(backend, cases, judge, setting), f"seed {proof.seed}"
    assert judge.counted["unknown", True] >= 1
    assert judge.counted["not_sent", False] >= 1


@pytest.mark.parametrize("backend", BACKENDS)
def test_a_request_that_is_cut_while_it_is_written_may_have_been_sent(
    backend: str, proof: Any, judge: Any
) -> None:
    """The same holds for a body that no kernel takes at once."""
    *parts, fin, reset, stall = edges_of(lengths(backend, UNHURRIED, LARGE))
    chosen = chance(proof.seed).sample(parts, proof.amount(3, len(parts)))

    found = complaints(backend, chosen, judge, CROWDED)
    found += complaints(backend, [fin, reset, stall], judge, UNHURRIED)

    assert [] == found, f"seed {proof.seed}"
    assert judge.counted["unknown", True] == 3


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("status", [413, 429, 503])
def test_a_response_to_half_a_request_does_not_make_it_whole(backend: str, status: int) -> None:
    """Where the server answers and resets while the body is written, not all was handed over."""

    def judge(case: RequestCase, ended: Ended) -> str | None:
        evidence = ended.value.attempts[0].evidence
        return "it claims that all was sent" if evidence.request_complete is True else None

    found = complaints(backend, [Early(LARGE, 600, "reset", status)], judge, UNHURRIED)

    assert [] == found
