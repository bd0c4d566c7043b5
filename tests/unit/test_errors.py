"""The form of the error entries, read from the pages' text: a reader finds why, the fix, and how to avoid it."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest

from mithril_docs.backends import BACKENDS
from support.places import ROOT

_SECTION = re.compile(r"^(?=#{2,3} )", re.MULTILINE)
_ENTRY = re.compile(r"^:::\{error\} (\S+)\n.*?^:::$", re.MULTILINE | re.DOTALL)
_PASSAGE = re.compile(r"^:::\{backends\} ([^\n]+)\n(.*?)^:::$", re.MULTILINE | re.DOTALL)
_CELL = re.compile(r"^```(?:\{code-cell\}|shell)[^\n]*\n.*?^```$", re.MULTILINE | re.DOTALL)
_ONLY = re.compile(r"^:backends: \[(.*)\]$", re.MULTILINE)
_WORDS = ("Why", "Fix", "Avoid")
PAGES = [path.read_text(encoding="utf-8") for path in sorted((ROOT / "docs").rglob("*.md"))]


def entries() -> Iterator[tuple[str, str]]:
    """The slug of each entry, and the text of its section behind the messages."""
    for page in PAGES:
        for section in _SECTION.split(page):
            if found := _ENTRY.search(section):
                yield found[1], section[found.end() :]


ENTRIES = dict(entries())


def view(text: str, backend: str) -> str:
    """The text as the view of a backend shows it: without the passages and the cells of others."""
    text = _PASSAGE.sub(lambda found: found[2] if backend in found[1].split() else "", text)
    return _CELL.sub(lambda found: found[0] if backend in _only(found[0]) else "", text)


def _only(cell: str) -> list[str]:
    found = _ONLY.search(cell)
    return found[1].split(", ") if found else list(BACKENDS)


def test_all_entries_are_looked_at() -> None:
    assert len(ENTRIES) == sum(len(re.findall(r"^:::\{error\} ", page, re.MULTILINE)) for page in PAGES) >= 330


@pytest.mark.parametrize("slug", ENTRIES)
def test_an_entry_says_why_and_shows_a_fix_and_says_how_to_avoid_it(slug: str) -> None:
    """In this order, once in each view, each at the beginning of a paragraph; with a program before and one after."""
    views = {backend: view(ENTRIES[slug], backend) for backend in BACKENDS}
    views = {backend: text for backend, text in views.items() if _CELL.search(text)}  # the others tell where it is
    assert views
    for backend, text in views.items():
        begins = [re.findall(rf"^\*\*{word}\.\*\* \S", text, re.MULTILINE) for word in _WORDS]
        assert list(map(len, begins)) == [1, 1, 1], (backend, begins)
        why, fix, avoid = (text.index(f"**{word}.**") for word in _WORDS)
        assert why < fix < avoid
    halves = [text.partition("**Fix.**") for text in views.values()]
    assert any(_CELL.search(before) for before, _, _ in halves), "no program that fails"
    assert any(_CELL.search(after) for _, _, after in halves), "no program that works"


@pytest.mark.parametrize("slug", ENTRIES)
def test_what_an_entry_says_is_more_than_a_word(slug: str) -> None:
    paragraphs = re.findall(r"\*\*(Why|Avoid)\.\*\* (.*?)(?:\n\n|\n:::|\Z)", ENTRIES[slug], re.DOTALL)
    assert all(len(words.split()) >= 4 for _, words in paragraphs), paragraphs
