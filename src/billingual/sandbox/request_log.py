"""The log of the last requests, without their credentials."""

from __future__ import annotations

from collections import deque

import attrs

__all__ = ["Entry", "RequestLog"]

_KEPT = 500


@attrs.frozen(kw_only=True)
class Entry:
    """One request as it was met.

    Attributes:
        number: Counts from 1 since the last reset.
        at: The sandbox's time as text.
        provider: Whose request it was.
        method: HTTP method.
        path: Path without the query.
        query: Query string as sent.
        status: HTTP status sent, or None if the connection was cut.
        fault: Kind of the fault it met, or None.
        rule: The sandbox rule that refused it, or None.
    """

    number: int
    at: str
    provider: str
    method: str
    path: str
    query: str
    status: int | None
    fault: str | None
    rule: str | None


class RequestLog:
    """Keep the last 500 entries; *clearings* counts how often all were forgotten."""

    def __init__(self) -> None:
        self._entries: deque[Entry] = deque(maxlen=_KEPT)
        self.count: int = 0
        self.clearings: int = 0

    def add(
        self,
        *,
        at: str,
        provider: str,
        method: str,
        path: str,
        query: str,
        status: int | None,
        fault: str | None,
        rule: str | None,
    ) -> Entry:
        """Note one request."""
        self.count += 1
        entry = Entry(
            number=self.count,
            at=at,
            provider=provider,
            method=method,
            path=path,
            query=query,
            status=status,
            fault=fault,
            rule=rule,
        )
        self._entries.append(entry)
        return entry

    def last(self, limit: int) -> list[Entry]:
        """List the newest entries, oldest of them first."""
        return list(self._entries)[-limit:]

    def clear(self) -> None:
        """Forget all entries and count from 1 again."""
        self._entries.clear()
        self.count = 0
        self.clearings += 1
