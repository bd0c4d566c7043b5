"""Whether a candidate of Mithril may ship: ``nox -s gate -- REQUIREMENT``.

The requirement is a version, a wheel, a folder with a project, or what pip takes. Every page and model that the
candidate can have changed is run with it on every backend, and held against what the documented version gave.
"""

from __future__ import annotations

import argparse
import dataclasses
import functools
import json
import os
import shutil
import sys
import time
import traceback
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from mithril_docs.backends import BACKENDS
from mithril_docs.build import npm
from mithril_docs.build.records import collect
from mithril_docs.conformance import verdict
from mithril_docs.conformance.domain import Case, Domain, domains
from mithril_docs.conformance.run import CASES, FOLDER, kept_results, key_of, place_of, read_cases
from mithril_docs.gate import api, cluster, contain, environments, preflight, report
from mithril_docs.gate.candidate import Candidate, CannotFetchError, fetch, installed
from mithril_docs.gate.causes import group
from mithril_docs.gate.changes import Changes, changes
from mithril_docs.gate.environments import CannotInstallError
from mithril_docs.gate.findings import BREAKS, CATCH_UP, Finding, case_findings, model_findings, page_findings
from mithril_docs.gate.tasks import Task, longest_first, shard
from mithril_docs.models.cards import C, Card, cards, home, model_file, model_key
from mithril_docs.page import Page, find_pages
from mithril_docs.results import Environment, Result
from mithril_docs.store import CorruptEntryError, Store, page_key

#: What the command ends with.
MAY_SHIP, BREAKS_BEHAVIOR, CATCHES_UP, CANNOT_INSTALL, GATE_FAILED = 0, 1, 3, 4, 5
#: Seconds that a cell or a model of a candidate may always take, and how many times that of the documented version.
PATIENCE, SLACK = 30.0, 10.0
#: A model is slower where a call takes so many times as long, twice over.
SLOWER = 1.5
#: A model leaks where so many bytes, or objects of Python's, stay behind with each call.
LEAK_BYTES, LEAK_OBJECTS = 2000, 0.9


@dataclasses.dataclass
class Gate:
    """One run of the gate: where things are, and what is known so far."""

    root: Path
    docs: Path
    store: Store
    folder: Path
    backends: list[str]
    quick: bool
    patience: float
    jobs: int
    documented: Candidate
    candidate: Candidate
    changed: Changes
    pages: list[Page]
    findings: list[Finding] = dataclasses.field(default_factory=list)
    reached: list[tuple[str, ...]] = dataclasses.field(default_factory=list)
    counts: dict[str, int] = dataclasses.field(default_factory=lambda: {"run": 0, "reused": 0, "compared": 0})
    seconds: dict[str, float] = dataclasses.field(default_factory=dict)
    pythons: dict[str, Path] = dataclasses.field(default_factory=dict)
    environments: dict[str, Environment] = dataclasses.field(default_factory=dict)

    @functools.cached_property
    def domains(self) -> dict[str, Domain]:
        """The domains of models, by name; none where the site has no conformance."""
        folder = self.docs / FOLDER
        return domains(folder) if folder.is_dir() and (self.store.root / CASES).is_file() else {}

    @functools.cached_property
    def cases(self) -> dict[str, list[Case]]:
        """The cases that the documented version was run with, by model."""
        listed = read_cases(self.store.root / CASES) if self.domains else {}
        return {name: cases for name, cases in listed.items() if name in self.domains}

    @property
    def results(self) -> Store:
        """Where the candidate's results are kept."""
        return Store(self.folder / "store")

    @property
    def cards(self) -> dict[str, Card]:
        """The models that are run, by name."""
        return {card.name: card for page in self.pages if not page.problems for card in cards(page) if card.build}


