"""Landing into a folder and into a DuckDB file: what is there is what the provider has."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import attrs
import duckdb
import pytest

from _support.command import line_of
from _support.landed import TARGETS, landed, noted_as_gone, truth
from _support.moving_list import MovingList, Row
from billingual import (
    AsyncClient,
    Changes,
    Client,
    Draft,
    Filter,
    InvalidInputError,
    MemoryTransport,
    UnsupportedError,
    UsageError,
)
from billingual.events import CallStarted
from billingual.landing import Counts, LandingError, LandingInUseError, landed_files
from billingual.sandbox import ACCOUNTS, LANDMARKS
from billingual.sandbox.server import Running, running
from billingual.wire import Bounds, WireRequest, WireResponse

TOKEN = ACCOUNTS["exante"].token
SINCE = "2025-01-01"
ALL = "2024-06-01"
LATELY = datetime.now(UTC) - timedelta(days=80)
NEW = Draft(
    counterparty=LANDMARKS["exante_party"],
    owner=LANDMARKS["exante_owner"],
    document=LANDMARKS["exante_document"],
    number="NEW-1",
)


@pytest.fixture
def server() -> Iterator[Running]:
    """Serve invoices of the last years."""
    with running(invoices=260) as served:
        yield served


@pytest.fixture
def client(server: Running) -> Iterator[Client]:
    """Make a client of that server."""
    with Client("exante", base_url=server.base_url("exante"), token=TOKEN, transport="h11") as made:
        yield made


@pytest.fixture(params=TARGETS)
def target(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """Name a target that is not there yet."""
    return tmp_path / str(request.param)


def _ids(server: Running, *statuses: str) -> list[str]:
    return [each for each, (status, _) in truth(server).items() if status in statuses]


class TimeLimitError(Exception):
    """What a job queue raises in a signal handler."""


def test_a_time_limit_of_the_program_stops_a_landing(client: Client, target: Path) -> None:
    """It comes while the landing waits for its windows, and is not kept until all are read."""
    windows: list[object] = []
    raised = threading.Event()

    def limit(*_: object) -> None:
        raise TimeLimitError

    def observe(event: object) -> None:
        if isinstance(event, CallStarted):
            windows.append(event)
            if len(windows) == 3:
                signal.pthread_kill(main, signal.SIGUSR1)
            if len(windows) in {3, 4}:
                raised.wait(10)

    before = signal.signal(signal.SIGUSR1, limit)
    main = threading.main_thread().ident or 0
    with pytest.raises(TimeLimitError):
        client.with_options(observers=[observe]).land(target, since=ALL, concurrency=2)
    begun = len(windows)
    raised.set()
    signal.signal(signal.SIGUSR1, before)

    assert begun < 10


def test_all_is_there_once(client: Client, server: Running, target: Path) -> None:
    """Every window is provably whole, and says by what."""
    report = client.land(target, since=ALL, days=180)

    assert landed(target) == truth(server)
    assert report.incomplete == ()
    assert {each.kind for each in report.windows} == {"closed", "recent", "open"}
    assert str(target) in str(report)


def test_the_next_run_reads_only_what_can_have_changed(
    client: Client, server: Running, target: Path
) -> None:
    """Closed windows are not read again, and nothing is new."""
    first = client.land(target, since=SINCE, days=120)
    second = client.land(target, since=SINCE, days=120)

    closed = [each.name for each in first.windows if each.kind == "closed"]
    assert [each.name for each in second.windows if each.skipped] == closed
    assert second.requests < first.requests
    assert landed(target).items() <= truth(server).items()
    assert second.counts == Counts(unchanged=second.counts.unchanged)


def test_changes_of_old_invoices_are_found(client: Client, server: Running, target: Path) -> None:
    """An old open invoice that was paid, voided or written to is in a window that is not read."""
    client.land(target, since=ALL, days=180)
    old = sorted(_ids(server, "SENT", "OVERDUE", "DRAFT"))
    paid, void, changed = old[:3]
    now = datetime.now(UTC).isoformat()
    client.update(paid, Changes(status="PAID", paid_at=now))
    client.update(void, Changes(status="VOID"))
    client.update(changed, Changes(number="CHANGED-1"))
    made = client.create(NEW)

    report = client.land(target, since=ALL, days=180)
    counts = report.counts
    assert (counts.new, counts.changed, counts.deleted) == (1, 3, 0)

    there = landed(target)
    assert there == truth(server)
    assert there[paid][0] == "PAID"
    assert there[void][0] == "VOID"
    assert there[changed][1] == "CHANGED-1"
    assert made.id in there
    assert any(each.skipped for each in report.windows)


def test_an_open_invoice_that_is_gone_is_found_gone(
    client: Client, server: Running, target: Path
) -> None:
    """It is read by its id, and the provider does not know it any more."""
    client.land(target, since=ALL, days=180)
    gone = _ids(server, "DRAFT")[0]
    _, number = truth(server)[gone]
    client.delete_many([gone])

    client.land(target, since=ALL, days=180)

    assert gone not in landed(target)
    assert landed(target) == truth(server)
    assert noted_as_gone(target) == {gone: number}


def test_a_page_of_a_proxy_does_not_tell_that_an_open_invoice_is_gone(
    client: Client, server: Running, target: Path
) -> None:
    """While a service moves, the proxy before it responds with a 404: the next run looks again."""
    client.land(target, since=LATELY.date())
    old = next(iter(client.list(Filter(status=["SENT", "OVERDUE"], issued_to="2026-08-31"))))
    client.update(old.id, Changes(status="CANCELLED"))
    server.app.add_fault("status", status=404, body_kind="html", path_suffix=old.id, times=1)
    first, second = (client.land(target, since=LATELY.date()) for _ in range(2))

    assert (first.counts.deleted, second.counts.deleted) == (0, 0)
    assert ["open"] == [each.kind for each in first.incomplete]
    assert second.incomplete == ()
    assert landed(target)[old.id] == truth(server)[old.id]


def test_what_is_gone_is_found_gone_once(client: Client, server: Running, target: Path) -> None:
    """Runs after that neither count it nor ask for it, though its window keeps what it showed."""
    lately = client.create(attrs.evolve(NEW, issued_at=datetime.now(UTC).date()))
    client.land(target, since=LATELY.date())
    client.delete_many([lately.id])

    deleted = [client.land(target, since=LATELY.date()).counts.deleted for _ in range(3)]
    deleted.append(client.land(target, full=True).counts.deleted)

    assert [1, 0, 0, 0] == deleted
    asked = [each["path"] for each in server.app.requests(limit=10_000)]
    assert 1 == sum(path.endswith(f"/{lately.id}") for path in asked)
    assert lately.id in noted_as_gone(target)


def test_what_was_paid_is_kept_in_one_file(client: Client, server: Running, tmp_path: Path) -> None:
    """Each run adds to what those before it found: a watched folder does not fill with files."""
    client.land(tmp_path, since=ALL, days=180)
    paid = sorted(_ids(server, "SENT", "OVERDUE"))[:4]
    counts = []
    for each in paid:
        client.update(each, Changes(status="PAID", paid_at=datetime.now(UTC).isoformat()))
        client.land(tmp_path, since=ALL, days=180)
        counts.append(len(landed_files(tmp_path)))

        assert landed(tmp_path) == truth(server)
    assert counts[1:] == counts[1:2] * 3


def test_runs_with_other_open_statuses_lose_nothing(target: Path) -> None:
    """Such as a quick one between those that look at all that is open."""
    moving = MovingList([Row(1, "DRAFT"), Row(2, "OVERDUE"), Row(3, "SENT")])
    with Client(**moving.options()) as client:
        client.land(target, since=SINCE)
        client.land(target, since=SINCE, open_statuses=["SENT"])
        assert set(landed(target)) == set(moving.truth())

        moving.rows[2].status = "VOID"
        client.land(target, since=SINCE)

    assert {each: status for each, (status, _) in landed(target).items()} == moving.truth()


def test_a_list_that_never_is_whole_does_not_fill_a_folder(tmp_path: Path) -> None:
    """A read that is not complete replaces the one before it, and keeps what only that one saw."""
    moving = MovingList([Row(number, "SENT") for number in range(20)], page_size=4)
    files: list[int] = []

    def stir(request: int) -> None:
        moving.order = lambda row: hash((row.number, request))

    moving.before = stir
    with Client(**moving.options()) as client:
        for _ in range(8):
            report = client.land(tmp_path, since=SINCE)
            files.append(len(landed_files(tmp_path)))

            assert [each.kind for each in report.incomplete] == ["open"]
    assert max(files) <= 2
    assert {each: status for each, (status, _) in landed(tmp_path).items()} == moving.truth()


def test_one_invoice_that_cannot_be_read_does_not_stop_a_landing(
    client: Client, server: Running, target: Path
) -> None:
    """It is named, looked for again by each run, and as it is when it can be read."""
    client.land(target, since="2026-10-01")
    old = next(
        each
        for each in client.list(Filter(status=["SENT", "OVERDUE"], issued_to="2026-08-31"))
        if each.id in truth(server)
    )
    client.update(old.id, Changes(status="CANCELLED"))
    server.app.add_fault("status", status=403, path_suffix=old.id, times=2)
    first, second = (client.land(target, since="2026-10-01") for _ in range(2))
    last = client.land(target, since="2026-10-01")

    for each in (first, second):
        (wrong,) = each.incomplete
        assert wrong.kind == "open"
        assert f"1 invoices that were open cannot be read, such as {old.id}: " in wrong.how
    assert last.incomplete == ()
    assert landed(target)[old.id] == truth(server)[old.id]
    assert truth(server)[old.id][0] == "CANCELLED"


def test_a_final_invoice_that_is_gone_stays_until_a_full_read(
    client: Client, server: Running, target: Path
) -> None:
    """Only a read of everything tells that something is missing."""
    client.land(target, since=ALL, days=180)
    gone = _ids(server, "PAID")[0]
    _, number = truth(server)[gone]
    client.delete_many([gone])

    client.land(target, since=ALL, days=180)
    assert gone in landed(target)
    report = client.land(target, since=ALL, days=180, full=True)

    assert landed(target) == truth(server)
    assert [each.kind for each in report.windows] == ["full"]
    assert report.counts == Counts(unchanged=len(truth(server)), deleted=1)
    assert noted_as_gone(target) == {gone: number}
    # What is closed stays read.
    assert any(each.skipped for each in client.land(target, since=ALL, days=180).windows)


def test_what_is_gone_keeps_the_state_that_was_seen_last(
    client: Client, server: Running, target: Path
) -> None:
    """The window that it was in before keeps an older one."""
    made = client.create(attrs.evolve(NEW, issued_at=datetime.now(UTC).date()))
    client.update(made.id, Changes(status="PAID"))
    client.land(target, since=LATELY.date(), concurrency=1)
    client.update(made.id, Changes(number="NEW-2", issued_at=LATELY.date()))
    client.land(target, since=LATELY.date(), concurrency=1)
    client.delete_many([made.id])

    client.land(target, full=True)

    assert noted_as_gone(target)[made.id] == "NEW-2"
    assert landed(target) == truth(server)


def test_an_invoice_that_is_dated_otherwise_is_not_lost(
    client: Client, server: Running, target: Path
) -> None:
    """It left a window that is read again for one that is not."""
    client.land(target, since=ALL, days=180)
    final = next(
        row.id
        for row in client.list(Filter(status=["PAID"], issued_from=LATELY))
        if row.issued_at is not None
    )
    client.update(final, Changes(issued_at="2025-03-03"))

    client.land(target, since=ALL, days=180)

    assert final in landed(target)
    client.land(target, full=True)
    assert landed(target) == truth(server)


@pytest.mark.anyio
async def test_an_async_client_lands_too(server: Running, target: Path) -> None:
    """The same code, and progress is told as it goes."""
    told: list[Any] = []
    async with AsyncClient("exante", base_url=server.base_url("exante"), token=TOKEN) as client:
        report = await client.land(target, since=SINCE, on_progress=told.append)

    assert landed(target).items() <= truth(server).items()
    assert told[-1].rows == report.rows
    assert told[-1].requests == report.requests
    assert told[-1].done == told[-1].windows == len(report.windows)


@pytest.mark.anyio
async def test_without_days_everything_is_one_window(target: Path) -> None:
    """A provider whose list has no filter by date is read whole, in one response."""
    async with AsyncClient("kukkingu", transport="sandbox") as client:
        report = await client.land(target)
        with pytest.raises(InvalidInputError, match="cannot list by date of issue"):
            await client.land(target, since=SINCE, days=120)

    assert report.incomplete == ()
    assert len(landed(target)) == report.rows > 0


class _Moving:
    """A list of two days, of which an invoice moves from one to the other while it is read."""

    supports = frozenset({"sync"})

    async def send(self, request: WireRequest, bounds: Bounds) -> WireResponse:
        """Return a page of both days that has not all, or a day."""
        query = dict(parse_qsl(urlsplit(request.url).query))
        first, last = query.get("issue_date_from", ""), query.get("issue_date_to", "")
        items = [] if "status" in query or not first else [{"uid": "moved", "status": "PAID"}]
        if items and first[:10] == last[:10] == SINCE:
            items[0]["status"] = "SENT"
        more = bool(items) and first[:10] != last[:10]
        meta = {"page": 1, "total_pages": 1 + more, "total_items": len(items) + more}
        body = {"status": "success", "data": {"items": items, "_meta": meta}}
        return WireResponse(status=200, body=json.dumps(body).encode())

    async def aclose(self) -> None:
        """Do nothing."""


def test_an_invoice_that_was_read_twice_is_as_read_last(target: Path) -> None:
    """Both readings are of one moment, as far as what is landed tells."""
    with Client("exante", token=TOKEN, transport=_Moving()) as client:
        report = client.land(target, since=SINCE, until="2025-01-02", open_statuses=())

    assert [each.rows for each in report.windows if each.rows] == [2]
    assert {status for status, _ in landed(target).values()} == {"PAID"}


def test_payloads_can_be_left_out(client: Client, tmp_path: Path) -> None:
    """Then the columns are others, and a target keeps to those it began with."""
    client.land(tmp_path / "lean.duckdb", since="2026-10-01", raw=False)

    with pytest.raises(UsageError, match="with other columns"):
        client.land(tmp_path / "lean.duckdb", since="2026-10-01")


@pytest.mark.parametrize(
    ("other", "arguments"),
    [("another account", {}), ("another filter", {"filter": Filter(counterparty=["Acme"])})],
)
def test_a_target_holds_the_invoices_of_one_source(
    client: Client, server: Running, target: Path, other: str, arguments: dict[str, Any]
) -> None:
    """Mixed with others, neither could be told from what is gone."""
    client.land(target, since="2026-10-01")
    organization = LANDMARKS["exante_organization"] if other == "another account" else None
    sibling = client.with_options(organization=organization)

    with pytest.raises(UsageError, match="holds other invoices"):
        sibling.land(target, since="2026-10-01", **arguments)


@pytest.mark.parametrize(
    ("name", "arguments", "match"),
    [
        ("x.csv", {}, "neither a folder nor a .duckdb file"),
        ("x", {"since": "yesterday"}, "is no day"),
        ("x", {"since": datetime(2026, 1, 1, tzinfo=UTC)}, "is no day"),
        ("x", {"concurrency": 0}, "out of bounds"),
        ("x", {"open_statuses": 5}, "int is no list of statuses"),
        ("x", {"open_statuses": [5]}, "open_statuses: int is not text"),
        ("x", {"full": "no"}, "full: str is neither true nor false"),
        ("x", {"raw": 1}, "raw: int is neither true nor false"),
        ("x", {"on_progress": 5}, "on_progress: 5 is no plain function"),
        ("x", {"since": SINCE, "filter": Filter(status=["PAID"])}, "set it themselves"),
        ("x", {"filter": Filter(issued_from=SINCE)}, "give since and until instead"),
        ("x", {"since": SINCE, "open_statuses": ["OVERDU"]}, "perhaps you meant OVERDUE"),
    ],
)
def test_what_cannot_be_right_is_refused_before_anything_is_made(
    tmp_path: Path, name: str, arguments: dict[str, Any], match: str
) -> None:
    """No request, no folder, no file."""
    with (
        Client("exante", transport="memory") as client,
        pytest.raises(InvalidInputError, match=match),
    ):
        client.land(tmp_path / name, **arguments)

    assert list(tmp_path.iterdir()) == []


def test_a_filter_that_the_provider_lacks_leaves_no_target_of_it(target: Path) -> None:
    """The target would belong to that filter, and refuse the next run, which leaves it out."""
    with Client("kukkingu", transport="sandbox") as client:
        with pytest.raises(UnsupportedError, match="overdue_days"):
            client.land(target, filter=Filter(overdue_days="> 30"))

        assert client.land(target).incomplete == ()


@pytest.mark.parametrize(
    ("target", "match"),
    [
        ("", "it is empty"),
        ("s3://bucket/invoices", "no place on a disk of this machine"),
        (Path("s3://bucket/invoices.delta"), "no place on a disk of this machine"),
        (":memory:", "no place on a disk of this machine"),
        ("a\0b.duckdb", "null character"),
        ("~/invoices.duckdb", "would be a folder named '~'"),
        (Path("~/invoices"), "would be a folder named '~'"),
        ("a\udcff", "half of a surrogate pair"),
        (b"invoices", "bytes is neither a path nor a Target"),
        (None, "NoneType is neither a path nor a Target"),
        (7, "int is neither a path nor a Target"),
    ],
    ids=repr,
)
def test_what_is_no_place_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, target: Any, match: str
) -> None:
    """A URL must not become a folder of that name, which is not where invoices are looked for."""
    monkeypatch.chdir(tmp_path)
    with (
        Client("exante", transport="memory") as client,
        pytest.raises(InvalidInputError, match=match),
    ):
        client.land(target)

    assert list(tmp_path.iterdir()) == []


def test_a_name_that_is_too_long_is_told(client: Client, tmp_path: Path) -> None:
    """The system refuses it with an error of its own."""
    with pytest.raises(LandingError, match="File name too long"):
        client.land(tmp_path / ("x" * 300))


def test_one_status_is_not_its_letters(client: Client, tmp_path: Path) -> None:
    """A text alone is one status, as in a filter."""
    report = client.land(tmp_path / "x", since="2026-10-01", open_statuses="SENT")
    among = client.list(Filter(status=["SENT"], include_inactive=True)).collect(limit=1000)

    (window,) = (each for each in report.windows if each.kind == "open")
    assert window.rows == len(among) > 0


def test_the_last_day_of_the_calendar_ends_a_landing(tmp_path: Path) -> None:
    """No day comes after it, neither of a window nor of a part of one."""
    with Client("exante", token=TOKEN, transport=_Moving()) as client:
        report = client.land(tmp_path, since="9999-12-01", until="9999-12-31", open_statuses=())

    assert report.incomplete == ()
    assert report.windows[-1].name.endswith("-to-9999-12-31")


def test_a_folder_of_other_things_is_refused(client: Client, tmp_path: Path) -> None:
    """Its files would be taken for rows, or removed."""
    (tmp_path / "thesis.txt").write_text("a year of work", encoding="utf-8")

    with pytest.raises(UsageError, match=r"other files in it, such as 'thesis.txt'"):
        client.land(tmp_path, since=SINCE)

    assert [each.name for each in tmp_path.iterdir()] == ["thesis.txt"]


HOLDING = """
import sys
from billingual import Client
def wait(progress):
    print("landing", flush=True)
    sys.stdin.readline()
