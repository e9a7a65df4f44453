"""The check for private names of third parties finds each way to use one, and nothing of ours."""

from __future__ import annotations

import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Final

import pytest

from _support.tools import load

BAD: Final = {
    "import of a module": "import concurrent.futures._base",
    "import from a module": "from concurrent.futures._base import Future",
    "import of a name": "from asyncio import _get_running_loop",
    "import from a flat library's submodule": "from httpx._client import Client",
    "import of what is not exported": "from stranger import kept_back",
    "import from an undocumented module": "from h11._connection import Connection",
    "attribute of a module": "import asyncio\nasyncio._get_running_loop()",
    "attribute of an unknown value": "def use(value):\n    return value._loop",
    "attribute of an annotated value": """
        import asyncio
        class Own:
            _loop: int = 1
        def use(value: asyncio.Transport) -> object:
            return value._loop
    """,
    "attribute of a value narrowed by isinstance": """
        import asyncio
        class Own:
            _loop: int = 1
        def use(value: object) -> object:
            return isinstance(value, asyncio.Transport) and value._loop
    """,
    "attribute of an annotated field": """
        import asyncio
        class Own:
            _loop: int = 1
            task: asyncio.Task[None]
            def use(self) -> object:
                return self.task._loop
    """,
    "getattr": "def use(value):\n    return getattr(value, '_loop', None)",
    "hasattr": "def use(value):\n    return hasattr(value, '_loop')",
    "setattr": "def use(value):\n    setattr(value, '_loop', None)",
    "object.__setattr__": "def use(value):\n    object.__setattr__(value, '_loop', None)",
    "attrgetter": "from operator import attrgetter\nread = attrgetter('_loop')",
    "vars": "def use(value):\n    return vars(value)['_loop']",
    "__dict__": "def use(value):\n    return value.__dict__['_loop']",
    "patch": "from unittest.mock import patch\nmocked = patch('asyncio._get_running_loop')",
    "import_module": "import importlib\nimportlib.import_module('concurrent.futures._base')",
    "sys.modules": "import sys\ndef use():\n    return sys.modules['asyncio._gone']",
    "override of a private method": """
        from http.client import HTTPResponse
        class Own(HTTPResponse):
            def _read_status(self):
                return super()._read_status()
    """,
    "a name that a base class uses as well": """
        from http.client import HTTPConnection
        class Own(HTTPConnection):
            def __init__(self) -> None:
                self._buffer = []
    """,
    "a read of a base class's name": """
        import threading
        class Own(threading.Thread):
            def name_of_target(self) -> object:
                return self._target
    """,
    "a name on self that is declared nowhere": """
        class Own:
            def use(self) -> object:
                return self._declared_nowhere
    """,
}  # fmt: skip

GOOD: Final = """
from __future__ import annotations
import os
from collections import namedtuple
from enum import Enum
from http.client import HTTPConnection
from pretend import _own
from pretend._own import _Base, _make_one
from stranger import shown

Pair = namedtuple("Pair", "a b")

class Kind(Enum):
    ONE = 1
    @classmethod
    def _missing_(cls, value: object) -> Kind:
        return cls.ONE

class Derived(_Base):
    __slots__ = ("_slot",)
    def use(self, other: object) -> object:
        self._slot = self._given
        return isinstance(other, _Base) and other._given == self._slot

class Connection(HTTPConnection):
    _watched: bool = False

def use(base: _Base, pair: Pair) -> object:
    if base is None:
        os._exit(1)
    own = _make_one(), base._given, _own._make_one, getattr(base, "_given")
    return own, pair._replace(a=1), shown
"""
OWN: Final = """
class _Base:
    _given: int = 1

def _make_one() -> _Base:
    return _Base()
"""


@pytest.fixture(scope="module")
def tool() -> ModuleType:
    """Import the tool."""
    return load("check_private_names")


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Make a package with a private module of its own, and a library of a third party."""
    path = tmp_path / "pretend"
    path.mkdir()
    (path / "__init__.py").touch()
    (path / "_own.py").write_text(OWN, encoding="utf-8")
    stranger = "__all__ = ['shown']\nshown = kept_back = 1\n"
    (tmp_path / "stranger.py").write_text(stranger, encoding="utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    yield path
    for name in [each for each in sys.modules if each.partition(".")[0] in {"pretend", "stranger"}]:
        del sys.modules[name]


@pytest.mark.parametrize("text", BAD.values(), ids=list(BAD))
def test_each_use_of_a_private_name_is_found(tool: ModuleType, package: Path, text: str) -> None:
    """Read, set, overridden, imported or given as a string."""
    (package / "module.py").write_text(textwrap.dedent(text), encoding="utf-8")

    assert [each.path.name for each in tool.find(package)] != []


def test_our_own_and_documented_names_are_not_found(tool: ModuleType, package: Path) -> None:
    """A private name that a class of ours declares, dunders, sunders and namedtuple's methods."""
    (package / "module.py").write_text(GOOD, encoding="utf-8")

    assert [str(each) for each in tool.find(package)] == []


def test_an_allowed_name_must_be_used_and_have_a_test(tool: ModuleType) -> None:
    """The table cannot keep a name that is no longer used."""
    tool.ALLOWED["gone.py", "asyncio._gone"] = tool.Unavoidable(
        reason="none", guard="none", test="tests/tools/test_check_private_names.py::test_gone"
    )

    try:
        wrong = list(tool.stale(set()))
    finally:
        del tool.ALLOWED["gone.py", "asyncio._gone"]

    assert len([each for each in wrong if each.startswith("gone.py: asyncio._gone")]) == 2