def main(argv: list[str]) -> int:
    """Hold a candidate against the documented version.

    Returns 0 where it may ship, 1 where it breaks documented behavior, 3 where the documentation must catch up, 4 where
    it cannot be installed or imported, 5 where the gate failed, and 2 for a bad call.
    """
    parser = argparse.ArgumentParser(prog="nox -s gate --", description=__doc__)
    parser.add_argument("requirement", help="a version, a wheel, a folder, or a requirement that pip takes")
    parser.add_argument("--quick", action="store_true", help="files, public names and models; no page, no site")
    parser.add_argument("--skip", nargs="+", choices=("site", "speed"), default=[], help="leave this out")
    parser.add_argument("--patience", type=float, default=PATIENCE, help="seconds that a cell or model may always take")
    parser.add_argument("--backends", nargs="+", choices=BACKENDS, default=list(BACKENDS), help="on these alone")
    parser.add_argument("--root", type=Path, default=Path(), help="folder of conf.py")
    parser.add_argument("--docs", type=Path, default=Path("docs"), help="folder of the pages")
    parser.add_argument("--store", type=Path, default=Path("build/store"), help="results of the documented version")
    parser.add_argument("--pythons", type=Path, default=Path(".nox"), help="folder of the backends' environments")
    parser.add_argument("--out", type=Path, default=Path("build/gate"), help="folder of the report and of results")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, help="pages at a time")
    parser.add_argument("--shard", type=_part, metavar="I/N", help="run this part alone, and keep its results")
    parser.add_argument("--results", type=Path, nargs="+", default=[], metavar="FOLDER", help="take results of shards")
    parser.add_argument("--scheduler", metavar="ADDRESS", help="run on a Dask cluster, such as tcp://host:8786")
    options = parser.parse_args(argv)
    start = time.perf_counter()
    out = options.out.resolve()
    out.mkdir(parents=True, exist_ok=True)
    told = report.Report(options.requirement, "")
    try:
        documented = installed(out / "documented")
        told.documented = str(documented.version)
        candidate = fetch(options.requirement, out / "candidate")
        told.candidate = str(candidate.version)
        looked = preflight.look(candidate, documented)
        if looked.fatal:
            return _end(told, out, CANNOT_INSTALL, looked.fatal)
        changed = changes(documented.tree, candidate.tree)
        gate = Gate(
            options.root.resolve(), options.docs.resolve(), Store(options.store.resolve()),
            out / "candidates" / candidate.digest[:12], options.backends, options.quick, options.patience,
            max(options.jobs, 1),
            documented, candidate, changed, find_pages(options.docs.resolve()),
        )  # fmt: skip
        gate.findings += looked.findings
        if gate.changed:
            gate.findings += api.api_findings(documented.tree, candidate.tree)
        _environments(gate, options.pythons.resolve())
        for folder in options.results:
            shutil.copytree(folder, gate.results.root, dirs_exist_ok=True)
        tasks = longest_first(list(_tasks(gate)))
        if options.shard:
            _run(gate, shard(tasks, *options.shard), options.scheduler)
            print(
                f"gate: part {options.shard[0]} of {options.shard[1]} is done; its results are in {gate.results.root}"
            )
            return MAY_SHIP
        _run(gate, tasks, options.scheduler)
        _compare(gate)
        if not gate.counts["compared"]:
            raise OSError(f"{gate.store.root} holds no results of the documented version; run nox -s site")
        if "speed" not in options.skip:
            _measure_speed(gate, options.pythons.resolve())
        if not gate.quick and "site" not in options.skip:
            _build_site(gate)
        causes = group(gate.findings, gate.reached, changed, gate.cards, (documented.tree, candidate.tree))
        told.causes, told.counts = causes, gate.counts
        told.seconds = gate.seconds | {"all": round(time.perf_counter() - start, 1)}
        told.refused = contain.refused()
        told.quick = gate.quick
        severities = {cause.severity for cause in causes}
        if BREAKS in severities:
            number = len(told.of(BREAKS))
            words = "1 change breaks" if number == 1 else f"{number} changes break"
            return _end(told, out, BREAKS_BEHAVIOR, f"{words} documented behavior")
        if CATCH_UP in severities:
            return _end(told, out, CATCHES_UP, "the documentation must catch up")
        return _end(told, out, MAY_SHIP, "may ship; nothing found")
    except CannotFetchError as error:
        return _end(told, out, CANNOT_INSTALL, str(error))
    except CannotInstallError as error:
        return _end(told, out, CANNOT_INSTALL, str(error))
    except Exception as error:
        (out / "traceback.txt").write_text(traceback.format_exc())
        words = f"the gate failed: {type(error).__name__}: {error}; see {out / 'traceback.txt'}"
        return _end(told, out, GATE_FAILED, words)


