"""The sidebar of a site as large as this one will be: 110 pages, in sections and in sections of sections."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

import pytest
from bs4 import BeautifulSoup, Tag
from playwright.sync_api import Browser, expect

from support.browser import DESK, PHONE
from support.lighthouse import serve
from support.tiny import TinySite

pytestmark = [pytest.mark.xdist_group("navigation"), pytest.mark.takes(30)]

#: A section's pages: how many it lists itself, and how many are under each page that holds others.
SECTIONS = {"start": (8, []), "concepts": (18, []), "tutorials": (2, [15, 14, 12]), "recipes": (6, [14, 16])}
#: A page that holds two toctrees with captions.
CAPTIONED = "tutorials/part0"


def toctree(*names: str, caption: str = "") -> str:
    lines = ["```{toctree}", ":hidden:", f":caption: {caption}" if caption else "", "", *names, "```", ""]
    return "\n".join(lines)


@pytest.fixture(scope="module")
def large(tmp_path_factory: pytest.TempPathFactory) -> TinySite:
    """The site, built."""
    tiny = TinySite(tmp_path_factory.mktemp("navigation"))
    index = ["---\nroadmap: []\ndescription: x\n---\n# Index\n"]
    for section, (own, parts) in SECTIONS.items():
        names = [f"/{section}/page{n}" for n in range(own)]
        for number, size in enumerate(parts):
            part = f"{section}/part{number}"
            below = [f"/{part}/page{n}" for n in range(size)]
            for name in below:
                tiny.page(name.lstrip("/"), "Words.\n")
            halves = (toctree(*below[:7], caption="One half"), toctree(*below[7:], caption="The other"))
            tiny.page(part, *(halves if part == CAPTIONED else (toctree(*below, caption="Of no use"),)))
            names.append(f"/{part}")
        for name in names[:own]:
            tiny.page(name.lstrip("/"), "Words.\n")
        index.append(toctree(*names, caption=section.title()))
    (tiny.docs / "index.md").write_text("\n".join(index))
    built = tiny.build("numpy")
    assert built.returncode == 0, built.stderr
    return tiny


@pytest.fixture(scope="module")
def address(large: TinySite) -> Iterator[str]:
    with serve(large.out) as found:
        yield found


def sidebar(html: BeautifulSoup) -> Tag:
    return html.select_one("nav[aria-label=Main]")


def shown(link: Tag) -> bool:
    """Whether no closed fold hides a link."""
    return all(fold.has_attr("open") for fold in link.find_parents("details"))


def is_head(link: Tag) -> bool:
    return link.find_next_sibling("details") is not None


def pages(tiny: TinySite) -> list[str]:
    """The pages in the order of the sidebar of the root page."""
    return [link["href"].removesuffix(".html") for link in sidebar(tiny.html("index")).select("a")]


def test_every_page_is_in_the_sidebar_once(large: TinySite) -> None:
    found = pages(large)
    written = {str(path.relative_to(large.docs).with_suffix("")) for path in large.docs.rglob("*.md")} - {"index"}
    assert len(found) == len(set(found)) == len(written) == 110
    assert set(found) == written


def test_no_page_shows_more_links_than_one_takes_in(large: TinySite) -> None:
    assert not [link for link in sidebar(large.html("index")).select("a") if shown(link)]
    for name in pages(large):
        links = [link for link in sidebar(large.html(name)).select("a") if shown(link)]
        assert sum(not is_head(link) for link in links) <= 22, name
        current = [link for link in links if link.get("aria-current")]
        assert [link.text for link in current] == [name], name


def test_only_the_folds_that_a_page_is_in_are_open(large: TinySite) -> None:
    def opened(name: str) -> list[str]:
        folds = sidebar(large.html(name)).select("details[open] > summary")
        return [fold.text or fold["aria-label"] for fold in folds]

    assert opened("concepts/page3") == ["Concepts"]
    assert opened("recipes/part1") == ["Recipes", "Pages under recipes/part1"]
    assert opened("recipes/part1/page3") == ["Recipes", "Pages under recipes/part1"]
    assert opened(f"{CAPTIONED}/page9") == ["Tutorials", f"Pages under {CAPTIONED}", "The other"]


def test_the_previous_and_next_pages_follow_the_sidebar(large: TinySite) -> None:
    order = ["index", *pages(large)]
    turns = {name: large.html(name).select_one(".mb-turn") for name in order}
    for before, after in itertools.pairwise(order):
        assert turns[before].select_one("[rel=next]").text.split() == ["Next", after]
        assert turns[after].select_one("[rel=prev]").text.split() == [
            "Previous",
            "Index" if before == "index" else before,
        ]
    assert turns["index"].select_one("[rel=prev]") is None and turns[order[-1]].select_one("[rel=next]") is None


def test_the_section_stands_above_the_title(large: TinySite) -> None:
    html = large.html(f"{CAPTIONED}/page9")
    trail = html.select_one(".mb-trail")
    assert " ".join(trail.text.split()) == f"Tutorials › {CAPTIONED} › The other"
    assert [link["href"] for link in trail.select("a")] == ["../part0.html"]
    assert large.html("index").select_one(".mb-trail") is None


@pytest.mark.parametrize("size", [DESK, PHONE], ids=["desk", "phone"])
def test_the_page_is_in_view_in_the_sidebar(size: dict, browser: Browser, large: TinySite, address: str) -> None:
    with browser.new_context(viewport=size, reduced_motion="reduce") as context:
        page = context.new_page()
        for name in pages(large)[::9]:
            page.goto(f"{address}/{name}.html")
            if size is PHONE:
                page.get_by_role("button", name="Menu").click()
            current = page.locator(".mb-nav a[aria-current=page]")
            expect(current).to_be_in_viewport(ratio=1)
            assert current.inner_text() == name


def test_a_page_that_holds_others_unfolds_by_keyboard(browser: Browser, large: TinySite, address: str) -> None:
    with browser.new_context(viewport=DESK) as context:
        page = context.new_page()
        page.goto(f"{address}/recipes/page0.html")
        below = page.locator(".mb-nav").get_by_role("link", name="recipes/part1/page0", exact=True)
        expect(below).to_be_hidden()
        page.locator(".mb-nav").get_by_role("link", name="recipes/part1", exact=True).focus()
        page.keyboard.press("Tab")
        page.keyboard.press("Enter")
        expect(below).to_be_visible()
