"""tools/check_site.py finds what a reader of the site would miss."""

from __future__ import annotations

from pathlib import Path

import pytest

from _support.tools import load

SEARCH = '<script src="{}iframe-worker.js"></script>'
GOOD = {
    "index.html": SEARCH.format("")
    + '<h1 id="top"></h1><a href="reference/acme.html#acme.Bill">a class</a>',
    "index.html.md": "# Home",
    "reference/acme.html": SEARCH.format("../") + '<h2 id="acme.Bill"></h2>',
    "reference/acme.html.md": "# acme",
    "404.html": SEARCH.format("/") + '<a href="/index.html">home</a>',
    "iframe-worker.js": "",
    "search/search_index.js": "",
    "llms.txt": "[Home](index.html.md) [acme](reference/acme.html.md)",
}


def _problems(place: Path, files: dict[str, str]) -> list[str]:
    for path, text in files.items():
        (place / path).parent.mkdir(parents=True, exist_ok=True)
        (place / path).write_text(text, encoding="utf-8")
    return _check(place, ["acme.Bill"])


def _check(place: Path, names: list[str]) -> list[str]:
    found: list[str] = load("check_site").problems(place, names)
    return found


def test_a_good_site_has_no_problems(tmp_path: Path) -> None:
    """Links up and down, anchors, scripts of its own and an unlisted 404.html are fine."""
    assert [] == _problems(tmp_path, GOOD)


@pytest.mark.parametrize(
    ("path", "text", "problem"),
    [
        ("reference/acme.html", "<h2 id='acme.Bil'></h2>", "does not explain acme.Bill"),
        ("llms.txt", "[Home](index.html.md)", "llms.txt does not name reference/acme.html"),
        ("index.html.md", " \n", "llms.txt names index.html.md, which is empty"),
        ("index.html", '<script src="https://cdn.example/a.js"></script>', "from another host"),
        ("index.html", '<link rel="stylesheet" href="//cdn.example/a.css">', "from another host"),
        ("index.html", '<img src="https://cdn.example/a.png">', "from another host"),
        ("index.html", '<img src="lost.png">', "lost.png, which is not there"),
        ("index.html", '<a href="lost.html">', "lost.html, which is not there"),
        ("index.html", '<a href="#lost">', "#lost, but there is no such anchor"),
        ("index.html", '<a href="reference/acme.html#lost">', "but there is no such anchor"),
        ("index.html", "<h1>", "index.html does not load iframe-worker.js"),
    ],
)
def test_what_is_missing_is_named(tmp_path: Path, path: str, text: str, problem: str) -> None:
    """One problem of each kind."""
    found = _problems(tmp_path, {**GOOD, path: text})

    assert any(problem in each for each in found)


def test_a_folder_without_pages_is_no_site(tmp_path: Path) -> None:
    """A build that wrote elsewhere does not pass."""
    assert [f"{tmp_path} holds no page"] == _check(tmp_path, [])
