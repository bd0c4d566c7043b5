"""One visit to every page of a built site in a browser: is it sound and accessible, which kinds of element has it.

The visit looks at a page with what is cheap. A full pass of axe-core, in every view, in both sizes and both themes,
takes many times as long, and is made on a smallest set of pages that has every kind of element of the site; the set
is computed from the visits, so that it forgets none.
"""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from axe_playwright_python.base import AXE_SCRIPT
from playwright.sync_api import Browser, Page

from support.browser import DESK, PHONE, chromium

#: What one page may transfer, pictures aside.
BYTES = 250_000
#: Rules that look at every word's color, and take nine tenths of axe's time.
COLORS = ["color-contrast", "link-in-text-block"]

#: Thousands of words of code bear one of some twenty colors. One word of each color is enough to look at.
_THIN = """() => {
  const seen = new Set();
  const more = [...document.querySelectorAll("pre span:not(:has(*))")].filter((word) => {
    const kind = [word.className, getComputedStyle(word).color, !!word.closest(".cell_output")].join();
    return seen.has(kind) || !seen.add(kind);
  });
  for (const word of more) word.replaceWith(word.textContent);
}"""
_AXE = """async ([parts, options]) =>
  (await axe.run(parts ? {include: [[parts]]} : document, {
    resultTypes: ["violations"], preload: false, ...options
  })).violations.flatMap((rule) =>
    rule.nodes.map((node) => `${rule.id}: ${node.target.join(" ")}: ${node.failureSummary.split("\\n")[1].trim()}`)
  )"""
_SOUND = r"""async () => {
  const all = (selector) => [...document.querySelectorAll(selector)], found = [];
  const h1 = all("h1").filter((e) => e.checkVisibility());  // the theme keeps another for paper
  if (h1.length !== 1) found.push(`${h1.length} h1`);
  if (!document.documentElement.lang) found.push("no language");
  if (!document.querySelector("meta[name=description]")?.content.trim()) found.push("no description");
  for (const image of all(".bd-article img")) {
    if (/^\s*$|\.\w{3,4}$/.test(image.alt)) found.push(`no alt text: ${image.src}`);  // a file is no text
    image.loading = "eager";
    await image.decode();
    const stretched = image.height / image.width / (image.naturalHeight / image.naturalWidth);
    if (Math.abs(stretched - 1) > 0.03) found.push(`stretched ${stretched.toFixed(2)} times: ${image.src}`);
  }
  for (const picture of all(".bd-article svg[role=img]")) {
    const ids = (picture.getAttribute("aria-labelledby") ?? "").split(" ");
    const named = ids.map((id) => document.getElementById(id)?.textContent ?? "").join(" ");
    const label = picture.getAttribute("aria-label") ?? named;
    if (/^\s*$|\.\w{3,4}$/.test(label)) found.push(`no words for a picture: ${label}`);
  }
  for (const pre of all(".cell_output pre"))
    if (/^<Figure size/.test(pre.textContent)) found.push(`a picture is missing: ${pre.textContent}`);
  return found;
}"""
#: The kinds of the page's elements: tag, role, the names of the attributes that mean something to axe, the tag above,
#: and the color of the text on its ground. Elements that are not shown have none. Where it is asked to mark them, the
#: first element with text of each kind gets the attribute data-first, and others lose it.
_KINDS = """(mark) => {
  const grounds = new Map([[null, ["", 1]]]);  // the color behind an element, and how opaque the element is
  const groundOf = (e) => {
    if (!grounds.has(e)) {
      const { backgroundColor, opacity } = getComputedStyle(e), [behind, before] = groundOf(e.parentElement);
      grounds.set(e, [/, 0\\)$|transparent/.test(backgroundColor) ? behind : backgroundColor, before * opacity]);
    }
    return grounds.get(e);
  };
  const kinds = new Map();
  for (const e of document.body.querySelectorAll("*")) {
    if (!e.checkVisibility() || e.closest("svg, math") && !e.matches("svg, math, svg text")) continue;
    const names = e.getAttributeNames().filter((n) => /^(aria|role|tab|alt|type|lang|scope|open|for)/.test(n)).sort();
    const style = getComputedStyle(e);
    const large = parseFloat(style.fontSize) >= 24 || (parseFloat(style.fontSize) >= 18.66 && style.fontWeight >= 700);
    const text = [...e.childNodes].some((n) => n.nodeType === 3 && n.data.trim());
    const color = text ? `${style.color} on ${groundOf(e).join()}${large ? " large" : ""}` : "";
    const kind = [e.tagName, e.getAttribute("role"), names, e.parentElement?.tagName, color].join(" ");
    if (!kinds.has(kind)) kinds.set(kind, text ? e : null);
  }
  if (mark) {
    for (const e of document.querySelectorAll("[data-first]")) e.removeAttribute("data-first");
    for (const e of kinds.values()) e?.setAttribute("data-first", "");
  }
  return [...kinds.keys()];
}"""


@dataclasses.dataclass
class Visit:
    """What a visit found: what is wrong with the page, the kinds of its elements, and how many elements it has."""

    problems: list[str]
    kinds: set[str]
    elements: int


def views(page: Page) -> list[str]:
    """The values of a page's switcher; none where it has no switcher."""
    return page.locator(".mb-switch input").evaluate_all("radios => radios.map(radio => radio.value)")


def show(page: Page, view: str) -> None:
    """Show a view, as a click on its name does."""
    page.evaluate("view => document.querySelector(`.mb-switch input[value=${view}]`).click()", view)


