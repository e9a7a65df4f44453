"""What the generated blocking classes stand on: a core, and a backend that runs it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Generic, Self, TypeVar

from billingual._config.build import blocking_backend
from billingual.abc import BlockingBackend

__all__ = ["Stepped"]

C = TypeVar("C")


class Stepped(Generic[C]):
    """One async object and its blocking face."""

    _core: C
    _backend: BlockingBackend

    def _open(
        self, make: Callable[..., C], *arguments: object, backend: object, **options: object
    ) -> None:
        self._backend = blocking_backend(backend)
        self._core = make(*arguments, backend=self._backend, **options)

    def _shown(self, name: str, turned: str) -> str:
        # Tools that show the frames of a failing constructor ask a client that is not made yet.
        core = getattr(self, "_core", None)
        return f"{turned}()" if core is None else repr(core).replace(name, turned, 1)

    @classmethod
    def _around(cls, core: C, backend: BlockingBackend) -> Self:
        face = cls.__new__(cls)
        face._core = core
        face._backend = backend
        return face
