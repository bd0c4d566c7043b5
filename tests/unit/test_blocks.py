"""MyST as blocks: as MyST's own parser and jupytext find them; and every line of Python in a page is executed."""

from __future__ import annotations

import ast

import jupytext
import pytest
from markdown_it.renderer import RendererHTML
from myst_parser.config.main import MdParserConfig
from myst_parser.parsers.mdit import create_md_parser

from mithril_docs.blocks import Block, entries, new_parser, read_blocks, role, spans
from mithril_docs.page import Page, find_pages, read_page
from support.places import ROOT
from support.tiny import BACKEND, IMPORT, TinySite, cell

PAGES = find_pages(ROOT / "docs")
REAL = pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)


def extensions() -> list[str]:
    """MyST's extensions that the site uses."""
    tree = ast.parse((ROOT / "conf.py").read_text())
    (node,) = (node for node in tree.body if isinstance(node, ast.Assign) and
               ast.unparse(node.targets[0]) == "myst_enable_extensions")  # fmt: skip
    return ast.literal_eval(node.value)


def test_the_parser_is_that_of_myst() -> None:
    """Its rules have the same names in the same order; those of MyST that count words are no syntax."""
    theirs = create_md_parser(MdParserConfig(enable_extensions=set(extensions())), RendererHTML)
    ours = new_parser()
    assert {k: v for k, v in ours.get_active_rules().items() if k != "core"} == {
        k: v for k, v in theirs.get_active_rules().items() if k != "core"
    }
    assert set(theirs.get_active_rules()["core"]) - set(ours.get_active_rules()["core"]) == {"wordcount"}


@REAL
def test_cells_are_those_of_jupytext(page: Page) -> None:
    """Which opens the pages in JupyterLab."""
    text = page.path.read_text(encoding="utf-8")
    found = jupytext.myst.myst_to_notebook(text, add_source_map=True)
    assert [(cell.code, cell.source, cell.metadata) for cell in page.cells] == [
        (cell.cell_type == "code", cell.source, cell.metadata) for cell in found.cells
    ]
    rows = text.split("\n")
    for own, line in zip(page.cells, found.metadata.source_map, strict=True):
        if own.code:
            assert own.line == line + 1
        else:
            assert rows[own.line - 1] == own.source.split("\n")[0]


@REAL
def test_a_block_stands_where_it_says(page: Page) -> None:
    rows = page.path.read_text(encoding="utf-8").split("\n")
    for own in page.cells:
        for block in (inner for outer in own.blocks for inner in outer.walk()):
            first = rows[own.line + block.line - 1]
            if block.fence and block.kind != "heading":
                assert block.fence in first and block.name in first
                assert rows[own.line + block.end - 2].strip(" >") == block.fence
                body = rows[own.line + block.body_line - 1 :]
                wanted = block.body.split("\n")[0].strip()
                assert wanted == body[0].strip(" >") or not wanted


