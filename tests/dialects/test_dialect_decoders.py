"""Decoders are made with the first response that needs them, by one thread at a time.

msgspec describes a struct with the first decoder of it. A second thread that meets a description
half-way crashes the process, and that happens too seldom to be waited for in a test.
"""

from __future__ import annotations

import subprocess
import sys

import pytest

PROGRAM = """
import msgspec
from billingual.dialects._kit import responses

held = 0
late = []

class Lock:
    def __enter__(self):
        global held
        held += 1

    def __exit__(self, *_):
        global held
        held -= 1

responses.COMPILING = Lock()
import billingual.dialects.exante.records, billingual.dialects.tenant.records
from billingual import Changes, Client, Draft

made = msgspec.json.Decoder

def decoder(*args, **options):
    late.append(held > 0)
    return made(*args, **options)

msgspec.json.Decoder = decoder
due = Changes(due_at="2027-01-01")
with Client("exante", transport="sandbox") as client:
    row = client.list().first()
    client.get(row.id)
    client.update(row.id, due)
    client.update_many({row.id: due})
with Client("kukkingu", transport="sandbox") as client:
    draft = next(each for each in client.list().collect(limit=100) if each.status == "DRAFT")
    client.get(draft.id)
    client.update(draft.id, due)
print(len(late), all(late))
"""


@pytest.mark.slow
def test_decoders_are_made_by_one_thread_at_a_time() -> None:
    """Each is made under the lock; in a process of its own, which has made none yet."""
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=True
    )

    made, all_under_lock = done.stdout.split()
    assert int(made) > 5
    assert all_under_lock == "True"
