"""Directives that pages use: a passage for some backends, install lines, and another place for a page's head."""

from __future__ import annotations

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective

from mithril_docs.build import downloads
from mithril_docs.site.panes import PageHead, Pane, Variants
from mithril_docs.site.state import build_of


def setup(app: Sphinx) -> None:
    app.add_directive("backends", BackendsDirective)
    app.add_directive("install", InstallDirective)
    app.add_directive("ran", RanDirective)


class BackendsDirective(SphinxDirective):
    """``:::{backends} torch jax``: a passage, without cells or headings, that belongs to the named backends only."""

    required_arguments = 1
    final_argument_whitespace = True
    has_content = True

    def run(self) -> list[nodes.Node]:
        record = build_of(self.env.app).records[self.env.docname]
        named = [name for name in record.read_on if name in self.arguments[0].split()]
        if not named:
            return []
        if not record.shown:
            return self.parse_content_to_nodes()
        pane = Pane(backends=named, shown=record.shown)
        pane += self.parse_content_to_nodes()
        return [pane]


class InstallDirective(SphinxDirective):
    """``:::{install}``: what to type to have all that the page needs, for the reader's backend or for the named one."""

    optional_arguments = 1

    def run(self) -> list[nodes.Node]:
        shown = build_of(self.env.app).records[self.env.docname].shown
        if self.arguments:
            return [self._line(name) for name in shown if name == self.arguments[0]]
        panes = Variants(group="install")
        for name in shown:
            pane = Pane(backends=[name], shown=shown)
            pane += self._line(name)
            panes += pane
        return [panes] if len(panes) > 1 else [node for pane in panes.children for node in pane.children]

    def _line(self, name: str) -> nodes.Node:
        build = build_of(self.env.app)
        line = downloads.install_line(name, build.records[self.env.docname], build)
        return nodes.literal_block(line, line, language="text", classes=["mb-install"])


class RanDirective(SphinxDirective):
    """``:::{ran}``: where the page ran and how to run it at home, here and not under the title."""

    def run(self) -> list[nodes.Node]:
        record = build_of(self.env.app).records[self.env.docname]
        return [PageHead(docname=self.env.docname)] if record.runs or record.failures else []
