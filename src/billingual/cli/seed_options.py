"""Options about the data of a sandbox, for each command that makes one."""

from __future__ import annotations

from typing import Annotated, TypeAlias

from cyclopts import Parameter
from cyclopts.validators import Number

from billingual.sandbox.app import MAX_INVOICES, MAX_SEED

__all__ = ["CountOption", "SeedOption"]

CountOption: TypeAlias = Annotated[int, Parameter(validator=Number(gte=0, lte=MAX_INVOICES))]
SeedOption: TypeAlias = Annotated[int, Parameter(validator=Number(gte=-MAX_SEED, lte=MAX_SEED))]
