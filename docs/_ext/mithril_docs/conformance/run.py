"""Run cases on the backend of this environment: ``python -m mithril_docs conform BACKEND --cases FILE``.

One compiled model serves all inputs that it is given with the same options: what a second call or other sizes change is
found so, too. What came out is kept in the store, a file a model; :mod:`mithril_docs.conformance.judge` compares.
"""

from __future__ import annotations

import argparse
import contextlib
import dataclasses
import functools
import json
import os
import re
import sys
import tempfile
import time
import warnings
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from mithril_docs.backends import BACKENDS, Backend
from mithril_docs.conformance import ROOMS
from mithril_docs.conformance.domain import Case, Domain, domains
from mithril_docs.conformance.reference import plain, rounded, trainable, wave
from mithril_docs.execute import environment, kernel, touched
from mithril_docs.models.turns import run_turns
from mithril_docs.results import Environment, LayoutError
from mithril_docs.store import CannotWriteError, CorruptEntryError, Store, code_digest, digest_of

#: The folder of the domains, beside the pages, and the file of the store that lists the cases.
FOLDER, CASES = "_conformance", "cases.json"
#: Seconds that the cases of one model may take.
TIMEOUT = 300
#: A file or an address that is named anew in every run.
_CHANGING = re.compile(rf"{re.escape(tempfile.gettempdir())}/\S+|\b0x[0-9a-f]+\b")


class Batch(NamedTuple):
    """The cases of one model, which one process runs."""

    name: str
    cases: tuple[Case, ...]
    page: str = "docs/_conformance"


def place_of(backend: str, model: str) -> str:
    """Where the results of a model on a backend stand in the store."""
    return f"{backend}/conformance/{model}.json"


def key_of(domain: Domain, cases: list[Case], backend: str, found: Environment) -> str:
    """What results depend on: the cases, the domain, the backend, the environment and the code that runs them."""
    return digest_of(plain_cases(cases), domain.digest, backend, found.digest, code_digest(*ROOMS))


def kept_results(store: Store, place: str, key: str) -> list[Any] | None:
    """The results of a model that the store holds; None where they are stale, damaged or not there."""
    try:
        kept = store.read_file(place)
    except (CorruptEntryError, LayoutError):
        return None
    return kept["results"] if kept and kept["key"] == key else None


