"""Quick constructors for values whose parts were checked before."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, TypeVar

T = TypeVar("T")


def quick(
    kind: type[T], names: Iterable[str], /, *, unless_none: str = "", **fixed: object
) -> Callable[..., T]:
    """Return a constructor of a frozen class that takes *names* by position and checks nothing.

    Fields in *fixed* get that value; a field that is in neither stays without one. Where the
    argument *unless_none* is None, so is what comes back.

    The constructor that attrs makes for a frozen class sets each field through a function call:
    for an invoice, five times the cost of plain assignment, and a list has thousands of them. So
    the object is made as an instance of a subclass that is not frozen, gets its fields by plain
    assignment, and becomes one of *kind*. Python allows that between classes of the same layout,
    and a subclass that adds no slots has the layout of its base:
    https://docs.python.org/3/reference/datamodel.html#object.__class__
    """
    given = tuple(names)
    # The whole template is here; nothing from outside gets into it but names of fields.
    lines = [
        f"def make({', '.join(given)}):",
        f"    if {unless_none} is None: return None" if unless_none else "",
        "    _value = _Draft()",
        *(f"    _value.{name} = {name}" for name in (*given, *fixed)),
        "    _value.__class__ = _kind",
        "    return _value",
    ]
    # With the plain __init__, a call of the class is half as long as one of object.__new__.
    plain = {name: getattr(object, name) for name in ("__init__", "__setattr__", "__delattr__")}
    draft = type(f"_{kind.__name__}Draft", (kind,), {"__slots__": (), **plain})
    scope: dict[str, Any] = {"_Draft": draft, "_kind": kind, **fixed}
    exec("\n".join(lines), scope)  # noqa: S102 - as namedtuple and attrs make theirs
    make: Callable[..., T] = scope["make"]
    return make
