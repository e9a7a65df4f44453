"""How many retries a credential may spend while a provider is down.

A few retries are cheap. But if every call of every client is retried, the retries keep an
overloaded provider down. So all calls to one host with one credential share a bucket of tokens:
each retry takes tokens out, each success puts one back, and while the bucket is empty only first
attempts are sent. With the defaults, 10,000 calls during a total outage send 10,035 requests; with
four attempts and no bucket they would send 40,000.

Source of the numbers: the standard retry mode of the AWS SDKs, in the form of 2026,
https://docs.aws.amazon.com/sdkref/latest/guide/feature-retry-behavior.html, read 2026-11.
"""

from __future__ import annotations

import attrs

from billingual.errors import ConfigurationError, shown

__all__ = ["RetryBudget"]


def _token_count(_: object, attribute: attrs.Attribute[int], value: object) -> None:
    if type(value) is not int or value < 0:
        raise ConfigurationError(
            f"RetryBudget({attribute.name}={shown(value)}) counts tokens; give a whole "
            "number from 0 on."
        )


@attrs.define(kw_only=True, eq=False)
class RetryBudget:
    """A bucket of tokens that retries draw from; safe to share between clients and threads.

    Every client has one of its own unless several clients are given the same one as ``budget=``.
    Two threads that draw at the same instant may overdraw it by one retry; a lock on every call
    would cost more than that.

    Attributes:
        capacity: most tokens it holds, and how many it starts with. Default 500: about 35 retries.
        cost: of a retry after a failure. Default 14, so that the retries of an outage end soon.
        throttled_cost: of a retry after a rate limit. Default 5: less than after a failure,
            because a rate limit shows a provider that works.
        earning: what each success puts back. Default 1: one retry for 14 successes.
        tokens: how many it holds now.

    Raises:
        ConfigurationError: if a number is not a whole number from 0 on.
    """

    capacity: int = attrs.field(default=500, validator=_token_count)
    cost: int = attrs.field(default=14, validator=_token_count)
    throttled_cost: int = attrs.field(default=5, validator=_token_count)
    earning: int = attrs.field(default=1, validator=_token_count)
    tokens: int = attrs.field(init=False)

    def __attrs_post_init__(self) -> None:
        self.tokens = self.capacity

    def spend(self, *, throttled: bool) -> bool:
        """Pay for one retry; if there are too few tokens, return False and take none."""
        cost = self.throttled_cost if throttled else self.cost
        if cost > self.tokens:
            return False
        self.tokens -= cost
        return True

    def earn(self) -> None:
        """Put back what one success earns."""
        if self.tokens < self.capacity:
            self.tokens = min(self.capacity, self.tokens + self.earning)
