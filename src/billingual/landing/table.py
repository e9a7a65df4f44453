"""The columns of landed invoices: those of a list, and what a landing adds to each row."""

from __future__ import annotations

import functools
import hashlib
from collections.abc import Sequence
from typing import Final

from arro3.core import Array, DataType, Field, RecordBatch, Schema

from billingual.columns import batch_of, schema
from billingual.model import InvoiceSummary

__all__ = ["landed_batch", "landed_schema", "with_deletion"]

_MOMENT: Final = DataType.timestamp("us", tz="UTC")
_NOTES: Final = {
    "_row_hash": DataType.string(),
    "_seen_at": _MOMENT,
    "_deleted_at": _MOMENT,
    "_window": DataType.string(),
    "_sync_id": DataType.string(),
}


@functools.cache
def landed_schema(*, raw: bool = True) -> Schema:
    """Return the schema of landed invoices.

    It is that of :func:`billingual.columns.schema`, and behind it ``_row_hash`` (of the payload, to
    tell whether a row changed), ``_seen_at`` (when it was read), ``_deleted_at`` (when it was found
    gone), ``_window`` and ``_sync_id`` (which read brought it).
    """
    notes = [Field(name, kind, nullable=True) for name, kind in _NOTES.items()]
    return Schema([*(schema(raw=raw).field(name) for name in schema(raw=raw).names), *notes])


def landed_batch(
    rows: Sequence[InvoiceSummary],
    *,
    window: str,
    sync_id: str,
    seen_at: float,
    raw: bool = True,
    deleted: bool = False,
) -> RecordBatch:
    """Make a batch of landed rows.

    Args:
        rows: the invoices.
        window: the window they are of.
        sync_id: the run that read them.
        seen_at: when, in seconds since 1970.
        raw: whether payloads are kept.
        deleted: whether they are gone at the provider, and only their ids are known.
    """
    batch = batch_of(rows)
    hashes = [_hash_of(text) for text in batch.column("raw").to_pylist()]
    # Whole microseconds: a float would not compare equal after a round trip.
    seen = round(seen_at * 1_000_000)
    count = len(rows)
    columns = [batch.column(name) for name in schema(raw=raw).names]
    columns += [
        Array(hashes, type=DataType.string()),
        _moments([seen] * count),
        _moments([seen if deleted else None] * count),
        Array([window] * count, type=DataType.string()),
        Array([sync_id] * count, type=DataType.string()),
    ]
    return RecordBatch.from_arrays(columns, schema=landed_schema(raw=raw))


def with_deletion(batch: RecordBatch, at: float) -> tuple[RecordBatch, int]:
    """Note of landed rows that they are gone since *at*, unless that was noted before.

    Returns:
        The rows, which are the latest of their invoices then, and how many are gone only now.
    """
    now = round(at * 1_000_000)
    before = list(batch.column("_deleted_at").cast(DataType.int64()).to_pylist())
    seen = batch.column("_seen_at").cast(DataType.int64()).to_pylist()
    columns = {
        "_deleted_at": [now if each is None else each for each in before],
        "_seen_at": [
            now if gone is None else each for gone, each in zip(before, seen, strict=True)
        ],
    }
    for name, micros in columns.items():
        place = batch.column_names.index(name)
        batch = batch.set_column(place, batch.schema.field(name), _moments(micros))
    return batch, before.count(None)


def _moments(micros: list[int | None] | list[int]) -> Array:
    return Array(micros, type=DataType.int64()).cast(_MOMENT)


def _hash_of(text: str | None) -> str:
    return hashlib.blake2b((text or "").encode("utf-8"), digest_size=12).hexdigest()
