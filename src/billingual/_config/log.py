"""``BILLINGUAL_LOG``: log every call without changing the program."""

from __future__ import annotations

import logging
from typing import Final, cast

from billingual.abc import Observer
from billingual.errors import ConfigurationError
from billingual.plugins import OBSERVERS

__all__ = ["observer_for"]

_LEVELS: Final = ("debug", "info")


def observer_for(level: str) -> Observer:
    """Return the observer that logs calls, and write what is logged from *level* upwards to stderr.

    Where the program set up its own handlers, those write it, and nothing is written twice.

    Args:
        level: ``info`` (ends of calls, retries, what cannot be read) or ``debug`` (each attempt).

    Raises:
        ConfigurationError: if it is another word.
    """
    wanted = level.strip().lower()
    if wanted not in _LEVELS:
        raise ConfigurationError(
            f"BILLINGUAL_LOG is {level!r}; set it to {' or '.join(_LEVELS)}, or unset it."
        )
    logger = logging.getLogger("billingual")
    logger.setLevel(wanted.upper())
    if not logger.hasHandlers():
        handler = logging.StreamHandler()
        handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(name)s: %(message)s"))
        logger.addHandler(handler)
    return cast(Observer, OBSERVERS.load("log"))
