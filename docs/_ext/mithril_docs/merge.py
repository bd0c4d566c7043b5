"""From the store to what the site shows: what became of each page, and one notebook of all its backends."""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Literal

import numpy as np
from nbformat import NotebookNode, from_dict, v4

from mithril_docs.backends import BACKENDS
from mithril_docs.page import Cell, Page, find_pages
from mithril_docs.store import CorruptEntryError, Environment, Result, Store, key

Status = Literal["ok", "failed", "unsupported", "stale"]


@dataclasses.dataclass
class Run:
    """What became of a page on one backend: its status, the causes of a failure, and its result where there is one."""

    status: Status
    causes: list[str] = dataclasses.field(default_factory=list)
    result: Result | None = None


@dataclasses.dataclass
class Record:
    """What became of a page.

    Attributes
    ----------
    page: the page.
    runs: backend to what became of it there; first those that the page declares, in the order of the table.
    parity: value to its tolerance, the values by backend, and whether they agree.
    failures: every failure of the page in a line each, ``(line of the file, words)``.
    """

    page: Page
    runs: dict[str, Run]
    parity: dict[str, dict[str, Any]]
    failures: list[tuple[int, str]]

    @property
    def shown(self) -> list[str]:
        """The backends whose view the page has."""
        return [name for name, run in self.runs.items() if run.status != "unsupported"]


@dataclasses.dataclass
class Build:
    """All that a build knows: the environments by backend, and the pages by name."""

    environments: dict[str, Environment]
    records: dict[str, Record]


def collect(docs: Path, store: Store, backends: list[str]) -> Build:
    """Read the pages under ``docs`` and what the store holds for them on ``backends``."""
    environments = {name: store.environment(name) for name in backends}
    records = {page.name: _record(page, store, environments) for page in find_pages(docs)}
    return Build(environments, records)


def _record(page: Page, store: Store, environments: dict[str, Environment]) -> Record:
    runs: dict[str, Run] = {}
    failures = list(page.problems)
    for name, environment in environments.items():
        if name not in page.backends:
            continue
        runs[name] = _run(page, name, store, environment)
        title = BACKENDS[name].title
        failures += [(_line(page, cause), f"on {title}, {cause}") for cause in runs[name].causes]
    parity = dict(_parity(page, runs))
    for value in parity.values():
        line = value.pop("line")
        for backend, cause in value.pop("causes").items():
            runs[backend].status = "failed"
            runs[backend].causes.append(cause)
            failures.append((line, cause))
    for name in environments:
        if page.runs and name in page.unsupported:
            runs[name] = Run("unsupported", [page.unsupported[name]])
    return Record(page, runs, parity, failures)


def _run(page: Page, backend: str, store: Store, environment: Environment) -> Run:
    if page.problems:
        return Run("failed")
    if environment.error:
        return Run("failed")
    try:
        result = store.read(page.name, backend)
    except CorruptEntryError as error:
        return Run("failed", [str(error)])
    if result is None:
        return Run("failed", ["it was not executed"])
    if result.failures:
        return Run("failed", [f"cell {failure.cell}: {failure.cause}" for failure in result.failures], result)
    if result.key != key(page, backend, environment):
        return Run("stale", ["the page, its environment or the executor changed since it was executed"], result)
    return Run("ok", [], result)


def _line(page: Page, cause: str) -> int:
    """The line of the page that a cause such as ``cell 3: …`` is about."""
    number = cause.partition(":")[0].removeprefix("cell ")
    return next((cell.line for cell in page.cells if cell.code and str(cell.number) == number), 1)


