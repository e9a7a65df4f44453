"""What a dialect asks: pure, well-formed, truthful about resends, and nothing that is wrong."""

from __future__ import annotations

import copy
import itertools
import json
import re
from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import date, timedelta
from decimal import Decimal
from typing import Any, Final, cast
from urllib.parse import unquote

import attrs

from billingual.abc import Dialect, Scope
from billingual.capabilities import Capabilities, Feature, FieldRules
from billingual.errors import BillingualError, LockedError, UnsupportedError, UsageError
from billingual.model import Changes, Draft, Filter, InvoiceSummary, Money, Query, Sort, Status
from billingual.outcomes import Safety
from billingual.testing.conformance.dialect_harness import (
    METHODS,
    WITH_ID,
    DialectHarness,
    Sample,
    dialect_check,
    label,
    leaves,
)
from billingual.testing.conformance.report import NotApplicableError, checks_in, expect, fail
from billingual.wire import WireRequest

__all__ = ["ASKING_CHECKS"]

_URL: Final = re.compile(r"/(?!/)(?:[A-Za-z0-9\-._~!$&'()*+,;=:@/?]|%[0-9A-Fa-f]{2})*", re.ASCII)
_TOKEN: Final = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+", re.ASCII)
_VALUE: Final = re.compile(r"[\t\x20-\x7e]*", re.ASCII)
_NOT_ITS_OWN: Final = frozenset(
    {
        "authorization", "connection", "content-length", "cookie", "host", "proxy-authorization",
        "transfer-encoding",
    }
)  # fmt: skip
_READS: Final = frozenset({Feature.GET, Feature.LIST})
_HOSTILE: Final = (
    "", " ", ".", "..", "../x", "a/b", "/", "//evil.example/x", "x?y=1", "x#y", "%2e%2e", "%2F",
    "x\r\nX-Evil: 1", "x\x00", "caf\u00e9", "\ud800", "a" * 10_000, "x;y=1", "x&y=1", "x\\y",
)  # fmt: skip
# The first that fits: a bool is an int, and a datetime is a date.
_CHANGES: Final[dict[Any, Callable[[Any], object]]] = {
    bool: lambda value: not value,
    str: lambda value: f"{value}1",
    (int, Decimal): lambda value: value + 1,
    date: lambda value: value + timedelta(days=1),
}
# Some providers number their pages, others hand out a cursor for the next one.
_PLACES: Final = frozenset({"cursor", "page"})
_MOMENT: Final = "2026-01-31T00:00:00Z"
_DAY: Final[Any] = date(2026, 12, 31)
_TIMES: Final = frozenset({"due_at", "issued_at", "paid_at"})
_VALUES: Final[dict[str, Any]] = {
    "blueprint": "x", "collection_method": "send_invoice", "counterparty": "x",
    "currency": "EUR", "document": "x", "due_at": _MOMENT, "exchange_rate": "1.5",
    "fields": {"a": "b"}, "issued_at": _MOMENT, "kind": "receivable", "number": "N-1",
    "owner": "x", "paid_at": _MOMENT, "status": "SENT", "total": Money(100, "EUR"),
}  # fmt: skip
_FILTERS: Final[dict[str, Any]] = {
    "collection_method": ["send_invoice"], "counterparty": ["x"], "counterparty_ids": ["x"],
    "document": "x", "due_from": _MOMENT, "due_to": _MOMENT, "expand": ["x"],
    "include_inactive": True, "issued_from": _MOMENT, "issued_to": _MOMENT, "overdue_days": "> 1",
    "paid_from": _MOMENT, "paid_to": _MOMENT, "search": "x", "status": ["SENT"], "total": "> 1",
}  # fmt: skip


@dialect_check
def the_name_and_capabilities_are_data(harness: DialectHarness) -> None:
    """The name is text; capabilities are the same each time and name something for what lacks."""
    dialect = harness.dialect
    expect(type(dialect.name) is str, expected="a name of text", seen=dialect.name)
    expect(
        dialect.capabilities == dialect.capabilities, expected="equal capabilities", seen="others"
    )
    for feature, hint in dialect.capabilities.instead.items():
        expect(
            feature not in dialect.capabilities.features and hint,
            expected="hints for what there is not, and none for what there is",
            seen=f"{feature.value}: {hint!r}",
        )


