"""What does not fit in a response that was read all the same."""

from __future__ import annotations

import attrs

from billingual.wire import with_whole_texts

__all__ = ["BadRow", "Problem"]


@attrs.frozen
class Problem:
    """One value that does not fit what the provider documents, or what a write asked for.

    Where it cannot be read, the attribute it belongs to is None, or the entry is left out; the
    value itself stays in ``extra`` and in ``raw``. Where the provider shows another value than a
    write asked for, the attribute has what is shown.

    Attributes:
        path: its place in the response, like ``$.data.items[3].total_cents``; our name for
            the field, like ``due_at``, where another value was asked for.
        reason: what is wrong with it; it never quotes the value.
        value: the value as it came, parsed. It may be personal, so ``repr`` does not show it.
    """

    path: str
    reason: str
    value: object = attrs.field(default=None, converter=with_whole_texts, repr=False, hash=False)


class BadRow(Problem):
    """A row of a list that was left out, because its id cannot be read.

    ``value`` is the row as it came, parsed.
    """

    __slots__ = ()
