"""Conformance of all backends: ``python -m mithril_docs conformance NAME=PYTHON...``.

It draws the cases, runs them in each backend's environment, works out what is right, and judges. What came out is
``conformance.json`` in the store, which the site shows.
"""

from __future__ import annotations

import argparse
import dataclasses
import functools
import os
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

from mithril_docs.backends import BACKENDS
from mithril_docs.conformance import draw, judge, verdict
from mithril_docs.conformance.domain import Case, Domain, DomainsError, domains
from mithril_docs.conformance.judge import DefectsError
from mithril_docs.conformance.reference import right
from mithril_docs.conformance.run import CASES, FOLDER, kept_results, key_of, place_of, plain_cases, write_cases
from mithril_docs.store import CannotWriteError, CorruptEntryError, Store, code_digest, digest_of


def main(argv: list[str]) -> int:
    """Returns 0 where every silent fault has a known cause and, with more than a sample, each cause a fault; else 1."""
    parser = argparse.ArgumentParser(prog="python -m mithril_docs conformance", description=__doc__)
    parser.add_argument("pythons", nargs="+", metavar="NAME=PYTHON", help="a backend and its environment's Python")
    parser.add_argument("--docs", type=Path, default=Path("docs"), help="folder of the pages and the domains")
    parser.add_argument("--store", type=Path, default=Path("build/store"), help="folder of the results")
    parser.add_argument("--model", action="append", metavar="NAME", help="this model alone; may be repeated")
    parser.add_argument("--more", type=int, default=0, help="cases to draw beside the pairs")
    parser.add_argument("--force", action="store_true", help="run every case anew")
    parser.add_argument("--loud", action="store_true", help="tell of errors too, not of silent faults alone")
    options = parser.parse_args(argv)
    named = [word.partition("=") for word in options.pythons]
    if wrong := [name + sign + python for name, sign, python in named if name not in BACKENDS or not python]:
        parser.error(f"write NAME=PYTHON, with one of {', '.join(BACKENDS)} for the name, not {wrong[0]}")
    try:
        return _conform(parser, options, {name: python for name, _, python in named})
    except (DefectsError, DomainsError, ReferenceFailedError, CannotWriteError, CorruptEntryError) as error:
        print(f"FAILED {error}", file=sys.stderr)
        return 1


class ReferenceFailedError(Exception):
    """A reference raised something else than that the definition gives no value; the message says for what."""