@dialect_check
def capabilities_are_what_it_can_do(harness: DialectHarness) -> None:
    """Every feature in the capabilities has a method of its own and a sample; no other has."""
    capabilities = harness.dialect.capabilities
    sampled = {each.feature for each in harness}
    for feature in Feature:
        method = getattr(type(harness.dialect), METHODS[feature], None)
        written = method is not None and method is not getattr(Dialect, METHODS[feature])
        if capabilities.supports(feature):
            expect(written, expected=f"a method for {feature.value}", seen="there is none")
            expect(feature in sampled, expected=f"a sample of {feature.value}", seen="none")
        elif written:
            # One that only refuses, in better words, is as good as none.
            _lacks(harness, feature)


def _lacks(harness: DialectHarness, feature: Feature) -> None:
    operands: dict[Feature, tuple[object, ...]] = {
        Feature.CREATE: (Draft(),),
        Feature.LIST: (Query(),),
        Feature.UPDATE: ("x", Changes(number="N-1"), None),
        Feature.REPLACE: ("x", None),
        Feature.UPDATE_MANY: ([("x", Changes(number="N-1"))],),
        Feature.DELETE_MANY: (["x"],),
    }
    error = harness.refused(feature, operands.get(feature, ("x",)), why="it is no feature of it")
    expect(
        isinstance(error, UnsupportedError) and error.instead,
        expected=f"{feature.value}: UnsupportedError that says what to do instead",
        seen=f"{type(error).__name__}: {error}",
    )


@dialect_check
def what_it_lacks_is_refused(harness: DialectHarness) -> None:
    """An operation that is no feature raises UnsupportedError before anything is asked."""
    lacking = [each for each in Feature if not harness.dialect.capabilities.supports(each)]
    if not lacking:
        raise NotApplicableError("it lacks nothing")
    for feature in lacking:
        _lacks(harness, feature)


@dialect_check
def the_same_input_asks_the_same(harness: DialectHarness) -> None:
    """Asked twice, each operation yields the same bytes; what it was given stays as it was."""
    for sample in harness:
        before = copy.deepcopy(sample.operands)
        one, two = harness.good(sample).requests, harness.good(sample).requests

        expect(one == two, expected=f"{label(sample)}: the same requests", seen=(one, two))
        expect(
            sample.operands == before,
            expected=f"{label(sample)}: operands left alone",
            seen=sample.operands,
        )


@dialect_check
def resends_are_declared_truthfully(harness: DialectHarness) -> None:
    """Reads are READ, nothing else is; a create is CREATE unless its request carries a key."""
    for sample in harness:
        requests = harness.good(sample).requests
        if sample.feature in _READS:
            for each in requests:
                expect(
                    each.safety is Safety.READ,
                    expected=f"{label(sample)}: READ",
                    seen=each.safety,
                )
            continue
        writes = [each for each in requests if each.safety.writes]
        expect(writes, expected=f"{label(sample)}: a request that says it writes", seen=requests)
        for each in requests:
            reads = each.method in {"GET", "HEAD", "OPTIONS"}
            expect(
                reads or each.safety.writes,
                expected=f"{label(sample)}: {each.method} that says it writes",
                seen=each.safety,
            )
        if sample.feature is Feature.CREATE:
            for each in writes:
                keyed = each.key_header is not None
                expect(
                    each.safety is (Safety.KEYED if keyed else Safety.CREATE),
                    expected="create: KEYED where it has a key_header, and CREATE elsewhere",
                    seen=each.safety,
                )


@dialect_check
def addresses_are_relative_and_encoded(harness: DialectHarness) -> None:
    """A URL begins with one slash, is percent-encoded, and leads to no other host."""
    for sample in harness:
        for each in harness.good(sample).requests:
            expect(
                _URL.fullmatch(each.url),
                expected=f"{label(sample)}: a path, percent-encoded, without a host",
                seen=each.url,
            )
            expect(each.method.isupper(), expected="a method in capitals", seen=each.method)


@dialect_check
def routes_hold_no_data(harness: DialectHarness) -> None:
    """The route is the path with placeholders: it holds no id of the operands."""
    for sample in harness:
        ids = {each for each in sample.operands if isinstance(each, str)}
        for each in harness.good(sample).requests:
            path = each.url.partition("?")[0]
            shown = [one for one in ids if one and one in each.route]
            expect(not shown, expected=f"{label(sample)}: a route without ids", seen=each.route)
            expect(
                each.route.count("/") == path.count("/") and "?" not in each.route,
                expected=f"{label(sample)}: a route as long as the path {path}",
                seen=each.route,
            )


