"""The contract that every page of the real site keeps. Nothing is executed here."""

from __future__ import annotations

import re
import subprocess
import sys

import pytest
from conftest import EXTENSION, ROOT

sys.path.insert(0, str(EXTENSION))
from mithril_docs.page import Page, find_pages

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
