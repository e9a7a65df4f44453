"""What a suite says of what it found: for people, for pytest and for programs."""

from __future__ import annotations

import pickle
import subprocess
import sys
import threading
from typing import Any
from unittest import SkipTest

import pytest

from _support.broken_transports import KeepsCookies
from _support.dialect_samples import SUBJECTS
from _support.transport_rows import ROWS
from billingual import ConfigurationError, MemoryTransport
from billingual.testing import (
    DIALECT_CHECKS,
    TRANSPORT_CHECKS,
    Check,
    CheckFailedError,
    check_dialect,
    check_transport,
    run_transport_check,
)
from billingual.testing.conformance.harness import Bench, watched
from billingual.testing.conformance.server import LoopbackServer
from billingual.transports.httpx import HttpxTransport

COOKIES = "cookies-are-not-kept"
REUSE = "a-connection-is-used-again"
STATUS = "any-status-is-a-response"


@pytest.mark.parametrize("checks", [TRANSPORT_CHECKS, DIALECT_CHECKS], ids=["transport", "dialect"])
def test_each_check_has_a_name_of_its_own_and_one_sentence(checks: tuple[Check, ...]) -> None:
    """The name is an id for pytest, the rule is a sentence for people."""
    names = [str(each) for each in checks]

    assert len(names) == len(set(names))
    assert all(name == name.lower() and " " not in name for name in names)
    assert all(each.rule.endswith(".") and each.rule[0].isupper() for each in checks)


def test_a_report_tells_people_what_was_seen() -> None:
    """Name and outcome of each rule; for a broken one the rule, what was expected and seen."""
    report = check_transport(KeepsCookies, only=[COOKIES, REUSE], skip={REUSE: "no sockets here"})

    assert str(report).splitlines() == [
        "KeepsCookies on asyncio: 0 passed, 1 failed, 0 limits, 1 not applicable",
        "  FAILED  cookies-are-not-kept",
        "            rule:     Nothing of one response comes back in the next request.",
        "            expected: no Cookie in any request",
        "            seen:     [None, 'a=b; Path=/']",
        "  n/a     a-connection-is-used-again  no sockets here",
    ]
    assert [each.check.name for each in report] == [COOKIES, REUSE]
    assert (len(report.passed), len(report.failed), len(report.not_applicable)) == (0, 1, 1)


class Candid(KeepsCookies):
    """It says that it cannot keep the rule it breaks, nor one that it does keep."""

    limits = {COOKIES: "its jar is always on", STATUS: "an empty claim"}  # noqa: RUF012 - a table


def test_a_declared_limit_is_shown_and_is_no_failure() -> None:
    """The rule is tried all the same: what is kept counts as kept."""
    report = check_transport(Candid, only=[COOKIES, STATUS])

    assert [each.outcome for each in report] == ["limit", "passed"]
    assert "  limit   cookies-are-not-kept      its jar is always on" in str(report).splitlines()
    assert [each.check.name for each in report.limits] == [COOKIES]
    report.raise_failures()


def test_failures_are_raised_as_a_group() -> None:
    """Each is an AssertionError with its rule in a note."""
    report = check_transport(KeepsCookies, only=[COOKIES])

    with pytest.raises(ExceptionGroup, match=r"KeepsCookies on asyncio breaks 1 rule") as caught:
        report.raise_failures()

    (error,) = caught.value.exceptions
    assert isinstance(error, AssertionError)
    assert error.__notes__ == [
        f"{COOKIES}: Nothing of one response comes back in the next request."
    ]


def test_a_good_report_raises_nothing() -> None:
    """There is nothing to raise."""
    check_transport("httpx", backend="blocking", only=[COOKIES]).raise_failures()


def test_a_report_that_tried_nothing_proves_nothing() -> None:
    """Where no rule applied, the report is no proof."""
    report = check_transport(KeepsCookies, only=[COOKIES], skip={COOKIES: "why not"})

    with pytest.raises(ExceptionGroup, match="0 passed, 0 failed, 0 limits, 1 not applicable"):
        report.raise_failures()


