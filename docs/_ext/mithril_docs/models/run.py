"""Run models: every model with a card, on the backend of this environment, a result a model.

``python -m mithril_docs models BACKEND`` runs forward, gradient, jit and each precision, and keeps what came out in the
store, beside the pages' results. Comparing backends is left to :mod:`mithril_docs.reference.capabilities`.
"""

from __future__ import annotations

import argparse
import contextlib
import dataclasses
import functools
import math
import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np

from mithril_docs.backends import BACKENDS, Backend
from mithril_docs.execute import environment, kernel, touched
from mithril_docs.models import c_library
from mithril_docs.models.cards import C, Card, build_model, cards, home, make_inputs, model_file, model_key
from mithril_docs.models.turns import run_turns
from mithril_docs.page import NoPageError, choose, find_pages
from mithril_docs.results import Environment, ModelResult
from mithril_docs.store import CannotWriteError, CorruptEntryError, Store

#: Floating-point precisions that a backend may be created with, in bits.
PRECISIONS = (16, 32, 64)
#: Seconds that one model may take, jit included.
TIMEOUT = 300


def main(argv: list[str]) -> int:
    """Run the models that the store lacks. Returns 0, whatever they can and cannot do; 1 where one has no result."""
    parser = argparse.ArgumentParser(prog="python -m mithril_docs models", description=__doc__)
    parser.add_argument("backend", choices=[*BACKENDS, C], help="c: in NumPy's environment, with a C compiler")
    parser.add_argument("--docs", type=Path, default=Path("docs"), help="folder of the pages")
    parser.add_argument("--store", type=Path, default=Path("build/store"), help="folder of the results")
    parser.add_argument("--only", action="append", metavar="PAGE", help="run this page's models alone; may be repeated")
    parser.add_argument("--model", action="append", metavar="NAME", help="run this model alone; may be repeated")
    parser.add_argument("--force", action="store_true", help="run every model anew")
    parser.add_argument("--jobs", type=int, default=os.cpu_count(), help="processes at a time")
    parser.add_argument("--timeout", type=float, default=TIMEOUT, help="seconds that a model may take")
    options = parser.parse_args(argv)
    store = Store(options.store.resolve())
    cache = store.root.parent / "cache"
    backend = c_library.ROW if options.backend == C else BACKENDS[options.backend]
    found = store.environment(home(backend.name))
    if found.error:
        return 0  # the pages' execution has said so
    environment.isolate(backend, cache)
    try:
        pages = choose(find_pages(options.docs.resolve(), store.root / "pages.pickle"), options.only)
    except NoPageError as error:
        parser.error(f"{error} (under {options.docs})")
    # A page that is not as it should be has been told of, and what its cards say may be wrong.
    every = [card for page in pages if not page.problems for card in cards(page) if card.build]
    every = [card for card in every if not options.model or card.name in options.model]
    todo = [card for card in every if options.force or not _kept(store, backend, card, found)]
    start = time.perf_counter()
    if backend.name == C and todo:
        built = c_library.build(cache / "c")
        if built is None:
            print("c: no compiler cc was found, so no model was run")
            return 0
        backend = built
    elif todo:
        kernel.preload(backend)  # so that a process that takes the place of one that ended starts at once
    jobs = max(options.jobs, 1)
    turns = [todo[n::jobs] for n in range(jobs)]
    keep = functools.partial(_keep, store, backend, found)

    def died(words: str) -> tuple[ModelResult, dict[str, Any]]:
        return ModelResult("", words), {}

    with ThreadPoolExecutor(jobs) as threads:
        lost = list(threads.map(lambda turn: run_turns(turn, backend, options.timeout, keep, _run_all, died), turns))
    took = time.perf_counter() - start
    print(f"{backend.name}: {len(todo)} models run in {took:.1f} s, {len(every) - len(todo)} reused")
    return int(any(lost))


def _kept(store: Store, backend: Backend, card: Card, found: Environment) -> bool:
    try:
        kept = store.read_model(model_file(backend.name, card.name))
    except CorruptEntryError:
        return False
    return kept is not None and kept.key == model_key(card, backend.name, found)


