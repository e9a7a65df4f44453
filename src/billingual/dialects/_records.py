"""Records on their way in: what every dialect does with the payload of an answer.

A record is the payload itself, once it is known to be as documented; nothing is copied out of it
but what a model has a name for, and nothing of the rest is lost.
"""

from __future__ import annotations

from collections.abc import Container, Mapping
from datetime import datetime
from typing import Final, cast

from billingual.model import read_instant

ENVELOPE: Final = "envelope"
"""The name in an invoice's ``extra`` for what the provider said beside the payload."""


def unknown(payload: Mapping[str, object], known: Container[str]) -> dict[str, object]:
    """Return the fields that are not *known*, as they came."""
    return {name: value for name, value in payload.items() if name not in known}


def moment_of(record: Mapping[str, object], name: str, extra: dict[str, object]) -> datetime | None:
    """Read a timestamp; one that names no point in time goes to *extra* as it came."""
    text = cast(str | None, record.get(name))
    if text is None:
        return None
    moment = read_instant(text)
    if moment is None:
        extra[name] = text
    return moment