with Client("exante", base_url=sys.argv[1], token=sys.argv[2]) as client:
    client.land(sys.argv[3], since="2026-10-01", on_progress=wait, concurrency=1)
"""


def test_two_landings_cannot_meet(client: Client, server: Running, target: Path) -> None:
    """The second is refused; when the first is killed, the next one works."""
    with subprocess.Popen(
        [sys.executable, "-c", HOLDING, server.base_url("exante"), TOKEN, str(target)],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    ) as first:  # fmt: skip
        try:
            assert line_of(first) == "landing"
            with pytest.raises(LandingInUseError, match="another process"):
                client.land(target, since="2026-10-01")
        finally:
            first.kill()

    client.land(target, since=ALL, days=180)
    assert landed(target) == truth(server)


def test_two_landings_of_one_process_cannot_meet(client: Client, target: Path) -> None:
    """DuckDB would let them share its file."""
    seen: list[Callable[[], object]] = []

    def land_again(_: object) -> None:
        if not seen:
            seen.append(lambda: None)
            with pytest.raises(LandingInUseError):
                client.land(target, since="2026-10-01")

    client.land(target, since="2026-10-01", on_progress=land_again, concurrency=1)
    assert seen


def test_what_a_kill_left_is_not_read_and_goes(
    client: Client, server: Running, tmp_path: Path
) -> None:
    """A file that no line names, one half written, and half a line of the manifest."""
    client.land(tmp_path, since=ALL, days=180)
    data = tmp_path / "data"
    strays = [data / "issued-x.y.0.parquet", data / "issued-x.y.1.parquet.new"]
    for each in strays:
        each.write_bytes(b"half")
    with (tmp_path / "manifest.jsonl").open("ab") as manifest:
        manifest.write(b'{"window": "issued-x", "files": ["data/issued-x')

    assert landed(tmp_path) == truth(server)
    client.land(tmp_path, since=ALL, days=180)

    assert landed(tmp_path) == truth(server)
    assert not any(each.exists() for each in strays)


@pytest.mark.parametrize(
    ("text", "match"),
    [
        ("no JSON\n", "is no manifest"),
        ('{"landing": 99}\n', "is of version 99"),
        ("[]\n", "no man"),
    ],
)
def test_a_manifest_that_cannot_be_read_is_refused(
    client: Client, tmp_path: Path, text: str, match: str
) -> None:
    """Nothing is removed on the word of a file that is not understood."""
    (tmp_path / "manifest.jsonl").write_text(text, encoding="utf-8")
    (tmp_path / "data").mkdir()
    kept = tmp_path / "data" / "a.b.0.parquet"
    kept.write_bytes(b"rows")

    with pytest.raises(LandingError, match=match):
        client.land(tmp_path, since=SINCE)
    with pytest.raises(LandingError, match=match):
        landed_files(tmp_path)

    assert kept.exists()


@pytest.mark.parametrize(
    "line",
    [
        "{}", "[]", "null",
        '{"window": "w", "kind": "recent", "sync": "s", "at": "x", "complete": true}',
        '{"window": "w", "kind": "recent", "sync": "s", "at": 1.0, "complete": true, "files": 5}',
        '{"window": "w", "kind": "full", "sync": "s", "at": 1.0, "complete": true, "files": [""]}',
        '{"window": "w", "kind": "open", "sync": "s", "at": 1, "complete": true, "statuses": [1]}',
        '{"finished": NaN, "sync": "s", "at": NaN}',
        '{"finished": 1e300, "sync": "s", "at": 1e300}',
    ],
)  # fmt: skip
def test_a_line_of_a_manifest_that_is_damaged_is_told(
    client: Client, tmp_path: Path, line: str
) -> None:
    """With its number, and before any file is removed or read on its word."""
    client.land(tmp_path, since="2026-10-01")
    files = landed_files(tmp_path)
    manifest = tmp_path / "manifest.jsonl"
    head, *rest = manifest.read_text(encoding="utf-8").splitlines()
    manifest.write_text("\n".join([head, line, *rest, ""]), encoding="utf-8")

    with pytest.raises(LandingError, match=r"is damaged in line 2; land into another folder"):
        client.land(tmp_path, since="2026-10-01")
    with pytest.raises(LandingError, match="is damaged in line 2"):
        landed_files(tmp_path)
    assert all(Path(each).exists() for each in files)


def _cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:100])


def _exchanged(path: Path) -> None:
    duckdb.sql(f"COPY (SELECT 1 AS a) TO '{path}' (FORMAT parquet)")


@pytest.mark.parametrize(
    ("harm", "said"),
    [(Path.unlink, "named by the manifest and not there"), (_cut, "cannot be read"),
     (_exchanged, "cannot be read")],
)  # fmt: skip
def test_rows_that_are_lost_are_told(
    client: Client, tmp_path: Path, harm: Callable[[Path], object], said: str
) -> None:
    """What is closed is not read again, so a landing that went on would never have them."""
    client.land(tmp_path, since=ALL, days=180)
    for each in landed_files(tmp_path):
        harm(Path(each))

    with pytest.raises(LandingError, match=said):
        client.land(tmp_path, since=ALL, days=180)


def test_files_of_others_beside_the_rows_stay(client: Client, tmp_path: Path) -> None:
    """Only files that a landing wrote are removed by one."""
    client.land(tmp_path, since="2026-10-01")
    mine = [tmp_path / "notes.txt", tmp_path / "data" / "mine.parquet"]
    for each in mine:
        each.write_text("a year of work", encoding="utf-8")
    client.land(tmp_path, since="2026-10-01")

    assert all(each.exists() for each in mine)


@pytest.mark.parametrize(
    ("change", "match"),
    [
        ("DELETE FROM billingual_source", "holds other invoices"),
        ("INSERT INTO billingual_source VALUES ('another')", "holds other invoices"),
        ("ALTER TABLE landed_invoices ADD COLUMN mine INTEGER", "with other columns"),
        ("DROP VIEW invoices; ALTER TABLE landed_invoices DROP COLUMN raw", "with other columns"),
        ("DROP TABLE billingual_windows", "cannot be read or written"),
        (
            "DROP VIEW invoices; ALTER TABLE landed_invoices ALTER total_minor TYPE VARCHAR",
            "with other columns",
        ),
        ("DROP VIEW invoices; CREATE TABLE invoices AS SELECT 1 AS a", "a table named invoices"),
    ],
)
def test_a_duckdb_file_that_was_changed_by_hand_is_told(
    client: Client, tmp_path: Path, change: str, match: str
) -> None:
    """In an error of ours, and nothing is written."""
    path = tmp_path / "x.duckdb"
    client.land(path, since="2026-10-01")
    with duckdb.connect(str(path)) as file:
        file.execute(change)

    with pytest.raises((LandingError, UsageError), match=match):
        client.land(path, since="2026-10-01")


def test_a_view_that_was_removed_is_made_again(client: Client, tmp_path: Path) -> None:
    """And a table of the person's own is left alone."""
    path = tmp_path / "x.duckdb"
    client.land(path, since="2026-10-01")
    before = landed(path)
    with duckdb.connect(str(path)) as file:
        file.execute("DROP VIEW invoices; CREATE TABLE mine AS SELECT 1 AS a")
    client.land(path, since="2026-10-01")

    assert landed(path) == before
    with duckdb.connect(str(path)) as file:
        assert file.execute("SELECT a FROM mine").fetchall() == [(1,)]


