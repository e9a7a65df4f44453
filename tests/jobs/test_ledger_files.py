"""What a ledger does with its file: whose it is, who may read it, and what if it cannot be used."""

from __future__ import annotations

import gc
import os
import signal
import sqlite3
import stat
import subprocess
import sys
import tempfile
import textwrap
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from random import Random
from typing import Any

import pytest

from billingual.errors import UsageError
from billingual.jobs.entry import State, body_hash
from billingual.jobs.ledger import Claim, Ledger, LedgerError, LedgerInUseError, NewEntry, Seen
from billingual.jobs.schema import APPLICATION_ID, VERSION
from billingual.jobs.sqlite import SqliteLedger, refuse_network

NOW = 1_700_000_000.0
LIMITS = {"create": 1, "update": 10, "delete": 10}
WAL_IS_SAFE = sqlite3.sqlite_version_info >= (3, 51, 3)
posix = pytest.mark.skipif(os.name != "posix", reason="modes of files are those of POSIX")

PREAMBLE = """
import sys
from billingual.jobs.entry import body_hash
from billingual.jobs.ledger import LedgerInUseError, NewEntry, Seen
from billingual.jobs.sqlite import SqliteLedger

PATH, *REST = sys.argv[1:]
LIMITS = {"create": 1, "update": 10, "delete": 10}
"""


def new(number: str, body: str = "{}") -> NewEntry:
    """Make the entry of a draft."""
    return NewEntry(
        id=number,
        operation="create",
        target=None,
        number=number,
        body=body,
        body_hash=body_hash("create", None, body),
    )


def claim(ledger: Ledger, *, now: float = NOW) -> Claim:
    """Claim the next entry."""
    made = ledger.claim(
        owner="me", now=now, lease=now + 90, limits=LIMITS, before=False, full=False
    )
    assert made is not None
    return made


def commit(ledger: Ledger, made: Claim) -> None:
    """End a claim with success."""
    invoices = {each.id: f"inv_{each.id}" for each in made.entries}
    ledger.commit(made, now=NOW, invoices=invoices, notes={}, late_check=NOW)


