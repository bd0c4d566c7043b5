"""The questions that the trees of the troubleshooting page answer, for the box that takes questions in plain words."""

from __future__ import annotations

from collections.abc import Iterator

from docutils import nodes

from mithril_docs.page import Page

#: The page of the trees.
TREES = "reference/troubleshooting"

#: Directives whose argument is in people's words.
_WORDS = ("dropdown", "index")


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
    sections: list[tuple[str, list[str]]] = []
    for _, block in page.walk():
        if block.kind == "heading" and block.fence in ("h2", "h3"):
            sections.append((block.name, []))
        elif sections and block.name in _WORDS and block.argument:
            sections[-1][1].append(block.argument)
    for title, words in sections:
        if words:
            yield {"title": title, "anchor": nodes.make_id(title), "words": " ".join(words)}
