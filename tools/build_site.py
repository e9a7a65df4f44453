"""Add to the documentation site what no one writes by hand: a hook of mkdocs.

- The reference: a page for each public module, from ``docs/public-names.txt`` and the docstrings.
- The examples, the changelog and CONTRIBUTING.md, which stand beside ``docs/``. Links between all
  of these work in the repository, and are written anew for the site.
- ``llms.txt`` and ``llms-full.txt`` (https://llmstxt.org), and each page as Markdown beside its
  HTML.
"""

from __future__ import annotations

import ast
import posixpath
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import griffe
from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.nav import Navigation, Section
from mkdocs.structure.pages import Page
from read_docstrings import public_names, target_of

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
SUITES = {"src", "tests"}  # of an example that is a folder
_LINK = re.compile(r"\[([^\]]*)\]\(([^)\s#]*)(#[^)\s]*)?( \"[^\"]*\")?\)")


def _example(path: Path) -> str:
    """Return an example as a page: a program, or a folder with a README."""
    if path.suffix == ".py":
        code = path.read_text(encoding="utf-8")
        title, what = path.stem.replace("_", " ").capitalize(), ast.get_docstring(ast.parse(code))
        return f"# {title}\n\n{what}\n\n```python\n{code}```\n"
    text = (path / "README.md").read_text(encoding="utf-8")
    files = sorted(
        each for part in SUITES for each in (path / part).rglob("*.py") if each.read_text()
    )
    parts = [
        f"### `{each.relative_to(path)}`\n\n```python\n{each.read_text()}```\n" for each in files
    ]
    return "\n".join([text, "## Its files\n", *parts])


def _examples() -> dict[str, str]:
    """Return the examples, by their place in the site."""
    place = ROOT / "examples"
    programs = [*sorted(place.glob("*.py")), *sorted((place / "pipelines").glob("*.py"))]
    folders = sorted(each.parent for each in place.glob("*/README.md"))
    pages = {_page_of(str(each.relative_to(ROOT))): _example(each) for each in programs + folders}
    lines = ["# Examples", "", "Programs to copy from, from `examples/` in the repository.", ""]
    for path, text in pages.items():
        name = path.removeprefix("examples/").removesuffix("/README.md")
        lines.append(f"- [{_heading(text)}]({name}): {_first_sentence(text)}")
    return {"examples/index.md": "\n".join(lines), **pages}


def _beside() -> dict[str, str]:
    names = ("CHANGELOG.md", "CONTRIBUTING.md")
    return {name: (ROOT / name).read_text(encoding="utf-8") for name in names}


def _linked(pages: dict[str, str]) -> dict[str, str]:
    """Return the files that pages link to and that are no page, such as a notebook or a test.

    Each by its place in the site, where a program is text, so that browsers show it.
    """
    found = {}
    documents = {str(each.relative_to(ROOT)): each.read_text() for each in DOCS.rglob("*.md")}
    for page, text in {**pages, **documents}.items():
        for _, target, *_ in _LINK.findall(text):
            path = posixpath.normpath(posixpath.join(posixpath.dirname(page), target))
            is_page = path.startswith("docs/") or path.endswith(".md") or _page_of(path) in pages
            if (ROOT / path).is_file() and not is_page:
                found[f"{path}.txt" if path.endswith(".py") else path] = path
    return found


def _page_of(path: str) -> str:
    """Return the place in the site of what is at *path* in the repository."""
    if path == "README.md":
        return "index.md"
    if path.startswith("docs/"):
        path = path.removeprefix("docs/")
    elif path.endswith(".py"):
        path = f"{path.removesuffix('.py')}.md"
    return path if posixpath.splitext(path)[1] else f"{path}/README.md"


def _relinked(text: str, page: str, files: Files) -> str:
    """Return *text* with links that work in the site, as they do in the repository."""
    beside = page in _beside() or page.startswith("examples/")
    here = posixpath.dirname(page if beside else f"docs/{page}")

    def link(match: re.Match[str]) -> str:
        label, path, anchor, title = match.groups()
        if not path or ":" in path:
            return match[0]
        path = posixpath.normpath(posixpath.join(here, path))
        places = (_page_of(path), f"{path}.txt", path)
        there = next((each for each in places if files.get_file_from_path(each)), None)
        if there is None:
            return match[0]  # mkdocs says that it leads nowhere
        path = posixpath.relpath(there, posixpath.dirname(page) or ".")
        return f"[{label}]({path}{anchor or ''}{title or ''})"

    parts = re.split(r"(^```.*?^```$)", text, flags=re.MULTILINE | re.DOTALL)
    return "".join(part if part.startswith("```") else _LINK.sub(link, part) for part in parts)


