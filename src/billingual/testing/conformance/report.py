"""The parts of a conformance suite: checks, the result of each, and a report for people."""

from __future__ import annotations

import textwrap
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Final, NoReturn, ParamSpec
from unittest import SkipTest

import attrs

from billingual.errors import ConfigurationError

__all__ = [
    "FAILED",
    "LIMIT",
    "NOT_APPLICABLE",
    "PASSED",
    "Check",
    "CheckFailedError",
    "NotApplicableError",
    "Report",
    "Result",
    "checks_in",
    "conclude",
    "judge",
    "selected",
]

P = ParamSpec("P")

PASSED: Final = "passed"
FAILED: Final = "failed"
LIMIT: Final = "limit"
NOT_APPLICABLE: Final = "not applicable"
_MARKS: Final = {PASSED: "ok", FAILED: "FAILED", LIMIT: "limit", NOT_APPLICABLE: "n/a"}


class CheckFailedError(AssertionError):
    """A rule was broken.

    Attributes:
        expected: what the rule asks for.
        seen: what happened instead.
    """

    def __init__(self, *, expected: str, seen: str) -> None:
        super().__init__(f"expected {expected}; seen: {seen}")
        self.expected = expected
        self.seen = seen

    def __reduce__(self) -> tuple[object, ...]:
        return (_revived, (self.expected, self.seen))


def _revived(expected: str, seen: str) -> CheckFailedError:
    return CheckFailedError(expected=expected, seen=seen)


class NotApplicableError(SkipTest):
    """A rule that means nothing here; unittest and pytest take it for a skipped test."""


@attrs.frozen
class Check:
    """One rule, and the way to try it.

    ``run`` takes what is to be checked and returns None, or raises :class:`CheckFailedError` or
    :class:`NotApplicableError`; so a check is a test function's body by itself.

    Attributes:
        name: short, in words with hyphens, and the same in every release.
        rule: the rule in one sentence.
        run: tries it.
    """

    name: str
    rule: str
    run: Callable[..., None] = attrs.field(repr=False, eq=False)

    def __str__(self) -> str:
        return self.name


@attrs.frozen(kw_only=True)
class Result:
    """What came of one check.

    Attributes:
        check: the check.
        outcome: ``"passed"``, ``"failed"``, ``"not applicable"``, or ``"limit"`` where the rule
            is broken and the subject declares that it cannot keep it.
        why: why it does not apply or cannot be kept; empty otherwise.
        expected: what a failed one asks for; empty otherwise.
        seen: what happened instead; empty otherwise.
        error: what a failed one raised.
    """

    check: Check
    outcome: str
    why: str = ""
    expected: str = ""
    seen: str = ""
    error: Exception | None = attrs.field(default=None, repr=False, eq=False)


@attrs.frozen
class Report:
    """What came of all checks of a suite; ``str`` of it is for people.

    Attributes:
        subject: what was checked, in words.
        results: one for each check, in the order of the suite.
    """

    subject: str
    results: tuple[Result, ...]

    @property
    def passed(self) -> tuple[Result, ...]:
        """The rules that are kept."""
        return self._of(PASSED)

    @property
    def failed(self) -> tuple[Result, ...]:
        """The rules that are broken."""
        return self._of(FAILED)

    @property
    def limits(self) -> tuple[Result, ...]:
        """The rules that are broken, and that the subject declares it cannot keep."""
        return self._of(LIMIT)

    @property
    def not_applicable(self) -> tuple[Result, ...]:
        """The rules that mean nothing here, each with the reason why."""
        return self._of(NOT_APPLICABLE)

    def raise_failures(self) -> None:
        """Do nothing if no rule is broken.

        Raises:
            ExceptionGroup: if one is: of an AssertionError for each, with the rule in its notes.
                Also if no rule was tried at all, for that proves nothing.
        """
        raised = [each.error for each in self.failed if each.error is not None]
        if not raised and not self.passed:
            raise ExceptionGroup(
                str(self), [CheckFailedError(expected="a rule that applies", seen="none")]
            )
        if raised:
            raise ExceptionGroup(f"{self.subject} breaks {len(raised)} rule(s)", raised)

    def __iter__(self) -> Iterator[Result]:
        return iter(self.results)

    def __str__(self) -> str:
        counts = (
            f"{len(self.passed)} passed, {len(self.failed)} failed, {len(self.limits)} limits, "
            f"{len(self.not_applicable)} not applicable"
        )
        width = max((len(each.check.name) for each in self.results), default=0)
        lines = [f"{self.subject}: {counts}"]
        for each in self.results:
            lines.append(f"  {_MARKS[each.outcome]:<6}  {each.check.name:<{width}}  {each.why}")
            lines[-1] = lines[-1].rstrip()
            if each.outcome == FAILED:
                lines += _told("rule", each.check.rule)
                lines += _told("expected", each.expected)
                lines += _told("seen", each.seen)
        return "\n".join(lines)

    def _of(self, outcome: str) -> tuple[Result, ...]:
        return tuple(each for each in self.results if each.outcome == outcome)


