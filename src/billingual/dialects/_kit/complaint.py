"""What a provider says went wrong, read from a body of any shape.

None of the providers documents its error bodies, so everything plausible is understood and
nothing is required. The text is for people; it never decides anything.
"""

from __future__ import annotations

import html
import json
import re
import unicodedata
from collections.abc import Iterator, Mapping
from itertools import islice
from typing import Final

import attrs

from billingual.wire import WireResponse

_LONGEST: Final = 500
# A larger body is no message to a person; its beginning is. It also bounds all work below: each
# pattern here goes over a text once.
_READ: Final = 65_536
_DEEPEST: Final = 8
_MOST: Final = 12
_FEW: Final = 4
# So many values of a body are looked at; a body with more says no more to a person.
_MOST_VALUES: Final = 2_000
# Names are compared without case and punctuation: ``error_description`` is ``errorDescription``.
# In this order: what says it best comes first. The words are those of the shapes seen at the
# providers, of problem details (RFC 9457), JSON:API, OData, GraphQL and of common frameworks
# (Spring, Django REST, Laravel, ASP.NET, Ajv of Fastify).
_WORDS: Final = (
    "message",
    "msg",
    "errormessage",
    "errormsg",
    "usermessage",
    "defaultmessage",
    "error",
    "errordescription",
    "detail",
    "title",
    "reason",
    "description",
    "faultstring",
    "localizedmessage",
    "summary",
    "code",
    "errorcode",
)
_LISTS: Final = (
    "details",
    "errors",
    "issues",
    "validation",
    "validationerrors",
    "modelstate",
    "fielderrors",
    "fieldviolations",
    "invalidparams",
    "violations",
    "nonfielderrors",
    "globalerrors",
    "messages",
    "problems",
    "failures",
    "suberrors",
    "elements",
    "items",
    "innererror",
    "odataerror",
    "innerexception",
    "cause",
    "causes",
    "fault",
    "exception",
    "extensions",
    "errordetails",
    "errorlist",
    "response",
    "result",
    "results",
    "body",
    "data",
)
_PAYLOADS: Final = frozenset({"body", "data", "elements", "items", "response", "result", "results"})
# Objects whose names are those of fields.
_BY_FIELD: Final = frozenset(
    {
        "details",
        "errors",
        "error",
        "fielderrors",
        "messages",
        "modelstate",
        "validation",
        "validationerrors",
        "violations",
    }
)
# What names the field that a complaint is about; in the whole body the last four mean other things.
_FIELD_WORDS: Final = (
    "field",
    "fieldname",
    "param",
    "parameter",
    "property",
    "propertyname",
    "propertypath",
    "attribute",
    "pointer",
    "instancepath",
    "loc",
    "source",
    "membernames",
    "path",
    "name",
    "target",
    "key",
)
_NOT_ON_TOP: Final = frozenset({"path", "name", "target", "key", "source", "loc"})
_NO_FIELD: Final = frozenset({"", "nonfielderrors", "nonfield", "base", "general", "global", "all"})
# Texts beside a complaint that are no part of it.
_NOT_SAID: Final = frozenset(
    {
        "docurl", "errorid", "id", "instance", "path", "requestid", "status", "statuscode",
        "timestamp", "traceid", "type", "url",
    }
)  # fmt: skip
# The names of an object that has a text in several languages, such as "en" and "de-CH".
_LANGUAGE: Final = r"(?!id$)[a-z]{2}(?:[-_][A-Za-z]{2,4})?"
# Where a path starts, and no field does.
_PREFIX: Final = re.compile(r"(?:\$\.?|#?/)?(?:data[./]attributes[./]|(?:body|request|query)[./])?")
_MARKUP: Final = re.compile(r"\s*<[a-z!?]", re.IGNORECASE)
_TITLE: Final = re.compile(r"<title[^>]{0,200}>([^<]{1,500})", re.IGNORECASE)
_UNSHOWN: Final = re.compile(r"<(script|style)\b.*?(?:</\1\s*>|\Z)", re.IGNORECASE | re.DOTALL)
_TAG: Final = re.compile(r"<[^<>]*>")
# Only charsets that are cheap to read: Python's names hold codecs that are not (punycode).
_CHARSET: Final = re.compile(
    r"charset\s*=\s*\"?(utf-?(?:8|16|32)(?:[bl]e)?|us-ascii|iso-8859-\d{1,2}|windows-125\d)\b",
    re.IGNORECASE,
)
# A provider may quote the credential it refuses.
_CREDENTIAL: Final = re.compile(r"(?i)\bbearer\s+[^\s\"',;]+|\bex_live_[^\s\"',;]+")


