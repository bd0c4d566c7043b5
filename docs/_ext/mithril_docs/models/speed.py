"""How long a call of a model takes on the backend of this environment, and what it leaves behind in memory.

``python -m mithril_docs speed BACKEND --out FILE`` measures once. Two versions of Mithril are compared by measuring
each of them several times in turn: the shortest of many calls hardly depends on what else the machine does.
"""

from __future__ import annotations

import argparse
import gc
import importlib
import json
import math
import os
import time
import weakref
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from mithril_docs.backends import BACKENDS
from mithril_docs.execute import environment
from mithril_docs.models import run
from mithril_docs.models.cards import Card, build_model, cards, make_inputs
from mithril_docs.page import find_pages

#: How many times longer inputs are than those of the card, so that a model's own work outweighs that of calling it.
LONGER = 400
#: Seconds of a sample, how many there are, and calls after which memory is looked at.
SAMPLE, SAMPLES, CALLS = 0.002, 12, 200
#: How many compiled models are made and dropped.
COMPILED = 3


def main(argv: list[str] | None = None) -> int:
    """Measure models and write the figures to a file. Returns 0."""
    parser = argparse.ArgumentParser(prog="python -m mithril_docs speed", description=__doc__)
    parser.add_argument("backend", choices=BACKENDS)
    parser.add_argument("--docs", type=Path, default=Path("docs"), help="folder of the pages")
    parser.add_argument("--cache", type=Path, default=Path("build/cache"), help="folder that libraries keep files in")
    parser.add_argument("--model", action="append", metavar="NAME", help="measure this model alone; may be repeated")
    parser.add_argument("--out", type=Path, required=True, help="file to write")
    options = parser.parse_args(argv)
    backend = BACKENDS[options.backend]
    environment.isolate(backend, options.cache.resolve())
    every = [card for page in find_pages(options.docs.resolve()) for card in cards(page) if card.build]
    exec(backend.startup)
    import mithril

    made = getattr(mithril, backend.cls)()
    figures = {}
    for card in every:
        if not options.model or card.name in options.model:
            figures[card.name] = measure(card, made)
    options.out.write_text(json.dumps(figures))
    return 0


def measure(card: Card, backend: Any) -> dict[str, float]:
    """The figures of a model; empty where it does not run.

    Returns
    -------
    dict
        ``forward`` and, where it has one, ``gradient``: seconds of the shortest call. ``bytes`` and ``objects``: by
        how much the process's memory, and what the garbage collector knows of, grow with each call of both. ``kept``:
        how many of a few compiled models are still there after they were dropped.
    """
    for inputs in _longer(card):
        found: dict[str, float] = {}
        try:
            call, gradient = _calls(card, backend, inputs)
            call()
            found["forward"] = _shortest(call)
            found |= _growth(call) | _kept(card, backend, inputs)
        except Exception:
            continue
        if gradient is not None:
            try:
                gradient()
                found["gradient"] = _shortest(gradient)
                found |= {what: max(value, found[what]) for what, value in _growth(gradient).items()}
            except Exception:
                found.pop("gradient", None)
        return found
    return {}


def _longer(card: Card) -> Iterator[dict[str, Any]]:
    """A model's inputs, longer along the first axis in all arrays or in one, or as they are."""
    inputs = make_inputs(card)
    arrays = [name for name, value in inputs.items() if isinstance(value, np.ndarray) and value.ndim]
    for names in (arrays, arrays[:1]):
        yield inputs | {name: np.concatenate([inputs[name]] * LONGER) for name in names}
    yield inputs


def _calls(card: Card, backend: Any, inputs: dict[str, Any]) -> tuple[Callable[[], Any], Callable[[], Any] | None]:
    import mithril

    floats = {k for k, v in inputs.items() if isinstance(v, np.ndarray) and v.dtype.kind == "f" and k not in card.data}
    params, data = run.split(inputs, backend, floats)
    compiled = mithril.compile(build_model(card), backend, data_keys=set(params | data), inference=True, jit=False)
    every = params | data
    ready = _waiting(backend)

    def call() -> None:
        ready(compiled.evaluate({}, every))

    if not floats:
        return call, None
    trained = mithril.compile(build_model(card), backend, data_keys=set(data), trainable_keys=floats, jit=False)
    outputs = trained.evaluate(params, data)
    given = {"output_gradients": {k: backend.ones_like(v) for k, v in outputs.items() if hasattr(v, "shape")}}
    given = {} if "final_cost" in outputs else given

    def gradient() -> None:
        ready(trained.evaluate_gradients(params, data, **given))

    return call, gradient


def _waiting(backend: Any) -> Callable[[dict[str, Any]], None]:
    """What waits until values are computed, on backends that return before that."""
    if backend.type == "jax":
        return importlib.import_module("jax").block_until_ready
    if backend.type == "mlx":
        evaluate = importlib.import_module("mlx.core").eval
        return lambda values: evaluate(list(values.values()))
    return lambda _: None


def _shortest(call: Callable[[], Any]) -> float:
    start = time.perf_counter()
    call()
    calls = max(1, math.ceil(SAMPLE / max(time.perf_counter() - start, 1e-7)))
    best = math.inf
    for _ in range(SAMPLES):
        start = time.perf_counter()
        for _ in range(calls):
            call()
        best = min(best, (time.perf_counter() - start) / calls)
    return best


def _growth(call: Callable[[], Any]) -> dict[str, float]:
    for _ in range(CALLS // 4):
        call()
    gc.collect()
    memory, objects = _resident(), len(gc.get_objects())
    for _ in range(CALLS):
        call()
    gc.collect()
    return {"bytes": (_resident() - memory) / CALLS, "objects": (len(gc.get_objects()) - objects) / CALLS}


def _kept(card: Card, backend: Any, inputs: dict[str, Any]) -> dict[str, float]:
    import mithril

    dropped = []
    for _ in range(COMPILED):
        compiled = mithril.compile(build_model(card), backend, data_keys=set(inputs), inference=True, jit=False)
        dropped.append(weakref.ref(compiled))
        del compiled
    gc.collect()
    return {"kept": sum(one() is not None for one in dropped)}


def _resident() -> int:
    """Bytes of memory that the process holds; 0 where that cannot be read."""
    try:
        return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except OSError:
        return 0
