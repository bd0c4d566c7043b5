"""What a learner takes home, for every page and backend: the script does what the notebook does. Nothing runs here."""

from __future__ import annotations

import ast

import jupytext
import pytest

from mithril_docs.backends import BACKENDS
from mithril_docs.build.downloads import FILE, NO_FILE, notebook, script
from mithril_docs.build.notebook import Node
from mithril_docs.build.records import Build, Record, Run
from mithril_docs.page import Cell, Page, find_pages, read_page
from mithril_docs.results import Environment, Result
from support.places import ROOT
from support.tiny import BACKEND, IMPORT, TinySite

PAGES = [page for page in find_pages(ROOT / "docs") if page.runs]


def take_home(page: Page, backend: str) -> Node:
    """A page's notebook for a backend, as if every cell had run there and given nothing."""
    result = Result("", page.name, backend, outputs={cell.number: [] for cell in page.view(backend)})
    record = Record(page, {backend: Run("ok", [], result)}, {})
    return notebook(backend, record, Build({backend: Environment()}, {page.name: record}))


def own_code(made: Node) -> list[Node]:
    """The code cells of a notebook that are the page's own, without those that write its files."""
    return [cell for cell in made["cells"] if cell["cell_type"] == "code" and not cell["id"].startswith(FILE)]


def assert_guarded(code: str, cell: Cell) -> None:
    """The code is that of the cell, all of it in a block that goes on after any error and prints it."""
    (block,) = ast.parse(code).body
    assert isinstance(block, ast.Try), code
    assert ast.unparse(block.body) == ast.unparse(ast.parse(cell.source).body), code
    (handler,) = block.handlers
    assert handler.type and ast.unparse(handler.type) == "Exception"
    assert "print" in ast.unparse(handler.body) and not block.orelse and not block.finalbody


def test_there_are_pages() -> None:
    assert len(PAGES) > 50
    cells = [cell for page in PAGES for cell in page.cells]
    assert any(cell.raises("jax") for cell in cells) and any("device_mesh=" in cell.source for cell in cells)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_a_script_does_what_its_notebook_does(page: Page) -> None:
    for backend in page.backends:
        made = take_home(page, backend)
        cells = list(page.view(backend))
        code = own_code(made)
        assert [cell["source"] for cell in code] == [cell.source for cell in cells]
        guarded = ["raises-exception" in cell["metadata"]["tags"] for cell in code]
        assert guarded == [bool(cell.raises(backend)) for cell in cells]

        text = script(made)
        read = [cell for cell in jupytext.reads(text, fmt="py:percent").cells if cell.cell_type == "code"]
        meshes = backend == "torch" and any("device_mesh=" in cell.source for cell in cells)
        if meshes:  # see what it says
            assert read.pop(0).source == NO_FILE
        for found, cell in zip(read[len(page.files) :], cells, strict=True):
            if cell.raises(backend):
                assert_guarded(found.source, cell)
            else:
                assert found.source == cell.source
        compile(text, page.name, "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_a_notebook_is_of_its_backend_alone(page: Page) -> None:
    """It names no other backend's class, and its prose is Markdown that any Jupyter shows."""
    for backend in page.backends:
        made = take_home(page, backend)
        (own,) = [cell for cell, original in zip(
            own_code(made), page.view(backend), strict=True
        ) if "backend" in original.tags]  # fmt: skip
        assert f"ml.{BACKENDS[backend].cls}(" in own["source"]
        prose = [cell["source"] for cell in made["cells"] if cell["cell_type"] == "markdown"]
        rows = [row for source in prose for row in source.splitlines()]
        assert not [row for row in rows if row.startswith((":::", "```{"))]
        assert f"for {BACKENDS[backend].title}:" in prose[1]


CONTENTS = {
    "a program": b"'''Words.'''\n\nprint('a\\n', \"\"\"b\"\"\")\n",
    "ends in a quote": b"it's '",
    "ends in a backslash": b"a\\",
    "other line ends": b"a\r\nb\rc\n",
    "nothing": b"",
    "no text": bytes(range(256)),
    "a null": b"a\x000b",
}


@pytest.mark.parametrize("what", CONTENTS)
def test_what_a_page_reads_is_taken_along(what: str, tiny: TinySite, monkeypatch: pytest.MonkeyPatch) -> None:
    """A notebook and a script write it, the same to the byte."""
    path = tiny.page("page", IMPORT, BACKEND, extra="files: [../elsewhere/read.me]")
    kept = tiny.folder / "elsewhere" / "read.me"
    kept.parent.mkdir()
    kept.write_bytes(CONTENTS[what])
    page = read_page(path, tiny.docs)
    assert not page.problems
    made = take_home(page, "numpy")
    (cell,) = [cell for cell in made["cells"] if cell["id"].startswith(FILE)]
    home = tiny.folder / "home"
    home.mkdir()
    monkeypatch.chdir(home)
    for source in (cell["source"], script(made).partition("# %%\n")[2].partition("\n\n# %%")[0]):
        (home / "read.me").unlink(missing_ok=True)
        exec(source, {})
        assert (home / "read.me").read_bytes() == CONTENTS[what]
