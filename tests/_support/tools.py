"""The programs in tools/, imported as modules: a process for each case would cost more."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType
from typing import Final

__all__ = ["TOOLS", "load"]

TOOLS: Final = Path(__file__).parents[2] / "tools"


def load(name: str) -> ModuleType:
    """Import one of the programs by its file name."""
    spec = importlib.util.spec_from_file_location(name, TOOLS / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # dataclasses look up the module that they are made in
    spec.loader.exec_module(module)
    return module
