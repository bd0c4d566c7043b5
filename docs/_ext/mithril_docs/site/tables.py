"""Tables that directives make, and what stands in them: code, and links to places of the site."""

from __future__ import annotations

from typing import Any

from docutils import nodes
from sphinx.addnodes import pending_xref
from sphinx.environment import BuildEnvironment


def table(rows: list[list[Any]]) -> nodes.Element:
    """A table of words and nodes with a head row, in a frame that scrolls sideways on a phone."""
    made = nodes.table()
    group = nodes.tgroup(cols=len(rows[0]))
    group += [nodes.colspec(colwidth=1) for _ in rows[0]]
    parts: list[tuple[nodes.Element, list[list[Any]]]] = [(nodes.thead(), rows[:1]), (nodes.tbody(), rows[1:])]
    for part, some in parts:
        for row in some:
            entries = nodes.row()
            for value in row:
                inner = value if isinstance(value, nodes.Node) else nodes.Text(value)
                entries += nodes.entry("", nodes.paragraph("", "", inner))
            part += entries
        group += part
    made += group
    frame = nodes.container(classes=["mb-table"])
    frame += made
    return frame


def code(words: str) -> nodes.Node:
    """Words as code."""
    return nodes.literal(words, words)


def linked(env: BuildEnvironment, words: nodes.Node, page: str, anchor: str = "") -> nodes.Node:
    """Words that lead from the page being read to a place, in sites that have its page; ``anchor`` begins with #."""
    if page not in env.found_docs:
        return words
    address = env.app.builder.get_relative_uri(env.docname, page) + anchor
    return nodes.reference("", "", words, refuri=address, internal=True)


def page_link(docname: str) -> nodes.Node:
    """A link to a page; Sphinx puts the page's title in it."""
    inner = nodes.inline("", docname)
    return pending_xref("", inner, refdomain="std", reftype="doc", reftarget=f"/{docname}", refexplicit=False)