def _part(words: str) -> tuple[int, int]:
    number, _, of = words.partition("/")
    if not number.isdigit() or not of.isdigit() or not 1 <= int(number) <= int(of):
        raise argparse.ArgumentTypeError(f"'{words}' is no part: write 1/4 for the first of four")
    return int(number), int(of)


def _end(told: report.Report, out: Path, status: int, words: str) -> int:
    told.status, told.verdict = status, words
    report.write(told, out)
    print(report.summary(told))
    return status


def _environments(gate: Gate, pythons: Path) -> None:
    """Put the candidate into an environment for each backend, and see whether it works there."""
    for name in gate.backends:
        python = pythons / f"execute-{name}" / "bin" / "python"
        if not python.exists():
            raise OSError(f"{python} is missing; run nox --install-only -s 'execute({name})'")
        gate.pythons[name] = environments.make(gate.candidate, python, gate.folder / "env" / name)
        cache = gate.store.root.parent / "cache" / name
        kept = gate.folder / "cache" / name
        if cache.is_dir() and not kept.exists():  # what compilers made is found by its content
            shutil.copytree(cache, kept, symlinks=True, ignore_dangling_symlinks=True)
        # With no page to run, execution looks at the environment alone.
        ended = _contained(gate, name, "execute", "--look", limit=600)
        found = gate.results.environment(name)
        if not (gate.results.root / name / "environment.json").exists():
            found = dataclasses.replace(found, error=_last(ended.printed))
        gate.environments[name] = found
        if found.error:
            what = f"{BACKENDS[name].title} cannot be used: {found.error}"
            gate.findings.append(Finding("run", BREAKS, BACKENDS[name].cls, name, 0, what, reach=_every(gate, name)))
    if gate.environments and all(found.error for found in gate.environments.values()):
        first = next(iter(gate.environments.values())).error
        raise CannotInstallError(f"it works on no backend: {first}")


def _every(gate: Gate, backend: str) -> tuple[str, ...]:
    return _named(gate.changed.reach({}, set(), backend))


def _last(printed: str) -> str:
    rows = [row for row in printed.splitlines() if row.strip()]
    return rows[-1] if rows else "it said nothing"


def _contained(gate: Gate, backend: str, command: str, *words: str, limit: float) -> contain.Ended:
    """Run a command of this package in the candidate's environment of a backend, within limits."""
    places = ["--docs", str(gate.docs)]
    if command != "speed":
        places += ["--store", str(gate.results.root)]
    gate.results.root.mkdir(parents=True, exist_ok=True)
    run = [str(gate.pythons[home(backend)]), "-m", "mithril_docs", command, backend, *places, *words]
    environ = {"PYTHONPATH": str(Path(__file__).parents[2])}
    return contain.run(run, gate.folder, environ, contain.Limits(seconds=limit, memory=contain.half_of_memory()))


def _tasks(gate: Gate) -> Iterator[Task]:
    """What must be made anew. All that the candidate cannot have changed is taken over from the documented version."""
    for page in gate.pages:
        for backend in gate.backends:
            if page.problems or backend not in page.backends or gate.environments[backend].error:
                continue
            was = _documented(gate, page, backend)
            if was is None:
                continue
            place = gate.store.path(page.name, backend)
            key = page_key(page, backend, gate.environments[backend])
            raised = {one.site[0] for one in was.raised if one.site}
            reach = gate.changed.reach(_touched(gate, place, was.key), raised, backend)
            if reach and not gate.quick:
                gate.reached.append(_named(reach))
                now = _kept(gate, page.name, backend)
                if now is None or now.key != key:
                    yield Task("page", backend, page.name, was.wall)
            elif not reach:
                gate.counts["reused"] += 1
                gate.results.write(dataclasses.replace(was, key=key))
    for name, card in gate.cards.items():
        for backend in [*gate.backends, C]:
            if home(backend) not in gate.backends or gate.environments[home(backend)].error:
                continue
            file = model_file(backend, name)
            was_model = gate.store.read_model(file)
            if was_model is None:
                continue
            touched = _touched(gate, gate.store.root / file, was_model.key)
            reach = gate.changed.reach(touched, set(), backend)
            key = model_key(card, backend, gate.environments[home(backend)])
            if reach:
                gate.reached.append(_named(reach))
                kept = gate.results.read_model(file)
                if kept is None or kept.key != key:
                    yield Task("model", backend, name, 1.0)
            else:
                gate.counts["reused"] += 1
                gate.results.write_file(file, dataclasses.asdict(dataclasses.replace(was_model, key=key)))
    yield from _case_tasks(gate)


