"""The page on GPT and the program ``examples/gpt`` have one definition of everything that both use."""

from __future__ import annotations

import ast

import pytest

from mithril_docs.page import find_pages
from support.places import ROOT

PROGRAM = ROOT / "examples" / "gpt"


def definitions(source: str) -> dict[str, str]:
    """The text of each function, class and constant of some code, by its name."""
    found = {}
    for node in ast.parse(source).body:
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            found[node.name] = ast.get_source_segment(source, node) or ""
        elif isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name) and node.targets[0].id.isupper():
            found[node.targets[0].id] = ast.get_source_segment(source, node) or ""
    return found


@pytest.fixture(scope="module")
def shown() -> dict[str, str]:
    """What the page defines."""
    page = next(page for page in find_pages(ROOT / "docs") if page.name == "tutorials/architectures/gpt")
    return definitions("\n\n".join(cell.source for cell in page.cells if cell.code))


@pytest.mark.parametrize("module", ["tokenizer", "model", "training", "generation"])
def test_the_page_shows_what_the_program_runs(module: str, shown: dict[str, str]) -> None:
    held = definitions((PROGRAM / f"{module}.py").read_text(encoding="utf-8"))
    assert held
    for name, text in held.items():
        assert shown.get(name) == text, f"{name} of {module}.py is another one on the page"
