"""Directives that pages use: a passage for some backends, and the install line of the reader's backend."""

from __future__ import annotations

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective

from mithril_docs.build import downloads
from mithril_docs.site.panes import Pane, Variants
from mithril_docs.site.state import build_of


def setup(app: Sphinx) -> None:
    app.add_directive("backends", BackendsDirective)
    app.add_directive("install", InstallDirective)


class BackendsDirective(SphinxDirective):
    """``:::{backends} torch jax``: a passage, without cells or headings, that belongs to the named backends only."""

    required_arguments = 1
    final_argument_whitespace = True
    has_content = True

    def run(self) -> list[nodes.Node]:
        shown = build_of(self.env.app).records[self.env.docname].shown
        named = [name for name in shown if name in self.arguments[0].split()]
        if not named:
            return []
        pane = Pane(backends=named, shown=shown)
        pane += self.parse_content_to_nodes()
        return [pane]


class InstallDirective(SphinxDirective):
    """``:::{install}``: what to type to have all that the page needs, for each backend."""

    def run(self) -> list[nodes.Node]:
        build = build_of(self.env.app)
        record = build.records[self.env.docname]
        panes = Variants(group="install")
        for name in record.shown:
            line = downloads.install_line(name, record, build)
            pane = Pane(backends=[name], shown=record.shown)
            pane += nodes.literal_block(line, line, language="text", classes=["mb-install"])
            panes += pane
        return [panes] if len(panes) > 1 else [node for pane in panes.children for node in pane.children]
