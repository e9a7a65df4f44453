"""The tools that authors of dialects import: numbers as ids, days, and batches."""

from __future__ import annotations

import asyncio
import json
import pickle
from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime
from decimal import Decimal
from functools import partial
from pathlib import Path
from typing import Any, ClassVar, Final, Literal

import attrs
import pytest
from msgspec import Struct, defstruct

from billingual import (
    AsyncClient,
    Changes,
    Client,
    Draft,
    InvalidInputError,
    Invoice,
    Job,
    MemoryTransport,
    Money,
    OutcomeUnknown,
    Page,
    ProtocolError,
    Provider,
    RejectedError,
    UnsupportedError,
)
from billingual.capabilities import Capabilities, Feature, FieldRules
from billingual.dialects import (
    DialectBase,
    Field,
    Number,
    RecordReader,
    ResponseReader,
    Whole,
    amount_of,
    array_of,
    complaint_in,
    day,
    id_like,
    lenient,
    one_of,
    read_request,
    single,
    status_of,
    text_of,
    write_request,
)
from billingual.dialects._kit.requests import MAX_DEPTH
from billingual.model import Query
from billingual.outcomes import Safety
from billingual.testing import DialectSamples, Sample, check_dialect
from billingual.wire import Conversation, WireRequest, WireResponse

CHANGES: Final = {
    "number": Field("nummer", text_of(1, 40), nullable=False),
    "due_at": Field("faellig", day),
}


class BillRecord(Struct):
    """A bill, which is counted."""

    id: Whole
    nummer: str | None = None
    faellig: date | None = None


def _invoice_from(bill: BillRecord) -> Invoice:
    return Invoice(id=str(bill.id), number=bill.nummer, due_at=bill.faellig)


BILLS: Final = RecordReader(BillRecord, _invoice_from)


def _read_batch(
    reader: ResponseReader, asked: Sequence[tuple[str, Mapping[str, object]]]
) -> tuple[Invoice, ...]:
    rows: Any = array_of(reader.decode().get("rows"), "$.rows")
    refused = {str(each["id"]): complaint_in(each["error"]) for each in rows if "error" in each}
    bills = [each for each in rows if "error" not in each]
    return BILLS.matched(reader, bills, "$.rows", asked=asked, refused=refused)


@attrs.frozen(kw_only=True)
class Counted(DialectBase):
    """A service that counts its bills, and says of each bill in a batch what became of it."""

    name: ClassVar[str] = "counted"
    documented = Capabilities(
        provider="counted",
        features=frozenset({Feature.GET, Feature.LIST, Feature.UPDATE_MANY}),
        batch_changes=FieldRules(accepts=frozenset(CHANGES)),
        batch_limit=3,
    )
    change_fields = CHANGES
    collection = "/bills"
    provider: str = "counted"

    def get(self, invoice_id: str) -> Conversation[Invoice]:
        def read(reader: ResponseReader) -> Invoice:
            return BILLS.one(reader, reader.decode(), "$", asked=invoice_id)

        path = self.invoice_path(invoice_id)
        invoice: Invoice = yield read_request(self.provider, path, "/bills/{id}", read=read)
        return invoice

    def list_page(self, query: Query) -> Conversation[Page]:
        def read(reader: ResponseReader) -> Page:
            body = reader.decode()
            rows, problems = BILLS.rows(reader, array_of(body.get("rows"), "$.rows"), "$.rows")
            return Page(items=rows, number=query.page, has_next=False, raw=body, problems=problems)

        page: Page = yield read_request(self.provider, "/bills", "/bills", read=read)
        return page

    def update_many(
        self, pairs: Sequence[tuple[str, Changes]]
    ) -> Conversation[tuple[Invoice, ...]]:
        self.check_batch([invoice_id for invoice_id, _ in pairs], "pairs")
        asked = [(invoice_id, changes.given()) for invoice_id, changes in pairs]
        body = [
            {"id": int(invoice_id), **self.batch_body(index, invoice_id, given)}
            for index, (invoice_id, given) in enumerate(asked)
        ]
        invoices: tuple[Invoice, ...] = yield write_request(
            self.provider, "PUT", "/bills", "/bills", Safety.IDEMPOTENT,
            body=body, fields=CHANGES, read=partial(_read_batch, asked=asked),
        )  # fmt: skip
        return invoices