def start(program: str, *arguments: object) -> subprocess.Popen[str]:
    """Start a program in a process of its own."""
    return subprocess.Popen(
        [sys.executable, "-c", PREAMBLE + textwrap.dedent(program), *map(str, arguments)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )


@contextmanager
def holding(path: Path, **options: object) -> Iterator[subprocess.Popen[str]]:
    """Have another process that has the ledger open, with one entry in flight."""
    program = f"""
    ledger = SqliteLedger(PATH, **{options!r})
    ledger.claim(
        owner="other", now={NOW}, lease={NOW + 90}, limits=LIMITS, before=False, full=False
    )
    print("open", flush=True)
    sys.stdin.read()
    """
    with start(program, path) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == "open\n"
        try:
            yield other
        finally:
            other.kill()


def modes(path: Path) -> dict[str, int]:
    """Return the mode of each file of a ledger."""
    return {each.name: stat.S_IMODE(each.stat().st_mode) for each in path.parent.iterdir()}


# Who may read it


@posix
@pytest.mark.parametrize("shared", [False, True])
def test_only_the_owner_may_read_the_files(path: Path, shared: bool) -> None:  # noqa: FBT001
    """The file itself and what SQLite keeps beside it, whatever the umask is."""
    before = os.umask(0)
    try:
        with closing(SqliteLedger(path, shared=shared)) as ledger:
            ledger.add([new("A-1")])
            with ledger._step() as connection:
                connection.execute("UPDATE entry SET reason = 'x'")
                # A journal is there while a step is taken.
                beside = "job.db-wal" if not shared or WAL_IS_SAFE else "job.db-journal"

                assert {"job.db", beside} <= modes(path).keys()
                assert {0o600} == set(modes(path).values())
    finally:
        os.umask(before)


@posix
def test_a_ledger_that_others_could_read_is_made_private(path: Path) -> None:
    """Also the files beside it, which a killed process has left."""
    ledger = SqliteLedger(path)
    ledger.add([new("A-1")])
    copies = {each: each.read_bytes() for each in path.parent.iterdir()}
    ledger.close()
    for each, content in copies.items():
        each.write_bytes(content)
        each.chmod(0o644)

    assert len(copies) > 1
    with closing(SqliteLedger(path)) as ledger:
        assert {State.PLANNED: 1} == ledger.counts()
        assert {0o600} == set(modes(path).values())


# Whose it is


def foreign(path: Path, *statements: str) -> None:
    """Make a database of another program."""
    with closing(sqlite3.connect(path)) as connection:
        for statement in statements:
            connection.execute(statement)
        connection.commit()
    path.chmod(0o644)


@pytest.mark.parametrize(
    "statements",
    [
        ["CREATE TABLE customer (name TEXT)"],
        ["PRAGMA application_id = 7"],
        ["PRAGMA user_version = 3"],
        ["PRAGMA journal_mode = WAL", "CREATE TABLE entry (id TEXT)"],
    ],
)
@pytest.mark.parametrize("shared", [False, True])
def test_another_programs_database_is_left_alone(
    path: Path,
    statements: list[str],
    shared: bool,  # noqa: FBT001
) -> None:
    """It is refused, and neither its bytes nor its mode change."""
    foreign(path, *statements)
    before = (path.read_bytes(), path.stat().st_mode)
    with pytest.raises(UsageError, match="another program's database"):
        SqliteLedger(path, shared=shared)

    assert before == (path.read_bytes(), path.stat().st_mode)
    assert [path] == list(path.parent.iterdir())


@pytest.mark.parametrize(
    "content", [b"number;total\nA-1;10,00\n" * 100, b"A;1\n", b"SQLite format 3"]
)
def test_another_file_is_left_alone(path: Path, content: bytes) -> None:
    """A table of invoices, say, whose name was given in the ledger's place."""
    path.write_bytes(content)
    path.chmod(0o644)
    with pytest.raises(UsageError, match="no SQLite file"):
        SqliteLedger(path)

    assert content == path.read_bytes()
    assert [path] == list(path.parent.iterdir())


@pytest.mark.parametrize(("age", "step"), [("a newer", 1), ("an older", -1)])
def test_another_format_is_refused(path: Path, age: str, step: int) -> None:
    """A version that does not know the format does not know what it must not break."""
    SqliteLedger(path).close()
    foreign(path, f"PRAGMA user_version = {VERSION + step}")
    with pytest.raises(UsageError, match=rf"by {age} billingual.*format {VERSION + step}"):
        SqliteLedger(path)


def test_the_file_says_what_it_is(path: Path) -> None:
    """The mark is at byte 68 of the header, where ``file`` looks for it."""
    SqliteLedger(path).close()

    assert APPLICATION_ID.to_bytes(4, "big") == path.read_bytes()[68:72]


def test_an_empty_file_becomes_a_ledger(path: Path) -> None:
    """So does one whose making was cut short."""
    path.touch()
    with closing(SqliteLedger(path)) as ledger:
        assert 1 == ledger.add([new("A-1")])


def test_a_name_that_sqlite_reads_otherwise_is_a_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is kept in memory only would be lost."""
    monkeypatch.chdir(tmp_path)
    for name in (":memory:", "file:x?mode=memory"):
        with closing(SqliteLedger(name)) as ledger:
            ledger.add([new("A-1")])
        with closing(SqliteLedger(tmp_path / name)) as ledger:
            assert {State.PLANNED: 1} == ledger.counts()


def test_the_ledger_stays_where_it_was_opened(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The program may change its directory meanwhile."""
    monkeypatch.chdir(tmp_path)
    with closing(SqliteLedger("job.db")) as ledger:
        monkeypatch.chdir("/")

        assert tmp_path / "job.db" == ledger.path


# What is missing


@pytest.mark.parametrize("steps", [1, 60])
def test_a_file_without_its_log_is_refused(in_memory: Path, steps: int) -> None:
    """Copied or moved alone, it lacks the last steps: what they sent would be sent again."""
    (in_memory / "there").mkdir()
    path, alone = in_memory / "job.db", in_memory / "there" / "other.db"
    with closing(SqliteLedger(path)) as ledger:
        for step in range(steps):
            # SQLite puts the log into the file about every four million bytes.
            ledger.add(new(f"A-{step}-{each}", "x" * 1000) for each in range(100))
        ledger.add([new("the last one")])
        copies = [path.read_bytes(), path.with_name("job.db-wal").read_bytes()]
    alone.write_bytes(copies[0])
    with pytest.raises(LedgerError, match=r"lacks its last steps.*put that here as other\.db-wal"):
        SqliteLedger(alone)

    alone.with_name("other.db-wal").write_bytes(copies[1])
    with closing(SqliteLedger(alone)) as ledger:
        assert {State.PLANNED: 100 * steps + 1} == ledger.counts()


def test_a_ledger_that_was_forgotten_open_is_whole(path: Path) -> None:
    """At the end of its process SQLite puts the log into the file."""
    ledger = SqliteLedger(path)
    ledger.add([new("A-1")])
    del ledger
    gc.collect()

    assert [path] == list(path.parent.iterdir())
    with closing(SqliteLedger(path)) as ledger:
        assert {State.PLANNED: 1} == ledger.counts()


@pytest.mark.parametrize("shared", [False, True])
def test_a_kill_just_before_a_step_lacks_nothing(path: Path, shared: bool) -> None:  # noqa: FBT001
    """Then the log says that there is more to come, and is there."""
    with closing(SqliteLedger(path)) as ledger:
        ledger.add([new("A-1")])
        ledger._connection.execute(f"PRAGMA user_version = {-VERSION}")
        copies = {each: each.read_bytes() for each in path.parent.iterdir()}
    for each, content in copies.items():
        each.write_bytes(content)
    for _ in range(2):
        with closing(SqliteLedger(path, shared=shared)) as ledger:
            assert {State.PLANNED: 1} == ledger.counts()


def test_a_step_whose_log_cannot_begin_anew_lacks_nothing(path: Path) -> None:
    """It is not taken, and the file that is closed then is whole."""
    asked: list[str | None] = []

    def allowed(_: int, name: str | None, *others: str | None) -> int:
        asked.append(name)
        fails = name == "wal_checkpoint" and asked.count(name) == 2
        return sqlite3.SQLITE_DENY if fails else sqlite3.SQLITE_OK

    with closing(SqliteLedger(path)) as ledger:
        os.utime(path)
        ledger._connection.set_authorizer(allowed)
        with pytest.raises(LedgerError, match="not authorized"):
            ledger.add([new("A-1")])
    with closing(SqliteLedger(path)) as ledger:
        assert {} == ledger.counts()


# Where it is

MOUNTS = r"""
22 1 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw
30 22 0:26 / /mnt/office rw shared:5 - cifs //server/office rw
31 22 0:27 / /mnt/my\040share rw - nfs4 server:/x rw
32 30 8:2 / /mnt/office/disk rw - xfs /dev/sdb1 rw
33 22 0:28 / /home/anna/cloud rw - fuse.rclone remote: rw
34 22 8:3 / /mnt/stick rw - fuseblk /dev/sdc1 rw
35 22 0:29 / /mnt/ntfs rw - fuse.ntfs-3g /dev/sdc2 rw
36 22 8:4 / /mnt/twice rw - ext4 /dev/sdd1 rw
37 36 0:30 / /mnt/twice rw master:1 - 9p host rw
""".strip()


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("/mnt/office/job.db", "cifs"),
        ("/mnt/office/november/job.db", "cifs"),
        ("/mnt/my share/job.db", "nfs4"),
        ("/home/anna/cloud/job.db", r"fuse\.rclone"),
        ("/mnt/twice/job.db", "9p"),
        ("/var/../mnt/office/job.db", "cifs"),
    ],
)
def test_a_network_file_system_is_refused(name: str, kind: str) -> None:
    """Its locks are not reliable."""
    with pytest.raises(UsageError, match=rf"network file system \({kind}\)"):
        refuse_network(Path(name), MOUNTS)


