"""The real site as a reader meets it, in a browser: switching, themes, downloads."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urljoin

import nbformat
import pytest
from bs4 import BeautifulSoup, SoupStrainer
from playwright.sync_api import Browser, Locator, Page, expect

from support.browser import DESK, PHONE
from support.lighthouse import serve
from support.places import BACKENDS
from support.tiny import BACKEND, IMPORT, TinySite, cell

TITLES = {"numpy": "NumPy", "torch": "PyTorch", "jax": "JAX", "mlx": "MLX", "all": "Compare"}
CLASSES = {"numpy": "NumpyBackend", "torch": "TorchBackend", "jax": "JaxBackend", "mlx": "MlxBackend"}
#: A page with a single backend cell, that gives another output on each backend and shows one of them at a time.
PLAIN = "concepts/logical_and_physical_models"
#: A page with code for PyTorch and JAX only.
HIDING = "reference/errors/parallelism"
Open = Callable[..., Page]

pytestmark = pytest.mark.xdist_group("browser")


@pytest.fixture
def visit(browser: Browser, address: str) -> Iterator[Open]:
    """Open a page of the site as a new visitor; the options are Playwright's for a context."""
    contexts = []

    def visit(path: str = "index.html", at: str = address, **options: Any) -> Page:
        contexts.append(browser.new_context(**{"viewport": DESK, "reduced_motion": "reduce"} | options))
        page = contexts[-1].new_page()
        page.set_default_timeout(10_000)
        page.goto(f"{at}/{path}")
        return page

    yield visit
    for context in contexts:
        context.close()