PROVIDER: Final = Provider(name="counted", dialects=(Counted(),))


def _client(body: object, status: int = 200) -> Client:
    script = MemoryTransport([MemoryTransport.json(json.dumps(body), status=status)])
    return Client(PROVIDER, transport=script, retry="none")


def test_an_id_may_be_a_number() -> None:
    """A provider that counts its invoices is read; the id is the text of the number."""
    with _client({"id": 17, "nummer": "R-17", "neu": 1}) as client:
        invoice = client.get("17")

    assert (invoice.id, invoice.number, invoice.extra) == ("17", "R-17", {"neu": 1})
    assert invoice.raw["id"] == 17


@pytest.mark.parametrize(
    ("bad", "why"),
    [
        ("17", "text where a whole number is documented"),
        (True, "a boolean where a whole number is documented"),
        (None, "null where a whole number is documented"),
        (1.5, "a number with a fraction where a whole number is documented"),
        (10**31, "the number has more than 30 digits"),
    ],
)
def test_an_id_of_another_kind_than_documented_is_refused(bad: object, why: str) -> None:
    """A number in quotes may be another kind of id, so it is not taken for a number."""
    with _client({"id": bad}) as client, pytest.raises(ProtocolError, match=why):
        client.get("17")


def test_a_row_whose_number_cannot_be_read_is_left_out() -> None:
    """The others are there."""
    with _client({"rows": [{"id": 1}, {"id": "x"}, {"id": 3, "faellig": "gestern"}]}) as client:
        found = list(client.list())

    assert [each.id for each in found] == ["1", "3"]


@pytest.mark.parametrize("more", [{}, {"neu": 1}, {"neu": 1, "nummer": ["odd"]}])
def test_a_day_is_read_as_one(more: dict[str, object]) -> None:
    """In each of the three ways in which a record is read."""
    with _client({"id": 17, "faellig": "2026-12-31", **more}) as client:
        invoice = client.get("17")

    assert invoice.due_at == date(2026, 12, 31)


@pytest.mark.parametrize(
    ("bad", "why"),
    [
        ("31.12.2026", "text where a day is documented"),
        ("2026-12-31T08:00:00Z", "text where a day is documented"),
        ("2026-02-30", "there is no such day"),
        (20261231, "a whole number where a day is documented"),
    ],
)
def test_what_is_no_day_is_a_problem(bad: object, why: str) -> None:
    """The field is None, and the rest is there."""
    with _client({"id": 17, "nummer": "R", "faellig": bad}) as client:
        invoice = client.get("17")

    assert (invoice.number, invoice.due_at) == ("R", None)
    assert [(each.path, each.reason) for each in invoice.problems] == [("$.faellig", why)]


@pytest.mark.parametrize(
    ("kind", "told"),
    [
        (float, "a record has float; use .*Number"),
        (Decimal, "a record has Decimal"),
        (Literal["a"], "a record has .*Literal"),
        (tuple[str, ...], "a record has tuple"),
        (datetime, "a record has datetime; use .*Moment"),
    ],
)
@pytest.mark.parametrize("optional", [False, True])
def test_a_type_that_records_cannot_have_is_refused(
    kind: Any, told: str, *, optional: bool
) -> None:
    """The two ways of reading would make different values of it."""
    record = defstruct("Record", [("id", str), ("odd", kind | None if optional else kind)])

    with pytest.raises(TypeError, match=told):
        lenient(record, {"id": "1", "odd": 1}, "$", [])


def test_another_number_than_asked_for_is_refused() -> None:
    """The id is compared as text."""
    with _client({"id": 18}) as client, pytest.raises(ProtocolError, match="another invoice"):
        client.get("17")