@pytest.mark.parametrize(
    "name",
    [
        "/home/anna/job.db", "/mnt/officer/job.db", "/mnt/office/disk/job.db", "/mnt/stick/job.db",
        "/mnt/ntfs/job.db", "/mnt/office",
    ],
)  # fmt: skip
def test_a_disk_of_this_machine_is_taken(name: str) -> None:
    """Also one that is mounted within a network file system; nothing is known without a table."""
    refuse_network(Path(name), MOUNTS)
    refuse_network(Path(name), "")


def test_a_link_to_a_network_file_system_is_refused(tmp_path: Path) -> None:
    """What counts is where the file is, not where its name is."""
    mounts = f"1 0 8:1 / / rw - ext4 x rw\n2 1 0:1 / {tmp_path}/far rw - nfs server:/x rw"
    (tmp_path / "far").mkdir()
    (tmp_path / "job.db").symlink_to(tmp_path / "far" / "job.db")
    with pytest.raises(UsageError, match="nfs"):
        refuse_network(tmp_path / "job.db", mounts)


def test_links_in_a_circle_are_refused(tmp_path: Path) -> None:
    """As an error of ours."""
    (tmp_path / "job.db").symlink_to(tmp_path / "other")
    (tmp_path / "other").symlink_to(tmp_path / "job.db")
    with pytest.raises(LedgerError, match="cannot be opened"):
        SqliteLedger(tmp_path / "job.db")


