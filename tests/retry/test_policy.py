"""When to try again and after how long: a table of safety and error."""

from __future__ import annotations

import random
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from billingual import errors
from billingual.abc import RetryDecision
from billingual.errors import BillingualError
from billingual.outcomes import Attempt, Evidence, Safety
from billingual.retry.classify import classify, refused_resend
from billingual.retry.policy import NONE, STANDARD, Retry, full_jitter
from billingual.retry.retry_after import asked_wait_s
from billingual.wire import Exchange, Headers, WireRequest, WireResponse

REQUEST = WireRequest(method="POST", url="/x", route="/x", safety=Safety.CREATE)
UNSENT = Evidence(connected=False, request_complete=False, response_begun=False)
SENT = Evidence(connected=True, request_complete=True)


def answered(
    kind: type[errors.ProviderError], status: int, retry_after: float | None = None
) -> Any:
    """Make the error of a response."""
    error = kind("no", provider="p", exchange=Exchange.of(REQUEST, WireResponse(status=status)))
    if retry_after is not None:
        error.retry_after = retry_after  # type: ignore[attr-defined]
    return error


def attempts(count: int, error: BillingualError) -> list[Attempt]:
    """Make *count* attempts that all ended in *error*."""
    return [
        Attempt(number=number + 1, outcome=classify(error), evidence=Evidence())
        for number in range(count)
    ]


def decide(
    policy: Retry,
    error: BillingualError,
    *,
    safety: Safety = Safety.READ,
    count: int = 1,
    left_s: float = 60.0,
    chance: float = 0.5,
) -> RetryDecision:
    """Ask *policy* after *count* attempts."""
    return policy.decide(
        attempts(count, error), error=error, safety=safety, left_s=left_s, random=lambda: chance
    )


# Error, and whether a read / any write is sent again.
TABLE: dict[str, tuple[BillingualError, bool, bool]] = {
    "no connection": (errors.NotConnectedError("x", evidence=UNSENT), True, True),
    "no free connection": (errors.PoolTimeoutError("x", evidence=UNSENT), True, True),
    "broke while writing": (errors.ConnectionLostError("x", evidence=UNSENT), True, True),
    "broke after writing": (errors.ConnectionLostError("x", evidence=SENT), True, False),
    "broke somewhere": (errors.ConnectionLostError("x"), True, False),
    "read timeout": (errors.TimedOutError("x", evidence=SENT), True, False),
    "429": (answered(errors.RateLimitedError, 429), True, True),
    "500": (answered(errors.ServerError, 500), True, False),
    "503": (answered(errors.ServerError, 503), True, False),
    "too large": (errors.ResponseTooLargeError("x", evidence=SENT), False, False),
    "400": (answered(errors.InvalidRequestError, 400), False, False),
    "408": (answered(errors.InvalidRequestError, 408), True, False),
    "425": (answered(errors.InvalidRequestError, 425), True, False),
    "401": (answered(errors.AuthenticationError, 401), False, False),
    "403": (answered(errors.PermissionDeniedError, 403), False, False),
    "404": (answered(errors.NotFoundError, 404), False, False),
    "409": (answered(errors.ConflictError, 409), False, False),
    "envelope says no": (answered(errors.RejectedError, 200), False, False),
    "302": (answered(errors.RedirectedError, 302), False, False),
    "unreadable": (answered(errors.ProtocolError, 200), False, False),
    "deadline": (errors.DeadlineExceededError("x"), False, False),
    "closed": (errors.ClosedError("x"), False, False),
    "bad token": (errors.ConfigurationError("x"), False, False),
    "our bug": (errors.InternalError("x"), False, False),
}


@pytest.mark.parametrize("safety", list(Safety), ids=lambda each: each.value)
@pytest.mark.parametrize("seen", TABLE)
def test_which_failures_are_sent_again(seen: str, safety: Safety) -> None:
    """A write is sent again only if the provider provably did nothing, whatever a policy says."""
    error, read_again, write_again = TABLE[seen]

    ends = attempts(1, error)
    refused = refused_resend(ends, safety)
    decision = decide(STANDARD, error, safety=safety)

    expected = read_again if safety.replayable else write_again
    if safety is Safety.KEYED and isinstance(error, errors.ConflictError):
        expected = True  # an earlier delivery with the same key is still under way
    assert expected is (not refused and decision.wait_s is not None)
    assert decision.why


