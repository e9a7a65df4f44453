"""How API families write the protocol as HTTP, and the tools that dialects are made with.

For dialects of your own: :class:`Answer` judges and reads an answer and makes the errors,
:func:`read_request` and :func:`write_request` make requests, :func:`decode_json`,
:func:`encode_json` and :func:`structure` are strict JSON without a float, and :class:`Field` with
:func:`write_fields` turn what a caller gave into a body by a table.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from billingual.dialects._kit.codec import (
        Number,
        UnreadableError,
        decode_json,
    )
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

_HOMES = {
    "text_of": "_kit.fields",
    "refuse_nothing": "_kit.fields",
    "one_of": "_kit.fields",
    "extra_pairs": "_kit.http",
    "Answer": "_kit.http",
    "Field": "_kit.fields",
    "Number": "_kit.codec",
    "UnreadableError": "_kit.codec",
    "decode_json": "_kit.codec",
    "encode_json": "_kit.writer",
    "error_class": "_kit.http",
    "read_request": "_kit.http",
    "structure": "_kit.structure",
    "write_fields": "_kit.fields",
    "write_request": "_kit.http",
}


def __getattr__(name: str) -> object:
    """Import a tool on first use: who names a dialect needs none of them."""
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module  # noqa: PLC0415 - only a first use pays for it

    value = getattr(import_module(f"{__name__}.{home}"), name)
    globals()[name] = value
    return value
