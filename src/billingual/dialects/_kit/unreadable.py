"""The error for a payload that cannot be read; it is apart because it is light to import."""

from __future__ import annotations


class UnreadableError(Exception):
    """A payload cannot be read.

    Attributes:
        path: where, like ``$.data.items[3].uid``.
        problem: what is wrong there; it never quotes the payload.
    """

    def __init__(self, path: str, problem: str) -> None:
        super().__init__(f"{path}: {problem}")
        self.path = path
        self.problem = problem
