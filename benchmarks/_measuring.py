"""What the benchmarks share: a server, taking turns, goals, and one way to show and keep figures.

A benchmark makes a :class:`Study`, gives it tables and goals, and closes it: the tables are printed
and, unless the run was ``--quick``, kept in ``results/<name>.json`` with the versions and the
machine they depend on. ``_report.py`` writes them into ``docs/performance.md``.
"""

from __future__ import annotations

import argparse
import gc
import json
import os
import platform
import random
import re
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, TypeAlias

import attrs
from rich.console import Console
from rich.markup import escape
from rich.table import Table

HERE = Path(__file__).parent
RESULTS = HERE / "results"
PACKAGES = (
    "aiohttp", "anyio", "arro3-core", "attrs", "azure-core", "billingual", "botocore", "cattrs",
    "dbos", "dlt", "duckdb", "elastic-transport", "elasticsearch", "google-api-core",
    "google-auth", "h11", "httpcore", "httpcore2", "httpx", "httpx2", "limits", "localstripe",
    "msgspec", "openai", "orjson", "procrastinate", "pyarrow", "pydantic", "pysail",
    "pyspark", "redis", "requests", "stamina", "stripe", "tenacity", "urllib3",
)  # fmt: skip
Batch: TypeAlias = Callable[[int], None]
Cell: TypeAlias = str | float | int | None


def arguments(doc: str | None, *, rounds: int, **more: tuple[Any, str]) -> argparse.Namespace:
    """Read the command line: ``--quick``, ``--rounds`` and numbers of a benchmark's own."""
    parser = argparse.ArgumentParser(description=(doc or "").partition("\n")[0])
    parser.add_argument("--quick", action="store_true", help="only show that it runs; keep nothing")
    parser.add_argument("--rounds", type=int, help=f"turns of each side; {rounds}, quick 2")
    for name, (default, text) in more.items():
        parser.add_argument(f"--{name}", type=type(default), default=None, help=text)
    options = parser.parse_args()
    if options.rounds is None:
        options.rounds = 2 if options.quick else rounds
    return options


@contextmanager
def serving(
    *,
    body: bytes = b"{}",
    rows: int = 0,
    days: int = 0,
    batches: bool = False,
    delay_s: float = 0.0,
) -> Iterator[str]:
    """Run the server of canned responses; yield its URL."""
    with tempfile.NamedTemporaryFile() as file:
        file.write(body)
        file.flush()
        command = [sys.executable, str(HERE / "_server.py"), "--body", file.name]
        command += ["--rows", str(rows), "--days", str(days), "--delay", str(delay_s)]
        command += ["--batches"] if batches else []
        with subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        ) as server:
            assert server.stdout is not None
            assert server.stdin is not None
            try:
                yield f"http://127.0.0.1:{int(server.stdout.readline())}"
            finally:
                server.stdin.close()


def fresh(*command: str, only: str | None = None, timeout_s: float = 3600) -> dict[str, Any]:
    """Run Python in a process of its own and return the JSON in the last line it prints.

    Args:
        command: what follows the name of the interpreter.
        only: the one folder where packages are found; None for the environment of this process.
        timeout_s: longest wait.

    Raises:
        RuntimeError: if it fails, with the last line of what it said.
    """
    apart = ["-S", "-s"] if only else []
    place = {**os.environ, **({"PYTHONPATH": only} if only else {})}
    # With it, what an installer did not compile is compiled again in each process: 70 ms of our
    # own source, and nothing of a peer that was installed as compiled.
    place.pop("PYTHONDONTWRITEBYTECODE", None)
    done = subprocess.run(
        [sys.executable, *apart, *command],
        capture_output=True,
        text=True,
        timeout=timeout_s,
        check=False,
        env=place,
    )
    if done.returncode:
        said = done.stderr.strip().splitlines() or [f"exit status {done.returncode}"]
        raise RuntimeError(said[-1])
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


