"""What a dialect or a provider can do, as data."""

from __future__ import annotations

import enum
from collections.abc import Iterable, Mapping

import attrs

from billingual.errors import InvalidInputError, UnsupportedError

__all__ = ["Capabilities", "Feature", "FieldRules"]


class Feature(enum.StrEnum):
    """One operation of the invoice protocol."""

    CREATE = "create"
    GET = "get"
    LIST = "list"
    UPDATE = "update"
    """Change the given fields of one invoice and leave the others alone."""
    REPLACE = "replace"
    """Put a whole document in the place of one invoice: ``update(id, Replacement(...))``."""
    UPDATE_MANY = "update_many"
    DELETE_MANY = "delete_many"
    FINALIZE = "finalize"
    VOID = "void"


@attrs.frozen(kw_only=True)
class FieldRules:
    """Which fields an operation takes.

    Attributes:
        accepts: the names of all fields it takes.
        requires: the names of those that must be given.
        instead: for a field it does not take, what to use instead.
    """

    accepts: frozenset[str] = frozenset()
    requires: frozenset[str] = frozenset()
    instead: Mapping[str, str] = attrs.field(factory=dict, hash=False)


@attrs.frozen(kw_only=True)
class Capabilities:
    """What can be asked for; the client refuses everything else before it sends.

    Attributes:
        provider: the name used in errors.
        features: the operations it has.
        instead: for an operation it lacks, what to use instead.
        draft: fields of a Draft.
        changes: fields of Changes for one invoice.
        batch_changes: fields of Changes in a batch.
        filters: fields of a Filter.
        sorts: names that a list can be sorted by.
        batch_limit: most invoices in one batch, or None if there are no batches.
        atomic_updates: whether a batch of updates succeeds or fails as a whole.
        page_limit: most rows on a page, or None if a list has no pages.
        locks: the fields that each status leaves open; a status that is absent locks nothing.
        list_rows_complete: whether a row of a list is the whole invoice.
        scope: what the client may be bound to: ``"tenant"`` or ``"organization"``.
        final_statuses: the statuses that an operation may leave an invoice in. An unclear
            finalize or void is settled by them: ``{Feature.VOID: frozenset({"VOID"})}``.
        rate_limit_precedes_handler: whether a 429 proves that nothing was done, because the
            provider checks its rate limit before it handles a request. No provider here documents
            that; comparable ones do. If a dialect says False, a write that got a 429 ends unclear
            instead of being sent again.
        idempotency_keys: whether a create carries an idempotency key, so that it is safe to
            resend.
    """

    provider: str
    features: frozenset[Feature]
    instead: Mapping[Feature, str] = attrs.field(factory=dict, hash=False)
    draft: FieldRules = attrs.field(factory=FieldRules)
    changes: FieldRules = attrs.field(factory=FieldRules)
    batch_changes: FieldRules = attrs.field(factory=FieldRules)
    filters: FieldRules = attrs.field(factory=FieldRules)
    sorts: frozenset[str] = frozenset()
    batch_limit: int | None = None
    atomic_updates: bool = False
    page_limit: int | None = None
    locks: Mapping[str, frozenset[str]] = attrs.field(factory=dict, hash=False)
    list_rows_complete: bool = False
    scope: frozenset[str] = frozenset()
    final_statuses: Mapping[Feature, frozenset[str]] = attrs.field(factory=dict, hash=False)
    rate_limit_precedes_handler: bool = True
    idempotency_keys: bool = False

    def _repr_html_(self) -> str:
        """Show it in a notebook."""
        from billingual.model._html import facts_table  # noqa: PLC0415 - of notebooks

        facts = [(each.name, getattr(self, each.name)) for each in attrs.fields(type(self))]
        rules = {"draft", "changes", "batch_changes", "filters"}
        return facts_table(
            f"What {self.provider} can do",
            [(name, value.accepts if name in rules else value) for name, value in facts],
        )

    def supports(self, feature: Feature) -> bool:
        """Return True if the provider has the operation."""
        return feature in self.features

    def require(self, feature: Feature) -> None:
        """Refuse an operation that the provider lacks.

        Raises:
            UnsupportedError: if the provider lacks it; the error says what to use instead.
        """
        if feature not in self.features:
            there = ", ".join(sorted(each.value for each in self.features))
            raise UnsupportedError(
                self.provider, feature.value, self.instead.get(feature, f"it offers {there}")
            )

    def accept(self, needs: FieldRules, given: Iterable[str], what: str) -> None:
        """Refuse fields that the operation does not take, and missing ones that it requires.

        Args:
            needs: one of this object's own, such as ``draft``.
            given: the names of the fields a caller set.
            what: the noun for the errors, such as ``"in a draft"``.

        Raises:
            UnsupportedError: if a field is not taken; the error says what to use instead.
            InvalidInputError: if a required field is missing.
        """
        names = frozenset(given)
        for name in sorted(names - needs.accepts):
            there = () if name in needs.instead else sorted(needs.accepts)
            listed = ", ".join(there) or "nothing"
            raise UnsupportedError(
                self.provider,
                f"{name!r} {what}",
                needs.instead.get(name, f"leave it out; it takes {listed}"),
                field=name,
                known=there,
            )
        missing = sorted(needs.requires - names)
        if missing:
            raise InvalidInputError(
                missing[0],
                f"{self.provider} needs it {what}",
                f"give {', '.join(missing)}",
                known=missing,
            )

    def locked(self, status: str | None, given: Iterable[str]) -> frozenset[str]:
        """Return the given fields that the status locks; none if the status is unknown to us."""
        still_open = None if status is None else self.locks.get(status)
        return frozenset() if still_open is None else frozenset(given) - still_open

    def united(self, other: Capabilities) -> Capabilities:
        """Return what two dialects of one provider can do together."""
        features = self.features | other.features
        hints = {**other.instead, **self.instead}
        return attrs.evolve(
            self,
            features=features,
            instead={key: text for key, text in hints.items() if key not in features},
            draft=self.draft if self.draft.accepts else other.draft,
            changes=self.changes if self.changes.accepts else other.changes,
            batch_changes=self.batch_changes if self.batch_limit else other.batch_changes,
            filters=self.filters if self.filters.accepts else other.filters,
            sorts=self.sorts | other.sorts,
            batch_limit=self.batch_limit or other.batch_limit,
            atomic_updates=self.atomic_updates or other.atomic_updates,
            page_limit=self.page_limit or other.page_limit,
            locks={**other.locks, **self.locks},
            list_rows_complete=self.list_rows_complete or other.list_rows_complete,
            scope=self.scope | other.scope,
            final_statuses={**other.final_statuses, **self.final_statuses},
            idempotency_keys=self.idempotency_keys or other.idempotency_keys,
            rate_limit_precedes_handler=self.rate_limit_precedes_handler
            and other.rate_limit_precedes_handler,
        )
