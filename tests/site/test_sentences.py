"""Sentences of the real site that announce something: it follows in every view that shows the sentence."""

from __future__ import annotations

from pathlib import Path

import pytest
from bs4 import BeautifulSoup, SoupStrainer, Tag

pytestmark = pytest.mark.takes(60)

#: What a sentence that ends in a colon may announce, by tag; of the paragraphs, the line on hidden code alone.
ANNOUNCED = {"ul", "ol", "dl", "div", "table", "figure", "details", "blockquote", "pre"}
#: Elements that hold variants, and nothing of their own.
PANES = {"mb-pane", "mb-variants"}
#: Elements whose last sentence may announce what stands behind them.
LISTS = {"li", "ul", "ol"}


def is_shown(element: Tag, view: str) -> bool:
    return "data-backends" not in element.attrs or view in element["data-backends"].split()


def holds(element: Tag, view: str) -> bool:
    """Whether a view sees anything of an element."""
    if not is_shown(element, view):
        return False
    if element.name in ("img", "svg", "math"):
        return True
    return any(holds(child, view) if isinstance(child, Tag) else child.strip() for child in element.children)


def follows(paragraph: Tag, view: str) -> Tag | None:
    """What a view shows behind a paragraph; nothing at the end of a section, a box or an item amid a list."""
    element = paragraph
    while True:
        behind = [sibling for sibling in element.find_next_siblings() if holds(sibling, view)]
        if behind:
            return None if element.name == "li" else inner(behind[0], view)
        parent = element.parent
        if parent is None or not (parent.name in LISTS or PANES & {*parent.get("class", [])}):
            return None
        element = parent


def inner(element: Tag, view: str) -> Tag:
    """The first thing that a view shows within panes."""
    while PANES & {*element.get("class", [])}:
        children = [child for child in element.find_all(recursive=False) if holds(child, view)]
        element = next(child for child in children if "mb-label" not in child.get("class", []))
    return element


def unanswered(article: Tag, view: str) -> list[str]:
    """The sentences of a view that announce something which does not follow."""
    found = []
    for paragraph in article.find_all("p"):
        words = " ".join(paragraph.get_text().split())
        if not words.endswith(":") or paragraph.find_parent(class_=["mb-reference", "mb-error"]):
            continue
        if not all(is_shown(around, view) for around in (paragraph, *paragraph.parents)):
            continue
        after = follows(paragraph, view)
        if after is None or not (after.name in ANNOUNCED or "mb-elsewhere" in after.get("class", [])):
            found.append(words[-80:])
    return found


def test_what_a_sentence_announces_follows_in_every_view(site: Path, record: dict) -> None:
    wrong, looked_at = [], 0
    only = SoupStrainer(class_=["mb-switch", "bd-article"])
    for name in record["pages"]:
        soup = BeautifulSoup((site / f"{name}.html").read_text(encoding="utf-8"), "lxml", parse_only=only)
        article = soup.select_one(".bd-article")
        assert article is not None
        views = [radio["value"] for radio in soup.select(".mb-switch input")]
        for view in [value for value in views if value != "all"] or [""]:
            looked_at += 1
            wrong += [f"{name}, {view}: {words}" for words in unanswered(article, view)]
    assert looked_at > 200
    assert not wrong, "\n".join(wrong[:20])
