"""``examples/benchmark``: run as a user runs it, in each backend's own Python."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest

from support.places import BACKENDS, ROOT, clean, python_of

PROGRAM = ROOT / "examples" / "benchmark" / "benchmark.py"
NETWORK = ROOT / "examples" / "benchmark" / "network.py"
#: Cases that take a known time. A process that sleeps gets its turn even on a busy machine.
SLEEPY = """\
import time
import mithril as ml
from mithril.models import Linear, Model


def asleep(backend, seconds):
    model = Model()
    model += Linear(dimension=4)(input="x", w="w", b="b", output=ml.IOKey("y"))
    compiled = ml.compile(model, backend, data_keys={"x"}, inference=True, jit=False)
    params = {"w": backend.ones(4, 4), "b": backend.ones(4)}
    x = backend.ones(4, 4)

    def step():
        time.sleep(seconds)
        return compiled.evaluate(params, {"x": x})

    return step


def quick(backend):
    return asleep(backend, 0.08)


def slow(backend):
    return asleep(backend, 0.12)


def large(backend):
    def step():
        array = backend.ones(20_000_000)  # 80 MB
        return array + 1

    return step


def raises(backend):
    return 1 / 0


def returns_nothing(backend):
    return lambda: None


def is_no_step(backend):
    return 3


def fails_later(backend):
    calls = []

    def step():
        calls.append(1)
        if len(calls) > 3:
            raise ValueError("enough\\nof this")
        return backend.ones(2)

    return step
