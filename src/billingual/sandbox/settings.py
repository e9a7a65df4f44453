"""What the documentation leaves open, as switches: a client must cope with every setting."""

from __future__ import annotations

from typing import Any

import attrs
from attrs.validators import in_, instance_of, matches_re

__all__ = ["Settings"]


def _one_of(*members: str | int) -> Any:
    """Declare a switch whose first member is the default."""
    kind = type(members[0])
    return attrs.field(
        default=members[0],
        validator=[instance_of(kind), in_(members)],
        metadata={"choices": members},
    )


@attrs.frozen(kw_only=True)
class Settings:
    """Choose among the shapes and statuses that are undocumented; every default is INFERRED.

    Attributes:
        exante_search_parameter: Name of the free-text parameter of the invoice list.
        exante_error_shape: `envelope` (status, status_code, message), `details` (error, details)
            or `envelope_in_200` (the envelope says no while HTTP says 200).
        exante_validation_status: HTTP status of an invalid request.
        exante_create_status: HTTP status of a create; the body always says the same.
        exante_overdue_status: `stored` keeps the status as written; `computed` shows SENT past
            due as OVERDUE.
        exante_bulk_order: Order of the records a bulk update returns.
        exante_bulk_delete: Whether a bulk delete with a missing invoice deletes nothing or the
            ones before it.
        exante_number_taken: Whether a second invoice with a number is refused or accepted.
        exante_fields_update: Whether the custom fields of an update take the place of all that were
            there, the worse case, or of those of the same name.
        exante_links: Whether `_links` are paths or whole URLs.
        kukkingu_error_shape: `fastify`, `nested` (error.code, error.message) or `issues`.
        kukkingu_create_status: HTTP status of a create.
        kukkingu_lock_status: HTTP status of an update the invoice's state forbids.
        katsu_auth: `optional` (a token sent must be right), `required` or `ignored`.
        katsu_response_shape: `envelope` (the schema sample) or `prose` (the bare example).
        katsu_error_shape: `envelope` or `problem` (problem+json, where `errors` is an object).
        katsu_content_type: How a JSON response is labelled.
        katsu_logical_failure: `in_200` answers a logical failure with `succeeded: false` in a
            200; `in_400` in a 400.
    """

    exante_search_parameter: str = attrs.field(
        default="search", validator=[instance_of(str), matches_re(r"[a-z][a-z_]{0,31}")]
    )
    exante_error_shape: str = _one_of("envelope", "details", "envelope_in_200")
    exante_validation_status: int = _one_of(400, 422)
    exante_create_status: int = _one_of(200, 201)
    exante_overdue_status: str = _one_of("stored", "computed")
    exante_bulk_order: str = _one_of("request", "reversed")
    exante_bulk_delete: str = _one_of("atomic", "partial")
    exante_number_taken: str = _one_of("refused", "accepted")
    exante_fields_update: str = _one_of("replaced", "merged")
    exante_links: str = _one_of("relative", "absolute")
    kukkingu_error_shape: str = _one_of("fastify", "nested", "issues")
    kukkingu_create_status: int = _one_of(200, 201)
    kukkingu_lock_status: int = _one_of(409, 400, 403, 422)
    katsu_auth: str = _one_of("optional", "required", "ignored")
    katsu_response_shape: str = _one_of("envelope", "prose")
    katsu_error_shape: str = _one_of("envelope", "problem")
    katsu_content_type: str = _one_of("application/json", "text/plain")
    katsu_logical_failure: str = _one_of("in_200", "in_400")

    def changed(self, changes: dict[str, object]) -> Settings:
        """Give a copy with some switches changed.

        Raises:
            ValueError: If a name is unknown or a value is not among its choices.
        """
        known = {field.name for field in attrs.fields(Settings)}
        unknown = sorted(set(changes) - known)
        if unknown:
            raise ValueError(
                f"unknown setting {unknown[0]!r}; known are " + ", ".join(sorted(known))
            )
        try:
            return attrs.evolve(self, **changes)  # type: ignore[arg-type]  # the validators check them
        except (TypeError, ValueError) as error:
            raise ValueError(str(error.args[0])) from None

    @staticmethod
    def choices() -> dict[str, list[str | int]]:
        """List the values each closed switch accepts."""
        return {
            field.name: list(field.metadata["choices"])
            for field in attrs.fields(Settings)
            if "choices" in field.metadata
        }
