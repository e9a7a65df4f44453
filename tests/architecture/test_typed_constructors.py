"""Constructors that are spelt out for type checkers have the fields of their classes."""

from __future__ import annotations

import ast
import inspect
import textwrap
from typing import Any

import attrs
import pytest

from billingual.model import Changes, Draft, Filter


@pytest.mark.parametrize("kind", [Changes, Draft, Filter])
def test_the_spelt_constructor_has_every_field(kind: Any) -> None:
    """In any order, all by name, each with a default."""
    (defined,) = ast.parse(textwrap.dedent(inspect.getsource(kind))).body
    spelt = next(
        node
        for node in ast.walk(defined)
        if isinstance(node, ast.FunctionDef) and node.name == "__init__"
    )

    assert {each.arg for each in spelt.args.kwonlyargs} == {f.name for f in attrs.fields(kind)}
    assert [each.arg for each in spelt.args.args] == ["self"]
    assert None not in spelt.args.kw_defaults
