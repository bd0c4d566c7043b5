"""The matrix: one table of every model on every backend, the counts above it and the reasons below it.

What stands in it is computed here, how it looks is the template ``matrix.html``; ``reference.js`` filters and sorts it.
The page of a backend shows what of it fails there: the template ``limits.html``.
"""

from __future__ import annotations

import dataclasses
import re
from collections import Counter
from collections.abc import Iterable
from typing import Any, NamedTuple

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective, SphinxTranslator

from mithril_docs.models.cards import Card
from mithril_docs.reference.capabilities import (
    DIFFERS,
    NO,
    NONE,
    TITLES,
    YES,
    Capability,
    Level,
    Reason,
    offered_bits,
)
from mithril_docs.site.state import state_of, tells_of

#: The topic of pages that tell of all models; of one model, its name stands behind it.
MODELS = "models"


@dataclasses.dataclass(frozen=True)
class Sign:
    """How a level is shown: the sign in its cells, its words there, its count in words, and what it means."""

    sign: str
    words: str
    counted: str
    meaning: str


SIGNS = {
    Level.WORKS: Sign("✓", "works", "run and agree", "Runs, and was right with all that was tried"),
    Level.PARTLY: Sign("◐", "works in part", "work in part", "Runs, but its gradient, jit or a precision fails"),
    Level.DIFFERS: Sign(
        "≠", "other numbers", "give other numbers", "Runs, but some results are wrong without an error"
    ),
    Level.FAILS: Sign("✗", "does not run", "do not run", "Raises an error"),
    Level.NOTHING: Sign("–", "not run", "were not run", "Not run: a class that only others build on"),
}
#: The level whose sign stands in front of a reason.
LEVEL_OF = {YES: Level.WORKS, NO: Level.FAILS, DIFFERS: Level.DIFFERS, NONE: Level.NOTHING}


@dataclasses.dataclass(frozen=True)
class Cell:
    """A model on a backend: its level, and the number of its entry under the reasons, 0 where it has none."""

    level: Level
    entry: int


@dataclasses.dataclass(frozen=True)
class Row:
    """A model, with its cells by backend."""

    card: Card
    cells: dict[str, Cell]


@dataclasses.dataclass(frozen=True)
class Entry:
    """Reasons, which some cells share: the models of these cells by backend."""

    reasons: tuple[Reason, ...]
    models: dict[str, list[str]]


@dataclasses.dataclass(frozen=True)
class Table:
    """All that the matrix shows.

    Attributes
    ----------
    rows
        The models, by name.
    counts
        Backend to how many of its cells have a level.
    entries
        The reasons, each once.
    missing
        Backend to the precisions in which no model runs on it, with the error.
    """

    rows: list[Row]
    counts: dict[str, Counter[Level]]
    entries: list[Entry]
    missing: dict[str, dict[str, str]]


def table_of(models: Iterable[Capability]) -> Table:
    """Sum up what came of models on each backend that at least one of them was tried on."""
    ordered = sorted(models, key=lambda model: model.card.name.lower())
    tried = {backend for model in ordered for backend in model.results}
    backends = [backend for backend in TITLES if backend in tried]
    offered = {backend: offered_bits(ordered, backend) for backend in backends}
    entries: dict[tuple[Reason, ...], Entry] = {}
    rows = []
    for model in ordered:
        cells = {}
        for backend in backends:
            summary = model.summary(backend, offered[backend])
            if summary.reasons:
                entry = entries.setdefault(summary.reasons, Entry(summary.reasons, {}))
                entry.models.setdefault(backend, []).append(model.card.name)
            cells[backend] = Cell(summary.level, list(entries).index(summary.reasons) + 1 if summary.reasons else 0)
        rows.append(Row(model.card, cells))
    return Table(
        rows=rows,
        counts={backend: Counter(row.cells[backend].level for row in rows) for backend in backends},
        entries=list(entries.values()),
        missing={backend: _missing(ordered, backend, offered[backend]) for backend in backends},
    )


#: The levels that are a limit of a backend, worst first.
LIMITS = (Level.DIFFERS, Level.FAILS, Level.PARTLY)


class Limit(NamedTuple):
    """Models that a backend fails in one way: the level, the reasons, and the models by name."""

    level: Level
    reasons: tuple[Reason, ...]
    rows: list[Row]


def limits_of(table: Table, backend: str) -> list[Limit]:
    """What a backend cannot do or does otherwise than NumPy, worst first."""
    found: dict[int, Limit] = {}
    for row in table.rows:
        cell = row.cells[backend]
        if cell.level in LIMITS:
            reasons = table.entries[cell.entry - 1].reasons
            found.setdefault(cell.entry, Limit(cell.level, reasons, [])).rows.append(row)
    return sorted(found.values(), key=lambda limit: LIMITS.index(limit.level))


def _missing(models: list[Capability], backend: str, offered: frozenset[str]) -> dict[str, str]:
    """Bits that no model runs in on a backend to the first error."""
    failed: dict[str, str] = {}
    for model in models:
        for bits, words in model.precisions(backend).items():
            if bits not in offered:
                failed.setdefault(bits, words)
    return failed


def setup(app: Sphinx) -> None:
    app.add_directive("matrix", MatrixDirective)
    app.add_node(Matrix, html=(_visit_matrix, None))


class Matrix(nodes.General, nodes.Element):
    """The place of the matrix. It is written when all pages are read, since it names the titles of cards' pages."""


class MatrixDirective(SphinxDirective):
    """``:::{matrix}``: every model on every backend; ``:::{matrix} jax``: what of it fails on that one."""

    optional_arguments = 1

    def run(self) -> list[nodes.Node]:
        tells_of(self.env, MODELS)
        backend = self.arguments[0] if self.arguments else ""
        if backend not in ("", *TITLES):
            raise self.error(f"no backend '{backend}': name {', '.join(TITLES)} or none")
        return [Matrix(docname=self.env.docname, backend=backend)]


#: Where a long name may break.
_HUMP = re.compile(r"(?<=[a-z])(?=[A-Z])")


def _checks(reason: Reason) -> str:
    """The checks of a reason in words: where values are the same, they are called so."""
    same = "same " if reason.mark == YES else ""
    names = [f"{same}{name}" if name in ("values", "gradients") else name for name in reason.checks]
    return " and ".join([", ".join(names[:-1]), names[-1]] if names[1:] else names)


def _visit_matrix(self: SphinxTranslator, node: Matrix) -> None:
    app = self.builder.app
    made = table_of(state_of(app).models.values())
    backend = node["backend"]
    pages = {row.card.page for row in made.rows}

    def address(card: Card) -> str:
        return f"{app.builder.get_relative_uri(node['docname'], card.page)}#mithril.models.{card.name}"

    context: dict[str, Any] = {
        "table": made,
        "titles": TITLES,
        "signs": SIGNS,
        "sign_of": lambda reason: SIGNS[LEVEL_OF[reason.mark]],
        "checks": _checks,
        "broken": lambda name: _HUMP.sub("<wbr>", name),
        "families": sorted((app.env.titles[page].astext(), page.rpartition("/")[2]) for page in pages),
        "family": lambda card: app.env.titles[card.page].astext(),
        "slug": lambda card: card.page.rpartition("/")[2],
        "address": address,
        "backend": backend,
        "limits": limits_of(made, backend) if backend in made.counts else [],
    }
    template = "limits.html" if backend else "matrix.html"
    self.body.append(app.builder.templates.render(template, context))  # type: ignore[attr-defined]
    raise nodes.SkipNode