needs_delta = pytest.mark.skipif(
    "invoices.delta" not in TARGETS, reason="the session pipelines has its library"
)


@needs_delta
@pytest.mark.parametrize(
    "name", ["a[1].delta", "a%41.delta", "a|b.delta", "a^b.delta", "a\nb.delta"]
)
def test_a_path_that_delta_cannot_have_is_refused(tmp_path: Path, name: str) -> None:
    """Its library panics, or makes the table in another folder."""
    with (
        Client("exante", transport="memory") as client,
        pytest.raises(InvalidInputError, match="a character that a Delta table cannot have"),
    ):
        client.land(tmp_path / name)

    assert list(tmp_path.iterdir()) == []


@needs_delta
def test_a_delta_table_that_is_lost_is_told(client: Client, tmp_path: Path) -> None:
    """Its windows are noted as landed, so a new table would lack all that is closed."""
    path = tmp_path / "x.delta"
    client.land(path, since=ALL, days=180)
    for each in (*path.glob("*.parquet"), *(path / "_delta_log").iterdir()):
        each.unlink()

    with pytest.raises(LandingError, match="its table is not there"):
        client.land(path, since=ALL, days=180)


@needs_delta
def test_a_delta_table_may_have_columns_of_its_owner(client: Client, tmp_path: Path) -> None:
    """They are null in rows that are new."""
    from deltalake import DeltaTable, Field  # noqa: PLC0415 - of an extra
    from deltalake.schema import PrimitiveType  # noqa: PLC0415 - likewise

    path = tmp_path / "x.delta"
    client.land(path, since=LATELY.date())
    DeltaTable(path).alter.add_columns([Field("mine", PrimitiveType("string"))])
    report = client.land(path, since=ALL, days=180)

    assert report.counts.new > 0
    assert report.counts.unchanged > 0
    assert len(landed(path)) == DeltaTable(path).count()


