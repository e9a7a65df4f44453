"""The responses of dialects: from bytes to models, or to the one error that fits.

A response is judged in three layers. The status decides the class of the error before any body is
read, so that a broken body never hides it; then comes the envelope; then the payload. The last
two belong to each dialect.

A record is a :class:`msgspec.Struct` that copies the provider's documentation, field by field, in
the provider's names. A plain function makes a model of a record, and a :class:`RecordReader` joins
the two: it decodes, keeps the bytes for ``raw``, and gathers in ``extra`` what the model has no
name for.

A record is read in the first of three ways that can take it; all three give the same values:

1. *exactly*: the compiled decoder takes the payload, which holds no field but the documented ones,
   down to its last object, and nothing deep. The decoder has then looked at every byte, so no
   second look is taken: to search a body for what decoders skip takes half as long as to read it.
2. *with more*: the compiled decoder takes it, but it holds undocumented fields.
3. *leniently*: something does not fit, so each field is read by itself, see ``fields.py``.
"""

from __future__ import annotations

import enum
import functools
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from decimal import Decimal
from threading import RLock
from types import UnionType
from typing import (
    TYPE_CHECKING,
    Annotated,
    Any,
    Final,
    Generic,
    Protocol,
    TypeAlias,
    TypeVar,
    Union,
    cast,
    get_args,
    get_origin,
)

import attrs
import msgspec

from billingual.dialects._kit.decoding import (
    MARK,
    UnreadableError,
    as_it_came,
    decode_json,
    decode_part,
    decode_slowly,
    is_plain,
)
from billingual.dialects._kit.fields import (
    LARGEST,
    ExcessError,
    Shallow,
    forget,
    is_not,
    is_number,
    is_record,
    lenient,
    refuse_excess,
)
from billingual.errors import (
    AuthenticationError,
    ConflictError,
    InvalidInputError,
    InvalidRequestError,
    NotFoundError,
    PermissionDeniedError,
    ProtocolError,
    ProviderError,
    RateLimitedError,
    RedirectedError,
    RejectedError,
    ServerError,
)
from billingual.model import (
    BadRow,
    CollectionMethod,
    InvoiceSummary,
    Money,
    Problem,
    Status,
)
from billingual.model.payload import (
    KeepsPayload,
    Unread,
    payload_of,
    set_payload,
    set_unread,
)
from billingual.wire import Exchange, Headers, WireResponse, unfrozen, with_whole_texts

if TYPE_CHECKING:
    from billingual.model import Receipt

_BY_STATUS: Final[Mapping[int, type[ProviderError]]] = {
    401: AuthenticationError,
    403: PermissionDeniedError,
    404: NotFoundError,
    409: ConflictError,
    410: NotFoundError,
    412: ConflictError,
    429: RateLimitedError,
}
_BY_HUNDRED: Final[Mapping[int, type[ProviderError]]] = {
    3: RedirectedError,
    4: InvalidRequestError,
    5: ServerError,
}
_ADVICE: Final[Mapping[type[ProviderError], str]] = {
    AuthenticationError: "check the token: it may be missing, wrong, expired or revoked",
    ConflictError: "read the invoice again and decide by its present state",
    InvalidRequestError: "correct the request before sending it again",
    NotFoundError: "check the id, and that this token may see the invoice",
    PermissionDeniedError: "use a token that may do this, or ask for the permission",
    ProtocolError: "the error's .body keeps the response as it came",
    RateLimitedError: "slow down and try again later",
    RedirectedError: "redirects are never followed; correct the base URL",
    RejectedError: "correct what it complains about before sending it again",
    ServerError: "try again later; after a write, look first whether it happened",
}
# Statuses for which the advice of their class would be wrong.
_ADVICE_ON: Final[Mapping[int, str]] = {
    304: "no request of ours asks for that, so look for a proxy between you and the provider",
    402: "look at your account with the provider: something is to be paid, or a plan lacks this",
    407: "give the proxy's user and password in proxy=, like 'http://user:password@proxy:3128'",
    408: "try again later; after a write, look first whether it happened",
    423: "something else is at work on the invoice, or it is locked; read it, and try again later",
    425: "try again later",
    451: "the provider may not give it to you, for legal reasons; ask it",
    499: "try again later; after a write, look first whether it happened",
}


class Said(enum.Enum):
    """What a flag in the body of a 2xx says about the request."""

    YES = "yes"
    NO = "no"
    PARTLY = "partly"
    NOTHING = "nothing"
    """It is missing, or its meaning is not known: the payload decides."""


