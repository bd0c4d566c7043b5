"""Figures: drawn the same in every run, part of the page in the colors of both themes, and taken home as PNG."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Iterator

import pytest
from bs4 import BeautifulSoup, Tag

from support.tiny import BACKEND, IMPORT, TinySite, cell

pytestmark = [pytest.mark.xdist_group("pictures"), pytest.mark.takes(20)]

PLOTS = """\
import matplotlib.pyplot as plt

for color in ("C1", "tab:olive", "gray", "0.8", "#ffff00", "navy"):
    plt.plot([1, 2, 4], color=color, marker="o", label=color)
plt.fill_between([0, 1], [1, 2], color="pink")
plt.text(1, 2, "in a box", bbox={"facecolor": "moccasin"})
plt.grid()
plt.legend()
plt.xlabel("step $x_1$")
plt.show()"""
IMAGE = """\
figure, (left, right) = plt.subplots(1, 2)
left.imshow([[0, 1], [2, 3]], cmap="Blues")
left.text(0, 0, "black", ha="center")
left.text(1, 1, "white", ha="center", color="white")
left.text(1, 0, "$w_1$", color="white")
left.set_title("above")
right.bar([0, 1], [2, 3], color="C2")
right.text(0, 1, "on a bar", color="white")
plt.show()"""
ALT = ':mystnb: {image: {alt: "Lines & <more>"}}'


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> TinySite:
    """A site of a page with two figures, the first of which it shows twice."""
    tiny = TinySite(tmp_path_factory.mktemp("pictures"))
    tiny.page("page", IMPORT, BACKEND, cell(PLOTS, ALT), cell(PLOTS, ALT), cell(IMAGE, ALT))
    for backend in ("numpy", "jax"):
        assert tiny.execute(backend).returncode == 0
    done = tiny.build("numpy", "jax")
    assert done.returncode == 0, done.stderr
    return tiny


@pytest.fixture
def pictures(built: TinySite) -> list[Tag]:
    """The figures of the page."""
    return built.html("page").select(".cell_output svg")


def outputs(tiny: TinySite) -> list[dict]:
    """The figures that the store holds, as their outputs' data."""
    found = [
        output["data"] for result in tiny.results().values() for cell in result["outputs"].values() for output in cell
    ]
    return [data for data in found if "image/svg+xml" in data]


def contrast(first: str, second: str) -> float:
    """Of two colors in hexadecimal, as WCAG 2 defines it."""

    def luminance(color: str) -> float:
        parts = [int(color[place : place + 2], 16) / 255 for place in (1, 3, 5)]
        linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
        return sum(factor * part for factor, part in zip((0.2126, 0.7152, 0.0722), linear, strict=True))

    low, high = sorted((luminance(first), luminance(second)))
    return (high + 0.05) / (low + 0.05)


def colors(part: Tag, name: str) -> Iterator[str]:
    """What stands behind a property in the styles of an element and of those in it; the last of each counts."""
    for element in [part, *part.find_all(True)]:
        if found := re.findall(rf"(?:^|;){name}:([^;]+)", element.get("style", "")):
            yield found[-1]


def test_two_runs_give_the_same_bytes(built: TinySite) -> None:
    before = outputs(built)
    assert len(before) == 6
    for backend in ("numpy", "jax"):
        assert built.execute(backend, "--force").returncode == 0
    assert outputs(built) == before


def test_a_figure_stands_in_the_page_with_its_words(pictures: list[Tag]) -> None:
    assert [picture["aria-label"] for picture in pictures] == ["Lines & <more>"] * 3
    assert {picture["role"] for picture in pictures} == {"img"}
    words = {element.get_text().replace("\xa0", " ") for element in pictures[0].select("text")}
    assert {"tab:olive", "in a box", "step x1"} <= words


