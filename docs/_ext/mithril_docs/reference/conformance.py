"""What conformance found, for readers: under each card, in a list for readers who change backends, and for maintainers.

Sphinx runs nothing for it: the verdict is in the store. A verdict that is missing, that is of another state, or that
holds a cause which no page shows is a warning, and so fails the build.
"""

from __future__ import annotations

import html
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.environment import BuildEnvironment
from sphinx.util import logging
from sphinx.util.docutils import SphinxDirective

from mithril_docs.backends import BACKENDS
from mithril_docs.conformance import verdict
from mithril_docs.conformance.run import FOLDER
from mithril_docs.conformance.verdict import DIFFERS, FAILS, Cause, Tried, Verdict
from mithril_docs.site.state import TOPIC_OF_CASES, digest, state_of, tells_of, titles
from mithril_docs.site.tables import code, linked, table

LOGGER = logging.getLogger(__name__)
SIGNS = {FAILS: "✗", DIFFERS: "≠"}
#: What an error or other numbers are called in the list of what was met.
KINDS = {
    "values": "values",
    "shape": "shape",
    "dtype": "data type",
    "gradient": "gradient",
    "accepts": "no error",
    "calls": "changed arrays",
    "choice": "another gradient of several",
    "dies": "end of the process",
}


def setup(app: Sphinx) -> None:
    app.connect("builder-inited", _collect, priority=505)  # behind the pages, before the models
    app.add_directive("defects", DefectsDirective)
    app.connect("env-check-consistency", _check_places)


def _collect(app: Sphinx) -> None:
    state = state_of(app)
    folder = Path(app.srcdir) / FOLDER
    if not folder.is_dir():
        return
    made = verdict.read(state.store)
    wanted = {name: found.digest for name, found in state.build.environments.items() if not found.error}
    if made is None or made.source != verdict.source_digest(folder) or not wanted.items() <= made.environments.items():
        words = "what conformance found is missing or is of another state: run nox -s conformance"
        LOGGER.warning(words, type="mithril", subtype="conformance")
        return
    state.verdict = made
    state.topics[TOPIC_OF_CASES] = digest(made)
    for name, tried in made.models.items():
        state.topics[f"{TOPIC_OF_CASES}-{name}"] = digest((tried, [made.causes[place] for place in tried.causes]))
    for cause in made.unknown:
        where = ", ".join(cause.backends)
        words = f"no page shows what is wrong with {cause.title} on {where} ({cause.condition}): {cause.words}"
        LOGGER.warning(words, type="mithril", subtype="conformance")


def wrong_of(made: Verdict | None, model: str) -> dict[str, list[str]]:
    """Backend to the titles of what is known to be silently wrong with a model there."""
    found: dict[str, list[str]] = {}
    for place in made.models[model].causes if made and model in made.models else ():
        for backend in made.causes[place].backends:  # type: ignore[union-attr]
            found.setdefault(backend, []).append(made.causes[place].title)  # type: ignore[union-attr]
    return found


def card(env: BuildEnvironment, model: str) -> list[nodes.Node]:
    """What stands under a card: what the model was tried with, and what came of it on each backend."""
    state = state_of(env.app)
    made = state.verdict
    if made is None or model not in made.models:
        return []
    tried = made.models[model]
    backends = [name for name in state.build.environments if name in made.environments]
    rows: list[list[Any]] = [["Option or input", "Tried", *(BACKENDS[name].title for name in backends)]]
    for name, values in sorted(tried.values.items(), key=lambda item: item[0] == "bits"):  # else in their order
        if name == "bits":
            rows.append(["bits", ", ".join(sorted(values, key=int)), *(_cell(values, b) for b in backends)])
        else:
            rows.append([code(name), _listed(values), *(_cell(values, backend) for backend in backends)])
    parts: list[nodes.Node] = [nodes.container("", table(rows), classes=["mb-conformance"])]
    causes = [made.causes[place] for place in tried.causes]
    if causes:
        parts.append(_note(env, model, causes))
    if tried.errors:
        parts.append(_details(tried, backends))
    caption = nodes.paragraph("", f"Tried with {tried.cases} combinations, against a reference", classes=["mb-caption"])
    return [nodes.container("", caption, *parts, classes=["mb-reference"])]


def _cell(values: dict[str, dict[str, str]], backend: str) -> nodes.Node:
    """✓, or what is not: all of it, or the values by name."""
    marks = {value: row[backend] for value, row in values.items() if backend in row}
    if not marks:
        return nodes.inline("", "–", classes=["mb-none"])
    told = nodes.inline()
    for mark, sign in SIGNS.items():
        named = [value for value, found in marks.items() if found == mark]
        if named:
            told += [nodes.Text(" ")] * bool(told.children)
            told += nodes.inline("", sign, classes=["mb-differs" if mark == DIFFERS else "mb-no"])
            if len(named) < len(marks):
                told += [nodes.Text("\N{NO-BREAK SPACE}"), _listed(named)]
    return told if told.children else nodes.inline("", "✓", classes=["mb-yes"])


def _listed(values: Iterable[str]) -> nodes.Node:
    told = nodes.inline()
    for value in values:
        told += [nodes.Text(", ")] * bool(told.children) + [code(value)]
    return told


