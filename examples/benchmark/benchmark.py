"""Measure how fast Mithril models are, how much memory they need, and how they compare.

A case is a function in a file of yours. It takes a backend and returns a step. A step is a function without arguments
that runs your model once and returns the arrays that it computed. Name several cases to compare them with the first:

    python benchmark.py --backend jax network.py:predict network.py:train
"""

from __future__ import annotations

import argparse
import contextlib
import importlib
import importlib.util
import json
import math
import os
import platform
import random
import resource
import statistics
import subprocess
import sys
import time
import traceback
from collections.abc import Callable, Iterator
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

Step = Callable[[], Any]

#: Where Mithril keeps the class of each backend. ``ml.MlxBackend`` exists on macOS only; this module exists everywhere.
BACKENDS = {
    "numpy": ("mithril.backends.with_manualgrad.numpy_backend", "NumpyBackend"),
    "torch": ("mithril.backends.with_autograd.torch_backend", "TorchBackend"),
    "jax": ("mithril.backends.with_autograd.jax_backend", "JaxBackend"),
    "mlx": ("mithril.backends.with_autograd.mlx_backend", "MlxBackend"),
}
#: What the libraries that compute read before they start their threads.
THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
#: Fewer rounds than this give no interval that holds the median in 95 of 100 cases.
FEWEST_ROUNDS = 6
#: If the ratio of the fastest samples differs from the median ratio by more than this part, others used the machine.
DISTURBED = 0.15
#: A sample shorter than this many seconds is made of several calls: the clock and Python cost too much of it. A longer
#: one is interrupted more often on a machine that has other work.
SHORTEST_SAMPLE = 0.0002


class BadInputError(Exception):
    """What was given cannot be measured; the message is one line for the user."""


# Waiting.


def arrays_in(result: Any) -> Iterator[Any]:
    """The arrays in a result: an array, or dictionaries, lists and tuples of arrays."""
    if isinstance(result, dict):
        result = list(result.values())
    if isinstance(result, list | tuple):
        for part in result:
            yield from arrays_in(part)
    elif hasattr(result, "shape"):
        yield result


def wait(result: Any) -> int:
    """Wait until every array in a result has its numbers; how many arrays there are."""
    arrays = list(arrays_in(result))
    frameworks = {type(array).__module__.partition(".")[0] for array in arrays}
    if "jaxlib" in frameworks:
        importlib.import_module("jax").block_until_ready(arrays)
    if "mlx" in frameworks:
        importlib.import_module("mlx.core").eval(arrays)
    if "torch" in frameworks:
        torch = importlib.import_module("torch")
        for kind in {array.device.type for array in arrays} - {"cpu"}:
            getattr(torch, kind).synchronize()
    return len(arrays)


# Timing.


def timed(step: Step, calls: int = 1) -> float:
    """Seconds that a call takes, results included: the mean of several calls in a row."""
    start = time.perf_counter()
    for _ in range(calls):
        wait(step())
    return (time.perf_counter() - start) / calls


def interleaved(steps: dict[str, Step], rounds: int = 30, warmup: int = 3) -> dict[str, list[float]]:
    """Seconds of each step in each round, after warm-up calls.

    A round runs every step once, in a random order. So what slows the machine down for a while slows all steps down,
    and two numbers of one round are a pair.
    """
    calls = {}
    for name, step in steps.items():
        fastest = min(timed(step) for _ in range(max(warmup, 1)))
        calls[name] = max(1, math.ceil(SHORTEST_SAMPLE / fastest))
    seconds: dict[str, list[float]] = {name: [] for name in steps}
    order, shuffle = list(steps), random.Random(0).shuffle
    for _ in range(rounds):
        shuffle(order)
        for name in order:
            seconds[name].append(timed(steps[name], calls[name]))
    return seconds


# Statistics.


def middle_half(values: list[float]) -> tuple[float, float]:
    """The quartiles: half of the values are between them."""
    low, _, high = statistics.quantiles(values, n=4, method="inclusive")
    return low, high


