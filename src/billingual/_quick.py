"""Drafts of frozen values: how the hot paths make them, of parts that were checked before."""

from __future__ import annotations

from typing import Any


def draft_of(kind: type) -> Any:
    """Return a subclass of a frozen class whose new instances are empty, and not frozen yet.

    What is made of it gets every field by plain assignment, and last of all ``__class__ = kind``::

        money = _Draft()
        money.minor, money.currency = 1234, "EUR"
        money.__class__ = Money

    The constructor that attrs makes for a frozen class sets each field through a function call:
    for an invoice or a request, five times the cost of plain assignment.
    Python lets an object change between classes of the same layout, and a subclass that adds no
    slots has the layout of its base:
    https://docs.python.org/3/reference/datamodel.html#object.__class__
    """
    # With the plain __init__, a call of the class is half as long as one of object.__new__.
    names = ["__init__", "__setattr__", "__delattr__"]
    if "__new__" in {name for each in kind.__mro__[:-1] for name in vars(each)}:
        names.append("__new__")  # It looks at arguments, of which there are none here.
    plain = {name: getattr(object, name) for name in names}
    return type(f"_{kind.__name__}Draft", (kind,), {"__slots__": (), **plain})
