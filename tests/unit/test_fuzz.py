"""Pages changed at random: each is read to the end, and what is wrong with it is a line with its place and cause."""

from __future__ import annotations

import collections
import json
import traceback
from pathlib import Path

import pytest

from mithril_docs.backends import BACKENDS
from mithril_docs.blocks import entries
from mithril_docs.build.downloads import notebook
from mithril_docs.build.notebook import merged_notebook
from mithril_docs.build.records import Build, Record, Run
from mithril_docs.models.cards import cards
from mithril_docs.page import Page, find_pages
from mithril_docs.results import Environment, Result
from support.fuzz import Fuzzed, fuzzed, real_pages
from support.places import PROVE
from support.tiny import TinySite

#: How many pages are changed in full, and at each landing.
ALL, SAMPLE = 2000, 120
#: The first seed of a landing's sample: the full run has them all.
FIRST = 0


def look(page: Page) -> None:
    """Ask a page all that a build asks of it before anything is executed, and what it makes of it."""
    assert page.timeout > 0 and all(isinstance(path, Path) for path in page.files)
    for name in BACKENDS:
        cells = list(page.view(name))
        assert all(isinstance(words, str) for cell in cells for words in cell.raises(name).values())
        if not page.problems:
            assert page.digest(name)
    for found in (cards(page), entries(page, "error"), entries(page, "setting"), page.roadmap):
        list(found)
    results = {
        n: Run("ok", [], Result("", page.name, n, outputs={c.number: [] for c in page.view(n)})) for n in BACKENDS
    }
    record = Record(page, {name: results[name] for name in page.backends}, {})
    json.dumps(merged_notebook(record), allow_nan=False)
    if not page.problems:
        for name in page.backends:
            json.dumps(notebook(name, record, Build({name: Environment()}, {page.name: record})))


def faults_of(made: Fuzzed, tiny: TinySite) -> tuple[list[str], bool]:
    """What is wrong with how a changed page is read, and whether the page is good."""
    (tiny.docs / "changed.md").write_bytes(made.content)
    try:
        changed, good = find_pages(tiny.docs)
        look(changed)
    except Exception:
        return [f"{made}: {traceback.format_exc(limit=-4)}"], False
    faults = [] if good.problems == () and good.runs else ["the good page beside it is not read"]
    lines = made.content.decode("utf-8", "replace").replace("\r\n", "\n").replace("\r", "\n").count("\n") + 1
    for line, words in changed.problems:
        if not 1 <= line <= lines or not words.strip() or len(words.splitlines()) != 1 or len(words) > 600:
            faults.append(f"line {line} of {lines}: {words!r:.300}")
    return [f"{made}: {fault}" for fault in faults], not changed.problems


def test_pages_changed_at_random(tiny: TinySite, record_property: pytest.FixtureRequest) -> None:
    tiny.page("good")
    count = ALL if PROVE else SAMPLE
    pages = real_pages()
    said: collections.Counter[bool] = collections.Counter()
    faults = []
    for seed in range(FIRST, FIRST + count):
        made = fuzzed(seed, pages)
        found, good = faults_of(made, tiny)
        faults += found
        said[good] += 1
    assert not faults, f"{len(faults)} of {count}\n" + "\n".join(faults[:5])
    # The changes are neither all harmless nor all fatal: else they prove nothing.
    assert said[False] > count / 3 and said[True] > count / 20, said
    assert len(pages) > 50
    told = f"fuzz: {count} of {ALL} changed pages were read, {said[False]} of them with something wrong"
    record_property("said", told)  # type: ignore[operator]


def test_a_seed_gives_the_same_page() -> None:
    pages = real_pages()
    assert [fuzzed(seed, pages) for seed in range(20)] == [fuzzed(seed, pages) for seed in range(20)]
    assert len({fuzzed(seed, pages).content for seed in range(20)}) == 20