def median_interval(values: list[float]) -> tuple[float, float]:
    """An interval that holds the true median in about 95 of 100 cases, whatever the distribution of the values.

    Its ends are two of the sorted values. Source: the sign test, with the normal approximation of the binomial.
    """
    ordered, count = sorted(values), len(values)
    place = max(0, math.floor(count / 2 - 0.98 * math.sqrt(count)))
    return ordered[place], ordered[count - 1 - place]


def compare(first: list[float], second: list[float]) -> dict[str, Any]:
    """How much longer the second takes than the first, from the pairs of one round each."""
    ratios = [b / a for a, b in zip(first, second, strict=True)]
    differences = [b - a for a, b in zip(first, second, strict=True)]
    low, high = median_interval(ratios)
    ratio, fastest = statistics.median(ratios), min(second) / min(first)
    return {
        "ratio": ratio,
        "interval": [low, high],
        "difference_seconds": statistics.median(differences),
        "found": not low <= 1 <= high,
        "fastest_ratio": fastest,
        "disturbed": abs(fastest / ratio - 1) > DISTURBED,
    }


# Memory.


def peak_memory() -> int:
    """The most bytes that this process has held so far."""
    if platform.system() == "Linux":  # there, ru_maxrss is never below that of the process that started this one
        lines = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text(encoding="ascii").splitlines())
        return int(lines["VmHWM"].split()[0]) * 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss  # bytes on macOS


def memory_of(backend: str, case: str, calls: int = 3) -> dict[str, int]:
    """Bytes that a case needs, in a new process: at its peak, and what of that is Python and the framework."""
    words = [sys.executable, __file__, "--backend", backend, "--calls", str(calls), "--memory-of", case]
    done = subprocess.run(words, capture_output=True, text=True)
    if done.returncode:
        told = done.stderr.strip().splitlines() or [f"ended with {done.returncode}"]
        raise BadInputError(f"memory of {case}: {told[-1].removeprefix('benchmark.py: error: ')}")
    return json.loads(done.stdout.splitlines()[-1])


def own_memory(backend: str, case: str, calls: int) -> dict[str, int]:
    """What :func:`memory_of` asks a new process for."""
    made = make_backend(backend)
    wait(made.ones(1) + made.ones(1))  # the framework is fully loaded once it has computed something
    before = peak_memory()
    with told_in_one_line(case):
        step = make_step(case, made)
        for _ in range(calls):
            wait(step())
    return {"before": before, "peak": peak_memory()}


# Cases.


def make_backend(name: str) -> Any:
    """A backend by its name."""
    module, cls = BACKENDS[name]
    try:
        return getattr(importlib.import_module(module), cls)()
    except Exception as error:  # a missing or unsuitable framework fails in many ways
        words = f"the backend '{name}' does not work here: {type(error).__name__}: {first_line(error)}"
        raise BadInputError(words) from error


def make_step(case: str, backend: Any) -> Step:
    """The step of a case, such as ``network.py:train``."""
    file, _, name = case.rpartition(":")
    path = Path(file).resolve()
    if not file or not name:
        raise BadInputError(f"'{case}' is no case: write FILE.py:FUNCTION, such as network.py:train")
    if not path.is_file():
        raise BadInputError(f"there is no file '{file}'")
    spec = importlib.util.spec_from_file_location(f"case_{path.stem}", path)
    if spec is None or spec.loader is None:
        raise BadInputError(f"'{file}' is no Python file")
    module = sys.modules[spec.name] = importlib.util.module_from_spec(spec)
    if str(path.parent) not in sys.path:
        sys.path.insert(0, str(path.parent))
    spec.loader.exec_module(module)
    make = getattr(module, name, None)
    if not callable(make):
        raise BadInputError(f"'{file}' has no function '{name}'")
    step = make(backend)
    if not callable(step):
        raise BadInputError(f"{case} returned {type(step).__name__}: return a function that runs the model once")
    return step


def first_call(case: str, backend: Any) -> tuple[Step, float, float]:
    """The step of a case, the seconds that it took to make, and those of its first call."""
    start = time.perf_counter()
    step = make_step(case, backend)
    made = time.perf_counter()
    found = wait(step())
    if found == 0:
        raise BadInputError(f"the step of {case} returned no array: return what it computed, to be waited for")
    return step, made - start, time.perf_counter() - made