def _conform(parser: argparse.ArgumentParser, options: argparse.Namespace, pythons: dict[str, str]) -> int:
    store = Store(options.store.resolve())
    folder = options.docs.resolve() / FOLDER
    known = domains(folder)
    if unknown := set(options.model or ()) - known.keys():
        parser.error(f"no domain of {', '.join(sorted(unknown))} under {folder}")
    chosen = {name: domain for name, domain in known.items() if not options.model or name in options.model}
    start = time.perf_counter()
    defects = judge.read_defects(folder)
    for defect in defects:
        if unknown := set(defect.models) - known.keys():
            raise DefectsError(f"{defect.source}, [{defect.name}]: no domain of {', '.join(sorted(unknown))}")
    listed = {name: draw.cases(domain, options.more, _pinned(domain, defects)) for name, domain in chosen.items()}
    path = store.root / (CASES if not options.model else f"cases-{os.getpid()}.json")
    write_cases(path, listed)
    print(
        f"{sum(map(len, listed.values()))} cases of {len(listed)} models, drawn in {time.perf_counter() - start:.1f} s"
    )
    places = ["--cases", str(path), "--docs", str(options.docs.resolve()), "--store", str(store.root)]
    for name, python in pythons.items():
        force = ["--force"] if options.force else []
        done = subprocess.run([python, "-m", "mithril_docs", "conform", name, *places, *force])
        if done.returncode:
            return 1
    if options.model:
        path.unlink()
    rights = _rights(store, folder, chosen, listed)
    # With those that ran before and still hold: a build on one backend keeps what one on all has found.
    held = {name: _read(store, name, chosen, listed) for name in BACKENDS}
    came = {name: results for name, results in held.items() if results is not None}
    if lacking := pythons.keys() - came.keys():
        print(f"FAILED {', '.join(sorted(lacking))}: the store lacks results", file=sys.stderr)
        return 1
    found = [
        fault
        for name, domain in chosen.items()
        for place, case in enumerate(listed[name])
        for fault in judge.faults(domain, case, rights[name][place], {k: v[name][place] for k, v in came.items()})
    ]
    offered: judge.Offered = {name: set() for name in came}
    for backend, results in came.items():
        for name, rows in results.items():
            for case, row in zip(listed[name], rows, strict=True):
                offered[backend] |= {case.bits} if row.get("offered", True) else set()
    environments = {name: store.environment(name).digest for name in came}
    made = verdict.verdict(chosen, listed, found, defects, environments, verdict.source_digest(folder), offered)
    if not options.model:
        store.write_file(verdict.FILE, dataclasses.asdict(made))
    if options.loud:
        _tell_errors(made)
    for cause in made.unknown:
        print(f"\n{cause.title} on {', '.join(cause.backends)}: {cause.condition}")
        print(f"  {cause.count} cases; the smallest, on {cause.backend}: {cause.words}")
        print("".join(f"    {row}\n" for row in cause.program.splitlines()))
    missing = verdict.gone(defects, made)
    for defect in missing if options.more else ():
        print(f"GONE {defect.name} ({defect.source}): no case shows it any more; take it out, and what its page says")
    if missing and not options.more:
        print(f"not shown by this sample: {', '.join(defect.name for defect in missing)}")
    marks = Counter(fault.kind for fault in found)
    told = ", ".join(f"{count} {kind}" for kind, count in sorted(marks.items()))
    print(f"{len(found)} faults ({told}); {len(made.causes) - len(made.unknown)} known causes")
    silent = sum(cause.count for cause in made.unknown)
    print(f"{silent} silent ones of no known cause")
    return int(bool(silent or (missing and options.more)))


def _pinned(domain: Domain, defects: list[judge.Defect]) -> list[Callable[[Case], bool]]:
    return [functools.partial(defect.holds, domain) for defect in defects if domain.model in defect.models]


def _rights(store: Store, folder: Path, known: dict[str, Domain], listed: dict[str, list[Case]]) -> dict[str, Any]:
    """What is right for every case, from the store where it is there."""
    found: dict[str, Any] = {}
    wanted = {}
    for name, domain in known.items():
        wanted[name] = digest_of(plain_cases(listed[name]), domain.digest, code_digest("conformance"))
        kept = kept_results(store, place_of("reference", name), wanted[name])
        if kept is not None:
            found[name] = kept
    missing = [name for name in known if name not in found]
    with ProcessPoolExecutor(os.cpu_count()) as pool:
        work = [(folder, name, listed[name]) for name in missing]
        for name, came in zip(missing, pool.map(_right_of, work), strict=True):
            store.write_file(place_of("reference", name), {"key": wanted[name], "results": came})
            found[name] = came
    return found


def _right_of(work: tuple[Path, str, list[Case]]) -> list[Any]:
    folder, name, listed = work
    domain = domains(folder)[name]
    came = []
    for case in listed:
        try:
            came.append(right(domain, case))
        except Exception as error:
            words = f"the reference of {name} in {domain.source.name} raised {type(error).__name__}: {error}"
            raise ReferenceFailedError(
                f"{words}, for {domain.chosen(case)} and {domain.inputs[case.inputs]}"
            ) from error
    return came


def _read(store: Store, backend: str, known: dict[str, Domain], listed: dict[str, list[Case]]) -> dict[str, Any] | None:
    """The results of all cases on a backend, by model; None where some are missing or stale."""
    environment = store.environment(backend)
    found: dict[str, Any] = {}
    for name, domain in known.items():
        kept = kept_results(store, place_of(backend, name), key_of(domain, listed[name], backend, environment))
        if kept is None:
            return None
        found[name] = kept
    return found


def _tell_errors(made: verdict.Verdict) -> None:
    for name, tried in made.models.items():
        for backend, condition, words in tried.errors:
            print(f"{name} raises on {backend}, {condition}: {words}")
