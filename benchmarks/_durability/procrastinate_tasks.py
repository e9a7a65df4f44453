"""Contestant: procrastinate, a job for each order in PostgreSQL, with its recipe for stalled jobs.

The recipe is that of its documentation; only its times are shorter, so that the race is: a worker
beats every half second, and one that was silent for two is taken for dead.
Source: https://procrastinate.readthedocs.io/en/stable/howto/production/retry_stalled_jobs.html
"""

from __future__ import annotations

import asyncio

import httpx
import procrastinate
from orders import TIMEOUT_S, TRIES, passes, race
from procrastinate.jobs import Status

THIS = race()
BEAT_S, SILENT_S = 0.5, 2.0

app = procrastinate.App(connector=procrastinate.PsycopgConnector(conninfo=THIS.postgres))


class Passing(Exception):  # noqa: N818 - it may pass
    """What may go better another time."""


RETRY = procrastinate.RetryStrategy(max_attempts=TRIES, wait=1, retry_exceptions={Passing})


@app.task(queue="orders", retry=RETRY)
async def create(order: dict[str, str]) -> None:
    """Send one create."""
    try:
        async with httpx.AsyncClient(timeout=TIMEOUT_S) as client:
            response = await client.request(**THIS.request(order))
        response.raise_for_status()
    except httpx.HTTPError as error:
        if passes(error):
            raise Passing from error
        raise


@app.periodic(cron="* * * * * */2")
@app.task(queue="upkeep", queueing_lock="retry_stalled_jobs", pass_context=True)
async def retry_stalled_jobs(context: procrastinate.JobContext, timestamp: int) -> None:  # noqa: ARG001
    """Do as the recipe says."""
    manager = app.job_manager
    for job in await manager.get_stalled_jobs(seconds_since_heartbeat=SILENT_S):
        await manager.retry_job(job)


async def main() -> None:
    """Defer all orders once, and work until none is left."""
    async with app.open_async():
        manager = app.job_manager
        if not await app.check_connection_async():
            await app.schema_manager.apply_schema_async()
        if not list(await manager.list_jobs_async(queue="orders")):
            await create.batch_defer_async(*({"order": each} for each in THIS.orders))
        work = app.run_worker_async(
            concurrency=THIS.at_once,
            install_signal_handlers=False,
            fetch_job_polling_interval=0.2,
            update_heartbeat_interval=BEAT_S,
            stalled_worker_timeout=SILENT_S,
        )
        worker = asyncio.create_task(work)
        while await _left():  # noqa: ASYNC110 - the store is asked, which rings no bell
            await asyncio.sleep(0.2)
        worker.cancel()
        await asyncio.gather(worker, return_exceptions=True)
        failed = await manager.list_jobs_async(queue="orders", status=Status.FAILED.value)
        THIS.end([job.task_kwargs["order"]["order"] for job in failed])


async def _left() -> bool:
    for status in (Status.TODO, Status.DOING):
        if list(await app.job_manager.list_jobs_async(queue="orders", status=status.value)):
            return True
    return False


asyncio.run(main())
