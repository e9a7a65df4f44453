"""Both clients have the same names, parameters and types, and each has its own words."""

from __future__ import annotations

import inspect
import re
from typing import Any, Final, get_overloads

import pytest

from billingual import AsyncClient, Client, Pager
from billingual._sync.base import Stepped
from billingual.pagination import AsyncPager

PAIRS: Final = ((AsyncClient, Client), (AsyncPager, Pager))
NAMES: Final = {
    "aclose": "close", "__aenter__": "__enter__", "__aexit__": "__exit__", "__aiter__": "__iter__",
}  # fmt: skip
# A pager is made by its client, so how it is made is private.
UNPAIRED: Final = {(AsyncPager, "__init__")}


def public(kind: type) -> dict[str, Any]:
    """List what a class itself offers to its users, by name."""
    dunders = {"__init__", "__repr__", *NAMES, *NAMES.values()}
    return {
        name: member
        for name, member in vars(kind).items()
        if (not name.startswith("_") or name in dunders) and (kind, name) not in UNPAIRED
    }


def turned(annotation: str) -> str:
    """Turn the text of an annotation."""
    return re.sub(r"\bAsync(Client|Columns|Iterator|Pager|Walk)\b", r"\1", annotation)


def laid_out(signature: inspect.Signature, turn: Any = str) -> list[Any]:
    """Take a signature apart."""
    parameters = [
        (each.name, each.kind, each.default, turn(str(each.annotation)))
        for each in signature.parameters.values()
    ]
    return [*parameters, turn(str(signature.return_annotation))]


MEMBERS: Final = [
    pytest.param(member, vars(twin).get(NAMES.get(name, name)), id=f"{kind.__name__}.{name}")
    for kind, twin in PAIRS
    for name, member in public(kind).items()
]


def function_of(member: Any) -> Any:
    """Return the function of a method or property."""
    if isinstance(member, classmethod):
        return member.__func__
    return member.fget if isinstance(member, property) else member


@pytest.mark.parametrize(("kind", "twin"), PAIRS)
def test_no_name_is_on_one_side_only(kind: type, twin: type) -> None:
    """What one client can do, the other can."""
    expected = {NAMES.get(name, name) for name in public(kind)}

    assert expected == set(public(twin))
    assert Stepped in twin.__mro__


@pytest.mark.parametrize(("member", "twin"), MEMBERS)
def test_parameters_and_types_are_equal(member: Any, twin: Any) -> None:
    """The types are those of the other, with the async ones turned."""
    expected = laid_out(inspect.signature(function_of(member)), turned)

    assert expected == laid_out(inspect.signature(function_of(twin)))
    assert isinstance(member, property) is isinstance(twin, property)
    assert not inspect.iscoroutinefunction(function_of(twin))


@pytest.mark.parametrize(("member", "twin"), MEMBERS)
def test_overloads_are_equal(member: Any, twin: Any) -> None:
    """A type checker sees as much of the one as of the other."""
    expected = [
        laid_out(inspect.signature(each), turned) for each in get_overloads(function_of(member))
    ]

    assert expected == [
        laid_out(inspect.signature(each)) for each in get_overloads(function_of(twin))
    ]


@pytest.mark.parametrize(("member", "twin"), MEMBERS)
def test_blocking_docstrings_exist_and_mention_no_await(member: Any, twin: Any) -> None:
    """The docstring of a blocking method mentions no await."""
    text = twin.__doc__ or ""

    assert bool(member.__doc__) is bool(text)
    assert re.findall(r"\b(?:async|await|aclose)\w*", text) == []


@pytest.mark.parametrize(("kind", "twin"), PAIRS)
def test_classes_are_documented_alike(kind: type, twin: type) -> None:
    """The same paragraphs, in the other client's words."""
    text, other = inspect.getdoc(twin) or "", inspect.getdoc(kind) or ""

    assert other.count("\n\n") == text.count("\n\n") > 0
    assert re.findall(r"\b(?:[Aa]sync|await|aclose)\w*", text) == []


def test_a_clients_text_names_its_class() -> None:
    """The repr of each client names its own class."""
    client = Client("exante", transport="sandbox")
    twin = AsyncClient("exante", transport="sandbox")

    assert repr(twin).replace("AsyncClient", "Client") == repr(client)
    client.close()
