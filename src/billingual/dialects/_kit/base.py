"""What dialects share: every check that a caller's words must pass before anything is sent."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, ClassVar, Self, TypeVar, cast

import attrs

from billingual import model
from billingual.abc import Dialect, Scope
from billingual.dialects._kit.fields import Field, refuse_nothing, write_fields
from billingual.errors import InvalidInputError, UnsupportedError
from billingual.wire import path_segment

if TYPE_CHECKING:
    from billingual.capabilities import Capabilities, Feature
    from billingual.dialects._kit.http import ResponseReader
    from billingual.model import Changes, Draft, Invoice, InvoiceSummary, Query

I = TypeVar("I", bound="Invoice")  # noqa: E741 - an invoice


@attrs.frozen(kw_only=True)
class DialectBase(Dialect):
    """A dialect whose bodies are written by tables of :class:`Field`.

    All methods here refuse what can be known to be wrong before the first ``yield``, in one order:
    the id, the fields the provider takes, an empty change, a lock, the values.

    Attributes:
        documented: what the provider can do; :attr:`capabilities` is the same under the name of
            this provider.
        draft_fields: the table of a draft.
        change_fields: the table of changes.
        collection: the path of all invoices; that of one is below it.
        provider: the name used in errors.
    """

    documented: ClassVar[Capabilities]
    draft_fields: ClassVar[Mapping[str, Field]] = {}
    change_fields: ClassVar[Mapping[str, Field]] = {}
    collection: ClassVar[str] = ""

    provider: str
    _capabilities: Capabilities | None = attrs.field(init=False, repr=False, eq=False, default=None)

    @staticmethod
    def check_id(value: object, name: str, /) -> str:
        """Return an invoice's id if it has the documented form.

        Raises:
            InvalidInputError: if it has not; the error calls it *name*.
        """
        raise NotImplementedError(name, value)

    @property
    def capabilities(self) -> Capabilities:
        """What the dialect can do."""
        if self._capabilities is None:
            # Every call looks at them, and making a copy costs as much as making a request.
            named = attrs.evolve(self.documented, provider=self.provider)
            object.__setattr__(self, "_capabilities", named)
        return cast("Capabilities", self._capabilities)

    def scoped(self, scope: Scope) -> Self:  # noqa: ARG002 - for those that have scopes
        """Return the dialect itself: it knows neither tenants nor organizations."""
        return self

    def invoice_path(self, invoice_id: str) -> str:
        """Return the path of one invoice.

        Raises:
            InvalidInputError: if the id is not of the documented form.
        """
        return f"{self.collection}/{path_segment(self.check_id(invoice_id, 'invoice_id'))}"

    def draft_body(self, draft: Draft) -> dict[str, object]:
        """Write a draft as the fields of a body.

        Raises:
            UnsupportedError: if it has a field that the provider does not take.
            InvalidInputError: if a required field is missing, or a value cannot be right.
        """
        given = draft.given()
        self.capabilities.accept(self.capabilities.draft, given, "in a draft")
        return write_fields(self.draft_fields, _with_currency(self.draft_fields, given))

    def changes_body(
        self, invoice_id: str, changes: Changes, base: InvoiceSummary | None
    ) -> dict[str, object]:
        """Write changes of one invoice as the fields of a body.

        Args:
            invoice_id: the invoice.
            changes: what to change.
            base: the caller's copy of the invoice; None leaves locks to the provider.

        Raises:
            UnsupportedError: if there is a field that the provider does not take.
            InvalidInputError: if nothing is to be changed, a value cannot be right, or *base* is
                another invoice.
            LockedError: if the status of *base* locks a field that is to be changed.
        """
        given = changes.given()
        self.capabilities.accept(self.capabilities.changes, given, "in an update")
        refuse_nothing(given)
        self.capabilities.refuse_locked(invoice_id, given, base)
        return write_fields(self.change_fields, _with_currency(self.change_fields, given))

    def check_query(self, query: Query) -> None:
        """Refuse filters, orders and page sizes that the provider does not have.

        Raises:
            UnsupportedError: if there is one; the error says what to use instead.
            InvalidInputError: if a page cannot hold so many rows.
        """
        can, sort, size = self.capabilities, query.sort, query.page_size
        can.accept(can.filters, query.filter.given(), "as a filter")
        if sort is not None and sort.field not in can.sorts:
            there = ", ".join(sorted(can.sorts))
            instead = f"sort by {there}" if there else "sort the rows that it brings"
            raise UnsupportedError(self.provider, f"a list sorted by {sort.field!r}", instead)
        if size is not None and can.page_limit is None:
            instead = "leave it out: a list comes whole in one response"
            raise UnsupportedError(self.provider, "a page size", instead)
        if size is not None and can.page_limit is not None and size > can.page_limit:
            problem = f"{size!r} rows do not fit a page"
            raise InvalidInputError("page_size", problem, f"give 1 to {can.page_limit}")

    def refuse_status(self, reader: ResponseReader, feature: Feature, invoice: I, path: str) -> I:
        """Return *invoice* if it has a status that *feature* may leave it in.

        Args:
            reader: the response it came in.
            feature: finalize or void.
            invoice: as it is now.
            path: where its status stands.

        Raises:
            ProtocolError: if its status says that the operation did not happen.
        """
        final = self.capabilities.final_statuses[feature]
        if invoice.status in final:
            return invoice
        raise reader.unreadable(path, f"after this it must be {' or '.join(sorted(final))}")


def _with_currency(table: Mapping[str, Field], given: Mapping[str, object]) -> Mapping[str, object]:
    """Let the currency of the total stand for the invoice's, so that the two always agree."""
    total = given.get("total")
    if not isinstance(total, model.Money) or "currency" not in table:
        return given
    currency = given.get("currency", total.currency)
    if total.currency is not None and currency != total.currency:
        raise InvalidInputError(
            "currency",
            f"it is {currency}, but the total is in {total.currency}",
            "leave it out: the total carries it",
        )
    if currency is None:
        raise InvalidInputError(
            "total", "it has no currency, so it is no amount", "give Money.of('12.34', 'EUR')"
        )
    return {**given, "currency": currency}
