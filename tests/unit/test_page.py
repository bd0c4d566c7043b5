"""A page as it is read: what of it steers an execution, and that reading it twice gives the same. Nothing runs here."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from mithril_docs import page as reading
from mithril_docs.backends import BACKENDS
from mithril_docs.page import Page, find_pages, read_page, swap_class
from support.tiny import BACKEND, IMPORT, TinySite, cell

Change = Callable[[str], str]

CELLS = (
    cell("x = y = 1", ":tags: [show]"),
    cell("y = 1", ":parity: {y: 0.1}"),
    cell("1", ":backends: [jax]"),
    cell("raise ValueError('as declared')", ":raises: {all: {ValueError: as declared}}"),
)


def write(tiny: TinySite) -> Path:
    """A page with all that may steer an execution."""
    (tiny.docs).mkdir()
    (tiny.docs / "data.txt").write_text("one")
    return tiny.page("page", IMPORT, BACKEND, *CELLS, "Some prose.\n", extra="timeout: 50\nfiles: [data.txt]")


def read(path: Path) -> Page:
    page = read_page(path, path.parent)
    assert page.problems == ()
    return page


#: What is changed, and on which backends the page is then executed anew.
CHANGES: dict[str, tuple[Change, set[str]]] = {
    "nothing": (lambda text: f"{text}", set()),
    "prose": (lambda text: text.replace("Some prose", "Other prose"), set()),
    "description": (lambda text: text.replace("description: A page", "description: The page"), set()),
    "looks": (lambda text: text.replace(":tags: [show]", ":tags: [hide-input]"), set()),
    "alt text": (lambda text: text.replace(":tags: [show]", ":mystnb: {image: {alt: words}}"), set()),
    "tolerance": (lambda text: text.replace("parity: {y: 0.1}", "parity: {y: 0.2}"), set()),
    "code": (lambda text: text.replace("x = y = 1", "x = y = 2"), {*BACKENDS}),
    "timing": (lambda text: text.replace(":tags: [show]", ":tags: [timing]"), {*BACKENDS}),
    "recorded": (lambda text: text.replace(":tags: [show]", ":parity: {x: 0.5}"), {*BACKENDS}),
    "declared words": (lambda text: text.replace("ValueError: as declared}", "ValueError: as}"), {*BACKENDS}),
    "declared kind": (lambda text: text.replace("{ValueError: as declared", "{Exception: as declared"), {*BACKENDS}),
    "declared once": (lambda text: text.replace("{all: {Value", "{mlx: {Value"), {*BACKENDS} - {"mlx"}),
    "timeout": (lambda text: text.replace("timeout: 50", "timeout: 60"), {*BACKENDS}),
    "no files": (lambda text: text.replace("files: [data.txt]\n", ""), {*BACKENDS}),
    "moved to another backend": (lambda text: text.replace("backends: [jax]", "backends: [torch]"), {"jax", "torch"}),
    "one backend more": (lambda text: text.replace("backends: [jax]", "backends: [jax, numpy]"), {"numpy"}),
    # Outputs are kept by a cell's number, which a cell for others moves.
    "number": (lambda text: text.replace(BACKEND, BACKEND + cell("2", ":backends: [jax]")), {*BACKENDS}),
    "class": (lambda text: text.replace("backend = ml.NumpyBackend()", "b = ml.NumpyBackend()"), {*BACKENDS}),
}


@pytest.mark.parametrize("kind", CHANGES)
def test_what_steers_an_execution(tiny: TinySite, kind: str) -> None:
    change, backends = CHANGES[kind]
    path = write(tiny)
    before, text = read(path), path.read_text()
    path.write_text(change(text))
    assert kind == "nothing" or path.read_text() != text
    after = read(path)
    assert {name for name in BACKENDS if before.digest(name) != after.digest(name)} == backends


def test_a_local_file_steers_it_too(tiny: TinySite) -> None:
    page = read(write(tiny))
    before = page.digest("numpy")
    (tiny.docs / "data.txt").write_text("two")
    assert page.digest("numpy") != before
    (tiny.docs / "data.txt").write_text("one")
    assert page.digest("numpy") == before


def test_a_file_that_is_not_there_is_a_problem(tiny: TinySite) -> None:
    path = write(tiny)
    (tiny.docs / "data.txt").unlink()
    page = read_page(path, tiny.docs)
    assert page.problems == ((1, "file 'data.txt', named in 'files', does not exist"),)


def test_only_the_class_is_swapped(tiny: TinySite) -> None:
    """In the ``backend`` cell, wherever it stands in it; other cells, strings and comments stay as they are."""
    code = "name = 'ml.NumpyBackend'  # ml.NumpyBackend\né = 1; backend = ml.NumpyBackend(precision=32)"
    path = tiny.page("page", IMPORT, cell(code, ":tags: [backend]"), cell("ml.NumpyBackend()"))
    sources = [view.source for view in read(path).view("mlx")]
    assert sources == ["import mithril as ml", code.replace("ml.NumpyBackend(", "ml.MlxBackend("), "ml.NumpyBackend()"]
    assert [view.source for view in read(path).view("numpy")][1] == code


@pytest.mark.parametrize(
    "code",
    [
        "backend = ml.NumpyBackend()  # ml.JaxBackend() on JAX, not ml.NumpyBackend()",
        "backend = ml.NumpyBackend(precision=32)\nprint('JaxBackend', f'{ml.NumpyBackend.__name__} NumpyBackend')",
        "backend = ml.NumpyBackend(\n",
    ],
)
def test_a_swap_of_the_class_is_undone(code: str) -> None:
    """As JupyterLab shows a page to readers of a backend and saves it: even where the code is half written."""
    there = swap_class(code, "NumpyBackend", "JaxBackend")
    assert "ml.JaxBackend" in there
    assert swap_class(there, "JaxBackend", "NumpyBackend") == code


def test_the_backend_cell_names_no_other_class(tiny: TinySite) -> None:
    """Else no swap could be undone."""
    code = "backend = ml.NumpyBackend()\nisinstance(backend, ml.JaxBackend)"
    path = tiny.page("page", IMPORT, cell(code, ":tags: [backend]"))
    ((line, words),) = read_page(path, tiny.docs).problems
    assert line == 16 and words.endswith("creates ml.NumpyBackend() once, for all backends, and names no other")


def test_pages_that_are_known_are_not_parsed_again(tiny: TinySite, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is kept of them is what parsing gives; a page with other text is parsed, and so is all after a damage."""
    path = write(tiny)
    tiny.page("other")
    cache = tiny.folder / "pages.pickle"
    parsed: list[str] = []
    parse = reading._page
    monkeypatch.setattr(reading, "_page", lambda name, text: parsed.append(name) or parse(name, text))
    first = find_pages(tiny.docs, cache)
    assert sorted(parsed) == ["other", "page"] and [page.name for page in first] == ["other", "page"]
    assert find_pages(tiny.docs, cache) == first == find_pages(tiny.docs)
    assert sorted(parsed) == ["other", "other", "page", "page"]  # the second time without the file
    path.write_text(path.read_text().replace("x = y = 1", "x = y = 2"))
    changed = find_pages(tiny.docs, cache)
    assert parsed[4:] == ["page"] and changed[0] == first[0] and changed[1] != first[1]
    cache.write_bytes(cache.read_bytes()[:100])
    assert find_pages(tiny.docs, cache) == changed
    assert sorted(parsed[5:]) == ["other", "page"]
