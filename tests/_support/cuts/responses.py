"""Responses cut at a byte: every case there is, and what each must come to."""

from __future__ import annotations

import functools
import gzip
from collections.abc import Iterator, Sequence
from typing import Any, Final

import attrs

from _support.cuts.calls import CALLS, GOLDEN, Call, Golden
from _support.cuts.clients import Ended
from _support.cuts.server import Cut
from billingual import Client, errors
from billingual.outcomes import Attempt, Evidence, Outcome
from billingual.transports.memory import MemoryTransport
from billingual.wire import Headers, WireResponse

__all__ = [
    "ResponseCase", "all_cases", "edges", "is_a_race", "judge", "judge_look", "judge_retried",
    "judge_tls", "whole",
]  # fmt: skip

ENDS: Final = ("fin", "reset", "stall")
FRAMINGS: Final = ("length", "chunked", "close", "length+gzip", "chunked+gzip", "close+gzip")
REASONS: Final = {200: b"OK", 201: b"Created"}
BY_STATUS: Final = {
    400: errors.InvalidRequestError, 401: errors.AuthenticationError, 404: errors.NotFoundError,
    409: errors.ConflictError, 422: errors.InvalidRequestError, 429: errors.RateLimitedError,
    500: errors.ServerError, 502: errors.ServerError, 503: errors.ServerError,
}  # fmt: skip
SEEN_WHOLE: Final = Evidence(connected=True, request_complete=True, response_begun=True)


@attrs.frozen
class Framed:
    """A golden response as bytes.

    Attributes:
        data: the whole of it.
        head: length of its head.
        good: what the client makes of it when nothing is cut: a value, or an error.
    """

    data: bytes
    head: int
    good: Any


@attrs.frozen
class ResponseCase:
    """One response, cut once."""

    golden: str
    framing: str
    at: int
    then: str

    @property
    def of(self) -> Golden:
        """The response."""
        return GOLDEN[self.golden]

    @property
    def call(self) -> Call:
        """The call it answers."""
        return CALLS[self.of.call]

    @property
    def framed(self) -> Framed:
        """The response's bytes."""
        return _FRAMED[self.golden, self.framing]

    @property
    def is_whole(self) -> bool:
        """Tell whether the client can know that it has all of it."""
        if self.at < len(self.framed.data):
            return False
        return self.then == "fin" or not self.framing.startswith("close")

    @property
    def is_short(self) -> bool:
        """Tell whether HTTP calls the response whole although it is not."""
        # A refusal counts whether its body can be unpacked or not.
        packed = (
            self.framing == "close+gzip" and self.at > self.framed.head and self.of.status <= 299
        )
        seems_whole = self.framing.startswith("close") and self.then == "fin" and not packed
        return seems_whole and self.framed.head <= self.at < len(self.framed.data)

    def cut(self) -> Cut:
        """Tell the server."""
        return Cut(say=self.framed.data[: self.at], then=self.then)


def _frame(golden: Golden, framing: str) -> Framed:
    framing, _, coding = framing.partition("+")
    body = gzip.compress(golden.body, mtime=0) if coding else golden.body
    lines = [b"HTTP/1.1 %d %b" % (golden.status, REASONS.get(golden.status, b"No"))]
    lines.append(b"Content-Type: application/json")
    if coding:
        lines.append(b"Content-Encoding: gzip")
    if framing == "length":
        lines.append(b"Content-Length: %d" % len(body))
    elif framing == "chunked":
        lines.append(b"Transfer-Encoding: chunked")
        half = len(body) // 2
        pieces = [piece for piece in (body[:half], body[half:]) if piece]
        body = b"".join(b"%x\r\n%b\r\n" % (len(piece), piece) for piece in pieces) + b"0\r\n\r\n"
    head = b"\r\n".join((*lines, b"", b""))
    return Framed(data=head + body, head=len(head), good=_good(golden))


@functools.cache
def _good(golden: Golden) -> Any:
    """Say what the client makes of the response where no wire can cut it."""
    call = CALLS[golden.call]
    headers = Headers([("Content-Type", "application/json")])
    response = WireResponse(status=golden.status, headers=headers, body=golden.body)
    client = Client(
        **call.options,
        transport=MemoryTransport([response]),
        base_url="http://127.0.0.1",
        retry="none",
    )
    try:
        return call.make(client)
    except errors.BillingualError as error:
        return error


_FRAMED: Final = {
    (name, framing): _frame(golden, framing)
    for name, golden in GOLDEN.items()
    for framing in FRAMINGS
}


@functools.cache
def all_cases() -> Sequence[ResponseCase]:
    """Cut every response in every framing at every byte, in every way."""
    return [
        ResponseCase(name, framing, at, then)
        for (name, framing), framed in _FRAMED.items()
        for at in range(len(framed.data) + 1)
        for then in ENDS
    ]


def edges() -> Iterator[ResponseCase]:
    """Cut every response where something ends: the head, the body, the whole."""
    for (name, framing), framed in _FRAMED.items():
        whole = len(framed.data)
        for at in sorted({0, 1, framed.head - 1, framed.head, framed.head + 1, whole - 1, whole}):
            for then in ENDS:
                if at <= whole:
                    yield ResponseCase(name, framing, at, then)


