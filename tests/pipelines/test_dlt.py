"""Invoices through dlt: merged, whole or not at all, up to date, and without a secret."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import dlt
import duckdb
import pytest
from deltalake import DeltaTable
from dlt.extract import DltResource
from dlt.pipeline.exceptions import PipelineStepFailed

from _support.canary.search import Canary, shown_by
from _support.moving_list import MovingList, Row
from billingual import AsyncClient, Client, Filter, InvalidInputError, PaginationError, UsageError
from billingual.integrations.dlt import invoices_resource

TODAY = datetime.now(UTC).date()
OLD = TODAY - timedelta(days=300)
SINCE = OLD - timedelta(days=10)


def some_rows() -> list[Row]:
    """Make invoices of each age, paid and open ones by turns."""
    days = [OLD + timedelta(days=each) for each in range(0, 310, 10)]
    return [Row(n, "SENT" if n % 2 else "PAID", issued=day) for n, day in enumerate(days)]


@pytest.fixture
def pipeline(tmp_path: Path) -> Iterator[dlt.Pipeline]:
    """Make a pipeline into a DuckDB file."""
    made = make_pipeline(tmp_path)
    yield made
    made.deactivate()


def make_pipeline(place: Path) -> dlt.Pipeline:
    """Make the pipeline that works in a folder, or find it again."""
    return dlt.pipeline(
        "billing",
        destination=dlt.destinations.duckdb(str(place / "billing.duckdb")),
        dataset_name="provider",
        pipelines_dir=str(place / "pipelines"),
    )


def resource_of(moving: MovingList, **options: Any) -> DltResource:
    """Make the resource of a list."""
    options = {"since": SINCE, **options}
    return invoices_resource(lambda: Client(**moving.options()), **options)


def loaded(pipeline: dlt.Pipeline) -> dict[str, str]:
    """Return the status of each invoice; each is there once."""
    with pipeline.sql_client() as client:
        rows = client.execute_sql("SELECT id, status FROM invoices")
    found = dict(rows)
    assert len(rows) == len(found)
    return found


def state_of(pipeline: dlt.Pipeline) -> dict[str, Any]:
    """Return what the resource keeps."""
    kept: dict[str, Any] = pipeline.state["sources"]["billing"]["resources"]["invoices"]
    return kept


def cause_of(failed: pytest.ExceptionInfo[PipelineStepFailed]) -> BaseException | None:
    """Return our own error."""
    error: BaseException | None = failed.value
    while error is not None and not type(error).__module__.startswith("billingual"):
        error = error.__cause__ or getattr(error, "exception", None)
    return error


def test_a_second_run_brings_only_what_is_new(pipeline: dlt.Pipeline) -> None:
    """Closed windows are read once; late changes of status and new invoices come."""
    moving = MovingList(some_rows())
    pipeline.run(resource_of(moving))
    assert moving.truth() == loaded(pipeline)
    first = moving.requests

    moving.rows[1].status = "VOID"
    moving.rows[3].status = "PARTIALLY_PAID"
    moving.rows[30].status = "OVERDUE"
    moving.rows[99] = Row(99, "DRAFT")
    moving.rows[100] = Row(100, "PAID", issued=OLD, paid=TODAY)
    pipeline.run(resource_of(moving))

    assert moving.truth() == loaded(pipeline)
    assert moving.requests - first < first


def test_a_window_that_was_closed_too_early_is_closed_anew(pipeline: dlt.Pipeline) -> None:
    """A clock was ahead, or the look-back was shorter: what changes until the end must count."""
    moving = MovingList(some_rows())
    pipeline.run(resource_of(moving, lookback_days=0))
    early = set(state_of(pipeline)["windows"])
    pipeline.run(resource_of(moving, lookback_days=90))
    closed = set(state_of(pipeline)["windows"])

    assert closed < early


@pytest.mark.parametrize("full", [False, True])
def test_an_open_invoice_that_is_gone_is_deleted(pipeline: dlt.Pipeline, *, full: bool) -> None:
    """The provider does not list it any more, nor find it by its id."""
    moving = MovingList(some_rows())
    pipeline.run(resource_of(moving))
    del moving.rows[1]

    pipeline.run(resource_of(moving, full=full))

    assert moving.truth() == loaded(pipeline)
    kept = state_of(pipeline)["open"]
    assert sorted(kept) == [row.uid for row in moving.rows.values() if row.number % 2]


@pytest.mark.parametrize("statuses", [(), ("DRAFT",)])
@pytest.mark.parametrize("full", [False, True])
def test_a_run_that_asks_for_fewer_open_ones_forgets_none(
    pipeline: dlt.Pipeline, statuses: tuple[str, ...], *, full: bool
) -> None:
    """It is a quick one between those that do, and they find what was settled since."""
    moving = MovingList(some_rows())
    pipeline.run(resource_of(moving))
    before = moving.requests
    pipeline.run(resource_of(moving, open_statuses=statuses, full=full))
    assert moving.requests - before < 16  # none is read by its id
    moving.rows[1].status = "VOID"

    pipeline.run(resource_of(moving))

    assert moving.truth() == loaded(pipeline)


def test_an_empty_list_makes_a_table(pipeline: dlt.Pipeline) -> None:
    """A query does not fail because no invoice was written yet."""
    pipeline.run(resource_of(MovingList([])))

    assert loaded(pipeline) == {}


@pytest.mark.parametrize("raw", [True, False])
def test_columns_are_those_of_the_one_schema(pipeline: dlt.Pipeline, *, raw: bool) -> None:
    """Money is whole minor units, a point in time is in UTC, and payloads can be left out."""
    pipeline.run(resource_of(MovingList(some_rows()), raw=raw))

    with pipeline.sql_client() as client:
        kinds = dict(
            client.execute_sql(
                "SELECT column_name, data_type FROM information_schema.columns "
                "WHERE table_schema = 'provider' AND table_name = 'invoices'"
            )
        )
        totals = client.execute_sql("SELECT total_minor FROM invoices ORDER BY 1")

    assert kinds["total_minor"] == "BIGINT"
    assert kinds["issued_at"] == "TIMESTAMP WITH TIME ZONE"
    assert kinds["exchange_rate"] == "DECIMAL(38,18)"
    assert ("raw" in kinds) is raw
    assert [(100 * row.number,) for row in some_rows()] == totals


TOLD: dict[str, Callable[[dlt.Pipeline, DltResource], object]] = {
    "append": lambda pipeline, made: pipeline.run(made, write_disposition="append"),
    "replace": lambda pipeline, made: pipeline.run(made, write_disposition="replace"),
    "skip": lambda pipeline, made: pipeline.run(made, write_disposition="skip"),
    "a hint": lambda pipeline, made: pipeline.run(made.apply_hints(write_disposition="append")),
    "in a source": lambda pipeline, made: pipeline.run(
        dlt.source(lambda: made, name="billing")(), write_disposition="append"
    ),
    "scd2": lambda pipeline, made: pipeline.run(
        made, write_disposition={"disposition": "merge", "strategy": "scd2"}
    ),
    "insert-only": lambda pipeline, made: pipeline.run(
        made, write_disposition={"disposition": "merge", "strategy": "insert-only"}
    ),
    "another key": lambda pipeline, made: pipeline.run(made, primary_key="number"),
    "two keys": lambda pipeline, made: pipeline.run(made, primary_key=["id", "number"]),
    "no key": lambda pipeline, made: pipeline.run(made.apply_hints(primary_key="")),
    "a key to merge by": lambda pipeline, made: pipeline.run(made.apply_hints(merge_key="number")),
    "a cursor": lambda pipeline, made: pipeline.run(
        made.apply_hints(incremental=dlt.sources.incremental("issued_at"))
    ),
    "files without a format": lambda pipeline, made: pipeline.run(
        made, destination=dlt.destinations.filesystem(f"file://{pipeline.pipelines_dir}/files")
    ),
}


@pytest.mark.parametrize("name", TOLD)
def test_what_would_double_or_lose_rows_is_refused(pipeline: dlt.Pipeline, name: str) -> None:
    """Nothing is sent, and the error says what to do instead."""

    def make() -> Client:
        raise AssertionError

    with pytest.raises(PipelineStepFailed) as failed:
        TOLD[name](pipeline, invoices_resource(make, since=SINCE))

    assert isinstance(cause_of(failed), InvalidInputError)
    assert "leave it out" in str(failed.value) or "choose one that can" in str(failed.value)


@pytest.mark.parametrize("strategy", ["delete-insert", "upsert"])
def test_each_way_to_merge_leaves_one_row(pipeline: dlt.Pipeline, strategy: str) -> None:
    """Invoices that two windows of a run hold come once."""
    moving = MovingList(some_rows())
    for _ in range(2):
        pipeline.run(
            resource_of(moving), write_disposition={"disposition": "merge", "strategy": strategy}
        )

    assert moving.truth() == loaded(pipeline)


def test_a_delta_table_is_merged_into(tmp_path: Path) -> None:
    """Files can be merged into where their format has a log."""
    pipeline = dlt.pipeline(
        "billing",
        destination=dlt.destinations.filesystem(f"file://{tmp_path}/files"),
        dataset_name="provider",
        pipelines_dir=str(tmp_path / "pipelines"),
    )
    moving = MovingList(some_rows())
    for _ in range(2):
        pipeline.run(resource_of(moving), table_format="delta")
        moving.rows[1].status = "VOID"
        moving.rows.pop(3, None)
    pipeline.run(resource_of(moving), table_format="delta")

    table = DeltaTable(tmp_path / "files" / "provider" / "invoices").to_pyarrow_table()
    found = dict(zip(table["id"].to_pylist(), table["status"].to_pylist(), strict=True))
    assert table.num_rows == len(found)
    assert moving.truth() == found


def test_a_window_that_is_not_whole_fails_the_run(pipeline: dlt.Pipeline) -> None:
    """The error names the window; dlt has no row of the run, and the next one goes on."""
    moving = MovingList(some_rows(), page_size=3)
    pipeline.run(resource_of(moving))
    before, state = loaded(pipeline), state_of(pipeline)
    for number in range(1_000, 1_020):
        moving.rows[number] = Row(number, "SENT", issued=TODAY)

    def shuffle(request: int) -> None:
        moving.order = lambda row: hash((row.number, request))

    moving.before = shuffle
    with pytest.raises(PipelineStepFailed) as failed:
        pipeline.run(resource_of(moving))

    error = cause_of(failed)
    assert isinstance(error, PaginationError)
    assert "window open" in str(error) or "window issued-" in str(error)
    assert not pipeline.has_pending_data
    assert before == loaded(pipeline)
    assert state == state_of(pipeline)

    moving.before = lambda _: None
    pipeline.run(resource_of(moving))
    assert moving.truth() == loaded(pipeline)


def test_a_run_that_is_left_early_keeps_its_place(pipeline: dlt.Pipeline) -> None:
    """What dlt did not take is read again."""
    moving = MovingList([Row(n, "PAID", issued=OLD) for n in range(12_000)], page_size=100)
    pipeline.run(resource_of(moving).add_limit(1))
    assert len(loaded(pipeline)) < len(moving.rows)

    pipeline.run(resource_of(moving))

    assert moving.truth() == loaded(pipeline)


def test_another_filter_is_refused(pipeline: dlt.Pipeline) -> None:
    """Its windows would be taken for done."""
    moving = MovingList(some_rows())
    pipeline.run(resource_of(moving))

    with pytest.raises(PipelineStepFailed) as failed:
        pipeline.run(resource_of(moving, filter=Filter(counterparty="Northwind")))

    assert type(cause_of(failed)) is UsageError
    assert "Northwind" not in str(pipeline.state)


def test_a_dataset_that_was_dropped_is_read_anew(pipeline: dlt.Pipeline, tmp_path: Path) -> None:
    """The state is beside the data, and goes with it."""
    moving = MovingList(some_rows())
    pipeline.run(resource_of(moving))
    (tmp_path / "billing.duckdb").unlink()
    fresh = make_pipeline(tmp_path)

    fresh.run(resource_of(moving))

    assert moving.truth() == loaded(fresh)
    pipeline.activate()  # as the fixture left it


def test_two_accounts_share_a_pipeline_and_can_be_read_anew(pipeline: dlt.Pipeline) -> None:
    """Each name has its own table and state; one of them runs in a thread of dlt's."""
    moving, others = MovingList(some_rows()), MovingList(some_rows()[:5])

    @dlt.source(name="billing")
    def both() -> Any:
        return resource_of(moving), resource_of(others, name="others").parallelize()

    def others_loaded() -> dict[str, str]:
        with pipeline.sql_client() as client:
            return dict(client.execute_sql("SELECT id, status FROM others"))

    pipeline.run(both())
    assert (moving.truth(), others.truth()) == (loaded(pipeline), others_loaded())

    others.rows[0].status = "VOID"  # paid long ago: no window sees it again
    pipeline.run(both(), refresh="drop_resources")
    assert (moving.truth(), others.truth()) == (loaded(pipeline), others_loaded())