# When it cannot be used


def test_a_directory_is_refused(tmp_path: Path) -> None:
    """As an error of ours that says so."""
    with pytest.raises(LedgerError, match="it is a directory"):
        SqliteLedger(tmp_path)


def test_a_missing_directory_is_refused(tmp_path: Path) -> None:
    """It is not made: the name is likely a mistake."""
    with pytest.raises(LedgerError, match="No such file or directory"):
        SqliteLedger(tmp_path / "missing" / "job.db")

    assert [] == list(tmp_path.iterdir())


@contextmanager
def as_another_user() -> Iterator[None]:
    """Give the rights of root away, who may write everywhere."""
    if os.geteuid() != 0:
        yield
        return
    os.seteuid(65_534)
    try:
        yield
    finally:
        os.seteuid(0)


@posix
@pytest.mark.parametrize("shared", [False, True])
def test_a_directory_that_cannot_be_written_is_refused(shared: bool) -> None:  # noqa: FBT001
    """Whether the ledger is there or not: SQLite keeps a journal beside it."""
    with tempfile.TemporaryDirectory() as place:
        path = Path(place) / "job.db"
        Path(place).chmod(0o777)
        with as_another_user():
            with closing(SqliteLedger(path, shared=shared)) as ledger:
                ledger.add([new("A-1")])
            if os.geteuid() == Path(place).stat().st_uid:
                Path(place).chmod(0o555)
        Path(place).chmod(0o555)
        with as_another_user():
            with (
                pytest.raises(LedgerError, match=r"cannot be (opened|used|written)"),
                closing(SqliteLedger(path, shared=shared)) as ledger,
            ):
                ledger.add([new("A-2")])
            with pytest.raises(LedgerError, match=r"cannot be opened.*Permission denied"):
                SqliteLedger(path.with_name("other.db"), shared=shared)
        Path(place).chmod(0o700)
        with closing(SqliteLedger(path)) as ledger:
            assert {State.PLANNED: 1} == ledger.counts()


@posix
def test_a_file_that_may_not_be_read_is_refused() -> None:
    """Another user's ledger, say."""
    with tempfile.TemporaryDirectory() as place:
        path = Path(place) / "job.db"
        Path(place).chmod(0o777)
        SqliteLedger(path).close()
        path.chmod(0o000)
        with as_another_user(), pytest.raises(LedgerError, match=r"cannot be (opened|used)"):
            SqliteLedger(path)


def damaged(path: Path, ledger: SqliteLedger) -> None:
    """Overwrite all pages but the first."""
    ledger.close()
    content = path.read_bytes()
    path.write_bytes(content[:4096] + b"\xa5" * (len(content) - 4096))


def test_a_damaged_file_says_so_and_is_not_written(path: Path) -> None:
    """It says what to do; nothing is sent upon it."""
    ledger = SqliteLedger(path)
    ledger.add(new(f"A-{each}") for each in range(2000))
    damaged(path, ledger)
    before = path.read_bytes()
    with pytest.raises(LedgerError, match=r"is damaged.*take a copy"):
        claim(SqliteLedger(path))

    assert before[100:] == path.read_bytes()[100:]


def test_a_file_that_is_damaged_meanwhile_says_so(path: Path) -> None:
    """Each step is refused, with our error."""
    ledger = SqliteLedger(path)
    ledger.add(new(f"A-{each}") for each in range(2000))
    ledger.close()
    ledger = SqliteLedger(path)
    made = claim(ledger)
    ledger._connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    ledger._connection.execute("PRAGMA cache_size = 0")
    content = path.read_bytes()  # This gives the lock away, which no other process wants here.
    path.write_bytes(content[:4096] + b"\xa5" * (len(content) - 4096))
    ledger._connection.execute("PRAGMA shrink_memory")
    with pytest.raises(LedgerError, match="is damaged"):
        commit(ledger, made)
    with pytest.raises(LedgerError, match="is damaged"):
        ledger.counts()
    ledger.close()


