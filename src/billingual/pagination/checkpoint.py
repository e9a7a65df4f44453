"""How far a walk got, as a short text from which another walk goes on.

Rows move between two walks: providers page by number, and other rows are added and deleted. So a
checkpoint names the page of the last row that was handed out, and keeps fingerprints of the last
rows. The next walk looks for them there and on the pages around, and goes on behind them.
"""

from __future__ import annotations

import json
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Iterator, Sequence
from hashlib import blake2b
from operator import length_hint
from typing import Any, Final, cast

import attrs

from billingual.errors import InvalidInputError
from billingual.model import InvoiceSummary, Page, Query

__all__ = ["Listing", "Place"]

MARKS: Final = 16
"""Rows that are remembered. A walk goes on behind any of them, so 15 of them may be deleted."""

CHECKED: Final = 1_000
"""Rows behind the place that are compared with the marks: a row may have moved a few pages."""

_WIDTH: Final = 6
"""Bytes of a mark: for two given ids the chance to be taken for each other is 1 in 2**48."""

_VERSION: Final = 1
_FIX: Final = "give the checkpoint of a list with the same arguments, or leave it out to start anew"


def _mark(text: str) -> bytes:
    return blake2b(text.encode("utf-8", "surrogatepass"), digest_size=_WIDTH).digest()


@attrs.frozen(kw_only=True)
class Listing:
    """Which list a checkpoint belongs to; it is refused by any other list.

    Attributes:
        provider: the provider's name.
        dialect: the dialect's name.
        account: a digest of tenant and organization.
        query: a digest of filter and sort.
    """

    provider: str
    dialect: str
    account: str
    query: str

    @classmethod
    def of(cls, query: Query, *, provider: str, dialect: str, account: object) -> Listing:
        """Describe a list. What its filter holds can be personal, so only a digest is kept."""
        wanted = [query.filter.to_dict(json=True), None if query.sort is None else str(query.sort)]
        return cls(
            provider=provider, dialect=dialect, account=_digest(account), query=_digest(wanted)
        )

    def refuse_other(self, other: Listing) -> None:
        """Refuse a checkpoint of another list.

        Raises:
            InvalidInputError: if *other* is another; the error says in what.
        """
        for field, what in (
            ("provider", f"the provider {other.provider!r:.40}"),
            ("dialect", f"the dialect {other.dialect!r:.40}"),
            ("account", "another tenant or organization"),
            ("query", "another filter or sort"),
        ):
            if getattr(self, field) != getattr(other, field):
                raise InvalidInputError("resume", f"it is of a list of {what}", _FIX)


def _digest(value: object) -> str:
    text = json.dumps(value, sort_keys=True)
    return blake2b(text.encode("utf-8", "surrogatepass"), digest_size=9).hexdigest()