def main(argv: list[str]) -> int:
    """Run what the store lacks. Returns 0, whatever came out; 1 where a model has no result."""
    parser = argparse.ArgumentParser(prog="python -m mithril_docs conform", description=__doc__)
    parser.add_argument("backend", choices=[*BACKENDS])
    parser.add_argument("--cases", type=Path, help="JSON: the cases by model; those of the store where not given")
    parser.add_argument("--docs", type=Path, default=Path("docs"), help="folder of the pages and the domains")
    parser.add_argument("--store", type=Path, default=Path("build/store"), help="folder of the results")
    parser.add_argument("--model", action="append", metavar="NAME", help="this model alone; may be repeated")
    parser.add_argument("--force", action="store_true", help="run every case anew")
    parser.add_argument("--jobs", type=int, default=os.cpu_count(), help="processes at a time")
    parser.add_argument("--timeout", type=float, default=TIMEOUT, help="seconds that the cases of a model may take")
    options = parser.parse_args(argv)
    store = Store(options.store.resolve())
    backend = BACKENDS[options.backend]
    found = store.environment(backend.name)
    if found.error:
        return 0  # the pages' execution has said so
    folder = options.docs.resolve() / FOLDER
    known = domains(folder)
    wanted = read_cases(options.cases or store.root / CASES)
    wanted = {name: cases for name, cases in wanted.items() if not options.model or name in options.model}
    environment.isolate(backend, store.root.parent / "cache")
    todo = []
    for name, cases in wanted.items():
        key = key_of(known[name], cases, backend.name, found)
        if options.force or kept_results(store, place_of(backend.name, name), key) is None:
            todo.append(Batch(name, tuple(cases)))
    start = time.perf_counter()
    if todo:
        kernel.preload(backend)
    jobs = max(options.jobs, 1)
    todo.sort(key=lambda batch: (known[batch.name].sample == 0, -len(batch.cases)))  # those that take long first
    results: dict[str, list[Any]] = {batch.name: [None] * len(batch.cases) for batch in todo}
    noted: dict[str, dict[str, Any]] = {}

    def keep(batch: Batch, came: list[Any], what: dict[str, Any]) -> bool:
        places = {case: place for place, case in enumerate(wanted[batch.name])}
        for case, result in zip(batch.cases, came, strict=True):
            results[batch.name][places[case]] = result
        # Of cases that ran each alone, the last would tell what it touched itself: of the whole, nothing is known.
        noted[batch.name] = what if len(came) == len(wanted[batch.name]) else {}
        return True

    def died(words: str) -> tuple[list[Any], dict[str, Any]]:
        return [], {"died": words}

    def keep_or_split(batch: Batch, came: list[Any], what: dict[str, Any]) -> bool:
        if "died" not in what:
            return keep(batch, came, what)
        if len(batch.cases) == 1:
            return keep(batch, [{"error": what["died"]}], {})
        alone = [Batch(batch.name, (case,)) for case in batch.cases]
        return not run_turns(alone, backend, options.timeout, keep_or_split, work, died)

    work = functools.partial(_run_all, folder=folder)
    parts = 4 * jobs  # so that a process which is done early takes another part
    turns = [todo[n::parts] for n in range(parts)]
    with ThreadPoolExecutor(jobs) as threads:
        lost = any(
            list(threads.map(lambda turn: run_turns(turn, backend, options.timeout, keep_or_split, work, died), turns))
        )
    for name, came in results.items():
        if None in came:
            print(f"FAILED {backend.name}: {name} has no result for some cases", file=sys.stderr)
            lost = True
            continue
        key = key_of(known[name], wanted[name], backend.name, found)
        try:
            store.write_file(place_of(backend.name, name), {"key": key, "results": came})
            store.write_touched(store.root / place_of(backend.name, name), key, noted[name])
        except CannotWriteError as error:
            print(f"FAILED {backend.name}: {error}", file=sys.stderr)
            lost = True
    count = sum(len(batch.cases) for batch in todo)
    took = time.perf_counter() - start
    print(f"{backend.name}: {count} cases of {len(todo)} models run in {took:.1f} s, {len(wanted) - len(todo)} reused")
    return int(lost)


def plain_cases(cases: list[Case]) -> list[tuple[Any, ...]]:
    """Cases as JSON holds them."""
    return [dataclasses.astuple(case) for case in cases]


def read_cases(path: Path) -> dict[str, list[Case]]:
    """The list of cases, by model."""
    return {
        name: [Case(inputs, tuple(options), bits, told, jit) for inputs, options, bits, told, jit in rows]
        for name, rows in json.loads(path.read_text()).items()
    }


def write_cases(path: Path, cases: dict[str, list[Case]]) -> None:
    """Write the list of cases."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps({name: plain_cases(found) for name, found in cases.items()}))


def _run_all(todo: list[Batch], backend: Backend, results: Any, folder: Path) -> None:
    """Be the process that runs batches, and send for each its results and what of Mithril it touched."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    for stream in (1, 2):
        os.dup2(nowhere, stream)
    recorder = touched.recorder or touched.Touched()
    exec(backend.startup)
    known = domains(folder)
    for batch in todo:
        recorder.begin(again=True)
        came = run_cases(known[batch.name], list(batch.cases), backend)
        results.send((came, recorder.taken()))


