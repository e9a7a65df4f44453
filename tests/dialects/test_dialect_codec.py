"""The codec reads strictly, writes exactly, and says where it could not."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from _support.conversations import ids
from billingual.dialects._kit.decoding import (
    MARK,
    UnreadableError,
    decode_json,
    decode_slowly,
)
from billingual.dialects._kit.requests import encode_json
from billingual.errors import InvalidInputError
from billingual.wire import with_whole_texts

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
    (Decimal(1) / 27_000, b"0.00003703703703703703703703703704"),
    (Decimal(f"-{10**30 - 1}E-60"), b"-0." + b"0" * 30 + b"9" * 30),
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
    (10**64, "body"),
    (10**80, "body"),
    (Decimal("0." + "1" * 63), "body"),
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
    (b"1" * 34, int("1" * 34)),
    (b"1" * 5000, "1" * 5000),
    (b"0." + b"1" * 34, Decimal("0." + "1" * 34)),
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


def read_or_told(body: bytes, *, slowly: bool = False) -> object:
    """Read JSON, or return where it is broken and why."""
    try:
        if slowly:
            return repr(decode_slowly(body.removeprefix(MARK), half_surrogates=False))
        return repr(decode_json(body))
    except UnreadableError as error:
        return error.path, error.problem


@given(
    JSON.map(encode_json) | st.lists(TOKENS, max_size=12).map(lambda each: "".join(each).encode())
)
@settings(max_examples=600)
def test_both_readers_read_alike(body: bytes) -> None:
    """The compiled reader and the standard one give the same values and refuse the same bodies."""
    assert read_or_told(body, slowly=True) == read_or_told(body)


@given(TEXT)
def test_a_text_with_half_a_surrogate_pair_can_be_read_where_that_is_asked_for(text: str) -> None:
    """It is read as it came; what is shown or written has U+FFFD in its place."""
    body = json.dumps([text, "a\ud83d"]).encode()
    value = decode_json(body, half_surrogates=True)

    assert [text, "a\ud83d"] == value
    assert [text, "a\ufffd"] == with_whole_texts(value)
