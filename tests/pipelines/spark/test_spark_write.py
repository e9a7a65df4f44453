"""Frames that become writes of a job, on Sail and on Spark alike."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from _support.postgres_server import postgres_server
from billingual import Client, Job
from billingual.jobs import State
from billingual.sandbox import LANDMARKS, Running

Options = dict[str, str]

PARTS = "counterparty string, owner string, document string"
KNOWN = (LANDMARKS["exante_party"], LANDMARKS["exante_owner"], LANDMARKS["exante_document"])


@pytest.fixture
def save(options: Options, ledger: Path) -> Callable[..., None]:
    """Return a function that writes a frame."""

    def saved(frame: Any, mode: str = "append", **more: str) -> None:
        given = {"job": "november", "ledger": str(ledger)} | options | more
        frame.write.format("invoices").options(**given).mode(mode).save()

    return saved


@pytest.fixture
def open_job(client: Client, ledger: Path) -> Callable[[], Job]:
    """Return a function that opens the job that was planned."""
    return lambda: Job.open(ledger, client, late_arrival_s=0.1)


def drafts(spark: Any, numbers: list[str]) -> Any:
    """Make a frame of drafts."""
    frame = spark.createDataFrame([(each, *KNOWN) for each in numbers], f"number string, {PARTS}")
    return frame.repartition(3)


def test_writing_again_plans_and_sends_nothing_new(
    spark: Any,
    save: Callable[..., None],
    open_job: Callable[[], Job],
    server: Running,
) -> None:
    """P6: entries are rows, creates are entries, also when the frame is written twice."""
    frame = drafts(spark, [f"S-{each}" for each in range(40)])

    for _ in range(2):
        save(frame, key="number")
        with open_job() as job:
            assert 40 == job.report().total
            assert 40 == job.run().committed

    sent = [each for each in server.app.requests(limit=1000) if each["method"] == "POST"]
    assert 40 == len(sent)


def test_nothing_is_sent_by_the_engine(
    spark: Any, save: Callable[..., None], server: Running
) -> None:
    """Only the job's own run sends."""
    save(drafts(spark, ["S-1", "S-2"]), key="number")

    assert [] == server.app.requests()


def test_a_column_can_be_the_id(
    spark: Any, save: Callable[..., None], open_job: Callable[[], Job]
) -> None:
    """It needs not be a field of an invoice; whole numbers are ids too."""
    frame = spark.createDataFrame(
        [(7, "S-7", *KNOWN), (8, "S-8", *KNOWN)], f"order bigint, number string, {PARTS}"
    )

    save(frame, id="order")

    with open_job() as job:
        assert ["7", "8"] == sorted(each.id for each in job.entries())


def test_money_is_exact(spark: Any, save: Callable[..., None], open_job: Callable[[], Job]) -> None:
    """A decimal takes its currency from the column of that name."""
    frame = spark.createDataFrame(
        [("S-1", Decimal("12345678901234.50"), "EUR")],
        "number string, total decimal(20,2), currency string",
    )
    with pytest.raises(Exception, match="total"):  # Exante computes it
        save(frame, key="number")

    with open_job() as job:
        assert 0 == job.report().total


def test_updates_and_deletes_come_from_frames_too(
    spark: Any,
    save: Callable[..., None],
    open_job: Callable[[], Job],
    client: Client,
) -> None:
    """The invoice is named by ``invoice_id``."""
    rows = client.list().collect(limit=500)
    changed, deleted = [each.id for each in rows if each.status == "DRAFT"][:2]

    save(
        spark.createDataFrame([(changed, "2027-02-03")], "invoice_id string, due_at string"),
        operation="update",
        key="invoice_id,due_at",
    )
    save(
        spark.createDataFrame([(deleted,)], "invoice_id string"),
        operation="delete",
        key="invoice_id",
    )

    with open_job() as job:
        report = job.run()
        assert {State.COMMITTED} == {each.state for each in job.entries()}, report
    assert "2027-02-03" == str(client.get(changed).due_at)[:10]
    assert deleted not in {each.id for each in client.list()}


@pytest.mark.parametrize(
    ("columns", "rows", "more", "message"),
    [
        (f"number string, {PARTS}", [("1", *KNOWN)], {}, "without a key"),
        (f"number string, {PARTS}", [("1", *KNOWN)], {"key": "order"}, "no such column"),
        (f"number string, {PARTS}", [("1", *KNOWN)] * 2, {"key": "number"}, "two rows"),
        (f"number string, {PARTS}", [(None, *KNOWN)], {"key": "number"}, "no part of a key"),
        (f"number string, {PARTS}", [(None, *KNOWN)], {"id": "number"}, "is no id"),
        ("number string, totl string", [("1", "1 EUR")], {"key": "number"}, "no such field"),
        ("number string, total double", [("1", 1.5)], {"key": "number"}, "float"),
        ("due_at string", [("1",)], {"key": "due_at", "operation": "update"}, "invoice_id"),
        (f"number string, {PARTS}", [("1", *KNOWN)], {"key": "number", "operation": "x"}, "one of"),
        (f"number string, {PARTS}", [("1", *KNOWN)], {"key": "number", "mode": "overwrite"},
         "append"),
    ],
)  # fmt: skip
def test_a_frame_that_cannot_be_written_plans_nothing(
    spark: Any,
    save: Callable[..., None],
    open_job: Callable[[], Job],
    columns: str,
    rows: list[tuple[Any, ...]],
    more: Options,
    message: str,
) -> None:
    """The error says what is wrong."""
    frame = spark.createDataFrame(rows, columns)

    with pytest.raises(Exception, match=message):
        save(frame, **more)

    with open_job() as job:
        assert 0 == job.report().total


def test_another_body_under_the_same_id_plans_nothing(
    spark: Any, save: Callable[..., None], open_job: Callable[[], Job]
) -> None:
    """The rest of the frame is not planned either."""
    save(drafts(spark, ["S-1"]), key="number")
    foreign = (*KNOWN[:2], LANDMARKS["exante_foreign_document"])
    other = spark.createDataFrame([("S-2", *KNOWN), ("S-1", *foreign)], f"number string, {PARTS}")

    with pytest.raises(Exception, match="PlanConflictError"):
        save(other, key="number")

    with open_job() as job:
        assert 1 == job.report().total


def test_the_ledger_can_be_a_database_that_a_file_names(
    spark: Any,
    save: Callable[..., None],
    client: Client,
    tmp_path: Path,
) -> None:
    """The option names the file, as the URL has a password; the job's name is its own."""
    place = tmp_path / "ledger-url"
    with postgres_server() as database:
        place.write_text(database.url(), encoding="utf-8")
        for number in ("S-1", "S-2"):
            save(drafts(spark, [number]), key="number", ledger=f"file:{place}", job=number)

        with Job.open(database.url("S-2"), client, late_arrival_s=0.1) as job:
            assert 1 == job.run().committed
        with Job.open(database.url("S-1"), client, late_arrival_s=0.1) as job:
            assert 1 == job.report().total