@dialect_check
def headers_are_its_own(harness: DialectHarness) -> None:
    """No header carries a credential or belongs to the transport; each can be written."""
    for sample in harness:
        for request in harness.good(sample).requests:
            for name, value in request.headers:
                expect(
                    name.lower() not in _NOT_ITS_OWN,
                    expected=f"{label(sample)}: neither credentials nor the transport's headers",
                    seen=name,
                )
                expect(
                    _TOKEN.fullmatch(name) and _VALUE.fullmatch(value),
                    expected=f"{label(sample)}: a header that can be written",
                    seen=(name, value),
                )
            typed = "content-type" in request.headers
            expect(
                request.body is None or typed,
                expected=f"{label(sample)}: a Content-Type for the body",
                seen=request.headers,
            )
            expect(
                request.body is None or type(request.body) is bytes,
                expected="a body of bytes",
                seen=type(request.body),
            )


def _segments(request: WireRequest) -> list[str]:
    return request.url.partition("?")[0].split("/")


@dialect_check
def hostile_ids_stay_in_their_place(harness: DialectHarness) -> None:
    """An id is refused, or is one whole segment of the path; it leads nowhere else."""
    for sample in harness.of(*WITH_ID):
        good = harness.first(sample)
        for hostile in _HOSTILE:
            met = harness.asked(sample.feature, (hostile, *sample.operands[1:]))
            if isinstance(met, UsageError):
                continue
            if isinstance(met, BillingualError):
                fail(expected="a UsageError", seen=f"{type(met).__name__}: {met}")
            one, other = _segments(good), _segments(met)
            differing = [pair for pair in zip(one, other, strict=False) if pair[0] != pair[1]]
            whole = all(unquote(pair[1]) == hostile for pair in differing)
            expect(
                _URL.fullmatch(met.url)
                and len(one) == len(other)
                and whole
                and not (differing and hostile in {"", ".", ".."}),
                expected=f"{label(sample)}: {hostile[:30]!r} refused, or in one segment",
                seen=met.url[:200],
            )


@dialect_check
def wrong_operands_are_refused_first(harness: DialectHarness) -> None:
    """What can be known to be wrong is refused as a UsageError before anything is asked."""
    for feature, rows in harness.samples.wrong.items():
        for operands in rows:
            harness.refused(feature, operands, why=f"the author calls {operands!r} wrong")
    for sample in harness:
        for operands, why in _wrong(harness, sample):
            harness.refused(sample.feature, operands, why=why)


def _wrong(harness: DialectHarness, sample: Sample) -> list[tuple[tuple[Any, ...], str]]:
    can = harness.dialect.capabilities
    given: Any = sample.operands[0]
    if sample.feature is Feature.CREATE:
        return [((each,), why) for each, why in _misfits(given, can.draft)]
    if sample.feature is Feature.UPDATE:
        changed: Any = sample.operands[1]
        rest = sample.operands[2:]
        rows = [*_misfits(changed, can.changes), (Changes(), "it changes nothing")]
        return [((given, each, *rest), why) for each, why in rows]
    if sample.feature is Feature.LIST:
        return _wrong_lists(harness, given)
    if sample.feature in {Feature.UPDATE_MANY, Feature.DELETE_MANY}:
        limit = can.batch_limit
        rows = [([], "a batch is empty"), ([given[0], given[0]], "an id comes twice in a batch")]
        if limit is not None:
            rows.append(([given[0]] * (limit + 1), f"{limit} is the limit"))
        if sample.feature is Feature.UPDATE_MANY:
            invoice_id, first = given[0]
            rows += [
                ([(invoice_id, each)], why) for each, why in _misfits(first, can.batch_changes)
            ]
        return [((each,), why) for each, why in rows]
    return []


def _misfits(given: Any, needs: FieldRules) -> list[tuple[Any, str]]:
    """Vary a draft or changes: a field too much, or a required one too few."""
    names = [each.name for each in attrs.fields(type(given))]
    rows = [
        (attrs.evolve(given, **{name: _VALUES[name]}), f"it takes no {name!r}")
        for name in names
        if name not in needs.accepts and name in _VALUES
    ]
    set_ones = given.given()
    for name in sorted(needs.requires):
        left = {key: value for key, value in set_ones.items() if key != name}
        rows.append((type(given)(**left), f"{name!r} is required"))
    return rows


