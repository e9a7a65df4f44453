"""The invoices of the three providers as rows of one table, the last changed first."""

from __future__ import annotations

from typing import Any, Final, cast

from billingual.sandbox.instants import day_of, second_text
from billingual.sandbox.json_text import stored_json
from billingual.sandbox.page.operation import amount_text
from billingual.sandbox.page.wire_text import visible
from billingual.sandbox.providers.exante.query import shown_status
from billingual.sandbox.state import SandboxState
from billingual.sandbox.store import Row

__all__ = ["MAX_ROWS", "invoice_rows", "watch_changes"]

MAX_ROWS: Final = 50
"""Most rows of one table; to find others, search."""

_TABLES: Final = {
    "exante": "exante_invoice",
    "katsu": "katsu_invoice",
    "kukkingu": "kukkingu_invoice",
}
# Where a column holds what is searched; Katsu Pay's invoices have neither number nor status.
_SEARCHED: Final = {
    "exante": ("i.uid", "i.number", "{status}"),
    "katsu": ("i.id",),
    "kukkingu": ("i.id", "i.number", "i.status"),
}


def watch_changes(state: SandboxState) -> None:
    """Have the database keep the order in which invoices change, for as long as it is open.

    The table and its triggers are temporary: they are in no file, and a sandbox without a page
    writes without them.
    """
    with state.lock:
        for table in _TABLES.values():
            changed = f"changed_{table}"
            state.store.run(
                f"CREATE TEMP TABLE IF NOT EXISTS {changed}"
                " (serial INTEGER PRIMARY KEY AUTOINCREMENT, invoice INTEGER UNIQUE)"
            )
            note = f"INSERT OR REPLACE INTO {changed} (invoice) VALUES (NEW.rowid)"  # noqa: S608  our names
            for event in ("INSERT", "UPDATE"):
                state.store.run(
                    f"CREATE TEMP TRIGGER IF NOT EXISTS {changed}_{event}"
                    f" AFTER {event} ON main.{table} BEGIN {note}; END"
                )


def invoice_rows(state: SandboxState, provider: str, search: str) -> dict[str, object]:
    """Give up to `MAX_ROWS` invoices, the last changed first, and how many match in all.

    *search* is a part of the number, the id or the status.

    Raises:
        KeyError: If there is no such provider.
    """
    table = _TABLES[provider]
    status = shown_status(state)
    match = " OR ".join(
        f"instr(fold({name.format(status=status)}), fold(:search))" for name in _SEARCHED[provider]
    )
    values: dict[str, object] = {
        "search": search,
        "today": day_of(state.clock.now()),
        "limit": MAX_ROWS,
    }
    shown = f"i.*, i.rowid AS place{f', {status} AS shown_status' if provider == 'exante' else ''}"
    with state.lock:
        changed = state.store.rows(
            f"SELECT {shown} FROM changed_{table} c JOIN {table} i ON i.rowid = c.invoice"  # noqa: S608  our names
            f" WHERE {match} ORDER BY c.serial DESC LIMIT :limit",
            values,
        )
        # Not in one query: it would sort all of them, and there may be a hundred thousand.
        others = state.store.rows(
            f"SELECT {shown} FROM {table} i WHERE ({match})"  # noqa: S608  our names
            f" AND i.rowid NOT IN (SELECT invoice FROM changed_{table})"
            " ORDER BY i.rowid DESC LIMIT :limit",
            values,
        )
        count = state.store.row(f"SELECT count(*) AS n FROM {table} i WHERE {match}", values)  # noqa: S608  our names
    rows = [_row(provider, row) for row in (*changed, *others)[:MAX_ROWS]]
    return {"rows": rows, "count": 0 if count is None else count["n"]}


def _row(provider: str, row: Row) -> dict[str, str]:
    doc = cast("dict[str, Any]", stored_json(row["doc"]))
    if provider == "exante":
        texts = {
            "id": row["uid"],
            "number": row["number"],
            "status": row["shown_status"],
            "total": amount_text(row["total"], doc["currency"]),
            "due": "" if row["due_date"] is None else second_text(row["due_date"]),
        }
    elif provider == "kukkingu":
        texts = {
            "id": row["id"],
            "number": row["number"],
            "status": row["status"],
            "total": amount_text(doc["amountMinor"], doc["currencyCode"]),
            "due": doc["dueAt"] or "",
        }
    else:
        number = doc.get("currency")
        texts = {
            "id": row["id"],
            "number": "",
            "status": "",
            "total": row["amount"] if number is None else f"{row['amount']} (currency {number})",
            "due": doc.get("dueDate") or "",
        }
    return {name: visible(text) for name, text in texts.items()}