@contextlib.contextmanager
def told_in_one_line(case: str) -> Iterator[None]:
    """Tell what the code of a case raised: what, and in which line of its file."""
    try:
        yield
    except BadInputError:
        raise
    except (Exception, SystemExit) as error:
        path = Path(case.rpartition(":")[0])
        own = [
            frame.lineno
            for frame in traceback.extract_tb(error.__traceback__)
            if Path(frame.filename) == path.resolve()
        ]
        line = error.lineno if isinstance(error, SyntaxError) else own[-1] if own else None
        where = f"{path}, line {line}" if line else case
        raise BadInputError(f"{where}: {type(error).__name__}: {first_line(error)}") from error


def first_line(error: BaseException) -> str:
    """The first line of what an error says."""
    return (str(error).strip().splitlines() or ["it says nothing"])[0]


# The report.


def measure(backend: str, cases: list[str], rounds: int = 30, warmup: int = 3, memory: bool = True) -> dict[str, Any]:
    """Everything about some cases, as plain values."""
    made = make_backend(backend)
    steps: dict[str, Step] = {}
    found: dict[str, dict[str, Any]] = {}
    for number, case in enumerate(cases, 1):
        name = case if case not in steps else f"{case} ({number})"  # a case against itself shows the noise
        with told_in_one_line(case):
            steps[name], build, first = first_call(case, made)
        found[name] = {"build_seconds": build, "first_call_seconds": first}
    with told_in_one_line(cases[0]) if len(cases) == 1 else told_in_one_line("the cases"):
        seconds = interleaved(steps, rounds, warmup)
    for (name, entry), case in zip(found.items(), cases, strict=True):
        low, high = middle_half(seconds[name])
        entry |= {"median_seconds": statistics.median(seconds[name]), "middle_half_seconds": [low, high]}
        entry["seconds"] = seconds[name]
        if memory:
            entry["memory_bytes"] = memory_of(backend, case)
    baseline, *others = found
    return {
        "backend": backend,
        "machine": machine(),
        "cases": found,
        "compared_with": baseline,
        "comparisons": {name: compare(seconds[baseline], seconds[name]) for name in others},
    }


def machine() -> dict[str, Any]:
    """What a figure depends on beside the case."""
    versions = {}
    for name in ("mithril", "numpy", "torch", "jax", "mlx"):
        with contextlib.suppress(PackageNotFoundError):
            versions[name] = version(name)
    threads = {name: os.environ[name] for name in THREADS if name in os.environ}
    names = {"system": platform.platform(), "processor": platform.machine(), "python": platform.python_version()}
    return names | {"cores": os.cpu_count(), "threads": threads, "versions": versions}


def as_time(seconds: float) -> str:
    """A time with its unit."""
    return (
        f"{seconds:.2f} s"
        if seconds >= 1
        else f"{seconds * 1e3:.3g} ms"
        if seconds >= 1e-3
        else f"{seconds * 1e6:.3g} µs"
    )


def report(found: dict[str, Any]) -> Iterator[str]:
    """The lines of the report."""
    width = max(len(name) for name in found["cases"])
    yield f"{'case':{width}}  {'first call':>10}  {'median':>8}  {'middle half':>20}  {'memory':>8}"
    for name, entry in found["cases"].items():
        half = " to ".join(map(as_time, entry["middle_half_seconds"]))
        memory = entry.get("memory_bytes")
        own = f"{(memory['peak'] - memory['before']) / 1e6:.0f} MB" if memory else "-"
        first, median = as_time(entry["first_call_seconds"]), as_time(entry["median_seconds"])
        yield f"{name:{width}}  {first:>10}  {median:>8}  {half:>20}  {own:>8}"
    for name, entry in found["comparisons"].items():
        low, high = entry["interval"]
        numbers = f"{entry['ratio']:.3g} times as long (95% interval {low:.3g} to {high:.3g})"
        verdict = "" if entry["found"] else "; no difference was found"
        yield f"{name} takes {numbers} as {found['compared_with']}{verdict}"
        if entry["disturbed"]:
            fastest = f"the fastest samples say {entry['fastest_ratio']:.3g}"
            yield f"  but {fastest}: if other programs run, close them or use --threads 1, and measure again"


