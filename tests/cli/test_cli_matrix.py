"""The table of providers and what they can do."""

from __future__ import annotations

from billingual.capabilities import Feature
from billingual.cli.providers import capability_table_markdown
from billingual.plugins import PROVIDERS


def test_the_markdown_table_is_stable_and_whole() -> None:
    """It is the same each time, has one column per provider and a row for each operation."""
    text = capability_table_markdown()
    lines = text.splitlines()

    assert text == capability_table_markdown()
    assert text.endswith("|\n")
    assert "| | " + " | ".join(f"`{name}`" for name in sorted(PROVIDERS.builtin)) + " |" == lines[0]
    assert {len(PROVIDERS.builtin) + 2} == {line.count("|") for line in lines}
    assert len(lines) - 2 >= len(Feature)


def test_the_table_says_what_the_code_can() -> None:
    """Katsu replaces whole invoices and can nothing else; only exante has batches."""
    rows = {
        cells[1].strip(): [cell.strip() for cell in cells[2:-1]]
        for cells in (line.split("|") for line in capability_table_markdown().splitlines())
    }

    assert rows["replace the whole"] == ["-", "yes", "-"]
    assert rows["create"] == ["yes", "-", "yes"]
    assert rows["update many"] == ["up to 100, all or none", "-", "-"]
