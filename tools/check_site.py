"""Check the documentation site that ``mkdocs build --strict`` has made; mkdocs checks most links.

``python tools/check_site.py [site]`` fails where

- a public name of ``docs/public-names.txt`` has no place in the reference;
- a page is missing in ``llms.txt``, or what that names does not exist;
- a page loads a script, style, font or picture from another host;
- a link leads to a page or an anchor that is not there, links in docstrings included;
- the search needs a server: the index is no script, or a page does not load what searches there.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from posixpath import dirname, join, normpath
from typing import Final
from urllib.parse import unquote, urlsplit

NAMES: Final = Path(__file__).parents[1] / "docs" / "public-names.txt"
# What a server shows for an address that leads nowhere: its links start at the root of the site.
NO_PAGES: Final = {"404.html"}
_LOADS: Final = {"script", "link", "img", "source", "iframe", "object", "embed", "video", "audio"}


class _Page(HTMLParser):
    """What one page loads, where its links lead, and its anchors."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.loads: list[str] = []
        self.links: list[str] = []
        self.anchors: set[str] = set()
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value for name, value in attrs if value}
        self.anchors |= {given[name] for name in ("id", "name") if name in given}
        if tag == "a" and "href" in given:
            self.links.append(given["href"])
        elif tag in _LOADS and given.get("rel") != "canonical":
            self.loads += [given[name] for name in ("src", "href", "data") if name in given]


def _pages(site: Path) -> dict[str, _Page]:
    found = sorted(site.rglob("*.html"))
    return {str(each.relative_to(site)): _Page(each.read_text("utf-8")) for each in found}


def _foreign(pages: dict[str, _Page]) -> Iterator[str]:
    for path, page in pages.items():
        for address in page.loads:
            if urlsplit(address).netloc:
                yield f"{path} loads {address} from another host"


def _dead(site: Path, pages: dict[str, _Page]) -> Iterator[str]:
    for path, page in pages.items():
        for address in {*page.links, *page.loads}:
            parts = urlsplit(address)
            if parts.scheme or parts.netloc or path in NO_PAGES:
                continue
            there = normpath(join(dirname(path), unquote(parts.path))) if parts.path else path
            if not (site / there).exists():
                yield f"{path} leads to {address}, which is not there"
            elif there in pages and unquote(parts.fragment) not in {"", *pages[there].anchors}:
                yield f"{path} leads to {address}, but there is no such anchor"


def _unlisted(site: Path, pages: dict[str, _Page]) -> Iterator[str]:
    listed = (site / "llms.txt").read_text("utf-8")
    for path in pages:
        text = site / f"{path}.md"
        if path in NO_PAGES:
            continue
        if f"]({path}.md)" not in listed:
            yield f"llms.txt does not name {path}"
        elif not text.exists() or not text.read_text("utf-8").strip():
            yield f"llms.txt names {path}.md, which is empty or not there"


def _unexplained(pages: dict[str, _Page], names: list[str]) -> Iterator[str]:
    places = {
        anchor
        for path, page in pages.items()
        if path.startswith("reference/")
        for anchor in page.anchors
    }
    for name in names:
        if name not in places:
            yield f"the reference does not explain {name}"


def _unsearchable(site: Path, pages: dict[str, _Page]) -> Iterator[str]:
    if not (site / "search" / "search_index.js").exists():
        yield "search/search_index.js is not there, without which the search needs a server"
    for path, page in pages.items():
        if not any(each.endswith("iframe-worker.js") for each in page.loads):
            yield f"{path} does not load iframe-worker.js, so its search needs a server"


def problems(site: Path, names: list[str]) -> list[str]:
    """List what is wrong with *site*, whose reference should explain *names*."""
    pages = _pages(site)
    if not pages:
        return [f"{site} holds no page"]
    return [
        *_unexplained(pages, names),
        *_unlisted(site, pages),
        *_foreign(pages),
        *_dead(site, pages),
        *_unsearchable(site, pages),
    ]


def main(arguments: list[str]) -> int:
    """Print what is wrong."""
    site = Path(arguments[0] if arguments else "site")
    found = problems(site, NAMES.read_text(encoding="utf-8").split())
    print("\n".join(found) or f"{site}: every public name, page and link is there")
    return 1 if found else 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
