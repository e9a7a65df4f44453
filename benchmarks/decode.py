"""What does it cost to read a response: from its bytes to invoices?

``python benchmarks/decode.py``: a list page of 100 rows (about 110 KB) and the response of a bulk
update of 100 full invoices (about 280 KB). Ours goes through the dialect as a client does, and
keeps the raw payload. All attributes but ``raw`` are made at once; reading every attribute, and
reading ``raw``, are rows of their own. All typed peers decode every documented field. CPU time,
garbage collection included.
"""

from __future__ import annotations

import time

from _decoders import BODIES, BULK, DECODERS, FLOOR, GIVES, PAGE, TOUCHED, Preparing
from _measuring import Batch, Seen, Study, arguments
from _payloads import ROWS
from _process import pinned


def decoding(prepare: Preparing, body: bytes, spent: list[float]) -> Batch:
    """Return a batch that decodes *body*; what preparing took goes to *spent*."""

    def batch(count: int) -> None:
        start = time.process_time()
        ready = [prepare(body) for _ in range(count)]
        spent.append(time.process_time() - start)
        while ready:
            ready.pop()()  # what it made is given up at once

    return batch


def measured(study: Study, which: str, rounds: int, calls: int) -> Seen:
    """Let all decoders that are installed take turns; microseconds per invoice."""
    sides: dict[str, Batch] = {}
    spent: dict[str, list[float]] = {}
    for name, maker in DECODERS.items():
        try:
            spent[name] = []
            sides[name] = decoding(maker(which), BODIES[which], spent[name])
            sides[name](1)
        except Exception as problem:  # a peer must not end the run
            if name.startswith("billingual"):
                raise
            sides.pop(name, None)
            study.leave_out(name, problem)
    for values in spent.values():
        values.clear()
    seen = study.take_turns(sides, rounds=rounds, calls=calls, warm=1, ours="billingual")
    for name, values in seen.cpu.items():
        prepared = spent[name][1::2]  # every other batch is the warming one
        for kept in (values, seen.wall[name]):
            kept[:] = [
                (each - took / calls * 1e6) / ROWS
                for each, took in zip(kept, prepared, strict=True)
            ]
    return seen


def main() -> None:
    """Measure, show and keep."""
    options = arguments(__doc__, rounds=31)
    calls = 2 if options.quick else 5
    study = Study("decode", "What does it cost to read a response: from its bytes to invoices?")
    study.settings |= {"rounds": options.rounds, "calls": calls, "invoices": ROWS}
    study.settings |= {f"bytes of a {which}": len(body) for which, body in BODIES.items()}
    pinned()
    for which in (PAGE, BULK):
        seen = measured(study, which, options.rounds, calls)
        study.compare(f"{which} of {ROWS}", seen, beside=FLOOR, gives=GIVES, unit="invoice")
        study.goal(f"read a {which}, beside orjson.loads", seen.ratio(TOUCHED, FLOOR), 3.0)
        for other in list(DECODERS)[6:]:
            study.goal(f"read a {which}, beside {other}", seen.ratio(TOUCHED, other), 1.0)
    study.close(quick=options.quick)


if __name__ == "__main__":
    main()
