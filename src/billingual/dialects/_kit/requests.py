"""The requests of dialects: every check of what a caller gives, and what is sent.

A dialect keeps a table from the protocol's names to :class:`Field`; the order of the table is the
order of the provider's documentation and of the body. :class:`DialectBase` writes drafts and
changes by such tables, and refuses what can be known to be wrong. Bodies are written in the one
strict way there is: nothing is coerced, and no number goes through a float.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import date, datetime
from functools import cache, lru_cache, partial
from typing import TYPE_CHECKING, Any, ClassVar, Final, Self, TypeVar, cast
from urllib.parse import urlencode

import attrs

from billingual import model
from billingual.abc import Dialect, Scope
from billingual.errors import InvalidInputError, LockedError, UnsupportedError, shown
from billingual.model import CollectionMethod, instant_text, last_moment
from billingual.outcomes import Safety
from billingual.wire import Headers, WireRequest, path_segment, plain_text, unfrozen

if TYPE_CHECKING:
    from decimal import Decimal

    from billingual.capabilities import Capabilities, Feature
    from billingual.dialects._kit.responses import ResponseReader
    from billingual.model import (
        Changes,
        CustomField,
        Draft,
        Filter,
        Invoice,
        InvoiceSummary,
        Money,
        Query,
    )
    from billingual.wire import WireResponse

I = TypeVar("I", bound="Invoice")  # noqa: E741 - an invoice

# A segment of dots cannot be encoded: it leads to the collection, or to what is above it.
_SOME_ID: Final = r"(?!\.{1,2}\Z)\S{1,255}"
_UUID: Final = re.compile(r"[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")

# As in responses. No documented body is deeper than 8.
MAX_DEPTH: Final = 64
# The longest number that the models take has 63; an exponent such as 1E+999999 would be a megabyte
# of zeros.
MAX_NUMBER: Final = 64


@attrs.frozen(kw_only=True, eq=False)
class DialectBase(Dialect):
    """A dialect whose bodies are written by tables of :class:`Field`.

    All methods here refuse what can be known to be wrong before the first ``yield``, in one order:
    the id, the fields the provider takes, an empty change, a lock, the values.

    Attributes:
        documented: what the provider can do; :attr:`capabilities` is the same under the name of
            this provider.
        draft_fields: the table of a draft.
        change_fields: the table of changes.
        collection: the path of all invoices; that of one is below it.
        provider: the name used in errors.
    """

    documented: ClassVar[Capabilities]
    draft_fields: ClassVar[Mapping[str, Field]] = {}
    change_fields: ClassVar[Mapping[str, Field]] = {}
    collection: ClassVar[str] = ""

    provider: str
    _capabilities: Capabilities | None = attrs.field(init=False, repr=False, default=None)

    @staticmethod
    def check_id(value: object, name: str, /) -> str:
        """Return an invoice's id if it can be one.

        This takes any text of 1 to 255 printable characters without spaces, but ``.`` and ``..``. A
        dialect whose provider documents a form takes no more than that.

        Raises:
            InvalidInputError: if it cannot be one; the error calls it *name*.
        """
        if isinstance(value, str) and re.fullmatch(_SOME_ID, value) and value.isprintable():
            return plain_text(value)
        raise InvalidInputError(name, f"{shown(value)} cannot be an id", "give the invoice's id")

    @property
    def capabilities(self) -> Capabilities:
        """What the dialect can do."""
        if self._capabilities is None:
            # Every call looks at them, and making a copy costs as much as making a request.
            named = attrs.evolve(self.documented, provider=self.provider)
            object.__setattr__(self, "_capabilities", named)
        return cast("Capabilities", self._capabilities)

    def scoped(self, scope: Scope) -> Self:  # noqa: ARG002 - for those that have scopes
        """Return the dialect itself: it knows neither tenants nor organizations."""
        return self

    def invoice_path(self, invoice_id: str) -> str:
        """Return the path of one invoice.

        Raises:
            InvalidInputError: if the id is not of the documented form.
        """
        return f"{self.collection}/{path_segment(self.check_id(invoice_id, 'invoice_id'))}"

    def draft_body(self, draft: Draft) -> dict[str, object]:
        """Write a draft as the fields of a body.

        Raises:
            UnsupportedError: if it has a field that the provider does not take.
            InvalidInputError: if a required field is missing, or a value cannot be right.
        """
        given = draft.given()
        self.capabilities.accept(self.capabilities.draft, given, "in a draft")
        return write_fields(self.draft_fields, _with_currency(self.draft_fields, given))

    def changes_body(
        self, invoice_id: str, changes: Changes, base: InvoiceSummary | None
    ) -> dict[str, object]:
        """Write changes of one invoice as the fields of a body.

        Args:
            invoice_id: the invoice.
            changes: what to change.
            base: the caller's copy of the invoice; None leaves locks to the provider.

        Raises:
            UnsupportedError: if there is a field that the provider does not take.
            InvalidInputError: if nothing is to be changed, a value cannot be right, or *base* is
                another invoice.
            LockedError: if the status of *base* locks a field that is to be changed.
        """
        given = changes.given()
        self.capabilities.accept(self.capabilities.changes, given, "in an update")
        refuse_nothing(given)
        _refuse_locked(self.capabilities, invoice_id, given, base)
        return write_fields(self.change_fields, _with_currency(self.change_fields, given))

    def check_batch(
        self, invoice_ids: Sequence[str], name: str, *, any_case: bool = False
    ) -> tuple[str, ...]:
        """Return the ids of a batch: at least one, at most ``batch_limit``, and none of them twice.

        Args:
            invoice_ids: the invoices.
            name: what the errors call them.
            any_case: whether ids are the same in any case of letters, as UUIDs are.

        Raises:
            InvalidInputError: if there are too few or too many, or an id comes twice or is not of
                the documented form.
        """
        limit, size = self.capabilities.batch_limit, len(invoice_ids)
        if not size or (limit is not None and size > limit):
            many = "1 or more" if limit is None else f"1 to {limit}"
            raise InvalidInputError(
                name,
                f"one request takes {many} invoices, and these are {size}",
                "plan more as a Job, which sends them in batches and keeps what became of each; "
                "split by hand, each part succeeds or fails alone"
                if size
                else "give at least one",
            )
        seen: dict[str, int] = {}
        for index, invoice_id in enumerate(invoice_ids):
            key = self.check_id(invoice_id, f"{name}[{index}]")
            key = key.lower() if any_case else key
            if key in seen:
                raise InvalidInputError(
                    f"{name}[{index}]",
                    f"{invoice_id} is already at [{seen[key]}]",
                    "give each invoice once",
                )
            seen[key] = index
        return tuple(invoice_ids)

    def batch_body(
        self, index: int, invoice_id: str, given: Mapping[str, object]
    ) -> dict[str, object]:
        """Write the changes of one invoice in a batch as the fields of a body.

        Args:
            index: its place in the batch, for the errors.
            invoice_id: the invoice, likewise.
            given: what ``Changes.given()`` returns.

        Raises:
            UnsupportedError: if there is a field that a batch does not take.
            InvalidInputError: if nothing is to be changed, or a value cannot be right.
        """
        where = f"pairs[{index}] ({invoice_id})"
        try:
            self.capabilities.accept(self.capabilities.batch_changes, given, "in a batch")
            refuse_nothing(given)
            return write_fields(self.change_fields, _with_currency(self.change_fields, given))
        except UnsupportedError as problem:
            feature = f"{problem.feature}, {where}"
            raise UnsupportedError(
                problem.provider,
                feature,
                problem.instead,
                field=problem.field,
                known=problem.known,
            ) from problem
        except InvalidInputError as problem:
            field = f"{where}.{problem.field}"
            raise InvalidInputError(field, problem.problem, problem.fix) from problem

    def check_query(self, query: Query) -> None:
        """Refuse filters, orders and page sizes that the provider does not have.

        Raises:
            UnsupportedError: if there is one; the error says what to use instead.
            InvalidInputError: if a page cannot hold so many rows.
        """
        can, sort, size = self.capabilities, query.sort, query.page_size
        can.accept(can.filters, query.filter.given(), "as a filter")
        if sort is not None and sort.field not in can.sorts:
            there = ", ".join(sorted(can.sorts))
            instead = f"sort by {there}" if there else "sort the rows that it brings"
            raise UnsupportedError(self.provider, f"a list sorted by {shown(sort.field)}", instead)
        if size is not None and can.page_limit is None:
            instead = "leave it out: a list comes whole in one response"
            raise UnsupportedError(self.provider, "a page size", instead)
        if size is not None and can.page_limit is not None and size > can.page_limit:
            problem = f"{shown(size)} rows do not fit a page"
            raise InvalidInputError("page_size", problem, f"give 1 to {can.page_limit}")

    def expecting(
        self, feature: Feature, read: Callable[[ResponseReader], I], path: str
    ) -> Callable[[ResponseReader], I]:
        """Return *read* with a look at the status, which *feature* must have left the invoice in.

        An invoice with another status has a problem. One without any is a ``ProtocolError``: only
        another look tells what it is.

        Args:
            feature: finalize or void.
            read: reads the invoice of a response.
            path: the place of its status.
        """
        final = sorted(self.capabilities.final_statuses[feature])

        def read_expecting(reader: ResponseReader) -> I:
            invoice = read(reader)
            if invoice.status is None:
                raise reader.unreadable(path, f"after this it must be {' or '.join(final)}")
            if invoice.status not in final:
                reader.compare(invoice, {"status": final[0]}, path, new=False)
            return invoice

        return read_expecting


def _with_currency(table: Mapping[str, Field], given: Mapping[str, object]) -> Mapping[str, object]:
    """Take the invoice's currency from the total, so that the two always agree."""
    total = given.get("total")
    if not isinstance(total, model.Money) or "currency" not in table:
        return given
    currency = given.get("currency", total.currency)
    if total.currency is not None and currency != total.currency:
        raise InvalidInputError(
            "currency",
            f"it is {shown(currency)}, but the total is in {shown(total.currency)}",
            "leave it out: the total carries it",
        )
    if currency is None:
        raise InvalidInputError(
            "total", "it has no currency, so it is no amount", "give Money.of('12.34', 'EUR')"
        )
    return {**given, "currency": currency}


