"""Load the public names of a package on first use (PEP 562).

A package lists its names for type checkers in an import block, which never runs, and here by
module. The two cannot be one: type checkers read only imports, and running those imports is what
must not happen. ``tests/architecture`` holds them equal. (``lazy_loader`` reads a stub file at
import instead, which takes longer than all else that ``import billingual`` does.)

``import billingual`` runs this module and nothing else, so it does without ``__future__``, whose
import alone takes a tenth of a millisecond.
"""

import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    # Not even these: `collections` would be most of the cost of `import billingual`.
    from collections.abc import Callable, Mapping

__all__ = ["attach"]


def attach(
    package: str, names: "Mapping[str, str]"
) -> "tuple[Callable[[str], object], Callable[[], list[str]]]":
    """Return ``__getattr__`` and ``__dir__`` for a package.

    Call it under ``if not TYPE_CHECKING``: a type checker that sees a ``__getattr__`` takes every
    name for one that exists.

    Args:
        package: its ``__name__``.
        names: for each module below the package, the names it holds, with spaces between them.
    """
    homes = {name: module for module, listed in names.items() for name in listed.split()}

    def load(name: str) -> object:
        module = homes.get(name)
        if module is None:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        from importlib import import_module  # noqa: PLC0415 - `import billingual` needs none

        value: object = getattr(import_module(f"{package}.{module}"), name)
        # The next use finds the name in the package itself and does not come here.
        setattr(sys.modules[package], name, value)
        return value

    def names_of() -> list[str]:
        return sorted({*vars(sys.modules[package]), *homes})

    return load, names_of