@needs_delta
def test_the_notes_of_a_delta_table_are_no_folder_of_files(client: Client, tmp_path: Path) -> None:
    """They have a manifest too, whose lines name no files."""
    path = tmp_path / "x.delta"
    client.land(path, since=ALL, days=180)

    with pytest.raises(LandingError, match="notes of a Delta table"):
        landed_files(path / "_billingual")
    with pytest.raises(LandingError, match="notes of a Delta table"):
        client.land(path / "_billingual", since=ALL, days=180)


@needs_delta
def test_files_of_a_delta_table_that_are_lost_are_told(client: Client, tmp_path: Path) -> None:
    """In an error of ours, whatever the library raises."""
    path = tmp_path / "x.delta"
    client.land(path, since=ALL, days=180)
    for each in path.rglob("*.parquet"):
        each.unlink()

    with pytest.raises(LandingError, match="cannot be written or read"):
        client.land(path, since=ALL, days=180)


def test_a_file_that_is_no_duckdb_file_is_refused(client: Client, tmp_path: Path) -> None:
    """So is one with tables of its own of those names."""
    (tmp_path / "x.duckdb").write_text("no database", encoding="utf-8")

    with pytest.raises(LandingError, match="cannot be opened"):
        client.land(tmp_path / "x.duckdb", since=SINCE)