# A refusal invites the caller to send a write again, so only words that surely mean no are here: a
# word that is missing costs a look at the provider, one too many costs a second invoice.
_WORDS: Final[Mapping[Said, frozenset[str]]] = {
    Said.NO: frozenset(
        {
            "bad request", "conflict", "declined", "denied", "err", "error", "errors", "exception",
            "fail", "failed", "failure", "false", "forbidden", "invalid", "ko", "locked", "no",
            "nok", "not found", "not ok", "refused", "rejected", "unauthorized", "unsuccessful",
            "validation error", "validation failed",
        }
    ),
    Said.PARTLY: frozenset(
        {
            "completed with errors", "incomplete", "mixed", "multi status", "partial",
            "partial content", "partial error", "partial failure", "partial success", "partially",
            "partially completed", "partially failed", "partially succeeded", "partly",
            "success with errors",
        }
    ),
    Said.YES: frozenset(
        {
            "created", "deleted", "done", "ok", "okay", "saved", "succeeded", "success",
            "successful", "true", "updated", "yes",
        }
    ),
}  # fmt: skip
_BETWEEN_WORDS: Final = re.compile(r"[\s_-]+")


def said(flag: object) -> Said:
    """Tell what a flag such as ``status`` or ``succeeded`` says; letter case does not count."""
    if flag == "success":
        return Said.YES  # It is nearly always this one.
    if isinstance(flag, bool):
        return Said.YES if flag else Said.NO
    if isinstance(flag, str):
        word = _BETWEEN_WORDS.sub(" ", flag[:40]).strip().lower()
        for meaning, words in _WORDS.items():
            if word in words:
                return meaning
    return Said.NOTHING


# The address of a list has no id, so a 404 means that the rest of the address is wrong. A create
# that collides has no invoice of its own yet: it collides with another one.
_ADVICE_WITHOUT_ID: Final[Mapping[tuple[str, type[ProviderError]], str]] = {
    ("GET", NotFoundError): (
        "check the address: the base URL with its path, and the tenant or organization"
    ),
    ("POST", ConflictError): "look for the invoice that is there already before you create another",
}
# The client reads the header, because a date takes a clock; here it is only shown.
_SHOWABLE: Final = r"[ -~]{1,40}"


class Wired(Protocol):
    """A field of a body, as :class:`~billingual.dialects.Field` writes it."""

    @property
    def wire(self) -> str:
        """The provider's name for it."""
        ...


def judge(  # noqa: PLR0917 - all but the last are bound when the request is made
    provider: str,
    method: str,
    route: str,
    keys: tuple[str, ...],
    fields: Mapping[str, Wired],
    read: Callable[[ResponseReader], object],
    response: WireResponse,
) -> object:
    """Judge the status, then read the body; what it cannot read becomes a ProtocolError."""
    reader = ResponseReader(provider, method, route, keys, response, fields)
    if (kind := error_class(response.status)) is not None:
        raise reader.refusal(kind)
    body = response.body
    if len(body) > _CHEAP and body.count(b",") > MAX_VALUES:
        raise reader.unreadable("$", f"it has more than {MAX_VALUES} values")
    try:
        return read(reader)
    except (UnreadableError, ExcessError) as problem:
        raise reader.unreadable(problem.path, problem.problem) from problem