def _case_tasks(gate: Gate) -> Iterator[Task]:
    if gate.cases:
        gate.results.root.mkdir(parents=True, exist_ok=True)
        shutil.copy(gate.store.root / CASES, gate.results.root)
    for name, backend, was, reach in _documented_cases(gate):
        key = key_of(gate.domains[name], gate.cases[name], backend, gate.environments[backend])
        if reach:
            gate.reached.append(_named(reach))
            if kept_results(gate.results, place_of(backend, name), key) is None:
                yield Task("cases", backend, name, 1.0)
        else:
            gate.counts["reused"] += 1
            gate.results.write_file(place_of(backend, name), was | {"key": key})


def _documented_cases(gate: Gate) -> Iterator[tuple[str, str, dict[str, Any], set[tuple[str, str]]]]:
    """Model, backend, what the documented version's cases gave, and the changes that it can depend on."""
    for name in gate.cases:
        for backend in gate.backends:
            file = place_of(backend, name)
            was = gate.store.read_file(file)
            if was is not None and not gate.environments[backend].error:
                touched = _touched(gate, gate.store.root / file, was["key"])
                yield name, backend, was, gate.changed.reach(touched, set(), backend)


def _documented(gate: Gate, page: Page, backend: str) -> Result | None:
    """The documented version's result of a page; None where it failed itself, which the build has said."""
    was = gate.store.read(page.name, backend)
    return None if was is None or was.failures else was


def _kept(gate: Gate, page: str, backend: str) -> Result | None:
    try:
        return gate.results.read(page, backend)
    except CorruptEntryError:
        return None


def _touched(gate: Gate, place: Path, key: str) -> dict[str, object]:
    """What was noted with a result of the documented version; empty where that is not of this result."""
    found = gate.store.read_file(place.with_suffix(".touched").relative_to(gate.store.root))
    return found if found and found.get("key") == key else {}


def _named(reach: set[tuple[str, str]]) -> tuple[str, ...]:
    return tuple(sorted(f"{file}:{name}" for file, name in reach))


def _run(gate: Gate, tasks: list[Task], scheduler: str | None) -> None:
    """Make results anew, a backend after the other, or on a cluster."""
    gate.counts["run"] = len(tasks)
    if scheduler:
        cluster.run(gate.candidate, tasks, gate.results, gate.docs, scheduler)
        return
    for backend in [*gate.backends, C]:
        start = time.perf_counter()
        own = [task for task in tasks if task.backend == backend]
        pages = [task for task in own if task.kind == "page"]
        if pages:
            waits = gate.folder / "patience.json"
            waits.write_text(json.dumps({task.name: max(gate.patience, SLACK * task.seconds) for task in pages}))
            words = [word for task in pages for word in ("--only", task.name)]
            limit = 600 + sum(max(gate.patience, SLACK * task.seconds) for task in pages)
            ended = _contained(
                gate, backend, "execute", *words, "--jobs", str(gate.jobs), "--patience", str(waits), limit=limit
            )
            _note_lateness(gate, ended, backend, "pages")
        models = [task for task in own if task.kind == "model"]
        if models:
            words = [word for task in models for word in ("--model", task.name)]
            limit = 600 + 60.0 * len(models)
            ended = _contained(
                gate,
                backend,
                "models",
                *words,
                "--jobs",
                str(gate.jobs),
                "--timeout",
                str(2 * gate.patience),
                limit=limit,
            )
            _note_lateness(gate, ended, backend, "models")
        cases = [task for task in own if task.kind == "cases"]
        if cases:
            words = [word for task in cases for word in ("--model", task.name)]
            words += ["--jobs", str(gate.jobs), "--timeout", str(2 * gate.patience)]
            ended = _contained(gate, backend, "conform", *words, limit=600 + 60.0 * len(cases))
            _note_lateness(gate, ended, backend, "cases")
        if own:
            gate.seconds[backend] = round(time.perf_counter() - start, 1)