def test_a_folder_with_nothing_landed_says_so(tmp_path: Path) -> None:
    """An empty list of files would be taken for no invoices."""
    with pytest.raises(LandingError, match="nothing was landed there"):
        landed_files(tmp_path)


def test_no_secret_is_in_what_is_landed(server: Running, target: Path) -> None:
    """Neither the token nor a secret header is in the state beside the data."""
    secret = "canary-7f3a"
    headers = {"X-Gateway": secret}
    base_url = server.base_url("exante")
    with Client("exante", base_url=base_url, token=TOKEN, headers=headers) as client:
        client.land(target, since="2026-10-01")

    files = [target] if target.is_file() else [each for each in target.rglob("*") if each.is_file()]
    assert files
    for each in files:
        assert TOKEN.encode() not in each.read_bytes()
        assert secret.encode() not in each.read_bytes()


def test_a_manifest_line_says_what_was_read_and_how(client: Client, tmp_path: Path) -> None:
    """An auditor reads it without a program."""
    client.land(tmp_path, since="2026-10-01")
    lines = [json.loads(line) for line in (tmp_path / "manifest.jsonl").read_text().splitlines()]

    assert lines[0]["provider"] == "exante"
    assert lines[1].keys() == {
        "window", "kind", "sync", "at", "files", "rows", "complete", "how",
    }  # fmt: skip
    assert lines[-1].keys() == {"finished", "sync", "at"}