# When the disk is full


def failure_of(step: Callable[[SqliteLedger], object], ledger: SqliteLedger) -> str | None:
    """Take a step; return what its error says, or None."""
    try:
        step(ledger)
    except LedgerError as error:
        return str(error)
    return None


def test_a_full_disk_takes_no_half_step(path: Path) -> None:
    """For the n-th page, n = 0, 1, 2, ...: the step is not taken, and is taken later as usual."""
    body = '{"text":"' + "x" * 1500 + '"}'
    steps: list[Callable[[SqliteLedger], object]] = [
        lambda ledger: ledger.add([new(f"B-{each}", body) for each in range(20)]),
        lambda ledger: made.append(claim(ledger)),
        lambda ledger: ledger.unclear(
            made[-1], now=NOW, not_before=NOW, status=None, why="w" * 5000, refusal=None
        ),
        lambda ledger: looks.append(ledger.claim_look(owner="me", now=NOW, lease=NOW + 90)),
        lambda ledger: ledger.postpone(looks[-1], now=NOW, not_before=NOW, why="p" * 9000),
        lambda ledger: made.append(claim(ledger)),
        lambda ledger: commit(ledger, made[-1]),
        lambda ledger: ledger.resolve(
            "B-0", State.ABANDONED, now=NOW, by="anna", note="n" * 9000, invoice_id=None
        ),
    ]
    made: list[Claim] = []
    looks: list[Any] = []
    full = 0
    for free in range(40):
        path.unlink(missing_ok=True)
        with closing(SqliteLedger(path)) as ledger:
            run = ledger._connection.execute
            for step in steps:
                pages = run("PRAGMA page_count").fetchone()[0]
                run(f"PRAGMA max_page_count = {pages + free % 8 if full % 3 == 0 else pages}")
                before = ledger.entries((), 0, 100)
                failed = failure_of(step, ledger)
                if failed is not None:
                    assert "database or disk is full" in failed
                    assert "nothing is sent that is not in it" in failed
                    assert before == ledger.entries((), 0, 100)
                    full += 1
                    run("PRAGMA max_page_count = 100000")
                    step(ledger)
            states = [each.state for each in ledger.entries((), 0, 100)]

            assert [State.ABANDONED, State.COMMITTED] + [State.PLANNED] * 18 == states
            assert [("ok",)] == run("PRAGMA integrity_check").fetchall()

    assert full >= 40


def test_a_full_disk_takes_no_half_of_several_steps(path: Path) -> None:
    """Of steps taken together, one that meets a full disk is not taken, and the others are."""
    seen: set[tuple[bool, bool]] = set()

    def taken(ledger: SqliteLedger) -> tuple[bool, bool]:
        def both() -> None:
            claim(ledger)
            added.append(failure_of(lambda _: ledger.add(entries), ledger) is None)
            claim(ledger)

        entries = [new(f"C-{each}", "x" * 1500) for each in range(20)]
        added: list[bool] = []
        kept = failure_of(lambda _: ledger.together(both), ledger) is None
        return kept, kept and added[0]

    for free in range(24):
        path.unlink(missing_ok=True)
        with closing(SqliteLedger(path)) as ledger:
            run = ledger._connection.execute
            ledger.add([new(f"B-{each}") for each in range(3)])
            pages = run("PRAGMA page_count").fetchone()[0]
            run(f"PRAGMA max_page_count = {pages + free}")
            kept, added = taken(ledger)
            seen.add((kept, added))

            assert (2 if kept else 0) == ledger.counts().get(State.IN_FLIGHT, 0)
            assert (23 if added else 3) == len(ledger.entries((), 0, 100))
            assert [("ok",)] == run("PRAGMA integrity_check").fetchall()

    assert {(True, True), (True, False)} <= seen


def test_no_step_follows_one_that_undid_its_transaction(path: Path) -> None:
    """Where SQLite undid a whole transaction, its later steps are refused, and the block fails."""
    with closing(SqliteLedger(path)) as ledger:
        ledger.add([new("B-1"), new("B-2")])
        failed: list[str | None] = []

        def both() -> None:
            claim(ledger)
            ledger._connection.execute("ROLLBACK")  # as SQLite does where it has to
            failed.append(failure_of(claim, ledger))

        failed.append(failure_of(lambda _: ledger.together(both), ledger))

        assert all("cannot be written" in str(each) for each in failed), failed
        assert {State.PLANNED: 2} == ledger.counts()


