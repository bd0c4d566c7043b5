"""The graph of a composite model as an SVG picture, drawn from the live object in the colors of the page."""

from __future__ import annotations

from html import escape
from typing import Any

from grandalf.graphs import Edge, Graph, Vertex
from grandalf.layouts import SugiyamaLayout

#: Sizes in pixels: a letter's width, a line's height, and the space in a box and around all.
LETTER, LINE, INSIDE, MARGIN = 7, 16, 10, 2


class _Box:
    """What grandalf places: a submodel, or the names of terminals, a line each; ``xy`` is the center."""

    def __init__(self, lines: list[str], kind: str) -> None:
        self.lines, self.kind = lines, kind
        self.w = LETTER * max(map(len, lines)) + 2 * INSIDE
        self.h = LINE * len(lines) + INSIDE
        self.xy = (0.0, 0.0)


class _Edge(Edge):
    """An edge that hashes by its number: grandalf keeps edges in a set, and its picture depends on their order."""

    def __init__(self, number: int, source: Vertex, target: Vertex) -> None:
        super().__init__(source, target)
        self._number = number

    def __hash__(self) -> int:
        return self._number


def svg(model: Any, name: str) -> str:
    """The submodels of a model, its named inputs above them and its outputs below, with arrows for what flows.

    Inputs that go to the same submodels share a box, and so do outputs of the same submodel.
    """
    subs = {sub: _vertex([type(sub).__name__], "model") for sub in model.dag}
    makers = {
        id(connections[key].metadata): sub for sub, connections in model.dag.items() for key in sub.conns.output_keys
    }
    ends = {id(model.conns.get_connection(key).metadata): key for key in model.conns.input_keys if key[0] != "$"}
    readers: dict[int, list[Any]] = {}
    edges: list[Edge] = []

    def connect(source: Vertex, target: Vertex) -> None:
        edges.append(_Edge(len(edges), source, target))

    for sub, connections in model.dag.items():
        sources = [id(connections[key].metadata) for key in sub.conns.input_keys]
        for source in dict.fromkeys(sources):
            if source in makers:
                connect(subs[makers[source]], subs[sub])
            elif source in ends:
                readers.setdefault(source, []).append(sub)
    shared: dict[tuple[Any, ...], list[str]] = {}
    for source, reading in readers.items():
        shared.setdefault(tuple(reading), []).append(ends[source])
    made: dict[Any, list[str]] = {}
    for key in model.conns.output_keys:
        end = id(model.conns.get_connection(key).metadata)
        if end in makers:
            made.setdefault(makers[end], []).append(key)
    boxes = [*subs.values()]
    for shares, keys in shared.items():
        boxes.append(_vertex(keys, "key"))
        for sub in shares:
            connect(boxes[-1], subs[sub])
    for maker, keys in made.items():
        boxes.append(_vertex(keys, "key"))
        connect(subs[maker], boxes[-1])
    return _draw(boxes, edges, name)


def _vertex(lines: list[str], kind: str) -> Vertex:
    vertex = Vertex(lines[0])
    vertex.view = _Box(lines, kind)
    return vertex


def _draw(vertices: list[Vertex], edges: list[Edge], name: str) -> str:
    graph = Graph(vertices, edges)
    left = 0.0
    for component in graph.C:
        layout = SugiyamaLayout(component)
        layout.xspace, layout.yspace = 12, 24
        layout.init_all(optimize=True)
        layout.draw(3)
        views = [vertex.view for vertex in component.sV]
        shift = left - min(view.xy[0] - view.w / 2 for view in views)
        for view in views:
            view.xy = (view.xy[0] + shift, view.xy[1])
        left = max(view.xy[0] + view.w / 2 for view in views) + 24
    views = [vertex.view for vertex in vertices]
    top = min(view.xy[1] - view.h / 2 for view in views)
    width = left - 24 + 2 * MARGIN
    height = max(view.xy[1] + view.h / 2 for view in views) - top + 2 * MARGIN
    parts = [
        f'<svg class="mb-graph" role="img" aria-label="The graph of {escape(name)}" width="{width:.0f}" '
        f'height="{height:.0f}" viewBox="{-MARGIN} {top - MARGIN:.0f} {width:.0f} {height:.0f}">'
    ]
    for edge in edges:
        source, target = (vertex.view for vertex in edge.v)
        (x1, y1), (x2, y2) = source.xy, target.xy
        y1, y2 = y1 + source.h / 2, y2 - target.h / 2
        middle = (y1 + y2) / 2
        parts.append(f'<path d="M{x1:.0f} {y1:.0f}C{x1:.0f} {middle:.0f} {x2:.0f} {middle:.0f} {x2:.0f} {y2:.0f}"/>')
        parts.append(
            f'<path class="mb-tip" d="M{x2 - 4:.0f} {y2 - 6:.0f}L{x2:.0f} {y2:.0f}L{x2 + 4:.0f} {y2 - 6:.0f}"/>'
        )
    for view in views:
        x, y = view.xy
        up = y - view.h / 2
        corner = (LINE + INSIDE) / 2 if view.kind == "key" else 4
        parts.append(
            f'<rect class="mb-{view.kind}" x="{x - view.w / 2:.0f}" y="{up:.0f}" width="{view.w:.0f}" '
            f'height="{view.h}" rx="{corner:.0f}"/>'
        )
        for row, words in enumerate(view.lines):
            line = up + INSIDE / 2 + LINE * row + 12
            parts.append(f'<text x="{x:.0f}" y="{line:.0f}">{escape(words)}</text>')
    return "".join([*parts, "</svg>"])
