"""Every reach into parts of libraries that they do not promise, each with the pin that it was read at.

``tests/unit/test_rooms.py`` holds the pins against ``constraints/site.txt``: with another version, read them again.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from docutils import nodes
from docutils.utils.math import MathError, latex2mathml, unichar2tex

#: Distribution to the version that this module was read at.
READ_AT = {"docutils": "0.22.4", "myst-nb": "1.4.0", "pydata-sphinx-theme": "0.20.0"}

#: myst-nb: the class of the container that holds a cell's outputs.
OUTPUT_CLASS = "cell_output"


def merged_cells(document: nodes.document) -> list[tuple[nodes.container, dict[str, Any]]]:
    """The containers that myst-nb makes of code cells, each with what we wrote into its cell's metadata."""
    return list(_merged_cells(document))


def _merged_cells(document: nodes.document) -> Iterator[tuple[nodes.container, dict[str, Any]]]:
    for node in document.findall(nodes.container):
        if mark := node.get("cell_metadata", {}).get("mithril"):
            yield node, mark


def mathml(code: str, *, as_block: bool) -> str:
    """LaTeX as MathML, through docutils. Raises :class:`ValueError` where it is not understood."""
    try:
        return str(latex2mathml.tex2mathml(code.translate(unichar2tex.uni2tex_table), as_block=as_block))
    except MathError as error:
        raise ValueError(str(error)) from error