def test_nothing_of_a_figure_reaches_beyond_it(built: TinySite, pictures: list[Tag]) -> None:
    page = (built.out / "page.html").read_text(encoding="utf-8")
    ids = re.findall(r'\sid="([^"]+)"', page)
    assert len(ids) == len(set(ids))
    for picture in pictures:
        own = {element["id"] for element in picture.select("[id]")}
        text = str(picture)
        used = set(re.findall(r'url\(#([^)]+)\)|href="#([^"]+)"', text))
        assert own and {first or second for first, second in used} == own
        assert not picture.select("style, script, metadata, title, a, foreignObject")
        assert not re.search(r'\son\w+=|https?:|href="(?!#|data:image/png;base64,)', text)


def test_lines_and_words_have_contrast_in_both_themes(pictures: list[Tag]) -> None:
    """Also those of explicit colors: orange, olive, yellow and light gray are too pale for paper, navy too dark."""
    strokes = set(colors(pictures[0], "stroke"))
    pairs = [re.fullmatch(r"light-dark\((#\w{6}),(#\w{6})\)", color) for color in strokes - {"currentColor"}]
    light, dark = zip(*(pair.groups() for pair in pairs if pair), strict=True)
    # Of lines, where the grays are one now; of the grid, the legend's frame and the pink area's edge.
    assert len(pairs) == len(light) == 5 + 3
    faint = [pair for pair in zip(light, dark, strict=True)
             if min(contrast(pair[0], "#ffffff"), contrast(pair[1], "#14181e")) < 4.5]  # fmt: skip
    grid, frame = sorted(faint, key=lambda pair: -contrast(pair[0], "#ffffff"))
    assert contrast(grid[0], "#ffffff") >= 3 and contrast(grid[1], "#14181e") >= 3
    assert frame[0] == "#cccccc"


def test_what_lies_under_words_turns_with_the_theme(pictures: list[Tag]) -> None:
    box = next(color for color in colors(pictures[0], "fill") if color.startswith("light-dark(#ffe4b5"))
    assert contrast(box[-8:-1], "#ced6dd") >= 4.5
    words = pictures[0].find("text", string="in a box")
    assert not list(colors(words, "fill"))  # so it has the color of the page's text


def test_the_white_sheet_is_gone(pictures: list[Tag]) -> None:
    for picture in pictures:
        assert "#ffffff" not in [color for path in picture.select("path") for color in colors(path, "fill")]


def test_images_and_words_on_them_keep_their_colors(built: TinySite, pictures: list[Tag]) -> None:
    shown = [base64.b64decode(image["href"].partition(",")[2]) for image in pictures[2].select("image")]
    drawn = BeautifulSoup(outputs(built)[2]["image/svg+xml"], "xml").select("image")
    assert shown == [base64.b64decode(image["xlink:href"].partition(",")[2]) for image in drawn]
    assert len(shown) == 1

    def fill(words: str) -> list[str]:
        return list(colors(pictures[2].find("text", string=words), "fill"))

    assert fill("black") == ["#000000"] and fill("white") == ["#ffffff"]
    assert fill("above") == []  # the title stands on the page
    assert fill("on a bar") == ["var(--pst-color-background)"]
    formula = next(text for text in pictures[2].select("text") if text.get_text() == "w1")
    assert list(colors(formula.parent, "fill")) == ["#ffffff"]


def test_a_figure_that_looks_the_same_stands_once(built: TinySite, pictures: list[Tag]) -> None:
    assert len(pictures) == 3
    label = built.html("page").select_one(".cell_output:has(svg) .mb-label")
    assert label.get_text() == "Same on all backends"


def test_a_notebook_holds_the_picture_that_jupyter_makes(built: TinySite) -> None:
    made = json.loads((built.out / "_downloads/pages/page-numpy.ipynb").read_text(encoding="utf-8"))
    shown = [output["data"] for cell in made["cells"] for output in cell.get("outputs", ())]
    assert [set(data) for data in shown] == [{"image/png", "text/plain"}] * 3
    assert [data["image/png"] for data in shown] == [data["image/png"] for data in outputs(built)[:3]]