def whole(case: ResponseCase) -> Cut:
    """Answer the same call whole, and keep the connection."""
    return Cut(say=_FRAMED[case.golden, "length"].data, then="keep")


def judge(case: ResponseCase, ended: Ended) -> str | None:
    """Say what is wrong with the end of a call, or nothing."""
    if not ended.is_ours:
        return f"a foreign exception: {ended.value!r}"
    if len(ended.seen) != 1:
        return f"{len(ended.seen)} requests"
    return _judge_value(case, ended.value)


def judge_tls(case: ResponseCase, ended: Ended) -> str | None:
    """Say what is wrong with the end of a call under TLS.

    Without a close_notify anyone may have ended the connection, so a body without a length is
    never whole.
    """
    if case.then == "fin" and case.framing.startswith("close"):
        case = attrs.evolve(case, then="reset")
    return judge(case, ended)


def is_a_race(case: ResponseCase) -> bool:
    """Tell whether another attempt could go out on the connection that is just ending."""
    return case.is_whole and not case.framing.startswith("close") and case.of.status >= 400


def judge_retried(case: ResponseCase, ended: Ended) -> str | None:
    """Say what is wrong with a call that may be made three times, and is cut each time alike."""
    if not ended.is_ours:
        return f"a foreign exception: {ended.value!r}"
    wanted = 3 if _may_pass(case) else 1
    if len(ended.seen) != wanted:
        return f"{len(ended.seen)} requests instead of {wanted}"
    return _judge_value(case, ended.value)


def judge_look(case: ResponseCase, ended: Ended) -> str | None:
    """Say what is wrong with an unclear call whose look afterwards is cut."""
    if len(ended.seen) != 1:
        return f"it was delivered {len(ended.seen)} times"
    if case.is_whole:
        return _differs(case.framed.good, ended.value)
    if not isinstance(ended.value, errors.OutcomeUnknown):
        return f"it ended as {ended.value!r}"
    return None


def _may_pass(case: ResponseCase) -> bool:
    """Tell whether a call that ends so is made again."""
    told = case.is_whole or case.is_short
    if told and case.of.status == 429:
        return True
    return not case.call.writes and (not told or case.of.status >= 500)


def _judge_value(case: ResponseCase, value: Any) -> str | None:
    if case.is_whole:
        return _differs(case.framed.good, value)
    if not isinstance(value, errors.BillingualError):
        return f"a truncated value was accepted: {value!r}"
    return _judge_error(case, value)


def _differs(good: Any, found: Any) -> str | None:
    if isinstance(good, errors.BillingualError):
        same = type(good) is type(found) and str(good) == str(found)
    else:
        same = bool(good == found)
    return None if same else f"the whole response became {found!r} instead of {good!r}"


def _judge_error(case: ResponseCase, error: errors.BillingualError) -> str | None:
    wanted, outcome, likely, evidence = _wanted(case)
    attempts = error.attempts
    if case.call.writes and outcome is Outcome.UNKNOWN:
        if not isinstance(error, errors.OutcomeUnknown):
            return f"a write that is unclear ended as {error!r}"
        if error.likely != likely:
            return f"it is likely {error.likely}, not {likely}"
        error = error.__cause__  # type: ignore[assignment]  # checked by the next line
    if type(error) is not wanted:
        return f"{error!r} instead of {wanted.__name__}"
    return _attempts_problem(case, attempts, outcome, evidence)


def _attempts_problem(
    case: ResponseCase, attempts: Sequence[Attempt], outcome: Outcome, evidence: Evidence
) -> str | None:
    if {each.outcome for each in attempts} != {outcome}:
        return f"the attempts are {attempts} instead of {outcome}"
    if {each.evidence for each in attempts} != {evidence}:
        return f"they saw {attempts} instead of {evidence}"
    known = case.of.status if case.at >= case.framed.head else None
    if {each.status or each.evidence.status for each in attempts} != {known}:
        return f"they know the status of {attempts}, which is {known}"
    return None


def _wanted(
    case: ResponseCase,
) -> tuple[type[errors.BillingualError], Outcome, str, Evidence]:
    """Say which error a cut must come to, and what the attempt says of it."""
    status = case.of.status
    if not case.is_short:
        late = case.then == "stall"
        kind = errors.TimedOutError if late else errors.ConnectionLostError
        evidence = attrs.evolve(SEEN_WHOLE, response_begun=case.at > 0)
        said_yes = case.at >= case.framed.head and status <= 299
        return kind, Outcome.UNKNOWN, "applied" if said_yes else "unclear", evidence
    if status <= 299:
        return errors.ProtocolError, Outcome.UNKNOWN, "applied", SEEN_WHOLE
    # The status line came whole, and it decides: no byte of the body could turn a no into a yes.
    outcome = {True: Outcome.REJECTED, False: Outcome.UNKNOWN}[status < 500]
    outcome = Outcome.NOT_APPLIED if status == 429 else outcome
    return BY_STATUS[status], outcome, "unclear", SEEN_WHOLE
