"""The verdict of conformance: what came out for every model, plain, as the site shows it and the store keeps it."""

from __future__ import annotations

import ast
import dataclasses
import hashlib
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from mithril_docs.backends import BACKENDS
from mithril_docs.conformance import ROOMS, judge
from mithril_docs.conformance.domain import Case, Domain
from mithril_docs.conformance.judge import SILENT, Defect, Fault, Group, Offered
from mithril_docs.results import LayoutError, made_of
from mithril_docs.store import CorruptEntryError, Store, code_digest

#: The file of the store.
FILE = "conformance.json"
WORKS, FAILS, DIFFERS = "works", "fails", "differs"


@dataclasses.dataclass
class Cause:
    """Faults that have one cause: a known defect, or a group that nobody has looked at.

    Attributes
    ----------
    name, title, page
        Of the defect; no name and no page where it is not known.
    models, backends, kinds
        Where it was met, and as what.
    met
        The same as triples, in which not every model need be met with every backend.
    named
        The options and inputs, and ``bits``, that its condition names.
    condition
        When, in the terms of the domain.
    count
        Cases that show it.
    model, backend, words, program
        The smallest of them: where it was met, what came out, and a program that shows it.
    """

    name: str
    title: str
    page: str
    models: list[str]
    backends: list[str]
    kinds: list[str]
    met: list[tuple[str, str, str]]
    named: list[str]
    condition: str
    count: int
    model: str
    backend: str
    words: str
    program: str


@dataclasses.dataclass
class Tried:
    """What a model was tried with.

    Attributes
    ----------
    cases
        How many cases.
    values
        Option or input, to each of its values as Python, to what came of it by backend: ``works``, ``fails`` or
        ``differs``; a backend that the value was not tried on has no entry. ``bits`` is among them.
    errors
        Where a backend raises though there is a right value: backend, condition, first line of the error.
    causes
        Places in the list of causes.
    """

    cases: int
    values: dict[str, dict[str, dict[str, str]]]
    errors: list[tuple[str, str, str]]
    causes: list[int]


@dataclasses.dataclass
class Verdict:
    """All that conformance found.

    Attributes
    ----------
    source
        The digest of all that it depends on beside the environments.
    environments
        Backend to the digest of its environment.
    cases, references
        How many cases, and models with a reference.
    models
        Model to what it was tried with.
    causes
        Silent faults, known ones first.
    """

    source: str
    environments: dict[str, str]
    cases: int
    references: int
    models: dict[str, Tried]
    causes: list[Cause]

    @property
    def unknown(self) -> list[Cause]:
        """The causes that no page shows."""
        return [cause for cause in self.causes if not cause.name]


def source_digest(folder: Path) -> str:
    """A digest of domains, references, defects, and of the code that runs and judges."""
    files = sorted([*folder.glob("*.py"), *folder.glob("*.toml")])
    content = b"".join(path.read_bytes() for path in files)
    return hashlib.sha256(content + code_digest(*ROOMS).encode()).hexdigest()


def read(store: Store) -> Verdict | None:
    """The verdict that the store holds; None where there is none that this version can read."""
    try:
        content = store.read_file(FILE)
        return None if content is None else made_of(Verdict, content)
    except (CorruptEntryError, LayoutError):
        return None


def verdict(
    known: dict[str, Domain],
    tried: dict[str, list[Case]],
    found: list[Fault],
    defects: list[Defect],
    environments: dict[str, str],
    source: str,
    offered: Offered,
) -> Verdict:
    """Bring faults under their causes and sum up.

    Parameters
    ----------
    known, tried
        The domains and the cases, by model.
    found
        All faults.
    defects
        The causes that are known.
    environments
        Backend to the digest of its environment.
    source
        See :func:`source_digest`.
    offered
        Backend to the precisions that it can be made with.
    """
    by_defect: dict[str, list[Fault]] = {}
    unknown: list[Fault] = []
    loud: list[Fault] = []
    for fault in found:
        named = next((defect for defect in defects if defect.covers(fault, known[fault.model])), None)
        if named:
            by_defect.setdefault(named.name, []).append(fault)
        elif fault.kind in SILENT or fault.kind == "dies":
            unknown.append(fault)
        else:
            loud.append(fault)
    causes = []
    marks: dict[str, list[tuple[str, Fault, set[str]]]] = {}
    for defect in defects:
        if faults := by_defect.get(defect.name):
            causes.append(_known(defect, faults, known))
            for fault in faults:
                marks.setdefault(fault.model, []).append((DIFFERS, fault, _named(defect.when)))
    for group in judge.grouped(unknown, tried, known, offered):
        causes.append(_unknown(group, known))
    for fault in unknown:
        marks.setdefault(fault.model, []).append((DIFFERS, fault, {*known[fault.model].options, "bits"}))
    models = {}
    for name, domain in known.items():
        groups = judge.grouped([fault for fault in loud if fault.model == name], tried, known, offered)
        errors = [(backend, group.condition, group.first.words) for group in groups for backend in group.backends]
        for group in groups:
            for fault in loud:
                if (fault.model, fault.kind, fault.what) == (name, group.kind, group.what):
                    marks.setdefault(name, []).append((FAILS, fault, _mentioned(group.condition, domain)))
        places = [place for place, cause in enumerate(causes) if name in cause.models]
        values = _values(domain, tried[name], marks.get(name, []), offered)
        models[name] = Tried(len(tried[name]), values, errors, places)
    count = sum(map(len, tried.values()))
    return Verdict(source, environments, count, len(known), models, causes)


