"""How API families write the protocol as HTTP, and the tools that dialects are made with.

For dialects of your own: :class:`Answer` judges and reads an answer and makes the errors,
:func:`read_request` and :func:`write_request` make requests, :func:`decode_json`,
:func:`encode_json` and :func:`structure` are strict JSON without a float, and :class:`Field` with
:func:`write_fields` turn what a caller gave into a body by a table.
"""

from __future__ import annotations

from billingual._lazy import attach

TYPE_CHECKING = False
if TYPE_CHECKING:
    from billingual.dialects._kit.codec import Number, UnreadableError, decode_json
    from billingual.dialects._kit.fields import Field, one_of, refuse_nothing, text_of, write_fields
    from billingual.dialects._kit.http import (
        Answer,
        error_class,
        extra_pairs,
        read_request,
        write_request,
    )
    from billingual.dialects._kit.structure import structure
    from billingual.dialects._kit.writer import encode_json

__all__ = [
    "Answer",
    "Field",
    "Number",
    "UnreadableError",
    "decode_json",
    "encode_json",
    "error_class",
    "extra_pairs",
    "one_of",
    "read_request",
    "refuse_nothing",
    "structure",
    "text_of",
    "write_fields",
    "write_request",
]

__getattr__, __dir__ = attach(
    __name__,
    {
        "_kit.codec": "Number UnreadableError decode_json",
        "_kit.fields": "Field one_of refuse_nothing text_of write_fields",
        "_kit.http": "Answer error_class extra_pairs read_request write_request",
        "_kit.structure": "structure",
        "_kit.writer": "encode_json",
    },
)
