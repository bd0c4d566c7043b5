"""The program ``examples/deploy``, run as a process in the environment of each backend."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from support.places import BACKENDS, ROOT, python_of

FOLDER = ROOT / "examples" / "deploy"
PROGRAM = FOLDER / "main.py"
#: What the network can leave in, by backend. AOTInductor takes half a minute and has a test of its own.
EVERYWHERE = ("rebuild", "program", "pickle", "standalone")
WORKS = {
    "numpy": EVERYWHERE,
    "torch": (*EVERYWHERE, "torch-export", "onnx"),
    "jax": (*EVERYWHERE, "jax-export"),
    "mlx": (*EVERYWHERE, "mlx-export"),
}
#: Why a way is refused in an environment that lacks what it needs.
REASONS = {
    "torch-export": "torch-export: needs torch, not installed here",
    "aotinductor": "aotinductor: needs torch, not installed here",
    "onnx": "onnx: needs torch and onnxscript, not installed here",
    "jax-export": "jax-export: needs jax",
    "mlx-export": "mlx-export: needs mlx, not installed here",
    "c": "c: Mithril's C library has no relu",
}


@pytest.fixture(params=BACKENDS)
def backend(request: pytest.FixtureRequest) -> str:
    if not python_of(request.param).exists():
        pytest.skip(f"the environment of {request.param} was not made")
    return request.param


def run(backend: str, *words: object, folder: Path = ROOT, program: Path = PROGRAM) -> subprocess.CompletedProcess[str]:
    """Run a program to its end, from any folder."""
    command = [str(python_of(backend)), str(program), *map(str, words)]
    environment = os.environ | {"OMP_NUM_THREADS": "1", "PYTHONDONTWRITEBYTECODE": "1"}
    return subprocess.run(command, capture_output=True, text=True, timeout=600, cwd=folder, env=environment)


def is_refused(done: subprocess.CompletedProcess[str], told: str) -> bool:
    """Whether a process ended with one line that says this."""
    assert done.returncode == 2, done.stderr
    assert len(done.stderr.splitlines()) == 1, done.stderr
    return told in done.stderr


@pytest.fixture(scope="module")
def release(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A release that NumPy trained and that needs NumPy only."""
    if not python_of("numpy").exists():
        pytest.skip("the environment of numpy was not made")
    folder = tmp_path_factory.mktemp("deploy") / "release"
    done = run("numpy", "--way", "standalone", "--steps", "60", "--out", folder)
    assert done.returncode == 0, done.stderr
    return folder


def check_release(done: subprocess.CompletedProcess[str], folder: Path, way: str) -> None:
    """The program reported equal scores, and the manifest names every file of the folder."""
    assert done.returncode == 0, done.stderr
    gap = re.search(r"in a new process the scores differ by at most (\S+)", done.stdout)
    assert gap and float(gap[1]) < 1e-4
    assert re.search(r"start \S+ ms, first call \S+ ms, later calls \S+ ms, new size \S+ ms, load \S+ ms", done.stdout)
    manifest = json.loads((folder / "manifest.json").read_text())
    assert manifest["way"] == way
    files = {path.name for path in folder.iterdir() if path.is_file()}
    assert files == {"manifest.json", *manifest["files"]}
    lines = (folder / "requirements.txt").read_text().splitlines()
    assert {line.split("==")[0].split("[")[0] for line in lines} == {*manifest["needs"]}
    assert all(re.fullmatch(r"[\w\[\]-]+==[\w.+]+", line) for line in lines)


@pytest.mark.takes(60)
def test_what_works_gives_equal_scores_in_a_new_process(backend: str, release: Path, tmp_path: Path) -> None:
    """Weights that NumPy trained leave in each way of each backend."""
    for way in WORKS[backend]:
        words = ("--backend", backend, "--way", way, "--weights", release / "weights.npz", "--out", tmp_path / way)
        check_release(run(backend, *words), tmp_path / way, way)


@pytest.mark.takes(90)
def test_a_library_of_aotinductor(release: Path, tmp_path: Path) -> None:
    if not python_of("torch").exists() or not shutil.which("c++"):
        pytest.skip("needs the environment of torch and a C++ compiler")
    words = ("--way", "aotinductor", "--weights", release / "weights.npz", "--out", tmp_path / "library")
    check_release(run("torch", "--backend", "torch", *words), tmp_path / "library", "aotinductor")


def test_a_linear_model_leaves_in_c(tmp_path: Path) -> None:
    if not python_of("numpy").exists() or not shutil.which("cc"):
        pytest.skip("needs the environment of numpy and a C compiler")
    folder = tmp_path / "library"
    done = run("numpy", "--model", "linear", "--way", "c", "--steps", "60", "--out", folder)
    check_release(done, folder, "c")
    assert (folder / "requirements.txt").read_text().startswith("numpy==")
    assert "Apache License" in (folder / "LICENSE.mithril").read_text()