def run_cases(domain: Domain, cases: list[Case], backend: Backend) -> list[dict[str, Any]]:
    """What the cases of a model give on a backend.

    Returns
    -------
    list of dict
        ``error``, the first line of what evaluating raises; else ``outputs``, name to ``dtype``, ``shape`` and flat
        ``values``. ``gradients`` likewise, or ``gradient_error``. ``notes`` tells of calls that change what they are
        given, or whose second result is another. ``offered`` is False where the backend has no such precision.
    """
    runner = _Runner(domain, backend)
    with warnings.catch_warnings(action="ignore"):
        return [runner.run(case) for case in cases]


class _Runner:
    """Runs cases of one model. It compiles once for the cases that differ in inputs alone."""

    def __init__(self, domain: Domain, backend: Backend) -> None:
        import mithril

        self._domain = domain
        self._make = getattr(mithril, backend.cls)
        self._mutable = backend.name in ("numpy", "torch")
        self._backends: dict[int, Any] = {}
        self._compiled: dict[Any, Any] = {}

    def run(self, case: Case) -> dict[str, Any]:
        result: dict[str, Any] = {"notes": []}
        try:
            backend = self._backend(case.bits)
        except Exception:
            return {"offered": False}
        arrays = {name: rounded(value, case.bits) for name, value in self._domain.arrays(case).items()}
        with _noted(result, "error"):
            self._forward(case, backend, arrays, result)
        if "error" not in result and (wanted := trainable(self._domain, arrays)):
            with _noted(result, "gradient_error"):
                self._backward(case, backend, arrays, wanted, result)
        return result

    def _backend(self, bits: int) -> Any:
        if bits not in self._backends:
            self._backends[bits] = self._make(precision=bits)
        return self._backends[bits]

    def _compile(self, case: Case, backend: Any, given: dict[str, Any], wanted: list[str]) -> Any:
        import mithril
        from mithril import models

        kinds = tuple((k, hasattr(v, "shape") or repr(v)) for k, v in given.items())
        shapes = {k: list(v.shape) for k, v in given.items() if hasattr(v, "shape")} if case.told else None
        key = (case.options, case.bits, case.jit, kinds, tuple(wanted), repr(shapes))
        if key not in self._compiled:
            self._compiled[key] = mithril.compile(
                self._domain.build(models, **self._domain.chosen(case)),
                backend,
                data_keys=given.keys() - set(wanted),
                jit=case.jit,
                shapes=shapes,
                **({"trainable_keys": set(wanted)} if wanted else {"inference": True}),
            )
        return self._compiled[key]

    def _forward(self, case: Case, backend: Any, arrays: dict[str, Any], result: dict[str, Any]) -> None:
        given = {k: backend.array(v) if isinstance(v, np.ndarray) else v for k, v in arrays.items()}
        before = {k: flat(v) for k, v in given.items()}
        compiled = self._compile(case, backend, given, [])
        outputs = compiled.evaluate({}, given)
        result["outputs"] = {name: _told(value) for name, value in outputs.items()}
        _unchanged(before, given, "evaluating changes its input", result)
        if not self._domain.random:
            again = {name: _told(value) for name, value in compiled.evaluate({}, given).items()}
            if not _same(again, result["outputs"]):
                result["notes"].append("a second call gives other values")
        if self._mutable:
            self._overwrite(compiled, given, before, outputs, result)

    def _overwrite(self, compiled: Any, given: Any, before: Any, outputs: Any, result: dict[str, Any]) -> None:
        """Change the results in place, as a caller may, and look what else that changes."""
        for value in outputs.values():
            if hasattr(value, "shape") and not isinstance(value, np.generic):
                with contextlib.suppress(Exception):  # an array that cannot be written to changes nothing
                    value[...] = 1
        _unchanged(before, given, "writing into the result changes the input", result)
        fresh = {k: _restored(v, before[k]) for k, v in given.items()}
        if not self._domain.random:
            again = {name: _told(value) for name, value in compiled.evaluate({}, fresh).items()}
            if not _same(again, result["outputs"]):
                result["notes"].append("writing into the result changes the next one")
                self._compiled.clear()  # it holds what was written

    def _backward(self, case: Case, backend: Any, arrays: Any, wanted: list[str], result: dict[str, Any]) -> None:
        given = {k: backend.array(v) if isinstance(v, np.ndarray) else v for k, v in arrays.items()}
        params = {k: given[k] for k in wanted}
        data = {k: v for k, v in given.items() if k not in params}
        compiled = self._compile(case, backend, given, wanted)
        outputs = compiled.evaluate(params, data)
        told = {name: _told(value) for name, value in outputs.items()}
        if not self._domain.random and not _near(told, result["outputs"], case.bits):
            result["notes"].append("evaluating gives other values where gradients can be asked for")
        ignored = {*compiled.ignore_grad_keys, *self._domain.constant}
        seeds = {
            name: backend.ones_like(value) * backend.array(wave(tuple(value.shape)))
            for name, value in outputs.items()
            if told[name]["dtype"].startswith(("float", "bfloat")) and name not in ignored
        }
        if not seeds:
            return
        before = {k: flat(v) for k, v in {**given, **seeds}.items()}
        options = {} if "final_cost" in outputs else {"output_gradients": seeds}
        gradients = compiled.evaluate_gradients(params, data, **options)
        result["gradients"] = {name: _told(value) for name, value in gradients.items() if name in params}
        _unchanged(before, {**given, **seeds}, "asking for gradients changes", result)


