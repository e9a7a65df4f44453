"""The table of transports: what is there, what is missing, and what is broken."""

from __future__ import annotations

import json
from importlib.metadata import version
from pathlib import Path

import pytest

from _support.command import Command
from billingual.abc import Transport, TransportOptions
from billingual.cli.transports import _entries, _Entry
from billingual.plugins import TRANSPORTS, Registry

_NUMBER = 7


class _SilentCarrier:
    """A transport that tells nothing about itself."""


class _LateCarrier:
    """One that imports its library only when it is made."""

    library = "no-such-library"


class _OddCarrier:
    """One whose words about itself are of the wrong kind."""

    library = 3
    http2 = "perhaps"
    supports = "async"


def _silent(options: TransportOptions) -> _SilentCarrier:
    return _SilentCarrier()


def _vague(options: TransportOptions) -> Transport:
    raise AssertionError("a table makes no transport")


def _unreadable(options: TransportOptions) -> NoSuchName:  # noqa: F821 - on purpose
    raise AssertionError("a table makes no transport")


def _entry_of(target: str, extras: dict[str, str] | None = None) -> _Entry:
    registry = Registry("transport", "tests.none", {"it": f"{__name__}:{target}"}, extras or {})
    [entry] = _entries(registry)
    return entry


@pytest.fixture
def plugins(tmp_path: Path) -> dict[str, str]:
    """Install a package with a transport that works, a broken one and one that is none."""
    (tmp_path / "acme_wire.py").write_text(
        "class Carrier:\n    library = 'httpx'\n    http2 = True\n"
        "    supports = frozenset({'sync'})\n    async def send(self, request, bounds): ...\n"
        "none = 7\n"
    )
    info = tmp_path / "acme_wire-1.2.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: acme-wire\nVersion: 1.2\n")
    (info / "entry_points.txt").write_text(
        "[billingual.transports]\nacme = acme_wire:Carrier\nbust = acme_wire:Missing\n"
        "seven = acme_wire:none\n"
    )
    return {"PYTHONPATH": str(tmp_path)}


def test_every_transport_has_a_row(billingual: Command) -> None:
    """Each registered name is in the table, with the installed version of its library."""
    done = billingual("transports")
    rows = {line.split()[0]: line for line in done.stdout.splitlines()[1:]}

    assert set(TRANSPORTS.names()) <= set(rows)
    assert ["httpx", "httpx", version("httpx"), "async,", "sync"] == rows["httpx"].split()[:5]
    assert ["aiohttp", "aiohttp", version("aiohttp"), "async", "-"] == rows["aiohttp"].split()[:5]
    assert ["urllib3", "urllib3", version("urllib3"), "sync"] == rows["urllib3"].split()[:4]
    assert "none needed" in rows["memory"]


def test_the_default_is_below_the_table_of_transports(billingual: Command) -> None:
    """The list of names adds that objects, functions and your own clients work too."""
    done = billingual("transports")

    assert done.returncode == 0
    assert "In a program httpx is the default;" in done.stderr
    assert all(word in done.stderr for word in ("an object", "a function", "of your own"))


@pytest.mark.parametrize("output", ["json", "ndjson"])
def test_transports_are_printed_as_data(billingual: Command, output: str) -> None:
    """The same is JSON with every field named, and nothing else is beside it."""
    done = billingual("transports", "-o", output)
    text = done.stdout if output == "json" else f"[{','.join(done.stdout.splitlines())}]"
    records = {record["name"]: record for record in json.loads(text)}

    assert "" == done.stderr
    assert ["httpx"] == [name for name, record in records.items() if record["is_default"]]
    assert {
        "name": "urllib3",
        "is_default": False,
        "package": "billingual",
        "package_version": version("billingual"),
        "library": "urllib3",
        "library_version": version("urllib3"),
        "waits": ["sync"],
        "http2": False,
        "install": None,
        "problem": None,
    } == records["urllib3"]


def test_a_missing_library_is_answered_with_what_to_install(
    billingual: Command, tmp_path: Path
) -> None:
    """Where an extra is not installed, its row holds the command that installs it."""
    # To Python, a module that is None in sys.modules cannot be found.
    (tmp_path / "sitecustomize.py").write_text(
        "import sys\nsys.modules.update(dict.fromkeys(('aiohttp', 'httpx2')))\n"
    )
    done = billingual("transports", env={"PYTHONPATH": str(tmp_path)})
    rows = {line.split()[0]: line for line in done.stdout.splitlines()}

    assert 0 == done.returncode
    assert 'pip install "billingual[aiohttp]"' in rows["aiohttp"]
    assert 'pip install "billingual[httpx2]"' in rows["httpx2"]
    assert version("httpx") in rows["httpx"]


def test_a_transport_of_another_package_is_a_row(
    billingual: Command, plugins: dict[str, str]
) -> None:
    """A plugin tells library, waits and HTTP/2 by the same attributes; its package is named."""
    done = billingual("transports", "-o", "json", env=plugins)
    record = {each["name"]: each for each in json.loads(done.stdout)}["acme"]

    assert ("acme-wire", "1.2") == (record["package"], record["package_version"])
    assert ("httpx", version("httpx")) == (record["library"], record["library_version"])
    assert (["sync"], True) == (record["waits"], record["http2"])


def test_a_broken_plugin_is_a_row_that_names_its_package(
    billingual: Command, plugins: dict[str, str]
) -> None:
    """One package's fault takes no other row away, and below the table is what is wrong."""
    done = billingual("transports", env=plugins)
    rows = {line.split()[0]: line for line in done.stdout.splitlines()[1:]}

    assert 0 == done.returncode
    assert set(TRANSPORTS.builtin) | {"acme", "bust", "seven"} <= set(rows)
    assert "broken: acme-wire" in rows["bust"]
    assert "broken: acme-wire" in rows["seven"]
    assert "'bust' (acme_wire:Missing) of the package acme-wire cannot be loaded" in done.stderr
    assert "'seven' of the package acme-wire is neither a transport nor" in done.stderr


@pytest.mark.parametrize(
    ("target", "waits"),
    [
        ("_SilentCarrier", ("async",)),
        ("_silent", ("async",)),
        ("_OddCarrier", None),
        ("_vague", None),
        ("_unreadable", None),
    ],
)
def test_a_transport_supports_only_what_it_declares(
    target: str, waits: tuple[str, ...] | None
) -> None:
    """A silent class is async, as the seam says; of a function only what it returns is known."""
    entry = _entry_of(target)

    assert (waits, None, None) == (entry.waits, entry.library, entry.http2)
    assert entry.problem is None


def test_a_library_that_is_imported_late_is_missed_too() -> None:
    """A transport may import its library when it is made, as the sandbox does."""
    late = _entry_of("_LateCarrier", {"it": "late"})
    own = _entry_of("_LateCarrier")

    assert 'pip install "billingual[late]"' == late.install
    assert ("no-such-library", None, None) == (own.library, own.library_version, own.install)


def test_what_is_no_transport_is_a_problem() -> None:
    """A registered value that can neither send nor be called is refused in words."""
    assert "neither a transport nor a function" in str(_entry_of("_NUMBER").problem)
