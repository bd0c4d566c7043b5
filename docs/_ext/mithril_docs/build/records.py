"""What became of each page on each backend, read from the store and compared."""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal

from mithril_docs.backends import BACKENDS
from mithril_docs.build.compare import apart
from mithril_docs.page import Cell, Page, find_pages
from mithril_docs.results import Environment, Failure, Result
from mithril_docs.store import CorruptEntryError, Store, page_key

Status = Literal["ok", "failed", "unsupported", "stale"]

#: What stands in the place of a tolerance where a value differs from run to run, and no two backends are compared.
MEASURED = "measured"


@dataclasses.dataclass
class Run:
    """What became of a page on one backend: its status, what went wrong or why not, and its result if there is one."""

    status: Status
    failures: list[Failure] = dataclasses.field(default_factory=list)
    result: Result | None = None


@dataclasses.dataclass
class Parity:
    """A value that a page records on each backend.

    Attributes
    ----------
    tolerance
        How far the backends may be apart; see :mod:`mithril_docs.build.compare`.
    values
        Backend to value: a number, or nested lists of them.
    agrees
        Whether they are all as near to the first as that.
    """

    tolerance: float
    values: dict[str, Any]
    agrees: bool


@dataclasses.dataclass
class Record:
    """What became of a page.

    Attributes
    ----------
    page
        The page.
    runs
        Backend to what became of it there; first those that the page declares, in the order of the table.
    parity
        Name to value, for those that are compared.
    measured
        Name to what each backend recorded, for those that are not.
    """

    page: Page
    runs: dict[str, Run]
    parity: dict[str, Parity]
    measured: dict[str, dict[str, Any]] = dataclasses.field(default_factory=dict)

    @property
    def shown(self) -> list[str]:
        """The backends whose view the page has."""
        return [name for name, run in self.runs.items() if run.status != "unsupported"]

    @property
    def read_on(self) -> list[str]:
        """The backends whose code the page has: where this build has none of them, the first that the page runs on."""
        return self.shown or self.page.backends[:1]

    @property
    def failures(self) -> list[tuple[int, str]]:
        """Every failure of the page in a line each, ``(line of the file, words)``."""
        found = list(self.page.problems)
        for name, run in self.runs.items():
            if run.status != "unsupported":
                found += [(self._line(f), f"on {BACKENDS[name].title}, {f}") for f in run.failures]
        return found

    def _line(self, failure: Failure) -> int:
        return next((cell.line for cell in self.page.cells if cell.code and cell.number == failure.cell), 1)


@dataclasses.dataclass
class Build:
    """All that a build knows: the environments by backend, and the pages by name."""

    environments: dict[str, Environment]
    records: dict[str, Record]


def collect(docs: Path, store: Store, backends: list[str]) -> Build:
    """Read the pages under ``docs`` and what the store holds for them on ``backends``."""
    environments = {name: store.environment(name) for name in backends}
    pages = find_pages(docs, store.root / "pages.pickle")
    return Build(environments, {page.name: _record(page, store, environments) for page in pages})


def _record(page: Page, store: Store, environments: dict[str, Environment]) -> Record:
    runs = {name: _run(page, name, store, found) for name, found in environments.items() if name in page.backends}
    parity = {name: value for cell in page.cells for name, value in _parity(cell, runs)}
    measured = {name: _recorded(name, runs) for cell in page.cells for name in _named(cell, measured=True)}
    for name in environments:
        if page.runs and name in page.unsupported:
            runs[name] = Run("unsupported", [Failure(0, page.unsupported[name])])
    return Record(page, runs, parity, measured)


def _run(page: Page, backend: str, store: Store, environment: Environment) -> Run:
    if page.problems or environment.error:
        return Run("failed")
    try:
        result = store.read(page.name, backend)
    except CorruptEntryError as error:
        return Run("failed", [Failure(0, str(error))])
    if result is None:
        return Run("failed", [Failure(0, "it was not executed")])
    if result.failures:
        return Run("failed", list(result.failures), result)
    if result.key != page_key(page, backend, environment):
        words = "the page, its environment or the executor changed since it was executed"
        return Run("stale", [Failure(0, words)], result)
    return Run("ok", [], result)


def _parity(cell: Cell, runs: dict[str, Run]) -> Iterator[tuple[str, Parity]]:
    """Compare what the backends recorded with the first of them; a backend that is apart has failed."""
    for name, tolerance in _named(cell, measured=False).items():
        values = _recorded(name, runs)
        if not values:
            continue
        first, *others = values
        agrees = True
        for other in others:
            if words := apart(values[first], values[other], float(tolerance)):
                agrees = False
                compared = f"parity value '{name}', compared with {BACKENDS[first].title}"
                cause = f"{compared}, {words}; allowed is {tolerance:g}"
                runs[other].status = "failed"
                runs[other].failures.append(Failure(cell.number, cause))
        yield name, Parity(float(tolerance), values, agrees)


def _named(cell: Cell, *, measured: bool) -> dict[str, Any]:
    """The values that a cell records, with their tolerance: those that are measured, or those that are compared."""
    declared = cell.metadata.get("parity", {})
    return {name: tolerance for name, tolerance in declared.items() if (tolerance == MEASURED) is measured}


def _recorded(name: str, runs: dict[str, Run]) -> dict[str, Any]:
    """Backend to the value that the page recorded there."""
    return {b: run.result.parity[name] for b, run in runs.items() if run.result and name in run.result.parity}


def environment_failures(build: Build) -> Iterator[str]:
    """Backends that could not run at all, in a line each."""
    pages = list(itertools.chain(*(record.page.backends for record in build.records.values())))
    for name, environment in build.environments.items():
        if environment.error and name in pages:
            yield f"{BACKENDS[name].title}: {environment.error}"