@attrs.frozen(eq=False)
class Field:
    """One field of a body.

    Attributes:
        wire: the provider's name for it.
        write: turns a value that is not None into what JSON carries, or refuses it by name.
        nullable: whether an explicit null may be sent.
    """

    wire: str
    write: Callable[[object, str], object]
    nullable: bool = True


_NO_FIELDS: Final[Mapping[str, Field]] = {}
_Request: Final = unfrozen(WireRequest)


def write_fields(table: Mapping[str, Field], given: Mapping[str, object]) -> dict[str, object]:
    """Write the given fields in the order of *table*, each under its name on the wire.

    Raises:
        InvalidInputError: if a value cannot be right.
    """
    return {
        field.wire: _write_field(field, given[name], name)
        for name, field in table.items()
        if name in given
    }


def _write_field(field: Field, value: object, name: str) -> object:
    if value is not None:
        return field.write(value, name)
    if field.nullable:
        return None
    raise InvalidInputError(name, "the provider takes no null here", "give a value or leave it out")


def _refuse_locked(
    capabilities: Capabilities,
    invoice_id: str,
    given: Iterable[str],
    base: InvoiceSummary | None,
) -> None:
    """Refuse a change of a field that the status of the caller's copy locks."""
    if base is None:
        return
    if base.id.lower() != invoice_id.lower():
        raise InvalidInputError(
            "base",
            f"it is invoice {base.id}, and {invoice_id} is to be changed",
            "give the copy of the same invoice, or none",
        )
    locked = capabilities.locked(base.status, given)
    if locked:
        raise LockedError(
            provider=capabilities.provider,
            invoice_id=invoice_id,
            status=str(base.status),
            locked=locked,
            still_open=capabilities.locks[str(base.status)],
        )


