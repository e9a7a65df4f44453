"""The rules of the house, held by reading the house."""

from __future__ import annotations

import ast
import importlib
import inspect
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

import billingual
from billingual.registry import DIALECTS, POLICIES, PROVIDERS, TRANSPORTS, Registry

ROOT = Path(__file__).parents[2]
SOURCE = ROOT / "src" / "billingual"
MODULES = sorted(SOURCE.rglob("*.py"))
GENERATED = {"_currencies.py"}
DOORS = {"sandbox", "cli", "testing"}


def name_of(path: Path) -> str:
    """Name a module by its path in the package."""
    return str(path.relative_to(SOURCE))


def test_the_public_names_are_sorted_and_there() -> None:
    """Everything that is promised can be had, and says what it is."""
    names = billingual.__all__

    assert len(names) == len(set(names))
    assert sorted(names, key=lambda each: (each.upper() != each, each)) == list(names) or sorted(
        names
    ) == list(names)
    for name in names:
        value = getattr(billingual, name)
        if inspect.isclass(value) or inspect.isfunction(value):
            assert (value.__doc__ or "").strip(), name
    assert set(names) <= set(dir(billingual))
    with pytest.raises(AttributeError, match="no_such_name"):
        billingual.no_such_name  # noqa: B018


def test_every_public_name_is_known_to_type_checkers_and_at_run_time_alike() -> None:
    """The imports for type checkers, the table of homes and ``__all__`` are one list."""
    tree = ast.parse((SOURCE / "__init__.py").read_text(encoding="utf-8"))
    typed = {
        alias.name: (node.module or "").removeprefix("billingual.")
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("billingual.")
        for alias in node.names
    }

    assert typed == billingual._HOMES
    assert set(typed) == set(billingual.__all__)


@pytest.mark.parametrize(
    ("registry", "group"),
    [(DIALECTS, "dialects"), (POLICIES, "policies"), (PROVIDERS, "providers"),
     (TRANSPORTS, "transports")],
)  # fmt: skip
def test_the_registries_are_what_the_package_declares(registry: Registry, group: str) -> None:
    """A name works alike from the table and from the entry points."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]

    assert registry.builtin == project["entry-points"][f"billingual.{group}"]
    assert set(registry.extras.values()) <= set(project["optional-dependencies"])


def run(program: str) -> str:
    """Run a program in a process of its own and return what it printed."""
    command = [sys.executable, "-W", "error", "-c", program]
    done = subprocess.run(command, check=False, capture_output=True, text=True)

    assert done.returncode == 0, done.stderr
    return done.stdout


HEAVY = {
    "anyio", "asyncio", "attr", "attrs", "cattrs", "cyclopts", "email", "h11", "httpcore", "httpx",
    "importlib.metadata", "json", "logging", "msgspec", "rich", "sqlite3", "ssl", "starlette",
    "tenacity", "threading", "trio", "typing", "uvicorn",
}  # fmt: skip


def test_importing_the_package_imports_nothing_heavy() -> None:
    """``import billingual`` costs next to nothing; only its own two files are read."""
    seen = run(
        "import sys; before = set(sys.modules); import billingual, sys; "
        "print(*sorted(set(sys.modules) - before))"
    ).split()

    assert set(seen) & HEAVY == set()
    assert [each for each in seen if each.startswith("billingual")] == ["billingual"]


def test_a_client_imports_only_what_it_was_asked_for() -> None:
    """Another provider, transport or door stays unread; so does the retry library."""
    seen = run(
        "import sys\nfrom billingual import AsyncClient\nprint(*sorted(sys.modules))\n"
    ).split()

    wanted = {
        "msgspec",
        "httpx",
        "httpcore",
        "starlette",
        "rich",
        "tenacity",
        "cattrs",
        "sqlite3",
        "asyncio",
    }
    assert set(seen) & wanted <= {"asyncio"}
    assert not [
        each for each in seen if {"sandbox", "cli", "dialects"} & set(each.split(".")[1:2])
        and each.startswith("billingual.")
    ]  # fmt: skip


def test_importing_everything_starts_nothing() -> None:
    """No thread, loop, socket or log set-up comes with an import."""
    program = (
        "import importlib, logging, pkgutil, threading, billingual\n"
        "for each in pkgutil.walk_packages(billingual.__path__, 'billingual.'):\n"
        "    if not each.name.endswith('__main__'): importlib.import_module(each.name)\n"
        "assert threading.active_count() == 1\n"
        "assert logging.root.handlers == [] and logging.root.level == logging.WARNING\n"
    )

    assert run(program) == ""


def imports_of(path: Path) -> Iterator[str]:
    """List the modules a file imports when it runs."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    skipped = {
        child
        for node in ast.walk(tree)
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"
        for child in ast.walk(node)
    }
    for node in ast.walk(tree):
        if node in skipped:
            continue
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield node.module or ""


