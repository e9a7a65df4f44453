"""The codec reads strictly, writes exactly, and says where it could not."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any, TypedDict

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from _support.conversations import ids
from billingual.dialects._kit.codec import Number, UnreadableError, decode_json
from billingual.dialects._kit.structure import structure
from billingual.dialects._kit.writer import encode_json
from billingual.errors import InvalidInputError

TEXT = st.text(st.characters(codec="utf-8"))
NUMBER = st.integers(-(10**28), 10**28) | st.decimals(
    allow_nan=False, allow_infinity=False, places=4, min_value=-(10**20), max_value=10**20
)
JSON = st.recursive(
    st.none() | st.booleans() | NUMBER | TEXT,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXT, inner, max_size=4),
    max_leaves=20,
)


@given(JSON)
def test_what_is_written_can_be_read_back(value: object) -> None:
    """Writing and reading any value gives the same value, numbers compared exactly."""
    assert value == decode_json(encode_json(value))


@given(JSON)
def test_any_other_reader_understands_what_is_written(value: object) -> None:
    """The standard library's reader sees the same value in our bytes."""
    assert value == json.loads(encode_json(value), parse_float=Decimal)


WRITTEN: list[tuple[Any, ...]] = [
    (Decimal("1.10"), b"1.10"),
    (Decimal("1E+5"), b"100000"),
    (Decimal("1E-7"), b"0.0000001"),
    (Decimal("0.1"), b"0.1"),
    (
        {"a": [1, None, True, False], "b": {}, "c": []},
        b'{"a":[1,null,true,false],"b":{},"c":[]}',
    ),
    ("é\n", '"é\\n"'.encode()),
    ((1, 2), b"[1,2]"),
]


@pytest.mark.parametrize(("value", "written"), WRITTEN, ids=ids(WRITTEN))
def test_json_is_compact_and_exact(value: object, written: bytes) -> None:
    """No space, no exponent, no escape that is not needed, no digit more or less."""
    assert written == encode_json(value)


UNWRITABLE: list[tuple[Any, ...]] = [
    (1.5, "body"),
    ({"a": [{"b": 0.1}]}, "body.a[0].b"),
    (Decimal("NaN"), "body"),
    (Decimal("Infinity"), "body"),
    (Decimal("1E+999999"), "body"),
    (Decimal("1E-999999"), "body"),
    (10**30, "body"),
    (10**40, "body"),
    (Decimal("0." + "1" * 29), "body"),
    (10**400_000, "body"),
    ("\ud800", "body"),
    ({"\udfff": 1}, "body"),
    ({1: 2}, "body"),
    ({1, 2}, "body"),
    (b"bytes", "body"),
]


@pytest.mark.parametrize(("value", "field"), UNWRITABLE, ids=ids(UNWRITABLE))
def test_what_json_cannot_carry_exactly_is_refused(value: object, field: str) -> None:
    """A float, a number without end, half a surrogate and foreign types never go out."""
    with pytest.raises(InvalidInputError) as caught:
        encode_json(value)

    assert field == caught.value.field


def test_bottomless_nesting_is_not_written() -> None:
    """A list that holds itself is refused instead of exhausting the stack."""
    endless: list[object] = []
    endless.append(endless)

    with pytest.raises(InvalidInputError, match="nested deeper than 64"):
        encode_json(endless)


BROKEN: list[tuple[Any, ...]] = [
    (b"", "no JSON"),
    (b"{", "no JSON"),
    (b'{"a":1}}', "no JSON"),
    (b"\xff", "not UTF-8"),
    ('"é"'.encode("latin-1"), "not UTF-8"),
    ("{}".encode("utf-16"), "not UTF-8"),
    (b"NaN", "NaN"),
    (b"[-Infinity]", "NaN"),
    (b"1" * 31, "30 characters"),
    (b"0." + b"1" * 29, "30 characters"),
    (b'{"x":-12345678901234e-00000000000013}', "30 characters"),
    (b'{"x":-1e-' + b"0" * 28 + b"}", "30 characters"),
    (b'"\\ud800"', "surrogate"),
    (b'{"\\udc00x":1}', "surrogate"),
    (b"[" * 65 + b"]" * 65, "nested deeper"),
    (b'{"a":' * 65 + b"1" + b"}" * 65, "nested deeper"),
    (b"[" * 200_000, "nested deeper"),
    (b"[" * 70 + b'"}"' + b"]" * 70, "nested deeper"),
]


