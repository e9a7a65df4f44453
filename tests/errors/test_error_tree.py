"""Errors: each is drawn, exported, pickled, free of secrets, and says what to do."""

from __future__ import annotations

import inspect
import pickle
import re
from typing import Any

import pytest

import billingual
from billingual import Provider, errors
from billingual.capabilities import Capabilities, FieldRules
from billingual.errors import BillingualError, InvalidInputError, OutcomeUnknown, ProviderError
from billingual.model import BadRow
from billingual.outcomes import Attempt, Evidence, Outcome, Safety
from billingual.wire import Exchange, Headers, WireRequest, WireResponse

CANARY = "canary-51c0de"
REQUEST = WireRequest(
    method="POST",
    url=f"/x?{CANARY}",
    route="/x",
    safety=Safety.CREATE,
    headers=Headers([("tenant-id", CANARY)]),
    body=CANARY.encode(),
    keys=("number",),
)
RESPONSE = WireResponse(status=418, headers=Headers([("Set-Cookie", CANARY)]), body=CANARY.encode())
EXCHANGE = Exchange.of(REQUEST, RESPONSE)
CLASSES = sorted(
    (each for _, each in inspect.getmembers(errors, inspect.isclass)
     if issubclass(each, BillingualError)),
    key=lambda each: each.__name__,
)  # fmt: skip


def an_instance(kind: type[BillingualError]) -> BillingualError:
    """Make one error of *kind* as the package would."""
    special = {
        errors.InvalidInputError: lambda: InvalidInputError("due_at", "is naive", "add a zone"),
        errors.UnsupportedError: lambda: errors.UnsupportedError("exante", "void", "cancel it"),
        errors.UnknownNameError: lambda: errors.UnknownNameError("transport", "x", ["a", "b"]),
        errors.MissingExtraError: lambda: errors.MissingExtraError("the sandbox", "cli", "rich"),
        errors.LockedError: lambda: errors.LockedError(
            provider="kukkingu", invoice_id="i", status="FINALIZED",
            locked=["number"], still_open=["paid_at"], exchange=EXCHANGE,
        ),
        errors.BadRowError: lambda: errors.BadRowError([BadRow("$[0].id", "it is null", CANARY)]),
        errors.CircuitOpenError: lambda: errors.CircuitOpenError("open; wait.", retry_after=3.0),
        errors.TokenUnavailableError: lambda: errors.TokenUnavailableError("no", status=503),
        errors.OutcomeUnknown: lambda: OutcomeUnknown(
            "unclear", provider="exante", operation="create", request=REQUEST, likely="unclear"
        ),
    }  # fmt: skip
    if kind in special:
        return special[kind]()
    if issubclass(kind, ProviderError):
        return kind("no", provider="exante", exchange=EXCHANGE, complaint="because")
    if issubclass(kind, errors.TransportError):
        return kind("broke", evidence=Evidence(connected=True))
    return kind("something is wrong; do another thing.")


@pytest.mark.parametrize("kind", CLASSES, ids=lambda each: each.__name__)
def test_every_error_is_exported_and_documented(kind: type[BillingualError]) -> None:
    """What can be raised can be caught by its public name."""
    assert kind.__name__ in errors.__all__
    assert kind.__name__ in billingual.__all__
    assert getattr(billingual, kind.__name__) is kind
    assert (kind.__doc__ or "").strip().endswith((".", "``"))


def test_the_tree_in_the_docstring_is_the_tree_of_classes() -> None:
    """Each class is drawn below its first parent, and nothing else is drawn."""
    drawn: dict[str, str] = {}
    path: list[str] = []
    for line in (errors.__doc__ or "").splitlines():
        match = re.match(r"    ((?:│   |    |├── |└── )*)([A-Z]\w+)(?:\s{2,}\S|$)", line)
        if match:
            depth = len(match[1]) // 4
            path[depth:] = [match[2]]
            drawn[match[2]] = path[depth - 1] if depth else "Exception"

    actual = {each.__name__: each.__mro__[1].__name__ for each in CLASSES}
    assert actual == drawn


@pytest.mark.parametrize("kind", CLASSES, ids=lambda each: each.__name__)
def test_every_error_survives_a_pickle(kind: type[BillingualError]) -> None:
    """Text, attributes, notes and attempts come back, so that a worker can report them."""
    error = an_instance(kind)
    error.add_note("a note")
    error.attempts = (
        Attempt(number=1, outcome=Outcome.UNKNOWN, evidence=Evidence(connected=True)),
    )

    back = pickle.loads(pickle.dumps(error))  # noqa: S301

    assert type(back) is kind
    assert str(back) == str(error)
    assert vars(back) == vars(error)
    assert back.args == (str(error),)
    assert back.__notes__ == ["a note"]


@pytest.mark.parametrize("kind", CLASSES, ids=lambda each: each.__name__)
def test_no_error_shows_what_it_carries(kind: type[BillingualError]) -> None:
    """Bodies, URLs and header values stay out of ``str`` and ``repr``."""
    error = an_instance(kind)

    assert CANARY not in f"{error} {error!r} {vars(error)!r}"