# When the power is cut


def test_a_power_cut_keeps_each_step_whole(in_memory: Path, proof: Any) -> None:
    """Whatever of the last bytes is lost or torn: a step that returned is there, or is not begun.

    The write-ahead log is cut at any byte, and rubbish may follow, as from a disk that wrote its
    blocks in another order.
    """
    chance = Random(proof.seed)  # noqa: S311 - no secret
    path = in_memory / "job.db"
    with closing(SqliteLedger(path)) as ledger:
        ledger.add(new(f"A-{each}") for each in range(30))
    steps: list[tuple[int, dict[str, tuple[State, int]]]] = []
    ledger = SqliteLedger(path)
    wal = path.with_name("job.db-wal")

    def took() -> None:
        kept = {e.id: (e.state, e.unclear) for e in ledger.entries((), 0, 100)}
        # What was kept before is in the file.
        steps.append((wal.stat().st_size if steps else 0, kept))

    took()
    for _ in range(30):
        made = claim(ledger)
        took()
        if chance.random() < 0.5:
            commit(ledger, made)
        else:
            ledger.unclear(
                made, now=NOW, not_before=NOW, status=None, why="no response", refusal=None
            )
        took()
    database, log = path.read_bytes(), wal.read_bytes()
    ledger.close()
    for number in range(proof.amount(60, 1_000)):
        image = in_memory / f"{number}.db"
        end = chance.randrange(len(log) + 1)
        rubbish = chance.randbytes(chance.choice([0, 0, 100, 9000]))
        image.write_bytes(database)
        image.with_name(f"{image.name}-wal").write_bytes(log[:end] + rubbish)
        expected = [kept for size, kept in steps if size <= end][-1]
        with closing(SqliteLedger(image)) as ledger:
            assert [("ok",)] == ledger._connection.execute("PRAGMA integrity_check").fetchall()
            kept = {e.id: (e.state, e.unclear) for e in ledger.entries((), 0, 100)}

            assert expected == kept, f"seed {proof.seed}, image {number}, cut at {end}"
            in_flight = [each for each, (state, _) in kept.items() if state is State.IN_FLIGHT]

            assert len(in_flight) == ledger.recover(now=NOW, late_arrival_s=1.0)
        image.unlink()


# Several processes


def test_a_second_process_is_refused_at_once(path: Path) -> None:
    """It says what to do."""
    with closing(SqliteLedger(path)) as ledger:
        ledger.add([new("A-1")])
    with holding(path):
        with pytest.raises(LedgerInUseError, match="shared=True in all of them"):
            SqliteLedger(path)
        with pytest.raises(LedgerInUseError, match="another process"):
            # It would wait for half a minute if it did not know that waiting is of no use.
            SqliteLedger(path, shared=False)


def test_a_killed_process_gives_the_ledger_free(path: Path) -> None:
    """What it left in flight is over at once, whatever the lease says."""
    with closing(SqliteLedger(path)) as ledger:
        ledger.add([new("A-1")])
    with holding(path) as other:
        other.kill()
        other.wait()
        for shared in (False, True):
            with closing(SqliteLedger(path, shared=shared)) as ledger:
                lost = ledger.recover(now=NOW + 1, late_arrival_s=0.0)

                assert (0 if shared else 1) == lost
                assert {State.UNKNOWN: 1} == ledger.counts()


def test_a_late_look_that_was_cut_short_waits_for_no_hour_that_was(path: Path) -> None:
    """The clock was put back while the process was dead."""
    ledger = SqliteLedger(path)
    ledger.add([new("A-1")])
    ledger.unclear(
        claim(ledger), now=NOW, not_before=NOW, status=None, why="no response", refusal=None
    )
    look = ledger.claim_look(owner="me", now=NOW, lease=NOW + 90)
    assert look is not None
    ledger.found(
        look,
        now=NOW,
        seen={"A-1": Seen(state=State.COMMITTED, invoice_id="inv_1")},
        late_check=NOW + 1,
        not_before=NOW,
        why="read",
    )
    assert ledger.claim_look(owner="me", now=NOW + 1, lease=NOW + 90) is not None
    ledger.close()
    with closing(SqliteLedger(path)) as ledger:
        ledger.recover(now=NOW - 3600, late_arrival_s=5.0)

        assert NOW - 3595 == ledger.next_due(now=NOW - 3600, sends=True, looks=True)


