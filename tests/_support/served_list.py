"""A provider whose list changes while it is read, by page number or by cursor.

Ids are numbers in the order of the list, so rows can be put in front, behind and in between. A
cursor is the id of the last row, and what follows it are the rows with greater ids.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from typing import Any, ClassVar, Literal
from urllib.parse import parse_qs, urlsplit

import attrs

from billingual import Feature, InvoiceSummary, MemoryTransport, Page, Provider
from billingual.capabilities import Capabilities, FieldRules
from billingual.dialects import DialectBase, ResponseReader, read_request
from billingual.model import Query, instant_text
from billingual.wire import Conversation, WireRequest, WireResponse, encode_query

CAPABILITIES = Capabilities(
    provider="served",
    features=frozenset({Feature.LIST}),
    filters=FieldRules(accepts=frozenset({"counterparty", "status", "updated_from"})),
    sorts=frozenset({"due_at"}),
    page_limit=100,
    scope=frozenset({"tenant"}),
)


@attrs.frozen(kw_only=True)
class ServedListDialect(DialectBase):
    """Speak to the provider of the list."""

    name: ClassVar[str] = "served"
    documented = CAPABILITIES
    provider: str = "served"

    def list_page(self, query: Query) -> Conversation[Page]:
        self.check_query(query)
        pairs = [("size", str(query.page_size or 100)), ("page", str(query.page))]
        if query.filter.updated_from is not None:
            pairs.append(("since", instant_text(query.filter.updated_from)))
        if query.cursor is not None:
            pairs.append(("after", query.cursor))

        def read(reader: ResponseReader) -> Page:
            body = reader.decode()
            rows = tuple(InvoiceSummary(id=each) for each in body.pop("rows"))  # type: ignore[attr-defined]  # a list
            return Page(items=rows, number=query.page, **body)  # type: ignore[arg-type]  # our own

        page: Page = yield read_request("served", "/", "/", encode_query(pairs), read=read)
        return page


SERVED_LIST = Provider(
    name="served",
    dialects=(ServedListDialect(),),
    base_url="https://served.example",
    needs_token=False,
)


class ServedList:
    """The rows, and a transport that serves them.

    Attributes:
        rows: ids in the order of the list.
        before: called with the number of each request before it is answered.
    """

    def __init__(
        self,
        rows: list[int],
        by: Literal["number", "cursor", "uncounted"] = "number",
        before: Callable[[int], object] = lambda _: None,
    ) -> None:
        self.rows = rows
        self.by = by
        self.before = before
        self.asked: list[int] = []
        self._one_at_a_time = threading.Lock()
        self.transport = MemoryTransport(self._respond)

    def options(self, **more: Any) -> dict[str, Any]:
        """Return what a client of this list is made with."""
        return {"provider": SERVED_LIST, "transport": self.transport, "retry": "none", **more}

    def _respond(self, request: WireRequest) -> WireResponse:
        # A walk that fetches pages ahead asks in several threads.
        with self._one_at_a_time:
            return self._page(request)

    def _page(self, request: WireRequest) -> WireResponse:
        asked = {name: each[0] for name, each in parse_qs(urlsplit(request.url).query).items()}
        self.asked.append(int(asked["page"]))
        self.before(len(self.asked))
        size, page = int(asked["size"]), int(asked["page"])
        about: dict[str, object] = {}
        if self.by == "cursor":
            behind = [each for each in self.rows if each > int(asked.get("after", "-1000000000"))]
            rows = behind[:size]
            about["has_next"] = len(behind) > size
            about["next_cursor"] = str(rows[-1]) if len(behind) > size else None
        else:
            rows = self.rows[(page - 1) * size : page * size]
        if self.by == "number":
            about["total_items"] = len(self.rows)
            about["total_pages"] = -(-len(self.rows) // size)
        return MemoryTransport.json(json.dumps({"rows": [str(each) for each in rows], **about}))
