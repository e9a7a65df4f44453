"""The query of Exante's invoice list: every filter, the range mini-language, sorting and paging.

Documented facts (source: https://docs.exante.app/api-reference/invoices/list, read 2026-11):

- `organization_uid` scopes; `party_uids` wins over `party_name`; `status`, `collection_method`
  and `party_uids` are comma-separated, `party_name` pipe-separated.
- `*_from` and `*_to` are date-times, inclusive at both ends.
- `overdue_days` and `total` (integer cents) take `15`, `1-30`, `>90` or `<0`.
- `sort` takes one of nine fields with `+` or `-` before it; without it the newest `issue_date`
  comes first.
- `page` from 1, default 1; `per_page` from 1 to 100, default 10.

INFERRED: filters combine with AND; names are matched in part and without regard to case; `<` and
`>` also take a negative number; an invoice without the value never matches a filter on it and
sorts last; the prefix of `sort` is required; unknown, blank and repeated parameters and bad
values are refused. The name of the free-text parameter is lost from the documentation: a setting
holds it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping

import attrs

from billingual.sandbox.actions import Call, RefusalError
from billingual.sandbox.fields import InvalidError, uuid
from billingual.sandbox.instants import day_of, parse_instant
from billingual.sandbox.json_text import json_text
from billingual.sandbox.state import SandboxState

__all__ = ["COLLECTION_METHODS", "OVERDUE_DAYS", "ListQuery", "Page", "Selection", "shown_status"]

COLLECTION_METHODS = ("charge_automatically", "send_invoice")
"""The collection methods the documentation lists."""

_NEVER_OVERDUE = "('DRAFT', 'PAID', 'VOID', 'CANCELLED')"
OVERDUE_DAYS = f"""CASE WHEN i.due_day IS NULL THEN NULL
    WHEN upper(i.status) IN {_NEVER_OVERDUE} THEN 0 ELSE :today - i.due_day END"""
"""SQL of `overdue_days`: UTC days since the due date, 0 if nothing can be owed (INFERRED)."""

_COMPUTED_STATUS = (
    "CASE WHEN i.status = 'SENT' AND i.due_day < :today THEN 'OVERDUE' ELSE i.status END"
)
_SORTS = {
    "due_date": "i.due_date",
    "issue_date": "i.issue_date",
    "paid_date": "i.paid_date",
    "total": "i.total",
    "status": "{status}",
    "collection_method": "i.collection_method",
    "invoice_number": "i.number",
    "party_name": "p.name",
    "overdue_days": OVERDUE_DAYS,
}
_DATES = ("issue_date", "due_date", "paid_date")
_SPAN = re.compile(r"(\d{1,15})|(\d{1,15})-(\d{1,15})|([<>])(-?\d{1,15})", re.ASCII)
_WHOLE = re.compile(r"\d{1,16}", re.ASCII)
_MAX_PAGE = 2**53 - 1
_MAX_LIST = 500


@attrs.frozen
class Page:
    """Which slice of the list is wanted."""

    number: int
    size: int

    @property
    def offset(self) -> int:
        """How many rows come before it."""
        return (self.number - 1) * self.size


@attrs.define
class Selection:
    """A WHERE clause under construction: conditions and their values."""

    conditions: list[str] = attrs.field(factory=list)
    values: dict[str, object] = attrs.field(factory=dict)

    def require(self, condition: str, *values: object) -> None:
        """Add a condition whose `?` marks stand for *values*."""
        for value in values:
            name = f"v{len(self.values)}"
            condition = condition.replace("?", f":{name}", 1)
            self.values[name] = value
        self.conditions.append(condition)

    def require_any(self, expression: str, members: list[str]) -> None:
        """Require an expression to equal one of *members*."""
        marks = ", ".join("?" * len(members))
        self.require(f"{expression} IN ({marks})", *members)

    @classmethod
    def of_list(cls, state: SandboxState, organization: str) -> Selection:
        """Start with what the list always requires: one organization, receivables only."""
        selection = cls(values={"today": day_of(state.clock.now())})
        selection.require("i.organization = ?", organization)
        selection.require("i.type = 'ACCOUNTS_RECEIVABLE'")
        return selection

    @property
    def where(self) -> str:
        """The clause without its keyword."""
        return " AND ".join(f"({condition})" for condition in self.conditions)


def shown_status(state: SandboxState) -> str:
    """Give the SQL of the status as the setting wants it shown."""
    computed = state.settings.exante_overdue_status == "computed"
    return _COMPUTED_STATUS if computed else "i.status"


@attrs.frozen
class ListQuery:
    """The list's query parameters, checked."""

    parameters: Mapping[str, str]
    search_name: str

    @classmethod
    def read(cls, state: SandboxState, call: Call) -> ListQuery:
        """Take the known parameters of a call.

        Raises:
            RefusalError: 400 if a parameter is unknown, repeated or blank.
        """
        search_name = state.settings.exante_search_parameter
        ranges = [f"{date}_{end}" for date in _DATES for end in ("from", "to")]
        names = ["organization_uid", search_name, "party_name", "party_uids", "status"]
        names += ["collection_method", *ranges, "overdue_days", "total", "include_inactive"]
        return cls(call.only(*names, "sort", "page", "per_page"), search_name)

    def organization(self) -> str | None:
        """Give the organization asked for, if one is."""
        value = self.parameters.get("organization_uid")
        return None if value is None else _uuid("organization_uid", value)

    def page(self) -> Page:
        """Give the slice asked for."""
        return Page(self._whole("page", 1, _MAX_PAGE), self._whole("per_page", 10, 100))

    def order(self, state: SandboxState) -> str:
        """Give the ORDER BY clause; equal rows keep the order of creation."""
        text = self.parameters.get("sort", "-issue_date")
        if text.startswith(" "):
            raise _bad("sort", "begins with a space: a plus sign in a URL must be written %2B")
        if text[0] not in "+-" or text[1:] not in _SORTS:
            raise _bad("sort", "must be + or - and one of " + ", ".join(_SORTS))
        direction = "DESC" if text[0] == "-" else "ASC"
        expression = _SORTS[text[1:]].format(status=shown_status(state))
        return f"({expression}) {direction} NULLS LAST, i.rowid ASC"

    def apply(self, state: SandboxState, selection: Selection) -> None:
        """Add every filter asked for."""
        readers: dict[str, Callable[[str], None]] = {
            self.search_name: lambda value: _search(selection, value),
            "party_uids": lambda value: _parties(selection, value),
            "status": lambda value: selection.require_any(
                shown_status(state), _members("status", value)
            ),
            "collection_method": lambda value: _methods(selection, value),
            "overdue_days": lambda value: _span(selection, "overdue_days", OVERDUE_DAYS, value),
            "total": lambda value: _span(selection, "total", "i.total", value),
        }
        if "party_uids" not in self.parameters:
            readers["party_name"] = lambda value: _party_names(selection, value)
        for name, reader in readers.items():
            if name in self.parameters:
                reader(self.parameters[name])
        self._apply_dates(selection)
        if not self._flag("include_inactive"):
            selection.require("i.inactive = 0")

    def _apply_dates(self, selection: Selection) -> None:
        for date in _DATES:
            for end, sign in (("from", ">="), ("to", "<=")):
                name = f"{date}_{end}"
                if name in self.parameters:
                    selection.require(f"i.{date} {sign} ?", _instant(name, self.parameters[name]))

    def _whole(self, name: str, default: int, highest: int) -> int:
        text = self.parameters.get(name)
        if text is None:
            return default
        if _WHOLE.fullmatch(text) is None or not 1 <= int(text) <= highest:
            raise _bad(name, f"must be a whole number from 1 to {highest}")
        return int(text)

    def _flag(self, name: str) -> bool:
        text = self.parameters.get(name, "false")
        if text not in ("true", "false"):
            raise _bad(name, "must be true or false")
        return text == "true"