@pytest.fixture(scope="module")
def tiny_address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A site of a page for NumPy and JAX, and of one for NumPy alone."""
    tiny = TinySite(tmp_path_factory.mktemp("tiny"))
    passage = ":::{backends} jax\nA passage.\n:::\n"
    tiny.page("both", IMPORT, BACKEND, cell("print(type(backend).__name__)"), passage)
    tiny.page("one", extra="unsupported: {jax: it cannot be.}")
    for backend in ("numpy", "jax"):
        assert tiny.execute(backend).returncode == 0
    built = tiny.build("numpy", "jax")
    assert built.returncode == 0, built.stderr
    with serve(tiny.out) as address:
        yield address


def switch(page: Page, backend: str) -> None:
    page.locator(".mb-switch label", has_text=re.compile(f"^\\s*{TITLES[backend]}\\s*$")).click()


def backend_cell(page: Page, backend: str) -> Locator:
    return page.locator("pre", has_text=re.compile(rf"(?<!\w)backend = ml\.{CLASSES[backend]}\(\)"))


def views(page: Page) -> list[str]:
    return page.locator(".mb-switch input").evaluate_all("radios => radios.map(radio => radio.value)")


def assert_shows(page: Page, backend: str) -> None:
    """The view of one backend: its switch is on, its panes are seen and no others, its class is in the code."""
    assert page.locator(f".mb-switch input[value={backend}]").is_checked()
    panes = page.locator("[data-backends]").evaluate_all(
        "panes => panes.map(pane => [pane.dataset.backends.split(' '), getComputedStyle(pane).display !== 'none'])"
    )
    assert any(backend in names for names, _ in panes)
    for names, seen in panes:
        assert seen == (backend in names), names
    for name in BACKENDS:
        expect(backend_cell(page, name)).to_be_visible(visible=name == backend)
    labels = page.locator(".mb-own:visible").all_inner_texts()
    assert all(TITLES[backend] in label.split(", ") for label in labels), labels


def outputs(page: Page) -> list[str]:
    return page.locator(".cell_output:visible").all_inner_texts()


def asked_for(page: Page) -> str | None:
    found = re.search(r"[?&]backend=(\w+)", page.url)
    return found and found[1]


# Switching.


def test_a_click_changes_code_and_outputs_in_place(visit: Open) -> None:
    page = visit(f"{PLAIN}.html")
    assert_shows(page, "numpy")
    seen = {"numpy": outputs(page)}
    page.evaluate("window.same = true")
    for backend in ("jax", "mlx", "torch"):
        switch(page, backend)
        assert_shows(page, backend)
        seen[backend] = outputs(page)
    assert page.evaluate("window.same")
    assert len({str(texts) for texts in seen.values()}) == len(BACKENDS)
    assert all(seen.values())


def test_the_keyboard_alone_switches(visit: Open) -> None:
    page = visit()
    for _ in range(150):
        page.keyboard.press("Tab")
        if page.evaluate("document.activeElement.closest('.mb-switch') !== null"):
            break
    assert page.evaluate("document.activeElement.value") == "numpy"
    outline = page.locator(".mb-switch input:checked + span").evaluate("span => getComputedStyle(span).outlineStyle")
    assert outline == "solid"
    for key, backend in (("ArrowRight", "torch"), ("ArrowRight", "jax"), ("ArrowLeft", "torch")):
        page.keyboard.press(key)
        assert_shows(page, backend)


def test_the_choice_is_remembered(visit: Open) -> None:
    page = visit()
    switch(page, "jax")
    page.reload()
    assert_shows(page, "jax")
    page.locator(".bd-article").get_by_role("link", name="Hello World", exact=True).click()
    page.wait_for_url("**/hello_world.html")
    assert_shows(page, "jax")
    other = page.context.new_page()
    other.goto(urljoin(page.url, "first_steps.html"))
    assert_shows(other, "jax")
    switch(other, "mlx")
    page.wait_for_function("document.documentElement.dataset.backend === 'mlx'")  # the open tab follows
    assert_shows(page, "mlx")


def test_a_link_names_the_backend(visit: Open) -> None:
    page = visit("index.html?backend=jax")
    assert_shows(page, "jax")
    page.goto(page.url.partition("?")[0])
    assert_shows(page, "jax")


def test_switching_updates_the_link(visit: Open) -> None:
    page = visit("index.html?backend=jax#start-here")
    switch(page, "torch")
    assert asked_for(page) == "torch" and page.url.endswith("#start-here")
    page.reload()
    assert_shows(page, "torch")
    page.go_back()  # switching leaves no trail of its own
    assert page.url == "about:blank"


def test_an_unknown_backend_shows_the_first(visit: Open) -> None:
    page = visit("index.html?backend=foo")
    assert_shows(page, "numpy")
    page.goto(page.url.partition("?")[0])
    assert_shows(page, "numpy")
    assert page.evaluate("localStorage.getItem('mithril-backend')") is None


def test_what_is_read_stays_in_place(visit: Open) -> None:
    page = visit("getting_started/first_steps.html")
    heading = page.get_by_role("heading", name="Where to go next")
    heading.scroll_into_view_if_needed()
    page.evaluate("scrollBy({top: 200, behavior: 'instant'})")
    before = heading.bounding_box()["y"]
    for backend in ("all", "jax", "numpy"):
        switch(page, backend)
        page.wait_for_timeout(100)
        assert heading.bounding_box()["y"] == pytest.approx(before, abs=2), backend


@pytest.mark.parametrize(("name", "backend"), [("JAX", "jax"), ("pytorch", "torch"), ("Compare", "all")])
def test_a_link_names_the_backend_as_the_switcher_does(name: str, backend: str, visit: Open) -> None:
    page = visit(f"{PLAIN}.html?backend={name}")
    assert page.locator(f".mb-switch input[value={backend}]").is_checked()
    assert page.evaluate("document.documentElement.dataset.backend") == backend
    expect(page.locator(".mb-missing")).to_have_count(0)


def test_a_backend_that_does_not_exist_is_told(visit: Open) -> None:
    page = visit(f"{PLAIN}.html?backend=constructor")
    expect(page.locator(".mb-missing")).to_have_text("This page has no view named “constructor”. It shows NumPy.")
    switch(page, "jax")
    expect(page.locator(".mb-missing")).to_be_hidden()


def test_going_back_shows_the_latest_choice(visit: Open) -> None:
    """Switcher and code agree, though the browser remembers how the switcher was left."""
    page = visit("getting_started/first_steps.html")
    switch(page, "mlx")
    page.locator(".mb-turn [rel=next]").click()
    page.wait_for_url("**/getting_started/**")
    page.wait_for_load_state()
    assert "first_steps" not in page.url
    switch(page, "jax")
    page.go_back()
    page.wait_for_url("**/first_steps.html")
    page.wait_for_function("document.readyState === 'complete'")
    page.wait_for_timeout(200)
    assert_shows(page, "jax")


def test_a_line_leads_to_the_code_that_a_view_hides(visit: Open) -> None:
    page = visit(f"{HIDING}.html")
    line = page.locator(".mb-elsewhere", has_text="PyTorch and JAX only").nth(2)
    before = line.locator("xpath=preceding-sibling::*[1]")
    line.scroll_into_view_if_needed()
    place = before.bounding_box()["y"]
    line.get_by_role("button", name="Show JAX").press("Enter")
    assert_shows(page, "jax")
    assert before.bounding_box()["y"] == pytest.approx(place, abs=2)
    focus = page.locator(":focus")  # is on the code, so that the keyboard goes on from there
    assert focus.locator("xpath=preceding-sibling::*[2]").inner_text() == before.inner_text()
    expect(focus.locator("pre").first).to_be_visible()
    assert page.evaluate("localStorage.getItem('mithril-backend')") == "jax"
    switch(page, "all")
    expect(page.locator(".mb-elsewhere:visible")).to_have_count(0)


def test_without_javascript_the_line_is_plain(visit: Open) -> None:
    page = visit(f"{HIDING}.html", java_script_enabled=False)
    line = page.locator(".mb-elsewhere:visible").first
    assert line.inner_text().strip() == "This code runs on PyTorch and JAX only."
    expect(page.locator(".mb-elsewhere button:visible")).to_have_count(0)


def test_a_page_without_the_backend_says_so(visit: Open, tiny_address: str) -> None:
    page = visit("both.html", at=tiny_address)
    switch(page, "jax")
    assert page.get_by_text("A passage.").is_visible()
    page.goto(f"{tiny_address}/one.html")
    note = page.locator(".mb-missing")
    assert note.inner_text() == "This page has no JAX view: it cannot be. It shows NumPy."
    assert backend_cell(page, "numpy").is_visible()
    page.goto(f"{tiny_address}/both.html")  # the choice is not lost on the way
    assert page.locator(".mb-switch input:checked").input_value() == "jax"
    linked = visit("one.html?backend=jax", at=tiny_address)
    assert linked.locator(".mb-missing").is_visible()
    assert linked.get_by_text("it cannot be.").filter(visible=True).count() == 1  # once
    plain = visit("one.html", at=tiny_address)
    assert plain.locator(".mb-missing").is_hidden()
    assert plain.get_by_text("Not on JAX: it cannot be.").is_visible()


# Compare.


def boxes(page: Page) -> list[list[dict[str, float]]]:
    groups = page.locator(".mb-variants").all()
    return [[pane.bounding_box() for pane in group.locator("> .mb-pane").all()] for group in groups]


def assert_labelled(page: Page) -> None:
    for pane in page.locator(".mb-pane").all():
        label = pane.locator(".mb-label:visible").first
        names = pane.get_attribute("data-backends").split()
        assert label.inner_text() == ", ".join(TITLES[name] for name in names)


def test_compare_sets_the_variants_side_by_side(visit: Open) -> None:
    page = visit()
    switch(page, "all")
    assert page.locator("[data-backends]").evaluate_all("all => all.every(e => getComputedStyle(e).display !== 'none')")
    assert all(backend_cell(page, backend).is_visible() for backend in BACKENDS)
    assert_labelled(page)
    groups = [group for group in boxes(page) if len(group) > 1]
    assert groups
    for first, second, *_ in groups:
        assert first["y"] == second["y"] and first["x"] + first["width"] <= second["x"]


def test_compare_stacks_the_variants_on_a_phone(visit: Open) -> None:
    page = visit("index.html?backend=all", viewport=PHONE)
    assert_labelled(page)
    for first, second, *_ in [group for group in boxes(page) if len(group) > 1]:
        assert first["x"] == second["x"] and first["y"] + first["height"] <= second["y"]


def test_compare_labels_passages(visit: Open, tiny_address: str) -> None:
    page = visit("both.html?backend=all", at=tiny_address)
    assert_labelled(page)
    switch(page, "jax")
    assert page.locator(".mb-compare:visible").count() == 0


def test_the_switcher_is_one_line_on_a_phone(visit: Open) -> None:
    page = visit(viewport=PHONE)
    assert len({label.bounding_box()["y"] for label in page.locator(".mb-switch label").all()}) == 1


# Less than a full browser.


def test_without_javascript_the_first_view_is_whole(visit: Open, site: Path, record: dict) -> None:
    page = visit(f"{PLAIN}.html", java_script_enabled=False)
    expect(page.locator(".mb-switch")).to_be_hidden()
    expect(page.locator(".mb-missing")).to_have_count(0)
    for pane in page.locator(".bd-article [data-backends]").all():
        seen = pane.locator("xpath=.").evaluate("e => getComputedStyle(e).display !== 'none'")
        assert seen == ("numpy" in pane.get_attribute("data-backends").split())
        assert pane.text_content().strip()
    for name in BACKENDS:
        expect(backend_cell(page, name)).to_be_visible(visible=name == "numpy")
    # The view holds every cell of the NumPy notebook, each with an output where it has one there.
    made = nbformat.read(site / "_downloads" / "pages" / f"{PLAIN}-numpy.ipynb", as_version=4)
    cells = [cell for cell in made.cells if cell.cell_type == "code"]
    assert len(cells) == record["pages"][PLAIN]["backends"]["numpy"]["cells"]
    assert page.locator(".cell_input:visible").count() == len(cells)
    assert len(outputs(page)) == sum(bool(cell.outputs) for cell in cells)


def test_blocked_storage_still_switches(browser: Browser, address: str) -> None:
    with browser.new_context() as context:
        context.add_init_script(
            "Object.defineProperty(window, 'localStorage', {get() { throw new DOMException('no', 'SecurityError') }})"
        )
        page = context.new_page()
        page.goto(f"{address}/index.html?backend=jax")
        assert_shows(page, "jax")
        switch(page, "torch")
        assert_shows(page, "torch")
        assert asked_for(page) == "torch"


def test_print_names_and_shows_the_chosen_backend(visit: Open) -> None:
    page = visit(f"{PLAIN}.html?backend=jax")
    page.emulate_media(media="print")
    assert page.locator(".mb-switch span:visible").all_inner_texts() == ["JAX"]
    before, after = (
        page.evaluate(f"getComputedStyle(document.querySelector('{of}'), '::{which}').content")
        for of, which in ((".mb-switch", "before"), (".mb-run:not([data-backends=numpy])", "after"))
    )
    assert before == '"Shown here: "' and after == "none"  # no dot behind the last link
    for part in (".mb-bar button", ".navbar-brand", ".bd-sidebar-primary", ".bd-sidebar-secondary", ".mb-home"):
        expect(page.locator(part).filter(visible=True)).to_have_count(0)
    assert_shows(page, "jax")


def test_print_is_light(visit: Open) -> None:
    """Also from the dark theme, which is there again afterwards."""
    page = visit(f"{PLAIN}.html", color_scheme="dark")
    seen = """() => ["body", ".cell_input .mi", ".bd-article h1", ".mb-ran"].map(
        (selector) => getComputedStyle(document.querySelector(selector)).color)"""
    page.evaluate(f"addEventListener('beforeprint', () => (window.printed = ({seen})()))")
    page.pdf()
    assert luminance(page) < 0.2
    light = visit(f"{PLAIN}.html", color_scheme="light")
    assert page.evaluate("window.printed") == light.evaluate(seen)


def test_what_has_the_focus_has_the_color_of_the_site(visit: Open) -> None:
    """Rings, and the link past the bar, whose words can be read on it."""
    for scheme in ("light", "dark"):
        page = visit(color_scheme=scheme)
        page.keyboard.press("Tab")
        link = page.locator(".skip-link a").first
        expect(link).to_be_focused()
        ground, words, accent = page.evaluate("""() => {
            const probe = document.body.appendChild(document.createElement("i"));
            const color = (value) => { probe.style.color = value; return getComputedStyle(probe).color; };
            const bar = document.querySelector(".skip-link");
            const own = [getComputedStyle(bar).backgroundColor, getComputedStyle(bar.querySelector("a")).color];
            return [...own, color("var(--pst-color-primary)")];
        }""")
        assert ground == accent and words != accent
        page.locator(".bd-article a[href]").first.focus()
        page.keyboard.press("Tab")
        assert page.evaluate("getComputedStyle(document.activeElement).outlineColor") == accent


# Themes.


def luminance(page: Page, of: str = "backgroundColor") -> float:
    """Of the page's ground, or of its text, from 0 to 1."""
    color = page.evaluate(f"getComputedStyle(document.body).{of}")
    return sum(float(part) for part in re.findall(r"[\d.]+", color)[:3]) / (3 * 255)


