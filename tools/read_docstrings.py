"""Read our docstrings as Markdown, and the constructors of attrs: an extension of griffe.

Docstrings are written for an editor and for ``help()``: ``:class:`Money``` names a thing, and an
indented block after two colons is code. Here the first becomes a link, where what it names is
public, and the second a fenced block.

griffe reads the source and runs nothing, so it does not see the ``__init__`` that attrs writes. The
fields tell what it takes.

A signature may name what no reader can look up: a type alias or a constant that is not public. What
it stands for is shown in its place.
"""

from __future__ import annotations

import ast
import dataclasses
import re
import textwrap
from functools import partial
from pathlib import Path
from typing import Any

import griffe

NAMES = Path(__file__).parents[1] / "docs" / "public-names.txt"
_ATTRS = {"attrs.define", "attrs.frozen"}
_POSITIONAL = griffe.ParameterKind.positional_or_keyword
_ROLE = re.compile(r":[a-z]+:`(~?)([\w.]+)`")
_BLOCK = re.compile(r"^( *)(.*)::\n\n((?:\1 +\S.*\n|[ ]*\n)*\1 +\S.*)$", re.MULTILINE)


def public_names(package: griffe.Module) -> dict[str, list[str]]:
    """Return each public object by its own path, with the names under which it is public.

    The most telling name comes first: ``billingual.model.Money``, then ``billingual.Money``.
    """
    found: dict[str, list[str]] = {}
    for name in NAMES.read_text(encoding="utf-8").split():
        found.setdefault(target_of(package, name).path, []).append(name)
    for names in found.values():
        names.sort(key=lambda name: (name.rpartition(".")[0] == package.name, name))
    return found


def target_of(package: griffe.Module, name: str) -> griffe.Object:
    """Return what *name* names, wherever it is defined."""
    member = package[name.removeprefix(f"{package.name}.")]
    target = member.final_target if isinstance(member, griffe.Alias) else member
    assert isinstance(target, griffe.Object)  # noqa: S101 - for the type checker
    return target


def _is_python(code: str) -> bool:
    try:
        compile(code, "", "exec", ast.PyCF_ALLOW_TOP_LEVEL_AWAIT | ast.PyCF_ONLY_AST)
    except SyntaxError:
        return False
    return True


def _fenced(match: re.Match[str]) -> str:
    indent, text, block = match.groups()
    code = textwrap.dedent(block)
    language = "python" if _is_python(code) else "text"
    lines = [f"{text}:", ""] if text else []
    lines += [f"```{language}", *code.splitlines(), "```"]
    return "\n".join(indent + line if line else "" for line in lines)


def _options(call: object) -> dict[str, str | griffe.Expr]:
    """Return the named arguments of a decorator or of ``attrs.field``."""
    given = call.arguments if isinstance(call, griffe.ExprCall) else ()
    return {each.name: each.value for each in given if isinstance(each, griffe.ExprKeyword)}


def _parameters(owner: griffe.Class) -> dict[str, griffe.Parameter] | None:
    """Return what the ``__init__`` that attrs writes takes; None if another writes it."""
    made = [each for each in owner.decorators if each.callable_path in _ATTRS]
    if not made or "__init__" in owner.members:
        return None
    found: dict[str, griffe.Parameter] = {}
    for base in owner.mro():
        found = {**(_parameters(base) or {}), **found}
    keyword_only = str(_options(made[0].value).get("kw_only")) == "True"
    for field in owner.attributes.values():
        options = _options(field.value)
        is_field = field.annotation is not None and "instance-attribute" in field.labels
        if not is_field or str(options.get("init")) == "False":
            continue
        default = options.get("default", field.value if not options else None)
        if "factory" in options:
            default = f"{options['factory']}()"
        keyword = keyword_only or str(options.get("kw_only")) == "True"
        name = field.name.lstrip("_")
        found[name] = griffe.Parameter(
            name,
            annotation=field.annotation,
            kind=griffe.ParameterKind.keyword_only if keyword else _POSITIONAL,
            default=default,
        )
    return found


def _value_of(what: griffe.Attribute) -> str | griffe.Expr | None:
    """Return the expression that *what* is set to, also where it is a quoted type."""
    if isinstance(what.value, str) and "TypeAlias" in str(what.annotation):
        node = ast.parse(ast.literal_eval(what.value), mode="eval").body
        return griffe.safe_get_expression(node, parent=what.module)
    return what.value


