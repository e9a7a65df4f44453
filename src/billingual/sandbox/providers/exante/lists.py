"""Exante's collection reads: the list, its statistics and filter options, and the user.

Sources: https://docs.exante.app/api-reference/invoices/list, .../stats, .../filter-options,
/api-reference/users/get-profile, read 2026-11. The list's parameters are described in
`exante_query`.

INFERRED: `_links` are null where there is no such page; statistics count only what the plain list
shows; a status outside the documented ten counts nowhere.
"""

from __future__ import annotations

from urllib.parse import urlencode

from starlette.routing import Route

from billingual.sandbox.accounts import Account
from billingual.sandbox.actions import Call, RefusalError, Reply, endpoint
from billingual.sandbox.instants import second_text
from billingual.sandbox.json_text import json_text, stored_json
from billingual.sandbox.providers.exante.invoices import authorize, envelope, refuse
from billingual.sandbox.providers.exante.query import (
    COLLECTION_METHODS,
    OVERDUE_DAYS,
    ListQuery,
    Page,
    Selection,
    shown_status,
)
from billingual.sandbox.providers.exante.records import FROM, LISTED, Record, columns_of, list_row
from billingual.sandbox.state import SandboxState

__all__ = ["STATUSES", "routes"]

STATUSES = (
    "DRAFT",
    "APPROVED",
    "SCHEDULED",
    "SENT",
    "OVERDUE",
    "PAID",
    "DISPUTED",
    "PARTIALLY_PAID",
    "VOID",
    "CANCELLED",
)
"""The ten receivable statuses, upper case; the statistics name them in lower case."""


def routes(state: SandboxState) -> list[Route]:
    """List the reads of collections."""
    scoped = "/api/organization/{organization}/invoices"
    table = (
        ("/api/invoices", _list),
        (f"{scoped}/stats", _stats),
        (f"{scoped}/filter-options", _filter_options),
        ("/api/user", _user),
    )
    return [
        Route(f"/exante{path}", endpoint(state, action, refuse), methods=["GET"])
        for path, action in table
    ]


def _list(state: SandboxState, call: Call) -> Reply:
    account = authorize(call)
    query = ListQuery.read(state, call)
    organization = query.organization() or account.organization
    selection = Selection.of_list(state, _member(account, organization))
    query.apply(state, selection)
    page, order = query.page(), query.order(state)
    ids = state.store.listed(
        f"SELECT i.rowid FROM {LISTED} WHERE {selection.where} ORDER BY {order}",  # noqa: S608  values are bound
        selection.values,
    )
    total = len(ids)
    wanted = ids[page.offset : page.offset + page.size] if page.offset < total else ids[:0]
    rows = state.store.rows(
        f"SELECT {columns_of(state)} FROM json_each(:wanted) w"  # noqa: S608  as above
        f" JOIN {FROM.replace('exante_invoice i', 'exante_invoice i ON i.rowid = w.value', 1)}"
        " ORDER BY w.key",
        {"wanted": json_text(wanted.tolist()), "today": selection.values["today"]},
    )
    pages = -(-total // page.size)
    return envelope(
        {
            "items": [list_row(row) for row in rows],
            "_meta": {
                "page": page.number,
                "per_page": page.size,
                "total_pages": pages,
                "total_items": total,
            },
            "_links": _links(state, call, page, pages),
        }
    )


def _links(state: SandboxState, call: Call, page: Page, pages: int) -> Record:
    absolute = state.settings.exante_links == "absolute"
    base = f"{call.origin}{call.path}" if absolute else call.path.removeprefix("/exante")
    kept = [(name, value) for name, value in call.query if name not in ("page", "per_page")]

    def link(number: int) -> str:
        return f"{base}?{urlencode([*kept, ('page', str(number)), ('per_page', str(page.size))])}"

    return {
        "self": link(page.number),
        "next": link(page.number + 1) if page.number < pages else None,
        "prev": link(page.number - 1) if page.number > 1 else None,
    }


def _stats(state: SandboxState, call: Call) -> Reply:
    account = authorize(call)
    call.only()
    selection = _listed(state, _member(account, call.parameters["organization"]))
    rows = state.store.rows(
        f"SELECT {shown_status(state)} AS status, sum(i.total) AS amount, count(*) AS n"  # noqa: S608
        f" FROM {FROM} WHERE {selection.where} GROUP BY 1",
        selection.values,
    )
    found = {row["status"]: row for row in rows}
    return envelope(
        {
            "amountTotals": {
                name.lower(): found[name]["amount"] if name in found else 0 for name in STATUSES
            },
            "countTotals": {
                name.lower(): found[name]["n"] if name in found else 0 for name in STATUSES
            },
        }
    )


def _filter_options(state: SandboxState, call: Call) -> Reply:
    account = authorize(call)
    call.only()
    selection = _listed(state, _member(account, call.parameters["organization"]))
    dates = ("due_date", "issue_date", "paid_date")
    bounds = ", ".join(
        f"min(i.{date}) AS {date}_min, max(i.{date}) AS {date}_max" for date in dates
    )
    row = state.store.row(
        f"SELECT {bounds}, min(i.total) AS total_min, max(i.total) AS total_max,"  # noqa: S608
        f" min({OVERDUE_DAYS}) AS overdue_min, max({OVERDUE_DAYS}) AS overdue_max"
        f" FROM {FROM} WHERE {selection.where}",
        selection.values,
    )
    found = dict(row) if row is not None else {}
    ends = [found[f"{date}_{end}"] for date in dates for end in ("min", "max")]
    known = [end for end in ends if end is not None]
    return envelope(
        {
            "statuses": list(STATUSES),
            "collection_methods": list(COLLECTION_METHODS),
            "date_range": {
                "min": _text(min(known, default=None)),
                "max": _text(max(known, default=None)),
                **{
                    date: {"min": _text(found[f"{date}_min"]), "max": _text(found[f"{date}_max"])}
                    for date in dates
                },
            },
            "total": {"min": found["total_min"], "max": found["total_max"]},
            "overdue_days": {"min": found["overdue_min"], "max": found["overdue_max"]},
        }
    )


def _user(state: SandboxState, call: Call) -> Reply:
    account = authorize(call)
    call.only()
    organizations = []
    for uid in account.organizations:
        row = state.store.row("SELECT doc FROM exante_organization WHERE uid = ?", (uid,))
        doc = stored_json(row["doc"]) if row is not None else {}
        name = doc["name"] if isinstance(doc, dict) else None
        organizations.append({"uid": uid, "name": name})
    return envelope(
        {
            "user": {
                "fullname": account.user,
                "default_organization": account.organization,
                "organizations": organizations,
            }
        }
    )


def _listed(state: SandboxState, organization: str) -> Selection:
    """Select what the plain list shows."""
    selection = Selection.of_list(state, organization)
    selection.require("i.inactive = 0")
    return selection


def _member(account: Account, organization: str | None) -> str:
    """Give the organization if the caller is a member of it.

    Raises:
        RefusalError: 403 if not (the status is INFERRED).
    """
    wanted = (organization or "").lower()
    if wanted not in account.organizations:
        raise RefusalError(
            403, "organization-membership", "You are not a member of the requested organization"
        )
    return wanted


def _text(instant: int | None) -> str | None:
    return None if instant is None else second_text(instant)