def _keep(
    store: Store, backend: Backend, found: Environment, card: Card, result: ModelResult, noted: dict[str, Any]
) -> bool:
    result.key = model_key(card, backend.name, found)
    try:
        store.write_file(model_file(backend.name, card.name), dataclasses.asdict(result))
        store.write_touched(store.root / model_file(backend.name, card.name), result.key, noted)
    except CannotWriteError as error:
        print(f"FAILED {backend.name}: {error}", file=sys.stderr)
        return False
    return True


def _run_all(todo: list[Card], backend: Backend, results: Any) -> None:
    """Be the process that runs models, and send for each its result and what of Mithril it touched."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    for stream in (1, 2):  # a compiler's words too
        os.dup2(nowhere, stream)
    recorder = touched.recorder or touched.Touched()  # C's models have no process that was made ready for them
    exec(backend.startup)
    import mithril

    make = getattr(mithril, backend.cls)
    for card in todo:
        recorder.begin(again=True)
        result = run_model(card, make)
        results.send((result, recorder.taken()))


def run_model(card: Card, make: Callable[..., Any]) -> ModelResult:
    """Run a model on a backend that ``make`` makes: forward, gradient, each precision, jit, and its variants."""
    result = ModelResult("")
    backend = make()
    with _noted(result, "forward"):
        result.values, result.variants["second call"] = _forward(card, backend, jit=False)
    if result.forward:
        return result
    floats = [k for k, value in result.values.items() if np.asarray(value).dtype.kind == "f"]
    arrays = {k: v for k, v in make_inputs(card).items() if isinstance(v, np.ndarray)}
    trainable = {k for k, v in arrays.items() if v.dtype.kind == "f" and k not in card.data}
    if floats and trainable:
        with _noted(result, "gradient"):
            result.variants["training"], result.gradients = _gradients(card, backend, trainable)
        if (result.gradient or "").endswith("All outputs gradient are ignored."):
            result.gradient = None
        if result.gradient == "" and backend.type != C:
            others = [("parameters in another order", 32, -1)]
            if backend.is_manualgrad:  # its gradients have formulas of their own
                others.append(("64 bits", 64, 1))
            for what, bits, order in others:
                with _told(result.variants, f"gradients, {what}"):
                    _, given = _gradients(card, make(precision=bits), trainable, order)
                    result.variants[f"gradients, {what}"] = given
    for bits in PRECISIONS if backend.type != C else ():
        with _noted(result.precision, str(bits)):
            result.variants[f"{bits} bits"], _ = _forward(card, make(precision=bits), jit=False)
    for size in (1, 0):
        if few := _cut(make_inputs(card), size):
            with _told(result.variants, f"size {size}"):
                result.variants[f"size {size}"], _ = _forward(card, backend, jit=False, inputs=few)
    if backend.type == "torch":
        _forget_compiled()
    with _noted(result, "jit"):
        result.jit_values, _ = _forward(card, backend, jit=True)
    return result


def _cut(inputs: dict[str, Any], size: int) -> dict[str, Any]:
    """The inputs with a first axis of another size, where all arrays that have more than one axis share it."""
    sizes = {len(value) for value in inputs.values() if isinstance(value, np.ndarray) and value.ndim > 1}
    if len(sizes) != 1 or (first := sizes.pop()) <= size:
        return {}
    return {k: v[:size] if isinstance(v, np.ndarray) and v.shape[:1] == (first,) else v for k, v in inputs.items()}


#: A file that is named anew in every run.
_TEMPORARY = re.compile(rf"{re.escape(tempfile.gettempdir())}/\S+?: ")


@contextlib.contextmanager
def _noted(notes: ModelResult | dict[str, str], what: str) -> Iterator[None]:
    """Note the error's first line, or that there was none."""
    words = ""
    try:
        yield
    except subprocess.CalledProcessError as error:  # the C backend's compiler; its command names folders
        words = f"{error.cmd[0]} refused the generated program (exit status {error.returncode})"
    except Exception as error:
        rows = str(error).strip().splitlines() or [""]
        words = f"{type(error).__name__}: {_TEMPORARY.sub('', rows[0])}"[:300]
    if isinstance(notes, dict):
        notes[what] = words
    else:
        setattr(notes, what, words)