class PlainDocstrings(griffe.Extension):
    """Turn the docstrings of a package into Markdown, and let its signatures stand alone."""

    def on_package(self, *, pkg: griffe.Module, **_: Any) -> None:
        """Do so once the package is loaded whole, because a link may lead anywhere in it."""
        self._package, self._public = pkg, public_names(pkg)
        self._read(pkg)
        for path in self._public:
            found = target_of(pkg, path)
            if isinstance(found, griffe.Class) and (parameters := _parameters(found)) is not None:
                written = sorted(parameters.values(), key=lambda each: each.kind is not _POSITIONAL)
                own = griffe.Parameter("self", kind=_POSITIONAL)
                init = griffe.Function("__init__", parameters=griffe.Parameters(own, *written))
                found.set_member("__init__", init)
            members = found.members.values() if isinstance(found, griffe.Class) else ()
            for each in (found, *members):
                if not isinstance(each, griffe.Alias):
                    self._spell_out(each)

    def _spell_out(self, what: griffe.Object) -> None:
        """Show in the signature of *what* what names stand for that are not public."""
        if isinstance(what, griffe.Function):
            for each in what.parameters:
                each.annotation = self._spelled(each.annotation)
                each.default = self._spelled(each.default)
            what.returns = self._spelled(what.returns)
        elif isinstance(what, griffe.Attribute):
            what.annotation = self._spelled(what.annotation)
            if what.annotation is None or "TypeAlias" in str(what.annotation):
                what.value = self._spelled(what.value)
            elif re.search(r"(?<!\w)_[A-Za-z]", str(what.value)):
                what.value = None  # made of parts that are not public: the type tells more

    def _spelled(self, part: Any) -> Any:
        if isinstance(part, list):
            return [self._spelled(each) for each in part]
        if isinstance(part, griffe.ExprName):
            hidden = self._hidden(part.canonical_path)
            return self._spelled(_value_of(hidden)) if hidden else part
        if not isinstance(part, griffe.Expr):
            return part
        fields = {each.name: getattr(part, each.name) for each in dataclasses.fields(part)}
        return dataclasses.replace(part, **{name: self._spelled(at) for name, at in fields.items()})

    def _hidden(self, path: str) -> griffe.Attribute | None:
        """Return the alias or constant at *path* if it is not public."""
        try:
            found = target_of(self._package, path)
        except (KeyError, griffe.GriffeError):
            return None  # of another package, or a parameter
        if not isinstance(found, griffe.Attribute) or found.path in self._public:
            return None
        stands_alone = found.parent is found.module and "TypeVar" not in str(found.value)
        return found if stands_alone else None

    def _read(self, owner: griffe.Object) -> None:
        for each in [owner, *owner.members.values()]:
            if isinstance(each, griffe.Alias):
                continue
            if each.docstring is not None:
                text = _BLOCK.sub(_fenced, each.docstring.value)
                each.docstring.value = _ROLE.sub(partial(self._link, each), text)
            if each is not owner:
                self._read(each)

    def _link(self, at: griffe.Object, match: re.Match[str]) -> str:
        short, name = match.groups()
        label = f"`{name.rpartition('.')[2] if short else name}`"
        path = self._public_path(name, at)
        return f"[{label}][{path}]" if path else label

    def _public_path(self, name: str, at: griffe.Object) -> str | None:
        """Return the public name of *name*, as it is written in the docstring of *at*."""
        scope: griffe.Object | None = at
        while scope is not None:
            for path in (f"{scope.path}.{name}", name):
                try:
                    target = target_of(self._package, path)
                except (KeyError, griffe.GriffeError):
                    continue
                owner, _, member = target.path.rpartition(".")
                if target.path in self._public:
                    return self._public[target.path][0]
                if owner in self._public:  # what has no docstring has no place of its own
                    place = self._public[owner][0]
                    return f"{place}.{member}" if target.docstring else place
                if target.path in {each.rpartition(".")[0] for each in self._names()}:
                    return target.path
            scope = scope.parent
        return None

    def _names(self) -> list[str]:
        return [name for names in self._public.values() for name in names]
