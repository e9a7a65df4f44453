"""A real process that is killed at any instant while it lands; what is landed is what there is.

Each story kills a landing several times at random instants while invoices are written, changed and
deleted, and then lets it end. Then each invoice must be there once, as the server has it: judged by
what the server itself has stored, and by plain SQL over the files.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from random import Random
from typing import Any, Final

import attrs
import duckdb
import pytest

from _support import killed_landing
from _support.command import check_runs
from _support.landed import TARGETS, landed
from billingual import Changes, Client, Draft
from billingual.landing import LandProgress, landed_files
from billingual.sandbox import LANDMARKS
from billingual.sandbox.server import Running, running

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(os.name != "posix", reason="SIGKILL is of POSIX"),
]

PROGRAM: Final = Path(killed_landing.__file__)
PATIENCE_S: Final = 120.0
KILLS: Final = 8
A_FEW_KILLS: Final = 3
BACKENDS: Final = ("blocking", "blocking", "asyncio", "trio")
OPEN: Final = ("DRAFT", "SCHEDULED", "SENT", "OVERDUE", "PARTIALLY_PAID", "APPROVED", "DISPUTED")
_LATEST: Final = """
SELECT id, number, status FROM read_parquet(?, union_by_name = true)
QUALIFY row_number() OVER (PARTITION BY id ORDER BY _seen_at DESC) = 1 AND _deleted_at IS NULL
"""


@attrs.define(eq=False)
class Story:
    """A target, the server whose invoices it holds, and what befalls both.

    Attributes:
        server: has the invoices.
        target: is to have them.
        chance: when to kill, and what is written meanwhile.
        written: numbers the invoices that were made.
    """

    server: Running
    target: Path
    chance: Random
    written: int = 0

    def start(self, *, last: int = 0, **options: object) -> subprocess.Popen[str]:
        """Start the program; it kills itself at its step *last*, if that is not 0."""
        options = {"since": "2024-01-01", "days": 120, **options}
        backend = "blocking" if last else self.chance.choice(BACKENDS)
        command = (self.server.base_url("exante"), self.target, json.dumps(options), backend, last)
        return subprocess.Popen(
            [sys.executable, PROGRAM, *map(str, command)],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)},
        )

    def run_and_kill(self, **options: object) -> bool:
        """Run the program, and kill it at a random instant; False if it ended before that."""
        with self.start(**options) as process:
            assert process.stdout is not None
            while process.stdout.readline().strip() != "landing":
                check_runs(process)
            time.sleep(self.chance.random() * 0.8)
            process.send_signal(signal.SIGKILL)
            _, noise = process.communicate()

        assert process.returncode in {0, -signal.SIGKILL}, noise
        return process.returncode != 0

    def finish(self, **options: object) -> int:
        """Run the program to its end; return how many steps on files it took."""
        with self.start(**options) as process:
            out, noise = process.communicate(timeout=PATIENCE_S)

        assert process.returncode == 0, noise
        return int(out.splitlines()[-1])

    def write(self, *, deletes: bool = False) -> None:
        """Let others work: make invoices, pay some that are open, delete some.

        An invoice that was made and paid between two reads, and dated long ago, is only seen by a
        full read: so those that are dated back stay open here.
        """
        url = self.server.base_url("exante")
        with Client("exante", **killed_landing.client_options(url)) as client:
            for kind, year in (("OLD", 2025), ("OLD", 2025), ("NEW", 2026)):
                self.written += 1
                draft = Draft(
                    number=f"{kind}-{self.written}",
                    counterparty=LANDMARKS["exante_party"],
                    owner=LANDMARKS["exante_owner"],
                    document=LANDMARKS["exante_document"],
                    issued_at=f"{year}-11-{self.chance.randint(1, 28):02}T00:00:00Z",
                )
                client.create(draft)
            rows = self.stored()
            still_open = [
                each
                for each, (number, status) in rows.items()
                if status in OPEN and not number.startswith("OLD")
            ]
            for each in self.chance.sample(sorted(still_open), 3):
                client.update(each, Changes(status="PAID"))
            if deletes:
                client.delete_many(self.chance.sample(sorted(rows), 2))

    def stored(self) -> dict[str, tuple[str, str]]:
        """Return number and status of each receivable that the server has."""
        found = self.server.app._control("GET", "invoices?provider=exante&limit=9999")["invoices"]
        shown: dict[str, tuple[str, str]] = {
            each["uid"]: (each["number"], each["status"])
            for each in found
            if each["type"] == "ACCOUNTS_RECEIVABLE"
            and each["organization"] == LANDMARKS["exante_organization"]
        }
        return shown

    def landed(self) -> dict[str, tuple[str, str]]:
        """Return the same of what was landed, by SQL as a user would write it."""
        if self.target.suffix == ".duckdb":
            with duckdb.connect(str(self.target), read_only=True) as connection:
                rows = connection.execute("SELECT id, number, status FROM invoices").fetchall()
        elif self.target.suffix == ".delta":
            return {uid: (number, status) for uid, (status, number) in landed(self.target).items()}
        else:
            with duckdb.connect() as connection:
                rows = connection.execute(_LATEST, [landed_files(self.target)]).fetchall()
        found = {uid: (number, status) for uid, number, status in rows}
        assert len(rows) == len(found)
        return found


@contextmanager
def told(place: Path, name: str, seed: int) -> Iterator[Story]:
    """Serve invoices for a story."""
    with running(invoices=130) as server:
        yield Story(server, place / name, Random(seed))  # noqa: S311 - it must be the same again


EACH: Final = pytest.mark.parametrize("name", TARGETS)


@EACH
def test_a_killed_landing_is_run_again_until_all_is_there(
    tmp_path: Path, name: str, proof: Any
) -> None:
    """Between the kills others make and pay invoices; each is landed once, as it is at the end."""
    kills = 0
    for number in range(proof.amount(1, 13)):
        with told(tmp_path, f"{number}-{name}", proof.seed + number) as story:
            for _ in range(proof.amount(A_FEW_KILLS, KILLS)):
                kills += story.run_and_kill()
                story.write()
            story.finish()

            assert story.stored() == story.landed()
    assert kills >= proof.amount(1, 50)


@EACH
def test_a_killed_full_read_tells_deletions_once_it_ends(
    tmp_path: Path, name: str, proof: Any
) -> None:
    """What is gone is told by the full read that was whole, however many were not."""
    for number in range(proof.amount(1, 13)):
        with told(tmp_path, f"{number}-{name}", -proof.seed - number) as story:
            story.finish()
            for _ in range(proof.amount(A_FEW_KILLS, KILLS)):
                story.run_and_kill(full=story.chance.random() < 0.5)
                story.write(deletes=True)
            story.finish(full=True)

            assert story.stored() == story.landed()


def test_a_folder_is_right_whichever_step_is_the_last(tmp_path: Path, proof: Any) -> None:
    """A process that dies before any of its steps on files leaves what the next run goes on from.

    A step is to open, flush, rename or remove a file. After each death, what counts is read: it is
    a part of the truth, and never an invoice twice.
    """
    with told(tmp_path, "whole", proof.seed) as story:
        first = story.finish(days=366)
        story.write()
        # More than one: the second run replaces what the first one has written.
        second = story.finish(days=366)
        assert story.stored() == story.landed()
        for number in story.chance.sample(range(1, first + 1), proof.amount(2, first)):
            story.target = tmp_path / f"first-{number}"
            with story.start(last=number, days=366) as process:
                _, noise = process.communicate(timeout=PATIENCE_S)
            assert process.returncode == -signal.SIGKILL, noise
            if (story.target / "manifest.jsonl").exists():
                manifest = (story.target / "manifest.jsonl").read_text(encoding="utf-8")
                if '"files": ["' in manifest:
                    assert story.landed().items() <= story.stored().items()
            story.finish(days=366)
            assert story.stored() == story.landed()
            story.write()
            again = min(second, story.chance.randrange(1, second + 1))
            with story.start(last=again, days=366) as process:
                _, noise = process.communicate(timeout=PATIENCE_S)
            assert process.returncode in {0, -signal.SIGKILL}, noise
            assert story.landed()
            story.finish(days=366)
            assert story.stored() == story.landed()


class StopError(Exception):
    """A test stops a landing."""


@EACH
def test_what_a_stopped_run_saw_open_is_looked_for_by_the_next(tmp_path: Path, name: str) -> None:
    """A window of days landed, and the run ended before the open ones were; then all are paid."""

    def stop(progress: LandProgress) -> None:
        if progress.done == progress.windows - 1:
            raise StopError

    with told(tmp_path, name, 1) as story:
        options = killed_landing.client_options(story.server.base_url("exante"))
        with Client("exante", **options) as client:
            with pytest.raises(StopError):
                client.land(story.target, since="2024-01-01", days=120, on_progress=stop)
            for each, (_, status) in story.stored().items():
                if status in OPEN:
                    client.update(each, Changes(status="PAID"))
            client.land(story.target, since="2024-01-01", days=120)

        assert story.stored() == story.landed()
