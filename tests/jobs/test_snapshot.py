"""A ledger that is being written to is copied whole, and the copy is private."""

from __future__ import annotations

import shutil
import stat
import tempfile
import threading
from contextlib import closing
from pathlib import Path

import pytest

from billingual.jobs.entry import body_hash
from billingual.jobs.ledger import LedgerError, LedgerInUseError, NewEntry
from billingual.jobs.sqlite import SqliteLedger, snapshot


def ten(step: int) -> list[NewEntry]:
    """Make entries that are added in one step."""
    body = '{"text":"' + "x" * 500 + '"}'
    return [
        NewEntry(
            id=f"{step}-{each}",
            operation="create",
            target=None,
            number=f"{step}-{each}",
            body=body,
            body_hash=body_hash("create", None, body),
        )
        for each in range(10)
    ]


def test_a_copy_has_whole_steps_only(path: Path) -> None:
    """While steps are taken and the log begins anew often: each copy is sound, none goes back."""
    over = threading.Event()
    seen: list[int] = []
    with closing(SqliteLedger(path)) as ledger:
        # The log goes to the file after each few steps instead of each few hundred.
        ledger._connection.execute("PRAGMA wal_autocheckpoint = 40")

        def write() -> None:
            step = 0
            while not over.is_set():
                ledger.add(ten(step))
                step += 1

        writer = threading.Thread(target=write)
        writer.start()
        try:
            while len(set(seen)) < 12:
                with snapshot(path) as copy:
                    seen.append(sum(copy.counts().values()))
                    check = copy._connection.execute("PRAGMA integrity_check").fetchall()

                    assert [("ok",)] == check
        finally:
            over.set()
            writer.join()

    assert seen == sorted(seen)
    assert {0} == {each % 10 for each in seen}


def test_a_copy_is_whole_where_the_job_ends_meanwhile(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Then its log is gone, and the file is copied again."""
    ledger = SqliteLedger(path)
    ledger.add(ten(0))
    copyfile = shutil.copyfile

    def copied(source: Path, place: Path) -> None:
        copyfile(source, place)
        ledger.close()

    monkeypatch.setattr(shutil, "copyfile", copied)
    with snapshot(path) as copy:
        assert 10 == sum(copy.counts().values())


def test_a_copy_through_a_link_has_the_last_steps(path: Path, tmp_path: Path) -> None:
    """The log is beside the file itself."""
    (tmp_path / "elsewhere").mkdir()
    link = tmp_path / "elsewhere" / "link.db"
    link.symlink_to(path)
    with closing(SqliteLedger(path)) as ledger:
        ledger.add(ten(0))
        with snapshot(link) as copy:
            assert 10 == sum(copy.counts().values())


def test_a_copy_is_private_and_removed(path: Path) -> None:
    """Only its owner may look into the directory, which is gone afterwards."""
    with closing(SqliteLedger(path)) as ledger:
        ledger.add(ten(0))
        with snapshot(path) as copy:
            place = copy.path.parent

            assert 0o700 == stat.S_IMODE(place.stat().st_mode)
            assert 10 == sum(copy.counts().values())

    assert not place.exists()
    assert place.parent == Path(tempfile.gettempdir())


def test_a_file_without_a_log_is_not_copied(path: Path) -> None:
    """What several processes share may be written to in the middle."""
    with closing(SqliteLedger(path)) as ledger:
        ledger._connection.execute("PRAGMA journal_mode = DELETE")
        with pytest.raises(LedgerInUseError, match="several processes"), snapshot(path):
            raise AssertionError("it was copied")


def test_a_log_that_begins_anew_all_the_time_is_not_copied(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Copies of a file and a log that do not belong together are never shown."""
    headers = iter(range(1000))
    monkeypatch.setattr("billingual.jobs.sqlite._header", lambda _: b"%d" % next(headers))
    with closing(SqliteLedger(path)) as ledger:
        ledger.add(ten(0))
        with pytest.raises(LedgerInUseError, match="all the time"), snapshot(path):
            raise AssertionError("it was copied")


def test_a_missing_file_is_no_ledger(path: Path) -> None:
    """The error names it."""
    with pytest.raises(LedgerError, match="cannot be copied"), snapshot(path):
        raise AssertionError("it was copied")