@pytest.mark.takes(30)
def test_what_does_not_work_is_refused_with_the_reason(backend: str, tmp_path: Path) -> None:
    for way in REASONS.keys() - {*WORKS[backend]} - ({"aotinductor"} if backend == "torch" else set()):
        done = run(backend, "--backend", backend, "--way", way, "--out", tmp_path / way)
        assert is_refused(done, REASONS[way]), done.stderr
        assert done.stdout == "" and not (tmp_path / way).exists()


def test_the_list_says_what_works(backend: str) -> None:
    done = run(backend, "--way", "list")
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    found = {head.split()[0]: answer.strip() for head, answer in zip(lines[::2], lines[1::2], strict=True)}
    assert found.keys() == {*EVERYWHERE, *REASONS}
    for way in WORKS[backend]:
        assert found[way] == "works"
    for way in REASONS.keys() - {*WORKS[backend], "aotinductor"}:
        assert found[way].startswith("no: ")


def test_help(backend: str) -> None:
    done = run(backend, "--help")
    assert done.returncode == 0, done.stderr
    for option in ("--backend", "--way", "--out", "--model", "--weights", "--steps", "--seed"):
        assert option in done.stdout


def test_training_on_a_backend(backend: str, tmp_path: Path) -> None:
    """Two runs with one seed make the same release, and the model has learned."""
    words = ("--backend", backend, "--way", "standalone", "--seed", "3", "--model", "linear", "--steps", "100")
    first, second = (run(backend, *words, "--out", tmp_path / name) for name in "ab")
    check_release(first, tmp_path / "a", "standalone")
    assert first.stdout.splitlines()[0] == second.stdout.splitlines()[0]
    right = re.search(rf"linear on {backend}: ([\d.]+)% of 360 test images right", first.stdout)
    assert right and float(right[1]) > 85
    weights = [json.loads((tmp_path / name / "manifest.json").read_text())["files"]["weights.npz"] for name in "ab"]
    assert weights[0]["bytes"] == weights[1]["bytes"]


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("--way", "standalone"), "--out"),
        (("--way", "standalone", "--out", "."), "--out .: it exists"),
        (("--way", "teleport"), "teleport"),
        (("--backend", "tensorflow"), "tensorflow"),
        (("--steps", "0"), "--steps"),
        (("--way", "pickle", "--out", "o", "--weights", "none.npz"), "none.npz"),
        (("--way", "pickle", "--out", "o", "--weights", str(PROGRAM)), "main.py"),
    ],
    ids=lambda words: " ".join(words[:3]) if isinstance(words, tuple) else "",
)
def test_bad_input_is_told_in_one_line(words: tuple[str, ...], told: str, tmp_path: Path) -> None:
    done = run("numpy", *words, folder=tmp_path)
    assert is_refused(done, told), done.stderr
    assert done.stdout == "" and not (tmp_path / "o").exists()


def test_weights_of_another_model_are_told_in_one_line(release: Path, tmp_path: Path) -> None:
    words = ("--model", "linear", "--way", "pickle", "--weights", release / "weights.npz", "--out", tmp_path / "o")
    assert is_refused(run("numpy", *words), "expected {'w': (64, 10), 'b': (10,)}")


def test_a_backend_that_is_not_installed_is_told_in_one_line(tmp_path: Path) -> None:
    for name in ("torch", "jax", "mlx"):
        done = run("numpy", "--backend", name, "--way", "program", "--out", tmp_path / "o")
        assert is_refused(done, f"--backend {name}"), done.stderr


ROWS = """
import sys
import numpy as np
rng = np.random.default_rng(0)
np.save("rows.npy", rng.integers(0, 17, (37, 64)))
np.save("none.npy", np.zeros((0, 64)))
np.save("narrow.npy", np.zeros((3, 60)))
np.save("missing.npy", np.full((3, 64), np.nan))
np.save("words.npy", np.array([["a"]]))
np.save("objects.npy", np.array([{}]), allow_pickle=True)
"""
EQUAL = """
import numpy as np
a, b = np.load("a.npy"), np.load("b.npy")
assert a.shape == (37, 10) and np.allclose(a, b, atol=1e-5)
"""


def python(words: str, folder: Path) -> None:
    """Run Python in NumPy's environment."""
    subprocess.run([str(python_of("numpy")), "-c", words], check=True, cwd=folder, timeout=60)


