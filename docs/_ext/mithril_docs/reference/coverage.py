"""What the reference covers, counted against what ``inspect`` finds in the installed package, both ways."""

from __future__ import annotations

import functools
from collections.abc import Iterator
from typing import Any

from sphinx.application import Sphinx
from sphinx.environment import BuildEnvironment

from mithril_docs.blocks import Entry, entries
from mithril_docs.build.records import Build, Record
from mithril_docs.reference import package
from mithril_docs.reference.shown import shown_by
from mithril_docs.site.coverage import FOLDER
from mithril_docs.site.state import digest, state_of

#: Names that no page can show at work, with the reason.
NO_EXAMPLE = {"mithril.CBackend": "the wheel holds no C library, so the class cannot be instantiated"}

#: The attribute of Sphinx's environment that holds a digest of each page's code, and the names that it shows.
_USED = "mithril_docs_used"


def setup(app: Sphinx) -> None:
    app.connect("builder-inited", _count, priority=510)  # behind the pages


def _count(app: Sphinx) -> None:
    state = state_of(app)
    state.counted["api"] = functools.cache(lambda: _api(app.env, state.build))
    state.counted["options"] = functools.cache(lambda: _options(state.build))


def _api(env: BuildEnvironment, build: Build) -> dict[str, Any]:
    wanted = package.names()
    described = {name for name in env.domaindata["py"]["objects"] if name in wanted}
    shown = _used(env, build)
    examples = {name for name in wanted & shown if not _excused(name)}
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


def _used(env: BuildEnvironment, build: Build) -> set[str]:
    """Every name that the executed cells of the reference show; those of pages that did not change are kept."""
    before: dict[str, tuple[str, set[str]]] = getattr(env, _USED, {})
    now = {}
    for record in _reference(build):
        told = digest([record.page.front.get("unsupported"), [c for c in record.page.cells if c.code]])
        kept = before.get(record.page.name)
        now[record.page.name] = kept if kept and kept[0] == told else (told, shown_by(record.page))
    setattr(env, _USED, now)
    return {name for _, names in now.values() for name in names}


def _reference(build: Build) -> Iterator[Record]:
    """The pages of the reference that ran."""
    for name, record in build.records.items():
        if name.startswith(FOLDER) and not record.failures:
            yield record


def _options(build: Build) -> dict[str, Any]:
    wanted = package.options()
    described = {entry.argument: entry for record in _reference(build) for entry in entries(record.page, "setting")}
    missing = [f"the option {name} is not described" for name in wanted if name not in described]
    for name, entry in described.items():
        missing += [f"the option {name} {words}" for words in _lacks(entry)]
    return {"total": len(wanted), "documented": len(described.keys() & wanted.keys()), "missing": missing}


def _lacks(entry: Entry) -> Iterator[str]:
    if not any("timing" not in cell.tags for cell in entry.cells) and "same-as" not in entry.options:
        yield "has no cell that shows its effect"
    if not any("timing" in cell.tags for cell in entry.cells) and not {"cost", "free", "same-as"} & set(entry.options):
        yield "has no cell that measures its cost, nor ':free:' with the reason for none"
