"""How a dialect reads: good responses become models, all others errors of ours, nothing is lost."""

from __future__ import annotations

import itertools
import pickle
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final

import attrs

from billingual.capabilities import Feature
from billingual.errors import (
    AuthenticationError,
    BillingualError,
    ConflictError,
    InvalidRequestError,
    LockedError,
    NotFoundError,
    PermissionDeniedError,
    ProtocolError,
    ProviderError,
    RateLimitedError,
    RedirectedError,
    ServerError,
)
from billingual.model import Invoice, InvoiceSummary, Page, Receipt
from billingual.testing.conformance.dialect_harness import (
    Completed,
    DialectHarness,
    Sample,
    dialect_check,
    label,
    leaves,
    read,
    replaced,
)
from billingual.testing.conformance.report import NotApplicableError, checks_in, expect, fail
from billingual.wire import Headers, WireRequest, WireResponse

__all__ = ["READING_CHECKS"]

_STATUSES: Final[Mapping[int, type[ProviderError]]] = {
    100: ProviderError, 301: RedirectedError, 302: RedirectedError, 304: RedirectedError,
    308: RedirectedError, 400: InvalidRequestError, 401: AuthenticationError,
    403: PermissionDeniedError, 404: NotFoundError, 409: ConflictError, 410: NotFoundError,
    418: InvalidRequestError, 422: InvalidRequestError, 429: RateLimitedError, 500: ServerError,
    502: ServerError, 503: ServerError, 599: ServerError, 600: ProviderError,
}  # fmt: skip
_SUCCESSES: Final = (200, 201, 202, 203, 204, 205, 207, 226)
_HTML: Final = b"<!DOCTYPE html><html><head><title>Gateway</title></head><body>Hi</body></html>"
_ODD: Final[tuple[object, ...]] = (
    None, True, -1, 2**70, 1.5, "", "odd \u2028 \ud83d", [], [[]], {}, {"odd": None},
)  # fmt: skip
_MARK: Final = "zz_unheard_of"
_VALUE: Final = "kept-7f3a"
_WORD: Final = "ZZ_TOMORROWS_WORD"
_STATUS_NAMES: Final = ("state", "status")
_OTHER_NUMBER: Final = "zz-anothers"
_CUTS: Final = 300
_SINGLE: Final = (Feature.CREATE, Feature.GET, Feature.UPDATE, Feature.FINALIZE, Feature.VOID)


@dialect_check
def good_responses_become_models(harness: DialectHarness) -> None:
    """What the provider documents is read: an invoice, a page, a receipt, invoices, or None."""
    for sample in harness:
        done = harness.good(sample)
        expect(
            len(done.requests) == len(sample.responses),
            expected=f"{label(sample)}: a request for each of {len(sample.responses)} responses",
            seen=f"{len(done.requests)} requests",
        )
        expect(_fits(sample.feature, done.result), expected=f"{label(sample)}: a model", seen=done)
        for each in models_of(done):
            expect(each.id, expected=f"{label(sample)}: an id", seen=each)


def _fits(feature: Feature, result: object) -> bool:
    if feature is Feature.DELETE_MANY:
        return result is None
    if feature is Feature.LIST:
        return isinstance(result, Page)
    if feature is Feature.REPLACE:
        return isinstance(result, (Receipt, Invoice))
    if feature is Feature.UPDATE_MANY:
        return isinstance(result, tuple) and all(isinstance(each, Invoice) for each in result)
    return isinstance(result, Invoice)


def models_of(done: Completed) -> tuple[InvoiceSummary | Receipt, ...]:
    """List the invoices or the receipt in a result."""
    if isinstance(done.result, Page):
        return done.result.items
    if isinstance(done.result, tuple):
        return done.result
    return () if done.result is None else (done.result,)


