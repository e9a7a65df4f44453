"""What the words beside a payload mean for a write: yes, no, a part, or nothing that is known."""

from __future__ import annotations

from typing import Any

import pytest

from _support.conversations import (
    INVOICE,
    OTHER_UID,
    REPLACEMENT,
    THIRD_UID,
    UID,
    converse,
    enveloped,
    response,
)
from _support.readings import BULK, EXANTE, KATSU, KUKKINGU
from billingual import AsyncClient, MemoryTransport
from billingual._pipeline import is_unreadable_success
from billingual.dialects._kit.responses import Said, said
from billingual.errors import OutcomeUnknown, ProtocolError, ProviderError, RejectedError
from billingual.events import ProblemsFound
from billingual.model import Changes, Draft, Query
from billingual.outcomes import Outcome
from billingual.retry.classify import classify

CHANGES = Changes(number="N-1")
DRAFT = Draft(number="N-1", counterparty=UID, owner=UID, document=UID)
ODD = ["ok", "OK", "pending", "warning", "created", "", "Accepted", "queued", "  success ", "weiß"]
NO = ["error", "Error", "ERRORS", "fail", "failed", "failure", "rejected", "Validation_Error",
      "not-found", "denied", False]  # fmt: skip
PARTLY = ["partial", "Partially_Completed", "partial-success", "completed with errors", "mixed"]


def create(**envelope: Any) -> Any:
    """Create at Exante and read an invoice in an envelope."""
    answer = response(enveloped({"uid": UID, "invoice_number": "N-1"}, **envelope), status=201)
    return converse(EXANTE, EXANTE.create(DRAFT), answer)


@pytest.mark.parametrize("word", ODD)
def test_a_word_that_does_not_mean_no_lets_the_payload_decide(word: str) -> None:
    """A create that the provider confirms in other words is a success, with that word kept."""
    invoice = create(status=word, message="saved")

    assert UID == invoice.id
    if said(word) is Said.NOTHING and word:
        assert {"status": word, "message": "saved"}.items() <= invoice.extra["envelope"].items()


@pytest.mark.parametrize("word", ODD)
def test_a_word_that_does_not_mean_no_without_a_payload_is_unclear(word: str) -> None:
    """Without a payload nothing tells that it worked, and nothing that it did not."""
    answer = response(enveloped(None, status=word, message="in review"), status=202)
    with pytest.raises(ProtocolError, match=r"there is no payload \(in review\)") as caught:
        converse(EXANTE, EXANTE.create(DRAFT), answer)

    assert Outcome.UNKNOWN is classify(caught.value)
    assert "in review" == caught.value.complaint


@pytest.mark.parametrize("word", NO)
def test_a_word_that_means_no_refuses(word: object) -> None:
    """Whatever is beside it: the flag is documented, so its no counts."""
    with pytest.raises(RejectedError) as caught:
        create(status=word, status_code=None)

    assert Outcome.REJECTED is classify(caught.value)


@pytest.mark.parametrize("word", ODD)
def test_an_odd_word_does_not_keep_a_list_or_an_invoice_from_being_read(word: str) -> None:
    """Readable data is read whatever the word beside it."""
    page = converse(
        EXANTE,
        EXANTE.list_page(Query()),
        response(enveloped({"items": [{"uid": UID}]}, status=word)),
    )
    invoice = converse(EXANTE, EXANTE.get(UID), response(enveloped({"uid": UID}, status=word)))

    assert [UID] == [each.id for each in page.items]
    assert UID == invoice.id
    assert () == page.problems


@pytest.mark.parametrize("code", [400, 404, 409, 422, 429, 500, 503])
def test_a_write_that_is_told_yes_and_no_is_unclear(code: int) -> None:
    """An envelope that says success and names an error's status proves neither."""
    with pytest.raises(ProtocolError, match="both yes and no") as caught:
        create(status_code=code)

    assert Outcome.UNKNOWN is classify(caught.value)


def test_success_false_beside_a_status_of_success_is_unclear_too() -> None:
    """Two flags that contradict each other prove nothing."""
    with pytest.raises(ProtocolError, match="both yes and no"):
        create(success=False)