def test_the_theme_follows_the_system(visit: Open) -> None:
    dark, light = visit(color_scheme="dark"), visit(color_scheme="light")
    assert luminance(dark) < 0.2 < 0.6 < luminance(dark, "color")
    assert luminance(light, "color") < 0.3 < 0.9 < luminance(light)


def test_the_reader_chooses_the_theme(visit: Open) -> None:
    page = visit(color_scheme="light")
    for mode, low, high in (("Dark", 0, 0.2), ("Light", 0.9, 1), ("System Settings", 0.9, 1), ("Dark", 0, 0.2)):
        page.get_by_role("button", name="Color mode").click()
        page.get_by_role("button", name=mode).click()
        assert low <= luminance(page) <= high, mode
    page.reload()
    assert luminance(page) < 0.2


# Downloads.


def test_downloads_are_of_the_chosen_backend(visit: Open) -> None:
    page = visit("getting_started/hello_world.html?backend=jax")
    page.get_by_text("Run this page yourself").click()
    assert "jax==" in page.locator(".mb-home pre:visible").inner_text()
    with page.expect_download() as found:
        page.get_by_role("link", name="Notebook for JAX").click()
    assert found.value.suggested_filename == "hello_world-jax.ipynb"
    made = nbformat.read(found.value.path(), as_version=4)
    nbformat.validate(made)
    code = "\n".join(cell.source for cell in made.cells if cell.cell_type == "code")
    assert "ml.JaxBackend()" in code and "NumpyBackend" not in code
    assert any(cell.outputs for cell in made.cells if cell.cell_type == "code")
    with page.expect_download() as found:
        page.get_by_role("link", name="Script for JAX").click()
    script = Path(found.value.path()).read_text(encoding="utf-8")
    assert "ml.JaxBackend()" in script
    compile(script, "hello_world", "exec")