def refuse_nothing(given: Mapping[str, object]) -> None:
    """Refuse a change that changes nothing.

    Raises:
        InvalidInputError: if no field is given.
    """
    if not given:
        raise InvalidInputError(
            "changes", "they hold no field", "give at least one, such as due_at"
        )


def verbatim(value: object, name: str) -> object:  # noqa: ARG001 - every writer learns the name
    """Write text as it is."""
    return value


def text_of(shortest: int, longest: int) -> Callable[[object, str], str]:
    """Make a writer of text whose length has bounds."""

    def write(value: object, name: str) -> str:
        text = cast("str", value)
        size = len(text)
        if shortest <= size <= longest:
            return text
        bounds = str(shortest) if shortest == longest else f"{shortest} to {longest}"
        raise InvalidInputError(
            name, f"it has {size} characters", f"give text of {bounds} characters"
        )

    return write


def one_of(*words: str) -> Callable[[object, str], object]:
    """Make a writer of words from a closed set."""

    def write(value: object, name: str) -> object:
        if value in words:
            return value
        raise InvalidInputError(
            name, f"{shown(value)} is none of those documented", f"give {' or '.join(words)}"
        )

    return write


def minor_units(least: int, most: int) -> Callable[[object, str], object]:
    """Make a writer of amounts as whole minor units, for a provider that has the currency apart."""

    def write(value: object, name: str) -> object:
        minor = cast("Money", value).minor
        if least <= minor <= most:
            return minor
        raise InvalidInputError(
            name, f"{minor} minor units are out of bounds", f"give {least} to {most}"
        )

    return write


