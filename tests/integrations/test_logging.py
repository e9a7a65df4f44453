"""Calls in the log of the standard library, and ``BILLINGUAL_LOG``."""

from __future__ import annotations

import json
import logging
import subprocess
import sys
from typing import Final, get_args

import pytest

from _support.command import environment
from billingual import Client, ConfigurationError, MemoryTransport
from billingual.events import CallEnded, Event
from billingual.integrations.logging import _LEVEL_OF

UID: Final = "00000000-0000-4000-8000-000000000001"
SECRET: Final = "canary-7f3a"
FOUND: Final = MemoryTransport.json(json.dumps({"data": {"uid": UID, "invoice_number": SECRET}}))
PROGRAM: Final = """
import logging, sys
from billingual import Client
if sys.argv[1:] == ["own"]:
    logging.basicConfig(format="own: %(message)s", stream=sys.stderr)
with Client("exante", transport="sandbox") as client:
    client.list(page_size=1).first()
    client.with_options(retry="none").list(page_size=1).first()
"""


def test_each_event_is_a_record_that_carries_it(caplog: pytest.LogCaptureFixture) -> None:
    """The text has routes and outcomes, and neither a token nor a value of the invoice."""
    caplog.set_level(logging.DEBUG, "billingual")
    client = Client(
        "exante", transport=MemoryTransport([FOUND]), observers=["log"], headers={"X-Key": SECRET}
    )
    client.get(UID)

    assert [each.levelname for each in caplog.records] == ["DEBUG", "DEBUG", "DEBUG", "INFO"]
    assert isinstance(vars(caplog.records[-1])["billingual"], CallEnded)
    assert {each.name for each in caplog.records} == {"billingual.calls"}
    assert SECRET not in caplog.text
    assert UID not in caplog.text


def test_there_is_a_level_for_every_event() -> None:
    """An event that was added later must not raise in a call."""
    assert set(get_args(Event)) == set(_LEVEL_OF)


def test_a_client_without_observers_logs_no_calls(caplog: pytest.LogCaptureFixture) -> None:
    """No record is made that a handler would have to drop."""
    caplog.set_level(logging.DEBUG, "billingual")
    Client("exante", transport=MemoryTransport([FOUND])).get(UID)

    assert caplog.records == []


@pytest.mark.parametrize(("level", "lines"), [("info", 2), ("DEBUG", 8), ("", 0)])
def test_a_variable_shows_calls_on_stderr(level: str, lines: int) -> None:
    """Each call once, also of a sibling with other options; nothing of the program changes."""
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM], env=environment({"BILLINGUAL_LOG": level}),
        capture_output=True, text=True, timeout=120, check=True,
    )  # fmt: skip

    assert len(done.stderr.splitlines()) == lines
    assert done.stderr.count(" INFO billingual.calls: call") == min(2, lines)


def test_the_programs_own_handlers_write_it_once() -> None:
    """Two handlers would write every line twice."""
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, "own"], env=environment({"BILLINGUAL_LOG": "info"}),
        capture_output=True, text=True, timeout=120, check=True,
    )  # fmt: skip

    assert [line.partition(":")[0] for line in done.stderr.splitlines()] == ["own", "own"]


def test_a_level_that_does_not_exist_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """The error names those that do."""
    monkeypatch.setenv("BILLINGUAL_LOG", "verbose")

    with pytest.raises(ConfigurationError, match="set it to debug or info"):
        Client("exante", transport=MemoryTransport())
