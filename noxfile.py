# /// script
# dependencies = ["nox>=2025.5.1", "uv"]
# ///
"""The gate: ``python -m nox`` runs what must hold before a change lands.

One session only: ``python -m nox -s types``. ``proofs``, ``simulate``, ``browser``, ``pipelines``,
``spark``, ``mutants``, ``strangers``, ``bench``, ``bulk``, ``durability``,
``pipeline-bench``, ``quota-bench`` and ``instructions`` are not part of the gate. It must end
within nine minutes on two cores.

nox installs uv, as the block above asks, because eleven environments are made: uv needs three
seconds for each, pip needs twenty.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import tempfile
import tomllib
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import nox

nox.needs_version = ">=2025.5.1"
nox.options.default_venv_backend = "uv|virtualenv"
nox.options.error_on_missing_interpreters = False

ROOT = Path(__file__).parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
# A test that kills a program leaves what that had in a temporary folder, and Java leaves something
# anyway: all of it is in one that goes with nox. Below this folder, tests would find its pyproject.
TEMPORARY = tempfile.TemporaryDirectory(prefix="nox-", ignore_cleanup_errors=True)
# Some tests work in it as another user.
Path(TEMPORARY.name).chmod(0o711)
os.environ |= {
    "TMPDIR": TEMPORARY.name,
    "SPARK_LOCAL_DIRS": TEMPORARY.name,
    "JAVA_TOOL_OPTIONS": f"-Djava.io.tmpdir={TEMPORARY.name}",
}
# Images of containers set it. Then each program that a test starts compiles all that it imports,
# and each process of tests rewrites all tests, which takes half of their start.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
# Coverage counts the layers below the users of the client; those are run as processes of their own.
# The libraries of dlt, Spark and Delta Lake are in sessions of their own alone.
NOT_COUNTED = ",".join(
    f"src/billingual/{place}"
    for place in (
        "__main__.py", "_sync/*", "cli/*", "integrations/dlt.py", "integrations/spark.py",
        "landing/delta.py", "providers.py", "sandbox/*", "testing/*",
    )
)  # fmt: skip
GENERATORS = ("generate_capability_table", "generate_command_line", "generate_conformance_matrix",
              "generate_currencies", "generate_public_names", "generate_sync")  # fmt: skip

# Two processes for each core: half of the time, tests wait for a timeout, a thread or a program.
# Files are of very different length: a process that has none left takes tests of another's.
PYTEST = ("pytest", "-q", "-n", "4", "--dist", "worksteal")
# Files that one call may visit; see docs/architecture.md. They were 21 and 35 before.
MAX_FILES = ("update:memory=12", "update:httpx=16")

# What these show does not change with the interpreter, and what they run is counted by the tests of
# each part: the newest interpreter runs them, without coverage, which costs half as much again.
ONCE = (
    "tests/architecture", "tests/cli", "tests/client/test_dedupe.py", "tests/conformance",
    "tests/dialects/test_dialect_fuzz.py", "tests/dialects/test_dialect_work.py",
    "tests/equivalence", "tests/exhaustive", "tests/jobs/test_kills.py",
    "tests/jobs/test_ledger_machine.py", "tests/process", "tests/sandbox",
    "tests/testing/test_pytest_plugin.py", "tests/testing/test_strategies.py", "tests/tools",
)  # fmt: skip
# A new interpreter breaks these first: event loops, threads, sockets. The newest runs them too;
# transports it meets by the suite of tests/conformance.
AGAIN = (
    "tests/backends", "tests/cancellation", "tests/client", "tests/errors", "tests/model",
    "tests/wire",
)  # fmt: skip
# An old library breaks these first: what is read, and what is sent.
OLDEST = (
    "-m", "not slow", "tests/backends", "tests/client", "tests/dialects/test_dialect_codec.py",
    "tests/dialects/test_dialect_decoders.py", "tests/dialects/test_dialect_golden_exante.py",
    "tests/dialects/test_dialect_golden_tenant.py", "tests/dialects/test_dialect_golden_v1.py",
    "tests/dialects/test_dialect_responses.py", "tests/model", "tests/transports", "tests/wire",
)  # fmt: skip
# What the interpreters before and after it pass will hardly fail on one in between; and whether a
# file is missing from the wheel does not take every test to find.
FEW = ("-m", "not slow", "tests/backends", "tests/client/test_calls.py", "tests/wire")

# Programs to copy from, each with its tests.
PROGRAMS = ("embedding-sdk", "fastapi-service", "notebook", "testing-a-program")

# What the data source of Spark is tried with, on each of its engines.
SPARK = ".[postgres,redis,sandbox,spark,testing]"

# One frame read and one written through Sail, and the offsets of a stream, which Sail has not.
ON_SAIL = (
    "tests/pipelines/spark/test_spark_read.py::test_all_windows_together_have_every_row_once",
    "tests/pipelines/spark/test_spark_write.py::test_writing_again_plans_and_sends_nothing_new",
    "tests/pipelines/spark/test_spark_offsets.py::test_batches_join_without_a_gap_whatever_crashes",
)

# Measured in sessions of their own: their peers are many, and one wants a PostgreSQL.
OTHER_BENCHMARKS = ("bulk", "durability", "pipeline", "quota")


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
    "lint", "types", "architecture", *TESTS, "examples", "sail", "docs", "package", "min_deps",
]  # fmt: skip


def _group(name: str) -> list[str]:
    return list(nox.project.dependency_groups(PROJECT, name))


def _side_by_side(session: nox.Session, *chains: list[tuple[str, ...]], **env: str) -> None:
    """Run chains of commands two at a time, each command silent unless it fails.

    Most checks use one core.
    """

    def run(chain: list[tuple[str, ...]]) -> None:
        for command in chain:
            session.run(*command, env=env, silent=True)

    with ThreadPoolExecutor(2) as pool:
        for end in [pool.submit(run, chain) for chain in chains]:
            end.result()


def tests(session: nox.Session) -> None:
    """Run the tests on 3.11 with branch coverage, a few on 3.12, on 3.13 what 3.11 leaves out."""
    session.install("-e", ".[all]", *_group("test"), *_group("tools"))
    newest = session.name == TESTS[-1]
    if session.posargs:
        session.run(*PYTEST, *session.posargs)
        return
    if session.name == TESTS[0]:
        data = {"COVERAGE_FILE": str(Path(TEMPORARY.name, ".coverage"))}
        others = (f"--ignore={place}" for place in ONCE)
        session.run(*PYTEST, "--cov", "--cov-report=", *others, env=data)
        session.run("coverage", "report", f"--omit={NOT_COUNTED}", "--fail-under=95", env=data)
        if newest:
            session.run(*PYTEST, *ONCE)
    elif newest:
        session.run(*PYTEST, *ONCE, *AGAIN)
    else:
        session.run(*PYTEST, *FEW)


for _version, _interpreter in INTERPRETERS.items():
    nox.session(python=_interpreter, name=f"tests-{_version}")(tests)


@nox.session(python="3.11")
def types(session: nox.Session) -> None:
    """Check types: ours, what a user's type checker sees, and what it must refuse."""
    session.install("-e", ".[all,duckdb]", *_group("docs"), *_group("types"), *_group("tools"))
    # The classes that our data source extends, without the 500 MB that they are run with.
    session.install("--no-deps", *(each for each in _group("sail") if "pyspark" in each))
    _side_by_side(
        session,
        [("mypy",), ("mypy", "--strict", "tests/typing", "tools")],
        [
            ("pyright", "--verifytypes", "billingual", "--ignoreexternal"),
            ("python", "tools/check_documented_code.py"),
        ],
        PYRIGHT_PYTHON_IGNORE_WARNINGS="1",
    )