def _note_lateness(gate: Gate, ended: contain.Ended, backend: str, what: str) -> None:
    if ended.late:
        words = f"the {what} did not end in time; what was done by then is compared"
        gate.findings.append(Finding("run", BREAKS, what, backend, 0, words, reach=_every(gate, home(backend))))


def _compare(gate: Gate) -> None:
    """Hold every result against that of the documented version."""
    tolerances = {page.name: _tolerances(page) for page in gate.pages}
    for page in gate.pages if not gate.quick else ():
        for backend in gate.backends:
            if backend not in page.backends or gate.environments[backend].error:
                continue
            was = _documented(gate, page, backend)
            if was is None:
                continue
            raised = {one.site[0] for one in was.raised if one.site}
            place = gate.store.path(page.name, backend)
            reach = gate.changed.reach(_touched(gate, place, was.key), raised, backend)
            gate.counts["compared"] += 1
            if reach:
                now = _kept(gate, page.name, backend)
                gate.findings += page_findings(page, backend, was, now, _named(reach), tolerances[page.name])
    for name in gate.cards:
        for backend in [*gate.backends, C]:
            file = model_file(backend, name)
            was_model = gate.store.read_model(file)
            if was_model is None or home(backend) not in gate.backends or gate.environments[home(backend)].error:
                continue
            reach = gate.changed.reach(_touched(gate, gate.store.root / file, was_model.key), set(), backend)
            gate.counts["compared"] += 1
            if reach:
                now_model = gate.results.read_model(file)
                gate.findings += model_findings(name, backend, was_model, now_model, _named(reach))
    _compare_cases(gate)
    if not gate.quick:
        _compare_parity(gate)


def _compare_cases(gate: Gate) -> None:
    """Hold what the cases of conformance give against what they gave; which of the two is right is no question here."""
    for name, backend, was, reach in _documented_cases(gate):
        gate.counts["compared"] += 1
        if reach:
            now = gate.results.read_file(place_of(backend, name))
            came = now["results"] if now else None
            domain, cases = gate.domains[name], gate.cases[name]
            gate.findings += case_findings(domain, backend, cases, was["results"], came, _named(reach))
    made = verdict.read(gate.store)
    if gate.cases and made:  # what became of it is told here, so the site shows the documented version's
        made.environments = {name: found.digest for name, found in gate.environments.items()}
        gate.results.write_file(verdict.FILE, dataclasses.asdict(made))


def _tolerances(page: Page) -> dict[str, float]:
    told = [cell.metadata.get("parity", {}) for cell in page.cells]
    return {name: float(value) for one in told for name, value in one.items() if isinstance(value, int | float)}


def _compare_parity(gate: Gate) -> None:
    """Values on which the backends agree no more."""
    was = collect(gate.docs, gate.store, gate.backends).records
    now = collect(gate.docs, gate.results, gate.backends).records
    for name, record in was.items():
        for value, parity in record.parity.items():
            other = now[name].parity.get(value)
            if parity.agrees and other is not None and not other.agrees:
                reach = _union(gate, name)
                what = f"the backends agree on '{value}' no more"
                first, second = json.dumps(parity.values)[:300], json.dumps(other.values)[:300]
                gate.findings.append(Finding("parity", BREAKS, name, "", 0, what, first, second, reach))


def _union(gate: Gate, page: str) -> tuple[str, ...]:
    found = {unit for one in gate.findings if one.where == page for unit in one.reach}
    return tuple(sorted(found))