@attrs.define
class Place:
    """What a walk has handed out so far.

    Attributes:
        listing: what is listed.
        page_size: rows on a page as the caller gave it; None for the dialect's own.
        page: the page to go on with.
        cursor: what that page is asked for with, where the provider pages by cursor.
        by_cursor: whether the provider pages by cursor.
        taken: how many rows of the page were handed out.
        rows: how many rows were handed out in all.
        marks: of the last of them.
    """

    listing: Listing
    page_size: int | None = None
    page: int = 1
    cursor: str | None = None
    by_cursor: bool = False
    taken: int = 0
    rows: int = 0
    marks: tuple[bytes, ...] = attrs.field(default=(), repr=False)
    _last_ids: tuple[str, ...] = attrs.field(default=(), repr=False)
    _out: Page | None = attrs.field(default=None, repr=False)
    _asked: Query = attrs.field(factory=Query, repr=False)
    _next_cursor: str | None = attrs.field(default=None, repr=False)
    _left: Iterator[object] = attrs.field(default=iter(()), repr=False)
    _unchecked: int = attrs.field(default=CHECKED, repr=False)

    @classmethod
    def read(cls, text: object, listing: Listing, page_size: int | None) -> Place:
        """Read a checkpoint.

        Raises:
            InvalidInputError: if it is none, is of another list, or of another page size.
        """
        if not isinstance(text, str):
            raise InvalidInputError("resume", f"{type(text).__name__} is no checkpoint", _FIX)
        try:
            place = _place_from(json.loads(text), listing)
        except InvalidInputError:
            raise
        except (ValueError, TypeError, LookupError, AttributeError, RecursionError):
            raise InvalidInputError("resume", "it is no checkpoint", _FIX) from None
        if page_size is not None and page_size != place.page_size:
            size = "the largest" if place.page_size is None else place.page_size
            raise InvalidInputError("page_size", f"the checkpoint is of a list by {size}", _FIX)
        return place

    def fresh(self) -> Place:
        """Return the place that this walk started from, for another walk."""
        return Place(
            self.listing,
            self.page_size,
            self.page,
            self.cursor,
            self.by_cursor,
            self.taken,
            self.rows,
            self.marks,
        )

    @property
    def is_start(self) -> bool:
        """Whether nothing was handed out before."""
        return self.rows == 0 and self.page == 1

    @property
    def knows_all(self) -> bool:
        """Whether each row is marked that the page and those before it could hand out again."""
        return (self.taken if self.by_cursor else self.rows) <= len(self.marks)

    def is_on(self, page: Page) -> bool:
        """Tell whether one of the last rows is on *page*."""
        marks = set(self.marks)
        return any(_mark(row.id) in marks for row in page.items)

    def handed_out_before(self, page: Page) -> frozenset[str]:
        """Return the ids of those rows of *page* that an earlier walk handed out.

        On the first page that is all down to the first row with a mark, if this page was left in
        the middle; and all rows with one.
        """
        if self._unchecked <= 0 or not self.marks:
            return frozenset()
        first, self._unchecked = self._unchecked == CHECKED, self._unchecked - len(page.items) - 1
        marks = set(self.marks)
        marked = [index for index, row in enumerate(page.items) if _mark(row.id) in marks]
        before = page.items[: marked[0]] if first and marked and self.taken else ()
        return frozenset([row.id for row in before] + [page.items[index].id for index in marked])

    def hand_out(self, page: Page, asked: Query, next_cursor: str | None) -> None:
        """Note that *page* is handed out, after what came before was settled."""
        self._out, self._asked, self._next_cursor = page, asked, next_cursor
        self._left = iter(())

    def rows_of(self, page: Page) -> Iterator[InvoiceSummary]:
        """Hand *page* out row by row instead of whole."""
        rows = iter(page.items)
        self._left = rows
        return rows

    def now(self) -> Place:
        """Return a copy that does not move on with the walk."""
        now = attrs.evolve(self)
        now.settle()
        return now

    def text(self) -> str:
        """Return the checkpoint."""
        now = self.now()
        marks = (*now.marks, *map(_mark, now._last_ids))[-MARKS:]  # noqa: SLF001 - likewise
        return json.dumps(
            {
                "v": _VERSION,
                "of": attrs.asdict(self.listing),
                "page": now.page,
                "size": now.page_size,
                "cursor": now.cursor,
                "by_cursor": now.by_cursor,
                "taken": now.taken,
                "rows": now.rows,
                "last": urlsafe_b64encode(b"".join(marks)).decode(),
            },
            separators=(",", ":"),
        )

    def settle(self) -> None:
        """Make what was handed out of the current page a part of the place, and let go of it."""
        page, self._out = self._out, None
        if page is None:
            return
        left = length_hint(self._left)
        taken: Sequence[InvoiceSummary] = page.items[: len(page.items) - left]
        self.rows += len(taken)
        self._last_ids = (*self._last_ids, *[row.id for row in taken[-MARKS:]])[-MARKS:]
        self.by_cursor = self.by_cursor or self._next_cursor is not None
        if not left and self._next_cursor is not None:
            self.page, self.cursor, self.taken = self._asked.page + 1, self._next_cursor, 0
        elif taken:
            self.page, self.cursor, self.taken = self._asked.page, self._asked.cursor, len(taken)


def _place_from(said: Any, listing: Listing) -> Place:
    if said["v"] != _VERSION:
        raise InvalidInputError("resume", "it is of another version of billingual", _FIX)
    listing.refuse_other(Listing(**{name: str(each) for name, each in said["of"].items()}))
    page, size, cursor, marks = said["page"], said["size"], said["cursor"], said["last"]
    taken, rows = said["taken"], said["rows"]
    for number in (page, 1 if size is None else size, taken + 1, rows + 1):
        if type(number) is not int or number < 1:
            raise ValueError
    if not isinstance(cursor, str | None) or type(said["by_cursor"]) is not bool:
        raise TypeError
    packed = urlsafe_b64decode(cast(str, marks))
    if len(packed) % _WIDTH or len(packed) > MARKS * _WIDTH:
        raise ValueError
    each = tuple(packed[at : at + _WIDTH] for at in range(0, len(packed), _WIDTH))
    return Place(listing, size, page, cursor, said["by_cursor"], taken, rows, each)
