"""What a dialect's author shows its suite: good operands and a good response per operation."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import attrs

from billingual.abc import Scope
from billingual.capabilities import Feature

__all__ = ["DialectSamples", "Sample"]


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
    """

    feature: Feature
    operands: tuple[object, ...] = attrs.field(converter=_listed)
    responses: tuple[bytes, ...] = attrs.field(converter=_in_order)
    status: int = 200


@attrs.frozen(kw_only=True)
class DialectSamples:
    """What a dialect is tried with.

    Attributes:
        operations: a sample, or several, for every feature in the dialect's capabilities.
        refusal: the body of a response that says no.
        refusal_status: its status.
        complaint: a part of what the refusal complains of, which the error must show.
        wrong: for a feature, operands that can be known to be wrong without asking.
        scope: a tenant or organization that :meth:`Dialect.scoped` takes.
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