class Reference:
    """The pages of the public modules."""

    def __init__(self) -> None:
        extensions = griffe.load_extensions(str(ROOT / "tools" / "read_docstrings.py"))
        loaded = griffe.load("billingual", search_paths=[ROOT / "src"], extensions=extensions)
        assert isinstance(loaded, griffe.Module)  # noqa: S101 - for the type checker
        self._package = loaded
        self._public = public_names(loaded)
        names = [name for each in self._public.values() for name in each]
        self.modules = sorted({name.rpartition(".")[0] for name in names})

    def _members(self, module: str) -> Iterator[tuple[str, str]]:
        """Yield the names of *module*, each with the one under which it is explained."""
        for names in self._public.values():
            for name in names:
                if name.rpartition(".")[0] == module:
                    yield name, names[0]

    def page(self, module: str) -> str:
        """Return the page of *module*, as mkdocstrings reads it."""
        here = sorted(name for name, home in self._members(module) if name == home)
        lines = [
            f"::: {module}",
            "    options:",
            "      heading_level: 1",
            "      members: false",
            "      show_root_full_path: true",
            "      show_symbol_type_heading: false",
            "",
        ]
        for name in here:
            lines += [f"::: {name}", ""]
        return "\n".join([*lines, *self._elsewhere(module)])

    def _elsewhere(self, module: str) -> Iterator[str]:
        others = sorted((name, home) for name, home in self._members(module) if name != home)
        if others:
            yield from ("## Also here", "", "| name | |", "|---|---|")
        for name, home in others:
            text = _first_sentence(self._docstring(home)).replace("|", "\\|")
            yield f'| <a id="{name}"></a>[`{name.rpartition(".")[2]}`][{home}] | {text} |'
        yield ""

    def _docstring(self, name: str) -> str:
        what = self._package if name == self._package.name else target_of(self._package, name)
        return what.docstring.value if what.docstring else ""

    def index(self) -> str:
        """Return the page that lists the modules."""
        intro = "What can be imported, and kept by [what you can rely on](../compatibility.md)."
        lines = ["# Modules", "", intro, "", "| module | |", "|---|---|"]
        for module in self.modules:
            text = _first_sentence(self._docstring(module))
            lines.append(f"| [`{module}`]({module}.md) | {text} |")
        return "\n".join(lines)

    def text(self, module: str) -> str:
        """Return the page of *module* as text, for readers who run no mkdocs."""
        lines = [f"# {module}", "", self._docstring(module), ""]
        for name, home in sorted(self._members(module)):
            if name != home:
                lines += [f"- `{name}` is `{home}`"]
        for name, home in sorted(self._members(module)):
            if name == home:
                lines += list(self._described(name, target_of(self._package, name), "##"))
        return re.sub(r"\[(`[^`]+`)\]\[[\w.]+\]", r"\1", "\n".join(lines))

    def _described(self, name: str, what: griffe.Object, level: str) -> Iterator[str]:
        yield f"\n{level} {name}\n"
        if isinstance(what, griffe.Function):
            yield f"```python\n{what.signature()}\n```\n"
        yield what.docstring.value if what.docstring else ""
        if isinstance(what, griffe.Class):
            for each in what.all_members.values():
                if isinstance(each, griffe.Function) and not each.name.startswith("_"):
                    yield from self._described(f"{name}.{each.name}", each, f"{level}#")


def _first_sentence(text: str) -> str:
    """Return how a page or docstring begins, without its links."""
    text = re.sub(r"^```.*?^```$", "", text, flags=re.MULTILINE | re.DOTALL)
    prose = [each for each in re.split(r"\n\s*\n", text) if re.match(r"\s*[*`A-Z]", each)]
    paragraph = " ".join(prose[0].split()) if prose else ""
    paragraph = re.sub(r"\[([^\]]*)\][(\[][^)\]]*[)\]]", r"\1", paragraph)
    return re.split(r"(?<=[.?])\s", paragraph)[0].rstrip(":")


def _heading(text: str) -> str:
    """Return the first heading of a page, which says more than its name in the navigation."""
    found = re.search(r"^# (.+)$", text, re.MULTILINE)
    return found[1] if found else ""


