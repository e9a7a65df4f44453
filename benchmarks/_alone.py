"""A package as it stands in an environment of its own, with what it needs and nothing else.

Libraries look around: httpx loads its command line where rich is installed, and trio where there is
trio. So what a fresh process costs is measured with only what one installation brings.
"""

from __future__ import annotations

import compileall
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import Distribution, distribution
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

import billingual

SOURCE = Path(billingual.__file__).parent


def closure(named: str) -> dict[str, Distribution]:
    """Follow requirements from *named*; several names are several roots.

    Raises:
        PackageNotFoundError: if one of them is not installed.
    """
    found: dict[str, Distribution] = {}
    done: set[tuple[str, frozenset[str]]] = set()
    waiting = [Requirement(each) for each in named.split()]
    while waiting:
        need = waiting.pop()
        name, extras = canonicalize_name(need.name), frozenset(need.extras)
        if (name, extras) in done:
            continue
        done.add((name, extras))
        found[name] = distribution(need.name)
        for text in found[name].requires or ():
            further = Requirement(text)
            wanted = (
                further.marker is None
                or further.marker.evaluate({"extra": ""})
                or any(further.marker.evaluate({"extra": extra}) for extra in extras)
            )
            if wanted:
                waiting.append(further)
    return found


def files_of(package: Distribution) -> list[Path]:
    """Return its files; our own may be installed as a link to its source."""
    files = [Path(str(package.locate_file(each))) for each in package.files or ()]
    if package.name == "billingual":
        files = [path for path in files if "dist-info" in path.parts[-2]] + list(SOURCE.rglob("*"))
    return files


def size(package: Distribution) -> int:
    """Return the bytes of its files, without what Python compiles from them later."""
    files = files_of(package)
    return sum(path.stat().st_size for path in files if path.suffix != ".pyc" and path.is_file())


@contextmanager
def alone(named: str) -> Iterator[str]:
    """Yield a folder in which Python finds *named* and what it needs, and no other package.

    Raises:
        PackageNotFoundError: if one of them is not installed.
    """
    with tempfile.TemporaryDirectory() as folder:
        for package in closure(named).values():
            root = Path(str(package.locate_file("")))
            tops = {each.parts[0] for each in package.files or ()} - {"..", "__pycache__"}
            if package.name == "billingual":
                (Path(folder) / SOURCE.name).symlink_to(SOURCE)
                tops = {top for top in tops if top.endswith(".dist-info")}
            for top in tops:
                link = Path(folder) / top
                if not link.is_symlink():  # namespaces are shared
                    link.symlink_to(root / top)
        # Modules without a package: what is compiled of them is not beside the link. The first
        # process would compile them, which takes a tenth of a second and megabytes.
        compileall.compile_dir(folder, maxlevels=0, quiet=1)
        yield folder
