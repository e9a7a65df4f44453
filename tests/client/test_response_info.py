"""``result.response``: facts about the response behind a result, and request ids in errors."""

from __future__ import annotations

import copy
import json
import pickle
from typing import Any, Final

import pytest

from _support.small_provider import client_of, say
from billingual import (
    AsyncClient,
    Changes,
    Client,
    InvoiceSummary,
    MemoryTransport,
    NotFoundError,
    OutcomeUnknown,
    ProtocolError,
    Retry,
)  # fmt: skip
from billingual.events import AttemptEnded
from billingual.wire import Headers, ResponseInfo

IDS: Final = tuple(f"00000000-0000-4000-8000-{number:012x}" for number in (1, 2))
SECRET: Final = "canary-7f3a"
HEADERS: Final = {
    "X-Request-Id": "req-1", "X-RateLimit-Remaining": "41", "Set-Cookie": f"session={SECRET}",
}  # fmt: skip


def _response(body: object, status: int = 200, headers: dict[str, str] = HEADERS) -> Any:
    return MemoryTransport.json(json.dumps(body), status=status, headers=headers)


def _exante(*responses: Any, **options: Any) -> Client:
    return Client("exante", transport=MemoryTransport(responses), **options)


def _page(*ids: str) -> Any:
    return _response({"data": {"items": [{"uid": each} for each in ids], "total_items": len(ids),
                               "total_pages": 1, "page": 1, "per_page": 100}})  # fmt: skip


def test_a_result_knows_its_response() -> None:
    """Status, request id, what is left of the rate limit; cookies are left out."""
    response = _exante(_response({"data": {"uid": IDS[0]}})).get(IDS[0]).response

    assert response is not None
    assert (response.status, response.request_id, response.rate_limit_left) == (200, "req-1", 41)
    assert response.attempts == 1
    assert response.seconds >= 0
    assert response.headers.get("set-cookie") is None
    assert SECRET not in repr(response)


@pytest.mark.parametrize("observers", [(), (lambda _: None,)], ids=["without", "with observers"])
def test_attempts_are_those_of_the_request_that_succeeded(observers: Any) -> None:
    """The failed ones count; whether an observer is there makes no difference."""
    limited = _response({}, 429, {"Retry-After": "0"})
    client = _exante(
        limited, limited, _response({"data": {"uid": IDS[0]}}),
        retry=Retry(base_s=0.0, throttled_s=0.0), observers=observers,
    )  # fmt: skip

    response = client.get(IDS[0]).response
    assert response is not None
    assert response.attempts == 3


def test_seconds_are_those_of_the_attempt_that_succeeded(step: Any, backend: Any) -> None:
    """Neither an earlier attempt nor the wait before this one is in them."""
    took = iter([3.0, 2.0])

    def respond(_: object) -> Any:
        seconds = next(took)
        backend.clock += seconds
        return say() if seconds == 2.0 else _response({}, 429, {"Retry-After": "5"})

    client, _ = client_of(backend, respond)
    response = step(client.get("i1")).response

    assert len(backend.sleeps) == 1
    assert (response.seconds, response.attempts) == (2.0, 2)


def test_the_raw_bytes_are_there(step: Any, backend: Any) -> None:
    """As they came, of invoices, pages and each invoice of a batch; credentials are struck out."""
    one = {"data": {"uid": IDS[0], "new_field": 1.50}}
    many = {"data": [one["data"]]}
    client = _exante(_response(one), _response(one), _page(*IDS), _response(many))
    found = client.get(IDS[0])
    changed = client.update(IDS[0], Changes(status="SENT"))
    page = next(client.list().pages())
    (of_batch,) = client.update_many({IDS[0]: Changes(status="SENT")})
    raw = [each.response and each.response.content for each in (found, changed, page, of_batch)]

    single, batch = json.dumps(one).encode(), json.dumps(many).encode()
    assert raw == [single, single, _page(*IDS).body, batch]
    assert "new_field" not in repr(found.response)
    quoting, _ = client_of(backend, [say(text='{"id": "i1", "t": "tok-12345"}')], token="tok-12345")
    assert step(quoting.get("i1")).response.content == b'{"id": "i1", "t": "***"}'


