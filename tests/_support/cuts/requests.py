"""Requests cut at a byte: every case there is, and what each must come to."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Final

import attrs

from _support.cuts.calls import CALLS, GOLDEN, Call
from _support.cuts.clients import Ended, Setting, complaints
from _support.cuts.server import Cut, Seen
from billingual import Draft, errors
from billingual.outcomes import Attempt, Outcome

__all__ = [
    "LARGE", "Early", "RequestCase", "RequestJudge", "cases_of", "edges_of", "first_good",
    "lengths",
]  # fmt: skip

ENDS: Final = ("fin", "reset", "stall")
ONE: Final = "3c90c3cc-0d44-4b50-8888-8dd25736052a"
LARGE: Final = "large create"
"""More than kernels hold back, so that the client is cut while it writes."""

REQUESTS: Final = {
    **CALLS,
    LARGE: Call(
        provider="exante",
        make=lambda c: c.create(
            Draft(counterparty=ONE, owner=ONE, document=ONE, number="n" * 6_000_000)
        ),
    ),
}


@attrs.frozen
class RequestCase:
    """One request, of which the server takes so many bytes."""

    name: str
    take: int
    then: str

    @property
    def call(self) -> Call:
        """The call that sends it."""
        return REQUESTS[self.name]

    def cut(self) -> Cut:
        """Tell the server."""
        return Cut(take=self.take, then=self.then)


@attrs.frozen
class Early(RequestCase):
    """One request, of which the server takes so many bytes and then answers all the same."""

    status: int = 413

    def cut(self) -> Cut:
        """Tell the server."""
        response = b"HTTP/1.1 %d No\r\nContent-Length: 2\r\n\r\n{}" % self.status
        return Cut(take=self.take, say=response, then=self.then)


@attrs.frozen
class Probe:
    """One request that is taken whole, to learn how long it is."""

    name: str
    then: str = "reset"

    @property
    def call(self) -> Call:
        """The call that sends it."""
        return REQUESTS[self.name]

    def cut(self) -> Cut:
        """Tell the server."""
        return Cut(then=self.then)


def lengths(backend: str, setting: Setting, *names: str) -> dict[str, int]:
    """Measure requests on the wire."""
    found: dict[str, int] = {}

    def note(probe: Probe, ended: Ended) -> None:
        found[probe.name] = ended.seen[-1].taken

    complaints(backend, [Probe(name) for name in names], note, setting)
    return found


def cases_of(lengths: Mapping[str, int]) -> Iterator[RequestCase]:
    """Cut every request at every byte, in every way; at its end the server has it whole."""
    for name, length in sorted(lengths.items()):
        for take in range(length + 1):
            for then in ENDS:
                yield RequestCase(name, take, then)


def edges_of(lengths: Mapping[str, int]) -> Iterator[RequestCase]:
    """Cut every request at its ends, and where kernels have bounds of their own."""
    for name, length in sorted(lengths.items()):
        for take in sorted({0, 1, 4096, 65_536, 1_000_000, length - 1, length}):
            for then in ENDS:
                if take <= length:
                    yield RequestCase(name, take, then)


def first_good(case: RequestCase) -> Cut:
    """Answer the same call well, and keep the connection."""
    for golden in GOLDEN.values():
        if golden.call == case.name and golden.status <= 299:
            head = b"HTTP/1.1 %d OK\r\nContent-Length: %d" % (golden.status, len(golden.body))
            return Cut(say=head + b"\r\n\r\n" + golden.body, then="keep")
    raise LookupError(case.name)


class RequestJudge:
    """Say what is wrong with the end of a call whose request was cut, and count the ends.

    Attributes:
        counted: attempts by what the client says of them and whether the server had it whole.
    """

    def __init__(self) -> None:
        self.counted: Counter[tuple[str, bool]] = Counter()

    def __call__(self, case: RequestCase, ended: Ended) -> str | None:
        error = ended.value
        if not isinstance(error, errors.BillingualError):
            return f"a value, or a foreign exception, without a response: {error!r}"
        attempts = error.attempts
        # An unclear write may be looked for afterwards, which comes last and is no attempt.
        pairs = list(zip(attempts, ended.seen, strict=False))
        self.counted.update((attempt.outcome.value, seen.whole) for attempt, seen in pairs)
        if not attempts or (case.take and len(pairs) < len(attempts)):
            return f"attempts {attempts}, of which the server saw {ended.seen}"
        problem = _write_problem(attempts, ended) if case.call.writes else None
        return problem or next(
            (told for each in pairs if (told := _attempt_problem(*each)) is not None), None
        )


def _write_problem(attempts: Sequence[Attempt], ended: Ended) -> str | None:
    if sum(each.whole for each in ended.seen) > 1:
        return f"a write was delivered {len(ended.seen)} times"
    *before, last = (each.outcome for each in attempts)
    if set(before) - {Outcome.NOT_SENT}:
        return f"an unclear write was sent again: {attempts}"
    if (last is Outcome.UNKNOWN) is not isinstance(ended.value, errors.OutcomeUnknown):
        return f"attempts {attempts} ended as {ended.value!r}"
    return None


def _attempt_problem(attempt: Attempt, seen: Seen) -> str | None:
    if attempt.outcome not in {Outcome.UNKNOWN, Outcome.NOT_SENT}:
        return f"it ended {attempt.outcome} without a response"
    if seen.whole and attempt.outcome is not Outcome.UNKNOWN:
        return f"the server has it whole, the client says {attempt}"
    if seen.whole and attempt.evidence.request_complete is False:
        return f"the server has it whole, the evidence says {attempt.evidence}"
    if attempt.evidence.response_begun is not False:
        return f"nothing was answered, the evidence says {attempt.evidence}"
    if not attempt.evidence.connected and seen.data:
        return f"the server read of it, the evidence says {attempt.evidence}"
    return None