def plot(found: dict[str, Any], path: Path) -> None:
    """A picture of every sample: a drift or a second level of times shows here, and in no median."""
    pyplot = importlib.import_module("matplotlib.pyplot")
    figure, axes = pyplot.subplots(figsize=(6.4, 3.6), layout="constrained")
    for number, (name, entry) in enumerate(found["cases"].items()):
        milliseconds = [seconds * 1e3 for seconds in entry["seconds"]]
        axes.plot(milliseconds, "o", color=f"C{number}", markersize=4, label=name)
        axes.axhline(entry["median_seconds"] * 1e3, color=f"C{number}", linewidth=1)
    axes.set(xlabel="round", ylabel="milliseconds", ylim=0, title=f"{found['backend']}, line: median")
    axes.legend()
    figure.savefig(path)
    pyplot.close(figure)


# The command line.


def arguments(argv: list[str] | None) -> argparse.Namespace:
    """What was asked for. Argparse ends the program with one line and status 2 where it cannot be."""
    parser = argparse.ArgumentParser(
        prog="benchmark.py", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "cases", nargs="*", metavar="FILE.py:FUNCTION", help="what to measure; the first is compared with"
    )
    parser.add_argument("--backend", choices=list(BACKENDS), required=True, help="the framework to measure on")
    parser.add_argument(
        "--rounds", type=int, default=30, help="samples of each case, at least 6 (default: %(default)s)"
    )
    parser.add_argument("--warmup", type=int, default=3, help="calls before the first sample (default: %(default)s)")
    parser.add_argument("--threads", type=int, help="threads of NumPy and PyTorch (default: as many as they like)")
    parser.add_argument("--no-memory", action="store_true", help="start no process to measure memory")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write every number to this file")
    parser.add_argument("--plot", type=Path, metavar="FILE", help="write a picture of every sample, such as times.png")
    parser.add_argument("--memory-of", help=argparse.SUPPRESS)
    parser.add_argument("--calls", type=int, default=3, help=argparse.SUPPRESS)
    return parser.parse_args(argv)


def check(options: argparse.Namespace) -> None:
    """Refuse what would fail after minutes of measuring."""
    if not options.cases:
        raise BadInputError("name a case to measure: FILE.py:FUNCTION, such as network.py:train")
    if options.rounds < FEWEST_ROUNDS:
        raise BadInputError(f"--rounds {options.rounds} is too few: take {FEWEST_ROUNDS} or more")
    if options.warmup < 1:
        raise BadInputError(f"--warmup {options.warmup} is too few: the first call is never like the others")
    if options.threads is not None and options.threads < 1:
        raise BadInputError(f"--threads {options.threads} is too few: take 1 or more")
    for option, path in (("--json", options.json), ("--plot", options.plot)):
        if path and (path.is_dir() or not path.resolve().parent.is_dir()):
            raise BadInputError(f"{option} {path}: there is no such folder to write a file in")
    if options.plot:
        if importlib.util.find_spec("matplotlib") is None:
            raise BadInputError("--plot needs Matplotlib: pip install matplotlib")
        kinds = importlib.import_module("matplotlib.backend_bases").FigureCanvasBase.get_supported_filetypes()
        if options.plot.suffix.removeprefix(".") not in kinds:
            raise BadInputError(f"--plot {options.plot}: name a file that ends in .png, .svg or .pdf")


def main(argv: list[str] | None = None) -> int:
    """Measure what the command line names; the exit status."""
    options = arguments(argv)
    try:
        if options.memory_of:
            print(json.dumps(own_memory(options.backend, options.memory_of, options.calls)))
            return 0
        check(options)
        if options.threads:  # read when the frameworks are imported, here and in the processes that measure memory
            os.environ.update(dict.fromkeys(THREADS, str(options.threads)))
        found = measure(options.backend, options.cases, options.rounds, options.warmup, not options.no_memory)
        print(*report(found), sep="\n")
        if options.json:
            options.json.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
        if options.plot:
            plot(found, options.plot)
    except (BadInputError, OSError) as error:
        print(f"benchmark.py: error: {first_line(error)}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
