"""Rules for the source, held by reading and importing it."""

from __future__ import annotations

import ast
import importlib
import inspect
import socket
import subprocess
import sys
import threading
import tomllib
from pathlib import Path

import pytest

import billingual
from billingual.plugins import DIALECTS, POLICIES, PROVIDERS, TRANSPORTS, Registry

ROOT = Path(__file__).parents[2]
SOURCE = ROOT / "src" / "billingual"
MODULES = sorted(SOURCE.rglob("*.py"))
GENERATED = {"_currencies.py"}
USERS_OF_THE_CLIENT = {"sandbox", "cli", "testing"}
# Their libraries are too large for the gate; tests in sessions of their own import them.
ELSEWHERE = {"integrations/dlt.py", "integrations/spark.py"}
PACKAGES_WITH_LAZY_NAMES = (
    "billingual",
    "billingual.dialects",
    "billingual.model",
    "billingual.testing",
    "billingual.transports",
)


def name_of(path: Path) -> str:
    """Name a module by its path in the package."""
    return str(path.relative_to(SOURCE))


def is_public(path: Path) -> bool:
    """Tell whether a module is public: no part of its path is private or a package of internals."""
    parts = path.relative_to(SOURCE).with_suffix("").parts
    internal = {*USERS_OF_THE_CLIENT, "exante", "tenant", "v1"}
    return not any(each.startswith("_") or each in internal for each in parts)


def test_the_public_names_are_sorted_and_there() -> None:
    """Each name in ``__all__`` exists and has a docstring."""
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


@pytest.mark.parametrize("name", PACKAGES_WITH_LAZY_NAMES)
def test_every_public_name_is_known_to_type_checkers_and_at_run_time_alike(name: str) -> None:
    """The imports for type checkers, the table of homes and ``__all__`` are one list."""
    package = importlib.import_module(name)
    tree = ast.parse(Path(package.__file__ or "").read_text(encoding="utf-8"))
    typed = {
        alias.name: (node.module or "").removeprefix(f"{name}.")
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith(f"{name}.")
        if node.module != "billingual._lazy"
        for alias in node.names
    }

    assert set(typed) == set(package.__all__)
    assert set(typed) <= set(dir(package))
    for each, home in typed.items():
        assert getattr(package, each) is getattr(importlib.import_module(f"{name}.{home}"), each)


@pytest.mark.parametrize(
    ("registry", "group"),
    [(DIALECTS, "dialects"), (POLICIES, "policies"), (PROVIDERS, "providers"),
     (TRANSPORTS, "transports")],
)  # fmt: skip
def test_the_registries_are_what_the_package_declares(registry: Registry, group: str) -> None:
    """The built-in table of each registry equals the entry points."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]

    assert registry.builtin == project["entry-points"][f"billingual.{group}"]
    assert set(registry.extras.values()) <= set(project["optional-dependencies"])


def test_the_sandbox_may_import_no_other_part() -> None:
    """Its contract names every module beside it, also one that was added since."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    (named,) = [
        set(each["forbidden_modules"])
        for each in project["tool"]["importlinter"]["contracts"]
        if each.get("source_modules") == ["billingual.sandbox"]
    ]
    package = ROOT / "src" / "billingual"
    beside = {each.stem for each in package.glob("*.py")}
    beside |= {each.parent.name for each in package.glob("*/__init__.py")}

    assert {f"billingual.{each}" for each in beside - {"__init__", "__main__", "sandbox"}} == named


def run(program: str, *arguments: str) -> str:
    """Run a program in a process of its own and return what it printed."""
    command = [sys.executable, "-W", "error", "-c", program, *arguments]
    done = subprocess.run(command, check=False, capture_output=True, text=True)

    assert done.returncode == 0, done.stderr
    return done.stdout


def imported(program: str, *arguments: str) -> set[str]:
    """List the modules that a program imports in a process of its own."""
    text = (
        "import sys; before = set(sys.modules)\n"
        f"{program}\n"
        "print(*sorted(set(sys.modules) - before))"
    )
    return set(run(text, *arguments).split())


