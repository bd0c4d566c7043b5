"""What a learner takes home, for every page and backend: the script does what the notebook does. Nothing runs here."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import jupytext
import pytest

from mithril_docs.backends import BACKENDS
from mithril_docs.build.downloads import FILE, NO_FILE, notebook, script
from mithril_docs.build.measured import Key
from mithril_docs.build.notebook import Node
from mithril_docs.build.prose import Reader
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
        assert not [row for row in rows if row.lstrip(" >-").startswith((":::", "```{"))]
        outside = "\n".join(prose).split("```")[::2]  # what is no code
        assert not [row for text in outside for row in text.split("\n") if re.match(r"[ >]*:[\w-]+: ", row)]
        assert f"for {BACKENDS[backend].title}:" in prose[1]


#: Prose of a page, and what a reader of PyTorch takes home of it.
PROSE = {
    "a passage": (":::{backends} torch jax\nwords\n:::\nmore", "words\nmore"),
    "a passage of others": ("words\n\n:::{backends} jax\nno\n:::\n\nmore", "words\n\n\nmore"),
    "a passage in a list": ("- words\n\n  :::{backends} torch\n  more\n  :::\n- last", "- words\n\n  more\n- last"),
    "a passage in a note": ("::::{note}\n:::{backends} jax\nno\n:::\nyes\n::::", "> **Note**\n>\n> yes"),
    "the line to install": (":::{install}\n:::", "```shell\npip install it\n```"),
    "that of another": (":::{install} jax\n:::\nwords", "words"),
    "a note": (":::{warning}\n:class: x\nwords\n:::", "> **Warning**\n>\n> words"),
    "a title": (":::{dropdown} A `t` {term}`x`\nwords\n:::", "> **A `t` x**\n>\n> words"),
    "options": (":::{model} Relu\n:build: Relu()\n:inputs: input=normal(2)\n:::\nwords", "words"),
    "arguments": (":::{options} Relu\n:axis: The axis,\n  all of it.\n:bool b: Or *not*.\n:::",
                  "- `axis`: The axis,\n  all of it.\n- `b` (bool): Or *not*."),
    "a message": (":::{error} a-slug\n:by: shell\nA: {b} `c\n:::", "> **a-slug**\n>\n> ```text\n> A: {b} `c\n> ```"),
    "code": ("```{code-block} shell\n:caption: x\nls\n```", "```shell\nls\n```"),
    "a fence": ("```text\n:::{note}\n[a](b.md)\n(c)=\n```", "```text\n:::{note}\n[a](b.md)\n(c)=\n```"),
    "a colon before the name": ("::: {note}\nwords\n:::", "> **Note**\n>\n> words"),
    "mathematics": ("```{math}\nx\n```", "$$\nx\n$$"),
    "a name": ("(a-name)=\n# Title", "# Title"),
    "a comment": ("% no\n\nwords", "words"),
    "a link within": ("[a `b`](c.md#d) and [](../e/f.md)", "a `b` and f"),
    "a link outside": ("[a](https://example.org) and <https://example.org>", "[a](https://example.org) and <https://example.org>"),
    "a picture": ("![a](b.png)", "![a](b.png)"),
    "what looks like a link": ("`f[0](x)`, $f[0](x)$ and \\[a\\](b)", "`f[0](x)`, $f[0](x)$ and \\[a\\](b)"),
    "a role": ("{term}`words` and {ref}`more <x>`, `` {a}`b` ``", "words and more, `` {a}`b` ``"),
    "a role in a table": ("| a |\n| - |\n| {term}`b` [c](d.md) |", "| a |\n| - |\n| b c |"),
    "a figure": ("It takes {measured}`torch small on first`.", "It takes 14\N{NO-BREAK SPACE}s."),
    "no such figure": ("It takes {measured}`x`.", "It takes (not measured)."),
    "two lines": ("A [link\nover](b.md) lines\n> and [a](b.md)\n> quote", "A link\nover lines\n> and a\n> quote"),
}  # fmt: skip


@pytest.mark.parametrize("case", PROSE)
def test_prose_for_any_jupyter(case: str) -> None:
    text, wanted = PROSE[case]
    reader = Reader("torch", "pip install it", {Key("torch", "small", "on", "first"): 14.0})
    assert reader.prose(text) == wanted


def test_what_prose_includes(tmp_path: Path) -> None:
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub/_part.md").write_text("A {term}`part`\n\n```{include} _more.md\n```\n")
    (tmp_path / "sub/_more.md").write_text(":::{backends} jax\nno\n:::\nand more\n")
    reader = Reader("torch", "", {}, tmp_path)
    assert reader.prose("words\n\n```{include} sub/_part.md\n```\n") == "words\n\nA part\n\nand more"


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
@pytest.mark.parametrize(("name", "place"), [("../elsewhere/read.me", "read.me"), ("data/read.me", "data/read.me")])
def test_what_a_page_reads_is_taken_along(
    what: str, name: str, place: str, tiny: TinySite, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A notebook and a script write it, the same to the byte."""
    path = tiny.page("page", IMPORT, BACKEND, extra=f"files: [{name}]")
    kept = tiny.docs / name
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
        (home / place).unlink(missing_ok=True)
        exec(source, {})
        assert (home / place).read_bytes() == CONTENTS[what]
