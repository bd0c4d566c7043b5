"""What jit costs is told in one place: prose that tells a cost of it quotes a measured figure, or leads to them all."""

from __future__ import annotations

import re
from collections import Counter

import pytest

from mithril_docs.page import Page, find_pages
from support.places import ROOT

PAGES = find_pages(ROOT / "docs")
#: What a sentence about jit names.
JIT = re.compile(r"\bjit\b|`jax\.jit`|torch\.compile|\bcompiler\b|first (?:call|use)", re.I)
#: What tells a time or how two times compare.
COST = re.compile(
    r"\b(?:[\d.,]+|several|many|few|a|half a|most of a|under a|of a)\s+(?:milli)?(?:seconds?|minutes?|ms|s)\b(?! time)"
    r"|\b[\d.,]+ times (?:as|the|an?|faster|slower)\b|\b(?:faster|slower|slow|fast|quick\w*|takes? (?:time|long\w*))\b",
    re.I,
)
#: What backs it.
BACKED = re.compile(r"\{measured\}`|#what-jit-costs\b")
_DIRECTIVE = re.compile(r"^[>\s]*(?::{3,}|`{3,}).*$|^:[\w-]+:.*$", re.MULTILINE)
_INDEX = re.compile(r"^`{3}\{index\}.*?^`{3}$", re.MULTILINE | re.DOTALL)
_BETWEEN = re.compile(r"\n\s*\n|\n(?=\s*[-*|#] ?)")


def unbacked(prose: str) -> list[str]:
    """The paragraphs, items and rows that tell a cost of jit, and neither quote nor name where it was measured."""
    plain = _DIRECTIVE.sub("\n", _INDEX.sub("\n", prose))
    parts = [" ".join(part.split()) for part in _BETWEEN.split(plain)]
    return [part for part in parts if JIT.search(part) and COST.search(part) and not BACKED.search(part)]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_a_cost_of_jit_is_quoted(page: Page) -> None:
    told = [(cell.line, part) for cell in page.cells if not cell.code for part in unbacked(cell.source)]
    assert not told


#: Cells that time programs with jit for something else than its cost, by page.
OTHERS = {
    "backends/jax": "the model under jit against the whole step",
    "concepts/compilation_pipeline": "what merging gains, with jit on both sides",
    "concepts/performance/tuning": "many batch sizes against one, with jit on both sides",
    "tutorials/extending/custom_optimizations": "what merging gains, with jit on both sides",
    "getting_started/comparison": "Mithril against JAX alone, with jit on both sides",
    "reference/configuration": "what JAX's cache on disk saves",
    "reference/troubleshooting": "one size against six",
    "tutorials/how_to/profile": "how to read the clock, with and without jit",
}

#: Those with more than one such cell.
SEVERAL = {"tutorials/extending/custom_optimizations": 2}


def test_a_cost_of_jit_is_timed_in_one_place() -> None:
    found, recorded = [], []
    for page in PAGES:
        for cell in page.cells:
            if "cost_of_jit" in cell.metadata.get("parity", {}):
                recorded.append(page.name)
            elif "timing" in cell.tags and re.search(r"\bjit\W{1,4}True", cell.source):
                found.append(page.name)
    assert recorded == ["backends/index"]
    assert Counter(found) == dict.fromkeys(OTHERS, 1) | SEVERAL


def test_one_page_says_why_examples_do_without() -> None:
    page = next(page for page in PAGES if page.name == "backends/index")
    assert [cell for cell in page.cells if "examples of this site use `jit=False`, because" in cell.source]


@pytest.mark.parametrize(
    "prose",
    [
        "With jit, expect the first call to take several\nseconds.",
        ":::{backends} torch\nPyTorch's jit takes many seconds.\n:::",
        "- `torch.compile` needs a C++ compiler and takes time.",
        "`jit=True` makes the loop 3.5 times as fast.",
        "| PyTorch | the first call takes 16 s |",
        "`jit=False` keeps the compilation well under a second.",
    ],
)
def test_a_cost_that_was_typed_is_found(prose: str) -> None:
    assert unbacked(prose)
    assert not unbacked(prose.rstrip(":\n") + " See [what it costs](../backends/index.md#what-jit-costs).")
