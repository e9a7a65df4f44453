"""What the generated blocking classes stand on: a core, and a driver that runs it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Generic, Self, TypeVar

from billingual.connecting import blocking_driver
from billingual.driver import BlockingDriver

__all__ = ["Stepped"]

C = TypeVar("C")


class Stepped(Generic[C]):
    """One async object and its blocking face."""

    _core: C
    _driver: BlockingDriver

    def _open(
        self, make: Callable[..., C], *arguments: object, driver: object, **options: object
    ) -> None:
        self._driver = blocking_driver(driver)
        self._core = make(*arguments, driver=self._driver, **options)

    def _shown(self, name: str, turned: str) -> str:
        # Tools that show the frames of a failing constructor ask a client that is not made yet.
        core = getattr(self, "_core", None)
        return f"{turned}()" if core is None else repr(core).replace(name, turned, 1)

    @classmethod
    def _around(cls, core: C, driver: BlockingDriver) -> Self:
        face = cls.__new__(cls)
        face._core = core
        face._driver = driver
        return face
