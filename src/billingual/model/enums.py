"""Words a provider may add to: named where we know them, readable where we do not."""

from __future__ import annotations

from typing import Any, Final, Self

from billingual.errors import InvalidInputError, shown

__all__ = ["CollectionMethod", "Kind", "OpenWord", "Status", "refuse_misspelt"]


class OpenWord(str):
    """A string with a list of known values and no objection to others.

    It compares and hashes as the plain string it is, so ``invoice.status == "OVERDUE"`` holds, and
    a value that a provider invents tomorrow arrives unchanged with ``is_known`` false.
    """

    __slots__ = ()
    _known: frozenset[str] = frozenset()

    @property
    def is_known(self) -> bool:
        """Tell whether this value is one that was documented when this version was written."""
        return str(self) in self._known

    @classmethod
    def known(cls) -> tuple[Self, ...]:
        """List the documented values in alphabetical order."""
        return tuple(cls(value) for value in sorted(cls._known))

    def __repr__(self) -> str:
        return f"{type(self).__name__}({str(self)!r})"

    @classmethod
    def __get_pydantic_core_schema__(cls, source: object, handler: object) -> Any:
        """Let pydantic read any text; it is written as the text that it is."""
        from pydantic_core import core_schema  # noqa: PLC0415 - only pydantic calls this

        return core_schema.no_info_after_validator_function(cls, core_schema.str_schema())


def refuse_misspelt(kind: type[OpenWord], word: str, field: str, all_the_same: str) -> None:
    """Refuse a text that is nearly a documented word; a provider may have others of its own.

    A list that is filtered by a misspelt word is empty, and would be taken for the truth. What is a
    *kind* already, such as the status of an invoice, was not misspelt.

    Args:
        kind: whose words are documented.
        word: the one that was given.
        field: its name in the error.
        all_the_same: what to give where the provider has that word.

    Raises:
        InvalidInputError: if it is not documented, and another one nearly is the same.
    """
    known = kind.known()
    if word in known or isinstance(word, kind):
        return
    from difflib import get_close_matches  # noqa: PLC0415 - only an error needs it

    alike = {each.casefold(): str(each) for each in known}
    near = get_close_matches(word.casefold(), alike, n=1, cutoff=0.65)
    if near:
        raise InvalidInputError(
            field,
            f"{shown(word)} is not a documented word",
            f"perhaps you meant {alike[near[0]]}; to send it all the same, give {all_the_same}",
            known=known,
        )


class Status(OpenWord):
    """The status of an invoice, as the provider words it.

    Source: https://docs.exante.app/api-reference/invoices/stats (ten receivable values, there in
    lower case) and the partial-update page of https://docs.kukkingu.software (``DRAFT``,
    ``FINALIZED``, ``VOID``), read 2026-11.
    """

    __slots__ = ()
    _known = frozenset(
        {
            "APPROVED", "CANCELLED", "DISPUTED", "DRAFT", "FINALIZED", "OVERDUE",
            "PAID", "PARTIALLY_PAID", "SCHEDULED", "SENT", "VOID",
        }
    )  # fmt: skip

    APPROVED: Final = "APPROVED"
    CANCELLED: Final = "CANCELLED"
    DISPUTED: Final = "DISPUTED"
    DRAFT: Final = "DRAFT"
    FINALIZED: Final = "FINALIZED"
    OVERDUE: Final = "OVERDUE"
    PAID: Final = "PAID"
    PARTIALLY_PAID: Final = "PARTIALLY_PAID"
    SCHEDULED: Final = "SCHEDULED"
    SENT: Final = "SENT"
    VOID: Final = "VOID"


class Kind(OpenWord):
    """Which side of the ledger an invoice is on."""

    __slots__ = ()
    _known = frozenset({"payable", "receivable"})

    PAYABLE: Final = "payable"
    RECEIVABLE: Final = "receivable"


class CollectionMethod(OpenWord):
    """How the money of an invoice is to be collected.

    Source: https://docs.exante.app/api-reference/invoices/bulk-update, read 2026-11.
    """

    __slots__ = ()
    _known = frozenset({"charge_automatically", "send_invoice"})

    CHARGE_AUTOMATICALLY: Final = "charge_automatically"
    SEND_INVOICE: Final = "send_invoice"
