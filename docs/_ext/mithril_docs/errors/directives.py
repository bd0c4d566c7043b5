"""The error catalogue's directives, its check, and what the box that finds a pasted error reads."""

from __future__ import annotations

import functools
import itertools
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from docutils import nodes
from docutils.parsers.rst import directives
from sphinx.application import Sphinx
from sphinx.environment import BuildEnvironment
from sphinx.util import logging
from sphinx.util.docutils import SphinxDirective

from mithril_docs.backends import BACKENDS
from mithril_docs.errors import catalogue
from mithril_docs.errors.catalogue import Catalogue, Explained, Message
from mithril_docs.errors.questions import TREES, questions
from mithril_docs.reference import package
from mithril_docs.site.state import digest, state_of, tells_of, titles
from mithril_docs.site.tables import page_link, table

LOGGER = logging.getLogger(__name__)

#: The script that the box reads the catalogue from, under ``_static``. A script, since a page opened from a disk may
#: load no data.
FILE = "errors-index.js"
#: The topic of pages that tell of all entries.
ERRORS = "errors"


def setup(app: Sphinx) -> None:
    app.connect("builder-inited", _collect, priority=510)  # behind the pages
    app.connect("builder-inited", _write_index, priority=520)
    app.add_css_file("reference.css")
    app.add_js_file(FILE, loading_method="defer")
    app.add_js_file("errors.js", loading_method="defer")
    app.add_directive("error", ErrorDirective, override=True)  # docutils has an admonition of this name
    app.add_directive("unreachable", UnreachableDirective)
    app.add_directive("errors", ErrorsDirective)


def catalogue_of(app: Sphinx) -> Catalogue:
    """The catalogue of this build."""
    found = state_of(app).catalogue
    assert found is not None
    return found


def _collect(app: Sphinx) -> None:
    state = state_of(app)
    state.catalogue = found = catalogue.read(state.build)
    told = [(error.title, error.page, error.anchor, error.messages) for error in found.errors]
    state.topics[ERRORS] = digest((told, _count(found)))
    for error in found.errors:
        state.topics[f"{ERRORS}-{error.anchor}"] = digest(_seen(found, error))
    state.counted["errors"] = functools.cache(lambda: _counts(found))
    for entry, words in found.problems():
        what = "the error" if entry in found.errors else "the list"
        LOGGER.warning(f"{what} {entry.name} {words}", type="mithril", subtype="errors", location=entry.where)


def _counts(found: Catalogue) -> dict[str, Any]:
    return {} if not found.errors else {
        "total": len(found.places),
        "reproduced": len(found.reproduced),
        "unreachable": len(found.out_of_reach()),
        "entries": len(found.errors),
        "missing": found.missing(),
    }  # fmt: skip


def _write_index(app: Sphinx) -> None:
    """Write what the box reads, before the pages that load it are written."""
    if app.builder.format != "html":
        return
    found = catalogue_of(app)
    rows = [
        {
            "title": error.title,
            "url": f"{app.builder.get_target_uri(error.page)}#{error.anchor}",
            "on": error.on,
            "messages": [_recognized(found, error, message) for message in error.messages if not message.borrowed],
        }
        for error in found.errors
    ]
    path = Path(app.outdir, "_static", FILE)
    path.parent.mkdir(parents=True, exist_ok=True)
    content = {
        "entries": rows,
        "names": ["mithril", *sorted(package.classes())],
        "questions": list(_questions(app)),
    }
    path.write_text(f"window.mithrilErrors = {json.dumps(content)};\n", encoding="utf-8")


def _questions(app: Sphinx) -> Iterator[dict[str, str]]:
    """The questions of the trees, each with its address."""
    record = state_of(app).build.records.get(TREES)
    for row in questions(record.page) if record else ():
        address = f"{app.builder.get_target_uri(TREES)}#{row['anchor']}"
        yield {"title": row["title"], "url": address, "words": row["words"]}


def _recognized(found: Catalogue, error: Explained, message: Message) -> dict[str, Any]:
    """How a message is known: its kind and pattern, how many letters of it are fixed, and where it is raised."""
    own = [place for place in message.places() if found.places[place] is error]
    places: set[tuple[Any, ...]] = {
        (place.path, place.scope.rpartition(".")[2], place.line, place.end) for place in own
    }
    return {
        "kind": message.kind,
        "pattern": message.pattern,
        "letters": message.letters,
        "telling": message.telling,
        "generic": message.generic,
        "places": sorted(places or {(*place, place[-1]) for place in found.passed(error, message)}),
    }