def in_browsers(names: list[str], visit: Callable[[Browser, str], Any]) -> dict[str, Any]:
    """What visits to pages gave, a browser for each core."""
    jobs = os.cpu_count() or 1

    def some(turn: list[str]) -> list[tuple[str, Any]]:
        with chromium() as browser:
            return [(name, visit(browser, name)) for name in turn]

    with ThreadPoolExecutor(jobs) as threads:
        return dict(pair for part in threads.map(some, [names[n::jobs] for n in range(jobs)]) for pair in part)


def visit(browser: Browser, address: str, name: str) -> Visit:
    """Visit a page on a phone: nothing from elsewhere, nothing failing, light, described, no wider than the screen.

    In the view that holds what all views hold, axe runs with the rules that do not look at colors.
    """
    problems: list[str] = []
    requests: list[Any] = []
    own = (f"{address}/", "data:", "blob:")
    with browser.new_context(viewport=PHONE, reduced_motion="reduce") as context:
        page = context.new_page()
        page.on("console", lambda m: m.type in ("error", "warning") and problems.append(f"console: {m.text}"))
        page.on("pageerror", lambda error: problems.append(f"error: {error}"))
        page.on("requestfailed", lambda request: problems.append(f"failed: {request.url}"))
        page.on("response", lambda r: r.status >= 400 and problems.append(f"{r.status}: {r.url}"))
        page.on("request", lambda r: r.url.startswith(own) or problems.append(f"another host: {r.url}"))
        page.on("requestfinished", lambda request: requests.append(request))
        page.goto(f"{address}/{name}.html", wait_until="load")
        counted = [r for r in requests if r.resource_type != "image" and r.url.startswith(address)]
        sizes = {r.url.removeprefix(address): _transferred(r.sizes()) for r in counted}
        if sum(sizes.values()) > BYTES:
            problems.append(f"transfers {sum(sizes.values())} bytes: {sizes}")
        problems += page.evaluate(_SOUND)
        for view in views(page) or [""]:
            if view:
                show(page, view)
            wide = page.evaluate("document.documentElement.scrollWidth - innerWidth")
            if wide > 0:
                problems.append(f"{wide} px too wide on {view or 'a phone'}")
        _prepare(page)
        kinds = {f"phone {kind}" for kind in page.evaluate(_KINDS)}
        problems += _look(page)
        page.set_viewport_size(DESK)
        for theme in ("light", "dark"):
            _theme(page, theme)
            kinds |= {f"{theme} {kind}" for kind in page.evaluate(_KINDS)}
        elements = page.evaluate("document.body.querySelectorAll('*').length")
    return Visit(problems, kinds, elements)


def full_pass(browser: Browser, address: str, name: str, whole: bool = False) -> list[str]:
    """What axe-core finds on a page, in every view on a desk, in the last one on a phone, light and dark.

    Compare, the last view, holds all that any view shows, and a theme changes colors alone: there, in both themes, the
    colors of one text of each kind are looked at. ``whole`` looks at every text, and at every view on a phone too.
    """
    problems = []
    for size in (PHONE, DESK):
        with browser.new_context(viewport=size, reduced_motion="reduce") as context:
            page = context.new_page()
            page.goto(f"{address}/{name}.html")
            _prepare(page)
            all_views = views(page) or ["the page"]
            for view in all_views if whole or size == DESK else all_views[-1:]:
                if len(all_views) > 1:
                    show(page, view)
                problems += [f"{size['width']} px, {view}: {words}" for words in _look(page)]
            for theme in ("light", "dark"):
                _theme(page, theme)
                problems += [f"{size['width']} px: {theme}: {words}" for words in _look_at_colors(page, whole)]
    return problems


def smallest_cover(visits: dict[str, Visit]) -> list[str]:
    """Pages that have every kind, few and short: the one with the most missing for its length, again and again."""
    left = set().union(*(found.kinds for found in visits.values()))
    chosen = []
    while left:
        best = max(sorted(visits), key=lambda name: len(visits[name].kinds & left) / visits[name].elements)
        chosen.append(best)
        left -= visits[best].kinds
    return chosen


def pages_of(site: Path) -> list[str]:
    """Every page of a built site, also those that Sphinx makes itself."""
    found = (path.relative_to(site).with_suffix("").as_posix() for path in site.rglob("*.html"))
    return sorted(name for name in found if not name.startswith("_"))


def _prepare(page: Page) -> None:
    page.evaluate("document.querySelectorAll('details').forEach((details) => (details.open = true))")
    page.evaluate(_THIN)
    page.evaluate(AXE_SCRIPT)


def _theme(page: Page, theme: str) -> None:
    page.evaluate("mode => Object.assign(document.documentElement.dataset, {mode, theme: mode})", theme)


def _look(page: Page) -> list[str]:
    """What axe finds, colors aside."""
    return page.evaluate(_AXE, [None, {"rules": {rule: {"enabled": False} for rule in COLORS}}])


def _look_at_colors(page: Page, whole: bool) -> list[str]:
    """What axe finds in the colors of every text, or of the first text of each kind."""
    if not whole:
        page.evaluate(_KINDS, True)
    return page.evaluate(_AXE, [None if whole else "[data-first]", {"runOnly": COLORS}])


def _transferred(sizes: dict[str, int]) -> int:
    return sizes["responseBodySize"] + sizes["responseHeadersSize"]
