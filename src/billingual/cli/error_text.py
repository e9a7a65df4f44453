"""Errors of the library in the words of the command line.

The library speaks to programmers. At a prompt there are options and files instead of arguments, so
fields are named as options, and where the way out differs, it is found by the error's *hint*.
"""

from __future__ import annotations

import re
from typing import Final

import attrs

from billingual.cli.inputs import ChangeOptions, DraftOptions, FilterOptions, InFileError
from billingual.errors import (
    BillingualError,
    ConfigurationError,
    InvalidInputError,
    UnsupportedError,
    UsageError,
)

__all__ = ["error_text", "row_text"]

_ADVICE: Final = {
    "give_base_url": "give --base-url, or try it without one with --transport sandbox",
    "give_base_url_apart": "give --base-url",
    "give_currency_number": "give --currency-code {field}=1, with the number that your account "
    "uses in the place of 1",
    "give_tenant": "give --tenant, 'tnt_' followed by 24 small letters and digits",
    "give_token": "set the environment variable BILLINGUAL_TOKEN, or try it without an account "
    "with --transport sandbox",
    "give_token_apart": "give the token in the environment variable BILLINGUAL_TOKEN",
    "give_invoice_id": "give --invoice-id",
    "leave_out": "leave --{field} out",
    "name_profiles": "write billingual.toml in this folder, or name a file with BILLINGUAL_CONFIG",
    "name_job": "put #2026-11, say, at the end of the URL",
    "name_entry": "'billingual jobs export' lists their names",
    "use_account_of_job": "name the account of the job by --profile, or by --provider, --base-url, "
    "--tenant and --organization",
    # There is no option that sends a token in clear, so none is advised.
    "use_https": "use https://",
    "write_instant": "write it like '2026-12-31T00:00:00Z'",
}
_INSTEAD: Final = {
    "replace": "give single options, like --due-at",
    "update": "give --replacement FILE",
}
"""What to do where a provider has one way to change an invoice and not the other."""

# What JSON calls the types that an error names.
_JSON_NOUNS: Final = {
    "bool": "true or false", "int": "a number", "Decimal": "a number", "str": "text",
    "list": "a list", "dict": "an object", "NoneType": "null",
}  # fmt: skip


def _options() -> dict[str, str]:
    kinds = (FilterOptions, ChangeOptions, DraftOptions)
    fields = {field.name for kind in kinds for field in attrs.fields(kind)}
    names = fields | {"sort", "limit", "page_size", "replacement", "param", "tenant"}
    names |= {"organization", "since", "until", "days", "lookback_days", "concurrency"}
    names |= {"given_up_at", "resume", "prefetch", "delimiter", "currency-code", "format"}
    names |= {"known_invoice", "profile", "provider", "transport", "base_url"}
    odd = {
        "counterparty_ids": "--counterparty-id",
        "extra_params": "--param",
        "fields": "--field",
        "entry_id": "ENTRY",
        "invoice_id": "INVOICE-ID",
        "invoice_ids": "INVOICE-IDS",
        "target": "--to",
    }
    return {name: f"--{name.replace('_', '-')}" for name in names} | odd


_OPTIONS: Final = _options()
# A name with an underscore is a field's; one without could be any English word.
_FIELD_NAME: Final = re.compile(r"\b[a-z]+(?:_[a-z]+)+\b")

# How an advice writes a change of one field in Python.
_CHANGE: Final = re.compile(r"\bChanges\((\w+)='(\w+)'\)")

# A row is checked as a batch of one.
_FIRST_OF_BATCH: Final = re.compile(r"(?:, )?(?:pairs|invoice_ids)\[0\](?: \([^)]*\))?\.?")


def error_text(error: BillingualError) -> str:
    """Return what an error says, with options for fields.

    Only the library's own words are changed; what a provider said stays as it said it.
    """
    if isinstance(error, InFileError):
        return row_text(error)
    if isinstance(error, InvalidInputError):
        kind, is_, rest = error.problem.partition(" is ")
        problem = f"{_JSON_NOUNS.get(kind, kind)}{is_}{_named(rest)}"
        fix = _ADVICE.get(error.hint) or _fix(error.fix, error.known)
        if error.field.startswith("invoice_id") and re.match("give (one like|')", error.fix):
            fix += ", as 'billingual list' shows it"
        if error.field == "sort":
            # Its keys are words of the list, though they are called as options are.
            return f"--sort: {error.problem}; {error.fix}."
        return f"{_option(error.field)}: {problem}; {fix}."
    if isinstance(error, UnsupportedError):
        feature = error.feature.replace(f"'{error.field}'", _option(error.field), 1)
        instead = _INSTEAD.get(error.feature) or _fix(error.instead, error.known)
        return f"{error.provider} does not support {feature}; {instead}."
    if isinstance(error, ConfigurationError) and error.hint in _ADVICE:
        return f"{error.problem}; {_ADVICE[error.hint].format(field=error.field)}."
    return str(error)


def row_text(error: UsageError) -> str:
    """Return what an error says about a row of a file: fields keep their names there."""
    if isinstance(error, InvalidInputError):
        kind, is_, rest = error.problem.partition(" is ")
        field = _FIRST_OF_BATCH.sub("", error.field) or "invoice_id"
        fix = _ADVICE.get(error.hint, error.fix)
        return f"{field}: {_JSON_NOUNS.get(kind, kind)}{is_}{rest}; {fix}."
    if isinstance(error, UnsupportedError):
        feature = _FIRST_OF_BATCH.sub("", error.feature)
        return f"{error.provider} does not support {feature}; {error.instead}."
    return str(error)


def _option(name: str) -> str:
    name, bracket, place = name.partition("[")
    return f"{_OPTIONS.get(name, name)}{bracket}{place}"


def _named(text: str) -> str:
    return _FIELD_NAME.sub(lambda found: _option(found[0]), text)


def _fix(text: str, known: tuple[str, ...]) -> str:
    """Name options for the fields in an advice: those it lists, and those with an underscore."""
    text = _CHANGE.sub(r"--\1 \2", text)
    listed = ", ".join(known)
    if listed and text.endswith(listed):
        text = text.removesuffix(listed) + ", ".join(map(_option, known))
    return _named(text)
