"""Bodies that JSON allows to be written and no program should choke on."""

from __future__ import annotations

from typing import Final

__all__ = ["BODIES", "VALUES"]

VALUES: Final[dict[str, bytes]] = {
    "NaN": b"NaN",
    "Infinity": b"Infinity",
    "minus Infinity": b"-Infinity",
    "a huge exponent": b"1e999999",
    "a huge negative exponent": b"-1E-999999",
    "an exponent beyond Decimal": b"1e9999999999999999999",
    "a long fraction": b"0." + b"1" * 5_000,
    "5,000 digits": b"9" * 5_000,
    "100,000 digits": b"9" * 100_000,
    "minus 5,000 digits": b"-" + b"9" * 5_000,
    "31 digits": b"1" * 31,
    "deep arrays": b"[" * 10_000 + b"]" * 10_000,
    "deep objects": b'{"a":' * 10_000 + b"1" + b"}" * 10_000,
    "deep and open": b"[" * 100_000,
    "65 arrays": b"[" * 65 + b"]" * 65,
    "half a surrogate": rb'"\ud800"',
    "the other half": rb'"\udfff x"',
    "a surrogate the wrong way round": rb'"\udc00\ud800"',
    "half a surrogate as a name": rb'{"\ud800": 1}',
    "a name twice": b'{"a": 1, "a": 2}',
    "a name twice by escapes": rb'{"a": 1, "\u0061": 2}',
    "a million characters": b'"' + b"x" * 1_000_000 + b'"',
    "a raw control character": b'"\x01\x1b[2J"',
    "NUL": rb'"\u0000"',
    "bytes that are no UTF-8": b'"\xff\xc0\x80"',
    "UTF-8 of a surrogate": b'"\xed\xa0\x80"',
    "a leading zero": b"007",
    "a plus": b"+1",
    "hexadecimal": b"0x10",
    "a comment": b"1 /* one */",
    "a trailing comma": b"[1,]",
    "single quotes": b"'x'",
    "wide digits": "\uff11\uff12".encode(),
    "a date beyond all": b'"99999-99-99T99:99:99Z"',
    "a date of year 0": b'"0000-00-00T00:00:00Z"',
    "an offset beyond all": b'"2026-01-01T00:00:00+99:99"',
    "minus zero": b"-0.0",
    "a fraction": b"12.7",
    "true": b"true",
    "null": b"null",
    "an empty text": b'""',
    "an empty array": b"[]",
    "an empty object": b"{}",
    "many names": b"{" + b",".join(b'"k%d":0' % each for each in range(20_000)) + b"}",
}
"""Values by name, as they are in a body."""

_UID: Final = b"3c90c3cc-0d44-4b50-8888-8dd25736052a"
_INV: Final = b"inv_" + b"a" * 24
BODIES: Final[dict[str, tuple[bytes, ...]]] = {
    "exante": (
        b"@",
        b'{"status": @}',
        b'{"status": "success", "status_code": @}',
        b'{"status": "success", "data": @}',
        b'{"status": "success", "message": @, "data": {"uid": "' + _UID + b'"}}',
        *(
            b'{"status":"success","data":{"uid":"' + _UID + b'","' + name + b'":@}}'
            for name in (
                b"total_cents", b"currency", b"issue_date", b"invoice_number", b"invoice_fields",
                b"line_items", b"parties", b"unknown", b"status", b"uid",
            )
        ),
        b'{"status": "success", "data": [{"uid": "' + _UID + b'", "total_cents": @}]}',
        b'{"status": "success", "data": {"items": [{"uid": "x", "total_cents": @}]}}',
        b'{"status": "success", "data": {"items": @, "_meta": {"page": 1}}}',
        b'{"status": "success", "data": {"items": [], "_meta": {"page": 1, "total_pages": @}}}',
    ),
    "kukkingu": (
        b"@",
        b'{"data": @}',
        *(
            b'{"data": {"id": "' + _INV + b'", "status": "DRAFT", "' + name + b'": @}}'
            for name in (
                b"amountMinor", b"exchangeRate", b"issuedAt", b"contract", b"unknown", b"status",
                b"currencyCode", b"invoiceNumber",
            )
        ),
        b'{"data": [{"id": "' + _INV + b'", "exchangeRate": @}]}',
        b'{"message": @, "errors": @}',
    ),
    "katsu": (
        b"@",
        b'{"succeeded": @}',
        b'{"succeeded": true, "data": @}',
        b'{"succeeded": true, "data": {"invoiceId": "' + _UID + b'", "amount": @}}',
        b'{"invoiceId": "' + _UID + b'", "amount": @, "currency": @, "dueDate": @}',
        b'{"succeeded": false, "message": @, "errors": @}',
    ),
}  # fmt: skip
"""Responses of each provider, where ``@`` is the place of a value."""
