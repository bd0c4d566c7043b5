"""One notebook of a page's backends, for myst-nb to render, and one backend's view of it, for a reader to take home."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator
from typing import Any

from mithril_docs.build import pictures
from mithril_docs.build.records import Record
from mithril_docs.page import Cell, Page
from mithril_docs.results import Result

#: The tag of a cell whose outputs stand side by side in every view.
TOGETHER = "together"
#: A notebook, a cell or an output in the notebook format, version 4.5, as plain values.
Node = dict[str, Any]


def new_notebook(cells: list[Node], metadata: Node) -> Node:
    """A notebook of cells."""
    return {"nbformat": 4, "nbformat_minor": 5, "metadata": metadata, "cells": cells}


def new_cell(kind: str, source: str, identifier: str, metadata: Node, outputs: list[Node] | None = None) -> Node:
    """A cell: ``markdown`` or ``code``."""
    cell = {"cell_type": kind, "id": identifier, "metadata": metadata, "source": source}
    return cell | {"execution_count": None, "outputs": outputs or []} if kind == "code" else cell


def merged_notebook(record: Record) -> Node:
    """One notebook of a page's backends, for myst-nb to render.

    A code cell whose code and outputs are the same everywhere stays one cell. Otherwise its code comes first, a cell
    a variant, then its outputs, a cell a variant without its input. ``metadata.mithril`` of each says which backends
    it is for; the cells of one ``group`` take turns in one place, or stand there ``together``.
    """
    cells: list[Node] = []
    lines: list[int] = []
    for cell in record.page.cells:
        for merged in _merge_cell(cell, record) if cell.code else [_prose(cell)]:
            cells.append(merged | {"id": f"c{len(cells)}"})
            lines.append(cell.line - 1)
    if not cells:
        words = f"# {record.page.name}\n\nThis page cannot be read."
        cells, lines = [new_cell("markdown", words, "c0", {})], [0]
    return new_notebook(cells, _metadata(record.page) | {"source_map": lines})


def view_notebook(page: Page, result: Result) -> Iterator[tuple[Cell, list[Node]]]:
    """The cells of one backend's view in order, prose too, each with its outputs there."""
    for cell in page.cells:
        if not cell.code:
            yield cell, []
        elif cell.runs_on(result.backend):
            outputs = pictures.for_home(result.outputs.get(cell.number, []))
            yield dataclasses.replace(cell, source=cell.source_for(result.backend)), outputs


def _metadata(page: Page) -> dict[str, Any]:
    kept = {k: v for k, v in page.front.items() if k in ("orphan", "tocdepth") or k.startswith("html_theme")}
    myst = dict(page.front.get("myst") or {})
    if description := page.front.get("description"):
        myst["html_meta"] = {"description": description, **myst.get("html_meta", {})}
    return kept | {"myst": myst, "language_info": {"name": "python", "pygments_lexer": "ipython3"}}


def _prose(cell: Cell) -> Node:
    return new_cell("markdown", cell.source, "", cell.metadata)


def _merge_cell(cell: Cell, record: Record) -> Iterator[Node]:
    backends = [name for name in record.read_on if cell.runs_on(name)]

    def outputs_of(name: str) -> list[dict[str, Any]]:
        result = record.runs[name].result if name in record.runs else None
        return result.outputs.get(cell.number, []) if result else []

    codes = _group(backends, cell.source_for)
    # Figures that look the same are the same: an SVG has digits that no eye sees.
    outputs = [
        (names, pictures.for_site(outputs_of(names[0])))
        for names, _ in _group(backends, lambda name: pictures.for_home(outputs_of(name)))
    ]
    if len(codes) == 1 and len(outputs) == 1:
        yield _code_cell(cell, "cell", *codes[0], outputs[0][1])
        return
    for names, source in codes:
        yield _code_cell(cell, "code", names, source, [])
    for names, shown in outputs:
        if shown:
            merged = _code_cell(cell, "output", names, cell.source, shown)
            merged["metadata"]["tags"] = [*cell.tags, "remove-input"]
            yield merged


def _group(backends: list[str], value_of: Callable[[str], Any]) -> list[tuple[list[str], Any]]:
    """Backends with equal values together, in the order of the first of each group."""
    groups: list[tuple[list[str], Any]] = []
    for name in backends:
        value = value_of(name)
        same = next((names for names, other in groups if other == value), None)
        same.append(name) if same else groups.append(([name], value))
    return groups


def _code_cell(cell: Cell, part: str, backends: list[str], source: str, outputs: list[Node]) -> Node:
    together = part == "output" and TOGETHER in cell.tags
    mark = {"group": f"{cell.index}-{part}", "part": part, "backends": backends, "together": together}
    shown = {k: v for k, v in cell.metadata.items() if k in ("tags", "mystnb")}
    return new_cell("code", source, "", shown | {"mithril": mark}, outputs)
