"""What the reference covers, counted against what ``inspect`` finds in the installed package, both ways."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from typing import Any

from sphinx.application import Sphinx
from sphinx.environment import BuildEnvironment
from sphinx.util import logging

from mithril_docs import public
from mithril_docs.cards import Entry, entries
from mithril_docs.catalogue import Catalogue
from mithril_docs.errors import catalogue_of
from mithril_docs.merge import Build, Record
from mithril_docs.render import build_of

LOGGER = logging.getLogger(__name__)

#: Pages under this folder make the reference; a site without any is not asked to cover anything.
FOLDER = "reference/"
#: Names that no page can show at work, with the reason.
NO_EXAMPLE = {"mithril.CBackend": "the wheel holds no C library, so the class cannot be instantiated"}


def setup(app: Sphinx) -> None:
    app.connect("env-check-consistency", _check)


def coverage(app: Sphinx) -> dict[str, Any]:
    """The counts for ``verification.json``, once all pages are read; empty where the site has no reference."""
    build = build_of(app)
    if not any(name.startswith(FOLDER) for name in build.records):
        return {}
    if not hasattr(app, "mithril_coverage"):
        counts = {"api": _api(app.env, build), "options": _options(build)}
        found = catalogue_of(app)
        app.mithril_coverage = counts | ({"errors": _errors(found)} if found.errors else {})  # type: ignore[attr-defined]
    return app.mithril_coverage  # type: ignore[attr-defined]


def _errors(found: Catalogue) -> dict[str, Any]:
    return {
        "total": len(found.sites),
        "reproduced": len(found.reproduced),
        "unreachable": len(found.out_of_reach()),
        "entries": len(found.errors),
        "missing": found.missing(),
    }


def _api(env: BuildEnvironment, build: Build) -> dict[str, Any]:
    wanted = public.names()
    described = {name for name in env.domaindata["py"]["objects"] if name in wanted}
    shown = _used(build)
    examples = {name for name in wanted if name.rpartition(".")[2] in shown and not _excused(name)}
    missing = [f"{name} is not described" for name in sorted(wanted - described)]
    missing += [f"{name} has no executed example" for name in sorted(wanted - examples) if not _excused(name)]
    return {
        "total": len(wanted),
        "documented": len(described),
        "executed_examples": len(examples),
        "without_example": {name: reason for name in sorted(wanted) if (reason := _excused(name))},
        "missing": missing,
    }


def _excused(name: str) -> str:
    return next((reason for start, reason in NO_EXAMPLE.items() if name == start or name.startswith(f"{start}.")), "")


def _used(build: Build) -> set[str]:
    """Every name that the executed cells of the reference use, as a variable, an attribute or a keyword."""
    found: set[str] = set()
    for record in _reference(build):
        for cell in record.page.cells:
            if cell.code:
                for node in ast.walk(ast.parse(cell.source)):
                    found |= {getattr(node, field) for field in ("id", "attr", "arg") if hasattr(node, field)}
    return found


def _reference(build: Build) -> Iterator[Record]:
    """The pages of the reference that ran."""
    for name, record in build.records.items():
        if name.startswith(FOLDER) and not record.failures:
            yield record


def _options(build: Build) -> dict[str, Any]:
    wanted = public.options()
    described = {entry.argument: entry for record in _reference(build) for entry in entries(record.page, "setting")}
    missing = [f"the option {name} is not described" for name in wanted if name not in described]
    for name, entry in described.items():
        missing += [f"the option {name} {words}" for words in _lacks(entry)]
    return {"total": len(wanted), "documented": len(described.keys() & wanted.keys()), "missing": missing}


def _lacks(entry: Entry) -> Iterator[str]:
    if not any("timing" not in cell.tags for cell in entry.cells) and "same-as" not in entry.options:
        yield "has no cell that shows its effect"
    if not any("timing" in cell.tags for cell in entry.cells) and not {"free", "same-as"} & set(entry.options):
        yield "has no cell that measures its cost, nor ':free:' with the reason for none"


def _check(app: Sphinx, env: BuildEnvironment) -> None:
    for part in coverage(app).values():
        for words in part["missing"]:
            LOGGER.warning("the reference is not complete: %s", words, type="mithril", subtype="coverage")