def complaint_of(response: WireResponse) -> str:
    """Return what the provider said, in one line of at most 500 characters; empty for nothing."""
    return complaints_of(response)[0]


def complaint_in(value: object) -> str:
    """Return what a part of a body says, which is known to be a complaint; as `complaint_of`."""
    return _tidy(": ".join(_unique(_Gathering(is_error=True).gather(value, 0))))


def complaints_of(response: WireResponse) -> tuple[str, dict[str, str]]:
    """Return what the provider said, as :func:`complaint_of`, and what of it is about fields.

    The latter is by the provider's names of the fields, at most 12 of them.
    """
    text = _text(response)
    value = _json(text) if len(response.body) <= _READ else None
    if value is not None:
        gathering = _Gathering(is_error=response.status >= 400)
        told = _tidy(": ".join(_unique(gathering.gather(value, 0))))
        told = told or _tidy(": ".join(_unique(_few_texts(value, response.status))))
        return told, {_tidy(name): _tidy(said) for name, said in gathering.fields.items()}
    if _MARKUP.match(text):
        title = _TITLE.search(text)
        if title is None:
            plain = _UNSHOWN.sub(" ", text).replace("<![CDATA[", " ").replace("]]>", " ")
            return _tidy(html.unescape(_TAG.sub(" ", plain))), {}
        return _tidy(html.unescape(title[1])), {}
    return "" if _is_binary(text) else _tidy(text), {}


def _few_texts(value: object, status: int) -> Iterator[str]:
    """Yield the texts of a flat object whose names are in another language than English.

    Only of a small one, and where the status says that it is a complaint: a larger one may be an
    invoice.
    """
    if isinstance(value, dict) and status >= 400 and len(value) <= _FEW:
        for name, each in value.items():
            if isinstance(each, (dict, list)):
                return
            if isinstance(each, str) and _folded(name) not in _NOT_SAID:
                yield each


def _text(response: WireResponse) -> str:
    found = _CHARSET.search(response.headers.get("content-type") or "")
    beginning = response.body[:_READ]
    try:
        # Most bodies are UTF-8 whatever their label says.
        return beginning.decode("utf-8-sig")
    except UnicodeDecodeError:
        pass
    try:
        return beginning.decode(found[1] if found else "utf-8", errors="replace")
    except LookupError:
        return beginning.decode("utf-8", errors="replace")


def _json(text: str) -> object:
    try:
        value: object = json.loads(text)
    except ValueError:
        return None
    except RecursionError:
        # How deep the parser goes differs between Pythons; nothing that deep is a complaint.
        return {}
    return value if isinstance(value, (dict, list, str)) else None