"""


@pytest.fixture(params=BACKENDS)
def backend(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.fixture
def cases(tmp_path: Path) -> Path:
    path = tmp_path / "cases.py"
    path.write_text(SLEEPY)
    return path


def bench(folder: Path, backend: str, *words: object) -> subprocess.CompletedProcess[str]:
    """Run the program in an empty folder, with a backend's Python and without this repository's variables."""
    python = python_of(backend)
    command = [str(python), str(PROGRAM), "--backend", backend, "--threads", "1", *map(str, words)]
    return subprocess.run(command, cwd=folder, env=clean(python.parent), capture_output=True, text=True, timeout=300)


@pytest.mark.takes(15)
def test_it_finds_a_known_slowdown(backend: str, tmp_path: Path, cases: Path) -> None:
    words = ["--rounds", 15, "--no-memory", "--json", "found.json"]
    done = bench(tmp_path, backend, "cases.py:quick", "cases.py:slow", *words)
    assert done.returncode == 0, done.stderr
    found = json.loads((tmp_path / "found.json").read_text())
    compared = found["comparisons"]["cases.py:slow"]
    assert compared["difference_seconds"] == pytest.approx(0.04, rel=0.1)
    own = found["cases"]["cases.py:quick"]["median_seconds"]
    assert compared["ratio"] == pytest.approx((own + 0.04) / own, rel=0.1)
    assert compared["found"] and compared["interval"][0] <= compared["ratio"] <= compared["interval"][1]
    assert "cases.py:slow takes" in done.stdout and "no difference" not in done.stdout


@pytest.mark.takes(15)
def test_a_case_against_itself_shows_no_slowdown(backend: str, tmp_path: Path, cases: Path) -> None:
    words = ["--rounds", 8, "--no-memory", "--json", "found.json"]
    done = bench(tmp_path, backend, "cases.py:quick", "cases.py:quick", *words)
    assert done.returncode == 0, done.stderr
    (compared,) = json.loads((tmp_path / "found.json").read_text())["comparisons"].values()
    assert compared["ratio"] == pytest.approx(1, rel=0.1)


@pytest.mark.takes(20)
def test_its_own_cases_run(backend: str, tmp_path: Path) -> None:
    names = [f"{NETWORK}:{name}" for name in ("predict", "predict_twice", "train")]
    done = bench(tmp_path, backend, *names, "--rounds", 6, "--json", "found.json", "--plot", "times.png")
    assert done.returncode == 0, done.stderr
    found = json.loads((tmp_path / "found.json").read_text())
    assert list(found["cases"]) == names and set(found["comparisons"]) == set(names[1:])
    for entry in found["cases"].values():
        assert len(entry["seconds"]) == 6 and entry["first_call_seconds"] > 0 and entry["build_seconds"] > 0
        assert min(entry["seconds"]) <= entry["median_seconds"] <= max(entry["seconds"])
    assert found["machine"]["versions"]["mithril"] and found["machine"]["threads"]["OMP_NUM_THREADS"] == "1"
    assert (tmp_path / "times.png").read_bytes().startswith(b"\x89PNG")
    lines = [line for line in done.stdout.splitlines() if not line.startswith("  but the fastest samples say")]
    assert len(lines) == 1 + 3 + 2


def test_with_jit_it_runs_too(backend: str, tmp_path: Path) -> None:
    done = bench(tmp_path, backend, f"{NETWORK}:predict", f"{NETWORK}:predict_with_jit", "--rounds", 6, "--no-memory")
    assert done.returncode == 0, done.stderr


def test_memory_is_of_the_case_alone(backend: str, tmp_path: Path, cases: Path) -> None:
    """Two arrays of 80 MB are found, one where MLX gives the memory of the first to the second, and none twice."""
    done = bench(tmp_path, backend, "cases.py:large", "cases.py:quick", "--rounds", 6, "--json", "found.json")
    assert done.returncode == 0, done.stderr
    large, small = (
        (entry["memory_bytes"]["peak"] - entry["memory_bytes"]["before"]) / 1e6
        for entry in json.loads((tmp_path / "found.json").read_text())["cases"].values()
    )
    assert (70 if backend == "mlx" else 150) < large < 500 and small < 60


BAD = {
    "no case": ([], "name a case to measure"),
    "a case without a function": (["cases.py"], "'cases.py' is no case: write FILE.py:FUNCTION"),
    "a missing file": (["nowhere.py:quick"], "there is no file 'nowhere.py'"),
    "a missing function": (["cases.py:quik"], "'cases.py' has no function 'quik'"),
    "a step that returns nothing": (["cases.py:returns_nothing"], "returned no array"),
    "a case that returns no step": (["cases.py:is_no_step"], "cases.py:is_no_step returned int"),
    "a step that fails later": (["cases.py:fails_later"], "cases.py, line 54: ValueError: enough"),
    "a file that ends the program": (["ends.py:quick"], "ends.py, line 2: SystemExit: 0"),
    "a file with a mistake": (["broken.py:quick"], "broken.py, line 1: SyntaxError"),
    "a file that is no Python": (["notes.txt:quick"], "'notes.txt' is no Python file"),
    "too few rounds": (["cases.py:quick", "--rounds", "3"], "--rounds 3 is too few: take 6 or more"),
    "no warm-up": (["cases.py:quick", "--warmup", "0"], "--warmup 0 is too few"),
    "no threads": (["cases.py:quick", "--threads", "0"], "--threads 0 is too few"),
    "a number that is none": (["cases.py:quick", "--rounds", "many"], "invalid int value: 'many'"),
    "a folder that is missing": (["cases.py:quick", "--json", "a/b.json"], "--json a/b.json: there is no such folder"),
    "a picture of no kind": (["cases.py:quick", "--plot", "times.txt"], "name a file that ends in .png"),
}


def assert_told_in_one_line(done: subprocess.CompletedProcess[str], said: str) -> None:
    assert done.returncode == 2 and done.stdout == "", done
    *usage, line = done.stderr.splitlines()
    assert line.startswith("benchmark.py: error: ") and said in line
    assert not usage or usage[0].startswith("usage: ")  # argparse's own refusals


@pytest.mark.parametrize("backend", ["numpy"])
@pytest.mark.parametrize("what", BAD)
def test_bad_input_is_told_in_one_line(what: str, backend: str, tmp_path: Path, cases: Path) -> None:
    (tmp_path / "broken.py").write_text("def quick(:\n")
    (tmp_path / "ends.py").write_text("import sys\nsys.exit(0)\n")
    (tmp_path / "notes.txt").write_text("quick\n")
    words, said = BAD[what]
    assert_told_in_one_line(bench(tmp_path, backend, *words), said)


def test_a_case_that_fails_is_told_in_one_line(backend: str, tmp_path: Path, cases: Path) -> None:
    said = "cases.py, line 37: ZeroDivisionError: division by zero"
    assert_told_in_one_line(bench(tmp_path, backend, "cases.py:raises"), said)


@pytest.mark.parametrize("backend", ["numpy"])
def test_a_backend_that_is_missing_is_told_in_one_line(backend: str, tmp_path: Path, cases: Path) -> None:
    python = python_of(backend)
    command = [str(python), str(PROGRAM), "--backend", "jax", "cases.py:quick"]
    done = subprocess.run(command, cwd=tmp_path, env=clean(python.parent), capture_output=True, text=True, timeout=60)
    assert done.returncode == 2 and len(done.stderr.splitlines()) == 1
    assert "the backend 'jax' does not work here: ModuleNotFoundError" in done.stderr


@pytest.mark.parametrize("backend", ["numpy"])
def test_help_says_what_a_case_is(backend: str, tmp_path: Path) -> None:
    done = bench(tmp_path, backend, "--help")
    assert done.returncode == 0 and "A step is a function without arguments" in " ".join(done.stdout.split())
    assert "memory-of" not in done.stdout
