"""What a tape may hold: requests and responses without credentials and without tenants.

Nothing is kept because it looks harmless: header fields are kept if their name is on a list. A
credential that was seen once is struck out wherever it turns up again, in each of the ways a
program might write it. Tenant ids are no secrets, but they name a customer: each is replaced by a
number of the same form, so that a tape reads alike in every program.
"""

from __future__ import annotations

import base64
import itertools
import json
import re
from collections.abc import Iterable, Iterator
from contextlib import suppress
from typing import Final
from urllib.parse import quote, unquote, urlsplit

from billingual.auth import encodings_of
from billingual.wire import Headers, WireRequest, WireResponse

__all__ = ["STRUCK", "Redactor", "is_tenant"]

STRUCK: Final = "***"
"""The text in the place of a secret."""

_KEPT: Final = frozenset(
    {
        "accept", "accept-language", "allow", "content-language", "content-type", "date", "etag",
        "if-match", "if-none-match", "last-modified", "prefer", "ratelimit", "ratelimit-limit",
        "ratelimit-policy", "ratelimit-remaining", "ratelimit-reset", "request-id", "retry-after",
        "sandbox-rule", "x-ratelimit-limit", "x-ratelimit-remaining", "x-ratelimit-reset",
        "x-request-id",
    }
)  # fmt: skip
_SECRET_WORDS: Final = frozenset(
    {
        "auth", "authorization", "cookie", "credential", "credentials", "key", "passphrase",
        "passwd", "password", "secret", "session", "sig", "signature", "token",
    }
)  # fmt: skip
_SECRET_KEYS: Final = ("apikey", "accesskey", "authkey", "privatekey", "secretkey", "token")
_WORD: Final = re.compile(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])")
_NAMED_IN_BODY: Final = (
    r"[\w.\-]*?(?:token|secret|password|passwd|passphrase|api[_\-]?key|access[_\-]?key|"
    r"private[_\-]?key|authorization|credentials?)"
)
_JSON_FIELD: Final = re.compile(
    rf'("{_NAMED_IN_BODY}"\s*:\s*)(?:"(?:[^"\\]|\\.)*"|-?\d[\d.eE+\-]*)', re.IGNORECASE
)
_JSON_HOLDER: Final = re.compile(rf'"{_NAMED_IN_BODY}s?"\s*:\s*(?=[\[{{])', re.IGNORECASE)
_FORM_FIELD: Final = re.compile(rf"((?:^|&){_NAMED_IN_BODY}=)[^&]*", re.IGNORECASE)
_TENANT_NAME: Final = re.compile(r"(?:^|-)tenant(?:-id)?$", re.IGNORECASE)
_ESCAPED: Final = re.compile(r"\\|%[0-9A-Fa-f]{2}|&\w|&#|\0")
_ORIGIN: Final = re.compile(r"https?://[^\s/:]+(?::\d+)?", re.IGNORECASE)

# Shorter texts are no secrets, and striking them out would eat half of a body.
_SECRET_LENGTH: Final = 8


def _is_secret(name: str) -> bool:
    """Tell whether a field or parameter of that name holds a secret: ``api_key``, not ``keyword``.

    A key alone is one, that of a sort order is not.
    """
    words = [each.lower() for each in _WORD.findall(name)]
    joined = "".join(words)
    if joined.endswith(_SECRET_KEYS) or joined == "key":
        return True
    return not _SECRET_WORDS.isdisjoint(words) and words[-1:] != ["key"]


def is_tenant(name: str) -> bool:
    """Tell whether the header field of that name says whose data a request is about."""
    return _TENANT_NAME.search(name) is not None


