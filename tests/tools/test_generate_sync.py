"""The generator of the blocking client: exact about what it knows, loud about what it does not."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path
from typing import Final

import pytest

ROOT: Final = Path(__file__).parents[2]
TOOL: Final = ROOT / "tools" / "generate_sync.py"
SOURCE: Final = ROOT / "src" / "billingual"
MODULES: Final = ("client.py", "jobs/job.py", "pagination/columns.py", "pagination/pager.py")
GENERATED: Final = "_sync/client.py"


@pytest.fixture
def sources(tmp_path: Path) -> Path:
    """Copy the sources and the generated file."""
    for folder in ("jobs", "pagination", "_sync"):
        (tmp_path / folder).mkdir()
    for name in (*MODULES, GENERATED, "_sync/columns.py", "_sync/job.py"):
        shutil.copy(SOURCE / name, tmp_path / name)
    return tmp_path


def generate(sources: Path, *options: str) -> subprocess.CompletedProcess[str]:
    """Run the tool on a copy."""
    command = [sys.executable, str(TOOL), "--source", str(sources), *options]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def insert(sources: Path, before: str, text: str, module: str = "client.py") -> None:
    """Put lines into a copy of a source."""
    source = (sources / module).read_text(encoding="utf-8")
    assert source.count(before) == 1
    (sources / module).write_text(source.replace(before, text + before), encoding="utf-8")


@pytest.mark.slow
def test_the_committed_file_is_what_the_tool_writes() -> None:
    """It was not edited by hand."""
    done = subprocess.run(
        [sys.executable, str(TOOL), "--check"], capture_output=True, text=True, check=False
    )

    assert (0, "", "") == (done.returncode, done.stdout, done.stderr)


@pytest.mark.slow
def test_it_writes_the_same_each_time(sources: Path) -> None:
    """The same sources give the same text, in any folder."""
    target = sources / "_sync/client.py"
    target.unlink()

    assert generate(sources).returncode == 0
    first = target.read_bytes()
    assert generate(sources).returncode == 0
    assert first == target.read_bytes() == (SOURCE / "_sync/client.py").read_bytes()


@pytest.mark.slow
@pytest.mark.parametrize("spoil", ["truncated", "changed", "added", "emptied", "removed"])
def test_check_compares_whole_files(sources: Path, spoil: str) -> None:
    """A file that ends early is as stale as one with a wrong letter; nothing is written."""
    target = sources / "_sync/client.py"
    text = target.read_text(encoding="utf-8")
    spoiled = {
        "truncated": text[: text.rindex("    def close")],
        "changed": text.replace("-> Capabilities", "-> None", 1),
        "added": text + "\n",
        "emptied": "",
    }
    target.unlink()
    if spoil in spoiled:
        target.write_text(spoiled[spoil], encoding="utf-8")

    done = generate(sources, "--check")

    assert done.returncode == 1
    assert "client.py is stale: run python tools/generate_sync.py" in done.stdout
    assert spoiled.get(spoil) == (target.read_text(encoding="utf-8") if target.exists() else None)


NEXT_METHOD: Final = "    async def aclose(self)"
UNKNOWN: Final = {
    "a context manager": (
        "    def session(self) -> AsyncContextManager[None]:\n        ...\n\n",
        "the type AsyncContextManager",
    ),
    "an abstract context manager": (
        "    def session(self) -> AbstractAsyncContextManager[None]:\n        ...\n\n",
        "the type AbstractAsyncContextManager",
    ),
    "a type of a module": (
        "    def session(self) -> contextlib.AsyncExitStack:\n        ...\n\n",
        "the type contextlib.AsyncExitStack",
    ),
    "an awaitable": (
        "    def soon(self) -> Awaitable[int]:\n        ...\n\n",
        "the type Awaitable",
    ),
    "a coroutine in a parameter": (
        "    async def run(self, work: Coroutine[Any, Any, None]) -> None:\n        ...\n\n",
        "the type Coroutine",
    ),
    "a quoted type": (
        '    def rows(self) -> "AsyncIterator[int]":\n        ...\n\n',
        "the quoted type 'AsyncIterator[int]'",
    ),
    "any number of arguments": (
        "    async def run(self, *work: str) -> None:\n        ...\n\n",
        "the parameters of run",
    ),
    "any keywords": (
        "    async def run(self, **work: str) -> None:\n        ...\n\n",
        "the parameters of run",
    ),
    "positions only": (
        "    async def run(self, work: str, /) -> None:\n        ...\n\n",
        "the parameters of run",
    ),
    "a decorator": (
        "    @functools.cache\n    def run(self) -> None:\n        ...\n\n",
        "the decorators of AsyncClient.run",
    ),
    "a class attribute": ("    limit = 3\n\n", "line"),
    "a docstring that awaits": (
        '    def run(self) -> None:\n        """Run under asyncio only."""\n\n',
        "'asyncio' in the docstring of run",
    ),
}


@pytest.mark.parametrize("what", UNKNOWN)
def test_an_unknown_construct_stops_the_tool(sources: Path, what: str) -> None:
    """The message names the construct, and the generated file stays as it was."""
    text, named = UNKNOWN[what]
    insert(sources, NEXT_METHOD, text)

    done = generate(sources)

    assert done.returncode == 1
    assert f"no rule for {named}" in done.stdout
    assert "teach it" in done.stdout
    assert (SOURCE / "_sync/client.py").read_bytes() == (sources / "_sync/client.py").read_bytes()


@pytest.mark.slow
def test_a_new_method_gets_a_blocking_one(sources: Path) -> None:
    """Awaited methods run, iterators are walked, docstrings and examples are translated."""
    insert(
        sources,
        NEXT_METHOD,
        "    async def count(self, filter: Filter | None = None, *, limit: int = 3) -> int:\n"
        '        """Count invoices: ``await client.count()``."""\n'
        "        return limit\n\n"
        "    def changes(self, since: str) -> AsyncIterator[Invoice]:\n"
        '        """Walk what changed: ``async for each in client.changes(day)``."""\n'
        "        raise NotImplementedError\n\n",
    )

    assert generate(sources, "--check").returncode == 1
    assert generate(sources).returncode == 0
    written = (sources / "_sync/client.py").read_text(encoding="utf-8")
    assert (
        "    def count(self, filter: Filter | None = None, *, limit: int = 3) -> int:\n"
        '        """Count invoices: ``client.count()``."""\n'
        "        return self._backend.run(self._core.count(filter, limit=limit))\n"
    ) in written
    assert (
        "    def changes(self, since: str) -> Iterator[Invoice]:\n"
        '        """Walk what changed: ``for each in client.changes(day)``."""\n'
        "        return self._backend.iterate(self._core.changes(since))\n"
    ) in written