def test_a_page_knows_its_response_and_its_rows_do_not() -> None:
    """A million rows carry nothing for it."""
    client = _exante(_page(*IDS))
    page = next(client.list().pages())

    assert page.response is not None
    assert page.response.request_id == "req-1"
    assert [row.response for row in page.items] == [None, None]


def test_each_invoice_of_a_batch_knows_the_response() -> None:
    """They came in one."""
    batch = _response({"data": [{"uid": each} for each in IDS]})
    changed = _exante(batch).update_many([(each, Changes(status="SENT")) for each in IDS])

    assert [each.response and each.response.request_id for each in changed] == ["req-1"] * 2


def test_what_no_call_returned_has_no_response() -> None:
    """Made by hand, copied or pickled; and equality, dictionaries and repr do not show it."""
    found = _exante(_response({"data": {"uid": IDS[0]}})).get(IDS[0])
    again = _exante(_response({"data": {"uid": IDS[0]}}, headers={})).get(IDS[0])

    assert InvoiceSummary(id="1").response is None
    assert pickle.loads(pickle.dumps(found)).response is None  # noqa: S301 - our own bytes
    assert copy.deepcopy(found).response is None
    assert found == again
    assert "response" not in found.to_dict()


@pytest.mark.anyio
async def test_an_awaited_call_tells_it_too() -> None:
    """The same code runs in both clients."""
    transport = MemoryTransport([_response({"data": {"uid": IDS[0]}})])
    async with AsyncClient("exante", transport=transport) as client:
        response = (await client.get(IDS[0])).response

    assert response is not None
    assert response.request_id == "req-1"


@pytest.mark.parametrize(
    ("status", "body", "kind"),
    [(404, {}, NotFoundError), (200, {"data": 5}, ProtocolError)],
)
def test_errors_name_the_request_id(status: int, body: object, kind: type[Exception]) -> None:
    """It is what a provider's support asks for first."""
    with pytest.raises(kind, match=r"\(request id req-1\)") as caught:
        _exante(_response(body, status)).get(IDS[0])

    assert caught.value.request_id == "req-1"  # type: ignore[attr-defined]


def test_an_unclear_write_names_the_request_id() -> None:
    """Its text quotes the response that left it unclear."""
    with pytest.raises(OutcomeUnknown, match=r"\(request id req-1\)"):
        _exante(_response({}, 500)).update(IDS[0], Changes(status="SENT"))


@pytest.mark.parametrize("request_id", ["", "x" * 101, "a\x1b[31mb", "ü"])
def test_a_request_id_that_cannot_be_shown_stays_out_of_texts(request_id: str) -> None:
    """It is kept in the headers."""
    with pytest.raises(NotFoundError) as caught:
        _exante(_response({}, 404, {"Request-Id": request_id})).get(IDS[0])

    assert "request id" not in str(caught.value)
    assert caught.value.request_id == (request_id or None)


def test_events_carry_the_request_id() -> None:
    """A log line of an attempt can be given to the provider."""
    seen: list[Any] = []
    _exante(_response({"data": {"uid": IDS[0]}}), observers=[seen.append]).get(IDS[0])

    (ended,) = [each for each in seen if isinstance(each, AttemptEnded)]
    assert ended.request_id == "req-1"
    assert "(request id req-1)" in ended.explain()


@pytest.mark.parametrize(
    ("headers", "left"),
    [
        ({}, None), ({"RateLimit-Remaining": " 7 "}, 7), ({"X-RateLimit-Remaining": "-1"}, None),
        ({"X-RateLimit-Remaining": "many", "RateLimit-Remaining": "3"}, 3),
        ({"X-RateLimit-Remaining": "9" * 40}, None), ({"X-RateLimit-Remaining": "٣"}, None),
    ],
)  # fmt: skip
def test_what_is_left_of_a_rate_limit_is_a_whole_number_or_none(
    headers: dict[str, str], left: int | None
) -> None:
    """A word that is no number says nothing, and raises nothing."""
    info = ResponseInfo(status=200, headers=Headers(headers.items()), seconds=0.0, attempts=1)

    assert info.rate_limit_left == left