def _told(label: str, text: str) -> list[str]:
    first = f"            {label + ':':<10}"
    return textwrap.wrap(text, 100, initial_indent=first, subsequent_indent=" " * len(first))


def fail(*, expected: str, seen: object) -> NoReturn:
    """Say that a rule is broken.

    Raises:
        CheckFailedError: always.
    """
    raise CheckFailedError(expected=expected, seen=_shortened(seen))


def expect(holds: object, *, expected: str, seen: object) -> None:
    """Say that a rule is broken, unless it *holds*.

    Raises:
        CheckFailedError: if it does not hold.
    """
    if not holds:
        fail(expected=expected, seen=seen)


def _shortened(seen: object) -> str:
    return textwrap.shorten(seen if isinstance(seen, str) else repr(seen), 600)


def named_check(function: Callable[P, None], rule: str | None) -> Check:
    """Make a check that is named after *function* and whose rule is the docstring's first line."""
    lines = (rule or "").strip().splitlines()
    return Check(
        name=function.__name__.replace("_", "-"),
        rule=lines[0] if lines else "",
        run=function,
    )


def checks_in(names: Mapping[str, object]) -> tuple[Check, ...]:
    """Collect the checks of a module from its ``globals()``, in the order of their definitions.

    A list would be one more place to write the name of each; one that is not in it never runs.
    """
    return tuple(each for each in names.values() if isinstance(each, Check))


def judge(
    check: Check, run: Callable[[], None], *, unless: str | None = None, limit: str | None = None
) -> Result:
    """Run one check and say what came of it; an error of any kind is a broken rule.

    Args:
        check: the check.
        run: runs it.
        unless: why it is passed over, if it is.
        limit: why the subject cannot keep the rule, if it declares so. It is tried all the same.
    """
    if unless is not None:
        return Result(check=check, outcome=NOT_APPLICABLE, why=unless)
    try:
        run()
    except NotApplicableError as reason:
        return Result(check=check, outcome=NOT_APPLICABLE, why=str(reason))
    except CheckFailedError as error:
        failure, expected, seen = error, error.expected, error.seen
    except Exception as other:  # noqa: BLE001 - whatever the part under check raises
        expected, seen = "no error", _shortened(f"{type(other).__name__}: {other}")
        failure = CheckFailedError(expected=expected, seen=seen)
        failure.__cause__ = other
    else:
        return Result(check=check, outcome=PASSED)
    if limit is not None:
        return Result(check=check, outcome=LIMIT, why=limit, expected=expected, seen=seen)
    failure.add_note(f"{check.name}: {check.rule}")
    return Result(check=check, outcome=FAILED, expected=expected, seen=seen, error=failure)


def selected(
    checks: Iterable[Check], only: Iterable[str] | None, skip: Mapping[str, str] | None
) -> tuple[Check, ...]:
    """Choose checks by name.

    Raises:
        ConfigurationError: if there is none of a name that is given.
    """
    listed = tuple(checks)
    wanted = None if only is None else tuple(only)
    unknown = {*(wanted or ()), *(skip or {})} - {each.name for each in listed}
    if unknown:
        raise ConfigurationError(
            f"there is no check named {', '.join(sorted(unknown))}; there are: "
            f"{', '.join(each.name for each in listed)}."
        )
    return listed if wanted is None else tuple(each for each in listed if each.name in wanted)


def conclude(
    subject: str,
    checks: Iterable[Check],
    run: Callable[[Check], None],
    *,
    only: Iterable[str] | None,
    skip: Mapping[str, str] | None,
    limits: Mapping[str, str] | None = None,
) -> Report:
    """Run the chosen checks one after another and report on them."""
    skipped, known = dict(skip or {}), dict(limits or {})
    results = [
        judge(
            each,
            lambda each=each: run(each),  # type: ignore[misc]
            unless=skipped.get(each.name),
            limit=known.get(each.name),
        )
        for each in selected(checks, only, skip)
    ]
    return Report(subject, tuple(results))