def test_what_a_shared_process_left_keeps_its_lease(path: Path) -> None:
    """Also from a process that has the file for itself: the other may still be at work."""
    with closing(SqliteLedger(path)) as ledger:
        ledger.add([new("A-1")])
    with holding(path, shared=True) as other:
        other.kill()
        other.wait()
        with closing(SqliteLedger(path)) as ledger:
            assert 0 == ledger.recover(now=NOW + 89, late_arrival_s=0.0)
            assert {State.IN_FLIGHT: 1} == ledger.counts()
            assert 0 == ledger.end_leases(now=NOW + 89, late_arrival_s=0.0)
            assert 1 == ledger.end_leases(now=NOW + 91, late_arrival_s=0.0)


def test_a_second_ledger_of_the_process_takes_no_lock_away(path: Path) -> None:
    """POSIX takes all locks of a process on a file when it closes any descriptor of it."""
    with closing(SqliteLedger(path)) as ledger:
        for _ in range(2):
            with pytest.raises(LedgerInUseError):
                SqliteLedger(path)
        program = """
        try:
            SqliteLedger(PATH)
        except LedgerInUseError:
            print("refused")
        """
        with start(program, path) as other:
            assert ("refused\n", None) == other.communicate()
        ledger.add([new("A-1")])


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork")
@pytest.mark.parametrize("shared", [False, True])
def test_a_forked_child_takes_nothing_away(path: Path, shared: bool) -> None:  # noqa: FBT001
    """It cannot use the ledger, and its end deletes no log: the parent may be killed later."""
    program = f"""
    import gc, os, signal
    from billingual.jobs import LedgerError

    ledger = SqliteLedger(PATH, shared={shared})
    ledger.add([
        NewEntry(id="A-1", operation="create", target=None, number="A-1", body="{{}}",
                 body_hash=body_hash("create", None, "{{}}"))
    ])
    if os.fork() == 0:
        try:
            ledger.counts()
        except LedgerError as error:
            assert "before a fork" in str(error)
            del ledger, error
            gc.collect()
            sys.exit(7)
        sys.exit(1)
    _, status = os.wait()
    assert os.waitstatus_to_exitcode(status) == 7
    ledger.claim(
        owner="me", now={NOW}, lease={NOW + 90}, limits=LIMITS, before=False, full=False
    )
    os.kill(os.getpid(), signal.SIGKILL)
    """
    with start(program, path) as other:
        other.wait(timeout=120)

        assert -signal.SIGKILL == other.returncode
    with closing(SqliteLedger(path)) as ledger:
        assert {State.IN_FLIGHT: 1} == ledger.counts()


@pytest.mark.slow
def test_four_processes_claim_each_entry_once(in_memory: Path, proof: Any) -> None:
    """Thousands of entries, none of them twice, and none left."""
    path, count = in_memory / "job.db", proof.amount(400, 2_000)
    with closing(SqliteLedger(path)) as ledger:  # in WAL mode, which the others have to change
        ledger.add(new(f"A-{each}") for each in range(count))
    program = f"""
    ledger = SqliteLedger(PATH, shared=True)

    def work():
        made = ledger.claim(
            owner=REST[0], now={NOW}, lease={NOW + 90}, limits=LIMITS, before=False, full=False
        )
        if made is None:
            return None
        (entry,) = made.entries
        ledger.commit(
            made, now={NOW}, invoices={{entry.id: entry.id}}, notes={{}}, late_check={NOW}
        )
        return entry.id

    print(work(), flush=True)
    sys.stdin.readline()
    while (done := work()) is not None:
        print(done)
    """
    others = [start(program, path, name) for name in "abcd"]
    claimed: list[list[str]] = []
    for each in others:  # each claims one before any goes on: SQLite's turns are not fair
        assert each.stdout is not None
        claimed.append([each.stdout.readline().strip()])
    for each in others:
        assert each.stdin is not None
        each.stdin.write("go\n")
        each.stdin.flush()
    for each, those in zip(others, claimed, strict=True):
        with each:
            out, _ = each.communicate(timeout=100)

        assert 0 == each.returncode
        those.extend(out.split())

    assert count == sum(map(len, claimed))
    assert {f"A-{each}" for each in range(count)} == {each for some in claimed for each in some}
    with closing(SqliteLedger(path)) as ledger:
        assert {State.COMMITTED: count} == ledger.counts()
        assert [1] * count == [each.attempts for each in ledger.entries((), 0, count)]


