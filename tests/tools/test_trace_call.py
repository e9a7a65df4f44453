"""The tool that shows which of our files one call visits."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import pytest

TOOL = Path(__file__).parents[2] / "tools" / "trace_call.py"


@pytest.fixture(scope="module")
def tool() -> ModuleType:
    """Import the tool."""
    spec = importlib.util.spec_from_file_location("trace_call", TOOL)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_it_shows_each_call_and_its_functions(
    tool: ModuleType, capsys: pytest.CaptureFixture[str]
) -> None:
    """Files and functions are named, and nothing is left switched on."""
    assert tool.main(["memory", "--calls"]) == 0

    printed = capsys.readouterr().out
    for call in ("get", "update", "create answered 503", "list(prefetch=4)"):
        assert f"\n{call:22}memory" in printed
    assert "    client.py:AsyncClient.update\n" in printed
    assert "    transports/memory.py:MemoryTransport.send\n" in printed
    assert sys.getprofile() is None


@pytest.mark.parametrize(
    ("bound", "code", "text"),
    [
        ("update:memory=99", 0, ""),
        ("update:memory=3", 1, "update over memory visits "),
        ("update:httpx=99", 1, "update:httpx was not traced"),
    ],
)
def test_a_bound_is_held(
    tool: ModuleType, capsys: pytest.CaptureFixture[str], bound: str, code: int, text: str
) -> None:
    """The gate fails where a call visits more files than it may, or was not traced."""
    assert tool.main(["memory", "--max-files", bound]) == code
    assert text in capsys.readouterr().out