#: Prose with Python that no build executes, or that looks so: the line that is told, from 1, and its words.
HOLES = {
    "a fence": ("```python\n1\n```", 1, "a Python block"),
    "a fence of tildes": ("~~~python\n1\n~~~", 1, "a Python block"),
    "a fence in capitals": ("```Python\n1\n```", 1, "a Python block"),
    "a fence with more behind": ('```python title="x"\n1\n```', 1, "a Python block"),
    "a fence with a comma": ("```python,numbered\n1\n```", 1, "a Python block"),
    "a fence in braces": ("```{python}\n1\n```", 1, "a Python block"),
    "a fence of Pandoc": ("```{.python}\n1\n```", 1, "a Python block"),
    "a fence of IPython": ("```ipython3\n1\n```", 1, "a Python block"),
    "a console": ("```pycon\n>>> 1\n```", 1, "a Python block"),
    "a fence in a list": ("- words\n\n  ```python\n  1\n  ```", 3, "a Python block"),
    "a fence in a numbered list": ("1. words\n   ```py\n   1\n   ```", 2, "a Python block"),
    "a fence in a quote": ("> words\n>\n> ```python\n> 1\n> ```", 3, "a Python block"),
    "a fence in a list in a quote": ("> - words\n>\n>   ```python\n>   1\n>   ```", 3, "a Python block"),
    "a fence in a definition": ("Term\n: Words\n\n  ```python\n  1\n  ```", 4, "a Python block"),
    "a fence in a field": (":name: words\n\n  ```python\n  1\n  ```", 3, "a Python block"),
    "a fence in a footnote": ("Words[^1]\n\n[^1]: Words\n\n    ```python\n    1\n    ```", 5, "a Python block"),
    "a fence in a note": (":::{note}\n```python\n1\n```\n:::", 2, "a Python block"),
    "a fence in a note with options": (":::{note}\n:class: x\n\n```python\n1\n```\n:::", 4, "a Python block"),
    "a fence in a note in a note": ("::::{note}\n:::{tip}\n```python\n1\n```\n:::\n::::", 3, "a Python block"),
    "a fence in a list in a note": (":::{note}\n- words\n\n  ```python\n  1\n  ```\n:::", 4, "a Python block"),
    "a fence in a div": (":::python\n```python\n1\n```\n:::", 2, "a Python block"),
    "a code block": ("```{code-block} python\n1\n```", 1, "a Python block"),
    "a code block of colons": (":::{code-block} python\n1\n:::", 1, "a Python block"),
    "a code block in capitals": (":::{code-block} Python\n1\n:::", 1, "a Python block"),
    "a code block with options": (":::{code-block} python\n:caption: x\n1\n:::", 1, "a Python block"),
    "code": ("```{code} python\n1\n```", 1, "a Python block"),
    "source code": ("```{sourcecode} python\n1\n```", 1, "a Python block"),
    "a new default": ("```{highlight} python\n```", 1, "a Python block"),
    "no language": ("```\nimport mithril as ml\n```", 1, "a Python block"),
    "no language, a console": ("```\n>>> 1\n1\n```", 1, "a Python block"),
    "no language, indented": ("Words:\n\n    import mithril as ml\n    ml.compile()\n", 3, "a Python block"),
    "no language, a code block": ("```{code-block}\ndef f():\n    pass\n```", 1, "a Python block"),
    "reStructuredText": ("```{eval-rst}\n.. code-block:: python\n\n   1\n```", 1, "in {eval-rst} may show Python"),
    "a literal of reStructuredText": ("```{eval-rst}\nWords::\n\n   1\n```", 1, "in {eval-rst} may show Python"),
    "a console of reStructuredText": ("```{eval-rst}\n>>> 1\n1\n```", 1, "in {eval-rst} may show Python"),
    "a file": ("```{literalinclude} page.py\n```", 1, "{literalinclude} shows Python"),
    "a file of colons": (":::{literalinclude} page.py\n:::", 1, "{literalinclude} shows Python"),
    "a file with a language": ("```{literalinclude} x.txt\n:language: Python\n```", 1, "{literalinclude} shows Python"),
    "a file of notebooks": ("```{literalinclude} x.ipynb\n```", 1, "{literalinclude} shows Python"),
    "a cell of colons": (":::{code-cell} ipython3\n1\n:::", 1, "a code-cell inside another block"),
    "a cell in a note": (":::{note}\n```{code-cell} ipython3\n1\n```\n:::", 2, "a code-cell inside another block"),
    "a cell in a list": ("- words\n\n  ```{code-cell} ipython3\n  1\n  ```", 3, "a code-cell inside another block"),
    "a cell in a quote": ("> ```{code-cell} ipython3\n> 1\n> ```", 1, "a code-cell inside another block"),
    "nearly a cell": ("```{code_cell} ipython3\n1\n```", 1, "did you mean '{code-cell}'?"),
    "a cell without braces": ("```code-cell ipython3\n1\n```", 1, "a code-cell is opened with"),
    "an open fence": ("Words\n\n```text\nwords", 3, "the block that ``` opens here is not closed"),
    "an open note": (":::{note}\nwords", 1, "the block that ::: opens here is not closed"),
    "an open note in a note": ("::::{tip}\n:::{note}\nwords\n::::", 2, "the block that ::: opens here is not closed"),
    "an end too short": ("::::{tip}\nwords\n:::\n", 1, "the block that :::: opens here is not closed"),
    "an end too much": (":::{tip}\nwords\n:::\n\n:::\n", 5, "the block that ::: opens here is not closed"),
}  # fmt: skip

#: Prose that holds no such thing, whatever it looks like.
SOUND = {
    "a space before the name": "::: {note}\nwords\n:::",
    "a name with a colon": ":::{py:data} x\n:no-index:\n:::",
    "colons in text": "```text\n:::\n```",
    "colons and a name in text": "```text\n:::{note}\n```",
    "a fence in text": "````text\n```python\n1\n```\n````",
    "a fence in a comment": "% ```python\n% 1\n% ```\n\nwords",
    "a fence in text in a note": ":::{note}\n````text\n```python\n1\n```\n````\n:::",
    "code in a line": "Words `import mithril` and ``` ``python`` ```.",
    "a shell": "```shell\npython x.py\n```",
    "a shell in a list": "1. Words:\n\n   ```shell\n   python x.py\n   ```",
    "text that begins like a name": "```pythonic\nwords\n```",
    "a file of text": "```{literalinclude} page.txt\n```",
    "an end that is longer": ":::{note}\nwords\n:::::",
    "a note of backticks": "```{note}\nwords\n```",
    "index": "```{index} python, import\n```",
    "autodoc": "```{eval-rst}\n.. autofunction:: mithril.compile\n   :no-index:\n```",
    "mathematics": "$$\n\\text{```python}\n$$",
    "a row of colons in words": "Words ::: words",
    "a message": "```text\nFrom here: import failed\n```",
    "a div": ":::cls\nwords\n:::",
    "tabs": "::::{tab-set}\n:::{tab-item} One\nwords\n:::\n:::{tab-item} Two\nwords\n:::\n::::",
    "a break": "words\n\n+++\n\nwords",
}