@pytest.mark.parametrize("code", [0, 1001, -1])
def test_a_code_that_is_no_http_status_lets_the_payload_decide(code: int) -> None:
    """A provider's own code has no documented meaning; it becomes a problem."""
    invoice = create(status_code=code)

    assert [("$.status_code", code)] == [(each.path, each.value) for each in invoice.problems]


@pytest.mark.parametrize("word", PARTLY)
def test_a_batch_that_was_done_in_part_is_unclear_and_shows_what_came(word: str) -> None:
    """The provider promises all or nothing, so a part is never a success nor a refusal."""
    pairs = [(UID, Changes(number="A")), (OTHER_UID, Changes(number="B"))]
    body = {"status": word, "data": [{"uid": UID}], "errors": [{"uid": OTHER_UID}]}
    with pytest.raises(ProtocolError, match="only a part") as caught:
        converse(BULK, BULK.update_many(pairs), response(body))

    assert Outcome.UNKNOWN is classify(caught.value)
    assert OTHER_UID in str(caught.value)
    assert [UID] == [each.id for each in caught.value.shown]


def test_a_batch_names_every_invoice_that_is_missing_foreign_or_double() -> None:
    """One error tells all that is wrong, and the invoices that came are its evidence."""
    pairs = [(UID, Changes(number="A")), (OTHER_UID, Changes(number="B"))]
    body = enveloped([{"uid": UID}, {"uid": UID}, {"uid": THIRD_UID}])
    with pytest.raises(ProtocolError) as caught:
        converse(BULK, BULK.update_many(pairs), response(body))

    text = str(caught.value)
    assert f"invoice {UID} comes twice" in text
    assert f"invoice {THIRD_UID} was not asked for" in text
    assert f"invoice {OTHER_UID} is missing" in text
    assert [UID, THIRD_UID] == [each.id for each in caught.value.shown]


@pytest.mark.parametrize("word", PARTLY)
def test_a_single_write_that_was_done_in_part_has_a_problem(word: str) -> None:
    """One invoice that is shown is returned, and its problems say that it may not be whole."""
    assert ["$.status"] == [each.path for each in create(status=word).problems]


@pytest.mark.parametrize("name", ["error", "errors", "failed", "failures", "skipped"])
def test_a_doubt_beside_the_invoice_of_a_write_is_a_problem(name: str) -> None:
    """A success with errors beside it is no plain one; an empty list says nothing."""
    assert [f"$.{name}"] == [each.path for each in create(**{name: ["x"]}).problems]
    assert () == create(**{name: []}).problems


FAULT = [{"code": 6000, "Message": "the number is taken"}]
COMPLAINTS = [
    {"errors": ["the number is taken"]},
    {"HasErrors": True, "ValidationErrors": FAULT},
    {"Fault": {"type": "ValidationFault", "Error": FAULT}},
    {"error": {"message": "the number is taken"}},
]


@pytest.mark.parametrize("complaint", COMPLAINTS)
def test_a_complaint_within_the_invoice_of_a_write_is_a_problem(complaint: dict[str, Any]) -> None:
    """Providers that judge each record of a batch say so in the record, with a success around."""
    row = {"uid": UID, "invoice_number": "N-1", **complaint}
    answers = [
        converse(EXANTE, EXANTE.create(DRAFT), response(enveloped(row), status=201)),
        converse(EXANTE, EXANTE.update(UID, CHANGES, None), response(enveloped(row))),
        *converse(BULK, BULK.update_many([(UID, CHANGES)]), response(enveloped([row]))),
    ]

    for answer in answers:
        assert list(complaint.values()) == [each.value for each in answer.problems]
        assert {f"$.data.{name}" for name in complaint} == {
            each.path.replace("[0]", "") for each in answer.problems
        }


@pytest.mark.parametrize("nothing", [[], {}, None, False, ""])
def test_an_empty_complaint_within_an_invoice_says_nothing(nothing: object) -> None:
    """Providers that have the field write it always."""
    row = {"uid": UID, "invoice_number": "N-1", "hasErrors": nothing, "errors": nothing}

    answer = converse(EXANTE, EXANTE.create(DRAFT), response(enveloped(row), status=201))

    assert () == answer.problems


def test_what_an_invoice_that_is_only_read_complains_of_stays_in_extra() -> None:
    """It may be about an earlier try of another program, and does not judge this one."""
    row = {"uid": UID, "ValidationErrors": FAULT}

    invoice = converse(EXANTE, EXANTE.get(UID), response(enveloped(row)))

    assert FAULT == invoice.extra["ValidationErrors"]
    assert () == invoice.problems