def _parity(page: Page, runs: dict[str, Run]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Compare what the backends recorded with the first of them: ``|a - b| <= tolerance * max(1, |a|)``."""
    for cell in page.cells:
        for name, tolerance in cell.metadata.get("parity", {}).items():
            values = {b: run.result.parity[name] for b, run in runs.items() if run.result and name in run.result.parity}
            if not values:
                continue
            first, *others = values
            causes = {}
            for other in others:
                a, b = np.asarray(values[first], float), np.asarray(values[other], float)
                if a.shape != b.shape:
                    apart = f"has shape {b.shape}, {BACKENDS[first].title} {a.shape}"
                elif not np.all(np.abs(a - b) <= float(tolerance) * np.maximum(1.0, np.abs(a))):
                    apart = (
                        f"differs from {BACKENDS[first].title} by {np.max(np.abs(a - b)):.3g}, allowed is {tolerance:g}"
                    )
                else:
                    continue
                causes[other] = f"cell {cell.number}: parity value '{name}' on {BACKENDS[other].title} {apart}"
            yield (
                name,
                {
                    "tolerance": float(tolerance),
                    "values": values,
                    "agrees": not causes,
                    "causes": causes,
                    "line": cell.line,
                },
            )


def merged_notebook(record: Record) -> NotebookNode:
    """One notebook of a page's backends, for myst-nb to render.

    A code cell whose code and outputs are the same everywhere stays one cell. Otherwise its code comes first, a cell
    a variant, then its outputs, a cell a variant without its input. ``metadata.mithril`` of each says which backends
    it is for; the cells of one ``group`` take turns in one place.
    """
    notebook = v4.new_notebook(metadata=_metadata(record.page))
    lines: list[int] = []
    for cell in record.page.cells:
        for merged in _merge_cell(cell, record) if cell.code else [_prose(cell)]:
            merged["id"] = f"c{len(lines)}"
            notebook.cells.append(merged)
            lines.append(cell.line - 1)
    if not record.page.cells:
        words = f"# {record.page.name}\n\nThis page cannot be read."
        notebook.cells.append(v4.new_markdown_cell(words, id="c0"))
        lines.append(0)
    notebook.metadata["source_map"] = lines
    return notebook


def view_notebook(page: Page, result: Result) -> Iterator[tuple[Cell, list[NotebookNode]]]:
    """The cells of one backend's view in order, prose too, each with its outputs there."""
    for cell in page.cells:
        if not cell.code:
            yield cell, []
        elif cell.runs_on(result.backend):
            outputs = [from_dict(output) for output in result.outputs.get(cell.number, [])]
            yield dataclasses.replace(cell, source=cell.source_for(result.backend)), outputs


def _metadata(page: Page) -> dict[str, Any]:
    kept = {k: v for k, v in page.front.items() if k in ("orphan", "tocdepth") or k.startswith("html_theme")}
    myst = dict(page.front.get("myst") or {})
    if description := page.front.get("description"):
        myst["html_meta"] = {"description": description, **myst.get("html_meta", {})}
    return kept | {"myst": myst, "language_info": {"name": "python", "pygments_lexer": "ipython3"}}


def _prose(cell: Cell) -> NotebookNode:
    return v4.new_markdown_cell(cell.source, metadata=cell.metadata)


def _merge_cell(cell: Cell, record: Record) -> Iterator[NotebookNode]:
    backends = [name for name in record.shown if cell.runs_on(name)]

    def outputs_of(name: str) -> list[dict[str, Any]]:
        result = record.runs[name].result
        return result.outputs.get(cell.number, []) if result else []

    codes = _group(backends, cell.source_for)
    outputs = _group(backends, outputs_of)
    if len(codes) == 1 and len(outputs) == 1:
        yield _code_cell(cell, "cell", *codes[0], outputs[0][1])
        return
    for names, source in codes:
        yield _code_cell(cell, "code", names, source, [])
    for names, shown in outputs:
        if shown:
            merged = _code_cell(cell, "output", names, cell.source, shown)
            merged.metadata["tags"] = [*cell.tags, "remove-input"]
            yield merged


def _group(backends: list[str], value_of: Callable[[str], Any]) -> list[tuple[list[str], Any]]:
    """Backends with equal values together, in the order of the first of each group."""
    groups: list[tuple[list[str], Any]] = []
    for name in backends:
        value = value_of(name)
        same = next((names for names, other in groups if other == value), None)
        same.append(name) if same else groups.append(([name], value))
    return groups


def _code_cell(cell: Cell, part: str, backends: list[str], source: str, outputs: list[dict[str, Any]]) -> NotebookNode:
    mark = {"group": f"{cell.index}-{part}", "part": part, "backends": backends}
    shown = {k: v for k, v in cell.metadata.items() if k in ("tags", "mystnb")}
    return v4.new_code_cell(source, outputs=[from_dict(o) for o in outputs], metadata=shown | {"mithril": mark})


def environment_failures(build: Build) -> Iterator[str]:
    """Backends that could not run at all, in a line each."""
    pages = list(itertools.chain(*(record.page.backends for record in build.records.values())))
    for name, environment in build.environments.items():
        if environment.error and name in pages:
            yield f"{BACKENDS[name].title}: {environment.error}"
