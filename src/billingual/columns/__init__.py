"""Invoices as Arrow columns: the schema, batches of models, and models of batches.

Arrow is the form in which Polars, DuckDB, pandas, Delta and Parquet hand tables to each other
without a copy (https://arrow.apache.org/docs/format/CDataInterface/PyCapsuleInterface.html).
The library is arro3: 11 MB, where pyarrow has 156.
"""

from __future__ import annotations

from billingual.errors import MissingExtraError

try:
    import arro3.core as _  # noqa: F401 - only to say what to install
except ImportError:
    raise MissingExtraError("a list in columns", "arrow", "arro3") from None

from billingual.columns.batch import batch_of
from billingual.columns.rows import rows_of
from billingual.columns.schema import schema

__all__ = ["batch_of", "rows_of", "schema"]