@pytest.mark.parametrize("safety", [each for each in Safety if not each.replayable])
def test_an_unknown_attempt_always_stops_a_write(safety: Safety) -> None:
    """Whatever ended the attempts around it."""
    error = answered(errors.ServerError, 503)
    ends = [*attempts(1, TABLE["429"][0]), *attempts(1, error)]

    assert refused_resend(ends, safety) == (
        "a write that ended unknown is never sent again on its own"
    )


@pytest.mark.parametrize(("count", "again"), [(1, True), (2, True), (3, True), (4, False)])
def test_a_read_is_delivered_four_times_at_most(count: int, again: bool) -> None:  # noqa: FBT001
    """The first delivery counts."""
    decision = decide(STANDARD, TABLE["503"][0], count=count)

    assert (decision.wait_s is not None) is again


@pytest.mark.parametrize("seen", TABLE)
def test_none_never_tries_again(seen: str) -> None:
    """The retries of a program that retries itself must not be multiplied."""
    assert decide(NONE, TABLE[seen][0]).wait_s is None


@pytest.mark.parametrize(
    ("seen", "count", "bound"),
    [
        ("503", 1, 0.1), ("503", 2, 0.2), ("503", 3, 0.4),
        ("429", 1, 1.0), ("429", 2, 2.0), ("429", 3, 4.0),
    ],
)  # fmt: skip
def test_waits_double_and_a_rate_limit_waits_longer(seen: str, count: int, bound: float) -> None:
    """Full jitter spreads a wait from zero to the bound."""
    error = TABLE[seen][0]

    waits = [decide(STANDARD, error, count=count, chance=x).wait_s for x in (0.0, 0.5, 0.999)]

    assert waits == [0.0, pytest.approx(bound / 2), pytest.approx(bound * 0.999)]


def test_jitter_is_spread_evenly_and_capped() -> None:
    """Ten thousand seeded draws fill ten bins within a fifth, and none leaves the bounds."""
    dice = random.Random(20261121)  # noqa: S311
    draws = [full_jitter(9, base_s=0.1, cap_s=20.0, random=dice.random) for _ in range(10_000)]

    bins = [sum(2.0 * n <= draw < 2.0 * (n + 1) for draw in draws) for n in range(10)]
    assert sum(bins) == 10_000
    assert all(800 <= count <= 1200 for count in bins)


@given(retries=st.integers(0, 10**9), chance=st.floats(0, 1, exclude_max=True))
def test_the_cap_holds_after_any_number_of_retries(retries: int, chance: float) -> None:
    """No wait is endless."""
    wait = full_jitter(retries, base_s=0.1, cap_s=20.0, random=lambda: chance)

    assert 0.0 <= wait <= 20.0


@pytest.mark.parametrize(
    "error",
    [answered(errors.RateLimitedError, 429, 7.0), answered(errors.ServerError, 503, 7.0)],
    ids=["429", "503"],
)
def test_retry_after_is_never_undercut(error: BillingualError) -> None:
    """The jitter comes on top of what the provider asks."""
    waits = [decide(STANDARD, error, chance=chance).wait_s for chance in (0.0, 0.999)]

    assert waits[0] == 7.0
    assert 7.0 < waits[1] <= 8.0


def test_retry_after_zero_still_waits() -> None:
    """The jitter is added even to zero, so that callers spread over a second."""
    error = answered(errors.RateLimitedError, 429, 0.0)

    assert decide(STANDARD, error, chance=0.5).wait_s == 0.5
    assert decide(STANDARD, error, count=4).wait_s is None


@pytest.mark.parametrize(("asked", "obeyed"), [(60.0, True), (60.1, False), (86_400.0, False)])
def test_a_long_retry_after_is_raised(asked: float, obeyed: bool) -> None:  # noqa: FBT001
    """A wait of a day is left to the caller."""
    error = answered(errors.RateLimitedError, 429, asked)

    decision = decide(STANDARD, error, left_s=10_000.0)

    assert (decision.wait_s is not None) is obeyed
    assert obeyed or "longer than 60 s" in decision.why


@pytest.mark.parametrize("left_s", [0.0, 0.01, 0.05])
def test_no_wait_reaches_the_deadline(left_s: float) -> None:
    """After such a wait there would be no time to send."""
    decision = decide(STANDARD, TABLE["503"][0], left_s=left_s, chance=0.5)

    assert decision.wait_s is None
    assert "deadline" in decision.why