@contextlib.contextmanager
def _told(variants: dict[str, Any], what: str) -> Iterator[None]:
    """Note the error's first line as what a variant gives, if there is one."""
    told: dict[str, str] = {}
    with _noted(told, "error"):
        yield
    if told["error"]:
        variants[what] = told["error"]


def split(inputs: dict[str, Any], backend: Any, trainable: set[str]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Inputs as parameters and data, in the backend's arrays."""
    made = {k: backend.array(v) if isinstance(v, np.ndarray) else v for k, v in inputs.items()}
    return {k: v for k, v in made.items() if k in trainable}, {k: v for k, v in made.items() if k not in trainable}


def _forward(
    card: Card, backend: Any, jit: bool, inputs: dict[str, Any] | None = None
) -> tuple[dict[str, Any], dict[str, Any]]:
    """The outputs of two calls, with the card's inputs or others."""
    import mithril

    _, data = split(make_inputs(card) if inputs is None else inputs, backend, set())
    compiled = mithril.compile(
        build_model(card), backend, data_keys=set(data), inference=True, jit=jit, shapes=_shapes(backend, data)
    )
    first = _plain(compiled.evaluate({}, data))
    return first, _plain(compiled.evaluate({}, data))


def _forget_compiled() -> None:
    """Forget what PyTorch compiled: of the programs of one process it compiles eight, and runs further ones as is."""
    import torch

    torch.compiler.reset()


def _gradients(card: Card, backend: Any, trainable: set[str], order: int = 1) -> tuple[dict[str, Any], dict[str, Any]]:
    """The outputs, and the gradients of the sum of all of them, each times a fixed array.

    With an order of -1, the parameters are given from the last to the first.
    """
    import mithril

    params, data = split(dict(list(make_inputs(card).items())[::order]), backend, trainable)
    shapes = _shapes(backend, params | data)
    compiled = mithril.compile(
        build_model(card), backend, data_keys=set(data), trainable_keys=trainable, jit=False, shapes=shapes
    )
    outputs = compiled.evaluate(params, data)
    ignored = compiled.ignore_grad_keys
    upstream = {k: _wave(v, backend) for k, v in outputs.items() if _is_float(v) and k not in ignored}
    # A model with a loss needs no gradients of its outputs, and most backends refuse them.
    given = {} if "final_cost" in outputs else {"output_gradients": upstream}
    shown = _plain(outputs)
    return shown, _plain(compiled.evaluate_gradients(params, data, **given))


def _shapes(backend: Any, arrays: dict[str, Any]) -> dict[str, list[int]] | None:
    """The shapes that the C backend must be told when it compiles; the others read them from the arrays."""
    if backend.type != C:
        return None
    return {key: list(value.shape) for key, value in arrays.items() if hasattr(value, "shape")}


def _wave(value: Any, backend: Any) -> Any:
    """A fixed array of the value's shape, type and kind."""
    shape = tuple(value.shape)
    wave = backend.array(np.cos(np.arange(math.prod(shape))).reshape(shape))
    return wave if backend.type == C else backend.ones_like(value) * wave


def _is_float(value: Any) -> bool:
    return hasattr(value, "shape") and np.asarray(_numbers(value)).dtype.kind == "f"


def _numbers(value: Any) -> Any:
    """A value as plain Python numbers."""
    if type(value).__name__ == "PyArray":  # the C backend's
        from mithril.backends.with_manualgrad.c_backend.src import utils

        value = utils.to_numpy(value)
    if hasattr(value, "detach"):
        value = value.detach().cpu()
    if isinstance(value, list | tuple):
        return [_numbers(item) for item in value]
    return value.tolist() if hasattr(value, "tolist") else value


def _plain(values: dict[str, Any]) -> dict[str, Any]:
    return {
        k: v if isinstance(v, int | float | list) else str(v) for k, v in ((k, _numbers(v)) for k, v in values.items())
    }
