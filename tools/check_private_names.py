"""Fail where ``src/`` uses a private name of a third party.

A private name may change in any release of the library, without a word. The standard library
counts as a third party. What this check finds:

- an import of a private module or name: ``import lib._mod``, ``from lib import _name``;
- an import of a name that its module leaves out of ``__all__``, or from a submodule of a library
  that documents only its top module;
- an attribute ``value._name``, also as a string: ``getattr(value, "_name")``,
  ``patch("lib._name")``;
- a class of ours that reads, sets or overrides a private name of a third party's base class. The
  base class is imported and its source is read, so a name that both use by chance is found too.

A private name is ours if a class or function of ours declares it. Where the type of the value is
not known, the declaration must stand in the same file.

What cannot be avoided stands in `ALLOWED`, with its reason, its guard and its test.
"""

from __future__ import annotations

import argparse
import ast
import importlib
import importlib.util
import inspect
import sys
import textwrap
from collections.abc import Iterator
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from types import ModuleType

ROOT = Path(__file__).parents[1]

Function = ast.FunctionDef | ast.AsyncFunctionDef

# Documented by the standard library although they start with an underscore.
DOCUMENTED = frozenset(
    {"_asdict", "_exit", "_field_defaults", "_fields", "_make", "_replace", "_typeshed"}
)
# Libraries that document what stands in their top module, and of their submodules only these.
ONE_MODULE = {
    "aiohttp": {"aiohttp.abc", "aiohttp.resolver", "aiohttp.test_utils", "aiohttp.web"},
    "h11": set(),
    "httpcore": set(),
    "httptools": set(),
    "httpx": set(),
    "httpx2": set(),
    "uvicorn": {"uvicorn.config"},
}
# Functions whose string arguments name attributes; ``object`` is mock's ``patch.object``.
TAKES_A_NAME = frozenset(
    {
        "__delattr__", "__getattribute__", "__setattr__", "attrgetter", "delattr", "getattr",
        "hasattr", "methodcaller", "object", "setattr",
    }
)  # fmt: skip
# Functions whose first argument is the dotted name of a module, or of something in one.
IMPORTS_A_NAME = frozenset({"__import__", "find_spec", "import_module", "patch"})


@dataclass(frozen=True)
class Unavoidable:
    """One private name that cannot be avoided.

    Attributes:
        reason: why no public way does the same.
        guard: what happens where the name is missing.
        test: the test that fails when the guard does not hold: ``path::name``.
    """

    reason: str
    guard: str
    test: str


ALLOWED: dict[tuple[str, str], Unavoidable] = {
    ("sandbox/server.py", "uvicorn.protocols.http.h11_impl.H11Protocol"): Unavoidable(
        reason="a server of the sandbox must drop connections; neither ASGI nor uvicorn has a way",
        guard="only `billingual sandbox` imports it; in-process sandboxes work without",
        test="tests/sandbox/test_sandbox_wire.py::test_a_drop_closes_the_socket_without_a_response",
    ),
}
"""The file below ``src/billingual`` and the name that it uses."""


@dataclass(frozen=True, order=True)
class Finding:
    """One use of a private name."""

    path: Path
    line: int
    name: str
    reason: str

    def __str__(self) -> str:
        path = self.path.relative_to(ROOT) if self.path.is_relative_to(ROOT) else self.path
        return f"{path}:{self.line}: {self.name}: {self.reason}"


def is_private(name: str) -> bool:
    """Tell whether a name is private: ``_name``, but neither ``__dunder__`` nor ``_sunder_``."""
    return name.startswith("_") and not name.endswith("_") and name not in DOCUMENTED


def has_private_part(dotted: str) -> bool:
    """Tell whether some part of a dotted name is private."""
    return any(map(is_private, dotted.split(".")))


def root_of(dotted: str) -> str:
    """Return the first part of a dotted name."""
    return dotted.partition(".")[0]


