"""The ``facts`` directive: a line of facts of the package or of this build, none of them typed by hand."""

from __future__ import annotations

import dataclasses
import re
from importlib.metadata import distribution
from pathlib import Path

from docutils import nodes
from sphinx.addnodes import pending_xref
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective

from mithril_docs.build.assistants import mithril_version
from mithril_docs.build.provenance import commit_date
from mithril_docs.site.state import build_of, digest, state_of, tells_of

#: The topic of pages that tell the facts.
FACTS = "facts"
#: The distribution that the site documents.
PACKAGE = "mithril"


@dataclasses.dataclass(frozen=True)
class Fact:
    """A fact in a line of facts.

    Attributes
    ----------
    value, before, after
        What it says, and the words around it.
    url
        An address that the value leads to.
    page
        A page of the site that the words behind the value lead to, where there is one.
    """

    value: str
    before: str = ""
    after: str = ""
    url: str = ""
    page: str = ""


def setup(app: Sphinx) -> None:
    app.connect("builder-inited", _collect, priority=520)  # behind the pages and the models
    app.add_directive("facts", FactsDirective)
    app.add_css_file("landing.css")


def facts(app: Sphinx) -> dict[str, list[Fact]]:
    """The facts of the build and of the package."""
    return {"build": _of_build(app), "package": _of_package(mithril_version(build_of(app)))}


def _of_build(app: Sphinx) -> list[Fact]:
    build = build_of(app)
    ran = [record for record in build.records.values() if record.page.runs]
    cells = sum(len(run.result.outputs) for record in ran for run in record.runs.values() if run.result)
    found = [
        Fact(f"{len(ran):,}", after="pages", page="verification"),
        Fact(f"{cells:,}", after="cells executed", page="verification"),
        Fact(f"{len(state_of(app).models):,}", after="models", page="reference/index"),
        Fact(f"{len(build.environments)}", after="backends", page="backends/index"),
        Fact(mithril_version(build), before="Mithril"),
        Fact(commit_date(Path(app.confdir)), before="as of"),
    ]
    return [fact for fact in found if fact.value]


def _of_package(version: str) -> list[Fact]:
    """What the package says of itself. The license is that of its file: the metadata has no field for it."""
    package = distribution(PACKAGE)
    lines = [line.strip() for line in (package.read_text("LICENSE") or "").splitlines() if line.strip()]
    python = re.search(r"^Tag: cp3(\d+)-", package.read_text("WHEEL") or "", re.MULTILINE)
    size = sum(file.size or 0 for file in package.files or () if file.suffix != ".pyc")
    found = [
        Fact(version, before="Version"),
        Fact(" ".join([lines[0], lines[1].split(",")[0].removeprefix("Version ")]) if len(lines) > 1 else ""),
        Fact(f"Python 3.{python[1]}" if python else ""),
        Fact(f"{size / 1e6:.0f} MB", after="installed"),
        Fact("Source", url=package.metadata["Home-page"]),
    ]
    return [fact for fact in found if fact.value]


def _collect(app: Sphinx) -> None:
    state_of(app).topics[FACTS] = digest(facts(app))


class FactsDirective(SphinxDirective):
    """``:::{facts} build``: the facts of the ``build``, or of the ``package``, in a line."""

    required_arguments = 1

    def run(self) -> list[nodes.Node]:
        tells_of(self.env, FACTS)
        pages = build_of(self.env.app).records
        made = facts(self.env.app)
        if self.arguments[0] not in made:
            raise self.error(f"no facts of '{self.arguments[0]}': name one of {', '.join(made)}")
        shown = nodes.bullet_list(classes=["mb-facts", f"mb-facts-{self.arguments[0]}"])
        for fact in made[self.arguments[0]]:
            shown += nodes.list_item("", nodes.paragraph("", "", *_words(fact, linked=fact.page in pages)))
        return [shown]


def _words(fact: Fact, *, linked: bool) -> list[nodes.Node]:
    if fact.url:
        return [nodes.reference("", fact.value, refuri=fact.url)]
    words: list[nodes.Node] = [nodes.strong("", fact.value)]
    if fact.before:
        words.insert(0, nodes.Text(f"{fact.before} "))
    if linked:
        inner = nodes.inline("", fact.after)
        link = pending_xref("", inner, refdomain="std", reftype="doc", reftarget=f"/{fact.page}", refexplicit=True)
        words += [nodes.Text(" "), link]
    elif fact.after:
        words.append(nodes.Text(f" {fact.after}"))
    return words
