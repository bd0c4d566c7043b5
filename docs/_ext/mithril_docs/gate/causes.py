"""Findings have causes: one changed operator breaks many pages, and is told once, by the smallest thing that shows it.

Which change a finding comes from is told by what depends on it: a change that all broken results can depend on, and
few sound ones, is the likelier. It is the measure of Ochiai that debuggers use.
"""

from __future__ import annotations

import dataclasses
import difflib
import math
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np

from mithril_docs.backends import BACKENDS, WRITTEN_CLASS
from mithril_docs.gate.changes import MODULE, Changes, package_files
from mithril_docs.gate.findings import BREAKS, CATCH_UP, NOTE, Finding
from mithril_docs.models.cards import Card, make_inputs

#: The order in which findings show a fault: the smallest program first.
_SMALLEST = ("run", "package", "model", "conformance", "speed", "api", "page", "parity", "site")
#: Lines of a change that are shown.
LINES = 40


@dataclasses.dataclass
class Cause:
    """A change, and all that it does.

    Attributes
    ----------
    title
        The operator, the option or the module at fault.
    file, names
        Where it is in the package: empty where it is no matter of a file.
    findings
        The first shows it best.
    program
        Python to paste that shows it; empty where no model does.
    diff
        The change itself, as far as it is short.
    """

    title: str
    file: str
    names: tuple[str, ...]
    findings: list[Finding]
    program: str = ""
    diff: str = ""

    @property
    def severity(self) -> str:
        """That of its worst finding."""
        told = {finding.severity for finding in self.findings}
        return next(one for one in (BREAKS, CATCH_UP, NOTE) if one in told)


def group(
    findings: Iterable[Finding],
    reached: Sequence[tuple[str, ...]],
    changed: Changes,
    cards: dict[str, Card],
    trees: tuple[Path, Path],
) -> list[Cause]:
    """Group findings by what they come from, the worst and widest first.

    Parameters
    ----------
    findings
        All of them.
    reached
        For each result that was made anew, the changes that it can depend on.
    changed
        What the candidate changes.
    cards
        The cards of models by name.
    trees
        The documented version and the candidate.
    """
    waiting = [_placed(finding, changed) for finding in findings]
    sound: dict[str, int] = {}
    for reach in reached:
        for unit in reach:
            sound[unit] = sound.get(unit, 0) + 1
    causes = []
    while waiting:
        counts: dict[str, int] = {}
        for finding in waiting:
            for unit in finding.reach:
                counts[unit] = counts.get(unit, 0) + 1
        if not counts:
            break
        broken = sum(1 for finding in waiting if finding.reach)
        weight = {unit: count / math.sqrt(broken * max(sound.get(unit, 0), count)) for unit, count in counts.items()}
        unit = max(counts, key=lambda name: (weight[name], counts[name], name))
        mine = [finding for finding in waiting if unit in finding.reach]
        waiting = [finding for finding in waiting if unit not in finding.reach]
        causes.append(_cause(unit, mine, cards, trees))
    by_what: dict[tuple[str, str], list[Finding]] = {}
    for finding in waiting:
        by_what.setdefault((finding.area, finding.where), []).append(finding)
    for (area, where), mine in by_what.items():
        causes.append(Cause(where if area in ("package", "run") else f"{area}: {where}", "", (), mine))
    ranks = {BREAKS: 0, CATCH_UP: 1, NOTE: 2}
    causes.sort(key=lambda cause: (ranks[cause.severity], -len(cause.findings), cause.title))
    return causes


def _placed(finding: Finding, changed: Changes) -> Finding:
    """A finding of the public names with the changes of the package that it is about."""
    places = []
    for told in finding.reach:
        if not told.startswith("api:"):
            places.append(told)
            continue
        path = told.removeprefix("api:")
        for file in (*changed.modules, *changed.functions):
            module = file.removesuffix(".py").removesuffix("/__init__").replace("/", ".")
            rest = path.removeprefix(f"{module}.")
            if path == module or path.startswith(f"{module}."):
                names = changed.modules.get(file, set()) | changed.functions.get(file, set())
                own = [name for name in names if rest == name or rest.startswith(f"{name}.") or name.startswith(rest)]
                places += [f"{file}:{name}" for name in own or sorted(names)]
    return dataclasses.replace(finding, reach=tuple(dict.fromkeys(places)))


def _cause(unit: str, findings: list[Finding], cards: dict[str, Card], trees: tuple[Path, Path]) -> Cause:
    file, _, name = unit.partition(":")
    findings.sort(key=lambda one: (one.severity != BREAKS, _SMALLEST.index(one.area), one.where, one.backend, one.cell))
    models = list(dict.fromkeys(one.where for one in findings if one.area in ("model", "conformance")))
    title = f"{name or 'the module'} in mithril/{file}"
    if len(models) == 1:
        title += f" (model {models[0]})"
    shown = next((one for one in findings if one.program or (one.area == "model" and one.where in cards)), None)
    program = (shown.program or _program(cards[shown.where], shown)) if shown else ""
    return Cause(title, file, (name,) if name else (), findings, program, _diff(file, name, trees))


def _program(card: Card, finding: Finding) -> str:
    """A program that shows what a model does, with the numbers that the matrix gives it."""
    cls = BACKENDS[finding.backend].cls if finding.backend in BACKENDS else "CBackend"
    rows = ["import mithril as ml", "from mithril.models import *", f"backend = ml.{cls or WRITTEN_CLASS}()"]
    given = []
    for name, value in make_inputs(card).items():
        if isinstance(value, np.ndarray):
            if value.size > 60:
                return ""
            given.append(f"{name!r}: backend.array({value.round(4).tolist()!r})")
        else:
            given.append(f"{name!r}: {value!r}")
    rows.append(f"data = {{{', '.join(given)}}}")
    made = f"ml.compile({card.build}, backend, data_keys=set(data), inference=True, jit=False)"
    if finding.what.startswith("gradient"):
        floats = [k for k, v in make_inputs(card).items() if isinstance(v, np.ndarray) and v.dtype.kind == "f"]
        keys = [key for key in floats if key not in card.data]
        rows.append(f"params = {{key: data.pop(key) for key in {keys!r}}}")
        rows.append(
            f"pm = ml.compile({card.build}, backend, data_keys=set(data), trainable_keys=set(params), jit=False)"
        )
        rows.append("outputs = pm.evaluate(params, data)")
        upstream = "{key: backend.ones_like(value) for key, value in outputs.items()}"
        rows.append(f"print(pm.evaluate_gradients(params, data, output_gradients={upstream}))")
    else:
        rows.append(f"print({made}.evaluate({{}}, data))")
    return "\n".join(rows)


def _diff(file: str, name: str, trees: tuple[Path, Path]) -> str:
    before, after = (package_files(tree).get(file) for tree in trees)
    if before is None or after is None or not file.endswith(".py"):
        return ""
    old, new = (path.read_text(encoding="utf-8", errors="replace").splitlines() for path in (before, after))
    rows = list(difflib.unified_diff(old, new, f"documented/{file}", f"candidate/{file}", n=2, lineterm=""))
    if len(rows) > LINES and name != MODULE:
        last = name.rpartition(".")[2]
        at = next((n for n, row in enumerate(rows) if last in row), 0)
        rows = [*rows[:2], *rows[max(2, at - 5) : at + LINES]]
    return "\n".join(rows[:LINES])
