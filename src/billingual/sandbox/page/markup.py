"""The page as HTML: what is the same for every visitor; the script fills in the rest."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from html import escape
from importlib import resources
from string import Template
from typing import Final

from billingual.sandbox.accounts import ACCOUNTS, LANDMARKS
from billingual.sandbox.faults import BODY_KINDS, NUMBER_CHANGES, Fault
from billingual.sandbox.index import KATSU_DOCUMENT
from billingual.sandbox.json_text import json_text
from billingual.sandbox.page.detail import snippets_of
from billingual.sandbox.page.operation import TOKEN_VARIABLE, Sent

__all__ = ["FAULTS", "page_html"]

FAULTS: Final[Mapping[str, tuple[str, tuple[str, ...]]]] = {
    "rate_limit": ("Answer 429", ("retry_after",)),
    "status": ("Answer with a status of your choice", ("status", "body_kind", "after_commit")),
    "latency": ("Answer late", ("seconds", "after_commit")),
    "drop_before_commit": ("Cut the connection, nothing done", ()),
    "drop_after_commit": ("Cut the connection, but it was done", ()),
    "truncate": ("Stop in the middle of the response", ("fraction",)),
    "duplicate": ("Write the response twice", ()),
    "old_values": ("Answer an update with the old values", ("after_commit",)),
    "alter_number": ("Store another invoice number", ("change",)),
    "status_word": ("Call a success by another word", ("word",)),
    "keep_alive": ("Close idle connections early", ("seconds",)),
}
"""Each kind of fault with what it does and the fields that it takes."""

_LABELS: Final = {
    "after_commit": "after it was done",
    "body_kind": "body",
    "change": "change",
    "fraction": "part that arrives",
    "retry_after": "Retry-After",
    "seconds": "seconds",
    "status": "status",
    "word": "word",
}
_CHOICES: Final = {"body_kind": BODY_KINDS, "change": NUMBER_CHANGES}
_NUMBERS: Final = {
    "fraction": 'type="number" min="0" max="1" step="0.1"',
    "seconds": 'type="number" min="0" max="3600" step="0.1"',
    "status": 'type="number" min="200" max="599" step="1"',
}
_COPIES: Final = (("python", "Python"), ("curl", "curl"), ("cli", "CLI"))


def page_html(url: str) -> str:
    """Write the page of a sandbox at *url*."""
    text = resources.files(__package__).joinpath("static", "page.html").read_text(encoding="utf-8")
    providers = "".join(f'<option value="{name}">{name}</option>' for name in ACCOUNTS)
    tabs = "".join(
        f'<label class="choice"><input type="radio" name="provider" value="{name}"'
        f"{' checked' if name == 'exante' else ''}><span>{name}</span></label>"
        for name in ACCOUNTS
    )
    return Template(text).substitute(
        examples="".join(_example(*each, url) for each in _examples()),
        faults="".join(_switch(kind, *about) for kind, about in FAULTS.items()),
        providers=providers,
        tabs=tabs,
    )


def _switch(kind: str, text: str, fields: tuple[str, ...]) -> str:
    controls = "".join(_control(kind, name) for name in fields)
    options = f'<span class="options">{controls}</span>' if controls else ""
    return (
        f'<li class="fault" data-kind="{kind}">'
        f'<button type="button" role="switch" aria-checked="false" aria-labelledby="name-{kind}"'
        f' aria-describedby="left-{kind}"><span class="knob"></span></button>'
        f'<span class="what"><span id="name-{kind}">{escape(text)}</span>'
        f' <code>{kind}</code> <span class="left" id="left-{kind}"></span></span>{options}</li>'
    )


def _control(kind: str, name: str) -> str:
    """Write the control of a fault's field, with the sandbox's own default."""
    default = getattr(Fault(kind=kind), name)
    about = f'data-field="{name}"'
    if name in _CHOICES:
        options = "".join(
            f"<option{' selected' if each == default else ''}>{each}</option>"
            for each in _CHOICES[name]
        )
        control = f"<select {about}>{options}</select>"
    elif isinstance(default, bool):
        return f'<label><input type="checkbox" {about}> {_LABELS[name]}</label>'
    else:
        kind_of = _NUMBERS.get(name, 'type="text" maxlength="80"')
        control = f'<input {kind_of} {about} value="{escape(str(default))}">'
    return f"<label>{_LABELS[name]} {control}</label>"


def _examples() -> Iterator[tuple[str, str, Sent]]:
    yield (
        "exante",
        "List what is overdue, the largest first",
        _sent(
            "exante", "GET", "/api/invoices", query="status=OVERDUE&sort=-total&page=1&per_page=5"
        ),
    )
    yield (
        "kukkingu",
        "Create a draft",
        _sent(
            "kukkingu",
            "POST",
            "/api/v1/invoices",
            headers={"tenant-id": ACCOUNTS["kukkingu"].tenant or ""},
            body={
                "contractId": LANDMARKS["kukkingu_contract"],
                "invoiceNumber": "INV-1",
                "exchangeRate": 1,
                "currencyCode": "EUR",
                "amountMinor": 12000,
            },
        ),
    )
    yield (
        "katsu",
        "Replace an invoice",
        _sent("katsu", "PUT", "/api/v1/Invoice/Update", body=KATSU_DOCUMENT),
    )


def _sent(
    provider: str,
    method: str,
    path: str,
    *,
    query: str = "",
    headers: Mapping[str, str] | None = None,
    body: object = None,
) -> Sent:
    given = {"authorization": "", **(headers or {})}
    if body is not None:
        given["content-type"] = "application/json"
    return Sent(
        provider=provider,
        method=method,
        path=ACCOUNTS[provider].prefix + path,
        query=query,
        headers=tuple(given.items()),
        body=b"" if body is None else json_text(body).encode(),
    )


def _example(provider: str, text: str, sent: Sent, url: str) -> str:
    account = ACCOUNTS[provider]
    copies = "".join(
        f'<button type="button" data-copy="{name}" aria-label="Copy as {label}: {escape(text)}">'
        f"{label}</button>"
        for name, label in _COPIES
    )
    snippets = snippets_of(sent, url)
    sources = "".join(
        f'<pre tabindex="0" data-snippet="{name}" aria-label="{escape(text)} as {label}"'
        f"{'' if name == 'python' else ' hidden'}>{escape(snippets[name])}</pre>"
        for name, label in _COPIES
    )
    return (
        f'<article class="example" data-snippets>'
        f"<h3>{escape(text)} <small>{provider}</small></h3>"
        f'<div class="copies"><span aria-hidden="true">Copy as</span>{copies}</div>{sources}'
        f'<details><summary>Token and address of {provider}</summary><pre tabindex="0">'
        f"export {TOKEN_VARIABLE}={escape(account.token)}\n{escape(url + account.prefix)}"
        f"</pre><p><a href='{account.prefix}/openapi.json'>OpenAPI document</a></p></details>"
        "</article>"
    )
