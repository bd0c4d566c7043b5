"""Figures: which form of one goes where, and its SVG made part of a page, in the colors of the reader's theme."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterator
from typing import Any
from xml.etree import ElementTree
from xml.etree.ElementTree import Element

from mithril_docs.build import colors

#: An output of a cell, in the notebook format.
Output = dict[str, Any]

PNG, SVG = "image/png", "image/svg+xml"

#: What of SVG a page takes in: what draws. Nothing that runs, links, loads or styles other parts of the page.
_ELEMENTS = re.compile(
    "svg|g|defs|use|path|rect|circle|ellipse|line|polyline|polygon|text|tspan|image|clipPath|pattern"
    "|linearGradient|radialGradient|stop"
)
_ATTRIBUTES = re.compile(
    "id|href|d|[xy][12]?|c[xy]|rx?|ry|d[xy]|points|width|height|viewBox|preserveAspectRatio|offset|transform"
    "|(gradient|pattern)(Units|Transform)|clipPathUnits|clip-(path|rule)|fill(-rule|-opacity)?|opacity"
    "|stroke(-width|-opacity|-dasharray|-dashoffset|-linecap|-linejoin|-miterlimit)?|stop-(color|opacity)"
    "|font-(size|style|weight|family)|text-anchor|dominant-baseline|image-rendering"
)
#: Numbers of two decimals are a hundredth of a point.
_NUMBER = re.compile(r"-?\d+\.\d{3,}")
_LOCAL = re.compile(r"url\(#([^)]+)\)")
#: How many pixels of a page a point of a figure has: Matplotlib's inch is 100 of them, as in its PNG.
_SCALE = 100 / 72


def for_home(outputs: list[Output]) -> list[Output]:
    """Outputs as Jupyter gives them: without the SVG of a figure that is there as PNG."""
    return [_without(output, SVG) if PNG in output.get("data", ()) else output for output in outputs]


def for_site(outputs: list[Output]) -> list[Output]:
    """Outputs as the site shows them: without the PNG of a figure that is there as SVG."""
    return [_without(output, PNG) if SVG in output.get("data", ()) else output for output in outputs]


def _without(output: Output, kind: str) -> Output:
    left = {
        part: {key: value for key, value in output.get(part, {}).items() if key != kind}
        for part in ("data", "metadata")
    }
    return output | left


def inline(svg: str, alt: str, prefix: str) -> str:
    """An SVG as a part of an HTML page.

    Parameters
    ----------
    svg
        A document of its own, drawn for white paper.
    alt
        What it shows, in words.
    prefix
        Stands before each of its ids, so that no two pictures of a page share one.

    Returns
    -------
    str
        One ``svg`` element without a ground of its own. Lines and words have a contrast of :data:`colors.READ` in
        each theme; images, and words on them, keep their colors.
    """
    root = ElementTree.fromstring(svg)
    box = [float(number) for number in root.get("viewBox", "0 0 0 0").split()]
    made = _Picture(root, prefix).root
    made.attrib = {
        "class": "mb-picture",
        "role": "img",
        **({"aria-label": alt} if alt else {}),
        "viewBox": " ".join(f"{number:g}" for number in box),
        "width": f"{box[2] * _SCALE:.0f}",
        "height": f"{box[3] * _SCALE:.0f}",
    }
    return ElementTree.tostring(made, encoding="unicode")


@dataclasses.dataclass(frozen=True)
class _Place:
    """Where in a figure an element stands.

    Attributes
    ----------
    axis, legend
        Whether it is part of an axis, with its ticks and grid, or of a legend.
    words, backed
        Whether it is part of words, and of those that stand on a box of their own.
    shift
        How the group is moved, as ``transform`` says it.
    """

    axis: bool = False
    legend: bool = False
    words: bool = False
    backed: bool = False
    shift: str = ""

    def inside(self, group: Element) -> _Place:
        """The place inside a group, by the names that Matplotlib gives to groups."""
        name = group.get("id", "")
        words = name.startswith("text_")
        backed = words and any(inner.get("id", "").startswith("patch_") for inner in group)
        return _Place(
            self.axis or name.startswith("matplotlib.axis"),
            self.legend or name.startswith("legend"),
            words or (self.words and not name.startswith("patch_")),
            self.backed or backed,
            group.get("transform", self.shift),
        )


class _Picture:
    """One SVG on its way into a page."""

    def __init__(self, root: Element, prefix: str) -> None:
        self._names = {name: f"{prefix}{number}" for number, name in enumerate(_referenced(root))}
        self._frames = list(_frames_of_images(root))
        found = self._copy(root, _Place())
        assert found is not None
        self.root = found

    def _copy(self, element: Element, place: _Place) -> Element | None:
        """An element as the page holds it, None where the page has none of it."""
        kind = _local(element.tag)
        if not _ELEMENTS.fullmatch(kind):
            return None
        made = Element(kind, self._attributes(element, kind, place))
        made.text, made.tail = _text(element.text, kind), None
        inner = place.inside(element) if kind == "g" else place
        ground = _ground_of(element)
        for child in element:
            if child is not ground and (copy := self._copy(child, inner)) is not None:
                copy.tail = _text(child.tail, kind)
                made.append(copy)
        if kind in ("g", "defs") and not len(made):
            return None
        return made

    def _attributes(self, element: Element, kind: str, place: _Place) -> dict[str, str]:
        made: dict[str, str] = {}
        style: dict[str, str] = {}
        for name, value in ((_local(name), " ".join(value.split())) for name, value in element.items()):
            if name == "style":
                style |= _declarations(value)
            elif name in ("fill", "stroke"):
                style.setdefault(name, value)
            elif kept := self._kept(name, value):
                made[name] = kept
        if kind == "tspan" and place.words:
            style.pop("fill", None)  # the words around have it
        is_on_image = self._is_on_image(element, kind, place)
        style = {"fill": "#000000"} | style if is_on_image else _themed(style, place)
        written = [f"{name}:{kept}" for name, value in style.items() if (kept := self._kept(name, value))]
        # For browsers from before 2024.
        light = [re.sub(r"light-dark\((#\w+),.*", r"\1", words) for words in written if "light-dark(" in words]
        written = light + written
        return made | ({"style": ";".join(written)} if written else {})

    def _kept(self, name: str, value: str) -> str:
        """What a page takes in of an attribute or a declaration; empty where it is nothing."""
        if not _ATTRIBUTES.fullmatch(name):
            return ""
        if name == "id":
            return self._names.get(value, "")
        if name == "href":
            if value.startswith("#"):
                return f"#{self._names[value[1:]]}" if value[1:] in self._names else ""
            return value.replace(" ", "") if re.match(r"data:image/(png|jpeg);base64,", value) else ""
        if name == "transform":
            # Words that are not turned are turned by nothing; and a factor needs all its digits.
            return (
                "" if value.startswith("rotate(-0 ") else value if re.search("scale|matrix", value) else _rounded(value)
            )
        if "url(" in value:
            found = _LOCAL.search(value)
            return f"url(#{self._names[found[1]]})" if found and found[1] in self._names else ""
        if name == "font-family" and value.startswith("'DejaVu Sans'"):
            return ""  # the style sheet has it
        return _rounded(value)

    def _is_on_image(self, text: Element, kind: str, place: _Place) -> bool:
        """Whether an element is words with nothing but an image under them. Formulas are in a group that is moved."""
        if not place.words or place.backed or place.legend or place.shift or kind not in ("g", "text"):
            return False
        moved = re.search(r"translate\((\S+) (\S+)\)", text.get("transform", ""))
        x, y = moved.groups() if moved else (text.get("x", "nan"), text.get("y", "nan"))
        return any(
            left < float(x) < left + width and top < float(y) < top + height
            for left, top, width, height in self._frames
        )


def _local(name: str) -> str:
    return name.rpartition("}")[2]


def _text(text: str | None, kind: str) -> str | None:
    """What stands in an element that holds words, less what only sets its lines."""
    return None if kind not in ("text", "tspan") or (text and "\n" in text and not text.strip()) else text


def _themed(style: dict[str, str], place: _Place) -> dict[str, str]:
    """Declarations with colors for both themes."""
    hexes = {name: found for name in ("fill", "stroke") if (found := colors.hex_of(style.get(name, "")))}
    fill, stroke = hexes.get("fill"), hexes.get("stroke")
    outlined = stroke is not None and stroke != fill and not colors.is_ground(stroke)
    made = {name: value for name, value in style.items() if name not in hexes}
    for name, color in hexes.items():
        # What is faded is so on purpose, and an area with an outline, or a pale one, is not read by itself.
        area = name == "fill" and not place.words
        if {"opacity", f"{name}-opacity"} & style.keys() or (
            area and (outlined or (stroke is None and colors.is_tint(color)))
        ):
            made[name] = colors.shade(color)
        else:
            made[name] = colors.mark(color, colors.HELP if place.axis else colors.READ)
    return made


def _rounded(value: str) -> str:
    return _NUMBER.sub(lambda found: f"{float(found[0]):.2f}".rstrip("0").rstrip("."), value)


def _declarations(style: str) -> dict[str, str]:
    pairs = (part.partition(":") for part in style.split(";"))
    return {name.strip(): value.strip() for name, _, value in pairs if value}


def _referenced(root: Element) -> list[str]:
    """The ids that something in the picture refers to, in order. Others are names for people."""
    found: dict[str, None] = {}
    there = {element.get("id") for element in root.iter()}
    for element in root.iter():
        for name, value in element.items():
            names = _LOCAL.findall(value)
            if _local(name) == "href" and value.startswith("#"):
                names.append(value[1:])
            found |= dict.fromkeys(names)
    return [name for name in found if name in there]


def _frames_of_images(root: Element) -> Iterator[tuple[float, ...]]:
    """The rectangles that images are clipped to: left, top, width and height."""
    clips = {element.get("id"): element for element in root.iter() if _local(element.tag) == "clipPath"}
    for group in root.iter():
        clip = _LOCAL.search(group.get("clip-path", ""))
        if clip and clip[1] in clips and any(_local(inner.tag) == "image" for inner in group):
            for rect in clips[clip[1]]:
                yield tuple(float(rect.get(name, "nan")) for name in ("x", "y", "width", "height"))


def _ground_of(group: Element) -> Element | None:
    """The white sheet that a figure and its axes begin with."""
    if not group.get("id", "").startswith(("figure_", "axes_")) or not len(group):
        return None
    first = group[0]
    white = len(first) == 1 and _declarations(first[0].get("style", "")) == {"fill": colors.LIGHT}
    return first if white and first.get("id", "").startswith("patch_") else None
