"""The gate: ``python -m nox`` runs what must hold before a change lands.

One session only: ``python -m nox -s types``. ``bench`` measures and is not part of the gate.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import tomllib
from pathlib import Path

import nox

nox.needs_version = ">=2025.5.1"
nox.options.default_venv_backend = "virtualenv"
nox.options.error_on_missing_interpreters = False

ROOT = Path(__file__).parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
DOORS = ",".join(
    f"src/billingual/{place}"
    for place in (
        "__main__.py", "_sync/*", "cli/*", "providers.py", "sandbox/*",
        "testing/*",
    )
)  # fmt: skip


PYTEST = ("pytest", "-q", "-n", "2", "--dist", "loadfile")
# What these prove does not change with the interpreter.
ONCE = (
    "--ignore=tests/exhaustive", "--ignore=tests/architecture", "--ignore=tests/tools",
    "--ignore=tests/conformance", "--ignore=tests/sandbox",
)  # fmt: skip
# What the test sessions prove about processes, signals and backends does not change with the wheel.
BRIEFLY = (
    "-m", "not slow", "--ignore=tests/process", "--ignore=tests/cancellation",
    "--ignore=tests/equivalence", "--ignore=tests/tools", "--ignore=tests/exhaustive",
    "--ignore=tests/conformance/test_suites_catch.py",
)  # fmt: skip


def _works(python: str) -> bool:
    # A version manager may put a name on the PATH that starts nothing.
    return subprocess.run([python, "--version"], capture_output=True, check=False).returncode == 0


def _interpreters() -> dict[str, str]:
    """Find Python 3.11, and 3.12 and 3.13 where there is an interpreter."""
    found = {"3.11": "3.11"}
    managed = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv")) / "versions"
    for version in ("3.12", "3.13"):
        name = shutil.which(f"python{version}")
        others = sorted(managed.glob(f"{version}.*/bin/python"))
        if name and _works(name):
            found[version] = version
        elif others:
            found[version] = str(others[-1])
    return found


INTERPRETERS = _interpreters()
TESTS = [f"tests-{version}" for version in INTERPRETERS]
nox.options.sessions = [
    "lint", "types", "architecture", *TESTS, "examples", "package", "min_deps",
]  # fmt: skip


def _group(name: str) -> list[str]:
    return list(nox.project.dependency_groups(PROJECT, name))


def tests(session: nox.Session) -> None:
    """Run the tests; on Python 3.11 with branch coverage of floors 0 to 2."""
    session.install("-e", ".[all]", *_group("test"), *_group("tools"))
    if session.name != "tests-3.11":
        # The newest one runs nearly all, those in between what a new interpreter breaks first.
        newest = session.name == TESTS[-1]
        session.run(*PYTEST, *(session.posargs or (ONCE if newest else (*BRIEFLY, *ONCE))))
        return
    data = {"COVERAGE_FILE": str(Path(session.create_tmp()) / ".coverage")}
    session.run(*PYTEST, "--cov", "--cov-report=", *session.posargs, env=data)
    if not session.posargs:
        session.run("coverage", "report", f"--omit={DOORS}", "--fail-under=95", env=data)


for _version, _interpreter in INTERPRETERS.items():
    nox.session(python=_interpreter, name=f"tests-{_version}")(tests)


@nox.session(python="3.11")
def types(session: nox.Session) -> None:
    """Check types strictly, ours and a user's view of them."""
    session.install("-e", ".[all]", *_group("types"), *_group("tools"))
    session.run("mypy")
    session.run("mypy", "--strict", "tests/typing", "tools")


@nox.session(python="3.11")
def lint(session: nox.Session) -> None:
    """Check style and format, and that generated files are what their makers write."""
    session.install("-e", ".[all]", *_group("lint"), *_group("tools"))
    session.run("ruff", "check", ".")
    session.run("ruff", "format", "--check", ".")
    session.run("python", "tools/generate_currencies.py", "--check")
    session.run("python", "tools/generate_sync.py", "--check")
    session.run("python", "tools/generate_conformance_matrix.py", "--check")
    session.run("python", "tools/generate_capability_table.py", "--check")
    session.run("python", "benchmarks/_report.py", "--check")


@nox.session(python="3.11")
def architecture(session: nox.Session) -> None:
    """Check who imports whom."""
    session.install("-e", ".[all]", *_group("architecture"))
    session.run("lint-imports")