@pytest.mark.parametrize("complaint", COMPLAINTS)
@pytest.mark.parametrize(
    ("call", "wrap"),
    [
        (lambda: EXANTE.create(DRAFT), dict),
        (lambda: EXANTE.update(UID, CHANGES, None), dict),
        (lambda: EXANTE.get(UID), dict),
        (lambda: BULK.update_many([(UID, CHANGES)]), lambda row: [row]),
    ],
    ids=["create", "update", "get", "update_many"],
)
def test_a_complaint_in_the_place_of_an_invoice_reaches_the_caller(
    call: Any, wrap: Any, complaint: dict[str, Any]
) -> None:
    """It is no invoice and no plain refusal: a write stays unclear, and says what came."""
    row = {**complaint, "description": "a line of a customer's invoice"}
    with pytest.raises(ProtocolError, match="the number is taken") as caught:
        converse(EXANTE, call(), response(enveloped(wrap(row))))

    assert "a customer's" not in str(caught.value)
    assert "the number is taken" in caught.value.complaint
    assert Outcome.UNKNOWN is classify(caught.value)


@pytest.mark.parametrize("word", [*PARTLY, "pending", "queued"])
def test_a_deletion_without_a_clear_yes_is_unclear(word: str) -> None:
    """It shows no invoice, so its word alone has to say yes."""
    with pytest.raises(ProtocolError) as caught:
        converse(BULK, BULK.delete_many([UID]), response({"status": word}))

    assert Outcome.UNKNOWN is classify(caught.value)


@pytest.mark.parametrize(
    ("more", "path"),
    [
        ({"errors": [{"uid": UID, "error": "it is locked"}]}, "$.errors"),
        ({"error": "it is locked"}, "$.error"),
        ({"failed": ["it is locked"], "data": {}}, "$.failed"),
        ({"skipped": ["it is locked"]}, "$.skipped"),
        ({"data": {"failures": [{"message": "it is locked"}]}}, "$.data.failures"),
        ({"data": [{"uid": UID}, {"error": "it is locked"}]}, "$.data[1].error"),
    ],
)
def test_a_deletion_of_which_a_part_failed_is_unclear(more: dict[str, object], path: str) -> None:
    """No invoice is shown that could hold the problem, and some may be deleted."""
    with pytest.raises(ProtocolError, match="it is locked") as caught:
        converse(BULK, BULK.delete_many([UID]), response({"status": "success", **more}))

    assert path == caught.value.path
    assert Outcome.UNKNOWN is classify(caught.value)


OTHER = "550e8400-e29b-41d4-a716-446655440009"


@pytest.mark.parametrize(
    ("more", "path"),
    [
        ({"data": {"deleted": 1}}, "$.data.deleted"),
        ({"deleted_count": 0}, "$.deleted_count"),
        ({"data": {"deletedIds": [UID]}}, "$.data.deletedIds"),
        ({"data": {"notFound": [OTHER]}}, "$.data.notFound"),
        ({"data": {"failedCount": 1, "deleted": 2}}, "$.data.failedCount"),
        ({"data": [{"uid": UID}]}, "$.data"),
        ({"data": [UID]}, "$.data"),
        ({"data": [{"uid": UID, "success": True}, {"uid": OTHER, "success": False}]},
         "$.data[1].success"),
        ({"data": [{"uid": UID, "status": "deleted"}, {"uid": OTHER, "status": "failed"}]},
         "$.data[1].status"),
        ({"data": [{"uid": UID, "deleted": False}, {"uid": OTHER, "deleted": True}]},
         "$.data[0].deleted"),
    ],
)  # fmt: skip
def test_a_deletion_of_fewer_invoices_than_were_asked_for_is_unclear(
    more: dict[str, object], path: str
) -> None:
    """Counts and lists tell of it as surely as errors do."""
    with pytest.raises(ProtocolError, match="not all was deleted") as caught:
        converse(BULK, BULK.delete_many([UID, OTHER]), response({"status": "success", **more}))

    assert path == caught.value.path
    assert Outcome.UNKNOWN is classify(caught.value)
    assert not is_unreadable_success(caught.value, 200)


