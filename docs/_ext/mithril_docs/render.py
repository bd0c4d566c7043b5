"""The Sphinx side: merged notebooks in the place of pages, variants in panes, and what stands under each title."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any, get_args

import nbformat
from docutils import nodes
from sphinx.application import Sphinx
from sphinx.environment import BuildEnvironment
from sphinx.transforms import SphinxTransform
from sphinx.util import logging
from sphinx.util.docutils import SphinxTranslator
from sphinx.util.osutil import relative_uri

from mithril_docs import downloads, merge
from mithril_docs.backends import BACKENDS
from mithril_docs.store import Store

LOGGER = logging.getLogger(__name__)


def setup(app: Sphinx) -> None:
    app.add_config_value("mithril_store", "build/store", "")
    app.add_config_value("mithril_backends", list(BACKENDS), "env", types=[list, str])
    app.setup_extension("myst_nb")
    app.connect("config-inited", _read_every_page_as_merged)
    app.connect("builder-inited", _collect)
    app.connect("env-get-outdated", _outdated)
    app.connect("source-read", _put_merged_notebook)
    app.connect("html-page-context", _head_of_page)
    app.add_transform(Panes)
    app.add_node(Pane, html=(_visit_pane, _depart_div))
    app.add_node(Variants, html=(_visit_variants, _depart_div))
    app.add_node(PageHead, html=(_visit_page_head, None))
    app.add_css_file("backend.css")
    app.add_js_file("backend.js", loading_method="defer")


def build_of(app: Sphinx) -> merge.Build:
    """What this build knows of its pages."""
    return app.mithril_build  # type: ignore[attr-defined]


def titles(names: list[str]) -> str:
    """Backends as a reader sees them: ``NumPy, JAX``."""
    return ", ".join(BACKENDS[name].title for name in names)


def _read_every_page_as_merged(app: Sphinx, config: Any) -> None:
    config.nb_execution_mode = "off"
    config.nb_custom_formats = {".md": ["nbformat.reads", {"as_version": 4}, False]}
    if isinstance(config.mithril_backends, str):  # from the command line: -D mithril_backends=numpy,jax
        config.mithril_backends = config.mithril_backends.split(",")


def _collect(app: Sphinx) -> None:
    """Read pages and store once, before anything is rendered, and report every failure in one line."""
    store = Store(Path(app.confdir, app.config.mithril_store))
    build = merge.collect(Path(app.srcdir), store, app.config.mithril_backends)
    app.mithril_build = build  # type: ignore[attr-defined]
    for words in merge.environment_failures(build):
        LOGGER.warning(words, type="mithril", subtype="environment")
    for record in build.records.values():
        for line, words in record.failures:
            LOGGER.warning(words, type="mithril", subtype="page", location=(record.page.name, line))


def _outdated(app: Sphinx, env: BuildEnvironment, added: set[str], changed: set[str], removed: set[str]) -> list[str]:
    """Pages whose merged notebook is another than the one rendered last, though their text is the same."""
    rendered: dict[str, str] = getattr(env, "mithril_rendered", {})
    digests = {name: _digest(record) for name, record in build_of(app).records.items()}
    env.mithril_rendered = digests  # type: ignore[attr-defined]
    return [name for name in env.found_docs if digests.get(name) != rendered.get(name)]


def _digest(record: merge.Record) -> str:
    runs = [(name, run.status, run.causes, run.result and run.result.__dict__) for name, run in record.runs.items()]
    return hashlib.sha256(repr((runs, record.failures)).encode()).hexdigest()


def _put_merged_notebook(app: Sphinx, docname: str, source: list[str]) -> None:
    source[0] = nbformat.writes(merge.merged_notebook(build_of(app).records[docname]))


class Pane(nodes.General, nodes.Element):
    """Content for some backends only."""


class Variants(nodes.General, nodes.Element):
    """Panes that take turns in one place."""


class PageHead(nodes.General, nodes.Element):
    """The switcher, where the page ran, and how to run it at home. Rendered from a template."""


class Panes(SphinxTransform):
    """Wrap each variant that :mod:`mithril_docs.merge` made in a pane, label outputs, and put the head on the page."""

    default_priority = 400

    def apply(self, **kwargs: Any) -> None:
        record = build_of(self.app).records.get(self.env.docname)
        if record is None:
            return
        for cell in [node for node in self.document.findall(nodes.container) if _is_merged_cell(node)]:
            mark = cell["cell_metadata"]["mithril"]
            if mark["part"] != "code":
                _label_outputs(cell, mark, record.shown)
            if mark["backends"] != record.shown:
                pane = Pane(backends=mark["backends"], shown=record.shown)
                cell.replace_self(pane)
                pane += cell
                _group_with_previous(pane, mark["group"])
        for image in self.document.findall(nodes.image):
            image["loading"] = "lazy"
        title = next(iter(self.document.findall(nodes.title)), None)
        section = title.parent if title is not None else None
        if title is not None and section is not None and (record.shown or record.failures):
            section.insert(section.index(title) + 1, PageHead(docname=self.env.docname))


def _is_merged_cell(node: nodes.container) -> bool:
    return "mithril" in node.get("cell_metadata", {})


def _label_outputs(cell: nodes.Element, mark: dict[str, Any], shown: list[str]) -> None:
    for output in cell.findall(nodes.container):
        if len(shown) < 2 or "cell_output" not in output["classes"]:
            continue
        same = mark["backends"] == shown
        words = "Same on all backends" if same else titles(mark["backends"])
        output.insert(0, nodes.paragraph("", words, classes=["mb-label", "mb-same" if same else "mb-own"]))


def _group_with_previous(pane: Pane, group: str) -> None:
    parent = pane.parent
    index = parent.index(pane)
    before = parent[index - 1] if index else None
    if not (isinstance(before, Variants) and before["group"] == group):
        before = Variants(group=group)
        parent.insert(index, before)
    parent.remove(pane)
    before += pane


def _visit_pane(self: SphinxTranslator, node: Pane) -> None:
    self.body.append(f'<div class="mb-pane" data-backends="{" ".join(node["backends"])}">')  # type: ignore[attr-defined]


def _visit_variants(self: SphinxTranslator, node: Variants) -> None:
    self.body.append('<div class="mb-variants">')  # type: ignore[attr-defined]


def _depart_div(self: SphinxTranslator, node: nodes.Element) -> None:
    self.body.append("</div>")  # type: ignore[attr-defined]


def _visit_page_head(self: SphinxTranslator, node: PageHead) -> None:
    app = self.builder.app
    build = build_of(app)
    record = build.records[node["docname"]]
    by_status = {
        status: [n for n, run in record.runs.items() if run.status == status] for status in get_args(merge.Status)
    }
    self.body.append(  # type: ignore[attr-defined]
        app.builder.templates.render(
            "page-head.html",
            {
                "record": record,
                "by_status": by_status,
                "backends": BACKENDS,
                "build": build,
                "install_line": lambda name: downloads.install_line(name, record, build),
                "download": lambda name, ending: relative_uri(
                    self.builder.get_target_uri(node["docname"]), downloads.path(record.page.name, name, ending)
                ),
            },
        )
    )
    raise nodes.SkipNode


def _head_of_page(app: Sphinx, pagename: str, templatename: str, context: dict[str, Any], doctree: Any) -> None:
    """Choose the backend before the first paint, and without JavaScript show the first one."""
    record = build_of(app).records.get(pagename)
    if record is None or not record.shown:
        return
    shown = record.shown
    rules = [f"html[data-backend={name}] [data-backends]:not([data-backends~={name}])" for name in shown] + [
        f"html:not([data-backend]) [data-backends]:not([data-backends~={shown[0]}])"
    ]
    script = (
        "(function(d,b,w,s){try{s=localStorage.getItem('mithril-backend')}catch(e){}"
        "w=new URLSearchParams(location.search).get('backend')||s||'';"
        "d.dataset.wanted=w;d.dataset.backend=b.concat(b[1]?['all']:[]).indexOf(w)<0?b[0]:w"
        f"}})(document.documentElement,{json.dumps(shown)})"
    )
    context["metatags"] = context.get("metatags", "") + (
        f"<style>{','.join(rules)}{{display:none!important}}</style><script>{script}</script>"
    )
