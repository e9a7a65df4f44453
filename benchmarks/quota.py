"""How well do many workers keep to one quota?

``python benchmarks/quota.py``: a provider on loopback with a bucket, eight processes that call as
much as they may, and five ways to hold them back. Then only two of the eight have calls to make,
and a minute in which Redis is killed twice and the provider turns everything away for 3 s. The
processes share two cores with the provider, so that latency is the machine's; the counts are not.
"""

from __future__ import annotations

import json
from typing import Any

from _measuring import HERE, Cell, Study, arguments, fresh
from _quota import GATES

NAMES = {
    "none": "nothing",
    "each": "Limiter(80) in each",
    "part": "billingual, Limiter(80, workers=8)",
    "limits": "limits on Redis, moving window, leases",
    "store": "billingual, Limiter(80, workers=8, store=...)",
}


def held(gate: str, **how: Any) -> dict[str, Any]:
    """Run one contest in processes of its own."""
    asked = json.dumps({"gate": gate, **how})
    return fresh(str(HERE / "_quota.py"), asked, timeout_s=how["seconds"] + 300)


def row(name: str, seen: dict[str, Any]) -> list[Cell]:
    """Return a row of a table."""
    return [
        name,
        100 * seen["of_quota"],
        seen["refused"],
        100 * seen["refused_part"],
        seen["store_calls_per_request"],
        f"{seen['fewest']}-{seen['most']}",
    ]


def main() -> None:
    """Measure, show and keep."""
    options = arguments(__doc__, rounds=1, seconds=(20.0, "of each contest; 20, quick 2"))
    seconds = options.seconds or (2.0 if options.quick else 20.0)
    study = Study("quota", "How well do many workers keep to one quota?")
    study.settings |= {"rate": 80, "workers": 8, "tasks": 4, "seconds": seconds}
    heads = ["held back by", "% of the quota", "429", "% 429", "store calls a call", "by worker"]
    for title, how in (
        ("eight workers that are all busy", {"seconds": seconds}),
        ("two busy workers of eight", {"seconds": seconds, "busy": 2}),
    ):
        rows: list[list[Cell]] = []
        for gate in GATES:
            try:
                rows.append(row(NAMES[gate], held(gate, **how)))
            except RuntimeError as problem:
                study.leave_out(NAMES[gate], problem)
        study.table(title, heads, rows)
    long = {"seconds": 3 * seconds, "restarts": 2, "storm_s": seconds * 3 / 20}
    seen = held("store", **long)
    study.table(
        f"{3 * seconds:g} s; Redis is killed twice, and all is refused for {long['storm_s']:g} s",
        heads, [row(NAMES["store"], seen)],
    )  # fmt: skip
    study.goal(
        "calls of the quota that are not used (storm, kills)", 1 - seen["of_quota"], 0.05, ""
    )
    study.goal("calls that meet a 429 (storm, kills)", seen["refused_part"], 0.01, "")
    study.goal("store calls for each call", seen["store_calls_per_request"], 1.5, "")
    study.close(quick=options.quick)


if __name__ == "__main__":
    main()