@dialect_check
def results_show_what_the_sample_says(harness: DialectHarness) -> None:
    """Amounts, statuses and whatever else a sample says of its result are read as it says."""
    tried = False
    for sample in harness:
        done = harness.good(sample)
        for name, value in sample.shows.items():
            tried = True
            shown = (done.result, *models_of(done)[:1])
            seen = next((getattr(each, name) for each in shown if hasattr(each, name)), "no such")
            expect(seen == value, expected=f"{label(sample)}: {name} {value!r}", seen=seen)
    if not tried:
        raise NotApplicableError("no sample says what its result shows; give it shows=")


@dialect_check
def every_row_is_kept(harness: DialectHarness) -> None:
    """A page has each row of its response once, in order; one without an id is a problem."""
    for sample in harness.of(Feature.LIST):
        done, body = harness.good(sample), harness.json(sample)
        ids = [each.id for each in models_of(done)]
        path, rows = _rows(body, ids[0] if ids else None)
        if not rows:
            raise NotApplicableError("its response lists no rows")
        expect(len(ids) == len(rows), expected=f"{len(rows)} row(s)", seen=ids)
        for other in (_other_id(ids[0]), None):
            twin = [rows[0], _as_another(rows[0], ids[0], other)]
            met = harness.held(sample, *harness.last(sample, replaced(body, path, twin)))
            if isinstance(met, Completed):
                seen = [each.id for each in models_of(met)]
                expect(
                    seen == ids[:1] if other is None else len(set(seen)) == 2 and seen[0] == ids[0],
                    expected=f"the rows {ids[0]} and {other}, without one that has no id",
                    seen=seen,
                )
                expect(
                    other is not None or met.result.problems,
                    expected="a problem that tells of a row without an id, as RecordReader.page "
                    "tells it",
                    seen=met.result.problems,
                )


def _rows(body: object, invoice_id: str | None) -> tuple[tuple[str | int, ...], list[Any]]:
    """Find the list with an id, or with objects where the id is not known.

    The first one is the outermost: those inside are lines and the like.
    """
    for path, leaf in leaves(body):
        if isinstance(leaf, list) and any(
            isinstance(each, dict) if invoice_id is None else _is(each, invoice_id)
            for _, each in leaves(leaf)
        ):
            return path, leaf
    return (), []


@dialect_check
def any_success_is_a_result_or_an_error(harness: DialectHarness) -> None:
    """Another status of success, with its body or without, gives a model or an error of ours."""
    for sample in harness:
        for status, body in itertools.product(_SUCCESSES, (sample.responses[-1], b"")):
            twin = attrs.evolve(sample, status=status)
            met = harness.held(twin, *sample.responses[:-1], body)
            expect(
                not isinstance(met, Completed) or _fits(sample.feature, met.result),
                expected=f"{label(sample)}: a model or an error for {status}",
                seen=met,
            )


@dialect_check
def the_payload_is_kept(harness: DialectHarness) -> None:
    """Whatever is read keeps the payload it was read from, as it came, in raw."""
    for sample in harness:
        done, body = harness.good(sample), harness.json(sample)
        parts = [each for _, each in leaves(body) if isinstance(each, dict)]
        pages = [done.result] if isinstance(done.result, Page) else []
        for each in (*models_of(done), *pages):
            raw = dict(each.raw)
            expect(
                raw and raw in parts,
                expected=f"{label(sample)}: raw as it came, which a RecordReader keeps",
                seen=raw,
            )


@dialect_check
def unknown_fields_are_kept(harness: DialectHarness) -> None:
    """A field that the provider adds tomorrow breaks nothing and is in extra or raw."""
    for sample in harness:
        body = harness.json(sample)
        spared = set(harness.samples.tolerated.get(sample.feature, ()))
        for path, part in leaves(body):
            if not isinstance(part, dict) or spared & set(path):
                continue
            done = harness.good(
                sample, *harness.last(sample, replaced(body, path, {**part, _MARK: _VALUE}))
            )
            if done.result is not None:
                expect(
                    _MARK in set(_names(done.result)),
                    expected=f"{label(sample)}: a new field at {_shown(path)} in extra or raw",
                    seen="it is lost; a RecordReader keeps those of a record, and beside= those "
                    "around it",
                )


