"""Contestant: DBOS, a workflow for each order and a step that is retried, its store in SQLite.

The order names the workflow, so that each is enqueued once; what was under way at a kill DBOS
recovers when it is launched again.
Source: https://docs.dbos.dev/python/tutorials/workflow-tutorial, step-tutorial and queue-tutorial.
"""

from __future__ import annotations

import httpx
from dbos import DBOS, SetWorkflowID
from orders import TIMEOUT_S, TRIES, passes, race

THIS = race()
CLIENT = httpx.Client(timeout=TIMEOUT_S)


@DBOS.step(retries_allowed=True, max_attempts=TRIES, interval_seconds=0.2, should_retry=passes)
def create(order: dict[str, str]) -> None:
    """Send one create."""
    CLIENT.request(**THIS.request(order)).raise_for_status()


@DBOS.workflow()
def invoice(order: dict[str, str]) -> None:
    """Invoice one order."""
    create(order)


def main() -> None:
    """Enqueue all orders, and wait for each."""
    store = f"sqlite:///{THIS.folder / 'dbos.sqlite'}"
    DBOS(config={"name": "race", "system_database_url": store, "log_level": "CRITICAL"})
    DBOS.launch()
    DBOS.register_queue("orders", worker_concurrency=THIS.at_once, polling_interval_sec=0.1)
    handles = []
    for order in THIS.orders:
        with SetWorkflowID(order["order"]):
            handles.append(DBOS.enqueue_workflow("orders", invoice, order))
    failed = []
    for order, handle in zip(THIS.orders, handles, strict=True):
        try:
            handle.get_result(polling_interval_sec=0.1)
        except Exception:  # noqa: BLE001 - as a step raised it, or DBOS in its place
            failed.append(order["order"])
    THIS.end(failed)
    DBOS.destroy()


main()