collection_method: Final = one_of(*CollectionMethod.known())


def currency_code(value: object, name: str) -> object:
    """Write a currency's code.

    The providers document no more than its length, 3. A code that ISO 4217 does not know is
    refused all the same: the decimal places of its minor units are unknown.

    Raises:
        InvalidInputError: if ISO 4217 does not know it; lower case is not taken for upper.
    """
    return model.checked_currency(value, name)


def is_uuid(text: str) -> bool:
    """Tell whether a text is a UUID."""
    return _UUID.fullmatch(text) is not None


def uuid(value: object, name: str) -> str:
    """Write an id that must be a UUID.

    Raises:
        InvalidInputError: if it is none.
    """
    if isinstance(value, str) and _UUID.fullmatch(value):
        return plain_text(value)
    if type(value).__name__ == "UUID":
        raise InvalidInputError(name, f"{type(value).__name__} is not text", "give str() of it")
    fix = _id_of(value) or "give one like '3c90c3cc-0d44-4b50-8888-8dd25736052a'"
    raise InvalidInputError(name, f"{shown(value)} is no UUID", fix)


def _id_of(value: object) -> str:
    """Advise to give the id of a record, where one was given whole; else nothing."""
    return "give its .id" if isinstance(value, (model.InvoiceSummary, model.Party)) else ""


def id_like(pattern: str, form: str) -> Callable[[object, str], str]:
    r"""Make a writer of ids that match a pattern.

    Args:
        pattern: a regular expression for the whole id, in which ``\d`` and ``\w`` are ASCII.
        form: what to give, for the error: ``"'bill_' and a number"``.
    """
    ids = re.compile(pattern, re.ASCII)

    def write(value: object, name: str) -> str:
        if isinstance(value, str) and ids.fullmatch(value):
            return plain_text(value)
        problem = f"{shown(value)} is not of the form the provider documents"
        raise InvalidInputError(name, problem, _id_of(value) or f"give {form}")

    return write


def single(write: Callable[[object, str], object]) -> Callable[[object, str], object]:
    """Make a writer of a filter's values for a provider that takes one at a time."""

    def write_one(value: object, name: str) -> object:
        values = cast("tuple[object, ...]", value)
        if len(values) == 1:
            return write(values[0], name)
        problem = f"the provider takes exactly one, and these are {len(values)}"
        raise InvalidInputError(name, problem, "list once for each")

    return write_one


def day(value: object, name: str) -> str:
    """Write a calendar day as ``2026-12-31``, for a provider that keeps days and no times.

    Raises:
        InvalidInputError: if it is a point in time other than the first moment of a day in UTC:
            the provider would lose the time of day.
    """
    text = instant_text(cast("datetime | date", value))
    if text.endswith("T00:00:00Z"):
        return text.partition("T")[0]
    raise InvalidInputError(
        name,
        f"the provider keeps days, and {text} is a time within one",
        "give a day: date(2026, 12, 31) or '2026-12-31'",
    )


def moment(value: object, _: str) -> str:
    """Write a point in time as UTC with a literal ``Z``, and a day as its first moment."""
    return instant_text(cast("datetime | date", value))


