"""Figures in the page itself, where its style sheet reaches their colors."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.transforms import SphinxTransform
from sphinx.util.docutils import SphinxTranslator

from mithril_docs.build.pictures import inline
from mithril_docs.site import private


def setup(app: Sphinx) -> None:
    app.add_transform(Pictures)
    app.add_node(Picture, html=(_visit_picture, None))
    app.add_css_file("pictures.css")


class Picture(nodes.General, nodes.Element):
    """A figure as SVG."""


class Pictures(SphinxTransform):
    """Put each SVG that a cell gave in the place of the image that shows it."""

    default_priority = 400

    def apply(self, **kwargs: Any) -> None:
        outputs = [node for node in self.document.findall(nodes.container) if private.OUTPUT_CLASS in node["classes"]]
        images = [image for output in outputs for image in output.findall(nodes.image)]
        for number, image in enumerate(image for image in images if image["uri"].endswith(".svg")):
            _, path = self.env.relfn2path(image["uri"])
            svg = Path(path).read_text(encoding="utf-8")
            alt = image.get("alt", "")
            image.replace_self(Picture(svg=inline(svg, alt, f"picture-{number}-"), alt=alt))


def _visit_picture(self: SphinxTranslator, node: Picture) -> None:
    self.body.append(node["svg"])  # type: ignore[attr-defined]
    raise nodes.SkipNode