def test_a_day_is_written_as_one() -> None:
    """A day, and the first moment of one in UTC."""
    assert day(date(2026, 12, 31), "due_at") == "2026-12-31"
    assert day(datetime(2026, 12, 31, tzinfo=UTC), "due_at") == "2026-12-31"


def test_a_time_within_a_day_is_no_day() -> None:
    """The provider would lose it."""
    with pytest.raises(InvalidInputError, match=r"due_at: .*2026-12-31T08:00:00Z .*give a day"):
        day(datetime(2026, 12, 31, 8, tzinfo=UTC), "due_at")


def test_a_form_is_written_with_brackets_for_what_is_nested() -> None:
    """Null is empty, and what is no text is written as JSON writes it."""
    form = {"a": "x y", "b": None, "c": {"d": {"e": True}, "f": Decimal("1.50")}, "g": 7}
    request = write_request(
        "acme", "POST", "/bills", "/bills", Safety.KEYED, form=form, read=ResponseReader.decode
    )

    assert b"a=x+y&b=&c%5Bd%5D%5Be%5D=true&c%5Bf%5D=1.50&g=7" == request.body
    assert ("a", "b", "c", "g") == request.keys


@pytest.mark.parametrize("depth", [MAX_DEPTH, 5_000])
@pytest.mark.parametrize("text", ["x", "\ud800"], ids=["text", "half"])
def test_a_form_carries_what_json_carries(depth: int, text: str) -> None:
    """What is nested too deep, or no text of UTF-8, is refused as in a body of JSON."""
    form: dict[str, Any] = {"a": text}
    for _ in range(depth):
        form = {"a": form}

    def make() -> WireRequest:
        return write_request(
            "acme", "POST", "/bills", "/bills", Safety.KEYED, form=form, read=ResponseReader.decode
        )

    if (depth, text) == (MAX_DEPTH, "x"):
        assert (make().body or b"").endswith(b"%5D=x")
        return
    with pytest.raises(InvalidInputError, match=r"surrogate|deeper"):
        make()


def test_an_id_is_of_the_documented_form() -> None:
    """Digits are those of ASCII, and the whole text counts."""
    write = id_like(r"bill_\d{1,3}", "'bill_' and a number")

    assert "bill_7" == write("bill_7", "invoice_id")
    for odd in ("bill_", "bill_1234", "bill_7\n", " bill_7", "bill_\u0663", 7, None):
        with pytest.raises(InvalidInputError, match=r"^invoice_id: .* give 'bill_' and a number"):
            write(odd, "invoice_id")


def test_a_filter_of_one_value_takes_no_second_one() -> None:
    """The provider would look for one of them only."""
    write = single(one_of("draft", "open"))

    assert "open" == write(("open",), "status")
    with pytest.raises(InvalidInputError, match=r"^status: .* exactly one, and these are 2"):
        write(("draft", "open"), "status")


def _pair(invoice_id: str, number: str) -> tuple[str, Changes]:
    return invoice_id, Changes(number=number)


PAIRS: Final = [_pair("1", "A"), _pair("2", "B")]
DONE: Final = [{"id": 2, "nummer": "B"}, {"id": 1, "nummer": "A"}]


def test_a_batch_comes_in_the_order_of_the_operands() -> None:
    """Whatever the order of the response is."""
    with _client({"rows": DONE}) as client:
        invoices = client.update_many(PAIRS)

    assert [each.id for each in invoices] == ["1", "2"]


@pytest.mark.parametrize(
    ("pairs", "why"),
    [
        ([], "one request takes 1 to 3 invoices, and these are 0"),
        ([_pair(str(each), "A") for each in range(1, 5)], "1 to 3 invoices, and these are 4"),
        ([_pair("1", "A"), _pair("1", "B")], r"pairs\[1\]: 1 is already at \[0\]"),
        ([_pair("1", "A"), ("2", Changes())], r"pairs\[1\] \(2\).changes: they hold no field"),
        ([_pair("1", "")], r"pairs\[0\] \(1\).number: it has 0 characters"),
    ],
)
def test_a_wrong_batch_is_refused(pairs: list[tuple[str, Changes]], why: str) -> None:
    """Before anything is sent, and the error names the place."""
    with pytest.raises(InvalidInputError, match=why):
        next(Counted().update_many(pairs))


