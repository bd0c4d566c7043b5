"""Variants in panes that take turns in one place, and what stands under the title of a page."""

from __future__ import annotations

import json
from typing import Any, get_args

from docutils import nodes
from sphinx.addnodes import index as index_node
from sphinx.application import Sphinx
from sphinx.transforms import SphinxTransform
from sphinx.util.docutils import SphinxTranslator
from sphinx.util.osutil import relative_uri

from mithril_docs.backends import BACKENDS
from mithril_docs.build import downloads
from mithril_docs.build.records import Status
from mithril_docs.site import private
from mithril_docs.site.state import build_of, titles


def setup(app: Sphinx) -> None:
    app.connect("html-page-context", _head_of_page)
    app.add_transform(Panes)
    app.add_node(Pane, html=(_visit_pane, _depart_div))
    app.add_node(Variants, html=(_visit_variants, _depart_div))
    app.add_node(Elsewhere, html=(_visit_elsewhere, None))
    app.add_node(PageHead, html=(_visit_page_head, None))
    app.add_css_file("backend.css")
    app.add_css_file("together.css")
    app.add_js_file("backend.js", loading_method="defer")


class Pane(nodes.General, nodes.Element):
    """Content for some backends only; with ``together``, shown in every view all the same."""


class Variants(nodes.General, nodes.Element):
    """Panes that take turns in one place, or with ``together``, stand there side by side."""


class Elsewhere(nodes.General, nodes.Element):
    """The line that views ``backends`` have in the place of cells that run ``on`` other backends only.

    It holds no text, so that the search and the Markdown of a page know nothing of it.
    """


class PageHead(nodes.General, nodes.Element):
    """Where the page ran, its downloads, and how to run it at home. Rendered from a template."""


class Panes(SphinxTransform):
    """Wrap each variant of :mod:`mithril_docs.build.notebook` in a pane, label outputs, put the head on the page."""

    default_priority = 400

    def apply(self, **kwargs: Any) -> None:
        record = build_of(self.app).records.get(self.env.docname)
        if record is None:
            return
        cells: dict[nodes.Element, set[str]] = {}
        for cell, mark in private.merged_cells(self.document):
            place: nodes.Element = cell
            if mark["part"] != "code":
                _label_outputs(cell, mark, record.shown)
            if mark["backends"] != record.read_on:
                pane = Pane(backends=mark["backends"], shown=record.shown, together=mark["together"])
                cell.replace_self(pane)
                pane += cell
                place = _group_with_previous(pane, mark["group"])
            cells.setdefault(place, set()).update(mark["backends"])
        if len(record.shown) > 1:
            _tell_of_hidden_cells(cells, record.shown)
        for image in self.document.findall(nodes.image):
            image["loading"] = "lazy"
        if any(self.document.findall(PageHead)):  # the page says where
            return
        if not record.runs and not record.failures:
            return
        title = next(iter(self.document.findall(nodes.title)), None)
        section = title.parent if title is not None else None
        if title is not None and section is not None:
            section.insert(section.index(title) + 1, PageHead(docname=self.env.docname))
        elif record.failures:  # a page may lack a title because of them
            self.document.insert(0, PageHead(docname=self.env.docname))


def _label_outputs(cell: nodes.Element, mark: dict[str, Any], shown: list[str]) -> None:
    for output in cell.findall(nodes.container):
        if len(shown) < 2 or private.OUTPUT_CLASS not in output["classes"]:
            continue
        same = mark["backends"] == shown
        words = "Same on all backends" if same else titles(mark["backends"])
        kind = "mb-same" if same else "mb-always" if mark["together"] else "mb-own"
        output.insert(0, nodes.paragraph("", words, classes=["mb-label", kind]))


def _group_with_previous(pane: Pane, group: str) -> Variants:
    parent = pane.parent
    index = parent.index(pane)
    before = parent[index - 1] if index else None
    if not (isinstance(before, Variants) and before["group"] == group):
        before = Variants(group=group, together=pane.get("together"))
        parent.insert(index, before)
    parent.remove(pane)
    before += pane
    return before


def _tell_of_hidden_cells(cells: dict[nodes.Element, set[str]], shown: list[str]) -> None:
    """Say in each view that code follows here on other backends, where it hides all cells that a text leads to.

    ``cells`` holds what stands in the page for each code cell, and the backends that it is for.
    """
    for first in cells:
        before = _neighbor(first, -1)
        if before is None or before in cells or isinstance(before, Pane):
            continue
        on: set[str] = set()
        behind: nodes.Node | None = first
        while isinstance(behind, nodes.Element) and behind in cells:
            on |= cells[behind]
            behind = _neighbor(behind, 1)
        # A passage of the view's own goes on from the text, unless the text announces the code.
        announced = before.astext().endswith(":")
        passage = set(behind["backends"]) if isinstance(behind, Pane) and not announced else set()
        hidden = [name for name in shown if name not in on | passage]
        if hidden and first.parent:
            line = Elsewhere(backends=hidden, on=[name for name in shown if name in on])
            first.parent.insert(first.parent.index(first), line)


