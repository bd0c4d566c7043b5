"""The record of a build: ``verification.json`` for tools, and the ``verification`` directive for readers."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective

from mithril_docs.backends import BACKENDS
from mithril_docs.build.assistants import mithril_version
from mithril_docs.build.records import Record, Run
from mithril_docs.contract import roadmap
from mithril_docs.site.coverage import coverage
from mithril_docs.site.pages import RECORDS
from mithril_docs.site.state import TOPIC_OF_CASES, build_of, state_of, tells_of
from mithril_docs.site.tables import page_link, table

FILE = "verification.json"

#: What is counted, with the count of what programs show.
COUNTED = {
    "api": ("Public names", "executed_examples"),
    "options": ("Options", "documented"),
    "errors": ("Places that raise an error with a message", "reproduced"),
}


def setup(app: Sphinx) -> None:
    app.add_directive("verification", VerificationDirective)
    app.connect("doctree-resolved", _fill_coverage)
    app.connect("build-finished", _write)


def record_of(app: Sphinx) -> dict[str, Any]:
    """The record in the form that tools read; see the design for its shape."""
    build = build_of(app)
    return {
        "mithril": mithril_version(build) or None,
        "environments": {name: environment.versions for name, environment in build.environments.items()},
        "pages": {name: _page(record) for name, record in build.records.items() if record.page.runs or record.failures},
        "coverage": coverage(app),
    } | _conformance(app)


def _conformance(app: Sphinx) -> dict[str, Any]:
    made = state_of(app).verdict
    if made is None:
        return {}
    found = [
        {
            "model": model,
            "backend": backend,
            "option": ", ".join(name for name in cause.named if name in made.models[model].values and name != "bits"),
            "kind": "value" if kind == "values" else kind,
            "page": cause.page,
            "known": bool(cause.name),
        }
        for cause in made.causes
        for model, backend, kind in cause.met
    ]
    return {"conformance": {"models": made.references, "configurations": made.cases, "disagreements": found}}


def _page(record: Record) -> dict[str, Any]:
    return {
        "roadmap": record.page.roadmap,
        "backends": {name: _run(run) for name, run in record.runs.items()},
        "parity": {name: dataclasses.asdict(value) for name, value in record.parity.items()},
        "measured": record.measured,
    } | ({"problems": [words for _, words in record.page.problems]} if record.page.problems else {})


def _run(run: Run) -> dict[str, Any]:
    if run.status == "unsupported":
        return {"status": run.status, "reason": run.failures[0].cause}
    content: dict[str, Any] = {"status": run.status}
    if run.result:
        content |= {"cells": len(run.result.outputs), "seconds": run.result.seconds}
    return content | ({"causes": [str(failure) for failure in run.failures]} if run.failures else {})


def _write(app: Sphinx, exception: Exception | None) -> None:
    if exception or app.builder.format != "html":
        return
    content = json.dumps(record_of(app), indent=1, sort_keys=True)
    Path(app.outdir, FILE).write_text(content + "\n", encoding="utf-8")


class VerificationDirective(SphinxDirective):
    """``:::{verification} pages``: one table of the record: ``environments``, ``conformance``, ``promises``."""

    required_arguments = 1

    def run(self) -> list[nodes.Node]:
        tells_of(self.env, RECORDS, TOPIC_OF_CASES)
        tables = {
            "environments": _environments, "pages": _pages, "promises": _promises, "conformance": _tried,
        }  # fmt: skip
        if self.arguments[0] == "coverage":
            return [Coverage()]
        if self.arguments[0] not in tables:
            raise self.error(f"no table '{self.arguments[0]}': name one of {', '.join(tables)}, coverage")
        shown = table(tables[self.arguments[0]](self.env.app))
        if self.arguments[0] != "pages":
            return [shown]
        file = "../" * self.env.docname.count("/") + FILE
        tools = nodes.paragraph("", "For tools: ", nodes.reference("", FILE, refuri=file), classes=["mb-ran"])
        return [shown, tools]


class Coverage(nodes.General, nodes.Element):
    """A table of the counts, which are known when all pages are read."""


def _fill_coverage(app: Sphinx, doctree: nodes.document, docname: str) -> None:
    for node in list(doctree.findall(Coverage)):
        rows: list[list[Any]] = [
            ["What the package has", "In all", "Shown by a program", "Not, with a reason", "Missing"]
        ]
        for what, counts in coverage(app).items():
            title, shown = COUNTED[what]
            excused = counts["total"] - counts[shown] - len(counts["missing"])
            rows.append([title, *map(str, (counts["total"], counts[shown], excused, len(counts["missing"])))])
        node.replace_self(table(rows))


def _environments(app: Sphinx) -> list[list[Any]]:
    shared = {"python": "Python", "mithril": "Mithril", "numpy": "NumPy", "scipy": "SciPy", "matplotlib": "Matplotlib"}
    rows: list[list[Any]] = [["Backend", "Framework", *shared.values()]]
    for name, found in build_of(app).environments.items():
        row = BACKENDS[name]
        framework = f"{row.framework} {found.versions.get(row.framework, 'missing')}" if row.framework else "none"
        rows.append([row.title, framework, *(found.versions.get(key, "missing") for key in shared)])
    return rows


def _pages(app: Sphinx) -> list[list[Any]]:
    build = build_of(app)
    rows: list[list[Any]] = [["Page", *(BACKENDS[name].title for name in build.environments), "Compared"]]
    for name, record in build.records.items():
        if not record.runs:
            continue
        agree = [value.agrees for value in record.parity.values()]
        compared = f"{sum(agree)} of {len(agree)} agree" if agree else "nothing"
        rows.append([page_link(name), *(_cell(record.runs.get(b)) for b in build.environments), compared])
    return rows


def _cell(run: Run | None) -> str:
    if run is None:
        return "failed"
    return f"{run.result.seconds:.1f}\N{NO-BREAK SPACE}s" if run.status == "ok" and run.result else run.status


def _tried(app: Sphinx) -> list[list[Any]]:
    made = state_of(app).verdict
    rows: list[list[Any]] = [["Models", "Combinations", "On backends", "Causes of silent faults", "Shown by no page"]]
    if made:
        counts = (made.references, made.cases, len(made.environments), len(made.causes), len(made.unknown))
        rows.append([f"{count:,}" for count in counts])
    return rows


def _promises(app: Sphinx) -> list[list[Any]]:
    build = build_of(app)
    rows: list[list[Any]] = [["Id", "Promise", "Pages"]]
    for identifier, row in roadmap().items():
        names = [name for name, record in build.records.items() if identifier in record.page.roadmap]
        links = nodes.inline()
        for name in names:
            links += [nodes.Text(", ")] * bool(links.children) + [page_link(name)]
        rows.append([identifier, row["promise"], links if names else "not yet"])
    return rows