@pytest.mark.parametrize(("body", "problem"), BROKEN, ids=ids(BROKEN))
def test_hostile_or_broken_json_is_one_error(body: bytes, problem: str) -> None:
    """Whatever is wrong with a body, reading it ends in one known error that quotes nothing."""
    with pytest.raises(UnreadableError, match=problem):
        decode_json(body)


UNUSUAL: list[tuple[Any, ...]] = [
    (b"[" * 64 + b"]" * 64, None),
    (b"\xef\xbb\xbf[1]", [1]),
    (b"1e400", Decimal("1e400")),
    (b'"\\ud83d\\ude00"', "\U0001f600"),
    (b"1" * 30, int("1" * 30)),
    (b"0.10", Decimal("0.10")),
    (b'{"a":{"a":1}}', {"a": {"a": 1}}),
    (b'{"a":1,"b":3,"a":2}', {"a": 2, "b": 3}),
    (rb'{"a":1,"\u0061":2}', {"a": 2}),
    (b"[1e999999,-1E-999999]", [Decimal("1e999999"), Decimal("-1e-999999")]),
    (b"[1e99999999999999999999]", ["1e99999999999999999999"]),
    (b"[-0,-0.0]", [0, Decimal("-0.0")]),
    (b'"' + b"[" * 200 + b'"', "[" * 200),
    (b'"' + b"-" * 200 + b'"', "-" * 200),
    (b'"' + b"1" * 200 + b'"', "1" * 200),
    (b'["-1e-' + b"0" * 28 + b'"]', ["-1e-" + "0" * 28]),
    (b"-12345678901234e-0000000000013", Decimal("-12345678901234e-13")),
]


@pytest.mark.parametrize(("body", "value"), UNUSUAL, ids=ids(UNUSUAL))
def test_unusual_but_sound_json_is_read(body: bytes, value: object) -> None:
    """The bounds let through all that stays within them, and a byte order mark."""
    read = decode_json(body)

    assert value is None or value == read


TOKENS = st.sampled_from(
    [
        "{", "}", "[", "]", ",", ":", '"a"', '"b"', '"[{"', '"\\u00e9"', '"\\ud83d\\ude00"',
        '"\\ud800"', '"\\"', '"é"', '"\x01"', " ", "\n", "\ufeff", "0", "-0", "01", "1", "-", "1.",
        "1.50", "1e5", "1E+400", "1e999999", "1e99999999999999999999", "9" * 29, "9" * 31,
        "0." + "1" * 29, "-1.5e-" + "0" * 24,
        "-1.5e-" + "0" * 25, "-" + "1" * 29, "-" + "1" * 30, "true", "false", "null", "NaN",
        "-Infinity", "[" * 64, "]" * 64,
    ]
)  # fmt: skip


def read_or_told(body: bytes) -> object:
    """Read JSON, or return where it is broken and why."""
    try:
        return repr(decode_json(body))
    except UnreadableError as error:
        return error.path, error.problem


@given(
    JSON.map(encode_json) | st.lists(TOKENS, max_size=12).map(lambda each: "".join(each).encode())
)
@settings(max_examples=600)
def test_both_readers_read_alike(body: bytes) -> None:
    """The compiled reader and the standard one give the same values and refuse the same bodies.

    With a byte order mark before it a body goes to the standard one.
    """
    marked = read_or_told(b"\xef\xbb\xbf" + body)
    plain = read_or_told(body)
    if body.startswith(b"\xef\xbb\xbf"):
        assert isinstance(marked, tuple)
    else:
        assert marked == plain