def _llms(name: str, summary: str, sections: dict[str, list[Page]]) -> str:
    lines = [f"# {name}", "", f"> {summary}", ""]
    for heading, pages in sections.items():
        lines += [f"## {heading}", ""]
        for page in pages:
            text = _first_sentence(page.markdown or "")
            title = _heading(page.markdown or "") or page.title
            lines.append(f"- [{title}]({page.url}.md)" + (f": {text}" if text else ""))
        lines.append("")
    return "\n".join(lines)


def _pages(items: list[Any]) -> Iterator[Page]:
    for item in items:
        if isinstance(item, Section):
            yield from _pages(item.children)
        elif isinstance(item, Page):
            yield item


class _Site:
    """What one build keeps between the events."""

    reference: Reference
    sections: dict[str, list[Page]]


def _filled(items: list[Any]) -> list[Any]:
    """Return the navigation with the pages that are listed here, not in mkdocs.yml."""
    listed: dict[str, list[Any]] = {
        "reference/": [
            "reference/index.md",
            *({module: f"reference/{module}.md"} for module in _Site.reference.modules),
        ],
        "examples/": list(_examples()),
    }
    filled: list[Any] = []
    for item in items:
        if isinstance(item, dict):
            ((title, what),) = item.items()
            pages = _filled(what) if isinstance(what, list) else listed.get(what, what)
            filled.append({title: pages})
        else:
            filled.append(item)
    return filled


def on_config(config: MkDocsConfig) -> None:
    """Read the package, and list its pages."""
    _Site.reference = Reference()
    config.nav = _filled(config.nav or [])


def on_files(files: Files, *, config: MkDocsConfig) -> None:
    """Add the pages that do not stand in docs/."""
    reference = _Site.reference
    pages = {f"reference/{module}.md": reference.page(module) for module in reference.modules}
    pages |= {"reference/index.md": reference.index(), **_examples(), **_beside()}
    for path, text in pages.items():
        files.append(File.generated(config, path, content=text))
    for place, path in sorted(_linked(pages).items()):
        files.append(File.generated(config, place, abs_src_path=str(ROOT / path)))


def on_nav(nav: Navigation, *, config: MkDocsConfig, files: Files) -> None:  # noqa: ARG001 - mkdocs names them
    """Keep the order of the pages."""
    _Site.sections = {
        item.title or "": list(_pages([item])) for item in nav.items if isinstance(item, Section)
    }
    homes = [item for item in nav.items if isinstance(item, Page)]
    _Site.sections = {"Home": homes, **_Site.sections}


def on_page_markdown(markdown: str, *, page: Page, config: MkDocsConfig, files: Files) -> str:  # noqa: ARG001 - mkdocs names them
    """Let the links of a page work in the site, and find what explains before what shows."""
    if not page.file.src_uri.startswith("reference/"):
        shows = page.file.src_uri == "CHANGELOG.md" or page.file.src_uri.startswith("examples/")
        page.meta["search"] = {"boost": 0.3 if shows else 1.5}
    if page.file.src_uri == "index.md":
        page.meta["hide"] = ["navigation"]  # it would list this page alone
    return _relinked(markdown, page.file.src_uri, files)


def on_post_build(*, config: MkDocsConfig) -> None:
    """Write the pages as Markdown, and the lists of them."""
    place = Path(config.site_dir)
    whole = []
    for page in (each for pages in _Site.sections.values() for each in pages):
        module = page.file.src_uri.removeprefix("reference/").removesuffix(".md")
        is_module = module in _Site.reference.modules
        text = _Site.reference.text(module) if is_module else page.markdown or ""
        page.markdown = text
        # Beside its page, `jobs.html.md` leads to `bulk.html.md`.
        text = re.sub(r"(\]\((?:[^)\s:]*/)?)README\.md", r"\1index.md", text)
        text = re.sub(r"(\]\([^)\s:]+)\.md\b", r"\1.html.md", text)
        Path(place, f"{page.url}.md").write_text(text, encoding="utf-8")
        whole.append(text.strip())
    title, summary = config.site_name, config.site_description or ""
    (place / "llms.txt").write_text(_llms(title, summary, _Site.sections), encoding="utf-8")
    (place / "llms-full.txt").write_text("\n\n".join([*whole, ""]), encoding="utf-8")
