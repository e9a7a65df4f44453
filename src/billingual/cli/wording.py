"""Errors of the library, told in the words of the command line.

The library speaks to programmers: ``give one, like Changes(due_at=...)``. Who typed a command has
options and files. A phrase for which there is nothing better here stays as it is.
"""

from __future__ import annotations

import re
from typing import Final

import attrs

from billingual.cli.inputs import ChangeOptions, DraftOptions, FilterOptions
from billingual.errors import (
    BillingualError,
    ConfigurationError,
    InvalidInputError,
    UnsupportedError,
)

__all__ = ["told"]


def _options() -> dict[str, str]:
    kinds = (FilterOptions, ChangeOptions, DraftOptions)
    fields = {field.name for kind in kinds for field in attrs.fields(kind)}
    names = fields | {"sort", "limit", "page_size", "replacement", "currency-code", "param"}
    names |= {"tenant", "organization"}
    odd = {
        "counterparty_ids": "--counterparty-id",
        "extra_params": "--param",
        "fields": "--field",
        "invoice_id": "INVOICE-ID",
    }
    return {name: f"--{name.replace('_', '-')}" for name in names} | odd


_OPTIONS: Final = _options()
_JSON: Final = {
    "bool": "true or false", "int": "a number", "Decimal": "a number", "str": "text",
    "list": "a list", "dict": "an object", "NoneType": "null",
}  # fmt: skip
# In this order: what one row leaves, the next may find.
_ADVICE: Final = tuple(
    (re.compile(pattern), words)
    for pattern, words in (
        (r"update it with Changes:", "give single options, like --due-at:"),
        (r"pass a Replacement to update\b", "give --replacement FILE"),
        (
            r"add one: datetime\(.*?\), or text that ends with 'Z'",
            "write it like '2026-12-31T00:00:00Z'",
        ),
        (r"give an aware datetime or text like", "write it like"),
        (r"give the client tenant=(?=')", "give --tenant, "),
        (r"\bleave (tenant|organization)= out", r"leave --\1 out"),
        # There is no option that sends a token in clear, so none is advised.
        (r", or say allow_insecure=True if you know the network", ""),
        (r"the token as token=", "the token in the environment variable BILLINGUAL_TOKEN"),
        (r"\bbase_url='(.*?)'", r"--base-url \1"),
        (r"\bby transport='sandbox'", "with --transport sandbox"),
        (r'providers\.katsu\(currencies=\{"(\w+)": 1\}\)', r"--currency-code \1=1"),
        (r"row's \.(\w+)", r"row's \1"),
        (r"use Money\.of\('12\.34', 'EUR'\) for an amount in major units", "text: '12.34 EUR'"),
        (r"CustomField\('.*?', value, type=\.\.\.\)", '{"key": "name", "value": "text"}'),
        (r"\{'name': 'text'\} or CustomField objects", '{"name": "text"}'),
        (r"\bNone or leave", "null or leave"),
        (r"\bgive an int\b", "give a whole number"),
        (r"\bgive a str\b", "give text"),
        (r"\bgive a bool\b", "give true or false"),
    )
)
_LISTS: Final = re.compile(r"(?<=\bit takes )[\w, ]+$|(?<=^give )[\w, ]+$")
_NAMES: Final = re.compile(
    r"(?<=\bwith )extra_params\b|(?<=\buse )counterparty_ids\b|\bChanges\((\w+)=\.\.\.\)"
)


def told(error: BillingualError) -> str:
    """Tell an error in the words of the command line.

    Only the library's own words are changed; what a provider said stays as it said it.
    """
    if isinstance(error, InvalidInputError):
        problem = _in_json(error.problem)
        return f"{_option(error.field)}: {problem}; {_advice(error.fix)}."
    if isinstance(error, UnsupportedError):
        feature = re.sub(r"^'(\w+)'", lambda found: _option(found[1]), error.feature)
        return f"{error.provider} does not support {feature}; {_advice(error.instead)}."
    return _advice(str(error)) if isinstance(error, ConfigurationError) else str(error)


def _option(name: str) -> str:
    return _OPTIONS.get(name, name)


def _in_json(problem: str) -> str:
    kind, is_, rest = problem.partition(" is ")
    problem = f"{_JSON.get(kind, kind)}{is_}{rest}"
    problem = problem.replace("neither True nor False", "neither true nor false")
    return re.sub(r"(?<= is later than )\w+", lambda found: _option(found[0]), problem)


def _advice(text: str) -> str:
    for pattern, words in _ADVICE:
        text = pattern.sub(words, text)
    text = _NAMES.sub(lambda found: _option(found[1] or found[0]), text)
    return _LISTS.sub(lambda found: _listed(found[0]), text)


def _listed(names: str) -> str:
    """Write a list of names as options, if all of them are."""
    known = [_OPTIONS.get(name) for name in names.split(", ")]
    return ", ".join(name for name in known if name) if all(known) else names
