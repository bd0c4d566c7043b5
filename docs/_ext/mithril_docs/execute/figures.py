"""Figures as SVG, beside the PNG that Jupyter makes of them: the site shows the SVG in the colors of its theme."""

from __future__ import annotations

import matplotlib
from IPython.core.interactiveshell import InteractiveShell
from IPython.core.pylabtools import print_figure
from matplotlib.figure import Figure


def also_as_svg(shell: InteractiveShell) -> None:
    """Have the shell display every figure as SVG too."""
    assert shell.display_formatter is not None
    shell.display_formatter.formatters["image/svg+xml"].for_type(Figure, _svg)


def _svg(figure: Figure) -> str | None:
    """A figure with its words as words, the same in every run: Matplotlib's default is outlines and random names."""
    with matplotlib.rc_context({"svg.fonttype": "none", "svg.hashsalt": "mithril"}):
        # The resolution is that of images in it: of two dots a pixel, as the PNG.
        return print_figure(figure, fmt="svg", dpi=2 * figure.dpi, metadata={"Date": None})
