"""Parts of other packages: found by name, loaded once when first named, named when broken."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from billingual import AsyncClient, Client, Provider, errors

MODULE = '''
"""A package of a stranger."""
import billingual
from billingual import MemoryTransport
from billingual.dialects.exante.dialect import ExanteDialect

LOADS = []
LOADS.append(1)
SEEN = []

ANSWER = '{"data": {"uid": "550e8400-e29b-41d4-a716-446655440000"}}'

def carrier(options):
    return MemoryTransport([MemoryTransport.json(ANSWER)] * 9)

class Ours(ExanteDialect):
    name = "plugin_dialect"

def watch(event):
    SEEN.append(type(event).__name__)

policy = billingual.Retry(attempts=2)

def __getattr__(name):
    if name != "counted":
        raise AttributeError(name)
    LOADS.append(name)
    return carrier
not_callable = 7
'''

ENTRY_POINTS = """
[billingual.transports]
plugin_transport = acme_plugin:carrier
plugin_counted = acme_plugin:counted
plugin_missing = acme_plugin:nothing_there
plugin_broken = acme_broken:carrier

[billingual.dialects]
plugin_dialect = acme_plugin:Ours

[billingual.policies]
plugin_policy = acme_plugin:policy
plugin_no_policy = acme_plugin:not_callable

[billingual.observers]
plugin_observer = acme_plugin:watch
plugin_no_observer = acme_plugin:not_callable
"""
UID = "550e8400-e29b-41d4-a716-446655440000"


@pytest.fixture
def plugin(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Install a package by hand: a module and its metadata on the path."""
    (tmp_path / "acme_plugin.py").write_text(MODULE, encoding="utf-8")
    (tmp_path / "acme_broken.py").write_text("raise OSError('no licence file')", encoding="utf-8")
    metadata = tmp_path / "acme_plugin-1.0.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text(
        "Metadata-Version: 2.1\nName: acme-plugin\nVersion: 1.0\n", encoding="utf-8"
    )
    (metadata / "entry_points.txt").write_text(ENTRY_POINTS, encoding="utf-8")
    monkeypatch.syspath_prepend(str(tmp_path))
    yield tmp_path
    for name in ("acme_plugin", "acme_broken"):
        sys.modules.pop(name, None)


def test_plugins_of_each_kind_are_found_by_name_and_loaded_once(plugin: Path) -> None:
    """Nothing is imported before it is named, and naming it again imports nothing."""
    client = Client("exante", transport="memory")
    assert "acme_plugin" not in sys.modules
    client.close()

    service = Provider(name="acme", dialects=("plugin_dialect",))
    for _ in range(2):
        with Client(
            service, transport="plugin_transport", retry="plugin_policy",
            observers=["plugin_observer"],
        ) as client:  # fmt: skip
            assert UID == client.get(UID).id
    module: Any = sys.modules["acme_plugin"]

    assert [1] == module.LOADS
    assert ["CallStarted", "AttemptStarted", "AttemptEnded", "CallEnded"] * 2 == module.SEEN


def test_an_entry_point_is_resolved_once(plugin: Path) -> None:
    """The second client does not read the entry points again."""
    for _ in range(2):
        Client("exante", transport="plugin_counted").close()

    assert [1, "counted"] == sys.modules["acme_plugin"].LOADS


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("plugin_broken", r"acme-plugin cannot be loaded \(OSError: no licence file\); update or"),
        ("plugin_missing", r"\(acme_plugin:nothing_there\) of the package acme-plugin cannot"),
    ],
)
def test_a_broken_plugin_names_itself(plugin: Path, name: str, told: str) -> None:
    """The error names the package, and other names still work."""
    with pytest.raises(errors.ConfigurationError, match=told):
        AsyncClient("exante", transport=name)

    AsyncClient("exante", transport="memory")


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"retry": "plugin_no_policy"}, "is not a policy"),
        ({"observers": ["plugin_no_observer"]}, "plain functions"),
        ({"observers": ["nobody"]}, "there is no observer named 'nobody'"),
        ({"observers": "plugin_observer"}, "takes a list"),
        ({"transport": "nobody"}, "plugin_transport"),
    ],
    ids=str,
)
def test_a_plugin_of_the_wrong_kind_is_refused(
    plugin: Path, options: dict[str, Any], told: str
) -> None:
    """When the client is made, with what is there."""
    with pytest.raises(errors.ConfigurationError, match=told):
        AsyncClient("exante", **{"transport": "memory", **options})