def test_a_scope_of_samples_is_another_than_the_dialects_own() -> None:
    """Whether a request follows the scope is not seen otherwise, and the report says what to do."""
    subject = SUBJECTS["tenant"]
    bound = subject.dialect.scoped(subject.samples.scope)
    report = check_dialect(bound, subject.samples, only=["a-scoped-dialect-is-a-dialect"])

    assert "another scope than the dialect's own" in report.failed[0].expected


@pytest.mark.parametrize("argument", ["only", "skip"])
def test_a_check_that_is_not_there_is_named(argument: str) -> None:
    """A misspelt name would skip nothing, or all."""
    subject = SUBJECTS["exante"]
    given: dict[str, Any] = {argument: {"no-such": "x"}}

    with pytest.raises(ConfigurationError, match=r"no check named no-such; there are: the-name"):
        check_dialect(subject.dialect, subject.samples, **given)


def test_a_backend_that_is_not_there_is_named() -> None:
    """The error lists those there are; it is no report of rules that are all broken."""
    for run in (TRANSPORT_CHECKS[0].run, check_transport):
        with pytest.raises(ConfigurationError, match="asyncio, uvloop, trio, blocking"):
            run("httpx", backend="curio")


def test_a_check_is_a_tests_body_by_itself() -> None:
    """Run alone it raises an AssertionError, or what every test runner takes for a skip."""
    named = {each.name: each for each in TRANSPORT_CHECKS}

    with pytest.raises(CheckFailedError, match="expected no Cookie in any request; seen:"):
        named[COOKIES].run(KeepsCookies)
    with pytest.raises(SkipTest, match="it opens no connection"):
        named[REUSE].run(ROWS["memory"].subject)


def test_a_transport_of_the_wrong_colour_is_passed_over() -> None:
    """What waits on a loop is not tried where nothing may wait."""

    class Async(HttpxTransport):
        supports = frozenset({"async"})  # type: ignore[misc]  # another colour is the point

    result = run_transport_check(TRANSPORT_CHECKS[0], Async, backend="blocking")

    assert (result.outcome, result.why) == ("not applicable", "it only works on an event loop")


def test_a_transport_that_refuses_its_loop_is_passed_over() -> None:
    """One that says it cannot work here at all is not blamed for each rule."""

    def refusing(options: Any) -> MemoryTransport:
        return MemoryTransport([ConfigurationError("only works elsewhere.")])

    result = run_transport_check(TRANSPORT_CHECKS[0], refusing)

    assert (result.outcome, result.why) == ("not applicable", "only works elsewhere.")


def test_a_check_that_hangs_is_given_up() -> None:
    """The report says so, and the check does not wait for ever."""
    release = threading.Event()
    bench = Bench(HttpxTransport, "blocking")
    bench.keep(release.set)

    with pytest.raises(CheckFailedError, match=r"expected an end; seen: it still hung after 0\.05"):
        watched(bench, release.wait, seconds=0.05)


def test_a_failure_survives_a_process_pool() -> None:
    """Runners that spread tests over processes send errors as pickles."""
    error = CheckFailedError(expected="this", seen="that")
    twin = pickle.loads(pickle.dumps(error))  # noqa: S301 - our own

    assert (twin.expected, twin.seen, str(twin)) == ("this", "that", str(error))


def test_a_bench_leaves_no_thread_behind() -> None:
    """A server ends with its bench, whatever it was doing."""
    before = set(threading.enumerate())
    server = LoopbackServer(lambda heard: pytest.fail("no request is due"), reads="nothing")
    server.close()

    # A thread of another test may have ended meanwhile.
    assert before >= set(threading.enumerate())


@pytest.mark.slow
def test_the_suite_needs_neither_pytest_nor_an_extra() -> None:
    """Without trustme the rules of TLS do not apply, and the report says what to install."""
    program = """
import sys
sys.modules["trustme"] = None
from billingual.testing import check_transport
report = check_transport("httpx", backend="blocking", only=["an-expired-certificate-is-refused"])
print("pytest" in sys.modules, report.not_applicable[0].why)
"""
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", program], check=True, capture_output=True, text=True
    )

    assert done.stdout == 'False install "billingual[testing]", which brings trustme\n'