HEAVY = {
    "anyio", "asyncio", "attr", "attrs", "cattrs", "cyclopts", "email", "h11", "httpcore",
    "httptools", "httpx",
    "importlib.metadata", "json", "logging", "msgspec", "rich", "sqlite3", "ssl", "starlette",
    "tenacity", "threading", "trio", "typing", "uvicorn",
}  # fmt: skip
SELDOM = {
    "billingual.cli", "billingual.events", "billingual.model.replacement", "billingual.pagination",
    "billingual._config.profile", "billingual.reconcile.result",
    "billingual.reconcile.reconciler", "billingual.sandbox", "billingual.testing",
    "billingual.transports.h11.proxy",
    "cattrs", "click", "concurrent.futures.thread", "cyclopts", "difflib", "email", "hashlib",
    "html", "http", "httpx", "importlib.metadata", "json", "mimetypes", "rich", "sqlite3",
    "starlette", "tenacity", "trio", "urllib.request", "uuid", "uvicorn", "zipfile",
}  # fmt: skip
"""What neither making a client nor its first call has a use for."""

LATER = SELDOM | {
    "asyncio", "billingual.dialects._kit.responses",
    "billingual.dialects.tenant.dialect",
    "billingual.dialects.v1.dialect",
    "billingual.model.write", "billingual.model.query", "billingual.model.invoice",
    "billingual.transports.aiohttp", "billingual.transports.tls", "certifi", "concurrent",
    "decimal", "h11", "httpcore", "httptools", "logging", "msgspec", "random", "selectors",
    "socket", "ssl", "tempfile",
}  # fmt: skip
"""What a client that was made has no use for before its first call."""


def test_importing_the_package_imports_nothing_heavy() -> None:
    """``import billingual`` reads only its own files."""
    seen = imported("import billingual")

    assert seen & HEAVY == set()
    assert [each for each in sorted(seen) if each.startswith("billingual")] == [
        "billingual",
        "billingual._lazy",
    ]


def test_naming_a_client_reads_no_other_part() -> None:
    """A provider, a transport or a package stays unread until it is named; so does each library."""
    seen = imported("from billingual import AsyncClient, Client")

    assert seen & (LATER | {"anyio"}) == set()
    parts = {"cli", "dialects", "backends", "providers", "sandbox", "testing"}
    assert not [each for each in seen if each.startswith("billingual.") and each[11:] in parts]


def test_a_client_that_is_made_imports_no_library_that_it_waits_or_sends_with() -> None:
    """All that is checked is the options; who blocks never needs an event loop's library."""
    made = "import billingual; billingual.{}('exante', token='not-a-real-one')"

    blocking = imported(made.format("Client"))
    awaited = imported(made.format("AsyncClient"))

    assert blocking & (LATER | {"anyio", "billingual.backends.anyio"}) == set()
    assert awaited & (LATER | {"billingual.backends.sync"}) == set()


RESPONSE = b'{"status":"success","data":{"uid":"3c90c3cc-0d44-4b50-8888-8dd25736052a"}}'
FIRST_CALLS = {
    "Client": (
        "options = {'token': 'not-a-real-one', 'base_url': sys.argv[1]}\n"
        "options['transport'] = sys.argv[2]\n"
        "with billingual.Client('exante', **options) as client:\n"
        "    assert client.get('3c90c3cc-0d44-4b50-8888-8dd25736052a').number is None"
    ),
    "AsyncClient": (
        "import asyncio\n"
        "async def main():\n"
        "    options = {'token': 'not-a-real-one', 'base_url': sys.argv[1]}\n"
        "    options['transport'] = sys.argv[2]\n"
        "    async with billingual.AsyncClient('exante', **options) as client:\n"
        "        invoice = await client.get('3c90c3cc-0d44-4b50-8888-8dd25736052a')\n"
        "        assert invoice.number is None\n"
        "asyncio.run(main())"
    ),
}  # fmt: skip


# What httpx imports for itself: a program that waits for a quick start takes the transport h11.
OF_HTTPX = {
    "click", "concurrent.futures.thread", "difflib", "email", "hashlib", "html", "http",
    "httpcore", "httpx", "json", "mimetypes", "rich", "urllib.request", "zipfile",
}  # fmt: skip