def test_a_field_that_no_batch_takes_is_refused_by_its_place() -> None:
    """The error says in which pair it is."""
    with pytest.raises(UnsupportedError, match=r"'status' in a batch, pairs\[1\] \(2\)"):
        next(Counted().update_many([_pair("1", "A"), ("2", Changes(status="paid"))]))


def test_a_batch_that_was_refused_in_part_is_unclear_and_shows_the_rest() -> None:
    """The error names what was refused and why, and has the invoices that were changed."""
    rows = [DONE[1], {"id": 2, "error": {"message": "is locked"}}]
    with _client({"rows": rows}) as client, pytest.raises(OutcomeUnknown) as caught:
        client.update_many(PAIRS)

    assert "invoice 2 was refused: is locked" in str(caught.value)
    assert "missing" not in str(caught.value)
    assert [each.id for each in caught.value.shown] == ["1"]


def test_a_batch_that_was_refused_whole_is_refused() -> None:
    """It changed nothing, so it is no unclear write; in both clients."""
    rows = {"rows": [{"id": each, "error": {"message": "is locked"}} for each in (2, 1)]}

    async def ask() -> None:
        script = MemoryTransport([MemoryTransport.json(json.dumps(rows))])
        async with AsyncClient(PROVIDER, transport=script, retry="none") as client:
            await client.update_many(PAIRS)

    with pytest.raises(RejectedError, match="invoice 1 was refused: is locked; invoice 2") as one:
        asyncio.run(ask())
    with _client(rows) as client, pytest.raises(RejectedError) as other:
        client.update_many(PAIRS)

    assert not one.value.maybe_applied
    assert str(one.value) == str(other.value)


@pytest.mark.parametrize(
    ("rows", "why"),
    [
        (DONE[:1], "invoice 1 is missing"),
        ([*DONE, {"id": 7}], "invoice 7 was not asked for"),
        ([*DONE, DONE[0]], "invoice 2 comes twice"),
        ([], "invoice 1 is missing; invoice 2 is missing"),
        ([{"id": 7, "error": {"message": "is locked"}}], "invoice 1 is missing"),
    ],
)
def test_a_batch_that_shows_less_or_more_is_unclear(rows: list[object], why: str) -> None:
    """What was asked for must all be seen."""
    with _client({"rows": rows}) as client, pytest.raises(OutcomeUnknown, match=why):
        client.update_many(PAIRS)


def test_a_batch_that_shows_another_value_has_a_problem() -> None:
    """As a single update has."""
    rows = {"rows": [DONE[0], {"id": 1, "nummer": "Z"}]}
    with _client(rows) as client:
        first, second = client.update_many(PAIRS)

    assert [each.path for each in first.problems] == ["number"]
    assert not second.problems


@pytest.mark.parametrize(
    ("body", "told"),
    [
        ({"fehler": "unbekannter Kunde"}, "unbekannter Kunde"),
        ({"erreur": "client inconnu", "statut": 422}, "client inconnu"),
        ({"code": 17, "fel": "kunden finns inte"}, "kunden finns inte"),
    ],
)
def test_a_complaint_in_another_language_is_told(body: object, told: str) -> None:
    """The names of a small error body need not be English."""
    with _client(body, 422) as client, pytest.raises(Exception, match=told):
        client.get("17")


def test_an_invoice_in_the_place_of_a_complaint_is_not_quoted() -> None:
    """A body with more than a few members may be an invoice, whose values are personal."""
    body = {"id": 17, "kunde": "Ada", "ort": "Wien", "nummer": "R-17", "faellig": "2026-12-31"}
    with _client(body, 422) as client, pytest.raises(Exception, match="did not say why"):
        client.get("17")


class StateRecord(Struct):
    """A bill with a status under another name, which a line has too."""

    id: str
    zustand: str | None = None
    zeile: str | None = None