def problems(tiny: TinySite, text: str) -> list[tuple[int, str]]:
    """What is said of prose, with lines in it from 1."""
    path = tiny.page("page", IMPORT, BACKEND, text)
    page = read_page(path, tiny.docs)
    first = path.read_text()[: path.read_text().index(text)].count("\n")
    return [(line - first, words) for line, words in page.problems]


@pytest.mark.parametrize("case", HOLES)
def test_python_that_is_not_executed(tiny: TinySite, case: str) -> None:
    text, line, words = HOLES[case]
    found = problems(tiny, text)
    assert found and found[0][0] == line and words in found[0][1], found
    assert len(found) == 1 or case == "an end too short", found  # it opens a block of its own


@pytest.mark.parametrize("case", SOUND)
def test_what_only_looks_like_it(tiny: TinySite, case: str) -> None:
    assert problems(tiny, SOUND[case]) == []


def test_a_fence_that_is_not_closed_is_told_of_with_what_it_takes_along(tiny: TinySite) -> None:
    path = tiny.page("page", IMPORT, BACKEND, ":::{note}\nwords\n\n", cell("1 / 0"), "words\n")
    first, second = read_page(path, tiny.docs).problems
    assert first[1] == "the block that ::: opens here is not closed; end it with a line :::"
    assert second[1].startswith("a code-cell inside another block is not executed")


def test_deep_nests_have_an_end(tiny: TinySite) -> None:
    deep = 60
    text = "\n".join([":" * (3 + deep - n) + "{note}" for n in range(deep)])
    text += "\nwords\n" + "\n".join(":" * (4 + n) for n in range(deep))
    ((_, words),) = problems(tiny, text)
    assert words.startswith("directives stand in one another more than 20 deep")


def test_options_and_body() -> None:
    text = "words\n\n:::{model} Relu\n:build: Relu(a=1)\n:data: x: y\n\nbody\n:::\n"
    text += "- ```{note}\n  ---\n  a: 1\n  ---\n  x\n  ```"
    model, note = read_blocks(text)
    assert (model.name, model.argument, model.line, model.end, model.body) == ("model", "Relu", 2, 8, "body\n")
    assert model.options == {"build": "Relu(a=1)", "data": "x: y"} and (model.head_line, model.body_line) == (3, 6)
    assert (note.options, note.body, note.body_line, note.level > 0) == ({"a": "1"}, "x\n", 12, True)


def test_entries_have_their_cells(tiny: TinySite) -> None:
    bodies = ["## One\n\n:::{error} one\nA: a\n:::\n", cell("1"), "::::{dropdown} x\n:::{error} two\nB: b\n:::\n::::\n"]
    path = tiny.page("page", IMPORT, BACKEND, *bodies, cell("2"), cell("3"), "```{error}\n```\n")
    one, two = entries(read_page(path, tiny.docs), "error")
    assert (one.title, one.argument, one.body, [c.source for c in one.cells]) == ("One", "one", "A: a", ["1"])
    assert (two.argument, two.body, [c.source for c in two.cells]) == ("two", "B: b", ["2", "3"])
    rows = path.read_text().split("\n")
    assert [rows[entry.line - 1] for entry in (one, two)] == [":::{error} one", ":::{error} two"]


def test_spans_of_a_line() -> None:
    text = "A `f[0](x)` and {ref}`words <a>`, [a `b` link](c.md) and ![p](q.png), f[0](x), {py}``a`b``, \\[x\\](y)"
    found = [(span.kind, text[span.start : span.end]) for span in spans(text)]
    assert found == [
        ("code", "`f[0](x)`"),
        ("role", "{ref}`words <a>`"),
        ("link", "[a `b` link](c.md)"),
        ("code", "`b`"),
        ("image", "![p](q.png)"),
        ("link", "[0](x)"),
        ("role", "{py}``a`b``"),
    ]
    assert role("{ref}`words <a>`") == ("ref", "words <a>") and role("{py}``a`b``") == ("py", "a`b")


def test_a_block_in_the_margin_is_a_cell() -> None:
    def cells(text: str) -> list[Block]:
        return [block for block in read_blocks(text) if block.is_cell]

    assert len(cells("```{code-cell} ipython3\n1\n```\n~~~{code-cell}\n2\n~~~\n")) == 2
    assert not cells("- ```{code-cell}\n  1\n  ```\n\n:::{code-cell}\n2\n:::\n")