FULL_DISK = """
import resource, sys
from billingual import Client
from billingual.landing import LandingError
sys.dont_write_bytecode = True  # A module's file would be cut short, and break later programs.
resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[4]), int(sys.argv[4])))
with Client("exante", base_url=sys.argv[1], token=sys.argv[2], transport="h11") as client:
    try:
        client.land(sys.argv[3], since="2024-06-01", days=180)
    except LandingError as error:
        print(error)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="the limit is of POSIX")
@pytest.mark.parametrize("most_bytes", [100, 5_000, 12_000])
def test_a_full_disk_is_told_and_costs_nothing(
    client: Client, server: Running, target: Path, most_bytes: int
) -> None:
    """A file cannot grow, in the middle of a landing; with room again, the next one goes on."""
    address = server.base_url("exante")
    done = subprocess.run(
        [sys.executable, "-c", FULL_DISK, address, TOKEN, str(target), str(most_bytes)],
        capture_output=True,
        text=True,
        check=True,
    )

    assert str(target) in done.stdout
    assert "cannot be" in done.stdout
    client.land(target, since=ALL, days=180)
    assert landed(target) == truth(server)


@pytest.mark.parametrize(
    ("target", "module", "extra"),
    [
        ("t.duckdb", "arro3", "duckdb"),
        ("t.duckdb", "duckdb", "duckdb"),
        ("t.delta", "arro3", "delta"),
        ("t.delta", "deltalake", "delta"),
        ("t", "arro3", "arrow"),
    ],
)
def test_a_missing_library_is_named_before_anything_is_requested(
    target: str, module: str, extra: str, tmp_path: Path
) -> None:
    """The error names the extra of that target, with both clients and on the command line."""
    program = f"""