def test_policies_are_frozen() -> None:
    """Two clients with one policy cannot disturb each other."""
    with pytest.raises(AttributeError):
        STANDARD.attempts = 99  # type: ignore[misc]

    assert hash(STANDARD) == hash(Retry())


WALL = datetime(2026, 11, 21, 12, 0, 0, tzinfo=UTC).timestamp()


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        (None, None),
        ("", None),
        (" ", None),
        ("0", 0.0),
        ("7", 7.0),
        (" 7 ", 7.0),
        ("7.5", 7.5),
        (".5", 0.5),
        ("007", 7.0),
        ("-1", None),
        ("+7", None),
        ("1e3", None),
        ("1_000", None),
        ("7,5", None),
        ("\u0667", None),
        ("1.2.3", None),
        (".", None),
        ("inf", None),
        ("nan", None),
        ("soon", None),
        ("86400", 86_400.0),
        ("9" * 400, None),
        ("9" * 5_000, None),
        ("Sat, 21 Nov 2026 12:00:30 GMT", 30.0),
        ("Saturday, 21-Nov-26 12:00:30 GMT", 30.0),
        ("Sat Nov 21 12:00:30 2026", 30.0),
        ("Sat, 21 Nov 2026 13:00:30 +0100", 30.0),
        ("Sat, 21 Nov 2026 12:00:30 -0000", 30.0),
        ("Sat, 21 Nov 2026 11:59:00 GMT", 0.0),
        ("Thu, 01 Jan 1970 00:00:00 GMT", 0.0),
        ("Sat, 99 Nov 2026 12:00:30 GMT", None),
        ("Sun, 06 Nov 99999999999999999999 08:49:37 GMT", None),
        ("Sun, 06 Nov 1994 08:49:37 +99999999999999", None),
        ("2026-11-21T12:00:30Z", None),
    ],
    ids=lambda value: f"{len(value)}:{value[:50]!r}" if isinstance(value, str) else repr(value),
)
def test_every_form_of_retry_after(text: str | None, seconds: float | None) -> None:
    """Seconds and the three forms of HTTP dates; a past date means now, garbage nothing."""
    headers = Headers([] if text is None else [("Retry-After", text)])

    assert asked_wait_s(headers, WALL) == seconds


@pytest.mark.parametrize(
    ("date", "seconds"),
    [
        ("Sat, 21 Nov 2026 12:00:20 GMT", 10.0),
        ("Sat, 21 Nov 2020 12:00:30 GMT", 2_191 * 86_400.0),
        ("Sat, 21 Nov 2026 12:00:40 GMT", 0.0),
        ("soon", 30.0),
        ("", 30.0),
    ],
)
def test_a_date_to_come_back_is_measured_from_that_of_the_response(
    date: str, seconds: float
) -> None:
    """The provider's clock wrote both, so it does not matter what ours says."""
    headers = Headers([("Retry-After", "Sat, 21 Nov 2026 12:00:30 GMT"), ("Date", date)])

    assert asked_wait_s(headers, WALL) == seconds


@pytest.mark.parametrize(
    ("fields", "seconds"),
    [
        (["5", "9"], 9.0),
        (["9", "5"], 9.0),
        (["5, 5"], 5.0),
        (["5, 30"], 30.0),
        (["soon", "5"], 5.0),
        (["5", "Sat, 21 Nov 2026 12:00:30 GMT"], 30.0),
        (["Sat, 21 Nov 2026 12:00:30 GMT", "Sat, 21 Nov 2026 12:00:50 GMT"], 50.0),
        (["", "soon"], None),
    ],
    ids=str,
)
def test_the_longest_of_several_waits_counts(fields: list[str], seconds: float | None) -> None:
    """A gateway adds its own to the provider's; the shorter one would meet the other limit."""
    headers = Headers(("Retry-After", each) for each in fields)

    assert asked_wait_s(headers, WALL) == seconds


@given(
    st.text(max_size=60)
    | st.from_regex(r"[A-Z][a-z]{2}, \d{1,3} [A-Z][a-z]{2} \d{1,25} \d+:\d+:\d+ [-+]?\w{0,25}")
)
def test_any_retry_after_is_a_finite_number_or_none(text: str) -> None:
    """Whatever a server writes there."""
    seconds = asked_wait_s(Headers([("Retry-After", text)]), WALL)

    assert seconds is None or 0.0 <= seconds < float("inf")