@nox.session(python="3.11")
def examples(session: nox.Session) -> None:
    """Run what a newcomer pastes: the README's blocks and every example."""
    session.install(".[all]", *_group("test"))
    session.run("pytest", "-q", "-p", "no:randomly", "README.md", "docs")
    for example in sorted((ROOT / "examples").glob("*.py")):
        session.run("python", str(example.relative_to(ROOT)), silent=True)


@nox.session(python="3.11")
def package(session: nox.Session) -> None:
    """Build the wheel, check it, and test it where the source is not."""
    session.install(*_group("package"))
    place = Path(session.create_tmp()).resolve()
    shutil.rmtree(place, ignore_errors=True)
    place.mkdir(parents=True)
    session.run("python", "-m", "build", "--outdir", str(place / "dist"), silent=True)
    wheel = next((place / "dist").glob("*.whl"))
    session.run("check-wheel-contents", str(wheel))
    session.run("twine", "check", "--strict", *map(str, (place / "dist").iterdir()))
    session.install(f"billingual[all] @ {wheel.as_uri()}", *_group("test"))
    # tests/architecture reads the checkout itself; everything else must pass without it.
    shutil.copytree(ROOT / "tests", place / "tests", ignore=shutil.ignore_patterns("architecture"))
    shutil.copy(ROOT / "pyproject.toml", place)
    session.chdir(place)
    session.run(*PYTEST, *BRIEFLY, "--ignore=tests/transports", "--ignore=tests/conformance")
    session.run("python", "-m", "billingual", "demo", silent=True)


@nox.session(python="3.11")
def min_deps(session: nox.Session) -> None:
    """Run the tests against the oldest versions we say we work with."""
    extras = PROJECT["project"]["optional-dependencies"]
    needs = [
        *PROJECT["project"]["dependencies"],
        *(need for name in ("aiohttp", "cli", "httpx2", "urllib3") for need in extras[name]),
    ]
    oldest = [re.sub(r">=([\w.]+).*", r"==\1", need) for need in needs]
    session.install("-e", ".", *oldest, *_group("test"))
    away = ("--ignore=tests/architecture", "--ignore=tests/sandbox", "--ignore=tests/cli")
    session.run(*PYTEST, *BRIEFLY, *away)


@nox.session(python="3.11")
def proofs(session: nox.Session) -> None:
    """Run the long proofs to their end; the gate runs a seeded sample of each."""
    session.install("-e", ".[all]", *_group("test"))
    session.run(
        *PYTEST,
        "--full-proofs",
        "--timeout=1800",
        "tests/exhaustive",
        "tests/equivalence",
        "tests/conformance",
        *session.posargs,
    )


@nox.session(python="3.11")
def mutants(session: nox.Session) -> None:
    """Break our own code on purpose, rule by rule, and see that the tests notice."""
    session.install("-e", ".[all]", *_group("test"))
    session.run("python", "tools/plant_mutants.py", *session.posargs)


@nox.session(python="3.11")
@nox.parametrize("name", ["billingual-stripe", "billingual-carrier"])
def strangers(session: nox.Session, name: str) -> None:
    """Run what a stranger added: a fifth dialect against localstripe, and a transport."""
    place = ROOT / "examples" / name
    session.install("-e", ".[sandbox,testing]", "-e", str(place), *_group("strangers"))
    session.run("pytest", "-c", str(place / "pyproject.toml"), "--rootdir", str(place), str(place))


@nox.session(python="3.11")
def bench(session: nox.Session) -> None:
    """Measure: every file of benchmarks/, each of which asks one question, beside pinned peers.

    ``-- --quick`` only shows that they run. Else the figures are kept in benchmarks/results/ and
    written into docs/performance.md.
    """
    session.install(".[all]", *_group("bench"), *_group("peers"))
    for benchmark in sorted((ROOT / "benchmarks").glob("[!_]*.py")):
        session.run("python", str(benchmark.relative_to(ROOT)), *session.posargs)
    if "--quick" not in session.posargs:
        session.run("python", "benchmarks/_report.py")


@nox.session(python="3.11")
def instructions(session: nox.Session) -> None:
    """Count the instructions of hot paths: no more than kept; ``-- --save`` keeps new counts."""
    if shutil.which("valgrind") is None:
        session.error("valgrind is missing: apt-get install valgrind, or your system's own way")
    session.install(".[all]", *_group("bench"))
    session.run("python", "benchmarks/_instructions.py", *session.posargs)
