"""The check of imports finds cycles, imports by string and ignored imports."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest

from _support.tools import load


@pytest.fixture(scope="module")
def tool() -> ModuleType:
    """Import the tool."""
    return load("check_imports")


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Make an empty package."""
    path = tmp_path / "pretended"
    path.mkdir()
    (path / "__init__.py").touch()
    monkeypatch.syspath_prepend(tmp_path)
    yield path
    sys.modules.pop("pretended", None)


def test_a_cycle_is_found_although_only_type_checkers_see_it(
    tool: ModuleType, package: Path
) -> None:
    """The import of one of the two is below TYPE_CHECKING."""
    (package / "one.py").write_text("from pretended import two\n", encoding="utf-8")
    (package / "two.py").write_text(
        "TYPE_CHECKING = False\nif TYPE_CHECKING:\n    from pretended import one\n",
        encoding="utf-8",
    )

    cycle = tool.cycle_of(tool.imports_of("pretended"))

    assert {"pretended.one", "pretended.two"} == set(cycle)


def test_modules_without_a_cycle_pass(tool: ModuleType, package: Path) -> None:
    """One imports the other."""
    (package / "one.py").write_text("from pretended import two\n", encoding="utf-8")
    (package / "two.py").touch()

    assert tool.cycle_of(tool.imports_of("pretended")) == []


@pytest.mark.parametrize(
    "text",
    [
        "import importlib\nimportlib.import_module('billingual.client')\n",
        "from importlib import import_module\nimport_module(name)\n",
        "__import__('billingual')\n",
    ],
)
def test_an_import_by_string_is_found(tool: ModuleType, package: Path, text: str) -> None:
    """Wherever its name comes from."""
    (package / "one.py").write_text(text, encoding="utf-8")

    assert len(list(tool.by_string(package))) == 1


def test_a_third_party_and_the_named_files_may_be_imported_by_string(
    tool: ModuleType, package: Path
) -> None:
    """Neither goes around the layers."""
    (package / "one.py").write_text("import_module('httpx2')\n", encoding="utf-8")
    (package / "plugins.py").write_text("import_module(name)\n", encoding="utf-8")

    assert list(tool.by_string(package)) == []