def _wrong_lists(harness: DialectHarness, given: Query) -> list[tuple[tuple[Any, ...], str]]:
    can = harness.dialect.capabilities
    rows: list[tuple[tuple[Any, ...], str]] = [
        ((Query(filter=Filter(**{name: value})),), f"there is no filter {name!r}")
        for name, value in _FILTERS.items()
        if name not in can.filters.accepts
    ]
    rows.append(((attrs.evolve(given, sort=Sort("zz_nothing")),), "there is no such sort"))
    if can.page_limit is not None:
        more = attrs.evolve(given, page_size=can.page_limit + 1)
        rows.append(((more,), f"a page has at most {can.page_limit} rows"))
    return rows


@dialect_check
def what_is_given_goes_out(harness: DialectHarness) -> None:
    """Each value of the operands changes what is asked, or is refused; none is lost on the way."""
    can = harness.dialect.capabilities
    for sample in harness:
        asked = harness.sent(sample, sample.operands)
        for operands, what in _varied_operands(sample, can):
            met = harness.sent(sample, operands)
            expect(met != asked, expected=f"{label(sample)}: {what} in a request", seen=met)


def _varied_operands(sample: Sample, can: Capabilities) -> Iterator[tuple[tuple[object, ...], str]]:
    # The third operand is the caller's copy of the invoice, which is not sent.
    for place, given in enumerate(sample.operands[:2]):
        for value, what in (*_varied(given), *_with_another(given, can)):
            yield (*sample.operands[:place], value, *sample.operands[place + 1 :]), what


def _varied(value: Any, what: str = "the operand") -> Iterator[tuple[Any, str]]:
    """Vary a value in one place at a time."""
    if isinstance(value, (list, tuple)):
        kind: Any = type(value)
        # An id with its changes is no list of which something can be missing.
        if len(value) > 1 and len({type(each) for each in value}) == 1:
            yield kind(value[:-1]), f"the last of {what}"
        for place, each in enumerate(value):
            for other, inside in _varied(each, what):
                yield kind([*value[:place], other, *value[place + 1 :]]), inside
    elif attrs.has(type(value)):
        for field in attrs.fields(type(value)):
            if field.name in _PLACES:
                continue
            for other, inside in _varied(getattr(value, field.name), repr(field.name)):
                # What the model itself refuses cannot be given.
                with suppress(UsageError):
                    yield attrs.evolve(value, **{field.name: other}), inside
    else:
        changes = (each for kind, each in _CHANGES.items() if isinstance(value, kind))
        yield from ((change(value), what) for change in itertools.islice(changes, 1))


def _with_another(given: object, can: Capabilities) -> Iterator[tuple[Any, str]]:
    """Give what the dialect takes and the sample lacks."""
    rules = {Draft: (can.draft, _VALUES), Changes: (can.changes, _VALUES)}
    rules[Filter] = can.filters, _FILTERS
    if isinstance(given, Query):
        yield attrs.evolve(given, page=given.page + 1, cursor="x"), "the next page"
    model: Any = given.filter if isinstance(given, Query) else given
    if type(model) not in rules:
        return
    needs, values = rules[type(model)]
    present = {each.name for each in attrs.fields(type(model)) if getattr(model, each.name)}
    if "total" in present:
        present.add("currency")  # that of the total counts
    for name in sorted(needs.accepts & values.keys() - present):
        # What does not go with the sample's own values cannot be given.
        with suppress(UsageError):
            other = attrs.evolve(model, **{name: values[name]})
            other = attrs.evolve(given, filter=other) if isinstance(given, Query) else other
            yield other, repr(name)


@dialect_check
def no_two_operations_ask_the_same(harness: DialectHarness) -> None:
    """Operations that mean different things send different requests."""
    for one, two in itertools.combinations(harness, 2):
        expect(
            one.feature is two.feature
            or harness.sent(one, one.operands) != harness.sent(two, two.operands),
            expected=f"{label(one)} and {label(two)} that differ",
            seen=harness.first(one),
        )


@dialect_check
def an_update_leaves_the_rest_alone(harness: DialectHarness) -> None:
    """An update of one request sends no null for what it was not given."""
    for sample in harness.of(Feature.UPDATE):
        changes = cast(Changes, sample.operands[1])
        requests = harness.sent(sample, sample.operands)
        if None in changes.given().values() or len(requests) != 1:
            continue
        try:
            body = json.loads(requests[0].body or b"")
        except ValueError:
            raise NotApplicableError("its requests are no JSON") from None
        nulls = [".".join(map(str, path)) for path, leaf in leaves(body) if leaf is None]
        expect(not nulls, expected="no null but those that were given", seen=nulls)


