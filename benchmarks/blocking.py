"""What does one blocking call cost, beside the raw libraries and other SDKs?

``python benchmarks/blocking.py``: reads one full invoice over loopback, keep-alive, one call after
another in one thread; CPU time of this process per call, the server in a process of its own. Ours
ends in a typed invoice with exact money; the column *gives* says what the others hand out.
"""

from __future__ import annotations

from contextlib import ExitStack

from _blocking_peers import BLOCKING, GIVES, RAW_BLOCKING, in_turn, opened_blocking
from _measuring import Study, arguments, serving
from _payloads import single
from _peers import OURS, OURS_H11
from _process import pinned


def main() -> None:
    """Measure, show and keep."""
    options = arguments(__doc__, rounds=31)
    calls = 20 if options.quick else 100
    study = Study("blocking", "What does one blocking call cost?")
    study.settings |= {"rounds": options.rounds, "calls": calls}
    pinned()
    uid, body = single()
    with serving(body=body) as base, ExitStack() as closing:
        calling = opened_blocking(BLOCKING, base, uid, closing, study)
        sides = {name: in_turn(call) for name, call in calling.items()}
        seen = study.take_turns(
            sides, rounds=options.rounds, calls=calls, warm=3, ours="billingual"
        )
    study.compare("blocking, one after another", seen, beside=RAW_BLOCKING, gives=GIVES)
    study.goal("blocking call over httpx, beside raw httpx", seen.ratio(OURS, RAW_BLOCKING), 1.15)
    study.ahead("blocking call over h11", seen, OURS_H11)
    study.close(quick=options.quick)


if __name__ == "__main__":
    main()
