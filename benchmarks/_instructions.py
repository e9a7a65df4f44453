"""How many instructions do the hot paths take? A guard that no busy machine disturbs.

``python benchmarks/_instructions.py`` runs each path in fresh processes under callgrind, with few
and with many repetitions; the difference between the two is what a repetition takes, and what
starting and importing takes falls out of it. The figures are compared with those kept in
``results/instructions.json`` for this minor version of Python: more than 5 % above is an error.
``--save`` keeps the new ones instead, for a change that is worth its price; ``--only PATH`` looks
at some. Where a path goes over loopback, the server is outside and its instructions are not
counted.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Final

HERE: Final = Path(__file__).parent
KEPT: Final = HERE / "results" / "instructions.json"
MINOR: Final = f"{sys.version_info.major}.{sys.version_info.minor}"
SLACK: Final = 0.05
CALLS: Final = (40, 140)
PAGES: Final = (3, 8)
Run = Callable[[int], None]


def decoding(which: str) -> Run:
    """Return what decodes a response."""
    import _decoders as decoders  # noqa: PLC0415 - only where it is counted

    prepare, body = decoders.ours(which), decoders.BODIES[which]

    def run(count: int) -> None:
        for _ in range(count):
            prepare(body)()

    return run


def blocking(transport: str, base: str) -> Run:
    """Return what makes blocking calls."""
    from billingual import Client  # noqa: PLC0415 - only where it is counted

    uid, client = _made(Client, transport, base)

    def run(count: int) -> None:
        for _ in range(count):
            client.get(uid)

    return run


def awaited(transport: str, base: str) -> Run:
    """Return what makes awaited calls, one after another."""
    from billingual import AsyncClient  # noqa: PLC0415 - only where it is counted

    uid, client = _made(AsyncClient, transport, base)

    async def calls(count: int) -> None:
        for _ in range(count):
            await client.get(uid)
        await client.aclose()

    return lambda count: asyncio.run(calls(count))


def _made(kind: Any, transport: str, base: str) -> tuple[str, Any]:
    from _payloads import single  # noqa: PLC0415 - only where it is counted

    uid, body = single()
    if transport != "memory":
        return uid, kind("exante", token="t", base_url=base, transport=transport)  # noqa: S106
    from _answering import Answering  # noqa: PLC0415 - only where it is counted

    return uid, kind("exante", transport=Answering(body))


PATHS: Final[Mapping[str, tuple[tuple[int, int], Callable[[str], Run]]]] = {
    "decode a list page": (PAGES, lambda _: decoding("list page")),
    "decode a bulk response": (PAGES, lambda _: decoding("bulk response")),
    "awaited call, in memory": (CALLS, lambda base: awaited("memory", base)),
    "blocking call, in memory": (CALLS, lambda base: blocking("memory", base)),
    "awaited call, httpx": (CALLS, lambda base: awaited("httpx", base)),
    "blocking call, httpx": (CALLS, lambda base: blocking("httpx", base)),
    "awaited call, aiohttp": (CALLS, lambda base: awaited("aiohttp", base)),
}


def one(path: str, count: str, base: str) -> None:
    """Run a path, in a process that is watched."""
    run = PATHS[path][1](base)
    gc.collect()
    gc.freeze()
    run(int(count))
    sys.stdout.flush()
    os._exit(0)  # what a process does to end itself is not what is asked


def counted(path: str, count: int, base: str) -> int:
    """Return the instructions of one process.

    Raises:
        RuntimeError: if it fails, with what it said.
    """
    with tempfile.NamedTemporaryFile() as found:
        command = [
            "valgrind", "--tool=callgrind", f"--callgrind-out-file={found.name}",
            sys.executable, __file__, "--run", path, str(count), base,
        ]  # fmt: skip
        env = {**os.environ, "PYTHONHASHSEED": "0", "PYTHONDONTWRITEBYTECODE": "1"}
        done = subprocess.run(command, capture_output=True, text=True, env=env, check=False)
        total = re.search(r"Collected : (\d+)", done.stderr)
        if done.returncode or not total:
            raise RuntimeError(done.stderr)
        return int(total[1])


def per_repetition(path: str, base: str) -> int:
    """Return the instructions that one repetition takes."""
    few, many = PATHS[path][0]
    return (counted(path, many, base) - counted(path, few, base)) // (many - few)


def measured(paths: list[str]) -> dict[str, int]:
    """Count *paths*, as many at a time as there are cores."""
    from _measuring import serving  # noqa: PLC0415 - a watched process does without
    from _payloads import single  # noqa: PLC0415 - likewise

    with serving(body=single()[1]) as base, ThreadPoolExecutor(os.cpu_count()) as pool:
        return dict(
            zip(paths, pool.map(lambda path: per_repetition(path, base), paths), strict=True)
        )


def compared(now: Mapping[str, int], kept: Mapping[str, int]) -> tuple[str, list[str]]:
    """Return a table of *now* beside *kept*, and the paths that became dearer than allowed."""
    lines, dearer = [f"{'path':28}{'instructions':>14}{'kept':>14}{'change':>9}"], []
    for path, count in now.items():
        before = kept.get(path)
        change = f"{(count / before - 1) * 100:+.1f} %" if before else "new"
        lines.append(f"{path:28}{count:14,}{before or 0:14,}{change:>9}")
        if before and count > before * (1 + SLACK):
            dearer.append(path)
    return "\n".join(lines), dearer


def main() -> int:
    """Count, show, and compare or keep."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--save", action="store_true", help="keep the figures")
    parser.add_argument("--only", action="append", choices=list(PATHS), help="not all paths")
    options = parser.parse_args()
    if shutil.which("valgrind") is None:
        print("valgrind is not installed; install it with the system's packages (apt, dnf, brew).")
        return 2
    kept = json.loads(KEPT.read_text(encoding="utf-8")) if KEPT.exists() else {}
    mine = kept.setdefault(MINOR, {})
    now = measured(options.only or list(PATHS))
    table, dearer = compared(now, mine)
    print(table)
    if options.save:
        mine.update(now)
        KEPT.parent.mkdir(exist_ok=True)
        KEPT.write_text(json.dumps(kept, indent=1) + "\n", encoding="utf-8")
        return 0
    if not mine:
        print(f"nothing is kept for Python {MINOR}; keep these figures with --save")
        return 1
    for path in dearer:
        print(f"{path}: more than {SLACK:.0%} above what is kept; make it cheaper, or --save")
    return 1 if dearer else 0


if __name__ == "__main__":
    if sys.argv[1:2] == ["--run"]:
        one(*sys.argv[2:])
    else:
        sys.exit(main())