def error_class(status: int) -> type[ProviderError] | None:
    """Tell which error an HTTP status means; None for success."""
    if 200 <= status <= 299:
        return None
    return _BY_STATUS.get(status) or _BY_HUNDRED.get(status // 100, ProtocolError)


# Members beside a payload which say that a write was done in part only.
_DOUBTS: Final = ("error", "errors", "failed", "failures", "skipped")
BESIDE: Final = "the provider says so beside the invoice that it shows"
"""The reason of the problem of such a member."""


def doubts(told: object) -> Iterator[tuple[str, object]]:
    """Yield what an object says about a part that was not done."""
    for name in _DOUBTS:
        if isinstance(told, dict) and (doubt := told.get(name)):
            yield name, doubt


OTHER_VALUE: Final = "the provider shows another value than was asked for"
"""The reason of the problem of such a field, whose path is our name for it."""

# A new invoice to another party and of another document than was asked for is another invoice.
_SURELY_KEPT: Final = ("counterparty", "document")


# Not frozen: attrs would set each field twice as slowly, in each call.
@attrs.define(eq=False, repr=False)
class ResponseReader:
    """One response to one request: reads it, and makes the errors it can turn out to be.

    Attributes:
        provider: the name used in errors.
        method: of the request.
        route: of the request.
        keys: the names of the fields of the request's body.
        response: the response.
        fields: the provider's fields by our names, of a write.
        problems: what was found around the records, such as in the envelope.
    """

    provider: str
    method: str
    route: str
    keys: tuple[str, ...]
    response: WireResponse
    fields: Mapping[str, Wired] = attrs.field(factory=dict)
    problems: list[Problem] = attrs.field(factory=list, init=False)
    _is_sound: bool = attrs.field(default=False, init=False)
    _members: dict[str, object] = attrs.field(factory=dict, init=False)

    @property
    def writes(self) -> bool:
        """Whether the request may have changed something."""
        return self.method not in {"GET", "HEAD"}

    def decode(self) -> dict[str, object]:
        """Read the body, which must be a JSON object.

        Raises:
            UnreadableError: if it is none; the client makes a ProtocolError of it.
        """
        if not self._members:
            if not self.response.body.strip():
                raise UnreadableError("$", "there is nothing")
            value = decode_json(self.response.body, half_surrogates=True)
            if not isinstance(value, dict):
                raise UnreadableError("$", "there is no JSON object")
            self._members.update(value)
        return self._members

    def refuse_unsound(self) -> None:
        """Refuse a body that breaks a rule which the compiled decoder does not check.

        Raises:
            UnreadableError: if it is no UTF-8, or nested too deep, where a decoder skips it.
        """
        if not self._is_sound:
            body = self.response.body.removeprefix(MARK)
            if not is_plain(body):
                decode_slowly(body, half_surrogates=True)
            self._is_sound = True  # Said once for all rows.

    def refuse_many_rows(self, rows: Sequence[object], path: str) -> None:
        """Refuse a list that is too long to be read at once.

        Raises:
            UnreadableError: if it has more than 100,000 rows.
        """
        if len(rows) > MAX_ROWS:
            raise UnreadableError(path, f"it has more than {MAX_ROWS} rows")

    def refuse_other(
        self,
        found: str,
        asked: str | None,
        path: str,
        shown: Sequence[InvoiceSummary] = (),
    ) -> None:
        """Refuse a response about another invoice than the one asked for, or about none.

        Args:
            found: the id in the response.
            asked: the id that was asked for; None where any will do.
            path: the place of *found*.
            shown: the invoice of the response, for the error.

        Raises:
            ProtocolError: if the two differ, or *found* is empty.
        """
        if not found:
            raise self.unreadable(path, "the id is empty")
        if asked is not None and found != asked:
            problem = "it is another invoice than the one asked for"
            error = self.unreadable(path, problem, shown=shown)
            error.is_doubtful = True
            raise error

    def compare(
        self, model: InvoiceSummary | Receipt, given: Mapping[str, object], path: str, *, new: bool
    ) -> None:
        """Add a problem to *model* for each field that it shows with another value than was given.

        Args:
            model: what the response shows.
            given: what was asked for, by our names.
            path: the place of the model's record.
            new: whether the invoice was to be created. An explicit null then leaves the choice to
                the provider, and an invoice that is recognisably another one is refused.

        Raises:
            ProtocolError: if another invoice is shown than the one to be created: it may be the
                response to another request.
        """
        # Nearly always every value is as asked for, and seeing that needs no other module.
        for name, wanted in given.items():
            if getattr(model, name, None) != wanted:
                break
        else:
            return
        from billingual.model.diff import contradicted_fields, is_same_number  # noqa: PLC0415

        if new:
            given = {name: value for name, value in given.items() if value is not None}
        wires = {name: field.wire for name, field in self.fields.items()}
        found = contradicted_fields(given, model, model.raw, wires)
        if new and isinstance(model, InvoiceSummary):
            number = str(given.get("number", "")).strip()
            if not number:
                found.pop("number", None)  # The provider was asked to choose one.
            if number and model.number:
                same = "number" not in found or is_same_number(number, model.number)
                doubtful = [] if same else ["number"]
            else:
                # No number tells them apart.
                doubtful = [name for name in _SURELY_KEPT if name in given]
                doubtful = doubtful if found.keys() >= set(doubtful) else []
            if doubtful:
                where = f"{path}.{wires.get(doubtful[0], doubtful[0])}"
                raise self.unreadable(where, "it is another invoice's", shown=(model,))
        problems = [Problem(name, OTHER_VALUE, value) for name, value in found.items()]
        _set_problems(model, (*model.problems, *problems))

    def refusal(
        self, kind: type[ProviderError], code: int | None = None, *, complaint: str = ""
    ) -> ProviderError:
        """Make the error for a response that says no in a way that only the dialect knows.

        Args:
            kind: the class of the error, such as :class:`~billingual.RejectedError`.
            code: the status inside the envelope, where that is what says no.
            complaint: what the provider complains of. Default: what the body says of errors.
        """
        from billingual.dialects._kit.complaint import (  # noqa: PLC0415 - of a refusal
            complaints_of,
            in_our_names,
        )

        found, fields = complaints_of(self.response)
        complaint = complaint or found
        inside = "" if code is None else f" (and {code} inside)"
        said = f": {complaint}" if complaint else " and did not say why"
        late = _wait_asked(self.response.headers)
        summary = f"{self._told()}{inside}{said}{late}"
        status = self.response.status if code is None else code
        advice = _ADVICE_ON.get(status, _ADVICE[kind])
        if "{" not in self.route:
            advice = _ADVICE_WITHOUT_ID.get((self.method, kind), advice)
        error = kind(
            f"{summary}; {advice}.",
            provider=self.provider,
            exchange=self._exchange(),
            complaint=complaint,
            summary=summary,
        )
        if fields:
            wires = {field.wire: name for name, field in self.fields.items()}
            error.fields = in_our_names(fields, wires)
        return error

    def unreadable(
        self,
        path: str,
        problem: str,
        *,
        shown: Sequence[InvoiceSummary] = (),
        complaint: str = "",
        doubtful: bool = False,
    ) -> ProtocolError:
        """Make the error for a response that is not what the provider documents.

        Args:
            path: where.
            problem: what is wrong there.
            shown: the invoices that could be read of it, which may be others than those asked for.
            complaint: what the provider says is wrong.
            doubtful: whether the response fails to confirm the whole write.
        """
        told = f" ({complaint})" if complaint else ""
        advice = _ADVICE[ProtocolError]
        if path == "$" and self.response.body.lstrip()[:1] == b"<":
            problem = "HTML or XML came in the place of JSON"
            advice = f"check the base URL, and for a proxy or a login before it; {advice}"
        summary = f"{self._told()}, but not as it documents: at {path}, {problem}{told}"
        error = ProtocolError(
            f"{summary}; {advice}.",
            provider=self.provider,
            exchange=self._exchange(),
            complaint=complaint,
            summary=summary,
        )
        error.path, error.shown = path, tuple(shown)
        error.is_doubtful = doubtful or bool(shown)
        return error

    def no_payload(
        self, path: str = "$.data", problem: str = "there is no payload"
    ) -> ProtocolError:
        """Make the error for a 2xx without a payload; what it says instead is the complaint."""
        from billingual.dialects._kit.complaint import complaint_of  # noqa: PLC0415 - as above

        complaint = complaint_of(self.response)
        if said(complaint) is Said.YES:
            complaint = ""  # A message such as "Success" complains about nothing.
        return self.unreadable(path, problem, complaint=complaint)

    def _exchange(self) -> Exchange:
        return Exchange(
            method=self.method,
            route=self.route,
            keys=self.keys,
            status=self.response.status,
            headers=self.response.headers.without_credentials(),
            body=self.response.body,
            request_complete=self.response.request_complete,
        )

    def _told(self) -> str:
        asked = f"{self.method} {self.route}"
        request_id = self.response.headers.request_id_text
        return f"{self.provider} responded to {asked} with {self.response.status}{request_id}"


def _wait_asked(headers: Headers) -> str:
    asked = headers.get("retry-after") or ""
    return f" (Retry-After: {asked})" if re.fullmatch(_SHOWABLE, asked) else ""


# The bytes of a response are bounded, but not what they cost: a row of two bytes becomes a model
# of hundreds, and one that does not fit is looked at field by field. So the values are bounded too,
# far above what 64 MiB about invoices hold: a value takes some 25 bytes there with its name, and a
# row 1,000. Each row may have a value that does not fit.
MAX_VALUES: Final = 2_000_000
"""A response with more values than this is refused."""
MAX_ROWS: Final = 100_000
"""A list with more rows than this in one response is refused."""
_MOST_NAMED: Final = 10
"""The error of a batch names at most so many invoices."""
_CHEAP: Final = 1_000_000  # So many bytes never hold too many values.


COMPILING: Final = RLock()
"""Held while a decoder is made.

msgspec describes a struct with the first decoder that needs it, and a second thread that meets a
description half-way crashes the process.
"""

_Raw: Final = msgspec.Raw
_NONE_LEFT: Final = object()

M = TypeVar("M", bound="InvoiceSummary | Receipt")
R = TypeVar("R", bound=msgspec.Struct)

ENVELOPE: Final = "envelope"
"""The name in ``extra`` for what the provider said beside the payload."""

MISFIT: Final = (msgspec.DecodeError, UnicodeDecodeError, RecursionError, UnreadableError)
"""What the quick ways of reading raise where they cannot take a payload; another look says why."""


@functools.cache
def exact(record: type[R]) -> type[R]:
    """Make the struct that takes exactly what *record* documents, down to the last object in it.

    A decoder of it skips nothing. Where *record* takes any value, it takes one that is shallow and
    has no number with a fraction.
    """
    fields = []
    for each in msgspec.structs.fields(record):
        field: Any = msgspec.field  # Its types do not tell that it takes both kinds of default.
        default = field(
            default=each.default, default_factory=each.default_factory, name=each.encode_name
        )
        fields.append((each.name, _exact_type(each.type), default))
    made = msgspec.defstruct(
        record.__name__, fields, bases=(record,), forbid_unknown_fields=True, gc=False, kw_only=True
    )
    return cast("type[R]", made)


def _exact_type(hint: Any) -> Any:
    if hint is object:
        return Shallow
    if is_record(hint):
        return exact(hint)
    origin = get_origin(hint)
    if origin is None or origin is Annotated:
        return hint
    kinds = tuple(_exact_type(each) for each in get_args(hint))
    return Union[kinds] if origin in {Union, UnionType} else origin[kinds]  # noqa: UP007 - a tuple


class RecordReader(Generic[R, M]):
    """Reads records of one kind, and makes models of them.

    Args:
        record: the struct. Its first field is the id; it is required, and text, or
            :data:`Whole` where the provider counts its invoices: the model's is then its text.
        model_from: makes the model of a record. It may raise
            :class:`~billingual.dialects.UnreadableError` with the wire name of a field that cannot
            be used after all; it is then called again with None in that field.
        becomes: the class of the models, if *model_from* returns unfinished drafts of it, as only
            the dialects of this package do. Default: None; it returns whole models.
        watched: names of fields that *left* looks at.
        left: what remains of *watched* fields that the model holds in part, for ``extra``. It is
            given the payload, or as much of it, and the model.
        any_case: whether ids are the same in any case of letters, as UUIDs are.
    """

    def __init__(
        self,
        record: type[R],
        model_from: Callable[[R], M],
        *,
        becomes: type[M] | None = None,
        watched: Sequence[str] = (),
        left: Callable[[Mapping[str, Any], M], dict[str, object]] | None = None,
        any_case: bool = False,
    ) -> None:
        self._record = record
        self._model_from = model_from
        self._becomes = becomes
        self._watched = watched
        self._left = left
        self._left_exactly = left if watched else None
        self._any_case = any_case
        self._raw_and_extra = {**_RAW, "extra": self._extra_of}

    # What follows takes milliseconds of a first response. So it is made with the first record that
    # needs it: most programs read one or two kinds of records, and none with more.

    @functools.cached_property
    def _fields(self) -> tuple[msgspec.structs.FieldInfo, ...]:
        return msgspec.structs.fields(self._record)

    @functools.cached_property
    def _key(self) -> str:
        return self._fields[0].encode_name

    @functools.cached_property
    def _named(self) -> frozenset[str]:
        return frozenset(
            each.encode_name for each in self._fields if each.default is not msgspec.UNSET
        )

    @functools.cached_property
    def _read_exactly(self) -> Callable[[bytes], R]:
        with COMPILING:
            return msgspec.json.Decoder(exact(self._record), float_hook=as_it_came).decode

    @functools.cached_property
    def _members(self) -> tuple[_MembersOf, _MembersOf]:
        """The functions that gather a record's unnamed members, and its watched ones."""
        return (
            _members_of([each for each in self._fields if each.default is msgspec.UNSET]),
            _members_of([each for each in self._fields if each.encode_name in self._watched]),
        )

    @functools.cached_property
    def _read_with_more(self) -> Callable[[bytes], R]:
        with COMPILING:
            return msgspec.json.Decoder(self._record, float_hook=as_it_came).decode

    def one(
        self,
        reader: ResponseReader,
        payload: msgspec.Raw | object,
        path: str,
        *,
        asked: str | None = None,
        given: Mapping[str, object] | None = None,
        beside: Mapping[str, object] | None = None,
    ) -> M:
        """Read one record, which must be there.

        Args:
            reader: the response that it came in.
            payload: its bytes, or its value where they were read already.
            path: its place in the response.
            asked: the id that was asked for; None where the provider chooses it.
            given: what a write asked for, by our names, as ``Changes.given()`` and
                ``Draft.given()`` return it. The model has a problem for each field that shows
                another value.
            beside: what the provider said beside the payload, for ``extra``.

        Raises:
            UnreadableError: if its id cannot be read; the client makes a ProtocolError of it.
            ProtocolError: if it is another than the one asked for, or than the one that was to be
                created.
        """
        model = self.read(reader, payload, path)
        return self._checked(reader, model, path, asked=asked, given=given, beside=beside)

    def in_body(
        self,
        reader: ResponseReader,
        read: Callable[[bytes], R],
        unread: Unread,
        path: str,
        *,
        asked: str | None = None,
        given: Mapping[str, object] | None = None,
    ) -> M | None:
        """Read the one record of a body together with what is around it; None where that fails.

        A body is gone through once, and not a second time for the bytes of its record. They differ
        little, so the model keeps the body.

        Args:
            reader: the response.
            read: reads the body exactly and returns its record, or raises one of ``MISFIT``.
            unread: how ``raw`` is made of a model that keeps the body.
            path: the place of the record.
            asked: as in :meth:`one`.
            given: likewise.

        Raises:
            ProtocolError: as :meth:`one` does.
        """
        found: list[M] = []
        body = _Raw(reader.response.body.removeprefix(MARK))
        self._exactly(iter((body,)), found, [], read, unread)
        if not found:
            return None
        return self._checked(reader, found[0], path, asked=asked, given=given)

    def many(
        self,
        reader: ResponseReader,
        payloads: Sequence[msgspec.Raw | object],
        path: str,
        *,
        beside: Mapping[str, object] | None = None,
    ) -> list[M]:
        """Read several records, which must all be there, in their order.

        Args:
            reader: the response that they came in.
            payloads: as in :meth:`one`, and at most 100,000 of them.
            path: the place of their array.
            beside: as in :meth:`one`.

        Raises:
            UnreadableError: if an id cannot be read, or there are too many.
            ProtocolError: if one says what went wrong in the place of its id.
        """
        reader.refuse_many_rows(payloads, path)
        models: list[M] = []
        left = iter(payloads)
        while (payload := self._exactly(left, models, [])) is not _NONE_LEFT:
            models.append(self.read(reader, payload, f"{path}[{len(models)}]"))
        if beside or reader.problems:
            for model in models:
                self._checked(reader, model, path, asked=None, given=None, beside=beside)
        return models

    def matched(
        self,
        reader: ResponseReader,
        payloads: Sequence[msgspec.Raw | object],
        path: str,
        *,
        asked: Iterable[tuple[str, Mapping[str, object]]],
        refused: Mapping[str, str] | None = None,
        doubts: Iterable[Problem] = (),
        beside: Mapping[str, object] | None = None,
    ) -> tuple[M, ...]:
        """Read the records of a batch, and return the models in the order of *asked*.

        Few providers document the order of a response, so records are matched by their ids. A
        response that shows less than all that was asked for, or more, is no success.

        Args:
            reader: the response that they came in.
            payloads: as in :meth:`many`.
            path: the place of their array.
            asked: the ids, and for each what was asked for, as ``Changes.given()`` returns it.
            refused: what the provider complains of, by the id of each invoice that it left as it
                was, where it says so for each. Default: none.
            doubts: what else says that not all was done. Default: nothing.
            beside: as in :meth:`one`.

        Raises:
            RejectedError: if all are refused.
            ProtocolError: if they are not exactly those asked for; it has those that came.
        """
        wanted = {self._same(invoice_id): given for invoice_id, given in asked}
        left = {self._same(invoice_id): why for invoice_id, why in (refused or {}).items()}
        found: dict[str, M] = {}
        wrong: list[tuple[str, str]] = []
        for index, model in enumerate(self.many(reader, payloads, path, beside=beside)):
            key = self._same(model.id)
            if key not in wanted or key in found:
                problem = "comes twice" if key in found else "was not asked for"
                where = f"{path}[{index}].{self._key}"
                wrong.append((where, f"invoice {model.id:.40} {problem}"))
            else:
                reader.compare(model, wanted[key], f"{path}[{index}]", new=False)
            found.setdefault(key, model)
        told = [f"invoice {key} was refused: {left[key]}" for key in wanted if key in left]
        if told and not wrong and len(told) == len(wanted) and not found:
            raise reader.refusal(RejectedError, complaint="; ".join(told[:_MOST_NAMED]))
        missing = [key for key in wanted if key not in found and key not in left]
        wrong += [(path, each) for each in told]
        wrong += [(path, f"invoice {key} is missing") for key in missing]
        wrong += [(each.path, each.reason) for each in doubts]
        if wrong:
            problem = "; ".join(problem for _, problem in wrong[:_MOST_NAMED])
            shown = tuple(each for each in found.values() if isinstance(each, InvoiceSummary))
            doubtful = bool(told or doubts)
            raise reader.unreadable(wrong[0][0], problem, shown=shown, doubtful=doubtful)
        return tuple([found[key] for key in wanted])

    def _same(self, invoice_id: str) -> str:
        return invoice_id.lower() if self._any_case else invoice_id

    def _checked(
        self,
        reader: ResponseReader,
        model: M,
        path: str,
        *,
        asked: str | None,
        given: Mapping[str, object] | None,
        beside: Mapping[str, object] | None = None,
    ) -> M:
        """Return *model* if it is the one asked for, with the problems that it has."""
        found = model.id
        if asked is not None and self._any_case:
            found, asked = self._same(found), self._same(asked)
        if not found or (asked is not None and found != asked):
            shown = (model,) if isinstance(model, InvoiceSummary) else ()
            reader.refuse_other(found, asked, f"{path}.{self._key}", shown)
        if beside:
            _set_extra(model, {**model.extra, ENVELOPE: with_whole_texts(beside)})
        if reader.problems:
            _set_problems(model, (*reader.problems, *model.problems))
        if given:
            reader.compare(model, given, path, new=asked is None)
        return model

    def rows(
        self, reader: ResponseReader, payloads: Sequence[msgspec.Raw | object], path: str
    ) -> tuple[tuple[M, ...], tuple[Problem, ...]]:
        """Read the rows of a page, and tell their problems and those of *reader*.

        A row whose id cannot be read is left out, with a BadRow that holds it: one bad row must
        not end a walk over a million good ones.
        """
        reader.refuse_many_rows(payloads, path)
        rows: list[M] = []
        problems = list(reader.problems)
        left = iter(payloads)
        left_out = 0
        while (payload := self._exactly(left, rows, problems)) is not _NONE_LEFT:
            reader.refuse_unsound()
            try:
                row = self._otherwise(payload, f"{path}[{len(rows) + left_out}]")
            except UnreadableError as problem:
                whole = decode_part(payload) if isinstance(payload, _Raw) else payload
                problems.append(BadRow(problem.path, problem.problem, whole))
                left_out += 1
            else:
                rows.append(row)
                problems.extend(row.problems)
            refuse_excess(problems, path)
        refuse_excess(problems, path)
        return tuple(rows), tuple(problems)

    def read(self, reader: ResponseReader, payload: msgspec.Raw | object, path: str) -> M:
        """Read one record in the first way that can take it.

        Raises:
            UnreadableError: if its id cannot be read, or the body breaks a rule.
            ProtocolError: if its id cannot be read, and it says what went wrong instead.
        """
        found: list[M] = []
        self._exactly(iter((payload,)), found, [])
        if found:
            return found[0]  # It has no field but the documented ones, so none with a complaint.
        reader.refuse_unsound()
        try:
            model = self._otherwise(payload, path)
        except UnreadableError as problem:
            whole = decode_part(payload) if isinstance(payload, _Raw) else payload
            if not (complaints := _complaints_in(whole)):
                raise
            # Providers write a fault in the place of the record, with a status of success.
            from billingual.dialects._kit.complaint import complaint_in  # noqa: PLC0415 - rare

            complaint = complaint_in(complaints)
            raise reader.unreadable(problem.path, problem.problem, complaint=complaint) from problem
        if reader.writes and (complaints := _complaints_in(model.extra)):
            said = [Problem(f"{path}.{name}", _OF_IT, each) for name, each in complaints.items()]
            _set_problems(model, (*model.problems, *said))
        return model

    def _exactly(
        self,
        payloads: Iterator[object],
        models: list[M],
        problems: list[Problem],
        read: Callable[[bytes], R] | None = None,
        unread: Unread | None = None,
    ) -> object:
        """Read records that are as documented, up to the first that takes another look.

        Args:
            payloads: what is left to be read.
            models: the list to add to.
            problems: likewise, for those of the models.
            read: what reads the bytes of one; None for those of a record alone.
            unread: what is made of the bytes on first touch; None for ``raw`` of a record alone.

        Returns:
            What takes another look, or ``_NONE_LEFT``.
        """
        # Lists are read by the thousand rows, so this goes without calls and looks where it can.
        read, unread = read or self._read_exactly, unread or _RAW
        unnamed_of, watched_of = self._members
        model_from, becomes, left = self._model_from, self._becomes, self._left_exactly
        for payload in payloads:
            if type(payload) is not _Raw:
                return payload
            # A copy, so that no row keeps its whole page in memory, made faster than by bytes().
            own = b"" + payload
            try:
                record = read(own)
                model = model_from(record)
            except MISFIT:
                return payload
            if not model.id:
                return payload
            extra = unnamed_of(record)
            if left is not None and (more := left(watched_of(record), model)):
                extra |= more
            if becomes is None:
                _set_extra(model, extra)
                _leave_raw(model, own, unread)
            else:
                draft: KeepsPayload = model
                draft._unread, draft._payload = unread, own  # noqa: SLF001 - ours
                # Subclasses have that slot.
                draft._extra = extra  # type: ignore[misc]  # noqa: SLF001 - ours
                draft.__class__ = becomes
            models.append(model)
            if model.problems:
                problems.extend(model.problems)
        return _NONE_LEFT

    def _otherwise(self, payload: msgspec.Raw | object, path: str) -> M:
        if isinstance(payload, _Raw):
            own = bytes(payload)
            try:
                return self._with_more(own)
            except MISFIT:
                model = self._leniently(decode_part(own), path)
            set_unread(model, _TEXT_ALONE)
            set_payload(model, own)
            return model
        return self._leniently(payload, path)

    def _with_more(self, own: bytes) -> M:
        model = self._whole_model_from(self._read_with_more(own))
        if not model.id:
            raise UnreadableError(self._key, "the id is empty")
        if self._becomes is None:
            object.__delattr__(model, "extra")
            _leave_raw(model, own, self._raw_and_extra)
        else:
            set_unread(model, self._raw_and_extra)
            set_payload(model, own)
        return model

    def _whole_model_from(self, record: R) -> M:
        model: Any = self._model_from(record)
        if self._becomes is not None:
            model.__class__ = self._becomes
        whole: M = model
        return whole

    def _leniently(self, payload: object, path: str) -> M:
        problems: list[Problem] = []
        record: R = lenient(self._record, payload, path, problems, key=self._key)
        given = cast(dict[str, Any], with_whole_texts(payload))
        while True:
            try:
                model = self._whole_model_from(record)
                break
            except UnreadableError as problem:
                name = problem.path.partition(".")[0].partition("[")[0]
                problems.append(Problem(f"{path}.{problem.path}", problem.problem, given.get(name)))
                forget(record, name)
        extra = self._extra(given, model)
        for each in problems:
            name = each.path.removeprefix(path).lstrip(".").partition(".")[0].partition("[")[0]
            extra[name] = given.get(name)
        _set_raw(model, given)
        _set_extra(model, extra)
        if problems:
            _set_problems(model, tuple(problems))
        return model

    def _extra(self, given: Mapping[str, Any], model: M) -> dict[str, object]:
        extra = {name: value for name, value in given.items() if name not in self._named}
        return extra if self._left is None else extra | self._left(given, model)

    def _extra_of(self, model: M) -> dict[str, object]:
        return self._extra(decode_part(payload_of(model)), model)


_MembersOf: TypeAlias = Callable[[object], dict[str, object]]


def _members_of(fields: Sequence[msgspec.structs.FieldInfo]) -> _MembersOf:
    """Return a function that gathers what came of some fields, by the provider's names.

    It is written out, because a loop over the names takes twice as long, once for each row.
    """
    lines = ["def members(record):", "    found = {}"]
    for each in fields:
        value = f"value := record.{each.name}"
        lines += [f"    if ({value}) is not unset: found[{each.encode_name!r}] = value"]
    scope: dict[str, Any] = {"unset": msgspec.UNSET}
    exec("\n".join([*lines, "    return found"]), scope)  # noqa: S102 - as attrs makes its methods
    members: _MembersOf = scope["members"]
    return members


def _raw_of(model: KeepsPayload) -> object:
    return decode_part(payload_of(model))


_TEXT_ALONE: Final[Unread] = {"text": payload_of}
_RAW: Final[Unread] = {"raw": _raw_of, "text": payload_of}
_OF_IT: Final = "the provider says so of the record that it shows"
# Members of a record that say what was refused of it, without case and punctuation. No provider of
# ours documents one; those that mark each record of a batch write them.
_COMPLAINTS: Final = frozenset(
    {
        "error", "errormessage", "errormessages", "errors", "failure", "failures", "fault",
        "faults", "fielderrors", "haserror", "haserrors", "hasvalidationerrors",
        "validationerrors",
    }
)  # fmt: skip


def _complaints_in(record: object) -> dict[str, object]:
    if not isinstance(record, Mapping):
        return {}
    return {
        name: value
        for name, value in record.items()
        if value and "".join(filter(str.isalnum, name[:40])).lower() in _COMPLAINTS
    }


# Models are frozen; only these functions, which help to make them, set their fields.
def _set_extra(model: object, extra: Mapping[str, object]) -> None:
    object.__setattr__(model, "extra", extra)


def _set_raw(model: object, raw: Mapping[str, object]) -> None:
    object.__setattr__(model, "raw", raw)


def _set_problems(model: object, problems: tuple[Problem, ...]) -> None:
    object.__setattr__(model, "problems", problems)


def _leave_raw(model: object, payload: bytes, unread: Unread) -> None:
    """Let ``raw`` be made of *payload* on first touch."""
    object.__delattr__(model, "raw")
    set_payload(model, payload)
    set_unread(model, unread)


def keep_body(model: KeepsPayload, body: bytes) -> None:
    """Let ``raw`` of a page be read from *body* on first touch."""
    _leave_raw(model, body, _RAW)


def decimal_of(value: object, name: str) -> Decimal | None:
    """Make the Decimal of a field of type :data:`Number`.

    Raises:
        UnreadableError: if it is none, or one that is too long to calculate with.
    """
    if value is None:
        return None
    if type(value) is int and -LARGEST < value < LARGEST:  # the usual case, in one step
        return Decimal(value)
    if not is_number(value):
        raise UnreadableError(name, is_not(value, "a number"))
    return cast("Decimal", value)


def amount_of(value: object, currency: str | None, name: str) -> Money | None:
    """Make money of a field of type :data:`Number` that counts major units, such as 12.50.

    Raises:
        UnreadableError: if it is no number, or no whole number of minor units of a currency of
            ISO 4217.
    """
    amount = decimal_of(value, name)
    try:
        return None if amount is None else Money.of(amount, currency or "")
    except InvalidInputError:
        raise UnreadableError(name, "it is no exact amount in a currency of ISO 4217") from None


UnfrozenMoney: Final = unfrozen(Money)
nothing_of: Final = functools.lru_cache(maxsize=64)(functools.partial(Money, 0))
"""Make money of no amount; of each currency there is one object for all invoices."""


def money_of(minor: int | None, currency: str | None) -> Money | None:
    """Make money of parts whose types were checked; None where there is no amount."""
    if not minor:
        return None if minor is None else nothing_of(currency)
    money = UnfrozenMoney()
    money.minor, money.currency = minor, currency
    money.__class__ = Money
    made: Money = money
    return made


# None is no key of these, but it can be looked for.
STATUSES: Final[Mapping[str | None, Status]] = {word: Status(word) for word in Status.known()}
METHODS: Final[Mapping[str | None, CollectionMethod]] = {
    word: CollectionMethod(word) for word in CollectionMethod.known()
}


def status_of(word: str | None) -> Status | None:
    """Make a status; of each known word there is one object for all invoices."""
    return None if word is None else STATUSES.get(word) or Status(word)


def collection_method_of(word: str | None) -> CollectionMethod | None:
    """Make a collection method, likewise."""
    return None if word is None else METHODS.get(word) or CollectionMethod(word)