def moment_with_milliseconds(value: object, _: str) -> str:
    """Write a point in time as :func:`moment` does, with milliseconds."""
    return instant_text(cast("datetime | date", value), milliseconds=True)


def end_moment(value: object, _: str) -> str:
    """Write the end of a range of time as :func:`moment` does, and a day as its last moment."""
    return instant_text(last_moment(cast("datetime | date", value)))


def custom_field_map(value: object, name: str) -> dict[str, object]:
    """Write custom fields as an object keyed by name.

    Raises:
        InvalidInputError: if JSON cannot carry a value exactly; the error names the custom field.
    """
    fields = cast("tuple[CustomField, ...]", value)
    for each in fields:
        encode_json(each.value, f"{name}.{each.key}")
    return {each.key: {"type": each.type, "value": each.value} for each in fields}


def read_request(
    provider: str,
    path: str,
    route: str,
    query: str = "",
    *,
    read: Callable[[ResponseReader], object],
    headers: Iterable[tuple[str, str]] = (),
) -> WireRequest:
    """Make a GET.

    Args:
        provider: the name used in errors.
        path: percent-encoded.
        route: the path with placeholders.
        query: with its question mark.
        read: how the response is read, once its status is known to be a success.
        headers: beside ``Accept``.
    """
    # Every read of an invoice makes one, and the constructor would take a hundredth of a call.
    request = _Request()
    request.method, request.url, request.route = "GET", path + query, route
    request.safety, request.headers = Safety.READ, _headers(None, *headers)
    request.body, request.keys, request.key_header = None, (), None
    request.read = _judging(provider, "GET", route, read)
    request.__class__ = WireRequest
    made: WireRequest = request
    return made


def write_request(
    provider: str,
    method: str,
    path: str,
    route: str,
    safety: Safety,
    *,
    read: Callable[[ResponseReader], object],
    body: object = None,
    written: bytes | None = None,
    form: Mapping[str, object] | None = None,
    headers: Iterable[tuple[str, str]] = (),
    key_header: str | None = None,
    fields: Mapping[str, Field] = _NO_FIELDS,
) -> WireRequest:
    """Make a request that changes something.

    Args:
        provider: the name used in errors.
        method: the HTTP method.
        path: percent-encoded.
        route: the path with placeholders.
        safety: what a second delivery would do.
        read: how the response is read, once its status is known to be a success.
        body: what is sent as JSON; None sends nothing.
        written: *body* as JSON, if the dialect has written it itself; *body* then only names the
            fields.
        form: a body that is sent as a form instead: a member of an object is ``name[member]``,
            null is empty, and what is no text is written as JSON.
        headers: beside ``Accept`` and ``Content-Type``.
        key_header: the header for an idempotency key, which the client fills.
        fields: the table that the body was written by. It also turns the provider's names in a
            response into ours: in complaints, and for values that were not asked for.

    Raises:
        InvalidInputError: if the body holds what JSON cannot carry exactly.
    """
    kind = "application/json"
    if form is not None:
        body, kind = form, "application/x-www-form-urlencoded"
        encode_json(form)  # Refuses what a form cannot carry either.
        written = urlencode(list(_form_pairs(form))).encode("ascii")
    elif body is not None and written is None:
        written = encode_json(body)
    keys = _keys(body)
    return WireRequest(
        method=method,
        url=path,
        route=route,
        safety=safety,
        headers=_headers(None if written is None else kind, *headers),
        body=written,
        keys=keys,
        key_header=key_header,
        read=_judging(provider, method, route, read, keys=keys, fields=fields),
    )


# The same object for the same fields: whether they can be written is then found out once.
@lru_cache(maxsize=32)
def _headers(kind: str | None, *more: tuple[str, str]) -> Headers:
    typed = [] if kind is None else [("Content-Type", kind)]
    return Headers([("Accept", "application/json"), *typed, *more])


def _judging(
    provider: str,
    method: str,
    route: str,
    read: Callable[[ResponseReader], object],
    *,
    keys: tuple[str, ...] = (),
    fields: Mapping[str, Field] = _NO_FIELDS,
) -> Callable[[WireResponse], object]:
    return partial(_judge(), provider, method, route, keys, fields, read)