def _note(env: BuildEnvironment, model: str, causes: list[Cause]) -> nodes.Node:
    """A red note of what is silently wrong."""
    listed = nodes.bullet_list()
    for cause in causes:
        row = nodes.paragraph()
        row += nodes.Text(cause.title if cause.name else f"{cause.title} on {titles(cause.backends)}: {cause.words}")
        row += [nodes.Text(" ("), _link(env, cause, "shown here"), nodes.Text(")")] if cause.page else []
        listed += nodes.list_item("", row)
    box = nodes.danger("", nodes.paragraph("", f"Silent wrong results of {model}:"), listed)
    return box


def _details(tried: Tried, backends: list[str]) -> nodes.Node:
    rows = "".join(
        f"<li>{BACKENDS[backend].title}, {html.escape(condition)}: <code>{html.escape(words)}</code></li>"
        for backend, condition, words in tried.errors
        if backend in backends
    )
    made = f'<details class="mb-ran"><summary>What raises an error</summary><ul>{rows}</ul></details>'
    return nodes.raw("", made if rows else "", format="html")


def _link(env: BuildEnvironment, cause: Cause, words: str) -> nodes.Node:
    page, sign, anchor = cause.page.partition("#")
    return linked(env, nodes.Text(words), page, sign + anchor)


def _check_places(app: Sphinx, env: Any) -> None:
    """The place that a cause names is there, and code runs there."""
    made = state_of(app).verdict
    for cause in made.causes if made else ():
        page, _, anchor = cause.page.partition("#")
        if not cause.name:
            continue
        if page not in env.found_docs:
            LOGGER.warning(f"the defect {cause.name} names the page {page or '(none)'}, which is not there",
                           type="mithril", subtype="conformance")  # fmt: skip
            continue
        doctree = env.get_doctree(page)
        section = next((node for node in doctree.findall(nodes.section) if anchor in node["ids"]), None)
        if section is None or not any("cell" in node.get("classes", ()) for node in section.findall(nodes.container)):
            words = f"the defect {cause.name} names {cause.page}, where no section with a cell is"
            LOGGER.warning(words, type="mithril", subtype="conformance")


class DefectsDirective(SphinxDirective):
    """``:::{defects}``: all that is silently wrong, with a program each; ``:::{defects} short``: a table of titles."""

    optional_arguments = 1

    def run(self) -> list[nodes.Node]:
        tells_of(self.env, TOPIC_OF_CASES)
        if self.arguments not in ([], ["short"]):
            raise self.error(f"'{self.arguments[0]}' is no form of the defects: write short, or nothing")
        state = state_of(self.env.app)
        made = state.verdict
        shown = {*state.build.environments}
        causes = [cause for cause in made.causes if shown & {*cause.backends}] if made else []
        if not causes:
            return [nodes.paragraph("", "This build found none.", classes=["mb-ran"])]
        return self._short(causes) if self.arguments else self._long(causes)

    def _short(self, causes: list[Cause]) -> list[nodes.Node]:
        rows: list[list[Any]] = [["Models", "What is wrong", "On"]]
        for cause in causes:
            rows.append([self._models(cause), _link(self.env, cause, cause.title),
                         titles(cause.backends)])  # fmt: skip
        return [nodes.container("", table(rows), classes=["mb-reference", "mb-defects"])]

    def _long(self, causes: list[Cause]) -> list[nodes.Node]:
        """The causes under a heading for each page of cards, in the order of the pages."""
        models = state_of(self.env.app).models
        by_page: dict[str, list[Cause]] = {}
        for cause in causes:
            card = models[cause.models[0]].card if cause.models[0] in models else None
            by_page.setdefault(card.page if card else "", []).append(cause)
        made: list[nodes.Node] = []
        for page, some in by_page.items():
            name = page.rpartition("/")[2].replace("_", " ").capitalize() or "Others"
            section = nodes.section("", nodes.title("", name), ids=[nodes.make_id(f"in-{name}")], names=[])
            section += [self._cause(cause) for cause in some]
            made.append(section)
        return made

    def _cause(self, cause: Cause) -> nodes.Node:
        kinds = ", ".join(KINDS.get(kind, kind) for kind in cause.kinds)
        title = nodes.paragraph("", "", _link(self.env, cause, cause.title))
        title["classes"].append("mb-caption")
        facts = nodes.paragraph("", "", self._models(cause))
        many = "combinations" if cause.count > 1 else "combination"
        facts += nodes.Text(f" on {titles(cause.backends)}; {kinds}; {cause.count} {many}. ")
        words = cause.words[0].upper() + cause.words[1:]
        facts += nodes.Text(f"{cause.model} on {BACKENDS[cause.backend].title}: {words}.")
        start = nodes.raw("", "<details><summary>Program</summary>", format="html")
        program = nodes.literal_block(cause.program, cause.program, language="python")
        end = nodes.raw("", "</details>", format="html")
        return nodes.container("", title, facts, start, program, end, classes=["mb-reference", "mb-defect"])

    def _models(self, cause: Cause) -> nodes.Node:
        told = nodes.inline()
        models = state_of(self.env.app).models
        for name in cause.models:
            told += [nodes.Text(", ")] * bool(told.children)
            page = models[name].card.page if name in models else ""
            told += linked(self.env, code(name), page, f"#mithril.models.{name}")
        return told
