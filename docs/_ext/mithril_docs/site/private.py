"""Every reach into parts of libraries that they do not promise, each with the pin that it was read at.

``tests/unit/test_rooms.py`` holds the pins against ``constraints/site.txt``: with another version, read them again.
"""

from __future__ import annotations

from typing import Any

from docutils import nodes
from docutils.utils.math import MathError, latex2mathml, unichar2tex
from sphinx.application import Sphinx
from sphinx.config import Config

#: Distribution to the version that this module was read at.
READ_AT = {"docutils": "0.22.4", "myst-nb": "1.4.0", "pydata-sphinx-theme": "0.20.0", "sphinx": "9.1.1"}

#: myst-nb: the class of the container that holds a cell's outputs.
OUTPUT_CLASS = "cell_output"


def setup(app: Sphinx) -> None:
    app.connect("config-inited", _drop_translation)
    app.connect("builder-inited", _keep_formatters)
    app.connect("builder-inited", _read_any_bytes)


def _drop_translation(app: Sphinx, config: Config) -> None:
    """Sphinx: four transforms look through every page for words to translate, of which this site has none."""
    registered = app.registry.transforms
    registered[:] = [kind for kind in registered if kind.__module__ != "sphinx.transforms.i18n"]


def _keep_formatters(app: Sphinx) -> None:
    """Sphinx: a style sheet is made for every block of code, though it is the same each time."""
    bridge = getattr(app.builder, "highlighter", None)
    if bridge is None:
        return
    make = bridge.get_formatter
    kept: dict[str, Any] = {}

    def get_formatter(**options: Any) -> Any:
        key = repr(sorted(options.items()))
        if key not in kept:
            kept[key] = make(**options)
        return kept[key]

    bridge.get_formatter = get_formatter


def _read_any_bytes(app: Sphinx) -> None:
    """Sphinx: a page whose bytes are no UTF-8 ends the build, though its text is replaced before it is parsed."""
    read, settings = app.builder.read_doc, app.env.settings

    def read_doc(docname: str, **options: Any) -> None:
        encoding = settings["input_encoding"]
        try:
            app.env.doc2path(docname).read_text(encoding)
        except UnicodeDecodeError:
            settings["input_encoding"] = "latin-1"
        try:
            read(docname, **options)
        finally:
            settings["input_encoding"] = encoding

    setattr(app.builder, "read_doc", read_doc)  # noqa: B010 - it is marked as final


def merged_cells(document: nodes.document) -> list[tuple[nodes.container, dict[str, Any]]]:
    """The containers that myst-nb makes of code cells, each with what we wrote into its cell's metadata."""
    found: list[tuple[nodes.container, dict[str, Any]]] = []
    for node in document.findall(nodes.container):
        metadata: dict[str, Any] = node.get("cell_metadata") or {}
        if mark := metadata.get("mithril"):
            found.append((node, mark))
    return found


def mathml(code: str, *, as_block: bool) -> str:
    """LaTeX as MathML, through docutils. Raises :class:`ValueError` where it is not understood."""
    try:
        return str(latex2mathml.tex2mathml(code.translate(unichar2tex.uni2tex_table), as_block=as_block))
    except MathError as error:
        raise ValueError(str(error)) from error
