"""Bodies, headers and targets as text: laid out, masked, and with nothing that a screen obeys."""

from __future__ import annotations

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from billingual.sandbox.page.exchanges import MAX_BODY_KEPT, Body
from billingual.sandbox.page.wire_text import MASK, Secrets, body_text, masked_body, visible

JSON = "application/json"
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(alphabet='abc{}[],:"\\ '), inner),
)


def shown(data: bytes, media_type: str = JSON) -> str:
    """Show a body that was sent with no secret header."""
    body = Body()
    body.add(data)
    return body_text(body, Secrets(()), media_type)


@settings(max_examples=50, deadline=None)
@given(VALUES)
def test_json_that_is_laid_out_is_the_same_json(value: object) -> None:
    """Whatever its texts hold."""
    text = json.dumps(value, ensure_ascii=True)

    assert value == json.loads(shown(text.encode()))


@given(st.text())
def test_a_text_is_shown_without_what_a_screen_obeys(text: str) -> None:
    """Nor what turns the order of the others around; the ends of lines stay."""
    assert all(each.isprintable() or each == "\n" for each in visible(text))


@pytest.mark.parametrize(
    ("text", "seen"),
    [
        ("\x1b[2J", "\\u001b[2J"),
        ("a\u202eb\u2066c", "a\\u202eb\\u2066c"),
        ("\ufeff\u200b\xa0", "\\ufeff\\u200b\\u00a0"),
        ("\U000e0041", "\\U000e0041"),
        ("\x85\x9b\u2028", "\\u0085\\u009b\\u2028"),
        ("שלום é 発注 \U0001f4b6", "שלום é 発注 \U0001f4b6"),
    ],
)
def test_what_has_no_shape_is_shown_as_an_escape(text: str, seen: str) -> None:
    """Letters of every script stay as they are."""
    assert seen == visible(text)


@pytest.mark.parametrize(
    ("data", "seen"),
    [
        (
            b'{"a":1.50,"a":1e400,"b":"\\u0041"}',
            '{\n  "a": 1.50,\n  "a": 1e400,\n  "b": "\\u0041"\n}',
        ),
        (b"[ ]", "[]"),
        (b'{"a":{},"b":[[]]}', '{\n  "a": {},\n  "b": [\n    []\n  ]\n}'),
        (b'{"a":[1,{"b":"x', '{\n  "a": [\n    1,\n    {\n      "b": "x'),
        (b"]]}", "\n]\n]\n}"),
        (b"", ""),
        (b"\xff\xfe", "(2 bytes that are not UTF-8)"),
    ],
)
def test_json_is_shown_as_it_was_sent(data: bytes, seen: str) -> None:
    """Repeated names, digits, escapes, and where it breaks off."""
    assert seen == shown(data)


@pytest.mark.parametrize("data", [b"[" * 60_000, b'{"a":' * 10_000, b'"' * 60_000, b"\\" * 60_000])
def test_a_body_that_means_harm_does_not_make_a_large_page(data: bytes) -> None:
    """Its nesting is laid out to a bound."""
    assert len(shown(data)) < 50 * len(data)


def test_a_page_of_html_is_shown_as_it_is() -> None:
    """It is no JSON, and the page takes it as text."""
    assert shown(b"<script>alert(1)</script>", "text/html") == "<script>alert(1)</script>"


def test_a_long_body_is_shown_in_part_and_says_so() -> None:
    """Also where the part ends within a letter."""
    seen = shown("é".encode() * MAX_BODY_KEPT, "text/plain")

    assert seen.endswith(f"\n(the first {MAX_BODY_KEPT} bytes of {2 * MAX_BODY_KEPT})")
    odd = shown(b"x" + "é".encode() * MAX_BODY_KEPT, "text/plain")
    assert odd.startswith("xé")


@pytest.mark.parametrize(
    ("sent", "kept"),
    [
        ('{"token":"a","b":"c"}', '{"token":"***","b":"c"}'),
        (
            '{"a":{"apiKey":["x",{"y":1}],"z":2},"w":3}',
            '{"a":{"apiKey":["***",{"***":"***"}],"z":2},"w":3}',
        ),
        ('[{"password":1},{"x":"y"}]', '[{"password":"***"},{"x":"y"}]'),
        ('{"client_secret":"broken o', '{"client_secret":"***"'),
        ('{ "paymentMethods": [1] }', '{ "paymentMethods": [1] }'),
        (r'{"to\u006ben":"a"}', r'{"to\u006ben":"***"}'),
        ("token=abc&x=1", "token=***&x=1"),
        ("to%6Ben=abc&x=1", "to%6Ben=***&x=1"),
        ("plain token", "plain token"),
    ],
)
def test_members_are_masked_by_their_names(sent: str, kept: str) -> None:
    """All that is below them; what has none stays as it is, byte for byte."""
    media_type = "application/x-www-form-urlencoded" if "=" in sent else JSON
    media_type = "text/plain" if sent == "plain token" else media_type

    assert kept == masked_body(sent.encode(), media_type).decode()


def test_a_secret_is_struck_out_wherever_it_is() -> None:
    """In the header that brought it no more than the scheme is left."""
    secrets = Secrets((("authorization", "Bearer abcdef"), ("x-api-key", "12345")))

    assert secrets.header("Authorization", "Bearer abcdef") == f"Bearer {MASK}"
    assert secrets.header("X-Api-Key", "12345") == MASK
    assert secrets.header("referer", "/?q=abcdef") == f"/?q={MASK}"
    assert (
        secrets.target("/12345?a=abcdef&access_token=zz") == f"/{MASK}?a={MASK}&access_token={MASK}"
    )
