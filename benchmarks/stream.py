"""Can a list of a million invoices be read in flat memory, and how fast?

``python benchmarks/stream.py [--rows 1000000]``: walks ``list()`` over loopback, 100 rows to the
page, each client in a fresh process with only what its own installation brings, the server in one
of its own. *Peak* is the most the process ever held, *growth* what it held at the end beyond what
it held after the first tenth. Ours remembers each id, in some nine bytes, to leave repeated rows
out; that memory alone is a row of its own, and the goal is for what grows beyond it. The peers walk
fewer pages (``--peers``, a tenth) of the same rows; what is compared is the time per invoice.
stripe pages behind an id in an envelope of its own, and openai by page number through its own
paginator.
"""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError

from _alone import alone
from _measuring import HERE, Cell, Study, arguments, fresh, serving
from _walks import IDS, OURS, WALKS


def main() -> None:
    """Measure, show and keep."""
    options = arguments(
        __doc__,
        rounds=1,
        rows=(0, "rows of our list; 1,000,000, quick 5,000"),
        peers=(0, "rows of the peers' lists; a tenth of ours"),
    )
    rows = options.rows or (5_000 if options.quick else 1_000_000)
    fewer = options.peers or rows // 10
    study = Study("stream", "Can a list of a million invoices be read in flat memory?")
    study.settings |= {"rows": rows, "rows of peers": fewer}
    seen: dict[str, dict[str, float]] = {}
    table: list[list[Cell]] = []
    for name, (_, needs) in WALKS.items():
        count = rows if name.startswith("billingual") else fewer
        try:
            with serving(rows=count) as base, alone(needs) as only:
                found = fresh(str(HERE / "_walks.py"), name, base, str(count), only=only)
        except (RuntimeError, PackageNotFoundError) as problem:
            if name.startswith("billingual"):
                raise
            study.leave_out(name, problem)
            continue
        seen[name] = found
        table.append([
            name, count, found["peak"], found["first"], found["growth"], 1e6 / found["wall_us"],
            found["cpu_us"],
        ])  # fmt: skip
    study.table(
        "walking a list; MiB of resident memory",
        ["client", "rows", "peak", "at first row", "growth", "invoices/s", "CPU us/invoice"],
        table,
    )
    study.goal(f"peak over httpx, {rows:,} invoices", seen[OURS]["peak"], 48.0, "MiB")
    growth = seen[OURS]["growth"] - seen[IDS]["growth"]
    study.goal("growth after the first tenth, beyond the ids", growth, 1.0, "MiB")
    for other, limit in (("openai", 0.8), ("stripe", 0.2)):
        for name, figures in seen.items():
            if name.startswith(other):
                ratio = seen[OURS]["wall_us"] / figures["wall_us"]
                study.goal(f"time per invoice, beside {name}", ratio, limit)
    study.close(quick=options.quick)


if __name__ == "__main__":
    main()
