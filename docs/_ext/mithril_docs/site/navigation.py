"""The sidebar: what the toctrees of the root page list, and below it what the toctrees of those pages list.

All of it is folded but for what the reader is in: a toctree's caption and a page that holds a toctree are folds.
The order is that of Sphinx's own links to the previous and the next page.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator
from html import escape
from typing import Any

from docutils import nodes
from sphinx import addnodes
from sphinx.application import Sphinx
from sphinx.environment import BuildEnvironment

from mithril_docs.site.state import digest

#: The attribute of Sphinx's environment that holds a digest of the sidebar of the last build.
_LAST = "mithril_docs_navigation"


@dataclasses.dataclass(frozen=True)
class Entry:
    """A row of the sidebar.

    Attributes
    ----------
    title
        What it says.
    page
        The page that it leads to; none where it is a caption.
    below
        What it folds.
    """

    title: str
    page: str | None
    below: tuple[Entry, ...] = ()

    def path_to(self, page: str) -> tuple[Entry, ...]:
        """The rows from this one down to a page, both included; none where the page is not here."""
        if self.page == page:
            return (self,)
        return next(((self, *path) for entry in self.below if (path := entry.path_to(page))), ())


def setup(app: Sphinx) -> None:
    app.connect("env-updated", _write_all_where_it_changed)
    app.connect("html-page-context", _put)
    app.add_js_file("navigation.js", loading_method="defer")


def entries(env: BuildEnvironment) -> list[Entry]:
    """The rows of the sidebar. A page that several toctrees list stands where the first has it."""
    root = env.config.root_doc
    return _below(env, root, {root})


def _below(env: BuildEnvironment, name: str, seen: set[str]) -> list[Entry]:
    """What the toctrees of a page list: a fold for each caption, but where a page has one toctree alone."""
    trees = list(env.tocs[name].findall(addnodes.toctree))
    found: list[Entry] = []
    for tree in trees:
        rows: list[Entry] = []
        for title, page in tree["entries"]:
            if page in env.titles and page not in seen:
                seen.add(page)
                rows.append(Entry(title or env.titles[page].astext(), page, tuple(_below(env, page, seen))))
        caption = tree.get("caption")
        if caption and (len(trees) > 1 or name == env.config.root_doc):
            found.append(Entry(caption, None, tuple(rows)))
        else:
            found += rows
    return found


def sections(env: BuildEnvironment) -> list[Entry]:
    """The sidebar as a list of its captions, each with all pages below it, in reading order."""
    made: list[Entry] = []
    for entry in entries(env):
        if entry.page is None:
            made.append(dataclasses.replace(entry, below=tuple(_pages(entry))))
        else:
            made.append(Entry("", None, tuple(_pages(entry))))
    return made


def _pages(entry: Entry) -> Iterator[Entry]:
    if entry.page is not None:
        yield entry
    for below in entry.below:
        yield from _pages(below)


def _write_all_where_it_changed(app: Sphinx, env: BuildEnvironment) -> list[str]:
    """Every page, where a title or the order of pages is another than on the pages written last."""
    before, now = getattr(env, _LAST, None), digest(entries(env))
    setattr(env, _LAST, now)
    return [] if before == now else list(env.found_docs)


def _put(app: Sphinx, pagename: str, templatename: str, context: dict[str, Any], doctree: nodes.document) -> None:
    """Give the page's template the sidebar, and the rows that the page is under."""
    if not hasattr(app.builder, _LAST):
        setattr(app.builder, _LAST, entries(app.env))
    rows: list[Entry] = getattr(app.builder, _LAST)
    path = next((path for row in rows if (path := row.path_to(pagename))), ())
    pathto = context["pathto"]
    context["mithril_sidebar"] = "\n".join(_row(row, path, pathto) for row in rows)
    context["mithril_trail"] = [(row.title, pathto(row.page) if row.page else "") for row in path[:-1]]


def _row(row: Entry, path: tuple[Entry, ...], pathto: Callable[[str], str]) -> str:
    """A row and what it folds. The folds on the path to the page are open."""
    open_ = " open" if row in path else ""
    below = "".join(f"<li>{_row(entry, path, pathto)}</li>\n" for entry in row.below)
    title = escape(row.title)
    if row.page is None:
        return f'<details class="mb-fold"{open_}><summary>{title}</summary>\n<ul>\n{below}</ul></details>'
    here = ' aria-current="page"' if path and row == path[-1] else ""
    link = f'<a href="{escape(pathto(row.page))}"{here}>{title}</a>'
    if not below:
        return link
    words = escape(f"Pages under {row.title}")
    fold = f'<details class="mb-fold"{open_}><summary aria-label="{words}"></summary>\n<ul>\n{below}</ul></details>'
    return f"{link}{fold}"
