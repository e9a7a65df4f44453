"""The program's errors: refused before anything was sent."""

from __future__ import annotations

from collections.abc import Iterable

from billingual.errors.root import BillingualError

__all__ = [
    "ClosedError",
    "ConfigurationError",
    "InvalidInputError",
    "MissingExtraError",
    "UnknownNameError",
    "UnsupportedError",
    "UsageError",
]


class UsageError(BillingualError):
    """The program asked for something that cannot be; nothing was sent."""


class InvalidInputError(UsageError, ValueError):
    """A value cannot be right, and can be known to be wrong without asking the provider.

    Attributes:
        field: the name of the field or argument.
        problem: what is wrong with it.
        fix: what to do.
    """

    def __init__(self, field: str, problem: str, fix: str) -> None:
        super().__init__(f"{field}: {problem}; {fix}.")
        self.field = field
        self.problem = problem
        self.fix = fix


class UnsupportedError(UsageError):
    """The provider has no such feature or field.

    Attributes:
        provider: the provider's name.
        feature: what was asked for: an operation, or a field of one.
        instead: what to use instead.
    """

    def __init__(self, provider: str, feature: str, instead: str) -> None:
        super().__init__(f"{provider} does not support {feature}; {instead}.")
        self.provider = provider
        self.feature = feature
        self.instead = instead


class ConfigurationError(UsageError):
    """The client was given too little, too much or the wrong thing to work with."""


class UnknownNameError(ConfigurationError, LookupError):
    """Nothing is registered under the name.

    Attributes:
        kind: what was looked for: a transport, dialect, provider or policy.
        name: the name given.
        known: the names there are.
    """

    def __init__(self, kind: str, name: str, known: Iterable[str]) -> None:
        self.known = tuple(known)
        known_names = ", ".join(self.known) or "none installed"
        super().__init__(f"there is no {kind} named {name!r}; there are: {known_names}.")
        self.kind = kind
        self.name = name


class MissingExtraError(ConfigurationError):
    """A part was named that is known but not installed.

    Attributes:
        name: what was asked for.
        install: the command that installs it.
    """

    def __init__(self, name: str, extra: str, module: str) -> None:
        self.install = f'pip install "billingual[{extra}]"'
        super().__init__(f"{name} needs {module}, which is not installed; run: {self.install}")
        self.name = name


class ClosedError(UsageError):
    """The client was used after it was closed."""