import asyncio, sys
for each in ("{module}", "{module}.core", "{module}.io"):
    sys.modules[each] = None
from billingual import AsyncClient, Client, MemoryTransport, MissingExtraError
from billingual.cli.app import run

async def land():
    async with AsyncClient("exante", token="x", transport=MemoryTransport()) as client:
        await client.land("{target}", since="2026-01-01")

def land_blocking():
    with Client("exante", token="x", transport=MemoryTransport()) as client:
        client.land("{target}", since="2026-01-01")

for call in (lambda: asyncio.run(land()), land_blocking):
    try:
        call()
    except MissingExtraError as error:
        assert error.install == 'pip install "billingual[{extra}]"', error.install
        assert " needs {module}, " in str(error), error
    else:
        raise AssertionError
sys.exit(run(["sync", "--to", "{target}", "--since", "2026-01-01"]))
"""
    command = [sys.executable, "-c", program]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)

    assert done.returncode == 2, done.stderr
    assert f"billingual[{extra}]" in done.stderr
    assert "Traceback" not in done.stderr
    assert not list(tmp_path.iterdir())


def test_files_are_found_without_the_library_that_wrote_them(
    client: Client, tmp_path: Path
) -> None:
    """A program that only reads them has a library of its own for Parquet."""
    client.land(tmp_path / "x", since="2026-10-01")
    program = f"""