def declared_in(node: ast.AST) -> set[str]:
    """Collect the private names that a class or a module declares, in its methods as well."""
    names = set()
    for each in ast.walk(node):
        if isinstance(each, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
            names.add(each.name)
        elif isinstance(each, (ast.Assign, ast.AnnAssign)):
            targets = each.targets if isinstance(each, ast.Assign) else [each.target]
            for target in targets:
                names |= names_set_by(target)
                if isinstance(target, ast.Name) and target.id == "__slots__" and each.value:
                    names |= {
                        str(part.value)
                        for part in ast.walk(each.value)
                        if isinstance(part, ast.Constant)
                    }
    return {name for name in names if is_private(name)}


def names_set_by(target: ast.expr) -> set[str]:
    """Collect the plain names and the attributes of ``self`` that an assignment sets."""
    return {
        part.id if isinstance(part, ast.Name) else part.attr
        for part in ast.walk(target)
        if isinstance(part, ast.Name) or (isinstance(part, ast.Attribute) and is_self(part.value))
    }


def is_self(node: ast.expr) -> bool:
    """Tell whether an expression is ``self``, ``cls`` or ``super()``."""
    if isinstance(node, ast.Call):
        return isinstance(node.func, ast.Name) and node.func.id == "super"
    return isinstance(node, ast.Name) and node.id in {"self", "cls"}


@cache
def private_names_of(value: type) -> frozenset[str]:
    """Collect the private names of a third party's class: its own and those set on ``self``."""
    names = set(vars(value))
    try:
        tree = ast.parse(textwrap.dedent(inspect.getsource(value)))
    except (OSError, TypeError, SyntaxError):
        return frozenset(filter(is_private, names))  # written in C
    return frozenset(filter(is_private, names | declared_in(tree)))


@dataclass
class Module:
    """One file of ours: its tree, and what its names stand for."""

    package: str
    path: Path
    tree: ast.Module
    runtime: ModuleType | None = None
    imports: dict[str, str] = field(default_factory=dict)
    classes: set[str] = field(default_factory=set)
    declared: set[str] = field(default_factory=set)

    def __post_init__(self) -> None:
        for node in ast.walk(self.tree):
            if isinstance(node, ast.Import):
                for alias in node.names:
                    name = alias.asname or alias.name.partition(".")[0]
                    self.imports[name] = alias.name if alias.asname else name
            elif isinstance(node, ast.ImportFrom) and node.module:
                for alias in node.names:
                    self.imports[alias.asname or alias.name] = f"{node.module}.{alias.name}"
            elif isinstance(node, ast.ClassDef):
                self.classes.add(node.name)
        self.declared = declared_in(self.tree)

    def names_ours(self, expression: ast.expr | None) -> bool | None:
        """Tell whether an annotation names a class of ours; None where there is no annotation."""
        if expression is None:
            return None
        if isinstance(expression, ast.Constant) and isinstance(expression.value, str):
            expression = ast.parse(expression.value, mode="eval").body
        return any(
            isinstance(part, ast.Name)
            and (
                part.id in self.classes | {"Self"}
                or root_of(self.imports.get(part.id, "")) == self.package
            )
            for part in ast.walk(expression)
        )


def load(path: Path, package: Path) -> Module:
    """Read one file and import it, so that the base classes of its classes are known."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    parts = path.relative_to(package.parent).with_suffix("").parts
    name = ".".join(parts).removesuffix(".__init__")
    try:
        runtime = None if parts[-1] == "__main__" else importlib.import_module(name)
    except ImportError:
        # An integration is for those who have what it integrates; its text is read all the same.
        if "integrations" not in parts:
            raise
        runtime = None
    return Module(package.name, path, tree, runtime)


class Visitor(ast.NodeVisitor):
    """Walks one module and collects what it finds."""

    def __init__(self, module: Module, index: dict[str, set[str]]) -> None:
        self.module = module
        self.index = index
        self.findings: list[Finding] = []
        self.classes: list[ast.ClassDef] = []
        self.functions: list[Function] = []

    def report(self, node: ast.AST, name: str, reason: str) -> None:
        """Keep a finding."""
        self.findings.append(Finding(self.module.path, getattr(node, "lineno", 0), name, reason))

    def visit_Import(self, node: ast.Import) -> None:
        """Report an import of a private module."""
        for alias in node.names:
            if has_private_part(alias.name) and root_of(alias.name) != self.module.package:
                self.report(node, alias.name, "a private module")

    def visit_ImportFrom(self, node: ast.ImportFrom) -> None:
        """Report an import of a private or undocumented name."""
        source = node.module or ""
        if node.level or root_of(source) in {self.module.package, "__future__"}:
            return
        for alias in node.names:
            dotted = f"{source}.{alias.name}"
            if has_private_part(dotted):
                self.report(node, dotted, "a private name")
            elif is_undocumented(source, alias.name):
                self.report(node, dotted, "not exported by its library")

    def visit_Attribute(self, node: ast.Attribute) -> None:
        """Report ``value._name``."""
        if is_private(node.attr):
            self.check(node, node.value, node.attr)
        self.generic_visit(node)

    def visit_Call(self, node: ast.Call) -> None:
        """Report a private name that is given as a string."""
        called = ast.unparse(node.func).rpartition(".")[2]
        texts = [
            each.value
            for each in node.args
            if isinstance(each, ast.Constant) and isinstance(each.value, str)
        ]
        if called in TAKES_A_NAME:
            for text in texts:
                for part in filter(is_private, text.split(".")):
                    self.check(node, node.args[0], part)
        elif called in IMPORTS_A_NAME:
            for text in texts[:1]:
                self.check_text(node, text)
        self.generic_visit(node)

    def visit_Subscript(self, node: ast.Subscript) -> None:
        """Report ``vars(value)["_name"]`` and ``sys.modules["lib._mod"]``."""
        holder, key = node.value, node.slice
        if isinstance(key, ast.Constant) and isinstance(key.value, str):
            text = ast.unparse(holder)
            if text.startswith("vars(") or text.endswith(".__dict__"):
                owner = holder.args[0] if isinstance(holder, ast.Call) else holder
                if is_private(key.value):
                    self.check(node, owner, key.value)
            elif text == "sys.modules":
                self.check_text(node, key.value)
        self.generic_visit(node)

    def check_text(self, node: ast.AST, text: str) -> None:
        """Report a string that names a private module, or something private in one."""
        if has_private_part(text) and root_of(text) != self.module.package:
            self.report(node, text, "a private name, as a string")

    def check(self, node: ast.AST, receiver: ast.expr, name: str) -> None:
        """Report *name* unless it is one of ours."""
        if is_self(receiver) and self.classes:
            self.check_own(node, name)
            return
        known = self.is_known(receiver)
        if known is False or (known is None and name not in self.module.declared):
            self.report(node, f"{ast.unparse(receiver)}.{name}", "declared by no class of ours")

    def check_own(self, node: ast.AST, name: str) -> None:
        """Report *name*, used on ``self``, if a base class of a third party uses it too."""
        runtime = self.runtime_class()
        if runtime is None:
            return
        declared: set[str] = set()
        for base in runtime.__mro__:
            dotted = f"{base.__module__}.{base.__qualname__}"
            if root_of(dotted) == self.module.package:
                declared |= self.index.get(dotted, set())
            elif name in private_names_of(base):
                self.report(node, f"{dotted}.{name}", "a private name of a base class")
                return
        if name not in declared:
            self.report(node, f"{runtime.__qualname__}.{name}", "declared by no class of ours")

    def runtime_class(self) -> type | None:
        """Return the class that is being walked, or None where it is made inside a function."""
        value: object = self.module.runtime
        for each in self.classes:
            value = getattr(value, each.name, None)
        return value if isinstance(value, type) else None

    def is_known(self, receiver: ast.expr) -> bool | None:
        """Tell whether a value is of a class of ours; None where nothing tells."""
        module = self.module
        if isinstance(receiver, ast.Name):
            if receiver.id in module.imports or receiver.id in module.classes:
                return module.names_ours(receiver)
            told = [told_by(each, receiver.id, module) for each in reversed(self.functions)]
            return next((each for each in told if each is not None), None)
        if isinstance(receiver, ast.Attribute) and is_self(receiver.value) and self.classes:
            names = {receiver.attr, f"self.{receiver.attr}"}
            for node in ast.walk(self.classes[-1]):
                if isinstance(node, ast.AnnAssign) and ast.unparse(node.target) in names:
                    return module.names_ours(node.annotation)
        return None

    def visit_ClassDef(self, node: ast.ClassDef) -> None:
        """Report methods that override a private one, then walk the class."""
        self.classes.append(node)
        for name in sorted(names_in_body(node)):
            self.check_own(node, name)
        self.generic_visit(node)
        self.classes.pop()

    def visit_FunctionDef(self, node: ast.FunctionDef) -> None:
        """Walk a function."""
        self.enter(node)

    def visit_AsyncFunctionDef(self, node: ast.AsyncFunctionDef) -> None:
        """Walk a function."""
        self.enter(node)

    def enter(self, node: Function) -> None:
        """Walk a function, and know that we are in it."""
        self.functions.append(node)
        self.generic_visit(node)
        self.functions.pop()


def names_in_body(node: ast.ClassDef) -> set[str]:
    """Collect the private names that a class body itself declares: methods and class attributes."""
    return {
        each.name
        for each in node.body
        if isinstance(each, (ast.FunctionDef, ast.AsyncFunctionDef)) and is_private(each.name)
    }


def told_by(function: Function, name: str, module: Module) -> bool | None:
    """Tell from the annotations and the ``isinstance`` of a function whether a value is ours."""
    told: bool | None = None
    arguments = function.args
    for each in (*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs):
        if each.arg == name:
            told = module.names_ours(each.annotation)
    for node in ast.walk(function):
        if isinstance(node, ast.AnnAssign) and ast.unparse(node.target) == name:
            told = module.names_ours(node.annotation)
        elif (
            isinstance(node, ast.Call)
            and ast.unparse(node.func) == "isinstance"
            and ast.unparse(node.args[0]) == name
        ):
            return module.names_ours(node.args[1])
    return told


def is_undocumented(source: str, name: str) -> bool:
    """Tell whether a library does not export *name* from the module *source*.

    The standard library is not asked: its documentation, not ``__all__``, says what is public.
    """
    root = root_of(source)
    if root in sys.stdlib_module_names:
        return False
    if source != root and root in ONE_MODULE:
        return source not in ONE_MODULE[root]
    try:
        module = importlib.import_module(source)
    except ImportError:
        return False  # an extra that is not installed; the gate installs all of them
    exported = getattr(module, "__all__", None)
    return exported is not None and name not in exported and not is_module(f"{source}.{name}")


def is_module(dotted: str) -> bool:
    """Tell whether a dotted name is a module: those are not listed in ``__all__``."""
    try:
        return importlib.util.find_spec(dotted) is not None
    except ImportError:
        return False


def find(package: Path) -> list[Finding]:
    """Find every use of a third party's private name in *package*."""
    modules = [load(path, package) for path in sorted(package.rglob("*.py"))]
    index = {
        f"{getattr(module.runtime, '__name__', '__main__')}.{name}": declared_in(node)
        for module in modules
        for name, node in classes_of(module.tree)
    }
    findings: set[Finding] = set()
    for module in modules:
        visitor = Visitor(module, index)
        visitor.visit(module.tree)
        findings |= set(visitor.findings)
    return sorted(findings)


def classes_of(node: ast.AST, prefix: str = "") -> Iterator[tuple[str, ast.ClassDef]]:
    """Yield each class of a module with its qualified name."""
    for each in ast.iter_child_nodes(node):
        if isinstance(each, ast.ClassDef):
            yield f"{prefix}{each.name}", each
            yield from classes_of(each, f"{prefix}{each.name}.")
        elif not isinstance(each, (ast.FunctionDef, ast.AsyncFunctionDef)):
            yield from classes_of(each, prefix)


def main() -> int:
    """Print what was found; return 1 if that is not exactly what `ALLOWED` says."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("package", nargs="?", type=Path, default=ROOT / "src" / "billingual")
    package = parser.parse_args().package.resolve()
    sys.path.insert(0, str(package.parent))
    found = {(str(each.path.relative_to(package)), each.name): each for each in find(package)}
    failures = [str(found[key]) for key in sorted(found.keys() - ALLOWED.keys())]
    if package.name == "billingual":
        failures += stale(found.keys())
    print(*failures, sep="\n", end="\n" if failures else "")
    return 1 if failures else 0


def stale(found: AbstractSet[tuple[str, str]]) -> Iterator[str]:
    """Yield what is wrong with `ALLOWED` itself: an entry without a use, or without its test."""
    for key, why in ALLOWED.items():
        if key not in found:
            yield f"{': '.join(key)}: is allowed but not used"
        file, _, test = why.test.partition("::")
        if not (ROOT / file).exists() or f"def {test}(" not in (ROOT / file).read_text("utf-8"):
            yield f"{': '.join(key)}: there is no test {why.test}"


if __name__ == "__main__":
    sys.exit(main())