def _search(selection: Selection, value: str) -> None:
    selection.require(
        "instr(fold(i.number), fold(?)) OR instr(fold(p.name), fold(?))", value, value
    )


def _party_names(selection: Selection, value: str) -> None:
    names = value.split("|")
    if not all(names) or len(names) > _MAX_LIST:
        raise _bad("party_name", "must be names joined by |, none of them blank")
    # One condition with a JSON array of names, because SQLite bounds the depth of an OR chain.
    selection.require(
        "i.party IN (SELECT uid FROM exante_party x, json_each(?) n"
        " WHERE instr(fold(x.name), fold(n.value)))",
        json_text(names),
    )


def _parties(selection: Selection, value: str) -> None:
    uids = [_uuid("party_uids", member) for member in _members("party_uids", value)]
    selection.require_any("i.party", uids)


def _methods(selection: Selection, value: str) -> None:
    members = _members("collection_method", value)
    if not set(members) <= set(COLLECTION_METHODS):
        raise _bad("collection_method", "must be of " + ", ".join(COLLECTION_METHODS))
    selection.require_any("i.collection_method", members)


def _span(selection: Selection, name: str, expression: str, value: str) -> None:
    """Add a filter of the range mini-language: `15`, `1-30`, `>90`, `<0`."""
    match = _SPAN.fullmatch(value)
    if match is None:
        raise _bad(name, "must be a number, a range such as 1-30, or a comparison such as >90")
    exact, low, high, sign, bound = match.groups()
    if exact is not None:
        selection.require(f"({expression}) = ?", int(exact))
    elif sign is not None:
        selection.require(f"({expression}) {sign} ?", int(bound))
    elif int(low) > int(high):
        raise _bad(name, "is a range whose first number is the larger one")
    else:
        selection.require(f"({expression}) BETWEEN ? AND ?", int(low), int(high))


def _members(name: str, value: str) -> list[str]:
    members = value.split(",")
    if not all(members) or len(members) > _MAX_LIST:
        raise _bad(name, f"must be 1 to {_MAX_LIST} values joined by commas, none of them blank")
    return members


def _uuid(name: str, value: str) -> str:
    try:
        return str(uuid(value, name))
    except InvalidError:
        raise _bad(name, "must be UUIDs" if name.endswith("s") else "must be a UUID") from None


def _instant(name: str, value: str) -> int:
    try:
        return parse_instant(value)
    except ValueError as error:
        raise _bad(name, str(error)) from None


def _bad(name: str, reason: str) -> RefusalError:
    return RefusalError(400, "bad-parameter", f"{name} {reason}", ((name, reason),))
