"""What a write was meant to do, kept so that its end can be found out later."""

from __future__ import annotations

import attrs

from billingual import model
from billingual.capabilities import Feature

__all__ = ["Intent"]


@attrs.frozen(kw_only=True)
class Intent:
    """One write in the protocol's words; it can be pickled and holds no credential.

    Attributes:
        operation: which one.
        draft: of a create.
        pairs: ids and their changes, of an update or a batch of them.
        invoice_ids: of an operation that names invoices only.
        replacement: of an update that replaces the whole document.
    """

    operation: Feature
    # By the package's name, so that they can be resolved without being loaded before.
    draft: model.Draft | None = None
    pairs: tuple[tuple[str, model.Changes], ...] = ()
    invoice_ids: tuple[str, ...] = ()
    replacement: model.Replacement | None = None