@pytest.mark.parametrize(("drops", "outcome"), [(False, "passed"), (True, "failed")])
def test_the_suite_finds_a_status_under_any_name(*, drops: bool, outcome: str) -> None:
    """Providers call it state, and in their own language; a line may have the same word."""

    def invoice_from(bill: StateRecord) -> Invoice:
        word = None if drops and bill.zustand != "bezahlt" else bill.zustand
        return Invoice(id=bill.id, status=status_of(word))

    class Stated(Counted):
        documented = Capabilities(provider="stated", features=frozenset({Feature.GET}))

        def get(self, invoice_id: str) -> Conversation[Invoice]:
            def read(reader: ResponseReader) -> Invoice:
                bills = RecordReader(StateRecord, invoice_from)
                return bills.one(reader, reader.decode(), "$", asked=invoice_id)

            invoice: Invoice = yield read_request(self.provider, "/bills/1", "/bills/1", read=read)
            return invoice

    bill = b'{"id": "1", "zustand": "bezahlt", "zeile": "bezahlt"}'
    samples = DialectSamples(
        operations=[Sample(feature=Feature.GET, operands=["1"], responses=bill)], refusal=b"{}"
    )
    report = check_dialect(Stated(), samples, only=["unknown-words-stay-readable"])

    assert [each.outcome for each in report] == [outcome]


class _Priced(Struct):
    id: str
    total: Number = None
    currency: str | None = None


PRICED: Final = RecordReader(
    _Priced,
    lambda record: Invoice(id=record.id, total=amount_of(record.total, record.currency, "total")),
)


@pytest.mark.parametrize(
    ("total", "currency", "money"),
    [
        ("12.50", "EUR", Money(1250, "EUR")),
        ("-3", "JPY", Money(-3, "JPY")),
        ("1E+2", "EUR", Money(10_000, "EUR")),
        ("12.505", "EUR", None),
        ("0.5", "JPY", None),
        ("12.50", "eur", None),
        ("12.50", None, None),
    ],
)
def test_an_amount_in_major_units_is_exact_or_a_problem(
    total: str, currency: str | None, money: Money | None
) -> None:
    """What is no whole number of minor units is None, has a problem, and is kept as it came."""
    body = f'{{"id": "b", "total": {total}, "currency": {json.dumps(currency)}}}'
    response = WireResponse(status=200, body=body.encode())
    reader = ResponseReader("counted", "GET", "/bills", (), response)
    invoice = PRICED.one(reader, reader.decode(), "$")

    assert invoice.total == money
    assert [each.path for each in invoice.problems] == ([] if money else ["$.total"])
    assert ("total" in invoice.extra) is (money is None)


@pytest.mark.parametrize("at_once", [True, False])
def test_a_dialect_never_blames_the_caller_for_a_response(*, at_once: bool) -> None:
    """A model that cannot be made of a response to a write leaves the write unclear."""

    def invoice_from(body: Mapping[str, object]) -> Invoice:
        return Invoice(id="17", total=Money.of("12.505", str(body["currency"])))

    def read(reader: ResponseReader) -> object:
        return invoice_from(reader.decode()) if at_once else reader.decode()

    class Blaming(Counted):
        def update_many(
            self, pairs: Sequence[tuple[str, Changes]]
        ) -> Conversation[tuple[Invoice, ...]]:
            received: Any = yield write_request(
                self.provider, "PUT", "/bills", "/bills", Safety.IDEMPOTENT, body=[], read=read
            )
            return (received if at_once else invoice_from(received),)

    script = MemoryTransport([MemoryTransport.json('{"currency": "EUR"}')])
    provider = Provider(name="counted", dialects=(Blaming(),))
    with (
        Client(provider, transport=script, retry="none") as client,
        pytest.raises(OutcomeUnknown) as caught,
    ):
        client.update_many({"17": Changes(number="R-17")})

    assert "raised InvalidInputError, which it must not" in str(caught.value.__cause__)


