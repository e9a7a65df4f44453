"""The application: one client for the whole process, and what its routes share."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from os import environ
from pathlib import Path

from billingual import AsyncClient, BillingualError, OutcomeUnknown
from billingual.integrations.opentelemetry import OpenTelemetryObserver
from fastapi import FastAPI
from opentelemetry.instrumentation.fastapi import FastAPIInstrumentor
from opentelemetry.trace import TracerProvider

from invoice_service.caller import RequestIds
from invoice_service.problems import tell_problem, tell_unclear
from invoice_service.routes import router
from invoice_service.unclear import UnclearWrites

__all__ = ["create_app", "from_environment"]


def from_environment() -> FastAPI:
    """Make the application that ``uvicorn --factory`` serves.

    ``BILLINGUAL_URL``, ``BILLINGUAL_TOKEN`` and their like say which provider it speaks to, and
    ``UNCLEAR_WRITES`` where it keeps the writes whose end is not known.
    """
    return create_app(unclear=Path(environ.get("UNCLEAR_WRITES", "unclear.db")))


def create_app(
    *,
    unclear: Path,
    connect: Callable[..., AsyncClient] = AsyncClient.from_env,
    tracers: TracerProvider | None = None,
    late_arrival_s: float = 120.0,
) -> FastAPI:
    """Make the application.

    Args:
        unclear: the file of the writes whose end is not known. It must outlive the process.
        connect: makes the client. Default: from the environment; tests make one to a sandbox.
        tracers: where spans go. Default: the global provider.
        late_arrival_s: seconds after which a request that was given up cannot arrive any more.
    """

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        writes = UnclearWrites(unclear)
        # One client for all requests: they share its connections, its rate limit and its retry
        # budget. `on_unclear` also hears of a write that a shutdown cancels.
        client = connect(
            observers=[OpenTelemetryObserver(tracers)],
            on_unclear=writes.keep,
            app=("invoice-service", "0.1.0"),
        )
        async with client:
            app.state.client, app.state.unclear = client, writes
            app.state.late_arrival_s = late_arrival_s
            yield
        writes.close()

    app = FastAPI(title="Invoices", lifespan=lifespan)
    app.include_router(router)
    app.add_exception_handler(BillingualError, tell_problem)
    app.add_exception_handler(OutcomeUnknown, tell_unclear)
    app.add_middleware(RequestIds)
    FastAPIInstrumentor.instrument_app(app, tracer_provider=tracers)
    return app