@contextlib.contextmanager
def _noted(result: dict[str, Any], what: str) -> Iterator[None]:
    """Keep the first line of an error."""
    try:
        yield
    except Exception as error:
        rows = str(error).strip().splitlines() or [""]
        result[what] = _CHANGING.sub("…", f"{type(error).__name__}: {rows[0]}")[:300]


def _unchanged(before: dict[str, Any], after: dict[str, Any], what: str, result: dict[str, Any]) -> None:
    for name, value in after.items():
        if not _same(before[name], flat(value)):
            result["notes"].append(f"{what} '{name}'")


def _restored(value: Any, before: Any) -> Any:
    if not hasattr(value, "shape"):
        return value
    with contextlib.suppress(Exception):
        for place, number in np.ndenumerate(np.asarray(before, dtype=object).reshape(tuple(value.shape))):
            value[place] = number
    return value


def flat(value: Any) -> Any:
    """A backend's array as a flat list; anything else as it is."""
    if hasattr(value, "detach"):
        value = value.detach()
        value = value.float().tolist() if str(value.dtype) == "torch.bfloat16" else value.tolist()
    elif hasattr(value, "tolist"):
        value = value.tolist()
    else:
        return plain(value)
    return np.asarray(value, dtype=object).reshape(-1).tolist() if isinstance(value, list) else [value]


def _told(value: Any) -> dict[str, Any]:
    if hasattr(value, "shape") and hasattr(value, "dtype"):
        dtype = str(value.dtype).rpartition(".")[2]
        return {"dtype": dtype, "shape": list(value.shape), "values": flat(value)}
    return {"dtype": type(value).__name__, "shape": [], "values": [plain(value)]}


def _same(one: Any, other: Any) -> bool:
    return str(one) == str(other)


def _near(one: dict[str, Any], other: dict[str, Any], bits: int) -> bool:
    """Whether outputs are the same but for rounding."""
    for name in one.keys() & other.keys():
        a, b = one[name], other[name]
        if a["dtype"] != b["dtype"] or a["shape"] != b["shape"]:
            return False
        if a["dtype"].startswith("float"):
            x, y = np.asarray(a["values"], float), np.asarray(b["values"], float)
            if not np.allclose(x, y, 64 * np.finfo(f"float{bits}").eps, 64 * np.finfo(f"float{bits}").eps, True):
                return False
        elif not _same(a, b):
            return False
    return True