def gone(defects: Iterable[Defect], made: Verdict) -> list[Defect]:
    """Known defects that no case shows, though their models were tried on their backends."""
    shown = {cause.name for cause in made.causes}
    return [
        defect for defect in defects
        if defect.name not in shown and {*defect.models} & made.models.keys()
        and {*defect.backends} <= made.environments.keys()
    ]  # fmt: skip


def _known(defect: Defect, faults: list[Fault], known: dict[str, Domain]) -> Cause:
    first = min(faults, key=lambda fault: judge.size(known[fault.model], fault.case))
    return Cause(
        name=defect.name,
        title=defect.title,
        page=defect.page,
        models=sorted({fault.model for fault in faults}),
        backends=[name for name in BACKENDS if any(fault.backend == name for fault in faults)],
        kinds=sorted({fault.kind for fault in faults}),
        met=sorted({(fault.model, fault.backend, fault.kind) for fault in faults}),
        named=sorted(_named(defect.when)),
        condition=defect.when,
        count=len({(fault.model, fault.case) for fault in faults}),
        **_shown(first, known),
    )


def _unknown(group: Group, known: dict[str, Domain]) -> Cause:
    kind = f"{group.kind} of {group.what}" if group.what else group.kind
    return Cause(
        name="",
        title=f"{group.model}: {kind}",
        page="",
        models=[group.model],
        backends=list(group.backends),
        kinds=[group.kind],
        met=[(group.model, backend, group.kind) for backend in group.backends],
        named=sorted(_mentioned(group.condition, known[group.model])),
        condition=group.condition,
        count=group.count,
        **_shown(group.first, known),
    )


def _shown(fault: Fault, known: dict[str, Domain]) -> dict[str, Any]:
    gradient = fault.kind in ("gradient", "choice") or fault.what == "gradient"
    what = f"{'the gradient of ' if gradient else ''}{fault.what or 'it'}"
    code = judge.program(known[fault.model], fault.case, BACKENDS[fault.backend], gradient)
    words = fault.words if fault.kind == "calls" else f"{what} {fault.words}"
    return {"model": fault.model, "backend": fault.backend, "words": words, "program": code}


def _named(when: str) -> set[str]:
    """The names in a condition."""
    return {node.id for node in ast.walk(ast.parse(when or "None")) if isinstance(node, ast.Name)}


def _mentioned(condition: str, domain: Domain) -> set[str]:
    """The options and inputs that a condition of :func:`judge.grouped` tells of."""
    names = {*domain.options, *(name for inputs in domain.inputs for name in inputs)}
    words = {word.partition("=")[0].partition(" ")[0] for word in condition.split(" and ")}
    return (names & words) | ({"bits"} if " bits" in condition else set())


def _values(
    domain: Domain, cases: list[Case], marks: list[tuple[str, Fault, set[str]]], offered: Offered
) -> dict[str, dict[str, dict[str, str]]]:
    """What came of each value of each option and input, and of each precision.

    A fault counts for the options and inputs that its cause names; for all precisions where it names none.
    """
    made: dict[str, dict[str, dict[str, str]]] = {}
    for case in cases:
        ran = {backend: WORKS for backend, bits in offered.items() if case.bits in bits}
        for name, value in facts(domain, case).items():
            made.setdefault(name, {}).setdefault(value, {}).update(ran)
    for mark, fault, named in marks:
        told = facts(domain, fault.case)
        for name in (named & told.keys()) or {"bits"}:
            row = made[name][told[name]]
            if fault.backend in row and row[fault.backend] != DIFFERS:
                row[fault.backend] = mark
    return made


def facts(domain: Domain, case: Case) -> dict[str, str]:
    """A case in words: option, input and ``bits``, to its value as Python."""
    told = domain.chosen(case) | domain.inputs[case.inputs]
    return {name: judge.shown(value) for name, value in told.items()} | {"bits": str(case.bits)}