import sys
sys.modules["arro3"] = sys.modules["arro3.core"] = sys.modules["arro3.io"] = None
from billingual.landing import landed_files
print(landed_files({str(tmp_path / "x")!r}))
"""
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )

    assert done.stdout.strip() == str(landed_files(tmp_path / "x"))


class _Removing(MemoryTransport):
    """Removes a file of the target when the first request comes."""

    def __init__(self, file: Path) -> None:
        super().__init__(lambda _: self._removed(file))

    @staticmethod
    def _removed(file: Path) -> WireResponse:
        file.unlink(missing_ok=True)
        meta = b'{"page": 1, "total_pages": 0, "total_items": 0}'
        return WireResponse(status=200, body=b'{"data": {"items": [], "_meta": %b}}' % meta)


@pytest.mark.parametrize("kind", [each for each in TARGETS if not each.endswith(".duckdb")])
def test_a_manifest_that_is_removed_meanwhile_is_not_begun_anew(tmp_path: Path, kind: str) -> None:
    """It would lack its first line, and no later run could read it."""
    place = tmp_path / kind
    manifest = (place / "_billingual" if kind.endswith(".delta") else place) / "manifest.jsonl"
    with (
        Client("exante", token=TOKEN, transport=_Removing(manifest)) as client,
        pytest.raises(LandingError, match=r"manifest\.jsonl cannot be written"),
    ):
        client.land(place)

    assert not manifest.exists()


@pytest.mark.parametrize("name", ["md:x.duckdb", "sqlite:x.duckdb", "s:x.duckdb"])
def test_a_name_is_a_name_of_a_file(
    client: Client, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    """To DuckDB, ``md:`` is a service, and ``sqlite:`` the database of another program."""
    monkeypatch.chdir(tmp_path)
    client.land(name, since="2026-10-01")

    assert [name] == [each.name for each in tmp_path.iterdir()]


@pytest.mark.parametrize("folder", ["clocks", "a lock", "x"])
def test_a_folder_that_cannot_be_used_is_not_called_in_use(
    client: Client, tmp_path: Path, folder: str
) -> None:
    """The word "lock" in the name of a folder says nothing."""
    (tmp_path / folder).mkdir()
    (tmp_path / folder / "x.duckdb").write_bytes(b"no database" * 1000)
    with pytest.raises(LandingError, match="cannot be opened"):
        client.land(tmp_path / folder / "x.duckdb", since="2026-10-01")


def test_the_folder_of_a_file_is_made(client: Client, server: Running, target: Path) -> None:
    """As that of a folder of files is."""
    place = target.parent / "new" / target.name
    client.land(place, since=ALL, days=180)

    assert landed(place) == truth(server)


def test_a_loop_of_links_is_told(client: Client, target: Path) -> None:
    """Python has an error of its own for it."""
    target.symlink_to(target)
    with pytest.raises(LandingError, match=r"cannot be (opened|used)"):
        client.land(target, since="2026-10-01")


def test_a_file_that_is_open_in_this_program_is_told(client: Client, tmp_path: Path) -> None:
    """DuckDB speaks of configurations."""
    path = tmp_path / "x.duckdb"
    client.land(path, since="2026-10-01")
    with (
        duckdb.connect(str(path), read_only=True),
        pytest.raises(LandingInUseError, match=r"this program has .* open in another way"),
    ):
        client.land(path, since="2026-10-01")


@needs_delta
def test_a_delta_table_of_others_is_refused_and_left_alone(client: Client, tmp_path: Path) -> None:
    """Such as one that a list was written to: it has no notes of a landing."""
    from deltalake import write_deltalake  # noqa: PLC0415 - of an extra

    path = tmp_path / "x.delta"
    write_deltalake(str(path), client.list().arrow())
    before = {*path.rglob("*")}
    with pytest.raises(UsageError, match="a table without the column _row_hash"):
        client.land(path, since="2026-10-01")

    assert {*path.rglob("*")} == before


@pytest.mark.parametrize("folder", [None, 7, b"x", "a\0b"], ids=repr)
def test_files_of_what_is_no_path_are_refused(folder: Any) -> None:
    """By the name of the argument."""
    with pytest.raises(InvalidInputError, match="folder: "):
        landed_files(folder)
