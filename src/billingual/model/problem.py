"""What could not be read of a response that was read all the same."""

from __future__ import annotations

import attrs

__all__ = ["BadRow", "Problem"]


@attrs.frozen
class Problem:
    """One value that does not fit what the provider documents.

    The attribute it belongs to is None, or the entry is left out; the value itself stays in
    ``extra`` and in ``raw``.

    Attributes:
        path: where it stands in the response, like ``$.data.items[3].total_cents``.
        reason: what is wrong with it; it never quotes the value.
        value: the value as it came, parsed. It may be personal, so ``repr`` does not show it.
    """

    path: str
    reason: str
    value: object = attrs.field(default=None, repr=False, hash=False)


@attrs.frozen
class BadRow(Problem):
    """A row of a list that was left out, because its id cannot be read.

    ``value`` is the row as it came, parsed.
    """
