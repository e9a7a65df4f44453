"""The base of the generated blocking classes: an async object, and a backend that runs it."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NoReturn, Self

from billingual._config.build import blocking_backend
from billingual.abc import BlockingBackend
from billingual.errors import refuse_copy, refuse_name

__all__ = ["Stepped"]


class Stepped:
    """A blocking object around an async one, the core, whose type each class states."""

    _core: Any
    _backend: BlockingBackend

    if not TYPE_CHECKING:  # or type checkers would take any name
        __getattr__ = refuse_name

    def _open(
        self, make: Callable[..., object], *arguments: object, backend: object, **options: object
    ) -> None:
        self._backend = blocking_backend(backend)
        self._core = make(*arguments, backend=self._backend, **options)

    def __reduce__(self) -> NoReturn:
        refuse_copy(self)

    def _shown(self, name: str, blocking: str) -> str:
        # A tool that shows the variables of a failing constructor calls repr() before _core is set.
        core = getattr(self, "_core", None)
        if core is None:
            return f"{blocking}()"
        # The client of a job is a blocking one too.
        shown = repr(core).replace(name, blocking, 1)
        return shown.replace(" AsyncClient(", " Client(", 1)

    def _sibling(self, core: object) -> Self:
        made = object.__new__(type(self))
        vars(made).update(vars(self), _core=core)
        return made

    @classmethod
    def _around(cls, core: object, backend: BlockingBackend) -> Self:
        made = cls.__new__(cls)
        made._core = core
        made._backend = backend
        return made