def test_rows_can_be_looked_at_without_a_pipeline() -> None:
    """The resource is a plain iterable too."""
    tables = list(resource_of(MovingList(some_rows())))

    assert len(some_rows()) == sum(table.num_rows for table in tables)


def test_rows_that_are_looked_at_are_loaded_all_the_same(pipeline: dlt.Pipeline) -> None:
    """Only a run moves on."""
    moving = MovingList(some_rows())
    pipeline.activate()
    for _ in range(2):
        assert len(moving.rows) == sum(table.num_rows for table in resource_of(moving))

    pipeline.run(resource_of(moving))

    assert moving.truth() == loaded(pipeline)


@pytest.mark.parametrize("given", [None, "exante", Client("exante", transport="sandbox")])
def test_what_makes_no_client_is_refused(given: Any) -> None:
    """A client is made for each run, and closed at its end."""
    with pytest.raises(InvalidInputError, match="client_factory"):
        invoices_resource(given)


@pytest.mark.parametrize("given", [5, [5], None])
def test_what_are_no_statuses_is_refused(given: Any) -> None:
    """When the resource is made, and not in the middle of a run."""
    with pytest.raises(InvalidInputError, match="open_statuses"):
        invoices_resource(lambda: Client("exante", transport="sandbox"), open_statuses=given)


