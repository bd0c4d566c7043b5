"""The questions that the trees of the troubleshooting page answer, for the box that takes questions in plain words."""

from __future__ import annotations

import re
from collections.abc import Iterator

from docutils import nodes

from mithril_docs.page import Page

#: The page of the trees.
TREES = "reference/troubleshooting"

_SECTION = re.compile(r"^#{2,3} +(.+?) *$", re.MULTILINE)
_WORDS = re.compile(r"^(?::{3,}\{dropdown\}|```\{index\}) +(.+?) *$", re.MULTILINE)


def questions(page: Page) -> Iterator[dict[str, str]]:
    """Each section that has a tree or remedies one, with the words that people have for it.

    Parameters
    ----------
    page
        The page of the trees.

    Yields
    ------
    dict
        The ``title`` of the section, its ``anchor``, and the ``words`` of its index entries and its questions.
    """
    prose = "\n\n".join(cell.source for cell in page.cells if not cell.code)
    for title, text in zip(*[iter(_SECTION.split(prose)[1:])] * 2, strict=True):
        if words := _WORDS.findall(text):
            yield {"title": title, "anchor": nodes.make_id(title), "words": " ".join(words)}