# Finding one's way.


LONG = ("concepts/shapes", "reference/api/compile", "reference/models/convolution", "reference/errors/shapes")
SIZES = pytest.mark.parametrize("size", [DESK, PHONE], ids=["desk", "phone"])


def box(place: Locator) -> dict[str, float]:
    """Where an element is: its sides, in pixels of what is seen."""
    return place.evaluate(
        "e => { const {top, bottom, left, right} = e.getBoundingClientRect(); return {top, bottom, left, right} }"
    )


@SIZES
@pytest.mark.parametrize("name", ["concepts/shapes", "search"])
def test_one_bar_holds_the_tools_and_stays(name: str, size: dict, visit: Open) -> None:
    page = visit(f"{name}.html", viewport=size)
    page.evaluate("scrollTo({top: 900, behavior: 'instant'})")
    bar = box(page.locator(".mb-bar"))
    assert bar["top"] == 0 and bar["bottom"] <= (110 if size is PHONE and name != "search" else 60)
    tools = [".navbar-brand", ".search-button__button", ".theme-switch-button"]
    tools += [".primary-toggle"] if size is PHONE else []
    tools += [".mb-switch"] if name != "search" else []
    tools += [".secondary-toggle"] if size is PHONE and name != "search" else []
    assert page.locator(".mb-bar :is(a, button, fieldset):visible").count() == len(tools)
    places = [box(page.locator(f".mb-bar {tool}")) for tool in tools]
    for place in places:
        assert 0 <= place["left"] < place["right"] <= size["width"]
        assert 0 <= place["top"] < place["bottom"] <= bar["bottom"]
    for n, one in enumerate(places):
        for other in places[:n]:
            apart = one["right"] <= other["left"] or other["right"] <= one["left"]
            assert apart or one["bottom"] <= other["top"] or other["bottom"] <= one["top"]
    # Nothing lies over it.
    over = "x => document.elementFromPoint(x, 5).closest('.mb-bar') !== null"
    assert all(page.evaluate(over, x) for x in range(5, size["width"] - 20, 40))


