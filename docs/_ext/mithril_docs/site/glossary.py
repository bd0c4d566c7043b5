"""The glossary's terms, linked where each page first uses them, so that no page links them by hand."""

from __future__ import annotations

import re

from docutils import nodes
from sphinx.addnodes import pending_xref
from sphinx.application import Sphinx
from sphinx.environment import BuildEnvironment
from sphinx.transforms import SphinxTransform

from mithril_docs.page import Page
from mithril_docs.site.panes import PageHead, Pane
from mithril_docs.site.state import build_of

#: Where a word is no use of a term: in names and headings, in what is a link already, and in what some views lack.
NOT_IN = (
    nodes.literal,
    nodes.FixedTextElement,
    nodes.title,
    nodes.rubric,
    nodes.reference,
    pending_xref,
    PageHead,
    Pane,
)


def setup(app: Sphinx) -> None:
    app.add_config_value("mithril_glossary", "concepts/glossary", "env", types=[str])
    app.connect("env-get-outdated", _outdated)
    app.add_transform(LinkTerms)


def terms(page: Page | None) -> list[str]:
    """The terms that a page defines: what stands at the margin of its ``glossary`` blocks; none where it is missing."""
    blocks = page.walk() if page else ()
    rows = [row for _, block in blocks if block.name == "glossary" for row in block.body.split("\n")]
    return [row.strip() for row in rows if row.strip() and not row.startswith((" ", ":"))]


def _pattern(terms: list[str]) -> re.Pattern[str]:
    """Any of the terms as a whole word, the longest first, in the singular or the plural."""
    words = (re.escape(term).replace(r"\ ", r"\s+") for term in sorted(terms, key=len, reverse=True))
    return re.compile(rf"(?<![\w-])({'|'.join(words)})(?:e?s)?(?![\w-])", re.IGNORECASE)


def _outdated(app: Sphinx, env: BuildEnvironment, added: set[str], changed: set[str], removed: set[str]) -> list[str]:
    """Every page, where the terms are not those of the last build."""
    record = build_of(app).records.get(app.config.mithril_glossary)
    found = terms(record.page if record else None)
    before, env.mithril_docs_terms = getattr(env, "mithril_docs_terms", None), found  # type: ignore[attr-defined]
    return [] if before == found else list(env.found_docs)


class LinkTerms(SphinxTransform):
    """Turn the first use of each term into a link to its definition."""

    default_priority = 450  # behind the panes

    def apply(self, **kwargs: object) -> None:
        glossary = self.config.mithril_glossary
        waiting = {term.lower(): term for term in self.env.mithril_docs_terms}  # type: ignore[attr-defined]
        if self.env.docname == glossary or not waiting:
            return
        pattern = _pattern(list(waiting))
        for element in list(self.document.findall(nodes.TextElement)):
            _join_lines(element)
        for text in list(self.document.findall(nodes.Text)):
            label = "mb-label" in text.parent["classes"]
            if waiting and not label and not _stands_in(text, NOT_IN):
                parts = _split(str(text), pattern, waiting)
                if len(parts) > 1:
                    text.parent.replace(text, parts)


def _join_lines(element: nodes.TextElement) -> None:
    """Make one text of those that follow each other: MyST ends one at each line, and a term may stand on two."""
    joined: list[nodes.Node] = []
    for child in element.children:
        if joined and isinstance(child, nodes.Text) and isinstance(joined[-1], nodes.Text):
            joined[-1] = nodes.Text(str(joined[-1]) + str(child))
        else:
            joined.append(child)
    if len(joined) < len(element.children):
        element[:] = joined


def _stands_in(node: nodes.Node, kinds: tuple[type[nodes.Node], ...]) -> bool:
    while node.parent is not None:
        node = node.parent
        if isinstance(node, kinds):
            return True
    return False


def _split(text: str, pattern: re.Pattern[str], waiting: dict[str, str]) -> list[nodes.Node]:
    """The text in parts, a link for each term that is still waiting for its first use; it waits no longer."""
    parts: list[nodes.Node] = []
    end = 0
    for match in pattern.finditer(text):
        term = waiting.pop(" ".join(match[1].lower().split()), None)
        if term is None:
            continue
        link = pending_xref("", nodes.inline("", match[0]), refdomain="std", reftype="term", reftarget=term)
        link["refexplicit"] = True
        parts += [nodes.Text(text[end : match.start()]), link]
        end = match.end()
    return [*parts, nodes.Text(text[end:])]
