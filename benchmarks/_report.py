"""Write the kept figures into the pages; ``--check`` tells whether they stand there.

``python benchmarks/_report.py`` renders each ``results/<name>.json`` between the markers ``<!--
results: name -->`` and ``<!-- end -->`` of ``docs/performance.md``: the command, its tables, its
goals, and what was left out; between ``results: goals`` all goals in one table, and between
``results: machine`` what the figures depend on. Another page may show a table by itself, the second
of ``quota.json`` between ``<!-- table: quota 2 -->`` and the end. Text outside of the markers is
written by hand.
"""

from __future__ import annotations

import argparse
import json
import re
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from _measuring import HERE, RESULTS, goal_table, number

PAGE: Final = HERE.parent / "docs" / "performance.md"
OTHER_PAGES: Final = (HERE.parent / "docs" / "quota.md",)
_PART: Final = re.compile(r"(<!-- results: (\w+) -->\n).*?(<!-- end -->)", re.DOTALL)
_TABLE: Final = re.compile(r"(<!-- table: (\w+) (\d) -->\n).*?(<!-- end -->)", re.DOTALL)
_NOTHING: Final = "*Not measured yet.*\n"


def markdown(table: Mapping[str, Any]) -> str:
    """Return a table in Markdown; columns of numbers stand to the right."""
    heads, rows = table["heads"], table["rows"]
    rules = [
        "---" if all(isinstance(row[index], str) for row in rows) else "---:"
        for index in range(len(heads))
    ]
    lines = [heads, rules, *([_cell(cell) for cell in row] for row in rows)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines) + "\n"


def _cell(cell: Any) -> str:
    text = number(cell).replace("|", "\\|")
    return f"**{text}**" if text.startswith("billingual") else text


def section(study: Mapping[str, Any]) -> str:
    """Return what stands about one benchmark."""
    settings = ", ".join(
        f"{name} {value}" for name, value in study["settings"].items() if not _is_long(value)
    )
    parts = [f"`{study['command']}` ({settings})\n" if settings else f"`{study['command']}`\n"]
    load, cores = study["machine"].get("load_before", 0), study["machine"]["cores"]
    # The benchmark before it leaves a load of one or two for each core.
    if load > 3 * cores:
        parts.append(
            f"The machine had other work (a load of {load:.0f} on {cores} cores when this began), "
            "so that ratios say more than seconds.\n"
        )
    parts += [f"{table['title']}:\n\n{markdown(table)}" for table in study["tables"]]
    if study["goals"]:
        parts.append(markdown(goal_table(study["goals"])))
    parts += [f"Left out: {who} ({why}).\n" for who, why in study["left_out"].items()]
    return "\n" + "\n".join(parts) + "\n"


def _is_long(value: object) -> bool:
    return isinstance(value, (list, dict))


def all_goals(studies: Mapping[str, Mapping[str, Any]]) -> str:
    """Return the goals of all benchmarks in one table."""
    goals = [
        {**goal, "what": f"{goal['what']} (`{name}.py`)"}
        for name, study in studies.items()
        for goal in study["goals"]
    ]
    reached = sum(goal["reached"] for goal in goals)
    if not goals:
        return "\n" + _NOTHING + "\n"
    return f"\n{reached} of {len(goals)} are reached.\n\n{markdown(goal_table(goals))}\n"


def surroundings(studies: Mapping[str, Mapping[str, Any]]) -> str:
    """Return the machine and the versions that the figures depend on."""
    if not studies:
        return "\n" + _NOTHING + "\n"
    kinds = {
        f"{m['cpu']}, {m['cores']} cores, {m['system']}, {m['python']}"
        for m in (study["machine"] for study in studies.values())
    }
    versions: dict[str, set[str]] = {}
    for study in studies.values():
        for name, version in study["versions"].items():
            versions.setdefault(name, set()).add(version)
    listed = ", ".join(f"{name} {' / '.join(sorted(versions[name]))}" for name in sorted(versions))
    return f"\n{'; '.join(sorted(kinds))}.\n{listed}.\n\n"


def filled(page: str, studies: Mapping[str, Mapping[str, Any]]) -> str:
    """Return *page* with everything between its markers written anew.

    Raises:
        LookupError: if figures were kept that have no place on the page.
    """
    places = {match[2] for match in _PART.finditer(page)}
    lost = sorted(set(studies) - places)
    if lost:
        raise LookupError(f"the page has no place for {', '.join(lost)}")

    def fill(match: re.Match[str]) -> str:
        name = match[2]
        if name == "goals":
            text = all_goals(studies)
        elif name == "machine":
            text = surroundings(studies)
        else:
            text = section(studies[name]) if name in studies else "\n" + _NOTHING + "\n"
        return match[1] + text + match[3]

    return _PART.sub(fill, page)


def with_tables(page: str, studies: Mapping[str, Mapping[str, Any]]) -> str:
    """Return *page* with every table between its markers written anew."""

    def fill(match: re.Match[str]) -> str:
        table = studies[match[2]]["tables"][int(match[3]) - 1]
        return f"{match[1]}\n{table['title']}:\n\n{markdown(table)}\n{match[4]}"

    return _TABLE.sub(fill, page)


def kept(results: Path) -> dict[str, Any]:
    """Read all kept figures but the counts of instructions, which guard and do not compare."""
    found = {
        path.stem: json.loads(path.read_text(encoding="utf-8"))
        for path in sorted(results.glob("*.json"))
    }
    return {name: study for name, study in found.items() if "tables" in study}


def main() -> int:
    """Write the page, or compare it."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--check", action="store_true", help="write nothing; say what differs")
    parser.add_argument("--page", type=Path, help="docs/performance.md, and those with tables")
    parser.add_argument("--results", type=Path, default=RESULTS, help="benchmarks/results")
    options = parser.parse_args()
    studies = kept(options.results)
    stale = []
    for page in [options.page] if options.page else [PAGE, *OTHER_PAGES]:
        before = page.read_text(encoding="utf-8")
        after = with_tables(before, studies)
        if page not in OTHER_PAGES:
            after = filled(after, studies)
        if not options.check:
            page.write_text(after, encoding="utf-8")
        elif before != after:
            stale.append(page.name)
    for name in stale:
        print(f"{name} does not show the kept figures: python benchmarks/_report.py")
    return bool(stale)


if __name__ == "__main__":
    sys.exit(main())
