"""Programs whose tests stop the clock, as freezegun does, before anything of ours was loaded."""

from __future__ import annotations

import subprocess
import sys

import pytest

# freezegun puts a subclass in the place of ``datetime``; what is imported then gets that.
STOPPED = """
import datetime, json

class AsReal(type):
    def __instancecheck__(cls, value):
        return isinstance(value, real)

real = datetime.datetime

class Stopped(real, metaclass=AsReal):
    pass

datetime.datetime = Stopped
from billingual import Changes, Client, MemoryTransport
"""
READ = """
uid = "550e8400-e29b-41d4-a716-446655440000"
record = {"uid": uid, "due_date": DUE}
whole = {"status": "success", "status_code": 200, "message": "", "data": record}
transport = MemoryTransport(lambda _: MemoryTransport.json(json.dumps(whole)))
with Client("exante", transport=transport, token="t") as client:
    assert client.get(uid).due_at.isoformat() == "2026-12-31T00:00:00+00:00"
    changed = client.update(uid, Changes(due_at="2026-12-31T00:00:00Z"))
    assert (changed.due_at.isoformat(), changed.problems) == ("2026-12-31T00:00:00+00:00", ())
"""
TENANT = """
one = {"id": "inv_" + "a" * 24, "dueAt": DUE}
transport = MemoryTransport(lambda _: MemoryTransport.json(json.dumps({"data": one})))
with Client("kukkingu", transport=transport, token="t", tenant="tnt_" + "a" * 24) as client:
    read = client.get(one["id"])
    assert (read.due_at.isoformat(), read.problems) == ("2026-12-31T00:00:00+00:00", ())
"""


@pytest.mark.parametrize("program", [READ, TENANT], ids=["exante", "kukkingu"])
@pytest.mark.parametrize("due", ["2026-12-31T00:00:00Z", "2026-12-31T00:00+00:00"])
def test_the_first_call_under_a_stopped_clock_reads_times(program: str, due: str) -> None:
    """Both ways of reading: as RFC 3339 has it, and as more of ISO 8601 allows."""
    run = subprocess.run(
        [sys.executable, "-c", f"{STOPPED}\nDUE = {due!r}\n{program}"],
        check=False, capture_output=True, text=True, timeout=120,
    )  # fmt: skip

    assert (run.returncode, run.stderr) == (0, "")


WAITS = """
import asyncio, freezegun, json, sys
BEFORE_THE_IMPORT = sys.argv[1] == "before"
if not BEFORE_THE_IMPORT:
    import billingual.client
frozen = freezegun.freeze_time("2026-01-01", real_asyncio=True)
frozen.start()
from billingual import AsyncClient, Client, MemoryTransport, Retry
uid = "550e8400-e29b-41d4-a716-446655440000"
def script():
    asks = {"retry-after-ms": "20"}
    busy = MemoryTransport.json("{}", status=429, headers=asks)
    found = MemoryTransport.json(json.dumps({"data": {"uid": uid}}))
    return {
        "transport": MemoryTransport([busy, found, busy, found]), "token": "t" * 12,
        "retry": Retry(throttled_s=0.01),
    }
with Client("exante", **script()) as client:
    assert client.get(uid).id == uid == client.get(uid).id
async def main():
    async with AsyncClient("exante", **script()) as client:
        assert (await client.get(uid)).id == uid == (await client.get(uid)).id
asyncio.run(main())
"""


@pytest.mark.parametrize("freeze", ["before", "after"])
def test_a_wait_ends_under_freezegun(freeze: str) -> None:
    """The clock is stopped, and a sleep that ended counts all the same."""
    run = subprocess.run(
        [sys.executable, "-c", WAITS, freeze],
        check=False, capture_output=True, text=True, timeout=120,
    )  # fmt: skip

    assert (run.returncode, run.stderr) == (0, "")