CORE = [
    path for path in MODULES if not {"drivers", *DOORS} & set(path.relative_to(SOURCE).parts[:1])
]


@pytest.mark.parametrize("path", CORE, ids=name_of)
def test_only_drivers_wait_lock_or_read_a_clock(path: Path) -> None:
    """The core can be stepped without an event loop because nothing in it knows of one."""
    roots = {each.partition(".")[0] for each in imports_of(path)}

    assert roots & {"anyio", "asyncio", "trio", "threading", "time", "sniffio", "random"} == set()


@pytest.mark.parametrize("path", CORE, ids=name_of)
def test_no_logging_set_up_and_no_print(path: Path) -> None:
    """We are a guest in somebody's program."""
    called = {
        ast.unparse(node.func)
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Call)
    }

    assert called & {"print", "logging.basicConfig", "warnings.simplefilter", "breakpoint"} == set()


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_modules_are_small_and_named_for_a_noun(path: Path) -> None:
    """At most 400 lines; no drawer for everything; annotations are not evaluated."""
    text = path.read_text(encoding="utf-8")

    assert len(text.splitlines()) <= 400
    assert path.stem not in {"utils", "util", "helpers", "helper", "common", "misc", "tools"}
    assert "from __future__ import annotations" in text
    assert (ast.get_docstring(ast.parse(text)) or "").strip()


def lines_of(function: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    """Count the lines of a function without its docstring."""
    first = function.body[0]
    docstring = 0
    if isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant):
        docstring = (first.end_lineno or 0) - first.lineno + 1
    return (function.end_lineno or 0) - function.lineno + 1 - docstring


@pytest.mark.parametrize(
    "path", [path for path in MODULES if path.name not in GENERATED], ids=name_of
)
def test_functions_and_classes_are_small(path: Path) -> None:
    """At most 40 lines, and at most 12 public methods."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    functions = [
        node for node in ast.walk(tree) if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef))
    ]

    long = {each.name: lines_of(each) for each in functions if lines_of(each) > 40}
    wide = {
        node.name
        for node in ast.walk(tree)
        if isinstance(node, ast.ClassDef)
        and len(
            {
                each.name
                for each in node.body
                if isinstance(each, (ast.FunctionDef, ast.AsyncFunctionDef))
                and not each.name.startswith("_")
            }
        ) > 12
    }  # fmt: skip
    assert long == {}
    assert wide == set()


@pytest.mark.parametrize(
    "path",
    [path for path in MODULES if not path.stem.startswith("_") and path.parent.name not in DOORS],
    ids=name_of,
)
def test_public_modules_say_what_they_export(path: Path) -> None:
    """``__all__`` is there, sorted and true."""
    relative = path.relative_to(SOURCE).with_suffix("")
    module = importlib.import_module(".".join(("billingual", *relative.parts)))

    exported = module.__all__
    assert all(hasattr(module, name) for name in exported)
    assert len(exported) == len(set(exported))


def test_the_generated_table_is_what_its_generator_writes() -> None:
    """Nobody edited it by hand."""
    command = [sys.executable, str(ROOT / "tools" / "generate_currencies.py"), "--check"]

    done = subprocess.run(command, check=False, capture_output=True, text=True)

    assert (done.returncode, done.stdout) == (0, "")


def test_the_generators_check_sees_a_change(tmp_path: Path) -> None:
    """A check that cannot fail checks nothing."""
    tool = tmp_path / "tools" / "generate_currencies.py"
    target = tmp_path / "src" / "billingual" / "model" / "_currencies.py"
    tool.parent.mkdir(parents=True)
    target.parent.mkdir(parents=True)
    tool.write_bytes((ROOT / "tools" / tool.name).read_bytes())
    target.write_bytes((SOURCE / "model" / target.name).read_bytes()[:-2])

    done = subprocess.run(
        [sys.executable, str(tool), "--check"], check=False, capture_output=True, text=True
    )

    assert done.returncode == 1
    assert "stale" in done.stdout


def test_a_real_connection_out_of_this_machine_fails_loudly() -> None:
    """The guard of these tests works: a documentation address is refused before a packet leaves."""
    import socket  # noqa: PLC0415

    with socket.socket() as sock, pytest.raises(AssertionError, match=r"203\.0\.113\.1"):
        sock.connect(("203.0.113.1", 443))
