"""The graph of a composite model as an SVG picture, drawn from the live object in the colors of the page."""

from __future__ import annotations

from html import escape
from typing import Any

from grandalf.graphs import Edge, Graph, Vertex
from grandalf.layouts import SugiyamaLayout

#: Sizes in pixels: a letter's width, a box's height, and the space around all.
LETTER, HEIGHT, MARGIN = 7.5, 26, 8


class _Box:
    """What grandalf places: a label with its size; ``xy`` is the center."""

    def __init__(self, label: str, kind: str) -> None:
        self.label, self.kind = label, kind
        self.w, self.h = LETTER * len(label) + 18, HEIGHT
        self.xy = (0.0, 0.0)


class _Edge(Edge):
    """An edge that hashes by its number: grandalf keeps edges in a set, and its picture depends on their order."""

    def __init__(self, number: int, source: Vertex, target: Vertex) -> None:
        super().__init__(source, target)
        self._number = number

    def __hash__(self) -> int:
        return self._number


def svg(model: Any, name: str) -> str:
    """The submodels of a model, its named inputs above them and its outputs below, with arrows for what flows."""
    boxes: dict[Any, Vertex] = {}
    edges: list[Edge] = []

    def vertex(key: Any, label: str, kind: str) -> Vertex:
        if key not in boxes:
            boxes[key] = Vertex(label)
            boxes[key].view = _Box(label, kind)
        return boxes[key]

    def connect(source: Vertex, target: Vertex) -> None:
        edges.append(_Edge(len(edges), source, target))

    makers = {
        id(connections[key].metadata): sub for sub, connections in model.dag.items() for key in sub.conns.output_keys
    }
    inputs = {
        id(model.conns.get_connection(key).metadata): key for key in model.conns.input_keys if not key.startswith("$")
    }
    for sub, connections in model.dag.items():
        here = vertex(sub, type(sub).__name__, "model")
        for key in sub.conns.input_keys:
            source = id(connections[key].metadata)
            if source in makers:
                connect(vertex(makers[source], type(makers[source]).__name__, "model"), here)
            elif source in inputs:
                connect(vertex(source, inputs[source], "key"), here)
    for key in model.conns.output_keys:
        made = id(model.conns.get_connection(key).metadata)
        if made in makers:
            connect(boxes[makers[made]], vertex((made, key), key, "key"))
    return _draw(list(boxes.values()), edges, name)


def _draw(vertices: list[Vertex], edges: list[Edge], name: str) -> str:
    graph = Graph(vertices, edges)
    left = 0.0
    for component in graph.C:
        layout = SugiyamaLayout(component)
        layout.xspace, layout.yspace = 16, 24
        layout.init_all()
        layout.draw(3)
        views = [vertex.view for vertex in component.sV]
        shift = left - min(view.xy[0] - view.w / 2 for view in views)
        for view in views:
            view.xy = (view.xy[0] + shift, view.xy[1])
        left = max(view.xy[0] + view.w / 2 for view in views) + 24
    views = [vertex.view for vertex in vertices]
    top = min(view.xy[1] for view in views) - HEIGHT / 2
    width, height = left - 24 + 2 * MARGIN, max(view.xy[1] for view in views) + HEIGHT / 2 - top + 2 * MARGIN
    parts = [
        f'<svg class="mb-graph" role="img" aria-label="The graph of {escape(name)}" width="{width:.0f}" '
        f'height="{height:.0f}" viewBox="{-MARGIN} {top - MARGIN:.0f} {width:.0f} {height:.0f}">'
    ]
    for edge in edges:
        (x1, y1), (x2, y2) = edge.v[0].view.xy, edge.v[1].view.xy
        y1, y2 = y1 + HEIGHT / 2, y2 - HEIGHT / 2
        middle = (y1 + y2) / 2
        parts.append(f'<path d="M{x1:.0f} {y1:.0f}C{x1:.0f} {middle:.0f} {x2:.0f} {middle:.0f} {x2:.0f} {y2:.0f}"/>')
        parts.append(
            f'<path class="mb-tip" d="M{x2 - 4:.0f} {y2 - 6:.0f}L{x2:.0f} {y2:.0f}L{x2 + 4:.0f} {y2 - 6:.0f}"/>'
        )
    for view in views:
        x, y = view.xy
        corner = HEIGHT / 2 if view.kind == "key" else 4
        parts.append(
            f'<rect class="mb-{view.kind}" x="{x - view.w / 2:.0f}" y="{y - HEIGHT / 2:.0f}" width="{view.w:.0f}" '
            f'height="{HEIGHT}" rx="{corner:.0f}"/><text x="{x:.0f}" y="{y + 4:.0f}">{escape(view.label)}</text>'
        )
    return "".join([*parts, "</svg>"])