@pytest.mark.parametrize("kind", CLASSES, ids=lambda each: each.__name__)
def test_only_an_unknown_outcome_may_have_been_applied(kind: type[BillingualError]) -> None:
    """Everything else is definite."""
    error = an_instance(kind)

    assert error.maybe_applied is isinstance(error, OutcomeUnknown)
    assert error.attempts == ()


def test_an_unknown_outcome_is_neither_provider_nor_transport_error() -> None:
    """``except ProviderError`` or ``except TransportError`` must not swallow it."""
    assert OutcomeUnknown.__mro__[1] is BillingualError


def test_usage_errors_are_builtin_errors_too() -> None:
    """A wrong value is a ValueError, an unknown name a LookupError."""
    assert issubclass(InvalidInputError, ValueError)
    assert issubclass(errors.UnknownNameError, LookupError)


@pytest.mark.parametrize(
    ("error", "text"),
    [
        (
            InvalidInputError("due_at", "it is naive", "add a time zone"),
            "due_at: it is naive; add a time zone.",
        ),
        (
            errors.UnsupportedError("katsu", "list", "keep the ids yourself"),
            "katsu does not support list; keep the ids yourself.",
        ),
        (
            errors.UnknownNameError("transport", "htpx", ["httpx", "ftp"]),
            "there is no transport named 'htpx'; perhaps you meant httpx; there are: httpx, ftp.",
        ),
        (
            errors.UnknownNameError("provider", "stripe", ["exante"]),
            (
                "there is no provider named 'stripe'; there are: exante. Another API is a Provider "
                "with a dialect of your own."
            ),
        ),
        (
            errors.MissingExtraError("the transport 'sandbox'", "sandbox", "starlette"),
            (
                "the transport 'sandbox' needs starlette, which is not installed; run: "
                'pip install "billingual[sandbox]"'
            ),
        ),
        (
            errors.LockedError(
                provider="kukkingu", invoice_id="i1", status="VOID", locked=["b", "a"],
                still_open=[],
            ),
            (
                "invoice i1 is VOID: the rules of kukkingu locked a, b; nothing may be changed "
                "any more."
            ),
        ),
        (
            errors.LockedError(
                provider="kukkingu", invoice_id="i1", status="FINALIZED", locked=["number"],
                still_open=["paid_at"], exchange=EXCHANGE,
            ),
            "invoice i1 is FINALIZED: kukkingu locked number; only paid_at may still be changed.",
        ),
    ],
    ids=repr,
)  # fmt: skip
def test_an_error_says_what_why_and_what_to_do(error: BillingualError, text: str) -> None:
    """The whole sentence is part of the interface for people."""
    assert str(error) == text


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (b'{"a": 1}', {"a": 1}),
        (b"<html>", None),
        (b"", None),
        (b"\xff\xfe\x00", None),
        (b"[" * 100_000, None),
    ],
    ids=["json", "html", "empty", "binary", "deep"],
)
def test_the_json_of_an_error_is_the_body_or_none(body: bytes, expected: object) -> None:
    """Asking an error for more never raises another."""
    exchange = Exchange.of(REQUEST, WireResponse(status=400, body=body))

    error = ProviderError("no", provider="exante", exchange=exchange)

    assert error.json() == expected
    assert (error.status, error.body) == (400, body)


def test_a_refused_field_is_named_as_data() -> None:
    """A program with words of its own needs no pattern to find the field in the text."""
    rules = FieldRules(accepts=frozenset({"number", "total"}), requires=frozenset({"total"}))
    can = Capabilities(provider="x", features=frozenset())

    with pytest.raises(errors.UnsupportedError) as unsupported:
        can.accept(rules, ["due_at", "total"], "in a draft")
    with pytest.raises(InvalidInputError) as missing:
        can.accept(rules, ["number"], "in a draft")

    assert ("due_at", ("number", "total")) == (unsupported.value.field, unsupported.value.known)
    assert ("total", ("total",)) == (missing.value.field, missing.value.known)


@pytest.mark.parametrize(
    ("options", "field", "hint"),
    [
        ({}, "token", "give_token"),
        ({"token": "t", "tenant": "x"}, "tenant", "leave_out"),
        ({"token": "t", "base_url": "http://x.example"}, "base_url", "use_https"),
        ({"token": "t", "base_url": "https://u@x.example"}, "base_url", "give_token_apart"),
        (
            {"provider": Provider(name="acme", dialects=("tenant",))},
            "base_url",
            "give_base_url_apart",
        ),
        (
            {"provider": Provider(name="acme", dialects=("tenant",), base_url="https://a.example")},
            "token",
            "give_token_apart",
        ),
        ({"token": "t", "provider": "katsu"}, "base_url", "give_base_url"),
    ],
    ids=lambda value: value if isinstance(value, str) else None,
)
def test_a_refused_option_says_what_to_do_as_a_key(
    options: dict[str, Any], field: str, hint: str
) -> None:
    """The command line tells its user to give an option where Python gives an argument."""
    provider = options.get("provider", "exante")
    given: dict[str, Any] = {name: each for name, each in options.items() if name != "provider"}

    with pytest.raises(errors.ConfigurationError) as caught:
        billingual.Client(provider, **given)

    assert (field, hint) == (caught.value.field, caught.value.hint)
    assert ("sandbox" in str(caught.value)) is (hint in {"give_token", "give_base_url"})