class Inner(TypedDict):
    """A record inside another, with nothing in it that may be left out."""

    uid: str
    count: int | None


class Least(TypedDict):
    """What a record requires."""

    id: str


class Outer(Least, total=False):
    """A record with a field of each type."""

    amountMinor: int | None
    rate: Number | None
    most: Number
    yes: bool | None
    lines: list[Inner] | None
    inner: Inner | None
    notes: dict[str, object]
    anything: object


def test_a_record_is_the_payload_itself() -> None:
    """Unknown fields do no harm, null and absence are the same, and nothing is copied."""
    for payload in (
        {"id": "1", "amountMinor": 5, "rate": 2, "lines": [{"uid": "a", "count": 1}], "new": 1},
        {"id": "1", "rate": None, "inner": None, "lines": []},
        {"id": "1", "rate": Decimal("1.5"), "most": Decimal(2), "notes": {"a": []}},
        {"id": "1", "anything": None},
    ):
        assert structure(payload, Outer, "$") is payload


MISFITS: list[tuple[Any, ...]] = [
    ({}, "$.data.id", "missing"),
    ({"id": None}, "$.data.id", "null where text"),
    ({"id": 1}, "$.data.id", "a whole number where text"),
    ([], "$.data", "an array where an object"),
    ("id", "$.data", "text where an object"),
    (None, "$.data", "null where an object"),
    ({"id": "1", "amountMinor": Decimal("12.7")}, "$.data.amountMinor", "fraction where a who"),
    ({"id": "1", "amountMinor": True}, "$.data.amountMinor", "a boolean where a whole number"),
    ({"id": "1", "amountMinor": "12"}, "$.data.amountMinor", "text where a whole number"),
    ({"id": "1", "rate": "1.12"}, "$.data.rate", "text where a number"),
    ({"id": "1", "rate": False}, "$.data.rate", "a boolean where a number"),
    ({"id": "1", "rate": Decimal("1e401")}, "$.data.rate", "exponent beyond all use"),
    ({"id": "1", "most": Decimal("-1e-401")}, "$.data.most", "exponent beyond all use"),
    ({"id": "1", "yes": 1}, "$.data.yes", "a whole number where a boolean"),
    ({"id": "1", "yes": "true"}, "$.data.yes", "text where a boolean"),
    ({"id": "1", "lines": {}}, "$.data.lines", "an object where an array"),
    ({"id": "1", "lines": "ab"}, "$.data.lines", "text where an array"),
    (
        {"id": "1", "lines": [{"uid": "a", "count": 1}, None]},
        "$.data.lines[1]",
        "null where an object",
    ),
    ({"id": "1", "lines": [{"uid": "a", "count": None}, {}]}, "$.data.lines[1].uid", "missing"),
    ({"id": "1", "lines": [{"uid": "a"}]}, "$.data.lines[0].count", "missing"),
    ({"id": "1", "most": None}, "$.data.most", "null where a number"),
    ({"id": "1", "notes": None}, "$.data.notes", "null where an object"),
    ({"id": "1", "notes": []}, "$.data.notes", "an array where an object"),
    ({"id": "1", "inner": {"uid": "a", "count": []}}, "$.data.inner.count", "an array where"),
]


@pytest.mark.parametrize(("payload", "path", "problem"), MISFITS, ids=ids(MISFITS))
def test_a_misfit_is_named_by_its_path_on_the_wire(
    payload: object, path: str, problem: str
) -> None:
    """Nothing is coerced, and the error leads to the first misfit in the provider's names."""
    with pytest.raises(UnreadableError, match=problem) as caught:
        structure(payload, Outer, "$.data")

    assert path == caught.value.path
