"""Figures of the real site, as a browser draws them: on the page's own ground, legible in both themes."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page

from support.browser import DESK
from support.places import SITE
from support.survey import pages_of, show, views

pytestmark = [pytest.mark.xdist_group("browser"), pytest.mark.takes(40)]

#: What has figures drawn into the page.
NAMES = [name for name in (pages_of(SITE) if SITE.exists() else []) if "<svg" in (SITE / f"{name}.html").read_text()]
#: Those that a page drew; a model's graph may be wider than the screen, and has no ground to begin with.
FIGURES = ".bd-article .mb-picture:visible"

#: Words, lines and bars that stand out too little from what lies under them. Under words it is the last area drawn
#: there; on an image they are left out, for it keeps the colors that its author chose with theirs.
_FAINT = r"""() => {
  const context = new OffscreenCanvas(1, 1).getContext("2d", {willReadFrequently: true});
  const parts = (color) => {
    context.clearRect(0, 0, 1, 1);
    context.fillStyle = color;
    context.fillRect(0, 0, 1, 1);
    const [r, g, b, a] = context.getImageData(0, 0, 1, 1).data;
    return {rgb: [r, g, b], alpha: a / 255};
  };
  const over = (color, opacity, ground) => {
    const {rgb, alpha} = parts(color);
    return ground.map((part, n) => part + (rgb[n] - part) * alpha * opacity);
  };
  const luminance = (rgb) => [0.2126, 0.7152, 0.0722].reduce((sum, factor, n) => {
    const part = rgb[n] / 255;
    return sum + factor * (part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4);
  }, 0);
  const contrast = (one, other) => {
    const [low, high] = [luminance(one), luminance(other)].sort((a, b) => a - b);
    return (high + 0.05) / (low + 0.05);
  };
  const page = parts(getComputedStyle(document.body).backgroundColor).rgb;
  const found = [];
  let words = 0, lines = 0;
  for (const svg of document.querySelectorAll(".bd-article svg[role=img]")) {
    if (!svg.checkVisibility()) continue;
    const drawn = [...svg.querySelectorAll("path, rect, use, image, text")].filter((e) => !e.closest("defs, clipPath"));
    drawn.forEach((e, place) => {
      const style = getComputedStyle(e), box = e.getBoundingClientRect();
      const tell = (what, color, opacity, least, ground = page) => {
        const ratio = contrast(over(color, opacity, ground), ground);
        if (ratio < least)
          found.push(`${what} ${ratio.toFixed(2)}: ${e.textContent || e.outerHTML.slice(0, 200)} of ${svg.ariaLabel}`);
      };
      if (e.matches("text")) {
        const middle = new DOMPoint(box.x + box.width / 2, box.y + box.height / 2);
        let ground = page, image = false;
        for (const under of drawn.slice(0, place)) {
          if (under.matches("image")) {
            const at = under.getBoundingClientRect();
            if (middle.x > at.left && middle.x < at.right && middle.y > at.top && middle.y < at.bottom) image = true;
          } else if (under.isPointInFill?.(middle.matrixTransform(under.getScreenCTM().inverse()))) {
            const area = getComputedStyle(under);
            if (area.fill === "none") continue;
            ground = over(area.fill, area.opacity * area.fillOpacity, ground);
            image = false;
          }
        }
        words += 1;
        if (!image) tell("words", style.fill, style.opacity * style.fillOpacity, 4.5, ground);
      } else if (style.fill === "none" && style.stroke !== "none") {
        lines += 1;
        // Matplotlib's grid and frame are thinner than a line of data.
        const thin = parseFloat(style.strokeWidth) <= 0.8;
        tell("line", style.stroke, style.opacity * style.strokeOpacity, thin ? 3 : 4.5);
      } else if (style.fill !== "none" && style.stroke === "none" && e.matches("path, use")) {
        tell("area", style.fill, style.opacity * style.fillOpacity, 3);
      }
    });
  }
  return {found, words, lines};
}"""


@pytest.fixture
def page(browser: Browser, address: str) -> Iterator[Page]:
    """A page on a desk, high enough for every picture."""
    with browser.new_context(viewport=DESK | {"height": 1600}, reduced_motion="reduce") as context:
        yield context.new_page()


def visit(page: Page, address: str, name: str, theme: str) -> None:
    """Open a page of the site in a theme, in the view that shows all figures."""
    page.goto(f"{address}/{name}.html")
    page.evaluate("mode => Object.assign(document.documentElement.dataset, {mode, theme: mode})", theme)
    if len(found := views(page)) > 1:
        show(page, found[-1])


def test_there_are_pictures(site: Path) -> None:
    assert {"tutorials/end_to_end/training", "concepts/shapes", "getting_started/first_steps"} <= set(NAMES)


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_words_and_lines_stand_out(theme: str, page: Page, address: str) -> None:
    problems = []
    words = lines = 0
    for name in NAMES:
        visit(page, address, name, theme)
        told = page.evaluate(_FAINT)
        problems += [f"{name}: {found}" for found in told["found"]]
        words, lines = words + told["words"], lines + told["lines"]
    assert words > 500 and lines > 100
    assert not problems, "\n".join(problems)


def test_a_picture_has_the_ground_of_the_page(page: Page, address: str) -> None:
    """In the dark the corner of every picture is not light: it looks the same with the picture and without it."""
    problems = []
    for name in NAMES:
        visit(page, address, name, "dark")
        for number, picture in enumerate(page.locator(FIGURES).all()):
            picture.evaluate("picture => picture.scrollIntoView({block: 'center'})")
            box = picture.bounding_box()
            corner = {"x": box["x"], "y": box["y"], "width": 3, "height": 3}
            seen = page.screenshot(clip=corner)
            picture.evaluate("picture => picture.style.opacity = 0")
            if seen != page.screenshot(clip=corner):
                problems.append(f"{name}, picture {number + 1}")
        light = page.evaluate(
            "getComputedStyle(document.body).backgroundColor.match(/\\d+/g).some((part) => part > 60)"
        )
        assert not light
        others = page.locator(".bd-article .cell_output img").count()
        problems += [f"{name} has {others} pictures that know no theme"] * bool(others)
    assert not problems
