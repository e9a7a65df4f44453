"""What a response may cost to read, counted in calls of functions and not in seconds."""

from __future__ import annotations

import gc
import json
import sys
from collections.abc import Callable
from typing import Any

import pytest

from _support.conversations import SAMPLE_UID, converse, golden
from billingual.abc import Dialect
from billingual.dialects._kit.fields import MAX_PROBLEMS
from billingual.dialects._kit.responses import MAX_ROWS, MAX_VALUES
from billingual.dialects.exante.bulk import BulkDialect
from billingual.dialects.exante.dialect import ExanteDialect
from billingual.dialects.tenant.dialect import TenantDialect
from billingual.errors import ProtocolError
from billingual.model import Changes, Page, Query
from billingual.wire import WireResponse

EXANTE = ExanteDialect()
KUKKINGU = TenantDialect(tenant="tnt_" + "a" * 24)
BULK = BulkDialect()
UID = b'"uid":"%s"' % SAMPLE_UID.encode()
SENT = Changes(status="SENT")

Reading = tuple[Dialect, Callable[[], Any], bytes]
LISTS: dict[str, Reading] = {
    "exante page": (
        EXANTE,
        lambda: EXANTE.list_page(Query()),
        b'{"status":"success","data":{"items":[%s]}}',
    ),
    "exante page in an odd envelope": (
        EXANTE,
        lambda: EXANTE.list_page(Query()),
        b'{"status":7,"data":{"items":[%s]}}',
    ),
    "kukkingu list": (KUKKINGU, lambda: KUKKINGU.list_page(Query()), b'{"data":[%s]}'),
    "batch": (
        BULK,
        lambda: BULK.update_many([(SAMPLE_UID, SENT)]),
        b'{"status":"success","data":[%s]}',
    ),
}


@pytest.fixture(autouse=True, scope="module")
def _loaded() -> None:
    """Load what is imported by the first response of a dialect, which is no work of the others."""
    for reading in LISTS.values():
        refusal_of(reading, b"]")


def calls_of(work: Callable[[], object]) -> int:
    """Count the functions, compiled ones too, that some work calls."""
    count = 0

    def seen(_: object, event: str, __: object) -> None:
        nonlocal count
        count += event in {"call", "c_call"}

    gc.disable()  # Other tools hook functions of their own into it.
    sys.setprofile(seen)
    try:
        work()
    finally:
        sys.setprofile(None)
        gc.enable()
    return count


def refusal_of(reading: Reading, rows: bytes) -> str:
    """Read a list of such rows; return the error's words."""
    dialect, start, form = reading
    with pytest.raises(ProtocolError) as caught:
        converse(dialect, start(), WireResponse(status=200, body=form % rows))
    return str(caught.value)


@pytest.mark.parametrize("name", LISTS)
@pytest.mark.parametrize("row", [b"1", b"{}", b"[]", b'{"uid":1}'])
def test_a_body_of_tiny_values_is_refused_before_it_is_read(name: str, row: bytes) -> None:
    """Millions of values fit into few bytes, so they are counted where no value is made yet."""
    rows = b",".join([row] * (MAX_VALUES + 2))
    words: list[str] = []
    calls = calls_of(lambda: words.append(refusal_of(LISTS[name], rows)))

    assert f"it has more than {MAX_VALUES} values" in words[0]
    assert calls < 1_000


@pytest.mark.parametrize("name", LISTS)
@pytest.mark.parametrize("row", [b'{"uid":"a","id":"a"}', b'{"uid":"a","new":1}', b"1"])
def test_a_list_of_too_many_rows_is_refused_before_one_is_read(name: str, row: bytes) -> None:
    """A row of a few bytes becomes a model of hundreds, whether it fits or not."""
    rows = b",".join([row] * (MAX_ROWS + 1))
    words: list[str] = []
    calls = calls_of(lambda: words.append(refusal_of(LISTS[name], rows)))

    assert f"it has more than {MAX_ROWS} rows" in words[0]
    assert calls < 1_000


def test_an_invoice_of_too_many_odd_lines_is_refused() -> None:
    """No list of problems grows without a bound."""
    lines = b",".join([b"1"] * (3 * MAX_PROBLEMS))
    body = b'{"status":"success","data":{%s,"line_items":[%s]}}' % (UID, lines)
    with pytest.raises(ProtocolError, match=f"more than {MAX_PROBLEMS} values cannot be read"):
        converse(EXANTE, EXANTE.get(SAMPLE_UID), WireResponse(status=200, body=body))


ROW = golden("exante_list")["response"]["data"]["items"][0]


@pytest.mark.parametrize(
    ("envelope", "row"),
    [
        ({}, {}),
        ({"status": "OK"}, {}),
        ({"trace": "abc"}, {}),
        ({"message": "[" * 200}, {}),
        ({"message": "[" * 200, "trace": "abc"}, {"new": "{" * 200}),
        ({}, {"invoice_number": "]" * 200}),
        ({}, {"new": [1, {"deep": [[[[1]]]]}]}),
    ],
    ids=["plain", "word", "more", "brackets", "brackets and more", "number", "new field"],
)
def test_what_providers_add_to_a_page_does_not_multiply_the_work(
    envelope: dict[str, object], row: dict[str, object]
) -> None:
    """Brackets in texts, other words for success and new fields cost a few calls a row at most."""
    rows = [{**json.loads(json.dumps(ROW, default=float)), **row} for _ in range(200)]
    odd = {"status": "success", "data": {"items": rows}, **envelope}
    response = WireResponse(status=200, body=json.dumps(odd).encode())
    pages: list[Page] = []
    converse(EXANTE, EXANTE.list_page(Query()), response)  # what is loaded once is loaded now
    calls = calls_of(lambda: pages.append(converse(EXANTE, EXANTE.list_page(Query()), response)))

    assert 200 == len(pages[0].items)
    assert calls < 200 * 40
    assert odd == json.loads(json.dumps(dict(pages[0].raw), default=float))
