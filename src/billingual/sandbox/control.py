"""The control API under `/_sandbox/`: what a test or a person changes about the sandbox itself.

It needs no credentials, speaks plain JSON, and is never subject to faults. An error is `{error}`
with status 400.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import cast

import attrs
from starlette.routing import Route

from billingual.sandbox.accounts import CREDENTIALS, LANDMARKS
from billingual.sandbox.clock import DEFAULT_NOW
from billingual.sandbox.faults import fault_from, fault_record
from billingual.sandbox.fields import Field, InvalidError, boolean, integer, number, read_object
from billingual.sandbox.instants import millisecond_text, parse_instant
from billingual.sandbox.json_text import stored_json
from billingual.sandbox.messages import Action, Call, RefusalError, Reply, endpoint
from billingual.sandbox.seed import sow
from billingual.sandbox.settings import Settings
from billingual.sandbox.state import World
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


def routes(world: World) -> list[Route]:
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
        Route(f"/_sandbox/{path}", endpoint(world, action, refuse), methods=[method])
        for method, path, action in table
    ]


def refuse(world: World, refusal: RefusalError) -> Reply:  # noqa: ARG001  the shape of a Refuse
    """Answer an error of the control API."""
    return Reply(body={"error": refusal.message}, status=refusal.status, rule=refusal.rule)


def _state(world: World, call: Call) -> Reply:
    call.only()
    counts = {}
    for provider, table in _TABLES.items():
        row = world.store.row(f"SELECT count(*) AS n FROM {table}")  # noqa: S608  our names
        counts[provider] = 0 if row is None else row["n"]
    return Reply(
        body={
            "seed": world.store.mint.seed,
            "clock": _clock_record(world),
            "invoices": counts,
            "requests": world.journal.count,
            "faults": len(world.faults.pending()),
            "settings": attrs.asdict(world.settings),
            "landmarks": LANDMARKS,
            "credentials": {
                name: {"prefix": account.prefix, "token": account.token, "tenant": account.tenant}
                for name, account in CREDENTIALS.items()
            },
        }
    )


def _reset(world: World, call: Call) -> Reply:
    """Go back to how `create_app` made it: data, clock, settings, no faults, no journal."""
    call.only()
    world.settings = Settings()
    world.faults.clear()
    world.journal.clear()
    world.clock.freeze()
    world.clock.set(DEFAULT_NOW)
    sow(world, world.seed, world.invoices)
    return _state(world, call)


def _seed(world: World, call: Call) -> Reply:
    """Replace the data by that of another seed, dated around the clock as it stands."""
    call.only()
    body = cast("dict[str, int]", read_object(call.json(), _SEED))
    seed = body.get("seed", world.store.mint.seed)
    sow(world, seed, body.get("invoices", world.store.meta("invoices") or 0))
    return _state(world, call)


def _clock(world: World, call: Call) -> Reply:
    call.only()
    return Reply(body=_clock_record(world))


def _set_clock(world: World, call: Call) -> Reply:
    """Set, then advance, then freeze or run, as far as each is asked for."""
    call.only()
    body = read_object(call.json(), _CLOCK)
    seconds = float(str(body.get("advance_s", 0)))
    if abs(seconds) > _MAX_ADVANCE_S:
        raise RefusalError(400, "clock", f"advance_s must be within {_MAX_ADVANCE_S} seconds")
    now = body.get("now")
    if now == "real":
        world.clock.set_real()
    elif isinstance(now, int):
        world.clock.set(now)
    world.clock.advance(seconds)
    if body.get("frozen") is True:
        world.clock.freeze()
    elif body.get("frozen") is False:
        world.clock.run()
    world.store.set_meta("clock", world.clock.now())
    return Reply(body=_clock_record(world))


def _clock_record(world: World) -> dict[str, object]:
    return {"now": millisecond_text(world.clock.now()), "frozen": world.clock.frozen}


def _faults(world: World, call: Call) -> Reply:
    call.only()
    pending = world.faults.pending()
    return Reply(body={"faults": [fault_record(fault) for fault in pending]})


def _add_faults(world: World, call: Call) -> Reply:
    """Queue one fault, or an array of them."""
    call.only()
    body = call.json()
    world.faults.add([fault_from(item) for item in (body if isinstance(body, list) else [body])])
    return _faults(world, call)


def _clear_faults(world: World, call: Call) -> Reply:
    call.only()
    world.faults.clear()
    return _faults(world, call)


def _settings(world: World, call: Call) -> Reply:
    call.only()
    return Reply(body={"settings": attrs.asdict(world.settings), "choices": Settings.choices()})


def _set_settings(world: World, call: Call) -> Reply:
    call.only()
    body = call.json()
    if not isinstance(body, dict):
        raise RefusalError(400, "settings", "The body must be an object of settings")
    try:
        world.settings = world.settings.changed(body)
    except ValueError as error:
        raise RefusalError(400, "settings", str(error)) from None
    return _settings(world, call)


def _invoices(world: World, call: Call) -> Reply:
    """Show the raw rows; Katsu Pay documents no read, so this is how its state is seen."""
    parameters = call.only("provider", "limit")
    table = _TABLES.get(parameters.get("provider", ""))
    if table is None:
        raise RefusalError(400, "bad-parameter", "provider must be of " + ", ".join(_TABLES))
    limit = _limit(parameters, _MAX_INVOICES)
    rows = world.store.rows(f"SELECT * FROM {table} ORDER BY rowid LIMIT ?", (limit,))  # noqa: S608
    return Reply(body={"invoices": [_raw(row) for row in rows]})


def _raw(row: Row) -> dict[str, object]:
    return {**dict(row), "doc": stored_json(row["doc"])}


def _requests(world: World, call: Call) -> Reply:
    limit = _limit(call.only("limit"), 100)
    entries = [attrs.asdict(entry) for entry in world.journal.last(limit)]
    return Reply(body={"requests": entries})


def _clear_requests(world: World, call: Call) -> Reply:
    call.only()
    world.journal.clear()
    return Reply(body={"requests": []})


def _limit(parameters: Mapping[str, str], default: int) -> int:
    value = parameters.get("limit", str(default))
    if not value.isascii() or not value.isdigit() or len(value) > 6 or int(value) < 1:
        raise RefusalError(400, "bad-parameter", "limit must be a whole number from 1 to 999999")
    return int(value)