@pytest.mark.parametrize("shared", [False, True])
def test_the_journal_is_one_that_is_safe(path: Path, shared: bool) -> None:  # noqa: FBT001
    """WAL for one process; where this SQLite would damage a shared one, DELETE, and it says so."""
    with closing(SqliteLedger(path, shared=shared)) as ledger:
        run = ledger._connection.execute
        slow = shared and not WAL_IS_SAFE

        assert [("delete" if slow else "wal",)] == run("PRAGMA journal_mode").fetchall()
        assert [(2,)] == run("PRAGMA synchronous").fetchall()
        assert [(1,)] == run("PRAGMA foreign_keys").fetchall()
        assert slow == (ledger.note is not None)
        assert not slow or sqlite3.sqlite_version in str(ledger.note)


@pytest.mark.skipif(WAL_IS_SAFE, reason="a shared ledger is kept in WAL mode there")
def test_two_processes_that_change_the_journal_do_not_hold_each_other_up(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each has a lock on the file while it has it open in WAL mode, so one has to let go of it."""
    SqliteLedger(path).close()
    with closing(sqlite3.connect(path, timeout=0)) as other:
        other.execute("SELECT count(*) FROM entry").fetchone()

        def pause(seconds: float) -> None:
            assert seconds > 0
            with suppress(sqlite3.OperationalError):
                other.execute("PRAGMA journal_mode = DELETE").fetchone()

        monkeypatch.setattr(time, "sleep", pause)
        with closing(SqliteLedger(path, shared=True)) as ledger:
            assert {} == ledger.counts()
            assert [("delete",)] == ledger._connection.execute("PRAGMA journal_mode").fetchall()


@pytest.mark.skipif(not Path("/proc/self/io").exists(), reason="Linux counts what is written")
def test_a_batch_writes_to_no_file_but_the_log(path: Path) -> None:
    """What would undo a statement of a batch stays in memory, or each step writes twice as much."""

    def written() -> int:
        lines = Path("/proc/self/io").read_text().splitlines()
        return int(dict(each.split(": ") for each in lines)["wchar"])

    with closing(SqliteLedger(path)) as ledger:
        ledger.add(
            NewEntry(
                id=f"{each:036}",
                operation="update",
                target=f"{each:036}",
                number=None,
                body='{"status":"SENT"}',
                body_hash=body_hash("update", f"{each:036}", '{"status":"SENT"}'),
            )
            for each in range(1000)
        )
        before = written()
        for _ in range(10):
            made = ledger.claim(
                owner="me", now=NOW, lease=NOW + 90, limits={"update": 100}, before=False, full=True
            )
            assert made is not None
            invoices = {each.id: each.id for each in made.entries}
            ledger.commit(made, now=NOW, invoices=invoices, notes={}, late_check=NOW)
        log = path.with_name("job.db-wal").stat().st_size + path.stat().st_size

        assert written() - before < log


# What is in it


def test_a_purge_keeps_its_undo_log_on_the_disk(path: Path) -> None:
    """It is as long as all that is forgotten."""
    said: list[str] = []
    with closing(SqliteLedger(path)) as ledger:
        ledger._connection.set_trace_callback(said.append)
        ledger.purge(before=NOW)
    steps = [each.partition(" WHERE")[0] for each in said]

    assert [
        "PRAGMA temp_store = FILE",
        "UPDATE entry SET body = NULL, before = NULL",
        "PRAGMA temp_store = MEMORY",
    ] == [each for each in steps if each.startswith(("PRAGMA temp_store", "UPDATE"))]


def test_a_purged_body_is_in_none_of_the_files(path: Path) -> None:
    """SQLite only marks what is deleted; the bytes have to go too."""
    with closing(SqliteLedger(path)) as ledger:
        ledger.add(new(f"A-{each}", f'{{"name":"Personal-{each}"}}') for each in range(50))
        for _ in range(50):
            commit(ledger, claim(ledger))

        assert b"Personal-7" in b"".join(each.read_bytes() for each in path.parent.iterdir())
    with closing(SqliteLedger(path)) as ledger:
        assert 50 == ledger.purge(before=NOW + 1)
        names = [each.name for each in path.parent.iterdir()]
    content = b"".join(each.read_bytes() for each in path.parent.iterdir())

    assert "job.db" in names
    assert b"Personal" not in content
