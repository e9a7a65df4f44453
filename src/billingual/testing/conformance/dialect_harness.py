"""The harness around a dialect in a check: it drives conversations without loop, wire or clock."""

from __future__ import annotations

import functools
import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from decimal import Decimal
from typing import Any, Final, NamedTuple

import attrs

from billingual.abc import Dialect, Scope
from billingual.capabilities import Feature
from billingual.errors import BillingualError, UsageError
from billingual.testing.conformance.report import Check, NotApplicableError, fail, named_check
from billingual.wire import Conversation, Headers, WireRequest, WireResponse

__all__ = [
    "METHODS",
    "Completed",
    "DialectHarness",
    "DialectSamples",
    "Sample",
    "dialect_check",
    "label",
    "leaves",
    "read",
    "replaced",
]


def _in_order(responses: bytes | Iterable[bytes]) -> tuple[bytes, ...]:
    return (responses,) if isinstance(responses, bytes) else tuple(responses)


def _listed(operands: Iterable[object]) -> tuple[object, ...]:
    return tuple(operands)


@attrs.frozen(kw_only=True)
class Sample:
    """One operation that goes well.

    Attributes:
        feature: the operation.
        operands: the arguments of the dialect's method, as the client passes them: an id first
            where there is one; a :class:`Query` for a list; *base* last for an update.
        responses: the body of the response to each request, as the provider's documentation prints
            it; one alone may be given as bytes.
        status: of each response.
        shows: attributes that the result must have, by their names, such as ``{"total": ...}``. Of
            a page or a batch, a name that it lacks is one of its first invoice.
    """

    feature: Feature
    operands: tuple[object, ...] = attrs.field(converter=_listed)
    responses: tuple[bytes, ...] = attrs.field(converter=_in_order)
    status: int = 200
    shows: Mapping[str, object] = attrs.field(factory=dict)


@attrs.frozen(kw_only=True)
class DialectSamples:
    """What a dialect is tried with.

    Attributes:
        operations: a sample, or several, for every feature in the dialect's capabilities.
        refusal: the body of a response that says no.
        refusal_status: its status.
        complaint: a part of what the refusal complains of, which the error must show.
        wrong: for a feature, operands that can be known to be wrong without asking.
        scope: a tenant or organization that :meth:`Dialect.scoped` takes, and that the dialect is
            not bound to already.
        tolerated: for a feature, names of keys of a response that may hold anything, because no
            part of the result is made of them: an unknown field inside them may get lost.
    """

    operations: tuple[Sample, ...] = attrs.field(converter=tuple[Sample, ...])
    refusal: bytes
    refusal_status: int = 422
    complaint: str = ""
    wrong: Mapping[Feature, Iterable[tuple[Any, ...]]] = attrs.field(factory=dict)
    scope: Scope = attrs.field(factory=Scope)
    tolerated: Mapping[Feature, Iterable[str]] = attrs.field(factory=dict)


METHODS: Final = {each: "list_page" if each is Feature.LIST else each.value for each in Feature}
WITH_ID: Final = (
    Feature.GET, Feature.UPDATE, Feature.REPLACE, Feature.FINALIZE, Feature.VOID,
)  # fmt: skip
_JSON: Final = Headers([("Content-Type", "application/json")])
_ENDLESS: Final = 20
Path = tuple[str | int, ...]


class Completed(NamedTuple):
    """One conversation that was held: what was asked, and what came of it."""

    requests: tuple[WireRequest, ...]
    result: Any