@cache
def _judge() -> Callable[..., object]:
    # What reads responses comes with the first request, before that is sent: should it fail to
    # load, nothing has happened.
    from billingual.dialects._kit.responses import judge  # noqa: PLC0415 - as said

    return judge


def extra_pairs(filter: Filter, taken: Iterable[str]) -> list[tuple[str, str]]:
    """Pass on the caller's own parameters, unless they have a place of their own.

    Raises:
        InvalidInputError: if one of them does.
    """
    names = frozenset(taken)
    for name in filter.extra_params:
        if name in names:
            raise InvalidInputError(
                "extra_params", f"{shown(name)} has a place of its own", "use the filter or option"
            )
    return list(filter.extra_params.items())


def encode_json(value: object, field: str = "body") -> bytes:
    """Write compact JSON in UTF-8; a Decimal becomes exactly the number it is.

    Args:
        value: dicts with text keys, lists, tuples, text, ints, Decimals, bools and None.
        field: the name to give to the value in errors.

    Raises:
        InvalidInputError: if there is anything else in it, floats above all.
    """
    try:
        return _json_text(value, field, 0, _quoted()).encode("utf-8")
    except UnicodeEncodeError:
        raise InvalidInputError(
            field, "a text holds half of a surrogate pair", "give text that UTF-8 can hold"
        ) from None


@cache
def _quoted() -> Callable[[str], str]:
    # With the first write: only then is anything of json needed.
    from json.encoder import encode_basestring  # noqa: PLC0415 - as said

    return encode_basestring


def _json_text(value: object, field: str, depth: int, quoted: Callable[[str], str]) -> str:
    if isinstance(value, str):
        return quoted(value)
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    if isinstance(value, int):
        return _number_text(value, field)
    if depth <= MAX_DEPTH and isinstance(value, (dict, Mapping)):
        return _object_text(value, field, depth, quoted)
    if depth <= MAX_DEPTH and isinstance(value, (list, tuple)):
        texts = [
            _json_text(each, f"{field}[{at}]", depth + 1, quoted) for at, each in enumerate(value)
        ]
        return f"[{','.join(texts)}]"
    # Only here: a client that sends no amounts does without the module.
    from decimal import Decimal  # noqa: PLC0415 - as said

    if isinstance(value, Decimal):
        return _number_text(value, field)
    if isinstance(value, (Mapping, list, tuple)):
        raise InvalidInputError(field, f"nested deeper than {MAX_DEPTH}", "give flatter data")
    raise InvalidInputError(
        field,
        f"{type(value).__name__} cannot be sent exactly",
        "give text, an int, a Decimal, a bool, None, or dicts and lists of these",
    )


def _object_text(
    value: Mapping[Any, object], field: str, depth: int, quoted: Callable[[str], str]
) -> str:
    members = []
    for key, each in value.items():
        if not isinstance(key, str):
            raise InvalidInputError(field, "a name in it is not text", "use text for names")
        text = _json_text(each, f"{field}.{key}", depth + 1, quoted)
        members.append(f"{quoted(key)}:{text}")
    return f"{{{','.join(members)}}}"


def _number_text(value: int | Decimal, field: str) -> str:
    if not isinstance(value, int) and not value.is_finite():
        raise InvalidInputError(field, f"{value} is not a finite number", "give a finite one")
    magnitude = value.bit_length() // 3 if isinstance(value, int) else value.adjusted()
    if abs(magnitude) <= MAX_NUMBER + 3:
        text = int.__repr__(value) if isinstance(value, int) else f"{value:f}"
        if len(text) <= MAX_NUMBER:
            return text
    raise InvalidInputError(
        field, f"the number has more than {MAX_NUMBER} characters", "check where it comes from"
    )


def _form_pairs(form: Mapping[str, object], outer: str = "") -> Iterator[tuple[str, str]]:
    for key, value in form.items():
        name = f"{outer}[{key}]" if outer else key
        if isinstance(value, Mapping):
            yield from _form_pairs(value, name)
        elif value is None or isinstance(value, str):
            yield name, value or ""
        else:
            yield name, encode_json(value, name).decode()


def _keys(body: object) -> tuple[str, ...]:
    if isinstance(body, Mapping):
        return tuple(body)
    if isinstance(body, list):
        return tuple(sorted({key for each in body if isinstance(each, Mapping) for key in each}))
    return ()