class ErrorDirective(SphinxDirective):
    """``:::{error} slug``: the messages that an entry explains; :mod:`mithril_docs.catalogue` says what it takes."""

    required_arguments = 1
    has_content = True
    option_spec = dict.fromkeys(["by"], directives.unchanged)

    def run(self) -> list[nodes.Node]:
        found = catalogue_of(self.env.app)
        entry = next((e for e in found.errors if (e.page, e.name) == (self.env.docname, self.arguments[0])), None)
        if entry is None:
            raise self.error("the entry cannot be read: its lines are messages, and nothing else")
        tells_of(self.env, f"{ERRORS}-{entry.anchor}")
        self._lead_to_the_heading(entry)
        box = nodes.container(classes=["mb-reference", "mb-error"], on=entry.on)
        for message in entry.messages:
            box += nodes.paragraph("", "", nodes.literal(message.words, message.words))
        box += nodes.paragraph("", "", *_origin(found, entry), classes=["mb-ran"])
        return [box]

    def _lead_to_the_heading(self, entry: Explained) -> None:
        """Make the anchor an id of the section around, behind that of its heading, so that a link to it shows both."""
        section: nodes.Element | None = self.state_machine.node
        assert section is not None
        section["ids"].append(entry.anchor)
        self.state.document.ids[entry.anchor] = section
        # Known to other pages. Not as an explicit name, which would come before the heading's own.
        self.env.domains.standard_domain.labels[entry.anchor] = (self.env.docname, entry.anchor, entry.title)


def _origin(found: Catalogue, entry: Explained) -> list[nodes.Node]:
    """Where the errors of an entry come from, and on which backends this build saw them."""
    places = dict.fromkeys(place for message in entry.messages for place in message.places())
    scopes = dict.fromkeys(place.scope or place.path for place in places)
    words: list[nodes.Node] = [nodes.Text("Raised by ")] if scopes else []
    for scope in scopes:
        words += [nodes.literal(scope, scope), nodes.Text(", ")]
    origins = list(dict.fromkeys(message.origin for message in entry.messages if message.origin))
    words += [nodes.Text(f"Raised by {', '.join(origins)}")] if origins and not scopes else []
    words = words[:-1] if scopes else words
    if entry.options.get("by") == "shell":
        return [*words, nodes.Text(". A test types the lines below.")]
    return [*words, nodes.Text(f". Seen in this build on {titles(_seen(found, entry))}.")]


def _seen(found: Catalogue, entry: Explained) -> list[str]:
    """The backends on which this build saw the errors of an entry, be it on another page."""
    return [name for name in BACKENDS if name in found.seen(entry)]


class UnreachableDirective(SphinxDirective):
    """``:::{unreachable} reason``: messages that no user can meet, and why."""

    required_arguments = 1
    final_argument_whitespace = True
    has_content = True

    def run(self) -> list[nodes.Node]:
        found = catalogue_of(self.env.app)
        place = (self.env.docname, self.arguments[0])
        entry = next((e for e in found.unreachable if (e.page, e.name) == place), None)
        if entry is None:
            raise self.error("the list cannot be read: its lines are messages, and nothing else")
        listed = nodes.bullet_list(classes=["mb-ran", "mb-unreachable"])
        for message in entry.messages:
            listed += nodes.list_item("", nodes.paragraph("", "", nodes.literal(message.words, message.words)))
        return [*self.parse_text_to_nodes(entry.name), listed]


class ErrorsDirective(SphinxDirective):
    """``:::{errors} list``: the ``box`` to paste an error into, the ``list`` of all entries, or the ``count``."""

    required_arguments = 1

    def run(self) -> list[nodes.Node]:
        tells_of(self.env, ERRORS)
        found = catalogue_of(self.env.app)
        match self.arguments[0]:
            case "box":
                return [nodes.container(classes=["mb-reference", "mb-paste", "pst-js-only"])]
            case "list":
                return list(_lists(self.env, found.errors))
            case "count":
                return [nodes.paragraph("", _count(found))]
        raise self.error("name one of box, list, count")


def _lists(env: BuildEnvironment, errors: list[Explained]) -> Iterator[nodes.Node]:
    """A table of the entries of each page, under a link to it."""
    for page, group in itertools.groupby(errors, key=lambda error: error.page):
        rows: list[list[Any]] = [["What happened", "Message"]]
        for entry in group:
            link = nodes.reference("", entry.title, refuri=_address(env, entry), internal=True)
            words = entry.messages[0].words
            rows.append([link, nodes.literal(words, words)])
        yield nodes.paragraph("", "", page_link(page), classes=["mb-caption"])
        yield table(rows)


def _count(found: Catalogue) -> str:
    return (
        f"Mithril raises an error with a message in {len(found.places)} places. Programs of this site raise it in "
        f"{len(found.reproduced)} of them, and {len(found.out_of_reach())} are out of reach."
    )


def _address(env: BuildEnvironment, entry: Explained) -> str:
    return f"{env.app.builder.get_relative_uri(env.docname, entry.page)}#{entry.anchor}"