@attrs.frozen
class DialectHarness:
    """A dialect and its samples.

    Attributes:
        dialect: the dialect.
        samples: what it is tried with.
    """

    dialect: Dialect
    samples: DialectSamples

    def __iter__(self) -> Iterator[Sample]:
        return iter(self.samples.operations)

    def start(self, feature: Feature, operands: Sequence[object]) -> Conversation[Any]:
        """Call the method of an operation."""
        conversation: Conversation[Any] = getattr(self.dialect, METHODS[feature])(*operands)
        return conversation

    def first(self, sample: Sample) -> WireRequest:
        """Return the first request of a sample."""
        conversation = self.start(sample.feature, sample.operands)
        request = next(conversation)
        conversation.close()
        return request

    def good(self, sample: Sample, *bodies: bytes) -> Completed:
        """Hold a conversation with good responses, its own or *bodies*; it must come to its end."""
        met = self.held(sample, *bodies)
        if isinstance(met, BillingualError):
            fail(expected=f"{label(sample)}: a result", seen=f"{type(met).__name__}: {met}")
        return met

    def held(self, sample: Sample, *bodies: bytes) -> Completed | BillingualError:
        """Hold a conversation; any exception but ours fails the check."""
        responses = [
            WireResponse(status=sample.status, headers=_JSON, body=body)
            for body in bodies or sample.responses
        ]
        try:
            return self._hold(self.start(sample.feature, sample.operands), responses)
        except BillingualError as error:
            return error
        except Exception as foreign:  # noqa: BLE001 - it is what this is for
            fail(
                expected=f"{label(sample)}: no exception but ours",
                seen=f"{type(foreign).__qualname__}: {foreign}, for {responses[-1].body[:200]!r}",
            )

    def _hold(
        self, conversation: Conversation[Any], responses: Sequence[WireResponse]
    ) -> Completed:
        requests: list[WireRequest] = []
        try:
            request = next(conversation)
            while len(requests) < _ENDLESS:
                requests.append(request)
                response = responses[min(len(requests), len(responses)) - 1]
                request = conversation.send(read(request, response))
        except StopIteration as end:
            return Completed(tuple(requests), end.value)
        return fail(expected="an end of the conversation", seen=f"{_ENDLESS} requests, no result")

    def refused(self, feature: Feature, operands: Sequence[object], *, why: str) -> UsageError:
        """Expect a refusal before anything is asked."""
        met = self.asked(feature, operands)
        if not isinstance(met, UsageError):
            fail(
                expected=f"{feature.value}: a UsageError before any request ({why})",
                seen=met if isinstance(met, WireRequest) else f"{type(met).__name__}: {met}",
            )
        return met

    def asked(self, feature: Feature, operands: Sequence[object]) -> WireRequest | BillingualError:
        """Return the first request, or our error in its place."""
        try:
            conversation = self.start(feature, operands)
            request = next(conversation)
        except BillingualError as error:
            return error
        except Exception as foreign:  # noqa: BLE001 - it is what this is for
            fail(
                expected=f"{feature.value}: a request or an error of ours",
                seen=f"{type(foreign).__qualname__}: {foreign}",
            )
        conversation.close()
        return request

    def sent(self, sample: Sample, operands: Sequence[object]) -> list[WireRequest]:
        """List all that a sample asks for with other operands; nothing where they are refused.

        What its responses mean for those operands does not matter here.
        """
        requests: list[WireRequest] = []
        with suppress(BillingualError):
            conversation = self.start(sample.feature, operands)
            request = next(conversation)
            for body in sample.responses:
                requests.append(request)
                response = WireResponse(status=sample.status, headers=_JSON, body=body)
                try:
                    request = conversation.send(read(request, response))
                except StopIteration:
                    break
        return requests

    def of(self, *features: Feature) -> tuple[Sample, ...]:
        """List the samples of some features.

        Raises:
            NotApplicableError: if there is none.
        """
        found = tuple(each for each in self if each.feature in features)
        if not found:
            raise NotApplicableError(f"it has no {' or '.join(each.value for each in features)}")
        return found

    def json(self, sample: Sample) -> Any:
        """Read a sample's last response.

        Raises:
            NotApplicableError: if it is no JSON.
        """
        try:
            return json.loads(sample.responses[-1], parse_float=Decimal)
        except ValueError:
            raise NotApplicableError("its responses are no JSON") from None

    def last(self, sample: Sample, value: object) -> tuple[bytes, ...]:
        """Return a sample's responses with *value* in the place of the last one."""
        return (*sample.responses[:-1], json.dumps(value, default=_exact).encode())


def _exact(value: object) -> object:
    if isinstance(value, Decimal):
        return float(value)
    raise TypeError(type(value).__name__)


def label(sample: Sample) -> str:
    """Name a sample for people."""
    return sample.feature.value


def leaves(value: object, path: Path = ()) -> Iterator[tuple[Path, object]]:
    """Walk every value inside a value, itself included, with the way to it."""
    yield path, value
    pairs: Iterator[tuple[str | int, object]] = iter(())
    if isinstance(value, dict):
        pairs = iter(value.items())
    elif isinstance(value, list):
        pairs = iter(enumerate(value))
    for key, each in pairs:
        yield from leaves(each, (*path, key))


def replaced(value: Any, path: Path, new: object) -> Any:
    """Copy a value with another one at *path*."""
    if not path:
        return new
    twin = value.copy()
    twin[path[0]] = replaced(value[path[0]], path[1:], new)
    return twin


def dialect_check(work: Callable[[DialectHarness], None]) -> Check:
    """Make a check of *work*, which is given a harness: its name and docstring are the check's."""

    @functools.wraps(work)
    def run(dialect: Dialect, samples: DialectSamples) -> None:
        work(DialectHarness(dialect, samples))

    return named_check(run, work.__doc__)


def read(request: WireRequest, response: WireResponse) -> object:
    """Read a response as its request says."""
    if request.read is None:
        fail(expected="a request that carries how its response is read", seen=request)
    try:
        return request.read(response)
    except UsageError as ours:
        # It would tell the caller, whose write happened, that nothing was sent.
        raise RuntimeError(f"{type(ours).__name__} for a response: {ours}") from ours