def _names(value: object) -> Iterator[str]:
    """List the names in raw and extra of models, however deep."""
    if attrs.has(type(value)):
        for name in ("raw", "extra"):
            yield from _names(getattr(value, name, None))
        yield from _names(getattr(value, "items", None))
    elif isinstance(value, Mapping):
        for key, each in value.items():
            yield str(key)
            yield from _names(each)
    elif isinstance(value, (list, tuple)):
        for each in value:
            yield from _names(each)


def _shown(path: Iterable[str | int]) -> str:
    return "$" + "".join(f"[{each}]" if isinstance(each, int) else f".{each}" for each in path)


@dialect_check
def unknown_words_stay_readable(harness: DialectHarness) -> None:
    """A status that the provider invents tomorrow arrives as it was written."""
    tried = False
    for sample in harness:
        if sample.feature in {Feature.FINALIZE, Feature.VOID}:
            continue
        done, body = harness.good(sample), harness.json(sample)
        words = _statuses(done)
        for path, leaf in leaves(body):
            if not isinstance(leaf, str) or leaf not in words:
                continue
            met = harness.held(sample, *harness.last(sample, replaced(body, path, _WORD)))
            by_name = any(word in str(path[-1:]).lower() for word in _STATUS_NAMES)
            # Elsewhere it is a status if one is read of it: "open" may be a kind of line as well.
            if not by_name and (isinstance(met, BillingualError) or _statuses(met) == words):
                continue
            tried = True
            seen = met if isinstance(met, BillingualError) else _statuses(met)
            expect(
                not isinstance(seen, BillingualError) and _WORD in seen,
                expected=f"{label(sample)}: the status {_WORD} at {_shown(path)}",
                seen=seen,
            )
    if not tried:
        raise NotApplicableError("no sample shows a status")


def _statuses(done: Completed) -> set[str]:
    return {str(each.status) for each in models_of(done) if each.status is not None}


