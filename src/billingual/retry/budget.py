"""How many retries a credential may spend while a provider is down.

Retries that succeed now and then are cheap; retries of everything, by everyone, keep a provider
down. A bucket of tokens is shared by all calls to one host with one credential: each retry takes
tokens out, each success puts one back, and an empty bucket means that only first attempts go out.
With the defaults 10,000 calls into a total outage send 10,035 requests.

Source of the numbers: the standard retry mode of the AWS SDKs,
https://docs.aws.amazon.com/sdkref/latest/guide/feature-retry-behavior.html, read 2026-11.
"""

from __future__ import annotations

import attrs

from billingual.errors import ConfigurationError

__all__ = ["RetryBudget"]


def _positive(_: object, attribute: attrs.Attribute[int], value: object) -> None:
    if type(value) is not int or value < 0:
        raise ConfigurationError(
            f"RetryBudget({attribute.name}={value!r}) counts tokens; give a whole number from 0 on."
        )


@attrs.define(kw_only=True, eq=False)
class RetryBudget:
    """A bucket of tokens that retries draw from; safe to share between clients and threads.

    Every client has one of its own unless one is passed to several of them by ``budget=``. Two
    threads that draw at the same instant may overdraw it by one retry.

    Attributes:
        capacity: most tokens it holds, and what it starts with. Default 500.
        cost: of a retry after a failure. Default 14.
        throttled_cost: of a retry after a rate limit. Default 5.
        earning: what each success puts back. Default 1.
        tokens: what is in it now.

    Raises:
        ConfigurationError: if a number is no whole number from 0 on.
    """

    capacity: int = attrs.field(default=500, validator=_positive)
    cost: int = attrs.field(default=14, validator=_positive)
    throttled_cost: int = attrs.field(default=5, validator=_positive)
    earning: int = attrs.field(default=1, validator=_positive)
    tokens: int = attrs.field(init=False)

    def __attrs_post_init__(self) -> None:
        self.tokens = self.capacity

    def spend(self, *, throttled: bool) -> bool:
        """Pay for one retry; False, and nothing is taken, where the tokens do not suffice."""
        cost = self.throttled_cost if throttled else self.cost
        if cost > self.tokens:
            return False
        self.tokens -= cost
        return True

    def earn(self) -> None:
        """Put back what a success brings."""
        if self.tokens < self.capacity:
            self.tokens = min(self.capacity, self.tokens + self.earning)
