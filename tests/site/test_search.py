"""The search of the real site, in a browser: what it finds, how it is used, and what it costs."""

from __future__ import annotations

import functools
import gzip
import re
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, expect

from mithril_docs.site.search import ENGINE, FILE, STEMMER, WORDS
from support.browser import DESK, PHONE
from support.places import ROOT

pytestmark = pytest.mark.xdist_group("browser")

#: What a reader's browser loads when the field is first used.
LOADED = (ENGINE, STEMMER, WORDS, FILE, "search-rank.js")
#: The questions, each with the sections that answer it. The search was tuned with every second one, from the first on.
QUESTIONS = tomllib.loads((ROOT / "tests/site/questions.toml").read_text("utf-8"))["question"]
TUNED, HELD_OUT = QUESTIONS[::2], QUESTIONS[1::2]

#: For each query, the pages in the order they are shown, and the sections in theirs.
ASK = """async (queries) => {
  const engine = window.mithrilFind;
  await engine.ready;
  return queries.map((query) => {
    const groups = engine.grouped(engine.find(query));
    const pages = groups.map(({ page }) => engine.pages[page][0].replace(/\\.html$/, ""));
    const hits = groups.flatMap(({ hits }) => hits.map(({ entry }) => entry));
    return [pages, hits.map(({ page, anchor }) => [engine.pages[page][0].replace(/\\.html$/, ""), anchor])];
  });
}"""


@pytest.fixture
def page(browser: Browser, address: str) -> Iterator[Page]:
    """The search page, with everything loaded."""
    with browser.new_context(viewport=DESK, reduced_motion="reduce") as context:
        page = context.new_page()
        page.goto(f"{address}/search.html?q=model")
        page.wait_for_function("window.mithrilFind")
        yield page


def answers(question: dict[str, Any], site: Path) -> list[list[str]]:
    """The sections that answer a question: page and anchor, or the page alone where any section of it does.

    The first section of a page is its top, which has no anchor in the index.
    """
    found = [answer.split("#") for answer in question["answers"]]
    return [[name, ""] if anchor == [_first(site, name)] else [name, *anchor] for name, *anchor in found]


@functools.cache
def _first(site: Path, name: str) -> str:
    found = re.search(r'<section[^>]* id="([^"]+)"', (site / f"{name}.html").read_text("utf-8"))
    return found[1] if found else ""


@pytest.mark.parametrize("half", [HELD_OUT, TUNED], ids=["held out", "tuned with"])
def test_questions_find_their_answers(page: Page, site: Path, half: list[dict[str, Any]], record_property: Any) -> None:
    assert len(QUESTIONS) >= 200 and len({question["words"] for question in QUESTIONS}) == len(QUESTIONS)
    right_page = right_section = nothing = 0
    for question, (pages, sections) in zip(half, page.evaluate(ASK, [q["words"] for q in half]), strict=True):
        wanted = answers(question, site)
        right_page += bool({place[0] for place in wanted} & {*pages[:3]})
        shown = [[name] for name, _ in sections[:5]] + sections[:5]
        right_section += any(place in shown for place in wanted)
        nothing += not pages
    counts = f"page {right_page / len(half):.1%}, section {right_section / len(half):.1%}, nothing {nothing}"
    record_property("said", f"search, {len(half)} questions: {counts}")
    assert right_page >= 0.9 * len(half), counts
    assert right_section >= 0.85 * len(half), counts
    assert nothing == 0, counts


def test_every_answer_and_every_section_is_there(page: Page, site: Path) -> None:
    """Each address of the index leads to an id of its page, and each answer of the questions is in the index."""
    entries = page.evaluate("window.mithrilFind.entries.map(({ page, anchor }) => [page, anchor])")
    addresses = [address for address, *_ in page.evaluate("window.mithrilFind.pages")]
    text = {address: (site / address).read_text("utf-8") for address in addresses}
    missing = [(addresses[n], anchor) for n, anchor in entries if anchor and f'id="{anchor}"' not in text[addresses[n]]]
    assert not missing
    indexed = {(addresses[n].removesuffix(".html"), *anchor) for n, at in entries for anchor in ((), (at,))}
    asked = {tuple(answer) for question in QUESTIONS for answer in answers(question, site)}
    assert not asked - indexed


def test_it_is_used_with_the_keyboard_alone(browser: Browser, address: str) -> None:
    with browser.new_context(viewport=DESK, reduced_motion="reduce") as context:
        page = context.new_page()
        page.goto(f"{address}/concepts/shapes.html")
        page.keyboard.press("Control+k")
        field = page.get_by_role("combobox", name="Search")
        expect(field).to_be_focused()
        page.keyboard.type("save weights")
        options = page.get_by_role("option")
        expect(options.first).to_be_visible()
        expect(field).to_have_attribute("aria-expanded", "true")
        expect(page.get_by_role("status").filter(has_text="sections")).to_be_visible()
        page.keyboard.press("ArrowDown")
        page.keyboard.press("ArrowDown")
        expect(options.nth(1)).to_have_attribute("aria-selected", "true")
        expect(field).to_have_attribute("aria-activedescendant", options.nth(1).get_attribute("id") or "?")
        expect(options.nth(1).locator("mark").first).to_be_visible()
        page.keyboard.press("ArrowUp")
        target = options.first.get_attribute("href") or ""
        page.keyboard.press("Enter")
        page.wait_for_url(f"**/{target.split('../')[-1]}")
        page.goto(f"{address}/concepts/shapes.html")
        page.keyboard.press("/")
        expect(field).to_be_focused()
        page.keyboard.press("Escape")
        expect(page.locator("dialog.mb-search")).to_be_hidden()


