"""A quota that processes share by a Redis or Valkey.

One hash per quota holds when the next call may be sent, and one script moves that on: it reserves
calls and returns when they may be sent. So a process asks once for each lease and never polls, and
the only clock is the store's. With a counter of a window, as rate limit libraries keep it, a
process that is refused has to ask again and again.

The scripts need Redis 5 or newer: before it, a script that had read the clock could not write.
"""

from __future__ import annotations

from typing import Any, Final, Protocol, Self

from billingual.abc import Lease
from billingual.auth import Secret
from billingual.errors import ConfigurationError, MissingExtraError

__all__ = ["RedisClient", "RedisQuota"]

# Each call to the store ends within so many seconds, or fails; then one more connection is tried,
# because the first may have been idle while the store was started again.
_TIMEOUT_S: Final = 0.25

_TIMEOUTS: Final = ("socket_timeout", "socket_connect_timeout")

_PREFIX: Final = "billingual:quota:"

# Fields of the hash: the next free time of all calls and of jobs; until when the quota is frozen;
# which part of the rate is used, and when a 429 last changed that; when other calls than those of
# jobs were last asked for. An hour without a call means as much as an empty hash does, since the
# whole rate is back after 18 minutes and no freeze is longer.
_READ: Final = """
local clock = redis.call('TIME')
local now = clock[1] + clock[2] / 1000000
local found = redis.call('HMGET', KEYS[1], 'free', 'jobs', 'frozen', 'part', 'limited', 'others')
local free, jobs, frozen = tonumber(found[1]) or 0, tonumber(found[2]) or 0, tonumber(found[3]) or 0
local part, limited = tonumber(found[4]) or 1, tonumber(found[5]) or 0
local others = tonumber(found[6]) or 0
part = math.min(1, part + 0.05 * math.floor((now - limited) / 60))
local function keep(...)
  local fields = {...}
  for place = 2, #fields, 2 do fields[place] = string.format('%.6f', fields[place]) end
  redis.call('HSET', KEYS[1], unpack(fields))
  redis.call('EXPIRE', KEYS[1], 3600 + math.ceil(math.max(0, frozen - now, free - now)))
end
"""

# A process may be ten milliseconds late without loss: it asks when it has used its lease up, and
# the response takes its time.
_ACQUIRE: Final = (
    _READ
    + """
local rate, count, is_job = ARGV[1] * part, tonumber(ARGV[2]), ARGV[3] == '1'
local start = math.max(now, frozen)
if count > 0 then
  start = math.max(now - 0.01, free, frozen)
  if is_job then
    start = math.max(start, jobs)
    local most = rate
    if now - others < 10 then most = rate * 0.8 end
    keep('free', start + count / rate, 'jobs', start + count / most)
  else
    keep('free', start + count / rate, 'others', now)
  end
end
return {string.format('%.6f', math.max(0, start - now)), string.format('%.9f', 1 / rate)}
"""
)

_OBSERVE: Final = (
    _READ
    + """
local sent, asked = now - ARGV[1], tonumber(ARGV[2])
local counts = sent > math.max(limited, frozen)
if asked >= 0 then frozen = math.max(frozen, now + asked) end
if counts then
  if asked < 0 or now - limited < 60 then part = math.max(0.1, part * 0.7) end
  limited = now
  keep('frozen', frozen, 'part', part, 'limited', limited)
else
  keep('frozen', frozen)
end
"""
)


class RedisClient(Protocol):
    """A blocking client of redis-py: ``redis.Redis``, or that of a cluster or of sentinels."""

    def register_script(self, script: Any) -> Any:
        """Return a function that runs a script."""
        ...


class RedisQuota:
    """Keep quotas in a Redis or Valkey; a :class:`billingual.abc.QuotaStore`.

    Safe to share between threads, and usable in a forked child.

    Args:
        client: of redis-py; give it timeouts, because calls wait as long as it does.
    """

    def __init__(self, client: RedisClient) -> None:
        self._acquire = client.register_script(_ACQUIRE)
        self._observe = client.register_script(_OBSERVE)

    @classmethod
    def at(cls, address: Secret) -> Self:
        """Return the store at an address; nothing connects yet.

        Raises:
            ConfigurationError: if it is no address of a Redis, or has an option that redis-py does
                not know or a timeout of its own.
            MissingExtraError: if redis-py is not installed.
        """
        try:
            import redis  # noqa: PLC0415 - an extra
            from redis.backoff import NoBackoff  # noqa: PLC0415 - an extra
            from redis.retry import Retry  # noqa: PLC0415 - an extra
        except ModuleNotFoundError:
            raise MissingExtraError("a shared quota", "redis", "redis") from None
        try:
            client = redis.Redis.from_url(
                address.reveal(),
                socket_timeout=_TIMEOUT_S,
                socket_connect_timeout=_TIMEOUT_S,
                retry=Retry(NoBackoff(), 1),
            )
            pool = client.connection_pool
            # Only a connection reads the options of an address; this one is not opened.
            pool.connection_class(**pool.connection_kwargs)
            waits = {pool.connection_kwargs[name] for name in _TIMEOUTS}
            store = cls(client)
        except (LookupError, TypeError, ValueError):
            store, waits = None, {_TIMEOUT_S}
        if waits != {_TIMEOUT_S}:
            raise ConfigurationError(
                f"store= sets {' or '.join(_TIMEOUTS)}, and calls wait for a store for "
                f"{_TIMEOUT_S} s at most; leave it out, or give a RedisQuota(client).",
                field="limiter",
            )
        if store is None:
            # Raised here, because redis-py's own error may quote the address with its password.
            raise ConfigurationError(
                "store= is no address of a Redis, or has an option that redis-py does not know; "
                "write redis://host:6379/0, rediss:// for TLS or unix:///path, or give a "
                "QuotaStore. It is not shown here: it may hold a password.",
                field="limiter",
            )
        return store

    def acquire(self, key: str, *, rate: float, count: int, is_job: bool) -> Lease:
        """Reserve the next *count* calls of a quota."""
        wait_s, spacing_s = self._acquire(
            keys=[_PREFIX + key], args=[repr(float(rate)), count, int(is_job)]
        )
        return Lease(count=count, wait_s=float(wait_s), spacing_s=float(spacing_s))

    def observe(self, key: str, *, sent_ago_s: float, retry_after_s: float | None) -> None:
        """Note a 429."""
        asked_s = -1.0 if retry_after_s is None else retry_after_s
        self._observe(keys=[_PREFIX + key], args=[repr(sent_ago_s), repr(asked_s)])