@nox.session(python="3.11")
def lint(session: nox.Session) -> None:
    """Check style, spelling and private names, and that generated files are fresh."""
    session.install("-e", ".[all,duckdb]", *_group("lint"), *_group("tools"))
    _side_by_side(
        session,
        [
            ("ruff", "check", "."),
            ("ruff", "format", "--check", "."),
            ("codespell",),
            ("python", "tools/check_private_names.py"),
        ],
        [
            *(("python", f"tools/{each}.py", "--check") for each in GENERATORS),
            ("python", "benchmarks/_report.py", "--check"),
        ],
    )
    session.run("python", "tools/show_sizes.py")


@nox.session(python="3.11")
def architecture(session: nox.Session) -> None:
    """Check which module imports which, and how many files one call visits."""
    session.install("-e", ".[all]", *_group("architecture"))
    session.run("lint-imports")
    session.run("python", "tools/check_imports.py")
    session.run("python", "tools/trace_call.py", "--max-files", *MAX_FILES)


@nox.session(python="3.11")
def examples(session: nox.Session) -> None:
    """Run what a newcomer pastes: the README's blocks, every example, and the programs' tests."""
    session.install(".[all]", *_group("test"), *_group("examples"))
    # The blocks of one page go on from each other.
    pages = ("-p", "no:randomly", "--dist", "loadfile", "README.md", "docs")
    scripts = sorted((ROOT / "examples").glob("*.py"))
    trials, checked, paths = [], [], []
    for program in PROGRAMS:
        place = Path("examples", program)
        paths += [f"{place}/src", f"{place}/tests"]
        checked += map(str, (*place.glob("src"), *place.glob("tests/test_*.py")))
        config = ("-c", f"{place}/pyproject.toml", "--rootdir", str(place))
        trials.append(("pytest", "-q", *config, str(place)))
    check = ("mypy", "--strict", "--allow-untyped-calls", "--config-file=")
    _side_by_side(
        session,
        [("pytest", "-q", "-n", "2", *pages)],
        [
            *(("python", str(each.relative_to(ROOT))) for each in scripts),
            (*check, *checked),
        ],
        trials,
        MYPYPATH=os.pathsep.join(paths),
    )