@SIZES
@pytest.mark.parametrize("name", LONG)
def test_what_a_link_leads_to_is_below_the_bar(name: str, size: dict, visit: Open) -> None:
    page = visit(f"{name}.html", viewport=size)
    found = page.evaluate("""async () => {
      const bar = document.querySelector(".mb-bar"), found = [];
      for (const e of document.querySelectorAll(".bd-article :is(h1, h2, h3, h4, dt[id])")) {
        if (!e.checkVisibility()) continue;
        location.hash = e.id || e.closest("section").id;
        await new Promise(requestAnimationFrame);
        found.push([e.textContent, e.getBoundingClientRect().top - bar.getBoundingClientRect().bottom]);
      }
      return found;
    }""")
    assert len(found) > 5
    assert not [(words, below) for words, below in found if not 0 <= below < size["height"] - 120]


def test_a_link_from_another_page_leads_below_the_bar(visit: Open) -> None:
    for size in (DESK, PHONE):
        page = visit("getting_started/first_steps.html#train", viewport=size)
        assert box(page.locator(".mb-bar"))["bottom"] <= box(page.locator("#train > h2"))["top"] < 250


@SIZES
def test_the_tab_key_leads_below_the_bar(size: dict, visit: Open) -> None:
    page = visit("concepts/shapes.html", viewport=size)
    page.locator(".mb-turn a").first.focus()
    seen = 0
    for _ in range(60):
        page.keyboard.press("Shift+Tab")
        place = page.evaluate("""() => {
          const e = document.activeElement.closest(".bd-article *");
          return e && e.getBoundingClientRect().top - document.querySelector(".mb-bar").getBoundingClientRect().bottom;
        }""")
        if place is not None:
            seen += 1
            assert place >= 0
    assert seen > 20


