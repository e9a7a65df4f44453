"""How much does an installation bring: packages and megabytes?

``python benchmarks/install.py``: what ``pip install`` of each name brings into an empty
environment, found by following the requirements of what is installed here; sizes are those of the
files that a wheel brings, without what Python compiles from them later. Extras are named where they
count.
"""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError

from _alone import closure, size
from _measuring import Cell, Study, arguments

MB = 1_000_000
WHO = (
    "billingual", "billingual[aiohttp]", "httpx", "aiohttp", "requests", "stripe", "stripe[async]",
    "openai", "openai[aiohttp]", "azure-core[aio]", "elastic-transport",
    "elastic-transport aiohttp", "google-api-core google-auth[aiohttp]", "botocore",
)  # fmt: skip


def main() -> None:
    """Measure, show and keep."""
    options = arguments(__doc__, rounds=1)
    study = Study("install", "How much does an installation bring?")
    rows: list[list[Cell]] = []
    ours: tuple[int, float] = (0, 0.0)
    for named in WHO:
        try:
            packages = closure(named)
        except PackageNotFoundError as problem:
            study.left_out[named] = f"{problem.name} is not installed"
            continue
        megabytes = sum(map(size, packages.values())) / MB
        largest = max(packages.values(), key=size)
        rows.append([named, len(packages), megabytes, f"{largest.name} {size(largest) / MB:.1f}"])
        if named == "billingual":
            ours = len(packages), megabytes
            study.settings["packages"] = sorted(packages)
    rows.sort(key=lambda row: float(str(row[2])))
    study.table("what an installation brings", ["installed", "packages", "MB", "largest"], rows)
    study.goal("packages that the core brings, besides itself", ours[0] - 1, 11, "packages")
    study.goal("size of the core", ours[1], 9.0, "MB")
    study.close(quick=options.quick)


if __name__ == "__main__":
    main()