@dialect_check
def half_a_response_is_refused(harness: DialectHarness) -> None:
    """A good response that is cut off anywhere is an error of ours."""
    for sample in harness:
        whole = sample.responses[-1].strip()
        step = max(1, len(whole) // _CUTS)
        # An operation that returns nothing may be answered by nothing.
        nothing_is_fine = harness.good(sample).result is None
        for cut in (*range(1 if nothing_is_fine else 0, len(whole), step), len(whole) - 1):
            met = harness.held(sample, *sample.responses[:-1], whole[:cut])
            if not isinstance(met, BillingualError):
                fail(expected=f"{label(sample)}: an error at byte {cut}", seen=met.result)


@dialect_check
def a_status_that_is_no_success_is_its_own_error(harness: DialectHarness) -> None:
    """The status decides the class of the error, whatever the body says."""
    for sample in harness:
        request = harness.first(sample)
        for status, kind in _STATUSES.items():
            for body in (b"", b"\xff\x00", _HTML, sample.responses[-1]):
                response = WireResponse(status=status, body=body)
                error = _checked(harness, sample, response)
                if not isinstance(error, kind):
                    fail(
                        expected=f"{label(sample)}: {kind.__name__} for {status}",
                        seen=f"{type(error).__name__}: {error}",
                    )
                expect(
                    (error.status, error.body) == (status, body)
                    and error.exchange.route == request.route,
                    expected=f"{label(sample)}: an error that keeps the response",
                    seen=error.exchange,
                )


def _checked(
    harness: DialectHarness, sample: Sample, response: WireResponse
) -> BillingualError | None:
    try:
        read(harness.first(sample), response)
    except BillingualError as error:
        return error
    except Exception as foreign:  # noqa: BLE001 - it is what this is for
        fail(
            expected=f"{label(sample)}: no exception but ours",
            seen=f"{type(foreign).__qualname__}: {foreign}, for {response.status}",
        )
    return None


@dialect_check
def a_refusal_is_told(harness: DialectHarness) -> None:
    """A response that says no is an error that says why, can be pickled, and shows no secret."""
    samples = harness.samples
    secret = Headers([("Set-Cookie", "session=canary-4b1d"), ("X-Request-Id", "r-1")])
    for sample in harness:
        response = WireResponse(status=samples.refusal_status, headers=secret, body=samples.refusal)
        error = _checked(harness, sample, response)
        if not isinstance(error, (ProviderError, LockedError)):
            fail(expected=f"{label(sample)}: a ProviderError", seen=error)
        twin = pickle.loads(pickle.dumps(error))  # noqa: S301 - our own

        expect(
            samples.complaint.rstrip(".") in str(error),
            expected=f"{label(sample)}: {samples.complaint!r} in the text",
            seen=str(error),
        )
        expect(str(twin) == str(error), expected="the same error from a pickle", seen=str(twin))
        expect(
            "canary" not in f"{error}{error!r}{vars(error)!r}",
            expected="no cookie on the error",
            seen=vars(error),
        )


@dialect_check
def a_page_of_html_is_no_response(harness: DialectHarness) -> None:
    """A 200 with something else than the provider's format is a ProtocolError."""
    for sample in harness:
        nothing_is_fine = harness.good(sample).result is None
        for body in (_HTML, b"null", b"[]", b'"ok"', b"7", b"{", b"\xff\xfe", b"", b"{}"):
            if nothing_is_fine and body in {b"", b"{}"}:
                continue
            met = harness.held(sample, *sample.responses[:-1], body)
            expect(
                isinstance(met, ProtocolError),
                expected=f"{label(sample)}: ProtocolError for {body[:20]!r}",
                seen=met,
            )


@dialect_check
def odd_values_are_read_or_refused(harness: DialectHarness) -> None:
    """A good response with any value replaced by one of another kind gives a model or our error."""
    for sample in harness:
        body = harness.json(sample)
        for path, leaf in leaves(body):
            for odd in _ODD:
                bodies = harness.last(sample, replaced(body, path, odd))
                met = harness.held(sample, *bodies)
                if isinstance(met, Completed):
                    expect(
                        _fits(sample.feature, met.result),
                        expected=f"{label(sample)}: a model or an error",
                        seen=met.result,
                    )
            if isinstance(leaf, dict):
                for name in leaf:
                    left = {key: each for key, each in leaf.items() if key != name}
                    harness.held(sample, *harness.last(sample, replaced(body, path, left)))


@dialect_check
def odd_json_is_read_or_refused(harness: DialectHarness) -> None:
    """Endless numbers, deep nesting and repeated names give a model or our error."""
    for sample in harness:
        harness.json(sample)
        text = sample.responses[-1].decode()
        deep = "[" * 100_000 + "]" * 100_000
        for odd in (
            deep, '{"a":' * 20_000 + "1" + "}" * 20_000, "1" * 100_000, "NaN", "Infinity",
            "1e999999999", "\ufeff" + text, text + text, text + "x", text.replace(":", ":\x00", 1),
        ):  # fmt: skip
            harness.held(sample, *sample.responses[:-1], odd.encode())


@dialect_check
def anothers_response_is_refused(harness: DialectHarness) -> None:
    """A response about another invoice than the one asked for is no response."""
    tried = False
    for sample in harness.of(Feature.GET, Feature.UPDATE, Feature.FINALIZE, Feature.VOID):
        asked, body = str(sample.operands[0]), harness.json(sample)
        for path, leaf in leaves(body):
            if _is(leaf, asked) and harness.good(sample).result.id == asked:
                tried = True
                twin = replaced(body, path, _as_another(leaf, asked, _other_id(asked)))
                met = harness.held(sample, *harness.last(sample, twin))
                if isinstance(met, Completed) and met.result.id != asked:
                    fail(
                        expected=f"{label(sample)}: an error, as RecordReader.one raises it if it "
                        "is given asked=",
                        seen=f"the invoice {met.result.id}",
                    )
    if not tried:
        raise NotApplicableError("no response holds the id that was asked for")


def _is(leaf: object, invoice_id: str) -> bool:
    """Tell whether a value of a body is an id, which some providers write as a number."""
    return isinstance(leaf, (int, str)) and str(leaf) == invoice_id


def _other_id(invoice_id: str) -> str:
    return invoice_id[:-1] + ("1" if invoice_id.endswith("0") else "0")


def _as_another(value: Any, invoice_id: str, other: str | None) -> Any:
    """Copy a part of a body with another id in each place of *invoice_id*."""
    for path, leaf in leaves(value):
        if _is(leaf, invoice_id):
            new = int(other) if other is not None and isinstance(leaf, int) else other
            value = replaced(value, path, new)
    return value


@dialect_check
def a_batch_is_whole_and_in_order(harness: DialectHarness) -> None:
    """Invoices of a batch are matched by their ids; one too few, or another one, is an error."""
    for sample in harness.of(Feature.UPDATE_MANY):
        pairs: Any = sample.operands[0]
        asked, body = [invoice_id for invoice_id, _ in pairs], harness.json(sample)
        path, rows = _rows(body, asked[0])
        if not rows:
            raise NotApplicableError("its response lists no invoices by the ids that were given")
        place = _shown(path)
        for odd, twin in (
            ("without its first row", rows[1:]),
            (
                "with a row of another invoice",
                [_as_another(rows[0], asked[0], _other_id(asked[0])), *rows[1:]],
            ),
        ):
            met = harness.held(sample, *harness.last(sample, replaced(body, path, twin)))
            if isinstance(met, Completed):
                fail(
                    expected=f"{label(sample)}: an error for a response {odd} at {place}, as "
                    "RecordReader.matched raises it",
                    seen=[each.id for each in models_of(met)],
                )
        met = harness.held(sample, *harness.last(sample, replaced(body, path, rows[::-1])))
        seen = [each.id for each in models_of(met)] if isinstance(met, Completed) else met
        expect(
            seen == asked,
            expected=f"{label(sample)}: invoices in the order of the operands, whatever that at "
            f"{place}, as RecordReader.matched returns them",
            seen=seen,
        )


@dialect_check
def another_number_is_no_plain_success(harness: DialectHarness) -> None:
    """A write that shows another number than was sent has a problem; a create is an error."""
    tried = False
    for sample in harness.of(Feature.CREATE, Feature.UPDATE):
        written = sample.operands[0 if sample.feature is Feature.CREATE else 1]
        number = getattr(written, "number", None)
        if not isinstance(number, str) or harness.good(sample).result.number != number:
            continue
        tried, body = True, harness.json(sample)
        for path, leaf in leaves(body):
            if leaf != number:
                continue
            met = harness.held(sample, *harness.last(sample, replaced(body, path, _OTHER_NUMBER)))
            if isinstance(met, Completed) and met.result.number == _OTHER_NUMBER:
                is_told = sample.feature is Feature.UPDATE and met.result.problems
                expect(
                    is_told,
                    expected=f"{label(sample)}: what was asked for is compared with what is "
                    "shown, as RecordReader.one does if it is given given=",
                    seen=f"the invoice {_OTHER_NUMBER}",
                )
    if not tried:
        raise NotApplicableError("no write has a number that its response shows")


@dialect_check
def conversations_do_not_mix(harness: DialectHarness) -> None:
    """Two operations under way at once end as they would one after the other."""
    rows: list[tuple[Sample, Sample]] = [(one, two) for one in harness for two in harness]
    for one, two in rows:
        alone = [harness.good(each).result for each in (one, two)]
        conversations = [harness.start(each.feature, each.operands) for each in (one, two)]
        first = [next(conversation) for conversation in conversations]
        ended = [
            _finish(conversation, request, each)
            for conversation, request, each in zip(conversations, first, (one, two), strict=True)
        ]
        expect(
            ended == alone,
            expected=f"{label(one)} beside {label(two)}: as each alone",
            seen=ended,
        )


def _finish(conversation: Any, request: WireRequest, sample: Sample) -> object:
    try:
        for body in sample.responses:
            request = conversation.send(
                read(request, WireResponse(status=sample.status, body=body))
            )
    except StopIteration as end:
        return end.value
    return fail(expected=f"{label(sample)}: an end", seen="another request")


READING_CHECKS: Final = checks_in(globals())
