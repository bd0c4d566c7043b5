"""The front page of the real site: each of its parts is there, and none of its numbers is another than the build's."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator
from importlib.metadata import distribution
from pathlib import Path
from typing import Any
from urllib.parse import urldefrag

import pytest
from bs4 import BeautifulSoup
from playwright.sync_api import Browser, Locator, Page

from mithril_docs.backends import BACKENDS as TABLE
from mithril_docs.build.provenance import commit_date
from mithril_docs.store import Store
from support.browser import DESK, PHONE
from support.places import BACKENDS, ROOT, STORE
from support.survey import full_pass, show, views

TITLES = [TABLE[name].title for name in BACKENDS]
CARDS = ["Learn", "Choose a backend", "Build", "Fix an error", "Look up", "Understand"]

pytestmark = pytest.mark.xdist_group("browser")


@pytest.fixture(scope="module")
def html(site: Path) -> BeautifulSoup:
    """The page as it is in its file."""
    return BeautifulSoup((site / "index.html").read_text(encoding="utf-8"), "lxml").select_one("article")


@pytest.fixture
def page(browser: Browser, address: str, request: pytest.FixtureRequest) -> Iterator[Page]:
    """The page in a browser, on a desk unless a test says otherwise."""
    with browser.new_context(**{"viewport": DESK, "reduced_motion": "reduce"} | getattr(request, "param", {})) as found:
        opened = found.new_page()
        opened.goto(f"{address}/index.html")
        yield opened


def facts(html: BeautifulSoup, kind: str) -> list[str]:
    return [" ".join(item.text.split()) for item in html.select(f".mb-facts-{kind} > li")]


def bottom(part: Locator) -> float:
    box = part.bounding_box()
    assert box
    return box["y"] + box["height"]


# What it says.


def test_it_opens_with_one_sentence(html: BeautifulSoup) -> None:
    first = html.select_one("h1").find_next("p").text
    assert first.count(".") == 1 and first.endswith(".")
    assert all(title in first for title in (*TITLES, "C."))


def test_the_figure_says_what_it_shows(html: BeautifulSoup) -> None:
    figure = html.select_one("svg.mb-figure")
    named = [html.find(id=name) for name in figure["aria-labelledby"].split()]
    assert figure["role"] == "img" and [part.name for part in named] == ["title", "desc"]
    drawn = [text.text for text in figure.select(".mb-backends text")]
    assert drawn == [*TITLES, "C"] and all(name in named[1].text for name in drawn)


def test_the_outputs_are_those_of_the_store(html: BeautifulSoup) -> None:
    """All backends' outputs of the last cell, side by side, each under its backend's name."""
    store = Store(STORE)
    wanted = []
    for name in BACKENDS:
        result = store.read("index", name)
        assert result
        (output,) = result.outputs[max(result.outputs)]
        wanted.append((TABLE[name].title, output["text"]))
    shown = html.select(".mb-together > *")
    assert [(pane.select_one(".mb-label").text, pane.select_one("pre").text) for pane in shown] == wanted


def test_each_install_line_names_what_ran(html: BeautifulSoup, record: dict) -> None:
    labels = html.select(".sd-tab-set > label")
    assert [label.text.strip() for label in labels] == TITLES
    for name, label in zip(BACKENDS, labels, strict=True):
        (line,) = [pre.text for pre in label.find_next_sibling(class_="sd-tab-content").select("pre")]
        pinned = dict(word.strip('"').split("==") for word in line.split()[2:])
        found = {re.sub(r"\[.*", "", word): version for word, version in pinned.items()}
        assert {*TABLE[name].distributions} <= {*found}
        assert found.items() <= record["environments"][name].items()


def test_the_facts_of_the_build_are_those_of_its_record(html: BeautifulSoup, record: dict) -> None:
    cells = sum(run.get("cells", 0) for page in record["pages"].values() for run in page["backends"].values())
    sources = [path.read_text(encoding="utf-8") for path in (ROOT / "docs" / "reference" / "models").glob("*.md")]
    models = sum(len(re.findall(r"^:{3,}\{model\} ", text, re.MULTILINE)) for text in sources)
    *told, date = facts(html, "build")
    assert told == [
        f"{len(record['pages'])} pages",
        f"{cells:,} cells executed",
        f"{models} models",
        f"{len(record['environments'])} backends",
        f"Mithril {record['mithril']}",
    ]
    log = ["git", "log", "--format=%cs"]
    dates = subprocess.run(log, cwd=ROOT, capture_output=True, text=True, check=True).stdout.split()
    assert date.removeprefix("as of ") in {commit_date(ROOT), *dates}


def test_the_facts_of_the_package_are_its_own(html: BeautifulSoup, record: dict) -> None:
    package = distribution("mithril")
    size = sum(path.stat().st_size for file in package.files or () if (path := Path(str(file.locate()))).is_file()
               and path.suffix != ".pyc")  # fmt: skip
    told = facts(html, "package")
    megabytes = f"{round(size / 1e6)} MB installed"
    assert told == [f"Version {record['mithril']}", "Apache License 2.0", "Python 3.12", megabytes, "Source"]
    links = [link["href"] for link in html.select(".mb-facts-package a")]
    assert links == [package.metadata["Home-page"]]


def test_limits_and_reasons_lead_to_their_evidence(html: BeautifulSoup, site: Path) -> None:
    for name, count in (("when-to-use-it", 3), ("limits", 4)):
        rows = html.select(f"section#{name} > ul > li")
        assert len(rows) == count, name
        for row in rows:
            assert any(exists(site, link["href"]) for link in row.select("a.internal")), row.text


def exists(site: Path, link: str) -> bool:
    """Whether a link of the page leads to a page of the site, and to a place on it."""
    target, fragment = urldefrag(link)
    if not (site / target).is_file():
        return False
    return not fragment or f'id="{fragment}"' in (site / target).read_text(encoding="utf-8")


# How it looks and what one can do with it.


@pytest.mark.parametrize("page", [{"viewport": {"width": 1280, "height": 800}}], indirect=True)
def test_the_first_screen_answers(page: Page) -> None:
    """What it is, the figure, how to start and what it costs are seen before anybody scrolls; the page is not long."""
    for part in (".mb-hero p >> nth=0", ".mb-figure", ".mb-start", ".mb-facts-package", ".mb-facts-build"):
        assert bottom(page.locator(part)) <= 800, part
    assert page.evaluate("document.documentElement.scrollHeight") <= 4.5 * 800


@pytest.mark.parametrize("page", [{}, {"java_script_enabled": False}], indirect=True)
def test_the_outputs_are_seen_in_every_view(page: Page) -> None:
    panes = page.locator(".mb-together > *")
    for view in views(page) if page.locator(".mb-switch").is_visible() else [""]:
        if view:
            show(page, view)
        boxes = [pane.bounding_box() for pane in panes.all()]
        assert len(boxes) == len(BACKENDS) and all(boxes), view
        assert len({box["y"] for box in boxes if box}) == 1, view


@pytest.mark.parametrize("page", [{"viewport": PHONE}], indirect=True)
def test_the_outputs_stand_below_each_other_on_a_phone(page: Page) -> None:
    boxes: list[Any] = [pane.bounding_box() for pane in page.locator(".mb-together > *").all()]
    assert len({box["x"] for box in boxes}) == 1 and len({box["y"] for box in boxes}) == len(BACKENDS)


@pytest.mark.parametrize("page", [{}, {"viewport": PHONE}], indirect=True)
def test_a_whole_card_is_a_link_and_so_is_each_link_in_it(page: Page, site: Path) -> None:
    cards = page.locator(".mb-cards .sd-card")
    assert [title.strip() for title in page.locator(".mb-cards .sd-card-title").all_inner_texts()] == CARDS
    for card in cards.all():
        card.scroll_into_view_if_needed()
        links = card.locator("a")
        assert 3 <= links.count() <= 4
        targets = links.evaluate_all("all => all.map((link) => link.getAttribute('href'))")
        assert all(exists(site, target) for target in targets), targets
        # The last corner of the card belongs to its title's link, the middle of each link to that link.
        hit = card.evaluate("""(card) => {
          const at = (x, y) => document.elementFromPoint(x, y)?.closest("a")?.getAttribute("href");
          const box = card.getBoundingClientRect();
          const inner = [...card.querySelectorAll("a")].slice(1).map((link) => link.getClientRects()[0]);
          const middles = inner.map((r) => at(r.x + r.width / 2, r.y + r.height / 2));
          return [at(box.right - 4, box.bottom - 4), ...middles];
        }""")
        assert hit == targets


@pytest.mark.parametrize("page", [{}, {"viewport": PHONE}], indirect=True)
def test_nothing_is_wider_than_the_screen(page: Page) -> None:
    for view in views(page):
        show(page, view)
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), view
        # A figure that is cut off would not widen the page.
        inside = page.locator(".mb-figure text").evaluate_all(
            "all => all.every((text) => { const box = text.getBoundingClientRect(), frame ="
            " text.ownerSVGElement.getBoundingClientRect();"
            " return box.left >= frame.left && box.right <= frame.right && box.height >= 9; })"
        )
        assert inside


@pytest.mark.takes(30)
def test_it_is_accessible(browser: Browser, address: str) -> None:
    assert full_pass(browser, address, "index") == []