def test_an_async_client_is_refused(pipeline: dlt.Pipeline) -> None:
    """Nothing is left open, and the error says what to make."""
    with pytest.raises(PipelineStepFailed, match="let it make a Client") as failed:
        pipeline.run(invoices_resource(lambda: AsyncClient("exante", transport="sandbox")))

    assert isinstance(cause_of(failed), InvalidInputError)


@pytest.mark.parametrize("outcome", ["loaded", "refused"])
def test_no_token_is_kept_by_dlt(
    pipeline: dlt.Pipeline, tmp_path: Path, outcome: str, proof: Any
) -> None:
    """Neither in state, schema, packages, traces, nor at the destination."""
    canary = Canary(proof.seed)
    moving = MovingList(some_rows())

    def refuse(_: int) -> None:
        raise OSError(canary.reveal())

    if outcome == "refused":
        moving.before = refuse
    made = invoices_resource(
        lambda: Client(**{**moving.options(), "token": canary.reveal()}), since=SINCE
    )
    if outcome == "loaded":
        pipeline.run(made)
    else:
        with pytest.raises(PipelineStepFailed) as failed:
            pipeline.run(made)
        assert not canary.is_in(shown_by(failed.value))

    assert not canary.is_in(shown_by(pipeline.last_trace))
    files = [each for each in tmp_path.rglob("*") if each.is_file()]
    assert files
    for each in files:
        assert not canary.is_in(each.read_bytes().decode("latin-1")), each
    if outcome == "loaded":
        with duckdb.connect(str(tmp_path / "billing.duckdb")) as connection:
            for schema, table in connection.execute(
                "SELECT table_schema, table_name FROM information_schema.tables"
            ).fetchall():
                rows = connection.execute(f'SELECT * FROM "{schema}"."{table}"').fetchall()  # noqa: S608
                assert not canary.is_in(str(rows)), table


def test_days_are_given_as_text_or_dates(pipeline: dlt.Pipeline) -> None:
    """What is no day is refused, and nothing is sent."""
    moving = MovingList(some_rows())
    pipeline.run(resource_of(moving, since=str(SINCE), until=TODAY))

    with pytest.raises(PipelineStepFailed) as failed:
        pipeline.run(resource_of(moving, since="yesterday"))

    assert isinstance(cause_of(failed), InvalidInputError)