def test_what_is_in_the_bar_scrolls_nothing(visit: Open) -> None:
    for size in (DESK, PHONE):
        page = visit("concepts/shapes.html", viewport=size)
        page.evaluate("scrollTo({top: 1500, behavior: 'instant'})")
        for tool in page.locator(".mb-bar :is(a, button, input:checked)").all():
            if tool.is_visible():
                tool.focus()
                assert page.evaluate("scrollY") == 1500


@SIZES
@pytest.mark.parametrize("name", ["index", "concepts/shapes", "reference/models/convolution"])
def test_nothing_moves_while_a_page_opens(name: str, size: dict, visit: Open, address: str) -> None:
    page = visit("search.html", viewport=size)
    page.add_init_script("""window.moved = []; new PerformanceObserver((list) => {
      for (const { value, sources } of list.getEntries()) moved.push([value, sources.map((s) => s.node?.className)]);
    }).observe({type: "layout-shift", buffered: true})""")
    page.goto(f"{address}/{name}.html", wait_until="load")
    page.evaluate("document.fonts.ready.then(() => new Promise((done) => setTimeout(done, 300)))")
    assert page.evaluate("window.moved") == []


@pytest.mark.parametrize("name", ["concepts/shapes", "reference/models/losses", "reference/errors/shapes", "index"])
def test_the_sidebar_shows_the_section_that_one_is_in(name: str, visit: Open) -> None:
    page = visit(f"{name}.html")
    sidebar = page.locator(".bd-sidebar-primary nav[aria-label=Main]")
    assert sidebar.locator("details[open]").count() == (name != "index")
    assert sidebar.locator("a:visible").count() <= 22
    if name != "index":
        current = sidebar.locator("a[aria-current=page]")
        expect(current).to_be_visible()
        expect(current).to_be_in_viewport()
        assert urljoin(page.url, current.get_attribute("href")) == page.url


def test_no_page_unfolds_more_links_than_one_takes_in(site: Path, record: dict) -> None:
    for name in record["pages"]:
        html = BeautifulSoup(
            (site / f"{name}.html").read_text(encoding="utf-8"), "lxml", parse_only=SoupStrainer("nav")
        )
        links = html.select("nav[aria-label=Main] a")
        shown = [link for link in links if all(fold.has_attr("open") for fold in link.find_parents("details"))]
        assert len(links) >= len(record["pages"]) - 1
        assert sum(link.find_next_sibling("details") is None for link in shown) <= 22, name
        assert sum(link.get("aria-current") == "page" for link in shown) == (name != "index"), name


