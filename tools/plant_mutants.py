"""Break our own code in a copy, one rule at a time, and see that the tests notice.

A suite that passes proves little until it has been seen to fail for the right reason. Each mutant
here breaks one promise in one line; the tests named beside it must fail. A mutant that survives,
or that no longer fits the source, ends the run with an error. ``--only NAME`` plants one.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Final, NamedTuple

ROOT: Final = Path(__file__).parents[1]


class Mutant(NamedTuple):
    """One broken promise: in *module*, *old* becomes *new*, and one of *tests* must fail."""

    promise: str
    module: str
    old: str
    new: str
    tests: tuple[str, ...]


MUTANTS: Final = (
    Mutant(
        "an unclear write is never sent again",
        "retry/classify.py",
        '    if safety.replayable:\n        return ""\n',
        '    return ""\n',
        ("tests/regressions", "tests/retry", "tests/client"),
    ),
    Mutant(
        "a refusal after an unclear attempt stays unclear",
        "retry/classify.py",
        "    return Outcome.UNKNOWN if unclear else last",
        "    return last",
        ("tests/retry",),
    ),
    Mutant(
        "a conflict is not tried again",
        "retry/policy.py",
        "error.status in {408, 425, 499}",
        "error.status in {408, 409, 425, 499}",
        ("tests/retry", "tests/regressions"),
    ),
    Mutant(
        "a yes that cannot be read is unclear, not a failure",
        "retry/classify.py",
        "        error, (ServerError, RedirectedError, ProtocolError)\n",
        "        error, (ServerError, RedirectedError)\n",
        ("tests/retry", "tests/client"),
    ),
    Mutant(
        "a redirect of a write is unclear",
        "retry/classify.py",
        "        error, (ServerError, RedirectedError, ProtocolError)\n",
        "        error, (ServerError, ProtocolError)\n",
        ("tests/retry", "tests/client"),
    ),
    Mutant(
        "a 429 proves nothing where the dialect says so",
        "retry/classify.py",
        "Outcome.NOT_APPLIED if rate_limit_precedes_handler else Outcome.UNKNOWN",
        "Outcome.NOT_APPLIED",
        ("tests/retry", "tests/client/test_calls.py"),
    ),
    Mutant(
        "all attempts of an operation carry one key",
        "_pipeline.py",
        "        self.key = self.key or self.operation.key or self.context.backend.fresh_key()",
        "        self.key = self.context.backend.fresh_key()",
        ("tests/client",),
    ),
    Mutant(
        "a response that was not understood is not committed",
        "_pipeline.py",
        "        self._record(classify(error), error)",
        "        self._record(Outcome.COMMITTED, None)",
        ("tests/client",),
    ),
    Mutant(
        "an unclear write is looked for in its own account",
        "reconcile/reconciler.py",
        "    if unclear.account not in {(), context.account}:",
        "    if unclear.account is None:",
        ("tests/client",),
    ),
    Mutant(
        "Retry-After counts in seconds",
        "retry/retry_after.py",
        "asked += [each for each in seconds",
        "asked += [each / 1000 for each in seconds",
        ("tests/retry", "tests/regressions"),
    ),
    Mutant(
        "retry-after-ms counts in milliseconds",
        "retry/retry_after.py",
        "[each / 1000 for each in milliseconds",
        "[each for each in milliseconds",
        ("tests/regressions",),
    ),
    Mutant(
        "no wait reaches the deadline",
        "retry/policy.py",
        "        if wait_s >= left_s:",
        "        if wait_s < 0:",
        ("tests/retry",),
    ),
    Mutant(
        "one deadline covers all attempts",
        "_pipeline.py",
        "        self.sent_at = context.backend.now()",
        "        self.sent_at = context.backend.now()\n"
        "        self.deadline = start_deadline(context)",
        ("tests/client",),
    ),
    Mutant(
        "retries are paid for",
        "retry/budget.py",
        "        self.tokens -= cost\n",
        "",
        ("tests/retry", "tests/exhaustive/test_outages.py"),
    ),
    Mutant(
        "a rate limit pauses every caller of its credential",
        "retry/pace.py",
        "        return max(self._paused_until, self._last + apart) - now",
        "        return self._last + apart - now",
        ("tests/retry", "tests/exhaustive/test_outages.py"),
    ),
    Mutant(
        "a half-open circuit lets one attempt through",
        "retry/breaker.py",
        "            self._open_until = now + self.rest_s\n\n    def note",
        "            self._open_until = _CLOSED\n\n    def note",
        ("tests/retry",),
    ),
    Mutant(
        "the next request leaves before a prefetched page is decoded",
        "pagination/prefetch.py",
        "                if stop_when_received:\n                    return\n",
        "",
        ("tests/client/test_prefetch.py",),
    ),
    Mutant(
        "a finished trio run is not taken for alive",
        "backends/scope.py",
        "            return self.call_soon(_nothing)",
        "            return True",
        ("tests/backends", "tests/retry"),
    ),
    Mutant(
        "an absence needs time for late requests",
        "reconcile/reconciler.py",
        "        if not left:\n            return None\n",
        "        if left <= 100:\n            return None\n",
        ("tests/client",),
    ),
    Mutant(
        "an absence needs a known invoice",
        "reconcile/reconciler.py",
        "        if known.id in {each.id for each in seen.rows}:",
        "        if seen.rows is not None:",
        ("tests/client",),
    ),
    Mutant(
        "an absence needs a second search",
        "reconcile/reconciler.py",
        "        return await self._search_again(draft, vouched_at) or Reconciliation(",
        "        return Reconciliation(",
        ("tests/client",),
    ),
    Mutant(
        "an absence needs the known invoice once more",
        "reconcile/reconciler.py",
        "            vouched_at, doubt = await self._doubt_search()\n",
        "            vouched_at, doubt = backend.now(), None\n",
        ("tests/client/test_reconcile.py",),
    ),
    Mutant(
        "inactive invoices are looked at too",
        "dialects/exante/dialect.py",
        "        include_inactive=True,\n",
        "",
        ("tests/client", "tests/dialects"),
    ),
    Mutant(
        "the default organization proves nothing",
        "dialects/exante/dialect.py",
        "        if self.organization is None:",
        '        if self.organization == "":',
        ("tests/client", "tests/dialects"),
    ),
    Mutant(
        "what is adopted fits in every field",
        "reconcile/reconciler.py",
        "        if unlike or not isinstance(invoice, Invoice):",
        "        if not isinstance(invoice, Invoice):",
        ("tests/client",),
    ),
    Mutant(
        "an unclear finalize is settled by its status",
        "reconcile/readback.py",
        "    if invoice.status not in wanted:",
        "    if invoice.status is None:",
        ("tests/client", "tests/equivalence"),
    ),
    Mutant(
        "a lock is explained from the invoice as it is",
        "reconcile/readback.py",
        "    locked = capabilities.locked(invoice.status, changes.given())",
        '    locked = capabilities.locked("FINALIZED", changes.given())',
        ("tests/client", "tests/equivalence", "tests/dialects"),
    ),
    Mutant(
        "a final invoice takes its payment date alone",
        "dialects/tenant/dialect.py",
        '"FINALIZED": frozenset({"paid_at"})',
        '"FINALIZED": frozenset({"paid_at", "due_at"})',
        ("tests/dialects", "tests/equivalence"),
    ),
    Mutant(
        "the token is struck out of responses",
        "auth/signature.py",
        "if len(text) >= _SECRET_LENGTH)",
        "if not text)",
        ("tests/client", "tests/architecture/test_secrets.py"),
    ),
    Mutant(
        "an amount has at most 30 digits, whichever way it is read",
        "dialects/_kit/fields.py",
        "    if not -LARGEST < whole < LARGEST:",
        "    if not whole:",
        ("tests/dialects",),
    ),
    Mutant(
        "a response is bounded",
        "transports/_body.py",
        "        if self._size > self._largest:",
        "        if self._size < 0:",
        ("tests/conformance", "tests/transports"),
    ),
    Mutant(
        "a connection that broke gives its slot back",
        "transports/_pool.py",
        "connection.aclose()\n        finally:\n            local.slots.release()",
        "connection.aclose()\n        finally:\n            pass",
        ("tests/cancellation", "tests/conformance", "tests/transports", "tests/process"),
    ),
    Mutant(
        "what was sent whole is not called unsent",
        "transports/h11/connection.py",
        "            request_complete=sock.flushed or None,",
        "            request_complete=False,",
        ("tests/conformance", "tests/transports"),
    ),
    Mutant(
        "a page of a proxy refuses no write of a job",
        "jobs/runner.py",
        "error.maybe_applied or is_page(error):",
        "error.maybe_applied:",
        ("tests/jobs/test_job.py",),
    ),
    Mutant(
        "a page of a proxy does not prove that an invoice is gone",
        "reconcile/readback.py",
        "        if not is_page(missing):\n",
        "        if missing:\n",
        ("tests/client/test_reconcile.py", "tests/jobs/test_job.py"),
    ),
    Mutant(
        "a refused delete is looked at when reads show what it did",
        "jobs/runner.py",
        "later = self._late_arrival_s if deletes else 0.0",
        "later = 0.0",
        ("tests/jobs/test_job.py",),
    ),
)


def pytest_on(place: Path, tests: Sequence[str]) -> int:
    """Run tests of the copy until the first fails; return the exit code."""
    there = [each for each in tests if (place / each).exists()]
    return subprocess.run(  # noqa: S603 - our own tests
        [sys.executable, "-m", "pytest", "-x", "-q", "-p", "no:randomly", "-p", "no:cacheprovider",
         *there],
        cwd=place, env={**os.environ, "PYTHONPATH": str(place / "src")}, check=False,
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    ).returncode  # fmt: skip


def planted(place: Path, mutant: Mutant) -> str:
    """Plant one mutant, run its tests, heal the copy; return what happened."""
    module = place / "src" / "billingual" / mutant.module
    healthy = module.read_text(encoding="utf-8")
    if healthy.count(mutant.old) != 1:
        return f"does not fit {mutant.module} any more"
    module.write_text(healthy.replace(mutant.old, mutant.new), encoding="utf-8")
    code = pytest_on(place, mutant.tests)
    module.write_text(healthy, encoding="utf-8")
    return {0: "SURVIVED", 1: "caught"}.get(code, f"pytest ended with {code}")


def main(arguments: Sequence[str] | None = None) -> int:
    """Plant every mutant and print what became of it."""
    parser = argparse.ArgumentParser(description="See the tests fail for the right reasons.")
    parser.add_argument("--only", default="", help="a part of the promise to break")
    wanted: str = parser.parse_args(arguments).only
    with tempfile.TemporaryDirectory() as name:
        place = Path(name)
        for each in ("src", "tests"):
            shutil.copytree(ROOT / each, place / each, ignore=shutil.ignore_patterns("__pycache__"))
        for each in ("pyproject.toml", "conftest.py"):
            shutil.copy(ROOT / each, place)
        chosen = [each for each in MUTANTS if wanted in each.promise]
        if pytest_on(place, sorted({test for each in chosen for test in each.tests})) != 0:
            print("the tests fail before anything is planted, so they can show nothing")
            return 1
        ends = [(planted(place, each), each.promise) for each in chosen]
    for end, promise in ends:
        print(f"{end:10}  {promise}")
    survivors = sum(end != "caught" for end, _ in ends)
    print(f"{len(ends) - survivors} of {len(ends)} mutants caught")
    return 1 if survivors or not ends else 0


if __name__ == "__main__":
    raise SystemExit(main())