class _TwoSteps(Counted):
    """A service that responds to a create with an id alone, so that the dialect reads it."""

    documented = Capabilities(
        provider="counted",
        features=frozenset({Feature.CREATE, Feature.GET}),
        draft=FieldRules(accepts=frozenset(CHANGES)),
    )
    draft_fields = CHANGES

    def create(self, draft: Draft) -> Conversation[Invoice]:
        made: Any = yield write_request(
            self.provider, "POST", "/bills", "/bills", Safety.CREATE,
            body=self.draft_body(draft), fields=CHANGES, read=self.read_created,
        )  # fmt: skip
        return (yield from self.get(str(getattr(made, "id", made))))

    def read_created(self, reader: ResponseReader) -> object:
        return BILLS.one(reader, reader.decode(), "$")


class _ToARecord(_TwoSteps):
    def read_created(self, reader: ResponseReader) -> object:
        return lenient(BillRecord, reader.decode(), "$", [], key="id")


class _ToAnId(_TwoSteps):
    def read_created(self, reader: ResponseReader) -> object:
        return str(reader.decode()["id"])


@pytest.mark.parametrize("status", [404, 503])
@pytest.mark.parametrize("kind", [_TwoSteps, _ToARecord, _ToAnId])
def test_a_created_invoice_that_cannot_be_read_keeps_its_id(
    kind: type[_TwoSteps], status: int
) -> None:
    """The write is the request of the error, and its invoice is found by the id it was given."""
    bill = '{"id": 17, "nummer": "R-17"}'
    script = MemoryTransport(
        [
            MemoryTransport.json('{"id": 17}', status=201),
            MemoryTransport.json("{}", status=status),
            MemoryTransport.json(bill),
        ]
    )
    provider = Provider(name="counted", dialects=(kind(),))
    with Client(provider, transport=script, retry="none") as client:
        with pytest.raises(OutcomeUnknown, match="gave it the id 17") as caught:
            client.create(Draft(number="R-17"))
        unclear = pickle.loads(pickle.dumps(caught.value))  # noqa: S301 - our own
        found = client.reconcile(unclear)

    assert (unclear.request.method, unclear.likely) == ("POST", "applied")
    assert unclear.intent.invoice_ids == ("17",)
    assert found.adopted
    assert found.invoice is not None
    assert found.invoice.number == "R-17"


class _CustomerFirst(_TwoSteps):
    """A service that wants a customer before an invoice."""

    def create(self, draft: Draft) -> Conversation[Invoice]:
        yield write_request(
            self.provider, "POST", "/customers", "/customers", Safety.CREATE,
            body={}, fields=CHANGES, read=self.read_created,
        )  # fmt: skip
        return (yield from super().create(draft))


def test_the_id_of_a_customer_is_not_taken_for_that_of_the_invoice() -> None:
    """Where a create makes more than one thing, nothing tells which one the invoice is."""
    script = MemoryTransport(
        [
            MemoryTransport.json('{"id": 4}', status=201),
            MemoryTransport.json('{"id": 17}', status=201),
            MemoryTransport.json("{}", status=503),
        ]
    )
    provider = Provider(name="counted", dialects=(_CustomerFirst(),))
    with (
        Client(provider, transport=script, retry="none") as client,
        pytest.raises(OutcomeUnknown) as caught,
    ):
        client.create(Draft(number="R-17"))

    assert caught.value.intent is not None
    assert caught.value.intent.invoice_ids == ()


def test_a_job_keeps_the_id_of_an_invoice_that_could_not_be_read(tmp_path: Path) -> None:
    """It was created, so the job looks for nothing and sends nothing again."""
    script = MemoryTransport(
        [MemoryTransport.json('{"id": 17}', status=201), MemoryTransport.json("{}", status=503)]
    )
    provider = Provider(name="counted", dialects=(_TwoSteps(),))
    with (
        Client(provider, transport=script, retry="none") as client,
        Job.open(tmp_path / "job.db", client, late_arrival_s=0.01) as job,
    ):
        job.plan([Draft(number="R-17")])
        report = job.run()
        (entry,) = job.entries()

    assert (report.committed, entry.invoice_id) == (1, "17")
    assert len(script.requests) == 2
