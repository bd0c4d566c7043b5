"""Tables that directives make."""

from __future__ import annotations

from typing import Any

from docutils import nodes
from sphinx.addnodes import pending_xref


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


def page_link(docname: str) -> nodes.Node:
    """A link to a page; Sphinx puts the page's title in it."""
    inner = nodes.inline("", docname)
    return pending_xref("", inner, refdomain="std", reftype="doc", reftarget=f"/{docname}", refexplicit=False)