@pytest.mark.parametrize("transport", ["h11", "httpx"])
@pytest.mark.parametrize("name", FIRST_CALLS)
def test_a_first_call_imports_only_what_it_sends_and_reads_with(name: str, transport: str) -> None:
    """Nothing is imported for retries or for the command line, and no library but the named."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        answering = threading.Thread(target=answer_once, args=(listening,))
        answering.start()
        port = listening.getsockname()[1]
        # httpcore imports trio where it finds it, so here it finds none.
        program = f"sys.modules['trio'] = None\nimport billingual\n{FIRST_CALLS[name]}"
        seen = imported(program, f"http://127.0.0.1:{port}", transport)
        answering.join()

    needed = OF_HTTPX if transport == "httpx" else set()
    assert {"httptools" if transport == "h11" else "h11", "msgspec"} <= seen
    assert seen & ((SELDOM | {"httpcore"}) - {"trio", "uuid"} - needed) == set()
    assert transport == "httpx" or ("asyncio" in seen) == (name == "AsyncClient")


@pytest.mark.parametrize("dialect", ["exante", "tenant", "v1"])
def test_no_record_is_compiled_before_a_response_that_holds_one(dialect: str) -> None:
    """Most programs read one or two kinds of records, and to compile one takes milliseconds."""
    program = (
        f"import billingual.dialects.{dialect}.records\n"
        "from billingual.dialects._kit.responses import exact\n"
        "print(exact.cache_info().currsize)"
    )

    assert run(program).strip() == "0"


def answer_once(listening: socket.socket) -> None:
    """Answer one request of one connection."""
    listening.settimeout(60)
    connection, _ = listening.accept()
    with connection:
        connection.settimeout(60)
        asked = b""
        while b"\r\n\r\n" not in asked:
            asked += connection.recv(65536)
        head = f"HTTP/1.1 200 OK\r\nContent-Length: {len(RESPONSE)}\r\n\r\n"
        connection.sendall(head.encode() + RESPONSE)
        connection.recv(1)


@pytest.mark.parametrize("package", PACKAGES_WITH_LAZY_NAMES)
def test_a_package_hands_out_the_same_whatever_was_imported_before(package: str) -> None:
    """A module of a name's own name does not take its place."""
    program = (
        "import importlib, pkgutil, sys\n"
        "package = importlib.import_module(sys.argv[1])\n"
        "for each in pkgutil.iter_modules(package.__path__, package.__name__ + '.'):\n"
        "    if not each.name.endswith('__main__'): importlib.import_module(each.name)\n"
        "import types\n"
        "found = [getattr(package, name) for name in package.__all__]\n"
        "print(*[name for name, each in zip(package.__all__, found, strict=True)\n"
        "        if isinstance(each, types.ModuleType)])"
    )

    assert run(program, package).split() == []


def test_importing_everything_starts_nothing() -> None:
    """No thread, loop, socket or log set-up comes with an import."""
    left_out = ("__main__", *(each[:-3].replace("/", ".") for each in ELSEWHERE))
    program = (
        "import importlib, logging, pkgutil, threading, billingual\n"
        "for each in pkgutil.walk_packages(billingual.__path__, 'billingual.'):\n"
        f"    if not each.name.endswith({left_out}): importlib.import_module(each.name)\n"
        "assert threading.active_count() == 1\n"
        "assert logging.root.handlers == [] and logging.root.level == logging.WARNING\n"
    )

    assert run(program) == ""


CORE = [
    path
    for path in MODULES
    if not {"backends", *USERS_OF_THE_CLIENT} & set(path.relative_to(SOURCE).parts[:1])
]


@pytest.mark.parametrize("path", CORE, ids=name_of)
def test_no_logging_set_up_and_no_print(path: Path) -> None:
    """An SDK is a guest in its user's program."""
    called = {
        ast.unparse(node.func)
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Call)
    }

    assert called & {"print", "logging.basicConfig", "warnings.simplefilter", "breakpoint"} == set()


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_modules_are_named_for_a_noun(path: Path) -> None:
    """No module collects leftovers, and annotations are not evaluated."""
    text = path.read_text(encoding="utf-8")

    assert path.stem not in {"utils", "util", "helpers", "helper", "common", "misc", "tools"}
    # See the docstring of _lazy. And msgspec would compile text again for each decoder of a record.
    evaluated = path in {SOURCE / "__init__.py", SOURCE / "_lazy.py"} or path.stem == "records"
    if not evaluated or "sandbox" in path.parts:
        assert "from __future__ import annotations" in text
    assert (ast.get_docstring(ast.parse(text)) or "").strip()


@pytest.mark.parametrize(
    "path",
    [path for path in MODULES if is_public(path) and name_of(path) not in ELSEWHERE],
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
    """The file was not edited by hand."""
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
    """The network guard of the tests refuses an address before a packet leaves."""
    with socket.socket() as sock, pytest.raises(AssertionError, match=r"203\.0\.113\.1"):
        sock.connect(("203.0.113.1", 443))