def _measure_speed(gate: Gate, pythons: Path) -> None:
    """Time the models that the candidate can have changed, the two versions in turn; again what seems slower."""
    start = time.perf_counter()
    for backend in gate.backends:
        if gate.environments[backend].error:
            continue
        models = []
        for name in gate.cards:
            file = model_file(backend, name)
            was = gate.store.read_model(file)
            if was is None or was.forward:
                continue
            reach = gate.changed.reach(_touched(gate, gate.store.root / file, was.key), set(), backend)
            if any(not unit[0].startswith("metadata") for unit in reach):
                models.append(name)
        slow = _slower(gate, backend, pythons, models, 2)
        slow = _slower(gate, backend, pythons, list(slow), 4) if slow else {}
        for name, words in slow.items():
            file = model_file(backend, name)
            was = gate.store.read_model(file)
            assert was is not None
            units = _named(gate.changed.reach(_touched(gate, gate.store.root / file, was.key), set(), backend))
            gate.findings.append(Finding("speed", BREAKS, name, backend, 0, words, reach=units))
    if models:
        gate.seconds["speed"] = round(time.perf_counter() - start, 1)


def _slower(gate: Gate, backend: str, pythons: Path, models: list[str], rounds: int) -> dict[str, str]:
    """The models that are slower or leak, each with words."""
    if not models:
        return {}
    best: list[dict[str, dict[str, float]]] = [{}, {}]
    words = [word for name in models for word in ("--model", name)]
    environ = {"PYTHONPATH": str(Path(__file__).parents[2])}
    for turn in range(rounds):
        for which, python in enumerate((pythons / f"execute-{backend}" / "bin" / "python", gate.pythons[backend])):
            file = gate.folder / f"speed-{turn}-{which}.json"
            file.unlink(missing_ok=True)
            command = [str(python), "-m", "mithril_docs", "speed", backend, "--docs", str(gate.docs), *words]
            command += ["--cache", str(gate.folder / "cache"), "--out", str(file)]
            contain.run(
                command, gate.folder, environ, contain.Limits(60 + 10.0 * len(models), memory=contain.half_of_memory())
            )
            if file.exists():
                for name, figures in json.loads(file.read_text()).items():
                    known = best[which].setdefault(name, figures)
                    for what, value in figures.items():
                        known[what] = min(known.get(what, value), value)
    found = {}
    for name, was in best[0].items():
        now = best[1].get(name, {})
        for what in ("forward", "gradient"):
            if what in was and what in now and now[what] > SLOWER * was[what]:
                found[name] = f"{what} takes {now[what] / was[what]:.1f} times as long"
        if now and now["bytes"] > was["bytes"] + LEAK_BYTES and now["bytes"] > 3 * was["bytes"]:
            found[name] = f"each call leaves {now['bytes']:.0f} bytes behind in memory, not {was['bytes']:.0f}"
        elif now and now["objects"] > was["objects"] + LEAK_OBJECTS:
            found[name] = f"each call leaves {now['objects']:.1f} objects behind, not {was['objects']:.1f}"
        elif now and now["kept"] > was["kept"]:
            found[name] = "compiled models stay in memory after they were dropped"
    return found


def _build_site(gate: Gate) -> None:
    """Build the site from the candidate's results, with the candidate as the package that the reference is made of."""
    start = time.perf_counter()
    npm.check()
    python = environments.make(gate.candidate, Path(sys.executable), gate.folder / "env" / "site")
    places = ["--root", str(gate.root), "--docs", str(gate.docs), "--store", str(gate.results.root)]
    places += ["--out", str(gate.folder / "site"), "--doctrees", str(gate.folder / "doctrees")]
    command = [str(python), "-m", "mithril_docs", "render", *gate.backends, *places]
    environ = {"PYTHONPATH": str(Path(__file__).parents[2]), "NO_COLOR": "1"}
    ended = contain.run(command, gate.folder, environ, contain.Limits(1800, memory=contain.half_of_memory()))
    seen = False
    for row in ended.printed.splitlines():
        place, sign, words = row.partition("WARNING: ")
        if not sign:
            continue
        seen = True
        if any(f"on {backend.title}, " in words for backend in BACKENDS.values()):
            continue  # a page that fails: it is told of already
        where = place.strip(" :").removeprefix(f"{gate.docs}/")
        gate.findings.append(Finding("site", BREAKS, where, "", 0, words, reach=_every(gate, "")))
    if ended.status and not seen:
        words = f"the site cannot be built: {_last(ended.printed)}"
        gate.findings.append(Finding("site", BREAKS, "the build", "", 0, words, reach=_every(gate, "")))
    gate.seconds["site"] = round(time.perf_counter() - start, 1)
