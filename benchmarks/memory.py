"""How much memory does a decoded invoice take that is kept?

``python benchmarks/memory.py``: decodes the same 100 rows, or 100 full invoices, again and again
and keeps everything, in a fresh process for each. *Traced* is what Python allocated and did not
give back, the bytes of the responses included where they are still needed; *resident* is what the
process grew by. The plain tree is msgspec's response in frozen attrs classes with slots and nothing
else.
"""

from __future__ import annotations

import gc
import json
import sys
import tracemalloc

from _measuring import HERE, Cell, Study, arguments, fresh
from _payloads import ROWS
from _process import resident

SELF = str(HERE / "memory.py")
COUNTS = {"list page": (200, 40), "bulk response": (80, 10)}
PLAIN = "msgspec to plain attrs"
OURS = "billingual, as decoded"
TOUCHED = "billingual, and every attribute read"
SIDES = (
    OURS, TOUCHED, PLAIN, "orjson.loads", "pydantic model_validate_json",
    "openai models, plain lists", "stripe StripeObjects",
)  # fmt: skip


def one(name: str, which: str, quick: str, how: str) -> None:
    """Decode and keep, then print what it took; in a process of its own, *how* too.

    What one way of measuring gave back, the other would find free already.
    """
    import _decoders as decoders  # noqa: PLC0415 - the process that only collects does without
    from _touching import touch  # noqa: PLC0415 - likewise

    pages = COUNTS[which][int(quick)]
    prepare = decoders.DECODERS[OURS if name == TOUCHED else name](which)

    def decoded() -> object:
        # Each response has bytes of its own, as it would from the wire.
        found = prepare(bytes(bytearray(decoders.BODIES[which])))()
        if name == TOUCHED:
            touch(found, full=which == decoders.BULK)
        return found

    decoded()
    if how == "traced":
        tracemalloc.start()
    measure = _traced if how == "traced" else resident
    gc.collect()
    before = measure()
    made = [decoded() for _ in range(pages)]
    gc.collect()
    print(json.dumps({how: (measure() - before) / len(made) / ROWS}))


def _traced() -> int:
    return tracemalloc.get_traced_memory()[0]


def main() -> None:
    """Measure, show and keep."""
    options = arguments(__doc__, rounds=1)
    study = Study("memory", "How much memory does a decoded invoice take that is kept?")
    study.settings |= {"pages": {which: counts[options.quick] for which, counts in COUNTS.items()}}
    import _decoders as decoders  # noqa: PLC0415 - not in the processes that are measured

    for which in COUNTS:
        seen: dict[str, dict[str, float]] = {}
        for name in SIDES:
            try:
                seen[name] = {
                    **fresh(SELF, "--one", name, which, str(+options.quick), "traced"),
                    **fresh(SELF, "--one", name, which, str(+options.quick), "resident"),
                }
            except RuntimeError as problem:
                if name.startswith("billingual"):
                    raise
                study.leave_out(name, problem)
        plain = seen.get(PLAIN)
        rows: list[list[Cell]] = [
            [
                name,
                figures["traced"],
                figures["traced"] / plain["traced"] if plain else None,
                figures["resident"],
                figures["resident"] / plain["resident"] if plain else None,
            ]
            for name, figures in seen.items()
        ]
        heads = ["kept", "traced B/invoice", "ratio", "resident B/invoice", "ratio"]
        study.table(f"{which}; ratios to {PLAIN}", heads, rows)
        if plain:
            # Ours keeps the bytes as well, so that raw is as it came.
            beside = plain["traced"] + len(decoders.BODIES[which]) / ROWS
            ratio = seen[TOUCHED]["traced"] / beside
            study.goal(f"memory kept, {which}: {TOUCHED}, beside {PLAIN} and bytes", ratio, 1.3)
    study.close(quick=options.quick)


if __name__ == "__main__":
    if sys.argv[1:2] == ["--one"]:
        one(*sys.argv[2:])
    else:
        main()
