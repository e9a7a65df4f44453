"""How API families write the protocol as HTTP, and the tools that dialects are made with.

The dialects here are made with the same tools:

- :class:`DialectBase` makes the checks that all dialects share, by tables of :class:`Field`, whose
  writers :func:`verbatim`, :func:`text_of`, :func:`one_of`, :func:`minor_units`, :func:`moment`,
  :func:`day`, :func:`uuid`, :func:`id_like`, :func:`currency_code` and :func:`single` write values
  and refuse wrong ones;
- :func:`read_request` and :func:`write_request` make requests that carry how their responses are
  read;
- :class:`ResponseReader` reads a response, and makes the errors it can turn out to be;
  :func:`complaint_in` tells what a part of it complains of;
- :class:`RecordReader` makes models of records, which are structs with fields of the types
  :data:`Whole`, :data:`Number`, :data:`Moment` and :data:`Unnamed` beside Python's own;
  :func:`decimal_of`, :func:`amount_of` and :func:`status_of` make values of them;
- :func:`decode_json` and :func:`encode_json` are JSON without a float.
"""

from __future__ import annotations

from billingual._lazy import attach

TYPE_CHECKING = False
if TYPE_CHECKING:
    from billingual.dialects._kit.complaint import complaint_in
    from billingual.dialects._kit.decoding import UnreadableError, decode_json
    from billingual.dialects._kit.fields import (
        Moment,
        Number,
        Unnamed,
        Whole,
        array_of,
        lenient,
    )
    from billingual.dialects._kit.requests import (
        DialectBase,
        Field,
        currency_code,
        day,
        encode_json,
        extra_pairs,
        id_like,
        minor_units,
        moment,
        one_of,
        read_request,
        single,
        text_of,
        uuid,
        verbatim,
        write_fields,
        write_request,
    )
    from billingual.dialects._kit.responses import (
        RecordReader,
        ResponseReader,
        amount_of,
        collection_method_of,
        decimal_of,
        error_class,
        status_of,
    )

__all__ = [
    "DialectBase",
    "Field",
    "Moment",
    "Number",
    "RecordReader",
    "ResponseReader",
    "Unnamed",
    "UnreadableError",
    "Whole",
    "amount_of",
    "array_of",
    "collection_method_of",
    "complaint_in",
    "currency_code",
    "day",
    "decimal_of",
    "decode_json",
    "encode_json",
    "error_class",
    "extra_pairs",
    "id_like",
    "lenient",
    "minor_units",
    "moment",
    "one_of",
    "read_request",
    "single",
    "status_of",
    "text_of",
    "uuid",
    "verbatim",
    "write_fields",
    "write_request",
]

if not TYPE_CHECKING:  # To a type checker, __getattr__ would mean that every name exists.
    __getattr__, __dir__ = attach(
        __name__,
        {
            "_kit.complaint": "complaint_in",
            "_kit.decoding": "UnreadableError decode_json",
            "_kit.fields": "Moment Number Unnamed Whole array_of lenient",
            "_kit.requests": (
                "DialectBase Field currency_code day encode_json extra_pairs id_like minor_units "
                "moment one_of read_request single text_of uuid verbatim write_fields "
                "write_request"
            ),
            "_kit.responses": (
                "RecordReader ResponseReader amount_of collection_method_of decimal_of error_class "
                "status_of"
            ),
        },
    )