@nox.session(python="3.11")
def docs(session: nox.Session) -> None:
    """Build the documentation site into site/, and check names, pages and links."""
    session.install(*_group("docs"))
    session.run("mkdocs", "build", "--strict", env={"NO_MKDOCS_2_WARNING": "1"}, silent=True)
    session.run("python", "tools/check_site.py")


@nox.session(python="3.11")
def package(session: nox.Session) -> None:
    """Build the wheel, check it, and try it where the source is not."""
    session.install(*_group("package"), "uv")
    place = Path(session.create_tmp()).resolve()
    shutil.rmtree(place, ignore_errors=True)
    place.mkdir(parents=True)
    build = ("python", "-m", "build", "--installer", "uv", "--outdir", str(place / "dist"))
    session.run(*build, silent=True)
    wheel = next((place / "dist").glob("*.whl"))
    session.run("check-wheel-contents", str(wheel))
    session.run("twine", "check", "--strict", *map(str, (place / "dist").iterdir()))
    session.install(f"billingual[all] @ {wheel.as_uri()}", *_group("test"))
    shutil.copytree(ROOT / "tests", place / "tests", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "pyproject.toml", place)
    session.chdir(place)
    session.run(*PYTEST, *FEW)
    session.run("python", "-m", "billingual", "demo", silent=True)


@nox.session(python="3.11")
def min_deps(session: nox.Session) -> None:
    """Run the tests that meet our dependencies against the oldest versions that we allow."""
    extras = PROJECT["project"]["optional-dependencies"]
    needs = [
        *PROJECT["project"]["dependencies"],
        *(
            need
            for name in ("aiohttp", "arrow", "cli", "httpx2", "urllib3")
            for need in extras[name]
        ),
    ]
    oldest = [re.sub(r">=([\w.]+).*", r"==\1", need) for need in needs]
    session.install("-e", ".", *oldest, *_group("test"))
    session.run(*PYTEST, *OLDEST)


@nox.session(python="3.11")
def proofs(session: nox.Session) -> None:
    """Run the long proofs to their end; the gate runs a seeded sample of each."""
    session.install("-e", ".[all]", *_group("test"))
    session.run(
        *PYTEST,
        "--full-proofs",
        "--timeout=1800",
        "tests/cli",
        "tests/client/test_dedupe.py",
        "tests/columns",
        "tests/conformance",
        "tests/equivalence",
        "tests/exhaustive",
        "tests/jobs",
        "tests/landing",
        "tests/process",
        "tests/transports/test_rough_wires.py",
        *session.posargs,
    )


@nox.session(python="3.11")
def simulate(session: nox.Session) -> None:
    """Carry out a million writes in virtual time, through faults, crashes and a second writer.

    It takes about half an hour on two cores. ``-- --seed N --amount N`` for another run,
    ``-- --world NAME`` to see one that went wrong again.
    """
    session.install("-e", ".", *_group("test"))
    env = {"PYTHONPATH": "tests"}
    session.run("python", "-m", "_support.simulation", *session.posargs, env=env)


@nox.session(python="3.11")
def browser(session: nox.Session) -> None:
    """Use the sandbox's page in Chromium, which comes from Debian where there is none."""
    if shutil.which("chromium") is None:
        session.run("apt-get", "update", "-q", external=True)
        session.run("apt-get", "install", "-y", "-q", "chromium", external=True)
    session.install("-e", ".[all]", *_group("test"), *_group("browser"))
    session.run("pytest", "-q", *(session.posargs or ("tests/browser",)))


def _need_redis(session: nox.Session) -> None:
    if shutil.which("redis-server") is None:
        session.run("apt-get", "install", "-y", "-q", "redis-server", external=True)