@attrs.define
class Seen:
    """CPU and wall microseconds per call, of each side in each round."""

    cpu: dict[str, list[float]] = attrs.field(factory=dict)
    wall: dict[str, list[float]] = attrs.field(factory=dict)

    def ratio(self, side: str, beside: str, *, wall: bool = False) -> float | None:
        """Return the median of the ratios within rounds; None where a side was left out."""
        kept = self.wall if wall else self.cpu
        if side not in kept or beside not in kept:
            return None
        pairs = zip(kept[side], kept[beside], strict=True)
        return statistics.median(one / other for one, other in pairs)

    def add(self, side: str, cpu: float, wall: float) -> None:
        """Add one round of a side."""
        self.cpu.setdefault(side, []).append(cpu)
        self.wall.setdefault(side, []).append(wall)

    def forget(self, side: str) -> None:
        """Leave a side out."""
        self.cpu.pop(side, None)
        self.wall.pop(side, None)


@attrs.define
class Study:
    """One question, and what was found.

    Attributes:
        name: of the file of results.
        question: in one sentence.
        left_out: who could not take part, and why.
        settings: what the run was told.
    """

    name: str
    question: str
    settings: dict[str, object] = attrs.field(factory=dict)
    left_out: dict[str, str] = attrs.field(factory=dict)
    tables: list[dict[str, Any]] = attrs.field(factory=list)
    goals: list[dict[str, Any]] = attrs.field(factory=list)
    load_before: float = attrs.field(factory=lambda: round(os.getloadavg()[0], 2))

    def leave_out(self, who: str, problem: BaseException) -> None:
        """Say that a side does not take part."""
        missing = re.search(
            r"No (?:module named '|package metadata was found for )([\w-]+)", str(problem)
        )
        self.left_out[who] = (
            f"{missing[1]} is not installed"
            if missing
            else f"{type(problem).__name__}: {str(problem)[:200]}"
        )

    def take_turns(
        self, sides: Mapping[str, Batch], *, rounds: int, calls: int, warm: int, ours: str
    ) -> Seen:
        """Run a batch of each side in each round, in an order drawn anew; CPU and wall per call.

        A side that fails is left out, but not those whose name starts with *ours*.
        """
        seen, taking_part = Seen(), dict(sides)
        gc.collect()
        gc.freeze()  # what was made so far is not charged to the next side
        for _ in range(rounds):
            for side in random.sample(sorted(taking_part), len(taking_part)):
                try:
                    batch = taking_part[side]
                    batch(warm)  # connections that grew cold while others had their turn
                    cpu, wall = time.process_time(), time.perf_counter()
                    batch(calls)
                    used, passed = time.process_time() - cpu, time.perf_counter() - wall
                    seen.add(side, used / calls * 1e6, passed / calls * 1e6)
                except Exception as problem:  # a peer must not end the run
                    if side.startswith(ours):
                        raise
                    self.leave_out(side, problem)
                    seen.forget(side)
                    del taking_part[side]
        gc.unfreeze()
        return seen

    def compare(
        self, title: str, seen: Seen, *, beside: str, gives: Mapping[str, str], unit: str = "call"
    ) -> None:
        """Add a table of all sides, the cheapest first."""
        rows = [
            [
                side,
                gives.get(side, ""),
                statistics.median(seen.cpu[side]),
                seen.ratio(side, beside),
                statistics.median(seen.wall[side]),
                seen.ratio(side, beside, wall=True),
            ]
            for side in sorted(seen.cpu, key=lambda side: statistics.median(seen.cpu[side]))
        ]
        heads = [
            "client", "gives", f"CPU us/{unit}", "CPU ratio", f"wall us/{unit}", "wall ratio",
        ]  # fmt: skip
        self.table(f"{title}; ratios to {beside}", heads, rows)

    def table(self, title: str, heads: Sequence[str], rows: Sequence[Sequence[Cell]]) -> None:
        """Add a table; numbers are shown to three digits and kept as they are."""
        self.tables.append({"title": title, "heads": list(heads), "rows": [list(r) for r in rows]})

    def goal(self, what: str, seen: float | None, limit: float, unit: str = "x") -> None:
        """Add a goal: at most *limit*; nothing is said where a side was left out."""
        if seen is not None:
            self.goals.append(
                {"what": what, "seen": seen, "limit": limit, "unit": unit, "reached": seen <= limit}
            )

    def ahead(self, what: str, seen: Seen, side: str) -> None:
        """Add the goal that *side* costs less than each that is not ours."""
        for other in sorted(seen.cpu):
            if not other.startswith(("billingual", "raw")):
                self.goal(f"{what}, beside {other}", seen.ratio(side, other), 1.0)

    def close(self, *, quick: bool) -> None:
        """Print everything and, unless the run was quick, keep it."""
        console = Console(width=None if sys.stdout.isatty() else 120)
        for table in self.tables:
            console.print(shown(table))
        if self.goals:
            console.print(shown(goal_table(self.goals)))
        for who, why in self.left_out.items():
            console.print(f"left out: {who} ({why})", style="yellow", markup=False)
        if quick:
            return
        RESULTS.mkdir(exist_ok=True)
        kept = json.dumps(self.record(), indent=1, ensure_ascii=False)
        # One row a line: what a person compares stands side by side.
        kept = re.sub(r"\[\s+([^\[\]{}]*?)\s+\]", lambda m: f"[{_joined(m[1])}]", kept)
        (RESULTS / f"{self.name}.json").write_text(kept + "\n", encoding="utf-8")

    def record(self) -> dict[str, Any]:
        """Return everything, with what it depends on."""
        return {
            "question": self.question,
            "command": f"python benchmarks/{Path(sys.argv[0]).name}",
            "settings": self.settings,
            "tables": [
                {**table, "rows": [[_rounded(cell) for cell in row] for row in table["rows"]]}
                for table in self.tables
            ],
            "goals": [{**goal, "seen": _rounded(goal["seen"])} for goal in self.goals],
            "left_out": self.left_out,
            "machine": {**machine(), "load_before": self.load_before},
            "versions": versions(),
        }


