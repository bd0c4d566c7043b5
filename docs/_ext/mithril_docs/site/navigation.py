"""The sidebar: the sections of the root page's toctrees, folded but for the one that the reader is in."""

from __future__ import annotations

import dataclasses
from html import escape
from typing import Any

from docutils import nodes
from sphinx import addnodes
from sphinx.application import Sphinx
from sphinx.environment import BuildEnvironment

from mithril_docs.site.state import digest

#: The attribute of Sphinx's environment that holds the sections of the last build.
_LAST = "mithril_docs_navigation"


@dataclasses.dataclass(frozen=True)
class Section:
    """A section of the sidebar: its caption, and its pages, each a name and a title."""

    caption: str
    pages: tuple[tuple[str, str], ...]


def setup(app: Sphinx) -> None:
    app.connect("env-updated", _write_all_where_it_changed)
    app.connect("html-page-context", _put)


def sections(env: BuildEnvironment) -> list[Section]:
    """The sections in the order of the root page."""
    found = []
    for tree in env.get_doctree(env.config.root_doc).findall(addnodes.toctree):
        pages = [(name, title or env.titles[name].astext()) for title, name in tree["entries"] if name in env.titles]
        found.append(Section(tree.get("caption") or "", tuple(pages)))
    return found


def _write_all_where_it_changed(app: Sphinx, env: BuildEnvironment) -> list[str]:
    """Every page, where a title or the order of pages is another than on the pages written last."""
    before, now = getattr(env, _LAST, None), digest(sections(env))
    setattr(env, _LAST, now)
    return [] if before == now else list(env.found_docs)


def _put(app: Sphinx, pagename: str, templatename: str, context: dict[str, Any], doctree: nodes.document) -> None:
    """Give the page's template the sidebar."""
    if not hasattr(app.builder, _LAST):
        setattr(app.builder, _LAST, sections(app.env))
    pathto = context["pathto"]
    rows = []
    for section in getattr(app.builder, _LAST):
        here = any(name == pagename for name, _ in section.pages)
        links = "\n".join(_link(name, title, pathto(name), name == pagename) for name, title in section.pages)
        opened = " open" if here else ""
        rows.append(
            f'<details class="mb-section"{opened}><summary>{escape(section.caption)}</summary>\n'
            f'<ul class="nav bd-sidenav">\n{links}\n</ul></details>'
        )
    context["mithril_sections"] = "\n".join(rows)


def _link(name: str, title: str, address: str, current: bool) -> str:
    row, link = (" current active", ' class="current reference internal" aria-current="page"') if current else (
        "", ' class="reference internal"')  # fmt: skip
    return f'<li class="toctree-l1{row}"><a{link} href="{escape(address)}">{escape(title)}</a></li>'