@pytest.mark.parametrize(
    ("typed", "heading"),
    [
        (
            "ValueError: Inputs shape mismatch at dimension 1. Shapes are inconsistent.",
            "operands-that-do-not-broadcast",
        ),
        ("Submodel of a model could not be extended!", "a-part-that-is-in-a-model-already"),
        ("mat1 and mat2 shapes cannot be multiplied (3x4 and 5x6)", "the-inner-sizes-of-a-layer-do-not-fit"),
    ],
)
def test_a_message_leads_to_its_entry(browser: Browser, address: str, typed: str, heading: str) -> None:
    with browser.new_context(viewport=DESK, reduced_motion="reduce") as context:
        page = context.new_page()
        page.goto(f"{address}/concepts/shapes.html")
        page.keyboard.press("Control+k")
        page.keyboard.insert_text(typed)
        expect(page.get_by_role("option").first).to_have_attribute(
            "href", re.compile(f"reference/errors/.*#{heading}$")
        )


def test_enter_before_the_answers_leads_to_the_first(browser: Browser, address: str) -> None:
    with browser.new_context(viewport=DESK, reduced_motion="reduce") as context:
        page = context.new_page()
        page.goto(f"{address}/concepts/shapes.html")
        page.keyboard.press("Control+k")
        page.keyboard.insert_text("save weights")
        page.keyboard.press("Enter")
        page.wait_for_url(re.compile("save|serialization"))


def test_the_button_opens_it_on_a_phone(browser: Browser, address: str) -> None:
    with browser.new_context(viewport=PHONE, reduced_motion="reduce", color_scheme="dark") as context:
        page = context.new_page()
        page.goto(f"{address}/concepts/shapes.html")
        page.locator(".search-button__button:visible").first.click()
        page.keyboard.type("gpu")
        expect(page.get_by_role("option").first).to_be_visible()
        assert page.evaluate("document.documentElement.scrollWidth") <= PHONE["width"]


def test_nothing_is_loaded_before_it_is_used(browser: Browser, address: str, site: Path) -> None:
    with browser.new_context(viewport=DESK) as context:
        page = context.new_page()
        requests: list[str] = []
        page.on("request", lambda request: requests.append(request.url.rpartition("/")[2]))
        page.goto(f"{address}/concepts/shapes.html", wait_until="networkidle")
        assert "search.js" in {name.partition("?")[0] for name in requests}
        assert not {*LOADED} & {*requests}
        page.keyboard.press("Control+k")
        page.wait_for_function("window.mithrilFind")
        assert {*LOADED} <= {*requests}
    files = [site / "_static" / name for name in (*LOADED, "search.js")]
    assert sum(len(gzip.compress(file.read_bytes())) for file in files) <= 200_000


def test_a_query_can_be_linked_to(browser: Browser, address: str) -> None:
    page = browser.new_page()
    page.goto(f"{address}/search.html?q=hello%20world")
    option = page.get_by_role("option").first
    expect(option).to_be_visible()
    page.get_by_role("combobox").fill("layer norm")
    page.wait_for_url("**/search.html?q=layer%20norm")
    expect(option).to_contain_text("LayerNorm")
    page.get_by_role("combobox").fill("zzzz qqqq")
    expect(page.get_by_role("status").filter(has_text="Nothing found")).to_be_visible()


def test_it_works_from_a_disk(browser: Browser, site: Path) -> None:
    page = browser.new_page()
    page.goto(f"file://{site}/concepts/shapes.html")
    page.keyboard.press("Control+k")
    page.keyboard.type("learning rate")
    option = page.get_by_role("option").first
    expect(option.locator("mark").first).to_be_visible()
    option.click()
    assert page.url.startswith("file://") and "shapes.html" not in page.url


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing_in_its_answers(browser: Browser, address: str, scheme: Any) -> None:
    with browser.new_context(viewport=DESK, reduced_motion="reduce", color_scheme=scheme) as context:
        page = context.new_page()
        page.goto(f"{address}/index.html")
        page.keyboard.press("Control+k")
        page.keyboard.type("compile")
        expect(page.get_by_role("option").first.locator("mark").first).to_be_visible()
        page.keyboard.press("ArrowDown")
        found = Axe().run(page, context="dialog.mb-search")
        assert not found.response["violations"], found.generate_report()