def machine() -> dict[str, object]:
    """Return what figures depend on beside versions."""
    model = platform.machine()
    facts = Path("/proc/cpuinfo")
    if facts.exists():
        found = re.search(r"model name\s*:\s*(.+)", facts.read_text(encoding="utf-8"))
        model = found[1].strip() if found else model
    return {
        "cpu": model,
        "cores": os.cpu_count(),
        "system": f"{platform.system()} {platform.release()}",
        "python": f"{platform.python_implementation()} {platform.python_version()}",
        "load_after": round(os.getloadavg()[0], 2),
    }


def versions() -> dict[str, str]:
    """Return the versions of all packages that take part and are installed."""
    found = {}
    for name in PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


def goal_table(goals: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Return goals as a table."""
    rows = [
        [
            goal["what"],
            f"<= {number(goal['limit'])} {goal['unit']}",
            f"{number(goal['seen'])} {goal['unit']}",
            "yes" if goal["reached"] else "no",
        ]
        for goal in goals
    ]
    return {"title": "goals", "heads": ["what", "goal", "seen", "reached"], "rows": rows}


def number(cell: Cell) -> str:
    """Write a cell: floats to three digits, integers in full."""
    if cell is None:
        return "-"
    if isinstance(cell, float):
        return f"{cell:.0f}" if abs(cell) >= 100 else f"{cell:.3g}"
    return f"{cell:,}" if isinstance(cell, int) else cell


def shown(table: Mapping[str, Any]) -> Table:
    """Return a table for the terminal."""
    drawn = Table(title=escape(table["title"]), title_justify="left")
    for index, head in enumerate(table["heads"]):
        left = all(isinstance(row[index], str) for row in table["rows"])
        drawn.add_column(head, justify="left" if left else "right")
    for row in table["rows"]:
        style = {"yes": "green", "no": "red"}.get(row[-1])
        drawn.add_row(*(escape(number(cell)) for cell in row), style=style)
    return drawn


def _rounded(cell: Cell) -> Cell:
    return float(f"{cell:.4g}") if isinstance(cell, float) else cell


def _joined(cells: str) -> str:
    return ", ".join(line.strip().rstrip(",") for line in cells.splitlines())