@attrs.define
class _Gathering:
    """One walk over a body, which looks at a bounded number of values.

    Attributes:
        is_error: whether the status says that the body is a complaint. Otherwise a payload in it
            may be an invoice, which is not quoted.
        fields: what was said about single fields.
        left: how many values may still be looked at.
    """

    is_error: bool
    fields: dict[str, str] = attrs.field(factory=dict)
    left: int = _MOST_VALUES

    def gather(self, value: object, depth: int) -> Iterator[str]:
        """Yield the texts that say what is wrong, the best first."""
        self.left -= 1
        if depth > _DEEPEST or self.left < 0:
            return
        if isinstance(value, str):
            yield value
        elif isinstance(value, list):
            for each in value[:_MOST]:
                yield from self.gather(each, depth + 1)
        elif isinstance(value, dict):
            yield from self._gather_object(value, depth)

    def _gather_object(self, value: dict[str, object], depth: int) -> Iterator[str]:
        folded = {_folded(name): each for name, each in islice(value.items(), 10 * _MOST)}
        known = [name for name in (*_WORDS, *_LISTS) if folded.get(name)]
        if _NO_FIELD.issuperset(known):
            # Django REST and ASP.NET may write the fields alone; and OData a text by its language.
            text = folded.get("value")
            if isinstance(text, str) and depth:
                yield text
            elif depth and value and all(re.fullmatch(_LANGUAGE, name) for name in value):
                for each in islice(value.values(), _MOST):
                    yield from self.gather(each, depth + 1)
            elif value and all(isinstance(each, (list, dict)) for each in value.values()):
                yield from self._gather_fields(value, depth)
            return
        field = _field_of(folded, on_top=depth == 0)
        for name in known:
            each = folded[name]
            if isinstance(each, dict) and self._is_by_field(name, each, folded):
                yield from self._gather_fields(each, depth)
            elif name in _PAYLOADS and not self.is_error:
                continue
            elif field and name in _WORDS:
                said = list(self.gather(each, depth + 1))
                yield from self._about(field, said)
                field = ""  # Once is enough.
            else:
                yield from self.gather(each, depth + 1)

    def _is_by_field(
        self, name: str, each: dict[str, object], beside: Mapping[str, object]
    ) -> bool:
        if name == "data":  # JSend: a "fail" says what is wrong by fields.
            return beside.get("status") == "fail"
        if name == "error" and not all(isinstance(said, (list, dict)) for said in each.values()):
            return False  # It is one error, with its type and the like.
        words = {_folded(key) for key in islice(each, 10 * _MOST)}
        return name in _BY_FIELD and words.isdisjoint((*_WORDS, *_LISTS))

    def _gather_fields(self, fields: Mapping[str, object], depth: int) -> Iterator[str]:
        for name, problems in islice(fields.items(), _MOST):
            if _folded(name) in _NOT_SAID:
                continue
            said = list(self.gather(problems, depth + 1))
            if said or problems in ([], None, ""):
                yield from self._about(name, said)

    def _about(self, field: str, said: list[str]) -> Iterator[str]:
        if _folded(field) in _NO_FIELD or field.isdigit():
            yield from said
            return
        told = ", ".join(said)
        if len(self.fields) < _MOST:
            self.fields.setdefault(field, told)
        yield f"{field}: {told}" if told else field


def in_our_names(complaints: Mapping[str, str], wires: Mapping[str, str]) -> dict[str, str]:
    """Return complaints about fields under our names for them, where there is one.

    Args:
        complaints: by the provider's names, in any spelling, perhaps with a path before them.
        wires: our name for each of the provider's fields.
    """
    ours = {_folded(wire): name for wire, name in wires.items()}
    named: dict[str, str] = {}
    for where, said in complaints.items():
        path = _PREFIX.sub("", where, count=1)
        before, parts, last = path.rpartition(".")
        name = ours.get(_folded(last))
        named[path if name is None else f"{before}{parts}{name}"] = said
    return named


def _folded(name: str) -> str:
    """Return a name without case and punctuation."""
    return "".join(filter(str.isalnum, name[:80])).lower()


def _field_of(folded: Mapping[str, object], *, on_top: bool) -> str:
    """Return the field that an object names; empty for none."""
    for name in _FIELD_WORDS:
        if on_top and name in _NOT_ON_TOP:
            continue
        found = folded.get(name)
        if isinstance(found, dict):
            inner = {_folded(key): each for key, each in islice(found.items(), _MOST)}
            found = inner.get("pointer") or inner.get("parameter")
        if isinstance(found, list):
            found = ".".join(str(each) for each in found[:_MOST] if isinstance(each, (str, int)))
        if isinstance(found, str) and found and len(found) <= _LONGEST:
            return _PREFIX.sub("", found, count=1).replace("/", ".")
    return ""


def _unique(texts: Iterator[str]) -> Iterator[str]:
    seen: set[str] = set()
    for text in texts:
        if text.strip() and text not in seen:
            seen.add(text)
            yield text


def _is_binary(text: str) -> bool:
    sample = text[:1000]
    odd = sum(each == "\ufffd" or (each < " " and each not in "\t\r\n") for each in sample)
    return odd * 10 > len(sample)


def _tidy(text: str) -> str:
    text = text[: 8 * _LONGEST]
    shown = "".join(" " if unicodedata.category(each)[0] in "CZ" else each for each in text)
    line = _CREDENTIAL.sub("***", " ".join(shown.split())).rstrip(".")
    return line if len(line) <= _LONGEST else f"{line[: _LONGEST - 1]}…"