def test_a_release_predicts_elsewhere(release: Path, tmp_path: Path) -> None:
    """It is copied to a folder that nobody writes to, and run as its container runs it."""
    moved = shutil.copytree(release, tmp_path / "moved")
    before = sorted(moved.iterdir())
    python(ROWS, tmp_path)
    program = moved / "predict.py"
    for name, batch in (("a", "256"), ("b", "5")):
        done = run("numpy", "rows.npy", f"{name}.npy", "--batch", batch, folder=tmp_path, program=program)
        assert done.stdout == "37 rows predicted\n", done.stderr
    python(EQUAL, tmp_path)
    done = run("numpy", "none.npy", "empty.npy", folder=tmp_path, program=program)
    assert done.stdout == "0 rows predicted\n", done.stderr
    assert run("numpy", "--check", program=program).stdout.startswith("healthy")
    assert sorted(moved.iterdir()) == before


def test_bad_rows_are_told_in_one_line(release: Path, tmp_path: Path) -> None:
    python(ROWS, tmp_path)
    for name, told in [
        ("narrow", "(256, 60), expected (rows, 64)"),
        ("missing", "values that are no numbers"),
        ("words", "no rows of numbers"),
        ("objects", "objects"),
        ("absent", "absent.npy"),
    ]:
        done = run("numpy", f"{name}.npy", "scores.npy", folder=tmp_path, program=release / "predict.py")
        assert is_refused(done, told), done.stderr
    assert not list(tmp_path.glob("scores*"))
    assert is_refused(run("numpy", program=release / "predict.py"), "name a file of rows")
    assert is_refused(run("numpy", "--batch", "0", program=release / "predict.py"), "--batch")


def test_a_release_that_changed_is_not_loaded(release: Path, tmp_path: Path) -> None:
    for name in ("weights.npz", "golden.npz", "program.py"):
        changed = shutil.copytree(release, tmp_path / name)
        content = bytearray((changed / name).read_bytes())
        content[len(content) // 2] ^= 1
        (changed / name).write_bytes(content)
        told = f"{name} is not the file of this release"
        assert is_refused(run("numpy", "--check", program=changed / "predict.py"), told)
        (changed / name).unlink()
        assert is_refused(run("numpy", "--check", program=changed / "predict.py"), "no complete release")


RELEASES = """
import shutil, sys
from pathlib import Path
import numpy as np
sys.path.insert(0, sys.argv[1])
from predict import ReleaseError
from releases import Releases, Service

releases = Releases(Path("root"))
releases.root.mkdir()
for name in "12":
    shutil.copytree(sys.argv[2], releases.root / name)

def refused(function, *words):
    try:
        function(*words)
    except ReleaseError as error:
        return str(error)

service, pixels = Service(releases, size=7), np.ones((20, 64))
assert refused(service.answer, pixels) == "not ready"
assert "go back" in refused(releases.rollback)
assert "no complete release" in refused(releases.promote, "3")
releases.promote("1")
service.refresh()
first = service.answer(pixels)
assert first.shape == (20, 10) and service.answer(pixels[:0]).shape == (0, 10)
releases.promote("2")
assert service.name == "1"
service.refresh()
assert service.name == "2" and releases.history() == ["1", "2"]
service.try_out("1")
service.answer(pixels)
assert (service.shadow.rows, service.shadow.same, service.shadow.errors) == (20, 20, 0)
service.shadow.predict = None
assert np.array_equal(service.answer(pixels), first)
assert (service.shadow.rows, service.shadow.errors) == (40, 20)
releases.rollback()
service.refresh()
assert service.name == "1" and releases.history() == ["1"]
weights = releases.root / "2" / "weights.npz"
weights.write_bytes(weights.read_bytes() + b"x")
assert "weights.npz" in refused(releases.promote, "2")
assert releases.history() == ["1"]
print("well")
"""


def test_releases_go_live_and_back(release: Path, tmp_path: Path) -> None:
    command = [str(python_of("numpy")), "-c", RELEASES, str(FOLDER), str(release)]
    done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, timeout=120)
    assert done.stdout == "well\n", done.stderr


def test_the_container_runs_as_no_root() -> None:
    lines = [line.split(maxsplit=1) for line in (FOLDER / "Dockerfile").read_text().splitlines()]
    steps = [line for line in lines if line and line[0] != "#"]
    names = [name for name, _ in steps]
    user = dict(steps)["USER"]
    assert re.fullmatch(r"[1-9]\d*:[1-9]\d*", user)
    assert names.index("COPY") < names.index("USER") < names.index("ENTRYPOINT") == len(names) - 1
    assert json.loads(dict(steps)["ENTRYPOINT"]) == ["python", "predict.py"]
    assert dict(steps)["FROM"].startswith("python:3.12")
