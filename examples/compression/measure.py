"""Measure files of weights, each in a process of its own.

`measure.py BACKEND IMAGES WEIGHTS...` prints a line of JSON for each: the
accuracy, the median seconds for one image and for all, and bytes of memory.
The processes are forked after the imports, which take seconds.
"""

from __future__ import annotations

import json
import os
import platform
import re
import resource
import statistics
import sys
import time
from pathlib import Path

import mithril as ml
import numpy as np
from network import compile_for
from techniques import load, restore


def make_backend(name: str) -> ml.Backend:
    """A backend by the name of its class."""
    if name == "MlxBackend":  # Off macOS, it is not in the top module.
        from mithril.backends.with_autograd.mlx_backend import MlxBackend

        return MlxBackend()
    return getattr(ml, name)()


def peak_memory() -> int:
    """The most bytes that this process has held.

    On Linux, `ru_maxrss` is never below that of the parent process.
    """
    if platform.system() == "Linux":
        status = Path("/proc/self/status").read_text(encoding="utf-8")
        return int(re.search(r"VmHWM:\s+(\d+)", status)[1]) * 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


def median_time(call, repeats: int = 30) -> float:
    """The median seconds of a call, after two calls that do not count."""
    seconds = []
    for _ in range(repeats + 2):
        start = time.perf_counter()
        call()
        seconds.append(time.perf_counter() - start)
    return statistics.median(seconds[2:])


def measure(backend_name: str, images: str, weights: str) -> None:
    """Load, predict, measure and print."""
    backend = make_backend(backend_name)
    data = load(images)
    many = {"x0": backend.array(data["images"])}
    one = {"x0": backend.array(data["images"][:1])}
    before = peak_memory()
    program, params = compile_for(restore(load(weights)), backend)

    def predict(data):
        return np.asarray(program.evaluate(params, data)["digit"])

    right = predict(many).argmax(axis=1) == data["labels"]
    print(
        json.dumps(
            {
                "accuracy": float(right.mean()),
                "one": median_time(lambda: predict(one)),
                "many": median_time(lambda: predict(many), repeats=9),
                "parameters": sum(
                    np.asarray(v).nbytes for v in params.values()
                ),
                "added": peak_memory() - before,
                "peak": peak_memory(),
            }
        ),
        flush=True,
    )


def main(backend_name: str, images: str, *files: str) -> None:
    """Measure each file in a new process; the first failure ends it."""
    for weights in files:
        child = os.fork()
        if not child:
            status = 1
            try:
                measure(backend_name, images, weights)
                status = 0
            finally:
                os._exit(status)
        if os.waitpid(child, 0)[1]:
            sys.exit(f"{weights} could not be measured")


if __name__ == "__main__":
    main(*sys.argv[1:])
