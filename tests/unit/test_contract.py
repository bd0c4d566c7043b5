"""The contract that every page of the real site keeps. Nothing is executed here."""

from __future__ import annotations

import builtins
import re
import subprocess

import pytest

from mithril_docs.errors.raises import places
from mithril_docs.page import Page, find_pages
from mithril_docs.reference import package
from support.places import ROOT

PAGES = find_pages(ROOT / "docs")
#: Words that sell or fill.
BANNED = re.compile(
    r"\b(simply|powerful|seamless\w*|effortless\w*|blazing\w*|cutting-edge|leverag\w+|in conclusion)\b", re.I
)


@pytest.fixture(params=PAGES, ids=lambda page: page.name)
def page(request: pytest.FixtureRequest) -> Page:
    return request.param


def test_there_are_pages() -> None:
    assert {"index", "getting_started/hello_world", "verification"} <= {page.name for page in PAGES}


def test_contract(page: Page) -> None:
    assert not page.problems


def test_description_fits_a_search_result(page: Page) -> None:
    assert 40 <= len(page.front["description"]) <= 160


def test_code_stands_within_the_first_screen(page: Page) -> None:
    if page.runs:
        first = next(cell for cell in page.cells if cell.code)
        before = " ".join(cell.source for cell in page.cells[: first.index])
        before = re.sub(r"^```\{index\}.*?^```$", "", before, flags=re.MULTILINE | re.DOTALL)  # nobody sees them
        assert len(before.split()) < 220 or page.name == "getting_started/installation"


def test_code_fits_a_phone(page: Page) -> None:
    for cell in page.cells:
        if cell.code:
            assert max(map(len, cell.source.splitlines())) <= 79, cell.source


def test_a_page_ends_in_a_check(page: Page) -> None:
    if page.runs and page.name != "getting_started/installation":
        asserted = [cell.number for cell in page.cells if cell.code and "assert " in cell.source]
        total = max(cell.number for cell in page.cells)
        assert asserted and asserted[-1] >= total - 2


def test_a_concept_has_its_parts(page: Page) -> None:
    """The idea, an example, a practical use, mistakes that run, and a check, in that order."""
    if "R1.3b" not in page.roadmap:
        return
    headings = [row.strip("# ") for row in headings_of(page) if row.startswith("## ")]
    parts = ["The idea", "The smallest example", "In practice", "Mistakes people make", "Check", "Next"]
    places = [next((i for i, row in enumerate(headings) if row.startswith(part)), None) for part in parts]
    assert None not in places and places == sorted(places), headings
    section = ""
    cells: dict[str, int] = {}
    for cell in page.cells:
        if cell.code:
            cells[section] = cells.get(section, 0) + 1
        else:
            section = [section, *re.findall(r"^## (.*)$", cell.source, re.MULTILINE)][-1]
    assert all(cells.get(headings[place]) for place in places[1:5]), cells


def headings_of(page: Page) -> list[str]:
    return [row for cell in page.cells if not cell.code for row in cell.source.splitlines() if row.startswith("#")]


def test_names_in_prose_exist(page: Page) -> None:
    """A name of Mithril's that prose sets as code is one that the installed package has."""
    code = "\n".join(cell.source for cell in page.cells if cell.code)
    code += "\n".join(path.read_text(encoding="utf-8") for path in page.files if path.suffix == ".py")
    code += " ".join(block.argument for _, block in page.walk() if block.name == "literalinclude")
    known = {*package.models(), *dir(package.installed()), *dir(builtins), *re.findall(r"\w+", code)}
    known |= {name for place in places() for name in place.scope.split(".")}  # what raises may be no public name
    known |= {name for cell in page.cells for words in cell.metadata.get("raises", {}).values() for name in words}
    unknown = []
    for cell in page.cells:
        if cell.code:
            continue
        for name in re.findall(r"(?<!`)`([A-Za-z][\w.]*)(?:\(.*?\))?`(?!`)", cell.source):
            if name.startswith("ml."):
                try:
                    package.resolve(f"mithril.{name.removeprefix('ml.')}")
                except AttributeError:
                    asked = f'"{name.removeprefix("ml.")}"' in code  # by a cell, which shows that it is missing
                    unknown += [] if asked else [name]
            elif re.match(r"[A-Z][a-z]+[A-Z]?\w*$", name) and name.partition("_")[0] not in known:
                unknown.append(name)
    assert not unknown


def test_pictures_have_words(page: Page) -> None:
    """A cell that shows a figure says in words what it shows."""
    for cell in page.cells:
        if cell.code and "plt.show()" in cell.source:
            assert cell.metadata.get("mystnb", {}).get("image", {}).get("alt"), f"cell {cell.number} lacks alt text"


def test_no_filler(page: Page) -> None:
    for cell in page.cells:
        if not cell.code:
            assert not (found := BANNED.search(cell.source)), found


def test_no_outputs_or_notebooks_are_kept() -> None:
    kept = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True).stdout.split()
    assert not [name for name in kept if name.endswith((".ipynb", ".html")) and not name.startswith("docs/_templates")]


def test_constraints_hold_pins_and_no_addresses() -> None:
    for path in (ROOT / "constraints").glob("*.txt"):
        rows = [row for row in path.read_text().splitlines() if row and not row.startswith("#")]
        assert all(re.match(r"^[\w.\[\]-]+==\S+", row) for row in rows), path
        assert "://" not in path.read_text()
