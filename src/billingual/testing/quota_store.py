"""A quota store in memory, for tests: what a Redis does, without one."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

import attrs

from billingual.abc import Lease

__all__ = ["MemoryQuotaStore"]


@attrs.define(eq=False)
class _Quota:
    free: float = 0.0
    jobs: float = 0.0
    frozen: float = 0.0
    part: float = 1.0
    limited: float = float("-inf")
    others: float = float("-inf")


class MemoryQuotaStore:
    """Keep quotas in memory; a :class:`billingual.abc.QuotaStore` for clients of one process.

    Args:
        now: returns seconds on a clock that never goes back. Default: the system's.

    Attributes:
        calls: how often it was asked.
        failure: what every call raises; None for a store that works.
    """

    def __init__(self, now: Callable[[], float] = time.monotonic) -> None:
        self.calls: int = 0
        self.failure: Exception | None = None
        self._now = now
        self._lock = threading.Lock()
        self._quotas: dict[str, _Quota] = {}

    def acquire(self, key: str, *, rate: float, count: int, is_job: bool) -> Lease:
        """Reserve the next *count* calls of a quota."""
        with self._lock:
            quota, now = self._quota(key)
            rate *= self._part(quota, now)
            start = max(now, quota.frozen)
            if count:
                start = max(start, quota.free, quota.jobs if is_job else 0.0)
                quota.free = start + count / rate
                if is_job:
                    most = rate * (0.8 if now - quota.others < 10 else 1.0)
                    quota.jobs = start + count / most
                else:
                    quota.others = now
            return Lease(count=count, wait_s=start - now, spacing_s=1 / rate)

    def observe(self, key: str, *, sent_ago_s: float, retry_after_s: float | None) -> None:
        """Note a 429."""
        with self._lock:
            quota, now = self._quota(key)
            counts = now - sent_ago_s > max(quota.limited, quota.frozen)
            if retry_after_s is not None:
                quota.frozen = max(quota.frozen, now + retry_after_s)
            if counts:
                part = self._part(quota, now)
                again = retry_after_s is None or now - quota.limited < 60
                quota.part = max(0.1, part * 0.7) if again else part
                quota.limited = now

    def _quota(self, key: str) -> tuple[_Quota, float]:
        self.calls += 1
        if self.failure is not None:
            raise self.failure
        return self._quotas.setdefault(key, _Quota()), self._now()

    @staticmethod
    def _part(quota: _Quota, now: float) -> float:
        if quota.part == 1.0:
            return 1.0
        return min(1.0, quota.part + 0.05 * ((now - quota.limited) // 60))
