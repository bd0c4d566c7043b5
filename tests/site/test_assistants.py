"""The real site without a browser: the Markdown beside its pages, and the list of them."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import unquote, urldefrag, urljoin, urlsplit

import lxml.html
import pytest
from markdown_it import MarkdownIt
from markdown_it.token import Token

from mithril_docs.build.downloads import FILE
from support.places import BACKENDS, ROOT
from support.survey import pages_of

#: Pages that Sphinx makes, which have no Markdown.
MADE = {"genindex", "search"}
#: Markup of MyST and of HTML that no reader of plain Markdown knows.
FOREIGN = re.compile(r"^:{3,}|^\s*`{3,}\{|\{[\w:-]+\}`|<(?!a id=)/?(div|span|svg|p|table)\b|\x1b|\x00", re.MULTILINE)


@pytest.fixture(scope="module")
def files(site: Path) -> dict[str, list[Token]]:
    """Every Markdown file of the site, parsed, by its path."""
    parser = MarkdownIt("commonmark").enable("table")
    found = sorted(site.rglob("*.md"))
    return {path.relative_to(site).as_posix(): parser.parse(path.read_text("utf-8")) for path in found}


def inner(tokens: list[Token]) -> Iterator[Token]:
    """Tokens, and those within them."""
    for token in tokens:
        yield token
        yield from inner(token.children or [])


def views(site: Path, files: dict[str, list[Token]]) -> Iterator[tuple[str, str, list[Token]]]:
    """Each page's notebook for each backend, with the Markdown for that backend."""
    for path in sorted(site.glob("_downloads/pages/**/*.ipynb")):
        page, _, backend = path.relative_to(site / "_downloads/pages").with_suffix("").as_posix().rpartition("-")
        name = f"{page}.{backend}.md"
        yield f"{page} on {backend}", path.read_text("utf-8"), files[name if name in files else f"{page}.md"]


def test_every_page_has_its_markdown(site: Path, files: dict[str, list[Token]]) -> None:
    pages = set(pages_of(site)) - MADE
    assert {name.removesuffix(".md") for name in files if name.count(".") == 1} == pages
    for name in pages:
        tree = lxml.html.parse(site / f"{name}.html")
        links = tree.xpath("//link[@rel='alternate']/@href | //*[@class='mb-markdown']/a/@href")
        assert links == [f"{name.rpartition('/')[2]}.md"] * 2, name


def test_the_markdown_holds_what_the_notebooks_hold(site: Path, files: dict[str, list[Token]]) -> None:
    """All code in the order of the page, and all that programs printed, on each backend."""
    seen = 0
    beside = [*(ROOT / "examples").rglob("*.py"), *(ROOT / "docs" / "_gpu").glob("*.py")]
    programs = [path.read_text(encoding="utf-8") for path in beside]
    for where, text, tokens in views(site, files):
        cells = [cell for cell in json.loads(text)["cells"] if cell["cell_type"] == "code"]
        cells = [cell for cell in cells if not cell["id"].startswith(FILE)]  # which write what lies beside the page
        blocks = [(token.info, token.content.strip()) for token in tokens if token.type == "fence"]
        sources = [cell["source"].strip() for cell in cells]
        python = [code for info, code in blocks if info == "python"]
        # Of a program that lies beside the page, Markdown shows parts; a notebook writes it instead.
        assert [code for code in python if code in sources or not any(code in it for it in programs)] == sources, where
        shown = "\n".join(code for info, code in blocks if info == "text")
        for cell in cells:
            for output in cell["outputs"]:
                if output["output_type"] == "stream" and output["name"] == "stdout":
                    assert output["text"].strip() in shown, where
                    seen += 1
    assert seen > 1000


def test_nothing_in_the_markdown_is_foreign(site: Path, files: dict[str, list[Token]]) -> None:
    found = {name: FOREIGN.findall("\n".join(_prose(tokens))) for name, tokens in files.items()}
    assert not {name: words for name, words in found.items() if words}


def _prose(tokens: list[Token]) -> Iterator[str]:
    return (token.content for token in inner(tokens) if token.type in ("text", "html_inline", "html_block"))


def test_every_link_of_the_markdown_resolves(site: Path, files: dict[str, list[Token]]) -> None:
    """To files of the site; an anchor is one of the page that people read."""
    anchors: dict[str, set[str]] = {}
    dead, seen = [], 0
    for name, tokens in files.items():
        for token in inner(tokens):
            link = str(token.attrGet("href") or token.attrGet("src") or "")
            if not link or urlsplit(link).scheme:
                continue
            seen += 1
            target, fragment = urldefrag(urljoin(name, link))
            target = unquote(target)
            if not (site / target).is_file():
                dead.append(f"{name}: {link}")
            elif fragment:
                page = re.sub(r"(\.(?:" + "|".join(BACKENDS) + r"))?\.md$", ".html", target)
                if page not in anchors:
                    anchors[page] = set(lxml.html.parse(site / page).xpath("//@id"))
                if unquote(fragment) not in anchors[page]:
                    dead.append(f"{name}: {link} (no such anchor)")
    assert not dead, "\n".join(dead)
    assert seen > 1000


def test_the_list_names_each_page_of_the_sidebar_once(site: Path) -> None:
    tree = lxml.html.parse(site / "index.html")
    titles = tree.xpath("//nav[@aria-label='Main']//summary[not(@aria-label)]")
    captions = [title.text_content() for title in titles]
    pages = [href.removesuffix(".html") for href in tree.xpath("//nav[@aria-label='Main']//a/@href")]
    text = (site / "llms.txt").read_text("utf-8")
    listed, _, optional = text.partition("\n## Optional\n")
    assert text.startswith("# Mithril\n\n> ")
    assert re.findall(r"^## (.+)$", listed, re.MULTILINE) == captions
    rows = re.findall(r"^- \[.+\]\((\S+)\): \S.*$", listed, re.MULTILINE)
    base = str(next(iter(tree.xpath("//link[@rel='canonical']/@href")), "")).removesuffix("index.html")
    assert [row.removeprefix(base) for row in rows] == [f"{page}.md" for page in pages] and len(pages) > 40
    assert len(re.findall(r"^- ", listed, re.MULTILINE)) == len(pages)
    for row in (*rows, *re.findall(r"\]\((\S+)\)", optional)):
        assert (site / row.removeprefix(base)).is_file(), row


def test_one_file_holds_all(site: Path) -> None:
    whole = (site / "llms-full.txt").read_text("utf-8")
    for page in set(pages_of(site)) - MADE:
        assert (site / f"{page}.md").read_text("utf-8") in whole, page