def _neighbor(node: nodes.Element, step: int) -> nodes.Node | None:
    """The next node beside one that a reader sees, in front of it or behind it."""
    beside = node.parent.children if node.parent else [node]
    index = beside.index(node) + step
    while 0 <= index < len(beside) and isinstance(beside[index], nodes.Invisible | nodes.target | index_node):
        index += step
    return beside[index] if 0 <= index < len(beside) else None


def _visit_pane(self: SphinxTranslator, node: Pane) -> None:
    backends = " ".join(node["backends"])
    tag = '<div class="mb-each">' if node.get("together") else f'<div class="mb-pane" data-backends="{backends}">'
    self.body.append(tag)  # type: ignore[attr-defined]


def _visit_variants(self: SphinxTranslator, node: Variants) -> None:
    self.body.append(f'<div class="{"mb-together" if node.get("together") else "mb-variants"}">')  # type: ignore[attr-defined]


def _depart_div(self: SphinxTranslator, node: nodes.Element) -> None:
    self.body.append("</div>")  # type: ignore[attr-defined]


def _visit_elsewhere(self: SphinxTranslator, node: Elsewhere) -> None:
    shows = (f'<button type="button" data-show="{name}">Show {BACKENDS[name].title}</button>' for name in node["on"])
    words = f'This code runs on {_in_a_row(node["on"])} only. <span class="pst-js-only">{" ".join(shows)}</span>'
    line = f'<p class="mb-elsewhere" data-backends="{" ".join(node["backends"])}">{words}</p>'
    self.body.append(line)  # type: ignore[attr-defined]
    raise nodes.SkipNode


def _in_a_row(names: list[str]) -> str:
    """Backends in a sentence: ``NumPy, JAX and MLX``."""
    first, _, last = titles(names).rpartition(", ")
    return f"{first} and {last}" if first else last


def _visit_page_head(self: SphinxTranslator, node: PageHead) -> None:
    app = self.builder.app
    build = build_of(app)
    record = build.records[node["docname"]]
    by_status = {status: [n for n, run in record.runs.items() if run.status == status] for status in get_args(Status)}
    self.body.append(  # type: ignore[attr-defined]
        app.builder.templates.render(
            "page-head.html",
            {
                "record": record,
                "by_status": by_status,
                "backends": BACKENDS,
                "build": build,
                "script": lambda name: downloads.has_script(name, record),
                "install_line": lambda name: downloads.install_line(name, record, build),
                "download": lambda name, ending: relative_uri(
                    self.builder.get_target_uri(node["docname"]),
                    downloads.download_path(record.page.name, name, ending),
                ),
            },
        )
    )
    raise nodes.SkipNode


def _head_of_page(app: Sphinx, pagename: str, templatename: str, context: dict[str, Any], doctree: Any) -> None:
    """Choose the backend before the first paint, and without JavaScript show the first one; fill the switcher."""
    record = build_of(app).records.get(pagename)
    if record is None or not record.shown:
        return
    shown = record.shown
    if len(shown) > 1:
        context["mithril_views"] = [*((name, BACKENDS[name].title) for name in shown), ("all", "Compare")]
    rules = [f"html[data-backend={name}] [data-backends]:not([data-backends~={name}])" for name in shown] + [
        f"html:not([data-backend]) [data-backends]:not([data-backends~={shown[0]}])"
    ]
    # A link may name a backend by what the switcher says, in any case.
    known = {row.title.lower(): row.name for row in BACKENDS.values() if row.title.lower() != row.name}
    also = json.dumps({"__proto__": None, **known, "compare": "all"}, separators=(",", ":"))
    script = (
        "(function(d,b,w,s){try{s=localStorage.getItem('mithril-backend')}catch(e){}"
        "w=(new URLSearchParams(location.search).get('backend')||s||'').toLowerCase();"
        f"w={also}[w]||w;"
        "d.dataset.wanted=w;d.dataset.backend=b.concat(b[1]?['all']:[]).indexOf(w)<0?b[0]:w"
        f"}})(document.documentElement,{json.dumps(shown)})"
    )
    context["metatags"] = context.get("metatags", "") + (
        f"<style>{','.join(rules)}{{display:none!important}}</style><script>{script}</script>"
    )
