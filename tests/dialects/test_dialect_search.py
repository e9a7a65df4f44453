"""How Exante and Kukkingu look for a draft: what they ask, what they see, what they admit."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import attrs
import pytest

from _support.conversations import (
    CONTRACT,
    OTHER_UID,
    TENANT,
    UID,
    enveloped,
    query_of,
    read,
    response,
    tenant_payload,
)
from billingual.abc import FindsDrafts, Sightings
from billingual.dialects.exante.bulk import BulkDialect
from billingual.dialects.exante.dialect import ExanteDialect
from billingual.dialects.tenant.dialect import TenantDialect
from billingual.dialects.v1.dialect import V1Dialect
from billingual.errors import ConfigurationError
from billingual.model import Draft
from billingual.wire import WireRequest

EXANTE = ExanteDialect(organization=OTHER_UID)
KUKKINGU = TenantDialect(tenant=TENANT)
DRAFT = Draft(number="N-1", counterparty=UID, owner=UID, document=UID)


def walk(finding: Any, responses: Sequence[object]) -> tuple[Sightings, list[WireRequest]]:
    """Answer each request in turn; return what was seen and what was asked."""
    asked: list[WireRequest] = []
    script = iter(responses)
    try:
        asked.append(next(finding))
        while True:
            asked.append(finding.send(read(asked[-1], response(next(script)))))
    except StopIteration as end:
        assert next(script, None) is None, "a response was not asked for"
        seen: Sightings = end.value
        return seen, asked


def page(number: int, of: int | None, *numbers: str | None, **meta: object) -> object:
    """Answer with a page of a list."""
    items = [
        {"uid": f"550e8400-e29b-41d4-a716-4466554{number:02}{index:03}", "invoice_number": each}
        for index, each in enumerate(numbers)
    ]
    return enveloped({"items": items, "_meta": {"page": number, "total_pages": of, **meta}})


def test_only_those_that_can_look_say_that_they_can() -> None:
    """The core asks by this and by nothing else."""
    assert isinstance(EXANTE, FindsDrafts)
    assert isinstance(KUKKINGU, FindsDrafts)
    assert not isinstance(BulkDialect(), FindsDrafts)
    assert not isinstance(V1Dialect(), FindsDrafts)


def test_exante_looks_under_the_counterparty_and_leaves_nothing_out() -> None:
    """One organization, inactive ones included, full pages, in an order without ties."""
    seen, asked = walk(EXANTE.find(DRAFT), [page(1, 1, "N-1", "N-2")])

    assert [each.number for each in seen.rows] == ["N-1", "N-2"]
    assert seen.gap == ""
    assert [query_of(each) for each in asked] == [
        {
            "organization_uid": OTHER_UID,
            "party_uids": UID,
            "include_inactive": "true",
            "sort": "+invoice_number",
            "page": "1",
            "per_page": "100",
        }
    ]


def test_exante_looks_a_day_around_the_day_of_issue() -> None:
    """A wide margin for zones, a narrow one for pages."""
    dated = attrs.evolve(DRAFT, issued_at="2026-03-01T00:30:00+02:00")
    _, asked = walk(EXANTE.find(dated), [page(1, 1, "N-1")])

    query = query_of(asked[0])
    assert query["issue_date_from"] == "2026-02-27T22:30:00Z"
    assert query["issue_date_to"] == "2026-03-01T22:30:00Z"


@pytest.mark.parametrize("issued_at", ["0001-01-01T00:00:00Z", "9999-12-31T23:59:59Z", None])
def test_a_day_at_the_end_of_the_calendar_narrows_nothing(issued_at: str | None) -> None:
    """There is no day beyond it to look at."""
    _, asked = walk(EXANTE.find(attrs.evolve(DRAFT, issued_at=issued_at)), [page(1, 1, "N-1")])

    assert "issue_date_from" not in query_of(asked[0])


@pytest.mark.parametrize(
    ("change", "gap"),
    [
        ({"kind": "payable"}, "receivables only"),
        ({"counterparty": None}, "no counterparty"),
    ],
    ids=["payable", "no counterparty"],
)
def test_what_no_list_shows_is_not_asked_for(change: dict[str, Any], gap: str) -> None:
    """The gap says why."""
    seen, asked = walk(EXANTE.find(attrs.evolve(DRAFT, **change)), [])

    assert (seen.rows, asked) == ((), [])
    assert gap in seen.gap


@pytest.mark.parametrize(
    ("pages", "gap"),
    [
        ([page(1, 2, "A"), page(2, 2, "B")], "more than one page"),
        ([page(1, 3)], "more than one page"),
        ([page(1, 3, "A"), page(2, 3)], "more than one page"),
        ([page(1, None, "A"), page(2, None)], "how many pages"),
        ([page(1, 1, "A", total_items=2)], "counts 2 rows and showed 1"),
        ([page(1, 0)], "another organization"),
        ([page(1, 1, "A", total_items=1)], ""),
    ],
    ids=["two", "empty first", "empty second", "no count", "row missing", "stranger", "whole"],
)
def test_every_way_to_hide_a_row_is_a_gap(pages: list[object], gap: str) -> None:
    """One whole page of a counterparty that is seen here is none."""
    seen, _ = walk(EXANTE.find(DRAFT), pages)

    assert (gap in seen.gap) if gap else seen.gap == ""


def counted(number: int, *names: str) -> object:
    """Make one of two pages of a list that counts three rows."""
    return page(number, 2, *names, total_items=3)


@pytest.mark.parametrize(
    ("back", "whole"),
    [
        ([counted(1, "C", "B"), counted(2, "A")], True),
        ([counted(1, "C", "B"), page(2, 2, "A", total_items=2)], False),
        ([counted(1, "C", "B", "D", "A"), counted(2)], False),
    ],
    ids=["the same rows", "another count", "another row"],
)
def test_several_pages_are_read_forwards_and_backwards(back: list[object], *, whole: bool) -> None:
    """A row that slips past a reader in one direction is met in the other."""
    seen, asked = walk(EXANTE.find(DRAFT), [counted(1, "A", "B"), counted(2, "C"), *back])

    assert [query_of(each)["sort"] for each in asked] == ["+invoice_number"] * 2 + [
        "-invoice_number"
    ] * 2
    assert (seen.gap == "") is whole


def test_a_draft_that_is_found_is_not_looked_for_backwards() -> None:
    """Presence needs no whole list."""
    found = attrs.evolve(DRAFT, number="C")
    seen, asked = walk(EXANTE.find(found), [counted(1, "A", "B"), counted(2, "C")])

    assert len(asked) == 2
    assert len(seen.rows) == 3


def test_without_an_organization_there_is_always_a_gap() -> None:
    """The rows are told all the same: a match needs no scope."""
    seen, asked = walk(ExanteDialect().find(DRAFT), [page(1, 1, "N-1")])

    assert len(seen.rows) == 1
    assert "organization=..." in seen.gap
    assert "organization_uid" not in query_of(asked[0])


@pytest.mark.parametrize(("ever", "gap"), [(("X",), ""), ((), "another organization")])
def test_days_without_invoices_need_a_counterparty_that_has_some(
    ever: tuple[str, ...], gap: str
) -> None:
    """One row of any day shows that the counterparty's invoices are in this organization."""
    dated = attrs.evolve(DRAFT, issued_at="2026-03-01T00:00:00Z")
    seen, asked = walk(EXANTE.find(dated), [page(1, 0), page(1, len(ever), *ever)])

    assert seen.rows == ()
    assert (gap in seen.gap) if gap else seen.gap == ""
    assert "issue_date_from" not in query_of(asked[1])
    assert query_of(asked[1])["include_inactive"] == "true"


def test_a_list_without_end_is_given_up() -> None:
    """Twenty pages are enough for a courtesy."""
    seen, asked = walk(EXANTE.find(DRAFT), [page(each, None, "A") for each in range(1, 21)])

    assert len(asked) == 20
    assert seen.gap


@pytest.mark.parametrize("document", [CONTRACT, None])
def test_kukkingu_looks_through_the_list_of_the_contract(document: str | None) -> None:
    """It comes whole, so nothing can be hidden; without a contract it is the tenant's."""
    seen, asked = walk(
        KUKKINGU.find(Draft(number="N-1", document=document)), [{"data": [tenant_payload()]}]
    )

    assert len(seen.rows) == 1
    assert seen.gap == ""
    assert asked[0].headers.get("tenant-id") == TENANT
    assert query_of(asked[0]) == ({} if document is None else {"contractId": CONTRACT})


def test_kukkingu_needs_a_tenant_to_look() -> None:
    """As for every operation."""
    with pytest.raises(ConfigurationError):
        next(TenantDialect().find(Draft(number="N-1")))