@pytest.mark.parametrize(
    "more",
    [
        {"errors": []}, {"data": {"failed": None}}, {"data": []}, {"data": {"deleted": 2}},
        {"data": [UID, OTHER]}, {"data": {"deleted": [UID, OTHER], "failedCount": 0}},
        {"data": [{"uid": UID, "deleted": True}, {"uid": OTHER, "status": "VOID"}]},
        {"deleted": True, "data": {"notFound": [], "skipped": 0}},
    ],
)  # fmt: skip
def test_a_deletion_of_which_no_part_failed_is_done(more: dict[str, object]) -> None:
    """An empty list of errors says that there are none."""
    body = response({"status": "success", **more})

    assert converse(BULK, BULK.delete_many([UID, OTHER]), body) is None


@pytest.mark.parametrize("word", ["success", "Deleted", "ok", None])
def test_a_deletion_with_a_clear_yes_is_done(word: str | None) -> None:
    """A word that means success, or none at all, ends it well."""
    assert converse(BULK, BULK.delete_many([UID]), response({"status": word})) is None


@pytest.mark.parametrize("flag", ["true", "Success", "weird", 1])
def test_katsu_reads_a_receipt_whose_flag_is_odd(flag: object) -> None:
    """The receipt decides; a flag of no known meaning is a problem of it."""
    body = {"succeeded": flag, "data": {"invoiceId": UID, "amount": 5}}
    receipt = converse(KATSU, KATSU.replace(UID, REPLACEMENT), response(body))

    assert UID == receipt.id
    assert (said(flag) is Said.NOTHING) == bool(receipt.problems)


WRITES = [
    (EXANTE, lambda: EXANTE.create(DRAFT)),
    (EXANTE, lambda: EXANTE.update(UID, Changes(number="N"), None)),
    (BULK, lambda: BULK.update_many([(UID, Changes(number="N"))])),
    (KUKKINGU, lambda: KUKKINGU.update(INVOICE, Changes(number="N"), None)),
    (KUKKINGU, lambda: KUKKINGU.finalize(INVOICE)),
    (KATSU, lambda: KATSU.replace(UID, REPLACEMENT)),
]


@pytest.mark.parametrize(("dialect", "start"), WRITES)
@pytest.mark.parametrize("status", [200, 201, 202, 204])
@pytest.mark.parametrize("body", [b"", b" \n", b"{}", b"OK", b'{"status": "ok"}'])
def test_a_2xx_that_shows_nothing_is_unclear(
    dialect: Any, start: Any, status: int, body: bytes
) -> None:
    """No 2xx without a payload that decodes is a refusal, whatever its status."""
    with pytest.raises(ProviderError) as caught:
        converse(dialect, start(), response(body, status=status))

    assert Outcome.UNKNOWN is classify(caught.value)


@pytest.mark.anyio
async def test_a_part_reaches_the_caller_with_what_came() -> None:
    """The client's error carries the invoices of the response, and does not call it applied."""
    body = {"status": "partial", "data": [{"uid": UID}]}
    script = MemoryTransport([response(body)])
    async with AsyncClient("exante", transport=script, token="t", retry="none") as client:
        with pytest.raises(OutcomeUnknown) as caught:
            await client.update_many({UID: Changes(number="A"), OTHER_UID: Changes(number="B")})

    assert [UID] == [each.id for each in caught.value.shown]
    assert "unclear" == caught.value.likely


@pytest.mark.anyio
async def test_strict_reading_never_turns_a_write_that_worked_into_a_failure() -> None:
    """A problem that strict reading does not take leaves the write unclear, and likely applied."""
    events: list[object] = []
    body = enveloped({"uid": UID, "invoice_number": "N-1", "total_cents": "?"}, status="pending")
    script = MemoryTransport([response(body, status=201)] * 2)
    options: dict[str, Any] = {"transport": script, "token": "t", "observers": [events.append]}
    async with AsyncClient("exante", reading="strict", **options) as client:
        with pytest.raises(OutcomeUnknown) as caught:
            await client.create(DRAFT)
    async with AsyncClient("exante", **options) as client:
        assert UID == (await client.create(DRAFT)).id

    assert caught.value.maybe_applied
    assert "applied" == caught.value.likely
    assert 2 == len(script.requests)
    assert [1] == [len(each.problems) for each in events if isinstance(each, ProblemsFound)]