@nox.session(python="3.11")
def pipelines(session: nox.Session) -> None:
    """Try what data pipelines use, with libraries that are too large for the gate.

    A million random invoices become columns and come back, each library reads the same totals, and
    dlt brings a table up to date, however often it is killed.
    Jobs in PostgreSQL are killed, and their server is; it comes as a wheel. Eight processes keep to
    one quota by a Redis, which comes from Debian where there is none.
    """
    _need_redis(session)
    session.install("-e", ".[all,dlt,duckdb]", *_group("test"), *_group("pipelines"))
    session.run(
        *PYTEST, "--timeout=1800", *(session.posargs or ("--full-proofs", "tests/pipelines"))
    )
    if not session.posargs:
        # Again, now that there is a library for tables of Delta Lake.
        session.run(*PYTEST, "--full-proofs", "--timeout=1800", "tests/landing")
        session.run(*PYTEST, "--full-proofs", "--timeout=1800", "tests/jobs/postgres")
        for example in ("dlt_to_duckdb", "land", "polars_ageing"):
            session.run("python", f"examples/pipelines/{example}.py", silent=True)


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
def sail(session: nox.Session) -> None:
    """Read and write invoices on Sail, which runs Spark's data sources without Java: a sample.

    ``-- --full-proofs`` runs all tests of it, and the example.
    """
    session.install("-e", SPARK, *_group("test"), *_group("sail"))
    if not session.posargs:
        session.run("pytest", "-q", *ON_SAIL)
        return
    place = "tests/pipelines/spark"
    session.run("pytest", "-q", f"--ignore={place}/java", place, *session.posargs)
    session.run("python", "examples/pipelines/spark_read_write.py", silent=True)


@nox.session(python="3.11")
def spark(session: nox.Session) -> None:
    """Read and write invoices on Spark itself, whose driver is killed; wants Java 17."""
    if shutil.which("java") is None:
        session.error("Java is missing: apt-get install openjdk-17-jre-headless")
    session.install("-e", SPARK, *_group("test"), *_group("spark"))
    proofs = ("--full-proofs", "--timeout=1800")
    session.run("pytest", "-q", *proofs, "tests/pipelines/spark", *session.posargs)
    session.run("python", "examples/pipelines/spark_read_write.py", silent=True)


@nox.session(python="3.11")
def bench(session: nox.Session) -> None:
    """Measure: every file of benchmarks/, each of which asks one question, beside pinned peers.

    ``-- --quick`` only shows that they run. Else the figures are kept in benchmarks/results/ and
    written into docs/performance.md.
    """
    session.install(".[all]", *_group("bench"), *_group("peers"))
    for benchmark in sorted((ROOT / "benchmarks").glob("[!_]*.py")):
        if benchmark.stem not in OTHER_BENCHMARKS:
            session.run("python", str(benchmark.relative_to(ROOT)), *session.posargs)
    if "--quick" not in session.posargs:
        session.run("python", "benchmarks/_report.py")


@nox.session(python="3.11")
def bulk(session: nox.Session) -> None:
    """Measure 100,000 updates as a job; takes ten minutes. Options and figures as in ``bench``."""
    session.install(".[all]", *_group("bench"), *_group("peers"), *_group("bulk"))
    session.run("python", "benchmarks/bulk.py", *session.posargs)
    if "--quick" not in session.posargs:
        session.run("python", "benchmarks/_report.py")


@nox.session(python="3.11", name="pipeline-bench")
def pipeline_bench(session: nox.Session) -> None:
    """Measure lists on their way into tables, beside dlt and a script; ten minutes, Java 17."""
    session.install(".[all,dlt,duckdb,spark]", *_group("bench"), *_group("pipeline-bench"))
    session.run("python", "benchmarks/pipeline.py", *session.posargs)
    if "--quick" not in session.posargs:
        session.run("python", "benchmarks/_report.py")


@nox.session(python="3.11", name="quota-bench")
def quota_bench(session: nox.Session) -> None:
    """Measure how well eight processes keep to one quota; takes six minutes, wants Redis."""
    _need_redis(session)
    session.install(".[all]", *_group("bench"), *_group("peers"))
    session.run("python", "benchmarks/quota.py", *session.posargs)
    if "--quick" not in session.posargs:
        session.run("python", "benchmarks/_report.py")


@nox.session(python="3.11")
def durability(session: nox.Session) -> None:
    """Race job runners through lost responses and kills; takes half an hour, wants PostgreSQL."""
    session.install(".[all]", "-e", "examples/billingual-stripe")
    session.install(*_group("bench"), *_group("durability"))
    session.run("python", "benchmarks/durability.py", *session.posargs)
    if "--quick" not in session.posargs:
        session.run("python", "benchmarks/_report.py")


@nox.session(python="3.11")
def instructions(session: nox.Session) -> None:
    """Count the instructions of hot paths: no more than kept; ``-- --save`` keeps new counts."""
    if shutil.which("valgrind") is None:
        session.error("valgrind is missing: apt-get install valgrind, or your system's own way")
    session.install(".[all]", *_group("bench"))
    session.run("python", "benchmarks/_instructions.py", *session.posargs)