@dialect_check
def days_are_written_or_refused(harness: DialectHarness) -> None:
    """A calendar day in the place of a time goes out, or is refused; it breaks nothing."""
    can = harness.dialect.capabilities
    tried = False
    for sample in harness:
        for operands in _with_days(sample, can):
            tried = True
            met = harness.asked(sample.feature, operands)
            expect(
                isinstance(met, (WireRequest, UsageError)),
                expected=f"{label(sample)}: a request or a UsageError",
                seen=met,
            )
    if not tried:
        raise NotApplicableError("it takes no times")


def _with_days(sample: Sample, can: Capabilities) -> list[tuple[Any, ...]]:
    """Vary operands: a day in each place that takes a time."""
    given: Any = sample.operands[0]
    if sample.feature is Feature.CREATE:
        names = _TIMES & can.draft.accepts
        return [(attrs.evolve(given, **{name: _DAY}),) for name in sorted(names)]
    if sample.feature is Feature.UPDATE:
        rest = sample.operands[2:]
        names = _TIMES & can.changes.accepts
        return [(given, Changes(**{name: _DAY}), *rest) for name in sorted(names)]
    if sample.feature is Feature.UPDATE_MANY:
        names = _TIMES & can.batch_changes.accepts
        return [([(given[0][0], Changes(**{name: _DAY}))],) for name in sorted(names)]
    if sample.feature is Feature.LIST:
        ranges = {name for name in can.filters.accepts if name.endswith(("_from", "_to"))}
        return [(Query(filter=Filter(**{name: _DAY})),) for name in sorted(ranges)]
    return []


@dialect_check
def locks_are_kept(harness: DialectHarness) -> None:
    """A field that the status of the caller's copy locks is refused, and the error names it."""
    locks = harness.dialect.capabilities.locks
    if not locks:
        raise NotApplicableError("no status locks a field")
    for sample in harness.of(Feature.UPDATE):
        invoice_id, changes = sample.operands[0], cast(Changes, sample.operands[1])
        for status, still_open in locks.items():
            locked = set(changes.given()) - still_open
            base = InvoiceSummary(id=str(invoice_id), status=Status(status))
            met = harness.asked(Feature.UPDATE, (invoice_id, changes, base))
            names = set(met.locked) if isinstance(met, LockedError) else set()
            expect(names == locked, expected=f"{status} locks {sorted(locked)}", seen=met)


@dialect_check
def a_scoped_dialect_is_a_dialect(harness: DialectHarness) -> None:
    """Bound to a scope it is of the same kind; an id that cannot be is refused or harmless."""
    for scope in (Scope(), harness.samples.scope):
        bound = harness.dialect.scoped(scope)
        expect(
            type(bound) is type(harness.dialect) and bound.name == harness.dialect.name,
            expected="a dialect of the same kind",
            seen=bound,
        )
        for sample in harness:
            DialectHarness(bound, harness.samples).good(sample)
    if harness.dialect.capabilities.scope and harness.samples.scope != Scope():
        twin = DialectHarness(harness.dialect.scoped(harness.samples.scope), harness.samples)
        expect(
            any(twin.first(each) != harness.first(each) for each in harness),
            expected="a request of the samples' scope that differs; give them another scope than "
            "the dialect's own",
            seen="all are the same",
        )
    for hostile in _HOSTILE[1:]:
        for scope in (Scope(tenant=hostile), Scope(organization=hostile)):
            try:
                bound = harness.dialect.scoped(scope)
            except UsageError:
                continue
            twin = DialectHarness(bound, harness.samples)
            for sample in harness:
                met = twin.asked(sample.feature, sample.operands)
                if isinstance(met, WireRequest) and met != harness.first(sample):
                    expect(
                        _URL.fullmatch(met.url)
                        and all(_VALUE.fullmatch(value) for _, value in met.headers),
                        expected=f"{hostile[:30]!r} refused, or written harmlessly",
                        seen=met.url[:200],
                    )


@dialect_check
def a_conversation_left_early_ends_quietly(harness: DialectHarness) -> None:
    """A conversation that is closed before its first response does nothing more."""
    for sample in harness:
        conversation = harness.start(sample.feature, sample.operands)
        next(conversation)
        conversation.close()
        harness.start(sample.feature, sample.operands).close()


ASKING_CHECKS: Final = checks_in(globals())
