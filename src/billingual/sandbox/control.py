"""The control API under `/_sandbox/`: what a test or a person changes about the sandbox itself.

It needs no credentials, speaks plain JSON, and is never subject to faults. An error is `{error}`
with status 400. A web page of another
origin has no access; see `origins`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import cast

import attrs
from starlette.routing import Route

from billingual.sandbox.accounts import CREDENTIALS, LANDMARKS
from billingual.sandbox.actions import Action, Call, RefusalError, Reply, endpoint
from billingual.sandbox.clock import DEFAULT_NOW
from billingual.sandbox.faults import KINDS, fault_from, fault_record
from billingual.sandbox.fields import Field, InvalidError, boolean, integer, number, read_object
from billingual.sandbox.instants import millisecond_text, parse_instant
from billingual.sandbox.json_text import stored_json
from billingual.sandbox.origins import refuse_foreign_pages
from billingual.sandbox.seed import seed_store
from billingual.sandbox.settings import Settings
from billingual.sandbox.state import SandboxState
from billingual.sandbox.store import Row

__all__ = ["refuse", "routes"]

_MAX_INVOICES = 100_000
_MAX_ADVANCE_S = 10**10
_SEED = (
    Field("seed", integer(-(2**62), 2**62)),
    Field("invoices", integer(0, _MAX_INVOICES)),
)


def _now(value: object, path: str) -> object:
    if value == "real":
        return value
    if not isinstance(value, str):
        raise InvalidError((path, "must be a date-time or 'real'"))
    try:
        return parse_instant(value)
    except ValueError as error:
        raise InvalidError((path, str(error))) from None


_CLOCK = (Field("now", _now), Field("advance_s", number()), Field("frozen", boolean))
_TABLES = {
    "exante": "exante_invoice",
    "kukkingu": "kukkingu_invoice",
    "katsu": "katsu_invoice",
}


def routes(state: SandboxState) -> list[Route]:
    """List the control endpoints."""
    table: tuple[tuple[str, str, Action], ...] = (
        ("GET", "state", _state),
        ("POST", "reset", _reset),
        ("POST", "seed", _seed),
        ("GET", "clock", _clock),
        ("POST", "clock", _set_clock),
        ("GET", "faults", _faults),
        ("POST", "faults", _add_faults),
        ("DELETE", "faults", _clear_faults),
        ("GET", "settings", _settings),
        ("POST", "settings", _set_settings),
        ("GET", "invoices", _invoices),
        ("GET", "requests", _requests),
        ("DELETE", "requests", _clear_requests),
    )
    return [
        Route(
            f"/_sandbox/{path}",
            endpoint(state, _guarded(action, method), refuse),
            methods=[method],
        )
        for method, path, action in table
    ]


def _guarded(action: Action, method: str) -> Action:
    def act(state: SandboxState, call: Call) -> Reply:
        refuse_foreign_pages(state, call.headers, method)
        return action(state, call)

    return act


def refuse(state: SandboxState, refusal: RefusalError) -> Reply:  # noqa: ARG001  the shape of a Refuse
    """Answer an error of the control API."""
    return Reply(body={"error": refusal.message}, status=refusal.status, rule=refusal.rule)


def _state(state: SandboxState, call: Call) -> Reply:
    call.only()
    counts = {}
    for provider, table in _TABLES.items():
        row = state.store.row(f"SELECT count(*) AS n FROM {table}")  # noqa: S608  our names
        counts[provider] = 0 if row is None else row["n"]
    return Reply(
        body={
            "seed": state.store.ids.seed,
            "clock": _clock_record(state),
            "invoices": counts,
            "requests": state.request_log.count,
            "faults": len(state.faults.pending()),
            "settings": attrs.asdict(state.settings),
            "landmarks": LANDMARKS,
            "credentials": {
                name: {"prefix": account.prefix, "token": account.token, "tenant": account.tenant}
                for name, account in CREDENTIALS.items()
            },
        }
    )


def _reset(state: SandboxState, call: Call) -> Reply:
    """Restore what `create_app` made: data, clock, settings, no faults, an empty request log."""
    call.only()
    state.settings = Settings()
    state.faults.clear()
    state.request_log.clear()
    state.clock.freeze()
    state.clock.set(DEFAULT_NOW)
    seed_store(state, state.seed, state.invoices)
    return _state(state, call)


def _seed(state: SandboxState, call: Call) -> Reply:
    """Replace the data by that of another seed, dated around the clock as it stands."""
    call.only()
    body = cast("dict[str, int]", read_object(call.json(), _SEED))
    seed = body.get("seed", state.store.ids.seed)
    seed_store(state, seed, body.get("invoices", state.store.meta("invoices") or 0))
    return _state(state, call)


def _clock(state: SandboxState, call: Call) -> Reply:
    call.only()
    return Reply(body=_clock_record(state))


def _set_clock(state: SandboxState, call: Call) -> Reply:
    """Set, then advance, then freeze or run, as far as each is asked for."""
    call.only()
    body = read_object(call.json(), _CLOCK)
    seconds = float(str(body.get("advance_s", 0)))
    if abs(seconds) > _MAX_ADVANCE_S:
        raise RefusalError(400, "clock", f"advance_s must be within {_MAX_ADVANCE_S} seconds")
    now = body.get("now")
    if now == "real":
        state.clock.set_real()
    elif isinstance(now, int):
        state.clock.set(now)
    state.clock.advance(seconds)
    if body.get("frozen") is True:
        state.clock.freeze()
    elif body.get("frozen") is False:
        state.clock.run()
    state.store.set_meta("clock", state.clock.now())
    return Reply(body=_clock_record(state))


def _clock_record(state: SandboxState) -> dict[str, object]:
    return {"now": millisecond_text(state.clock.now()), "frozen": state.clock.frozen}


def _faults(state: SandboxState, call: Call) -> Reply:
    call.only()
    return _pending(state)


def _pending(state: SandboxState) -> Reply:
    pending = state.faults.pending()
    return Reply(body={"faults": [fault_record(fault) for fault in pending]})


def _add_faults(state: SandboxState, call: Call) -> Reply:
    """Queue one fault, or an array of them."""
    call.only()
    body = call.json()
    state.faults.add([fault_from(item) for item in (body if isinstance(body, list) else [body])])
    return _faults(state, call)


def _clear_faults(state: SandboxState, call: Call) -> Reply:
    """Forget the faults of one kind, or all."""
    kind = call.only("kind").get("kind")
    if kind is not None and kind not in KINDS:
        raise RefusalError(400, "bad-parameter", "kind must be of " + ", ".join(KINDS))
    state.faults.clear(kind)
    return _pending(state)


def _settings(state: SandboxState, call: Call) -> Reply:
    call.only()
    return Reply(body={"settings": attrs.asdict(state.settings), "choices": Settings.choices()})


def _set_settings(state: SandboxState, call: Call) -> Reply:
    call.only()
    body = call.json()
    if not isinstance(body, dict):
        raise RefusalError(400, "settings", "The body must be an object of settings")
    try:
        state.settings = state.settings.changed(body)
    except ValueError as error:
        raise RefusalError(400, "settings", str(error)) from None
    return _settings(state, call)


def _invoices(state: SandboxState, call: Call) -> Reply:
    """Show the raw rows; Katsu Pay documents no read, so this is how its state is seen."""
    parameters = call.only("provider", "limit")
    table = _TABLES.get(parameters.get("provider", ""))
    if table is None:
        raise RefusalError(400, "bad-parameter", "provider must be of " + ", ".join(_TABLES))
    limit = _limit(parameters, _MAX_INVOICES)
    rows = state.store.rows(f"SELECT * FROM {table} ORDER BY rowid LIMIT ?", (limit,))  # noqa: S608
    return Reply(body={"invoices": [_raw(row) for row in rows]})


def _raw(row: Row) -> dict[str, object]:
    return {**dict(row), "doc": stored_json(row["doc"])}


def _requests(state: SandboxState, call: Call) -> Reply:
    limit = _limit(call.only("limit"), 100)
    entries = [attrs.asdict(entry) for entry in state.request_log.last(limit)]
    return Reply(body={"requests": entries})


def _clear_requests(state: SandboxState, call: Call) -> Reply:
    call.only()
    state.request_log.clear()
    return Reply(body={"requests": []})


def _limit(parameters: Mapping[str, str], default: int) -> int:
    value = parameters.get("limit", str(default))
    if not value.isascii() or not value.isdigit() or len(value) > 6 or int(value) < 1:
        raise RefusalError(400, "bad-parameter", "limit must be a whole number from 1 to 999999")
    return int(value)