class Redactor:
    """Make what may be kept of one conversation after another; it remembers what is secret."""

    def __init__(self) -> None:
        self._secrets: dict[str, None] = {}
        self._tenants: dict[str, str] = {}
        self._numbers = itertools.count(1)

    def learn(self, headers: Headers, url: str = "") -> None:
        """Take note of the secrets and tenants in *headers* and in the query of *url*."""
        for secret in (*_secrets_of(headers), *_secrets_in(url)):
            if len(secret) >= _SECRET_LENGTH:
                self._secrets[secret] = None
        for name, value in headers:
            if is_tenant(name) and value not in self._tenants:
                self._tenants.setdefault(value, _stand_in(value, next(self._numbers)))

    def url(self, request: WireRequest) -> str:
        """Return path and query without the origin, the base path and the secrets."""
        parts = urlsplit(request.url)
        pairs = "&".join(_kept_pair(each) for each in parts.query.split("&"))
        path = _below_the_base(parts.path, request.route)
        return self.text(f"{path}?{pairs}" if parts.query else path)

    def headers(self, headers: Headers) -> Headers:
        """Return the fields whose names are on the list, and stand-ins for tenants."""
        return Headers(
            (
                name.lower(),
                self._tenants.get(value, STRUCK) if is_tenant(name) else self.text(value),
            )
            for name, value in headers
            if name.lower() in _KEPT or is_tenant(name)
        )

    def body(self, body: bytes) -> bytes:
        """Return a body without secrets and tenants, otherwise byte for byte."""
        try:
            text = body.decode()
        except UnicodeDecodeError:
            for old, new in self._replacements():
                body = body.replace(old.encode(), new.encode())
            return body
        text = _without_holders(_JSON_FIELD.sub(rf'\1"{STRUCK}"', self.text(text)))
        return (text if text[:1] in {"{", "["} else _FORM_FIELD.sub(rf"\1{STRUCK}", text)).encode()

    def text(self, text: str) -> str:
        """Return *text* without secrets and tenants."""
        for old, new in self._replacements():
            text = text.replace(old, new)
        if not _ESCAPED.search(text):
            return text
        packed = text.encode("utf-8", "surrogatepass")
        for secret in self._secrets.copy():
            if secret.isascii():
                packed = encodings_of(secret).sub(STRUCK.encode(), packed)
        return packed.decode("utf-8", "surrogatepass")

    def message(self, text: str) -> str:
        """Return an error's text without secrets, tenants and addresses."""
        return _ORIGIN.sub("the provider", self.text(text))

    def revived(self, response: WireResponse) -> bytes:
        """Return a response's body with the tenants of this program in their places again."""
        body = response.body
        for tenant, stand_in in list(self._tenants.items()):
            body = body.replace(stand_in.encode(), tenant.encode())
        return body

    def _replacements(self) -> Iterator[tuple[str, str]]:
        for secret in sorted(self._secrets.copy(), key=len, reverse=True):
            for form in _forms(secret):
                yield form, STRUCK
        for tenant, stand_in in list(self._tenants.items()):
            if len(tenant) >= _SECRET_LENGTH:
                yield tenant, stand_in


def _without_holders(text: str) -> str:
    """Strike out the lists and objects of a JSON text whose names say that they hold secrets."""
    at = 0
    while found := _JSON_HOLDER.search(text, at):
        at = found.end()
        with suppress(ValueError, RecursionError):
            _, end = json.JSONDecoder().raw_decode(text, at)
            text = f'{text[:at]}"{STRUCK}"{text[end:]}'
    return text


def _forms(secret: str) -> Iterable[str]:
    """List the ways a program may write *secret* into a text."""
    in_json = json.dumps(secret)[1:-1]
    packed = base64.b64encode(secret.encode()).decode()
    quoted = quote(secret, safe="")
    forms = (secret, in_json, in_json.replace("/", "\\/"), quoted, quote(secret), packed)
    return dict.fromkeys(forms)


def _secrets_of(headers: Headers) -> Iterator[str]:
    for name, value in headers:
        low = name.lower()
        if low in {"authorization", "proxy-authorization"}:
            yield value
            scheme, _, credential = value.partition(" ")
            yield credential.strip()
            if scheme.lower() == "basic":
                yield from _basic_parts(credential.strip())
        elif low in {"cookie", "set-cookie"}:
            pairs = value.split(";") if low == "cookie" else value.split(";")[:1]
            yield from (pair.partition("=")[2].strip() for pair in pairs)
        elif low not in _KEPT and not _SECRET_WORDS.isdisjoint(low.split("-")):
            yield value


def _basic_parts(credential: str) -> Iterator[str]:
    try:
        user, _, password = base64.b64decode(credential, validate=True).decode().partition(":")
    except ValueError:
        return
    yield f"{user}:{password}"
    yield password


def _secrets_in(url: str) -> Iterator[str]:
    parts = urlsplit(url)
    if parts.password:
        yield unquote(parts.password)
    for pair in parts.query.split("&"):
        name, _, value = pair.partition("=")
        if _is_secret(unquote(name)):
            yield value
            yield unquote(value)


def _kept_pair(pair: str) -> str:
    name, equals, _ = pair.partition("=")
    return f"{name}{equals}{STRUCK}" if equals and _is_secret(unquote(name)) else pair


def _below_the_base(path: str, route: str) -> str:
    """Cut the base URL's own path off, where the route says what is below it."""
    asked, known = path.split("/"), route.partition("?")[0].split("/")[1:]
    tail = asked[-len(known) :] if known else []
    fits = len(tail) == len(known) and all(
        have == want or ("{" in want and have) for have, want in zip(tail, known, strict=True)
    )
    return "/" + "/".join(tail) if fits and tail else path


def _stand_in(tenant: str, number: int) -> str:
    """Write *number* in the form of *tenant*: prefix and separators stay, the rest is zeros."""
    prefix, underscore, rest = tenant.rpartition("_")
    blank = re.sub(r"[^\W_]", "0", rest)
    digits = str(number)
    return f"{prefix}{underscore}{blank[: -len(digits)]}{digits}"