def test_the_sidebar_brings_the_page_into_view(visit: Open) -> None:
    """Also where the theme would put the sidebar back to where the last page left it."""
    page = visit("index.html", viewport={"width": 1280, "height": 420})
    page.evaluate("sessionStorage.setItem('sidebar-scroll-top', '0')")
    page.goto(urljoin(page.url, "reference/errors/frameworks.html"))
    expect(page.locator(".mb-nav a[aria-current=page]")).to_be_in_viewport()
    assert page.evaluate("scrollY") == 0


def test_a_section_of_the_sidebar_opens_by_keyboard(visit: Open) -> None:
    page = visit("concepts/shapes.html")
    section = page.locator(".mb-nav > details", has_text="Tutorials").last
    link = section.locator("a").first
    expect(link).to_be_hidden()
    section.locator("summary").first.focus()
    page.keyboard.press("Enter")
    expect(link).to_be_visible()


def test_the_menu_of_a_phone(visit: Open) -> None:
    page = visit("reference/errors/frameworks.html", viewport=PHONE)
    current = page.locator(".mb-nav a[aria-current=page]")
    expect(current).to_be_hidden()
    page.get_by_role("button", name="Menu").click()
    expect(current).to_be_in_viewport()
    page.keyboard.press("Escape")
    expect(current).to_be_hidden()
    expect(page.get_by_role("button", name="Menu")).to_be_focused()


def test_the_contents_of_a_phone(visit: Open) -> None:
    page = visit("reference/errors/shapes.html", viewport=PHONE)
    page.get_by_role("button", name="On this page").click()
    link = page.locator(".mb-toc a").nth(12)
    link.click()
    expect(link).to_be_hidden()
    heading = page.locator(f"{link.get_attribute('href')} h2")
    expect(heading).to_be_in_viewport()
    assert box(heading)["top"] >= box(page.locator(".mb-bar"))["bottom"]


def test_the_contents_show_where_one_is(visit: Open) -> None:
    page = visit("reference/errors/shapes.html")
    marked = page.locator(".mb-toc a[aria-current]")
    expect(marked).to_have_count(0)
    links = page.locator(".mb-toc a").all()
    assert len(links) > 20
    for n in (3, 15, len(links) - 1, 7):  # down, to the end, and up again
        words = links[n].inner_text()
        heading = page.locator(f"{links[n].get_attribute('href')} h2")
        heading.evaluate("e => scrollTo({top: scrollY + e.getBoundingClientRect().top - 120, behavior: 'instant'})")
        expect(marked).to_have_text(words)
        expect(marked).to_be_in_viewport()
    links[9].click()
    expect(marked).to_have_text(links[9].inner_text())


def test_the_pages_before_and_after_by_keyboard(visit: Open) -> None:
    """Across sections, in the order of the sidebar, by the titles that it shows."""
    page = visit("getting_started/faq.html")
    following = page.locator(".mb-turn a[rel=next]")
    assert following.inner_text().split() == ["Next", "Logical", "and", "physical", "models"]
    following.focus()
    page.keyboard.press("Enter")
    page.wait_for_url("**/logical_and_physical_models.html")
    assert page.locator(".mb-trail").inner_text() == "Concepts"
    page.locator(".mb-turn a[rel=prev]").click()
    page.wait_for_url("**/faq.html")


def test_where_a_page_ran_is_one_line(visit: Open) -> None:
    page = visit("concepts/shapes.html?backend=jax")
    head = page.locator(".mb-head")
    words = " ".join(head.inner_text().split())
    assert re.fullmatch(r"Ran on JAX [\d.]+ in [\d.]+ s · Notebook · Script Run this page yourself", words)
    assert head.bounding_box()["height"] < 30
    switch(page, "all")
    assert page.locator(".mb-run:visible").count() == len(BACKENDS)


def test_a_phone_without_javascript_has_the_sidebar_below(visit: Open) -> None:
    page = visit("concepts/shapes.html", viewport=PHONE, java_script_enabled=False)
    expect(page.locator(".mb-bar button:visible")).to_have_count(0)
    current = page.locator(".mb-nav a[aria-current=page]")
    expect(current).to_be_visible()
    assert page.locator(".mb-turn").bounding_box()["y"] < current.bounding_box()["y"]
