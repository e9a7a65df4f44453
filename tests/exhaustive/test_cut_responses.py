"""G5: a response cut at any byte, in any framing, in any way, is never taken for a whole one.

Every case goes over a real socket to a server that says so many bytes and then ends the response,
resets the connection, or falls silent. The gate runs a seeded sample and every edge of some
responses; ``--full-proofs`` runs every byte on asyncio and blocking, and a larger sample on trio.
"""

from __future__ import annotations

from typing import Any

import pytest

from _support.cuts.clients import BACKENDS, Setting, chance, complaints, tls_pair
from _support.cuts.responses import (
    ResponseCase,
    all_cases,
    edges,
    is_a_race,
    judge,
    judge_look,
    judge_retried,
    judge_tls,
    whole,
)
from _support.cuts.server import Cut, CuttingServer
from billingual import Client, errors
from billingual.retry.policy import Retry

pytestmark = pytest.mark.timeout(1200)

AT_ONCE = Retry(attempts=3, base_s=0.0, throttled_s=0.0)


def drawn(seed: int, count: int) -> list[ResponseCase]:
    """Draw cases: a third where something ends, the others anywhere."""
    draw = chance(seed)
    some = draw.sample(list(edges()), count // 3)
    return some + draw.sample(all_cases(), count - len(some))


def test_the_proof_is_as_large_as_it_says() -> None:
    """There are at least a hundred thousand cases over at least twenty responses."""
    cases = all_cases()

    assert len(cases) >= 100_000
    assert len({case.golden for case in cases}) >= 20


@pytest.mark.parametrize("backend", BACKENDS)
def test_no_cut_response_is_taken_for_a_whole_one(backend: str, proof: Any) -> None:
    """A cut response ends in one error of ours that says what was seen; a whole one in a value."""
    if backend == "trio":
        cases = drawn(proof.seed, proof.amount(150, 4_000))
    else:
        cases = all_cases() if proof.full else drawn(proof.seed, 400)

    assert [] == complaints(backend, cases, judge), f"seed {proof.seed}"


@pytest.mark.parametrize("backend", BACKENDS)
def test_a_connection_that_served_before_changes_nothing(backend: str, proof: Any) -> None:
    """The same holds where the cut response is the second one on its connection."""
    cases = [
        case
        for case in drawn(proof.seed + 1, proof.amount(90, 1_500))
        if case.of.status <= 299 and not isinstance(case.framed.good, errors.BillingualError)
    ]

    found = complaints(backend, cases, judge, Setting(before=whole))

    assert [] == found, f"seed {proof.seed}"


@pytest.mark.parametrize("backend", BACKENDS)
def test_a_read_that_is_cut_is_made_again_and_a_write_never(backend: str, proof: Any) -> None:
    """Three attempts of a read that the wire cuts; one of a write, and of what was answered."""
    drawn_cases = drawn(proof.seed + 2, proof.amount(90, 1_500))
    cases = [case for case in drawn_cases if not is_a_race(case)]

    found = complaints(backend, cases, judge_retried, Setting(retry=AT_ONCE, times=3))

    assert [] == found, f"seed {proof.seed}"


@pytest.mark.parametrize("backend", BACKENDS)
def test_under_tls_an_end_without_close_notify_is_no_end(backend: str, proof: Any) -> None:
    """The same holds there, and what has no length of its own is never whole."""
    cases = drawn(proof.seed + 3, proof.amount(45, 1_500))

    found = complaints(backend, cases, judge_tls, Setting(tls=tls_pair()))

    assert [] == found, f"seed {proof.seed}"


@pytest.mark.parametrize("backend", BACKENDS)
def test_a_readback_that_is_cut_settles_nothing(backend: str, proof: Any) -> None:
    """Where a finalize or void ended unclearly, only a whole invoice tells that it is done."""
    looks = [case for case in all_cases() if case.golden in {"finalize", "void"}]
    chosen = looks if proof.full else chance(proof.seed).sample(looks, 90)

    found = complaints(backend, chosen, judge_look, Setting(first=Cut(then="reset")))

    assert [] == found, f"seed {proof.seed}"


@pytest.mark.parametrize(
    "head",
    [b"", b"Content-Encoding: gzip\r\n", b"Content-Type: application/json\r\n"],
    ids=["bare", "gzip", "json"],
)
def test_an_empty_response_to_a_write_may_be_what_was_left_of_a_refusal(head: bytes) -> None:
    """Where a response ends with its connection, no body is no yes."""
    with CuttingServer() as server:
        stage = server.stage()
        stage.expect(Cut(say=b"HTTP/1.1 200 OK\r\n" + head + b"\r\n"))
        client = Client("exante", token="t", base_url=stage.url, retry="none")

        with client, pytest.raises(errors.OutcomeUnknown):
            client.delete_many(["3c90c3cc-0d44-4b50-8888-8dd25736052a"])
