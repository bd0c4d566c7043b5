"""Figures that a page of this build measured: the ``measured`` directive shows them all, the role one in a sentence."""

from __future__ import annotations

from typing import Any

from docutils import nodes
from sphinx.addnodes import pending_xref
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective, SphinxRole

from mithril_docs.backends import BACKENDS
from mithril_docs.build.measured import JIT, MODELS, Figures, Key, figures, in_column, phrase
from mithril_docs.site.state import build_of, digest, state_of, tells_of
from mithril_docs.site.tables import table

#: The topic of pages that tell a figure.
MEASURED = "measured"
#: The label of the place that has all figures: each one in a sentence leads there.
LABEL = "what-jit-costs"

#: The columns of the table, each with jit off and on, and the last one.
COLUMNS = {"First call": "first", "Later calls": "later", "Memory": "memory"}
GAIN = "Gain"

_NOTHING = "\N{EN DASH}"


def setup(app: Sphinx) -> None:
    app.connect("builder-inited", _collect, priority=520)  # behind the pages
    app.add_directive("measured", MeasuredDirective)
    app.add_role("measured", MeasuredRole())


def _collect(app: Sphinx) -> None:
    state_of(app).topics[MEASURED] = digest(sorted(figures(build_of(app)).items()))


class MeasuredDirective(SphinxDirective):
    """``:::{measured} jit``: what each backend of this build measured with jit off and on, in one table."""

    required_arguments = 1

    def run(self) -> list[nodes.Node]:
        tells_of(self.env, MEASURED)
        if self.arguments[0] != "jit":
            raise self.error(f"no table '{self.arguments[0]}': name jit")
        build = build_of(self.env.app)
        made = table(_rows(list(build.environments), figures(build)))
        made["classes"].append("mb-measured")
        return [made]


def _rows(backends: list[str], found: Figures) -> list[list[Any]]:
    """The table of jit: a row for each model and backend."""
    rows: list[list[Any]] = [["Model", "Backend", *(f"{title}, jit {jit}" for title in COLUMNS for jit in JIT), GAIN]]
    for model in MODELS:
        for backend in backends:
            keys = [Key(backend, model, jit, figure) for figure in COLUMNS.values() for jit in JIT]
            gain = " / ".join(" ".join(Key(backend, model, jit, "later")) for jit in JIT)
            values = [in_column(found[key], key.figure) if key in found else _NOTHING for key in keys]
            values.append(f"{phrase(gain, found)}×" if set(keys) <= found.keys() else _NOTHING)
            rows.append([model, BACKENDS[backend].title, *values])
    return rows


class MeasuredRole(SphinxRole):
    """A figure by its key, ``torch small on first``, or two with a slash between as a ratio; it leads to them all."""

    def run(self) -> tuple[list[nodes.Node], list[nodes.system_message]]:
        tells_of(self.env, MEASURED)
        try:
            words = phrase(self.text, figures(build_of(self.env.app)))
        except ValueError as error:
            message = self.inliner.reporter.error(str(error), line=self.lineno)
            return [nodes.problematic(self.rawtext, self.rawtext)], [message]
        inner = nodes.inline("", words)
        options = {"refdomain": "std", "reftype": "ref", "reftarget": LABEL, "refexplicit": True}
        return [pending_xref("", inner, refdoc=self.env.docname, **options)], []
